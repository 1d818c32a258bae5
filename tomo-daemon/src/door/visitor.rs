//! One connection: who it is, what they ask for, and what they get of it.

use std::{collections::BTreeMap, sync::Arc};

use russh::{
    Channel, ChannelId, Pty,
    keys::{Algorithm, HashAlg},
    server::{Auth, ChannelOpenHandle, Handle, Handler, Msg, PublicKeyOffer, Session, VerifiedPublicKey},
};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tomo_proto::id::KeyId;

use crate::door::{
    House,
    line::Heard,
    screen::{Guest, Size, Terminal, show},
};

/// Variables of the visitor's own terminal that are passed on.
const PASSED_ON: [&str; 4] = ["COLORTERM", "LANG", "LC_ALL", "NO_COLOR"];
/// Longest value of one, and longest name of a terminal.
const LONGEST: usize = 64;

/// What is said to whoever wants something else.
const ONLY_THIS: &str = "tomo: only the dashboard is shown here; for commands have `tomo` on your own machine\r\n";
const NO_TERMINAL: &str = "tomo: the dashboard wants a terminal: leave -T out, or add -t\r\n";

/// A connection by SSH.
#[derive(Debug)]
pub(super) struct Visitor {
    house: Arc<House>,
    address: String,
    heard: Heard,
    /// Among those who are not shown anything yet.
    place: Option<OwnedSemaphorePermit>,
    served: CancellationToken,
    leaving: CancellationToken,
    key: Option<KeyId>,
    channel: Option<Channel<Msg>>,
    terminal: Option<Terminal>,
    variables: BTreeMap<String, String>,
}

impl Visitor {
    pub(super) fn new(house: Arc<House>, address: String, place: OwnedSemaphorePermit, heard: Heard) -> Self {
        Self {
            house,
            address,
            heard,
            place: Some(place),
            served: CancellationToken::new(),
            leaving: CancellationToken::new(),
            key: None,
            channel: None,
            terminal: None,
            variables: BTreeMap::new(),
        }
    }

    /// Rings once something is shown.
    pub(super) fn served(&self) -> CancellationToken {
        self.served.clone()
    }

    /// Rings when all was said.
    pub(super) fn leaving(&self) -> CancellationToken {
        self.leaving.clone()
    }

    /// The key that a visitor offers, if it is the account's.
    fn key_of(&self, user: &str, key: &russh::keys::PublicKey, algorithm: &Algorithm) -> Option<KeyId> {
        // An RSA key that signs with SHA-1.
        if matches!(algorithm, Algorithm::Rsa { hash: None }) {
            return None;
        }
        let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
        self.house.services.key_of(user, &fingerprint).unwrap_or_else(|error| {
            tracing::error!(%error, "keys cannot be looked up");
            None
        })
    }

    /// Says why there is nothing to see, and ends the connection.
    fn show_out(&self, handle: Handle, channel: ChannelId, why: &'static str) {
        let leaving = self.leaving.clone();
        self.house.tasks.spawn(async move {
            say(&handle, channel, why, 1).await;
            leaving.cancel();
        });
    }
}

/// Says something beside what is shown, and closes the channel.
pub(super) async fn say(handle: &Handle, channel: ChannelId, what: &str, exit_code: u32) {
    let told = async {
        handle.extended_data(channel, 1, what.as_bytes().to_vec()).await.map_err(drop)?;
        handle.exit_status_request(channel, exit_code).await?;
        handle.eof(channel).await?;
        handle.close(channel).await
    };
    if told.await.is_err() {
        tracing::debug!("a visitor by SSH has gone before all was said");
    }
}

impl Handler for Visitor {
    type Error = russh::Error;

    async fn auth_publickey_offered(&mut self, user: &str, offer: PublicKeyOffer<'_>) -> Result<Auth, Self::Error> {
        let known = self.key_of(user, offer.public_key, offer.algorithm).is_some();
        Ok(if known { Auth::Accept } else { Auth::reject() })
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        self.key = self.key_of(user, key.public_key, key.algorithm);
        if self.key.is_none() {
            self.house.services.note_refusal(&self.address);
            return Ok(Auth::reject());
        }
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        // One for each connection; what is not accepted is refused.
        if self.channel.is_none() && self.key.is_some() {
            self.channel = Some(channel);
            reply.accept().await;
        }
        Ok(())
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        term: &str,
        columns: u32,
        rows: u32,
        _width: u32,
        _height: u32,
        _modes: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        if !is_plain(term) {
            return session.channel_failure(channel);
        }
        self.terminal = Some(Terminal { name: term.to_owned(), size: Size::new(columns, rows) });
        session.channel_success(channel)
    }

    async fn env_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        value: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        if !PASSED_ON.contains(&name) || !is_plain(value) {
            return session.channel_failure(channel);
        }
        self.variables.insert(name.to_owned(), value.to_owned());
        session.channel_success(channel)
    }

    async fn shell_request(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), Self::Error> {
        session.channel_success(channel)?;
        let (Some(terminal), Some(key)) = (self.terminal.take(), self.key) else {
            self.show_out(session.handle(), channel, NO_TERMINAL);
            return Ok(());
        };
        // A second shell on the same channel gets nothing.
        let Some(open) = self.channel.take() else { return session.close(channel) };
        self.place = None;
        self.served.cancel();
        let guest = Guest { key, address: self.address.clone(), heard: self.heard.clone() };
        let (house, leaving) = (Arc::clone(&self.house), self.leaving.clone());
        let (handle, variables) = (session.handle(), std::mem::take(&mut self.variables));
        self.house.tasks.spawn(async move {
            let (exit_code, why) = show(&house, &guest, terminal, variables, open).await;
            let why = why.map_or_else(String::new, |why| format!("tomo: {why}\r\n"));
            let said = say(&handle, channel, &why, exit_code);
            drop(tokio::time::timeout(crate::door::FAREWELL, said).await);
            leaving.cancel();
        });
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        _command: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_success(channel)?;
        self.show_out(session.handle(), channel, ONLY_THIS);
        Ok(())
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        _name: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(channel)?;
        self.show_out(session.handle(), channel, ONLY_THIS);
        Ok(())
    }
}

/// Whether a text may stand in a program's environment.
fn is_plain(text: &str) -> bool {
    let fits = |one: char| one.is_ascii_alphanumeric() || "-_.+@:".contains(one);
    !text.is_empty() && text.len() <= LONGEST && text.chars().all(fits)
}
