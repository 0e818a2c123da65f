//! One in flight (DESIGN §3.5): who holds which dedup key, and the one door to the store through which keys are taken
//! and come free.
//!
//! A reservation is an open run: its key is in its record, and the map here is only a way to find it. So none outlives
//! its run, whatever happens: a start makes the map anew from the runs that are open then.

use super::accept::{Accepted, Committed, accepting, kept};
use super::job::Live;
use super::once::Claim;
use super::raise::{Refusal, begin};
use super::scheduler::Dispatch;
use super::settle::{Next, settle};
use crate::domain::{DedupKey, Event, Run, RunId, Timestamp};
use crate::store::{Change, CommitError, OnCommit, Transition};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// The open runs that have a key, by it.
#[derive(Debug, Default)]
pub(super) struct Reservations(Mutex<HashMap<DedupKey, RunId>>);

impl Reservations {
    /// While this is held nobody else takes or frees a key. It is held until what was decided is in the store's queue:
    /// else a duplicate could get there, and on the disk, before the run that it points at.
    pub(super) fn lock(&self) -> Reserving<'_> {
        Reserving(self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

pub(super) struct Reserving<'a>(MutexGuard<'a, HashMap<DedupKey, RunId>>);

impl Reserving<'_> {
    /// Reserves what the runs ask for, in their order; those that ask for what is taken are skipped as duplicates.
    /// Gives how many that are.
    pub(super) fn take(&mut self, runs: &mut [Arc<Run>], now: Timestamp) -> usize {
        let mut duplicates = 0;
        for run in runs.iter_mut().filter(|run| !run.state.is_terminal()) {
            let Some(key) = run.dedup_key else { continue };
            match self.0.entry(key) {
                Entry::Vacant(free) => drop(free.insert(run.id)),
                Entry::Occupied(taken) => {
                    let skipped = Arc::make_mut(run).skip_as_duplicate(*taken.get(), now);
                    debug_assert!(skipped.is_ok(), "a run that was just planned is QUEUED");
                    duplicates += 1;
                }
            }
        }
        duplicates
    }

    /// Skips those that [`Reserving::take`] would, without taking anything. Gives how many that are.
    fn foresee(&self, runs: &mut [Arc<Run>], now: Timestamp) -> usize {
        let mut reserving = Reservations::default();
        let asked = runs.iter().filter_map(|run| run.dedup_key);
        let held = asked.filter_map(|key| self.0.get(&key).map(|holder| (key, *holder)));
        reserving.0.get_mut().unwrap_or_else(PoisonError::into_inner).extend(held);
        reserving.lock().take(runs, now)
    }

    /// Notes an open run that has its key already.
    pub(super) fn hold(&mut self, run: &Run) {
        if let Some(key) = run.dedup_key.filter(|_| !run.state.is_terminal()) {
            self.0.insert(key, run.id);
        }
    }

    /// Frees the keys of those runs that are terminal.
    fn free<'a>(&mut self, runs: impl Iterator<Item = &'a Run>) {
        self.drop_all(runs.filter(|run| run.state.is_terminal()));
    }

    fn drop_all<'a>(&mut self, runs: impl Iterator<Item = &'a Run>) {
        for run in runs {
            if let Some(Entry::Occupied(held)) = run.dedup_key.map(|key| self.0.entry(key))
                && *held.get() == run.id
            {
                held.remove();
            }
        }
    }
}

impl Dispatch {
    /// Hands in what was decided about runs. Everything that may end one comes through here, so that its key comes free.
    pub(super) fn hand_in(&self, transition: Transition, on_commit: Option<OnCommit>) {
        let ended = |change: &Change| match change {
            Change::Run(run) if run.state.is_terminal() && run.dedup_key.is_some() => Some(Arc::clone(run)),
            _ => None,
        };
        let ended: Vec<Arc<Run>> = transition.changes.iter().filter_map(ended).collect();
        if ended.is_empty() {
            return self.store().submit(transition, on_commit);
        }
        // Whoever is told of the end may fire the same again at once, and must find the key free.
        let mut reserving = self.reservations().lock();
        self.store().submit(transition, on_commit);
        reserving.free(ended.iter().map(|run| &**run));
    }

    /// Hands in and waits until it is on the disk.
    pub(super) async fn hand_in_and_wait(&self, transition: Transition) -> Result<(), CommitError> {
        let (sender, committed) = oneshot::channel();
        self.hand_in(transition, Some(Box::new(move |result| drop(sender.send(result)))));
        kept(committed).await
    }

    /// Reserves keys for an event that was planned, settles what that leaves of it, and hands it in with whatever
    /// `complete` adds. Should the disk refuse it, nothing is accepted any more, and its runs give back what they
    /// reserved when they end in memory; should a conflict, [`Dispatch::give_back`] is for the caller to call.
    /// The `claim` of a request that is accepted once is held until the commit.
    pub(super) fn reserve_and_hand_in(
        &self,
        event: Event,
        planned: Result<Vec<Run>, Refusal>,
        complete: impl FnOnce(Transition, &Live) -> Transition,
        claim: Option<Claim>,
    ) -> (Accepted, Committed) {
        let now = event.created_at;
        let (sender, committed) = oneshot::channel();
        let on_commit: OnCommit = Box::new(move |result| {
            // Those who waited for it find what was remembered.
            drop(claim);
            drop(sender.send(result));
        });
        // Settled before as well: what a refused run before it skips has nothing to reserve.
        let (mut live, mut next) = begin(event, planned, now);
        let mut reserving = None;
        if next != Next::Nothing && live.runs.iter().any(|run| run.dedup_key.is_some()) {
            let held = reserving.insert(self.reservations().lock());
            if held.take(&mut live.runs, now) > 0 {
                (next, _) = settle(Arc::make_mut(&mut live.event), &mut live.runs, now);
            }
        }
        // Runs that were refused when they were planned have ended.
        let children = self.follow(&mut live, now);
        let accepting = complete(accepting(&live, &children), &live);
        self.store().submit(accepting, Some(on_commit));
        drop(reserving);
        (Accepted { live, next, children }, committed)
    }

    /// What an event that was planned comes to when its runs ask for their keys now.
    pub(super) fn reserve_nothing(&self, event: Event, planned: Vec<Run>) -> Live {
        let now = event.created_at;
        let (mut live, next) = begin(event, Ok(planned), now);
        if next != Next::Nothing && self.reservations().lock().foresee(&mut live.runs, now) > 0 {
            settle(Arc::make_mut(&mut live.event), &mut live.runs, now);
        }
        live
    }

    /// Frees what was reserved for runs that were not kept.
    pub(super) fn give_back(&self, runs: &[Arc<Run>]) {
        self.reservations().lock().drop_all(runs.iter().map(|run| &**run));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::testing::run;
    use crate::domain::{Outcome, Reason, State, Usage};
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_ms(2_000);

    fn keyed(number: u32, key: u8) -> Arc<Run> {
        Arc::new(Run { dedup_key: Some(DedupKey::from_bytes([key; 16])), ..run(number) })
    }

    fn succeed(run: &mut Arc<Run>) {
        let run = Arc::make_mut(run);
        run.start((0, 0), NOW).unwrap();
        run.succeed(Outcome { output: None, warnings: Vec::new(), event: None }, Usage::default(), NOW).unwrap();
    }

    #[test]
    fn the_first_takes_the_key_and_the_next_points_at_it() {
        let reservations = Reservations::default();
        let mut first = [keyed(1, 1), keyed(2, 2)];
        let mut second = [keyed(3, 2), keyed(4, 3), keyed(5, 3)];
        assert_eq!(reservations.lock().take(&mut first, NOW), 0);
        assert_eq!(reservations.lock().take(&mut second, NOW), 2);
        assert_eq!((second[0].state, second[0].duplicate_of), (State::Skipped, Some(first[1].id)));
        assert_eq!((second[1].state, second[1].duplicate_of), (State::Queued, None));
        assert_eq!(second[2].duplicate_of, Some(second[1].id), "of one event the first has it");

        succeed(&mut first[1]);
        reservations.lock().free(first.iter().chain(&second).map(|run| &**run));
        let mut third = [keyed(6, 2), keyed(7, 1), keyed(8, 3)];
        assert_eq!(reservations.lock().take(&mut third, NOW), 2);
        assert_eq!(third[0].state, State::Queued, "its key came free");
    }

    #[test]
    fn only_whoever_holds_a_key_frees_it() {
        let reservations = Reservations::default();
        let mut impostor = keyed(1, 1);
        reservations.lock().hold(&keyed(2, 1));
        Arc::make_mut(&mut impostor).skip(Reason::Aborted, String::new(), NOW).unwrap();
        reservations.lock().free(std::iter::once(&*impostor));
        assert_eq!(reservations.lock().take(&mut [keyed(3, 1)], NOW), 1);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Accept(Vec<Option<u8>>),
        End(prop::sample::Index),
        Skip(prop::sample::Index),
        Restart,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => prop::collection::vec(prop::option::weighted(0.8, 0..4_u8), 0..4).prop_map(Step::Accept),
            3 => any::<prop::sample::Index>().prop_map(Step::End),
            1 => any::<prop::sample::Index>().prop_map(Step::Skip),
            1 => Just(Step::Restart),
        ]
    }

    proptest! {
        #[test]
        fn there_is_a_reservation_for_every_open_run_with_a_key_and_no_other(steps in prop::collection::vec(step(), 1..60)) {
            let mut reservations = Reservations::default();
            let mut runs: Vec<Arc<Run>> = Vec::new();
            for step in steps {
                match step {
                    Step::Accept(keys) => {
                        let numbers = u32::try_from(runs.len()).unwrap()..;
                        let id = |number: u32| RunId::from_bytes([number.to_be_bytes(); 4].concat().try_into().unwrap());
                        let mut asked: Vec<Arc<Run>> = numbers.zip(keys).map(|(number, key)| {
                            let dedup_key = key.map(|key| DedupKey::from_bytes([key; 16]));
                            Arc::new(Run { id: id(number), dedup_key, ..run(1) })
                        }).collect();
                        reservations.lock().take(&mut asked, NOW);
                        runs.extend(asked);
                    }
                    Step::End(_) | Step::Skip(_) if runs.is_empty() => {}
                    Step::End(which) => {
                        let ended = which.get(&runs).id;
                        let ended = runs.iter_mut().find(|run| run.id == ended).unwrap();
                        if !ended.state.is_terminal() {
                            succeed(ended);
                            reservations.lock().free(std::iter::once(&**ended));
                        }
                    }
                    Step::Skip(which) => {
                        let skipped = which.get(&runs).id;
                        let skipped = runs.iter_mut().find(|run| run.id == skipped).unwrap();
                        if Arc::make_mut(skipped).skip(Reason::Aborted, String::new(), NOW).is_ok() {
                            reservations.lock().free(std::iter::once(&**skipped));
                        }
                    }
                    Step::Restart => {
                        reservations = Reservations::default();
                        runs.iter().for_each(|run| reservations.lock().hold(run));
                    }
                }
                let open = runs.iter().filter(|run| !run.state.is_terminal());
                let expected: Vec<(DedupKey, RunId)> = open.filter_map(|run| Some((run.dedup_key?, run.id))).collect();
                let held: HashMap<DedupKey, RunId> = reservations.lock().0.clone();
                prop_assert_eq!(held.len(), expected.len(), "two open runs have one key");
                prop_assert_eq!(held, expected.into_iter().collect::<HashMap<_, _>>());
                for run in runs.iter().filter(|run| run.duplicate_of.is_some()) {
                    let of = runs.iter().find(|other| Some(other.id) == run.duplicate_of).unwrap();
                    prop_assert!(of.duplicate_of.is_none() && of.id < run.id, "it points at what was there before it");
                }
            }
        }
    }
}
