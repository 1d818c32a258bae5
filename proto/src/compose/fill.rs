//! What stands for something else in a compose file: `${NAME}` and its forms, and the lines of an environment file.

use std::collections::BTreeMap;

use super::node::{Item, Node};

/// Puts values in for `$NAME` and `${NAME}` everywhere below an item. What cannot be filled is told with its line.
pub(super) fn fill_all(item: &mut Item, values: &BTreeMap<String, String>, failed: &mut impl FnMut(u64, String)) {
    match &mut item.node {
        Node::Text(text) => match fill(text, values) {
            Ok(filled) => *text = filled,
            Err(message) => failed(item.line, message),
        },
        Node::List(items) => items.iter_mut().for_each(|one| fill_all(one, values, failed)),
        Node::Map(entries) => entries.iter_mut().for_each(|one| fill_all(&mut one.value, values, failed)),
        Node::Nothing | Node::Bool(_) => {}
    }
}

/// Puts values in for `$NAME`, `${NAME}`, `${NAME:-else}`, `${NAME:+then}` and `${NAME:?why}`; `$$` is a dollar sign.
pub(super) fn fill(text: &str, values: &BTreeMap<String, String>) -> Result<String, String> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        filled.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            filled.push('$');
            rest = after;
        } else if let Some(after) = after.strip_prefix('{') {
            let (inside, after) = after.split_once('}').ok_or("a ${ is not closed with }")?;
            filled.push_str(&value_of(inside, values)?);
            rest = after;
        } else {
            let (name, after) = after.split_at(name_bytes(after));
            if name.is_empty() {
                return Err("a $ that stands for itself is written $$".to_owned());
            }
            filled.push_str(values.get(name).ok_or_else(|| no_value(name, ""))?);
            rest = after;
        }
    }
    filled.push_str(rest);
    Ok(filled)
}

fn name_bytes(text: &str) -> usize {
    let word = |one: char| one.is_ascii_alphanumeric() || one == '_';
    let begins = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    if begins { text.find(|one| !word(one)).unwrap_or(text.len()) } else { 0 }
}

fn no_value(name: &str, why: &str) -> String {
    format!("${{{name}}} has no value{why}: write it into .env beside the file, or give --set {name}=VALUE")
}

fn value_of(inside: &str, values: &BTreeMap<String, String>) -> Result<String, String> {
    let (name, how) = inside.split_at(name_bytes(inside));
    if name.is_empty() || how.contains("${") {
        return Err(format!("${{{inside}}} is more than a name with a default: write the value"));
    }
    let known = values.get(name);
    let (known, how) = match how.strip_prefix(':') {
        // With the colon an empty value is none.
        Some(how) => (known.filter(|value| !value.is_empty()), how),
        None => (known, how),
    };
    match (how.chars().next(), known) {
        (None, Some(value)) if inside == name => Ok(value.clone()),
        (None, None) if inside == name => Err(no_value(name, "")),
        (Some('-'), None) | (Some('+'), Some(_)) => Ok(how[1..].to_owned()),
        (Some('-' | '?'), Some(value)) => Ok(value.clone()),
        (Some('+'), None) => Ok(String::new()),
        (Some('?'), None) => Err(no_value(name, &format!(" ({})", &how[1..]))),
        _ => Err(format!("${{{inside}}} is more than a name with a default: write the value")),
    }
}

/// The pairs of an environment file: `KEY=VALUE` lines, `#` before a comment, quotes around a value where wanted.
///
/// # Errors
/// The first line that is none of that, by number.
pub fn env_file(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut pairs = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        let line = line.strip_prefix("export ").unwrap_or(line);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, value) = line.split_once('=').ok_or_else(|| format!("line {} is not KEY=VALUE", at + 1))?;
        let value = value.trim();
        let quoted = |quote: char| value.strip_prefix(quote).and_then(|rest| rest.split_once(quote));
        let value = match quoted('"').or_else(|| quoted('\'')) {
            Some((inside, _)) => inside,
            None => value.split_once(" #").map_or(value, |(value, _)| value.trim_end()),
        };
        pairs.push((key.trim().to_owned(), value.to_owned()));
    }
    Ok(pairs)
}
