//! Taking an event in: check, plan, commit, and only then answer.

use super::chain::Child;
use super::job::{Job, Live};
use super::once::{Claim, Novelty, remembered};
use super::payload_schema::Violation;
use super::producer::Producer;
use super::resolve::{FanOut, owner_of, plan};
use super::scheduler::Dispatch;
use super::settle::Next;
use crate::domain::{
    Cause, Event, EventId, EventType, EventTypeName, FAN_OUT_MAX, Flow, Json, ObjectRef, Once, Origin, Run, Sameness,
    State, TenantId, Timestamp,
};
use crate::store::{Change, CommitError, ReadError, Transition};
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
    /// By what it is compared with what is in flight; `None` when it runs whatever else does.
    pub sameness: Option<Sameness>,
    /// By what it is the same request as an earlier one, which is answered again then.
    pub once: Option<Once>,
    /// None of its runs starts before; what is past puts nothing off.
    pub run_at: Option<Timestamp>,
    pub tenant: TenantId,
    pub origin: Origin,
    /// What it goes back to, when that is not the caller.
    pub cause: Option<Cause>,
    pub by: Producer,
    /// Who fires, for the record.
    pub created_by: String,
}

/// An event that was accepted: it is on the disk.
#[derive(Clone, Debug)]
pub struct Fired {
    pub event: Arc<Event>,
    pub runs: Vec<Arc<Run>>,
    /// Whether an earlier request made it, of which this is a repetition.
    pub replayed: bool,
}

impl Fired {
    fn first(live: &Live) -> Fired {
        Fired { event: Arc::clone(&live.event), runs: live.runs.clone(), replayed: false }
    }
}

/// Why an event was not accepted. Nothing of it was kept.
#[derive(Debug, thiserror::Error)]
pub enum FireError {
    #[error("there is no event type `{0}`")]
    NoSuchEventType(EventTypeName),
    #[error("{0}")]
    SourceType(String),
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
    #[error("this key was used for another request; a repetition says the same, another request has another key")]
    KeyReused,
    #[error("this request was accepted before, and its event {0} is not kept any more")]
    EventGone(EventId),
    #[error("the server is shutting down")]
    ShuttingDown,
    #[error(transparent)]
    Store(#[from] CommitError),
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// What comes of a fire.
enum Taken {
    First(Accepted, Committed),
    /// It made this event of this tenant before.
    Again(TenantId, EventId),
}

/// What is to be committed at once.
pub(super) struct Accepted {
    pub(super) live: Live,
    pub(super) next: Next,
    pub(super) children: Vec<Child>,
}

impl Dispatch {
    /// Accepts an event and answers when it is on the disk; its runs may have begun by then.
    ///
    /// # Errors
    /// See [`FireError`].
    pub async fn fire(&self, fire: Fire) -> Result<Fired, FireError> {
        let (Accepted { live, next, children }, committed) = match self.take_in(fire).await? {
            Taken::Again(tenant, id) => return self.original(&tenant, id).await,
            Taken::First(accepted, committed) => (accepted, committed),
        };
        let fired = Fired::first(&live);
        self.go_on(live, next, None);
        self.go_on_with(children);
        kept(committed).await?;
        Ok(fired)
    }

    /// Accepts an event and answers when it has ended and that is on the disk, or after `patience`, when it goes on alone.
    ///
    /// # Errors
    /// See [`FireError`].
    pub async fn fire_and_wait(&self, fire: Fire, patience: Duration) -> Result<Fired, FireError> {
        // Commits keep their order: when the end is on the disk, the beginning is.
        let (Accepted { live, next, children }, committed) = match self.take_in(fire).await? {
            Taken::Again(tenant, id) => return self.original_ended((&tenant, id), patience).await,
            Taken::First(accepted, committed) => (accepted, committed),
        };
        self.go_on_with(children);
        let fired = Fired::first(&live);
        if next == Next::Nothing {
            kept(committed).await?;
            return Ok(fired);
        }
        let (waiter, ended) = oneshot::channel();
        self.go_on(live, next, Some(waiter));
        match tokio::time::timeout(patience, ended).await {
            Ok(Ok(live)) => Ok(Fired::first(&live)),
            // Out of patience, or whoever carried the event is gone: say what is certain.
            Ok(Err(_)) | Err(_) => {
                kept(committed).await?;
                Ok(fired)
            }
        }
    }

    /// Accepts an event, unless the same request was accepted before.
    async fn take_in(&self, fire: Fire) -> Result<Taken, FireError> {
        let claim = match fire.once {
            None => None,
            Some(once) => match self.look_up(self.owner_of(&fire)?, once).await? {
                Novelty::First(claim) => Some(claim),
                Novelty::Again(tenant, id) => return Ok(Taken::Again(tenant, id)),
            },
        };
        self.accept(fire, claim).map(|(accepted, committed)| Taken::First(accepted, committed))
    }

    /// Whose event it will be. Who may not fire it is told so and learns nothing of what was fired before.
    fn owner_of(&self, fire: &Fire) -> Result<TenantId, FireError> {
        let catalogue = self.store().catalogue();
        let event_type = catalogue.event_type_named(&fire.tenant, &fire.event_type);
        let event_type = event_type.ok_or_else(|| FireError::NoSuchEventType(fire.event_type.clone()))?;
        fire.by.check_may_fire(event_type)?;
        Ok(owner_of(event_type, &fire.tenant))
    }

    /// Checks, plans, reserves and hands in.
    fn accept(&self, mut fire: Fire, claim: Option<Claim>) -> Result<(Accepted, Committed), FireError> {
        if self.is_stopping() {
            return Err(FireError::ShuttingDown);
        }
        let catalogue = self.store().catalogue();
        let Some(event_type) = catalogue.event_type_named(&fire.tenant, &fire.event_type) else {
            return Err(FireError::NoSuchEventType(fire.event_type));
        };
        fire.by.check_may_fire(event_type)?;
        if !event_type.enabled {
            return Err(FireError::Disabled(event_type.display_name.clone()));
        }
        let violations = self.payload_violations(event_type, &fire.payload);
        if !violations.is_empty() {
            return Err(FireError::PayloadInvalid(violations));
        }
        let owner = owner_of(event_type, &fire.tenant);
        self.check_queue(&owner)?;
        let (now, sameness, once) = (self.now(), fire.sameness.take(), fire.once);
        let event = new_event(EventId::new(self.ids(), now), event_type, owner, fire, now);
        let planned = plan(&catalogue, event_type, &event, self.ids(), sameness.as_ref());
        let planned = planned.map_err(|FanOut| FireError::FanOut)?;
        let expires_at = now.plus_ms(event_type.dedup_window_s.as_ms());
        let complete = |mut accepting: Transition, live: &Live| {
            accepting.changes.extend(once.map(|once| remembered(&live.event, once, expires_at)));
            accepting
        };
        Ok(self.reserve_and_hand_in(event, Ok(planned.runs), complete, claim))
    }

    /// Hands the event to whoever carries it on.
    pub(super) fn go_on(&self, live: Live, next: Next, waiter: Option<oneshot::Sender<Live>>) {
        if next != Next::Nothing {
            self.take_up(Job::new(live, waiter), next);
        }
    }

    pub(super) fn take_up(&self, job: Job, next: Next) {
        match next {
            Next::Run(_) => self.offer(job),
            Next::Wait(_, due) => self.wait_until(due, job),
            Next::Nothing => {}
        }
    }
}

/// Tells when a transition is on the disk, or why not.
pub(super) type Committed = oneshot::Receiver<Result<(), CommitError>>;

pub(super) async fn kept(committed: Committed) -> Result<(), CommitError> {
    committed.await.unwrap_or_else(|_| Err(CommitError::Broken("its writer has ended".into())))
}

pub(super) fn accepting(live: &Live, children: &[Child]) -> Transition {
    let runs = live.runs.iter().map(|run| Change::Run(Arc::clone(run)));
    let accepted = std::iter::once(Change::Event(Arc::clone(&live.event))).chain(runs);
    Transition::of(accepted.chain(children.iter().flat_map(Child::changes)))
}

pub(super) fn new_event(id: EventId, event_type: &EventType, owner_id: TenantId, fire: Fire, now: Timestamp) -> Event {
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
        cause: fire.cause,
        state: State::Queued,
        reason: None,
        message: String::new(),
        parent_id: None,
        root_id: id,
        depth: 0,
        lineage: None,
        source_id: fire.by.source_id(),
        created_by: fire.created_by,
        created_at: now,
        started_at: None,
        ended_at: None,
        runs: Vec::new(),
    }
}
