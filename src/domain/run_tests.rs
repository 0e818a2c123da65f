//! Every legal change of a run's state, and some that are not.

use super::*;
use crate::domain::{Entropy, Failure, Ids};
use std::sync::Arc;

const NOW: Timestamp = Timestamp::from_ms(1_000);

fn run() -> Run {
    let ids = Ids::new(Arc::new(Entropy::new([1; 32])));
    let (id, event, action) = (RunId::new(&ids, NOW), EventId::new(&ids, NOW), ActionId::new(&ids, NOW));
    Run::queued(id, event, TenantId::shared(), action, NOW)
}

fn retryable(after_ms: Option<u64>) -> Failed {
    Failure::Retry { message: "busy".into(), after_ms }.into()
}

#[test]
fn a_warning_is_a_success_with_something_to_say() {
    let mut run = run();
    run.start((1, 2), NOW).unwrap();
    let outcome = Outcome { output: None, warnings: vec!["late".into()], event: None };
    run.succeed(outcome, Usage::default(), NOW).unwrap();
    assert_eq!((run.state, run.code, run.message.as_str()), (State::Warning, 0, "late"));
    assert!(!run.aborts_the_plan());
}

#[test]
fn a_failure_worth_a_retry_waits_until_the_attempts_are_used_up() {
    let mut run = run();
    for attempt in 1..=3 {
        assert_eq!(run.start((0, 0), NOW).unwrap().number, attempt);
        run.fail(retryable(Some(70)), Usage::default(), 0, NOW).unwrap();
        if attempt < 3 {
            assert_eq!((run.state, run.due_at), (State::Waiting, Some(NOW.plus_ms(70))));
            run.wake().unwrap();
        }
    }
    assert_eq!((run.state, run.reason, run.code), (State::Error, Some(Reason::GuestError), 75));
    assert!(run.aborts_the_plan());
}

#[test]
fn a_run_can_be_put_off_only_before_it_began() {
    let mut run = run();
    run.delay(NOW.plus_ms(5)).unwrap();
    assert_eq!((run.state, run.due_at, run.has_started()), (State::Waiting, Some(NOW.plus_ms(5)), false));
    assert!(run.delay(NOW).is_err() && run.start((0, 0), NOW).is_err());
    run.wake().unwrap();
    run.start((0, 0), NOW).unwrap();
    assert!(run.has_started() && run.delay(NOW).is_err());
}

#[test]
fn an_interrupted_attempt_is_not_held_against_the_action() {
    let mut run = run();
    run.start((0, 0), NOW).unwrap();
    run.interrupt(Interruption::Crash, NOW).unwrap();
    for attempt in 2..=4 {
        assert_eq!(run.start((0, 0), NOW).unwrap().number, attempt);
        run.fail(retryable(None), Usage::default(), 0, NOW).unwrap();
        if attempt < 4 {
            run.wake().unwrap();
        }
    }
    assert_eq!((run.state, run.attempts.len()), (State::Error, 4));
}

#[test]
fn a_deterministic_failure_is_not_tried_again() {
    for (reason, again) in [(Reason::Trap, false), (Reason::FuelExhausted, false), (Reason::Timeout, true)] {
        let mut run = run();
        run.start((0, 0), NOW).unwrap();
        run.fail(Failed::broken(reason, "broke".into()), Usage::default(), 0, NOW).unwrap();
        assert_eq!(run.state == State::Waiting, again, "{reason}");
    }
}

#[test]
fn a_duplicate_names_the_run_in_flight_and_reserves_nothing() {
    let (mut run, live) = (run(), RunId::from_bytes([9; 16]));
    run.dedup_key = Some(DedupKey::from_bytes([1; 16]));
    run.skip_as_duplicate(live, NOW).unwrap();
    assert_eq!((run.state, run.reason), (State::Skipped, Some(Reason::Duplicate)));
    assert_eq!((run.duplicate_of, run.dedup_key), (Some(live), None));
    assert!(run.message.contains(&live.to_string()), "{}", run.message);
}

#[test]
fn what_an_end_fires_is_told_once() {
    let name = |text: &str| Some(text.parse().unwrap());
    let follow_up = FollowUp { on_success: name("done"), on_failure: name("failed") };
    let begin = || {
        let mut run = Run { follow_up: Some(Box::new(follow_up.clone())), ..run() };
        assert_eq!(run.take_follow_up(), None, "it has not ended");
        run.start((0, 0), NOW).unwrap();
        run
    };
    for warnings in [vec![], vec!["late".to_owned()]] {
        let mut run = begin();
        run.succeed(Outcome { output: None, warnings, event: None }, Usage::default(), NOW).unwrap();
        assert_eq!((run.take_follow_up(), run.take_follow_up()), (name("done"), None));
    }
    let mut failed = begin();
    failed.retry.attempts = 2;
    failed.fail(retryable(None), Usage::default(), 0, NOW).unwrap();
    assert_eq!(failed.take_follow_up(), None, "it waits for another attempt");
    failed.wake().unwrap();
    failed.start((0, 0), NOW).unwrap();
    failed.fail(retryable(None), Usage::default(), 0, NOW).unwrap();
    assert_eq!((failed.take_follow_up(), failed.take_follow_up()), (name("failed"), None));
    let mut skipped = Run { follow_up: Some(Box::new(follow_up.clone())), ..run() };
    skipped.skip(Reason::Aborted, String::new(), NOW).unwrap();
    assert_eq!((skipped.take_follow_up(), skipped.follow_up), (None, None));
}

#[test]
fn the_third_crash_is_the_last_and_a_shutdown_does_not_count() {
    let mut run = run();
    let interruptions = [Interruption::Crash, Interruption::Shutdown, Interruption::Crash, Interruption::Crash];
    for interruption in interruptions {
        assert_eq!(run.state, State::Queued);
        run.start((0, 0), NOW).unwrap();
        run.interrupt(interruption, NOW).unwrap();
    }
    assert_eq!((run.state, run.reason), (State::Error, Some(Reason::Interrupted)));
}

#[test]
fn what_has_not_ended_can_be_cancelled_and_its_attempt_with_it() {
    let (queued, mut waiting, mut running, mut retrying) = (run(), run(), run(), run());
    waiting.delay(NOW.plus_ms(9)).unwrap();
    running.start((0, 0), NOW).unwrap();
    retrying.start((0, 0), NOW).unwrap();
    retrying.fail(retryable(Some(70)), Usage::default(), 0, NOW).unwrap();
    let now = NOW.plus_ms(3);
    for mut run in [queued, waiting, running.clone(), retrying.clone()] {
        run.cancel("cancelled by `ada`".into(), now).unwrap();
        assert_eq!((run.state, run.reason, run.code), (State::Cancelled, Some(Reason::Cancelled), 1));
        assert_eq!((run.message.as_str(), run.due_at, run.ended_at), ("cancelled by `ada`", None, Some(now)));
        assert!(!run.aborts_the_plan());
    }
    running.cancel("stop".into(), now).unwrap();
    let attempt = &running.attempts[0];
    assert_eq!((attempt.state, attempt.reason), (State::Cancelled, Some(Reason::Cancelled)));
    assert_eq!((attempt.ended_at, attempt.usage.wall_us), (Some(now), 3_000));
    retrying.cancel("stop".into(), now).unwrap();
    assert_eq!(retrying.attempts[0].state, State::Error, "an attempt that had ended stays as it is");
}

#[test]
fn terminal_states_are_final() {
    let mut run = run();
    run.skip(Reason::Aborted, "an earlier run failed".into(), NOW).unwrap();
    let before = run.clone();
    assert!(run.start((0, 0), NOW).is_err());
    assert!(run.wake().is_err());
    assert!(run.skip(Reason::Aborted, String::new(), NOW).is_err());
    assert!(run.refuse(Reason::ParamMissing, String::new(), NOW).is_err());
    assert!(run.fail(retryable(None), Usage::default(), 0, NOW).is_err());
    assert!(run.interrupt(Interruption::Crash, NOW).is_err());
    assert!(run.cancel(String::new(), NOW).is_err());
    assert_eq!(run, before);
}
