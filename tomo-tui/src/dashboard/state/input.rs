//! Keys, pasted text, clicks: what a person does becomes an action, or goes to what is on top.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::dashboard::{
    action::{Action, Context},
    completion::Completion,
    effect::Effect,
    layers::{
        Layer,
        choice::Chosen,
        compose::ComposeRequest,
        confirm::{Confirm, Decision},
        deploy::DeployRequest,
        server::ServerForm,
        sheet::{Asks as _, Wish},
    },
    list::AnyList,
    state::State,
    toast::Kind,
    views::View,
    widgets::form::Form,
};

impl State {
    /// Selects a row of the list on screen; a selected one is opened.
    pub(super) fn click_row(&mut self, row: usize) {
        let Some(table) = self.list_mut().map(AnyList::table) else { return };
        if std::mem::replace(&mut table.selected, row) == row {
            self.act(Action::Open);
        }
    }

    pub(super) fn sort_on(&mut self, column: usize) {
        if let Some(list) = self.list_mut() {
            list.sort_on(column);
        }
    }

    pub(super) fn key(&mut self, key: KeyEvent) {
        if key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL) {
            if self.quit_asked {
                self.effects.push(Effect::Quit);
            }
            self.quit_asked = true;
            self.toasts.push(Kind::Info, "Ctrl-C once more leaves", self.now_ms);
            return;
        }
        self.quit_asked = false;
        if self.layer.is_some() {
            self.key_in_layer(key);
            return;
        }
        if let View::Login(login) = &mut self.view {
            // Somebody whose login is over there may still go elsewhere.
            let elsewhere = key.modifiers.contains(KeyModifiers::CONTROL)
                && self.keys.meaning(Context::Global, key) == Some(Action::SwitchDaemon);
            if elsewhere {
                self.act(Action::SwitchDaemon);
            } else if let Some(request) = login.key(key) {
                self.effects.push(Effect::Login(request));
            }
            return;
        }
        if self.filtering {
            self.key_in_filter(key);
            return;
        }
        if key.code == KeyCode::Esc && self.toasts.dismiss() {
            return;
        }
        if let Some(action) = self.keys.meaning(self.context(), key) {
            self.act(action);
        }
    }

    /// Takes the filter's letters from now on; one from before stays until then.
    pub(super) fn begin_filter(&mut self) {
        self.filtering = self.filter().is_some();
        self.filter_is_old = self.filter().is_some_and(|filter| !filter.is_empty());
    }

    /// What letters are added to.
    fn filter_so_far(&mut self) -> Option<String> {
        let is_old = std::mem::take(&mut self.filter_is_old);
        self.filter().map(|filter| if is_old { String::new() } else { filter.to_owned() })
    }

    pub(super) fn key_in_filter(&mut self, key: KeyEvent) {
        let is_letter = matches!(key.code, KeyCode::Char(_));
        self.filter_is_old &= is_letter;
        let Some(mut text) = self.filter_so_far() else {
            self.filtering = false;
            return;
        };
        match key.code {
            KeyCode::Enter => self.filtering = false,
            KeyCode::Esc => {
                self.filtering = false;
                self.set_filter(String::new());
            }
            KeyCode::Backspace => {
                text.pop();
                self.set_filter(text);
            }
            KeyCode::Char('u') if key.modifiers.contains(KeyModifiers::CONTROL) => self.set_filter(String::new()),
            KeyCode::Char(character) if !key.modifiers.contains(KeyModifiers::CONTROL) => {
                text.push(character);
                self.set_filter(text);
            }
            KeyCode::Up => self.act(Action::Up),
            KeyCode::Down => self.act(Action::Down),
            _ => {}
        }
    }

    pub(super) fn paste(&mut self, text: &str) {
        match (&mut self.layer, &mut self.view) {
            (Some(layer), _) => {
                if let Err(refused) = layer.paste(text) {
                    self.toasts.push(Kind::Warning, refused, self.now_ms);
                }
            }
            (None, View::Login(login)) => login.form.paste(text),
            // What is pasted into a list would run as keys.
            _ if self.filtering => {
                let line = text.lines().next().unwrap_or_default();
                let filter = format!("{}{line}", self.filter_so_far().unwrap_or_default());
                self.set_filter(filter);
            }
            _ => {}
        }
    }

    pub(super) fn key_in_layer(&mut self, key: KeyEvent) {
        // What is typed while a path is completed is meant for what comes then.
        if let Some(ahead) = self.typed_ahead.as_mut().filter(|_| key.code != KeyCode::Esc) {
            return ahead.push(key);
        }
        self.typed_ahead = None;
        self.answer_in_layer(key);
        if let Some(begun) = self.layer.as_mut().and_then(Layer::form).and_then(Form::take_begun) {
            self.typed_ahead = Some(Vec::new());
            self.effects.push(Effect::CompletePath(begun));
        }
    }

    pub(super) fn completed(&mut self, completion: &Completion) {
        let Some(ahead) = self.typed_ahead.take() else { return };
        if let Some(form) = self.layer.as_mut().and_then(Layer::form) {
            form.complete(completion);
        }
        ahead.into_iter().for_each(|key| self.key(key));
    }

    fn answer_in_layer(&mut self, key: KeyEvent) {
        if let Some(form) = self.layer.as_mut().and_then(Layer::asks) {
            let told = form.key(key);
            return self.follow_form(told);
        }
        match &mut self.layer {
            Some(Layer::Help(help)) => {
                if let Some(chosen) = help.key(key) {
                    self.layer = None;
                    if let Some(action) = chosen {
                        self.act(action);
                    }
                }
            }
            Some(Layer::Palette(palette)) => match key.code {
                KeyCode::Esc => self.layer = None,
                KeyCode::Enter => self.choose_from_palette(),
                _ => palette.key(key),
            },
            Some(Layer::Choice(choice)) => match key.code {
                KeyCode::Esc => self.layer = None,
                KeyCode::Enter | KeyCode::Char(' ') => self.choose(),
                _ => choice.key(key),
            },
            Some(Layer::Confirm(confirm)) => {
                if let Some(decision) = confirm.key(key) {
                    self.decide(decision);
                }
            }
            Some(Layer::Deploy(deploy)) => {
                let told = deploy.key(key);
                self.follow_deploy(told);
            }
            Some(Layer::Compose(compose)) => {
                let told = compose.key(key);
                self.follow_compose(told);
            }
            Some(Layer::Server(server)) => {
                let told = server.key(key);
                self.follow_form(told);
            }
            Some(Layer::Import(import)) => {
                let told = import.key(key);
                self.follow_import(told);
            }
            Some(Layer::Save(save)) => {
                let told = save.key(key);
                self.follow_save(told);
            }
            Some(Layer::Menu(menu)) => {
                if let Some(chosen) = menu.key(key) {
                    self.leave_menu(chosen);
                }
            }
            Some(Layer::Jump(jump)) => {
                let told = jump.key(key);
                self.follow_jump(told);
            }
            Some(Layer::Text(text)) => {
                let closes = text.key(key);
                if closes {
                    self.layer = None;
                }
            }
            Some(Layer::ShownOnce(_)) => {
                if matches!(key.code, KeyCode::Esc | KeyCode::Enter) {
                    self.layer = None;
                } else if let (KeyCode::Char('y'), Some(Layer::ShownOnce(shown))) = (key.code, &self.layer) {
                    let secret = shown.copied();
                    self.copy(secret);
                }
            }
            _ => {}
        }
    }

    pub(super) fn click_form(&mut self, (column, row): (u16, u16)) {
        if let Some(form) = self.layer.as_mut().and_then(Layer::asks) {
            let told = form.click(column, row);
            return self.follow_form(told);
        }
        match (&mut self.layer, &mut self.view) {
            (Some(Layer::Deploy(deploy)), _) => {
                let told = deploy.form.click(column, row);
                let told = deploy.follow(told);
                self.follow_deploy(told);
            }
            (Some(Layer::Compose(compose)), _) => {
                let told = compose.form.click(column, row);
                let told = compose.follow(told);
                self.follow_compose(told);
            }
            (Some(Layer::Server(server)), _) => {
                let told = server.form.click(column, row);
                let told = server.follow(told);
                self.follow_form(told);
            }
            (Some(Layer::Import(import)), _) => {
                let told = import.form.click(column, row);
                let told = import.follow(told);
                self.follow_import(told);
            }
            (Some(Layer::Save(save)), _) => {
                let told = save.click(column, row);
                self.follow_save(told);
            }
            (Some(Layer::Jump(jump)), _) => {
                let told = jump.click(column, row);
                self.follow_jump(told);
            }
            (None, View::Login(login)) => {
                let told = login.form.click(column, row);
                let request = login.follow(told);
                self.effects.extend(request.map(Effect::Login));
            }
            _ => {}
        }
    }

    pub(super) fn follow_deploy(&mut self, told: Option<Result<DeployRequest, ()>>) {
        match told {
            None => {}
            Some(Ok(request)) => self.effects.push(Effect::Deploy(Box::new(request))),
            Some(Err(())) => self.leave_form(),
        }
    }

    fn follow_compose(&mut self, told: Option<Result<ComposeRequest, ()>>) {
        match told {
            None => {}
            Some(Ok(request)) => self.effects.push(Effect::ReadCompose(Box::new(request))),
            Some(Err(())) => self.leave_form(),
        }
    }

    pub(super) fn follow_form(&mut self, told: Wish<Effect>) {
        match told {
            None => {}
            Some(Ok(effect)) => self.effects.push(effect),
            Some(Err(())) => self.leave_form(),
        }
    }

    fn follow_import(&mut self, told: Option<Result<Vec<ServerForm>, ()>>) {
        match told {
            None => {}
            Some(Ok(forms)) => {
                self.layer = None;
                self.to_visit = forms.into();
                self.visit_next();
            }
            Some(Err(())) => self.leave_form(),
        }
    }

    /// Shows the time that was asked for.
    fn follow_jump(&mut self, told: Wish<u64>) {
        match told {
            None => {}
            Some(Ok(at_ms)) => {
                self.layer = None;
                if let Some((time, now_ms)) = self.timeline() {
                    time.jump(at_ms, now_ms);
                }
                self.fetch_history();
            }
            Some(Err(())) => self.leave_form(),
        }
    }

    /// Leaves a form; what was typed is asked about.
    pub(super) fn leave_form(&mut self) {
        let dirty = self.layer.as_ref().is_some_and(Layer::is_dirty);
        if dirty {
            self.below = self.layer.take();
            self.layer = Some(Layer::Confirm(Confirm::leave_form()));
        } else {
            // What waited below takes keys again.
            self.layer = self.below.take();
            if self.layer.is_none() {
                self.visit_next();
            }
        }
    }

    pub(super) fn choose(&mut self) {
        let Some(Layer::Choice(mut choice)) = self.layer.take() else { return };
        match choice.chosen() {
            // It stays open: there may be more to choose.
            Some(Chosen::Column(title)) => {
                if let Some(list) = self.list_mut() {
                    list.toggle_column(title);
                    choice.show(list.columns());
                }
                self.layer = Some(Layer::Choice(choice));
            }
            Some(Chosen::Theme(theme)) => {
                self.theme = theme;
                self.effects.push(Effect::ChooseTheme(theme));
            }
            Some(Chosen::Daemon(target)) => self.effects.push(Effect::Switch(target)),
            None => {}
        }
    }

    /// The form below a preview takes keys again.
    fn form_is_free(&mut self) {
        if let Some(layer) = &mut self.layer {
            layer.free();
        }
    }

    pub(super) fn decide(&mut self, decision: Decision) {
        let asked = std::mem::replace(&mut self.layer, self.below.take());
        if let (Decision::Cancel | Decision::Withdraw(_), Some(Layer::Confirm(asked))) = (&decision, &asked)
            && let Some(what) = asked.undone()
        {
            let denied = if matches!(decision, Decision::Withdraw(_)) { ", and the plan is denied" } else { "" };
            self.toasts.push(Kind::Info, format!("nothing was done{denied}: {what}"), self.now_ms);
        }
        match decision {
            Decision::Cancel => self.form_is_free(),
            Decision::Withdraw(plan) => {
                self.form_is_free();
                self.effects.push(Effect::Withdraw(plan));
            }
            Decision::Discard => {
                self.layer = None;
                self.visit_next();
            }
            Decision::Do(effect) => self.begin_effect(*effect),
            Decision::Approve { request, apply } => {
                self.effects.push(Effect::Approve { request, apply });
            }
        }
    }
}
