//! MCP by hand, in both eras: what goes over the wire is in plain sight.

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};
use tomo_proto::error::{ApiError, ErrorCode};

use crate::http::Http;

/// The stateless era.
pub const MODERN: &str = "2026-07-28";
/// The era of sessions.
pub const LEGACY: &str = "2025-11-25";

const SESSION: &str = "mcp-session-id";
const META: &str = "io.modelcontextprotocol";

/// One endpoint, spoken to in one era.
#[derive(Debug)]
pub struct Mcp {
    http: Http,
    path: String,
    capabilities: Value,
    /// Of the legacy era.
    session: Option<String>,
    id: AtomicU64,
}

/// What a tool call came to.
#[derive(Debug, Clone)]
pub struct ToolResult {
    /// The whole response: `result` or `error` of JSON-RPC, or the body of an HTTP error under `http`.
    pub response: Value,
    /// `structuredContent`, or null.
    pub structured: Value,
    /// The refusal: of the tool, of the protocol (as `invalid`) or of HTTP.
    pub error: Option<ApiError>,
}

impl Mcp {
    /// The modern era: no session; a client without capabilities.
    #[must_use]
    pub fn modern(http: Http, path: &str) -> Self {
        Self { http, path: path.to_owned(), capabilities: json!({}), session: None, id: AtomicU64::new(1) }
    }

    /// The same as a client that can do something, e.g. `{"elicitation": {}}`.
    #[must_use]
    pub fn with_capabilities(mut self, capabilities: Value) -> Self {
        self.capabilities = capabilities;
        self
    }

    /// The legacy era: initializes a session for a client with these capabilities.
    ///
    /// # Panics
    /// The daemon does not open one.
    pub async fn legacy(http: Http, path: &str, capabilities: &Value) -> Self {
        let mut mcp = Self::modern(http, path).with_capabilities(capabilities.clone());
        let params = json!({
            "protocolVersion": LEGACY, "capabilities": capabilities, "clientInfo": {"name": "tomo-tests", "version": "0"}
        });
        let body = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
        let response = mcp.plain(&body).send().await.expect("the daemon answers");
        let status = response.status();
        let session = response.headers().get(SESSION).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let answer = Events::of(response).response(0).await;
        assert!(status.is_success() && answer["result"].is_object(), "{status} {answer}");
        mcp.session = Some(session.expect("a session is named"));
        let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        let accepted = mcp.plain(&initialized).send().await.expect("the daemon answers");
        assert!(accepted.status().is_success(), "{}", accepted.status());
        mcp
    }

    /// Id of the legacy session.
    #[must_use]
    pub fn session(&self) -> Option<&str> {
        self.session.as_deref()
    }

    fn plain(&self, body: &Value) -> RequestBuilder {
        let request = self.http.post(&self.path, body).header("accept", "application/json, text/event-stream");
        match &self.session {
            Some(session) => request.header(SESSION, session).header("mcp-protocol-version", LEGACY),
            None => request,
        }
    }

    /// Builds a request with all its era wants; returns its id too.
    pub fn prepare(&self, method: &str, mut params: Value) -> (u64, RequestBuilder) {
        let id = self.id.fetch_add(1, Ordering::Relaxed);
        let modern = self.session.is_none();
        if modern {
            let meta = &mut params["_meta"];
            meta[format!("{META}/protocolVersion")] = json!(MODERN);
            meta[format!("{META}/clientInfo")] = json!({"name": "tomo-tests", "version": "0"});
            meta[format!("{META}/clientCapabilities")] = self.capabilities.clone();
        }
        let name = params["name"].as_str().or(params["uri"].as_str()).map(str::to_owned);
        let mut request = self.plain(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        if modern {
            request = request.header("mcp-protocol-version", MODERN).header("mcp-method", method);
            if let Some(name) = name {
                request = request.header("mcp-name", name);
            }
        }
        (id, request)
    }

    /// Sends a request and returns everything that comes back, message by message, for as long as the stream is open.
    ///
    /// # Panics
    /// The daemon does not answer.
    pub async fn stream(&self, method: &str, params: Value) -> (u64, Events) {
        let (id, request) = self.prepare(method, params);
        // A stream may stay open for as long as the test wants.
        let request = request.timeout(std::time::Duration::from_secs(600));
        (id, Events::of(request.send().await.expect("the daemon answers")))
    }

    /// Sends a request and returns its response: an object with `result` or `error`.
    pub async fn request(&self, method: &str, params: Value) -> Value {
        let (id, mut events) = self.stream(method, params).await;
        events.response(id).await
    }

    /// Answers a request of the daemon (legacy era: elicitation and the like).
    ///
    /// # Panics
    /// The daemon does not take it.
    pub async fn respond(&self, id: &Value, result: Value) {
        let body = json!({"jsonrpc": "2.0", "id": id, "result": result});
        let response = self.plain(&body).send().await.expect("the daemon answers");
        assert!(response.status().is_success(), "{}", response.status());
    }

    /// Opens the legacy session's stream of notices.
    ///
    /// # Panics
    /// The daemon does not answer.
    pub async fn notices(&self) -> Events {
        let request = self.http.get(&self.path).header("accept", "text/event-stream");
        let request =
            request.header(SESSION, self.session().unwrap_or_default()).header("mcp-protocol-version", LEGACY);
        let request = request.timeout(std::time::Duration::from_secs(600));
        Events::of(request.send().await.expect("the daemon answers"))
    }

    /// Calls a tool.
    ///
    /// # Panics
    /// The daemon does not answer.
    pub async fn call(&self, name: &str, arguments: Value) -> ToolResult {
        ToolResult::of(self.request("tools/call", json!({"name": name, "arguments": arguments})).await)
    }

    /// Names of the tools that are listed.
    ///
    /// # Panics
    /// There is no list.
    pub async fn tool_names(&self) -> Vec<String> {
        let listed = self.request("tools/list", json!({})).await;
        let tools = listed["result"]["tools"].as_array().unwrap_or_else(|| panic!("no list: {listed}"));
        tools.iter().filter_map(|tool| tool["name"].as_str()).map(str::to_owned).collect()
    }
}

impl ToolResult {
    /// Takes a response apart.
    #[must_use]
    pub fn of(response: Value) -> Self {
        let result = &response["result"];
        let error = if let Ok(error) = serde_json::from_value::<ApiError>(result["_meta"]["dev.tomo/error"].clone()) {
            Some(error)
        } else if let Ok(error) = serde_json::from_value::<ApiError>(response["http"].clone()) {
            Some(error)
        } else {
            response.get("error").map(|error| {
                ApiError::new(ErrorCode::Invalid, error["message"].as_str().unwrap_or("an error without a message"))
            })
        };
        Self { structured: result["structuredContent"].clone(), error, response }
    }

    /// How long the daemon wants to be left alone, if the limit of calls refused this one.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let told = self.response["retry_after_s"].as_u64();
        // A tool's answer has no header: its next step says "wait a second".
        let limited = (self.code() == Some(ErrorCode::RateLimited)).then_some(1);
        told.or(limited).map(Duration::from_secs)
    }

    /// Code of the refusal.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        self.error.as_ref().map(|error| error.code)
    }
}

/// What comes back for one request: one JSON body, or a stream of events.
#[derive(Debug)]
pub struct Events {
    response: Response,
    /// Bytes that are no whole line yet.
    rest: Vec<u8>,
    ready: VecDeque<Value>,
    ended: bool,
}

impl Events {
    /// Reads a response, whatever its kind.
    #[must_use]
    pub fn of(response: Response) -> Self {
        Self { response, rest: Vec::new(), ready: VecDeque::new(), ended: false }
    }

    /// HTTP status.
    #[must_use]
    pub fn status(&self) -> reqwest::StatusCode {
        self.response.status()
    }

    /// The next message; none once the stream has ended or was cut.
    pub async fn next(&mut self) -> Option<Value> {
        let streamed = self.response.headers().get("content-type").is_some_and(|kind| kind == "text/event-stream");
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Some(message);
            }
            if self.ended {
                return None;
            }
            match self.response.chunk().await {
                Ok(Some(bytes)) => self.rest.extend_from_slice(&bytes),
                Ok(None) | Err(_) => self.ended = true,
            }
            if streamed {
                self.take_lines();
            } else if self.ended {
                let text = String::from_utf8_lossy(&self.rest).into_owned();
                let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
                let rpc = body.get("jsonrpc").is_some();
                let retry = self
                    .response
                    .headers()
                    .get("retry-after")
                    .and_then(|after| after.to_str().ok()?.parse::<u64>().ok());
                let refused = json!({"http": body, "status": self.status().as_u16(), "retry_after_s": retry});
                self.ready.push_back(if rpc { body } else { refused });
            }
        }
    }

    fn take_lines(&mut self) {
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let data = line.strip_prefix("data:").map(str::trim);
            self.ready.extend(data.and_then(|data| serde_json::from_str(data).ok()));
        }
    }

    /// Skips to the response of a request; an HTTP error counts as one, under `http`.
    ///
    /// # Panics
    /// The stream ends before.
    pub async fn response(&mut self, id: u64) -> Value {
        while let Some(message) = self.next().await {
            let is_response = message.get("result").is_some() || message.get("error").is_some();
            if message.get("http").is_some() || (is_response && (message["id"] == id || message["id"].is_null())) {
                return message;
            }
        }
        panic!("the stream ended before the response {id}");
    }

    /// Skips to the next notification or request of a method.
    ///
    /// # Panics
    /// The stream ends before.
    pub async fn until(&mut self, method: &str) -> Value {
        while let Some(message) = self.next().await {
            if message["method"] == method {
                return message;
            }
        }
        panic!("the stream ended before {method}");
    }
}
