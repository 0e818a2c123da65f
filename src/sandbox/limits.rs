//! Memory and tables: the sum over all of an attempt's, not each for itself.

use super::engine::{CORE_INSTANCES_MAX, MEMORIES_MAX, TABLE_ELEMENTS_MAX, TABLES_MAX};
use wasmtime::ResourceLimiter;

/// Counts what an attempt holds and refuses what would be too much.
///
/// A refusal is not the end: the guest sees its growth fail and may cope. It is remembered, because what mostly
/// follows is a trap whose own words say nothing of memory.
#[derive(Debug)]
pub(super) struct Limiter {
    memory_bytes: Total,
    table_elements: Total,
    denied: Option<Denied>,
}

/// What was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    MemoryBytes { asked: u64, allowed: u64 },
    TableElements { asked: u64, allowed: u64 },
}

/// A sum with a bound. Memories and tables only grow while an attempt lives, so the sum is its own peak.
#[derive(Debug)]
struct Total {
    now: u64,
    allowed: u64,
}

enum Growth {
    Counted,
    /// Beyond the maximum that the memory or table declares for itself: it fails, but not for our limit.
    OverItsOwn,
    /// The sum would have been this.
    OverOurs(u64),
}

impl Total {
    fn grow(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Growth {
        let sum = self.now.saturating_add(desired.saturating_sub(current) as u64);
        if sum > self.allowed {
            Growth::OverOurs(sum)
        } else if maximum.is_some_and(|maximum| desired > maximum) {
            Growth::OverItsOwn
        } else {
            // Should the system refuse a growth that was counted, the sum stays too high: the safe side.
            self.now = sum;
            Growth::Counted
        }
    }
}

impl Limiter {
    pub(super) fn new(memory_bytes: u64) -> Limiter {
        Limiter {
            memory_bytes: Total { now: 0, allowed: memory_bytes },
            table_elements: Total { now: 0, allowed: TABLE_ELEMENTS_MAX.into() },
            denied: None,
        }
    }

    /// The highest sum over all linear memories.
    pub(super) fn memory_bytes(&self) -> u64 {
        self.memory_bytes.now
    }

    /// The latest refusal.
    pub(super) fn denied(&self) -> Option<Denied> {
        self.denied
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let growth = self.memory_bytes.grow(current, desired, maximum);
        if let Growth::OverOurs(asked) = growth {
            self.denied = Some(Denied::MemoryBytes { asked, allowed: self.memory_bytes.allowed });
        }
        Ok(matches!(growth, Growth::Counted))
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let growth = self.table_elements.grow(current, desired, maximum);
        if let Growth::OverOurs(asked) = growth {
            self.denied = Some(Denied::TableElements { asked, allowed: self.table_elements.allowed });
        }
        Ok(matches!(growth, Growth::Counted))
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES_MAX as usize
    }

    fn tables(&self) -> usize {
        TABLES_MAX as usize
    }

    fn memories(&self) -> usize {
        MEMORIES_MAX as usize
    }
}
