//! What is left to an attempt, and a cancellation that it sees, over HTTP.

use crate::support::{TestServer, is_ended};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A server with the guest as `t`, with fuel and time for more than a test takes.
fn with_patient_guest() -> TestServer {
    let server = TestServer::start();
    let limits = json!({ "fuel": 10_000_000_000_000_u64, "timeout_ms": 60_000 });
    server.admin.post("/sink-type", &json!({ "name": "patient", "limits": limits })).expect(201);
    let digest = server.upload("stateful");
    let action = server.action("t", &digest, json!({}));
    server.event_type("t", &action, json!({ "sink_type": "patient" }));
    server
}

/// Fires, waits until the run has said something, cancels it; the run and its log.
fn cancel_while_it_runs(server: &TestServer, steps: &Value) -> (Value, Value) {
    let event = server.fire("t", json!({ "steps": steps }));
    let run = server.until_run_is(&event, "RUNNING");
    let path = format!("/run/{}", run["id"].as_str().unwrap());
    server.until_listed(&format!("{path}/log"), 1);
    let cancelled = server.admin.post(&format!("{path}/cancel"), &json!({})).expect(200).clone();
    assert_eq!((&cancelled["state"], &cancelled["reason"]), (&json!("CANCELLED"), &json!("cancelled")));
    assert_eq!(server.until(&event, is_ended)["state"], "CANCELLED");
    (cancelled, server.admin.get(&format!("{path}/log")).expect(200).clone())
}

fn messages(log: &Value) -> Vec<&str> {
    log.as_array().unwrap().iter().map(|line| line["message"].as_str().unwrap()).collect()
}

#[test]
fn a_guest_sees_what_is_left_to_it() {
    let server = TestServer::with_manual_clock();
    server.install("t", "stateful", json!({ "limits": { "fuel": 500_000_000, "timeout_ms": 5_000 } }));
    let event =
        server.fire_and_wait("t", json!({ "steps": [{ "left": true }, { "left": true }, { "cancelled": true }] }));
    let run = &event["runs"][0];
    let (first, second) = (&run["output"][0], &run["output"][1]);
    let fuel = |left: &Value| left["fuel"].as_u64().unwrap();
    assert!(fuel(first) < 500_000_000 && fuel(second) < fuel(first), "{run:#}");
    let used = run["attempts"][0]["usage"]["fuel"]["used"].as_u64().unwrap();
    assert!(500_000_000 - fuel(second) < used, "{run:#}");
    let memory = &run["attempts"][0]["usage"]["memory_bytes"];
    let (used, limit) = (memory["used"].as_u64().unwrap(), memory["limit"].as_u64().unwrap());
    let left = second["memory_bytes"].as_u64().unwrap();
    assert!(left < limit && left >= limit - used, "{run:#}");
    // The clock stands still.
    assert_eq!((&first["time_ms"], &run["output"][2]), (&json!(5_000), &json!(false)));
}

#[test]
fn a_guest_that_sees_its_cancellation_puts_things_in_order_and_is_cancelled_all_the_same() {
    let server = with_patient_guest();
    let steps = json!([
        { "log": "begun" }, { "set": "a" }, { "emit": "t", "payload": {} }, { "until_cancelled": true }, { "log": "tidied up" },
    ]);
    let (run, log) = cancel_while_it_runs(&server, &steps);
    assert_eq!(messages(&log), ["begun", "tidied up"]);
    assert_eq!((&run["output"], &run["emitted"]), (&Value::Null, &json!([])), "what it returned does not matter");
    assert!(!server.dump().contains("[kv]"), "nor what it wrote");
    assert_eq!(server.admin.get("/event").body["count"], 1);
    server.until_idle();
}

#[test]
fn a_guest_that_ignores_its_cancellation_has_a_moment_and_no_more() {
    let server = with_patient_guest();
    let begun = Instant::now();
    let steps = json!([{ "log": "begun" }, { "cancelled": true }, { "end": "spin" }]);
    let (run, log) = cancel_while_it_runs(&server, &steps);
    assert_eq!((messages(&log), &run["attempts"][0]["state"]), (vec!["begun"], &json!("CANCELLED")));
    let took = begun.elapsed();
    assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(30), "{took:?}");
    server.until_idle();
}

#[test]
fn what_is_logged_and_what_is_printed_keep_their_order_and_their_levels() {
    let server = TestServer::start();
    server.install("t", "stateful", json!({}));
    let steps = json!([
        { "log": "1" }, { "print": "2" }, { "complain": "3" }, { "log": "4" }, { "complain": "5" }, { "print": "6" }, { "log": "7" },
    ]);
    let event = server.fire_and_wait("t", json!({ "steps": steps }));
    let path = format!("/run/{}/log", event["runs"][0]["id"].as_str().unwrap());
    let log = server.admin.get(&path).expect(200).clone();
    let line = |line: &Value| ["message", "level", "source"].map(|name| line[name].as_str().unwrap().to_owned());
    let lines: Vec<[String; 3]> = log.as_array().unwrap().iter().map(line).collect();
    let expected =
        ["log", "stdout", "stderr", "log", "stderr", "stdout", "log"].into_iter().zip(1..).map(|(source, number)| {
            let level = if source == "stderr" { "warn" } else { "info" };
            [number.to_string(), level.to_owned(), source.to_owned()]
        });
    assert_eq!(lines, expected.collect::<Vec<_>>());
    assert!(log.as_array().unwrap().iter().zip(0..).all(|(line, number)| line["number"] == number));
}
