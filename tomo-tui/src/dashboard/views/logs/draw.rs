//! A log on the screen: what is known of it above, its lines from the newest in sight upwards.

use ratatui::{
    layout::Rect,
    text::{Line, Span},
};
use tomo_proto::text::display_line;

use super::{LogsView, layout::Paint};
use crate::dashboard::{
    action::{self, Action},
    canvas::{Canvas, split_top},
};

impl LogsView {
    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let (head, body) = split_top(area, 1);
        self.height.set(usize::from(body.height));
        self.draw_head(canvas, head);
        let paint = Paint::new(canvas.theme, self.spool.service_width());
        let mut y = body.bottom();
        let mut place = self.shown().saturating_sub(self.below);
        while y > body.y && place > 0 {
            place -= 1;
            let Some(line) = self.number_at(place).and_then(|number| self.spool.get(number)) else { break };
            for row in self.look.rows(line, usize::from(body.width), &paint).iter().rev() {
                if y == body.y {
                    break;
                }
                y -= 1;
                canvas.line(Rect { y, height: 1, ..body }, row);
            }
        }
        if self.spool.is_empty() && self.error.is_none() && body.height > 1 {
            let text = if self.waiting && self.cursor.is_none() { " loading" } else { " nothing was written yet" };
            canvas.text(Rect { y: body.y + 1, height: 1, ..body }, text, canvas.theme.dim);
        }
    }

    fn draw_head(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let theme = canvas.theme;
        let (word, style) = match (&self.error, self.ended, self.paused, self.below) {
            (Some(_), ..) => ("failed", theme.bad),
            (None, true, ..) => ("ended", theme.warn),
            (None, false, true, _) => ("paused", theme.warn),
            (None, false, false, 0) => ("following", theme.good),
            (None, false, false, _) => ("scrolled, G follows", theme.accent),
        };
        let mut state = vec![Span::styled(format!(" {word}"), style)];
        let span = self.minutes.map_or("tail", |minutes| action::row(Action::LogMinutes(minutes)).title);
        state.push(Span::styled(format!("  {span}"), theme.accent));
        state.push(Span::styled(format!("  {} lines", self.spool.len()), theme.dim));
        if self.spool.gone() > 0 {
            state.push(Span::styled(format!("  {} older ones let go", self.spool.gone()), theme.dim));
        }
        if !self.filter.is_empty() {
            let text = format!("  filter {}: {} fit", display_line(&self.filter, 30), self.shown());
            state.push(Span::styled(text, theme.accent));
        }
        if let Some(error) = &self.error {
            state.push(Span::styled(format!("  {}", display_line(error, 160)), theme.bad));
        }
        canvas.line(area, &Line::from(state));
    }
}
