//! What a running guest may ask of the host.

use super::mask::Mask;
use super::scheduler::Dispatch;
use super::unseal::Unsealed;
use crate::domain::{HiddenSecret, HttpCall, LogLine, Reach, Run, Timestamp};
use crate::sandbox::HostServices;
use crate::store::{Change, LogChunk};
use std::sync::{Arc, Mutex, PoisonError};

/// The host's side of one attempt.
pub(super) struct AttemptServices {
    dispatch: Dispatch,
    run: Arc<Run>,
    /// Hides the secrets that the guest was given.
    mask: Option<Arc<Mask>>,
    /// Those that the guest has placeholders of.
    hidden: Vec<HiddenSecret>,
    log: Mutex<Log>,
    calls: Mutex<Vec<HttpCall>>,
}

#[derive(Default)]
struct Log {
    lines: Vec<LogLine>,
    /// Lines that were taken before.
    taken: u32,
}

impl AttemptServices {
    pub(super) fn new(dispatch: &Dispatch, run: &Arc<Run>, unsealed: Option<&Unsealed>) -> AttemptServices {
        AttemptServices {
            dispatch: dispatch.clone(),
            run: Arc::clone(run),
            mask: unsealed.map(|unsealed| Arc::clone(&unsealed.mask)),
            hidden: unsealed.map(|unsealed| unsealed.hidden.clone()).unwrap_or_default(),
            log: Mutex::default(),
            calls: Mutex::default(),
        }
    }

    /// What was sent by HTTP, in the order in which it began.
    pub(super) fn take_calls(&self) -> Vec<HttpCall> {
        std::mem::take(&mut self.calls.lock().unwrap_or_else(PoisonError::into_inner))
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
        self.dispatch.now()
    }

    fn reach(&self) -> Reach {
        Reach { hidden: self.hidden.clone(), ..self.dispatch.reach_of(&self.run) }
    }

    /// The sandbox bounds how many there are.
    fn http_call(&self, call: HttpCall) {
        self.dispatch.count_call(call.fault);
        let call = match &self.mask {
            Some(mask) => HttpCall { host: mask.text(call.host), message: mask.text(call.message), ..call },
            None => call,
        };
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
    }
}
