//! Who may do what: every route of the document, without a token, with a wrong one, and with too few rights.

use crate::support::{Answer, Client, PATIENCE, TestServer, fusebox};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;

/// Routes that need no token: whether it lives, whether it is ready, what it can.
const OPEN: [&str; 3] = ["/healthz", "/readyz", "/openapi.json"];
/// The route whose requests are signed, which no token stands in for.
const SIGNED: &str = "/hook/{source_id}";
/// What a source may do.
const FIRING: [&str; 2] = ["/event", "/trigger/{event_type}"];
const NOBODY: &str = "01a1ff7d-875e-7388-ab52-e35ac67b46e8";

struct Operation {
    method: &'static str,
    /// With its parameters in braces.
    path: String,
    described: Value,
}

fn document() -> Value {
    serde_json::to_value(fusebox::api::document()).unwrap()
}

fn operations() -> Vec<Operation> {
    let methods = [("get", "GET"), ("post", "POST"), ("put", "PUT"), ("delete", "DELETE"), ("patch", "PATCH")];
    let document = document();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (name, described) in item.as_object().unwrap() {
            let known = methods.iter().find(|(known, _)| known == name);
            let (_, method) = known.unwrap_or_else(|| panic!("{name} {path}: a method that this test does not know"));
            operations.push(Operation { method, path: path.clone(), described: described.clone() });
        }
    }
    assert!(operations.len() >= 25, "only {} routes are described", operations.len());
    operations
}

impl Operation {
    fn is_open(&self) -> bool {
        OPEN.contains(&self.path.as_str()) || self.path == SIGNED
    }

    fn has_parameter(&self) -> bool {
        self.path.contains('{')
    }

    /// What a success of it leaves in the audit log: what was done, to what kind of thing.
    fn audited(&self) -> Option<(&'static str, &str)> {
        let kind = match self.path.as_str() {
            // The history says who fired.
            "/event" | "/trigger/{event_type}" | SIGNED => return None,
            // Nothing is changed by it.
            "/action/{id}/test" => return None,
            // Every thing that it changes has its own entry; an empty document changes none.
            "/apply" => return None,
            "/{object_type}/{object_id}/action" => "attachment",
            path if path.starts_with("/action/{id}/object") => "attachment",
            path if path.starts_with("/action/{id}/kv") => "value",
            path => path.split('/').nth(1).unwrap(),
        };
        match (self.method, self.path.as_str()) {
            ("GET", _) => None,
            ("POST", "/action/{id}/rollback") => Some(("changed", "action")),
            ("POST", "/event-type/{id}/pause") => Some(("paused", kind)),
            ("POST", "/event-type/{id}/resume") => Some(("resumed", kind)),
            ("POST", "/source/{id}/token") => Some(("changed", "source")),
            ("POST", path) if path.ends_with("/cancel") => Some(("cancelled", kind)),
            ("POST", path) if path.ends_with("/replay") => Some(("replayed", kind)),
            ("POST", "/secret-key/rotate") => Some(("rotated", kind)),
            ("POST", path) if path.ends_with("/order") => Some(("changed", "attachment")),
            ("POST", _) => Some(("created", kind)),
            ("PUT", _) => Some(("changed", kind)),
            ("DELETE", _) => Some(("deleted", kind)),
            other => panic!("{other:?}: a method that this test does not know"),
        }
    }

    /// What it needs: credentials and the audit log are the admin's, reading needs read, firing execute, everything else write.
    fn right(&self) -> &'static str {
        match (self.method, self.path.as_str()) {
            (_, path) if path.starts_with("/token") => "admin",
            (_, "/audit" | "/audit/{id}" | "/backup" | "/secret-key/rotate") => "admin",
            ("GET", _) => "read",
            (_, path) if path.starts_with("/tenant") => "admin",
            (_, path) if path.ends_with("/cancel") || path.ends_with("/replay") => "execute",
            (_, path) if path == "/source" || path.starts_with("/source/") => "admin",
            ("POST", "/event" | "/trigger/{event_type}") => "execute",
            _ => "write",
        }
    }

    /// The path with a value for every parameter.
    fn path_for(&self, value: impl Fn(&str) -> String) -> String {
        let mut path = self.path.clone();
        while let (Some(from), Some(to)) = (path.find('{'), path.find('}')) {
            let filled = value(&path[from + 1..to]);
            path.replace_range(from..=to, &filled);
        }
        path
    }

    fn send(&self, client: &Client, path: &str, body: &Value) -> Answer {
        let request = client.request(self.method, path);
        if self.path == "/stream" {
            // It would go on for ever: what it is refused with is of interest here.
            return request.header("prefer", "wait=0").send();
        }
        if self.described["requestBody"].is_object() { request.json(body).send() } else { request.send() }
    }

    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

#[test]
fn only_three_routes_and_signed_requests_are_answered_without_a_token() {
    let server = TestServer::start();
    for operation in operations() {
        let path = operation.path_for(|_| NOBODY.to_owned());
        let without = operation.send(&server.admin.without_token(), &path, &json!({}));
        if operation.is_open() {
            let status = if operation.path == SIGNED { 404 } else { 200 };
            let with = operation.send(&server.admin, &path, &json!({}));
            assert_eq!((without.status, with.status), (status, status), "{}", operation.name());
            assert_eq!(operation.described["security"], json!([{}]), "{} is described as closed", operation.name());
            continue;
        }
        without.problem(401, "unauthorized");
        assert_eq!(without.header("www-authenticate"), "Bearer");
        assert!(operation.described["security"].is_null(), "{} is described as open", operation.name());
        for wrong in
            ["wrong", "fbx_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", &server.token[..server.token.len() - 1], ""]
        {
            operation.send(&server.admin.with_token(wrong), &path, &json!({})).problem(401, "unauthorized");
        }
        let basic = server
            .admin
            .without_token()
            .request(operation.method, &path)
            .header("authorization", format!("Basic {}", server.token));
        basic.send().problem(401, "unauthorized");
    }
}

/// A source fires; whatever else it asks for is refused, before anything is read or looked up.
#[test]
fn a_sources_token_fires_and_does_nothing_else() {
    let server = TestServer::start();
    server.admin.post("/source-type", &json!({ "name": "t" })).expect(201);
    let source = server.admin.post("/source", &json!({ "name": "s", "source_type": "t" }));
    let client = server.admin.with_token(source.expect(201)["token"].as_str().unwrap());
    for operation in operations().iter().filter(|operation| !operation.is_open()) {
        let answer = operation.send(&client, &operation.path_for(|_| NOBODY.to_owned()), &json!({}));
        if operation.right() == "execute" && FIRING.contains(&operation.path.as_str()) {
            assert!(![401, 403].contains(&answer.status), "{}: {}", operation.name(), answer.text);
        } else {
            answer.problem(403, "forbidden");
            assert!(answer.detail().contains("`s` fires events"), "{}: {}", operation.name(), answer.detail());
        }
    }
}

#[test]
fn every_route_needs_its_right_and_no_other() {
    let server = TestServer::start();
    let all = ["read", "write", "execute"];
    for operation in operations().iter().filter(|operation| !operation.is_open()) {
        let right = operation.right();
        let path = operation.path_for(|_| NOBODY.to_owned());
        let others: Vec<&str> = all.into_iter().filter(|other| *other != right).collect();
        let refused = operation.send(&server.client_for("", &others), &path, &json!({}));
        refused.problem(403, "forbidden");
        assert!(refused.detail().contains(&format!("right to {right}")), "{}: {}", operation.name(), refused.detail());
        if !["/stream", "/backup"].contains(&operation.path.as_str()) {
            let granted = operation.send(&server.client_for("", &[right]), &path, &json!({}));
            assert!(![401, 403].contains(&granted.status), "{}: {}", operation.name(), granted.text);
        }
    }
}

/// Everything that can be named in a path, of one tenant.
struct Things {
    module: String,
    action: String,
    event_type: String,
    event: String,
    run: String,
    token: String,
    attachment: String,
    schedule: String,
    source: String,
    source_type: String,
    sink_type: String,
    audit: String,
}

fn things_of(server: &TestServer, tenant: &str) -> Things {
    let client = server.client_for(tenant, &["admin"]);
    server.admin.post("/tenant", &json!({ "id": tenant })).expect(201);
    let text = |answer: &Answer, name: &str| answer.body["data"][name].as_str().unwrap().to_owned();
    // A module of its own: other bytes than anybody else's.
    let wat = format!("{} ;; {tenant}", crate::support::wat_with(3, "run"));
    let module = client.request("POST", "/module").bytes(wat).send();
    let digest = text(&module, "digest");
    let action = text(&client.post("/action", &json!({ "name": "mine", "module": digest })), "id");
    client.post("/event-type", &json!({ "display_name": "mine", "action": action })).expect(201);
    let fired = client.request("POST", "/trigger/mine").header("prefer", "wait=30").send();
    let run = fired.expect(200)["runs"][0]["id"].as_str().unwrap().to_owned();
    client.put("/object/place/place", &json!({})).expect(201);
    client.put("/secret/mine", &json!({ "value": "hunter2" })).expect(201);
    let object = json!({ "object_type": "place", "object_id": "1" });
    let attachment = text(&client.post(&format!("/action/{action}/object"), &object), "id");
    let schedule = client.post("/schedule", &json!({ "name": "mine", "event_type": "mine", "cron": "0 0 1 1 *" }));
    let source_type = text(&client.post("/source-type", &json!({ "name": "mine" })), "id");
    let source = text(&client.post("/source", &json!({ "name": "mine", "source_type": source_type })), "id");
    let sink_type = text(&client.post("/sink-type", &json!({ "name": "mine" })), "id");
    let token = client.post("/token", &json!({ "name": "more", "rights": { "read": true } }));
    let noted = client.get("/audit?kind=token").expect(200)[0]["id"].as_str().unwrap().to_owned();
    Things {
        audit: noted,
        module: digest,
        action,
        event_type: "mine".to_owned(),
        event: text(&fired, "id"),
        run,
        token: text(&token, "id"),
        attachment,
        schedule: text(&schedule, "id"),
        source_type,
        source,
        sink_type,
    }
}

impl Things {
    fn value(&self, path: &str, parameter: &str) -> String {
        match (path.split('/').nth(1).unwrap(), parameter) {
            ("module", _) => self.module.as_str(),
            // Objects are named by whoever uses them.
            ("object" | "{object_type}", _) => "place",
            ("action", "attachment_id") => self.attachment.as_str(),
            ("action", _) => self.action.as_str(),
            ("event-type" | "trigger", _) => self.event_type.as_str(),
            ("event", _) => self.event.as_str(),
            ("run", "number") => "1",
            ("run", _) => self.run.as_str(),
            ("token", _) => self.token.as_str(),
            ("secret", _) => "mine",
            ("tenant", _) => "a",
            ("schedule", _) => self.schedule.as_str(),
            ("source-type", _) => self.source_type.as_str(),
            ("source" | "hook", _) => self.source.as_str(),
            ("sink-type", _) => self.sink_type.as_str(),
            ("sink", _) => "local",
            ("audit", _) => self.audit.as_str(),
            other => panic!("nothing to name in {path}: {other:?}"),
        }
        .to_owned()
    }

    /// A body that the route takes.
    fn body(&self, operation: &Operation) -> Value {
        match operation.path.as_str() {
            "/action/{id}" => json!({ "name": "taken over", "module": self.module }),
            "/action/{id}/object" => json!({ "object_type": "place", "object_id": "1" }),
            "/action/{id}/rollback" => json!({ "version": 1 }),
            "/event-type/{id}" => json!({ "display_name": "taken_over" }),
            "/secret/{key}" => json!({ "value": "hunter2" }),
            "/event/replay" => json!({ "filter": {} }),
            "/schedule/{id}" => json!({ "name": "mine", "event_type": "mine", "cron": "0 0 1 1 *" }),
            "/source-type/{id}" | "/sink-type/{id}" => json!({ "name": "taken_over" }),
            "/sink/{id}" => json!({ "name": "local" }),
            "/source/{id}" => json!({ "name": "taken_over", "source_type": self.source_type }),
            _ => json!({}),
        }
    }
}

#[test]
fn another_tenants_things_are_not_there() {
    let server = TestServer::start();
    let things = things_of(&server, "a");
    let stranger = server.client_for("b", &["admin"]);
    let before = server.dump();
    let mut walked = 0;
    // Objects are names that every tenant may use for itself; `http_scopes` has what they see of each other's. Nor are
    // keys of secrets taken for others. Sinks are the platform's.
    let is_free = |operation: &&Operation| {
        let path = operation.path.as_str();
        path.contains("{object_type}") || path == "/sink/{id}" || operation.name() == "PUT /secret/{key}"
    };
    for operation in operations().iter().filter(|o| o.has_parameter()).filter(|o| !is_free(o)) {
        let path = operation.path_for(|parameter| things.value(&operation.path, parameter));
        let answer = operation.send(&stranger, &path, &things.body(operation));
        answer.problem(404, "not_found");
        // And in the same words as what is nowhere.
        let nowhere = operation.path_for(|_| NOBODY.to_owned());
        let nothing = operation.send(&stranger, &nowhere, &things.body(operation));
        let words = |answer: &Answer, name: &str| answer.detail().replace(&format!("`{name}`"), "it");
        let name = |path: &str| path.split('/').nth(2).unwrap().to_owned();
        assert_eq!(words(&answer, &name(&path)), words(&nothing, &name(&nowhere)), "{}", operation.name());
        walked += 1;
    }
    assert!(walked >= 12, "only {walked} routes were walked");
    assert_eq!(server.dump(), before, "a stranger changed something");
    for route in
        ["/module", "/action", "/event-type", "/schedule", "/event", "/run", "/secret", "/source-type", "/source"]
    {
        assert_eq!(stranger.get(route).body["count"], 0, "{route}");
    }
    assert_eq!(stranger.get("/token").body["count"], 1, "its own");
    assert_eq!(stranger.get("/sink-type").body["count"], 1, "the built-in one");
}

/// The audit log of tenant `a`, newest first.
fn audited(server: &TestServer) -> Vec<Value> {
    server.admin.pages("/audit?owner_id=a&limit=200")
}

/// Deleting comes last, and each thing is deleted before what it names.
fn deleting_last() -> Vec<(i32, Operation)> {
    let mut last = Vec::new();
    for operation in operations() {
        let rank = match operation.path.as_str() {
            _ if operation.method != "DELETE" => 0,
            "/schedule/{id}" | "/source/{id}" => 1,
            "/event-type/{id}" | "/action/{id}/object/{attachment_id}" => 2,
            "/action/{id}" => 3,
            _ => 4,
        };
        last.push((rank, operation));
    }
    last.sort_by_key(|(rank, _)| *rank);
    last
}

/// And each success that changes something leaves exactly one entry in the audit log, which says so. What goes with an
/// action that is deleted has entries of its own.
#[test]
fn every_route_of_the_document_answers_and_every_change_is_in_the_audit_log() {
    let server = TestServer::start();
    let last = deleting_last();
    let things = things_of(&server, "a");
    let owner = server.client_for("a", &["admin"]);
    for (_, operation) in
        last.iter().filter(|(_, operation)| !["/stream", "/backup", SIGNED].contains(&operation.path.as_str()))
    {
        let mut path = operation.path_for(|parameter| things.value(&operation.path, parameter));
        if path.ends_with("/cancel") {
            // What ran has ended; this waits.
            let waiting = owner.post("/event", &json!({ "event_type": "mine", "delay": "1d" }));
            let event = owner.get(&format!("/event/{}", waiting.expect(202)["id"].as_str().unwrap()));
            let id =
                if path.starts_with("/run") { &event.body["data"]["runs"][0]["id"] } else { &event.body["data"]["id"] };
            path = operation.path_for(|_| id.as_str().unwrap().to_owned());
        }
        let body = match (operation.method, operation.path.as_str()) {
            ("POST", "/module") => continue, // Needs a component: `things_of` uploaded one.
            ("POST", "/secret-key/rotate") => continue, // The platform's alone, see `http_secrets`.
            (_, "/object/{object_type}/{object_id}/order") => continue, // Needs a plan with two, see `http_objects`.
            (_, "/action/{id}/kv/{key}") => continue, // Needs a run that keeps a value, see `http_kv`.
            ("POST" | "PUT" | "DELETE", "/sink" | "/sink/{id}") => continue, // The same, see `http_sinks`.
            ("POST" | "PUT" | "DELETE", "/tenant" | "/tenant/{id}") => continue, // The platform's alone, see `tenants`.
            ("POST", "/action") => json!({ "name": "new", "module": things.module }),
            ("POST", "/event-type") => json!({ "display_name": "new" }),
            ("POST", "/action/{id}/object") => json!({ "object_type": "place", "object_id": "2" }),
            ("POST", "/{object_type}/{object_id}/action") => json!({ "action_id": things.action }),
            ("POST", "/event") => json!({ "event_type": "mine" }),
            ("POST", "/schedule") => {
                json!({ "name": "new", "event_type": "mine", "at": "2100-01-01T00:00:00Z", "enabled": false })
            }
            ("POST", "/token") => json!({ "name": "new", "rights": { "read": true } }),
            ("POST", "/source-type" | "/sink-type") => json!({ "name": "new" }),
            ("POST", "/source") => json!({ "name": "new", "source_type": things.source_type }),
            ("PUT", "/action/{id}") => json!({ "name": "mine", "module": things.module }),
            ("PUT", "/event-type/{id}") => json!({ "display_name": "mine", "action": things.action }),
            _ => things.body(operation),
        };
        if operation.name() == "DELETE /module/{ref}" {
            let new = owner.get("/action").body["data"][0]["id"].as_str().unwrap().to_owned();
            owner.delete(&format!("/action/{new}")).expect(200);
        }
        if operation.name() == "DELETE /source-type/{id}" {
            owner.delete("/source/new").expect(200);
        }
        let query = if path.ends_with("/effective") { "?event_type=mine" } else { "" };
        let before = audited(&server).len();
        let answer = operation.send(&owner, &format!("{path}{query}"), &body);
        assert!((200..300).contains(&answer.status), "{}: {}", operation.name(), answer.text);
        let described = &operation.described["responses"][answer.status.to_string()];
        assert!(described.is_object(), "{} answers {}, which is not described", operation.name(), answer.status);
        let kind = answer.header("content-type").split(';').next().unwrap().to_owned();
        assert!(described["content"][&kind].is_object(), "{} answers with {kind}: {described}", operation.name());
        let entries = audited(&server);
        let new = &entries[..entries.len() - before];
        let told: Vec<_> = new
            .iter()
            .filter(|entry| !entry["note"].as_str().unwrap().starts_with("its action"))
            .map(|entry| (entry["what"].as_str().unwrap(), entry["kind"].as_str().unwrap()))
            .collect();
        assert_eq!(told, operation.audited().into_iter().collect::<Vec<_>>(), "{}: {new:#?}", operation.name());
        for entry in new {
            assert_eq!(entry["request_id"], answer.header("x-request-id"), "{}", operation.name());
            assert_eq!(entry["by"]["name"], "a token");
        }
    }
}

#[test]
fn what_is_shared_is_seen_by_tenants_and_changed_by_the_platform_only() {
    let server = TestServer::start();
    let action = server.install("shared", "noop", json!({}));
    let tenant = server.client_for("a", &["admin"]);
    tenant.get(&format!("/action/{action}")).expect(200);
    tenant.get("/event-type/shared").expect(200);
    let module = tenant.get("/module").expect(200)[0]["digest"].as_str().unwrap().to_owned();
    let before = server.dump();
    tenant.put(&format!("/action/{action}"), &json!({ "name": "x", "module": module })).problem(403, "forbidden");
    tenant.delete(&format!("/action/{action}")).problem(403, "forbidden");
    tenant.post(&format!("/action/{action}/rollback"), &json!({ "version": 1 })).problem(403, "forbidden");
    tenant.put("/event-type/shared", &json!({ "display_name": "x" })).problem(403, "forbidden");
    tenant.delete("/event-type/shared").problem(403, "forbidden");
    tenant.delete(&format!("/module/{module}")).problem(403, "forbidden");
    for (route, body) in [
        ("/action", json!({ "name": "x", "module": module, "owner_id": "b" })),
        ("/event-type", json!({ "display_name": "x", "owner_id": "" })),
        ("/token", json!({ "name": "x", "rights": { "read": true }, "owner_id": "b" })),
    ] {
        tenant.post(route, &body).problem(403, "forbidden");
    }
    tenant.request("POST", "/module?owner_id=b").bytes("x").send().problem(403, "forbidden");
    assert_eq!(server.dump(), before);
    // A tenant's action may use a shared module, and the platform may make things for a tenant.
    tenant.post("/action", &json!({ "name": "own", "module": module })).expect(201);
    let made = server.admin.post("/action", &json!({ "name": "given", "module": module, "owner_id": "a" }));
    tenant.delete(&format!("/action/{}", made.expect(201)["id"].as_str().unwrap())).expect(200);
    let moved =
        server.admin.put(&format!("/action/{action}"), &json!({ "name": "shared", "module": module, "owner_id": "a" }));
    moved.problem(422, "invalid_body");
    moved.points_at(&["/owner_id"]);
}

#[test]
fn the_admin_token_is_in_one_file_of_its_owner_and_nowhere_else() {
    let mut server = TestServer::start();
    let path = server.data().join("admin.token");
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{}\n", server.token));
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(&server.data().join("installation.key")), 0o600);
    assert_eq!(mode(&server.data().join("artifacts")), 0o700);
    let dump = server.dump();
    assert!(dump.contains("\"name\":\"admin\""), "the dump has no token at all");
    let secret = server.token.strip_prefix("fbx_").unwrap().to_owned();
    assert!(!dump.contains(&secret) && !server.admin.get("/token").text.contains(&secret));
    server.stop();
    for entry in std::fs::read_dir(server.data()).unwrap() {
        let entry = entry.unwrap().path();
        if entry.is_file() && entry != path {
            let bytes = std::fs::read(&entry).unwrap();
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{} has the token in it", entry.display());
        }
    }
}

#[test]
fn the_data_folder_keeps_the_token_of_its_first_start() {
    let mut server = TestServer::start();
    let token = server.token.clone();
    server.restart(); // Checks that no second token is made.
    assert_eq!(std::fs::read_to_string(server.data().join("admin.token")).unwrap().trim(), token);
    server.admin.get("/action").expect(200);
}

#[test]
fn tokens_work_from_their_creation_to_their_deletion_and_are_shown_once() {
    let mut server = TestServer::start();
    let created = server
        .admin
        .post("/token", &json!({ "name": "ci", "owner_id": "a", "rights": { "read": true, "execute": true } }));
    let token = created.expect(201).clone();
    let text = token["token"].as_str().unwrap().to_owned();
    assert!(text.starts_with("fbx_") && text.len() == 47, "{text}");
    assert_eq!((&token["owner_id"], &token["created_by"]), (&json!("a"), &json!("admin")));
    assert_eq!(token["rights"], json!({ "read": true, "write": false, "execute": true, "admin": false }));
    let id = token["id"].as_str().unwrap();
    server.restart();
    let client = server.admin.with_token(&text);
    client.get("/action").expect(200);
    let listed = server.admin.get("/token?q=CI");
    assert_eq!((listed.body["count"].clone(), listed.expect(200)[0]["id"].as_str()), (json!(1), Some(id)));
    assert!(listed.expect(200)[0].get("token").is_none() && !server.dump().contains(&text));
    server.admin.delete(&format!("/token/{id}")).expect(200);
    client.get("/action").problem(401, "unauthorized");
    server.admin.delete(&format!("/token/{id}")).problem(404, "not_found");
}

#[test]
fn a_token_that_is_good_for_nothing_is_refused() {
    let server = TestServer::start();
    let refused = |body: Value, pointer: &str| {
        let answer = server.admin.post("/token", &body);
        answer.problem(422, "invalid_body");
        answer.points_at(&[pointer]);
    };
    let read = json!({ "read": true });
    refused(json!({ "name": "x", "rights": {} }), "/rights");
    refused(json!({ "name": "x", "rights": { "reed": true } }), "/rights/reed");
    refused(json!({ "name": " ", "rights": read }), "/name");
    refused(json!({ "name": "x\n", "rights": read }), "/name");
    refused(json!({ "name": "x".repeat(129), "rights": read }), "/name");
    refused(json!({ "name": "x", "rights": read, "owner_id": "Not A Tenant" }), "/owner_id");
    server.admin.post("/token", &json!({ "name": "x".repeat(128), "rights": read })).expect(201);
    assert_eq!(server.admin.get("/token").body["count"], 2);
}

#[test]
fn a_tenants_admin_manages_its_own_tokens_only() {
    let server = TestServer::start();
    let admin = server.client_for("a", &["admin"]);
    server.client_for("b", &["read"]);
    let own = admin.post("/token", &json!({ "name": "own", "rights": { "read": true } }));
    assert_eq!(own.expect(201)["owner_id"], "a");
    let seen: HashSet<String> =
        admin.pages("/token").iter().map(|token| token["owner_id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(seen, HashSet::from(["a".to_owned()]));
    for token in server.admin.pages("/token").iter().filter(|token| token["owner_id"] != "a") {
        admin.delete(&format!("/token/{}", token["id"].as_str().unwrap())).problem(404, "not_found");
    }
    assert_eq!(server.admin.get("/token").body["count"], 4);
}

#[test]
fn unknown_routes_and_wrong_methods_are_problems_too() {
    let server = TestServer::start();
    let anybody = server.admin.without_token();
    for path in ["/", "/nothing", "/action/x/y/z", "/v1/action", "/event/"] {
        anybody.get(path).problem(404, "not_found");
    }
    let wrong = server.admin.request("PATCH", "/action").send();
    wrong.problem(405, "method_not_allowed");
    let allowed: HashSet<&str> = wrong.header("allow").split(',').map(str::trim).collect();
    assert!(allowed.contains("GET") && allowed.contains("POST"), "{allowed:?}");
    server.admin.delete("/healthz").problem(405, "method_not_allowed");
}

#[test]
fn the_document_is_openapi_3_1_and_describes_every_failure() {
    let server = TestServer::start();
    let document = server.admin.without_token().get("/openapi.json").body;
    assert_eq!(document, self::document());
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document["openapi"]);
    assert_eq!(document["components"]["securitySchemes"]["token"]["scheme"], "bearer");
    let mut names = HashSet::new();
    for operation in operations() {
        let described = &operation.described;
        let default = &described["responses"]["default"]["content"]["application/problem+json"];
        assert_eq!(default["schema"]["$ref"], "#/components/schemas/Problem", "{}", operation.name());
        assert!(
            described["summary"].as_str().is_some_and(|text| !text.is_empty()),
            "{} is not described",
            operation.name()
        );
        let id = described["operationId"].as_str().unwrap_or_else(|| panic!("{} has no id", operation.name()));
        assert!(names.insert(id.to_owned()), "two operations are called {id}");
    }
    let text = document.to_string();
    let references: HashSet<&str> =
        text.split("\"$ref\":\"#").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(references.len() > 10, "{references:?}");
    for reference in references {
        assert!(document.pointer(reference).is_some(), "{reference} points at nothing");
    }
}

/// Answers to what hyper itself refuses were never sent: with `pipeline_flush` it flushes nothing while there are bytes
/// that it has not read, and of a head that is refused there always are.
#[test]
fn a_head_that_is_no_http_is_answered() {
    let server = TestServer::start();
    for head in ["GET / HTTP/1.1\r\nno colon\r\n\r\n", "\u{1}\r\n\r\n"] {
        let mut connection = TcpStream::connect(server.url().trim_start_matches("http://")).unwrap();
        connection.set_read_timeout(Some(PATIENCE)).unwrap();
        connection.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
}

#[test]
fn headers_that_are_too_large_are_refused_and_the_server_lives_on() {
    let server = TestServer::start();
    let large = server.admin.request("GET", "/healthz").header("x-large", "x".repeat(200_000));
    // The connection may be cut while the client is still sending.
    assert!(large.try_send().is_none_or(|status| status == 431));
    let mut many = server.admin.request("GET", "/healthz");
    for _ in 0..120 {
        many = many.header("x-many", "x");
    }
    assert_eq!(many.send().status, 431);
    server.admin.get("/healthz").expect(200);
}

#[test]
fn the_command_line_finds_the_token_in_the_data_folder() {
    let server = TestServer::start();
    let (url, data) = (server.url(), server.data().display().to_string());
    let ran = fusebox(server.folder(), &["runs", "--url", &url, "--data", &data], "");
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
}

/// A request that was refused before its body was read cost the connection: a client that sent much saw a broken pipe
/// instead of the answer, and one that used the connection again saw it gone.
#[test]
fn a_refusal_is_heard_whatever_was_sent_with_it() {
    let server = TestServer::start();
    let stranger = server.admin.with_token("wrong");
    for size in [2, 100_000, 40 << 20] {
        let send = |path: &str| stranger.request("POST", path).bytes(vec![b' '; size]).send();
        send("/module").problem(401, "unauthorized");
        send("/event").problem(401, "unauthorized");
        send("/nothing").problem(404, "not_found");
    }
}
