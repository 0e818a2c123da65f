//! How long the history is kept: for a while after the end of an event, then it is forgotten (DESIGN §3.11).
//!
//! Ids are in the order in which events were made, so what is old enough to be forgotten is found from the oldest on, up
//! to what was made too late to have ended long ago. What was passed there and has to stay is not looked at again before
//! it can be old enough: an event that has not ended yet is kept for the whole time from now on, at least.
//!
//! What one request was accepted once for is forgotten by itself (`once.rs`).

use super::scheduler::Dispatch;
use super::worker::blocking;
use crate::domain::{EventId, TenantId, Timestamp};
use crate::store::{Change, CommitError, Forget, ReadError, Seen, Transition};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

const DAY_MS: u64 = 86_400_000;
/// Between two looks for what is old.
const EVERY_MS: u64 = 60_000;
/// Events looked at in one reading.
const LOOKED_AT: usize = 1_000;
/// Events, and runs of them, that one transition forgets; one event may have more runs.
const EVENTS_AT_ONCE: usize = 100;
const RUNS_AT_ONCE: usize = 400;
/// Events of one tenant that are known to become old later. What is beyond is found by walking again.
const LATER_MAX: usize = 10_000;
/// How much longer than a transition took the pause behind it is: everybody else's come first, and a writer that has
/// much to do is asked less often.
const PAUSE_FACTOR: u32 = 4;
/// Entries of the audit log that one transition takes away.
const AUDIT_AT_ONCE: usize = 500;
/// Values of actions that have expired, likewise.
const VALUES_AT_ONCE: usize = 500;

/// How long history is kept.
#[derive(Clone, Copy, Debug)]
pub struct Keep {
    /// An event with its runs and logs, after its end.
    pub history_ms: u64,
    /// An entry of the audit log.
    pub audit_ms: u64,
}

impl Keep {
    /// Bounds of either, in days.
    pub const DAYS_MIN: u32 = 1;
    pub const DAYS_MAX: u32 = 3_650;

    pub fn days(history: u32, audit: u32) -> Keep {
        let ms = |days: u32| u64::from(days) * DAY_MS;
        Keep { history_ms: ms(history), audit_ms: ms(audit) }
    }
}

/// Where the search for what is old stands.
#[derive(Debug, Default)]
pub(super) struct Retention {
    state: Mutex<State>,
    /// Everything that was old at this time is forgotten.
    up_to: watch::Sender<Option<Timestamp>>,
}

#[derive(Debug, Default)]
struct State {
    /// How far it got, by tenant; taken out while a search is under way.
    places: Option<HashMap<TenantId, Place>>,
    is_searching: bool,
    next_at: Option<Timestamp>,
}

/// How far one tenant's history was looked through.
#[derive(Debug, Default)]
struct Place {
    /// The time for which it was looked through; with another one everything is another question.
    keep_ms: u64,
    after: Option<EventId>,
    /// What was passed, with the first time at which it can be old.
    later: BTreeSet<(Timestamp, EventId)>,
    /// When to walk from the oldest again, for what found no room in `later`.
    again_at: Option<Timestamp>,
}

#[derive(Debug, thiserror::Error)]
enum SearchError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Commit(#[from] CommitError),
    #[error("the server is shutting down")]
    Stopping,
}

impl Retention {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Dispatch {
    /// Tells up to which time everything that was old is forgotten.
    pub fn forgotten_up_to(&self) -> watch::Receiver<Option<Timestamp>> {
        self.shared.retention.up_to.subscribe()
    }

    /// Begins to forget what is old at `now`, if it is time to look and nobody does.
    pub(super) fn forget_old(&self, now: Timestamp) {
        let mut state = self.shared.retention.lock();
        let is_time = state.next_at.is_none_or(|next| next <= now);
        if state.is_searching || !is_time || self.is_stopping() || self.store().is_broken() {
            return;
        }
        (state.is_searching, state.next_at) = (true, Some(now.plus_ms(EVERY_MS)));
        let mut places = state.places.take().unwrap_or_default();
        drop(state);
        let dispatch = self.clone();
        self.spawn(async move {
            let searched = dispatch.search(&mut places, now).await;
            let mut state = dispatch.shared.retention.lock();
            state.is_searching = false;
            match searched {
                Ok(()) => {
                    state.places = Some(places);
                    drop(state);
                    dispatch.shared.retention.up_to.send_replace(Some(now));
                }
                Err(SearchError::Stopping) => {}
                // From the oldest on next time.
                Err(error) => tracing::warn!(%error, "old history could not be forgotten; it is tried again"),
            }
        });
    }

    async fn search(&self, places: &mut HashMap<TenantId, Place>, now: Timestamp) -> Result<(), SearchError> {
        let store = self.store().clone();
        let tenants = blocking(move || store.history_tenants()).await?;
        places.retain(|tenant, _| tenants.contains(tenant));
        for tenant in tenants {
            let place = places.entry(tenant.clone()).or_default();
            self.search_tenant(&tenant, place, (now, self.keep_ms(&tenant))).await?;
        }
        let kept_from = back(now, self.shared.config.keep.audit_ms);
        while self.store().prune_audit(kept_from, AUDIT_AT_ONCE).await? == AUDIT_AT_ONCE {
            self.pause(Duration::from_millis(1)).await?;
        }
        self.forget_values(now).await
    }

    /// Removes the values of actions that have expired; they have counted as not there since.
    async fn forget_values(&self, now: Timestamp) -> Result<(), SearchError> {
        loop {
            let store = self.store().clone();
            let expired = blocking(move || store.expired_values(now, VALUES_AT_ONCE)).await?;
            let found = expired.len();
            if found > 0 {
                self.hand_in_and_wait(Transition::of([Change::ForgetValues(expired)])).await?;
            }
            if found < VALUES_AT_ONCE {
                return Ok(());
            }
            self.pause(Duration::from_millis(1)).await?;
        }
    }

    /// How long the history of a tenant is kept.
    fn keep_ms(&self, tenant: &TenantId) -> u64 {
        let own = self.store().catalogue().tenant(tenant).and_then(|record| record.retention_days);
        own.map_or(self.shared.config.keep.history_ms, |days| u64::from(days) * DAY_MS)
    }

    async fn search_tenant(
        &self,
        tenant: &TenantId,
        place: &mut Place,
        (now, keep_ms): (Timestamp, u64),
    ) -> Result<(), SearchError> {
        if place.keep_ms != keep_ms || place.again_at.is_some_and(|at| at <= now) {
            *place = Place { keep_ms, ..Place::default() };
        }
        loop {
            let ids = place.take_due(now);
            if ids.is_empty() {
                break;
            }
            let (store, of) = (self.store().clone(), tenant.clone());
            let seen = blocking(move || store.look_at(&of, &ids)).await?;
            self.pass(tenant, place, &seen, (now, keep_ms)).await?;
        }
        // What was made later cannot have ended by then.
        let before = EventId::first_at(back(now, keep_ms).plus_ms(1));
        loop {
            let (store, of, after) = (self.store().clone(), tenant.clone(), place.after);
            let seen = blocking(move || store.look_at_oldest(&of, (after, before), LOOKED_AT)).await?;
            self.pass(tenant, place, &seen, (now, keep_ms)).await?;
            match seen.last() {
                Some(last) => place.after = Some(last.id),
                None => return Ok(()),
            }
        }
    }

    /// Forgets those that are old, and notes when the others can be.
    async fn pass(
        &self,
        tenant: &TenantId,
        place: &mut Place,
        seen: &[Seen],
        (now, keep_ms): (Timestamp, u64),
    ) -> Result<(), SearchError> {
        let ended_by = back(now, keep_ms);
        let (old, young): (Vec<Seen>, Vec<Seen>) =
            seen.iter().partition(|seen| seen.ended_at.is_some_and(|ended| ended <= ended_by));
        for seen in young {
            place.note(seen.id, seen.ended_at.unwrap_or(now).plus_ms(keep_ms));
        }
        for events in portions(&old) {
            let forget = Forget { tenant: tenant.clone(), events, ended_by };
            let begun = Instant::now();
            self.hand_in_and_wait(Transition::of([Change::Forget(forget)])).await?;
            self.pause(begun.elapsed() * PAUSE_FACTOR).await?;
        }
        Ok(())
    }

    async fn pause(&self, pause: Duration) -> Result<(), SearchError> {
        tokio::select! {
            () = tokio::time::sleep(pause) => Ok(()),
            () = self.shared.stopping.cancelled() => Err(SearchError::Stopping),
        }
    }
}

impl Place {
    /// Takes some of those out that can be old now.
    fn take_due(&mut self, now: Timestamp) -> Vec<EventId> {
        let mut due = Vec::new();
        while due.len() < LOOKED_AT
            && let Some((at, id)) = self.later.first().copied()
            && at <= now
        {
            self.later.pop_first();
            due.push(id);
        }
        due
    }

    /// The last of too many is left to another walk.
    fn note(&mut self, id: EventId, at: Timestamp) {
        self.later.insert((at, id));
        if self.later.len() > LATER_MAX
            && let Some((at, _)) = self.later.pop_last()
        {
            self.again_at = Some(self.again_at.map_or(at, |again| again.min(at)));
        }
    }
}

/// What goes in one transition each.
fn portions(old: &[Seen]) -> Vec<Vec<EventId>> {
    let mut portions: Vec<(usize, Vec<EventId>)> = Vec::new();
    for seen in old {
        let fits = |(runs, events): &(usize, Vec<EventId>)| {
            events.len() < EVENTS_AT_ONCE && runs.saturating_add(seen.runs) <= RUNS_AT_ONCE
        };
        match portions.last_mut().filter(|portion| fits(portion)) {
            Some((runs, events)) => {
                *runs += seen.runs;
                events.push(seen.id);
            }
            None => portions.push((seen.runs, vec![seen.id])),
        }
    }
    portions.into_iter().map(|(_, events)| events).collect()
}

fn back(now: Timestamp, ms: u64) -> Timestamp {
    Timestamp::from_ms(now.as_ms().saturating_sub_unsigned(ms))
}
