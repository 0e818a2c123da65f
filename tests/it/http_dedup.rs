//! One in flight (DESIGN §3.5): what is there already is not run again beside itself.

use crate::support::{Answer, Client, TestServer, is_ended};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// How long the runs of `held` wait for their second and last attempt.
const HELD_MS: i64 = 2_000;

/// A server on which the event type `held` has a run that stays in flight until [`HELD_MS`] have passed.
fn server() -> TestServer {
    let server = TestServer::with_manual_clock();
    server.install("held", "failure_gallery", json!({ "retry": { "attempts": 2 } }));
    server
}

fn payload() -> Value {
    json!({ "way": "retry_after" })
}

/// Fires what stays in flight, and waits until it does; its run's id.
fn hold(server: &TestServer, client: &Client, body: Value) -> String {
    let fired = fire(client, body);
    let run = server.until_run_is(fired.expect(202)["id"].as_str().unwrap(), "WAITING");
    run["id"].as_str().unwrap().to_owned()
}

/// Fires `held` with more fields.
fn fire(client: &Client, more: Value) -> Answer {
    let mut body = json!({ "event_type": "held", "payload": payload() });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    client.post("/event", &body)
}

/// Checks that the event is a duplicate of that run and nothing else.
#[track_caller]
fn is_duplicate_of(server: &TestServer, answer: &Answer, live: &str) {
    let accepted = answer.expect(202);
    assert_eq!((&accepted["state"], &accepted["reason"]), (&json!("SKIPPED"), &json!("duplicate")), "{}", answer.text);
    let event = server.event(accepted["id"].as_str().unwrap());
    let run = &event["runs"][0];
    assert_eq!((&run["state"], &run["reason"]), (&json!("SKIPPED"), &json!("duplicate")), "{run:#}");
    assert_eq!((&run["duplicate_of"], &run["attempts"]), (&json!(live), &json!([])), "{run:#}");
    assert!(run["message"].as_str().unwrap().contains(live), "{run:#}");
    assert_eq!((&event["message"], &event["ended_at"]), (&run["message"], &run["queued_at"]));
}

#[track_caller]
fn is_no_duplicate(answer: &Answer) {
    assert_eq!(answer.expect(202)["state"], "QUEUED", "{}", answer.text);
}

#[test]
fn a_duplicate_event_points_at_the_live_run() {
    let server = server();
    let live = hold(&server, &server.admin, json!({}));
    is_duplicate_of(&server, &fire(&server.admin, json!({})), &live);
    is_duplicate_of(&server, &server.admin.post("/trigger/held", &payload()), &live);
    let waited = server.admin.request("POST", "/trigger/held").header("prefer", "wait=30").json(&payload()).send();
    assert_eq!(waited.expect(200)["runs"][0]["duplicate_of"], live, "who waits is told at once");
    assert_eq!(server.admin.get(&format!("/run/{live}")).expect(200)["duplicate_of"], Value::Null);

    server.pass_ms(HELD_MS);
    let event = server.admin.get(&format!("/run/{live}")).expect(200)["event_id"].clone();
    server.until(event.as_str().unwrap(), is_ended);
    let next = hold(&server, &server.admin, json!({}));
    assert_ne!(next, live, "what has ended is in nobody's way");
}

#[test]
fn payloads_that_say_the_same_are_the_same_and_others_are_not() {
    let server = server();
    let fire = |payload: &str| server.admin.request("POST", "/trigger/held").bytes(payload).send();
    let first = fire(r#"{"way":"retry_after","a":{"x":1,"y":[1.50,"\u00e4/"]}}"#);
    let live = server.until_run_is(first.expect(202)["id"].as_str().unwrap(), "WAITING")["id"].clone();
    for same in [
        r#"{"a":{"y":[1.5,"ä\/"],"x":1.0},"way":"retry_after"}"#,
        "{ \"a\" : {\"x\":1e0,\n\"y\":[15e-1, \"ä/\"]}, \"way\":\"retry_after\"}",
    ] {
        is_duplicate_of(&server, &fire(same), live.as_str().unwrap());
    }
    for other in [
        r#"{"way":"retry_after","a":{"x":2,"y":[1.50,"ä/"]}}"#,
        r#"{"way":"retry_after","a":{"x":"1","y":[1.50,"ä/"]}}"#,
        r#"{"way":"retry_after","a":{"x":1,"y":["ä/",1.50]}}"#,
        r#"{"way":"retry_after","a":{"x":1,"y":[1.50,"ä/"]},"b":null}"#,
        r#"{"way":"retry_after","id":9007199254740993}"#,
        r#"{"way":"retry_after","id":9007199254740992}"#,
    ] {
        is_no_duplicate(&fire(other));
    }
}

#[test]
fn another_object_event_type_or_tenant_is_another_firing() {
    let server = server();
    let action = server.admin.get("/action").expect(200)[0]["id"].as_str().unwrap().to_owned();
    server.event_type("held_too", &action, json!({}));
    let object = |id: &str| json!({ "object": { "object_type": "bookable", "object_id": id } });
    let live = hold(&server, &server.admin, object("1"));
    is_no_duplicate(&fire(&server.admin, object("2")));
    is_no_duplicate(&fire(&server.admin, json!({})));
    is_no_duplicate(&fire(&server.admin, json!({ "event_type": "held_too", "object": object("1")["object"] })));
    is_duplicate_of(&server, &fire(&server.admin, object("1")), &live);
    let short = server.admin.post("/trigger/held?object_type=bookable&object_id=1", &payload());
    is_duplicate_of(&server, &short, &live);

    let clients = ["a", "b"].map(|tenant| server.client_for(tenant, &["read", "execute"]));
    let runs = clients.each_ref().map(|client| hold(&server, client, object("1")));
    for (client, run) in clients.iter().zip(&runs) {
        is_duplicate_of(&server, &fire(client, object("1")), run);
        let key = json!({ "dedup_key": "k" });
        is_no_duplicate(&fire(client, key.clone()));
        assert_eq!(fire(client, key).expect(202)["reason"], "duplicate");
    }
}

#[test]
fn a_callers_key_is_all_that_counts() {
    let server = server();
    let keyed = |key: &str, n: u32| json!({ "dedup_key": key, "payload": { "way": "retry_after", "n": n } });
    let live = hold(&server, &server.admin, keyed("booking 42", 1));
    is_duplicate_of(&server, &fire(&server.admin, keyed("booking 42", 2)), &live);
    let short = server.admin.post("/trigger/held?dedup_key=booking%2042", &json!({ "way": "ok" }));
    is_duplicate_of(&server, &short, &live);
    is_no_duplicate(&fire(&server.admin, keyed("booking 43", 1)));
    is_no_duplicate(&fire(&server.admin, json!({ "payload": { "way": "retry_after", "n": 1 } })));

    is_no_duplicate(&fire(&server.admin, keyed(&"k".repeat(255), 1)));
    for bad in [String::new(), "k".repeat(256), "a\nb".to_owned()] {
        let refused = fire(&server.admin, keyed(&bad, 1));
        refused.problem(422, "invalid_body");
        refused.points_at(&["/dedup_key"]);
    }
    let refused = server.admin.post(&format!("/trigger/held?dedup_key={}", "k".repeat(256)), &payload());
    refused.problem(400, "bad_request");
    assert!(refused.detail().contains("255 bytes"), "{}", refused.detail());
}

/// Two bookables in a hall, and an action attached to all three.
fn attached(server: &TestServer, mode: &str) -> String {
    let hall = json!({ "parents": [{ "object_type": "location", "object_id": "hall" }] });
    ["1", "2"].iter().for_each(|id| drop(server.admin.put(&format!("/object/bookable/{id}"), &hall)));
    server.admin.post("/event-type", &json!({ "display_name": mode })).expect(201);
    let digest = server.upload("failure_gallery");
    let action = json!({ "trigger": mode, "dedup_mode": mode, "retry": { "attempts": 2 } });
    let action = server.action(mode, &digest, action);
    for (kind, id) in [("bookable", "1"), ("bookable", "2"), ("location", "hall")] {
        let body = json!({ "object_type": kind, "object_id": id });
        server.admin.post(&format!("/action/{action}/object"), &body).expect(201);
    }
    action
}

fn fire_on(server: &TestServer, event_type: &str, bookable: &str) -> Value {
    let object = json!({ "object_type": "bookable", "object_id": bookable });
    let more = json!({ "event_type": event_type, "object": object, "dedup_key": "k" });
    let fired = fire(&server.admin, more);
    server.event(fired.expect(202)["id"].as_str().unwrap())
}

fn reasons(event: &Value) -> Vec<&Value> {
    event["runs"].as_array().unwrap().iter().map(|run| &run["reason"]).collect()
}

#[test]
fn per_attachment_each_attachment_has_its_own_run_in_flight() {
    let server = TestServer::with_manual_clock();
    attached(&server, "per_attachment");
    let first = fire_on(&server, "per_attachment", "1");
    assert_eq!(first["runs"].as_array().unwrap().len(), 2);
    assert!(reasons(&first).iter().all(|reason| **reason != "duplicate"), "{first:#}");
    let second = fire_on(&server, "per_attachment", "2");
    let (own, shared) = (&second["runs"][0], &second["runs"][1]);
    assert_ne!(own["reason"], "duplicate", "bookable 2 has an attachment of its own");
    assert_eq!((&shared["reason"], &shared["duplicate_of"]), (&json!("duplicate"), &first["runs"][1]["id"]));
}

#[test]
fn per_action_one_run_is_in_flight_and_one_event_runs_it_once() {
    let server = TestServer::with_manual_clock();
    attached(&server, "per_action");
    let first = fire_on(&server, "per_action", "1");
    let run = &first["runs"][0];
    assert_ne!(run["reason"], "duplicate");
    assert_eq!((&first["runs"][1]["reason"], &first["runs"][1]["duplicate_of"]), (&json!("duplicate"), &run["id"]));
    let second = fire_on(&server, "per_action", "2");
    assert_eq!((&second["state"], &second["reason"]), (&json!("SKIPPED"), &json!("duplicate")));
    for place in [0, 1] {
        let skipped = &second["runs"][place];
        assert_eq!((&skipped["reason"], &skipped["duplicate_of"]), (&json!("duplicate"), &run["id"]));
    }
    let effective = server.admin.get("/object/bookable/1/effective?event_type=per_action");
    let effective = effective.expect(200);
    let said = |place: usize| (&effective[place]["runs"], &effective[place]["reason"]);
    assert_eq!(said(0), (&json!(true), &Value::Null));
    assert_eq!(said(1), (&json!(false), &json!("duplicate")));
    assert!(effective[1]["message"].as_str().unwrap().contains("position 0"), "{effective:#}");
}

#[test]
fn of_many_that_fire_the_same_at_once_one_runs() {
    let server = server();
    for round in 0..5 {
        let events: Vec<Value> = std::thread::scope(|scope| {
            let fire = || fire(&server.admin, json!({ "dedup_key": format!("{round}") })).expect(202).clone();
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(fire)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let runs: Vec<Value> =
            events.iter().map(|event| server.event(event["id"].as_str().unwrap())["runs"][0].clone()).collect();
        let live: Vec<&Value> = runs.iter().filter(|run| run["state"] != "SKIPPED").collect();
        assert_eq!(live.len(), 1, "{live:#?}");
        let pointed: BTreeSet<&str> = runs.iter().filter_map(|run| run["duplicate_of"].as_str()).collect();
        assert_eq!(pointed, BTreeSet::from([live[0]["id"].as_str().unwrap()]));
    }
}

/// A run's end was told before its key came free, so that whoever fired again at once could be skipped.
#[test]
fn whoever_is_told_of_an_end_may_fire_the_same_at_once() {
    let server = TestServer::start();
    server.install("noop", "noop", json!({}));
    for _ in 0..200 {
        assert_eq!(server.fire_and_wait("noop", json!({}))["state"], "SUCCESS");
    }
}

#[test]
fn what_ends_without_an_attempt_reserves_nothing() {
    let server = TestServer::with_manual_clock();
    let digest = server.upload("failure_gallery");
    let missing = json!([{ "name": "who", "type": "DATA", "value": "/who" }]);
    let first = server.action("first", &digest, json!({ "parameters": missing }));
    server.event_type("held", &first, json!({}));
    let second = server.action("second", &digest, json!({ "trigger": "held", "dedup_mode": "per_action" }));
    let object = json!({ "object_type": "a", "object_id": "1" });
    server.admin.post(&format!("/action/{second}/object"), &object).expect(201);
    for _ in 0..2 {
        let fired = fire(&server.admin, json!({ "object": object }));
        let event = server.event(fired.expect(202)["id"].as_str().unwrap());
        assert_eq!(reasons(&event), ["param_missing", "aborted"], "the same every time: {event:#}");
    }
}

#[test]
fn a_run_that_a_failure_before_it_aborted_is_in_nobodys_way() {
    let server = server();
    let digest = server.upload("failure_gallery");
    let second = server.action("second", &digest, json!({ "trigger": "held" }));
    let object = json!({ "object_type": "a", "object_id": "1" });
    server.admin.post(&format!("/action/{second}/object"), &object).expect(201);
    let about = json!({ "object": object });
    for _ in 0..2 {
        let live = hold(&server, &server.admin, about.clone());
        let duplicate = fire(&server.admin, about.clone());
        let duplicate = server.event(duplicate.expect(202)["id"].as_str().unwrap());
        assert_eq!(reasons(&duplicate), ["duplicate", "duplicate"], "what is behind the first is in flight, too");
        server.pass_ms(HELD_MS);
        let event = server.admin.get(&format!("/run/{live}")).expect(200)["event_id"].clone();
        let ended = server.until(event.as_str().unwrap(), is_ended);
        assert_eq!(reasons(&ended), ["guest_error", "aborted"]);
    }
}

/// Fires, ends and restarts in a row that looks random: a fire is a duplicate exactly when a run with its key is open.
#[test]
fn a_key_is_taken_while_its_run_is_open_and_never_else() {
    for seed in 1..=2_u64 {
        let mut server = server();
        let mut random = seed;
        let mut next = move |below: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % below
        };
        // Of each key, the event whose run has it.
        let mut open: [Option<(String, String)>; 3] = [None, None, None];
        let (mut duplicates, mut restarts) = (0, 0);
        for _ in 0..60 {
            match next(10) {
                0 => {
                    server.restart();
                    restarts += 1;
                }
                1 | 2 => {
                    server.pass_ms(HELD_MS);
                    for (event, _) in open.iter_mut().filter_map(Option::take) {
                        server.until(&event, is_ended);
                    }
                }
                key => {
                    let slot = &mut open[(key % 3) as usize];
                    let about = json!({ "dedup_key": format!("k{}", key % 3) });
                    match slot {
                        Some((_, run)) => {
                            is_duplicate_of(&server, &fire(&server.admin, about), run);
                            duplicates += 1;
                        }
                        None => {
                            let run = hold(&server, &server.admin, about);
                            let event = server.admin.get(&format!("/run/{run}")).expect(200)["event_id"].clone();
                            *slot = Some((event.as_str().unwrap().to_owned(), run));
                        }
                    }
                }
            }
            assert_eq!(server.store().check().unwrap(), [""; 0]);
        }
        assert!(duplicates > 5 && restarts > 1, "seed {seed}: {duplicates} duplicates, {restarts} restarts");
    }
}
