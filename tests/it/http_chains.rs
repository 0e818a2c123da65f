//! Chains: what fires when a run has ended, over HTTP.

use crate::support::{Answer, ECHO, TestServer, component, pass_params_on, show_parent_outcome};
use serde_json::{Value, json};

/// A server with the module that hands its payload back, and the one that ends in the way its payload says.
struct World {
    server: TestServer,
    echo: String,
    gallery: String,
}

impl World {
    fn new() -> World {
        World::on(TestServer::start())
    }

    fn on(server: TestServer) -> World {
        let (echo, gallery) = (server.upload_bytes(ECHO), server.upload_bytes(component("failure_gallery")));
        World { server, echo, gallery }
    }

    /// An event type of this name with an action that ends as its payload says and fires `done` or `failed`, which are
    /// there and run the echo.
    fn with_branches(&self, name: &str, more: Value) -> String {
        for branch in ["done", "failed"] {
            if self.server.admin.get(&format!("/event-type/{branch}")).status == 404 {
                self.server.event_type(branch, &self.action(branch, json!({})), json!({}));
            }
        }
        let mut body = json!({ "module": self.gallery, "on_success": "done", "on_failure": "failed" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let action = self.action(name, body);
        self.server.event_type(name, &action, json!({}));
        action
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
    let back = world.server.admin.post(&format!("/action/{one}/rollback"), &json!({ "version": 1 }));
    back.problem(422, "invalid_body");
    back.points_at(&["/on_failure"]);
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

#[test]
fn a_run_fires_what_its_action_names_for_success_or_for_failure() {
    let world = World::new();
    world.with_branches("start", json!({}));
    let object = json!({ "object_type": "bookable", "object_id": "7" });
    for (way, state, branch) in [
        ("ok", "SUCCESS", "done"),
        ("warning", "WARNING", "done"),
        ("reject", "ERROR", "failed"),
        ("trap", "ERROR", "failed"),
    ] {
        let body = json!({ "event_type": "start", "object": object, "payload": { "way": way } });
        let fired = world.server.admin.request("POST", "/event").header("prefer", "wait=60").json(&body).send();
        let root = fired.expect(200);
        let run = &root["runs"][0];
        assert_eq!((&run["state"], &root["depth"]), (&json!(state), &json!(0)));
        let family = world.server.chain(&root["id"], 2);
        let child = &family[1];
        assert_eq!((&child["event_type"], &child["state"]), (&json!(branch), &json!("SUCCESS")), "{way}");
        assert_eq!(
            (&child["payload"], &child["object"], &child["origin"]),
            (&body["payload"], &object, &json!("chain"))
        );
        assert_eq!((&child["parent_id"], &child["root_id"], &child["depth"]), (&root["id"], &root["id"], &json!(1)));
        assert_eq!((&child["parent_run_id"], &child["id"]), (&run["id"], &run["child_event_id"]), "both ways");
        assert_eq!(child["created_by"], root["created_by"]);
        assert_eq!(child["runs"][0]["output"], body["payload"]);
        assert_eq!(child["runs"][0]["child_event_id"], Value::Null);
    }
}

#[test]
fn a_failure_fires_after_its_last_attempt_only() {
    let world = World::on(TestServer::with_manual_clock());
    world.with_branches("start", json!({ "retry": { "attempts": 2 } }));
    let root = world.server.fire("start", json!({ "way": "retry_after" }));
    world.server.until_run_is(&root, "WAITING");
    assert_eq!(world.server.admin.pages(&format!("/event?root_id={root}")).len(), 1);
    world.server.pass_ms(2_000);
    let family = world.server.chain(&json!(root), 2);
    assert_eq!((&family[0]["state"], &family[1]["event_type"]), (&json!("ERROR"), &json!("failed")));
}

#[test]
fn a_run_uses_what_its_version_of_the_action_named() {
    let world = World::on(TestServer::with_manual_clock());
    let action = world.with_branches("start", json!({ "retry": { "attempts": 2 } }));
    let root = world.server.fire("start", json!({ "way": "retry_after" }));
    world.server.until_run_is(&root, "WAITING");
    world.put_action(&action, "start", json!({ "on_failure": "done" })).expect(200);
    world.server.pass_ms(2_000);
    assert_eq!(world.server.chain(&json!(root), 2)[1]["event_type"], "failed");
}

#[test]
fn the_payload_of_a_child_is_what_the_action_returned_for_it() {
    let world = World::new();
    world.with_branches("start", json!({}));
    let module = world.server.upload_bytes(pass_params_on());
    let parameters = json!([{ "name": "said", "type": "STATIC", "value": [1, 2] }]);
    let body = json!({ "module": module, "on_success": "done", "parameters": parameters });
    world.server.event_type("returns", &world.action("returns", body), json!({}));
    let root = world.server.fire_and_wait("returns", json!({ "own": true }));
    assert_eq!(root["runs"][0]["event"], json!({ "said": [1, 2] }));
    let child = &world.server.chain(&root["id"], 2)[1];
    assert_eq!((&child["payload"], &root["payload"]), (&json!({ "said": [1, 2] }), &json!({ "own": true })));
}

#[test]
fn a_child_is_told_how_its_parent_ended() {
    let world = World::new();
    world.with_branches("start", json!({}));
    let module = world.server.upload_bytes(show_parent_outcome());
    for branch in ["done", "failed"] {
        let action = world.action(&format!("show {branch}"), json!({ "module": module }));
        world.link(branch, &action).expect(200);
    }
    let told = |way: &str| {
        let root = world.server.fire_and_wait("start", json!({ "way": way }));
        let child = world.server.chain(&root["id"], 2).remove(1);
        let mut outcome = child["runs"][0]["output"].clone();
        assert_eq!(outcome["run_id"].take(), root["runs"][0]["id"]);
        outcome
    };
    let (action, nothing) = (json!("start"), Value::Null);
    let warned = json!({ "run_id": null, "action": action, "state": "WARNING", "reason": null, "code": 0,
        "message": "but someone should look", "output": "done" });
    assert_eq!(told("warning"), warned);
    let failed = json!({ "run_id": null, "action": action, "state": "ERROR", "reason": "guest_error", "code": 42,
        "message": "rejected on purpose", "output": nothing });
    assert_eq!(told("reject"), failed);
}

/// What is refused when it is planned ends in the transition that accepts its event, and so does its child begin.
#[test]
fn a_run_that_never_starts_fires_its_failure_with_the_event() {
    let world = World::new();
    let needs = json!([{ "name": "who", "type": "DATA", "value": "who" }]);
    world.with_branches("start", json!({ "parameters": needs }));
    let refused = world.server.fire("start", json!({ "way": "ok" }));
    let there = world.server.admin.pages(&format!("/event?root_id={refused}&sort=created_at"));
    assert_eq!(there.len(), 2, "acknowledged with its child");
    assert_eq!((&there[0]["state"], &there[0]["reason"]), (&json!("ERROR"), &json!("param_missing")));
    let waited = world.server.fire_and_wait("start", json!({ "way": "ok" }));
    for root in [&json!(refused), &waited["id"]] {
        let family = world.server.chain(root, 2);
        assert_eq!((&family[1]["event_type"], &family[1]["state"]), (&json!("failed"), &json!("SUCCESS")));
        assert_eq!(family[1]["parent_run_id"], family[0]["runs"][0]["id"]);
    }
}

/// And a child's runs may be refused as well.
#[test]
fn a_chain_of_refusals_goes_on_to_its_end() {
    let world = World::new();
    let needs = json!([{ "name": "who", "type": "DATA", "value": "who" }]);
    world.with_branches("last", json!({ "parameters": needs }));
    world.with_branches("first", json!({ "parameters": needs, "on_failure": "last" }));
    let root = world.server.fire("first", json!({}));
    let family = world.server.chain(&json!(root), 3);
    let seen: Vec<_> = family.iter().map(|event| (&event["event_type"], &event["state"], &event["depth"])).collect();
    let expected = [("first", "ERROR", 0), ("last", "ERROR", 1), ("failed", "SUCCESS", 2)]
        .map(|(event_type, state, depth)| (json!(event_type), json!(state), json!(depth)));
    assert_eq!(seen, expected.iter().map(|(a, b, c)| (a, b, c)).collect::<Vec<_>>());
}

#[test]
fn what_is_skipped_fires_nothing() {
    let world = World::new();
    world.with_branches("start", json!({ "enabled": false }));
    let skipped = world.server.fire_and_wait("start", json!({ "way": "ok" }));
    assert_eq!(skipped["runs"][0]["state"], "SKIPPED");
    assert_eq!(world.server.chain(&skipped["id"], 1)[0]["runs"][0]["child_event_id"], Value::Null);
}

#[test]
fn a_failure_fires_whether_or_not_the_plan_goes_on() {
    let world = World::new();
    let first = world.with_branches("start", json!({}));
    let second = json!({ "trigger": "start", "module": world.gallery, "on_failure": "failed", "on_success": "done" });
    let second = world.action("second", second);
    let object = json!({ "object_type": "bookable", "object_id": "7" });
    world.server.admin.post(&format!("/action/{second}/object"), &object).expect(201);
    let fire = || {
        let body = json!({ "event_type": "start", "object": object, "payload": { "way": "reject" } });
        let fired = world.server.admin.request("POST", "/event").header("prefer", "wait=60").json(&body).send();
        fired.expect(200).clone()
    };
    let aborted = fire();
    assert_eq!((&aborted["state"], &aborted["runs"][1]["reason"]), (&json!("ERROR"), &json!("aborted")));
    assert_eq!(world.server.chain(&aborted["id"], 2)[1]["event_type"], "failed");

    let goes_on = json!({ "module": world.gallery, "continue_on_fail": true, "on_failure": "failed" });
    world.put_action(&first, "start", goes_on).expect(200);
    let both = fire();
    let family = world.server.chain(&both["id"], 3);
    for (run, child) in both["runs"].as_array().unwrap().iter().zip(&family[1..]) {
        assert_eq!((&run["child_event_id"], &child["event_type"]), (&child["id"], &json!("failed")));
    }
}

#[test]
fn a_child_whose_event_type_is_disabled_is_stored_as_skipped() {
    let world = World::new();
    world.with_branches("start", json!({}));
    world.server.admin.put("/event-type/done", &json!({ "display_name": "done", "enabled": false })).expect(200);
    let root = world.server.fire_and_wait("start", json!({ "way": "ok" }));
    let child = &world.server.chain(&root["id"], 2)[1];
    assert_eq!((&child["state"], &child["reason"]), (&json!("SKIPPED"), &json!("disabled")));
    assert_eq!((&child["message"], &child["runs"]), (&json!("the event type `done` is disabled"), &json!([])));
    assert_eq!(root["state"], "SUCCESS", "it did its work");
}

#[test]
fn a_child_whose_payload_breaks_the_schema_is_stored_with_what_is_wrong() {
    let world = World::new();
    world.with_branches("start", json!({}));
    let schema = json!({ "properties": { "way": { "type": "integer" } } });
    let put = world.server.admin.put("/event-type/done", &json!({ "display_name": "done", "payload_schema": schema }));
    put.expect(200);
    let root = world.server.fire_and_wait("start", json!({ "way": "ok" }));
    let child = &world.server.chain(&root["id"], 2)[1];
    assert_eq!((&child["state"], &child["reason"]), (&json!("ERROR"), &json!("input_invalid")));
    let message = child["message"].as_str().unwrap();
    assert!(message.contains("/way: ") && message.contains("integer"), "{message}");
}

#[test]
fn who_waits_for_an_event_does_not_wait_for_its_children() {
    let world = World::on(TestServer::with_manual_clock());
    let slow = world.action("slow", json!({ "module": world.gallery }));
    world.server.event_type("slow", &slow, json!({}));
    world.with_branches("start", json!({ "on_failure": "slow", "retry": { "attempts": 1 } }));
    let root = world.server.fire_and_wait("start", json!({ "way": "retry_after" }));
    assert_eq!(root["state"], "ERROR");
    let child = root["runs"][0]["child_event_id"].as_str().unwrap();
    world.server.until_run_is(child, "WAITING");
}

#[test]
fn events_are_found_by_their_chain_and_by_their_parent() {
    let world = World::new();
    world.with_branches("middle", json!({}));
    world.with_branches("start", json!({ "on_failure": "middle" }));
    let alone = world.server.fire_and_wait("done", json!({}));
    let root = world.server.fire_and_wait("start", json!({ "way": "reject" }));
    let family = world.server.chain(&root["id"], 3);
    let ids = |query: &str| {
        let found = world.server.admin.pages(&format!("/event?{query}"));
        found.into_iter().map(|event| event["id"].clone()).collect::<Vec<_>>()
    };
    let all: Vec<Value> = family.iter().map(|event| event["id"].clone()).collect();
    let (root, middle, last) = (all[0].as_str().unwrap(), all[1].as_str().unwrap(), all[2].as_str().unwrap());
    for limit in 1..=4 {
        let oldest_first = ids(&format!("root_id={root}&sort=created_at&limit={limit}"));
        assert_eq!(oldest_first, all, "limit {limit}");
        let newest_first = ids(&format!("root_id={root}&limit={limit}"));
        assert_eq!(newest_first, all.iter().rev().cloned().collect::<Vec<_>>(), "limit {limit}");
    }
    assert_eq!(ids(&format!("root_id={root}&state=ERROR&event_type=middle")), [middle]);
    assert_eq!(ids(&format!("root_id={}", alone["id"].as_str().unwrap())), [alone["id"].clone()]);
    assert_eq!(ids(&format!("root_id={middle}")), [Value::Null; 0], "it is no root");
    assert_eq!(ids(&format!("parent_id={root}")), [middle]);
    assert_eq!(ids(&format!("parent_id={middle}&root_id={root}")), [last]);
    assert_eq!(ids(&format!("parent_id={last}")), [Value::Null; 0]);
    assert_eq!(ids("parent_id=00000000-0000-7000-8000-000000000000"), [Value::Null; 0]);
    for name in ["root_id", "parent_id"] {
        world.server.admin.get(&format!("/event?{name}=x")).problem(400, "bad_request");
        let other = world.server.client_for("a", &["read"]);
        assert_eq!(other.get(&format!("/event?{name}={root}")).body["count"], 0, "another tenant's");
    }
}

#[test]
fn a_chain_stays_in_the_tenant_of_its_run() {
    let world = World::new();
    world.event_type("booked");
    for tenant in ["publisher", "user", "bare"] {
        let mut names = vec!["notified"];
        names.retain(|_| tenant != "bare");
        for name in names {
            let body = json!({ "display_name": name, "owner_id": tenant });
            world.server.admin.post("/event-type", &body).expect(201);
        }
    }
    let body = json!({ "owner_id": "publisher", "public": true, "trigger": "booked", "on_success": "notified" });
    let action = world.action("public", body);
    let object = json!({ "object_type": "bookable", "object_id": "7" });
    let fire = |tenant: &str| {
        let client = world.server.client_for(tenant, &["read", "write", "execute"]);
        client.post(&format!("/action/{action}/object"), &object).expect(201);
        let body = json!({ "event_type": "booked", "object": object });
        client.request("POST", "/event").header("prefer", "wait=60").json(&body).send().expect(200).clone()
    };
    let of_user = world.server.chain(&fire("user")["id"], 2);
    assert_eq!((&of_user[1]["owner_id"], &of_user[1]["event_type"]), (&json!("user"), &json!("notified")));
    let event_type = world.server.admin.get(&format!("/event-type/{}", of_user[1]["event_type_id"].as_str().unwrap()));
    assert_eq!(event_type.expect(200)["owner_id"], "user", "its own, not the publisher's");

    let run = &fire("bare")["runs"][0];
    assert_eq!((&run["state"], &run["child_event_id"]), (&json!("SUCCESS"), &Value::Null));
    assert_eq!(run["messages"], json!(["nothing follows: there is no event type `notified` here"]));
}

#[test]
fn a_shared_event_type_that_a_chain_fires_belongs_to_the_tenant_of_the_run() {
    let world = World::new();
    world.with_branches("start", json!({}));
    let tenant = world.server.client_for("a", &["read", "execute"]);
    let body = json!({ "event_type": "start", "payload": { "way": "ok" } });
    let root = tenant.request("POST", "/event").header("prefer", "wait=60").json(&body).send().expect(200).clone();
    let child = &world.server.chain(&root["id"], 2)[1];
    assert_eq!((&child["owner_id"], &child["runs"][0]["owner_id"]), (&json!("a"), &json!("a")));
}

/// The token may not fire `slow`, which asks for a source, and what the chain fires is in flight already.
#[test]
fn a_chain_asks_neither_for_a_source_nor_for_duplicates() {
    let world = World::on(TestServer::with_manual_clock());
    world.server.admin.post("/source-type", &json!({ "name": "door" })).expect(201);
    let slow = world.action("slow", json!({ "module": world.gallery }));
    world.server.event_type("slow", &slow, json!({ "source_type": "door" }));
    world.with_branches("start", json!({ "on_failure": "slow", "retry": { "attempts": 1 } }));
    let payload = json!({ "way": "retry_after" });
    let live = world.server.fire("slow", payload.clone());
    let run = world.server.until_run_is(&live, "WAITING");
    let again = world.server.admin.post("/event", &json!({ "event_type": "slow", "payload": payload }));
    assert_eq!(world.server.event(again.expect(202)["id"].as_str().unwrap())["runs"][0]["duplicate_of"], run["id"]);

    let client = world.server.client_for("", &["read", "execute"]);
    client.post("/event", &json!({ "event_type": "slow" })).problem(403, "source_type_not_allowed");
    let start = json!({ "event_type": "start", "payload": payload });
    let root = client.request("POST", "/event").header("prefer", "wait=60").json(&start).send().expect(200).clone();
    let child = root["runs"][0]["child_event_id"].as_str().unwrap();
    world.server.until_run_is(child, "WAITING");
}
