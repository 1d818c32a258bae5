//! `tomo-daemon`.

use std::{io::IsTerminal as _, process::ExitCode};

use clap::Parser as _;
use tomo_daemon::args::Args;
use tracing_subscriber::EnvFilter;

#[expect(clippy::print_stderr, reason = "this is the program's own output")]
fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_env("TOMO_LOG").unwrap_or_else(|_| EnvFilter::new("info,rmcp=off"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(args.run())
}
