//! Events over HTTP: firing, waiting, refusals, parameters, retries, and what the history shows.

use crate::support::{Answer, TestServer, is_ended, show_params};
use fusebox::domain::Timestamp;
use serde_json::{Value, json};

fn ids(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| item["id"].as_str().unwrap()).collect()
}

fn run_of(event: &Value) -> &Value {
    assert_eq!(event["runs"].as_array().map(Vec::len), Some(1), "{event:#}");
    &event["runs"][0]
}

#[test]
fn a_fired_event_is_accepted_and_can_be_read_at_once() {
    let server = TestServer::start();
    let action = server.install("noop", "noop", json!({}));
    let body = json!({ "event_type": "NOOP", "payload": { "n": 1 }, "object": { "object_type": "public.bookable", "object_id": "42" } });
    let fired = server.admin.post("/event", &body);
    let accepted = fired.expect(202);
    let id = accepted["id"].as_str().unwrap();
    assert_eq!((&accepted["event_type"], &accepted["payload"]), (&json!("noop"), &json!({ "n": 1 })));
    assert_eq!((&accepted["object"], &accepted["origin"]), (&body["object"], &json!("api")));
    assert_eq!(
        (&accepted["root_id"], &accepted["depth"], &accepted["created_by"]),
        (&json!(id), &json!(0), &json!("admin"))
    );
    assert_eq!(server.event(id)["id"], id);

    let ended = server.until(id, is_ended);
    assert_eq!((&ended["state"], &ended["reason"]), (&json!("SUCCESS"), &json!(null)));
    let run = run_of(&ended);
    assert_eq!((&run["state"], &run["output"], &run["code"]), (&json!("SUCCESS"), &json!({ "n": 1 }), &json!(0)));
    assert_eq!((&run["action_id"], &run["event_id"], &run["version"]), (&json!(action), &json!(id), &json!(1)));
    assert_eq!(server.admin.get(&format!("/run/{}", run["id"].as_str().unwrap())).expect(200), run);
    for time in ["created_at", "started_at", "ended_at"] {
        let text = ended[time].as_str().unwrap();
        assert!(serde_json::from_value::<Timestamp>(json!(text)).is_ok() && text.ends_with('Z'), "{time}: {text}");
    }
}

#[test]
fn who_waits_gets_the_runs_and_who_waits_too_short_an_acceptance() {
    let server = TestServer::start();
    server.install("gallery", "failure_gallery", json!({ "retry": { "attempts": 1 } }));
    let fire = |way: &str, prefer: &str| {
        let request = server.admin.request("POST", "/event").header("prefer", prefer);
        request.json(&json!({ "event_type": "gallery", "payload": { "way": way } })).send()
    };
    let ended = fire("ok", "respond-async, wait=30");
    assert_eq!(ended.expect(200)["runs"][0]["output"], "nothing failed");
    assert_eq!(ended.header("preference-applied"), "wait=30");
    let failed = fire("reject", "wait=30");
    assert_eq!(failed.expect(200)["state"], "ERROR");
    assert_eq!(fire("ok", "wait=9999").header("preference-applied"), "wait=60");

    let late = fire("wait", "wait=1");
    assert!(!is_ended(late.expect(202)), "{}", late.text);
    assert_eq!(fire("ok", "wait=0").expect(202)["state"], "QUEUED");
    for nonsense in ["wait=soon", "wait=-1", "wait="] {
        fire("ok", nonsense).problem(400, "bad_request");
    }
}

#[test]
fn the_short_way_to_fire_takes_the_payload_as_the_body() {
    let server = TestServer::start();
    server.install("noop", "noop", json!({}));
    let send =
        |path: &str, body: &str| server.admin.request("POST", path).header("prefer", "wait=30").bytes(body).send();
    assert_eq!(send("/trigger/noop", "").expect(200)["payload"], json!({}));
    for payload in ["{ \"a\": [1, 2] }", "[]", "7", "null", "\"text\""] {
        let parsed: Value = serde_json::from_str(payload).unwrap();
        let answer = send("/trigger/noop", payload);
        assert_eq!((&answer.expect(200)["payload"], &answer.body["data"]["runs"][0]["output"]), (&parsed, &parsed));
    }
    let about = send("/trigger/noop?object_type=public.bookable&object_id=a%2Fb%20c", "{}");
    assert_eq!(about.expect(200)["object"], json!({ "object_type": "public.bookable", "object_id": "a/b c" }));
    send("/trigger/noop?object_type=x", "{}").problem(400, "bad_request");
    send("/trigger/noop?object_type=a%20b&object_id=1", "{}").problem(400, "bad_request");
    send("/trigger/noop?objet=x", "{}").problem(400, "bad_request");
    send("/trigger/noop", "{").problem(400, "invalid_json");
    send("/trigger/nobody", "{}").problem(404, "not_found");
    send("/trigger/not%20a%20name", "{}").problem(404, "not_found");
}

/// A payload of `null` became `{}` when it came through `POST /event`, but not through `POST /trigger`.
#[test]
fn a_payload_of_null_is_null_and_none_is_an_empty_object() {
    let server = TestServer::start();
    server.install("noop", "noop", json!({}));
    let fire = |body: Value| server.admin.request("POST", "/event").header("prefer", "wait=30").json(&body).send();
    let given = fire(json!({ "event_type": "noop", "payload": null }));
    assert_eq!(given.expect(200)["payload"], Value::Null);
    let left_out = fire(json!({ "event_type": "noop" }));
    assert_eq!(left_out.expect(200)["payload"], json!({}));
}

#[test]
fn a_payload_is_kept_to_the_byte() {
    let server = TestServer::start();
    server.install("noop", "noop", json!({}));
    let payload =
        "{ \"big\" : 123456789012345678901234567890,  \"1.0\":1.0, \"a\":1, \"a\":2, \"\\u00e4\":\"\\ud83d\\ude00\" }";
    let answer = server.admin.request("POST", "/trigger/noop").header("prefer", "wait=30").bytes(payload).send();
    answer.expect(200);
    assert_eq!(answer.text.matches(payload).count(), 2, "payload and output: {}", answer.text);
}

#[test]
fn a_fire_that_cannot_be_is_refused_and_nothing_is_kept() {
    let server = TestServer::with(|config| config.bounds.body_bytes = 1_000);
    server.install("noop", "noop", json!({}));
    let post = |body: &str| server.admin.request("POST", "/event").bytes(body).send();
    post("{").problem(400, "invalid_json");
    post("").problem(400, "invalid_json");
    post(r#"{ "event_type": "nobody" }"#).problem(404, "not_found");
    let at = |answer: &Answer, pointer: &str| {
        answer.problem(422, "invalid_body");
        answer.points_at(&[pointer]);
    };
    at(&post(r#"{ "event_type": "not a name" }"#), "/event_type");
    at(&post(r#"{ "event_type": "noop", "paylod": 1 }"#), "/paylod");
    at(&post(r#"{ "event_type": "noop", "object": { "object_type": "a b", "object_id": "1" } }"#), "/object");
    at(&post(r#"{ "event_type": "noop", "object": { "object_type": "a", "object_id": "" } }"#), "/object");
    at(&post(r#"{ "event_type": "noop", "object": { "object_type": "a" } }"#), "/object");
    let sized = |length: usize| {
        let frame = r#"{"event_type":"noop","payload":""}"#;
        frame.replace("\"\"", &format!("\"{}\"", "x".repeat(length - frame.len())))
    };
    post(&sized(1_001)).problem(413, "too_large");
    server.admin.request("POST", "/trigger/noop").bytes("7".repeat(1_001)).send().problem(413, "too_large");
    assert_eq!(server.admin.get("/event").body["count"], 0);
    post(&sized(1_000)).expect(202);
    assert_eq!(server.admin.get("/event").body["count"], 1);
}

#[test]
fn a_payload_that_breaks_the_schema_is_told_where() {
    let server = TestServer::start();
    let action = server.install("noop", "noop", json!({}));
    let schema = json!({ "type": "object", "required": ["who"], "additionalProperties": false, "properties": {
        "who": { "type": "string", "pattern": "^[a-z]+$" }, "seats": { "type": "array", "items": { "type": "integer" } } } });
    server.event_type("booked", &action, json!({ "payload_schema": schema }));
    let fire = |payload: Value| server.admin.post("/event", &json!({ "event_type": "booked", "payload": payload }));
    let refused = |payload: Value, pointers: &[&str]| {
        let answer = fire(payload);
        answer.problem(422, "payload_invalid");
        answer.points_at(pointers);
    };
    refused(json!({ "who": "ADA" }), &["/who"]);
    refused(json!({ "who": "ada", "seats": [1, "two", 3, null] }), &["/seats/1", "/seats/3"]);
    refused(json!({}), &[""]);
    refused(json!([]), &[""]);
    let many: Vec<&str> = vec!["x"; 100];
    let answer = fire(json!({ "who": "ada", "seats": many }));
    assert_eq!(answer.problem(422, "payload_invalid")["errors"].as_array().unwrap().len(), 20);
    assert_eq!(server.admin.get("/event").body["count"], 0);
    fire(json!({ "who": "ada", "seats": [1] })).expect(202);

    // The schema of the moment holds.
    server.admin.put("/event-type/booked", &json!({ "display_name": "booked" })).expect(200);
    fire(json!([])).expect(202);
}

#[test]
fn a_disabled_event_type_does_not_fire() {
    let server = TestServer::start();
    let action = server.install("noop", "noop", json!({}));
    server.event_type("off", &action, json!({ "enabled": false }));
    let body = json!({ "event_type": "off" });
    let answer = server.admin.post("/event", &body);
    answer.problem(409, "event_type_disabled");
    assert!(answer.detail().contains("`off`"), "{}", answer.detail());
    server.admin.post("/trigger/off", &json!({})).problem(409, "event_type_disabled");
    assert_eq!(server.admin.get("/event").body["count"], 0);
    server.admin.put("/event-type/off", &json!({ "display_name": "off", "action": action })).expect(200);
    server.admin.post("/event", &body).expect(202);
}

#[test]
fn the_run_of_a_disabled_action_is_skipped_and_says_so() {
    let server = TestServer::start();
    server.install("noop", "noop", json!({ "enabled": false }));
    let event = server.fire_and_wait("noop", json!({}));
    assert_eq!((&event["state"], &event["reason"]), (&json!("SKIPPED"), &json!("disabled")));
    let run = run_of(&event);
    assert_eq!((&run["state"], &run["reason"], &run["attempts"]), (&json!("SKIPPED"), &json!("disabled"), &json!([])));
    assert!(run["message"].as_str().unwrap().contains("`noop` is disabled"), "{run:#}");
    assert_eq!(run["ended_at"], run["queued_at"]);
}

#[test]
fn an_event_without_an_action_succeeds_and_says_that_nothing_is_bound() {
    let server = TestServer::start();
    server.admin.post("/event-type", &json!({ "display_name": "lonely" })).expect(201);
    let event = server.fire_and_wait("lonely", json!({}));
    assert_eq!((&event["state"], &event["runs"]), (&json!("SUCCESS"), &json!([])));
    assert_eq!(event["message"], "no action is bound to it");
    assert_eq!(server.event(event["id"].as_str().unwrap()), event);
}

#[test]
fn params_come_from_both_levels_and_reach_the_guest() {
    let server = TestServer::start();
    let module = server.upload_bytes(show_params());
    let action = server.action(
        "shows",
        &module,
        json!({ "parameters": [
        { "name": "channel", "type": "STATIC", "value": { "room": "#ops", "n": [1, null] } },
        { "name": "who", "type": "DATA", "value": "/user/name" },
        { "name": "escaped", "type": "DATA", "value": "/a~1b/0" },
        { "name": "top", "type": "DATA", "value": "a/b" },
        { "name": "nothing", "type": "DATA", "value": "nothing" },
        { "name": "size", "type": "DATA", "value": "size", "default": 3 },
        { "name": "gone", "type": "DATA", "value": "gone", "required": false },
        { "name": "level", "type": "STATIC", "value": "the action's" },
    ] }),
    );
    server.event_type(
        "shown",
        &action,
        json!({ "parameters": [{ "name": "level", "type": "STATIC", "value": "the event type's" }] }),
    );
    let event = server.fire_and_wait("shown", json!({ "user": { "name": "Ada" }, "a/b": [7], "nothing": null }));
    let expected = json!({
        "channel": { "room": "#ops", "n": [1, null] }, "who": "Ada", "escaped": 7, "top": [7], "nothing": null, "size": 3,
        "level": "the event type's",
    });
    assert_eq!((&run_of(&event)["output"], &run_of(&event)["params"]), (&expected, &expected));
}

#[test]
fn a_missing_parameter_ends_the_run_before_the_guest_starts() {
    let server = TestServer::start();
    let parameters = json!([{ "name": "who", "type": "DATA", "value": "/user/name" }]);
    server.install("noop", "noop", json!({ "parameters": parameters, "retry": { "attempts": 3, "base_ms": 0 } }));
    for payload in [json!({}), json!([]), json!("text"), json!({ "user": "flat" })] {
        let event = server.fire_and_wait("noop", payload);
        assert_eq!((&event["state"], &event["reason"]), (&json!("ERROR"), &json!("param_missing")));
        let run = run_of(&event);
        assert_eq!(
            (&run["state"], &run["reason"], &run["attempts"]),
            (&json!("ERROR"), &json!("param_missing"), &json!([]))
        );
        let message = run["message"].as_str().unwrap();
        assert!(message.contains("`who`") && message.contains("/user/name"), "{message}");
    }
    assert_eq!(server.fire_and_wait("noop", json!({ "user": { "name": null } }))["state"], "SUCCESS");
}

#[test]
fn a_guest_that_hands_back_no_json_fails_and_the_server_serves_on() {
    let server = TestServer::start();
    server.install("untruthful", "untruthful", json!({ "retry": { "attempts": 1 } }));
    for (payload, words) in
        [("output", "output it returned is not valid JSON"), ("empty", "output"), ("event", "event")]
    {
        let event = server.fire_and_wait("untruthful", json!(payload));
        let run = run_of(&event);
        assert_eq!((&run["state"], &run["reason"]), (&json!("ERROR"), &json!("guest_error")), "{payload}");
        assert!(run["message"].as_str().unwrap().contains(words), "{run:#}");
        assert_eq!((&run["output"], &run["event"]), (&Value::Null, &Value::Null));
    }
    let event = server.fire_and_wait("untruthful", json!("code"));
    assert_eq!(
        (&run_of(&event)["state"], &run_of(&event)["code"]),
        (&json!("ERROR"), &json!(1)),
        "a failure's code is never 0"
    );
    assert_eq!(server.fire_and_wait("untruthful", json!("honest"))["state"], "SUCCESS");
}

/// JSON that was nested deeper than parsers go was kept, and from then on no list that had it could be read by a client.
#[test]
fn json_that_no_parser_would_read_is_refused() {
    let server = TestServer::start();
    server.install("untruthful", "untruthful", json!({ "retry": { "attempts": 1 } }));
    let run = run_of(&server.fire_and_wait("untruthful", json!("deep"))).clone();
    assert_eq!((&run["state"], &run["reason"], &run["output"]), (&json!("ERROR"), &json!("guest_error"), &Value::Null));
    assert!(run["message"].as_str().unwrap().contains("nested more than 100 levels deep"), "{run:#}");
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    let trigger = |depth: usize| server.admin.request("POST", "/trigger/untruthful").bytes(nested(depth)).send();
    trigger(100_000).problem(422, "invalid_body");
    let body = format!(r#"{{"event_type":"untruthful","payload":{}}}"#, nested(101));
    let answer = server.admin.request("POST", "/event").bytes(body).send();
    answer.problem(422, "invalid_body");
    answer.points_at(&["/payload"]);
    assert_eq!(server.admin.get("/run").expect(200).as_array().unwrap().len(), 1);
    let deepest: Value = serde_json::from_str(&nested(100)).unwrap();
    let event = server.fire_and_wait("untruthful", deepest.clone());
    assert_eq!(run_of(&event)["output"], deepest, "the deepest that is taken comes back readable");
    assert_eq!(server.admin.get("/event").expect(200)[0]["payload"], deepest);
}

#[test]
fn every_attempt_shows_what_it_used_beside_its_limits() {
    let server = TestServer::start();
    let limits = json!({ "fuel": 500_000_000, "memory_bytes": 33_554_432, "timeout_ms": 9_000, "output_bytes": 1_000, "log_bytes": 2_000, "http_calls": 3, "http_bytes": 4_000 });
    server.install("noop", "noop", json!({ "limits": limits }));
    let event = server.fire_and_wait("noop", json!({ "n": 1 }));
    let attempt = &run_of(&event)["attempts"][0];
    assert_eq!(
        (&attempt["number"], &attempt["state"], &attempt["reason"]),
        (&json!(1), &json!("SUCCESS"), &Value::Null)
    );
    let usage = &attempt["usage"];
    for (name, limit) in [
        ("fuel", 500_000_000.0),
        ("memory_bytes", 33_554_432.0),
        ("wall_ms", 9_000.0),
        ("cpu_ms", 9_000.0),
        ("output_bytes", 1_000.0),
        ("log_bytes", 2_000.0),
        ("http_calls", 3.0),
        ("http_bytes", 4_000.0),
    ] {
        let (used, of) = (usage[name]["used"].as_f64().unwrap(), usage[name]["limit"].as_f64().unwrap());
        assert!(used <= of && (of - limit).abs() < f64::EPSILON, "{name}: {used} of {of}");
        assert!(used > 0.0 || ["log_bytes", "http_calls", "http_bytes"].contains(&name), "{name} was not measured");
    }
    assert_eq!(usage["output_bytes"]["used"], json!({ "n": 1 }).to_string().len());
}

#[test]
fn what_a_run_said_is_read_by_level_and_by_text() {
    let server = TestServer::start();
    server.install("gallery", "failure_gallery", json!({}));
    let event = server.fire_and_wait("gallery", json!({ "way": "log_flood" }));
    let path = format!("/run/{}/log", run_of(&event)["id"].as_str().unwrap());
    let lines = server.admin.get(&path);
    let lines = lines.expect(200).as_array().unwrap();
    assert!(lines.len() > 100, "{}", lines.len());
    for (number, line) in lines.iter().enumerate() {
        assert_eq!((&line["number"], &line["attempt"], &line["source"]), (&json!(number), &json!(1), &json!("log")));
        assert_eq!(line["level"], "info");
    }
    assert_eq!(server.admin.get(&format!("{path}?level=warn")).body["count"], 0);
    assert_eq!(server.admin.get(&format!("{path}?level=trace")).body["count"], lines.len());
    assert_eq!(server.admin.get(&format!("{path}?q=NEVER%20read")).body["count"], lines.len());
    assert_eq!(server.admin.get(&format!("{path}?q=nothing")).body["count"], 0);
    server.admin.get(&format!("{path}?level=loud")).problem(400, "bad_request");
    server.admin.get("/run/nobody/log").problem(404, "not_found");
}

#[test]
fn a_retry_waits_for_its_time_and_not_a_millisecond_longer() {
    let server = TestServer::with_manual_clock();
    let retry = json!({ "attempts": 3, "base_ms": 80_000_000, "factor": 1, "cap_ms": 86_400_000 });
    server.install("gallery", "failure_gallery", json!({ "retry": retry }));
    let event = server.fire("gallery", json!({ "way": "retry" }));
    for attempt in 1..3 {
        let ended_attempts = |event: &Value| event["runs"][0]["attempts"].as_array().unwrap().len() == attempt;
        let run = server.until(&event, |event| ended_attempts(event) && event["runs"][0]["state"] == "WAITING")["runs"]
            [0]
        .clone();
        assert_eq!(
            (&run["reason"], &run["message"]),
            (&json!("guest_error"), &json!(format!("attempt {attempt} is not enough")))
        );
        assert_eq!(server.event(&event)["state"], "RUNNING");
        let waits_ms = ms(&run["due_at"]) - ms(&run["attempts"][attempt - 1]["ended_at"]);
        assert!((1..=80_000_000).contains(&waits_ms), "{waits_ms}");
        server.pass_ms(waits_ms - 1);
        assert_eq!(run_of(&server.event(&event)), &run, "it is not due yet");
        server.pass_ms(1);
    }
    let ended = server.until(&event, is_ended);
    let run = run_of(&ended);
    assert_eq!((&run["state"], &run["reason"], &run["code"]), (&json!("ERROR"), &json!("guest_error"), &json!(75)));
    assert_eq!((&run["due_at"], &run["message"]), (&Value::Null, &json!("attempt 3 is not enough")));
    let numbers: Vec<_> = run["attempts"].as_array().unwrap().iter().map(|attempt| attempt["number"].clone()).collect();
    assert_eq!(numbers, [1, 2, 3]);
    assert_eq!((&ended["state"], &ended["reason"]), (&json!("ERROR"), &json!("guest_error")));
}

fn ms(time: &Value) -> i64 {
    serde_json::from_value::<Timestamp>(time.clone()).unwrap().as_ms()
}

#[test]
fn a_guest_that_says_when_is_tried_again_then() {
    let server = TestServer::with_manual_clock();
    server.install("gallery", "failure_gallery", json!({ "retry": { "attempts": 2, "base_ms": 1 } }));
    let event = server.fire("gallery", json!({ "way": "retry_after" }));
    let run = server.until_run_is(&event, "WAITING");
    assert_eq!(ms(&run["due_at"]) - ms(&run["attempts"][0]["ended_at"]), 2_000);
    server.pass_ms(1_999);
    assert_eq!(run_of(&server.event(&event))["state"], "WAITING");
    server.pass_ms(1);
    assert_eq!(server.until(&event, is_ended)["state"], "ERROR");
}

#[test]
fn a_retry_that_waits_outlives_a_restart() {
    let mut server = TestServer::with_manual_clock();
    server.install("gallery", "failure_gallery", json!({ "retry": { "attempts": 2, "base_ms": 1 } }));
    let event = server.fire("gallery", json!({ "way": "retry_after" }));
    let run = server.until_run_is(&event, "WAITING");
    server.restart();
    assert_eq!(run_of(&server.event(&event)), &run);
    server.pass_ms(2_000);
    let ended = server.until(&event, is_ended);
    assert_eq!((run_of(&ended)["attempts"].as_array().unwrap().len(), &ended["state"]), (2, &json!("ERROR")));
}

#[test]
fn what_is_rejected_is_not_tried_again() {
    let server = TestServer::start();
    server.install("gallery", "failure_gallery", json!({ "retry": { "attempts": 20, "base_ms": 0 } }));
    let event = server.fire_and_wait("gallery", json!({ "way": "reject" }));
    let run = run_of(&event);
    assert_eq!((&run["code"], &run["message"]), (&json!(42), &json!("rejected on purpose")));
    assert_eq!(run["attempts"].as_array().unwrap().len(), 1);
    assert_eq!(event["message"], "`gallery`: rejected on purpose");
}

#[test]
fn warnings_are_no_failure() {
    let server = TestServer::start();
    server.install("gallery", "failure_gallery", json!({}));
    let event = server.fire_and_wait("gallery", json!({ "way": "warning" }));
    let run = run_of(&event);
    assert_eq!((&event["state"], &run["state"], &run["code"]), (&json!("WARNING"), &json!("WARNING"), &json!(0)));
    assert_eq!((&run["output"], &run["messages"]), (&json!("done"), &json!(["but someone should look"])));
}

#[test]
fn what_has_no_permit_waits_and_past_the_bound_is_told_to_come_back() {
    let server = TestServer::with(|config| {
        (config.concurrency, config.concurrency_per_tenant, config.queue_per_tenant) = (1, 1, 2);
    });
    server.install("gallery", "failure_gallery", json!({}));
    let running = server.fire("gallery", json!({ "way": "wait" }));
    server.until_run_is(&running, "RUNNING");
    let queued = [1, 2].map(|n| server.fire("gallery", json!({ "way": "ok", "n": n })));
    let refused = server.admin.post("/event", &json!({ "event_type": "gallery", "payload": { "way": "ok" } }));
    refused.problem(429, "too_many_requests");
    assert_eq!(refused.header("retry-after"), "1");
    for id in &queued {
        assert_eq!(run_of(&server.event(id))["state"], "QUEUED");
    }
    assert_eq!(server.admin.get("/run").body["count"], 3);
}

/// Two tenants with a shared event type and histories of their own.
fn tenants() -> TestServer {
    let server = TestServer::start();
    server.install("gallery", "failure_gallery", json!({}));
    server.install("noop", "noop", json!({}));
    server
}

#[test]
fn a_tenant_sees_its_own_history_and_the_platform_all() {
    let server = tenants();
    let rights = ["read", "write", "execute"];
    let (a, b) = (server.client_for("a", &rights), server.client_for("b", &rights));
    let fire = |client: &crate::support::Client| {
        let fired = client.request("POST", "/trigger/noop").header("prefer", "wait=30").send();
        let event = fired.expect(200).clone();
        (event["id"].as_str().unwrap().to_owned(), event["runs"][0]["id"].as_str().unwrap().to_owned(), event)
    };
    let (of_a, of_b) = (fire(&a), fire(&b));
    assert_eq!((&of_a.2["owner_id"], &of_b.2["owner_id"]), (&json!("a"), &json!("b")));
    for (client, own, foreign) in [(&a, &of_a, &of_b), (&b, &of_b, &of_a)] {
        client.get(&format!("/event/{}", own.0)).expect(200);
        client.get(&format!("/event/{}", foreign.0)).problem(404, "not_found");
        client.get(&format!("/run/{}", foreign.1)).problem(404, "not_found");
        client.get(&format!("/run/{}/log", foreign.1)).problem(404, "not_found");
        assert_eq!(ids(&client.pages("/event")), [own.0.as_str()]);
        assert_eq!(ids(&client.pages("/run")), [own.1.as_str()]);
        assert_eq!(client.get(&format!("/run?event={}", foreign.0)).body["count"], 0);
        assert_eq!(client.get(&format!("/event?q={}", foreign.0)).body["count"], 0);
    }
    assert_eq!(ids(&server.admin.pages("/event")), [of_b.0.as_str(), of_a.0.as_str()]);
    server.admin.get(&format!("/run/{}", of_a.1)).expect(200);
}

#[test]
fn lists_of_the_history_are_filtered() {
    let server = tenants();
    let object = json!({ "object_type": "room", "object_id": "7" });
    let mut fired = Vec::new();
    for (way, object) in [("ok", Value::Null), ("reject", object.clone()), ("trap", Value::Null), ("warning", object)] {
        let body = json!({ "event_type": "gallery", "payload": { "way": way }, "object": object });
        let answer = server.admin.request("POST", "/event").header("prefer", "wait=30").json(&body).send();
        fired.push(answer.expect(200).clone());
    }
    fired.push(server.fire_and_wait("noop", json!({ "needle": "in the HAY" })));
    let events = |query: &str| -> Vec<usize> {
        let items = server.admin.pages(&format!("/event?{query}"));
        let mut places: Vec<_> =
            items.iter().map(|item| fired.iter().position(|f| f["id"] == item["id"]).unwrap()).collect();
        places.sort_unstable();
        places
    };
    let runs = |query: &str| -> Vec<usize> {
        let items = server.admin.pages(&format!("/run?{query}"));
        let mut places: Vec<_> =
            items.iter().map(|item| fired.iter().position(|f| f["id"] == item["event_id"]).unwrap()).collect();
        places.sort_unstable();
        places
    };
    assert_eq!(events(""), [0, 1, 2, 3, 4]);
    assert_eq!(events("state=SUCCESS"), [0, 4]);
    assert_eq!(events("state=error"), [1, 2]);
    assert_eq!(events("state=QUEUED"), [0; 0]);
    assert_eq!(events("event_type=Gallery"), [0, 1, 2, 3]);
    assert_eq!(events("event_type=gallery&state=WARNING"), [3]);
    assert_eq!(events("object_type=room"), [1, 3]);
    assert_eq!(events("object_type=room&object_id=8"), [0; 0]);
    assert_eq!(events("q=hay"), [4]);
    assert_eq!(events("q=ROOM/7&state=ERROR"), [1]);
    assert_eq!(events(&format!("q={}", fired[2]["id"].as_str().unwrap())), [2]);
    assert_eq!(runs(""), [0, 1, 2, 3, 4]);
    assert_eq!(runs("state=ERROR"), [1, 2]);
    assert_eq!(runs("reason=trap"), [2]);
    assert_eq!(runs("state=ERROR&reason=guest_error"), [1]);
    assert_eq!(runs("q=rejected%20ON"), [1]);
    assert_eq!(runs(&format!("event={}", fired[3]["id"].as_str().unwrap())), [3]);
    assert_eq!(runs(&format!("action={}&state=SUCCESS", fired[0]["runs"][0]["action_id"].as_str().unwrap())), [0]);
    for query in ["/event?state=DONE", "/run?state=DONE", "/run?reason=boredom", "/run?event=x", "/run?action="] {
        server.admin.get(query).problem(400, "bad_request");
    }
    server.admin.get("/event?event_type=nobody").problem(404, "not_found");
    server.admin.get("/event?event_type=no%20name").problem(404, "not_found");
    server.admin.get("/run?action=nobody").problem(404, "not_found");
}

/// The platform could look at the history of all tenants only, and a deleted event type's by its id only.
#[test]
fn the_history_of_one_tenant_and_of_what_is_deleted_is_found() {
    let server = tenants();
    let (a, b) = (server.client_for("a", &["read", "write", "execute"]), server.client_for("b", &["read", "execute"]));
    let digest = server.upload("noop");
    let own = json!({ "name": "Mine", "module": digest, "owner_id": "a" });
    let action = server.admin.post("/action", &own).expect(201)["id"].clone();
    a.post("/event-type", &json!({ "display_name": "mine", "action": action })).expect(201);
    let fire = |client: &crate::support::Client, event_type: &str| {
        let request = client.request("POST", &format!("/trigger/{event_type}")).header("prefer", "wait=60");
        request.send().expect(200)["id"].as_str().unwrap().to_owned()
    };
    let (mine, of_a) = (fire(&a, "mine"), fire(&a, "noop"));
    let (of_b, platforms) = (fire(&b, "noop"), fire(&server.admin, "noop"));
    let listed = |client: &crate::support::Client, query: &str| {
        let events = client.pages(&format!("/event?sort=created_at&{query}"));
        let events: Vec<String> = ids(&events).into_iter().map(str::to_owned).collect();
        let runs = client.pages(&format!("/run?sort=created_at&{}", query.replace("event_type=", "action=")));
        let of: Vec<String> = runs.iter().map(|run| run["event_id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(events, of, "runs and events agree: {query}");
        events
    };
    assert_eq!(listed(&server.admin, ""), [&*mine, &of_a, &of_b, &platforms]);
    assert_eq!(listed(&server.admin, "owner_id=a"), [&*mine, &of_a]);
    assert_eq!(listed(&server.admin, "owner_id=b"), [&*of_b]);
    assert_eq!(listed(&server.admin, "owner_id="), [&*platforms]);
    assert_eq!(listed(&server.admin, "owner_id=nobody"), [""; 0]);
    assert_eq!(listed(&a, "owner_id=a"), [&*mine, &of_a]);
    assert_eq!(listed(&a, "owner_id=b"), [""; 0], "what is another's is not there");
    assert_eq!(listed(&server.admin, "owner_id=a&event_type=noop"), [&*of_a]);
    assert_eq!(listed(&server.admin, "owner_id=a&event_type=mine"), [&*mine]);
    for path in ["/event?owner_id=not%20one", "/run?owner_id=not%20one"] {
        server.admin.get(path).problem(400, "bad_request");
    }

    a.delete("/event-type/mine").expect(200);
    server.admin.delete(&format!("/action/{}", action.as_str().unwrap())).expect(200);
    for client in [&a, &server.admin] {
        assert_eq!(listed(client, "event_type=MINE"), [&*mine]);
        assert_eq!(listed(client, "owner_id=a&event_type=mine&state=SUCCESS"), [&*mine]);
    }
    for path in ["/event?event_type=mine", "/run?action=mine"] {
        b.get(path).problem(404, "not_found");
    }
    let many = json!({ "filter": { "owner_id": "b" }, "preview": true });
    assert_eq!(server.admin.post("/event/replay", &many).expect(200)["count"], 1);
}

#[test]
fn paging_through_the_history_gives_everything_once_and_in_order() {
    let server = tenants();
    let clients = [server.admin.clone(), server.client_for("a", &["execute"]), server.client_for("b", &["execute"])];
    let (mut fired, mut rejected) = (Vec::new(), Vec::new());
    for number in 0..60 {
        let (event_type, payload) =
            if number % 4 == 0 { ("gallery", json!({ "way": "reject" })) } else { ("noop", json!(number)) };
        let request = clients[number % 3].request("POST", "/event").header("prefer", "wait=30");
        let answer = request.json(&json!({ "event_type": event_type, "payload": payload })).send();
        let id = answer.expect(200)["id"].as_str().unwrap().to_owned();
        if number % 4 == 0 {
            rejected.push(id.clone());
        }
        fired.push(id);
    }
    for limit in [1, 7, 59, 60, 200] {
        assert_eq!(ids(&server.admin.pages(&format!("/event?limit={limit}&sort=created_at"))), fired, "{limit}");
        let newest_first: Vec<&String> = fired.iter().rev().collect();
        assert_eq!(ids(&server.admin.pages(&format!("/event?limit={limit}"))), newest_first, "{limit}");
        assert_eq!(
            ids(&server.admin.pages(&format!("/event?limit={limit}&sort=created_at&event_type=gallery"))),
            rejected
        );
        assert_eq!(ids(&server.admin.pages(&format!("/event?limit={limit}&sort=created_at&state=ERROR"))), rejected);
        let runs = server.admin.pages(&format!("/run?limit={limit}&sort=created_at"));
        assert_eq!(runs.iter().map(|run| run["event_id"].as_str().unwrap()).collect::<Vec<_>>(), fired);
        assert_eq!(server.admin.pages(&format!("/run?limit={limit}&reason=guest_error")).len(), rejected.len());
    }
}
