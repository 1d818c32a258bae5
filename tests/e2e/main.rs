//! What Tomo promises, from the outside: one module per journey.

mod access;
mod audit;
mod cli;
mod connect;
mod door;
mod harness;
mod jwt;
mod lifecycle;
mod login;
mod mcp;
mod store;
