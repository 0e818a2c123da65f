//! How much the catalogue may hold: it lives in memory, so it must not grow without end.

use super::named::NamedBounds;

/// The most there may be of each kind; one more is refused.
#[derive(Clone, Copy, Debug)]
pub struct CatalogueBounds {
    pub modules: usize,
    /// Names that one module may have.
    pub module_names: usize,
    pub actions: usize,
    pub event_types: usize,
    pub tokens: usize,
    pub objects: usize,
    pub attachments: usize,
    pub named: NamedBounds,
}

impl Default for CatalogueBounds {
    fn default() -> CatalogueBounds {
        CatalogueBounds {
            modules: 10_000,
            module_names: 1_000,
            actions: 1_000_000,
            event_types: 100_000,
            tokens: 100_000,
            objects: 1_000_000,
            attachments: 1_000_000,
            named: NamedBounds::default(),
        }
    }
}
