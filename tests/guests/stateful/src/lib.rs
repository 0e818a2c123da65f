//! Does one thing after the other as the payload's list `steps` says, and returns what came of each. Each step is an object
//! with one of these: `get`, `set`, `delete`, `list`, `add` (count one more), `until` and `while` there is a value,
//! `emit`, `left`, `cancelled`, `until_cancelled`, `log`, `print`, `complain`, `warn`, `now`, `seed`, `attempt`, `end`.
#![cfg(target_family = "wasm")]

use fusebox_sdk::bindings::fusebox::action::kv::{Expect, Scope};
use fusebox_sdk::bindings::fusebox::action::log::{Level, write};
use fusebox_sdk::bindings::fusebox::action::types::{ObjectRef, Reject, Retry};
use fusebox_sdk::bindings::fusebox::action::{budget, emit, kv};
use fusebox_sdk::bindings::{Context, Failure, Guest, Outcome, export};
use serde_json::{Value, json};

struct Stateful;

impl Guest for Stateful {
    fn run(context: Context) -> Result<Outcome, Failure> {
        let payload: Value = serde_json::from_str(&context.payload).unwrap_or_default();
        let mut worker = Worker { context, seen: 0, warnings: Vec::new() };
        let mut came = Vec::new();
        for step in payload["steps"].as_array().into_iter().flatten() {
            came.push(worker.step(step)?);
        }
        Ok(Outcome { output: Some(Value::from(came).to_string()), warnings: worker.warnings, event: None })
    }
}

struct Worker {
    context: Context,
    /// The version that was seen last.
    seen: u64,
    warnings: Vec<String>,
}

impl Worker {
    fn step(&mut self, step: &Value) -> Result<Value, Failure> {
        let Some((name, with)) = step.as_object().and_then(|step| step.iter().find(|(name, _)| is_step(name))) else {
            return Err(reject(format!("no step: {step}")));
        };
        let scope = if step["scope"] == "attachment" { Scope::Attachment } else { Scope::Action };
        let text = with.as_str().unwrap_or_default();
        Ok(match name.as_str() {
            "get" => self.get(scope, text),
            "set" => self.set(scope, text, value(step), step),
            "delete" => told(kv::delete(scope, text, self.expect(step))),
            "list" => kv::list(scope, text, step["after"].as_str(), limit(step)).into(),
            "add" => self.add(scope, text),
            "until" => {
                while kv::get(scope, text).is_none() {}
                true.into()
            }
            "while" => {
                while kv::get(scope, text).is_some() {}
                true.into()
            }
            "emit" => emitted(text, step),
            "left" => {
                let left = budget::left();
                json!({ "fuel": left.fuel, "memory_bytes": left.memory_bytes, "time_ms": left.time_ms })
            }
            "cancelled" => budget::cancelled().into(),
            "until_cancelled" => {
                while !budget::cancelled() {}
                true.into()
            }
            "log" => {
                write(Level::Info, text, &[]);
                Value::Null
            }
            "print" => {
                println!("{text}");
                Value::Null
            }
            "complain" => {
                eprintln!("{text}");
                Value::Null
            }
            "warn" => {
                self.warnings.push(text.to_owned());
                Value::Null
            }
            "now" => self.context.now.into(),
            "seed" => json!([self.context.seed.0, self.context.seed.1]),
            "attempt" => self.context.attempt.into(),
            "end" => return Err(end(text)),
            other => return Err(reject(format!("no step: {other}"))),
        })
    }

    fn get(&mut self, scope: Scope, key: &str) -> Value {
        let Some(entry) = kv::get(scope, key) else { return Value::Null };
        self.seen = entry.version;
        if entry.value.len() > 100 {
            return json!({ "size": entry.value.len() });
        }
        String::from_utf8_lossy(&entry.value).into_owned().into()
    }

    fn set(&self, scope: Scope, key: &str, value: Vec<u8>, step: &Value) -> Value {
        told(kv::set(scope, key, &value, self.expect(step), step["ttl_ms"].as_u64()))
    }

    /// Counts one more, if nobody else did meanwhile.
    fn add(&mut self, scope: Scope, key: &str) -> Value {
        let before = kv::get(scope, key);
        let expect = before.as_ref().map_or(Expect::Nothing, |entry| Expect::Version(entry.version));
        let count = before.and_then(|entry| String::from_utf8(entry.value).ok()?.parse::<u64>().ok()).unwrap_or(0) + 1;
        match kv::set(scope, key, count.to_string().as_bytes(), expect, None) {
            Ok(()) => count.into(),
            refused => told(refused),
        }
    }

    fn expect(&self, step: &Value) -> Expect {
        match step["expect"].as_str() {
            Some("nothing") => Expect::Nothing,
            Some("seen") => Expect::Version(self.seen),
            Some("other") => Expect::Version(self.seen + 1),
            _ => Expect::Anything,
        }
    }
}

fn is_step(name: &str) -> bool {
    !["scope", "value", "size", "expect", "ttl_ms", "after", "limit", "payload", "object"].contains(&name)
}

fn value(step: &Value) -> Vec<u8> {
    match step["size"].as_u64() {
        Some(size) => vec![b'x'; usize::try_from(size).unwrap_or_default()],
        None => step["value"].as_str().unwrap_or_default().as_bytes().to_vec(),
    }
}

fn limit(step: &Value) -> u32 {
    step["limit"].as_u64().and_then(|limit| u32::try_from(limit).ok()).unwrap_or(u32::MAX)
}

fn told(written: Result<(), kv::Error>) -> Value {
    match written {
        Ok(()) => "ok".into(),
        Err(kv::Error::Conflict) => "conflict".into(),
        Err(kv::Error::Limit(text)) => format!("limit: {text}").into(),
    }
}

fn emitted(event_type: &str, step: &Value) -> Value {
    let object = step["object"].as_array().map(|object| ObjectRef {
        object_type: object[0].as_str().unwrap_or_default().to_owned(),
        object_id: object[1].as_str().unwrap_or_default().to_owned(),
    });
    let payload = step["payload"].as_str().map_or_else(|| step["payload"].to_string(), str::to_owned);
    match emit::event(event_type, &payload, object.as_ref()) {
        Ok(()) => "ok".into(),
        Err(emit::Error::Refused(text)) => format!("refused: {text}").into(),
        Err(emit::Error::Limit(text)) => format!("limit: {text}").into(),
    }
}

fn end(how: &str) -> Failure {
    match how {
        "retry" => Failure::Retry(Retry { message: "try again".to_owned(), after_ms: Some(1_000) }),
        "trap" => panic!("as asked"),
        "spin" => loop {
            std::hint::black_box(());
        },
        how => reject(how.to_owned()),
    }
}

fn reject(message: String) -> Failure {
    Failure::Reject(Reject { message, code: 1 })
}

export!(Stateful with_types_in fusebox_sdk::bindings);
