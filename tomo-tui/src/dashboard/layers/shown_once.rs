//! A secret that is shown now and never again, with what to do with it.

use ratatui::{layout::Rect, text::Line};
use tomo_proto::api::person::{CreatedEnrolment, CreatedToken, SecretText};

use crate::dashboard::canvas::{Canvas, centered};
use crate::format::wrap;

/// The secret on screen.
#[derive(Debug)]
pub(crate) struct ShownOnce {
    title: String,
    before: String,
    secret: SecretText,
    after: String,
}

impl ShownOnce {
    pub(crate) fn enrolment(made: CreatedEnrolment) -> Self {
        Self {
            title: format!("Enroll the agent of {}", made.server),
            before: format!(
                "Run this on {} as root, and paste the token when it asks. It works once, until {}.\n\n  \
                 tomo-agent install --rights deploys\n\nThe token:",
                made.server,
                crate::cli::output::time(made.expires_at)
            ),
            secret: made.token,
            after: "It is not shown again. y copies it, Esc closes.".to_owned(),
        }
    }

    pub(crate) fn token(made: CreatedToken) -> Self {
        let token = made.token;
        let scopes: Vec<&str> = token.scopes.iter().map(|scope| scope.as_str()).collect();
        Self {
            title: format!("The API token {}", token.name),
            before: format!(
                "It may {} and sees {}, until {}. tomo and AI tools take it from the variable TOMO_TOKEN, other programs send it as \
                 a bearer token. The entry of an AI tool is printed by\n\n  tomo mcp config claude\n\nThe token:",
                scopes.join(", "),
                token.selectors.in_words(),
                crate::cli::output::time(token.expires_at)
            ),
            secret: made.secret,
            after: "It is not shown again. y copies it, Esc closes.".to_owned(),
        }
    }

    /// What `y` copies.
    pub(crate) fn copied(&self) -> String {
        self.secret.reveal().to_owned()
    }

    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let width = area.width.saturating_sub(2).min(90);
        let inner_width = usize::from(width.saturating_sub(4)).max(1);
        let theme = canvas.theme;
        let mut lines: Vec<Line<'static>> = Vec::new();
        for line in self.before.lines() {
            if line.starts_with("  ") {
                lines.push(Line::styled(line.to_owned(), theme.accent));
            } else {
                lines.extend(wrap(line, inner_width).into_iter().map(Line::from));
                if line.is_empty() {
                    lines.push(Line::default());
                }
            }
        }
        let characters: Vec<char> = self.secret.reveal().chars().collect();
        lines.extend(
            characters.chunks(inner_width).map(|row| Line::styled(row.iter().collect::<String>(), theme.title)),
        );
        lines.push(Line::default());
        lines.push(Line::styled(self.after.clone(), theme.dim));
        let frame = centered(area, width, u16::try_from(lines.len() + 2).unwrap_or(u16::MAX));
        let inner = canvas.dialogue(frame, &self.title);
        let inner = Rect { x: inner.x + inner.width.min(1), width: inner.width.saturating_sub(2), ..inner };
        canvas.lines(inner, &lines);
    }
}
