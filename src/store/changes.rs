//! What changed lately, for whoever watches: a bounded ring of notices, each with a number.
//!
//! Watchers pull from the ring at their own pace, so a slow one costs nothing but its own place: when it falls out of
//! the ring it is told to look at everything anew.

use crate::domain::{Event, EventId, Run, RunId, State, TenantId};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use tokio::sync::watch;

/// Notices kept. At 10,000 changes a second this is several seconds for a watcher to reconnect in.
const KEPT_MAX: usize = 65_536;

/// Something that was committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub tenant: TenantId,
    pub subject: Subject,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    Event(EventId, State),
    Run(RunId, State),
    /// Log lines: run, attempt, number of the first line.
    Log(RunId, u32, u32),
}

impl Notice {
    pub(super) fn event(event: &Event) -> Notice {
        Notice { tenant: event.owner_id.clone(), subject: Subject::Event(event.id, event.state) }
    }

    pub(super) fn run(run: &Run) -> Notice {
        Notice { tenant: run.owner_id.clone(), subject: Subject::Run(run.id, run.state) }
    }
}

/// The ring.
#[derive(Debug)]
pub struct Changes {
    ring: Mutex<Ring>,
    newest: watch::Sender<Newest>,
}

#[derive(Debug)]
struct Ring {
    notices: VecDeque<Notice>,
    /// The number of the first notice in the ring.
    first: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Newest {
    next: u64,
    ended: bool,
}

/// What a watcher gets.
#[derive(Debug, PartialEq, Eq)]
pub enum Watched {
    /// Notices in order, the number of each being one more than that of the one before; `next` is where to go on.
    Notices { notices: Vec<Notice>, next: u64 },
    /// Notices were missed: `next` is the oldest number to go on from.
    Missed { next: u64 },
    /// The store was closed.
    Ended,
}

impl Changes {
    /// Numbers begin at `first`; a different one per start makes the numbers of an earlier start recognisable.
    pub(super) fn new(first: u64) -> Changes {
        let ring = Ring { notices: VecDeque::with_capacity(1024), first };
        Changes { ring: Mutex::new(ring), newest: watch::Sender::new(Newest { next: first, ended: false }) }
    }

    /// The number that the next notice will have.
    pub fn next(&self) -> u64 {
        self.newest.borrow().next
    }

    pub(super) fn publish(&self, notices: Vec<Notice>) {
        if notices.is_empty() {
            return;
        }
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.notices.extend(notices);
        let surplus = ring.notices.len().saturating_sub(KEPT_MAX);
        ring.notices.drain(..surplus);
        ring.first += surplus as u64;
        let next = ring.first + ring.notices.len() as u64;
        drop(ring);
        self.newest.send_modify(|newest| newest.next = next);
    }

    pub(super) fn break_off(&self) {
        self.newest.send_modify(|newest| newest.ended = true);
    }

    /// Waits until there is a notice numbered `from` or later, and gives at most `limit`.
    pub async fn since(&self, from: u64, limit: usize) -> Watched {
        let mut newest = self.newest.subscribe();
        // The sender lives in `self`; waiting cannot fail.
        let seen = newest.wait_for(|newest| newest.next != from || newest.ended).await.map(|newest| *newest);
        match seen {
            Ok(newest) if newest.next != from => self.read(from, limit),
            _ => Watched::Ended,
        }
    }

    fn read(&self, from: u64, limit: usize) -> Watched {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let end = ring.first + ring.notices.len() as u64;
        let skip = from.checked_sub(ring.first).filter(|_| from <= end).and_then(|skip| usize::try_from(skip).ok());
        match skip {
            None => Watched::Missed { next: ring.first.max(end.saturating_sub(limit as u64)) },
            Some(skip) => {
                let notices: Vec<Notice> = ring.notices.iter().skip(skip).take(limit).cloned().collect();
                let next = from + notices.len() as u64;
                Watched::Notices { notices, next }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn notices(count: u8) -> Vec<Notice> {
        let subject = |n| Subject::Run(RunId::from_bytes([n; 16]), State::Queued);
        (0..count).map(|n| Notice { tenant: TenantId::shared(), subject: subject(n) }).collect()
    }

    #[test]
    fn a_watcher_goes_on_where_it_was() {
        let changes = Changes::new(100);
        assert!(changes.since(100, 10).now_or_never().is_none(), "there is nothing yet");
        changes.publish(notices(3));
        let all = changes.since(100, 2).now_or_never().unwrap();
        assert_eq!(all, Watched::Notices { notices: notices(2), next: 102 });
        let rest = changes.since(102, 10).now_or_never().unwrap();
        assert_eq!(rest, Watched::Notices { notices: notices(3).split_off(2), next: 103 });
    }

    #[test]
    fn a_number_the_ring_does_not_have_is_a_miss() {
        let changes = Changes::new(100);
        changes.publish(notices(3));
        for strange in [0, 99, 104, u64::MAX] {
            assert_eq!(changes.since(strange, 10).now_or_never(), Some(Watched::Missed { next: 100 }), "{strange}");
        }
    }

    #[test]
    fn the_end_of_the_store_ends_the_watch() {
        let changes = Changes::new(1);
        changes.break_off();
        assert_eq!(changes.since(1, 10).now_or_never(), Some(Watched::Ended));
    }
}
