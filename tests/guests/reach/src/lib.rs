//! Sends what its payload says by HTTP and hands back what came of it, in order:
//!
//! `{"via": "fusebox" | "wasi", "requests": [{"method", "url", "headers", "body", "body_bytes", "timeout_ms", "drop"}]}`,
//! where `{secret}` in a URL, a header or a body stands for the param `secret`, and `body_bytes` for a body of so many
//! letters. `"at_once"` of `wasi` begins all before it waits for the first; `"keep"` of it leaves the answers unread.
#![cfg(target_family = "wasm")]

mod over_wasi;

use fusebox_sdk::bindings::fusebox::action::http::{self, Error};
use fusebox_sdk::bindings::{Context, Failure, Guest, Outcome, export};
use serde_json::{Value, json};

struct Reach;

/// One request of the payload.
struct Asked {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    timeout_ms: Option<u64>,
}

impl Asked {
    fn read(request: &Value, secret: &str) -> Asked {
        let text = |value: &Value| value.as_str().unwrap_or_default().replace("{secret}", secret);
        let pairs = request["headers"].as_array().map(Vec::as_slice).unwrap_or_default();
        let body = match request["body_bytes"].as_u64() {
            Some(bytes) => vec![b'x'; bytes as usize],
            None => text(&request["body"]).into_bytes(),
        };
        Asked {
            method: request["method"].as_str().unwrap_or("GET").to_owned(),
            url: text(&request["url"]),
            headers: pairs.iter().map(|pair| (text(&pair[0]), text(&pair[1]))).collect(),
            body,
            timeout_ms: request["timeout_ms"].as_u64(),
        }
    }
}

impl Guest for Reach {
    fn run(context: Context) -> Result<Outcome, Failure> {
        let payload: Value = serde_json::from_str(&context.payload).unwrap_or_default();
        let params: Value = serde_json::from_str(&context.params).unwrap_or_default();
        let secret = params["secret"].as_str().unwrap_or_default();
        let requests = payload["requests"].as_array().map(Vec::as_slice).unwrap_or_default();
        let asked = requests.iter().map(|request| Asked::read(request, secret));
        let answers: Vec<Value> = match payload["via"].as_str() {
            Some("wasi") => over_wasi::send(asked.collect(), &payload),
            _ => asked.map(plain).collect(),
        };
        let output = json!({ "answers": answers, "secret": secret }).to_string();
        Ok(Outcome { output: Some(output), warnings: Vec::new(), event: None })
    }
}

fn plain(Asked { method, url, headers, body, timeout_ms }: Asked) -> Value {
    match http::send(&http::Request { method, url, headers, body, timeout_ms }) {
        Ok(response) => {
            let headers: Vec<Value> = response.headers.iter().map(|(name, value)| json!([name, value])).collect();
            answer(response.status, headers, &response.body)
        }
        Err(error) => {
            let (kind, message) = match error {
                Error::Denied(message) => ("denied", message),
                Error::Invalid(message) => ("invalid", message),
                Error::Limit(message) => ("limit", message),
                Error::Timeout(message) => ("timeout", message),
                Error::Failed(message) => ("failed", message),
            };
            json!({ "error": kind, "message": message })
        }
    }
}

/// Of a long body only how long it is.
fn answer(status: u16, headers: Vec<Value>, body: &[u8]) -> Value {
    let text = if body.len() < 10_000 { String::from_utf8_lossy(body).into_owned() } else { String::new() };
    json!({ "status": status, "headers": headers, "body": text, "body_bytes": body.len() })
}

export!(Reach with_types_in fusebox_sdk::bindings);
