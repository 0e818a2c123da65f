//! What an attempt was told, so that it can be repeated elsewhere.

use super::Api;
use super::action::LimitsSchema;
use super::auth::{Caller, Read};
use super::error::Problem;
use super::event::ObjectOut;
use super::extract::Path;
use super::page::{self, Data};
use super::run::find;
use crate::dispatch::told;
use crate::domain::{Context, EventId, Json, Limits, ObjectRef, RunId, Timestamp};
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

/// Everything that an attempt was given but the values of secrets.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ToldOut {
    #[schema(value_type = uuid::Uuid)]
    run_id: RunId,
    attempt: u32,
    #[schema(value_type = uuid::Uuid)]
    event_id: EventId,
    /// The event type.
    trigger: String,
    #[schema(value_type = String, format = DateTime)]
    event_time: Timestamp,
    tenant: String,
    #[schema(value_type = Option<ObjectOut>)]
    object: Option<ObjectRef>,
    #[schema(value_type = Option<ObjectOut>)]
    scope: Option<ObjectRef>,
    /// This and `params`, `input` and the parent's outcome are the JSON texts that it was given, to the letter.
    payload: String,
    /// In the place of a secret stands its key.
    params: String,
    /// The names of the params whose values are secrets.
    secrets: Vec<String>,
    input: String,
    chain: ToldChainOut,
    #[schema(value_type = LimitsSchema)]
    limits: Limits,
    #[schema(value_type = String, format = DateTime)]
    now: Timestamp,
    /// The random bits that it was given, as two numbers of 64 bits in decimal.
    seed: [String; 2],
    /// Digest of the module.
    module: String,
}

#[derive(Debug, Serialize, ToSchema)]
struct ToldChainOut {
    #[schema(value_type = uuid::Uuid)]
    root: EventId,
    #[schema(value_type = Option<uuid::Uuid>)]
    parent: Option<EventId>,
    depth: u32,
    parent_outcome: Option<String>,
}

/// What an attempt was told
///
/// Enough to repeat it: the context, the limits, the time and the random bits. Not of another tenant's action.
#[utoipa::path(get, path = "/run/{id}/attempt/{number}", tag = "history", params(("id" = String, Path), ("number" = String, Path)),
    responses((status = 200, body = page::Envelope<ToldOut>)))]
pub(super) async fn read_attempt(
    caller: Caller<Read>,
    State(api): State<Api>,
    Path((id, number)): Path<(String, String)>,
) -> Result<Data<ToldOut>, Problem> {
    let run = find(&api, caller.scope(), &id).await?;
    let missing = || Problem::not_found("attempt", &number);
    let found = number.parse::<u32>().ok().and_then(|number| run.attempts.iter().find(|found| found.number == number));
    let attempt = found.filter(|_| !run.foreign).ok_or_else(missing)?;
    let (tenant, event) = (run.owner_id.clone(), run.event_id);
    let event = api.reading(move |store| store.event(Some(&tenant), event)).await?.ok_or_else(missing)?;
    let Context {
        trigger, event_time, tenant, object, scope, payload, params, input, chain, limits, now, seed, ..
    } = told(&event, &run, attempt);
    let text = |json: &Json| json.as_str().to_owned();
    Ok(Data::ok(ToldOut {
        run_id: run.id,
        attempt: attempt.number,
        event_id: event.id,
        trigger,
        event_time,
        tenant: tenant.to_string(),
        object,
        scope,
        payload: text(&payload),
        params: text(&params),
        secrets: run.secrets.iter().map(|named| named.parameter.clone()).collect(),
        input: text(&input),
        chain: ToldChainOut {
            root: chain.root,
            parent: chain.parent,
            depth: chain.depth,
            parent_outcome: chain.parent_outcome.as_ref().map(text),
        },
        limits,
        now,
        seed: [seed.0.to_string(), seed.1.to_string()],
        module: run.module.to_string(),
    }))
}
