//! The mouse: a click, the wheel, a drag on a chart, and the menu of a row.

use crate::dashboard::{
    action::Action,
    canvas::Hit,
    effect::Effect,
    layers::{Layer, menu::Menu},
    state::State,
    views::{View, timeline::Timeline},
};

impl State {
    /// Takes a click or the wheel in, where `hit` says what lies there.
    pub(crate) fn pointer(&mut self, hit: Option<Hit>, wheel: i32, at: (u16, u16), now_ms: u64) -> Vec<Effect> {
        self.now_ms = now_ms;
        self.dirty = true;
        if wheel != 0 {
            self.turn_wheel(hit, wheel);
            return std::mem::take(&mut self.effects);
        }
        match (hit, &mut self.layer) {
            (Some(Hit::Form), _) => self.click_form(at),
            (Some(Hit::Button(button)), Some(Layer::Confirm(confirm))) => {
                if let Some(decision) = confirm.press(button) {
                    self.decide(decision);
                }
            }
            (Some(Hit::Row(row)), Some(Layer::Palette(palette))) => {
                palette.select(row);
                self.choose_from_palette();
            }
            (Some(Hit::Row(row)), Some(Layer::Choice(choice))) => {
                choice.select(row);
                self.choose();
            }
            (hit, Some(Layer::Menu(menu))) => {
                let chosen = if let Some(Hit::Row(row)) = hit { menu.at(row) } else { None };
                self.leave_menu(chosen);
            }
            (Some(Hit::Chart(area)), None) => {
                if let Some((time, now_ms)) = self.timeline() {
                    time.point_at(area, at.0, now_ms);
                }
            }
            (Some(Hit::Act(action)), None) => self.act(action),
            (Some(Hit::Column(column)), None) => self.sort_on(column),
            (Some(Hit::Row(row)), None) => self.click_row(row),
            _ => {}
        }
        std::mem::take(&mut self.effects)
    }

    /// Opens the menu of a row, which is selected by that, or of the view.
    pub(crate) fn ask_for_menu(&mut self, hit: Option<Hit>, at: (u16, u16), now_ms: u64) -> Vec<Effect> {
        self.now_ms = now_ms;
        self.dirty = true;
        if matches!(self.layer, Some(Layer::Menu(_))) {
            self.layer = None;
        }
        if self.layer.is_some() || self.filtering || matches!(self.view, View::Login(_)) {
            return Vec::new();
        }
        let row = if let Some(Hit::Row(row)) = hit { Some(row) } else { None };
        let list = row.and_then(|row| Some((row, self.list_mut()?)));
        let of_row = list.map(|(row, list)| list.table().selected = row).is_some();
        let marks = self.list().map_or(0, |list| list.marks().0);
        let title = match (marks, of_row) {
            (0, true) => self.list().and_then(|list| list.copied(false)).unwrap_or_default(),
            (0, false) => self.view.path().pop().unwrap_or_default(),
            (count, _) => format!("{count} marked"),
        };
        let title = tomo_proto::text::display_line(&title, 40);
        let menu = Menu::new(title, at, self.context(), of_row, &self.keys, |action| self.disabled(action));
        if !menu.is_empty() {
            self.layer = Some(Layer::Menu(menu));
        }
        Vec::new()
    }

    /// Closes the menu and does what was chosen.
    pub(super) fn leave_menu(&mut self, chosen: Option<Action>) {
        self.layer = None;
        if let Some(action) = chosen {
            self.act(action);
        }
    }

    /// Moves the selection; over a chart, changes how much time it shows.
    fn turn_wheel(&mut self, hit: Option<Hit>, wheel: i32) {
        if let (Some(Hit::Chart(_)), None) = (hit, &self.layer) {
            let action = if wheel < 0 { Action::ZoomIn } else { Action::ZoomOut };
            if self.disabled(action).is_none() {
                self.act(action);
            }
            return;
        }
        for _ in 0..wheel.unsigned_abs() {
            let action = if wheel < 0 { Action::Up } else { Action::Down };
            match &mut self.layer {
                Some(layer) => layer.scroll(action),
                None => self.act(action),
            }
        }
    }

    pub(super) fn drag_to(&mut self, column: u16) {
        if let Some((time, now_ms)) = self.timeline() {
            time.drag_to(column, now_ms);
            self.dirty = true;
        }
    }

    pub(super) fn drop_it(&mut self) {
        if self.timeline().is_some_and(|(time, _)| time.drop_it()) {
            self.fetch_history();
        }
    }

    /// The window of the charts on screen, and the present by its clock.
    pub(super) fn timeline(&mut self) -> Option<(&mut Timeline, u64)> {
        let now_ms = self.shown_at();
        match &mut self.view {
            View::Server(view) => {
                let now_ms = view.now_there(now_ms);
                Some((&mut view.time, now_ms))
            }
            View::Compare(view) => Some((&mut view.time, now_ms)),
            view => view.usage_mut().map(|usage| (&mut usage.time, now_ms)),
        }
    }

    /// Fetches what the charts on screen show.
    pub(super) fn fetch_history(&mut self) {
        self.effects.extend(match &self.view {
            View::Server(view) => vec![Effect::Metrics(view.range())],
            View::Compare(view) => {
                // What one of them is refused stands until all are asked for anew.
                self.refused = None;
                view.fetch()
            }
            view => view.usage().and_then(|usage| usage.range()).map(Effect::Metrics).into_iter().collect(),
        });
    }
}
