//! Searching and filtering a log: what is typed, which line one has come to, what is to be looked at next.

use crate::dashboard::{
    action::Action,
    effect::Effect,
    views::logs::{
        LogsView,
        layout::Paint,
        sift::{Purpose, Sifted},
    },
};

impl LogsView {
    /// What is being typed, or was typed last.
    pub(crate) fn typed(&self) -> &str {
        match self.typing {
            Purpose::Filter => self.filter.text(),
            Purpose::Search => self.search.text(),
        }
    }

    /// What stands before it.
    pub(crate) const fn sign(&self) -> char {
        match self.typing {
            Purpose::Filter => '&',
            Purpose::Search => '/',
        }
    }

    pub(crate) const fn type_into(&mut self, purpose: Purpose) {
        self.typing = purpose;
    }

    pub(crate) fn set_typed(&mut self, text: String) {
        match self.typing {
            Purpose::Filter => {
                self.filter.set(Purpose::Filter, text);
                self.search.restart();
                self.below = 0;
            }
            Purpose::Search => {
                self.search.set(Purpose::Search, text);
                (self.current, self.goes) = (None, true);
            }
        }
    }

    /// Ends the search, or else the filter; says whether there was one.
    pub(crate) fn clear(&mut self) -> bool {
        self.typing = if self.search.text().is_empty() { Purpose::Filter } else { Purpose::Search };
        let was = !self.typed().is_empty();
        self.set_typed(String::new());
        was
    }

    /// Why there is nothing to go to.
    pub(crate) fn does_not_fit(&self, action: Action) -> Option<String> {
        match action {
            Action::LogNext | Action::LogPrevious if self.search.text().is_empty() => {
                Some("nothing is searched for: / begins".to_owned())
            }
            Action::LogNext | Action::LogPrevious if self.search.hits().is_empty() => Some("no line has it".to_owned()),
            _ => None,
        }
    }

    /// Lines to be looked at, off the dashboard's own task.
    pub(crate) fn work(&mut self) -> Option<Effect> {
        let part = if self.filter.is_done(&self.spool) {
            self.search.part(Purpose::Search, self.filter.regex(), self.look.json, &self.spool)
        } else {
            self.filter.part(Purpose::Filter, None, self.look.json, &self.spool)
        };
        Some(Effect::Sift(self.asked, Box::new(part?)))
    }

    /// Takes over which lines fit.
    pub(crate) fn found(&mut self, sifted: Sifted) {
        match sifted.purpose {
            Purpose::Filter => self.keep_place(|view| view.filter.take(sifted, &view.spool)),
            Purpose::Search => {
                self.search.take(sifted, &self.spool);
                if self.goes && self.search.is_done(&self.spool) {
                    self.goes = false;
                    // The nearest one above, so that whoever follows sees the newest.
                    let bottom = self.at_bottom().unwrap_or_default();
                    self.go_to(self.search.hit(bottom + 1, false));
                }
            }
        }
    }

    /// Goes to the next line that was searched for, or the one before.
    pub(super) fn step(&mut self, forward: bool) {
        let from = self.current.or(self.at_bottom()).unwrap_or_default();
        self.go_to(self.search.hit(from, forward));
    }

    /// Rows of the shown line at a place.
    fn rows(&self, place: usize) -> usize {
        let plain = Paint::new(None, self.spool.service_width(), None);
        let line = self.number_at(place).and_then(|number| self.spool.get(number));
        line.map_or(1, |line| self.look.rows(&line, self.area.get().0, &plain, false).len())
    }

    /// Shown lines below the last one of a screen that begins with the oldest.
    pub(super) fn above(&self) -> usize {
        let (mut used, mut fit) = (0, 0);
        while fit < self.shown() && used < self.area.get().1 {
            used += self.rows(fit);
            fit += 1;
        }
        // One that is cut off above is not yet the oldest.
        let whole = if used > self.area.get().1 && fit > 1 { fit - 1 } else { fit };
        self.shown() - whole
    }

    fn go_to(&mut self, number: Option<u64>) {
        self.current = number;
        let Some(place) = number.and_then(|number| self.place_behind(number).checked_sub(1)) else { return };
        let height = self.area.get().1;
        let rows = |place: usize| self.rows(place);
        let bottom = self.shown().saturating_sub(self.below + 1);
        let is_near = place <= bottom && bottom - place < height;
        if is_near && (place..=bottom).map(rows).sum::<usize>() <= height {
            return;
        }
        // In the upper half, with what came after it below.
        let (mut used, mut last) = (rows(place), place);
        while last + 1 < self.shown() && used + rows(last + 1) <= height * 2 / 3 {
            last += 1;
            used += rows(last);
        }
        self.below = self.shown() - 1 - last;
    }

    /// Where one is among the lines that were searched for: `3/17`.
    pub(super) fn standing(&self) -> String {
        let hits = self.search.hits();
        let at = self.current.map(|current| hits.partition_point(|hit| *hit <= current));
        let at = at.map_or_else(|| "-".to_owned(), |at| at.to_string());
        let more = if self.search.is_done(&self.spool) { "" } else { "…" };
        format!("{at}/{}{more}", hits.len())
    }
}
