//! What is kept of a request that a guest sent by HTTP.

use serde::{Deserialize, Serialize};

/// One call. No path, no header and no body is in it: secrets stand in those.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpCall {
    pub method: String,
    /// With its port; empty when the request named none.
    pub host: String,
    /// What the peer answered, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why it did not come to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<HttpFault>,
    /// The same for people; empty when there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Headers included, before they are encrypted.
    pub sent_bytes: u64,
    pub received_bytes: u64,
    /// From the call to the end of the answer, or to its fault.
    pub ms: u64,
}

/// The kinds of errors that the contract has for HTTP, and one for what the guest left unfinished.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HttpFault {
    /// Not allowed.
    Denied,
    /// It was no request.
    Invalid,
    /// Over a limit of the attempt.
    Limit,
    Timeout,
    /// The peer could not be reached or did not speak HTTP.
    Failed,
    /// The guest, or its attempt, ended before the answer did.
    BrokenOff,
}

impl HttpFault {
    pub fn as_str(self) -> &'static str {
        match self {
            HttpFault::Denied => "denied",
            HttpFault::Invalid => "invalid",
            HttpFault::Limit => "limit",
            HttpFault::Timeout => "timeout",
            HttpFault::Failed => "failed",
            HttpFault::BrokenOff => "broken_off",
        }
    }
}
