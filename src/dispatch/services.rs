//! What a running guest may ask of the host.

use super::mask::Mask;
use super::scheduler::Dispatch;
use super::worker::blocking;
use crate::domain::{
    Clock, Emitted, Event, EventTypeId, HiddenSecret, HttpCall, KvEntry, KvKept, KvScope, KvSpace, LogLine, Reach, Run,
    Timestamp,
};
use crate::sandbox::{Answer, EmitRefusal, HostServices, Unavailable};
use crate::store::{Change, LogChunk, ReadError, Store};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The host's side of one attempt.
pub(super) struct AttemptServices {
    clock: Arc<dyn Clock>,
    /// Hides the secrets that the guest was given.
    mask: Option<Arc<Mask>>,
    log: Mutex<Log>,
    cancelled: AtomicBool,
    calls: Mutex<Vec<HttpCall>>,
    /// For those that keep values, emit events or send requests; most do neither, and are spared it.
    further: Option<Further>,
}

/// What the values, events and requests of an attempt are told by.
pub(super) struct Further {
    pub(super) dispatch: Dispatch,
    pub(super) event: Arc<Event>,
    pub(super) run: Arc<Run>,
    /// Secrets that the guest has placeholders of.
    pub(super) hidden: Vec<HiddenSecret>,
}

#[derive(Default)]
struct Log {
    lines: Vec<LogLine>,
    /// Lines that were taken before.
    taken: u32,
}

impl AttemptServices {
    pub(super) fn new(clock: Arc<dyn Clock>, mask: Option<Arc<Mask>>, further: Option<Further>) -> AttemptServices {
        let (log, calls) = (Mutex::default(), Mutex::default());
        AttemptServices { clock, mask, log, cancelled: AtomicBool::new(false), calls, further }
    }

    /// What was sent by HTTP, in the order in which it began.
    pub(super) fn take_calls(&self) -> Vec<HttpCall> {
        std::mem::take(&mut self.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Lets the guest see that somebody cancelled its run.
    pub(super) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// What was logged since the last call.
    pub(super) fn take_lines(&self) -> Vec<LogLine> {
        std::mem::take(&mut self.log.lock().unwrap_or_else(PoisonError::into_inner).lines)
    }

    /// What was logged since the last call, as a change of the store.
    pub(super) fn take_log(&self, run: &Run) -> Option<Change> {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if log.lines.is_empty() {
            return None;
        }
        let lines = Arc::new(std::mem::take(&mut log.lines));
        let number = log.taken;
        log.taken = number.saturating_add(u32::try_from(lines.len()).unwrap_or(u32::MAX));
        let attempt = run.attempts.last().map_or(0, |attempt| attempt.number);
        Some(Change::Log(LogChunk { tenant: run.owner_id.clone(), run: run.id, attempt, number, lines }))
    }
}

impl HostServices for AttemptServices {
    /// The sandbox bounds what a guest may log, so the lines need no bound of their own here.
    fn log(&self, line: LogLine) {
        let line = match &self.mask {
            Some(mask) => mask.line(line),
            None => line,
        };
        self.log.lock().unwrap_or_else(PoisonError::into_inner).lines.push(line);
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn reach(&self) -> Reach {
        let Some(Further { dispatch, run, hidden, .. }) = &self.further else { return Reach::default() };
        Reach { hidden: hidden.clone(), ..dispatch.reach_of(run) }
    }

    /// The sandbox bounds how many there are.
    fn http_call(&self, call: HttpCall) {
        if let Some(further) = &self.further {
            further.dispatch.count_call(call.fault);
        }
        let call = match &self.mask {
            Some(mask) => HttpCall { host: mask.text(call.host), message: mask.text(call.message), ..call },
            None => call,
        };
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    fn find_value<'a>(&'a self, scope: KvScope, key: &'a str) -> Answer<'a, Option<KvEntry>> {
        let key = key.to_owned();
        self.read(Some(scope), move |store, space| store.value(space, &key))
    }

    fn list_keys<'a>(
        &'a self,
        scope: KvScope,
        (prefix, after): (&'a str, Option<&'a str>),
        limit: usize,
    ) -> Answer<'a, Vec<String>> {
        let (prefix, after, now) = (prefix.to_owned(), after.map(str::to_owned), self.clock.now());
        self.read(Some(scope), move |store, space| {
            let found = store.list_values(space, (&prefix, after.as_deref()), (now, limit))?;
            Ok(found.into_iter().map(|(key, _)| key).collect())
        })
    }

    fn kept(&self) -> Answer<'_, KvKept> {
        self.read(None, |store, space| store.kept(&space.tenant, space.action))
    }

    fn next_version(&self) -> u64 {
        let (random, _) = self.further.as_ref().map_or((1, 1), |further| further.dispatch.shared.entropy.pair());
        // As much as every language's numbers hold. That a value gets one twice is less likely than that the disk lies.
        random >> 11
    }

    fn check_emitted(&self, emitted: &Emitted) -> Result<(), EmitRefusal> {
        match &self.further {
            Some(further) => further.check_emitted(emitted),
            None => Err(EmitRefusal::Refused("it emits no events".to_owned())),
        }
    }
}

impl AttemptServices {
    /// Reads from the disk, without holding up the thread that runs the guest.
    fn read<'a, T: Default + Send + 'static>(
        &'a self,
        scope: Option<KvScope>,
        read: impl FnOnce(&Store, &KvSpace) -> Result<T, ReadError> + Send + 'static,
    ) -> Answer<'a, T> {
        let Some(Further { dispatch, run, .. }) = &self.further else {
            return Box::pin(std::future::ready(Ok(T::default())));
        };
        let attachment = run.attachment_id.filter(|_| scope == Some(KvScope::Attachment));
        let space = KvSpace { action: run.action_id, attachment, tenant: run.owner_id.clone() };
        let store = dispatch.store().clone();
        Box::pin(
            async move { blocking(move || read(&store, &space)).await.map_err(|error| Unavailable(error.to_string())) },
        )
    }
}

impl Further {
    /// Refuses what the end of the run would only store as refused.
    fn check_emitted(&self, Emitted { event_type, payload, .. }: &Emitted) -> Result<(), EmitRefusal> {
        let Further { dispatch, event, run, .. } = self;
        let catalogue = dispatch.store().catalogue();
        let Some(found) = catalogue.event_type_named(&run.owner_id, event_type) else {
            return Err(EmitRefusal::Refused(format!("there is no event type `{event_type}` here")));
        };
        if !found.enabled {
            return Err(EmitRefusal::Refused(format!("the event type `{event_type}` is disabled")));
        }
        if let Some(violation) = dispatch.payload_violations(found, payload).into_iter().next() {
            let message = format!(
                "the payload does not follow the schema of `{event_type}`: {} at `{}`",
                violation.message, violation.pointer
            );
            return Err(EmitRefusal::Refused(message));
        }
        let above = event.lineage.as_ref().map_or(&[][..], |lineage| &lineage.event_types);
        let ancestors: Vec<EventTypeId> = above.iter().copied().chain([event.event_type_id]).collect();
        // How many events the chain has by then is not known before the end.
        match dispatch.shared.config.chain.refusal(&ancestors, found.id, 0) {
            Some(message) => Err(EmitRefusal::Limit(message)),
            None => Ok(()),
        }
    }
}
