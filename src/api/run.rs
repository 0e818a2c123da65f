//! Runs: what ran, what it used, what it said.

use super::Api;
use super::attempt::AttemptOut;
use super::auth::{Caller, Execute, Read};
use super::error::Problem;
use super::event_filter::of_owner;
use super::extract::{Path, Query};
use super::page::{self, Data, List, decode_cursor, encode_cursor};
use crate::dispatch::{Target, explain_wait, waits_for};
use crate::domain::{
    ActionId, ActionName, AttachmentId, Deed, EventId, Json, Level, LogLine, Noted, ObjectRef, Reason, Run, RunId,
    SinkType, State as RunState, TenantId, Timestamp,
};
use crate::store::{self, Catalogue};
use axum::extract::State;
use axum::http::StatusCode;
use serde::de::IntoDeserializer;
use serde::de::value::StrDeserializer;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// One action executed for one event.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunOut {
    #[schema(value_type = uuid::Uuid)]
    pub(crate) id: RunId,
    #[schema(value_type = uuid::Uuid)]
    pub(crate) event_id: EventId,
    pub(crate) owner_id: String,
    /// Place in the plan of its event, from 0.
    pub(crate) position: u32,
    #[schema(value_type = uuid::Uuid)]
    pub(crate) action_id: ActionId,
    /// The action's name when it was planned.
    pub(crate) action: String,
    /// The version of the action it uses; its retries use the same one.
    pub(crate) version: u64,
    /// Digest of the module; of source code, of its interpreter.
    pub(crate) module: String,
    /// Digest of the source code, when that is what ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code_digest: Option<String>,
    /// The sink type it runs under.
    pub(crate) sink_type: String,
    /// The attachment that made it run; null for the action that the event type names.
    #[schema(value_type = Option<uuid::Uuid>)]
    pub(crate) attachment_id: Option<AttachmentId>,
    /// SKIPPED as a duplicate: the run that was in flight already, by the event type, object and payload or the dedup key.
    #[schema(value_type = Option<uuid::Uuid>)]
    pub(crate) duplicate_of: Option<RunId>,
    /// Where that attachment sits.
    #[schema(value_type = Option<super::event::ObjectOut>)]
    pub(crate) scope: Option<ObjectRef>,
    /// Empty when the action is another tenant's: its parameters are not for others to see.
    #[schema(value_type = serde_json::Value)]
    pub(crate) params: Json,
    #[schema(value_type = serde_json::Value)]
    pub(crate) input: Json,
    /// QUEUED, WAITING, RUNNING, SUCCESS, WARNING, ERROR, SKIPPED or CANCELLED.
    #[schema(value_type = String)]
    pub(crate) state: RunState,
    /// Why, for machines, such as `fuel_exhausted`; absent in the plain states.
    #[schema(value_type = Option<String>)]
    pub(crate) reason: Option<Reason>,
    /// Why, for people.
    pub(crate) message: String,
    /// The result code; 0 is fine.
    pub(crate) code: u32,
    /// Warnings and other result messages.
    pub(crate) messages: Vec<String>,
    #[schema(value_type = Option<serde_json::Value>)]
    pub(crate) output: Option<Json>,
    /// The payload that the action returned for a chained event.
    #[schema(value_type = Option<serde_json::Value>)]
    pub(crate) event: Option<Json>,
    /// The event that its end fired.
    #[schema(value_type = Option<uuid::Uuid>)]
    pub(crate) child_event_id: Option<EventId>,
    /// The events that its action emitted.
    #[schema(value_type = Vec<uuid::Uuid>)]
    pub(crate) emitted: Vec<EventId>,
    pub(crate) attempts: Vec<AttemptOut>,
    /// How often the server went down while it was running.
    pub(crate) interruptions: u32,
    /// While WAITING: when it goes on.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) due_at: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) queued_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) started_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) ended_at: Option<Timestamp>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RunFilter {
    /// QUEUED, WAITING, RUNNING, SUCCESS, WARNING, ERROR, SKIPPED or CANCELLED.
    state: Option<String>,
    /// Id or name of an action. Of a name that none has any more the runs of those that had it are found, which takes
    /// longer than by an id.
    action: Option<String>,
    /// Only what is this tenant's; empty for the platform's own.
    #[param(value_type = Option<String>)]
    owner_id: Option<TenantId>,
    /// Such as `fuel_exhausted`.
    reason: Option<String>,
    /// Id of an event.
    event: Option<String>,
    /// Text that the action's name, the message or the id has, whatever the case.
    q: Option<String>,
    /// `-created_at`, newest first, or `created_at`. Default newest first.
    sort: Option<String>,
    /// At most this many items, 1 to 200. Default 50.
    limit: Option<usize>,
    /// `next` of the page before. A page may have fewer items than asked for and still have a next one.
    cursor: Option<String>,
}

/// The part of a history filter that runs and events share.
pub(crate) fn history_query(
    scope: Option<&TenantId>,
    state: Option<&str>,
    (sort, limit, cursor): (Option<&str>, Option<usize>, Option<&str>),
) -> Result<store::Query, Problem> {
    let unknown = |text: &str| Problem::bad_request(format!("state={text}: there is no such state"));
    let state = state.map(|text| text.parse::<RunState>().map_err(|()| unknown(text))).transpose()?;
    let oldest_first = match sort {
        None | Some("-created_at") => false,
        Some("created_at") => true,
        Some(other) => return Err(Problem::bad_request(format!("sort={other}: sort by created_at or -created_at"))),
    };
    let after = cursor.map(decode_cursor::<[u8; 16]>).transpose()?;
    Ok(store::Query {
        tenant: scope.cloned(),
        state,
        after,
        oldest_first,
        between: (None, None),
        limit: page::limit(limit)?,
    })
}

/// List runs
#[utoipa::path(get, path = "/run", tag = "history", params(RunFilter), responses((status = 200, body = page::Envelope<Vec<RunOut>>)))]
pub(crate) async fn list(
    caller: Caller<Read>,
    State(api): State<Api>,
    Query(filter): Query<RunFilter>,
) -> Result<List<RunOut>, Problem> {
    let place = (filter.sort.as_deref(), filter.limit, filter.cursor.as_deref());
    let query = history_query(caller.scope(), filter.state.as_deref(), place)?;
    let bad_id = |name: &str, text: &str| Problem::bad_request(format!("{name}={text}: not an id"));
    let owner = filter.owner_id.as_ref().filter(|owner| caller.tenant().sees(owner)).unwrap_or(caller.tenant());
    let action = filter.action.as_deref().map(|text| of_action(&api, owner, text)).transpose()?;
    let (action, former) = action.map_or((None, None), |(id, name)| (id, name));
    let Some(query) = of_owner(query, filter.owner_id.as_ref()) else {
        return Ok(List { items: Vec::new(), next: None });
    };
    let event = filter.event.as_deref().map(|id| id.parse::<EventId>().map_err(|_| bad_id("event", id))).transpose()?;
    let unknown = |name: &str| Problem::bad_request(format!("reason={name}: there is no such reason"));
    let reason = filter.reason.as_deref().map(|name| reason_named(name).ok_or_else(|| unknown(name))).transpose()?;
    let q = filter.q.unwrap_or_default().to_lowercase();
    let catalogue = api.store().catalogue();
    let folded = former.as_ref().map(ActionName::folded);
    let wanted = move |run: &Run| {
        folded.as_ref().is_none_or(|name| run.action.to_lowercase() == *name)
            && event.is_none_or(|event| run.event_id == event)
            && reason.is_none_or(|reason| has_reason(&catalogue, run, reason))
            && (q.is_empty()
                || run.action.to_lowercase().contains(&q)
                || run.message.to_lowercase().contains(&q)
                || run.id.to_string().contains(&q))
    };
    let mut page = api.reading(move |store| store.list_runs(&query, action, wanted)).await?;
    if let (Some(name), [], None) = (former, page.items.as_slice(), page.next) {
        let message = format!("there is no action `{name}`, and no such run of one that was called so");
        return Err(Problem::new(StatusCode::NOT_FOUND, "not_found", message));
    }
    let catalogue = api.store().catalogue();
    page.items.iter_mut().for_each(|run| explain_wait(&catalogue, run));
    let next = page.next.map(|place| encode_cursor(&place));
    Ok(List { items: page.items.iter().map(RunOut::of).collect(), next })
}

/// The id that is meant, or the name of what was there once: runs keep the name that their action had.
fn of_action(api: &Api, tenant: &TenantId, text: &str) -> Result<(Option<ActionId>, Option<ActionName>), Problem> {
    if let Ok(id) = text.parse() {
        return Ok((Some(id), None));
    }
    let name: ActionName = text.parse().map_err(|error| Problem::bad_request(format!("action={text}: {error}")))?;
    let catalogue = api.store().catalogue();
    let found = [tenant, &TenantId::shared()].into_iter().find_map(|owner| catalogue.action_named(owner, &name));
    Ok(found.map_or((None, Some(name)), |found| (Some(found.id), None)))
}

/// What a queued run waits for is no part of its record.
fn has_reason(catalogue: &Catalogue, run: &Run, reason: Reason) -> bool {
    run.reason == Some(reason) || waits_for(catalogue, run) == Some(reason)
}

pub(crate) fn reason_named(name: &str) -> Option<Reason> {
    let deserializer: StrDeserializer<'_, serde::de::value::Error> = name.into_deserializer();
    Reason::deserialize(deserializer).ok()
}

/// Read a run
#[utoipa::path(get, path = "/run/{id}", tag = "history", params(("id" = String, Path)), responses((status = 200, body = page::Envelope<RunOut>)))]
pub(crate) async fn read(
    caller: Caller<Read>,
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Data<RunOut>, Problem> {
    find(&api, caller.scope(), &id).await.map(|run| Data::ok(RunOut::of(&run)))
}

/// Cancel a run
///
/// It does not begin, or is interrupted when it runs. What is behind it in the plan goes on: a cancelled run is no
/// failure. 409 `already_ended` when it has ended.
#[utoipa::path(post, path = "/run/{id}/cancel", tag = "history", params(("id" = String, Path)), responses((status = 200, body = page::Envelope<RunOut>)))]
pub(crate) async fn cancel(
    caller: Caller<Execute>,
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Data<RunOut>, Problem> {
    let run = find(&api, caller.scope(), &id).await?;
    if run.state.is_terminal() {
        return Err(Problem::already_ended("run", run.state));
    }
    let target = Target::Run(run.id);
    let cancelled = api.dispatch().cancel(&run.owner_id, run.event_id, target, caller.name()).await?;
    let (owner_id, subject) = (run.owner_id.clone(), run.action.clone());
    api.note(&caller, Noted { owner_id, subject, ..Noted::of(Deed::Cancelled, "run", &id) }).await?;
    let cancelled = cancelled.runs.iter().find(|cancelled| cancelled.id == run.id);
    cancelled.map(|run| Data::ok(RunOut::of(run))).ok_or_else(|| Problem::not_found("run", &id))
}

/// A line of a run's log.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LogLineOut {
    pub(crate) attempt: u32,
    /// Counts the lines of the attempt from 0.
    pub(crate) number: u32,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) at: Timestamp,
    /// trace, debug, info, warn or error.
    #[schema(value_type = String)]
    pub(crate) level: Level,
    /// log, stdout or stderr.
    #[schema(value_type = String)]
    pub(crate) source: crate::domain::LogSource,
    pub(crate) message: String,
    /// Names with JSON values.
    #[schema(value_type = serde_json::Value)]
    pub(crate) fields: serde_json::Map<String, serde_json::Value>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LogFilter {
    /// Lines of this level and above: trace, debug, info, warn or error.
    level: Option<String>,
    /// Text that the message has, whatever the case.
    q: Option<String>,
}

/// The log of a run
///
/// All lines of all attempts in order; the limits of the attempts bound them.
#[utoipa::path(get, path = "/run/{id}/log", tag = "history", params(("id" = String, Path), LogFilter), responses((status = 200, body = page::Envelope<Vec<LogLineOut>>)))]
pub(crate) async fn log(
    caller: Caller<Read>,
    State(api): State<Api>,
    Path(id): Path<String>,
    Query(filter): Query<LogFilter>,
) -> Result<List<LogLineOut>, Problem> {
    let levels = [Level::Trace, Level::Debug, Level::Info, Level::Warn, Level::Error];
    let least = match filter.level.as_deref() {
        None => Level::Trace,
        Some(text) => levels
            .into_iter()
            .find(|level| level.as_str() == text)
            .ok_or_else(|| Problem::bad_request(format!("level={text}: use trace, debug, info, warn or error")))?,
    };
    let run = find(&api, caller.scope(), &id).await?;
    let (tenant, run) = (run.owner_id, run.id);
    let chunks = api.reading(move |store| store.log(&tenant, run)).await?;
    let q = filter.q.unwrap_or_default().to_lowercase();
    let lines = chunks.into_iter().flat_map(|(attempt, first, lines)| LogLineOut::chunk(attempt, first, lines));
    let wanted = lines.filter(|line| line.level >= least && line.message.to_lowercase().contains(&q));
    Ok(List { items: wanted.collect(), next: None })
}

pub(crate) async fn find(api: &Api, scope: Option<&TenantId>, id: &str) -> Result<Run, Problem> {
    let missing = || Problem::not_found("run", id);
    let (run, scope) = (id.parse().map_err(|_| missing())?, scope.cloned());
    let mut found = api.reading(move |store| store.run(scope.as_ref(), run)).await?.ok_or_else(missing)?;
    explain_wait(&api.store().catalogue(), &mut found);
    Ok(found)
}

impl RunOut {
    pub(crate) fn of(run: &Run) -> RunOut {
        RunOut {
            id: run.id,
            event_id: run.event_id,
            owner_id: run.owner_id.to_string(),
            position: run.position,
            action_id: run.action_id,
            action: run.action.clone(),
            version: run.version,
            module: run.module.to_string(),
            code_digest: run.source.map(|source| source.to_string()),
            sink_type: run.sink_type.as_ref().map_or_else(|| SinkType::WASM.to_owned(), ToString::to_string),
            attachment_id: run.attachment_id,
            duplicate_of: run.duplicate_of,
            scope: run.scope.clone(),
            params: if run.foreign { Json::empty_object() } else { run.params.clone() },
            input: run.input.clone(),
            state: run.state,
            reason: run.reason,
            message: run.message.clone(),
            code: run.code,
            messages: run.messages.clone(),
            output: run.output.clone(),
            event: run.chained.clone(),
            child_event_id: run.child_event_id,
            emitted: run.emitted.clone(),
            attempts: run.attempts.iter().map(|attempt| AttemptOut::of(attempt, &run.limits)).collect(),
            interruptions: run.interruptions,
            due_at: run.due_at,
            queued_at: run.queued_at,
            started_at: run.started_at,
            ended_at: run.ended_at,
        }
    }
}

impl LogLineOut {
    /// The lines of a chunk whose first line is number `first` of the attempt.
    pub(crate) fn chunk(attempt: u32, first: u32, lines: Vec<LogLine>) -> impl Iterator<Item = LogLineOut> {
        (first..).zip(lines).map(move |(number, line)| LogLineOut {
            attempt,
            number,
            at: line.at,
            level: line.level,
            source: line.source,
            message: line.message,
            fields: line.fields.into_iter().map(|(name, value)| (name, value.to().unwrap_or_default())).collect(),
        })
    }
}
