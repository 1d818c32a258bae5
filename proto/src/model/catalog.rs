//! Templates of the catalog: what an app needs to run, with questions where people differ.
//!
//! A template says what an [`AppSpec`](crate::model::app::AppSpec) can say, and no more: no privileges, no devices, no network of
//! the host. How one is read, checked and filled in stands in [`crate::catalog`].

use std::{collections::BTreeMap, fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::model::app::{HealthCheck, Protocol, RestartPolicy};

/// One app of the catalog, as its file says it. Unknown fields are refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// Short name, unique in a catalog, e.g. uptime-kuma.
    pub id: String,
    /// Name as people write it.
    pub name: String,
    /// One line: what it is for.
    pub summary: String,
    /// A paragraph: what it does, what to know before.
    pub description: String,
    /// Version of the app.
    pub version: String,
    /// Version of this template; grows with each change of it.
    pub template_version: u32,
    /// What kind of app it is.
    pub category: String,
    /// More words to find it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Its page.
    pub homepage: String,
    /// SPDX name of its license.
    pub license: String,
    /// Image with a pinned tag.
    pub image: String,
    /// Command instead of the image's; may hold placeholders.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Memory that it needs, in MiB.
    pub memory_min_mib: u64,
    /// Memory that it may have at most, in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_limit_mib: Option<u64>,
    /// Disk that image and first data need, in MiB.
    pub disk_min_mib: u64,
    /// When the engine restarts it.
    #[serde(default)]
    pub restart: RestartPolicy,
    /// What is said after the first deploy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post_install: Option<String>,
    /// A login that everybody knows and that has to be changed at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_login: Option<String>,
    /// Environment; values may hold placeholders. A variable whose question has no answer is left out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// How to tell that it works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthCheck>,
    /// What is asked before it is deployed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub questions: Vec<Question>,
    /// Ports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<TemplatePort>,
    /// Volumes and folders of the host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<TemplateVolume>,
}

/// A published port. One whose question has no answer is not published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TemplatePort {
    /// Port inside.
    pub container: u16,
    /// Port on the host: a number or a placeholder.
    #[serde(deserialize_with = "scalar")]
    pub host: String,
    /// tcp or udp.
    #[serde(default)]
    pub protocol: Protocol,
    /// Bind to loopback only.
    #[serde(default)]
    pub loopback: bool,
    /// What it is for.
    pub description: String,
    /// Whether a browser opens it.
    #[serde(default)]
    pub web_ui: bool,
}

/// A mount. One whose question has no answer is left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TemplateVolume {
    /// Volume name or absolute host path; may hold placeholders.
    pub source: String,
    /// Absolute path inside.
    pub target: String,
    /// Mount read-only.
    #[serde(default)]
    pub read_only: bool,
    /// What lies there.
    pub description: String,
    /// Whether it holds what a backup has to have.
    #[serde(default)]
    pub backup: bool,
}

/// Something that is asked before a deploy. `{{name}}` stands for its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// Name: a-z, 0-9 and _.
    pub name: String,
    /// What a form shows.
    pub label: String,
    /// What the answer does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What an answer looks like.
    #[serde(rename = "type", default)]
    pub kind: AnswerKind,
    /// Answer if none is given.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "maybe_scalar")]
    pub default: Option<String>,
    /// Whether it has to be answered.
    #[serde(default)]
    pub required: bool,
    /// Regular expression that the whole answer fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// The only answers there are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// Whether the answer is a secret: then it is secret://NAME, and its value lies sealed.
    #[serde(default)]
    pub secret: bool,
    /// How a secret is made if none is given: password:N, hex:N, base64:N or uuid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generate: Option<Generate>,
}

/// What an answer looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AnswerKind {
    /// One line of text.
    #[default]
    String,
    /// A whole number.
    Int,
    /// true or false.
    Bool,
    /// One of the choices.
    Enum,
    /// http:// or https:// and a host.
    Url,
    /// A mail address.
    Email,
    /// Area/City, or UTC.
    Timezone,
    /// 1 to 65535.
    Port,
    /// An absolute path on the host.
    Path,
}

impl AnswerKind {
    /// The kind as files write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Int => "int",
            Self::Bool => "bool",
            Self::Enum => "enum",
            Self::Url => "url",
            Self::Email => "email",
            Self::Timezone => "timezone",
            Self::Port => "port",
            Self::Path => "path",
        }
    }
}

/// How a secret is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub enum Generate {
    /// So many letters and digits, none that look alike.
    Password(u16),
    /// So many random bytes, as hex digits.
    Hex(u16),
    /// So many random bytes, as base64.
    Base64(u16),
    /// A random UUID.
    Uuid,
}

/// Fewest characters of a password, and fewest bytes of the others.
const GENERATE_LEAST: u16 = 12;
/// Most of either.
const GENERATE_MOST: u16 = 256;

impl FromStr for Generate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "\"{text}\" is no way to make a secret: write password:N, hex:N or base64:N with N from {GENERATE_LEAST} to \
                 {GENERATE_MOST}, or uuid"
            )
        };
        if text == "uuid" {
            return Ok(Self::Uuid);
        }
        let (way, number) = text.split_once(':').ok_or_else(wrong)?;
        let number = number.parse().ok().filter(|number| (GENERATE_LEAST..=GENERATE_MOST).contains(number));
        match (way, number.ok_or_else(wrong)?) {
            ("password", number) => Ok(Self::Password(number)),
            ("hex", number) => Ok(Self::Hex(number)),
            ("base64", number) => Ok(Self::Base64(number)),
            _ => Err(wrong()),
        }
    }
}

impl TryFrom<String> for Generate {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Generate> for String {
    fn from(generate: Generate) -> Self {
        generate.to_string()
    }
}

impl fmt::Display for Generate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password(number) => write!(out, "password:{number}"),
            Self::Hex(number) => write!(out, "hex:{number}"),
            Self::Base64(number) => write!(out, "base64:{number}"),
            Self::Uuid => out.write_str("uuid"),
        }
    }
}

/// One line of the catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TemplateSummary {
    /// What `app_deploy` takes as template.
    pub id: String,
    /// Name.
    pub name: String,
    /// What it is for.
    pub summary: String,
    /// What kind of app.
    pub category: String,
    /// More words to find it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Version of the app.
    pub version: String,
    /// Memory that it needs, in MiB.
    pub memory_min_mib: u64,
    /// "built in", or the file it comes from.
    pub source: String,
}

/// A string, or a number or truth value as one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar {
    Text(String),
    Int(i64),
    Bool(bool),
}

impl From<Scalar> for String {
    fn from(scalar: Scalar) -> Self {
        match scalar {
            Scalar::Text(text) => text,
            Scalar::Int(number) => number.to_string(),
            Scalar::Bool(is) => is.to_string(),
        }
    }
}

fn scalar<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Scalar::deserialize(from).map(String::from)
}

fn maybe_scalar<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<Scalar>::deserialize(from)?.map(String::from))
}
