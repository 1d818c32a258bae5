//! The catalog: apps that are ready to be deployed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    api::{Effect, tool},
    model::catalog::{Template, TemplateSummary},
};

/// Arguments of `catalog_list`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CatalogList {
    /// Words; each stands in name, summary, category or tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
}

tool!(CatalogList => CatalogListAnswer, "catalog_list", "List catalog", Effect::Read, Read, false,
    "App templates for app_deploy.");

/// Templates by id.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CatalogListAnswer {
    /// The templates.
    pub templates: Vec<TemplateSummary>,
    /// Files of own catalogs that are left out, with line and reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

/// Arguments of `catalog_refresh`.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CatalogRefresh {}

tool!(CatalogRefresh => CatalogListAnswer, "catalog_refresh", "Refresh catalog", Effect::Operate { destructive: false }, Operate, false,
    "Fetches the templates of addresses in the daemon's configuration anew.");

/// Arguments of `catalog_get`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CatalogGet {
    /// Id from catalog_list.
    pub template: String,
}

tool!(CatalogGet => CatalogEntry, "catalog_get", "Get template", Effect::Read, Read, false,
    "One template with the questions that app_deploy answers.");

/// A template and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CatalogEntry {
    /// "built in", or the file.
    pub source: String,
    /// The template.
    pub template: Template,
}
