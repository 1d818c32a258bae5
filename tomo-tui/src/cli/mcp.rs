//! Entries for AI tools' configuration files. They name an API token, never the local socket's rights: a token cannot approve.

use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};
use tomo_proto::{
    api::{auth::AuthWhoami, person::SecretText},
    error::{ApiError, ErrorCode},
};

use crate::{
    args::DEFAULT_PROFILE,
    client::{Client, ClientError, Target, known_fingerprint},
};

/// AI tools whose configuration is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum McpClient {
    /// Claude Code.
    Claude,
    /// Cursor.
    Cursor,
    /// VS Code.
    Vscode,
    /// Codex.
    Codex,
    /// Gemini CLI.
    Gemini,
}

/// An entry for a client, as its file has it, and what a person should know about it.
pub(crate) struct Entry {
    pub(crate) text: String,
    pub(crate) notes: Vec<String>,
}

/// Reads an API token from a file.
pub(crate) fn read_token(path: &Path) -> anyhow::Result<SecretText> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(SecretText::new(text.trim()))
}

/// Where a daemon's HTTP side is: as named, or what the daemon behind a local socket says.
///
/// # Errors
/// That daemon does not answer.
pub(crate) async fn http_address(target: &Target) -> anyhow::Result<String> {
    if !target.url.starts_with("unix:") {
        return Ok(target.url.clone());
    }
    let unknown = || {
        let error =
            ApiError::new(ErrorCode::NotFound, format!("the daemon at {} does not say its address", target.url));
        ClientError::from(error.with_next("give it with --url http://HOST:PORT"))
    };
    Ok(Client::open(target)?.call(&AuthWhoami {}).await?.url.ok_or_else(unknown)?)
}

/// The entry for a client: of the HTTP endpoint at an address, or, without one, of `tomo mcp` on standard input and output.
pub(crate) fn config(client: McpClient, target: &Target, address: Option<&str>) -> anyhow::Result<Entry> {
    let mut notes = Vec::new();
    let endpoint = address.map(|address| format!("{}/mcp", address.trim_end_matches('/')));
    if address.is_some_and(|address| address.starts_with("https:")) {
        notes.push("the certificate is of the daemon's own CA (ca.pem in its data folder): a tool that does not trust it needs --stdio".to_owned());
    } else if target.url.starts_with("unix:") && address.is_some_and(|address| !address.ends_with(":8666")) {
        notes.push("`tomo local` takes another port at each start, unless it is started with --port 8666".to_owned());
    }
    let mut program = vec!["mcp", "--url", &target.url];
    if target.profile != DEFAULT_PROFILE {
        program.extend(["--profile", &target.profile]);
    }
    // Another account on this machine has no saved login that knows the daemon's certificate.
    let fingerprint = known_fingerprint(target);
    if let Some(fingerprint) = &fingerprint {
        program.extend(["--fingerprint", fingerprint]);
    }
    // Each client has its own way to name a variable, so that no secret stands in a file.
    let (place, key, variable) = match client {
        McpClient::Claude => (".mcp.json in your project", "mcpServers", "${TOMO_TOKEN}"),
        McpClient::Cursor => ("~/.cursor/mcp.json", "mcpServers", "${env:TOMO_TOKEN}"),
        McpClient::Vscode => (".vscode/mcp.json in your project", "servers", "${input:tomo-token}"),
        McpClient::Gemini => ("~/.gemini/settings.json", "mcpServers", "$TOMO_TOKEN"),
        McpClient::Codex => ("~/.codex/config.toml", "", ""),
    };
    let text = if client == McpClient::Codex {
        let lines = match &endpoint {
            None => format!("command = \"tomo\"\nargs = {}\nenv_vars = [\"TOMO_TOKEN\"]", json!(program)),
            Some(endpoint) => format!("url = {}\nbearer_token_env_var = \"TOMO_TOKEN\"", json!(endpoint)),
        };
        format!("[mcp_servers.tomo]\n{lines}")
    } else {
        let mut entry = match &endpoint {
            None => json!({"command": "tomo", "args": program, "env": {"TOMO_TOKEN": variable}}),
            Some(endpoint) => {
                let address = if client == McpClient::Gemini { "httpUrl" } else { "url" };
                json!({address: endpoint, "headers": {"Authorization": format!("Bearer {variable}")}})
            }
        };
        if matches!(client, McpClient::Claude | McpClient::Vscode) {
            entry["type"] = if endpoint.is_none() { "stdio" } else { "http" }.into();
        }
        let mut file = json!({key: {"tomo": entry}});
        if client == McpClient::Vscode {
            let input = json!({
                "type": "promptString", "id": "tomo-token", "description": "API token of Tomo", "password": true,
            });
            file["inputs"] = Value::Array(vec![input]);
        }
        serde_json::to_string_pretty(&file)?
    };
    notes.push(format!("goes into {place}"));
    let where_from =
        if client == McpClient::Vscode { "VS Code asks for the token" } else { "the token comes from TOMO_TOKEN" };
    notes.push(format!("{where_from}: make one with `tomo token create NAME --for ai`"));
    Ok(Entry { text, notes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_what_their_clients_parse() {
        let daemon = "http://127.0.0.1:1";
        let target = target("unix:/x/tomo.sock");
        for (client, pointer) in [
            (McpClient::Claude, "/mcpServers/tomo"),
            (McpClient::Cursor, "/mcpServers/tomo"),
            (McpClient::Vscode, "/servers/tomo"),
            (McpClient::Gemini, "/mcpServers/tomo"),
        ] {
            let entry = |address| {
                let text = config(client, &target, address).expect("an entry").text;
                let file: Value = serde_json::from_str(&text).expect("is JSON");
                file.pointer(pointer).cloned().expect("has its place")
            };
            let http = entry(Some(daemon));
            let address = if client == McpClient::Gemini { &http["httpUrl"] } else { &http["url"] };
            assert_eq!(*address, "http://127.0.0.1:1/mcp", "{client:?}");
            let bearer = http["headers"]["Authorization"].as_str().expect("has a header");
            assert!(bearer.starts_with("Bearer $") && bearer.to_lowercase().contains("token"), "{client:?}: {bearer}");
            let stdio = entry(None);
            assert_eq!(stdio["command"], "tomo", "{client:?}");
            assert_eq!(stdio["args"], json!(["mcp", "--url", target.url]), "{client:?}");
            assert!(stdio["env"]["TOMO_TOKEN"].is_string(), "{client:?}");
        }
        for (address, key) in [(Some(daemon), "bearer_token_env_var"), (None, "command")] {
            let text = config(McpClient::Codex, &target, address).expect("an entry").text;
            let file: toml::Table = toml::from_str(&text).expect("is TOML");
            assert!(file["mcp_servers"]["tomo"].get(key).is_some(), "{text}");
        }
    }

    fn target(url: &str) -> Target {
        let profile = DEFAULT_PROFILE.to_owned();
        Target { profile, url: url.to_owned(), token: None, fingerprint: None, options: String::new() }
    }

    #[test]
    fn what_would_surprise_is_said() {
        let note =
            |url, address| config(McpClient::Cursor, &target(url), Some(address)).expect("an entry").notes.join(" ");
        assert!(note("unix:/x/tomo.sock", "http://127.0.0.1:40000").contains("--port 8666"));
        assert!(!note("unix:/x/tomo.sock", "http://127.0.0.1:8666").contains("--port"));
        assert!(note("https://x:1", "https://x:1").contains("--stdio"));
    }
}
