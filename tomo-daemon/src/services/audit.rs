//! Searching the audit trail, and checking it with everybody who witnesses it.

use tomo_proto::{
    api::audit::{AuditSearch, AuditSearchAnswer, AuditVerify, AuditVerifyAnswer},
    error::ErrorCode,
};

use crate::{
    clock::date,
    services::{Context, Handle, Services, Trail, access::Authorized, error::ServiceError, span},
    store::{NewAuditEntry, StoreError},
};

/// Most witnesses in an answer.
const WITNESSES: usize = 50;

impl Context {
    /// Writes one row, about what changes nothing else in the store.
    pub(super) async fn note(&self, entry: NewAuditEntry) -> Result<(), StoreError> {
        self.store
            .write(move |change| {
                change.audit(entry);
                Ok(())
            })
            .await
    }
}

impl Handle<AuditSearch> for Services {
    async fn handle(
        &self,
        _caller: Authorized<'_, AuditSearch>,
        request: AuditSearch,
    ) -> Result<AuditSearchAnswer, ServiceError> {
        let limit = limit(request.limit, 50, 500)?;
        let now_ms = self.context.clock.now_ms();
        let since = request.since.as_deref().map(|since| span::parse(since, "since", now_ms)).transpose()?.unwrap_or(0);
        let before = cursor(request.cursor.as_deref())?;
        let fits = |part: &Option<String>, text: &str| part.as_ref().is_none_or(|part| text.contains(part.as_str()));
        let mut entries = self.context.store.read(|view| {
            view.audit_before(before, limit + 1, &mut |entry| {
                entry.at_ms >= since
                    && fits(&request.actor, &entry.actor)
                    && fits(&request.action, &entry.action)
                    && fits(&request.resource, &entry.resource)
                    && request.outcome.is_none_or(|outcome| outcome == entry.outcome)
            })
        })?;
        let more = entries.len() > limit;
        entries.truncate(limit);
        let next_cursor = if more { entries.last().map(|entry| entry.seq.to_string()) } else { None };
        Ok(AuditSearchAnswer { entries, next_cursor })
    }
}

impl Handle<AuditVerify> for Services {
    async fn handle(
        &self,
        caller: Authorized<'_, AuditVerify>,
        _request: AuditVerify,
    ) -> Result<AuditVerifyAnswer, ServiceError> {
        let store = self.context.store.clone();
        let failed = |error| ServiceError::new(ErrorCode::Internal, "the check failed").with_source(error);
        let trail = tokio::task::spawn_blocking(move || Trail::check(&store)).await.map_err(failed)??;
        let agents = self.context.ask_witnesses(&trail, &caller.selectors).await?;
        let broken = trail.broken(&agents);
        let Trail { chain, own } = trail;
        // Whoever speaks against the trail, or vouches for it, comes before those who were not heard.
        let mut witnesses: Vec<_> = std::iter::once(own).chain(agents).collect();
        witnesses[1..].sort_by_key(|witness| (!witness.is_against(), witness.heads() == 0));
        let more = witnesses.len().saturating_sub(WITNESSES);
        let restored = chain.lives.iter().map(|life| {
            format!(
                "{} was restored at {}: the rows from {} on are new",
                life.restored,
                date(life.at_ms),
                life.first_row
            )
        });
        Ok(AuditVerifyAnswer {
            rows: chain.rows,
            head: chain.head,
            broken,
            restored: restored.collect(),
            witnesses: witnesses.into_iter().take(WITNESSES).map(|witness| witness.told).collect(),
            more_witnesses: u64::try_from(more).unwrap_or(u64::MAX),
        })
    }
}

/// A page size within its bounds.
pub(super) fn limit(wanted: Option<u32>, default: u32, most: u32) -> Result<usize, ServiceError> {
    let limit = wanted.unwrap_or(default);
    if !(1..=most).contains(&limit) {
        let message = format!("limit is 1 to {most}, not {limit}");
        return Err(ServiceError::new(ErrorCode::Invalid, message).with_field("limit"));
    }
    Ok(usize::try_from(limit).unwrap_or(usize::MAX))
}

/// A cursor that is a number.
pub(super) fn cursor(text: Option<&str>) -> Result<Option<u64>, ServiceError> {
    text.map(str::parse).transpose().map_err(|_| {
        ServiceError::new(ErrorCode::Invalid, "the cursor is not one of ours: give back next_cursor as it came")
            .with_field("cursor")
    })
}
