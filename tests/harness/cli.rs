//! The real `tomo`, as a person or a script runs it.

use std::{ffi::OsStr, path::Path, process::Stdio};

use tempfile::TempDir;
use tokio::{io::AsyncWriteExt as _, process::Command, time::timeout};

use crate::{daemon::TestDaemon, eventually::PATIENCE, program};

/// A person's shell: a home of its own, and nothing of this one's environment but the path.
#[derive(Debug)]
pub struct Tomo {
    home: TempDir,
    env: Vec<(String, String)>,
}

/// What a run came to.
#[derive(Debug)]
pub struct Output {
    /// Exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Output {
    /// Its standard output as JSON.
    ///
    /// # Panics
    /// It is none; shows both outputs.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Insists on success.
    ///
    /// # Panics
    /// It did not succeed; shows both outputs.
    #[must_use]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }
}

impl Default for Tomo {
    fn default() -> Self {
        Self::new()
    }
}

impl Tomo {
    /// A new person's shell.
    ///
    /// # Panics
    /// No folder can be made.
    #[must_use]
    pub fn new() -> Self {
        let home = tempfile::tempdir().expect("a folder can be made");
        let mut shell = Self { home, env: Vec::new() };
        let folder = shell.home.path().display().to_string();
        shell = shell.env("HOME", &folder).env("TERM", "xterm-256color").env("LANG", "C.UTF-8");
        for variable in ["XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME"] {
            shell = shell.env(variable, &format!("{folder}/{variable}"));
        }
        shell.env("PATH", &std::env::var("PATH").unwrap_or_default())
    }

    /// A shell whose `tomo` talks to a daemon's local socket, as its admin.
    #[must_use]
    pub fn at_socket(daemon: &TestDaemon) -> Self {
        Self::new().env("TOMO_URL", &format!("unix:{}", daemon.socket().display()))
    }

    /// A shell whose `tomo` talks to a daemon over TCP, as nobody yet.
    #[must_use]
    pub fn at(daemon: &TestDaemon) -> Self {
        Self::new().env("TOMO_URL", daemon.url())
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Its home.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Its environment, for a program on a [`crate::terminal::Terminal`].
    #[must_use]
    pub fn environment(&self) -> &[(String, String)] {
        &self.env
    }

    /// Runs `tomo` with nothing on its standard input.
    pub async fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Output {
        self.run_with_input(arguments, "").await
    }

    /// Runs `tomo` with a text on its standard input.
    ///
    /// # Panics
    /// It cannot be started, or does not end in time.
    pub async fn run_with_input<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>, input: &str) -> Output {
        let mut command = Command::new(program::path("tomo"));
        command.args(arguments).env_clear().envs(self.env.iter().cloned()).current_dir(self.home.path());
        run(&mut command, input).await
    }
}

/// Runs a command to its end.
///
/// # Panics
/// It cannot be started, or does not end in time.
pub async fn run(command: &mut Command, input: &str) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().expect("the program starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    // Whoever does not want the input closes it.
    drop(stdin.write_all(input.as_bytes()).await);
    drop(stdin);
    let ended = timeout(PATIENCE, child.wait_with_output()).await;
    let output = ended.unwrap_or_else(|_| panic!("{command:?} did not end in {PATIENCE:?}")).expect("it is waited for");
    Output {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
