//! The audit log: who changed what, when, and from what to what. That no route forgets it is in `access`.

use crate::support::{Client, TestServer, component};
use serde_json::{Value, json};

/// The log as `client` sees it, newest first.
fn log(client: &Client, filter: &str) -> Vec<Value> {
    client.pages(&format!("/audit?{filter}"))
}

#[test]
fn a_change_is_told_with_who_when_before_and_after() {
    let server = TestServer::with_manual_clock();
    let digest = server.upload("noop");
    let id = server.action("greet", &digest, json!({ "description": "first" }));
    server.clock.advance_ms(5_000);
    let body = json!({ "name": "Welcome", "module": digest, "description": "second" });
    let changed = server.admin.put(&format!("/action/{id}"), &body);
    let entry = &log(&server.admin, &format!("kind=action&what=changed&subject_id={id}"))[0];
    assert_eq!(
        (&entry["what"], &entry["kind"], &entry["subject"]),
        (&json!("changed"), &json!("action"), &json!("Welcome"))
    );
    assert_eq!((&entry["at"], &entry["owner_id"]), (&changed.expect(200)["updated_at"], &json!("")));
    assert_eq!(entry["request_id"], changed.header("x-request-id"));
    let token = server.admin.get("/token").expect(200)[0]["id"].clone();
    assert_eq!(entry["by"], json!({ "token_id": token, "source_id": null, "name": "admin", "owner_id": "" }));
    let of = |side: &str, member: &str| entry[side][member].clone();
    assert_eq!((of("before", "name"), of("after", "name")), (json!("greet"), json!("Welcome")));
    assert_eq!((of("before", "description"), of("after", "description")), (json!("first"), json!("second")));
    assert_eq!((of("before", "version"), of("after", "version")), (json!(1), json!(2)));
    server.admin.delete(&format!("/action/{id}")).expect(200);
    let entry = &log(&server.admin, &format!("subject_id={id}"))[0];
    assert_eq!(
        (&entry["what"], &entry["after"], &entry["before"]["version"]),
        (&json!("deleted"), &Value::Null, &json!(2))
    );
}

#[test]
fn what_was_refused_or_changed_nothing_is_not_in_the_log() {
    let server = TestServer::start();
    let digest = server.upload("noop");
    let id = server.action("greet", &digest, json!({}));
    let before = log(&server.admin, "");
    server.admin.post("/action", &json!({ "name": "greet", "module": digest })).problem(409, "name_taken");
    let late = server.admin.request("PUT", &format!("/action/{id}")).header("if-match", "\"7\"");
    late.json(&json!({ "name": "other", "module": digest })).send().problem(412, "precondition_failed");
    server.admin.request("POST", "/module").bytes(component("noop")).send().expect(200);
    assert_eq!(log(&server.admin, ""), before);
}

#[test]
fn the_first_start_is_the_first_author_and_the_log_outlives_a_restart() {
    let mut server = TestServer::start();
    server.upload("noop");
    let before = log(&server.admin, "");
    let first = before.last().unwrap();
    assert_eq!(
        (&first["by"]["name"], &first["by"]["token_id"], &first["request_id"]),
        (&json!("first start"), &Value::Null, &Value::Null)
    );
    assert_eq!(
        (&first["what"], &first["kind"], &first["subject"]),
        (&json!("created"), &json!("token"), &json!("admin"))
    );
    server.restart();
    assert_eq!((log(&server.admin, ""), before.len()), (before, 2));
}

#[test]
fn a_tenant_sees_its_own_log_and_the_platform_sees_all() {
    let server = TestServer::start();
    let (a, b) = (server.client_for("a", &["admin"]), server.client_for("b", &["admin"]));
    a.post("/event-type", &json!({ "display_name": "of_a" })).expect(201);
    server.admin.post("/event-type", &json!({ "display_name": "given", "owner_id": "a" })).expect(201);
    let seen = |client: &Client, filter: &str| -> Vec<String> {
        let entries = log(client, &format!("kind=event-type&{filter}"));
        entries.iter().map(|entry| entry["subject"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(seen(&a, ""), ["given", "of_a"]);
    assert_eq!(seen(&server.admin, ""), ["given", "of_a"]);
    assert_eq!(seen(&server.admin, "owner_id=b"), [""; 0]);
    assert_eq!(seen(&b, ""), [""; 0]);
    b.get("/audit?owner_id=a").problem(403, "forbidden");
    server.client_for("a", &["read", "write", "execute"]).get("/audit").problem(403, "forbidden");
    // The platform is no secret to a tenant: it may change what the tenant has.
    let given = &log(&a, "q=given")[0];
    assert_eq!((&given["by"]["name"], &given["by"]["owner_id"]), (&json!("admin"), &json!("")));
}

/// A publisher that withdraws an action takes other tenants' attachments along, and they find out, but not who it was.
#[test]
fn what_another_tenant_did_is_told_without_its_name() {
    let server = TestServer::start();
    let (a, b) = (server.client_for("a", &["admin"]), server.client_for("b", &["admin"]));
    let digest = server.upload("noop");
    let public = a.post("/action", &json!({ "name": "public", "module": digest, "public": true }));
    let id = public.expect(201)["id"].as_str().unwrap().to_owned();
    let attached = b.post(&format!("/action/{id}/object"), &json!({ "object_type": "place", "object_id": "1" }));
    let attachment = attached.expect(201)["id"].clone();
    let created = &log(&b, "kind=attachment")[0];
    assert_eq!(created["after"]["pin"], json!({ "version": 1 }), "the module behind it is not b's to know");
    a.delete(&format!("/action/{id}")).expect(200);
    let gone = &log(&b, "kind=attachment&what=deleted")[0];
    assert_eq!((&gone["subject_id"], &gone["note"]), (&attachment, &json!("its action `public` was deleted")));
    assert_eq!(gone["by"], json!({ "token_id": null, "source_id": null, "name": "another tenant", "owner_id": null }));
    let own = log(&a, "what=deleted");
    assert_eq!((own.len(), &own[0]["note"]), (1, &json!("with its attachment")));
}

#[test]
fn the_log_is_filtered_and_read_page_by_page() {
    let server = TestServer::with_manual_clock();
    let times: Vec<String> = (0..5)
        .map(|n| {
            server.clock.advance_ms(60_000);
            let made = server.admin.post("/event-type", &json!({ "display_name": format!("type_{n}") }));
            made.expect(201)["created_at"].as_str().unwrap().to_owned()
        })
        .collect();
    let names = |filter: &str| -> Vec<String> {
        let entries = log(&server.admin, &format!("kind=event-type&{filter}"));
        entries.iter().map(|entry| entry["subject"].as_str().unwrap().trim_start_matches("type_").to_owned()).collect()
    };
    assert_eq!(names("limit=2"), ["4", "3", "2", "1", "0"]);
    assert_eq!(names(&format!("from={}", times[3])), ["4", "3"], "from that time on");
    assert_eq!(names(&format!("to={}", times[1])), ["0"], "before that time");
    assert_eq!(names(&format!("from={}&to={}&limit=1", times[1], times[3])), ["2", "1"]);
    assert_eq!(names(&format!("from={}&to={}", times[3], times[1])), [""; 0]);
    assert_eq!(names("q=TYPE_2"), ["2"]);
    assert_eq!(names("token=admin").len(), 5);
    assert_eq!(names("token=nobody"), [""; 0]);
    let token = server.admin.get("/token").expect(200)[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(names(&format!("token={token}")).len(), 5);
    for wrong in ["what=eaten", "from=yesterday", "limit=0", "limit=201", "cursor=x", "who=admin"] {
        server.admin.get(&format!("/audit?{wrong}")).problem(400, "bad_request");
    }
}

#[test]
fn a_large_record_is_cut_and_the_entry_says_where() {
    let server = TestServer::start();
    let large = json!([{ "name": "large", "type": "STATIC", "value": "x".repeat(100_000) }]);
    server.admin.post("/event-type", &json!({ "display_name": "large", "parameters": large })).expect(201);
    let entry = &log(&server.admin, "kind=event-type")[0];
    assert_eq!((&entry["cut"], &entry["after"]["parameters"]), (&json!(["parameters"]), &Value::Null));
    assert_eq!(entry["after"]["display_name"], "large");
    assert!(entry.to_string().len() < 40_000);
}

/// Nothing that opens a door is in the log, whatever is made: the texts of tokens, and what is kept of them.
#[test]
fn no_token_and_no_hash_is_in_the_log() {
    let server = TestServer::start();
    let made = server.admin.post("/token", &json!({ "name": "canary", "rights": { "read": true } }));
    let token = made.expect(201)["token"].as_str().unwrap().to_owned();
    server.admin.delete(&format!("/token/{}", made.body["data"]["id"].as_str().unwrap())).expect(200);
    let entries = log(&server.admin, "kind=token");
    assert_eq!(entries.iter().filter(|entry| entry["subject"] == "canary").count(), 2);
    for entry in &entries {
        assert!(!entry.to_string().contains(token.strip_prefix("fbx_").unwrap()));
        no_bytes(entry);
    }
}

/// Bytes in JSON are lists of numbers; no record has such a list for another reason.
fn no_bytes(value: &Value) {
    match value {
        Value::Array(items) => {
            assert!(items.len() < 8 || !items.iter().all(Value::is_u64), "these may be a hash: {value}");
            items.iter().for_each(no_bytes);
        }
        Value::Object(members) => members.values().for_each(no_bytes),
        _ => {}
    }
}

#[test]
fn old_entries_are_pruned_a_bounded_number_at_a_time() {
    let server = TestServer::with_manual_clock();
    for n in 0..3 {
        server.admin.post("/event-type", &json!({ "display_name": format!("old_{n}") })).expect(201);
    }
    server.clock.advance_ms(1_000);
    let made = server.client_for("a", &["admin"]).post("/event-type", &json!({ "display_name": "young" }));
    let at = made.expect(201)["created_at"].clone();
    let before = serde_json::from_value(at).unwrap();
    // The admin token, the three, and none of what came at that time.
    let prune = |limit| server.block_on(server.store().prune_audit(before, limit)).unwrap();
    assert_eq!((prune(3), prune(3), prune(3)), (3, 1, 0));
    let left: Vec<Value> = log(&server.admin, "").iter().map(|entry| entry["subject"].clone()).collect();
    assert_eq!(left, ["young", "a token"]);
}

#[test]
fn who_took_a_backup_is_in_the_log() {
    let server = TestServer::start();
    assert_eq!(server.admin.request("GET", "/backup").try_send(), Some(200));
    let entry = &log(&server.admin, "kind=backup")[0];
    assert_eq!((&entry["what"], &entry["by"]["name"]), (&json!("backed_up"), &json!("admin")));
    assert_eq!((&entry["before"], &entry["after"]), (&Value::Null, &Value::Null));
}

#[test]
fn a_flood_of_refusals_leaves_a_few_entries_and_the_number_of_the_others() {
    let server = TestServer::with_manual_clock();
    for name in ["doors", "lifts"] {
        server.admin.post("/source-type", &json!({ "name": name })).expect(201);
    }
    server.admin.post("/event-type", &json!({ "display_name": "lifted", "source_type": "lifts" })).expect(201);
    let source = |name: &str| {
        let made = server.admin.post("/source", &json!({ "name": name, "source_type": "doors" }));
        server.admin.with_token(made.expect(201)["token"].as_str().unwrap())
    };
    let (first, second) = (source("first"), source("second"));
    let fire = |client: &Client, times: usize| {
        for _ in 0..times {
            client.post("/event", &json!({ "event_type": "lifted" })).problem(403, "source_type_not_allowed");
        }
    };
    let entries = || server.admin.pages("/audit?what=refused");
    fire(&first, 10);
    assert_eq!(entries().len(), 10);
    fire(&first, 25);
    assert_eq!(entries().len(), 10, "the others are refused and not noted");
    fire(&second, 1);
    assert_eq!(entries().len(), 11, "another credential's is");
    server.clock.advance_ms(60_000);
    fire(&first, 2);
    let told = entries();
    let notes: Vec<bool> = told
        .iter()
        .map(|entry| entry["note"].as_str().unwrap().ends_with("; 25 refusals before were left out"))
        .collect();
    assert_eq!((notes.len(), notes.iter().filter(|told| **told).count()), (13, 1), "{told:#?}");
}
