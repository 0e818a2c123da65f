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
pub(crate) struct AttemptOut {
    pub(crate) number: u32,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) started_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) ended_at: Option<Timestamp>,
    #[schema(value_type = String)]
    pub(crate) state: RunState,
    #[schema(value_type = Option<String>)]
    pub(crate) reason: Option<Reason>,
    pub(crate) message: String,
    pub(crate) usage: UsageOut,
    /// What it sent by HTTP, in the order in which it began.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) http: Vec<HttpCallOut>,
}

/// A request that an attempt sent, or tried to. Neither its path nor its headers nor its body is kept.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HttpCallOut {
    pub(crate) method: String,
    /// With its port.
    pub(crate) host: String,
    /// What the peer answered.
    pub(crate) status: Option<u16>,
    /// Why there is no whole answer: denied, invalid, limit, timeout, failed or broken_off.
    #[schema(value_type = Option<String>)]
    pub(crate) fault: Option<HttpFault>,
    /// The same for people.
    pub(crate) message: String,
    /// Headers included.
    pub(crate) sent_bytes: u64,
    pub(crate) received_bytes: u64,
    pub(crate) ms: u64,
}

/// What an attempt used beside what it may use.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UsageOut {
    /// Deterministic instructions.
    pub(crate) fuel: Used<u64>,
    /// The highest sum over all linear memories.
    pub(crate) memory_bytes: Used<u64>,
    /// From instantiation to teardown.
    pub(crate) wall_ms: Used<f64>,
    /// Time on a processor; its limit is the wall time's.
    pub(crate) cpu_ms: Used<f64>,
    pub(crate) output_bytes: Used<u64>,
    pub(crate) log_bytes: Used<u64>,
    /// Outgoing HTTP requests, denied ones included.
    pub(crate) http_calls: Used<u64>,
    /// What they sent and got, headers included.
    pub(crate) http_bytes: Used<u64>,
    /// Keys and values that it wrote.
    pub(crate) kv_bytes: Used<u64>,
    pub(crate) emitted_events: Used<u64>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Used<T> {
    pub(crate) used: T,
    pub(crate) limit: T,
}

impl AttemptOut {
    pub(crate) fn of(attempt: &Attempt, limits: &Limits) -> AttemptOut {
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
pub(crate) struct ToldOut {
    #[schema(value_type = uuid::Uuid)]
    pub(crate) run_id: RunId,
    pub(crate) attempt: u32,
    #[schema(value_type = uuid::Uuid)]
    pub(crate) event_id: EventId,
    /// The event type.
    pub(crate) trigger: String,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) event_time: Timestamp,
    pub(crate) tenant: String,
    #[schema(value_type = Option<ObjectOut>)]
    pub(crate) object: Option<ObjectRef>,
    #[schema(value_type = Option<ObjectOut>)]
    pub(crate) scope: Option<ObjectRef>,
    /// This and `params`, `input` and the parent's outcome are the JSON texts that it was given, to the letter.
    pub(crate) payload: String,
    /// In the place of a secret stands its key.
    pub(crate) params: String,
    /// The names of the params whose values are secrets.
    pub(crate) secrets: Vec<String>,
    /// Of these, the ones of which it was given placeholders.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) hidden: Vec<String>,
    pub(crate) input: String,
    pub(crate) chain: ToldChainOut,
    #[schema(value_type = LimitsSchema)]
    pub(crate) limits: Limits,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) now: Timestamp,
    /// The random bits that it was given, as two numbers of 64 bits in decimal.
    pub(crate) seed: [String; 2],
    /// Digest of the module; of source code, of the interpreter that ran it.
    pub(crate) module: String,
    /// The source code that it ran, and its language.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(crate) code: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(crate) language: Option<Language>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ToldChainOut {
    #[schema(value_type = uuid::Uuid)]
    pub(crate) root: EventId,
    #[schema(value_type = Option<uuid::Uuid>)]
    pub(crate) parent: Option<EventId>,
    pub(crate) depth: u32,
    pub(crate) parent_outcome: Option<String>,
}

/// What an attempt was told
///
/// Enough to repeat it: the context, the limits, the time and the random bits. Not of another tenant's action.
#[utoipa::path(get, path = "/run/{id}/attempt/{number}", tag = "history", params(("id" = String, Path), ("number" = String, Path)),
    responses((status = 200, body = page::Envelope<ToldOut>)))]
pub(crate) async fn read_attempt(
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
