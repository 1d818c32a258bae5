//! A line that is a JSON object, in the order in which people read: level, time and message first, then the rest.

use serde_json::{Map, Value};
use tomo_proto::text::display_line;

const LEVEL: [&str; 5] = ["level", "lvl", "severity", "log.level", "levelname"];
const TIME: [&str; 5] = ["time", "ts", "timestamp", "@timestamp", "asctime"];
const MESSAGE: [&str; 4] = ["msg", "message", "event", "short_message"];
/// Numbers that loggers write for a level.
const NUMBERED: [(u64, &str); 6] =
    [(10, "trace"), (20, "debug"), (30, "info"), (40, "warn"), (50, "error"), (60, "fatal")];
/// Characters of one row; a line has no more anyway.
const ROW_CHARS: usize = 16 << 10;

/// What such a line says. Everything is safe to show.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Said {
    /// Level, time and message; a message may have several rows.
    head: Vec<String>,
    /// The other fields, each as `key=value`.
    fields: Vec<String>,
}

impl Said {
    /// Reads a line; nothing if it is no JSON object with something in it.
    pub(super) fn of(line: &str) -> Option<Self> {
        let line = line.trim();
        if !(line.starts_with('{') && line.ends_with('}')) {
            return None;
        }
        let mut object: Map<String, Value> =
            serde_json::from_str(line).ok().filter(|object: &Map<_, _>| !object.is_empty())?;
        let mut take = |keys: &[&str]| {
            let key = keys.iter().find(|key| matches!(object.get(**key), Some(Value::String(_) | Value::Number(_))))?;
            object.remove(*key)
        };
        let (level, time, message) = (take(&LEVEL), take(&TIME), take(&MESSAGE));
        let level = level.map(|level| {
            let name = level.as_u64().and_then(|level| NUMBERED.iter().find(|(number, _)| *number == level));
            name.map_or_else(|| plain(&level), |(_, name)| (*name).to_owned())
        });
        let head: Vec<String> =
            [level, time.as_ref().map(plain), message.as_ref().map(plain)].into_iter().flatten().collect();
        // A stack trace is a message of several rows.
        let head = head.join(" ").lines().map(|row| display_line(row, ROW_CHARS)).collect();
        let fields = object.iter().map(|(key, value)| display_line(&format!("{key}={}", quoted(value)), ROW_CHARS));
        Some(Self { head, fields: fields.collect() })
    }

    /// All of it in one row.
    pub(super) fn in_one_row(self) -> String {
        self.head.into_iter().chain(self.fields).collect::<Vec<_>>().join(" ")
    }

    /// Each field in a row of its own, below the head.
    pub(super) fn in_rows(self) -> Vec<String> {
        let mut fields = self.fields.into_iter();
        let head = if self.head.is_empty() { fields.next().into_iter().collect() } else { self.head };
        head.into_iter().chain(fields.map(|field| format!("  {field}"))).collect()
    }
}

/// A text as it is; everything else as JSON.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The same, with quotes where it would not be seen where a text ends.
fn quoted(value: &Value) -> String {
    match value.as_str() {
        Some(text) if !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '"') => {
            text.to_owned()
        }
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_row(line: &str) -> Option<String> {
        Said::of(line).map(Said::in_one_row)
    }

    #[test]
    fn level_time_and_message_stand_first_then_the_rest() {
        for (line, expected) in [
            (r#"{"a":1,"msg":"hello there","level":"info","time":"12:00"}"#, "info 12:00 hello there a=1"),
            (r#"{"level":50,"time":1700000000000,"msg":"died","pid":7}"#, "error 1700000000000 died pid=7"),
            (r#" {"severity":"WARNING","message":"m","@timestamp":"t"} "#, "WARNING t m"),
            (
                r#"{"path":"/a b","ok":true,"none":null,"in":{"x":[1,2]},"empty":""}"#,
                r#"empty="" in={"x":[1,2]} none=null ok=true path="/a b""#,
            ),
            (r#"{"level":{"deep":1},"msg":"m"}"#, r#"m level={"deep":1}"#),
            (r#"{"msg":"ä 日本","level":35}"#, "35 ä 日本"),
        ] {
            assert_eq!(one_row(line).as_deref(), Some(expected), "{line}");
        }
        for line in ["", "{}", "{", "plain {\"a\":1}", "[1]", "{\"a\":1} tail", "\"text\"", "{a:1}", "{\"a\":}"] {
            assert_eq!(one_row(line), None, "{line}");
        }
    }

    #[test]
    fn fields_get_rows_of_their_own_and_a_stack_trace_keeps_its() {
        let rows = |line| Said::of(line).map(Said::in_rows).unwrap_or_default();
        assert_eq!(
            rows(r#"{"level":"error","msg":"died\n  at main\n  at start","id":1,"b":"x y"}"#),
            ["error died", "  at main", "  at start", "  b=\"x y\"", "  id=1"]
        );
        assert_eq!(rows(r#"{"b":2,"a":1}"#), ["a=1", "  b=2"]);
    }

    #[test]
    fn what_json_hides_from_the_first_look_is_made_safe_too() {
        let line = r#"{"msg":"\u001b[2Jgone\u202e","k\u001b]0;x\u0007ey":"a\u001b[31mb","c":"\u009b2J"}"#;
        let said = Said::of(line).expect("is an object");
        for row in said.in_rows() {
            assert!(row.chars().all(|c| !c.is_control() && c != '\u{202e}'), "{row:?}");
        }
    }

    #[test]
    fn depth_and_length_harm_nobody() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(8_000), "]".repeat(8_000));
        assert_eq!(one_row(&deep), None, "deeper than anybody reads");
        let long = format!("{{\"msg\":\"{}\"}}", "x".repeat(16_000));
        assert_eq!(one_row(&long).map(|row| row.len()), Some(16_000));
    }
}
