//! The catalog: templates of apps, and what is wrong with files of one's own.

use std::{borrow::Cow, cmp::Ordering};

use ratatui::{layout::Rect, text::Line};
use tomo_proto::model::catalog::TemplateSummary;

use crate::dashboard::{
    canvas::{Canvas, split_bottom},
    list::Listed,
    state::State,
    views::{draw_list, safe},
    widgets::table::{Column, column, number, prose},
};
use crate::format;

const NAME: usize = 0;
const SUMMARY: usize = 1;
const CATEGORY: usize = 2;
const VERSION: usize = 3;
const NEEDS: usize = 4;

impl Listed for TemplateSummary {
    type Key = String;
    const COLUMNS: &'static [Column] = &[
        column("APP", 20, 0),
        prose("WHAT IT IS FOR", 30, 0),
        column("CATEGORY", 12, 2),
        column("VERSION", 18, 3),
        number("NEEDS", 6, 1),
        column("FROM", 30, 4),
    ];

    fn key(&self) -> String {
        self.id.clone()
    }

    fn cells(&self) -> Vec<(&'static str, Cow<'_, str>)> {
        let mut cells: Vec<(&'static str, Cow<'_, str>)> = vec![
            ("app", self.name.as_str().into()),
            ("id", self.id.as_str().into()),
            ("category", self.category.as_str().into()),
            ("from", self.source.as_str().into()),
        ];
        // A few letters are found in any sentence: each word of it stands for itself.
        cells.extend(self.summary.split_whitespace().map(|word| ("for", word.into())));
        cells.extend(self.tags.iter().map(|tag| ("tags", tag.as_str().into())));
        cells
    }

    fn json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    fn compare(&self, other: &Self, column: usize) -> Ordering {
        match column {
            NAME => self.name.to_lowercase().cmp(&other.name.to_lowercase()),
            SUMMARY => self.summary.cmp(&other.summary),
            CATEGORY => (&self.category, &self.name).cmp(&(&other.category, &other.name)),
            VERSION => self.version.cmp(&other.version),
            NEEDS => self.memory_min_mib.cmp(&other.memory_min_mib),
            _ => self.source.cmp(&other.source),
        }
    }

    fn downwards(column: usize) -> bool {
        column == NEEDS
    }
}

pub(crate) fn draw(state: &State, canvas: &mut Canvas<'_>, area: Rect) {
    let left_out = &state.left_out;
    let wanted =
        if left_out.is_empty() { 0 } else { u16::try_from(left_out.len()).unwrap_or(u16::MAX).saturating_add(1) };
    let (list, below) =
        split_bottom(area, area.height - state.panes.list(area.height, area.height - wanted.min(area.height / 3)));
    let empty = ["the catalog is empty", "folders of templates: [catalog] in the daemon's /etc/tomo/daemon.toml"];
    draw_list(&state.catalog, canvas, list, &empty, cell);
    if below.height > 1 {
        let inner = canvas.section(below, &format!("left out ({})", left_out.len()), false);
        for (row, problem) in inner.rows().zip(left_out) {
            canvas.text(row, &format!("▲ {problem}"), canvas.theme.warn);
        }
    }
}

fn cell(template: &TemplateSummary, index: usize, width: u16) -> Line<'static> {
    match index {
        NAME => safe(&template.name, width),
        SUMMARY => safe(&template.summary, width),
        CATEGORY => safe(&template.category, width),
        VERSION => safe(&template.version, width),
        NEEDS => Line::from(format::bytes(template.memory_min_mib << 20)),
        _ => safe(&template.source, width),
    }
}
