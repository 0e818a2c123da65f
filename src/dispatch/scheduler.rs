//! When runs start: permits, queues and points in time.
//!
//! [`Dispatch::tick`] does everything that is due at a time; the loop only sleeps and ticks.

use super::cancel::{self, Wish};
use super::capacity::{Permits, Profile};
use super::desk::{Desk, Put};
use super::family::Families;
use super::job::Job;
use super::once::Claims;
use super::payload_schema::{PayloadSchemas, Violation};
use super::placement::Placement;
use super::programs::Programs;
use super::quota::Minutes;
use super::reservations::Reservations;
use super::retention::{Keep, Retention};
use super::schedules::FiringNow;
use super::secrets::Secrets;
use super::sinks::Heartbeat;
use super::worker::{self, Permit};
use crate::domain::{
    AllowedHost, ChainLimits, Clock, Entropy, EntryName, EventId, EventType, HttpFault, Ids, Json, Reason, State,
    TenantId, Timestamp,
};
use crate::sandbox::Sandbox;
use crate::store::{ReadError, Store};
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What goes on later than this is read from the store then, too: payloads should not lie in memory for days.
const LIVE_WAIT_MS: u64 = 60_000;
/// The longest sleep between two looks at the clock: bounds how late a jump of the clock is noticed.
const SLEEP_MAX: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
pub struct Config {
    pub permits: Permits,
    /// Events of one tenant that may wait for a permit or for their time, or be held; one more is refused with 429.
    pub queue_per_tenant: usize,
    /// How far chains go.
    pub chain: ChainLimits,
    /// What the built-in sink type lets be reached by HTTP.
    pub hosts_of_wasm: Vec<AllowedHost>,
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
    /// Events of paused types that are held.
    pub held: usize,
}

/// Where an event goes when the permit that it had is given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Leaving {
    Ended,
    /// Nobody carries it any more, though it is open, to run under this sink type.
    Lost(Option<EntryName>),
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
    pub(super) programs: Programs,
    desk: Mutex<Desk>,
    /// Whether an event type was paused since the start; while none was, nobody looks for it.
    pub(super) any_paused: AtomicBool,
    sooner: Notify,
    tasks: TaskTracker,
    /// No new attempts begin.
    pub(super) stopping: CancellationToken,
    /// Running attempts are broken off.
    pub(super) breaking_off: CancellationToken,
    payload_schemas: PayloadSchemas,
    reservations: Reservations,
    claims: Claims,
    pub(super) firing: FiringNow,
    pub(super) retention: Retention,
    families: Families,
    pub(super) heartbeat: Heartbeat,
    pub(super) minutes: Minutes,
    /// Attempts that ended since the start, by state and reason.
    endings: Mutex<BTreeMap<(State, Option<Reason>), u64>>,
    /// Requests by HTTP since the start, by what went wrong.
    http_calls: Mutex<BTreeMap<Option<HttpFault>, u64>>,
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
        let permits = config.permits;
        let shared = Shared {
            config,
            store,
            sandbox,
            clock,
            ids,
            entropy,
            secrets,
            placement: Placement::start()?,
            programs: Programs::default(),
            desk: Mutex::new(Desk::new(permits)),
            any_paused: AtomicBool::new(false),
            sooner: Notify::new(),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
            breaking_off: CancellationToken::new(),
            payload_schemas: PayloadSchemas::default(),
            reservations: Reservations::default(),
            claims: Claims::default(),
            firing: FiringNow::default(),
            retention: Retention::default(),
            families: Families::default(),
            heartbeat: Heartbeat::default(),
            minutes: Minutes::default(),
            endings: Mutex::default(),
            http_calls: Mutex::default(),
        };
        let dispatch = Dispatch { shared: Arc::new(shared) };
        dispatch.permits_changed();
        dispatch.recall_pauses();
        dispatch.recover().await?;
        let ticking = dispatch.clone();
        dispatch.shared.tasks.spawn(async move { ticking.tick_until_stopped().await });
        if let Some(warming) = dispatch.warming_up() {
            dispatch.shared.tasks.spawn(warming);
        }
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

    /// The secret store: for reading and writing secrets, and changing their keys.
    pub fn secrets(&self) -> &Secrets {
        &self.shared.secrets
    }

    pub fn load(&self) -> Load {
        let desk = self.lock_desk();
        Load { running: desk.running(), queued: desk.queued(), waiting: desk.waiting(), held: desk.held() }
    }

    /// How many runs of a tenant go on, and how many of its events wait for whatever it is.
    pub fn load_of(&self, tenant: &TenantId) -> (u32, usize) {
        let desk = self.lock_desk();
        (desk.running_of(tenant), desk.parked_of(tenant))
    }

    /// Attempts that ended since the start: state, reason (empty for none), count.
    pub fn endings(&self) -> Vec<((&'static str, &'static str), u64)> {
        let endings = self.shared.endings.lock().unwrap_or_else(PoisonError::into_inner);
        endings.iter().map(|((state, reason), n)| ((state.as_str(), reason.map_or("", Reason::as_str)), *n)).collect()
    }

    pub(super) fn count_ending(&self, state: State, reason: Option<Reason>) {
        *self.shared.endings.lock().unwrap_or_else(PoisonError::into_inner).entry((state, reason)).or_default() += 1;
    }

    /// Requests that guests sent by HTTP since the start: what went wrong (empty for nothing), count.
    pub fn http_calls(&self) -> Vec<(&'static str, u64)> {
        let calls = self.shared.http_calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.iter().map(|(fault, n)| (fault.map_or("", HttpFault::as_str), *n)).collect()
    }

    pub(super) fn count_call(&self, fault: Option<HttpFault>) {
        *self.shared.http_calls.lock().unwrap_or_else(PoisonError::into_inner).entry(fault).or_default() += 1;
    }

    /// Does everything that is due at `now`, and says when the next thing is.
    pub fn tick(&self, now: Timestamp) -> Option<Timestamp> {
        self.shared.heartbeat.beat(&self.store().catalogue(), now);
        self.forget_expired(now);
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
            match desk.offer_due(now, &self.store().catalogue()) {
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
        let mut desk = self.lock_desk();
        let put = desk.offer(job, &self.store().catalogue());
        drop(desk);
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

    pub(super) fn see_to(&self, put: Put) {
        match put {
            Put::Begin(job) => self.begin(job),
            Put::Parked => {}
            Put::Wished(job, wishes) => self.grant(job, wishes),
        }
    }

    /// Gives back the permits that a job had, and says where the event goes; the next in turn starts.
    pub(super) fn release(&self, holder: (&TenantId, Profile), event: EventId, leaving: Leaving) {
        let mut desk = self.lock_desk();
        match leaving {
            Leaving::Ended => desk.forget(event),
            Leaving::Lost(sink_type) => desk.lose(event, sink_type),
            Leaving::GoesOn => {}
        }
        let mut begun = desk.release(holder);
        if self.is_stopping() {
            // None of them begins any more.
            while let Some(job) = begun.pop() {
                desk.forget(job.event_id);
                begun.extend(desk.release((&job.tenant, job.profile)));
            }
        }
        drop(desk);
        begun.into_iter().for_each(|job| self.begin(job));
    }

    pub(super) fn begin(&self, mut job: Job) {
        let dispatch = self.clone();
        match job.trial.take() {
            None => self.spawn(worker::work(dispatch, job)),
            Some(trial) => self.spawn(async move {
                // Who waited may be gone: then the permit comes back at once.
                drop(trial.send(Permit::of_trial(dispatch, &job)));
            }),
        }
    }

    pub(super) fn grant(&self, job: Job, wishes: Vec<Wish>) {
        let dispatch = self.clone();
        self.shared.tasks.spawn(cancel::grant(dispatch, job, wishes));
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

    pub(super) fn claims(&self) -> &Claims {
        &self.shared.claims
    }

    pub(super) fn families(&self) -> &Families {
        &self.shared.families
    }

    pub(super) fn lock_desk(&self) -> MutexGuard<'_, Desk> {
        self.shared.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
