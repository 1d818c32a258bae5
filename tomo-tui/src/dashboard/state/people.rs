//! Accounts, logins and API tokens: what is done with them, and what came of it.

use tomo_proto::{
    api::{
        auth::{AuthSessionEnd, AuthTokenRevoke},
        person::{CreatedToken, DeleteUser, RemoveKey},
    },
    model::user::{ApiToken, Session, SshKey, User},
};

use crate::{
    client::ClientError,
    dashboard::{
        action::Action,
        effect::Effect,
        layers::{Layer, account::AccountForm, confirm::Confirm, shown_once::ShownOnce, token::TokenForm},
        people::{Change, Changed, People},
        state::{Fetch, State, answers::message, undo::Undo},
        views::{View, person::SignedIn},
    },
};

impl State {
    /// The account at hand, and whether nobody else is an admin.
    fn account_on_screen(&self) -> Option<(&User, bool)> {
        match &self.view {
            View::Users(view) => view.list.selected().map(|account| (&account.user, account.is_last_admin)),
            View::Person(view) => view.user.as_ref().map(|user| (user, view.is_last_admin)),
            _ => None,
        }
    }

    /// The question before the login or the token at hand is ended.
    fn revocation(&self) -> Option<Confirm> {
        match &self.view {
            View::Person(view) => view.list.selected().map(end),
            View::Profile(view) => view.list.selected().map(end),
            View::Tokens(view) => view.list.selected().map(revoke_token),
            _ => None,
        }
    }

    /// What ends each of the marked logins, tokens and keys, by its name.
    pub(super) fn revoked_at_once(&self) -> Vec<(String, Effect)> {
        let revoke = |token: &ApiToken| Change::RevokeToken(AuthTokenRevoke { token: token.id.to_string() });
        let one = |one: &SignedIn| match one {
            SignedIn::Login(login, own) => {
                let whose = if *own { ", which is the one of this dashboard" } else { "" };
                let end = Change::EndLogin(AuthSessionEnd { session: login.id.to_string() });
                (format!("login of {} from {}{whose}", login.user_name, login.ip_address), end)
            }
            SignedIn::Token(token) => (format!("token {}", token.name), revoke(token)),
            SignedIn::Key(key) => {
                (format!("key {}", key.name), Change::RemoveKey(RemoveKey { key: key.id.to_string() }))
            }
        };
        let changes: Vec<(String, Change)> = match &self.view {
            View::Person(view) => view.list.marked().map(one).collect(),
            View::Profile(view) => view.list.marked().map(one).collect(),
            View::Tokens(view) => view
                .list
                .marked()
                .map(|token| (format!("{} of {}", token.name, token.owner_name), revoke(token)))
                .collect(),
            _ => Vec::new(),
        };
        changes.into_iter().map(|(name, change)| (name, Effect::ChangePeople(change))).collect()
    }

    /// Why nothing like this can be done with what is at hand.
    pub(super) fn people_do_not_fit(&self, action: Action) -> Option<String> {
        match action {
            Action::ChangePassword | Action::AddKey => self
                .who
                .as_ref()
                .is_some_and(|who| who.role.is_none())
                .then(|| "only who is signed in has a password and keys: `tomo login`".to_owned()),
            Action::Revoke => {
                self.revocation().is_none().then(|| "no login, no token and no key is selected".to_owned())
            }
            _ => match self.account_on_screen() {
                None => Some("no user is selected".to_owned()),
                Some((user, true)) => {
                    Some(format!("{} is the last admin: make another user an admin first", user.name))
                }
                Some(_) => None,
            },
        }
    }

    pub(super) fn change_people(&mut self, action: Action) {
        let layer = match action {
            Action::CreateToken => {
                let scopes = self.who.as_ref().map(|who| who.scopes.clone()).unwrap_or_default();
                Some(Layer::Token(Box::new(TokenForm::new(&scopes, self.server_names()))))
            }
            Action::AddKey => Some(Layer::Account(Box::new(AccountForm::key_over_ssh()))),
            Action::ChangePassword => Some(Layer::Account(Box::new(AccountForm::password()))),
            Action::CreateUser => Some(Layer::Account(Box::new(AccountForm::create()))),
            Action::Revoke => self.revocation().map(Layer::Confirm),
            _ => self.account_on_screen().map(|(user, _)| match action {
                Action::SetRole => Layer::Account(Box::new(AccountForm::role(user))),
                _ => Layer::Confirm(delete_account(user)),
            }),
        };
        self.layer = layer;
    }

    pub(super) fn took_people(&mut self, told: Result<People, ClientError>) {
        let people = match (told, &self.view) {
            (Ok(people), _) => people,
            (Err(error), View::Users(_) | View::Person(_) | View::Profile(_) | View::Tokens(_)) => {
                return self.refuse(Fetch::View, error);
            }
            (Err(error), _) => return self.failed(error),
        };
        let mut told = Ok(());
        match (&mut self.view, &self.who) {
            (View::Users(view), _) => view.take(&people),
            (View::Person(view), _) => told = view.take(people),
            (View::Profile(view), Some(who)) => view.take(people, who),
            (View::Tokens(view), _) => view.take(people),
            _ => return,
        }
        self.refused = told.err();
    }

    pub(super) fn changed_people(&mut self, told: Result<Changed, ClientError>) {
        match (told, &mut self.layer) {
            (Ok(Changed { says, back }), layer) => {
                if matches!(layer, Some(Layer::Account(_))) {
                    *layer = None;
                }
                self.undo = back.map(Undo::role);
                self.told_with_undo(says);
                self.fetch(Fetch::View);
            }
            (Err(ClientError::Api(error)), Some(Layer::Account(form))) => {
                let field = error.field.clone();
                form.sheet.refused(field.as_deref(), message(&ClientError::Api(error), &self.keys));
            }
            (Err(error), layer) => {
                layer.iter_mut().for_each(Layer::free);
                self.failed(error);
            }
        }
    }

    /// A new token is shown at once, whatever else is on screen: nobody can see it later.
    pub(super) fn made_token(&mut self, told: Result<CreatedToken, ClientError>) {
        match (told, &mut self.layer) {
            (Ok(made), layer) => {
                *layer = Some(Layer::ShownOnce(ShownOnce::token(made)));
                self.fetch(Fetch::View);
            }
            (Err(ClientError::Api(error)), Some(Layer::Token(form))) => {
                let field = error.field.clone();
                form.sheet.refused(field.as_deref(), message(&ClientError::Api(error), &self.keys));
            }
            (Err(error), layer) => {
                layer.iter_mut().for_each(Layer::free);
                self.failed(error);
            }
        }
    }
}

fn delete_account(user: &User) -> Confirm {
    let question =
        format!("Delete the account {}, with its logins and tokens. What it did stays in the audit.", user.name);
    let effect = Effect::ChangePeople(Change::Delete(DeleteUser { username: user.name.clone() }));
    Confirm::by_name("Delete the account", question, "Delete for good", &user.name, effect)
}

fn end(one: &SignedIn) -> Confirm {
    match one {
        SignedIn::Login(login, own) => end_login(login, *own),
        SignedIn::Token(token) => revoke_token(token),
        SignedIn::Key(key) => remove_key(key),
    }
}

fn remove_key(key: &SshKey) -> Confirm {
    let question = format!(
        "Remove the key {} ({}) of {}. A dashboard that it has opened over SSH ends at once.",
        key.name, key.fingerprint, key.user_name
    );
    let effect = Effect::ChangePeople(Change::RemoveKey(RemoveKey { key: key.id.to_string() }));
    Confirm::question("Remove the key", question, "Remove it", effect).of(&key.name)
}

fn end_login(login: &Session, own: bool) -> Confirm {
    let whose = match own {
        true => "It is the one of this dashboard, which then asks who you are.".to_owned(),
        false => format!("Whoever uses it has to sign in as {} again.", login.user_name),
    };
    let question = format!("End the login of {} from {}. {whose}", login.user_name, login.ip_address);
    let effect = Effect::ChangePeople(Change::EndLogin(AuthSessionEnd { session: login.id.to_string() }));
    Confirm::question("End the login", question, "End it", effect).of(&format!("of {}", login.user_name))
}

fn revoke_token(token: &ApiToken) -> Confirm {
    let question = format!(
        "Revoke {} of {}. Programs that have it are refused from then on; it cannot be given back.",
        token.name, token.owner_name
    );
    let effect = Effect::ChangePeople(Change::RevokeToken(AuthTokenRevoke { token: token.id.to_string() }));
    Confirm::question("Revoke the token", question, "Revoke it", effect).of(&token.name)
}
