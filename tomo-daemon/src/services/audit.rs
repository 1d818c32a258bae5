//! Searching and checking the audit trail.

use tomo_proto::{
    api::audit::{AuditSearch, AuditSearchAnswer, AuditVerify, AuditVerifyAnswer},
    error::ErrorCode,
};

use crate::services::{Handle, Services, access::Authorized, error::ServiceError, span};

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
        _caller: Authorized<'_, AuditVerify>,
        _request: AuditVerify,
    ) -> Result<AuditVerifyAnswer, ServiceError> {
        let store = self.context.store.clone();
        let failed = |error| ServiceError::new(ErrorCode::Internal, "the check failed").with_source(error);
        let check = tokio::task::spawn_blocking(move || store.verify_audit()).await.map_err(failed)??;
        Ok(AuditVerifyAnswer { rows: check.rows, head: check.head, broken: check.broken })
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
