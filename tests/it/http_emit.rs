//! Events that actions emit, over HTTP: released when the run succeeds, and only then.

use crate::support::{TestServer, is_ended};
use serde_json::{Value, json};

/// A server's event types of these names, which run nothing, and the guest as `t` with more fields; its id.
fn with_guest(server: &TestServer, event_types: &[&str], more: Value) -> String {
    for name in event_types {
        server.admin.post("/event-type", &json!({ "display_name": name })).expect(201);
    }
    server.install("t", "stateful", more)
}

#[track_caller]
fn run(server: &TestServer, steps: Value) -> Value {
    server.fire_and_wait("t", json!({ "steps": steps }))["runs"][0].clone()
}

fn fired(server: &TestServer, event_type: &str) -> usize {
    server.admin.pages(&format!("/event?event_type={event_type}")).len()
}

#[test]
fn a_run_that_succeeds_releases_its_events_as_children_in_their_order() {
    let server = TestServer::start();
    with_guest(&server, &["first", "last"], json!({ "on_success": "last" }));
    let steps = json!([
        { "emit": "first", "payload": { "n": 1 } },
        { "emit": "FIRST", "payload": { "n": 2 }, "object": ["o", "2"] },
        { "emit": "t", "payload": { "steps": [{ "log": "hello" }] } },
    ]);
    let object = json!({ "object_type": "o", "object_id": "1" });
    let body = json!({ "event_type": "t", "object": object, "payload": { "steps": steps } });
    let root =
        server.admin.request("POST", "/event").header("prefer", "wait=60").json(&body).send().expect(200).clone();
    let family = server.chain(&root["id"], 6);
    let run = &root["runs"][0];
    assert_eq!(run["output"], json!(["ok", "ok", "ok"]));
    assert_eq!(run["attempts"][0]["usage"]["emitted_events"], json!({ "used": 3, "limit": 32 }));
    let emitted: Vec<&Value> = run["emitted"].as_array().unwrap().iter().collect();
    let children: Vec<&Value> = family.iter().filter(|event| event["parent_run_id"] == run["id"]).collect();
    let ids: Vec<&Value> = children.iter().map(|child| &child["id"]).collect();
    assert_eq!(ids, [&emitted[..], &[&run["child_event_id"]]].concat(), "what it emitted, then what follows its end");
    for child in &children {
        let lineage = (&child["parent_id"], &child["root_id"], &child["depth"], &child["origin"]);
        assert_eq!(lineage, (&root["id"], &root["id"], &json!(1), &json!("chain")));
    }
    let told: Vec<_> =
        children.iter().map(|child| (&child["event_type"], &child["payload"], &child["object"])).collect();
    let other = json!({ "object_type": "o", "object_id": "2" });
    assert_eq!(told[0], (&json!("first"), &json!({ "n": 1 }), &object));
    assert_eq!(told[1], (&json!("first"), &json!({ "n": 2 }), &other));
    assert_eq!((told[2].0, told[2].2), (&json!("t"), &object));
    assert_eq!(told[3], (&json!("last"), &root["payload"], &object));
    let grandchild = family.iter().find(|event| event["depth"] == 2).unwrap();
    assert_eq!((&grandchild["event_type"], &grandchild["parent_id"]), (&json!("last"), &children[2]["id"]));
}

#[test]
fn a_run_that_fails_releases_none() {
    let server = TestServer::start();
    let more = json!({ "retry": { "attempts": 1 }, "limits": { "fuel": 100_000_000 } });
    with_guest(&server, &["child"], more);
    for end in ["retry", "reject", "trap", "spin"] {
        let ended = run(&server, json!([{ "emit": "child", "payload": {} }, { "end": end }]));
        assert_eq!((&ended["state"], &ended["emitted"]), (&json!("ERROR"), &json!([])), "{end}: {ended:#}");
        assert_eq!(ended["attempts"][0]["usage"]["emitted_events"]["used"], 1, "it said so");
    }
    assert_eq!(fired(&server, "child"), 0);
    let warned = run(&server, json!([{ "emit": "child", "payload": {} }, { "warn": "careful" }]));
    assert_eq!((&warned["state"], warned["emitted"].as_array().unwrap().len()), (&json!("WARNING"), 1));
    assert_eq!(fired(&server, "child"), 1);
}

#[test]
fn a_run_that_is_retried_releases_what_its_last_attempt_emitted() {
    let server = TestServer::with_manual_clock();
    let digest = server.upload("stateful");
    let action = server.action("t", &digest, json!({}));
    server.event_type("t", &action, json!({}));
    server.admin.post("/event-type", &json!({ "display_name": "child" })).expect(201);
    let event = server.fire("t", json!({ "steps": [{ "emit": "child", "payload": {} }, { "end": "retry" }] }));
    for attempts in 1..=2 {
        let waits = |run: &Value| run["state"] == "WAITING" && run["attempts"].as_array().unwrap().len() == attempts;
        server.until(&event, |event| waits(&event["runs"][0]));
        assert_eq!(fired(&server, "child"), 0);
        server.pass_ms(1_000);
    }
    let ended = server.until(&event, is_ended);
    assert_eq!(ended["runs"][0]["attempts"].as_array().unwrap().len(), 3);
    assert_eq!(fired(&server, "child"), 0);
}

#[test]
fn what_may_not_be_fired_is_refused_where_it_is_emitted() {
    let server = TestServer::start();
    let action = with_guest(&server, &["plain"], json!({}));
    server.event_type("paused", &action, json!({}));
    server.admin.post("/event-type/paused/pause", &json!({})).expect(200);
    let schema = json!({ "type": "object", "required": ["name"], "properties": { "name": { "type": "string" } } });
    for (name, more) in [
        ("disabled", json!({ "enabled": false })),
        ("strict", json!({ "payload_schema": schema })),
        ("of_b", json!({ "owner_id": "b" })),
    ] {
        let mut body = json!({ "display_name": name });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        server.admin.post("/event-type", &body).expect(201);
    }
    let ended = run(
        &server,
        json!([
            { "emit": "nothing", "payload": {} },
            { "emit": "no name at all", "payload": {} },
            { "emit": "disabled", "payload": {} },
            { "emit": "strict", "payload": { "name": 1 } },
            { "emit": "of_b", "payload": {} },
            { "emit": "plain", "payload": "{" },
            { "emit": "plain", "payload": {}, "object": ["no type", "1"] },
            { "emit": "strict", "payload": { "name": "x" } },
            { "emit": "paused", "payload": {} },
        ]),
    );
    let came: Vec<&str> = ended["output"].as_array().unwrap().iter().map(|came| came.as_str().unwrap()).collect();
    for (came, words) in came.iter().zip([
        "refused: there is no event type `nothing` here",
        "`no name at all` is not a valid",
        "refused: the event type `disabled` is disabled",
        "at `/name`",
        "refused: there is no event type `of_b` here",
        "refused: its payload is not valid JSON",
        "refused: an object type has",
        "ok",
        "ok",
    ]) {
        assert!(came.contains(words), "{came} where {words} was expected");
    }
    let family = server.admin.pages(&format!("/event?root_id={}&sort=created_at", ended["event_id"].as_str().unwrap()));
    let types: Vec<&Value> = family.iter().map(|event| &event["event_type"]).collect();
    assert_eq!(types, ["t", "strict", "paused"]);
    assert_eq!(family[2]["state"], "QUEUED", "it is held as any event of a paused type");
}

/// A source type says which sources may fire from outside; chains are no sources, and so is this.
#[test]
fn a_source_type_does_not_keep_actions_out() {
    let server = TestServer::start();
    with_guest(&server, &[], json!({}));
    server.admin.post("/source-type", &json!({ "name": "door" })).expect(201);
    server.admin.post("/event-type", &json!({ "display_name": "opened", "source_type": "door" })).expect(201);
    let ended = run(&server, json!([{ "emit": "opened", "payload": {} }]));
    assert_eq!((&ended["output"], fired(&server, "opened")), (&json!(["ok"]), 1));
}

#[test]
fn each_limit_of_emitting_holds_at_it_and_bites_past_it() {
    let server = TestServer::start();
    with_guest(&server, &["child"], json!({ "limits": { "emitted_events": 3, "output_bytes": 1_000 } }));
    let emit = json!({ "emit": "child", "payload": {} });
    let ended = run(&server, json!([emit, emit, emit, emit]));
    assert_eq!(ended["output"][2], "ok");
    assert_eq!(ended["output"][3], "limit: 3 events were emitted, and 3 is the most");
    assert_eq!(ended["emitted"].as_array().unwrap().len(), 3);
    // Payloads and what is returned share one limit: `["ok"]` is 6 bytes.
    let sized = |bytes: usize| json!({ "emit": "child", "payload": format!("\"{}\"", "x".repeat(bytes - 2)) });
    let fits = run(&server, json!([sized(994)]));
    assert_eq!((&fits["state"], &fits["output"]), (&json!("SUCCESS"), &json!(["ok"])), "{fits:#}");
    assert_eq!(fits["attempts"][0]["usage"]["output_bytes"], json!({ "used": 1_000, "limit": 1_000 }));
    let over = run(&server, json!([sized(995)]));
    assert_eq!((&over["state"], &over["reason"]), (&json!("ERROR"), &json!("output_limit")), "{over:#}");
    let refused = run(&server, json!([sized(1_001)]));
    assert_eq!(refused["output"][0], "limit: its payload makes 1001 bytes of output, and 1000 is the most");
}

#[test]
fn emitted_events_are_under_the_limits_of_chains() {
    let server = TestServer::with(|config| config.chain.events = 6);
    with_guest(&server, &["child"], json!({}));
    // It emits itself, as often as its payload is nested.
    let mut steps = json!([{ "emit": "child", "payload": {} }]);
    for _ in 0..3 {
        steps = json!([{ "emit": "t", "payload": { "steps": steps } }]);
    }
    let root = server.fire_and_wait("t", json!({ "steps": steps }));
    let family = server.chain(&root["id"], 3);
    let last = &family[2]["runs"][0]["output"][0];
    assert!(last.as_str().unwrap().starts_with("limit: its event type is above it"), "{last}");
    // How many there are is known at the end only; what is too many is stored as that.
    let emit = json!({ "emit": "child", "payload": {} });
    let root = server.fire_and_wait("t", json!({ "steps": [emit, emit, emit, emit, emit, emit] }));
    assert_eq!(root["runs"][0]["emitted"].as_array().unwrap().len(), 6);
    let family = server.chain(&root["id"], 7);
    let states: Vec<&Value> = family.iter().map(|event| &event["state"]).collect();
    assert_eq!(states[..6], ["SUCCESS"; 6]);
    assert_eq!((&family[6]["state"], &family[6]["reason"]), (&json!("ERROR"), &json!("chain_limit")));
}

#[test]
fn a_trial_shows_what_would_be_emitted_and_fires_nothing() {
    let server = TestServer::start();
    let action = with_guest(&server, &["child"], json!({}));
    let steps =
        json!([{ "emit": "child", "payload": { "n": 1 }, "object": ["o", "2"] }, { "emit": "nothing", "payload": 1 }]);
    let body = json!({ "payload": { "steps": steps }, "object": { "object_type": "o", "object_id": "1" } });
    let tried = server.admin.post(&format!("/action/{action}/test"), &body).expect(200).clone();
    let object = json!({ "object_type": "o", "object_id": "2" });
    assert_eq!(tried["emits"], json!([{ "event_type": "child", "payload": { "n": 1 }, "object": object }]));
    assert!(tried["run"]["output"][1].as_str().unwrap().starts_with("refused"), "{tried:#}");
    assert_eq!(server.admin.get("/event").body["count"], 0);
}

/// Values are the guest's own and stay as they are; an event is history.
#[test]
fn secrets_are_masked_in_what_is_emitted() {
    let server = TestServer::start();
    let secret = json!([{ "name": "key", "type": "SECRET", "value": "key" }]);
    server.admin.put("/secret/key", &json!({ "value": "hunter2" })).expect(201);
    let action = with_guest(&server, &["child"], json!({ "parameters": secret }));
    let steps = json!([{ "emit": "child", "payload": { "is": "hunter2" } }, { "set": "a", "value": "hunter2" }]);
    let ended = run(&server, steps);
    let child = server.event(ended["emitted"][0].as_str().unwrap());
    assert_eq!(child["payload"], json!({ "is": "••••" }));
    let value = server.admin.get(&format!("/action/{action}/kv/a")).expect(200)["value"].clone();
    assert_eq!(value, data_encoding::BASE64.encode(b"hunter2"));
}
