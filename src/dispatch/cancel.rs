//! Cancelling events and runs (DESIGN §3.8), wherever they are.
//!
//! An event is in one pair of hands at a time. Who cancels takes it out of where it waits, or tells the worker that has
//! it; either way one of them alone changes it, so a run has one end, and it is answered when that is on the disk.

use super::accept::Fired;
use super::desk::Asked;
use super::job::{Job, Live};
use super::scheduler::Dispatch;
use super::settle::{Next, Target, cancel, settle};
use super::worker::{WorkError, blocking};
use crate::domain::{EventId, TenantId, Timestamp};
use crate::store::{CommitError, OnCommit, ReadError, Transition};
use std::sync::Arc;
use tokio::sync::oneshot;

/// How often an event is looked for that changes hands meanwhile. It does so when an attempt begins or ends, which
/// takes longer than looking, so that more than twice is rare.
const LOOKS_MAX: u32 = 16;

#[derive(Debug, thiserror::Error)]
pub enum CancelError {
    #[error("it has ended already")]
    AlreadyEnded,
    #[error("the server is shutting down")]
    ShuttingDown,
    #[error("it changes too fast; try again")]
    Busy,
    #[error(transparent)]
    Store(#[from] CommitError),
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// That something of an event be cancelled.
#[derive(Debug)]
pub(super) struct Wish {
    target: Target,
    /// Who wishes it.
    by: String,
    /// Dropped when the event went another way: look for it again.
    answer: Answer,
}

impl Wish {
    /// The wish, and where its answer comes.
    pub(super) fn of(target: Target, by: &str) -> (Wish, oneshot::Receiver<Result<Fired, CancelError>>) {
        let (answer, answered) = oneshot::channel();
        (Wish { target, by: by.to_owned(), answer }, answered)
    }
}

pub(super) type Answer = oneshot::Sender<Result<Fired, CancelError>>;

/// Wishes that were granted and are answered when that is on the disk.
#[derive(Debug, Default)]
pub(super) struct Granted {
    /// The places of the runs that were cancelled.
    pub(super) places: Vec<usize>,
    pub(super) answers: Vec<Answer>,
}

impl Live {
    /// Cancels what is wished and has not ended.
    pub(super) fn grant(&mut self, wishes: Vec<Wish>, now: Timestamp) -> Granted {
        let mut granted = Granted::default();
        for Wish { target, by, answer } in wishes {
            let event = Arc::make_mut(&mut self.event);
            let places = cancel(event, &mut self.runs, target, (&format!("cancelled by `{by}`"), now));
            if places.is_empty() {
                // Whoever asked may be gone, here as below.
                drop(answer.send(Err(CancelError::AlreadyEnded)));
            } else {
                granted.places.extend(places);
                granted.answers.push(answer);
            }
        }
        granted
    }
}

/// Answers the wishes that were granted, and who waits for the end of the event, when the disk has it.
pub(super) fn telling(live: Live, answers: Vec<Answer>, waiter: Option<oneshot::Sender<Live>>) -> Option<OnCommit> {
    if answers.is_empty() && waiter.is_none() {
        return None;
    }
    Some(Box::new(move |result| {
        for answer in answers {
            let fired = Fired { event: Arc::clone(&live.event), runs: live.runs.clone(), replayed: false };
            drop(answer.send(result.clone().map(|()| fired).map_err(CancelError::from)));
        }
        if let (Ok(()), Some(waiter)) = (result, waiter) {
            // Nobody may be waiting any more, which is fine.
            drop(waiter.send(live));
        }
    }))
}

impl Dispatch {
    /// Cancels an event or one of its runs and answers when that is on the disk. What waits is not begun; a running
    /// guest is interrupted.
    ///
    /// # Errors
    /// See [`CancelError`].
    pub async fn cancel(
        &self,
        tenant: &TenantId,
        event: EventId,
        target: Target,
        by: &str,
    ) -> Result<Fired, CancelError> {
        for _ in 0..LOOKS_MAX {
            if self.is_stopping() {
                return Err(CancelError::ShuttingDown);
            }
            let (wish, answered) = Wish::of(target, by);
            let asked = self.lock_desk().ask(tenant, event, wish);
            match asked {
                Asked::Told => {}
                // In a task of its own: the event must go on even when nobody waits for the answer any more.
                Asked::Taken(job, wish) => self.grant(job, vec![wish]),
                Asked::Absent => {
                    // Its end may still be on its way to the disk; behind this it is there.
                    self.hand_in_and_wait(Transition::default()).await?;
                    let (store, tenant) = (self.store().clone(), tenant.clone());
                    match blocking(move || store.event(Some(&tenant), event)).await? {
                        Some(event) if !event.state.is_terminal() => tokio::task::yield_now().await,
                        _ => return Err(CancelError::AlreadyEnded),
                    }
                    continue;
                }
            }
            if let Ok(result) = answered.await {
                return result;
            }
        }
        Err(CancelError::Busy)
    }
}

/// Grants wishes about an event that nobody else carries, and sends it on.
pub(super) async fn grant(dispatch: Dispatch, job: Job, wishes: Vec<Wish>) {
    let (event, sink_type) = (job.event_id, job.sink_type.clone());
    if let Err(error) = try_grant(&dispatch, job, wishes).await {
        tracing::error!(event.id = %event, %error, "an event could not be cancelled; it is taken up again at the next start");
        dispatch.lock_desk().lose(event, sink_type);
    }
}

async fn try_grant(dispatch: &Dispatch, job: Job, wishes: Vec<Wish>) -> Result<(), WorkError> {
    let Job { tenant, event_id, live, waiter, durable_start, .. } = job;
    let mut live = dispatch.loaded(tenant, event_id, live).await?;
    let now = dispatch.now();
    let mut granted = live.grant(wishes, now);
    let (next, skipped) = settle(Arc::make_mut(&mut live.event), &mut live.runs, now);
    granted.places.extend(skipped);
    let transition = Transition::of(live.changes(&granted.places));
    if next == Next::Nothing {
        dispatch.hand_in(transition, telling(*live, granted.answers, waiter));
        dispatch.lock_desk().forget(event_id);
    } else {
        dispatch.hand_in(transition, telling(Live::clone(&live), granted.answers, None));
        let next = dispatch.hold_back(&live, next);
        dispatch.take_up(Job { durable_start, ..Job::new(*live, waiter) }, next);
    }
    Ok(())
}
