//! Enrolment: a one-time secret and a key go in, a certificate comes out.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use tokio::time::timeout;
use tokio_util::codec::{FramedRead, FramedWrite};
use tomo_proto::{
    id::AgentId,
    model::audit::AuditOutcome,
    wire::{
        frame::{decode, encode},
        handshake::{EnrollAnswer, EnrollRequest},
    },
};

use crate::{
    crypto,
    hub::{Shared, close, codec},
    live::Topic,
    store::{NewAuditEntry, RedeemError, Redemption, StoreError},
};

const TIMEOUT: Duration = Duration::from_secs(10);

pub(super) async fn serve(shared: &Arc<Shared>, connection: quinn::Connection) {
    match timeout(TIMEOUT, converse(shared, &connection)).await {
        Ok(Ok(())) => connection.close(close::DONE, b"done"),
        Ok(Err(error)) => {
            tracing::info!(address = %connection.remote_address(), %error, "an enrolment is malformed");
            connection.close(close::MALFORMED, b"the enrolment is not understood");
        }
        Err(_) => connection.close(close::REFUSED, b"the enrolment took too long"),
    }
}

async fn converse(shared: &Arc<Shared>, connection: &quinn::Connection) -> anyhow::Result<()> {
    let (sending, receiving) = connection.accept_bi().await?;
    let mut frames = FramedRead::new(receiving, codec());
    let frame = frames.next().await.ok_or_else(|| anyhow::anyhow!("nothing was sent"))??;
    let answer = answer(shared, connection, decode(&frame)?).await;
    let mut sending = FramedWrite::new(sending, codec());
    sending.send(Bytes::from(encode(&answer)?)).await?;
    sending.get_mut().finish()?;
    // The agent closes once it has read the answer.
    connection.closed().await;
    Ok(())
}

async fn answer(shared: &Arc<Shared>, connection: &quinn::Connection, request: EnrollRequest) -> EnrollAnswer {
    let now_ms = shared.clock.now_ms();
    let agent = AgentId::from_parts(now_ms, crypto::random_u32());
    let address = connection.remote_address().ip().to_string();
    let certificate = match shared.authority.sign_agent(&request.csr_pem, agent) {
        Ok(certificate) => certificate,
        Err(error) => {
            return EnrollAnswer::Refused { reason: format!("the certificate request is malformed: {error}") };
        }
    };
    let redemption = Redemption {
        secret_hash: crypto::sha256_hex(request.secret.reveal().as_bytes()),
        agent,
        certificate_fingerprint: certificate.fingerprint,
        certificate_expires_at: certificate.expires_at,
        address: address.clone(),
        now_ms,
    };
    match shared.store.redeem_enrolment(redemption).await {
        Ok((server, agent)) => {
            tracing::info!(server = server.name, agent = %agent.id, address, "an agent has enrolled");
            shared.live.publish(Topic::Server(server.id));
            EnrollAnswer::Enrolled {
                agent: agent.id,
                server: server.id,
                server_name: server.name,
                certificate_pem: certificate.pem,
                ca_pem: shared.authority.certificate_pem().to_owned(),
            }
        }
        Err(error) => {
            let reason = match &error {
                RedeemError::Refused => format!("{error}: make a new one with `tomo agent token NAME`"),
                RedeemError::Taken(name) => format!("{error}: revoke that first with `tomo agent revoke {name}`"),
                RedeemError::Store(error) => error.to_string(),
            };
            audit_refusal(shared, address, now_ms, &reason).await;
            EnrollAnswer::Refused { reason }
        }
    }
}

async fn audit_refusal(shared: &Arc<Shared>, ip_address: String, at_ms: u64, reason: &str) {
    tracing::warn!(address = ip_address, reason, "an enrolment is refused");
    let entry = NewAuditEntry {
        at_ms,
        actor: "anonymous".to_owned(),
        action: "agent.enroll".to_owned(),
        resource_type: String::new(),
        resource: String::new(),
        outcome: AuditOutcome::Denied,
        reason: None,
        details: reason.to_owned(),
        ip_address,
    };
    let written = shared.store.write(move |change| {
        change.audit(entry);
        Ok::<_, StoreError>(())
    });
    if let Err(error) = written.await {
        tracing::error!(%error, "a refused enrolment could not be audited");
    }
}
