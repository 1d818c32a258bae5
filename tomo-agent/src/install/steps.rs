//! What installing has done so far, and how each of it is undone.

use std::{
    collections::VecDeque,
    fs,
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use serde_json::json;

use crate::install::host::Program;

/// Steps that were taken, the newest first.
#[derive(Debug, Default)]
pub(super) struct Steps {
    undo: VecDeque<Undo>,
}

#[derive(Debug)]
enum Undo {
    Remove(PathBuf),
    RemoveFolder(PathBuf),
    Restore { path: PathBuf, bytes: Vec<u8>, mode: u32, owner: (u32, u32) },
    Run(Program),
}

/// Tells a step as a line of JSON.
pub(super) fn tell(step: &str) -> io::Result<()> {
    line(&json!({ "step": step }))
}

/// Tells that all is done.
pub(super) fn done(server: &str) -> anyhow::Result<()> {
    Ok(line(&json!({ "done": true, "server": server }))?)
}

fn line(value: &serde_json::Value) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{value}")?;
    out.flush()
}

impl Steps {
    /// Undoing runs this program, after everything that comes later is undone.
    pub(super) fn at_last(&mut self, program: Program) {
        self.undo.push_front(Undo::Run(program));
    }

    /// Undoing removes this folder, which something else is about to make.
    pub(super) fn forget_folder(&mut self, folder: &str) {
        self.undo.push_front(Undo::RemoveFolder(PathBuf::from(folder)));
    }

    /// Notes a file that something else is about to write, and makes its folder.
    pub(super) fn keep(&mut self, path: &Path) -> anyhow::Result<()> {
        let folder = path.parent().context("a file lies in a folder")?;
        self.make_folder(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let undo = match fs::read(path) {
            Ok(bytes) => {
                let facts = fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
                let (mode, owner) = (facts.permissions().mode() & 0o7777, (facts.uid(), facts.gid()));
                Undo::Restore { path: path.to_owned(), bytes, mode, owner }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Undo::Remove(path.to_owned()),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        self.undo.push_front(undo);
        Ok(())
    }

    /// Writes a file that is there whole or not at all.
    pub(super) fn write(&mut self, path: &Path, bytes: &[u8], mode: u32) -> anyhow::Result<()> {
        self.keep(path)?;
        write(path, bytes, mode, None).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Gives a file a second name, which may be another file's so far.
    pub(super) fn link(&mut self, path: &Path, second: &Path) -> anyhow::Result<()> {
        self.keep(second)?;
        let link = || {
            absent_is_fine(fs::remove_file(second))?;
            Ok::<_, anyhow::Error>(fs::hard_link(path, second)?)
        };
        link().with_context(|| format!("cannot make {}", second.display()))
    }

    fn make_folder(&mut self, folder: &Path) -> io::Result<()> {
        if folder.is_dir() {
            return Ok(());
        }
        if let Some(parent) = folder.parent() {
            self.make_folder(parent)?;
        }
        fs::create_dir(folder)?;
        self.undo.push_front(Undo::RemoveFolder(folder.to_owned()));
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755))
    }

    /// Undoes every step, the newest first; what could not be undone.
    pub(super) async fn undo(&mut self) -> Vec<String> {
        let mut left = Vec::new();
        while let Some(undo) = self.undo.pop_front() {
            let undone = match &undo {
                Undo::Run(program) => program.run().await.map(|_| ()),
                Undo::Remove(path) => absent_is_fine(fs::remove_file(path)).with_context(|| path.display().to_string()),
                Undo::RemoveFolder(path) => {
                    absent_is_fine(fs::remove_dir_all(path)).with_context(|| path.display().to_string())
                }
                Undo::Restore { path, bytes, mode, owner } => {
                    write(path, bytes, *mode, Some(*owner)).with_context(|| path.display().to_string())
                }
            };
            if let Err(error) = undone {
                left.push(format!("{error:#}"));
            }
        }
        left
    }
}

pub(super) fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Some of the folders belong to users that this must not trust: what lies in its way there is removed, not followed.
fn write(path: &Path, bytes: &[u8], mode: u32, owner: Option<(u32, u32)>) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let write = || {
        absent_is_fine(fs::remove_file(&beside))?;
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        if let Some((user, group)) = owner {
            fchown(&file, Some(user), Some(group))?;
        }
        file.write_all(bytes)?;
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().inspect_err(|_| drop(fs::remove_file(&beside)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_undone_is_as_it_was() {
        let folder = tempfile::tempdir().expect("a folder");
        let (old, new) = (folder.path().join("old"), folder.path().join("a/b/new"));
        fs::write(&old, "old").expect("writes");
        fs::set_permissions(&old, fs::Permissions::from_mode(0o640)).expect("sets the mode");
        let mut steps = Steps::default();
        steps.write(&old, b"changed", 0o600).expect("writes");
        steps.write(&new, b"new", 0o644).expect("writes");
        steps.write(&new, b"newer", 0o644).expect("writes");
        assert_eq!(fs::read(&new).expect("reads"), b"newer");
        assert_eq!(steps.undo().await, Vec::<String>::new());
        assert_eq!(fs::read(&old).expect("reads"), b"old");
        assert_eq!(fs::metadata(&old).expect("is there").permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(folder.path()).expect("reads").count(), 1);
    }

    #[tokio::test]
    async fn a_link_that_somebody_has_put_in_the_way_is_not_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, precious) = (folder.path().join("file"), folder.path().join("precious"));
        fs::write(&precious, "precious").expect("writes");
        std::os::unix::fs::symlink(&precious, folder.path().join("file.new")).expect("is made");
        Steps::default().write(&path, b"new", 0o644).expect("writes");
        assert_eq!(fs::read(&precious).expect("reads"), b"precious");
        assert!(fs::read(&path).expect("reads") == b"new" && !path.is_symlink());
    }

    #[tokio::test]
    async fn what_cannot_be_undone_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut steps = Steps::default();
        let path = folder.path().join("file");
        steps.write(&path, b"x", 0o644).expect("writes");
        steps.at_last(Program::new("no-such-program", &[]));
        assert_eq!(steps.undo().await, ["this host has no no-such-program"]);
        assert!(!path.exists(), "the rest is undone all the same");
    }
}
