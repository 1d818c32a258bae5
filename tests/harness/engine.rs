//! An engine of a test's own, so that a test can count and clear everything on it. In namespaces of its own: it ends with all its
//! containers and leaves nothing.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::{docker::busybox, program::Program};

/// An engine. Killed when dropped.
#[derive(Debug)]
pub struct OwnEngine {
    folder: TempDir,
    _program: Program,
}

impl OwnEngine {
    /// Starts one, and waits until it answers.
    ///
    /// # Panics
    /// It does not start: says what to do.
    pub async fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("tomo-test-engine-").tempdir().expect("a folder can be made");
        let below = |name: &str| folder.path().join(name).display().to_string();
        let mut command = tokio::process::Command::new("unshare");
        command.args(["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "dockerd"]);
        command.args(["--iptables=false", "--ip6tables=false", "--storage-driver", "vfs"]);
        command.args(["--data-root", &below("data"), "--exec-root", &below("exec"), "--pidfile", &below("pid")]);
        command.args(["--host", &format!("unix://{}", below("docker.sock"))]);
        let mut program = Program::spawn(&mut command, "").await;
        program.logged("API listen on").await;
        Self { folder, _program: program }
    }

    /// Its socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("docker.sock")
    }

    /// Runs `docker` against it and returns what it prints.
    ///
    /// # Panics
    /// It fails.
    #[must_use]
    pub fn docker(&self, arguments: &[&str]) -> String {
        let host = format!("unix://{}", self.socket().display());
        let output = Command::new("docker").args(["-H", &host]).args(arguments).output().expect("`docker` runs");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "docker {arguments:?}: {error}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Makes an image that runs a script of the busybox shell; `mark` makes its content, and so its id, differ from others'.
    ///
    /// # Panics
    /// It cannot be made.
    pub fn image(&self, name: &str, mark: &str, script: &str) {
        let folder = self.folder.path().join("image");
        drop(fs::remove_dir_all(&folder));
        fs::create_dir_all(folder.join("bin")).expect("a folder can be made");
        fs::create_dir_all(folder.join("data")).expect("a folder can be made");
        fs::copy(busybox(), folder.join("bin/busybox")).expect("busybox can be copied");
        std::os::unix::fs::symlink("busybox", folder.join("bin/sh")).expect("a link can be made");
        fs::write(folder.join("mark"), mark).expect("a file can be written");
        let words = serde_json::to_string(&["sh", "-c", script]).expect("words are JSON");
        let archive = tar(&folder);
        let host = format!("unix://{}", self.socket().display());
        let mut import = Command::new("docker");
        import.args(["-H", &host, "import", "-c", "ENV PATH=/bin", "-c", &format!("CMD {words}"), "-", name]);
        let mut import = import.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("`docker` runs");
        import.stdin.take().expect("it is piped").write_all(&archive).expect("the engine takes the image");
        assert!(import.wait().is_ok_and(|status| status.success()), "the image is imported");
    }
}

fn tar(folder: &Path) -> Vec<u8> {
    let output = Command::new("tar").arg("-C").arg(folder).args(["-c", "."]).output().expect("`tar` runs");
    assert!(output.status.success(), "tar packs the image");
    output.stdout
}
