//! Events: firing triggers, and what became of it.

use super::Api;
use super::auth::{Caller, Execute, Read};
use super::error::Problem;
use super::event_filter::{EventFilter, Misfit, no_event_type};
use super::extract::{Path, Query};
use super::page::{self, Data, List, encode_cursor};
use super::run::{RunOut, history_query};

use crate::dispatch::{Target, explain_wait, waits_for};
use crate::domain::{
    Cause, Deed, Event, EventId, EventTypeId, Flow, Json, Noted, ObjectRef, Origin, Reason, Run, RunId, ScheduleId,
    SourceId, State as EventState, Timestamp,
};
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// Which attachments, besides those on its own object, an event reaches.
#[derive(ToSchema)]
#[schema(as = Flow, rename_all = "lowercase")]
#[expect(dead_code, reason = "describes a type of the domain for the document")]
pub(crate) enum FlowSchema {
    /// Those on the objects above and below.
    Both,
    Up,
    Down,
    None,
}

/// A thing in the user's world.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Object)]
pub(crate) struct ObjectOut {
    /// Letters, digits, `_`, `.` and `-`, such as `public.bookable`.
    pub(crate) object_type: String,
    pub(crate) object_id: String,
}

/// One firing of an event type.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventOut {
    #[schema(value_type = uuid::Uuid)]
    pub(crate) id: EventId,
    pub(crate) owner_id: String,
    #[schema(value_type = uuid::Uuid)]
    pub(crate) event_type_id: EventTypeId,
    pub(crate) event_type: String,
    #[schema(value_type = Option<ObjectOut>)]
    pub(crate) object: Option<ObjectRef>,
    /// How far it reached among the objects.
    #[schema(value_type = FlowSchema)]
    pub(crate) flow: Flow,
    #[schema(value_type = serde_json::Value)]
    pub(crate) payload: Json,
    /// The attributes of the CloudEvent that fired it, extensions included.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub(crate) cloudevent: Option<Json>,
    /// None of its runs starts before.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) run_at: Option<Timestamp>,
    /// What made it: `api`, `source`, `webhook`, `chain`, `schedule`, `replay`, `test` or `demo`.
    #[schema(value_type = String)]
    pub(crate) origin: Origin,
    /// The schedule that fired it.
    #[schema(value_type = Option<uuid::Uuid>)]
    pub(crate) schedule_id: Option<ScheduleId>,
    /// The time that the schedule fired it for; earlier than `created_at` when the server was down then.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) scheduled_at: Option<Timestamp>,
    /// The event that it replays.
    #[schema(value_type = Option<uuid::Uuid>)]
    pub(crate) replay_of: Option<EventId>,
    /// The run of that event that it replays; null when it replays all of it.
    #[schema(value_type = Option<uuid::Uuid>)]
    pub(crate) replay_of_run: Option<RunId>,
    /// QUEUED, WAITING (nothing of it can start yet), RUNNING, SUCCESS, WARNING, ERROR, SKIPPED or CANCELLED.
    #[schema(value_type = String)]
    pub(crate) state: EventState,
    #[schema(value_type = Option<String>)]
    pub(crate) reason: Option<Reason>,
    pub(crate) message: String,
    /// The event whose run fired it.
    #[schema(value_type = Option<uuid::Uuid>)]
    pub(crate) parent_id: Option<EventId>,
    /// The event that began its chain; itself when nothing came before it.
    #[schema(value_type = uuid::Uuid)]
    pub(crate) root_id: EventId,
    /// Steps below the event that began its chain.
    pub(crate) depth: u32,
    /// The run whose end fired it.
    #[schema(value_type = Option<uuid::Uuid>)]
    pub(crate) parent_run_id: Option<RunId>,
    /// The name of the token or the source that fired it.
    pub(crate) created_by: String,
    /// The source that fired it.
    #[schema(value_type = Option<uuid::Uuid>)]
    pub(crate) source_id: Option<SourceId>,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) created_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) started_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) ended_at: Option<Timestamp>,
    /// That this was only asked: there is no such event.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) dry_run: bool,
    /// Its runs in the order of the plan. Lists leave them out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) runs: Option<Vec<RunOut>>,
}

/// Lets the runs that wait for a sink say so.
pub(crate) fn explain_waits(api: &Api, runs: &mut [Arc<Run>]) {
    let catalogue = api.store().catalogue();
    for run in runs.iter_mut().filter(|run| waits_for(&catalogue, run).is_some()) {
        explain_wait(&catalogue, Arc::make_mut(run));
    }
}

/// List events
#[utoipa::path(get, path = "/event", tag = "events", params(EventFilter), responses((status = 200, body = page::Envelope<Vec<EventOut>>)))]
pub(crate) async fn list(
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
    let former = wanted.former_name().cloned();
    let page = api.reading(move |store| wanted.page(store, query, |_| true)).await?;
    if let (Some(name), [], None) = (former, page.items.as_slice(), page.next) {
        return Err(Problem::new(StatusCode::NOT_FOUND, "not_found", no_event_type(name.as_str())));
    }
    let next = page.next.map(|place| encode_cursor(&place));
    Ok(List { items: page.items.iter().map(|event| EventOut::of(event, None)).collect(), next })
}

/// Read an event with its runs
#[utoipa::path(get, path = "/event/{id}", tag = "events", params(("id" = String, Path)), responses((status = 200, body = page::Envelope<EventOut>)))]
pub(crate) async fn read(
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
pub(crate) async fn cancel(
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
    /// Of an event that was only foreseen.
    pub(crate) fn foreseen(event: &Event, runs: &[Arc<Run>]) -> EventOut {
        EventOut { dry_run: true, ..EventOut::of(event, Some(runs)) }
    }

    pub(crate) fn of(event: &Event, runs: Option<&[Arc<Run>]>) -> EventOut {
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
            cloudevent: event.cloudevent.clone(),
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
