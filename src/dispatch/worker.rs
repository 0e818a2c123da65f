//! One attempt: from a permit to the transition that settles it.

use super::cancel::{Granted, telling};
use super::capacity::Profile;
use super::job::{Job, Live};
use super::placement::{Briefly, Long};
use super::programs::built_in;
use super::scheduler::{Dispatch, Leaving};
use super::services::{AttemptServices, Further};
use super::settle::{Next, next};
use super::unseal::Unsealed;
use crate::domain::{
    Attempt, Chain, Context, Digest, Event, EventId, IllegalChange, Json, Reason, Run, State, TenantId,
};
use crate::sandbox::{Attempted, Invocation, Prepared};
use crate::store::{Change, CommitError, ReadError, Transition};
use futures_util::FutureExt;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

/// How often the log of a long attempt is stored.
const LOG_FLUSH: Duration = Duration::from_millis(500);

/// What a guest that imports `budget` has to put things in order when its run is cancelled.
const CANCEL_GRACE: Duration = Duration::from_secs(1);

/// Why an event cannot be carried on.
#[derive(Debug, thiserror::Error)]
pub(super) enum WorkError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Commit(#[from] CommitError),
    #[error(transparent)]
    Illegal(#[from] IllegalChange),
    #[error("the event or the run is not in the store")]
    Missing,
}

/// Carries the job through one attempt. Its permit comes back whatever happens.
pub(super) async fn work(dispatch: Dispatch, job: Job) {
    let event = job.event_id;
    let permit = Permit {
        dispatch: dispatch.clone(),
        holder: (job.tenant.clone(), job.profile),
        event_id: event,
        leaving: Leaving::Lost(job.sink_type.clone()),
    };
    match AssertUnwindSafe(attempt(&dispatch, job, permit)).catch_unwind().await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::error!(event.id = %event, %error, "an event could not be carried on; it is taken up again at the next start");
        }
        Err(_) => {
            tracing::error!(event.id = %event, "a bug in the server stopped an event; it is taken up again at the next start");
        }
    }
}

/// The permit of an attempt, and with it the event, which is lost unless it is said where it goes.
pub(super) struct Permit {
    dispatch: Dispatch,
    holder: (TenantId, Profile),
    event_id: EventId,
    leaving: Leaving,
}

impl Permit {
    /// Of what is only tried out: there is no event that could be lost.
    pub(super) fn of_trial(dispatch: Dispatch, job: &Job) -> Permit {
        Permit { dispatch, holder: (job.tenant.clone(), job.profile), event_id: job.event_id, leaving: Leaving::Ended }
    }

    pub(super) fn give_back(mut self, leaving: Leaving) {
        self.leaving = leaving;
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the permit of {}", self.event_id)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let leaving = std::mem::replace(&mut self.leaving, Leaving::GoesOn);
        self.dispatch.release((&self.holder.0, self.holder.1), self.event_id, leaving);
    }
}

impl Dispatch {
    /// A module, ready to be instantiated; or why there is no running it.
    pub(super) async fn prepare(&self, digest: Digest) -> Result<Prepared, String> {
        let store = self.store().clone();
        let wasm = move || match store.module_bytes(digest) {
            Ok(Some(bytes)) => Ok(bytes),
            Ok(None) => built_in(&digest).ok_or_else(|| "it was deleted".into()),
            Err(error) => Err(error.into()),
        };
        let prepared = self.shared.sandbox.prepare(digest, wasm).await;
        prepared.map_err(|error| format!("the module {digest} cannot be loaded: {error}"))
    }

    /// The event of a job, from the store if the job has it not.
    pub(super) async fn loaded(
        &self,
        tenant: TenantId,
        event: EventId,
        live: Option<Box<Live>>,
    ) -> Result<Box<Live>, WorkError> {
        match live {
            Some(live) => Ok(live),
            // Boxed, as what is seldom needed would make the task of every event larger.
            None => Box::pin(self.read_back(tenant, event)).await,
        }
    }

    async fn read_back(&self, tenant: TenantId, event: EventId) -> Result<Box<Live>, WorkError> {
        // What was last decided about it may still be on its way to the disk; behind this it is there.
        self.hand_in_and_wait(Transition::default()).await?;
        let store = self.store().clone();
        let live = blocking(move || Live::load(&store, &tenant, event)).await?.ok_or(WorkError::Missing)?;
        Ok(Box::new(self.join_family(live).await?))
    }
}

async fn attempt(dispatch: &Dispatch, job: Job, permit: Permit) -> Result<(), WorkError> {
    let Job { tenant, event_id, live, waiter, durable_start, .. } = job;
    let live = dispatch.loaded(tenant, event_id, live).await?;
    let place = match dispatch.call_back(&live, next(&live.runs, dispatch.now())) {
        Next::Run(place) => place,
        Next::Nothing => {
            permit.give_back(Leaving::Ended);
            return Ok(());
        }
        // The clock was set back, what was next is cancelled, or the type of the event was paused.
        other => {
            permit.give_back(Leaving::GoesOn);
            dispatch.take_up(Job { durable_start, ..Job::new(*live, waiter) }, other);
            return Ok(());
        }
    };
    let mut work = Work { dispatch, live: *live, place, services: None, unsealed: None, granted: Granted::default() };
    let readied = work.prepare().await?;
    if matches!(readied, Readied::Prepared(_)) {
        // That may have taken a while, in which its type was paused.
        let next = dispatch.call_back(&work.live, Next::Run(place));
        if next != Next::Run(place) {
            permit.give_back(Leaving::GoesOn);
            dispatch.take_up(Job { durable_start, ..Job::new(work.live, waiter) }, next);
            return Ok(());
        }
    }
    match readied {
        Readied::Prepared(prepared) => {
            work.start(durable_start).await?;
            let ran = work.run(prepared).await;
            return work.end(ran, waiter, permit).await;
        }
        Readied::Refused(reason, message) => {
            let now = dispatch.now();
            work.run_mut().refuse(reason, message, now)?;
        }
        Readied::Cancelled => {}
    }
    work.settle(Vec::new(), waiter, permit);
    Ok(())
}

/// An event at one place of its plan, with the permit to run there.
pub(super) struct Work<'a> {
    pub(super) dispatch: &'a Dispatch,
    pub(super) live: Live,
    pub(super) place: usize,
    pub(super) services: Option<Arc<AttemptServices>>,
    pub(super) unsealed: Option<Unsealed>,
    /// What was cancelled and is not handed in yet: the run at hand, and what went with it.
    pub(super) granted: Granted,
}

enum Readied {
    Prepared(Prepared),
    /// It cannot run, for this reason.
    Refused(Reason, String),
    Cancelled,
}

pub(super) enum Ran {
    Ended(Attempted),
    /// A bug ended it.
    Broken,
    /// The server shuts down.
    Stopped,
    Cancelled,
}

impl Work<'_> {
    pub(super) fn run_mut(&mut self) -> &mut Run {
        Arc::make_mut(&mut self.live.runs[self.place])
    }

    /// All that the attempt takes.
    async fn prepare(&mut self) -> Result<Readied, WorkError> {
        if self.live.runs[self.place].state == State::Waiting {
            self.run_mut().wake()?;
        }
        let readied = self.prepare_module().await?;
        if let Readied::Prepared(_) = readied {
            match self.dispatch.unseal(&self.live.runs[self.place]).await {
                Ok(unsealed) => self.unsealed = unsealed,
                Err(message) => return Ok(Readied::Refused(Reason::SecretMissing, message)),
            }
        }
        Ok(readied)
    }

    /// The module, ready to be instantiated.
    async fn prepare_module(&mut self) -> Result<Readied, WorkError> {
        if let Some(prepared) = self.dispatch.find_ready(&self.live.runs[self.place]) {
            return Ok(Readied::Prepared(prepared));
        }
        let run = Arc::clone(&self.live.runs[self.place]);
        // Compiling it anew may take a while.
        let bell = self.dispatch.lock_desk().bell(self.live.event.id);
        let mut preparing = Box::pin(self.dispatch.ready(&run));
        loop {
            tokio::select! {
                prepared = &mut preparing => {
                    return Ok(match prepared {
                        Ok(prepared) => Readied::Prepared(prepared),
                        Err(message) => {
                            tracing::warn!(run.id = %self.live.runs[self.place].id, message, "a module could not be loaded");
                            Readied::Refused(Reason::Denied, message)
                        }
                    });
                }
                () = bell.notified() => {
                    self.grant();
                    if self.is_cancelled() {
                        return Ok(Readied::Cancelled);
                    }
                }
            }
        }
    }

    /// Cancels what is wished. What is not of the run at hand is handed in at once, as that run goes on.
    fn grant(&mut self) {
        let wishes = self.dispatch.lock_desk().wishes_for(self.live.event.id).unwrap_or_default();
        let granted = self.live.grant(wishes, self.dispatch.now());
        if self.is_cancelled() {
            self.granted = granted;
        } else if !granted.places.is_empty() {
            let transition = Transition::of(self.live.changes(&granted.places));
            self.dispatch.hand_in(transition, telling(self.live.clone(), granted.answers, None));
        }
    }

    fn is_cancelled(&self) -> bool {
        self.live.runs[self.place].state == State::Cancelled
    }

    /// RUNNING. The disk learns of it at once only when a run may be what took an earlier process down; else when the
    /// attempt turns out to be a long one. A short one is over before anybody could see it run.
    async fn start(&mut self, durable: bool) -> Result<(), WorkError> {
        let (now, seed) = (self.dispatch.now(), self.dispatch.shared.entropy.pair());
        self.run_mut().start(seed, now)?;
        Arc::make_mut(&mut self.live.event).start(now);
        if durable {
            self.dispatch.hand_in_and_wait(self.running()).await?;
        }
        Ok(())
    }

    fn running(&self) -> Transition {
        let run = Arc::clone(&self.live.runs[self.place]);
        Transition::of([Change::Event(Arc::clone(&self.live.event)), Change::Run(run)])
    }

    /// The attempt itself.
    async fn run(&mut self, prepared: Prepared) -> Ran {
        let run = Arc::clone(&self.live.runs[self.place]);
        let shared = &self.dispatch.shared;
        let mask = self.unsealed.as_ref().map(|unsealed| Arc::clone(&unsealed.mask));
        let further = prepared.reaches_further().then(|| Further {
            dispatch: self.dispatch.clone(),
            event: Arc::clone(&self.live.event),
            run: Arc::clone(&run),
            hidden: self.unsealed.as_ref().map(|unsealed| unsealed.hidden.clone()).unwrap_or_default(),
        });
        let services = Arc::new(AttemptServices::new(Arc::clone(&shared.clock), mask, further));
        self.services = Some(Arc::clone(&services));
        let Some(attempt) = run.attempts.last() else { return Ran::Broken };
        let host = Arc::<AttemptServices>::clone(&services);
        let context = context(&self.live.event, &run, attempt, self.unsealed.as_ref());
        let invocation = Invocation { context, host };
        let invoking = Box::pin(shared.sandbox.invoke(&prepared, invocation));
        let invoking = match shared.placement.run_briefly(invoking).await {
            Briefly::Done(attempted) => return Ran::Ended(attempted),
            Briefly::Long(invoking) => invoking,
        };
        self.dispatch.hand_in(self.running(), None);
        let Some(mut running) = shared.placement.run_long(invoking) else { return Ran::Broken };
        // Only now: a short attempt is over before anybody could break it off.
        let bell = self.dispatch.lock_desk().bell(run.event_id);
        loop {
            tokio::select! {
                biased;
                attempted = running.ended() => return attempted.map_or(Ran::Broken, Ran::Ended),
                () = shared.breaking_off.cancelled() => {
                    running.break_off().await;
                    return Ran::Stopped;
                }
                () = bell.notified() => {
                    self.grant();
                    if self.is_cancelled() {
                        if prepared.watches_cancellation() {
                            services.cancel();
                            self.let_end(running).await;
                        } else {
                            running.break_off().await;
                        }
                        return Ran::Cancelled;
                    }
                }
                () = tokio::time::sleep(LOG_FLUSH) => self.flush(&services, &run),
            }
        }
    }

    /// Gives a guest that sees that it was cancelled its moment, then ends it. Its own time limit goes on meanwhile.
    async fn let_end(&self, mut running: Long<Attempted>) {
        tokio::select! {
            biased;
            _ = running.ended() => return,
            () = self.dispatch.shared.breaking_off.cancelled() => {}
            () = tokio::time::sleep(CANCEL_GRACE) => {}
        }
        running.break_off().await;
    }

    /// Stores what was logged so far, so that a long attempt can be watched and a killed one leaves its words.
    fn flush(&self, services: &AttemptServices, run: &Run) {
        if let Some(log) = services.take_log(run) {
            self.dispatch.hand_in(Transition::of([log]), None);
        }
    }
}

/// What an attempt was told, but for the values of secrets.
pub fn told(event: &Event, run: &Run, attempt: &Attempt) -> Context {
    context(event, run, attempt, None)
}

pub(super) fn context(event: &Event, run: &Run, attempt: &Attempt, unsealed: Option<&Unsealed>) -> Context {
    // An outcome always has a JSON form.
    let parent_outcome = event.lineage.as_ref().and_then(|lineage| Json::of(&lineage.parent_outcome).ok());
    Context {
        run_id: run.id,
        attempt: attempt.number,
        event_id: event.id,
        trigger: event.event_type.clone(),
        event_time: event.created_at,
        tenant: event.owner_id.clone(),
        object: event.object.clone(),
        scope: run.scope.clone(),
        payload: event.payload.clone(),
        params: unsealed.map_or(&run.params, |unsealed| &unsealed.params).clone(),
        input: run.input.clone(),
        chain: Chain { root: event.root_id, parent: event.parent_id, depth: event.depth, parent_outcome },
        limits: run.limits,
        now: attempt.started_at,
        seed: attempt.seed,
    }
}

/// Reads from the disk without holding up an async thread.
pub(super) async fn blocking<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, ReadError> + Send + 'static,
) -> Result<T, ReadError> {
    match tokio::task::spawn_blocking(read).await {
        Ok(result) => result,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}
