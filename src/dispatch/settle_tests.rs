//! Settling, case by case and as invariants of whatever happens.

use super::settle::{Next, Standing, Target, cancel, choose_begun, settle};
use crate::dispatch::testing::{event, run};
use crate::domain::{EventTypeId, Failed, Outcome, Reason, Run, State, Timestamp, Usage};
use proptest::prelude::*;
use std::sync::Arc;

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

#[test]
fn while_a_type_is_paused_only_what_has_begun_goes_on() {
    let (paused, mut runs) = (EventTypeId::from_bytes([2; 16]), plan(3));
    let next =
        |runs: &[Arc<Run>], now| choose_begun(runs.iter().map(|run| Standing::from(&**run)).enumerate(), now, paused);
    assert_eq!(next(&runs, NOW), Next::Hold(paused));
    delay(&mut runs[0], 3);
    fail(&mut runs[1], true);
    assert_eq!(next(&runs, NOW.plus_ms(5)), Next::Wait(1, NOW.plus_ms(9)), "what waits before it does not begin");
    assert_eq!(next(&runs, NOW.plus_ms(9)), Next::Run(1));
    succeed(&mut runs[1], &[]);
    assert_eq!(next(&runs, NOW.plus_ms(9)), Next::Hold(paused));
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
                Next::Hold(_) => prop_assert!(false, "settling knows nothing of pauses"),
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
