//! What runs on a server, and what its disks hold.

use ratatui::{layout::Rect, text::Line};
use tomo_proto::model::container::Container;

use super::ServerView;
use crate::dashboard::{
    canvas::{Canvas, split_left},
    theme::Theme,
    views::{apps::health, container::state, rate, safe},
    widgets::{
        gauge::gauge,
        table::{Column, Table, column, growing, number},
    },
};
use crate::format;

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
    pub(super) fn draw_below(&self, canvas: &mut Canvas<'_>, area: Rect) {
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

fn cell(container: &Container, index: usize, width: u16, theme: &Theme, now_ms: u64) -> Line<'static> {
    let usage = container.usage.as_ref();
    match index {
        0 => safe(&container.name, width),
        1 => container.app.as_deref().map_or_else(Line::default, |app| safe(app, width)),
        2 => state(theme, container.state),
        3 => health(theme, container.health),
        4 => usage.map_or_else(Line::default, |usage| Line::from(format!("{:.2}", usage.cpu_cores))),
        5 => usage.map_or_else(Line::default, |usage| Line::from(format::bytes(usage.memory_bytes))),
        6 => usage.map_or_else(Line::default, |usage| Line::from(rate(usage.rx_bytes_per_sec, usage.tx_bytes_per_sec))),
        7 => safe(&container.image, width),
        _ if container.started_at == 0 => Line::default(),
        _ => Line::from(format::duration(now_ms.saturating_sub(container.started_at))),
    }
}
