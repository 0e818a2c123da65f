//! Whether the server lives, is ready, and how much it does.

use super::Api;
use super::auth::{Caller, Read};
use super::error::Problem;
use super::page::{self, Data};
use crate::dispatch::sink_types;
use crate::domain::{SinkType, TenantId};
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::fmt::Write as _;
use utoipa::ToSchema;

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok`.
    pub(crate) status: &'static str,
    pub(crate) version: &'static str,
}

const OK: Health = Health { status: "ok", version: env!("CARGO_PKG_VERSION") };

/// Whether the process answers
#[utoipa::path(get, path = "/healthz", tag = "operation", security(()), responses((status = 200, body = page::Envelope<Health>)))]
pub(crate) async fn live() -> Data<Health> {
    Data::ok(OK)
}

/// Whether events can be taken in
#[utoipa::path(get, path = "/readyz", tag = "operation", security(()), responses((status = 200, body = page::Envelope<Health>), (status = 503, body = super::error::ProblemOut)))]
pub(crate) async fn ready(State(api): State<Api>) -> Result<Data<Health>, Problem> {
    if api.store().is_broken() {
        return Err(Problem::unavailable("the store cannot write; its cause is in the log"));
    }
    Ok(Data::ok(OK))
}

/// Figures for Prometheus
#[utoipa::path(get, path = "/metrics", tag = "operation", responses((status = 200, content_type = "text/plain", body = String)))]
pub(crate) async fn metrics(caller: Caller<Read>, State(api): State<Api>) -> Response {
    let load = api.dispatch().load();
    let catalogue = api.catalogue();
    let figures = [
        ("fusebox_attempts_running", "Attempts that run now.", load.running as usize),
        ("fusebox_runs_queued", "Runs that wait for a permit.", load.queued),
        ("fusebox_runs_waiting", "Runs that wait for a point in time.", load.waiting),
        ("fusebox_events_held", "Events of paused types that are held.", load.held),
        ("fusebox_actions", "Actions in the catalogue.", catalogue.actions().count()),
        ("fusebox_event_types", "Event types in the catalogue.", catalogue.event_types().count()),
        ("fusebox_modules", "Modules in the catalogue.", catalogue.modules().count()),
    ];
    let mut text = String::new();
    for (name, help, value) in figures {
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}\n");
    }
    write_sink_types(&mut text, &api, caller.tenant());
    let endings = api.dispatch().endings();
    let name = "fusebox_attempts_total";
    let _ = write!(text, "# HELP {name} Attempts that ended, by state and reason.\n# TYPE {name} counter\n");
    for ((state, reason), count) in endings {
        let _ = writeln!(text, "{name}{{state=\"{state}\",reason=\"{reason}\"}} {count}");
    }
    let name = "fusebox_http_calls_total";
    let _ =
        write!(text, "# HELP {name} Requests that actions sent by HTTP, by what went wrong.\n# TYPE {name} counter\n");
    for (fault, count) in api.dispatch().http_calls() {
        let _ = writeln!(text, "{name}{{fault=\"{fault}\"}} {count}");
    }
    let writer = api.store().writer_stats();
    let counters = [
        ("fusebox_store_commits_total", "Commits of the store.", writer.commits),
        ("fusebox_store_transitions_total", "Transitions of the store; many share a commit.", writer.transitions),
        ("fusebox_history_forgotten_total", "Events that were taken away because they were old.", writer.forgotten),
        ("fusebox_store_commit_microseconds_total", "Time spent committing.", writer.commit_us),
    ];
    for (name, help, value) in counters {
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} counter\n{name} {value}\n");
    }
    let mut response = text.into_response();
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// Sink types with figures of their own; beyond that the least busy share one line, as every line costs who keeps them.
const SINK_TYPES_MAX: usize = 100;

/// How many runs of each sink type go on and wait, those that the caller does not see counted together.
fn write_sink_types(text: &mut String, api: &Api, tenant: &TenantId) {
    let (catalogue, loads) = (api.store().catalogue(), api.dispatch().loads());
    let load = |found: &SinkType| loads.get(&found.profile()).copied().unwrap_or_default();
    let visible = sink_types(&catalogue).filter(|found| tenant.sees(&found.header.owner_id));
    let mut shown: Vec<(&SinkType, (u32, usize))> = visible.map(|found| (found.as_ref(), load(found))).collect();
    // The built-in one comes first whatever its load.
    shown[1..].sort_by_key(|(_, (running, queued))| std::cmp::Reverse(*running as usize + queued));
    shown.truncate(SINK_TYPES_MAX);
    let sum = |figures: &mut dyn Iterator<Item = (u32, usize)>| {
        figures.fold((0, 0), |sum, (running, queued)| (sum.0 + running as usize, sum.1 + queued))
    };
    let (all, seen) = (sum(&mut loads.values().copied()), sum(&mut shown.iter().map(|(_, load)| *load)));
    let figures = [
        ("fusebox_sink_type_attempts_running", "Attempts that run now, by sink type."),
        ("fusebox_sink_type_runs_queued", "Runs that wait for a permit or a sink, by sink type."),
    ];
    for (place, (name, help)) in figures.into_iter().enumerate() {
        let pick = |(running, queued): (usize, usize)| [running, queued][place];
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n");
        for (found, (running, queued)) in &shown {
            let (sink_type, owner) = (&found.header.name, &found.header.owner_id);
            let value = pick((*running as usize, *queued));
            let _ = writeln!(text, "{name}{{sink_type=\"{sink_type}\",owner_id=\"{owner}\"}} {value}");
        }
        // No sink type can be called so.
        let others = pick(all).saturating_sub(pick(seen));
        let _ = writeln!(text, "{name}{{sink_type=\"(others)\",owner_id=\"\"}} {others}");
    }
}
