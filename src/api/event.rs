//! Events: firing triggers, and what became of it.

use super::Api;
use super::auth::{Caller, Execute, Read};
use super::delay::{self, DelayIn};
use super::error::Problem;
use super::event_filter::{EventFilter, Misfit};
use super::extract::{self, Body, Path, Query, preferred_wait_s};
use super::firing::Firing;
use super::page::{self, Data, List, encode_cursor};
use super::run::{RunOut, history_query};
use super::trial::DryRun;
use crate::dispatch::{Fire, Fired, Target, explain_wait, is_held_back};
use crate::domain::{
    CallerKey, Cause, Deed, Event, EventId, EventTypeId, EventTypeName, Flow, Json, Noted, ObjectRef, Origin, Reason,
    Run, RunId, Sameness, ScheduleId, SourceId, State as EventState, TenantId, Timestamp,
};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use utoipa::{IntoParams, ToSchema};

/// A trigger to fire.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EventIn {
    /// The display name of the event type.
    #[schema(value_type = String)]
    event_type: EventTypeName,
    #[schema(value_type = Option<ObjectOut>)]
    object: Option<ObjectRef>,
    /// Narrows how far the event type lets it reach among the objects.
    #[serde(default)]
    #[schema(value_type = Option<FlowSchema>)]
    flow: Flow,
    /// The tenant whose event it is; only the platform names another than its own.
    #[schema(value_type = Option<String>)]
    owner_id: Option<TenantId>,
    /// Any JSON. Default `{}`.
    #[serde(default = "Json::empty_object")]
    #[schema(value_type = Option<serde_json::Value>)]
    payload: Json,
    /// What the caller compares firings by, 1 to 255 bytes; without one, event type, object and payload are compared. While a
    /// run of the same is in flight, another is SKIPPED as its `duplicate`.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255)]
    dedup_key: Option<CallerKey>,
    /// No run starts before this time, at most 366 days ahead. A past time is now.
    #[schema(value_type = Option<String>, format = DateTime)]
    run_at: Option<Timestamp>,
    /// The same from now: whole seconds, or a length of time such as `"2h30m"`. Not with `run_at`.
    #[schema(value_type = Option<String>)]
    delay: Option<DelayIn>,
}

/// Which attachments, besides those on its own object, an event reaches.
#[derive(ToSchema)]
#[schema(as = Flow, rename_all = "lowercase")]
#[expect(dead_code, reason = "describes a type of the domain for the document")]
pub(super) enum FlowSchema {
    /// Those on the objects above and below.
    Both,
    Up,
    Down,
    None,
}

/// A thing in the user's world.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Object)]
pub(super) struct ObjectOut {
    /// Letters, digits, `_`, `.` and `-`, such as `public.bookable`.
    object_type: String,
    object_id: String,
}

/// One firing of an event type.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EventOut {
    #[schema(value_type = uuid::Uuid)]
    id: EventId,
    owner_id: String,
    #[schema(value_type = uuid::Uuid)]
    event_type_id: EventTypeId,
    event_type: String,
    #[schema(value_type = Option<ObjectOut>)]
    object: Option<ObjectRef>,
    /// How far it reached among the objects.
    #[schema(value_type = FlowSchema)]
    flow: Flow,
    #[schema(value_type = serde_json::Value)]
    payload: Json,
    /// None of its runs starts before.
    #[schema(value_type = Option<String>, format = DateTime)]
    run_at: Option<Timestamp>,
    /// What made it: `api`, `source`, `webhook`, `chain`, `schedule`, `replay`, `test` or `demo`.
    #[schema(value_type = String)]
    origin: Origin,
    /// The schedule that fired it.
    #[schema(value_type = Option<uuid::Uuid>)]
    schedule_id: Option<ScheduleId>,
    /// The time that the schedule fired it for; earlier than `created_at` when the server was down then.
    #[schema(value_type = Option<String>, format = DateTime)]
    scheduled_at: Option<Timestamp>,
    /// The event that it replays.
    #[schema(value_type = Option<uuid::Uuid>)]
    replay_of: Option<EventId>,
    /// The run of that event that it replays; null when it replays all of it.
    #[schema(value_type = Option<uuid::Uuid>)]
    replay_of_run: Option<RunId>,
    /// QUEUED, WAITING (nothing of it can start yet), RUNNING, SUCCESS, WARNING, ERROR, SKIPPED or CANCELLED.
    #[schema(value_type = String)]
    state: EventState,
    #[schema(value_type = Option<String>)]
    reason: Option<Reason>,
    message: String,
    /// The event whose run fired it.
    #[schema(value_type = Option<uuid::Uuid>)]
    parent_id: Option<EventId>,
    /// The event that began its chain; itself when nothing came before it.
    #[schema(value_type = uuid::Uuid)]
    root_id: EventId,
    /// Steps below the event that began its chain.
    depth: u32,
    /// The run whose end fired it.
    #[schema(value_type = Option<uuid::Uuid>)]
    parent_run_id: Option<RunId>,
    /// The name of the token or the source that fired it.
    created_by: String,
    /// The source that fired it.
    #[schema(value_type = Option<uuid::Uuid>)]
    source_id: Option<SourceId>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    started_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
    /// That this was only asked: there is no such event.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
    /// Its runs in the order of the plan. Lists leave them out.
    #[serde(skip_serializing_if = "Option::is_none")]
    runs: Option<Vec<RunOut>>,
}

/// Fire a trigger
///
/// 202 when the event is durably accepted. With `Prefer: wait=N`, 200 with its runs as soon as it has ended, or 202 after
/// N seconds. With `dry_run=true` nothing is kept and nothing runs: 200 with the event as it would be planned now, the runs in
/// their order, and of those that would not run or not yet the reason.
#[utoipa::path(post, path = "/event", tag = "events", request_body = EventIn,
    params(DryRun, ("prefer" = Option<String>, Header, description = "`wait=N`: wait up to N seconds for the end")),
    responses((status = 202, body = page::Envelope<EventOut>), (status = 200, description = "It has ended", body = page::Envelope<EventOut>)))]
pub(super) async fn fire(
    firing: Firing,
    State(api): State<Api>,
    headers: HeaderMap,
    Query(DryRun { dry_run }): Query<DryRun>,
    Body(body): Body<EventIn>,
) -> Result<Response, Problem> {
    let run_at = delay::run_at(api.now(), body.run_at, body.delay).map_err(|fault| Problem::invalid(vec![fault]))?;
    let fire = Fire {
        object: body.object,
        flow: body.flow,
        sameness: Some(sameness(body.dedup_key)),
        run_at,
        ..firing.fire(body.event_type, body.payload, body.owner_id)?
    };
    if dry_run {
        return foresee(&api, &firing, fire).await.map(IntoResponse::into_response);
    }
    fire_and_answer(&api, &firing, &headers, fire).await
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct TriggerQuery {
    object_type: Option<String>,
    object_id: Option<String>,
    /// Narrows how far the event type lets it reach among the objects: `both`, `up`, `down` or `none`.
    #[param(value_type = Option<FlowSchema>)]
    flow: Option<Flow>,
    /// What the caller compares firings by, 1 to 255 bytes; without one, event type, object and payload are compared.
    #[param(value_type = Option<String>, min_length = 1, max_length = 255)]
    dedup_key: Option<CallerKey>,
    /// No run starts before this time.
    #[param(value_type = Option<String>, format = DateTime)]
    run_at: Option<Timestamp>,
    /// The same from now: whole seconds, or a length of time such as `2h30m`. Not with `run_at`.
    #[param(value_type = Option<String>)]
    delay: Option<DelayIn>,
    /// The tenant whose event it is; only the platform names another than its own.
    #[param(value_type = Option<String>)]
    owner_id: Option<TenantId>,
    /// Keep and run nothing, and say what would.
    #[serde(default)]
    dry_run: bool,
}

fn sameness(key: Option<CallerKey>) -> Sameness {
    key.map_or(Sameness::Content, Sameness::Key)
}

/// Fire a trigger, the short way
///
/// The body is the payload; an empty one is `{}`.
#[utoipa::path(post, path = "/trigger/{event_type}", tag = "events", request_body = serde_json::Value,
    params(("event_type" = String, Path), TriggerQuery, ("prefer" = Option<String>, Header, description = "`wait=N`: wait up to N seconds for the end")),
    responses((status = 202, body = page::Envelope<EventOut>), (status = 200, description = "It has ended", body = page::Envelope<EventOut>)))]
pub(super) async fn trigger(
    firing: Firing,
    State(api): State<Api>,
    Path(event_type): Path<String>,
    Query(query): Query<TriggerQuery>,
    request: Request,
) -> Result<Response, Problem> {
    let event_type = event_type.parse().map_err(|_| Problem::not_found("event type", &event_type))?;
    let object = match (query.object_type, query.object_id) {
        (None, None) => None,
        (Some(kind), Some(id)) => {
            Some(ObjectRef::new(kind, id).map_err(|error| Problem::bad_request(error.to_string()))?)
        }
        _ => return Err(Problem::bad_request("object_type and object_id go together")),
    };
    let run_at = delay::run_at(api.now(), query.run_at, query.delay);
    let run_at = run_at.map_err(|fault| Problem::bad_request(format!("the query of the URL: {}", fault.message)))?;
    let headers = request.headers().clone();
    let body = extract::read(request, "the payload", api.bounds().body_bytes).await?;
    let payload = if body.is_empty() { Json::empty_object() } else { extract::parse(&body)? };
    let fire = Fire {
        object,
        sameness: Some(sameness(query.dedup_key)),
        flow: query.flow.unwrap_or_default(),
        run_at,
        ..firing.fire(event_type, payload, query.owner_id)?
    };
    if query.dry_run {
        return foresee(&api, &firing, fire).await.map(IntoResponse::into_response);
    }
    fire_and_answer(&api, &firing, &headers, fire).await
}

async fn foresee(api: &Api, firing: &Firing, fire: Fire) -> Result<Data<EventOut>, Problem> {
    let event_type = fire.event_type.clone();
    match api.dispatch().foresee(fire) {
        Ok(Fired { event, runs }) => Ok(Data::ok(EventOut { dry_run: true, ..EventOut::of(&event, Some(&runs)) })),
        Err(error) => Err(firing.refused(api, &event_type, error).await),
    }
}

async fn fire_and_answer(api: &Api, firing: &Firing, headers: &HeaderMap, fire: Fire) -> Result<Response, Problem> {
    let (dispatch, event_type) = (api.dispatch(), fire.event_type.clone());
    let Some(wait_s) = preferred_wait_s(headers)?.filter(|seconds| *seconds > 0) else {
        return match dispatch.fire(fire).await {
            Ok(Fired { event, .. }) => Ok(Data::accepted(EventOut::of(&event, None)).into_response()),
            Err(error) => Err(firing.refused(api, &event_type, error).await),
        };
    };
    let wait_s = wait_s.min(api.bounds().wait_s);
    let Fired { event, mut runs } = match dispatch.fire_and_wait(fire, Duration::from_secs(wait_s)).await {
        Ok(fired) => fired,
        Err(error) => return Err(firing.refused(api, &event_type, error).await),
    };
    explain_waits(api, &mut runs);
    let out = EventOut::of(&event, Some(&runs));
    let answer = if event.state.is_terminal() { Data::ok(out) } else { Data::accepted(out) };
    let mut response = answer.into_response();
    if let Ok(applied) = HeaderValue::from_str(&format!("wait={wait_s}")) {
        response.headers_mut().insert("preference-applied", applied);
    }
    Ok(response)
}

/// Lets the runs that wait for a sink say so.
fn explain_waits(api: &Api, runs: &mut [Arc<Run>]) {
    let catalogue = api.store().catalogue();
    for run in runs.iter_mut().filter(|run| is_held_back(&catalogue, run)) {
        explain_wait(&catalogue, Arc::make_mut(run));
    }
}

/// List events
#[utoipa::path(get, path = "/event", tag = "events", params(EventFilter), responses((status = 200, body = page::Envelope<Vec<EventOut>>)))]
pub(super) async fn list(
    caller: Caller<Read>,
    State(api): State<Api>,
    Query(filter): Query<EventFilter>,
) -> Result<List<EventOut>, Problem> {
    let place = (filter.sort.as_deref(), filter.limit, filter.cursor.as_deref());
    let query = history_query(caller.scope(), filter.state.as_deref(), place)?;
    let wanted = filter.wanted(&api, &caller).map_err(|Misfit { field, message, is_missing }| match is_missing {
        true => Problem::new(StatusCode::NOT_FOUND, "not_found", message),
        false => Problem::bad_request(format!("{field}={message}")),
    })?;
    let page = api.reading(move |store| wanted.page(store, query, |_| true)).await?;
    let next = page.next.map(|place| encode_cursor(&place));
    Ok(List { items: page.items.iter().map(|event| EventOut::of(event, None)).collect(), next })
}

/// Read an event with its runs
#[utoipa::path(get, path = "/event/{id}", tag = "events", params(("id" = String, Path)), responses((status = 200, body = page::Envelope<EventOut>)))]
pub(super) async fn read(
    caller: Caller<Read>,
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Data<EventOut>, Problem> {
    let missing = || Problem::not_found("event", &id);
    let event_id: EventId = id.parse().map_err(|_| missing())?;
    let scope = caller.scope().cloned();
    let found = api.reading(move |store| store.event_with_runs(scope.as_ref(), event_id));
    let (event, runs) = found.await?.ok_or_else(missing)?;
    let mut runs: Vec<Arc<Run>> = runs.into_iter().map(Arc::new).collect();
    explain_waits(&api, &mut runs);
    Ok(Data::ok(EventOut::of(&event, Some(&runs))))
}

/// Cancel an event
///
/// Ends all of its runs that have not ended, and the event: what waits does not begin, a running action is interrupted.
/// 409 `already_ended` when it has ended. Chains do not go on.
#[utoipa::path(post, path = "/event/{id}/cancel", tag = "events", params(("id" = String, Path)), responses((status = 200, body = page::Envelope<EventOut>)))]
pub(super) async fn cancel(
    caller: Caller<Execute>,
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Data<EventOut>, Problem> {
    let missing = || Problem::not_found("event", &id);
    let (event_id, scope): (EventId, _) = (id.parse().map_err(|_| missing())?, caller.scope().cloned());
    let event = api.reading(move |store| store.event(scope.as_ref(), event_id)).await?.ok_or_else(missing)?;
    if event.state.is_terminal() {
        return Err(Problem::already_ended("event", event.state));
    }
    let cancelled = api.dispatch().cancel(&event.owner_id, event_id, Target::Event, caller.name()).await?;
    let (owner_id, subject) = (event.owner_id.clone(), event.event_type.clone());
    api.note(&caller, Noted { owner_id, subject, ..Noted::of(Deed::Cancelled, "event", &id) }).await?;
    Ok(Data::ok(EventOut::of(&cancelled.event, Some(&cancelled.runs))))
}

impl EventOut {
    pub(super) fn of(event: &Event, runs: Option<&[Arc<Run>]>) -> EventOut {
        let (schedule_id, scheduled_at) = match event.cause {
            Some(Cause::Schedule { id, due_at }) => (Some(id), Some(due_at)),
            _ => (None, None),
        };
        let (replay_of, replay_of_run) = match event.cause {
            Some(Cause::Replay { event, run }) => (Some(event), run),
            _ => (None, None),
        };
        EventOut {
            id: event.id,
            owner_id: event.owner_id.to_string(),
            event_type_id: event.event_type_id,
            event_type: event.event_type.clone(),
            object: event.object.clone(),
            flow: event.flow,
            payload: event.payload.clone(),
            run_at: event.run_at,
            origin: event.origin,
            schedule_id,
            scheduled_at,
            replay_of,
            replay_of_run,
            state: event.state,
            reason: event.reason,
            message: event.message.clone(),
            parent_id: event.parent_id,
            root_id: event.root_id,
            depth: event.depth,
            parent_run_id: event.lineage.as_ref().map(|lineage| lineage.parent_run_id),
            created_by: event.created_by.clone(),
            source_id: event.source_id,
            created_at: event.created_at,
            started_at: event.started_at,
            ended_at: event.ended_at,
            dry_run: false,
            runs: runs.map(|runs| runs.iter().map(|run| RunOut::of(run)).collect()),
        }
    }
}
