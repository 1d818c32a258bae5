//! What lies over a view and has the keys: help, palette, questions, forms.

pub(crate) mod confirm;
pub(crate) mod deploy;
pub(crate) mod enroll;
pub(crate) mod help;
pub(crate) mod palette;
pub(crate) mod shown_once;

use ratatui::layout::Rect;

use crate::dashboard::{action::Action, canvas::Canvas};

/// One of them.
#[derive(Debug)]
pub(crate) enum Layer {
    Help(help::Help),
    Palette(palette::Palette),
    Confirm(confirm::Confirm),
    Deploy(Box<deploy::DeployForm>),
    Enroll(enroll::EnrollForm),
    ShownOnce(shown_once::ShownOnce),
}

impl Layer {
    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        match self {
            Self::Help(help) => help.draw(canvas, area),
            Self::Palette(palette) => palette.draw(canvas, area),
            Self::Confirm(confirm) => confirm.draw(canvas, area),
            Self::Deploy(deploy) => deploy.draw(canvas, area),
            Self::Enroll(enroll) => enroll.draw(canvas, area),
            Self::ShownOnce(shown) => shown.draw(canvas, area),
        }
    }

    /// Whether something was typed that leaving would lose.
    pub(crate) fn is_dirty(&self) -> bool {
        match self {
            Self::Deploy(deploy) => deploy.form.is_dirty(),
            Self::Enroll(enroll) => enroll.form.is_dirty(),
            _ => false,
        }
    }

    /// Takes pasted text in.
    ///
    /// # Errors
    /// Says why it is not taken.
    pub(crate) fn paste(&mut self, text: &str) -> Result<(), String> {
        match self {
            Self::Deploy(deploy) => deploy.form.paste(text),
            Self::Enroll(enroll) => enroll.form.paste(text),
            Self::Palette(palette) => palette.paste(text),
            Self::Confirm(confirm) => return confirm.paste(),
            Self::Help(_) | Self::ShownOnce(_) => {}
        }
        Ok(())
    }

    pub(crate) fn scroll(&mut self, action: Action) {
        match self {
            Self::Help(help) => help.scroll(action),
            Self::Palette(palette) => palette.scroll(action),
            Self::Confirm(confirm) => confirm.scroll(action),
            Self::Deploy(_) | Self::Enroll(_) | Self::ShownOnce(_) => {}
        }
    }
}
