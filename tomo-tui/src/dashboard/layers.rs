//! What lies over a view and has the keys: help, palette, questions, forms.

pub(crate) mod account;
pub(crate) mod compose;
pub(crate) mod confirm;
pub(crate) mod deploy;
pub(crate) mod help;
pub(crate) mod import;
pub(crate) mod make;
pub(crate) mod palette;
pub(crate) mod registry;
pub(crate) mod save;
pub(crate) mod server;
pub(crate) mod settings;
pub(crate) mod shown_once;
pub(crate) mod token;
pub(crate) mod unlock;

use ratatui::layout::Rect;

use crate::dashboard::{action::Action, canvas::Canvas, widgets::form::Form};

/// One of them.
#[derive(Debug)]
pub(crate) enum Layer {
    Help(help::Help),
    Palette(palette::Palette),
    Confirm(confirm::Confirm),
    Deploy(Box<deploy::DeployForm>),
    Compose(Box<compose::ComposeForm>),
    Server(Box<server::ServerForm>),
    Import(Box<import::ImportForm>),
    Unlock(Box<unlock::UnlockForm>),
    Make(Box<make::MakeForm>),
    Registry(Box<registry::RegistryForm>),
    Account(Box<account::AccountForm>),
    Token(Box<token::TokenForm>),
    Settings(Box<settings::SettingsForm>),
    Save(Box<save::SaveForm>),
    ShownOnce(shown_once::ShownOnce),
}

impl Layer {
    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        match self {
            Self::Help(help) => help.draw(canvas, area),
            Self::Palette(palette) => palette.draw(canvas, area),
            Self::Confirm(confirm) => confirm.draw(canvas, area),
            Self::Deploy(deploy) => deploy.draw(canvas, area),
            Self::Compose(compose) => compose.draw(canvas, area),
            Self::Server(server) => server.draw(canvas, area),
            Self::Import(import) => import.draw(canvas, area),
            Self::Unlock(unlock) => unlock.draw(canvas, area),
            Self::Make(make) => make.draw(canvas, area),
            Self::Registry(registry) => registry.draw(canvas, area),
            Self::Account(account) => account.draw(canvas, area),
            Self::Token(token) => token.draw(canvas, area),
            Self::Settings(settings) => settings.draw(canvas, area),
            Self::Save(save) => save.draw(canvas, area),
            Self::ShownOnce(shown) => shown.draw(canvas, area),
        }
    }

    /// Which keys work, or what is waited for: for the line below.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::Help(_) => "Enter does it   Up and Down choose   Esc closes",
            Self::Palette(_) => "Enter goes there or does it   Up and Down choose   Esc closes",
            Self::Confirm(_) => "Enter chooses   Tab goes on   Esc closes",
            Self::Deploy(deploy) => deploy.hint(),
            Self::Compose(compose) => compose.hint(),
            Self::Server(server) => server.hint(),
            Self::Import(_) => "Ctrl-S goes on   Space takes one or not   a all   Tab next field   Esc leaves",
            Self::Unlock(unlock) => unlock.hint(),
            Self::Make(make) => make.hint(),
            Self::Registry(registry) => registry.hint(),
            Self::Account(account) => account.hint(),
            Self::Token(token) => token.hint(),
            Self::Settings(settings) => settings.hint(),
            Self::Save(save) => save.hint(),
            Self::ShownOnce(_) => "y copies it   Esc closes",
        }
    }

    /// Whether something was typed that leaving would lose.
    pub(crate) fn is_dirty(&self) -> bool {
        match self {
            Self::Deploy(deploy) => deploy.form.is_dirty(),
            Self::Compose(compose) => compose.form.is_dirty(),
            Self::Registry(registry) => registry.form.is_dirty(),
            Self::Server(server) => server.form.is_dirty(),
            Self::Account(account) => account.form.is_dirty(),
            Self::Token(token) => token.form.is_dirty(),
            Self::Settings(settings) => settings.form.is_dirty(),
            _ => false,
        }
    }

    /// Its form, if it is one.
    pub(crate) fn form(&mut self) -> Option<&mut Form> {
        match self {
            Self::Deploy(deploy) => Some(&mut deploy.form),
            Self::Compose(compose) => Some(&mut compose.form),
            Self::Server(server) => Some(&mut server.form),
            Self::Import(import) => Some(&mut import.form),
            Self::Unlock(unlock) => Some(&mut unlock.form),
            Self::Make(make) => Some(&mut make.form),
            Self::Registry(registry) => Some(&mut registry.form),
            Self::Account(account) => Some(&mut account.form),
            Self::Token(token) => Some(&mut token.form),
            Self::Settings(settings) => Some(&mut settings.form),
            Self::Save(save) => Some(&mut save.form),
            _ => None,
        }
    }

    /// Takes keys again, if it is a form whose answer is not waited for any more.
    pub(crate) fn free(&mut self) {
        match self {
            Self::Deploy(deploy) => deploy.busy = false,
            Self::Compose(compose) => compose.free(),
            Self::Server(server) => server.free(),
            Self::Unlock(unlock) => unlock.free(),
            Self::Make(make) => make.free(),
            Self::Registry(registry) => registry.free(),
            Self::Account(account) => account.free(),
            Self::Token(token) => token.free(),
            Self::Settings(settings) => settings.free(),
            Self::Save(save) => save.free(),
            _ => {}
        }
    }

    /// Takes pasted text in.
    ///
    /// # Errors
    /// Says why it is not taken.
    pub(crate) fn paste(&mut self, text: &str) -> Result<(), String> {
        match self {
            Self::Palette(palette) => palette.paste(text),
            Self::Confirm(confirm) => return confirm.paste(),
            other => {
                if let Some(form) = other.form() {
                    form.paste(text);
                }
            }
        }
        Ok(())
    }

    pub(crate) fn scroll(&mut self, action: Action) {
        match self {
            Self::Help(help) => help.scroll(action),
            Self::Palette(palette) => palette.scroll(action),
            Self::Confirm(confirm) => confirm.scroll(action),
            Self::Deploy(_)
            | Self::Compose(_)
            | Self::Server(_)
            | Self::Import(_)
            | Self::Unlock(_)
            | Self::Make(_)
            | Self::Registry(_)
            | Self::Account(_)
            | Self::Token(_)
            | Self::Settings(_)
            | Self::Save(_)
            | Self::ShownOnce(_) => {}
        }
    }
}
