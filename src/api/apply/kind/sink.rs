//! Sinks in a document of the platform. `local`, this server itself, is there once it was changed.

use super::{At, Made, Thing, described, made, parsed};
use crate::api::Api;
use crate::api::error::{Fault, Problem};
use crate::api::extract::{Body, Path};
use crate::api::sink::{self, SinkOut};
use crate::domain::{EntryName, Sink, TenantId};
use crate::store::Catalogue;
use axum::extract::State;
use axum::http::HeaderMap;
use serde_json::{Map, Value, json};

pub(super) fn all(api: &Api, catalogue: &Catalogue, owner: &TenantId) -> Vec<Map<String, Value>> {
    let own = catalogue.sinks().iter().filter(|sink| sink.header.owner_id == *owner);
    own.map(|sink| describe(&SinkOut::of(api, sink))).collect()
}

fn describe(out: &SinkOut) -> Map<String, Value> {
    let usual = json!({ "description": "", "enabled": true, "sink_types": [] });
    described(out, &["built_in", "state", "last_seen"], &usual)
}

pub(super) async fn put(at: At<'_>, body: Map<String, Value>) -> Result<Made, Problem> {
    if !at.owner.is_shared() || body.contains_key("owner_id") {
        return Err(Problem::invalid(vec![Fault::new("", "sinks are the platform's: no tenant has any")]));
    }
    let name = body.get("name").and_then(Value::as_str).and_then(|name| name.parse::<EntryName>().ok());
    let there = name.filter(|name| {
        let known = at.api.catalogue().sinks().named(at.owner, name).is_some();
        known || name.folded() == Sink::LOCAL
    });
    let (caller, api) = (at.caller.clone(), State(at.api.clone()));
    let body = Body(parsed(body)?);
    let answer = match there {
        None => sink::create(caller, api, body).await,
        Some(name) => sink::change(caller, api, Path(name.to_string()), HeaderMap::new(), body).await,
    };
    Ok(made(answer?, describe))
}

pub(super) async fn delete(at: At<'_>, thing: &Thing) -> Result<(), Problem> {
    let (caller, api, path) = (at.caller.clone(), State(at.api.clone()), Path(thing.name.clone()));
    sink::delete(caller, api, path, HeaderMap::new()).await.map(drop)
}
