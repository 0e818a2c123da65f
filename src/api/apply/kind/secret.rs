//! Secrets in a document: that they are there, never what they are. A value that comes with one is taken if there is
//! none yet: what is there cannot be compared with it, so the same document again would change it for ever.

use super::{At, Made, Thing, described, made, owned};
use crate::api::error::{Fault, Problem};
use crate::api::extract::{Path, Query};
use crate::api::secret::{self, Removal, SecretOut};
use crate::domain::{EntryName, TenantId};
use crate::store::Catalogue;
use axum::extract::State;
use axum::http::HeaderMap;
use serde_json::{Map, Value, json};

pub(super) fn all(catalogue: &Catalogue, owner: &TenantId) -> Vec<Map<String, Value>> {
    let own = catalogue.secrets().iter().filter(|secret| secret.header.owner_id == *owner);
    own.map(|secret| describe(&SecretOut::of(secret))).collect()
}

fn describe(out: &SecretOut) -> Map<String, Value> {
    described(out, &[], &json!({ "description": "", "allowed_hosts": [] }))
}

pub(super) async fn put(at: At<'_>, mut body: Map<String, Value>) -> Result<Made, Problem> {
    let key = body.remove("key").and_then(|key| key.as_str().map(str::to_owned)).unwrap_or_default();
    let key: EntryName = key.parse().map_err(|error| Problem::invalid(vec![Fault::new("/key", error)]))?;
    let old = secret::find(&at.api.catalogue(), at.owner, &key);
    body.entry("description").or_insert("".into());
    body.entry("allowed_hosts").or_insert(Value::Array(Vec::new()));
    if old.is_some() {
        body.remove("value");
    } else if body.get("value").is_none_or(Value::is_null) {
        let message = format!("there is no secret `{key}` yet, and no value for it");
        return Err(Problem::invalid(vec![Fault::new("/value", message)]));
    }
    let body = Value::Object(owned(at, body)?);
    let sealing = at.sealing.ok_or_else(|| Problem::bad_request("nothing can be sealed"))?;
    let answer = secret::set(at.api, at.caller, sealing, (key, body), &HeaderMap::new()).await?;
    Ok(made(answer, describe))
}

pub(super) async fn delete(at: At<'_>, thing: &Thing) -> Result<(), Problem> {
    let (caller, api, path) = (at.caller.clone(), State(at.api.clone()), Path(thing.name.clone()));
    secret::delete(caller, api, path, Query(Removal::of(at.owner.clone())), HeaderMap::new()).await.map(drop)
}
