//! The fleet: counts, a table with a line for each server, and what needs attention.

use std::{borrow::Cow, cmp::Ordering};

use ratatui::{
    layout::Rect,
    text::{Line, Span},
};
use tomo_proto::{
    api::overview::Severity,
    id::ServerId,
    model::server::{ServerStatus, ServerSummary},
};

use crate::dashboard::{
    action::{self, Action},
    canvas::{Canvas, Hit, split_bottom, split_top},
    list::Listed,
    state::{State, is_sealed_vault},
    theme::Theme,
    views::{draw_list, rate, safe, status_line},
    widgets::{
        sparkline::sparkline,
        table::{Column, column, growing, number},
    },
};
use crate::format;

const NAME: usize = 0;
const STATUS: usize = 1;
const CPU: usize = 2;
const CPU_SPARK: usize = 3;
const MEMORY: usize = 4;
const DISK: usize = 5;
const NET: usize = 6;
const NET_SPARK: usize = 7;
const LOAD: usize = 8;
const CONTAINERS: usize = 9;
const UPTIME: usize = 10;

/// The column of a sparkline, which has two points to a cell.
const fn sparks(rank: u8) -> Column {
    Column { most: 20, ..growing("", 10, rank) }
}

impl Listed for ServerSummary {
    type Key = ServerId;
    const COLUMNS: &'static [Column] = &[
        growing("NAME", 16, 0),
        column("STATUS", 10, 0),
        number("CPU", 5, 0),
        sparks(3),
        number("MEM", 5, 0),
        number("DISK", 5, 1),
        number("NET", 9, 2),
        sparks(6),
        number("LOAD", 6, 4),
        number("CONT", 6, 5),
        number("UP", 8, 7),
    ];

    fn key(&self) -> ServerId {
        self.id
    }

    /// Sparklines come for the rows in sight, and not each time.
    fn keep(&mut self, before: &mut Self) {
        if self.cpu_spark.is_empty() {
            self.cpu_spark = std::mem::take(&mut before.cpu_spark);
            self.network_spark = std::mem::take(&mut before.network_spark);
        }
    }

    fn cells(&self) -> Vec<(&'static str, Cow<'_, str>)> {
        let labels = self.labels.iter().map(|(key, value)| ("label", format!("{key}={value}").into()));
        [("name", Cow::from(self.name.as_str())), ("status", self.status_text().into())]
            .into_iter()
            .chain(labels)
            .collect()
    }

    fn json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    fn compare(&self, other: &Self, column: usize) -> Ordering {
        let figure = |server: &Self| -> f64 {
            let Some(vitals) = &server.vitals else { return -1.0 };
            match column {
                CPU | CPU_SPARK => vitals.cpu_ratio,
                MEMORY => vitals.memory_ratio(),
                DISK => vitals.disk_ratio,
                LOAD => vitals.load1,
                _ => 0.0,
            }
        };
        let traffic =
            |server: &Self| server.vitals.map(|vitals| vitals.rx_bytes_per_sec.saturating_add(vitals.tx_bytes_per_sec));
        match column {
            NAME => self.name.cmp(&other.name),
            // The worst first.
            STATUS => rank(self.status).cmp(&rank(other.status)),
            NET | NET_SPARK => traffic(self).cmp(&traffic(other)),
            CONTAINERS => self.containers.map(|count| count.running).cmp(&other.containers.map(|count| count.running)),
            UPTIME => self.vitals.map(|vitals| vitals.uptime_secs).cmp(&other.vitals.map(|vitals| vitals.uptime_secs)),
            _ => figure(self).total_cmp(&figure(other)),
        }
    }

    fn downwards(column: usize) -> bool {
        column > STATUS
    }
}

fn rank(status: ServerStatus) -> u8 {
    match status {
        ServerStatus::Down => 0,
        ServerStatus::Degraded => 1,
        ServerStatus::Unknown => 2,
        ServerStatus::Up => 3,
    }
}

pub(crate) fn draw(state: &State, canvas: &mut Canvas<'_>, area: Rect) {
    let (top, rest) = split_top(area, 1);
    counts(state, canvas, top);
    let problems = state.overview.as_ref().map_or(&[][..], |overview| &overview.problems);
    let wanted =
        if problems.is_empty() { 0 } else { u16::try_from(problems.len()).unwrap_or(u16::MAX).saturating_add(1) };
    let (fleet, below) =
        split_bottom(rest, rest.height - state.panes.list(rest.height, rest.height - wanted.min(rest.height / 3)));
    let theme = canvas.theme;
    let empty = [
        "no server is managed yet",
        &format!(
            "press {}: over SSH, or by a token and a command to run on the server",
            canvas.keys.name(Action::AddServer)
        ),
        &format!("press {}: several hosts of ~/.ssh/config at once", canvas.keys.name(Action::ImportServers)),
    ];
    draw_list(&state.servers, canvas, fleet, &empty, |server, index, width| {
        cell(server, index, width, theme, state.net_top)
    });
    if below.height > 1 {
        let inner = canvas.section(below, &format!("needs attention ({})", problems.len()), false);
        canvas.hits.add(below, Hit::Act(Action::ShowAlerts));
        for (row, problem) in inner.rows().zip(problems) {
            let (symbol, style) = match problem.severity {
                Severity::Critical => ('✗', theme.bad),
                Severity::Warning => ('▲', theme.warn),
            };
            let subject = tomo_proto::text::display_line(&problem.subject, 24);
            let line = Line::from(vec![Span::styled(format!("{symbol} {subject}"), style)]);
            canvas.line(row, &line);
            // The blanks up to the message have no style: without colors it is a line below the text.
            let used = u16::try_from(line.width()).unwrap_or(0).max(18).saturating_add(1).min(row.width);
            let mut message = problem.message.clone();
            if let Some(last) = problem.log.last() {
                message = format!("{message}: {last}");
            }
            if is_sealed_vault(problem) {
                let unlock = action::row(Action::UnlockVault);
                message = format!("{} {}: {message}", canvas.keys.name(Action::UnlockVault), unlock.title);
                canvas.hits.add(row, Hit::Act(Action::UnlockVault));
            }
            canvas.text(Rect { x: row.x + used, width: row.width - used, ..row }, &message, theme.text);
        }
    }
}

fn counts(state: &State, canvas: &mut Canvas<'_>, area: Rect) {
    let Some(overview) = &state.overview else { return };
    let theme = canvas.theme;
    let mut spans = vec![Span::styled(" servers ", theme.dim)];
    let mut add = |count: u32, word: &str, style| {
        if count > 0 {
            spans.push(Span::styled(format!("{count} {word}  "), style));
        }
    };
    let (servers, apps) = (overview.servers, overview.apps);
    add(servers.up, "up", theme.good);
    add(servers.degraded, "degraded", theme.warn);
    add(servers.down, "down", theme.bad);
    add(servers.unknown, "unknown", theme.dim);
    if servers.total() == 0 {
        spans.push(Span::styled("none  ", theme.dim));
    }
    spans.push(Span::styled("  apps ", theme.dim));
    let before = spans.len();
    let mut add = |count: u32, word: &str, style| {
        if count > 0 {
            spans.push(Span::styled(format!("{count} {word}  "), style));
        }
    };
    add(apps.running, "running", theme.good);
    add(apps.stopped, "stopped", theme.dim);
    add(apps.failed, "failed", theme.bad);
    add(apps.deploying, "deploying", theme.accent);
    add(apps.unknown, "unknown", theme.dim);
    add(apps.updates, if apps.updates == 1 { "update" } else { "updates" }, theme.accent);
    if spans.len() == before {
        spans.push(Span::styled("none", theme.dim));
    }
    if let Some(at) = overview.restore_proven_at {
        spans.push(Span::styled(format!("  restore proven {}", format::age(canvas.now_ms, at)), theme.dim));
    }
    canvas.line(area, &Line::from(spans));
}

/// What the sparklines of the network are drawn against (bytes/s), so that rows can be compared: a power of two above all that
/// some servers had.
pub(crate) fn net_top<'a>(servers: impl Iterator<Item = &'a ServerSummary>) -> Option<u64> {
    let most = servers.flat_map(|server| &server.network_spark).max()?;
    let top = std::iter::successors(Some(1_u64 << 16), |top| top.checked_mul(2)).find(|top| top >= most);
    Some(top.unwrap_or(u64::MAX))
}

fn cell(server: &ServerSummary, index: usize, width: u16, theme: &Theme, net_top: Option<u64>) -> Line<'static> {
    let Some(vitals) = &server.vitals else {
        return match index {
            NAME => safe(&server.name, width),
            STATUS => status_line(theme, server.status, server.status_text()),
            _ => Line::default(),
        };
    };
    let load = |ratio: f64| Line::from(Span::styled(format::ratio(ratio), theme.load(ratio)));
    match index {
        NAME => safe(&server.name, width),
        STATUS => status_line(theme, server.status, server.status_text()),
        CPU => load(vitals.cpu_ratio),
        CPU_SPARK => {
            let values: Vec<f64> = last(&server.cpu_spark, width).iter().map(|value| f64::from(*value)).collect();
            // Of one color with the figure beside it: which server is busy is seen at a glance, and a change of color is twenty bytes.
            // A line below a curve, which stands for a color where there is none, would be part of it.
            let style = theme.load(vitals.cpu_ratio).not_underlined();
            Line::from(sparkline(&values, Some(100.0), usize::from(width), theme.glyphs, style))
        }
        MEMORY => load(vitals.memory_ratio()),
        DISK => load(vitals.disk_ratio),
        NET => Line::from(rate(vitals.rx_bytes_per_sec, vitals.tx_bytes_per_sec)),
        NET_SPARK => {
            #[expect(clippy::cast_precision_loss, reason = "eight levels are shown")]
            let values: Vec<f64> = last(&server.network_spark, width).iter().map(|value| *value as f64).collect();
            #[expect(clippy::cast_precision_loss, reason = "eight levels are shown")]
            let top = net_top.map(|top| top as f64);
            Line::from(sparkline(&values, top, usize::from(width), theme.glyphs, theme.series[0]))
        }
        LOAD => Line::from(format!("{:.2}", vitals.load1)),
        CONTAINERS => server
            .containers
            .map_or_else(Line::default, |count| Line::from(format!("{}/{}", count.running, count.total))),
        UPTIME => Line::from(format::duration(vitals.uptime_secs.saturating_mul(1_000))),
        _ => Line::default(),
    }
}

/// The newest samples of a run that a cell has room for, two to a column.
fn last<T>(samples: &[T], width: u16) -> &[T] {
    &samples[samples.len().saturating_sub(usize::from(width) * 2)..]
}
