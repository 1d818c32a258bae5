//! Reading and following a container's log. Its text is untrusted: lines are made safe and cut here.

use std::time::Duration;

use futures::StreamExt as _;
use tokio::time::{Instant, timeout_at};
use tomo_proto::{
    model::app::{LogLine, LogStream},
    text::display_line,
    wire::command::{CommandEvent, Outcome},
};

use crate::{
    commands::Failure,
    docker::{Engine, LogChunk},
    exec::Events,
};

/// Lines of one event, and the bytes of their text that fit a frame with room to spare.
const BATCH_LINES: usize = 500;
const BATCH_BYTES: usize = 128 * 1024;
/// A line's text is cut to this.
const LINE_BYTES: usize = 16 * 1024;
/// A batch waits this long for more.
const BATCH_WAIT: Duration = Duration::from_millis(100);

pub(super) async fn read(
    engine: &Engine,
    container: &str,
    tail: Option<u32>,
    since_ms: Option<u64>,
    follow: bool,
    events: &Events,
) -> Result<Outcome, Failure> {
    engine.inspect(container).await?;
    let mut chunks = engine.logs(container, tail, since_ms, follow);
    let mut lines = Lines::default();
    let mut more = true;
    while more {
        let Some(first) = chunks.next().await else { break };
        lines.take(&first?);
        let until = Instant::now() + BATCH_WAIT;
        while lines.has_room() {
            match timeout_at(until, chunks.next()).await {
                Ok(Some(chunk)) => lines.take(&chunk?),
                Ok(None) => {
                    more = false;
                    break;
                }
                Err(_) => break,
            }
        }
        send(events, lines.drain()).await;
    }
    send(events, lines.finish()).await;
    Ok(Outcome::done())
}

async fn send(events: &Events, lines: Vec<LogLine>) {
    for batch in lines.chunks(BATCH_LINES) {
        // A reader that has gone cancels the whole command.
        events.tell(CommandEvent::Log { lines: batch.to_vec() }).await;
    }
}

/// The newest lines of a container that did not live.
pub(super) async fn tail(engine: &Engine, container: &str, count: u32) -> Vec<LogLine> {
    let mut lines = Lines::default();
    let mut chunks = engine.logs(container, Some(count), None, false);
    while let Some(Ok(chunk)) = chunks.next().await {
        lines.take(&chunk);
    }
    let mut lines = lines.finish();
    // The outcome has to fit a frame: the newest matter.
    let mut room = BATCH_BYTES;
    let kept = lines
        .iter()
        .rev()
        .take_while(|line| {
            room.checked_sub(line.text.len() + 64).is_some_and(|left| {
                room = left;
                true
            })
        })
        .count();
    lines.drain(..lines.len() - kept);
    lines
}

/// Chunks become lines, per stream.
#[derive(Debug, Default)]
struct Lines {
    done: Vec<LogLine>,
    bytes: usize,
    open: [Open; 2],
}

#[derive(Debug, Default)]
struct Open {
    at_ms: u64,
    text: Vec<u8>,
    started: bool,
}

impl Lines {
    fn has_room(&self) -> bool {
        self.done.len() < BATCH_LINES && self.bytes < BATCH_BYTES
    }

    fn take(&mut self, chunk: &LogChunk) {
        let stream = if chunk.from_stderr { LogStream::Stderr } else { LogStream::Stdout };
        let open = &mut self.open[usize::from(chunk.from_stderr)];
        // The engine puts the time at the head of every chunk; a long line comes in several.
        let (at_ms, mut rest) = split_time(&chunk.bytes);
        if !open.started {
            open.at_ms = at_ms;
        }
        while !rest.is_empty() {
            let end = rest.iter().position(|byte| *byte == b'\n');
            let part = &rest[..end.unwrap_or(rest.len())];
            let room = LINE_BYTES.saturating_sub(open.text.len());
            open.text.extend_from_slice(&part[..part.len().min(room)]);
            open.started = true;
            let Some(end) = end else { break };
            rest = &rest[end + 1..];
            let line = close(open, stream);
            self.bytes += line.text.len();
            self.done.push(line);
        }
    }

    fn drain(&mut self) -> Vec<LogLine> {
        self.bytes = 0;
        std::mem::take(&mut self.done)
    }

    /// The lines, with those that never ended.
    fn finish(mut self) -> Vec<LogLine> {
        for (place, stream) in [LogStream::Stdout, LogStream::Stderr].into_iter().enumerate() {
            if self.open[place].started {
                let line = close(&mut self.open[place], stream);
                self.done.push(line);
            }
        }
        self.done
    }
}

fn close(open: &mut Open, stream: LogStream) -> LogLine {
    let text = display_line(String::from_utf8_lossy(&open.text).trim_end_matches('\r'), LINE_BYTES);
    let line = LogLine { at_ms: open.at_ms, stream, text, service: None };
    *open = Open::default();
    line
}

fn split_time(bytes: &[u8]) -> (u64, &[u8]) {
    let parsed = || {
        let blank = bytes.iter().take(40).position(|byte| *byte == b' ')?;
        let time: jiff::Timestamp = std::str::from_utf8(&bytes[..blank]).ok()?.parse().ok()?;
        Some((u64::try_from(time.as_millisecond()).ok()?, &bytes[blank + 1..]))
    };
    parsed().unwrap_or((0, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(from_stderr: bool, text: &str) -> LogChunk {
        LogChunk { from_stderr, bytes: text.to_owned().into() }
    }

    #[test]
    fn chunks_become_safe_lines() {
        let mut lines = Lines::default();
        lines.take(&chunk(false, "2026-11-24T00:00:01.5Z plain\n"));
        lines.take(&chunk(true, "2026-11-24T00:00:02Z \u{1b}[2Jgone\u{202e}\r\n"));
        lines.take(&chunk(false, "2026-11-24T00:00:03Z begun "));
        lines.take(&chunk(true, "2026-11-24T00:00:04Z between\n"));
        lines.take(&chunk(false, "2026-11-24T00:00:05Z and ended\n"));
        lines.take(&chunk(false, "no time\n"));
        lines.take(&chunk(false, "never ended"));
        let lines = lines.finish();
        let shown: Vec<_> = lines.iter().map(|line| (line.at_ms % 100_000, line.text.as_str())).collect();
        let begun = 1_795_478_400_000 % 100_000;
        assert_eq!(
            shown,
            [
                (begun + 1_500, "plain"),
                (begun + 2_000, "gone"),
                (begun + 4_000, "between"),
                (begun + 3_000, "begun and ended"),
                (0, "no time"),
                (0, "never ended"),
            ]
        );
        assert_eq!(lines[1].stream, LogStream::Stderr);
    }

    #[test]
    fn a_long_line_is_cut() {
        let mut lines = Lines::default();
        for _ in 0..200 {
            lines.take(&chunk(false, &"x".repeat(16 * 1024)));
        }
        lines.take(&chunk(false, "\nnext\n"));
        let lines = lines.finish();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].text.len() <= LINE_BYTES + 3);
        assert_eq!(lines[1].text, "next");
    }
}
