//! Events: what became of what was fired.

use super::Api;
use super::auth::{Caller, Execute, Read};
use super::error::Problem;
use super::extract::{Path, Query};
use super::page::{self, Data, List, encode_cursor};
use super::run::{RunOut, history_query};
use crate::dispatch::Target;
use crate::domain::{
    Cause, Deed, Event, EventId, EventTypeId, Flow, Json, Noted, ObjectRef, Origin, Reason, Run, RunId, ScheduleId,
    SourceId, State as EventState, Timestamp,
};
use crate::store::Page;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

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
    /// Its runs in the order of the plan. Lists leave them out.
    #[serde(skip_serializing_if = "Option::is_none")]
    runs: Option<Vec<RunOut>>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EventFilter {
    /// QUEUED, WAITING, RUNNING, SUCCESS, WARNING, ERROR, SKIPPED or CANCELLED.
    state: Option<String>,
    /// Display name of an event type.
    event_type: Option<String>,
    object_type: Option<String>,
    object_id: Option<String>,
    /// Id of an event: those of the chain that it began, itself included.
    root_id: Option<String>,
    /// Id of an event: those that its runs fired.
    parent_id: Option<String>,
    /// Text that the event type, the object, the message, the payload or the id has, whatever the case.
    q: Option<String>,
    /// `-created_at`, newest first, or `created_at`. Default newest first.
    sort: Option<String>,
    /// At most this many items, 1 to 200. Default 50.
    limit: Option<usize>,
    /// `next` of the page before. A page may have fewer items than asked for and still have a next one.
    cursor: Option<String>,
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
    let of_type = match &filter.event_type {
        Some(name) => Some(super::event_type::find(&api, caller.tenant(), name)?.id),
        None => None,
    };
    let event_id = |name: &str, text: &Option<String>| match text.as_deref().map(str::parse::<EventId>) {
        Some(Err(_)) => Err(Problem::bad_request(format!("{name}={}: not an id", text.as_deref().unwrap_or("")))),
        other => Ok(other.and_then(Result::ok)),
    };
    let (root, parent) = (event_id("root_id", &filter.root_id)?, event_id("parent_id", &filter.parent_id)?);
    let wanted = filter.into_predicate();
    let page = api.reading(move |store| {
        let wanted = |event: &Event| {
            of_type.is_none_or(|id| event.event_type_id == id)
                && root.is_none_or(|root| event.root_id == root)
                && parent.is_none_or(|parent| event.parent_id == Some(parent))
                && wanted(event)
        };
        // Children are found in the chain of their parent.
        let of_parent = parent.map(|parent| store.event(query.tenant.as_ref(), parent)).transpose()?;
        match (root, of_parent) {
            (Some(root), _) => store.list_family(&query, root, wanted),
            (None, Some(Some(parent))) => store.list_family(&query, parent.root_id, wanted),
            (None, Some(None)) => Ok(Page { items: Vec::new(), next: None }),
            (None, None) => store.list_events(&query, of_type, wanted),
        }
    });
    let page = page.await?;
    let next = page.next.map(|place| encode_cursor(&place));
    Ok(List { items: page.items.iter().map(|event| EventOut::of(event, None)).collect(), next })
}

impl EventFilter {
    fn into_predicate(self) -> impl Fn(&Event) -> bool + Send + 'static {
        let q = self.q.unwrap_or_default().to_lowercase();
        move |event: &Event| {
            let object = event.object.as_ref();
            let of_object = |wanted: &Option<String>, part: fn(&ObjectRef) -> &String| {
                wanted.as_ref().is_none_or(|wanted| object.is_some_and(|object| part(object) == wanted))
            };
            let has = |text: &str| text.to_lowercase().contains(&q);
            of_object(&self.object_type, |object| &object.object_type)
                && of_object(&self.object_id, |object| &object.object_id)
                && (q.is_empty()
                    || has(&event.event_type)
                    || has(&event.message)
                    || has(event.payload.as_str())
                    || object.is_some_and(|object| has(&object.to_string()))
                    || event.id.to_string().contains(&q))
        }
    }
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
    let found = api.reading(move |store| {
        let Some(event) = store.event(scope.as_ref(), event_id)? else { return Ok(None) };
        let runs: Result<Vec<Option<Run>>, _> =
            event.runs.iter().map(|run| store.run(Some(&event.owner_id), *run)).collect();
        Ok(Some((event, runs?.into_iter().flatten().map(Arc::new).collect::<Vec<_>>())))
    });
    let (event, runs) = found.await?.ok_or_else(missing)?;
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
            None => (None, None),
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
            runs: runs.map(|runs| runs.iter().map(|run| RunOut::of(run)).collect()),
        }
    }
}
