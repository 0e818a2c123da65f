//! What one attempt sends by HTTP: how many calls, how many bytes, and what became of each.

use super::CallError;
use super::hidden::Hidden;
use super::network::Network;
use crate::domain::{HttpCall, HttpFault, Limits, Reach};
use crate::sandbox::host::HostServices;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Calls of one attempt that are under way at once.
pub(super) const CALLS_AT_ONCE: usize = 8;
/// A call that says nothing of its time has this much.
const USUAL_TIMEOUT: Duration = Duration::from_secs(30);
/// What is kept of a message and of a host's name, in characters; a guest chooses what stands in them.
const MESSAGE_CHARS_MAX: usize = 400;
const METHOD_CHARS_MAX: usize = 16;

/// The gate of one attempt. When this goes, what became of its calls is told.
pub(in crate::sandbox) struct Http(Arc<Gate>);

impl Http {
    pub(in crate::sandbox) fn new(
        services: Arc<dyn HostServices>,
        network: &Arc<Network>,
        (limits, started): (&Limits, Instant),
    ) -> Http {
        let reach = services.reach();
        Http(Arc::new(Gate {
            services,
            network: Arc::clone(network),
            hidden: Hidden::new(reach.hidden.clone()),
            reach,
            calls_allowed: limits.http_calls,
            bytes_allowed: limits.http_bytes,
            deadline: started + Duration::from_millis(limits.timeout_ms),
            slots: Arc::new(Semaphore::new(CALLS_AT_ONCE)),
            bytes: AtomicU64::new(0),
            calls: Mutex::default(),
        }))
    }

    pub(super) fn gate(&self) -> &Arc<Gate> {
        &self.0
    }

    /// Calls and bytes so far.
    pub(in crate::sandbox) fn used(&self) -> (u64, u64) {
        let asked = self.0.calls().asked;
        (asked.min(self.0.calls_allowed), self.0.bytes.load(Ordering::Relaxed))
    }
}

impl Drop for Http {
    /// Also when the attempt is broken off. What its tasks do after this is not told any more.
    fn drop(&mut self) {
        let begun = std::mem::take(&mut self.0.calls().begun);
        for entry in begun {
            self.0.services.http_call(entry.told());
        }
    }
}

pub(super) struct Gate {
    services: Arc<dyn HostServices>,
    pub(super) network: Arc<Network>,
    pub(super) reach: Reach,
    pub(super) hidden: Hidden,
    calls_allowed: u64,
    bytes_allowed: u64,
    /// Of the attempt.
    deadline: Instant,
    slots: Arc<Semaphore>,
    bytes: AtomicU64,
    calls: Mutex<Calls>,
}

#[derive(Default)]
struct Calls {
    asked: u64,
    begun: Vec<Arc<Entry>>,
}

impl Gate {
    /// Counts a call and begins its line in the record. Over the limit the first one has a line too, and no other: the
    /// record has a bound.
    ///
    /// # Errors
    /// It is one too many, in all or at once.
    pub(super) fn begin(self: &Arc<Gate>, method: &str, host: String) -> Result<Call, CallError> {
        let entry = Arc::new(Entry {
            method: method.chars().take(METHOD_CHARS_MAX).collect(),
            host,
            started: Instant::now(),
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
            end: Mutex::default(),
        });
        let mut calls = self.calls();
        let place = calls.asked;
        calls.asked = calls.asked.saturating_add(1);
        if calls.asked <= self.calls_allowed.saturating_add(1) {
            calls.begun.push(Arc::clone(&entry));
        }
        let limit = |message| {
            let error = CallError::new(HttpFault::Limit, message);
            entry.end(Some(&error));
            error
        };
        if calls.asked > self.calls_allowed {
            return Err(limit(format!("the attempt has made its {} HTTP calls", self.calls_allowed)));
        }
        match Arc::clone(&self.slots).try_acquire_owned() {
            Ok(slot) => Ok(Call { gate: Arc::clone(self), entry, place, _slot: slot, line: None }),
            Err(_) => Err(limit(format!("{CALLS_AT_ONCE} HTTP calls of the attempt are under way at once already"))),
        }
    }

    /// When a call has to be over. A tenth of what is left of the attempt stays for the guest to deal with it.
    pub(super) fn deadline(&self, asked: Option<Duration>) -> Instant {
        let now = Instant::now();
        let left = self.deadline.saturating_duration_since(now) / 10 * 9;
        now + asked.unwrap_or(USUAL_TIMEOUT).min(left)
    }

    /// Takes up to so many bytes of what may still be sent and got.
    pub(super) fn reserve(&self, bytes: u64) -> u64 {
        let mut granted = 0;
        let take = |used: u64| {
            granted = bytes.min(self.bytes_allowed.saturating_sub(used));
            Some(used + granted)
        };
        // It always gives a value.
        let _ = self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        granted
    }

    pub(super) fn give_back(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// More than any body may have, by one byte.
    pub(super) fn body_bytes_max(&self) -> usize {
        usize::try_from(self.bytes_allowed).unwrap_or(usize::MAX).saturating_add(1)
    }

    pub(super) fn over_bytes(&self) -> CallError {
        let allowed = self.bytes_allowed;
        CallError::new(HttpFault::Limit, format!("the attempt has sent and got its {allowed} bytes by HTTP"))
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One call that is under way. Dropped without an end it was broken off.
pub(super) struct Call {
    pub(super) gate: Arc<Gate>,
    pub(super) entry: Arc<Entry>,
    /// Among the calls of its attempt, from 0.
    pub(super) place: u64,
    _slot: OwnedSemaphorePermit,
    /// One of the connections that all attempts share.
    pub(super) line: Option<OwnedSemaphorePermit>,
}

impl Call {
    /// The end of the call, in whichever way.
    pub(super) fn ended<T>(&self, result: Result<T, CallError>) -> Result<T, CallError> {
        self.entry.end(result.as_ref().err());
        result
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.entry.dropped();
    }
}

/// The line of one call.
pub(super) struct Entry {
    method: String,
    host: String,
    started: Instant,
    pub(super) sent: AtomicU64,
    pub(super) received: AtomicU64,
    end: Mutex<End>,
}

#[derive(Default)]
struct End {
    status: Option<u16>,
    ended_ms: Option<u64>,
    error: Option<CallError>,
}

impl Entry {
    pub(super) fn answered(&self, status: u16) {
        self.lock().status = Some(status);
    }

    /// The first end counts.
    fn end(&self, error: Option<&CallError>) {
        let mut end = self.lock();
        if end.ended_ms.is_none() {
            end.ended_ms = Some(self.ms());
            end.error = error.cloned();
        }
    }

    fn dropped(&self) {
        let has_answer = self.lock().status.is_some();
        // Who got an answer and does not read to its end has what was wanted.
        let broken_off = || CallError::new(HttpFault::BrokenOff, "it ended before the answer came");
        self.end((!has_answer).then(broken_off).as_ref());
    }

    fn told(&self) -> HttpCall {
        self.dropped();
        let end = self.lock();
        let (fault, message) = end.error.as_ref().map(|error| (error.fault, error.message.as_str())).unzip();
        HttpCall {
            method: self.method.clone(),
            host: self.host.clone(),
            status: end.status,
            fault,
            message: message.unwrap_or_default().chars().take(MESSAGE_CHARS_MAX).collect(),
            sent_bytes: self.sent.load(Ordering::Relaxed),
            received_bytes: self.received.load(Ordering::Relaxed),
            ms: end.ended_ms.unwrap_or_default(),
        }
    }

    fn ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, End> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
