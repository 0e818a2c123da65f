//! Permits: what each rule says, and any sequence of offers, ends, withdrawals and changes of limits against what a naive
//! list of jobs says.

use super::capacity::{Capacity, Permits, Profile};
use crate::domain::{SinkTypeId, TenantId};
use proptest::prelude::*;
use std::collections::BTreeMap;

const WASM: Profile = None;
const SLOW: Profile = Some(SinkTypeId::from_bytes([1; 16]));
const FAST: Profile = Some(SinkTypeId::from_bytes([2; 16]));

fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

/// With as much room under `wasm` as there is at all.
fn capacity(total: u32, per_tenant: u32) -> Capacity<u64> {
    let mut capacity = Capacity::new(Permits { total, per_tenant });
    capacity.set_limit(WASM, total);
    capacity
}

fn next_of(capacity: &mut Capacity<u64>) -> Vec<u64> {
    std::iter::from_fn(|| capacity.next()).collect()
}

#[test]
fn what_has_no_permit_waits_and_is_never_refused() {
    let mut capacity = capacity(2, 2);
    let a = tenant("a");
    assert_eq!(capacity.offer((&a, WASM), 1, 1), Some(1));
    assert_eq!(capacity.offer((&a, WASM), 2, 2), Some(2));
    assert_eq!(capacity.offer((&a, WASM), 3, 3), None);
    assert_eq!((capacity.running(), capacity.queued()), (2, 1));
    assert_eq!(capacity.release((&a, WASM)), [3]);
    assert_eq!(capacity.release((&a, WASM)), [0; 0]);
    assert_eq!(capacity.release((&a, WASM)), [0; 0]);
    assert_eq!((capacity.running(), capacity.queued()), (0, 0));
}

#[test]
fn a_tenant_that_floods_queues_behind_itself() {
    let mut capacity = capacity(3, 2);
    let (noisy, quiet) = (tenant("noisy"), tenant("quiet"));
    let started: Vec<u64> = (0..100).filter_map(|job| capacity.offer((&noisy, WASM), job, job)).collect();
    assert_eq!(started, [0, 1], "no more than its own share");
    assert_eq!(capacity.offer((&quiet, WASM), 1_000, 1_000), Some(1_000), "the third permit was kept for others");
}

#[test]
fn tenants_take_turns() {
    let mut capacity = capacity(1, 1);
    let (a, b) = (tenant("a"), tenant("b"));
    assert!(capacity.offer((&a, WASM), 0, 0).is_some());
    for job in 1..4 {
        capacity.offer((&a, WASM), job, job);
    }
    capacity.offer((&b, WASM), 10, 10);
    capacity.offer((&b, WASM), 11, 11);
    let mut holder = a.clone();
    let mut order = Vec::new();
    while let [job] = capacity.release((&holder, WASM))[..] {
        order.push(job);
        holder = if job >= 10 { b.clone() } else { a.clone() };
    }
    assert_eq!(order, [1, 10, 2, 11, 3]);
}

#[test]
fn a_full_sink_type_holds_back_its_own_jobs_only() {
    let mut capacity = capacity(8, 8);
    capacity.set_limit(SLOW, 1);
    let (a, b) = (tenant("a"), tenant("b"));
    assert_eq!(capacity.offer((&a, SLOW), 1, 1), Some(1));
    assert_eq!(capacity.offer((&a, SLOW), 2, 2), None);
    assert_eq!(capacity.offer((&b, SLOW), 3, 3), None);
    assert_eq!(capacity.offer((&a, WASM), 4, 4), Some(4), "what waits for another sink type is not in its way");
    let mut loads: Vec<_> = capacity.loads().collect();
    loads.sort_unstable();
    assert_eq!(loads, [(WASM, 1, 0), (SLOW, 1, 2)]);
    assert_eq!(capacity.release((&a, WASM)), [0; 0]);
    assert_eq!(capacity.release((&a, SLOW)), [2]);
    assert_eq!(capacity.release((&a, SLOW)), [3]);
}

#[test]
fn one_permit_that_comes_back_can_let_two_jobs_start() {
    let mut capacity = capacity(8, 1);
    capacity.set_limit(SLOW, 1);
    let (a, b) = (tenant("a"), tenant("b"));
    assert_eq!(capacity.offer((&a, SLOW), 1, 1), Some(1));
    assert_eq!(capacity.offer((&a, WASM), 2, 2), None, "the tenant is full");
    assert_eq!(capacity.offer((&b, SLOW), 3, 3), None, "the sink type is full");
    assert_eq!(capacity.release((&a, SLOW)), [2, 3]);
}

#[test]
fn a_sink_type_is_shared_fairly_among_tenants() {
    let mut capacity = capacity(8, 8);
    capacity.set_limit(SLOW, 1);
    let (noisy, quiet) = (tenant("noisy"), tenant("quiet"));
    for job in 0..50 {
        capacity.offer((&noisy, SLOW), job, job);
    }
    capacity.offer((&quiet, SLOW), 100, 100);
    assert_eq!(capacity.release((&noisy, SLOW)), [1], "it was first to wait");
    assert_eq!(capacity.release((&noisy, SLOW)), [100], "and then it is the other's turn");
}

#[test]
fn many_sink_types_do_not_give_a_tenant_more_turns() {
    let mut capacity = capacity(1, 1);
    let (noisy, quiet) = (tenant("noisy"), tenant("quiet"));
    for profile in [SLOW, FAST] {
        capacity.set_limit(profile, 1);
    }
    capacity.offer((&noisy, WASM), 0, 0);
    for (ticket, profile) in (1..).zip([SLOW, FAST, WASM, SLOW, FAST, WASM]) {
        capacity.offer((&noisy, profile), ticket, ticket);
    }
    for ticket in 100..103 {
        capacity.offer((&quiet, WASM), ticket, ticket);
    }
    let mut order = Vec::new();
    let mut holder = (noisy.clone(), WASM);
    while let [job] = capacity.release((&holder.0, holder.1))[..] {
        order.push(job);
        let profile = if job >= 100 { WASM } else { [WASM, SLOW, FAST][job as usize % 3] };
        holder = (if job >= 100 { quiet.clone() } else { noisy.clone() }, profile);
    }
    assert_eq!(order, [1, 100, 2, 101, 3, 102, 4, 5, 6]);
}

#[test]
fn a_limit_that_changes_holds_from_then_on() {
    let mut capacity = capacity(8, 8);
    capacity.set_limit(SLOW, 0);
    let a = tenant("a");
    for job in 1..=4 {
        assert_eq!(capacity.offer((&a, SLOW), job, job), None, "nobody takes it");
    }
    capacity.set_limit(SLOW, 2);
    assert_eq!(next_of(&mut capacity), [1, 2]);
    capacity.set_limit(SLOW, 1);
    assert_eq!(capacity.release((&a, SLOW)), [0; 0], "one too many was running");
    assert_eq!(capacity.release((&a, SLOW)), [3]);
    capacity.set_limit(SLOW, 8);
    assert_eq!(next_of(&mut capacity), [4]);
    capacity.forget_idle_profiles();
    assert!(capacity.knows(SLOW) && !capacity.knows(WASM));
}

#[test]
fn what_is_taken_out_of_the_queue_has_no_turn_and_is_not_counted() {
    let mut capacity = capacity(1, 1);
    let (a, b) = (tenant("a"), tenant("b"));
    assert!(capacity.offer((&a, WASM), 0, 0).is_some());
    for job in 1..=3 {
        assert_eq!(capacity.offer((&b, WASM), job, job), None);
    }
    assert_eq!(capacity.offer((&a, WASM), 4, 4), None);
    let taken = [2, 2, 9].map(|ticket| capacity.take((&b, WASM), ticket));
    assert_eq!((taken, capacity.take((&b, SLOW), 3)), ([Some(2), None, None], None));
    assert_eq!((capacity.queued(), capacity.queued_of(&b)), (3, 2));
    assert_eq!(capacity.release((&a, WASM)), [1]);
    assert_eq!((capacity.take((&b, WASM), 3), capacity.queued_of(&b)), (Some(3), 0));
    assert_eq!(capacity.release((&b, WASM)), [4]);
    assert_eq!(capacity.release((&a, WASM)), [0; 0]);
    assert_eq!((capacity.running(), capacity.queued(), capacity.knows_tenant(&b)), (0, 0, false));
}

const PERMITS: Permits = Permits { total: 4, per_tenant: 3 };
const TENANTS: [&str; 4] = ["a", "b", "c", "d"];

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Of this tenant under this sink type.
    Offer(usize, usize),
    /// One of those that run ends.
    End(usize),
    /// One of those that wait is taken out.
    Take(usize),
    Limit(usize, u32),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..TENANTS.len(), 0..3_usize).prop_map(|(tenant, profile)| Step::Offer(tenant, profile)),
        4 => any::<usize>().prop_map(Step::End),
        1 => any::<usize>().prop_map(Step::Take),
        1 => (0..3_usize, 0..5_u32).prop_map(|(profile, limit)| Step::Limit(profile, limit)),
    ];
    proptest::collection::vec(step, 1..200)
}

fn profile(number: usize) -> Profile {
    (number > 0).then(|| SinkTypeId::from_bytes([u8::try_from(number).unwrap(); 16]))
}

/// What the capacity was told, without a thought for turns.
struct World {
    capacity: Capacity<u64>,
    limits: [u32; 3],
    running: BTreeMap<u64, (TenantId, usize)>,
    waiting: BTreeMap<u64, (TenantId, usize)>,
    tickets: u64,
}

impl World {
    fn new() -> World {
        let (mut capacity, limits) = (Capacity::new(PERMITS), [4, 1, 2]);
        for (number, limit) in limits.into_iter().enumerate() {
            capacity.set_limit(profile(number), limit);
        }
        World { capacity, limits, running: BTreeMap::new(), waiting: BTreeMap::new(), tickets: 0 }
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Offer(tenant, number) => {
                self.tickets += 1;
                let (ticket, tenant): (u64, TenantId) = (self.tickets, TENANTS[tenant].parse().unwrap());
                let place = (&tenant, profile(number));
                let begun = self.capacity.offer(place, ticket, ticket).is_some();
                let list = if begun { &mut self.running } else { &mut self.waiting };
                list.insert(ticket, (tenant, number));
            }
            Step::End(which) if !self.running.is_empty() => {
                let ticket = *self.running.keys().nth(which % self.running.len()).unwrap();
                let (tenant, number) = self.running.remove(&ticket).unwrap();
                let begun = self.capacity.release((&tenant, profile(number)));
                self.began(begun);
            }
            Step::Take(which) if !self.waiting.is_empty() => {
                let ticket = *self.waiting.keys().nth(which % self.waiting.len()).unwrap();
                let (tenant, number) = self.waiting.remove(&ticket).unwrap();
                assert_eq!(self.capacity.take((&tenant, profile(number)), ticket), Some(ticket));
            }
            Step::Limit(number, limit) => {
                self.limits[number] = limit;
                self.capacity.set_limit(profile(number), limit);
                let begun = std::iter::from_fn(|| self.capacity.next()).collect();
                self.began(begun);
            }
            Step::End(_) | Step::Take(_) => {}
        }
    }

    fn began(&mut self, tickets: Vec<u64>) {
        for ticket in tickets {
            let (tenant, number) = self.waiting.remove(&ticket).expect("what begins was waiting");
            let older =
                self.waiting.iter().find(|(other, place)| **other < ticket && **place == (tenant.clone(), number));
            assert!(older.is_none(), "{ticket} began before {older:?}");
            self.running.insert(ticket, (tenant, number));
        }
    }

    fn running_of(&self, wanted: impl Fn(&(TenantId, usize)) -> bool) -> u32 {
        u32::try_from(self.running.values().filter(|place| wanted(place)).count()).unwrap()
    }

    /// No bound is passed, and nobody waits who could run.
    fn check(&self, lowered: bool) {
        assert_eq!(
            (self.capacity.running() as usize, self.capacity.queued()),
            (self.running.len(), self.waiting.len())
        );
        assert!(self.running.len() <= PERMITS.total as usize);
        for (tenant, number) in self.waiting.values() {
            let of_tenant = self.running_of(|(other, _)| other == tenant);
            let of_profile = self.running_of(|(_, other)| other == number);
            let full = self.running.len() >= PERMITS.total as usize
                || of_tenant >= PERMITS.per_tenant
                || of_profile >= self.limits[*number];
            assert!(full, "a job of `{tenant}` under {number} waits for nothing");
        }
        for (number, limit) in self.limits.into_iter().enumerate() {
            let of_profile = self.running_of(|(_, other)| *other == number);
            assert!(lowered || of_profile <= limit, "{of_profile} run under {number}, of which {limit} may");
            let load = self.capacity.loads().find(|(found, ..)| *found == profile(number)).unwrap();
            let queued = self.waiting.values().filter(|(_, other)| *other == number).count();
            assert_eq!((load.1, load.2), (of_profile, queued));
        }
        for name in TENANTS {
            let tenant: TenantId = name.parse().unwrap();
            assert!(self.running_of(|(other, _)| *other == tenant) <= PERMITS.per_tenant);
        }
    }
}

proptest! {
    #[test]
    fn no_bound_is_passed_nobody_waits_for_nothing_and_every_permit_comes_back(steps in steps()) {
        let mut world = World::new();
        let mut lowered = false;
        for step in steps {
            // What runs when a limit is lowered runs on.
            lowered |= matches!(step, Step::Limit(..));
            world.run(step);
            world.check(lowered);
        }
        for number in 0..3 {
            world.run(Step::Limit(number, 4));
        }
        while !world.running.is_empty() {
            world.run(Step::End(0));
            world.check(true);
        }
        prop_assert_eq!((world.capacity.running(), world.capacity.queued(), world.waiting.len()), (0, 0, 0));
    }

    /// However much a tenant floods, another's job begins after at most one job of each other tenant that waited before
    /// it, counted from the moment it could.
    #[test]
    fn a_tenant_that_waits_is_served_after_each_other_at_most_once(floods in proptest::collection::vec((0..3_usize, 0..3_usize), 1..60)) {
        let mut capacity = Capacity::new(Permits { total: 1, per_tenant: 1 });
        for number in 0..3 {
            capacity.set_limit(profile(number), 1);
        }
        let mut places = BTreeMap::new();
        let mut running = None;
        for (ticket, (tenant, number)) in (1_u64..).zip(floods) {
            let tenant: TenantId = TENANTS[tenant].parse().unwrap();
            if capacity.offer((&tenant, profile(number)), ticket, ticket).is_some() {
                running = Some(ticket);
            }
            places.insert(ticket, (tenant, number));
        }
        let late: TenantId = "d".parse().unwrap();
        capacity.offer((&late, profile(0)), 1_000, 1_000);
        places.insert(1_000, (late.clone(), 0));
        let mut served = BTreeMap::new();
        while let Some(ticket) = running {
            let (tenant, number) = &places[&ticket];
            let begun = capacity.release((tenant, profile(*number)));
            running = begun.first().copied();
            match running {
                Some(1_000) => break,
                Some(ticket) => *served.entry(places[&ticket].0.clone()).or_insert(0) += 1,
                None => prop_assert!(false, "it was never served"),
            }
        }
        prop_assert!(served.values().all(|count| *count <= 1), "{:?}", served);
    }
}
