//! A real host to manage: Debian with systemd, sshd and sudo in a container of its own, with an address of its own.
//!
//! Its image is made once, from packages, and kept below the target folder and in the engine. Needs root, `debootstrap` and the
//! engine.

use std::{path::Path, process::Command};

use crate::{
    cli,
    docker::{docker, unique},
    eventually::{eventually, eventually_within},
};

/// Name of the image; the number changes with what is in it.
const IMAGE: &str = "tomo-test-real-host:1";
/// How long a start may take on a busy machine.
const START: std::time::Duration = std::time::Duration::from_secs(60);

/// A host that runs. Its users have the harness's password: `root`; `ana`, who uses sudo without being asked; `pat`, whom sudo
/// asks; `sue`, who may not become root. Ends when dropped.
#[derive(Debug)]
pub struct RealHost {
    name: String,
    address: String,
}

/// Makes the image if it is not there.
fn ensure_image() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("real-host");
    let made = Command::new("bash").arg(script).arg(IMAGE).output().expect("bash runs");
    assert!(made.status.success(), "no real host: {}", String::from_utf8_lossy(&made.stderr));
}

impl RealHost {
    /// Boots one and waits until sshd answers.
    ///
    /// # Panics
    /// It does not come up: says what to do.
    pub async fn start() -> Self {
        // Making the image takes a while, once.
        tokio::task::spawn_blocking(ensure_image).await.expect("the image is made");
        let name = unique("tomo-test-host");
        drop(docker(&[
            "run",
            "-d",
            "--name",
            &name,
            "--hostname",
            "real-host",
            "--cap-add",
            "SYS_ADMIN",
            "--cap-add",
            "NET_ADMIN",
            "--security-opt",
            "seccomp=unconfined",
            "--security-opt",
            "apparmor=unconfined",
            "--stop-signal",
            "SIGRTMIN+3",
            "--cgroupns=private",
            "-v",
            "/sys/fs/cgroup:/sys/fs/cgroup:rw",
            "--tmpfs",
            "/run",
            "--tmpfs",
            "/run/lock",
            "--tmpfs",
            "/tmp:exec",
            "-v",
            "/var/run/docker.sock:/var/run/docker.sock",
            IMAGE,
            "/lib/systemd/systemd",
        ]));
        let mut host = Self { name, address: String::new() };
        host.wait().await;
        // The engine's package would have made it.
        let script = "gid=$(stat -c %g /var/run/docker.sock); getent group $gid || groupadd --gid $gid docker";
        drop(host.exec(&["sh", "-c", script]));
        host
    }

    async fn wait(&mut self) {
        let look = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        self.address = docker(&["inspect", "-f", look, &self.name]);
        let up = eventually_within(START, "the host runs systemd and sshd", async || {
            let state = self.try_exec(&["systemctl", "is-system-running"]);
            let answers = tokio::net::TcpStream::connect((self.address.as_str(), 22)).await.is_ok();
            (answers && matches!(state.as_str(), "running" | "degraded")).then_some(())
        });
        up.await;
    }

    /// Its address, which it shares with nobody.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The address at which it finds this machine.
    #[must_use]
    pub fn gateway(&self) -> String {
        docker(&["inspect", "-f", "{{range .NetworkSettings.Networks}}{{.Gateway}}{{end}}", &self.name])
    }

    /// Fingerprint of its host key.
    ///
    /// # Panics
    /// It has none.
    #[must_use]
    pub fn host_key(&self) -> String {
        let shown = self.exec(&["ssh-keygen", "-lf", "/etc/ssh/ssh_host_ed25519_key.pub"]);
        shown.split_whitespace().nth(1).expect("a fingerprint").to_owned()
    }

    /// A program that will run there as root. The engine's own way in ends where systemd arranges its groups anew.
    fn inside(&self, words: &[&str]) -> Command {
        let pid = docker(&["inspect", "-f", "{{.State.Pid}}", &self.name]);
        let mut command = Command::new("nsenter");
        command.args(["--target", &pid, "--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--"]).args(words);
        command
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", "/root");
        command
    }

    /// Runs a program there as root and returns what it prints.
    ///
    /// # Panics
    /// It fails.
    #[must_use]
    pub fn exec(&self, words: &[&str]) -> String {
        let output = self.inside(words).output().expect("nsenter runs: it takes root");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?} on the host: {error}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Runs a program there as root and returns what it prints on both outputs, whatever its exit code.
    ///
    /// # Panics
    /// It cannot be started.
    #[must_use]
    pub fn try_exec(&self, words: &[&str]) -> String {
        let output = self.inside(words).output().expect("nsenter runs: it takes root");
        let said = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&said).trim().to_owned()
    }

    /// Puts a script in the place of one of its programs; `"$0.real"` is the program.
    ///
    /// # Panics
    /// It is not there.
    pub fn wrap(&self, program: &str, script: &str) {
        let moved = "mv \"$1\" \"$1.real\" && printf '#!/bin/sh\n%s\n' \"$2\" > \"$1\" && chmod 755 \"$1\"";
        drop(self.exec(&["sh", "-c", moved, "sh", program, script]));
    }

    /// Undoes [`Self::wrap`].
    ///
    /// # Panics
    /// Nothing was wrapped.
    pub fn unwrap_program(&self, program: &str) {
        drop(self.exec(&["mv", &format!("{program}.real"), program]));
    }

    /// Blocks UDP to a port of this machine, as a firewall on the host would; or opens it again.
    ///
    /// # Panics
    /// `iptables` fails.
    pub fn block_udp(&self, port: u16, is_blocked: bool) {
        let pid = docker(&["inspect", "-f", "{{.State.Pid}}", &self.name]);
        let verb = if is_blocked { "-I" } else { "-D" };
        let rule = [verb, "OUTPUT", "-p", "udp", "--dport", &port.to_string(), "-j", "DROP"];
        // The host itself has no such program.
        let set = Command::new("nsenter").args(["--target", &pid, "--net", "--", "iptables", "-w"]).args(rule).status();
        assert!(set.expect("nsenter runs").success(), "iptables works");
    }

    /// Ends every session of a user's, as if sshd had crashed there.
    ///
    /// # Panics
    /// There is none.
    pub fn kill_sessions(&self, user: &str) {
        let script = "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline 2>/dev/null | grep -q \"^sshd: $1\" && \
            kill -9 ${p#/proc/} && echo killed; done; true";
        assert!(self.exec(&["sh", "-c", script, "sh", user]).contains("killed"), "{user} has a session");
    }

    /// Runs a program there as root with `input` on its standard input.
    pub async fn run(&self, words: &[&str], input: &str) -> cli::Output {
        cli::run(&mut self.inside(words).into(), input).await
    }

    /// Every file below the folders that belong to the host's owner, without what a running system writes by itself.
    #[must_use]
    pub fn files(&self) -> Vec<String> {
        let script = "find /etc /usr /opt /root /home /srv /var /tmp -xdev \\( -path /var/log -o -path /var/cache \
            -o -path /var/lib/systemd -o -path '/tmp/systemd-private-*' -o -path '/var/tmp/systemd-private-*' \\) -prune \
            -o -print | sort";
        self.exec(&["sh", "-c", script]).lines().map(str::to_owned).collect()
    }

    /// Boots it anew and waits until sshd answers.
    pub async fn reboot(&mut self) {
        drop(docker(&["restart", "-t", "20", &self.name]));
        self.wait().await;
    }

    /// Ends everything there at once, as if somebody had pulled the plug, and boots it anew.
    pub async fn power_cut(&mut self) {
        drop(docker(&["kill", &self.name]));
        drop(docker(&["start", &self.name]));
        self.wait().await;
    }

    /// Copies a file there.
    ///
    /// # Panics
    /// It cannot be copied.
    pub fn copy(&self, file: &Path, to: &str) {
        drop(docker(&["cp", &file.display().to_string(), &format!("{}:{to}", self.name)]));
    }

    /// Waits until a unit is active.
    pub async fn active(&self, unit: &str) {
        eventually(&format!("{unit} is active"), async || {
            (self.try_exec(&["systemctl", "is-active", unit]) == "active").then_some(())
        })
        .await;
    }
}

impl Drop for RealHost {
    fn drop(&mut self) {
        // A test that has failed already must not fail twice.
        drop(Command::new("docker").args(["rm", "-fv", &self.name]).output());
    }
}
