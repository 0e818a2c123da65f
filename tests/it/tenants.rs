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

/// Checks that a quota is said to be used up, and when to ask again: `None` for what does not go away by itself.
#[track_caller]
fn is_over(answer: &Answer, quota: &str, limit: u64, after_s: Option<&str>) {
    let problem = answer.problem(429, "quota_exceeded");
    assert_eq!(problem["quota"], json!({ "name": quota, "limit": limit, "used": limit }), "{}", answer.text);
    assert_eq!(answer.headers.get("retry-after").map(|after| after.to_str().unwrap()), after_s);
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
    assert_eq!(made["use"]["secrets"], json!({ "used": 0, "limit": 10_000 }));
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
    for days in [0, 3_651] {
        refused(json!({ "id": "a", "retention_days": days }), "/retention_days");
    }
    let body = json!({ "id": "a", "name": "x".repeat(128), "description": "x".repeat(10_000), "retention_days": 3_650,
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
    // What was accepted stays; what is fired meanwhile is stored and does not run.
    server.pass_ms(90_000);
    let held = server.event(&accepted)["runs"][0].clone();
    assert_eq!((&held["reason"], &held["state"]), (&json!("disabled"), &json!("WAITING")), "{held:#}");
    assert!(held["message"].as_str().unwrap().contains("`a` is switched off"), "{held:#}");
    let found = server.admin.get("/run?reason=disabled&state=WAITING").expect(200).clone();
    assert_eq!((found.as_array().unwrap().len(), &found[0]["event_id"]), (1, &json!(accepted)));
    let scheduled = server.until_at("/event?state=SKIPPED", |events| events != &json!([]))[0].clone();
    assert_eq!((&scheduled["origin"], &scheduled["reason"]), (&json!("schedule"), &json!("disabled")));
    assert!(scheduled["message"].as_str().unwrap().contains("`a` is switched off"), "{scheduled:#}");
    // Others do not notice.
    let b = server.client_for("b", &["admin"]);
    install(&b, &module, "own", json!({}));
    b.post("/event", &json!({ "event_type": "own" })).expect(202);
    server.admin.put("/tenant/a", &json!({})).expect(200);
    server.until(&accepted, |event| event["state"] == "SUCCESS");
    a.post("/event", &json!({ "event_type": "after" })).expect(202);
}

#[test]
fn what_is_queued_of_a_tenant_that_is_switched_off_waits_over_a_restart_and_can_be_cancelled() {
    let (mut server, a) = server_with(json!({}));
    install(&a, &server.upload("noop"), "go", json!({}));
    let fire = |n: u32| {
        let fired = a.post("/event", &json!({ "event_type": "go", "payload": n, "delay": 60 }));
        fired.expect(202)["id"].as_str().unwrap().to_owned()
    };
    let (first, second) = (fire(1), fire(2));
    server.admin.put("/tenant/a", &json!({ "enabled": false })).expect(200);
    server.pass_ms(60_000);
    server.restart();
    for event in [&first, &second] {
        assert_eq!(server.event(event)["runs"][0]["reason"], "disabled");
    }
    assert_eq!((server.load().running, server.load().queued), (0, 2));
    let cancelled = server.admin.post(&format!("/event/{first}/cancel"), &json!({}));
    assert_eq!(cancelled.expect(200)["state"], "CANCELLED");
    server.admin.put("/tenant/a", &json!({})).expect(200);
    server.until(&second, |event| event["state"] == "SUCCESS");
}

#[test]
fn a_replay_by_filter_stops_at_a_quota_and_says_where_to_go_on() {
    let (server, a) = server_with(json!({ "events_per_minute": 5 }));
    install(&a, &server.upload("noop"), "go", json!({}));
    for n in 0..3 {
        let fired = a.request("POST", "/event").header("prefer", "wait=60");
        fired.json(&json!({ "event_type": "go", "payload": n })).send().expect(200);
    }
    server.clock.advance_ms(1);
    let replayed = a.post("/event/replay", &json!({ "filter": { "event_type": "go" } })).expect(200).clone();
    assert_eq!((&replayed["count"], &replayed["refused"]), (&json!(2), &json!([])), "{replayed:#}");
    let rest = json!({ "filter": { "event_type": "go" }, "cursor": replayed["next"] });
    is_over(&a.post("/event/replay", &rest), "events_per_minute", 5, Some("60"));
    server.clock.advance_ms(60_000);
    assert_eq!(a.post("/event/replay", &rest).expect(200)["count"], 1);
}

#[test]
fn a_source_of_a_tenant_that_is_switched_off_is_refused() {
    let (server, a) = server_with(json!({}));
    let kind = a.post("/source-type", &json!({ "name": "doors" })).expect(201)["id"].clone();
    let source = a.post("/source", &json!({ "name": "door", "source_type": kind }));
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
    is_over(&fire(&a, 3), "events_per_minute", 3, Some("60"));
    server.clock.advance_ms(59_500);
    is_over(&fire(&a, 3), "events_per_minute", 3, Some("1"));
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
    is_over(&later(&a, 2), "queued_events", 2, Some("1"));
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

/// What a tenant makes of everything that is counted, each thing by how its quota is called, how another one of its kind is made
/// and where the one that was made is deleted.
fn make(client: &Client, quota: &str, name: &str) -> Answer {
    let first_action = || client.get("/action?q=kept").expect(200)[0]["id"].as_str().unwrap().to_owned();
    match quota {
        "modules" | "module_bytes" => {
            // Of another memory each, so that they are different ones.
            let pages = u32::try_from(quota.len() + name.len()).unwrap();
            let wat = crate::support::wat_with(pages, "run");
            client.request("POST", &format!("/module?name={name}")).bytes(wat).send()
        }
        "actions" => {
            let module = client.get("/module?q=shared").expect(200)[0]["digest"].clone();
            client.post("/action", &json!({ "name": name, "module": module }))
        }
        "event_types" => client.post("/event-type", &json!({ "display_name": name })),
        "objects" => client.put(&format!("/object/place/{name}"), &json!({})),
        "attachments" => {
            let object = json!({ "object_type": "place", "object_id": name });
            client.post(&format!("/action/{}/object", first_action()), &object)
        }
        "tokens" => client.post("/token", &json!({ "name": name, "rights": { "read": true } })),
        "source_types" => client.post("/source-type", &json!({ "name": name })),
        "sources" => client.post("/source", &json!({ "name": name, "source_type": "kept" })),
        "sink_types" => client.post("/sink-type", &json!({ "name": name })),
        "schedules" => client.post("/schedule", &json!({ "name": name, "event_type": "kept", "cron": "0 0 * * *" })),
        "secrets" => client.put(&format!("/secret/{name}"), &json!({ "value": "a secret value" })),
        other => panic!("{other}: nobody knows how to make one"),
    }
}

fn unmake(client: &Client, quota: &str, name: &str, made: &Value) {
    let id = |of: &str| made[of].as_str().unwrap().to_owned();
    let path = match quota {
        "modules" | "module_bytes" => format!("/module/{}", id("digest")),
        "actions" => format!("/action/{}", id("id")),
        "event_types" => format!("/event-type/{}", id("id")),
        "objects" => format!("/object/place/{name}"),
        "attachments" => format!("/action/{}/object/{}", id("action_id"), id("id")),
        "secrets" => format!("/secret/{name}"),
        other => format!("/{}/{}", other.trim_end_matches('s').replace('_', "-"), id("id")),
    };
    client.delete(&path).expect(200);
}

/// Things that others need; they have `kept` for a name and stay.
fn keep(client: &Client) {
    for quota in ["actions", "event_types", "source_types"] {
        make(client, quota, "kept").expect(201);
    }
}

#[test]
fn each_thing_past_its_quota_is_refused_until_one_is_deleted() {
    let (mut server, mut a) = server_with(json!({}));
    server.admin.request("POST", "/module?name=shared").bytes(crate::support::component("noop")).send().expect(201);
    let b = server.client_for("b", &["admin"]);
    [&a, &b].into_iter().for_each(keep);
    let counted = a.get("/tenant/a").expect(200)["use"].as_object().unwrap().clone();
    // Others count what runs do: events and runs below, values in `http_kv_quota`.
    let of_runs = |name: &str| name.contains("events") || name.contains("concurrent") || name == "kv_bytes";
    let counted = counted.keys().filter(|name| !of_runs(name));
    let counted: Vec<String> = counted.cloned().collect();
    assert_eq!(counted.len(), 12, "{counted:?}");
    let read = |a: &Client, quota: &str| used(a, quota)["used"].as_u64().unwrap();
    for quota in &counted {
        server.admin.put("/tenant/a", &json!({})).expect(200);
        let before = read(&a, quota);
        let made = make(&a, quota, "first").expect(201).clone();
        let limit = read(&a, quota);
        // Past what there is now: bytes come by many.
        server.admin.put("/tenant/a", &json!({ "quotas": { quota: limit } })).expect(200);
        is_over(&make(&a, quota, "second"), quota, limit, None);
        assert_eq!(read(&a, quota), limit, "{quota}: nothing of it is kept");
        // Nobody else notices.
        make(&b, quota, "first").expect(201);
        make(&b, quota, "second").expect(201);
        unmake(&a, quota, "first", &made);
        assert_eq!(read(&a, quota), before, "{quota}");
        make(&a, quota, "second").expect(201);
        assert_eq!(read(&a, quota), limit, "{quota}: at its quota");
        is_over(&make(&a, quota, "third"), quota, limit, None);
        // Below what there is nothing goes away, and nothing comes.
        server.admin.put("/tenant/a", &json!({ "quotas": { quota: 0 } })).expect(200);
        let refused = make(&a, quota, "third");
        assert_eq!(
            refused.problem(429, "quota_exceeded")["quota"],
            json!({ "name": quota, "limit": 0, "used": limit })
        );
        assert_eq!(read(&a, quota), limit);
    }
    server.admin.put("/tenant/a", &json!({})).expect(200);
    let all = |a: &Client| counted.iter().map(|quota| read(a, quota)).collect::<Vec<_>>();
    let before = all(&a);
    server.restart();
    a = a.at(&server);
    assert_eq!(all(&a), before, "counted anew");
    // With an action go its attachments.
    let action = a.get("/action?q=kept").expect(200)[0]["id"].as_str().unwrap().to_owned();
    a.delete(&format!("/action/{action}")).expect(200);
    assert_eq!(read(&a, "attachments"), 0);
}

#[test]
fn what_is_there_is_changed_whatever_the_quota_says() {
    let (server, a) = server_with(json!({}));
    let noop = crate::support::component("noop");
    let upload = |name: &str| a.request("POST", &format!("/module?name={name}")).bytes(noop.clone()).send();
    let module = upload("first").expect(201)["digest"].clone();
    let body = |name: &str| json!({ "name": name, "module": module });
    let action = a.post("/action", &body("first")).expect(201)["id"].as_str().unwrap().to_owned();
    a.put("/secret/key", &json!({ "value": "a secret value" })).expect(201);
    let none = json!({ "quotas": { "modules": 0, "module_bytes": 0, "actions": 0, "secrets": 0 } });
    server.admin.put("/tenant/a", &none).expect(200);
    upload("second").expect(200);
    a.put(&format!("/action/{action}"), &body("renamed")).expect(200);
    a.put("/secret/key", &json!({ "value": "another value" })).expect(200);
    // Whoever makes it, the quota is its owner's.
    let for_it = json!({ "name": "more", "module": module, "owner_id": "a" });
    let refused = server.admin.post("/action", &for_it);
    assert_eq!(refused.problem(429, "quota_exceeded")["quota"]["name"], "actions");
    // A document may be past it only at one of its things: then nothing of it is applied.
    let document = json!({ "actions": [body("one"), body("two")] });
    server.admin.put("/tenant/a", &json!({ "quotas": { "actions": 2 } })).expect(200);
    let refused = a.post("/apply", &document);
    refused.problem(422, "invalid_document");
    refused.points_at(&["/actions/1"]);
    assert!(refused.text.contains("`actions`"), "{}", refused.text);
    assert_eq!(used(&a, "actions"), json!({ "used": 1, "limit": 2 }));
    server.admin.put("/tenant/a", &json!({ "quotas": { "actions": 3 } })).expect(200);
    a.post("/apply", &document).expect(200);
    assert_eq!(used(&a, "actions"), json!({ "used": 3, "limit": 3 }));
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
    let waiting = a.post("/event", &json!({ "event_type": "go", "delay": 60 })).expect(202)["id"].clone();
    let refused = server.admin.delete("/tenant/a");
    refused.problem(409, "in_use");
    assert!(refused.detail().contains("1 events that have not ended"), "{}", refused.detail());
    a.post(&format!("/event/{}/cancel", waiting.as_str().unwrap()), &json!({})).expect(200);
    let refused = server.admin.delete("/tenant/a");
    refused.problem(409, "in_use");
    for thing in
        ["the action `go`", "the event type `go`", "the token `a token`", "the object `place/1`", "the secret `key`"]
    {
        assert!(refused.detail().contains(thing), "{thing}: {}", refused.detail());
    }
    a.delete("/event-type/go").expect(200);
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
