//! Which events: what a list asks for, and what is replayed.

use super::Api;
use super::auth::Caller;
use super::page::LIMIT_MAX;
use super::run::reason_named;
use crate::domain::{Event, EventId, EventTypeId, EventTypeName, ObjectRef, Reason, State, TenantId, Timestamp};
use crate::store::{Page, Query, ReadError, Store};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

#[derive(Clone, Debug, Default, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventFilter {
    /// QUEUED, WAITING, RUNNING, SUCCESS, WARNING, ERROR, SKIPPED or CANCELLED.
    pub(crate) state: Option<String>,
    /// Such as `fuel_exhausted`.
    reason: Option<String>,
    /// Display name of an event type, or its id. Of a name that none has any more the history of those that had it is
    /// found, which takes longer than by an id.
    event_type: Option<String>,
    /// Only what is this tenant's; empty for the platform's own.
    #[param(value_type = Option<String>)]
    #[schema(value_type = Option<String>)]
    owner_id: Option<TenantId>,
    object_type: Option<String>,
    object_id: Option<String>,
    /// Id of an event: those of the chain that it began, itself included.
    root_id: Option<String>,
    /// Id of an event: those that its runs fired.
    parent_id: Option<String>,
    /// Fired at this time or later.
    #[param(value_type = Option<String>, format = DateTime)]
    #[schema(value_type = Option<String>, format = DateTime)]
    from: Option<Timestamp>,
    /// Fired before this time.
    #[param(value_type = Option<String>, format = DateTime)]
    #[schema(value_type = Option<String>, format = DateTime)]
    to: Option<Timestamp>,
    /// Text that the event type, the object, the message, the payload or the id has, whatever the case.
    q: Option<String>,
    /// `-created_at`, newest first, or `created_at`. Default newest first. A replay has the oldest first.
    pub(crate) sort: Option<String>,
    /// At most this many items, 1 to 200. Default 50.
    pub(crate) limit: Option<usize>,
    /// `next` of the page before. A page may have fewer items than asked for and still have a next one.
    pub(crate) cursor: Option<String>,
}

/// A filter that names nothing that is not there.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    reason: Option<Reason>,
    of_type: Option<OfType>,
    owner: Option<TenantId>,
    object_type: Option<String>,
    object_id: Option<String>,
    root: Option<EventId>,
    parent: Option<EventId>,
    between: (Option<EventId>, Option<EventId>),
    q: String,
}

#[derive(Clone, Debug)]
enum OfType {
    Id(EventTypeId),
    /// No event type has this name now; events keep the one that theirs had.
    Named(EventTypeName),
}

/// The name of a field of a filter and what is wrong with its value.
pub(crate) struct Misfit {
    pub(crate) field: &'static str,
    pub(crate) message: String,
    /// It names what is not there, or not for this caller.
    pub(crate) is_missing: bool,
}

impl EventFilter {
    /// Those of a chain, the oldest first.
    pub(crate) fn of_chain(root: EventId, cursor: Option<String>) -> EventFilter {
        let (sort, limit) = (Some("created_at".to_owned()), Some(LIMIT_MAX));
        EventFilter { root_id: Some(root.to_string()), sort, limit, cursor, ..EventFilter::default() }
    }

    pub(crate) fn wanted<N>(self, api: &Api, caller: &Caller<N>) -> Result<Wanted, Misfit> {
        let misfit = |field, message| Misfit { field, message, is_missing: false };
        let id = |field: &'static str, text: &Option<String>| {
            let id = text.as_deref().map(|text| text.parse().map_err(|_| misfit(field, format!("{text}: not an id"))));
            id.transpose()
        };
        let reason = self
            .reason
            .as_deref()
            .map(|name| reason_named(name).ok_or_else(|| misfit("reason", format!("{name}: there is no such reason"))));
        let owner = self.owner_id.as_ref().filter(|owner| caller.tenant().sees(owner)).unwrap_or(caller.tenant());
        Ok(Wanted {
            reason: reason.transpose()?,
            of_type: self.event_type.as_deref().map(|name| of_type(api, owner, name)).transpose()?,
            owner: self.owner_id.clone(),
            root: id("root_id", &self.root_id)?,
            parent: id("parent_id", &self.parent_id)?,
            object_type: self.object_type,
            object_id: self.object_id,
            between: (self.from.map(EventId::first_at), self.to.map(EventId::first_at)),
            q: self.q.unwrap_or_default().to_lowercase(),
        })
    }
}

/// What an event type's name means to `tenant`. An id needs no event type behind it: history outlives it.
fn of_type(api: &Api, tenant: &TenantId, text: &str) -> Result<OfType, Misfit> {
    if let Ok(id) = text.parse() {
        return Ok(OfType::Id(id));
    }
    let misfit = |_| Misfit { field: "event_type", message: no_event_type(text), is_missing: true };
    let name: EventTypeName = text.parse().map_err(misfit)?;
    let catalogue = api.store().catalogue();
    let found = catalogue.event_type_named(tenant, &name).map(|found| found.id);
    Ok(found.map_or(OfType::Named(name), OfType::Id))
}

pub(crate) fn no_event_type(name: &str) -> String {
    format!("there is no event type `{name}`, and no such event of one that was called so")
}

impl Wanted {
    /// The name that is asked for if no event type has it any more.
    pub(crate) fn former_name(&self) -> Option<&EventTypeName> {
        match &self.of_type {
            Some(OfType::Named(name)) => Some(name),
            Some(OfType::Id(_)) | None => None,
        }
    }

    /// Only events made before this one.
    #[must_use]
    pub(crate) fn before(mut self, id: EventId) -> Wanted {
        self.between.1 = Some(self.between.1.map_or(id, |to| to.min(id)));
        self
    }

    /// A page of the events that are wanted and that `also` wants.
    pub(crate) fn page(
        &self,
        store: &Store,
        query: Query,
        also: impl Fn(&Event) -> bool,
    ) -> Result<Page<Event>, ReadError> {
        let bytes = |id: EventId| *id.as_bytes();
        let query = Query { between: (self.between.0.map(bytes), self.between.1.map(bytes)), ..query };
        let Some(query) = of_owner(query, self.owner.as_ref()) else {
            return Ok(Page { items: Vec::new(), next: None });
        };
        let of_type = match &self.of_type {
            Some(OfType::Id(id)) => Some(*id),
            Some(OfType::Named(_)) | None => None,
        };
        let wanted = |event: &Event| self.wants(event) && also(event);
        // Children are found in the chain of their parent.
        let of_parent = self.parent.map(|parent| store.event(query.tenant.as_ref(), parent)).transpose()?;
        match (self.root, of_parent) {
            (Some(root), _) => store.list_family(&query, root, wanted),
            (None, Some(Some(parent))) => store.list_family(&query, parent.root_id, wanted),
            (None, Some(None)) => Ok(Page { items: Vec::new(), next: None }),
            (None, None) => store.list_events(&query, of_type, wanted),
        }
    }

    fn wants(&self, event: &Event) -> bool {
        let object = event.object.as_ref();
        let of_object = |wanted: &Option<String>, part: fn(&ObjectRef) -> &String| {
            wanted.as_ref().is_none_or(|wanted| object.is_some_and(|object| part(object) == wanted))
        };
        let has = |text: &str| text.to_lowercase().contains(&self.q);
        self.reason.is_none_or(|reason| event.reason == Some(reason))
            && self.of_type.as_ref().is_none_or(|of_type| match of_type {
                OfType::Id(id) => event.event_type_id == *id,
                OfType::Named(name) => event.event_type.to_lowercase() == name.folded(),
            })
            && self.root.is_none_or(|root| event.root_id == root)
            && self.parent.is_none_or(|parent| event.parent_id == Some(parent))
            && of_object(&self.object_type, |object| &object.object_type)
            && of_object(&self.object_id, |object| &object.object_id)
            && (self.q.is_empty()
                || has(&event.event_type)
                || has(&event.message)
                || has(event.payload.as_str())
                || object.is_some_and(|object| has(&object.to_string()))
                || event.id.to_string().contains(&self.q))
    }
}

/// The query for what is one tenant's; none when its caller does not see that tenant.
pub(crate) fn of_owner(query: Query, owner: Option<&TenantId>) -> Option<Query> {
    let is_hidden = |owner: &TenantId| query.tenant.as_ref().is_some_and(|tenant| tenant != owner);
    match owner {
        Some(owner) if is_hidden(owner) => None,
        Some(owner) => Some(Query { tenant: Some(owner.clone()), ..query }),
        None => Some(query),
    }
}

/// A state as it is written, whatever the case.
pub(crate) fn state_named(text: &str) -> Result<State, Misfit> {
    let misfit = |()| Misfit { field: "state", message: format!("{text}: there is no such state"), is_missing: false };
    text.parse().map_err(misfit)
}
