//! Colors, styles and symbols for what the terminal can show. Nothing is told by color alone: states have shapes,
//! selection is reversed.

mod inks;

pub(crate) use crate::args::Glyphs;
pub(crate) use inks::{Ink, Inks, Rgb, ThemeName};
use ratatui::style::{Color, Modifier, Style};
use tomo_proto::model::{
    app::AppStatus, audit::AuditOutcome, operation::OperationStatus, plan::PlanStatus, server::ServerStatus,
};

/// How many colors there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Depth {
    /// None.
    Mono,
    /// The terminal's own sixteen.
    Sixteen,
    /// 256.
    Indexed,
    /// 24 bits.
    True,
}

/// Every style the dashboard uses.
#[derive(Debug, Clone)]
pub(crate) struct Theme {
    pub(crate) depth: Depth,
    pub(crate) text: Style,
    pub(crate) dim: Style,
    pub(crate) title: Style,
    pub(crate) border: Style,
    pub(crate) accent: Style,
    pub(crate) good: Style,
    pub(crate) warn: Style,
    pub(crate) bad: Style,
    /// A key's name in the footer.
    pub(crate) key: Style,
    /// The selected row or the focused field: laid over what is there.
    pub(crate) selected: Style,
    /// Old data: laid over what is there.
    pub(crate) stale: Style,
    /// The lines of a chart.
    pub(crate) series: [Style; 6],
    /// What is written in and on where nothing else is said; `Reset` is the terminal's own.
    pub(crate) page: (Color, Color),
    pub(crate) glyphs: Glyphs,
}

impl Theme {
    /// Makes the theme of these inks for a terminal.
    pub(crate) fn new(inks: &Inks, depth: Depth, glyphs: Glyphs) -> Self {
        let colored = |ink: Ink| match ink.color(depth) {
            Color::Reset => Style::new(),
            color => Style::new().fg(color),
        };
        // With few colors there is no gray that shows on every background.
        let faint = |ink: Ink| match ink.color(depth) {
            Color::Reset => Style::new().add_modifier(Modifier::DIM),
            color => Style::new().fg(color),
        };
        let bold = Style::new().add_modifier(Modifier::BOLD);
        let bad = colored(inks.bad).patch(bold);
        Self {
            depth,
            text: Style::new(),
            dim: faint(inks.dim),
            title: bold,
            border: faint(inks.border),
            accent: if depth == Depth::Mono { bold } else { colored(inks.accent) },
            good: colored(inks.good),
            warn: if depth == Depth::Mono { bold } else { colored(inks.warn) },
            bad: if depth == Depth::Mono { bad.add_modifier(Modifier::UNDERLINED) } else { bad },
            key: colored(inks.key).patch(bold),
            selected: Style::new().add_modifier(Modifier::REVERSED),
            stale: Style::new().add_modifier(Modifier::DIM),
            series: inks.series.map(colored),
            page: (inks.text.color(depth), inks.background.color(depth)),
            glyphs,
        }
    }

    /// What the environment says about the terminal: a first guess, for it cannot know everything.
    pub(crate) fn detect(env: impl Fn(&str) -> Option<String>) -> (Depth, Glyphs) {
        let get = |name| env(name).filter(|value| !value.is_empty());
        let term = get("TERM").unwrap_or_else(|| "dumb".to_owned());
        let depth = if get("NO_COLOR").is_some() { Depth::Mono } else { depth_of(&term, get("COLORTERM").as_deref()) };
        // Only a locale that is set and of another kind speaks against UTF-8: few remote shells set one at all.
        let locale = get("LC_ALL").or_else(|| get("LC_CTYPE")).or_else(|| get("LANG")).map(|it| it.to_lowercase());
        let utf8 = locale.is_none_or(|locale| locale.contains("utf-8") || locale.contains("utf8"));
        let glyphs = if utf8 && term != "linux" && term != "dumb" { Glyphs::Braille } else { Glyphs::Ascii };
        (depth, glyphs)
    }

    /// The style for a share (0–1) of what there is.
    pub(crate) fn load(&self, ratio: f64) -> Style {
        if ratio >= 0.9 {
            self.bad
        } else if ratio >= 0.7 {
            self.warn
        } else {
            self.good
        }
    }

    /// The symbol of a state, one column wide, and its style.
    pub(crate) fn status(&self, status: impl Status) -> (char, Style) {
        let (symbol, ascii, tone) = status.look();
        let style = match tone {
            Tone::Good => self.good,
            Tone::Busy => self.accent,
            Tone::Warn => self.warn,
            Tone::Bad => self.bad,
            Tone::Quiet => self.dim,
        };
        (if self.is_ascii() { ascii } else { symbol }, style)
    }

    /// Whether only ASCII may be drawn.
    pub(crate) fn is_ascii(&self) -> bool {
        self.glyphs == Glyphs::Ascii
    }
}

fn depth_of(term: &str, colorterm: Option<&str>) -> Depth {
    const TRUE: [&str; 6] = ["alacritty", "foot", "wezterm", "xterm-kitty", "xterm-ghostty", "contour"];
    if term == "dumb" || term.starts_with("vt") || term.ends_with("-mono") || term.ends_with("-m") {
        Depth::Mono
    } else if term == "linux" {
        Depth::Sixteen
    } else if matches!(colorterm, Some("truecolor" | "24bit")) || term.ends_with("-direct") || TRUE.contains(&term) {
        Depth::True
    } else if term.ends_with("256color") {
        Depth::Indexed
    } else {
        Depth::Sixteen
    }
}

/// What a state means to the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Busy,
    Warn,
    Bad,
    Quiet,
}

/// A state that has a symbol.
pub(crate) trait Status {
    /// Symbol, its ASCII stand-in, and what it means.
    fn look(self) -> (char, char, Tone);
}

impl Status for ServerStatus {
    fn look(self) -> (char, char, Tone) {
        match self {
            Self::Up => ('●', '*', Tone::Good),
            Self::Degraded => ('▲', '!', Tone::Warn),
            Self::Down => ('✗', 'x', Tone::Bad),
            Self::Unknown => ('○', 'o', Tone::Quiet),
        }
    }
}

impl Status for AppStatus {
    fn look(self) -> (char, char, Tone) {
        match self {
            Self::Running => ('●', '*', Tone::Good),
            Self::Stopped => ('■', '-', Tone::Quiet),
            Self::Failed => ('✗', 'x', Tone::Bad),
            Self::Deploying => ('◐', '~', Tone::Busy),
            Self::Unknown => ('?', '?', Tone::Quiet),
        }
    }
}

impl Status for OperationStatus {
    fn look(self) -> (char, char, Tone) {
        match self {
            Self::Running => ('◐', '~', Tone::Busy),
            Self::Succeeded => ('✓', '+', Tone::Good),
            Self::Failed => ('✗', 'x', Tone::Bad),
            Self::Cancelled => ('■', '-', Tone::Quiet),
            Self::Unknown => ('?', '?', Tone::Warn),
        }
    }
}

impl Status for PlanStatus {
    fn look(self) -> (char, char, Tone) {
        match self {
            Self::Pending => ('◆', '!', Tone::Warn),
            Self::Approved => ('✓', '+', Tone::Good),
            Self::Denied => ('✗', 'x', Tone::Bad),
            Self::Applied => ('●', '*', Tone::Good),
            Self::Expired => ('○', 'o', Tone::Quiet),
            Self::Stale => ('≠', '~', Tone::Warn),
        }
    }
}

impl Status for AuditOutcome {
    fn look(self) -> (char, char, Tone) {
        match self {
            Self::Intent => ('◐', '~', Tone::Busy),
            Self::Ok => ('✓', '+', Tone::Good),
            Self::Failed => ('✗', 'x', Tone::Bad),
            Self::Denied => ('▲', '!', Tone::Warn),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use unicode_width::UnicodeWidthChar as _;

    use super::*;

    fn detect(pairs: &[(&str, &str)]) -> (Depth, Glyphs) {
        Theme::detect(|name| pairs.iter().find(|pair| pair.0 == name).map(|pair| pair.1.to_owned()))
    }

    #[test]
    fn the_environment_names_the_depth() {
        for (pairs, depth) in [
            (&[("TERM", "xterm-256color")][..], Depth::Indexed),
            (&[("TERM", "xterm-256color"), ("COLORTERM", "truecolor")], Depth::True),
            (&[("TERM", "xterm-256color"), ("COLORTERM", "24bit"), ("NO_COLOR", "1")], Depth::Mono),
            (&[("TERM", "xterm-256color"), ("NO_COLOR", "")], Depth::Indexed),
            (&[("TERM", "xterm-direct")], Depth::True),
            (&[("TERM", "xterm-kitty")], Depth::True),
            (&[("TERM", "linux"), ("COLORTERM", "truecolor")], Depth::Sixteen),
            (&[("TERM", "screen")], Depth::Sixteen),
            (&[("TERM", "vt220")], Depth::Mono),
            (&[("TERM", "dumb"), ("COLORTERM", "truecolor")], Depth::Mono),
            (&[], Depth::Mono),
        ] {
            assert_eq!(detect(pairs).0, depth, "{pairs:?}");
        }
    }

    #[test]
    fn the_environment_names_the_glyphs() {
        for (pairs, glyphs) in [
            (&[("TERM", "xterm"), ("LANG", "en_US.UTF-8")][..], Glyphs::Braille),
            (&[("TERM", "xterm"), ("LANG", "C.utf8")], Glyphs::Braille),
            (&[("TERM", "xterm")], Glyphs::Braille),
            (&[("TERM", "xterm"), ("LANG", "en_US.UTF-8"), ("LC_ALL", "C")], Glyphs::Ascii),
            (&[("TERM", "xterm"), ("LANG", "en_US.UTF-8"), ("LC_CTYPE", "de_DE.ISO-8859-1")], Glyphs::Ascii),
            (&[("TERM", "xterm"), ("LANG", "C"), ("LC_CTYPE", "C.UTF-8")], Glyphs::Braille),
            (&[("TERM", "linux"), ("LANG", "C.UTF-8")], Glyphs::Ascii),
            (&[("LANG", "C.UTF-8")], Glyphs::Ascii),
        ] {
            assert_eq!(detect(pairs).1, glyphs, "{pairs:?}");
        }
    }

    #[test]
    fn no_color_leaves_no_color_and_every_meaning() {
        let theme = Theme::new(&Inks::default(), Depth::Mono, Glyphs::Braille);
        let styles =
            [theme.dim, theme.title, theme.accent, theme.good, theme.warn, theme.bad, theme.key, theme.selected];
        for style in styles.into_iter().chain(theme.series) {
            assert_eq!((style.fg, style.bg), (None, None));
        }
        assert_eq!(HashSet::from([theme.load(0.1), theme.load(0.7), theme.load(0.9)]).len(), 3);
    }

    #[test]
    fn selection_is_reversed_at_every_depth() {
        for depth in [Depth::Mono, Depth::Sixteen, Depth::Indexed, Depth::True] {
            let theme = Theme::new(&Inks::default(), depth, Glyphs::Ascii);
            assert!(theme.selected.add_modifier.contains(Modifier::REVERSED));
        }
    }

    #[test]
    fn states_differ_by_shape_and_take_one_column() {
        fn check<S: Status + Copy>(states: &[S]) {
            let looks: Vec<_> = states.iter().map(|state| state.look()).collect();
            let symbols: HashSet<char> = looks.iter().map(|look| look.0).collect();
            let ascii: HashSet<char> = looks.iter().map(|look| look.1).collect();
            assert_eq!((symbols.len(), ascii.len()), (states.len(), states.len()));
            assert!(symbols.iter().all(|symbol| symbol.width() == Some(1)));
            assert!(ascii.iter().all(char::is_ascii));
        }
        check(&[ServerStatus::Up, ServerStatus::Degraded, ServerStatus::Down, ServerStatus::Unknown]);
        check(&[AppStatus::Running, AppStatus::Stopped, AppStatus::Failed, AppStatus::Deploying, AppStatus::Unknown]);
        check(&[
            OperationStatus::Running,
            OperationStatus::Succeeded,
            OperationStatus::Failed,
            OperationStatus::Cancelled,
            OperationStatus::Unknown,
        ]);
        check(&[
            PlanStatus::Pending,
            PlanStatus::Approved,
            PlanStatus::Denied,
            PlanStatus::Applied,
            PlanStatus::Expired,
            PlanStatus::Stale,
        ]);
        check(&AuditOutcome::ALL);
        let theme = Theme::new(&Inks::default(), Depth::Sixteen, Glyphs::Ascii);
        assert_eq!(theme.status(ServerStatus::Down), ('x', theme.bad));
    }
}
