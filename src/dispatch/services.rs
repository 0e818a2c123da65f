//! What a running guest may ask of the host.

use super::mask::Mask;
use crate::domain::{Clock, LogLine, Run, Timestamp};
use crate::sandbox::HostServices;
use crate::store::{Change, LogChunk};
use std::sync::{Arc, Mutex, PoisonError};

/// The host's side of one attempt.
pub(super) struct AttemptServices {
    clock: Arc<dyn Clock>,
    /// Hides the secrets that the guest was given.
    mask: Option<Arc<Mask>>,
    log: Mutex<Log>,
}

#[derive(Default)]
struct Log {
    lines: Vec<LogLine>,
    /// Lines that were taken before.
    taken: u32,
}

impl AttemptServices {
    pub(super) fn new(clock: Arc<dyn Clock>, mask: Option<Arc<Mask>>) -> AttemptServices {
        AttemptServices { clock, mask, log: Mutex::default() }
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
}
