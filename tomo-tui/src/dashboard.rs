//! The full-screen dashboard: `update(event) → effects` over one state; drawing reads; only effects do I/O.
//!
//! The only module that knows ratatui and crossterm.

use crate::client::Target;

/// How the dashboard is started.
#[derive(Debug, Clone)]
pub struct DashboardOptions {
    /// Daemon to show first.
    pub target: Target,
    /// Refuse every change.
    pub read_only: bool,
    /// JSON lines about keys, frames and idle moments go here.
    pub trace: Option<std::path::PathBuf>,
}

/// Runs the dashboard on this terminal until the person leaves. Returns the process's exit code.
///
/// # Errors
/// The terminal cannot be used.
pub async fn run(_options: DashboardOptions) -> anyhow::Result<i32> {
    todo!("dashboard")
}
