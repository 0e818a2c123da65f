//! Limits: how much of everything that is bounded is used, and what nothing may exceed.

use super::Api;
use super::action::LimitsSchema;
use super::auth::{Caller, Read};
use super::error::Problem;
use super::extract::Query;
use super::page::{self, Data, LIMIT_MAX};
use super::tenant::{UsedOut, used};
use crate::dispatch::Dispatch;
use crate::domain::{
    AllowedHost, CODE_BYTES_MAX, Counted, DEPTH_MAX, DedupWindow, FAN_OUT_MAX, KvSize, LIMITS_MAX, LimitsPatch,
    PARENTS_MAX, Tenant, TenantId, Webhook,
};
use crate::store::{Catalogue, TENANTS_MAX};
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

/// Quotas that are nearest to being used up, shown at most.
const FULLEST_MAX: usize = 20;
const DAY_MS: u64 = 86_400_000;

/// What is used of what is bounded.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LimitsOut {
    /// The tenant whose use it is; empty: the platform, which has no quotas but those of what is under way.
    pub(crate) owner_id: String,
    /// By quota what the tenant has now, beside what it may have. No tenant needs a record to have these.
    pub(crate) r#use: BTreeMap<&'static str, UsedOut>,
    /// What all tenants have together, beside what the server holds. Only the platform sees it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) server: Option<BTreeMap<&'static str, UsedOut>>,
    /// Of all tenants what they have the most of beside their quotas, the fullest first, at most 20. Only the platform sees
    /// it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fullest: Option<Vec<FullOut>>,
    /// The widest limits of one attempt that a sink type may give.
    #[schema(value_type = LimitsSchema)]
    pub(crate) attempt: LimitsPatch,
    /// What nothing may exceed, whoever it is.
    pub(crate) bounds: Vec<BoundOut>,
}

/// A quota of a tenant, and how much of it is used.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FullOut {
    pub(crate) owner_id: String,
    /// As its field is called.
    pub(crate) quota: &'static str,
    pub(crate) used: u64,
    pub(crate) limit: u64,
}

/// A bound that is the same for everybody.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BoundOut {
    /// Its unit comes last, such as `body_bytes`.
    pub(crate) name: &'static str,
    pub(crate) limit: u64,
    /// What it bounds, in words.
    pub(crate) about: &'static str,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Whose {
    /// The tenant whose use it is; only the platform names another than its own.
    #[param(value_type = Option<String>)]
    owner_id: Option<TenantId>,
}

/// What is used of every quota and bound
///
/// Of the caller's tenant, or of one that the platform names; a tenant that nobody knows has used nothing.
#[utoipa::path(get, path = "/limit", tag = "operation", params(Whose), responses((status = 200, body = page::Envelope<LimitsOut>)))]
pub(crate) async fn read(
    caller: Caller<Read>,
    State(api): State<Api>,
    Query(query): Query<Whose>,
) -> Result<Data<LimitsOut>, Problem> {
    let owner = caller.owner(query.owner_id)?;
    let catalogue = api.catalogue();
    let record =
        catalogue.tenant(&owner).map_or_else(|| Tenant::new(owner.clone(), ("", api.now())), |it| (**it).clone());
    let mut of_tenant = used(&api, &record).await?;
    if owner.is_shared() {
        of_tenant.retain(|quota, _| ["queued_events", "concurrent_runs"].contains(quota));
    }
    let of_all = if caller.tenant().is_shared() {
        let counted = api.computing(move || (server(&catalogue), fullest(&catalogue))).await;
        Some(counted)
    } else {
        None
    };
    let (server, fullest) = of_all.unzip();
    let server = server.map(|counted| under_way(&api).into_iter().chain(counted).collect());
    let (attempt, bounds) = (LIMITS_MAX.in_full(), bounds(&api));
    Ok(Data::ok(LimitsOut { owner_id: owner.to_string(), r#use: of_tenant, server, fullest, attempt, bounds }))
}

/// What the whole server does at once.
fn under_way(api: &Api) -> [(&'static str, UsedOut); 2] {
    let running = u64::from(api.dispatch().load().running);
    let (streams, free) = (api.bounds().streams, api.0.stream_slots.available_permits());
    [
        ("concurrent_runs", UsedOut { used: running, limit: u64::from(api.dispatch().permits_total()) }),
        ("streams", UsedOut { used: (streams.saturating_sub(free)) as u64, limit: streams as u64 }),
    ]
}

/// How full the catalogue is. Bytes of modules are bounded by tenant only.
fn server(catalogue: &Catalogue) -> Vec<(&'static str, UsedOut)> {
    let mut totals: BTreeMap<Counted, u64> = BTreeMap::new();
    for (_, counted, count) in catalogue.counts() {
        *totals.entry(counted).or_default() += count;
    }
    let bounds = catalogue.bounds();
    let limit = |counted| match counted {
        Counted::Modules => Some(bounds.modules),
        Counted::ModuleBytes => None,
        Counted::Actions => Some(bounds.actions),
        Counted::EventTypes => Some(bounds.event_types),
        Counted::Objects => Some(bounds.objects),
        Counted::Attachments => Some(bounds.attachments),
        Counted::Tokens => Some(bounds.tokens),
        Counted::SourceTypes => Some(bounds.named.source_types),
        Counted::Sources => Some(bounds.named.sources),
        Counted::SinkTypes => Some(bounds.named.sink_types),
        Counted::Schedules => Some(bounds.named.schedules),
        Counted::Secrets => Some(bounds.named.secrets),
    };
    let counted = Counted::ALL.iter().filter_map(|counted| {
        let used = totals.get(counted).copied().unwrap_or(0);
        Some((counted.as_str(), UsedOut { used, limit: limit(*counted)? as u64 }))
    });
    let (sinks, tenants) = (catalogue.sinks().iter().count() as u64, catalogue.tenants().count() as u64);
    let others = [
        ("sinks", UsedOut { used: sinks, limit: bounds.named.sinks as u64 }),
        ("tenants", UsedOut { used: tenants, limit: TENANTS_MAX as u64 }),
    ];
    counted.chain(others).collect()
}

fn fullest(catalogue: &Catalogue) -> Vec<FullOut> {
    let mut found = Vec::new();
    for (tenant, counted, used) in catalogue.counts() {
        let Some(limit) = catalogue.quota_of(tenant, counted) else { continue };
        // In millionths; a quota of nothing of which something is used is as full as can be.
        let share = (u128::from(used) * 1_000_000).checked_div(u128::from(limit)).unwrap_or(u128::MAX);
        found.push((Reverse(share), tenant, counted, used, limit));
    }
    found.sort_unstable();
    found.truncate(FULLEST_MAX);
    let shown = found.into_iter().map(|(_, tenant, counted, used, limit)| FullOut {
        owner_id: tenant.to_string(),
        quota: counted.as_str(),
        used,
        limit,
    });
    shown.collect()
}

fn bounds(api: &Api) -> Vec<BoundOut> {
    let bound = |name, limit: u64, about| BoundOut { name, limit, about };
    let size = |name, limit: usize, about| BoundOut { name, limit: limit as u64, about };
    let requests = api.bounds();
    let mut bounds = vec![
        size("body_bytes", requests.body_bytes, "A JSON body, the payload of an event included"),
        size("document_bytes", requests.document_bytes, "A document of the catalogue that is applied"),
        size("module_bytes", requests.module_bytes, "An uploaded module"),
        size("code_bytes", CODE_BYTES_MAX, "The source code of an action"),
        bound("wait_s", requests.wait_s, "How long a request may wait for a result"),
        size("page_items", LIMIT_MAX, "Items on one page of a list"),
    ];
    bounds.extend(of_dispatch(api.dispatch()));
    bounds.extend([
        size("fan_out_runs", FAN_OUT_MAX, "Runs that one event may reach"),
        bound("object_depth", u64::from(DEPTH_MAX), "Scopes above an object"),
        size("object_parents", PARENTS_MAX, "Objects right above one"),
        size("allowed_hosts", AllowedHost::LIST_MAX, "Rules in one list of allowed hosts"),
        size("webhook_event_types", Webhook::EVENT_TYPES_MAX, "Names that one webhook maps to event types"),
        bound("webhook_tolerance_s", u64::from(Webhook::TOLERANCE_S_MAX), "How far a webhook's signed time may be off"),
        bound("dedup_window_s", u64::from(DedupWindow::SECONDS_MAX), "How long a repeated event may be known"),
        size("kv_key_bytes", KvSize::KEY_BYTES_MAX, "A key that an action keeps a value under"),
        size("kv_value_bytes", KvSize::VALUE_BYTES_MAX, "A value that an action keeps"),
        bound("kv_entries_per_action", KvSize::MAX.entries, "Values that one action keeps for one tenant"),
        bound("kv_bytes_per_action", KvSize::MAX.bytes, "Keys and values that one action keeps for one tenant"),
    ]);
    bounds
}

/// What this server was started with.
fn of_dispatch(dispatch: &Dispatch) -> [BoundOut; 8] {
    let bound = |name, limit: u64, about| BoundOut { name, limit, about };
    let config = dispatch.config();
    let (permits, chain, keep) = (config.permits, config.chain, config.keep);
    [
        bound("concurrent_runs", u64::from(permits.total), "Runs at once, whosever they are"),
        bound("concurrent_runs_per_tenant", u64::from(permits.per_tenant), "Runs at once of a tenant without a quota"),
        bound(
            "queued_events_per_tenant",
            config.queue_per_tenant as u64,
            "Events that wait of a tenant without a quota",
        ),
        bound("chain_depth", u64::from(chain.depth), "Steps below the event that began a chain"),
        bound("chain_repeats", u64::from(chain.repeats), "How often an event type may be in one line of a chain"),
        bound("chain_events", u64::from(chain.events), "Events of one chain"),
        bound("history_days", keep.history_ms / DAY_MS, "How long events are kept after their end"),
        bound("audit_days", keep.audit_ms / DAY_MS, "How long the audit log is kept"),
    ]
}
