//! Paused event types over HTTP: events are accepted and held, and go on in order when the type is resumed.

use crate::store::commit;
use crate::support::{Client, TestServer, is_ended};
use fusebox::store::Transition;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU32, Ordering};

/// One attempt at a time, each of which computes for some milliseconds: no two begin in the same one.
fn slow() -> TestServer {
    let server = TestServer::with(|config| (config.concurrency, config.concurrency_per_tenant) = (1, 1));
    let settings = json!({ "retry": { "attempts": 1 }, "limits": { "fuel": 20_000_000 } });
    server.install("slow", "failure_gallery", settings);
    server
}

/// Fires what is like nothing else in flight.
fn loops(server: &TestServer) -> String {
    fire(server, "slow", "loop")
}

fn fire(server: &TestServer, event_type: &str, way: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    server.fire(event_type, json!({ "way": way, "number": COUNT.fetch_add(1, Ordering::SeqCst) }))
}

#[track_caller]
fn pause(server: &TestServer, event_type: &str) {
    let paused = server.admin.post(&format!("/event-type/{event_type}/pause"), &json!({}));
    assert_eq!(paused.expect(200)["paused"], true);
}

#[track_caller]
fn resume(server: &TestServer, event_type: &str) {
    let resumed = server.admin.post(&format!("/event-type/{event_type}/resume"), &json!({}));
    assert_eq!(resumed.expect(200)["paused"], false);
}

/// Waits until so many events are held.
#[track_caller]
fn until_held(server: &TestServer, count: u64) {
    server.until_gauge("fusebox_events_held", count);
}

/// Waits for the end of all, and checks that they ran in this order.
#[track_caller]
fn assert_ran_in_order(server: &TestServer, events: &[String]) {
    let started: Vec<String> = events
        .iter()
        .map(|event| server.until(event, is_ended)["started_at"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert!(started.iter().all(|at| !at.is_empty()) && started.is_sorted_by(|a, b| a < b), "{started:?}");
}

#[track_caller]
fn assert_held(event: &Value) {
    assert_eq!((&event["state"], &event["started_at"]), (&json!("QUEUED"), &Value::Null), "{event:#}");
    assert_eq!((&event["runs"][0]["state"], &event["runs"][0]["attempts"]), (&json!("QUEUED"), &json!([])));
}

#[test]
fn a_paused_type_takes_events_and_holds_them_until_it_is_resumed() {
    let server = slow();
    pause(&server, "slow");
    let events: Vec<String> = (0..5).map(|_| loops(&server)).collect();
    until_held(&server, 5);
    // Others are not held up.
    server.install("noop", "noop", json!({}));
    assert_eq!(server.fire_and_wait("noop", json!({}))["state"], "SUCCESS");
    events.iter().for_each(|event| assert_held(&server.event(event)));
    resume(&server, "slow");
    assert_ran_in_order(&server, &events);
    assert_eq!(server.gauge("fusebox_events_held"), 0);
    let later = loops(&server);
    server.until(&later, is_ended);
}

#[test]
fn nothing_begins_once_the_pause_was_answered() {
    let server = TestServer::with(|config| (config.concurrency, config.concurrency_per_tenant) = (4, 4));
    server.install("noop", "noop", json!({}));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..50).for_each(|_| drop(fire(&server, "noop", "ok"))));
        }
        pause(&server, "noop");
        server.until_idle();
        let begun = || {
            let runs = server.admin.pages("/run?limit=200");
            runs.iter().filter(|run| !run["attempts"].as_array().unwrap().is_empty()).count()
        };
        // What began before has ended; behind this it can be seen.
        commit(server.store(), Transition::default()).unwrap();
        let before = begun();
        let events = [(); 20].map(|()| fire(&server, "noop", "ok"));
        events.iter().for_each(|event| assert_held(&server.event(event)));
        assert_eq!(begun(), before);
    });
    resume(&server, "noop");
    for event in server.admin.pages("/event?limit=200") {
        assert_eq!(server.until(event["id"].as_str().unwrap(), is_ended)["state"], "SUCCESS");
    }
    assert_eq!(server.admin.pages("/event?limit=200").len(), 220);
}

#[test]
fn what_has_begun_goes_on_with_its_retries_and_what_is_behind_it_is_held() {
    let server = TestServer::with_manual_clock();
    let digest = server.upload("failure_gallery");
    server.admin.post("/event-type", &json!({ "display_name": "t" })).expect(201);
    for (priority, name) in [(2, "first"), (1, "second")] {
        let more = json!({ "trigger": "t", "continue_on_fail": true, "retry": { "attempts": 2 } });
        let action = server.action(name, &digest, more);
        let attachment = json!({ "object_type": "t", "object_id": "1", "priority": priority });
        server.admin.post(&format!("/action/{action}/object"), &attachment).expect(201);
    }
    let object = json!({ "object_type": "t", "object_id": "1" });
    let body = json!({ "event_type": "t", "object": object, "payload": { "way": "retry_after" } });
    let event = server.admin.post("/event", &body).expect(202)["id"].as_str().unwrap().to_owned();
    server.until(&event, |event| event["runs"][0]["state"] == "WAITING");
    pause(&server, "t");
    server.pass_ms(2_000);
    until_held(&server, 1);
    let held = server.until(&event, |event| event["runs"][0]["state"] == "ERROR");
    assert_eq!(held["state"], "RUNNING");
    assert_eq!(held["runs"][0]["attempts"].as_array().unwrap().len(), 2);
    assert_eq!((&held["runs"][1]["state"], &held["runs"][1]["attempts"]), (&json!("QUEUED"), &json!([])));
    resume(&server, "t");
    server.until(&event, |event| event["runs"][1]["state"] == "WAITING");
    server.pass_ms(2_000);
    assert_eq!(server.until(&event, is_ended)["state"], "WARNING");
}

#[test]
fn who_waits_for_an_event_that_is_held_gets_it_as_it_is_or_its_end() {
    let server = slow();
    pause(&server, "slow");
    let fire = |prefer: &str| {
        let payload = json!({ "way": "ok", "prefer": prefer });
        server.admin.request("POST", "/trigger/slow").header("prefer", prefer).json(&payload).send()
    };
    let tired = fire("wait=1");
    assert_held(tired.expect(202));
    std::thread::scope(|scope| {
        let patient = scope.spawn(|| fire("wait=60"));
        until_held(&server, 2);
        resume(&server, "slow");
        assert_eq!(patient.join().unwrap().expect(200)["state"], "SUCCESS");
    });
}

#[test]
fn what_is_held_outlives_restarts_in_order() {
    let mut server = slow();
    pause(&server, "slow");
    let mut events: Vec<String> = (0..3).map(|_| loops(&server)).collect();
    server.restart();
    until_held(&server, 3);
    assert_eq!(server.admin.get("/event-type/slow").expect(200)["paused"], true);
    events.extend((0..2).map(|_| loops(&server)));
    events.iter().for_each(|event| assert_held(&server.event(event)));
    server.restart();
    until_held(&server, 5);
    resume(&server, "slow");
    assert_ran_in_order(&server, &events);
    server.restart();
    assert_eq!(server.admin.get("/event-type/slow").expect(200)["paused"], false);
    assert_eq!(server.store().check().unwrap(), [""; 0]);
}

#[test]
fn what_was_queued_before_the_pause_is_held_and_keeps_its_place() {
    let server = slow();
    server.install("block", "failure_gallery", json!({ "retry": { "attempts": 1 } }));
    let blocking = server.fire("block", json!({ "way": "wait" }));
    server.until_run_is(&blocking, "RUNNING");
    let mut events: Vec<String> = (0..3).map(|_| loops(&server)).collect();
    assert_eq!(server.gauge("fusebox_runs_queued"), 3);
    pause(&server, "slow");
    events.extend((0..2).map(|_| loops(&server)));
    server.admin.post(&format!("/event/{blocking}/cancel"), &json!({})).expect(200);
    until_held(&server, 5);
    events.iter().for_each(|event| assert_held(&server.event(event)));
    resume(&server, "slow");
    assert_ran_in_order(&server, &events);
}

#[test]
fn what_is_put_off_is_held_when_its_time_comes() {
    let mut server = TestServer::with_manual_clock();
    server.install("noop", "noop", json!({}));
    pause(&server, "noop");
    let fired = server.admin.post("/event", &json!({ "event_type": "noop", "delay": "5m" }));
    let event = fired.expect(202)["id"].as_str().unwrap().to_owned();
    assert_eq!(server.event(&event)["state"], "WAITING");
    server.pass_ms(5 * 60_000);
    until_held(&server, 1);
    server.restart();
    until_held(&server, 1);
    assert_eq!(server.event(&event)["runs"][0]["attempts"], json!([]));
    resume(&server, "noop");
    assert_eq!(server.until(&event, is_ended)["state"], "SUCCESS");
}

#[test]
fn what_chains_and_schedules_fire_is_held_too() {
    let server = TestServer::with_manual_clock();
    let digest = server.upload("noop");
    let after = server.action("after", &digest, json!({}));
    server.event_type("after", &after, json!({}));
    let first = server.action("first", &digest, json!({ "on_success": "after" }));
    server.event_type("first", &first, json!({}));
    pause(&server, "after");
    assert_eq!(server.fire_and_wait("first", json!({}))["state"], "SUCCESS");
    until_held(&server, 1);
    let schedule = json!({ "name": "daily", "event_type": "after", "cron": "0 0 * * *" });
    server.admin.post("/schedule", &schedule).expect(201);
    server.pass_ms(24 * 3_600_000);
    until_held(&server, 2);
    let held = server.admin.get("/event?event_type=after").expect(200).clone();
    let mut origins: Vec<&str> = Vec::new();
    for event in held.as_array().unwrap() {
        assert_held(&server.event(event["id"].as_str().unwrap()));
        origins.push(event["origin"].as_str().unwrap());
    }
    assert_eq!(origins, ["schedule", "chain"]);
    resume(&server, "after");
    for event in held.as_array().unwrap() {
        assert_eq!(server.until(event["id"].as_str().unwrap(), is_ended)["state"], "SUCCESS");
    }
}

#[test]
fn what_is_held_counts_for_the_bound_and_can_be_cancelled() {
    let server = TestServer::with(|config| config.queue_per_tenant = 2);
    server.install("noop", "noop", json!({}));
    pause(&server, "noop");
    let [first, second] = [(); 2].map(|()| fire(&server, "noop", "ok"));
    let one_more = || server.admin.post("/event", &json!({ "event_type": "noop" }));
    let refused = one_more();
    refused.problem(429, "too_many_requests");
    assert_eq!(refused.header("retry-after"), "1");
    let cancelled = server.admin.post(&format!("/event/{first}/cancel"), &json!({}));
    assert_eq!(cancelled.expect(200)["state"], "CANCELLED");
    assert_eq!(server.gauge("fusebox_events_held"), 1);
    let third = one_more().expect(202)["id"].as_str().unwrap().to_owned();
    resume(&server, "noop");
    for event in [&second, &third] {
        assert_eq!(server.until(event, is_ended)["state"], "SUCCESS");
    }
    assert_eq!(server.event(&first)["state"], "CANCELLED");
}

#[test]
fn deleting_a_paused_type_lets_go_what_was_held() {
    let server = TestServer::start();
    server.install("noop", "noop", json!({}));
    pause(&server, "noop");
    let event = server.fire("noop", json!({}));
    until_held(&server, 1);
    server.admin.delete("/event-type/noop").expect(200);
    assert_eq!(server.until(&event, is_ended)["state"], "SUCCESS");
}

fn version(client: &Client, path: &str) -> u64 {
    client.get(path).expect(200)["version"].as_u64().unwrap()
}

#[test]
fn pausing_is_a_change_of_the_event_type_that_only_pausing_makes() {
    let server = TestServer::start();
    let action = server.install("noop", "noop", json!({}));
    let path = "/event-type/noop";
    assert_eq!(server.admin.get(path).expect(200)["paused"], false);
    let post = |what: &str, version: u64| {
        let request = server.admin.request("POST", &format!("{path}/{what}"));
        request.header("if-match", format!("\"{version}\"")).send()
    };
    post("pause", 7).problem(412, "precondition_failed");
    let paused = post("pause", 1);
    assert_eq!((paused.expect(200)["version"].clone(), paused.header("etag")), (json!(2), "\"2\""));
    assert_eq!(post("pause", 2).expect(200)["version"], 2, "once more changes nothing");

    // Whoever changes it otherwise does not set it going by the way.
    let changed = server.admin.put(path, &json!({ "display_name": "noop", "action": action, "description": "new" }));
    assert_eq!((&changed.expect(200)["paused"], &changed.body["data"]["version"]), (&json!(true), &json!(3)));
    for paused in [true, false] {
        let answer = server.admin.put(path, &json!({ "display_name": "noop", "action": action, "paused": paused }));
        answer.problem(422, "invalid_body");
        answer.points_at(&["/paused"]);
    }
    let event = server.fire("noop", json!({}));
    assert_held(&server.event(&event));
    assert_eq!(post("resume", 3).expect(200)["version"], 4);
    assert_eq!(post("resume", 4).expect(200)["version"], 4);
    server.until(&event, is_ended);
    let audit = server.admin.pages("/audit?limit=200");
    let deeds: Vec<&Value> = audit
        .iter()
        .rev()
        .filter(|entry| entry["subject"] == "noop" && entry["kind"] == "event-type")
        .map(|e| &e["what"])
        .collect();
    assert_eq!(deeds, ["created", "paused", "changed", "resumed"]);

    // Disabled is another thing: nothing is taken then, paused or not.
    let off = json!({ "display_name": "noop", "action": action, "enabled": false });
    server.admin.put(path, &off).expect(200);
    pause(&server, "noop");
    server.admin.post("/event", &json!({ "event_type": "noop" })).problem(409, "event_type_disabled");

    // A tenant pauses its own types only.
    let tenant = server.client_for("a", &["admin"]);
    for what in ["pause", "resume"] {
        tenant.post(&format!("{path}/{what}"), &json!({})).problem(403, "forbidden");
        tenant.post(&format!("/event-type/nobody/{what}"), &json!({})).problem(404, "not_found");
    }
    assert_eq!(version(&tenant, path), 6);
}
