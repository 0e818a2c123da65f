//! One request and its answer.

use super::CallError;
use super::connect::{Connection, connect};
use super::counted::Counted;
use super::gate::{Call, Gate};
use super::played::{self, Answering};
use super::request::{HEADERS_MAX, Head};
use crate::domain::{Granted, HttpFault};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::error::Error;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio_util::either::Either;

/// The head of an answer, in bytes; it is also what is read ahead of the guest.
const ANSWER_HEAD_BYTES_MAX: usize = 64 << 10;

/// An answer that is all there.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// What drives a connection while its answer is waited for and read.
pub(super) type Driver = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

/// An answer whose body is on its way.
pub(super) struct Begun {
    pub(super) response: Response<Incoming>,
    /// `None` when the connection has ended already.
    pub(super) driver: Option<Driver>,
    is_over: Arc<AtomicBool>,
}

/// Sends a request whose body is all there, and waits for all of the answer.
///
/// # Errors
/// See [`CallError`]; whatever it is, the attempt goes on.
pub(super) async fn send(
    call: &mut Call,
    head: Head,
    body: Bytes,
    timeout: Option<Duration>,
) -> Result<Answer, CallError> {
    let deadline = call.gate.deadline(timeout);
    let asked = call.gate.network.answering.asked(&head, call.place);
    let all = async {
        let granted = granted(&call.gate, &head)?;
        let (head, body) = fill(&call.gate, head, body)?;
        let begun = begin(call, (head, granted), Full::new(body)).await?;
        whole(call, begun).await
    };
    let result = within(deadline, all).await;
    call.gate.network.answering.tell(asked, result.as_ref());
    call.ended(result)
}

/// Whether the request may be sent, and to which addresses.
///
/// # Errors
/// Its action or its sink type does not allow it.
pub(super) fn granted(gate: &Gate, head: &Head) -> Result<Granted, CallError> {
    gate.reach.check(&head.destination).map_err(|message| CallError::new(HttpFault::Denied, message))
}

/// Puts the secrets into a request that the guest does not see.
pub(super) fn fill(gate: &Gate, mut head: Head, mut body: Bytes) -> Result<(Head, Bytes), CallError> {
    if !gate.hidden.is_empty() {
        gate.hidden.fill(&head.destination, (&mut head.query, &mut head.headers, &mut body))?;
        // What comes back compressed cannot be looked through for what it says again.
        head.headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    }
    Ok((head, body))
}

/// Does it before the deadline.
pub(super) async fn within<T>(
    deadline: Instant,
    work: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    let late = || CallError::new(HttpFault::Timeout, "there was no whole answer in time");
    tokio::time::timeout_at(deadline.into(), work).await.unwrap_or_else(|_| Err(late()))
}

/// Sends a request as far as to the head of its answer.
pub(super) async fn begin<B>(call: &mut Call, (head, granted): (Head, Granted), body: B) -> Result<Begun, CallError>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let Call { gate, entry, place, line, .. } = call;
    *line = gate.network.line().await;
    let authority = head.destination.authority();
    let (connection, headers) = match &gate.network.answering {
        Answering::Played(play) => {
            let (stage, headers) = played::connect(&**play, &head.shown(*place))?;
            (Connection::Right(Either::Right(stage)), Some(headers))
        }
        _ => (connect(&gate.network, &head.destination, granted).await?, None),
    };
    let request: Request<B> = head.into_request(body)?;
    let is_over = Arc::new(AtomicBool::new(false));
    let counted =
        Counted { connection, gate: Arc::clone(gate), entry: Arc::clone(entry), is_over: Arc::clone(&is_over) };
    let failed = |error: &hyper::Error| read_error(gate, (&is_over, &authority), error);
    let mut builder = http1::Builder::new();
    builder.max_headers(HEADERS_MAX).max_buf_size(ANSWER_HEAD_BYTES_MAX);
    let (mut sender, connection) = builder.handshake(TokioIo::new(counted)).await.map_err(|error| failed(&error))?;
    let mut driver: Option<Driver> = Some(Box::pin(connection));
    let mut response = drive(&mut driver, sender.send_request(request)).await.map_err(|error| failed(&error))?;
    if let Some(headers) = headers {
        *response.headers_mut() = headers;
    }
    entry.answered(response.status().as_u16());
    Ok(Begun { response, driver, is_over })
}

/// The rest of an answer, without what secrets it says again.
pub(super) async fn whole(call: &Call, begun: Begun) -> Result<Answer, CallError> {
    let Begun { response, mut driver, is_over } = begun;
    let (head, body) = response.into_parts();
    let collected = drive(&mut driver, body.collect()).await;
    let body = collected.map_err(|error| read_error(&call.gate, (&is_over, "the peer"), &error))?.to_bytes();
    let mut headers = head.headers;
    call.gate.hidden.take_out_of(&mut headers);
    Ok(Answer { status: head.status, headers, body: call.gate.hidden.take_out(body) })
}

impl Begun {
    /// Why reading the body failed.
    pub(super) fn error_of(is_over: &AtomicBool, gate: &Gate, error: &hyper::Error) -> CallError {
        read_error(gate, (is_over, "the peer"), error)
    }

    pub(super) fn is_over(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_over)
    }
}

fn read_error(gate: &Gate, (is_over, authority): (&AtomicBool, &str), error: &hyper::Error) -> CallError {
    if is_over.load(Ordering::Relaxed) {
        return gate.over_bytes();
    }
    if error.is_parse_too_large() {
        let message = format!(
            "`{authority}` answered with more than {HEADERS_MAX} headers or {} KiB of them",
            ANSWER_HEAD_BYTES_MAX >> 10
        );
        return CallError::new(HttpFault::Limit, message);
    }
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    CallError::new(HttpFault::Failed, format!("`{authority}` did not answer as HTTP does: {error}{cause}"))
}

/// Waits for something that comes over a connection, and moves the connection on meanwhile.
async fn drive<T>(driver: &mut Option<Driver>, wanted: impl Future<Output = T>) -> T {
    let mut wanted = pin!(wanted);
    std::future::poll_fn(|task| {
        if let Poll::Ready(result) = wanted.as_mut().poll(task) {
            return Poll::Ready(result);
        }
        if let Some(connection) = driver
            && connection.as_mut().poll(task).is_ready()
        {
            // What it ended with comes to whoever waits for it.
            *driver = None;
        }
        wanted.as_mut().poll(task)
    })
    .await
}
