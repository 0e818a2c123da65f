//! Event types in a document; their action is named.

use super::{At, Made, Thing, described, made, owned, parsed};
use crate::api::apply::action_ref;
use crate::api::error::{Fault, Problem};
use crate::api::event_type::{self, EventTypeOut, Force};
use crate::api::extract::{Body, Path, Query};
use crate::api::page::Data;
use crate::domain::{EventType, TenantId};
use crate::store::Catalogue;
use axum::extract::State;
use axum::http::HeaderMap;
use serde_json::{Map, Value, json};
use std::sync::Arc;

pub(super) fn all(catalogue: &Catalogue, owner: &TenantId) -> Vec<Map<String, Value>> {
    let own = catalogue.event_types().filter(|event_type| event_type.owner_id == *owner);
    own.map(|event_type| describe(catalogue, owner, &EventTypeOut::of(catalogue, event_type))).collect()
}

fn describe(catalogue: &Catalogue, owner: &TenantId, out: &EventTypeOut) -> Map<String, Value> {
    let usual = json!({ "description": "", "sink_type": "wasm", "enabled": true, "flow": "both", "parameters": [],
        "dedup_window_s": 86_400 });
    let mut body = described(out, &[], &usual);
    if let Some(action) = body.get_mut("action")
        && let Some(id) = action.as_str().and_then(|id| id.parse().ok())
    {
        *action = action_ref::describe(catalogue, owner, id);
    }
    body
}

pub(super) async fn put(at: At<'_>, mut body: Map<String, Value>) -> Result<Made, Problem> {
    let (catalogue, owner) = (at.api.catalogue(), at.owner);
    if let Some(action) = body.get_mut("action").filter(|action| !action.is_null()) {
        match action_ref::resolve(&catalogue, owner, action) {
            Ok(found) => *action = found.id.to_string().into(),
            Err(message) => {
                // What else is wrong is found out without it.
                body.remove("action");
                let mut faults = vec![Fault::new("/action", message)];
                faults.extend(send(at, body).await.err().into_iter().flat_map(Problem::into_faults));
                return Err(Problem::invalid(faults));
            }
        }
    }
    Ok(made(send(at, body).await?, |out| describe(&at.api.catalogue(), owner, out)))
}

async fn send(at: At<'_>, body: Map<String, Value>) -> Result<Data<EventTypeOut>, Problem> {
    let (catalogue, owner) = (at.api.catalogue(), at.owner);
    let old = body.get("display_name").and_then(|name| find(&catalogue, owner, name));
    let (caller, api) = (at.caller.clone(), State(at.api.clone()));
    let body = Body(parsed(owned(at, body)?)?);
    match old {
        None => event_type::create(caller, api, body).await,
        Some(old) => event_type::change(caller, api, Path(old.id.to_string()), HeaderMap::new(), body).await,
    }
}

pub(super) async fn delete(at: At<'_>, thing: &Thing) -> Result<(), Problem> {
    let missing = || Problem::not_found("event type", &thing.name);
    let old = find(&at.api.catalogue(), at.owner, &thing.body["display_name"]).ok_or_else(missing)?;
    let (caller, api, path) = (at.caller.clone(), State(at.api.clone()), Path(old.id.to_string()));
    event_type::delete(caller, api, path, Query(Force::default()), HeaderMap::new()).await.map(drop)
}

fn find(catalogue: &Catalogue, owner: &TenantId, name: &Value) -> Option<Arc<EventType>> {
    let found = catalogue.event_type_named(owner, &name.as_str()?.parse().ok()?)?;
    (found.owner_id == *owner).then(|| Arc::clone(found))
}
