//! The command line of `tomo-daemon`.

use std::{
    fs,
    io::Read as _,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail, ensure};
use clap::{Parser, Subcommand};

use crate::{clock::Clock, config::Config, daemon::Daemon, http, systemd};

/// Where a unit of the daemon lies, if it is not started by hand.
const UNITS: [&str; 2] = ["/etc/systemd/system/tomo-daemon.service", "/usr/lib/systemd/system/tomo-daemon.service"];

/// What stands below every `--help`.
const MORE: &str = "Every value of the configuration can also be set in the environment as TOMO_DAEMON__SECTION__KEY, e.g. \
    TOMO_DAEMON__HTTP__LISTEN=127.0.0.1:9000. TOMO_LOG sets what is logged to standard error, e.g. debug.";

/// The daemon of Tomo: owns the store, serves people and AI tools, keeps the agents' links.
#[derive(Debug, Parser)]
#[command(name = "tomo-daemon", version, after_help = MORE)]
pub struct Args {
    /// Configuration file [default: /etc/tomo/daemon.toml, if it is there].
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of the store, the CA and the keys, instead of the configured one [default: /var/lib/tomo].
    #[arg(long, global = true, value_name = "FOLDER")]
    data: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve clients and agents until SIGTERM or Ctrl-C.
    Run,
    /// Make the data folder with its store, CA and keys, and the first admin; asks for the admin's password.
    Init {
        /// Login name of the first admin.
        #[arg(long, default_value = "admin")]
        admin: String,
        /// Read the password from standard input instead of asking.
        #[arg(long)]
        password_stdin: bool,
    },
    /// Set a person's password and end that person's logins (with the daemon stopped).
    ResetPassword {
        /// Login name.
        user: String,
        /// Read the password from standard input instead of asking.
        #[arg(long)]
        password_stdin: bool,
    },
    /// Check the store and the audit trail (with the daemon stopped).
    Check,
    /// Make a data folder out of a backup, as on a bare host; asks for the master password of its time.
    Restore {
        /// The backup's file.
        file: PathBuf,
        /// Read the master password from standard input instead of asking.
        #[arg(long)]
        password_stdin: bool,
        /// Restore it though a newer backup lies beside it.
        #[arg(long)]
        older: bool,
    },
    /// Print every configuration key with its default and meaning.
    PrintConfig,
}

impl Args {
    /// Carries the command out.
    ///
    /// # Errors
    /// Says what did not work and what to do.
    #[expect(clippy::print_stdout, clippy::print_stderr, reason = "this is the program's own output")]
    pub async fn run(self) -> anyhow::Result<()> {
        let config = || -> anyhow::Result<Config> {
            let mut config = Config::load(self.config.as_deref(), std::env::vars())?;
            if let Some(data) = &self.data {
                config.data.clone_from(data);
            }
            ensure_owner(&config.data)?;
            Ok(config)
        };
        let clock = Clock::system();
        match &self.command {
            Command::PrintConfig => print!("{}", crate::config::DEFAULTS),
            Command::Init { admin, password_stdin } => {
                let Config { data, http, .. } = config()?;
                let password = read_password(*password_stdin, true)?;
                Daemon::init(&data, Some((admin, &password)), &clock).await?;
                println!("{} is made, with the admin \"{admin}\". Next:", data.display());
                println!("  {}", self.how_to_run());
                println!("  tomo login --url {} --user {admin}", http::url(&http, http.listen));
            }
            Command::ResetPassword { user, password_stdin } => {
                let data = config()?.data;
                let password = read_password(*password_stdin, true)?;
                Daemon::reset_password(&data, user, &password, &clock).await?;
                println!("the password of \"{user}\" is set; that person's logins are ended");
            }
            Command::Restore { file, password_stdin, older } => {
                let data = config()?.data;
                let password = read_secret("Master password: ", *password_stdin)?;
                println!("{}. Next:", Daemon::restore(file, &data, &password, *older, &clock).await?);
                println!("  {}", self.how_to_run());
                println!("  tomo vault unlock");
            }
            Command::Check => println!("{}", Daemon::check(&config()?.data, &clock).await?),
            Command::Run => {
                let daemon = Daemon::start(config()?, clock).await?;
                eprintln!("listening for clients on {} and for agents on {}", daemon.http_addr(), daemon.hub_addr());
                systemd::ready();
                tokio::select! {
                    ended = wait_for_signal() => ended?,
                    () = systemd::watchdog() => {}
                }
                systemd::stopping();
                daemon.shutdown().await;
            }
        }
        Ok(())
    }

    /// The command that starts this very daemon.
    fn how_to_run(&self) -> String {
        let given = [("config", &self.config), ("data", &self.data)];
        let given =
            given.into_iter().filter_map(|(name, path)| Some(format!(" --{name} {}", path.as_ref()?.display())));
        let given: String = given.collect();
        if given.is_empty() && UNITS.iter().any(|unit| Path::new(unit).exists()) {
            "sudo systemctl enable --now tomo-daemon".to_owned()
        } else {
            format!("tomo-daemon run{given}")
        }
    }
}

/// Root would leave files in another user's data folder that the daemon cannot read.
fn ensure_owner(data: &Path) -> anyhow::Result<()> {
    let Ok(owner) = fs::metadata(data).map(|folder| folder.uid()) else { return Ok(()) };
    if owner == 0 || !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(owner)).then(|| name.to_owned())
    });
    let name = name.unwrap_or_else(|| format!("#{owner}"));
    bail!(
        "{} belongs to the user {name}: run this as that user, with `runuser -u {name} -- tomo-daemon …`",
        data.display()
    );
}

/// A password from standard input (one line) or asked for on the terminal, twice.
///
/// # Errors
/// There is no terminal, or the two differ.
fn read_password(stdin: bool, confirm: bool) -> anyhow::Result<String> {
    let first = read_secret("Password (at least 10 characters): ", stdin)?;
    if confirm && !stdin && rpassword::prompt_password("Again: ")? != first {
        bail!("the two passwords differ");
    }
    Ok(first)
}

/// A secret from standard input (one line) or asked for on the terminal.
fn read_secret(prompt: &str, stdin: bool) -> anyhow::Result<String> {
    if stdin {
        let mut text = String::new();
        std::io::stdin().take(4_096).read_to_string(&mut text).context("standard input cannot be read")?;
        let mut lines = text.lines();
        let line = lines.next().unwrap_or_default().to_owned();
        ensure!(!line.is_empty(), "no password came on standard input");
        ensure!(lines.next().is_none(), "standard input has more than one line: write the password once");
        return Ok(line);
    }
    rpassword::prompt_password(prompt).context("there is no terminal to ask for the password on: use --password-stdin")
}

/// Waits for SIGTERM or SIGINT.
///
/// # Errors
/// The signals cannot be listened for.
async fn wait_for_signal() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    Ok(())
}
