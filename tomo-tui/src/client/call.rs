//! A tool call as it goes over the wire: MCP of 2026-07-28, which needs no session. An answer is read straight into what it is;
//! rmcp's model of every message there could be takes each apart several times, which a dashboard that asks every second feels.

use serde::{
    Deserialize, Serialize,
    de::{DeserializeOwned, IgnoredAny},
};
use tomo_proto::{
    api::Tool,
    error::{ApiError, ErrorCode},
};

/// The version of the protocol that is spoken.
pub(super) const VERSION: &str = "2026-07-28";
/// The method of a tool call.
pub(super) const METHOD: &str = "tools/call";

/// The request.
#[derive(Serialize)]
pub(super) struct Call<'a, T> {
    jsonrpc: &'static str,
    /// Each request has a connection's answer for itself.
    id: u8,
    method: &'static str,
    params: Params<'a, T>,
}

#[derive(Serialize)]
struct Params<'a, T> {
    name: &'static str,
    arguments: &'a T,
    _meta: Meta,
}

/// Who asks.
#[derive(Serialize)]
struct Meta {
    #[serde(rename = "io.modelcontextprotocol/protocolVersion")]
    version: &'static str,
    #[serde(rename = "io.modelcontextprotocol/clientInfo")]
    client: Implementation,
    #[serde(rename = "io.modelcontextprotocol/clientCapabilities")]
    capabilities: Nothing,
}

#[derive(Serialize)]
struct Implementation {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct Nothing {}

impl<'a, T: Tool> Call<'a, T> {
    pub(super) const fn of(arguments: &'a T) -> Self {
        let client = Implementation { name: "tomo", version: tomo_proto::version::RELEASE };
        let _meta = Meta { version: VERSION, client, capabilities: Nothing {} };
        Self { jsonrpc: "2.0", id: 1, method: METHOD, params: Params { name: T::NAME, arguments, _meta } }
    }
}

/// Why a call has no answer.
#[derive(Debug)]
pub(super) enum NoAnswer {
    /// The tool refused.
    Refused(ApiError),
    /// The endpoint did not take it as a call.
    Protocol(String),
    /// It is something else than what the tool answers.
    NotUnderstood(String),
}

#[derive(Deserialize)]
struct Message<R> {
    result: Option<R>,
    error: Option<Error>,
}

#[derive(Deserialize)]
struct Error {
    message: String,
}

/// What a tool answered. The same stands in `content` once more, as text.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answered<A> {
    structured_content: A,
    #[serde(default)]
    is_error: bool,
}

/// What a tool refused.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Refused {
    is_error: bool,
    #[serde(default)]
    content: Vec<Content>,
    #[serde(rename = "_meta")]
    meta: Option<Refusal>,
}

#[derive(Deserialize)]
struct Content {
    text: Option<String>,
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(rename = "dev.tomo/error")]
    error: ApiError,
}

/// Reads the answer of a call: a message, or events of which one is it.
pub(super) fn answer<A: DeserializeOwned>(body: &[u8]) -> Result<A, NoAnswer> {
    let message = message(body);
    let not_understood = match serde_json::from_slice::<Message<Answered<A>>>(message) {
        Ok(Message { error: Some(error), .. }) => return Err(NoAnswer::Protocol(error.message)),
        Ok(Message { result: Some(Answered { structured_content, is_error: false }), .. }) => {
            return Ok(structured_content);
        }
        Ok(_) => "it has no result".to_owned(),
        Err(error) => error.to_string(),
    };
    match serde_json::from_slice::<Message<Refused>>(message) {
        Ok(Message { result: Some(refused), .. }) if refused.is_error => Err(NoAnswer::Refused(refused.into())),
        _ => Err(NoAnswer::NotUnderstood(not_understood)),
    }
}

/// The message in a body that may be a stream of events.
fn message(body: &[u8]) -> &[u8] {
    if body.trim_ascii_start().starts_with(b"{") {
        return body;
    }
    let events = body.split(|byte| *byte == b'\n').filter_map(|line| line.strip_prefix(b"data:"));
    let mut answers = events.filter(|event| {
        let message = serde_json::from_slice::<Message<IgnoredAny>>(event);
        message.is_ok_and(|message| message.result.is_some() || message.error.is_some())
    });
    answers.next().unwrap_or(body)
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        if let Some(refusal) = refused.meta {
            return refusal.error;
        }
        let text = refused.content.into_iter().find_map(|content| content.text);
        Self::new(ErrorCode::Internal, text.unwrap_or_else(|| "the daemon refused without a reason".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Sum {
        sum: u32,
    }

    fn told(body: &str) -> Result<Sum, NoAnswer> {
        answer(body.as_bytes())
    }

    #[test]
    fn an_answer_is_read_wherever_it_stands() {
        let sum = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"3"}],"structuredContent":{"sum":3}}}"#;
        let events = format!(
            ": ping\nevent: message\ndata: {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\"}}\n\ndata: {sum}\r\n\n"
        );
        for body in [sum, &format!(" {sum}"), &events] {
            assert!(matches!(told(body), Ok(Sum { sum: 3 })), "{body}");
        }
    }

    #[test]
    fn a_refusal_keeps_its_code_and_words_and_what_is_neither_is_told() {
        let error = json!({"dev.tomo/error": ApiError::new(ErrorCode::NotFound, "no server web-1")});
        let refused = json!({"result": {"isError": true, "content": [], "_meta": error}});
        let Err(NoAnswer::Refused(error)) = told(&refused.to_string()) else { panic!("it is a refusal") };
        assert_eq!((error.code, error.message.as_str()), (ErrorCode::NotFound, "no server web-1"));
        let plain = json!({"result": {"isError": true, "content": [{"type": "text", "text": "full"}]}});
        let Err(NoAnswer::Refused(error)) = told(&plain.to_string()) else { panic!("it is a refusal") };
        assert_eq!(error.message, "full");
        let protocol = r#"{"error":{"code":-32601,"message":"no such method"}}"#;
        assert!(matches!(told(protocol), Err(NoAnswer::Protocol(message)) if message == "no such method"));
        for body in ["", "{", "<html>", "{}", r#"{"result":{}}"#, r#"{"result":{"structuredContent":{"sum":"x"}}}"#] {
            assert!(matches!(told(body), Err(NoAnswer::NotUnderstood(_))), "{body}");
        }
    }
}
