//! `wasi:http` 0.2: the same gate, with bodies that are streams.
//!
//! Where an attempt has secrets that its guest does not see, bodies are collected before they go on: a value may stand
//! across two pieces of one. So are those that are told to somebody.

use super::exchange::{Begun, Driver, begin, fill, granted, whole, within};
use super::gate::{Call, Gate};
use super::request::{HEADERS_BYTES_MAX, Head};
use super::{CallError, State};
use crate::domain::{Host, HttpFault, HttpRequest, Scheme};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::{Request, Response, Uri, header};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::time::Sleep;
use wasmtime::component::Linker;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView};

/// What a guest may write to a body at once; it is held until the connection takes it.
const CHUNK_BYTES: usize = 16 << 10;
/// How long a guest that says something of time, but not of this, waits for a connection and for an answer.
const USUAL_STEP: Duration = Duration::from_secs(30);

/// What sends, without its version.
pub(in crate::sandbox) const INTERFACE: &str = "wasi:http/outgoing-handler";

pub(super) fn offer(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)
}

/// The host's side of `wasi:http` for one attempt.
pub(in crate::sandbox::host) struct Hooks {
    context: WasiHttpCtx,
    sending: Sending,
}

/// Of one `fields`, with what each takes in memory. `wasi:http` 0.2 has no error value for one that is too large, so there is room
/// for more than may be sent: what is too much is told when it is sent.
const FIELDS_BYTES_MAX: usize = 2 * HEADERS_BYTES_MAX;

/// What sends; there once the guest uses HTTP.
#[derive(Default)]
struct Sending(Option<Arc<Gate>>);

impl Default for Hooks {
    fn default() -> Hooks {
        let mut context = WasiHttpCtx::new();
        context.set_field_size_limit(FIELDS_BYTES_MAX);
        Hooks { context, sending: Sending::default() }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let gate = Arc::clone(self.outgoing().gate());
        let wasi = self.wasi();
        let Hooks { context, sending } = &mut wasi.http;
        sending.0.get_or_insert(gate);
        WasiHttpCtxView { ctx: context, table: &mut wasi.resources, hooks: sending }
    }
}

type Io = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sent = Result<(Response<WasiBody>, Io), Error>;

impl WasiHttpHooks for Sending {
    /// The gate writes it.
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK_BYTES
    }

    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Io,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let begun = match &self.0 {
            Some(gate) => gate.begin(request.method().as_str(), shown_host(request.uri())),
            None => Err(CallError::new(HttpFault::Failed, "there is no gate")),
        };
        Box::new(async move { send(begun?, request, options.unwrap_or_default()).await.map_err(Error::from) })
    }
}

/// With the scheme, a host for the record; without, whatever there is of it.
fn shown_host(uri: &Uri) -> String {
    let named = uri.host().and_then(|host| Host::parse(host).ok());
    let port = uri.port_u16().or_else(|| Some(Scheme::named(uri.scheme_str()?)?.port()));
    named.zip(port).map(|(host, port)| format!("{host}:{port}")).unwrap_or_default()
}

async fn send(
    mut call: Call,
    request: Request<WasiBody>,
    options: RequestOptions,
) -> Result<(Response<WasiBody>, Io), CallError> {
    let patience = Patience::of(&call.gate, options);
    let mut asked = None;
    let begun = within(patience.head, begun(&mut call, request, &mut asked)).await;
    match begun {
        Err(error) => {
            call.gate.network.answering.tell(asked, Err(&error));
            call.ended(Err(error))
        }
        Ok(Started::Streaming(begun)) => Ok(streaming(call, begun, &patience)),
        Ok(Started::Collected(begun)) => {
            let collected = within(patience.all, whole(&call, begun)).await;
            call.gate.network.answering.tell(asked, collected.as_ref());
            let answer = call.ended(collected)?;
            let mut response = Response::new(Full::new(answer.body).map_err(|never| match never {}).boxed_unsync());
            *response.status_mut() = answer.status;
            *response.headers_mut() = answer.headers;
            if !call.gate.hidden.is_empty() {
                // What was taken out of the body changed its length.
                response.headers_mut().remove(header::CONTENT_LENGTH);
            }
            Ok((response, Box::new(std::future::ready(Ok(())))))
        }
    }
}

/// Until when what is waited for.
struct Patience {
    head: Instant,
    all: Instant,
    /// Between two pieces of the body.
    between: Option<Duration>,
}

impl Patience {
    fn of(gate: &Gate, options: RequestOptions) -> Patience {
        let RequestOptions { connect_timeout, first_byte_timeout, between_bytes_timeout: between } = options;
        if connect_timeout.or(first_byte_timeout).or(between).is_none() {
            let all = gate.deadline(None);
            return Patience { head: all, all, between };
        }
        let step = |given: Option<Duration>| given.unwrap_or(USUAL_STEP);
        let head = step(connect_timeout).saturating_add(step(first_byte_timeout));
        Patience { head: gate.deadline(Some(head)), all: gate.deadline(Some(Duration::MAX)), between }
    }
}

enum Started {
    Streaming(Begun),
    Collected(Begun),
}

async fn begun(
    call: &mut Call,
    request: Request<WasiBody>,
    asked: &mut Option<HttpRequest>,
) -> Result<Started, CallError> {
    let (parts, body) = request.into_parts();
    let mut head = Head::read(parts.method, &parts.uri, parts.headers)?;
    // They ask for what is between two servers.
    for name in [header::EXPECT, header::TE] {
        head.headers.remove(name);
    }
    *asked = call.gate.network.answering.asked(&head, call.place);
    let granted = granted(&call.gate, &head)?;
    if call.gate.hidden.is_empty() && asked.is_none() {
        return begin(call, (head, granted), body).await.map(Started::Streaming);
    }
    let limit = call.gate.body_bytes_max();
    let body = Limited::new(body, limit).collect().await.map_err(|error| {
        if error.is::<http_body_util::LengthLimitError>() {
            call.gate.over_bytes()
        } else {
            CallError::invalid(format!("the guest did not finish the body of its request: {error}"))
        }
    })?;
    let (mut head, body) = fill(&call.gate, head, body.to_bytes())?;
    head.headers.remove(header::CONTENT_LENGTH);
    begin(call, (head, granted), Full::new(body)).await.map(Started::Collected)
}

fn streaming(call: Call, begun: Begun, patience: &Patience) -> (Response<WasiBody>, Io) {
    let is_over = begun.is_over();
    let Begun { response, driver, .. } = begun;
    let Patience { all, between, .. } = *patience;
    let response = response.map(|incoming| {
        let sleep = Box::pin(tokio::time::sleep_until(next_deadline(all, between).into()));
        Streamed { incoming, call, is_over, all, between, sleep }.boxed_unsync()
    });
    (response, Box::new(driven(driver)))
}

/// Moves the connection on while the guest reads. What it ends with, the body ends with too.
async fn driven(driver: Option<Driver>) -> Result<(), Error> {
    if let Some(driver) = driver {
        drop(driver.await);
    }
    Ok(())
}

fn next_deadline(all: Instant, between: Option<Duration>) -> Instant {
    between.and_then(|between| Instant::now().checked_add(between)).map_or(all, |next| next.min(all))
}

/// The body of an answer, as far as the attempt's limits and the call's time go.
struct Streamed {
    incoming: Incoming,
    call: Call,
    is_over: Arc<AtomicBool>,
    all: Instant,
    between: Option<Duration>,
    sleep: Pin<Box<Sleep>>,
}

impl Body for Streamed {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        let error = match Pin::new(&mut this.incoming).poll_frame(task) {
            Poll::Ready(Some(Ok(frame))) => {
                this.sleep.as_mut().reset(next_deadline(this.all, this.between).into());
                return Poll::Ready(Some(Ok(frame)));
            }
            Poll::Ready(None) => {
                // Its end is written down; there is nothing else to know of it.
                let _ = this.call.ended(Ok(()));
                return Poll::Ready(None);
            }
            Poll::Ready(Some(Err(error))) => Begun::error_of(&this.is_over, &this.call.gate, &error),
            Poll::Pending if this.sleep.as_mut().poll(task).is_pending() => return Poll::Pending,
            Poll::Pending => CallError::new(HttpFault::Timeout, "the rest of the answer did not come in time"),
        };
        let ended: Result<(), CallError> = this.call.ended(Err(error));
        Poll::Ready(ended.err().map(|error| Err(Error::from(error))))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

/// In the codes of `wasi:http`; the words are in the attempt's record.
impl From<CallError> for Error {
    fn from(CallError { fault, message }: CallError) -> Error {
        match fault {
            HttpFault::Denied => Error::HttpRequestDenied,
            HttpFault::Limit => Error::ConnectionLimitReached,
            HttpFault::Timeout => Error::HttpResponseTimeout,
            HttpFault::Invalid | HttpFault::Failed | HttpFault::BrokenOff => Error::InternalError(Some(message)),
        }
    }
}
