//! What Tomo promises, from the outside: one module per journey.

mod access;
mod harness;
