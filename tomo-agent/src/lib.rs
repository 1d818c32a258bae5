//! The agent: measures a server, tells the daemon, and runs typed commands that the host's own policy allows.
//!
//! `collectors → link → daemon ; daemon → link → exec (policy → commands → docker)`

// How it is started.
pub mod agent;
pub mod args;
pub mod config;
pub mod install;
mod systemd;

// The half with the network.
pub mod collectors;
pub mod identity;
pub mod link;

// The half with the engine.
mod commands;
mod docker;
pub mod exec;
mod journal;
pub mod policy;

// What both sides of an update know.
mod update;

// Small things everybody needs.
pub mod clock;
