//! Objects in a document: `type/id`, with what is right above them.

use super::{At, Key, Made, Thing, described, made, object_in, object_ref, object_text, owned, parsed};
use crate::api::error::{Fault, Problem};
use crate::api::extract::{Body, Path, Query};
use crate::api::object::{self, ObjectRecordOut, Owner};
use crate::domain::{ObjectRef, TenantId};
use crate::store::Catalogue;
use axum::extract::State;
use axum::http::HeaderMap;
use serde_json::{Map, Value, json};

pub(super) fn key(body: &Map<String, Value>) -> Result<(Key, String), Fault> {
    object_in(body, "object").map(|object| (object.to_string(), object.to_string()))
}

pub(super) fn all(catalogue: &Catalogue, owner: &TenantId) -> Vec<Map<String, Value>> {
    catalogue.own_objects(owner).map(|record| describe(&record.object, &ObjectRecordOut::of(record))).collect()
}

fn describe(object: &ObjectRef, out: &ObjectRecordOut) -> Map<String, Value> {
    let mut body = described(out, &["object_type", "object_id"], &json!({ "name": "", "parents": [] }));
    body.insert("object".to_owned(), object.to_string().into());
    if let Some(Value::Array(parents)) = body.get_mut("parents") {
        for parent in parents {
            *parent = object_text(parent);
        }
    }
    body
}

pub(super) async fn put(at: At<'_>, mut body: Map<String, Value>) -> Result<Made, Problem> {
    let object = object_in(&body, "object").map_err(|fault| Problem::invalid(vec![fault]))?;
    body.remove("object");
    let mut faults = Vec::new();
    if let Some(Value::Array(parents)) = body.get_mut("parents") {
        for (place, parent) in parents.iter_mut().enumerate().filter(|(_, parent)| parent.is_string()) {
            match object_ref(parent) {
                Ok(found) => *parent = json!(found),
                Err(message) => faults.push(Fault::new(format!("/parents/{place}"), message)),
            }
        }
    }
    if !faults.is_empty() {
        return Err(Problem::invalid(faults));
    }
    let path = Path((object.object_type.clone(), object.object_id.clone()));
    let body = Body(parsed(owned(at, body)?)?);
    let answer = object::put(at.caller.clone(), State(at.api.clone()), path, HeaderMap::new(), body).await?;
    Ok(made(answer, |out| describe(&object, out)))
}

pub(super) async fn delete(at: At<'_>, thing: &Thing) -> Result<(), Problem> {
    let object = object_in(&thing.body, "object").map_err(|fault| Problem::invalid(vec![fault]))?;
    let (caller, api, path) = (at.caller.clone(), State(at.api.clone()), Path((object.object_type, object.object_id)));
    object::delete(caller, api, path, Query(Owner::of(at.owner.clone())), HeaderMap::new()).await.map(drop)
}
