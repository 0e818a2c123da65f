//! Taking an event in: check, plan, commit, and only then answer.

use super::chain::Child;
use super::job::{Job, Live};
use super::once::{Claim, Novelty, remembered};
use super::payload_schema::Violation;
use super::producer::Producer;
use super::reach::FanOut;
use super::reservations::Asking;
use super::resolve::{owner_of, plan, plan_only};
use super::scheduler::Dispatch;
use super::settle::Next;
use super::unseal::missing_secret;
use crate::domain::{
    ActionId, AttachmentId, Cause, Event, EventId, EventType, EventTypeName, FAN_OUT_MAX, Flow, Json, ObjectRef, Once,
    Origin, QuotaExceeded, Run, Sameness, State, TenantId, Timestamp,
};
use crate::store::{Catalogue, Change, CommitError, ReadError, Transition};
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
    /// The attributes of the CloudEvent that it is.
    pub cloudevent: Option<Json>,
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
    pub(super) fn first(live: &Live) -> Fired {
        Fired { event: Arc::clone(&live.event), runs: live.runs.clone(), replayed: false }
    }
}

/// Why an event was not accepted. Nothing of it was kept.
#[derive(Debug, thiserror::Error)]
pub enum FireError {
    #[error("there is no event type `{0}`")]
    NoSuchEventType(EventTypeName),
    #[error("{message}")]
    SourceType { event_type: EventTypeName, message: String },
    #[error("the event type `{0}` is disabled")]
    Disabled(EventTypeName),
    #[error("the payload does not follow the schema of the event type")]
    PayloadInvalid(Vec<Violation>),
    #[error(
        "more than {FAN_OUT_MAX} actions are bound to this event, or too many objects lead to them, so none of them runs; narrow it with `flow`, or fire it further down"
    )]
    FanOut,
    #[error("what it ran is not bound to such an event any more")]
    NotBound,
    #[error("{queued} runs of this tenant wait already; fire again when some are done")]
    QueueFull { queued: usize },
    #[error("the tenant `{0}` is switched off")]
    TenantDisabled(TenantId),
    /// And in how many seconds to ask again.
    #[error("{0}")]
    Quota(QuotaExceeded, u32),
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
            Taken::Again(tenant, id) => return Box::pin(self.original(&tenant, id)).await,
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
            Taken::Again(tenant, id) => return Box::pin(self.original_ended((&tenant, id), patience)).await,
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

    /// What [`Dispatch::fire`] would do now. Nothing of it is kept, and nothing runs.
    ///
    /// # Errors
    /// The same.
    pub fn foresee(&self, fire: Fire) -> Result<Fired, FireError> {
        let catalogue = self.store().catalogue();
        let (event, planned) = self.plan(&catalogue, event_type_of(&catalogue, &fire)?, fire, None)?;
        let mut live = self.reserve_nothing(event, planned);
        for run in live.runs.iter_mut().filter(|run| !run.state.is_terminal()) {
            if let Some(missing) = missing_secret(&catalogue, run) {
                Arc::make_mut(run).message = missing;
            }
        }
        Ok(Fired::first(&live))
    }

    /// Accepts an event, unless the same request was accepted before.
    async fn take_in(&self, fire: Fire) -> Result<Taken, FireError> {
        let claim = match fire.once {
            None => None,
            // Boxed, as what is seldom needed would make the task of every request larger.
            Some(once) => match Box::pin(self.look_up(self.owner_of(&fire)?, once)).await? {
                Novelty::First(claim) => Some(claim),
                Novelty::Again(tenant, id) => return Ok(Taken::Again(tenant, id)),
            },
        };
        self.accept(fire, claim).await.map(|(accepted, committed)| Taken::First(accepted, committed))
    }

    /// Whose event it will be. Who may not fire it is told so and learns nothing of what was fired before.
    fn owner_of(&self, fire: &Fire) -> Result<TenantId, FireError> {
        let catalogue = self.store().catalogue();
        let event_type = event_type_of(&catalogue, fire)?;
        fire.by.check_may_fire(event_type)?;
        Ok(owner_of(event_type, &fire.tenant))
    }

    /// Accepts events one after the other, each for itself, and answers when all that were accepted are on the disk.
    pub async fn fire_all(&self, fires: Vec<Fire>) -> Vec<Result<Fired, FireError>> {
        let mut begun = Vec::with_capacity(fires.len());
        for fire in fires {
            begun.push(match self.take_in(fire).await {
                Ok(Taken::First(Accepted { live, next, children }, committed)) => {
                    let fired = Fired::first(&live);
                    self.go_on(live, next, None);
                    self.go_on_with(children);
                    Ok((fired, Some(committed)))
                }
                Ok(Taken::Again(tenant, id)) => self.original(&tenant, id).await.map(|fired| (fired, None)),
                Err(error) => Err(error),
            });
        }
        let mut answers = Vec::with_capacity(begun.len());
        for begun in begun {
            answers.push(match begun {
                Ok((fired, Some(committed))) => kept(committed).await.map(|()| fired).map_err(FireError::from),
                Ok((fired, None)) => Ok(fired),
                Err(error) => Err(error),
            });
        }
        answers
    }

    /// Checks, plans, reserves and hands in.
    async fn accept(&self, fire: Fire, claim: Option<Claim>) -> Result<(Accepted, Committed), FireError> {
        let (catalogue, once) = (self.store().catalogue(), fire.once);
        let event_type = event_type_of(&catalogue, &fire)?;
        let (event, planned) = self.plan(&catalogue, event_type, fire, None)?;
        self.count_event(&catalogue, &event.owner_id)?;
        let expires_at = event.created_at.plus_ms(event_type.dedup_window_s.as_ms());
        let complete = |mut accepting: Transition, live: &Live| {
            accepting.changes.extend(once.map(|once| remembered(&live.event, once, expires_at)));
            accepting
        };
        let mut asking = Asking::begin(event, Ok(planned), claim);
        loop {
            match self.reserve_and_hand_in(asking, complete) {
                Ok(accepted) => return Ok(accepted),
                Err(unsure) => asking = unsure.decided().await,
            }
        }
    }

    /// The same of this event type; with `only` of all that it reaches just that binding runs.
    pub(super) fn accept_as(
        &self,
        catalogue: &Catalogue,
        event_type: &EventType,
        fire: Fire,
        only: Option<Only>,
    ) -> Result<(Accepted, Committed), FireError> {
        let (event, planned) = self.plan(catalogue, event_type, fire, only)?;
        self.count_event(catalogue, &event.owner_id)?;
        // What is replayed is nobody's duplicate, and asks for no key.
        Ok(self.hand_in_event(Asking::begin(event, Ok(planned), None), |accepting, _| accepting))
    }

    /// The event that a fire is, and its runs.
    fn plan(
        &self,
        catalogue: &Catalogue,
        event_type: &EventType,
        mut fire: Fire,
        only: Option<Only>,
    ) -> Result<(Event, Vec<Run>), FireError> {
        if self.is_stopping() {
            return Err(FireError::ShuttingDown);
        }
        let owner = owner_of(event_type, &fire.tenant);
        if catalogue.is_switched_off(&owner) {
            return Err(FireError::TenantDisabled(owner));
        }
        fire.by.check_may_fire(event_type)?;
        if !event_type.enabled {
            return Err(FireError::Disabled(event_type.display_name.clone()));
        }
        let violations = self.payload_violations(event_type, &fire.payload);
        if !violations.is_empty() {
            return Err(FireError::PayloadInvalid(violations));
        }
        self.check_queue(catalogue, &owner)?;
        let (now, sameness) = (self.now(), fire.sameness.take());
        let event = new_event(EventId::new(self.ids(), now), event_type, owner, fire, now);
        let planned = match only {
            None => plan(catalogue, event_type, &event, self.ids(), sameness.as_ref()),
            Some(binding) => plan_only(catalogue, event_type, &event, self.ids(), binding),
        };
        let planned = planned.map_err(|FanOut| FireError::FanOut)?;
        if only.is_some() && planned.runs.is_empty() {
            return Err(FireError::NotBound);
        }
        Ok((event, planned.runs))
    }

    /// Hands the event to whoever carries it on.
    pub(super) fn go_on(&self, live: Live, next: Next, waiter: Option<oneshot::Sender<Live>>) {
        let next = self.hold_back(&live, next);
        if next != Next::Nothing {
            self.take_up(Job::new(live, waiter), next);
        }
    }

    pub(super) fn take_up(&self, job: Job, next: Next) {
        match next {
            Next::Run(_) => self.offer(job),
            Next::Wait(_, due) => self.wait_until(due, job),
            Next::Hold(event_type) => self.hold(event_type, job),
            Next::Nothing => {}
        }
    }
}

/// One binding: an action, and the attachment that binds it unless the event type does.
pub(super) type Only = (ActionId, Option<AttachmentId>);

fn event_type_of<'a>(catalogue: &'a Catalogue, fire: &Fire) -> Result<&'a EventType, FireError> {
    let found = catalogue.event_type_named(&fire.tenant, &fire.event_type);
    found.map(|found| &**found).ok_or_else(|| FireError::NoSuchEventType(fire.event_type.clone()))
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
        cloudevent: fire.cloudevent,
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
