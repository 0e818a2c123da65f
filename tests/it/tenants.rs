//! Tenants: records, switching off, and quotas, each at its bound and past it.

use crate::support::{Answer, Client, TestServer};
use serde_json::{Value, json};

/// A server with a clock that stands still, on which tenant `a` has a record with these quotas, and its admin.
fn server_with(quotas: Value) -> (TestServer, Client) {
    let server = TestServer::with_manual_clock();
    server.admin.post("/tenant", &json!({ "id": "a", "quotas": quotas })).expect(201);
    let a = server.client_for("a", &["admin"]);
    (server, a)
}

/// Checks that a quota is said to be used up.
#[track_caller]
fn is_over(answer: &Answer, quota: &str, limit: u64, after_s: &str) {
    let problem = answer.problem(429, "quota_exceeded");
    assert_eq!(problem["quota"], json!({ "name": quota, "limit": limit, "used": limit }), "{}", answer.text);
    assert_eq!(answer.header("retry-after"), after_s);
    assert!(answer.detail().contains(quota) && answer.detail().contains(&limit.to_string()), "{}", answer.detail());
}

fn used(client: &Client, of: &str) -> Value {
    client.get("/tenant/a").expect(200)["use"][of].clone()
}

/// An action with an event type of its name that runs it.
fn install(client: &Client, module: &str, name: &str, more: Value) -> String {
    let mut body = json!({ "name": name, "module": module });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let action = client.post("/action", &body).expect(201)["id"].as_str().unwrap().to_owned();
    client.post("/event-type", &json!({ "display_name": name, "action": action })).expect(201);
    action
}

#[test]
fn a_record_is_the_platforms_to_write_and_its_tenants_to_read() {
    let server = TestServer::start();
    let (a, b) = (server.client_for("a", &["admin"]), server.client_for("b", &["admin"]));
    // Nobody needs a record to work.
    a.post("/event-type", &json!({ "display_name": "before" })).expect(201);
    a.get("/tenant/a").problem(404, "not_found");
    assert_eq!(a.get("/tenant").body["count"], 0);
    let body = json!({ "id": "a", "name": "Ada & Co", "quotas": { "actions": 3 }, "retention_days": 7 });
    a.post("/tenant", &body).problem(403, "forbidden");
    let made = server.admin.post("/tenant", &body);
    assert_eq!(made.header("etag"), "\"1\"");
    let made = made.expect(201);
    assert_eq!(
        (&made["enabled"], &made["retention_days"], &made["created_by"]),
        (&json!(true), &json!(7), &json!("admin"))
    );
    assert_eq!(
        (&made["quotas"], &made["use"]["actions"]),
        (&json!({ "actions": 3 }), &json!({ "used": 0, "limit": 3 }))
    );
    assert_eq!(made["use"]["secrets"], json!({ "used": 0, "limit": null }));
    server.admin.post("/tenant", &body).problem(409, "name_taken");
    server.admin.post("/tenant", &json!({ "id": "b" })).expect(201);
    assert_eq!(
        (a.get("/tenant").body["count"].clone(), server.admin.get("/tenant?sort=-name").expect(200)[0]["id"].clone()),
        (json!(1), json!("b"))
    );
    assert_eq!(a.get("/tenant/a").expect(200)["name"], "Ada & Co");
    b.get("/tenant/a").problem(404, "not_found");
    let change = json!({ "name": "Ada" });
    a.put("/tenant/a", &change).problem(403, "forbidden");
    b.put("/tenant/a", &change).problem(404, "not_found");
    a.delete("/tenant/a").problem(403, "forbidden");
    server
        .admin
        .request("PUT", "/tenant/a")
        .header("if-match", "\"7\"")
        .json(&change)
        .send()
        .problem(412, "precondition_failed");
    let changed = server.admin.request("PUT", "/tenant/a").header("if-match", "\"1\"").json(&change).send();
    assert_eq!(
        (&changed.expect(200)["quotas"], &changed.expect(200)["version"]),
        (&json!({}), &json!(2)),
        "it is replaced whole"
    );
    let told = a.get("/audit?kind=tenant").expect(200).clone();
    assert_eq!(
        (&told[0]["what"], &told[0]["before"]["name"], &told[0]["after"]["name"]),
        (&json!("changed"), &json!("Ada & Co"), &json!("Ada"))
    );
}

#[test]
fn a_record_that_makes_no_sense_is_refused_with_the_place() {
    let server = TestServer::start();
    let refused = |body: Value, pointer: &str| {
        let answer = server.admin.post("/tenant", &body);
        answer.problem(422, "invalid_body");
        answer.points_at(&[pointer]);
    };
    refused(json!({ "id": "Not a tenant" }), "/id");
    refused(json!({ "id": "" }), "/id");
    refused(json!({ "id": "a", "name": "x".repeat(129) }), "/name");
    refused(json!({ "id": "a", "description": "x".repeat(10_001) }), "/description");
    refused(json!({ "id": "a", "quotas": { "actions": -1 } }), "/quotas/actions");
    refused(json!({ "id": "a", "quotas": { "acts": 1 } }), "/quotas/acts");
    refused(json!({ "id": "a", "quotas": { "concurrent_runs": 0 } }), "/quotas/concurrent_runs");
    for days in [0, 36_501] {
        refused(json!({ "id": "a", "retention_days": days }), "/retention_days");
    }
    let body = json!({ "id": "a", "name": "x".repeat(128), "description": "x".repeat(10_000), "retention_days": 36_500,
        "quotas": { "concurrent_runs": 1, "actions": 0 } });
    server.admin.post("/tenant", &body).expect(201);
}

#[test]
fn a_tenant_that_is_switched_off_is_refused_and_nothing_new_of_it_runs() {
    let (server, a) = server_with(json!({}));
    let module = server.upload("noop");
    install(&a, &module, "after", json!({}));
    install(&a, &module, "first", json!({ "on_success": "after" }));
    let schedule = json!({ "name": "often", "event_type": "after", "cron": "* * * * *" });
    a.post("/schedule", &schedule).expect(201);
    let accepted =
        a.post("/event", &json!({ "event_type": "first", "delay": 90 })).expect(202)["id"].as_str().unwrap().to_owned();
    server.admin.put("/tenant/a", &json!({ "enabled": false })).expect(200);
    a.get("/action").problem(403, "tenant_disabled");
    a.post("/event", &json!({ "event_type": "first" })).problem(403, "tenant_disabled");
    a.get("/tenant/a").problem(403, "tenant_disabled");
    let for_it = json!({ "event_type": "first", "owner_id": "a" });
    server.admin.post("/event", &for_it).problem(403, "tenant_disabled");
    server.admin.post("/event?dry_run=true", &for_it).problem(403, "tenant_disabled");
    // What was accepted goes on; what it would fire is stored and does not run.
    server.pass_ms(90_000);
    let ended = server.until(&accepted, |event| event["state"] == "SUCCESS");
    let child = ended["runs"][0]["child_event_id"].as_str().unwrap().to_owned();
    let child = server.until(&child, |event| event["ended_at"].is_string());
    assert_eq!(
        (&child["state"], &child["reason"], &child["runs"]),
        (&json!("SKIPPED"), &json!("disabled"), &json!([]))
    );
    assert!(child["message"].as_str().unwrap().contains("`a` is switched off"), "{child:#}");
    let scheduled = server.admin.get("/event?event_type=after").body;
    drop(scheduled);
    let events = server.admin.pages("/event?state=SKIPPED");
    let by_schedule = events.iter().filter(|event| event["origin"] == "schedule" && event["reason"] == "disabled");
    assert!(by_schedule.count() >= 1, "{events:#?}");
    // Others do not notice.
    let b = server.client_for("b", &["admin"]);
    install(&b, &module, "own", json!({}));
    b.post("/event", &json!({ "event_type": "own" })).expect(202);
    server.admin.put("/tenant/a", &json!({})).expect(200);
    a.post("/event", &json!({ "event_type": "after" })).expect(202);
}

#[test]
fn a_source_of_a_tenant_that_is_switched_off_is_refused() {
    let (server, a) = server_with(json!({}));
    let kind = a.post("/source-type", &json!({ "name": "doors" })).expect(201)["id"].clone();
    let source = a.post("/source", &json!({ "name": "door 1", "source_type": kind }));
    let door = server.admin.with_token(source.expect(201)["token"].as_str().unwrap());
    a.post("/event-type", &json!({ "display_name": "opened", "source_type": kind })).expect(201);
    door.post("/event", &json!({ "event_type": "opened" })).expect(202);
    server.admin.put("/tenant/a", &json!({ "enabled": false })).expect(200);
    door.post("/event", &json!({ "event_type": "opened" })).problem(403, "tenant_disabled");
}

#[test]
fn events_past_the_quota_of_a_minute_are_refused_until_it_is_over() {
    let (server, a) = server_with(json!({ "events_per_minute": 3 }));
    install(&a, &server.upload("noop"), "go", json!({}));
    let b = server.client_for("b", &["admin"]);
    install(&b, &server.upload("noop"), "go", json!({}));
    let fire = |client: &Client, n: u32| client.post("/event", &json!({ "event_type": "go", "payload": n }));
    for n in 0..3 {
        fire(&a, n).expect(202);
    }
    // Asking costs nothing, and neither does what is refused.
    for _ in 0..5 {
        a.post("/event?dry_run=true", &json!({ "event_type": "go", "payload": 9 })).expect(200);
    }
    is_over(&fire(&a, 3), "events_per_minute", 3, "60");
    server.clock.advance_ms(59_500);
    is_over(&fire(&a, 3), "events_per_minute", 3, "1");
    assert_eq!(used(&a, "events_per_minute"), json!({ "used": 3, "limit": 3 }));
    (0..5).for_each(|n| assert_eq!(fire(&b, n).status, 202));
    server.clock.advance_ms(500);
    fire(&a, 3).expect(202);
    assert_eq!(used(&a, "events_per_minute"), json!({ "used": 1, "limit": 3 }));
}

#[test]
fn events_past_the_quota_of_the_queue_are_refused_until_one_has_gone() {
    let (server, a) = server_with(json!({ "queued_events": 2 }));
    install(&a, &server.upload("noop"), "go", json!({}));
    let later =
        |client: &Client, n: u32| client.post("/event", &json!({ "event_type": "go", "payload": n, "delay": 60 }));
    let first = later(&a, 0).expect(202)["id"].as_str().unwrap().to_owned();
    later(&a, 1).expect(202);
    is_over(&later(&a, 2), "queued_events", 2, "1");
    assert_eq!(used(&a, "queued_events"), json!({ "used": 2, "limit": 2 }));
    let b = server.client_for("b", &["admin"]);
    install(&b, &server.upload("noop"), "go", json!({}));
    (0..4).for_each(|n| assert_eq!(later(&b, n).status, 202));
    a.post(&format!("/event/{first}/cancel"), &json!({})).expect(200);
    later(&a, 2).expect(202);
}

#[test]
fn runs_past_the_quota_at_once_wait_and_a_larger_one_lets_them_go() {
    let (server, a) = server_with(json!({ "concurrent_runs": 1 }));
    install(&a, &server.upload("failure_gallery"), "hold", json!({ "retry": { "attempts": 1 } }));
    let hold = |n: u32| -> String {
        let fired = a
            .post("/event", &json!({ "event_type": "hold", "payload": { "way": "wait" }, "dedup_key": n.to_string() }));
        fired.expect(202)["id"].as_str().unwrap().to_owned()
    };
    let events: Vec<String> = (0..3).map(hold).collect();
    server.until_run_is(&events[0], "RUNNING");
    assert_eq!(used(&a, "concurrent_runs"), json!({ "used": 1, "limit": 1 }));
    assert_eq!(used(&a, "queued_events")["used"], 2, "they wait, and nobody was refused");
    let b = server.client_for("b", &["admin"]);
    install(&b, &server.upload("noop"), "go", json!({}));
    b.request("POST", "/event").header("prefer", "wait=30").json(&json!({ "event_type": "go" })).send().expect(200);
    server.admin.put("/tenant/a", &json!({ "quotas": { "concurrent_runs": 2 } })).expect(200);
    server.until_run_is(&events[1], "RUNNING");
    assert_eq!(used(&a, "concurrent_runs"), json!({ "used": 2, "limit": 2 }));
    // A smaller one ends nothing; what ends makes no room until it is kept.
    server.admin.put("/tenant/a", &json!({ "quotas": { "concurrent_runs": 1 } })).expect(200);
    a.post(&format!("/event/{}/cancel", events[0]), &json!({})).expect(200);
    assert_eq!(used(&a, "queued_events")["used"], 1);
    a.post(&format!("/event/{}/cancel", events[1]), &json!({})).expect(200);
    server.until_run_is(&events[2], "RUNNING");
    // Without a quota the server's own bound holds.
    server.admin.put("/tenant/a", &json!({})).expect(200);
    assert_eq!(used(&a, "concurrent_runs"), json!({ "used": 1, "limit": 8 }));
    a.post(&format!("/event/{}/cancel", events[2]), &json!({})).expect(200);
}

#[test]
fn things_past_their_quota_are_refused_until_one_is_deleted() {
    let quotas = json!({ "actions": 2, "attachments": 1, "schedules": 1, "secrets": 1 });
    let (mut server, a) = server_with(quotas.clone());
    let module = server.upload("noop");
    let b = server.client_for("b", &["admin"]);
    let action = |client: &Client, name: &str| client.post("/action", &json!({ "name": name, "module": module }));
    let first = action(&a, "first").expect(201)["id"].as_str().unwrap().to_owned();
    action(&a, "second").expect(201);
    is_over(&action(&a, "third"), "actions", 2, "60");
    is_over(
        &server.admin.post("/action", &json!({ "name": "third", "module": module, "owner_id": "a" })),
        "actions",
        2,
        "60",
    );
    // What is there can be changed.
    a.put(&format!("/action/{first}"), &json!({ "name": "renamed", "module": module })).expect(200);
    let attach = |client: &Client, id: &str| {
        client.post(&format!("/action/{first}/object"), &json!({ "object_type": "place", "object_id": id }))
    };
    attach(&a, "1").expect(201);
    is_over(&attach(&a, "2"), "attachments", 1, "60");
    a.post("/event-type", &json!({ "display_name": "tick" })).expect(201);
    let schedule =
        |name: &str| a.post("/schedule", &json!({ "name": name, "event_type": "tick", "cron": "0 0 * * *" }));
    let often = schedule("often").expect(201)["id"].as_str().unwrap().to_owned();
    is_over(&schedule("more"), "schedules", 1, "60");
    let secret = |key: &str| a.put(&format!("/secret/{key}"), &json!({ "value": "a secret value" }));
    assert_eq!(secret("key").status / 100, 2);
    is_over(&secret("other"), "secrets", 1, "60");
    assert_eq!(secret("key").status / 100, 2, "its value can be changed");
    for n in 0..4 {
        action(&b, &format!("action {n}")).expect(201);
    }
    let full = |a: &Client| ["actions", "attachments", "schedules", "secrets"].map(|of| used(a, of)["used"].clone());
    assert_eq!(full(&a), [json!(2), json!(1), json!(1), json!(1)]);
    server.restart();
    let a = a.at(&server);
    assert_eq!(full(&a), [json!(2), json!(1), json!(1), json!(1)], "counted anew");
    // Below what there is nothing goes away, and nothing comes.
    server.admin.put("/tenant/a", &json!({ "quotas": { "actions": 1 } })).expect(200);
    server.restart();
    let a = a.at(&server);
    let again =
        a.post("/action", &json!({ "name": "third", "module": module })).problem(429, "quota_exceeded")["quota"]
            .clone();
    assert_eq!(again, json!({ "name": "actions", "limit": 1, "used": 2 }));
    server.admin.put("/tenant/a", &json!({ "quotas": quotas })).expect(200);
    a.delete(&format!("/action/{first}")).expect(200);
    a.delete(&format!("/schedule/{often}")).expect(200);
    a.delete("/secret/key").expect(200);
    assert_eq!(full(&a), [json!(1), json!(0), json!(0), json!(0)], "its attachment went with the action");
    a.post("/action", &json!({ "name": "third", "module": module })).expect(201);
}

#[test]
fn a_tenant_that_has_anything_stays_and_its_history_outlives_it() {
    let (server, a) = server_with(json!({}));
    let module = server.upload("noop");
    let action = install(&a, &module, "go", json!({}));
    a.put("/object/place/1", &json!({})).expect(201);
    a.put("/secret/key", &json!({ "value": "a secret value" }));
    let event = a.post("/event", &json!({ "event_type": "go" })).expect(202)["id"].as_str().unwrap().to_owned();
    server.until(&event, |event| event["state"] == "SUCCESS");
    let refused = server.admin.delete("/tenant/a");
    refused.problem(409, "in_use");
    for thing in
        ["the action `go`", "the event type `go`", "the token `a token`", "the object `place/1`", "the secret `key`"]
    {
        assert!(refused.detail().contains(thing), "{thing}: {}", refused.detail());
    }
    a.delete(&format!("/event-type/go")).expect(200);
    a.delete(&format!("/action/{action}")).expect(200);
    a.delete("/object/place/1").expect(200);
    a.delete("/secret/key").expect(200);
    server.admin.request("DELETE", "/tenant/a").header("if-match", "\"9\"").send().problem(412, "precondition_failed");
    let token = server.admin.pages("/token").into_iter().find(|token| token["owner_id"] == "a").unwrap();
    server.admin.delete(&format!("/token/{}", token["id"].as_str().unwrap())).expect(200);
    server.admin.delete("/tenant/a").expect(200);
    let told: Vec<Value> = server.admin.pages("/audit?kind=tenant").iter().map(|entry| entry["what"].clone()).collect();
    assert_eq!(told, ["deleted", "created"]);
    server.admin.get("/tenant/a").problem(404, "not_found");
    server.admin.delete("/tenant/a").problem(404, "not_found");
    assert_eq!(server.event(&event)["owner_id"], "a");
}
