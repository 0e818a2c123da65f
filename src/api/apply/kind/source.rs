//! Sources in a document. A new one's token is in the answer, once.

use super::{At, Made, Thing, described, own, owned, parsed};
use crate::api::auth::Admin;
use crate::api::error::Problem;
use crate::api::extract::{Body, Path};
use crate::api::source::{self, SourceOut};
use crate::domain::TenantId;
use crate::store::Catalogue;
use axum::extract::State;
use axum::http::HeaderMap;
use serde_json::{Map, Value, json};

pub(super) fn all(catalogue: &Catalogue, owner: &TenantId) -> Vec<Map<String, Value>> {
    let own = catalogue.sources().iter().filter(|source| source.header.owner_id == *owner);
    own.map(|source| describe(&SourceOut::of(catalogue, source))).collect()
}

fn describe(out: &SourceOut) -> Map<String, Value> {
    described(out, &["token", "last_seen"], &json!({ "description": "", "enabled": true }))
}

pub(super) async fn put(at: At<'_>, body: Map<String, Value>) -> Result<Made, Problem> {
    let old = own(at.api.catalogue().sources(), at.owner, &body);
    let (caller, api) = (at.caller.raised::<Admin>()?, State(at.api.clone()));
    let body = Body(parsed(owned(at, body)?)?);
    let answer = match old {
        None => source::create(caller, api, body).await,
        Some(old) => source::change(caller, api, Path(old.header.id.to_string()), HeaderMap::new(), body).await,
    };
    let (mut out, warnings) = answer?.into_parts();
    Ok(Made { token: out.take_token(), body: describe(&out), warnings })
}

pub(super) async fn delete(at: At<'_>, thing: &Thing) -> Result<(), Problem> {
    let old = own(at.api.catalogue().sources(), at.owner, &thing.body);
    let old = old.ok_or_else(|| Problem::not_found("source", &thing.name))?;
    let (caller, api) = (at.caller.raised::<Admin>()?, State(at.api.clone()));
    source::delete(caller, api, Path(old.header.id.to_string()), HeaderMap::new()).await.map(drop)
}
