//! A look around that somebody asks for with a read: a host is knocked at once a minute at most, however often that is asked.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tomo_proto::{
    error::ApiError,
    id::ServerId,
    model::{
        server::Server,
        ssh::{Ssh, SshProbe},
    },
};

use crate::{
    services::{Context, access::Caller, error::ServiceError},
    store::{StoreError, records::ProbeRecord},
};

/// What was found stays an answer for so long, whether it was a host or nobody.
const EVERY_MS: u64 = 60_000;

/// What looks around found lately, a place for each server. Whoever asks while one is under way waits for it.
#[derive(Debug, Default)]
pub(in crate::services) struct Lately {
    places: Mutex<HashMap<ServerId, Arc<tokio::sync::Mutex<Option<Found>>>>>,
}

#[derive(Debug)]
struct Found {
    at_ms: u64,
    /// Where; another place, key or credential is looked at anew.
    ssh: Ssh,
    found: Result<SshProbe, ApiError>,
}

impl Lately {
    fn place(&self, server: ServerId) -> Arc<tokio::sync::Mutex<Option<Found>>> {
        Arc::clone(self.places.lock().unwrap_or_else(PoisonError::into_inner).entry(server).or_default())
    }
}

impl Context {
    /// Looks around on a server with the credential that is kept for it, or tells what the last such look found less than a minute
    /// ago; its time tells which.
    pub(in crate::services) async fn look_lately(
        &self,
        caller: &Caller,
        server: &Server,
    ) -> Result<SshProbe, ServiceError> {
        let ssh = server.ssh.clone().ok_or_else(|| super::no_ssh(&server.name))?;
        let place = self.lately.place(server.id);
        let mut last = place.lock().await;
        let now_ms = self.clock.now_ms();
        if let Some(Found { found, .. }) =
            last.as_ref().filter(|last| last.ssh == ssh && last.at_ms.abs_diff(now_ms) < EVERY_MS)
        {
            return found.clone().map_err(ServiceError::from);
        }
        tracing::debug!(server = %server.name, actor = %caller.actor(), "look around by SSH");
        let looked = self.look(server, &ssh).await;
        let found = looked.as_ref().map(SshProbe::clone).map_err(|error| error.error.clone());
        *last = Some(Found { at_ms: now_ms, ssh, found });
        looked
    }

    async fn look(&self, server: &Server, ssh: &Ssh) -> Result<SshProbe, ServiceError> {
        let secret = self.kept_secret(server).await?;
        let (connection, probe) = self.look_around(Some(&server.name), ssh, &secret, None, &mut |_| {}).await?;
        connection.close().await;
        let record = ProbeRecord { server: server.id.to_u64(), probe: probe.clone() };
        self.store
            .write(move |change| {
                if change.get::<Server>(record.server)?.is_some() {
                    change.put(&record)?;
                }
                Ok::<_, StoreError>(())
            })
            .await?;
        Ok(probe)
    }
}
