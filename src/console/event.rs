//! One event: what it carried, what its plan came to, when, and what came before and after it.

use super::chain::Chain;
use super::form::Fields;
use super::frame::Frame;
use super::show;
use super::timeline::{self, Stretch};
use super::visit::{Visit, page};
use crate::api::auth::{Execute, Read};
use crate::api::error::Problem;
use crate::api::event::{self, EventOut};
use crate::api::extract::Path as Named;
use crate::api::replay;
use crate::api::run::RunOut;
use crate::domain::{ObjectRef, Timestamp};
use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;

#[derive(Template)]
#[template(path = "event.html", blocks = ["detail"])]
struct Shown {
    frame: Frame,
    event: EventOut,
    runs: Vec<RunOut>,
    chain: Chain,
    now: Timestamp,
    may_execute: bool,
    sees_all: bool,
}

pub(super) async fn show(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    let event = read(&visit, id).await?;
    let chain = Chain::of(visit.api(), &visit.caller::<Read>()?, &event).await?;
    Shown::of(&visit, event, chain).answer(&visit)
}

pub(super) async fn read(visit: &Visit, id: String) -> Result<EventOut, Problem> {
    let data = event::read(visit.caller::<Read>()?, State(visit.api().clone()), Named(id)).await?;
    Ok(data.into_parts().0)
}

impl Shown {
    fn of(visit: &Visit, mut event: EventOut, chain: Chain) -> Shown {
        // What a chain does elsewhere is told nowhere but with everything.
        let watched = if chain.is_worth_showing() { String::new() } else { format!("event={}", event.id) };
        let frame = visit.frame("events", format!("Event {}", event.event_type)).live(&watched);
        let runs = event.runs.take().unwrap_or_default();
        let (may_execute, sees_all) = (visit.may::<Execute>(), visit.sees_all());
        Shown { frame, event, runs, chain, now: visit.api().now(), may_execute, sees_all }
    }

    fn answer(&self, visit: &Visit) -> Result<Response, Problem> {
        // Into the panel the whole part goes; later it takes its own place.
        if visit.wants_part() { page(&self.as_detail()) } else { page(self) }
    }

    /// The line of time on which its runs are drawn.
    fn ends(&self) -> (Timestamp, Timestamp) {
        (self.event.created_at, self.event.ended_at.unwrap_or(self.now))
    }

    fn object_page(&self, object: &ObjectRef) -> String {
        show::object_page(object, if self.sees_all { &self.event.owner_id } else { "" })
    }

    fn stretches(&self, run: &RunOut) -> Vec<Stretch> {
        timeline::stretches(run, self.ends())
    }

    fn waited(&self, run: &RunOut) -> String {
        show::length(&timeline::waited_and_worked_ms(run, self.now).0)
    }

    fn worked(&self, run: &RunOut) -> String {
        show::length(&timeline::waited_and_worked_ms(run, self.now).1)
    }

    fn took(&self) -> String {
        let (from, to) = self.ends();
        show::length(&to.ms_since(from))
    }
}

/// A question before something is done, with what it will do.
#[derive(Template)]
#[template(path = "confirm.html", blocks = ["detail"])]
pub(super) struct Confirm {
    pub(super) frame: Frame,
    pub(super) question: String,
    /// What will go, or be done.
    pub(super) consequences: Vec<String>,
    /// What the button says.
    pub(super) verb: &'static str,
    /// Where the answer goes, and where to go without one.
    pub(super) action: String,
    pub(super) back: String,
}

impl Confirm {
    pub(super) fn answer(&self, visit: &Visit) -> Result<Response, Problem> {
        if visit.wants_part() { page(&self.as_detail()) } else { page(self) }
    }
}

/// The payload of an event, to be sent again or another in its place.
#[derive(Template)]
#[template(path = "replay.html", blocks = ["detail"])]
pub(super) struct Again {
    pub(super) frame: Frame,
    pub(super) what: String,
    pub(super) explained: &'static str,
    pub(super) payload: String,
    pub(super) action: String,
    pub(super) back: String,
}

impl Again {
    pub(super) fn answer(&self, visit: &Visit) -> Result<Response, Problem> {
        if visit.wants_part() { page(&self.as_detail()) } else { page(self) }
    }
}

pub(super) async fn ask_to_replay(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    visit.caller::<Execute>()?;
    let event = read(&visit, id).await?;
    let back = format!("/console/events/{}", event.id);
    let again = Again {
        frame: visit.frame("events", "Replay"),
        what: format!("Replay {}", event.event_type),
        explained: "Fires a new event, planned by today's catalogue. The old one stays as it is.",
        payload: show::json(&event.payload),
        action: format!("{back}/replay"),
        back,
    };
    again.answer(&visit)
}

pub(super) async fn replay(visit: Visit, Path(id): Path<String>, fields: Fields) -> Result<Response, Problem> {
    let caller = visit.caller::<Execute>()?;
    let new = replay::again(visit.api(), &caller, id, fields.body(visit.api())?).await?.into_parts().0;
    Ok(visit.go(&format!("/console/events/{}", new.id)))
}

pub(super) async fn ask_to_cancel(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    visit.caller::<Execute>()?;
    let event = read(&visit, id).await?;
    if event.state.is_terminal() {
        return Err(Problem::already_ended("event", event.state));
    }
    let open = event.runs.iter().flatten().filter(|run| !run.state.is_terminal());
    let back = format!("/console/events/{}", event.id);
    let confirm = Confirm {
        frame: visit.frame("events", "Cancel"),
        question: format!("Cancel this {} event?", event.event_type),
        consequences: open.map(|run| format!("{} · {}: ends as CANCELLED", run.action, run.state)).collect(),
        verb: "Cancel the event",
        action: format!("{back}/cancel"),
        back,
    };
    confirm.answer(&visit)
}

pub(super) async fn cancel(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    let caller = visit.caller::<Execute>()?;
    let cancelled = event::cancel(caller, State(visit.api().clone()), Named(id)).await?.into_parts().0;
    Ok(visit.go(&format!("/console/events/{}", cancelled.id)))
}
