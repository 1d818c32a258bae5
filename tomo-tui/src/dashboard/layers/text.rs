//! Lines to read over a view: what came of several things, or what was told before.

use std::cell::Cell;

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::{layout::Rect, text::Line};

use crate::{
    dashboard::{
        action::Action,
        canvas::{Canvas, centered},
        toast::Kind,
        views::plan::{draw_scrolled, scroll},
    },
    format::wrap,
};

/// Columns of a line at the most, with the frame.
const WIDEST: u16 = 100;

/// The lines on screen.
#[derive(Debug)]
pub(crate) struct TextLayer {
    title: String,
    lines: Vec<(Kind, String)>,
    place: usize,
    /// Remembered by drawing: how far one can go.
    end: Cell<usize>,
}

impl TextLayer {
    pub(crate) fn new(title: String, lines: Vec<(Kind, String)>) -> Self {
        Self { title, lines, place: 0, end: Cell::new(0) }
    }

    pub(crate) fn scroll(&mut self, action: Action) {
        scroll(&mut self.place, self.end.get(), action);
    }

    /// Says whether the key closes it.
    pub(crate) fn key(&mut self, key: KeyEvent) -> bool {
        match key.code {
            KeyCode::Esc | KeyCode::Enter | KeyCode::Char('q') => return true,
            KeyCode::Up | KeyCode::Char('k') => self.scroll(Action::Up),
            KeyCode::Down | KeyCode::Char('j') => self.scroll(Action::Down),
            KeyCode::PageUp => self.scroll(Action::PageUp),
            KeyCode::PageDown => self.scroll(Action::PageDown),
            KeyCode::Home | KeyCode::Char('g') => self.scroll(Action::Top),
            KeyCode::End | KeyCode::Char('G') => self.scroll(Action::Bottom),
            _ => {}
        }
        false
    }

    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let theme = canvas.theme;
        let width = area.width.saturating_sub(2).min(WIDEST);
        let inner_width = usize::from(width.saturating_sub(4));
        let lines: Vec<Line<'_>> = self
            .lines
            .iter()
            .flat_map(|(kind, text)| {
                let style = match kind {
                    Kind::Info => theme.text,
                    Kind::Warning => theme.warn,
                    Kind::Error => theme.bad,
                };
                let safe = tomo_proto::text::display_line(text, 2_000);
                wrap(&safe, inner_width).into_iter().map(move |line| Line::styled(line, style))
            })
            .collect();
        let height = u16::try_from(lines.len() + 2).unwrap_or(u16::MAX).min(area.height.saturating_sub(2));
        let inner = canvas.dialogue(centered(area, width, height), &self.title);
        let inner = Rect { x: inner.x + inner.width.min(1), width: inner.width.saturating_sub(2), ..inner };
        draw_scrolled(canvas, inner, &lines, self.place, &self.end);
    }
}
