//! The clipboard of whoever sits at the terminal, by the way that reaches it.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

/// Encoded bytes that terminals take at the most.
const MOST: usize = 74_994;

/// The way there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Clipboard {
    /// tmux takes it, and hands it on to its terminal: with its usual settings it lets no program write to the clipboard.
    Tmux,
    /// The terminal does, by OSC 52.
    #[default]
    Terminal,
    /// Nobody: a console, or screen, which drops it.
    Nobody,
}

impl Clipboard {
    /// What the environment says. A dashboard that is `hosted` runs elsewhere: its environment is not the terminal's.
    pub(crate) fn detect(hosted: bool, env: impl Fn(&str) -> Option<String>) -> Self {
        let is = |name| env(name).is_some_and(|value| !value.is_empty());
        match () {
            () if hosted => Self::Terminal,
            () if is("TMUX") => Self::Tmux,
            () if is("STY") || env("TERM").is_some_and(|term| term == "linux") => Self::Nobody,
            () => Self::Terminal,
        }
    }

    /// Whether a text of so many bytes gets there.
    pub(crate) fn takes(self, bytes: usize) -> bool {
        match self {
            Self::Tmux => true,
            Self::Terminal => bytes.div_ceil(3) * 4 <= MOST,
            Self::Nobody => false,
        }
    }
}

/// Gives a text to tmux, as its newest buffer and for the clipboard of its terminal.
///
/// # Errors
/// There is no tmux, or one before 3.2, which cannot.
pub(super) fn load_tmux(text: &str) -> Result<(), String> {
    let mut command = Command::new("tmux");
    command.args(["load-buffer", "-w", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut tmux = command.spawn().map_err(|error| format!("tmux cannot be started: {error}"))?;
    if let Some(mut input) = tmux.stdin.take() {
        input.write_all(text.as_bytes()).map_err(|error| format!("tmux did not take it: {error}"))?;
    }
    let told = tmux.wait_with_output().map_err(|error| format!("tmux did not end: {error}"))?;
    let why = String::from_utf8_lossy(&told.stderr);
    if told.status.success() { Ok(()) } else { Err(format!("tmux: {}", why.lines().next().unwrap_or("it failed"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_the_clipboard_follows_from_where_one_is() {
        let detect = |hosted, set: &[(&str, &str)]| {
            Clipboard::detect(hosted, |name| {
                set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(detect(false, &[("TERM", "xterm-256color")]), Clipboard::Terminal);
        assert_eq!(detect(false, &[("TERM", "tmux-256color"), ("TMUX", "/run/tmux/default,1,0")]), Clipboard::Tmux);
        assert_eq!(detect(true, &[("TMUX", "/run/tmux/default,1,0")]), Clipboard::Terminal);
        assert_eq!(detect(false, &[("STY", "1.pts"), ("TERM", "screen")]), Clipboard::Nobody);
        assert_eq!(detect(false, &[("TERM", "linux"), ("TMUX", "")]), Clipboard::Nobody);
        assert!(Clipboard::Terminal.takes(56_244) && !Clipboard::Terminal.takes(60_000));
        assert!(Clipboard::Tmux.takes(60_000) && !Clipboard::Nobody.takes(1));
    }
}
