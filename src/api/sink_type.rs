//! Sink types: execution profiles.

use super::Api;
use super::action::LimitsSchema;
use super::allowed_hosts::{MayBePrivate, check_given, check_hosts};
use super::auth::{Caller, Read, Write};
use super::entry::{self, HeaderOut, Naming};
use super::error::{Fault, Problem};
use super::extract::{Body, Path, Query};
use super::page::{self, Data, List};
use crate::dispatch::{Profile, find_sink_type, is_taken, sink_types};
use crate::domain::{
    AllowedHost, EntryName, LIMITS_MAX, LIMITS_WASM, Limits, LimitsPatch, NotTighter, SinkType, SinkTypeId, TenantId,
};
use crate::store::Catalogue;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;
use utoipa::ToSchema;

/// A sink type as it is sent.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SinkTypeIn {
    /// A letter and up to 63 letters, digits, `_`, `.` and `-`; unique without regard to case. Not `wasm`.
    #[schema(value_type = String, pattern = "^[A-Za-z][A-Za-z0-9_.-]{0,63}$")]
    name: EntryName,
    #[serde(default)]
    description: String,
    /// What is left out is as in `wasm`. At most `fuel` 10^13, `memory_bytes` 512 MiB, `timeout_ms` one hour,
    /// `output_bytes`, `log_bytes` and `kv_bytes` 16 MiB each, `http_calls` 1000, `http_bytes` 64 MiB, `emitted_events` 256;
    /// only the platform gives more than `wasm` does.
    #[serde(default)]
    #[schema(value_type = LimitsSchema)]
    limits: LimitsPatch,
    /// How many runs of it go on at once, 1 to what the server runs in all. Default: as many as the server runs.
    concurrency: Option<u32>,
    /// Where its runs may send HTTP requests, as far as their action also allows it; default nowhere. A rule is a text such
    /// as `https://api.example.com`, `GET,POST https://*.example.com:8443/v1` or, to reach what is no address of the
    /// internet, `private http://10.0.0.5:*`. A tenant gives only what `wasm` has; the platform gives more.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    allowed_hosts: Vec<AllowedHost>,
    /// The tenant it is for; only the platform names another than its own, and only when creating.
    #[schema(value_type = Option<String>)]
    owner_id: Option<TenantId>,
}

/// The limits under which runs go, and how many at once.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SinkTypeOut {
    #[serde(flatten)]
    pub(crate) header: HeaderOut,
    #[schema(value_type = LimitsSchema)]
    pub(crate) limits: LimitsPatch,
    pub(crate) concurrency: Option<u32>,
    /// Where its runs may send HTTP requests, as far as their action also allows it.
    #[schema(value_type = Vec<String>)]
    pub(crate) allowed_hosts: Vec<AllowedHost>,
    /// Whether it is `wasm`, which serves when nothing else is named and is not changed.
    pub(crate) built_in: bool,
    /// Whether a sink is online that takes it.
    pub(crate) online: bool,
    /// How many runs of it go on now.
    pub(crate) running: u32,
    /// How many wait for a permit, or for a sink.
    pub(crate) queued: usize,
}

/// Create a sink type
#[utoipa::path(post, path = "/sink-type", tag = "sink types", request_body = SinkTypeIn, responses((status = 201, body = page::Envelope<SinkTypeOut>)))]
pub(crate) async fn create(
    caller: Caller<Write>,
    State(api): State<Api>,
    Body(body): Body<SinkTypeIn>,
) -> Result<Data<SinkTypeOut>, Problem> {
    let (limits, concurrency) = body.check(&api, caller.tenant(), (LIMITS_WASM, &[]))?;
    let allowed_hosts = body.allowed_hosts.clone();
    let id = SinkTypeId::new(api.ids(), api.now());
    let header = entry::new_header(&api, &caller, id, body.naming())?;
    let sink_type = SinkType { header, limits, concurrency, allowed_hosts };
    entry::put(&api, &caller, sink_type.clone()).await?;
    Ok(Data::created(View::of(&api).out(&sink_type)).versioned(1))
}

page::filter! {
    SinkTypeFilter {
        /// Only those that an online sink takes, or that none takes.
        online: bool,
    }
}

/// List sink types
#[utoipa::path(get, path = "/sink-type", tag = "sink types", params(SinkTypeFilter), responses((status = 200, body = page::Envelope<Vec<SinkTypeOut>>)))]
pub(crate) async fn list(
    caller: Caller<Read>,
    State(api): State<Api>,
    Query(filter): Query<SinkTypeFilter>,
) -> Result<List<SinkTypeOut>, Problem> {
    let view = View::of(&api);
    let visible = sink_types(&view.catalogue).filter(|found| caller.tenant().sees(&found.header.owner_id));
    let rows = visible.map(|found| entry::row(found.as_ref(), view.out(found)));
    let wanted = rows.filter(|row| filter.online.is_none_or(|online| online == row.item.online));
    page::list(wanted, &filter.page())
}

/// Read a sink type, by id or name
#[utoipa::path(get, path = "/sink-type/{id}", tag = "sink types", params(("id" = String, Path)), responses((status = 200, body = page::Envelope<SinkTypeOut>)))]
pub(crate) async fn read(
    caller: Caller<Read>,
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Data<SinkTypeOut>, Problem> {
    let view = View::of(&api);
    let found = find(&view.catalogue, caller.tenant(), &id)?;
    Ok(Data::ok(view.out(&found)).versioned(found.header.version))
}

/// Change a sink type
///
/// The body replaces it whole, at once: new limits hold for what is planned from then on, the concurrency for what starts
/// from then on. `If-Match` guards against somebody else's change.
#[utoipa::path(put, path = "/sink-type/{id}", tag = "sink types", params(("id" = String, Path)), request_body = SinkTypeIn, responses((status = 200, body = page::Envelope<SinkTypeOut>)))]
pub(crate) async fn change(
    caller: Caller<Write>,
    State(api): State<Api>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body<SinkTypeIn>,
) -> Result<Data<SinkTypeOut>, Problem> {
    let old = find(&api.catalogue(), caller.tenant(), &id)?;
    check_own(&old)?;
    // What the platform gave stays given.
    let given = (LIMITS_WASM.widest(old.limits), old.allowed_hosts.as_slice());
    let (limits, concurrency) = body.check(&api, caller.tenant(), given)?;
    let allowed_hosts = body.allowed_hosts.clone();
    let header = entry::next_header(&api, &caller, &headers, old.as_ref(), body.naming())?;
    let sink_type = SinkType { header, limits, concurrency, allowed_hosts };
    entry::put(&api, &caller, sink_type.clone()).await?;
    Ok(Data::ok(View::of(&api).out(&sink_type)).versioned(sink_type.header.version))
}

/// Delete a sink type
///
/// Refused with 409 and the list while an event type or a sink names it. `If-Match` guards against somebody else's change.
/// What was planned under it goes on within the limits it was planned with.
#[utoipa::path(delete, path = "/sink-type/{id}", tag = "sink types", params(("id" = String, Path)), responses((status = 200, body = page::Envelope<SinkTypeOut>)))]
pub(crate) async fn delete(
    caller: Caller<Write>,
    State(api): State<Api>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Data<SinkTypeOut>, Problem> {
    let view = View::of(&api);
    let found = find(&view.catalogue, caller.tenant(), &id)?;
    check_own(&found)?;
    entry::delete(&api, &caller, &headers, found.as_ref()).await?;
    Ok(Data::ok(view.out(&found)))
}

fn find(catalogue: &Catalogue, tenant: &TenantId, id: &str) -> Result<Arc<SinkType>, Problem> {
    find_sink_type(catalogue, tenant, id).cloned().ok_or_else(|| Problem::not_found("sink type", id))
}

fn check_own(sink_type: &SinkType) -> Result<(), Problem> {
    if sink_type.is_built_in() { Err(built_in()) } else { Ok(()) }
}

pub(crate) fn built_in() -> Problem {
    let detail = "the sink type `wasm` is built in: it is as it is";
    Problem::new(StatusCode::CONFLICT, "built_in", detail)
}

/// The widest limits that an action of `owner` may have: those of the widest sink type that its event types may name.
pub(crate) fn widest_limits(catalogue: &Catalogue, owner: &TenantId) -> Limits {
    let usable = catalogue.sink_types().iter().filter(|found| owner.sees(&found.header.owner_id));
    usable.fold(LIMITS_WASM, |widest, found| widest.widest(found.limits))
}

impl SinkTypeIn {
    /// Gives the limits in full. What is wider than `given`, the platform gives.
    fn check(
        &self,
        api: &Api,
        tenant: &TenantId,
        (given, given_hosts): (Limits, &[AllowedHost]),
    ) -> Result<(Limits, Option<u32>), Problem> {
        let widest = if tenant.is_shared() { LIMITS_MAX } else { given };
        let fault = |refused: &NotTighter| {
            let limit = if tenant.is_shared() { "" } else { ": the platform gives more" };
            Fault::new(format!("/limits/{}", refused.field), format!("{refused}{limit}"))
        };
        let mut faults: Vec<Fault> = match widest.tightened(&self.limits) {
            Ok(_) => Vec::new(),
            Err(refused) => refused.iter().map(fault).collect(),
        };
        let total = api.dispatch().permits_total();
        if self.concurrency.is_some_and(|asked| !(1..=total).contains(&asked)) {
            faults.push(Fault::new(
                "/concurrency",
                format!("must be between 1 and {total}, what the server runs at once"),
            ));
        }
        faults.extend(check_hosts(&self.allowed_hosts, MayBePrivate::BySinkType));
        if !tenant.is_shared() {
            let given = [api.dispatch().hosts_of_wasm(), given_hosts].concat();
            faults.extend(check_given(&self.allowed_hosts, &given));
        }
        if !faults.is_empty() {
            return Err(Problem::invalid(faults));
        }
        Ok((LIMITS_WASM.replaced(&self.limits), self.concurrency))
    }

    fn naming(self) -> Naming {
        Naming { name: self.name, description: self.description, owner_id: self.owner_id }
    }
}

impl SinkTypeOut {
    pub(crate) fn of(api: &Api, sink_type: &SinkType) -> SinkTypeOut {
        View::of(api).out(sink_type)
    }
}

/// What a sink type is shown by.
struct View {
    catalogue: Arc<Catalogue>,
    hosts_of_wasm: Vec<AllowedHost>,
    loads: HashMap<Profile, (u32, usize)>,
}

impl View {
    fn of(api: &Api) -> View {
        let hosts_of_wasm = api.dispatch().hosts_of_wasm().to_vec();
        View { catalogue: api.catalogue(), hosts_of_wasm, loads: api.dispatch().loads() }
    }

    fn out(&self, sink_type: &SinkType) -> SinkTypeOut {
        let profile = sink_type.profile();
        let (running, queued) = self.loads.get(&profile).copied().unwrap_or_default();
        SinkTypeOut {
            header: HeaderOut::of(&sink_type.header),
            limits: sink_type.limits.in_full(),
            concurrency: sink_type.concurrency,
            allowed_hosts: if sink_type.is_built_in() { &self.hosts_of_wasm } else { &sink_type.allowed_hosts }.clone(),
            built_in: sink_type.is_built_in(),
            online: is_taken(&self.catalogue, profile),
            running,
            queued,
        }
    }
}
