//! What an agent says after its hello: a key for its next certificate, or that it leaves.

use std::convert::Infallible;

use anyhow::Context as _;
use futures::StreamExt as _;
use tokio::sync::mpsc;
use tomo_proto::{
    id::AgentId,
    model::{
        agent::{Agent, NextCertificate},
        audit::AuditOutcome,
        server::Server,
    },
    wire::{
        frame::decode,
        handshake::{AgentNotice, DaemonNotice},
    },
};

use crate::{
    hub::{Shared, connection::Heard},
    live::Topic,
    store::{NewAuditEntry, StoreError},
    tls,
};

/// Follows what the agent says on the control stream.
pub(super) async fn hear(
    shared: &Shared,
    mut heard: Heard,
    server: &Server,
    agent: &Agent,
    answers: mpsc::Sender<DaemonNotice>,
) -> anyhow::Result<Infallible> {
    let mut renewed = false;
    while let Some(frame) = heard.next().await {
        match decode(&frame?)? {
            AgentNotice::Renew { csr_pem } => {
                // It is asked once a connection.
                let is_due = shared.clock.now_ms() >= tls::renewal_due_at(agent.certificate_expires_at);
                anyhow::ensure!(is_due && !std::mem::replace(&mut renewed, true), "no renewal is due");
                let certificate_pem = renew(shared, server, agent.id, &csr_pem).await?;
                drop(answers.send(DaemonNotice::Certificate { certificate_pem }).await);
            }
            AgentNotice::Leave => {
                leave(shared, server, agent.id).await?;
                shared.cut_off(agent.id);
                shared.live.publish(Topic::Server(server.id));
            }
        }
    }
    anyhow::bail!("the agent ended the control stream")
}

/// Signs the new key and notes the certificate; the one in use stays good.
async fn renew(shared: &Shared, server: &Server, id: AgentId, csr_pem: &str) -> anyhow::Result<String> {
    let signed = shared.authority.sign_agent(csr_pem, id)?;
    let next = NextCertificate { fingerprint: signed.fingerprint, expires_at: signed.expires_at };
    let entry = entry(shared, server, id, "agent.renew");
    let noted = shared.store.write(move |change| {
        let Some(mut agent) = change.get::<Agent>(id.to_u64())? else { return Ok(()) };
        agent.next_certificate = Some(next);
        change.put(&agent)?;
        change.audit(entry);
        Ok::<_, StoreError>(())
    });
    noted.await.context("a renewal could not be noted")?;
    tracing::info!(server = server.name, agent = %id, "an agent renews its certificate");
    Ok(signed.pem)
}

/// The agent uses its next certificate: from now on it is the only one. `None` if this is not it.
pub(super) async fn take_over(
    shared: &Shared,
    server: &Server,
    id: AgentId,
    fingerprint: String,
) -> Result<Option<Agent>, StoreError> {
    let taken = shared.store.write(move |change| {
        let Some(mut agent) = change.get::<Agent>(id.to_u64())? else { return Ok(None) };
        let Some(next) = agent.next_certificate.take_if(|next| next.fingerprint == fingerprint) else {
            return Ok(None);
        };
        (agent.certificate_fingerprint, agent.certificate_expires_at) = (next.fingerprint, next.expires_at);
        change.put(&agent)?;
        Ok::<_, StoreError>(Some(agent))
    });
    let taken = taken.await?;
    if taken.is_some() {
        tracing::info!(server = server.name, agent = %id, "an agent uses its new certificate");
    }
    Ok(taken)
}

/// The host's owner has taken the agent off: its certificate is worth nothing any more.
async fn leave(shared: &Shared, server: &Server, id: AgentId) -> anyhow::Result<()> {
    let (entry, now_ms) = (entry(shared, server, id, "agent.leave"), shared.clock.now_ms());
    let written = shared.store.write(move |change| {
        let Some(mut agent) = change.get::<Agent>(id.to_u64())? else { return Ok(()) };
        agent.revoked_at.get_or_insert(now_ms);
        change.put(&agent)?;
        change.audit(entry);
        Ok::<_, StoreError>(())
    });
    written.await.context("an agent's leave could not be noted")?;
    tracing::info!(server = server.name, agent = %id, "an agent was taken off by its host's owner");
    Ok(())
}

fn entry(shared: &Shared, server: &Server, agent: AgentId, action: &str) -> NewAuditEntry {
    NewAuditEntry {
        at_ms: shared.clock.now_ms(),
        actor: format!("agent:{agent}"),
        action: action.to_owned(),
        resource_type: "server".to_owned(),
        resource: server.name.clone(),
        outcome: AuditOutcome::Ok,
        reason: None,
        details: String::new(),
        ip_address: String::new(),
    }
}
