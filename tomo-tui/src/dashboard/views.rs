//! The views, and what is around each of them: the header above, messages and keys below.

pub(crate) mod alerts;
pub(crate) mod app;
pub(crate) mod apps;
pub(crate) mod audit;
pub(crate) mod backups;
pub(crate) mod catalog;
mod charts;
pub(crate) mod container;
pub(crate) mod diagnosis;
pub(crate) mod history;
pub(crate) mod login;
pub(crate) mod logs;
mod marks;
pub(crate) mod operation;
pub(crate) mod operations;
pub(crate) mod overview;
pub(crate) mod panes;
pub(crate) mod person;
pub(crate) mod plan;
pub(crate) mod plans;
pub(crate) mod profile;
pub(crate) mod record;
pub(crate) mod registries;
pub(crate) mod server;
pub(crate) mod settings;
mod standing;
pub(crate) mod stock;
pub(crate) mod template;
pub(crate) mod timeline;
pub(crate) mod tokens;
mod usage;
pub(crate) mod users;
pub(crate) mod verdict;

use ratatui::{
    layout::Rect,
    style::Style,
    text::{Line, Span},
    widgets::{Clear, Widget as _},
};
use unicode_width::UnicodeWidthStr as _;

use crate::dashboard::{
    action::{self, Action, Context, Entry},
    canvas::{Canvas, Hit, cut_line, fitting, split_bottom, split_top},
    list::{AnyList, List, Listed},
    state::{Link, State},
    toast::Kind,
    widgets::table::Table,
};
use crate::format::{self, wrap};

/// Most lines of a message.
const TOAST_LINES: usize = 4;

/// Most characters of a fact.
const MOST_OF_A_FACT: usize = 4_000;

/// Before the first cell of what is marked.
const MARK: &str = "✓ ";

/// What is on screen.
#[derive(Debug)]
pub(crate) enum View {
    Login(Box<login::LoginView>),
    Overview,
    Alerts,
    Server(Box<server::ServerView>),
    /// Several servers in the same charts.
    Compare(Box<server::compare::CompareView>),
    Container(Box<container::ContainerView>),
    Stock(Box<stock::StockView>),
    Backups(Box<backups::BackupsView>),
    Registries(Box<registries::RegistriesView>),
    Users(Box<users::UsersView>),
    Person(Box<person::PersonView>),
    Profile(Box<profile::ProfileView>),
    Tokens(Box<tokens::TokensView>),
    Audit(Box<audit::AuditView>),
    Record(Box<record::RecordView>),
    Settings(Box<settings::SettingsView>),
    Verdict(Box<verdict::VerdictView>),
    Apps,
    App(Box<app::AppView>),
    Diagnosis(Box<diagnosis::DiagnosisView>),
    Logs(Box<logs::LogsView>),
    Plans,
    Plan(Box<plan::PlanView>),
    Operations,
    Operation(Box<operation::OperationView>),
    Catalog,
    Template(Box<template::TemplateView>),
}

impl View {
    pub(crate) fn context(&self) -> Context {
        match self {
            Self::Login(_) => Context::Global,
            Self::Overview => Context::Overview,
            Self::Alerts => Context::Alerts,
            Self::Server(_) => Context::Server,
            Self::Compare(_) => Context::Compare,
            Self::Container(_) => Context::Container,
            Self::Stock(_) => Context::Stock,
            Self::Backups(_) => Context::Backups,
            Self::Registries(_) => Context::Registries,
            Self::Users(_) => Context::Users,
            Self::Person(_) => Context::Person,
            Self::Profile(_) => Context::Profile,
            Self::Tokens(_) => Context::Tokens,
            Self::Audit(_) => Context::Audit,
            Self::Record(_) => Context::Record,
            Self::Settings(_) => Context::Settings,
            Self::Verdict(_) => Context::Verdict,
            Self::Apps => Context::Apps,
            Self::App(_) => Context::App,
            Self::Diagnosis(_) => Context::Diagnosis,
            Self::Logs(_) => Context::Logs,
            Self::Plans => Context::Plans,
            Self::Plan(_) => Context::Plan,
            Self::Operations => Context::Operations,
            Self::Operation(_) => Context::Operation,
            Self::Catalog => Context::Catalog,
            Self::Template(_) => Context::Template,
        }
    }

    /// What containers use, where that is charted.
    pub(crate) fn usage(&self) -> Option<&usage::Usage> {
        match self {
            Self::App(view) => Some(&view.usage),
            Self::Container(view) => Some(&view.usage),
            _ => None,
        }
    }

    pub(crate) fn usage_mut(&mut self) -> Option<&mut usage::Usage> {
        match self {
            Self::App(view) => Some(&mut view.usage),
            Self::Container(view) => Some(&mut view.usage),
            _ => None,
        }
    }

    /// Whether both show the same thing.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Server(one), Self::Server(other)) => one.name == other.name,
            (Self::Compare(one), Self::Compare(other)) => one.servers == other.servers,
            (Self::Container(one), Self::Container(other)) => (&one.server, &one.name) == (&other.server, &other.name),
            (Self::Stock(one), Self::Stock(other)) => one.server == other.server,
            (Self::Backups(one), Self::Backups(other)) => one.server == other.server,
            (Self::Person(one), Self::Person(other)) => one.name == other.name,
            (Self::Record(one), Self::Record(other)) => one.title() == other.title(),
            (Self::App(one), Self::App(other)) => one.app == other.app,
            (Self::Logs(one), Self::Logs(other)) => one.of == other.of,
            (Self::Diagnosis(one), Self::Diagnosis(other)) => one.app == other.app,
            (Self::Plan(one), Self::Plan(other)) => one.id == other.id,
            (Self::Operation(one), Self::Operation(other)) => one.id == other.id,
            (Self::Template(one), Self::Template(other)) => one.id == other.id,
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }

    /// Where one is, from the outside in.
    pub(crate) fn path(&self) -> Vec<String> {
        let path: &[&str] = match self {
            Self::Login(_) => &["sign in"],
            Self::Overview => &["overview"],
            Self::Alerts => &["alerts"],
            Self::Server(view) => &["servers", &view.name],
            Self::Compare(_) => &["servers", "compared"],
            Self::Container(view) => &["servers", &view.server, &view.name],
            Self::Stock(view) => &["servers", &view.server, "images, volumes, networks"],
            Self::Backups(view) => &["servers", &view.server, "backups of volumes"],
            Self::Registries(_) => &["registries"],
            Self::Users(_) => &["users"],
            Self::Person(view) => &["users", &view.name],
            Self::Profile(_) => &["me"],
            Self::Tokens(_) => &["tokens"],
            Self::Audit(_) => &["audit"],
            Self::Record(view) => &["audit", view.title()],
            Self::Verdict(_) => &["audit", "verify"],
            Self::Settings(_) => &["settings"],
            Self::Apps => &["apps"],
            Self::App(view) => &["apps", view.title()],
            Self::Logs(view) => match &view.of {
                logs::LogOf::App(_) => &["apps", &view.name, "log"],
                logs::LogOf::Container { server, .. } => &["servers", server, &view.name, "log"],
            },
            Self::Diagnosis(view) => match view.app.split_once('/') {
                None => &["apps", &view.name, "why"],
                // A container's that is no app's.
                Some((server, _)) => &["servers", server, &view.name, "why"],
            },
            Self::Plans => &["plans"],
            Self::Plan(view) => &["plans", &view.id],
            Self::Operations => &["operations"],
            Self::Operation(view) => &["operations", &view.id],
            Self::Catalog => &["catalog"],
            Self::Template(view) => &["catalog", &view.id],
        };
        path.iter().map(|part| (*part).to_owned()).collect()
    }
}

/// Draws the whole screen.
pub(crate) fn draw(state: &State, canvas: &mut Canvas<'_>, area: Rect) {
    canvas.hits.clear();
    canvas.now_ms = state.shown_at();
    let (head, rest) = split_top(area, 1);
    let (body, foot) = split_bottom(rest, u16::from(rest.height > 1));
    header(state, canvas, head);
    if let Some(room) = standing::draw(state, canvas, body) {
        draw_view(state, canvas, room);
        let is_old = state.refused.is_some() || matches!(state.link, Link::Lost { .. });
        if is_old && !matches!(state.view, View::Login(_)) {
            // What is shown may no longer be true.
            canvas.buffer.set_style(room, canvas.theme.stale);
        }
    }
    footer(state, canvas, foot);
    if let Some(layer) = &state.layer {
        layer.draw(canvas, body);
    }
    message(state, canvas, body);
    canvas.fill_page();
    canvas.cursor = canvas.cursor.filter(|cursor| area.contains(*cursor));
    if canvas.theme.is_ascii() {
        canvas.make_ascii();
    }
}

fn draw_view(state: &State, canvas: &mut Canvas<'_>, body: Rect) {
    match &state.view {
        View::Login(view) => view.draw(canvas, body),
        View::Overview => overview::draw(state, canvas, body),
        View::Alerts => alerts::draw(state, canvas, body),
        View::Server(view) => view.draw(state, canvas, body),
        View::Compare(view) => view.draw(canvas, body),
        View::Container(view) => view.draw(state, canvas, body),
        View::Stock(view) => view.draw(canvas, body),
        View::Backups(view) => view.draw(canvas, body, state.now_ms),
        View::Registries(view) => view.draw(canvas, body, state.now_ms),
        View::Users(view) => view.draw(canvas, body),
        View::Person(view) => view.draw(canvas, body),
        View::Profile(view) => view.draw(state, canvas, body),
        View::Tokens(view) => view.draw(canvas, body, state.panes),
        View::Audit(view) => view.draw(canvas, body),
        View::Record(view) => view.draw(canvas, body),
        View::Settings(view) => view.draw(canvas, body, state.panes),
        View::Verdict(view) => view.draw(canvas, body),
        View::Apps => apps::draw(state, canvas, body),
        View::App(view) => view.draw(state, canvas, body),
        View::Diagnosis(view) => view.draw(canvas, body),
        View::Logs(view) => view.draw(canvas, body, matches!(state.link, Link::Lost { .. })),
        View::Plans => plans::draw(state, canvas, body),
        View::Plan(view) => view.draw(canvas, body),
        View::Operations => operations::draw(state, canvas, body),
        View::Operation(view) => view.draw(canvas, body),
        View::Catalog => catalog::draw(state, canvas, body),
        View::Template(view) => view.draw(canvas, body),
    }
}

fn header(state: &State, canvas: &mut Canvas<'_>, area: Rect) {
    let theme = canvas.theme;
    let mut left = vec![Span::styled(" tomo", theme.accent.patch(theme.title))];
    for part in state.view.path() {
        left.push(Span::styled(" › ", theme.dim));
        left.push(Span::styled(tomo_proto::text::display_line(&part, 40), theme.title));
    }
    // A log says by itself what it is searched for.
    let filter = state.filter().filter(|filter| !filter.is_empty() && !state.filtering);
    if let Some(filter) = filter.filter(|_| !matches!(state.view, View::Logs(_))) {
        left.push(Span::styled(format!("  /{}", tomo_proto::text::display_line(filter, 40)), theme.warn));
        left.extend(state.list().map(|list| Span::styled(format!("  {}", shown_of_all(list)), theme.dim)));
    }
    let marks = state.list().map(AnyList::marks);
    if let Some((count, ranges)) = marks.filter(|(count, ranges)| *count > 0 || *ranges) {
        let more = if ranges { ", moving marks more" } else { "" };
        left.push(Span::styled(format!("  {count} marked{more}"), theme.key));
    }
    let left = Line::from(left);
    let mut right: Vec<Span<'static>> = Vec::new();
    let mut add = |text: String, style: Style| {
        if !right.is_empty() {
            right.push(Span::raw("  "));
        }
        right.push(Span::styled(text, style));
    };
    if let Some(who) = &state.who {
        add(format!("{} at {}", who.actor, state.daemon), theme.dim);
    } else {
        add(state.daemon.clone(), theme.dim);
    }
    if let Some(overview) = &state.overview {
        if overview.plans_pending > 0 {
            add(waiting(overview.plans_pending), theme.warn);
        }
        if !overview.operations.is_empty() {
            add(format!("{} running", overview.operations.len()), theme.accent);
        }
        if !overview.problems.is_empty() {
            add(problems(overview.problems.len()), theme.bad);
        }
    }
    if state.read_only {
        add("read-only".to_owned(), theme.warn);
    }
    if let Some(frozen) = &state.frozen {
        let seconds = state.now_ms.saturating_sub(frozen.since_ms) / 1_000;
        add(format!("FROZEN +{seconds} s"), theme.warn);
    }
    match &state.link {
        Link::Connecting if matches!(state.view, View::Login(_)) => add("signed out".to_owned(), theme.warn),
        Link::Connecting => add("connecting".to_owned(), theme.dim),
        Link::Live => add("● live".to_owned(), theme.good),
        Link::Lost { since_ms, .. } => {
            let age = format::age(state.now_ms, *since_ms);
            add(format!("✗ lost {age}"), theme.bad);
        }
    }
    // When room is short, what waits for a person stays, and the link's state longest.
    let width = usize::from(area.width).saturating_sub(1);
    let room = width.saturating_sub(left.width() + 2);
    while right.len() > 1 && right.iter().map(Span::width).sum::<usize>() > room {
        right.remove(0);
    }
    let right = Line::from(right);
    let taken = u16::try_from(right.width()).unwrap_or(u16::MAX);
    if usize::from(taken) > width {
        canvas.line(area, &cut_line(left, usize::from(area.width)));
        return;
    }
    canvas.line(area, &cut_line(left, width.saturating_sub(usize::from(taken) + 1)));
    canvas.line(Rect { x: area.right() - taken - u16::from(area.width > taken), width: taken, ..area }, &right);
}

fn footer(state: &State, canvas: &mut Canvas<'_>, area: Rect) {
    let theme = canvas.theme;
    if state.filtering {
        let sign = if let View::Logs(view) = &state.view { view.sign() } else { '/' };
        let filter = format!(" {sign} {}", state.filter().unwrap_or_default());
        canvas.text(area, &filter, theme.text);
        if state.filter_is_old {
            // As a text that is selected: the next letter replaces it.
            let width = u16::try_from(filter.width()).unwrap_or(u16::MAX).min(area.width);
            let old = Rect { x: area.x + width.min(3), width: width.saturating_sub(3), ..area };
            canvas.buffer.set_style(old, Style::reset().patch(theme.selected));
        }
        let count = state.list().map(shown_of_all).unwrap_or_default();
        let width = u16::try_from(count.width() + 1).unwrap_or(u16::MAX);
        if usize::from(width) + filter.width() + 2 < usize::from(area.width) {
            canvas.text(Rect { x: area.right() - width, width, ..area }, &count, theme.dim);
        }
        let column = area.x.saturating_add(u16::try_from(filter.width()).unwrap_or(u16::MAX));
        canvas.cursor = Some(ratatui::layout::Position::new(column.min(area.right().saturating_sub(1)), area.y));
        return;
    }
    if let Some(layer) = &state.layer {
        // The view's keys do not work below a dialogue.
        canvas.text(area, &format!(" {}", layer.hint()), theme.dim);
        return;
    }
    if matches!(state.view, View::Login(_)) {
        canvas.text(area, " Enter signs in   Tab next field   Ctrl-C twice leaves", theme.dim);
        return;
    }
    // With marks, what can be done to all of them comes first.
    let of_marked = |shortcut: &Shortcut| state.is_done_to_marked(shortcut.action);
    let mut shortcuts: Vec<_> = action::in_context(state.context())
        .map(|entry| Shortcut::of(state, entry))
        .filter(|it| !it.key.is_empty())
        .collect();
    shortcuts.retain(|it| it.place > 0 || of_marked(it));
    shortcuts.sort_by_key(|it| (!of_marked(it), it.place));
    // The ways back and out, and how to learn the rest, stay in sight, whatever else has room.
    let always = [Action::Back, Action::Help, Action::Quit].map(|action| Shortcut::of(state, action::row(action)));
    let reserved = always.iter().map(|it| it.width() + 2).sum::<u16>();
    let mut x = area.x + u16::from(area.width > 0);
    let put = |canvas: &mut Canvas<'_>, it: &Shortcut, x: u16| {
        let off = state.disabled(it.action).is_some();
        let place = Rect { x, width: it.width().min(area.right().saturating_sub(x)), ..area };
        let (key_style, style) = if off { (theme.dim, theme.dim) } else { (theme.key, theme.text) };
        let spans = vec![Span::styled(it.key.clone(), key_style), Span::styled(format!(" {}", it.word), style)];
        canvas.line(place, &Line::from(spans));
        canvas.hits.add(place, Hit::Act(it.action));
        x.saturating_add(it.width() + 2)
    };
    let all = shortcuts.iter().map(|it| it.width() + 2).sum::<u16>();
    if x.saturating_add(all).saturating_add(reserved) > area.right() {
        // What cannot be done has room last; a mark says that there is more.
        shortcuts.sort_by_key(|it| state.disabled(it.action).is_some());
        let room = area.right().saturating_sub(reserved);
        let mut taken = x;
        shortcuts.retain(|it| {
            taken = taken.saturating_add(it.width() + 2);
            taken <= room
        });
        for shortcut in &shortcuts {
            x = put(canvas, shortcut, x);
        }
        if x.saturating_add(reserved + 3) <= area.right() {
            canvas.text(Rect { x, width: 1, ..area }, "…", theme.dim);
            x += 3;
        }
    } else {
        for shortcut in &shortcuts {
            x = put(canvas, shortcut, x);
        }
    }
    for shortcut in always {
        x = put(canvas, &shortcut, x.max(area.x));
    }
}

/// What the footer says of an action where one is.
struct Shortcut {
    action: Action,
    /// Its place, 0 for none.
    place: u8,
    /// Empty if it has no key.
    key: String,
    word: &'static str,
}

impl Shortcut {
    fn of(state: &State, entry: &Entry) -> Self {
        let key =
            || state.keys.of(state.context(), entry.action).first().map_or_else(String::new, |key| (*key).to_owned());
        let (place, key, word) = match (state.context(), entry.action) {
            // The times of a log stand together, and what it copies is a line.
            (Context::Logs, Action::LogMinutes(1)) => (1, state.keys.of_times(), "since"),
            (Context::Logs, Action::Copy) => (2, key(), "copy line"),
            // What is done to an app or a container comes before its charts.
            (Context::App | Context::Container, action) if action::is_of_time(action) => {
                (entry.footer.saturating_mul(10), key(), entry.title)
            }
            _ => (entry.footer, key(), entry.title),
        };
        Self { action: entry.action, place, key, word }
    }

    fn width(&self) -> u16 {
        u16::try_from(self.key.width() + 1 + self.word.width()).unwrap_or(u16::MAX)
    }
}

/// The newest message, above the footer; a lost daemon is one as long as it is lost.
fn message(state: &State, canvas: &mut Canvas<'_>, body: Rect) {
    let theme = canvas.theme;
    let (style, text, end) = match (state.toasts.newest(), &state.link) {
        (Some((Kind::Info, text)), _) => (theme.accent, text, String::new()),
        (Some((Kind::Warning, text)), _) => (theme.warn, text, String::new()),
        (Some((Kind::Error, text)), _) => {
            let end = match state.toasts.waiting() {
                0 | 1 => " (Esc)".to_owned(),
                more => format!(" (Esc; {} more)", more - 1),
            };
            (theme.bad, text, end)
        }
        (None, Link::Lost { reason, .. }) => (theme.warn, reason.as_str(), "; trying again".to_owned()),
        (None, _) => return,
    };
    let room = usize::from(body.width).saturating_sub(4);
    let mut lines = wrap(&format!("{text}{end}"), room);
    if lines.len() > TOAST_LINES {
        lines.truncate(TOAST_LINES);
        if let Some(last) = lines.last_mut() {
            // How it ends stays in sight.
            *last = format!("{}{end}", fitting(format!("{last} …"), room.saturating_sub(end.width())));
        }
    }
    let height = u16::try_from(lines.len()).unwrap_or(1);
    let area = match &state.view {
        // The line that was copied is often the last one.
        View::Logs(_) if state.layer.is_none() => split_top(split_top(body, 1).1, height).0,
        _ => split_bottom(body, height).1,
    };
    // Nothing of the style of what is below shows through.
    Clear.render(area, canvas.buffer);
    for (row, line) in area.rows().zip(lines) {
        let filled = format!(" {line:<width$}", width = usize::from(row.width).saturating_sub(1));
        canvas.text(row, &filled, style.patch(theme.selected));
    }
}

/// The list that has the keys: its table, or what is said instead of rows. `cell` makes the content of an item's column.
fn draw_list<T: Listed>(
    list: &List<T>,
    canvas: &mut Canvas<'_>,
    area: Rect,
    empty: &[&str],
    cell: impl Fn(&T, usize, u16) -> Line<'static>,
) {
    let (sort, then) = (list.sort, list.then);
    let table = Table { columns: T::COLUMNS, rows: list.shown(), state: &list.table, sort, then, has_keys: true };
    let mark = Span::styled(MARK, canvas.theme.key);
    table.draw(canvas, area, |row, index, width| match list.get(row) {
        Some(item) if index == 0 && list.is_marked(item) => {
            let mut line = cell(item, index, width.saturating_sub(2));
            line.spans.insert(0, mark.clone());
            line
        }
        Some(item) => cell(item, index, width),
        None => Line::default(),
    });
    if list.shown() > 0 {
        return;
    }
    let dim = canvas.theme.dim;
    let unknown = list.unknown_column();
    let one: &[&str] = match &unknown {
        _ if !list.loaded => &["loading"],
        _ if list.filter.is_empty() => empty,
        Some(unknown) => &[unknown],
        None => &["nothing fits the filter; Esc shows everything"],
    };
    for (row, text) in area.rows().skip(2).zip(one) {
        canvas.text(Rect { x: row.x + row.width.min(2), width: row.width.saturating_sub(2), ..row }, text, dim);
    }
}

/// How much of a list fits its filter.
fn shown_of_all(list: &dyn AnyList) -> String {
    let (shown, all) = list.count();
    format!("{shown} of {all}")
}

/// A symbol and its word.
fn status_line(
    theme: &crate::dashboard::theme::Theme,
    status: impl crate::dashboard::theme::Status,
    word: &str,
) -> Line<'static> {
    let (symbol, style) = theme.status(status);
    Line::from(Span::styled(format!("{symbol} {word}"), style))
}

/// A name from outside, safe to show.
fn safe(text: &str, width: u16) -> Line<'static> {
    Line::from(tomo_proto::text::display_line(text, usize::from(width)))
}

/// Words from outside beside each other, each made safe alone: what begins a sequence in one would swallow the next.
fn safe_words(words: &[String], between: &str) -> String {
    let safe = |word: &String| tomo_proto::text::display_line(word, MOST_OF_A_FACT);
    words.iter().map(safe).collect::<Vec<_>>().join(between)
}

/// A fact in lines no wider than `width`, whole: they begin below each other, behind its name.
fn fact(name: Span<'static>, text: &str, style: Style, width: usize) -> Vec<Line<'static>> {
    let indent = name.width();
    let parts = wrap(&tomo_proto::text::display_line(text, MOST_OF_A_FACT), width.saturating_sub(indent));
    let mut name = Some(name);
    let mut head = || name.take().unwrap_or_else(|| Span::raw(" ".repeat(indent)));
    parts.into_iter().map(|part| Line::from(vec![head(), Span::styled(part, style)])).collect()
}

/// Traffic both ways.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
fn rate(one_way: u64, other_way: u64) -> String {
    format::rate(one_way.saturating_add(other_way) as f64)
}

fn waiting(plans: u32) -> String {
    if plans == 1 { "1 plan waits".to_owned() } else { format!("{plans} plans wait") }
}

fn problems(count: usize) -> String {
    if count == 1 { "1 problem".to_owned() } else { format!("{count} problems") }
}
