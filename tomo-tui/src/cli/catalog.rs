//! The catalog: look for an app, answer its questions, check templates.

use std::{
    collections::BTreeMap,
    fs,
    io::IsTerminal as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use serde_json::json;
use tomo_proto::{
    api::{
        app::AppGet,
        catalog::{CatalogEntry, CatalogGet, CatalogList, CatalogListAnswer, CatalogRefresh},
        person::{GenerateSecret, ListSecrets, SetSecret},
    },
    catalog,
    error::{ApiError, ErrorCode},
    model::{
        catalog::{Question, Template},
        spec::SECRET_REFERENCE,
    },
};

use crate::{
    args::{CatalogCommand, Deploy},
    cli::{
        account::read_secret,
        change,
        output::{self, line, note, table},
    },
    client::{Client, ClientError},
};

pub(super) async fn catalog(client: &Client, command: CatalogCommand, as_json: bool) -> anyhow::Result<()> {
    match command {
        CatalogCommand::List { query } => {
            let query = (!query.is_empty()).then(|| query.join(" "));
            list(client.call(&CatalogList { query }).await?, as_json)
        }
        CatalogCommand::Refresh => list(client.call(&CatalogRefresh {}).await?, as_json),
        CatalogCommand::Show { template } => {
            let entry = client.call(&CatalogGet { template }).await?;
            if as_json {
                return output::json(&entry);
            }
            show(&entry);
            Ok(())
        }
        CatalogCommand::Lint { paths } => lint(&paths, as_json),
    }
}

fn list(answer: CatalogListAnswer, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return output::json(&answer);
    }
    let rows = answer.templates.into_iter().map(|one| [one.id, one.version, one.category, one.summary]);
    table(["TEMPLATE", "VERSION", "CATEGORY", "WHAT IT IS FOR"], rows.collect());
    answer.problems.iter().for_each(|problem| note(format!("left out: {problem}")));
    Ok(())
}

fn show(entry: &CatalogEntry) {
    let template = &entry.template;
    line(format!("{} {}  ({}, {})", template.name, template.version, template.license, template.homepage));
    line(&template.description);
    line(format!("image    {}", template.image));
    line(format!("from     {}", entry.source));
    line(format!("needs    {} MiB of memory, {} MiB of disk", template.memory_min_mib, template.disk_min_mib));
    if let Some(health) = &template.health {
        line(format!("health   {health}"));
    }
    for port in &template.ports {
        line(format!("port     {}/{}  {}", port.container, port.protocol.as_str(), port.description));
    }
    for volume in &template.volumes {
        let how = if volume.read_only { ", only read" } else { "" };
        line(format!("volume   {}  {}{how}", volume.target, volume.description));
    }
    line("");
    let rows = template.questions.iter().map(|question| {
        [question.name.clone(), question.kind.as_str().to_owned(), usual(question), question.label.clone()]
    });
    table(["--set", "TYPE", "IF LEFT OUT", "QUESTION"], rows.collect());
    note(format!("next: tomo app deploy NAME --server SERVER --template {}", template.id));
}

/// What counts if a question is not answered.
pub(crate) fn usual(question: &Question) -> String {
    match (&question.default, question.generate) {
        (Some(default), _) => default.clone(),
        (None, Some(_)) => "generated".to_owned(),
        (None, None) if question.required => "has to be given".to_owned(),
        (None, None) => "none".to_owned(),
    }
}

/// Checks files, and all `*.toml` of folders.
///
/// # Errors
/// Something cannot be read, or there are findings: they have been printed.
pub(crate) fn lint(paths: &[PathBuf], as_json: bool) -> anyhow::Result<()> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let listed = fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
            let mut found: Vec<PathBuf> = listed.flatten().map(|entry| entry.path()).collect();
            found.retain(|file| file.extension().is_some_and(|end| end == "toml"));
            found.sort();
            files.append(&mut found);
        } else {
            files.push(path.clone());
        }
    }
    if files.is_empty() {
        bail!("there is no *.toml to check");
    }
    let mut findings = Vec::new();
    for file in &files {
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        findings.extend(catalog::lint(&text).into_iter().map(|finding| (file.as_path(), finding)));
    }
    if as_json {
        let listed: Vec<_> = findings.iter().map(|(file, one)| listed(file, one)).collect();
        output::json(&json!({ "files": files.len(), "findings": listed }))?;
    } else {
        findings.iter().for_each(|(file, finding)| line(format!("{}:{finding}", file.display())));
    }
    match findings.len() {
        0 if as_json => Ok(()),
        0 => {
            line(format!("{} checked, nothing found", count(files.len(), "template")));
            Ok(())
        }
        found => bail!("{} in {}", count(found, "finding"), count(files.len(), "template")),
    }
}

fn listed(file: &Path, finding: &catalog::Finding) -> serde_json::Value {
    json!({ "file": file.display().to_string(), "line": finding.line, "message": finding.message })
}

fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// A template and answers to its questions: those that were given, and those that a person gives now. A secret that is typed or
/// generated here is stored sealed; the answer names it. An app that is there already keeps its secrets.
pub(super) async fn answers(
    client: &Client,
    id: &str,
    deploy: &Deploy,
) -> anyhow::Result<(Template, BTreeMap<String, String>)> {
    let template = client.call(&CatalogGet { template: id.to_owned() }).await?.template;
    let mut answers: BTreeMap<String, String> = deploy.set.iter().cloned().collect();
    // What is wrong is said before anything is asked or stored.
    for question in &template.questions {
        if let Some(answer) = answers.get(&question.name).filter(|answer| !answer.is_empty()) {
            question.check(answer).map_err(invalid)?;
        }
    }
    if let Some(unknown) = answers.keys().find(|name| template.question(name).is_none()) {
        let known: Vec<&str> = template.questions.iter().map(|question| question.name.as_str()).collect();
        let message = format!("template {id} asks no question \"{unknown}\"; it asks {}", known.join(", "));
        return Err(invalid(message).into());
    }
    let at_terminal = std::io::stdin().is_terminal();
    let app = format!("{}/{}", deploy.server, deploy.app);
    let is_new = client.call(&AppGet { app, include: Vec::new() }).await.is_err();
    let unanswered: Vec<&Question> =
        template.questions.iter().filter(|question| !answers.contains_key(&question.name)).collect();
    let mut given = Vec::new();
    for question in unanswered.iter().filter(|question| !question.secret && at_terminal) {
        given.push((question.name.clone(), ask(question)?));
    }
    answers.extend(given);
    if let Some(open) = template.open_questions(&answers).find(|question| !question.secret) {
        let message = format!("question {} has no answer: {}", open.name, open.label);
        return Err(invalid(message).into());
    }
    for question in unanswered.iter().filter(|question| question.secret && is_new) {
        if let Some(name) = secret(client, question, deploy, at_terminal).await? {
            answers.insert(question.name.clone(), format!("{SECRET_REFERENCE}{name}"));
        }
    }
    answers.retain(|_, answer| !answer.is_empty());
    Ok((template, answers))
}

fn invalid(message: String) -> ClientError {
    ApiError::new(ErrorCode::Invalid, message).with_next("give it with --set KEY=VALUE").into()
}

/// Asks until the answer fits; an empty one is the default.
fn ask(question: &Question) -> anyhow::Result<String> {
    if let Some(description) = &question.description {
        note(description);
    }
    let choices =
        if question.choices.is_empty() { String::new() } else { format!(" ({})", question.choices.join(", ")) };
    loop {
        let prompt = format!("{}{choices} [{}]:", question.label, usual(question));
        let answer = change::ask(&prompt).context("the terminal has gone")?;
        if answer.is_empty() && (!question.required || question.default.is_some()) {
            return Ok(answer);
        }
        match question.check(&answer) {
            Ok(()) if !answer.is_empty() => return Ok(answer),
            Ok(()) => note("this has to be answered"),
            Err(message) => note(message),
        }
    }
}

/// Stores what a person types, or generates a secret and shows it once. Returns its name.
async fn secret(
    client: &Client,
    question: &Question,
    deploy: &Deploy,
    at_terminal: bool,
) -> anyhow::Result<Option<String>> {
    let wanted = format!("{}.{}", deploy.app, question.name);
    if at_terminal {
        let value = read_secret(&format!("{} [{}]", question.label, usual(question)), false)?;
        if !value.reveal().is_empty() {
            let known = client.person(&ListSecrets {}).await?.names;
            let numbered = (2..1_000).map(|number| format!("{wanted}-{number}"));
            let mut free = std::iter::once(wanted.clone()).chain(numbered).filter(|name| !known.contains(name));
            let name = free.next().context("every such name of a secret is taken")?;
            client.person(&SetSecret { name: name.clone(), value }).await?;
            return Ok(Some(name));
        }
    }
    let Some(generate) = question.generate else { return Ok(None) };
    let made = match client.person(&GenerateSecret { name: wanted, generate }).await {
        // A token sees no secret: the daemon makes one that nobody sees.
        Err(ClientError::Api(error)) if error.code == ErrorCode::Denied => return Ok(None),
        made => made?,
    };
    note(format!("{} (secret://{}, shown this once): {}", question.label, made.name, made.value.reveal()));
    Ok(Some(made.name))
}

/// What a person has to know once it runs.
pub(super) fn say_after(template: &Template) {
    for text in [&template.default_login, &template.post_install].into_iter().flatten() {
        note(format!("note: {text}"));
    }
}
