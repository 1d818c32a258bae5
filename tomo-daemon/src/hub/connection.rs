//! One agent's connection: hello and welcome, reports in, acknowledgements and intervals out.

use std::{collections::HashMap, convert::Infallible, sync::Arc, time::Duration};

use anyhow::Context as _;
use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use quinn::{Connection, RecvStream, SendStream};
use rustls::pki_types::CertificateDer;
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};
use tokio_util::codec::{FramedRead, FramedWrite, LengthDelimitedCodec};
use tomo_proto::{
    id::ServerId,
    model::{
        agent::{Agent, AgentState},
        audit::AuditOutcome,
        metric::SeriesKey,
        server::Server,
    },
    version::{LINK_NEWEST, LINK_OLDEST, negotiate_link},
    wire::{
        frame::{decode, encode},
        handshake::{DaemonNotice, Hello, Welcome},
        report::{Report, ReportBody, decode_rows},
    },
};

use crate::{
    crypto::sha256_hex,
    hub::{Connected, REVOKED, Shared, close, codec, renewal},
    ingest::Reported,
    live,
    store::{NewAuditEntry, ReportedSamples, StoreError},
    tls,
};

const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
/// Sampling of a server that somebody looks at.
const WATCHED_INTERVAL_MS: u32 = 1_000;

type Control = FramedWrite<SendStream, LengthDelimitedCodec>;
/// The control stream's other direction.
pub(super) type Heard = FramedRead<RecvStream, LengthDelimitedCodec>;

pub(super) async fn serve(shared: &Arc<Shared>, connection: Connection) {
    let address = connection.remote_address();
    let (server, agent) = match identify(shared, &connection).await {
        Ok(known) => known,
        Err(reason) => {
            tracing::warn!(%address, %reason, "an agent is refused");
            connection.close(close::REFUSED, reason.as_bytes());
            return;
        }
    };
    let greeted = timeout(HELLO_TIMEOUT, greet(shared, &connection, &server, &agent)).await;
    let (control, heard, boot_id, acknowledged) = match greeted {
        Ok(Ok(greeted)) => greeted,
        Ok(Err(error)) => {
            tracing::warn!(%address, server = server.name, %error, "an agent's hello is not understood");
            connection.close(close::MALFORMED, reason("the hello is not understood", &error).as_bytes());
            return;
        }
        Err(_) => {
            connection.close(close::MALFORMED, b"no hello came");
            return;
        }
    };
    tracing::info!(%address, server = server.name, "an agent is connected");
    let (committed, commits) = watch::channel(acknowledged);
    let (answers, answered) = mpsc::channel(1);
    let notices = tell(control, commits, answered, shared, &server, &agent);
    let Err(error) = tokio::select! {
        ended = listen(shared, &connection, &server, &agent, boot_id, committed) => ended,
        ended = renewal::hear(shared, heard, &server, &agent, answers) => ended,
        ended = notices => ended,
        reason = connection.closed() => Err(reason.into()),
    };
    tracing::info!(%address, server = server.name, %error, "an agent's connection has ended");
    connection.close(close::MALFORMED, reason("a report is not understood", &error).as_bytes());
    let mut connections = shared.connections();
    let ours = connections.get(&server.id).is_some_and(|known| known.connection.stable_id() == connection.stable_id());
    if ours {
        connections.remove(&server.id);
        drop(connections);
        shared.live.disconnect(server.id, AgentState::Offline);
    }
}

/// What a peer is told that cannot be understood.
fn reason(what: &str, error: &anyhow::Error) -> String {
    tomo_proto::text::display_line(&format!("{what}: {error}"), 200)
}

/// Who connects: the certificate is checked against the CA already, the rest against the store.
async fn identify(shared: &Shared, connection: &Connection) -> Result<(Server, Agent), String> {
    let identity = connection.peer_identity().and_then(|any| any.downcast::<Vec<CertificateDer<'static>>>().ok());
    let certificate = identity.and_then(|chain| chain.into_iter().next());
    let certificate = certificate.ok_or("no certificate: enroll this agent with `tomo-agent enroll`")?;
    let id = tls::agent_in(&certificate).ok_or("the certificate names no agent")?;
    let store_failed = |error| format!("the store failed: {error}");
    let agent = shared.store.agent(id).map_err(store_failed)?;
    let agent = agent.ok_or_else(|| format!("agent {id} is not known here: enroll it anew"))?;
    if agent.revoked_at.is_some() {
        return Err(String::from_utf8_lossy(REVOKED).into_owned());
    }
    let server = shared.store.server(agent.server).map_err(store_failed)?;
    let server = server.ok_or_else(|| format!("the server of agent {id} was removed"))?;
    if ![server.agent, server.next_agent].contains(&Some(id)) {
        return Err(format!("server \"{}\" has another agent by now", server.name));
    }
    let fingerprint = sha256_hex(&certificate);
    if agent.certificate_fingerprint == fingerprint {
        return Ok((server, agent));
    }
    let agent = renewal::take_over(shared, &server, id, fingerprint).await.map_err(store_failed)?;
    Ok((server, agent.ok_or_else(|| format!("agent {id} has another certificate by now"))?))
}

async fn greet(
    shared: &Arc<Shared>,
    connection: &Connection,
    server: &Server,
    agent: &Agent,
) -> anyhow::Result<(Control, Heard, u64, u64)> {
    let (sending, receiving) = connection.accept_bi().await?;
    let mut control = FramedWrite::new(sending, codec());
    let mut frames: Heard = FramedRead::new(receiving, codec());
    let hello: Hello = decode(&frames.next().await.context("nothing was sent")??)?;
    let Some(version) = negotiate_link(hello.oldest_version, hello.newest_version) else {
        let reason = format!(
            "the agent speaks link versions {}-{}, this daemon {LINK_OLDEST}-{LINK_NEWEST}: update the older of the two",
            hello.oldest_version, hello.newest_version
        );
        control.send(Bytes::from(encode(&Welcome::Rejected { reason: reason.clone(), retry: true })?)).await?;
        anyhow::bail!(reason);
    };
    if shared.is_superseded(server.id, agent.id, hello.boot_id) {
        let address = connection.remote_address().ip().to_string();
        if shared.live.name_rival(server.id, &address) {
            audit_rival(shared, server, agent, address).await?;
        }
        let reason = format!(
            "another agent is connected with this identity: if this host was copied, revoke the agent of server \"{}\" and enroll both hosts anew",
            server.name
        );
        control.send(Bytes::from(encode(&Welcome::Rejected { reason: reason.clone(), retry: true })?)).await?;
        // The agent closes once it has read this.
        connection.closed().await;
        anyhow::bail!(reason);
    }
    let acknowledged = shared.store.acknowledged(agent.id, hello.boot_id)?;
    let interval_ms = interval(&shared.idle_interval_ms.subscribe(), &shared.live.watched(), server.id);
    control.send(Bytes::from(encode(&Welcome::Accepted { version, acknowledged, interval_ms })?)).await?;
    let (agent_id, boot_id) = (agent.id, hello.boot_id);
    let connected = Connected { agent: agent_id, boot_id, connection: connection.clone() };
    let before = shared.connections().insert(server.id, connected);
    if let Some(before) = before {
        if before.agent == agent_id && before.boot_id != boot_id {
            shared.supersede(agent_id, before.boot_id);
        }
        before.connection.close(close::REPLACED, b"the same agent has connected again");
    }
    shared.live.connect(
        server.id,
        live::Connected {
            agent: agent.id,
            address: connection.remote_address().ip().to_string(),
            round_trip_ms: round_trip_ms(connection),
            release: tomo_proto::text::display_line(&hello.release, 40),
            facts: hello.facts,
            policy: hello.policy,
        },
    );
    shared.arrivals.send_modify(|count| *count += 1);
    if shared.live.server(server.id).is_some_and(|live| live.spark.is_empty()) {
        let (store, id, now_ms) = (shared.store.clone(), server.id, shared.clock.now_ms());
        let read = move || store.samples(id, now_ms.saturating_sub(live::SPARK_SPAN_MS), now_ms);
        shared.live.remember(server.id, &tokio::task::spawn_blocking(read).await??);
    }
    // A revocation may have passed between the look into the store and the entry above.
    if shared.store.agent(agent.id)?.is_none_or(|agent| agent.revoked_at.is_some()) {
        connection.close(close::REFUSED, REVOKED);
    }
    Ok((control, frames, hello.boot_id, acknowledged))
}

fn round_trip_ms(connection: &Connection) -> f64 {
    connection.rtt().as_secs_f64() * 1_000.0
}

fn interval(idle: &watch::Receiver<u32>, watched: &watch::Receiver<HashMap<ServerId, usize>>, server: ServerId) -> u32 {
    let idle_ms = *idle.borrow();
    if watched.borrow().contains_key(&server) { idle_ms.min(WATCHED_INTERVAL_MS) } else { idle_ms }
}

/// Sends acknowledgements as commits happen, with the audit trail's head if that moved, the interval when it changes, and what the agent needs to renew its certificate.
async fn tell(
    mut control: Control,
    mut commits: watch::Receiver<u64>,
    mut answers: mpsc::Receiver<DaemonNotice>,
    shared: &Shared,
    server: &Server,
    agent: &Agent,
) -> anyhow::Result<Infallible> {
    let (mut idle, mut watched) = (shared.idle_interval_ms.subscribe(), shared.live.watched());
    let mut told_ms = interval(&idle, &watched, server.id);
    let mut renewal_due_at = Some(tls::renewal_due_at(agent.certificate_expires_at));
    let (mut heads, mut told_head) = (shared.store.audit_head(), None);
    loop {
        // This comes by with every commit, every few minutes at least.
        if renewal_due_at.take_if(|due_at| shared.clock.now_ms() >= *due_at).is_some() {
            control.send(Bytes::from(encode(&DaemonNotice::RenewalDue)?)).await?;
        }
        tokio::select! {
            changed = commits.changed() => {
                changed?;
                let number = *commits.borrow_and_update();
                let head = *heads.borrow_and_update();
                let head = (told_head.replace(head) != Some(head)).then_some(head);
                control.send(Bytes::from(encode(&DaemonNotice::Acknowledged { number, head })?)).await?;
            }
            Some(answer) = answers.recv() => control.send(Bytes::from(encode(&answer)?)).await?,
            changed = idle.changed() => changed?,
            changed = watched.changed() => changed?,
        }
        let interval_ms = interval(&idle, &watched, server.id);
        if interval_ms != told_ms {
            told_ms = interval_ms;
            control.send(Bytes::from(encode(&DaemonNotice::Interval { interval_ms })?)).await?;
        }
    }
}

async fn audit_rival(shared: &Shared, server: &Server, agent: &Agent, ip_address: String) -> anyhow::Result<()> {
    tracing::warn!(server = server.name, agent = %agent.id, address = ip_address, "two agents use one identity");
    let entry = NewAuditEntry {
        at_ms: shared.clock.now_ms(),
        actor: format!("agent:{}", agent.id),
        action: "agent.connect".to_owned(),
        resource_type: "server".to_owned(),
        resource: server.name.clone(),
        outcome: AuditOutcome::Denied,
        reason: None,
        details: "another agent is connected with this identity".to_owned(),
        ip_address,
    };
    let written = shared.store.write(move |change| {
        change.audit(entry);
        Ok::<_, StoreError>(())
    });
    written.await.context("a refused agent could not be audited")
}

/// Takes reports until the stream ends.
async fn listen(
    shared: &Shared,
    connection: &Connection,
    server: &Server,
    agent: &Agent,
    boot_id: u64,
    committed: watch::Sender<u64>,
) -> anyhow::Result<Infallible> {
    let reports = connection.accept_uni().await?;
    let mut frames = FramedRead::new(reports, codec());
    let mut schema: Arc<Vec<SeriesKey>> = Arc::default();
    while let Some(frame) = frames.next().await {
        let report: Report = decode(&frame?)?;
        match report.body {
            ReportBody::Schema { series } => schema = Arc::new(series),
            ReportBody::Samples { block } => {
                let rows = decode_rows(&block)?;
                anyhow::ensure!(
                    rows.iter().all(|row| row.values.len() == schema.len()),
                    "a row has another width than its schema"
                );
                if let Some(newest) = rows.last() {
                    shared.live.take_row(server.id, &schema, newest, round_trip_ms(connection));
                }
                let samples = ReportedSamples {
                    server: server.id,
                    agent: agent.id,
                    boot_id,
                    number: report.number,
                    schema: Arc::clone(&schema),
                    rows,
                };
                shared.ingest.send(Reported { samples, committed: committed.clone() }).await?;
            }
            ReportBody::Containers { containers } => {
                shared.live.update(server.id, |live| live.containers = Arc::new(containers));
            }
            ReportBody::Facts { facts } => {
                shared.live.update(server.id, |live| live.facts = Some(Arc::from(facts)));
            }
            ReportBody::Policy { policy } => shared.live.update(server.id, |live| live.policy = policy.into()),
            ReportBody::Dropped { count } => {
                tracing::warn!(server = server.name, count, "an agent's outbox was full: samples are missing");
            }
        }
    }
    anyhow::bail!("the report stream has ended")
}
