//! Saving what a log shows: the form, a file that is there already, what came of it.

use crate::dashboard::{
    effect::Effect,
    layers::{Layer, confirm::Confirm, save::SaveForm, sheet::Wish},
    log::{NotSaved, Saving},
    state::State,
    toast::Kind,
    views::View,
};

impl State {
    pub(super) fn ask_where_to_save(&mut self) {
        if let View::Logs(view) = &self.view {
            self.layer = Some(Layer::Save(Box::new(SaveForm::new(&view.file(self.now_ms)))));
        }
    }

    pub(super) fn follow_save(&mut self, told: Wish<String>) {
        match (told, &self.view) {
            (Some(Ok(path)), View::Logs(view)) => {
                let saving = Saving { path, overwrite: false, shown: view.shown_lines() };
                self.effects.push(Effect::SaveLog(Box::new(saving)));
            }
            (Some(_), _) => self.leave_form(),
            (None, _) => {}
        }
    }

    pub(super) fn saved(&mut self, saving: Saving, told: Result<usize, NotSaved>) {
        match (told, &mut self.layer) {
            (Ok(lines), layer) => {
                if let Some(Layer::Save(_)) = layer {
                    *layer = None;
                }
                let lines = if lines == 1 { "1 line".to_owned() } else { format!("{lines} lines") };
                self.toasts.push(Kind::Info, format!("wrote {lines} to {}", saving.path), self.now_ms);
            }
            (Err(NotSaved::Exists), Some(Layer::Save(form))) => {
                form.sheet.free();
                let question = format!("{} is there already. What is in it is lost.", saving.path);
                let path = saving.path.clone();
                let effect = Effect::SaveLog(Box::new(Saving { overwrite: true, ..saving }));
                self.below = self.layer.take();
                let confirm = Confirm::question("Overwrite", question, "Overwrite it", effect).of(&path);
                self.layer = Some(Layer::Confirm(confirm));
            }
            (Err(NotSaved::Failed(why)), Some(Layer::Save(form))) => form.sheet.refused(None, why),
            // Whoever has left the form hears of it all the same.
            (Err(error), _) => {
                let why = match error {
                    NotSaved::Exists => "it is there already".to_owned(),
                    NotSaved::Failed(why) => why,
                };
                self.toasts.push(Kind::Warning, format!("{} was not written: {why}", saving.path), self.now_ms);
            }
        }
    }
}
