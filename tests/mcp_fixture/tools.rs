//! Tools that answer at once, and those that talk to an older client meanwhile.

use std::time::Duration;

use rmcp::{
    ErrorData, RoleServer,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, CreateMessageRequestParams, ElicitRequestParams,
        LoggingLevel, LoggingMessageNotificationParam, ProgressNotificationParam, Tool,
    },
    service::RequestContext,
};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{complete, typed};

/// One red pixel, PNG.
pub(super) const PIXEL: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==";
/// A WAV file without a sample.
const SILENCE: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEARKwAAIhYAQACABAAZGF0YQAAAAA=";
/// The suite wants to see that what comes meanwhile comes meanwhile.
const PAUSE: Duration = Duration::from_millis(50);

/// Tools without arguments.
const PLAIN: [&str; 23] = [
    "test_simple_text",
    "test_image_content",
    "test_audio_content",
    "test_embedded_resource",
    "test_multiple_content_types",
    "test_error_handling",
    "test_tool_with_logging",
    "test_logging_tool",
    "test_tool_with_progress",
    "test_missing_capability",
    "test_streaming_elicitation",
    "test_elicitation_sep1034_defaults",
    "test_elicitation_sep1330_enums",
    "test_input_required_result_elicitation",
    "test_input_required_result_sampling",
    "test_input_required_result_list_roots",
    "test_input_required_result_request_state",
    "test_input_required_result_multiple_inputs",
    "test_input_required_result_multi_round",
    "test_input_required_result_tampered_state",
    "test_input_required_result_capabilities",
    "test_trigger_tool_change",
    "test_trigger_prompt_change",
];

pub(super) fn list() -> Result<Vec<Tool>, ErrorData> {
    let plain = PLAIN.iter().map(|name| {
        json!({"name": name, "description": "A tool for tests", "inputSchema": {"type": "object", "properties": {}}})
    });
    let one = |name: &str, argument: &str, schema: Value| {
        json!({"name": name, "description": "A tool for tests", "inputSchema": {
            "type": "object", "properties": {argument: schema}, "required": [argument],
        }})
    };
    let others = [
        one("test_sampling", "prompt", json!({"type": "string"})),
        one("test_elicitation", "message", json!({"type": "string"})),
        one("test_header", "region", json!({"type": "string", "x-mcp-header": "Region"})),
    ];
    plain.chain(others).map(typed).collect()
}

fn answer(contents: Value) -> Result<CallToolResponse, ErrorData> {
    Ok(complete::<CallToolResult>(json!({"content": contents}))?.into())
}

fn text(text: impl Into<String>) -> Result<CallToolResponse, ErrorData> {
    answer(json!([{"type": "text", "text": text.into()}]))
}

pub(super) async fn call(
    request: &CallToolRequestParams,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    let given = |name: &str| -> Result<&str, ErrorData> {
        let value = request.arguments.as_ref().and_then(|arguments| arguments.get(name)).and_then(Value::as_str);
        value.ok_or_else(|| ErrorData::invalid_params(format!("the argument {name} is missing"), None))
    };
    match request.name.as_ref() {
        "test_simple_text" => text("This is a simple text response for testing."),
        "test_image_content" => answer(json!([{"type": "image", "data": PIXEL, "mimeType": "image/png"}])),
        "test_audio_content" => answer(json!([{"type": "audio", "data": SILENCE, "mimeType": "audio/wav"}])),
        "test_embedded_resource" => {
            let body = "This is an embedded resource content.";
            let resource = json!({"uri": "test://embedded-resource", "mimeType": "text/plain", "text": body});
            answer(json!([{"type": "resource", "resource": resource}]))
        }
        "test_multiple_content_types" => {
            let body = json!({"test": "data", "value": 123}).to_string();
            let resource =
                json!({"uri": "test://mixed-content-resource", "mimeType": "application/json", "text": body});
            answer(json!([
                {"type": "text", "text": "Multiple content types test:"},
                {"type": "image", "data": PIXEL, "mimeType": "image/png"},
                {"type": "resource", "resource": resource},
            ]))
        }
        "test_error_handling" => {
            let content = json!([{"type": "text", "text": "This tool intentionally returns an error for testing"}]);
            Ok(complete::<CallToolResult>(json!({"content": content, "isError": true}))?.into())
        }
        "test_tool_with_logging" => log(context).await,
        "test_tool_with_progress" => progress(context).await,
        "test_missing_capability" if context.client_capabilities().is_none_or(|can| can.sampling.is_none()) => {
            Err(ErrorData::missing_required_client_capability(typed(json!({"sampling": {}}))?))
        }
        "test_sampling" => {
            let content = json!({"type": "text", "text": given("prompt")?});
            let params: CreateMessageRequestParams =
                typed(json!({"messages": [{"role": "user", "content": content}], "maxTokens": 100}))?;
            let answered = context.peer.create_message(params).await.map_err(failed)?;
            let answered = serde_json::to_value(answered).unwrap_or_default();
            text(format!("LLM response: {}", answered["content"]["text"].as_str().unwrap_or_default()))
        }
        "test_elicitation" => {
            let properties = json!({
                "username": {"type": "string", "description": "User's response"},
                "email": {"type": "string", "description": "User's email address"},
            });
            let schema = json!({"type": "object", "properties": properties, "required": ["username", "email"]});
            let said = ask(context, given("message")?, schema).await?;
            text(format!("User response: action={}, content={}", said["action"], said["content"]))
        }
        "test_elicitation_sep1034_defaults" => completed(ask(context, "Review the defaults", defaults()).await?),
        "test_elicitation_sep1330_enums" => completed(ask(context, "Choose", choices()).await?),
        name if list()?.iter().any(|tool| tool.name == name) => text("Done."),
        _ => Err(ErrorData::invalid_params("there is no such tool", None)),
    }
}

fn failed(problem: impl std::fmt::Display) -> ErrorData {
    ErrorData::internal_error(problem.to_string(), None)
}

fn completed(said: Value) -> Result<CallToolResponse, ErrorData> {
    text(format!("Elicitation completed: action={}, content={}", said["action"], said["content"]))
}

async fn ask(context: &RequestContext<RoleServer>, message: &str, schema: Value) -> Result<Value, ErrorData> {
    let params: ElicitRequestParams = typed(json!({"mode": "form", "message": message, "requestedSchema": schema}))?;
    let said = context.peer.create_elicitation(params).await.map_err(failed)?;
    serde_json::to_value(said).map_err(failed)
}

async fn log(context: &RequestContext<RoleServer>) -> Result<CallToolResponse, ErrorData> {
    for (at, message) in
        ["Tool execution started", "Tool processing data", "Tool execution completed"].iter().enumerate()
    {
        if at > 0 {
            sleep(PAUSE).await;
        }
        let message = LoggingMessageNotificationParam::new(LoggingLevel::Info, json!(message));
        context.peer.notify_logging_message(message).await.map_err(failed)?;
    }
    text("Logged three messages.")
}

async fn progress(context: &RequestContext<RoleServer>) -> Result<CallToolResponse, ErrorData> {
    let token = context.meta.get_progress_token();
    for (at, done) in [0.0, 50.0, 100.0].into_iter().enumerate() {
        if at > 0 {
            sleep(PAUSE).await;
        }
        if let Some(token) = &token {
            let update = ProgressNotificationParam::new(token.clone(), done).with_total(100.0);
            context.peer.notify_progress(update).await.map_err(failed)?;
        }
    }
    text("Progressed to the end.")
}

fn defaults() -> Value {
    json!({"type": "object", "required": [], "properties": {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": true},
    }})
}

fn choices() -> Value {
    let titled = |first: &str| {
        json!([
            {"const": "value1", "title": format!("First {first}")},
            {"const": "value2", "title": format!("Second {first}")},
            {"const": "value3", "title": format!("Third {first}")},
        ])
    };
    json!({"type": "object", "required": [], "properties": {
        "untitledSingle": {"type": "string", "enum": ["option1", "option2", "option3"]},
        "titledSingle": {"type": "string", "oneOf": titled("Option")},
        "legacyEnum": {
            "type": "string", "enum": ["opt1", "opt2", "opt3"], "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": ["option1", "option2", "option3"]}},
        "titledMulti": {"type": "array", "items": {"anyOf": titled("Choice")}},
    }})
}
