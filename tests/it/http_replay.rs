//! Running again what has ended, over HTTP and by the command line.

use crate::support::{Answer, ECHO, TestServer, fusebox, is_ended, show_params};
use serde_json::{Value, json};

/// A server with the event type `t`, whose action hands its payload back.
struct World {
    server: TestServer,
    action: String,
    event_type: String,
}

impl World {
    fn new() -> World {
        World::on(TestServer::start())
    }

    fn on(server: TestServer) -> World {
        let echo = server.upload_bytes(ECHO);
        let action = server.action("t", &echo, json!({}));
        let event_type = server.event_type("t", &action, json!({}));
        World { server, action, event_type }
    }

    fn replay(&self, path: &str, body: Value) -> Answer {
        self.server.admin.post(&format!("{path}/replay"), &body)
    }

    /// Replays, and gives the new event as soon as it has ended.
    #[track_caller]
    fn replayed(&self, path: &str, body: Value) -> Value {
        let answer = self.replay(path, body);
        self.server.until(answer.expect(202)["id"].as_str().unwrap(), is_ended)
    }

    fn many(&self, filter: Value, more: Value) -> Answer {
        let mut body = json!({ "filter": filter });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.server.admin.post("/event/replay", &body)
    }

    fn preview(&self, filter: Value) -> Value {
        self.many(filter, json!({ "preview": true })).expect(200).clone()
    }
}

fn id(thing: &Value) -> &str {
    thing["id"].as_str().unwrap()
}

#[test]
fn an_ended_event_runs_again_as_a_new_one_that_points_at_it() {
    let world = World::new();
    let object = json!({ "object_type": "place", "object_id": "1" });
    let fire = json!({ "event_type": "t", "payload": { "n": 1 }, "object": object, "flow": "up" });
    let old = world.server.admin.request("POST", "/event").header("prefer", "wait=60").json(&fire).send();
    let old = old.expect(200).clone();
    let path = format!("/event/{}", id(&old));
    for _ in 0..2 {
        let new = world.replayed(&path, json!({}));
        assert_ne!(new["id"], old["id"]);
        for (name, value) in [
            ("origin", json!("replay")),
            ("replay_of", old["id"].clone()),
            ("replay_of_run", Value::Null),
            ("payload", json!({ "n": 1 })),
            ("object", object.clone()),
            ("flow", json!("up")),
            ("state", json!("SUCCESS")),
            ("root_id", new["id"].clone()),
            ("parent_id", Value::Null),
            ("created_by", json!("admin")),
        ] {
            assert_eq!(new[name], value, "{name}");
        }
        assert_eq!(new["runs"][0]["output"], json!({ "n": 1 }));
    }
    let edited = world.replayed(&path, json!({ "payload": [2] }));
    assert_eq!((&edited["payload"], &edited["runs"][0]["output"]), (&json!([2]), &json!([2])));
    // A replay is an event like another.
    let again = world.replayed(&format!("/event/{}", id(&edited)), json!({ "payload": null }));
    assert_eq!((&again["replay_of"], &again["payload"]), (&edited["id"], &json!([2])), "null is none");
    let bare = world.server.admin.request("POST", &format!("{path}/replay")).send();
    assert_eq!(bare.expect(202)["payload"], json!({ "n": 1 }));
    assert_eq!(world.server.event(id(&old))["replay_of"], Value::Null, "the old one is as it was");
    world.replay(&path, json!({ "pay": 1 })).points_at(&["/pay"]);
    world.replay("/event/00000000-0000-7000-8000-000000000000", json!({})).problem(404, "not_found");
}

#[test]
fn a_replay_is_planned_by_todays_catalogue() {
    let world = World::new();
    let old = world.server.fire_and_wait("t", json!({ "n": 1 }));
    let path = format!("/event/{}", id(&old));
    let show = world.server.upload_bytes(show_params());
    let parameters = json!([{ "name": "p", "type": "STATIC", "value": "new" }]);
    let action = json!({ "name": "t", "module": show, "parameters": parameters });
    world.server.admin.put(&format!("/action/{}", world.action), &action).expect(200);
    let new = world.replayed(&path, json!({}));
    assert_eq!((&new["runs"][0]["version"], &new["runs"][0]["output"]), (&json!(2), &json!({ "p": "new" })));

    let event_type = |more: Value| {
        let mut body = json!({ "display_name": "renamed", "action": world.action });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        world.server.admin.put(&format!("/event-type/{}", world.event_type), &body).expect(200);
    };
    event_type(json!({}));
    assert_eq!(world.replayed(&path, json!({}))["event_type"], "renamed");
    event_type(json!({ "enabled": false }));
    world.replay(&path, json!({})).problem(409, "event_type_disabled");
    event_type(json!({ "payload_schema": { "type": "object", "required": ["m"] } }));
    world.replay(&path, json!({})).problem(422, "payload_invalid");
    assert_eq!(world.replayed(&path, json!({ "payload": { "m": 1 } }))["state"], "SUCCESS");

    world.server.admin.delete(&format!("/event-type/{}", world.event_type)).expect(200);
    world.replay(&path, json!({})).problem(409, "event_type_gone");
    world.replay(&format!("/run/{}", id(&old["runs"][0])), json!({})).problem(409, "event_type_gone");
    // Made anew under the name that it had, it is the same trigger again.
    world.server.admin.post("/event-type", &json!({ "display_name": "T" })).expect(201);
    let bare = world.replayed(&path, json!({}));
    assert_eq!((&bare["event_type"], &bare["runs"]), (&json!("T"), &json!([])));
    world.replay(&format!("/run/{}", id(&old["runs"][0])), json!({})).problem(409, "not_bound");
}

#[test]
fn what_has_not_ended_is_not_replayed() {
    let server = TestServer::start();
    let gallery = server.upload("failure_gallery");
    let action = server.action("hang", &gallery, json!({ "retry": { "attempts": 1 } }));
    server.event_type("hang", &action, json!({}));
    let running = server.fire("hang", json!({ "way": "wait" }));
    let run = server.until_run_is(&running, "RUNNING");
    let world = World::on(server);
    world.replay(&format!("/event/{running}"), json!({})).problem(409, "not_ended");
    world.replay(&format!("/run/{}", id(&run)), json!({})).problem(409, "not_ended");
    assert_eq!(world.preview(json!({}))["count"], 0);
    assert_eq!(world.many(json!({}), json!({})).expect(200)["events"], json!([]));
    world.server.admin.post(&format!("/event/{running}/cancel"), &json!({})).expect(200);
    world.replay(&format!("/event/{running}"), json!({ "payload": { "way": "ok" } })).expect(202);
}

#[test]
fn a_replayed_run_runs_alone_through_the_same_attachment() {
    let world = World::new();
    let echo = world.server.admin.get("/module").expect(200)[0]["digest"].as_str().unwrap().to_owned();
    let attached = world.server.action("attached", &echo, json!({ "trigger": "t" }));
    for place in ["1", "2"] {
        let object = json!({ "object_type": "place", "object_id": place });
        world.server.admin.post(&format!("/action/{attached}/object"), &object).expect(201);
    }
    let parents = json!({ "parents": [{ "object_type": "place", "object_id": "2" }] });
    world.server.admin.put("/object/place/1", &parents).expect(201);
    let fire = json!({ "event_type": "t", "object": { "object_type": "place", "object_id": "1" } });
    let old = world.server.admin.request("POST", "/event").header("prefer", "wait=60").json(&fire).send();
    let old = old.expect(200).clone();
    let runs = old["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 3);
    for run in runs {
        let new = world.replayed(&format!("/run/{}", id(run)), json!({ "payload": 5 }));
        assert_eq!((&new["replay_of"], &new["replay_of_run"]), (&old["id"], &run["id"]));
        let again = &new["runs"].as_array().unwrap()[..];
        assert_eq!(again.len(), 1);
        for name in ["action_id", "attachment_id", "scope"] {
            assert_eq!(again[0][name], run[name], "{name}");
        }
        assert_eq!((&again[0]["position"], &again[0]["output"]), (&json!(0), &json!(5)));
    }
    // What is not bound any more is not brought back.
    let last = &runs[2];
    let attachment = last["attachment_id"].as_str().unwrap();
    world.server.admin.delete(&format!("/action/{attached}/object/{attachment}")).expect(200);
    let gone = world.replay(&format!("/run/{}", id(last)), json!({}));
    gone.problem(409, "not_bound");
    assert!(gone.detail().contains("not bound"), "{}", gone.detail());
    assert_eq!(world.replayed(&format!("/event/{}", id(&old)), json!({}))["runs"].as_array().unwrap().len(), 2);
}

#[test]
fn a_replay_is_no_duplicate_and_asks_no_source_type() {
    let server = TestServer::start();
    let gallery = server.upload("failure_gallery");
    let made = server.admin.post("/source-type", &json!({ "name": "shop" }));
    let source_type = made.expect(201)["id"].clone();
    let action = server.action("hang", &gallery, json!({ "retry": { "attempts": 1 } }));
    server.event_type("hang", &action, json!({ "source_type": source_type }));
    let world = World::on(server);
    let first = world.server.fire("hang", json!({ "way": "wait" }));
    world.server.until_run_is(&first, "RUNNING");
    world.server.admin.post(&format!("/event/{first}/cancel"), &json!({})).expect(200);
    let caller = world.server.client_for("", &["execute"]);
    caller.post("/event", &json!({ "event_type": "hang" })).problem(403, "source_type_not_allowed");
    for _ in 0..2 {
        let replayed = caller.post(&format!("/event/{first}/replay"), &json!({}));
        let event = replayed.expect(202)["id"].as_str().unwrap().to_owned();
        world.server.until_run_is(&event, "RUNNING");
    }
}

#[test]
fn a_filter_replays_what_it_finds_in_order_and_once() {
    let world = World::new();
    let gallery = world.server.upload("failure_gallery");
    world.server.action("other", &gallery, json!({}));
    let mut old: Vec<Value> = (0..7).map(|n| world.server.fire_and_wait("t", json!({ "n": n }))).collect();
    let filter = json!({ "event_type": "t", "state": "SUCCESS" });
    let preview = world.preview(filter.clone());
    assert_eq!((&preview["count"], &preview["more"]), (&json!(7), &json!(false)));
    let sample: Vec<&Value> = preview["sample"].as_array().unwrap().iter().map(|event| &event["id"]).collect();
    assert_eq!(sample, old[..5].iter().map(|event| &event["id"]).collect::<Vec<_>>());
    assert_eq!(world.server.admin.get("/event").body["count"], 7, "nothing ran");

    // In requests of three each; what they fire is not found by the next.
    let (mut cursor, mut replayed, mut sizes) = (Value::Null, Vec::new(), Vec::new());
    loop {
        let answer = world.many(filter.clone(), json!({ "limit": 3, "cursor": cursor }));
        let done = answer.expect(200).clone();
        assert_eq!((&done["count"], &done["refused"]), (&json!(done["events"].as_array().unwrap().len()), &json!([])));
        sizes.push(done["count"].as_u64().unwrap());
        replayed.extend(done["events"].as_array().unwrap().clone());
        for event in &replayed {
            world.server.until(id(event), is_ended);
        }
        match done["next"].as_str() {
            Some(next) => cursor = next.into(),
            None => break,
        }
        assert!(sizes.len() < 10, "it has no end");
    }
    assert_eq!(sizes.iter().sum::<u64>(), 7, "{sizes:?}");
    let of: Vec<&Value> = replayed.iter().map(|event| &event["replay_of"]).collect();
    assert_eq!(of, old.iter().map(|event| &event["id"]).collect::<Vec<_>>());
    let mut sorted = replayed.clone();
    sorted.sort_by_key(|event| id(event).to_owned());
    assert_eq!(sorted, replayed, "in order");
    for (event, old) in replayed.iter().zip(&old) {
        let new = world.server.event(id(event));
        assert_eq!((&new["payload"], &new["origin"]), (&old["payload"], &json!("replay")));
    }
    // The next filter finds those as well.
    assert_eq!(world.preview(filter)["count"], 14);
    old.truncate(2);
    let narrow = json!({ "event_type": "t", "q": "\"n\":1", "to": "2100-01-01T00:00:00Z" });
    assert_eq!(world.preview(narrow)["count"], 2);
    let note = &world.server.admin.get("/audit?what=replayed").body["data"][0];
    assert_eq!(note["note"], "1 events by filter", "{note:#}");
}

#[test]
fn filters_narrow_by_type_state_reason_object_chain_and_time() {
    let server = TestServer::with_manual_clock();
    server.pass_to("2026-01-01T00:00:00Z");
    let gallery = server.upload("failure_gallery");
    let action = server.action("gallery", &gallery, json!({ "retry": { "attempts": 1 } }));
    server.event_type("gallery", &action, json!({}));
    let world = World::on(server);
    let mut ids = Vec::new();
    for (place, way) in ["trap", "reject", "ok"].into_iter().enumerate() {
        world.server.pass_to(&format!("2026-01-0{}T00:00:00Z", place + 2));
        let object = json!({ "object_type": "place", "object_id": place.to_string() });
        let fire = json!({ "event_type": "gallery", "payload": { "way": way }, "object": object });
        let event = world.server.admin.request("POST", "/event").header("prefer", "wait=60").json(&fire).send();
        ids.push(id(event.expect(200)).to_owned());
    }
    let type_id = world.server.event(&ids[0])["event_type_id"].clone();
    for (filter, expected) in [
        (json!({}), &[0, 1, 2][..]),
        (json!({ "event_type": "GALLERY" }), &[0, 1, 2]),
        (json!({ "event_type": type_id }), &[0, 1, 2]),
        (json!({ "event_type": "t" }), &[]),
        (json!({ "state": "error" }), &[0, 1]),
        (json!({ "reason": "trap" }), &[0]),
        (json!({ "object_type": "place" }), &[0, 1, 2]),
        (json!({ "object_id": "1" }), &[1]),
        (json!({ "root_id": ids[2] }), &[2]),
        (json!({ "root_id": ids[2], "from": "2026-01-05T00:00:00Z" }), &[]),
        (json!({ "root_id": ids[2], "from": "2026-01-04T00:00:00Z", "to": "2026-01-04T00:00:01Z" }), &[2]),
        (json!({ "from": "2026-01-03T00:00:00Z" }), &[1, 2]),
        (json!({ "to": "2026-01-03T00:00:00Z" }), &[0]),
        (json!({ "from": "2026-01-02T00:00:01Z", "to": "2026-01-04T00:00:00Z" }), &[1]),
        (json!({ "from": "2026-01-04T00:00:00Z", "to": "2026-01-02T00:00:00Z" }), &[]),
        (json!({ "from": "2026-01-03T00:00:00Z", "state": "ERROR" }), &[1]),
    ] {
        let preview = world.preview(filter.clone());
        let found: Vec<&str> = preview["sample"].as_array().unwrap().iter().map(id).collect();
        let expected: Vec<&str> = expected.iter().map(|place| ids[*place].as_str()).collect();
        assert_eq!(found, expected, "{filter}");
        // The list of events finds the same, from either end.
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let query: String =
            filter.as_object().unwrap().iter().map(|(name, value)| format!("{name}={}&", text(value))).collect();
        let oldest = world.server.admin.pages(&format!("/event?{query}sort=created_at&limit=1"));
        assert_eq!(oldest.iter().map(id).collect::<Vec<_>>(), expected, "{query}");
        let mut newest = world.server.admin.pages(&format!("/event?{query}limit=1"));
        newest.reverse();
        assert_eq!(newest.iter().map(id).collect::<Vec<_>>(), expected, "{query}");
    }
}

#[test]
fn what_is_wrong_with_a_filter_is_pointed_at() {
    let world = World::new();
    for (filter, more, pointers) in [
        (json!({ "state": "DONE" }), json!({}), &["/filter/state"][..]),
        (json!({ "state": "RUNNING" }), json!({}), &["/filter/state"]),
        (json!({ "reason": "bad" }), json!({}), &["/filter/reason"]),
        (json!({ "event_type": "nobody" }), json!({}), &["/filter/event_type"]),
        (json!({ "root_id": "x" }), json!({}), &["/filter/root_id"]),
        (json!({ "parent_id": "x" }), json!({}), &["/filter/parent_id"]),
        (json!({ "from": "yesterday" }), json!({}), &["/filter/from"]),
        (json!({ "sort": "created_at", "limit": 5 }), json!({}), &["/filter/sort", "/filter/limit"]),
        (json!({ "cursor": "x" }), json!({}), &["/filter/cursor"]),
        (json!({ "stat": "x" }), json!({}), &["/filter/stat"]),
        (json!({}), json!({ "limit": 0 }), &["/limit"]),
        (json!({}), json!({ "limit": 1_001 }), &["/limit"]),
    ] {
        let refused = world.many(filter, more);
        refused.problem(422, "invalid_body");
        refused.points_at(pointers);
    }
    world.many(json!({}), json!({ "cursor": "x" })).problem(400, "bad_request");
    world.server.admin.post("/event/replay", &json!({})).problem(422, "invalid_body");
    assert_eq!(world.many(json!({}), json!({ "limit": 1_000 })).expect(200)["count"], 0);
}

#[test]
fn what_cannot_be_replayed_is_named_and_the_rest_goes_on() {
    let world = World::new();
    world.server.admin.post("/event-type", &json!({ "display_name": "gone" })).expect(201);
    let first = world.server.fire_and_wait("t", json!(1));
    let lost = world.server.fire_and_wait("gone", json!(2));
    let last = world.server.fire_and_wait("t", json!(3));
    world.server.admin.delete("/event-type/gone").expect(200);
    let answer = world.many(json!({}), json!({}));
    let done = answer.expect(200);
    assert_eq!((&done["count"], &done["next"]), (&json!(2), &Value::Null));
    let of: Vec<&Value> = done["events"].as_array().unwrap().iter().map(|event| &event["replay_of"]).collect();
    assert_eq!(of, [&first["id"], &last["id"]]);
    assert_eq!(done["refused"][0]["replay_of"], lost["id"]);
    assert_eq!(done["refused"][0]["code"], "event_type_gone");
    assert!(done["refused"][0]["detail"].as_str().unwrap().contains("`gone`"), "{done:#}");
    // Both by its id and by the name it had the history of a deleted event type is still found.
    let by_id = format!("/event?event_type={}", lost["event_type_id"].as_str().unwrap());
    assert_eq!(world.server.admin.get(&by_id).expect(200)[0]["id"], lost["id"]);
    assert_eq!(world.server.admin.get("/event?event_type=GONE").expect(200)[0]["id"], lost["id"]);
    let by_name = world.many(json!({ "event_type": "gone" }), json!({}));
    by_name.problem(422, "invalid_body");
    by_name.points_at(&["/filter/event_type"]);
}

#[test]
fn a_full_queue_stops_a_replay_where_it_can_go_on() {
    let server = TestServer::with(|config| {
        (config.concurrency, config.concurrency_per_tenant, config.queue_per_tenant) = (1, 1, 2);
    });
    let gallery = server.upload("failure_gallery");
    let action = server.action("hang", &gallery, json!({ "retry": { "attempts": 1 } }));
    server.event_type("hang", &action, json!({}));
    let world = World::on(server);
    let old: Vec<Value> = (0..5).map(|n| world.server.fire_and_wait("t", json!(n))).collect();
    let running = world.server.fire("hang", json!({ "way": "wait" }));
    world.server.until_run_is(&running, "RUNNING");
    let filter = json!({ "event_type": "t" });
    let part = world.many(filter.clone(), json!({})).expect(200).clone();
    assert_eq!(part["count"], 2, "two wait for the one that runs: {part:#}");
    let goes_on = json!({ "cursor": part["next"] });
    let busy = world.many(filter.clone(), goes_on.clone());
    busy.problem(429, "too_many_requests");
    busy.header("retry-after");
    world.server.admin.post(&format!("/event/{running}/cancel"), &json!({})).expect(200);
    let (mut replayed, mut next) = (part["events"].as_array().unwrap().clone(), part["next"].clone());
    while !next.is_null() {
        for event in &replayed {
            world.server.until(id(event), is_ended);
        }
        let done = world.many(filter.clone(), json!({ "cursor": next })).expect(200).clone();
        replayed.extend(done["events"].as_array().unwrap().clone());
        next = done["next"].clone();
    }
    let of: Vec<&Value> = replayed.iter().map(|event| &event["replay_of"]).collect();
    assert_eq!(of, old.iter().map(|event| &event["id"]).collect::<Vec<_>>());
}

#[test]
fn a_tenant_replays_its_own_history_only() {
    let world = World::new();
    let (a, b) = (world.server.client_for("a", &["admin"]), world.server.client_for("b", &["admin"]));
    let fire = |client: &crate::support::Client| {
        let request = client.request("POST", "/trigger/t").header("prefer", "wait=60");
        request.bytes("1").send().expect(200).clone()
    };
    let (of_a, of_b) = (fire(&a), fire(&b));
    for path in [format!("/event/{}", id(&of_b)), format!("/run/{}", id(&of_b["runs"][0]))] {
        a.post(&format!("{path}/replay"), &json!({})).problem(404, "not_found");
    }
    let done = a.post("/event/replay", &json!({ "filter": {} }));
    assert_eq!(done.expect(200)["events"][0]["replay_of"], of_a["id"]);
    assert_eq!(done.body["data"]["count"], 1);
    assert_eq!(b.post("/event/replay", &json!({ "filter": {}, "preview": true })).expect(200)["count"], 1);
    // The platform's own token may; the event stays the tenant's.
    let new = world.replayed(&format!("/event/{}", id(&of_b)), json!({}));
    assert_eq!((&new["owner_id"], &new["runs"][0]["owner_id"]), (&json!("b"), &json!("b")));
    assert_eq!(b.get("/event").body["count"], 2);
}

#[test]
fn the_command_line_shows_first_and_replays_when_told_to() {
    let world = World::new();
    let old: Vec<Value> = (0..3).map(|n| world.server.fire_and_wait("t", json!(n))).collect();
    let run = |arguments: &[&str]| {
        let url = world.server.url();
        let arguments = [&["replay"], arguments, &["--url", &url, "--token", &world.server.token]].concat();
        fusebox(world.server.folder(), &arguments, "")
    };
    let shown = run(&["--event-type", "t", "--state", "SUCCESS"]);
    assert_eq!((shown.code, shown.err.as_str()), (0, ""), "{shown:?}");
    assert!(shown.out.contains("3 events would be replayed") && shown.out.contains("--yes"), "{shown:?}");
    assert!(shown.out.contains(id(&old[0])), "{shown:?}");
    assert_eq!(world.server.admin.get("/event").body["count"], 3);
    let done = run(&["--event-type", "t", "--yes"]);
    assert_eq!((done.code, done.err.as_str()), (0, ""), "{done:?}");
    assert!(done.out.contains("3 events were replayed, 0 could not be"), "{done:?}");
    assert_eq!(world.server.admin.get("/event").body["count"], 6);

    let one = run(&[id(&old[1]), "--payload", "[7]"]);
    assert_eq!((one.code, one.err.as_str()), (0, ""), "{one:?}");
    let newest = &world.server.admin.get("/event?limit=1").body["data"][0];
    assert_eq!((&newest["replay_of"], &newest["payload"]), (&old[1]["id"], &json!([7])));
    let of_run = run(&[id(&old[1]["runs"][0]), "--json"]);
    assert_eq!(of_run.json()["data"]["replay_of_run"], old[1]["runs"][0]["id"]);
    let nothing = run(&["00000000-0000-7000-8000-000000000000"]);
    assert_eq!(nothing.code, 1, "{nothing:?}");
    assert!(nothing.err.contains("there is no run"), "{nothing:?}");
    assert_eq!(run(&[]).code, 2);
    assert_eq!(run(&["--yes"]).code, 2, "everything is too much");
    assert_eq!(run(&[id(&old[0]), "--state", "ERROR"]).code, 2);
    assert_eq!(run(&["--object", "nothing"]).code, 1);
}
