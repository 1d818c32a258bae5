//! What the dashboard looks like and which keys it has: the person's file, the terminal, and a theme chosen meanwhile.

use std::{path::PathBuf, time::Duration};

use tokio::{sync::mpsc, time::Instant};

use crate::dashboard::{
    DashboardOptions,
    action::Keymap,
    config::{self, Config, Loaded},
    effect::Effect,
    event::Event,
    probe::{self, Reply},
    state::State,
    theme::{Depth, Glyphs, Rgb, Theme, ThemeName},
    toast::Kind,
};

/// How long a reply of the terminal may take.
const REPLY: Duration = Duration::from_millis(500);

/// The look.
pub(crate) struct Looks {
    pub(crate) theme: Theme,
    depth: Depth,
    /// What is behind the text, if the terminal has told.
    background: Option<Rgb>,
    /// Replies that are still to come, and until when they are waited for before the terminal is left.
    awaited: usize,
    until: Instant,
    glyphs: Glyphs,
    /// What counts: the last that had nothing wrong, or what of the first was right.
    config: Config,
    /// The person's file; none where it is not for the dashboard to see.
    file: Option<PathBuf>,
    read: Loaded,
}

impl Looks {
    pub(crate) fn new(options: &DashboardOptions) -> Self {
        let (depth, glyphs) = Theme::detect(|name| std::env::var(name).ok());
        let glyphs = options.glyphs.unwrap_or(glyphs);
        let file = (!options.hosted).then(|| options.config.clone().unwrap_or_else(config::usual_path));
        let read = file.as_deref().map(config::load).unwrap_or_default();
        let config = read.config.clone();
        let theme = Theme::new(&config.look.inks(None), depth, glyphs);
        Self { theme, depth, background: None, awaited: 0, until: Instant::now(), glyphs, config, file, read }
    }

    /// What to ask the terminal, whose name and colors the environment has only hinted at.
    pub(crate) fn questions(&mut self) -> String {
        let set = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
        let mut questions = String::new();
        if self.depth == Depth::Mono || !probe::is_safe(&set("TERM").unwrap_or_default()) {
            return questions;
        }
        questions.push_str(probe::BACKGROUND);
        self.awaited = 1;
        if set("COLORTERM").is_none() && probe::is_guess(self.depth) {
            questions.push_str(probe::FULL_COLOR);
            self.awaited = 2;
        }
        self.until = Instant::now() + REPLY;
        questions
    }

    /// Until when a reply may still come that is not to reach whoever has the terminal next.
    pub(crate) fn awaits(&self) -> Option<Instant> {
        (self.awaited > 0 && Instant::now() < self.until).then_some(self.until)
    }

    /// Takes over what the terminal has said of itself.
    pub(crate) fn told(&mut self, reply: Reply, state: &mut State) {
        self.awaited = self.awaited.saturating_sub(1);
        match reply {
            Reply::Background(rgb) => self.background = Some(rgb),
            Reply::FullColor(true) if probe::is_guess(self.depth) => self.depth = Depth::True,
            Reply::FullColor(_) => return,
        }
        self.paint();
        state.dirty = true;
    }

    pub(crate) fn keys(&self) -> &Keymap {
        &self.config.keys
    }

    /// The theme that was chosen, in the file or since.
    pub(crate) fn chosen(&self) -> ThemeName {
        self.config.look.theme
    }

    /// Tells what is wrong in the file.
    pub(crate) fn tell_problems(&self, state: &mut State, now_ms: u64) {
        let (Some(path), Some(problem)) = (&self.file, self.read.problems.first()) else { return };
        let more = match self.read.problems.len() {
            1 => String::new(),
            count => format!("; {} more: `tomo config check`", count - 1),
        };
        state.toasts.push(Kind::Error, format!("{}{more}", problem.of(path)), now_ms);
        state.dirty = true;
    }

    /// Has the file watched; where the kernel does not, what was read stays.
    pub(crate) fn watch(&self, events: mpsc::Sender<Event>) {
        let Some(path) = self.file.clone() else { return };
        if let Err(error) = config::watch(path, self.read.clone(), events) {
            tracing::warn!("the file of keys and theme is not watched: {error}");
        }
    }

    /// Takes over what the file says now; with anything wrong in it everything stays as it was.
    pub(crate) fn take(&mut self, read: Loaded, state: &mut State, now_ms: u64) {
        self.read = read;
        if !self.read.problems.is_empty() {
            return self.tell_problems(state, now_ms);
        }
        if self.read.config == self.config {
            // It is as it was, or says what was chosen here.
            return;
        }
        self.config = self.read.config.clone();
        self.paint();
        state.keys = self.config.keys.clone();
        state.theme = self.chosen();
        let path = self.file.as_deref().map_or_else(String::new, |path| path.display().to_string());
        state.toasts.push(Kind::Info, format!("keys and theme are as {path} says now"), now_ms);
        state.dirty = true;
    }

    /// Shows another theme; what keeps it for the next time.
    pub(crate) fn choose(&mut self, theme: ThemeName) -> Option<Effect> {
        self.config.look.theme = theme;
        self.paint();
        self.file.clone().map(|path| Effect::KeepTheme(path, theme))
    }

    fn paint(&mut self) {
        self.theme = Theme::new(&self.config.look.inks(self.background), self.depth, self.glyphs);
    }
}
