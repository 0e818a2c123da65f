//! Any sequence of offers, ends, withdrawals and changes of limits, against what a naive list of jobs says.

use super::capacity::{Capacity, Permits, Profile};
use crate::domain::{SinkTypeId, TenantId};
use proptest::prelude::*;
use std::collections::BTreeMap;

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
    /// How many jobs of others began while one tenant had some that could have.
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
