//! The same by `wasi:http`, as languages do it that have an HTTP client of their own.

use crate::{Asked, answer};
use serde_json::{Value, json};
use wasi::http::outgoing_handler::handle;
use wasi::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, IncomingResponse, Method, OutgoingBody, OutgoingRequest, RequestOptions,
    Scheme,
};
use wasi::io::streams::StreamError;

pub(crate) fn send(requests: Vec<Asked>, payload: &Value) -> Vec<Value> {
    let keep = payload["keep"].as_bool().unwrap_or_default();
    if payload["at_once"].as_bool().unwrap_or_default() {
        let begun: Vec<_> = requests.into_iter().map(begin).collect();
        return begun.into_iter().map(|begun| end(begun, keep)).collect();
    }
    requests.into_iter().map(|request| end(begin(request), keep)).collect()
}

fn end(begun: Result<FutureIncomingResponse, Value>, keep: bool) -> Value {
    let future = match begun {
        Ok(future) => future,
        Err(error) => return error,
    };
    future.subscribe().block();
    let response = match future.get() {
        Some(Ok(Ok(response))) => response,
        Some(Ok(Err(code))) => return error(&code),
        _ => return json!({ "error": "no answer" }),
    };
    if keep {
        return json!({ "status": response.status() });
    }
    read(&response)
}

fn begin(asked: Asked) -> Result<FutureIncomingResponse, Value> {
    let wrong = |what: &str| json!({ "error": "refused", "message": what });
    let fields = Fields::new();
    for (name, value) in &asked.headers {
        fields.append(name, &value.clone().into_bytes()).map_err(|error| wrong(&format!("{error:?}")))?;
    }
    let request = OutgoingRequest::new(fields);
    let method = match asked.method.as_str() {
        "GET" => Method::Get,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        other => Method::Other(other.to_owned()),
    };
    request.set_method(&method).map_err(|()| wrong("method"))?;
    let (scheme, rest) = asked.url.split_once("://").ok_or_else(|| wrong("scheme"))?;
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => Scheme::Other(other.to_owned()),
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    request.set_scheme(Some(&scheme)).map_err(|()| wrong("scheme"))?;
    request.set_authority(Some(authority)).map_err(|()| wrong("authority"))?;
    request.set_path_with_query(Some(path)).map_err(|()| wrong("path"))?;
    let body = request.body().map_err(|()| wrong("body"))?;
    let options = asked.timeout_ms.map(|ms| {
        let options = RequestOptions::new();
        let nanos = Some(ms * 1_000_000);
        let _ = options.set_connect_timeout(nanos);
        let _ = options.set_first_byte_timeout(nanos);
        let _ = options.set_between_bytes_timeout(nanos);
        options
    });
    let future = handle(request, options).map_err(|code| error(&code))?;
    if let Err(stopped) = write(body, &asked.body) {
        // The answer says why, unless the peer just does not want all of it.
        let _ = stopped;
    }
    Ok(future)
}

fn write(body: OutgoingBody, bytes: &[u8]) -> Result<(), StreamError> {
    let stream = body.write().map_err(|()| StreamError::Closed)?;
    for chunk in bytes.chunks(4_096) {
        stream.blocking_write_and_flush(chunk)?;
    }
    drop(stream);
    OutgoingBody::finish(body, None).map_err(|_| StreamError::Closed)
}

fn read(response: &IncomingResponse) -> Value {
    let headers = response.headers().entries();
    let headers = headers.iter().map(|(name, value)| json!([name, String::from_utf8_lossy(value)])).collect();
    let mut bytes = Vec::new();
    let body = match response.consume() {
        Ok(body) => body,
        Err(()) => return json!({ "error": "no body" }),
    };
    let stream = match body.stream() {
        Ok(stream) => stream,
        Err(()) => return json!({ "error": "no stream" }),
    };
    loop {
        match stream.blocking_read(64 << 10) {
            Ok(chunk) => bytes.extend(chunk),
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(failed)) => {
                let code = wasi::http::types::http_error_code(&failed);
                let shown = code.as_ref().map_or_else(|| json!({ "error": failed.to_debug_string() }), error);
                return json!({ "error": shown["error"], "status": response.status(), "body_bytes": bytes.len() });
            }
        }
    }
    answer(response.status(), headers, &bytes)
}

fn error(code: &ErrorCode) -> Value {
    match code {
        ErrorCode::InternalError(message) => json!({ "error": "internal", "message": message }),
        other => json!({ "error": format!("{other:?}") }),
    }
}
