//! Linked components, kept in memory.

use super::guest::Guest;
use super::host::{BUDGET, EMIT, HTTP, KV, WASI_HTTP};
use crate::domain::{Digest, IdMap};
use arc_swap::ArcSwap;
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use wasmtime::Engine;

/// A component that can be invoked at once, from any thread; of an interpreter, with what it is to run. Cheap to clone.
#[derive(Clone)]
pub struct Prepared {
    loaded: Arc<Loaded>,
    program: Option<Bytes>,
}

struct Loaded {
    digest: Digest,
    engine: Engine,
    guest: Guest,
    /// Whether it hands whole bodies over for requests.
    hands_bodies_over: bool,
    watches_cancellation: bool,
    reaches_further: bool,
    /// Set by a use, cleared when room is made: what was not used since goes first.
    used: AtomicBool,
}

impl Prepared {
    pub(super) fn new(digest: Digest, engine: Engine, guest: Guest) -> Prepared {
        let watches_cancellation = guest.imports(BUDGET);
        let hands_bodies_over = guest.imports(HTTP);
        let sends = hands_bodies_over || guest.imports_any_of(WASI_HTTP);
        let reaches_further = sends || guest.imports(KV) || guest.imports(EMIT);
        let used = AtomicBool::new(true);
        let loaded = Loaded { digest, engine, guest, hands_bodies_over, watches_cancellation, reaches_further, used };
        Prepared { loaded: Arc::new(loaded), program: None }
    }

    /// The interpreter with a program that it made of source code.
    #[must_use]
    pub fn with_program(self, program: Bytes) -> Prepared {
        Prepared { program: Some(program), ..self }
    }

    pub(super) fn program(&self) -> Option<&[u8]> {
        self.program.as_deref()
    }

    pub(super) fn hands_bodies_over(&self) -> bool {
        self.loaded.hands_bodies_over
    }

    /// Whether it asks if it was cancelled, and so is given a moment then.
    pub fn watches_cancellation(&self) -> bool {
        self.loaded.watches_cancellation
    }

    pub fn digest(&self) -> Digest {
        self.loaded.digest
    }

    /// Whether it can keep values or emit events.
    pub fn reaches_further(&self) -> bool {
        self.loaded.reaches_further
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.loaded.engine
    }

    pub(super) fn guest(&self) -> &Guest {
        &self.loaded.guest
    }
}

/// A bounded number of prepared components. Reading takes no lock.
pub(super) struct Shelf {
    kept: ArcSwap<IdMap<Digest, Prepared>>,
    size_max: usize,
}

impl Shelf {
    pub(super) fn new(size_max: usize) -> Shelf {
        Shelf { kept: ArcSwap::default(), size_max }
    }

    pub(super) fn find(&self, digest: &Digest) -> Option<Prepared> {
        let prepared = self.kept.load().get(digest).cloned()?;
        // Writing only what changes keeps the cache line shared between processors.
        if !prepared.loaded.used.load(Ordering::Relaxed) {
            prepared.loaded.used.store(true, Ordering::Relaxed);
        }
        Some(prepared)
    }

    pub(super) fn put(&self, prepared: &Prepared) {
        self.kept.rcu(|kept| {
            let mut kept = IdMap::clone(kept);
            if kept.len() >= self.size_max && !kept.contains_key(&prepared.digest()) {
                make_room(&mut kept);
            }
            kept.insert(prepared.digest(), prepared.clone());
            kept
        });
    }

    pub(super) fn remove(&self, digest: &Digest) {
        self.kept.rcu(|kept| {
            let mut kept = IdMap::clone(kept);
            kept.remove(digest);
            kept
        });
    }
}

/// Removes one that was not used since the last time room was made, or any if all were.
fn make_room(kept: &mut IdMap<Digest, Prepared>) {
    let mut idle = None;
    for (digest, prepared) in &*kept {
        if !prepared.loaded.used.swap(false, Ordering::Relaxed) {
            idle = Some(*digest);
        }
    }
    if let Some(digest) = idle.or_else(|| kept.keys().next().copied()) {
        kept.remove(&digest);
    }
}
