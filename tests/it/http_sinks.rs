//! Sink types and sinks: the limits under which runs go, how many at once, and who executes them.

use crate::support::{Answer, Client, TestServer, is_ended, wat_with};
use serde_json::{Value, json};

/// The widest that a sink type may give, and what `wasm` gives.
const BOUNDS: [(&str, u64, u64); 9] = [
    ("fuel", 10_000_000_000_000, 1_000_000_000),
    ("memory_bytes", 512 << 20, 64 << 20),
    ("timeout_ms", 3_600_000, 10_000),
    ("output_bytes", 16 << 20, 1 << 20),
    ("log_bytes", 16 << 20, 256 << 10),
    ("http_calls", 1_000, 10),
    ("http_bytes", 64 << 20, 4 << 20),
    ("kv_bytes", 16 << 20, 1 << 20),
    ("emitted_events", 256, 32),
];

fn id(answer: &Answer) -> String {
    answer.body["data"]["id"].as_str().unwrap().to_owned()
}

#[track_caller]
fn refused_at(answer: &Answer, pointers: &[&str]) {
    answer.problem(422, "invalid_body");
    answer.points_at(pointers);
}

/// A server with the component `noop` as the action `noop`.
struct World {
    server: TestServer,
    noop: String,
}

impl World {
    fn new() -> World {
        let server = TestServer::start();
        let noop = server.action("noop", &server.upload("noop"), json!({}));
        World { server, noop }
    }

    #[track_caller]
    fn sink_type(&self, name: &str, limits: &Value, concurrency: Option<u32>) -> String {
        let body = json!({ "name": name, "limits": limits, "concurrency": concurrency });
        id(&expect(self.server.admin.post("/sink-type", &body), 201))
    }

    #[track_caller]
    fn event_type(&self, name: &str, action: &str, sink_type: &str) {
        self.server.event_type(name, action, json!({ "sink_type": sink_type }));
    }

    #[track_caller]
    fn run_of(&self, event_type: &str, payload: Value) -> Value {
        self.server.fire_and_wait(event_type, payload)["runs"][0].clone()
    }

    /// An event type whose action does not end by itself within a test.
    fn held_open(&self, event_type: &str, sink_type: &str) {
        let digest = self.server.upload("failure_gallery");
        let action = self.server.action(event_type, &digest, json!({ "retry": { "attempts": 1 } }));
        self.event_type(event_type, &action, sink_type);
    }

    fn hold(&self, event_type: &str) -> String {
        self.server.fire(event_type, json!({ "way": "wait" }))
    }

    fn load(&self, sink_type: &str) -> (Value, Value) {
        let found = self.server.admin.get(&format!("/sink-type/{sink_type}"));
        let found = found.expect(200);
        (found["running"].clone(), found["queued"].clone())
    }

    #[track_caller]
    fn put_local(&self, body: &Value) -> Answer {
        let mut whole = json!({ "name": "local" });
        whole.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        expect(self.server.admin.put("/sink/local", &whole), 200)
    }
}

#[track_caller]
fn expect(answer: Answer, status: u16) -> Answer {
    answer.expect(status);
    answer
}

#[test]
fn a_sink_type_is_created_read_listed_changed_and_deleted() {
    let mut server = TestServer::start();
    let body = json!({ "name": "big", "description": "much memory", "limits": { "memory_bytes": 256 << 20 }, "concurrency": 2 });
    let made = server.admin.post("/sink-type", &body);
    let data = made.expect(201).clone();
    assert_eq!(made.header("etag"), "\"1\"");
    let mut limits = server.admin.get("/sink-type/wasm").expect(200)["limits"].clone();
    limits["memory_bytes"] = json!(256 << 20);
    assert_eq!((&data["limits"], &data["concurrency"]), (&limits, &json!(2)), "what is left out is as in wasm");
    assert_eq!((&data["built_in"], &data["running"], &data["queued"]), (&json!(false), &json!(0), &json!(0)));
    let path = format!("/sink-type/{}", id(&made));
    server.restart();
    for reference in [path.as_str(), "/sink-type/big", "/sink-type/BIG"] {
        assert_eq!(server.admin.get(reference).expect(200), &data);
    }
    let put = |etag: &str| {
        let request = server.admin.request("PUT", &path).header("if-match", etag);
        request.json(&json!({ "name": "Large" })).send()
    };
    put("\"2\"").problem(412, "precondition_failed");
    let changed = put("\"1\"");
    assert_eq!((&changed.expect(200)["version"], &changed.body["data"]["concurrency"]), (&json!(2), &Value::Null));
    assert_eq!(changed.body["data"]["limits"]["memory_bytes"], 64 << 20);
    let names = server.admin.pages("/sink-type");
    assert_eq!(names.iter().map(|found| found["name"].as_str().unwrap()).collect::<Vec<_>>(), ["Large", "wasm"]);
    let stale = server.admin.request("DELETE", &path).header("if-match", "\"1\"").send();
    stale.problem(412, "precondition_failed");
    server.admin.delete(&path).expect(200);
    server.admin.get(&path).problem(404, "not_found");
}

#[test]
fn the_sink_type_wasm_is_there_and_stays_as_it_is() {
    let server = TestServer::start();
    let wasm = server.admin.get("/sink-type/wasm").expect(200).clone();
    assert_eq!((&wasm["name"], &wasm["built_in"], &wasm["online"]), (&json!("wasm"), &json!(true), &json!(true)));
    for (field, _, wasms) in BOUNDS {
        assert_eq!(wasm["limits"][field], wasms, "{field}");
    }
    let by_id = format!("/sink-type/{}", wasm["id"].as_str().unwrap());
    for path in ["/sink-type/WASM", &by_id] {
        assert_eq!(server.admin.get(path).expect(200), &wasm);
        server.admin.put(path, &json!({ "name": "wasm" })).problem(409, "built_in");
        server.admin.delete(path).problem(409, "built_in");
    }
    for name in ["wasm", "Wasm"] {
        server.admin.post("/sink-type", &json!({ "name": name })).problem(409, "name_taken");
    }
    assert_eq!(server.client_for("a", &["read"]).get("/sink-type").body["count"], 1);
}

#[test]
fn a_limit_of_a_sink_type_is_at_least_1_and_at_most_what_the_sandbox_can_give() {
    let server = TestServer::start();
    let post = |limits: Value, concurrency: Value| {
        server.admin.post("/sink-type", &json!({ "name": "x", "limits": limits, "concurrency": concurrency }))
    };
    for (field, most, _) in BOUNDS {
        for wrong in [0, most + 1] {
            refused_at(&post(json!({ field: wrong }), Value::Null), &[&format!("/limits/{field}")]);
        }
    }
    refused_at(&post(json!({ "fule": 1 }), Value::Null), &["/limits/fule"]);
    refused_at(
        &post(json!({ "fuel": 0, "log_bytes": 0 }), json!(0)),
        &["/limits/fuel", "/limits/log_bytes", "/concurrency"],
    );
    // The server of a test runs 8 at once.
    refused_at(&post(json!({}), json!(9)), &["/concurrency"]);
    refused_at(&server.admin.post("/sink-type", &json!({ "name": "1x" })), &["/name"]);
    refused_at(
        &server.admin.post("/sink-type", &json!({ "name": "x", "description": "x".repeat(10_001) })),
        &["/description"],
    );
    assert_eq!(server.admin.get("/sink-type").body["count"], 1);
    let most: Value = BOUNDS
        .iter()
        .map(|(field, most, _)| ((*field).to_owned(), json!(most)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    assert_eq!(post(most.clone(), json!(8)).expect(201)["limits"], most);
    let least: Value =
        BOUNDS.iter().map(|(field, ..)| ((*field).to_owned(), json!(1))).collect::<serde_json::Map<_, _>>().into();
    server.admin.post("/sink-type", &json!({ "name": "y", "limits": least, "concurrency": 1 })).expect(201);
}

#[test]
fn a_tenant_gives_itself_no_more_than_wasm_or_what_the_platform_gave_it() {
    let server = TestServer::start();
    let tenant = server.client_for("a", &["read", "write"]);
    for (field, _, wasms) in BOUNDS {
        let body = |value: u64| json!({ "name": field, "limits": { field: value } });
        refused_at(&tenant.post("/sink-type", &body(wasms + 1)), &[&format!("/limits/{field}")]);
        assert_eq!(tenant.post("/sink-type", &body(wasms)).expect(201)["owner_id"], "a");
    }
    let given = json!({ "name": "given", "owner_id": "a", "limits": { "fuel": 5_000_000_000_u64 } });
    let path = format!("/sink-type/{}", id(&expect(server.admin.post("/sink-type", &given), 201)));
    let put = |fuel: u64| tenant.put(&path, &json!({ "name": "given", "limits": { "fuel": fuel } }));
    refused_at(&put(5_000_000_001), &["/limits/fuel"]);
    put(5_000_000_000).expect(200);
    put(3_000_000_000).expect(200);
    refused_at(&put(5_000_000_000), &["/limits/fuel"]);
    // What is shared is the platform's, what is another tenant's is not there.
    server.admin.post("/sink-type", &json!({ "name": "shared" })).expect(201);
    tenant.put("/sink-type/shared", &json!({ "name": "shared" })).problem(403, "forbidden");
    tenant.delete("/sink-type/shared").problem(403, "forbidden");
    tenant.post("/sink-type", &json!({ "name": "Shared" })).problem(409, "name_taken");
    let other = server.client_for("b", &["read", "write"]);
    other.get(&path).problem(404, "not_found");
    other.get("/sink-type/given").problem(404, "not_found");
    other.post("/sink-type", &json!({ "name": "given" })).expect(201);
}

#[test]
fn an_event_type_names_a_sink_type_that_it_can_see() {
    let World { server, .. } = &World::new();
    let (a, b) = (server.client_for("a", &["admin"]), server.client_for("b", &["admin"]));
    let made = id(&expect(a.post("/sink-type", &json!({ "name": "Own" })), 201));
    for (name, sink_type) in [("t", "own"), ("u", "OWN"), ("v", &made)] {
        let event_type = json!({ "display_name": name, "sink_type": sink_type });
        assert_eq!(a.post("/event-type", &event_type).expect(201)["sink_type"], "Own");
    }
    for client in [&b, &server.admin] {
        for sink_type in ["Own", "nobodys", &made, ""] {
            let event_type = json!({ "display_name": "x", "sink_type": sink_type });
            refused_at(&client.post("/event-type", &event_type), &["/sink_type"]);
        }
    }
    assert_eq!(b.post("/event-type", &json!({ "display_name": "x" })).expect(201)["sink_type"], "wasm");
    let changed = a.put("/event-type/t", &json!({ "display_name": "t" }));
    assert_eq!(changed.expect(200)["sink_type"], "wasm", "what is left out is the default again");
}

#[test]
fn runs_go_within_the_limits_of_the_sink_type_wider_than_wasm_or_tighter() {
    let world = World::new();
    // 75 MiB to begin with, of which `wasm` gives 64.
    let large = world.server.action(
        "large",
        &world.server.upload_bytes(wat_with(1_200, "run")),
        json!({ "retry": { "attempts": 1 } }),
    );
    world.sink_type("big", &json!({ "memory_bytes": 80 << 20 }), None);
    world.sink_type("small", &json!({ "output_bytes": 4 }), None);
    for (name, action, sink_type) in [
        ("large", &large, "wasm"),
        ("large.big", &large, "big"),
        ("noop", &world.noop, "wasm"),
        ("noop.small", &world.noop, "small"),
    ] {
        world.event_type(name, action, sink_type);
    }
    let run = world.run_of("large", json!({}));
    assert_eq!(
        (&run["state"], &run["reason"], &run["sink_type"]),
        (&json!("ERROR"), &json!("memory_limit"), &json!("wasm"))
    );
    let run = world.run_of("large.big", json!({}));
    assert_eq!((&run["state"], &run["sink_type"]), (&json!("SUCCESS"), &json!("big")));
    assert_eq!(run["attempts"][0]["usage"]["memory_bytes"], json!({ "used": 1_200 << 16, "limit": 80 << 20 }));
    assert_eq!(world.run_of("noop", json!({ "n": 1 }))["state"], "SUCCESS");
    let run = world.run_of("noop.small", json!({ "n": 1 }));
    assert_eq!((&run["state"], &run["reason"]), (&json!("ERROR"), &json!("output_limit")));
    assert_eq!(world.run_of("noop.small", json!(1234))["state"], "SUCCESS", "at the limit is within it");
}

#[test]
fn of_the_limits_of_the_sink_type_and_of_the_action_the_tighter_hold() {
    let world = World::new();
    let digest = world.server.upload("noop");
    let limits = json!({ "fuel": 2_000_000_000_u64, "output_bytes": 100 });
    let body = json!({ "name": "a", "module": digest, "limits": limits });
    refused_at(&world.server.admin.post("/action", &body), &["/limits/fuel"]);
    world.sink_type("big", &json!({ "fuel": 3_000_000_000_u64, "output_bytes": 50 }), None);
    let action = world.server.action("a", &digest, json!({ "limits": limits }));
    for sink_type in ["big", "wasm"] {
        world.event_type(sink_type, &action, sink_type);
    }
    let limits_of = |event_type: &str| {
        let usage = world.run_of(event_type, json!({}))["attempts"][0]["usage"].clone();
        (usage["fuel"]["limit"].clone(), usage["output_bytes"]["limit"].clone())
    };
    assert_eq!(limits_of("big"), (json!(2_000_000_000_u64), json!(50)));
    assert_eq!(limits_of("wasm"), (json!(1_000_000_000), json!(100)));
    // What one tenant has does not widen what another's actions may ask for.
    let tenant = world.server.client_for("a", &["admin"]);
    let own = json!({ "name": "own", "owner_id": "a", "limits": { "fuel": 9_000_000_000_u64 } });
    world.server.admin.post("/sink-type", &own).expect(201);
    let wide = json!({ "name": "wide", "module": digest, "limits": { "fuel": 9_000_000_000_u64 } });
    refused_at(&world.server.client_for("b", &["admin"]).post("/action", &wide), &["/limits/fuel"]);
    tenant.post("/action", &json!({ "name": "own", "module": digest, "limits": wide["limits"] })).expect(201);
    // What is shared may run for every tenant.
    world.server.admin.post("/action", &wide).expect(201);
}

#[test]
fn a_changed_sink_type_holds_for_what_is_fired_from_then_on() {
    let world = World::new();
    world.sink_type("s", &json!({ "output_bytes": 4 }), None);
    world.event_type("t", &world.noop, "s");
    assert_eq!(world.run_of("t", json!({ "n": 1 }))["reason"], "output_limit");
    world.server.admin.put("/sink-type/s", &json!({ "name": "s", "limits": { "output_bytes": 7 } })).expect(200);
    assert_eq!(world.run_of("t", json!({ "n": 1 }))["state"], "SUCCESS");
}

#[test]
fn a_sink_type_in_use_is_neither_deleted_nor_renamed() {
    let world = World::new();
    let admin = &world.server.admin;
    world.sink_type("s", &json!({}), None);
    world.event_type("t", &world.noop, "s");
    admin.post("/sink", &json!({ "name": "executor", "sink_types": ["S"] })).expect(201);
    let rename = |name: &str| admin.put("/sink-type/s", &json!({ "name": name }));
    for refused in [admin.delete("/sink-type/s"), rename("other")] {
        refused.problem(409, "in_use");
        assert!(refused.detail().contains("the event type `t`"), "{}", refused.detail());
        assert!(refused.detail().contains("the sink `executor`"), "{}", refused.detail());
    }
    rename("S").expect(200);
    admin.delete("/event-type/t").expect(200);
    admin.delete("/sink-type/s").problem(409, "in_use");
    admin.put("/sink/executor", &json!({ "name": "executor" })).expect(200);
    rename("other").expect(200);
    admin.delete("/sink-type/other").expect(200);
}

#[test]
fn no_more_runs_of_a_sink_type_go_on_at_once_than_it_says() {
    let world = World::new();
    world.sink_type("one", &json!({ "timeout_ms": 3_600_000 }), Some(1));
    world.held_open("slow", "one");
    let first = world.hold("slow");
    world.server.until_run_is(&first, "RUNNING");
    let second = world.server.fire("slow", json!({ "way": "ok" }));
    let third = world.server.fire("slow", json!({ "way": "ok", "n": 2 }));
    assert_eq!(world.load("one"), (json!(1), json!(2)));
    let waiting = world.server.event(&second)["runs"][0].clone();
    assert_eq!(
        (&waiting["state"], &waiting["reason"]),
        (&json!("QUEUED"), &Value::Null),
        "full is queued, never an error"
    );
    // Others are not held up by it.
    world.event_type("fast", &world.noop, "wasm");
    assert_eq!(world.run_of("fast", json!({}))["state"], "SUCCESS");
    let metrics = world.server.admin.get("/metrics").text;
    for line in [
        "fusebox_sink_type_attempts_running{sink_type=\"one\",owner_id=\"\"} 1",
        "fusebox_sink_type_runs_queued{sink_type=\"one\",owner_id=\"\"} 2",
        "fusebox_sink_type_runs_queued{sink_type=\"wasm\",owner_id=\"\"} 0",
        "fusebox_sink_type_runs_queued{sink_type=\"(others)\",owner_id=\"\"} 0",
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
    world.server.admin.request("POST", &format!("/event/{first}/cancel")).send().expect(200);
    for event in [&second, &third] {
        assert_eq!(world.server.until(event, is_ended)["state"], "SUCCESS");
    }
    assert_eq!(world.load("one"), (json!(0), json!(0)));
}

#[test]
fn a_raised_concurrency_lets_what_waits_begin_and_a_lowered_one_breaks_nothing_off() {
    let world = World::new();
    world.sink_type("s", &json!({ "timeout_ms": 3_600_000 }), Some(1));
    world.held_open("slow", "s");
    let put = |concurrency: u32| {
        let body = json!({ "name": "s", "limits": { "timeout_ms": 3_600_000 }, "concurrency": concurrency });
        world.server.admin.put("/sink-type/s", &body).expect(200);
    };
    let hold = |n: u32| world.server.fire("slow", json!({ "way": "wait", "n": n }));
    let events = [hold(1), hold(2), hold(3)];
    world.server.until_run_is(&events[0], "RUNNING");
    assert_eq!(world.load("s"), (json!(1), json!(2)));
    put(2);
    world.server.until_run_is(&events[1], "RUNNING");
    assert_eq!(world.load("s"), (json!(2), json!(1)));
    put(1);
    assert_eq!(world.load("s"), (json!(2), json!(1)));
    let cancel = |event: &String| {
        world.server.admin.request("POST", &format!("/event/{event}/cancel")).send().expect(200).clone()
    };
    cancel(&events[0]);
    assert_eq!(world.server.event(&events[2])["runs"][0]["state"], "QUEUED");
    cancel(&events[1]);
    world.server.until_run_is(&events[2], "RUNNING");
    cancel(&events[2]);
}

#[test]
fn a_sink_is_created_read_listed_changed_and_deleted() {
    let mut server = TestServer::start();
    server.admin.post("/sink-type", &json!({ "name": "big" })).expect(201);
    let made = server
        .admin
        .post("/sink", &json!({ "name": "east", "description": "over there", "sink_types": ["BIG", "wasm"] }));
    let data = made.expect(201).clone();
    assert_eq!(
        (&data["sink_types"], &data["state"], &data["built_in"]),
        (&json!(["big", "wasm"]), &json!("ONLINE"), &json!(false))
    );
    assert!(data["last_seen"].is_string(), "{data}");
    let path = format!("/sink/{}", id(&made));
    server.restart();
    for reference in [path.as_str(), "/sink/east", "/sink/EAST"] {
        let found = server.admin.get(reference);
        assert_eq!((&found.expect(200)["sink_types"], found.header("etag")), (&data["sink_types"], "\"1\""));
    }
    let put = |etag: &str| {
        let body = json!({ "name": "west", "enabled": false });
        server.admin.request("PUT", &path).header("if-match", etag).json(&body).send()
    };
    put("\"2\"").problem(412, "precondition_failed");
    let changed = put("\"1\"");
    assert_eq!((&changed.expect(200)["state"], &changed.body["data"]["sink_types"]), (&json!("OFFLINE"), &json!([])));
    let names: Vec<Value> = server.admin.pages("/sink").iter().map(|sink| sink["name"].clone()).collect();
    assert_eq!(names, ["local", "west"]);
    let stale = server.admin.request("DELETE", &path).header("if-match", "\"1\"").send();
    stale.problem(412, "precondition_failed");
    server.admin.delete(&path).expect(200);
    server.admin.get(&path).problem(404, "not_found");
    let audited = server.admin.pages("/audit?kind=sink");
    let deeds: Vec<&str> = audited.iter().map(|entry| entry["what"].as_str().unwrap()).collect();
    assert_eq!(deeds, ["deleted", "changed", "created"]);
}

#[test]
fn what_is_wrong_with_a_sink_is_pointed_at() {
    let server = TestServer::start();
    let own = json!({ "name": "own", "owner_id": "a" });
    server.admin.post("/sink-type", &own).expect(201);
    for (field, value, pointer) in [
        ("name", json!("1"), "/name"),
        ("sink_types", json!(["wasm", "gpu"]), "/sink_types/1"),
        ("sink_types", json!(["wasm", "WASM"]), "/sink_types/1"),
        ("sink_types", json!(["own"]), "/sink_types/0"),
        ("sink_types", json!(vec!["wasm"; 1_001]), "/sink_types"),
        ("sink_types", json!("wasm"), "/sink_types"),
        ("enabled", json!(1), "/enabled"),
        ("owner_id", json!("a"), "/owner_id"),
        ("description", json!("x".repeat(10_001)), "/description"),
    ] {
        let mut body = json!({ "name": "s" });
        body[field] = value;
        refused_at(&server.admin.post("/sink", &body), &[pointer]);
    }
    for name in ["local", "Local"] {
        server.admin.post("/sink", &json!({ "name": name })).problem(409, "name_taken");
    }
    assert_eq!(server.admin.get("/sink").body["count"], 1);
}

#[test]
fn sinks_are_the_platforms_and_tenants_see_them() {
    let server = TestServer::start();
    let tenant = server.client_for("a", &["admin"]);
    assert_eq!(tenant.get("/sink/local").expect(200)["state"], "ONLINE");
    tenant.post("/sink", &json!({ "name": "mine" })).problem(403, "forbidden");
    tenant.put("/sink/local", &json!({ "name": "local", "enabled": false })).problem(403, "forbidden");
    tenant.delete("/sink/local").problem(403, "forbidden");
    assert_eq!(server.admin.get("/sink").body["count"], 1);
}

#[test]
fn the_sink_local_can_be_disabled_and_restricted_and_becomes_what_it_was() {
    let mut server = TestServer::start();
    let local = server.admin.get("/sink/local");
    assert_eq!((&local.expect(200)["built_in"], &local.body["data"]["state"]), (&json!(true), &json!("ONLINE")));
    assert_eq!(local.header("etag"), "\"1\"");
    server.admin.delete("/sink/local").problem(409, "built_in");
    refused_at(&server.admin.put("/sink/local", &json!({ "name": "other" })), &["/name"]);
    let put = |etag: &str| {
        let body = json!({ "name": "local", "sink_types": ["wasm"], "enabled": false });
        server.admin.request("PUT", "/sink/local").header("if-match", etag).json(&body).send()
    };
    put("\"2\"").problem(412, "precondition_failed");
    assert_eq!(put("\"1\"").expect(200)["version"], 2);
    put("\"1\"").problem(412, "precondition_failed");
    server.restart();
    let local = server.admin.get("/sink/local").expect(200).clone();
    assert_eq!(
        (&local["state"], &local["built_in"], &local["sink_types"]),
        (&json!("OFFLINE"), &json!(true), &json!(["wasm"]))
    );
    assert_eq!(local["last_seen"], Value::Null, "not since this start");
    assert_eq!(server.admin.get("/sink").body["count"], 1);
    server.admin.delete("/sink/local").expect(200);
    let local = server.admin.get("/sink/local").expect(200).clone();
    assert_eq!((&local["state"], &local["version"], &local["sink_types"]), (&json!("ONLINE"), &json!(1), &json!([])));
}

#[test]
fn a_sink_was_last_seen_when_it_was_last_online() {
    let server = TestServer::with_manual_clock();
    let seen = || server.admin.get("/sink/local").expect(200)["last_seen"].clone();
    let first = seen();
    server.pass_ms(60_000);
    let second = seen();
    assert!(first.is_string() && first != second, "{first} {second}");
    server.admin.put("/sink/local", &json!({ "name": "local", "enabled": false })).expect(200);
    server.pass_ms(60_000);
    assert_eq!(seen(), second);
    server.admin.put("/sink/local", &json!({ "name": "local" })).expect(200);
    assert_ne!(seen(), second);
}

#[test]
fn what_no_sink_takes_stays_queued_says_so_and_goes_on_by_itself() {
    let mut world = World::new();
    world.event_type("t", &world.noop, "wasm");
    world.put_local(&json!({ "enabled": false }));
    let event = world.server.fire("t", json!({ "n": 1 }));
    let held = |server: &TestServer| {
        let run = server.event(&event)["runs"][0].clone();
        assert_eq!((&run["state"], &run["reason"]), (&json!("QUEUED"), &json!("no_sink")), "{run:#}");
        assert!(run["message"].as_str().unwrap().contains("`wasm`"), "{run:#}");
        let path = format!("/run/{}", run["id"].as_str().unwrap());
        assert_eq!(server.admin.get(&path).expect(200)["reason"], "no_sink");
        let found = server.admin.get("/run?reason=no_sink&state=QUEUED");
        assert_eq!((&found.body["count"], &found.expect(200)[0]["reason"]), (&json!(1), &json!("no_sink")));
        assert_eq!(server.admin.get("/run?reason=trap").body["count"], 0);
        assert_eq!(server.admin.get("/sink-type/wasm").expect(200)["online"], false);
    };
    held(&world.server);
    assert_eq!(world.load("wasm"), (json!(0), json!(1)));
    let waited = world.server.admin.request("POST", "/trigger/t").header("prefer", "wait=1").bytes("2").send();
    assert_eq!(waited.expect(202)["runs"][0]["reason"], "no_sink");
    world.server.restart();
    held_after_restart(&world);
    assert_eq!(world.load("wasm"), (json!(0), json!(2)));
    world.put_local(&json!({ "enabled": true }));
    let ended = world.server.until(&event, is_ended);
    assert_eq!((&ended["state"], &ended["runs"][0]["reason"]), (&json!("SUCCESS"), &Value::Null));
    assert_eq!(ended["runs"][0]["message"], "");
}

#[track_caller]
fn held_after_restart(world: &World) {
    let found = world.server.admin.get("/run?reason=no_sink");
    assert_eq!(found.body["count"], 2, "{}", found.text);
}

#[test]
fn a_new_sink_takes_what_waited_for_one() {
    let world = World::new();
    world.sink_type("big", &json!({}), None);
    world.event_type("of_big", &world.noop, "big");
    world.event_type("of_wasm", &world.noop, "wasm");
    world.put_local(&json!({ "sink_types": ["wasm"] }));
    assert_eq!(world.run_of("of_wasm", json!({}))["state"], "SUCCESS");
    let event = world.server.fire("of_big", json!({}));
    assert_eq!(world.server.event(&event)["runs"][0]["reason"], "no_sink");
    world.server.admin.post("/sink", &json!({ "name": "off", "enabled": false })).expect(201);
    world.server.admin.post("/sink", &json!({ "name": "other", "sink_types": ["wasm"] })).expect(201);
    assert_eq!(world.server.event(&event)["runs"][0]["reason"], "no_sink");
    world.server.admin.post("/sink", &json!({ "name": "east", "sink_types": ["big"] })).expect(201);
    assert_eq!(world.server.until(&event, is_ended)["state"], "SUCCESS");
    // And without it again.
    world.server.admin.delete("/sink/east").expect(200);
    let event = world.server.fire("of_big", json!({}));
    assert_eq!(world.server.event(&event)["runs"][0]["reason"], "no_sink");
    world.server.admin.request("POST", &format!("/event/{event}/cancel")).send().expect(200);
    assert_eq!(world.server.event(&event)["state"], "CANCELLED", "what waits for a sink can be cancelled");
}

#[test]
fn a_tenants_own_sink_type_is_taken_by_sinks_that_take_everything() {
    let world = World::new();
    let tenant: Client = world.server.client_for("a", &["admin"]);
    tenant.post("/sink-type", &json!({ "name": "own", "concurrency": 1 })).expect(201);
    tenant.post("/event-type", &json!({ "display_name": "t", "sink_type": "own", "action": world.noop })).expect(201);
    let fire = || tenant.request("POST", "/trigger/t").header("prefer", "wait=60").bytes("1").send();
    let run = fire().expect(200)["runs"][0].clone();
    assert_eq!((&run["state"], &run["sink_type"]), (&json!("SUCCESS"), &json!("own")));
    world.put_local(&json!({ "sink_types": ["wasm"] }));
    let event = tenant.post("/event", &json!({ "event_type": "t" })).expect(202)["id"].as_str().unwrap().to_owned();
    let event_of = || tenant.get(&format!("/event/{event}")).expect(200)["runs"][0].clone();
    assert_eq!(event_of()["reason"], "no_sink");
    world.put_local(&json!({}));
    assert_eq!(world.server.until(&event, is_ended)["state"], "SUCCESS");
    // Nobody else sees it in the figures.
    let line = "sink_type=\"own\",owner_id=\"a\"";
    assert!(tenant.get("/metrics").text.contains(line) && world.server.admin.get("/metrics").text.contains(line));
    assert!(!world.server.client_for("b", &["read"]).get("/metrics").text.contains("sink_type=\"own\""));
}

#[test]
fn what_was_planned_under_a_sink_type_that_is_gone_goes_on() {
    let mut world = World::new();
    world.sink_type("big", &json!({ "output_bytes": 4 }), Some(1));
    world.event_type("t", &world.noop, "big");
    world.put_local(&json!({ "enabled": false }));
    let event = world.server.fire("t", json!({ "n": 1 }));
    world.server.admin.delete("/event-type/t").expect(200);
    world.server.admin.delete("/sink-type/big").expect(200);
    assert_eq!(world.server.event(&event)["runs"][0]["reason"], "no_sink");
    world.server.restart();
    world.put_local(&json!({}));
    let run = world.server.until(&event, is_ended)["runs"][0].clone();
    assert_eq!((&run["sink_type"], &run["reason"]), (&json!("big"), &json!("output_limit")), "as it was planned");
}
