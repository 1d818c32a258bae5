//! What a view of a log has done for it: lines read from the daemon, and written to a file.

use std::{
    fs::OpenOptions,
    io::{self, BufWriter, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    time::Duration,
};

use tokio::time::sleep;
use tomo_proto::api::{
    app::{AppLogs, AppLogsAnswer},
    container::ContainerLogs,
};

use crate::{
    client::{Client, ClientError, typed_path},
    dashboard::views::logs::{LogFrom, LogOf, Shown},
};

/// A view waits this long for a new line before it asks again.
const WAIT_S: u32 = 25;
/// The same for the first line of a time.
const FIRST_WAIT_S: u32 = 1;
/// Lines a view begins with.
const TAIL: u32 = 500;
/// Lines of one answer, at the most.
const PAGE: u32 = 1_000;
/// A log that is written faster than one can read is shown again after this.
const BEHIND: Duration = Duration::from_millis(200);

/// Reads lines, or waits for some.
///
/// # Errors
/// Those of the daemon.
pub(super) async fn read(client: &Client, of: LogOf, from: LogFrom) -> Result<AppLogsAnswer, ClientError> {
    let (tail, since, cursor, latest, wait_s) = match from {
        LogFrom::Newest => (TAIL, None, None, false, None),
        LogFrom::Minutes(minutes) => (PAGE, Some(format!("{minutes}m")), None, false, Some(FIRST_WAIT_S)),
        LogFrom::After { cursor, latest, behind } => {
            if latest && behind {
                sleep(BEHIND).await;
            }
            (PAGE, None, Some(cursor), latest, Some(WAIT_S))
        }
    };
    let (tail, grep) = (Some(tail), None);
    match of {
        LogOf::App(app) => client.call(&AppLogs { app, tail, since, grep, cursor, latest, wait_s }).await,
        LogOf::Container { server, container } => {
            client.call(&ContainerLogs { server, container, tail, since, grep, cursor, latest, wait_s }).await
        }
    }
}

/// What is to be written, and where.
#[derive(Debug)]
pub(crate) struct Saving {
    /// As it was typed; `~/` stands for the home folder.
    pub(crate) path: String,
    /// Whether a file that is there gives way.
    pub(crate) overwrite: bool,
    pub(crate) shown: Shown,
}

/// Why nothing was written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotSaved {
    /// There is such a file already.
    Exists,
    Failed(String),
}

/// Writes the lines to a file that only its owner can read; says how many.
pub(super) fn save(saving: &Saving) -> Result<usize, NotSaved> {
    let path = typed_path(&saving.path);
    if path.is_dir() {
        return Err(NotSaved::Failed("it is a folder: name a file in it".to_owned()));
    }
    let write = || {
        let mut options = OpenOptions::new();
        options.write(true).mode(0o600);
        if saving.overwrite {
            options.create(true).truncate(true)
        } else {
            options.create_new(true)
        };
        let mut file = BufWriter::new(options.open(&path)?);
        saving.shown.write(&mut file)?;
        file.flush()
    };
    match write() {
        Ok(()) => Ok(saving.shown.len()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(NotSaved::Exists),
        Err(error) => Err(NotSaved::Failed(error.to_string().to_lowercase())),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use tomo_proto::model::app::{LogLine, LogStream};

    use super::*;
    use crate::dashboard::{action::Action, views::logs::LogsView};

    fn shown(texts: &[&str]) -> Shown {
        let line = |text: &&str| LogLine {
            at_ms: 1_800_000_000_000,
            stream: LogStream::Stdout,
            text: (*text).to_owned(),
            service: Some("web".to_owned()),
        };
        let mut view = LogsView::new(LogOf::App("a".to_owned()), "a".to_owned(), 1);
        view.take(AppLogsAnswer { lines: texts.iter().map(line).collect(), ..AppLogsAnswer::default() });
        view.act(Action::LogJson);
        view.shown_lines()
    }

    #[test]
    fn a_file_gets_the_lines_as_they_are_shown_and_gives_way_only_when_told_to() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let path = folder.path().join("a.log");
        let saving = |texts: &[&str], overwrite| {
            let saving = Saving { path: path.display().to_string(), overwrite, shown: shown(texts) };
            save(&saving)
        };
        assert_eq!(saving(&["one", r#"{"msg":"two","a":1}"#], false), Ok(2));
        let contents = || std::fs::read_to_string(&path).expect("it is there");
        assert_eq!(contents(), "web | one\nweb | two a=1\n");
        assert_eq!(path.metadata().expect("it is there").permissions().mode() & 0o777, 0o600);
        assert_eq!(saving(&["three"], false), Err(NotSaved::Exists));
        assert_eq!(contents(), "web | one\nweb | two a=1\n");
        assert_eq!(saving(&["three"], true), Ok(1));
        assert_eq!(contents(), "web | three\n");
        for (path, why) in [(folder.path().to_owned(), "it is a folder"), (path.join("below"), "not a directory")] {
            let saving = Saving { path: path.display().to_string(), overwrite: true, shown: shown(&["x"]) };
            let told = save(&saving);
            assert!(matches!(&told, Err(NotSaved::Failed(told)) if told.contains(why)), "{told:?}");
        }
    }
}
