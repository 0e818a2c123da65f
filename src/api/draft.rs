//! A catalogue that is being changed and that nobody else sees yet.
//!
//! Handlers work on it as they do on the store's, so what is tried first is judged by the same rules as what is done.

use crate::store::{Catalogue, Change, Conflict, Transition};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(super) struct Draft(Mutex<State>);

struct State {
    catalogue: Arc<Catalogue>,
    /// What made the catalogue out of the one that it began as.
    changes: Vec<Change>,
}

/// A state to come back to.
#[derive(Clone)]
pub(super) struct Mark {
    catalogue: Arc<Catalogue>,
    changes: usize,
}

impl Draft {
    pub(super) fn new(catalogue: Arc<Catalogue>) -> Draft {
        Draft(Mutex::new(State { catalogue, changes: Vec::new() }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn catalogue(&self) -> Arc<Catalogue> {
        Arc::clone(&self.lock().catalogue)
    }

    /// Applies a transition as the store would, but for keeping it.
    pub(super) fn apply(&self, transition: Transition) -> Result<(), Conflict> {
        let mut state = self.lock();
        state.catalogue = Arc::new(state.catalogue.after(&transition)?);
        state.changes.extend(transition.changes);
        Ok(())
    }

    pub(super) fn mark(&self) -> Mark {
        let state = self.lock();
        Mark { catalogue: Arc::clone(&state.catalogue), changes: state.changes.len() }
    }

    pub(super) fn go_back(&self, mark: Mark) {
        let mut state = self.lock();
        state.catalogue = mark.catalogue;
        state.changes.truncate(mark.changes);
    }

    /// Everything that was changed, in order.
    pub(super) fn changes(&self) -> Vec<Change> {
        self.lock().changes.clone()
    }
}
