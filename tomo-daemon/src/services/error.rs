//! How a service refuses or fails.

use tomo_proto::error::{ApiError, ErrorCode};

use crate::store::StoreError;

/// A refusal or failure, with what caused it kept for the log.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct ServiceError {
    /// What the caller gets to see.
    pub error: ApiError,
    /// What only the log gets to see.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl ServiceError {
    /// Makes an error of a kind; the message names the thing, lower case, no full stop.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { error: ApiError::new(code, message), source: None }
    }

    /// Adds the exact call or command to go on with.
    #[must_use]
    pub fn with_next(mut self, next: impl Into<String>) -> Self {
        self.error = self.error.with_next(next);
        self
    }

    /// Names the argument that did not fit.
    #[must_use]
    pub fn with_field(mut self, field: impl Into<String>) -> Self {
        self.error = self.error.with_field(field);
        self
    }

    /// Keeps the cause for the log.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Kind of the error.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        self.error.code
    }
}

impl From<ApiError> for ServiceError {
    fn from(error: ApiError) -> Self {
        Self { error, source: None }
    }
}

impl From<StoreError> for ServiceError {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Full { .. } => Self::new(ErrorCode::StorageFull, error.to_string()),
            StoreError::Unusable(_) | StoreError::Other(_) => {
                Self::new(ErrorCode::Internal, "the store failed").with_source(error)
            }
        }
    }
}
