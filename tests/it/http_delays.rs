//! Runs that are put off: `when` of an action, `run_at` and `delay` of a fire.

use crate::support::{Answer, TestServer, is_ended};
use fusebox::domain::Timestamp;
use serde_json::{Value, json};

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

/// The time that is `ms` from the first on a manual clock.
fn at(ms: i64) -> String {
    Timestamp::from_ms(1_700_000_000_000 + ms).to_string()
}

fn states(event: &Value) -> Vec<&str> {
    event["runs"].as_array().unwrap().iter().map(|run| run["state"].as_str().unwrap()).collect()
}

/// The places of the runs in the order in which they started.
fn order(event: &Value) -> Vec<usize> {
    let runs = event["runs"].as_array().unwrap();
    let mut started: Vec<(&str, usize)> =
        runs.iter().enumerate().filter_map(|(place, run)| Some((run["started_at"].as_str()?, place))).collect();
    started.sort_unstable();
    started.into_iter().map(|(_, place)| place).collect()
}

/// An event type whose plan has these actions, in this order: each is attached to the object `t/1`.
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

fn fire(server: &TestServer, more: Value) -> Answer {
    let mut body =
        json!({ "event_type": "t", "object": { "object_type": "t", "object_id": "1" }, "payload": { "way": "ok" } });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    server.admin.post("/event", &body)
}

fn id(answer: &Answer) -> String {
    answer.expect(202)["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_run_waits_for_a_time_in_the_payload_and_not_a_millisecond_longer() {
    let server = TestServer::with_manual_clock();
    server.install("noop", "noop", json!({ "when": { "at": "/slot/from", "offset": "-5m" } }));
    let event = server.fire("noop", json!({ "slot": { "from": at(10 * MINUTE_MS) } }));
    let waiting = server.event(&event);
    let run = &waiting["runs"][0];
    assert_eq!((&waiting["state"], &waiting["started_at"]), (&json!("WAITING"), &Value::Null));
    assert_eq!((&run["state"], &run["due_at"]), (&json!("WAITING"), &json!(at(5 * MINUTE_MS))));
    assert_eq!((&run["attempts"], &run["started_at"]), (&json!([]), &Value::Null));
    assert_eq!(server.admin.get("/event?state=WAITING").body["count"], 1);

    server.pass_ms(5 * MINUTE_MS - 1);
    assert_eq!(states(&server.event(&event)), ["WAITING"]);
    server.pass_ms(1);
    let ended = server.until(&event, is_ended);
    assert_eq!((&ended["state"], states(&ended)), (&json!("SUCCESS"), vec!["SUCCESS"]));
    let started = [&ended["started_at"], &ended["runs"][0]["started_at"]];
    assert_eq!(started, [&json!(at(5 * MINUTE_MS)); 2]);
    assert_eq!(ended["runs"][0]["due_at"], Value::Null);
}

#[test]
fn a_time_that_is_past_runs_at_once() {
    let server = TestServer::with_manual_clock();
    server.install("noop", "noop", json!({ "when": { "at": "/at" } }));
    for past in [at(0), at(-DAY_MS)] {
        assert_eq!(server.fire_and_wait("noop", json!({ "at": past }))["state"], "SUCCESS");
    }
    let fire = |more: Value| {
        let mut body = json!({ "event_type": "noop", "payload": { "at": at(0) } });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        server.admin.request("POST", "/event").header("prefer", "wait=60").json(&body).send()
    };
    for past in [json!({ "run_at": at(-400 * DAY_MS) }), json!({ "delay": 0 }), json!({ "delay": "0s" })] {
        assert_eq!(fire(past).expect(200)["state"], "SUCCESS");
    }
}

#[test]
fn a_payload_that_does_not_say_when_ends_the_run_before_the_guest_starts() {
    let server = TestServer::with_manual_clock();
    server.install("noop", "noop", json!({ "when": { "at": "/at", "offset": "1h" }, "retry": { "attempts": 3 } }));
    let cases = [
        (json!({}), "`when` reads `/at` from the payload, which has no such value"),
        (
            json!({ "at": "2026-01-31T09:30:00" }),
            "`when` reads `/at` from the payload, which is not a time with a zone",
        ),
        (json!({ "at": 1_700_000_000 }), "which is not a time with a zone such as 2026-01-31T09:30:00Z"),
    ];
    for (payload, message) in cases {
        let event = server.fire_and_wait("noop", payload);
        let run = &event["runs"][0];
        assert_eq!((&run["state"], &run["reason"]), (&json!("ERROR"), &json!("param_missing")), "{run:#}");
        assert_eq!((&run["attempts"], &event["state"]), (&json!([]), &json!("ERROR")));
        assert!(run["message"].as_str().unwrap().contains(message), "{run:#}");
    }
}

#[test]
fn what_is_put_off_steps_aside_for_the_rest_of_the_plan() {
    let server = TestServer::with_manual_clock();
    let when = |at: &str| json!({ "when": { "at": at } });
    planned(&server, &[("late", when("/late")), ("soon", when("/soon")), ("now", json!({})), ("last", json!({}))]);
    let event =
        id(&fire(&server, json!({ "payload": { "way": "ok", "late": at(2 * MINUTE_MS), "soon": at(MINUTE_MS) } })));
    let waiting = server.until(&event, |event| event["runs"][3]["state"] == "SUCCESS");
    assert_eq!(states(&waiting), ["WAITING", "WAITING", "SUCCESS", "SUCCESS"]);
    assert_eq!(waiting["state"], "RUNNING", "it has begun");
    server.pass_ms(MINUTE_MS);
    let one_left = server.until(&event, |event| event["runs"][1]["state"] == "SUCCESS");
    assert_eq!(states(&one_left), ["WAITING", "SUCCESS", "SUCCESS", "SUCCESS"]);
    server.pass_ms(MINUTE_MS);
    let ended = server.until(&event, is_ended);
    assert_eq!((&ended["state"], order(&ended)), (&json!("SUCCESS"), vec![2, 3, 1, 0]));
}

#[test]
fn of_two_whose_time_has_come_the_first_in_the_plan_runs_first() {
    let server = TestServer::with_manual_clock();
    let when = |at: &str| json!({ "when": { "at": at }, "retry": { "attempts": 2 } });
    planned(&server, &[("late", when("/late")), ("soon", when("/soon"))]);
    let payload = json!({ "way": "retry_after", "late": at(2 * MINUTE_MS), "soon": at(MINUTE_MS) });
    let event = id(&fire(&server, json!({ "payload": payload })));
    // Both are due when the clock is looked at next.
    server.pass_ms(3 * MINUTE_MS);
    let held = server.until(&event, |event| event["runs"][0]["attempts"][0]["state"] == "ERROR");
    assert_eq!(states(&held), ["WAITING", "WAITING"]);
    assert_eq!(held["runs"][1]["attempts"], json!([]), "a retry holds back what is behind it");
    server.pass_ms(2_000);
    let ended = server.until(&event, is_ended);
    assert_eq!(states(&ended), ["ERROR", "SKIPPED"]);
}

#[test]
fn a_failure_skips_what_is_put_off_behind_it() {
    let server = TestServer::with_manual_clock();
    planned(&server, &[("fails", json!({})), ("late", json!({ "when": { "at": "/late" } }))]);
    let event = id(&fire(&server, json!({ "payload": { "way": "reject", "late": at(DAY_MS) } })));
    let ended = server.until(&event, is_ended);
    assert_eq!((states(&ended), &ended["state"]), (vec!["ERROR", "SKIPPED"], &json!("ERROR")));
    let skipped = &ended["runs"][1];
    assert_eq!((&skipped["reason"], &skipped["due_at"]), (&json!("aborted"), &Value::Null));
}

#[test]
fn a_fire_puts_all_its_runs_off() {
    let server = TestServer::with_manual_clock();
    let when = json!({ "when": { "at": "/late" } });
    planned(
        &server,
        &[("sooner", when.clone()), ("plain", json!({})), ("later", json!({ "when": { "at": "/later" } }))],
    );
    let payload = json!({ "way": "ok", "late": at(MINUTE_MS), "later": at(3 * MINUTE_MS) });
    let two_minutes = json!(at(2 * MINUTE_MS));
    let ways = [
        json!({ "run_at": two_minutes, "payload": payload }),
        json!({ "run_at": "2023-11-14T23:15:20+01:00", "payload": payload }),
        json!({ "delay": 120, "payload": payload }),
        json!({ "delay": "2m", "payload": payload }),
        json!({ "delay": "PT120S", "payload": payload }),
    ];
    let keyed = ways.into_iter().enumerate().map(|(number, mut way)| {
        way["dedup_key"] = json!(number.to_string());
        id(&fire(&server, way))
    });
    let events: Vec<String> = keyed.collect();
    for event in &events {
        let event = server.event(event);
        assert_eq!((&event["state"], &event["run_at"]), (&json!("WAITING"), &two_minutes));
        assert_eq!(states(&event), ["WAITING", "WAITING", "WAITING"]);
        let due: Vec<&Value> = (0..3).map(|place| &event["runs"][place]["due_at"]).collect();
        assert_eq!(due, [&two_minutes, &two_minutes, &json!(at(3 * MINUTE_MS))], "the later of both");
    }
    server.pass_ms(2 * MINUTE_MS - 1);
    assert_eq!(server.admin.get("/run?state=WAITING").body["count"], 15);
    server.pass_ms(1);
    for event in &events {
        let event = server.until(event, |event| event["runs"][1]["state"] == "SUCCESS");
        assert_eq!(states(&event), ["SUCCESS", "SUCCESS", "WAITING"]);
    }
    server.pass_ms(MINUTE_MS);
    for event in &events {
        assert_eq!(server.until(event, is_ended)["state"], "SUCCESS");
    }
}

#[test]
fn the_short_way_to_fire_can_put_off_too() {
    let server = TestServer::with_manual_clock();
    server.install("noop", "noop", json!({}));
    let send = |query: &str| server.admin.request("POST", &format!("/trigger/noop?{query}")).send();
    for query in ["delay=60&dedup_key=1", "delay=1m&dedup_key=2", "run_at=2023-11-14T22:14:20Z&dedup_key=3"] {
        let answer = send(query);
        assert_eq!(answer.expect(202)["run_at"], at(MINUTE_MS), "{query}");
        assert_eq!(answer.body["data"]["state"], "WAITING");
    }
    for query in ["delay=-1", "delay=soon", "run_at=soon", "delay=60&run_at=2023-11-14T22:14:20Z", "delay=367d"] {
        send(query).problem(400, "bad_request");
    }
    assert_eq!(server.admin.get("/event").body["count"], 3);
}

#[test]
fn who_waits_for_what_is_put_off_gets_it_as_it_is() {
    let server = TestServer::with_manual_clock();
    server.install("noop", "noop", json!({}));
    let body = json!({ "event_type": "noop", "delay": "1d" });
    let answer = server.admin.request("POST", "/event").header("prefer", "wait=1").json(&body).send();
    assert_eq!(answer.expect(202)["state"], "WAITING");
    assert_eq!(states(&answer.body["data"]), ["WAITING"]);
}

#[test]
fn a_time_too_far_or_given_twice_is_refused() {
    let server = TestServer::with_manual_clock();
    server.install("noop", "noop", json!({}));
    let refused = |more: Value, pointer: &str| {
        let mut body = json!({ "event_type": "noop" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = server.admin.post("/event", &body);
        answer.problem(422, "invalid_body");
        answer.points_at(&[pointer]);
    };
    let year = 366 * DAY_MS;
    refused(json!({ "delay": 5, "run_at": at(5) }), "/delay");
    refused(json!({ "run_at": at(year + 1) }), "/run_at");
    refused(json!({ "run_at": "2026-01-31T09:30:00" }), "/run_at");
    refused(json!({ "run_at": 1_700_000_000 }), "/run_at");
    for delay in
        [json!(year / 1_000 + 1), json!("366d1ms"), json!(-1), json!("-1s"), json!(1.5), json!("soon"), json!({})]
    {
        refused(json!({ "delay": delay }), "/delay");
    }
    assert_eq!(server.admin.get("/event").body["count"], 0);
    for delay in [json!(year / 1_000), json!("366d")] {
        let fired = server.admin.post("/event", &json!({ "event_type": "noop", "delay": delay }));
        assert_eq!(fired.expect(202)["run_at"], at(year));
    }
    server.admin.post("/event", &json!({ "event_type": "noop", "run_at": at(year) })).expect(202);
}

#[test]
fn a_when_that_makes_no_sense_is_refused_and_a_good_one_is_shown() {
    let server = TestServer::start();
    let digest = server.upload("noop");
    let post = |when: Value| server.admin.post("/action", &json!({ "name": "a", "module": digest, "when": when }));
    for (when, pointer) in [
        (json!({ "at": "starts_at" }), "/when"),
        (json!({ "at": "" }), "/when"),
        (json!({ "offset": "-5m" }), "/when"),
        (json!({ "at": "/a", "then": 1 }), "/when/then"),
        (json!({ "at": "/a", "offset": "1 month" }), "/when/offset"),
        (json!({ "at": "/a", "offset": "-366d1s" }), "/when/offset"),
        (json!({ "at": "/a", "offset": 300 }), "/when/offset"),
        (json!("/a"), "/when"),
    ] {
        let answer = post(when.clone());
        answer.problem(422, "invalid_body");
        let found = answer.body["errors"][0]["pointer"].as_str().unwrap();
        assert!(pointer.starts_with(found) && found.starts_with("/when"), "{when}: {found}");
    }
    let when = json!({ "at": "/slot/from", "offset": "-366d" });
    let made = post(when.clone()).expect(201).clone();
    assert_eq!(made["when"], when);
    let path = format!("/action/{}", made["id"].as_str().unwrap());
    let changed = server.admin.put(&path, &json!({ "name": "a", "module": digest, "when": { "at": "/t" } }));
    assert_eq!(changed.expect(200)["when"], json!({ "at": "/t", "offset": "0s" }));
    let back = server.admin.post(&format!("{path}/rollback"), &json!({ "version": 1 }));
    assert_eq!(back.expect(200)["when"], when);
    assert_eq!(server.admin.put(&path, &json!({ "name": "a", "module": digest })).expect(200)["when"], Value::Null);
}

/// Several runs of one event were open when the server ended: each goes on at its own time, in the order of the plan.
#[test]
fn what_waits_outlives_a_restart() {
    let mut server = TestServer::with_manual_clock();
    let when = |at: &str| json!({ "when": { "at": at } });
    planned(&server, &[("late", when("/late")), ("soon", when("/soon")), ("now", json!({}))]);
    let payload = json!({ "way": "ok", "late": at(2 * DAY_MS), "soon": at(DAY_MS) });
    let begun = id(&fire(&server, json!({ "payload": payload })));
    server.until(&begun, |event| event["runs"][2]["state"] == "SUCCESS");
    let put_off = id(&fire(&server, json!({ "payload": payload, "run_at": at(DAY_MS), "dedup_key": "other" })));
    server.restart();
    assert_eq!(states(&server.event(&begun)), ["WAITING", "WAITING", "SUCCESS"]);
    assert_eq!(states(&server.event(&put_off)), ["WAITING", "WAITING", "WAITING"]);
    server.pass_ms(DAY_MS - 1);
    assert_eq!(states(&server.event(&begun)), ["WAITING", "WAITING", "SUCCESS"]);
    server.pass_ms(1);
    for event in [&begun, &put_off] {
        let event = server.until(event, |event| {
            event["runs"].as_array().unwrap().iter().filter(|run| run["state"] == "SUCCESS").count() == 2
        });
        assert_eq!(states(&event), ["WAITING", "SUCCESS", "SUCCESS"]);
    }
    server.stop();
    // Due while it is down.
    server.clock.advance_ms(DAY_MS);
    server.restart();
    for event in [&begun, &put_off] {
        let ended = server.until(event, is_ended);
        assert_eq!(states(&ended), ["SUCCESS", "SUCCESS", "SUCCESS"]);
        assert!(ended["runs"].as_array().unwrap().iter().all(|run| run["attempts"].as_array().unwrap().len() == 1));
    }
    assert_eq!(server.store().check().unwrap(), [""; 0]);
}

#[test]
fn a_run_that_waits_keeps_the_version_it_was_planned_with() {
    let server = TestServer::with_manual_clock();
    let action = server.install("noop", "noop", json!({}));
    let fired = server.admin.post("/event", &json!({ "event_type": "noop", "delay": "1h" }));
    let event = id(&fired);
    let other = server.upload("failure_gallery");
    server.admin.put(&format!("/action/{action}"), &json!({ "name": "noop", "module": other })).expect(200);
    server.pass_ms(60 * MINUTE_MS);
    let ended = server.until(&event, is_ended);
    assert_eq!((&ended["state"], &ended["runs"][0]["version"]), (&json!("SUCCESS"), &json!(1)));
}
