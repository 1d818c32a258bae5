//! What the deploy form asks for a template, and the request that the answers make.

use std::collections::BTreeMap;

use tomo_proto::{
    api::{app::AppDeploy, person::SecretText},
    model::{
        catalog::{AnswerKind, Question, Template},
        spec::SECRET_REFERENCE,
    },
    text::display_line,
};

use super::DeployRequest;
use crate::dashboard::widgets::form::{Field, Form};

/// What stands before a question's name, in a form and in what the daemon says about it.
const HEAD: &str = "answers.";

/// A field for each question.
pub(super) fn fields(template: &Template) -> impl Iterator<Item = Field> {
    template.questions.iter().map(field)
}

fn field(question: &Question) -> Field {
    let id = format!("{HEAD}{}", question.name);
    let label = display_line(&question.label, 40);
    let about = question.description.as_deref().map_or_else(String::new, |text| display_line(text, 200));
    if question.secret {
        let (placeholder, help) = match question.generate {
            Some(_) => ("generated", "Left empty, one is made that nobody sees: type what you want to sign in with."),
            None => ("none", "Sealed in the daemon, never shown again."),
        };
        let checked = question.clone();
        // What is typed becomes a reference; one that is written out has to be right.
        let check = move |text: &str| if text.starts_with(SECRET_REFERENCE) { checked.check(text) } else { Ok(()) };
        return Field::secret(id, label).placeholder(placeholder).help(format!("{help} {about}")).check(check);
    }
    let options = match question.kind {
        AnswerKind::Bool => ["true", "false"].map(str::to_owned).into(),
        _ => question.choices.clone(),
    };
    if let (Some(default), false) = (&question.default, options.is_empty()) {
        return Field::choice(id, label, options).help(about).value(default);
    }
    let checked = question.clone();
    let check = move |text: &str| match text.trim() {
        "" if checked.required && checked.default.is_none() => Err("this has to be answered".to_owned()),
        "" => Ok(()),
        // Whose answer it is, one sees.
        answer => checked.check(answer).map_err(|error| match error.split_once(": ") {
            Some((head, rest)) if head == format!("question {}", checked.name) => rest.to_owned(),
            _ => error,
        }),
    };
    let placeholder = if question.required && question.default.is_none() { "needed" } else { "none" };
    let value = question.default.as_deref().unwrap_or_default();
    Field::text(id, label).placeholder(placeholder).help(about).check(check).value(value)
}

/// The answers as they were typed.
pub(super) fn request(template: &Template, form: &Form, server: String, name: String) -> DeployRequest {
    let (mut answers, mut secrets, mut generate) = (BTreeMap::new(), Vec::new(), Vec::new());
    for question in &template.questions {
        let value = form.value(&format!("{HEAD}{}", question.name));
        let name = question.name.clone();
        match (value.trim(), question.secret, question.generate) {
            ("", true, Some(way)) => generate.push((name, way)),
            ("", ..) => {}
            (reference, true, _) if reference.starts_with(SECRET_REFERENCE) => {
                answers.insert(name, reference.to_owned());
            }
            (_, true, _) => secrets.push((name, SecretText::new(value))),
            (answer, false, _) => {
                answers.insert(name, answer.to_owned());
            }
        }
    }
    let template = Some(template.id.clone());
    let deploy = AppDeploy { server, name, template, answers, ..AppDeploy::default() };
    DeployRequest { secrets, generate, deploy, ..DeployRequest::default() }
}

/// The field that something the daemon said is about: the one of the question, or of the port that it names.
pub(super) fn blamed(template: &Template, form: &Form, field: &str, message: &str) -> Option<String> {
    if field.starts_with(HEAD) || matches!(field, "name" | "server") {
        return Some(field.to_owned());
    }
    let named = |id: &String| message.split_whitespace().any(|word| word == form.value(id));
    let ports = template.questions.iter().filter(|question| field == "ports" && question.kind == AnswerKind::Port);
    ports.map(|question| format!("{HEAD}{}", question.name)).find(named)
}
