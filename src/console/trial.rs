//! Trying an action out with a sample: what it would run with, or a run in the sandbox of which nothing is kept.

use super::action::{self as shown, linked};
use super::form::{self, Fields};
use super::frame::Frame;
use super::sample::last_event;
use super::sample_json::sample;
use super::show;
use super::visit::{Visit, page};
use crate::api::action::ActionOut;
use crate::api::auth::Write;
use crate::api::error::Problem;
use crate::api::event_type;
use crate::api::extract::{Body, Path as OfPath, Query};
use crate::api::trial::{self, DryRun, TestIn, TestOut, TestParameterOut};
use crate::domain::{EventTypeId, Json, TenantId, full_input_schema};
use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;

#[derive(Template)]
#[template(path = "trial.html", blocks = ["detail"])]
struct Form {
    frame: Frame,
    action: ActionOut,
    event_type: String,
    payload: String,
    input: String,
}

/// What it came to.
#[derive(Template)]
#[template(path = "tried.html", blocks = ["detail"])]
struct Tried {
    frame: Frame,
    tried: TestOut,
}

pub(super) async fn ask(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    let caller = visit.caller::<Write>()?;
    let action = shown::read(&visit, &id).await?;
    crate::api::action::find(visit.api(), caller.tenant(), &id)?;
    let (event_type, payload) = as_event_of(&visit, &action).await?;
    let schema = action.input.as_ref().and_then(|schema| schema.to::<serde_json::Value>().ok());
    let input = schema.map_or(Json::empty_object(), |schema| Json::from(sample(&full_input_schema(schema))));
    let form = Form {
        frame: visit.frame("actions", format!("Try {}", action.name)),
        event_type,
        payload: show::json(&payload),
        input: show::json(&input),
        action,
    };
    if visit.wants_part() { page(&form.as_detail()) } else { page(&form) }
}

/// The event type as whose event it is tried, its trigger or the first that names it, and a payload of one.
async fn as_event_of(visit: &Visit, action: &ActionOut) -> Result<(String, Json), Problem> {
    let owner: TenantId = action.owner_id.parse().unwrap_or_default();
    let trigger = action.trigger.as_ref().and_then(|name| event_type::find(visit.api(), &owner, name.as_str()).ok());
    let found: Option<(String, EventTypeId, Option<Json>)> = match trigger {
        Some(found) => Some((found.display_name.to_string(), found.id, found.payload_schema.clone())),
        None => {
            let linked = linked(visit, &action.id.to_string(), 1).await?.items.into_iter().next();
            linked.map(|found| (found.display_name, found.id, found.payload_schema))
        }
    };
    let Some((name, id, schema)) = found else { return Ok((String::new(), Json::empty_object())) };
    let last = last_event(visit, id).await?.map(|last| last.payload);
    let schema = schema.and_then(|schema| schema.to::<serde_json::Value>().ok());
    let payload = last.or_else(|| schema.map(|schema| Json::from(sample(&schema)))).unwrap_or_else(Json::empty_object);
    Ok((name, payload))
}

pub(super) async fn run(visit: Visit, Path(id): Path<String>, fields: Fields) -> Result<Response, Problem> {
    let (caller, api) = (visit.caller::<Write>()?, State(visit.api().clone()));
    let query = Query(DryRun { dry_run: fields.get("mode") != "run" });
    let body: TestIn = fields.body(visit.api())?;
    let (tried, _) = trial::test(caller, api, OfPath(id), query, Body(body)).await?.into_parts();
    let tried = Tried { frame: visit.frame("actions", "What it came to"), tried };
    if visit.wants_part() { visit.beside("#outcome", &tried.as_detail()) } else { page(&tried) }
}

impl Form {
    fn api(&self) -> String {
        format!("/action/{}/test", self.action.id)
    }
}

impl Tried {
    /// What a parameter would be; of a secret its key.
    fn value(&self, parameter: &TestParameterOut) -> String {
        let secret = parameter.value.as_ref().and_then(|value| value.get("secret")).and_then(|key| key.as_str());
        match (&parameter.value, secret.filter(|_| parameter.r#type == "SECRET")) {
            (_, Some(key)) => format!("•••• secret {key}"),
            (Some(value), None) => form::written(value),
            (None, None) if parameter.required => "missing".to_owned(),
            (None, None) => "left out".to_owned(),
        }
    }

    fn kind(&self, parameter: &TestParameterOut) -> &'static str {
        parameter.r#type
    }

    fn from(&self, parameter: &TestParameterOut) -> String {
        let giver = match parameter.from {
            "event_type" => "the event type",
            "request" => "this form",
            _ => "the action",
        };
        match (&parameter.path, parameter.is_default) {
            (Some(path), true) => format!("default of {giver}: {path} is not in the payload"),
            (Some(path), false) => format!("{path} of the payload · {giver}"),
            (None, _) => giver.to_owned(),
        }
    }
}
