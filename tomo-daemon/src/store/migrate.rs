//! From an older format to this release's: a copy of the file first, then one transaction. A kill at any moment leaves the old store or
//! the new one.
//!
//! | format | since | what is another |
//! |---|---|---|
//! | 1 | 0.1.0 | |
//! | 2 | unreleased | the audit trail's head is signed and witnessed |

use std::{
    fs,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use redb::Database;
use tomo_proto::model::audit::AuditOutcome;

use crate::{
    crypto::SigningKey,
    store::{
        NewAuditEntry, StoreError, audit,
        file::{self, FORMAT, FORMAT_VERSION, META, failure, io},
        heads,
    },
};

/// Takes an open store of an older format to this release's.
pub(super) fn migrate(
    path: &Path,
    database: Database,
    from: u8,
    signer: &SigningKey,
    now_ms: u64,
) -> Result<Database, StoreError> {
    // Closed in good order, the file stands by itself.
    drop(database);
    let copy = keep_copy(path).map_err(|error| io(path, &error))?;
    let database = file::open_checked(path)?;
    let transaction = database.begin_write().map_err(|error| failure(path, error))?;
    let head = audit::adopt(&transaction, path, signer, now_ms)?;
    heads::witness(path, &head)?;
    audit::append(&transaction, path, vec![entry(from, &copy, now_ms)])?;
    audit::seal(&transaction, path, signer, head.seq)?;
    transaction
        .open_table(META)
        .map_err(|error| failure(path, error))?
        .insert(FORMAT, [FORMAT_VERSION].as_slice())
        .map_err(|error| failure(path, error))?;
    transaction.commit().map_err(|error| failure(path, error))?;
    tracing::info!(from, to = FORMAT_VERSION, before = %copy.display(), "the store has another format now; as it was it is kept");
    Ok(database)
}

/// Copies the file beside itself: written whole, made durable, then renamed.
fn keep_copy(path: &Path) -> std::io::Result<PathBuf> {
    let copy = path.with_extension(format!("before-format-{FORMAT_VERSION}.redb"));
    let beside = copy.with_extension("new");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    std::io::copy(&mut fs::File::open(path)?, &mut file)?;
    file.sync_all()?;
    fs::rename(&beside, &copy)?;
    fs::File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()?;
    Ok(copy)
}

fn entry(from: u8, copy: &Path, at_ms: u64) -> NewAuditEntry {
    let name = copy.file_name().unwrap_or_default().to_string_lossy();
    NewAuditEntry {
        at_ms,
        actor: "daemon".to_owned(),
        action: audit::MIGRATED.to_owned(),
        resource_type: "store".to_owned(),
        resource: String::new(),
        outcome: AuditOutcome::Ok,
        reason: None,
        details: format!("from format {from} to {FORMAT_VERSION}; as it was: {name}"),
        ip_address: String::new(),
    }
}
