//! Hosts to reach by SSH: a real sshd on loopback with users of its own, and stand-ins that do what no honest host does.

use std::{
    fs,
    net::{SocketAddr, TcpListener as StdListener},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use russh::{
    keys::{Algorithm, HashAlg, PrivateKey, key::safe_rng},
    server::{self, Auth, VerifiedPublicKey},
};
use tempfile::TempDir;
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::program::Program;

/// `crypt(3)` of [`PASSWORD`](crate::daemon::PASSWORD).
const PASSWORD_HASH: &str =
    "$6$tomotomo$bJhaQspgdH5jD0dVKBtX7rOkBcZdrt2jOgwLw7rXEhu5aRgcMQawp44cVDjKZKH8PaoS5Z84fEI6mraNyWmop/";
/// Passphrase of the one key that has one.
pub const PASSPHRASE: &str = "open sesame";

/// A real sshd on loopback, without systemd. Its users have the harness's password and every key of [`Sshd::key`]:
/// `ana`, an ordinary one; `loud`, whose shell talks; `root`.
#[derive(Debug)]
pub struct Sshd {
    folder: TempDir,
    port: u16,
    program: Option<Program>,
}

fn keygen(path: &Path, kind: &str, passphrase: &str) {
    drop(fs::remove_file(path));
    let bits: &[&str] = if kind == "rsa" { &["-b", "2048"] } else { &[] };
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-t", kind, "-C", "test", "-N", passphrase, "-f"]).arg(path).args(bits);
    let made = command.status().expect("ssh-keygen runs: install openssh-server, or use tests/run");
    assert!(made.success(), "a key is made");
}

/// Keys of people, each made when it is first named.
#[derive(Debug)]
pub struct Keys(TempDir);

impl Keys {
    /// None yet.
    ///
    /// # Panics
    /// There can be no folder for them.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it makes a folder")]
    pub fn new() -> Self {
        Self(tempfile::Builder::new().prefix("tomo-test-keys-").tempdir().expect("a folder can be made"))
    }

    /// The private key's file.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The public key of this name, with the name as its comment; `kind` as `ssh-keygen` has it.
    ///
    /// # Panics
    /// It cannot be made.
    #[must_use]
    pub fn public(&self, name: &str, kind: &str) -> String {
        let path = self.path(name);
        if !path.exists() {
            keygen(&path, kind, "");
        }
        let text = fs::read_to_string(path.with_extension("pub")).expect("the public key is there");
        text.replace(" test", &format!(" {name}"))
    }
}

impl Sshd {
    /// Starts one. Needs root: its users are known in a mount namespace of its own only.
    ///
    /// # Panics
    /// It does not start: says what to do.
    pub async fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("tomo-test-sshd-").tempdir().expect("a folder can be made");
        let path = folder.path();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("the mode can be set");
        let mut authorized = String::new();
        for (name, kind, passphrase) in
            [("ed25519", "ed25519", ""), ("rsa", "rsa", ""), ("ecdsa", "ecdsa", ""), ("locked", "ed25519", PASSPHRASE)]
        {
            keygen(&path.join(name), kind, passphrase);
            authorized += &fs::read_to_string(path.join(format!("{name}.pub"))).expect("the public key is there");
        }
        keygen(&path.join("stranger"), "ed25519", "");
        keygen(&path.join("host"), "ed25519", "");
        let loud = path.join("loud.sh");
        fs::write(
            &loud,
            "#!/bin/sh\necho 'Welcome!'\nprintf 'kernel=99\\n\\033[31mred\\n'\n/bin/sh \"$@\"\necho bye\n",
        )
        .expect("writes");
        fs::set_permissions(&loud, fs::Permissions::from_mode(0o755)).expect("the mode can be set");
        let home = path.join("home");
        fs::create_dir(&home).expect("a folder can be made");
        let user = |name: &str, id: u32, shell: &str| format!("{name}:x:{id}:{id}::{}:{shell}\n", home.display());
        let passwd = user("root", 0, "/bin/sh")
            + &user("ana", 20_001, "/bin/sh")
            + &user("loud", 20_002, &loud.display().to_string())
            + "sshd:x:105:65534::/run/sshd:/usr/sbin/nologin\nnobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\n";
        let shadow =
            ["root", "ana", "loud"].map(|name| format!("{name}:{PASSWORD_HASH}:19000:0:99999:7:::\n")).concat()
                + "sshd:!:19000::::::\n";
        for (name, text) in [("passwd", &passwd), ("shadow", &shadow), ("authorized", &authorized)] {
            fs::write(path.join(name), text).expect("a file can be written");
        }
        let mut sshd = Self { folder, port: 0, program: None };
        sshd.run().await;
        sshd
    }

    async fn run(&mut self) {
        if self.port == 0 {
            let free = StdListener::bind(("127.0.0.1", 0)).expect("a port is free");
            self.port = free.local_addr().expect("an address").port();
        }
        let path = self.folder.path().display();
        let config = format!(
            "ListenAddress 127.0.0.1:{}\nHostKey {path}/host\nAuthorizedKeysFile {path}/authorized\nPidFile none\nUsePAM no\n\
            StrictModes no\nPermitRootLogin yes\nPasswordAuthentication yes\nKbdInteractiveAuthentication no\n\
            Subsystem sftp internal-sftp\nMaxStartups 100\nPrintMotd no\n",
            self.port
        );
        let file = self.folder.path().join("sshd_config");
        fs::write(&file, config).expect("a file can be written");
        fs::create_dir_all("/run/sshd").expect("a folder can be made: the tests want root");
        let script = "mount --bind \"$1/passwd\" /etc/passwd && mount --bind \"$1/shadow\" /etc/shadow && \
            { [ ! -d /run/systemd ] || mount -t tmpfs none /run/systemd; } && exec /usr/sbin/sshd -D -e -f \"$1/sshd_config\"";
        let mut command = tokio::process::Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"]).arg(self.folder.path());
        let mut program = Program::spawn(&mut command, "").await;
        program.logged("Server listening on ").await;
        self.program = Some(program);
    }

    /// Starts it again at the same address with another host key.
    ///
    /// # Panics
    /// It does not start.
    pub async fn change_host_key(&mut self) {
        if let Some(program) = self.program.take() {
            program.stop().await;
        }
        keygen(&self.folder.path().join("host"), "ed25519", "");
        self.run().await;
    }

    /// Ends it; its address is free then.
    pub async fn stop(&mut self) {
        if let Some(program) = self.program.take() {
            program.stop().await;
        }
    }

    /// Its port on loopback.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A private key's file: `ed25519`, `rsa`, `ecdsa`; `locked` has [`PASSPHRASE`]; `stranger` opens nothing.
    #[must_use]
    pub fn key_file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A private key's text.
    ///
    /// # Panics
    /// There is none of that name.
    #[must_use]
    pub fn key(&self, name: &str) -> String {
        fs::read_to_string(self.key_file(name)).expect("the key is there")
    }

    /// Fingerprint of its host key, as `ssh-keygen` prints it.
    ///
    /// # Panics
    /// `ssh-keygen` fails.
    #[must_use]
    pub fn host_key(&self) -> String {
        let shown = Command::new("ssh-keygen").arg("-lf").arg(self.folder.path().join("host.pub")).output();
        let shown = String::from_utf8(shown.expect("ssh-keygen runs").stdout).expect("is text");
        shown.split_whitespace().nth(1).expect("a fingerprint").to_owned()
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.program.as_ref().map(Program::log).unwrap_or_default()
    }
}

/// A host that speaks SSH, lets nobody in and counts whatever it is told.
#[derive(Debug)]
pub struct Rogue {
    address: SocketAddr,
    host_key: String,
    connections: Arc<AtomicUsize>,
    received: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

struct Listener(Arc<AtomicUsize>);

impl Listener {
    fn note(&self) -> Auth {
        self.0.fetch_add(1, Ordering::SeqCst);
        Auth::reject()
    }
}

impl server::Handler for Listener {
    type Error = russh::Error;

    async fn auth_none(&mut self, _: &str) -> Result<Auth, russh::Error> {
        Ok(self.note())
    }

    async fn auth_password(&mut self, _: &str, _: &str) -> Result<Auth, russh::Error> {
        Ok(self.note())
    }

    async fn auth_publickey(&mut self, _: &str, _: VerifiedPublicKey<'_>) -> Result<Auth, russh::Error> {
        Ok(self.note())
    }
}

impl Rogue {
    /// Listens on a port, 0 for a free one.
    ///
    /// # Panics
    /// The port is taken.
    pub async fn start(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("the port is free");
        let address = listener.local_addr().expect("an address");
        let key = PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).expect("a key");
        let host_key = key.public_key().fingerprint(HashAlg::Sha256).to_string();
        let config = Arc::new(server::Config {
            keys: vec![key],
            auth_rejection_time: std::time::Duration::ZERO,
            auth_rejection_time_initial: Some(std::time::Duration::ZERO),
            ..server::Config::default()
        });
        let (connections, received) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (counted, heard) = (Arc::clone(&connections), Arc::clone(&received));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let (config, heard) = (Arc::clone(&config), Arc::clone(&heard));
                tokio::spawn(async move {
                    // Whoever is refused hangs up.
                    if let Ok(session) = server::run_stream(config, stream, Listener(heard)).await {
                        drop(session.await);
                    }
                });
            }
        });
        Self { address, host_key, connections, received, task }
    }

    /// Its port on loopback.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.address.port()
    }

    /// Fingerprint of its host key.
    #[must_use]
    pub fn host_key(&self) -> &str {
        &self.host_key
    }

    /// How many have connected.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// How many attempts to sign in it has received, even those without a credential.
    #[must_use]
    pub fn received(&self) -> usize {
        self.received.load(Ordering::SeqCst)
    }
}

impl Drop for Rogue {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a host does that speaks no honest SSH.
#[derive(Debug, Clone, Copy)]
pub enum Nuisance {
    /// Takes the connection and says nothing.
    Silent,
    /// Says lines for ever before it says who it is.
    Lines,
    /// One line without an end.
    EndlessLine,
    /// Says who it is, then announces a packet of 4 GB.
    HugePacket,
    /// Says who it is, then sends packets for ever that mean nothing.
    Noise,
}

/// A host that does one such thing to everybody. Ends when dropped.
#[derive(Debug)]
pub struct Hostile {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Hostile {
    /// Listens on a free port.
    ///
    /// # Panics
    /// There is none.
    pub async fn start(nuisance: Nuisance) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
        let address = listener.local_addr().expect("an address");
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(annoy(stream, nuisance));
            }
        });
        Self { address, task }
    }

    /// Its port on loopback.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.address.port()
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn annoy(mut stream: TcpStream, nuisance: Nuisance) {
    let (head, again): (&[u8], Vec<u8>) = match nuisance {
        Nuisance::Silent => (b"", Vec::new()),
        Nuisance::Lines => (b"", b"please wait\r\n".repeat(500)),
        Nuisance::EndlessLine => (b"SSH-2.0-", b"x".repeat(8_192)),
        Nuisance::HugePacket => (b"SSH-2.0-big\r\n\xff\xff\xff\xff", vec![0; 8_192]),
        Nuisance::Noise => {
            // A plain packet: length, padding length, "ignore this" with nothing in it, padding.
            let packet = [0, 0, 0, 12, 6, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            (b"SSH-2.0-noise\r\n", packet.repeat(512))
        }
    };
    if stream.write_all(head).await.is_err() {
        return;
    }
    if again.is_empty() {
        // Until the other side goes.
        drop(tokio::io::copy(&mut stream, &mut tokio::io::sink()).await);
    } else {
        while stream.write_all(&again).await.is_ok() {}
    }
}
