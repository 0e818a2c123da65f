//! Accept once (DESIGN §3.5): the same request again gets the event that it made the first time.
//!
//! What was accepted is in the store, written by the transition that accepts. Between the look there and that commit a
//! key is claimed in memory, so that of two that come at once one is first and the other waits for what becomes of it.

use super::accept::{FireError, Fired};
use super::job::Live;
use super::scheduler::Dispatch;
use super::worker::blocking;
use crate::domain::{AcceptedOnce, Event, EventId, Once, OnceKey, TenantId, Timestamp};
use crate::store::{Change, Changes, Subject, Transition, Watched};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// What has expired is looked for this often.
const FORGET_EVERY_MS: u64 = 60_000;
/// Requests forgotten in one transition at most: bounds how long others wait for it.
const FORGOTTEN_MAX: usize = 1_000;
/// Notices read at once by who waits for an end.
const NOTICES_MAX: usize = 1_024;

type Key = (TenantId, OnceKey);

/// The keys of requests that are being accepted. Their number is bounded by that of open requests.
#[derive(Debug, Default)]
pub(super) struct Claims {
    claimed: Arc<Mutex<HashMap<Key, watch::Receiver<()>>>>,
    /// When to look next for what has expired, in ms.
    forget_at: AtomicI64,
}

/// A claimed key. Those who wait for it look again when this is dropped.
#[derive(Debug)]
pub(super) struct Claim {
    key: Key,
    claimed: Arc<Mutex<HashMap<Key, watch::Receiver<()>>>>,
    _told: watch::Sender<()>,
}

impl Claims {
    /// Claims a key, or gives what tells when whoever has it let go.
    fn claim(&self, key: Key) -> Result<Claim, watch::Receiver<()>> {
        match self.claimed.lock().unwrap_or_else(PoisonError::into_inner).entry(key.clone()) {
            Entry::Occupied(taken) => Err(taken.get().clone()),
            Entry::Vacant(free) => {
                let (told, telling) = watch::channel(());
                free.insert(telling);
                Ok(Claim { key, claimed: Arc::clone(&self.claimed), _told: told })
            }
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

/// Whether a request is new.
#[derive(Debug)]
pub(super) enum Novelty {
    /// It is; the claim goes to whoever is told of the commit.
    First(Claim),
    /// It made this event of this tenant before.
    Again(TenantId, EventId),
}

impl Dispatch {
    /// Looks whether the same was accepted before, for an event that `owner` will have.
    pub(super) async fn look_up(&self, owner: TenantId, once: Once) -> Result<Novelty, FireError> {
        loop {
            let claim = match self.claims().claim((owner.clone(), once.key)) {
                Ok(claim) => claim,
                Err(mut taken) => {
                    // An error is the news: it was let go.
                    drop(taken.changed().await);
                    continue;
                }
            };
            let (store, tenant) = (self.store().clone(), owner.clone());
            let found = blocking(move || store.accepted_once(&tenant, once.key)).await?;
            return match found.filter(|found| found.expires_at > self.now()) {
                None => Ok(Novelty::First(claim)),
                Some(found) if found.request == once.request => Ok(Novelty::Again(owner, found.event_id)),
                Some(_) => Err(FireError::KeyReused),
            };
        }
    }

    /// The event that was accepted before, as it is by now.
    pub(super) async fn original(&self, tenant: &TenantId, id: EventId) -> Result<Fired, FireError> {
        let (store, tenant) = (self.store().clone(), tenant.clone());
        let live = blocking(move || Live::load(&store, &tenant, id)).await?;
        live.map(|live| Fired { event: live.event, runs: live.runs, replayed: true }).ok_or(FireError::EventGone(id))
    }

    /// The event that was accepted before, when it has ended or `patience` is over.
    pub(super) async fn original_ended(
        &self,
        (tenant, id): (&TenantId, EventId),
        patience: Duration,
    ) -> Result<Fired, FireError> {
        let deadline = tokio::time::Instant::now() + patience;
        let changes = self.store().changes();
        loop {
            // What changes from here on is not in what is read next.
            let from = changes.next();
            let seen = self.original(tenant, id).await?;
            if seen.event.state.is_terminal() {
                return Ok(seen);
            }
            match tokio::time::timeout_at(deadline, told_of(&changes, from, id)).await {
                Ok(true) => {}
                Ok(false) | Err(_) => return Ok(seen),
            }
        }
    }

    /// Forgets what has expired, now and then. Called with every tick; the work is done beside it.
    pub(super) fn forget_expired(&self, now: Timestamp) {
        let forget_at = &self.claims().forget_at;
        if now.as_ms() < forget_at.load(Ordering::Relaxed) || self.is_stopping() {
            return;
        }
        forget_at.store(now.plus_ms(FORGET_EVERY_MS).as_ms(), Ordering::Relaxed);
        let dispatch = self.clone();
        self.spawn(async move {
            while !dispatch.is_stopping() {
                let store = dispatch.store().clone();
                let expired = match blocking(move || store.expired_once(now, FORGOTTEN_MAX)).await {
                    Ok(expired) => expired,
                    Err(error) => return tracing::warn!(%error, "what has expired could not be looked for"),
                };
                let is_last = expired.len() < FORGOTTEN_MAX;
                let forgetting = Transition::of([Change::ForgetOnce(expired)]);
                if dispatch.hand_in_and_wait(forgetting).await.is_err() || is_last {
                    return;
                }
            }
        });
    }
}

/// Waits until something is told of the event, or notices were missed; false when nothing will be told any more.
async fn told_of(changes: &Changes, mut from: u64, id: EventId) -> bool {
    loop {
        match changes.since(from, NOTICES_MAX).await {
            Watched::Ended => return false,
            Watched::Missed { .. } => return true,
            Watched::Notices { notices, next } => {
                from = next;
                if notices.iter().any(|notice| matches!(notice.subject, Subject::Event(told, _) if told == id)) {
                    return true;
                }
            }
        }
    }
}

/// What to remember of the request that made `event`.
pub(super) fn remembered(event: &Event, once: Once, expires_at: Timestamp) -> Change {
    let (owner_id, Once { key, request }) = (event.owner_id.clone(), once);
    Change::RememberOnce(Arc::new(AcceptedOnce { owner_id, key, request, event_id: event.id, expires_at }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn a_key_is_claimed_by_one_and_the_others_are_told_when_it_lets_go() {
        let claims = Claims::default();
        let key = |tenant: &str, name: &str| (tenant.parse().unwrap(), OnceKey::of("test", &[name]));
        let first = claims.claim(key("a", "k")).unwrap();
        let mut waiting = claims.claim(key("a", "k")).unwrap_err();
        assert!(waiting.changed().now_or_never().is_none(), "it is still claimed");
        drop(claims.claim(key("b", "k")).unwrap());
        drop(claims.claim(key("a", "l")).unwrap());
        drop(first);
        assert!(waiting.changed().now_or_never().is_some_and(|told| told.is_err()));
        drop(claims.claim(key("a", "k")).unwrap());
        assert!(claims.claimed.lock().unwrap().is_empty(), "nothing stays claimed");
    }
}
