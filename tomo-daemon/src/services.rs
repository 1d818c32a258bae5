//! The rules: who may do what, in which order, and what is written down about it.
//!
//! Services speak domain types and [`ServiceError`]; they have never heard of MCP, HTTP, QUIC or redb.

use tomo_proto::api::{Tool, person::PersonRequest};

pub mod access;
pub mod error;

use std::{path::Path, sync::Arc};

use access::{Authorized, Caller};
use error::ServiceError;
use tomo_proto::{
    api::{
        person::{Login, LoginAnswer, Refresh},
        plan::PlanApply,
    },
    model::plan::Plan,
};

use crate::{clock::Clock, crypto::Vault, hub::Hub, live::Live, store::Store, tls::Authority};

/// Every service, over one store, hub and live state.
#[derive(Debug)]
pub struct Services {}

impl Services {
    /// Puts the services together; reads or makes the key that signs logins in `keys`. Marks operations that a dead daemon left
    /// running as unknown, and starts the periodic work (retention, expiry).
    ///
    /// # Errors
    /// Names the file that cannot be read or written.
    pub async fn start(
        _keys: &Path,
        _store: Store,
        _hub: Hub,
        _live: Live,
        _vault: Vault,
        _authority: Authority,
        _clock: Clock,
    ) -> anyhow::Result<Arc<Self>> {
        todo!("services")
    }

    /// Ends the periodic work and running operations' tasks.
    pub async fn shutdown(&self) {
        todo!("services")
    }

    /// Signs a person in. Every failure takes the same time and reads the same; repeated ones back off.
    ///
    /// # Errors
    /// `denied`, or `rate_limited` with the seconds to wait.
    pub async fn login(&self, _login: Login, _address: &str) -> Result<LoginAnswer, ServiceError> {
        todo!("services")
    }

    /// Gives a new pair of tokens for a refresh token; an old one ends the login it belongs to.
    ///
    /// # Errors
    /// `denied`.
    pub async fn refresh(&self, _refresh: Refresh, _address: &str) -> Result<LoginAnswer, ServiceError> {
        todo!("services")
    }

    /// Who a bearer (JWT or API token) is. Cheap: no argon2, no write on the way.
    ///
    /// # Errors
    /// `denied`; never says which part was wrong.
    pub fn authenticate(&self, _bearer: &str, _address: &str) -> Result<Caller, ServiceError> {
        todo!("services")
    }

    /// An admin on the local socket (the listener has checked the peer's credentials).
    #[must_use]
    pub fn socket_caller(&self, _uid: u32, _name: String) -> Caller {
        todo!("services")
    }

    /// The open plan that a `plan_apply` needs a person's consent for and for which a client's form may ask (level `confirm`, a caller
    /// with `deploy`); `None` if nothing is to be asked: then call `plan_apply` and take its answer.
    ///
    /// # Errors
    /// As `plan_apply`.
    pub async fn plan_to_consent(&self, _caller: &Caller, _request: &PlanApply) -> Result<Option<Plan>, ServiceError> {
        todo!("services")
    }

    /// Records that a person said yes (or no: the plan stays open, the answer is audited) in the client's form to the plan with this hash.
    ///
    /// # Errors
    /// `plan_stale`, `plan_expired`, `denied`, `not_found`.
    pub async fn answer_consent(
        &self,
        _caller: &Caller,
        _plan: tomo_proto::id::PlanId,
        _hash: &str,
        _accepted: bool,
    ) -> Result<(), ServiceError> {
        todo!("services")
    }

    /// Writes a denial into the audit.
    pub async fn audit_denial(&self, _caller: &Caller, _action: &str, _resource: &str, _reason: &str) {
        todo!("services")
    }
}

/// Carries out one tool for a caller who may use it. Implemented by [`Services`] for every contract.
pub trait Handle<T: Tool> {
    /// Carries the request out. The proof of authorization comes from [`access`] only.
    fn handle(
        &self,
        caller: Authorized<'_, T>,
        request: T,
    ) -> impl Future<Output = Result<T::Answer, ServiceError>> + Send;
}

/// Carries out one request that no tool may carry (`/person/…`).
pub trait HandlePerson<R: PersonRequest> {
    /// Carries the request out for a person; API tokens are refused before this is called.
    fn handle_person(
        &self,
        caller: &Caller,
        request: R,
    ) -> impl Future<Output = Result<R::Answer, ServiceError>> + Send;
}

impl Services {
    /// The only way to a tool's service: checks scope and effect, audits a denial, then calls [`Handle::handle`].
    ///
    /// # Errors
    /// `denied` names the missing scope; the rest is the service's own.
    pub async fn call<T: Tool>(&self, caller: &Caller, request: T) -> Result<T::Answer, ServiceError>
    where
        Self: Handle<T>,
    {
        let authorized = access::authorize::<T>(caller)?;
        self.handle(authorized, request).await
    }
}
