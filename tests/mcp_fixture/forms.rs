//! Calls that ask the client for something before they answer (2026-07-28): forms, samples, roots, and the state between rounds.

use std::sync::Arc;

use rmcp::{
    ErrorData, RoleServer,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, GetPromptRequestParams, GetPromptResponse,
        GetPromptResult, InputRequest, InputRequests, InputRequiredResult, InputResponses, RequestStateCodec,
    },
    service::RequestContext,
};
use serde_json::{Value, json};

use crate::{complete, typed};

/// Seals what a call has to remember.
#[derive(Clone)]
pub(super) struct Forms {
    codec: Arc<RequestStateCodec>,
}

/// What a call asks for: under which key, and what.
type Wanted = (&'static str, Value);

/// Asks for one text.
fn form(key: &'static str, message: &str, field: &str, kind: &str) -> Wanted {
    let schema = json!({"type": "object", "properties": {field: {"type": kind}}, "required": [field]});
    let params = json!({"mode": "form", "message": message, "requestedSchema": schema});
    (key, json!({"method": "elicitation/create", "params": params}))
}

fn sample(key: &'static str, question: &str, most: u32) -> Wanted {
    let messages = json!([{"role": "user", "content": {"type": "text", "text": question}}]);
    (key, json!({"method": "sampling/createMessage", "params": {"messages": messages, "maxTokens": most}}))
}

fn roots(key: &'static str) -> Wanted {
    (key, json!({"method": "roots/list", "params": {}}))
}

fn required(wanted: impl IntoIterator<Item = Wanted>, state: Option<String>) -> Result<InputRequiredResult, ErrorData> {
    let wanted: Result<InputRequests, ErrorData> =
        wanted.into_iter().map(|(key, request)| Ok((key.to_owned(), typed::<InputRequest>(request)?))).collect();
    Ok(InputRequiredResult::new(Some(wanted?), state))
}

/// What came back under a key; an answer is an object.
fn answered<'a>(answers: Option<&'a InputResponses>, key: &str) -> Option<&'a Value> {
    answers?.get(key).filter(|answer| answer.is_object())
}

fn done(text: impl Into<String>) -> Result<Option<CallToolResponse>, ErrorData> {
    let content = json!([{"type": "text", "text": text.into()}]);
    Ok(Some(complete::<CallToolResult>(json!({"content": content}))?.into()))
}

impl Forms {
    pub(super) fn new() -> anyhow::Result<Self> {
        let key = tomo_daemon::crypto::random_bytes::<32>().to_vec();
        Ok(Self { codec: Arc::new(RequestStateCodec::try_new(key)?) })
    }

    fn seal(&self, round: &str) -> Option<String> {
        Some(self.codec.seal(round.as_bytes()))
    }

    /// The round that a state was sealed in; none if there is no state yet.
    fn round(&self, state: Option<&String>) -> Result<Option<String>, ErrorData> {
        let Some(state) = state else { return Ok(None) };
        let round = self.codec.open(state).map_err(|_| ErrorData::invalid_params("the state is not ours", None))?;
        Ok(Some(String::from_utf8_lossy(&round).into_owned()))
    }

    /// The answer of a tool that asks; none for other tools.
    pub(super) fn call(
        &self,
        request: &CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<Option<CallToolResponse>, ErrorData> {
        let answers = request.input_responses.as_ref();
        let answer = |key: &str| answered(answers, key);
        let ask = |wanted: Vec<Wanted>, state: Option<String>| Ok(Some(required(wanted, state)?.into()));
        let name = form("user_name", "What is your name?", "name", "string");
        match request.name.as_ref() {
            "test_input_required_result_elicitation" | "test_streaming_elicitation" => match answer("user_name") {
                Some(said) => done(format!("Hello, {}!", said["content"]["name"].as_str().unwrap_or("nobody"))),
                None => ask(vec![name], None),
            },
            "test_input_required_result_sampling" => match answer("capital_question") {
                Some(said) => done(format!("The answer: {}", said["content"]["text"].as_str().unwrap_or_default())),
                None => ask(vec![sample("capital_question", "What is the capital of France?", 100)], None),
            },
            "test_input_required_result_list_roots" => match answer("client_roots") {
                Some(said) => done(format!("The roots: {}", said["roots"])),
                None => ask(vec![roots("client_roots")], None),
            },
            "test_input_required_result_request_state" | "test_input_required_result_tampered_state" => {
                let round = self.round(request.request_state.as_ref())?;
                match (round.as_deref(), answer("confirm")) {
                    (Some("confirm"), Some(_)) => done("state-ok"),
                    _ => ask(vec![form("confirm", "Please confirm", "ok", "boolean")], self.seal("confirm")),
                }
            }
            "test_input_required_result_multiple_inputs" => {
                let round = self.round(request.request_state.as_ref())?;
                let all = ["user_name", "greeting", "client_roots"].iter().all(|key| answer(key).is_some());
                if round.as_deref() == Some("all") && all {
                    return done("All three came.");
                }
                let wanted = vec![name, sample("greeting", "Generate a greeting", 50), roots("client_roots")];
                ask(wanted, self.seal("all"))
            }
            "test_input_required_result_multi_round" => {
                let round = self.round(request.request_state.as_ref())?;
                let first = form("step1", "Step 1: What is your name?", "name", "string");
                let second = form("step2", "Step 2: What is your favorite color?", "color", "string");
                match round.as_deref() {
                    Some("two") if answer("step2").is_some() => done("Both steps are done."),
                    Some("one") if answer("step1").is_some() => ask(vec![second], self.seal("two")),
                    _ => ask(vec![first], self.seal("one")),
                }
            }
            "test_input_required_result_capabilities" => {
                let can = context.client_capabilities().unwrap_or_default();
                let form = can.elicitation.is_some().then_some(name);
                let sample = can.sampling.is_some().then(|| sample("greeting", "Generate a greeting", 50));
                ask(form.into_iter().chain(sample).collect(), None)
            }
            _ => Ok(None),
        }
    }

    /// The answer of the prompt that asks; none for other prompts.
    pub(super) fn prompt(&self, request: &GetPromptRequestParams) -> Result<Option<GetPromptResponse>, ErrorData> {
        if request.name != "test_input_required_result_prompt" {
            return Ok(None);
        }
        let Some(said) = answered(request.input_responses.as_ref(), "user_context") else {
            let wanted = form("user_context", "What context should the prompt use?", "context", "string");
            return Ok(Some(required([wanted], None)?.into()));
        };
        let text = format!("Use the context: {}", said["content"]["context"].as_str().unwrap_or_default());
        let messages = json!([{"role": "user", "content": {"type": "text", "text": text}}]);
        Ok(Some(complete::<GetPromptResult>(json!({"messages": messages}))?.into()))
    }
}
