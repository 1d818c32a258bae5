//! A person's yes through the client's own form, for plans that may be agreed to that way. A model can answer nothing here: the
//! state is sealed, bound to caller, plan and hash, and used once.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use rmcp::{
    ErrorData, RoleServer,
    model::{
        CallToolRequestParams, CallToolResponse, ElicitRequest, ElicitRequestParams, ElicitResult, ElicitationAction,
        ElicitationSchema, InputRequest, InputRequests, InputRequiredResult, ProtocolVersion, RequestStateCodec,
        SealOptions,
    },
    service::{ElicitationError, RequestContext},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tomo_proto::{
    api::plan::PlanApply,
    error::ErrorCode,
    model::plan::{ChangeOp, Plan},
};

use crate::{
    crypto,
    mcp::{Endpoint, error},
    services::{access::Caller, error::ServiceError},
};

/// The tool that may need consent.
pub(super) const TOOL: &str = "plan_apply";
/// A form waits this long for its person.
const LIFE: Duration = Duration::from_secs(600);
const ANSWER: &str = "consent";

/// The form.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Consent {
    /// Carry the plan out now
    approve: bool,
}
rmcp::elicit_safe!(Consent);

/// What the sealed state says.
#[derive(Debug, Serialize, Deserialize)]
struct Asked {
    hash: String,
    nonce: String,
    /// When it was asked (UTC ms).
    at_ms: u64,
}

/// What the person did with the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Yes,
    No,
    Nothing,
}

/// Forms that are out: what seals them, and which were answered.
pub(super) struct Forms {
    codec: RequestStateCodec,
    /// Nonces of answered forms with the time they were asked (UTC ms), until they are too old to count.
    answered: Mutex<HashMap<String, u64>>,
}

impl Forms {
    /// The key lives as long as the daemon: a form from before a restart no longer counts.
    pub(super) fn new() -> anyhow::Result<Self> {
        let codec = RequestStateCodec::try_new(crypto::random_bytes::<32>().to_vec())?;
        Ok(Self { codec, answered: Mutex::default() })
    }

    fn seal(&self, bound: &str, plan: &Plan, now_ms: u64) -> Result<String, ErrorData> {
        let nonce = crypto::hex(&crypto::random_bytes::<16>());
        let asked = Asked { hash: plan.hash.clone(), nonce, at_ms: now_ms };
        let body =
            serde_json::to_vec(&asked).map_err(|problem| ErrorData::internal_error(problem.to_string(), None))?;
        Ok(self.codec.seal_with(&body, &SealOptions::new().associated_data(bound.as_bytes())))
    }

    /// Takes a form back, once; says why it does not count.
    fn take(&self, bound: &str, state: &str, plan: &Plan, now_ms: u64) -> Result<(), &'static str> {
        let body = self.codec.open_with(state, bound.as_bytes()).map_err(|_| "its state is not ours, or another's")?;
        let asked: Asked = serde_json::from_slice(&body).map_err(|_| "its state is not ours")?;
        let life_ms = u64::try_from(LIFE.as_millis()).unwrap_or(u64::MAX);
        let expired = |at_ms: u64| at_ms.saturating_add(life_ms) <= now_ms;
        if expired(asked.at_ms) {
            return Err("it came too late");
        }
        if asked.hash != plan.hash {
            return Err("it was for another version of the plan");
        }
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        answered.retain(|_, at_ms| !expired(*at_ms));
        if answered.insert(asked.nonce, asked.at_ms).is_some() {
            return Err("it was answered before");
        }
        Ok(())
    }
}

fn question(plan: &Plan) -> String {
    let mut text = format!("{}\n", plan.summary);
    for change in plan.changes.iter().take(20) {
        let sign = match change.op {
            ChangeOp::Add => '+',
            ChangeOp::Set => '~',
            ChangeOp::Remove => '-',
        };
        let (from, to) = (change.from.as_deref().unwrap_or(""), change.to.as_deref().unwrap_or(""));
        let arrow = if from.is_empty() || to.is_empty() { "" } else { " → " };
        text.push_str(&format!("{sign} {}: {from}{arrow}{to}\n", change.path));
    }
    if let Some(hidden) = plan.changes.len().checked_sub(20).filter(|hidden| *hidden > 0) {
        text.push_str(&format!("… and {hidden} more\n"));
    }
    for warning in plan.downtime.iter().chain(&plan.warnings) {
        text.push_str(&format!("! {warning}\n"));
    }
    text
}

fn said(answer: ElicitResult) -> Said {
    let content = answer.content.and_then(|content| serde_json::from_value::<Consent>(content).ok());
    match answer.action {
        ElicitationAction::Accept if content.is_some_and(|content| content.approve) => Said::Yes,
        ElicitationAction::Cancel => Said::Nothing,
        _ => Said::No,
    }
}

fn again(plan: &Plan) -> String {
    format!("plan_apply {{\"plan\":\"{}\"}}", plan.plan)
}

impl Endpoint {
    /// Asks the person at the client if this call needs it. An answer means: that is the response; none means: go on.
    pub(super) async fn ask_for_consent(
        &self,
        caller: &Caller,
        request: &CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<Option<CallToolResponse>, ErrorData> {
        if caller.is_person() {
            return Ok(None);
        }
        let services = &self.shared.services;
        let arguments = serde_json::Value::Object(request.arguments.clone().unwrap_or_default());
        // Whatever is wrong with the arguments or the plan, the tool itself says better.
        let Ok(wanted) = serde_json::from_value::<PlanApply>(arguments) else { return Ok(None) };
        let Ok(Some(plan)) = services.plan_to_consent(caller, &wanted) else { return Ok(None) };
        let forms = context.client_capabilities().and_then(|can| can.elicitation);
        // Forms are what a client means that says no more than that it can ask.
        if !forms.is_some_and(|can| can.form.is_some() || can.url.is_none()) {
            return Ok(None);
        }
        let modern = context
            .protocol_version()
            .is_some_and(|version| version.as_str() >= ProtocolVersion::V_2026_07_28.as_str());
        let said = if modern {
            let bound = format!("{}|{TOOL}|{}", caller.key(), plan.plan);
            let now_ms = services.clock().now_ms();
            let answer = request.input_responses.as_ref().and_then(|answers| answers.get(ANSWER)).cloned();
            let answer = answer.and_then(|answer| serde_json::from_value::<ElicitResult>(answer).ok());
            let (Some(state), Some(answer)) = (&request.request_state, answer) else {
                return self.form(&bound, &plan, now_ms).map(Some);
            };
            if let Err(why) = self.shared.forms.take(&bound, state, &plan, now_ms) {
                services.audit_denial(caller, "plan.consent", &plan.plan.to_string(), why).await;
                let refused = ServiceError::new(ErrorCode::Invalid, format!("the consent does not count: {why}"));
                return Ok(Some(error::result(refused.with_next(again(&plan))).into()));
            }
            said(answer)
        } else {
            tokio::select! {
                answer = context.peer.elicit_with_timeout::<Consent>(question(&plan), Some(LIFE)) => match answer {
                    Ok(Some(Consent { approve: true })) => Said::Yes,
                    Ok(_) | Err(ElicitationError::UserDeclined) => Said::No,
                    Err(_) => Said::Nothing,
                },
                () = context.ct.cancelled() => return Err(ErrorData::internal_error("cancelled", None)),
                () = caller.ended.cancelled() => {
                    return Err(ErrorData::invalid_request("this login or token has ended", None));
                }
            }
        };
        if said == Said::Nothing {
            let message = format!("nobody answered for plan {}; it stays open", plan.plan);
            let error = ServiceError::new(ErrorCode::ApprovalRequired, message);
            let next = format!("{}, or a person approves it with `tomo plan approve {}`", again(&plan), plan.plan);
            return Ok(Some(error::result(error.with_next(next)).into()));
        }
        let recorded = services.answer_consent(caller, plan.plan, &plan.hash, said == Said::Yes).await;
        Ok(match recorded {
            Err(failed) => Some(error::result(failed).into()),
            Ok(()) if said == Said::Yes => None,
            Ok(()) => {
                let message = format!("a person declined plan {}; it stays open", plan.plan);
                let declined = ServiceError::new(ErrorCode::Declined, message);
                Some(error::result(declined.with_next("ask the person what should be different")).into())
            }
        })
    }

    fn form(&self, bound: &str, plan: &Plan, now_ms: u64) -> Result<CallToolResponse, ErrorData> {
        let sealed = self.shared.forms.seal(bound, plan, now_ms)?;
        let schema = ElicitationSchema::from_type::<Consent>()
            .map_err(|problem| ErrorData::internal_error(problem.to_string(), None))?;
        let form = ElicitRequestParams::FormElicitationParams {
            meta: None,
            message: question(plan),
            requested_schema: schema,
        };
        let mut requests = InputRequests::new();
        requests.insert(ANSWER.into(), InputRequest::Elicitation(ElicitRequest::new(form)));
        Ok(InputRequiredResult::new(Some(requests), Some(sealed)).into())
    }
}
