//! How long history is kept: what goes, what stays, and that nothing of what went is left anywhere.

use crate::store::{commit, event, log, open, run, tenant};
use crate::support::{ECHO, Serving, TestServer, fusebox};
use fusebox::dispatch::Keep;
use fusebox::domain::{
    ActionId, Clock, Entropy, Event, EventId, EventTypeId, Ids, Run, RunId, State, TenantId, Timestamp,
};
use fusebox::store::{Change, EventCount, Forget, Grain, Query, Store, Transition};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::Arc;

const DAY_MS: i64 = 86_400_000;
const TENANTS: [&str; 3] = ["", "a", "ab"];

/// An event and all that belongs to it.
#[derive(Clone)]
struct Whole {
    event: Event,
    runs: Vec<Run>,
}

impl Whole {
    /// Made at `made`, in `state` since then; with so many runs, each with a log.
    fn new(ids: &Ids, owner: &str, made: Timestamp, (state, runs): (State, usize)) -> Whole {
        let (of_type, action) = (EventTypeId::from_bytes([2; 16]), ActionId::from_bytes([3; 16]));
        let mut event = event(EventId::new(ids, made), &tenant(owner), of_type, state);
        let runs: Vec<Run> = (0..runs).map(|_| run(RunId::new(ids, made), &event, action, state)).collect();
        event.runs = runs.iter().map(|run| run.id).collect();
        event.created_at = made;
        event.ended_at = state.is_terminal().then_some(made);
        Whole { event, runs }
    }

    fn changes(&self) -> impl Iterator<Item = Change> {
        let runs = self.runs.iter().cloned().map(|run| Change::Run(Arc::new(run)));
        let logs = self.runs.iter().flat_map(|run| [log(run, 1, 0, &["first"]), log(run, 1, 1, &["second"])]);
        std::iter::once(Change::Event(Arc::new(self.event.clone()))).chain(runs).chain(logs)
    }

    fn end(&mut self, state: State, at: Timestamp) {
        self.event.state = state;
        self.event.ended_at = Some(at);
        self.runs.iter_mut().for_each(|run| run.state = state);
    }

    fn is_old(&self, ended_by: Timestamp) -> bool {
        self.event.state.is_terminal() && self.event.ended_at.is_some_and(|ended| ended <= ended_by)
    }
}

fn forget(store: &Store, owner: &str, events: Vec<EventId>, ended_by: Timestamp) {
    commit(store, Transition::of([Change::Forget(Forget { tenant: tenant(owner), events, ended_by })])).unwrap();
}

fn everything() -> Query {
    Query { tenant: None, state: None, after: None, oldest_first: true, between: (None, None), limit: usize::MAX }
}

/// What a store looks like that never had anything but these.
fn dump_of(kept: &[Whole]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path().join("store.redb")).unwrap();
    commit(&store, Transition::of(kept.iter().flat_map(Whole::changes))).unwrap();
    let dump = store.dump().unwrap();
    store.close();
    dump
}

fn state() -> impl Strategy<Value = State> {
    prop::sample::select(State::ALL.to_vec())
}

/// Something that happens to a history.
#[derive(Clone, Debug)]
enum Step {
    /// Of a tenant, an event in a state, with so many runs; below an earlier one if there is one.
    Make(usize, State, usize, Option<prop::sample::Index>),
    End(prop::sample::Index, State),
    Pass(i64),
    /// Of a tenant, these and others, if they ended so long ago.
    Forget(usize, Vec<prop::sample::Index>, i64),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let (owner, index) = (0..TENANTS.len(), any::<prop::sample::Index>);
    prop_oneof![
        5 => (owner.clone(), state(), 0..4_usize, prop::option::of(index())).prop_map(|(o, s, r, p)| Step::Make(o, s, r, p)),
        2 => (index(), state()).prop_map(|(which, state)| Step::End(which, state)),
        2 => (0..3 * DAY_MS).prop_map(Step::Pass),
        2 => (owner, prop::collection::vec(index(), 0..8), 0..6 * DAY_MS).prop_map(|(o, which, ms)| Step::Forget(o, which, ms)),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_forgotten_leaves_no_trace_and_what_stays_is_as_it_was(steps in prop::collection::vec(step(), 1..40)) {
        let folder = tempfile::tempdir().unwrap();
        let mut store = open(folder.path().join("store.redb")).unwrap();
        let ids = Ids::new(Arc::new(Entropy::new([5; 32])));
        let (mut now, mut model) = (Timestamp::from_ms(1_700_000_000_000), Vec::<Whole>::new());
        for step in steps {
            match step {
                Step::Make(owner, state, runs, parent) => {
                    let mut whole = Whole::new(&ids, TENANTS[owner], now, (state, runs));
                    let of_tenant: Vec<&Whole> = model.iter().filter(|w| w.event.owner_id == whole.event.owner_id).collect();
                    if let Some(parent) = parent.filter(|_| !of_tenant.is_empty()).map(|parent| parent.get(&of_tenant)) {
                        let Event { id, root_id, depth, .. } = parent.event;
                        (whole.event.parent_id, whole.event.root_id, whole.event.depth) = (Some(id), root_id, depth + 1);
                    }
                    commit(&store, Transition::of(whole.changes())).unwrap();
                    model.push(whole);
                }
                Step::End(which, state) => {
                    let open: Vec<usize> = (0..model.len()).filter(|n| !model[*n].event.state.is_terminal()).collect();
                    if !open.is_empty() && state.is_terminal() {
                        let whole = &mut model[*which.get(&open)];
                        whole.end(state, now);
                        commit(&store, Transition::of(whole.changes())).unwrap();
                    }
                }
                Step::Pass(ms) => now = now.plus_ms(ms.unsigned_abs()),
                Step::Forget(owner, which, ms) => {
                    let owner = TENANTS[owner];
                    // Some of others, which are not this tenant's to forget, and one that nobody has.
                    let mut asked = vec![EventId::new(&ids, now)];
                    asked.extend(which.iter().filter(|_| !model.is_empty()).map(|which| which.get(&model).event.id));
                    let ended_by = Timestamp::from_ms(now.as_ms() - ms);
                    forget(&store, owner, asked.clone(), ended_by);
                    let before = model.clone();
                    let is_old = |w: &Whole| {
                        let mut chain = before.iter().filter(|other| other.event.root_id == w.event.root_id);
                        chain.all(|other| other.is_old(ended_by))
                    };
                    model.retain(|w| {
                        w.event.owner_id.as_str() != owner || !asked.contains(&w.event.id) || !is_old(w)
                    });
                }
                Step::Restart => {
                    store.close();
                    drop(store);
                    store = open(folder.path().join("store.redb")).unwrap();
                }
            }
        }
        prop_assert_eq!(store.check().unwrap(), Vec::<String>::new());
        prop_assert_eq!(store.dump().unwrap(), dump_of(&model));
        for owner in TENANTS.map(Some).into_iter().chain([None]) {
            for (grain, days) in [(Grain::Minute, 1), (Grain::Hour, 6)] {
                let from = Timestamp::from_ms(now.as_ms() - days * DAY_MS);
                let of_tenant = owner.map(tenant);
                let counted = store.count_events(of_tenant.as_ref(), grain, (from, now.plus_ms(1)));
                prop_assert_eq!(counted, counts(&model, owner, grain, from), "{:?} by the {:?}", owner, grain);
            }
        }
        store.close();
    }
}

/// The events of a tenant, or of all, by when they were made, in stretches that begin in the one `from` is in or later.
fn counts(model: &[Whole], owner: Option<&str>, grain: Grain, from: Timestamp) -> Vec<(Timestamp, EventCount)> {
    let of_owner = model.iter().filter(|whole| owner.is_none_or(|owner| whole.event.owner_id.as_str() == owner));
    let mut counts: std::collections::BTreeMap<i64, EventCount> = std::collections::BTreeMap::new();
    for whole in of_owner {
        let count = counts.entry(whole.event.created_at.as_ms() / grain.ms()).or_default();
        count.events += 1;
        count.failed += u64::from(whole.event.state == State::Error);
    }
    let first = from.as_ms() / 60_000 * 60_000;
    let at = counts.into_iter().map(|(stretch, count)| (Timestamp::from_ms(stretch * grain.ms()), count));
    at.filter(|(at, _)| at.as_ms() >= first).collect()
}

#[test]
fn a_chain_stays_whole_until_the_last_of_it_is_old() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path().join("store.redb")).unwrap();
    let ids = Ids::new(Arc::new(Entropy::new([5; 32])));
    let now = Timestamp::from_ms(1_700_000_000_000);
    let root = Whole::new(&ids, "a", now, (State::Success, 1));
    let mut child = Whole::new(&ids, "a", now, (State::Queued, 1));
    (child.event.root_id, child.event.depth) = (root.event.id, 1);
    commit(&store, Transition::of(root.changes().chain(child.changes()))).unwrap();
    let both = vec![root.event.id, child.event.id];
    let family = || store.list_family(&everything(), root.event.id, |_| true).unwrap().items;
    forget(&store, "a", both.clone(), now.plus_ms(9));
    assert_eq!(family(), [root.event.clone(), child.event.clone()], "the child is open");
    child.end(State::Error, now.plus_ms(5));
    commit(&store, Transition::of(child.changes())).unwrap();
    forget(&store, "a", both.clone(), now.plus_ms(4));
    assert_eq!(family(), [root.event.clone(), child.event.clone()], "the child is young");
    // In whatever order they go, and in however many steps.
    forget(&store, "a", vec![root.event.id], now.plus_ms(5));
    assert_eq!(family(), [child.event.clone()]);
    assert_eq!(store.check().unwrap(), [""; 0]);
    forget(&store, "a", both, now.plus_ms(5));
    assert_eq!(family(), []);
    assert_eq!(store.dump().unwrap(), dump_of(&[]));
    store.close();
}

/// Lets days pass, and what is old then be forgotten.
fn pass_days(server: &TestServer, days: i64) {
    pass(server, days * DAY_MS);
}

fn pass(server: &TestServer, ms: i64) {
    server.pass_ms(ms);
    server.until_forgotten(server.clock.now());
}

#[test]
fn an_event_goes_30_days_after_its_end_with_its_runs_and_logs() {
    let server = TestServer::with_manual_clock();
    let gallery = server.upload("failure_gallery");
    let action = server.action("t", &gallery, json!({ "retry": { "attempts": 1 } }));
    server.event_type("t", &action, json!({}));
    let before = server.dump();
    let event = server.fire_and_wait("t", json!({ "way": "ok" }));
    let failed = server.fire_and_wait("t", json!({ "way": "trap" }));
    assert_eq!(failed["state"], "ERROR");
    let run = event["runs"][0]["id"].as_str().unwrap();
    let paths = [
        format!("/event/{}", event["id"].as_str().unwrap()),
        format!("/event/{}", failed["id"].as_str().unwrap()),
        format!("/run/{run}"),
        format!("/run/{run}/log"),
    ];
    pass(&server, 30 * DAY_MS - 1);
    for path in &paths {
        server.admin.get(path).expect(200);
    }
    pass(&server, 60_000);
    for path in &paths {
        server.admin.get(path).problem(404, "not_found");
    }
    assert_eq!((server.admin.pages("/event"), server.admin.pages("/run")), (vec![], vec![]));
    assert_eq!(server.dump(), before, "something of it is left");
    assert_eq!(server.gauge("fusebox_history_forgotten_total"), 2);
    assert_eq!(server.store().check().unwrap(), [""; 0]);
    // A replay of what is gone is a replay of nothing, and new history is kept.
    server.admin.post(&format!("{}/replay", paths[0]), &json!({})).problem(404, "not_found");
    let new = server.fire_and_wait("t", json!({ "way": "ok" }));
    pass_days(&server, 29);
    server.event(new["id"].as_str().unwrap());
}

#[test]
fn what_has_not_ended_stays_and_its_days_begin_at_its_end() {
    let server = TestServer::with_manual_clock();
    let echo = server.upload_bytes(ECHO);
    let action = server.action("t", &echo, json!({}));
    server.event_type("t", &action, json!({}));
    let fire = json!({ "event_type": "t", "delay": "40d" });
    let late = server.admin.post("/event", &fire).expect(202)["id"].as_str().unwrap().to_owned();
    let soon = server.fire_and_wait("t", json!({}))["id"].as_str().unwrap().to_owned();
    pass_days(&server, 35);
    server.admin.get(&format!("/event/{soon}")).problem(404, "not_found");
    assert_eq!(server.event(&late)["state"], "WAITING");
    pass_days(&server, 5);
    server.until(&late, |event| event["state"] == "SUCCESS");
    for _ in 0..29 {
        pass_days(&server, 1);
        server.event(&late);
    }
    pass_days(&server, 1);
    server.admin.get(&format!("/event/{late}")).problem(404, "not_found");
    assert_eq!(server.store().check().unwrap(), [""; 0]);
}

#[test]
fn how_long_is_for_the_operator_to_say() {
    let mut server = TestServer::with_manual_clock_and(|config| config.keep = Keep::days(2, 3));
    let echo = server.upload_bytes(ECHO);
    let action = server.action("t", &echo, json!({}));
    server.event_type("t", &action, json!({}));
    let event = server.fire_and_wait("t", json!({}))["id"].as_str().unwrap().to_owned();
    let audited = |server: &TestServer| server.admin.pages("/audit").len();
    let entries = audited(&server);
    assert!(entries >= 3, "{entries}");
    pass(&server, 2 * DAY_MS - 1);
    server.event(&event);
    // A restart begins from the oldest again.
    server.restart();
    pass(&server, 60_000);
    server.admin.get(&format!("/event/{event}")).problem(404, "not_found");
    assert_eq!(audited(&server), entries);
    pass_days(&server, 1);
    assert_eq!(audited(&server), 0);

    for (flag, days) in [
        ("--retention-days", "0"),
        ("--retention-days", "3651"),
        ("--audit-retention-days", "0"),
        ("--audit-retention-days", "x"),
    ] {
        let refused = fusebox(server.folder(), &["serve", flag, days], "");
        assert_eq!(refused.code, 2, "{refused:?}");
        assert!(refused.err.contains(flag), "{refused:?}");
    }
    for (folder, days) in [("short", "1"), ("long", "3650")] {
        let data = server.folder().join(folder);
        let mut serving = Serving::start(&data, &["--retention-days", days, "--audit-retention-days", days]);
        assert_eq!(serving.terminate(), Some(0));
    }
}

#[test]
fn a_tenant_has_days_of_its_own_and_they_may_change() {
    let server = TestServer::with_manual_clock();
    let module = server.upload("noop");
    let days = |tenant: &str, days: i32| {
        server.admin.put(&format!("/tenant/{tenant}"), &json!({ "retention_days": days })).expect(200);
    };
    let mut events = Vec::new();
    for tenant in ["a", "b"] {
        server.admin.post("/tenant", &json!({ "id": tenant })).expect(201);
        let client = server.client_for(tenant, &["admin"]);
        let action = client.post("/action", &json!({ "name": "t", "module": module })).expect(201)["id"].clone();
        client.post("/event-type", &json!({ "display_name": "t", "action": action })).expect(201);
        let fired = client.request("POST", "/event").header("prefer", "wait=60").json(&json!({ "event_type": "t" }));
        events.push(format!("/event/{}", fired.send().expect(200)["id"].as_str().unwrap()));
    }
    days("a", 2);
    days("b", 100);
    let status = || [0, 1].map(|of| server.admin.get(&events[of]).status);
    pass(&server, 2 * DAY_MS - 1);
    assert_eq!(status(), [200, 200]);
    pass(&server, 60_000);
    assert_eq!(status(), [404, 200]);
    pass_days(&server, 60);
    assert_eq!(status(), [404, 200], "longer than the server keeps its own");
    days("b", 62);
    pass(&server, 60_000);
    assert_eq!(status(), [404, 404], "what was passed before is looked at again");
    assert_eq!(server.store().check().unwrap(), [""; 0]);
}

#[test]
fn a_chain_of_which_something_waits_is_there_as_a_whole() {
    let server = TestServer::with_manual_clock();
    let echo = server.upload_bytes(ECHO);
    let late = server.action("late", &echo, json!({ "when": { "at": "/at" } }));
    server.event_type("late", &late, json!({}));
    let first = server.action("first", &echo, json!({ "on_success": "late" }));
    server.event_type("first", &first, json!({}));
    let at = Timestamp::from_ms(server.clock.now().as_ms() + 50 * DAY_MS).to_string();
    let root = server.fire_and_wait("first", json!({ "at": at }))["id"].clone();
    let path = format!("/event?root_id={}&sort=created_at", root.as_str().unwrap());
    pass_days(&server, 49);
    let family = server.admin.pages(&path);
    assert_eq!(family.iter().map(|event| &event["state"]).collect::<Vec<_>>(), ["SUCCESS", "WAITING"]);
    pass_days(&server, 1);
    server.chain(&root, 2);
    // Its days begin at its end.
    pass_days(&server, 29);
    assert_eq!(server.admin.pages(&path).len(), 2);
    pass_days(&server, 2);
    assert_eq!(server.admin.pages(&path), [Value::Null; 0]);
}

#[test]
fn more_than_goes_at_once_goes_all_the_same() {
    let server = TestServer::with_manual_clock();
    let ids = Ids::new(Arc::new(Entropy::new([5; 32])));
    let (now, mut all) = (server.clock.now(), Vec::new());
    for number in 0..1_500_usize {
        // One with more runs than go at once, and some that never end.
        let runs = if number == 700 { 900 } else { number % 3 };
        let state = if number % 100 == 0 { State::Waiting } else { State::ALL[3 + number % 5] };
        all.push(Whole::new(&ids, TENANTS[number % 3], now, (state, if number % 100 == 0 { 0 } else { runs })));
    }
    let count = |server: &TestServer| server.store().list_events(&everything(), None, |_| true).unwrap().items.len();
    commit(server.store(), Transition::of(all.iter().flat_map(Whole::changes))).unwrap();
    assert_eq!(count(&server), 1_500);
    pass_days(&server, 31);
    assert_eq!(count(&server), 15, "those that have not ended");
    assert_eq!(server.store().list_runs(&everything(), None, |_| true).unwrap().items.len(), 0);
    assert_eq!(server.store().check().unwrap(), [""; 0]);
}

/// What happens to the history of a running server.
#[derive(Clone, Debug)]
enum Life {
    Make(usize, bool),
    End(prop::sample::Index),
    Pass(i64),
    Restart,
}

fn life() -> impl Strategy<Value = Life> {
    prop_oneof![
        6 => (0..TENANTS.len(), any::<bool>()).prop_map(|(owner, ends)| Life::Make(owner, ends)),
        4 => any::<prop::sample::Index>().prop_map(Life::End),
        4 => (1..40_i64).prop_map(Life::Pass),
        1 => Just(Life::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn after_each_look_exactly_what_is_not_old_is_there(lives in prop::collection::vec(life(), 1..30)) {
        let mut server = TestServer::with_manual_clock();
        let ids = Ids::new(Arc::new(Entropy::new([5; 32])));
        let mut model = Vec::<Whole>::new();
        for life in lives {
            let now = server.clock.now();
            match life {
                Life::Make(owner, ends) => {
                    // An open one without runs is nobody's to carry on.
                    let kind = if ends { (State::Warning, 2) } else { (State::Waiting, 0) };
                    let whole = Whole::new(&ids, TENANTS[owner], now, kind);
                    commit(server.store(), Transition::of(whole.changes())).unwrap();
                    model.push(whole);
                }
                Life::End(which) => {
                    let open: Vec<usize> = (0..model.len()).filter(|n| !model[*n].event.state.is_terminal()).collect();
                    if !open.is_empty() {
                        let whole = &mut model[*which.get(&open)];
                        whole.end(State::Success, now);
                        commit(server.store(), Transition::of(whole.changes())).unwrap();
                    }
                }
                Life::Pass(days) => pass_days(&server, days),
                Life::Restart => {
                    server.restart();
                    pass(&server, 60_000);
                }
            }
            let ended_by = Timestamp::from_ms(server.clock.now().as_ms() - 30 * DAY_MS);
            model.retain(|whole| !whole.is_old(ended_by));
            let there = server.store().list_events(&everything(), None, |_| true).unwrap().items;
            let mut expected: Vec<EventId> = model.iter().map(|whole| whole.event.id).collect();
            expected.sort_unstable();
            prop_assert_eq!(there.iter().map(|event| event.id).collect::<Vec<_>>(), expected);
        }
        let runs: usize = model.iter().map(|whole| whole.runs.len()).sum();
        prop_assert_eq!(server.store().list_runs(&everything(), None, |_| true).unwrap().items.len(), runs);
        prop_assert_eq!(server.store().check().unwrap(), Vec::<String>::new());
    }
}

#[test]
fn schedules_and_versions_outlive_what_they_did() {
    let server = TestServer::with_manual_clock();
    let echo = server.upload_bytes(ECHO);
    let action = server.action("t", &echo, json!({}));
    server.event_type("t", &action, json!({}));
    let body = json!({ "name": "s", "event_type": "t", "cron": "0 0 1 1 *" });
    server.admin.post("/schedule", &body).expect(201);
    let fired = server.fire_and_wait("t", json!({}));
    server.admin.delete("/schedule/s").expect(200);
    server.admin.delete("/event-type/t").expect(200);
    server.admin.delete(&format!("/action/{action}")).expect(200);
    pass_days(&server, 31);
    server.admin.get(&format!("/event/{}", fired["id"].as_str().unwrap())).problem(404, "not_found");
    // What is deleted stays with its versions, and so do the bytes of modules: they are nobody's history.
    assert_eq!(server.store().action_versions(action.parse().unwrap()).unwrap().len(), 1);
    assert_eq!(server.admin.get("/module").expect(200)[0]["digest"], json!(echo));
    assert_eq!(server.admin.pages("/event"), [Value::Null; 0]);
    let shared = TenantId::shared();
    assert_eq!(server.store().look_at(&shared, &[]).unwrap(), []);
}
