//! A new API token: its name, what it may do and see, how long it works.

use tomo_proto::{
    api::{check_name, person::CreateToken},
    model::user::{Scope, Scopes, Selectors, TOKEN_DAYS, TOKEN_DAYS_MAX},
};

use crate::dashboard::{
    effect::Effect,
    layers::sheet::{Asks, Sheet, Wish},
    widgets::form::{Field, Form},
};

/// The form.
#[derive(Debug)]
pub(crate) struct TokenForm {
    pub(crate) sheet: Sheet,
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
        Self { sheet: Sheet::new(form.button("Make the token"), "New API token", 17, "name") }
    }
}

impl Asks for TokenForm {
    type Wanted = Effect;

    fn sheet(&mut self) -> &mut Sheet {
        &mut self.sheet
    }

    fn wanted(&mut self) -> Wish<Effect> {
        let form = &self.sheet.form;
        let servers = names(&form.value("servers")).map(str::to_owned).collect();
        Some(Ok(Effect::CreateToken(CreateToken {
            name: form.value("name"),
            scopes: form.value("scopes").lines().filter_map(|scope| scope.parse().ok()).collect(),
            selectors: Selectors { servers, ..Selectors::default() },
            expires_in_days: form.value("expires_in_days").trim().parse().ok(),
        })))
    }
}
