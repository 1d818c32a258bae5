//! Backups of volumes as files: a head in clear that says which backup it is, then the volume's archive in sealed pieces (see
//! [`crate::seal`]), bound to that head, under a key of the backup's own. The key lies in the store, sealed under the data key.

use std::{
    fs::{self, File},
    io::{BufReader, BufWriter, Read, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail, ensure};
use serde::{Deserialize, Serialize};
use tomo_proto::{
    id::VolumeBackupId,
    wire::archive::{Contents, PART_BYTES, Part, Tar},
};
use zeroize::Zeroizing;

use crate::{
    crypto::random_bytes,
    seal::{NONCE, Opener, Sealer},
};

/// How every backup of a volume begins; the digit is the format's version.
const MAGIC: &[u8; 8] = b"TOMOVOL1";
/// Bytes of a head, at most.
const HEAD: usize = 16 * 1024;
/// How the file of one that is being written ends.
const UNFINISHED: &str = "new";

/// The key of one backup.
pub(crate) type OwnKey = Zeroizing<[u8; 32]>;

/// What stands at the head of a backup, in clear but bound to every piece.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Head {
    pub(crate) backup: VolumeBackupId,
    /// Name of the server, for whoever finds the file.
    pub(crate) server: String,
    /// Name of the volume.
    pub(crate) volume: String,
    /// When it was begun (UTC ms).
    pub(crate) created_at: u64,
    /// Release that made it.
    pub(crate) release: String,
    nonce: Vec<u8>,
}

impl Head {
    pub(crate) fn new(backup: VolumeBackupId, server: String, volume: String, created_at: u64) -> Self {
        let nonce = random_bytes::<NONCE>().to_vec();
        Self { backup, server, volume, created_at, release: env!("CARGO_PKG_VERSION").to_owned(), nonce }
    }
}

/// While a backup comes it is looked this often how much room is left on the disk,
const LOOK_BYTES: usize = 8 << 20;
/// and this much is left to others; on a small disk a twentieth of it.
const LEFT_BYTES: u64 = 1 << 30;

/// Name of a backup's file.
pub(crate) fn file_name(backup: VolumeBackupId) -> String {
    format!("{backup}.volume")
}

/// Removes what a daemon that died has left half written.
pub(crate) fn sweep(folder: &Path) {
    let files = fs::read_dir(folder).into_iter().flatten().flatten().map(|file| file.path());
    for path in files.filter(|path| path.extension().is_some_and(|end| end == UNFINISHED)) {
        match fs::remove_file(&path) {
            Ok(()) => tracing::warn!(file = %path.display(), "a backup that was cut off is removed"),
            Err(error) => {
                tracing::error!(%error, file = %path.display(), "a backup that was cut off cannot be removed")
            }
        }
    }
}

/// Writes a backup of what comes part by part, beside its place; reads it to its end; and renames it into its place. Without an end that
/// fits, and whatever else fails, nothing is left.
pub(crate) fn write(
    folder: &Path,
    head: &Head,
    key: &OwnKey,
    next: impl FnMut() -> Option<Part>,
) -> anyhow::Result<(PathBuf, Contents)> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.with_context(|| format!("cannot make {}", folder.display()))?;
    let place = folder.join(file_name(head.backup));
    let beside = place.with_extension(UNFINISHED);
    let written = (|| -> anyhow::Result<Contents> {
        let contents = seal(&beside, head, key, next)?;
        let read = read(&beside, head.backup, key, |_| Ok(()))?;
        ensure!(read == contents, "it does not read back as it was written");
        fs::rename(&beside, &place)?;
        File::open(folder)?.sync_all()?;
        Ok(contents)
    })();
    if written.is_err() {
        drop(fs::remove_file(&beside));
    }
    Ok((place, written?))
}

fn seal(beside: &Path, head: &Head, key: &OwnKey, mut next: impl FnMut() -> Option<Part>) -> anyhow::Result<Contents> {
    let nonce = <[u8; NONCE]>::try_from(head.nonce.as_slice())?;
    let head = rmp_serde::to_vec_named(head)?;
    let mut options = fs::OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(beside);
    let mut out = BufWriter::new(file.with_context(|| format!("cannot make {}", beside.display()))?);
    out.write_all(MAGIC)?;
    out.write_all(&u32::try_from(head.len())?.to_be_bytes())?;
    out.write_all(&head)?;
    let mut sealer = Sealer::new(out, key, &nonce, bound(&head));
    let mut tar = Tar::default();
    let mut unlooked = 0;
    loop {
        match next() {
            Some(Part::Bytes(bytes)) => {
                tar.take(&bytes);
                unlooked += bytes.len();
                if unlooked >= LOOK_BYTES {
                    unlooked = 0;
                    leave_room(beside)?;
                }
                sealer.write_all(&bytes)?;
            }
            Some(Part::End(told)) => {
                let contents = tar.end().map_err(anyhow::Error::msg)?;
                ensure!(contents == told, "what came is not what the agent says that it read");
                sealer.end()?.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
                return Ok(contents);
            }
            None => bail!("it was cut off after {} files", tar.files()),
        }
    }
}

/// The store may lie on the same disk: a backup, however large a host makes it, does not take its last room.
fn leave_room(beside: &Path) -> std::io::Result<()> {
    let disk = rustix::fs::statvfs(beside)?;
    let [free, all] = [disk.f_bavail, disk.f_blocks].map(|blocks| blocks.saturating_mul(disk.f_frsize));
    if free < (all / 20).min(LEFT_BYTES) {
        let kind = std::io::ErrorKind::StorageFull;
        return Err(std::io::Error::new(kind, format!("only {} MiB are free there", free >> 20)));
    }
    Ok(())
}

fn bound(head: &[u8]) -> Vec<u8> {
    [MAGIC.as_slice(), ring::digest::digest(&ring::digest::SHA256, head).as_ref()].concat()
}

/// Reads a backup to its end, a part of at most [`PART_BYTES`] at a time.
///
/// # Errors
/// Names the file and what is wrong with it, or is what `each` says. Only parts that were not changed have been handed out then.
pub(crate) fn read(
    file: &Path,
    backup: VolumeBackupId,
    key: &OwnKey,
    mut each: impl FnMut(&[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<Contents> {
    let mut reading = || -> anyhow::Result<Contents> {
        let mut source = BufReader::new(File::open(file)?);
        let mut magic = [0; MAGIC.len()];
        source.read_exact(&mut magic).context("it is no backup of a volume: it is too short")?;
        ensure!(&magic == MAGIC, "it is no backup of a volume, or one of a newer release");
        let mut length = [0; 4];
        source.read_exact(&mut length).context("it was cut off")?;
        let length = u32::from_be_bytes(length) as usize;
        ensure!(length <= HEAD, "its head was changed");
        let mut bytes = vec![0; length];
        source.read_exact(&mut bytes).context("it was cut off")?;
        let head: Head = rmp_serde::from_slice(&bytes).context("its head was changed")?;
        ensure!(head.backup == backup, "it is the file of {}, and {backup} was looked for", head.backup);
        let nonce = <[u8; NONCE]>::try_from(head.nonce.as_slice()).context("its head was changed")?;
        let mut opener = Opener::new(source, key, &nonce, bound(&bytes))?;
        let (mut tar, mut part) = (Tar::default(), vec![0; PART_BYTES]);
        loop {
            let length = opener.read(&mut part)?;
            if length == 0 {
                return tar.end().map_err(anyhow::Error::msg);
            }
            tar.take(&part[..length]);
            each(&part[..length])?;
        }
    };
    reading().with_context(|| format!("{} cannot be used", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An archive of one empty folder.
    fn archive() -> Vec<u8> {
        let mut header = vec![0_u8; 512];
        header[..2].copy_from_slice(b"./");
        header[156] = b'5';
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum::<u32>() + 8 * 32;
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        [header, vec![0; 200 * 1024]].concat()
    }

    fn parts(whole: bool) -> Vec<Part> {
        let mut tar = Tar::default();
        tar.take(&archive());
        let end = Part::End(tar.end().expect("is one"));
        archive().chunks(PART_BYTES).map(|part| Part::Bytes(part.to_vec())).chain(whole.then_some(end)).collect()
    }

    #[test]
    fn a_backup_of_a_volume_opens_whole_with_its_own_key_under_its_own_id_or_not_at_all() {
        let folder = tempfile::tempdir().expect("a folder");
        let (id, other) = (VolumeBackupId::from_u64(7), VolumeBackupId::from_u64(8));
        let key: OwnKey = Zeroizing::new([7; 32]);
        let head = Head::new(id, "web-1".to_owned(), "data".to_owned(), 5);
        let mut all = parts(true).into_iter();
        let (file, contents) = write(folder.path(), &head, &key, || all.next()).expect("is written");
        assert_eq!(contents.files, 1);
        let mut out = Vec::new();
        let mut keep = |part: &[u8]| {
            out.extend_from_slice(part);
            Ok(())
        };
        assert_eq!(read(&file, id, &key, &mut keep).expect("opens"), contents);
        assert_eq!(out, archive());

        let refused = |file: &Path, id: VolumeBackupId, key: &OwnKey| {
            format!("{:#}", read(file, id, key, |_| Ok(())).expect_err("is refused"))
        };
        assert!(refused(&file, id, &Zeroizing::new([8; 32])).contains("changed or cut off"));
        assert!(refused(&file, other, &key).contains("was looked for"));
        let sound = fs::read(&file).expect("can be read");
        let bad = folder.path().join("bad");
        let piece = 64 * 1024 + 16;
        let body = sound.len() - archive().len() - archive().len().div_ceil(64 * 1024) * 16;
        let mut cases: Vec<Vec<u8>> = (0..sound.len()).step_by(9_973).map(|at| sound[..at].to_vec()).collect();
        cases.extend((0..sound.len()).step_by(4_999).map(|at| {
            let mut changed = sound.clone();
            changed[at] ^= 1;
            changed
        }));
        cases.push([sound.as_slice(), &[0]].concat());
        let mut swapped = sound.clone();
        let (first, second) = swapped[body..].split_at_mut(piece);
        first.swap_with_slice(&mut second[..piece]);
        cases.push(swapped);
        for case in cases {
            fs::write(&bad, &case).expect("can be written");
            drop(refused(&bad, id, &key));
        }
    }

    #[test]
    fn what_is_cut_off_while_it_is_written_leaves_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let key: OwnKey = Zeroizing::new([7; 32]);
        let head = Head::new(VolumeBackupId::from_u64(7), "web-1".to_owned(), "data".to_owned(), 5);
        let mut some = parts(false).into_iter();
        let error = write(folder.path(), &head, &key, || some.next()).expect_err("is refused");
        assert!(format!("{error:#}").contains("cut off"), "{error:#}");
        let mut lying = parts(true);
        lying.remove(2);
        let mut lying = lying.into_iter();
        let error = write(folder.path(), &head, &key, || lying.next()).expect_err("is refused");
        assert!(format!("{error:#}").contains("not what the agent says"), "{error:#}");
        assert_eq!(fs::read_dir(folder.path()).expect("is there").count(), 0);
        fs::write(folder.path().join("vol-x.new"), "half").expect("can be written");
        sweep(folder.path());
        assert_eq!(fs::read_dir(folder.path()).expect("is there").count(), 0);
    }
}
