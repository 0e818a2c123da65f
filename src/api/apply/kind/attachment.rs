//! Attachments in a document: known by their action and their object.

use super::{At, Key, Made, Thing, described, made, object_in, owned, parsed};
use crate::api::apply::action_ref;
use crate::api::attachment::{self, AttachmentIn, AttachmentOut};
use crate::api::error::{Fault, Problem};
use crate::api::extract::{Body, Path};
use crate::domain::{ActionId, Attachment, ObjectRef, TenantId};
use crate::store::Catalogue;
use axum::extract::State;
use axum::http::HeaderMap;
use serde_json::{Map, Value, json};

pub(super) fn key(body: &Map<String, Value>) -> Result<(Key, String), Fault> {
    let object = object_in(body, "object")?;
    let (key, name) = match body.get("action") {
        None => return Err(Fault::new("", "missing field `action`")),
        Some(Value::String(name)) => (name.to_lowercase(), name.clone()),
        Some(foreign) => {
            let part = |field: &str| foreign[field].as_str().unwrap_or_default();
            (foreign.to_string().to_lowercase(), format!("{} of {}", part("name"), part("owner_id")))
        }
    };
    Ok((format!("{key}\n{object}"), format!("{name} on {object}")))
}

pub(super) fn all(catalogue: &Catalogue, owner: &TenantId) -> Vec<Map<String, Value>> {
    let own = catalogue.attachments().filter(|attachment| attachment.owner_id == *owner);
    own.map(|attachment| describe(catalogue, owner, attachment)).collect()
}

fn describe(catalogue: &Catalogue, owner: &TenantId, attachment: &Attachment) -> Map<String, Value> {
    let usual = json!({ "input": {}, "reason": "", "priority": 0, "inherits": true });
    let given = ["action_id", "object_type", "object_id", "action_version"];
    let mut body = described(&AttachmentOut::of(attachment), &given, &usual);
    body.insert("action".to_owned(), action_ref::describe(catalogue, owner, attachment.action_id));
    body.insert("object".to_owned(), attachment.object.to_string().into());
    let is_foreign = catalogue.action(attachment.action_id).is_some_and(|action| action.is_foreign_to(owner));
    if is_foreign && attachment.pin.is_none() {
        body.insert("follow_newest".to_owned(), true.into());
    }
    body
}

pub(super) async fn put(at: At<'_>, mut body: Map<String, Value>) -> Result<Made, Problem> {
    let object = object_in(&body, "object").map_err(|fault| Problem::invalid(vec![fault]))?;
    let catalogue = at.api.catalogue();
    let action = body.remove("action").unwrap_or_default();
    body.remove("object");
    body.insert("object_type".to_owned(), object.object_type.clone().into());
    body.insert("object_id".to_owned(), object.object_id.clone().into());
    let mut body = owned(at, body)?;
    let new: Result<AttachmentIn, Problem> = parsed(body.clone());
    let action = match action_ref::resolve(&catalogue, at.owner, &action) {
        Ok(action) => action,
        Err(message) => {
            let mut faults = vec![Fault::new("/action", message)];
            faults.extend(new.err().into_iter().flat_map(Problem::into_faults));
            return Err(Problem::invalid(faults));
        }
    };
    let new = new?;
    let (caller, api) = (at.caller.clone(), State(at.api.clone()));
    let answer = match catalogue.attachment_of(at.owner, action.id, &object) {
        None => attachment::create(caller, api, Path(action.id.to_string()), Body(new)).await,
        Some(old) => {
            // What a change leaves out stays, what a document leaves out is as usual.
            for (field, usual) in
                [("input", json!({})), ("reason", json!("")), ("priority", json!(0)), ("inherits", json!(true))]
            {
                body.entry(field).or_insert(usual);
            }
            if action.is_foreign_to(at.owner) && old.pin.is_none() {
                body.entry("follow_newest").or_insert(false.into());
            }
            body.remove("owner_id");
            let path = Path((action.id.to_string(), old.id.to_string()));
            attachment::change(caller, api, path, HeaderMap::new(), Body(parsed(body)?)).await
        }
    };
    let kept = |_: &AttachmentOut| there(at, action.id, &object);
    Ok(made(answer?, kept))
}

/// The attachment as it is now.
fn there(at: At<'_>, action: ActionId, object: &ObjectRef) -> Map<String, Value> {
    let catalogue = at.api.catalogue();
    let found = catalogue.attachment_of(at.owner, action, object);
    found.map(|attachment| describe(&catalogue, at.owner, attachment)).unwrap_or_default()
}

pub(super) async fn delete(at: At<'_>, thing: &Thing) -> Result<(), Problem> {
    let object = object_in(&thing.body, "object").map_err(|fault| Problem::invalid(vec![fault]))?;
    let catalogue = at.api.catalogue();
    let action = action_ref::resolve(&catalogue, at.owner, &thing.body["action"]).ok();
    let attachment = action.and_then(|action| catalogue.attachment_of(at.owner, action.id, &object));
    let attachment = attachment.ok_or_else(|| Problem::not_found("attachment", &thing.name))?;
    let path = Path((attachment.action_id.to_string(), attachment.id.to_string()));
    attachment::delete(at.caller.clone(), State(at.api.clone()), path, HeaderMap::new()).await.map(drop)
}
