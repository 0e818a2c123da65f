//! How many events a chain has: counted in memory while any of them is open, and anew from the store when one of them
//! is read from there.
//!
//! Every event of a chain that is carried on here holds its family, so the count is there as long as it is asked for.
//! An event that caused nothing has none.

use super::job::Live;
use super::scheduler::Dispatch;
use super::worker::blocking;
use crate::domain::{EventId, TenantId};
use crate::store::{ReadError, Store, Transition};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak, mpsc};

/// The events of one root.
#[derive(Debug)]
pub(super) struct Family {
    root: EventId,
    events: AtomicU32,
    known: Known,
}

type Known = Arc<Mutex<HashMap<EventId, Weak<Family>>>>;

impl Family {
    /// Counts one event more; how many there were before it.
    pub(super) fn add(&self) -> u32 {
        self.events.fetch_add(1, Ordering::Relaxed)
    }

    /// Counts these out again, which were not kept.
    pub(super) fn take_back(&self, events: u32) {
        self.events.fetch_sub(events, Ordering::Relaxed);
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // Another may have been made since the last holder of this one let go.
        if known.get(&self.root).is_some_and(|family| family.strong_count() == 0) {
            known.remove(&self.root);
        }
    }
}

/// The families of which an event is open here.
#[derive(Clone, Debug, Default)]
pub(super) struct Families {
    known: Known,
    /// Held while one is counted from the store, on a thread that may block.
    counting: Arc<Mutex<()>>,
}

impl Families {
    /// The family of a root that has caused nothing before.
    pub(super) fn begin(&self, root: EventId) -> Arc<Family> {
        self.insert(root, 1)
    }

    fn insert(&self, root: EventId, events: u32) -> Arc<Family> {
        let family = Arc::new(Family { root, events: AtomicU32::new(events), known: Arc::clone(&self.known) });
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(root, Arc::downgrade(&family));
        family
    }

    fn find(&self, root: EventId) -> Option<Arc<Family>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&root).and_then(Weak::upgrade)
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// The family that has events already, at most `limit` of which count. May block.
    fn join(&self, store: &Store, tenant: &TenantId, root: EventId, limit: u32) -> Result<Arc<Family>, ReadError> {
        let _one_at_a_time = self.counting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(family) = self.find(root) {
            return Ok(family);
        }
        // Nobody holds it, so nobody adds to it. What those who held it added may still be on its way to the disk.
        let (sender, written) = mpsc::channel();
        store.submit(Transition::default(), Some(Box::new(move |result| drop(sender.send(result)))));
        // Should the store be broken, nothing that is decided here is kept.
        drop(written.recv());
        Ok(self.insert(root, store.count_family(tenant, root, limit)?))
    }
}

impl Dispatch {
    /// Gives an event that was read from the store its family, if it is one of a chain.
    pub(super) async fn join_family(&self, mut live: Live) -> Result<Live, ReadError> {
        if live.event.lineage.is_none()
            && live.runs.iter().all(|run| run.child_event_id.is_none() && run.emitted.is_empty())
        {
            return Ok(live);
        }
        let (families, store) = (self.families().clone(), self.store().clone());
        let (tenant, root) = (live.event.owner_id.clone(), live.event.root_id);
        let limit = self.shared.config.chain.events;
        live.family = Some(blocking(move || families.join(&store, &tenant, root, limit)).await?);
        Ok(live)
    }
}
