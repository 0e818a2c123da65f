//! Objects, attachments and how far events reach, over HTTP.

use crate::support::{Answer, Client, ECHO, TestServer};
use serde_json::{Value, json};

/// A server with the event type `booked` and the module that hands its payload back.
struct World {
    server: TestServer,
    module: String,
}

impl World {
    fn new() -> World {
        let server = TestServer::start();
        let module = server.upload_bytes(ECHO);
        server.admin.post("/event-type", &json!({ "display_name": "booked" })).expect(201);
        World { server, module }
    }

    /// An action that `booked` triggers; its id.
    fn action(&self, name: &str, more: Value) -> String {
        let mut body = json!({ "trigger": "booked" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.server.action(name, &self.module, body)
    }

    fn put(&self, object: &str, parents: &[&str]) -> Answer {
        self.server.admin.put(&format!("/object/{object}"), &json!({ "parents": refs(parents) }))
    }

    /// Attaches with `more` fields; the attachment's id.
    #[track_caller]
    fn attach(&self, action: &str, object: &str, more: Value) -> String {
        attach(&self.server.admin, action, object, more).expect(201)["id"].as_str().unwrap().to_owned()
    }

    fn fire(&self, client: &Client, object: &str, more: Value) -> Answer {
        let mut body = json!({ "event_type": "booked", "object": refs(&[object])[0] });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        client.request("POST", "/event").header("prefer", "wait=60").json(&body).send()
    }

    /// The names of the actions that a fire on the object ran, after checking that the dry look said the same.
    #[track_caller]
    fn ran(&self, object: &str, flow: &str) -> Vec<String> {
        let event = self.fire(&self.server.admin, object, json!({ "flow": flow }));
        let runs = event.expect(200)["runs"].as_array().unwrap().clone();
        let effective = self.server.admin.get(&format!("/object/{object}/effective?event_type=booked&flow={flow}"));
        let said = effective.expect(200).as_array().unwrap().clone();
        let key = |item: &Value| (item["action"].clone(), item["scope"].clone(), item["version"].clone());
        assert_eq!(runs.iter().map(key).collect::<Vec<_>>(), said.iter().map(key).collect::<Vec<_>>());
        runs.iter().map(|run| run["action"].as_str().unwrap().to_owned()).collect()
    }
}

fn refs(objects: &[&str]) -> Value {
    let parts = objects.iter().map(|object| object.split_once('/').unwrap());
    parts.map(|(kind, id)| json!({ "object_type": kind, "object_id": id })).collect()
}

fn attach(client: &Client, action: &str, object: &str, more: Value) -> Answer {
    let mut body = refs(&[object])[0].clone();
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    client.post(&format!("/action/{action}/object"), &body)
}

#[test]
fn an_action_on_a_location_serves_every_bookable_in_it() {
    let world = World::new();
    world.put("bookable/42", &["location/hall", "bookable_type/room"]).expect(201);
    world.put("location/hall", &["location/campus"]).expect(201);
    for (name, object) in [("far", "location/campus"), ("near", "location/hall"), ("own", "bookable/42")] {
        world.attach(&world.action(name, json!({})), object, json!({ "input": { "from": name } }));
    }
    assert_eq!(world.ran("bookable/42", "both"), ["own", "near", "far"]);
    assert_eq!(world.ran("bookable/42", "none"), ["own"]);
    assert_eq!(world.ran("location/campus", "both"), ["far", "near", "own"], "an event on a parent reaches down");
    assert_eq!(world.ran("location/hall", "up"), ["near", "far"]);
    assert_eq!(world.ran("location/hall", "down"), ["near", "own"]);
    let event = world.fire(&world.server.admin, "bookable/42", json!({ "flow": "up" }));
    let run = &event.expect(200)["runs"][1];
    assert_eq!((&run["input"], &run["scope"]), (&json!({ "from": "near" }), &refs(&["location/hall"])[0]));
    assert!(run["attachment_id"].is_string(), "{run}");
}

#[test]
fn one_order_priority_then_nearest_then_oldest_and_the_linked_action_first() {
    let world = World::new();
    let linked = world.action("linked", json!({}));
    let event_type = json!({ "display_name": "booked", "action": linked, "flow": "up" });
    world.server.admin.put("/event-type/booked", &event_type).expect(200);
    world.put("bookable/42", &["location/hall"]).expect(201);
    let first = world.action("first", json!({ "enabled": false }));
    for (name, object, priority) in
        [("high", "location/hall", 5), ("second", "bookable/42", 0), ("low", "bookable/42", -1)]
    {
        world.attach(&world.action(name, json!({})), object, json!({ "priority": priority }));
        if name == "high" {
            world.attach(&first, "bookable/42", json!({}));
        }
    }
    world.attach(&world.action("exact", json!({})), "location/hall", json!({ "inherits": false }));
    assert_eq!(world.ran("bookable/42", "both"), ["linked", "high", "first", "second", "low"]);
    assert_eq!(world.ran("location/hall", "both"), ["linked", "high", "exact"], "the event type narrows to up");
    let event = world.fire(&world.server.admin, "bookable/42", json!({}));
    let skipped = &event.expect(200)["runs"][2];
    assert_eq!((&skipped["state"], &skipped["reason"]), (&json!("SKIPPED"), &json!("disabled")));
}

#[test]
fn an_object_that_would_lie_above_itself_or_too_deep_is_refused() {
    let world = World::new();
    world.put("a/1", &["a/2"]).expect(201);
    world.put("a/2", &["a/3"]).expect(201);
    let closed = world.put("a/3", &["a/9", "a/1"]);
    closed.problem(422, "invalid_body");
    closed.points_at(&["/parents/1"]);
    world.put("a/1", &["a/1"]).points_at(&["/parents/0"]);
    for level in 0..32 {
        world.put(&format!("deep/{level}"), &[&format!("deep/{}", level + 1)]).expect(201);
    }
    world.put("deep/32", &["deep/33"]).points_at(&["/parents"]);
    world.put("deep/below", &["deep/0"]).points_at(&["/parents"]);
    world.put("deep/below", &["deep/1"]).expect(201);
}

#[test]
fn an_object_is_registered_changed_read_and_forgotten() {
    let world = World::new();
    let admin = &world.server.admin;
    admin.get("/object/location/hall").problem(404, "not_found");
    let made = world.put("location/hall", &["location/campus"]);
    assert_eq!((made.expect(201)["version"].clone(), made.header("etag")), (json!(1), "\"1\""));
    let read = admin.get("/object/location/hall");
    assert_eq!(read.expect(200), made.expect(201));
    let stale = admin.request("PUT", "/object/location/hall").header("if-match", "\"7\"").json(&json!({})).send();
    stale.problem(412, "precondition_failed");
    let create = |path: &str| admin.request("PUT", path).header("if-none-match", "*").json(&json!({})).send();
    create("/object/location/hall").problem(412, "precondition_failed");
    assert_eq!(admin.get("/object/location/hall").expect(200), made.expect(201), "it is as it was");
    create("/object/location/yard").expect(201);
    world.put("bookable/42", &["location/hall"]).expect(201);
    let refused = admin.delete("/object/location/hall");
    refused.problem(409, "in_use");
    assert!(refused.detail().contains("bookable/42"), "{}", refused.text);
    world.attach(&world.action("own", json!({})), "bookable/42", json!({}));
    admin.delete("/object/bookable/42").problem(409, "in_use");
    world.put("bookable/42", &[]).expect(200);
    admin.delete("/object/location/hall").expect(200);
    admin.get("/object/location/hall").problem(404, "not_found");
    let other = world.server.client_for("a", &["read", "write"]);
    other.delete("/object/bookable/42").problem(403, "forbidden");
}

#[test]
fn inputs_follow_the_schema_of_the_action_whichever_changes() {
    let world = World::new();
    let short = json!({ "channel": { "type": "string", "description": "where to" } });
    let action = world.action("report", json!({ "input": short }));
    let refused = attach(&world.server.admin, &action, "a/1", json!({ "input": { "channel": 5 } }));
    refused.problem(422, "invalid_body");
    refused.points_at(&["/input/channel"]);
    let attachment = world.attach(&action, "a/1", json!({ "input": { "channel": "#ops" } }));
    let path = format!("/action/{action}/object/{attachment}");
    world.server.admin.put(&path, &json!({ "input": { "channel": null } })).points_at(&["/input/channel"]);
    let changed = world.server.admin.put(&path, &json!({ "priority": 3 }));
    assert_eq!(
        (&changed.expect(200)["priority"], &changed.expect(200)["input"]),
        (&json!(3), &json!({ "channel": "#ops" }))
    );
    let body = |input: Value| json!({ "name": "report", "module": world.module, "trigger": "booked", "input": input });
    let broken =
        world.server.admin.put(&format!("/action/{action}"), &body(json!({ "channel": { "type": "integer" } })));
    broken.problem(409, "breaks_attachments");
    assert!(broken.text.contains(&attachment), "{}", broken.text);
    let wider = body(json!({ "channel": { "type": ["string", "integer"] } }));
    world.server.admin.put(&format!("/action/{action}"), &wider).expect(200);
    let unusable = world.server.admin.put(&format!("/action/{action}"), &body(json!({ "type": 5 })));
    unusable.points_at(&["/input"]);
}

#[test]
fn an_action_is_attached_from_either_side_once() {
    let world = World::new();
    let (admin, action) = (&world.server.admin, world.action("own", json!({})));
    let made = admin.post("/bookable/42/action", &json!({ "action_id": action, "reason": "asked for" }));
    let attachment = made.expect(201);
    assert_eq!(attachment["object_type"], "bookable");
    attach(admin, &action, "bookable/42", json!({})).problem(409, "already_attached");
    assert_eq!(&admin.get("/bookable/42/action").expect(200)[0], attachment);
    assert_eq!(&admin.get(&format!("/action/{action}/object")).expect(200)[0], attachment);
    let path = format!("/action/{action}/object/{}", attachment["id"].as_str().unwrap());
    admin.put(&path, &json!({ "object_type": "bookable", "object_id": "43" })).points_at(&["/object_id"]);
    admin.delete(&path).expect(200);
    admin.delete(&path).problem(404, "not_found");
    assert_eq!(admin.get("/bookable/42/action").expect(200), &json!([]));
}

#[test]
fn the_objects_side_hides_no_other_route() {
    let world = World::new();
    let (admin, action) = (&world.server.admin, world.action("own", json!({})));
    for kind in ["action", "event", "run", "event-type", "trigger", "module", "token"] {
        admin.post(&format!("/{kind}/7/action"), &json!({ "action_id": action })).expect(201);
        assert_eq!(admin.get(&format!("/{kind}/7/action")).expect(200).as_array().unwrap().len(), 1, "{kind}");
    }
    admin.get(&format!("/action/{action}/version")).expect(200);
    admin.get(&format!("/action/{action}/object")).expect(200);
    admin.post("/trigger/booked", &json!({})).expect(202);
    admin.get("/event-type/booked").expect(200);
    admin.get("/action/7/nothing").problem(404, "not_found");
}

#[test]
fn a_public_action_runs_for_who_attached_it_at_the_version_that_was_agreed_to() {
    let world = World::new();
    let publisher = world.server.client_for("a", &["read", "write"]);
    let user = world.server.client_for("b", &["read", "write", "execute"]);
    let body = |trigger: &str, secret: &str, public: bool| {
        let parameter = json!({ "name": "key", "type": "STATIC", "value": secret });
        json!({ "name": "shout", "module": world.module, "trigger": trigger, "public": public, "parameters": [parameter] })
    };
    let made = publisher.post("/action", &body("booked", "first", false));
    let action = made.expect(201)["id"].as_str().unwrap().to_owned();
    attach(&user, &action, "a/1", json!({})).problem(404, "not_found");
    publisher.put(&format!("/action/{action}"), &body("booked", "second", true)).expect(200);
    let seen = user.get(&format!("/action/{action}"));
    assert_eq!((seen.expect(200).get("module"), seen.expect(200).get("parameters")), (None, None), "{}", seen.text);
    user.get(&format!("/action/{action}/version")).problem(404, "not_found");
    let attachment = attach(&user, &action, "a/1", json!({}));
    assert_eq!(attachment.expect(201)["action_version"], 2);
    publisher.put(&format!("/action/{action}"), &body("booked", "third", false)).expect(200);
    let mut world = world;
    for _ in 0..2 {
        let fired = world.fire(&user.at(&world.server), "a/1", json!({}));
        let run = &fired.expect(200)["runs"][0];
        assert_eq!((&run["version"], &run["owner_id"], &run["params"]), (&json!(2), &json!("b"), &json!({})));
        let publishers = world.fire(&world.server.client_for("a", &["execute"]), "a/1", json!({}));
        assert_eq!(publishers.expect(200)["runs"], json!([]), "the publisher's events are its own");
        // Once more after a restart, which has to find the old version again.
        world.server.restart();
    }
    assert_eq!(world.server.store().check().unwrap(), Vec::<String>::new());
    let publisher = publisher.at(&world.server);
    assert_eq!(publisher.get(&format!("/action/{action}/object")).expect(200), &json!([]), "it sees no other tenant");
    publisher.delete(&format!("/action/{action}")).expect(200);
    world.server.restart();
    assert_eq!(user.at(&world.server).get("/a/1/action").expect(200), &json!([]), "its attachments went with it");
    assert_eq!(world.server.store().check().unwrap(), Vec::<String>::new());
}

#[test]
fn tenants_neither_see_nor_run_each_others_attachments() {
    let world = World::new();
    let (a, b) =
        (world.server.client_for("a", &["read", "write", "execute"]), world.server.client_for("b", &["read", "write"]));
    let body = json!({ "name": "own", "module": world.module, "trigger": "booked" });
    let action = a.post("/action", &body).expect(201)["id"].as_str().unwrap().to_owned();
    let attachment = attach(&a, &action, "location/hall", json!({})).expect(201)["id"].as_str().unwrap().to_owned();
    a.put("/object/bookable/42", &json!({ "parents": refs(&["location/hall"]) })).expect(201);
    b.get("/object/bookable/42").problem(404, "not_found");
    b.delete(&format!("/action/{action}/object/{attachment}")).problem(404, "not_found");
    assert_eq!(b.get("/location/hall/action").expect(200), &json!([]));
    let effective = |client: &Client| {
        let found = client.get("/object/bookable/42/effective?event_type=booked");
        found.expect(200).as_array().unwrap().len()
    };
    assert_eq!((effective(&a), effective(&b)), (1, 0));
    // The platform fires for a tenant by saying so.
    let fired = world.fire(&world.server.admin, "bookable/42", json!({ "owner_id": "a" }));
    assert_eq!(fired.expect(200)["runs"].as_array().unwrap().len(), 1);
    assert_eq!(fired.expect(200)["owner_id"], "a");
    world.fire(&a, "bookable/42", json!({ "owner_id": "b" })).problem(403, "forbidden");
}

#[test]
fn a_failure_skips_the_rest_of_the_plan_unless_it_may_be_passed_over() {
    let world = World::new();
    let failing = json!({ "parameters": [{ "name": "gone", "type": "DATA", "value": "gone" }] });
    let first = world.action("fails", failing.clone());
    world.attach(&first, "a/1", json!({ "priority": 1 }));
    world.attach(&world.action("second", json!({})), "a/1", json!({}));
    let states = || {
        let event = world.fire(&world.server.admin, "a/1", json!({}));
        let event = event.expect(200);
        let runs = event["runs"].as_array().unwrap().iter().map(|run| run["state"].as_str().unwrap().to_owned());
        (event["state"].as_str().unwrap().to_owned(), runs.collect::<Vec<_>>())
    };
    assert_eq!(states(), ("ERROR".into(), vec!["ERROR".into(), "SKIPPED".into()]));
    let mut body = json!({ "name": "fails", "module": world.module, "trigger": "booked", "continue_on_fail": true });
    body.as_object_mut().unwrap().extend(failing.as_object().unwrap().clone());
    world.server.admin.put(&format!("/action/{first}"), &body).expect(200);
    assert_eq!(states(), ("WARNING".into(), vec!["ERROR".into(), "SUCCESS".into()]));
}

#[test]
fn a_trigger_is_there_while_an_action_names_it() {
    let world = World::new();
    let admin = &world.server.admin;
    let unknown = json!({ "name": "x", "module": world.module, "trigger": "nothing" });
    admin.post("/action", &unknown).points_at(&["/trigger"]);
    let action = world.action("own", json!({}));
    admin.delete("/event-type/booked").problem(409, "in_use");
    admin.put("/event-type/booked", &json!({ "display_name": "other" })).problem(409, "in_use");
    admin.put("/event-type/booked", &json!({ "display_name": "BOOKED", "flow": "none" })).expect(200);
    world.attach(&action, "a/1", json!({}));
    assert_eq!(world.ran("a/1", "both"), ["own"], "names do not mind the case");
    admin.delete(&format!("/action/{action}")).expect(200);
    admin.delete("/event-type/booked").expect(200);
}
