//! What the compiler does not check: each dependency has one door and is new enough, files have telling names and know no machine,
//! and ARCHITECTURE.md names tests that exist.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A crate, and the places whose code may name it. A place is a file, or a folder with its files.
const DOORS: &[(&str, &[&str])] = &[
    ("redb", &["tomo-daemon/src/store", "tests/harness/store_file"]),
    ("quinn", &["tomo-daemon/src/hub", "tomo-agent/src/link", "tomo-agent/src/identity", "tests"]),
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
    ("russh", &["tomo-daemon/src/ssh", "tomo-daemon/src/door", "tests/harness/ssh"]),
    ("rcgen", &["tomo-daemon/src/tls", "tomo-agent/src/identity", "tests"]),
    ("rmcp", &["tomo-daemon/src/mcp", "tomo-tui/src/client", "tests"]),
    ("axum", &["tomo-daemon/src/http", "tests"]),
    ("reqwest", &["tomo-daemon/src/catalog/remote", "tomo-tui/src/client", "tests", "examples"]),
    ("bollard", &["tomo-agent/src/docker", "tomo-agent/src/commands/deploy", "tests"]),
    ("sysinfo", &["tomo-agent/src/collectors"]),
    ("serde_saphyr", &["proto/src/compose/node"]),
    ("ratatui", &["tomo-tui/src/dashboard"]),
    ("crossterm", &["tomo-tui/src/dashboard"]),
    ("tomo_daemon", &["tomo-daemon/src/main", "tomo-tui/src/local", "tests"]),
    ("tomo_agent", &["tomo-agent/src/main", "tomo-tui/src/local", "tests"]),
    ("tokio", &["tomo-daemon", "tomo-agent", "tomo-tui", "tests", "examples"]),
];

/// Oldest versions without a known fault that matters here: silent damage, floods, escapes, an open Origin.
const FLOORS: &[(&str, [u64; 3])] = &[
    ("redb", [4, 6, 0]),
    ("quinn-proto", [0, 11, 14]),
    ("russh", [0, 61, 1]),
    ("rmcp", [1, 4, 0]),
    ("ratatui", [0, 30, 0]),
];

/// Names that say nothing.
const EMPTY_NAMES: &[&str] =
    &["mod", "util", "utils", "helper", "helpers", "common", "misc", "types", "traits", "constants"];

/// Folders of files whose paths are those inside of images.
const IN_IMAGES: [&str; 2] = ["tomo-daemon/catalog", "proto/src/compose/samples"];

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

/// Every file that is no build output and no repository data.
fn files() -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("a readable folder").flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            // A worktree has a file of this name.
            if name == ".git"
                || name == "target"
                || name == ".cache"
                || path.extension().is_some_and(|end| end == "log")
            {
                continue;
            }
            if path.is_dir() { walk(&path, found) } else { found.push(path) }
        }
    }
    let mut found = Vec::new();
    walk(&root(), &mut found);
    assert!(found.len() > 100, "only {} files were found", found.len());
    found
}

#[test]
fn dependencies_are_new_enough() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).expect("Cargo.lock");
    let mut checked = 0;
    for package in lock.split("[[package]]") {
        let value = |key: &str| {
            let line = package.lines().find(|line| line.starts_with(&format!("{key} = ")))?;
            line.split('"').nth(1)
        };
        let (Some(name), Some(version)) = (value("name"), value("version")) else { continue };
        let Some((_, floor)) = FLOORS.iter().find(|(floored, _)| *floored == name) else { continue };
        let plain = version.split(['-', '+']).next().unwrap_or_default();
        let parts: Vec<u64> = plain.split('.').map(|part| part.parse().expect("a number")).collect();
        assert!(parts.as_slice() >= floor.as_slice(), "{name} {version} is older than {floor:?}");
        checked += 1;
    }
    assert!(checked >= 4, "only {checked} floors were found in Cargo.lock");
}

#[test]
fn files_know_no_machine() {
    let root = root();
    let here = root.display().to_string();
    // Put together, so that this file does not hold them.
    let homes = [["/ho", "me/"].concat(), ["/Us", "ers/"].concat(), ["/root", "/."].concat()];
    for path in files() {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let below = path.strip_prefix(&root).expect("below the root");
        if IN_IMAGES.iter().any(|folder| below.starts_with(folder)) {
            continue;
        }
        let shown = below.display();
        for (number, line) in text.lines().enumerate() {
            let found = homes.iter().chain([&here]).find(|part| line.contains(part.as_str()));
            assert!(found.is_none(), "{shown}:{}: a machine's own path: {line}", number + 1);
        }
    }
}

#[test]
fn files_have_telling_names() {
    for path in files().iter().filter(|path| path.extension().is_some_and(|end| end == "rs")) {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let says_nothing = EMPTY_NAMES.contains(&name.as_str()) || name.ends_with("_util") || name.ends_with("_utils");
        assert!(!says_nothing, "{} says nothing about its subject", path.display());
    }
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
