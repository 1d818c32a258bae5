//! One account: what it may do, its logins and its API tokens.

use std::{borrow::Cow, cmp::Ordering};

use ratatui::{
    layout::Rect,
    text::{Line, Span},
};
use tomo_proto::{
    model::user::{ApiToken, Role, Scopes, Session, SshKey, User},
    text::display_line,
};

use crate::{
    cli::output::time,
    dashboard::{
        canvas::{Canvas, split_top},
        list::{List, Listed},
        people::People,
        views::{draw_list, safe},
        widgets::table::{Column, column, growing, number},
    },
    format,
};

const KIND: usize = 0;
const WHAT: usize = 1;
const MAY: usize = 2;
const SINCE: usize = 3;
const LAST_USE: usize = 4;

/// Something that is signed in.
#[derive(Debug)]
pub(crate) enum SignedIn {
    /// A login, and whether it is the one of this dashboard.
    Login(Session, bool),
    Token(ApiToken),
    /// A public key, which opens the dashboard over SSH.
    Key(SshKey),
}

/// The view.
#[derive(Debug)]
pub(crate) struct PersonView {
    pub(crate) name: String,
    pub(crate) user: Option<User>,
    /// Whether nobody else is an admin.
    pub(crate) is_last_admin: bool,
    pub(crate) list: List<SignedIn>,
}

impl PersonView {
    pub(crate) fn new(name: String) -> Box<Self> {
        Box::new(Self { name, user: None, is_last_admin: false, list: List::default() })
    }

    /// Says so if the account is gone.
    pub(crate) fn take(&mut self, people: People) -> Result<(), String> {
        let Some(user) = people.users.iter().find(|user| user.name == self.name).cloned() else {
            return Err(format!("there is no user \"{}\" any more", self.name));
        };
        self.is_last_admin = is_last_admin(&user, &people.users);
        self.list.replace(signed_in(people, &user.name));
        self.user = Some(user);
        Ok(())
    }

    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let (Some(user), now_ms) = (&self.user, canvas.now_ms) else { return };
        let last_login = user.last_login_at.map_or_else(|| "never".to_owned(), |at| moment(now_ms, at));
        let mut facts = vec![
            ("role", format!("{}: may {}", user.role.as_str(), words(&user.role.scopes()))),
            ("made", moment(now_ms, user.created_at)),
            ("last login", last_login),
        ];
        facts.extend(user.email.clone().map(|email| ("mail", email)));
        let rest = draw_facts(canvas, area, &facts);
        draw_signed_in(canvas, rest, &self.list, "nothing of this person is signed in");
    }
}

/// Facts above, and the room that is left below them.
pub(super) fn draw_facts(canvas: &mut Canvas<'_>, area: Rect, facts: &[(&str, String)]) -> Rect {
    let (head, rest) = split_top(area, u16::try_from(facts.len() + 1).unwrap_or(u16::MAX));
    for (row, (name, text)) in head.rows().zip(facts) {
        let text = display_line(text, usize::from(row.width).saturating_sub(13));
        let name = Span::styled(format!(" {name:<11} "), canvas.theme.dim);
        canvas.line(row, &Line::from(vec![name, Span::styled(text, canvas.theme.text)]));
    }
    rest
}

/// The list of what is signed in, with its title.
pub(super) fn draw_signed_in(canvas: &mut Canvas<'_>, area: Rect, list: &List<SignedIn>, empty: &str) {
    let body = canvas.section(area, "Logins, API tokens and SSH keys", true);
    let now_ms = canvas.now_ms;
    draw_list(list, canvas, body, &[empty], |one, index, width| one.cell(index, width, now_ms));
}

/// What a person is signed in with, or can sign in with: logins, tokens, public keys, the newest first.
pub(super) fn signed_in(people: People, name: &str) -> Vec<SignedIn> {
    let logins = people.logins.into_iter().filter(|login| login.user_name == name);
    let logins = logins.map(|login| SignedIn::Login(login.clone(), Some(login.id) == people.own));
    let tokens = people.tokens.into_iter().filter(|token| token.owner_name == name);
    let keys = people.keys.into_iter().filter(|key| key.user_name == name);
    logins.chain(tokens.map(SignedIn::Token)).chain(keys.map(SignedIn::Key)).collect()
}

/// Whether an account is the only one of an admin.
pub(super) fn is_last_admin(user: &User, all: &[User]) -> bool {
    user.role == Role::Admin && all.iter().filter(|one| one.role == Role::Admin).count() == 1
}

/// Scopes, weakest first.
pub(crate) fn words(scopes: &Scopes) -> String {
    scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(", ")
}

/// A time and how long ago that was.
pub(super) fn moment(now_ms: u64, at_ms: u64) -> String {
    format!("{}, {}", time(at_ms), format::age(now_ms, at_ms))
}

/// How long something still works.
pub(super) fn remaining(now_ms: u64, until_ms: u64) -> String {
    if until_ms == u64::MAX {
        return "never".to_owned();
    }
    if until_ms <= now_ms { "over".to_owned() } else { format::duration(until_ms - now_ms) }
}

impl SignedIn {
    /// Where a login comes from, or what a token is called.
    fn what(&self) -> String {
        match self {
            Self::Login(login, own) => {
                let own = if *own { "this one, " } else { "" };
                format!("{own}from {} {}", login.ip_address, login.user_agent).trim_end().to_owned()
            }
            Self::Token(token) => token.name.clone(),
            Self::Key(key) => format!("{} {}", key.name, key.fingerprint),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Login(..) => "login",
            Self::Token(_) => "token",
            Self::Key(_) => "ssh key",
        }
    }

    fn may(&self) -> String {
        match self {
            Self::Login(..) | Self::Key(_) => "as the role".to_owned(),
            Self::Token(token) => words(&token.scopes),
        }
    }

    /// Since when, until when, and the last use (UTC ms).
    fn times(&self) -> (u64, u64, Option<u64>) {
        match self {
            Self::Login(login, _) => (login.created_at, login.expires_at, Some(login.last_activity_at)),
            Self::Token(token) => (token.created_at, token.expires_at, token.last_used_at),
            Self::Key(key) => (key.created_at, u64::MAX, key.last_used_at),
        }
    }

    fn cell(&self, index: usize, width: u16, now_ms: u64) -> Line<'static> {
        let (since, until, last_use) = self.times();
        match index {
            KIND => Line::from(self.kind()),
            WHAT => safe(&self.what(), width),
            MAY => safe(&self.may(), width),
            SINCE => Line::from(format::age(now_ms, since)),
            LAST_USE => Line::from(last_use.map_or_else(|| "never".to_owned(), |at| format::age(now_ms, at))),
            _ => Line::from(remaining(now_ms, until)),
        }
    }
}

impl Listed for SignedIn {
    type Key = String;
    const COLUMNS: &'static [Column] = &[
        column("KIND", 7, 0),
        growing("WHAT", 26, 0),
        growing("MAY", 12, 1),
        number("SINCE", 9, 0),
        number("LAST USE", 9, 0),
        number("ENDS IN", 9, 0),
    ];

    fn key(&self) -> String {
        match self {
            Self::Login(login, _) => login.id.to_string(),
            Self::Token(token) => token.id.to_string(),
            Self::Key(key) => key.id.to_string(),
        }
    }

    fn cells(&self) -> Vec<(&'static str, Cow<'_, str>)> {
        vec![("kind", self.kind().into()), ("what", self.what().into()), ("may", self.may().into())]
    }

    fn compare(&self, other: &Self, column: usize) -> Ordering {
        let ((since, until, last_use), (other_since, other_until, other_use)) = (self.times(), other.times());
        match column {
            KIND => self.kind().cmp(other.kind()),
            WHAT => self.what().cmp(&other.what()),
            MAY => self.may().cmp(&other.may()),
            SINCE => since.cmp(&other_since),
            LAST_USE => last_use.cmp(&other_use),
            _ => until.cmp(&other_until),
        }
    }

    fn downwards(column: usize) -> bool {
        matches!(column, SINCE | LAST_USE)
    }
}
