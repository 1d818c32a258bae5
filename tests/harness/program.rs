//! The workspace's own binaries, as child processes that end with the test.

use std::{
    fs,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncWriteExt as _, BufReader},
    process::{Child, Command},
    task::JoinHandle,
};

use crate::eventually::eventually;

/// Where a binary of the workspace lies: beside the test's own executable.
///
/// # Panics
/// It was not built.
#[must_use]
pub fn path(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a test knows its own path");
    let folder = own.ancestors().find(|folder| folder.ends_with("debug") || folder.ends_with("release"));
    let path = folder.expect("the test lies in a target folder").join(name);
    assert!(path.exists(), "{} is not there: run `cargo build --workspace` first", path.display());
    path
}

/// A running binary. Killed when dropped.
#[derive(Debug)]
pub struct Program {
    child: Child,
    log: Arc<Mutex<String>>,
    readers: [JoinHandle<()>; 2],
}

impl Program {
    /// Starts a command with `input` on its standard input and collects what it writes.
    ///
    /// # Panics
    /// It cannot be started.
    pub async fn spawn(command: &mut Command, input: &str) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("the program starts");
        let mut stdin = child.stdin.take().expect("it is piped");
        stdin.write_all(input.as_bytes()).await.expect("the program reads its input");
        drop(stdin);
        let log = Arc::new(Mutex::new(String::new()));
        let (out, err) = (child.stdout.take().expect("it is piped"), child.stderr.take().expect("it is piped"));
        let readers = [tokio::spawn(collect(out, Arc::clone(&log))), tokio::spawn(collect(err, Arc::clone(&log)))];
        Self { child, log, readers }
    }

    /// Process id.
    ///
    /// # Panics
    /// It has ended and was waited for.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id().expect("the program runs")
    }

    /// Memory of it that is resident, KiB.
    ///
    /// # Panics
    /// It has ended.
    #[must_use]
    pub fn resident_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("the program runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it has memory");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// How many children it has.
    ///
    /// # Panics
    /// It has ended, or there is no `/proc`.
    #[must_use]
    pub fn children(&self) -> usize {
        let pid = self.pid().to_string();
        let is_child = |stat: &String| {
            // The name, which may hold anything, ends with the last parenthesis.
            stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)) == Some(pid.as_str())
        };
        let processes = fs::read_dir("/proc").expect("there is /proc").flatten();
        // One may end in between.
        processes.filter_map(|one| fs::read_to_string(one.path().join("stat")).ok()).filter(is_child).count()
    }

    /// What it has written so far, on both outputs.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for a line of the log, and returns the part after `head`.
    ///
    /// # Panics
    /// It does not come, or the program ends first; shows the log.
    pub async fn logged(&mut self, head: &str) -> String {
        let what = format!("\"{head}\" is logged");
        let found = eventually(&what, async || {
            let log = self.log();
            let found = log.lines().find_map(|line| line.split_once(head)).map(|(_, rest)| rest.to_owned());
            let ended = self.child.try_wait().expect("the program can be asked");
            found.map(Ok).or_else(|| ended.map(|status| Err(format!("{status}: {log}"))))
        });
        found.await.unwrap_or_else(|ended| panic!("the program ended before it logged \"{head}\", with {ended}"))
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// It had ended by itself; shows the log.
    pub fn signal(&self, signal: Signal) {
        let pid = self.child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let sent = pid.map(|pid| kill_process(pid, signal));
        assert_eq!(sent, Some(Ok(())), "the program had ended by itself: {}", self.log());
    }

    /// Asks it to stop (SIGTERM) and waits.
    ///
    /// # Panics
    /// It does not end in time.
    pub async fn stop(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait().await
    }

    /// Kills it (SIGKILL) and waits.
    ///
    /// # Panics
    /// It cannot be killed.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("the program can be killed");
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// It does not end in time.
    pub async fn wait(&mut self) -> ExitStatus {
        eventually("the program has ended", async || self.child.try_wait().expect("the program can be asked")).await
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.readers.iter().for_each(JoinHandle::abort);
    }
}

async fn collect(output: impl AsyncRead + Unpin, log: Arc<Mutex<String>>) {
    let mut lines = BufReader::new(output).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        log.push_str(&line);
        log.push('\n');
    }
}
