//! One attempt of a run, as it is shown.

use crate::domain::{Attempt, HttpCall, HttpFault, Reason, State as RunState, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

/// One execution in one fresh Wasm instance.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AttemptOut {
    number: u32,
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
    #[schema(value_type = String)]
    state: RunState,
    #[schema(value_type = Option<String>)]
    reason: Option<Reason>,
    message: String,
    usage: UsageOut,
    /// What it sent by HTTP, in the order in which it began.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    http: Vec<HttpCallOut>,
}

/// A request that an attempt sent, or tried to. Neither its path nor its headers nor its body is kept.
#[derive(Debug, Serialize, ToSchema)]
struct HttpCallOut {
    method: String,
    /// With its port.
    host: String,
    /// What the peer answered.
    status: Option<u16>,
    /// Why there is no whole answer: denied, invalid, limit, timeout, failed or broken_off.
    #[schema(value_type = Option<String>)]
    fault: Option<HttpFault>,
    /// The same for people.
    message: String,
    /// Headers included.
    sent_bytes: u64,
    received_bytes: u64,
    ms: u64,
}

/// What an attempt used beside what it may use.
#[derive(Debug, Serialize, ToSchema)]
struct UsageOut {
    /// Deterministic instructions.
    fuel: Used<u64>,
    /// The highest sum over all linear memories.
    memory_bytes: Used<u64>,
    /// From instantiation to teardown.
    wall_ms: Used<f64>,
    /// Time on a processor; its limit is the wall time's.
    cpu_ms: Used<f64>,
    output_bytes: Used<u64>,
    log_bytes: Used<u64>,
    /// Outgoing HTTP requests, denied ones included.
    http_calls: Used<u64>,
    /// What they sent and got, headers included.
    http_bytes: Used<u64>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Used<T> {
    used: T,
    limit: T,
}

impl AttemptOut {
    pub(super) fn of(attempt: &Attempt) -> AttemptOut {
        let (usage, limits) = (attempt.usage, attempt.limits);
        let count = |used, limit| Used { used, limit };
        #[expect(clippy::cast_precision_loss, reason = "milliseconds for people; no attempt lasts 285 years")]
        let ms = |used_us: u64| Used { used: used_us as f64 / 1000.0, limit: limits.timeout_ms as f64 };
        AttemptOut {
            number: attempt.number,
            started_at: attempt.started_at,
            ended_at: attempt.ended_at,
            state: attempt.state,
            reason: attempt.reason,
            message: attempt.message.clone(),
            usage: UsageOut {
                fuel: count(usage.fuel, limits.fuel),
                memory_bytes: count(usage.memory_bytes, limits.memory_bytes),
                wall_ms: ms(usage.wall_us),
                cpu_ms: ms(usage.cpu_us),
                output_bytes: count(usage.output_bytes, limits.output_bytes),
                log_bytes: count(usage.log_bytes, limits.log_bytes),
                http_calls: count(usage.http_calls, limits.http_calls),
                http_bytes: count(usage.http_bytes, limits.http_bytes),
            },
            http: attempt.http.iter().map(HttpCallOut::of).collect(),
        }
    }
}

impl HttpCallOut {
    fn of(call: &HttpCall) -> HttpCallOut {
        HttpCallOut {
            method: call.method.clone(),
            host: call.host.clone(),
            status: call.status,
            fault: call.fault,
            message: call.message.clone(),
            sent_bytes: call.sent_bytes,
            received_bytes: call.received_bytes,
            ms: call.ms,
        }
    }
}
