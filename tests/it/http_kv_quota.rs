//! The bytes of values that all actions of a tenant keep together.

use crate::support::{Answer, Client, TestServer, is_ended};
use serde_json::{Value, json};

/// What a key of one letter and such a value count.
const VALUE_BYTES: u64 = 999;
const BYTES: u64 = 1_000;

/// Tenant `a` with two actions that keep values, `one` and `two`, and room for `kv_bytes`.
fn server_with(kv_bytes: u64) -> (TestServer, Client) {
    let server = TestServer::start();
    server.admin.post("/tenant", &json!({ "id": "a", "quotas": { "kv_bytes": kv_bytes } })).expect(201);
    // One of them waits for long.
    let limits = json!({ "fuel": 10_000_000_000_000_u64, "timeout_ms": 60_000 });
    server.admin.post("/sink-type", &json!({ "name": "long", "limits": limits })).expect(201);
    let client = server.client_for("a", &["read", "write", "execute"]);
    let module = client.request("POST", "/module").bytes(crate::support::component("stateful")).send();
    let module = module.expect(201)["digest"].clone();
    for name in ["one", "two"] {
        let action = client.post("/action", &json!({ "name": name, "module": module, "retry": { "attempts": 1 } }));
        let body = json!({ "display_name": name, "sink_type": "long", "action": action.expect(201)["id"] });
        client.post("/event-type", &body).expect(201);
    }
    (server, client)
}

/// Runs the steps as `event_type`; what came of them.
#[track_caller]
fn output(client: &Client, event_type: &str, steps: &Value) -> Value {
    let path = format!("/trigger/{event_type}");
    let fired = client.request("POST", &path).header("prefer", "wait=60").json(&json!({ "steps": steps })).send();
    let run = &fired.expect(200)["runs"][0];
    assert_eq!(run["state"], "SUCCESS", "{run:#}");
    run["output"].clone()
}

fn set(key: &str) -> Value {
    json!({ "set": key, "size": VALUE_BYTES })
}

#[track_caller]
fn is_used(server: &TestServer, used: u64, limit: u64) {
    let tenant = server.admin.get("/tenant/a");
    assert_eq!(tenant.expect(200)["use"]["kv_bytes"], json!({ "used": used, "limit": limit }));
    assert_eq!(server.store().check().unwrap(), [""; 0]);
}

#[track_caller]
fn is_over(came: &Value, used: u64, limit: u64) {
    let told = came.as_str().unwrap();
    assert!(told.starts_with("limit: ") && told.contains("the tenant's quota `kv_bytes`"), "{told}");
    assert!(told.contains(&format!("{used} of {limit} are used")), "{told}");
}

#[test]
fn values_of_all_actions_of_a_tenant_have_one_bound() {
    let (mut server, client) = server_with(3 * BYTES);
    is_used(&server, 0, 3 * BYTES);
    assert_eq!(output(&client, "one", &json!([set("a"), set("b")])), json!(["ok", "ok"]));
    // At the quota it holds, past it it bites, by one byte; and in the middle of an attempt.
    assert_eq!(output(&client, "two", &json!([set("a")])), json!(["ok"]));
    is_used(&server, 3 * BYTES, 3 * BYTES);
    let came = output(&client, "two", &json!([{ "set": "x", "value": "" }, { "set": "a", "size": VALUE_BYTES + 1 }]));
    is_over(&came[0], 3 * BYTES, 3 * BYTES);
    is_over(&came[1], 3 * BYTES, 3 * BYTES);
    // What stays as large, what takes away, and what has room by that goes on.
    let came = output(&client, "one", &json!([set("a"), { "delete": "b" }, set("c"), set("d")]));
    assert_eq!([&came[0], &came[1], &came[2]], ["ok"; 3]);
    is_over(&came[3], 3 * BYTES, 3 * BYTES);
    server.restart();
    let client = client.at(&server);
    is_over(&output(&client, "two", &json!([set("b")]))[0], 3 * BYTES, 3 * BYTES);
    // Others are not touched by it.
    server.install("free", "stateful", json!({}));
    let run = server.fire_and_wait("free", json!({ "steps": [set("a"), set("b"), set("c"), set("d")] }));
    assert_eq!(run["runs"][0]["output"], json!(["ok", "ok", "ok", "ok"]));
    is_used(&server, 3 * BYTES, 3 * BYTES);
}

#[test]
fn what_goes_makes_room_and_a_lower_quota_stops_what_grows_only() {
    let (server, client) = server_with(2 * BYTES);
    assert_eq!(output(&client, "one", &json!([set("a"), set("b")])), json!(["ok", "ok"]));
    let change =
        |kv_bytes: u64| -> Answer { server.admin.put("/tenant/a", &json!({ "quotas": { "kv_bytes": kv_bytes } })) };
    change(BYTES).expect(200);
    is_used(&server, 2 * BYTES, BYTES);
    let came = output(&client, "one", &json!([{ "set": "a", "size": VALUE_BYTES - 1 }, set("a")]));
    assert_eq!(came[0], "ok");
    is_over(&came[1], 2 * BYTES - 1, BYTES);
    let actions = client.get("/action?q=one");
    let id = actions.expect(200)[0]["id"].as_str().unwrap();
    // By the API, and with the action.
    client.delete(&format!("/action/{id}/kv/a")).expect(200);
    is_used(&server, BYTES, BYTES);
    client.delete(&format!("/action/{id}?force=true")).expect(200);
    is_used(&server, 0, BYTES);
    assert_eq!(output(&client, "two", &json!([set("a")])), json!(["ok"]));
    is_used(&server, BYTES, BYTES);
}

/// Two that run at the same time each see room for one more: the one that ends later is told.
#[test]
fn the_commit_looks_at_the_quota_once_more() {
    let (server, client) = server_with(2 * BYTES);
    let waiting = json!({ "steps": [set("w"), { "log": "set" }, { "while": "go" }] });
    assert_eq!(output(&client, "one", &json!([{ "set": "go", "size": 0 }])), json!(["ok"]));
    let event = client.post("/trigger/one", &waiting).expect(202)["id"].as_str().unwrap().to_owned();
    let run = server.until_run_is(&event, "RUNNING");
    server.until_listed(&format!("/run/{}/log", run["id"].as_str().unwrap()), 1);
    assert_eq!(output(&client, "two", &json!([set("a")])), json!(["ok"]));
    assert_eq!(server.admin.get("/tenant/a").expect(200)["use"]["kv_bytes"]["used"], BYTES + 2);
    let actions = client.get("/action?q=one");
    let id = actions.expect(200)[0]["id"].as_str().unwrap().to_owned();
    server.admin.put("/tenant/a", &json!({ "quotas": { "kv_bytes": 2 * BYTES - 1 } })).expect(200);
    client.delete(&format!("/action/{id}/kv/go")).expect(200);
    let ended = server.until(&event, is_ended);
    let run = &ended["runs"][0];
    assert_eq!((&run["state"], &run["reason"]), (&json!("ERROR"), &json!("kv_conflict")), "{run:#}");
    assert!(run["message"].as_str().unwrap().contains("the tenant's quota `kv_bytes`"), "{run:#}");
    is_used(&server, BYTES, 2 * BYTES - 1);
}
