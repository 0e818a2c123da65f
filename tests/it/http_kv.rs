//! Values that actions keep from run to run, over HTTP. The guest does what the steps in its payload say and returns what
//! came of each.

use crate::support::{Answer, TestServer, is_ended};
use fusebox::domain::Clock;
use serde_json::{Value, json};

/// A server with the guest as the action and event type `t`; the id of the action.
fn with_guest(server: &TestServer, more: Value) -> String {
    server.install("t", "stateful", more)
}

/// Runs these steps to the end; the run.
#[track_caller]
fn run(server: &TestServer, steps: Value) -> Value {
    server.fire_and_wait("t", json!({ "steps": steps }))["runs"][0].clone()
}

/// The same of steps that succeed; what came of them.
#[track_caller]
fn output(server: &TestServer, steps: Value) -> Value {
    let run = run(server, steps);
    assert_eq!(run["state"], "SUCCESS", "{run:#}");
    run["output"].clone()
}

/// What is kept for an action, by the API: keys in order.
fn keys(server: &TestServer, action: &str, query: &str) -> Vec<String> {
    let listed = server.admin.pages(&format!("/action/{action}/kv{query}"));
    listed.iter().map(|value| value["key"].as_str().unwrap().to_owned()).collect()
}

fn check(server: &TestServer) {
    assert_eq!(server.store().check().unwrap(), [""; 0]);
}

#[test]
fn what_a_run_wrote_is_there_for_the_next_one_and_over_a_restart() {
    let mut server = TestServer::start();
    let action = with_guest(&server, json!({}));
    assert_eq!(output(&server, json!([{ "get": "a" }, { "set": "a", "value": "1" }])), json!([null, "ok"]));
    assert_eq!(output(&server, json!([{ "get": "a" }, { "set": "b", "value": "" }])), json!(["1", "ok"]));
    server.restart();
    assert_eq!(output(&server, json!([{ "get": "a" }, { "get": "b" }])), json!(["1", ""]));
    assert_eq!(keys(&server, &action, ""), ["a", "b"]);
    assert_eq!(output(&server, json!([{ "delete": "a" }, { "get": "a" }])), json!(["ok", null]));
    assert_eq!(output(&server, json!([{ "get": "a" }])), json!([null]));
    check(&server);
}

/// A counter that loses none: each run reads what the one before it wrote, however soon it comes.
#[test]
fn runs_in_a_row_each_read_what_the_one_before_wrote() {
    let server = TestServer::start();
    with_guest(&server, json!({}));
    for count in 1..=20 {
        assert_eq!(output(&server, json!([{ "add": "n" }])), json!([count]));
    }
    check(&server);
}

#[test]
fn an_attempt_sees_its_own_writes_at_once() {
    let server = TestServer::start();
    with_guest(&server, json!({}));
    output(&server, json!([{ "set": "kept/1", "value": "x" }, { "set": "kept/2", "value": "y" }]));
    let steps = json!([
        { "set": "kept/3", "value": "z" }, { "get": "kept/3" }, { "delete": "kept/1" }, { "get": "kept/1" },
        { "list": "kept/" }, { "list": "kept/", "after": "kept/2" }, { "list": "kept/", "limit": 1 }, { "list": "other" },
        { "list": "", "limit": 0 }, { "set": "kept/3", "value": "again", "expect": "seen" }, { "get": "kept/3" },
        { "set": "kept/1", "value": "back", "expect": "nothing" }, { "list": "kept/" },
    ]);
    let came = json!([
        "ok",
        "z",
        "ok",
        null,
        ["kept/2", "kept/3"],
        ["kept/3"],
        ["kept/2"],
        [],
        [],
        "ok",
        "again",
        "ok",
        ["kept/1", "kept/2", "kept/3"],
    ]);
    assert_eq!(output(&server, steps), came);
    assert_eq!(output(&server, json!([{ "get": "kept/1" }, { "get": "kept/3" }])), json!(["back", "again"]));
}

#[test]
fn a_write_that_expects_something_else_is_a_conflict_at_once() {
    let server = TestServer::start();
    with_guest(&server, json!({}));
    let steps = json!([
        { "set": "a", "expect": "seen" }, { "set": "a", "value": "1", "expect": "nothing" }, { "get": "a" },
        { "set": "a", "expect": "nothing" }, { "set": "a", "expect": "other" }, { "delete": "a", "expect": "nothing" },
        { "delete": "a", "expect": "other" }, { "get": "a" }, { "delete": "a", "expect": "seen" }, { "get": "a" },
        { "delete": "a", "expect": "seen" }, { "delete": "a" },
    ]);
    let came = json!([
        "conflict", "ok", "1", "conflict", "conflict", "conflict", "conflict", "1", "ok", null, "conflict", "ok",
    ]);
    assert_eq!(output(&server, steps), came);
}

#[test]
fn what_a_failed_attempt_wrote_is_gone() {
    let server = TestServer::with_manual_clock();
    with_guest(&server, json!({ "retry": { "attempts": 1 }, "limits": { "fuel": 100_000_000 } }));
    for end in ["retry", "reject", "trap", "spin"] {
        let ended = run(&server, json!([{ "set": "a", "value": "1" }, { "get": "a" }, { "end": end }]));
        assert_eq!(ended["state"], "ERROR", "{ended:#}");
        assert_eq!(ended["attempts"][0]["usage"]["kv_bytes"]["used"], 64 + 2, "it wrote");
        assert_eq!(output(&server, json!([{ "get": "a" }])), json!([null]), "{end}");
    }
    let warned = run(&server, json!([{ "set": "a", "value": "1" }, { "warn": "careful" }]));
    assert_eq!(warned["state"], "WARNING");
    assert_eq!(output(&server, json!([{ "get": "a" }])), json!(["1"]), "with warnings it succeeded");
}

/// Fuel and time for a guest that waits for another.
fn patient(server: &TestServer) {
    let limits = json!({ "fuel": 10_000_000_000_000_u64, "timeout_ms": 60_000 });
    server.admin.post("/sink-type", &json!({ "name": "patient", "limits": limits })).expect(201);
    let event_type = server.admin.get("/event-type/t").expect(200).clone();
    let body = json!({ "display_name": "t", "action": event_type["action"], "sink_type": "patient" });
    server.admin.put("/event-type/t", &body).expect(200);
}

/// Fires a run that counts, says so, and then waits for the value `go`; its event.
fn count_and_wait(server: &TestServer) -> String {
    let steps = json!([{ "add": "n" }, { "log": "counted" }, { "until": "go" }]);
    let event = server.fire("t", json!({ "steps": steps }));
    let run = server.until_run_is(&event, "RUNNING");
    server.until_listed(&format!("/run/{}/log", run["id"].as_str().unwrap()), 1);
    event
}

#[test]
fn of_two_runs_that_count_at_once_the_later_is_tried_again_and_none_is_lost() {
    let server = TestServer::start();
    with_guest(&server, json!({}));
    patient(&server);
    let slow = count_and_wait(&server);
    assert_eq!(output(&server, json!([{ "add": "n" }, { "set": "go" }])), json!([1, "ok"]));
    let ended = server.until(&slow, is_ended)["runs"][0].clone();
    assert_eq!((&ended["state"], &ended["output"]), (&json!("SUCCESS"), &json!([2, null, true])), "{ended:#}");
    let attempts = ended["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 2);
    assert_eq!((&attempts[0]["state"], &attempts[0]["reason"]), (&json!("ERROR"), &json!("kv_conflict")));
    assert!(attempts[0]["message"].as_str().unwrap().contains("`n`"), "{ended:#}");
    assert!(attempts[0]["usage"]["fuel"]["used"].as_u64().unwrap() > 0, "what it used is known");
    assert_eq!(output(&server, json!([{ "get": "n" }])), json!(["2"]));
    // What it said before it lost is kept.
    let log = server.admin.get(&format!("/run/{}/log", ended["id"].as_str().unwrap()));
    assert_eq!(log.expect(200).as_array().unwrap().len(), 2);
    check(&server);
}

/// Nothing of an attempt that lost is left: no child of its success, no key that stays taken.
#[test]
fn a_run_that_loses_for_good_fails_with_all_that_follows() {
    let server = TestServer::start();
    with_guest(&server, json!({ "retry": { "attempts": 1 } }));
    patient(&server);
    for name in ["done", "failed"] {
        server.admin.post("/event-type", &json!({ "display_name": name })).expect(201);
    }
    let action = server.admin.get("/event-type/t").expect(200)["action"].as_str().unwrap().to_owned();
    let module = server.admin.get(&format!("/action/{action}")).expect(200)["module"].clone();
    let body = json!({ "name": "t", "module": module, "retry": { "attempts": 1 }, "on_success": "done", "on_failure": "failed" });
    server.admin.put(&format!("/action/{action}"), &body).expect(200);
    let slow = count_and_wait(&server);
    let twin = server.fire("t", json!({ "steps": [{ "add": "n" }, { "log": "counted" }, { "until": "go" }] }));
    assert_eq!(server.event(&twin)["runs"][0]["reason"], "duplicate", "the same is in flight");
    output(&server, json!([{ "add": "n" }, { "set": "go" }]));
    let ended = server.until(&slow, is_ended);
    let run = &ended["runs"][0];
    assert_eq!((&run["state"], &run["reason"], &run["code"]), (&json!("ERROR"), &json!("kv_conflict"), &json!(1)));
    assert_eq!(ended["state"], "ERROR");
    let family = server.chain(&ended["id"], 2);
    assert_eq!((&family[1]["event_type"], &family[1]["id"]), (&json!("failed"), &run["child_event_id"]));
    let again =
        server.fire_and_wait("t", json!({ "steps": [{ "add": "n" }, { "log": "counted" }, { "until": "go" }] }));
    assert_eq!(again["runs"][0]["output"], json!([2, null, true]), "its key came free");
    check(&server);
}

#[test]
fn attachments_and_tenants_have_their_own() {
    let server = TestServer::start();
    let digest = server.upload("stateful");
    server.admin.post("/event-type", &json!({ "display_name": "t" })).expect(201);
    let action = server.action("t", &digest, json!({ "public": true, "trigger": "t" }));
    let clients = ["a", "b"].map(|tenant| server.client_for(tenant, &["admin"]));
    let fire = |tenant: usize, object: &str, steps: Value| {
        let body = json!({ "event_type": "t", "object": { "object_type": "o", "object_id": object }, "payload": { "steps": steps } });
        let fired = clients[tenant].request("POST", "/event").header("prefer", "wait=60").json(&body).send();
        fired.expect(200)["runs"][0]["output"].clone()
    };
    let mut attachments = Vec::new();
    for (tenant, object) in [(0, "1"), (0, "2"), (1, "1")] {
        let body = json!({ "object_type": "o", "object_id": object });
        let made = clients[tenant].post(&format!("/action/{action}/object"), &body);
        attachments.push(made.expect(201)["id"].as_str().unwrap().to_owned());
    }
    let both = json!([{ "add": "n" }, { "add": "n", "scope": "attachment" }]);
    assert_eq!(fire(0, "1", both.clone()), json!([1, 1]));
    assert_eq!(fire(0, "2", both.clone()), json!([2, 1]), "the action's are common, an attachment's are its own");
    assert_eq!(fire(1, "1", both.clone()), json!([1, 1]), "another tenant's are others");
    assert_eq!(fire(0, "1", both), json!([3, 2]));
    let value = |tenant: usize, query: &str| {
        let read = clients[tenant].get(&format!("/action/{action}/kv/n{query}"));
        let text = data_encoding::BASE64.decode(read.expect(200)["value"].as_str().unwrap().as_bytes()).unwrap();
        String::from_utf8(text).unwrap()
    };
    assert_eq!((value(0, ""), value(1, "")), ("3".to_owned(), "1".to_owned()));
    assert_eq!(value(0, &format!("?attachment={}", attachments[0])), "2");
    let foreign = clients[1].get(&format!("/action/{action}/kv?attachment={}", attachments[0]));
    foreign.problem(404, "not_found");
    clients[1].get(&format!("/action/{action}/kv?owner_id=a")).problem(403, "forbidden");
    assert_eq!(server.admin.get(&format!("/action/{action}/kv/n?owner_id=b")).expect(200)["size_bytes"], 1);

    // What goes takes its values with it.
    clients[0].delete(&format!("/action/{action}/object/{}", attachments[0])).expect(200);
    check(&server);
    assert_eq!(fire(0, "2", json!([{ "add": "n" }, { "add": "n", "scope": "attachment" }])), json!([4, 2]));
    server.admin.delete(&format!("/action/{action}?force=true")).expect(200);
    assert!(!server.dump().contains("[kv"), "{}", server.dump());
    check(&server);
}

#[test]
fn without_an_attachment_its_values_are_those_of_the_action() {
    let server = TestServer::start();
    with_guest(&server, json!({}));
    let steps = json!([{ "set": "a", "value": "1", "scope": "attachment" }, { "get": "a" }]);
    assert_eq!(output(&server, steps), json!(["ok", "1"]));
    assert_eq!(output(&server, json!([{ "get": "a" }, { "get": "a", "scope": "attachment" }])), json!(["1", "1"]));
}

#[test]
fn a_value_expires_by_the_clock_and_is_removed_later() {
    let server = TestServer::with_manual_clock();
    let action = with_guest(&server, json!({}));
    output(
        &server,
        json!([{ "set": "a", "value": "1", "ttl_ms": 1_000 }, { "set": "b", "value": "2", "ttl_ms": 90_000 }]),
    );
    server.clock.advance_ms(999);
    assert_eq!(output(&server, json!([{ "get": "a" }, { "list": "" }])), json!(["1", ["a", "b"]]));
    server.clock.advance_ms(1);
    let steps = json!([{ "get": "a" }, { "list": "" }, { "set": "b", "expect": "nothing" }]);
    assert_eq!(output(&server, steps), json!([null, ["b"], "conflict"]));
    server.admin.get(&format!("/action/{action}/kv/a")).problem(404, "not_found");
    assert_eq!(keys(&server, &action, ""), ["b"]);
    // One that is written anew is not what expired.
    assert_eq!(output(&server, json!([{ "set": "a", "value": "3", "expect": "nothing" }])), json!(["ok"]));
    server.pass_ms(89_000);
    server.until_forgotten(server.clock.now());
    let dump = server.dump();
    assert!(!dump.contains("[kv_by_expiry]"), "{dump}");
    assert_eq!(output(&server, json!([{ "get": "a" }, { "list": "" }])), json!(["3", ["a"]]));
    check(&server);
}

#[test]
fn each_limit_of_values_holds_at_it_and_bites_past_it() {
    let server = TestServer::start();
    with_guest(&server, json!({ "limits": { "kv_bytes": 600_000 } }));
    let (long, longer) = ("k".repeat(512), "k".repeat(513));
    let came = output(
        &server,
        json!([{ "set": long }, { "set": longer }, { "set": "" }, { "set": "v", "size": 262_144 }, { "set": "v", "size": 262_145 }]),
    );
    let limit = |came: &Value| came.as_str().unwrap().strip_prefix("limit: ").unwrap().to_owned();
    assert_eq!((&came[0], &came[3]), (&json!("ok"), &json!("ok")));
    assert!(limit(&came[1]).contains("513") && limit(&came[2]).contains("1 to 512"), "{came}");
    assert!(limit(&came[4]).contains("262145"), "{came}");
    // Of one attempt: each write counts its key, its value and 64 bytes.
    let big = json!({ "set": "v", "size": 262_144 });
    let fits = json!({ "set": "w", "size": 600_000 - 2 * (262_144 + 1 + 64) - 65 });
    let ended = run(&server, json!([big, big, fits, { "set": "x" }, { "delete": "x" }]));
    let came = &ended["output"];
    assert_eq!((&came[0], &came[1], &came[2]), (&json!("ok"), &json!("ok"), &json!("ok")), "{came}");
    assert!(limit(&came[3]).contains("600065 bytes"), "{came}");
    assert!(limit(&came[4]).contains("600000 is the most"), "{came}");
    assert_eq!(ended["attempts"][0]["usage"]["kv_bytes"], json!({ "used": 600_000, "limit": 600_000 }));
}

#[test]
fn an_action_keeps_only_so_many_values() {
    let server = TestServer::start();
    let action = with_guest(&server, json!({}));
    patient(&server);
    let many: Vec<Value> = (0..5_000).map(|number| json!({ "set": format!("{number:05}") })).collect();
    assert!(output(&server, many.into()).as_array().unwrap().iter().all(|came| *came == "ok"));
    let many: Vec<Value> = (5_000..10_001).map(|number| json!({ "set": format!("{number:05}") })).collect();
    let came = output(&server, many.into());
    let came = came.as_array().unwrap();
    assert!(came[..5_000].iter().all(|came| *came == "ok"));
    assert!(came[5_000].as_str().unwrap().contains("10001 values"), "{}", came[5_000]);
    // One in the place of another is fine, and so is one after another went.
    let steps = json!([{ "set": "00001", "value": "" }, { "set": "new" }, { "delete": "00002" }, { "set": "new" }]);
    let came = output(&server, steps);
    assert_eq!((&came[0], &came[2], &came[3]), (&json!("ok"), &json!("ok"), &json!("ok")), "{came}");
    assert!(came[1].as_str().unwrap().starts_with("limit: "));
    let listed = output(&server, json!([{ "list": "" }, { "list": "", "after": "09998" }]));
    assert_eq!((listed[0].as_array().unwrap().len(), &listed[1]), (1_000, &json!(["09999", "new"])));
    assert_eq!(keys(&server, &action, "?prefix=00&limit=200").len(), 998 + 1);
    check(&server);
}

#[test]
fn a_trial_reads_values_and_keeps_none() {
    let server = TestServer::start();
    let action = with_guest(&server, json!({}));
    output(&server, json!([{ "set": "a", "value": "1" }]));
    let before = server.dump();
    let steps = json!([{ "get": "a" }, { "set": "a", "value": "2" }, { "get": "a" }, { "set": "b" }]);
    let tried = server.admin.post(&format!("/action/{action}/test"), &json!({ "payload": { "steps": steps } }));
    assert_eq!(tried.expect(200)["run"]["output"], json!(["1", "ok", "2", "ok"]), "{}", tried.text);
    assert_eq!(server.dump(), before);
}

#[test]
fn an_operator_reads_lists_and_deletes_values() {
    let server = TestServer::with_manual_clock();
    let action = with_guest(&server, json!({}));
    let steps = json!([
        { "set": "b", "value": "two", "ttl_ms": 60_000 }, { "set": "a/x y", "value": "one" }, { "set": "c", "size": 1_000 },
    ]);
    output(&server, steps);
    let listed = server.admin.get(&format!("/action/{action}/kv?limit=2"));
    let names: Vec<&Value> = listed.expect(200).as_array().unwrap().iter().map(|value| &value["key"]).collect();
    assert_eq!(names, ["a/x y", "b"]);
    let expires_at = server.clock.now().plus_ms(60_000).to_string();
    assert_eq!(listed.body["data"][1]["expires_at"], expires_at);
    assert!(listed.body["data"][0].get("value").is_none(), "{}", listed.text);
    assert_eq!(keys(&server, &action, "?limit=1"), ["a/x y", "b", "c"], "page by page");
    assert_eq!(keys(&server, &action, "?prefix=a%2F"), ["a/x y"]);
    let path = format!("/action/{action}/kv/a%2Fx%20y");
    let read = server.admin.get(&path);
    assert_eq!((&read.expect(200)["value"], &read.body["data"]["size_bytes"]), (&json!("b25l"), &json!(3)));
    assert_eq!(read.header("etag"), format!("\"{}\"", read.body["data"]["version"]));
    let delete = |etag: &str| -> Answer { server.admin.request("DELETE", &path).header("if-match", etag).send() };
    delete("\"1\"").problem(412, "precondition_failed");
    delete(read.header("etag")).expect(200);
    server.admin.get(&path).problem(404, "not_found");
    server.admin.delete(&path).problem(404, "not_found");
    let audit = server.admin.get("/audit?limit=1").expect(200)[0].clone();
    assert_eq!(
        (&audit["what"], &audit["kind"], &audit["subject"]),
        (&json!("deleted"), &json!("value"), &json!("a/x y"))
    );
    server.admin.get("/action/nothing/kv").problem(404, "not_found");
    assert_eq!(output(&server, json!([{ "list": "" }])), json!([["b", "c"]]));
    check(&server);
}

/// Deleted while it runs, an action leaves nothing behind when the run ends.
#[test]
fn a_run_of_an_action_that_is_gone_keeps_nothing() {
    let server = TestServer::start();
    let action = with_guest(&server, json!({}));
    patient(&server);
    output(&server, json!([{ "set": "stay" }]));
    let steps = json!([{ "set": "a" }, { "log": "set" }, { "while": "stay" }]);
    let event = server.fire("t", json!({ "steps": steps }));
    let running = server.until_run_is(&event, "RUNNING");
    server.until_listed(&format!("/run/{}/log", running["id"].as_str().unwrap()), 1);
    server.admin.delete(&format!("/action/{action}?force=true")).expect(200);
    let ended = server.until(&event, is_ended);
    assert_eq!(ended["state"], "SUCCESS", "{ended:#}");
    assert!(!server.dump().contains("[kv"));
    check(&server);
}
