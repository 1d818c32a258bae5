//! Tells when the file was changed: the kernel says so, and nothing wakes up until then.

use std::{
    io,
    mem::MaybeUninit,
    path::{Path, PathBuf},
};

use rustix::{
    fs::inotify::{self, CreateFlags, WatchFlags},
    io::Errno,
};
use tokio::sync::mpsc;

use super::{Loaded, load};
use crate::dashboard::event::Event;

/// Reads the file again whenever its text is another one, and sends what came of it; `known` was read before.
///
/// # Errors
/// The kernel watches nothing more.
pub(crate) fn watch(path: PathBuf, known: Loaded, events: mpsc::Sender<Event>) -> io::Result<()> {
    let kernel = inotify::init(CreateFlags::CLOEXEC)?;
    look_at(&kernel, &path);
    let follow = move || {
        let mut known = known;
        let mut buffer = [MaybeUninit::uninit(); 4096];
        loop {
            // It may have been written before it was watched.
            let now = load(&path);
            if now != known {
                known = now;
                if events.blocking_send(Event::Config(Box::new(known.clone()))).is_err() {
                    return;
                }
            }
            let mut reader = inotify::Reader::new(&kernel, &mut buffer);
            loop {
                match reader.next().map(drop) {
                    Ok(()) if !reader.is_buffer_empty() => {}
                    Ok(()) | Err(Errno::INTR) => break,
                    Err(_) => return,
                }
            }
            // A folder may have come, or a link may lead elsewhere.
            look_at(&kernel, &path);
        }
    };
    std::thread::Builder::new().name("config".to_owned()).spawn(follow).map(drop)
}

/// Watches the folders in which a change of the file shows: its own, that of what a link leads to, and while there is none the
/// nearest one above.
fn look_at(kernel: impl rustix::fd::AsFd + Copy, path: &Path) {
    let wanted = WatchFlags::CLOSE_WRITE
        | WatchFlags::CREATE
        | WatchFlags::DELETE
        | WatchFlags::MOVED_TO
        | WatchFlags::MOVED_FROM
        | WatchFlags::DELETE_SELF
        | WatchFlags::MOVE_SELF
        | WatchFlags::ONLYDIR;
    let target = std::fs::canonicalize(path).ok();
    for file in [Some(path), target.as_deref()].into_iter().flatten() {
        let folders =
            file.ancestors().skip(1).map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
        // One that is watched already stays watched once.
        for folder in folders {
            if inotify::add_watch(kernel, folder, wanted).is_ok() {
                break;
            }
        }
    }
}
