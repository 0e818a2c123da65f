//! The kinds of things that a document has: how each is found, written, made and deleted, by the handlers of its routes.

mod action;
mod attachment;
mod event_type;
mod object;
mod schedule;
mod secret;
mod sink;
mod sink_type;
mod source;
mod source_type;

use crate::api::Api;
use crate::api::auth::{Caller, Write};
use crate::api::error::{Fault, Problem};
use crate::api::extract;
use crate::api::page::Data;
use crate::dispatch::Sealing;
use crate::domain::{Entry, ObjectRef, TenantId};
use crate::store::{Catalogue, Registry};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a thing is known by among those of its kind.
pub(super) type Key = String;

/// In the order in which they are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Secrets,
    SinkTypes,
    Sinks,
    SourceTypes,
    Sources,
    EventTypes,
    Actions,
    Objects,
    Attachments,
    Schedules,
}

/// A thing as a document has it.
#[derive(Clone, Debug)]
pub(super) struct Thing {
    /// For people.
    pub(super) name: String,
    pub(super) body: Map<String, Value>,
}

/// A thing as it came to be.
pub(super) struct Made {
    pub(super) body: Map<String, Value>,
    /// What may not be meant.
    pub(super) warnings: Vec<String>,
    /// A credential that is shown once.
    pub(super) token: Option<String>,
}

/// Whose things are put where by whom. The API works on a draft.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) api: &'a Api,
    pub(super) caller: &'a Caller<Write>,
    pub(super) owner: &'a TenantId,
    /// There when the document has secrets; held until what it sealed is committed.
    pub(super) sealing: Option<&'a Sealing<'a>>,
}

impl Kind {
    pub(super) const ALL: [Kind; 10] = [
        Kind::Secrets,
        Kind::SinkTypes,
        Kind::Sinks,
        Kind::SourceTypes,
        Kind::Sources,
        Kind::EventTypes,
        Kind::Actions,
        Kind::Objects,
        Kind::Attachments,
        Kind::Schedules,
    ];

    /// Its list in a document.
    pub(super) fn field(self) -> &'static str {
        match self {
            Kind::Secrets => "secrets",
            Kind::SinkTypes => "sink_types",
            Kind::Sinks => "sinks",
            Kind::SourceTypes => "source_types",
            Kind::Sources => "sources",
            Kind::Schedules => "schedules",
            Kind::EventTypes => "event_types",
            Kind::Actions => "actions",
            Kind::Objects => "objects",
            Kind::Attachments => "attachments",
        }
    }

    pub(super) fn article(self) -> &'static str {
        match self {
            Kind::Secrets => "a secret",
            Kind::SinkTypes => "a sink type",
            Kind::Sinks => "a sink",
            Kind::SourceTypes => "a source type",
            Kind::Sources => "a source",
            Kind::Schedules => "a schedule",
            Kind::EventTypes => "an event type",
            Kind::Actions => "an action",
            Kind::Objects => "an object",
            Kind::Attachments => "an attachment",
        }
    }

    /// What a thing is known by, and its name for people.
    pub(super) fn key(self, body: &Map<String, Value>) -> Result<(Key, String), Fault> {
        match self {
            Kind::EventTypes => named(body, "display_name"),
            Kind::Secrets => named(body, "key"),
            Kind::Actions | Kind::SourceTypes | Kind::Sources | Kind::SinkTypes | Kind::Sinks | Kind::Schedules => {
                named(body, "name")
            }
            Kind::Objects => object::key(body),
            Kind::Attachments => attachment::key(body),
        }
    }

    /// Everything that `owner` has of it in `catalogue`.
    pub(super) fn all(self, api: &Api, catalogue: &Catalogue, owner: &TenantId) -> BTreeMap<Key, Thing> {
        let bodies = match self {
            Kind::Secrets => secret::all(catalogue, owner),
            Kind::SinkTypes => sink_type::all(api, catalogue, owner),
            Kind::Sinks => sink::all(api, catalogue, owner),
            Kind::SourceTypes => source_type::all(catalogue, owner),
            Kind::Sources => source::all(catalogue, owner),
            Kind::Schedules => schedule::all(catalogue, owner),
            Kind::EventTypes => event_type::all(catalogue, owner),
            Kind::Actions => action::all(catalogue, owner),
            Kind::Objects => object::all(catalogue, owner),
            Kind::Attachments => attachment::all(catalogue, owner),
        };
        let keyed = |body: Map<String, Value>| self.key(&body).ok().map(|(key, name)| (key, Thing { name, body }));
        bodies.into_iter().filter_map(keyed).collect()
    }

    /// Makes the thing, or makes the one that is there like it.
    pub(super) async fn put(self, at: At<'_>, body: Map<String, Value>) -> Result<Made, Problem> {
        match self {
            Kind::Secrets => secret::put(at, body).await,
            Kind::SinkTypes => sink_type::put(at, body).await,
            Kind::Sinks => sink::put(at, body).await,
            Kind::SourceTypes => source_type::put(at, body).await,
            Kind::Sources => source::put(at, body).await,
            Kind::Schedules => schedule::put(at, body).await,
            Kind::EventTypes => event_type::put(at, body).await,
            Kind::Actions => action::put(at, body).await,
            Kind::Objects => object::put(at, body).await,
            Kind::Attachments => attachment::put(at, body).await,
        }
    }

    pub(super) async fn delete(self, at: At<'_>, thing: &Thing) -> Result<(), Problem> {
        match self {
            Kind::Secrets => secret::delete(at, thing).await,
            Kind::SinkTypes => sink_type::delete(at, thing).await,
            Kind::Sinks => sink::delete(at, thing).await,
            Kind::SourceTypes => source_type::delete(at, thing).await,
            Kind::Sources => source::delete(at, thing).await,
            Kind::Schedules => schedule::delete(at, thing).await,
            Kind::EventTypes => event_type::delete(at, thing).await,
            Kind::Actions => action::delete(at, thing).await,
            Kind::Objects => object::delete(at, thing).await,
            Kind::Attachments => attachment::delete(at, thing).await,
        }
    }

    /// The least that can stand for the thing until it can be made as it should be, where two need each other first.
    pub(super) fn stand_in(self, body: &Map<String, Value>) -> Option<Map<String, Value>> {
        let name = body.get("display_name").filter(|_| self == Kind::EventTypes)?;
        Some(Map::from_iter([("display_name".to_owned(), name.clone())]))
    }
}

/// What is known by a name in one field, without regard to case.
fn named(body: &Map<String, Value>, field: &'static str) -> Result<(Key, String), Fault> {
    match body.get(field) {
        Some(Value::String(name)) => Ok((name.to_lowercase(), name.clone())),
        Some(_) => Err(Fault::new(format!("/{field}"), "a name is a text")),
        None => Err(Fault::new("", format!("missing field `{field}`"))),
    }
}

/// An object, written `type/id`, in a field of a thing.
fn object_in(body: &Map<String, Value>, field: &'static str) -> Result<ObjectRef, Fault> {
    let Some(value) = body.get(field) else { return Err(Fault::new("", format!("missing field `{field}`"))) };
    object_ref(value).map_err(|message| Fault::new(format!("/{field}"), message))
}

fn object_ref(value: &Value) -> Result<ObjectRef, String> {
    let parts = value.as_str().and_then(|text| text.split_once('/'));
    let (object_type, object_id) = parts.ok_or("an object is written `type/id`, such as `bookable/42`")?;
    ObjectRef::new(object_type.to_owned(), object_id.to_owned()).map_err(|error| error.to_string())
}

/// An object as a handler answers it, written `type/id`.
fn object_text(object: &Value) -> Value {
    let part = |name: &str| object[name].as_str().unwrap_or_default();
    format!("{}/{}", part("object_type"), part("object_id")).into()
}

/// The owner's own entry that has the name in the body.
fn own<E: Entry>(registry: &Registry<E>, owner: &TenantId, body: &Map<String, Value>) -> Option<Arc<E>> {
    let name = body.get("name")?.as_str()?.parse().ok()?;
    registry.named(owner, &name).filter(|found| found.header().owner_id == *owner).cloned()
}

/// A body for a handler.
fn parsed<T: DeserializeOwned>(body: Map<String, Value>) -> Result<T, Problem> {
    extract::parse(Value::Object(body).to_string().as_bytes())
}

/// The body with whose the thing is; a document is one tenant's.
fn owned(at: At<'_>, mut body: Map<String, Value>) -> Result<Map<String, Value>, Problem> {
    let owner = Value::from(at.owner.to_string());
    match body.insert("owner_id".to_owned(), owner.clone()) {
        Some(other) if other != owner => {
            let message = "a document has the things of one tenant, which its request names";
            Err(Problem::invalid(vec![Fault::new("/owner_id", message)]))
        }
        _ => Ok(body),
    }
}

/// What a handler answered as a document has it: without what a server gives, and without what is as usual.
fn described(answer: &impl Serialize, given: &[&str], usual: &Value) -> Map<String, Value> {
    let Ok(Value::Object(mut body)) = serde_json::to_value(answer) else { return Map::new() };
    const GIVEN: [&str; 8] =
        ["id", "paused", "owner_id", "version", "created_by", "created_at", "updated_by", "updated_at"];
    let is_given = |field: &str| GIVEN.contains(&field) || given.contains(&field);
    body.retain(|field, value| !is_given(field) && !value.is_null() && usual.get(field) != Some(value));
    body
}

/// The answer of a handler, described.
fn made<T>(answer: Data<T>, describe: impl FnOnce(&T) -> Map<String, Value>) -> Made {
    let (data, warnings) = answer.into_parts();
    Made { body: describe(&data), warnings, token: None }
}
