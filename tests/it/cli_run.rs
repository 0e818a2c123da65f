//! `fusebox run replay`: an attempt of the history repeated here; and what `fusebox test` keeps and emits.

use crate::support::{Ran, TestServer, fusebox, fusebox_with};
use serde_json::{Value, json};
use std::path::Path;

const STATEFUL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guests/components/stateful.wasm");

/// A server and a folder for commands that speak to it.
pub(crate) struct Bench {
    pub(crate) server: TestServer,
    pub(crate) folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Bench {
        Bench::over(TestServer::start())
    }

    pub(crate) fn over(server: TestServer) -> Bench {
        Bench { server, folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        let variables = [("FUSEBOX_URL", self.server.url()), ("FUSEBOX_TOKEN", self.server.token.clone())];
        let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        fusebox_with(self.folder.path(), &variables, arguments)
    }

    /// Repeats a run and gives the exit code and the names of what differs.
    pub(crate) fn replay(&self, run: &Value, more: &[&str]) -> (i32, Vec<String>, Value) {
        let id = run["id"].as_str().unwrap();
        let ran = self.run(&[&["run", "replay", id, "--json"], more].concat());
        let document = ran.json();
        let differences = document["differences"].as_array().unwrap_or_else(|| panic!("{ran:?}"));
        let names = differences.iter().map(|differs| differs["what"].as_str().unwrap().to_owned()).collect();
        (ran.code, names, document)
    }

    pub(crate) fn fire(&self, event_type: &str, payload: Value) -> Value {
        self.server.fire_and_wait(event_type, payload)["runs"][0].clone()
    }
}

pub(crate) fn same() -> (i32, Vec<String>) {
    (0, Vec::new())
}

#[test]
fn an_attempt_is_repeated_with_its_time_and_random_bits_and_comes_out_the_same() {
    let bench = Bench::new();
    bench.server.install("t", "stateful", json!({ "retry": { "attempts": 1 } }));
    bench.server.admin.post("/event-type", &json!({ "display_name": "child" })).expect(201);
    for steps in [
        json!([{ "now": 1 }, { "seed": 1 }, { "attempt": 1 }, { "log": "hello" }, { "warn": "careful" }]),
        json!([{ "log": "hello" }, { "end": "no" }]),
        json!([{ "end": "trap" }]),
        json!([{ "add": "n" }, { "get": "n" }, { "list": "" }, { "emit": "child", "payload": { "a": 1.50 } }]),
    ] {
        let run = bench.fire("t", json!({ "steps": steps }));
        let (code, names, document) = bench.replay(&run, &[]);
        assert_eq!((code, names), same(), "{document:#}");
    }
    let run = bench.fire("t", json!({ "steps": [{ "now": 1 }, { "log": "x" }] }));
    let ran = bench.run(&["run", "replay", run["id"].as_str().unwrap()]);
    assert!(ran.code == 0 && ran.out.contains("SUCCESS") && ran.out.contains("came out the same here"), "{ran:?}");
}

/// The texts are given to the letter: another spelling of the same JSON takes other instructions.
#[test]
fn payloads_are_repeated_to_the_letter() {
    let bench = Bench::new();
    bench.server.install("t", "stateful", json!({}));
    let body = r#"{"steps":  [{"log" : "a"}],  "z": 1.500, "a": "é"}"#;
    let fired = bench.server.admin.request("POST", "/trigger/t").header("prefer", "wait=60").bytes(body).send();
    let (code, names, document) = bench.replay(&fired.expect(200)["runs"][0], &[]);
    assert_eq!((code, names), same(), "{document:#}");
}

#[test]
fn what_differs_is_told() {
    let bench = Bench::new();
    bench.server.install("t", "stateful", json!({}));
    bench.fire("t", json!({ "steps": [{ "set": "a", "value": "kept" }] }));
    let run = bench.fire("t", json!({ "steps": [{ "get": "a" }, { "log": "x" }] }));
    // What it found is not recorded.
    let (code, names, document) = bench.replay(&run, &[]);
    assert_eq!((code, names[0].as_str()), (1, "output"), "{document:#}");
    assert!(names.contains(&"fuel".to_owned()), "{names:?}");
    let output = &document["differences"][0];
    assert_eq!((&output["server"], &output["here"]), (&json!(["kept", null]), &json!([null, null])));
    let (code, names, document) = bench.replay(&run, &["--kv", r#"{"a":"kept"}"#]);
    assert_eq!((code, names), same(), "{document:#}");
    let ran = bench.run(&["run", "replay", run["id"].as_str().unwrap()]);
    assert!(ran.code == 1 && ran.out.contains("output differs") && ran.out.contains("[\"kept\",null]"), "{ran:?}");
}

#[test]
fn any_attempt_can_be_repeated_and_secrets_are_asked_for() {
    let bench = Bench::new();
    bench.server.admin.put("/secret/key", &json!({ "value": "hunter2" })).expect(201);
    let parameters = json!([
        { "name": "secret", "type": "SECRET", "value": "key" }, { "name": "other", "type": "STATIC", "value": [1] },
    ]);
    bench.server.install(
        "leaky",
        "leaky",
        json!({ "parameters": parameters, "retry": { "attempts": 2, "base_ms": 0 } }),
    );
    let run = bench.fire("leaky", json!("reject"));
    let ran = bench.run(&["run", "replay", run["id"].as_str().unwrap()]);
    assert!(ran.code == 1 && ran.err.contains("its param `secret` is a secret"), "{ran:?}");
    let given = r#"{"secret":"hunter2"}"#;
    let (code, names, document) = bench.replay(&run, &["--params", given]);
    assert_eq!((code, names), same(), "{document:#}");
    let (_, names, document) = bench.replay(&run, &["--params", r#"{"secret":"another one"}"#]);
    assert!(names.contains(&"log_bytes".to_owned()) && !document.to_string().contains("another"), "{document:#}");
    let (code, _, document) = bench.replay(&run, &["--params", given, "--attempt", "1"]);
    assert_eq!(document["attempt"], 1, "{code}");
    let ran = bench.run(&["run", "replay", run["id"].as_str().unwrap(), "--attempt", "9"]);
    assert!(ran.code == 1 && ran.err.contains("no such attempt"), "{ran:?}");
}

#[test]
fn what_an_attempt_was_told_is_read_over_http() {
    let bench = Bench::new();
    bench.server.admin.put("/secret/key", &json!({ "value": "hunter2" })).expect(201);
    let parameters = json!([{ "name": "secret", "type": "SECRET", "value": "key" }]);
    bench.server.install("leaky", "leaky", json!({ "parameters": parameters }));
    let run = bench.fire("leaky", json!("length"));
    let path = format!("/run/{}/attempt", run["id"].as_str().unwrap());
    let told = bench.server.admin.get(&format!("{path}/1"));
    let data = told.expect(200);
    assert_eq!((&data["payload"], &data["secrets"]), (&json!("\"length\""), &json!(["secret"])));
    assert!(!told.text.contains("hunter2") && data["params"].as_str().unwrap().starts_with('{'), "{}", told.text);
    assert_eq!((&data["run_id"], &data["module"], &data["attempt"]), (&run["id"], &run["module"], &json!(1)));
    assert_eq!(data["limits"]["kv_bytes"], 1 << 20, "limits are told in full");
    assert!(data["seed"][0].as_str().unwrap().parse::<u64>().is_ok(), "{data:#}");
    for none in ["2", "0", "x"] {
        bench.server.admin.get(&format!("{path}/{none}")).problem(404, "not_found");
    }
}

#[test]
fn a_test_here_has_values_events_and_a_budget() {
    let steps = json!([
        { "get": "a" }, { "set": "b", "value": "2" }, { "delete": "a" }, { "add": "n", "scope": "attachment" },
        { "emit": "child", "payload": { "x": 1 }, "object": ["o", "1"] }, { "cancelled": 1 },
    ]);
    let payload = json!({ "steps": steps }).to_string();
    let test = |more: &[&str]| {
        let base = ["test", STATEFUL, "--payload", &payload, "--kv", r#"{"a":"1","c":"3"}"#];
        fusebox(Path::new("."), &[&base, more].concat(), "")
    };
    let document = test(&["--json"]).json();
    assert_eq!(document["result"]["output"], json!(["1", "ok", "ok", 1, "ok", false]), "{document:#}");
    assert_eq!(document["kv"], json!({ "action": { "b": "2", "c": "3", "n": "1" } }), "{document:#}");
    let object = json!({ "object_type": "o", "object_id": "1" });
    assert_eq!(document["emitted"], json!([{ "event_type": "child", "payload": { "x": 1 }, "object": object }]));
    assert_eq!(document["usage"]["emitted_events"], json!({ "used": 1, "limit": 32 }));
    let shown = test(&[]);
    for word in ["values after it", "\"b\": \"2\"", "emitted events", "\"child\"", "events emitted"] {
        assert!(shown.out.contains(word), "{word} is not in: {}", shown.out);
    }
    // Compiling, which takes longer than what is allowed for here, is not the attempt's time.
    let left = json!({ "steps": [{ "left": 1 }] }).to_string();
    let document = fusebox(Path::new("."), &["test", STATEFUL, "--payload", &left, "--json"], "").json();
    let (left, wall) = (&document["result"]["output"][0]["time_ms"], &document["usage"]["wall_ms"]);
    let told = left.as_f64().unwrap() + wall["used"].as_f64().unwrap();
    assert!(told + 100.0 >= wall["limit"].as_f64().unwrap(), "{document:#}");
    let wrong = fusebox(Path::new("."), &["test", STATEFUL, "--kv", "[]"], "");
    assert!(wrong.code == 1 && wrong.err.contains("--kv takes an object"), "{wrong:?}");
}
