//! The one writer: takes every transition that waits, applies them in order, commits once, then answers.
//!
//! While a commit is on its way to the disk the next batch gathers, so the disk's latency sets how large batches get
//! (group commit). Expectations and catalogue rules are checked before anything is written, because a redb transaction
//! cannot undo one operation in the middle.

use super::audit::Audit;
use super::batch::{Batch, Written};
use super::catalogue::Catalogue;
use super::changes::Changes;
use super::tally::Tally;
use super::transition::{CommitError, Conflict, Transition};
use crate::domain::AuditEntry;
use arc_swap::ArcSwap;
use redb::Database;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Transitions in one commit at most: bounds how long the first of them waits for the last.
const BATCH_MAX: usize = 16_384;

/// Called with the end of a transition, on the writer's thread: it must be quick and must not block.
pub type OnCommit = Box<dyn FnOnce(Result<(), CommitError>) + Send>;

struct Entry {
    transition: Transition,
    on_commit: Option<OnCommit>,
}

/// What waits for the writer. Its length is bounded by who may wait: open requests and running attempts.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<QueueState>,
    filled: Condvar,
}

#[derive(Default)]
struct QueueState {
    entries: Vec<Entry>,
    closed: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, transition: Transition, on_commit: Option<OnCommit>) {
        let entry = Entry { transition, on_commit };
        let mut state = self.lock();
        if state.closed {
            drop(state);
            entry.answer(Err(CommitError::Broken("it is closed".into())));
            return;
        }
        state.entries.push(entry);
        if state.entries.len() == 1 {
            self.filled.notify_one();
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Takes nothing more; what waits is still written.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_one();
    }

    /// Takes nothing more, and refuses what waits.
    fn refuse_all(&self, error: &Arc<str>) {
        self.close();
        while let Some(entries) = self.take() {
            entries.into_iter().for_each(|entry| entry.answer(Err(CommitError::Broken(Arc::clone(error)))));
        }
    }

    /// Waits for entries; `None` when closed and empty.
    fn take(&self) -> Option<Vec<Entry>> {
        let mut state = self.lock();
        while state.entries.is_empty() {
            if state.closed {
                return None;
            }
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.entries.len() <= BATCH_MAX {
            return Some(std::mem::take(&mut state.entries));
        }
        let rest = state.entries.split_off(BATCH_MAX);
        Some(std::mem::replace(&mut state.entries, rest))
    }
}

impl Entry {
    fn answer(self, result: Result<(), CommitError>) {
        if let Some(on_commit) = self.on_commit {
            on_commit(result);
        }
    }
}

/// What the writer did since the store was opened.
#[derive(Debug, Default)]
pub(super) struct Counters {
    commits: AtomicU64,
    transitions: AtomicU64,
    commit_us: AtomicU64,
    forgotten: AtomicU64,
}

/// A reading of the writer's counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriterStats {
    pub commits: u64,
    /// Transitions that were applied; many share a commit.
    pub transitions: u64,
    /// Time spent writing and committing, in microseconds.
    pub commit_us: u64,
    /// Events that were taken away because they were old.
    pub forgotten: u64,
}

impl Counters {
    pub(super) fn read(&self) -> WriterStats {
        WriterStats {
            commits: self.commits.load(Ordering::Relaxed),
            transitions: self.transitions.load(Ordering::Relaxed),
            commit_us: self.commit_us.load(Ordering::Relaxed),
            forgotten: self.forgotten.load(Ordering::Relaxed),
        }
    }

    fn count(&self, transitions: usize, took: Duration) {
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.transitions.fetch_add(transitions as u64, Ordering::Relaxed);
        self.commit_us.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

pub(super) struct Writer {
    pub(super) counters: Arc<Counters>,
    pub(super) db: Arc<Database>,
    pub(super) queue: Arc<Queue>,
    pub(super) catalogue: Arc<ArcSwap<Catalogue>>,
    pub(super) changes: Arc<Changes>,
    pub(super) tally: Arc<Tally>,
    pub(super) batch: Batch,
}

impl Writer {
    /// Runs until the queue is closed. A failed write is final: what the disk then holds is unknown until it is
    /// opened anew, so everything that waits or comes later is refused.
    pub(super) fn run(mut self) {
        let _closing = Closing { queue: Arc::clone(&self.queue), changes: Arc::clone(&self.changes) };
        while let Some(entries) = self.queue.take() {
            if let Err(error) = self.commit(entries) {
                self.queue.refuse_all(&error);
                tracing::error!(%error, "the store cannot write; restart the server when the disk is well again");
                return;
            }
        }
    }

    fn commit(&mut self, entries: Vec<Entry>) -> Result<(), Arc<str>> {
        let mut catalogue = self.catalogue.load_full();
        let mut catalogue_changed = false;
        let mut accepted = Vec::with_capacity(entries.len());
        for mut entry in entries {
            let admitted = admit(&catalogue, &entry.transition);
            // Last, as a transition that is refused must not have decided on values.
            let admitted = admitted.and_then(|admitted| {
                self.batch.decide_on_values(&self.db, &catalogue, &entry.transition).map(|()| admitted)
            });
            match admitted {
                Err(conflict) => entry.answer(Err(conflict.into())),
                Ok((changed, audit)) => {
                    if let Some(changed) = changed {
                        catalogue = Arc::new(changed);
                        catalogue_changed = true;
                    }
                    self.batch.add(std::mem::take(&mut entry.transition), audit);
                    accepted.push(entry);
                }
            }
        }
        if accepted.is_empty() {
            return Ok(());
        }
        let begun = Instant::now();
        match self.batch.write(&self.db, &catalogue) {
            Ok(Written { notices, forgotten, tallied }) => {
                self.tally.add(tallied);
                self.counters.count(accepted.len(), begun.elapsed());
                self.counters.forgotten.fetch_add(forgotten, Ordering::Relaxed);
                if catalogue_changed {
                    self.catalogue.store(catalogue);
                }
                self.changes.publish(notices);
                accepted.into_iter().for_each(|entry| entry.answer(Ok(())));
                Ok(())
            }
            Err(error) => {
                let error: Arc<str> = error.to_string().into();
                accepted.into_iter().for_each(|entry| entry.answer(Err(CommitError::Broken(Arc::clone(&error)))));
                Err(error)
            }
        }
    }
}

/// However the writer ends, by a bug as well, nobody waits for it afterwards.
struct Closing {
    queue: Arc<Queue>,
    changes: Arc<Changes>,
}

impl Drop for Closing {
    fn drop(&mut self) {
        self.changes.break_off();
        self.queue.refuse_all(&"its writer has ended".into());
    }
}

/// The catalogue after `transition` if it changes it, and what goes to the audit log.
fn admit(catalogue: &Catalogue, transition: &Transition) -> Result<(Option<Catalogue>, Vec<AuditEntry>), Conflict> {
    transition.expect.iter().try_for_each(|expectation| catalogue.check(expectation))?;
    let mut audit = Audit::of(transition.author.as_ref());
    if !transition.changes.iter().any(super::Change::is_catalogue) {
        transition.changes.iter().for_each(|change| audit.note(catalogue, change));
        return Ok((None, audit.entries));
    }
    let mut changed = catalogue.clone();
    for change in &transition.changes {
        audit.note(&changed, change);
        changed.apply(change)?;
    }
    Ok((Some(changed), audit.entries))
}
