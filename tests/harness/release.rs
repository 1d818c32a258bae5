//! Releases of the agent, made by the real `tomo release`: the agent that was built, under another version or broken on purpose. What
//! differs is a few bytes of the same length in the program itself.

use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;
use tomo_proto::model::release::SignedRelease;

use crate::{cli::Tomo, program};

/// The version of the agent that was built.
pub const BUILT: &str = env!("CARGO_PKG_VERSION");

/// Bytes of a program and what stands in their place.
pub type Change<'a> = (&'a str, &'a str);

/// A program that starts and never gets to its daemon.
pub const MUTE: Change<'static> = ("tomo-agent/1", "tomo-agent/9");
/// A program whose link ends at once: it does not find who it is.
pub const SHORT_LIVED: Change<'static> = ("identity.json", "identity.none");

/// The owner of a release key.
#[derive(Debug)]
pub struct Publisher {
    folder: TempDir,
    tomo: Tomo,
    update_key: String,
}

/// A signed program.
#[derive(Debug, Clone)]
pub struct Published {
    /// The program; its signature lies beside it.
    pub program: PathBuf,
    /// Text of the signature.
    pub signature: String,
}

impl Published {
    /// What was signed.
    ///
    /// # Panics
    /// The signature is none.
    #[must_use]
    pub fn release(&self) -> SignedRelease {
        SignedRelease::parse(&self.signature).expect("it was signed")
    }

    /// The program's bytes.
    ///
    /// # Panics
    /// It cannot be read.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        std::fs::read(&self.program).expect("a readable program")
    }
}

impl Publisher {
    /// Makes a key.
    ///
    /// # Panics
    /// It cannot be made.
    pub async fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("tomo-test-release-").tempdir().expect("a folder can be made");
        let tomo = Tomo::new();
        let key = folder.path().join("release.key");
        let words = ["release", "keygen", &key.display().to_string(), "--json"].map(str::to_owned);
        let made = tomo.run(words).await.ok().json();
        let update_key = made["update_key"].as_str().expect("a key").to_owned();
        Self { folder, tomo, update_key }
    }

    /// The public half, for policy files.
    #[must_use]
    pub fn update_key(&self) -> &str {
        &self.update_key
    }

    /// Where the private half lies.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.folder.path().join("release.key")
    }

    /// The built agent, without what only a debugger reads, with these changes; not signed.
    ///
    /// # Panics
    /// `strip` is not there, or something to be changed is not in the program.
    #[must_use]
    pub fn program(&self, name: &str, changes: &[Change<'_>]) -> PathBuf {
        let path = self.folder.path().join(name);
        let stripped = Command::new("strip").arg("-o").arg(&path).arg(program::path("tomo-agent")).status();
        assert!(stripped.is_ok_and(|status| status.success()), "`strip` works: install binutils, or use tests/run");
        let mut bytes = std::fs::read(&path).expect("a readable program");
        for (from, to) in changes {
            assert_eq!(from.len(), to.len(), "{from} and {to} are of one length");
            let places: Vec<usize> = bytes
                .windows(from.len())
                .enumerate()
                .filter(|(_, found)| *found == from.as_bytes())
                .map(|(at, _)| at)
                .collect();
            assert!(!places.is_empty(), "{from} is in the program");
            for at in places {
                bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
            }
        }
        std::fs::write(&path, bytes).expect("a program can be written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("the mode is set");
        path
    }

    /// Signs a program; `version` for one that cannot be asked.
    ///
    /// # Panics
    /// It is refused.
    pub async fn sign(&self, program: &Path, version: Option<&str>) -> Published {
        let mut words = vec!["release".to_owned(), "sign".to_owned(), program.display().to_string()];
        words.extend(["--key".to_owned(), self.key().display().to_string()]);
        words.extend(version.into_iter().flat_map(|version| ["--as".to_owned(), version.to_owned()]));
        drop(self.tomo.run(words).await.ok());
        let signature = std::fs::read_to_string(program.with_extension("sig")).expect("the signature is there");
        Published { program: program.to_owned(), signature }
    }

    /// The built agent as another version, with these changes, signed.
    pub async fn publish(&self, version: &str, changes: &[Change<'_>]) -> Published {
        let changes = [&[(BUILT, version)], changes].concat();
        let program = self.program(&format!("agent-{}", version.replace('.', "-")), &changes);
        self.sign(&program, None).await
    }
}
