//! Values of actions by the store's own door: beside a naive model, several in one commit, and with the power going.

use crate::power_cut::{Disk, config};
use crate::store::{NOW, action, commit, event, module, open, run, tenant};
use fusebox::domain::{
    ActionId, EventId, EventTypeId, KvEntry, KvExpect, KvSize, KvSpace, KvWrite, RunId, State, Timestamp,
};
use fusebox::store::{Change, CommitError, Conflict, KvChange, Store, Transition};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

const ACTION: ActionId = ActionId::from_bytes([1; 16]);

fn catalogue(store: &Store) {
    let changes = [module(&tenant("a"), b"module", &[("m", "1")]), action(ACTION, &tenant("a"), "counts", "m", 1)];
    commit(store, Transition::of(changes)).unwrap();
}

fn space() -> KvSpace {
    KvSpace { action: ACTION, attachment: None, tenant: tenant("a") }
}

fn entry(text: &str, version: u64, expires_at: Option<Timestamp>) -> KvEntry {
    KvEntry { value: text.as_bytes().to_vec(), version, written_at: NOW, expires_at }
}

fn change(writes: Vec<(&str, KvWrite)>, at: Timestamp) -> Change {
    let writes = writes.into_iter().map(|(key, write)| (None, key.to_owned(), write)).collect();
    Change::Values(Arc::new(KvChange { tenant: tenant("a"), action: ACTION, writes, at }))
}

fn put(key: &str, text: &str, (expect, version): (KvExpect, u64)) -> Change {
    change(vec![(key, KvWrite { expect, entry: Some(entry(text, version, None)) })], NOW)
}

#[test]
fn of_two_writes_that_expect_the_same_one_is_made_also_in_one_commit() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path().join("store.redb")).unwrap();
    catalogue(&store);
    let (sender, receiver) = std::sync::mpsc::channel();
    for number in 1..=50_u64 {
        let sender = sender.clone();
        // A run goes with each, and is not there without it.
        let ended = run(RunId::from_bytes([u8::try_from(number).unwrap(); 16]), &an_event(), ACTION, State::Success);
        let changes = [Change::Run(Arc::new(ended)), put("n", &number.to_string(), (KvExpect::Nothing, number))];
        store.submit(Transition::of(changes), Some(Box::new(move |result| sender.send((number, result)).unwrap())));
    }
    let mut made = Vec::new();
    for (number, result) in receiver.iter().take(50) {
        match result {
            Ok(()) => made.push(number),
            Err(CommitError::Conflict(Conflict::Values { detail })) => assert!(detail.contains("`n`"), "{detail}"),
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(made, [1], "they are decided on in their order");
    assert_eq!(store.value(&space(), "n").unwrap().unwrap().value, b"1");
    for number in 1..=50_u8 {
        assert_eq!(store.run(None, RunId::from_bytes([number; 16])).unwrap().is_some(), number == 1);
    }
    assert_eq!(store.check().unwrap(), [""; 0]);
}

fn an_event() -> fusebox::domain::Event {
    event(EventId::from_bytes([9; 16]), &tenant("a"), EventTypeId::from_bytes([2; 16]), State::Success)
}

#[test]
fn bytes_over_the_bound_are_refused_and_what_makes_room_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path().join("store.redb")).unwrap();
    catalogue(&store);
    let large = "x".repeat(KvSize::VALUE_BYTES_MAX);
    let each = (large.len() + 4) as u64;
    let fits = KvSize::MAX.bytes / each;
    for number in 0..fits {
        commit(&store, Transition::of([put(&format!("{number:04}"), &large, (KvExpect::Nothing, 1))])).unwrap();
    }
    let rest = usize::try_from(KvSize::MAX.bytes - fits * each - 4).unwrap();
    let over = Transition::of([put("last", &"x".repeat(rest + 1), (KvExpect::Anything, 1))]);
    let refused = commit(&store, over).unwrap_err();
    assert!(refused.to_string().contains("16777217 bytes"), "{refused}");
    commit(&store, Transition::of([put("last", &"x".repeat(rest), (KvExpect::Anything, 1))])).unwrap();
    assert_eq!(store.kept_size(&tenant("a"), ACTION).unwrap().bytes, KvSize::MAX.bytes);
    let gone = KvWrite { expect: KvExpect::Anything, entry: None };
    let (less, more) = (entry("", 2, None), entry(&large, 2, None));
    let changes = vec![
        ("0000", gone),
        ("0001", KvWrite { expect: KvExpect::Anything, entry: Some(less) }),
        ("new", KvWrite { expect: KvExpect::Nothing, entry: Some(more) }),
    ];
    commit(&store, Transition::of([change(changes, NOW)])).unwrap();
    assert_eq!(store.check().unwrap(), [""; 0]);
}

#[derive(Clone, Debug)]
enum Step {
    Set { key: u8, size: usize, ttl_ms: Option<u64>, expect: u8 },
    Delete { key: u8, expect: u8 },
    Pass(u64),
    Forget,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step =
        prop_oneof![
            (0..4_u8, 0..9_usize, prop::option::of(1..20_u64), 0..4_u8)
                .prop_map(|(key, size, ttl_ms, expect)| Step::Set { key, size, ttl_ms, expect }),
            (0..4_u8, 0..4_u8).prop_map(|(key, expect)| Step::Delete { key, expect }),
            (1..10_u64).prop_map(Step::Pass),
            Just(Step::Forget),
        ];
    prop::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn values_are_as_a_naive_model_has_them(steps in steps()) {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path().join("store.redb")).unwrap();
        catalogue(&store);
        let (mut model, mut now): (BTreeMap<String, KvEntry>, Timestamp) = (BTreeMap::new(), NOW);
        for (number, step) in (1_u64..).zip(steps) {
            let (key, expect, new) = match step {
                Step::Pass(ms) => {
                    now = now.plus_ms(ms);
                    continue;
                }
                Step::Forget => {
                    let expired = store.expired_values(now, 100).unwrap();
                    prop_assert_eq!(expired.len(), model.values().filter(|entry| !entry.is_there(now)).count());
                    commit(&store, Transition::of([Change::ForgetValues(expired)])).unwrap();
                    model.retain(|_, entry| entry.is_there(now));
                    continue;
                }
                Step::Delete { key, expect } => (format!("k{key}"), expect, None),
                Step::Set { key, size, ttl_ms, expect } => {
                    let expires_at = ttl_ms.map(|ms| now.plus_ms(ms));
                    (format!("k{key}"), expect, Some(entry(&"v".repeat(size), number, expires_at)))
                }
            };
            let there = model.get(&key).filter(|entry| entry.is_there(now)).map(|entry| entry.version);
            let expect = match expect {
                0 => KvExpect::Anything,
                1 => KvExpect::Nothing,
                2 => KvExpect::Version(there.unwrap_or(1_000)),
                _ => KvExpect::Version(number),
            };
            let write = KvWrite { expect, entry: new.clone() };
            let made = commit(&store, Transition::of([change(vec![(&key, write)], now)])).is_ok();
            prop_assert_eq!(made, expect.holds(there));
            match new {
                _ if !made => {}
                Some(entry) => drop(model.insert(key, entry)),
                None => drop(model.remove(&key)),
            }
            let listed = store.list_values(&space(), ("", None), (now, 100)).unwrap();
            let expected: Vec<_> = model.iter().filter(|(_, entry)| entry.is_there(now)).collect();
            prop_assert_eq!(listed.iter().map(|(key, entry)| (key, entry)).collect::<Vec<_>>(), expected);
        }
        prop_assert_eq!(store.check().unwrap(), [""; 0]);
        store.close();
    }
}

/// Runs that count, each in the transition of its end.
fn count(store: &Store) {
    let changes = [module(&tenant("a"), b"module", &[("m", "1")]), action(ACTION, &tenant("a"), "counts", "m", 1)];
    if crate::power_cut::commit(store, Transition::of(changes)).is_err() {
        return;
    }
    for number in 1..=6_u8 {
        let ended = run(RunId::from_bytes([number; 16]), &an_event(), ACTION, State::Success);
        let Ok(before) = store.value(&space(), "n") else { return };
        let expect = before.map_or(KvExpect::Nothing, |before| KvExpect::Version(before.version));
        // Some go by themselves, so that the index by expiry is written too.
        let expires_at = (number % 2 == 0).then(|| NOW.plus_ms(1_000));
        let write = KvWrite { expect, entry: Some(entry(&number.to_string(), number.into(), expires_at)) };
        let changes = [Change::Run(Arc::new(ended)), change(vec![("n", write)], NOW)];
        if crate::power_cut::commit(store, Transition::of(changes)).is_err() {
            return;
        }
    }
}

fn on(disk: &Disk) -> Store {
    Store::open_on(disk.clone(), &config()).unwrap()
}

#[test]
fn the_end_of_a_run_and_the_values_it_wrote_are_there_together_or_not_at_all() {
    let whole = Disk::dying_at(None);
    let store = on(&whole);
    let opening = whole.syncs();
    count(&store);
    store.close();
    let mut seen = [0; 7];
    for cut in opening + 1..=whole.syncs() {
        let disk = Disk::dying_at(Some(cut));
        let store = on(&disk);
        count(&store);
        store.close();
        drop(store);
        let mixtures: [fn(usize) -> bool; 3] = [|_| false, |n| n % 2 == 0, |_| true];
        for survives in mixtures {
            let store = on(&disk.after_the_cut(survives));
            let ended = |number: &u8| store.run(None, RunId::from_bytes([*number; 16])).unwrap().is_some();
            let runs = (1..=6_u8).filter(ended).count();
            let value = store.value(&space(), "n").unwrap().map(|entry| String::from_utf8(entry.value).unwrap());
            assert_eq!(value, (runs > 0).then(|| runs.to_string()), "cut at sync {cut}");
            let size = store.kept_size(&tenant("a"), ACTION).unwrap();
            assert_eq!(size.entries, u64::from(runs > 0), "cut at sync {cut}");
            assert_eq!(store.check().unwrap(), Vec::<String>::new(), "cut at sync {cut}");
            seen[runs] += 1;
            store.close();
        }
    }
    assert!(seen.iter().all(|times| *times > 0), "{seen:?}");
}
