//! What needs somebody's attention, over HTTP.

use crate::support::{Client, TestServer};
use serde_json::{Value, json};

/// What is the matter: matter, count, `name: detail` of each thing.
#[track_caller]
fn matters(client: &Client) -> Vec<(String, u64, Vec<String>)> {
    let answer = client.get("/attention");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let matter = |found: &Value| {
        let things = found["things"].as_array().unwrap().iter();
        let things = things.map(|thing| format!("{}: {}", text(&thing["name"]), text(&thing["detail"]))).collect();
        (text(&found["matter"]), found["count"].as_u64().unwrap(), things)
    };
    answer.expect(200).as_array().unwrap().iter().map(matter).collect()
}

fn matter(name: &str, things: &[&str]) -> (String, u64, Vec<String>) {
    (name.to_owned(), things.len() as u64, things.iter().map(|thing| (*thing).to_owned()).collect())
}

#[test]
fn what_is_in_order_needs_no_attention() {
    let server = TestServer::start();
    server.install("noop", "noop", json!({}));
    server.fire_and_wait("noop", json!({}));
    assert!(matters(&server.admin).is_empty());
}

#[test]
fn a_sink_that_is_offline_and_what_waits_for_one_come_first() {
    let server = TestServer::start();
    server.install("noop", "noop", json!({}));
    server.admin.put("/sink/local", &json!({ "name": "local", "enabled": false })).expect(200);
    server.fire("noop", json!({}));
    server.until_gauge("fusebox_runs_queued", 1);
    let found = matters(&server.admin);
    assert_eq!(found[0], matter("queue_without_sink", &["wasm: 1 run waits"]));
    assert_eq!((found[1].0.as_str(), found[1].1, found.len()), ("sink_offline", 1, 2));
    assert!(found[1].2[0].starts_with("local: last seen "), "{found:?}");
    // Of what waits a tenant is told its own.
    let tenant = server.client_for("a", &["read"]);
    assert_eq!(matters(&tenant).iter().map(|found| found.0.as_str()).collect::<Vec<_>>(), ["sink_offline"]);
    server.admin.put("/sink/local", &json!({ "name": "local", "enabled": true })).expect(200);
    server.until_gauge("fusebox_runs_queued", 0);
    assert!(matters(&server.admin).is_empty());
}

#[test]
fn paused_types_disabled_actions_that_are_bound_and_missing_secrets_are_named() {
    let server = TestServer::start();
    let digest = server.upload("noop");
    let off = server.install("noop", "noop", json!({}));
    let unbound = server.action("unbound", &digest, json!({ "enabled": false }));
    assert!(matters(&server.admin).is_empty(), "what is bound to nothing may be disabled");
    server
        .admin
        .post(&format!("/action/{unbound}/object"), &json!({ "object_type": "room", "object_id": "1" }))
        .expect(201);
    server
        .admin
        .put(&format!("/action/{off}"), &json!({ "name": "noop", "module": digest, "enabled": false }))
        .expect(200);
    let secret = |key: &str| json!([{ "name": "key", "type": "SECRET", "value": key }]);
    server.action("pays", &digest, json!({ "parameters": secret("bank") }));
    let optional = json!([{ "name": "key", "type": "SECRET", "value": "other", "required": false }]);
    server.action("may pay", &digest, json!({ "parameters": optional }));
    server.admin.post("/event-type", &json!({ "display_name": "billed", "parameters": secret("stamp") })).expect(201);
    server.admin.post("/event-type", &json!({ "display_name": "held" })).expect(201);
    server.admin.post("/event-type/held/pause", &json!({})).expect(200);
    let linked = server.action("linked", &digest, json!({}));
    server.event_type("held2", &linked, json!({}));
    server.admin.post("/event-type/held2/pause", &json!({})).expect(200);
    for n in 0..2 {
        server.fire("held2", json!({ "n": n }));
    }
    server.until_gauge("fusebox_events_held", 2);
    let mut found = matters(&server.admin);
    found.iter_mut().for_each(|(_, _, things)| things.sort());
    let unset = |key: &str| format!("the parameter `key` takes the secret `{key}`, which is not set");
    assert_eq!(
        found,
        [
            matter("paused_event_type", &["held2: 2 events are held", "held: 0 events are held"]),
            matter("action_without_secret", &[&format!("pays: {}", unset("bank"))]),
            matter("event_type_without_secret", &[&format!("billed: {}", unset("stamp"))]),
            matter("disabled_action_bound", &["noop: an event type names it", "unbound: it is attached once"]),
        ]
    );
    // What is the platform's is not a tenant's to put in order, but it is told what does not run.
    let tenant = server.client_for("a", &["read"]);
    let seen: Vec<String> = matters(&tenant).into_iter().map(|(matter, ..)| matter).collect();
    assert_eq!(seen, ["paused_event_type", "disabled_action_bound"]);
    server.admin.put("/secret/bank", &json!({ "value": "hunter2" })).expect(201);
    server.admin.put("/secret/stamp", &json!({ "value": "hunter2" })).expect(201);
    let left: Vec<String> = matters(&server.admin).into_iter().map(|(matter, ..)| matter).collect();
    assert_eq!(left, ["paused_event_type", "disabled_action_bound"]);
}

#[test]
fn of_each_kind_ten_are_named_and_all_are_counted() {
    let server = TestServer::start();
    for n in 0..12 {
        server.admin.post("/event-type", &json!({ "display_name": format!("t{n}") })).expect(201);
        server.admin.post(&format!("/event-type/t{n}/pause"), &json!({})).expect(200);
    }
    let found = matters(&server.admin);
    assert_eq!((found[0].1, found[0].2.len(), found.len()), (12, 10, 1));
}

#[test]
fn a_schedule_of_what_is_disabled_is_named_to_its_tenant_only() {
    let server = TestServer::start();
    let (a, b) = (server.client_for("a", &["admin"]), server.client_for("b", &["admin"]));
    a.post("/event-type", &json!({ "display_name": "nightly", "enabled": false })).expect(201);
    let schedule = json!({ "name": "every_night", "event_type": "nightly", "cron": "0 3 * * *" });
    a.post("/schedule", &schedule).expect(201);
    let expected = [matter("schedule_of_disabled", &["every_night: nightly is disabled"])];
    assert_eq!((matters(&a), matters(&b)), (expected.to_vec(), Vec::new()));
    assert_eq!(matters(&server.admin), expected);
    let filtered = server.admin.get("/attention?owner_id=b");
    assert_eq!(filtered.body["count"], 0);
}

#[test]
fn a_schedule_that_should_have_fired_is_named() {
    let server = TestServer::with_manual_clock_and(|config| config.queue_per_tenant = 1);
    server.pass_to("2026-01-10T12:00:00Z");
    server.install("noop", "noop", json!({}));
    server.admin.post("/event-type/noop/pause", &json!({})).expect(200);
    // Nothing more is taken in, so what is due stays due.
    server.fire("noop", json!({}));
    server.until_gauge("fusebox_events_held", 1);
    let schedule = json!({ "name": "soon", "event_type": "noop", "at": "2026-01-10T12:00:30Z" });
    server.admin.post("/schedule", &schedule).expect(201);
    let names = || matters(&server.admin).into_iter().map(|(matter, ..)| matter).collect::<Vec<_>>();
    server.pass_ms(90_000);
    assert_eq!(names(), ["paused_event_type"], "a minute late is not late");
    server.pass_ms(1);
    let found = matters(&server.admin);
    assert_eq!(found[1], matter("schedule_late", &["soon: due since 2026-01-10T12:00:30.000Z"]));
}
