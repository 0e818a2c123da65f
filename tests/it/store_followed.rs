//! Which ways chains took: counted over the newest runs, of whoever asks, and never over too many.

use crate::store::{NOW, commit, event, open, run, tenant};
use fusebox::domain::{ActionId, EventId, EventTypeId, Json, RunId, State, TenantId};
use fusebox::store::{Change, Followed, Store, Transition, Way};
use std::sync::Arc;

const FIRST: EventTypeId = EventTypeId::from_bytes([1; 16]);
const NEXT: EventTypeId = EventTypeId::from_bytes([2; 16]);
const ACTION: ActionId = ActionId::from_bytes([3; 16]);

/// A run of an event of the first type, and, if the run has ended so, an event of the next type that it fired.
fn step(number: u8, owner: &TenantId, state: State, size_bytes: usize) -> Vec<Change> {
    let id = |part: u8| {
        let mut id = [0; 16];
        (id[0], id[1]) = (number, part);
        id
    };
    let mut first = event(EventId::from_bytes(id(0)), owner, FIRST, state);
    let child = event(EventId::from_bytes(id(1)), owner, NEXT, State::Queued);
    let mut run = run(RunId::from_bytes(id(2)), &first, ACTION, state);
    first.runs = vec![run.id];
    run.queued_at = NOW.plus_ms(u64::from(number));
    run.output = Some(Json::from(serde_json::Value::from("x".repeat(size_bytes))));
    run.child_event_id = matches!(state, State::Success | State::Warning | State::Error).then_some(child.id);
    vec![Change::Event(Arc::new(first)), Change::Event(Arc::new(child)), Change::Run(Arc::new(run))]
}

fn counted(store: &Store, owner: Option<&TenantId>, runs_max: usize) -> (usize, [Option<u64>; 3]) {
    let Followed { runs, started, fired, .. } = store.followed(owner, runs_max).unwrap();
    let fired = |way: Way| fired.get(&(ACTION, way, NEXT)).copied();
    (runs, [started.get(&(FIRST, ACTION)).copied(), fired(Way::Success), fired(Way::Failure)])
}

#[test]
fn the_newest_runs_say_which_way_they_went() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path().join("store.redb")).unwrap();
    let (a, b) = (tenant("a"), tenant("b"));
    assert_eq!(store.followed(None, 10).unwrap(), Followed::default());
    for (number, owner, state) in [
        (1, &a, State::Error),
        (2, &b, State::Error),
        (3, &a, State::Success),
        (4, &a, State::Warning),
        (5, &a, State::Skipped),
        (6, &a, State::Running),
    ] {
        commit(&store, Transition::of(step(number, owner, state, 0))).unwrap();
    }
    assert_eq!(counted(&store, Some(&a), 10), (5, [Some(4), Some(2), Some(1)]), "what was skipped did not run");
    assert_eq!(counted(&store, Some(&b), 10), (1, [Some(1), None, Some(1)]));
    assert_eq!(counted(&store, None, 10), (6, [Some(5), Some(2), Some(2)]));
    // Of all tenants together the newest.
    assert_eq!(counted(&store, None, 4), (4, [Some(3), Some(2), None]));
    assert_eq!(counted(&store, None, 5), (5, [Some(4), Some(2), Some(1)]));
    assert_eq!(store.followed(None, 4).unwrap().since, Some(NOW.plus_ms(3)));
    store.close();
}

#[test]
fn long_records_are_counted_until_enough_was_read() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path().join("store.redb")).unwrap();
    for number in 1..=40 {
        commit(&store, Transition::of(step(number, &tenant("a"), State::Success, 1 << 20))).unwrap();
    }
    let (runs, _) = counted(&store, None, 100);
    assert_eq!(runs, 32, "each is a little more than a mebibyte");
    store.close();
}
