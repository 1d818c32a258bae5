//! What the end-to-end tests stand on: real daemons, real agents, the real engine, real programs, a real terminal.
//!
//! Everything here can run many times at once: port 0, folders of its own, names of its own. What a value started ends with it.
//! Binaries are taken from beside the test's own executable: `tests/run` builds them first; by hand, `cargo build --workspace` does.
//!
//! ```no_run
//! use tomo_proto::{api::overview::Overview, model::user::Role};
//! use tomo_tests::{agent::TestAgent, daemon::TestDaemon, eventually::eventually};
//!
//! # async fn example() {
//! let daemon = TestDaemon::start().await;
//! let agent = TestAgent::start(&daemon, "web-1", "verbs = []").await;
//! let viewer = daemon.sign_in_as(Role::Viewer).await;
//! eventually("web-1 is up", async || (viewer.call(&Overview::default()).await.ok()?.servers.up == 1).then_some(())).await;
//! agent.stop().await;
//! daemon.stop().await;
//! # }
//! ```

// What waits, and how often something is tried.
pub mod eventually;
pub mod rounds;

// What is under test.
pub mod agent;
pub mod cli;
pub mod daemon;
pub mod disk;
pub mod docker;
pub mod engine;
pub mod engine_way;
pub mod forger;
pub mod host;
pub mod house;
pub mod killer;
pub mod program;
pub mod real_host;
pub mod relay;
pub mod release;
pub mod ssh;

// What a test looks through.
pub mod foreign;
pub mod http;
pub mod liar;
pub mod mcp;
pub mod store_file;
pub mod terminal;
