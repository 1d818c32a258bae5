//! Health checks: compose runs a command inside the container, an app is asked from outside. What asks a port of the container's own is
//! the same question.

use tomo_proto::model::app::HealthCheck;

use super::{
    fill::words,
    node::{Item, Node},
};

/// What a `test` comes to; none for `NONE`.
///
/// # Errors
/// It is no question to a port.
pub(super) fn of_test(test: &Item) -> Result<Option<HealthCheck>, String> {
    let line = match &test.node {
        Node::List(_) => {
            let texts: Vec<String> = test.texts().unwrap_or_default().into_iter().map(|(_, text)| text).collect();
            match texts.split_first() {
                Some((kind, _)) if kind == "NONE" => return Ok(None),
                Some((kind, rest)) if kind == "CMD" || kind == "CMD-SHELL" => rest.join(" "),
                _ => texts.join(" "),
            }
        }
        _ => test.text().unwrap_or_default(),
    };
    let words = words(&line).unwrap_or_default();
    let program = words.first().map_or("", |word| word.rsplit('/').next().unwrap_or_default());
    let asked = match program {
        "curl" | "wget" => words.iter().find_map(|word| of_address(word)),
        "nc" | "ncat" => words.iter().rev().find_map(|word| word.parse().ok()).map(|port| HealthCheck::Tcp { port }),
        _ => None,
    };
    let advice = "give --health http:PORT/PATH or tcp:PORT; or leave it out with --leave-out healthcheck";
    asked.map(Some).ok_or_else(|| format!("runs a command inside, and an app is asked from outside: {advice}"))
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
