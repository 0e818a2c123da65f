//! Sinks: executors of runs. Each is this server, so they belong to the platform.

use super::Api;
use super::auth::{Caller, Read, Write};
use super::entry::{self, HeaderOut, Naming};
use super::error::{Fault, Problem};
use super::extract::{Body, Path, Query};
use super::page::{self, Data, List};
use crate::dispatch::{find_sink_type, sinks};
use crate::domain::{Entry, EntryName, Sink, SinkId, TenantId, Timestamp};
use crate::store::Catalogue;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// Sink types that one sink may list.
const SINK_TYPES_MAX: usize = 1_000;

/// A sink as it is sent.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SinkIn {
    /// A letter and up to 63 letters, digits, `_`, `.` and `-`; unique without regard to case.
    #[schema(value_type = String, pattern = "^[A-Za-z][A-Za-z0-9_.-]{0,63}$")]
    name: EntryName,
    #[serde(default)]
    description: String,
    /// The shared sink types, by name, of which it takes runs. Empty, the default, takes runs of every type, also of
    /// those that tenants have for themselves.
    #[serde(default)]
    sink_types: Vec<String>,
    /// Whether it takes runs. Default true.
    #[serde(default = "yes")]
    enabled: bool,
}

/// An executor.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SinkOut {
    #[serde(flatten)]
    pub(crate) header: HeaderOut,
    /// Empty: every type.
    pub(crate) sink_types: Vec<String>,
    pub(crate) enabled: bool,
    /// Whether it is `local`, this server itself.
    pub(crate) built_in: bool,
    /// ONLINE, or OFFLINE while it is disabled.
    pub(crate) state: &'static str,
    /// When it was last seen online since the server started.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) last_seen: Option<Timestamp>,
}

fn yes() -> bool {
    true
}

/// Create a sink
///
/// Runs that waited for one begin at once.
#[utoipa::path(post, path = "/sink", tag = "sinks", request_body = SinkIn, responses((status = 201, body = page::Envelope<SinkOut>)))]
pub(crate) async fn create(
    caller: Caller<Write>,
    State(api): State<Api>,
    Body(body): Body<SinkIn>,
) -> Result<Data<SinkOut>, Problem> {
    check_platform(&caller)?;
    let (sink_types, enabled) = (body.check(&api)?, body.enabled);
    let id = SinkId::new(api.ids(), api.now());
    let header = entry::new_header(&api, &caller, id, body.naming())?;
    let sink = Sink { header, sink_types, enabled };
    entry::put(&api, &caller, sink.clone()).await?;
    Ok(Data::created(SinkOut::of(&api, &sink)).versioned(1))
}

page::filter! {
    SinkFilter {
        /// Only those that are enabled, which are online, or are not.
        enabled: bool,
    }
}

/// List sinks
#[utoipa::path(get, path = "/sink", tag = "sinks", params(SinkFilter), responses((status = 200, body = page::Envelope<Vec<SinkOut>>)))]
pub(crate) async fn list(
    _: Caller<Read>,
    State(api): State<Api>,
    Query(filter): Query<SinkFilter>,
) -> Result<List<SinkOut>, Problem> {
    let catalogue = api.catalogue();
    let wanted = sinks(&catalogue).filter(|sink| filter.enabled.is_none_or(|enabled| enabled == sink.enabled));
    page::list(wanted.map(|sink| entry::row(sink.as_ref(), SinkOut::of(&api, sink))), &filter.page())
}

/// Read a sink, by id or name
#[utoipa::path(get, path = "/sink/{id}", tag = "sinks", params(("id" = String, Path)), responses((status = 200, body = page::Envelope<SinkOut>)))]
pub(crate) async fn read(
    _: Caller<Read>,
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Data<SinkOut>, Problem> {
    let sink = find(&api.catalogue(), &id)?;
    Ok(Data::ok(SinkOut::of(&api, &sink)).versioned(sink.header.version))
}

/// Change a sink
///
/// The body replaces it whole, at once. What runs is not broken off; runs that no sink takes any more stay queued until
/// one does. `local` can be disabled and restricted too. `If-Match` guards against somebody else's change.
#[utoipa::path(put, path = "/sink/{id}", tag = "sinks", params(("id" = String, Path)), request_body = SinkIn, responses((status = 200, body = page::Envelope<SinkOut>)))]
pub(crate) async fn change(
    caller: Caller<Write>,
    State(api): State<Api>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body<SinkIn>,
) -> Result<Data<SinkOut>, Problem> {
    check_platform(&caller)?;
    let catalogue = api.catalogue();
    let old = find(&catalogue, &id)?;
    let (sink_types, enabled) = (body.check(&api)?, body.enabled);
    if old.is_built_in() && body.name.folded() != Sink::LOCAL {
        return Err(Problem::invalid(vec![Fault::new("/name", "the built-in sink is called `local`")]));
    }
    let header = entry::next_header(&api, &caller, &headers, old.as_ref(), body.naming())?;
    let sink = Sink { header, sink_types, enabled };
    if catalogue.sinks().get(sink.header.id).is_some() {
        entry::put(&api, &caller, sink.clone()).await?;
    } else {
        entry::put_first(&api, &caller, sink.clone()).await?;
    }
    Ok(Data::ok(SinkOut::of(&api, &sink)).versioned(sink.header.version))
}

/// Delete a sink
///
/// `local` becomes again what it is by itself: enabled, for every type. `If-Match` guards against somebody else's change.
#[utoipa::path(delete, path = "/sink/{id}", tag = "sinks", params(("id" = String, Path)), responses((status = 200, body = page::Envelope<SinkOut>)))]
pub(crate) async fn delete(
    caller: Caller<Write>,
    State(api): State<Api>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Data<SinkOut>, Problem> {
    check_platform(&caller)?;
    let catalogue = api.catalogue();
    let sink = find(&catalogue, &id)?;
    if catalogue.sinks().get(sink.header.id).is_none() {
        return Err(built_in());
    }
    entry::delete(&api, &caller, &headers, sink.as_ref()).await?;
    Ok(Data::ok(SinkOut::of(&api, &sink)))
}

/// What was not changed cannot be what it was again.
pub(crate) fn built_in() -> Problem {
    let detail = "the sink `local` is built in, and was not changed; disable it instead";
    Problem::new(StatusCode::CONFLICT, "built_in", detail)
}

/// A sink decides for every tenant whether its runs begin.
pub(crate) fn check_platform(caller: &Caller<Write>) -> Result<(), Problem> {
    if caller.tenant().is_shared() {
        return Ok(());
    }
    Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", "sinks are the platform's; a tenant sees them"))
}

fn find(catalogue: &Catalogue, id: &str) -> Result<Arc<Sink>, Problem> {
    let name: Option<EntryName> = id.parse().ok();
    let called = |sink: &&Arc<Sink>| {
        let header = &sink.header;
        header.id.to_string() == id || name.as_ref().is_some_and(|name| name.folded() == header.name.folded())
    };
    sinks(catalogue).find(called).cloned().ok_or_else(|| Problem::not_found(Sink::WHAT, id))
}

impl SinkIn {
    /// Gives the sink types as they are called.
    fn check(&self, api: &Api) -> Result<Vec<EntryName>, Problem> {
        if self.sink_types.len() > SINK_TYPES_MAX {
            let message = format!("a sink lists at most {SINK_TYPES_MAX} sink types; empty takes them all");
            return Err(Problem::invalid(vec![Fault::new("/sink_types", message)]));
        }
        let catalogue = api.catalogue();
        let (mut names, mut faults): (Vec<EntryName>, _) = (Vec::new(), Vec::new());
        for (place, asked) in self.sink_types.iter().enumerate() {
            let found = find_sink_type(&catalogue, &TenantId::shared(), asked);
            match found.filter(|found| found.header.owner_id.is_shared()).map(|found| found.header.name.clone()) {
                Some(name) if names.contains(&name) => {
                    faults.push(Fault::new(format!("/sink_types/{place}"), format!("`{name}` is listed twice")));
                }
                Some(name) => names.push(name),
                None => {
                    let message = format!("there is no shared sink type `{asked}`");
                    faults.push(Fault::new(format!("/sink_types/{place}"), message));
                }
            }
        }
        if faults.is_empty() { Ok(names) } else { Err(Problem::invalid(faults)) }
    }

    fn naming(self) -> Naming {
        Naming { name: self.name, description: self.description, owner_id: None }
    }
}

impl SinkOut {
    pub(crate) fn of(api: &Api, sink: &Sink) -> SinkOut {
        SinkOut {
            header: HeaderOut::of(&sink.header),
            sink_types: sink.sink_types.iter().map(EntryName::to_string).collect(),
            enabled: sink.enabled,
            built_in: sink.is_built_in(),
            state: if sink.enabled { "ONLINE" } else { "OFFLINE" },
            last_seen: api.dispatch().last_seen(sink.header.id),
        }
    }
}
