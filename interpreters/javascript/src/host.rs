//! What the runtime is made of: the host's functions, and those for which JavaScript is the wrong language.

use crate::bindings::fusebox::action::log::{self, Level};
use crate::bindings::fusebox::action::types::{self, ObjectRef};
use crate::clock;
use crate::{
    bindings::fusebox::action::{budget, emit},
    http, kv,
};
use rquickjs::{ArrayBuffer, Ctx, Function, IntoJs, Object, Result, TypedArray, Value};
use std::cell::RefCell;
use url::{Url, form_urlencoded, quirks};

thread_local! {
    static CONTEXT: RefCell<Option<types::Context>> = const { RefCell::new(None) };
    static RANDOM: RefCell<u128> = const { RefCell::new(0) };
}

/// What this attempt is told.
pub(crate) fn begin(context: types::Context) {
    let (low, high) = context.seed;
    RANDOM.set(u128::from(low) | u128::from(high) << 64 | 1);
    CONTEXT.set(Some(context));
}

/// The time of this attempt.
pub(crate) fn begun_ms() -> Option<u64> {
    CONTEXT.with_borrow(|context| context.as_ref().map(|context| context.now))
}

/// The object that the runtime's parts share, under a name that no script can write.
const KEPT: &str = "fusebox:kept";

pub(crate) fn keep<'js>(cx: &Ctx<'js>, hosted: Object<'js>) -> Result<()> {
    drop(cx.store_userdata(Kept(rquickjs::Persistent::save(cx, hosted))));
    Ok(())
}

pub(crate) fn kept<'js>(cx: &Ctx<'js>) -> Result<Object<'js>> {
    let kept = cx.userdata::<Kept>().ok_or_else(|| rquickjs::Error::new_loading(KEPT))?;
    kept.0.clone().restore(cx)
}

struct Kept(rquickjs::Persistent<Object<'static>>);

unsafe impl rquickjs::JsLifetime<'_> for Kept {
    type Changed<'to> = Kept;
}

/// All that `runtime/*.js` calls, as one object.
pub(crate) fn functions<'js>(cx: &Ctx<'js>) -> Result<Object<'js>> {
    let host = Object::new(cx.clone())?;
    macro_rules! offer {
        ($($name:literal: $function:expr,)*) => { $( host.set($name, Function::new(cx.clone(), $function)?)?; )* };
    }
    offer! {
        "log": write_log,
        "now": clock::now_ms,
        "sleep": clock::sleep,
        "random": random,
        "randomBytes": random_bytes,
        "utf8Encode": utf8_encode,
        "utf8Decode": utf8_decode,
        "urlParse": url_parse,
        "urlPart": url_part,
        "urlSet": url_set,
        "formParse": form_parse,
        "formSerialize": form_serialize,
        "context": context,
    }
    offer! {
        "budgetLeft": budget_left,
        "cancelled": budget::cancelled,
        "emit": emit_event,
        "httpSend": http::send,
        "kvGet": kv::get,
        "kvSet": kv::set,
        "kvDelete": kv::delete,
        "kvList": kv::list,
    }
    Ok(host)
}

/// `pairs` are names and JSON texts in turn.
fn write_log(level: String, message: String, pairs: Vec<String>) {
    let level = match level.as_str() {
        "trace" => Level::Trace,
        "debug" => Level::Debug,
        "warn" => Level::Warn,
        "error" => Level::Error,
        _ => Level::Info,
    };
    let fields: Vec<(String, String)> = pairs.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
    log::write(level, &message, &fields);
}

/// PCG (O'Neill 2014) with 128 bits of state and 64 of output: enough for scripts, and the seed is the attempt's.
fn next_random() -> u64 {
    RANDOM.with_borrow_mut(|state| {
        *state = state
            .wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645)
            .wrapping_add(0x5851_f42d_4c95_7f2d_1405_7b7e_f767_814f);
        let (high, low) = ((*state >> 64) as u64, *state as u64);
        (high ^ low).rotate_right((high >> 58) as u32)
    })
}

fn random() -> f64 {
    (next_random() >> 11) as f64 / (1_u64 << 53) as f64
}

fn random_bytes(cx: Ctx<'_>, count: usize) -> Result<ArrayBuffer<'_>> {
    let mut bytes = Vec::with_capacity(count + 8);
    while bytes.len() < count {
        bytes.extend(next_random().to_le_bytes());
    }
    bytes.truncate(count);
    ArrayBuffer::new(cx, bytes)
}

/// What is half a character becomes U+FFFD.
fn utf8_encode(cx: Ctx<'_>, text: rquickjs::Coerced<String>) -> Result<ArrayBuffer<'_>> {
    ArrayBuffer::new(cx, text.0.into_bytes())
}

fn utf8_decode(bytes: TypedArray<'_, u8>, fatal: bool) -> Option<String> {
    // SAFETY: nothing of the script runs while the bytes are lent.
    let bytes = unsafe { bytes.as_bytes() }.unwrap_or_default();
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text.to_owned()),
        Err(_) if fatal => None,
        Err(_) => Some(String::from_utf8_lossy(bytes).into_owned()),
    }
}

fn url_parse(text: String, base: Option<String>) -> Option<String> {
    let base = base.map(|base| Url::parse(&base)).transpose().ok()?;
    Url::options().base_url(base.as_ref()).parse(&text).ok().map(String::from)
}

fn url_part(href: String, part: String) -> String {
    let Ok(url) = Url::parse(&href) else { return String::new() };
    match part.as_str() {
        "origin" => quirks::origin(&url),
        "protocol" => quirks::protocol(&url).to_owned(),
        "username" => quirks::username(&url).to_owned(),
        "password" => quirks::password(&url).to_owned(),
        "host" => quirks::host(&url).to_owned(),
        "hostname" => quirks::hostname(&url).to_owned(),
        "port" => quirks::port(&url).to_owned(),
        "pathname" => quirks::pathname(&url).to_owned(),
        "search" => quirks::search(&url).to_owned(),
        _ => quirks::hash(&url).to_owned(),
    }
}

/// A part that cannot be so is left as it is.
fn url_set(href: String, part: String, value: String) -> String {
    let Ok(mut url) = Url::parse(&href) else { return href };
    let set = match part.as_str() {
        "protocol" => quirks::set_protocol(&mut url, &value),
        "username" => quirks::set_username(&mut url, &value),
        "password" => quirks::set_password(&mut url, &value),
        "host" => quirks::set_host(&mut url, &value),
        "hostname" => quirks::set_hostname(&mut url, &value),
        "port" => quirks::set_port(&mut url, &value),
        "pathname" => Ok(quirks::set_pathname(&mut url, &value)),
        "search" => Ok(quirks::set_search(&mut url, &value)),
        _ => Ok(quirks::set_hash(&mut url, &value)),
    };
    if set.is_ok() { url.into() } else { href }
}

fn form_parse(text: String) -> Vec<String> {
    form_urlencoded::parse(text.as_bytes()).flat_map(|(name, value)| [name.into_owned(), value.into_owned()]).collect()
}

fn form_serialize(flat: Vec<String>) -> String {
    let pairs = flat.chunks_exact(2).map(|pair| (&pair[0], &pair[1]));
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// One part of what the attempt is told.
fn context<'js>(cx: Ctx<'js>, part: String) -> Result<Value<'js>> {
    CONTEXT.with_borrow(|context| {
        let Some(context) = context else { return Ok(Value::new_undefined(cx)) };
        match part.as_str() {
            "runId" => context.run_id.as_str().into_js(&cx),
            "attempt" => context.attempt.into_js(&cx),
            "eventId" => context.event_id.as_str().into_js(&cx),
            "trigger" => context.trigger.as_str().into_js(&cx),
            "eventTime" => (context.event_time as f64).into_js(&cx),
            "tenant" => context.tenant.as_str().into_js(&cx),
            "object" => object(&cx, context.object.as_ref()),
            "scope" => object(&cx, context.scope.as_ref()),
            "payload" => context.payload.as_str().into_js(&cx),
            "params" => context.params.as_str().into_js(&cx),
            "input" => context.input.as_str().into_js(&cx),
            "chain" => chain(&cx, &context.chain),
            "budget" => allowed(&cx, context.budget),
            _ => (context.now as f64).into_js(&cx),
        }
    })
}

fn object<'js>(cx: &Ctx<'js>, found: Option<&ObjectRef>) -> Result<Value<'js>> {
    let Some(found) = found else { return Ok(Value::new_undefined(cx.clone())) };
    let object = Object::new(cx.clone())?;
    object.set("objectType", found.object_type.as_str())?;
    object.set("objectId", found.object_id.as_str())?;
    Ok(object.into_value())
}

fn chain<'js>(cx: &Ctx<'js>, chain: &types::Chain) -> Result<Value<'js>> {
    let object = Object::new(cx.clone())?;
    let null = || Value::new_null(cx.clone());
    let text = |text: &Option<String>| text.as_deref().map_or_else(|| Ok(null()), |text| text.into_js(cx));
    object.set("root", chain.root.as_str())?;
    object.set("parent", text(&chain.parent)?)?;
    object.set("depth", chain.depth)?;
    object.set("parentOutcome", text(&chain.parent_outcome)?)?;
    Ok(object.into_value())
}

fn allowed<'js>(cx: &Ctx<'js>, budget: types::Budget) -> Result<Value<'js>> {
    let object = Object::new(cx.clone())?;
    object.set("fuel", budget.fuel as f64)?;
    object.set("memoryBytes", budget.memory_bytes as f64)?;
    object.set("deadline", budget.deadline as f64)?;
    Ok(object.into_value())
}

fn budget_left(cx: Ctx<'_>) -> Result<Object<'_>> {
    let left = budget::left();
    let object = Object::new(cx)?;
    object.set("fuel", left.fuel as f64)?;
    object.set("memoryBytes", left.memory_bytes as f64)?;
    object.set("timeMs", left.time_ms as f64)?;
    object.set("httpCalls", left.http_calls)?;
    Ok(object)
}

/// `undefined`, or `{error, message}`.
fn emit_event<'js>(
    cx: Ctx<'js>,
    event_type: String,
    payload: String,
    object_type: Option<String>,
    object_id: Option<String>,
) -> Result<Value<'js>> {
    let object = object_type.zip(object_id).map(|(object_type, object_id)| ObjectRef { object_type, object_id });
    match emit::event(&event_type, &payload, object.as_ref()) {
        Ok(()) => Ok(Value::new_undefined(cx)),
        Err(emit::Error::Refused(message)) => refused(&cx, "refused", &message),
        Err(emit::Error::Limit(message)) => refused(&cx, "limit", &message),
    }
}

pub(crate) fn refused<'js>(cx: &Ctx<'js>, error: &str, message: &str) -> Result<Value<'js>> {
    let object = Object::new(cx.clone())?;
    object.set("error", error)?;
    object.set("message", message)?;
    Ok(object.into_value())
}
