//! Sink types in a document; of their limits only what differs from the built-in profile.

use super::{At, Made, Thing, described, made, own, owned, parsed};
use crate::api::Api;
use crate::api::error::Problem;
use crate::api::extract::{Body, Path};
use crate::api::sink_type::{self, SinkTypeOut};
use crate::domain::{LIMITS_WASM, TenantId};
use crate::store::Catalogue;
use axum::extract::State;
use axum::http::HeaderMap;
use serde_json::{Map, Value, json};

pub(super) fn all(api: &Api, catalogue: &Catalogue, owner: &TenantId) -> Vec<Map<String, Value>> {
    let own = catalogue.sink_types().iter().filter(|found| found.header.owner_id == *owner);
    own.map(|found| describe(&SinkTypeOut::of(api, found))).collect()
}

fn describe(out: &SinkTypeOut) -> Map<String, Value> {
    let mut body = described(
        out,
        &["built_in", "online", "running", "queued"],
        &json!({ "description": "", "allowed_hosts": [] }),
    );
    let usual = json!(LIMITS_WASM.in_full());
    if let Some(Value::Object(limits)) = body.get_mut("limits") {
        limits.retain(|limit, value| usual.get(limit) != Some(value));
        if limits.is_empty() {
            body.remove("limits");
        }
    }
    body
}

pub(super) async fn put(at: At<'_>, body: Map<String, Value>) -> Result<Made, Problem> {
    let old = own(at.api.catalogue().sink_types(), at.owner, &body);
    let (caller, api) = (at.caller.clone(), State(at.api.clone()));
    let body = Body(parsed(owned(at, body)?)?);
    let answer = match old {
        None => sink_type::create(caller, api, body).await,
        Some(old) => sink_type::change(caller, api, Path(old.header.id.to_string()), HeaderMap::new(), body).await,
    };
    Ok(made(answer?, describe))
}

pub(super) async fn delete(at: At<'_>, thing: &Thing) -> Result<(), Problem> {
    let old = own(at.api.catalogue().sink_types(), at.owner, &thing.body);
    let old = old.ok_or_else(|| Problem::not_found("sink type", &thing.name))?;
    let (caller, api) = (at.caller.clone(), State(at.api.clone()));
    sink_type::delete(caller, api, Path(old.header.id.to_string()), HeaderMap::new()).await.map(drop)
}
