//! What follows when a run has changed: a pure function, and the only place where an event ends.

use crate::domain::{
    Emitted, Event, EventTypeId, EventTypeName, Json, ObjectRef, Reason, Run, RunId, State, Timestamp,
};
use std::sync::Arc;

/// What the event needs next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The run at this place in the plan may start.
    Run(usize),
    /// No run may start before this time, which is the one of the run at this place.
    Wait(usize, Timestamp),
    /// What is next has not begun, and the type of the event is paused.
    Hold(EventTypeId),
    /// The event has ended.
    Nothing,
}

/// What of a run decides whether its turn has come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    pub(super) state: State,
    pub(super) due_at: Option<Timestamp>,
    pub(super) has_started: bool,
}

impl From<&Run> for Standing {
    fn from(run: &Run) -> Standing {
        Standing { state: run.state, due_at: run.due_at, has_started: run.has_started() }
    }
}

/// Chooses among the runs of an event, given with their places and in the order of the plan: one after the other, where
/// a run that is put off steps aside until its time, and one that waits for another attempt holds back what is behind
/// it. Of two whose time has come the first in the plan is next.
pub(super) fn choose(runs: impl IntoIterator<Item = (usize, Standing)>, now: Timestamp) -> Next {
    let mut soonest: Option<(Timestamp, usize)> = None;
    for (place, run) in runs.into_iter().filter(|(_, run)| !run.state.is_terminal()) {
        match run.due_at.filter(|due| run.state == State::Waiting && *due > now) {
            None => return Next::Run(place),
            Some(due) => soonest = Some(soonest.map_or((due, place), |soonest| soonest.min((due, place)))),
        }
        if run.has_started {
            break;
        }
    }
    soonest.map_or(Next::Nothing, |(due, place)| Next::Wait(place, due))
}

/// What is next while the type of the event is paused: what has begun goes on.
pub(super) fn choose_begun(
    runs: impl IntoIterator<Item = (usize, Standing)>,
    now: Timestamp,
    event_type: EventTypeId,
) -> Next {
    match choose(runs.into_iter().filter(|(_, run)| run.has_started), now) {
        Next::Nothing => Next::Hold(event_type),
        next => next,
    }
}

/// [`choose`] of a plan.
pub(super) fn next(runs: &[Arc<Run>], now: Timestamp) -> Next {
    choose(runs.iter().map(|run| Standing::from(&**run)).enumerate(), now)
}

/// What is cancelled of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// All of it: its runs that have not ended, and the event.
    Event,
    /// One run; what is behind it goes on, as a cancelled run is no failure.
    Run(RunId),
}

/// Cancels what has not ended of `target`, and gives the places of the runs that it changed; [`settle`] then says what
/// follows.
pub(super) fn cancel(
    event: &mut Event,
    runs: &mut [Arc<Run>],
    target: Target,
    (message, now): (&str, Timestamp),
) -> Vec<usize> {
    let mut cancelled = Vec::new();
    for (place, run) in runs.iter_mut().enumerate().filter(|(_, run)| !run.state.is_terminal()) {
        let meant = target == Target::Event || target == Target::Run(run.id);
        if meant && Arc::make_mut(run).cancel(message.to_owned(), now).is_ok() {
            cancelled.push(place);
        }
    }
    if target == Target::Event && !cancelled.is_empty() {
        event.end(State::Cancelled, Some(Reason::Cancelled), message.to_owned(), now);
    }
    cancelled
}

/// Carries `event` on from the states of its `runs`: what has not started behind a failure is skipped (DESIGN §3.4),
/// and when no run is left the event ends.
///
/// Gives what comes next and the places of the runs that it changed.
pub(super) fn settle(event: &mut Event, runs: &mut [Arc<Run>], now: Timestamp) -> (Next, Vec<usize>) {
    let mut skipped = Vec::new();
    if let Some(failed) = runs.iter().position(|run| run.aborts_the_plan()) {
        let message = format!("the run of `{}` before it failed ({})", runs[failed].action, runs[failed].id);
        for (place, run) in runs.iter_mut().enumerate().skip(failed + 1) {
            // One that was put off may fail when one behind it has begun already; that one goes on.
            let open = !run.state.is_terminal() && !run.has_started();
            if open && Arc::make_mut(run).skip(Reason::Aborted, message.clone(), now).is_ok() {
                skipped.push(place);
            }
        }
    }
    let next = next(runs, now);
    match next {
        Next::Run(_) | Next::Hold(_) => {}
        Next::Wait(..) => event.wait(),
        Next::Nothing => end(event, runs, now),
    }
    (next, skipped)
}

/// A child that the run at this place of the plan fires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fires {
    pub(super) place: usize,
    pub(super) event_type: EventTypeName,
    pub(super) payload: Json,
    pub(super) by: By,
}

/// What of a run fires a child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// Its end, which does so once.
    End,
    /// Its action said so, and may have named another object than that of its event.
    Emitting(Option<ObjectRef>),
}

/// What the run at this place emitted, which is for who settles it to ask for once.
pub(super) fn emitted(place: usize, events: Vec<Emitted>) -> impl Iterator<Item = Fires> {
    events.into_iter().map(move |Emitted { event_type, payload, object }| Fires {
        place,
        event_type,
        payload,
        by: By::Emitting(object),
    })
}

/// What those of `runs` fire that have ended (DESIGN §3.9), each once however often this is asked: with the payload that
/// the action returned, else that of its event.
pub(super) fn fires(event: &Event, runs: &mut [Arc<Run>]) -> Vec<Fires> {
    let mut fires = Vec::new();
    for (place, run) in runs.iter_mut().enumerate() {
        if run.follow_up.is_some()
            && run.state.is_terminal()
            && let Some(event_type) = Arc::make_mut(run).take_follow_up()
        {
            let payload = run.chained.as_ref().unwrap_or(&event.payload).clone();
            fires.push(Fires { place, event_type, payload, by: By::End });
        }
    }
    fires
}

/// The event's own end: a failure that stopped the plan is its failure, one that did not is a warning.
fn end(event: &mut Event, runs: &[Arc<Run>], now: Timestamp) {
    if let Some(failed) = runs.iter().find(|run| run.aborts_the_plan()) {
        return event.end(State::Error, failed.reason, format!("`{}`: {}", failed.action, failed.message), now);
    }
    let of = |state: State| runs.iter().filter(|run| run.state == state).count();
    let (failed, warned, skipped, cancelled) =
        (of(State::Error), of(State::Warning), of(State::Skipped), of(State::Cancelled));
    let all = runs.len();
    if skipped + cancelled == all {
        // Nothing of it ran to its end. Somebody's doing says more than a rule's.
        let state = if cancelled > 0 { State::Cancelled } else { State::Skipped };
        return match runs.iter().find(|run| run.state == state) {
            Some(run) => event.end(state, run.reason, run.message.clone(), now),
            None => event.end(State::Success, None, "no action is bound to it".to_owned(), now),
        };
    }
    let (state, message) = match (failed, warned, cancelled) {
        (0, 0, 0) => (State::Success, String::new()),
        (0, 0, cancelled) => (State::Success, format!("{cancelled} of {all} runs cancelled")),
        (0, warned, _) => (State::Warning, format!("{warned} of {all} runs ended with warnings")),
        (failed, ..) => (State::Warning, format!("{failed} of {all} runs failed and the plan went on")),
    };
    event.end(state, None, message, now);
}
