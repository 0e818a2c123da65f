//! One attempt: from a permit to the transition that settles it.

use super::chain::Child;
use super::job::{Job, Live};
use super::placement::Briefly;
use super::scheduler::Dispatch;
use super::services::AttemptServices;
use super::settle::{Next, next, settle};
use crate::domain::{
    Attempt, Chain, Context, Ending, Event, Failed, IllegalChange, Interruption, Json, Reason, Run, State, TenantId,
    Usage,
};
use crate::sandbox::{Attempted, Invocation, Prepared};
use crate::store::{Change, CommitError, ReadError, Transition};
use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// How often the log of a long attempt is stored.
const LOG_FLUSH: Duration = Duration::from_millis(500);

#[derive(Debug, thiserror::Error)]
enum WorkError {
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
    let permit = Permit { dispatch: dispatch.clone(), tenant: job.tenant.clone() };
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

struct Permit {
    dispatch: Dispatch,
    tenant: TenantId,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.dispatch.release(&self.tenant);
    }
}

async fn attempt(dispatch: &Dispatch, job: Job, permit: Permit) -> Result<(), WorkError> {
    let Job { tenant, event_id, live, waiter, durable_start } = job;
    let live = match live {
        Some(live) => live,
        None => {
            // What was last decided about it may still be on its way to the disk; behind this it is there.
            dispatch.store().commit(Transition::default()).await?;
            let store = dispatch.store().clone();
            let load = move || Live::load(&store, &tenant, event_id);
            let live = blocking(load).await?.ok_or(WorkError::Missing)?;
            Box::new(dispatch.join_family(live).await?)
        }
    };
    let place = match next(&live.runs, dispatch.now()) {
        Next::Run(place) => place,
        // The clock was set back, or another is next than when it began to wait.
        other => {
            drop(permit);
            dispatch.go_on(*live, other, waiter);
            return Ok(());
        }
    };
    let mut work = Work { dispatch, live: *live, place, services: None };
    match work.prepare().await {
        Ok(prepared) => {
            work.start(durable_start).await?;
            let attempted = work.run(prepared).await;
            work.end(attempted)?;
        }
        Err(message) => {
            let now = dispatch.now();
            tracing::warn!(run.id = %work.live.runs[place].id, message, "a module could not be loaded");
            work.run_mut().refuse(Reason::Denied, message, now)?;
        }
    }
    work.settle(waiter, permit);
    Ok(())
}

/// An event at one place of its plan, with the permit to run there.
struct Work<'a> {
    dispatch: &'a Dispatch,
    live: Live,
    place: usize,
    services: Option<Arc<AttemptServices>>,
}

impl Work<'_> {
    fn run_mut(&mut self) -> &mut Run {
        Arc::make_mut(&mut self.live.runs[self.place])
    }

    /// The module, ready to be instantiated.
    async fn prepare(&mut self) -> Result<Prepared, String> {
        if self.live.runs[self.place].state == State::Waiting {
            self.run_mut().wake().map_err(|error| error.to_string())?;
        }
        let digest = self.live.runs[self.place].module;
        let sandbox = &self.dispatch.shared.sandbox;
        if let Some(prepared) = sandbox.find_prepared(&digest) {
            return Ok(prepared);
        }
        let store = self.dispatch.store().clone();
        let wasm = move || match store.module_bytes(digest) {
            Ok(Some(bytes)) => Ok(bytes),
            Ok(None) => Err("it was deleted".into()),
            Err(error) => Err(error.into()),
        };
        sandbox.prepare(digest, wasm).await.map_err(|error| format!("the module {digest} cannot be loaded: {error}"))
    }

    /// RUNNING. The disk learns of it at once only when a run may be what took an earlier process down; else when the
    /// attempt turns out to be a long one. A short one is over before anybody could see it run.
    async fn start(&mut self, durable: bool) -> Result<(), WorkError> {
        let (now, seed) = (self.dispatch.now(), self.dispatch.shared.entropy.pair());
        self.run_mut().start(seed, now)?;
        Arc::make_mut(&mut self.live.event).start(now);
        if durable {
            self.dispatch.store().commit(self.running()).await?;
        }
        Ok(())
    }

    fn running(&self) -> Transition {
        let run = Arc::clone(&self.live.runs[self.place]);
        Transition::of([Change::Event(Arc::clone(&self.live.event)), Change::Run(run)])
    }

    /// The attempt itself; `None` when it was broken off by a shutdown.
    async fn run(&mut self, prepared: Prepared) -> Option<Attempted> {
        let run = Arc::clone(&self.live.runs[self.place]);
        let shared = &self.dispatch.shared;
        let services = Arc::new(AttemptServices::new(Arc::clone(&shared.clock)));
        self.services = Some(Arc::clone(&services));
        let attempt = run.attempts.last()?;
        let host = Arc::<AttemptServices>::clone(&services);
        let invocation = Invocation { context: context(&self.live.event, &run, attempt), host };
        let invoking = shared.sandbox.invoke(&prepared, invocation);
        let invoking = match shared.placement.run_briefly(invoking).await {
            Briefly::Done(attempted) => return Some(attempted),
            Briefly::Long(invoking) => invoking,
        };
        shared.store.submit(self.running(), None);
        let mut running = std::pin::pin!(shared.placement.run_long(invoking));
        loop {
            tokio::select! {
                biased;
                attempted = &mut running => return attempted,
                () = shared.breaking_off.cancelled() => return None,
                () = tokio::time::sleep(LOG_FLUSH) => services.flush(&shared.store, &run),
            }
        }
    }

    fn end(&mut self, attempted: Option<Attempted>) -> Result<(), IllegalChange> {
        let (now, (random, _)) = (self.dispatch.now(), self.dispatch.shared.entropy.pair());
        let stopping = self.dispatch.shared.breaking_off.is_cancelled();
        let run = self.run_mut();
        match attempted {
            None if stopping => run.interrupt(Interruption::Shutdown, now),
            None => {
                let message = "a bug in the server stopped this attempt".to_owned();
                let failed = Failed { retryable: false, ..Failed::broken(Reason::Interrupted, message) };
                run.fail(failed, Usage::default(), random, now)
            }
            Some(Attempted { ending, usage }) => match ending {
                Ending::Outcome(outcome) => run.succeed(outcome, usage, now),
                Ending::Failure(failure) => run.fail(failure.into(), usage, random, now),
                Ending::Broken { reason, message } => run.fail(Failed::broken(reason, message), usage, random, now),
            },
        }
    }

    /// One transition for all that follows; then the permit comes back and the event goes on.
    fn settle(self, waiter: Option<oneshot::Sender<Live>>, permit: Permit) {
        let Work { dispatch, mut live, place, services } = self;
        let now = dispatch.now();
        let (next, skipped) = settle(Arc::make_mut(&mut live.event), &mut live.runs, now);
        let children = dispatch.follow(&mut live, now);
        let run = &live.runs[place];
        log_end(run);
        if let Some(attempt) = run.attempts.last() {
            dispatch.count_ending(attempt.state, attempt.reason);
        }
        let log = services.and_then(|services| services.take_log(run));
        let mut changes: Vec<Change> = Vec::with_capacity(3 + skipped.len());
        changes.extend(log);
        changes.push(Change::Run(Arc::clone(run)));
        changes.extend(skipped.iter().map(|place| Change::Run(Arc::clone(&live.runs[*place]))));
        changes.push(Change::Event(Arc::clone(&live.event)));
        changes.extend(children.iter().flat_map(Child::changes));
        let transition = Transition::of(changes);
        if next == Next::Nothing {
            let on_commit = waiter.map(|waiter| -> crate::store::OnCommit {
                Box::new(move |result| {
                    if result.is_ok() {
                        // Nobody may be waiting any more, which is fine.
                        drop(waiter.send(live));
                    }
                })
            });
            dispatch.store().submit(transition, on_commit);
            drop(permit);
        } else {
            dispatch.store().submit(transition, None);
            drop(permit);
            dispatch.go_on(live, next, waiter);
        }
        dispatch.go_on_with(children);
    }
}

fn context(event: &Event, run: &Run, attempt: &Attempt) -> Context {
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
        params: run.params.clone(),
        input: run.input.clone(),
        chain: Chain { root: event.root_id, parent: event.parent_id, depth: event.depth, parent_outcome },
        limits: attempt.limits,
        now: attempt.started_at,
        seed: attempt.seed,
    }
}

fn log_end(run: &Run) {
    if run.state == State::Success {
        tracing::debug!(run.id = %run.id, event.id = %run.event_id, tenant.id = %run.owner_id, "a run succeeded");
        return;
    }
    let reason = run.reason.map_or("", Reason::as_str);
    let (state, message) = (run.state.as_str(), &run.message);
    let what = if run.state.is_terminal() { "a run ended" } else { "an attempt failed; the run goes on later" };
    tracing::info!(run.id = %run.id, event.id = %run.event_id, tenant.id = %run.owner_id, state, reason, detail = message, "{what}");
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
