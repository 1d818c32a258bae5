//! Apps.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};
use tomo_proto::model::{
    app::{HealthCheck, PortSpec, RestartPolicy, VolumeSpec},
    spec::check_image,
};

use super::{Consent, count, name, pair};
use crate::cli::spec;

fn image(text: &str) -> Result<String, String> {
    check_image(text).map(|()| text.to_owned())
}

#[derive(Debug, Subcommand)]
pub(crate) enum AppCommand {
    /// List apps.
    List,
    /// Show one app.
    Get {
        /// Name, server/name or id.
        app: String,
        /// Ask the registry now whether it has another image under that name.
        #[arg(long)]
        check_image: bool,
    },
    /// Say why an app does not work: causes, what speaks for each, and the next step.
    Diagnose {
        /// Name, server/name or id; or server/container for one that is no app's.
        app: String,
    },
    /// Show an app's log.
    Logs {
        /// Name, server/name or id.
        app: String,
        #[command(flatten)]
        log: LogArgs,
    },
    /// Open a terminal into an app's container, if its server's policy has terminals; `~.` at the beginning of a line leaves it.
    Shell {
        /// Name, server/name or id.
        app: String,
        /// Program to run there instead of a shell, after --. Its exit code is that of this command.
        #[arg(last = true)]
        program: Vec<String>,
    },
    /// Start an app.
    Start(Operate),
    /// Stop an app.
    Stop(Operate),
    /// Restart an app.
    Restart(Operate),
    /// Deploy an app: shows the plan, asks, applies, waits.
    Deploy(Box<Deploy>),
    /// Deploy an app as it is with another image, or with the one of that name that was pulled since: shows the plan, asks, applies, waits.
    Update {
        /// Name, server/name or id.
        app: String,
        /// Image to run from now on, with its tag.
        #[arg(long, value_parser = image)]
        image: Option<String>,
        /// Which container of an app of several runs it; the app's own without.
        #[arg(long, requires = "image")]
        service: Option<String>,
        #[command(flatten)]
        consent: Consent,
    },
    /// Deploy a compose file as one app: shows the plan, asks, applies, waits.
    Import(Box<Import>),
    /// Print an app as a compose file.
    Export {
        /// Name, server/name or id.
        app: String,
    },
    /// Go back to what an app ran before: shows the plan, asks, applies, waits.
    Rollback {
        /// Name, server/name or id.
        app: String,
        /// Revision to go back to, rev-… as `tomo app get` shows it; the one before without.
        #[arg(long, value_name = "REVISION")]
        to: Option<String>,
        #[command(flatten)]
        consent: Consent,
    },
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

/// Which lines of a log.
#[derive(Debug, ClapArgs)]
pub(crate) struct LogArgs {
    /// Go on with new lines as they come, until Ctrl-C.
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// How many of the newest lines to begin with.
    #[arg(long, default_value_t = 100, value_parser = count)]
    pub(crate) tail: u32,
    /// Only lines from then on: a duration back from now (10m) or a time (RFC 3339).
    #[arg(long)]
    pub(crate) since: Option<String>,
    /// Only lines that contain this text.
    #[arg(long)]
    pub(crate) grep: Option<String>,
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
    override_usage = "tomo app deploy [OPTIONS] <APP> --server <SERVER>\n         --image <IMAGE> [-- <COMMAND>...]\n       \
                      tomo app deploy <APP> --server <SERVER>\n         --template <ID> [--set <KEY=VALUE>]..."
)]
pub(crate) struct Deploy {
    /// Name of the app; new, or the one to update.
    #[arg(value_parser = name)]
    pub(crate) app: String,
    /// Server it runs on.
    #[arg(long)]
    pub(crate) server: String,
    /// Image with its tag, e.g. nginx:1.27.
    #[arg(long, value_parser = image, required_unless_present = "template")]
    pub(crate) image: Option<String>,
    /// Template of the catalog instead of an image and its options; what it has to know is asked for.
    #[arg(
        long, value_name = "ID",
        conflicts_with_all = [
            "image", "ports", "env", "volumes", "files", "restart", "memory", "cpus", "user", "labels", "capabilities", "health", "command"
        ]
    )]
    pub(crate) template: Option<String>,
    /// Answer a question of the template: KEY=VALUE; may be given several times. A secret's value is secret://NAME.
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair, requires = "template")]
    pub(crate) set: Vec<(String, String)>,
    /// Publish a port: HOST:CONTAINER, or CONTAINER alone for a free port of the host; with 127.0.0.1: before it or /udp after it
    /// where wanted; may be given several times.
    #[arg(short, long = "port", value_name = "PORT", value_parser = spec::port)]
    pub(crate) ports: Vec<PortSpec>,
    /// Set a variable: KEY=VALUE, or KEY=secret://NAME for a stored secret; may be given several times.
    #[arg(short, long = "env", value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) env: Vec<(String, String)>,
    /// Mount a volume (NAME:TARGET) or a folder of the host (/PATH:TARGET), with :ro to only read; may be given several times.
    #[arg(short, long = "volume", value_name = "VOLUME", value_parser = spec::volume)]
    pub(crate) volumes: Vec<VolumeSpec>,
    /// Put a file into the container: PATH=@FILE from here, or PATH=secret://NAME for a stored secret; may be given several times.
    #[arg(long = "file", value_name = "PATH=CONTENTS", value_parser = spec::file)]
    pub(crate) files: Vec<(String, String)>,
    /// When the engine restarts it: unless-stopped, always, on-failure or no.
    #[arg(long, default_value = "unless-stopped")]
    pub(crate) restart: RestartPolicy,
    /// Memory limit, e.g. 256M or 1G.
    #[arg(long, value_parser = tomo_proto::text::size)]
    pub(crate) memory: Option<u64>,
    /// CPU limit in cores, e.g. 0.5.
    #[arg(long, value_parser = spec::cpus)]
    pub(crate) cpus: Option<u32>,
    /// User inside the container: a name or number, or USER:GROUP.
    #[arg(long)]
    pub(crate) user: Option<String>,
    /// Label of the container: KEY=VALUE; may be given several times.
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) labels: Vec<(String, String)>,
    /// Capability beyond the engine's usual ones, e.g. NET_ADMIN, if the server's policy lists it; may be given several times.
    #[arg(long = "capability", value_name = "NAME")]
    pub(crate) capabilities: Vec<String>,
    /// How to tell that it works: http:PORT/PATH or tcp:PORT of the container's own, or run:COMMAND inside.
    #[arg(long)]
    pub(crate) health: Option<HealthCheck>,
    #[command(flatten)]
    pub(crate) consent: Consent,
    /// Command to run instead of the image's, after --.
    #[arg(last = true)]
    pub(crate) command: Vec<String>,
}

/// How a compose file becomes an app.
#[derive(Debug, ClapArgs)]
pub(crate) struct Import {
    #[command(flatten)]
    pub(crate) file: ComposeFile,
    /// Server it runs on.
    #[arg(long)]
    pub(crate) server: String,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

/// A compose file, and what is to be known beside it.
#[derive(Debug, Clone, Default, ClapArgs)]
pub(crate) struct ComposeFile {
    /// The compose file. Values for its ${NAME}s are taken from .env beside it.
    pub(crate) file: PathBuf,
    /// Name of the app; otherwise that of the file, or of its main service.
    #[arg(long, value_parser = name)]
    pub(crate) app: Option<String>,
    /// Only this service; otherwise all of the file become one app.
    #[arg(long)]
    pub(crate) service: Option<String>,
    /// What ${NAME} stands for: NAME=VALUE; may be given several times.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) set: Vec<(String, String)>,
    /// Folder of the server that ./ stands for in volumes.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) base: Option<String>,
    /// Key to import without; may be given several times, or with commas.
    #[arg(long, value_name = "KEY", value_delimiter = ',')]
    pub(crate) leave_out: Vec<String>,
    /// How to tell that it works, instead of the file's healthcheck: http:PORT/PATH, tcp:PORT or run:COMMAND.
    #[arg(long)]
    pub(crate) health: Option<HealthCheck>,
}
