//! Containers that are no app's, and what else lies on a server: images, networks.

use clap::{Args as ClapArgs, Subcommand};

use super::{Consent, app::LogArgs, name};

/// One container of a server.
#[derive(Debug, ClapArgs)]
pub(crate) struct OneContainer {
    /// Server name or id.
    pub(crate) server: String,
    /// Container name or id.
    pub(crate) container: String,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct OperateContainer {
    #[command(flatten)]
    pub(crate) one: OneContainer,
    /// Why, for the audit.
    #[arg(long)]
    pub(crate) reason: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ContainerCommand {
    /// List the containers of a server, whoever made them.
    List {
        /// Server name or id.
        server: String,
    },
    /// Show how a container was made; values that look secret are masked.
    Get(OneContainer),
    /// Show a container's log.
    Logs {
        #[command(flatten)]
        one: OneContainer,
        #[command(flatten)]
        log: LogArgs,
    },
    /// Open a terminal into a container, if the server's policy has terminals; `~.` at the beginning of a line leaves it.
    // The generated one is a line that is wider than terminals are.
    #[command(override_usage = "tomo container shell [OPTIONS] <SERVER>\n         <CONTAINER> [-- <PROGRAM>...]")]
    Shell {
        #[command(flatten)]
        one: OneContainer,
        /// Program to run there instead of a shell, after --. Its exit code is that of this command.
        #[arg(last = true)]
        program: Vec<String>,
    },
    /// Start a container.
    Start(OperateContainer),
    /// Stop a container.
    Stop(OperateContainer),
    /// Restart a container.
    Restart(OperateContainer),
    /// Make an app of a container that Tomo did not make: it shows what would change, asks, and puts the app in its place.
    Adopt {
        #[command(flatten)]
        one: OneContainer,
        /// What the app shall be called, if not as the container.
        #[arg(long, value_name = "APP", value_parser = name)]
        name: Option<String>,
        /// Go on without what an app does not have; without this it is named.
        #[arg(long)]
        accept_losses: bool,
        /// Why, for the audit.
        #[arg(long)]
        reason: Option<String>,
        /// Agree at once, without asking.
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ImageCommand {
    /// List the images of a server.
    List {
        /// Server name or id.
        server: String,
    },
    /// Pull an image onto a server, anew if it is there.
    Pull {
        /// Server name or id.
        server: String,
        /// Image with tag, e.g. nginx:1.27.
        image: String,
        /// Why, for the audit.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Remove an image that no container uses.
    Remove {
        /// Server name or id.
        server: String,
        /// Name with tag, or id.
        image: String,
        #[command(flatten)]
        consent: Consent,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum NetworkCommand {
    /// List the networks of a server's engine.
    List {
        /// Server name or id.
        server: String,
    },
    /// Make a bridge network.
    Create {
        /// Server name or id.
        server: String,
        /// What it shall be called.
        #[arg(value_parser = name)]
        network: String,
        /// Let it lead nowhere outside.
        #[arg(long)]
        internal: bool,
        /// Why, for the audit.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Remove a network with no container in it.
    Remove {
        /// Server name or id.
        server: String,
        /// Name or id.
        network: String,
        #[command(flatten)]
        consent: Consent,
    },
}
