//! Fires further events when the run succeeds, and none when it does not.
//!
//! ```
//! use fusebox_sdk::testing::{Sample, run};
//! use fusebox_sdk::{Failure, action, emit, json};
//!
//! #[action]
//! fn confirm(payload: u32) -> Result<(), Failure> {
//!     emit::event("booking_confirmed", &json!({ "booking": payload }))?;
//!     Ok(())
//! }
//!
//! let report = run(confirm_action, Sample::new(json!(7)));
//! assert_eq!(report.emitted()[0].event_type, "booking_confirmed");
//! assert_eq!(report.emitted()[0].payload, json!({ "booking": 7 }));
//! ```
//!
//! A component imports the host's `fusebox:action/emit` only when it uses this module.

use std::error::Error as StdError;
use std::fmt;

use serde::Serialize;

use crate::ObjectRef;

/// Why an event will not be fired. With `?` it becomes a reject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// There is no such event type here, or it may not be fired; the text says what.
    Refused(String),
    /// The text says which limit.
    Limit(String),
    /// The payload cannot be written as JSON.
    Json(String),
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(text) | Self::Limit(text) => formatter.write_str(text),
            Self::Json(text) => write!(formatter, "the payload cannot be written as JSON: {text}"),
        }
    }
}

impl StdError for Error {}

/// Fires an event on the object of this run's event, once the run has succeeded.
///
/// # Errors
/// The host refuses it, or one of its limits does.
pub fn event(event_type: &str, payload: &impl Serialize) -> Result<(), Error> {
    host::event(event_type, text(payload)?, None)
}

/// Fires an event on another object, once the run has succeeded.
///
/// # Errors
/// The host refuses it, or one of its limits does.
pub fn event_on(object: &ObjectRef, event_type: &str, payload: &impl Serialize) -> Result<(), Error> {
    host::event(event_type, text(payload)?, Some(object))
}

fn text(payload: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(payload).map_err(|error| Error::Json(error.to_string()))
}

#[cfg(target_family = "wasm")]
mod host {
    use super::Error;
    use crate::ObjectRef;
    use crate::bindings::fusebox::action::emit as wit;

    pub(super) fn event(event_type: &str, payload: String, object: Option<&ObjectRef>) -> Result<(), Error> {
        let object = object
            .cloned()
            .map(|object| wit::ObjectRef { object_type: object.object_type, object_id: object.object_id });
        wit::event(event_type, &payload, object.as_ref()).map_err(|error| match error {
            wit::Error::Refused(text) => Error::Refused(text),
            wit::Error::Limit(text) => Error::Limit(text),
        })
    }
}

#[cfg(not(target_family = "wasm"))]
use crate::testing::world::emit as host;
