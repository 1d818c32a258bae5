//! What lies over a view and has the keys: help, palette, questions, forms.

pub(crate) mod account;
pub(crate) mod choice;
pub(crate) mod compose;
pub(crate) mod confirm;
pub(crate) mod deploy;
pub(crate) mod help;
pub(crate) mod import;
pub(crate) mod jump;
pub(crate) mod make;
pub(crate) mod menu;
pub(crate) mod palette;
pub(crate) mod registry;
pub(crate) mod save;
pub(crate) mod server;
pub(crate) mod settings;
pub(crate) mod sheet;
pub(crate) mod shown_once;
pub(crate) mod text;
pub(crate) mod token;
pub(crate) mod unlock;

use ratatui::layout::Rect;

use crate::dashboard::{action::Action, canvas::Canvas, effect::Effect, widgets::form::Form};
use sheet::{Asks, Sheet};

/// One of them.
#[derive(Debug)]
pub(crate) enum Layer {
    Help(help::Help),
    Palette(palette::Palette),
    Menu(menu::Menu),
    Choice(choice::Choice),
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
    Jump(Box<jump::JumpForm>),
    ShownOnce(shown_once::ShownOnce),
    Text(text::TextLayer),
}

impl Layer {
    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        match self {
            Self::Help(help) => help.draw(canvas, area),
            Self::Palette(palette) => palette.draw(canvas, area),
            Self::Menu(menu) => menu.draw(canvas, area),
            Self::Choice(choice) => choice.draw(canvas, area),
            Self::Confirm(confirm) => confirm.draw(canvas, area),
            Self::Deploy(deploy) => deploy.draw(canvas, area),
            Self::Compose(compose) => compose.draw(canvas, area),
            Self::Server(server) => server.draw(canvas, area),
            Self::Import(import) => import.draw(canvas, area),
            Self::ShownOnce(shown) => shown.draw(canvas, area),
            Self::Text(text) => text.draw(canvas, area),
            other => other.sheet().into_iter().for_each(|sheet| sheet.draw(canvas, area)),
        }
    }

    /// Which keys work, or what is waited for: for the line below.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::Help(_) => "Enter does it   Up and Down choose   Esc closes",
            Self::Palette(_) => "Enter goes there or does it   Up and Down choose   Esc closes",
            Self::Menu(_) => "Enter does it   Up and Down choose   Esc closes",
            Self::Choice(choice) => choice.hint(),
            Self::Confirm(_) => "Enter chooses   Tab goes on   Esc closes",
            Self::Deploy(deploy) => deploy.hint(),
            Self::Compose(compose) => compose.hint(),
            Self::Server(server) => server.hint(),
            Self::Import(_) => "Ctrl-S goes on   Space takes one or not   a all   Tab next field   Esc leaves",
            Self::Text(_) => "Up and Down scroll   Esc closes",
            Self::ShownOnce(_) => "y copies it   Esc closes",
            other => other.sheet().map_or("", Sheet::hint),
        }
    }

    /// Whether something was typed that leaving would lose.
    pub(crate) fn is_dirty(&self) -> bool {
        match self {
            Self::Deploy(deploy) => deploy.form.is_dirty(),
            Self::Compose(compose) => compose.form.is_dirty(),
            Self::Server(server) => server.form.is_dirty(),
            Self::Unlock(_) | Self::Make(_) | Self::Save(_) | Self::Jump(_) => false,
            other => other.sheet().is_some_and(|sheet| sheet.form.is_dirty()),
        }
    }

    /// The sheet of a form that asks for one thing.
    fn sheet(&self) -> Option<&Sheet> {
        Some(match self {
            Self::Unlock(form) => &form.sheet,
            Self::Make(form) => &form.sheet,
            Self::Registry(form) => &form.sheet,
            Self::Account(form) => &form.sheet,
            Self::Token(form) => &form.sheet,
            Self::Settings(form) => &form.sheet,
            Self::Save(form) => &form.sheet,
            Self::Jump(form) => &form.sheet,
            _ => return None,
        })
    }

    /// A form that asks for one thing, which can be done as it is.
    pub(crate) fn asks(&mut self) -> Option<&mut dyn Asks<Wanted = Effect>> {
        Some(match self {
            Self::Unlock(form) => form.as_mut(),
            Self::Make(form) => form.as_mut(),
            Self::Registry(form) => form.as_mut(),
            Self::Account(form) => form.as_mut(),
            Self::Token(form) => form.as_mut(),
            Self::Settings(form) => form.as_mut(),
            _ => return None,
        })
    }

    fn sheet_mut(&mut self) -> Option<&mut Sheet> {
        match self {
            Self::Save(form) => Some(&mut form.sheet),
            Self::Jump(form) => Some(&mut form.sheet),
            other => other.asks().map(Asks::sheet),
        }
    }

    /// Its form, if it is one.
    pub(crate) fn form(&mut self) -> Option<&mut Form> {
        match self {
            Self::Deploy(deploy) => Some(&mut deploy.form),
            Self::Compose(compose) => Some(&mut compose.form),
            Self::Server(server) => Some(&mut server.form),
            Self::Import(import) => Some(&mut import.form),
            other => other.sheet_mut().map(|sheet| &mut sheet.form),
        }
    }

    /// Takes keys again, if it is a form whose answer is not waited for any more.
    pub(crate) fn free(&mut self) {
        match self {
            Self::Deploy(deploy) => deploy.busy = false,
            Self::Compose(compose) => compose.free(),
            Self::Server(server) => server.free(),
            other => other.sheet_mut().into_iter().for_each(Sheet::free),
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
            Self::Menu(menu) => menu.scroll(action),
            Self::Choice(choice) => choice.scroll(action),
            Self::Confirm(confirm) => confirm.scroll(action),
            Self::Text(text) => text.scroll(action),
            _ => {}
        }
    }
}
