//! Accept once (DESIGN §3.5): a request that is sent again makes nothing new.

use crate::support::{Answer, Client, TestServer, is_ended};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const DAY_MS: i64 = 86_400_000;

fn server() -> TestServer {
    let server = TestServer::with_manual_clock();
    server.install("noop", "noop", json!({}));
    server
}

fn send(client: &Client, key: &str, body: &Value) -> Answer {
    client.request("POST", "/event").header("idempotency-key", key).json(body).send()
}

fn fire(client: &Client, key: &str, payload: Value) -> Answer {
    send(client, key, &json!({ "event_type": "noop", "payload": payload }))
}

#[track_caller]
fn is_first(answer: &Answer) -> String {
    assert!(!answer.headers.contains_key("idempotency-replayed"), "{}", answer.text);
    answer.expect(202)["id"].as_str().unwrap().to_owned()
}

#[track_caller]
fn repeats(answer: &Answer, event: &str) {
    assert_eq!(answer.header("idempotency-replayed"), "true");
    assert_eq!(answer.expect(202)["id"], event);
}

fn count(server: &TestServer) -> Value {
    server.admin.get("/event?limit=200").body["count"].clone()
}

#[test]
fn the_same_request_with_the_same_key_is_answered_with_its_event() {
    let server = server();
    let event = is_first(&fire(&server.admin, "k1", json!({ "a": 1, "b": [2] })));
    for _ in 0..3 {
        repeats(&fire(&server.admin, "k1", json!({ "a": 1, "b": [2] })), &event);
    }
    // What says the same is the same.
    let dressed = r#"{ "payload": {"b":[2.0], "\u0061":1}, "event_type":"noop" }"#;
    let request = server.admin.request("POST", "/event").header("idempotency-key", "k1").bytes(dressed);
    repeats(&request.send(), &event);
    assert_eq!(count(&server), 1);
    let other = is_first(&fire(&server.admin, "k2", json!({ "a": 1, "b": [2] })));
    assert_ne!(other, event);
    is_first(&server.admin.post("/event", &json!({ "event_type": "noop", "payload": { "a": 1, "b": [2] } })));
    assert_eq!(count(&server), 3, "a request without a key is always new");
}

#[test]
fn another_request_with_a_used_key_is_refused() {
    let server = server();
    let body =
        json!({ "event_type": "noop", "payload": { "a": 1 }, "object": { "object_type": "a", "object_id": "1" } });
    is_first(&send(&server.admin, "k", &body));
    let action = server.admin.get("/action").expect(200)[0]["id"].as_str().unwrap().to_owned();
    server.event_type("noop_too", &action, json!({}));
    for (pointer, other) in [
        ("/payload", json!({ "a": 2 })),
        ("/object", json!({ "object_type": "a", "object_id": "2" })),
        ("/event_type", json!("noop_too")),
        ("/flow", json!("up")),
        ("/dedup_key", json!("x")),
        ("/delay", json!(5)),
    ] {
        let mut changed = body.clone();
        changed[pointer.trim_start_matches('/')] = other;
        let refused = send(&server.admin, "k", &changed);
        refused.problem(422, "idempotency_key_reused");
        assert!(refused.detail().contains("another request"), "{pointer}: {}", refused.detail());
    }
    assert_eq!(count(&server), 1);
}

#[test]
fn the_short_way_to_fire_is_accepted_once_too() {
    let server = server();
    let send = |path: &str, body: &str| {
        server.admin.request("POST", path).header("idempotency-key", "short").bytes(body).send()
    };
    let event = is_first(&send("/trigger/noop?object_type=a&object_id=1", ""));
    repeats(&send("/trigger/NOOP?object_type=a&object_id=1", "{ }"), &event);
    send("/trigger/noop?object_type=a&object_id=2", "").problem(422, "idempotency_key_reused");
    send("/trigger/noop?object_type=a&object_id=1", "[]").problem(422, "idempotency_key_reused");
    send("/event", r#"{"event_type":"noop"}"#).problem(422, "idempotency_key_reused");
    assert_eq!(count(&server), 1);
}

#[test]
fn a_delayed_request_is_the_same_although_time_has_passed() {
    let server = server();
    let body = json!({ "event_type": "noop", "delay": "2h" });
    let event = is_first(&send(&server.admin, "late", &body));
    server.pass_ms(60_000);
    repeats(&send(&server.admin, "late", &body), &event);
}

#[test]
fn a_key_is_short_and_printable_and_may_be_quoted() {
    let server = server();
    let longest = "k".repeat(255);
    for (place, (key, again)) in [
        ("8e03978e-40d5-43dd-bc93-6894a57f9324", "\"8e03978e-40d5-43dd-bc93-6894a57f9324\""),
        ("\"a \\\"b\\\\\"", "\"a \\\"b\\\\\""),
        ("a \"b\\", "a \"b\\"),
        (longest.as_str(), &format!("\"{longest}\"")),
    ]
    .into_iter()
    .enumerate()
    {
        if place == 2 {
            // The raw form of the one before: the same key for the same request.
            assert_eq!(fire(&server.admin, key, json!(1)).header("idempotency-replayed"), "true");
            continue;
        }
        let event = is_first(&fire(&server.admin, key, json!(place)));
        repeats(&fire(&server.admin, again, json!(place)), &event);
    }
    let too_long = "k".repeat(256);
    for bad in ["", "\"\"", "\"open", "\"a\"b", "\"a\"; x=1", "ä", too_long.as_str()] {
        let refused = fire(&server.admin, bad, json!(1));
        refused.problem(400, "bad_request");
        assert!(refused.detail().starts_with("Idempotency-Key: "), "{}", refused.detail());
    }
    let twice = server.admin.request("POST", "/event").header("idempotency-key", "a").header("idempotency-key", "b");
    let twice = twice.json(&json!({ "event_type": "noop" })).send();
    twice.problem(400, "bad_request");
    assert!(twice.detail().contains("more than one"), "{}", twice.detail());
    assert_eq!(count(&server), 3);
}

#[test]
fn tenants_have_keys_of_their_own() {
    let server = server();
    let [a, b] = ["a", "b"].map(|tenant| server.client_for(tenant, &["read", "execute"]));
    let (of_a, of_b) = (is_first(&fire(&a, "k", json!({}))), is_first(&fire(&b, "k", json!({ "n": 2 }))));
    repeats(&fire(&a, "k", json!({})), &of_a);
    repeats(&fire(&b, "k", json!({ "n": 2 })), &of_b);
    is_first(&fire(&server.admin, "k", json!({ "n": 3 })));
}

#[test]
fn a_window_begins_with_the_first_and_ends_on_time() {
    let server = server();
    let first = is_first(&fire(&server.admin, "k", json!({})));
    server.pass_ms(DAY_MS - 1);
    repeats(&fire(&server.admin, "k", json!({})), &first);
    server.pass_ms(1);
    let second = is_first(&fire(&server.admin, "k", json!({})));
    assert_ne!(first, second);
    repeats(&fire(&server.admin, "k", json!({})), &second);

    let action = server.admin.get("/action").expect(200)[0]["id"].as_str().unwrap().to_owned();
    server.event_type("short", &action, json!({ "dedup_window_s": 1 }));
    let short = |n: u32| send(&server.admin, "s", &json!({ "event_type": "short", "payload": n }));
    let first = is_first(&short(1));
    server.pass_ms(999);
    repeats(&short(1), &first);
    short(2).problem(422, "idempotency_key_reused");
    server.pass_ms(1);
    is_first(&short(2));
}

#[test]
fn a_window_has_a_second_to_thirty_days() {
    let server = server();
    let put = |window: Value| server.admin.put("/event-type/noop", &window);
    let with = |field: &str, seconds: Value| {
        let mut body = json!({ "display_name": "noop" });
        body[field] = seconds;
        put(body)
    };
    assert_eq!(server.admin.get("/event-type/noop").expect(200)["dedup_window_s"], 86_400);
    for seconds in [1, 2_592_000] {
        assert_eq!(with("dedup_window_s", json!(seconds)).expect(200)["dedup_window_s"], seconds);
    }
    assert_eq!(with("dedup_window", json!(60)).expect(200)["dedup_window_s"], 60);
    assert_eq!(put(json!({ "display_name": "noop" })).expect(200)["dedup_window_s"], 86_400, "a change is whole");
    for bad in [json!(0), json!(2_592_001), json!(-1), json!(1.5), json!("1d"), Value::Null] {
        let refused = with("dedup_window_s", bad);
        refused.problem(422, "invalid_body");
        refused.points_at(&["/dedup_window_s"]);
    }
}

#[test]
fn who_waits_again_gets_the_end_of_the_original() {
    let server = TestServer::with_manual_clock();
    server.install("gallery", "failure_gallery", json!({ "retry": { "attempts": 2 } }));
    let send = |prefer: &str| {
        let request = server.admin.request("POST", "/trigger/gallery").header("prefer", prefer);
        request.header("idempotency-key", "k").json(&json!({ "way": "retry_after" })).send()
    };
    let first = send("wait=0");
    let event = is_first(&first);
    server.until_run_is(&event, "WAITING");
    let impatient = send("wait=1");
    repeats(&impatient, &event);
    assert_eq!(impatient.header("preference-applied"), "wait=1");
    assert!(!is_ended(&impatient.body["data"]), "{}", impatient.text);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| send("wait=60"));
        // Whether it asks before or after this, it is told.
        server.pass_ms(2_000);
        let ended = waiting.join().unwrap();
        assert_eq!(ended.header("idempotency-replayed"), "true");
        assert_eq!((&ended.expect(200)["id"], &ended.expect(200)["state"]), (&json!(event), &json!("ERROR")));
        assert_eq!(ended.expect(200)["runs"][0]["attempts"].as_array().unwrap().len(), 2);
    });
    assert_eq!(send("wait=60").expect(200)["state"], "ERROR", "what has ended is told at once");
    assert_eq!(count(&server), 1);
}

#[test]
fn of_many_that_come_at_once_with_one_key_one_is_first() {
    let server = server();
    for round in 0..10 {
        let answers: Vec<Answer> = std::thread::scope(|scope| {
            let fire = || fire(&server.admin, &format!("k{round}"), json!({ "round": round }));
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(fire)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let ids: BTreeSet<&str> = answers.iter().map(|answer| answer.expect(202)["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), 1, "{ids:?}");
        let first = answers.iter().filter(|answer| !answer.headers.contains_key("idempotency-replayed"));
        assert_eq!(first.count(), 1);
        assert_eq!(count(&server), round + 1);
    }
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|n| {
                scope.spawn({
                    let server = &server;
                    move || fire(&server.admin, "other", json!(n))
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let accepted = answers.iter().filter(|answer| answer.status == 202).count();
    let refused = answers.iter().filter(|answer| answer.body["code"] == "idempotency_key_reused").count();
    assert_eq!((accepted, refused), (1, 7));
}

#[test]
fn what_was_refused_leaves_its_key_free() {
    let server = server();
    let schema = json!({ "display_name": "noop", "payload_schema": { "type": "string" } });
    let id = server.admin.get("/event-type/noop").expect(200)["action"].clone();
    server.admin.put("/event-type/noop", &schema).expect(200);
    fire(&server.admin, "k", json!(1)).problem(422, "payload_invalid");
    send(&server.admin, "k", &json!({ "event_type": "nobody" })).problem(404, "not_found");
    server.admin.put("/event-type/noop", &json!({ "display_name": "noop", "enabled": false })).expect(200);
    fire(&server.admin, "k", json!(1)).problem(409, "event_type_disabled");
    server.admin.put("/event-type/noop", &json!({ "display_name": "noop", "action": id })).expect(200);
    let event = is_first(&fire(&server.admin, "k", json!(1)));
    // What was accepted is answered whatever became of its type since.
    server.admin.put("/event-type/noop", &json!({ "display_name": "noop", "enabled": false })).expect(200);
    repeats(&fire(&server.admin, "k", json!(1)), &event);
}

#[test]
fn a_key_is_remembered_over_a_restart_and_forgotten_when_it_has_expired() {
    let mut server = server();
    let event = is_first(&fire(&server.admin, "k", json!({})));
    server.restart();
    repeats(&fire(&server.admin, "k", json!({})), &event);
    assert_eq!(server.store().check().unwrap(), [""; 0]);
    server.pass_ms(DAY_MS);
    for n in 0..3 {
        is_first(&fire(&server.admin, &format!("kept {n}"), json!({})));
    }
    // Forgetting is done beside the tick; each look is a look at the disk.
    let started = std::time::Instant::now();
    let remembered = |dump: &str| {
        let table = dump.split("[accepted_once]\n").nth(1).unwrap_or_default();
        table.lines().take_while(|line| !line.starts_with('[')).count()
    };
    while remembered(&server.dump()) != 3 {
        assert!(started.elapsed() < crate::support::PATIENCE, "{}", server.dump());
        server.pass_ms(60_000);
    }
    assert_eq!(server.store().check().unwrap(), [""; 0]);
}
