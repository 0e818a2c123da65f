//! The log of one attempt: every line goes through here, is counted, and is handed to the host services.

use super::HostServices;
use super::Stop;
use crate::domain::{Json, Level, LogLine, LogSource, Reason};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A line and a field cost more than their bytes: what the host keeps with them. Without this a million empty
/// lines would be free.
pub(in crate::sandbox) const LINE_BYTES: u64 = 64;
pub(in crate::sandbox) const FIELD_BYTES: u64 = 16;

pub(in crate::sandbox) struct Journal {
    services: Arc<dyn HostServices>,
    limit_bytes: u64,
    /// Shared with the streams of stdio, which the guest holds; never contended.
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    used_bytes: u64,
    /// The beginnings of lines whose end was not printed yet. The limit bounds them too.
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Journal {
    pub(in crate::sandbox) fn new(services: Arc<dyn HostServices>, limit_bytes: u64) -> Journal {
        Journal { services, limit_bytes, open: Mutex::default() }
    }

    pub(super) fn services(&self) -> Arc<dyn HostServices> {
        Arc::clone(&self.services)
    }

    /// One line of the `log` interface.
    ///
    /// # Errors
    /// It does not fit in what is left of the limit; nothing of it is kept.
    pub(super) fn write(&self, level: Level, message: String, fields: Vec<(String, Json)>) -> Result<(), Stop> {
        let of_fields: usize = fields.iter().map(|(name, value)| name.len() + value.size_bytes()).sum();
        let bytes = LINE_BYTES + FIELD_BYTES * fields.len() as u64 + (message.len() + of_fields) as u64;
        self.count(&mut self.open(), bytes)?;
        self.services.log(LogLine { at: self.services.now(), level, source: LogSource::Log, message, fields });
        Ok(())
    }

    /// Bytes that the guest printed; each newline ends a line.
    ///
    /// # Errors
    /// They do not fit in what is left of the limit. Lines up to there are kept.
    pub(super) fn print(&self, source: LogSource, mut bytes: &[u8]) -> Result<(), Stop> {
        let mut open = self.open();
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.count(&mut open, LINE_BYTES + end as u64)?;
            let mut line = std::mem::take(open.unfinished(source));
            line.extend_from_slice(&bytes[..end]);
            self.hand_over(source, &line);
            bytes = &bytes[end + 1..];
        }
        self.count(&mut open, bytes.len() as u64)?;
        open.unfinished(source).extend_from_slice(bytes);
        Ok(())
    }

    /// Ends the lines that were begun, and says how many bytes the log took.
    pub(in crate::sandbox) fn finish(&self) -> u64 {
        let mut open = self.open();
        for source in [LogSource::Stdout, LogSource::Stderr] {
            let line = std::mem::take(open.unfinished(source));
            if !line.is_empty() {
                open.used_bytes += LINE_BYTES;
                self.hand_over(source, &line);
            }
        }
        open.used_bytes.min(self.limit_bytes)
    }

    fn count(&self, open: &mut Open, bytes: u64) -> Result<(), Stop> {
        let used = open.used_bytes.saturating_add(bytes);
        if used > self.limit_bytes {
            let message = format!("the log grew beyond its limit of {} bytes", self.limit_bytes);
            return Err(Stop { reason: Reason::OutputLimit, message });
        }
        open.used_bytes = used;
        Ok(())
    }

    fn hand_over(&self, source: LogSource, line: &[u8]) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let level = if source == LogSource::Stderr { Level::Warn } else { Level::Info };
        let message = String::from_utf8_lossy(line).into_owned();
        self.services.log(LogLine { at: self.services.now(), level, source, message, fields: Vec::new() });
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn unfinished(&mut self, source: LogSource) -> &mut Vec<u8> {
        if source == LogSource::Stderr { &mut self.stderr } else { &mut self.stdout }
    }
}
