//! The catalog.

use std::path::PathBuf;

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum CatalogCommand {
    /// List apps that are ready to be deployed.
    List {
        /// Words to look for in name, summary, category and tags.
        query: Vec<String>,
    },
    /// Fetch the templates of addresses in daemon.toml anew, and list all.
    Refresh,
    /// Show a template: what it runs, needs and asks.
    Show {
        /// Id, e.g. uptime-kuma.
        template: String,
    },
    /// Check template files, or all *.toml of folders; needs no daemon.
    Lint {
        /// Files and folders.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
}
