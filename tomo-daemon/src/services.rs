//! The rules: who may do what, in which order, and what is written down about it.
//!
//! Services speak domain types and [`ServiceError`]; they have never heard of MCP, HTTP, QUIC or redb.

use tomo_proto::api::{Tool, person::PersonRequest};

pub mod access;
pub mod error;

use access::{Authorized, Caller};
use error::ServiceError;

/// Every service, over one store, hub and live state.
#[derive(Debug)]
pub struct Services {}

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
