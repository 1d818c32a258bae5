//! The inbox of changes: what waits for a person comes first.

use std::{borrow::Cow, cmp::Ordering};

use ratatui::{layout::Rect, text::Line};
use tomo_proto::{
    id::PlanId,
    model::{
        operation::OperationStatus,
        plan::{Plan, PlanStatus},
    },
};

use crate::dashboard::{
    canvas::{Canvas, split_left},
    list::Listed,
    state::State,
    theme::Theme,
    views::{
        draw_list,
        plan::{plan_lines, standing},
        safe,
    },
    widgets::table::{Column, column, growing, number, prose},
};
use crate::format;

/// From this width on the selected plan stands beside the list.
const WIDE: u16 = 110;

const STATUS: usize = 0;
const SUMMARY: usize = 1;
const ASKED_BY: usize = 2;
const AGE: usize = 3;

impl Listed for Plan {
    type Key = PlanId;
    const COLUMNS: &'static [Column] =
        &[column("STATUS", 11, 0), prose("CHANGE", 30, 0), growing("ASKED BY", 14, 1), number("AGE", 8, 0)];

    fn key(&self) -> PlanId {
        self.plan
    }

    fn cells(&self) -> Vec<(&'static str, Cow<'_, str>)> {
        vec![
            ("change", self.summary.as_str().into()),
            ("status", self.status.as_str().into()),
            ("outcome", self.outcome.map_or("", OperationStatus::as_str).into()),
            ("asked", self.requested_by.as_str().into()),
        ]
    }

    fn copied(&self) -> String {
        self.plan.to_string()
    }

    fn json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    fn compare(&self, other: &Self, column: usize) -> Ordering {
        match column {
            STATUS => rank(self.status).cmp(&rank(other.status)),
            SUMMARY => self.summary.cmp(&other.summary),
            ASKED_BY => self.requested_by.cmp(&other.requested_by),
            _ => other.created_at.cmp(&self.created_at),
        }
    }

    fn downwards(_column: usize) -> bool {
        false
    }
}

fn rank(status: PlanStatus) -> u8 {
    match status {
        PlanStatus::Pending => 0,
        PlanStatus::Approved => 1,
        PlanStatus::Stale => 2,
        PlanStatus::Applied => 3,
        PlanStatus::Denied => 4,
        PlanStatus::Expired => 5,
    }
}

pub(crate) fn draw(state: &State, canvas: &mut Canvas<'_>, area: Rect) {
    let list = &state.plans;
    let (left, right) = if area.width >= WIDE {
        split_left(area, state.panes.list(area.width, area.width / 2))
    } else {
        (area, Rect::default())
    };
    let (theme, now_ms) = (canvas.theme, canvas.now_ms);
    let empty = ["no plan yet", "what an AI tool or a person asks for stands here until somebody agrees to it"];
    draw_list(list, canvas, left, &empty, |plan, index, width| cell(plan, index, width, theme, now_ms));
    if let (Some(plan), true) = (list.selected(), right.width > 4) {
        let inner = Rect { x: right.x + 2, width: right.width - 2, ..right };
        let inner = canvas.section(inner, &plan.plan.to_string(), false);
        let lines = plan_lines(plan, theme, usize::from(inner.width), now_ms);
        canvas.lines(inner, &lines);
    }
}

fn cell(plan: &Plan, index: usize, width: u16, theme: &Theme, now_ms: u64) -> Line<'static> {
    match index {
        STATUS => standing(plan, theme),
        SUMMARY => safe(&plan.summary, width),
        ASKED_BY => safe(&plan.requested_by, width),
        AGE => Line::from(format::age(now_ms, plan.created_at)),
        _ => Line::default(),
    }
}
