//! What somebody types of a path, completed with what is there.

use std::{fs, path::PathBuf};

/// Names looked at in one folder.
const NAMES: usize = 10_000;
/// What is said of names that fit.
const SAID_CHARS: usize = 64;

/// What begins as something that was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Completion {
    pub(crate) typed: String,
    /// As much as all that fits has in common; what was typed, if nothing fits.
    pub(crate) text: String,
    /// Names of what fits, folders with a slash behind them.
    pub(crate) fits: Vec<String>,
}

impl Completion {
    /// Looks for what fits in the folder that is `resolve`d from what was typed of it. Reads that folder: run it where blocking is allowed.
    pub(crate) fn of(typed: String, resolve: impl FnOnce(&str) -> PathBuf) -> Self {
        let (folder, begun) = typed.split_at(typed.rfind('/').map_or(0, |slash| slash + 1));
        let place = if folder.is_empty() { PathBuf::from(".") } else { resolve(folder) };
        let entries = fs::read_dir(place).into_iter().flatten().flatten().take(NAMES);
        let fitting = entries.filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let is_meant = name.starts_with(begun)
                && (begun.starts_with('.') || !name.starts_with('.'))
                // Nobody could type it, and a field would not hold it.
                && !name.contains(char::is_control);
            let is_folder = || entry.path().is_dir();
            is_meant.then(|| if is_folder() { format!("{name}/") } else { name })
        });
        let mut fits: Vec<String> = fitting.collect();
        fits.sort_unstable();
        let common = fits.iter().fold(fits.first().cloned(), |common, name| {
            let both = |(one, other): &(char, char)| one == other;
            common.map(|common| common.chars().zip(name.chars()).take_while(both).map(|(letter, _)| letter).collect())
        });
        let text = format!("{folder}{}", common.as_deref().unwrap_or(begun));
        Self { text, fits, typed }
    }

    /// What fits, in a line.
    pub(crate) fn said(&self) -> String {
        let mut said = format!("{} fit:", self.fits.len());
        for (place, name) in self.fits.iter().enumerate() {
            if said.chars().count() + name.chars().count() > SAID_CHARS {
                said.push_str(" …");
                break;
            }
            said.push_str(if place == 0 { " " } else { ", " });
            said.push_str(name);
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_that_fits_has_in_common_is_added() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        for name in ["compose.yaml", "compose.prod.yaml", "café-1", "café-2", ".env", "bell\u{7}"] {
            fs::write(folder.path().join(name), "").expect("a file can be written");
        }
        fs::create_dir(folder.path().join("data")).expect("a folder can be made");
        let completed = |typed: &str| {
            let Completion { text, fits, .. } = Completion::of(typed.to_owned(), |_| folder.path().into());
            (text, fits.len())
        };
        for (typed, text, fits) in [
            ("at/c", "at/c", 4),
            ("at/co", "at/compose.", 2),
            ("at/compose.y", "at/compose.yaml", 1),
            ("at/caf", "at/café-", 2),
            ("at/d", "at/data/", 1),
            ("at/.", "at/.env", 1),
            ("at/x", "at/x", 0),
            ("at/b", "at/b", 0),
            ("at/", "at/", 5),
        ] {
            assert_eq!(completed(typed), (text.to_owned(), fits), "{typed}");
        }
        let nowhere = Completion::of("no/where".to_owned(), |folder| folder.into());
        assert_eq!((nowhere.text.as_str(), nowhere.fits.len()), ("no/where", 0));
        let fits = (0..30).map(|number| format!("backup-{number}.tar")).collect();
        let many = Completion { typed: String::new(), text: String::new(), fits };
        assert_eq!(many.said(), "30 fit: backup-0.tar, backup-1.tar, backup-2.tar, backup-3.tar …");
    }
}
