//! What Tomo promises, from the outside: one module per journey.

mod access;
mod audit;
mod backup;
mod cli;
mod connect;
mod dashboard;
mod deploy;
mod door;
mod faults;
mod fleet;
mod halves;
mod harness;
mod jwt;
mod liar;
mod lifecycle;
mod local;
mod login;
mod mcp;
mod mcp_stdio;
mod real_host;
mod real_host_units;
mod renewal;
mod servers;
mod ssh;
mod store;
mod vault;
