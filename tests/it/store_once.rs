//! What the store remembers of requests that are accepted once.

use crate::store::{NOW, commit, open, tenant};
use fusebox::domain::{AcceptedOnce, EventId, OnceKey, RequestDigest, TenantId, Timestamp};
use fusebox::store::{Change, Expired, Store, Transition};
use std::sync::Arc;

fn accepted(owner_id: &TenantId, key: &str, expires_at: Timestamp) -> AcceptedOnce {
    AcceptedOnce {
        owner_id: owner_id.clone(),
        key: OnceKey::of("test", &[key]),
        request: RequestDigest::of("{}", &[]),
        event_id: EventId::from_bytes([7; 16]),
        expires_at,
    }
}

fn remember(store: &Store, accepted: &AcceptedOnce) {
    commit(store, Transition::of([Change::RememberOnce(Arc::new(accepted.clone()))])).unwrap();
}

fn expired(accepted: &AcceptedOnce) -> Expired {
    Expired { tenant: accepted.owner_id.clone(), key: accepted.key, expires_at: accepted.expires_at }
}

#[test]
fn a_key_is_found_by_its_tenant_and_what_has_expired_by_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path().join("store.redb")).unwrap();
    let tenants = [TenantId::shared(), tenant("a"), tenant("ab")];
    let all: Vec<AcceptedOnce> =
        (0..9_u64).map(|n| accepted(&tenants[n as usize % 3], &format!("{}", n / 3), NOW.plus_ms(n * 10))).collect();
    all.iter().rev().for_each(|one| remember(&store, one));
    for one in &all {
        assert_eq!(store.accepted_once(&one.owner_id, one.key).unwrap().as_ref(), Some(one));
    }
    assert_eq!(store.accepted_once(&tenant("b"), all[1].key).unwrap(), None);

    let at = |ms: u64, limit: usize| store.expired_once(NOW.plus_ms(ms), limit).unwrap();
    let expected = |count: usize| all.iter().take(count).map(expired).collect::<Vec<_>>();
    assert_eq!(at(39, 100), expected(4), "the oldest first");
    assert_eq!(at(40, 100), expected(5), "from its very time on");
    assert_eq!(at(1_000, 2), expected(2));
    assert_eq!(store.expired_once(Timestamp::from_ms(NOW.as_ms() - 1), 100).unwrap(), []);

    commit(&store, Transition::of([Change::ForgetOnce(at(39, 100))])).unwrap();
    assert_eq!(at(1_000, 100), all[4..].iter().map(expired).collect::<Vec<_>>());
    assert_eq!(store.accepted_once(&all[3].owner_id, all[3].key).unwrap(), None);
    assert_eq!(store.accepted_once(&all[4].owner_id, all[4].key).unwrap().as_ref(), Some(&all[4]));
    assert_eq!(store.check().unwrap(), [""; 0]);
    store.close();
}

#[test]
fn a_key_that_is_taken_anew_is_not_forgotten_with_what_it_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path().join("store.redb")).unwrap();
    let first = accepted(&tenant("a"), "k", NOW);
    remember(&store, &first);
    let found = store.expired_once(NOW, 10).unwrap();
    assert_eq!(found, [expired(&first)]);
    let second = AcceptedOnce { event_id: EventId::from_bytes([8; 16]), ..accepted(&tenant("a"), "k", NOW.plus_ms(5)) };
    remember(&store, &second);
    assert_eq!(store.expired_once(NOW, 10).unwrap(), []);
    // What was found before comes late, twice.
    for _ in 0..2 {
        commit(&store, Transition::of([Change::ForgetOnce(found.clone())])).unwrap();
        assert_eq!(store.accepted_once(&tenant("a"), second.key).unwrap().as_ref(), Some(&second));
        assert_eq!(store.check().unwrap(), [""; 0]);
    }
    store.close();
}

/// Times before 1970 lie where 1970 does: they are found and forgotten all the same.
#[test]
fn a_clock_that_is_far_behind_does_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path().join("store.redb")).unwrap();
    let early = accepted(&tenant("a"), "k", Timestamp::from_ms(-5));
    remember(&store, &early);
    let found = store.expired_once(Timestamp::from_ms(0), 10).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(store.check().unwrap(), [""; 0]);
    commit(&store, Transition::of([Change::ForgetOnce(found)])).unwrap();
    assert_eq!(store.accepted_once(&tenant("a"), early.key).unwrap(), None);
    assert_eq!(store.check().unwrap(), [""; 0]);
    store.close();
}
