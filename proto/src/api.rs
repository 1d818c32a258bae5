//! Tool contracts: a request type names its tool, the right it needs and its answer.
//!
//! The daemon builds its MCP tools from these, the dashboard and the CLI call through them, and the API reference is
//! written from them, so that the three cannot differ.

use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

use crate::model::user::Scope;

pub mod agent;
pub mod app;
pub mod audit;
pub mod auth;
pub mod backup;
pub mod catalog;
pub mod container;
pub mod operation;
pub mod overview;
pub mod person;
pub mod plan;
pub mod registry;
pub mod resource;
pub mod server;
pub mod settings;
pub mod stock;
pub mod terminal;
pub mod volume_backup;

/// What calling a tool can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Changes nothing.
    Read,
    /// Changes something at once; can be turned back.
    Operate {
        /// Whether something stops working.
        destructive: bool,
    },
    /// Records a plan and changes nothing.
    Plan,
    /// Carries an approved plan out.
    Apply,
    /// A person's act: refused to API tokens whatever their scopes.
    Person,
}

/// The contract of one MCP tool. The implementing type is its arguments; doc comments become the schema's descriptions.
pub trait Tool: Serialize + DeserializeOwned + JsonSchema + Send + 'static {
    /// Name, `noun_verb`.
    const NAME: &'static str;
    /// Title for people.
    const TITLE: &'static str;
    /// What a model reads before it calls.
    const DESCRIPTION: &'static str;
    /// What it can do.
    const EFFECT: Effect;
    /// The right it needs. A person's tool may do with less for the person's own things.
    const SCOPE: Scope;
    /// Whether the core list (`/mcp`) has it; `/mcp/full` has all.
    const CORE: bool;
    /// What it answers.
    type Answer: Serialize + DeserializeOwned + JsonSchema + Send + 'static;
}

/// Declares contracts with little ceremony.
macro_rules! tool {
    ($request:ty => $answer:ty, $name:literal, $title:literal, $effect:expr, $scope:ident, $core:literal, $description:literal) => {
        impl $crate::api::Tool for $request {
            const NAME: &'static str = $name;
            const TITLE: &'static str = $title;
            const DESCRIPTION: &'static str = $description;
            const EFFECT: $crate::api::Effect = $effect;
            const SCOPE: $crate::model::user::Scope = $crate::model::user::Scope::$scope;
            const CORE: bool = $core;
            type Answer = $answer;
        }
    };
}
pub(crate) use tool;

/// Calls `$each!` with every contract's request type: the one list of tools.
#[macro_export]
macro_rules! for_each_tool {
    ($each:ident) => {
        $each! {
            $crate::api::overview::Overview,
            $crate::api::server::ServerList,
            $crate::api::server::ServerGet,
            $crate::api::server::ServerMetrics,
            $crate::api::server::ServerAdd,
            $crate::api::server::ServerRemove,
            $crate::api::app::AppList,
            $crate::api::app::AppGet,
            $crate::api::app::AppDiagnose,
            $crate::api::app::AppLogs,
            $crate::api::app::AppStart,
            $crate::api::app::AppStop,
            $crate::api::app::AppRestart,
            $crate::api::app::AppDeploy,
            $crate::api::app::AppImport,
            $crate::api::app::AppRollback,
            $crate::api::app::AppRemove,
            $crate::api::catalog::CatalogList,
            $crate::api::catalog::CatalogGet,
            $crate::api::catalog::CatalogRefresh,
            $crate::api::container::ContainerGet,
            $crate::api::container::ContainerLogs,
            $crate::api::container::ContainerStart,
            $crate::api::container::ContainerStop,
            $crate::api::container::ContainerRestart,
            $crate::api::container::ContainerAdopt,
            $crate::api::stock::ImageList,
            $crate::api::stock::ImagePull,
            $crate::api::stock::ImageRemove,
            $crate::api::registry::RegistryList,
            $crate::api::stock::VolumeList,
            $crate::api::stock::VolumeCreate,
            $crate::api::stock::VolumeRemove,
            $crate::api::volume_backup::VolumeBackupCreate,
            $crate::api::volume_backup::VolumeBackupList,
            $crate::api::volume_backup::VolumeBackupVerify,
            $crate::api::volume_backup::VolumeBackupRemove,
            $crate::api::volume_backup::VolumeRestore,
            $crate::api::volume_backup::VolumeDrill,
            $crate::api::volume_backup::VolumeScheduleSet,
            $crate::api::stock::NetworkList,
            $crate::api::stock::NetworkCreate,
            $crate::api::stock::NetworkRemove,
            $crate::api::stock::ServerPrune,
            $crate::api::agent::AgentList,
            $crate::api::agent::AgentRevoke,
            $crate::api::operation::OperationGet,
            $crate::api::operation::OperationList,
            $crate::api::operation::OperationCancel,
            $crate::api::plan::PlanGet,
            $crate::api::plan::PlanList,
            $crate::api::plan::PlanApply,
            $crate::api::plan::PlanApprove,
            $crate::api::plan::PlanDeny,
            $crate::api::audit::AuditSearch,
            $crate::api::audit::AuditVerify,
            $crate::api::backup::BackupCreate,
            $crate::api::backup::BackupList,
            $crate::api::settings::SettingsGet,
            $crate::api::settings::SettingsSet,
            $crate::api::auth::AuthWhoami,
            $crate::api::auth::AuthUserList,
            $crate::api::auth::AuthSessionList,
            $crate::api::auth::AuthSessionEnd,
            $crate::api::auth::AuthTokenList,
            $crate::api::auth::AuthTokenRevoke,
            $crate::api::auth::AuthKeyList,
        }
    };
}

/// Most names Tomo lets a user choose: servers, apps, tokens, secrets, users.
///
/// # Errors
/// Says what is wrong: 1–48 characters of `a-z`, `0-9`, `.`, `_`, `-`, beginning and ending with a letter or digit.
pub fn check_name(name: &str) -> Result<(), String> {
    let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-');
    if name.len() > 48 {
        return Err("a name has at most 48 characters".to_owned());
    }
    let rules = "a-z, 0-9, \".\", \"_\" and \"-\" only, and begins and ends with a letter or digit";
    if name.is_empty() {
        return Err(format!("a name is wanted: it has {rules}"));
    }
    let bytes = name.as_bytes();
    if !edge(bytes.first().copied()) || !edge(bytes.last().copied()) || !bytes.iter().copied().all(inner) {
        return Err(format!("a name has {rules}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        for good in ["a", "web-1", "db.prod_2", "0x"] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a b", "a/b", "..", "é", "a\u{202e}b", &"x".repeat(49)] {
            assert!(check_name(bad).is_err(), "{bad}");
            let is_missing = check_name(bad).is_err_and(|why| why.starts_with("a name is wanted: it has a-z"));
            assert_eq!(is_missing, bad.is_empty(), "{bad}");
        }
    }
}
