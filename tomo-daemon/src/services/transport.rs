//! Clients' transport sessions, so that they go on after a restart: whose each one is, and what it was opened with.
//!
//! What a client said stays opaque here; the transport above knows what it means.

use tomo_proto::error::ErrorCode;

use crate::{
    crypto,
    services::{Services, error::ServiceError},
    store::{StoreError, records::TransportRecord},
};

/// A session that nobody used for so long is gone.
const MAX_AGE_MS: u64 = 24 * 3_600_000;
/// Sessions of one owner; the least recently used give way.
const MAX_OF_OWNER: usize = 100;
/// Last use is written down at most this often.
const NOTE_EVERY_MS: u64 = 3_600_000;

fn key_of(id: &str) -> (u64, String) {
    let hash = crypto::sha256_hex(id.as_bytes());
    (u64::from_str_radix(&hash[..16], 16).unwrap_or_default(), hash)
}

impl Services {
    /// Keeps what a new session was opened with. Nobody owns it yet.
    ///
    /// # Errors
    /// The store failed.
    pub async fn keep_transport(&self, id: &str, opening: String) -> Result<(), ServiceError> {
        let (key, id_hash) = key_of(id);
        let used_at = self.context.clock.now_ms();
        let record = TransportRecord { key, id_hash, owner: String::new(), opening, watched: Vec::new(), used_at };
        self.context.store.write(move |change| Ok(change.put(&record)?)).await
    }

    /// Says whose a kept session is; forgets old ones, and the owner's least recently used beyond a bound.
    ///
    /// # Errors
    /// The store failed, or the session was not kept.
    pub async fn own_transport(&self, id: &str, owner: String) -> Result<(), ServiceError> {
        let (key, _) = key_of(id);
        let now_ms = self.context.clock.now_ms();
        self.context
            .store
            .write(move |change| {
                let mut records = change.list::<TransportRecord>()?;
                let mut record = change
                    .get::<TransportRecord>(key)?
                    .ok_or_else(|| ServiceError::new(ErrorCode::Internal, "the transport session could not be kept"))?;
                records.retain(|known| known.key != key);
                for old in records.extract_if(.., |known| known.used_at + MAX_AGE_MS <= now_ms) {
                    change.remove::<TransportRecord>(old.key);
                }
                records.retain(|known| known.owner == owner);
                records.sort_by_key(|known| std::cmp::Reverse(known.used_at));
                for old in records.iter().skip(MAX_OF_OWNER - 1) {
                    change.remove::<TransportRecord>(old.key);
                }
                record.owner = owner;
                change.put(&record)?;
                Ok(())
            })
            .await
    }

    /// Whether somebody owns a session; notes its use.
    ///
    /// # Errors
    /// The store failed.
    pub fn owns_transport(&self, id: &str, owner: &str) -> Result<bool, ServiceError> {
        let now_ms = self.context.clock.now_ms();
        let Some(record) = self.transport(id)?.filter(|record| record.owner == owner) else { return Ok(false) };
        if record.used_at + NOTE_EVERY_MS <= now_ms {
            let store = self.context.store.clone();
            self.context.tasks.spawn(async move {
                let noted = store.write(move |change| {
                    if let Some(mut record) = change.get::<TransportRecord>(record.key)? {
                        record.used_at = now_ms;
                        change.put(&record)?;
                    }
                    Ok::<_, StoreError>(())
                });
                if let Err(error) = noted.await {
                    tracing::warn!(%error, "the use of a transport session could not be noted");
                }
            });
        }
        Ok(true)
    }

    /// A kept session that is not too old.
    ///
    /// # Errors
    /// The store failed.
    pub fn transport(&self, id: &str) -> Result<Option<TransportRecord>, ServiceError> {
        let (key, id_hash) = key_of(id);
        let now_ms = self.context.clock.now_ms();
        let record = self.context.store.read(|view| view.get::<TransportRecord>(key))?;
        Ok(record.filter(|record| record.id_hash == id_hash && record.used_at + MAX_AGE_MS > now_ms))
    }

    /// Keeps what a session watches.
    ///
    /// # Errors
    /// The store failed.
    pub async fn watch_transport(&self, id: &str, watched: Vec<String>) -> Result<(), ServiceError> {
        let (key, _) = key_of(id);
        self.context
            .store
            .write(move |change| {
                if let Some(mut record) = change.get::<TransportRecord>(key)? {
                    record.watched = watched;
                    change.put(&record)?;
                }
                Ok(())
            })
            .await
    }

    /// Forgets a session that its client has closed.
    ///
    /// # Errors
    /// The store failed.
    pub async fn forget_transport(&self, id: &str) -> Result<(), ServiceError> {
        let (key, _) = key_of(id);
        self.context
            .store
            .write(move |change| {
                change.remove::<TransportRecord>(key);
                Ok(())
            })
            .await
    }
}
