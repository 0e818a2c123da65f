//! Secrets in runs: who is given whose, and that nothing a run says shows one.

use crate::sandbox::guest::program;
use crate::support::{Client, ECHO, Serving, TestServer, component, fusebox, is_ended};
use serde_json::{Value, json};
use std::io::BufRead;
use std::path::Path;

/// A value with all that encoders treat in a way of their own.
const CANARY: &str = "cAnArY-7f3/\"\\ü+&<x>=?\n-----second line of it-----\n";

fn set(client: &Client, key: &str, value: &str) {
    let answer = client.put(&format!("/secret/{key}"), &json!({ "value": value }));
    assert!(matches!(answer.status, 200 | 201), "{}", answer.text);
}

/// The parameter that the guest `leaky` gives away.
fn takes(key: &str) -> Value {
    json!({ "name": "secret", "type": "SECRET", "value": key })
}

fn post(client: &Client, route: &str, body: Value) -> String {
    client.post(route, &body).expect(201)["id"].as_str().unwrap().to_owned()
}

/// Fires and waits; the event.
#[track_caller]
fn fire(client: &Client, event_type: &str, payload: &str) -> Value {
    let request = client.request("POST", "/event").header("prefer", "wait=60");
    request.json(&json!({ "event_type": event_type, "payload": payload })).send().expect(200).clone()
}

/// How long the secret is that the only run was given, or why it was not.
#[track_caller]
fn given(event: &Value) -> String {
    let run = &event["runs"][0];
    match run["reason"].as_str() {
        Some(reason) => reason.to_owned(),
        None => run["output"].to_string(),
    }
}

#[test]
fn a_guest_is_given_the_value_and_the_run_shows_the_key() {
    let server = TestServer::start();
    set(&server.admin, "bank.key", "sixteen letters!");
    server.install("pay", "leaky", json!({ "parameters": [takes("BANK.KEY")] }));
    let event = fire(&server.admin, "pay", "length");
    assert_eq!(given(&event), "16");
    let run = server.admin.get(&format!("/run/{}", event["runs"][0]["id"].as_str().unwrap())).expect(200).clone();
    assert_eq!(run["params"], json!({ "secret": { "secret": "BANK.KEY" } }));
    // The event type's wins as the more specific, whatever the types are.
    set(&server.admin, "other", "four");
    let open = json!([{ "name": "secret", "type": "STATIC", "value": "in the open" }]);
    let action = server.admin.get("/event-type/pay").expect(200)["action"].as_str().unwrap().to_owned();
    server.event_type("open", &action, json!({ "parameters": open }));
    server.event_type("other", &action, json!({ "parameters": [takes("other")] }));
    assert_eq!(given(&fire(&server.admin, "open", "length")), "11");
    assert_eq!(given(&fire(&server.admin, "other", "length")), "4");
}

#[test]
fn a_locked_secret_is_the_actions_alone() {
    let server = TestServer::start();
    let mut locked = takes("k");
    locked["locked"] = true.into();
    let action = server.install("pay", "leaky", json!({ "parameters": [locked] }));
    let body = json!({ "display_name": "other", "action": action, "parameters": [takes("other")] });
    let refused = server.admin.post("/event-type", &body);
    refused.problem(409, "parameter_locked");
    refused.points_at(&["/parameters/0/name"]);
}

#[test]
fn a_secret_that_is_not_there_ends_the_run_before_it_starts() {
    let server = TestServer::start();
    let module = server.upload("leaky");
    server.admin.post("/event-type", &json!({ "display_name": "failed" })).expect(201);
    let action = server.action("pay", &module, json!({ "parameters": [takes("bank")], "on_failure": "failed" }));
    server.event_type("pay", &action, json!({}));
    let event = fire(&server.admin, "pay", "length");
    let run = &event["runs"][0];
    assert_eq!((&run["state"], &run["reason"]), (&json!("ERROR"), &json!("secret_missing")));
    assert_eq!(run["message"], "the parameter `secret` takes the secret `bank`, which is not there");
    assert_eq!((&run["attempts"], &run["code"]), (&json!([]), &json!(1)), "nothing was tried");
    assert_eq!((&event["state"], &event["reason"]), (&json!("ERROR"), &json!("secret_missing")));
    let child = run["child_event_id"].as_str().unwrap();
    assert_eq!(server.event(child)["event_type"], "failed");

    let mut optional = takes("bank");
    optional["required"] = false.into();
    let action = server.action("may", &module, json!({ "parameters": [optional] }));
    server.event_type("may", &action, json!({}));
    assert_eq!(given(&fire(&server.admin, "may", "length")), "7", "it says `nothing`, as it was given nothing");
    set(&server.admin, "bank", "four");
    assert_eq!(given(&fire(&server.admin, "may", "length")), "4");
    assert_eq!(given(&fire(&server.admin, "pay", "length")), "4");
}

#[test]
fn every_attempt_reads_the_secret_anew() {
    let server = TestServer::with_manual_clock();
    set(&server.admin, "k", "short");
    let retry = json!({ "attempts": 3, "base_ms": 1_000 });
    server.install("pay", "leaky", json!({ "parameters": [takes("k")], "retry": retry }));
    let event = server.fire("pay", json!("retry"));
    let said = |attempt: usize| {
        let run = server.until(&event, |event| {
            let run = &event["runs"][0];
            run["attempts"].as_array().is_some_and(|attempts| attempts.len() == attempt) && run["state"] == "WAITING"
        })["runs"][0]
            .clone();
        run["attempts"][attempt - 1]["usage"]["log_bytes"]["used"].as_u64().unwrap()
    };
    let first = said(1);
    set(&server.admin, "k", &"longer".repeat(100));
    server.pass_ms(1_000);
    let second = said(2);
    assert!(second > first + 600, "{first} bytes were said of the short value, {second} of the long one");
    server.admin.delete("/secret/k?force=true").expect(200);
    server.pass_ms(1_000);
    let ended = server.until(&event, is_ended);
    let run = &ended["runs"][0];
    assert_eq!((&run["reason"], run["attempts"].as_array().unwrap().len()), (&json!("secret_missing"), 2));
}

#[test]
fn a_secret_parameter_that_is_wrong_is_refused() {
    let server = TestServer::start();
    let module = server.upload_bytes(ECHO);
    let wrong = [
        (json!({ "name": "p", "type": "SECRET" }), "/parameters/1"),
        (json!({ "name": "p", "type": "SECRET", "value": 5 }), "/parameters/1"),
        (json!({ "name": "p", "type": "SECRET", "value": "hunter2 hunter2" }), "/parameters/1"),
        (json!({ "name": "p", "type": "SECRET", "value": "k", "default": "hunter2" }), "/parameters/1"),
        (json!({ "name": "p", "type": "SECRET", "value": "k", "reveal": "no" }), "/parameters/1/reveal"),
        (json!({ "name": "p", "type": "SECRETS", "value": "k" }), "/parameters/1/type"),
        (json!({ "name": "first", "type": "SECRET", "value": "k" }), "/parameters/1/name"),
    ];
    for (parameter, pointer) in wrong {
        let parameters = json!([{ "name": "first", "type": "SECRET", "value": "fine" }, parameter]);
        for (route, mut body) in
            [("/action", json!({ "name": "a", "module": module })), ("/event-type", json!({ "display_name": "t" }))]
        {
            body["parameters"] = parameters.clone();
            let refused = server.admin.post(route, &body);
            refused.problem(422, "invalid_body");
            refused.points_at(&[pointer]);
            assert!(!refused.text.contains("hunter2"), "{}", refused.text);
        }
    }
    assert_eq!(server.admin.get("/action").body["count"], 0);
}

#[test]
fn what_takes_a_secret_that_is_not_set_says_so_when_it_is_saved() {
    let server = TestServer::start();
    let module = server.upload_bytes(ECHO);
    let tenant = server.client_for("a", &["admin"]);
    let body = json!({ "name": "a", "module": module, "parameters": [takes("bank")] });
    let created = tenant.post("/action", &body);
    let warnings = created.body["warnings"].to_string();
    assert!(warnings.contains("`secret`") && warnings.contains("`bank`"), "{}", created.text);
    let action = created.expect(201)["id"].as_str().unwrap().to_owned();
    assert_eq!(created.expect(201)["secrets"], json!(["bank"]));
    let typed = tenant.post("/event-type", &json!({ "display_name": "t", "parameters": [takes("bank")] }));
    assert!(typed.body["warnings"].to_string().contains("`bank`"), "{}", typed.text);
    // The platform's own of that key is not the tenant's.
    set(&server.admin, "bank", "hunter2");
    let path = format!("/action/{action}");
    assert!(tenant.put(&path, &body).body["warnings"].is_array());
    set(&tenant, "bank", "hunter2");
    assert!(tenant.put(&path, &body).body["warnings"].is_null());
}

#[test]
fn a_secret_that_parameters_name_is_deleted_by_force_only() {
    let server = TestServer::start();
    let tenant = server.client_for("a", &["admin"]);
    let module = server.upload_bytes(ECHO);
    set(&tenant, "bank", "hunter2");
    set(&server.admin, "bank", "hunter2");
    post(&tenant, "/action", json!({ "name": "pay", "module": module, "parameters": [takes("BANK")] }));
    post(&tenant, "/event-type", json!({ "display_name": "paid", "parameters": [takes("bank")] }));
    post(&tenant, "/source-type", json!({ "name": "shops" }));
    let webhook = json!({ "preset": "github", "secret": "other", "old_secret": "Bank" });
    set(&tenant, "other", "hunter3");
    post(&tenant, "/source", json!({ "name": "shop", "source_type": "shops", "webhook": webhook }));
    let refused = tenant.delete("/secret/bank");
    refused.problem(409, "in_use");
    assert!(refused.detail().contains("the webhook of the source `shop`"), "{}", refused.detail());
    tenant.delete("/secret/other").problem(409, "in_use");
    assert!(refused.detail().contains("the action `pay`") && refused.detail().contains("the event type `paid`"));
    tenant.delete("/secret/bank?force=false").problem(409, "in_use");
    tenant.delete("/secret/bank?force=perhaps").problem(400, "bad_request");
    // Nothing of the platform's own names its secret.
    server.admin.delete("/secret/bank").expect(200);
    tenant.delete("/secret/bank?force=true").expect(200);
}

#[test]
fn the_platforms_secrets_go_to_the_platforms_code_only() {
    let server = TestServer::start();
    let (a, b) = (server.client_for("a", &["admin"]), server.client_for("b", &["admin"]));
    set(&server.admin, "key", "of the platform: 24 long");
    let module = server.upload("leaky");
    let shared = server.install("shared", "leaky", json!({ "parameters": [takes("key")] }));
    // The platform's code for a tenant: the platform's secret, unless the tenant has one of that key.
    assert_eq!(given(&fire(&a, "shared", "length")), "24");
    set(&a, "key", "of a!");
    assert_eq!(given(&fire(&a, "shared", "length")), "5");
    assert_eq!(given(&fire(&b, "shared", "length")), "24");
    // A tenant's action that names the key.
    let own = post(&b, "/action", json!({ "name": "own", "module": module, "parameters": [takes("key")] }));
    post(&b, "/event-type", json!({ "display_name": "own", "action": own }));
    assert_eq!(given(&fire(&b, "own", "length")), "secret_missing");
    // A tenant's event type that names it for the platform's action.
    post(&b, "/event-type", json!({ "display_name": "mixed", "action": shared, "parameters": [takes("key")] }));
    assert_eq!(given(&fire(&b, "mixed", "length")), "secret_missing");
    // A tenant's action that runs for a shared event type, whose params it gets.
    let body = json!({ "display_name": "everybody", "parameters": [takes("key")] });
    server.admin.post("/event-type", &body).expect(201);
    let object = json!({ "object_type": "place", "object_id": "1" });
    let fire_on = |client: &Client| {
        let body = json!({ "event_type": "everybody", "payload": "length", "object": object });
        client.request("POST", "/event").header("prefer", "wait=60").json(&body).send().expect(200).clone()
    };
    for client in [&a, &b] {
        let spy = post(client, "/action", json!({ "name": "spy", "module": module, "trigger": "everybody" }));
        post(client, &format!("/action/{spy}/object"), object.clone());
    }
    assert_eq!(given(&fire_on(&b)), "secret_missing");
    assert_eq!(given(&fire_on(&a)), "5", "its own");
}

#[test]
fn a_public_action_is_given_the_secrets_of_whoever_attached_it() {
    let server = TestServer::start();
    let (a, b) = (server.client_for("a", &["admin"]), server.client_for("b", &["admin"]));
    let module = server.upload("leaky");
    server.admin.post("/event-type", &json!({ "display_name": "booked" })).expect(201);
    let body = json!({
        "name": "offered", "module": module, "public": true, "trigger": "booked", "parameters": [takes("key")],
    });
    let action = post(&b, "/action", body);
    set(&b, "key", "of the publisher");
    set(&server.admin, "key", "of the platform: 24 long");
    // What it would be lent is seen before it is attached; its parameters are not.
    let seen = a.get(&format!("/action/{action}")).expect(200).clone();
    assert_eq!((&seen["secrets"], seen.get("parameters")), (&json!(["key"]), None));
    let object = |id: &str| json!({ "object_type": "place", "object_id": id });
    let fire_on = |id: &str| {
        let body = json!({ "event_type": "booked", "payload": "length", "object": object(id) });
        a.request("POST", "/event").header("prefer", "wait=60").json(&body).send().expect(200).clone()
    };
    post(&a, &format!("/action/{action}/object"), object("1"));
    let event = fire_on("1");
    assert_eq!(given(&event), "secret_missing");
    assert_eq!(event["runs"][0]["params"], json!({}), "the publisher's parameters are not shown");
    set(&a, "key", "of a!");
    assert_eq!(given(&fire_on("1")), "5");
    // What the platform attaches for everybody, the tenant did not lend anything to.
    let for_everybody = json!({ "object_type": "place", "object_id": "2", "owner_id": "" });
    post(&server.admin, &format!("/action/{action}/object"), for_everybody);
    assert_eq!(given(&fire_on("2")), "secret_missing");
}

#[test]
fn the_secrets_of_a_run_are_not_too_large_together() {
    let server = TestServer::start();
    let mut parameters = Vec::new();
    for number in 0..3 {
        set(&server.admin, &format!("k{number}"), &"x".repeat(if number < 2 { 64 << 10 } else { 4 }));
        parameters.push(json!({ "name": format!("p{number}"), "type": "SECRET", "value": format!("k{number}") }));
    }
    let module = server.upload("leaky");
    for (count, outcome) in [(2, "7"), (3, "secret_missing")] {
        let name = format!("t{count}");
        let action = server.action(&name, &module, json!({ "parameters": parameters[..count] }));
        server.event_type(&name, &action, json!({}));
        let event = fire(&server.admin, &name, "length");
        assert_eq!(given(&event), outcome, "{event:#}");
    }
}

/// All forms of the value that somebody could read.
fn forms(secret: &str) -> Vec<String> {
    let mut forms = Vec::new();
    for part in std::iter::once(secret.trim()).chain(secret.lines().filter(|line| line.len() > 8)) {
        let bytes = part.as_bytes();
        let json = Value::from(part).to_string();
        let json = json[1..json.len() - 1].to_owned();
        let (hex, upper) = (data_encoding::HEXLOWER.encode(bytes), data_encoding::HEXUPPER.encode(bytes));
        forms.extend([part.to_owned(), json, hex, upper]);
        if part.len() == secret.trim().len() {
            let percent = |byte: &u8| match byte {
                byte if byte.is_ascii_alphanumeric() => char::from(*byte).to_string(),
                byte => format!("%{byte:02X}"),
            };
            forms.push(bytes.iter().map(percent).collect());
            for before in 0..3_usize {
                let within = [&[0; 3][..before], bytes].concat();
                let encoded = data_encoding::BASE64_NOPAD.encode(&within);
                forms.push(encoded[(before * 8).div_ceil(6)..within.len() * 8 / 6].to_owned());
            }
        }
    }
    forms
}

#[track_caller]
fn assert_dry(what: &str, bytes: &[u8]) {
    for form in forms(CANARY) {
        let found = bytes.windows(form.len()).position(|window| window == form.as_bytes());
        let around =
            found.map(|at| String::from_utf8_lossy(&bytes[at.saturating_sub(80)..(at + 120).min(bytes.len())]));
        assert!(around.is_none(), "{what} has `{form}`: {}", around.unwrap_or_default());
    }
}

/// Runs that say the canary in every way they can, one for every way to end; their events.
fn leak(client: &Client) -> Vec<Value> {
    let module = client.request("POST", "/module").bytes(component("leaky")).send();
    let module = module.expect(201)["digest"].as_str().unwrap().to_owned();
    let echo = client.request("POST", "/module").bytes(ECHO).send().expect(201)["digest"].as_str().unwrap().to_owned();
    set(client, "canary", CANARY);
    // What a run returns as an event is what its child is given.
    let after = post(client, "/action", json!({ "name": "after", "module": echo }));
    post(client, "/event-type", json!({ "display_name": "after", "action": after }));
    let action = post(
        client,
        "/action",
        json!({
            "name": "leaky", "module": module, "parameters": [takes("canary")], "retry": { "attempts": 1 },
            "on_success": "after", "on_failure": "after",
        }),
    );
    post(client, "/event-type", json!({ "display_name": "leaky", "action": action }));
    ["outcome", "retry", "reject", "panic", "field", "text"].map(|end| fire(client, "leaky", end)).to_vec()
}

/// Everything that can be read over HTTP.
fn read_everything(client: &Client, events: &[Value]) -> Vec<(String, String)> {
    let mut routes: Vec<String> =
        ["/event", "/run", "/action", "/event-type", "/secret", "/audit", "/metrics", "/token"]
            .map(|route| if route == "/metrics" { route.to_owned() } else { format!("{route}?limit=200") })
            .to_vec();
    for event in client.pages("/event").iter().chain(events) {
        routes.push(format!("/event/{}", event["id"].as_str().unwrap()));
    }
    for run in client.pages("/run") {
        let id = run["id"].as_str().unwrap();
        routes.extend([format!("/run/{id}"), format!("/run/{id}/log")]);
    }
    routes.into_iter().map(|route| (route.clone(), client.get(&route).text)).collect()
}

#[test]
fn nothing_that_a_run_says_shows_its_secret() {
    let mut server = TestServer::start();
    let mut stream = server.admin.request("GET", "/stream").stream().lines();
    let events = leak(&server.admin);
    let ends = events.iter().map(|event| event["runs"][0]["reason"].clone()).collect::<Vec<_>>();
    assert_eq!(
        ends,
        [
            json!(null),
            json!("guest_error"),
            json!("guest_error"),
            json!("trap"),
            json!("guest_error"),
            json!("guest_error")
        ]
    );
    // It did say it: a mark stands in each of the places.
    let marked = |run: &Value, place: &str| assert!(run[place].to_string().contains("••••"), "{place}: {run:#}");
    let run = &events[0]["runs"][0];
    for place in ["output", "messages", "message", "event"] {
        marked(run, place);
    }
    assert_eq!(run["output"]["params"]["secret"], "••••");
    for event in &events[1..3] {
        marked(&event["runs"][0], "message");
    }
    let log = server.admin.get(&format!("/run/{}/log", run["id"].as_str().unwrap())).expect(200).clone();
    let lines: Vec<&Value> = log.as_array().unwrap().iter().collect();
    assert!(lines.len() >= 6, "{lines:#?}");
    for source in ["log", "stdout", "stderr"] {
        let of_source = lines.iter().filter(|line| line["source"] == source);
        assert!(of_source.clone().count() >= 2 || source == "stderr", "{source}: {lines:#?}");
        of_source.for_each(|line| marked(line, "message"));
    }
    assert!(lines[0]["fields"].to_string().contains("••••"), "{}", lines[0]);
    let child = server.event(run["child_event_id"].as_str().unwrap());
    let child = server.until(child["id"].as_str().unwrap(), is_ended);
    marked(&child, "payload");
    assert_eq!(child["runs"][0]["output"], child["payload"], "what a child is given is what is shown");

    for (route, text) in read_everything(&server.admin, &events) {
        assert_dry(&route, text.as_bytes());
    }
    assert_dry("the store as text", server.dump().as_bytes());
    let mut told = String::new();
    while !told.contains(child["id"].as_str().unwrap()) {
        told.push_str(&stream.next().unwrap().unwrap());
    }
    assert_dry("the stream", told.as_bytes());
    drop(stream);
    server.stop();
    assert_files_dry(server.data());
}

fn assert_files_dry(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            assert_files_dry(&path);
        } else {
            assert_dry(&path.display().to_string(), &std::fs::read(&path).unwrap());
        }
    }
}

#[test]
fn the_servers_own_log_and_a_backup_show_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let (data, log) = (folder.path().join("data"), folder.path().join("log"));
    let mut serving = Serving::start_talkative(&data, &log);
    let client = serving.client(serving.token.as_deref().unwrap());
    leak(&client);
    client.post("/secret-key/rotate", &json!({})).expect(200);
    client.put("/secret/canary", &json!({ "value": CANARY, "descriptoin": "" })).problem(422, "invalid_body");
    let (url, token) = (serving.url.clone(), serving.token.clone().unwrap());
    let ran = fusebox(folder.path(), &["backup", "backup", "--url", &url, "--token", &token], "");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_dry("the backup", &std::fs::read(folder.path().join("backup")).unwrap());
    assert_eq!(serving.terminate(), Some(0));
    let log = std::fs::read(&log).unwrap();
    let text = String::from_utf8_lossy(&log);
    assert!(text.contains("TRACE") && text.contains("a run ended"), "it did not say everything: {} bytes", log.len());
    assert_dry("the log", &log);
    assert_files_dry(&data);
}

/// A program that fails says so with its last line on standard error, which is as long as it likes: a message is cut, and a
/// cut through a secret would leave a half of it that nothing finds any more.
#[test]
fn a_message_that_is_cut_has_no_half_of_a_secret_in_it() {
    let server = TestServer::start();
    set(&server.admin, "bank", CANARY.trim_end());
    let complains = program(
        r#"(func (export "_start") (call $complain (i32.const 65536) (call $read)) (call $exit (i32.const 3)))"#,
    );
    let action = server.action("pay", &server.upload_bytes(complains), json!({ "parameters": [takes("bank")] }));
    server.event_type("pay", &action, json!({}));
    let message = |padding: usize| {
        let event = fire(&server.admin, "pay", &"x".repeat(padding));
        event["runs"][0]["message"].as_str().unwrap().to_owned()
    };
    let whole = message(1);
    let at = whole.find("••••").expect("the secret is hidden");
    assert!(!whole.ends_with('…'));
    for cut_after in [0, 1, 5, 8, 20, 40] {
        // So that the cut would go through the secret after so many characters of it.
        let cut = message(1 + 4_000 - at - cut_after);
        assert!(cut.ends_with('…') && !cut.contains("cAn"), "{}", &cut[3_900..]);
    }
}
