//! Trying an action out with a sample event, and asking what a firing would do: nothing of either is kept.

use crate::support::{Answer, Client, ECHO, TestServer, show_params};
use serde_json::{Value, json};

fn test(client: &Client, action: &str, query: &str, body: &Value) -> Answer {
    client.post(&format!("/action/{action}/test{query}"), body)
}

#[test]
fn an_action_is_tried_with_a_sample_event_and_nothing_is_kept() {
    let server = TestServer::start();
    let gallery = server.install("gallery", "failure_gallery", json!({}));
    let before = server.dump();
    let seen = server.store().changes().next();
    let warned = test(&server.admin, &gallery, "", &json!({ "payload": { "way": "warning" } }));
    let tried = warned.expect(200);
    assert_eq!(
        (&tried["dry_run"], &tried["run"]["state"], &tried["event_type"]),
        (&json!(false), &json!("WARNING"), &json!("sample"))
    );
    let attempt = &tried["run"]["attempts"][0];
    assert!(
        attempt["usage"]["fuel"]["used"].as_u64().unwrap() > 0 && attempt["usage"]["fuel"]["limit"] == 1_000_000_000
    );
    let looped = test(&server.admin, &gallery, "", &json!({ "payload": { "way": "loop" } }));
    let run = &looped.expect(200)["run"];
    assert_eq!((&run["state"], &run["reason"]), (&json!("ERROR"), &json!("fuel_exhausted")), "the limits hold");
    // What would be tried again is tried once.
    let busy = test(&server.admin, &gallery, "", &json!({ "payload": { "way": "retry" } }));
    let run = &busy.expect(200)["run"];
    assert_eq!((&run["state"], run["attempts"].as_array().unwrap().len()), (&json!("ERROR"), 1));
    let flood = test(&server.admin, &gallery, "", &json!({ "payload": { "way": "log_flood" } }));
    let log = flood.expect(200)["log"].as_array().unwrap();
    assert!(!log.is_empty() && log[0]["message"].is_string());
    assert_eq!(server.dump(), before);
    assert_eq!(server.store().changes().next(), seen, "nobody who watches was told");
    assert_eq!(server.load().running, 0);
}

#[test]
fn a_dry_run_says_what_it_would_run_with_and_where_from() {
    let server = TestServer::with_manual_clock();
    let module = server.upload_bytes(show_params());
    let schema = json!({ "type": "object", "properties": { "n": { "type": "number" } } });
    server
        .admin
        .post(
            "/event-type",
            &json!({ "display_name": "booked", "payload_schema": schema, "parameters": [
        { "name": "both", "type": "STATIC", "value": "of the event type" },
        { "name": "locked", "type": "STATIC", "value": "never" },
    ] }),
        )
        .expect(201);
    let parameters = json!([
        { "name": "both", "type": "STATIC", "value": "of the action" },
        { "name": "locked", "type": "STATIC", "value": "of the action", "locked": true },
        { "name": "read", "type": "DATA", "value": "/who" },
        { "name": "usual", "type": "DATA", "value": "gone", "default": 3 },
        { "name": "maybe", "type": "DATA", "value": "gone", "required": false },
        { "name": "given", "type": "DATA", "value": "gone" },
    ]);
    let when = json!({ "at": "/at", "offset": "-5m" });
    let action = server.action(
        "show",
        &module,
        json!({ "trigger": "booked", "parameters": parameters, "when": when, "enabled": false,
        "input": { "channel": { "type": "string" } }, "limits": { "fuel": 5_000_000 } }),
    );
    let before = server.dump();
    let at = "2023-11-15T00:00:00Z";
    let body = json!({ "payload": { "who": "Ada", "at": at }, "params": { "given": [1] }, "input": { "channel": "#ops" },
        "object": { "object_type": "place", "object_id": "7" } });
    let dry = test(&server.admin, &action, "?dry_run=true", &body);
    let would = dry.expect(200);
    let told = |name: &str| {
        let found = would["params"].as_array().unwrap().iter().find(|p| p["name"] == name);
        let found = found.unwrap_or_else(|| panic!("no {name}: {would:#}"));
        (found["from"].clone(), found["value"].clone(), found["is_default"].clone())
    };
    assert_eq!(told("both"), (json!("event_type"), json!("of the event type"), json!(false)));
    assert_eq!(told("locked"), (json!("action"), json!("of the action"), json!(false)));
    assert_eq!(told("read"), (json!("action"), json!("Ada"), json!(false)));
    assert_eq!(told("usual"), (json!("action"), json!(3), json!(true)));
    assert_eq!(told("maybe"), (json!("action"), Value::Null, json!(false)));
    assert_eq!(told("given"), (json!("request"), json!([1]), json!(false)));
    let run = &would["run"];
    assert_eq!((&run["state"], &run["attempts"], &run["module"]), (&json!("QUEUED"), &json!([]), &json!(module)));
    assert_eq!((&run["input"], &would["limits"]["fuel"]), (&json!({ "channel": "#ops" }), &json!(5_000_000)));
    assert_eq!((&would["event_type"], &would["due_at"]), (&json!("booked"), &json!("2023-11-14T23:55:00.000Z")));
    assert_eq!((&would["dry_run"], &would["log"], &would["follows"]), (&json!(true), &json!([]), &Value::Null));
    // What really runs gets exactly that.
    let tried = test(&server.admin, &action, "", &body);
    assert_eq!(tried.expect(200)["run"]["output"], run["params"], "{}", tried.text);
    assert_eq!(
        run["params"],
        json!({ "both": "of the event type", "locked": "of the action", "read": "Ada", "usual": 3, "given": [1] })
    );
    assert_eq!(server.dump(), before);
}

#[test]
fn faults_of_a_sample_are_told_by_a_dry_run_and_refuse_a_real_one() {
    let server = TestServer::start();
    let module = server.upload_bytes(ECHO);
    let schema = json!({ "type": "object", "required": ["n"] });
    server.admin.post("/event-type", &json!({ "display_name": "booked", "payload_schema": schema })).expect(201);
    let input = json!({ "channel": { "type": "string" } });
    let action = server.action("greet", &module, json!({ "trigger": "booked", "input": input }));
    let body = json!({ "payload": {}, "input": { "channel": 7 } });
    let refused = test(&server.admin, &action, "", &body);
    refused.problem(422, "invalid_body");
    refused.points_at(&["/payload", "/input/channel"]);
    let dry = test(&server.admin, &action, "?dry_run=true", &body);
    let pointers: Vec<&str> =
        dry.expect(200)["faults"].as_array().unwrap().iter().map(|fault| fault["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers, ["/payload", "/input/channel"]);
    let refused = |body: Value, pointer: &str| {
        let answer = test(&server.admin, &action, "", &body);
        answer.problem(422, "invalid_body");
        answer.points_at(&[pointer]);
    };
    refused(json!({ "version": 2 }), "/version");
    refused(json!({ "event_type": "nothing" }), "/event_type");
    refused(json!({ "params": [] }), "/params");
    test(&server.admin, &action, "?dry_run=maybe", &body).problem(400, "bad_request");
    // A parameter that is missing ends it before it starts, as it would a run.
    let needs = json!([{ "name": "who", "type": "DATA", "value": "who" }]);
    let needs = server.action("needs", &module, json!({ "parameters": needs }));
    let run = test(&server.admin, &needs, "", &json!({})).expect(200)["run"].clone();
    assert_eq!(
        (&run["state"], &run["reason"], &run["attempts"]),
        (&json!("ERROR"), &json!("param_missing"), &json!([]))
    );
}

#[test]
fn an_older_version_is_tried_and_the_chain_is_told_and_not_fired() {
    let server = TestServer::start();
    let (echo, params) = (server.upload_bytes(ECHO), server.upload_bytes(show_params()));
    server.admin.post("/event-type", &json!({ "display_name": "done" })).expect(201);
    let action = server.action("greet", &echo, json!({ "on_success": "done" }));
    server.admin.put(&format!("/action/{action}"), &json!({ "name": "greet", "module": params })).expect(200);
    let newest = test(&server.admin, &action, "", &json!({ "payload": { "n": 1 } }));
    assert_eq!((&newest.expect(200)["run"]["output"], &newest.expect(200)["follows"]), (&json!({}), &Value::Null));
    let first = test(&server.admin, &action, "", &json!({ "payload": { "n": 1 }, "version": 1 }));
    let first = first.expect(200);
    assert_eq!((&first["run"]["version"], &first["run"]["output"]), (&json!(1), &json!({ "n": 1 })));
    assert_eq!(first["follows"], json!({ "event_type": "done", "payload": { "n": 1 }, "exists": true }));
    assert_eq!(server.admin.get("/event").body["count"], 0);
}

#[test]
fn a_trial_runs_as_its_tenant_and_another_tenants_action_is_not_there() {
    let server = TestServer::start();
    let (a, b) = (server.client_for("a", &["write"]), server.client_for("b", &["write"]));
    let module = server.upload_bytes(ECHO);
    let action = a.post("/action", &json!({ "name": "own", "module": module, "public": true }));
    let action = action.expect(201)["id"].as_str().unwrap().to_owned();
    assert_eq!(test(&a, &action, "", &json!({})).expect(200)["run"]["owner_id"], "a");
    assert_eq!(
        test(&server.admin, &action, "", &json!({})).expect(200)["run"]["owner_id"],
        "a",
        "the platform tries it for its owner"
    );
    // What is public may be attached; what it was made of is its owner's to look at.
    test(&b, &action, "", &json!({})).problem(404, "not_found");
    test(&a, &action, "", &json!({ "owner_id": "b" })).problem(403, "forbidden");
    let shared = server.action("shared", &module, json!({}));
    assert_eq!(test(&b, &shared, "", &json!({})).expect(200)["run"]["owner_id"], "b");
}

/// A trial must not be a way around the bound on what a tenant runs at once.
#[test]
fn a_trial_waits_for_a_permit_and_gives_it_back() {
    let server = TestServer::with(|config| {
        (config.concurrency, config.concurrency_per_tenant) = (2, 1);
        config.bounds.wait_s = 1;
    });
    server.install("held", "failure_gallery", json!({ "retry": { "attempts": 1 } }));
    let noop = server.action("noop", &server.upload("noop"), json!({}));
    let holding = server.fire("held", json!({ "way": "wait" }));
    server.until_run_is(&holding, "RUNNING");
    let late = test(&server.admin, &noop, "", &json!({}));
    late.problem(429, "too_many_requests");
    assert_eq!(late.header("retry-after"), "1");
    // Others have permits of their own, and looking costs none.
    let other = server.client_for("b", &["write"]);
    test(&other, &noop, "", &json!({})).expect(200);
    test(&server.admin, &noop, "?dry_run=true", &json!({})).expect(200);
    server.admin.post(&format!("/event/{holding}/cancel"), &json!({})).expect(200);
    // The one that gave up lets the next through.
    for _ in 0..3 {
        assert_eq!(test(&server.admin, &noop, "", &json!({})).expect(200)["run"]["state"], "SUCCESS");
    }
    assert_eq!((server.load().running, server.load().queued), (0, 0));
}

/// Every reason for which planning leaves a run out, once as it is foreseen and once as it is stored.
#[test]
fn what_is_foreseen_is_what_happens_and_each_reason_is_stored_with_the_event() {
    let server = TestServer::with_manual_clock();
    let module = server.upload_bytes(ECHO);
    server.install("held", "failure_gallery", json!({}));
    let tenant = server.client_for("a", &["admin"]);
    tenant.post("/event-type", &json!({ "display_name": "booked" })).expect(201);
    let object = json!({ "object_type": "place", "object_id": "1" });
    let attach = |client: &Client, name: &str, priority: i32, more: Value| -> String {
        let mut body = json!({ "name": name, "module": module, "trigger": "booked" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let action = client.post("/action", &body).expect(201)["id"].as_str().unwrap().to_owned();
        let mut body = object.clone();
        body["priority"] = json!(priority);
        body["follow_newest"] = json!(true);
        tenant.post(&format!("/action/{action}/object"), &body).expect(201);
        action
    };
    attach(&tenant, "disabled", 9, json!({ "enabled": false }));
    server.client_for("b", &["admin"]).post("/event-type", &json!({ "display_name": "booked" })).expect(201);
    let publisher = server.client_for("b", &["admin"]);
    let withdrawn = attach(&publisher, "withdrawn", 8, json!({ "public": true }));
    publisher
        .put(&format!("/action/{withdrawn}"), &json!({ "name": "withdrawn", "module": module, "trigger": "booked" }))
        .expect(200);
    attach(&tenant, "delayed", 7, json!({ "when": { "at": "/at" } }));
    attach(&tenant, "plain", 6, json!({}));
    let missing = json!([{ "name": "who", "type": "DATA", "value": "who" }]);
    attach(&tenant, "missing", 5, json!({ "parameters": missing }));
    attach(&tenant, "behind", 4, json!({}));
    let body = json!({ "event_type": "booked", "object": object, "payload": { "at": "2023-11-15T00:00:00Z" } });
    let told = |event: &Value| -> Vec<(String, String, Value)> {
        let text = |run: &Value, name: &str| run[name].as_str().unwrap().to_owned();
        let runs = event["runs"].as_array().unwrap().iter();
        runs.map(|run| (text(run, "action"), text(run, "state"), run["reason"].clone())).collect()
    };
    let before = server.dump();
    let foreseen = tenant.post("/event?dry_run=true", &body);
    let foreseen = foreseen.expect(200).clone();
    assert_eq!(server.dump(), before);
    let expected = [
        ("disabled", "SKIPPED", json!("disabled")),
        ("withdrawn", "SKIPPED", json!("denied")),
        ("delayed", "WAITING", Value::Null),
        ("plain", "QUEUED", Value::Null),
        ("missing", "ERROR", json!("param_missing")),
        ("behind", "SKIPPED", json!("aborted")),
    ];
    let expected: Vec<_> = expected.into_iter().map(|(a, s, r)| (a.to_owned(), s.to_owned(), r)).collect();
    assert_eq!(told(&foreseen), expected);
    assert_eq!((&foreseen["dry_run"], &foreseen["state"]), (&json!(true), &json!("QUEUED")));
    assert!(foreseen["runs"].as_array().unwrap().iter().all(|run| run["reason"].is_null() || run["message"] != ""));
    // The short way asks the same.
    let short = tenant.post("/trigger/booked?dry_run=true&object_type=place&object_id=1", &body["payload"]);
    assert_eq!(told(short.expect(200)), expected);

    let fired = tenant.post("/event", &body).expect(202)["id"].as_str().unwrap().to_owned();
    let stored = server.until(&fired, |event| event["runs"][3]["state"] == "SUCCESS");
    let stored: Vec<_> = told(&stored).into_iter().filter(|(action, ..)| action != "plain").collect();
    assert_eq!(stored, expected.iter().filter(|(action, ..)| action != "plain").cloned().collect::<Vec<_>>());
    // And now that the delayed one is in flight, the same again is its duplicate.
    let again = told(tenant.post("/event?dry_run=true", &body).expect(200));
    assert_eq!(again[2], ("delayed".to_owned(), "SKIPPED".to_owned(), json!("duplicate")));
    assert_eq!(again[3], ("plain".to_owned(), "QUEUED".to_owned(), Value::Null));
}

#[test]
fn what_would_be_refused_is_refused_when_it_is_asked_for() {
    let server = TestServer::start();
    let schema = json!({ "type": "object", "required": ["n"] });
    server.admin.post("/event-type", &json!({ "display_name": "strict", "payload_schema": schema })).expect(201);
    server.admin.post("/event-type", &json!({ "display_name": "off", "enabled": false })).expect(201);
    let ask = |event_type: &str| server.admin.post("/event?dry_run=true", &json!({ "event_type": event_type }));
    ask("strict").problem(422, "payload_invalid");
    ask("off").problem(409, "event_type_disabled");
    ask("nothing").problem(404, "not_found");
    server
        .client_for("", &["read"])
        .post("/event?dry_run=true", &json!({ "event_type": "off" }))
        .problem(403, "forbidden");
}

#[test]
fn what_an_event_does_not_reach_is_told_with_the_reason() {
    let server = TestServer::start();
    let module = server.upload_bytes(ECHO);
    server.admin.post("/event-type", &json!({ "display_name": "booked" })).expect(201);
    for (object, parent) in [("room/1", "place/hall"), ("place/hall", "place/campus")] {
        let (kind, id) = parent.split_once('/').unwrap();
        let parents = json!([{ "object_type": kind, "object_id": id }]);
        server.admin.put(&format!("/object/{object}"), &json!({ "parents": parents })).expect(201);
    }
    for (name, object, inherits) in
        [("own", "room/1", true), ("alone", "place/hall", false), ("far", "place/campus", true)]
    {
        let action = server.action(name, &module, json!({ "trigger": "booked" }));
        let (kind, id) = object.split_once('/').unwrap();
        let body = json!({ "object_type": kind, "object_id": id, "inherits": inherits, "priority": 3 });
        server.admin.post(&format!("/action/{action}/object"), &body).expect(201);
    }
    let effective = |object: &str, query: &str| -> Vec<(Value, Value, String)> {
        let answer = server.admin.get(&format!("/object/{object}/effective?event_type=booked&{query}"));
        let items = answer.expect(200).as_array().unwrap().clone();
        let part = |item: &Value| {
            (item["action"].clone(), item["position"].clone(), item["message"].as_str().unwrap().to_owned())
        };
        items.iter().map(part).collect()
    };
    let reached = |name: &str, position: u32| (json!(name), json!(position), String::new());
    assert_eq!(effective("room/1", ""), [reached("own", 0), reached("far", 1)]);
    let told = effective("room/1", "unreached=true");
    assert_eq!(told[..2], [reached("own", 0), reached("far", 1)]);
    assert_eq!((&told[2].0, &told[2].1), (&json!("alone"), &Value::Null));
    assert!(told[2].2.contains("`inherits` is false"), "{told:?}");
    let told = effective("room/1", "unreached=true&flow=none");
    assert_eq!((told[0].clone(), told.len()), (reached("own", 0), 3));
    assert!(told[2].2.contains("does not go up"), "{told:?}");
    let told = effective("place/hall", "unreached=true&flow=up");
    assert_eq!((&told[0].0, &told[1].0, &told[2].0), (&json!("alone"), &json!("far"), &json!("own")));
    assert!(told[2].2.contains("does not go down"), "{told:?}");
    let own = server.admin.get("/object/room/1/effective?event_type=booked").expect(200)[0].clone();
    assert_eq!((&own["priority"], &own["distance"], &own["scope"]["object_id"]), (&json!(3), &json!(0), &json!("1")));
}

/// What is shared and sits on an object that a tenant put below another by itself was not found downwards, and nothing
/// said why.
#[test]
fn what_is_shared_and_lies_at_the_end_of_a_tenants_own_way_says_why_it_is_not_reached() {
    let server = TestServer::start();
    let module = server.upload_bytes(ECHO);
    server.admin.post("/event-type", &json!({ "display_name": "booked" })).expect(201);
    let a = server.client_for("a", &["read", "write"]);
    for (name, object, inherits) in [("shared", "1", true), ("alone", "1", false), ("further", "2", true)] {
        let action = server.action(name, &module, json!({ "trigger": "booked" }));
        let body = json!({ "object_type": "room", "object_id": object, "inherits": inherits });
        server.admin.post(&format!("/action/{action}/object"), &body).expect(201);
    }
    let below = |client: &crate::support::Client, object: &str, parent: &str| {
        let (kind, id) = parent.split_once('/').unwrap();
        let parents = json!([{ "object_type": kind, "object_id": id }]);
        client.put(&format!("/object/{object}"), &json!({ "parents": parents })).expect(201);
    };
    below(&a, "room/1", "place/hall");
    below(&server.admin, "room/2", "room/1");
    let told = |client: &crate::support::Client, object: &str, query: &str| -> Vec<(String, Value, Value, String)> {
        let answer = client.get(&format!("/object/{object}/effective?event_type=booked&unreached=true{query}"));
        let part = |item: &Value| {
            let (action, message) = (item["action"].as_str().unwrap(), item["message"].as_str().unwrap());
            (action.to_owned(), item["position"].clone(), item["distance"].clone(), message.to_owned())
        };
        answer.expect(200).as_array().unwrap().iter().map(part).collect()
    };
    let hall = told(&a, "place/hall", "");
    let names: Vec<&str> = hall.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(names, ["shared", "alone", "further"], "{hall:?}");
    assert!(hall.iter().all(|(_, position, ..)| position.is_null()), "{hall:?}");
    assert_eq!([&hall[0].2, &hall[1].2, &hall[2].2], [&json!(1), &json!(1), &json!(2)]);
    for place in [0, 2] {
        assert!(hall[place].3.contains("along shared objects only"), "{hall:?}");
    }
    assert!(hall[1].3.contains("`inherits` is false"), "{hall:?}");
    let narrow = told(&a, "place/hall", "&flow=up");
    assert!(narrow[0].3.contains("does not go down") && narrow[2].3.contains("does not go down"), "{narrow:?}");
    // Upwards it is reached, and the platform's own event finds nothing there at all.
    let reached = told(&a, "room/2", "");
    assert_eq!((reached[0].0.as_str(), &reached[1].0), ("further", &"shared".to_owned()));
    assert_eq!((&reached[0].1, &reached[1].1), (&json!(0), &json!(1)));
    assert_eq!(told(&server.admin, "place/hall", ""), []);

    // As soon as the way is everybody's, it leads there.
    below(&server.admin, "room/1", "place/hall");
    let hall = told(&a, "place/hall", "");
    let places: Vec<(&str, &Value)> = hall.iter().map(|(name, position, ..)| (name.as_str(), position)).collect();
    assert_eq!(places, [("shared", &json!(0)), ("further", &json!(1)), ("alone", &Value::Null)]);
}

#[test]
fn a_trial_is_given_secrets_and_shows_none() {
    let server = TestServer::start();
    let parameters = json!([{ "name": "secret", "type": "SECRET", "value": "bank" }]);
    let action = server.install("pay", "leaky", json!({ "parameters": parameters }));
    let sample = json!({ "payload": "say" });
    for query in ["?dry_run=true", ""] {
        let tried = test(&server.admin, &action, query, &sample).expect(200).clone();
        assert_eq!((&tried["run"]["state"], &tried["run"]["reason"]), (&json!("ERROR"), &json!("secret_missing")));
        assert_eq!((&tried["params"][0]["type"], tried["params"][0].get("value")), (&json!("SECRET"), None));
    }
    let foreseen = server.admin.post("/event?dry_run=true", &json!({ "event_type": "pay" }));
    let run = &foreseen.expect(200)["runs"][0];
    let words = "the parameter `secret` takes the secret `bank`, which is not there";
    assert_eq!((&run["state"], &run["message"]), (&json!("QUEUED"), &json!(words)));

    server.admin.put("/secret/bank", &json!({ "value": "hunter2-hunter2" })).expect(201);
    let foreseen = server.admin.post("/event?dry_run=true", &json!({ "event_type": "pay" }));
    assert_ne!(foreseen.expect(200)["runs"][0]["message"], words);
    let dry = test(&server.admin, &action, "?dry_run=true", &sample);
    assert_eq!(dry.expect(200)["params"][0]["value"], json!({ "secret": "bank" }));
    for payload in ["say", "reject", "panic", "field"] {
        let tried = test(&server.admin, &action, "", &json!({ "payload": payload }));
        assert!(tried.expect(200)["log"].to_string().contains("••••"), "{payload}: {}", tried.text);
        assert!(!tried.text.contains("hunter2"), "{payload}: {}", tried.text);
    }
    let length = test(&server.admin, &action, "", &json!({ "payload": "length" }));
    assert_eq!(length.expect(200)["run"]["output"], 15, "the guest had it");
}

#[test]
fn who_tries_the_platforms_code_out_does_not_lend_its_secrets() {
    let server = TestServer::start();
    let parameters = json!([{ "name": "secret", "type": "SECRET", "value": "bank" }]);
    server.admin.put("/secret/bank", &json!({ "value": "of the platform" })).expect(201);
    let action = server.install("pay", "leaky", json!({ "parameters": parameters }));
    let body = json!({ "payload": "length", "owner_id": "a" });
    let as_tenant = test(&server.admin, &action, "", &body);
    assert_eq!(as_tenant.expect(200)["run"]["reason"], "secret_missing");
    server.client_for("a", &["admin"]).put("/secret/bank", &json!({ "value": "of a" })).expect(201);
    assert_eq!(test(&server.admin, &action, "", &body).expect(200)["run"]["output"], 4);
}

/// Who writes tries before saving.
#[test]
fn source_code_that_is_not_saved_is_tried_in_the_place_of_the_actions() {
    let server = TestServer::start();
    let code = "export default (payload) => payload.n + 1;";
    let parameters = json!([{ "name": "by", "type": "STATIC", "value": 10 }]);
    let body = json!({ "name": "adds", "language": "javascript", "code": code, "parameters": parameters });
    let action = server.admin.patient().post("/action", &body).expect(201)["id"].as_str().unwrap().to_owned();
    let before = server.dump();
    let draft = "export default (payload, ctx) => payload.n * ctx.params.by;";
    let tried = test(&server.admin, &action, "", &json!({ "payload": { "n": 4 }, "code": draft }));
    let saved = test(&server.admin, &action, "", &json!({ "payload": { "n": 4 } }));
    let (tried, saved) = (&tried.expect(200)["run"], &saved.expect(200)["run"]);
    assert_eq!((&tried["output"], &saved["output"]), (&json!(40), &json!(5)));
    assert_eq!((&tried["version"], &saved["version"]), (&json!(1), &json!(1)));
    assert_ne!(tried["code_digest"], saved["code_digest"]);
    // In another language, as it would be after a change of both.
    let typed = "export default (payload: { n: number }): number => payload.n - 1;";
    let tried =
        test(&server.admin, &action, "", &json!({ "payload": { "n": 4 }, "code": typed, "language": "typescript" }));
    assert_eq!(tried.expect(200)["run"]["output"], 3);
    let dry = test(&server.admin, &action, "?dry_run=true", &json!({ "code": draft }));
    assert_eq!(
        (&dry.expect(200)["run"]["state"], &dry.body["data"]["run"]["params"]),
        (&json!("QUEUED"), &json!({ "by": 10 }))
    );
    assert_eq!(server.dump(), before, "nothing is kept of it");
}

#[test]
fn source_code_that_cannot_be_tried_is_refused_where_it_is_wrong() {
    let server = TestServer::start();
    let code = "export default () => 1;";
    let body = json!({ "name": "one", "language": "javascript", "code": code });
    let action = server.admin.patient().post("/action", &body).expect(201)["id"].as_str().unwrap().to_owned();
    let refused = |action: &str, body: Value, pointer: &str| {
        let answer = test(&server.admin, action, "", &body);
        answer.problem(422, "invalid_body");
        answer.points_at(&[pointer]);
        answer
    };
    let broken = "export default () => {\n  const 1 = 2;\n};";
    let told = refused(&action, json!({ "code": broken }), "/code");
    assert_eq!(told.body["errors"][0]["line"], 2, "{}", told.text);
    test(&server.admin, &action, "?dry_run=true", &json!({ "code": broken })).points_at(&["/code"]);
    refused(&action, json!({ "code": " ".repeat((512 << 10) + 1) }), "/code");
    refused(&action, json!({ "code": code, "language": "cobol" }), "/language");
    refused(&action, json!({ "language": "typescript" }), "/code");
    let module = server.action("runs a module", &server.upload_bytes(ECHO), json!({}));
    refused(&module, json!({ "code": code }), "/code");
    // Who may not change it may not put other code in its place, however short a time; its own stays to be tried.
    let (tenant, _) = server.client_and_token_for("a", &["read", "write"]);
    test(&tenant, &action, "", &json!({})).expect(200);
    test(&tenant, &action, "", &json!({ "code": code })).problem(403, "forbidden");
}
