//! Paused event types (DESIGN §3.1): their events are accepted and held, what of them has begun goes on.

use super::job::{Job, Live};
use super::scheduler::Dispatch;
use super::settle::{Next, Standing, choose_begun};
use crate::domain::{EventTypeId, TenantId, Timestamp};
use std::sync::atomic::Ordering;

/// Events that are let go between two looks at what else is to be done.
const LET_GO_AT_ONCE: usize = 1_000;

impl Dispatch {
    /// Holds or lets go the events of a type, as the catalogue says; to be called after it changed. When this returns
    /// nothing of a paused type begins any more.
    pub fn follow_pause(&self, event_type: EventTypeId) {
        let mut desk = self.lock_desk();
        // Read under the lock: of two who changed it the one that comes here last sees what holds.
        let catalogue = self.store().catalogue();
        if catalogue.event_type(event_type).is_some_and(|event_type| event_type.paused) {
            desk.pause(event_type);
            self.shared.any_paused.store(true, Ordering::SeqCst);
            return;
        }
        desk.resume(event_type);
        let is_held_back = desk.is_held_back(event_type);
        drop(desk);
        if is_held_back {
            let dispatch = self.clone();
            self.spawn(async move { dispatch.let_go(event_type).await });
        }
    }

    async fn let_go(&self, event_type: EventTypeId) {
        for count in 1_usize.. {
            if self.is_stopping() {
                return; // What is still held goes on at the next start.
            }
            let Some(put) = self.lock_desk().offer_held(event_type, &self.store().catalogue()) else { return };
            self.see_to(put);
            if count.is_multiple_of(LET_GO_AT_ONCE) {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Events of a paused type, and of a tenant if one is given, that are held; counted up to `most`.
    pub fn held_of(&self, event_type: EventTypeId, tenant: Option<&TenantId>, most: usize) -> usize {
        self.lock_desk().held_of(event_type, tenant, most)
    }

    /// Pauses what the catalogue has as paused when the server starts.
    pub(super) fn recall_pauses(&self) {
        for event_type in self.store().catalogue().event_types().filter(|event_type| event_type.paused) {
            self.lock_desk().pause(event_type.id);
            self.shared.any_paused.store(true, Ordering::SeqCst);
        }
    }

    /// Whether any type is or was paused since the start: else nobody needs to look further.
    pub(super) fn may_hold(&self) -> bool {
        self.shared.any_paused.load(Ordering::SeqCst)
    }

    /// What is next of an event that is about to wait for a permit, given that its type may be paused.
    pub(super) fn hold_back(&self, live: &Live, next: Next) -> Next {
        let held_back = |event_type| self.lock_desk().is_held_back(event_type);
        if self.may_hold() { held(live, next, self.now(), held_back) } else { next }
    }

    /// The same for one that has a permit.
    pub(super) fn call_back(&self, live: &Live, next: Next) -> Next {
        let paused = |event_type| self.lock_desk().is_paused(event_type);
        if self.may_hold() { held(live, next, self.now(), paused) } else { next }
    }

    /// Keeps the job until its type is resumed.
    pub(super) fn hold(&self, event_type: EventTypeId, job: Job) {
        let put = self.lock_desk().hold(event_type, job, &self.store().catalogue());
        self.see_to(put);
    }
}

fn held(live: &Live, next: Next, now: Timestamp, is_held: impl Fn(EventTypeId) -> bool) -> Next {
    let event_type = live.event.event_type_id;
    match next {
        Next::Run(place) if !live.runs[place].has_started() && is_held(event_type) => {
            choose_begun(live.runs.iter().map(|run| Standing::from(&**run)).enumerate(), now, event_type)
        }
        next => next,
    }
}
