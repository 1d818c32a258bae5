//! Accounts: who may sign in, what each may do, and how much of each is signed in.

use std::{borrow::Cow, cmp::Ordering};

use ratatui::{layout::Rect, text::Line};
use tomo_proto::{id::UserId, model::user::User};

use crate::{
    dashboard::{
        action::Action,
        canvas::Canvas,
        list::{List, Listed},
        people::People,
        views::{draw_list, person::is_last_admin, safe},
        widgets::table::{Column, column, growing, number},
    },
    format,
};

const USER: usize = 0;
const ROLE: usize = 1;
const SEEN: usize = 2;
const LOGINS: usize = 3;
const TOKENS: usize = 4;

/// One account.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) user: User,
    /// Whether nobody else is an admin.
    pub(crate) is_last_admin: bool,
    logins: usize,
    tokens: usize,
    /// Last login, or last use of one that goes on (UTC ms); 0 for never.
    seen_at: u64,
}

/// The view.
#[derive(Debug, Default)]
pub(crate) struct UsersView {
    pub(crate) list: List<Account>,
}

impl UsersView {
    pub(crate) fn take(&mut self, people: &People) {
        let account = |user: &User| {
            let logins = people.logins.iter().filter(|login| login.user == user.id);
            let last_use = logins.clone().map(|login| login.last_activity_at).max();
            Account {
                user: user.clone(),
                is_last_admin: is_last_admin(user, &people.users),
                logins: logins.count(),
                tokens: people.tokens.iter().filter(|token| token.owner == user.id).count(),
                seen_at: last_use.max(user.last_login_at).unwrap_or_default(),
            }
        };
        self.list.replace(people.users.iter().map(account).collect());
    }

    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let (now_ms, dim) = (canvas.now_ms, canvas.theme.dim);
        let make = format!("press {} to make one", canvas.keys.name(Action::CreateUser));
        let empty = ["nobody has an account: who is here came by the local socket", &make];
        draw_list(&self.list, canvas, area, &empty, |account, index, width| match index {
            USER => safe(&account.user.name, width),
            ROLE => Line::from(account.user.role.as_str()),
            SEEN if account.seen_at == 0 => Line::styled("never", dim),
            SEEN => Line::from(format::age(now_ms, account.seen_at)),
            LOGINS => Line::from(account.logins.to_string()),
            TOKENS => Line::from(account.tokens.to_string()),
            _ => Line::from(format::age(now_ms, account.user.created_at)),
        });
    }
}

impl Listed for Account {
    type Key = UserId;
    const COLUMNS: &'static [Column] = &[
        growing("USER", 20, 0),
        column("ROLE", 10, 0),
        number("LAST SEEN", 10, 0),
        number("LOGINS", 7, 1),
        number("TOKENS", 7, 1),
        number("MADE", 10, 2),
    ];

    fn key(&self) -> UserId {
        self.user.id
    }

    fn cells(&self) -> Vec<(&'static str, Cow<'_, str>)> {
        vec![("user", self.user.name.as_str().into()), ("role", self.user.role.as_str().into())]
    }

    fn compare(&self, other: &Self, column: usize) -> Ordering {
        let by_name = self.user.name.cmp(&other.user.name);
        let weight = |one: &Self| one.user.role.scopes().len();
        match column {
            USER => by_name,
            ROLE => weight(self).cmp(&weight(other)).then(by_name.reverse()),
            SEEN => self.seen_at.cmp(&other.seen_at),
            LOGINS => self.logins.cmp(&other.logins).then(by_name.reverse()),
            TOKENS => self.tokens.cmp(&other.tokens).then(by_name.reverse()),
            _ => self.user.created_at.cmp(&other.user.created_at),
        }
    }

    fn downwards(column: usize) -> bool {
        column != USER
    }
}
