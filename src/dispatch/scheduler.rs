//! When runs start: permits, queues and points in time.
//!
//! [`Dispatch::tick`] does everything that is due at a time; the loop only sleeps and ticks.

use super::accept::FireError;
use super::capacity::{Capacity, Permits};
use super::family::Families;
use super::job::Job;
use super::once::Claims;
use super::payload_schema::PayloadSchemas;
use super::placement::Placement;
use super::reservations::Reservations;
use super::worker;
use crate::domain::{ChainLimits, Clock, Entropy, Ids, Reason, State, TenantId, Timestamp};
use crate::sandbox::Sandbox;
use crate::store::{ReadError, Store};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Queued jobs that keep their event in memory; what is behind them is read from the store when its turn comes.
const LIVE_MAX: usize = 10_000;
/// What goes on later than this is read from the store then, too: payloads should not lie in memory for days.
const LIVE_WAIT_MS: u64 = 60_000;
/// The longest sleep between two looks at the clock: bounds how late a jump of the clock is noticed.
const SLEEP_MAX: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug)]
pub struct Config {
    pub permits: Permits,
    /// Runs of one tenant that may wait for a permit; one more event is refused with 429.
    pub queue_per_tenant: usize,
    pub chain: ChainLimits,
    /// How long a shutdown lets running attempts finish.
    pub grace: Duration,
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the threads for long runs could not be started: {0}")]
    Threads(#[from] std::io::Error),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Store(#[from] crate::store::CommitError),
}

/// How much there is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    pub running: u32,
    pub queued: usize,
    /// Runs that wait for a point in time.
    pub waiting: usize,
}

/// The handle; clones share it.
#[derive(Clone)]
pub struct Dispatch {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) config: Config,
    pub(super) store: Store,
    pub(super) sandbox: Sandbox,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ids: Arc<Ids>,
    pub(super) entropy: Arc<Entropy>,
    pub(super) placement: Placement,
    capacity: Mutex<Capacity<Job>>,
    waiting: Mutex<Waiting>,
    sooner: Notify,
    tasks: TaskTracker,
    /// No new attempts begin.
    stopping: CancellationToken,
    /// Running attempts are broken off.
    pub(super) breaking_off: CancellationToken,
    payload_schemas: PayloadSchemas,
    reservations: Reservations,
    claims: Claims,
    families: Families,
    /// Attempts that ended since the start, by state and reason.
    endings: Mutex<BTreeMap<(State, Option<Reason>), u64>>,
}

/// Jobs by the time at which they go on; the number keeps those of one millisecond apart and in order.
#[derive(Default)]
struct Waiting {
    jobs: BTreeMap<(Timestamp, u64), Job>,
    count: u64,
}

impl Dispatch {
    /// Resumes what an earlier process left open, then takes events. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// The store cannot be read or written, or threads cannot be started.
    pub async fn start(
        config: Config,
        store: Store,
        sandbox: Sandbox,
        clock: Arc<dyn Clock>,
        (ids, entropy): (Arc<Ids>, Arc<Entropy>),
    ) -> Result<Dispatch, StartError> {
        let shared = Shared {
            config,
            store,
            sandbox,
            clock,
            ids,
            entropy,
            placement: Placement::start()?,
            capacity: Mutex::new(Capacity::new(config.permits)),
            waiting: Mutex::default(),
            sooner: Notify::new(),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
            breaking_off: CancellationToken::new(),
            payload_schemas: PayloadSchemas::default(),
            reservations: Reservations::default(),
            claims: Claims::default(),
            families: Families::default(),
            endings: Mutex::default(),
        };
        let dispatch = Dispatch { shared: Arc::new(shared) };
        dispatch.recover().await?;
        let ticking = dispatch.clone();
        dispatch.shared.tasks.spawn(async move { ticking.tick_until_stopped().await });
        Ok(dispatch)
    }

    /// Starts nothing more, lets what runs finish for the configured grace, then breaks it off: broken-off runs are
    /// queued again and go on at the next start. Returns when no attempt runs any more.
    pub async fn stop(&self) {
        self.shared.stopping.cancel();
        self.shared.tasks.close();
        if tokio::time::timeout(self.shared.config.grace, self.shared.tasks.wait()).await.is_err() {
            self.shared.breaking_off.cancel();
            self.shared.tasks.wait().await;
        }
        // Whoever waits for an event that will not end now is told so by the drop of its job.
        self.lock_waiting().jobs.clear();
        *self.lock_capacity() = Capacity::new(self.shared.config.permits);
    }

    pub fn load(&self) -> Load {
        let waiting = self.lock_waiting().jobs.len();
        let capacity = self.lock_capacity();
        Load { running: capacity.running(), queued: capacity.queued(), waiting }
    }

    /// Attempts that ended since the start: state, reason (empty for none), count.
    pub fn endings(&self) -> Vec<((&'static str, &'static str), u64)> {
        let endings = self.shared.endings.lock().unwrap_or_else(PoisonError::into_inner);
        endings.iter().map(|((state, reason), n)| ((state.as_str(), reason.map_or("", Reason::as_str)), *n)).collect()
    }

    pub(super) fn count_ending(&self, state: State, reason: Option<Reason>) {
        *self.shared.endings.lock().unwrap_or_else(PoisonError::into_inner).entry((state, reason)).or_default() += 1;
    }

    /// Does everything that is due at `now`, and says when the next thing is.
    pub fn tick(&self, now: Timestamp) -> Option<Timestamp> {
        self.forget_expired(now);
        loop {
            let mut waiting = self.lock_waiting();
            match waiting.jobs.first_key_value().map(|((due, _), _)| *due) {
                Some(due) if due <= now => {
                    let job = waiting.jobs.pop_first().map(|(_, job)| job);
                    drop(waiting);
                    job.into_iter().for_each(|job| self.offer(job));
                }
                next => return next,
            }
        }
    }

    async fn tick_until_stopped(&self) {
        while !self.is_stopping() {
            let now = self.now();
            let pause =
                self.tick(now).map_or(SLEEP_MAX, |next| Duration::from_millis(next.ms_since(now)).min(SLEEP_MAX));
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.shared.sooner.notified() => {}
                () = self.shared.stopping.cancelled() => {}
            }
        }
    }

    /// Starts the job if there is a permit for it, else queues it.
    pub(super) fn offer(&self, mut job: Job) {
        if self.is_stopping() {
            return; // It is QUEUED or WAITING on the disk and goes on at the next start.
        }
        let tenant = job.tenant.clone();
        let mut capacity = self.lock_capacity();
        if capacity.queued() >= LIVE_MAX {
            job.live = None;
        }
        let started = capacity.offer(&tenant, job);
        drop(capacity);
        started.into_iter().for_each(|job| self.begin(job));
    }

    /// Lets the job go on at `due`.
    pub(super) fn wait_until(&self, due: Timestamp, mut job: Job) {
        let is_far = due.ms_since(self.now()) > LIVE_WAIT_MS;
        let mut waiting = self.lock_waiting();
        if is_far || waiting.jobs.len() >= LIVE_MAX {
            job.live = None;
        }
        waiting.count += 1;
        let key = (due, waiting.count);
        waiting.jobs.insert(key, job);
        let is_first = waiting.jobs.first_key_value().is_some_and(|(first, _)| *first == key);
        drop(waiting);
        if is_first {
            self.shared.sooner.notify_one();
        }
    }

    /// Gives back the permit that a job of `tenant` had; the next in turn starts.
    pub(super) fn release(&self, tenant: &TenantId) {
        let next = self.lock_capacity().release(tenant);
        match next {
            Some((_, job)) if !self.is_stopping() => self.begin(job),
            Some((tenant, job)) => {
                drop(job);
                self.release(&tenant);
            }
            None => {}
        }
    }

    fn begin(&self, job: Job) {
        let dispatch = self.clone();
        self.shared.tasks.spawn(worker::work(dispatch, job));
    }

    pub(super) fn check_queue(&self, tenant: &TenantId) -> Result<(), FireError> {
        let queued = self.lock_capacity().queued_of(tenant);
        if queued < self.shared.config.queue_per_tenant { Ok(()) } else { Err(FireError::QueueFull { queued }) }
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.shared.stopping.is_cancelled()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    pub(super) fn ids(&self) -> &Ids {
        &self.shared.ids
    }

    pub(super) fn store(&self) -> &Store {
        &self.shared.store
    }

    pub(super) fn payload_schemas(&self) -> &PayloadSchemas {
        &self.shared.payload_schemas
    }

    pub(super) fn reservations(&self) -> &Reservations {
        &self.shared.reservations
    }

    pub(super) fn claims(&self) -> &Claims {
        &self.shared.claims
    }

    /// Runs beside everything else; a shutdown waits for it.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.shared.tasks.spawn(task);
    }

    pub(super) fn families(&self) -> &Families {
        &self.shared.families
    }

    fn lock_capacity(&self) -> MutexGuard<'_, Capacity<Job>> {
        self.shared.capacity.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_waiting(&self) -> MutexGuard<'_, Waiting> {
        self.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
