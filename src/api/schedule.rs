//! Schedules: event types that fire by time.

use super::Api;
use super::auth::{Caller, Read, Write};
use super::error::{Fault, Problem};
use super::event::ObjectOut;
use super::extract::{Body, Path, Query};
use super::page::{self, Data, List, Row};
use super::precondition::check_version;
use crate::dispatch::{TimingError, first_after, next_firings};
use crate::domain::{
    EntryName, EventId, EventTypeName, Header, Json, ObjectRef, Schedule, ScheduleId, TenantId, Timestamp, Timing,
};
use crate::store::{Change, CommitError, Conflict, Expectation, NamedId, Transition};
use axum::extract::State;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// Coming firings shown at most.
const FIRINGS_MAX: usize = 100;
/// How often a change is tried again because the schedule fired meanwhile; one that fires every second does not keep
/// anybody from changing it.
const CHANGE_TRIES: usize = 5;

/// A schedule as it is sent: with `cron`, or with `at`.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScheduleIn {
    /// A letter and up to 63 letters, digits, `_`, `.` and `-`; unique without regard to case.
    #[schema(value_type = String, pattern = "^[A-Za-z][A-Za-z0-9_.-]{0,63}$")]
    name: EntryName,
    #[serde(default)]
    description: String,
    /// The display name of the event type that it fires.
    #[schema(value_type = String)]
    event_type: EventTypeName,
    #[schema(value_type = Option<ObjectOut>)]
    object: Option<ObjectRef>,
    /// Any JSON. Default `{}`.
    #[serde(default = "Json::empty_object")]
    #[schema(value_type = Option<serde_json::Value>)]
    payload: Json,
    /// Default true.
    #[serde(default = "yes")]
    enabled: bool,
    /// Again and again: minute, hour, day of the month, month, day of the week; with six fields seconds come first. A time
    /// that a clock skips fires right after the gap, one that it shows twice fires once.
    cron: Option<String>,
    /// Of `cron`: a name of the IANA database, such as `Europe/Berlin`. Default `UTC`.
    timezone: Option<String>,
    /// Once, at this time.
    #[schema(value_type = Option<String>, format = DateTime)]
    at: Option<Timestamp>,
    /// The tenant it is for; only the platform names another than its own, and only when creating.
    #[schema(value_type = Option<String>)]
    owner_id: Option<TenantId>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ScheduleOut {
    #[schema(value_type = uuid::Uuid)]
    pub(crate) id: ScheduleId,
    pub(crate) owner_id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) event_type: String,
    #[schema(value_type = Option<ObjectOut>)]
    pub(crate) object: Option<ObjectRef>,
    #[schema(value_type = serde_json::Value)]
    pub(crate) payload: Json,
    pub(crate) enabled: bool,
    pub(crate) cron: Option<String>,
    pub(crate) timezone: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) at: Option<Timestamp>,
    /// When it fires next; null when it will not.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) next_at: Option<Timestamp>,
    /// When it fired last.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) last_at: Option<Timestamp>,
    /// What it fired last.
    #[schema(value_type = Option<uuid::Uuid>)]
    pub(crate) last_event_id: Option<EventId>,
    /// The firings that come, as many as `next` asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>)]
    pub(crate) firings: Option<Vec<Timestamp>>,
    pub(crate) version: u64,
    pub(crate) created_by: String,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) created_at: Timestamp,
    pub(crate) updated_by: String,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) updated_at: Timestamp,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Making {
    /// Keep nothing: the answer, a 200, is what would be made. Default false.
    #[serde(default)]
    dry_run: bool,
    /// Of a dry run also show the firings that would come, this many, up to 100.
    next: Option<usize>,
}

page::filter! {
    ScheduleFilter {
        /// Only those that fire the event type of this name.
        event_type: String,
        /// Only those that are enabled, or are not.
        enabled: bool,
    }
}

/// Create a schedule
///
/// `dry_run=true` checks it as if it were made, and says when it would fire; that the name is free is not looked at.
#[utoipa::path(post, path = "/schedule", tag = "schedules", params(Making), request_body = ScheduleIn,
    responses((status = 201, body = page::Envelope<ScheduleOut>), (status = 200, description = "A dry run", body = page::Envelope<ScheduleOut>)))]
pub(crate) async fn create(
    caller: Caller<Write>,
    State(api): State<Api>,
    Query(making): Query<Making>,
    Body(body): Body<ScheduleIn>,
) -> Result<Data<ScheduleOut>, Problem> {
    check_next(making.next)?;
    let owner = caller.owner(body.owner_id.clone())?;
    let now = api.now();
    let next_at = body.checked(&api, &owner, None).await?;
    let header = (ScheduleId::new(api.ids(), now), owner, body.name.clone());
    let header = Header { description: body.description.clone(), ..Header::new(header, caller.name(), now) };
    let schedule = Schedule { last: None, ..body.schedule(header, next_at) };
    if making.dry_run {
        let firings = coming(&api, &schedule.timing, now, making.next.unwrap_or(0)).await;
        return Ok(Data::ok(ScheduleOut { firings: making.next.map(|_| firings), ..ScheduleOut::of(&schedule) }));
    }
    api.commit(&caller, Transition::of([Change::Put(schedule.clone().into())])).await?;
    api.dispatch().look_again();
    Ok(Data::created(ScheduleOut::of(&schedule)).versioned(1))
}

/// List schedules
#[utoipa::path(get, path = "/schedule", tag = "schedules", params(ScheduleFilter), responses((status = 200, body = page::Envelope<Vec<ScheduleOut>>)))]
pub(crate) async fn list(
    caller: Caller<Read>,
    State(api): State<Api>,
    Query(filter): Query<ScheduleFilter>,
) -> Result<List<ScheduleOut>, Problem> {
    let catalogue = api.catalogue();
    let visible = catalogue.schedules().iter().filter(|schedule| caller.tenant().may_change(&schedule.header.owner_id));
    let wanted = |schedule: &&Arc<Schedule>| {
        filter.enabled.is_none_or(|enabled| enabled == schedule.enabled)
            && filter.event_type.as_ref().is_none_or(|name| name.to_lowercase() == schedule.event_type.folded())
    };
    let visible = visible.filter(wanted);
    let rows = visible.map(|schedule| Row {
        item: ScheduleOut::of(schedule),
        id: schedule.header.id.to_string(),
        name: schedule.header.name.to_string(),
        description: schedule.header.description.clone(),
        owner_id: schedule.header.owner_id.to_string(),
        created_at: schedule.header.created_at,
        updated_at: schedule.header.updated_at,
    });
    page::list(rows, &filter.page())
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Coming {
    /// Also show the next firings, this many, up to 100.
    next: Option<usize>,
}

/// Read a schedule, by id or name
#[utoipa::path(get, path = "/schedule/{id}", tag = "schedules", params(("id" = String, Path), Coming), responses((status = 200, body = page::Envelope<ScheduleOut>)))]
pub(crate) async fn read(
    caller: Caller<Read>,
    State(api): State<Api>,
    Path(id): Path<String>,
    Query(query): Query<Coming>,
) -> Result<Data<ScheduleOut>, Problem> {
    check_next(query.next)?;
    let schedule = find(&api, caller.tenant(), &id)?;
    let mut out = ScheduleOut::of(&schedule);
    if let Some(count) = query.next {
        // What is due and was missed comes first.
        let mut firings: Vec<Timestamp> = schedule.next_at.into_iter().take(count).collect();
        if let Some(last) = firings.last().map(|next| (*next).max(api.now())) {
            firings.extend(coming(&api, &schedule.timing, last, count - firings.len()).await);
        }
        out.firings = Some(firings);
    }
    Ok(Data::ok(out).versioned(schedule.header.version))
}

/// Change a schedule
///
/// The body replaces it whole. As long as `cron`, `timezone`, `at` and `enabled` stay as they are it fires when it would
/// have; else it begins anew from now. `If-Match` guards against somebody else's change; that it fires is none.
#[utoipa::path(put, path = "/schedule/{id}", tag = "schedules", params(("id" = String, Path)), request_body = ScheduleIn, responses((status = 200, body = page::Envelope<ScheduleOut>)))]
pub(crate) async fn change(
    caller: Caller<Write>,
    State(api): State<Api>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body<ScheduleIn>,
) -> Result<Data<ScheduleOut>, Problem> {
    let mut tried = 1;
    loop {
        let old = find(&api, caller.tenant(), &id)?;
        if body.owner_id.as_ref().is_some_and(|owner| *owner != old.header.owner_id) {
            return Err(Problem::invalid(vec![Fault::new("/owner_id", "a schedule stays with its tenant")]));
        }
        check_version(&headers, "schedule", old.header.version)?;
        let next_at = body.checked(&api, &old.header.owner_id, Some(&old)).await?;
        let header = old.header.changed(body.name.clone(), caller.name(), api.now());
        let header = Header { description: body.description.clone(), ..header };
        let schedule = Schedule { last: old.last, ..body.schedule(header, next_at) };
        let put = Transition::of([Change::Put(schedule.clone().into())]);
        match api.commit(&caller, put.expecting(unfired(&old))).await {
            Ok(()) => {
                api.dispatch().look_again();
                return Ok(Data::ok(ScheduleOut::of(&schedule)).versioned(schedule.header.version));
            }
            Err(CommitError::Conflict(Conflict::Version { .. })) if tried < CHANGE_TRIES => tried += 1,
            Err(error) => return Err(error.into()),
        }
    }
}

/// Delete a schedule
///
/// `If-Match` guards against somebody else's change. What it fired stays.
#[utoipa::path(delete, path = "/schedule/{id}", tag = "schedules", params(("id" = String, Path)), responses((status = 200, body = page::Envelope<ScheduleOut>)))]
pub(crate) async fn delete(
    caller: Caller<Write>,
    State(api): State<Api>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Data<ScheduleOut>, Problem> {
    let schedule = find(&api, caller.tenant(), &id)?;
    check_version(&headers, "schedule", schedule.header.version)?;
    let id = NamedId::Schedule(schedule.header.id);
    let delete = Transition::of([Change::Delete(id)]);
    api.commit(&caller, delete.expecting(Expectation::Version(id, schedule.header.version))).await?;
    Ok(Data::ok(ScheduleOut::of(&schedule)))
}

fn check_next(next: Option<usize>) -> Result<(), Problem> {
    let past = next.filter(|next| *next > FIRINGS_MAX);
    let refused = |next| Problem::bad_request(format!("next={next}: at most {FIRINGS_MAX} firings are shown"));
    past.map_or(Ok(()), |next| Err(refused(next)))
}

/// The first firings after a time, of what is known to be a timing.
async fn coming(api: &Api, timing: &Timing, after: Timestamp, count: usize) -> Vec<Timestamp> {
    let timing = timing.clone();
    api.computing(move || next_firings(&timing, after, count)).await.unwrap_or_default()
}

/// That it is still this one, and has not fired meanwhile.
pub(crate) fn unfired(schedule: &Schedule) -> Expectation {
    Expectation::Unfired(schedule.header.id, schedule.header.version, schedule.next_at)
}

/// A tenant's schedules are its own affair, and so are the platform's: they have payloads.
fn find(api: &Api, tenant: &TenantId, id: &str) -> Result<Arc<Schedule>, Problem> {
    let catalogue = api.catalogue();
    let schedules = catalogue.schedules();
    let by_id = id.parse().ok().and_then(|id: ScheduleId| schedules.get(id));
    let found = by_id.or_else(|| schedules.named(tenant, &id.parse().ok()?));
    let visible = found.filter(|schedule| tenant.may_change(&schedule.header.owner_id));
    visible.cloned().ok_or_else(|| Problem::not_found("schedule", id))
}

impl ScheduleIn {
    /// Whether everything is well, and when it fires first.
    async fn checked(&self, api: &Api, owner: &TenantId, old: Option<&Schedule>) -> Result<Option<Timestamp>, Problem> {
        let mut faults = Vec::new();
        if self.description.len() > 10_000 {
            faults.push(Fault::new("/description", "a description has at most 10000 bytes"));
        }
        faults.extend(self.check_firing(api, owner));
        let mut next_at = None;
        match self.check_timing() {
            Err(fault) => faults.push(fault),
            Ok(()) => match self.next_at(api, old).await {
                Ok(next) => next_at = next,
                Err(fault) => faults.push(fault),
            },
        }
        if faults.is_empty() { Ok(next_at) } else { Err(Problem::invalid(faults)) }
    }

    /// What is wrong with what it would fire. A disabled one is not asked: it may come before its event type.
    fn check_firing(&self, api: &Api, owner: &TenantId) -> Vec<Fault> {
        if !self.enabled {
            return Vec::new();
        }
        let catalogue = api.catalogue();
        match catalogue.event_type_named(owner, &self.event_type) {
            None => vec![Fault::new("/event_type", format!("there is no event type `{}`", self.event_type))],
            Some(event_type) => {
                let violations = api.dispatch().payload_violations(event_type, &self.payload);
                violations.into_iter().map(|v| Fault::new(format!("/payload{}", v.pointer), v.message)).collect()
            }
        }
    }

    fn check_timing(&self) -> Result<(), Fault> {
        match (&self.cron, &self.at, &self.timezone) {
            (Some(_), Some(_), _) => Err(Fault::new("/at", "a schedule has `cron` or `at`, not both")),
            (None, None, _) => Err(Fault::new("/cron", "a schedule has `cron`, or `at` to fire once")),
            (None, Some(_), Some(_)) => {
                Err(Fault::new("/timezone", "only `cron` has a time zone: `at` is a point in time"))
            }
            _ => Ok(()),
        }
    }

    fn timing(&self) -> Timing {
        match (&self.cron, self.at) {
            (Some(expression), _) => Timing::Cron {
                expression: expression.clone(),
                timezone: self.timezone.clone().unwrap_or_else(|| "UTC".to_owned()),
            },
            (None, at) => Timing::At(at.unwrap_or_default()),
        }
    }

    /// When it fires first. What fires by the same timing as before goes on, with what it missed.
    async fn next_at(&self, api: &Api, old: Option<&Schedule>) -> Result<Option<Timestamp>, Fault> {
        let (timing, now) = (self.timing(), api.now());
        let (asked, same) = (timing.clone(), old.filter(|old| old.timing == timing));
        let first = api.computing(move || first_after(&asked, now)).await.map_err(|error| {
            let pointer = if matches!(error, TimingError::Timezone(_)) { "/timezone" } else { "/cron" };
            Fault::new(pointer, error)
        })?;
        match (self.enabled, same) {
            (false, _) => Ok(None),
            (true, Some(old)) if old.enabled => Ok(old.next_at),
            (true, _) if first.is_none() => Err(Fault::new("/at", "this time has passed")),
            (true, _) => Ok(first),
        }
    }

    fn schedule(&self, header: Header<ScheduleId>, next_at: Option<Timestamp>) -> Schedule {
        Schedule {
            header,
            event_type: self.event_type.clone(),
            object: self.object.clone(),
            payload: self.payload.clone(),
            enabled: self.enabled,
            timing: self.timing(),
            next_at,
            last: None,
        }
    }
}

impl ScheduleOut {
    pub(crate) fn of(schedule: &Schedule) -> ScheduleOut {
        let Header { id, owner_id, name, description, version, created_by, created_at, updated_by, updated_at } =
            schedule.header.clone();
        let (cron, timezone, at) = match &schedule.timing {
            Timing::Cron { expression, timezone } => (Some(expression.clone()), Some(timezone.clone()), None),
            Timing::At(at) => (None, None, Some(*at)),
        };
        ScheduleOut {
            id,
            owner_id: owner_id.to_string(),
            name: name.to_string(),
            description,
            event_type: schedule.event_type.to_string(),
            object: schedule.object.clone(),
            payload: schedule.payload.clone(),
            enabled: schedule.enabled,
            cron,
            timezone,
            at,
            next_at: schedule.next_at,
            last_at: schedule.last.map(|last| last.at),
            last_event_id: schedule.last.map(|last| last.event_id),
            firings: None,
            version,
            created_by,
            created_at,
            updated_by,
            updated_at,
        }
    }
}
