//! A YAML file with the line of everything in it. The one place that knows the parser.

use std::fmt;

use crate::text::display_line;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use super::Finding;

/// Most values of a file, those that aliases stand for counted each time.
const NODES: usize = 20_000;

#[derive(Debug)]
pub(super) enum Node {
    Nothing,
    Bool(bool),
    /// Text, or a number as it is written out.
    Text(String),
    List(Vec<Item>),
    Map(Vec<Entry>),
}

#[derive(Debug)]
pub(super) struct Item {
    pub(super) line: u64,
    pub(super) node: Node,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) line: u64,
    pub(super) value: Item,
}

impl Item {
    /// Whether it says what holds anyway.
    pub(super) fn says_nothing(&self) -> bool {
        match &self.node {
            Node::Nothing | Node::Bool(false) => true,
            Node::Bool(true) => false,
            Node::Text(text) => text.is_empty(),
            Node::List(items) => items.is_empty(),
            Node::Map(entries) => entries.is_empty(),
        }
    }

    /// Its text, if it is a scalar.
    pub(super) fn text(&self) -> Option<String> {
        match &self.node {
            Node::Text(text) => Some(text.clone()),
            Node::Bool(is) => Some(is.to_string()),
            _ => None,
        }
    }

    /// The texts of a list, or the one that stands instead of a list.
    pub(super) fn texts(&self) -> Option<Vec<(u64, String)>> {
        match &self.node {
            Node::List(items) => items.iter().map(|item| Some((item.line, item.text()?))).collect(),
            _ => Some(vec![(self.line, self.text()?)]),
        }
    }
}

/// Reads a file.
///
/// # Errors
/// It is no YAML, or no mapping, or far larger than such files are.
pub(super) fn parse(text: &str) -> Result<Vec<Entry>, Finding> {
    let options = serde_saphyr::options! {
        strict_booleans: true,
        with_snippet: false,
        budget: serde_saphyr::budget! { max_nodes: NODES },
    };
    let read = serde_saphyr::from_str_with_options::<Spanned<Node>>(text, options);
    let item = read.map(item).map_err(|error| {
        let line = error.location().map_or(1, |place| place.line());
        let text = error.to_string();
        let message = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        Finding::new(line, "YAML", display_line(message, 200))
    })?;
    match item.node {
        Node::Map(entries) => Ok(entries),
        _ => Err(Finding::new(1, "services", "is missing: this is no compose file")),
    }
}

fn item(spanned: Spanned<Node>) -> Item {
    Item { line: spanned.referenced.line(), node: spanned.value }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Node;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Nothing)
    }

    fn visit_bool<E>(self, is: bool) -> Result<Node, E> {
        Ok(Node::Bool(is))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Node, E> {
        Ok(Node::Text(number.to_string()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Node, E> {
        Ok(Node::Text(number.to_string()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Node, E> {
        Ok(Node::Text(number.to_string()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(one) = from.next_element::<Spanned<Node>>()? {
            items.push(item(one));
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, value)) = from.next_entry::<Spanned<String>, Spanned<Node>>()? {
            // A key is shown in messages.
            entries.push(Entry { line: key.referenced.line(), key: display_line(&key.value, 120), value: item(value) });
        }
        Ok(Node::Map(entries))
    }
}
