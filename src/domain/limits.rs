//! What an attempt may use, and what it used.

use serde::{Deserialize, Serialize};

/// The limits of one attempt. There is no "unlimited": every field always holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Deterministic instructions; bulk operations and host calls cost by size.
    pub fuel: u64,
    /// Sum over all linear memories of the attempt, in bytes.
    pub memory_bytes: u64,
    /// Wall time from the start of the attempt, running or waiting.
    pub timeout_ms: u64,
    /// Output, chained event and warnings together, in bytes of JSON.
    pub output_bytes: u64,
    /// Messages, field names and values of all log lines together, in bytes.
    pub log_bytes: u64,
    /// Outgoing HTTP requests, denied ones included.
    #[serde(default = "usual_http_calls", skip_serializing_if = "is_usual_http_calls")]
    pub http_calls: u64,
    /// What goes out and comes in by them, headers included, in bytes.
    #[serde(default = "usual_http_bytes", skip_serializing_if = "is_usual_http_bytes")]
    pub http_bytes: u64,
}

/// The built-in profile `wasm`. Fuel of 10^9 is some tenths of a second of straight computing, so that an
/// endless loop ends by fuel, the deterministic limit, well before the wall clock.
pub const LIMITS_WASM: Limits = Limits {
    fuel: 1_000_000_000,
    memory_bytes: 64 << 20,
    timeout_ms: 10_000,
    output_bytes: 1 << 20,
    log_bytes: 256 << 10,
    http_calls: 10,
    http_bytes: 4 << 20,
};

/// The widest that a sink type may give. Memory is what the sandbox's pool has room for in each place; fuel is about
/// what a processor computes in the longest time; output and log are held in memory until they are stored, an answer of HTTP
/// until the guest has it; each call has a line in the attempt's record.
pub const LIMITS_MAX: Limits = Limits {
    fuel: 10_000_000_000_000,
    memory_bytes: 512 << 20,
    timeout_ms: 3_600_000,
    output_bytes: 16 << 20,
    log_bytes: 16 << 20,
    http_calls: 1_000,
    http_bytes: 64 << 20,
};

// Records from before there was HTTP are read as if they had been given what is usual, and what is usual is not written.

fn usual_http_calls() -> u64 {
    LIMITS_WASM.http_calls
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_usual_http_calls(calls: &u64) -> bool {
    *calls == LIMITS_WASM.http_calls
}

fn usual_http_bytes() -> u64 {
    LIMITS_WASM.http_bytes
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_usual_http_bytes(bytes: &u64) -> bool {
    *bytes == LIMITS_WASM.http_bytes
}

/// What an action sets: only tighter than what it runs under.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsPatch {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fuel: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_calls: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_bytes: Option<u64>,
}

/// A limit that was set to nothing or wider than it may be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be between 1 and {allowed}; {asked} was asked for")]
pub struct NotTighter {
    pub field: &'static str,
    pub asked: u64,
    pub allowed: u64,
}

impl Limits {
    /// These limits, tightened.
    ///
    /// # Errors
    /// Every field that is 0 or wider than the limit it should tighten.
    pub fn tightened(self, patch: &LimitsPatch) -> Result<Limits, Vec<NotTighter>> {
        let mut refused = Vec::new();
        let mut tighten = |field: &'static str, asked: Option<u64>, allowed: u64| match asked {
            None => allowed,
            Some(asked) if (1..=allowed).contains(&asked) => asked,
            Some(asked) => {
                refused.push(NotTighter { field, asked, allowed });
                allowed
            }
        };
        let limits = Limits {
            fuel: tighten("fuel", patch.fuel, self.fuel),
            memory_bytes: tighten("memory_bytes", patch.memory_bytes, self.memory_bytes),
            timeout_ms: tighten("timeout_ms", patch.timeout_ms, self.timeout_ms),
            output_bytes: tighten("output_bytes", patch.output_bytes, self.output_bytes),
            log_bytes: tighten("log_bytes", patch.log_bytes, self.log_bytes),
            http_calls: tighten("http_calls", patch.http_calls, self.http_calls),
            http_bytes: tighten("http_bytes", patch.http_bytes, self.http_bytes),
        };
        if refused.is_empty() { Ok(limits) } else { Err(refused) }
    }

    /// These limits, but what is tighter there.
    #[must_use]
    pub fn capped(self, patch: &LimitsPatch) -> Limits {
        let cap = |own: u64, other: Option<u64>| other.map_or(own, |other| own.min(other));
        Limits {
            fuel: cap(self.fuel, patch.fuel),
            memory_bytes: cap(self.memory_bytes, patch.memory_bytes),
            timeout_ms: cap(self.timeout_ms, patch.timeout_ms),
            output_bytes: cap(self.output_bytes, patch.output_bytes),
            log_bytes: cap(self.log_bytes, patch.log_bytes),
            http_calls: cap(self.http_calls, patch.http_calls),
            http_bytes: cap(self.http_bytes, patch.http_bytes),
        }
    }

    /// These limits, but what is given there, whatever it is.
    #[must_use]
    pub fn replaced(self, patch: &LimitsPatch) -> Limits {
        Limits {
            fuel: patch.fuel.unwrap_or(self.fuel),
            memory_bytes: patch.memory_bytes.unwrap_or(self.memory_bytes),
            timeout_ms: patch.timeout_ms.unwrap_or(self.timeout_ms),
            output_bytes: patch.output_bytes.unwrap_or(self.output_bytes),
            log_bytes: patch.log_bytes.unwrap_or(self.log_bytes),
            http_calls: patch.http_calls.unwrap_or(self.http_calls),
            http_bytes: patch.http_bytes.unwrap_or(self.http_bytes),
        }
    }

    /// Every limit by its name, also those that records leave out because they are as usual.
    #[must_use]
    pub fn in_full(self) -> LimitsPatch {
        LimitsPatch {
            fuel: Some(self.fuel),
            memory_bytes: Some(self.memory_bytes),
            timeout_ms: Some(self.timeout_ms),
            output_bytes: Some(self.output_bytes),
            log_bytes: Some(self.log_bytes),
            http_calls: Some(self.http_calls),
            http_bytes: Some(self.http_bytes),
        }
    }

    /// Of both the wider, limit by limit.
    #[must_use]
    pub fn widest(self, other: Limits) -> Limits {
        Limits {
            fuel: self.fuel.max(other.fuel),
            memory_bytes: self.memory_bytes.max(other.memory_bytes),
            timeout_ms: self.timeout_ms.max(other.timeout_ms),
            output_bytes: self.output_bytes.max(other.output_bytes),
            log_bytes: self.log_bytes.max(other.log_bytes),
            http_calls: self.http_calls.max(other.http_calls),
            http_bytes: self.http_bytes.max(other.http_bytes),
        }
    }
}

/// What one attempt used of its [`Limits`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    pub fuel: u64,
    /// The highest sum over all linear memories.
    pub memory_bytes: u64,
    /// From instantiation to teardown, in microseconds.
    pub wall_us: u64,
    /// Time on a processor, in microseconds.
    pub cpu_us: u64,
    pub output_bytes: u64,
    pub log_bytes: u64,
    /// Requests by HTTP, denied ones included.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub http_calls: u64,
    /// What they sent and got, in bytes.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub http_bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_only_get_tighter() {
        let patch = LimitsPatch { fuel: Some(5), ..LimitsPatch::default() };
        assert_eq!(LIMITS_WASM.tightened(&patch), Ok(Limits { fuel: 5, ..LIMITS_WASM }));

        let wide = LimitsPatch { fuel: Some(LIMITS_WASM.fuel + 1), log_bytes: Some(0), ..LimitsPatch::default() };
        let refused = LIMITS_WASM.tightened(&wide).unwrap_err();
        assert_eq!(refused.iter().map(|r| r.field).collect::<Vec<_>>(), ["fuel", "log_bytes"]);
    }

    #[test]
    fn the_tighter_of_two_limits_holds() {
        let patch =
            LimitsPatch { fuel: Some(5), memory_bytes: Some(LIMITS_MAX.memory_bytes), ..LimitsPatch::default() };
        assert_eq!(LIMITS_WASM.capped(&patch), Limits { fuel: 5, ..LIMITS_WASM });
        let wide = Limits { fuel: 7, ..LIMITS_MAX };
        assert_eq!(LIMITS_WASM.widest(wide), Limits { fuel: LIMITS_WASM.fuel, ..LIMITS_MAX });
    }

    #[test]
    fn limits_from_before_there_was_http_are_read_with_the_usual_ones_and_written_as_they_were() {
        let old = serde_json::json!({"fuel": 1, "memory_bytes": 2, "timeout_ms": 3, "output_bytes": 4, "log_bytes": 5});
        let read: Limits = serde_json::from_value(old.clone()).unwrap();
        assert_eq!((read.http_calls, read.http_bytes), (10, 4 << 20));
        assert_eq!(serde_json::to_value(read).unwrap(), old);
        let fewer = Limits { http_calls: 9, http_bytes: 1, ..read };
        assert_eq!(serde_json::from_value::<Limits>(serde_json::to_value(fewer).unwrap()).unwrap(), fewer);
    }
}
