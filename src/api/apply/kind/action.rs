//! Actions in a document.

use super::{At, Made, Thing, described, made, owned, parsed};
use crate::api::action::{self, ActionOut, Force};
use crate::api::error::Problem;
use crate::api::extract::{Body, Path, Query};
use crate::domain::{Action, RetryPolicy, TenantId};
use crate::store::Catalogue;
use axum::extract::State;
use axum::http::HeaderMap;
use serde_json::{Map, Value, json};
use std::sync::Arc;

pub(super) fn all(catalogue: &Catalogue, owner: &TenantId) -> Vec<Map<String, Value>> {
    let own = catalogue.actions().filter(|action| action.owner_id == *owner);
    own.map(|action| describe(&ActionOut::of(action))).collect()
}

fn describe(out: &ActionOut) -> Map<String, Value> {
    let usual = json!({
        "description": "", "enabled": true, "public": false, "dedup_mode": "per_attachment", "continue_on_fail": false,
        "parameters": [], "retry": RetryPolicy::default(), "limits": {}, "allowed_hosts": [],
    });
    described(out, &["secrets", "code_digest"], &usual)
}

pub(super) async fn put(at: At<'_>, body: Map<String, Value>) -> Result<Made, Problem> {
    let old = body.get("name").and_then(|name| find(&at.api.catalogue(), at.owner, name));
    let (caller, api) = (at.caller.clone(), State(at.api.clone()));
    let body = Body(parsed(owned(at, body)?)?);
    let answer = match old {
        None => action::create(caller, api, body).await,
        Some(old) => action::change(caller, api, Path(old.id.to_string()), HeaderMap::new(), body).await,
    };
    Ok(made(answer?, describe))
}

pub(super) async fn delete(at: At<'_>, thing: &Thing) -> Result<(), Problem> {
    let missing = || Problem::not_found("action", &thing.name);
    let old = find(&at.api.catalogue(), at.owner, &thing.body["name"]).ok_or_else(missing)?;
    let (caller, api, path) = (at.caller.clone(), State(at.api.clone()), Path(old.id.to_string()));
    action::delete(caller, api, path, Query(Force::default()), HeaderMap::new()).await.map(drop)
}

fn find(catalogue: &Catalogue, owner: &TenantId, name: &Value) -> Option<Arc<Action>> {
    catalogue.action_named(owner, &name.as_str()?.parse().ok()?).cloned()
}
