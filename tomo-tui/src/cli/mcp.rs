//! Entries for AI tools' configuration files. They name an API token, never the local socket: a token cannot approve.

use anyhow::bail;

/// The entry for a client, ready to paste.
pub(crate) fn config(client: &str, url: &str) -> anyhow::Result<String> {
    let url = if url.starts_with("http") { format!("{url}/mcp") } else { "http://127.0.0.1:8666/mcp".to_owned() };
    let servers = |key: &str, extra: &str| {
        format!(
            "{{\n  \"{key}\": {{\n    \"tomo\": {{\n      {extra}\"url\": \"{url}\",\n      \"headers\": {{ \"Authorization\": \"Bearer TOKEN\" }}\n    }}\n  }}\n}}"
        )
    };
    let entry = match client {
        "claude" => format!("claude mcp add --transport http tomo {url} --header \"Authorization: Bearer TOKEN\""),
        "cursor" => servers("mcpServers", ""),
        "vscode" => servers("servers", "\"type\": \"http\",\n      "),
        "gemini" => servers("mcpServers", "").replace("\"url\"", "\"httpUrl\""),
        "codex" => format!("[mcp_servers.tomo]\nurl = \"{url}\"\nbearer_token_env_var = \"TOMO_TOKEN\""),
        other => bail!("\"{other}\" is not known: claude, cursor, vscode, codex or gemini"),
    };
    Ok(format!("{entry}\n\n# TOKEN: made with `tomo token create NAME --for ai`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_what_their_clients_parse() {
        for client in ["cursor", "vscode", "gemini"] {
            let text = config(client, "http://127.0.0.1:1").expect(client);
            let body = text.split("\n\n#").next().expect("has a body");
            let parsed: serde_json::Value = serde_json::from_str(body).expect(client);
            assert!(parsed.to_string().contains("http://127.0.0.1:1/mcp"), "{client}");
        }
        let codex = config("codex", "unix:/x").expect("codex");
        assert!(toml::from_str::<toml::Table>(&codex).is_ok(), "{codex}");
        assert!(config("emacs", "").is_err());
    }
}
