//! Agents and the right to enroll one.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use tomo_proto::{
    api::{
        agent::{AgentList, AgentListAnswer, AgentRevoke},
        check_name,
        person::{CreateEnrolment, CreatedEnrolment, SecretText},
    },
    error::ErrorCode,
    id::{AgentId, EnrolmentId},
    model::{
        agent::{Agent, AgentState, AgentSummary, Enrolment},
        audit::AuditOutcome,
        server::Server,
        ssh::Ssh,
        user::Scope,
    },
    wire::handshake::{ENROLMENT_TOKEN_PREFIX, EnrolmentToken},
};

use crate::{
    crypto,
    live::Topic,
    services::{
        About as _, Context, Handle, HandlePerson, Services,
        access::{Authorized, Caller},
        error::ServiceError,
        lookup,
        onboarding::check_labels,
    },
    store::StoreError,
};

/// Longest life of an enrolment token.
const ENROLMENT_MINUTES: u32 = 15;

/// What is known beside an enrolment that an installation by SSH makes.
#[derive(Debug)]
pub(super) struct Installing {
    /// How the server is reached.
    pub(super) ssh: Ssh,
    /// Whether the agent that the server has may be replaced: it stays good until the new one's installation is complete.
    pub(super) again: bool,
}

impl Context {
    fn summarize_agent(&self, agent: &Agent, server: &Server) -> AgentSummary {
        let live = self.live.server(server.id).filter(|live| live.agent == agent.id);
        let state = if agent.revoked_at.is_some() {
            AgentState::Revoked
        } else {
            live.as_ref().map_or(AgentState::Offline, |live| live.state)
        };
        AgentSummary {
            id: agent.id,
            server: server.name.clone(),
            state,
            version: live.as_ref().map(|live| live.release.clone()),
            address: live.as_ref().map(|live| live.address.clone()),
            round_trip_ms: live.as_ref().filter(|_| state == AgentState::Online).map(|live| live.round_trip_ms),
            last_seen_at: live.as_ref().map(|live| live.last_seen_at),
            enrolled_at: agent.enrolled_at,
            certificate_expires_at: agent.certificate_expires_at,
        }
    }
}

impl Handle<AgentList> for Services {
    async fn handle(
        &self,
        caller: Authorized<'_, AgentList>,
        request: AgentList,
    ) -> Result<AgentListAnswer, ServiceError> {
        let (servers, agents) = self
            .context
            .store
            .read(|view| Ok::<_, StoreError>((lookup::servers(view, &caller)?, view.list::<Agent>()?)))?;
        let mut summaries: Vec<AgentSummary> = agents
            .iter()
            .filter(|agent| request.all || agent.revoked_at.is_none())
            .filter_map(|agent| {
                let server = servers.iter().find(|server| server.id == agent.server)?;
                Some(self.context.summarize_agent(agent, server))
            })
            .collect();
        summaries.sort_by(|left, right| (&left.server, left.id).cmp(&(&right.server, right.id)));
        Ok(AgentListAnswer { agents: summaries })
    }
}

impl Handle<AgentRevoke> for Services {
    async fn handle(
        &self,
        caller: Authorized<'_, AgentRevoke>,
        request: AgentRevoke,
    ) -> Result<AgentSummary, ServiceError> {
        let (agent, server) = self.context.store.read(|view| {
            if let Some(agent) =
                request.agent.parse::<AgentId>().ok().map(|id| view.get::<Agent>(id.to_u64())).transpose()?.flatten()
            {
                let server = lookup::server(view, &caller, &agent.server.to_string())?;
                return Ok((agent, server));
            }
            let server = lookup::server(view, &caller, &request.agent)?;
            let agent = server.agent.map(|id| view.get::<Agent>(id.to_u64())).transpose()?.flatten();
            let none = || ServiceError::new(ErrorCode::NotFound, format!("server \"{}\" has no agent", server.name));
            Ok::<_, ServiceError>((agent.ok_or_else(none)?, server))
        })?;
        let now_ms = self.context.clock.now_ms();
        let entry = self.context.entry(&caller, "agent_revoke", AuditOutcome::Ok).about("agent", &server.name);
        let entry = entry.because(request.reason.as_ref()).with(agent.id.to_string());
        let id = agent.id;
        let revoked = self
            .context
            .store
            .write(move |change| {
                let mut agent = change.get::<Agent>(id.to_u64())?.unwrap_or(agent);
                agent.revoked_at.get_or_insert(now_ms);
                change.put(&agent)?;
                change.audit(entry);
                Ok::<_, StoreError>(agent)
            })
            .await?;
        self.context.hub.revoke(id);
        self.context.live.publish(Topic::Server(server.id));
        Ok(self.context.summarize_agent(&revoked, &server))
    }
}

impl HandlePerson<CreateEnrolment> for Services {
    async fn handle_person(&self, caller: &Caller, request: CreateEnrolment) -> Result<CreatedEnrolment, ServiceError> {
        if !caller.scopes.contains(&Scope::Admin) {
            return Err(ServiceError::new(ErrorCode::Denied, "enrolling an agent needs the scope admin")
                .with_next("ask an admin"));
        }
        self.context.create_enrolment(caller, request, None).await
    }
}

impl Context {
    /// Makes a token for a caller who may.
    pub(super) async fn create_enrolment(
        &self,
        caller: &Caller,
        request: CreateEnrolment,
        installing: Option<Installing>,
    ) -> Result<CreatedEnrolment, ServiceError> {
        let invalid = |field: &str, message: String| ServiceError::new(ErrorCode::Invalid, message).with_field(field);
        check_name(&request.server).map_err(|error| invalid("server", error))?;
        let minutes = request.expires_in_minutes.unwrap_or(ENROLMENT_MINUTES);
        if !(1..=ENROLMENT_MINUTES).contains(&minutes) {
            return Err(invalid(
                "expires_in_minutes",
                format!("an enrolment token lasts 1 to {ENROLMENT_MINUTES} minutes"),
            ));
        }
        check_labels(&request.labels)?;
        let now_ms = self.clock.now_ms();
        let secret = SecretText::new(crypto::hex(&crypto::random_bytes::<16>()));
        let expires_at = now_ms + u64::from(minutes) * 60_000;
        let again = installing.as_ref().is_some_and(|installing| installing.again);
        let mut enrolment = Enrolment {
            id: EnrolmentId::from_parts(now_ms, crypto::random_u32()),
            server: request.server.clone(),
            labels: request.labels,
            ssh: installing.map(|installing| installing.ssh),
            replaces: None,
            secret_hash: crypto::sha256_hex(secret.reveal().as_bytes()),
            created_at: now_ms,
            expires_at,
            used_at: None,
        };
        let entry = self.entry(caller, "agent.enrolment", AuditOutcome::Ok).about("server", &request.server);
        let is_new = self
            .store
            .write(move |change| {
                let server = change.list::<Server>()?.into_iter().find(|server| server.name == enrolment.server);
                let is_new = server.is_none();
                let agent = server
                    .and_then(|server| server.agent)
                    .map(|id| change.get::<Agent>(id.to_u64()))
                    .transpose()?
                    .flatten();
                enrolment.replaces = agent.filter(|agent| agent.revoked_at.is_none()).map(|agent| agent.id);
                if enrolment.replaces.is_some() && !again {
                    let message = format!("server \"{}\" has an agent already", enrolment.server);
                    return Err(ServiceError::new(ErrorCode::Conflict, message)
                        .with_field("server")
                        .with_next(format!("revoke it first: tomo agent revoke {}", enrolment.server)));
                }
                for old in change.list::<Enrolment>()? {
                    if old.expires_at <= now_ms || old.server == enrolment.server {
                        change.remove::<Enrolment>(old.id.to_u64());
                    }
                }
                change.put(&enrolment)?;
                change.audit(entry);
                Ok(is_new)
            })
            .await?;
        let token =
            EnrolmentToken { addresses: self.hub.advertised(), ca_fingerprint: self.hub.ca_fingerprint(), secret };
        let body =
            serde_json::to_vec(&token).map_err(|error| ServiceError::new(ErrorCode::Internal, error.to_string()))?;
        let token = SecretText::new(format!("{ENROLMENT_TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode(body)));
        Ok(CreatedEnrolment { server: request.server, is_new, token, expires_at })
    }
}
