//! Schedules: event types that fire by time, over HTTP and with a clock that stands still.

use crate::store::commit;
use crate::support::{Answer, ECHO, TestServer};
use fusebox::dispatch::Keep;
use fusebox::domain::{Attachment, AttachmentId, ObjectRecord, ObjectRef, TenantId, Timestamp};
use fusebox::store::{Change, Transition};
use serde_json::{Value, json};
use std::sync::Arc;

const NOBODY: &str = "00000000-0000-7000-8000-000000000000";

/// A server at 2026-01-01T00:00:00Z with the event type `due`, whose action hands its payload back.
struct World {
    server: TestServer,
}

impl World {
    fn new() -> World {
        World::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut fusebox::server::Config)) -> World {
        let server = TestServer::with_manual_clock_and(|config| {
            // Years go by here, and nothing should be forgotten meanwhile.
            config.keep = Keep::days(3_650, 3_650);
            change(config);
        });
        server.pass_to("2026-01-01T00:00:00Z");
        let echo = server.upload_bytes(ECHO);
        let action = server.action("due", &echo, json!({}));
        server.event_type("due", &action, json!({}));
        World { server }
    }

    fn post(&self, more: Value) -> Answer {
        self.server.admin.post("/schedule", &body("daily", more))
    }

    /// A schedule with `more` fields; its path.
    #[track_caller]
    fn schedule(&self, more: Value) -> String {
        format!("/schedule/{}", self.post(more).expect(201)["id"].as_str().unwrap())
    }

    #[track_caller]
    fn get(&self, path: &str) -> Value {
        self.server.admin.get(path).expect(200).clone()
    }

    /// Lets time pass to `to`, and waits until the schedule waits for `next`.
    #[track_caller]
    fn pass_to(&self, schedule: &str, to: &str, next: impl Into<Value>) {
        self.server.pass_to(to);
        let next: Value = next.into();
        self.server.until_at(schedule, |schedule| schedule["next_at"] == next);
    }

    /// What fired so far, oldest first; whatever was decided before is in it.
    fn events(&self) -> Vec<Value> {
        commit(self.server.store(), Transition::default()).unwrap();
        self.server.admin.pages("/event?sort=created_at&limit=200")
    }

    /// For which times, and when.
    fn fired(&self) -> Vec<(String, String)> {
        let text = |event: &Value, name: &str| event[name].as_str().unwrap().to_owned();
        self.events().iter().map(|event| (text(event, "scheduled_at"), text(event, "created_at"))).collect()
    }
}

fn body(name: &str, more: Value) -> Value {
    let mut body = json!({ "name": name, "event_type": "due" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

fn ms(time: &str) -> String {
    time.replace('Z', ".000Z")
}

#[test]
fn a_schedule_is_made_read_changed_and_deleted() {
    let World { server } = &World::new();
    let object = json!({ "object_type": "place", "object_id": "1" });
    let full = json!({ "description": "Every morning", "object": object, "payload": { "a": 1 },
        "cron": "30 6 * * MON-FRI", "timezone": "Europe/Berlin" });
    let made = server.admin.post("/schedule", &body("Morning", full));
    let schedule = made.expect(201).clone();
    assert_eq!(made.header("etag"), "\"1\"");
    for (name, value) in [
        ("name", json!("Morning")),
        ("description", json!("Every morning")),
        ("event_type", json!("due")),
        ("object", object),
        ("payload", json!({ "a": 1 })),
        ("enabled", json!(true)),
        ("cron", json!("30 6 * * MON-FRI")),
        ("timezone", json!("Europe/Berlin")),
        ("at", Value::Null),
        ("next_at", json!("2026-01-01T05:30:00.000Z")),
        ("last_at", Value::Null),
        ("last_event_id", Value::Null),
        ("owner_id", json!("")),
        ("created_by", json!("admin")),
        ("updated_by", json!("admin")),
        ("version", json!(1)),
    ] {
        assert_eq!(schedule[name], value, "{name}");
    }
    let path = format!("/schedule/{}", schedule["id"].as_str().unwrap());
    assert_eq!(server.admin.get(&path).expect(200), &schedule);
    assert_eq!(server.admin.get("/schedule/morning").expect(200), &schedule);
    assert_eq!(server.admin.get("/schedule?q=MORN").expect(200), &json!([schedule]));
    let coming = server.admin.get(&format!("{path}?next=3"));
    let days = ["2026-01-01T05:30:00.000Z", "2026-01-02T05:30:00.000Z", "2026-01-05T05:30:00.000Z"];
    assert_eq!(coming.expect(200)["firings"], json!(days));

    let once = json!({ "at": "2026-01-01T12:00:00+02:00", "enabled": false });
    let changed = server.admin.put(&path, &body("Noon", once.clone()));
    let changed = changed.expect(200);
    assert_eq!((&changed["name"], &changed["version"]), (&json!("Noon"), &json!(2)));
    assert_eq!((&changed["at"], &changed["cron"]), (&json!("2026-01-01T10:00:00.000Z"), &Value::Null));
    assert_eq!((&changed["next_at"], &changed["timezone"]), (&Value::Null, &Value::Null), "it is disabled");
    let late = server.admin.request("PUT", &path).header("if-match", "\"1\"").json(&body("Noon", once));
    late.send().problem(412, "precondition_failed");
    server.admin.request("DELETE", &path).header("if-match", "\"1\"").send().problem(412, "precondition_failed");
    server.admin.delete(&path).expect(200);
    server.admin.get(&path).problem(404, "not_found");
    server.admin.delete(&path).problem(404, "not_found");
}

#[test]
fn what_is_wrong_with_a_schedule_is_pointed_at() {
    let world = World::new();
    let schema = json!({ "type": "object", "properties": { "n": { "type": "integer" } } });
    let strict = json!({ "display_name": "strict", "payload_schema": schema });
    world.server.admin.post("/event-type", &strict).expect(201);
    let (cron, long) = ("0 0 * * *", format!("0 {} * * *", vec!["1"; 100].join(",")));
    for (more, pointers) in [
        (json!({}), &["/cron"][..]),
        (json!({ "cron": cron, "at": "2027-01-01T00:00:00Z" }), &["/at"]),
        (json!({ "at": "2027-01-01T00:00:00Z", "timezone": "UTC" }), &["/timezone"]),
        (json!({ "at": "tomorrow" }), &["/at"]),
        (json!({ "at": "2026-01-01T00:00:00Z" }), &["/at"]),
        (json!({ "cron": "0 0 * *" }), &["/cron"]),
        (json!({ "cron": "0 0 0 * * * 2027" }), &["/cron"]),
        (json!({ "cron": "60 0 * * *" }), &["/cron"]),
        (json!({ "cron": "0 0 30 2 *" }), &["/cron"]),
        (json!({ "cron": long }), &["/cron"]),
        (json!({ "cron": cron, "timezone": "Europe/Atlantis" }), &["/timezone"]),
        (json!({ "cron": cron, "event_type": "nobody" }), &["/event_type"]),
        (json!({ "cron": cron, "event_type": "strict", "payload": { "n": "x" } }), &["/payload/n"]),
        (json!({ "cron": cron, "name": "no name" }), &["/name"]),
        (json!({ "cron": cron, "description": "d".repeat(10_001) }), &["/description"]),
        (json!({ "cron": "never", "event_type": "nobody" }), &["/event_type", "/cron"]),
        (json!({ "cron": cron, "object": { "object_type": "", "object_id": "1" } }), &["/object"]),
        (json!({ "cron": cron, "crom": 1 }), &["/crom"]),
    ] {
        let refused = world.post(more);
        refused.problem(422, "invalid_body");
        refused.points_at(pointers);
    }
    let path = world.schedule(json!({ "cron": cron }));
    world.post(json!({ "cron": cron, "name": "DAILY" })).problem(409, "name_taken");
    let moved = world.server.admin.put(&path, &body("daily", json!({ "cron": cron, "owner_id": "a" })));
    moved.problem(422, "invalid_body");
    moved.points_at(&["/owner_id"]);
    for next in ["101", "-1", "x"] {
        world.server.admin.get(&format!("{path}?next={next}")).problem(400, "bad_request");
    }
    assert_eq!(world.get(&format!("{path}?next=100"))["firings"].as_array().unwrap().len(), 100);
    assert_eq!(world.get(&format!("{path}?next=0"))["firings"], json!([]));
    // A disabled one may come before its event type.
    world.schedule(json!({ "cron": cron, "name": "later", "event_type": "nobody", "enabled": false }));
}

#[test]
fn it_fires_at_its_time_and_says_so() {
    let world = World::new();
    let object = json!({ "object_type": "place", "object_id": "1" });
    let more = json!({ "cron": "0 6 * * *", "payload": { "b": 1, "a": 2 }, "object": object });
    let path = world.schedule(more);
    world.server.pass_to("2026-01-01T05:59:59.999Z");
    assert_eq!(world.events(), [Value::Null; 0]);
    world.pass_to(&path, "2026-01-01T06:00:00Z", "2026-01-02T06:00:00.000Z");
    let schedule = world.get(&path);
    let event = world.server.until(schedule["last_event_id"].as_str().unwrap(), |event| event["state"] == "SUCCESS");
    for (name, value) in [
        ("event_type", json!("due")),
        ("origin", json!("schedule")),
        ("created_by", json!("daily")),
        ("schedule_id", schedule["id"].clone()),
        ("scheduled_at", json!("2026-01-01T06:00:00.000Z")),
        ("created_at", schedule["last_at"].clone()),
        ("object", object),
        ("payload", json!({ "b": 1, "a": 2 })),
    ] {
        assert_eq!(event[name], value, "{name}");
    }
    assert_eq!(event["runs"][0]["output"], json!({ "b": 1, "a": 2 }));
    assert_eq!((&schedule["version"], &schedule["updated_at"]), (&json!(1), &schedule["created_at"]));
    world.pass_to(&path, "2026-01-02T06:00:00Z", "2026-01-03T06:00:00.000Z");
    assert_eq!(world.events().len(), 2);
    world.server.admin.delete(&path).expect(200);
    world.server.pass_to("2026-01-09T06:00:00Z");
    assert_eq!(world.events().len(), 2);
    assert_eq!(world.server.store().check().unwrap(), [""; 0]);
}

#[test]
fn what_was_missed_while_the_server_was_down_is_fired_once_and_late() {
    let mut world = World::new();
    let path = world.schedule(json!({ "cron": "0 * * * *" }));
    let once = world.schedule(json!({ "name": "once", "at": "2026-01-01T02:30:00Z" }));
    world.pass_to(&path, "2026-01-01T01:00:00Z", "2026-01-01T02:00:00.000Z");
    world.server.stop();
    world.server.clock.advance_ms(world.server.clock.ms_until("2026-01-01T07:20:00Z"));
    world.server.restart();
    world.server.until_at(&path, |schedule| schedule["next_at"] == "2026-01-01T08:00:00.000Z");
    world.server.until_at(&once, |schedule| !schedule["last_at"].is_null());
    let late = "2026-01-01T07:20:00.000Z".to_owned();
    let on_time = "2026-01-01T01:00:00.000Z".to_owned();
    let mut fired = world.fired();
    fired.sort();
    assert_eq!(
        fired,
        [
            (on_time.clone(), on_time),
            ("2026-01-01T02:00:00.000Z".to_owned(), late.clone()),
            ("2026-01-01T02:30:00.000Z".to_owned(), late),
        ]
    );
    world.server.restart();
    world.server.pass_to("2026-01-01T07:59:59Z");
    assert_eq!(world.fired().len(), 3);
}

#[test]
fn once_is_once_whatever_else_is_changed() {
    let world = World::new();
    let once = json!({ "at": "2026-01-01T02:30:00Z" });
    let path = world.schedule(once.clone());
    assert_eq!(world.get(&format!("{path}?next=5"))["firings"], json!(["2026-01-01T02:30:00.000Z"]));
    world.pass_to(&path, "2026-01-01T02:30:00Z", Value::Null);
    assert_eq!(world.get(&format!("{path}?next=5"))["firings"], json!([]));
    let put = |more: Value| world.server.admin.put(&path, &body("daily", more));
    let again = put(once);
    assert_eq!((&again.expect(200)["next_at"], &again.body["data"]["enabled"]), (&Value::Null, &json!(true)));
    world.server.pass_to("2026-01-01T03:00:00Z");
    assert_eq!(world.events().len(), 1);
    // Another time is another firing; one that has passed is none.
    put(json!({ "at": "2026-01-01T02:59:00Z" })).points_at(&["/at"]);
    put(json!({ "at": "2026-01-01T04:00:00Z" })).expect(200);
    world.pass_to(&path, "2026-01-01T04:00:00Z", Value::Null);
    assert_eq!(world.events().len(), 2);
}

#[test]
fn a_change_of_the_timing_begins_anew_and_any_other_does_not() {
    let mut world = World::new();
    let path = world.schedule(json!({ "cron": "0 * * * *" }));
    let change = |world: &World, more: Value| {
        let changed = world.server.admin.put(&path, &body("daily", more));
        changed.expect(200)["next_at"].clone()
    };
    world.server.stop();
    world.server.clock.advance_ms(world.server.clock.ms_until("2026-01-01T01:30:00Z"));
    world.server.restart();
    // Fired late, or still due: a description does not swallow it.
    change(&world, json!({ "cron": "0 * * * *", "description": "x" }));
    world.server.until_at(&path, |schedule| schedule["next_at"] == "2026-01-01T02:00:00.000Z");
    assert_eq!(world.fired(), [(ms("2026-01-01T01:00:00Z"), ms("2026-01-01T01:30:00Z"))]);
    assert_eq!(change(&world, json!({ "cron": "15 * * * *" })), "2026-01-01T02:15:00.000Z");
    assert_eq!(change(&world, json!({ "cron": "15 * * * *", "enabled": false })), Value::Null);
    world.server.pass_to("2026-01-01T05:00:00Z");
    // What went by while it was disabled is not made up for.
    assert_eq!(change(&world, json!({ "cron": "15 * * * *" })), "2026-01-01T05:15:00.000Z");
    assert_eq!(
        change(&world, json!({ "cron": "15 * * * *", "timezone": "Asia/Kathmandu" })),
        "2026-01-01T05:30:00.000Z"
    );
    assert_eq!(world.events().len(), 1);
}

/// Lets a year of a daily schedule pass around its changes of the clock.
#[track_caller]
fn around_the_clock_changes(timezone: &str, cron: &str, days: &[&[&str]]) {
    let world = World::new();
    let path = world.schedule(json!({ "cron": cron, "timezone": timezone }));
    let mut expected = Vec::new();
    for firings in days {
        // The days between are nothing new.
        let disabled = json!({ "cron": cron, "timezone": timezone, "enabled": false });
        world.server.admin.put(&path, &body("daily", disabled)).expect(200);
        world.server.pass_to(firings[0]);
        world.server.admin.put(&path, &body("daily", json!({ "cron": cron, "timezone": timezone }))).expect(200);
        for pair in firings[1..].windows(2) {
            world.pass_to(&path, pair[0], ms(pair[1]));
            expected.push((ms(pair[0]), ms(pair[0])));
        }
    }
    assert_eq!(world.fired(), expected);
}

#[test]
fn in_berlin_a_skipped_time_fires_after_the_gap_and_a_double_one_once() {
    around_the_clock_changes(
        "Europe/Berlin",
        "30 2 * * *",
        &[
            &["2026-03-27T12:00:00Z", "2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"],
            &["2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"],
        ],
    );
}

#[test]
fn in_new_york_a_skipped_time_fires_after_the_gap_and_a_double_one_once() {
    around_the_clock_changes(
        "America/New_York",
        "30 2 * * *",
        &[&["2026-03-07T12:00:00Z", "2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"]],
    );
    around_the_clock_changes(
        "America/New_York",
        "30 1 * * *",
        &[&["2026-10-31T12:00:00Z", "2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"]],
    );
}

#[test]
fn on_a_leap_day_every_four_years() {
    around_the_clock_changes(
        "UTC",
        "0 12 29 2 *",
        &[&["2027-01-01T00:00:00Z", "2028-02-29T12:00:00Z", "2032-02-29T12:00:00Z", "2036-02-29T12:00:00Z"]],
    );
}

#[test]
fn what_cannot_be_planned_is_stored_with_the_reason() {
    let world = World::new();
    let object = json!({ "object_type": "place", "object_id": "0" });
    let path = world.schedule(json!({ "cron": "0 * * * *", "payload": { "n": "x" }, "object": object }));
    let action = world.get("/action")[0]["id"].clone();
    let change = |more: Value| {
        let mut event_type = json!({ "display_name": "due", "action": action });
        event_type.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        world.server.admin.put("/event-type/due", &event_type).expect(200);
    };
    let newest = || world.server.event(world.get(&path)["last_event_id"].as_str().unwrap());

    change(json!({ "enabled": false }));
    world.pass_to(&path, "2026-01-01T01:00:00Z", "2026-01-01T02:00:00.000Z");
    let event = newest();
    assert_eq!((&event["state"], &event["reason"]), (&json!("SKIPPED"), &json!("disabled")));
    assert_eq!((&event["runs"], &event["ended_at"]), (&json!([]), &event["created_at"]));

    change(json!({ "payload_schema": { "properties": { "n": { "type": "integer" } } } }));
    world.pass_to(&path, "2026-01-01T02:00:00Z", "2026-01-01T03:00:00.000Z");
    let event = newest();
    assert_eq!((&event["state"], &event["reason"]), (&json!("ERROR"), &json!("input_invalid")));
    assert!(event["message"].as_str().unwrap().contains("/n: "), "{event:#}");

    change(json!({}));
    let action =
        world.server.action("bound", world.get("/module")[0]["digest"].as_str().unwrap(), json!({ "trigger": "due" }));
    let action = action.parse().unwrap();
    commit(world.server.store(), Transition::of((0..1_000_u16).flat_map(|n| attached(action, n)))).unwrap();
    world.pass_to(&path, "2026-01-01T03:00:00Z", "2026-01-01T04:00:00.000Z");
    let event = newest();
    assert_eq!((&event["state"], &event["reason"]), (&json!("ERROR"), &json!("fanout_limit")));
    assert_eq!(world.server.store().check().unwrap(), [""; 0]);
}

/// The action, attached to an object below `place/0`, or to that one itself.
fn attached(action_id: fusebox::domain::ActionId, number: u16) -> [Change; 2] {
    let place = |number: u16| ObjectRef::new("place".to_owned(), number.to_string()).unwrap();
    let now = Timestamp::from_ms(0);
    let parents = if number == 0 { vec![] } else { vec![place(0)] };
    let record = ObjectRecord {
        object: place(number),
        owner_id: TenantId::shared(),
        name: String::new(),
        parents,
        version: 1,
        created_by: "test".to_owned(),
        created_at: now,
        updated_at: now,
    };
    let mut id = [9; 16];
    id[..2].copy_from_slice(&number.to_be_bytes());
    let attachment = Attachment {
        id: AttachmentId::from_bytes(id),
        action_id,
        object: place(number),
        owner_id: TenantId::shared(),
        input: fusebox::domain::Json::empty_object(),
        reason: String::new(),
        priority: 0,
        inherits: true,
        pin: None,
        version: 1,
        created_by: "test".to_owned(),
        created_at: now,
        updated_at: now,
    };
    [Change::PutObject(Arc::new(record)), Change::PutAttachment(Arc::new(attachment))]
}

#[test]
fn an_event_type_that_a_schedule_fires_keeps_its_name_and_stays() {
    let world = World::new();
    let path = world.schedule(json!({ "cron": "0 * * * *" }));
    let deleted = world.server.admin.delete("/event-type/due");
    deleted.problem(409, "in_use");
    assert!(deleted.detail().contains("the schedule `daily`"), "{}", deleted.detail());
    world.server.admin.put("/event-type/due", &json!({ "display_name": "other" })).problem(409, "in_use");
    world.server.admin.delete("/event-type/due?force=true").expect(200);
    let schedule = world.get(&path);
    assert_eq!((&schedule["enabled"], &schedule["next_at"]), (&json!(false), &Value::Null));
    assert_eq!((&schedule["event_type"], &schedule["version"]), (&json!("due"), &json!(2)));
    world.server.admin.put(&path, &body("daily", json!({ "cron": "0 * * * *" }))).points_at(&["/event_type"]);
    world.server.pass_to("2026-01-01T05:00:00Z");
    assert_eq!(world.events(), [Value::Null; 0]);
}

#[test]
fn a_tenants_schedules_are_its_own() {
    let mut world = World::new();
    let (a, b) = (world.server.client_for("a", &["admin"]), world.server.client_for("b", &["admin"]));
    let platform = world.schedule(json!({ "cron": "0 * * * *" }));
    let made = a.post("/schedule", &body("Daily", json!({ "cron": "0 * * * *" })));
    let path = format!("/schedule/{}", made.expect(201)["id"].as_str().unwrap());
    for (client, path) in [(&b, path.as_str()), (&b, "/schedule/daily"), (&a, platform.as_str())] {
        client.get(path).problem(404, "not_found");
        client.delete(path).problem(404, "not_found");
        client.put(path, &body("x", json!({ "cron": "0 * * * *" }))).problem(404, "not_found");
    }
    assert_eq!(
        (a.get("/schedule").body["count"].clone(), b.get("/schedule").body["count"].clone()),
        (json!(1), json!(0))
    );
    assert_eq!(a.get("/schedule/daily").expect(200)["id"], made.body["data"]["id"], "its own, not the platform's");
    assert_eq!(world.server.admin.get("/schedule").body["count"], 2);
    b.post("/schedule", &body("x", json!({ "cron": "0 * * * *", "owner_id": "a" }))).problem(403, "forbidden");
    // An event type of another tenant is not there; the event is the schedule's owner's.
    b.post("/event-type", &json!({ "display_name": "of_b" })).expect(201);
    let others = a.post("/schedule", &body("x", json!({ "cron": "0 * * * *", "event_type": "of_b" })));
    others.points_at(&["/event_type"]);
    world.server.admin.delete(&platform).expect(200);
    world.pass_to(&path, "2026-01-01T01:00:00Z", "2026-01-01T02:00:00.000Z");
    assert_eq!((a.get("/event").body["count"].clone(), b.get("/event").body["count"].clone()), (json!(1), json!(0)));
    assert_eq!(a.get("/event").expect(200)[0]["owner_id"], "a");
    a.get(&format!("/schedule/{NOBODY}")).problem(404, "not_found");
    world.server.restart();
    assert_eq!(world.get(&path)["next_at"], "2026-01-01T02:00:00.000Z");
}

#[test]
fn more_than_fire_at_once_all_fire_once() {
    let world = World::new();
    let schedules = 600;
    for number in 0..schedules {
        let more = json!({ "name": format!("s{number}"), "cron": "0 * * * *", "payload": number });
        world.schedule(more);
    }
    let waiting = world.server.dump();
    world.server.pass_to("2026-01-01T00:59:59.999Z");
    commit(world.server.store(), Transition::default()).unwrap();
    assert_eq!(world.server.dump(), waiting, "what waits writes nothing");
    world.server.pass_to("2026-01-01T01:00:00Z");
    let last = format!("/event?limit=1&q={}", schedules - 1);
    world.server.until_at(&last, |events| events[0]["payload"] == schedules - 1);
    let events = world.events();
    let mut payloads: Vec<u64> = events.iter().map(|event| event["payload"].as_u64().unwrap()).collect();
    payloads.sort_unstable();
    assert_eq!(payloads, (0..schedules).collect::<Vec<_>>());
    assert!(events.iter().all(|event| event["scheduled_at"] == "2026-01-01T01:00:00.000Z"));
}

#[test]
fn with_a_full_queue_it_fires_late() {
    let world = World::with(|config| {
        (config.concurrency, config.concurrency_per_tenant, config.queue_per_tenant) = (1, 1, 1);
    });
    let gallery = world.server.upload("failure_gallery");
    let short = json!({ "retry": { "attempts": 1 }, "limits": { "timeout_ms": 5_000 } });
    let hanging = world.server.action("hang", &gallery, short);
    world.server.event_type("hang", &hanging, json!({}));
    let path = world.schedule(json!({ "cron": "0 * * * *" }));
    let running = world.server.fire("hang", json!({ "way": "wait" }));
    world.server.until_run_is(&running, "RUNNING");
    let queued = world.server.fire("hang", json!({ "way": "trap" }));
    world.server.pass_to("2026-01-01T01:00:00Z");
    assert_eq!(world.events().len(), 2, "there is no room");
    assert_eq!(world.get(&path)["next_at"], "2026-01-01T01:00:00.000Z", "it is still due");
    // The guest's time is the machine's: it ends by itself, and the next look finds room.
    world.server.until(&queued, |event| event["state"] == "ERROR");
    world.server.until_at(&path, |schedule| schedule["next_at"] == "2026-01-01T02:00:00.000Z");
    assert_eq!(world.events().len(), 3);
}

/// A firing that was refused at the commit, because somebody changed its schedule, held its key until then: who fired the
/// same in that instant was told to be a duplicate of a run that was never kept.
#[test]
fn what_is_a_duplicate_of_a_firing_has_its_run_even_while_the_schedule_is_changed() {
    let server = TestServer::with_manual_clock();
    server.install("t", "noop", json!({}));
    let mut fired = 0;
    for round in 0..30 {
        let body = |note: &str| {
            let schedule = json!({ "event_type": "t", "cron": "* * * * *", "payload": round, "description": note });
            let mut schedule = schedule.as_object().unwrap().clone();
            schedule.insert("name".to_owned(), json!(format!("s{round}")));
            Value::Object(schedule)
        };
        server.admin.post("/schedule", &body("")).expect(201);
        let (path, barrier) = (format!("/schedule/s{round}"), std::sync::Barrier::new(3));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                barrier.wait();
                server.admin.put(&path, &body("changed")).expect(200).clone()
            });
            scope.spawn(|| {
                barrier.wait();
                for _ in 0..6 {
                    server.fire("t", json!(round));
                }
            });
            barrier.wait();
            server.pass_ms(60_000);
        });
        fired += 6;
        server.admin.delete(&path).expect(200);
    }
    server.until_idle();
    for event in server.admin.pages("/event?sort=created_at") {
        let event = server.until(event["id"].as_str().unwrap(), crate::support::is_ended);
        for run in event["runs"].as_array().unwrap() {
            match run["duplicate_of"].as_str() {
                Some(of) => {
                    let of = server.admin.get(&format!("/run/{of}"));
                    assert_eq!(of.expect(200)["state"], "SUCCESS", "what it stands for ran");
                }
                None => assert_eq!(run["state"], "SUCCESS"),
            }
        }
    }
    let kept = server.admin.pages("/event").len();
    assert!(kept >= fired, "{kept} of at least {fired}");
}
