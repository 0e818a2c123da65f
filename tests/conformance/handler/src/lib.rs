//! The conformance guest as a handler of HTTP without any SDK, see ../README.md: what serves requests elsewhere, serves events here.
#![cfg(target_family = "wasm")]

use std::hint::black_box;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingBody, IncomingRequest, Method, OutgoingBody, OutgoingRequest, OutgoingResponse,
    ResponseOutparam, Scheme,
};

/// For an event that is refused, and for one that asks for what there is none of.
const REFUSED: u16 = 422;
const UNKNOWN: u16 = 404;
const BROKEN: u16 = 400;
/// For one that may be taken later, with `Retry-After`.
const LATER: u16 = 503;

struct Handler;

wasip2::http::proxy::export!(Handler);

impl Guest for Handler {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let event = request.consume().ok().and_then(|body| serde_json::from_slice(&read(&body)).ok());
        let event: Value = event.unwrap_or_default();
        answer(out, &run(&event).unwrap_or_else(|failed| failed));
    }
}

struct Answer {
    status: u16,
    content_type: &'static str,
    retry_after_s: Option<u64>,
    body: String,
}

fn done(output: &Value) -> Result<Answer, Answer> {
    Ok(Answer { status: 200, content_type: "application/json", retry_after_s: None, body: output.to_string() })
}

fn failed(status: u16, message: impl Into<String>) -> Answer {
    Answer { status, content_type: "text/plain", retry_after_s: None, body: message.into() }
}

fn run(event: &Value) -> Result<Answer, Answer> {
    let payload = &event["data"];
    let message = || payload["message"].as_str().unwrap_or_default().to_owned();
    match payload["do"].as_str().unwrap_or_default() {
        "echo" => done(payload),
        // Statuses have a meaning of their own, so the code is not told.
        "reject" => Err(failed(REFUSED, message())),
        "retry" => {
            let after = payload["after_ms"].as_u64().map(|ms| ms.div_ceil(1_000));
            Err(Answer { retry_after_s: after, ..failed(LATER, message()) })
        }
        "trap" => panic!("a trap was asked for"),
        "loop" => {
            let mut turns: u64 = 0;
            loop {
                turns = black_box(turns.wrapping_add(1));
            }
        }
        "hog" => {
            let mut taken: Vec<Vec<u8>> = Vec::new();
            loop {
                taken.push(black_box(vec![1; 1 << 20]));
            }
        }
        "log" => {
            (1..=3).for_each(|n| eprintln!("line {n}"));
            done(&json!({ "logged": 3 }))
        }
        "print" => {
            println!("printed");
            eprintln!("complained");
            done(&json!({ "printed": true }))
        }
        "params" => done(&text_of_json(&event["fuseboxparams"])),
        "input" => done(&text_of_json(&event["fuseboxinput"])),
        "context" => done(&told(event)),
        "http" => done(&fetched(payload)),
        "time" => time(),
        "big" => {
            let bytes = payload["bytes"].as_u64().and_then(|bytes| bytes.try_into().ok()).unwrap_or(0);
            done(&Value::String("x".repeat(bytes)))
        }
        other => Err(failed(UNKNOWN, format!("unknown: {other}"))),
    }
}

/// Attributes of an event are no objects, so what is JSON is in them as text.
fn text_of_json(attribute: &Value) -> Value {
    attribute.as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// The attributes of the event.
fn told(event: &Value) -> Value {
    let mut attributes = event.clone();
    if let Some(attributes) = attributes.as_object_mut() {
        for name in ["data", "fuseboxparams", "fuseboxinput"] {
            attributes.remove(name);
        }
    }
    attributes
}

fn time() -> Result<Answer, Answer> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|error| failed(BROKEN, error.to_string()))?;
    // The standard library draws the keys of its hash maps from the machine's randomness.
    let random = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0_u8);
    done(&json!({ "now": now.as_millis() as u64, "random": format!("{random:016x}") }))
}

fn fetched(payload: &Value) -> Value {
    match fetch(payload) {
        Ok(answer) => answer,
        Err(ErrorCode::HttpRequestDenied) => json!({ "denied": "this address is not allowed" }),
        Err(ErrorCode::ConnectionLimitReached) => json!({ "limit": "there are no more calls" }),
        Err(ErrorCode::HttpResponseTimeout) => json!({ "timeout": "there was no answer in time" }),
        Err(other) => json!({ "failed": format!("{other:?}") }),
    }
}

fn fetch(payload: &Value) -> Result<Value, ErrorCode> {
    let wrong = |()| ErrorCode::HttpRequestUriInvalid;
    let request = OutgoingRequest::new(Fields::new());
    let method = match payload["method"].as_str().unwrap_or("GET") {
        "GET" => Method::Get,
        other => Method::Other(other.to_owned()),
    };
    let url = payload["url"].as_str().unwrap_or_default();
    let (scheme, rest) = url.split_once("://").ok_or(ErrorCode::HttpRequestUriInvalid)?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let scheme = if scheme == "https" { Scheme::Https } else { Scheme::Http };
    request.set_method(&method).map_err(wrong)?;
    request.set_scheme(Some(&scheme)).map_err(wrong)?;
    request.set_authority(Some(authority)).map_err(wrong)?;
    request.set_path_with_query(Some(path)).map_err(wrong)?;
    let body = request.body().map_err(wrong)?;
    let future = outgoing_handler::handle(request, None)?;
    write(body, payload["body"].as_str().unwrap_or_default());
    future.subscribe().block();
    let Some(Ok(response)) = future.get() else { return Err(ErrorCode::InternalError(None)) };
    let response = response?;
    let bytes = response.consume().map(|body| read(&body)).map_err(|()| ErrorCode::InternalError(None))?;
    Ok(json!({ "status": response.status(), "body": String::from_utf8_lossy(&bytes) }))
}

fn read(body: &IncomingBody) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Ok(stream) = body.stream() {
        while let Ok(chunk) = stream.blocking_read(64 << 10) {
            bytes.extend(chunk);
        }
    }
    bytes
}

fn answer(out: ResponseOutparam, answer: &Answer) {
    let headers = Fields::new();
    let header = |name: &str, value: &str| headers.append(name, value.as_bytes()).expect("a header");
    header("content-type", answer.content_type);
    if let Some(seconds) = answer.retry_after_s {
        header("retry-after", &seconds.to_string());
    }
    let response = OutgoingResponse::new(headers);
    response.set_status_code(answer.status).expect("a status");
    let body = response.body().expect("a body");
    ResponseOutparam::set(out, Ok(response));
    write(body, &answer.body);
}

/// To whoever does not want all of it, no more is written.
fn write(body: OutgoingBody, text: &str) {
    let stream = body.write().expect("a stream");
    // As much as one write takes.
    for piece in text.as_bytes().chunks(4_096) {
        if stream.blocking_write_and_flush(piece).is_err() {
            break;
        }
    }
    drop(stream);
    drop(OutgoingBody::finish(body, None));
}
