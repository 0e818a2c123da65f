//! A disk that breaks under a running server: writes are refused, reads go on, and nothing acknowledged is lost.

use crate::crash::{everything, first_start, open, until};
use crate::support::{Serving, is_ended};
use fusebox::domain::State;
use serde_json::json;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

#[test]
fn a_server_whose_disk_breaks_refuses_writes_reads_on_and_loses_nothing() {
    let (data, first) = first_start("noop", json!({}), &[]);
    first.kill();
    let serving = Serving::start_on_a_disk_that_may_break(&data.path);
    let client = serving.client(&data.token);
    client.get("/readyz").expect(200);
    let numbers = AtomicU64::new(0);
    let (sender, receiver) = mpsc::channel();
    let mut acknowledged: Vec<(u64, String)> = Vec::new();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            let (client, numbers, sender) = (&client, &numbers, sender.clone());
            scope.spawn(move || {
                loop {
                    let number = numbers.fetch_add(1, Ordering::SeqCst);
                    let answer = client.request("POST", "/trigger/t").bytes(number.to_string()).send();
                    if answer.status == 202 {
                        sender.send((number, answer.body["data"]["id"].as_str().unwrap().to_owned())).unwrap();
                        continue;
                    }
                    answer.problem(503, "unavailable");
                    assert_eq!(answer.header("retry-after"), "5");
                    return;
                }
            });
        }
        drop(sender);
        acknowledged.extend(receiver.iter().take(200));
        serving.break_disk();
        acknowledged.extend(receiver.iter());
    });

    // It says so, and what is there can be read.
    client.get("/readyz").problem(503, "unavailable");
    client.get("/healthz").expect(200);
    for (number, id) in acknowledged.iter().take(20) {
        assert_eq!(client.get(&format!("/event/{id}")).expect(200)["payload"], *number);
    }
    assert_eq!(client.get("/event?limit=200").expect(200).as_array().unwrap().len(), 200);
    client.get("/action").expect(200);
    client.get("/metrics");
    for (path, body) in [
        ("/event-type", json!({ "display_name": "new" })),
        ("/event", json!({ "event_type": "t" })),
        ("/object/room/1", json!({})),
    ] {
        let method = if path.starts_with("/object") { "PUT" } else { "POST" };
        client.request(method, path).json(&body).send().problem(503, "unavailable");
    }
    client.get("/event-type/new").problem(404, "not_found");
    client.get("/object/room/1").problem(404, "not_found");
    serving.kill();

    // On a disk that is well again it goes on where it was.
    let mut again = Serving::start(&data.path, &[]);
    let client = again.client(&data.token);
    client.get("/readyz").expect(200);
    for (number, id) in &acknowledged {
        let event = until(|| Some(client.get(&format!("/event/{id}")).expect(200).clone()).filter(is_ended));
        assert_eq!((&event["payload"], &event["state"]), (&json!(number), &json!("SUCCESS")));
    }
    client.post("/event-type", &json!({ "display_name": "new" })).expect(201);
    let none_in = |state: &str| client.get(&format!("/event?state={state}&limit=1")).body["count"] == 0;
    until(|| ["QUEUED", "RUNNING", "WAITING"].iter().all(|state| none_in(state)).then_some(()));
    assert_eq!(again.terminate(), Some(0));
    let store = open(&data.path);
    let (events, runs) = everything(&store);
    let mut of_number: HashMap<u64, u32> = HashMap::new();
    for event in &events {
        *of_number.entry(event.payload.to().unwrap()).or_default() += 1;
    }
    assert!(of_number.values().all(|count| *count == 1), "an event is there twice");
    assert!(runs.iter().all(|run| run.state == State::Success));
    assert_eq!(store.check().unwrap(), [""; 0]);
    store.close();
}
