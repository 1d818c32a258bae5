//! The command line of `tomo`.

mod app;
mod catalog;
mod change;
mod container;
mod daemon;
mod people;
mod server;
mod volume;

use std::path::PathBuf;

use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, parser::ValueSource};
use tomo_proto::{
    api::check_name,
    model::{release::Version, settings::SettingChange},
};

use crate::cli::mcp::McpClient;
pub(crate) use app::{AppCommand, ComposeFile, Deploy, Import};
pub(crate) use catalog::CatalogCommand;
pub(crate) use change::{Consent, OperationCommand, PlanCommand};
pub(crate) use container::{ContainerCommand, ImageCommand, NetworkCommand, OneContainer};
pub(crate) use daemon::{AuditCommand, BackupCommand, SettingsCommand, VaultCommand};
pub(crate) use people::{KeyCommand, Preset, RegistryCommand, SecretCommand, TokenCommand, UserCommand};
pub(crate) use server::{AddArgs, ConnectArgs, CredentialArgs, EditArgs, HostArgs, Place, ServerCommand, ServerOrder};
pub(crate) use volume::VolumeCommand;

/// Heading of the options that every subcommand has.
const CONNECTION: &str = "Connection and output";

/// What stands below every `--help`.
const MORE: &str = "Exit codes: 0 ok, 1 failed, 2 usage, 3 not connected, 4 refused, 5 approval required.\n\
    What is made, changed or removed is a plan: shown first, asked about, then applied; --yes agrees at once, for scripts.\n\
    Starting, stopping and restarting are done at once.\n\
    TOMO_LOG sets what `tomo local` logs, e.g. debug.";

/// Profile that is used where none is named.
pub(crate) const DEFAULT_PROFILE: &str = "default";

/// Manages servers and their containers. Without a subcommand: the full-screen dashboard.
#[derive(Debug, Parser)]
#[command(name = "tomo", version, after_help = MORE)]
pub(crate) struct Args {
    /// Where the daemon is: http(s)://host:port or unix:/path [default: the saved login's, or a running `tomo local`, or
    /// /run/tomo/tomo.sock].
    #[arg(long, global = true, env = "TOMO_URL", hide_env_values = true, help_heading = CONNECTION)]
    pub(crate) url: Option<String>,
    /// API token to use instead of the saved login; the environment keeps it out of the process list.
    #[arg(long, global = true, env = "TOMO_TOKEN", hide_env_values = true, help_heading = CONNECTION)]
    pub(crate) token: Option<String>,
    /// SHA-256 of the daemon's certificate, as the daemon logs it at its start [default: what the saved login has pinned].
    #[arg(
        long, global = true, env = "TOMO_FINGERPRINT", hide_env_values = true, value_name = "HEX", value_parser = fingerprint,
        help_heading = CONNECTION
    )]
    pub(crate) fingerprint: Option<String>,
    /// Name of the saved login to use, for people who manage several daemons.
    #[arg(
        long, global = true, env = "TOMO_PROFILE", hide_env_values = true, default_value = DEFAULT_PROFILE, value_name = "NAME",
        value_parser = name, help_heading = CONNECTION
    )]
    pub(crate) profile: String,
    /// Print JSON instead of tables and sentences.
    #[arg(long, global = true, help_heading = CONNECTION)]
    pub(crate) json: bool,
    /// Show the dashboard with every change switched off.
    #[arg(long)]
    pub(crate) read_only: bool,
    /// Characters that the dashboard draws with: braille, block or ascii [default: what the terminal can show].
    #[arg(long)]
    pub(crate) glyphs: Option<Glyphs>,
    /// File of the dashboard's keys and theme [default: $XDG_CONFIG_HOME/tomo/tomo.toml or ~/.config/tomo/tomo.toml].
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print the overview as lines instead of the full-screen dashboard.
    #[arg(long)]
    pub(crate) plain: bool,
    /// Show the dashboard to somebody else than this machine's user: no file of this machine is within its reach. How a daemon starts
    /// it for whoever comes by SSH.
    #[arg(long, hide = true)]
    pub(crate) hosted: bool,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

impl Args {
    /// Reads the command line; what leads the next command to the same daemon, as it was given there, comes with it.
    ///
    /// # Errors
    /// It is not understood, or asks for help.
    pub(crate) fn read() -> Result<(Self, String), clap::Error> {
        let matches = Self::command().try_get_matches()?;
        Ok((Self::from_arg_matches(&matches)?, same_daemon(&matches)))
    }
}

/// The options that choose the daemon and the login, with a blank before each. Not the token: it is a secret, and what is
/// proposed next is mostly for a person. What stands in the environment stays there.
fn same_daemon(matches: &ArgMatches) -> String {
    let given = |name: &str| {
        let typed = matches.value_source(name) == Some(ValueSource::CommandLine);
        let value = matches.get_one::<String>(name).filter(|_| typed)?;
        Some(format!(" --{name} {}", quoted(value)))
    };
    ["url", "profile", "fingerprint"].into_iter().filter_map(given).collect()
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |one: char| one.is_ascii_alphanumeric() || "-_./:@%+=,".contains(one);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

fn name(text: &str) -> Result<String, String> {
    check_name(text).map(|()| text.to_owned())
}

fn fingerprint(text: &str) -> Result<String, String> {
    let hex: String = text.chars().filter(|one| *one != ':').map(|one| one.to_ascii_lowercase()).collect();
    let fits = hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    if fits { Ok(hex) } else { Err("a fingerprint has 64 hex digits".to_owned()) }
}

fn port(text: &str) -> Result<u16, String> {
    text.parse().ok().filter(|port| *port > 0).ok_or_else(|| "a port is a number from 1 to 65535".to_owned())
}

/// How many rows or lines.
fn count(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| "write how many, as a number, e.g. 100".to_owned())
}

/// `KEY=VALUE`.
fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write it as KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

fn setting(text: &str) -> Result<SettingChange, String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    Ok(SettingChange { name: name.to_owned(), value: value.to_owned() })
}

/// Characters that charts and symbols are drawn with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Glyphs {
    /// Eight dots to a cell.
    Braille,
    /// Blocks, for fonts without braille.
    Block,
    /// Nothing beyond ASCII.
    Ascii,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run daemon, agent and dashboard in one process: shows this machine, needs no setup.
    Local {
        /// No dashboard: print one line of JSON (url, socket, token) and serve until Ctrl-C.
        #[arg(long)]
        headless: bool,
        /// Folder of the store, keys and policy file [default: $XDG_DATA_HOME/tomo/local or ~/.local/share/tomo/local].
        #[arg(long, value_name = "FOLDER")]
        data: Option<PathBuf>,
        /// TCP and UDP port to listen on, on loopback; 0 takes a free one.
        #[arg(long, default_value_t = 0)]
        port: u16,
        /// Add N made-up servers (at most 200) with plausible figures, to see a fleet.
        #[arg(long, default_value_t = 0, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=200))]
        demo: u16,
    },
    /// Sign in to a daemon and remember the login; asks about the daemon's certificate at the first time.
    Login {
        /// Login name; asked for if not given.
        #[arg(long)]
        user: Option<String>,
        /// Read the password from standard input instead of asking.
        #[arg(long)]
        password_stdin: bool,
    },
    /// End the saved login and forget it.
    Logout,
    /// Say who you are and what you may do.
    Whoami,
    /// Print the fleet in a few lines: counts, problems, plans that wait.
    Overview,
    /// Add servers, look at them and their figures, forget one.
    #[command(subcommand)]
    Server(ServerCommand),
    /// List agents, let a server in, shut one out.
    #[command(subcommand)]
    Agent(AgentCommand),
    /// Deploy, look at, operate and remove apps.
    #[command(subcommand)]
    App(Box<AppCommand>),
    /// Look for apps that are ready to be deployed; check templates of your own.
    #[command(subcommand)]
    Catalog(CatalogCommand),
    /// List a server's containers, whoever made them; look at, follow and operate those that are no app's.
    #[command(subcommand)]
    Container(ContainerCommand),
    /// List, pull and remove images of a server.
    #[command(subcommand)]
    Image(ImageCommand),
    /// List, make and remove volumes of a server; back them up, restore them, prove that they restore.
    #[command(subcommand)]
    Volume(VolumeCommand),
    /// List, make and remove networks of a server.
    #[command(subcommand)]
    Network(NetworkCommand),
    /// Look at, approve, deny and apply plans.
    #[command(subcommand)]
    Plan(PlanCommand),
    /// Look at what is under way or done; cancel it.
    #[command(subcommand)]
    Operation(OperationCommand),
    /// Search the audit trail, check that nobody changed it.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Look at and change the daemon's settings.
    #[command(subcommand)]
    Settings(SettingsCommand),
    /// Manage people's accounts.
    #[command(subcommand)]
    User(UserCommand),
    /// Make, list and revoke API tokens for programs and AI tools.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Public keys that open the dashboard over SSH, where the daemon shows it.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Store secrets that app environments name as secret://NAME.
    #[command(subcommand)]
    Secret(SecretCommand),
    /// Sign in at the registries of private images.
    #[command(subcommand)]
    Registry(RegistryCommand),
    /// Seal secrets under a master password, and unlock them.
    #[command(subcommand)]
    Vault(VaultCommand),
    /// Back the daemon up; `tomo-daemon restore` brings a backup back.
    #[command(subcommand)]
    Backup(BackupCommand),
    /// Sign releases of the agent for servers whose policy names your key. Needs no daemon.
    #[command(subcommand)]
    Release(ReleaseCommand),
    /// Check the dashboard's file of keys and theme, list what may stand in it. Needs no daemon.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Serve MCP on standard input and output for an AI tool, with an API token (--token, TOMO_TOKEN or --token-file).
    Mcp {
        /// File that holds the API token, instead of --token or TOMO_TOKEN.
        #[arg(long, value_name = "FILE")]
        token_file: Option<PathBuf>,
        #[command(subcommand)]
        command: Option<McpCommand>,
    },
    /// Print a completion script for a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum AgentCommand {
    /// List agents.
    List {
        /// Also those that were shut out.
        #[arg(long)]
        all: bool,
    },
    /// Make a one-time token that enrolls an agent.
    Token {
        /// What the server shall be called, e.g. web-1.
        #[arg(value_parser = name)]
        server: String,
        /// Label of the new server; may be given several times.
        #[arg(long = "label", value_name = "KEY=VALUE", value_parser = pair)]
        labels: Vec<(String, String)>,
    },
    /// Put a newer agent on servers, over the link, one after another: each host checks who signed it, tries it out, and puts the old
    /// one back unless the new one connects. The first that does not take it ends the round.
    Update {
        /// Servers by name or id.
        #[arg(required = true)]
        servers: Vec<String>,
        /// The program, signed by `tomo release sign` [default: the newest that the daemon has and the server takes].
        #[arg(long, value_name = "AGENT")]
        file: Option<PathBuf>,
        /// File of its signature [default: the one beside it, AGENT.sig].
        #[arg(long, value_name = "FILE", requires = "file")]
        signature: Option<PathBuf>,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// List the releases of the agent that the daemon can put on servers.
    Releases,
    /// Take a release away from the daemon, such as one that turned out broken; asks first.
    ForgetRelease {
        /// Its version.
        version: Version,
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
    },
    /// Shut an agent out for good; asks first.
    Revoke {
        /// Server name or agent id.
        agent: String,
        /// Why, for the audit.
        #[arg(long)]
        reason: Option<String>,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ReleaseCommand {
    /// Make a release key: the private half goes to a file, the line for the servers' policy files is printed.
    Keygen {
        /// File of the private half; keep it off the daemon's machine.
        file: PathBuf,
    },
    /// Sign an agent: writes FILE.sig beside it.
    Sign {
        /// The program, e.g. target/agent/tomo-agent.
        file: PathBuf,
        /// File of the private half of the key.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// Its version, if it cannot be asked since it does not run on this machine.
        #[arg(long = "as", value_name = "VERSION")]
        version: Option<Version>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Say what is wrong in it, with lines; exits with 1 if anything is.
    Check {
        /// The file [default: $XDG_CONFIG_HOME/tomo/tomo.toml or ~/.config/tomo/tomo.toml].
        file: Option<PathBuf>,
    },
    /// Print its JSON schema, for editors.
    Schema,
    /// Print every action with its name and its built-in keys.
    Keys,
}

#[derive(Debug, Subcommand)]
pub(crate) enum McpCommand {
    /// Print the entry for an AI tool's configuration.
    Config {
        /// Which AI tool the entry is for.
        client: McpClient,
        /// Let the tool start `tomo mcp` instead of connecting over HTTP.
        #[arg(long)]
        stdio: bool,
    },
}
