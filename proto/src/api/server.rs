//! Servers.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    api::{Effect, tool},
    model::{
        metric::Unit,
        plan::Plan,
        server::{ServerDetail, ServerStatus, ServerSummary},
    },
};

/// Arguments of `server_list`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerList {
    /// Part of a name, or a label as key=value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Only those with these names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// Only these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<ServerStatus>,
    /// At most, 1-1000, default 20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// next_cursor of the last answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// spark: recent CPU, memory and network.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<ServerListPart>,
}

/// What a server list can also carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServerListPart {
    /// Recent CPU, memory and network.
    Spark,
}

tool!(ServerList => ServerListAnswer, "server_list", "List servers", Effect::Read, Read, true,
    "Servers by name with status and newest figures.");

/// Servers by name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServerListAnswer {
    /// This page.
    pub servers: Vec<ServerSummary>,
    /// How many fit, on all pages.
    pub total: u32,
    /// Where the next page begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Arguments of `server_get`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerGet {
    /// Name or id.
    pub server: String,
    /// Also: containers, policy, probe.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<ServerPart>,
}

/// What a server's answer can also carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServerPart {
    /// Its containers.
    Containers,
    /// What its policy file allows.
    Policy,
    /// A look around by SSH with the kept credential, at most once a minute.
    Probe,
}

tool!(ServerGet => ServerDetail, "server_get", "Get server", Effect::Read, Read, true,
    "One server: system, filesystems, engine, figures.");

/// Arguments of `server_add`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerAdd {
    /// New name.
    pub name: String,
    /// Host name or address.
    pub host: String,
    /// SSH port, default 22.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// SSH user.
    pub user: String,
    /// SHA256:... if known; else a person compares it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_key: Option<String>,
    /// Labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

tool!(ServerAdd => Plan, "server_add", "Add server", Effect::Plan, Plan, false,
    "Plan to add a server reached by SSH. A person enters the credential afterwards, with the command the plan names.");

/// Arguments of `server_metrics`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerMetrics {
    /// Name or id.
    pub server: String,
    /// E.g. cpu, memory_used, net_rx, disk_write/sda, fs_used/; default cpu, memory_used, load1. name/* for all parts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<String>,
    /// Duration back from now (15m, 24h) or RFC 3339; default 1h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// RFC 3339; default now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Seconds per point; default fits 60 points, at most 400.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<u32>,
    /// Only this app's container_* series.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
}

tool!(ServerMetrics => ServerMetricsAnswer, "server_metrics", "Server metrics", Effect::Read, Read, true,
    "Series of a server, downsampled, with min, avg, max, p95.");

/// Series over one time range, as columns.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServerMetricsAnswer {
    /// Time of the first point (UTC ms).
    pub start_ms: u64,
    /// From one point to the next.
    pub step_ms: u64,
    /// The series that were found.
    pub series: Vec<SeriesPoints>,
}

/// One series.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SeriesPoints {
    /// Metric.
    pub metric: String,
    /// Part, e.g. a core or interface.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub part: String,
    /// Unit.
    pub unit: Unit,
    /// Mean per step; null where nothing was measured.
    pub avg: Vec<Option<f64>>,
    /// Highest per step, where it differs from the mean; empty if no step holds more than one sample.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub max: Vec<Option<f64>>,
    /// Over the whole range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<SeriesSummary>,
}

/// A series in four figures, over its samples.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SeriesSummary {
    /// Lowest.
    pub min: f64,
    /// Mean.
    pub avg: f64,
    /// Highest.
    pub max: f64,
    /// 95 of 100 samples are no higher.
    pub p95: f64,
    /// Newest.
    pub last: f64,
}

/// Arguments of `server_remove`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerRemove {
    /// Name or id.
    pub server: String,
    /// Reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

tool!(ServerRemove => Plan, "server_remove", "Remove server", Effect::Plan, Plan, false,
    "Plan to forget a server, its history and its agent. Containers stay as they are.");
