//! One HTTP call.

use crate::bindings::fusebox::action::http::{self, Error, Request};
use crate::host::refused;
use rquickjs::{ArrayBuffer, Ctx, Object, Result, TypedArray, Value};

/// `{status, headers, body}` with names and values of headers in turn, or `{error, message}`.
pub(crate) fn send<'js>(
    cx: Ctx<'js>,
    method: String,
    url: String,
    headers: Vec<String>,
    body: Option<TypedArray<'js, u8>>,
    timeout_ms: Option<f64>,
) -> Result<Value<'js>> {
    // SAFETY: nothing of the script runs while the bytes are lent.
    let bytes = body.as_ref().and_then(|body| unsafe { body.as_bytes() });
    let request = Request {
        method,
        url,
        headers: headers.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect(),
        body: bytes.unwrap_or_default().to_vec(),
        timeout_ms: timeout_ms.map(|timeout| timeout as u64),
    };
    let response = match http::send(&request) {
        Ok(response) => response,
        Err(error) => {
            let (kind, message) = match error {
                Error::Denied(message) => ("denied", message),
                Error::Invalid(message) => ("invalid", message),
                Error::Limit(message) => ("limit", message),
                Error::Timeout(message) => ("timeout", message),
                Error::Failed(message) => ("failed", message),
            };
            return refused(&cx, kind, &message);
        }
    };
    let answer = Object::new(cx.clone())?;
    answer.set("status", response.status)?;
    let headers: Vec<String> = response.headers.into_iter().flat_map(|(name, value)| [name, value]).collect();
    answer.set("headers", headers)?;
    answer.set("body", ArrayBuffer::new(cx, response.body)?)?;
    Ok(answer.into_value())
}
