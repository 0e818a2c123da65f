//! Every way an action can fail ends its own run, with the right state and reason, and nothing else.

use crate::support::TestServer;
use serde_json::{Value, json};
use std::path::Path;

fn gallery() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/failure-gallery/action.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn every_way_to_fail_ends_its_own_run_and_the_server_serves_on() {
    let server = TestServer::start();
    let tighter = json!({ "retry": { "attempts": 2, "base_ms": 0 }, "limits": { "timeout_ms": 2_000 } });
    server.install("gallery", "failure_gallery", tighter);
    server.install("good", "noop", json!({}));
    let (mut failed, mut good) = (0, 0);
    for sample in gallery()["samples"].as_array().unwrap() {
        let (name, expect) = (sample["sample"].as_str().unwrap(), &sample["expect"]);
        let way = name.trim_start_matches("samples/").trim_end_matches(".json");
        let event = server.fire_and_wait("gallery", json!({ "way": way }));
        let run = &event["runs"][0];
        assert_eq!((&run["state"], &run["reason"]), (&expect["state"], &expect["reason"]), "{way}: {run:#}");
        assert_eq!((&event["state"], &event["reason"]), (&expect["state"], &expect["reason"]), "{way}");
        let attempts = run["attempts"].as_array().unwrap();
        assert_eq!(attempts.len() == 2, expect["retried"] == true, "{way} was tried {} times", attempts.len());
        if expect["state"] == "ERROR" {
            failed += 1;
            assert!(!run["message"].as_str().unwrap().is_empty(), "{way} does not say why");
            assert_ne!(run["code"], 0, "{way}");
            assert_eq!(attempts.last().unwrap()["reason"], expect["reason"], "{way}");
        }
        if let Some(code) = expect["code"].as_u64() {
            assert_eq!(run["code"], code, "{way}");
        }
        for (limited, usage) in attempts.iter().flat_map(|attempt| attempt["usage"].as_object().unwrap()) {
            let (used, limit) = (usage["used"].as_f64().unwrap(), usage["limit"].as_f64().unwrap());
            // A limit of time is noticed a little after it was passed.
            let slack = if limited.ends_with("_ms") { 1_500.0 } else { 0.0 };
            assert!(used <= limit + slack, "{way} used {used} of {limit} {limited}");
        }
        assert_eq!(server.fire_and_wait("good", json!(way))["runs"][0]["output"], way, "after {way}");
        good += 1;
    }
    assert_eq!((failed, good), (10, 12));
    let metrics = server.admin.get("/metrics").text;
    assert!(metrics.contains("fusebox_attempts_total{state=\"SUCCESS\",reason=\"\"} 13"), "{metrics}");
    assert!(metrics.contains("fusebox_attempts_total{state=\"ERROR\",reason=\"fuel_exhausted\"} 1"), "{metrics}");
    assert!(metrics.contains("fusebox_attempts_running 0"), "{metrics}");
}

#[test]
fn limits_of_an_action_bite_where_those_of_the_profile_would_not() {
    let server = TestServer::start();
    let digest = server.upload("noop");
    for (limits, reason) in [
        (json!({ "fuel": 1 }), "fuel_exhausted"),
        (json!({ "memory_bytes": 1 }), "memory_limit"),
        (json!({ "output_bytes": 4 }), "output_limit"),
    ] {
        let action = server.action(reason, &digest, json!({ "limits": limits }));
        server.event_type(reason, &action, json!({}));
        let run = server.fire_and_wait(reason, json!({ "n": 1 }))["runs"][0].clone();
        assert_eq!((&run["state"], &run["reason"]), (&json!("ERROR"), &json!(reason)), "{run:#}");
    }
    let action = server.action("enough", &digest, json!({ "limits": { "output_bytes": 7 } }));
    server.event_type("enough", &action, json!({}));
    assert_eq!(server.fire_and_wait("enough", json!({ "n": 1 }))["state"], "SUCCESS", "at the limit is within it");
}

#[test]
fn runs_that_fail_in_every_way_at_once_harm_no_run_beside_them() {
    let server = TestServer::start();
    server.install(
        "gallery",
        "failure_gallery",
        json!({ "retry": { "attempts": 1 }, "limits": { "timeout_ms": 1_500 } }),
    );
    server.install("good", "noop", json!({}));
    let ways = ["trap", "loop", "memory", "stack", "log_flood", "huge_output", "wait", "reject"];
    let bad: Vec<String> = ways.iter().map(|way| server.fire("gallery", json!({ "way": way }))).collect();
    for number in 0..50 {
        assert_eq!(server.fire_and_wait("good", json!(number))["runs"][0]["output"], number);
    }
    for (id, way) in bad.iter().zip(ways) {
        assert_eq!(server.until(id, crate::support::is_ended)["state"], "ERROR", "{way}");
    }
}
