//! The daemon's settings, each with what it means; below the list the selected one as a whole.

use std::{borrow::Cow, cmp::Ordering};

use ratatui::{layout::Rect, text::Line};
use tomo_proto::model::settings::Settings;

use crate::{
    dashboard::{
        canvas::{Canvas, split_bottom},
        list::{List, Listed},
        views::{draw_list, panes::Panes, safe},
        widgets::table::{Column, column, growing},
    },
    format::wrap,
};

const NAME: usize = 0;
const VALUE: usize = 1;
/// Rows of the selected setting, with its title.
const WHOLE: u16 = 4;
/// From this height on there is room for them.
const HIGH: u16 = 12;

/// One of them.
#[derive(Debug)]
pub(crate) struct Setting {
    name: &'static str,
    value: String,
    usual: String,
    meaning: String,
}

/// The view.
#[derive(Debug, Default)]
pub(crate) struct SettingsView {
    pub(crate) list: List<Setting>,
    pub(crate) settings: Option<Settings>,
}

impl SettingsView {
    pub(crate) fn take(&mut self, settings: Settings) {
        let (usual, mut meanings) = (Settings::default().as_text(), Settings::meanings());
        let pairs = settings.as_text().into_iter().zip(usual);
        let all = pairs.map(|((name, value), (_, usual))| {
            let meaning = meanings.remove(name).unwrap_or_default();
            Setting { name, value, usual, meaning }
        });
        self.list.replace(all.collect());
        self.settings = Some(settings);
    }

    /// The name of the selected one.
    pub(crate) fn at(&self) -> &'static str {
        self.list.selected().map_or("", |setting| setting.name)
    }

    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect, panes: Panes) {
        let usual = area.height - if area.height < HIGH { 0 } else { WHOLE };
        let (rows, whole) = split_bottom(area, area.height - panes.list(area.height, usual));
        let theme = canvas.theme;
        draw_list(&self.list, canvas, rows, &[], |setting, index, width| match index {
            NAME => Line::from(setting.name),
            VALUE if setting.value.is_empty() => Line::styled("-", theme.dim),
            VALUE if setting.value != setting.usual => safe(&setting.value, width).style(theme.accent),
            VALUE => safe(&setting.value, width),
            _ => safe(&setting.meaning, width).style(theme.dim),
        });
        if let Some(setting) = self.list.selected() {
            let inner = canvas.section(whole, setting.name, false);
            let inner = Rect { x: inner.x + inner.width.min(1), width: inner.width.saturating_sub(2), ..inner };
            let usual = if setting.usual.is_empty() { "empty" } else { &setting.usual };
            let text = format!("{} Usually {usual}.", setting.meaning);
            let lines = wrap(&text, usize::from(inner.width)).into_iter().map(Line::from);
            canvas.lines(inner, &lines.collect::<Vec<_>>());
        }
    }
}

impl Listed for Setting {
    type Key = &'static str;
    const COLUMNS: &'static [Column] = &[column("SETTING", 23, 0), growing("VALUE", 12, 0), growing("MEANS", 40, 1)];

    fn key(&self) -> &'static str {
        self.name
    }

    fn cells(&self) -> Vec<(&'static str, Cow<'_, str>)> {
        vec![
            ("setting", self.name.into()),
            ("value", self.value.as_str().into()),
            ("means", self.meaning.as_str().into()),
        ]
    }

    fn compare(&self, other: &Self, column: usize) -> Ordering {
        match column {
            NAME => self.name.cmp(other.name),
            VALUE => self.value.len().cmp(&other.value.len()).then_with(|| self.value.cmp(&other.value)),
            _ => self.meaning.cmp(&other.meaning),
        }
    }

    fn downwards(_column: usize) -> bool {
        false
    }
}
