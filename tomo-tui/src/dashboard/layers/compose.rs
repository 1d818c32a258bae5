//! Importing a compose file: which file, where to, and what its import says before there is a plan.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use tomo_proto::api::{app::AppDeploy, check_name, person::SecretText};

use crate::{
    args::ComposeFile,
    dashboard::{
        canvas::{Canvas, Hit, centered, split_top},
        layers::deploy::{DeployRequest, Destination, destination, each, pairs},
        widgets::form::{Field, Form, FormEvent},
    },
    format::wrap,
};

/// Lines of the form that what is said of a file leaves to it.
const FORM_ROWS: u16 = 12;

/// A compose file that fits, and what there is to know about it.
#[derive(Debug)]
pub(crate) struct Composed {
    pub(crate) deploy: AppDeploy,
    pub(crate) notes: Vec<String>,
}

/// What the file has to be read for.
#[derive(Debug)]
pub(crate) struct ComposeRequest {
    pub(crate) file: ComposeFile,
    pub(crate) server: String,
}

/// What was said of the file when it was last read.
#[derive(Debug, Default, PartialEq, Eq)]
enum Told {
    #[default]
    Nothing,
    /// Why there is no plan.
    Refused(Vec<String>),
    /// It fits. What has no effect, or has to be done beforehand, is read before the plan is.
    Notes(Vec<String>),
}

/// The form.
#[derive(Debug)]
pub(crate) struct ComposeForm {
    pub(crate) form: Form,
    busy: bool,
    told: Told,
}

impl ComposeForm {
    pub(crate) fn new(servers: Vec<Destination>, server: Option<&str>) -> Self {
        let name = |text: &str| if text.is_empty() { Ok(()) } else { check_name(text) };
        let file = |text: &str| if text.trim().is_empty() { Err("a file is needed".to_owned()) } else { Ok(()) };
        let form = Form::new(vec![
            Field::path("file", "Compose file")
                .placeholder("compose.yaml")
                .help("On this computer; values for its ${NAME}s are taken from .env beside it")
                .check(file),
            destination(servers, server.unwrap_or_default()),
            Field::text("name", "Name").placeholder("the file's own").check(name),
            Field::lines("set", "Values")
                .placeholder("NAME=VALUE")
                .help("What ${NAME} stands for, one a line; before those of .env")
                .check(|text| pairs(text).map(drop)),
            Field::secret_lines("secrets", "Secrets")
                .placeholder("NAME=…")
                .help("NAME=VALUE, one a line: sealed in the daemon under that name, never shown again")
                .check(|text| pairs(text).map(drop)),
            Field::lines("leave_out", "Leave out")
                .placeholder("tty")
                .help("Keys that the app can do without, one a line"),
            Field::text("base", "Folder").placeholder("none").help("The folder of the server that ./ stands for"),
        ])
        .button("Preview the plan");
        Self { form, busy: false, told: Told::Nothing }
    }

    /// `Ok` is a file to read, `Err` the wish to leave.
    pub(crate) fn key(&mut self, key: KeyEvent) -> Option<Result<ComposeRequest, ()>> {
        if self.busy {
            return (key.code == KeyCode::Esc).then_some(Err(()));
        }
        let told = self.form.key(key);
        self.follow(told)
    }

    /// What a key or a click on the form comes to.
    pub(crate) fn follow(&mut self, told: FormEvent) -> Option<Result<ComposeRequest, ()>> {
        match told {
            FormEvent::Cancel => Some(Err(())),
            FormEvent::Submit if !self.busy => match self.request() {
                Ok(request) => {
                    self.busy = true;
                    Some(Ok(request))
                }
                Err(error) => {
                    self.told = Told::Refused(vec![error]);
                    None
                }
            },
            _ => None,
        }
    }

    fn request(&self) -> Result<ComposeRequest, String> {
        let value = |id| self.form.value(id).trim().to_owned();
        let some = |id| Some(value(id)).filter(|text| !text.is_empty());
        let server = value("server");
        if server.is_empty() {
            return Err("there is no server to deploy to: add one first".to_owned());
        }
        let file = ComposeFile {
            file: value("file").into(),
            app: some("name"),
            set: pairs(&value("set"))?.into_iter().collect(),
            base: some("base"),
            leave_out: each(&value("leave_out"), |line| Ok(line.to_owned()))?,
            ..ComposeFile::default()
        };
        Ok(ComposeRequest { file, server })
    }

    /// What the file came to; the deploy to plan, once its notes were read.
    pub(crate) fn read(&mut self, read: Result<Composed, Vec<String>>) -> Option<DeployRequest> {
        match read {
            Err(lines) => self.refused(lines),
            Ok(Composed { deploy, notes }) => {
                let told = if notes.is_empty() { Told::Nothing } else { Told::Notes(notes) };
                if told == Told::Nothing || told == self.told {
                    let named = pairs(&self.form.value("secrets")).unwrap_or_default().into_iter();
                    let named = named.map(|(name, value)| (name, SecretText::new(value))).collect();
                    return Some(DeployRequest { named, deploy, ..DeployRequest::default() });
                }
                self.busy = false;
                self.told = told;
            }
        }
        None
    }

    /// Why there is no plan.
    pub(crate) fn refused(&mut self, lines: Vec<String>) {
        self.busy = false;
        self.told = Told::Refused(lines);
    }

    /// Takes keys again.
    pub(crate) fn free(&mut self) {
        self.busy = false;
    }

    /// What is waited for, or which keys work.
    pub(crate) const fn hint(&self) -> &'static str {
        match (self.busy, &self.told) {
            (true, _) => "reading the file   Esc leaves",
            (false, Told::Notes(_)) => "Ctrl-S goes on to the plan   Tab next field   Esc leaves",
            (false, _) => "Ctrl-S previews the plan   Tab next field   Esc leaves",
        }
    }

    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let inner = canvas.dialogue(centered(area, 84, 40), "Import a compose file");
        let inner = Rect { x: inner.x + inner.width.min(1), width: inner.width.saturating_sub(2), ..inner };
        let (style, head, lines) = match &self.told {
            Told::Nothing => (canvas.theme.text, "", &[][..]),
            Told::Refused(lines) => (canvas.theme.bad, "", &lines[..]),
            Told::Notes(lines) => (canvas.theme.warn, "It fits. Before it is planned:", &lines[..]),
        };
        let heads = Some(head).filter(|head| !head.is_empty());
        let mut rows: Vec<String> = heads
            .into_iter()
            .chain(lines.iter().map(String::as_str))
            .flat_map(|line| wrap(line, usize::from(inner.width)))
            .collect();
        let most = usize::from(inner.height.saturating_sub(FORM_ROWS).max(3));
        if rows.len() > most {
            let more = rows.len() - most + 1;
            rows.truncate(most - 1);
            rows.push(format!("and {more} more lines: `tomo app import` prints them all"));
        }
        let (above, form) = split_top(inner, u16::try_from(rows.len()).unwrap_or(0));
        for (row, line) in above.rows().zip(rows) {
            canvas.text(row, &line, style);
        }
        canvas.hits.add(form, Hit::Form);
        if let Some(cursor) = self.form.render(form, canvas.buffer, canvas.theme) {
            canvas.cursor = Some(cursor);
        }
    }
}
