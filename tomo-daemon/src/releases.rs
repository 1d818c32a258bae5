//! Signed releases of the agent, as files in the data folder: brought in parts by a person, kept until there are newer ones. Nothing
//! here can sign, and nothing is trusted: each host checks for itself.

use std::{
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use tomo_proto::model::release::{Measure, Release, SignedRelease};

use crate::crypto;

/// How many are kept.
const KEPT: usize = 8;
/// Bytes that are read at a time.
const PART: usize = 256 * 1024;

/// The folder of the releases. Cheap to clone; everything here waits for the disk.
#[derive(Debug, Clone)]
pub(crate) struct Releases {
    folder: PathBuf,
}

/// A part of a program could not be taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UploadError {
    #[error("the part begins at {offset}, and {received} bytes are there")]
    Offset { offset: u64, received: u64 },
    #[error("the program is longer than the release says")]
    TooLong,
    #[error("the program is not the one that was signed")]
    OtherProgram,
    #[error("the release cannot be kept: {0}")]
    Io(#[from] io::Error),
}

impl Releases {
    /// The releases of a daemon with this data folder.
    pub(crate) fn of(data: &Path) -> Self {
        Self { folder: data.join("releases") }
    }

    /// Where a release's program lies: beside nothing that somebody else has signed, be it the same program.
    pub(crate) fn program(&self, release: &SignedRelease) -> PathBuf {
        self.folder.join(crypto::sha256_hex(release.to_string().as_bytes()))
    }

    fn beside(&self, release: &SignedRelease, extension: &str) -> PathBuf {
        self.program(release).with_extension(extension)
    }

    /// Every release that is complete, the newest first.
    pub(crate) fn list(&self) -> io::Result<Vec<SignedRelease>> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut found = Vec::new();
        for entry in entries {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "sig") {
                // What somebody else has put there is left alone.
                found.extend(fs::read_to_string(&path).ok().and_then(|text| SignedRelease::parse(&text).ok()));
            }
        }
        found.retain(|release| self.program(release).is_file());
        found.sort_by_key(|release| std::cmp::Reverse((release.claims().version, release.claims().sha256.clone())));
        Ok(found)
    }

    /// Takes a part of a program; the bytes that are there now, and whether that is all of it.
    pub(crate) fn take(&self, release: &SignedRelease, offset: u64, bytes: &[u8]) -> Result<(u64, bool), UploadError> {
        let claims = release.claims();
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        if self.program(release).is_file() {
            return Ok((claims.length, true));
        }
        if offset == 0 {
            self.forget_parts()?;
        }
        let part = self.beside(release, "part");
        let mut options = fs::OpenOptions::new();
        let mut file = options.read(true).write(true).create(true).truncate(offset == 0).mode(0o600).open(&part)?;
        let received = file.seek(SeekFrom::End(0))?;
        if offset != received {
            return Err(UploadError::Offset { offset, received });
        }
        let received = received + u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if received > claims.length {
            fs::remove_file(&part)?;
            return Err(UploadError::TooLong);
        }
        file.write_all(bytes)?;
        if received < claims.length {
            return Ok((received, false));
        }
        file.seek(SeekFrom::Start(0))?;
        if let Err(error) = check(&mut file, claims) {
            fs::remove_file(&part)?;
            return Err(error);
        }
        file.sync_all()?;
        // It counts once both are there.
        fs::write(self.beside(release, "sig"), release.to_string())?;
        fs::rename(&part, self.program(release))?;
        for old in self.list()?.iter().skip(KEPT) {
            self.forget(old)?;
        }
        Ok((received, true))
    }

    /// Takes a release away.
    pub(crate) fn forget(&self, release: &SignedRelease) -> io::Result<()> {
        fs::remove_file(self.program(release))?;
        fs::remove_file(self.beside(release, "sig"))
    }

    fn forget_parts(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "part") {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }
}

fn check(file: &mut File, release: &Release) -> Result<(), UploadError> {
    let (mut measure, mut part) = (Measure::new(), vec![0; PART]);
    loop {
        match file.read(&mut part)? {
            0 => return measure.check(release).map_err(|_| UploadError::OtherProgram),
            read => measure.add(&part[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(version: &str, program: &[u8]) -> SignedRelease {
        let release = Release {
            version: version.parse().expect("a version"),
            architecture: "x86_64".to_owned(),
            length: u64::try_from(program.len()).expect("is small"),
            sha256: crypto::sha256_hex(program),
        };
        SignedRelease::new(release, [7; 64])
    }

    #[test]
    fn a_release_comes_in_parts_and_counts_once_it_is_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let releases = Releases::of(folder.path());
        let wanted = release("0.2.0", b"a program");
        assert_eq!(releases.list().expect("reads"), []);
        assert_eq!(releases.take(&wanted, 0, b"a pro").expect("is taken"), (5, false));
        assert!(matches!(releases.take(&wanted, 4, b"o"), Err(UploadError::Offset { offset: 4, received: 5 })));
        assert_eq!(releases.list().expect("reads"), []);
        assert_eq!(releases.take(&wanted, 5, b"gram").expect("is taken"), (9, true));
        assert_eq!(releases.list().expect("reads"), std::slice::from_ref(&wanted));
        assert_eq!(fs::read(releases.program(&wanted)).expect("reads"), b"a program");
        assert_eq!(releases.take(&wanted, 0, b"").expect("is there"), (9, true));

        // The same program, signed with another key, is another release.
        let again = SignedRelease::new(wanted.claims().clone(), [8; 64]);
        assert_eq!(releases.take(&again, 0, b"a program").expect("is taken"), (9, true));
        assert_eq!(releases.list().expect("reads").len(), 2);
        releases.forget(&again).expect("is there");
        assert_eq!(releases.list().expect("reads"), std::slice::from_ref(&wanted));

        let other = release("0.3.0", b"another");
        assert!(matches!(releases.take(&other, 0, b"another one"), Err(UploadError::TooLong)));
        assert!(matches!(releases.take(&other, 0, b"anothes"), Err(UploadError::OtherProgram)));
        assert_eq!(fs::read_dir(folder.path().join("releases")).expect("reads").count(), 2, "nothing of it is left");
    }

    #[test]
    fn the_newest_are_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let releases = Releases::of(folder.path());
        for number in 0..12 {
            let program = format!("program {number}");
            let release = release(&format!("0.{number}.0"), program.as_bytes());
            releases.take(&release, 0, program.as_bytes()).expect("is taken");
        }
        let kept: Vec<String> =
            releases.list().expect("reads").iter().map(|release| release.claims().version.to_string()).collect();
        assert_eq!(kept, ["0.11.0", "0.10.0", "0.9.0", "0.8.0", "0.7.0", "0.6.0", "0.5.0", "0.4.0"]);
        assert_eq!(fs::read_dir(folder.path().join("releases")).expect("reads").count(), 16);
    }
}
