//! Registries of private images, and who signs in there.

use std::{borrow::Cow, cmp::Ordering};

use ratatui::{layout::Rect, text::Line};
use tomo_proto::model::registry::Registry;

use crate::{
    dashboard::{
        action::Action,
        canvas::Canvas,
        list::{List, Listed},
        views::{draw_list, safe},
        widgets::table::{Column, growing, number},
    },
    format,
};

const REGISTRY: usize = 0;
const USER: usize = 1;

/// The view.
#[derive(Debug, Default)]
pub(crate) struct RegistriesView {
    pub(crate) list: List<Registry>,
}

impl RegistriesView {
    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect, now_ms: u64) {
        let sign_in = format!("press {} to sign in where yours are private", canvas.keys.name(Action::AddRegistry));
        let empty = ["no registry: public images need none", &sign_in];
        draw_list(&self.list, canvas, area, &empty, |one, index, width| match index {
            REGISTRY => safe(&one.registry, width),
            USER => safe(&one.user, width),
            _ => Line::from(format::age(now_ms, one.set_at)),
        });
    }
}

impl Listed for Registry {
    type Key = String;
    const COLUMNS: &'static [Column] = &[growing("REGISTRY", 24, 0), growing("USER", 16, 0), number("SET", 9, 0)];

    fn key(&self) -> String {
        self.registry.clone()
    }

    fn cells(&self) -> Vec<(&'static str, Cow<'_, str>)> {
        vec![("registry", self.registry.as_str().into()), ("user", self.user.as_str().into())]
    }

    fn json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    fn compare(&self, other: &Self, column: usize) -> Ordering {
        match column {
            REGISTRY => self.registry.cmp(&other.registry),
            USER => self.user.cmp(&other.user).then(self.registry.cmp(&other.registry)),
            _ => self.set_at.cmp(&other.set_at),
        }
    }

    fn downwards(column: usize) -> bool {
        column > USER
    }
}
