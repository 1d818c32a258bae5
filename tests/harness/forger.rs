//! An engine that lies: it has as many containers, images, volumes and networks as is wanted, and every word it says of them, or of
//! why it does not do something, is meant for the terminal of whoever reads it.

use std::{
    fmt::Write as _,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
    sync::watch,
    task::JoinHandle,
};

use crate::foreign::hostile;

/// The engine. Ends when dropped.
#[derive(Debug)]
pub struct Forger {
    folder: TempDir,
    said: Arc<Mutex<Said>>,
    events: watch::Sender<u64>,
    task: JoinHandle<()>,
}

/// What it says, until it says something else.
#[derive(Debug, Default)]
struct Said {
    containers: Vec<Value>,
    details: Vec<Value>,
    images: Vec<Value>,
    volumes: Vec<Value>,
    networks: Vec<Value>,
}

fn mark(kind: char, number: usize) -> String {
    format!("{kind}{number:05}")
}

fn id(number: usize) -> String {
    format!("{number:064x}")
}

/// Marks of so many things of a kind, in order: what is shown of each begins with it.
#[must_use]
pub fn marks(kind: char, from: usize, count: usize) -> Vec<String> {
    (from..from + count).map(|number| mark(kind, number)).collect()
}

impl Said {
    /// So many of each kind, numbered from `from` on.
    fn made_up(from: usize, count: usize) -> Self {
        let mut said = Self::default();
        for number in from..from + count {
            let word = |kind: char, more: usize| hostile(&mark(kind, number), number * 16 + more);
            let labels = json!({ word('k', 0): word('l', 1), "env": word('l', 2), "dev.tomo.name": word('a', 3) });
            let state = ["running", "exited", "paused", "restarting"][number % 4];
            said.containers.push(json!({
                "Id": id(number), "Names": [format!("/{}", word('c', 4))], "Image": word('o', 5), "ImageID": "sha256:0",
                "Command": word('x', 6), "Created": 1_700_000_000, "State": state, "Status": word('s', 7), "Labels": labels,
                "Ports": [{ "IP": word('p', 8), "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp" }], "Mounts": [],
            }));
            said.details.push(json!({
                "Id": id(number), "Created": "2024-01-01T00:00:00Z", "Name": format!("/{}", word('c', 4)),
                "Path": word('x', 9), "Args": [word('x', 10)], "Image": word('o', 11), "RestartCount": 0,
                "State": { "Status": state, "Running": state == "running", "Pid": 0, "ExitCode": 1, "Error": word('e', 12),
                    "StartedAt": "2024-01-01T00:00:00Z", "FinishedAt": "2024-01-01T00:00:00Z" },
                "Config": { "Image": word('o', 5), "Env": [format!("{}={}", word('n', 13), word('n', 14))], "Tty": true,
                    "Cmd": [word('x', 9)], "Entrypoint": [word('x', 10)], "User": word('u', 11), "Labels": {} },
                "HostConfig": { "CapAdd": [word('y', 12)] },
                "Mounts": [{ "Type": "volume", "Name": word('v', 1), "Source": word('m', 2), "Destination": word('m', 3),
                    "Driver": word('d', 4), "Mode": "", "RW": true, "Propagation": "" }],
                "NetworkSettings": { "Networks": { word('w', 5): {} } },
            }));
            said.images.push(json!({
                "Id": format!("sha256:{}", word('i', 0)), "ParentId": "", "RepoTags": [word('i', 1)], "RepoDigests": [],
                "Created": 1_700_000_000, "Size": 5_000_000, "SharedSize": -1, "Labels": {}, "Containers": -1,
            }));
            said.volumes.push(json!({
                "Name": word('v', 1), "Driver": word('d', 2), "Mountpoint": word('m', 3), "Labels": {}, "Scope": "local",
                "Options": {}, "CreatedAt": "2024-01-01T00:00:00Z",
            }));
            said.networks.push(json!({
                "Name": word('w', 1), "Id": word('w', 2), "Driver": word('d', 3), "Internal": false, "Scope": "local",
                "Labels": {}, "Options": {},
            }));
        }
        said
    }

    /// What it answers to a path: a status and a body.
    fn answer(&self, method: &str, path: &str) -> (u16, String) {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let of = |found: Option<&Value>| found.map(|value| (200, value.to_string()));
        let known = match (method, &parts[..]) {
            ("GET" | "HEAD", ["_ping"]) => Some((200, "OK".to_owned())),
            ("GET", ["version"]) => {
                let version =
                    json!({ "Version": hostile("e-version", 1), "ApiVersion": "1.47", "Arch": "amd64", "Os": "linux" });
                Some((200, version.to_string()))
            }
            ("GET", ["info"]) => Some((200, json!({ "DockerRootDir": "/var/lib/docker" }).to_string())),
            ("GET", ["containers", "json"]) => Some((200, json!(self.containers).to_string())),
            ("GET", ["containers", id, "json"]) => of(self.details.iter().find(|one| one["Id"] == *id)),
            ("GET", ["containers", _, "logs"]) => {
                let mut lines = String::new();
                for number in 0..50 {
                    // Writing to a String cannot fail.
                    _ = writeln!(lines, "2024-01-01T00:00:00.{number:09}Z {}", hostile(&mark('z', number), number));
                }
                Some((200, lines))
            }
            ("GET", ["images", "json"]) => Some((200, json!(self.images).to_string())),
            ("GET", ["volumes"]) => Some((200, json!({ "Volumes": self.volumes, "Warnings": [] }).to_string())),
            ("GET", ["networks"]) => Some((200, json!(self.networks).to_string())),
            _ => None,
        };
        known.unwrap_or_else(|| (500, json!({ "message": hostile("refused-by-engine", path.len()) }).to_string()))
    }
}

impl Forger {
    /// Listens, and has nothing yet.
    ///
    /// # Panics
    /// It cannot listen.
    #[must_use]
    pub fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("tomo-test-forger-").tempdir().expect("a folder can be made");
        let listener = UnixListener::bind(folder.path().join("docker.sock")).expect("a socket can be made");
        let (said, events) = (Arc::<Mutex<Said>>::default(), watch::Sender::new(0));
        let (saying, happening) = (Arc::clone(&said), events.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&saying), happening.subscribe()));
            }
        });
        Self { folder, said, events, task }
    }

    /// Its socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("docker.sock")
    }

    /// From now on it has so many of each kind, numbered from `from` on.
    pub fn has(&self, from: usize, count: usize) {
        *self.said.lock().unwrap_or_else(PoisonError::into_inner) = Said::made_up(from, count);
        self.events.send_modify(|number| *number += 1);
    }
}

impl Drop for Forger {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One connection, until its other end goes.
async fn serve(stream: UnixStream, said: Arc<Mutex<Said>>, mut events: watch::Receiver<u64>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut first = String::new();
        stream.read_line(&mut first).await.ok().filter(|count| *count > 0)?;
        let mut length = 0;
        loop {
            let mut header = String::new();
            stream.read_line(&mut header).await.ok().filter(|count| *count > 0)?;
            if header.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = header.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.ok()?;
        let mut words = first.split_whitespace();
        let (method, target) = (words.next()?, words.next()?);
        let path = target.split('?').next()?;
        let path = path.strip_prefix("/v1.").and_then(|rest| rest.split_once('/')).map_or(path, |(_, path)| path);
        if path.trim_start_matches('/') == "events" {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
            stream.write_all(head.as_bytes()).await.ok()?;
            events.mark_unchanged();
            loop {
                events.changed().await.ok()?;
                let event = json!({ "Type": "container", "Action": "start", "Actor": { "ID": id(0) }, "time": 1 });
                let line = format!("{event}\n");
                stream.write_all(format!("{:x}\r\n{line}\r\n", line.len()).as_bytes()).await.ok()?;
            }
        }
        let (status, body) = said.lock().unwrap_or_else(PoisonError::into_inner).answer(method, path);
        let kind = if path.ends_with("logs") { "application/vnd.docker.raw-stream" } else { "application/json" };
        let head = format!(
            "HTTP/1.1 {status} Told\r\nContent-Type: {kind}\r\nApi-Version: 1.47\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.ok()?;
        stream.write_all(body.as_bytes()).await.ok()?;
        if first.trim_end().ends_with("HTTP/1.0") {
            return None;
        }
    }
}
