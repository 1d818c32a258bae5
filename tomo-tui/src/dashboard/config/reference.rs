//! The reference of keys, and the schema of the file: both made of the one table.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::dashboard::{
    action::{Context, TABLE},
    theme::{Inks, ThemeName},
};

/// Every action with its name, its keys and what it does, as Markdown.
pub(crate) fn keys() -> String {
    let mut text = "# Keys\n\n\
        Made by `tomo config keys` of the table that the dashboard itself goes by. What is in the first column is what\n\
        `~/.config/tomo/tomo.toml` calls an action. In forms, questions, help and palette the keys are fixed.\n"
        .to_owned();
    for context in [Context::Global].into_iter().chain(Context::ALL) {
        let title =
            if context == Context::Global { "everywhere".to_owned() } else { format!("in `{}`", context.name()) };
        // Writing to a String cannot fail.
        _ = write!(text, "\n## {title}\n\n| action | keys | what it does |\n|---|---|---|\n");
        for entry in TABLE.iter().filter(|entry| entry.contexts.contains(&context)) {
            let keys: Vec<_> = entry
                .keys
                .iter()
                .map(|key| if *key == "`" { "`` ` ``".to_owned() } else { format!("`{key}`") })
                .collect();
            _ = writeln!(
                text,
                "| `{}` | {} | {} |",
                entry.action.name(),
                keys.join(" "),
                entry.help.replace('|', "\\|")
            );
        }
    }
    text
}

/// What a file may say, as a JSON schema for editors.
pub(crate) fn schema() -> Value {
    let keys = json!({"type": "array", "items": {"type": "string"}, "description": "keys, the one to show first; none takes them away"});
    let table = |fits: &dyn Fn(&[Context]) -> bool| {
        let entries = TABLE.iter().filter(|entry| fits(entry.contexts));
        let one = |what: &str| {
            let mut schema = keys.clone();
            schema["description"] = json!(what);
            schema
        };
        let actions: Map<String, Value> = entries.map(|entry| (entry.action.name(), one(entry.help))).collect();
        json!({"type": "object", "additionalProperties": false, "properties": actions})
    };
    let views: Map<String, Value> = Context::ALL
        .into_iter()
        .map(|context| {
            let fits = move |of: &[Context]| of.contains(&context) || of.contains(&Context::Global);
            (context.name(), table(&fits))
        })
        .collect();
    let names: Vec<_> = ThemeName::ALL.iter().map(|(_, name, _)| *name).collect();
    let color = json!({"type": "string", "description": "#rrggbb, default, or one of the terminal's own such as red or bright-black"});
    let mut roles: Map<String, Value> = Inks::ROLES.iter().map(|role| ((*role).to_owned(), color.clone())).collect();
    roles.insert("base".to_owned(), json!({"enum": names}));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "tomo.toml",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "theme": {"oneOf": [
                {"enum": names},
                {"type": "object", "additionalProperties": false, "properties": roles},
            ]},
            "keys": table(&|_| true),
            "keys-in": {"type": "object", "additionalProperties": false, "properties": views},
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_of_keys_is_what_the_table_says() {
        let written = include_str!("../../../KEYS.md");
        assert!(written == keys(), "run `tomo config keys > tomo-tui/KEYS.md` and commit it");
    }

    #[test]
    fn the_schema_knows_every_action_and_color() {
        let schema = schema();
        for entry in TABLE {
            assert_eq!(schema["properties"]["keys"]["properties"][entry.action.name()]["type"], "array");
        }
        let logs = &schema["properties"]["keys-in"]["properties"]["logs"]["properties"];
        assert!(logs["log-wrap"].is_object() && logs["down"].is_object() && logs["deny"].is_null());
        assert!(schema["properties"]["theme"]["oneOf"][1]["properties"]["series-6"].is_object());
    }
}
