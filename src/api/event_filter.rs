//! Which events: what a list asks for, and what is replayed.

use super::Api;
use super::auth::Caller;
use super::run::reason_named;
use crate::domain::{Event, EventId, EventTypeId, ObjectRef, Reason, State, Timestamp};
use crate::store::{Page, Query, ReadError, Store};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

#[derive(Clone, Debug, Default, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EventFilter {
    /// QUEUED, WAITING, RUNNING, SUCCESS, WARNING, ERROR, SKIPPED or CANCELLED.
    pub(super) state: Option<String>,
    /// Such as `fuel_exhausted`.
    reason: Option<String>,
    /// Display name of an event type, or its id: by its id the history of a deleted one is found, too.
    event_type: Option<String>,
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
    pub(super) sort: Option<String>,
    /// At most this many items, 1 to 200. Default 50.
    pub(super) limit: Option<usize>,
    /// `next` of the page before. A page may have fewer items than asked for and still have a next one.
    pub(super) cursor: Option<String>,
}

/// A filter that names nothing that is not there.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    reason: Option<Reason>,
    of_type: Option<EventTypeId>,
    object_type: Option<String>,
    object_id: Option<String>,
    root: Option<EventId>,
    parent: Option<EventId>,
    between: (Option<EventId>, Option<EventId>),
    q: String,
}

/// The name of a field of a filter and what is wrong with its value.
pub(super) struct Misfit {
    pub(super) field: &'static str,
    pub(super) message: String,
    /// It names what is not there, or not for this caller.
    pub(super) is_missing: bool,
}

impl EventFilter {
    pub(super) fn wanted<N>(self, api: &Api, caller: &Caller<N>) -> Result<Wanted, Misfit> {
        let misfit = |field, message| Misfit { field, message, is_missing: false };
        let id = |field: &'static str, text: &Option<String>| {
            let id = text.as_deref().map(|text| text.parse().map_err(|_| misfit(field, format!("{text}: not an id"))));
            id.transpose()
        };
        let reason = self
            .reason
            .as_deref()
            .map(|name| reason_named(name).ok_or_else(|| misfit("reason", format!("{name}: there is no such reason"))));
        Ok(Wanted {
            reason: reason.transpose()?,
            of_type: self.event_type.as_deref().map(|name| of_type(api, caller, name)).transpose()?,
            root: id("root_id", &self.root_id)?,
            parent: id("parent_id", &self.parent_id)?,
            object_type: self.object_type,
            object_id: self.object_id,
            between: (self.from.map(EventId::first_at), self.to.map(EventId::first_at)),
            q: self.q.unwrap_or_default().to_lowercase(),
        })
    }
}

/// What an event type's name means now. An id needs no event type behind it: history outlives it.
fn of_type<N>(api: &Api, caller: &Caller<N>, name: &str) -> Result<EventTypeId, Misfit> {
    if let Ok(id) = name.parse() {
        return Ok(id);
    }
    let catalogue = api.store().catalogue();
    let found = name.parse().ok().and_then(|name| catalogue.event_type_named(caller.tenant(), &name));
    let message = || format!("there is no event type `{name}`; the history of a deleted one is found by its id");
    found.map(|found| found.id).ok_or_else(|| Misfit { field: "event_type", message: message(), is_missing: true })
}

impl Wanted {
    /// Only events made before this one.
    #[must_use]
    pub(super) fn before(mut self, id: EventId) -> Wanted {
        self.between.1 = Some(self.between.1.map_or(id, |to| to.min(id)));
        self
    }

    /// A page of the events that are wanted and that `also` wants.
    pub(super) fn page(
        &self,
        store: &Store,
        query: Query,
        also: impl Fn(&Event) -> bool,
    ) -> Result<Page<Event>, ReadError> {
        let bytes = |id: EventId| *id.as_bytes();
        let query = Query { between: (self.between.0.map(bytes), self.between.1.map(bytes)), ..query };
        let wanted = |event: &Event| self.wants(event) && also(event);
        // Children are found in the chain of their parent.
        let of_parent = self.parent.map(|parent| store.event(query.tenant.as_ref(), parent)).transpose()?;
        match (self.root, of_parent) {
            (Some(root), _) => store.list_family(&query, root, wanted),
            (None, Some(Some(parent))) => store.list_family(&query, parent.root_id, wanted),
            (None, Some(None)) => Ok(Page { items: Vec::new(), next: None }),
            (None, None) => store.list_events(&query, self.of_type, wanted),
        }
    }

    fn wants(&self, event: &Event) -> bool {
        let object = event.object.as_ref();
        let of_object = |wanted: &Option<String>, part: fn(&ObjectRef) -> &String| {
            wanted.as_ref().is_none_or(|wanted| object.is_some_and(|object| part(object) == wanted))
        };
        let has = |text: &str| text.to_lowercase().contains(&self.q);
        self.reason.is_none_or(|reason| event.reason == Some(reason))
            && self.of_type.is_none_or(|id| event.event_type_id == id)
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

/// A state as it is written, whatever the case.
pub(super) fn state_named(text: &str) -> Result<State, Misfit> {
    let misfit = |()| Misfit { field: "state", message: format!("{text}: there is no such state"), is_missing: false };
    text.parse().map_err(misfit)
}
