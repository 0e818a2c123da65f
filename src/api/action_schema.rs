//! What the document says of types of the domain that actions have.

use utoipa::ToSchema;

/// Exponential with full jitter.
#[derive(ToSchema)]
#[schema(as = Retry)]
#[expect(dead_code, reason = "describes a type of the domain for the document")]
pub(super) struct RetrySchema {
    /// Attempts in all, 1 to 20. Default 3.
    attempts: Option<u32>,
    /// Default 5000.
    base_ms: Option<u64>,
    /// Default 4.
    factor: Option<u32>,
    /// Default 300000.
    cap_ms: Option<u64>,
}

/// Limits of one attempt.
#[derive(ToSchema)]
#[schema(as = Limits)]
#[expect(dead_code, reason = "describes a type of the domain for the document")]
pub(super) struct LimitsSchema {
    fuel: Option<u64>,
    memory_bytes: Option<u64>,
    timeout_ms: Option<u64>,
    output_bytes: Option<u64>,
    log_bytes: Option<u64>,
}

/// The time of a run: one in the payload and an offset. A past time is now.
#[derive(ToSchema)]
#[schema(as = When)]
#[expect(dead_code, reason = "describes a type of the domain for the document")]
pub(super) struct WhenSchema {
    /// JSON Pointer (RFC 6901) to an RFC 3339 time with a zone in the payload, such as `/starts_at`.
    at: String,
    /// Added to it: a length of time with a sign, such as `-5m`, `2h30m`, `1d` or `PT90S`, at most 366 days. Default `0s`.
    offset: Option<String>,
}
