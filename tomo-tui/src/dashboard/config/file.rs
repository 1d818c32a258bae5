//! Where the file lies, and how a theme that was chosen gets into it.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use toml::de::{DeTable, DeValue};

use crate::{client::folder, dashboard::theme::ThemeName};

/// Longest file that is read.
const LONGEST: u64 = 256 << 10;

/// Where it lies unless another one is named.
pub(crate) fn usual_path() -> PathBuf {
    folder("XDG_CONFIG_HOME", ".config").join("tomo.toml")
}

/// Its text; empty if it is not there.
///
/// # Errors
/// It cannot be read; says why.
pub(super) fn text(path: &Path) -> Result<String, String> {
    let read = || {
        if fs::metadata(path)?.len() > LONGEST {
            return Err(io::Error::other("it is longer than 256 KiB"));
        }
        fs::read_to_string(path)
    };
    match read() {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(format!("it cannot be read: {}", error.to_string().to_lowercase())),
    }
}

/// Writes a theme into the file, and leaves everything else in it as it is.
///
/// # Errors
/// The file is no TOML, or cannot be written; says what to do.
pub(crate) fn choose_theme(path: &Path, theme: ThemeName) -> Result<(), String> {
    let changed = with_theme(&text(path)?, theme)?;
    // What a link leads to is written, not the link.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let write = || {
        fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
        let beside = path.with_extension("toml.new");
        let mut file = fs::File::create(&beside)?;
        if let Ok(before) = fs::metadata(&path) {
            file.set_permissions(before.permissions())?;
        }
        file.write_all(changed.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, &path)
    };
    write().map_err(|error| format!("it cannot be written: {}", error.to_string().to_lowercase()))
}

fn with_theme(text: &str, theme: ThemeName) -> Result<String, String> {
    let root = DeTable::parse(text).map_err(|error| format!("it has to be put right first: {}", error.message()))?;
    let value = format!("\"{}\"", theme.name());
    let found = root.get_ref().iter().find(|(name, _)| &**name.get_ref() == "theme");
    let (range, insert) = match found.map(|(name, theme)| (name.span(), theme)) {
        None => (0..0, format!("theme = {value}\n")),
        Some((name, theme)) => match theme.get_ref() {
            DeValue::Table(roles) => match roles.iter().find(|(name, _)| &**name.get_ref() == "base") {
                Some((_, base)) => (base.span(), value),
                // The line after the table's head.
                None => {
                    let end = text[name.end..].find('\n').map(|at| name.end + at + 1);
                    let at = end.ok_or("write a line base = \"NAME\" into its [theme]")?;
                    (at..at, format!("base = {value}\n"))
                }
            },
            _ => (theme.span(), value),
        },
    };
    let changed = format!("{}{insert}{}", &text[..range.start], &text[range.end..]);
    let is_chosen = super::read(&changed).config.look.theme == theme;
    if is_chosen { Ok(changed) } else { Err(format!("write the theme into it: theme = \"{}\"", theme.name())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_theme_goes_into_the_file_and_everything_else_stays() {
        for (before, after) in [
            ("", "theme = \"light\"\n"),
            ("[keys]\nquit = [\"Q\"]\n", "theme = \"light\"\n[keys]\nquit = [\"Q\"]\n"),
            ("# mine\ntheme = 'dark' # dark\n", "# mine\ntheme = \"light\" # dark\n"),
            ("[theme] # mine\nbase = \"dark\"\n", "[theme] # mine\nbase = \"light\"\n"),
            ("[theme]\ngood = \"green\"\n", "[theme]\nbase = \"light\"\ngood = \"green\"\n"),
        ] {
            assert_eq!(with_theme(before, ThemeName::Light).as_deref(), Ok(after), "{before}");
        }
        assert!(with_theme("[keys", ThemeName::Light).is_err_and(|told| told.contains("put right first")));
        assert!(with_theme("theme = { good = \"green\" }", ThemeName::Light).is_err());
        let folder = tempfile::tempdir().expect("a folder can be made");
        let path = folder.path().join("new/tomo.toml");
        assert_eq!(choose_theme(&path, ThemeName::Gruvbox), Ok(()));
        assert_eq!(fs::read_to_string(&path).expect("it is there"), "theme = \"gruvbox\"\n");
    }
}
