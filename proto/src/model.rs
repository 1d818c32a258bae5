//! The things Tomo knows: the same structs travel from the dashboard to the daemon and to the agent, and lie in the store.
//!
//! Fields are only ever added, with a default, so that older records and older peers stay readable.

pub mod adoption;
pub mod agent;
pub mod app;
pub mod audit;
pub mod backup;
pub mod catalog;
pub mod container;
pub mod diagnosis;
pub mod image;
pub mod metric;
pub mod operation;
pub mod plan;
pub mod policy;
pub mod registry;
pub mod release;
pub mod server;
pub mod settings;
pub mod spec;
pub mod ssh;
pub mod stock;
pub mod user;
pub mod volume_backup;
