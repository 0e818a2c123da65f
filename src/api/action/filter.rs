//! Which actions a list is asked for.

use crate::api::page::Filter;
use crate::domain::{Action, EventTypeName};
use serde::Deserialize;
use utoipa::IntoParams;

/// What every list of the catalogue understands, and what only actions have.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ActionFilter {
    /// Text that the name or the description has, whatever the case.
    q: Option<String>,
    /// Only what this tenant owns.
    owner_id: Option<String>,
    /// Only what is enabled, or only what is not.
    enabled: Option<bool>,
    /// Display name of an event type: only what it triggers.
    trigger: Option<String>,
    /// Display name of an event type: only what fires it on success.
    on_success: Option<String>,
    /// The same on failure.
    on_failure: Option<String>,
    /// `name`, `created_at` or `updated_at`; with a `-` in front from the largest. Default `name`.
    sort: Option<String>,
    /// At most this many items, 1 to 200. Default 50.
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

impl ActionFilter {
    pub(super) fn wants(&self, action: &Action) -> bool {
        let names = |wanted: &Option<String>, named: Option<&EventTypeName>| {
            wanted.as_ref().is_none_or(|wanted| named.is_some_and(|named| named.folded() == wanted.to_lowercase()))
        };
        self.enabled.is_none_or(|enabled| action.enabled == enabled)
            && names(&self.trigger, action.trigger.as_ref())
            && names(&self.on_success, action.on_success.as_ref())
            && names(&self.on_failure, action.on_failure.as_ref())
    }

    pub(super) fn into_page(self) -> Filter {
        let ActionFilter { q, owner_id, sort, limit, cursor, .. } = self;
        Filter { q, owner_id, sort, limit, cursor }
    }
}
