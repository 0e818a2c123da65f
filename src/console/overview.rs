//! What there was lately and what is the matter now.

use super::form::Fields;
use super::frame::Frame;
use super::show;
use super::visit::{Visit, page, parsed};
use crate::api::attention::{self, AttentionOut, AttentionThing, Matter};
use crate::api::auth::Read;
use crate::api::error::Problem;
use crate::api::extract::Query;
use crate::api::page::List;
use crate::api::run::{self, RunOut};
use crate::api::stats::{self, FailureReason, FailuresOut, LoadOut, StatsOut, StatsStep};
use crate::domain::Timestamp;
use askama::Template;
use axum::extract::State;
use axum::response::Response;

/// The drawing, in its own units; it is as wide as there is room.
const WIDTH: u64 = 1_000;
const HEIGHT: u64 = 160;
/// So high is what is too little to be seen.
const SEEN_MIN: u64 = 3;
/// Runs that are named among those that go on.
const RUNNING_MAX: usize = 8;

/// A stretch of time that ends now, in steps of its own.
struct Span {
    /// As the list of events knows it.
    id: &'static str,
    label: &'static str,
    ms: i64,
    step: &'static str,
    of_step: &'static str,
}

const SPANS: [Span; 3] = [
    Span { id: "1h", label: "Last hour", ms: 3_600_000, step: "60", of_step: "minute" },
    Span { id: "24h", label: "24 hours", ms: 24 * 3_600_000, step: "1800", of_step: "half hour" },
    Span { id: "7d", label: "7 days", ms: 7 * 24 * 3_600_000, step: "10800", of_step: "stretch of 3 hours" },
];

#[derive(Template)]
#[template(path = "overview.html", blocks = ["lately"])]
struct Overview {
    frame: Frame,
    span: &'static Span,
    owner: String,
    stats: StatsOut,
    failures: FailuresOut,
    load: LoadOut,
    running: List<RunOut>,
    attention: Vec<AttentionOut>,
    now: Timestamp,
    sees_all: bool,
}

/// A step of time as two bars, the lower one for what failed.
struct Bar {
    x: u64,
    width: u64,
    failed: u64,
    others: u64,
    step: StatsStep,
}

pub(super) async fn show(visit: Visit) -> Result<Response, Problem> {
    let asked = Fields::of_query(Some(visit.query()));
    let span = match asked.get("span") {
        "" => &SPANS[0],
        id => SPANS
            .iter()
            .find(|span| span.id == id)
            .ok_or_else(|| Problem::bad_request(format!("span={id}: there is no such timespan")))?,
    };
    let (owner, now) = (asked.get("owner_id").to_owned(), visit.api().now());
    let api = || State(visit.api().clone());
    let caller = || visit.caller::<Read>();
    // The step that has just begun belongs to it, so that there are always as many.
    let step_ms = i64::from(span.step.parse::<u32>().unwrap_or(60)) * 1_000;
    let from = now.shifted_ms(step_ms - span.ms).to_string();
    let of = [("from", from.as_str()), ("owner_id", owner.as_str())];
    let steps = Fields::query(&[of[0], of[1], ("step", span.step)]);
    let stats = stats::count(caller()?, api(), Query(parsed(&steps)?)).await?.into_parts().0;
    let failures = stats::failures(caller()?, api(), Query(parsed(&Fields::query(&of))?)).await?.into_parts().0;
    let whose = Fields::query(&of[1..]);
    let load = stats::load(caller()?, api(), Query(parsed(&whose)?)).await?.into_parts().0;
    let List { items: attention, .. } = attention::list(caller()?, api(), Query(parsed(&whose)?)).await?;
    let limit = RUNNING_MAX.to_string();
    let on = Fields::query(&[("state", "RUNNING"), ("limit", limit.as_str()), of[1]]);
    let running = run::list(caller()?, api(), Query(parsed(&on)?)).await?;
    let (frame, sees_all) = (visit.frame("overview", "Overview").live(""), visit.sees_all());
    let overview = Overview { frame, span, owner, stats, failures, load, running, attention, now, sees_all };
    if visit.part() == "lately" { page(&overview.as_lately()) } else { page(&overview) }
}

impl Overview {
    fn spans(&self) -> &'static [Span] {
        &SPANS
    }

    fn is_span(&self, span: &Span) -> bool {
        self.span.id == span.id
    }

    fn url(&self, span: &Span) -> String {
        format!("/console/overview?{}", Fields::query(&[("span", span.id), ("owner_id", &self.owner)]))
    }

    /// The events of this time, with more that they must be.
    fn events(&self, more: &[(&str, &str)]) -> String {
        let all = [&[("span", self.span.id), ("owner_id", &self.owner)], more].concat();
        format!("/console/events?{}", Fields::query(&all))
    }

    /// The events that are open, however long.
    fn open(&self, state: &str) -> String {
        format!("/console/events?{}", Fields::query(&[("state", state), ("owner_id", &self.owner)]))
    }

    /// The events of one step.
    fn of_step(&self, step: &StatsStep, state: &str) -> String {
        let (from, to) = (step.at.to_string(), step.at.shifted_ms(self.stats.step * 1_000).to_string());
        let asked = [("span", "custom"), ("from", &from), ("to", &to), ("state", state), ("owner_id", &self.owner)];
        format!("/console/events?{}", Fields::query(&asked))
    }

    fn with_reason(&self, reason: &FailureReason) -> String {
        self.events(&[("state", "ERROR"), ("reason", reason.reason.as_str())])
    }

    /// The most events of a step.
    fn most(&self) -> u64 {
        self.stats.steps.iter().map(|step| step.events).max().unwrap_or_default()
    }

    fn most_in_words(&self) -> String {
        show::count(&self.most())
    }

    fn bars(&self) -> Vec<Bar> {
        let (count, most) = (self.stats.steps.len().max(1) as u64, self.most().max(1));
        let high = |events: u64| if events == 0 { 0 } else { (events * HEIGHT / most).max(SEEN_MIN) };
        let bar = |(place, step): (u64, &StatsStep)| {
            let (x, end) = (place * WIDTH / count, (place + 1) * WIDTH / count);
            let failed = high(step.failed);
            let whole = high(step.events).max(failed);
            Bar { x, width: (end - x).saturating_sub(2).max(1), failed, others: whole - failed, step: *step }
        };
        (0..).zip(&self.stats.steps).map(bar).filter(|bar| bar.step.events > 0).collect()
    }

    fn height(&self) -> u64 {
        HEIGHT
    }

    fn width(&self) -> u64 {
        WIDTH
    }

    /// The upper end of a bar of this height that stands on another.
    fn top(&self, bar: &Bar) -> u64 {
        HEIGHT - bar.failed - bar.others
    }

    /// What the drawing says, for who does not see it.
    fn in_words(&self) -> String {
        let StatsOut { events, failed, .. } = self.stats;
        format!("{events} events, of which {failed} failed; at most {} in one {}", self.most(), self.span.of_step)
    }

    /// The newest first.
    fn rows(&self) -> impl Iterator<Item = &StatsStep> {
        self.stats.steps.iter().rev().filter(|step| step.events > 0)
    }

    /// In hundredths, as much of it as matters.
    fn share(&self) -> String {
        let (failed, events) = (self.stats.failed, self.stats.events);
        match failed * 1_000 / events.max(1) {
            _ if failed == 0 => String::new(),
            0 => "less than 0.1 %".to_owned(),
            tenths => format!("{}.{} %", tenths / 10, tenths % 10),
        }
    }

    fn runs_for(&self, run: &RunOut) -> String {
        show::length(&self.now.ms_since(run.started_at.unwrap_or(run.queued_at)))
    }

    fn words(&self, found: &AttentionOut) -> String {
        let (one, many) = match found.matter {
            Matter::SinkOffline => ("sink is offline", "sinks are offline"),
            Matter::QueueWithoutSink => {
                ("sink type has runs that no sink takes", "sink types have runs that no sink takes")
            }
            Matter::PausedEventType => ("event type is paused", "event types are paused"),
            Matter::ScheduleLate => ("schedule should have fired", "schedules should have fired"),
            Matter::ScheduleOfDisabled => ("schedule fires what is disabled", "schedules fire what is disabled"),
            Matter::DisabledActionBound => ("disabled action is bound", "disabled actions are bound"),
            Matter::ActionWithoutSecret => ("action lacks a secret", "actions lack a secret"),
            Matter::EventTypeWithoutSecret => ("event type lacks a secret", "event types lack a secret"),
        };
        format!("{} {}", found.count, if found.count == 1 { one } else { many })
    }

    /// Where the rest of its kind is, and each of it below that.
    fn list_of(&self, matter: &Matter) -> &'static str {
        match matter {
            Matter::SinkOffline | Matter::QueueWithoutSink => "/console/sinks",
            Matter::PausedEventType | Matter::EventTypeWithoutSecret => "/console/event-types",
            Matter::ScheduleLate | Matter::ScheduleOfDisabled => "/console/schedules",
            Matter::DisabledActionBound | Matter::ActionWithoutSecret => "/console/actions",
        }
    }

    fn page_of(&self, matter: &Matter, thing: &AttentionThing) -> String {
        match matter {
            Matter::QueueWithoutSink => {
                format!("/console/events?{}", Fields::query(&[("state", "QUEUED"), ("owner_id", &self.owner)]))
            }
            _ => format!("{}/{}", self.list_of(matter), show::path_part(&thing.id)),
        }
    }

    /// Whether it keeps something from running now.
    fn is_pressing(&self, matter: &Matter) -> bool {
        matches!(matter, Matter::SinkOffline | Matter::QueueWithoutSink | Matter::ScheduleLate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_as_the_list_of_events_knows_them_and_whole_steps() {
        for span in &SPANS {
            let step_ms = span.step.parse::<i64>().unwrap() * 1_000;
            assert_eq!(span.ms % step_ms, 0, "{}", span.label);
            assert!((40..=80).contains(&(span.ms / step_ms)), "{}", span.label);
        }
    }
}
