//! One attempt of a run: as it is shown, and what it was told, so that it can be repeated elsewhere.

use super::Api;
use super::action::LimitsSchema;
use super::auth::{Caller, Read};
use super::error::Problem;
use super::event::ObjectOut;
use super::extract::Path;
use super::page::{self, Data};
use super::run::find;
use crate::dispatch::told;
use crate::domain::{
    Attempt, Context, EventId, HttpCall, HttpFault, Json, Language, Limits, ObjectRef, Reason, RunId, SecretUse,
    State as RunState, Timestamp,
};
use axum::extract::State;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// One execution in one fresh Wasm instance.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AttemptOut {
    number: u32,
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
    #[schema(value_type = String)]
    state: RunState,
    #[schema(value_type = Option<String>)]
    reason: Option<Reason>,
    message: String,
    usage: UsageOut,
    /// What it sent by HTTP, in the order in which it began.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    http: Vec<HttpCallOut>,
}

/// A request that an attempt sent, or tried to. Neither its path nor its headers nor its body is kept.
#[derive(Debug, Serialize, ToSchema)]
struct HttpCallOut {
    method: String,
    /// With its port.
    host: String,
    /// What the peer answered.
    status: Option<u16>,
    /// Why there is no whole answer: denied, invalid, limit, timeout, failed or broken_off.
    #[schema(value_type = Option<String>)]
    fault: Option<HttpFault>,
    /// The same for people.
    message: String,
    /// Headers included.
    sent_bytes: u64,
    received_bytes: u64,
    ms: u64,
}

/// What an attempt used beside what it may use.
#[derive(Debug, Serialize, ToSchema)]
struct UsageOut {
    /// Deterministic instructions.
    fuel: Used<u64>,
    /// The highest sum over all linear memories.
    memory_bytes: Used<u64>,
    /// From instantiation to teardown.
    wall_ms: Used<f64>,
    /// Time on a processor; its limit is the wall time's.
    cpu_ms: Used<f64>,
    output_bytes: Used<u64>,
    log_bytes: Used<u64>,
    /// Outgoing HTTP requests, denied ones included.
    http_calls: Used<u64>,
    /// What they sent and got, headers included.
    http_bytes: Used<u64>,
    /// Keys and values that it wrote.
    kv_bytes: Used<u64>,
    emitted_events: Used<u64>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Used<T> {
    used: T,
    limit: T,
}

impl AttemptOut {
    pub(super) fn of(attempt: &Attempt, limits: &Limits) -> AttemptOut {
        let usage = attempt.usage;
        let count = |used, limit| Used { used, limit };
        #[expect(clippy::cast_precision_loss, reason = "milliseconds for people; no attempt lasts 285 years")]
        let ms = |used_us: u64| Used { used: used_us as f64 / 1000.0, limit: limits.timeout_ms as f64 };
        AttemptOut {
            number: attempt.number,
            started_at: attempt.started_at,
            ended_at: attempt.ended_at,
            state: attempt.state,
            reason: attempt.reason,
            message: attempt.message.clone(),
            usage: UsageOut {
                fuel: count(usage.fuel, limits.fuel),
                memory_bytes: count(usage.memory_bytes, limits.memory_bytes),
                wall_ms: ms(usage.wall_us),
                cpu_ms: ms(usage.cpu_us),
                output_bytes: count(usage.output_bytes, limits.output_bytes),
                log_bytes: count(usage.log_bytes, limits.log_bytes),
                http_calls: count(usage.http_calls, limits.http_calls),
                http_bytes: count(usage.http_bytes, limits.http_bytes),
                kv_bytes: count(usage.kv_bytes, limits.kv_bytes),
                emitted_events: count(usage.emitted_events, limits.emitted_events),
            },
            http: attempt.http.iter().map(HttpCallOut::of).collect(),
        }
    }
}

impl HttpCallOut {
    fn of(call: &HttpCall) -> HttpCallOut {
        HttpCallOut {
            method: call.method.clone(),
            host: call.host.clone(),
            status: call.status,
            fault: call.fault,
            message: call.message.clone(),
            sent_bytes: call.sent_bytes,
            received_bytes: call.received_bytes,
            ms: call.ms,
        }
    }
}

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
    /// Of these, the ones of which it was given placeholders.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hidden: Vec<String>,
    input: String,
    chain: ToldChainOut,
    #[schema(value_type = LimitsSchema)]
    limits: Limits,
    #[schema(value_type = String, format = DateTime)]
    now: Timestamp,
    /// The random bits that it was given, as two numbers of 64 bits in decimal.
    seed: [String; 2],
    /// Digest of the module; of source code, of the interpreter that ran it.
    module: String,
    /// The source code that it ran, and its language.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    code: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    language: Option<Language>,
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
    let source = match run.source {
        None => None,
        Some(_) => {
            let (action, version) = (run.action_id, run.version);
            api.reading(move |store| store.action_version(action, version)).await?.and_then(|action| action.source)
        }
    };
    let (code, language) = source.map(|source| (source.code, source.language)).unzip();
    let names = |named: &SecretUse| named.parameter.clone();
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
        secrets: run.secrets.iter().map(names).collect(),
        hidden: run.secrets.iter().filter(|named| named.hidden).map(names).collect(),
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
        code,
        language,
    }))
}
