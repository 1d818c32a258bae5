//! Releases of the agent: what the owner of a release key signs, and how everybody else knows that it was signed. The daemon
//! passes releases on and holds no such key.
//!
//! A release is a program and a text beside it, `tomo-agent.sig`. The signature is over all lines before its own:
//!
//! ```text
//! tomo-release 1
//! program tomo-agent
//! version 0.2.0
//! architecture x86_64
//! length 9437184
//! sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
//! signature 3vQB7B6MrGQZaxCuFg4oh…
//! ```

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::{
    digest,
    signature::{ED25519, UnparsedPublicKey},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::ErrorCode;

/// Largest program a release can have.
pub const MAX_PROGRAM_BYTES: u64 = 64 * 1024 * 1024;

/// Longest text of a signed release.
pub const MAX_RELEASE_BYTES: usize = 512;

/// The one program that is released.
pub const PROGRAM: &str = "tomo-agent";

/// Head of a release key's text form.
const KEY_HEAD: &str = "ed25519:";

/// First line of every release; its number changes with the lines that follow.
const HEAD: &str = "tomo-release 1";

/// A release that cannot be used, or not here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseError {
    /// Not the text that signing makes.
    #[error("this is not a signed release: `tomo release sign` makes one")]
    Malformed,
    /// Signed by somebody else, or changed afterwards.
    #[error("the release is not signed with the key {0}")]
    Signature(ReleaseKey),
    /// For another kind of machine.
    #[error("the release is for {release}, the host is {host}")]
    Architecture {
        /// What it is for.
        release: String,
        /// What the host is.
        host: String,
    },
    /// Not newer than what is there.
    #[error("release {release} is not newer than {installed}, which is installed")]
    NotNewer {
        /// Its version.
        release: Version,
        /// What is installed.
        installed: Version,
    },
    /// The program is not the one that was signed.
    #[error("the program is not the one that was signed as release {0}")]
    Program(Version),
}

impl ReleaseError {
    /// Kind of the error for whoever wanted the release used.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Signature(_) => ErrorCode::RefusedByPolicy,
            Self::NotNewer { .. } | Self::Architecture { .. } => ErrorCode::Conflict,
            Self::Malformed | Self::Program(_) => ErrorCode::Invalid,
        }
    }
}

/// Version of a release: three numbers, so that one of two is the newer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version([u32; 3]);

/// The public half of a release key, as a host's policy names it: `ed25519:` and base 64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReleaseKey([u8; 32]);

/// What is signed about a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Release {
    /// Version, which the program has to give as its own.
    #[schemars(with = "String")]
    pub version: Version,
    /// Kind of machine it runs on, as in `x86_64`.
    pub architecture: String,
    /// Size in bytes.
    pub length: u64,
    /// SHA-256 of the program, hex.
    pub sha256: String,
}

/// A program as it goes by in parts: its length and its SHA-256.
#[derive(Clone)]
pub struct Measure {
    digest: digest::Context,
    length: u64,
}

/// A release with a signature, which nobody has checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedRelease {
    release: Release,
    signature: [u8; 64],
}

impl Release {
    /// The lines that are signed.
    #[must_use]
    pub fn manifest(&self) -> String {
        let Self { version, architecture, length, sha256 } = self;
        format!(
            "{HEAD}\nprogram {PROGRAM}\nversion {version}\narchitecture {architecture}\nlength {length}\nsha256 {sha256}\n"
        )
    }

    /// Whether the program can take the place of an installed one.
    ///
    /// # Errors
    /// It is for another kind of machine, or not newer.
    pub fn check_fits(&self, host: &str, installed: Version) -> Result<(), ReleaseError> {
        if self.architecture != host {
            let (release, host) = (self.architecture.clone(), crate::text::display_line(host, 40));
            return Err(ReleaseError::Architecture { release, host });
        }
        if self.version <= installed {
            return Err(ReleaseError::NotNewer { release: self.version, installed });
        }
        Ok(())
    }
}

impl Measure {
    /// Nothing has gone by.
    #[must_use]
    pub fn new() -> Self {
        Self { digest: digest::Context::new(&digest::SHA256), length: 0 }
    }

    /// The next part.
    pub fn add(&mut self, part: &[u8]) {
        self.digest.update(part);
        self.length = self.length.saturating_add(u64::try_from(part.len()).unwrap_or(u64::MAX));
    }

    /// Bytes so far.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// SHA-256 of all of it, hex.
    #[must_use]
    pub fn sha256(self) -> String {
        self.digest.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether this was the program of a release.
    ///
    /// # Errors
    /// [`ReleaseError::Program`].
    pub fn check(self, release: &Release) -> Result<(), ReleaseError> {
        let fits = self.length == release.length && self.sha256() == release.sha256;
        if fits { Ok(()) } else { Err(ReleaseError::Program(release.version)) }
    }
}

impl Default for Measure {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Measure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Measure").field("length", &self.length).finish_non_exhaustive()
    }
}

impl SignedRelease {
    /// Puts a signature over [`Release::manifest`] beside its release.
    #[must_use]
    pub const fn new(release: Release, signature: [u8; 64]) -> Self {
        Self { release, signature }
    }

    /// Reads a signed release. Only the one way to write it is understood.
    ///
    /// # Errors
    /// [`ReleaseError::Malformed`], whatever the text is.
    pub fn parse(text: &str) -> Result<Self, ReleaseError> {
        let read = || {
            let mut lines = (text.len() <= MAX_RELEASE_BYTES).then(|| text.lines())?;
            let mut value = |key: &str| lines.next()?.strip_prefix(key)?.strip_prefix(' ');
            value("tomo-release")?;
            value("program")?;
            let release = Release {
                version: value("version")?.parse().ok()?,
                architecture: value("architecture").filter(|name| is_architecture(name))?.to_owned(),
                length: value("length")?.parse().ok().filter(|length| (1..=MAX_PROGRAM_BYTES).contains(length))?,
                sha256: value("sha256").filter(|digest| is_digest(digest))?.to_owned(),
            };
            let signature = STANDARD.decode(value("signature")?).ok()?.try_into().ok()?;
            Some(Self { release, signature })
        };
        read().filter(|read| read.to_string() == text).ok_or(ReleaseError::Malformed)
    }

    /// What it says of itself, for whoever has no key to check it with.
    #[must_use]
    pub const fn claims(&self) -> &Release {
        &self.release
    }

    /// The release, if it was signed with this key.
    ///
    /// # Errors
    /// [`ReleaseError::Signature`].
    pub fn verify(&self, key: &ReleaseKey) -> Result<&Release, ReleaseError> {
        UnparsedPublicKey::new(&ED25519, key.0)
            .verify(self.release.manifest().as_bytes(), &self.signature)
            .map(|()| &self.release)
            .map_err(|_| ReleaseError::Signature(*key))
    }
}

impl fmt::Display for SignedRelease {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{}signature {}", self.release.manifest(), STANDARD.encode(self.signature))
    }
}

fn is_architecture(name: &str) -> bool {
    (1..=20).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'))
}

impl Version {
    /// This program's own.
    #[must_use]
    pub fn own() -> Self {
        crate::version::RELEASE.parse().unwrap_or(Self([0; 3]))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.0;
        write!(out, "{major}.{minor}.{patch}")
    }
}

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let mut parts = text.split('.').map(|part| part.parse().ok());
            let version = Self([parts.next()??, parts.next()??, parts.next()??]);
            (parts.next().is_none() && version.to_string() == text).then_some(version)
        };
        let shown = || crate::text::display_line(text, 40);
        read().ok_or_else(|| format!("\"{}\" is not the version of a release: three numbers, as in 0.2.0", shown()))
    }
}

impl Serialize for Version {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl ReleaseKey {
    /// The key with these bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for ReleaseKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{KEY_HEAD}{}", STANDARD.encode(self.0))
    }
}

impl FromStr for ReleaseKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || STANDARD.decode(text.strip_prefix(KEY_HEAD)?).ok()?.try_into().ok().map(Self);
        let shown = || crate::text::display_line(text, 80);
        read().ok_or_else(|| {
            format!("\"{}\" is not a release key: `tomo release keygen` prints it, as {KEY_HEAD}…", shown())
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ring::signature::{Ed25519KeyPair, KeyPair as _};

    use super::*;

    fn key(seed: u8) -> (Ed25519KeyPair, ReleaseKey) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).expect("a key");
        let public = pair.public_key().as_ref().try_into().expect("has its length");
        (pair, ReleaseKey::new(public))
    }

    fn release() -> Release {
        let version = "0.2.0".parse().expect("a version");
        Release { version, architecture: "x86_64".to_owned(), length: 4, sha256: "0a".repeat(32) }
    }

    fn signed(pair: &Ed25519KeyPair) -> SignedRelease {
        let signature = pair.sign(release().manifest().as_bytes());
        SignedRelease::new(release(), signature.as_ref().try_into().expect("has its length"))
    }

    #[test]
    fn a_signed_release_is_these_lines() {
        let (pair, key) = key(1);
        let text = signed(&pair).to_string();
        let (manifest, signature) = text.split_once("signature ").expect("it is signed");
        let digest = "0a".repeat(32);
        assert_eq!(
            manifest,
            format!(
                "tomo-release 1\nprogram tomo-agent\nversion 0.2.0\narchitecture x86_64\nlength 4\nsha256 {digest}\n"
            )
        );
        assert_eq!(signature.len(), 89);
        assert_eq!(SignedRelease::parse(&text).expect("is one").verify(&key), Ok(&release()));
    }

    #[test]
    fn what_was_changed_or_signed_by_somebody_else_is_refused() {
        let (pair, own) = key(1);
        let text = signed(&pair).to_string();
        let stranger = key(2).1;
        assert_eq!(signed(&pair).verify(&stranger), Err(ReleaseError::Signature(stranger)));
        for (from, to) in [
            ("version 0.2.0", "version 0.3.0"),
            ("x86_64", "aarch64"),
            ("length 4", "length 5"),
            ("sha256 0a", "sha256 0b"),
        ] {
            let changed = SignedRelease::parse(&text.replace(from, to)).expect("reads like one");
            assert_eq!(changed.verify(&own), Err(ReleaseError::Signature(own)), "{to}");
        }
        for (from, to) in [
            ("tomo-release 1", "tomo-release 2"),
            ("program tomo-agent", "program tomo-daemon"),
            ("version 0.2.0", "version 0.2"),
            ("version 0.2.0", "version 0.02.0"),
            ("version 0.2.0", "version 0.2.0-rc1"),
            ("x86_64", "x86/../64"),
            ("length 4", "length 0"),
            ("length 4", "length 4 "),
            ("length 4", "length 04"),
            ("length 4", "length 67108865"),
            ("sha256 0a", "sha256 0A"),
            ("sha256 0a", "sha256 0"),
            ("\n", "\r\n"),
            ("signature ", "signature  "),
            ("==", ""),
        ] {
            assert_eq!(SignedRelease::parse(&text.replace(from, to)), Err(ReleaseError::Malformed), "{to:?}");
        }
        for longer in [format!("{text}\n"), format!("{text}x"), format!("\n{text}"), text.trim_end().to_owned()] {
            assert_eq!(SignedRelease::parse(&longer), Err(ReleaseError::Malformed), "{longer:?}");
        }
    }

    #[test]
    fn only_what_is_newer_and_for_the_machine_fits() {
        let version = |text: &str| text.parse::<Version>().expect("a version");
        for older in ["0.1.0", "0.1.99", "0.0.0"] {
            assert_eq!(release().check_fits("x86_64", version(older)), Ok(()), "{older}");
        }
        for newer in ["0.2.0", "0.2.1", "0.10.0", "1.0.0"] {
            let refused = release().check_fits("x86_64", version(newer));
            assert!(matches!(refused, Err(ReleaseError::NotNewer { .. })), "{newer}: {refused:?}");
        }
        let refused = release().check_fits("aarch64", version("0.1.0"));
        assert!(matches!(refused, Err(ReleaseError::Architecture { .. })), "{refused:?}");
    }

    #[test]
    fn a_key_is_read_as_it_is_shown() {
        let shown = key(1).1.to_string();
        assert_eq!(shown.parse(), Ok(key(1).1));
        for bad in ["", "ed25519:", "ed25519:AAAA", &shown[8..], &shown.replace("ed25519", "rsa"), &format!("{shown}A")]
        {
            assert!(bad.parse::<ReleaseKey>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_release_or_refused(text in ".{0,600}", cut in 0_usize..400, byte in any::<u8>()) {
            drop(SignedRelease::parse(&text));
            drop(text.parse::<ReleaseKey>());
            drop(text.parse::<Version>());
            let mut bytes = signed(&key(1).0).to_string().into_bytes();
            let cut = cut % bytes.len();
            bytes[cut] = byte;
            let changed = String::from_utf8_lossy(&bytes).into_owned();
            if let Ok(read) = SignedRelease::parse(&changed) {
                prop_assert_eq!(read.to_string(), changed);
            }
        }
    }
}
