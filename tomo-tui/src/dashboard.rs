//! The full-screen dashboard: `update(event) → effects` over one state; drawing reads; only effects do I/O.
//!
//! The only module that knows ratatui and crossterm.

#[allow(dead_code, reason = "no screen uses every style yet")]
mod theme;
#[allow(dead_code, reason = "no screen uses every widget yet")]
mod widgets;

use crate::client::Target;

/// How the dashboard is started.
#[derive(Debug, Clone)]
pub(crate) struct DashboardOptions {
    /// Daemon to show first.
    pub(crate) target: Target,
    /// Refuse every change.
    pub(crate) read_only: bool,
}

/// Runs the dashboard on this terminal until the person leaves.
///
/// # Errors
/// The terminal cannot be used.
pub(crate) async fn run(_options: DashboardOptions) -> anyhow::Result<()> {
    todo!("dashboard")
}
