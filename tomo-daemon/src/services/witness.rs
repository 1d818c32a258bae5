//! The audit trail before its witnesses: the daemon's own file, and the agents, which keep the heads that they were told.
//!
//! A chain of hashes shows what was changed in the middle of it. That it was cut off, written anew from some row on, or put back whole shows
//! only to somebody outside of the store who remembers its head.

use std::time::Duration;

use futures::StreamExt as _;
use tokio::time::timeout;
use tomo_proto::{
    api::audit::AuditWitness,
    error::ErrorCode,
    model::{server::Server, user::Selectors},
    wire::{
        command::{Command, Found},
        witness::AuditHead,
    },
};

use crate::{
    clock::date,
    services::{Context, error::ServiceError},
    store::{ChainCheck, Contradiction, ReadTx, Store, StoreError},
};

/// An agent has this long to tell its heads.
const ANSWER: Duration = Duration::from_secs(5);
/// Agents that are asked at a time.
const AT_A_TIME: usize = 32;
/// Witnesses that a finding names.
const NAMED: usize = 5;
/// The daemon's own witness, as answers name it. No server's name has a blank in it.
const OWN: &str = "this daemon";

/// The trail, checked by itself and against the daemon's own witness.
#[derive(Debug)]
pub struct Trail {
    /// What the rows say by themselves.
    pub chain: ChainCheck,
    /// What the daemon's own file says.
    pub own: Witness,
}

/// One witness that was heard, or why not.
#[derive(Debug)]
pub struct Witness {
    pub(super) told: AuditWitness,
    against: Option<Contradiction>,
    /// What is wrong with the witness itself, if that can only be somebody's doing.
    doctored: Option<String>,
}

impl Trail {
    /// Checks a store's trail. Slow for a long one: run it where blocking is allowed.
    ///
    /// # Errors
    /// The store or the daemon's own file cannot be read.
    pub fn check(store: &Store) -> Result<Self, StoreError> {
        let chain = store.verify_audit()?;
        let heads = store.witnessed()?;
        let mut own = Witness::hear(OWN, store, &chain, &heads)?;
        let first = heads.iter().map(|head| head.seq).min();
        if first.is_none_or(|first| first > chain.witness_from) {
            let first = first.map_or_else(|| "is empty".to_owned(), |first| format!("begins with row {first}"));
            own.doctor(format!(
                "the daemon's own witness was removed or cut: it {first} instead of row {}",
                chain.witness_from
            ));
        } else if own.told.problem.is_some() && own.against.is_none() {
            own.doctor("the daemon's own witness was changed: heads in it are not signed by this daemon".to_owned());
        }
        Ok(Self { chain, own })
    }

    /// Hears another witness: a server's agent, by its name, with the heads that it keeps.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn hear(&self, name: &str, store: &Store, heads: &[AuditHead]) -> Result<Witness, StoreError> {
        Witness::hear(name, store, &self.chain, heads)
    }

    /// What does not fit, if something does not: the rows by themselves, else with the daemon's own witness and others.
    #[must_use]
    pub fn broken(&self, others: &[Witness]) -> Option<String> {
        if let Some(broken) = &self.chain.broken {
            return Some(broken.clone());
        }
        let against = std::iter::once(&self.own).chain(others);
        let against: Vec<_> = against.filter_map(|witness| Some((witness.against?, &witness.told.witness))).collect();
        let Some((found, _)) = against.iter().min_by_key(|(found, _)| found.row) else {
            return self.own.doctored.clone();
        };
        let mut names: Vec<&str> = against.iter().take(NAMED).map(|(_, name)| name.as_str()).collect();
        if against.len() > NAMED {
            names.push("others");
        }
        let witnessed = format!("at {}, as witnessed by {}", date(found.at_ms), names.join(", "));
        Some(if found.is_missing {
            format!("rows after {} are missing: row {} was there {witnessed}", self.chain.rows, found.row)
        } else {
            format!(
                "row {} is not the one that was there {witnessed}: the trail was written anew, or an older store was put back",
                found.row
            )
        })
    }
}

impl Witness {
    /// Heads that fit the trail.
    #[must_use]
    pub const fn heads(&self) -> u64 {
        self.told.heads
    }

    /// Whether it speaks against the trail.
    pub(super) const fn is_against(&self) -> bool {
        self.against.is_some()
    }

    fn hear(name: &str, store: &Store, chain: &ChainCheck, heads: &[AuditHead]) -> Result<Self, StoreError> {
        let count = |heads: usize| u64::try_from(heads).unwrap_or(u64::MAX);
        let testimony = store.judge(chain, heads)?;
        let problem = match testimony.against {
            Some(found) if found.is_missing => Some(format!("row {} is missing", found.row)),
            Some(found) => Some(format!("row {} is another one", found.row)),
            None if testimony.not_ours > 0 => {
                Some(format!("{} heads are not signed by this daemon", testimony.not_ours))
            }
            None if heads.is_empty() => Some("it keeps no head yet".to_owned()),
            None => None,
        };
        let told = AuditWitness {
            witness: name.to_owned(),
            heads: count(testimony.fitting),
            newest_row: testimony.newest_row,
            taken_back: count(testimony.taken_back),
            problem,
        };
        Ok(Self { told, against: testimony.against, doctored: None })
    }

    fn unheard(name: &str, why: &str) -> Self {
        let told = AuditWitness { witness: name.to_owned(), problem: Some(why.to_owned()), ..AuditWitness::default() };
        Self { told, against: None, doctored: None }
    }

    fn doctor(&mut self, what: String) {
        self.told.problem.get_or_insert_with(|| what.clone());
        self.doctored = Some(what);
    }
}

impl Context {
    /// Hears every agent that a caller may see.
    pub(super) async fn ask_witnesses(
        &self,
        trail: &Trail,
        selectors: &Selectors,
    ) -> Result<Vec<Witness>, ServiceError> {
        let mut servers = self.store.read(ReadTx::list::<Server>)?;
        servers.retain(|server| server.agent.is_some() && selectors.admit_server(&server.name, &server.labels));
        servers.sort_by(|one, other| one.name.cmp(&other.name));
        let heard = futures::stream::iter(servers).map(|server| async move {
            match timeout(ANSWER, self.ask_for_heads(&server)).await {
                Ok(Ok(heads)) => trail.hear(&server.name, &self.store, &heads),
                Ok(Err(why)) => Ok(Witness::unheard(&server.name, &why)),
                Err(_) => Ok(Witness::unheard(&server.name, "its agent does not answer")),
            }
        });
        let heard: Vec<Result<Witness, StoreError>> = heard.buffered(AT_A_TIME).collect().await;
        Ok(heard.into_iter().collect::<Result<_, _>>()?)
    }

    async fn ask_for_heads(&self, server: &Server) -> Result<Vec<AuditHead>, String> {
        match self.ask(server, Command::TellHeads).await {
            Ok(found) => Ok(found.into_iter().filter_map(heads_in).flatten().collect()),
            // An agent of before this command ends its stream.
            Err(error) if error.code() == ErrorCode::AgentOffline && self.hub.is_online(server.id) => {
                Err("its agent keeps no heads: update it".to_owned())
            }
            Err(error) => Err(error.error.message),
        }
    }
}

fn heads_in(found: Found) -> Option<Vec<AuditHead>> {
    match found {
        Found::Heads(heads) => Some(heads),
        _ => None,
    }
}
