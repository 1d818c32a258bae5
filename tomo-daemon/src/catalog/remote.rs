//! Templates from an address of the daemon's owner: fetched within bounds, and kept in a folder of their own, so that the last good copy
//! serves while its source is away.

use std::{
    fs,
    io::Read as _,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use flate2::read::GzDecoder;
use futures::StreamExt as _;
use reqwest::{Client, Url, redirect::Policy};
use tomo_proto::catalog::{FILE_BYTES, lint};

use crate::{crypto::sha256_hex, tls};

/// Bytes of what is fetched, and of what is in it.
const PACKED_BYTES: usize = 4 << 20;
const UNPACKED_BYTES: u64 = 16 << 20;
/// Templates of one source.
const MOST_FILES: usize = 500;
const MOST_REDIRECTS: usize = 3;
/// Longest that a source takes to give all of it.
const FETCH_TIMEOUT: Duration = Duration::from_secs(30);

/// A file of templates, or an archive of such files, that lies elsewhere.
#[derive(Debug)]
pub(super) struct Remote {
    url: Url,
    /// Where its last good copy is.
    folder: PathBuf,
    /// Why the last try came to nothing.
    problem: Mutex<Option<String>>,
}

impl Remote {
    /// `copies`: the folder that has the copies of all of them.
    pub(super) fn new(url: &str, copies: &Path) -> anyhow::Result<Self> {
        let parsed: Url = url.parse().with_context(|| format!("catalog.urls: \"{url}\" is no address"))?;
        ensure!(is_fit(&parsed), "catalog.urls: \"{url}\" is not https (http counts on loopback alone)");
        let kind = parsed.path();
        ensure!(
            [".toml", ".tar.gz", ".tgz"].iter().any(|end| kind.ends_with(end)),
            "catalog.urls: \"{url}\" ends in none of .toml, .tar.gz and .tgz"
        );
        let folder = copies.join(&sha256_hex(url.as_bytes())[..16]);
        Ok(Self { url: parsed, folder, problem: Mutex::default() })
    }

    /// Its address as it is shown: without what signs in there.
    pub(super) fn shown(&self) -> String {
        let url = &self.url;
        let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
        format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
    }

    /// Where its last good copy is, and what there is to say about it.
    pub(super) fn copy(&self) -> (&Path, Option<String>) {
        let problem = self.problem.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let kept = if self.folder.is_dir() { "what came before is used" } else { "nothing of it is here" };
        (&self.folder, problem.map(|problem| format!("{}: {problem}; {kept}", self.shown())))
    }

    /// Fetches it, and puts it in the place of the copy before if there is a template in it that fits.
    pub(super) async fn fetch(&self) {
        let fetched = tokio::time::timeout(FETCH_TIMEOUT, self.bytes()).await;
        let fetched = fetched.unwrap_or_else(|_| bail!("it did not come within {} s", FETCH_TIMEOUT.as_secs()));
        let taken = match fetched {
            Ok(bytes) => {
                let (folder, name) = (self.folder.clone(), self.url.path().to_owned());
                tokio::task::spawn_blocking(move || take(&folder, &name, bytes))
                    .await
                    .unwrap_or_else(|error| Err(error.into()))
            }
            Err(error) => Err(error),
        };
        let problem = taken.err().map(|error| format!("{error:#}"));
        if let Some(problem) = &problem {
            tracing::warn!(url = self.shown(), problem, "a catalog cannot be fetched");
        }
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = problem;
    }

    async fn bytes(&self) -> anyhow::Result<Vec<u8>> {
        let answer = client()?.get(self.url.clone()).send().await.map_err(reqwest::Error::without_url)?;
        let status = answer.status();
        ensure!(status.is_success(), "it answers {status}");
        let (mut coming, mut bytes) = (answer.bytes_stream(), Vec::new());
        while let Some(chunk) = coming.next().await {
            bytes.extend_from_slice(&chunk.map_err(reqwest::Error::without_url)?);
            ensure!(bytes.len() <= PACKED_BYTES, "it has more than {} MiB", PACKED_BYTES >> 20);
        }
        Ok(bytes)
    }
}

/// Puts what came into the place of the copy before, if there is a template in it that fits.
fn take(folder: &Path, name: &str, bytes: Vec<u8>) -> anyhow::Result<()> {
    let files = if name.ends_with(".toml") { vec![(plain(name), bytes)] } else { unpack(&bytes)? };
    let fits = |(_, text): &(String, Vec<u8>)| std::str::from_utf8(text).is_ok_and(|text| lint(text).is_empty());
    ensure!(files.iter().any(fits), "no template that fits is in it (*.toml; `tomo catalog lint` says why)");
    keep(folder, &files).with_context(|| format!("it cannot be kept in {}", folder.display()))
}

fn keep(folder: &Path, files: &[(String, Vec<u8>)]) -> std::io::Result<()> {
    let (beside, before) = (folder.with_extension("new"), folder.with_extension("old"));
    for left in [&beside, &before] {
        if left.exists() {
            fs::remove_dir_all(left)?;
        }
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&beside)?;
    files.iter().try_for_each(|(name, text)| fs::write(beside.join(name), text))?;
    if folder.exists() {
        fs::rename(folder, &before)?;
    }
    fs::rename(&beside, folder)?;
    if before.exists() { fs::remove_dir_all(&before) } else { Ok(()) }
}

/// Whether nobody on the way can change what comes.
fn is_fit(url: &Url) -> bool {
    let is_here = matches!(url.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"));
    url.scheme() == "https" || url.scheme() == "http" && is_here
}

fn client() -> anyhow::Result<Client> {
    let redirects = Policy::custom(|attempt| {
        let came_safely = attempt.previous().last().is_some_and(|last| last.scheme() == "https");
        if attempt.previous().len() > MOST_REDIRECTS {
            attempt.error("it leads on and on")
        } else if came_safely && attempt.url().scheme() == "https" || is_same_host(attempt.previous(), attempt.url()) {
            attempt.follow()
        } else {
            attempt.error("it leads elsewhere without https")
        }
    });
    let builder = Client::builder().tls_backend_preconfigured(tls::public()?).redirect(redirects);
    Ok(builder.no_proxy().connect_timeout(Duration::from_secs(10)).build()?)
}

fn is_same_host(previous: &[Url], next: &Url) -> bool {
    previous
        .last()
        .is_some_and(|last| (last.scheme(), last.host(), last.port()) == (next.scheme(), next.host(), next.port()))
}

/// The templates in a gzipped tar archive: its plain files that end in `.toml`, wherever they are.
fn unpack(archive: &[u8]) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    let mut plain_tar = Vec::new();
    GzDecoder::new(archive).take(UNPACKED_BYTES + 1).read_to_end(&mut plain_tar).context("it is no .tar.gz")?;
    ensure!(plain_tar.len() as u64 <= UNPACKED_BYTES, "more than {} MiB are in it", UNPACKED_BYTES >> 20);
    let mut files = Vec::new();
    for entry in tar::Archive::new(&*plain_tar).entries()? {
        let mut entry = entry.context("it is no .tar.gz")?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if !entry.header().entry_type().is_file() || !name.ends_with(".toml") || entry.size() > FILE_BYTES as u64 {
            continue;
        }
        ensure!(files.len() < MOST_FILES, "more than {MOST_FILES} templates are in it");
        let mut text = Vec::new();
        entry.read_to_end(&mut text).context("it was cut off")?;
        files.push((plain(&name), text));
    }
    Ok(files)
}

/// A path as the name of one file.
fn plain(path: &str) -> String {
    let fit = |one: char| if one.is_ascii_alphanumeric() || matches!(one, '.' | '-' | '_') { one } else { '_' };
    let name: String = path.chars().map(fit).collect();
    // The end of a long one tells more than its beginning.
    name[name.len().saturating_sub(200)..].trim_start_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn packed(tar: &[u8]) -> Vec<u8> {
        let mut packing = GzEncoder::new(Vec::new(), Compression::fast());
        packing.write_all(tar).expect("a list takes all");
        packing.finish().expect("a list takes all")
    }

    fn archive(build: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        build(&mut builder);
        packed(&builder.into_inner().expect("a list takes all"))
    }

    fn add(builder: &mut tar::Builder<Vec<u8>>, path: &str, kind: tar::EntryType, text: &[u8]) {
        let mut header = tar::Header::new_gnu();
        header.as_gnu_mut().expect("is one").name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_size(text.len() as u64);
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append(&header, text).expect("a list takes all");
    }

    #[test]
    fn of_an_archive_only_plain_templates_are_taken_under_names_of_their_own() {
        let made = archive(|builder| {
            add(builder, "repo-main/apps/a.toml", tar::EntryType::Regular, b"a");
            add(builder, "../../etc/b.toml", tar::EntryType::Regular, b"b");
            add(builder, "/etc/c.toml", tar::EntryType::Regular, b"c");
            add(builder, "link.toml", tar::EntryType::Symlink, b"");
            add(builder, "README.md", tar::EntryType::Regular, b"d");
        });
        let names: Vec<String> = unpack(&made).expect("is one").into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["repo-main_apps_a.toml", "_.._etc_b.toml", "_etc_c.toml"]);
        assert!(names.iter().all(|name| !name.contains('/')));
    }

    #[test]
    fn what_is_no_archive_or_too_large_is_refused() {
        let said = |bytes: &[u8]| unpack(bytes).expect_err("is refused").to_string();
        assert!(said(b"<html>").contains("no .tar.gz"));
        assert!(said(&packed(&vec![0; 17 << 20])).contains("MiB are in it"));
        let many = archive(|builder| {
            (0..=MOST_FILES).for_each(|number| add(builder, &format!("{number}.toml"), tar::EntryType::Regular, b""));
        });
        assert!(said(&many).contains("templates are in it"));
        assert!(unpack(&packed(b"")).is_ok_and(|files| files.is_empty()));
    }

    #[test]
    fn an_address_is_https_or_here() {
        let made = |url: &str| Remote::new(url, Path::new("/copies")).map(|remote| remote.shown());
        assert_eq!(
            made("https://me:secret@git.example/c.tar.gz?token=x").expect("fits"),
            "https://git.example/c.tar.gz"
        );
        assert!(made("http://127.0.0.1:80/a.toml").is_ok());
        for wrong in [
            "http://git.example/c.tar.gz",
            "file:///etc/c.toml",
            "git.example",
            "https://git.example/",
            "https://x/a.zip",
        ] {
            assert!(made(wrong).is_err(), "{wrong}");
        }
    }
}
