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
use tokio::sync::{oneshot, watch};

/// The open runs that have a key, by it.
#[derive(Debug, Default)]
pub(super) struct Reservations(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    runs: HashMap<DedupKey, RunId>,
    /// Keys whose runs are part of a transition that expects something, and so may not be kept. They are few, and each
    /// for as long as a commit takes; what ends tells that it was decided.
    unsure: HashMap<DedupKey, watch::Receiver<()>>,
}

/// An event that was planned, before its runs ask for their keys.
pub(super) struct Asking {
    live: Live,
    next: Next,
    /// Of a request that is accepted once; held until the commit.
    claim: Option<Claim>,
}

impl Asking {
    /// Settled as well: what a refused run before it skips has nothing to reserve.
    pub(super) fn begin(event: Event, planned: Result<Vec<Run>, Refusal>, claim: Option<Claim>) -> Asking {
        let now = event.created_at;
        let (live, next) = begin(event, planned, now);
        Asking { live, next, claim }
    }
}

/// A run asks for a key that is held by one of which it is not certain that it is kept: to be told that it is the same as
/// that one it must wait.
pub(super) struct Unsure {
    asking: Asking,
    decided: watch::Receiver<()>,
}

impl Unsure {
    /// Waits until it is certain.
    pub(super) async fn decided(mut self) -> Asking {
        // An error is the news: whoever could tell more is gone.
        drop(self.decided.changed().await);
        self.asking
    }
}

impl Reservations {
    /// While this is held nobody else takes or frees a key. It is held until what was decided is in the store's queue:
    /// else a duplicate could get there, and on the disk, before the run that it points at.
    pub(super) fn lock(&self) -> Reserving<'_> {
        Reserving(self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The runs that a transition ends and whose keys come free by it.
fn keyed_ends(transition: &Transition) -> Vec<Arc<Run>> {
    let ended = |change: &Change| match change {
        Change::Run(run) if run.state.is_terminal() && run.dedup_key.is_some() => Some(Arc::clone(run)),
        _ => None,
    };
    transition.changes.iter().filter_map(ended).collect()
}

pub(super) struct Reserving<'a>(MutexGuard<'a, Held>);

impl Reserving<'_> {
    /// Reserves what the runs ask for, in their order; those that ask for what is taken are skipped as duplicates.
    /// Gives how many that are.
    pub(super) fn take(&mut self, runs: &mut [Arc<Run>], now: Timestamp) -> usize {
        let mut duplicates = 0;
        for run in runs.iter_mut().filter(|run| !run.state.is_terminal()) {
            let Some(key) = run.dedup_key else { continue };
            match self.0.runs.entry(key) {
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
        let held = asked.filter_map(|key| self.0.runs.get(&key).map(|holder| (key, *holder)));
        reserving.0.get_mut().unwrap_or_else(PoisonError::into_inner).runs.extend(held);
        reserving.lock().take(runs, now)
    }

    /// Notes an open run that has its key already.
    pub(super) fn hold(&mut self, run: &Run) {
        if let Some(key) = run.dedup_key.filter(|_| !run.state.is_terminal()) {
            self.0.runs.insert(key, run.id);
        }
    }

    /// Frees the keys of those runs that are terminal.
    fn free<'a>(&mut self, runs: impl Iterator<Item = &'a Run>) {
        self.drop_all(runs.filter(|run| run.state.is_terminal()));
    }

    /// What tells when it is certain whether a key is taken that one of the runs asks for; `None` when all are certain.
    fn unsure(&self, runs: &[Arc<Run>]) -> Option<watch::Receiver<()>> {
        if self.0.unsure.is_empty() {
            return None;
        }
        let mut asked = runs.iter().filter(|run| !run.state.is_terminal()).filter_map(|run| run.dedup_key);
        let held = asked.find_map(|key| self.0.unsure.get(&key))?;
        // Nobody decides any more: the store takes nothing, and its word is that the key is taken.
        held.has_changed().is_ok().then(|| held.clone())
    }

    /// Notes of runs that have their keys that they may not be kept.
    fn doubt(&mut self, keys: &[DedupKey], decided: &watch::Receiver<()>) {
        self.0.unsure.extend(keys.iter().map(|key| (*key, decided.clone())));
    }

    fn decide(&mut self, keys: &[DedupKey]) {
        keys.iter().for_each(|key| drop(self.0.unsure.remove(key)));
    }

    fn drop_all<'a>(&mut self, runs: impl Iterator<Item = &'a Run>) {
        for run in runs {
            if let Some(Entry::Occupied(held)) = run.dedup_key.map(|key| self.0.runs.entry(key))
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
        let ended = keyed_ends(&transition);
        if ended.is_empty() {
            return self.store().submit(transition, on_commit);
        }
        // Whoever is told of the end may fire the same again at once, and must find the key free.
        let mut reserving = self.reservations().lock();
        self.store().submit(transition, on_commit);
        reserving.free(ended.iter().map(|run| &**run));
    }

    /// Hands in an end that may be refused, and waits until that is decided. Its keys come free when it is kept; until
    /// then whoever asks for one of them waits.
    pub(super) async fn hand_in_doubtful(&self, transition: Transition) -> Result<(), CommitError> {
        let (sender, committed) = oneshot::channel();
        self.submit_doubtful(transition, sender);
        kept(committed).await
    }

    fn submit_doubtful(&self, transition: Transition, answer: oneshot::Sender<Result<(), CommitError>>) {
        let ended = keyed_ends(&transition);
        if ended.is_empty() {
            return self.store().submit(transition, Some(Box::new(move |result| drop(answer.send(result)))));
        }
        let mut reserving = self.reservations().lock();
        let decide = self.doubting(&mut reserving, ended, Result::is_ok);
        let on_commit = move |result: Result<(), CommitError>| {
            decide(&result);
            drop(answer.send(result));
        };
        self.store().submit(transition, Some(Box::new(on_commit)));
    }

    /// Hands in and waits until it is on the disk.
    pub(super) async fn hand_in_and_wait(&self, transition: Transition) -> Result<(), CommitError> {
        let (sender, committed) = oneshot::channel();
        self.hand_in(transition, Some(Box::new(move |result| drop(sender.send(result)))));
        kept(committed).await
    }

    /// Reserves keys for an event that was planned, settles what that leaves of it, and hands it in with whatever
    /// `complete` adds. Should the disk refuse it, nothing is accepted any more, and its runs give back what they
    /// reserved when they end in memory; should a conflict, its keys are free when that is said.
    ///
    /// # Errors
    /// It may be the same as what may not be kept: to be asked again.
    pub(super) fn reserve_and_hand_in(
        &self,
        mut asking: Asking,
        complete: impl FnOnce(Transition, &Live) -> Transition,
    ) -> Result<(Accepted, Committed), Box<Unsure>> {
        if asking.next == Next::Nothing || asking.live.runs.iter().all(|run| run.dedup_key.is_none()) {
            return Ok(self.hand_in_event(asking, complete));
        }
        let mut reserving = self.reservations().lock();
        if let Some(decided) = reserving.unsure(&asking.live.runs) {
            return Err(Box::new(Unsure { asking, decided }));
        }
        let now = asking.live.event.created_at;
        if reserving.take(&mut asking.live.runs, now) > 0 {
            (asking.next, _) = settle(Arc::make_mut(&mut asking.live.event), &mut asking.live.runs, now);
        }
        Ok(self.hand_in_reserved(asking, complete, Some(reserving)))
    }

    /// The same of an event whose runs ask for no keys.
    pub(super) fn hand_in_event(
        &self,
        asking: Asking,
        complete: impl FnOnce(Transition, &Live) -> Transition,
    ) -> (Accepted, Committed) {
        self.hand_in_reserved(asking, complete, None)
    }

    fn hand_in_reserved(
        &self,
        Asking { mut live, next, claim }: Asking,
        complete: impl FnOnce(Transition, &Live) -> Transition,
        mut reserving: Option<Reserving<'_>>,
    ) -> (Accepted, Committed) {
        let (sender, committed) = oneshot::channel();
        // Runs that were refused when they were planned have ended.
        let now = live.event.created_at;
        let children = self.follow(&mut live, now);
        let accepting = complete(accepting(&live, &children), &live);
        let doubted = reserving.as_mut().filter(|_| !accepting.expect.is_empty());
        let open = live.runs.iter().filter(|run| !run.state.is_terminal());
        let deciding = doubted.map(|reserving| self.doubting(reserving, open.cloned().collect(), Result::is_err));
        let on_commit: OnCommit = Box::new(move |result| {
            if let Some(decide) = deciding {
                decide(&result);
            }
            // Those who waited for it find what was remembered.
            drop(claim);
            drop(sender.send(result));
        });
        self.store().submit(accepting, Some(on_commit));
        drop(reserving);
        (Accepted { live, next, children }, committed)
    }

    /// Lets who asks for the keys of these runs wait until it is known whether they come free, and gives what to do then.
    fn doubting(
        &self,
        reserving: &mut Reserving<'_>,
        runs: Vec<Arc<Run>>,
        come_free: fn(&Result<(), CommitError>) -> bool,
    ) -> impl FnOnce(&Result<(), CommitError>) + Send + use<> {
        let keys: Vec<DedupKey> = runs.iter().filter_map(|run| run.dedup_key).collect();
        let (telling, decided) = watch::channel(());
        reserving.doubt(&keys, &decided);
        let dispatch = self.clone();
        move |result| {
            // A store that takes nothing any more says so while the lock is held, and nobody decides then.
            if !matches!(result, Err(CommitError::Broken(_))) {
                let mut reserving = dispatch.reservations().lock();
                reserving.decide(&keys);
                if come_free(result) {
                    reserving.drop_all(runs.iter().map(|run| &**run));
                }
            }
            drop(telling);
        }
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

    /// Told to be the same as a run that was not kept in the end, a fire would have been lost.
    #[test]
    fn who_asks_for_a_key_that_may_come_free_again_waits_until_that_is_decided() {
        let reservations = Reservations::default();
        let key = DedupKey::from_bytes([1; 16]);
        let other = keyed(9, 2);
        for kept in [true, false] {
            let (telling, decided) = watch::channel(());
            let mut first = [keyed(1, 1)];
            reservations.lock().take(&mut first, NOW);
            reservations.lock().doubt(&[key], &decided);
            let mut second = [keyed(2, 1)];
            let waiting = reservations.lock().unsure(&second).expect("it waits");
            assert!(waiting.has_changed().is_ok(), "nothing is decided yet");
            assert!(reservations.lock().unsure(&[Arc::clone(&other)]).is_none(), "another key is no matter of doubt");
            let ended = [Arc::new(Run { state: State::Skipped, ..(*second[0]).clone() })];
            assert!(reservations.lock().unsure(&ended).is_none(), "what has ended asks for nothing");
            reservations.lock().decide(&[key]);
            if !kept {
                reservations.lock().drop_all(first.iter().map(|run| &**run));
            }
            drop(telling);
            assert!(waiting.has_changed().is_err(), "it is told");
            assert!(reservations.lock().unsure(&second).is_none());
            let duplicates = reservations.lock().take(&mut second, NOW);
            assert_eq!((duplicates, second[0].duplicate_of), if kept { (1, Some(first[0].id)) } else { (0, None) });
            reservations.lock().drop_all(first.iter().chain(&second).map(|run| &**run));
        }
        let (telling, decided) = watch::channel(());
        reservations.lock().doubt(&[key], &decided);
        drop(telling);
        assert!(reservations.lock().unsure(&[keyed(1, 1)]).is_none(), "nobody is waited for who is gone");
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
                let held: HashMap<DedupKey, RunId> = reservations.lock().0.runs.clone();
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
