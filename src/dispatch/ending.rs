//! How an attempt ends: what it came to is put into the run, and all that follows is one transition.

use super::cancel::telling;
use super::chain::Child;
use super::job::Live;
use super::scheduler::Leaving;
use super::settle::{Next, emitted, settle};
use super::unseal::masked;
use super::worker::{Permit, Ran, Work, WorkError};
use crate::domain::{
    Effects, Emitted, Ending, Failed, IllegalChange, Interruption, KvScope, Reason, Run, State, Timestamp, Usage,
};
use crate::sandbox::Attempted;
use crate::store::{Change, CommitError, Conflict, KvChange, Transition};
use std::sync::Arc;
use tokio::sync::oneshot;

/// Another attempt after one that lost its values to others begins within this time: they are soon done.
const CONFLICT_DELAY_MS: u64 = 200;

type Waiter = Option<oneshot::Sender<Live>>;

/// What follows, decided and not handed in.
struct Settled {
    next: Next,
    children: Vec<Child>,
    changes: Vec<Change>,
}

impl Work<'_> {
    /// Puts what became of the attempt into the run, and hands in all that follows.
    pub(super) async fn end(mut self, ran: Ran, waiter: Waiter, permit: Permit) -> Result<(), WorkError> {
        let (now, (random, _)) = (self.dispatch.now(), self.dispatch.shared.entropy.pair());
        let unsealed = self.unsealed.take();
        let mut effects = None;
        match ran {
            Ran::Cancelled => {}
            Ran::Stopped => self.run_mut().interrupt(Interruption::Shutdown, now)?,
            Ran::Broken => {
                let message = "a bug in the server stopped this attempt".to_owned();
                let failed = Failed { retryable: false, ..Failed::broken(Reason::Interrupted, message) };
                self.run_mut().fail(failed, Usage::default(), random, now)?;
            }
            Ran::Ended(attempted) => {
                let mut attempted = masked(unsealed.as_ref(), attempted);
                effects = attempted.effects.take();
                if let Some(effects) = effects.take_if(|effects| !effects.writes.is_empty()) {
                    let before = self.live.clone();
                    end(self.run_mut(), attempted, random, now)?;
                    return self.settle_writes((*effects, before), waiter, permit).await;
                }
                end(self.run_mut(), attempted, random, now)?;
            }
        }
        self.settle(effects.map_or_else(Vec::new, |effects| effects.events), waiter, permit);
        Ok(())
    }

    /// One transition for all that follows; then the permit comes back and the event goes on.
    pub(super) fn settle(mut self, events: Vec<Emitted>, waiter: Waiter, permit: Permit) {
        let log = self.take_log();
        let settled = self.settled(events, log);
        self.hand_over(settled, waiter, permit);
    }

    /// The same of an attempt that wrote values. They are kept with its end; when what it expected of them does not hold
    /// any more, neither is, and it has failed. The event goes on when that is decided, so that whoever is next reads what
    /// this one wrote.
    async fn settle_writes(
        mut self,
        (Effects { writes, events }, before): (Effects, Live),
        waiter: Waiter,
        permit: Permit,
    ) -> Result<(), WorkError> {
        let log = self.take_log();
        let Settled { next, children, mut changes } = self.settled(events, log.clone());
        let run = &self.live.runs[self.place];
        let attachment = |scope| run.attachment_id.filter(|_| scope == KvScope::Attachment);
        let writes = writes.into_iter().map(|((scope, key), write)| (attachment(scope), key, write)).collect();
        let (tenant, action) = (run.owner_id.clone(), run.action_id);
        changes.push(Change::Values(Arc::new(KvChange { tenant, action, writes, at: self.dispatch.now() })));
        let decided = self.dispatch.hand_in_doubtful(Transition::of(changes)).await;
        if let Err(CommitError::Conflict(Conflict::Values { detail })) = decided {
            if let Some(family) = &self.live.family {
                family.take_back(u32::try_from(children.len()).unwrap_or(u32::MAX));
            }
            let usage = self.live.runs[self.place].attempts.last().map_or_else(Usage::default, |last| last.usage);
            self.live = before;
            let (now, (random, _)) = (self.dispatch.now(), self.dispatch.shared.entropy.pair());
            let soon = Some(random % CONFLICT_DELAY_MS);
            let failed = Failed { after_ms: soon, ..Failed::broken(Reason::KvConflict, detail) };
            self.run_mut().fail(failed, usage, random, now)?;
            let settled = self.settled(Vec::new(), log);
            self.hand_over(settled, waiter, permit);
            return Ok(());
        }
        self.count_end();
        let Work { dispatch, live, granted, .. } = self;
        if next == Next::Nothing {
            if let Some(tell) = telling(live, granted.answers, waiter) {
                tell(decided);
            }
            permit.give_back(Leaving::Ended);
        } else {
            permit.give_back(Leaving::GoesOn);
            dispatch.go_on(live, next, waiter);
        }
        dispatch.go_on_with(children);
        Ok(())
    }

    fn take_log(&self) -> Option<Change> {
        let run = &self.live.runs[self.place];
        self.services.as_ref().and_then(|services| services.take_log(run))
    }

    /// Decides what follows, the events that the attempt emitted first.
    fn settled(&mut self, events: Vec<Emitted>, log: Option<Change>) -> Settled {
        let (now, place) = (self.dispatch.now(), self.place);
        let live = &mut self.live;
        let (next, skipped) = settle(Arc::make_mut(&mut live.event), &mut live.runs, now);
        let children = self.dispatch.follow_emitting(live, emitted(place, events).collect(), now);
        let mut changes: Vec<Change> = Vec::with_capacity(4 + skipped.len());
        changes.extend(log);
        changes.push(Change::Run(Arc::clone(&live.runs[place])));
        let others = self.granted.places.iter().filter(|granted| **granted != place).chain(&skipped);
        changes.extend(others.map(|place| Change::Run(Arc::clone(&live.runs[*place]))));
        changes.push(Change::Event(Arc::clone(&live.event)));
        changes.extend(children.iter().flat_map(Child::changes));
        Settled { next, children, changes }
    }

    fn hand_over(self, Settled { next, children, changes }: Settled, waiter: Waiter, permit: Permit) {
        self.count_end();
        let Work { dispatch, live, granted, .. } = self;
        let transition = Transition::of(changes);
        if next == Next::Nothing {
            dispatch.hand_in(transition, telling(live, granted.answers, waiter));
            permit.give_back(Leaving::Ended);
        } else {
            let answers = granted.answers;
            let on_commit = if answers.is_empty() { None } else { telling(live.clone(), answers, None) };
            dispatch.hand_in(transition, on_commit);
            permit.give_back(Leaving::GoesOn);
            dispatch.go_on(live, next, waiter);
        }
        dispatch.go_on_with(children);
    }

    fn count_end(&self) {
        let run = &self.live.runs[self.place];
        log_end(run);
        if let Some(attempt) = run.attempts.last() {
            self.dispatch.count_ending(attempt.state, attempt.reason);
        }
    }
}

/// Puts what became of an attempt into the run.
pub(super) fn end(
    run: &mut Run,
    Attempted { ending, usage, effects: _ }: Attempted,
    random: u64,
    now: Timestamp,
) -> Result<(), IllegalChange> {
    match ending {
        Ending::Outcome(outcome) => run.succeed(outcome, usage, now),
        Ending::Failure(failure) => run.fail(failure.into(), usage, random, now),
        Ending::Broken { reason, message } => run.fail(Failed::broken(reason, message), usage, random, now),
    }
}

fn log_end(run: &Run) {
    if run.state == State::Success {
        tracing::debug!(run.id = %run.id, event.id = %run.event_id, tenant.id = %run.owner_id, "a run succeeded");
        return;
    }
    let reason = run.reason.map_or("", Reason::as_str);
    let (state, message) = (run.state.as_str(), &run.message);
    let what = if run.state.is_terminal() { "a run ended" } else { "an attempt failed; the run goes on later" };
    tracing::info!(run.id = %run.id, event.id = %run.event_id, tenant.id = %run.owner_id, state, reason, detail = message, "{what}");
}
