//! The audit trail, newest first: read page by page as one goes down, and on by itself while a filter finds too little.

use std::{borrow::Cow, cmp::Ordering};

use ratatui::{layout::Rect, text::Line};
use tomo_proto::{
    api::audit::AuditSearchAnswer,
    model::audit::{AuditEntry, AuditOutcome},
};

use crate::{
    cli::output::time,
    dashboard::{
        action::Action,
        canvas::{Canvas, split_bottom},
        effect::Effect,
        list::{AnyList as _, List, Listed},
        theme::Theme,
        views::{draw_list, safe, status_line},
        widgets::table::{Column, column, growing, prose},
    },
};

const WHEN: usize = 0;
const OUTCOME: usize = 1;
const WHO: usize = 2;
const WHAT: usize = 3;
const ON: usize = 4;
/// Rows of a page.
const PAGE: u32 = 200;
/// Rows of a look at what is new: on a slow line a notice may come every second.
const NEW: u32 = 20;
/// Rows that are kept at the most; each has some 300 bytes.
const MOST_ROWS: usize = 50_000;
/// Pages that one key reads at the most while a filter is on.
const PAGES: usize = 25;

/// The view.
#[derive(Debug)]
pub(crate) struct AuditView {
    pub(crate) list: List<AuditEntry>,
    newest: u64,
    /// Where the rows before those that are there begin; none when there are none.
    older: Option<String>,
    /// The cursor of a page that is on its way.
    reading: Option<String>,
    /// Pages that may be read before another key is pressed.
    pages: usize,
}

impl Default for AuditView {
    fn default() -> Self {
        Self { list: List::sorted(WHEN), newest: 0, older: None, reading: None, pages: 0 }
    }
}

impl AuditView {
    /// Takes a page over, by the cursor with which it was asked for.
    pub(crate) fn take(&mut self, cursor: Option<String>, answer: AuditSearchAnswer) {
        let (first, last) = (answer.entries.first(), answer.entries.last());
        let (first, last) = (first.map_or(0, |entry| entry.seq), last.map_or(0, |entry| entry.seq));
        if cursor.is_some() {
            if cursor == self.reading {
                self.reading = None;
                self.older = answer.next_cursor;
                self.list.merge(answer.entries);
            }
            return;
        }
        // Rows in between are missing, or it is the trail of a restored backup: it is read anew.
        if !self.list.loaded || last > self.newest + 1 || first < self.newest {
            self.reading = None;
            self.older = answer.next_cursor;
            self.list.replace(answer.entries);
            self.pages = 1;
        } else {
            self.list.merge(answer.entries);
        }
        self.newest = first;
    }

    /// Asks for the newest rows.
    pub(crate) fn look(&self) -> Effect {
        Effect::Audit { cursor: None, rows: if self.list.loaded { NEW } else { PAGE } }
    }

    /// What was on its way is not waited for any more.
    pub(crate) fn resume(&mut self) {
        self.reading = None;
    }

    pub(crate) fn act(&mut self, action: Action) -> (bool, Option<Effect>) {
        let acted = self.list.act(action);
        (acted, if acted { self.go_on() } else { None })
    }

    /// Somebody moves or filters: a page may be read, with a filter several.
    pub(crate) fn go_on(&mut self) -> Option<Effect> {
        self.pages = if self.list.filter().is_empty() { 1 } else { PAGES };
        self.read_on()
    }

    /// Asks for the next page where the end of what is shown is near.
    pub(crate) fn read_on(&mut self) -> Option<Effect> {
        let ahead = isize::try_from(self.list.shown().saturating_sub(self.list.table.selected)).unwrap_or(isize::MAX);
        let is_near = ahead <= self.list.table.page();
        if self.reading.is_some() || self.pages == 0 || !is_near || self.is_full() {
            return None;
        }
        self.reading = Some(self.older.clone()?);
        self.pages -= 1;
        Some(Effect::Audit { cursor: self.reading.clone(), rows: PAGE })
    }

    fn is_full(&self) -> bool {
        self.list.items().len() >= MOST_ROWS
    }

    /// How far it was read.
    fn standing(&self) -> String {
        let (rows, shown) = (self.list.items().len(), self.list.shown());
        let rows = match self.list.filter() {
            "" => format!("{rows} rows read"),
            _ => format!("{shown} of {rows} rows read fit"),
        };
        match (&self.older, &self.reading) {
            (None, _) => format!("{rows}, back to the first one"),
            (Some(_), Some(_)) => format!("{rows}, reading on"),
            (Some(_), None) if self.is_full() => {
                format!("{rows}, no more at once; `tomo audit search --actor, --action, --resource` goes further back")
            }
            (Some(_), None) => format!("{rows}; going down reads on"),
        }
    }

    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let (rows, foot) = split_bottom(area, 1);
        let theme = canvas.theme;
        draw_list(&self.list, canvas, rows, &["nothing was audited yet"], |entry, index, width| {
            cell(entry, index, width, theme)
        });
        if self.list.loaded {
            canvas.text(foot, &format!(" {}", self.standing()), theme.dim);
        }
    }
}

/// What something was done to.
pub(super) fn on(entry: &AuditEntry) -> String {
    format!("{} {}", entry.resource_type, entry.resource).trim().to_owned()
}

/// Whether something was asked for that became a plan.
fn is_plan(entry: &AuditEntry) -> bool {
    entry.outcome == AuditOutcome::Ok && entry.resource_type == "plan" && !entry.action.starts_with("plan")
}

fn cell(entry: &AuditEntry, index: usize, width: u16, theme: &Theme) -> Line<'static> {
    match index {
        WHEN => Line::from(time(entry.at_ms)),
        // Nothing of it was done yet.
        OUTCOME if is_plan(entry) => status_line(theme, entry.outcome, "planned"),
        OUTCOME => status_line(theme, entry.outcome, entry.outcome.as_str()),
        WHO => safe(&entry.actor, width),
        WHAT => safe(&entry.action, width),
        ON => safe(&on(entry), width),
        _ => safe(&entry.details, width),
    }
}

impl Listed for AuditEntry {
    type Key = u64;
    const COLUMNS: &'static [Column] = &[
        column("WHEN", 19, 0),
        column("OUTCOME", 9, 0),
        growing("WHO", 14, 0),
        growing("WHAT", 17, 0),
        growing("ON", 17, 1),
        prose("DETAILS", 20, 2),
    ];

    fn key(&self) -> u64 {
        self.seq
    }

    fn cells(&self) -> Vec<(&'static str, Cow<'_, str>)> {
        vec![
            ("who", self.actor.as_str().into()),
            ("what", self.action.as_str().into()),
            ("on", on(self).into()),
            ("outcome", self.outcome.as_str().into()),
            ("details", self.details.as_str().into()),
            ("reason", self.reason.as_deref().unwrap_or_default().into()),
            ("from", self.ip_address.as_str().into()),
        ]
    }

    fn json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    fn compare(&self, other: &Self, column: usize) -> Ordering {
        match column {
            WHEN => self.seq.cmp(&other.seq),
            OUTCOME => self.outcome.as_str().cmp(other.outcome.as_str()),
            WHO => self.actor.cmp(&other.actor),
            WHAT => self.action.cmp(&other.action),
            ON => on(self).cmp(&on(other)),
            _ => self.details.cmp(&other.details),
        }
    }

    fn downwards(column: usize) -> bool {
        column == WHEN
    }
}
