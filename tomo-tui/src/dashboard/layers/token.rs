//! A new API token: its name, what it may do and see, how long it works.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use tomo_proto::{
    api::{check_name, person::CreateToken},
    model::user::{Scope, Scopes, Selectors, TOKEN_DAYS, TOKEN_DAYS_MAX},
};

use crate::dashboard::{
    canvas::{Canvas, Hit, centered},
    effect::Effect,
    widgets::form::{Field, Form, FormEvent},
};

/// The form.
#[derive(Debug)]
pub(crate) struct TokenForm {
    pub(crate) form: Form,
    busy: bool,
}

fn check_days(text: &str) -> Result<(), String> {
    let fits = text.trim().parse().is_ok_and(|days: u32| (1..=TOKEN_DAYS_MAX).contains(&days));
    if fits { Ok(()) } else { Err(format!("a token lasts 1 to {TOKEN_DAYS_MAX} days")) }
}

/// Names of servers, by commas.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|name| !name.is_empty())
}

fn check_servers(text: &str, known: &[String]) -> Result<(), String> {
    match names(text).find(|name| !known.iter().any(|one| one == name)) {
        Some(name) => Err(format!("there is no server \"{name}\"")),
        None => Ok(()),
    }
}

impl TokenForm {
    /// A token never has more scopes than whoever makes it, and never `admin`.
    pub(crate) fn new(own: &Scopes, servers: Vec<String>) -> Self {
        let scopes = own.iter().filter(|scope| **scope != Scope::Admin);
        let scopes = scopes.map(|scope| (scope.as_str().to_owned(), *scope == Scope::Read)).collect();
        let some = |text: &str| if text.is_empty() { Err("it needs at least one".to_owned()) } else { Ok(()) };
        let form = Form::new(vec![
            Field::text("name", "Name")
                .placeholder("assistant")
                .help("What it is called in lists and in the audit")
                .check(check_name),
            Field::checks("scopes", "It may", scopes)
                .help("Space takes one or not. An AI tool needs read, audit and plan; no token agrees to a plan")
                .check(some),
            Field::text("expires_in_days", "Days")
                .value(&TOKEN_DAYS.to_string())
                .help("How long it works")
                .check(check_days),
            Field::text("servers", "Only servers")
                .placeholder("all")
                .help("Names, by commas: it sees nothing else")
                .check(move |text| check_servers(text, &servers)),
        ]);
        Self { form: form.button("Make the token"), busy: false }
    }

    /// `Ok` is something to do, `Err` the wish to leave.
    pub(crate) fn key(&mut self, key: KeyEvent) -> Option<Result<Effect, ()>> {
        if self.busy {
            return (key.code == KeyCode::Esc).then_some(Err(()));
        }
        let told = self.form.key(key);
        self.follow(told)
    }

    /// What a key or a click on the form comes to.
    pub(crate) fn follow(&mut self, told: FormEvent) -> Option<Result<Effect, ()>> {
        match told {
            FormEvent::Cancel => Some(Err(())),
            FormEvent::Submit if !self.busy => {
                self.busy = true;
                Some(Ok(Effect::CreateToken(self.wanted())))
            }
            _ => None,
        }
    }

    fn wanted(&self) -> CreateToken {
        let servers = names(&self.form.value("servers")).map(str::to_owned).collect();
        CreateToken {
            name: self.form.value("name"),
            scopes: self.form.value("scopes").lines().filter_map(|scope| scope.parse().ok()).collect(),
            selectors: Selectors { servers, ..Selectors::default() },
            expires_in_days: self.form.value("expires_in_days").trim().parse().ok(),
        }
    }

    /// The daemon said no.
    pub(crate) fn refused(&mut self, field: Option<&str>, message: String) {
        self.busy = false;
        let field = field.filter(|field| self.form.has(field)).unwrap_or("name");
        self.form.set_error(field, message);
    }

    /// Takes keys again.
    pub(crate) fn free(&mut self) {
        self.busy = false;
    }

    /// What is waited for, or which keys work.
    pub(crate) const fn hint(&self) -> &'static str {
        if self.busy { "making it   Esc leaves" } else { "Enter goes on   Tab next field   Ctrl-S sends   Esc leaves" }
    }

    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let inner = canvas.dialogue(centered(area, 78, 17), "New API token");
        let inner = Rect { x: inner.x + inner.width.min(1), width: inner.width.saturating_sub(2), ..inner };
        canvas.hits.add(inner, Hit::Form);
        if let Some(cursor) = self.form.render(inner, canvas.buffer, canvas.theme) {
            canvas.cursor = Some(cursor);
        }
    }
}
