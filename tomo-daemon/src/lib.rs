//! The daemon: one store, one MCP endpoint, one listener for agents.
//!
//! `client → http → mcp tool → service → store | hub | ssh | live`: calls go right only.

// How it is started.
pub mod args;
pub mod config;
pub mod daemon;
mod systemd;

// What clients reach.
pub mod door;
pub mod http;
pub mod mcp;

// The rules.
pub mod services;

// What the rules use.
pub mod catalog;
pub mod hub;
pub mod ingest;
pub mod live;
mod releases;
pub mod ssh;
pub mod store;

// Small things everybody needs.
pub mod backup;
pub mod clock;
pub mod crypto;
pub mod data;
mod seal;
pub mod tls;
pub mod vault;
mod volume_file;
