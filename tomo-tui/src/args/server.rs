//! Servers: reaching, adding, changing them.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand, ValueEnum};
use jiff::SignedDuration;
use tomo_proto::model::ssh::InstallRights;

use super::{Consent, name, pair, port};

#[derive(Debug, Subcommand)]
pub(crate) enum ServerCommand {
    /// List servers.
    List {
        /// Part of a name, or a label as key=value.
        query: Option<String>,
        /// What they are ordered by: names from A on, figures from the highest on, states from the worst on.
        #[arg(long, value_name = "COLUMN", default_value = "name")]
        sort: ServerOrder,
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
        /// From when on: a duration back from now (15m, 24h) or a time (RFC 3339) [default: an hour before the end].
        #[arg(long)]
        since: Option<String>,
        /// Up to when, as in --since [default: now].
        #[arg(long)]
        until: Option<String>,
        /// Print means over so much time each, e.g. 30s or 5m, as rows from the oldest on, instead of what the whole range comes to.
        #[arg(long, value_parser = seconds)]
        step: Option<u32>,
        /// What this app's container uses, instead of the host.
        #[arg(long)]
        app: Option<String>,
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
    /// Remove what nothing uses and Tomo made, but for volumes; shows each thing with its size and asks first.
    Prune {
        /// Name or id.
        server: String,
        /// Also what Tomo did not make: images, other people's networks and stopped containers.
        #[arg(long)]
        all: bool,
        /// Also volumes, with what is in them.
        #[arg(long)]
        volumes: bool,
        #[command(flatten)]
        consent: Consent,
    },
    /// Plan to forget a server.
    Remove {
        /// Name or id.
        server: String,
        #[command(flatten)]
        consent: Consent,
    },
}

/// What a list of servers is ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ServerOrder {
    Name,
    Status,
    Cpu,
    Mem,
    Disk,
    Load,
}

/// A span of time in whole seconds.
fn seconds(text: &str) -> Result<u32, String> {
    let span = text.parse::<SignedDuration>().ok();
    let seconds = span.and_then(|span| u32::try_from(span.as_secs()).ok()).filter(|seconds| *seconds > 0);
    seconds.ok_or_else(|| "write it as 30s, 5m or 1h".to_owned())
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
    #[arg(long, default_value_t = tomo_proto::model::ssh::SSH_PORT, value_parser = port)]
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
    /// Enroll an agent that is installed there already anew.
    #[arg(long, requires = "install_agent")]
    pub(crate) again: bool,
    /// Let that agent take newer releases signed with this key over the link, as `tomo release keygen` prints it.
    #[arg(long, value_name = "ed25519:…", requires = "install_agent")]
    pub(crate) update_key: Option<String>,
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
    /// Let that agent take newer releases signed with this key over the link, as `tomo release keygen` prints it.
    #[arg(long, value_name = "ed25519:…", requires = "install_agent")]
    pub(crate) update_key: Option<String>,
    /// Enroll an agent that is installed there already anew; the one before stays good until this one is there.
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
    #[arg(long, value_parser = port)]
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
