//! The small store of values.

use crate::bindings::fusebox::action::kv::{self, Error, Expect, Scope};
use crate::host::refused;
use rquickjs::{ArrayBuffer, Ctx, Object, Result, TypedArray, Value};

fn scope(name: &str) -> Scope {
    if name == "attachment" { Scope::Attachment } else { Scope::Action }
}

fn expect(text: &str) -> Expect {
    match text {
        "anything" => Expect::Anything,
        "nothing" => Expect::Nothing,
        // No value was written so often.
        version => Expect::Version(version.parse().unwrap_or(u64::MAX)),
    }
}

/// `{value, version}`, or `undefined`.
pub(crate) fn get<'js>(cx: Ctx<'js>, of: String, key: String) -> Result<Value<'js>> {
    let Some(entry) = kv::get(scope(&of), &key) else { return Ok(Value::new_undefined(cx)) };
    let found = Object::new(cx.clone())?;
    found.set("value", ArrayBuffer::new(cx, entry.value)?)?;
    found.set("version", entry.version as f64)?;
    Ok(found.into_value())
}

pub(crate) fn set<'js>(
    cx: Ctx<'js>,
    of: String,
    key: String,
    value: TypedArray<'js, u8>,
    expected: String,
    ttl_ms: Option<f64>,
) -> Result<Value<'js>> {
    // SAFETY: nothing of the script runs while the bytes are lent.
    let bytes = unsafe { value.as_bytes() }.unwrap_or_default();
    let ttl_ms = ttl_ms.map(|ttl| ttl as u64);
    told(&cx, kv::set(scope(&of), &key, bytes, expect(&expected), ttl_ms))
}

pub(crate) fn delete<'js>(cx: Ctx<'js>, of: String, key: String, expected: String) -> Result<Value<'js>> {
    told(&cx, kv::delete(scope(&of), &key, expect(&expected)))
}

pub(crate) fn list(of: String, prefix: String, after: Option<String>, limit: f64) -> Vec<String> {
    kv::list(scope(&of), &prefix, after.as_deref(), limit as u32)
}

/// `undefined`, or `{error, message}`.
fn told<'js>(cx: &Ctx<'js>, done: std::result::Result<(), Error>) -> Result<Value<'js>> {
    match done {
        Ok(()) => Ok(Value::new_undefined(cx.clone())),
        Err(Error::Conflict) => refused(cx, "conflict", "what is there is not as expected"),
        Err(Error::Limit(message)) => refused(cx, "limit", &message),
    }
}
