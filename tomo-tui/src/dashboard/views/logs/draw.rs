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
    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect, is_lost: bool) {
        let (head, body) = split_top(area, 1);
        self.area.set((usize::from(body.width), usize::from(body.height)));
        self.draw_head(canvas, head, is_lost);
        let paint = Paint::new(Some(canvas.theme), self.spool.service_width(), self.search.regex());
        let mut y = body.bottom();
        // A larger screen shows what comes after the oldest line, not nothing above it.
        let below = if self.below > 0 { self.below.min(self.above()) } else { 0 };
        let mut place = self.shown().saturating_sub(below);
        let mut drawn = Vec::new();
        while y > body.y && place > 0 {
            place -= 1;
            let number = self.number_at(place);
            let Some(line) = number.and_then(|number| self.spool.get(number)) else { break };
            self.top.set(number.unwrap_or_default());
            let end = y;
            let rows = self.look.rows(&line, usize::from(body.width), &paint, number == self.current);
            for row in rows.iter().rev() {
                if y == body.y {
                    break;
                }
                y -= 1;
                canvas.line(Rect { y, height: 1, ..body }, row);
            }
            drawn.push((number, Rect { y, height: end - y, ..body }));
        }
        // While new lines come in, the last one is the one that is copied, and no mark runs along.
        let marked = self.copied().filter(|number| !self.follows() || self.current == Some(*number));
        if let Some((_, place)) = drawn.into_iter().find(|(number, _)| marked.is_some() && *number == marked) {
            canvas.buffer.set_style(place, canvas.theme.selected);
        }
        if self.spool.is_empty() && body.height > 1 {
            let text = if self.waiting && self.cursor.is_none() { " loading" } else { " nothing was written yet" };
            canvas.text(Rect { y: body.y + 1, height: 1, ..body }, text, canvas.theme.dim);
        }
    }

    fn draw_head(&self, canvas: &mut Canvas<'_>, area: Rect, is_lost: bool) {
        let theme = canvas.theme;
        let (word, style) = match (&self.error, self.ended, self.paused, self.below) {
            (Some(_), ..) => ("failed".to_owned(), theme.bad),
            (None, true, ..) => ("ended".to_owned(), theme.warn),
            (None, false, ..) if is_lost => ("waiting for the daemon".to_owned(), theme.warn),
            (None, false, true, _) => ("paused".to_owned(), theme.warn),
            (None, false, false, 0) => ("following".to_owned(), theme.good),
            (None, false, false, _) => {
                (format!("scrolled, {} follows", canvas.keys.name(Action::Bottom)), theme.accent)
            }
        };
        let mut state = vec![Span::styled(format!(" {word}"), style)];
        let mut add = |text: String, style| state.push(Span::styled(format!("  {text}"), style));
        let (search, filter) = (display_line(self.search.text(), 30), display_line(self.filter.text(), 30));
        match self.filter.error() {
            Some(error) => add(format!("&{filter}: {error}"), theme.bad),
            None if filter.is_empty() => {}
            None => {
                let more = if self.filter.is_done(&self.spool) { "" } else { "…" };
                add(format!("&{filter} {} fit{more}", self.shown()), theme.accent);
            }
        }
        if !search.is_empty() {
            add(format!("/{search} {}", self.standing()), theme.accent);
        }
        let span = self.minutes.map_or("tail", |minutes| action::row(Action::LogMinutes(minutes)).title);
        add(span.to_owned(), theme.accent);
        if self.look.json {
            add("JSON".to_owned(), theme.accent);
        }
        add(format!("{} lines", self.spool.len()), theme.dim);
        if self.spool.gone() > 0 {
            add(format!("{} older ones let go", self.spool.gone()), theme.dim);
        }
        canvas.line(area, &Line::from(state));
    }
}
