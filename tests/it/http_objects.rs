//! The list of objects, and the order of what is attached to them, over HTTP.

use crate::support::{Answer, Client, ECHO, TestServer};
use serde_json::{Value, json};

fn parents(objects: &[&str]) -> Value {
    let parts = objects.iter().map(|object| object.split_once('/').unwrap());
    parts.map(|(kind, id)| json!({ "object_type": kind, "object_id": id })).collect()
}

#[track_caller]
fn put(client: &Client, object: &str, above: &[&str]) {
    client.put(&format!("/object/{object}"), &json!({ "parents": parents(above) })).expect(201);
}

/// The objects of a list as `type/id`, all pages of it.
#[track_caller]
fn listed(client: &Client, query: &str) -> Vec<String> {
    let text = |item: &Value, name: &str| item[name].as_str().unwrap().to_owned();
    let found = client.pages(&format!("/object{query}"));
    found.iter().map(|item| format!("{}/{}", text(item, "object_type"), text(item, "object_id"))).collect()
}

/// An action that `booked` triggers; its id.
fn action(client: &Client, name: &str) -> String {
    let module = client.request("POST", "/module").bytes(ECHO).send();
    let body = json!({ "name": name, "module": module.body["data"]["digest"], "trigger": "booked" });
    client.post("/action", &body).expect(201)["id"].as_str().unwrap().to_owned()
}

fn attach(client: &Client, action: &str, object: &str, more: Value) -> String {
    let mut body = parents(&[object])[0].clone();
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    client.post(&format!("/action/{action}/object"), &body).expect(201)["id"].as_str().unwrap().to_owned()
}

#[test]
fn objects_are_listed_from_the_top_and_below_each_other_page_by_page() {
    let server = TestServer::start();
    let admin = &server.admin;
    assert!(listed(admin, "").is_empty());
    put(admin, "room/1", &["house/a", "kind/room"]);
    put(admin, "room/2", &["house/a"]);
    put(admin, "house/a", &["town/berlin"]);
    put(admin, "lonely/x", &[]);
    admin.put("/object/room/2", &json!({ "name": "Große Halle", "parents": parents(&["house/a"]) })).expect(200);
    assert_eq!(listed(admin, ""), ["house/a", "kind/room", "lonely/x", "room/1", "room/2", "town/berlin"]);
    // What somebody named as a parent is there, though nobody registered it.
    assert_eq!(listed(admin, "?top=true"), ["kind/room", "lonely/x", "town/berlin"]);
    assert_eq!(listed(admin, "?parent_type=house&parent_id=a"), ["room/1", "room/2"]);
    assert_eq!(listed(admin, "?parent_type=house&parent_id=a&limit=1"), ["room/1", "room/2"]);
    assert_eq!(listed(admin, "?parent_type=room&parent_id=1"), [""; 0]);
    for (query, expected) in [
        ("?limit=1", vec!["house/a", "kind/room", "lonely/x", "room/1", "room/2", "town/berlin"]),
        ("?top=true&limit=2", vec!["kind/room", "lonely/x", "town/berlin"]),
        ("?q=ROOM", vec!["kind/room", "room/1", "room/2"]),
        ("?q=room/2", vec!["room/2"]),
        ("?q=halle", vec!["room/2"]),
        ("?object_type=room&limit=1", vec!["room/1", "room/2"]),
        ("?object_type=room&q=halle", vec!["room/2"]),
        ("?q=nothing", vec![]),
    ] {
        assert_eq!(listed(admin, query), expected, "{query}");
    }
    let one = |name: &str| admin.get(&format!("/object?q={name}")).expect(200)[0].clone();
    let room = one("room/1");
    assert_eq!((&room["parents"], &room["children"]), (&parents(&["house/a", "kind/room"]), &json!(0)));
    assert_eq!((&one("house/a")["children"], &one("house/a")["owner_id"]), (&json!(2), &json!("")));
    assert_eq!((&one("town/berlin")["owner_id"], &one("town/berlin")["children"]), (&Value::Null, &json!(1)));
    for (query, detail) in [
        ("?limit=0", "1 to 200"),
        ("?limit=201", "1 to 200"),
        ("?parent_type=house", "both parent_type and parent_id"),
        ("?cursor=odd", "cursor"),
        ("?odd=1", "odd"),
    ] {
        let refused = admin.get(&format!("/object{query}"));
        refused.problem(400, "bad_request");
        assert!(refused.detail().contains(detail), "{query}: {}", refused.detail());
    }
}

#[test]
fn an_object_is_listed_as_long_as_anything_is_known_of_it() {
    let mut server = TestServer::start();
    server.admin.post("/event-type", &json!({ "display_name": "booked" })).expect(201);
    let action = action(&server.admin, "one");
    let attachment = attach(&server.admin, &action, "room/1", json!({}));
    assert_eq!(listed(&server.admin, "?top=true"), ["room/1"]);
    assert_eq!(server.admin.get("/object").expect(200)[0]["attachments"], 1);
    put(&server.admin, "room/1", &["house/a"]);
    put(&server.admin, "room/2", &["house/a"]);
    assert_eq!(listed(&server.admin, "?top=true"), ["house/a"]);
    let all = ["house/a", "room/1", "room/2"];
    assert_eq!(listed(&server.admin, ""), all);
    server.restart();
    assert_eq!(
        (listed(&server.admin, ""), listed(&server.admin, "?top=true")),
        (all.map(str::to_owned).to_vec(), vec!["house/a".to_owned()])
    );
    server.admin.put("/object/room/1", &json!({})).expect(200);
    assert_eq!(listed(&server.admin, "?top=true"), ["house/a", "room/1"]);
    server.admin.delete("/object/room/1").problem(409, "in_use");
    server.admin.delete(&format!("/action/{action}/object/{attachment}")).expect(200);
    server.admin.delete("/object/room/1").expect(200);
    assert_eq!(listed(&server.admin, ""), ["house/a", "room/2"]);
    server.admin.delete("/object/room/2").expect(200);
    assert!(listed(&server.admin, "").is_empty(), "nobody names it any more");
    // An action that goes takes its attachments with it, and with them what they were on.
    attach(&server.admin, &action, "room/9", json!({}));
    assert_eq!(listed(&server.admin, ""), ["room/9"]);
    server.admin.delete(&format!("/action/{action}")).expect(200);
    assert!(listed(&server.admin, "").is_empty());
}

#[test]
fn a_tenant_sees_its_own_objects_and_the_shared_ones_together() {
    let server = TestServer::start();
    let (a, b) = (server.client_for("a", &["admin"]), server.client_for("b", &["admin"]));
    put(&server.admin, "town/berlin", &["land/de"]);
    put(&a, "room/1", &["town/berlin"]);
    put(&b, "room/2", &["town/berlin"]);
    // What is on top for the platform lies below something for this tenant.
    put(&b, "land/de", &["planet/earth"]);
    assert_eq!(listed(&a, ""), ["land/de", "room/1", "town/berlin"]);
    assert_eq!(listed(&a, "?top=true"), ["land/de"]);
    assert_eq!(listed(&b, "?top=true"), ["planet/earth"]);
    assert_eq!(listed(&a, "?parent_type=town&parent_id=berlin"), ["room/1"]);
    assert_eq!(listed(&b, "?parent_type=town&parent_id=berlin"), ["room/2"]);
    assert_eq!(listed(&server.admin, "?parent_type=town&parent_id=berlin"), [""; 0]);
    assert_eq!(listed(&server.admin, "?owner_id=b&parent_type=town&parent_id=berlin"), ["room/2"]);
    assert_eq!(listed(&server.admin, ""), ["land/de", "town/berlin"]);
    a.get("/object?owner_id=b").problem(403, "forbidden");
}

#[test]
fn a_search_looks_at_so_many_objects_at_once_and_says_where_it_goes_on() {
    let server = TestServer::start();
    // Whoever is named as a parent is there.
    for chunk in (0..20_001).collect::<Vec<u32>>().chunks(32) {
        let above: Vec<String> = chunk.iter().map(|n| format!("t/{n:05}")).collect();
        let above: Vec<&str> = above.iter().map(String::as_str).collect();
        put(&server.admin, &format!("below/{:05}", chunk[0]), &above);
    }
    let first = server.admin.get("/object?object_type=t&q=20000");
    assert_eq!((first.expect(200), first.body["next"].is_string()), (&json!([]), true), "there is more to look at");
    assert_eq!(listed(&server.admin, "?object_type=t&q=20000"), ["t/20000"]);
}

/// What an event `booked` on the object runs: action and priority, in order.
fn order(answer: &Answer) -> Vec<(String, Value)> {
    let items = answer.expect(200).as_array().unwrap();
    items.iter().map(|item| (item["action"].as_str().unwrap().to_owned(), item["priority"].clone())).collect()
}

#[test]
fn an_attachment_is_put_elsewhere_in_the_order_in_which_events_then_run_them() {
    let server = TestServer::start();
    let admin = &server.admin;
    admin.post("/event-type", &json!({ "display_name": "booked" })).expect(201);
    put(admin, "room/1", &["house/a"]);
    let ids: Vec<String> = [("one", "room/1"), ("two", "room/1"), ("three", "house/a")]
        .map(|(name, object)| attach(admin, &action(admin, name), object, json!({})))
        .to_vec();
    let effective = "/object/room/1/effective?event_type=booked";
    let names = |answer: &Answer| order(answer).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(names(&admin.get(effective)), ["one", "two", "three"]);
    let from: Vec<Value> =
        admin.get(effective).expect(200).as_array().unwrap().iter().map(|item| item["from"].clone()).collect();
    assert_eq!(from, ["own", "own", "above"]);
    let body = |moving: usize, before: Option<usize>| json!({ "event_type": "booked", "attachment_id": ids[moving], "before": before.map(|at| &ids[at]) });
    let moved = |moving, before| admin.post("/object/room/1/order", &body(moving, before));
    let first = moved(2, Some(0));
    assert_eq!(order(&first)[0], ("three".to_owned(), json!(11)));
    assert_eq!(names(&first), ["three", "one", "two"]);
    assert_eq!(names(&moved(0, None)), ["three", "two", "one"]);
    assert_eq!(names(&moved(0, Some(1))), ["three", "one", "two"]);
    assert_eq!(names(&admin.get(effective)), ["three", "one", "two"]);
    let fired = admin.request("POST", "/event").header("prefer", "wait=60");
    let fired = fired.json(&json!({ "event_type": "booked", "object": parents(&["room/1"])[0] })).send();
    let ran: Vec<&str> =
        fired.expect(200)["runs"].as_array().unwrap().iter().map(|run| run["action"].as_str().unwrap()).collect();
    assert_eq!(ran, ["three", "one", "two"], "the order that is shown is the one that holds");
    // Where it is already nothing is changed, and nothing noted.
    let noted = admin.get("/audit?kind=attachment&what=changed").body["count"].clone();
    assert_eq!(names(&moved(0, Some(1))), ["three", "one", "two"]);
    assert_eq!(admin.get("/audit?kind=attachment&what=changed").body["count"], noted);
    for (moving, before, pointer) in [
        (json!("01a1ff7d-875e-7388-ab52-e35ac67b46e8"), json!(ids[0]), "/attachment_id"),
        (json!(ids[0]), json!("01a1ff7d-875e-7388-ab52-e35ac67b46e8"), "/before"),
    ] {
        let body = json!({ "event_type": "booked", "attachment_id": moving, "before": before });
        let refused = admin.post("/object/room/1/order", &body);
        refused.problem(422, "invalid_body");
        refused.points_at(&[pointer]);
    }
    admin
        .post("/object/room/1/order", &json!({ "event_type": "nothing", "attachment_id": ids[0] }))
        .problem(404, "not_found");
}

#[test]
fn a_tenant_orders_its_own_attachments_around_the_platforms() {
    let server = TestServer::start();
    server.admin.post("/event-type", &json!({ "display_name": "booked" })).expect(201);
    let a = server.client_for("a", &["admin"]);
    let shared = attach(&server.admin, &action(&server.admin, "shared"), "room/1", json!({}));
    let other = attach(&server.admin, &action(&server.admin, "other"), "room/1", json!({}));
    let own = attach(&a, &action(&a, "own"), "room/1", json!({}));
    let order_of = |client: &Client, moving: &str, before: Option<&str>| {
        let body = json!({ "event_type": "booked", "attachment_id": moving, "before": before });
        client.post("/object/room/1/order", &body)
    };
    let names = |answer: &Answer| order(answer).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(names(&a.get("/object/room/1/effective?event_type=booked")), ["shared", "other", "own"]);
    assert_eq!(names(&order_of(&a, &own, Some(&shared))), ["own", "shared", "other"]);
    order_of(&a, &shared, Some(&own)).problem(403, "forbidden");
    // Between two of the platform's with one priority there is no room for what is younger than both.
    let refused = order_of(&a, &own, Some(&other));
    refused.problem(409, "no_room");
    let b = server.client_for("b", &["admin"]);
    order_of(&b, &own, None).problem(422, "invalid_body");
    server
        .client_for("a", &["read"])
        .post("/object/room/1/order", &json!({ "event_type": "booked", "attachment_id": own }))
        .problem(403, "forbidden");
    assert_eq!(names(&a.get("/object/room/1/effective?event_type=booked")), ["own", "shared", "other"]);
}

#[test]
fn an_attachment_is_read_by_its_id_with_the_version_for_its_next_change() {
    let server = TestServer::start();
    server.admin.post("/event-type", &json!({ "display_name": "booked" })).expect(201);
    let a = server.client_for("a", &["admin"]);
    let action = action(&a, "own");
    let id = attach(&a, &action, "room/1", json!({ "priority": 7, "reason": "why not" }));
    let path = format!("/action/{action}/object/{id}");
    let read = a.get(&path);
    assert_eq!((&read.expect(200)["priority"], &read.expect(200)["reason"]), (&json!(7), &json!("why not")));
    assert_eq!(read.header("etag"), "\"1\"");
    server.client_for("b", &["admin"]).get(&path).problem(404, "not_found");
    a.get(&format!("/action/{action}/object/01a1ff7d-875e-7388-ab52-e35ac67b46e8")).problem(404, "not_found");
}
