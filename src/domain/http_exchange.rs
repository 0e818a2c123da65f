//! A request by HTTP and what came of it, in full: for repeating an attempt, never for its record.

use super::HttpFault;

/// What a guest asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRequest {
    /// Which call of its attempt it is, from 0.
    pub place: u64,
    pub method: String,
    /// With its port, as call records have it.
    pub host: String,
    pub url: String,
}

/// What a peer answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAnswer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// What came of a request: an answer, or why there is none, in a word and in words.
pub type HttpOutcome = Result<HttpAnswer, (HttpFault, String)>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpExchange {
    pub request: HttpRequest,
    pub answer: HttpOutcome,
}
