//! All apps.

use std::{borrow::Cow, cmp::Ordering};

use ratatui::{
    layout::Rect,
    text::{Line, Span},
};
use tomo_proto::{
    id::AppId,
    model::{
        app::{AppStatus, AppSummary},
        container::Health,
    },
};

use crate::dashboard::{
    action::Action,
    canvas::Canvas,
    list::Listed,
    state::State,
    theme::Theme,
    views::{draw_list, safe, status_line},
    widgets::table::{Column, column, growing, number},
};
use crate::format;

/// Before an image whose registry has another one under that name.
const UPDATE: char = '↑';

const NAME: usize = 0;
const SERVER: usize = 1;
const STATUS: usize = 2;
const HEALTH: usize = 3;
const CPU: usize = 4;
const MEMORY: usize = 5;
const RESTARTS: usize = 6;
const PORTS: usize = 7;
const IMAGE: usize = 8;
const DEPLOYED: usize = 9;

impl Listed for AppSummary {
    type Key = AppId;
    const COLUMNS: &'static [Column] = &[
        growing("APP", 14, 0),
        growing("SERVER", 12, 0),
        column("STATUS", 11, 0),
        column("HEALTH", 9, 4),
        number("CPU", 6, 2),
        number("MEM", 6, 2),
        number("RESTARTS", 8, 5),
        column("PORTS", 12, 3),
        growing("IMAGE", 18, 1),
        number("DEPLOYED", 9, 6),
    ];

    fn key(&self) -> AppId {
        self.id
    }

    fn cells(&self) -> Vec<(&'static str, Cow<'_, str>)> {
        vec![
            ("app", self.name.as_str().into()),
            ("name", self.name.as_str().into()),
            ("server", self.server.as_str().into()),
            ("status", self.status.as_str().into()),
            ("health", self.health.as_str().into()),
            ("image", self.image.as_str().into()),
            ("update", if self.update { "yes" } else { "no" }.into()),
        ]
    }

    fn json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    fn compare(&self, other: &Self, column: usize) -> Ordering {
        match column {
            NAME => self.name.cmp(&other.name),
            SERVER => (&self.server, &self.name).cmp(&(&other.server, &other.name)),
            STATUS => rank(self.status).cmp(&rank(other.status)),
            HEALTH => self.health.as_str().cmp(other.health.as_str()),
            CPU => self.cpu_cores.unwrap_or(-1.0).total_cmp(&other.cpu_cores.unwrap_or(-1.0)),
            MEMORY => self.memory_bytes.cmp(&other.memory_bytes),
            RESTARTS => self.restarts.cmp(&other.restarts),
            PORTS => self.ports.first().map(|port| port.host).cmp(&other.ports.first().map(|port| port.host)),
            IMAGE => self.image.cmp(&other.image),
            _ => self.deployed_at.cmp(&other.deployed_at),
        }
    }

    fn downwards(column: usize) -> bool {
        matches!(column, CPU | MEMORY | RESTARTS | DEPLOYED)
    }
}

fn rank(status: AppStatus) -> u8 {
    match status {
        AppStatus::Failed => 0,
        AppStatus::Deploying => 1,
        AppStatus::Unknown => 2,
        AppStatus::Running => 3,
        AppStatus::Stopped => 4,
    }
}

pub(crate) fn draw(state: &State, canvas: &mut Canvas<'_>, area: Rect) {
    let (theme, now_ms) = (canvas.theme, canvas.now_ms);
    let empty = [
        "no app yet",
        &format!("press {} to deploy one: an image, a name, a server", canvas.keys.name(Action::Deploy)),
        &format!("press {} for the catalog: apps that are ready to be deployed", canvas.keys.name(Action::ShowCatalog)),
    ];
    draw_list(&state.apps, canvas, area, &empty, |app, index, width| cell(app, index, width, theme, now_ms));
}

fn cell(app: &AppSummary, index: usize, width: u16, theme: &Theme, now_ms: u64) -> Line<'static> {
    match index {
        NAME => safe(&app.name, width),
        SERVER => safe(&app.server, width),
        STATUS => status_line(theme, app.status, app.status.as_str()),
        HEALTH => health(theme, app.health),
        CPU => app.cpu_cores.map_or_else(Line::default, |cores| Line::from(format!("{cores:.2}"))),
        MEMORY => app.memory_bytes.map_or_else(Line::default, |bytes| Line::from(format::bytes(bytes))),
        RESTARTS => Line::from(if app.restarts == 0 { String::new() } else { app.restarts.to_string() }),
        PORTS => safe(&format::ports(&app.ports), width),
        IMAGE if app.update => safe(&format!("{UPDATE} {}", app.image), width).style(theme.accent),
        IMAGE => safe(&app.image, width),
        _ => Line::from(format::age(now_ms, app.deployed_at)),
    }
}

pub(super) fn health(theme: &Theme, health: Health) -> Line<'static> {
    let style = match health {
        Health::None => return Line::default(),
        Health::Starting => theme.accent,
        Health::Healthy => theme.good,
        Health::Unhealthy => theme.bad,
    };
    Line::from(Span::styled(health.as_str(), style))
}
