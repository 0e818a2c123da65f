//! Runs: one action executed for one event. Every legal change of a run's state is a method here.

use super::{
    ActionId, AllowedHost, AttachmentId, DedupKey, Digest, EntryName, EventId, EventTypeName, Failed, FollowUp,
    HttpCall, Json, LIMITS_WASM, Limits, ObjectRef, Outcome, Reason, RetryPolicy, RunId, SecretUse, State, TenantId,
    Timestamp, Usage,
};
use serde::{Deserialize, Serialize};

/// One execution in one fresh Wasm instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// 1 for the first.
    pub number: u32,
    pub started_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    pub state: State,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    pub usage: Usage,
    /// The random bits it was given; with `started_at` they make it repeatable.
    pub seed: (u64, u64),
    /// What it sent by HTTP, in the order in which it began.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub http: Vec<HttpCall>,
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
    /// The digest of its source code, when that is what it runs; the module is the interpreter then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Digest>,
    /// What made it run; `None` for the action that the event type names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attachment_id: Option<AttachmentId>,
    /// Whether the action is another tenant's, whose parameters are not for this one to see.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub foreign: bool,
    /// What it reserves until it ends; `None` when nothing can be its duplicate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dedup_key: Option<DedupKey>,
    /// SKIPPED as a duplicate: the run that was in flight already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duplicate_of: Option<RunId>,
    /// Where the attachment sits that made it run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<ObjectRef>,
    /// What is secret of them is not in here.
    #[serde(default = "Json::empty_object", skip_serializing_if = "Json::is_empty_object")]
    pub params: Json,
    /// The secrets that belong in its params.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretUse>,
    #[serde(default = "Json::empty_object", skip_serializing_if = "Json::is_empty_object")]
    pub input: Json,
    /// The sink type it runs under; `None` for the built-in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sink_type: Option<EntryName>,
    /// Of each of its attempts.
    pub limits: Limits,
    /// Where its action lets it send HTTP requests; what its sink type says is asked at each attempt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_hosts: Vec<AllowedHost>,
    pub retry: RetryPolicy,
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub continue_on_fail: bool,
    pub state: State,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// A sentence for people; empty while there is nothing to say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The result code: 0 is fine.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub code: u32,
    /// Result messages, such as the warnings of the action.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Json>,
    /// The payload that the action returned for the chained event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chained: Option<Json>,
    /// What fires when it ends; gone once that is decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follow_up: Option<Box<FollowUp>>,
    /// The event that its end fired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child_event_id: Option<EventId>,
    /// The events that its action fired besides, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub emitted: Vec<EventId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<Attempt>,
    /// How often the server went down while it was running.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub interruptions: u32,
    /// While WAITING: when it goes on, or when it begins if there was no attempt yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Timestamp>,
    pub queued_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
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
            source: None,
            attachment_id: None,
            foreign: false,
            dedup_key: None,
            duplicate_of: None,
            scope: None,
            params: Json::empty_object(),
            secrets: Vec::new(),
            input: Json::empty_object(),
            sink_type: None,
            limits: LIMITS_WASM,
            allowed_hosts: Vec::new(),
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
            emitted: Vec::new(),
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
            seed,
            http: Vec::new(),
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

    /// QUEUED → SKIPPED: the same is in flight already, as the run `live`.
    pub fn skip_as_duplicate(&mut self, live: RunId, now: Timestamp) -> Result<(), IllegalChange> {
        self.skip(Reason::Duplicate, format!("the same is in flight already ({live})"), now)?;
        self.duplicate_of = Some(live);
        self.dedup_key = None;
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

    /// QUEUED, WAITING or RUNNING → CANCELLED. What the broken-off attempt used is not known but for its time.
    pub fn cancel(&mut self, message: String, now: Timestamp) -> Result<(), IllegalChange> {
        self.expect(&[State::Queued, State::Waiting, State::Running], State::Cancelled)?;
        if let Some(attempt) = self.attempts.last().filter(|_| self.state == State::Running) {
            let wall_us = now.ms_since(attempt.started_at).saturating_mul(1_000);
            let usage = Usage { wall_us, ..Usage::default() };
            self.end_attempt(State::Cancelled, Some((Reason::Cancelled, &message)), usage, now);
        }
        self.message = message;
        self.code = 1;
        self.end(State::Cancelled, Some(Reason::Cancelled), now);
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
