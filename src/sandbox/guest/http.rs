//! Handlers of HTTP: the event comes as a request with a CloudEvent in it, and the status of the answer says how it went.

use crate::domain::{Context, Ending, Failure, Json, Outcome, Reason, Timestamp};
use crate::sandbox::Refusal;
use crate::sandbox::failure::Stop;
use crate::sandbox::host::State;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::header::{CONTENT_TYPE, RETRY_AFTER};
use hyper::http::response::Parts;
use hyper::{Request, Response, StatusCode};
use serde::Serialize;
use tokio::sync::oneshot;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, ResourceType, Type};
use wasmtime::{Store, format_err};
use wasmtime_wasi_http::WasiHttpView as _;
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, Scheme};
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

pub(super) const EXPORT: &str = "wasi:http/incoming-handler@0.2";
pub(super) const EXPORT_TYPE: &str =
    "wasi:http/incoming-handler@0.2 with handle: func(request: incoming-request, response-out: response-outparam)";

const TYPES: &str = "wasi:http/types@0.2";

/// What the request is sent to: nobody, as RFC 2606 has it. There is no more than one handler to reach.
const ADDRESS: &str = "http://fusebox.invalid/";
/// What a handler sets instead of an answer, or its answer; none if it ended without.
type Set = Result<Response<HyperOutgoingBody>, ErrorCode>;

pub(super) async fn run(
    handler: &ProxyPre<State>,
    store: &mut Store<State>,
    context: &Context,
) -> wasmtime::Result<Ending> {
    let instance = handler.instantiate_async(&mut *store).await?;
    let (sender, set) = oneshot::channel();
    let mut http = store.data_mut().http();
    let request = http.new_incoming_request(Scheme::Http, request(context)?)?;
    let out = http.new_response_outparam(sender)?;
    let limit_bytes = context.limits.output_bytes;
    let mut body = Vec::new();
    let handle = async {
        instance.wasi_http_incoming_handler().call_handle(&mut *store, request, out).await?;
        // Without this an answer that it never set, and a body that it never finished, would be waited for.
        store.data_mut().close();
        wasmtime::Result::Ok(())
    };
    // The answer is read while it is written: what is past the limit is never kept.
    let handled = tokio::try_join!(handle, read(set, &mut body, limit_bytes));
    let counted = store.data_mut().count_output(body.len() as u64);
    let ((), read) = handled?;
    counted?;
    match read {
        Read::Nothing => {
            let message = "ended without an answer: it never set the response".to_owned();
            Err(Stop { reason: Reason::GuestError, message }.into())
        }
        Read::Error(code) => {
            let said = match code {
                ErrorCode::InternalError(Some(said)) => said,
                code => format!("{code:?}"),
            };
            let message = format!("answered with an error: {said}");
            Ok(Ending::Failure(Failure::Retry { message, after_ms: None }))
        }
        Read::Answer(parts) => Ok(ending(&parts, body, context.now)?),
    }
}

/// What came of a handler, but for the body.
enum Read {
    Nothing,
    Error(ErrorCode),
    Answer(Box<Parts>),
}

async fn read(set: oneshot::Receiver<Set>, kept: &mut Vec<u8>, limit_bytes: u64) -> wasmtime::Result<Read> {
    let response = match set.await {
        Err(_) => return Ok(Read::Nothing),
        Ok(Err(code)) => return Ok(Read::Error(code)),
        Ok(Ok(response)) => response,
    };
    let (parts, mut body) = response.into_parts();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| {
            let message = "broke off its answer before the end of the body".to_owned();
            Stop { reason: Reason::GuestError, message }
        })?;
        // Trailers say nothing here.
        let Ok(data) = frame.into_data() else { continue };
        kept.extend_from_slice(&data);
        if kept.len() as u64 > limit_bytes {
            let message = format!("answered with more than its output limit of {limit_bytes} bytes");
            return Err(Stop { reason: Reason::OutputLimit, message }.into());
        }
    }
    Ok(Read::Answer(Box::new(parts)))
}

/// The event as CloudEvents 1.0 has it in JSON. Attributes are no JSON values there, so what is JSON is in them as text.
#[derive(Serialize)]
struct CloudEvent<'a> {
    specversion: &'static str,
    /// The run: the same event may be for several, and each attempt of one is the same again.
    id: String,
    source: String,
    r#type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    time: Timestamp,
    datacontenttype: &'static str,
    fuseboxattempt: u32,
    #[serde(skip_serializing_if = "str::is_empty")]
    fuseboxtenant: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    fuseboxscope: Option<String>,
    fuseboxparams: &'a str,
    fuseboxinput: &'a str,
    fuseboxroot: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fuseboxparent: Option<String>,
    fuseboxdepth: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    fuseboxoutcome: Option<&'a str>,
    fuseboxdeadline: Timestamp,
    data: &'a Json,
}

fn request(context: &Context) -> wasmtime::Result<Request<Full<Bytes>>> {
    let Context { chain, .. } = context;
    let event = CloudEvent {
        specversion: "1.0",
        id: context.run_id.to_string(),
        source: format!("/event/{}", context.event_id),
        r#type: &context.trigger,
        subject: context.object.as_ref().map(ToString::to_string),
        time: context.event_time,
        datacontenttype: "application/json",
        fuseboxattempt: context.attempt,
        fuseboxtenant: context.tenant.as_str(),
        fuseboxscope: context.scope.as_ref().map(ToString::to_string),
        fuseboxparams: context.params.as_str(),
        fuseboxinput: context.input.as_str(),
        fuseboxroot: chain.root.to_string(),
        fuseboxparent: chain.parent.map(|parent| parent.to_string()),
        fuseboxdepth: chain.depth,
        fuseboxoutcome: chain.parent_outcome.as_ref().map(Json::as_str),
        fuseboxdeadline: context.now.plus_ms(context.limits.timeout_ms),
        data: &context.payload,
    };
    let request = Request::post(ADDRESS).header(CONTENT_TYPE, "application/cloudevents+json; charset=utf-8");
    Ok(request.body(Full::new(serde_json::to_vec(&event)?.into()))?)
}

/// What the status means. Statuses that say "later" are another attempt's.
fn ending(answer: &Parts, body: Vec<u8>, now: Timestamp) -> Result<Ending, Stop> {
    let status = answer.status;
    if status.is_success() {
        return Ok(Ending::Outcome(Outcome { output: output(answer, body)?, warnings: Vec::new(), event: None }));
    }
    // Whole: secrets are not hidden in it yet.
    let says = match String::from_utf8_lossy(&body).trim() {
        "" => String::new(),
        says => format!(": {says}"),
    };
    let message = format!("answered {status}{says}");
    Ok(Ending::Failure(if is_for_later(status) {
        Failure::Retry { message, after_ms: retry_after_ms(answer, now) }
    } else {
        Failure::Reject { message, code: status.as_u16().into() }
    }))
}

fn is_for_later(status: StatusCode) -> bool {
    let later = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS];
    status.is_server_error() || later.contains(&status)
}

/// `Retry-After` (RFC 9110, 10.2.3): seconds, or a date. What is neither says nothing.
fn retry_after_ms(answer: &Parts, now: Timestamp) -> Option<u64> {
    let text = answer.headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(seconds.saturating_mul(1000));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Timestamp::from_ms(date.as_millisecond()).ms_since(now))
}

/// The body of an answer: JSON as it is, a text as a string. One that does not say which is JSON if it can be read so.
fn output(answer: &Parts, body: Vec<u8>) -> Result<Option<Json>, Stop> {
    if body.trim_ascii().is_empty() {
        return Ok(None);
    }
    let refuse = |why: String| Stop { reason: Reason::GuestError, message: format!("the body of its answer is {why}") };
    let said = answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = said.map(|said| said.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    let text = String::from_utf8(body)
        .map_err(|error| refuse(format!("not UTF-8 at byte {}", error.utf8_error().valid_up_to())))?;
    let string = |text: String| Json::from(serde_json::Value::from(text));
    match essence {
        Some(essence) if essence.ends_with("/json") || essence.ends_with("+json") => {
            Json::parse(text).map(Some).map_err(|error| refuse(error.to_string()))
        }
        Some(_) => Ok(Some(string(text))),
        None => Ok(Some(Json::parse(text.clone()).unwrap_or_else(|_| string(text)))),
    }
}

/// Checks the type of the exported `handle`. The resources in it are those of the interface that the component imports.
pub(super) fn check_exports(component: &Component) -> Result<(), Refusal> {
    let (export, handle) = super::function(component, EXPORT, "handle");
    let fits = handle.and_then(|handle| {
        let params: Vec<Type> = handle.params().map(|(_, ty)| ty).collect();
        let expected = ["incoming-request", "response-outparam"].map(|name| imported(component, name).map(Type::Own));
        let same =
            params.len() == expected.len() && params.iter().zip(&expected).all(|(ty, want)| Some(ty) == want.as_ref());
        if same && handle.results().len() == 0 {
            Ok(())
        } else {
            Err(format_err!("`handle` has other parameters or results"))
        }
    });
    fits.map_err(|error| Refusal::ExportType {
        export,
        expected: EXPORT_TYPE.to_owned(),
        message: format!("{error:#}"),
    })
}

/// A resource of `wasi:http/types` as the component imports it.
fn imported(component: &Component, name: &str) -> Option<ResourceType> {
    let (ty, engine) = (component.component_type(), component.engine());
    let (_, import) = ty.imports(engine).find(|(import, _)| super::track(import) == TYPES)?;
    let ComponentItem::ComponentInstance(types) = import.ty else { return None };
    match types.get_export(engine, name)?.ty {
        ComponentItem::Resource(resource) => Some(resource),
        _ => None,
    }
}
