//! What an attempt may use, and what it used.

use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Serialize, Serializer};

macro_rules! limits {
    (
        first { $($(#[doc = $doc:literal])* $first:ident: $first_usual:expr, at most $first_max:expr;)* }
        later { $($(#[doc = $later_doc:literal])* $later:ident: $later_usual:expr, at most $later_max:expr;)* }
    ) => {
        /// The limits of one attempt. There is no "unlimited": every field always holds.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
        #[serde(default)]
        pub struct Limits {
            $($(#[doc = $doc])* pub $first: u64,)*
            $($(#[doc = $later_doc])* pub $later: u64,)*
        }

        /// The built-in profile `wasm`. Fuel of 10^9 is some tenths of a second of straight computing, so that an
        /// endless loop ends by fuel, the deterministic limit, well before the wall clock.
        pub const LIMITS_WASM: Limits = Limits { $($first: $first_usual,)* $($later: $later_usual,)* };

        /// The widest that a sink type may give. Memory is what the sandbox's pool has room for in each place; fuel is
        /// about what a processor computes in the longest time; output, log, values and answers of HTTP are held in
        /// memory until they are stored or the guest has them.
        pub const LIMITS_MAX: Limits = Limits { $($first: $first_max,)* $($later: $later_max,)* };

        /// What an action sets: only tighter than what it runs under.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct LimitsPatch {
            $(#[serde(default, skip_serializing_if = "Option::is_none")] pub $first: Option<u64>,)*
            $(#[serde(default, skip_serializing_if = "Option::is_none")] pub $later: Option<u64>,)*
        }

        impl Serialize for Limits {
            /// A record says of limits that came later only what is not usual: so it is as records from before are.
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let every = serializer.is_human_readable();
                let told = [$(every || self.$later != LIMITS_WASM.$later),*];
                let first = [$(stringify!($first)),*].len();
                let fields = first + told.iter().filter(|told| **told).count();
                let mut record = serializer.serialize_struct("Limits", fields)?;
                $(record.serialize_field(stringify!($first), &self.$first)?;)*
                $(if every || self.$later != LIMITS_WASM.$later {
                    record.serialize_field(stringify!($later), &self.$later)?;
                })*
                record.end()
            }
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
                    $($first: tighten(stringify!($first), patch.$first, self.$first),)*
                    $($later: tighten(stringify!($later), patch.$later, self.$later),)*
                };
                if refused.is_empty() { Ok(limits) } else { Err(refused) }
            }

            /// These limits, but what is tighter there.
            #[must_use]
            pub fn capped(self, patch: &LimitsPatch) -> Limits {
                let cap = |own: u64, other: Option<u64>| other.map_or(own, |other| own.min(other));
                Limits { $($first: cap(self.$first, patch.$first),)* $($later: cap(self.$later, patch.$later),)* }
            }

            /// These limits, but what is given there, whatever it is.
            #[must_use]
            pub fn replaced(self, patch: &LimitsPatch) -> Limits {
                Limits {
                    $($first: patch.$first.unwrap_or(self.$first),)*
                    $($later: patch.$later.unwrap_or(self.$later),)*
                }
            }

            /// Every limit by its name.
            #[must_use]
            pub fn in_full(self) -> LimitsPatch {
                LimitsPatch { $($first: Some(self.$first),)* $($later: Some(self.$later),)* }
            }

            /// Of both the wider, limit by limit.
            #[must_use]
            pub fn widest(self, other: Limits) -> Limits {
                Limits { $($first: self.$first.max(other.$first),)* $($later: self.$later.max(other.$later),)* }
            }
        }
    };
}

limits! {
    first {
        /// Deterministic instructions; bulk operations and host calls cost by size.
        fuel: 1_000_000_000, at most 10_000_000_000_000;
        /// Sum over all linear memories of the attempt, in bytes.
        memory_bytes: 64 << 20, at most 512 << 20;
        /// Wall time from the start of the attempt, running or waiting.
        timeout_ms: 10_000, at most 3_600_000;
        /// Output, chained event, emitted events and warnings together, in bytes of JSON.
        output_bytes: 1 << 20, at most 16 << 20;
        /// Messages, field names and values of all log lines together, in bytes.
        log_bytes: 256 << 10, at most 16 << 20;
    }
    later {
        /// Outgoing HTTP requests, denied ones included.
        http_calls: 10, at most 1_000;
        /// What goes out and comes in by them, headers included, in bytes.
        http_bytes: 4 << 20, at most 64 << 20;
        /// Keys and values that it writes, in bytes.
        kv_bytes: 1 << 20, at most 16 << 20;
        /// Events that it emits.
        emitted_events: 32, at most 256;
    }
}

impl Default for Limits {
    fn default() -> Limits {
        LIMITS_WASM
    }
}

/// A limit that was set to nothing or wider than it may be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be between 1 and {allowed}; {asked} was asked for")]
pub struct NotTighter {
    pub field: &'static str,
    pub asked: u64,
    pub allowed: u64,
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
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub output_bytes: u64,
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub log_bytes: u64,
    /// Requests by HTTP, denied ones included.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub http_calls: u64,
    /// What they sent and got, in bytes.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub http_bytes: u64,
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub kv_bytes: u64,
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub emitted_events: u64,
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

    /// An older version reads what is written as long as nobody sets what it does not know.
    #[test]
    fn a_record_tells_of_later_limits_only_what_is_not_usual() {
        let record = |limits: Limits| rmp_serde::to_vec_named(&limits).unwrap();
        let usual = record(LIMITS_WASM);
        assert!(!String::from_utf8_lossy(&usual).contains("kv_bytes"));
        assert_eq!(rmp_serde::from_slice::<Limits>(&usual).unwrap(), LIMITS_WASM);
        let other = Limits { kv_bytes: 7, ..LIMITS_WASM };
        assert_eq!(rmp_serde::from_slice::<Limits>(&record(other)).unwrap(), other);
        assert_eq!(serde_json::to_value(LIMITS_WASM).unwrap()["kv_bytes"], LIMITS_WASM.kv_bytes, "people are told all");
    }
}
