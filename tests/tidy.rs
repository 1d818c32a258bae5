//! What the compiler does not check: each dependency has one door, and ARCHITECTURE.md names tests that exist.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A crate, and the places whose code may name it. A place is a file, or a folder with its files.
const DOORS: &[(&str, &[&str])] = &[
    ("redb", &["tomo-daemon/src/store", "tests/e2e/audit"]),
    ("quinn", &["tomo-daemon/src/hub", "tomo-agent/src/link", "tests"]),
    (
        "rustls",
        &[
            "tomo-daemon/src/tls",
            "tomo-daemon/src/hub",
            "tomo-agent/src/link",
            "tomo-agent/src/identity",
            "tomo-tui/src/client",
            "tests",
        ],
    ),
    ("rcgen", &["tomo-daemon/src/tls", "tomo-agent/src/identity", "tests"]),
    ("rmcp", &["tomo-daemon/src/mcp", "tomo-tui/src/client", "tests"]),
    ("axum", &["tomo-daemon/src/http", "tests"]),
    ("reqwest", &["tomo-tui/src/client", "tests", "examples"]),
    ("bollard", &["tomo-agent/src/docker", "tomo-agent/src/commands/deploy", "tests"]),
    ("sysinfo", &["tomo-agent/src/collectors"]),
    ("ratatui", &["tomo-tui/src/dashboard"]),
    ("crossterm", &["tomo-tui/src/dashboard"]),
    ("tomo_daemon", &["tomo-daemon/src/main", "tomo-tui/src/local", "tests"]),
    ("tomo_agent", &["tomo-agent/src/main", "tomo-tui/src/local", "tests"]),
    ("tokio", &["tomo-daemon", "tomo-agent", "tomo-tui", "tests", "examples"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// Every Rust source of the workspace, as a path from its root, with its text.
fn sources() -> Vec<(String, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("a readable folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    for part in ["proto", "tomo-daemon", "tomo-agent", "tomo-tui", "tests", "examples"] {
        walk(&root().join(part), &mut found);
    }
    let read = |path: PathBuf| {
        let name = path.strip_prefix(root()).expect("below the root").to_string_lossy().into_owned();
        (name, fs::read_to_string(&path).expect("a readable source"))
    };
    found.into_iter().map(read).collect()
}

/// Whether code names a crate: as a path's head or in a `use`.
fn names(text: &str, krate: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.lines().filter(|line| !line.trim_start().starts_with("//")).any(|line| {
        line.match_indices(krate).any(|(at, _)| {
            let before = line[..at].bytes().next_back();
            let after = &line[at + krate.len()..];
            !before.is_some_and(|byte| word(byte) || byte == b':' || byte == b'"')
                && (after.starts_with("::") || line.trim_start() == format!("use {krate};"))
        })
    })
}

#[test]
fn each_dependency_has_one_door() {
    let sources = sources();
    let mut wrong = Vec::new();
    for (krate, doors) in DOORS {
        let mut used = false;
        for (path, text) in &sources {
            if !names(text, krate) {
                continue;
            }
            used = true;
            let inside = doors
                .iter()
                .any(|door| path.strip_prefix(door).is_some_and(|rest| rest.starts_with('/') || rest == ".rs"));
            if !inside {
                wrong.push(format!("{path} names {krate}; its doors are {}", doors.join(", ")));
            }
        }
        assert!(used, "nothing names {krate}: the list is out of date");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn architecture_names_tests_that_exist() {
    let sources = sources();
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    assert!(text.lines().count() < 150, "ARCHITECTURE.md is read in one go: under 150 lines");
    let held = text.split("## Invariants").nth(1).expect("a list of invariants");
    let rows: Vec<&str> = held.lines().filter(|line| line.starts_with("| ") && !line.contains("held by")).collect();
    assert!(rows.len() > 10, "only {} invariants were found", rows.len());
    for row in rows {
        let tests: Vec<&str> = row.rsplit('|').nth(1).unwrap_or_default().split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "no test holds: {row}");
        for test in tests {
            let definition = format!("fn {test}(");
            assert!(sources.iter().any(|(_, text)| text.contains(&definition)), "there is no test {test}");
        }
    }
}
