//! Reads the SSH client's own configuration: what `Host`, `HostName`, `User`, `Port`, `IdentityFile` and `ProxyJump` say of hosts
//! with plain names. Patterns give values, as they do for `ssh`; the first value of each keyword counts.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use tomo_proto::{api::check_name, model::ssh::SSH_PORT};

use crate::args::Place;

/// One host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) user: String,
    pub(crate) key: Option<PathBuf>,
    pub(crate) jump: Option<Place>,
}

/// A part of the file: for whom it is, and what it says.
struct Block<'a> {
    patterns: Vec<&'a str>,
    lines: Vec<(String, &'a str)>,
}

/// Hosts with plain names that a file names, in their order.
///
/// # Errors
/// The file cannot be read, or holds what is not followed here.
pub(crate) fn of_file(file: &Path) -> anyhow::Result<Vec<Entry>> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let folder = file.parent().unwrap_or(Path::new("/"));
    read(&text, folder).with_context(|| format!("cannot use {}", file.display()))
}

/// The file that the SSH client reads.
pub(crate) fn usual_file() -> PathBuf {
    crate::client::folder_of_home(".ssh/config")
}

/// # Errors
/// Names the line that does not fit, and what cannot be read here (`Include`).
fn read(text: &str, folder: &Path) -> anyhow::Result<Vec<Entry>> {
    let mut blocks = vec![Block { patterns: vec!["*"], lines: Vec::new() }];
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (keyword, value) = line.split_once(|one: char| one.is_whitespace() || one == '=').unwrap_or((line, ""));
        let value = value.trim_start_matches(|one: char| one.is_whitespace() || one == '=').trim().trim_matches('"');
        match keyword.to_ascii_lowercase().as_str() {
            "host" => blocks.push(Block { patterns: value.split_whitespace().collect(), lines: Vec::new() }),
            // Whom these are for is decided while connecting: nobody, here.
            "match" => blocks.push(Block { patterns: Vec::new(), lines: Vec::new() }),
            "include" => bail!("line {}: Include is not followed; name that file instead", number + 1),
            other => {
                if let Some(block) = blocks.last_mut() {
                    block.lines.push((other.to_owned(), value));
                }
            }
        }
    }
    let mut entries: Vec<Entry> = Vec::new();
    let plain = blocks.iter().flat_map(|block| &block.patterns).filter(|name| check_name(name).is_ok());
    for name in plain {
        if entries.iter().all(|known| known.name != **name) {
            entries.push(entry(name, &blocks, folder)?);
        }
    }
    Ok(entries)
}

fn entry(name: &str, blocks: &[Block<'_>], folder: &Path) -> anyhow::Result<Entry> {
    let first = |keyword: &str| {
        let fits = |block: &&Block<'_>| applies(&block.patterns, name);
        blocks
            .iter()
            .filter(fits)
            .flat_map(|block| &block.lines)
            .find(|(known, _)| known == keyword)
            .map(|(_, value)| *value)
    };
    let host = first("hostname").unwrap_or(name).replace("%h", name);
    let port = first("port").map_or(Ok(SSH_PORT), str::parse);
    let port = port.with_context(|| format!("the port of {name} is no number"))?;
    let user =
        first("user").map(str::to_owned).or_else(|| std::env::var("USER").ok()).unwrap_or_else(|| "root".to_owned());
    let key = first("identityfile").map(|path| match path.strip_prefix("~/.ssh/") {
        Some(rest) => folder.join(rest),
        None => crate::client::typed_path(path),
    });
    let jump = match first("proxyjump").filter(|jump| *jump != "none") {
        None => None,
        Some(jump) if jump.contains(',') => bail!("{name} goes through several hosts; one can be named"),
        // A name of this file, or an address.
        Some(jump) if check_name(jump).is_ok() && jump != name && is_named(blocks, jump) => {
            let Entry { host, port, user, .. } = entry(jump, blocks, folder)?;
            Some(Place { user, host, port })
        }
        Some(jump) => Some(jump.parse().or_else(|_| format!("{user}@{jump}").parse()).map_err(anyhow::Error::msg)?),
    };
    Ok(Entry { name: name.to_owned(), host, port, user, key, jump })
}

fn is_named(blocks: &[Block<'_>], name: &str) -> bool {
    blocks.iter().any(|block| block.patterns.contains(&name))
}

/// Whether a block is for a name: one of its patterns fits, and none with `!`.
fn applies(patterns: &[&str], name: &str) -> bool {
    let fits = |pattern: &str| matches(pattern.as_bytes(), name.as_bytes());
    patterns.iter().any(|pattern| fits(pattern))
        && !patterns.iter().any(|pattern| pattern.strip_prefix('!').is_some_and(fits))
}

fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => {
            matches(rest, name) || name.split_first().is_some_and(|(_, name)| matches(pattern, name))
        }
        (Some((one, rest)), Some((other, name))) => (*one == b'?' || one == other) && matches(rest, name),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read_as_ssh_reads_them() {
        let text = "# mine\nHost web-1 web-2\n  HostName=192.0.2.7\n  Port 2222\nHost web-?\n  User deploy\n  User second\n\
            Host db !web-1\n  ProxyJump bastion\n  IdentityFile ~/.ssh/db\nHost bastion\n  HostName \"b.example\"\n  User jo\n\
            Match host x\n  User never\nHost *\n  User ana\n";
        let entries = read(text, Path::new("/keys")).expect("is read");
        let shown: Vec<String> =
            entries.iter().map(|one| format!("{} {}@{}:{}", one.name, one.user, one.host, one.port)).collect();
        assert_eq!(
            shown,
            ["web-1 deploy@192.0.2.7:2222", "web-2 deploy@192.0.2.7:2222", "db ana@db:22", "bastion jo@b.example:22"]
        );
        assert_eq!(entries[2].key.as_deref(), Some(Path::new("/keys/db")));
        let jump = Place { user: "jo".to_owned(), host: "b.example".to_owned(), port: 22 };
        assert_eq!(entries[2].jump, Some(jump));
        assert_eq!(entries[0].jump, None);
    }

    #[test]
    fn what_is_not_followed_is_said() {
        let said = read("Host a\nInclude other\n", Path::new("/")).expect_err("is refused").to_string();
        assert!(said.contains("line 2") && said.contains("Include"), "{said}");
        assert!(read("Host a\n Port x\n", Path::new("/")).is_err());
        assert_eq!(read("Host *\n User x\n", Path::new("/")).expect("is read"), []);
    }
}
