//! Entries for AI tools' configuration files. They name an API token, never the local socket's rights: a token cannot approve.

use std::path::Path;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use tomo_proto::api::person::SecretText;

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

/// The entry for a client: of the HTTP endpoint, or of `tomo mcp` on standard input and output.
pub(crate) fn config(client: &str, url: &str, stdio: bool) -> anyhow::Result<Entry> {
    let mut notes = Vec::new();
    let endpoint = match url.strip_prefix("unix:") {
        Some(_) if stdio => String::new(),
        Some(_) => {
            notes.push("the address is the usual one; give yours with --url http://HOST:PORT".to_owned());
            "http://127.0.0.1:8666/mcp".to_owned()
        }
        None => format!("{}/mcp", url.trim_end_matches('/')),
    };
    // Each client has its own way to name a variable, so that no secret stands in a file.
    let (place, key, variable) = match client {
        "claude" => (".mcp.json in your project", "mcpServers", "${TOMO_TOKEN}"),
        "cursor" => ("~/.cursor/mcp.json", "mcpServers", "${env:TOMO_TOKEN}"),
        "vscode" => (".vscode/mcp.json in your project", "servers", "${input:tomo-token}"),
        "gemini" => ("~/.gemini/settings.json", "mcpServers", "$TOMO_TOKEN"),
        "codex" => ("~/.codex/config.toml", "", ""),
        other => bail!("\"{other}\" is not known: claude, cursor, vscode, codex or gemini"),
    };
    let text = if client == "codex" {
        let lines = if stdio {
            format!("command = \"tomo\"\nargs = [\"mcp\", \"--url\", {}]\nenv_vars = [\"TOMO_TOKEN\"]", json!(url))
        } else {
            format!("url = {}\nbearer_token_env_var = \"TOMO_TOKEN\"", json!(endpoint))
        };
        format!("[mcp_servers.tomo]\n{lines}")
    } else {
        let mut entry = if stdio {
            json!({"command": "tomo", "args": ["mcp", "--url", url], "env": {"TOMO_TOKEN": variable}})
        } else {
            let address = if client == "gemini" { "httpUrl" } else { "url" };
            json!({address: endpoint, "headers": {"Authorization": format!("Bearer {variable}")}})
        };
        if matches!(client, "claude" | "vscode") {
            entry["type"] = if stdio { "stdio" } else { "http" }.into();
        }
        let mut file = json!({key: {"tomo": entry}});
        if client == "vscode" {
            let input = json!({
                "type": "promptString", "id": "tomo-token", "description": "API token of Tomo", "password": true,
            });
            file["inputs"] = Value::Array(vec![input]);
        }
        serde_json::to_string_pretty(&file)?
    };
    notes.push(format!("goes into {place}"));
    let where_from = if client == "vscode" { "VS Code asks for the token" } else { "the token comes from TOMO_TOKEN" };
    notes.push(format!("{where_from}: make one with `tomo token create NAME --for ai`"));
    Ok(Entry { text, notes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_what_their_clients_parse() {
        let daemon = "http://127.0.0.1:1";
        for (client, pointer) in [
            ("claude", "/mcpServers/tomo"),
            ("cursor", "/mcpServers/tomo"),
            ("vscode", "/servers/tomo"),
            ("gemini", "/mcpServers/tomo"),
        ] {
            let entry = |stdio| {
                let text = config(client, daemon, stdio).expect(client).text;
                let file: Value = serde_json::from_str(&text).expect(client);
                file.pointer(pointer).cloned().expect(client)
            };
            let http = entry(false);
            let address = if client == "gemini" { &http["httpUrl"] } else { &http["url"] };
            assert_eq!(*address, "http://127.0.0.1:1/mcp", "{client}");
            let bearer = http["headers"]["Authorization"].as_str().expect(client);
            assert!(bearer.starts_with("Bearer $") && bearer.to_lowercase().contains("token"), "{client}: {bearer}");
            let stdio = entry(true);
            assert_eq!(stdio["command"], "tomo", "{client}");
            assert_eq!(stdio["args"], json!(["mcp", "--url", daemon]), "{client}");
            assert!(stdio["env"]["TOMO_TOKEN"].is_string(), "{client}");
        }
        for (stdio, key) in [(false, "bearer_token_env_var"), (true, "command")] {
            let text = config("codex", daemon, stdio).expect("codex").text;
            let file: toml::Table = toml::from_str(&text).expect("codex");
            assert!(file["mcp_servers"]["tomo"].get(key).is_some(), "{text}");
        }
        assert!(config("emacs", daemon, false).is_err());
    }

    #[test]
    fn an_entry_for_a_local_socket_says_that_its_address_is_a_guess() {
        let http = config("cursor", "unix:/run/tomo/tomo.sock", false).expect("an entry");
        assert!(http.text.contains("http://127.0.0.1:8666/mcp") && http.notes[0].contains("--url"), "{:?}", http.notes);
        let stdio = config("cursor", "unix:/run/tomo/tomo.sock", true).expect("an entry");
        assert!(stdio.text.contains("unix:/run/tomo/tomo.sock") && !stdio.text.contains("8666"));
    }
}
