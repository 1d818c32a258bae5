//! What lies on a server beside its containers: images, volumes, networks.

use std::{
    borrow::Cow,
    cmp::Ordering,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use ratatui::{
    layout::Rect,
    text::{Line, Span},
};
use tomo_proto::model::stock::Item;

use crate::dashboard::{
    action::Action,
    canvas::{Canvas, split_bottom},
    list::{List, Listed},
    theme::Theme,
    views::{draw_list, fact, safe, safe_words},
    widgets::table::{Column, column, growing, number},
};
use crate::format;

const KIND: usize = 0;
const NAME: usize = 1;
const SIZE: usize = 2;
const USERS: usize = 3;

/// Rows below the list for the names of the selected one, whole, with their title.
const WHOLE: u16 = 5;
/// Where fewer rows are there, the list has them all.
const HIGH: u16 = 14;

/// The view of one server's things.
#[derive(Debug)]
pub(crate) struct StockView {
    pub(crate) server: String,
    pub(crate) list: List<Item>,
}

impl StockView {
    pub(crate) fn new(server: String) -> Box<Self> {
        Box::new(Self { server, list: List::default() })
    }

    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let theme = canvas.theme;
        let pull = format!("press {} to pull an image", canvas.keys.name(Action::PullImage));
        let empty = ["no image, no volume, no network: the engine has nothing, or there is none", &pull];
        let (rows, whole) = split_bottom(area, if area.height < HIGH { 0 } else { WHOLE });
        draw_list(&self.list, canvas, rows, &empty, |item, index, width| cell(item, index, width, theme));
        if let Some(item) = self.list.selected() {
            let inner = canvas.section(whole, kind(item), false);
            let inner = Rect { x: inner.x + inner.width.min(1), width: inner.width.saturating_sub(2), ..inner };
            let line = |label: &'static str, text: &str| {
                fact(Span::styled(label, theme.dim), text, theme.text, usize::from(inner.width))
            };
            let lines = [line("name     ", &name(item)), line("used by  ", &safe_words(item.used_by(), " "))].concat();
            canvas.lines(inner, &lines);
        }
    }
}

const fn kind(item: &Item) -> &'static str {
    match item {
        Item::Container(_) => "container",
        Item::Image(_) => "image",
        Item::Volume(_) => "volume",
        Item::Network(_) => "network",
    }
}

fn name(item: &Item) -> String {
    match item {
        Item::Image(image) if image.names.is_empty() => format!("{} (dangling)", image.title()),
        Item::Image(image) => safe_words(&image.names, " "),
        other => other.title(),
    }
}

const fn made_by(item: &Item) -> &'static str {
    match item {
        Item::Network(network) if network.built_in => "engine",
        other if other.ours() => "tomo",
        _ => "",
    }
}

impl Listed for Item {
    type Key = u64;
    const COLUMNS: &'static [Column] = &[
        column("KIND", 9, 0),
        growing("NAME", 24, 0),
        number("SIZE", 8, 0),
        growing("USED BY", 16, 1),
        column("MADE BY", 8, 2),
    ];

    fn key(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (kind(self), self.title()).hash(&mut hasher);
        hasher.finish()
    }

    fn cells(&self) -> Vec<(&'static str, Cow<'_, str>)> {
        vec![
            ("kind", kind(self).into()),
            ("name", name(self).into()),
            ("used", self.used_by().join(" ").into()),
            ("made", made_by(self).into()),
        ]
    }

    fn json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    fn compare(&self, other: &Self, column: usize) -> Ordering {
        match column {
            KIND => kind(self).cmp(kind(other)),
            NAME => name(self).cmp(&name(other)),
            SIZE => self.size_bytes().cmp(&other.size_bytes()),
            USERS => self.used_by().len().cmp(&other.used_by().len()),
            _ => made_by(self).cmp(made_by(other)),
        }
    }

    fn downwards(column: usize) -> bool {
        matches!(column, SIZE | USERS)
    }
}

fn cell(item: &Item, index: usize, width: u16, theme: &Theme) -> Line<'static> {
    match index {
        KIND => Line::styled(kind(item), theme.dim),
        NAME => safe(&name(item), width),
        SIZE => item.size_bytes().map_or_else(Line::default, |bytes| Line::from(format::bytes(bytes))),
        USERS => safe(&safe_words(item.used_by(), " "), width),
        _ => Line::styled(made_by(item), theme.dim),
    }
}
