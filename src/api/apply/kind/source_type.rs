//! Source types in a document.

use super::{At, Made, Thing, described, made, own, owned, parsed};
use crate::api::error::Problem;
use crate::api::extract::{Body, Path};
use crate::api::source_type::{self, SourceTypeOut};
use crate::domain::TenantId;
use crate::store::Catalogue;
use axum::extract::State;
use axum::http::HeaderMap;
use serde_json::{Map, Value, json};

pub(super) fn all(catalogue: &Catalogue, owner: &TenantId) -> Vec<Map<String, Value>> {
    let own = catalogue.source_types().iter().filter(|found| found.header.owner_id == *owner);
    own.map(|found| describe(&SourceTypeOut::of(&found.header))).collect()
}

fn describe(out: &SourceTypeOut) -> Map<String, Value> {
    described(out, &[], &json!({ "description": "" }))
}

pub(super) async fn put(at: At<'_>, body: Map<String, Value>) -> Result<Made, Problem> {
    let old = own(at.api.catalogue().source_types(), at.owner, &body);
    let (caller, api) = (at.caller.clone(), State(at.api.clone()));
    let body = Body(parsed(owned(at, body)?)?);
    let answer = match old {
        None => source_type::create(caller, api, body).await,
        Some(old) => source_type::change(caller, api, Path(old.header.id.to_string()), HeaderMap::new(), body).await,
    };
    Ok(made(answer?, describe))
}

pub(super) async fn delete(at: At<'_>, thing: &Thing) -> Result<(), Problem> {
    let old = own(at.api.catalogue().source_types(), at.owner, &thing.body);
    let old = old.ok_or_else(|| Problem::not_found("source type", &thing.name))?;
    let (caller, api) = (at.caller.clone(), State(at.api.clone()));
    source_type::delete(caller, api, Path(old.header.id.to_string()), HeaderMap::new()).await.map(drop)
}
