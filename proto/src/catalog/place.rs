//! Where in a file something stands.

use toml::de::{DeTable, DeValue};

/// The line (from 1) of a byte.
pub(super) fn line_at(text: &str, at: usize) -> usize {
    let before = text.as_bytes().get(..at.min(text.len())).unwrap_or_default();
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}

/// The line of what a path like `questions[2].default` leads to, or of the nearest thing around it that there is.
pub(super) fn line_of(text: &str, path: &str) -> usize {
    let Ok(root) = DeTable::parse(text) else { return 1 };
    let mut line = 1;
    let mut table = Some(root.get_ref());
    let mut array = None;
    for part in path.split(['.', '[']).map(|part| part.trim_end_matches(']')) {
        let found = match (table, array.take()) {
            (_, Some(items)) => {
                let items: &toml::de::DeArray<'_> = items;
                part.parse().ok().and_then(|place: usize| items.get(place)).map(|value| (value.span(), value.get_ref()))
            }
            (Some(fields), None) => {
                fields.iter().find(|(key, _)| key.get_ref() == part).map(|(key, value)| (key.span(), value.get_ref()))
            }
            (None, None) => None,
        };
        let Some((span, value)) = found else { break };
        // An array of tables begins where its first table does.
        line = line_at(text, span.start);
        (table, array) = match value {
            DeValue::Table(fields) => (Some(fields), None),
            DeValue::Array(items) => (None, Some(items)),
            _ => (None, None),
        };
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_lines() {
        let text = "id = 'a'\n\n[env]\nA = '1'\nB = '2'\n\n[[questions]]\nname = 'x'\n\n[[questions]]\nname = 'y'\nlabel = 'l'\n";
        for (path, line) in [
            ("id", 1),
            ("env.B", 5),
            ("questions[0].name", 8),
            ("questions[1].label", 12),
            ("questions[1].none", 10),
            ("none", 1),
        ] {
            assert_eq!(line_of(text, path), line, "{path}");
        }
        assert_eq!(line_of("no toml", "id"), 1);
    }
}
