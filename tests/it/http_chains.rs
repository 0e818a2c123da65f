//! Chains: what fires when a run has ended, over HTTP.

use crate::support::{Answer, ECHO, TestServer};
use serde_json::{Value, json};

/// A server with the module that hands its payload back.
struct World {
    server: TestServer,
    echo: String,
}

impl World {
    fn new() -> World {
        let server = TestServer::start();
        let echo = server.upload_bytes(ECHO);
        World { server, echo }
    }

    /// An event type that runs nothing yet; its id.
    fn event_type(&self, name: &str) -> String {
        let made = self.server.admin.post("/event-type", &json!({ "display_name": name }));
        made.expect(201)["id"].as_str().unwrap().to_owned()
    }

    /// Sends an action with `more` fields.
    fn post_action(&self, name: &str, more: Value) -> Answer {
        let mut body = json!({ "name": name, "module": self.echo });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.server.admin.post("/action", &body)
    }

    fn put_action(&self, id: &str, name: &str, more: Value) -> Answer {
        let mut body = json!({ "name": name, "module": self.echo });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.server.admin.put(&format!("/action/{id}"), &body)
    }

    /// An action with `more` fields; its id.
    #[track_caller]
    fn action(&self, name: &str, more: Value) -> String {
        self.post_action(name, more).expect(201)["id"].as_str().unwrap().to_owned()
    }

    fn link(&self, event_type: &str, action: &str) -> Answer {
        let body = json!({ "display_name": event_type, "action": action });
        self.server.admin.put(&format!("/event-type/{event_type}"), &body)
    }
}

#[test]
fn what_follows_is_named_by_display_name_or_id_and_kept_as_the_name() {
    let world = World::new();
    let (done, _) = (world.event_type("Done"), world.event_type("failed"));
    let made = world.post_action("a", json!({ "on_success": done, "on_failure": "FAILED" }));
    let action = made.expect(201);
    assert_eq!((&action["on_success"], &action["on_failure"]), (&json!("Done"), &json!("failed")));
    let path = format!("/action/{}", action["id"].as_str().unwrap());
    assert_eq!(world.server.admin.get(&path).expect(200)["on_success"], "Done");
    let blank = world.put_action(&path[8..], "a", json!({ "on_success": "", "on_failure": null }));
    assert_eq!((&blank.expect(200)["on_success"], &blank.body["data"]["on_failure"]), (&Value::Null, &Value::Null));
    let back = world.server.admin.post(&format!("{path}/rollback"), &json!({ "version": 1 }));
    assert_eq!((&back.expect(200)["on_success"], &back.body["data"]["version"]), (&json!("Done"), &json!(3)));
}

#[test]
fn what_follows_must_be_an_event_type_that_the_owner_sees() {
    let world = World::new();
    world.event_type("shared");
    let of_a = json!({ "display_name": "of_a", "owner_id": "a" });
    let of_a = world.server.admin.post("/event-type", &of_a).expect(201)["id"].as_str().unwrap().to_owned();
    for (body, pointers) in [
        (json!({ "on_success": "nobody" }), &["/on_success"][..]),
        (json!({ "on_success": "no name", "on_failure": "nobody" }), &["/on_success", "/on_failure"]),
        (json!({ "on_failure": "00000000-0000-7000-8000-000000000000" }), &["/on_failure"]),
        // The platform sees every tenant's, but what it shares runs for all of them.
        (json!({ "on_success": "of_a" }), &["/on_success"]),
        (json!({ "on_success": of_a, "owner_id": "b" }), &["/on_success"]),
    ] {
        let refused = world.post_action("x", body);
        refused.problem(422, "invalid_body");
        refused.points_at(pointers);
    }
    world.action("own", json!({ "on_success": of_a, "on_failure": "shared", "owner_id": "a" }));
    let changed = world.put_action(&world.action("y", json!({})), "y", json!({ "on_failure": "of_a" }));
    changed.problem(422, "invalid_body");
    changed.points_at(&["/on_failure"]);
}

#[test]
fn an_event_type_that_an_action_fires_is_neither_renamed_nor_deleted() {
    let world = World::new();
    world.event_type("done");
    world.action("first", json!({ "on_success": "done" }));
    world.action("second", json!({ "on_failure": "done", "owner_id": "a" }));
    let renamed = world.server.admin.put("/event-type/done", &json!({ "display_name": "finished" }));
    renamed.problem(409, "in_use");
    assert_eq!(
        renamed.detail(),
        "it is in use by the action `first`, which fires it on success, the action `second`, which fires it on failure"
    );
    world.server.admin.delete("/event-type/done").problem(409, "in_use");
    world.server.admin.put("/event-type/done", &json!({ "display_name": "DONE", "enabled": false })).expect(200);
}

#[test]
fn force_blanks_what_fires_a_deleted_event_type_but_no_trigger() {
    let world = World::new();
    for name in ["done", "other"] {
        world.event_type(name);
    }
    let both = world.action("both", json!({ "on_success": "done", "on_failure": "done" }));
    let one = world.action("one", json!({ "on_success": "other", "on_failure": "done" }));
    let triggered = world.action("triggered", json!({ "trigger": "done" }));
    let refused = world.server.admin.delete("/event-type/done?force=true");
    refused.problem(409, "in_use");
    assert_eq!(refused.detail(), "it is in use by the action `triggered`, whose trigger it is");
    let get = |id: &str| world.server.admin.get(&format!("/action/{id}")).expect(200).clone();
    assert_eq!((&get(&both)["version"], &get(&both)["on_success"]), (&json!(1), &json!("done")), "nothing happened");

    world.put_action(&triggered, "triggered", json!({})).expect(200);
    world.server.admin.delete("/event-type/done?force=true").expect(200);
    for (id, on_success) in [(&both, Value::Null), (&one, json!("other"))] {
        let action = get(id);
        assert_eq!((&action["version"], &action["on_success"]), (&json!(2), &on_success));
        assert_eq!(action["on_failure"], Value::Null);
    }
    assert_eq!(get(&triggered)["version"], 2, "it did not name it any more");
    world.server.admin.get("/event-type/done").problem(404, "not_found");
}

#[test]
fn saving_a_cycle_of_successes_warns() {
    let world = World::new();
    for name in ["ping", "pong", "end"] {
        world.event_type(name);
    }
    let (to_pong, to_ping) =
        (world.action("to pong", json!({ "on_success": "pong" })), world.action("to ping", json!({})));
    let none = |answer: &Answer| assert_eq!(answer.body.get("warnings"), None, "{}", answer.text);
    none(&world.link("ping", &to_pong));
    none(&world.link("pong", &to_ping));
    none(&world.put_action(&to_ping, "to ping", json!({ "on_success": "end", "on_failure": "ping" })));
    let closed = world.put_action(&to_ping, "to ping", json!({ "on_success": "ping" }));
    closed.expect(200);
    let expected = "this is a cycle, which only the limits of chains end: `ping` runs `to pong`, which on success fires \
                    `pong` runs `to ping`, which on success fires `ping`";
    assert_eq!(closed.body["warnings"], json!([expected]));

    // From the event type's side, and through a trigger.
    none(&world.link("pong", &world.action("ends", json!({ "on_success": "end" }))));
    let closed = world.link("pong", &to_ping);
    assert!(closed.body["warnings"][0].as_str().unwrap().contains("`pong` runs `to ping`"), "{}", closed.text);
    let itself = world.post_action("itself", json!({ "trigger": "end", "on_success": "end" }));
    itself.expect(201);
    let expected =
        "this is a cycle, which only the limits of chains end: `end` runs `itself`, which on success fires `end`";
    assert_eq!(itself.body["warnings"], json!([expected]));
}
