//! The conformance guest in Rust, see ../README.md.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Duration;

use fusebox_sdk::serde_json::{Value, from_value};
use fusebox_sdk::{Context, Failure, ObjectRef, Outcome, action, budget, emit, http, json, kv, log};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The code of a behaviour that there is none of.
const UNKNOWN: u32 = 64;
const FAILED_AFTER: u32 = 9;

type Done = Result<Outcome<Value>, Failure>;

#[action]
fn conform(payload: Value, params: Value, input: Value, ctx: &Context) -> Done {
    let what = payload["do"].as_str().unwrap_or_default().to_owned();
    match what.as_str() {
        "echo" => done(payload),
        "reject" => reject(&of(payload)?),
        "retry" => retry(of(payload)?),
        "trap" => panic!("a trap was asked for"),
        "loop" => endless(),
        "hog" => hog(),
        "log" => write_log(),
        "print" => {
            println!("printed");
            eprintln!("complained");
            done(json!({ "printed": true }))
        }
        "params" => done(params),
        "input" => done(input),
        "context" => done(context(ctx)?),
        "kv" => values(&of(payload)?),
        "emit" => done(emitted(&of(payload)?)),
        "emit_then" => {
            let emit: Emit = of(payload)?;
            emitted(&emit);
            Err(Failure::reject(emit.message).with_code(FAILED_AFTER))
        }
        "http" => done(fetched(of(payload)?)),
        "time" => done(json!({ "now": ctx.now().as_millis(), "random": ctx.random().uuid() })),
        "left" => {
            let left = budget::left();
            let time_ms = left.time.as_millis() as u64;
            done(json!({ "fuel": left.fuel, "memory_bytes": left.memory_bytes, "time_ms": time_ms,
                "http_calls": left.http_calls }))
        }
        "cancel" => {
            while !budget::cancelled() {}
            log::warn!("stopping");
            done(json!({ "cancelled": true }))
        }
        "big" => done(Value::String("x".repeat(of::<Big>(payload)?.bytes))),
        "warn" => {
            let outcome = Outcome::new(json!({ "warned": true }));
            Ok(outcome.warning("first warning").warning("second warning"))
        }
        "event" => Ok(Outcome::new(Value::Null).event(&payload["payload"])),
        other => Err(Failure::reject(format!("unknown: {other}")).with_code(UNKNOWN)),
    }
}

fn of<T: DeserializeOwned>(payload: Value) -> Result<T, Failure> {
    Ok(from_value(payload)?)
}

fn done(output: Value) -> Done {
    Ok(Outcome::new(output))
}

#[derive(Deserialize)]
struct Reject {
    code: u32,
    message: String,
}

fn reject(reject: &Reject) -> Done {
    Err(Failure::reject(&reject.message).with_code(reject.code))
}

#[derive(Deserialize)]
struct Retry {
    message: String,
    after_ms: Option<u64>,
}

fn retry(retry: Retry) -> Done {
    Err(match retry.after_ms {
        Some(after_ms) => Failure::retry_after(retry.message, Duration::from_millis(after_ms)),
        None => Failure::retry(retry.message),
    })
}

fn endless() -> Done {
    let mut turns: u64 = 0;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

fn hog() -> Done {
    let mut taken: Vec<Vec<u8>> = Vec::new();
    loop {
        taken.push(black_box(vec![1; 1 << 20]));
    }
}

fn write_log() -> Done {
    log::trace!("line 1"; n = 1);
    log::debug!("line 2"; n = 2);
    log::info!("line 3"; n = 3);
    log::warn!("line 4"; n = 4);
    log::error!("line 5"; n = 5, text = "grün 🎈");
    done(json!({ "logged": 5 }))
}

fn context(ctx: &Context) -> Result<Value, Failure> {
    let object = |object: Option<&ObjectRef>| {
        object.map(|object| json!({ "object_type": object.object_type, "object_id": object.object_id }))
    };
    let chain = ctx.chain();
    let parent_outcome: Option<Value> =
        chain.parent_outcome.as_deref().map(fusebox_sdk::serde_json::from_str).transpose()?;
    let budget = ctx.budget();
    Ok(json!({
        "run_id": ctx.run_id(), "attempt": ctx.attempt(), "event_id": ctx.event_id(), "trigger": ctx.trigger(),
        "event_time": ctx.event_time().as_millis(), "tenant": ctx.tenant(),
        "object": object(ctx.object()), "scope": object(ctx.scope()),
        "chain": { "root": chain.root, "parent": chain.parent, "depth": chain.depth, "parent_outcome": parent_outcome },
        "budget": { "fuel": budget.fuel, "memory_bytes": budget.memory_bytes, "deadline": budget.deadline.as_millis() },
        "now": ctx.now().as_millis(),
    }))
}

#[derive(Deserialize)]
#[serde(default)]
struct Values {
    op: String,
    key: String,
    scope: String,
    value: String,
    ttl_ms: Option<u64>,
    expect: String,
    prefix: String,
    after: Option<String>,
    limit: u32,
    message: String,
}

impl Default for Values {
    fn default() -> Self {
        let text = String::new;
        Self {
            op: text(),
            key: text(),
            scope: text(),
            value: text(),
            ttl_ms: None,
            expect: text(),
            prefix: text(),
            after: None,
            limit: kv::KEYS,
            message: text(),
        }
    }
}

fn values(asked: &Values) -> Done {
    let store = if asked.scope == "attachment" { kv::attachment() } else { kv::action() };
    let expect = match asked.expect.as_str() {
        "nothing" => kv::Expect::Nothing,
        "stale" => kv::Expect::Version(u64::MAX),
        _ => kv::Expect::Anything,
    };
    let answer = |name: &str, wrote: Result<(), kv::Error>| match wrote {
        Ok(()) => json!({ name: true }),
        Err(kv::Error::Conflict) => json!({ "conflict": true }),
        Err(kv::Error::Limit(text) | kv::Error::Json(text)) => json!({ "limit": text }),
    };
    match asked.op.as_str() {
        "count" => count(store, &asked.key),
        "get" => {
            let text = |entry: kv::Entry| String::from_utf8_lossy(&entry.value).into_owned();
            done(json!({ "value": store.get(&asked.key).map(text) }))
        }
        "set" => {
            let ttl = asked.ttl_ms.map(Duration::from_millis);
            done(answer("set", store.write(&asked.key, &asked.value, expect, ttl)))
        }
        "delete" => done(answer("deleted", store.delete_if(&asked.key, expect))),
        "list" => done(json!({ "keys": store.list_after(&asked.prefix, asked.after.as_deref(), asked.limit) })),
        "set_then" => {
            store.set(&asked.key, &asked.value)?;
            Err(Failure::reject(&asked.message).with_code(FAILED_AFTER))
        }
        other => Err(Failure::reject(format!("unknown: {other}")).with_code(UNKNOWN)),
    }
}

/// Written out, and not by `update`, so that a conflict is seen.
fn count(store: kv::Store, key: &str) -> Done {
    let entry = store.get(key);
    let expect = entry.as_ref().map_or(kv::Expect::Nothing, |entry| kv::Expect::Version(entry.version));
    let count: u64 = entry.map(|entry| entry.json()).transpose()?.unwrap_or(0) + 1;
    match store.write(key, count.to_string(), expect, None) {
        Ok(()) => done(json!({ "count": count })),
        Err(kv::Error::Conflict) => Err(Failure::retry("conflict")),
        Err(error) => Err(error.into()),
    }
}

#[derive(Deserialize)]
struct Emit {
    event_type: String,
    payload: Value,
    object: Option<Object>,
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
struct Object {
    object_type: String,
    object_id: String,
}

fn emitted(asked: &Emit) -> Value {
    let fired = match &asked.object {
        Some(Object { object_type, object_id }) => {
            let object = ObjectRef { object_type: object_type.clone(), object_id: object_id.clone() };
            emit::event_on(&object, &asked.event_type, &asked.payload)
        }
        None => emit::event(&asked.event_type, &asked.payload),
    };
    match fired {
        Ok(()) => json!({ "emitted": true }),
        Err(emit::Error::Refused(text)) => json!({ "refused": text }),
        Err(emit::Error::Limit(text) | emit::Error::Json(text)) => json!({ "limit": text }),
    }
}

#[derive(Deserialize)]
struct Fetch {
    url: String,
    method: Option<String>,
    body: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    timeout_ms: Option<u64>,
}

fn fetched(asked: Fetch) -> Value {
    let mut request = http::Request::new(asked.method.unwrap_or_else(|| "GET".to_owned()), asked.url);
    request.headers = asked.headers.into_iter().collect();
    request.body = asked.body.unwrap_or_default().into_bytes();
    request.timeout = asked.timeout_ms.map(Duration::from_millis);
    match request.send() {
        Ok(answer) => json!({ "status": answer.status, "body": answer.text() }),
        Err(http::Error::Denied(text)) => json!({ "denied": text }),
        Err(http::Error::Invalid(text)) => json!({ "invalid": text }),
        Err(http::Error::Limit(text)) => json!({ "limit": text }),
        Err(http::Error::Timeout(text)) => json!({ "timeout": text }),
        Err(http::Error::Failed(text)) => json!({ "failed": text }),
    }
}

#[derive(Deserialize)]
struct Big {
    bytes: usize,
}

#[cfg(test)]
mod tests {
    use super::*;
    use fusebox_sdk::testing::{Report, Sample, run};

    fn conforms(payload: Value) -> Report {
        run(conform_action, Sample::new(payload).params(json!({ "p": 1 })).input(json!({ "i": 2 })))
    }

    #[test]
    fn what_needs_no_host_is_as_the_table_says() {
        let payload = json!({ "do": "echo", "text": "grün 🎈" });
        assert_eq!(conforms(payload.clone()).output(), &payload);
        assert_eq!(conforms(json!({ "do": "params" })).output(), &json!({ "p": 1 }));
        assert_eq!(conforms(json!({ "do": "input" })).output(), &json!({ "i": 2 }));
        assert_eq!(conforms(json!({ "do": "big", "bytes": 3 })).output(), &json!("xxx"));
        assert_eq!(conforms(json!({ "do": "warn" })).warnings(), ["first warning", "second warning"]);
        assert_eq!(conforms(json!({ "do": "event", "payload": [1] })).event(), Some(&json!([1])));
        let rejected = conforms(json!({ "do": "reject", "code": 7, "message": "no" }));
        assert_eq!(rejected.failure(), &Failure::reject("no").with_code(7));
        let unknown = conforms(json!({ "do": "nothing" }));
        assert_eq!(unknown.failure(), &Failure::reject("unknown: nothing").with_code(64));
        let levels: Vec<_> = conforms(json!({ "do": "log" })).logs().iter().map(|line| line.level).collect();
        assert!(levels.len() == 5 && levels.is_sorted(), "{levels:?}");
    }

    #[test]
    fn what_asks_the_host_is_as_the_table_says() {
        let counted = conforms(json!({ "do": "kv", "op": "count", "key": "k" }));
        assert_eq!((counted.output(), counted.kv("k")), (&json!({ "count": 1 }), Some(&b"1"[..])));
        let stale = json!({ "do": "kv", "op": "set", "key": "k", "value": "v", "expect": "stale" });
        assert_eq!(conforms(stale).output(), &json!({ "conflict": true }));
        let emitted = conforms(json!({ "do": "emit", "event_type": "e", "payload": 1 }));
        assert_eq!((emitted.output(), emitted.emitted().len()), (&json!({ "emitted": true }), 1));
        let denied = conforms(json!({ "do": "http", "url": "https://a.example/" }));
        assert!(denied.output()["denied"].is_string(), "{denied:?}");
    }
}
