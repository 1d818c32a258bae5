//! Writes `proto/API.md` from the tool contracts and the `/auth` and `/person` requests.
//!
//! Knows JSON schemas and Markdown; what the API is, only the contracts know.

use std::{collections::BTreeMap, fmt::Write as _, path::PathBuf};

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value};
use tomo_proto::{
    api::{
        Effect, Tool,
        person::{Login, PersonRequest, Refresh},
        resource::RESOURCES,
        terminal::OpenTerminal,
    },
    error::ErrorCode,
    for_each_person_request, for_each_tool,
    model::user::{Role, Scope},
};

const HEAD: &str = "\
# API reference

<!-- Written by `cargo run -p tomo-examples --bin api-reference`; a test fails while it differs from the contracts. -->

Everything Tomo can do goes through one HTTP listener (TCP 8666, loopback by default) and the local socket, which serve the same
routes.

| route | is |
|---|---|
| `/mcp` | MCP, streamable HTTP: the core tools, for AI tools |
| `/mcp/readonly` | MCP: tools that read, whatever the token may do |
| `/mcp/full` | MCP: every tool the caller may use; the dashboard and the command line use it |
| `POST /auth/login`, `POST /auth/refresh` | a login, open to everybody |
| `POST /auth/logout`, `POST /person/…` | what no tool may carry: for people only, refused to API tokens |
| `GET /status` | the public status page: names and up or down; not there unless a title is set |
| `GET /metrics` | figures in Prometheus' text format, for loopback or a bearer |
| `GET /healthz` | `ok` while the daemon serves |

Callers send `Authorization: Bearer …` with a JWT from `/auth/login` or an API token (`tomo_…`); on the socket the kernel says who
they are. Both revisions of the protocol, 2026-07-28 and 2025-11-25, are spoken. Times are UTC milliseconds, sizes bytes, ratios
0 to 1. Request objects refuse unknown fields; answers may gain fields.

";

fn main() -> std::io::Result<()> {
    std::fs::write(path(), document())
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../proto/API.md")
}

/// The whole reference.
fn document() -> String {
    let mut types = SchemaSettings::draft2020_12().into_generator();
    let mut out = HEAD.to_owned();
    rights(&mut out, &mut types);
    errors(&mut out, &mut types);
    tools(&mut out, &mut types);
    resources(&mut out);
    requests(&mut out, &mut types);
    shared_types(&mut out, types);
    out
}

/// Appends text; writing to a `String` cannot fail.
macro_rules! put {
    ($out:expr, $($text:tt)*) => { _ = writeln!($out, $($text)*) };
}

fn rights(out: &mut String, types: &mut SchemaGenerator) {
    put!(out, "## Rights\n\n### Scope\n\n| scope | allows to | roles |\n|---|---|---|");
    let meanings = choices(&schema_of::<Scope>(types));
    for scope in Scope::ALL {
        let roles: Vec<_> =
            Role::ALL.into_iter().filter(|role| role.scopes().contains(&scope)).map(Role::as_str).collect();
        let meaning = meanings.get(scope.as_str()).map_or("", String::as_str);
        put!(out, "| `{}` | {} | {} |", scope.as_str(), lower_first(meaning), roles.join(", "));
    }
    put!(
        out,
        "\nAn API token has scopes of its own, never `admin`, never more than its owner's, and may be narrowed to servers and apps; what \
         it cannot see is `not_found` to it. No API token approves a plan, whatever its scopes.\n"
    );
}

fn errors(out: &mut String, types: &mut SchemaGenerator) {
    put!(
        out,
        "## Errors\n\nA refused tool call is a result with `isError` and three lines of text: `code: what happened`, `next: the exact call \
         or command`, `retryable: true or false`; the same stands in `_meta[\"dev.tomo/error\"]`. A refused HTTP request has the same object \
         as its body.\n"
    );
    let error = schema_of::<tomo_proto::error::ApiError>(types);
    fields(out, "", &error);
    put!(out, "### ErrorCode\n\n| code | means | HTTP | retryable |\n|---|---|---|---|");
    let meanings = choices(&schema_of::<ErrorCode>(types));
    for code in ErrorCode::ALL {
        let meaning = meanings.get(code.as_str()).map_or("", String::as_str);
        let retryable = if code.retryable() { "yes" } else { "no" };
        put!(out, "| `{}` | {meaning} | {} | {retryable} |", code.as_str(), code.http_status());
    }
    put!(out, "");
}

fn tools(out: &mut String, types: &mut SchemaGenerator) {
    put!(
        out,
        "## Tools\n\n*reads*: changes nothing. *acts at once*: can be turned back. *plans*: records a plan and changes nothing. *applies*: \
         carries an approved plan out. *person*: a person's act, refused to API tokens.\n"
    );
    let mut entries = BTreeMap::new();
    macro_rules! each {
        ($($tool:ty),* $(,)?) => {$(
            entries.insert(<$tool>::NAME, tool::<$tool>(types));
        )*};
    }
    for_each_tool!(each);
    put!(out, "| tool | does | scope | core |\n|---|---|---|---|");
    for (name, (row, _)) in &entries {
        put!(out, "| [`{name}`](#{name}) {row}");
    }
    put!(out, "");
    for (_, text) in entries.values() {
        out.push_str(text);
    }
}

/// A tool's row in the list, and its section.
fn tool<T: Tool>(types: &mut SchemaGenerator) -> (String, String) {
    let does = match T::EFFECT {
        Effect::Read => "reads",
        Effect::Operate { destructive: false } => "acts at once",
        Effect::Operate { destructive: true } => "acts at once, interrupts",
        Effect::Plan => "plans",
        Effect::Apply => "applies",
        Effect::Person => "person",
    };
    let row = format!("| {does} | `{}` | {} |", T::SCOPE.as_str(), if T::CORE { "yes" } else { "" });
    let mut out = String::new();
    put!(out, "### {}\n\n{}\n\n*{does}* · scope `{}`\n", T::NAME, T::DESCRIPTION, T::SCOPE.as_str());
    fields(&mut out, "Arguments", &schema_of::<T>(types));
    answer::<T::Answer>(&mut out, types);
    (row, out)
}

fn resources(out: &mut String) {
    put!(
        out,
        "## Resources\n\nRead with `resources/read`. *Watched* ones can be named in `subscriptions/listen` (2026-07-28) or \
         `resources/subscribe` (2025-11-25); a notice says that something changed, at most twice a second each, and never what.\n\n\
         | address | is | type | watched |\n|---|---|---|---|"
    );
    for kind in RESOURCES {
        let watched = if kind.watched { "yes" } else { "no" };
        put!(out, "| `{}` | {} | {} | {watched} |", kind.uri, lower_first(kind.title), kind.mime_type);
    }
    put!(
        out,
        "\nPrompts are listed by `prompts/list`; names in their arguments and in addresses are completed by `completion/complete`.\n"
    );
}

fn requests(out: &mut String, types: &mut SchemaGenerator) {
    put!(
        out,
        "## `/auth` and `/person`\n\nJSON in, JSON out. Bodies are never logged; secrets travel here and nowhere else.\n"
    );
    macro_rules! each {
        ($($request:ty),* $(,)?) => {$( request::<$request>(out, types); )*};
    }
    each!(Login, Refresh);
    for_each_person_request!(each);
    let schema = schema_of::<OpenTerminal>(types);
    put!(out, "### POST {}\n\n{}\n", OpenTerminal::PATH, described(&schema));
    fields(out, "First frame", &schema);
}

fn request<R: PersonRequest>(out: &mut String, types: &mut SchemaGenerator) {
    let schema = schema_of::<R>(types);
    put!(out, "### POST {}\n\n{}\n", R::PATH, described(&schema));
    fields(out, "Body", &schema);
    answer::<R::Answer>(out, types);
}

/// What comes back: a shared type by its name, anything else field by field.
fn answer<A: JsonSchema>(out: &mut String, types: &mut SchemaGenerator) {
    let schema = schema_of::<A>(types);
    let own = A::schema_name().ends_with("Answer")
        || A::schema_name().starts_with("Created")
        || A::schema_name() == "SecretNames";
    if A::schema_name() == "Done" {
        put!(out, "Answer: an empty object.\n");
    } else if own {
        fields(out, "Answer", &schema);
    } else {
        put!(out, "Answer: {}\n", reference(&A::schema_name()));
    }
}

/// Every type that something above names, and the types these name.
fn shared_types(out: &mut String, mut types: SchemaGenerator) {
    put!(out, "## Types\n");
    let all: BTreeMap<String, Value> = types.take_definitions(true).into_iter().collect();
    let mut shown: BTreeMap<&str, String> = BTreeMap::new();
    let mut wanted: Vec<&str> = mentioned(out, &all);
    while let Some(name) = wanted.pop() {
        let known = shown.contains_key(name) || out.contains(&format!("### {name}\n"));
        let Some(schema) = all.get(name).filter(|_| !known) else { continue };
        let text = shared_type(name, schema);
        wanted.extend(mentioned(&text, &all));
        shown.insert(name, text);
    }
    for text in shown.values() {
        out.push_str(text);
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
}

fn mentioned<'a>(text: &str, all: &'a BTreeMap<String, Value>) -> Vec<&'a str> {
    all.keys().map(String::as_str).filter(|name| text.contains(&reference(name))).collect()
}

fn shared_type(name: &str, schema: &Value) -> String {
    let mut out = String::new();
    put!(out, "### {name}\n\n{}\n", described(schema));
    let values = choices(schema);
    let variants =
        schema["oneOf"].as_array().filter(|variants| variants.iter().any(|one| one["properties"].is_object()));
    if let Some(variants) = variants {
        for variant in variants {
            let empty = Map::new();
            let properties = variant["properties"].as_object().unwrap_or(&empty);
            let tag = properties.iter().find_map(|(key, value)| Some((key, value["const"].as_str()?)));
            if let Some((key, value)) = tag {
                put!(out, "With `{key}` = `{value}`: {}\n", lower_first(&described(variant)));
            }
            fields(&mut out, "", variant);
        }
    } else if values.is_empty() {
        fields(&mut out, "", schema);
    } else {
        put!(out, "| value | means |\n|---|---|");
        // In the order of the declaration.
        for one in schema["oneOf"].as_array().into_iter().flatten() {
            for value in one["enum"].as_array().into_iter().flatten().chain(one.get("const")) {
                put!(out, "| `{}` | {} |", value.as_str().unwrap_or_default(), described(one));
            }
        }
        put!(out, "");
    }
    out
}

/// A table of an object's fields below its title. A tag with a fixed value is told elsewhere.
fn fields(out: &mut String, title: &str, schema: &Value) {
    let empty = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&empty);
    let plain: Vec<_> = properties.iter().filter(|(_, one)| one.get("const").is_none()).collect();
    if plain.is_empty() {
        if !title.is_empty() {
            put!(out, "{title}: none.\n");
        }
        return;
    }
    if !title.is_empty() {
        put!(out, "{title}\n");
    }
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    put!(out, "| field | type | |\n|---|---|---|");
    for (name, one) in plain {
        let mark = if required.contains(&name.as_str()) { "" } else { " *optional*" };
        put!(out, "| `{name}`{mark} | {} | {} |", type_of(one), described(one));
    }
    put!(out, "");
}

/// A field's type in a few words.
fn type_of(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return reference(name);
    }
    for choice in ["anyOf", "oneOf", "allOf"] {
        if let Some(one) = schema[choice].as_array().and_then(|list| list.iter().find(|one| one["type"] != "null")) {
            return type_of(one);
        }
    }
    let kind = match &schema["type"] {
        Value::Array(list) => list.iter().filter_map(Value::as_str).find(|kind| *kind != "null"),
        kind => kind.as_str(),
    };
    match kind {
        Some("array") => format!("list of {}", type_of(&schema["items"])),
        Some("object") if schema["additionalProperties"].is_object() => {
            format!("map of names to {}", type_of(&schema["additionalProperties"]))
        }
        Some(kind) => kind.to_owned(),
        None => "any".to_owned(),
    }
}

fn reference(name: &str) -> String {
    format!("[{name}](#{})", name.to_lowercase())
}

/// A schema's description on one line, safe inside a table.
fn described(schema: &Value) -> String {
    let text = schema["description"].as_str().unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

/// Values of an enumeration with what they mean.
fn choices(schema: &Value) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for one in schema["oneOf"].as_array().into_iter().flatten() {
        for value in one["enum"].as_array().into_iter().flatten().chain(one.get("const")) {
            if let Some(value) = value.as_str() {
                found.insert(value.to_owned(), described(one));
            }
        }
    }
    found
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// A type's own schema; the types it names become definitions of the generator.
fn schema_of<T: JsonSchema>(types: &mut SchemaGenerator) -> Value {
    let schema = types.subschema_for::<T>().to_value();
    let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) else { return schema };
    types.definitions().get(name).cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_reference_is_what_the_contracts_say() {
        let written = std::fs::read_to_string(path()).unwrap_or_default();
        assert!(written == document(), "run `cargo run -p tomo-examples --bin api-reference` and commit proto/API.md");
    }

    #[test]
    fn every_tool_and_type_is_explained() {
        let text = document();
        macro_rules! each {
            ($($tool:ty),* $(,)?) => {$(
                assert!(text.contains(&format!("### {}\n\n{}", <$tool>::NAME, <$tool>::DESCRIPTION)), "{}", <$tool>::NAME);
            )*};
        }
        for_each_tool!(each);
        for link in text.split("](#").skip(1).filter_map(|rest| rest.split(')').next()) {
            let heading =
                text.lines().filter_map(|line| line.strip_prefix("### ")).any(|name| name.to_lowercase() == link);
            assert!(heading, "a link leads nowhere: #{link}");
        }
        let unexplained: Vec<&str> =
            text.lines().filter(|line| line.starts_with("| `") && line.ends_with("|  |")).collect();
        assert!(unexplained.is_empty(), "without a doc comment:\n{}", unexplained.join("\n"));
    }
}
