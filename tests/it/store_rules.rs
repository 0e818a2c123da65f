//! Rules that two writers could only break together: both looked at the same catalogue, and the second is refused.

use crate::store::{NOW, action, commit, event_type, module, open, tenant};
use crate::support::TestServer;
use fusebox::domain::{Action, ActionId, DEPTH_MAX, EventType, EventTypeId, ObjectRecord, ObjectRef, Parameter};
use fusebox::store::{Catalogue, Change, Conflict, Store, Transition};
use proptest::prelude::*;
use serde_json::json;
use std::sync::{Arc, Barrier};
use tempfile::TempDir;

const ACTION: ActionId = ActionId::from_bytes([1; 16]);
const EVENT_TYPE: EventTypeId = EventTypeId::from_bytes([2; 16]);

fn store() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path().join("store.redb")).unwrap();
    (folder, store)
}

fn parameters(locked: bool) -> Vec<Parameter> {
    let parameter = |name: &str| json!({ "name": name, "type": "STATIC", "value": 1, "locked": locked });
    serde_json::from_value(json!([parameter("other"), parameter("to")])).unwrap()
}

fn with_action(change: Change, make: impl FnOnce(Action) -> Action) -> Change {
    match change {
        Change::PutAction(action) => Change::PutAction(Arc::new(make(action.as_ref().clone()))),
        other => other,
    }
}

fn giving(change: Change, parameters: Vec<Parameter>) -> Change {
    match change {
        Change::PutEventType(made) => Change::PutEventType(Arc::new(EventType { parameters, ..made.as_ref().clone() })),
        other => other,
    }
}

/// Hands both in before either is answered, as two requests that looked at the same catalogue do.
fn at_once(store: &Store, first: [Change; 1], second: [Change; 1]) -> Result<(), Conflict> {
    let (sender, receiver) = std::sync::mpsc::channel();
    store.submit(Transition::of(first), Some(Box::new(move |result| sender.send(result).unwrap())));
    let second = commit(store, Transition::of(second));
    receiver.recv().unwrap().unwrap();
    second
}

/// Locking was looked at by the requests only: of two at once one locked the parameter and the other gave it.
#[test]
fn a_parameter_is_not_locked_and_given_by_two_at_once() {
    let owner = tenant("a");
    let locking = |version| {
        let locked = |action: Action| Action { parameters: parameters(true), ..action };
        [with_action(action(ACTION, &owner, "a", "m", version), locked)]
    };
    let giver = || {
        let mut given = parameters(false);
        given.remove(0);
        [giving(event_type(EVENT_TYPE, &owner, "t", Some(ACTION)), given)]
    };
    let begin = || {
        let (folder, store) = store();
        let first = [module(&owner, b"x", &[("m", "1")]), action(ACTION, &owner, "a", "m", 1)];
        commit(&store, Transition::of(first)).unwrap();
        (folder, store)
    };
    let (_folder, store) = begin();
    let fault = ("/parameters/0/name".to_owned(), "the action locks its parameter `to`".to_owned());
    assert_eq!(at_once(&store, locking(2), giver()), Err(Conflict::Locked { faults: vec![fault] }));
    assert_eq!(store.catalogue().event_types().count(), 0);

    let (_folder, store) = begin();
    let message = "`to` cannot be locked while the event type `t` gives it".to_owned();
    let fault = ("/parameters/1/locked".to_owned(), message);
    assert_eq!(at_once(&store, giver(), locking(2)), Err(Conflict::Locked { faults: vec![fault] }));
    assert_eq!(store.catalogue().action(ACTION).unwrap().version, 1);

    // Of one that does not name the action any more it is no matter what it gives.
    let elsewhere = [giving(event_type(EVENT_TYPE, &owner, "t", None), parameters(false))];
    commit(&store, Transition::of(elsewhere)).unwrap();
    commit(&store, Transition::of(locking(2))).unwrap();
    commit(&store, Transition::of([Change::DeleteEventType(EVENT_TYPE)])).unwrap();
    commit(&store, Transition::of([Change::DeleteAction(ACTION)])).unwrap();
}

/// That a trigger is there was looked at by the request only, so it could be deleted meanwhile.
#[test]
fn a_trigger_is_not_deleted_while_an_action_takes_it() {
    let owner = tenant("a");
    let triggered = || {
        let taking = |action: Action| Action { trigger: Some("T".parse().unwrap()), ..action };
        [with_action(action(ACTION, &owner, "a", "m", 1), taking)]
    };
    let begin = || {
        let (folder, store) = store();
        let first = [module(&owner, b"x", &[("m", "1")]), event_type(EVENT_TYPE, &owner, "t", None)];
        commit(&store, Transition::of(first)).unwrap();
        (folder, store)
    };
    let (_folder, store) = begin();
    let missing = Conflict::NoSuch { what: "event type", name: "T".to_owned(), field: "/trigger" };
    assert_eq!(at_once(&store, [Change::DeleteEventType(EVENT_TYPE)], triggered()), Err(missing));
    assert_eq!(store.catalogue().actions().count(), 0);

    let (_folder, store) = begin();
    let used = Conflict::InUse { by: vec!["the action `a`, whose trigger it is".to_owned()] };
    assert_eq!(at_once(&store, triggered(), [Change::DeleteEventType(EVENT_TYPE)]), Err(used));
    assert_eq!(store.catalogue().event_types().count(), 1);
}

/// Which objects a random history of registrations has as parents of which.
fn parents() -> impl Strategy<Value = Vec<(usize, Vec<usize>)>> {
    let line = (1..OBJECTS).prop_map(|on| (on, vec![on - 1]));
    let any = (0..OBJECTS, proptest::collection::vec(0..OBJECTS, 0..3));
    proptest::collection::vec(prop_oneof![6 => line, 1 => any], 30..160)
}

const OBJECTS: usize = 40;

/// The longest way up, in steps; `None` when there is a cycle.
fn depth(parents: &[Vec<usize>]) -> Option<usize> {
    let mut depths = vec![0; parents.len()];
    // A way without a cycle has no more steps than there are objects.
    for _ in 0..=parents.len() {
        let before = depths.clone();
        for (on, above) in parents.iter().enumerate() {
            depths[on] = above.iter().map(|parent| depths[*parent] + 1).max().unwrap_or(0);
        }
        if depths == before {
            return depths.into_iter().max();
        }
    }
    None
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn objects_lie_in_no_cycle_and_no_deeper_than_they_may(steps in parents()) {
        let object = |number: usize| ObjectRef::new("place".to_owned(), number.to_string()).unwrap();
        let mut catalogue = Catalogue::of([]).unwrap();
        let mut model = vec![Vec::new(); OBJECTS];
        for (on, parents) in steps {
            let mut changed = model.clone();
            changed[on].clone_from(&parents);
            let record = ObjectRecord {
                owner_id: tenant("a"),
                object: object(on),
                name: String::new(),
                parents: parents.into_iter().map(object).collect(),
                version: 1,
                created_by: "test".to_owned(),
                created_at: NOW,
                updated_at: NOW,
            };
            let may = depth(&changed).is_some_and(|depth| depth <= DEPTH_MAX as usize);
            match catalogue.after(&Transition::of([Change::PutObject(Arc::new(record))])) {
                Ok(after) => {
                    prop_assert!(may, "it was taken: {changed:?}");
                    (catalogue, model) = (after, changed);
                }
                Err(Conflict::Graph { .. }) => prop_assert!(!may, "it was refused: {changed:?}"),
                Err(other) => prop_assert!(false, "{other}"),
            }
        }
    }
}

/// The same race through HTTP: whoever comes second is told so as if it had come later.
#[test]
fn of_one_who_locks_a_parameter_and_one_who_gives_it_one_is_refused() {
    let server = TestServer::start();
    let digest = server.upload("noop");
    for round in 0..20 {
        let name = format!("a{round}");
        let action = server.action(&name, &digest, json!({}));
        let (path, barrier) = (format!("/action/{action}"), Barrier::new(2));
        let to = |locked: bool| json!([{ "name": "to", "type": "STATIC", "value": 1, "locked": locked }]);
        let locked = json!({ "name": name, "module": digest, "parameters": to(true) });
        let given = json!({ "display_name": format!("t{round}"), "action": action, "parameters": to(false) });
        let (locking, giving) = std::thread::scope(|scope| {
            let locking = scope.spawn(|| {
                barrier.wait();
                server.admin.put(&path, &locked)
            });
            barrier.wait();
            let giving = server.admin.post("/event-type", &given);
            (locking.join().unwrap(), giving)
        });
        let (refused, pointer) = match (locking.status, giving.status) {
            (200, 409) => (giving, "/parameters/0/name"),
            (409, 201) => (locking, "/parameters/0/locked"),
            both => panic!("{both:?}: {} {}", locking.text, giving.text),
        };
        refused.problem(409, "parameter_locked");
        refused.points_at(&[pointer]);
    }
}
