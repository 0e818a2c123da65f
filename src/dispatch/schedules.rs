//! What schedules fire, and when (DESIGN §3.10).
//!
//! An event and the next time of the schedule that fired it are one transition, which expects the time that it fires
//! for: whatever happens around it, a time is fired for once. What was missed is fired for once, late.

use super::accept::{Accepted, Fire, accepting};
use super::scheduler::Dispatch;
use super::timing::first_after;
use crate::domain::{Cause, Firing, Flow, Origin, Schedule, ScheduleId, Timestamp};
use crate::store::{Catalogue, Change, CommitError, Expectation, Transition};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// Schedules that are being fired at once; the others that are due wait for them.
const FIRING_MAX: usize = 256;

/// The schedules whose firing is on its way to the disk.
#[derive(Debug, Default)]
pub(super) struct FiringNow(Mutex<HashSet<ScheduleId>>);

impl FiringNow {
    fn lock(&self) -> MutexGuard<'_, HashSet<ScheduleId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Dispatch {
    /// Fires what is due, and says when the next is.
    pub(super) fn fire_schedules(&self, now: Timestamp) -> Option<Timestamp> {
        if self.is_stopping() || self.store().is_broken() {
            return None;
        }
        let catalogue = self.store().catalogue();
        let (due, next) = self.due(&catalogue, now);
        for (at, schedule) in due {
            self.fire_schedule(&catalogue, &schedule, at, now);
        }
        next
    }

    /// What is due and not being fired yet, and when the next is due that is not.
    fn due(&self, catalogue: &Catalogue, now: Timestamp) -> (Vec<(Timestamp, Arc<Schedule>)>, Option<Timestamp>) {
        let mut firing = self.shared.firing.lock();
        let mut due = Vec::new();
        for (at, schedule) in catalogue.schedules_by_time() {
            if at > now {
                return (due, Some(at));
            }
            // The end of a firing is followed by another look.
            if firing.len() >= FIRING_MAX {
                break;
            }
            // With a full queue it stays due, and fires late.
            if !firing.contains(&schedule.header.id) && self.check_queue(&schedule.header.owner_id).is_ok() {
                firing.insert(schedule.header.id);
                due.push((at, Arc::clone(schedule)));
            }
        }
        (due, None)
    }

    fn fire_schedule(&self, catalogue: &Catalogue, schedule: &Schedule, due_at: Timestamp, now: Timestamp) {
        let (id, version) = (schedule.header.id, schedule.header.version);
        let next_at = first_after(&schedule.timing, now).unwrap_or_else(|error| {
            tracing::error!(schedule.id = %id, %error, "a schedule is understood no more; it fires a last time");
            None
        });
        let mut fired = Schedule { next_at, ..schedule.clone() };
        let raised = self.raise_for(catalogue, schedule, due_at, now);
        let mut transition = Transition::default();
        if let Some(Accepted { live, children, .. }) = &raised {
            transition = accepting(live, children);
            fired.last = Some(Firing { at: now, event_id: live.event.id });
        }
        transition.changes.push(Change::Put(fired.into()));
        let (sender, committed) = oneshot::channel();
        let transition = transition.expecting(Expectation::Unfired(id, version, Some(due_at)));
        self.store().submit(transition, Some(Box::new(move |result| drop(sender.send(result)))));
        let dispatch = self.clone();
        self.spawn(async move {
            match committed.await {
                Ok(Ok(())) => {
                    if let Some(Accepted { live, next, children }) = raised {
                        dispatch.go_on(live, next, None);
                        dispatch.go_on_with(children);
                    }
                }
                // Somebody changed or deleted it meanwhile: what it is now says when it fires.
                Ok(Err(CommitError::Conflict(conflict))) => tracing::debug!(schedule.id = %id, %conflict, "not fired"),
                // The store has said so.
                Ok(Err(CommitError::Broken(_))) | Err(_) => {}
            }
            dispatch.shared.firing.lock().remove(&id);
            dispatch.look_again();
        });
    }

    /// The event of a schedule; `None` when its event type is gone, which no enabled schedule's should be.
    fn raise_for(
        &self,
        catalogue: &Catalogue,
        schedule: &Schedule,
        due_at: Timestamp,
        now: Timestamp,
    ) -> Option<Accepted> {
        let (id, tenant) = (schedule.header.id, schedule.header.owner_id.clone());
        let Some(event_type) = catalogue.event_type_named(&tenant, &schedule.event_type) else {
            tracing::error!(schedule.id = %id, "a schedule's event type is gone; it fires nothing");
            return None;
        };
        let fire = Fire {
            event_type: schedule.event_type.clone(),
            object: schedule.object.clone(),
            flow: Flow::default(),
            payload: schedule.payload.clone(),
            run_at: None,
            tenant,
            origin: Origin::Schedule,
            cause: Some(Cause::Schedule { id, due_at }),
            created_by: schedule.header.name.to_string(),
        };
        Some(self.raise(catalogue, event_type, fire, now))
    }
}
