//! Documents: a whole catalogue by name, applied at once or not at all.

use crate::support::{Answer, Client, Serving, TestServer, component, wat_with};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};

fn apply(client: &Client, document: &Value) -> Answer {
    client.post("/apply", document)
}

/// What was done, in short.
fn counts(answer: &Answer) -> (Value, Value, Value, Value) {
    let done = answer.expect(200);
    (done["created"].clone(), done["changed"].clone(), done["deleted"].clone(), done["unchanged"].clone())
}

#[track_caller]
fn does(answer: &Answer, created: u64, changed: u64, deleted: u64, unchanged: u64) {
    let expected = (json!(created), json!(changed), json!(deleted), json!(unchanged));
    assert_eq!(counts(answer), expected, "{}", answer.text);
}

/// `kind name` of every change.
fn changes(answer: &Answer) -> Vec<String> {
    let changes = answer.expect(200)["changes"].as_array().unwrap();
    let text = |change: &Value, field: &str| change[field].as_str().unwrap().to_owned();
    changes.iter().map(|c| format!("{} {} {}", text(c, "change"), text(c, "kind"), text(c, "name"))).collect()
}

/// Everything a document can have ([`EVERYTHING`] things), with cycles of names: an event type names the action that it triggers, actions fire
/// event types that run them.
const EVERYTHING: u64 = 22;

fn everything(module: &str) -> Value {
    json!({
        "secrets": [{ "key": "api_key", "description": "of the bank", "value": "hunter2 hunter2" }],
        "sink_types": [{ "name": "slow", "limits": { "timeout_ms": 60_000 }, "concurrency": 2 }, { "name": "plain" }],
        "sinks": [{ "name": "local", "description": "this machine" }, { "name": "second", "sink_types": ["slow"], "enabled": false }],
        "source_types": [{ "name": "calendar", "description": "What knows of bookings." }],
        "sources": [{ "name": "desk", "source_type": "calendar" }, { "name": "web", "source_type": "calendar", "enabled": false }],
        "schedules": [
            { "name": "nightly", "event_type": "nightly", "cron": "0 3 * * *", "timezone": "Europe/Berlin",
              "object": "location/harbour", "payload": { "n": 1 } },
            { "name": "once", "event_type": "nightly", "at": "9000-01-01T00:00:00Z", "enabled": false },
        ],
        "event_types": [
            { "display_name": "nightly", "source_type": "calendar", "sink_type": "slow" },
            { "display_name": "booked", "action": "confirm", "description": "A booking was made.", "flow": "up",
              "parameters": [{ "name": "from", "type": "STATIC", "value": { "a": [null, 1.5] } }],
              "payload_schema": { "type": "object", "properties": { "n": { "type": "integer" } } } },
            { "display_name": "confirmed", "action": "tell" },
            { "display_name": "failed", "enabled": false },
        ],
        "actions": [
            { "name": "confirm", "module": module, "on_success": "confirmed", "on_failure": "failed" },
            { "name": "tell", "module": module, "on_success": "booked", "continue_on_fail": true, "public": true,
              "dedup_mode": "per_action", "retry": { "attempts": 1 }, "limits": { "fuel": 5_000 },
              "parameters": [{ "name": "to", "type": "DATA", "value": "/to", "required": false, "locked": true }] },
            { "name": "unlock", "module": module, "trigger": "booked", "input": { "door": { "type": "string" } },
              "when": { "at": "/starts_at", "offset": "-5m" }, "enabled": false },
        ],
        "objects": [
            { "object": "bookable/42", "parents": ["location/harbour", "bookable_type/boat"], "name": "Boat" },
            { "object": "location/harbour", "parents": ["organization/1"] },
            { "object": "organization/1" },
        ],
        "attachments": [
            { "action": "unlock", "object": "location/harbour", "input": { "door": "north" }, "priority": 5,
              "reason": "everybody's door", "inherits": false },
            { "action": "unlock", "object": "bookable/42", "input": { "door": "own" } },
        ],
    })
}

#[test]
fn a_document_is_made_and_a_second_time_changes_nothing() {
    let server = TestServer::start();
    let document = everything(&server.upload("noop"));
    let first = apply(&server.admin, &document);
    does(&first, EVERYTHING, 0, 0, 0);
    assert_eq!(first.body["data"]["applied"], true);
    let warnings = first.body["warnings"].as_array().unwrap();
    assert!(warnings.iter().any(|warning| warning.as_str().unwrap().contains("booked")), "a cycle is worth a warning");
    let dump = server.dump();
    let again = apply(&server.admin, &document);
    does(&again, 0, 0, 0, EVERYTHING);
    assert_eq!(again.body["data"]["applied"], false);
    assert_eq!(server.dump(), dump);
    assert_eq!(server.store().check().unwrap(), [""; 0]);
    let event_type = server.admin.get("/event-type/confirmed").expect(200).clone();
    assert!(event_type["action"].is_string());
    let fired = json!({ "event_type": "booked", "object": { "object_type": "bookable", "object_id": "42" } });
    server.admin.post("/event", &fired).expect(202);
}

#[test]
fn what_differs_is_told_field_by_field_and_becomes_a_new_version() {
    let server = TestServer::start();
    let mut document = everything(&server.upload("noop"));
    does(&apply(&server.admin, &document), EVERYTHING, 0, 0, 0);
    document["actions"][1]["limits"] = json!({ "fuel": 6_000 });
    document["event_types"][3]["enabled"] = json!(true);
    document["objects"][0]["parents"] = json!(["location/harbour"]);
    document["attachments"][1].as_object_mut().unwrap().insert("priority".into(), json!(9));
    document["attachments"][0].as_object_mut().unwrap().remove("priority");
    let dry = server.admin.post("/apply?dry_run=true", &document);
    let before = server.dump();
    does(&dry, 0, 5, 0, EVERYTHING - 5);
    assert_eq!((&dry.body["data"]["applied"], server.dump()), (&json!(false), before));
    let applied = apply(&server.admin, &document);
    assert_eq!(applied.body["data"]["changes"], dry.body["data"]["changes"]);
    assert_eq!(
        changes(&applied),
        [
            "change event_types failed",
            "change actions tell",
            "change objects bookable/42",
            "change attachments unlock on location/harbour",
            "change attachments unlock on bookable/42",
        ]
    );
    let fields = |place: usize| applied.body["data"]["changes"][place]["fields"].clone();
    assert_eq!(fields(1), json!([{ "field": "limits", "before": { "fuel": 5_000 }, "after": { "fuel": 6_000 } }]));
    assert_eq!(fields(0), json!([{ "field": "enabled", "before": false, "after": null }]));
    assert_eq!(fields(3), json!([{ "field": "priority", "before": 5, "after": null }]), "what is left out is as usual");
    let actions = server.admin.get("/action?q=tell").expect(200)[0].clone();
    assert_eq!((&actions["version"], &actions["limits"]["fuel"]), (&json!(2), &json!(6_000)));
    does(&apply(&server.admin, &document), 0, 0, 0, EVERYTHING);
}

#[test]
fn everything_that_is_wrong_is_told_at_once_and_nothing_is_done() {
    let server = TestServer::start();
    let mut document = everything(&server.upload("noop"));
    document["event_types"][2]["payload_schema"] = json!({ "type": 5 });
    document["actions"][0]["module"] = json!("nobody@1");
    document["actions"][1]["limits"] = json!({ "fuel": 0, "memory_bytes": 1 });
    document["actions"][2]["colour"] = json!("red");
    document["objects"][2]["parents"] = json!(["bookable/42", "flat"]);
    document["attachments"][1]["reason"] = json!(5);
    let before = server.dump();
    let refused = apply(&server.admin, &document);
    refused.problem(422, "invalid_document");
    // Not that `booked` has no action or that `unlock` is nowhere: their own faults are told.
    refused.points_at(&[
        "/event_types/2/payload_schema",
        "/actions/0/module",
        "/actions/1/limits/fuel",
        "/actions/2/colour",
        "/objects/2/parents/1",
        "/attachments/1/reason",
    ]);
    assert_eq!(server.dump(), before);
    server.admin.post("/apply?dry_run=true", &document).problem(422, "invalid_document");
}

#[test]
fn what_cannot_stand_in_a_document_is_refused_before_it_is_looked_at() {
    let server = TestServer::start();
    let refuses = |document: Value, pointers: &[&str]| {
        let refused = apply(&server.admin, &document);
        refused.problem(422, "invalid_body");
        refused.points_at(pointers);
    };
    refuses(json!({ "action": [] }), &["/action"]);
    refuses(json!({ "actions": {} }), &["/actions"]);
    refuses(
        json!({ "actions": [5, { "module": "m" }, { "name": 5 }] }),
        &["/actions/0", "/actions/1", "/actions/2/name"],
    );
    refuses(json!({ "event_types": [{ "display_name": "a" }, { "display_name": "A" }] }), &["/event_types/1"]);
    refuses(json!({ "objects": [{ "object": "flat" }, { "name": "x" }] }), &["/objects/0/object", "/objects/1"]);
    refuses(json!({ "attachments": [{ "object": "a/1" }] }), &["/attachments/0"]);
    refuses(json!({ "uploads": [{ "digest": format!("sha256:{}", "0".repeat(64)) }] }), &["/uploads"]);
    apply(&server.admin, &json!([])).problem(422, "invalid_body");
    server.admin.request("POST", "/apply").bytes("{").send().problem(400, "invalid_json");
    // A cycle of objects points at the parent that closes it, and an action of nobody's at its name.
    let cycle = apply(&server.admin, &json!({ "objects": [{ "object": "a/1", "parents": ["a/1"] }] }));
    cycle.points_at(&["/objects/0/parents/0"]);
    let nobody = apply(&server.admin, &json!({ "attachments": [{ "action": "nobody", "object": "a/1" }] }));
    nobody.points_at(&["/attachments/0/action"]);
    let owned = apply(&server.admin, &json!({ "event_types": [{ "display_name": "a", "owner_id": "b" }] }));
    owned.points_at(&["/event_types/0/owner_id"]);
}

#[test]
fn objects_change_places_whatever_the_order() {
    let server = TestServer::start();
    let chain = |order: [u32; 4]| -> Value {
        let object =
            |pair: &[u32]| json!({ "object": format!("o/{}", pair[0]), "parents": [format!("o/{}", pair[1])] });
        let mut objects: Vec<Value> = order.windows(2).map(object).collect();
        objects.push(json!({ "object": format!("o/{}", order[3]) }));
        json!({ "objects": objects })
    };
    does(&apply(&server.admin, &chain([1, 2, 3, 4])), 4, 0, 0, 0);
    does(&apply(&server.admin, &chain([4, 3, 2, 1])), 0, 4, 0, 0);
    does(&apply(&server.admin, &chain([2, 4, 1, 3])), 0, 4, 0, 0);
}

#[test]
fn pruning_deletes_what_a_list_does_not_have_and_leaves_lists_alone_that_are_not_there() {
    let server = TestServer::start();
    let module = server.upload("noop");
    does(&apply(&server.admin, &everything(&module)), EVERYTHING, 0, 0, 0);
    does(&apply(&server.admin, &json!({ "event_types": [] })), 0, 0, 0, 0);
    does(&server.admin.post("/apply?prune=true", &json!({})), 0, 0, 0, 0);
    let pruned = server.admin.post("/apply?prune=true", &json!({ "attachments": [] }));
    assert_eq!(
        changes(&pruned),
        ["delete attachments unlock on location/harbour", "delete attachments unlock on bookable/42"]
    );
    // What stays names what would go.
    let before = server.dump();
    let refused = server.admin.post("/apply?prune=true", &json!({ "actions": [] }));
    refused.problem(422, "invalid_document");
    refused.points_at(&["/actions", "/actions"]);
    assert!(refused.text.contains("`confirm` is not in the document and stays") && refused.text.contains("`booked`"));
    assert_eq!(server.dump(), before);
    // All of them together can go, though each is named by another.
    let all = json!({
        "event_types": [{ "display_name": "new" }], "actions": [], "objects": [], "schedules": [], "sources": [],
        "source_types": [], "secrets": [], "sinks": [], "sink_types": [],
    });
    does(&server.admin.post("/apply?prune=true&dry_run=true", &all), 1, 0, EVERYTHING - 2, 0);
    assert_eq!(server.dump(), before);
    does(&server.admin.post("/apply?prune=true", &all), 1, 0, EVERYTHING - 2, 0);
    let exported = server.admin.get("/export").expect(200)["document"].clone();
    let mut only = all.clone();
    only["attachments"] = json!([]);
    assert_eq!(exported, only);
    assert_eq!(server.store().check().unwrap(), [""; 0]);
}

#[test]
fn an_export_makes_the_same_catalogue_elsewhere() {
    let (first, second) = (TestServer::start(), TestServer::start());
    let (module, _) = (first.upload("noop"), second.upload("noop"));
    let mut document = everything(&module);
    // In a form of its own: ids where names could be, fields that are as usual, another order.
    document["actions"][0]["enabled"] = json!(true);
    document["objects"].as_array_mut().unwrap().reverse();
    does(&apply(&first.admin, &document), EVERYTHING, 0, 0, 0);
    let export = |server: &TestServer| server.admin.get("/export").expect(200)["document"].to_string();
    let exported = export(&first);
    does(&apply(&first.admin, &serde_json::from_str(&exported).unwrap()), 0, 0, 0, EVERYTHING);
    // Secret values are not in it: where there is none yet, one must come from elsewhere.
    let mut elsewhere: Value = serde_json::from_str(&exported).unwrap();
    apply(&second.admin, &elsewhere).points_at(&["/secrets/0/value"]);
    elsewhere["secrets"][0]["value"] = json!("hunter2 again");
    does(&apply(&second.admin, &elsewhere), EVERYTHING, 0, 0, 0);
    assert_eq!(export(&second), exported);
    for given in ["\"id\"", "version", "created", "owner_id", "hunter2", "token"] {
        assert!(!exported.contains(given), "{given}: {exported}");
    }
}

#[test]
fn a_document_is_one_tenants() {
    let server = TestServer::start();
    let module = server.upload("noop");
    server.action("shared", &module, json!({ "trigger": null }));
    server.admin.post("/event-type", &json!({ "display_name": "everybodys" })).expect(201);
    let (a, b) = (server.client_for("a", &["write", "read"]), server.client_for("b", &["write", "read"]));
    let own = json!({
        "event_types": [{ "display_name": "mine", "action": { "name": "shared", "owner_id": "" } }],
        "actions": [{ "name": "open", "module": module, "public": true, "trigger": "everybodys" }, { "name": "closed", "module": module }],
    });
    does(&apply(&a, &own), 3, 0, 0, 0);
    assert_eq!(a.get("/export").expect(200)["document"]["event_types"], own["event_types"]);
    // Another tenant's export has none of it, and its prune leaves it alone.
    assert_eq!(b.get("/export").expect(200)["document"]["actions"], json!([]));
    does(&b.post("/apply?prune=true", &json!({ "actions": [], "event_types": [] })), 0, 0, 0, 0);
    b.post("/apply?owner_id=a", &json!({})).problem(403, "forbidden");
    b.get("/export?owner_id=a").problem(403, "forbidden");
    let taken = apply(&b, &json!({ "event_types": [{ "display_name": "Everybodys" }] }));
    taken.points_at(&["/event_types/0"]);
    // What a tenant made public can be named, what it did not cannot.
    let attached =
        |name: &str| json!({ "attachments": [{ "action": { "name": name, "owner_id": "a" }, "object": "x/1" }] });
    does(&apply(&b, &attached("open")), 1, 0, 0, 0);
    does(&apply(&b, &attached("open")), 0, 0, 0, 1);
    assert_eq!(b.get("/export").expect(200)["document"]["attachments"], attached("open")["attachments"]);
    apply(&b, &attached("closed")).points_at(&["/attachments/0/action"]);
    // A pinned attachment stays at its version, and follows when the document says so.
    a.post("/apply", &json!({ "actions": [{ "name": "open", "module": module, "public": true, "trigger": "everybodys", "description": "new" }] }));
    does(&apply(&b, &attached("open")), 0, 0, 0, 1);
    let mut following = attached("open");
    following["attachments"][0]["follow_newest"] = json!(true);
    does(&apply(&b, &following), 0, 1, 0, 0);
    does(&apply(&b, &following), 0, 0, 0, 1);
    // The platform writes for a tenant.
    does(&server.admin.post("/apply?owner_id=a", &own), 0, 1, 0, 2);
}

#[test]
fn what_will_be_uploaded_counts_in_a_dry_run_only() {
    let server = TestServer::start();
    let digest = fusebox::domain::Digest::of(&component("noop")).to_string();
    let mut document = json!({ "actions": [{ "name": "a", "module": digest }, { "name": "b", "module": "new@1" }] });
    let missing = server.admin.post("/apply?dry_run=true", &document);
    missing.points_at(&["/actions/0/module", "/actions/1/module"]);
    document["uploads"] = json!([{ "digest": digest, "name": "new@1" }]);
    let before = server.dump();
    does(&server.admin.post("/apply?dry_run=true", &document), 2, 0, 0, 0);
    assert_eq!(server.dump(), before);
    apply(&server.admin, &document).points_at(&["/uploads"]);
}

#[test]
fn a_document_has_so_many_bytes_and_no_more() {
    let server = TestServer::with(|config| config.bounds.document_bytes = 100);
    let document = |length: usize| format!("{{\"objects\":[]{}}}", " ".repeat(length - 14));
    server.admin.request("POST", "/apply").bytes(document(100)).send().expect(200);
    server.admin.request("POST", "/apply").bytes(document(101)).send().problem(413, "too_large");
}

#[test]
fn a_document_and_others_changes_do_not_tread_on_each_other() {
    let server = TestServer::start();
    let module = server.upload("noop");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..60 {
                let name = format!("other-{number}");
                server.admin.post("/action", &json!({ "name": name, "module": module })).expect(201);
            }
            done.store(true, Ordering::SeqCst);
        });
        let mut round = 0;
        while !done.load(Ordering::SeqCst) {
            round += 1;
            let mut document = everything(&module);
            document["actions"][0]["description"] = json!(round.to_string());
            let answer = apply(&server.admin, &document);
            // Out of luck every time is possible, and said; nothing is lost then.
            if answer.status != 429 {
                answer.expect(200);
            }
        }
    });
    assert_eq!(server.admin.pages("/action?q=other").len(), 60);
    // Whether a round had luck or none: alone it goes through.
    apply(&server.admin, &everything(&module)).expect(200);
    does(&apply(&server.admin, &everything(&module)), 0, 0, 0, EVERYTHING);
}

/// Kills the server at some moment while documents are applied; each makes every description the same number.
#[test]
fn a_kill_while_a_document_is_applied_leaves_all_of_it_or_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let document = |number: u64| {
        let event_type = |name: u32| json!({ "display_name": format!("t{name}"), "description": number.to_string(), "action": format!("a{name}") });
        let action =
            |name: u32| json!({ "name": format!("a{name}"), "description": number.to_string(), "module": "m@1" });
        let event_types: Vec<Value> = (0..40).map(event_type).collect();
        let actions: Vec<Value> = (0..40).map(action).collect();
        json!({ "event_types": event_types, "actions": actions })
    };
    let mut serving = Serving::start(&data, &[]);
    let token = serving.token.clone().unwrap();
    let wasm = wat_with(3, "run");
    serving.client(&token).request("POST", "/module?name=m&version=1").bytes(wasm).send().expect(201);
    apply(&serving.client(&token), &document(0)).expect(200);
    let mut number = 0;
    for round in 0..4 {
        let client = serving.client(&token);
        let acknowledged = std::thread::scope(|scope| {
            let applying = scope.spawn(|| {
                let mut last = number;
                for next in number + 1.. {
                    let sent = client.request("POST", "/apply").json(&document(next)).try_send();
                    match sent {
                        Some(200) => last = next,
                        Some(status) => panic!("answered {status}"),
                        None => break,
                    }
                }
                last
            });
            // In the middle of one, sooner or later.
            let begun = std::time::Instant::now();
            while begun.elapsed().as_millis() < 150 + 37 * round {
                std::thread::yield_now();
            }
            serving.kill();
            applying.join().unwrap()
        });
        serving = Serving::start(&data, &[]);
        let client = serving.client(&token);
        let mut seen: Vec<u64> = Vec::new();
        for thing in client.pages("/action").iter().chain(&client.pages("/event-type")) {
            seen.push(thing["description"].as_str().unwrap().parse().unwrap());
        }
        assert_eq!(seen.len(), 80);
        assert!(seen.iter().all(|number| *number == seen[0]), "half of a document is there: {seen:?}");
        assert!(seen[0] == acknowledged || seen[0] == acknowledged + 1, "{} after {acknowledged}", seen[0]);
        number = seen[0];
    }
}

#[test]
fn a_source_that_a_document_makes_shows_its_token_once() {
    let server = TestServer::start();
    let document = everything(&server.upload("noop"));
    let dry = server.admin.post("/apply?dry_run=true", &document);
    assert!(!dry.text.contains("\"token\""), "a token that nothing came of");
    let applied = apply(&server.admin, &document);
    let tokens: Vec<&str> = applied.expect(200)["changes"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|change| change["token"].as_str())
        .collect();
    let [desk, web] = tokens.as_slice() else { panic!("{}", applied.text) };
    let fire = |token: &str| server.admin.with_token(token).request("POST", "/trigger/nightly").try_send();
    assert_eq!((fire(desk), fire(web)), (Some(202), Some(403)), "one of them is disabled");
    assert!(!apply(&server.admin, &document).text.contains("\"token\""));
    // Credentials are the admin's to make, whatever else a token may change.
    let writer = server.client_for("", &["write", "read"]);
    apply(&writer, &json!({ "sources": [] })).problem(403, "forbidden");
    let mut rest = document;
    rest.as_object_mut().unwrap().remove("sources");
    does(&apply(&writer, &rest), 0, 0, 0, EVERYTHING - 2);
}

#[test]
fn a_secret_keeps_its_value_and_takes_one_only_when_it_has_none() {
    let server = TestServer::start();
    let secret = |more: Value| {
        let mut secret = json!({ "key": "bank" });
        secret.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        apply(&server.admin, &json!({ "secrets": [secret] }))
    };
    let missing = secret(json!({}));
    missing.points_at(&["/secrets/0/value"]);
    secret(json!({ "value": "abc" })).points_at(&["/secrets/0/value"]);
    let first = secret(json!({ "value": "hunter2-first" }));
    does(&first, 1, 0, 0, 0);
    let second = secret(json!({ "value": "hunter2-second", "description": "of the bank" }));
    does(&second, 0, 1, 0, 0);
    assert_eq!(crate::http_secrets::value(&server, "", "bank"), "hunter2-first");
    assert_eq!(second.body["data"]["changes"][0]["fields"][0]["field"], "description");
    let third = secret(json!({ "value": "hunter2-third", "description": "of the bank" }));
    does(&third, 0, 0, 0, 1);
    for answer in [&missing, &first, &second, &third] {
        assert!(!answer.text.contains("hunter2"), "{}", answer.text);
    }
    // What is sealed while the key changes opens with the new one.
    std::thread::scope(|scope| {
        scope.spawn(|| (0..10).for_each(|_| drop(server.admin.post("/secret-key/rotate", &json!({})))));
        for number in 0..10 {
            let document = json!({ "secrets": [{ "key": format!("k{number}"), "value": "hunter2" }] });
            apply(&server.admin, &document).expect(200);
        }
    });
    server.admin.post("/secret-key/rotate", &json!({})).expect(200);
    assert_eq!(crate::http_secrets::value(&server, "", "bank"), "hunter2-first");
    // The route of one secret keeps it as well.
    server.admin.put("/secret/bank", &json!({ "description": "another" })).expect(200);
    assert_eq!(crate::http_secrets::value(&server, "", "bank"), "hunter2-first");
    server.admin.put("/secret/nobody", &json!({ "description": "without a value" })).points_at(&["/value"]);
}

#[test]
fn a_schedule_that_fired_for_the_only_time_is_in_no_export() {
    let server = TestServer::with_manual_clock();
    server.admin.post("/event-type", &json!({ "display_name": "t" })).expect(201);
    let document = json!({ "schedules": [{ "name": "once", "event_type": "t", "at": "2023-11-14T22:14:00.000Z" }] });
    does(&apply(&server.admin, &document), 1, 0, 0, 0);
    let exported = || server.admin.get("/export").expect(200)["document"]["schedules"].clone();
    assert_eq!(exported(), document["schedules"]);
    server.pass_ms(60_000);
    server.until_listed("/event", 1);
    assert_eq!(exported(), json!([]));
    does(&server.admin.post("/apply?prune=true", &json!({ "schedules": [] })), 0, 0, 0, 0);
}
