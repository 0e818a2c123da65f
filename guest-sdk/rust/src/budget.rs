//! What is left to the attempt, and whether it should stop.
//!
//! ```
//! use fusebox_sdk::testing::{Sample, run};
//! use fusebox_sdk::{action, budget, json};
//!
//! #[action]
//! fn add_up(payload: Vec<u64>) -> u64 {
//!     payload.iter().take_while(|_| !budget::cancelled()).sum()
//! }
//!
//! assert_eq!(run(add_up_action, Sample::new(json!([1, 2, 3]))).output(), &json!(6));
//! assert_eq!(run(add_up_action, Sample::new(json!([1, 2, 3])).cancelled_after(2)).output(), &json!(3));
//! ```
//!
//! A component imports the host's `fusebox:action/budget` only when it uses this module. What the attempt had to begin
//! with is in [`Context::budget`](crate::Context::budget), and costs no import.

use std::time::Duration;

/// What is left to the attempt. Past any of these the host ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remaining {
    /// Deterministic instructions.
    pub fuel: u64,
    /// Bytes that its memories may still grow by.
    pub memory_bytes: u64,
    /// Until the attempt is ended, running or waiting.
    pub time: Duration,
    /// Outgoing HTTP calls.
    pub http_calls: u32,
}

/// What is left right now.
#[must_use]
pub fn left() -> Remaining {
    host::left()
}

/// Whether somebody cancelled the run. There is a moment from then on to put things in order; what the action returns does
/// not matter any more.
#[must_use]
pub fn cancelled() -> bool {
    host::cancelled()
}

#[cfg(target_family = "wasm")]
mod host {
    use super::Remaining;
    use crate::bindings::fusebox::action::budget as wit;
    use std::time::Duration;

    pub(super) fn left() -> Remaining {
        let wit::Remaining { fuel, memory_bytes, time_ms, http_calls } = wit::left();
        Remaining { fuel, memory_bytes, time: Duration::from_millis(time_ms), http_calls }
    }

    pub(super) fn cancelled() -> bool {
        wit::cancelled()
    }
}

#[cfg(not(target_family = "wasm"))]
use crate::testing::world::budget as host;
