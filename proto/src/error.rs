//! What can go wrong with a request, in the words a caller can act on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Kind of a refused or failed request. Its text form is stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// Nothing of that name is there, or the caller may not see it.
    NotFound,
    /// The name fits several things.
    Ambiguous,
    /// An argument does not fit.
    Invalid,
    /// The thing is in a state that does not allow this, or the name is taken.
    Conflict,
    /// The plan's target changed since the plan was made.
    PlanStale,
    /// The plan waited too long.
    PlanExpired,
    /// A person must approve the plan first.
    ApprovalRequired,
    /// A person said no.
    Declined,
    /// The server's agent has no connection.
    AgentOffline,
    /// The host could not be reached by SSH, or did not do what it was asked to there.
    HostFailed,
    /// No answer in time; the change may have happened.
    TimeoutUnknown,
    /// Too many calls.
    RateLimited,
    /// The caller may not do this.
    Denied,
    /// The host's own policy does not allow this.
    RefusedByPolicy,
    /// The vault is sealed: a person unlocks it first.
    Sealed,
    /// Nobody is signed in, or the sign-in is over.
    Unauthenticated,
    /// The store cannot take the change (disk full, I/O error).
    StorageFull,
    /// A fault of the daemon; the message carries the request id of its log line.
    Internal,
}

impl ErrorCode {
    /// Every code, in the order of its HTTP status.
    pub const ALL: [Self; 18] = [
        Self::Ambiguous,
        Self::Invalid,
        Self::Unauthenticated,
        Self::ApprovalRequired,
        Self::Declined,
        Self::Denied,
        Self::RefusedByPolicy,
        Self::NotFound,
        Self::Conflict,
        Self::PlanStale,
        Self::PlanExpired,
        Self::Sealed,
        Self::RateLimited,
        Self::Internal,
        Self::AgentOffline,
        Self::HostFailed,
        Self::TimeoutUnknown,
        Self::StorageFull,
    ];

    /// The code as it stands in answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::Ambiguous => "ambiguous",
            Self::Invalid => "invalid",
            Self::Conflict => "conflict",
            Self::PlanStale => "plan_stale",
            Self::PlanExpired => "plan_expired",
            Self::ApprovalRequired => "approval_required",
            Self::Declined => "declined",
            Self::AgentOffline => "agent_offline",
            Self::HostFailed => "host_failed",
            Self::TimeoutUnknown => "timeout_unknown",
            Self::RateLimited => "rate_limited",
            Self::Denied => "denied",
            Self::RefusedByPolicy => "refused_by_policy",
            Self::Sealed => "sealed",
            Self::Unauthenticated => "unauthenticated",
            Self::StorageFull => "storage_full",
            Self::Internal => "internal",
        }
    }

    /// Status of an HTTP answer with this error.
    #[must_use]
    pub const fn http_status(self) -> u16 {
        match self {
            Self::Ambiguous | Self::Invalid => 400,
            Self::Unauthenticated => 401,
            Self::ApprovalRequired | Self::Declined | Self::Denied | Self::RefusedByPolicy => 403,
            Self::NotFound => 404,
            Self::Conflict | Self::PlanStale | Self::PlanExpired => 409,
            Self::Sealed => 423,
            Self::RateLimited => 429,
            Self::Internal => 500,
            Self::AgentOffline | Self::HostFailed | Self::TimeoutUnknown => 502,
            Self::StorageFull => 507,
        }
    }

    /// Whether the same call may succeed later, unchanged.
    #[must_use]
    pub const fn retryable(self) -> bool {
        matches!(self, Self::AgentOffline | Self::RateLimited | Self::StorageFull | Self::Internal)
    }
}

/// A refusal as it travels: in a tool error's `_meta["dev.tomo/error"]` and in the body of an HTTP error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// Kind of the refusal.
    pub code: ErrorCode,
    /// What happened, naming the thing: lower case, no full stop.
    pub message: String,
    /// The exact call or command to go on with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Argument that did not fit, for forms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Whether the same call may succeed later, unchanged.
    pub retryable: bool,
}

impl ApiError {
    /// Makes an error without a next step.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), next: None, field: None, retryable: code.retryable() }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn with_next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// Names the argument that did not fit.
    #[must_use]
    pub fn with_field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }
}
