//! Event types: named triggers.

mod filter;
mod users;

use super::Api;
use super::action;
use super::auth::{Caller, Read, Write};
use super::error::{Fault, Problem};
use super::event::FlowSchema;
use super::extract::{Body, Path, Query};
use super::page::{self, Data, List, Row};
use super::parameter::{ParameterSchema, check_parameters, unset_secret};
use super::precondition::check_version;
use super::schedule;
use super::source::source_type_for;
use crate::dispatch::{check_schema, cycle_of_event_type, find_sink_type};
use crate::domain::{
    Action, ActionId, DedupWindow, EventType, EventTypeId, EventTypeName, Flow, Json, Parameter, Schedule, SinkType,
    SourceTypeId, TenantId, Timestamp,
};
use crate::store::{Catalogue, Change, Expectation, Mention, Transition};
use axum::extract::State;
use axum::http::HeaderMap;
pub(crate) use filter::EventTypeFilter;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
pub(crate) use users::{Users, users};
use utoipa::{IntoParams, ToSchema};

/// An event type as it is sent.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventTypeIn {
    /// A letter and up to 63 letters, digits, `_`, `.` and `-`; unique without regard to case.
    #[schema(value_type = String, pattern = "^[A-Za-z][A-Za-z0-9_.-]{0,63}$")]
    display_name: EventTypeName,
    #[serde(default)]
    description: String,
    /// The name or id of the sink type, the execution profile. Default `wasm`, the built-in one.
    sink_type: Option<String>,
    /// The source type, by name or id, whose sources may fire it; then no other token but an admin's may. Default: every
    /// token with the right to execute may, and no source.
    source_type: Option<String>,
    /// The action that runs when it fires.
    #[schema(value_type = Option<uuid::Uuid>)]
    action: Option<ActionId>,
    /// Default true.
    #[serde(default = "yes")]
    enabled: bool,
    /// How far its events reach among the objects. Default `both`.
    #[serde(default)]
    #[schema(value_type = Option<FlowSchema>)]
    flow: Flow,
    #[serde(default)]
    #[schema(value_type = Vec<ParameterSchema>)]
    parameters: Vec<Parameter>,
    /// A JSON Schema (draft 2020-12) that payloads must follow.
    #[schema(value_type = Option<serde_json::Value>)]
    payload_schema: Option<Json>,
    /// How long a request with an `Idempotency-Key`, or a CloudEvent by its source and id, is accepted once: 1 s to 30 days,
    /// in seconds. Default 86400, a day. Also taken as `dedup_window`.
    #[serde(default, alias = "dedup_window")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 2_592_000)]
    dedup_window_s: DedupWindow,
    /// The tenant it is for; only the platform names another than its own, and only when creating.
    #[schema(value_type = Option<String>)]
    owner_id: Option<TenantId>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventTypeOut {
    #[schema(value_type = uuid::Uuid)]
    pub(crate) id: EventTypeId,
    pub(crate) owner_id: String,
    pub(crate) display_name: String,
    pub(crate) description: String,
    pub(crate) sink_type: String,
    /// The name of the source type whose sources may fire it.
    pub(crate) source_type: Option<String>,
    #[schema(value_type = Option<uuid::Uuid>)]
    pub(crate) action: Option<ActionId>,
    pub(crate) enabled: bool,
    /// Whether its events are accepted and held; `pause` and `resume` change it, nothing else does.
    pub(crate) paused: bool,
    #[schema(value_type = FlowSchema)]
    pub(crate) flow: Flow,
    #[schema(value_type = Vec<ParameterSchema>)]
    pub(crate) parameters: Vec<Parameter>,
    #[schema(value_type = Option<serde_json::Value>)]
    pub(crate) payload_schema: Option<Json>,
    #[schema(value_type = u32)]
    pub(crate) dedup_window_s: DedupWindow,
    pub(crate) version: u64,
    pub(crate) created_by: String,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) updated_at: Timestamp,
}

fn yes() -> bool {
    true
}

/// Create an event type
#[utoipa::path(post, path = "/event-type", tag = "event types", request_body = EventTypeIn, responses((status = 201, body = page::Envelope<EventTypeOut>)))]
pub(crate) async fn create(
    caller: Caller<Write>,
    State(api): State<Api>,
    Body(body): Body<EventTypeIn>,
) -> Result<Data<EventTypeOut>, Problem> {
    let owner = caller.owner(body.owner_id.clone())?;
    let (sink_type, source_type) = body.check(&api, &owner)?;
    let now = api.now();
    let event_type = EventType {
        id: EventTypeId::new(api.ids(), now),
        owner_id: owner,
        display_name: body.display_name,
        description: body.description,
        sink_type,
        source_type,
        action: body.action,
        enabled: body.enabled,
        paused: false,
        flow: body.flow,
        parameters: body.parameters,
        payload_schema: body.payload_schema,
        dedup_window_s: body.dedup_window_s,
        version: 1,
        created_by: caller.name().to_owned(),
        created_at: now,
        updated_at: now,
    };
    let event_type = Arc::new(event_type);
    api.commit(&caller, Transition::of([Change::PutEventType(Arc::clone(&event_type))])).await?;
    Ok(answer(&api, &event_type, Data::created))
}

/// List event types
#[utoipa::path(get, path = "/event-type", tag = "event types", params(EventTypeFilter), responses((status = 200, body = page::Envelope<Vec<EventTypeOut>>)))]
pub(crate) async fn list(
    caller: Caller<Read>,
    State(api): State<Api>,
    Query(filter): Query<EventTypeFilter>,
) -> Result<List<EventTypeOut>, Problem> {
    let catalogue = api.catalogue();
    let visible = catalogue.event_types().filter(|event_type| caller.tenant().sees(&event_type.owner_id));
    let rows = visible.filter(|event_type| filter.wants(&catalogue, event_type)).map(|event_type| Row {
        item: event_type,
        id: event_type.id.to_string(),
        name: event_type.display_name.to_string(),
        description: event_type.description.clone(),
        owner_id: event_type.owner_id.to_string(),
        created_at: event_type.created_at,
        updated_at: event_type.updated_at,
    });
    let rows: Vec<_> = rows.collect();
    // Of the many only those of the page are written out.
    let page = page::list(rows.into_iter(), &filter.into_page())?;
    Ok(page.map(|event_type| EventTypeOut::of(&catalogue, event_type)))
}

/// Read an event type, by id or display name
#[utoipa::path(get, path = "/event-type/{id}", tag = "event types", params(("id" = String, Path)), responses((status = 200, body = page::Envelope<EventTypeOut>)))]
pub(crate) async fn read(
    caller: Caller<Read>,
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Data<EventTypeOut>, Problem> {
    let event_type = find(&api, caller.tenant(), &id)?;
    Ok(Data::ok(EventTypeOut::of(&api.catalogue(), &event_type)).versioned(event_type.version))
}

/// Change an event type
///
/// The body replaces it whole, at once, except for whether it is paused. `If-Match` guards against somebody else's change.
#[utoipa::path(put, path = "/event-type/{id}", tag = "event types", params(("id" = String, Path)), request_body = EventTypeIn, responses((status = 200, body = page::Envelope<EventTypeOut>)))]
pub(crate) async fn change(
    caller: Caller<Write>,
    State(api): State<Api>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body<EventTypeIn>,
) -> Result<Data<EventTypeOut>, Problem> {
    let old = find(&api, caller.tenant(), &id)?;
    caller.check_may_change(&old.owner_id, "event type", &id)?;
    if body.owner_id.as_ref().is_some_and(|owner| *owner != old.owner_id) {
        return Err(Problem::invalid(vec![Fault::new("/owner_id", "an event type stays with its tenant")]));
    }
    check_version(&headers, "event type", old.version)?;
    let (sink_type, source_type) = body.check(&api, &old.owner_id)?;
    let event_type = EventType {
        display_name: body.display_name,
        description: body.description,
        sink_type,
        source_type,
        action: body.action,
        enabled: body.enabled,
        flow: body.flow,
        parameters: body.parameters,
        payload_schema: body.payload_schema,
        dedup_window_s: body.dedup_window_s,
        version: old.version + 1,
        updated_at: api.now(),
        ..old.as_ref().clone()
    };
    let event_type = Arc::new(event_type);
    let put = Transition::of([Change::PutEventType(Arc::clone(&event_type))]);
    api.commit(&caller, put.expecting(Expectation::EventTypeVersion(old.id, old.version))).await?;
    Ok(answer(&api, &event_type, Data::ok))
}

/// What was saved, with what may surprise about it.
fn answer(api: &Api, event_type: &Arc<EventType>, data: fn(EventTypeOut) -> Data<EventTypeOut>) -> Data<EventTypeOut> {
    let [cycle, unset] = warnings(api, event_type);
    let data = data(EventTypeOut::of(&api.catalogue(), event_type)).versioned(event_type.version);
    data.warning(cycle).warning(unset)
}

fn warnings(api: &Api, event_type: &Arc<EventType>) -> [Option<String>; 2] {
    let catalogue = api.catalogue();
    let EventType { owner_id, parameters, .. } = event_type.as_ref();
    let unset = (!owner_id.is_shared()).then(|| unset_secret(&catalogue, owner_id, parameters)).flatten();
    [cycle_of_event_type(&catalogue, event_type), unset]
}

/// What may surprise about one that is there, for who changes it: what saving it again would be answered with.
pub(crate) fn warnings_of(api: &Api, caller: &Caller<Read>, id: &str) -> Result<Vec<String>, Problem> {
    let event_type = find(api, caller.tenant(), id)?;
    let is_own = caller.tenant().may_change(&event_type.owner_id);
    Ok(warnings(api, &event_type).into_iter().flatten().filter(|_| is_own).collect())
}

/// Pause an event type
///
/// From now on its events are accepted and held: none of their runs begins. Runs that have begun go on, with their
/// retries. What is paused stays so over restarts. `If-Match` guards against somebody else's change.
#[utoipa::path(post, path = "/event-type/{id}/pause", tag = "event types", params(("id" = String, Path)), responses((status = 200, body = page::Envelope<EventTypeOut>)))]
pub(crate) async fn pause(
    caller: Caller<Write>,
    State(api): State<Api>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Data<EventTypeOut>, Problem> {
    let old = to_change(&api, &caller, &id, &headers)?;
    set_paused(&api, &caller, &old, EventType { paused: true, ..old.as_ref().clone() }).await
}

/// Resume an event type
///
/// What was held goes on in the order in which it was accepted. `If-Match` guards against somebody else's change.
#[utoipa::path(post, path = "/event-type/{id}/resume", tag = "event types", params(("id" = String, Path)), responses((status = 200, body = page::Envelope<EventTypeOut>)))]
pub(crate) async fn resume(
    caller: Caller<Write>,
    State(api): State<Api>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Data<EventTypeOut>, Problem> {
    let old = to_change(&api, &caller, &id, &headers)?;
    set_paused(&api, &caller, &old, EventType { paused: false, ..old.as_ref().clone() }).await
}

/// Puts `wanted` in the place of `old`, from which it differs at most in whether it is paused.
async fn set_paused(
    api: &Api,
    caller: &Caller<Write>,
    old: &EventType,
    wanted: EventType,
) -> Result<Data<EventTypeOut>, Problem> {
    let mut event_type = Arc::new(wanted);
    if old.paused != event_type.paused {
        let changed = EventType { version: old.version + 1, updated_at: api.now(), ..event_type.as_ref().clone() };
        event_type = Arc::new(changed);
        let put = Transition::of([Change::PutEventType(Arc::clone(&event_type))]);
        api.commit(caller, put.expecting(Expectation::EventTypeVersion(old.id, old.version))).await?;
    }
    // Also when it was so before: somebody else's change may be on its way here still.
    api.dispatch().follow_pause(event_type.id);
    Ok(Data::ok(EventTypeOut::of(&api.catalogue(), &event_type)).versioned(event_type.version))
}

/// The event type that the caller is about to change and may change.
fn to_change(api: &Api, caller: &Caller<Write>, id: &str, headers: &HeaderMap) -> Result<Arc<EventType>, Problem> {
    let event_type = find(api, caller.tenant(), id)?;
    caller.check_may_change(&event_type.owner_id, "event type", id)?;
    check_version(headers, "event type", event_type.version)?;
    Ok(event_type)
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Force {
    /// Also blank it in the actions that fire it on success or failure, and disable the schedules that fire it.
    #[serde(default)]
    pub(crate) force: bool,
}

/// Delete an event type
///
/// Refused with 409 and the list while an action or a schedule names it; `force=true` blanks `on_success` and
/// `on_failure`, as new versions of those actions, but no trigger, and disables the schedules. `If-Match` guards against
/// somebody else's change. Its history stays.
#[utoipa::path(delete, path = "/event-type/{id}", tag = "event types", params(("id" = String, Path), Force), responses((status = 200, body = page::Envelope<EventTypeOut>)))]
pub(crate) async fn delete(
    caller: Caller<Write>,
    State(api): State<Api>,
    Path(id): Path<String>,
    Query(query): Query<Force>,
    headers: HeaderMap,
) -> Result<Data<EventTypeOut>, Problem> {
    let event_type = to_change(&api, &caller, &id, &headers)?;
    let mut delete =
        if query.force { without_follow_up(&api, &event_type, caller.name()) } else { Transition::default() };
    delete.expect.push(Expectation::EventTypeVersion(event_type.id, event_type.version));
    delete.changes.push(Change::DeleteEventType(event_type.id));
    api.commit(&caller, delete).await?;
    // What was held of it goes on: its plan is its own.
    api.dispatch().follow_pause(event_type.id);
    Ok(Data::ok(EventTypeOut::of(&api.catalogue(), &event_type)))
}

/// New versions, in the name of `by`, of the actions that fire `event_type` when they end, which do so no more. Whoever
/// may change an event type may change what names it: its tenant's own actions, or everybody's for the platform.
fn without_follow_up(api: &Api, event_type: &EventType, by: &str) -> Transition {
    let catalogue = api.catalogue();
    let naming = [Mention::OnSuccess, Mention::OnFailure].map(|why| catalogue.actions_naming(event_type, why));
    let actions: BTreeMap<ActionId, &Arc<Action>> = naming.into_iter().flatten().map(|a| (a.id, a)).collect();
    let other = |name: &&EventTypeName| name.folded() != event_type.display_name.folded();
    let mut transition = Transition::default();
    for action in actions.into_values() {
        transition.expect.push(Expectation::ActionVersion(action.id, action.version));
        let blanked = Action {
            on_success: action.on_success.as_ref().filter(other).cloned(),
            on_failure: action.on_failure.as_ref().filter(other).cloned(),
            version: action.version + 1,
            updated_at: api.now(),
            updated_by: by.to_owned(),
            ..action.as_ref().clone()
        };
        transition.changes.push(Change::PutAction(Arc::new(blanked)));
    }
    for schedule in catalogue.schedules_firing(event_type) {
        transition.expect.push(schedule::unfired(schedule));
        let header = schedule.header.changed(schedule.header.name.clone(), by, api.now());
        let disabled = Schedule { header, enabled: false, next_at: None, ..schedule.as_ref().clone() };
        transition.changes.push(Change::Put(disabled.into()));
    }
    transition
}

pub(crate) fn find(api: &Api, tenant: &TenantId, id: &str) -> Result<Arc<EventType>, Problem> {
    let catalogue = api.catalogue();
    let by_id = id.parse().ok().and_then(|id: EventTypeId| catalogue.event_type(id));
    let found = by_id.or_else(|| catalogue.event_type_named(tenant, &id.parse().ok()?));
    let visible = found.filter(|event_type| tenant.sees(&event_type.owner_id));
    visible.cloned().ok_or_else(|| Problem::not_found("event type", id))
}

impl EventTypeIn {
    /// Checks what only the catalogue knows; gives the name of the sink type, and the source type that is named.
    fn check(&self, api: &Api, owner: &TenantId) -> Result<(String, Option<SourceTypeId>), Problem> {
        let mut faults = check_parameters(&self.parameters);
        if self.description.len() > 10_000 {
            faults.push(Fault::new("/description", "a description has at most 10000 bytes"));
        }
        let catalogue = api.catalogue();
        let asked = self.sink_type.as_deref().unwrap_or(SinkType::WASM);
        let sink_type = find_sink_type(&catalogue, owner, asked).map(|found| found.header.name.to_string());
        if sink_type.is_none() {
            faults.push(Fault::new("/sink_type", format!("there is no sink type `{asked}`")));
        }
        let source_type = self.source_type.as_ref().map(|id| source_type_for(&catalogue, owner, id)).transpose();
        faults.extend(source_type.as_ref().err().cloned());
        if let Some(schema) = &self.payload_schema {
            faults.extend(check_schema(schema).err().map(|error| Fault::new("/payload_schema", error)));
        }
        if self.action.is_some_and(|id| action::find(api, owner, &id.to_string()).is_err()) {
            faults.push(Fault::new("/action", "there is no such action"));
        }
        if faults.is_empty() {
            Ok((sink_type.unwrap_or_default(), source_type.unwrap_or_default()))
        } else {
            Err(Problem::invalid(faults))
        }
    }
}

impl EventTypeOut {
    pub(crate) fn of(catalogue: &Catalogue, event_type: &EventType) -> EventTypeOut {
        let source_type = event_type.source_type.and_then(|id| catalogue.source_types().get(id));
        EventTypeOut {
            id: event_type.id,
            owner_id: event_type.owner_id.to_string(),
            display_name: event_type.display_name.to_string(),
            description: event_type.description.clone(),
            sink_type: event_type.sink_type.clone(),
            source_type: source_type.map(|found| found.header.name.to_string()),
            action: event_type.action,
            enabled: event_type.enabled,
            paused: event_type.paused,
            flow: event_type.flow,
            parameters: event_type.parameters.clone(),
            payload_schema: event_type.payload_schema.clone(),
            dedup_window_s: event_type.dedup_window_s,
            version: event_type.version,
            created_by: event_type.created_by.clone(),
            created_at: event_type.created_at,
            updated_at: event_type.updated_at,
        }
    }
}
