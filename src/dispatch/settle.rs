//! What follows when a run has changed: a pure function, and the only place where an event ends.

use crate::domain::{Event, EventTypeName, Json, Reason, Run, RunId, State, Timestamp};
use std::sync::Arc;

/// What the event needs next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The run at this place in the plan may start.
    Run(usize),
    /// No run may start before this time, which is the one of the run at this place.
    Wait(usize, Timestamp),
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
        Next::Run(_) => {}
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
            fires.push(Fires { place, event_type, payload });
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::testing::{event, run};
    use crate::domain::{Failed, Outcome, Usage};
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_ms(2_000);

    fn plan(length: u32) -> Vec<Arc<Run>> {
        (0..length).map(|position| Arc::new(run(position))).collect()
    }

    fn start(run: &mut Arc<Run>, now: Timestamp) -> &mut Run {
        let run = Arc::make_mut(run);
        if run.state == State::Waiting {
            run.wake().unwrap();
        }
        run.start((0, 0), now).unwrap();
        run
    }

    fn succeed(run: &mut Arc<Run>, warnings: &[&str]) {
        let run = start(run, NOW);
        let warnings = warnings.iter().map(|w| (*w).to_owned()).collect();
        run.succeed(Outcome { output: None, warnings, event: None }, Usage::default(), NOW).unwrap();
    }

    fn fail(run: &mut Arc<Run>, retryable: bool) {
        let run = start(run, NOW);
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

    fn delay(run: &mut Arc<Run>, ms: u64) {
        Arc::make_mut(run).delay(NOW.plus_ms(ms)).unwrap();
    }

    #[test]
    fn a_run_that_is_put_off_steps_aside_and_runs_at_its_time() {
        let (mut event, mut runs) = (event(), plan(3));
        delay(&mut runs[0], 10);
        assert_eq!(settle(&mut event, &mut runs, NOW), (Next::Run(1), vec![]));
        succeed(&mut runs[1], &[]);
        assert_eq!(settle(&mut event, &mut runs, NOW), (Next::Run(2), vec![]));
        succeed(&mut runs[2], &[]);
        assert_eq!(settle(&mut event, &mut runs, NOW), (Next::Wait(0, NOW.plus_ms(10)), vec![]));
        assert_eq!(settle(&mut event, &mut runs, NOW.plus_ms(10)), (Next::Run(0), vec![]));
    }

    #[test]
    fn of_two_whose_time_has_come_the_first_in_the_plan_is_next() {
        let (mut event, mut runs) = (event(), plan(3));
        for (run, ms) in runs.iter_mut().zip([20, 10, 10]) {
            delay(run, ms);
        }
        assert_eq!(settle(&mut event, &mut runs, NOW), (Next::Wait(1, NOW.plus_ms(10)), vec![]));
        assert_eq!(event.state, State::Waiting, "nothing of it can start yet");
        assert_eq!(settle(&mut event, &mut runs, NOW.plus_ms(15)).0, Next::Run(1));
        assert_eq!(settle(&mut event, &mut runs, NOW.plus_ms(20)).0, Next::Run(0));
    }

    #[test]
    fn a_retry_holds_back_what_is_behind_it_and_not_what_was_put_off_before_it() {
        let (mut event, mut runs) = (event(), plan(3));
        delay(&mut runs[0], 5);
        fail(&mut runs[1], true);
        assert_eq!(settle(&mut event, &mut runs, NOW).0, Next::Wait(0, NOW.plus_ms(5)));
        assert_eq!(settle(&mut event, &mut runs, NOW.plus_ms(6)).0, Next::Run(0));
        succeed(&mut runs[0], &[]);
        assert_eq!(settle(&mut event, &mut runs, NOW.plus_ms(6)).0, Next::Wait(1, NOW.plus_ms(9)));
        assert_eq!(settle(&mut event, &mut runs, NOW.plus_ms(9)).0, Next::Run(1));
    }

    #[test]
    fn a_failure_skips_what_is_put_off_behind_it_but_not_what_has_begun() {
        let (mut event, mut runs) = (event(), plan(4));
        delay(&mut runs[0], 5);
        fail(&mut runs[1], true);
        delay(&mut runs[3], 50);
        fail(&mut runs[0], false);
        // Time went by: the first has run late.
        assert_eq!(settle(&mut event, &mut runs, NOW), (Next::Wait(1, NOW.plus_ms(9)), vec![2, 3]));
        succeed(&mut runs[1], &[]);
        assert_eq!(settle(&mut event, &mut runs, NOW), (Next::Nothing, vec![]));
        assert_eq!(event.state, State::Error);
    }

    const BY: (&str, Timestamp) = ("cancelled by `ada`", NOW);

    #[test]
    fn a_cancelled_run_is_no_failure() {
        let (mut event, mut runs) = (event(), plan(3));
        let second = Target::Run(runs[1].id);
        assert_eq!(cancel(&mut event, &mut runs, second, BY), [1]);
        assert_eq!(cancel(&mut event, &mut runs, second, BY), [0; 0], "once is enough");
        assert_eq!(settle(&mut event, &mut runs, NOW), (Next::Run(0), vec![]));
        succeed(&mut runs[0], &[]);
        assert_eq!(settle(&mut event, &mut runs, NOW), (Next::Run(2), vec![]));
        succeed(&mut runs[2], &[]);
        assert_eq!(settle(&mut event, &mut runs, NOW), (Next::Nothing, vec![]));
        assert_eq!((event.state, event.message.as_str()), (State::Success, "1 of 3 runs cancelled"));
    }

    #[test]
    fn a_cancelled_event_ends_with_all_that_was_open() {
        let (mut event, mut runs) = (event(), plan(4));
        succeed(&mut runs[0], &[]);
        start(&mut runs[1], NOW);
        delay(&mut runs[3], 9);
        assert_eq!(cancel(&mut event, &mut runs, Target::Event, BY), [1, 2, 3]);
        assert_eq!(settle(&mut event, &mut runs, NOW), (Next::Nothing, vec![]));
        assert_eq!((event.state, event.reason), (State::Cancelled, Some(Reason::Cancelled)));
        assert_eq!(event.message, "cancelled by `ada`");
        assert_eq!(runs[0].state, State::Success);
        let before = (event.clone(), runs.clone());
        assert_eq!(cancel(&mut event, &mut runs, Target::Event, BY), [0; 0]);
        assert_eq!((event, runs), before);
    }

    #[test]
    fn an_event_all_of_whose_runs_were_cancelled_is_cancelled() {
        let (mut event, mut runs) = (event(), plan(2));
        Arc::make_mut(&mut runs[0]).skip(Reason::Disabled, "off".into(), NOW).unwrap();
        let open = Target::Run(runs[1].id);
        assert_eq!(cancel(&mut event, &mut runs, open, BY), [1]);
        assert_eq!(settle(&mut event, &mut runs, NOW), (Next::Nothing, vec![]));
        assert_eq!((event.state, event.message.as_str()), (State::Cancelled, "cancelled by `ada`"));
    }

    /// How a run goes: when it is due, whether the plan goes on when it fails, and how often it fails before its end.
    #[derive(Clone, Debug)]
    struct Going {
        delay_ms: Option<u64>,
        continue_on_fail: bool,
        retries_after_ms: Vec<u64>,
        succeeds: bool,
    }

    fn goings() -> impl Strategy<Value = Vec<Going>> {
        let delay = prop::option::of(1..40_u64);
        let going = (delay, any::<bool>(), prop::collection::vec(0..30_u64, 0..3), any::<bool>());
        let going = going.prop_map(|(delay_ms, continue_on_fail, retries_after_ms, succeeds)| Going {
            delay_ms,
            continue_on_fail,
            retries_after_ms,
            succeeds,
        });
        prop::collection::vec(going, 0..6)
    }

    /// One attempt of `run`, which takes a millisecond.
    fn go(run: &mut Arc<Run>, going: &Going, now: Timestamp) {
        let attempt = run.attempts.len();
        let run = start(run, now);
        let after_ms = going.retries_after_ms.get(attempt).copied();
        if after_ms.is_none() && going.succeeds {
            run.succeed(Outcome { output: None, warnings: vec![], event: None }, Usage::default(), now).unwrap();
        } else {
            let retryable = after_ms.is_some();
            let failed = Failed { reason: Reason::GuestError, message: "no".into(), code: 1, retryable, after_ms };
            run.fail(failed, Usage::default(), 0, now.plus_ms(1)).unwrap();
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn runs_go_one_after_the_other_in_the_order_of_the_plan_but_for_what_waits(
            goings in goings(),
            // Before which step what is cancelled; a place past the end means the event.
            stop in prop::option::of((0..12_usize, 0..8_usize)),
        ) {
            let (mut event, mut now) = (event(), NOW);
            let mut runs = plan(u32::try_from(goings.len()).unwrap());
            for (run, going) in runs.iter_mut().zip(&goings) {
                Arc::make_mut(run).continue_on_fail = going.continue_on_fail;
                going.delay_ms.into_iter().for_each(|ms| delay(run, ms));
            }
            // Each attempt and each wait before one is a step.
            for step in 0.. {
                prop_assert!(step < 50, "it never ends");
                if let Some((_, place)) = stop.filter(|(at, _)| *at == step) {
                    let target = runs.get(place).map_or(Target::Event, |run| Target::Run(run.id));
                    cancel(&mut event, &mut runs, target, ("stop", now));
                }
                let aborted = runs.iter().position(|run| run.aborts_the_plan());
                match settle(&mut event, &mut runs, now).0 {
                    Next::Run(place) => {
                        let run = &runs[place];
                        prop_assert!(run.due_at.is_none_or(|due| due <= now), "too early");
                        for before in runs[..place].iter().filter(|run| !run.state.is_terminal()) {
                            let put_off = before.due_at.is_some_and(|due| due > now) && !before.has_started();
                            prop_assert!(put_off, "it ran before {before:?}");
                        }
                        let may = aborted.is_none_or(|failed| place < failed || run.has_started());
                        prop_assert!(may, "it began after the failure of the one at {aborted:?}");
                        go(&mut runs[place], &goings[place], now);
                        now = now.plus_ms(1);
                    }
                    Next::Wait(place, due) => {
                        prop_assert!(due > now && runs[place].due_at == Some(due));
                        let retry = runs.iter().position(|run| run.state == State::Waiting && run.has_started());
                        let choice = &runs[..retry.map_or(runs.len(), |retry| retry + 1)];
                        let first = choice.iter().filter_map(|run| run.due_at).min();
                        prop_assert_eq!(first, Some(due), "something could go on earlier");
                        now = due;
                    }
                    Next::Nothing => break,
                }
            }
            prop_assert!(event.state.is_terminal());
            prop_assert_eq!(event.state == State::Error, runs.iter().any(|run| run.aborts_the_plan()) && event.reason != Some(Reason::Cancelled));
            for (place, (run, going)) in runs.iter().zip(&goings).enumerate() {
                if run.state == State::Cancelled {
                    prop_assert!(stop.is_some_and(|(_, stopped)| stopped == place || stopped >= runs.len()));
                    continue;
                }
                let skipped = run.state == State::Skipped;
                let failed = runs[..place].iter().any(|run| run.aborts_the_plan());
                prop_assert!(run.state.is_terminal() && (!skipped || failed), "{run:?}");
                if !skipped {
                    prop_assert_eq!(run.attempts.len(), going.retries_after_ms.len() + 1);
                    let due = NOW.plus_ms(going.delay_ms.unwrap_or(0));
                    prop_assert!(run.started_at.is_some_and(|started| started >= due));
                }
            }
        }
    }
}
