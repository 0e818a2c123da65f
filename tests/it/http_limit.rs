//! What the API tells of use: how much of every limit, when a credential was last used, who takes a secret; and the filters
//! of the lists of the catalogue.

use crate::support::{Client, TestServer};
use serde_json::{Value, json};

const NOBODY: &str = "01a1ff7d-875e-7388-ab52-e35ac67b46e8";

fn limits(client: &Client, query: &str) -> Value {
    client.get(&format!("/limit{query}")).expect(200).clone()
}

/// The names of what a list has.
#[track_caller]
fn names(client: &Client, path: &str) -> Vec<String> {
    let text = |item: &Value, field: &str| item[field].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let name = |item: &Value| ["key", "name", "id"].iter().find_map(|field| text(item, field)).unwrap();
    client.get(path).expect(200).as_array().unwrap().iter().map(name).collect()
}

#[test]
fn a_tenant_without_a_record_is_told_what_it_uses_of_the_usual_quotas() {
    let server = TestServer::start();
    let a = server.client_for("a", &["read", "write", "execute"]);
    a.put("/secret/one", &json!({ "value": "12345" })).expect(201);
    let told = limits(&a, "");
    assert_eq!((&told["owner_id"], &told["server"], &told["fullest"]), (&json!("a"), &Value::Null, &Value::Null));
    assert_eq!(told["use"]["secrets"], json!({ "used": 1, "limit": 10_000 }));
    assert_eq!(told["use"]["tokens"], json!({ "used": 1, "limit": 1_000 }));
    assert_eq!(told["use"]["events_per_minute"], json!({ "used": 0, "limit": 60_000 }));
    assert_eq!(told["use"].as_object().unwrap().len(), 16, "every quota: {told:#}");
    server.admin.post("/tenant", &json!({ "id": "a", "quotas": { "secrets": 1 } })).expect(201);
    assert_eq!(limits(&a, "")["use"]["secrets"], json!({ "used": 1, "limit": 1 }));
    assert_eq!(limits(&a, "")["use"], a.get("/tenant/a").expect(200)["use"], "a record tells the same");
    a.put("/secret/two", &json!({ "value": "12345" })).problem(429, "quota_exceeded");
    assert_eq!(limits(&a, "?owner_id=a")["owner_id"], "a");
    a.get("/limit?owner_id=b").problem(403, "forbidden");
    a.get("/limit?owner_id=").problem(403, "forbidden");
    a.get("/limit?odd=1").problem(400, "bad_request");
}

#[test]
fn the_platform_is_told_what_all_use_of_what_the_server_holds_and_who_is_nearest_to_a_quota() {
    let server = TestServer::with(|config| {
        config.catalogue.named.secrets = 7;
        config.bounds.streams = 3;
        config.concurrency = 5;
        config.concurrency_per_tenant = 4;
        config.queue_per_tenant = 70;
    });
    let a = server.client_for("a", &["write"]);
    for key in ["one", "two"] {
        a.put(&format!("/secret/{key}"), &json!({ "value": "12345" })).expect(201);
    }
    server.admin.put("/secret/own", &json!({ "value": "12345" })).expect(201);
    server.admin.post("/tenant", &json!({ "id": "a", "quotas": { "secrets": 2, "tokens": 4 } })).expect(201);
    let told = limits(&server.admin, "");
    assert_eq!(told["server"]["secrets"], json!({ "used": 3, "limit": 7 }));
    assert_eq!(told["server"]["streams"], json!({ "used": 0, "limit": 3 }));
    assert_eq!(told["server"]["concurrent_runs"], json!({ "used": 0, "limit": 5 }));
    assert_eq!(told["server"]["tenants"], json!({ "used": 1, "limit": 100_000 }));
    let own = told["use"].as_object().unwrap();
    assert_eq!(own["queued_events"], json!({ "used": 0, "limit": 70 }));
    assert_eq!(own.keys().collect::<Vec<_>>(), ["concurrent_runs", "queued_events"], "it has no other quotas");
    let nearest = |place: usize| told["fullest"][place].clone();
    assert_eq!(nearest(0), json!({ "owner_id": "a", "quota": "secrets", "used": 2, "limit": 2 }));
    assert_eq!(nearest(1), json!({ "owner_id": "a", "quota": "tokens", "used": 1, "limit": 4 }));
    assert_eq!(limits(&server.admin, "?owner_id=a")["use"]["secrets"], json!({ "used": 2, "limit": 2 }));
    assert_eq!(limits(&server.admin, "?owner_id=nobody")["use"]["secrets"]["used"], 0);
    let stream = server.admin.request("GET", "/stream").stream();
    assert_eq!(limits(&server.admin, "")["server"]["streams"]["used"], 1);
    drop(stream);
}

#[test]
fn the_bounds_of_the_server_are_those_that_it_was_started_with() {
    let server = TestServer::with(|config| {
        config.bounds.body_bytes = 12_345;
        config.chain.depth = 5;
        config.keep = fusebox::dispatch::Keep::days(3, 9);
    });
    let told = limits(&server.client_for("a", &["read"]), "");
    let bound = |name: &str| {
        let bounds = told["bounds"].as_array().unwrap();
        let found = bounds.iter().find(|bound| bound["name"] == name).unwrap_or_else(|| panic!("no {name}: {told:#}"));
        assert!(!found["about"].as_str().unwrap().is_empty());
        found["limit"].as_u64().unwrap()
    };
    let some =
        ["body_bytes", "chain_depth", "history_days", "audit_days", "fan_out_runs", "page_items", "object_depth"];
    assert_eq!(some.map(bound), [12_345, 5, 3, 9, 1_000, 200, 32]);
    assert_eq!((&told["attempt"]["memory_bytes"], &told["attempt"]["http_calls"]), (&json!(512 << 20), &json!(1_000)));
    server.admin.post("/event", &json!({ "x": "y".repeat(12_345) })).problem(413, "too_large");
    server.admin.get("/event?limit=201").problem(400, "bad_request");
}

#[test]
fn a_token_is_read_with_when_it_was_last_used() {
    let server = TestServer::with_manual_clock();
    let made = server.admin.post("/token", &json!({ "name": "ada", "owner_id": "a", "rights": { "admin": true } }));
    let made = made.expect(201).clone();
    let path = format!("/token/{}", made["id"].as_str().unwrap());
    let read = || server.admin.get(&path).expect(200).clone();
    assert_eq!((&read()["last_used_at"], &read()["token"]), (&Value::Null, &Value::Null));
    assert_eq!(made["last_used_at"], Value::Null);
    let ada = server.admin.with_token(made["token"].as_str().unwrap());
    ada.get("/event").expect(200);
    let first = read()["last_used_at"].clone();
    server.clock.advance_ms(5_000);
    ada.get("/odd").problem(404, "not_found");
    assert_eq!(read()["last_used_at"], first, "what needs no token uses none");
    ada.get("/audit").expect(200);
    let now = read()["last_used_at"].clone();
    assert!(now.as_str() > first.as_str() && now == server.admin.get("/token?q=ada").expect(200)[0]["last_used_at"]);
    assert_eq!(ada.get(&path).expect(200)["name"], "ada");
    server.client_for("b", &["admin"]).get(&path).problem(404, "not_found");
    server.client_for("a", &["read", "write", "execute"]).get(&path).problem(403, "forbidden");
    server.admin.get(&format!("/token/{NOBODY}")).problem(404, "not_found");
}

#[test]
fn a_source_is_told_when_it_was_last_seen() {
    let server = TestServer::with_manual_clock();
    server.admin.post("/source-type", &json!({ "name": "door" })).expect(201);
    server.admin.post("/event-type", &json!({ "display_name": "open", "source_type": "door" })).expect(201);
    let made = server.admin.post("/source", &json!({ "name": "door-1", "source_type": "door" })).expect(201).clone();
    let seen = || server.admin.get("/source/door-1").expect(200)["last_seen"].clone();
    assert_eq!((&made["last_seen"], &seen()), (&Value::Null, &Value::Null));
    let source = server.admin.with_token(made["token"].as_str().unwrap());
    source.post("/event", &json!({ "event_type": "open" })).expect(202);
    let first = seen();
    server.clock.advance_ms(5_000);
    server.admin.with_token("fbs_wrong").post("/event", &json!({ "event_type": "open" })).problem(401, "unauthorized");
    assert_eq!(seen(), first);
    source.post("/event", &json!({ "event_type": "other" })).problem(404, "not_found");
    assert!(seen().as_str() > first.as_str(), "it was heard of, whatever it wanted");
    let listed = server.admin.get("/source").expect(200)[0].clone();
    assert_eq!((&listed["last_seen"], &listed["token"]), (&seen(), &Value::Null));
}

#[test]
fn a_secret_says_what_takes_it() {
    let server = TestServer::start();
    server.admin.put("/secret/key", &json!({ "value": "12345" })).expect(201);
    let read = || server.admin.get("/secret/key").expect(200).clone();
    assert_eq!(read()["used_by"], json!([]));
    let parameters = json!([{ "name": "k", "type": "SECRET", "value": "KEY" }]);
    let digest = server.upload("noop");
    let action = server.action("pay", &digest, json!({ "parameters": parameters }));
    let event_type = server.event_type("paid", &action, json!({ "parameters": parameters }));
    server.admin.post("/source-type", &json!({ "name": "hooks" })).expect(201);
    let webhook = json!({ "preset": "stripe", "secret": "other", "old_secret": "key" });
    let source = json!({ "name": "stripe", "source_type": "hooks", "webhook": webhook });
    let source = server.admin.post("/source", &source).expect(201)["id"].clone();
    let expected = json!([
        { "kind": "action", "id": action, "name": "pay" },
        { "kind": "event-type", "id": event_type, "name": "paid" },
        { "kind": "source", "id": source, "name": "stripe" },
    ]);
    assert_eq!(read()["used_by"], expected);
    assert_eq!(server.admin.get("/secret").expect(200)[0].get("used_by"), None, "lists leave it out");
    let refused = server.admin.delete("/secret/key");
    refused.problem(409, "in_use");
    for words in ["the action `pay`", "the event type `paid`", "the webhook of the source `stripe`"] {
        assert!(refused.detail().contains(words), "{}", refused.detail());
    }
}

#[test]
fn lists_are_filtered_by_what_their_things_are() {
    let server = TestServer::start();
    let admin = &server.admin;
    for kind in ["door", "cash"] {
        admin.post("/source-type", &json!({ "name": kind })).expect(201);
        admin.post("/event-type", &json!({ "display_name": format!("{kind}.used") })).expect(201);
        for (number, enabled) in [(1, true), (2, false)] {
            let body = json!({ "name": format!("{kind}-{number}"), "source_type": kind, "enabled": enabled });
            admin.post("/source", &body).expect(201);
            let schedule = json!({ "name": format!("{kind}-{number}"), "event_type": format!("{kind}.used"),
                "cron": "0 0 1 1 *", "enabled": enabled });
            admin.post("/schedule", &schedule).expect(201);
        }
    }
    admin.post("/sink-type", &json!({ "name": "heavy" })).expect(201);
    admin.post("/sink", &json!({ "name": "spare", "enabled": false })).expect(201);
    admin.post("/tenant", &json!({ "id": "off", "enabled": false })).expect(201);
    admin.post("/tenant", &json!({ "id": "on" })).expect(201);
    server.client_for("x", &["read"]);
    for (path, expected) in [
        ("/source?source_type=DOOR", vec!["door-1", "door-2"]),
        ("/source?enabled=false&sort=-name", vec!["door-2", "cash-2"]),
        ("/source?source_type=door&enabled=true", vec!["door-1"]),
        ("/source?source_type=none", vec![]),
        ("/schedule?event_type=CASH.USED", vec!["cash-1", "cash-2"]),
        ("/schedule?event_type=cash.used&enabled=false&q=2", vec!["cash-2"]),
        ("/sink?enabled=false", vec!["spare"]),
        ("/sink?enabled=true", vec!["local"]),
        ("/sink-type?online=true", vec!["heavy", "wasm"]),
        ("/sink-type?online=false", vec![]),
        ("/tenant?enabled=false", vec!["off"]),
        ("/token?right=write", vec!["admin"]),
        ("/token?right=read", vec!["admin", "x token"]),
        ("/token?right=admin&limit=1", vec!["admin"]),
    ] {
        assert_eq!(names(admin, path), expected, "{path}");
    }
    let local = json!({ "name": "local", "sink_types": ["wasm"] });
    admin.put("/sink/local", &local).expect(200);
    assert_eq!(names(admin, "/sink-type?online=false"), ["heavy"]);
    for odd in ["/token?right=odd", "/source?enabled=odd", "/schedule?odd=1", "/sink?online=true", "/tenant?limit=0"] {
        admin.get(odd).problem(400, "bad_request");
    }
}

#[test]
fn a_dry_run_of_a_schedule_says_when_it_would_fire_and_keeps_nothing() {
    let server = TestServer::with_manual_clock();
    server.pass_to("2026-03-28T00:00:00Z");
    server.admin.post("/event-type", &json!({ "display_name": "due" })).expect(201);
    let dry = |query: &str, more: Value| {
        let mut body = json!({ "name": "daily", "event_type": "due" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        server.admin.post(&format!("/schedule?dry_run=true{query}"), &body)
    };
    let told = dry("&next=2", json!({ "cron": "30 6 * * *", "timezone": "Europe/Berlin" }));
    let firings = json!(["2026-03-28T05:30:00.000Z", "2026-03-29T04:30:00.000Z"]);
    assert_eq!((&told.expect(200)["firings"], &told.expect(200)["next_at"]), (&firings, &firings[0]));
    let off = dry("&next=1", json!({ "cron": "0 0 29 2 *", "enabled": false, "event_type": "later" }));
    assert_eq!(
        (&off.expect(200)["firings"], &off.expect(200)["next_at"]),
        (&json!(["2028-02-29T00:00:00.000Z"]), &Value::Null)
    );
    assert_eq!(dry("", json!({ "cron": "0 0 * * *" })).expect(200).get("firings"), None);
    for (more, pointer) in [
        (json!({ "cron": "0 0 30 2 *" }), "/cron"),
        (json!({ "cron": "0 0 * * *", "timezone": "Europe/Atlantis" }), "/timezone"),
        (json!({ "at": "2020-01-01T00:00:00Z" }), "/at"),
        (json!({ "cron": "0 0 * * *", "event_type": "missing" }), "/event_type"),
    ] {
        let refused = dry("", more);
        refused.problem(422, "invalid_body");
        refused.points_at(&[pointer]);
    }
    dry("&next=101", json!({ "cron": "0 0 * * *" })).problem(400, "bad_request");
    assert_eq!(server.admin.get("/schedule").body["count"], 0, "nothing is kept");
    assert_eq!(server.admin.get("/audit?kind=schedule").body["count"], 0);
    server.client_for("a", &["read"]).post("/schedule?dry_run=true", &json!({})).problem(403, "forbidden");
}

#[test]
fn one_line_of_the_audit_log_is_read_by_whose_log_it_is_in() {
    let server = TestServer::start();
    let a = server.client_for("a", &["admin"]);
    a.put("/secret/key", &json!({ "value": "hunter2" })).expect(201);
    let listed = a.get("/audit?kind=secret").expect(200)[0].clone();
    let path = format!("/audit/{}", listed["id"].as_str().unwrap());
    assert_eq!(a.get(&path).expect(200), &listed);
    assert_eq!(server.admin.get(&path).expect(200)["after"]["header"]["name"], "key");
    assert!(!a.get(&path).text.contains("hunter2"));
    server.client_for("b", &["admin"]).get(&path).problem(404, "not_found");
    server.client_for("a", &["read", "write", "execute"]).get(&path).problem(403, "forbidden");
    for odd in [NOBODY, "odd"] {
        server.admin.get(&format!("/audit/{odd}")).problem(404, "not_found");
    }
}
