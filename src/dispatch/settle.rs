//! What follows when a run has changed: a pure function, and the only place where an event ends.

use crate::domain::{Event, Reason, Run, State, Timestamp};
use std::sync::Arc;

/// What the event needs next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The run at this place in the plan may start.
    Run(usize),
    /// The run at this place goes on at this time.
    Wait(usize, Timestamp),
    /// The event has ended.
    Nothing,
}

/// Carries `event` on from the states of its `runs`: what follows a failure is skipped (DESIGN §3.4), and when no run
/// is left the event ends.
///
/// Gives what comes next and the places of the runs that it changed.
pub(super) fn settle(event: &mut Event, runs: &mut [Arc<Run>], now: Timestamp) -> (Next, Vec<usize>) {
    let mut skipped = Vec::new();
    if let Some(failed) = runs.iter().position(|run| run.aborts_the_plan()) {
        let message = format!("the run of `{}` before it failed ({})", runs[failed].action, runs[failed].id);
        for (place, run) in runs.iter_mut().enumerate().skip(failed + 1) {
            // Runs go one after the other: what comes later has not started.
            if !run.state.is_terminal() && Arc::make_mut(run).skip(Reason::Aborted, message.clone(), now).is_ok() {
                skipped.push(place);
            }
        }
    }
    let next = match runs.iter().position(|run| !run.state.is_terminal()) {
        Some(place) => match runs[place].due_at {
            Some(due) if runs[place].state == State::Waiting => Next::Wait(place, due),
            _ => Next::Run(place),
        },
        None => {
            end(event, runs, now);
            Next::Nothing
        }
    };
    (next, skipped)
}

/// Ends an event that could not be planned: nothing of it runs.
pub(super) fn refuse(event: &mut Event, reason: Reason, message: String, now: Timestamp) {
    let state = if reason == Reason::Disabled { State::Skipped } else { State::Error };
    event.end(state, Some(reason), message, now);
}

/// The event's own end: a failure that stopped the plan is its failure, one that did not is a warning.
fn end(event: &mut Event, runs: &[Arc<Run>], now: Timestamp) {
    if let Some(failed) = runs.iter().find(|run| run.aborts_the_plan()) {
        return event.end(State::Error, failed.reason, format!("`{}`: {}", failed.action, failed.message), now);
    }
    let of = |state: State| runs.iter().filter(|run| run.state == state).count();
    let (failed, warned, skipped) = (of(State::Error), of(State::Warning), of(State::Skipped));
    let all = runs.len();
    match (failed, warned, skipped) {
        (0, 0, 0) if all == 0 => event.end(State::Success, None, "no action is bound to it".to_owned(), now),
        (0, 0, skipped) if skipped == all => {
            let reason = runs.first().and_then(|run| run.reason);
            let message = runs.first().map(|run| run.message.clone()).unwrap_or_default();
            event.end(State::Skipped, reason, message, now);
        }
        (0, 0, _) => event.end(State::Success, None, String::new(), now),
        (0, warned, _) => event.end(State::Warning, None, format!("{warned} of {all} runs ended with warnings"), now),
        (failed, ..) => {
            event.end(State::Warning, None, format!("{failed} of {all} runs failed and the plan went on"), now)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::testing::{event, run};
    use crate::domain::{Failed, Outcome, Usage};

    const NOW: Timestamp = Timestamp::from_ms(2_000);

    fn plan(length: u32) -> Vec<Arc<Run>> {
        (0..length).map(|position| Arc::new(run(position))).collect()
    }

    fn succeed(run: &mut Arc<Run>, warnings: &[&str]) {
        let run = Arc::make_mut(run);
        run.start((0, 0), NOW).unwrap();
        let warnings = warnings.iter().map(|w| (*w).to_owned()).collect();
        run.succeed(Outcome { output: None, warnings, event: None }, Usage::default(), NOW).unwrap();
    }

    fn fail(run: &mut Arc<Run>, retryable: bool) {
        let run = Arc::make_mut(run);
        run.start((0, 0), NOW).unwrap();
        let failed = Failed { reason: Reason::GuestError, message: "no".into(), code: 1, retryable, after_ms: Some(9) };
        run.fail(failed, Usage::default(), 0, NOW).unwrap();
    }

    #[test]
    fn runs_go_one_after_the_other_and_then_the_event_succeeds() {
        let (mut event, mut runs) = (event(), plan(2));
        assert_eq!(settle(&mut event, &mut runs, NOW), (Next::Run(0), vec![]));
        succeed(&mut runs[0], &[]);
        assert_eq!(settle(&mut event, &mut runs, NOW), (Next::Run(1), vec![]));
        succeed(&mut runs[1], &[]);
        assert_eq!(settle(&mut event, &mut runs, NOW), (Next::Nothing, vec![]));
        assert_eq!((event.state, event.ended_at), (State::Success, Some(NOW)));
    }

    #[test]
    fn a_failure_skips_the_rest_and_is_the_events_own() {
        let (mut event, mut runs) = (event(), plan(3));
        fail(&mut runs[0], false);
        assert_eq!(settle(&mut event, &mut runs, NOW), (Next::Nothing, vec![1, 2]));
        assert_eq!((event.state, event.reason), (State::Error, Some(Reason::GuestError)));
        assert_eq!((runs[2].state, runs[2].reason), (State::Skipped, Some(Reason::Aborted)));
        assert!(runs[2].message.contains(&runs[0].id.to_string()), "{}", runs[2].message);
    }

    #[test]
    fn a_failure_that_may_be_passed_over_leaves_a_warning() {
        let (mut event, mut runs) = (event(), plan(2));
        Arc::make_mut(&mut runs[0]).continue_on_fail = true;
        fail(&mut runs[0], false);
        assert_eq!(settle(&mut event, &mut runs, NOW), (Next::Run(1), vec![]));
        succeed(&mut runs[1], &[]);
        settle(&mut event, &mut runs, NOW);
        assert_eq!((event.state, event.message.as_str()), (State::Warning, "1 of 2 runs failed and the plan went on"));
    }

    #[test]
    fn a_run_that_waits_holds_the_rest_back() {
        let (mut event, mut runs) = (event(), plan(2));
        fail(&mut runs[0], true);
        assert_eq!(settle(&mut event, &mut runs, NOW), (Next::Wait(0, NOW.plus_ms(9)), vec![]));
        assert!(!event.state.is_terminal());
    }

    #[test]
    fn an_event_ends_as_its_runs_did() {
        let mut alone = event();
        settle(&mut alone, &mut [], NOW);
        assert_eq!((alone.state, alone.message.as_str()), (State::Success, "no action is bound to it"));

        let (mut warned, mut runs) = (event(), plan(1));
        succeed(&mut runs[0], &["late"]);
        settle(&mut warned, &mut runs, NOW);
        assert_eq!(warned.state, State::Warning);

        let (mut skipped, mut runs) = (event(), plan(1));
        Arc::make_mut(&mut runs[0]).skip(Reason::Disabled, "off".into(), NOW).unwrap();
        settle(&mut skipped, &mut runs, NOW);
        assert_eq!((skipped.state, skipped.reason), (State::Skipped, Some(Reason::Disabled)));
    }
}
