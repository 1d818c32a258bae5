//! Refusals as models read them: three lines of text, and the same as data.

use rmcp::model::{CallToolResult, ContentBlock, MetaObject};
use tomo_proto::{
    error::{ApiError, ErrorCode},
    text::display_line,
};

use crate::{crypto, services::error::ServiceError};

/// Key of the error's data in `_meta`.
pub(super) const META: &str = "dev.tomo/error";

/// The error as its caller gets to see it; what is internal goes to the log under an id.
pub(crate) fn public(error: ServiceError) -> ApiError {
    let mut public = error.error;
    if public.code == ErrorCode::Internal {
        let id = crypto::hex(&crypto::random_bytes::<6>());
        let source = error.source.as_ref().map(ToString::to_string).unwrap_or_default();
        tracing::error!(id, message = public.message, source, "a request failed inside");
        public.message = format!("{} (log id {id})", public.message);
    }
    public.message = display_line(&public.message, 600);
    public
}

pub(super) fn result(error: ServiceError) -> CallToolResult {
    let error = public(error);
    let next = error.next.as_deref().unwrap_or(match error.code {
        ErrorCode::Invalid | ErrorCode::Ambiguous => "the same call with that argument mended",
        code if code.retryable() => "the same call, a little later",
        _ => "tell the person",
    });
    let text = format!("{}: {}\nnext: {next}\nretryable: {}", error.code.as_str(), error.message, error.retryable);
    let mut result = CallToolResult::error(vec![ContentBlock::text(text)]);
    if let Ok(data) = serde_json::to_value(&error) {
        let mut meta = MetaObject::default();
        meta.insert(META.to_owned(), data);
        result.meta = Some(meta);
    }
    result
}
