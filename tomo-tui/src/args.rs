//! The command line of `tomo`.

use std::path::PathBuf;

use clap::{
    ArgMatches, Args as ClapArgs, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, parser::ValueSource,
};
use tomo_proto::{
    api::check_name,
    model::{
        app::{HealthCheck, PortSpec, RestartPolicy, VolumeSpec},
        settings::SettingChange,
        ssh::InstallRights,
        user::{Role, Scope},
    },
};

use crate::cli::{mcp::McpClient, spec};

/// Heading of the options that every subcommand has.
const CONNECTION: &str = "Connection and output";

/// What stands below every `--help`.
const MORE: &str = "Exit codes: 0 ok, 1 failed, 2 usage, 3 not connected, 4 refused, 5 approval required.\n\
    Changes to what runs are plans: shown first, asked about, then applied. --yes agrees at once, for scripts.\n\
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
    /// Print the overview as lines instead of the full-screen dashboard.
    #[arg(long)]
    pub(crate) plain: bool,
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
    /// Store secrets that app environments name as secret://NAME.
    #[command(subcommand)]
    Secret(SecretCommand),
    /// Seal secrets under a master password, and unlock them.
    #[command(subcommand)]
    Vault(VaultCommand),
    /// Back the daemon up; `tomo-daemon restore` brings a backup back.
    #[command(subcommand)]
    Backup(BackupCommand),
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
pub(crate) enum ServerCommand {
    /// List servers.
    List {
        /// Part of a name, or a label as key=value.
        query: Option<String>,
    },
    /// Show one server.
    Get {
        /// Name or id.
        server: String,
    },
    /// Show series of a server.
    Metrics {
        /// Name or id.
        server: String,
        /// Series, e.g. cpu memory_used load1 net_rx/eth0 [default: cpu memory_used load1].
        metrics: Vec<String>,
        /// From when on: a duration back from now (15m, 24h) or a time (RFC 3339).
        #[arg(long, default_value = "1h")]
        since: String,
    },
    /// Add a server by SSH: shows its host key, asks, signs in, looks around, installs an agent if wanted.
    Add(Box<AddArgs>),
    /// Add the hosts that a file of the SSH client's names; shows them and asks first.
    Import {
        /// The file [default: ~/.ssh/config].
        file: Option<PathBuf>,
        /// Do not ask whether to add them. Each host's key is asked about all the same.
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        credential: CredentialArgs,
    },
    /// Go to a known server by SSH and look around; install its agent if wanted.
    Connect(Box<ConnectArgs>),
    /// Go to a known server by SSH and look around.
    Test {
        /// Name or id.
        server: String,
        #[command(flatten)]
        credential: CredentialArgs,
    },
    /// Change where a server is reached, its host key or its labels.
    Edit(Box<EditArgs>),
    /// Print what is known of a server as JSON, without secrets.
    Export {
        /// Name or id.
        server: String,
    },
    /// Forget the credential that is kept for a server.
    ForgetCredential {
        /// Name or id.
        server: String,
    },
    /// Plan to forget a server.
    Remove {
        /// Name or id.
        server: String,
        #[command(flatten)]
        consent: Consent,
    },
}

/// How somebody proves at a host who they are.
#[derive(Debug, Clone, Default, ClapArgs)]
pub(crate) struct CredentialArgs {
    /// Sign in with this private key; a passphrase is asked for if it has one.
    #[arg(long, value_name = "FILE", group = "proof")]
    pub(crate) key: Option<PathBuf>,
    /// Read the password from standard input instead of asking.
    #[arg(long, group = "proof")]
    pub(crate) password_stdin: bool,
    /// Sign in with the keys of your SSH agent; only on the daemon's own machine.
    #[arg(long, group = "proof")]
    pub(crate) ssh_agent: bool,
    /// Read the key's passphrase from standard input.
    #[arg(long, requires = "key")]
    pub(crate) passphrase_stdin: bool,
    /// Read what sudo asks for from standard input, as the last line; without it that is the password.
    #[arg(long)]
    pub(crate) sudo_password_stdin: bool,
}

/// Which keys are the right ones, and what lies in between.
#[derive(Debug, Clone, Default, ClapArgs)]
pub(crate) struct HostArgs {
    /// The host's key, as `ssh-keygen -l` prints it: then nobody is asked.
    #[arg(long, value_name = "SHA256:…")]
    pub(crate) host_key: Option<String>,
    /// Go through this host, which takes the same credential.
    #[arg(long, value_name = "USER@HOST[:PORT]")]
    pub(crate) jump: Option<Place>,
    /// The key of the host in between.
    #[arg(long, value_name = "SHA256:…", requires = "jump")]
    pub(crate) jump_host_key: Option<String>,
}

/// A user at a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) user: String,
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl std::str::FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "write it as USER@HOST or USER@HOST:PORT".to_owned();
        let (user, rest) = text.rsplit_once('@').ok_or_else(wrong)?;
        let (host, port) = match rest.rsplit_once(':') {
            // An address of version 6 stands in brackets if a port follows.
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
                (host, port.parse().map_err(|_| wrong())?)
            }
            _ => (rest, tomo_proto::model::ssh::SSH_PORT),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if user.is_empty() || host.is_empty() || port == 0 {
            return Err(wrong());
        }
        Ok(Self { user: user.to_owned(), host: host.to_owned(), port })
    }
}

#[derive(Debug, ClapArgs)]
#[command(override_usage = "tomo server add [OPTIONS] <NAME> --host <HOST>\n       --user <USER>")]
pub(crate) struct AddArgs {
    /// What the server shall be called, e.g. web-1.
    #[arg(value_parser = name)]
    pub(crate) name: String,
    /// Host name or address.
    #[arg(long)]
    pub(crate) host: String,
    /// User there.
    #[arg(long)]
    pub(crate) user: String,
    /// Port of SSH there.
    #[arg(long, default_value_t = tomo_proto::model::ssh::SSH_PORT)]
    pub(crate) port: u16,
    #[command(flatten)]
    pub(crate) place: HostArgs,
    #[command(flatten)]
    pub(crate) credential: CredentialArgs,
    /// Label of the new server; may be given several times.
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) labels: Vec<(String, String)>,
    /// Install an agent, whose policy file allows so much: metrics, containers or deploys.
    #[arg(long, value_name = "RIGHTS")]
    pub(crate) install_agent: Option<InstallRights>,
    /// Keep the credential, sealed, although an agent is there. Without an agent it is kept.
    #[arg(long)]
    pub(crate) keep_credential: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ConnectArgs {
    /// Name or id.
    pub(crate) server: String,
    /// The host's key, if none is pinned yet: then nobody is asked.
    #[arg(long, value_name = "SHA256:…")]
    pub(crate) host_key: Option<String>,
    #[command(flatten)]
    pub(crate) credential: CredentialArgs,
    /// Install an agent, whose policy file allows so much: metrics, containers or deploys.
    #[arg(long, value_name = "RIGHTS")]
    pub(crate) install_agent: Option<InstallRights>,
    /// Enroll an agent that is installed there already anew.
    #[arg(long, requires = "install_agent")]
    pub(crate) again: bool,
    /// Keep the credential, sealed.
    #[arg(long)]
    pub(crate) keep_credential: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct EditArgs {
    /// Name or id.
    pub(crate) server: String,
    /// Host name or address.
    #[arg(long)]
    pub(crate) host: Option<String>,
    /// User there.
    #[arg(long)]
    pub(crate) user: Option<String>,
    /// Port of SSH there.
    #[arg(long)]
    pub(crate) port: Option<u16>,
    #[command(flatten)]
    pub(crate) place: HostArgs,
    /// Go through no other host any more.
    #[arg(long, conflicts_with = "jump")]
    pub(crate) direct: bool,
    /// Label; replaces all labels; may be given several times.
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) labels: Vec<(String, String)>,
    /// Take all labels away.
    #[arg(long, conflicts_with = "labels")]
    pub(crate) no_labels: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AgentCommand {
    /// List agents.
    List,
    /// Make a one-time token that enrolls an agent.
    Token {
        /// What the server shall be called, e.g. web-1.
        #[arg(value_parser = name)]
        server: String,
        /// Label of the new server; may be given several times.
        #[arg(long = "label", value_name = "KEY=VALUE", value_parser = pair)]
        labels: Vec<(String, String)>,
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

/// How a change that is a plan is agreed to.
#[derive(Debug, ClapArgs)]
pub(crate) struct Consent {
    /// Why, for the audit.
    #[arg(long)]
    pub(crate) reason: Option<String>,
    /// Agree at once, without asking; a plan that cannot be undone needs --name instead.
    #[arg(long)]
    pub(crate) yes: bool,
    /// The target's name, which agrees to a plan that cannot be undone.
    #[arg(long)]
    pub(crate) name: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AppCommand {
    /// List apps.
    List,
    /// Show one app.
    Get {
        /// Name, server/name or id.
        app: String,
    },
    /// Show an app's log.
    Logs {
        /// Name, server/name or id.
        app: String,
        /// Go on with new lines as they come, until Ctrl-C.
        #[arg(short, long)]
        follow: bool,
        /// How many of the newest lines to begin with.
        #[arg(long, default_value_t = 100)]
        tail: u32,
        /// Only lines that contain this text.
        #[arg(long)]
        grep: Option<String>,
    },
    /// Start an app.
    Start(Operate),
    /// Stop an app.
    Stop(Operate),
    /// Restart an app.
    Restart(Operate),
    /// Deploy an app: shows the plan, asks, applies, waits.
    Deploy(Deploy),
    /// Remove an app.
    Remove {
        /// Name, server/name or id.
        app: String,
        /// Also delete its named volumes.
        #[arg(long)]
        volumes: bool,
        #[command(flatten)]
        consent: Consent,
    },
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Operate {
    /// Name, server/name or id.
    pub(crate) app: String,
    /// Why, for the audit.
    #[arg(long)]
    pub(crate) reason: Option<String>,
}

#[derive(Debug, ClapArgs)]
// The generated one is a line that is wider than terminals are.
#[command(
    override_usage = "tomo app deploy [OPTIONS] <APP> --server <SERVER>\n       --image <IMAGE> [-- <COMMAND>...]"
)]
pub(crate) struct Deploy {
    /// Name of the app; new, or the one to update.
    #[arg(value_parser = name)]
    pub(crate) app: String,
    /// Server it runs on.
    #[arg(long)]
    pub(crate) server: String,
    /// Image with its tag, e.g. nginx:1.27.
    #[arg(long)]
    pub(crate) image: String,
    /// Publish a port: HOST:CONTAINER, 127.0.0.1:HOST:CONTAINER or HOST:CONTAINER/udp; may be given several times.
    #[arg(short, long = "port", value_name = "PORT", value_parser = spec::port)]
    pub(crate) ports: Vec<PortSpec>,
    /// Set a variable: KEY=VALUE, or KEY=secret://NAME for a stored secret; may be given several times.
    #[arg(short, long = "env", value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) env: Vec<(String, String)>,
    /// Mount a volume (NAME:TARGET) or a folder of the host (/PATH:TARGET), with :ro to only read; may be given several times.
    #[arg(short, long = "volume", value_name = "VOLUME", value_parser = spec::volume)]
    pub(crate) volumes: Vec<VolumeSpec>,
    /// When the engine restarts it: unless-stopped, always, on-failure or no.
    #[arg(long, default_value = "unless-stopped")]
    pub(crate) restart: RestartPolicy,
    /// Memory limit, e.g. 256M or 1G.
    #[arg(long, value_parser = spec::size)]
    pub(crate) memory: Option<u64>,
    /// How to tell that it works, on the container's own port: http:PORT/PATH or tcp:PORT.
    #[arg(long, value_parser = spec::health)]
    pub(crate) health: Option<HealthCheck>,
    #[command(flatten)]
    pub(crate) consent: Consent,
    /// Command to run instead of the image's, after --.
    #[arg(last = true)]
    pub(crate) command: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PlanCommand {
    /// List plans.
    List,
    /// Show one plan.
    Get {
        /// Id of the plan, plan-….
        plan: String,
    },
    /// Agree to a plan; shows it and asks first.
    Approve {
        /// Id of the plan, plan-….
        plan: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
        /// The target's name, which agrees to a plan that cannot be undone.
        #[arg(long)]
        name: Option<String>,
    },
    /// Say no to a plan.
    Deny {
        /// Id of the plan, plan-….
        plan: String,
        /// Why, for the audit.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Carry an approved plan out and wait.
    Apply {
        /// Id of the plan, plan-….
        plan: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum OperationCommand {
    /// List operations.
    List,
    /// Show one operation with its log.
    Get {
        /// Id of the operation, op-….
        operation: String,
    },
    /// Stop an operation; what it did is undone.
    Cancel {
        /// Id of the operation, op-….
        operation: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Who did or tried what.
    Search {
        /// Only rows whose actor contains this, e.g. user:ana.
        #[arg(long)]
        actor: Option<String>,
        /// Only rows whose action contains this, e.g. app_deploy.
        #[arg(long)]
        action: Option<String>,
        /// How many rows, newest first.
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Check the hash chain from the first row.
    Verify,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SettingsCommand {
    /// Show the settings.
    Get,
    /// Plan to change settings, NAME=VALUE each.
    Set {
        /// Setting and new value as NAME=VALUE; `tomo settings get` lists them.
        #[arg(required = true, value_name = "NAME=VALUE", value_parser = setting)]
        changes: Vec<SettingChange>,
        #[command(flatten)]
        consent: Consent,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// List people.
    List,
    /// Make an account; the password is asked for, or comes on standard input.
    Create {
        /// Login name.
        #[arg(value_parser = name)]
        user: String,
        /// viewer, operator, deployer or admin.
        #[arg(long, default_value = "viewer")]
        role: Role,
        /// Read the password from standard input instead of asking.
        #[arg(long)]
        password_stdin: bool,
    },
    /// Change a person's role.
    Role {
        /// Login name.
        user: String,
        /// viewer, operator, deployer or admin.
        role: Role,
    },
    /// Delete an account; asks first.
    Delete {
        /// Login name.
        user: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Change your own password; both are asked for, or come on standard input, one a line.
    Password,
    /// List your logins; an admin sees everybody's.
    Sessions,
    /// End a login.
    EndSession {
        /// Id, ses-...
        session: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// List API tokens.
    List,
    /// Make an API token; it is shown once.
    Create {
        /// What to call it.
        #[arg(value_parser = name)]
        name: String,
        /// What it may do: read, audit, operate, plan or deploy; may be given several times.
        #[arg(long = "scope")]
        scopes: Vec<Scope>,
        /// What it is for, instead of --scope: ai may read, audit and plan.
        #[arg(long = "for")]
        preset: Option<Preset>,
        /// Days until it ends [default: 90].
        #[arg(long)]
        days: Option<u32>,
        /// Only this server, by name; may be given several times.
        #[arg(long = "server")]
        servers: Vec<String>,
    },
    /// Revoke an API token.
    Revoke {
        /// Name or id.
        // Not `token`: that is the global option's name.
        #[arg(value_name = "TOKEN")]
        name: String,
    },
}

/// Scopes that fit a use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Preset {
    /// An AI tool.
    Ai,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SecretCommand {
    /// Names of the secrets.
    List,
    /// Store a secret; its value is asked for, or comes on standard input.
    Set {
        /// Name.
        #[arg(value_parser = name)]
        name: String,
    },
    /// Delete a secret; asks first.
    Delete {
        /// Name.
        name: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum BackupCommand {
    /// List the backups that were restored for a test.
    List,
    /// Make a backup, encrypted, while the daemon serves, and restore it for a test.
    Create,
    /// Restore a backup for a test again.
    Verify {
        /// Number of the backup.
        number: u64,
        /// Ask for the master password of its time (or read it from standard input): for a data key that was rotated since.
        #[arg(long)]
        ask_password: bool,
    },
}

#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum VaultCommand {
    /// Whether secrets can be used, and under which key they lie.
    Status,
    /// Set a master password: from then on the vault is sealed whenever the daemon starts. Nobody can recover the password.
    Init,
    /// Give the master password, so that secrets can be used.
    Unlock,
    /// Seal the vault again: what needs a secret waits, everything else goes on.
    Lock,
    /// Change the master password. On standard input: the old one, then the new one, a line each.
    ChangePassword,
    /// Make a new data key and seal every secret under it.
    Rotate,
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
