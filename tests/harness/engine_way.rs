//! A way to the engine that a test can close, and stop at an exact call: before the engine hears of it, or before its answer is heard.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        UnixListener, UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
};

use crate::eventually::PATIENCE;

/// Where at a call the way stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The engine has not heard of it.
    Before,
    /// The engine has done it, and nobody has heard so.
    After,
}

#[derive(Debug, Default)]
struct State {
    /// Calls that change something, since it was last said where to stop.
    calls: Vec<String>,
    stop: Option<(usize, Side)>,
    hold: Hold,
    is_closed: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Hold {
    #[default]
    Nothing,
    Held,
    /// What is held does not go on, and its connection ends.
    Dropped,
}

/// Passes connections to a socket of its own on to the engine's. Ends when dropped.
#[derive(Debug)]
pub struct EngineWay {
    folder: TempDir,
    state: watch::Sender<State>,
    task: JoinHandle<()>,
}

impl EngineWay {
    /// Listens for what is to go to an engine.
    ///
    /// # Panics
    /// It cannot listen.
    #[must_use]
    pub fn to(engine: &Path) -> Self {
        let folder = tempfile::Builder::new().prefix("tomo-test-way-").tempdir().expect("a folder can be made");
        let listener = UnixListener::bind(folder.path().join("docker.sock")).expect("a socket can be made");
        let state = watch::Sender::new(State::default());
        let (standing, engine) = (state.clone(), engine.to_owned());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (state, engine) = (standing.clone(), engine.clone());
                tokio::spawn(async move {
                    let mut closed = state.subscribe();
                    tokio::select! {
                        () = pass_on(stream, engine, &state) => {}
                        // Its sender lives as long as this does.
                        closed = closed.wait_for(|state| state.is_closed) => drop(closed),
                    }
                });
            }
        });
        Self { folder, state, task }
    }

    /// Its socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("docker.sock")
    }

    /// Stops at the `call`-th call that changes something, counted from now and from 1 on.
    pub fn stop_at(&self, call: usize, side: Side) {
        self.state.send_replace(State { stop: Some((call, side)), ..State::default() });
    }

    /// Counts from now on and stops nowhere.
    pub fn count(&self) {
        self.state.send_replace(State::default());
    }

    /// The calls that have changed something, or wanted to, since the count began.
    #[must_use]
    pub fn calls(&self) -> Vec<String> {
        self.state.borrow().calls.clone()
    }

    /// Waits until a call is held.
    ///
    /// # Panics
    /// None comes in time.
    pub async fn held(&self) {
        let mut state = self.state.subscribe();
        let held = tokio::time::timeout(2 * PATIENCE, state.wait_for(|state| state.hold == Hold::Held)).await;
        assert!(held.is_ok(), "no call was held; these came: {:?}", self.calls());
    }

    /// Lets the held call go on.
    pub fn let_go(&self) {
        self.state.send_modify(|state| (state.stop, state.hold) = (None, Hold::Nothing));
    }

    /// Ends the held call's connection: what the engine has not heard of it never will.
    pub fn drop_held(&self) {
        self.state.send_modify(|state| (state.stop, state.hold) = (None, Hold::Dropped));
    }

    /// Ends what goes through it, and lets nobody through any more: as if the engine were not there.
    pub fn close(&self) {
        self.state.send_modify(|state| (state.stop, state.hold, state.is_closed) = (None, Hold::Dropped, true));
    }

    /// Lets whoever comes through again.
    pub fn open(&self) {
        self.state.send_modify(|state| state.is_closed = false);
    }
}

impl Drop for EngineWay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass_on(stream: UnixStream, engine: PathBuf, state: &watch::Sender<State>) {
    let Ok(engine) = UnixStream::connect(engine).await else { return };
    let (asking, answered) = stream.into_split();
    let (answering, asked) = engine.into_split();
    let holds_answer = AtomicBool::new(false);
    // Either side may go at any time.
    tokio::select! {
        () = requests(asking, asked, state, &holds_answer) => {}
        () = answers(answering, answered, state, &holds_answer) => {}
    }
}

async fn requests(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, state: &watch::Sender<State>, holds: &AtomicBool) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        if let Some(call) = change(&bytes[..count]) {
            match arrive(state, call) {
                Some(Side::Before) if !hold(state).await => return,
                Some(Side::After) => holds.store(true, Ordering::SeqCst),
                _ => {}
            }
        }
        if to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}

async fn answers(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, state: &watch::Sender<State>, holds: &AtomicBool) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        if holds.swap(false, Ordering::SeqCst) && !hold(state).await {
            return;
        }
        if to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}

/// Counts a call, and says on which side of it the way stops.
fn arrive(state: &watch::Sender<State>, call: String) -> Option<Side> {
    let mut side = None;
    state.send_modify(|state| {
        state.calls.push(call);
        side = state.stop.filter(|(at, _)| *at == state.calls.len()).map(|(_, side)| side);
    });
    side
}

/// Waits until the call may go on; says whether it may.
async fn hold(state: &watch::Sender<State>) -> bool {
    state.send_modify(|state| state.hold = Hold::Held);
    let mut state = state.subscribe();
    state.wait_for(|state| state.hold != Hold::Held).await.is_ok_and(|state| state.hold == Hold::Nothing)
}

/// What a request changes, e.g. `rename tomo-web.old`, if it begins here and changes something.
fn change(bytes: &[u8]) -> Option<String> {
    let line = String::from_utf8_lossy(bytes.split(|byte| *byte == b'\r').next()?).into_owned();
    let mut words = line.split(' ');
    let (method, path) = (words.next()?, words.next()?);
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let verb = match method {
        "POST" => path.rsplit('/').next()?,
        "DELETE" => "remove",
        _ => return None,
    };
    let name = query.split('&').find_map(|pair| pair.strip_prefix("name=")).unwrap_or_default();
    Some(format!("{verb} {name}").trim_end().to_owned())
}
