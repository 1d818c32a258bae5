//! Changes under way and done, newest first.

use std::{borrow::Cow, cmp::Ordering};

use ratatui::{layout::Rect, text::Line};
use tomo_proto::{id::OperationId, model::operation::Operation};

use crate::dashboard::{
    canvas::Canvas,
    list::Listed,
    state::State,
    theme::Theme,
    views::{draw_list, safe, status_line},
    widgets::table::{Column, column, growing, number, prose},
};
use crate::format;

const STATUS: usize = 0;
const KIND: usize = 1;
const TARGET: usize = 2;
const SERVER: usize = 3;
const STEP: usize = 4;
const ACTOR: usize = 5;

impl Listed for Operation {
    type Key = OperationId;
    const COLUMNS: &'static [Column] = &[
        column("STATUS", 11, 0),
        column("WHAT", 15, 0),
        growing("TARGET", 14, 0),
        growing("SERVER", 12, 2),
        prose("STEP", 20, 1),
        growing("BY", 12, 3),
        number("STARTED", 9, 0),
    ];

    fn key(&self) -> OperationId {
        self.operation
    }

    fn cells(&self) -> Vec<(&'static str, Cow<'_, str>)> {
        vec![
            ("what", self.kind.as_str().into()),
            ("target", self.target.as_str().into()),
            ("server", self.server.as_deref().unwrap_or_default().into()),
            ("status", self.status.as_str().into()),
            ("by", self.actor.as_str().into()),
        ]
    }

    fn copied(&self) -> String {
        self.operation.to_string()
    }

    fn json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    fn compare(&self, other: &Self, column: usize) -> Ordering {
        match column {
            STATUS => self.status.as_str().cmp(other.status.as_str()),
            KIND => self.kind.as_str().cmp(other.kind.as_str()),
            TARGET => self.target.cmp(&other.target),
            SERVER => self.server.cmp(&other.server),
            STEP => self.step.cmp(&other.step),
            ACTOR => self.actor.cmp(&other.actor),
            _ => other.started_at.cmp(&self.started_at),
        }
    }

    fn downwards(_column: usize) -> bool {
        false
    }
}

pub(crate) fn draw(state: &State, canvas: &mut Canvas<'_>, area: Rect) {
    let (theme, now_ms) = (canvas.theme, canvas.now_ms);
    let empty = ["nothing was changed yet", "what is done to servers and apps stands here, with its log"];
    draw_list(&state.operations, canvas, area, &empty, |operation, index, width| {
        cell(operation, index, width, theme, now_ms)
    });
}

fn cell(operation: &Operation, index: usize, width: u16, theme: &Theme, now_ms: u64) -> Line<'static> {
    match index {
        STATUS => status_line(theme, operation.status, operation.status.as_str()),
        KIND => Line::from(operation.kind.as_str()),
        TARGET => safe(&operation.target, width),
        SERVER => safe(operation.server.as_deref().unwrap_or_default(), width),
        STEP => match &operation.error {
            Some(error) => safe(&error.message, width).style(theme.bad),
            None => safe(&operation.step, width),
        },
        ACTOR => safe(&operation.actor, width),
        _ => Line::from(format::age(now_ms, operation.started_at)),
    }
}
