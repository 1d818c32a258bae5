//! What is typed at this terminal while it is held to another one, and the keys that leave that.

use std::{
    io::{self, PipeWriter},
    thread::JoinHandle,
};

use rustix::event::{PollFd, PollFlags, poll};
use tokio::sync::mpsc;

/// Most bytes that are read at once.
const PART: usize = 1024;
/// Parts that wait to be taken; then nothing more is read.
const PARTS: usize = 4;

/// Reads this terminal, byte by byte as they come. Dropping it ends that: no key that is typed afterwards is taken from who reads next.
pub(super) struct Keyboard {
    typed: mpsc::Receiver<Vec<u8>>,
    stop: Option<PipeWriter>,
    reader: Option<JoinHandle<()>>,
}

impl Keyboard {
    /// Begins to read, on a thread that wakes up for keys alone.
    pub(super) fn read() -> io::Result<Self> {
        let (stopped, stop) = io::pipe()?;
        let (sender, typed) = mpsc::channel(PARTS);
        let pass_on = move || {
            let stdin = io::stdin();
            loop {
                let mut fds = [PollFd::new(&stdin, PollFlags::IN), PollFd::new(&stopped, PollFlags::IN)];
                match poll(&mut fds, None) {
                    Err(rustix::io::Errno::INTR) => continue,
                    Err(_) => return,
                    Ok(_) if !fds[1].revents().is_empty() => return,
                    Ok(_) => {}
                }
                let mut part = [0; PART];
                match rustix::io::read(&stdin, &mut part) {
                    Ok(0) => return,
                    Ok(count) if sender.blocking_send(part[..count].to_vec()).is_err() => return,
                    Ok(_) | Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
                    Err(_) => return,
                }
            }
        };
        let reader = std::thread::Builder::new().name("keys".to_owned()).spawn(pass_on)?;
        Ok(Self { typed, stop: Some(stop), reader: Some(reader) })
    }

    /// What was typed next; `None` once the terminal is gone.
    pub(super) async fn next(&mut self) -> Option<Vec<u8>> {
        self.typed.recv().await
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        self.typed.close();
        drop(self.stop.take());
        if let Some(reader) = self.reader.take() {
            // It ends at once; had it panicked, there would be nothing to do about it.
            drop(reader.join());
        }
    }
}

/// Where on a line a person is, as far as the keys tell.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    #[default]
    Beginning,
    AfterTilde,
    Inside,
}

/// Finds `~.` at the beginning of a line, as with ssh; `~~` there stands for one `~`.
#[derive(Debug, Default)]
pub(super) struct Escape {
    place: Place,
}

impl Escape {
    /// What is to be passed on of what was typed, and whether the person leaves.
    pub(super) fn take(&mut self, typed: &[u8]) -> (Vec<u8>, bool) {
        let mut passed = Vec::with_capacity(typed.len() + 1);
        for byte in typed {
            match (self.place, byte) {
                (Place::Beginning, b'~') => {
                    self.place = Place::AfterTilde;
                    continue;
                }
                (Place::AfterTilde, b'.') => return (passed, true),
                (Place::AfterTilde, b'~') => {}
                (Place::AfterTilde, _) => passed.push(b'~'),
                _ => {}
            }
            passed.push(*byte);
            self.place = if matches!(byte, b'\r' | b'\n') { Place::Beginning } else { Place::Inside };
        }
        (passed, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tilde_and_a_dot_at_the_beginning_of_a_line_leave() {
        for (typed, passed, leaves) in [
            ("~.", "", true),
            ("ls\r~.x", "ls\r", true),
            ("ls ~.\r", "ls ~.\r", false),
            ("~~.\r", "~.\r", false),
            ("~/bin\r", "~/bin\r", false),
            ("~\r~.", "~\r", true),
        ] {
            let whole = Escape::default().take(typed.as_bytes());
            assert_eq!(whole, (passed.as_bytes().to_vec(), leaves), "{typed:?}");
            // However it comes in pieces.
            let mut escape = Escape::default();
            let (mut all, mut left) = (Vec::new(), false);
            for byte in typed.bytes() {
                if left {
                    break;
                }
                let (part, leaves) = escape.take(&[byte]);
                all.extend(part);
                left = leaves;
            }
            assert_eq!((all, left), whole, "{typed:?}");
        }
    }
}
