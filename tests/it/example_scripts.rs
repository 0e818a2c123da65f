//! The examples that are scripts: uploaded as text, they do what they say.

use crate::support::{Peer, TestServer, is_ended};
use serde_json::{Value, json};
use std::path::Path;

fn text(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(path)).unwrap()
}

fn sample(path: &str) -> Value {
    serde_json::from_str(&text(path)).unwrap()
}

/// An action of a script, and an event type of its name.
fn install(server: &TestServer, name: &str, language: &str, code: &str, more: Value) {
    let mut body = json!({ "name": name, "language": language, "code": code });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let id = server.admin.patient().post("/action", &body).expect(201)["id"].as_str().unwrap().to_owned();
    server.event_type(name, &id, json!({}));
}

/// The channel is a stub on this machine; its answer, and what it is told.
fn chat(answer: &str) -> (TestServer, Peer) {
    let peer = Peer::answering(answer.to_owned());
    let here = "private http://127.0.0.1:*".parse().unwrap();
    let server = TestServer::with_manual_clock_and(|config| config.hosts_of_wasm = vec![here]);
    server.admin.put("/secret/CHAT_TOKEN", &json!({ "value": "hunter2-hunter2" })).expect(201);
    let settings = json!({
        "when": { "at": "/starts_at", "offset": "-5m" },
        "allowed_hosts": ["http://127.0.0.1:*"],
        "retry": { "attempts": 2, "base_ms": 0 },
        "parameters": [
            { "name": "chat_url", "type": "STATIC", "value": peer.url("/hooks/1") },
            { "name": "chat_token", "type": "SECRET", "value": "CHAT_TOKEN" },
        ],
    });
    install(&server, "booking-chat", "javascript", &text("booking-chat/action.js"), settings);
    (server, peer)
}

const ANSWERED: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";

#[test]
fn the_channel_hears_of_a_booking_five_minutes_before_it_begins() {
    let (server, peer) = chat(ANSWERED);
    let event = server.fire("booking-chat", sample("booking-chat/sample.json"));
    assert_eq!(server.event(&event)["state"], "WAITING");
    server.pass_to("2025-12-31T23:59:59Z");
    assert_eq!((&server.event(&event)["state"], peer.requests().len()), (&json!("WAITING"), 0));
    server.pass_to("2026-01-01T00:00:00Z");
    let ended = server.until(&event, is_ended);
    let text = "*Stand-up &lt;harbour team&gt;* begins in 5 min (00:05) in Quay 4, meeting room";
    assert_eq!(ended["runs"][0]["output"], json!({ "text": text, "status": 200 }), "{ended:#}");
    let requests = peer.requests();
    assert_eq!(requests.len(), 1);
    let (head, body) = requests[0].split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /hooks/1 "), "{head}");
    assert!(head.contains("authorization: Bearer hunter2-hunter2"), "{head}");
    assert_eq!(serde_json::from_str::<Value>(body).unwrap(), json!({ "text": text }));
    assert!(!ended.to_string().contains("hunter2"), "the secret is in no record");
}

#[test]
fn a_channel_that_is_down_is_asked_again_and_one_that_refuses_is_not() {
    for (status, attempts, words) in
        [("503 Service Unavailable", 2, "answered 503"), ("404 Not Found", 1, "answered 404: ")]
    {
        let (server, peer) = chat(&format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"));
        let event = server.fire("booking-chat", sample("booking-chat/sample.json"));
        server.pass_to("2026-01-01T00:00:00Z");
        server.pass_ms(1_000);
        let ended = server.until(&event, is_ended);
        let run = &ended["runs"][0];
        assert_eq!((run["attempts"].as_array().unwrap().len(), peer.requests().len()), (attempts, attempts), "{run:#}");
        assert!(run["message"].as_str().unwrap().contains(words), "{run:#}");
    }
}

#[test]
fn a_payment_is_counted_once_and_told_in_one_shape() {
    let server = TestServer::start();
    let code = text("stripe-payments/action.ts");
    server.admin.post("/event-type", &json!({ "display_name": "payment_counted" })).expect(201);
    install(&server, "stripe-payments", "typescript", &code, json!({}));
    let paid = sample("stripe-payments/sample.json");
    let first = server.fire_and_wait("stripe-payments", paid.clone());
    let output = &first["runs"][0]["output"];
    assert_eq!(output["order"], "A-1042", "{first:#}");
    assert_eq!(
        (&output["kind"], &output["amount"], &output["currency"]),
        (&json!("received"), &json!(4999), &json!("EUR"))
    );
    let passed_on = first["runs"][0]["emitted"][0].as_str().unwrap();
    let counted = server.event(passed_on);
    assert_eq!((&counted["event_type"], &counted["payload"]), (&json!("payment_counted"), output));
    let again = server.fire_and_wait("stripe-payments", paid.clone());
    let run = &again["runs"][0];
    assert_eq!((&run["state"], &run["output"]), (&json!("WARNING"), &json!({ "repeated": paid["id"] })), "{run:#}");
    assert_eq!(again["runs"][0]["emitted"], json!([]), "and not passed on twice");
    let refund = server.fire_and_wait("stripe-payments", sample("stripe-payments/samples/refund.json"));
    assert_eq!(refund["runs"][0]["output"]["amount"], 1500);
}
