//! Cancelling events and runs over HTTP, wherever they are: in the queue, waiting, running.

use crate::sandbox::guest::logging;
use crate::support::{TestServer, is_ended};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::Mutex;

/// Says "begun" and then computes for as long as it may: each square root takes many times longer than its fuel.
fn busy() -> String {
    let roots = "(f64.sqrt ".repeat(50);
    let body = format!(
        r#"(data (i32.const 100) "begun")
           (func $run (export "run") (param i32) (result i32) (local $x f64)
             (call $log (i32.const 2) (i32.const 100) (i32.const 5) (i32.const 0) (i32.const 0))
             (local.set $x (f64.const 2))
             (loop $again
               (local.set $x {roots} (local.get $x) {})
               (br $again))
             unreachable)"#,
        ")".repeat(50)
    );
    logging(&body)
}

/// One attempt at a time; the event type `gallery` does what its payload says, one attempt each.
fn narrow() -> TestServer {
    let server = TestServer::with(|config| (config.concurrency, config.concurrency_per_tenant) = (1, 1));
    server.install("gallery", "failure_gallery", json!({ "retry": { "attempts": 1 } }));
    server
}

/// An event type `t` whose plan on the object `t/1` has these actions in this order.
fn planned(server: &TestServer, actions: &[(&str, Value)]) {
    let digest = server.upload("failure_gallery");
    server.admin.post("/event-type", &json!({ "display_name": "t" })).expect(201);
    for (place, (name, more)) in actions.iter().enumerate() {
        let mut body = json!({ "name": name, "module": digest, "trigger": "t", "retry": { "attempts": 1 } });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let id = server.admin.post("/action", &body).expect(201)["id"].as_str().unwrap().to_owned();
        let attachment = json!({ "object_type": "t", "object_id": "1", "priority": 100 - place });
        server.admin.post(&format!("/action/{id}/object"), &attachment).expect(201);
    }
}

fn fire_planned(server: &TestServer, payload: Value) -> String {
    let object = json!({ "object_type": "t", "object_id": "1" });
    let fired = server.admin.post("/event", &json!({ "event_type": "t", "object": object, "payload": payload }));
    fired.expect(202)["id"].as_str().unwrap().to_owned()
}

#[track_caller]
fn cancel_event(server: &TestServer, event: &str) -> Value {
    server.admin.post(&format!("/event/{event}/cancel"), &json!({})).expect(200).clone()
}

#[track_caller]
fn cancel_run(server: &TestServer, run: &Value) -> Value {
    server.admin.post(&format!("/run/{}/cancel", run["id"].as_str().unwrap()), &json!({})).expect(200).clone()
}

fn states(event: &Value) -> Vec<&str> {
    event["runs"].as_array().unwrap().iter().map(|run| run["state"].as_str().unwrap()).collect()
}

/// In the same words everywhere: the event, its run, and the attempt that was broken off.
#[track_caller]
fn assert_cancelled(thing: &Value) {
    assert_eq!((&thing["state"], &thing["reason"]), (&json!("CANCELLED"), &json!("cancelled")), "{thing:#}");
    assert_eq!(thing["message"], "cancelled by `admin`", "{thing:#}");
    assert!(thing["ended_at"].is_string(), "{thing:#}");
}

#[test]
fn a_guest_that_waits_in_the_host_is_interrupted() {
    let server = narrow();
    let event = server.fire("gallery", json!({ "way": "wait" }));
    server.until_run_is(&event, "RUNNING");
    let cancelled = cancel_event(&server, &event);
    assert_cancelled(&cancelled);
    let run = &cancelled["runs"][0];
    assert_cancelled(run);
    assert_eq!((&run["code"], &run["interruptions"], &run["output"]), (&json!(1), &json!(0), &Value::Null));
    assert_cancelled(&run["attempts"][0]);
    assert_eq!(server.event(&event), cancelled, "what was answered is what is stored");
    assert_eq!(server.fire_and_wait("gallery", json!({ "way": "ok" }))["state"], "SUCCESS", "its permit came back");
}

#[test]
fn a_guest_that_burns_its_processor_is_interrupted_and_what_it_said_is_kept() {
    let server = TestServer::with(|config| (config.concurrency, config.concurrency_per_tenant) = (1, 1));
    let digest = server.upload_bytes(busy());
    let action = server.action("busy", &digest, json!({}));
    server.event_type("busy", &action, json!({}));
    for _ in 0..3 {
        let event = server.fire("busy", json!({}));
        let run = server.until_run_is(&event, "RUNNING");
        let cancelled = cancel_run(&server, &run);
        assert_cancelled(&cancelled);
        assert_cancelled(&cancelled["attempts"][0]);
        assert_cancelled(&server.event(&event));
        let log = server.admin.get(&format!("/run/{}/log", run["id"].as_str().unwrap()));
        assert_eq!(log.expect(200)[0]["message"], "begun");
    }
    server.until_idle();
}

#[test]
fn what_a_long_attempt_says_can_be_read_while_it_runs() {
    let server = TestServer::start();
    let digest = server.upload_bytes(busy());
    let action = server.action("busy", &digest, json!({}));
    server.event_type("busy", &action, json!({}));
    let event = server.fire("busy", json!({}));
    let run = server.until_run_is(&event, "RUNNING");
    let path = format!("/run/{}/log", run["id"].as_str().unwrap());
    // Its log is stored now and then, which is a change of the store.
    let line = server.until_listed(&path, 1)[0].clone();
    assert_eq!((&line["message"], &line["attempt"], &line["number"]), (&json!("begun"), &json!(1), &json!(0)));
    assert_eq!(server.event(&event)["runs"][0]["state"], "RUNNING");
    cancel_event(&server, &event);
    assert_eq!(server.admin.get(&path).expect(200).as_array().unwrap().len(), 1, "nothing is stored twice");
}

#[test]
fn what_is_in_the_queue_is_cancelled_at_once_and_makes_room() {
    let server = TestServer::with(|config| {
        (config.concurrency, config.concurrency_per_tenant, config.queue_per_tenant) = (1, 1, 2);
    });
    server.install("gallery", "failure_gallery", json!({ "retry": { "attempts": 1 } }));
    let running = server.fire("gallery", json!({ "way": "wait" }));
    server.until_run_is(&running, "RUNNING");
    let [first, second] = [1, 2].map(|number| server.fire("gallery", json!({ "way": "ok", "number": number })));
    let fire = || server.admin.post("/event", &json!({ "event_type": "gallery", "payload": { "way": "ok" } }));
    fire().problem(429, "too_many_requests");
    let cancelled = cancel_event(&server, &first);
    assert_cancelled(&cancelled);
    assert_eq!((&cancelled["started_at"], &cancelled["runs"][0]["attempts"]), (&Value::Null, &json!([])));
    assert_eq!(server.gauge("fusebox_runs_queued"), 1);
    let third = fire().expect(202)["id"].as_str().unwrap().to_owned();
    cancel_event(&server, &running);
    for event in [&second, &third] {
        assert_eq!(server.until(event, is_ended)["state"], "SUCCESS");
    }
    assert_cancelled(&server.event(&first));
}

#[test]
fn what_waits_for_its_time_is_cancelled_and_does_not_run_then() {
    let server = TestServer::with_manual_clock();
    server.install("gallery", "failure_gallery", json!({ "retry": { "attempts": 2 } }));
    let delayed = server.admin.post("/event", &json!({ "event_type": "gallery", "delay": "5m" }));
    let delayed = delayed.expect(202)["id"].as_str().unwrap().to_owned();
    let retried = server.fire("gallery", json!({ "way": "retry_after" }));
    server.until_run_is(&retried, "WAITING");
    assert_eq!(server.gauge("fusebox_runs_waiting"), 2);
    assert_cancelled(&cancel_event(&server, &delayed)["runs"][0]);
    let run = cancel_event(&server, &retried)["runs"][0].clone();
    assert_cancelled(&run);
    assert_eq!((&run["due_at"], &run["attempts"][0]["state"]), (&Value::Null, &json!("ERROR")));
    assert_eq!(server.gauge("fusebox_runs_waiting"), 0);
    let before = server.dump();
    server.pass_ms(10 * 60_000);
    server.fire_and_wait("gallery", json!({ "way": "ok" }));
    let after = server.dump();
    assert!(before.lines().all(|line| after.contains(line)), "something went on");
}

#[test]
fn a_cancelled_run_is_no_failure_and_the_plan_goes_on_behind_it() {
    let server = TestServer::with_manual_clock();
    let late = json!({ "when": { "at": "/late" } });
    planned(&server, &[("first", json!({})), ("second", json!({})), ("late", late)]);
    let event = fire_planned(&server, json!({ "way": "wait", "late": "2030-01-01T00:00:00Z" }));
    let first = server.until_run_is(&event, "RUNNING");
    assert_cancelled(&cancel_run(&server, &first));
    let running = server.until(&event, |event| event["runs"][1]["state"] == "RUNNING");
    assert_eq!(states(&running), ["CANCELLED", "RUNNING", "WAITING"]);

    // While it runs, one that waits behind it is cancelled at once; it goes on.
    let late = cancel_run(&server, &running["runs"][2]);
    assert_cancelled(&late);
    assert_eq!((&late["due_at"], &late["attempts"]), (&Value::Null, &json!([])));
    assert_eq!(states(&server.event(&event)), ["CANCELLED", "RUNNING", "CANCELLED"]);
    let second = cancel_run(&server, &running["runs"][1]);
    assert_cancelled(&second);
    let ended = server.event(&event);
    assert_cancelled(&ended);
}

#[test]
fn nothing_follows_what_was_cancelled() {
    let server = TestServer::start();
    let digest = server.upload("failure_gallery");
    for name in ["won", "lost"] {
        server.admin.post("/event-type", &json!({ "display_name": name })).expect(201);
    }
    let chained = json!({ "on_success": "won", "on_failure": "lost", "retry": { "attempts": 1 } });
    let action = server.action("chained", &digest, chained);
    server.event_type("t", &action, json!({}));
    for way in ["event", "run"] {
        let event = server.fire("t", json!({ "way": "wait" }));
        let run = server.until_run_is(&event, "RUNNING");
        let cancelled = if way == "event" { cancel_event(&server, &event) } else { cancel_run(&server, &run) };
        assert_cancelled(&cancelled);
    }
    // The same that fails fires what follows, and fires it only for itself.
    let failed = server.fire_and_wait("t", json!({ "way": "reject" }));
    let follower = server.until_listed("/event?event_type=lost", 1)[0].clone();
    assert_eq!(follower["parent_id"], failed["id"]);
    assert_eq!(server.admin.get("/event?event_type=won").body["count"], 0);
}

#[test]
fn an_event_of_which_only_a_part_was_cancelled_ends_as_the_rest_did() {
    let server = TestServer::with_manual_clock();
    let late = json!({ "when": { "at": "/late" } });
    planned(&server, &[("now", json!({})), ("late", late)]);
    let end = |way: &str| {
        let event = fire_planned(&server, json!({ "way": way, "late": "2030-01-01T00:00:00Z" }));
        let waiting = server.until(&event, |event| event["runs"][0]["ended_at"].is_string());
        cancel_run(&server, &waiting["runs"][1]);
        server.event(&event)
    };
    let event = end("ok");
    assert_eq!((&event["state"], &event["message"]), (&json!("SUCCESS"), &json!("1 of 2 runs cancelled")));
    assert_eq!(states(&event), ["SUCCESS", "CANCELLED"]);
    assert_eq!(end("warning")["state"], "WARNING");
}

#[test]
fn cancelling_an_event_ends_all_that_is_left_of_it() {
    let server = TestServer::with_manual_clock();
    let late = json!({ "when": { "at": "/late" } });
    planned(&server, &[("late", late), ("runs", json!({})), ("behind", json!({}))]);
    let event = fire_planned(&server, json!({ "way": "wait", "late": "2030-01-01T00:00:00Z" }));
    server.until(&event, |event| event["runs"][1]["state"] == "RUNNING");
    let cancelled = cancel_event(&server, &event);
    assert_cancelled(&cancelled);
    cancelled["runs"].as_array().unwrap().iter().for_each(assert_cancelled);
    assert_eq!(server.event(&event), cancelled);
    server.until_idle();
    assert_eq!(["queued", "waiting"].map(|what| server.gauge(&format!("fusebox_runs_{what}"))), [0, 0]);
}

#[test]
fn what_has_ended_cannot_be_cancelled() {
    let server = TestServer::start();
    server.install("gallery", "failure_gallery", json!({ "retry": { "attempts": 1 } }));
    let mut ended: Vec<Value> =
        ["ok", "warning", "reject"].map(|way| server.fire_and_wait("gallery", json!({ "way": way }))).into();
    let event = server.fire("gallery", json!({ "way": "wait" }));
    server.until_run_is(&event, "RUNNING");
    ended.push(cancel_event(&server, &event));
    let before = server.dump();
    for event in &ended {
        for (what, thing) in [("event", event), ("run", &event["runs"][0])] {
            let path = format!("/{what}/{}/cancel", thing["id"].as_str().unwrap());
            let answer = server.admin.post(&path, &json!({}));
            answer.problem(409, "already_ended");
            let state = thing["state"].as_str().unwrap();
            assert_eq!(answer.detail(), format!("the {what} has ended already: it is {state}"));
        }
    }
    assert_eq!(server.dump(), before);
}

#[test]
fn who_waits_for_the_end_hears_of_the_cancelling() {
    let server = narrow();
    std::thread::scope(|scope| {
        let waits = |way: &str| {
            let request = server.admin.request("POST", "/trigger/gallery").header("prefer", "wait=60");
            let request = request.json(&json!({ "way": way }));
            scope.spawn(move || request.send())
        };
        let only = |state: &str| server.until_listed(&format!("/event?state={state}"), 1)[0]["id"].clone();
        let running = waits("wait");
        let running_id = only("RUNNING");
        let queued = waits("ok");
        let queued_id = only("QUEUED");
        for (id, waiting) in [(queued_id, queued), (running_id, running)] {
            cancel_event(&server, id.as_str().unwrap());
            let answer = waiting.join().unwrap();
            assert_eq!(answer.expect(200)["id"], id);
            assert_cancelled(&answer.body["data"]);
        }
    });
}

#[test]
fn what_an_earlier_process_left_can_be_cancelled_and_stays_so() {
    let mut server = TestServer::with_manual_clock();
    let late = |at: &str| json!({ "when": { "at": at } });
    planned(&server, &[("late", late("/late")), ("later", late("/later")), ("now", json!({}))]);
    let [whole, part] = [1, 2].map(|number| {
        let (late, later) = ("2023-11-15T00:00:00Z", "2023-11-16T00:00:00Z");
        fire_planned(&server, json!({ "way": "ok", "number": number, "late": late, "later": later }))
    });
    for event in [&whole, &part] {
        server.until(event, |event| event["runs"][2]["state"] == "SUCCESS");
    }
    server.restart();
    assert_cancelled(&cancel_event(&server, &whole));
    let first = server.event(&part)["runs"][0].clone();
    assert_cancelled(&cancel_run(&server, &first));
    server.restart();
    assert_eq!(states(&server.event(&whole)), ["CANCELLED", "CANCELLED", "SUCCESS"]);
    assert_eq!(states(&server.event(&part)), ["CANCELLED", "WAITING", "SUCCESS"]);
    server.pass_ms(3 * 86_400_000);
    assert_eq!(states(&server.until(&part, is_ended)), ["CANCELLED", "SUCCESS", "SUCCESS"]);
    assert_cancelled(&server.event(&whole));
    assert_eq!(server.store().check().unwrap(), [""; 0]);
}

/// Everything at once: whoever is told that it is cancelled finds it so for ever, whoever is not does not, no permit is
/// lost and nothing stays open.
#[test]
fn cancelling_races_with_everything_and_each_run_has_one_end() {
    let server = TestServer::with(|config| (config.concurrency, config.concurrency_per_tenant) = (4, 4));
    let retry = json!({ "attempts": 3, "base_ms": 1, "factor": 1, "cap_ms": 2 });
    planned(
        &server,
        &[
            ("first", json!({ "retry": retry, "continue_on_fail": true })),
            ("second", json!({ "retry": retry, "continue_on_fail": true })),
            ("third", json!({ "retry": retry })),
        ],
    );
    let cancelled = Mutex::new(HashSet::new());
    let ways = ["ok", "retry", "reject", "wait", "warning"];
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (server, cancelled) = (&server, &cancelled);
            scope.spawn(move || {
                for turn in 0..25 {
                    let way = ways[(thread + turn) % ways.len()];
                    let event = fire_planned(server, json!({ "way": way }));
                    // Some at once, some a little later, some by their runs.
                    for _ in 0..turn % 4 {
                        server.event(&event);
                    }
                    if turn % 3 == 0 || way == "wait" {
                        for run in server.event(&event)["runs"].as_array().unwrap() {
                            let id = run["id"].as_str().unwrap();
                            let answer = server.admin.post(&format!("/run/{id}/cancel"), &json!({}));
                            match answer.status {
                                200 => assert!(cancelled.lock().unwrap().insert(id.to_owned())),
                                _ => drop(answer.problem(409, "already_ended")),
                            }
                        }
                    } else {
                        let answer = server.admin.post(&format!("/event/{event}/cancel"), &json!({}));
                        match answer.status {
                            200 => assert!(cancelled.lock().unwrap().insert(event.clone())),
                            _ => drop(answer.problem(409, "already_ended")),
                        }
                    }
                    let ended = server.until(&event, is_ended);
                    assert!(ended["runs"].as_array().unwrap().iter().all(is_ended), "{ended:#}");
                }
            });
        }
    });
    let cancelled = cancelled.into_inner().unwrap();
    assert!(cancelled.len() > 20, "{}", cancelled.len());
    for kind in ["event", "run"] {
        for thing in server.admin.pages(&format!("/{kind}?limit=200")) {
            let id = thing["id"].as_str().unwrap();
            if cancelled.contains(id) {
                assert_cancelled(&thing);
            }
            let broken_off = |attempt: &Value| attempt["state"] == "CANCELLED";
            let attempts = thing["attempts"].as_array().cloned().unwrap_or_default();
            assert!(attempts.iter().filter(|attempt| broken_off(attempt)).count() <= 1);
            assert!(attempts.iter().all(is_ended), "{thing:#}");
        }
    }
    server.until_idle();
    assert_eq!(["fusebox_runs_queued", "fusebox_runs_waiting"].map(|name| server.gauge(name)), [0, 0]);
    // Of equal ones that are in flight at once all but the first would be duplicates.
    let ids: Vec<String> = (0..8).map(|n| fire_planned(&server, json!({ "way": "ok", "n": n }))).collect();
    ids.iter().for_each(|id| assert_eq!(server.until(id, is_ended)["state"], "SUCCESS"));
    assert_eq!(server.store().check().unwrap(), [""; 0]);
}
