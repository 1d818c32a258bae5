//! `tomo`: the dashboard and the command line.

mod client;
mod dashboard;

fn main() {}
