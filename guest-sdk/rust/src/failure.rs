//! Why an action did not do its work.

use std::error::Error;
use std::time::Duration;

use crate::{http, kv};

/// The code of a failure for which nothing else was said, and of an unexpected error.
pub(crate) const CODE_UNEXPECTED: u32 = 1;
/// The code of a payload, params or input that is not of the action's type.
pub(crate) const CODE_INVALID: u32 = 2;

/// Why an action did not do its work, and whether another attempt makes sense.
///
/// A refusal is a value: return it. A panic is a bug: it ends the run as a trap and is never retried.
///
/// `?` turns any error (and a plain text) into a reject with code 1:
///
/// ```
/// use fusebox_sdk::Failure;
///
/// fn seats(text: &str) -> Result<u8, Failure> {
///     let seats: u8 = text.parse()?;
///     if seats == 0 {
///         return Err(Failure::reject("a booking needs a seat").with_code(40));
///     }
///     Ok(seats)
/// }
///
/// assert_eq!(seats("four").unwrap_err().code(), 1);
/// assert_eq!(seats("0").unwrap_err().code(), 40);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    message: String,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Retry { after: Option<Duration> },
    Reject { code: u32 },
}

impl Failure {
    /// It may work later: another attempt follows while the action's retry policy allows one.
    pub fn retry(message: impl Into<String>) -> Self {
        Self { message: message.into(), kind: Kind::Retry { after: None } }
    }

    /// It may work later, but not before `after` has passed: what an HTTP `Retry-After` says, for example.
    pub fn retry_after(message: impl Into<String>, after: Duration) -> Self {
        Self { message: message.into(), kind: Kind::Retry { after: Some(after) } }
    }

    /// It will not work however often it is tried.
    pub fn reject(message: impl Into<String>) -> Self {
        Self { message: message.into(), kind: Kind::Reject { code: CODE_UNEXPECTED } }
    }

    /// The run's result code, for whoever reads or reacts to it. 0 means success and is taken as 1.
    ///
    /// Only a reject has a code; a retry stays as it is.
    #[must_use]
    pub fn with_code(mut self, code: u32) -> Self {
        if let Kind::Reject { code: current } = &mut self.kind {
            *current = code.max(CODE_UNEXPECTED);
        }
        self
    }

    /// What people will read.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The result code; 0 for a retry, which has none.
    #[must_use]
    pub fn code(&self) -> u32 {
        match self.kind {
            Kind::Retry { .. } => 0,
            Kind::Reject { code } => code,
        }
    }

    /// Whether another attempt was asked for.
    #[must_use]
    pub fn is_retry(&self) -> bool {
        matches!(self.kind, Kind::Retry { .. })
    }

    /// The time that must pass before the next attempt, when the action said one.
    #[must_use]
    pub fn after(&self) -> Option<Duration> {
        match self.kind {
            Kind::Retry { after } => after,
            Kind::Reject { .. } => None,
        }
    }

    #[cfg(target_family = "wasm")]
    pub(crate) fn into_parts(self) -> (String, Kind) {
        (self.message, self.kind)
    }
}

/// An error nobody expected is a reject: trying the same again would most likely only repeat it. What may well go better
/// the next time is a retry: a conflict in [`kv`], an HTTP call that timed out or whose peer failed.
/// The message carries the error and what caused it.
impl<E: Into<Box<dyn Error>>> From<E> for Failure {
    fn from(error: E) -> Self {
        let error = error.into();
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(inner) = cause {
            message.push_str(": ");
            message.push_str(&inner.to_string());
            cause = inner.source();
        }
        if may_go_better(error.as_ref()) { Self::retry(message) } else { Self::reject(message) }
    }
}

fn may_go_better(error: &(dyn Error + 'static)) -> bool {
    matches!(error.downcast_ref(), Some(kv::Error::Conflict))
        || matches!(error.downcast_ref(), Some(http::Error::Timeout(_) | http::Error::Failed(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Outer(std::num::ParseIntError);
    impl std::fmt::Display for Outer {
        fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            formatter.write_str("the seat number is wrong")
        }
    }
    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    fn question_mark() -> Result<(), Failure> {
        "x".parse::<u8>().map_err(Outer)?;
        Ok(())
    }

    fn text() -> Result<(), Failure> {
        Err("no such table")?;
        Ok(())
    }

    #[test]
    fn an_unexpected_error_is_a_reject_with_code_1_and_its_causes() {
        let failure = question_mark().unwrap_err();
        assert_eq!(failure, Failure::reject("the seat number is wrong: invalid digit found in string"));
        assert_eq!(failure.code(), 1);
        assert_eq!(text().unwrap_err(), Failure::reject("no such table"));
    }

    #[test]
    fn a_code_of_0_is_taken_as_1() {
        assert_eq!(Failure::reject("no").with_code(0).code(), 1);
        assert_eq!(Failure::reject("no").with_code(7).code(), 7);
    }

    #[test]
    fn a_retry_has_no_code() {
        let failure = Failure::retry_after("busy", Duration::from_secs(9)).with_code(7);
        assert_eq!(failure.code(), 0);
        assert!(failure.is_retry());
        assert_eq!(failure.after(), Some(Duration::from_secs(9)));
        assert_eq!(Failure::retry("busy").after(), None);
    }
}
