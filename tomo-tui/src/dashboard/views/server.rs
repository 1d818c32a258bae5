//! One server: live charts with zoom, filesystems, containers, facts.

use std::{cell::Cell, collections::VecDeque};

use ratatui::{
    layout::Rect,
    style::Style,
    text::{Line, Span},
};
use tomo_proto::{
    api::server::ServerMetricsAnswer,
    model::{
        agent::AgentState,
        container::{Container, ContainerState},
        metric::{Unit, names},
        server::{EngineState, ServerDetail, Vitals},
        ssh::{Ssh, SshAuth, SshProbe, SshSudo},
    },
    text::display_line,
    wire::command::Command,
};

use crate::dashboard::{
    action::{self, Action},
    canvas::{Canvas, Hit, split_left, split_top},
    event::MetricsRange,
    list::step,
    state::State,
    theme::Theme,
    views::{
        apps::health,
        plan::{draw_scrolled, scroll},
        rate, safe, status_line,
    },
    widgets::{
        chart::{ChartSeries, TimeChart},
        gauge::gauge,
        table::{Column, Table, TableState, column, growing, number},
    },
};
use crate::format::{self, wrap};

/// Spans the charts can show, with the step of their points (at most 400 points).
const ZOOMS: [(&str, u64, u32); 8] = [
    ("1 min", 60_000, 1),
    ("5 min", 300_000, 1),
    ("15 min", 900_000, 3),
    ("1 h", 3_600_000, 10),
    ("6 h", 21_600_000, 60),
    ("24 h", 86_400_000, 240),
    ("7 d", 604_800_000, 1_800),
    ("30 d", 2_592_000_000, 7_200),
];
const ZOOM_AT_FIRST: usize = 1;
/// A host that nobody watches is sampled this often at the most seldom; a shorter gap is none.
const SHORT_GAP_MS: u64 = 15_000;
/// Figures older than this are not of now.
const STALE_MS: u64 = 30_000;

const CPU: usize = 0;
const MEMORY: usize = 1;
const SWAP: usize = 2;
const RX: usize = 3;
const TX: usize = 4;
const READ: usize = 5;
const WRITE: usize = 6;
const SERIES: [&str; 7] = [
    names::CPU,
    names::MEMORY_USED,
    names::SWAP_USED,
    names::NET_RX,
    names::NET_TX,
    names::DISK_READ,
    names::DISK_WRITE,
];

/// The points that the charts draw.
#[derive(Debug, Default)]
struct History {
    start_ms: u64,
    step_ms: u64,
    avg: [VecDeque<Option<f64>>; SERIES.len()],
    max: [VecDeque<Option<f64>>; SERIES.len()],
}

impl History {
    fn of(answer: ServerMetricsAnswer) -> Self {
        let mut history = Self { start_ms: answer.start_ms, step_ms: answer.step_ms.max(1), ..Self::default() };
        for series in answer.series {
            let Some(place) = SERIES.iter().position(|metric| *metric == series.metric && series.part.is_empty())
            else {
                continue;
            };
            let max = if series.max.is_empty() { series.avg.clone() } else { series.max };
            history.avg[place] = bridge(series.avg, history.step_ms).into();
            history.max[place] = bridge(max, history.step_ms).into();
        }
        history
    }

    /// Adds the newest figures, and lets go what is older than the span.
    fn push(&mut self, vitals: &Vitals, span_ms: u64) {
        if self.step_ms == 0 {
            return;
        }
        let Some(age_ms) = vitals.at_ms.checked_sub(self.start_ms) else { return };
        let Ok(place) = usize::try_from(age_ms / self.step_ms) else { return };
        // A clock that has jumped far ahead would fill the memory with gaps: the next fetch sets it right.
        if place > 4_000 {
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "a few digits are drawn")]
        let values = [
            vitals.cpu_ratio,
            vitals.memory_used_bytes as f64,
            vitals.swap_used_bytes as f64,
            vitals.rx_bytes_per_sec as f64,
            vitals.tx_bytes_per_sec as f64,
            vitals.disk_read_bytes_per_sec as f64,
            vitals.disk_write_bytes_per_sec as f64,
        ];
        let short = short_gap(self.step_ms);
        for (series, value) in values.into_iter().enumerate() {
            for points in [&mut self.avg[series], &mut self.max[series]] {
                points.resize(points.len().max(place + 1), None);
                // What was fetched ends with the present, and not with its last sample.
                let from = place.saturating_sub(short);
                if let Some(last) = points.range(from..place).rposition(Option::is_some) {
                    let value = points[from + last];
                    points.range_mut(from + last..place).for_each(|point| *point = value);
                }
            }
            self.avg[series][place] = Some(value);
            let before = self.max[series][place];
            self.max[series][place] = Some(before.map_or(value, |before| before.max(value)));
        }
        let keep = usize::try_from(span_ms / self.step_ms).unwrap_or(usize::MAX).saturating_add(2);
        while self.avg[CPU].len() > keep {
            for points in self.avg.iter_mut().chain(&mut self.max) {
                points.pop_front();
            }
            self.start_ms += self.step_ms;
        }
    }
}

/// Steps from one value to the next that are no gap.
fn short_gap(step_ms: u64) -> usize {
    usize::try_from(SHORT_GAP_MS / step_ms).unwrap_or(0)
}

/// Carries a value over gaps that only mean "not sampled in this step".
fn bridge(mut points: Vec<Option<f64>>, step_ms: u64) -> Vec<Option<f64>> {
    let short = short_gap(step_ms);
    let mut last: Option<usize> = None;
    for place in 0..points.len() {
        if points[place].is_none() {
            continue;
        }
        if let Some(before) = last.filter(|before| place - before <= short) {
            let value = points[before];
            points[before + 1..place].fill(value);
        }
        last = Some(place);
    }
    points
}

/// The view of one server.
#[derive(Debug)]
pub(crate) struct ServerView {
    pub(crate) name: String,
    detail: Option<ServerDetail>,
    pub(crate) error: Option<String>,
    history: History,
    zoom: usize,
    /// End of the window; absent while it follows the present.
    until_ms: Option<u64>,
    /// The time whose values are shown (the server's clock).
    crosshair_ms: Option<u64>,
    /// What the server's clock is ahead of ours.
    ahead_ms: i64,
    pub(crate) containers: TableState,
    /// What the host allows instead of the charts, from this line on.
    access: Option<usize>,
    access_end: Cell<usize>,
}

const COLUMNS: &[Column] = &[
    growing("CONTAINER", 16, 0),
    growing("APP", 10, 2),
    column("STATE", 11, 0),
    column("HEALTH", 9, 4),
    number("CPU", 6, 1),
    number("MEM", 6, 1),
    number("NET", 8, 3),
    growing("IMAGE", 16, 2),
    number("UP", 8, 5),
];

impl ServerView {
    pub(crate) fn new(name: String) -> Box<Self> {
        Box::new(Self {
            name,
            detail: None,
            error: None,
            history: History::default(),
            zoom: ZOOM_AT_FIRST,
            until_ms: None,
            crosshair_ms: None,
            ahead_ms: 0,
            containers: TableState::default(),
            access: None,
            access_end: Cell::new(0),
        })
    }

    fn span_ms(&self) -> u64 {
        ZOOMS[self.zoom].1
    }

    /// What the charts want to know.
    pub(crate) fn range(&self) -> MetricsRange {
        MetricsRange {
            server: self.name.clone(),
            span_ms: self.span_ms(),
            until_ms: self.until_ms,
            step_s: ZOOMS[self.zoom].2,
        }
    }

    /// Why no app can be deployed here, as far as the host has told.
    pub(crate) fn no_deploys(&self) -> Option<String> {
        let detail = self.detail.as_ref()?;
        let name = &self.name;
        let Some(policy) = &detail.policy else {
            return (detail.summary.agent == AgentState::None).then(|| format!("there is no agent on {name}"));
        };
        if policy.digest.is_empty() {
            return Some(format!("{name} has no policy file: its agent measures and does nothing else"));
        }
        if policy.allow_verb("deploy").is_err() {
            return Some(format!("the policy of {name} does not allow the verb deploy"));
        }
        policy.images.is_empty().then(|| format!("the policy of {name} lists no images"))
    }

    /// Why it cannot be gone to by SSH without entering a credential.
    pub(crate) fn no_credential(&self) -> Option<String> {
        let Some(detail) = &self.detail else {
            return Some(format!("what is known about {} is still loading", self.name));
        };
        let Some(ssh) = &detail.summary.ssh else {
            return Some(format!("nothing is known about reaching {} by SSH", self.name));
        };
        (!ssh.credential_kept).then(|| format!("no credential is kept: tomo server connect {}", self.name))
    }

    /// The app of the selected container.
    pub(crate) fn selected_app(&self) -> Option<&str> {
        self.detail.as_ref()?.containers.get(self.containers.selected)?.app.as_deref()
    }

    /// Whether the newest figures are old.
    pub(crate) fn is_stale(&self, now_ms: u64) -> bool {
        self.newest_ms().is_some_and(|newest| self.now_there(now_ms).saturating_sub(newest) > STALE_MS)
    }

    fn newest_ms(&self) -> Option<u64> {
        Some(self.detail.as_ref()?.summary.vitals?.at_ms)
    }

    /// The present by the server's clock.
    fn now_there(&self, now_ms: u64) -> u64 {
        now_ms.saturating_add_signed(self.ahead_ms)
    }

    /// Does what the view does by itself: whether it did, and what to fetch.
    pub(crate) fn act(&mut self, action: Action, now_ms: u64) -> (bool, Option<MetricsRange>) {
        let end = self.until_ms.unwrap_or_else(|| self.now_there(now_ms));
        let half = self.span_ms() / 2;
        match action {
            Action::ZoomIn => self.zoom = self.zoom.saturating_sub(1),
            Action::ZoomOut => self.zoom = (self.zoom + 1).min(ZOOMS.len() - 1),
            Action::PanBack => self.until_ms = Some(end.saturating_sub(half)),
            Action::PanForward => self.until_ms = Some(end + half).filter(|until| *until < self.now_there(now_ms)),
            Action::Live => self.until_ms = None,
            Action::Crosshair => {
                self.crosshair_ms = if self.crosshair_ms.is_some() { None } else { Some(end.saturating_sub(half)) };
                return (true, None);
            }
            Action::Access => {
                self.access = if self.access.is_some() { None } else { Some(0) };
                return (true, None);
            }
            other => {
                if let Some(place) = &mut self.access {
                    return (scroll(place, self.access_end.get(), other), None);
                }
                let rows = self.detail.as_ref().map_or(0, |detail| detail.containers.len());
                let page = self.containers.page();
                return (step(&mut self.containers, other, rows, page), None);
            }
        }
        (true, Some(self.range()))
    }

    /// Puts the crosshair under a column of a chart.
    pub(crate) fn point_at(&mut self, chart: Rect, column: u16, now_ms: u64) {
        let end_ms = self.until_ms.unwrap_or_else(|| self.now_there(now_ms));
        self.crosshair_ms = TimeChart::time_at(chart, end_ms, self.span_ms(), column);
    }

    /// Takes fresh facts and figures over.
    pub(crate) fn take(&mut self, detail: ServerDetail, now_ms: u64) {
        self.error = None;
        let before = self.newest_ms();
        if let Some(vitals) = detail.summary.vitals.filter(|vitals| before != Some(vitals.at_ms)) {
            if detail.summary.agent == AgentState::Online {
                let ahead = i64::try_from(vitals.at_ms).unwrap_or(0) - i64::try_from(now_ms).unwrap_or(0);
                // The first one may be as old as the sampling interval; later ones come at once.
                if before.is_some() || ahead > 0 {
                    self.ahead_ms = ahead;
                }
            }
            if self.until_ms.is_none() {
                self.history.push(&vitals, self.span_ms());
            }
        }
        self.containers.selected = self.containers.selected.min(detail.containers.len().saturating_sub(1));
        self.detail = Some(detail);
    }

    /// Takes a range over, unless something else has been asked for since.
    pub(crate) fn take_history(&mut self, range: &MetricsRange, answer: ServerMetricsAnswer) {
        if *range == self.range() {
            self.history = History::of(answer);
        }
    }

    pub(crate) fn draw(&self, state: &State, canvas: &mut Canvas<'_>, area: Rect) {
        let area = Rect { x: area.x + area.width.min(1), width: area.width.saturating_sub(2), ..area };
        if let Some(error) = &self.error {
            canvas.text(area, error, canvas.theme.bad);
            return;
        }
        let (head, rest) = split_top(area, 2);
        self.draw_head(canvas, head);
        if let (Some(place), Some(detail)) = (self.access, &self.detail) {
            let inner = canvas.section(rest, "access", true);
            let lines = self.access_lines(detail, canvas.theme, usize::from(inner.width), state.now_ms);
            draw_scrolled(canvas, inner, &lines, place, &self.access_end);
            return;
        }
        let rows = self.detail.as_ref().map_or(0, |detail| detail.containers.len());
        let wanted = u16::try_from(rows).unwrap_or(u16::MAX).saturating_add(2).min(rest.height / 3).max(4);
        let (charts, below) = split_top(rest, rest.height.saturating_sub(wanted));
        self.draw_charts(canvas, charts, state.now_ms);
        self.draw_below(canvas, below);
    }

    fn draw_head(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let theme = canvas.theme;
        let Some(detail) = &self.detail else {
            canvas.text(area, "loading", theme.dim);
            return;
        };
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
        if let Some(facts) = &detail.facts {
            let engine = match &facts.engine {
                EngineState::Running { version, .. } => format!("Docker {version}"),
                EngineState::Absent { reason } => format!("no engine: {reason}"),
                EngineState::Unknown => "engine not asked yet".to_owned(),
            };
            let text = format!(
                "{}, kernel {}, {} × {}, {} memory, {engine}",
                facts.os,
                facts.kernel,
                facts.cpu_count,
                if facts.cpu_model.is_empty() { &facts.architecture } else { &facts.cpu_model },
                format::bytes(facts.memory_total_bytes),
            );
            let text = if theme.is_ascii() { text.replace('×', "x") } else { text };
            canvas.text(Rect { y: area.y + 1, height: area.height.saturating_sub(1).min(1), ..area }, &text, theme.dim);
        } else if let Some(probe) = &detail.probe {
            let text = format!("no agent; by SSH {}", looked(probe, canvas.now_ms));
            canvas.text(Rect { y: area.y + 1, height: area.height.saturating_sub(1).min(1), ..area }, &text, theme.dim);
        }
    }

    /// How the host is reached by SSH, and what its policy allows.
    fn access_lines(&self, detail: &ServerDetail, theme: &Theme, width: usize, now_ms: u64) -> Vec<Line<'static>> {
        const LABEL: usize = 13;
        let mut lines = vec![Line::styled("By SSH", theme.title)];
        let add = |lines: &mut Vec<Line<'static>>, label: &str, text: &str, style: Style| {
            let text = display_line(text, 2_000);
            for (place, part) in wrap(&text, width.saturating_sub(LABEL)).into_iter().enumerate() {
                let label = if place == 0 { label } else { "" };
                let label = Span::styled(format!("{label:<LABEL$}"), theme.dim);
                lines.push(Line::from(vec![label, Span::styled(part, style)]));
            }
        };
        let connect = format!("tomo server connect {}", self.name);
        match &detail.summary.ssh {
            None => {
                let next = format!("nothing is known; next: tomo server edit {} --host HOST --user USER", self.name);
                add(&mut lines, "address", &next, theme.dim);
            }
            Some(ssh) => {
                add(&mut lines, "address", &address(ssh), theme.text);
                match &ssh.host_key {
                    Some(key) => add(&mut lines, "host key", key, theme.text),
                    None => add(&mut lines, "host key", &format!("none agreed to yet; next: {connect}"), theme.warn),
                }
                let auth = ssh.auth.map_or("nothing yet", SshAuth::as_str);
                let kept = match (ssh.credential_kept, self.no_credential()) {
                    (true, _) => {
                        let [test, forget] = [Action::TestServer, Action::ForgetCredential].map(action::row);
                        format!("kept, sealed; {} tests it, {} forgets it", test.keys[0], forget.keys[0])
                    }
                    (false, why) => why.unwrap_or_default(),
                };
                add(&mut lines, "signs in by", auth, theme.text);
                add(&mut lines, "credential", &kept, theme.text);
            }
        }
        if let Some(probe) = &detail.probe {
            add(&mut lines, "last look", &looked(probe, now_ms), theme.text);
        }
        lines.push(Line::default());
        lines.push(Line::styled("What the host's policy allows", theme.title));
        let Some(policy) = &detail.policy else {
            let text = match detail.summary.agent {
                AgentState::None => "nothing: there is no agent",
                _ => "not known until its agent connects",
            };
            add(&mut lines, "", text, theme.dim);
            return lines;
        };
        for (label, list) in [
            ("verbs", &policy.verbs),
            ("images", &policy.images),
            ("ports", &policy.ports),
            ("bind mounts", &policy.bind_roots),
        ] {
            match list.is_empty() {
                true => add(&mut lines, label, "none", theme.dim),
                false => add(&mut lines, label, &list.join(", "), theme.text),
            }
        }
        let refused: Vec<&str> = Command::VERBS.into_iter().filter(|verb| policy.allow_verb(verb).is_err()).collect();
        if !refused.is_empty() {
            lines.push(Line::default());
            add(&mut lines, "not allowed", &refused.join(", "), theme.warn);
        }
        if let Some(why) = self.no_deploys() {
            add(&mut lines, "no deploys", &why, theme.warn);
        }
        lines.push(Line::default());
        add(&mut lines, "", "Only the host's owner changes this, in /etc/tomo/agent-policy.toml there.", theme.dim);
        lines
    }

    fn draw_charts(&self, canvas: &mut Canvas<'_>, area: Rect, now_ms: u64) {
        let theme = canvas.theme;
        let window = self
            .until_ms
            .map_or_else(|| "live".to_owned(), |until| format!("until {}", crate::cli::output::time(until)));
        let title = format!("{}, {window}", ZOOMS[self.zoom].0);
        let area = canvas.section(area, &title, false);
        let memory_total =
            self.detail.as_ref().and_then(|detail| detail.summary.vitals).map(|vitals| vitals.memory_total_bytes);
        #[expect(clippy::cast_precision_loss, reason = "the top of an axis")]
        let memory_top = memory_total.filter(|total| *total > 0).map(|total| total as f64);
        let charts: [Chart<'_>; 4] = [
            ("CPU", Unit::Ratio, Some(1.0), &[0.7, 0.9], &[(CPU, "cpu")]),
            ("Memory", Unit::Bytes, memory_top, &[], &[(MEMORY, "used"), (SWAP, "swap")]),
            ("Network", Unit::BytesPerSec, None, &[], &[(RX, "in"), (TX, "out")]),
            ("Disk", Unit::BytesPerSec, None, &[], &[(READ, "read"), (WRITE, "write")]),
        ];
        let end_ms = self.until_ms.unwrap_or_else(|| self.now_there(now_ms));
        for (place, (title, unit, top, thresholds, series)) in quarters(area).into_iter().zip(charts) {
            let points: Vec<[Vec<Option<f64>>; 2]> = series
                .iter()
                .map(|(index, _)| {
                    [&self.history.avg, &self.history.max].map(|points| points[*index].iter().copied().collect())
                })
                .collect();
            let series = series
                .iter()
                .zip(&points)
                .enumerate()
                .map(|(color, ((_, name), [avg, max]))| ChartSeries {
                    name,
                    avg,
                    max,
                    style: theme.series[color % theme.series.len()],
                })
                .collect::<Vec<_>>();
            let chart = TimeChart {
                title,
                unit,
                start_ms: self.history.start_ms,
                step_ms: self.history.step_ms.max(1),
                filled: series.len() == 1,
                series,
                end_ms,
                span_ms: self.span_ms(),
                top,
                thresholds,
                marks: &[],
                crosshair_ms: self.crosshair_ms,
                stale: self.is_stale(now_ms),
                theme,
            };
            ratatui::widgets::Widget::render(chart, place, canvas.buffer);
            canvas.hits.add(place, Hit::Chart(place));
        }
    }

    fn draw_below(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let Some(detail) = &self.detail else { return };
        let wide = area.width >= 100;
        let disks_width = if wide { (area.width / 3).min(46) } else { 0 };
        let (left, right) = split_left(area, area.width - disks_width);
        let theme = canvas.theme;
        let inner = canvas.section(left, &format!("containers ({})", detail.containers.len()), true);
        let table = Table {
            columns: COLUMNS,
            rows: detail.containers.len(),
            state: &self.containers,
            sort: None,
            has_keys: true,
        };
        let now_ms = self.now_there(canvas.now_ms);
        table.draw(canvas, inner, |row, index, width| {
            detail
                .containers
                .get(row)
                .map_or_else(Line::default, |container| cell(container, index, width, theme, now_ms))
        });
        if right.width < 20 {
            return;
        }
        let right = Rect { x: right.x + 2, width: right.width - 2, ..right };
        let inner = canvas.section(right, "filesystems", false);
        let Some(facts) = &detail.facts else { return };
        for (row, filesystem) in inner.rows().zip(&facts.filesystems) {
            let (name, bar) = split_left(row, row.width / 2);
            canvas.text(Rect { width: name.width.saturating_sub(1), ..name }, &filesystem.mount, theme.text);
            #[expect(clippy::cast_precision_loss, reason = "a bar of a few cells")]
            let ratio = if filesystem.total_bytes == 0 {
                0.0
            } else {
                filesystem.used_bytes as f64 / filesystem.total_bytes as f64
            };
            let (bar, size) = split_left(bar, bar.width.saturating_sub(7));
            canvas.line(bar, &Line::from(gauge(Some(ratio), &format::ratio(ratio), usize::from(bar.width), theme)));
            canvas.text(
                Rect { x: size.x + size.width.min(1), width: size.width.saturating_sub(1), ..size },
                &format::bytes(filesystem.total_bytes),
                theme.dim,
            );
        }
    }
}

/// Where SSH leads to, and through what.
fn address(ssh: &Ssh) -> String {
    let jump = ssh.jump.as_ref().map(|jump| format!(", through {}@{}:{}", jump.user, jump.host, jump.port));
    format!("{}@{}:{}{}", ssh.user, ssh.host, ssh.port, jump.unwrap_or_default())
}

/// What a look around by SSH found.
fn looked(probe: &SshProbe, now_ms: u64) -> String {
    let docker = match (&probe.docker.version, probe.docker.socket) {
        (Some(version), _) => format!("Docker {version}"),
        (None, true) => "Docker, not for this user".to_owned(),
        (None, false) => "no Docker".to_owned(),
    };
    format!(
        "{} ago: {}, kernel {}, {} cores, {} memory, {docker}, root by {}",
        format::duration(now_ms.saturating_sub(probe.at_ms)),
        probe.os,
        probe.kernel,
        probe.cpu_count,
        format::bytes(probe.memory_total_bytes),
        match probe.sudo {
            SshSudo::Root => "being it",
            SshSudo::Passwordless => "sudo",
            SshSudo::Password => "sudo with a password",
            SshSudo::None => "no way",
        }
    )
}

/// Title, unit, fixed top, thresholds, and the series with their names.
type Chart<'a> = (&'a str, Unit, Option<f64>, &'a [f64], &'a [(usize, &'a str)]);

/// Four charts: two by two where there is room, below each other where it is narrow, the first ones only where it is low.
fn quarters(area: Rect) -> Vec<Rect> {
    /// Fewer rows are not a chart.
    const LEAST: u16 = 4;
    if area.width >= 70 {
        let (left, right) = split_left(area, area.width / 2);
        let left = Rect { width: left.width.saturating_sub(1), ..left };
        if area.height < 2 * LEAST {
            return vec![left, right];
        }
        let top = area.height / 2;
        let halves = |column: Rect| split_top(column, top);
        let ((a, c), (b, d)) = (halves(left), halves(right));
        return vec![a, b, c, d];
    }
    let count = (area.height / LEAST).clamp(1, 4);
    let height = area.height / count;
    (0..count).map(|place| Rect { y: area.y + place * height, height, ..area }).collect()
}

fn cell(container: &Container, index: usize, width: u16, theme: &Theme, now_ms: u64) -> Line<'static> {
    let usage = container.usage.as_ref();
    match index {
        0 => safe(&container.name, width),
        1 => container.app.as_deref().map_or_else(Line::default, |app| safe(app, width)),
        2 => {
            let (symbol, style) = match container.state {
                ContainerState::Running => ('●', theme.good),
                ContainerState::Restarting | ContainerState::Dead => ('✗', theme.bad),
                ContainerState::Paused => ('‖', theme.warn),
                _ => ('■', theme.dim),
            };
            let symbol = if theme.is_ascii() { '*' } else { symbol };
            Line::from(Span::styled(format!("{symbol} {}", container.state.as_str()), style))
        }
        3 => health(theme, container.health),
        4 => usage.map_or_else(Line::default, |usage| Line::from(format!("{:.2}", usage.cpu_cores))),
        5 => usage.map_or_else(Line::default, |usage| Line::from(format::bytes(usage.memory_bytes))),
        6 => usage.map_or_else(Line::default, |usage| Line::from(rate(usage.rx_bytes_per_sec, usage.tx_bytes_per_sec))),
        7 => safe(&container.image, width),
        _ if container.started_at == 0 => Line::default(),
        _ => Line::from(format::duration(now_ms.saturating_sub(container.started_at))),
    }
}

#[cfg(test)]
mod tests {
    use tomo_proto::api::server::SeriesPoints;

    use super::*;

    fn vitals(at_ms: u64, cpu: f64) -> Vitals {
        Vitals { at_ms, cpu_ratio: cpu, ..Vitals::default() }
    }

    #[test]
    fn a_short_gap_is_bridged_and_a_long_one_stays() {
        let points = vec![Some(1.0), None, None, Some(2.0), None, None, None, None, Some(3.0)];
        let bridged = bridge(points, 5_000);
        assert_eq!(bridged[..4], [Some(1.0), Some(1.0), Some(1.0), Some(2.0)]);
        assert_eq!(bridged[4..8], [None; 4]);
    }

    #[test]
    fn live_figures_extend_the_history_and_the_oldest_go() {
        let mut history = History { start_ms: 10_000, step_ms: 1_000, ..History::default() };
        history.push(&vitals(10_500, 0.1), 5_000);
        history.push(&vitals(11_500, 0.2), 5_000);
        history.push(&vitals(11_900, 0.1), 5_000);
        assert_eq!(history.avg[CPU], [Some(0.1), Some(0.1)]);
        assert_eq!(history.max[CPU], [Some(0.1), Some(0.2)], "a spike stays");
        history.push(&vitals(40_000, 0.3), 5_000);
        assert_eq!((history.avg[CPU].len(), history.avg[CPU].back()), (7, Some(&Some(0.3))));
        assert_eq!(history.start_ms, 34_000);
        assert!(history.avg[CPU].iter().take(6).all(Option::is_none), "an outage is a gap");
        history.push(&vitals(u64::MAX, 0.3), 5_000);
        history.push(&vitals(0, 0.3), 5_000);
        assert_eq!(history.avg[CPU].len(), 7);
    }

    #[test]
    fn live_figures_follow_a_history_that_was_sampled_less_often() {
        let sampled = [Some(0.1)].into_iter().chain([None; 9]).cycle().take(20).collect();
        let series = SeriesPoints { metric: names::CPU.to_owned(), avg: sampled, ..SeriesPoints::default() };
        let mut history = History::of(ServerMetricsAnswer { start_ms: 0, step_ms: 1_000, series: vec![series] });
        history.push(&vitals(21_000, 0.2), 60_000);
        assert_eq!(history.avg[CPU].len(), 22);
        assert!(history.avg[CPU].iter().all(Option::is_some), "{:?}", history.avg[CPU]);
    }

    #[test]
    fn charts_fit_every_size() {
        for width in 0..120 {
            for height in 0..40 {
                let area = Rect::new(0, 0, width, height);
                let places = quarters(area);
                assert!(
                    !places.is_empty() && places.iter().all(|place| area.union(*place) == area),
                    "{width}x{height}"
                );
            }
        }
    }
}
