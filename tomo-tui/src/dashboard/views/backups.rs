//! Backups of a server's volumes, each with its age and its last proven restore.

use std::{borrow::Cow, cmp::Ordering};

use ratatui::{
    layout::Rect,
    style::Style,
    text::{Line, Span},
};
use tomo_proto::model::volume_backup::{Drill, VolumeBackup};

use crate::dashboard::{
    action::Action,
    canvas::{Canvas, split_bottom},
    list::{List, Listed},
    theme::Theme,
    views::{draw_list, fact, safe},
    widgets::table::{Column, column, growing, number, prose},
};
use crate::format;

const VOLUME: usize = 0;
const MADE: usize = 1;
const FILES: usize = 2;
const SIZE: usize = 3;
const PROOF: usize = 4;

/// Rows below the list for what the selected one's last drill said, whole, with their title.
const WHOLE: u16 = 4;
/// Where fewer rows are there, the list has them all.
const HIGH: u16 = 12;

/// The view of one server's backups.
#[derive(Debug)]
pub(crate) struct BackupsView {
    pub(crate) server: String,
    pub(crate) list: List<VolumeBackup>,
}

impl BackupsView {
    pub(crate) fn new(server: String) -> Box<Self> {
        Box::new(Self { server, list: List::default() })
    }

    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect, now_ms: u64) {
        let theme = canvas.theme;
        let [back, does] = [Action::Back, Action::BackUpVolume].map(|action| canvas.keys.name(action));
        let does = format!("{back} goes to its volumes; {does} on one of them backs it up");
        let empty = ["no volume of this server was backed up yet", &does];
        let (rows, whole) = split_bottom(area, if area.height < HIGH { 0 } else { WHOLE });
        draw_list(&self.list, canvas, rows, &empty, |backup, index, width| cell(backup, index, width, now_ms, theme));
        if let Some(backup) = self.list.selected() {
            let inner = canvas.section(whole, &format!("{} of {}", backup.backup, backup.volume), false);
            let inner = Rect { x: inner.x + inner.width.min(1), width: inner.width.saturating_sub(2), ..inner };
            let (text, style) = proven(backup, now_ms, theme);
            canvas.lines(
                inner,
                &fact(Span::styled("restore proven  ", theme.dim), &text, style, usize::from(inner.width)),
            );
        }
    }
}

/// What the last drill came to, and when.
fn proven(backup: &VolumeBackup, now_ms: u64, theme: &Theme) -> (String, Style) {
    match &backup.drill {
        None => ("never".to_owned(), theme.dim),
        Some(drill) if drill.proven => (format!("{}, {}", format::age(now_ms, drill.at), drill.result), theme.good),
        Some(drill) => (format!("failed: {}", drill.result), theme.bad),
    }
}

/// What the last drill said, without its time.
fn proof(drill: Option<&Drill>) -> String {
    drill.map_or_else(|| "never".to_owned(), |drill| drill.result.clone())
}

impl Listed for VolumeBackup {
    type Key = u64;
    const COLUMNS: &'static [Column] = &[
        growing("VOLUME", 20, 0),
        number("MADE", 9, 0),
        number("FILES", 8, 1),
        number("SIZE", 8, 0),
        prose("RESTORE PROVEN", 24, 0),
        column("BACKUP", 16, 2),
    ];

    fn key(&self) -> u64 {
        self.backup.to_u64()
    }

    fn cells(&self) -> Vec<(&'static str, Cow<'_, str>)> {
        vec![
            ("volume", self.volume.as_str().into()),
            ("proof", proof(self.drill.as_ref()).into()),
            ("backup", self.backup.to_string().into()),
        ]
    }

    fn json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    fn compare(&self, other: &Self, column: usize) -> Ordering {
        let proven = |one: &Self| one.drill.as_ref().map(|drill| (drill.proven, drill.at));
        match column {
            VOLUME => self.volume.cmp(&other.volume).then(other.created_at.cmp(&self.created_at)),
            MADE => self.created_at.cmp(&other.created_at),
            FILES => self.contents.files.cmp(&other.contents.files),
            SIZE => self.contents.bytes.cmp(&other.contents.bytes),
            PROOF => proven(self).cmp(&proven(other)),
            _ => self.backup.cmp(&other.backup),
        }
    }

    fn downwards(column: usize) -> bool {
        matches!(column, MADE | FILES | SIZE)
    }
}

fn cell(backup: &VolumeBackup, index: usize, width: u16, now_ms: u64, theme: &Theme) -> Line<'static> {
    match index {
        VOLUME => safe(&backup.volume, width),
        MADE => Line::from(format::age(now_ms, backup.created_at)),
        FILES => Line::from(backup.contents.files.to_string()),
        SIZE => Line::from(format::bytes(backup.contents.bytes)),
        PROOF => {
            let (text, style) = proven(backup, now_ms, theme);
            safe(&text, width).style(style)
        }
        _ => Line::styled(backup.backup.to_string(), theme.dim),
    }
}
