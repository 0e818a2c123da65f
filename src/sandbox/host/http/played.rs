//! Peers that are played: what they would answer is given, and nothing leaves the process.
//!
//! The answer goes through a connection as any does, so that whatever counts, bounds and reads a peer's does so here.

use super::CallError;
use super::exchange::Answer;
use super::request::Head;
use crate::domain::{HttpAnswer, HttpExchange, HttpFault, HttpOutcome, HttpRequest};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

/// Under way between the two ends at once.
const BUFFER_BYTES: usize = 16 << 10;

/// Who answers the requests of guests.
#[derive(Clone, Default)]
pub enum Answering {
    /// Those whom they are sent to.
    #[default]
    Peers,
    /// The same, and every exchange is told.
    Told(Arc<dyn Fn(HttpExchange) + Send + Sync>),
    /// Nobody is asked: this says what they would answer.
    Played(Arc<Play>),
}

type Play = dyn Fn(&HttpRequest) -> HttpOutcome + Send + Sync;

impl fmt::Debug for Answering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Answering::Peers => "Peers",
            Answering::Told(_) => "Told",
            Answering::Played(_) => "Played",
        })
    }
}

impl Answering {
    pub(super) fn is_told(&self) -> bool {
        matches!(self, Answering::Told(_))
    }

    /// What is asked, for whoever wants to know; `None` when nobody does.
    pub(super) fn asked(&self, head: &Head, place: u64) -> Option<HttpRequest> {
        self.is_told().then(|| head.shown(place))
    }

    /// What came of a request.
    pub(super) fn tell(&self, asked: Option<HttpRequest>, came: Result<&Answer, &CallError>) {
        let (Answering::Told(told), Some(request)) = (self, asked) else { return };
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let answer = came.map_err(|error| (error.fault, error.message.clone())).map(|answer| {
            let Answer { status, headers, body } = answer;
            let headers = headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
            HttpAnswer { status: status.as_u16(), headers, body: body.to_vec() }
        });
        told(HttpExchange { request, answer });
    }
}

/// A connection to a peer that is played.
pub(super) struct Stage {
    ours: DuplexStream,
    /// The other end; `None` when it has said all.
    peer: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

/// A connection that brings the answer, and the headers of that: they are put into its place when it came, to the letter.
pub(super) fn connect(play: &Play, asked: &HttpRequest) -> Result<(Stage, HeaderMap), CallError> {
    let HttpAnswer { status, headers, body } = play(asked).map_err(|(fault, message)| CallError { fault, message })?;
    let unusable = |what: &str| CallError::new(HttpFault::Failed, format!("the recorded answer has no usable {what}"));
    let status = StatusCode::from_u16(status).ok().filter(|status| !status.is_informational());
    let status = status.ok_or_else(|| unusable("status"))?;
    let mut all = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let name = HeaderName::try_from(name).map_err(|_| unusable("header"))?;
        all.append(name, HeaderValue::try_from(value).map_err(|_| unusable("header"))?);
    }
    Ok((Stage::with(status, body.into()), all))
}

impl Stage {
    fn with(status: StatusCode, body: Bytes) -> Stage {
        let (ours, theirs) = tokio::io::duplex(BUFFER_BYTES);
        let answering = service_fn(move |request: Request<Incoming>| {
            let mut response = Response::new(Full::new(body.clone()));
            *response.status_mut() = status;
            async move {
                // To its end, as far as the guest sends it.
                drop(request.into_body().collect().await);
                Ok::<_, Infallible>(response)
            }
        });
        let mut server = http1::Builder::new();
        server.auto_date_header(false);
        let serving = server.serve_connection(TokioIo::new(theirs), answering);
        Stage { ours, peer: Some(Box::pin(async move { drop(serving.await) })) }
    }

    /// Lets the other end go on: it has no task of its own.
    fn advance(&mut self, task: &mut Context<'_>) {
        if self.peer.as_mut().is_some_and(|peer| peer.as_mut().poll(task).is_ready()) {
            self.peer = None;
        }
    }
}

impl AsyncRead for Stage {
    fn poll_read(mut self: Pin<&mut Self>, task: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.advance(task);
        Pin::new(&mut self.ours).poll_read(task, buffer)
    }
}

impl AsyncWrite for Stage {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.advance(task);
        Pin::new(&mut self.ours).poll_write(task, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.ours).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.ours).poll_shutdown(task)
    }
}
