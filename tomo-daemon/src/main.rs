//! `tomo-daemon`.

use std::{alloc::System, io::IsTerminal as _, process::ExitCode};

use clap::Parser as _;
use tomo_daemon::{args::Args, store::StoreError};
use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};
use zeroizing_alloc::ZeroAlloc;

/// What is given back is wiped first: passwords and keys pass through many hands (HTTP, JSON, TLS) on their way.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

/// The store is damaged or of a newer release, and starting again does not help: `EX_DATAERR` of sysexits.h.
const UNUSABLE: u8 = 65;

#[expect(clippy::print_stderr, reason = "this is the program's own output")]
fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            match error.downcast_ref() {
                Some(StoreError::Unusable(_)) => ExitCode::from(UNUSABLE),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

fn run(args: Args) -> anyhow::Result<()> {
    keep_out_of_core_dumps()?;
    let wanted = std::env::var("TOMO_LOG").ok().and_then(|text| text.parse::<Targets>().ok());
    let filter =
        wanted.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO).with_target("rmcp", LevelFilter::OFF));
    let lines =
        tracing_subscriber::fmt::layer().with_ansi(std::io::stderr().is_terminal()).with_writer(std::io::stderr);
    tracing_subscriber::registry().with(lines).with(filter).init();
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(args.run())
}

/// No core file of this process is written, and nobody but root looks into its memory.
fn keep_out_of_core_dumps() -> anyhow::Result<()> {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?)
}
