//! Whether the server lives, is ready, and how much it does.

use super::Api;
use super::auth::{Caller, Read};
use super::error::Problem;
use super::page::{self, Data};
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::fmt::Write as _;
use utoipa::ToSchema;

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Health {
    /// `ok`.
    status: &'static str,
    version: &'static str,
}

const OK: Health = Health { status: "ok", version: env!("CARGO_PKG_VERSION") };

/// Whether the process answers
#[utoipa::path(get, path = "/healthz", tag = "operation", security(()), responses((status = 200, body = page::Envelope<Health>)))]
pub(super) async fn live() -> Data<Health> {
    Data::ok(OK)
}

/// Whether events can be taken in
#[utoipa::path(get, path = "/readyz", tag = "operation", security(()), responses((status = 200, body = page::Envelope<Health>), (status = 503, body = super::error::ProblemOut)))]
pub(super) async fn ready(State(api): State<Api>) -> Result<Data<Health>, Problem> {
    if api.store().is_broken() {
        return Err(Problem::unavailable("the store cannot write; its cause is in the log"));
    }
    Ok(Data::ok(OK))
}

/// Figures for Prometheus
#[utoipa::path(get, path = "/metrics", tag = "operation", responses((status = 200, content_type = "text/plain", body = String)))]
pub(super) async fn metrics(_: Caller<Read>, State(api): State<Api>) -> Response {
    let load = api.dispatch().load();
    let catalogue = api.store().catalogue();
    let figures = [
        ("fusebox_attempts_running", "Attempts that run now.", load.running as usize),
        ("fusebox_runs_queued", "Runs that wait for a permit.", load.queued),
        ("fusebox_runs_waiting", "Runs that wait for a point in time.", load.waiting),
        ("fusebox_actions", "Actions in the catalogue.", catalogue.actions().count()),
        ("fusebox_event_types", "Event types in the catalogue.", catalogue.event_types().count()),
        ("fusebox_modules", "Modules in the catalogue.", catalogue.modules().count()),
    ];
    let mut text = String::new();
    for (name, help, value) in figures {
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}\n");
    }
    let endings = api.dispatch().endings();
    let name = "fusebox_attempts_total";
    let _ = write!(text, "# HELP {name} Attempts that ended, by state and reason.\n# TYPE {name} counter\n");
    for ((state, reason), count) in endings {
        let _ = writeln!(text, "{name}{{state=\"{state}\",reason=\"{reason}\"}} {count}");
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
