//! A handler of HTTP that answers as its payload says: `status`, `headers`, `body` (a text), `chunks` (how often the body
//! is written), and `end`, which is how it ends.
#![cfg(target_family = "wasm")]

use serde_json::{Value, json};
use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam, StatusCode,
};

struct Handler;

wasip2::http::proxy::export!(Handler);

impl Guest for Handler {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let told = Told::of(request);
        let payload = told.event["data"].clone();
        match payload["end"].as_str() {
            // Without an answer, by giving the place for it up or by keeping it.
            Some("silent") => drop(out),
            Some("forgetful") => std::mem::forget(out),
            Some("error") => ResponseOutparam::set(out, Err(ErrorCode::InternalError(Some("out of order".to_owned())))),
            Some("panic") => panic!("asked to"),
            Some("loop") => loop {
                std::hint::black_box(());
            },
            end => answer(&payload, &told, end, out),
        }
    }
}

/// What the request was.
struct Told {
    event: Value,
    line: String,
    content_type: String,
}

impl Told {
    fn of(request: IncomingRequest) -> Told {
        let authority = request.authority().unwrap_or_default();
        let line = format!("{:?} {authority}{}", request.method(), request.path_with_query().unwrap_or_default());
        let content_type = request.headers().get("content-type").concat();
        let body = request.consume().expect("a body");
        let stream = body.stream().expect("its stream");
        let mut bytes = Vec::new();
        while let Ok(chunk) = stream.blocking_read(64 << 10) {
            bytes.extend(chunk);
        }
        let event = serde_json::from_slice(&bytes).expect("JSON");
        Told { event, line, content_type: String::from_utf8_lossy(&content_type).into_owned() }
    }
}

fn answer(payload: &Value, told: &Told, end: Option<&str>, out: ResponseOutparam) {
    let headers = Fields::new();
    for (name, value) in payload["headers"].as_object().into_iter().flatten() {
        headers.append(name, value.as_str().unwrap_or_default().as_bytes()).expect("a header");
    }
    let response = OutgoingResponse::new(headers);
    let status = payload["status"].as_u64().and_then(|status| StatusCode::try_from(status).ok());
    response.set_status_code(status.unwrap_or(200)).expect("a status");
    let body = response.body().expect("a body");
    ResponseOutparam::set(out, Ok(response));
    let text = match payload["body"].as_str() {
        Some(text) => text.to_owned(),
        None if payload["echo"] == true => {
            json!({ "event": told.event, "line": told.line, "content_type": told.content_type }).to_string()
        }
        None => String::new(),
    };
    let stream = body.write().expect("a stream");
    'body: for _ in 0..payload["chunks"].as_u64().unwrap_or(1) {
        for piece in text.as_bytes().chunks(4096) {
            if stream.blocking_write_and_flush(piece).is_err() {
                break 'body;
            }
        }
    }
    drop(stream);
    match end {
        // Neither finished nor given up.
        Some("open") => std::mem::forget(body),
        Some("broken") => drop(body),
        Some("panic later") => panic!("after the answer"),
        _ => drop(OutgoingBody::finish(body, None)),
    }
}
