//! Runs: one action executed for one event. Every legal change of a run's state is a method here.

use super::{
    ActionId, AttachmentId, Digest, EventId, EventTypeName, Failed, FollowUp, Json, LIMITS_WASM, Limits, ObjectRef,
    Outcome, Reason, RetryPolicy, RunId, State, TenantId, Timestamp, Usage,
};
use serde::{Deserialize, Serialize};

/// One execution in one fresh Wasm instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// 1 for the first.
    pub number: u32,
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    pub state: State,
    pub reason: Option<Reason>,
    pub message: String,
    pub usage: Usage,
    pub limits: Limits,
    /// The random bits it was given; with `started_at` they make it repeatable.
    pub seed: (u64, u64),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    pub id: RunId,
    pub event_id: EventId,
    pub owner_id: TenantId,
    /// Place in the plan of its event, 0 for the first.
    pub position: u32,
    pub action_id: ActionId,
    /// The action's name when it was planned.
    pub action: String,
    pub version: u64,
    /// What the action's module meant when the run was planned; its retries use the same one.
    pub module: Digest,
    /// What made it run; `None` for the action that the event type names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attachment_id: Option<AttachmentId>,
    /// Whether the action is another tenant's, whose parameters are not for this one to see.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub foreign: bool,
    /// Where the attachment sits that made it run.
    pub scope: Option<ObjectRef>,
    pub params: Json,
    pub input: Json,
    pub limits: Limits,
    pub retry: RetryPolicy,
    pub continue_on_fail: bool,
    pub state: State,
    pub reason: Option<Reason>,
    /// A sentence for people; empty while there is nothing to say.
    pub message: String,
    /// The result code: 0 is fine.
    pub code: u32,
    /// Result messages, such as the warnings of the action.
    pub messages: Vec<String>,
    pub output: Option<Json>,
    /// The payload that the action returned for the chained event.
    pub chained: Option<Json>,
    /// What fires when it ends; gone once that is decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follow_up: Option<Box<FollowUp>>,
    /// The event that its end fired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child_event_id: Option<EventId>,
    pub attempts: Vec<Attempt>,
    /// How often the server went down while it was running.
    pub interruptions: u32,
    /// While WAITING: when it goes on, or when it begins if there was no attempt yet.
    pub due_at: Option<Timestamp>,
    pub queued_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
}

/// A state change that the rules do not have: a bug in the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("run {run} is {from} and cannot become {to}")]
pub struct IllegalChange {
    pub run: RunId,
    pub from: State,
    pub to: State,
}

impl Run {
    /// A run that was interrupted this often is not tried again: it may be what takes the server down.
    pub const INTERRUPTIONS_MAX: u32 = 3;

    /// A run that waits, with nothing done yet; what it runs is for the planner to fill in.
    pub fn queued(id: RunId, event_id: EventId, owner_id: TenantId, action_id: ActionId, now: Timestamp) -> Run {
        Run {
            id,
            event_id,
            owner_id,
            position: 0,
            action_id,
            action: String::new(),
            version: 1,
            module: Digest::of(b""),
            attachment_id: None,
            foreign: false,
            scope: None,
            params: Json::empty_object(),
            input: Json::empty_object(),
            limits: LIMITS_WASM,
            retry: RetryPolicy::default(),
            continue_on_fail: false,
            state: State::Queued,
            reason: None,
            message: String::new(),
            code: 0,
            messages: Vec::new(),
            output: None,
            chained: None,
            follow_up: None,
            child_event_id: None,
            attempts: Vec::new(),
            interruptions: 0,
            due_at: None,
            queued_at: now,
            started_at: None,
            ended_at: None,
        }
    }

    fn expect(&self, from: &[State], to: State) -> Result<(), IllegalChange> {
        if from.contains(&self.state) { Ok(()) } else { Err(IllegalChange { run: self.id, from: self.state, to }) }
    }

    /// QUEUED → WAITING until its time, before anything was tried.
    pub fn delay(&mut self, due: Timestamp) -> Result<(), IllegalChange> {
        self.expect(&[State::Queued], State::Waiting)?;
        self.state = State::Waiting;
        self.due_at = Some(due);
        Ok(())
    }

    /// Whether there was an attempt.
    pub fn has_started(&self) -> bool {
        !self.attempts.is_empty()
    }

    /// QUEUED → RUNNING, with a new attempt.
    pub fn start(&mut self, seed: (u64, u64), now: Timestamp) -> Result<&Attempt, IllegalChange> {
        self.expect(&[State::Queued], State::Running)?;
        self.state = State::Running;
        self.reason = None;
        self.message.clear();
        self.started_at.get_or_insert(now);
        self.attempts.push(Attempt {
            number: u32::try_from(self.attempts.len()).map_or(u32::MAX, |n| n.saturating_add(1)),
            started_at: now,
            ended_at: None,
            state: State::Running,
            reason: None,
            message: String::new(),
            usage: Usage::default(),
            limits: self.limits,
            seed,
        });
        Ok(&self.attempts[self.attempts.len() - 1])
    }

    /// RUNNING → SUCCESS or WARNING.
    pub fn succeed(&mut self, outcome: Outcome, usage: Usage, now: Timestamp) -> Result<(), IllegalChange> {
        let state = if outcome.warnings.is_empty() { State::Success } else { State::Warning };
        self.expect(&[State::Running], state)?;
        self.end_attempt(state, None, usage, now);
        self.output = outcome.output;
        self.chained = outcome.event;
        if let Some(first) = outcome.warnings.first() {
            self.message.clone_from(first);
        }
        self.messages = outcome.warnings;
        self.end(state, None, now);
        Ok(())
    }

    /// RUNNING → WAITING when another attempt is worth it and allowed, else ERROR.
    /// `random` spreads the delay of the retry policy.
    pub fn fail(&mut self, failed: Failed, usage: Usage, random: u64, now: Timestamp) -> Result<(), IllegalChange> {
        self.expect(&[State::Running], State::Error)?;
        self.end_attempt(State::Error, Some((failed.reason, &failed.message)), usage, now);
        // Interrupted attempts are the server's doing and not held against the action.
        let own = self.attempts.iter().filter(|attempt| attempt.reason != Some(Reason::Interrupted)).count();
        let attempts = u32::try_from(own).unwrap_or(u32::MAX);
        self.reason = Some(failed.reason);
        self.message = failed.message;
        self.code = failed.code;
        if failed.retryable && attempts < self.retry.attempts {
            let delay_ms = failed.after_ms.unwrap_or_else(|| self.retry.delay_ms(attempts, random));
            self.state = State::Waiting;
            self.due_at = Some(now.plus_ms(delay_ms.min(RetryPolicy::CAP_MAX_MS)));
        } else {
            self.end(State::Error, Some(failed.reason), now);
        }
        Ok(())
    }

    /// WAITING → QUEUED: its time has come.
    pub fn wake(&mut self) -> Result<(), IllegalChange> {
        self.expect(&[State::Waiting], State::Queued)?;
        self.state = State::Queued;
        self.due_at = None;
        Ok(())
    }

    /// RUNNING → QUEUED after the server went down or was stopped, or ERROR(interrupted) when that happened too often.
    /// A stop that was asked for does not count: `counts` is false then.
    pub fn interrupt(&mut self, counts: Interruption, now: Timestamp) -> Result<(), IllegalChange> {
        self.expect(&[State::Running], State::Queued)?;
        let message = match counts {
            Interruption::Crash => "the server went down during this attempt",
            Interruption::Shutdown => "the server was shut down during this attempt",
        };
        self.end_attempt(State::Error, Some((Reason::Interrupted, message)), Usage::default(), now);
        self.interruptions += u32::from(counts == Interruption::Crash);
        if self.interruptions >= Self::INTERRUPTIONS_MAX {
            self.message =
                format!("the server went down {} times while this ran; it is not tried again", self.interruptions);
            self.code = 1;
            self.end(State::Error, Some(Reason::Interrupted), now);
        } else {
            self.state = State::Queued;
        }
        Ok(())
    }

    /// QUEUED → SKIPPED: it does not run, for `reason`.
    pub fn skip(&mut self, reason: Reason, message: String, now: Timestamp) -> Result<(), IllegalChange> {
        self.expect(&[State::Queued, State::Waiting], State::Skipped)?;
        self.message = message;
        self.end(State::Skipped, Some(reason), now);
        Ok(())
    }

    /// QUEUED → ERROR without an attempt: the guest was never started.
    pub fn refuse(&mut self, reason: Reason, message: String, now: Timestamp) -> Result<(), IllegalChange> {
        self.expect(&[State::Queued], State::Error)?;
        self.message = message;
        self.code = 1;
        self.end(State::Error, Some(reason), now);
        Ok(())
    }

    /// What its end fires (DESIGN §3.9): nothing when it was skipped or cancelled. Told once, so that nothing fires twice.
    pub fn take_follow_up(&mut self) -> Option<EventTypeName> {
        if !self.state.is_terminal() {
            return None;
        }
        let follow_up = self.follow_up.take()?;
        match self.state {
            State::Success | State::Warning => follow_up.on_success,
            State::Error => follow_up.on_failure,
            _ => None,
        }
    }

    /// Whether it stops the rest of the plan (DESIGN §3.4).
    pub fn aborts_the_plan(&self) -> bool {
        self.state == State::Error && !self.continue_on_fail
    }

    fn end(&mut self, state: State, reason: Option<Reason>, now: Timestamp) {
        self.state = state;
        self.reason = reason;
        self.due_at = None;
        self.ended_at = Some(now);
    }

    fn end_attempt(&mut self, state: State, why: Option<(Reason, &str)>, usage: Usage, now: Timestamp) {
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.ended_at = Some(now);
            attempt.state = state;
            attempt.reason = why.map(|(reason, _)| reason);
            attempt.message = why.map(|(_, message)| message.to_owned()).unwrap_or_default();
            attempt.usage = usage;
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interruption {
    /// The process ended without a word.
    Crash,
    /// The operator stopped the server.
    Shutdown,
}

#[cfg(test)]
mod tests {
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
        assert_eq!(run, before);
    }
}
