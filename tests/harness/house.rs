//! A daemon that shows its dashboard over SSH, and visitors with the real client.

use portable_pty::CommandBuilder;
use tomo_proto::{
    api::{audit::AuditSearch, auth::AuthSessionList, person::AddKey},
    model::user::Role,
};

use crate::{
    daemon::{Setup, TestDaemon},
    eventually::eventually,
    program,
    ssh::Keys,
    terminal::Terminal,
};

fn shown(setup: Setup) -> Setup {
    let program = program::path("tomo").display().to_string();
    setup.set("SSH__LISTEN", "127.0.0.1:0").set("SSH__PROGRAM", &program)
}

/// A daemon that shows its dashboard over SSH, and the keys of its visitors.
#[derive(Debug)]
pub struct House {
    /// The daemon.
    pub daemon: TestDaemon,
    /// Keys, by the names of those who hold them.
    pub keys: Keys,
    /// Where it is shown.
    pub port: u16,
}

impl House {
    /// One in this process.
    pub async fn open(setup: Setup) -> Self {
        Self::of(shown(setup).start().await)
    }

    /// One of the real binary.
    pub async fn spawn(setup: Setup) -> Self {
        Self::of(shown(setup).spawn().await)
    }

    fn of(daemon: TestDaemon) -> Self {
        let port = daemon.ssh_addr().expect("it is shown over SSH").port();
        Self { daemon, keys: Keys::new(), port }
    }

    /// Makes an account that a key of this name opens the dashboard for.
    pub async fn let_in(&self, name: &str, role: Role) {
        self.daemon.create_user(name, role).await;
        self.add(name, name).await;
    }

    /// Adds a key, made if there is none of this name, to an account.
    ///
    /// # Panics
    /// It is refused.
    pub async fn add(&self, key: &str, name: &str) {
        let add = AddKey { key: self.keys.public(key, "ed25519"), name: None, username: Some(name.to_owned()) };
        self.daemon.admin().person(&add).await.expect("the key is added");
    }

    /// The real client with a key, as somebody.
    #[must_use]
    pub fn ssh(&self, key: &str, name: &str, arguments: &[&str]) -> CommandBuilder {
        self.ssh_by(self.port, key, name, arguments)
    }

    /// The same by another port, which leads here.
    #[must_use]
    pub fn ssh_by(&self, port: u16, key: &str, name: &str, arguments: &[&str]) -> CommandBuilder {
        let mut command = CommandBuilder::new("ssh");
        command.args(["-p", &port.to_string(), "-i"]);
        command.arg(self.keys.path(key));
        for option in [
            "IdentitiesOnly=yes",
            "IdentityAgent=none",
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "LogLevel=ERROR",
            "BatchMode=yes",
        ] {
            command.args(["-o", option]);
        }
        command.args(["-F", "none"]);
        command.arg(format!("{name}@127.0.0.1"));
        command.args(arguments);
        command.env_clear();
        command.env("TERM", "xterm-256color");
        command.env("PATH", "/usr/bin:/bin");
        command
    }

    /// A visit of somebody with their own key, 100 by 30.
    #[must_use]
    pub fn visit(&self, name: &str) -> Terminal {
        Terminal::start_command(self.ssh(name, name, &[]), 100, 30)
    }

    /// What the audit tells of an action, oldest first.
    ///
    /// # Panics
    /// It cannot be read.
    pub async fn audited(&self, action: &str) -> Vec<String> {
        let search = AuditSearch { action: Some(action.to_owned()), ..AuditSearch::default() };
        let mut rows = self.daemon.admin().call(&search).await.expect("is read").entries;
        rows.reverse();
        rows.into_iter().map(|row| format!("{}: {}", row.actor, row.details)).collect()
    }

    /// Waits until nothing of any visit is left.
    pub async fn nobody_is_signed_in(&self) {
        eventually("no login is left", async || {
            let sessions = self.daemon.admin().call(&AuthSessionList {}).await.ok()?.sessions;
            sessions.is_empty().then_some(())
        })
        .await;
        eventually("nothing of a session is left", async || {
            let left = std::fs::read_dir(self.daemon.data().join("ssh-sessions"));
            left.map_or(Some(()), |mut left| left.next().is_none().then_some(()))
        })
        .await;
    }
}
