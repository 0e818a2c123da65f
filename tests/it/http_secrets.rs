//! Secrets: what can be done with them over HTTP, and that nothing shows their values.

use crate::support::{Client, TestServer, fusebox};
use fusebox::domain::{Keyring, Secret, TenantId};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

fn set(client: &Client, key: &str, value: &str) {
    let answer = client.put(&format!("/secret/{key}"), &json!({ "value": value }));
    assert!(matches!(answer.status, 200 | 201), "{}", answer.text);
}

fn key_file(server: &TestServer) -> PathBuf {
    server.data().join("secrets.key")
}

fn keyring(server: &TestServer) -> Keyring {
    Keyring::parse(&std::fs::read_to_string(key_file(server)).unwrap()).unwrap()
}

fn secret(server: &TestServer, tenant: &str, key: &str) -> Arc<Secret> {
    let tenant: TenantId = tenant.parse().unwrap();
    let catalogue = server.store().catalogue();
    let found = catalogue.secrets().named(&tenant, &key.parse().unwrap()).cloned();
    found.filter(|secret| secret.header.owner_id == tenant).unwrap()
}

/// What is in the store under a key, opened as only the server can.
pub(crate) fn value(server: &TestServer, tenant: &str, key: &str) -> String {
    let secret = secret(server, tenant, key);
    keyring(server).open(&secret.sealed, &secret.header).unwrap().expose().to_owned()
}

#[test]
fn a_secret_is_set_replaced_and_deleted_and_never_shown() {
    let server = TestServer::start();
    let created =
        server.admin.put("/secret/api_key", &json!({ "value": "hunter2-first", "description": "of the bank" }));
    let shown = created.expect(201);
    assert_eq!(created.header("etag"), "\"1\"");
    let mut members: Vec<&str> = shown.as_object().unwrap().keys().map(String::as_str).collect();
    members.sort_unstable();
    let known = [
        "allowed_hosts",
        "created_at",
        "created_by",
        "description",
        "key",
        "owner_id",
        "updated_at",
        "updated_by",
        "version",
    ];
    assert_eq!(members, known, "nothing that says more than that it is there");
    assert_eq!((&shown["key"], &shown["version"]), (&json!("api_key"), &json!(1)));

    let replaced = server.admin.put("/secret/API_KEY", &json!({ "value": "hunter2-second" }));
    let shown = replaced.expect(200);
    assert_eq!((&shown["key"], &shown["version"]), (&json!("api_key"), &json!(2)), "the same, as it was spelled first");
    assert_eq!(shown["description"], "of the bank", "what is left out stays");
    assert_eq!(value(&server, "", "api_key"), "hunter2-second");
    let read = server.admin.get("/secret/api_key");
    let mut told = read.expect(200).clone();
    assert_eq!(told.as_object_mut().unwrap().remove("used_by"), Some(json!([])), "what takes it is told of one only");
    assert_eq!((&told, read.header("etag")), (shown, "\"2\""));
    let listed = server.admin.get("/secret?q=BANK");
    assert_eq!(listed.expect(200), &json!([shown]));
    for answer in [&created, &replaced, &read, &listed] {
        assert!(!answer.text.contains("hunter2"), "{}", answer.text);
    }
    assert!(!server.dump().contains("hunter2"));

    server.admin.delete("/secret/api_key").expect(200);
    server.admin.delete("/secret/api_key").problem(404, "not_found");
    server.admin.get("/secret/api_key").problem(404, "not_found");
    // Made again it is another one: what was sealed for the first does not open in its place.
    server.admin.put("/secret/api_key", &json!({ "value": "hunter2-third" })).expect(201);
    assert_eq!(value(&server, "", "api_key"), "hunter2-third");
}

#[test]
fn a_secret_that_is_sent_wrongly_is_refused_without_a_word_of_it() {
    let server = TestServer::start();
    let refused = |body: Value, pointers: &[&str]| {
        let answer = server.admin.put("/secret/k", &body);
        answer.problem(422, "invalid_body");
        answer.points_at(pointers);
        assert!(!answer.text.contains("hunter2") && !answer.text.contains("12345678"), "{}", answer.text);
    };
    refused(json!({}), &["/value"]);
    refused(json!({ "value": null }), &["/value"]);
    refused(json!({ "value": 12_345_678 }), &["/value"]);
    refused(json!({ "value": ["hunter2"] }), &["/value"]);
    refused(json!({ "value": "abc" }), &["/value"]);
    refused(json!({ "value": "x".repeat((64 << 10) + 1) }), &["/value"]);
    refused(json!("hunter2"), &[""]);
    refused(json!(["hunter2"]), &[""]);
    refused(json!({ "value": "hunter2", "descripton": "hunter2" }), &["/descripton"]);
    refused(json!({ "value": "hunter2", "description": 12_345_678 }), &["/description"]);
    refused(json!({ "value": "hunter2", "description": "x".repeat(10_001) }), &["/description"]);
    refused(json!({ "value": "hunter2", "owner_id": "Not A Tenant" }), &["/owner_id"]);
    refused(json!({ "value": "abc", "owner_id": 5 }), &["/value", "/owner_id"]);
    let broken = server.admin.request("PUT", "/secret/k").bytes("{\"value\": \"hunter2\" x").send();
    broken.problem(400, "invalid_json");
    assert!(!broken.text.contains("hunter2"), "{}", broken.text);
    for key in ["1key", "a%20key", "k%C3%A9y", &"k".repeat(65)] {
        server.admin.put(&format!("/secret/{key}"), &json!({ "value": "hunter2" })).problem(422, "invalid_body");
        server.admin.get(&format!("/secret/{key}")).problem(404, "not_found");
    }
    assert_eq!(server.admin.get("/secret").body["count"], 0);
    server.admin.put(&format!("/secret/{}", "k".repeat(64)), &json!({ "value": "four" })).expect(201);
    let large = json!({ "value": "x".repeat(64 << 10), "description": "x".repeat(10_000) });
    server.admin.put("/secret/k", &large).expect(201);
}

#[test]
fn an_etag_guards_a_secret() {
    let server = TestServer::start();
    let put_if = |header: &'static str, etag: &str| {
        let request = server.admin.request("PUT", "/secret/k").header(header, etag);
        request.json(&json!({ "value": "hunter2" })).send()
    };
    let put = |etag: &str| put_if("if-match", etag);
    put("\"1\"").problem(412, "precondition_failed");
    put("*").problem(412, "precondition_failed");
    put_if("if-none-match", "*").expect(201);
    put_if("if-none-match", "*").problem(412, "precondition_failed");
    put_if("if-none-match", "1").problem(400, "bad_request");
    put("\"2\"").problem(412, "precondition_failed");
    put("\"1\"").expect(200);
    let delete = |etag: &str| server.admin.request("DELETE", "/secret/k").header("if-match", etag).send();
    delete("\"1\"").problem(412, "precondition_failed");
    delete("\"2\"").expect(200);
}

#[test]
fn the_same_key_is_another_secret_for_every_tenant() {
    let server = TestServer::start();
    let (a, b) = (server.client_for("a", &["read", "write"]), server.client_for("b", &["read", "write"]));
    set(&server.admin, "k", "the platform's");
    set(&a, "k", "hunter2 of a");
    // What is shared is the platform's, also by its name.
    b.get("/secret/k").problem(404, "not_found");
    b.delete("/secret/k").problem(404, "not_found");
    assert_eq!(b.get("/secret").body["count"], 0);
    assert_eq!(a.get("/secret/k").expect(200)["owner_id"], "a");
    a.put("/secret/k", &json!({ "value": "hunter2", "owner_id": "b" })).problem(403, "forbidden");
    a.get("/secret/k?owner_id=b").problem(403, "forbidden");
    a.get("/secret/k?owner_id=").problem(403, "forbidden");
    a.delete("/secret/k?owner_id=b").problem(403, "forbidden");
    // The platform may look after everybody's.
    server.admin.put("/secret/k", &json!({ "value": "given to b", "owner_id": "b" })).expect(201);
    assert_eq!(server.admin.get("/secret").body["count"], 3);
    assert_eq!(server.admin.get("/secret/k?owner_id=b").expect(200)["owner_id"], "b");
    for (tenant, expected) in [("", "the platform's"), ("a", "hunter2 of a"), ("b", "given to b")] {
        assert_eq!(value(&server, tenant, "k"), expected);
    }
    server.admin.delete("/secret/k?owner_id=b").expect(200);
    assert_eq!(server.admin.get("/secret").body["count"], 2);
}

#[test]
fn changing_the_key_encrypts_every_secret_anew_and_drops_the_old_one() {
    let mut server = TestServer::start();
    let tenant = server.client_for("a", &["admin"]);
    for number in 0..120 {
        set(&tenant, &format!("k{number}"), &format!("value of {number}"));
    }
    set(&server.admin, "k0", "the platform's");
    let (before, file) = (keyring(&server), std::fs::read_to_string(key_file(&server)).unwrap());
    let old = secret(&server, "a", "k0");

    tenant.post("/secret-key/rotate", &json!({})).problem(403, "forbidden");
    assert_eq!(std::fs::read_to_string(key_file(&server)).unwrap(), file, "nothing happened");
    let rotated = server.admin.post("/secret-key/rotate", &json!({})).expect(200).clone();
    let after = keyring(&server);
    assert_eq!(rotated, json!({ "key": after.current().to_string(), "secrets": 121 }));
    assert!(!after.has(before.current()), "the old key is gone");
    assert_eq!(std::fs::metadata(key_file(&server)).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(value(&server, "a", "k119"), "value of 119");
    assert_eq!(value(&server, "", "k0"), "the platform's");
    let new = secret(&server, "a", "k0");
    assert_eq!(new.header, old.header, "it says the same as before");
    assert!(before.open(&new.sealed, &new.header).is_err() && after.open(&old.sealed, &old.header).is_err());

    // Old values open after a restart, and new ones are sealed with the new key.
    server.restart();
    set(&server.admin, "late", "a late one");
    assert_eq!(secret(&server, "", "late").sealed.key, after.current());
    assert_eq!(value(&server, "a", "k7"), "value of 7");
}

#[test]
fn the_keys_lie_beside_the_store_in_a_file_of_their_own() {
    let mut server = TestServer::start();
    set(&server.admin, "k", "hunter2 hunter2");
    assert_eq!(std::fs::metadata(key_file(&server)).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(key_file(&server)).unwrap();
    let key = text.lines().last().unwrap().split_once(' ').unwrap().1.to_owned();
    let raw = data_encoding::HEXLOWER.decode(key.as_bytes()).unwrap();
    server.stop();
    let store = std::fs::read(server.data().join("fusebox.redb")).unwrap();
    for needle in [raw.as_slice(), key.as_bytes(), b"hunter2"] {
        assert!(!store.windows(needle.len()).any(|window| window == needle));
    }
}

#[test]
fn the_keys_may_lie_elsewhere() {
    let elsewhere = tempfile::tempdir().unwrap();
    let path = elsewhere.path().join("keys");
    let mut server = TestServer::with(|config| config.secrets_key = Some(path.clone()));
    set(&server.admin, "k", "hunter2");
    assert!(path.exists() && !key_file(&server).exists());
    // A link stays one: what it points to is what changes.
    let target = elsewhere.path().join("target");
    std::fs::rename(&path, &target).unwrap();
    std::os::unix::fs::symlink(&target, &path).unwrap();
    server.restart();
    server.admin.post("/secret-key/rotate", &json!({})).expect(200);
    assert!(std::fs::symlink_metadata(&path).unwrap().is_symlink());
    server.restart();
    server.admin.get("/secret/k").expect(200);
}

#[test]
fn a_start_without_the_keys_of_the_secrets_is_refused_and_says_what_to_do() {
    let mut server = TestServer::start();
    set(&server.admin, "k", "hunter2");
    let (file, data) = (key_file(&server), server.data().display().to_string());
    let key = keyring(&server).current().to_string();
    let keys = std::fs::read_to_string(&file).unwrap();
    server.stop();
    let refused = |parts: &[&str]| {
        let arguments = ["serve", "--listen", "127.0.0.1:0", "--data", &data];
        let ran = fusebox(server.folder(), &arguments, "");
        assert_eq!(ran.code, 1, "{ran:?}");
        for part in parts {
            assert!(ran.err.contains(part), "{part}: {ran:?}");
        }
    };
    std::fs::remove_file(&file).unwrap();
    refused(&["secrets (1)", &key, "secrets.key", "--secrets-key"]);
    assert!(!file.exists(), "no other key is put in its place");
    std::fs::write(&file, Keyring::new([9; 32]).to_text().as_bytes()).unwrap();
    refused(&["secrets (1)", &key, "secrets.key"]);
    std::fs::write(&file, keys.replacen(&key[..4], "zzzz", 1)).unwrap();
    refused(&["secrets.key", "line 3"]);
    std::fs::write(&file, "").unwrap();
    refused(&["secrets.key", "has no key"]);
    std::fs::write(&file, &keys).unwrap();
    server.restart();
    assert_eq!(value(&server, "", "k"), "hunter2");
}
