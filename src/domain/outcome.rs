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

/// Characters kept of a message, which is read by people and stands in every list of runs.
const MESSAGE_CHARS_MAX: usize = 4_000;

impl Ending {
    /// The same with its message cut to what is kept of one. Not before secrets are hidden in it: half of one is not found.
    #[must_use]
    pub fn cut(mut self) -> Ending {
        let message = match &mut self {
            Ending::Outcome(_) => return self,
            Ending::Failure(Failure::Retry { message, .. } | Failure::Reject { message, .. }) => message,
            Ending::Broken { message, .. } => message,
        };
        if message.len() > MESSAGE_CHARS_MAX
            && let Some((end, _)) = message.char_indices().nth(MESSAGE_CHARS_MAX)
        {
            message.truncate(end);
            message.push('…');
        }
        self
    }
}

/// A failed attempt, however it failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    pub reason: Reason,
    pub message: String,
    /// Never 0.
    pub code: u32,
    pub retryable: bool,
    pub after_ms: Option<u64>,
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Failed {
        let reason = Reason::GuestError;
        match failure {
            Failure::Retry { message, after_ms } => Failed { reason, message, code: 75, retryable: true, after_ms },
            Failure::Reject { message, code } => {
                Failed { reason, message, code: code.max(1), retryable: false, after_ms: None }
            }
        }
    }
}

impl Failed {
    /// An attempt that the host ended.
    pub fn broken(reason: Reason, message: String) -> Failed {
        Failed { reason, message, code: 1, retryable: reason.is_worth_a_retry(), after_ms: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_cut_to_what_is_kept_of_one() {
        let cut = |message: String| match (Ending::Broken { reason: Reason::Trap, message }).cut() {
            Ending::Broken { message, .. } => message,
            other => panic!("{other:?}"),
        };
        let whole = "ü".repeat(MESSAGE_CHARS_MAX);
        assert_eq!(cut(whole.clone()), whole);
        assert_eq!(cut(format!("{whole}x")), format!("{whole}…"));
        let reject = |message: &str| Ending::Failure(Failure::Reject { message: message.to_owned(), code: 3 });
        assert_eq!(reject(&format!("{whole}xy")).cut(), reject(&format!("{whole}…")));
    }
}
