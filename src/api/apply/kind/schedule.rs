//! Schedules in a document; one that fired for the only time is no longer in it.

use super::{At, Made, Thing, described, made, object_in, object_text, own, owned, parsed};
use crate::api::error::Problem;
use crate::api::extract::{Body, Path, Query};
use crate::api::schedule::{self, ScheduleOut};
use crate::domain::{TenantId, Timing};
use crate::store::Catalogue;
use axum::extract::State;
use axum::http::HeaderMap;
use serde_json::{Map, Value, json};

pub(super) fn all(catalogue: &Catalogue, owner: &TenantId) -> Vec<Map<String, Value>> {
    let own = catalogue.schedules().iter().filter(|schedule| schedule.header.owner_id == *owner);
    let over = |timing: &Timing| matches!(timing, Timing::At(_));
    let coming = own.filter(|schedule| !(schedule.enabled && schedule.next_at.is_none() && over(&schedule.timing)));
    coming.map(|schedule| describe(&ScheduleOut::of(schedule))).collect()
}

fn describe(out: &ScheduleOut) -> Map<String, Value> {
    let usual = json!({ "description": "", "enabled": true, "payload": {}, "timezone": "UTC" });
    let mut body = described(out, &["next_at", "last_at", "last_event_id", "firings"], &usual);
    if let Some(object) = body.get_mut("object") {
        *object = object_text(object);
    }
    body
}

pub(super) async fn put(at: At<'_>, mut body: Map<String, Value>) -> Result<Made, Problem> {
    if body.get("object").is_some_and(Value::is_string) {
        let object = object_in(&body, "object").map_err(|fault| Problem::invalid(vec![fault]))?;
        body.insert("object".to_owned(), json!(object));
    }
    let old = own(at.api.catalogue().schedules(), at.owner, &body);
    let (caller, api) = (at.caller.clone(), State(at.api.clone()));
    let body = Body(parsed(owned(at, body)?)?);
    let answer = match old {
        None => schedule::create(caller, api, Query(schedule::Making::default()), body).await,
        Some(old) => schedule::change(caller, api, Path(old.header.id.to_string()), HeaderMap::new(), body).await,
    };
    Ok(made(answer?, describe))
}

pub(super) async fn delete(at: At<'_>, thing: &Thing) -> Result<(), Problem> {
    let old = own(at.api.catalogue().schedules(), at.owner, &thing.body);
    let old = old.ok_or_else(|| Problem::not_found("schedule", &thing.name))?;
    let (caller, api) = (at.caller.clone(), State(at.api.clone()));
    schedule::delete(caller, api, Path(old.header.id.to_string()), HeaderMap::new()).await.map(drop)
}
