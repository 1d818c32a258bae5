//! The command line of `tomo-agent`.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use clap::{Parser, Subcommand};
use tomo_proto::model::release::ReleaseKey;

use crate::{
    agent::Agent,
    collectors::{HostCollectors, Source, Synthetic},
    config::Config,
    exec::{Exec, ExecConfig},
    identity::{self, Identity},
    install::{self, Install},
    policy::{Policy, Rights},
    systemd,
};

/// What stands below every `--help`.
const MORE: &str = "Every value of the configuration can also be set in the environment as TOMO_AGENT__KEY, e.g. \
    TOMO_AGENT__STATE=/srv/tomo-agent. TOMO_LOG sets what is logged to standard error, e.g. debug.";

/// The agent of Tomo: measures this server, and does what its policy file allows.
#[derive(Debug, Parser)]
#[command(name = "tomo-agent", version, after_help = MORE)]
pub struct Args {
    /// Configuration file [default: /etc/tomo/agent.toml, if it is there].
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of this agent's key and certificate, instead of the configured one [default: /var/lib/tomo-agent].
    #[arg(long, global = true, value_name = "FOLDER")]
    state: Option<PathBuf>,
    /// Policy file instead of the configured one [default: /etc/tomo/agent-policy.toml].
    #[arg(long, global = true, value_name = "FILE")]
    policy: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure and carry out what the policy allows, both halves in one process, until SIGTERM or Ctrl-C.
    Run {
        /// Send made-up figures of this seed instead of the host's.
        #[arg(long, hide = true)]
        synthetic: Option<u64>,
    },
    /// Only the half with the network: measure, and pass on what the daemon wants to `tomo-agent exec`.
    Link,
    /// Only the half with the container engine: carry out what the policy allows and `tomo-agent link` passes on.
    Exec,
    /// Make this host known to a daemon; reads the token of `tomo agent token NAME` from standard input.
    Enroll,
    /// Install, enroll and start the agent on this host, as root; the token of `tomo agent token NAME` is the first line of standard
    /// input. Tells each step as a line of JSON, and undoes them all if one fails.
    Install {
        /// What the policy file allows; one that is there stays as it is.
        #[arg(long, value_enum)]
        rights: Rights,
        /// Also take newer releases that are signed with this key over the link; - reads it from the second line of standard input.
        #[arg(long, value_name = "ed25519:…")]
        update_key: Option<String>,
        /// Enroll an agent anew that is there already.
        #[arg(long)]
        again: bool,
        /// Remove this program's own folder at the end, which it was carried to for this.
        #[arg(long, hide = true)]
        carried: bool,
    },
    /// Say whether this host reaches the daemon by UDP, and in which time; reads the token of `tomo agent token NAME` from standard
    /// input and does not use it up.
    Reach,
    /// Take the agent off this host with all its files, as root. Apps go on running.
    Uninstall,
    /// Take the agent out of service: stop it, say good-bye to the daemon if it can be reached, forget the identity.
    Leave {
        /// Also take it off this host with all its files, as `uninstall` does.
        #[arg(long)]
        purge: bool,
    },
    /// Put in place what the link was given, as root: tomo-agent-update.service runs this.
    ApplyUpdate,
    /// Check, explain or print a policy file.
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Say which server this is, where its daemon is, and which policy holds.
    Status,
    /// Print every configuration key with its default and meaning.
    PrintConfig,
}

#[derive(Debug, Subcommand)]
enum PolicyCommand {
    /// Say whether a file is well formed, or which line is not.
    Check {
        /// The file, instead of this host's policy.
        file: Option<PathBuf>,
    },
    /// Say what a file allows and refuses, and by which line.
    Explain {
        /// The file, instead of this host's policy.
        file: Option<PathBuf>,
    },
    /// Print a commented file.
    Example {
        /// What it allows.
        #[arg(long, value_enum, default_value = "metrics")]
        rights: Rights,
        /// Key whose releases are taken over the link.
        #[arg(long, value_name = "ed25519:…")]
        update_key: Option<ReleaseKey>,
    },
}

impl Args {
    /// The options that lead the next command to the same agent.
    fn same_agent(&self) -> String {
        let given = [("config", &self.config), ("state", &self.state), ("policy", &self.policy)];
        let given =
            given.into_iter().filter_map(|(name, path)| Some(format!(" --{name} {}", path.as_ref()?.display())));
        given.collect()
    }

    /// Carries the command out.
    ///
    /// # Errors
    /// Says what did not work and what to do.
    #[expect(clippy::print_stdout, reason = "this is the program's own output")]
    pub async fn run(self) -> anyhow::Result<()> {
        let next = format!("tomo-agent run{}", self.same_agent());
        let mut config = Config::load(self.config.as_deref(), std::env::vars())?;
        config.state = self.state.unwrap_or(config.state);
        config.policy = self.policy.unwrap_or(config.policy);
        match self.command {
            Command::PrintConfig => print!("{}", crate::config::DEFAULTS),
            Command::Reach => {
                let token = identity::parse_token(&read_token()?)?;
                let (address, took) = identity::reach(&token).await?;
                println!("the daemon answers at {address} (UDP) in {:.1} ms", took.as_secs_f64() * 1_000.0);
            }
            Command::Enroll => {
                let server = identity::enroll(&read_token()?, &config.state).await?;
                println!("this host is enrolled as server \"{server}\". Next: {next}");
            }
            Command::Status => {
                let identity = Identity::load(&config.state)?;
                println!("server    {}", identity.server_name);
                println!("agent     {}", identity.agent);
                println!("daemon    {}", identity.addresses.join(", "));
                let policy = Policy::load(&config.policy);
                println!(
                    "policy    {}",
                    policy.broken().map_or_else(|| config.policy.display().to_string(), str::to_owned)
                );
                for (unit, state) in install::units().await {
                    println!("{unit:<25} {state}");
                }
            }
            Command::Install { rights, update_key, again, carried } => {
                install::install(Install { rights, update_key, again, carried }, &config.engine_socket).await?
            }
            Command::ApplyUpdate => install::apply_update(&config.policy).await?,
            Command::Uninstall => install::uninstall().await?,
            Command::Leave { purge } => install::leave(&config.state, purge).await?,
            Command::Policy(PolicyCommand::Example { rights, update_key }) => {
                print!("{}", rights.render(update_key.as_ref()));
            }
            Command::Policy(PolicyCommand::Check { file }) => {
                let file = file.unwrap_or(config.policy);
                if let Some(broken) = Policy::load(&file).broken() {
                    bail!("{broken}");
                }
                println!("{} is well formed", file.display());
            }
            Command::Policy(PolicyCommand::Explain { file }) => {
                println!("{}", Policy::load(&file.unwrap_or(config.policy)).explain());
            }
            Command::Run { synthetic } => {
                let (source, exec) = match synthetic {
                    Some(seed) => (Source::Synthetic(Box::new(Synthetic::new(seed))), Exec::without_engine()),
                    None => {
                        let exec = Exec::start(exec_config(&config));
                        (Source::Host(Box::new(HostCollectors::new(&exec))), exec)
                    }
                };
                run_link(&config.state, source, exec).await?;
            }
            Command::Link => {
                let exec = Exec::connect(&config.exec_socket);
                run_link(&config.state, Source::Host(Box::new(HostCollectors::new(&exec))), exec).await?;
            }
            Command::Exec => {
                let exec = Exec::start(exec_config(&config));
                let serving = exec.serve(&config.exec_socket)?;
                systemd::ready();
                let mut engine = exec.engine();
                tokio::select! {
                    ended = wait_for_signal() => ended?,
                    () = serving => {}
                    () = systemd::tell_status(&mut engine) => {}
                    () = systemd::watchdog() => {}
                }
                systemd::stopping();
            }
        }
        Ok(())
    }
}

/// The enrolment token on standard input.
fn read_token() -> anyhow::Result<String> {
    let mut token = String::new();
    std::io::stdin().take(16 * 1024).read_to_string(&mut token).context("standard input cannot be read")?;
    Ok(token)
}

fn exec_config(config: &Config) -> ExecConfig {
    ExecConfig {
        policy: config.policy.clone(),
        engine_socket: config.engine_socket.clone(),
        journal: config.state.join("journal"),
    }
}

async fn run_link(state: &Path, source: Source, exec: Exec) -> anyhow::Result<()> {
    let agent = Agent::start(state, source, exec)?;
    systemd::ready();
    let mut status = agent.status();
    tokio::select! {
        ended = wait_for_signal() => ended?,
        () = systemd::tell_status(&mut status) => {}
        () = systemd::watchdog() => {}
    }
    systemd::stopping();
    agent.shutdown().await;
    Ok(())
}

/// Waits for SIGTERM or SIGINT.
async fn wait_for_signal() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    Ok(())
}
