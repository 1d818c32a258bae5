//! The catalog's rules: reading a template, checking it, and making an app's configuration of it and of answers.
//!
//! Text in, values out: where files lie, and where secrets are kept, others know.

mod answer;
mod lint;
mod place;
mod render;

use std::fmt;

pub use lint::lint;

use crate::{model::catalog::Template, text::display_line};

/// Largest file of a template.
pub const FILE_BYTES: usize = 64 * 1024;

/// Something that is wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Line, from 1.
    pub line: usize,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.line, self.message)
    }
}

/// Reads a template's file; it may still have findings.
///
/// # Errors
/// It is no TOML, has an unknown field, lacks one, or one is of another type: with the line.
pub fn parse(text: &str) -> Result<Template, Finding> {
    if text.len() > FILE_BYTES {
        return Err(Finding { line: 1, message: format!("a template has at most {FILE_BYTES} bytes") });
    }
    toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| place::line_at(text, span.start));
        Finding { line, message: display_line(error.message(), 400) }
    })
}
