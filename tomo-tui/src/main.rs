//! `tomo`: the dashboard and the command line.

mod args;
mod cli;
mod client;
mod dashboard;
mod format;
mod hosted;
mod local;
mod shell;

use std::{io::IsTerminal as _, path::Path, process::ExitCode};

use args::{Args, CatalogCommand, Command, DEFAULT_PROFILE, McpCommand};
use clap::CommandFactory as _;
use client::{Client, ClientError, Target};
use dashboard::{DashboardOptions, HANG_UP_CODE, HungUp};
use shell::Exited;
use tokio_util::task::AbortOnDropHandle;
use tomo_proto::{
    api::person::SecretText,
    error::{ApiError, ErrorCode},
};
use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

fn main() -> ExitCode {
    let (args, options) = match Args::read() {
        Ok(both) => both,
        // A wrong word is shown again, and may come from anywhere.
        Err(error) if error.use_stderr() => {
            cli::output::note(error.render().to_string().trim_end());
            return ExitCode::from(cli::output::exit::USAGE);
        }
        Err(help) => help.exit(),
    };
    // Before there is a second thread, which it would not hold.
    if args.hosted
        && let Err(error) = hosted::confine()
    {
        return ExitCode::from(cli::output::failure(&error, &options));
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return ExitCode::from(cli::output::failure(&error.into(), &options)),
    };
    match runtime.block_on(run(args, &options)) {
        Ok(()) => ExitCode::SUCCESS,
        // Nobody is left to read why.
        Err(error) if error.is::<HungUp>() => ExitCode::from(HANG_UP_CODE),
        Err(error) => match error.downcast_ref::<Exited>() {
            Some(Exited(code)) => ExitCode::from(*code),
            None => ExitCode::from(cli::output::failure(&error, &options)),
        },
    }
}

async fn run(args: Args, options: &str) -> anyhow::Result<()> {
    if let Some(missing) = args.config.as_ref().filter(|path| !path.exists()) {
        let error = ApiError::new(ErrorCode::Invalid, format!("there is no file {}", missing.display()));
        return Err(ClientError::from(error.with_next("name one that is there, or leave --config out")).into());
    }
    if let Some(Command::Local { headless, data, port, demo }) = &args.command {
        let options = local::LocalOptions { data: data.clone(), port: *port, demo: usize::from(*demo) };
        return run_local(&options, *headless, &args).await;
    }
    if let Some(Command::Release(command)) = args.command {
        return cli::release::release(command, args.json).await;
    }
    if let Some(Command::Config(command)) = args.command {
        return cli::config::config(command, args.config, args.json);
    }
    let target = target(&args, options)?;
    match args.command {
        Some(Command::Completions { shell }) => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Args::command(), "tomo", &mut script);
            cli::output::own(String::from_utf8_lossy(&script));
            Ok(())
        }
        Some(Command::Mcp { command: Some(McpCommand::Config { client, stdio }), .. }) => {
            let address = if stdio { None } else { Some(cli::mcp::http_address(&target).await?) };
            let entry = cli::mcp::config(client, &target, address.as_deref())?;
            cli::output::own(entry.text);
            entry.notes.iter().for_each(|note| cli::output::note(cli::output::same_daemon(note, options)));
            Ok(())
        }
        Some(Command::Mcp { token_file, command: None }) => {
            let file = token_file.map(|path| cli::mcp::read_token(&path)).transpose()?;
            client::serve_bridge(&Target { token: file.or(target.token), ..target }).await
        }
        Some(Command::Catalog(CatalogCommand::Lint { paths })) => cli::catalog::lint(&paths, args.json),
        Some(Command::Login { user, password_stdin }) => {
            cli::login(&cli::acquainted(target).await?, user, password_stdin, args.json).await
        }
        Some(command) => cli::run(&Client::open(&target)?, command, args.json).await,
        None if args.plain || !dashboard::is_usable() => cli::plain(&Client::open(&target)?).await,
        None => {
            // Whoever has to sign in there gets to know the daemon first.
            let stranger = target.url.starts_with("https:") && target.token.is_none();
            let target = if stranger { cli::acquainted(target).await? } else { target };
            dashboard::run(dashboard_options(target, &args), std::future::ready(Ok(()))).await
        }
    }
}

/// Which daemon: named, or signed in to, or `tomo local` if it runs, or the one of this machine.
///
/// # Errors
/// There is no login of the named profile, or the address is not one.
fn target(args: &Args, options: &str) -> Result<Target, ClientError> {
    let saved = client::saved(&args.profile);
    let signing_in = matches!(args.command, Some(Command::Login { .. }));
    if args.url.is_none() && saved.is_none() && args.profile != DEFAULT_PROFILE && !signing_in {
        let error = ApiError::new(ErrorCode::Unauthenticated, format!("there is no login \"{}\"", args.profile));
        return Err(error.with_next(format!("tomo --profile {} login --url https://…", args.profile)).into());
    }
    let token = args.token.clone().map(SecretText::new);
    let local = local::data_folder(None).join("tomo.sock");
    let url = args
        .url
        .clone()
        .or_else(|| saved.map(|saved| saved.url))
        .or_else(|| local.exists().then(|| format!("unix:{}", local.display())))
        .or_else(|| Path::new("/run/tomo/tomo.sock").exists().then(|| "unix:/run/tomo/tomo.sock".to_owned()))
        .unwrap_or_else(|| "http://127.0.0.1:8666".to_owned());
    if !["http://", "https://", "unix:"].iter().any(|scheme| url.starts_with(scheme)) {
        let error = ApiError::new(ErrorCode::Invalid, format!("\"{url}\" is not an address of a daemon"));
        return Err(error.with_next("begin it with https://, http:// or unix:").into());
    }
    let (profile, fingerprint) = (args.profile.clone(), args.fingerprint.clone());
    Ok(Target { profile, url, token, fingerprint, options: options.to_owned() })
}

async fn run_local(options: &local::LocalOptions, headless: bool, args: &Args) -> anyhow::Result<()> {
    let wanted = std::env::var("TOMO_LOG").ok().and_then(|text| text.parse::<Targets>().ok());
    let usual = || Targets::new().with_default(LevelFilter::INFO).with_target("rmcp", LevelFilter::OFF);
    let log = tracing_subscriber::registry().with(wanted.unwrap_or_else(usual));
    if headless {
        let ansi = std::io::stderr().is_terminal();
        log.with(tracing_subscriber::fmt::layer().with_ansi(ansi).with_writer(std::io::stderr)).init();
    } else {
        // The screen belongs to the dashboard.
        let folder = local::data_folder(options.data.as_deref());
        local::make_folder(&folder)?;
        let file = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("tomo.log"))?;
        log.with(tracing_subscriber::fmt::layer().with_ansi(false).with_writer(std::sync::Mutex::new(file))).init();
    }
    let (profile, url) = ("local".to_owned(), local::socket_url(options));
    let options_of_next = options.data.as_ref().map_or_else(String::new, |_| format!(" --url {url}"));
    let target = Target { profile, url, token: None, fingerprint: None, options: options_of_next };
    if !headless && !args.plain && dashboard::is_usable() {
        // The screen is there at once; the daemon starts behind it.
        let options = options.clone();
        let starting = AbortOnDropHandle::new(tokio::spawn(async move { local::Local::start(&options).await }));
        let mut local = None;
        let ready = async {
            local = Some(starting.await??);
            Ok(())
        };
        let dashboard = DashboardOptions { holds_daemon: true, ..dashboard_options(target, args) };
        let ended = dashboard::run(dashboard, ready).await;
        if let Some(local) = local {
            local.shutdown().await;
        }
        return ended;
    }
    let local = local::Local::start(options).await?;
    let ended = if headless {
        match local.announce().await {
            Ok(announcement) => {
                cli::output::json_line(&announcement)?;
                local::wait_for_signal().await
            }
            Err(error) => Err(error),
        }
    } else {
        cli::plain(&Client::open(&target)?).await
    };
    local.shutdown().await;
    ended
}

fn dashboard_options(target: Target, args: &Args) -> DashboardOptions {
    DashboardOptions {
        target,
        read_only: args.read_only,
        glyphs: args.glyphs,
        holds_daemon: false,
        hosted: args.hosted,
        config: args.config.clone(),
    }
}
