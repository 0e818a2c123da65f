//! Which event types a list is asked for.

use crate::api::page::Filter;
use crate::domain::{ActionId, EventType};
use crate::store::Catalogue;
use serde::Deserialize;
use utoipa::IntoParams;

/// What every list of the catalogue understands, and what only event types have.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventTypeFilter {
    /// Text that the display name or the description has, whatever the case.
    q: Option<String>,
    /// Only what this tenant owns.
    owner_id: Option<String>,
    /// Only what is enabled, or only what is not.
    enabled: Option<bool>,
    /// Only what is paused, or only what is not.
    paused: Option<bool>,
    /// Only what runs under the sink type of this name.
    sink_type: Option<String>,
    /// Only what sources of the source type of this name may fire.
    source_type: Option<String>,
    /// Only what names the action with this id.
    #[param(value_type = Option<uuid::Uuid>)]
    action: Option<ActionId>,
    /// `name`, `created_at` or `updated_at`; with a `-` in front from the largest. Default `name`.
    sort: Option<String>,
    /// At most this many items, 1 to 200. Default 50.
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

impl EventTypeFilter {
    pub(super) fn wants(&self, catalogue: &Catalogue, event_type: &EventType) -> bool {
        let same = |wanted: &Option<String>, name: Option<&str>| {
            wanted.as_ref().is_none_or(|wanted| name.is_some_and(|name| name.to_lowercase() == wanted.to_lowercase()))
        };
        let source_type = event_type.source_type.and_then(|id| catalogue.source_types().get(id));
        self.enabled.is_none_or(|enabled| event_type.enabled == enabled)
            && self.paused.is_none_or(|paused| event_type.paused == paused)
            && same(&self.sink_type, Some(event_type.sink_type.as_str()))
            && same(&self.source_type, source_type.map(|found| found.header.name.as_str()))
            && self.action.is_none_or(|action| event_type.action == Some(action))
    }

    pub(super) fn into_page(self) -> Filter {
        let EventTypeFilter { q, owner_id, sort, limit, cursor, .. } = self;
        Filter { q, owner_id, sort, limit, cursor }
    }
}
