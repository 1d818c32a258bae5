//! What Tomo promises, from the outside: one module per journey.

mod access;
mod connect;
mod harness;
mod mcp;
mod jwt;
mod login;
