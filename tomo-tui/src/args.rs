//! The command line of `tomo`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};
use tomo_proto::model::{
    app::RestartPolicy,
    user::{Role, Scope},
};

/// Manages servers and their containers. Without a subcommand: the dashboard.
#[derive(Debug, Parser)]
#[command(name = "tomo", version)]
pub(crate) struct Args {
    /// Daemon: http(s)://host:port or unix:/path [default: the last login, or a running `tomo local`, or the local socket].
    #[arg(long, global = true, env = "TOMO_URL")]
    pub(crate) url: Option<String>,
    /// API token instead of the saved login.
    #[arg(long, global = true, env = "TOMO_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// Profile whose login is used.
    #[arg(long, global = true, env = "TOMO_PROFILE", default_value = "default")]
    pub(crate) profile: String,
    /// Print JSON instead of text.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Refuse every change in the dashboard.
    #[arg(long)]
    pub(crate) read_only: bool,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Daemon, agent and dashboard in one process: shows this machine.
    Local {
        /// Print one line of JSON and serve until Ctrl-C, without a dashboard.
        #[arg(long)]
        headless: bool,
        /// Data folder.
        #[arg(long)]
        data: Option<PathBuf>,
        /// TCP and UDP port on loopback; 0 for a free one.
        #[arg(long, default_value_t = 0)]
        port: u16,
        /// Add made-up servers.
        #[arg(long, default_value_t = 0, value_name = "N")]
        demo: usize,
    },
    /// Sign in.
    Login {
        /// Login name; asked for otherwise.
        #[arg(long)]
        user: Option<String>,
        /// Read the password from standard input.
        #[arg(long)]
        password_stdin: bool,
    },
    /// End the saved login.
    Logout,
    /// Say who you are.
    Whoami,
    /// The fleet in a few lines.
    Overview,
    /// Servers.
    #[command(subcommand)]
    Server(ServerCommand),
    /// Agents.
    #[command(subcommand)]
    Agent(AgentCommand),
    /// Apps.
    #[command(subcommand)]
    App(Box<AppCommand>),
    /// Plans.
    #[command(subcommand)]
    Plan(PlanCommand),
    /// Operations.
    #[command(subcommand)]
    Operation(OperationCommand),
    /// The audit trail.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Settings.
    #[command(subcommand)]
    Settings(SettingsCommand),
    /// People.
    #[command(subcommand)]
    User(UserCommand),
    /// API tokens.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Secrets that app environments name as secret://NAME.
    #[command(subcommand)]
    Secret(SecretCommand),
    /// Entry for an AI tool's configuration.
    Mcp {
        #[command(subcommand)]
        command: McpCommand,
    },
    /// Shell completions.
    Completions {
        /// Shell.
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
        /// Series, e.g. cpu memory_used net_rx.
        metrics: Vec<String>,
        /// Duration back from now, or RFC 3339.
        #[arg(long, default_value = "1h")]
        since: String,
    },
    /// Plan to forget a server.
    Remove {
        /// Name or id.
        server: String,
        #[command(flatten)]
        consent: Consent,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum AgentCommand {
    /// List agents.
    List,
    /// Make a one-time token that enrolls an agent.
    Token {
        /// Name of the server.
        server: String,
        /// Labels of a new server, key=value.
        #[arg(long = "label")]
        labels: Vec<String>,
    },
    /// Shut an agent out for good.
    Revoke {
        /// Server name or agent id.
        agent: String,
        /// Why.
        #[arg(long)]
        reason: Option<String>,
    },
}

/// How a change that is a plan is agreed to.
#[derive(Debug, ClapArgs)]
pub(crate) struct Consent {
    /// Why.
    #[arg(long)]
    pub(crate) reason: Option<String>,
    /// Approve and apply at once, without asking.
    #[arg(long)]
    pub(crate) yes: bool,
    /// The target's name, for plans that cannot be undone.
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
        /// Go on with new lines.
        #[arg(short, long)]
        follow: bool,
        /// Newest lines to begin with.
        #[arg(long, default_value_t = 100)]
        tail: u32,
        /// Only lines with this text.
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
    /// Why.
    #[arg(long)]
    pub(crate) reason: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Deploy {
    /// Name of the app; new, or the one to update.
    pub(crate) app: String,
    /// Server it runs on.
    #[arg(long)]
    pub(crate) server: String,
    /// Image with tag.
    #[arg(long)]
    pub(crate) image: String,
    /// HOST:CONTAINER, with /udp and a leading 127.0.0.1: where wanted.
    #[arg(short, long = "port")]
    pub(crate) ports: Vec<String>,
    /// KEY=VALUE; a secret's value is secret://NAME.
    #[arg(short, long = "env")]
    pub(crate) env: Vec<String>,
    /// SOURCE:TARGET with :ro where wanted.
    #[arg(short, long = "volume")]
    pub(crate) volumes: Vec<String>,
    /// unless-stopped, always, on-failure or no.
    #[arg(long, default_value = "unless-stopped")]
    pub(crate) restart: RestartPolicy,
    /// Memory limit, e.g. 256M or 1G.
    #[arg(long)]
    pub(crate) memory: Option<String>,
    /// http:PORT/PATH or tcp:PORT.
    #[arg(long)]
    pub(crate) health: Option<String>,
    #[command(flatten)]
    pub(crate) consent: Consent,
    /// Command instead of the image's, after --.
    #[arg(last = true)]
    pub(crate) command: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PlanCommand {
    /// List plans.
    List,
    /// Show one plan.
    Get {
        /// Id.
        plan: String,
    },
    /// Agree to a plan; shows it and asks first.
    Approve {
        /// Id.
        plan: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
        /// The target's name, for plans that cannot be undone.
        #[arg(long)]
        name: Option<String>,
    },
    /// Say no to a plan.
    Deny {
        /// Id.
        plan: String,
        /// Why.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Carry an approved plan out and wait.
    Apply {
        /// Id.
        plan: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum OperationCommand {
    /// List operations.
    List,
    /// Show one operation with its log.
    Get {
        /// Id.
        operation: String,
    },
    /// Stop an operation; what it did is undone.
    Cancel {
        /// Id.
        operation: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Who did or tried what.
    Search {
        /// Part of who.
        #[arg(long)]
        actor: Option<String>,
        /// Part of what.
        #[arg(long)]
        action: Option<String>,
        /// Rows.
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
        /// NAME=VALUE.
        #[arg(required = true)]
        changes: Vec<String>,
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
        user: String,
        /// viewer, operator, deployer or admin.
        #[arg(long, default_value = "viewer")]
        role: Role,
    },
    /// Change a person's role.
    Role {
        /// Login name.
        user: String,
        /// viewer, operator, deployer or admin.
        role: Role,
    },
    /// Delete an account.
    Delete {
        /// Login name.
        user: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// List API tokens.
    List,
    /// Make an API token; it is shown once.
    Create {
        /// What to call it.
        name: String,
        /// read, audit, operate, plan, deploy.
        #[arg(long = "scope")]
        scopes: Vec<Scope>,
        /// For an AI tool: read, audit, plan.
        #[arg(long = "for", value_name = "ai")]
        preset: Option<String>,
        /// Days until it ends.
        #[arg(long)]
        days: Option<u32>,
        /// Only these servers.
        #[arg(long = "server")]
        servers: Vec<String>,
    },
    /// Revoke an API token.
    Revoke {
        /// Name or id.
        token: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum SecretCommand {
    /// Names of the secrets.
    List,
    /// Store a secret; its value is asked for, or comes on standard input.
    Set {
        /// Name.
        name: String,
    },
    /// Delete a secret.
    Delete {
        /// Name.
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum McpCommand {
    /// Print the entry for a client: claude, cursor, vscode, codex or gemini.
    Config {
        /// Client.
        client: String,
    },
}
