//! How an attempt ended, as the sandbox tells it.

use super::{Json, Reason};

/// The action did its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub output: Option<Json>,
    /// Anything here makes the run end as WARNING.
    pub warnings: Vec<String>,
    /// The payload of the chained event.
    pub event: Option<Json>,
}

/// The action said that it did not do its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Worth another attempt, not before `after_ms` if given.
    Retry { message: String, after_ms: Option<u64> },
    /// Will not work however often it is tried. The code is never 0.
    Reject { message: String, code: u32 },
}

/// The end of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    Outcome(Outcome),
    Failure(Failure),
    /// The host ended it, or the guest broke: `message` says what and where.
    Broken {
        reason: Reason,
        message: String,
    },
}
