//! What each behaviour looks like from outside, in every kind of guest.

use super::guest::{INPUT, Installed, Kind, OBJECT, PARAMS, SERVER, STUB, UNKNOWN};
use crate::support::is_ended;
use serde_json::{Value, json};

#[track_caller]
fn ended(guest: &Installed, run: &Value, state: &str, reason: Option<&str>) {
    assert_eq!((&run["state"], &run["reason"]), (&json!(state), &json!(reason)), "{}: {run:#}", guest.name);
}

#[track_caller]
fn succeeds(guest: &Installed, payload: &Value) -> Value {
    let run = guest.fire(payload);
    ended(guest, &run, "SUCCESS", None);
    run["output"].clone()
}

#[track_caller]
fn outputs(guest: &Installed, payload: &Value, output: &Value) {
    let found = succeeds(guest, payload);
    assert!(found == *output, "{}: {:.300} instead of {:.300}", guest.name, found.to_string(), output.to_string());
}

/// What the kind of guest has no way to do.
#[track_caller]
fn does_not_know(guest: &Installed, payload: &Value) {
    let run = guest.fire(payload);
    ended(guest, &run, "ERROR", Some("guest_error"));
    failed_with(guest, &run, UNKNOWN, &format!("unknown: {}", payload["do"].as_str().unwrap()));
}

#[track_caller]
fn failed_with(guest: &Installed, run: &Value, code: u32, message: &str) {
    let told = run["message"].as_str().unwrap();
    // The status of a program, or of an answer, is told beside its last words.
    let says = if guest.is_plain() { told.ends_with(message) } else { told == message };
    assert!(says && run["code"] == guest.status(code), "{}: {run:#}", guest.name);
}

fn lines(run: &Value) -> Vec<Value> {
    let path = format!("/run/{}/log", run["id"].as_str().unwrap());
    SERVER.admin.get(&path).expect(200).as_array().unwrap().clone()
}

pub(super) fn echo(guest: &Installed) {
    let payload = json!({ "do": "echo", "n": 1.5, "list": [1, "two", null, true, {}], "empty": "" });
    outputs(guest, &payload, &payload);
}

pub(super) fn unicode(guest: &Installed) {
    let text = "grün 🎈 \u{0}\u{7f}\u{2028} \"quoted\\\" ﷽ e\u{301} 👩‍👩‍👧";
    let payload = json!({ "do": "echo", text: text });
    outputs(guest, &payload, &payload);
}

pub(super) fn large(guest: &Installed) {
    let row = json!({ "name": "a row of some length", "n": 123_456 });
    let payload = json!({ "do": "echo", "rows": vec![row; 6_000] });
    assert!((200_000..300_000).contains(&payload.to_string().len()), "{}", payload.to_string().len());
    outputs(guest, &payload, &payload);
}

pub(super) fn reject(guest: &Installed) {
    let run = guest.fire(&json!({ "do": "reject", "code": 42, "message": "no seats left" }));
    ended(guest, &run, "ERROR", Some("guest_error"));
    failed_with(guest, &run, 42, "no seats left");
    assert_eq!(run["attempts"].as_array().unwrap().len(), 1, "a refusal is not tried again");
}

pub(super) fn retry(guest: &Installed) {
    let run = guest.fire(&json!({ "do": "retry", "message": "the peer is busy", "after_ms": 60 }));
    ended(guest, &run, "ERROR", Some("guest_error"));
    assert!(run["message"].as_str().unwrap().contains("the peer is busy"), "{}: {run:#}", guest.name);
    if guest.kind == Kind::Program {
        // It has no way to say that it is worth another attempt.
        return assert_eq!(run["attempts"].as_array().unwrap().len(), 1, "{}: {run:#}", guest.name);
    }
    let [first, second] = run["attempts"].as_array().unwrap().as_slice() else { panic!("{}: {run:#}", guest.name) };
    let time = |value: &Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_millisecond();
    if !guest.is_command() {
        let waited = time(&second["started_at"]) - time(&first["ended_at"]);
        assert!(waited >= 60, "{}: {waited} ms", guest.name);
    }
}

pub(super) fn trap(guest: &Installed) {
    let run = guest.fire(&json!({ "do": "trap" }));
    if guest.is_script() {
        ended(guest, &run, "ERROR", Some("guest_error"));
    } else if guest.name.starts_with("go") {
        // The program prints its panic and exits by itself.
        assert_eq!(run["state"], "ERROR", "{run:#}");
    } else {
        ended(guest, &run, "ERROR", Some("trap"));
    }
    assert!(!run["message"].as_str().unwrap().is_empty(), "{}: {run:#}", guest.name);
}

pub(super) fn endless_loop(guest: &Installed) {
    let run = guest.fire(&json!({ "do": "loop" }));
    ended(guest, &run, "ERROR", Some("fuel_exhausted"));
}

pub(super) fn memory_hog(guest: &Installed) {
    // Some write to every byte that they take, which costs.
    let event = guest.fire_long(&json!({ "do": "hog" }));
    let run = SERVER.until(&event, is_ended)["runs"][0].clone();
    if guest.is_script() && run["reason"] == "guest_error" {
        let message = run["message"].as_str().unwrap().to_lowercase();
        assert!(message.contains("memory"), "{}: {run:#}", guest.name);
        return;
    }
    ended(guest, &run, "ERROR", Some("memory_limit"));
    let memory = &run["attempts"][0]["usage"]["memory_bytes"];
    assert!(memory["used"].as_u64().unwrap() <= memory["limit"].as_u64().unwrap(), "{run:#}");
}

pub(super) fn log(guest: &Installed) {
    let run = guest.fire(&json!({ "do": "log" }));
    ended(guest, &run, "SUCCESS", None);
    let lines = lines(&run);
    let told: Vec<(&str, &str)> =
        lines.iter().map(|line| (line["level"].as_str().unwrap(), line["message"].as_str().unwrap())).collect();
    if guest.is_plain() {
        assert_eq!(run["output"], json!({ "logged": 3 }));
        assert_eq!(told, [("warn", "line 1"), ("warn", "line 2"), ("warn", "line 3")], "{}", guest.name);
        return;
    }
    assert_eq!(run["output"], json!({ "logged": 5 }));
    let levels = ["trace", "debug", "info", "warn", "error"];
    let messages = ["line 1", "line 2", "line 3", "line 4", "line 5"];
    assert_eq!(told, levels.into_iter().zip(messages).collect::<Vec<_>>(), "{}", guest.name);
    for (number, line) in lines.iter().enumerate() {
        let text = if number == 4 { json!({ "n": 5, "text": "grün 🎈" }) } else { json!({ "n": number + 1 }) };
        assert_eq!(line["fields"], text, "{}: {line:#}", guest.name);
    }
}

pub(super) fn print(guest: &Installed) {
    let payload = json!({ "do": "print" });
    if matches!(guest.name, "zig" | "assemblyscript") {
        return does_not_know(guest, &payload);
    }
    let run = guest.fire(&payload);
    ended(guest, &run, "SUCCESS", None);
    assert_eq!(run["output"], json!({ "printed": true }), "{}", guest.name);
    let lines = lines(&run);
    let has = |message: &str| lines.iter().any(|line| line["message"] == message);
    assert!(has("complained"), "{}: {lines:#?}", guest.name);
    // The standard output of a command is its output.
    assert_eq!(has("printed"), !guest.is_command(), "{}: {lines:#?}", guest.name);
}

pub(super) fn params(guest: &Installed) {
    outputs(guest, &json!({ "do": "params" }), &serde_json::from_str(PARAMS).unwrap());
}

pub(super) fn input(guest: &Installed) {
    outputs(guest, &json!({ "do": "input" }), &serde_json::from_str(INPUT).unwrap());
}

pub(super) fn context(guest: &Installed) {
    let run = guest.fire(&json!({ "do": "context" }));
    ended(guest, &run, "SUCCESS", None);
    let told = &run["output"];
    if guest.kind == Kind::Handler {
        return event_attributes(guest, &run);
    }
    let object = json!({ "object_type": OBJECT.0, "object_id": OBJECT.1 });
    let chain = json!({ "root": run["event_id"], "parent": null, "depth": 0, "parent_outcome": null });
    let now = told["now"].as_u64().unwrap_or_else(|| panic!("{}: {told:#}", guest.name));
    let limit = |name: &str| run["attempts"][0]["usage"][name]["limit"].as_f64().unwrap() as u64;
    let budget =
        json!({ "fuel": limit("fuel"), "memory_bytes": limit("memory_bytes"), "deadline": now + limit("wall_ms") });
    let event_time = told["event_time"].as_u64().unwrap();
    assert!(event_time <= now && now - event_time < 60_000, "{}: {told:#}", guest.name);
    let expected = json!({
        "run_id": run["id"], "attempt": 1, "event_id": run["event_id"], "trigger": guest.event_type(),
        "event_time": event_time, "tenant": "", "object": object, "scope": object, "chain": chain, "budget": budget,
        "now": now,
    });
    assert_eq!(*told, expected, "{}", guest.name);
}

/// A handler is told the context as the attributes of a CloudEvent.
fn event_attributes(guest: &Installed, run: &Value) {
    let told = &run["output"];
    let [time, deadline] = ["time", "fuseboxdeadline"].map(|name| {
        let text = told[name].as_str().unwrap_or_else(|| panic!("{}: {told:#}", guest.name));
        text.parse::<jiff::Timestamp>().unwrap().as_millisecond()
    });
    let limit = run["attempts"][0]["usage"]["wall_ms"]["limit"].as_f64().unwrap() as i64;
    assert!((limit..limit + 60_000).contains(&(deadline - time)), "{}: {told:#}", guest.name);
    let object = format!("{}/{}", OBJECT.0, OBJECT.1);
    let expected = json!({
        "specversion": "1.0", "id": run["id"], "source": format!("/event/{}", run["event_id"].as_str().unwrap()),
        "type": guest.event_type(), "subject": object, "time": told["time"], "datacontenttype": "application/json",
        "fuseboxattempt": 1, "fuseboxscope": object, "fuseboxroot": run["event_id"], "fuseboxdepth": 0,
        "fuseboxdeadline": told["fuseboxdeadline"],
    });
    assert_eq!(*told, expected, "{}", guest.name);
}

pub(super) fn kv(guest: &Installed) {
    let payload = json!({ "do": "kv", "op": "count", "key": "counted" });
    if guest.is_plain() {
        return does_not_know(guest, &payload);
    }
    for n in 1..=3 {
        outputs(guest, &payload, &json!({ "count": n }));
    }
    outputs(guest, &json!({ "do": "kv", "op": "get", "key": "counted" }), &json!({ "value": "3" }));
    outputs(guest, &json!({ "do": "kv", "op": "get", "key": "never" }), &json!({ "value": null }));
}

pub(super) fn kv_expectations(guest: &Installed) {
    let payload = |op: &str, key: &str, more: Value| {
        let mut payload = json!({ "do": "kv", "op": op, "key": key });
        payload.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        payload
    };
    let set = |key: &str, expect: &str| payload("set", key, json!({ "value": "v", "expect": expect }));
    if guest.is_plain() {
        return does_not_know(guest, &set("e/1", "nothing"));
    }
    outputs(guest, &set("e/1", "nothing"), &json!({ "set": true }));
    outputs(guest, &set("e/1", "nothing"), &json!({ "conflict": true }));
    outputs(guest, &set("e/1", "stale"), &json!({ "conflict": true }));
    outputs(guest, &set("e/2", "anything"), &json!({ "set": true }));
    let list = json!({ "do": "kv", "op": "list", "prefix": "e/", "limit": 10 });
    outputs(guest, &list, &json!({ "keys": ["e/1", "e/2"] }));
    let list = json!({ "do": "kv", "op": "list", "prefix": "e/", "after": "e/1", "limit": 10 });
    outputs(guest, &list, &json!({ "keys": ["e/2"] }));
    outputs(guest, &payload("delete", "e/1", json!({ "expect": "stale" })), &json!({ "conflict": true }));
    outputs(guest, &payload("delete", "e/1", json!({})), &json!({ "deleted": true }));
    outputs(guest, &payload("get", "e/1", json!({})), &json!({ "value": null }));
    let long = "k".repeat(5_000);
    let refused = succeeds(guest, &set(&long, "anything"));
    assert!(refused["limit"].as_str().is_some_and(|text| text.contains("key")), "{}: {refused}", guest.name);
}

pub(super) fn kv_of_a_failed_attempt(guest: &Installed) {
    let payload = json!({ "do": "kv", "op": "set_then", "key": "lost", "value": "v", "message": "no" });
    if guest.is_plain() {
        return does_not_know(guest, &payload);
    }
    let run = guest.fire(&payload);
    ended(guest, &run, "ERROR", Some("guest_error"));
    failed_with(guest, &run, 9, "no");
    outputs(guest, &json!({ "do": "kv", "op": "get", "key": "lost" }), &json!({ "value": null }));
}

pub(super) fn kv_scopes(guest: &Installed) {
    let payload = |op: &str, scope: &str| json!({ "do": "kv", "op": op, "key": "s", "scope": scope, "value": scope });
    if guest.is_plain() {
        return does_not_know(guest, &payload("set", "action"));
    }
    outputs(guest, &payload("set", "attachment"), &json!({ "set": true }));
    outputs(guest, &payload("get", "action"), &json!({ "value": null }));
    outputs(guest, &payload("set", "action"), &json!({ "set": true }));
    outputs(guest, &payload("get", "attachment"), &json!({ "value": "attachment" }));
}

pub(super) fn emit(guest: &Installed) {
    let child = json!({ "by": guest.name });
    let payload = json!({ "do": "emit", "event_type": "conformance.sink", "payload": child });
    if guest.is_plain() {
        return does_not_know(guest, &payload);
    }
    let run = guest.fire(&payload);
    ended(guest, &run, "SUCCESS", None);
    assert_eq!(run["output"], json!({ "emitted": true }), "{}", guest.name);
    // What it emitted, and what its success fires anyway.
    let family = SERVER.chain(&run["event_id"], 3);
    assert_eq!(family.iter().filter(|event| event["payload"] == child).count(), 1, "{}: {family:#?}", guest.name);
    let refused = succeeds(guest, &json!({ "do": "emit", "event_type": "conformance.nobody", "payload": {} }));
    assert!(refused["refused"].as_str().is_some_and(|text| text.contains("conformance.nobody")), "{refused}");
}

pub(super) fn emit_of_a_failed_run(guest: &Installed) {
    let payload =
        json!({ "do": "emit_then", "event_type": "conformance.sink", "payload": { "lost": true }, "message": "no" });
    if guest.is_plain() {
        return does_not_know(guest, &payload);
    }
    let run = guest.fire(&payload);
    ended(guest, &run, "ERROR", Some("guest_error"));
    failed_with(guest, &run, 9, "no");
    assert_eq!(SERVER.chain(&run["event_id"], 1).len(), 1);
}

pub(super) fn http_allowed(guest: &Installed) {
    let url = format!("http://{}/allowed/a?b=c", STUB.address);
    let payload = json!({ "do": "http", "url": url, "method": "POST", "body": "grün", "headers": { "x-a": "b" } });
    if guest.is_command() {
        return does_not_know(guest, &payload);
    }
    let run = guest.fire(&payload);
    ended(guest, &run, "SUCCESS", None);
    assert_eq!(run["output"], json!({ "status": 201, "body": "POST /allowed/a?b=c grün" }), "{}", guest.name);
    let [call] = run["attempts"][0]["http"].as_array().unwrap().as_slice() else { panic!("{run:#}") };
    assert_eq!((&call["method"], &call["status"]), (&json!("POST"), &json!(201)), "{call:#}");
}

pub(super) fn http_denied(guest: &Installed) {
    let elsewhere = format!("http://{}/elsewhere", STUB.address);
    for url in [elsewhere.as_str(), "https://example.com/"] {
        let payload = json!({ "do": "http", "url": url });
        if guest.is_command() {
            return does_not_know(guest, &payload);
        }
        let output = succeeds(guest, &payload);
        let told = output["denied"].as_str().unwrap_or_else(|| panic!("{}: {output}", guest.name));
        assert!(told.contains("allow"), "{}: {told}", guest.name);
    }
}

pub(super) fn now_and_seed(guest: &Installed) {
    let mut drawn = Vec::new();
    for _ in 0..2 {
        let run = guest.fire(&json!({ "do": "time" }));
        ended(guest, &run, "SUCCESS", None);
        let time = |value: &Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_millisecond();
        let attempt = &run["attempts"][0];
        let (from, to) = (time(&attempt["started_at"]), time(&attempt["ended_at"]));
        let now = run["output"]["now"].as_i64().unwrap_or_else(|| panic!("{}: {run:#}", guest.name));
        assert!((from..=to).contains(&now), "{}: {now} is not within {from} and {to}", guest.name);
        drawn.push(run["output"]["random"].as_str().unwrap().to_owned());
    }
    assert!(drawn.iter().all(|text| text.len() >= 8) && drawn[0] != drawn[1], "{}: {drawn:?}", guest.name);
}

pub(super) fn budget(guest: &Installed) {
    let payload = json!({ "do": "left" });
    if guest.is_plain() {
        return does_not_know(guest, &payload);
    }
    let run = guest.fire(&payload);
    ended(guest, &run, "SUCCESS", None);
    let usage = &run["attempts"][0]["usage"];
    for (name, of) in [("fuel", "fuel"), ("memory_bytes", "memory_bytes"), ("time_ms", "wall_ms")] {
        let left = run["output"][name].as_u64().unwrap_or_else(|| panic!("{}: {run:#}", guest.name));
        let limit = usage[of]["limit"].as_f64().unwrap() as u64;
        assert!(left > 0 && left <= limit, "{}: {name} {left} of {limit}", guest.name);
    }
    assert_eq!(run["output"]["http_calls"], usage["http_calls"]["limit"], "{}: {run:#}", guest.name);
}

pub(super) fn cancel(guest: &Installed) {
    let payload = json!({ "do": "cancel" });
    if guest.is_plain() {
        return does_not_know(guest, &payload);
    }
    let event = guest.fire_long(&payload);
    let run = SERVER.until_run_is(&event, "RUNNING");
    let path = format!("/run/{}/cancel", run["id"].as_str().unwrap());
    SERVER.admin.request("POST", &path).send().expect(200);
    let run = SERVER.until(&event, is_ended)["runs"][0].clone();
    ended(guest, &run, "CANCELLED", Some("cancelled"));
    let lines = lines(&run);
    assert_eq!(lines.last().map(|line| line["message"].clone()), Some(json!("stopping")), "{}: {run:#}", guest.name);
}

pub(super) fn output_over_the_limit(guest: &Installed) {
    outputs(guest, &json!({ "do": "big", "bytes": 1_000 }), &json!("x".repeat(1_000)));
    let run = guest.fire(&json!({ "do": "big", "bytes": 2 << 20 }));
    ended(guest, &run, "ERROR", Some("output_limit"));
}

pub(super) fn warn(guest: &Installed) {
    let payload = json!({ "do": "warn" });
    if guest.is_plain() {
        return does_not_know(guest, &payload);
    }
    let run = guest.fire(&payload);
    ended(guest, &run, "WARNING", None);
    assert_eq!(run["output"], json!({ "warned": true }), "{}", guest.name);
    assert_eq!(run["messages"], json!(["first warning", "second warning"]), "{}", guest.name);
}

pub(super) fn chained_event(guest: &Installed) {
    let child = json!({ "next": ["step", 2] });
    let payload = json!({ "do": "event", "payload": child });
    if guest.is_plain() {
        return does_not_know(guest, &payload);
    }
    let run = guest.fire(&payload);
    ended(guest, &run, "SUCCESS", None);
    assert_eq!((&run["output"], &run["event"]), (&Value::Null, &child), "{}", guest.name);
    let family = SERVER.chain(&run["event_id"], 2);
    assert_eq!(family[1]["payload"], child, "{}", guest.name);
}

pub(super) fn unknown(guest: &Installed) {
    does_not_know(guest, &json!({ "do": "something else" }));
}
