//! Running again what has ended (DESIGN §3.8): a new event by today's catalogue, which points at the old one.

use super::accept::{Committed, Fire, FireError, Fired, kept};
use super::producer::Producer;
use super::scheduler::Dispatch;
use crate::domain::{Cause, Event, Json, Origin, Run};
use crate::store::CommitError;

/// What is to run again.
#[derive(Clone, Debug)]
pub struct Replay {
    pub event: Event,
    /// Only this run of it.
    pub run: Option<Run>,
    /// Another payload than the event had.
    pub payload: Option<Json>,
    /// Who wants it, for the record.
    pub created_by: String,
}

#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("it has not ended yet")]
    NotEnded,
    #[error("there is no event type `{0}` any more")]
    EventTypeGone(String),
    #[error(transparent)]
    Fire(#[from] FireError),
}

impl ReplayError {
    /// Whether the same may be accepted a little later.
    pub fn is_of_the_moment(&self) -> bool {
        use FireError::{QueueFull, Quota, ShuttingDown, Store};
        matches!(self, ReplayError::Fire(QueueFull { .. } | Quota(..) | ShuttingDown | Store(_)))
    }
}

/// A replay that was accepted and is on its way to the disk.
#[derive(Debug)]
pub struct Replaying {
    fired: Fired,
    committed: Committed,
}

impl Replaying {
    /// Waits until it is on the disk.
    ///
    /// # Errors
    /// The disk failed.
    pub async fn done(self) -> Result<Fired, CommitError> {
        kept(self.committed).await?;
        Ok(self.fired)
    }
}

impl Dispatch {
    /// Accepts a replay; those that are accepted one after the other run in that order. Nothing is compared with what is
    /// in flight, and no source type is asked: whoever may replay means it.
    ///
    /// # Errors
    /// See [`ReplayError`].
    pub fn replay(&self, replay: Replay) -> Result<Replaying, ReplayError> {
        let Replay { event, run, payload, created_by } = replay;
        if !run.as_ref().map_or(event.state, |run| run.state).is_terminal() {
            return Err(ReplayError::NotEnded);
        }
        let catalogue = self.store().catalogue();
        let gone = || ReplayError::EventTypeGone(event.event_type.clone());
        // By its id it is found under a new name, by its name when it was made anew.
        let again = || catalogue.event_type_named(&event.owner_id, &event.event_type.parse().ok()?);
        let event_type = catalogue.event_type(event.event_type_id).or_else(again).ok_or_else(gone)?;
        let fire = Fire {
            event_type: event_type.display_name.clone(),
            object: event.object,
            flow: event.flow,
            payload: payload.unwrap_or(event.payload),
            sameness: None,
            once: None,
            cloudevent: None,
            run_at: None,
            tenant: event.owner_id,
            origin: Origin::Replay,
            cause: Some(Cause::Replay { event: event.id, run: run.as_ref().map(|run| run.id) }),
            by: Producer::Exempt,
            created_by,
        };
        let only = run.map(|run| (run.action_id, run.attachment_id));
        let (accepted, committed) = self.accept_as(&catalogue, event_type, fire, only)?;
        let fired = Fired::first(&accepted.live);
        self.go_on(accepted.live, accepted.next, None);
        self.go_on_with(accepted.children);
        Ok(Replaying { fired, committed })
    }
}
