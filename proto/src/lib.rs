//! The vocabulary of Tomo: what the daemon, the agents and the `tomo` program say to each other.
//!
//! No I/O, no async, no clock. Everything here is plain data with its encodings.

// What things are called.
pub mod error;
pub mod id;
pub mod version;

// What things are.
pub mod model;

// Apps that are ready to be deployed.
pub mod catalog;

// Compose files as apps, and the other way round.
pub mod compose;

// What may be asked of the daemon.
pub mod api;

// What daemon and agent say to each other.
pub mod wire;

// Text that came from outside.
pub mod text;
