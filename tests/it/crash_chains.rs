//! Chains in a process that is killed: no step is lost, none is done twice.

use crate::crash::{everything, fire_until_gone, first_start, open, until};
use crate::support::{Client, Serving, component, is_ended};
use fusebox::domain::{Run, RunId, State};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::mpsc;

/// Actions that each fire the next, behind what [`first_start`] installed: `slow` computes until its fuel is used up, and
/// `needs` is refused when it is planned.
fn install_chain(client: &Client) {
    let noop = client.get("/module").expect(200)[0]["digest"].clone();
    let slow =
        client.request("POST", "/module").bytes(component("failure_gallery")).send().expect(201)["digest"].clone();
    let names = ["t", "c1", "slow", "c3", "needs", "end"];
    for name in &names[1..] {
        client.post("/event-type", &json!({ "display_name": name })).expect(201);
    }
    for (place, name) in names.iter().enumerate() {
        let next = names.get(place + 1);
        let more = match *name {
            "slow" => json!({ "module": slow, "limits": { "fuel": 20_000_000 }, "on_failure": next }),
            "needs" => {
                let missing = json!({ "name": "x", "type": "DATA", "value": "/no/such" });
                json!({ "module": noop, "parameters": [missing], "on_failure": next })
            }
            _ => json!({ "module": noop, "on_success": next }),
        };
        let mut action = json!({ "name": format!("chained {name}") });
        action.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let action = client.post("/action", &action).expect(201)["id"].clone();
        client.put(&format!("/event-type/{name}"), &json!({ "display_name": name, "action": action })).expect(200);
    }
}

#[test]
fn no_step_of_a_chain_is_lost_or_done_twice_when_the_server_is_killed_in_its_middle() {
    let (data, first) = first_start("noop", json!({}), &[]);
    install_chain(&first.client(&data.token));
    let numbers = AtomicU64::new(0);
    let (mut acknowledged, mut cut_short) = (Vec::new(), 0);
    let mut serving = Some(first);
    for round in 1..=4 {
        let server = serving.take().unwrap_or_else(|| Serving::start(&data.path, &[]));
        let (client, gone) = (server.client(&data.token), AtomicBool::new(false));
        let (sender, receiver) = mpsc::channel();
        std::thread::scope(|scope| {
            let (numbers, gone, client) = (&numbers, &gone, &client);
            let payload: fn(u64) -> String = |number| json!({ "way": "loop", "number": number }).to_string();
            scope.spawn(move || fire_until_gone(client, (numbers, payload), &sender, gone));
            acknowledged.extend(receiver.iter().take(25 * round));
            server.kill();
            acknowledged.extend(receiver.iter());
        });
        let store = open(&data.path);
        let of = |name: &str| everything(&store).0.iter().filter(|event| event.event_type == name).count();
        cut_short += of("t") - of("end");
        store.close();
    }
    let mut last = Serving::start(&data.path, &[]);
    let client = last.client(&data.token);
    let of = |name: &str| client.pages(&format!("/event?event_type={name}&limit=200"));
    until(|| (of("end").iter().filter(|event| is_ended(event)).count() >= of("t").len()).then_some(()));
    assert_eq!(last.terminate(), Some(0));

    let store = open(&data.path);
    assert_eq!(store.check().unwrap(), [""; 0]);
    let (events, runs) = everything(&store);
    let runs: HashMap<RunId, &Run> = runs.iter().map(|run| (run.id, run)).collect();
    let mut steps: HashMap<(u64, u32), u32> = HashMap::new();
    for event in &events {
        let number = event.payload.to::<Value>().unwrap()["number"].as_u64().unwrap();
        *steps.entry((number, event.depth)).or_default() += 1;
        let run = runs[&event.runs[0]];
        let fails = ["slow", "needs"].contains(&event.event_type.as_str());
        let expected = if fails { State::Error } else { State::Success };
        assert_eq!((event.state, run.state, event.runs.len()), (expected, expected, 1), "{event:?}");
        assert_eq!(run.child_event_id.is_some(), event.event_type != "end", "{run:?}");
        if let Some(lineage) = &event.lineage {
            let parent = runs[&lineage.parent_run_id];
            assert_eq!((parent.child_event_id, Some(parent.event_id)), (Some(event.id), event.parent_id));
        }
    }
    assert!(cut_short > 0, "every chain had ended whenever the server was killed");
    assert!(acknowledged.len() >= 250, "{}", acknowledged.len());
    let there: HashSet<u64> = steps.keys().map(|(number, _)| *number).collect();
    assert!(acknowledged.iter().all(|number| there.contains(number)), "what was acknowledged is gone");
    for number in there {
        for depth in 0..6 {
            assert_eq!(steps.get(&(number, depth)), Some(&1), "step {depth} of {number}");
        }
    }
    assert_eq!(events.len(), steps.len(), "more steps than there are");
    store.close();
}
