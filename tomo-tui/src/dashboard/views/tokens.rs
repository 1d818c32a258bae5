//! API tokens: what each may do and see, when it was used, how long it works. Below the list the selected one as a whole.

use std::{borrow::Cow, cmp::Ordering};

use ratatui::{layout::Rect, text::Line};
use tomo_proto::{id::TokenId, model::user::ApiToken};

use crate::{
    dashboard::{
        action::Action,
        canvas::{Canvas, split_bottom},
        list::{List, Listed},
        people::People,
        views::{
            draw_list,
            panes::Panes,
            person::{moment, remaining, words},
            safe,
        },
        widgets::table::{Column, growing, number},
    },
    format::{self, wrap},
};

const TOKEN: usize = 0;
const OWNER: usize = 1;
const MAY: usize = 2;
const SEES: usize = 3;
const MADE: usize = 4;
const LAST_USE: usize = 5;
/// Rows of the selected token, with its title.
const WHOLE: u16 = 5;
/// From this height on there is room for them.
const HIGH: u16 = 14;

/// The view.
#[derive(Debug, Default)]
pub(crate) struct TokensView {
    pub(crate) list: List<ApiToken>,
}

impl TokensView {
    pub(crate) fn take(&mut self, people: People) {
        self.list.replace(people.tokens);
    }

    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect, panes: Panes) {
        let usual = area.height - if area.height < HIGH { 0 } else { WHOLE };
        let (rows, whole) = split_bottom(area, area.height - panes.list(area.height, usual));
        let now_ms = canvas.now_ms;
        let make = format!("press {} to make one", canvas.keys.name(Action::CreateToken));
        let empty = ["no API token: programs and AI tools sign in with one", &make];
        draw_list(&self.list, canvas, rows, &empty, |token, index, width| cell(token, index, width, now_ms));
        if let Some(token) = self.list.selected() {
            let inner = canvas.section(whole, &token.name, false);
            let inner = Rect { x: inner.x + inner.width.min(1), width: inner.width.saturating_sub(2), ..inner };
            let lines: Vec<Line<'_>> = whole_lines(token, usize::from(inner.width), now_ms);
            canvas.lines(inner, &lines);
        }
    }
}

fn whole_lines(token: &ApiToken, width: usize, now_ms: u64) -> Vec<Line<'static>> {
    let facts = [
        format!("of {}, may {}, sees {}", token.owner_name, words(&token.scopes), token.selectors.in_words()),
        format!(
            "made {}, works until {}",
            moment(now_ms, token.created_at),
            crate::cli::output::time(token.expires_at)
        ),
    ];
    facts.iter().flat_map(|fact| wrap(fact, width)).map(Line::from).collect()
}

fn cell(token: &ApiToken, index: usize, width: u16, now_ms: u64) -> Line<'static> {
    match index {
        TOKEN => safe(&token.name, width),
        OWNER => safe(&token.owner_name, width),
        MAY => safe(&words(&token.scopes), width),
        SEES => safe(&token.selectors.in_words(), width),
        MADE => Line::from(format::age(now_ms, token.created_at)),
        LAST_USE => Line::from(token.last_used_at.map_or_else(|| "never".to_owned(), |at| format::age(now_ms, at))),
        _ => Line::from(remaining(now_ms, token.expires_at)),
    }
}

impl Listed for ApiToken {
    type Key = TokenId;
    const COLUMNS: &'static [Column] = &[
        growing("TOKEN", 14, 0),
        growing("OWNER", 8, 2),
        growing("MAY", 17, 0),
        growing("SEES", 8, 1),
        number("MADE", 8, 3),
        number("LAST USE", 8, 0),
        number("ENDS IN", 8, 0),
    ];

    fn key(&self) -> TokenId {
        self.id
    }

    fn cells(&self) -> Vec<(&'static str, Cow<'_, str>)> {
        vec![
            ("token", self.name.as_str().into()),
            ("owner", self.owner_name.as_str().into()),
            ("may", words(&self.scopes).into()),
            ("sees", self.selectors.in_words().into()),
        ]
    }

    fn json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    fn compare(&self, other: &Self, column: usize) -> Ordering {
        match column {
            TOKEN => self.name.cmp(&other.name),
            OWNER => self.owner_name.cmp(&other.owner_name).then_with(|| self.name.cmp(&other.name)),
            MAY => self.scopes.len().cmp(&other.scopes.len()),
            SEES => self.selectors.in_words().cmp(&other.selectors.in_words()),
            MADE => self.created_at.cmp(&other.created_at),
            LAST_USE => self.last_used_at.cmp(&other.last_used_at),
            _ => self.expires_at.cmp(&other.expires_at),
        }
    }

    fn downwards(column: usize) -> bool {
        matches!(column, MAY | MADE | LAST_USE)
    }
}
