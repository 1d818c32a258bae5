//! Compose files: one is deployed as an app, an app is printed as one.

use std::{collections::BTreeMap, fs, io::Read as _, path::Path};

use anyhow::{Context as _, bail};
use serde_json::json;
use tomo_proto::{
    api::app::{AppDeploy, AppGet},
    compose::{self, FILE_BYTES, Finding, Imported, Wanted},
    error::{ApiError, ErrorCode},
};

use crate::{
    args::{ComposeFile, Import},
    cli::{
        change,
        output::{self, note, own},
    },
    client::{Client, ClientError},
};

/// Values for the placeholders of a compose file lie here, beside it.
const VALUES: &str = ".env";

/// Why a compose file becomes no app.
#[derive(Debug)]
pub(crate) enum Unfit {
    /// It, or what lies beside it, cannot be read.
    Unreadable(String),
    /// What an app cannot say.
    Found(Vec<Finding>),
}

/// Reads a compose file, with what lies beside it.
///
/// # Errors
/// Everything that stands against it.
pub(crate) fn read_file(wanted: &ComposeFile) -> Result<Imported, Unfit> {
    let unreadable = |path: &Path, error: String| Unfit::Unreadable(format!("cannot read {}: {error}", path.display()));
    let text = read_text(&wanted.file).map_err(|error| unreadable(&wanted.file, error))?;
    let folder = wanted.file.parent().unwrap_or(Path::new(""));
    let beside = folder.join(VALUES);
    let mut values = BTreeMap::new();
    if beside.exists() {
        let pairs = read_text(&beside).and_then(|text| compose::env_file(&text));
        values.extend(pairs.map_err(|error| unreadable(&beside, error))?);
    }
    values.extend(wanted.set.iter().cloned());
    let wanted = Wanted {
        service: wanted.service.as_deref(),
        name: wanted.app.as_deref(),
        values: &values,
        base: wanted.base.as_deref(),
        leave_out: &wanted.leave_out,
        health: wanted.health.clone(),
        read: &|path| read_text(&folder.join(path)),
    };
    compose::import(&text, &wanted).map_err(Unfit::Found)
}

pub(super) async fn import(client: &Client, wanted: Import, as_json: bool) -> anyhow::Result<()> {
    let shown = wanted.file.file.display();
    let imported = match read_file(&wanted.file) {
        Ok(imported) => imported,
        Err(Unfit::Unreadable(why)) => bail!(why),
        Err(Unfit::Found(found)) => return Err(refused(&shown.to_string(), &found, as_json)?.into()),
    };
    imported.notes.iter().for_each(|one| note(format!("note: {shown}:{one}")));
    let deploy = AppDeploy {
        server: wanted.server,
        name: imported.name,
        spec: imported.spec,
        reason: wanted.consent.reason.clone(),
        ..AppDeploy::default()
    };
    let plan = client.call(&deploy).await?;
    change::carry_out(client, plan, &wanted.consent, as_json).await
}

/// Prints what stands against an import, and what can be done about it.
fn refused(shown: &str, found: &[Finding], as_json: bool) -> anyhow::Result<ClientError> {
    if as_json {
        let listed = found.iter().map(|one| json!({ "line": one.line, "key": one.key, "message": one.message }));
        output::json(&json!({ "file": shown, "findings": listed.collect::<Vec<_>>() }))?;
    } else {
        found.iter().for_each(|one| note(format!("{shown}:{one}")));
    }
    let count = if found.len() == 1 { "one thing".to_owned() } else { format!("{} things", found.len()) };
    let error = ApiError::new(ErrorCode::Invalid, format!("{count} in {shown} cannot be imported"));
    Ok(error.with_next("change the file; what the app can do without: --leave-out KEY").into())
}

/// A file of bounded size.
pub(super) fn read_text(path: &Path) -> Result<String, String> {
    let read = || {
        let file = fs::File::open(path)?;
        let mut text = String::new();
        file.take(FILE_BYTES + 1).read_to_string(&mut text)?;
        Ok::<_, std::io::Error>(text)
    };
    let text = read().map_err(|error| error.to_string())?;
    if text.len() as u64 > FILE_BYTES { Err(format!("it has more than {FILE_BYTES} bytes")) } else { Ok(text) }
}

pub(super) async fn export(client: &Client, app: String, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        bail!("a compose file is YAML: leave --json out, or use `tomo app get --json`");
    }
    let detail = client.call(&AppGet { app, include: Vec::new() }).await.context("the app cannot be exported")?;
    own(compose::export(&detail.summary.name, &detail.spec).trim_end());
    Ok(())
}
