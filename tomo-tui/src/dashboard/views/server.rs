//! One server: live charts with zoom, filesystems, containers, facts.

mod access;
pub(crate) mod compare;
mod containers;

use std::cell::Cell;

use ratatui::{layout::Rect, style::Style, text::Span};
use tomo_proto::{
    api::server::ServerMetricsAnswer,
    model::{
        agent::AgentState,
        container::Container,
        metric::Unit,
        server::{EngineState, ServerDetail, ServerSummary},
    },
};

use crate::dashboard::{
    action::{Action, Keymap},
    canvas::{Canvas, split_top},
    event::MetricsRange,
    list::{AnyList as _, List},
    state::{
        State,
        disabled::{foreign_refusal, refusal},
    },
    views::{
        charts::{self, Chart, Shared},
        history::{CPU, History, MEMORY, READ, RX, SWAP, TX, WRITE},
        marks::{Mark, marks_of, titled},
        plan::{draw_scrolled, scroll},
        safe_words, status_line,
        timeline::{Moved, Timeline},
    },
};
use crate::format;
use access::looked;

/// Figures older than this are not of now.
const STALE_MS: u64 = 30_000;

/// The view of one server.
#[derive(Debug)]
pub(crate) struct ServerView {
    pub(crate) name: String,
    detail: Option<ServerDetail>,
    history: History,
    /// By the server's clock.
    pub(crate) time: Timeline,
    /// What the server's clock is ahead of ours.
    ahead_ms: i64,
    pub(crate) containers: List<Container>,
    /// What the host allows instead of the charts, from this line on.
    access: Option<usize>,
    access_end: Cell<usize>,
}

impl ServerView {
    pub(crate) fn new(name: String) -> Box<Self> {
        Box::new(Self {
            name,
            detail: None,
            history: History::default(),
            time: Timeline::default(),
            ahead_ms: 0,
            containers: List::default(),
            access: None,
            access_end: Cell::new(0),
        })
    }

    /// What the charts want to know.
    pub(crate) fn range(&self) -> MetricsRange {
        self.time.range(&self.name, &[])
    }

    /// Why no app can be deployed here, as far as the host has told.
    fn no_deploys(&self) -> Option<String> {
        let detail = self.detail.as_ref()?;
        let name = &self.name;
        let Some(policy) = &detail.policy else {
            return (detail.summary.agent == AgentState::None).then(|| format!("there is no agent on {name}"));
        };
        refusal(policy, name, "deploy")
            .or_else(|| policy.images.is_empty().then(|| format!("the policy of {name} lists no images")))
    }

    /// Why nobody can go there by SSH.
    fn no_ssh(&self, keys: &Keymap) -> Option<String> {
        let Some(detail) = &self.detail else {
            return Some(format!("what is known about {} is still loading", self.name));
        };
        let edit = keys.name(Action::EditServer);
        let nothing = || format!("nothing is known about reaching {} by SSH: {edit} says where it is", self.name);
        detail.summary.ssh.is_none().then(nothing)
    }

    /// Why it cannot be gone to by SSH without entering a credential.
    fn no_credential(&self, keys: &Keymap) -> Option<String> {
        let kept = |detail: &ServerDetail| detail.summary.ssh.as_ref().is_some_and(|ssh| ssh.credential_kept);
        let connect = keys.name(Action::ConnectServer);
        self.no_ssh(keys).or_else(|| {
            let none = || format!("no credential is kept for {}: {connect} enters one", self.name);
            (!self.detail.as_ref().is_some_and(kept)).then(none)
        })
    }

    /// Why the agent takes no release over the link.
    fn no_update(&self) -> Option<String> {
        let Some(detail) = &self.detail else {
            return Some(format!("what is known about {} is still loading", self.name));
        };
        let takes = detail.policy.as_ref().is_some_and(|policy| policy.release_key().is_ok());
        match detail.summary.agent {
            AgentState::Online if takes => None,
            AgentState::Online => {
                Some(format!("the policy of {} names no release key: it takes no updates", self.name))
            }
            _ => Some(format!("the agent of {} is not connected", self.name)),
        }
    }

    /// Why an action has nothing to do here.
    pub(crate) fn does_not_fit(&self, action: Action, keys: &Keymap) -> Option<String> {
        match action {
            Action::Deploy => self.no_deploys(),
            Action::ConnectServer => self.no_ssh(keys),
            Action::TestServer | Action::ForgetCredential => self.no_credential(keys),
            Action::UpdateAgent => self.no_update(),
            Action::EditServer if self.detail.is_none() => self.no_ssh(keys),
            _ => self.time.does_not_fit(action),
        }
    }

    /// What the list says of it, as far as it is known.
    pub(crate) fn summary(&self) -> Option<&ServerSummary> {
        self.detail.as_ref().map(|detail| &detail.summary)
    }

    /// The selected container.
    pub(crate) fn selected(&self) -> Option<&Container> {
        self.containers.selected()
    }

    /// The containers, unless what the host allows is shown instead.
    pub(crate) fn list(&self) -> Option<&List<Container>> {
        self.access.is_none().then_some(&self.containers)
    }

    pub(crate) fn list_mut(&mut self) -> Option<&mut List<Container>> {
        self.access.is_none().then_some(&mut self.containers)
    }

    /// Why the selected container cannot be operated like this, as far as the host has told.
    pub(crate) fn not_allowed(&self, verb: &str) -> Option<String> {
        let policy = self.detail.as_ref()?.policy.as_ref()?;
        foreign_refusal(policy, &self.name, verb)
    }

    /// Whether the newest figures are old.
    pub(crate) fn is_stale(&self, now_ms: u64) -> bool {
        self.newest_ms().is_some_and(|newest| self.now_there(now_ms).saturating_sub(newest) > STALE_MS)
    }

    fn newest_ms(&self) -> Option<u64> {
        Some(self.detail.as_ref()?.summary.vitals?.at_ms)
    }

    /// The present by the server's clock.
    pub(crate) fn now_there(&self, now_ms: u64) -> u64 {
        now_ms.saturating_add_signed(self.ahead_ms)
    }

    /// Does what the view does by itself: whether it did, and what to fetch.
    pub(crate) fn act(&mut self, action: Action, now_ms: u64) -> (bool, Option<MetricsRange>) {
        let now_there = self.now_there(now_ms);
        match self.time.act(action, now_there) {
            Moved::Window => return (true, Some(self.range())),
            Moved::Crosshair => return (true, None),
            Moved::No => {}
        }
        match action {
            Action::Access => {
                self.access = if self.access.is_some() { None } else { Some(0) };
            }
            Action::SortContainers => {
                self.containers.sort_next();
            }
            other => {
                if let Some(place) = &mut self.access {
                    return (scroll(place, self.access_end.get(), other), None);
                }
                return (self.containers.act(other), None);
            }
        }
        (true, None)
    }

    /// Takes fresh facts and figures over.
    pub(crate) fn take(&mut self, mut detail: ServerDetail, now_ms: u64) {
        let before = self.newest_ms();
        if let Some(vitals) = detail.summary.vitals.filter(|vitals| before != Some(vitals.at_ms)) {
            if detail.summary.agent == AgentState::Online {
                let ahead = i64::try_from(vitals.at_ms).unwrap_or(0) - i64::try_from(now_ms).unwrap_or(0);
                // The first one may be as old as the sampling interval; later ones come at once.
                if before.is_some() || ahead > 0 {
                    self.ahead_ms = ahead;
                }
            }
            if self.time.until_ms.is_none() {
                self.history.push(&vitals, self.time.span_ms());
            }
        }
        self.containers.replace(std::mem::take(&mut detail.containers));
        self.detail = Some(detail);
    }

    /// Takes a range over, unless something else has been asked for since.
    pub(crate) fn take_history(&mut self, range: &MetricsRange, answer: ServerMetricsAnswer) {
        if *range == self.range() {
            self.history = History::of(answer);
        }
    }

    /// The range that was asked for did not come: the charts wait for nothing.
    pub(crate) fn has_no_history(&mut self, range: &MetricsRange) {
        self.take_history(range, ServerMetricsAnswer::default());
    }

    pub(crate) fn draw(&self, state: &State, canvas: &mut Canvas<'_>, area: Rect) {
        let area = Rect { x: area.x + area.width.min(1), width: area.width.saturating_sub(2), ..area };
        let (head, rest) = split_top(area, 2);
        self.draw_head(canvas, head);
        if let (Some(place), Some(detail)) = (self.access, &self.detail) {
            let inner = canvas.section(rest, "access", true);
            let width = usize::from(inner.width);
            let lines = self.access_lines(detail, canvas.theme, canvas.keys, width, state.shown_at());
            draw_scrolled(canvas, inner, &lines, place, &self.access_end);
            return;
        }
        let rows = self.containers.items().len();
        let wanted = u16::try_from(rows).unwrap_or(u16::MAX).saturating_add(2).min(rest.height / 3).max(4);
        let (charts, below) = split_top(rest, rest.height - state.panes.list(rest.height, wanted));
        if charts.height > 0 {
            self.draw_charts(state, canvas, charts);
        }
        self.draw_below(canvas, below);
    }

    /// What explains the charts: operations, and the start of the host itself.
    fn marks(&self, state: &State) -> Vec<Mark> {
        let here = state.operations.items().iter().filter(|operation| operation.server.as_ref() == Some(&self.name));
        let mut marks = marks_of(here);
        if let Some(vitals) = self.summary().and_then(|summary| summary.vitals) {
            let at_ms = vitals.at_ms.saturating_sub(vitals.uptime_secs.saturating_mul(1_000));
            marks.push(Mark { at_ms, name: "the host started".to_owned() });
        }
        marks
    }

    fn draw_charts(&self, state: &State, canvas: &mut Canvas<'_>, area: Rect) {
        let marks = self.marks(state);
        let area = canvas.section(area, &titled(&self.time, &marks, state.is_live()), false);
        let total = self.summary().and_then(|summary| summary.vitals).map(|vitals| vitals.memory_total_bytes);
        #[expect(clippy::cast_precision_loss, reason = "the top of an axis")]
        let memory = total.filter(|total| *total > 0).map(|total| total as f64);
        let memory_most = [memory.unwrap_or(0.0) * 0.9];
        let chart = |title, unit, top, thresholds, series: &[(usize, &'static str)]| Chart {
            title,
            unit,
            top,
            thresholds,
            series: series.iter().map(|(index, name)| (*name, self.history.points(*index))).collect(),
        };
        let charts = [
            chart("CPU", Unit::Ratio, Some(1.0), &[0.7, 0.9], &[(CPU, "cpu")]),
            chart("Memory", Unit::Bytes, memory, &memory_most, &[(MEMORY, "used"), (SWAP, "swap")]),
            chart("Network", Unit::BytesPerSec, None, &[], &[(RX, "in"), (TX, "out")]),
            chart("Disk", Unit::BytesPerSec, None, &[], &[(READ, "read"), (WRITE, "write")]),
        ];
        let shared = Shared {
            time: &self.time,
            grid: (self.history.start_ms, self.history.step_ms),
            now_ms: self.now_there(canvas.now_ms),
            marks: &marks,
            stale: self.is_stale(canvas.now_ms),
        };
        charts::draw(canvas, area, &shared, charts);
    }

    fn draw_head(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let theme = canvas.theme;
        let Some(detail) = &self.detail else { return };
        let mut first = status_line(theme, detail.summary.status, detail.summary.status.as_str());
        let mut add = |text: String, style: Style| first.spans.push(Span::styled(format!("  {text}"), style));
        if let Some(vitals) = &detail.summary.vitals {
            add(format!("load {:.2}", vitals.load1), theme.text);
            add(format!("up {}", format::duration(vitals.uptime_secs.saturating_mul(1_000))), theme.text);
            let age = self.now_there(canvas.now_ms).saturating_sub(vitals.at_ms);
            if age > STALE_MS {
                add(format!("figures are {} old", format::duration(age)), theme.warn);
            }
        } else {
            add("no figures yet".to_owned(), theme.dim);
        }
        for (key, value) in detail.summary.labels.iter().take(4) {
            add(format!("{key}={value}"), theme.dim);
        }
        canvas.line(Rect { height: 1, ..area }, &first);
        let text = if let Some(facts) = &detail.facts {
            let engine = match &facts.engine {
                EngineState::Running { version, .. } => format!("Docker {version}"),
                EngineState::Absent { reason } => format!("no engine: {reason}"),
                EngineState::Unknown => "engine not asked yet".to_owned(),
            };
            let processor = if facts.cpu_model.is_empty() { &facts.architecture } else { &facts.cpu_model };
            // What a host does not tell is left out.
            let told = |is_told: bool, text: String| is_told.then_some(text);
            let known = [
                told(!facts.os.is_empty(), facts.os.clone()),
                told(!facts.kernel.is_empty(), format!("kernel {}", facts.kernel)),
                told(!processor.is_empty(), format!("{} × {processor}", facts.cpu_count)),
                told(facts.memory_total_bytes > 0, format!("{} memory", format::bytes(facts.memory_total_bytes))),
                Some(engine),
            ];
            safe_words(&known.into_iter().flatten().collect::<Vec<String>>(), ", ")
        } else if let Some(probe) = &detail.probe {
            format!("no agent; by SSH {}", looked(probe, canvas.now_ms))
        } else if detail.summary.agent == AgentState::None {
            let connect = canvas.keys.name(Action::ConnectServer);
            format!("no agent tells of it: {connect} goes there by SSH, and can install one")
        } else {
            "its agent has not told anything yet".to_owned()
        };
        canvas.text(Rect { y: area.y + 1, height: area.height.saturating_sub(1).min(1), ..area }, &text, theme.dim);
    }
}
