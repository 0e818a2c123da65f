//! Taking an event in: check, plan, commit, and only then answer.

use super::chain::Child;
use super::job::{Job, Live};
use super::payload_schema::Violation;
use super::resolve::{FanOut, owner_of, plan};
use super::scheduler::Dispatch;
use super::settle::{Next, settle};
use crate::domain::{
    Event, EventId, EventType, EventTypeName, FAN_OUT_MAX, Flow, Json, ObjectRef, Origin, Run, State, TenantId,
    Timestamp,
};
use crate::store::{Change, CommitError, Transition};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// A wish to fire an event type.
#[derive(Clone, Debug)]
pub struct Fire {
    pub event_type: EventTypeName,
    pub object: Option<ObjectRef>,
    /// Narrows how far the event type lets it reach among the objects.
    pub flow: Flow,
    pub payload: Json,
    /// None of its runs starts before; what is past puts nothing off.
    pub run_at: Option<Timestamp>,
    pub tenant: TenantId,
    pub origin: Origin,
    /// Who fires, for the record.
    pub created_by: String,
}

/// An event that was accepted: it is on the disk.
#[derive(Clone, Debug)]
pub struct Fired {
    pub event: Arc<Event>,
    pub runs: Vec<Arc<Run>>,
}

/// Why an event was not accepted. Nothing of it was kept.
#[derive(Debug, thiserror::Error)]
pub enum FireError {
    #[error("there is no event type `{0}`")]
    NoSuchEventType(EventTypeName),
    #[error("the event type `{0}` is disabled")]
    Disabled(EventTypeName),
    #[error("the payload does not follow the schema of the event type")]
    PayloadInvalid(Vec<Violation>),
    #[error(
        "more than {FAN_OUT_MAX} actions are bound to this event, so none of them runs; narrow it with `flow`, or fire it further down"
    )]
    FanOut,
    #[error("{queued} runs of this tenant wait already; fire again when some are done")]
    QueueFull { queued: usize },
    #[error("the server is shutting down")]
    ShuttingDown,
    #[error(transparent)]
    Store(#[from] CommitError),
}

/// What is to be committed at once.
struct Accepted {
    live: Live,
    next: Next,
    children: Vec<Child>,
}

impl Dispatch {
    /// Accepts an event and answers when it is on the disk; its runs may have begun by then.
    ///
    /// # Errors
    /// See [`FireError`].
    pub async fn fire(&self, fire: Fire) -> Result<Fired, FireError> {
        let Accepted { live, next, children } = self.accept(fire)?;
        let (sender, committed) = oneshot::channel();
        let accepting = accepting(&live, &children);
        self.store().submit(accepting, Some(Box::new(move |result| drop(sender.send(result)))));
        let fired = Fired { event: Arc::clone(&live.event), runs: live.runs.clone() };
        self.go_on(live, next, None);
        self.go_on_with(children);
        committed.await.unwrap_or_else(|_| Err(CommitError::Broken("its writer has ended".into())))?;
        Ok(fired)
    }

    /// Accepts an event and answers when it has ended and that is on the disk, or after `patience`, when it goes on alone.
    ///
    /// # Errors
    /// See [`FireError`].
    pub async fn fire_and_wait(&self, fire: Fire, patience: Duration) -> Result<Fired, FireError> {
        let Accepted { live, next, children } = self.accept(fire)?;
        // Commits keep their order: when the end is on the disk, the beginning is.
        let (accepted, committed) = oneshot::channel();
        let accepting = accepting(&live, &children);
        self.store().submit(accepting, Some(Box::new(move |result| drop(accepted.send(result)))));
        self.go_on_with(children);
        let fired = Fired { event: Arc::clone(&live.event), runs: live.runs.clone() };
        if next == Next::Nothing {
            committed.await.unwrap_or_else(|_| Err(CommitError::Broken("its writer has ended".into())))?;
            return Ok(fired);
        }
        let (waiter, ended) = oneshot::channel();
        self.go_on(live, next, Some(waiter));
        match tokio::time::timeout(patience, ended).await {
            Ok(Ok(live)) => Ok(Fired { event: live.event, runs: live.runs }),
            // Out of patience, or whoever carried the event is gone: say what is certain.
            Ok(Err(_)) | Err(_) => {
                committed.await.unwrap_or_else(|_| Err(CommitError::Broken("its writer has ended".into())))?;
                Ok(fired)
            }
        }
    }

    fn accept(&self, fire: Fire) -> Result<Accepted, FireError> {
        if self.is_stopping() {
            return Err(FireError::ShuttingDown);
        }
        let catalogue = self.store().catalogue();
        let Some(event_type) = catalogue.event_type_named(&fire.tenant, &fire.event_type) else {
            return Err(FireError::NoSuchEventType(fire.event_type));
        };
        if !event_type.enabled {
            return Err(FireError::Disabled(event_type.display_name.clone()));
        }
        let violations = self.payload_schemas().violations(event_type, &fire.payload);
        if !violations.is_empty() {
            return Err(FireError::PayloadInvalid(violations));
        }
        let owner = owner_of(event_type, &fire.tenant);
        self.check_queue(&owner)?;
        let now = self.now();
        let mut event = new_event(EventId::new(self.ids(), now), event_type, owner, fire, now);
        let plan = plan(&catalogue, event_type, &event, self.ids()).map_err(|FanOut| FireError::FanOut)?;
        event.runs = plan.runs.iter().map(|run| run.id).collect();
        let mut runs: Vec<Arc<Run>> = plan.runs.into_iter().map(Arc::new).collect();
        let (next, _) = settle(&mut event, &mut runs, now);
        let mut live = Live { event: Arc::new(event), runs, family: None };
        // Runs that were refused when they were planned have ended.
        let children = self.follow(&mut live, now);
        Ok(Accepted { live, next, children })
    }

    /// Hands the event to whoever carries it on.
    pub(super) fn go_on(&self, live: Live, next: Next, waiter: Option<oneshot::Sender<Live>>) {
        match next {
            Next::Run(_) => self.offer(Job::new(live, waiter)),
            Next::Wait(_, due) => self.wait_until(due, Job::new(live, waiter)),
            Next::Nothing => {}
        }
    }
}

fn accepting(live: &Live, children: &[Child]) -> Transition {
    let runs = live.runs.iter().map(|run| Change::Run(Arc::clone(run)));
    let accepted = std::iter::once(Change::Event(Arc::clone(&live.event))).chain(runs);
    Transition::of(accepted.chain(children.iter().flat_map(Child::changes)))
}

fn new_event(id: EventId, event_type: &EventType, owner_id: TenantId, fire: Fire, now: Timestamp) -> Event {
    Event {
        id,
        owner_id,
        event_type_id: event_type.id,
        event_type: event_type.display_name.to_string(),
        object: fire.object,
        flow: event_type.flow.narrowed(fire.flow),
        payload: fire.payload,
        run_at: fire.run_at,
        origin: fire.origin,
        state: State::Queued,
        reason: None,
        message: String::new(),
        parent_id: None,
        root_id: id,
        depth: 0,
        lineage: None,
        created_by: fire.created_by,
        created_at: now,
        started_at: None,
        ended_at: None,
        runs: Vec::new(),
    }
}
