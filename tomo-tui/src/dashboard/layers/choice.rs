//! One of a few: a theme, a daemon, the columns of a list.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::{
    layout::Rect,
    style::Style,
    text::{Line, Span},
};
use tomo_proto::text::display_line;

use crate::{
    client::{Profile, Target},
    dashboard::{
        action::Action,
        canvas::{Canvas, Hit, centered},
        theme::ThemeName,
    },
};

/// What was chosen.
#[derive(Debug, Clone)]
pub(crate) enum Chosen {
    Theme(ThemeName),
    Daemon(Box<Target>),
    /// Shown or not, by its title.
    Column(&'static str),
}

/// The daemon that is open, and the one that the dashboard began with.
#[derive(Debug, Clone)]
pub(crate) struct Daemons {
    pub(crate) open: Target,
    pub(crate) first: Target,
}

#[derive(Debug)]
struct Row {
    name: String,
    note: String,
    /// Whether it is the one that counts now.
    is_now: bool,
    chosen: Chosen,
}

/// The choice.
#[derive(Debug)]
pub(crate) struct Choice {
    title: &'static str,
    rows: Vec<Row>,
    selected: usize,
    empty: &'static str,
}

impl Choice {
    fn new(title: &'static str, rows: Vec<Row>) -> Self {
        let selected = rows.iter().position(|row| row.is_now).unwrap_or_default();
        Self { title, rows, selected, empty: "" }
    }

    /// Of the themes there are.
    pub(crate) fn themes(now: ThemeName) -> Self {
        let row = |(theme, name, what): (ThemeName, &str, &str)| Row {
            name: name.to_owned(),
            note: what.to_owned(),
            is_now: theme == now,
            chosen: Chosen::Theme(theme),
        };
        Self::new("Theme", ThemeName::ALL.map(row).into())
    }

    /// Of the columns of a list, each with whether it is shown.
    pub(crate) fn columns(columns: Vec<(&'static str, bool)>) -> Self {
        let mut choice = Self::new("Columns", Vec::new());
        choice.show(columns);
        choice
    }

    /// Shows which columns are shown now.
    pub(crate) fn show(&mut self, columns: Vec<(&'static str, bool)>) {
        let row = |(title, is_now): (&'static str, bool)| Row {
            name: title.to_lowercase(),
            note: String::new(),
            is_now,
            chosen: Chosen::Column(title),
        };
        self.rows = columns.into_iter().map(row).collect();
    }

    /// Which keys work.
    pub(crate) fn hint(&self) -> &'static str {
        match self.rows.first().map(|row| &row.chosen) {
            Some(Chosen::Column(_)) => "Space shows or hides it   Up and Down   Esc closes",
            _ => "Enter chooses   Up and Down   Esc closes",
        }
    }

    /// Of the daemon that the dashboard began with and those that somebody has signed in to from here.
    pub(crate) fn daemons(saved: &[Profile], daemons: Option<&Daemons>) -> Self {
        let mut rows = Vec::new();
        let is_open = |target: &Target| {
            let of = |target: &Target| (target.profile.clone(), target.url.clone(), target.token.is_some());
            daemons.is_some_and(|daemons| of(&daemons.open) == of(target))
        };
        let mut add = |name: String, user: &str, target: Target| {
            let note = if user.is_empty() { target.url.clone() } else { format!("{user} at {}", target.url) };
            rows.push(Row { name, note, is_now: is_open(&target), chosen: Chosen::Daemon(Box::new(target)) });
        };
        let same = |target: &Target, profile: &Profile| {
            target.profile == profile.name && target.url == profile.url && target.token.is_none()
        };
        if let Some(Daemons { open, first }) = daemons {
            let is_saved = |target: &Target| saved.iter().any(|profile| same(target, profile));
            if !is_saved(first) {
                add("(began with)".to_owned(), "", first.clone());
            }
            // Signed out since.
            if !is_saved(open) && (&open.profile, &open.url) != (&first.profile, &first.url) {
                add(open.profile.clone(), "", open.clone());
            }
        }
        for Profile { name, url, username } in saved {
            let target = Target {
                profile: name.clone(),
                url: url.clone(),
                token: None,
                fingerprint: None,
                options: format!(" --profile {name}"),
            };
            add(name.clone(), username, target);
        }
        let empty = "no login is saved here: tomo --profile NAME login --url https://… adds one";
        Self { empty: if rows.len() < 2 { empty } else { "" }, ..Self::new("Daemons", rows) }
    }

    pub(crate) fn key(&mut self, key: KeyEvent) {
        match key.code {
            KeyCode::Up | KeyCode::BackTab | KeyCode::Char('k') => self.scroll(Action::Up),
            KeyCode::Down | KeyCode::Tab | KeyCode::Char('j') => self.scroll(Action::Down),
            _ => {}
        }
    }

    pub(crate) fn scroll(&mut self, action: Action) {
        let last = self.rows.len().saturating_sub(1);
        self.selected =
            if action == Action::Up { self.selected.saturating_sub(1) } else { (self.selected + 1).min(last) };
    }

    pub(crate) fn select(&mut self, row: usize) {
        self.selected = row.min(self.rows.len().saturating_sub(1));
    }

    /// What is selected, unless it is one of many and counts already.
    pub(crate) fn chosen(&self) -> Option<Chosen> {
        let row = self.rows.get(self.selected)?;
        (!row.is_now || matches!(row.chosen, Chosen::Column(_))).then(|| row.chosen.clone())
    }

    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let rows = u16::try_from(self.rows.len()).unwrap_or(u16::MAX).saturating_add(4);
        let inner = canvas.dialogue(centered(area, 78, rows), self.title);
        let height = usize::from(inner.height).max(1);
        let offset = (self.selected + 1).saturating_sub(height);
        let wide = self.rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0).min(30);
        for (place, (line, row)) in inner.rows().zip(self.rows.iter().skip(offset)).enumerate() {
            let mark = if row.is_now { '●' } else { ' ' };
            let name = display_line(&row.name, 30);
            let spans = vec![
                Span::styled(format!(" {mark} "), canvas.theme.good),
                Span::styled(format!("{name:<wide$}  "), canvas.theme.text),
                Span::styled(display_line(&row.note, 200), canvas.theme.dim),
            ];
            canvas.line(line, &Line::from(spans));
            if offset + place == self.selected {
                canvas.buffer.set_style(line, Style::reset().patch(canvas.theme.selected));
            }
            canvas.hits.add(line, Hit::Row(offset + place));
        }
        let below = Rect { y: inner.bottom().saturating_sub(1), height: 1, ..inner };
        if !self.empty.is_empty() && self.rows.len() < height {
            canvas.text(below, &format!(" {}", self.empty), canvas.theme.dim);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(profile: &str, url: &str) -> Target {
        let (profile, url) = (profile.to_owned(), url.to_owned());
        Target { profile, url, token: None, fingerprint: None, options: String::new() }
    }

    fn profile(name: &str, url: &str) -> Profile {
        Profile { name: name.to_owned(), url: url.to_owned(), username: "ana".to_owned() }
    }

    #[test]
    fn every_saved_login_can_be_gone_to_and_so_can_the_daemon_it_began_with() {
        let saved = [profile("default", "https://a"), profile("prod", "https://b")];
        let daemons = Daemons { open: target("prod", "https://b"), first: target("default", "unix:/s") };
        let choice = Choice::daemons(&saved, Some(&daemons));
        let names: Vec<_> = choice.rows.iter().map(|row| (row.name.as_str(), row.is_now)).collect();
        assert_eq!(names, [("(began with)", false), ("default", false), ("prod", true)]);
        assert!(choice.chosen().is_none(), "it is open already");
        let out = Daemons { open: target("old", "https://c"), first: target("default", "https://a") };
        let choice = Choice::daemons(&saved, Some(&out));
        assert_eq!(choice.rows.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), ["old", "default", "prod"]);
        let first = Daemons { open: target("default", "https://a"), first: target("default", "https://a") };
        let mut choice = Choice::daemons(&saved, Some(&first));
        assert_eq!((choice.rows.len(), choice.selected), (2, 0));
        choice.scroll(Action::Down);
        let Some(Chosen::Daemon(target)) = choice.chosen() else { panic!("a daemon") };
        assert_eq!((target.profile.as_str(), target.options.as_str()), ("prod", " --profile prod"));
    }
}
