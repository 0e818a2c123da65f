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
}

/// The built-in profile `wasm`. Fuel of 10^9 is some tenths of a second of straight computing, so that an
/// endless loop ends by fuel, the deterministic limit, well before the wall clock.
pub const LIMITS_WASM: Limits = Limits {
    fuel: 1_000_000_000,
    memory_bytes: 64 << 20,
    timeout_ms: 10_000,
    output_bytes: 1 << 20,
    log_bytes: 256 << 10,
};

/// The widest that a sink type may give. Memory is what the sandbox's pool has room for in each place; fuel is about
/// what a processor computes in the longest time; output and log are held in memory until they are stored.
pub const LIMITS_MAX: Limits = Limits {
    fuel: 10_000_000_000_000,
    memory_bytes: 512 << 20,
    timeout_ms: 3_600_000,
    output_bytes: 16 << 20,
    log_bytes: 16 << 20,
};

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
}
