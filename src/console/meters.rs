//! What an attempt used of what it may.

use super::show;
use crate::api::attempt::{AttemptOut, Used};

/// What was used of a limit.
pub(super) struct Meter {
    pub(super) label: &'static str,
    pub(super) used: String,
    pub(super) limit: String,
    /// Parts of a thousand.
    pub(super) share: u64,
}

/// Every limit of an attempt.
pub(super) fn of(attempt: &AttemptOut) -> Vec<Meter> {
    let usage = &attempt.usage;
    let whole = |label, used: &Used<u64>, words: fn(&u64) -> String| Meter {
        label,
        used: words(&used.used),
        limit: words(&used.limit),
        share: share(used.used, used.limit),
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share in thousandths")]
    let time = |label, used: &Used<f64>| Meter {
        label,
        used: show::length_of(&used.used),
        limit: show::length_of(&used.limit),
        share: share((used.used * 1_000.0) as u64, (used.limit * 1_000.0) as u64),
    };
    vec![
        whole("Fuel", &usage.fuel, show::count),
        whole("Memory", &usage.memory_bytes, show::bytes),
        time("Time", &usage.wall_ms),
        time("Processor", &usage.cpu_ms),
        whole("Output", &usage.output_bytes, show::bytes),
        whole("Log", &usage.log_bytes, show::bytes),
        whole("HTTP calls", &usage.http_calls, show::count),
        whole("HTTP bytes", &usage.http_bytes, show::bytes),
        whole("Values written", &usage.kv_bytes, show::bytes),
        whole("Events emitted", &usage.emitted_events, show::count),
    ]
}

fn share(used: u64, limit: u64) -> u64 {
    let share = u128::from(used) * 1_000 / u128::from(limit.max(1));
    u64::try_from(share).unwrap_or(u64::MAX).min(1_000)
}
