//! One run: what it came to and why, what it used of what it may, what it was given, and what it said.

use super::event::{Again, Confirm};
use super::form::Fields;
use super::frame::Frame;
use super::list::Listing;
use super::parameters::{self, Row, Shown as Value};
use super::visit::{Visit, page, parsed};
use super::{event, show, timeline};
use crate::api::attempt::{AttemptOut, Used};
use crate::api::auth::{Execute, Read};
use crate::api::error::Problem;
use crate::api::event::EventOut;
use crate::api::extract::{Path as Named, Query};
use crate::api::replay;
use crate::api::run::{self, LogLineOut, RunOut};
use crate::domain::{Level, Timestamp};
use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;

/// Lines that a page shows at most: a browser with more is no help. The newest.
const LINES_MAX: usize = 2_000;

#[derive(Template)]
#[template(path = "run.html", blocks = ["detail", "log"])]
struct Shown {
    frame: Frame,
    run: RunOut,
    event: EventOut,
    parameters: Vec<Row>,
    listing: Listing,
    lines: Vec<LogLineOut>,
    left_out: usize,
    now: Timestamp,
    may_execute: bool,
    sees_all: bool,
}

/// What was used of a limit.
struct Meter {
    label: &'static str,
    used: String,
    limit: String,
    /// Parts of a thousand.
    share: u64,
}

pub(super) async fn show(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    let (api, listing) = (State(visit.api().clone()), Listing::of(&visit));
    let run = read(&visit, id.clone()).await?;
    let filter = parsed(&listing.query(&[], &[]))?;
    let log = run::log(visit.caller::<Read>()?, api, Named(id), Query(filter)).await?;
    let event = event::read(&visit, run.event_id.to_string()).await?;
    let caller = visit.caller::<Read>()?;
    let parameters = parameters::of_run(visit.api(), &caller, &run, event.event_type_id).await;
    let mut lines = log.items;
    let left_out = lines.len().saturating_sub(LINES_MAX);
    lines.drain(..left_out);
    let frame = visit.frame("events", format!("Run {}", run.action)).live(&format!("run={}", run.id));
    let (now, may_execute, sees_all) = (visit.api().now(), visit.may::<Execute>(), visit.sees_all());
    let shown = Shown { frame, run, event, parameters, listing, lines, left_out, now, may_execute, sees_all };
    match visit.part() {
        "log" => page(&shown.as_log()),
        _ if visit.wants_part() => page(&shown.as_detail()),
        _ => page(&shown),
    }
}

async fn read(visit: &Visit, id: String) -> Result<RunOut, Problem> {
    let data = run::read(visit.caller::<Read>()?, State(visit.api().clone()), Named(id)).await?;
    Ok(data.into_parts().0)
}

impl Shown {
    fn levels(&self) -> [Level; 5] {
        [Level::Trace, Level::Debug, Level::Info, Level::Warn, Level::Error]
    }

    fn waited(&self) -> String {
        show::length(&timeline::waited_and_worked_ms(&self.run, self.now).0)
    }

    fn worked(&self) -> String {
        show::length(&timeline::waited_and_worked_ms(&self.run, self.now).1)
    }

    fn meters(&self, attempt: &AttemptOut) -> Vec<Meter> {
        let usage = &attempt.usage;
        let whole = |label, used: &Used<u64>, words: fn(&u64) -> String| Meter {
            label,
            used: words(&used.used),
            limit: words(&used.limit),
            share: share(used.used, used.limit),
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share in thousandths")]
        let time = |label, used: &Used<f64>| Meter {
            label,
            used: show::length_of(&used.used),
            limit: show::length_of(&used.limit),
            share: share((used.used * 1_000.0) as u64, (used.limit * 1_000.0) as u64),
        };
        vec![
            whole("Fuel", &usage.fuel, show::count),
            whole("Memory", &usage.memory_bytes, show::bytes),
            time("Time", &usage.wall_ms),
            time("Processor", &usage.cpu_ms),
            whole("Output", &usage.output_bytes, show::bytes),
            whole("Log", &usage.log_bytes, show::bytes),
            whole("HTTP calls", &usage.http_calls, show::count),
            whole("HTTP bytes", &usage.http_bytes, show::bytes),
            whole("Values written", &usage.kv_bytes, show::bytes),
            whole("Events emitted", &usage.emitted_events, show::count),
        ]
    }
}

fn share(used: u64, limit: u64) -> u64 {
    let share = u128::from(used) * 1_000 / u128::from(limit.max(1));
    u64::try_from(share).unwrap_or(u64::MAX).min(1_000)
}

pub(super) async fn ask_to_replay(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    visit.caller::<Execute>()?;
    let run = read(&visit, id).await?;
    let event = event::read(&visit, run.event_id.to_string()).await?;
    let back = format!("/console/runs/{}", run.id);
    let again = Again {
        frame: visit.frame("events", "Replay"),
        what: format!("Replay {} alone", run.action),
        explained: "Fires a new event in which only this action runs, through the same attachment, by today's catalogue.",
        payload: show::json(&event.payload),
        action: format!("{back}/replay"),
        back,
    };
    again.answer(&visit)
}

pub(super) async fn replay(visit: Visit, Path(id): Path<String>, fields: Fields) -> Result<Response, Problem> {
    let caller = visit.caller::<Execute>()?;
    let new = replay::run_again(visit.api(), &caller, id, fields.body(visit.api())?).await?.into_parts().0;
    Ok(visit.go(&format!("/console/events/{}", new.id)))
}

pub(super) async fn ask_to_cancel(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    visit.caller::<Execute>()?;
    let run = read(&visit, id).await?;
    if run.state.is_terminal() {
        return Err(Problem::already_ended("run", run.state));
    }
    let back = format!("/console/runs/{}", run.id);
    let confirm = Confirm {
        frame: visit.frame("events", "Cancel"),
        question: format!("Cancel this run of {}?", run.action),
        consequences: vec![
            format!("The run, which is {}, ends as CANCELLED; what it did outside stays done.", run.state),
            "What is behind it in the plan goes on.".to_owned(),
        ],
        verb: "Cancel the run",
        action: format!("{back}/cancel"),
        back,
    };
    confirm.answer(&visit)
}

pub(super) async fn cancel(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    let caller = visit.caller::<Execute>()?;
    let cancelled = run::cancel(caller, State(visit.api().clone()), Named(id)).await?.into_parts().0;
    Ok(visit.go(&format!("/console/runs/{}", cancelled.id)))
}
