//! Tenants: who they are and how much they may.

use super::Api;
use super::auth::{Admin, Caller, Read};
use super::error::{Fault, Problem};
use super::extract::{Body, Path, Query};
use super::page::{self, Data, List, Row};
use super::precondition::check_version;
use crate::dispatch::{Keep, UnderWay, Used};
use crate::domain::{Counted, Quotas, Tenant, TenantId, Timestamp};
use crate::store::{Change, CommitError, Conflict, Expectation, Transition};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;

const NAME_BYTES_MAX: usize = 128;
const DESCRIPTION_BYTES_MAX: usize = 10_000;

/// A tenant as it is created.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TenantIn {
    /// The `owner_id` of what it has: up to 63 lower-case letters, digits, `_` and `-`. It may have things already.
    #[schema(value_type = String)]
    id: TenantId,
    #[serde(default)]
    name: String,
    #[serde(default)]
    description: String,
    /// Default true. False: its tokens and sources are refused (403 `tenant_disabled`), what its chains and schedules fire is
    /// SKIPPED, and none of its runs begins: what is queued stays so until it is switched on again. What runs goes on.
    #[serde(default = "yes")]
    enabled: bool,
    #[serde(default)]
    #[schema(value_type = QuotasSchema)]
    quotas: Quotas,
    /// Days for which its history is kept. Default the server's own setting.
    retention_days: Option<u32>,
}

/// A tenant as it is changed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TenantChangeIn {
    #[serde(default)]
    name: String,
    #[serde(default)]
    description: String,
    /// Default true.
    #[serde(default = "yes")]
    enabled: bool,
    #[serde(default)]
    #[schema(value_type = QuotasSchema)]
    quotas: Quotas,
    /// Days for which its history is kept. Default the server's own setting.
    retention_days: Option<u32>,
}

/// How much it may have; what is left out is bounded as for tenants without a record. Past one the answer is 429
/// `quota_exceeded`.
#[derive(ToSchema)]
#[schema(as = Quotas)]
#[expect(dead_code, reason = "describes a type of the domain for the document")]
struct QuotasSchema {
    /// Events from outside that are accepted in one minute. Default 60,000.
    events_per_minute: Option<u64>,
    /// Events that wait for a permit or for their time, or are held. Default 1,000,000.
    queued_events: Option<u64>,
    /// Runs at once, at least 1. More wait; nothing is refused. Default the server's `--concurrency-per-tenant`.
    concurrent_runs: Option<u32>,
    /// Of keys and values that its actions keep, all together. Past it a guest's write is refused. Default 1 GiB.
    kv_bytes: Option<u64>,
    /// Default 1,000.
    modules: Option<u64>,
    /// Of all its modules. Default 4 GiB.
    module_bytes: Option<u64>,
    /// Default 100,000.
    actions: Option<u64>,
    /// Default 10,000.
    event_types: Option<u64>,
    /// Default 500,000.
    objects: Option<u64>,
    /// Default 500,000.
    attachments: Option<u64>,
    /// Default 1,000.
    tokens: Option<u64>,
    /// Default 1,000.
    source_types: Option<u64>,
    /// Default 10,000.
    sources: Option<u64>,
    /// Default 1,000.
    sink_types: Option<u64>,
    /// Default 10,000.
    schedules: Option<u64>,
    /// Default 10,000.
    secrets: Option<u64>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TenantOut {
    #[schema(value_type = String)]
    pub(crate) id: TenantId,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) enabled: bool,
    #[schema(value_type = QuotasSchema)]
    pub(crate) quotas: Quotas,
    pub(crate) retention_days: Option<u32>,
    /// By quota what it has now, beside what it may have. Lists leave it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) r#use: Option<BTreeMap<&'static str, UsedOut>>,
    pub(crate) version: u64,
    pub(crate) created_by: String,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) created_at: Timestamp,
    pub(crate) updated_by: String,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) updated_at: Timestamp,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UsedOut {
    pub(crate) used: u64,
    pub(crate) limit: u64,
}

fn yes() -> bool {
    true
}

/// Create a tenant
///
/// A tenant needs no record to work: the first token of an `owner_id` makes it. The record names it, bounds it and can
/// switch it off. Only the platform's admin may.
#[utoipa::path(post, path = "/tenant", tag = "tenants", request_body = TenantIn, responses((status = 201, body = page::Envelope<TenantOut>)))]
pub(crate) async fn create(
    caller: Caller<Admin>,
    State(api): State<Api>,
    Body(body): Body<TenantIn>,
) -> Result<Data<TenantOut>, Problem> {
    check_platform(&caller, &body.id)?;
    let TenantIn { id, name, description, enabled, quotas, retention_days } = body;
    if id.is_shared() {
        return Err(Problem::invalid(vec![Fault::new("/id", "the empty tenant is the platform, which has no bounds")]));
    }
    let change = TenantChangeIn { name, description, enabled, quotas, retention_days };
    change.check()?;
    if api.catalogue().tenant(&id).is_some() {
        return Err(taken(&id));
    }
    let tenant = Arc::new(change.into_tenant(id.clone(), None, (caller.name(), api.now())));
    let put = Transition::of([Change::PutTenant(Arc::clone(&tenant))]);
    match api.commit(&caller, put.expecting(Expectation::TenantVersion(id.clone(), None))).await {
        Err(CommitError::Conflict(Conflict::Version { .. })) => Err(taken(&id)),
        done => {
            done.map_err(Problem::from)?;
            Ok(Data::created(TenantOut::with_use(&api, &tenant).await?).versioned(1))
        }
    }
}

fn taken(id: &TenantId) -> Problem {
    Problem::new(StatusCode::CONFLICT, "name_taken", format!("there already is a tenant `{id}`"))
}

page::filter! {
    TenantFilter {
        /// Only those that are enabled, or are switched off.
        enabled: bool,
    }
}

/// List tenants
///
/// Those that have a record. A tenant's own token sees its own.
#[utoipa::path(get, path = "/tenant", tag = "tenants", params(TenantFilter), responses((status = 200, body = page::Envelope<Vec<TenantOut>>)))]
pub(crate) async fn list(
    caller: Caller<Read>,
    State(api): State<Api>,
    Query(filter): Query<TenantFilter>,
) -> Result<List<TenantOut>, Problem> {
    let catalogue = api.catalogue();
    let visible = catalogue.tenants().filter(|tenant| caller.tenant().may_change(&tenant.id));
    let visible = visible.filter(|tenant| filter.enabled.is_none_or(|enabled| enabled == tenant.enabled));
    let rows = visible.map(|tenant| Row {
        item: TenantOut::of(tenant),
        id: tenant.id.to_string(),
        name: tenant.id.to_string(),
        description: format!("{} {}", tenant.name, tenant.description),
        owner_id: tenant.id.to_string(),
        created_at: tenant.created_at,
        updated_at: tenant.updated_at,
    });
    page::list(rows, &filter.page())
}

/// Read a tenant
///
/// With what it has now beside what it may have.
#[utoipa::path(get, path = "/tenant/{id}", tag = "tenants", params(("id" = String, Path)), responses((status = 200, body = page::Envelope<TenantOut>)))]
pub(crate) async fn read(
    caller: Caller<Read>,
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Data<TenantOut>, Problem> {
    let tenant = find(&api, caller.tenant(), &id)?;
    Ok(Data::ok(TenantOut::with_use(&api, &tenant).await?).versioned(tenant.version))
}

/// Change a tenant
///
/// The body replaces it whole, at once. A quota below what it has takes nothing away. `If-Match` guards against somebody
/// else's change. Only the platform's admin may.
#[utoipa::path(put, path = "/tenant/{id}", tag = "tenants", params(("id" = String, Path)), request_body = TenantChangeIn, responses((status = 200, body = page::Envelope<TenantOut>)))]
pub(crate) async fn change(
    caller: Caller<Admin>,
    State(api): State<Api>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body<TenantChangeIn>,
) -> Result<Data<TenantOut>, Problem> {
    let old = find(&api, caller.tenant(), &id)?;
    check_platform(&caller, &old.id)?;
    check_version(&headers, "tenant", old.version)?;
    body.check()?;
    let tenant = Arc::new(body.into_tenant(old.id.clone(), Some(&old), (caller.name(), api.now())));
    let put = Transition::of([Change::PutTenant(Arc::clone(&tenant))]);
    api.commit(&caller, put.expecting(Expectation::TenantVersion(old.id.clone(), Some(old.version)))).await?;
    Ok(Data::ok(TenantOut::with_use(&api, &tenant).await?).versioned(tenant.version))
}

/// Delete a tenant
///
/// 409 with the list while it has anything: tokens, actions, objects, secrets and so on, or events that have not ended. Its
/// history stays until retention removes it. Only the platform's admin may.
#[utoipa::path(delete, path = "/tenant/{id}", tag = "tenants", params(("id" = String, Path)), responses((status = 200, body = page::Envelope<TenantOut>)))]
pub(crate) async fn delete(
    caller: Caller<Admin>,
    State(api): State<Api>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Data<TenantOut>, Problem> {
    let tenant = find(&api, caller.tenant(), &id)?;
    check_platform(&caller, &tenant.id)?;
    check_version(&headers, "tenant", tenant.version)?;
    let UnderWay { queued_events, concurrent_runs, .. } = api.dispatch().under_way(&tenant);
    let open = queued_events.used + concurrent_runs.used;
    if open > 0 {
        return Err(Conflict::InUse { by: vec![format!("{open} events that have not ended")] }.into());
    }
    let delete = Transition::of([Change::DeleteTenant(tenant.id.clone())]);
    api.commit(&caller, delete.expecting(Expectation::TenantVersion(tenant.id.clone(), Some(tenant.version)))).await?;
    Ok(Data::ok(TenantOut::of(&tenant)))
}

/// By quota what a tenant has now, beside what it may have.
pub(crate) async fn used(api: &Api, tenant: &Tenant) -> Result<BTreeMap<&'static str, UsedOut>, Problem> {
    let id = tenant.id.clone();
    let used = api.reading(move |store| store.kept_bytes(&id)).await?;
    let (under_way, catalogue) = (api.dispatch().under_way(tenant), api.catalogue());
    let under_way = [
        (Quotas::KV_BYTES, Used { used, limit: tenant.quotas.kv_bytes() }),
        ("events_per_minute", under_way.events_per_minute),
        ("queued_events", under_way.queued_events),
        ("concurrent_runs", under_way.concurrent_runs),
    ];
    let under_way = under_way.map(|(name, Used { used, limit })| (name, UsedOut { used, limit }));
    let counted = Counted::ALL.iter().map(|counted| {
        let (used, limit) = (catalogue.count_of(&tenant.id, *counted), tenant.quotas.of(*counted));
        (counted.as_str(), UsedOut { used, limit })
    });
    Ok(under_way.into_iter().chain(counted).collect())
}

fn find(api: &Api, caller: &TenantId, id: &str) -> Result<Arc<Tenant>, Problem> {
    let missing = || Problem::not_found("tenant", id);
    let tenant: TenantId = id.parse().map_err(|_| missing())?;
    let visible = api.catalogue().tenant(&tenant).filter(|tenant| caller.may_change(&tenant.id)).cloned();
    visible.ok_or_else(missing)
}

/// A tenant does not bound itself.
pub(crate) fn check_platform(caller: &Caller<Admin>, id: &TenantId) -> Result<(), Problem> {
    if caller.tenant().is_shared() {
        return Ok(());
    }
    let detail = format!("only the platform's admin says what the tenant `{id}` may");
    Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", detail))
}

impl TenantChangeIn {
    fn check(&self) -> Result<(), Problem> {
        let mut faults = Vec::new();
        if self.name.len() > NAME_BYTES_MAX || self.name.chars().any(char::is_control) {
            faults.push(Fault::new("/name", format!("a name has at most {NAME_BYTES_MAX} printable bytes")));
        }
        if self.description.len() > DESCRIPTION_BYTES_MAX {
            let message = format!("a description has at most {DESCRIPTION_BYTES_MAX} bytes");
            faults.push(Fault::new("/description", message));
        }
        if self.quotas.concurrent_runs == Some(0) {
            let message = "with none at once nothing would ever run; switch the tenant off instead (`enabled`)";
            faults.push(Fault::new("/quotas/concurrent_runs", message));
        }
        if self.retention_days.is_some_and(|days| !(Keep::DAYS_MIN..=Keep::DAYS_MAX).contains(&days)) {
            let message = format!("history is kept for {} to {} days", Keep::DAYS_MIN, Keep::DAYS_MAX);
            faults.push(Fault::new("/retention_days", message));
        }
        if faults.is_empty() { Ok(()) } else { Err(Problem::invalid(faults)) }
    }

    fn into_tenant(self, id: TenantId, old: Option<&Tenant>, (by, now): (&str, Timestamp)) -> Tenant {
        let TenantChangeIn { name, description, enabled, quotas, retention_days } = self;
        let new = Tenant { name, description, enabled, quotas, retention_days, ..Tenant::new(id, (by, now)) };
        let Some(old) = old else { return new };
        let (created_by, created_at) = (old.created_by.clone(), old.created_at);
        Tenant { version: old.version + 1, created_by, created_at, ..new }
    }
}

impl TenantOut {
    async fn with_use(api: &Api, tenant: &Tenant) -> Result<TenantOut, Problem> {
        Ok(TenantOut { r#use: Some(used(api, tenant).await?), ..TenantOut::of(tenant) })
    }

    fn of(tenant: &Tenant) -> TenantOut {
        TenantOut {
            id: tenant.id.clone(),
            name: tenant.name.clone(),
            description: tenant.description.clone(),
            enabled: tenant.enabled,
            quotas: tenant.quotas,
            retention_days: tenant.retention_days,
            r#use: None,
            version: tenant.version,
            created_by: tenant.created_by.clone(),
            created_at: tenant.created_at,
            updated_by: tenant.updated_by.clone(),
            updated_at: tenant.updated_at,
        }
    }
}
