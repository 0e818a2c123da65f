//! Who lets actions send HTTP requests, from the catalogue to the record of an attempt.

use crate::support::{Answer, Peer, TestServer, fusebox};
use serde_json::{Value, json};
use std::path::Path;

/// Everything on this machine: for a sink type.
const HERE: &str = "private http://127.0.0.1:*";

#[track_caller]
fn refused_at(answer: &Answer, pointers: &[&str]) {
    answer.problem(422, "invalid_body");
    answer.points_at(pointers);
}

fn to(peer: &Peer) -> Value {
    json!({ "requests": [{ "url": peer.url("/secret-path") }] })
}

/// The first attempt of the only run of an event.
#[track_caller]
fn attempt(event: &Value) -> &Value {
    &event["runs"][0]["attempts"][0]
}

#[test]
fn an_action_reaches_what_it_and_its_sink_type_allow_and_its_calls_are_on_record() {
    let peer = Peer::saying("hello");
    let server = TestServer::with(|config| config.hosts_of_wasm = vec![HERE.parse().unwrap()]);
    server.install("reach", "reach", json!({ "allowed_hosts": ["http://127.0.0.1:*"] }));
    let event = server.fire_and_wait("reach", to(&peer));
    let attempt = attempt(&event);
    assert_eq!(event["runs"][0]["output"]["answers"][0]["body"], "hello", "{event:#}");
    let call = &attempt["http"][0];
    assert_eq!((&call["method"], &call["status"], &call["fault"]), (&json!("GET"), &json!(200), &Value::Null));
    assert_eq!(call["host"], format!("127.0.0.1:{}", peer.port));
    let bytes = |name: &str| call[name].as_u64().unwrap();
    assert_eq!(bytes("sent_bytes"), peer.requests()[0].len() as u64);
    assert_eq!(attempt["usage"]["http_calls"], json!({ "used": 1, "limit": 10 }));
    let used = bytes("sent_bytes") + bytes("received_bytes");
    assert_eq!(attempt["usage"]["http_bytes"], json!({ "used": used, "limit": 4 << 20 }));
    assert!(!attempt.to_string().contains("secret-path"), "{attempt:#}");
    let metrics = server.admin.get("/metrics").text;
    assert!(metrics.contains("fusebox_http_calls_total{fault=\"\"} 1\n"), "{metrics}");
}

#[test]
fn nothing_is_reached_unless_somebody_says_so_and_the_run_says_who_could() {
    let peer = Peer::saying("hello");
    let server = TestServer::start();
    server.install("reach", "reach", json!({}));
    let event = server.fire_and_wait("reach", to(&peer));
    let denied = event["runs"][0]["output"]["answers"][0].clone();
    assert_eq!(denied["error"], "denied");
    let message = denied["message"].as_str().unwrap();
    for words in [
        "the action `reach` allows no hosts",
        "the sink type `wasm` allows no hosts",
        "`fusebox serve --allow-host http://127.0.0.1",
    ] {
        assert!(message.contains(words), "{message}");
    }
    let call = &attempt(&event)["http"][0];
    assert_eq!(
        (&call["fault"], &call["message"], &call["sent_bytes"]),
        (&json!("denied"), &denied["message"], &json!(0))
    );
    assert_eq!(*peer.requests(), [""; 0]);
    // One that sends nothing has no such list.
    server.install("noop", "noop", json!({}));
    assert_eq!(attempt(&server.fire_and_wait("noop", json!({}))).get("http"), None);
}

#[test]
fn a_sink_type_says_what_its_runs_reach_and_takes_it_back_at_once() {
    let peer = Peer::saying("hello");
    let mut server = TestServer::start();
    let body = |rules: Value| json!({ "name": "net", "allowed_hosts": rules });
    let made = server.admin.post("/sink-type", &body(json!([HERE])));
    assert_eq!(made.expect(201)["allowed_hosts"], json!([HERE]));
    let action = server.action("reach", &server.upload("reach"), json!({ "allowed_hosts": ["HTTP://127.0.0.1:*"] }));
    server.event_type("reach", &action, json!({ "sink_type": "net" }));
    server.event_type("plain", &action, json!({}));
    let said = |server: &TestServer, event_type: &str| {
        let event = server.fire_and_wait(event_type, to(&peer));
        event["runs"][0]["output"]["answers"][0].clone()
    };
    assert_eq!(said(&server, "reach")["body"], "hello");
    assert_eq!(said(&server, "plain")["error"], "denied");
    server.restart();
    assert_eq!(said(&server, "reach")["body"], "hello");
    server.admin.put("/sink-type/net", &body(json!(["POST http://127.0.0.1:*"]))).expect(200);
    let denied = said(&server, "reach");
    assert!(denied["message"].as_str().unwrap().contains("the sink type `net` allows no `GET"), "{denied}");
    let shown = server.admin.get(&format!("/action/{action}")).expect(200).clone();
    assert_eq!(shown["allowed_hosts"], json!(["http://127.0.0.1:*"]), "in one way of writing");
}

#[test]
fn only_the_platform_lets_be_reached_what_wasm_does_not() {
    let server = TestServer::with(|config| config.hosts_of_wasm = vec!["https://*.example".parse().unwrap()]);
    assert_eq!(server.admin.get("/sink-type/wasm").expect(200)["allowed_hosts"], json!(["https://*.example"]));
    let tenant = server.client_for("a", &["read", "write"]);
    let post = |rules: Value| tenant.post("/sink-type", &json!({ "name": "net", "allowed_hosts": rules }));
    let refused = post(json!(["https://api.example", "https://*", "private https://in.example"]));
    refused_at(&refused, &["/allowed_hosts/1", "/allowed_hosts/2"]);
    assert!(refused.text.contains("the platform lets `https://*` be reached"), "{}", refused.text);
    let id = post(json!(["GET https://api.example"])).expect(201)["id"].as_str().unwrap().to_owned();
    // What the platform gave stays given, and no more than that.
    let path = format!("/sink-type/{id}");
    server.admin.put(&path, &json!({ "name": "net", "allowed_hosts": ["private https://in.test"] })).expect(200);
    tenant.put(&path, &json!({ "name": "net", "allowed_hosts": ["https://in.test"] })).expect(200);
    refused_at(
        &tenant.put(&path, &json!({ "name": "net", "allowed_hosts": ["private https://in.test"] })),
        &["/allowed_hosts/0"],
    );
}

#[test]
fn a_rule_that_is_none_is_refused_where_it_stands() {
    let server = TestServer::start();
    let module = server.upload("noop");
    let many = vec!["https://a.example"; 101];
    let action =
        |rules: &Value| server.admin.post("/action", &json!({ "name": "x", "module": module, "allowed_hosts": rules }));
    let sink_type = |rules: &Value| server.admin.post("/sink-type", &json!({ "name": "x", "allowed_hosts": rules }));
    let secret = |rules: &Value| server.admin.put("/secret/x", &json!({ "value": "hunter2", "allowed_hosts": rules }));
    for (rules, pointer, says) in [
        (json!(["https://a.example", "a.example"]), "/allowed_hosts/1", "a rule begins with `https://`"),
        (json!(["https://user@a.example"]), "/allowed_hosts/0", "a rule has no user"),
        (json!(["https://a.*.example"]), "/allowed_hosts/0", "`*` stands for a whole host"),
        (json!(many), "/allowed_hosts", "there may be 100 rules"),
        (json!("https://a.example"), "/allowed_hosts", ""),
        (json!([5]), "/allowed_hosts/0", ""),
    ] {
        for answer in [action(&rules), sink_type(&rules), secret(&rules)] {
            refused_at(&answer, &[pointer]);
            assert!(answer.text.contains(says), "{}", answer.text);
        }
    }
    for answer in [action(&json!([HERE])), secret(&json!([HERE]))] {
        refused_at(&answer, &["/allowed_hosts/0"]);
        assert!(answer.text.contains("`private` is for the rules of sink types"), "{}", answer.text);
    }
    action(&json!(many[..100])).expect(201);
}

#[test]
fn a_hidden_secret_is_sent_by_the_host_and_in_no_record() {
    let peer = Peer::echoing();
    let server = TestServer::with(|config| config.hosts_of_wasm = vec![HERE.parse().unwrap()]);
    let set = |body: Value| server.admin.put("/secret/bank", &body);
    set(json!({ "value": "hunter2 & co" })).expect(201);
    let hidden = json!([{ "name": "secret", "type": "SECRET", "value": "bank", "reveal": false }]);
    let action =
        server.install("reach", "reach", json!({ "allowed_hosts": ["http://127.0.0.1:*"], "parameters": hidden }));
    assert_eq!(server.admin.get(&format!("/action/{action}")).expect(200)["parameters"], hidden);
    let request = json!({ "requests": [{
        "method": "POST", "url": peer.url("/x?k={secret}"), "headers": [["authorization", "Bearer {secret}"]], "body": "{secret}",
    }] });
    // Its secret is for no host yet.
    let event = server.fire_and_wait("reach", request.clone());
    let call = &attempt(&event)["http"][0];
    assert_eq!(call["fault"], "denied");
    assert!(call["message"].as_str().unwrap().contains("the parameter `secret` may not be sent to"), "{call}");
    let changed = set(json!({ "allowed_hosts": ["http://127.0.0.1:*"] }));
    assert_eq!(changed.expect(200)["allowed_hosts"], json!(["http://127.0.0.1:*"]), "the value stays");

    let mut placeholders = Vec::new();
    for _ in 0..2 {
        let event = server.fire_and_wait("reach", request.clone());
        let sent = peer.requests().pop().unwrap();
        for part in ["/x?k=hunter2%20%26%20co ", "Bearer hunter2 & co\r\n", "\r\n\r\nhunter2 & co"] {
            assert!(sent.contains(part), "{part} in {sent}");
        }
        let output = &event["runs"][0]["output"];
        let placeholder = output["secret"].as_str().unwrap().to_owned();
        assert!(placeholder.starts_with("fusebox-secret-") && placeholder.len() == 47, "{placeholder}");
        assert_eq!(output["answers"][0]["body"].as_str().unwrap().matches(&placeholder).count(), 3, "{output}");
        assert!(!sent.contains(&placeholder), "{sent}");
        placeholders.push(placeholder);
    }
    assert_ne!(placeholders[0], placeholders[1], "another attempt has another");
    assert!(!server.dump().contains("hunter2"));
    // Who reads the secret says nothing of its hosts, which stay.
    set(json!({ "value": "another" })).expect(200);
    assert_eq!(server.admin.get("/secret/bank").expect(200)["allowed_hosts"], json!(["http://127.0.0.1:*"]));
    set(json!({ "allowed_hosts": [] })).expect(200);
    assert_eq!(server.admin.get("/secret").expect(200)[0]["allowed_hosts"], json!([]));
}

#[test]
fn only_secrets_are_hidden() {
    let server = TestServer::start();
    let module = server.upload("noop");
    let parameters = json!([{ "name": "p", "type": "STATIC", "value": 1, "reveal": false }]);
    let refused = server.admin.post("/action", &json!({ "name": "x", "module": module, "parameters": parameters }));
    refused_at(&refused, &["/parameters/0"]);
    assert!(refused.text.contains("`reveal` is for SECRET parameters"), "{}", refused.text);
}

#[test]
fn a_trial_reaches_what_a_run_would() {
    let peer = Peer::saying("hello");
    let server = TestServer::with(|config| config.hosts_of_wasm = vec![HERE.parse().unwrap()]);
    let module = server.upload("reach");
    let open = server.action("open", &module, json!({ "allowed_hosts": ["http://127.0.0.1:*"] }));
    let closed = server.action("closed", &module, json!({}));
    let tried = |action: &str| server.admin.post(&format!("/action/{action}/test"), &json!({ "payload": to(&peer) }));
    for (action, fault) in [(open, Value::Null), (closed, json!("denied"))] {
        let answer = tried(&action);
        let attempt = &answer.expect(200)["run"]["attempts"][0];
        assert_eq!((&attempt["http"][0]["fault"], &attempt["usage"]["http_calls"]["used"]), (&fault, &json!(1)));
    }
}

#[test]
fn what_may_be_reached_is_in_documents_too() {
    let server = TestServer::start();
    let module = server.upload("noop");
    let document = json!({
        "sink_types": [{ "name": "net", "allowed_hosts": ["https://*.example"] }],
        "secrets": [{ "key": "bank", "value": "hunter2", "allowed_hosts": ["https://api.example"] }],
        "actions": [{
            "name": "reach", "module": module, "allowed_hosts": ["POST https://api.example"],
            "parameters": [{ "name": "key", "type": "SECRET", "value": "bank", "reveal": false }],
        }],
    });
    let apply = |document: &Value| server.admin.post("/apply", document).expect(200).clone();
    apply(&document);
    let exported = server.admin.get("/export").expect(200)["document"].clone();
    assert_eq!(exported["sink_types"][0]["allowed_hosts"], json!(["https://*.example"]));
    assert_eq!(exported["secrets"][0]["allowed_hosts"], json!(["https://api.example"]));
    assert_eq!(exported["actions"][0]["allowed_hosts"], json!(["POST https://api.example"]));
    assert_eq!(exported["actions"][0]["parameters"][0]["reveal"], false);
    // The same again is no change; without its hosts a secret is for none.
    assert_eq!(apply(&document)["unchanged"], 3);
    let mut less = document.clone();
    less["secrets"][0].as_object_mut().unwrap().remove("allowed_hosts");
    apply(&less);
    assert_eq!(server.admin.get("/secret/bank").expect(200)["allowed_hosts"], json!([]));
}

#[test]
fn a_component_is_tried_without_a_server_where_the_command_line_allows() {
    let peer = Peer::saying("hello");
    let component = format!("{}/tests/guests/components/reach.wasm", env!("CARGO_MANIFEST_DIR"));
    let payload = to(&peer).to_string();
    let test =
        |more: &[&str]| fusebox(Path::new("."), &[&["test", &component, "--payload", &payload], more].concat(), "");
    let allowed = test(&["--json", "--allow-host", "private http://127.0.0.1:*"]);
    let shown: Value = allowed.json();
    assert_eq!(shown["result"]["output"]["answers"][0]["body"], "hello", "{shown:#}");
    assert_eq!((&shown["http"][0]["status"], &shown["usage"]["http_calls"]["used"]), (&json!(200), &json!(1)));
    let denied = test(&[]);
    for words in ["GET 127.0.0.1:", "denied", "allows no hosts", "--allow-host", "HTTP calls"] {
        assert!(denied.out.contains(words), "{}", denied.out);
    }
    let wrong = test(&["--allow-host", "127.0.0.1"]);
    assert!(wrong.err.contains("a rule begins with `https://`"), "{}", wrong.err);
}
