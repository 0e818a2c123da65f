//! The program as a process that is killed: nothing acknowledged is lost, nothing happens twice, nothing stays open.

use crate::support::{Client, PATIENCE, Serving, component, is_ended};
use fusebox::domain::{Cause, Event, EventId, Run, ScheduleId, State, TenantId, Timestamp};
use fusebox::store::{Config, Query, Store};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A data folder, and the token of its first start.
pub(crate) struct Data {
    _folder: TempDir,
    pub(crate) path: PathBuf,
    pub(crate) token: String,
}

/// A server that was started for the first time, with a component installed under the name `t`.
pub(crate) fn first_start(module: &str, action: Value, arguments: &[&str]) -> (Data, Serving) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    let serving = Serving::start(&path, arguments);
    let token = serving.token.clone().unwrap();
    let client = serving.client(&token);
    let digest = client.request("POST", "/module").bytes(component(module)).send().expect(201)["digest"].clone();
    let mut body = json!({ "name": "t", "module": digest });
    body.as_object_mut().unwrap().extend(action.as_object().unwrap().clone());
    let action = client.post("/action", &body).expect(201)["id"].clone();
    client.post("/event-type", &json!({ "display_name": "t", "action": action })).expect(201);
    (Data { _folder: folder, path, token }, serving)
}

pub(crate) fn open(data: &Path) -> Store {
    Store::open(Config { path: data.join("fusebox.redb"), cache_bytes: 8 << 20, first_notice: 1 }).unwrap()
}

pub(crate) fn everything(store: &Store) -> (Vec<Event>, Vec<Run>) {
    let query =
        Query { tenant: None, state: None, after: None, oldest_first: true, between: (None, None), limit: usize::MAX };
    let (events, runs) = (store.list_events(&query, None, |_| true), store.list_runs(&query, None, |_| true));
    let (events, runs) = (events.unwrap(), runs.unwrap());
    assert_eq!((events.next, runs.next), (None, None), "more than one page");
    (events.items, runs.items)
}

/// Asks again and again: the process is another one, so that nothing else tells when it is done.
pub(crate) fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "it never came to this");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Fires from several threads until the server is gone; what was answered with 202 goes to `acknowledged`.
pub(crate) fn fire_until_gone(
    client: &Client,
    (numbers, payload): (&AtomicU64, fn(u64) -> String),
    acknowledged: &mpsc::Sender<u64>,
    gone: &AtomicBool,
) {
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while !gone.load(Ordering::SeqCst) {
                    let number = numbers.fetch_add(1, Ordering::SeqCst);
                    match client.request("POST", "/trigger/t").bytes(payload(number)).try_send() {
                        Some(202) => acknowledged.send(number).unwrap(),
                        Some(status) => panic!("answered {status}"),
                        None => gone.store(true, Ordering::SeqCst),
                    }
                }
            });
        }
    });
}

#[test]
fn what_was_acknowledged_outlives_a_kill_and_happens_once() {
    let (data, first) = first_start("noop", json!({}), &[]);
    let numbers = AtomicU64::new(0);
    let mut acknowledged = Vec::new();
    let mut serving = Some(first);
    for round in 1..=3 {
        let server = serving.take().unwrap_or_else(|| Serving::start(&data.path, &[]));
        let (client, gone) = (server.client(&data.token), AtomicBool::new(false));
        let (sender, receiver) = mpsc::channel();
        std::thread::scope(|scope| {
            let (numbers, gone, client) = (&numbers, &gone, &client);
            scope.spawn(move || fire_until_gone(client, (numbers, |number| number.to_string()), &sender, gone));
            // In the middle of it: all threads fire, and some are answered later than the kill.
            acknowledged.extend(receiver.iter().take(150 * round));
            server.kill();
            acknowledged.extend(receiver.iter());
        });
    }
    let mut last = Serving::start(&data.path, &[]);
    let client = last.client(&data.token);
    let none_in = |state: &str| client.get(&format!("/event?state={state}&limit=1")).body["count"] == 0;
    until(|| ["QUEUED", "RUNNING", "WAITING"].iter().all(|state| none_in(state)).then_some(()));
    assert_eq!(last.terminate(), Some(0));

    let store = open(&data.path);
    let (events, runs) = everything(&store);
    let mut of_number: HashMap<u64, u32> = HashMap::new();
    for event in &events {
        *of_number.entry(event.payload.to().unwrap()).or_default() += 1;
        assert_eq!(event.state, State::Success, "{event:?}");
        assert_eq!(event.runs.len(), 1, "{event:?}");
    }
    assert!(acknowledged.len() >= 900, "{}", acknowledged.len());
    for number in &acknowledged {
        assert_eq!(of_number.get(number), Some(&1), "event {number}");
    }
    assert!(of_number.values().all(|count| *count == 1), "an event is there twice");
    assert_eq!(runs.len(), events.len());
    let by_event: HashMap<EventId, &Run> = runs.iter().map(|run| (run.event_id, run)).collect();
    for event in &events {
        let run = by_event[&event.id];
        assert_eq!((run.id, run.state), (event.runs[0], State::Success));
        let ended = run.attempts.iter().filter(|attempt| attempt.state == State::Success).count();
        assert_eq!(ended, 1, "{run:?}");
        assert_eq!(run.attempts.len() as u32, 1 + run.interruptions, "{run:?}");
    }
    assert_eq!(store.check().unwrap(), [""; 0]);
    store.close();
}

/// A duplicate was on the disk before the run it pointed at could have been: killed in between, the work was lost.
#[test]
fn what_was_answered_as_a_duplicate_has_its_run_and_no_key_stays_taken() {
    let (data, first) = first_start("noop", json!({}), &[]);
    let mut serving = Some(first);
    for round in 1..=3 {
        let server = serving.take().unwrap_or_else(|| Serving::start(&data.path, &[]));
        let (client, gone) = (server.client(&data.token), AtomicBool::new(false));
        let (numbers, answered) = (AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    while !gone.load(Ordering::SeqCst) {
                        // Three keys for all: most are duplicates.
                        let number = numbers.fetch_add(1, Ordering::SeqCst);
                        let request = client.request("POST", &format!("/trigger/t?dedup_key={}", number % 3));
                        match request.bytes(number.to_string()).try_send() {
                            Some(status) => assert_eq!(status, 202),
                            None => gone.store(true, Ordering::SeqCst),
                        }
                        answered.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
            until(|| (answered.load(Ordering::SeqCst) >= 100 * round).then_some(()));
            server.kill();
        });
    }
    let mut last = Serving::start(&data.path, &[]);
    let client = last.client(&data.token);
    let none_in = |state: &str| client.get(&format!("/event?state={state}&limit=1")).body["count"] == 0;
    until(|| ["QUEUED", "RUNNING", "WAITING"].iter().all(|state| none_in(state)).then_some(()));
    for key in 0..3 {
        let request = client.request("POST", &format!("/trigger/t?dedup_key={key}")).header("prefer", "wait=60");
        assert_eq!(request.send().expect(200)["state"], "SUCCESS", "the key {key} is free");
    }
    assert_eq!(last.terminate(), Some(0));
    let store = open(&data.path);
    let (_, runs) = everything(&store);
    let by_id: HashMap<_, &Run> = runs.iter().map(|run| (run.id, run)).collect();
    let mut duplicates = 0;
    for run in runs.iter().filter(|run| run.state != State::Success) {
        let of = run.duplicate_of.unwrap_or_else(|| panic!("{run:?}"));
        assert_eq!(by_id[&of].state, State::Success, "what it points at ran");
        duplicates += 1;
    }
    assert!(duplicates > 0, "nothing was a duplicate: {} runs", runs.len());
    assert_eq!(store.check().unwrap(), [""; 0]);
    store.close();
}

#[test]
fn a_request_that_is_sent_again_after_a_kill_makes_nothing_new() {
    let (data, first) = first_start("noop", json!({}), &[]);
    let client = first.client(&data.token);
    let send = |client: &Client, number: u64| {
        let request = client.request("POST", "/trigger/t").header("idempotency-key", number);
        request.bytes(number.to_string())
    };
    let (numbers, gone, answered) = (AtomicU64::new(0), AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !gone.load(Ordering::SeqCst) {
                    // Two threads send each.
                    let number = numbers.fetch_add(1, Ordering::SeqCst) / 2;
                    match send(&client, number).try_send() {
                        Some(status) => assert_eq!(status, 202),
                        None => gone.store(true, Ordering::SeqCst),
                    }
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        until(|| (answered.load(Ordering::SeqCst) >= 200).then_some(()));
        first.kill();
    });
    let mut last = Serving::start(&data.path, &[]);
    let client = last.client(&data.token);
    let sent = numbers.load(Ordering::SeqCst) / 2;
    let replayed = |number| send(&client, number).send().headers.contains_key("idempotency-replayed");
    let again = (0..sent).filter(|number| replayed(*number)).count();
    assert!(again >= 90, "only {again} of {sent} were remembered");
    assert!((0..sent).all(replayed), "by now all of them are");
    let none_in = |state: &str| client.get(&format!("/event?state={state}&limit=1")).body["count"] == 0;
    until(|| ["QUEUED", "RUNNING", "WAITING"].iter().all(|state| none_in(state)).then_some(()));
    assert_eq!(last.terminate(), Some(0));
    let store = open(&data.path);
    let (events, _) = everything(&store);
    let made: std::collections::HashSet<&str> = events.iter().map(|event| event.payload.as_str()).collect();
    assert_eq!(made.len(), events.len(), "a number made two events");
    assert_eq!(store.check().unwrap(), [""; 0]);
    store.close();
}

#[test]
fn a_run_that_waited_when_the_server_was_killed_still_has_its_key() {
    let (data, serving) = first_start("failure_gallery", json!({ "retry": { "attempts": 2 } }), &[]);
    let body = json!({ "event_type": "t", "payload": { "way": "retry_after" } });
    let client = serving.client(&data.token);
    let fired = client.post("/event", &body);
    let path = format!("/event/{}", fired.expect(202)["id"].as_str().unwrap());
    let run = until(|| Some(client.get(&path).expect(200)["runs"][0].clone()).filter(|run| run["state"] == "WAITING"));
    serving.kill();
    let again = Serving::start(&data.path, &[]);
    let client = again.client(&data.token);
    let second = client.request("POST", "/event").header("prefer", "wait=60").json(&body).send();
    // Unless the machine was so slow that the first is over.
    if !is_ended(client.get(&path).expect(200)) {
        assert_eq!(second.expect(200)["runs"][0]["duplicate_of"], run["id"], "{}", second.text);
    }
    until(|| is_ended(client.get(&path).expect(200)).then_some(()));
    assert_eq!(client.post("/event", &body).expect(202)["reason"], Value::Null);
}

#[test]
fn a_schedule_fires_for_no_time_twice_however_often_the_server_is_killed() {
    let (data, first) = first_start("noop", json!({}), &[]);
    let schedules = 20;
    for number in 0..schedules {
        let body = json!({ "name": format!("s{number}"), "event_type": "t", "cron": "* * * * * *", "payload": number });
        first.client(&data.token).post("/schedule", &body).expect(201);
    }
    let mut serving = Some(first);
    for round in 1..=4 {
        let server = serving.take().unwrap_or_else(|| Serving::start(&data.path, &[]));
        let client = server.client(&data.token);
        let fired = || client.get("/event?limit=1").body["data"][0]["scheduled_at"].clone();
        // Right after something fired, so that the kill is in the middle of firing the others.
        let before = fired();
        until(|| (fired() != before).then_some(()));
        std::thread::sleep(Duration::from_millis(round));
        server.kill();
    }
    let store = open(&data.path);
    let (events, _) = everything(&store);
    let mut newest: HashMap<ScheduleId, (Timestamp, EventId)> = HashMap::new();
    for event in &events {
        let Some(Cause::Schedule { id, due_at }) = event.cause else { panic!("{event:?}") };
        let before = newest.insert(id, (due_at, event.id));
        assert!(before.is_none_or(|(before, _)| before < due_at), "{event:?} was fired for already");
    }
    // What a schedule says is what is there: no firing is lost, and none is there that it does not know.
    assert!(!newest.is_empty());
    for schedule in store.catalogue().schedules().iter() {
        let (due_at, event) = newest.get(&schedule.header.id).copied().unzip();
        assert_eq!(schedule.last.map(|last| last.event_id), event, "{schedule:?}");
        assert!(schedule.next_at.is_some() && schedule.next_at > due_at, "{schedule:?}");
    }
    assert_eq!(store.check().unwrap(), [""; 0]);
    store.close();
}

/// Lets a failure of what [`first_start`] installed fire `rescue`, which does its work.
fn rescue(client: &Client) {
    let noop = client.request("POST", "/module").bytes(component("noop")).send().expect(201)["digest"].clone();
    let rescue = client.post("/action", &json!({ "name": "rescue", "module": noop })).expect(201)["id"].clone();
    client.post("/event-type", &json!({ "display_name": "rescue", "action": rescue })).expect(201);
    let action = client.get("/action?q=t&sort=created_at").expect(200)[0].clone();
    assert_eq!(action["name"], "t");
    let body = json!({ "name": "t", "module": action["module"], "retry": { "attempts": 1 }, "on_failure": "rescue" });
    client.put(&format!("/action/{}", action["id"].as_str().unwrap()), &body).expect(200);
}

#[test]
fn the_third_kill_during_a_run_is_its_end() {
    let (data, first) = first_start("failure_gallery", json!({ "retry": { "attempts": 1 } }), &[]);
    let client = first.client(&data.token);
    rescue(&client);
    let fired = client.post("/event", &json!({ "event_type": "t", "payload": { "way": "wait" } }));
    let path = format!("/event/{}", fired.expect(202)["id"].as_str().unwrap());
    let mut serving = Some(first);
    for interruptions in 0..3 {
        let server = serving.take().unwrap_or_else(|| Serving::start(&data.path, &[]));
        let client = server.client(&data.token);
        let run = until(|| {
            let run = client.get(&path).expect(200)["runs"][0].clone();
            (run["state"] == "RUNNING").then_some(run)
        });
        assert_eq!(run["interruptions"], interruptions);
        assert_eq!(run["attempts"].as_array().unwrap().len(), interruptions + 1);
        server.kill();
    }
    let last = Serving::start(&data.path, &[]);
    let event = last.client(&data.token).get(&path).expect(200).clone();
    assert_eq!((&event["state"], &event["reason"]), (&json!("ERROR"), &json!("interrupted")));
    let run = &event["runs"][0];
    assert_eq!((&run["state"], &run["reason"], &run["code"]), (&json!("ERROR"), &json!("interrupted"), &json!(1)));
    assert!(run["message"].as_str().unwrap().contains("3 times"), "{run:#}");
    for attempt in run["attempts"].as_array().unwrap() {
        assert_eq!((&attempt["state"], &attempt["reason"]), (&json!("ERROR"), &json!("interrupted")));
    }
    // That is a failure like any other: what follows it began with its end.
    let child = run["child_event_id"].as_str().unwrap();
    let child =
        until(|| Some(last.client(&data.token).get(&format!("/event/{child}")).expect(200).clone()).filter(is_ended));
    assert_eq!((&child["event_type"], &child["state"]), (&json!("rescue"), &json!("SUCCESS")));
}

#[test]
fn a_server_that_is_asked_to_end_finishes_what_runs() {
    let settings = json!({ "retry": { "attempts": 1 }, "limits": { "timeout_ms": 700 } });
    let (data, mut serving) = first_start("failure_gallery", settings, &["--grace", "20"]);
    let client = serving.client(&data.token);
    let waiting = client.request("POST", "/event").header("prefer", "wait=30");
    let waiting = waiting.json(&json!({ "event_type": "t", "payload": { "way": "wait" } }));
    let answered = std::thread::spawn(move || waiting.send());
    until(|| (client.get("/run?state=RUNNING").body["count"] == 1).then_some(()));
    assert_eq!(serving.terminate(), Some(0));
    let answer = answered.join().unwrap();
    assert_eq!(answer.expect(200)["reason"], "timeout", "who waited is answered");
    let (events, _) = everything(&open(&data.path));
    assert_eq!(events[0].state, State::Error);
}

#[test]
fn what_does_not_finish_within_the_grace_is_run_again() {
    let (data, mut serving) = first_start("failure_gallery", json!({ "retry": { "attempts": 1 } }), &["--grace", "0"]);
    let client = serving.client(&data.token);
    client.post("/event", &json!({ "event_type": "t", "payload": { "way": "wait" } })).expect(202);
    until(|| (client.get("/run?state=RUNNING").body["count"] == 1).then_some(()));
    let asked = Instant::now();
    assert_eq!(serving.terminate(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    let store = open(&data.path);
    let (_, runs) = everything(&store);
    assert_eq!((runs[0].state, runs[0].interruptions), (State::Queued, 0), "a stop that was asked for does not count");
    assert_eq!(runs[0].attempts[0].message, "the server was shut down during this attempt");
    store.close();
    drop(store);
    let again = Serving::start(&data.path, &[]);
    let client = again.client(&data.token);
    until(|| (client.get("/run?state=RUNNING").body["count"] == 1).then_some(()));
}

#[test]
fn a_second_server_over_the_same_data_says_who_is_in_the_way() {
    let (data, serving) = first_start("noop", json!({}), &[]);
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--data", data.path.to_str().unwrap()];
    let second = crate::support::fusebox(data.path.parent().unwrap(), &arguments, "");
    assert_eq!((second.code, second.out.as_str()), (1, ""), "{second:?}");
    assert!(second.err.contains("another process has") && second.err.contains("fusebox.redb"), "{second:?}");
    serving.client(&data.token).get("/readyz").expect(200);
}

#[test]
fn a_server_whose_port_is_taken_says_which() {
    let (_data, serving) = first_start("noop", json!({}), &[]);
    let folder = tempfile::tempdir().unwrap();
    let address = serving.url.trim_start_matches("http://");
    let second = crate::support::fusebox(folder.path(), &["serve", "--listen", address, "--data", "d"], "");
    assert_eq!(second.code, 1);
    assert!(second.err.contains(&format!("cannot listen on {address}")), "{second:?}");
}

#[test]
fn a_retry_that_waited_when_the_server_was_killed_goes_on() {
    let (data, serving) = first_start("failure_gallery", json!({ "retry": { "attempts": 2 } }), &[]);
    let client = serving.client(&data.token);
    let fired = client.post("/event", &json!({ "event_type": "t", "payload": { "way": "retry_after" } }));
    let path = format!("/event/{}", fired.expect(202)["id"].as_str().unwrap());
    until(|| (client.get(&path).expect(200)["runs"][0]["state"] == "WAITING").then_some(()));
    serving.kill();
    let again = Serving::start(&data.path, &[]);
    let client = again.client(&data.token);
    let event = until(|| Some(client.get(&path).expect(200).clone()).filter(is_ended));
    assert_eq!(event["runs"][0]["attempts"].as_array().unwrap().len(), 2);
    assert_eq!((&event["state"], &event["runs"][0]["interruptions"]), (&json!("ERROR"), &json!(0)));
    assert_eq!(event["owner_id"], TenantId::shared().as_str());
}

#[test]
fn what_was_cancelled_or_held_when_the_server_was_killed_is_so_afterwards() {
    let (data, serving) = first_start("failure_gallery", json!({ "retry": { "attempts": 1 } }), &[]);
    let client = serving.client(&data.token);
    let fire = |body: Value| {
        let fired = client.post("/event", &body);
        format!("/event/{}", fired.expect(202)["id"].as_str().unwrap())
    };
    let running = fire(json!({ "event_type": "t", "payload": { "way": "wait" } }));
    until(|| (client.get(&running).expect(200)["runs"][0]["state"] == "RUNNING").then_some(()));
    client.post(&format!("{running}/cancel"), &json!({})).expect(200);
    client.post("/event-type/t/pause", &json!({})).expect(200);
    let held = fire(json!({ "event_type": "t", "payload": { "way": "ok" } }));
    let put_off = fire(json!({ "event_type": "t", "payload": { "way": "warning" }, "delay": "1ms" }));
    serving.kill();

    let again = Serving::start(&data.path, &[]);
    let client = again.client(&data.token);
    until(|| client.get("/metrics").text.contains("fusebox_events_held 2").then_some(()));
    let cancelled = client.get(&running).expect(200).clone();
    assert_eq!((&cancelled["state"], &cancelled["runs"][0]["interruptions"]), (&json!("CANCELLED"), &json!(0)));
    for path in [&held, &put_off] {
        assert_eq!(client.get(path).expect(200)["runs"][0]["attempts"], json!([]));
    }
    client.post("/event-type/t/resume", &json!({})).expect(200);
    for (path, state) in [(&held, "SUCCESS"), (&put_off, "WARNING"), (&running, "CANCELLED")] {
        assert_eq!(until(|| Some(client.get(path).expect(200).clone()).filter(is_ended))["state"], state);
    }
}
