//! Adding the hosts that a file of the SSH client's names: which of them, and how to sign in where the file does not say.

use crossterm::event::KeyEvent;
use ratatui::layout::Rect;

use crate::{
    cli::ssh_config::Entry,
    dashboard::{
        canvas::{Canvas, Hit, centered},
        layers::server::{ServerForm, fields},
        widgets::form::{Field, Form, FormEvent},
    },
};

/// The form.
#[derive(Debug)]
pub(crate) struct ImportForm {
    pub(crate) form: Form,
    entries: Vec<Entry>,
    number: u64,
}

impl ImportForm {
    /// A form with the hosts of a file, of which those are checked that are no server yet. Numbers of the forms that follow begin at
    /// `number`.
    pub(crate) fn new(entries: Vec<Entry>, is_known: impl Fn(&str) -> bool, number: u64) -> Self {
        let hosts = entries.iter().map(|entry| {
            let known = is_known(&entry.name);
            (format!("{}{}", line(entry), if known { ", there already" } else { "" }), !known)
        });
        let mut all = vec![
            Field::checks("hosts", "Hosts", hosts.collect())
                .help("Space takes one or not, a all of them. Each host's key is shown to you before anything is sent there")
                .check(|text| if text.is_empty() { Err("none is taken".to_owned()) } else { Ok(()) }),
            Field::choice("auth", "Without a key", fields::ways_without_kept())
                .help("How to sign in where the file names no key"),
        ];
        all.extend(fields::credential());
        all.extend([fields::install_field(), fields::sudo_field()]);
        Self { form: Form::new(all).button("Add them"), entries, number }
    }

    /// `Ok` is a form for each server to add, `Err` the wish to leave.
    pub(crate) fn key(&mut self, key: KeyEvent) -> Option<Result<Vec<ServerForm>, ()>> {
        let told = self.form.key(key);
        self.follow(told)
    }

    /// What a key or a click on the form comes to.
    pub(crate) fn follow(&mut self, told: FormEvent) -> Option<Result<Vec<ServerForm>, ()>> {
        match told {
            FormEvent::Cancel => Some(Err(())),
            FormEvent::Submit => {
                let taken = self.form.value("hosts");
                let is_taken = |entry: &&Entry| taken.lines().any(|chosen| chosen.starts_with(&line(entry)));
                let forms = (self.number..).step_by(1_000).zip(self.entries.iter().filter(is_taken));
                Some(Ok(forms.map(|(number, entry)| ServerForm::of_entry(entry, &self.form, number)).collect()))
            }
            _ => None,
        }
    }

    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let inner = canvas.dialogue(centered(area, 78, 24), "Add hosts of ~/.ssh/config");
        let inner = Rect { x: inner.x + inner.width.min(1), width: inner.width.saturating_sub(2), ..inner };
        canvas.hits.add(inner, Hit::Form);
        if let Some(cursor) = self.form.render(inner, canvas.buffer, canvas.theme) {
            canvas.cursor = Some(cursor);
        }
    }
}

/// A host in a line; no two hosts of a file have the same beginning, since a blank ends the name.
fn line(entry: &Entry) -> String {
    let key = entry.key.as_ref().map_or_else(String::new, |key| format!(", key {}", key.display()));
    let jump = entry.jump.as_ref().map_or_else(String::new, |jump| format!(", through {}", jump.host));
    format!("{} {}@{}:{}{jump}{key}", entry.name, entry.user, entry.host, entry.port)
}
