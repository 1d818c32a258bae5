//! The real engine, through its own command line, with images made from a static busybox. The engine must be there.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tempfile::TempDir;

use crate::program::Program;

/// A name that no other test and no other run has: `head-<process>-<number>`.
#[must_use]
pub fn unique(head: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{head}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Runs `docker` and returns what it prints.
///
/// # Panics
/// It fails, or there is no engine: says what to do.
#[must_use]
pub fn docker(arguments: &[&str]) -> String {
    let ran = Command::new("docker").args(arguments).output();
    let output = ran.expect("`docker` runs: install docker.io and start dockerd, or use tests/run");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "docker {arguments:?}: {}: {error} (is dockerd running? tests/run starts it)",
        output.status
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// An image of its own. Its containers and the image itself go when it is dropped.
#[derive(Debug)]
pub struct Image {
    name: String,
}

impl Image {
    /// Builds an image that holds a static busybox and runs `command` (a busybox applet with its arguments).
    ///
    /// # Panics
    /// It cannot be built: says what to do.
    #[must_use]
    pub fn running(command: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let bin = folder.path().join("bin");
        fs::create_dir_all(&bin).expect("a folder can be made");
        fs::create_dir_all(folder.path().join("tmp")).expect("a folder can be made");
        let www = folder.path().join("www");
        fs::create_dir_all(&www).expect("a folder can be made");
        fs::write(www.join("index.html"), "hello from busybox\n").expect("a file can be written");
        fs::copy(busybox(), bin.join("busybox")).expect("busybox can be copied");
        std::os::unix::fs::symlink("busybox", bin.join("sh")).expect("a link can be made");
        let name = format!("{}:1", unique("tomo-test"));
        let mut words = vec!["busybox"];
        words.extend(command);
        let words = serde_json::to_string(&words).expect("words are JSON");
        let archive = folder.path().join("image.tar");
        let mut tar = Command::new("tar");
        tar.arg("-C").arg(folder.path()).arg("-cf").arg(&archive).args(["bin", "tmp", "www"]);
        assert!(tar.status().is_ok_and(|status| status.success()), "tar packs the image");
        let archive = archive.display().to_string();
        let command = format!("CMD {words}");
        let label = format!("LABEL {LABEL}=1");
        drop(docker(&["import", "-c", "ENV PATH=/bin", "-c", &command, "-c", &label, &archive, &name]));
        Self { name }
    }

    /// An image that serves `hello from busybox` over HTTP on port 8080.
    #[must_use]
    pub fn web() -> Self {
        // The first process of a container has to listen for the signal to stop.
        Self::script("busybox httpd -f -v -p 8080 -h /www & trap 'kill $!; exit 0' TERM; wait $!")
    }

    /// An image that runs a script of the busybox shell.
    #[must_use]
    pub fn script(script: &str) -> Self {
        Self::running(&["sh", "-c", script])
    }

    /// The same image with one more line of a Dockerfile (`USER 1000`), under a name of its own.
    #[must_use]
    pub fn with(&self, line: &str) -> Self {
        let container = docker(&["create", &self.name]);
        let name = format!("{}:1", unique("tomo-test"));
        drop(docker(&["commit", "-c", line, &container, &name]));
        drop(docker(&["rm", &container]));
        Self { name }
    }

    /// `name:tag`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Ids of all containers made from it, also of stopped ones.
    #[must_use]
    pub fn containers(&self) -> Vec<String> {
        let ids = docker(&["ps", "-aq", "--no-trunc", "--filter", &format!("ancestor={}", self.name)]);
        ids.lines().map(str::to_owned).collect()
    }
}

/// On every image that tests make.
pub const LABEL: &str = "dev.tomo.test";

impl Drop for Image {
    fn drop(&mut self) {
        // A test that has failed already must not fail twice.
        let quiet = |arguments: &[&str]| {
            let output = Command::new("docker").args(arguments).output();
            output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
        };
        for id in quiet(&["ps", "-aq", "--filter", &format!("ancestor={}", self.name)]).split_whitespace() {
            quiet(&["rm", "-fv", id]);
        }
        quiet(&["rmi", "-f", &self.name]);
    }
}

pub(crate) fn busybox() -> &'static Path {
    let known = ["/bin/busybox", "/usr/bin/busybox"].map(Path::new);
    known.into_iter().find(|path| path.exists()).expect("busybox is there: install busybox-static, or use tests/run")
}

/// Who may use a private registry of a test.
pub const REGISTRY_USER: &str = "robot$ana";
/// With this password, which base64 writes with the letters that differ for URLs, wherever it begins.
pub const REGISTRY_PASSWORD: &str = "correct~~~?>>horse~?>";
/// Both as `htpasswd -B` writes them.
const REGISTRY_HTPASSWD: &str = "robot$ana:$2y$05$abcdefghijklmnopqrstuuS9y3au7LekWLwUqis5ApfhDjxjCOzm2\n";

/// A registry on loopback, which the engine trusts without TLS. Killed when dropped.
#[derive(Debug)]
pub struct Registry {
    address: SocketAddr,
    _program: Program,
    folder: TempDir,
}

impl Registry {
    /// Starts one on a free port.
    ///
    /// # Panics
    /// It does not start: says what to do.
    pub async fn start() -> Self {
        Self::begin(None).await
    }

    /// Starts one that lets nobody in but [`REGISTRY_USER`] with [`REGISTRY_PASSWORD`].
    ///
    /// # Panics
    /// It does not start: says what to do.
    pub async fn private() -> Self {
        Self::begin(Some(REGISTRY_HTPASSWD)).await
    }

    async fn begin(users: Option<&str>) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let config = folder.path().join("config.yml");
        let root = folder.path().join("data").display().to_string();
        let mut text =
            format!("version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {root}\nhttp:\n  addr: 127.0.0.1:0\n");
        if let Some(users) = users {
            let file = folder.path().join("users");
            fs::write(&file, users).expect("a file can be written");
            text.push_str(&format!("auth:\n  htpasswd:\n    realm: tests\n    path: {}\n", file.display()));
        }
        fs::write(&config, text).expect("a file can be written");
        let mut command = tokio::process::Command::new("docker-registry");
        command.arg("serve").arg(&config);
        let mut program = Program::spawn(&mut command, "").await;
        let said = program.logged("listening on ").await;
        let address: SocketAddr = said.split('"').next().unwrap_or_default().parse().expect("an address");
        if users.is_some() {
            let auth = STANDARD.encode(format!("{REGISTRY_USER}:{REGISTRY_PASSWORD}"));
            let known = serde_json::json!({"auths": {address.to_string(): {"auth": auth}}});
            fs::write(folder.path().join("config.json"), known.to_string()).expect("a file can be written");
        }
        Self { address, _program: program, folder }
    }

    /// Host and port, as images name it.
    #[must_use]
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// Puts an image into the registry and takes it off the engine; returns the name to pull it by.
    ///
    /// # Panics
    /// The engine or the registry refuses.
    #[must_use]
    pub fn push(&self, image: &Image) -> String {
        let name = format!("{}/{}", self.address, image.name());
        self.push_as(image, &name);
        name
    }

    /// Puts an image into the registry under a name that another one may have.
    ///
    /// # Panics
    /// The engine or the registry refuses.
    pub fn push_as(&self, image: &Image, name: &str) {
        drop(docker(&["tag", image.name(), name]));
        let config = self.folder.path().display().to_string();
        drop(docker(&["--config", &config, "push", "-q", name]));
        drop(docker(&["rmi", name]));
    }
}
