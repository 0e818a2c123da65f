//! What happens, as it happens: the stream of server-sent events.

use crate::support::{Client, TestServer, is_ended};
use serde_json::{Value, json};
use std::io::BufRead;

/// One message of the stream.
#[derive(Clone, Debug, PartialEq)]
struct Message {
    id: u64,
    kind: String,
    data: Value,
}

/// Messages as they come; ends only with the connection.
fn watch(client: &Client, query: &str, last: Option<&str>) -> impl Iterator<Item = Message> + use<> {
    let mut request = client.request("GET", &format!("/stream{query}"));
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    let mut lines = request.stream().lines();
    std::iter::from_fn(move || {
        let mut message = Message { id: 0, kind: String::new(), data: Value::Null };
        loop {
            let line = lines.next()?.unwrap();
            if let Some(id) = line.strip_prefix("id: ") {
                message.id = id.parse().unwrap();
            } else if let Some(kind) = line.strip_prefix("event: ") {
                message.kind = kind.to_owned();
            } else if let Some(data) = line.strip_prefix("data: ") {
                message.data = serde_json::from_str(data).unwrap();
            } else if line.is_empty() && !message.kind.is_empty() {
                return Some(message);
            }
        }
    })
}

/// Takes messages up to and with the first that says that the event has ended.
fn until_end(messages: &mut impl Iterator<Item = Message>, event: &str) -> Vec<Message> {
    let mut taken = Vec::new();
    for message in messages {
        let ends = message.kind == "event" && message.data["id"] == event && is_ended(&message.data);
        taken.push(message);
        if ends {
            return taken;
        }
    }
    panic!("the stream ended: {taken:#?}");
}

/// The states of a run in the order in which they were told, without repetitions.
fn states(messages: &[Message], run: &str) -> Vec<String> {
    let of_run = messages.iter().filter(|message| message.kind == "run" && message.data["id"] == run);
    let mut states: Vec<String> = of_run.map(|message| message.data["state"].as_str().unwrap().to_owned()).collect();
    states.dedup();
    states
}

fn run_of(server: &TestServer, event: &str) -> String {
    server.event(event)["runs"][0]["id"].as_str().unwrap().to_owned()
}

#[test]
fn every_state_of_a_run_is_told_while_it_lasts() {
    let server = TestServer::with(|config| (config.concurrency, config.concurrency_per_tenant) = (1, 1));
    server.install(
        "gallery",
        "failure_gallery",
        json!({ "retry": { "attempts": 1 }, "limits": { "timeout_ms": 700 } }),
    );
    let mut messages = watch(&server.admin, "", None);
    let first = server.fire("gallery", json!({ "way": "wait" }));
    // There is one permit, and the first has it: the second is seen to queue.
    let second = server.fire("gallery", json!({ "way": "wait", "n": 2 }));
    let told = until_end(&mut messages, &second);
    assert_eq!(states(&told, &run_of(&server, &second)), ["QUEUED", "RUNNING", "ERROR"]);
    assert_eq!(states(&told, &run_of(&server, &first)).last().unwrap(), "ERROR");
    assert!(told.windows(2).all(|pair| pair[0].id < pair[1].id), "ids rise");
    let last = told.last().unwrap();
    let mut event = server.event(&second);
    event.as_object_mut().unwrap().remove("runs");
    assert_eq!(last.data, event, "a message has the record as it is");
}

/// The lines of a log were told after the end of their run, so that `fusebox logs --follow` stopped before it had shown them.
#[test]
fn log_lines_are_told_before_the_end_of_their_run() {
    let server = TestServer::start();
    server.install("gallery", "failure_gallery", json!({}));
    let mut messages = watch(&server.admin, "", None);
    let event = server.fire("gallery", json!({ "way": "log_flood" }));
    let told = until_end(&mut messages, &event);
    let run = run_of(&server, &event);
    let lines: Vec<&Value> = told
        .iter()
        .filter(|m| m.kind == "log" && m.data["run"] == run.as_str())
        .flat_map(|m| m.data["lines"].as_array().unwrap())
        .collect();
    let kept = server.admin.get(&format!("/run/{run}/log"));
    assert_eq!(lines, kept.expect(200).as_array().unwrap().iter().collect::<Vec<_>>());
    let end = told.iter().position(|m| m.kind == "run" && m.data["id"] == run.as_str() && is_ended(&m.data)).unwrap();
    let last_log = told.iter().rposition(|m| m.kind == "log").unwrap();
    assert!(last_log < end, "the log came after the end");
}

#[test]
fn lines_of_a_run_that_goes_on_are_told_before_it_ends() {
    let server = TestServer::start();
    // Its first attempt logs and traps; what it said is told while the run waits for its second.
    server.install("gallery", "failure_gallery", json!({ "limits": { "log_bytes": 5_000 } }));
    let mut messages = watch(&server.admin, "", None);
    server.fire("gallery", json!({ "way": "log_flood" }));
    let log = messages.find(|message| message.kind == "log").unwrap();
    let numbers: Vec<&Value> = log.data["lines"].as_array().unwrap().iter().map(|line| &line["number"]).collect();
    assert_eq!(numbers, (0..numbers.len()).collect::<Vec<_>>());
    assert_eq!(log.data["attempt"], 1);
}

#[test]
fn a_stream_can_be_of_one_event_or_of_one_run() {
    let server = TestServer::with(|config| (config.concurrency, config.concurrency_per_tenant) = (1, 1));
    server.install(
        "gallery",
        "failure_gallery",
        json!({ "retry": { "attempts": 1 }, "limits": { "timeout_ms": 500 } }),
    );
    server.install("noop", "noop", json!({}));
    let first = server.fire("gallery", json!({ "way": "wait" }));
    let watched = server.fire("gallery", json!({ "way": "log_flood" }));
    let run = run_of(&server, &watched);
    let (mut of_event, mut of_run) =
        (watch(&server.admin, &format!("?event={watched}"), None), watch(&server.admin, &format!("?run={run}"), None));
    server.fire("noop", json!({}));
    let told = until_end(&mut of_event, &watched);
    assert!(told.iter().any(|m| m.kind == "run") && told.iter().any(|m| m.kind == "log"));
    for message in &told {
        let about = [&message.data["id"], &message.data["event_id"], &message.data["run"]];
        assert!(about.contains(&&json!(watched)) || about.contains(&&json!(run)), "{message:?}");
        assert!(!about.contains(&&json!(first)));
    }
    let mut kinds = std::collections::BTreeSet::new();
    for message in &mut of_run {
        assert!(message.data["id"] == run.as_str() || message.data["run"] == run.as_str(), "{message:?}");
        let ended = message.kind == "run" && is_ended(&message.data);
        kinds.insert(message.kind);
        if ended {
            break;
        }
    }
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), ["log", "run"]);
    server.admin.get("/stream?run=nonsense").problem(400, "bad_request");
    server.admin.get("/stream?evnt=x").problem(400, "bad_request");
}

#[test]
fn a_watcher_that_comes_back_misses_nothing_and_sees_nothing_twice() {
    let server = TestServer::start();
    server.install("gallery", "failure_gallery", json!({}));
    let fire = || server.fire_and_wait("gallery", json!({ "way": "log_flood" }))["id"].as_str().unwrap().to_owned();
    let place = |message: Message| (message.id, message.kind);
    let mut all = watch(&server.admin, "", None);
    let mut parts = Vec::new();
    let mut last: Option<String> = None;
    let mut events = Vec::new();
    for round in 0..4 {
        let mut part = watch(&server.admin, "", last.as_deref());
        events.push(fire());
        events.push(fire());
        // Leaves in the middle of what there is.
        let taken: Vec<Message> = part.by_ref().take(3 + round).collect();
        last = Some(taken.last().unwrap().id.to_string());
        parts.extend(taken.into_iter().map(place));
    }
    let end = events.last().unwrap();
    parts.extend(until_end(&mut watch(&server.admin, "", last.as_deref()), end).into_iter().map(place));
    // Messages carry records as they are by now, so an end may show earlier to whoever looks later: as many as there were.
    let all: Vec<(u64, String)> = all.by_ref().take(parts.len()).map(place).collect();
    assert_eq!(parts, all);
}

#[test]
fn a_place_that_is_gone_is_answered_with_a_reset() {
    let mut server = TestServer::start();
    server.install("noop", "noop", json!({}));
    let before = watch(&server.admin, "", None);
    server.fire("noop", json!({}));
    let last = { before }.next().unwrap().id.to_string();
    server.restart();
    server.fire_and_wait("noop", json!({}));
    for ancient in ["0", "1", &last, "18446744073709551615", "nonsense", "-1"] {
        let message = watch(&server.admin, "", Some(ancient)).next().unwrap();
        assert_eq!((message.kind.as_str(), &message.data), ("reset", &json!({})), "{ancient}");
        // From there on it goes on as usual.
        let mut again = watch(&server.admin, "", Some(&message.id.to_string()));
        let event = server.fire("noop", json!({}));
        until_end(&mut again, &event);
    }
}

#[test]
fn another_tenants_changes_are_not_told() {
    let server = TestServer::start();
    server.install("gallery", "failure_gallery", json!({}));
    let clients = ["a", "b"].map(|tenant| server.client_for(tenant, &["read", "execute"]));
    let mut streams = clients.each_ref().map(|client| watch(client, "", None));
    let mut everything = watch(&server.admin, "", None);
    let mut last = Vec::new();
    for _ in 0..3 {
        last = clients
            .iter()
            .map(|client| {
                let request = client.request("POST", "/trigger/gallery").header("prefer", "wait=30");
                request.json(&json!({ "way": "log_flood" })).send().expect(200)["id"].as_str().unwrap().to_owned()
            })
            .collect();
    }
    for ((stream, client), (tenant, event)) in streams.iter_mut().zip(&clients).zip(["a", "b"].iter().zip(&last)) {
        for message in until_end(stream, event) {
            match message.kind.as_str() {
                "log" => {
                    drop(client.get(&format!("/run/{}", message.data["run"].as_str().unwrap())).expect(200).clone())
                }
                _ => assert_eq!(message.data["owner_id"], **tenant),
            }
        }
    }
    let told = until_end(&mut everything, &last[1]);
    for tenant in ["a", "b"] {
        assert!(told.iter().any(|message| message.data["owner_id"] == tenant), "the platform sees all");
    }
    // Naming another tenant's event or run shows nothing of it either.
    let foreign = &last[1];
    let mut watching = watch(&clients[0], &format!("?event={foreign}"), Some("0"));
    assert_eq!(watching.next().unwrap().kind, "reset");
    let rest = watch(&clients[0], "", Some("0")).nth(1);
    assert!(rest.is_none_or(|message| message.data["owner_id"] != "b"));
}

#[test]
fn streams_past_the_bound_are_told_to_come_back() {
    let server = TestServer::with(|config| config.bounds.streams = 2);
    let held = [(); 2].map(|()| watch(&server.admin, "", None));
    let refused = server.admin.get("/stream");
    refused.problem(429, "too_many_requests");
    assert_eq!(refused.header("retry-after"), "1");
    drop(held);
}

#[test]
fn the_end_of_the_server_ends_the_stream() {
    let mut server = TestServer::start();
    let mut messages = watch(&server.admin, "", None);
    server.stop();
    assert_eq!(messages.next(), None);
}
