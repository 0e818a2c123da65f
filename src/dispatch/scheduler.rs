//! When runs start: permits, queues and points in time.
//!
//! [`Dispatch::tick`] does everything that is due at a time; the loop only sleeps and ticks.

use super::accept::FireError;
use super::cancel::{self, Wish};
use super::capacity::Permits;
use super::desk::{Desk, Put};
use super::family::Families;
use super::job::Job;
use super::payload_schema::{PayloadSchemas, Violation};
use super::placement::Placement;
use super::reservations::Reservations;
use super::retention::{Keep, Retention};
use super::schedules::FiringNow;
use super::secrets::{SecretError, Secrets};
use super::worker;
use crate::domain::{
    ChainLimits, Clock, Entropy, EntryName, EventId, EventType, Ids, Json, Reason, SecretText, State, TenantId,
    Timestamp,
};
use crate::sandbox::Sandbox;
use crate::store::{ReadError, Store};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What goes on later than this is read from the store then, too: payloads should not lie in memory for days.
const LIVE_WAIT_MS: u64 = 60_000;
/// The longest sleep between two looks at the clock: bounds how late a jump of the clock is noticed.
const SLEEP_MAX: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug)]
pub struct Config {
    pub permits: Permits,
    /// Events of one tenant that may wait for a permit or for their time; one more is refused with 429.
    pub queue_per_tenant: usize,
    pub chain: ChainLimits,
    pub keep: Keep,
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

/// Where an event goes when the permit that it had is given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaving {
    Ended,
    /// Nobody carries it any more, though it is open.
    Lost,
    /// Who gave the permit back still has it.
    GoesOn,
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
    pub(super) secrets: Secrets,
    pub(super) placement: Placement,
    desk: Mutex<Desk>,
    sooner: Notify,
    tasks: TaskTracker,
    /// No new attempts begin.
    pub(super) stopping: CancellationToken,
    /// Running attempts are broken off.
    pub(super) breaking_off: CancellationToken,
    payload_schemas: PayloadSchemas,
    reservations: Reservations,
    pub(super) firing: FiringNow,
    pub(super) retention: Retention,
    families: Families,
    /// Attempts that ended since the start, by state and reason.
    endings: Mutex<BTreeMap<(State, Option<Reason>), u64>>,
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
        (ids, entropy, secrets): (Arc<Ids>, Arc<Entropy>, Secrets),
    ) -> Result<Dispatch, StartError> {
        let shared = Shared {
            config,
            store,
            sandbox,
            clock,
            ids,
            entropy,
            secrets,
            placement: Placement::start()?,
            desk: Mutex::new(Desk::new(config.permits)),
            sooner: Notify::new(),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
            breaking_off: CancellationToken::new(),
            payload_schemas: PayloadSchemas::default(),
            reservations: Reservations::default(),
            firing: FiringNow::default(),
            retention: Retention::default(),
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
        *self.lock_desk() = Desk::new(self.shared.config.permits);
    }

    /// The secrets' keys, for writing secrets and changing the keys.
    pub fn secrets(&self) -> &Secrets {
        &self.shared.secrets
    }

    /// The value of a tenant's own secret.
    ///
    /// # Errors
    /// There is none of that key, or it cannot be decrypted.
    pub fn open_secret(&self, tenant: &TenantId, key: &EntryName) -> Result<SecretText, SecretError> {
        self.shared.secrets.open(&self.store().catalogue(), tenant, key)
    }

    pub fn load(&self) -> Load {
        let desk = self.lock_desk();
        Load { running: desk.running(), queued: desk.queued(), waiting: desk.waiting() }
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
        self.forget_old(now);
        let (fires, goes_on) = (self.fire_schedules(now), self.wake(now));
        [fires, goes_on].into_iter().flatten().min()
    }

    /// To be called when something may be due before what is waited for now, such as after a change of a schedule.
    pub fn look_again(&self) {
        self.shared.sooner.notify_one();
    }

    /// A task that a shutdown waits for.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.shared.tasks.spawn(task);
    }

    fn wake(&self, now: Timestamp) -> Option<Timestamp> {
        loop {
            let mut desk = self.lock_desk();
            match desk.offer_due(now) {
                None => return desk.first_due(),
                Some(put) => {
                    drop(desk);
                    self.see_to(put);
                }
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
    pub(super) fn offer(&self, job: Job) {
        if self.is_stopping() {
            // It is QUEUED or WAITING on the disk and goes on at the next start.
            return self.lock_desk().forget(job.event_id);
        }
        let put = self.lock_desk().offer(job);
        self.see_to(put);
    }

    /// Lets the job go on at `due`.
    pub(super) fn wait_until(&self, due: Timestamp, mut job: Job) {
        if due.ms_since(self.now()) > LIVE_WAIT_MS {
            job.live = None;
        }
        let mut desk = self.lock_desk();
        let put = desk.wait_until(due, job);
        let is_first = desk.first_due().is_some_and(|first| first >= due);
        drop(desk);
        if is_first {
            self.shared.sooner.notify_one();
        }
        self.see_to(put);
    }

    fn see_to(&self, put: Put) {
        match put {
            Put::Begin(job) => self.begin(job),
            Put::Parked => {}
            Put::Wished(job, wishes) => self.grant(job, wishes),
        }
    }

    /// Gives back the permit that a job of `tenant` had, and says where the event goes; the next in turn starts.
    pub(super) fn release(&self, tenant: &TenantId, event: EventId, leaving: Leaving) {
        let mut desk = self.lock_desk();
        match leaving {
            Leaving::Ended => desk.forget(event),
            Leaving::Lost => desk.lose(event),
            Leaving::GoesOn => {}
        }
        let mut next = desk.release(tenant);
        if self.is_stopping() {
            // None of them begins any more.
            while let Some(job) = next {
                desk.forget(job.event_id);
                next = desk.release(&job.tenant);
            }
        }
        drop(desk);
        next.into_iter().for_each(|job| self.begin(job));
    }

    fn begin(&self, job: Job) {
        let dispatch = self.clone();
        self.shared.tasks.spawn(worker::work(dispatch, job));
    }

    pub(super) fn grant(&self, job: Job, wishes: Vec<Wish>) {
        let dispatch = self.clone();
        self.shared.tasks.spawn(cancel::grant(dispatch, job, wishes));
    }

    pub(super) fn check_queue(&self, tenant: &TenantId) -> Result<(), FireError> {
        let queued = self.lock_desk().parked_of(tenant);
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

    /// The places where `payload` breaks the schema of `event_type`; none when it has no schema.
    pub fn payload_violations(&self, event_type: &EventType, payload: &Json) -> Vec<Violation> {
        self.payload_schemas().violations(event_type, payload)
    }

    pub(super) fn payload_schemas(&self) -> &PayloadSchemas {
        &self.shared.payload_schemas
    }

    pub(super) fn reservations(&self) -> &Reservations {
        &self.shared.reservations
    }

    pub(super) fn families(&self) -> &Families {
        &self.shared.families
    }

    pub(super) fn lock_desk(&self) -> MutexGuard<'_, Desk> {
        self.shared.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
