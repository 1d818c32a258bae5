//! Who may do what: accounts, API tokens, stored secrets.

use std::path::PathBuf;

use clap::Subcommand;
use tomo_proto::model::user::{Role, Scope};

use super::name;

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

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// List the public keys that open the dashboard over SSH; an admin sees everybody's.
    List,
    /// Let whoever holds the private half of a key see the dashboard over SSH, with your rights.
    Add {
        /// A .pub file, or - for standard input.
        file: PathBuf,
        /// What to call it; the key's own comment without.
        #[arg(long, value_parser = name)]
        name: Option<String>,
        /// Whose key it is, if not your own (admin).
        #[arg(long)]
        user: Option<String>,
    },
    /// Remove a public key; a dashboard that it has opened ends.
    Remove {
        /// Id, name or fingerprint.
        key: String,
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

#[derive(Debug, Subcommand)]
pub(crate) enum RegistryCommand {
    /// Registries with a credential, and who signs in there.
    List,
    /// Store who signs in at a registry; the password or token is asked for, or comes on standard input.
    Add {
        /// Host, perhaps with a port, as images name it; docker.io for those that name none.
        registry: String,
        /// Who signs in there.
        #[arg(long)]
        user: String,
    },
    /// Forget the credential of a registry; asks first.
    Remove {
        /// Host, perhaps with a port.
        registry: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}
