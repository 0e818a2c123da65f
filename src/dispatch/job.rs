//! One event on its way through its plan.

use super::capacity::Profile;
use super::family::Family;
use super::worker::Permit;
use crate::domain::{EntryName, Event, EventId, Run, TenantId};
use crate::store::Change;
use std::sync::Arc;
use tokio::sync::oneshot;

/// An event in memory with all of its runs, in the order of the plan.
#[derive(Clone, Debug)]
pub(super) struct Live {
    pub(super) event: Arc<Event>,
    pub(super) runs: Vec<Arc<Run>>,
    /// Of an event of a chain: those it is counted with.
    pub(super) family: Option<Arc<Family>>,
}

/// What waits for a permit or for its time: an event, of which the run that is next is chosen when its turn comes.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) tenant: TenantId,
    pub(super) event_id: EventId,
    /// What all of its runs run under, as they name it.
    pub(super) sink_type: Option<EntryName>,
    /// What that counts as; set when it is offered.
    pub(super) profile: Profile,
    /// `None` when it is to be read from the store: a long queue holds ids, not payloads.
    pub(super) live: Option<Box<Live>>,
    /// Who waits for the end of the event.
    pub(super) waiter: Option<oneshot::Sender<Live>>,
    /// Whether its start must be on the disk before the guest runs. Set for what an earlier process left behind: should
    /// it be what took that process down, its interruptions are counted and it does not do so for ever.
    pub(super) durable_start: bool,
    /// Who waits for the permit alone, to try an action out: then there is no event to be carried on.
    pub(super) trial: Option<oneshot::Sender<Permit>>,
}

impl Live {
    /// The event and those of its runs that changed.
    pub(super) fn changes(&self, places: &[usize]) -> Vec<Change> {
        let mut changes = Vec::with_capacity(places.len() + 2);
        changes.extend(places.iter().map(|place| Change::Run(Arc::clone(&self.runs[*place]))));
        changes.push(Change::Event(Arc::clone(&self.event)));
        changes
    }
}

impl Job {
    pub(super) fn new(live: Live, waiter: Option<oneshot::Sender<Live>>) -> Job {
        Job {
            tenant: live.event.owner_id.clone(),
            event_id: live.event.id,
            sink_type: live.runs.first().and_then(|run| run.sink_type.clone()),
            profile: None,
            live: Some(Box::new(live)),
            waiter,
            durable_start: false,
            trial: None,
        }
    }

    /// One that is in the store only, from an earlier process or dropped by this one.
    pub(super) fn stored(tenant: TenantId, event_id: EventId, sink_type: Option<EntryName>) -> Job {
        Job { tenant, event_id, sink_type, profile: None, live: None, waiter: None, durable_start: true, trial: None }
    }
}
