//! Events that are stored whatever becomes of them: nobody is there to be told that one was refused.

use super::accept::{Fire, new_event};
use super::job::Live;
use super::payload_schema::Violation;
use super::resolve::{FanOut, owner_of, plan};
use super::scheduler::Dispatch;
use super::settle::{Next, refuse, settle};
use crate::domain::{EventId, EventType, Json, Reason, Run, Timestamp};
use crate::store::{Catalogue, Change, Transition};
use std::sync::Arc;

impl Dispatch {
    /// Plans an event; one that cannot be planned has ended for that reason.
    pub(super) fn raise(
        &self,
        catalogue: &Catalogue,
        event_type: &EventType,
        fire: Fire,
        now: Timestamp,
    ) -> (Live, Next) {
        let owner = owner_of(event_type, &fire.tenant);
        let mut event = new_event(EventId::new(self.ids(), now), event_type, owner, fire, now);
        let planned = match self.unfit(event_type, &event.payload) {
            Some(why) => Err(why),
            None => plan(catalogue, event_type, &event, self.ids())
                .map_err(|error: FanOut| (Reason::FanoutLimit, error.to_string())),
        };
        let runs: Vec<Run> = match planned {
            Ok(plan) => plan.runs,
            Err((reason, message)) => {
                refuse(&mut event, reason, message, now);
                return (Live { event: Arc::new(event), runs: Vec::new() }, Next::Nothing);
            }
        };
        event.runs = runs.iter().map(|run| run.id).collect();
        let mut runs: Vec<Arc<Run>> = runs.into_iter().map(Arc::new).collect();
        let (next, _) = settle(&mut event, &mut runs, now);
        (Live { event: Arc::new(event), runs }, next)
    }

    /// Why an event type does not take this payload now.
    fn unfit(&self, event_type: &EventType, payload: &Json) -> Option<(Reason, String)> {
        if !event_type.enabled {
            return Some((Reason::Disabled, format!("the event type `{}` is disabled", event_type.display_name)));
        }
        let Violation { pointer, message } = self.payload_violations(event_type, payload).into_iter().next()?;
        let place = if pointer.is_empty() { "the payload".to_owned() } else { format!("the payload at {pointer}") };
        Some((Reason::InputInvalid, format!("{place} does not follow the schema of the event type: {message}")))
    }
}

/// The event and all of its runs, as they are.
pub(super) fn storing(live: &Live) -> Transition {
    let runs = live.runs.iter().map(|run| Change::Run(Arc::clone(run)));
    Transition::of(std::iter::once(Change::Event(Arc::clone(&live.event))).chain(runs))
}
