//! What an agent's two halves say to each other: `link` has the network and connects, `exec` has the engine and listens. One
//! connection watches; every command has one of its own, and ends with it.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{
    model::{
        app::{HealthCheck, Protocol},
        container::Container,
        policy::PolicySummary,
        server::EngineState,
    },
    wire::{
        archive::Part,
        command::{CommandEvent, CommandRequest},
        terminal::TerminalInput,
    },
};

/// link → exec, the first frame of a connection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// Tell how things stand, now and whenever it changes; answered with [`Told`] until the connection ends.
    Watch,
    /// Run a command; answered with [`Said`], an outcome last. Closing the connection cancels it, unheard.
    Run(CommandRequest),
}

/// exec → link on a connection that watches: each once, then whenever it changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// What the policy file allows.
    Policy(PolicySummary),
    /// Whether the engine answers.
    Engine(EngineState),
    /// A part of all containers.
    Containers {
        /// In the order of the whole.
        part: Vec<Container>,
        /// Whether the whole is told with this part.
        last: bool,
    },
    /// Process ids of running containers by container id.
    Pids(Vec<(String, u32)>),
}

/// exec → link on a connection that runs a command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// What the daemon is told.
    Event(CommandEvent),
    /// What only the half with the network can find out; it sends a [`Reply::Answer`].
    Ask(Ask),
    /// It takes the next part of what the daemon sends; the half with the network sends a [`Reply::Part`].
    Take,
}

/// link → exec on a connection that runs a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// To the one [`Ask`] that is open.
    Answer(Answer),
    /// To the one [`Said::Take`] that is open: the part, or why none comes any more.
    Part(Result<Part, String>),
    /// Somebody types at the terminal that the command has opened.
    Input(TerminalInput),
    /// The command is to be undone; its outcome still comes.
    Cancel,
}

/// What a command needs the network for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// Is a port of this host free?
    Port {
        /// Port.
        port: u16,
        /// Its protocol.
        protocol: Protocol,
        /// On loopback only.
        loopback: bool,
    },
    /// Is there room on this host?
    Room {
        /// Folder of the engine's data.
        folder: String,
        /// Bytes that have to be free on its disk.
        disk_bytes: u64,
        /// Bytes of memory that have to be available.
        memory_bytes: u64,
    },
    /// Is a container healthy?
    Health {
        /// What has to answer.
        check: HealthCheck,
        /// The container's address.
        address: IpAddr,
    },
}

/// link → exec: yes, or why not.
pub type Answer = Result<(), String>;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::frame::{decode, encode};

    #[test]
    fn what_the_halves_ask_is_these_bytes() {
        let ask = Said::Ask(Ask::Port { port: 80, protocol: Protocol::Tcp, loopback: false });
        let body = encode(&ask).expect("encodes");
        assert_eq!(body, b"\x01\x81\xa3ask\x81\xa4port\x83\xa4port\x50\xa8protocol\xa3tcp\xa8loopback\xc2");
        assert_eq!(decode::<Said>(&body).expect("decodes"), ask);
        let typed = Reply::Input(TerminalInput::Typed(b"ls\r".to_vec()));
        for reply in [Reply::Answer(Ok(())), Reply::Answer(Err("taken".to_owned())), typed, Reply::Cancel] {
            assert_eq!(decode::<Reply>(&encode(&reply).expect("encodes")).expect("decodes"), reply);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_from_the_other_half_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            bytes.insert(0, 1);
            drop(decode::<Call>(&bytes));
            drop(decode::<Told>(&bytes));
            drop(decode::<Said>(&bytes));
            drop(decode::<Reply>(&bytes));
        }
    }
}
