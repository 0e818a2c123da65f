//! Actions and event types over HTTP: create, read, list, change, roll back, delete, and every refusal.

use crate::support::{Answer, Client, ECHO, TestServer};
use serde_json::{Value, json};

/// A server with the module `noop` and a function that makes a body of an action.
fn server_with_module() -> (TestServer, String) {
    let server = TestServer::start();
    let digest = server.upload("noop");
    (server, digest)
}

fn id(answer: &Answer) -> String {
    answer.body["data"]["id"].as_str().unwrap().to_owned()
}

/// The members of `whole` that `part` names.
#[track_caller]
fn assert_has(whole: &Value, part: &Value) {
    for (name, value) in part.as_object().unwrap() {
        assert_eq!(&whole[name], value, "{name}");
    }
}

#[test]
fn an_action_is_created_with_its_defaults_and_read_back() {
    let (server, digest) = server_with_module();
    let created = server.admin.post("/action", &json!({ "name": "Tür öffnen", "module": digest }));
    let action = created.expect(201);
    assert_eq!(created.header("etag"), "\"1\"");
    let defaults = json!({
        "name": "Tür öffnen", "description": "", "module": digest, "owner_id": "", "enabled": true,
        "continue_on_fail": false, "parameters": [], "limits": {}, "version": 1, "created_by": "admin", "updated_by": "admin",
        "retry": { "attempts": 3, "base_ms": 5_000, "factor": 4, "cap_ms": 300_000 },
    });
    assert_has(action, &defaults);
    assert_eq!(action["created_at"], action["updated_at"]);
    let read = server.admin.get(&format!("/action/{}", id(&created)));
    assert_eq!((read.expect(200), read.header("etag")), (action, "\"1\""));
}

#[test]
fn an_action_keeps_everything_it_was_given() {
    let (server, digest) = server_with_module();
    let body = json!({
        "name": "all", "description": "of it", "module": digest, "enabled": false, "continue_on_fail": true,
        "parameters": [
            { "name": "a", "type": "STATIC", "value": { "x": [1, null] }, "locked": true },
            { "name": "b", "type": "DATA", "value": "/b", "required": false, "default": 3 },
        ],
        "retry": { "attempts": 20, "base_ms": 0, "factor": 1, "cap_ms": 86_400_000 },
        "limits": { "fuel": 1, "memory_bytes": 67_108_864, "timeout_ms": 10_000, "output_bytes": 1, "log_bytes": 262_144, "http_calls": 10, "http_bytes": 1 },
    });
    assert_has(server.admin.post("/action", &body).expect(201), &body);
}

#[test]
fn a_change_replaces_the_whole_action_as_a_new_version() {
    let (server, digest) = server_with_module();
    let action = server.action("first", &digest, json!({ "description": "old", "continue_on_fail": true }));
    let path = format!("/action/{action}");
    let changed = server.admin.put(&path, &json!({ "name": "second", "module": digest }));
    assert_has(
        changed.expect(200),
        &json!({ "name": "second", "description": "", "continue_on_fail": false, "version": 2 }),
    );
    assert_eq!(changed.header("etag"), "\"2\"");
    assert_eq!(server.admin.get(&path).expect(200), changed.expect(200));
    server.action("first", &digest, json!({})); // Its old name is free again.

    let versions = server.admin.get(&format!("{path}/version"));
    let numbers: Vec<_> = versions.expect(200).as_array().unwrap().iter().map(|v| v["version"].clone()).collect();
    assert_eq!(numbers, [json!(2), json!(1)]);
    assert_has(&versions.body["data"][1], &json!({ "name": "first", "description": "old", "continue_on_fail": true }));
}

#[test]
fn a_rollback_is_a_new_version_like_an_old_one() {
    let (server, digest) = server_with_module();
    let action = server.action("a", &digest, json!({ "description": "one" }));
    let path = format!("/action/{action}");
    server.admin.put(&path, &json!({ "name": "a", "module": digest, "description": "two" })).expect(200);
    let back = server.admin.post(&format!("{path}/rollback"), &json!({ "version": 1 }));
    assert_has(back.expect(200), &json!({ "version": 3, "description": "one" }));
    assert_eq!(server.admin.get(&path).expect(200)["description"], "one");
    assert_eq!(server.admin.get(&format!("{path}/version")).body["count"], 3);

    let missing = server.admin.post(&format!("{path}/rollback"), &json!({ "version": 9 }));
    missing.problem(422, "invalid_body");
    missing.points_at(&["/version"]);
    let late = server.admin.request("POST", &format!("{path}/rollback")).header("if-match", "\"1\"");
    late.json(&json!({ "version": 1 })).send().problem(412, "precondition_failed");
}

#[test]
fn a_rollback_to_a_module_that_is_gone_is_refused() {
    let (server, digest) = server_with_module();
    let echo = server.upload_bytes(ECHO);
    let path = format!("/action/{}", server.action("a", &echo, json!({})));
    server.admin.put(&path, &json!({ "name": "a", "module": digest })).expect(200);
    server.admin.delete(&format!("/module/{echo}")).expect(200);
    let back = server.admin.post(&format!("{path}/rollback"), &json!({ "version": 1 }));
    back.problem(422, "invalid_body");
    back.points_at(&["/module"]);
    assert_eq!(server.admin.get(&path).expect(200)["version"], 2);
}

#[test]
fn a_write_with_a_stale_etag_changes_nothing() {
    let (server, digest) = server_with_module();
    let action = server.action("a", &digest, json!({}));
    let event_type = server.event_type("t", &action, json!({}));
    let bodies = [
        (format!("/action/{action}"), json!({ "name": "a", "module": digest, "description": "new" })),
        (format!("/event-type/{event_type}"), json!({ "display_name": "t", "action": action, "description": "new" })),
    ];
    for (path, body) in bodies {
        let put = |etag: &str| server.admin.request("PUT", &path).header("if-match", etag).json(&body).send();
        for stale in ["\"2\"", "\"0\"", "W/\"1\"", "\"x\"", "\"2\", W/\"1\"", ""] {
            put(stale).problem(412, "precondition_failed");
        }
        for malformed in ["1", "\"1", "\"1\" \"2\"", "*, \"1\""] {
            put(malformed).problem(400, "bad_request");
        }
        assert_eq!(server.admin.get(&path).expect(200)["version"], 1, "{path}");
        assert_eq!(put("\"1\"").expect(200)["version"], 2);
        put("\"1\"").problem(412, "precondition_failed");
        assert_eq!(put("*").expect(200)["version"], 3);
        assert_eq!(put("\"7\", \"3\"").expect(200)["version"], 4);
        let fresh = server.admin.request("PUT", &path).header("if-none-match", "*");
        fresh.json(&body).send().problem(412, "precondition_failed");
    }
}

/// A delete did not look at `If-Match`: what somebody else had just changed was deleted unseen.
#[test]
fn a_delete_with_a_stale_etag_deletes_nothing() {
    let (server, digest) = server_with_module();
    let action = server.action("a", &digest, json!({}));
    let event_type = server.event_type("t", &action, json!({}));
    for path in [format!("/event-type/{event_type}"), format!("/action/{action}")] {
        let delete = |etag: &str| server.admin.request("DELETE", &path).header("if-match", etag).send();
        delete("\"2\"").problem(412, "precondition_failed");
        server.admin.get(&path).expect(200);
        delete("\"1\"").expect(200);
        server.admin.get(&path).problem(404, "not_found");
    }
}

#[test]
fn of_two_changes_at_once_with_one_etag_one_is_made() {
    let (server, digest) = server_with_module();
    let path = format!("/action/{}", server.action("a", &digest, json!({})));
    let put = |number: usize| {
        let body = json!({ "name": "a", "module": digest, "description": number.to_string() });
        server.admin.request("PUT", &path).header("if-match", "\"1\"").json(&body).send().status
    };
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|number| scope.spawn(move || put(number))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 412).count(), 7, "{statuses:?}");
    assert_eq!(server.admin.get(&format!("{path}/version")).body["count"], 2);
}

/// Posts a body made from a good one with `field` replaced; it must be refused there, and nothing kept.
#[track_caller]
fn refused_at(client: &Client, route: &str, good: &Value, (field, value): (&str, Value), pointers: &[&str]) {
    let mut body = good.clone();
    body[field] = value;
    let answer = client.post(route, &body);
    answer.problem(422, "invalid_body");
    answer.points_at(pointers);
    assert_eq!(client.get(route).body["count"], 0, "it was kept");
}

#[test]
fn an_action_with_a_fault_is_refused_where_the_fault_is() {
    let (server, digest) = server_with_module();
    let good = json!({ "name": "a", "module": digest });
    let refused = |fault, pointers: &[&str]| refused_at(&server.admin, "/action", &good, fault, pointers);
    for name in ["", " a", "a ", "a\nb", "a\u{7}", &"ä".repeat(129)] {
        refused(("name", json!(name)), &["/name"]);
    }
    refused(("name", json!(7)), &["/name"]);
    refused(("unknown", json!(7)), &["/unknown"]);
    refused(("description", json!("x".repeat(10_001))), &["/description"]);
    for module in ["nobody", "nobody@1", &format!("sha256:{}", "0".repeat(64)), "A", "a@1/2"] {
        refused(("module", json!(module)), &["/module"]);
    }
    for (retry, field) in [
        (json!({ "attempts": 0 }), "attempts"),
        (json!({ "attempts": 21 }), "attempts"),
        (json!({ "base_ms": 86_400_001 }), "base_ms"),
        (json!({ "factor": 0 }), "factor"),
        (json!({ "factor": 101 }), "factor"),
        (json!({ "cap_ms": 86_400_001 }), "cap_ms"),
        (json!({ "attempts": -1 }), "attempts"),
        (json!({ "tries": 1 }), "tries"),
    ] {
        refused(("retry", retry), &[&format!("/retry/{field}")]);
    }
    for (field, widest) in [
        ("fuel", 1_000_000_000_u64),
        ("memory_bytes", 67_108_864),
        ("timeout_ms", 10_000),
        ("output_bytes", 1_048_576),
        ("log_bytes", 262_144),
        ("http_calls", 10),
        ("http_bytes", 4_194_304),
        ("kv_bytes", 1_048_576),
        ("emitted_events", 32),
    ] {
        refused(("limits", json!({ field: widest + 1 })), &[&format!("/limits/{field}")]);
        refused(("limits", json!({ field: 0 })), &[&format!("/limits/{field}")]);
    }
    refused(("limits", json!({ "fuel": 0, "log_bytes": 0 })), &["/limits/fuel", "/limits/log_bytes"]);
    refused(("limits", json!({ "cpu": 1 })), &["/limits/cpu"]);
}

#[test]
fn a_parameter_with_a_fault_is_refused_where_the_fault_is() {
    let (server, digest) = server_with_module();
    let good = json!({ "name": "a", "module": digest });
    let one = |name: &str| json!({ "name": name, "type": "STATIC", "value": 1 });
    let refused = |parameters: Value, pointers: &[&str]| {
        refused_at(&server.admin, "/action", &good, ("parameters", parameters), pointers);
    };
    refused(json!([one("")]), &["/parameters/0/name"]);
    refused(json!([one(&"x".repeat(129))]), &["/parameters/0/name"]);
    refused(json!([one("x"), one("y"), one("x")]), &["/parameters/2/name"]);
    let many: Vec<Value> = (0..101).map(|number| one(&number.to_string())).collect();
    refused(json!(many), &["/parameters"]);
    for broken in [
        json!({ "name": "x", "type": "SECRETLY", "value": 1 }),
        json!({ "name": "x", "type": "DATA", "value": 1 }),
        json!({ "name": "x" }),
    ] {
        let answer = server.admin.post("/action", &json!({ "name": "a", "module": digest, "parameters": [broken] }));
        answer.problem(422, "invalid_body");
        let pointer = answer.body["errors"][0]["pointer"].as_str().unwrap();
        assert!(pointer.starts_with("/parameters/0"), "{}", answer.text);
    }
    let body = json!({ "name": "a", "module": digest, "parameters": many[..100].to_vec() });
    server.admin.post("/action", &body).expect(201);
}

/// A member of a parameter that nobody knows, such as a mistyped `requird`, was passed over in silence, unlike
/// everywhere else.
#[test]
fn an_unknown_member_of_a_parameter_is_refused() {
    let (server, digest) = server_with_module();
    let parameter = json!({ "name": "x", "type": "DATA", "value": "x", "requird": false });
    let answer = server.admin.post("/action", &json!({ "name": "a", "module": digest, "parameters": [parameter] }));
    answer.problem(422, "invalid_body");
    assert!(answer.detail().contains("requird"), "{}", answer.text);
}

#[test]
fn what_is_not_json_or_not_an_object_is_refused_as_such() {
    let server = TestServer::start();
    let send = |body: &str| server.admin.request("POST", "/action").bytes(body).send();
    for body in ["", "{", "{\"name\": }", "nonsense", "{\"name\": \"a\", \"module\": \"b\"} {}"] {
        send(body).problem(400, "invalid_json");
    }
    for body in ["[]", "7", "null", "\"a\""] {
        send(body).problem(422, "invalid_body");
    }
    let missing = send("{}");
    missing.problem(422, "invalid_body");
    assert!(missing.detail().contains("missing field `name`"), "{}", missing.detail());
}

#[test]
fn a_name_is_taken_whatever_its_case() {
    let (server, digest) = server_with_module();
    let action = server.action("Door", &digest, json!({}));
    server.admin.post("/action", &json!({ "name": "dOOR", "module": digest })).problem(409, "name_taken");
    let other = server.action("window", &digest, json!({}));
    server
        .admin
        .put(&format!("/action/{other}"), &json!({ "name": "DOOR", "module": digest }))
        .problem(409, "name_taken");
    server.admin.put(&format!("/action/{action}"), &json!({ "name": "DOOR", "module": digest })).expect(200);

    let event_type = server.event_type("Booked", &action, json!({}));
    server.admin.post("/event-type", &json!({ "display_name": "bOOKED" })).problem(409, "name_taken");
    server.admin.put(&format!("/event-type/{event_type}"), &json!({ "display_name": "BOOKED" })).expect(200);
    assert_eq!(server.admin.get("/event-type/booked").expect(200)["id"], event_type.as_str());
}

#[test]
fn tenants_may_use_the_same_names_but_not_the_shared_ones() {
    let (server, digest) = server_with_module();
    let (a, b) = (server.client_for("a", &["read", "write"]), server.client_for("b", &["read", "write"]));
    for client in [&a, &b] {
        client.post("/action", &json!({ "name": "same", "module": digest })).expect(201);
        client.post("/event-type", &json!({ "display_name": "same" })).expect(201);
    }
    server.admin.post("/event-type", &json!({ "display_name": "SAME" })).problem(409, "name_taken");
    server.event_type("shared", &server.action("shared", &digest, json!({})), json!({}));
    a.post("/event-type", &json!({ "display_name": "Shared" })).problem(409, "name_taken");
}

/// A shared event type could be renamed to a name that a tenant had. Both then existed, and the next start refused the
/// whole data folder because its catalogue contradicted itself.
#[test]
fn a_shared_event_type_is_not_renamed_to_what_a_tenant_has() {
    let mut server = TestServer::start();
    let a = server.client_for("a", &["read", "write"]);
    a.post("/event-type", &json!({ "display_name": "mine" })).expect(201);
    let shared = server.admin.post("/event-type", &json!({ "display_name": "ours" }));
    let path = format!("/event-type/{}", id(&shared));
    server.admin.put(&path, &json!({ "display_name": "Mine" })).problem(409, "name_taken");
    server.admin.put(&path, &json!({ "display_name": "OURS" })).expect(200);
    server.restart();
    assert_eq!(server.admin.get("/event-type").body["count"], 2);
}

#[test]
fn an_event_type_is_created_read_changed_and_deleted() {
    let (server, digest) = server_with_module();
    let action = server.action("a", &digest, json!({}));
    let body = json!({
        "display_name": "booking_created", "description": "somebody booked", "sink_type": "wasm", "action": action,
        "enabled": false, "parameters": [{ "name": "p", "type": "STATIC", "value": "v" }],
        "payload_schema": { "type": "object" },
    });
    let created = server.admin.post("/event-type", &body);
    assert_has(created.expect(201), &body);
    assert_has(created.expect(201), &json!({ "version": 1, "created_by": "admin", "owner_id": "" }));
    assert_eq!(created.header("etag"), "\"1\"");
    for reference in [id(&created), "booking_created".to_owned(), "BOOKING_created".to_owned()] {
        assert_eq!(server.admin.get(&format!("/event-type/{reference}")).expect(200), created.expect(201));
    }
    let changed = server.admin.put("/event-type/booking_created", &json!({ "display_name": "booked" }));
    let blank = json!({ "display_name": "booked", "description": "", "action": null, "enabled": true, "parameters": [], "payload_schema": null, "version": 2, "id": id(&created) });
    assert_has(changed.expect(200), &blank);
    server.admin.get("/event-type/booking_created").problem(404, "not_found");
    server.admin.delete("/event-type/booked").expect(200);
    server.admin.get("/event-type/booked").problem(404, "not_found");
    server.admin.delete("/event-type/booked").problem(404, "not_found");
}

#[test]
fn an_event_type_with_a_fault_is_refused_where_the_fault_is() {
    let server = TestServer::start();
    let good = json!({ "display_name": "t" });
    let refused = |fault, pointers: &[&str]| refused_at(&server.admin, "/event-type", &good, fault, pointers);
    for name in ["", "1a", "_a", "a b", "ä", "a/b", &"a".repeat(65)] {
        refused(("display_name", json!(name)), &["/display_name"]);
    }
    refused(("displayname", json!("x")), &["/displayname"]);
    refused(("sink_type", json!("gpu")), &["/sink_type"]);
    refused(("action", json!("01a1ff7d-875e-7388-ab52-e35ac67b46e8")), &["/action"]);
    refused(("action", json!("not an id")), &["/action"]);
    refused(("payload_schema", json!({ "type": "nonsense" })), &["/payload_schema"]);
    refused(("payload_schema", json!({ "$ref": "https://example.com/schema" })), &["/payload_schema"]);
    refused(("payload_schema", json!({ "pattern": "(" })), &["/payload_schema"]);
    refused(("description", json!("x".repeat(10_001))), &["/description"]);
    server.admin.post("/event-type", &json!({ "display_name": "a".repeat(64) })).expect(201);
}

#[test]
fn a_parameter_that_the_action_locks_is_the_actions_alone() {
    let (server, digest) = server_with_module();
    let locking = json!({ "parameters": [{ "name": "to", "type": "STATIC", "value": "me", "locked": true }] });
    let action = server.action("a", &digest, locking);
    let body = |name: &str| {
        json!({ "display_name": "t", "action": action, "parameters": [
        { "name": "other", "type": "STATIC", "value": 1 }, { "name": name, "type": "STATIC", "value": "you" }] })
    };
    let answer = server.admin.post("/event-type", &body("to"));
    answer.problem(409, "parameter_locked");
    answer.points_at(&["/parameters/1/name"]);
    server.admin.post("/event-type", &body("from")).expect(201);
    server.admin.put("/event-type/t", &body("to")).problem(409, "parameter_locked");
}

/// Locking a parameter that an event type gave already was accepted, and the event type's value went on winning.
#[test]
fn a_parameter_is_not_locked_while_an_event_type_gives_it() {
    let (server, digest) = server_with_module();
    let action = server.action("a", &digest, json!({}));
    server.event_type("t", &action, json!({ "parameters": [{ "name": "to", "type": "STATIC", "value": "you" }] }));
    let locked = json!({ "name": "a", "module": digest, "parameters": [
        { "name": "to", "type": "STATIC", "value": "me", "locked": true }] });
    let answer = server.admin.put(&format!("/action/{action}"), &locked);
    answer.problem(409, "parameter_locked");
    answer.points_at(&["/parameters/0/locked"]);
    assert!(answer.detail().contains("`t`"), "{}", answer.detail());
    server.admin.delete("/event-type/t").expect(200);
    server.admin.put(&format!("/action/{action}"), &locked).expect(200);
}

#[test]
fn a_linked_action_is_deleted_by_force_only() {
    let (server, digest) = server_with_module();
    let action = server.action("a", &digest, json!({}));
    for name in ["one", "two"] {
        server.event_type(name, &action, json!({}));
    }
    let path = format!("/action/{action}");
    let answer = server.admin.delete(&path);
    answer.problem(409, "in_use");
    assert!(answer.detail().contains("`one`") && answer.detail().contains("`two`"), "{}", answer.detail());
    server.admin.delete(&format!("{path}?force=false")).problem(409, "in_use");
    server.admin.delete(&format!("{path}?force=perhaps")).problem(400, "bad_request");
    server.admin.delete(&format!("{path}?force=true")).expect(200);
    server.admin.get(&path).problem(404, "not_found");
    for name in ["one", "two"] {
        let event_type = server.admin.get(&format!("/event-type/{name}"));
        assert_has(event_type.expect(200), &json!({ "action": null, "version": 2 }));
    }
    let event = server.fire_and_wait("one", json!({}));
    assert_has(&event, &json!({ "state": "SUCCESS", "message": "no action is bound to it", "runs": [] }));
}

#[test]
fn history_keeps_the_names_it_had() {
    let (server, digest) = server_with_module();
    let action = server.action("before", &digest, json!({}));
    server.event_type("fired_before", &action, json!({}));
    let event = server.fire_and_wait("fired_before", json!({}));
    server.admin.put(&format!("/action/{action}"), &json!({ "name": "after", "module": digest })).expect(200);
    server.admin.put("/event-type/fired_before", &json!({ "display_name": "after", "action": action })).expect(200);
    server.admin.delete("/event-type/after").expect(200);
    server.admin.delete(&format!("/action/{action}")).expect(200);
    let kept = server.event(event["id"].as_str().unwrap());
    assert_eq!(kept, event);
    assert_eq!((&kept["event_type"], &kept["runs"][0]["action"]), (&json!("fired_before"), &json!("before")));
}

#[test]
fn a_run_uses_the_version_that_was_in_force_when_its_event_fired() {
    let (server, digest) = server_with_module();
    let action = server.action("a", &digest, json!({}));
    server.event_type("t", &action, json!({}));
    assert_eq!(server.fire_and_wait("t", json!({}))["runs"][0]["version"], 1);
    let echo = server.upload_bytes(ECHO);
    server.admin.put(&format!("/action/{action}"), &json!({ "name": "a", "module": echo })).expect(200);
    let run = server.fire_and_wait("t", json!({}))["runs"][0].clone();
    assert_eq!((&run["version"], &run["module"]), (&json!(2), &json!(echo)));
}

#[test]
fn lists_are_searched_and_sorted() {
    let (server, digest) = server_with_module();
    for (name, description) in [("Beta", "second"), ("alpha", "First"), ("gamma", "the third")] {
        server.action(name, &digest, json!({ "description": description }));
    }
    let names = |query: &str| -> Vec<String> {
        let answer = server.admin.get(&format!("/action{query}"));
        answer.expect(200).as_array().unwrap().iter().map(|a| a["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(""), ["alpha", "Beta", "gamma"]);
    assert_eq!(names("?sort=-name"), ["gamma", "Beta", "alpha"]);
    assert_eq!(names("?sort=created_at"), ["Beta", "alpha", "gamma"]);
    assert_eq!(names("?sort=-updated_at"), ["gamma", "alpha", "Beta"]);
    assert_eq!(names("?q=ALPH"), ["alpha"]);
    assert_eq!(names("?q=first"), ["alpha"]);
    assert_eq!(names("?q=nothing"), [""; 0]);
    assert_eq!(names("?owner_id=somebody"), [""; 0]);
    assert_eq!(names("?owner_id="), ["alpha", "Beta", "gamma"]);
}

#[test]
fn paging_gives_every_item_exactly_once() {
    let (server, digest) = server_with_module();
    let mut expected: Vec<String> = (0..25).map(|number| format!("a{number:02}")).collect();
    for name in &expected {
        server.action(name, &digest, json!({}));
        server.admin.post("/event-type", &json!({ "display_name": name })).expect(201);
    }
    for (route, field) in [("/action", "name"), ("/event-type", "display_name")] {
        for limit in [1, 7, 24, 25, 26, 200] {
            for sort in ["name", "-name", "created_at", "-created_at", "updated_at"] {
                let items = server.admin.pages(&format!("{route}?limit={limit}&sort={sort}"));
                let mut names: Vec<&str> = items.iter().map(|item| item[field].as_str().unwrap()).collect();
                names.sort_unstable();
                assert_eq!(names, expected, "{route} {limit} {sort}");
            }
        }
    }
    // What comes and goes between two pages moves nothing else.
    let first = server.admin.get("/action?limit=10");
    let (removed, cursor) = (first.body["data"][3]["id"].as_str().unwrap(), first.body["next"].as_str().unwrap());
    server.admin.delete(&format!("/action/{removed}")).expect(200);
    server.action("a00 new", &digest, json!({}));
    let rest = server.admin.get(&format!("/action?limit=200&cursor={cursor}"));
    let rest: Vec<&str> = rest.expect(200).as_array().unwrap().iter().map(|a| a["name"].as_str().unwrap()).collect();
    assert_eq!(rest, expected.split_off(10));
}

#[test]
fn a_list_that_is_asked_wrongly_says_so() {
    let server = TestServer::start();
    for route in ["/action", "/event-type", "/module", "/token", "/event", "/run"] {
        for query in
            ["limit=0", "limit=201", "limit=-1", "limit=x", "sort=size", "cursor=nonsense", "cursor=AAAA", "nam=x"]
        {
            let answer = server.admin.get(&format!("{route}?{query}"));
            answer.problem(400, "bad_request");
            assert!(answer.detail().contains(query.split('=').next().unwrap()), "{route}?{query}: {}", answer.detail());
        }
        server.admin.get(&format!("{route}?limit=1")).expect(200);
        server.admin.get(&format!("{route}?limit=200")).expect(200);
    }
}

#[test]
fn what_is_not_there_is_not_found() {
    let server = TestServer::start();
    let nobody = "01a1ff7d-875e-7388-ab52-e35ac67b46e8";
    for id in [nobody, "not-an-id", "..%2f..", "%00"] {
        server.admin.get(&format!("/action/{id}")).problem(404, "not_found");
        server.admin.get(&format!("/action/{id}/version")).problem(404, "not_found");
        server.admin.delete(&format!("/action/{id}")).problem(404, "not_found");
        server.admin.get(&format!("/event-type/{id}")).problem(404, "not_found");
        server.admin.post(&format!("/action/{id}/rollback"), &json!({ "version": 1 })).problem(404, "not_found");
    }
}

#[test]
fn the_catalogue_is_the_same_after_a_restart() {
    let mut server = TestServer::start();
    server.install("a", "noop", json!({ "parameters": [{ "name": "p", "type": "STATIC", "value": [1] }] }));
    let read = |server: &TestServer| {
        let mut lists =
            ["/module", "/action", "/event-type", "/token"].map(|r| server.admin.get(r).body["data"].clone());
        // When a token was used is known since the start only.
        assert!(lists[3][0].as_object_mut().unwrap().remove("last_used_at").is_some());
        lists
    };
    let before = read(&server);
    let dump = server.dump();
    server.restart();
    assert_eq!(read(&server), before);
    assert_eq!(server.dump(), dump);
}
