//! Events counted by time, what fails most, and what is under way, over HTTP.

use crate::support::{Client, TestServer};
use serde_json::{Value, json};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// A server at a full hour, with an event type `gallery` that does what it is told.
fn server() -> TestServer {
    let server = TestServer::with_manual_clock();
    server.pass_to("2026-01-10T12:00:00Z");
    server.install("gallery", "failure_gallery", json!({ "retry": { "attempts": 1 } }));
    server
}

fn fails(server: &TestServer) {
    assert_eq!(server.fire_and_wait("gallery", json!({ "way": "reject" }))["state"], "ERROR");
}

fn succeeds(server: &TestServer) {
    assert_eq!(server.fire_and_wait("gallery", json!({ "way": "warning" }))["state"], "WARNING");
}

/// The steps in which there was anything: time, events, failures.
#[track_caller]
fn counted(client: &Client, query: &str) -> Vec<(String, u64, u64)> {
    let answer = client.get(&format!("/stats{query}"));
    let stats = answer.expect(200);
    let number = |value: &Value| value.as_u64().unwrap();
    let steps: Vec<(String, u64, u64)> = stats["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| (step["at"].as_str().unwrap()[..16].to_owned(), number(&step["events"]), number(&step["failed"])))
        .collect();
    let sum = |count: fn(&(String, u64, u64)) -> u64| steps.iter().map(count).sum::<u64>();
    assert_eq!((number(&stats["events"]), number(&stats["failed"])), (sum(|step| step.1), sum(|step| step.2)));
    steps.into_iter().filter(|(_, events, failed)| events + failed > 0).collect()
}

fn step(at: &str, events: u64, failed: u64) -> (String, u64, u64) {
    (format!("2026-01-{at}"), events, failed)
}

#[test]
fn events_are_counted_by_when_they_were_fired_and_so_after_a_restart() {
    let mut server = server();
    assert!(counted(&server.admin, "").is_empty());
    succeeds(&server);
    fails(&server);
    server.pass_ms(MINUTE_MS);
    fails(&server);
    server.pass_ms(HOUR_MS - 2 * MINUTE_MS);
    succeeds(&server);
    let last_hour = [step("10T12:00", 2, 1), step("10T12:01", 1, 1), step("10T12:59", 1, 0)];
    for restarted in [false, true] {
        assert_eq!(counted(&server.admin, ""), last_hour, "{restarted}");
        assert_eq!(counted(&server.admin, "?from=2026-01-10T12:01:30Z"), last_hour[1..]);
        assert_eq!(counted(&server.admin, "?to=2026-01-10T12:00:59Z"), last_hour[..1]);
        assert_eq!(counted(&server.admin, "?step=900"), [step("10T12:00", 3, 2), step("10T12:45", 1, 0)]);
        assert_eq!(counted(&server.admin, "?step=3600&from=2026-01-04T00:00:00Z"), [step("10T12:00", 4, 2)]);
        if !restarted {
            server.restart();
        }
    }
    // Steps follow each other without gaps, and the one that has begun is the last.
    let stats = server.admin.get("/stats");
    let stats = stats.expect(200);
    assert_eq!(
        (stats["from"].as_str().unwrap(), stats["to"].as_str().unwrap()),
        ("2026-01-10T11:59:00.000Z", "2026-01-10T13:00:00.000Z")
    );
    assert_eq!((stats["steps"].as_array().unwrap().len(), &stats["step"]), (61, &json!(60)));
    // What is open counts, and as failed when it has failed, in the minute in which it was fired.
    let waits = server.fire("gallery", json!({ "way": "wait" }));
    server.until_run_is(&waits, "RUNNING");
    server.pass_ms(5 * MINUTE_MS);
    assert_eq!(counted(&server.admin, "?from=2026-01-10T12:59:00Z"), [step("10T12:59", 2, 0)]);
    server.pass_ms(30 * HOUR_MS);
    assert!(counted(&server.admin, "").is_empty());
    assert_eq!(counted(&server.admin, "?step=10800&from=2026-01-05T00:00:00Z"), [step("10T12:00", 5, 2)]);
}

#[test]
fn what_is_asked_for_has_bounds() {
    let server = server();
    for (query, detail) in [
        ("?step=0", "whole minutes"),
        ("?step=90", "whole minutes"),
        ("?from=2026-01-09T11:59:59Z", "last 24 hours only; with a step of whole hours it is 7 days"),
        ("?step=5400&from=2026-01-09T11:59:59Z", "last 24 hours"),
        ("?step=3600&from=2026-01-03T11:59:59Z", "last 7 days only"),
        ("?from=2026-01-10T03:40:00Z", "that is 501 steps, of which 500 are the most"),
        ("?odd=1", "odd"),
    ] {
        let refused = server.admin.get(&format!("/stats{query}"));
        refused.problem(400, "bad_request");
        assert!(refused.detail().contains(detail), "{query}: {}", refused.detail());
    }
    for (query, steps) in [
        ("?step=300&from=2026-01-09T12:00:00Z", 289),
        ("?step=3600&from=2026-01-03T12:00:00Z", 169),
        ("?from=2026-01-10T03:41:00Z", 500),
        ("?from=2026-01-10T12:30:00Z&to=2026-01-10T11:00:00Z", 1),
        ("?to=2027-01-01T00:00:00Z", 61),
    ] {
        let stats = server.admin.get(&format!("/stats{query}"));
        assert_eq!(stats.expect(200)["steps"].as_array().unwrap().len(), steps, "{query}");
    }
}

#[test]
fn tenants_are_counted_apart_and_the_platform_sees_all() {
    let server = server();
    let (a, b) = (server.client_for("a", &["read", "execute"]), server.client_for("b", &["read"]));
    let fired = a.request("POST", "/event").header("prefer", "wait=60");
    fired.json(&json!({ "event_type": "gallery", "payload": { "way": "reject" } })).send().expect(200);
    succeeds(&server);
    assert_eq!(counted(&a, ""), [step("10T12:00", 1, 1)]);
    assert!(counted(&b, "").is_empty());
    assert!(counted(&b, "?owner_id=a").is_empty(), "another's is as what is not there");
    assert_eq!(counted(&server.admin, ""), [step("10T12:00", 2, 1)]);
    assert_eq!(counted(&server.admin, "?owner_id=a"), [step("10T12:00", 1, 1)]);
    assert_eq!(counted(&server.admin, "?owner_id="), [step("10T12:00", 1, 0)]);
    let failed =
        |client: &Client, query: &str| client.get(&format!("/stats/failure{query}")).expect(200)["failed"].clone();
    assert_eq!((failed(&a, ""), failed(&b, ""), failed(&b, "?owner_id=a")), (json!(1), json!(0), json!(0)));
    assert_eq!((failed(&server.admin, ""), failed(&server.admin, "?owner_id=")), (json!(1), json!(0)));
}

#[test]
fn what_fails_most_comes_first_with_its_last_run() {
    let server = server();
    server.install("other", "failure_gallery", json!({ "retry": { "attempts": 1 } }));
    fails(&server);
    server.pass_ms(MINUTE_MS);
    for way in ["reject", "trap"] {
        server.fire_and_wait("other", json!({ "way": way }));
    }
    succeeds(&server);
    let last = server.fire_and_wait("other", json!({ "way": "reject" }));
    let found = server.admin.get("/stats/failure");
    let found = found.expect(200);
    let actions: Vec<(&str, u64)> = found["actions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|action| (action["action"].as_str().unwrap(), action["failed"].as_u64().unwrap()))
        .collect();
    assert_eq!(actions, [("other", 3), ("gallery", 1)]);
    assert_eq!(found["actions"][0]["run_id"], last["runs"][0]["id"]);
    assert_eq!(found["actions"][0]["message"], last["runs"][0]["message"]);
    let reasons: Vec<(&str, u64)> = found["reasons"]
        .as_array()
        .unwrap()
        .iter()
        .map(|reason| (reason["reason"].as_str().unwrap(), reason["failed"].as_u64().unwrap()))
        .collect();
    assert_eq!(reasons, [("guest_error", 3), ("trap", 1)]);
    assert_eq!((&found["failed"], &found["more"]), (&json!(4), &json!(false)));
    let since = server.admin.get("/stats/failure?from=2026-01-10T12:01:00Z");
    assert_eq!((&since.expect(200)["failed"], since.expect(200)["actions"].as_array().unwrap().len()), (&json!(3), 1));
}

#[test]
fn what_runs_and_waits_is_told_to_each_tenant_of_its_own() {
    let server = TestServer::with(|config| (config.concurrency, config.concurrency_per_tenant) = (1, 1));
    server.install("gallery", "failure_gallery", json!({ "retry": { "attempts": 1 } }));
    let load = |client: &Client| {
        let load = client.get("/stats/load");
        let load = load.expect(200).clone();
        let queues: Vec<(String, u64)> = load["queues"]
            .as_array()
            .unwrap()
            .iter()
            .map(|queue| (queue["sink_type"].as_str().unwrap().to_owned(), queue["queued"].as_u64().unwrap()))
            .collect();
        (load["running"].as_u64().unwrap(), load["waiting"].as_u64().unwrap(), queues)
    };
    assert_eq!(load(&server.admin), (0, 0, Vec::new()));
    let first = server.fire("gallery", json!({ "way": "wait", "n": 0 }));
    server.until_run_is(&first, "RUNNING");
    let a = server.client_for("a", &["read", "execute"]);
    for n in 0..2 {
        a.post("/event", &json!({ "event_type": "gallery", "payload": { "way": "wait", "n": n } })).expect(202);
    }
    server.until_gauge("fusebox_runs_queued", 2);
    assert_eq!(load(&a), (0, 2, vec![("wasm".to_owned(), 2)]));
    assert_eq!(load(&server.admin), (1, 2, vec![("wasm".to_owned(), 2)]));
    assert_eq!(load(&server.client_for("b", &["read"])), (0, 0, Vec::new()));
}
