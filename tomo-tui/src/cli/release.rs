//! Release keys and signed releases of the agent. Needs no daemon: the key stays with its owner.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::{
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair as _},
};
use serde_json::json;
use tomo_proto::{
    model::release::{MAX_PROGRAM_BYTES, Measure, PROGRAM, Release, ReleaseKey, SignedRelease, Version},
    text::display_line,
};
use zeroize::Zeroizing;

use crate::{
    args::ReleaseCommand,
    cli::output::{self, line, note},
};

const PEM_HEAD: &str = "-----BEGIN PRIVATE KEY-----";
const PEM_FOOT: &str = "-----END PRIVATE KEY-----";
/// How long a program may take to say its version.
const ASK_TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) async fn release(command: ReleaseCommand, as_json: bool) -> anyhow::Result<()> {
    match command {
        ReleaseCommand::Keygen { file } => keygen(&file, as_json),
        ReleaseCommand::Sign { file, key, version } => sign(&file, &key, version, as_json).await,
    }
}

fn keygen(file: &Path, as_json: bool) -> anyhow::Result<()> {
    let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
    let made = made.map_err(|_| anyhow::anyhow!("the system has no randomness"))?;
    let pair = Ed25519KeyPair::from_pkcs8(made.as_ref()).map_err(|error| anyhow::anyhow!("the new key: {error}"))?;
    let public = public_half(&pair)?;
    let body = Zeroizing::new(STANDARD.encode(made.as_ref()));
    let wrapped: Vec<&[u8]> = body.as_bytes().chunks(64).collect();
    let text =
        Zeroizing::new([&[PEM_HEAD.as_bytes()], &wrapped[..], &[PEM_FOOT.as_bytes(), b""]].concat().join(&b'\n'));
    let write = || {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
        file.write_all(&text)?;
        file.sync_all()
    };
    write().with_context(|| format!("cannot write {}", file.display()))?;
    if as_json {
        return output::json(&json!({ "file": file, "update_key": public.to_string() }));
    }
    line(format!("update_key = \"{public}\""));
    note(format!(
        "{} is the private half: whoever has it can replace the agent on servers with this line",
        file.display()
    ));
    note("next: put the line into /etc/tomo/agent-policy.toml on the servers, or give --update-key when you add them");
    Ok(())
}

fn public_half(pair: &Ed25519KeyPair) -> anyhow::Result<ReleaseKey> {
    Ok(ReleaseKey::new(pair.public_key().as_ref().try_into()?))
}

fn read_key(file: &Path) -> anyhow::Result<Ed25519KeyPair> {
    let shown = file.display();
    let facts = fs::metadata(file).with_context(|| format!("cannot read the release key {shown}"))?;
    ensure!(facts.permissions().mode() & 0o077 == 0, "others may read the release key {shown}: chmod 600 {shown}");
    let text =
        Zeroizing::new(fs::read_to_string(file).with_context(|| format!("cannot read the release key {shown}"))?);
    let read = || {
        let body = text.trim().strip_prefix(PEM_HEAD)?.strip_suffix(PEM_FOOT)?;
        let body = Zeroizing::new(body.lines().collect::<String>());
        let bytes = Zeroizing::new(STANDARD.decode(body.as_str()).ok()?);
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(&bytes).ok()
    };
    read().with_context(|| format!("{shown} is not a release key: `tomo release keygen FILE` makes one"))
}

async fn sign(file: &Path, key: &Path, version: Option<Version>, as_json: bool) -> anyhow::Result<()> {
    let pair = read_key(key)?;
    let shown = file.display();
    let bytes = fs::read(file).with_context(|| format!("cannot read {shown}"))?;
    let length = u64::try_from(bytes.len())?;
    ensure!(
        (1..=MAX_PROGRAM_BYTES).contains(&length),
        "{shown} has {length} bytes; at most {MAX_PROGRAM_BYTES} are released"
    );
    let architecture = architecture_of(&bytes).with_context(|| format!("{shown} is not a program for Linux"))?;
    let version = match version {
        Some(version) => version,
        None => ask_version(file).await?,
    };
    let mut measure = Measure::new();
    measure.add(&bytes);
    let release = Release { version, architecture: architecture.to_owned(), length, sha256: measure.sha256() };
    let signature = pair.sign(release.manifest().as_bytes()).as_ref().try_into()?;
    let signed = SignedRelease::new(release, signature);
    let beside = signature_of(file);
    fs::write(&beside, signed.to_string()).with_context(|| format!("cannot write {}", beside.display()))?;
    let public = public_half(&pair)?;
    if as_json {
        return output::json(&json!({ "file": beside, "release": signed.claims(), "update_key": public.to_string() }));
    }
    line(format!("{shown} is release {version} for {architecture}, signed with {public}"));
    note(format!("next: tomo agent update SERVER --file {shown}"));
    Ok(())
}

/// Where the signature of a program lies: beside it.
pub(super) fn signature_of(file: &Path) -> PathBuf {
    let mut beside = file.as_os_str().to_owned();
    beside.push(".sig");
    PathBuf::from(beside)
}

/// The kind of machine that an ELF file is for.
fn architecture_of(program: &[u8]) -> Option<&'static str> {
    let machine = program.strip_prefix(b"\x7fELF\x02\x01")?.get(12..14)?;
    match u16::from_le_bytes([machine[0], machine[1]]) {
        62 => Some("x86_64"),
        183 => Some("aarch64"),
        243 => Some("riscv64"),
        _ => None,
    }
}

/// What the program says of itself: nobody can write another version into a release by mistake.
async fn ask_version(file: &Path) -> anyhow::Result<Version> {
    let shown = file.display();
    let next = "if it is not for this machine, give its version with --as";
    let path = fs::canonicalize(file).with_context(|| format!("cannot read {shown}"))?;
    let mut asked = tokio::process::Command::new(path);
    asked.arg("--version").env_clear().stdin(std::process::Stdio::null()).kill_on_drop(true);
    let output = match tokio::time::timeout(ASK_TIMEOUT, asked.output()).await {
        Ok(output) => output.with_context(|| format!("{shown} cannot be asked for its version: {next}"))?,
        Err(_) => bail!("{shown} does not say its version: {next}"),
    };
    let said = String::from_utf8_lossy(&output.stdout);
    let version = said.trim().strip_prefix(PROGRAM).map(str::trim);
    let version = version
        .with_context(|| format!("{shown} is not {PROGRAM}: it calls itself \"{}\"", display_line(said.trim(), 60)))?;
    version.parse().map_err(anyhow::Error::msg)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_of_a_program_is_read_from_its_head() {
        let own = fs::read(std::env::current_exe().expect("a test knows itself")).expect("is readable");
        assert_eq!(architecture_of(&own), Some(std::env::consts::ARCH));
        for other in [&b""[..], b"#!/bin/sh\n", b"\x7fELF", b"\x7fELF\x01\x01\0\0\0\0\0\0\0\0\0\0\x03\0\x3e\0"] {
            assert_eq!(architecture_of(other), None, "{other:?}");
        }
    }

    #[tokio::test]
    async fn a_key_is_for_its_owner_and_signs_what_says_its_version() {
        let folder = tempfile::tempdir().expect("a folder");
        let (key, program) = (folder.path().join("release.key"), folder.path().join("tomo-agent"));
        keygen(&key, true).expect("makes a key");
        let error = keygen(&key, true).expect_err("a key is never overwritten");
        assert!(format!("{error:#}").contains("exists"), "{error:#}");
        fs::copy("/bin/true", &program).expect("copies");
        let error = sign(&program, &key, None, true).await.expect_err("it is another program");
        assert!(error.to_string().contains("is not tomo-agent"), "{error}");
        let version = "0.2.0".parse().expect("a version");
        sign(&program, &key, Some(version), true).await.expect("signs");
        let text = fs::read_to_string(signature_of(&program)).expect("is there");
        let public = public_half(&read_key(&key).expect("reads")).expect("is one");
        let signed = SignedRelease::parse(&text).expect("is one");
        assert_eq!(signed.verify(&public).map(|release| release.version), Ok(version));
        fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).expect("sets the mode");
        let error = read_key(&key).expect_err("others can read it");
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
}
