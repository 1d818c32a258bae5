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
        ElicitationSchema, InputRequest, InputRequests, InputRequiredResult, ProtocolVersion, SealOptions,
    },
    service::RequestContext,
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
}

/// Nonces of forms that were answered, until their state has expired.
#[derive(Debug, Default)]
pub(super) struct Used {
    nonces: Mutex<HashMap<String, std::time::Instant>>,
}

impl Used {
    /// Whether a nonce comes for the first time.
    fn take(&self, nonce: String) -> bool {
        let mut nonces = self.nonces.lock().unwrap_or_else(PoisonError::into_inner);
        nonces.retain(|_, at| at.elapsed() < LIFE);
        nonces.insert(nonce, std::time::Instant::now()).is_none()
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
    for warning in plan.downtime.iter().chain(&plan.warnings) {
        text.push_str(&format!("! {warning}\n"));
    }
    text
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
        let arguments = serde_json::Value::Object(request.arguments.clone().unwrap_or_default());
        // Whatever is wrong with the arguments or the plan, the tool itself says better.
        let Ok(wanted) = serde_json::from_value::<PlanApply>(arguments) else { return Ok(None) };
        let Ok(Some(plan)) = self.services.plan_to_consent(caller, &wanted) else { return Ok(None) };
        let can_ask = context.client_capabilities().is_some_and(|can| can.elicitation.is_some());
        if !can_ask {
            return Ok(None);
        }
        let modern = context
            .protocol_version()
            .is_some_and(|version| version.as_str() >= ProtocolVersion::V_2026_07_28.as_str());
        let accepted = if modern {
            match self.modern(caller, request, &plan)? {
                Answer::Ask(response) => return Ok(Some(response)),
                Answer::Given(accepted) => accepted,
            }
        } else {
            let asked = context.peer.elicit_with_timeout::<Consent>(question(&plan), Some(LIFE)).await;
            matches!(asked, Ok(Some(Consent { approve: true })))
        };
        let recorded = self.services.answer_consent(caller, plan.plan, &plan.hash, accepted).await;
        Ok(match recorded {
            Err(failed) => Some(error::result(failed).into()),
            Ok(()) if accepted => None,
            Ok(()) => {
                let declined = ServiceError::new(
                    ErrorCode::Declined,
                    format!("a person declined plan {}; it stays open", plan.plan),
                );
                Some(error::result(declined.with_next("ask the person what should be different")).into())
            }
        })
    }

    fn modern(&self, caller: &Caller, request: &CallToolRequestParams, plan: &Plan) -> Result<Answer, ErrorData> {
        let bound = format!("{}|{TOOL}|{}", caller.key(), plan.plan);
        let Some(state) = &request.request_state else {
            let asked = Asked { hash: plan.hash.clone(), nonce: crypto::hex(&crypto::random_bytes::<16>()) };
            let body =
                serde_json::to_vec(&asked).map_err(|problem| ErrorData::internal_error(problem.to_string(), None))?;
            let options = SealOptions::new().associated_data(bound.as_bytes()).ttl(LIFE);
            let sealed = self.codec.seal_with(&body, &options);
            let schema = ElicitationSchema::from_type::<Consent>()
                .map_err(|problem| ErrorData::internal_error(problem.to_string(), None))?;
            let form = ElicitRequestParams::FormElicitationParams {
                meta: None,
                message: question(plan),
                requested_schema: schema,
            };
            let mut requests = InputRequests::new();
            requests.insert(ANSWER.into(), InputRequest::Elicitation(ElicitRequest::new(form)));
            return Ok(Answer::Ask(InputRequiredResult::new(Some(requests), Some(sealed)).into()));
        };
        let refused = |why: &str| ErrorData::invalid_params(format!("the consent does not count: {why}"), None);
        let body =
            self.codec.open_with(state, bound.as_bytes()).map_err(|_| refused("its state is not ours, or too old"))?;
        let asked: Asked = serde_json::from_slice(&body).map_err(|_| refused("its state is not ours"))?;
        if asked.hash != plan.hash {
            return Err(refused("the plan has changed since"));
        }
        if !self.used.take(asked.nonce) {
            return Err(refused("it was answered before"));
        }
        let answer = request.input_responses.as_ref().and_then(|answers| answers.get(ANSWER)).cloned();
        let answer = answer.and_then(|answer| serde_json::from_value::<ElicitResult>(answer).ok());
        let accepted = answer.is_some_and(|answer| {
            let content = answer.content.and_then(|content| serde_json::from_value::<Consent>(content).ok());
            answer.action == ElicitationAction::Accept && content.is_some_and(|content| content.approve)
        });
        Ok(Answer::Given(accepted))
    }
}

enum Answer {
    Ask(CallToolResponse),
    Given(bool),
}
