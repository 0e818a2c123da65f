//! What an action that did its work hands back.

use serde::Serialize;

use crate::Failure;

/// What an action that did its work hands back: an output, warnings, the payload of the next event.
///
/// Without warnings and event, return the output itself.
///
/// ```
/// use fusebox_sdk::{Failure, Outcome, action, json};
///
/// #[action]
/// fn seat() -> Result<Outcome<u8>, Failure> {
///     Ok(Outcome::new(4)
///         .warning("the last free table")
///         .event(json!({ "table": 4 })))
/// }
/// # assert!(seat_action(&fusebox_sdk::testing::Sample::default().into_context()).is_ok());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome<T> {
    output: T,
    warnings: Vec<String>,
    /// Already text, or why it cannot be: that way the type of the event is not a parameter of `Outcome`.
    event: Option<Result<String, String>>,
}

impl<T> Outcome<T> {
    /// Only an output.
    pub fn new(output: T) -> Self {
        Self { output, warnings: Vec::new(), event: None }
    }

    /// Done, but someone should look: the run ends as WARNING instead of SUCCESS. May be called repeatedly.
    #[must_use]
    pub fn warning(mut self, message: impl Into<String>) -> Self {
        self.warnings.push(message.into());
        self
    }

    /// Like [`warning`](Self::warning), for any number of them, also none.
    #[must_use]
    pub fn warnings<M: Into<String>>(mut self, messages: impl IntoIterator<Item = M>) -> Self {
        self.warnings.extend(messages.into_iter().map(Into::into));
        self
    }

    /// The payload of the event that is chained on (the action's `on_success`). Without it the
    /// event's own payload is passed on.
    #[must_use]
    pub fn event(mut self, payload: impl Serialize) -> Self {
        self.event = Some(serde_json::to_string(&payload).map_err(|error| error.to_string()));
        self
    }
}

/// An outcome as it crosses the boundary: JSON texts.
#[doc(hidden)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Success {
    pub output: Option<String>,
    pub warnings: Vec<String>,
    pub event: Option<String>,
}

/// What counts as an action's success: anything serde can write, or an [`Outcome`] around it.
#[diagnostic::on_unimplemented(
    message = "an action cannot return `{Self}`",
    label = "this cannot be written as JSON",
    note = "return a type that implements serde::Serialize, `Outcome` of one, or a Result of either with `Failure` as its error"
)]
pub trait IntoOutcome {
    #[doc(hidden)]
    fn into_success(self) -> Result<Success, Failure>;
}

impl<T: Serialize> IntoOutcome for T {
    fn into_success(self) -> Result<Success, Failure> {
        Outcome::new(self).into_success()
    }
}

impl<T: Serialize> IntoOutcome for Outcome<T> {
    fn into_success(self) -> Result<Success, Failure> {
        let output = serde_json::to_string(&self.output)
            .map_err(|error| Failure::reject(format!("the output cannot be written as JSON: {error}")))?;
        let event = self
            .event
            .transpose()
            .map_err(|error| Failure::reject(format!("the event cannot be written as JSON: {error}")))?;
        // `()` and `None` mean that there is nothing to keep.
        let output = Some(output).filter(|text| text != "null");
        Ok(Success { output, warnings: self.warnings, event })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn nothing_returned_is_no_output() {
        assert_eq!(().into_success().unwrap().output, None);
        assert_eq!(Some(3).into_success().unwrap().output.as_deref(), Some("3"));
    }

    #[test]
    fn warnings_and_event_are_carried_along() {
        let outcome = Outcome::new("seated").warning("late").warnings(["hungry"]).event([1, 2]);
        let success = outcome.into_success().unwrap();
        assert_eq!(success.output.as_deref(), Some("\"seated\""));
        assert_eq!(success.warnings, ["late", "hungry"]);
        assert_eq!(success.event.as_deref(), Some("[1,2]"));
    }

    #[test]
    fn what_json_cannot_say_is_a_reject() {
        let unsayable = BTreeMap::from([((1, 2), 3)]);
        let failure = unsayable.clone().into_success().unwrap_err();
        assert!(failure.message().starts_with("the output cannot"), "{failure:?}");
        let failure = Outcome::new(()).event(unsayable).into_success().unwrap_err();
        assert!(failure.message().starts_with("the event cannot"), "{failure:?}");
    }
}
