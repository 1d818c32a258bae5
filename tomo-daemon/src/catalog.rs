//! The catalog: the templates that are compiled in, those from addresses of the daemon's owner, and those in folders of the owner's.
//!
//! Folders are read at every question, so that a changed file counts at once; what is wrong in them is said and left out.

mod remote;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use remote::Remote;

use tomo_proto::{
    api::catalog::CatalogEntry,
    catalog::{FILE_BYTES, lint, parse},
    text::display_line,
};

/// What the source of a compiled-in template is called.
const BUILT_IN: &str = "built in";
/// Most files that are read of one folder.
const FOLDER_FILES: usize = 500;
/// Most problems that are told.
const TOLD_PROBLEMS: usize = 50;

macro_rules! built_in {
    ($($id:literal),* $(,)?) => { &[$(($id, include_str!(concat!("../catalog/", $id, ".toml")))),*] };
}

/// Every template that is compiled in, by id.
pub const TEMPLATES: &[(&str, &str)] = built_in![
    "actual-budget",
    "adguard-home",
    "adminer",
    "audiobookshelf",
    "forgejo",
    "freshrss",
    "gitea",
    "gotify",
    "grafana",
    "jellyfin",
    "mealie",
    "memos",
    "n8n",
    "navidrome",
    "nextcloud",
    "nginx-proxy-manager",
    "node-red",
    "pihole",
    "syncthing",
    "trilium",
    "uptime-kuma",
    "vaultwarden",
];

/// Where templates come from.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    folders: Vec<PathBuf>,
    remotes: Arc<[Remote]>,
}

/// What the catalog holds at one moment.
#[derive(Debug, Default)]
pub struct Content {
    /// Templates by id. Where two have one id, the later one's counts: a folder's before an address's, and that before what is compiled
    /// in.
    pub entries: BTreeMap<String, CatalogEntry>,
    /// Files that are left out: `file:line: reason`.
    pub problems: Vec<String>,
}

impl Catalog {
    /// The compiled-in templates, those in folders, and those from addresses, of which copies are kept in a folder.
    ///
    /// # Errors
    /// Names an address that is none, or that anybody on the way could answer for.
    pub fn new(folders: Vec<PathBuf>, urls: &[String], copies: &Path) -> anyhow::Result<Self> {
        let remotes = urls.iter().map(|url| Remote::new(url, copies)).collect::<anyhow::Result<_>>()?;
        Ok(Self { folders, remotes })
    }

    /// Whether anything of it lies elsewhere.
    #[must_use]
    pub fn is_fetched(&self) -> bool {
        !self.remotes.is_empty()
    }

    /// Fetches what lies elsewhere anew; what does not come is told with the catalog.
    pub async fn fetch(&self) {
        futures::future::join_all(self.remotes.iter().map(Remote::fetch)).await;
    }

    /// Reads everything. Blocks while folders are read.
    #[must_use]
    pub fn read(&self) -> Content {
        let mut content = Content::default();
        for (id, text) in TEMPLATES {
            content.take(text, BUILT_IN, id);
        }
        for remote in self.remotes.iter() {
            let (copy, problem) = remote.copy();
            // Before those of its templates, of which there may be more than are told.
            problem.into_iter().for_each(|problem| content.problem(problem));
            if let Some(Err(error)) = copy.is_dir().then(|| content.take_folder(copy, Some(&remote.shown()))) {
                content.problem(format!("{}: {error}", remote.shown()));
            }
        }
        for folder in &self.folders {
            if let Err(error) = content.take_folder(folder, None) {
                content.problem(format!("{}: {error}", folder.display()));
            }
        }
        content
    }
}

impl Content {
    /// Takes the templates of a folder, which is a copy of what lies at an address if one is named.
    fn take_folder(&mut self, folder: &Path, address: Option<&str>) -> std::io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|end| end == "toml") {
                files.push(path);
            }
            if files.len() > FOLDER_FILES {
                return Err(std::io::Error::other(format!(
                    "a folder of the catalog has at most {FOLDER_FILES} templates"
                )));
            }
        }
        files.sort();
        for path in files {
            let name = || path.file_name().unwrap_or_default().to_string_lossy();
            let shown = address.map_or_else(|| path.display().to_string(), |address| format!("{address}: {}", name()));
            match read_file(&path) {
                Ok(text) => self.take(&text, address.unwrap_or(&shown), &shown),
                Err(error) => self.problem(format!("{shown}: {error}")),
            }
        }
        Ok(())
    }

    fn take(&mut self, text: &str, source: &str, file: &str) {
        let findings = lint(text);
        for finding in &findings {
            self.problem(format!("{file}:{finding}"));
        }
        if findings.is_empty()
            && let Ok(template) = parse(text)
        {
            let source = display_line(source, 200);
            self.entries.insert(template.id.clone(), CatalogEntry { source, template });
        }
    }

    fn problem(&mut self, problem: String) {
        if self.problems.len() < TOLD_PROBLEMS {
            self.problems.push(display_line(&problem, 400));
        }
    }
}

/// A regular file of bounded size: no device, no pipe that never ends.
fn read_file(path: &Path) -> std::io::Result<String> {
    let known = fs::metadata(path)?;
    if !known.is_file() || known.len() > FILE_BYTES as u64 {
        return Err(std::io::Error::other(format!("a template is a file of at most {FILE_BYTES} bytes")));
    }
    fs::read_to_string(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_compiled_in_template_lints_and_bears_its_own_name() {
        let content = Catalog::default().read();
        assert_eq!(content.problems, Vec::<String>::new());
        assert!(content.entries.len() >= 20, "only {} templates", content.entries.len());
        for (id, _) in TEMPLATES {
            assert!(content.entries.contains_key(*id), "{id}");
        }
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalog");
        let files = fs::read_dir(folder).expect("the folder is there").count();
        assert_eq!(files, TEMPLATES.len(), "each file of the folder is compiled in");
    }

    #[test]
    fn a_folder_adds_and_replaces_and_what_is_wrong_in_it_is_said_with_its_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let (_, gotify) = TEMPLATES.iter().find(|(id, _)| *id == "gotify").expect("is there");
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("writes");
        write("own.toml", &gotify.replace("id = \"gotify\"", "id = \"own\""));
        write("gotify.toml", &gotify.replace("template_version = 1", "template_version = 2"));
        write("broken.toml", &gotify.replace("gotify/server:2.7.3", "gotify/server:latest"));
        write("note.txt", "no template");
        let content = Catalog::new(vec![folder.path().to_owned(), folder.path().join("none")], &[], folder.path())
            .expect("fits")
            .read();
        assert_eq!(content.entries.len(), TEMPLATES.len() + 1);
        let replaced = &content.entries["gotify"];
        assert!(replaced.template.template_version == 2 && replaced.source.ends_with("gotify.toml"), "{replaced:?}");
        let [broken, none] = content.problems.as_slice() else { panic!("{:?}", content.problems) };
        assert!(broken.contains("broken.toml:12: the tag \"latest\" moves"), "{broken}");
        assert!(none.contains("/none: "), "{none}");
    }
}
