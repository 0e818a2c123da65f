//! How far chains go, over HTTP: each limit at it and past it.

use crate::support::{ECHO, TestServer, component};
use fusebox::domain::ChainLimits;
use serde_json::{Value, json};

const LIMITS: ChainLimits = ChainLimits { depth: 3, repeats: 2, events: 5 };

fn server(limits: ChainLimits) -> TestServer {
    TestServer::with(|config| config.chain = limits)
}

/// Event types of these names, each with an action that fires the next one on success; the last one fires `last`.
fn line(server: &TestServer, names: &[&str], last: Option<&str>) {
    let module = server.upload_bytes(ECHO);
    for name in names {
        server.admin.post("/event-type", &json!({ "display_name": name })).expect(201);
    }
    for (place, name) in names.iter().enumerate() {
        let next = names.get(place + 1).copied().or(last);
        let action = server.action(name, &module, json!({ "on_success": next }));
        server
            .admin
            .put(&format!("/event-type/{name}"), &json!({ "display_name": name, "action": action }))
            .expect(200);
    }
}

/// Depth, state and reason of each event, oldest first.
fn seen(family: &[Value]) -> Vec<(u64, &str, Option<&str>)> {
    let seen = family
        .iter()
        .map(|event| (event["depth"].as_u64().unwrap(), event["state"].as_str().unwrap(), event["reason"].as_str()));
    seen.collect()
}

#[test]
fn a_chain_is_as_deep_as_it_may_be_and_no_deeper() {
    let server = server(LIMITS);
    line(&server, &["a", "b", "c", "d", "e"], None);
    let root = server.fire_and_wait("a", json!({}));
    let family = server.chain(&root["id"], 5);
    let fine = |depth| (depth, "SUCCESS", None);
    assert_eq!(seen(&family), [fine(0), fine(1), fine(2), fine(3), (4, "ERROR", Some("chain_limit"))]);
    let refused = &family[4];
    assert_eq!(refused["message"], "it would be 4 steps below the event that began its chain, and 3 is the most");
    assert_eq!((&refused["event_type"], &refused["runs"]), (&json!("e"), &json!([])));
    assert_eq!(refused["parent_run_id"], family[3]["runs"][0]["id"]);
    assert_eq!(family[3]["state"], "SUCCESS", "what fired it did its work");
}

#[test]
fn an_event_type_is_in_a_line_as_often_as_it_may_be() {
    let server = server(ChainLimits { depth: 16, ..LIMITS });
    line(&server, &["ping", "pong"], Some("ping"));
    let root = server.fire_and_wait("ping", json!({}));
    let family = server.chain(&root["id"], 5);
    let fine = |depth| (depth, "SUCCESS", None);
    assert_eq!(seen(&family), [fine(0), fine(1), fine(2), fine(3), (4, "ERROR", Some("chain_limit"))]);
    let expected = "its event type is above it in its chain 2 times already, and 2 times is the most";
    assert_eq!(family[4]["message"], expected);
}

/// Six runs of one event fire a child each.
#[test]
fn a_chain_has_as_many_events_as_it_may_have() {
    let server = server(LIMITS);
    line(&server, &["child"], None);
    let module = server.upload_bytes(ECHO);
    server.admin.post("/event-type", &json!({ "display_name": "wide" })).expect(201);
    let object = json!({ "object_type": "bookable", "object_id": "7" });
    for number in 0..6 {
        let body = json!({ "trigger": "wide", "on_success": "child" });
        let action = server.action(&format!("wide {number}"), &module, body);
        server.admin.post(&format!("/action/{action}/object"), &object).expect(201);
    }
    let body = json!({ "event_type": "wide", "object": object });
    let root =
        server.admin.request("POST", "/event").header("prefer", "wait=60").json(&body).send().expect(200).clone();
    let family = server.chain(&root["id"], 7);
    let (fine, refused): (Vec<_>, Vec<_>) = family.iter().partition(|event| event["state"] == "SUCCESS");
    assert_eq!((fine.len(), refused.len()), (5, 2), "the root counts");
    for event in refused {
        assert_eq!((&event["state"], &event["reason"]), (&json!("ERROR"), &json!("chain_limit")));
        let message = event["message"].as_str().unwrap();
        assert!(message.ends_with("events already, and 5 is the most"), "{message}");
    }
    assert!(root["runs"].as_array().unwrap().iter().all(|run| run["child_event_id"].is_string()), "one child each");
}

/// The count lies in memory while a chain is carried on; after a start it comes from the disk.
#[test]
fn what_a_chain_had_before_a_restart_counts() {
    let mut server = server(ChainLimits { events: 3, depth: 9, repeats: 9 });
    let gallery = server.upload_bytes(component("failure_gallery"));
    server.admin.post("/event-type", &json!({ "display_name": "again" })).expect(201);
    let body = json!({ "on_success": "again", "on_failure": "again", "limits": { "timeout_ms": 600 }, "retry": { "attempts": 1 } });
    let action = server.action("again", &gallery, body);
    server.admin.put("/event-type/again", &json!({ "display_name": "again", "action": action })).expect(200);
    // Each runs until its time is up; the second one runs when the server is stopped.
    let root = server.fire("again", json!({ "way": "wait" }));
    let child = server.until(&root, |event| event["runs"][0]["child_event_id"].is_string())["runs"][0].clone();
    let child = child["child_event_id"].as_str().unwrap().to_owned();
    server.until(&child, |event| event["runs"][0]["state"] != "QUEUED");
    server.restart();
    let family = server.chain(&json!(root), 4);
    let states: Vec<_> = family.iter().map(|event| event["reason"].as_str().unwrap()).collect();
    assert_eq!(states, ["timeout", "timeout", "timeout", "chain_limit"]);
    assert_eq!(family[3]["message"], "its chain has 3 events already, and 3 is the most");
    assert_eq!(server.store().check().unwrap(), [""; 0]);
}
