//! What runs on a server, and what its disks hold.

use std::{borrow::Cow, cmp::Ordering};

use ratatui::{layout::Rect, text::Line};
use tomo_proto::model::container::{Container, ContainerUsage};

use super::ServerView;
use crate::dashboard::{
    canvas::{Canvas, split_left},
    list::{AnyList as _, Listed},
    theme::Theme,
    views::{apps::health, container::standing, draw_list, rate, safe},
    widgets::{
        gauge::gauge,
        table::{Column, column, growing, number},
    },
};
use crate::format;

const NAME: usize = 0;
const APP: usize = 1;
const STATE: usize = 2;
const HEALTH: usize = 3;
const CPU: usize = 4;
const MEMORY: usize = 5;
const NET: usize = 6;
const IMAGE: usize = 7;

impl Listed for Container {
    type Key = String;
    const COLUMNS: &'static [Column] = &[
        growing("CONTAINER", 16, 0),
        growing("APP", 10, 2),
        column("STATE", 12, 0),
        column("HEALTH", 9, 4),
        number("CPU", 6, 1),
        number("MEM", 6, 1),
        number("NET", 8, 3),
        growing("IMAGE", 15, 2),
        number("UP", 8, 5),
    ];

    /// Not its id: one that is made anew under its name is the same to a person.
    fn key(&self) -> String {
        self.name.clone()
    }

    fn cells(&self) -> Vec<(&'static str, Cow<'_, str>)> {
        vec![
            ("container", self.name.as_str().into()),
            ("name", self.name.as_str().into()),
            ("app", self.app.as_deref().unwrap_or_default().into()),
            ("state", self.state.as_str().into()),
            ("health", self.health.as_str().into()),
            ("image", self.image.as_str().into()),
        ]
    }

    fn json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    fn compare(&self, other: &Self, column: usize) -> Ordering {
        let usage = |of: fn(&ContainerUsage) -> u64| self.usage.as_ref().map(of).cmp(&other.usage.as_ref().map(of));
        let cores = |container: &Self| container.usage.as_ref().map_or(-1.0, |usage| usage.cpu_cores);
        match column {
            NAME => self.name.cmp(&other.name),
            APP => self.app.cmp(&other.app),
            STATE => self.state.as_str().cmp(other.state.as_str()),
            HEALTH => self.health.as_str().cmp(other.health.as_str()),
            CPU => cores(self).total_cmp(&cores(other)),
            MEMORY => usage(|usage| usage.memory_bytes),
            NET => usage(|usage| usage.rx_bytes_per_sec.saturating_add(usage.tx_bytes_per_sec)),
            IMAGE => self.image.cmp(&other.image),
            _ => self.started_at.cmp(&other.started_at),
        }
    }

    fn downwards(column: usize) -> bool {
        matches!(column, CPU | MEMORY | NET)
    }
}

impl ServerView {
    pub(super) fn draw_below(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let Some(detail) = &self.detail else { return };
        let wide = area.width >= 100;
        let disks_width = if wide { (area.width / 3).min(46) } else { 0 };
        let (left, right) = split_left(area, area.width - disks_width);
        let theme = canvas.theme;
        let count = match self.containers.count() {
            (shown, all) if shown == all => all.to_string(),
            (shown, all) => format!("{shown} of {all}"),
        };
        let inner = canvas.section(left, &format!("containers ({count})"), true);
        let now_ms = self.now_there(canvas.now_ms);
        draw_list(&self.containers, canvas, inner, &["no container"], |container, index, width| {
            cell(container, index, width, theme, now_ms)
        });
        if right.width < 20 {
            return;
        }
        let right = Rect { x: right.x + 2, width: right.width - 2, ..right };
        let inner = canvas.section(right, "filesystems", false);
        let filesystems = detail.facts.as_ref().map_or(&[][..], |facts| &facts.filesystems);
        if filesystems.is_empty() {
            canvas.text(inner, "none was told of", theme.dim);
        }
        for (row, filesystem) in inner.rows().zip(filesystems) {
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

fn cell(container: &Container, index: usize, width: u16, theme: &Theme, now_ms: u64) -> Line<'static> {
    let usage = container.usage.as_ref();
    match index {
        NAME => safe(&container.name, width),
        APP => container.app.as_deref().map_or_else(Line::default, |app| safe(app, width)),
        STATE => standing(theme, container.state),
        HEALTH => health(theme, container.health),
        CPU => usage.map_or_else(Line::default, |usage| Line::from(format!("{:.2}", usage.cpu_cores))),
        MEMORY => usage.map_or_else(Line::default, |usage| Line::from(format::bytes(usage.memory_bytes))),
        NET => {
            usage.map_or_else(Line::default, |usage| Line::from(rate(usage.rx_bytes_per_sec, usage.tx_bytes_per_sec)))
        }
        IMAGE => safe(&container.image, width),
        _ if container.started_at == 0 => Line::default(),
        _ => Line::from(format::duration(now_ms.saturating_sub(container.started_at))),
    }
}
