//! Health checks: compose has the engine run a command inside the container. What only asks a port of the container's own is asked from
//! outside instead.

use crate::{model::app::HealthCheck, text::words};

use super::node::{Item, Node};

/// What a `test` comes to; none for `NONE`.
///
/// # Errors
/// It runs nothing.
pub(super) fn of_test(test: &Item) -> Result<Option<HealthCheck>, String> {
    // The words that run, and the same as they are looked at: a shell's line has more.
    let (command, line) = match &test.node {
        Node::List(_) => {
            let texts: Vec<String> = test.texts().unwrap_or_default().into_iter().map(|(_, text)| text).collect();
            match texts.split_first() {
                Some((kind, _)) if kind == "NONE" => return Ok(None),
                Some((kind, rest)) if kind == "CMD" => (rest.to_vec(), rest.join(" ")),
                Some((kind, rest)) if kind == "CMD-SHELL" => (shell(&rest.join(" ")), rest.join(" ")),
                _ => return Err("begins with none of NONE, CMD and CMD-SHELL".to_owned()),
            }
        }
        _ => {
            let line = test.text().unwrap_or_default();
            (shell(&line), line)
        }
    };
    if command.is_empty() || line.is_empty() {
        return Err("runs nothing".to_owned());
    }
    let words = words(&line).unwrap_or_default();
    let program = words.first().map_or("", |word| word.rsplit('/').next().unwrap_or_default());
    let asked = match program {
        "curl" | "wget" => words.iter().find_map(|word| of_address(word)),
        "nc" | "ncat" => words.iter().rev().find_map(|word| word.parse().ok()).map(|port| HealthCheck::Tcp { port }),
        _ => None,
    };
    Ok(Some(asked.unwrap_or(HealthCheck::Command { command })))
}

fn shell(line: &str) -> Vec<String> {
    ["/bin/sh", "-c", line].map(str::to_owned).into()
}

/// An address of the container itself.
fn of_address(word: &str) -> Option<HealthCheck> {
    let (rest, usual, is_plain) = match (word.strip_prefix("http://"), word.strip_prefix("https://")) {
        (Some(rest), _) => (rest, 80, true),
        (_, Some(rest)) => (rest, 443, false),
        // Both programs take an address without http:// before it.
        _ => (word, 80, true),
    };
    let (host, path) = rest.split_once('/').map_or((rest, String::new()), |(host, path)| (host, path.to_owned()));
    let (host, port) = match host.strip_prefix("[::1]") {
        Some(port) => ("localhost", port.strip_prefix(':')),
        None => host.split_once(':').map_or((host, None), |(host, port)| (host, Some(port))),
    };
    if !matches!(host, "localhost" | "127.0.0.1" | "0.0.0.0") {
        return None;
    }
    let port = port.map_or(Some(usual), |port| port.parse().ok())?;
    Some(if is_plain { HealthCheck::Http { port, path: format!("/{path}") } } else { HealthCheck::Tcp { port } })
}
