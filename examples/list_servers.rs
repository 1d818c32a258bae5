//! The smallest client: one MCP call over plain HTTP, and a table of servers.
//!
//! ```sh
//! TOMO_URL=http://127.0.0.1:8666 TOMO_TOKEN=tomo_… cargo run -p tomo-examples --bin list_servers
//! ```
#![expect(clippy::print_stdout, reason = "this is the program's own output")]

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use tomo_proto::api::{Tool, server::ServerList};

/// The revision of the protocol that needs no session.
const PROTOCOL: &str = "2026-07-28";

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let url = std::env::var("TOMO_URL").unwrap_or_else(|_| "http://127.0.0.1:8666".to_owned());
    let token = std::env::var("TOMO_TOKEN")
        .context("TOMO_TOKEN is not set: make one with `tomo token create NAME --for ai`")?;
    let answer = call(&url, &token, &ServerList { limit: Some(100), ..ServerList::default() }).await?;
    for server in answer.servers {
        let cpu = server.vitals.map_or_else(|| "-".to_owned(), |vitals| format!("{:.0}%", vitals.cpu_ratio * 100.0));
        println!("{:<24} {:<9} {cpu}", server.name, server.status.as_str());
    }
    Ok(())
}

/// Calls any tool by its contract.
async fn call<T: Tool>(url: &str, token: &str, request: &T) -> anyhow::Result<T::Answer> {
    let params = json!({
        "name": T::NAME,
        "arguments": request,
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": PROTOCOL,
            "io.modelcontextprotocol/clientInfo": {"name": "list_servers", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        },
    });
    let response = reqwest::Client::new()
        .post(format!("{url}/mcp"))
        .bearer_auth(token)
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", PROTOCOL)
        .header("mcp-method", "tools/call")
        .header("mcp-name", T::NAME)
        .json(&json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}))
        .send()
        .await?;
    let text = response.text().await?;
    // One JSON body, or one event with it.
    let body = text.lines().find_map(|line| line.strip_prefix("data:")).unwrap_or(&text);
    let answer: Value = serde_json::from_str(body.trim()).with_context(|| format!("not JSON: {text}"))?;
    let result = &answer["result"];
    if result["isError"] == true || !result["structuredContent"].is_object() {
        bail!("{} is refused: {}", T::NAME, result["content"][0]["text"].as_str().unwrap_or(body));
    }
    Ok(serde_json::from_value(result["structuredContent"].clone())?)
}
