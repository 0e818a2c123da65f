//! What schedules fire, and when (DESIGN §3.10).
//!
//! An event and the next time of the schedule that fired it are one transition, which expects the time that it fires
//! for: whatever happens around it, a time is fired for once. What was missed is fired for once, late.

use super::accept::{Accepted, Committed, Fire, new_event};
use super::job::Live;
use super::producer::Producer;
use super::raise::plan_or_refuse;
use super::reservations::{Asking, Unsure};
use super::resolve::owner_of;
use super::scheduler::Dispatch;
use super::timing::first_after;
use crate::domain::{Cause, EventId, Firing, Flow, Origin, Sameness, Schedule, ScheduleId, Timestamp};
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
            if !firing.contains(&schedule.header.id) && self.check_queue(catalogue, &schedule.header.owner_id).is_ok() {
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
        let fired = Schedule { next_at, ..schedule.clone() };
        let unfired = Expectation::Unfired(id, version, Some(due_at));
        let raised = self.raise_for(catalogue, fired, (due_at, now), unfired);
        let dispatch = self.clone();
        self.spawn(async move {
            let (accepted, committed) = match raised {
                Ok(raised) => raised,
                Err(unsure) => {
                    drop(unsure.decided().await);
                    return dispatch.fired(id);
                }
            };
            match committed.await {
                Ok(Ok(())) => {
                    if let Some(Accepted { live, next, children }) = accepted {
                        dispatch.go_on(live, next, None);
                        dispatch.go_on_with(children);
                    }
                }
                // Somebody changed or deleted it meanwhile: what it is now says when it fires.
                Ok(Err(CommitError::Conflict(conflict))) => {
                    tracing::debug!(schedule.id = %id, %conflict, "not fired");
                }
                // The store has said so.
                Ok(Err(CommitError::Broken(_))) | Err(_) => {}
            }
            dispatch.fired(id);
        });
    }

    /// Lets a schedule be fired again when it is due.
    fn fired(&self, id: ScheduleId) {
        self.shared.firing.lock().remove(&id);
        self.look_again();
    }

    /// Hands in the event of a schedule with the schedule as it is once it has fired. No event when its event type is
    /// gone, which no enabled schedule's should be; one that cannot be planned has ended for that reason.
    ///
    /// # Errors
    /// Another's firing, which may be the same, is on its way: this is to be fired after it.
    fn raise_for(
        &self,
        catalogue: &Catalogue,
        mut fired: Schedule,
        (due_at, now): (Timestamp, Timestamp),
        unfired: Expectation,
    ) -> Result<(Option<Accepted>, Committed), Box<Unsure>> {
        let (id, tenant) = (fired.header.id, fired.header.owner_id.clone());
        let Some(event_type) = catalogue.event_type_named(&tenant, &fired.event_type) else {
            tracing::error!(schedule.id = %id, "a schedule's event type is gone; it fires nothing");
            let (sender, committed) = oneshot::channel();
            let transition = Transition::of([Change::Put(fired.into())]).expecting(unfired);
            self.hand_in(transition, Some(Box::new(move |result| drop(sender.send(result)))));
            return Ok((None, committed));
        };
        let fire = Fire {
            event_type: fired.event_type.clone(),
            object: fired.object.clone(),
            flow: Flow::default(),
            payload: fired.payload.clone(),
            sameness: None,
            once: None,
            cloudevent: None,
            run_at: None,
            tenant,
            origin: Origin::Schedule,
            cause: Some(Cause::Schedule { id, due_at }),
            by: Producer::Exempt,
            created_by: fired.header.name.to_string(),
        };
        let owner = owner_of(event_type, &fire.tenant);
        let event = new_event(EventId::new(self.ids(), now), event_type, owner, fire, now);
        // What it fired before may be at work still: then there is no need for more of the same.
        let sameness = Sameness::Content;
        let schemas = self.payload_schemas();
        let planned = plan_or_refuse(catalogue, schemas, self.ids(), (event_type, &event, Some(&sameness)));
        let complete = |mut accepting: Transition, live: &Live| {
            fired.last = Some(Firing { at: now, event_id: live.event.id });
            accepting.changes.push(Change::Put(fired.into()));
            accepting.expecting(unfired)
        };
        let (accepted, committed) = self.reserve_and_hand_in(Asking::begin(event, planned, None), complete)?;
        Ok((Some(accepted), committed))
    }
}
