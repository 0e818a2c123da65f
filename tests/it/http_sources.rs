//! Source types and sources: who may fire what, and what a source's credential is good for.

use crate::support::{Client, TestServer};
use serde_json::{Value, json};

/// Two source types, each with an event type and a source of its own; and an event type that names none.
struct World {
    server: TestServer,
    door: Client,
    cash: Client,
}

impl World {
    fn new() -> World {
        let server = TestServer::start();
        let make = |kind: &str| {
            server.admin.post("/source-type", &json!({ "name": kind })).expect(201);
            let event_type = json!({ "display_name": format!("{kind}.used"), "source_type": kind });
            server.admin.post("/event-type", &event_type).expect(201);
            let source = server.admin.post("/source", &json!({ "name": format!("{kind}-1"), "source_type": kind }));
            server.admin.with_token(source.expect(201)["token"].as_str().unwrap())
        };
        let (door, cash) = (make("door"), make("cash"));
        server.admin.post("/event-type", &json!({ "display_name": "open.to.all" })).expect(201);
        World { server, door, cash }
    }
}

fn fire(client: &Client, event_type: &str) -> crate::support::Answer {
    client.post("/event", &json!({ "event_type": event_type }))
}

#[test]
fn a_source_type_is_created_read_listed_changed_and_deleted() {
    let mut server = TestServer::start();
    let made = server.admin.post("/source-type", &json!({ "name": "door", "description": "readers at doors" }));
    let data = made.expect(201).clone();
    assert_eq!((&data["name"], &data["description"]), (&json!("door"), &json!("readers at doors")));
    assert_eq!((&data["owner_id"], &data["version"], &data["created_by"]), (&json!(""), &json!(1), &json!("admin")));
    assert_eq!(made.header("etag"), "\"1\"");
    let path = format!("/source-type/{}", data["id"].as_str().unwrap());
    for reference in [path.as_str(), "/source-type/door", "/source-type/DOOR"] {
        assert_eq!(server.admin.get(reference).expect(200), &data);
    }
    server.admin.post("/source-type", &json!({ "name": "Door" })).problem(409, "name_taken");
    let put = |etag: &str| {
        let request = server.admin.request("PUT", &path).header("if-match", etag);
        request.json(&json!({ "name": "gate" })).send()
    };
    put("\"2\"").problem(412, "precondition_failed");
    assert_eq!(put("\"1\"").expect(200)["version"], 2);
    server.admin.get("/source-type/door").problem(404, "not_found");
    server.restart();
    assert_eq!(server.admin.get("/source-type?q=GAT").expect(200)[0]["name"], "gate");
    assert_eq!(server.admin.get("/source-type?q=door").body["count"], 0);
    let stale = server.admin.request("DELETE", &path).header("if-match", "\"1\"").send();
    stale.problem(412, "precondition_failed");
    server.admin.delete(&path).expect(200);
    server.admin.delete(&path).problem(404, "not_found");
}

#[test]
fn what_is_wrong_with_a_source_type_or_a_source_is_pointed_at() {
    let server = TestServer::start();
    server.admin.post("/source-type", &json!({ "name": "door" })).expect(201);
    for (route, field, value) in [
        ("/source-type", "name", json!("1door")),
        ("/source-type", "name", json!("x".repeat(65))),
        ("/source-type", "unknown", json!(1)),
        ("/source-type", "description", json!("x".repeat(10_001))),
        ("/source-type", "owner_id", json!("Not A Tenant")),
        ("/source", "name", json!("")),
        ("/source", "source_type", json!("window")),
        ("/source", "source_type", json!("01a1ff7d-875e-7388-ab52-e35ac67b46e8")),
        ("/source", "enabled", json!("yes")),
        ("/source", "token", json!("fbs_mine")),
    ] {
        let mut body =
            if route == "/source" { json!({ "name": "s", "source_type": "door" }) } else { json!({ "name": "t" }) };
        body[field] = value;
        let refused = server.admin.post(route, &body);
        refused.problem(422, "invalid_body");
        refused.points_at(&[&format!("/{field}")]);
    }
    assert_eq!(
        (&server.admin.get("/source").body["count"], &server.admin.get("/source-type").body["count"]),
        (&json!(0), &json!(1))
    );
    let event_type = server.admin.post("/event-type", &json!({ "display_name": "t", "source_type": "window" }));
    event_type.problem(422, "invalid_body");
    event_type.points_at(&["/source_type"]);
    server
        .admin
        .post("/source-type", &json!({ "name": "x".repeat(64), "description": "x".repeat(10_000) }))
        .expect(201);
}

#[test]
fn a_source_fires_event_types_of_its_source_type_and_the_event_says_so() {
    let World { server, door, .. } = &World::new();
    let source = server.admin.get("/source/door-1").expect(200).clone();
    let fired = fire(door, "door.used");
    let event = fired.expect(202);
    assert_eq!((&event["origin"], &event["created_by"]), (&json!("source"), &json!("door-1")));
    assert_eq!(event["source_id"], source["id"]);
    let shorthand = door.request("POST", "/trigger/door.used").header("prefer", "wait=60").bytes("{}").send();
    assert_eq!(shorthand.expect(200)["source_id"], source["id"]);
    let own = fire(&server.admin, "open.to.all");
    assert_eq!((&own.expect(202)["source_id"], &own.body["data"]["origin"]), (&Value::Null, &json!("api")));
}

#[test]
fn a_source_fires_nothing_else() {
    let World { server, door, cash } = &World::new();
    let before = server.dump();
    for (client, event_type) in [(door, "cash.used"), (cash, "door.used"), (door, "open.to.all")] {
        let refused = fire(client, event_type);
        refused.problem(403, "source_type_not_allowed");
        assert!(refused.detail().contains(event_type), "{}", refused.detail());
        let shorthand = client.request("POST", &format!("/trigger/{event_type}")).send();
        shorthand.problem(403, "source_type_not_allowed");
    }
    fire(door, "never.made").problem(404, "not_found");
    assert_eq!(server.dump(), before);
}

#[test]
fn what_names_a_source_type_is_fired_by_its_sources_and_admins_only() {
    let World { server, .. } = &World::new();
    let before = server.dump().lines().count();
    let caller = server.client_for("", &["read", "write", "execute"]);
    fire(&caller, "door.used").problem(403, "source_type_not_allowed");
    caller.request("POST", "/trigger/door.used").send().problem(403, "source_type_not_allowed");
    fire(&caller, "open.to.all").expect(202);
    fire(&server.admin, "door.used").expect(202);
    assert!(server.dump().lines().count() > before);
    // And when it names none any more, everybody may who may fire at all, and sources may not.
    server.admin.put("/event-type/door.used", &json!({ "display_name": "door.used" })).expect(200);
    fire(&caller, "door.used").expect(202);
}

#[test]
fn a_disabled_source_fires_nothing_until_it_is_enabled() {
    let World { server, door, .. } = &World::new();
    let put = |enabled: bool| {
        let body = json!({ "name": "door-1", "source_type": "door", "enabled": enabled });
        server.admin.put("/source/door-1", &body).expect(200).clone()
    };
    assert_eq!(put(false)["enabled"], false);
    fire(door, "door.used").problem(403, "source_disabled");
    door.request("POST", "/trigger/door.used").send().problem(403, "source_disabled");
    put(true);
    fire(door, "door.used").expect(202);
}

#[test]
fn a_sources_token_is_shown_once_and_only_its_newest_works() {
    let mut server = TestServer::start();
    server.admin.post("/source-type", &json!({ "name": "door" })).expect(201);
    server.admin.post("/event-type", &json!({ "display_name": "door.used", "source_type": "door" })).expect(201);
    let made = server.admin.post("/source", &json!({ "name": "s", "source_type": "door" }));
    let first = made.expect(201)["token"].as_str().unwrap().to_owned();
    assert!(first.starts_with("fbs_") && first.len() == 47, "{first}");
    let shown = server.admin.get("/source/s").text + &server.admin.get("/source").text;
    assert!(!shown.contains("token") && !shown.contains("hash"), "{shown}");
    let changed = server.admin.put("/source/s", &json!({ "name": "t", "source_type": "door" }));
    assert!(changed.expect(200).get("token").is_none());
    fire(&server.admin.with_token(&first), "door.used").expect(202);

    let stale = server.admin.request("POST", "/source/t/token").header("if-match", "\"1\"").send();
    stale.problem(412, "precondition_failed");
    let rotated = server.admin.request("POST", "/source/t/token").send();
    assert_eq!((&rotated.expect(200)["version"], rotated.header("etag")), (&json!(3), "\"3\""));
    let second = rotated.body["data"]["token"].as_str().unwrap().to_owned();
    server.restart();
    fire(&server.admin.with_token(&first), "door.used").problem(401, "unauthorized");
    fire(&server.admin.with_token(&second), "door.used").expect(202);
    assert!(!server.dump().contains(&first) && !server.dump().contains(&second));
}

#[test]
fn a_deleted_sources_token_is_dead_at_once_and_its_events_stay() {
    let World { server, door, .. } = &World::new();
    let event = fire(door, "door.used").expect(202)["id"].as_str().unwrap().to_owned();
    let stale = server.admin.request("DELETE", "/source/door-1").header("if-match", "\"9\"").send();
    stale.problem(412, "precondition_failed");
    let deleted = server.admin.delete("/source/door-1").expect(200).clone();
    fire(door, "door.used").problem(401, "unauthorized");
    let event = server.event(&event);
    assert_eq!((&event["created_by"], &event["source_id"]), (&json!("door-1"), &deleted["id"]));
}

#[test]
fn a_source_type_in_use_is_not_deleted() {
    let World { server, .. } = &World::new();
    let refused = server.admin.delete("/source-type/door");
    refused.problem(409, "in_use");
    assert!(refused.detail().contains("the source `door-1`"), "{}", refused.detail());
    assert!(refused.detail().contains("the event type `door.used`"), "{}", refused.detail());
    server.admin.delete("/source/door-1").expect(200);
    let refused = server.admin.delete("/source-type/door");
    refused.problem(409, "in_use");
    assert!(!refused.detail().contains("door-1"), "{}", refused.detail());
    server.admin.delete("/event-type/door.used").expect(200);
    server.admin.delete("/source-type/door").expect(200);
}

#[test]
fn who_fires_what_holds_across_a_restart() {
    let World { mut server, door, .. } = World::new();
    server.restart();
    let door = door.at(&server);
    fire(&door, "door.used").expect(202);
    fire(&door, "open.to.all").problem(403, "source_type_not_allowed");
    assert_eq!(server.admin.get("/event-type/door.used").expect(200)["source_type"], "door");
    assert_eq!(server.admin.get("/source/door-1").expect(200)["source_type"], "door");
}

#[test]
fn a_tenants_source_fires_the_tenants_event_types_and_shared_ones() {
    let server = TestServer::start();
    server.admin.post("/source-type", &json!({ "name": "shared" })).expect(201);
    server.admin.post("/event-type", &json!({ "display_name": "everybodys", "source_type": "shared" })).expect(201);
    let (a, b) = (server.client_for("a", &["admin"]), server.client_for("b", &["admin"]));
    a.post("/source-type", &json!({ "name": "own" })).expect(201);
    b.post("/source-type", &json!({ "name": "own" })).expect(201);
    a.post("/source-type", &json!({ "name": "Shared" })).problem(409, "name_taken");
    let source = |client: &Client, name: &str, kind: &str| {
        let made = client.post("/source", &json!({ "name": name, "source_type": kind }));
        server.admin.with_token(made.expect(201)["token"].as_str().unwrap())
    };
    for client in [&a, &b] {
        client.post("/event-type", &json!({ "display_name": "mine", "source_type": "own" })).expect(201);
    }
    let (own, shared) = (source(&a, "s", "own"), source(&a, "t", "shared"));
    assert_eq!(fire(&own, "mine").expect(202)["owner_id"], "a");
    assert_eq!(fire(&shared, "everybodys").expect(202)["owner_id"], "a");
    fire(&own, "everybodys").problem(403, "source_type_not_allowed");
    fire(&shared, "mine").problem(403, "source_type_not_allowed");
    let for_other = own.post("/event", &json!({ "event_type": "mine", "owner_id": "b" }));
    for_other.problem(403, "forbidden");
    // What is shared names nothing that is one tenant's, and a tenant nothing that is another's.
    let theirs = b.get("/source-type/own").expect(200)["id"].clone();
    for client in [&a, &server.admin] {
        let refused = client.post("/source", &json!({ "name": "x", "source_type": theirs }));
        refused.problem(422, "invalid_body");
        refused.points_at(&["/source_type"]);
        let refused = client.post("/event-type", &json!({ "display_name": "x", "source_type": theirs }));
        refused.problem(422, "invalid_body");
        refused.points_at(&["/source_type"]);
    }
    // The platform's source serves every tenant.
    let platform = source(&server.admin, "p", "shared");
    let given = platform.post("/event", &json!({ "event_type": "everybodys", "owner_id": "b" }));
    assert_eq!(given.expect(202)["owner_id"], "b");
    // A shared source type is not a tenant's to change.
    a.put("/source-type/shared", &json!({ "name": "taken" })).problem(403, "forbidden");
    a.delete("/source-type/shared").problem(403, "forbidden");
    a.post("/source-type", &json!({ "name": "x", "owner_id": "b" })).problem(403, "forbidden");
    let moved = server.admin.put("/source-type/shared", &json!({ "name": "shared", "owner_id": "a" }));
    moved.problem(422, "invalid_body");
    moved.points_at(&["/owner_id"]);
}
