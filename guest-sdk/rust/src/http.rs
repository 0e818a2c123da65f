//! Outgoing HTTP: only to the hosts that the action and its sink type allow, within the attempt's limits, and on the
//! attempt's record.
//!
//! ```
//! use fusebox_sdk::testing::{Sample, run};
//! use fusebox_sdk::{Failure, action, http, json};
//!
//! #[action]
//! fn tell(payload: String) -> Result<u16, Failure> {
//!     let answer = http::post("https://chat.example/hook").json(&json!({ "text": payload })).send()?;
//!     // A status that says "later" becomes a retry, another that is no success a reject.
//!     Ok(answer.success()?.status)
//! }
//!
//! let sample = Sample::new(json!("hello")).answers("https://chat.example/hook", 204, "");
//! let report = run(tell_action, sample.clone());
//! assert_eq!(report.output(), &json!(204));
//! assert_eq!(report.requests()[0].method, "POST");
//!
//! let report = run(tell_action, sample.answers("https://chat.example/hook", 503, "busy"));
//! assert!(report.failure().is_retry());
//! ```
//!
//! Redirects are answers like others: they are not followed. A component imports the host's `fusebox:action/http` only
//! when it uses this module.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Failure;

/// A request to fetch something.
#[must_use]
pub fn get(url: impl Into<String>) -> Request {
    Request::new("GET", url)
}

/// A request that brings something.
#[must_use]
pub fn post(url: impl Into<String>) -> Request {
    Request::new("POST", url)
}

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: String,
    /// `https://host/path?query`
    pub url: String,
    /// Names and values, in order.
    pub headers: Vec<(String, String)>,
    /// The bytes; none for a request without a body.
    pub body: Vec<u8>,
    /// For this call; the attempt's time limit holds all the same.
    pub timeout: Option<Duration>,
    /// A body that could not be written; `send` says so.
    broken: Option<String>,
}

impl Request {
    /// A request without headers and body.
    #[must_use]
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            method: method.into(),
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout: None,
            broken: None,
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The body, as it is.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// The body as JSON, with its content type.
    #[must_use]
    pub fn json(mut self, body: &impl Serialize) -> Self {
        match serde_json::to_vec(body) {
            Ok(body) => self.body = body,
            Err(error) => self.broken = Some(error.to_string()),
        }
        self.header("content-type", "application/json")
    }

    /// How long this call may take.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sends it and waits for the whole answer.
    ///
    /// # Errors
    /// There is no answer; any status is one.
    pub fn send(self) -> Result<Response, Error> {
        match &self.broken {
            Some(message) => Err(Error::Invalid(format!("the body cannot be written as JSON: {message}"))),
            None => host::send(self),
        }
    }
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// 200, 404, …
    pub status: u16,
    /// Names and values, in order.
    pub headers: Vec<(String, String)>,
    /// The bytes.
    pub body: Vec<u8>,
}

impl Response {
    /// The first header of that name, in whatever case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as text; what is no UTF-8 in it is replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as a type of yours.
    ///
    /// # Errors
    /// A reject: it is no JSON of that type.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.body)
            .map_err(|error| Failure::reject(format!("the answer is not as expected: {error}")))
    }

    /// Itself when its status is 200 to 299.
    ///
    /// # Errors
    /// A retry for 408, 425, 429 and from 500 on, not before what a `Retry-After` in seconds says; a reject with the status as
    /// its code for any other.
    pub fn success(self) -> Result<Self, Failure> {
        let message = || format!("the answer has the status {}", self.status);
        match self.status {
            200..=299 => Ok(self),
            408 | 425 | 429 | 500.. => {
                let seconds = self.header("retry-after").and_then(|text| text.trim().parse().ok());
                Err(match seconds {
                    Some(seconds) => Failure::retry_after(message(), Duration::from_secs(seconds)),
                    None => Failure::retry(message()),
                })
            }
            status => Err(Failure::reject(message()).with_code(status.into())),
        }
    }
}

/// Why there is no answer.
///
/// With `?` a timeout and a peer that failed become a retry, everything else a reject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// Not allowed; the text says what and by whom it could be.
    Denied(String),
    /// The request is none; the text says what is wrong.
    Invalid(String),
    /// A limit of the attempt; the text says which.
    Limit(String),
    /// It took too long.
    Timeout(String),
    /// The peer could not be reached or did not speak HTTP.
    Failed(String),
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Denied(text) | Self::Invalid(text) | Self::Limit(text) | Self::Timeout(text) | Self::Failed(text)) =
            self;
        formatter.write_str(text)
    }
}

impl StdError for Error {}

#[cfg(target_family = "wasm")]
mod host {
    use super::{Error, Request, Response};
    use crate::bindings::fusebox::action::http as wit;

    pub(super) fn send(request: Request) -> Result<Response, Error> {
        let timeout_ms = request.timeout.map(|timeout| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
        let Request { method, url, headers, body, .. } = request;
        match wit::send(&wit::Request { method, url, headers, body, timeout_ms }) {
            Ok(wit::Response { status, headers, body }) => Ok(Response { status, headers, body }),
            Err(wit::Error::Denied(text)) => Err(Error::Denied(text)),
            Err(wit::Error::Invalid(text)) => Err(Error::Invalid(text)),
            Err(wit::Error::Limit(text)) => Err(Error::Limit(text)),
            Err(wit::Error::Timeout(text)) => Err(Error::Timeout(text)),
            Err(wit::Error::Failed(text)) => Err(Error::Failed(text)),
        }
    }
}

#[cfg(not(target_family = "wasm"))]
use crate::testing::world::http as host;
