//! Permits: how many attempts run at once, and whose turn it is when more would like to.
//!
//! A permit counts for the whole profile and for the tenant. Tenants take turns, so one that floods queues behind itself.

use crate::domain::TenantId;
use std::collections::{HashMap, VecDeque};

/// How many attempts may run at once.
#[derive(Clone, Copy, Debug)]
pub struct Permits {
    pub total: u32,
    pub per_tenant: u32,
}

/// Jobs that run and jobs that wait for a permit.
#[derive(Debug)]
pub(super) struct Capacity<J> {
    permits: Permits,
    running: u32,
    queued: usize,
    tenants: HashMap<TenantId, Tenant<J>>,
    /// Tenants with a queue that are below their own limit, in the order of their turns.
    turns: VecDeque<TenantId>,
}

#[derive(Debug)]
struct Tenant<J> {
    running: u32,
    /// By ticket, which rise. What was taken out leaves a gap until its turn comes.
    queue: VecDeque<(u64, Option<J>)>,
    /// What is in the queue without the gaps.
    queued: usize,
    has_turn: bool,
}

impl<J> Tenant<J> {
    fn pop(&mut self) -> Option<J> {
        let job = std::iter::from_fn(|| self.queue.pop_front()).find_map(|(_, job)| job)?;
        self.queued -= 1;
        Some(job)
    }
}

impl<J> Capacity<J> {
    pub(super) fn new(permits: Permits) -> Capacity<J> {
        Capacity { permits, running: 0, queued: 0, tenants: HashMap::new(), turns: VecDeque::new() }
    }

    pub(super) fn running(&self) -> u32 {
        self.running
    }

    pub(super) fn queued(&self) -> usize {
        self.queued
    }

    pub(super) fn queued_of(&self, tenant: &TenantId) -> usize {
        self.tenants.get(tenant).map_or(0, |t| t.queued)
    }

    /// Gives the job back with a permit taken, or keeps it until its turn comes. Its ticket, larger than every one
    /// before, is what [`Capacity::take`] finds it by.
    pub(super) fn offer(&mut self, tenant: &TenantId, ticket: u64, job: J) -> Option<J> {
        let total_free = self.running < self.permits.total;
        let load = self.tenants.entry(tenant.clone()).or_insert_with(|| Tenant {
            running: 0,
            queue: VecDeque::new(),
            queued: 0,
            has_turn: false,
        });
        if total_free && load.queued == 0 && load.running < self.permits.per_tenant {
            load.running += 1;
            self.running += 1;
            return Some(job);
        }
        load.queue.push_back((ticket, Some(job)));
        load.queued += 1;
        self.queued += 1;
        if !load.has_turn && load.running < self.permits.per_tenant {
            load.has_turn = true;
            self.turns.push_back(tenant.clone());
        }
        None
    }

    /// Takes a job out of the queue.
    pub(super) fn take(&mut self, tenant: &TenantId, ticket: u64) -> Option<J> {
        let load = self.tenants.get_mut(tenant)?;
        let place = load.queue.binary_search_by_key(&ticket, |(ticket, _)| *ticket).ok()?;
        let job = load.queue[place].1.take()?;
        load.queued -= 1;
        self.queued -= 1;
        if load.queued == 0 {
            load.queue.clear();
        }
        Some(job)
    }

    /// Gives a permit of `tenant` back; the job whose turn it is now comes out with the permit taken.
    pub(super) fn release(&mut self, tenant: &TenantId) -> Option<(TenantId, J)> {
        self.running = self.running.saturating_sub(1);
        if let Some(load) = self.tenants.get_mut(tenant) {
            load.running = load.running.saturating_sub(1);
            if load.queued > 0 && !load.has_turn {
                load.has_turn = true;
                self.turns.push_back(tenant.clone());
            }
            self.forget_idle(tenant);
        }
        self.next()
    }

    fn next(&mut self) -> Option<(TenantId, J)> {
        if self.running >= self.permits.total {
            return None;
        }
        while let Some(tenant) = self.turns.pop_front() {
            let Some(load) = self.tenants.get_mut(&tenant) else { continue };
            load.has_turn = false;
            let Some(job) = load.pop() else {
                // All that it had queued was taken out.
                self.forget_idle(&tenant);
                continue;
            };
            load.running += 1;
            self.queued -= 1;
            self.running += 1;
            if load.queued > 0 && load.running < self.permits.per_tenant {
                load.has_turn = true;
                self.turns.push_back(tenant.clone());
            }
            return Some((tenant, job));
        }
        None
    }

    fn forget_idle(&mut self, tenant: &TenantId) {
        if self.tenants.get(tenant).is_some_and(|load| load.queued == 0 && load.running == 0 && !load.has_turn) {
            self.tenants.remove(tenant);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(name: &str) -> TenantId {
        name.parse().unwrap()
    }

    #[test]
    fn what_has_no_permit_waits_and_is_never_refused() {
        let mut capacity = Capacity::new(Permits { total: 2, per_tenant: 2 });
        let a = tenant("a");
        assert_eq!(capacity.offer(&a, 1, 1), Some(1));
        assert_eq!(capacity.offer(&a, 2, 2), Some(2));
        assert_eq!(capacity.offer(&a, 3, 3), None);
        assert_eq!((capacity.running(), capacity.queued()), (2, 1));
        assert_eq!(capacity.release(&a), Some((a.clone(), 3)));
        assert_eq!(capacity.release(&a), None);
        assert_eq!(capacity.release(&a), None);
        assert_eq!((capacity.running(), capacity.queued()), (0, 0));
    }

    #[test]
    fn a_tenant_that_floods_queues_behind_itself() {
        let mut capacity = Capacity::new(Permits { total: 3, per_tenant: 2 });
        let (noisy, quiet) = (tenant("noisy"), tenant("quiet"));
        let started: Vec<u32> = (0..100).filter_map(|job| capacity.offer(&noisy, u64::from(job), job)).collect();
        assert_eq!(started, [0, 1], "no more than its own share");
        assert_eq!(capacity.offer(&quiet, 1_000, 1_000), Some(1_000), "the third permit was kept for others");
    }

    #[test]
    fn tenants_take_turns() {
        let mut capacity = Capacity::new(Permits { total: 1, per_tenant: 1 });
        let (a, b) = (tenant("a"), tenant("b"));
        assert!(capacity.offer(&a, 0, 0).is_some());
        for job in 1..4 {
            capacity.offer(&a, job, job);
        }
        capacity.offer(&b, 10, 10);
        capacity.offer(&b, 11, 11);
        let mut holder = a.clone();
        let mut order = Vec::new();
        while let Some((tenant, job)) = capacity.release(&holder) {
            order.push(job);
            holder = tenant;
        }
        assert_eq!(order.len(), 5);
        let places: Vec<usize> = [10, 11].iter().map(|job| order.iter().position(|o| o == job).unwrap()).collect();
        assert!(places[0] <= 1 && places[1] <= 3, "{order:?}");
    }

    #[test]
    fn what_is_taken_out_of_the_queue_has_no_turn_and_is_not_counted() {
        let mut capacity = Capacity::new(Permits { total: 1, per_tenant: 1 });
        let (a, b) = (tenant("a"), tenant("b"));
        assert!(capacity.offer(&a, 0, 0).is_some());
        for job in 1..=3 {
            assert_eq!(capacity.offer(&b, job, job), None);
        }
        assert_eq!(capacity.offer(&a, 4, 4), None);
        assert_eq!((capacity.take(&b, 2), capacity.take(&b, 2), capacity.take(&b, 9)), (Some(2), None, None));
        assert_eq!((capacity.queued(), capacity.queued_of(&b)), (3, 2));
        assert_eq!(capacity.release(&a), Some((b.clone(), 1)));
        assert_eq!((capacity.take(&b, 3), capacity.queued_of(&b)), (Some(3), 0));
        assert_eq!(capacity.release(&b), Some((a.clone(), 4)), "a turn with nothing to do is passed on");
        assert_eq!(capacity.release(&a), None);
        assert_eq!((capacity.running(), capacity.queued(), capacity.tenants.len()), (0, 0, 0));
    }

    #[test]
    fn every_permit_comes_back_whatever_the_order() {
        let mut capacity = Capacity::new(Permits { total: 4, per_tenant: 3 });
        let mut random = 12_345_u64;
        let mut running: Vec<TenantId> = Vec::new();
        let mut queued: Vec<(TenantId, u64)> = Vec::new();
        let (mut offered, mut started, mut taken) = (0, 0, 0);
        for step in 0..10_000_u64 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let name = tenant(["a", "b", "c"][(random >> 33) as usize % 3]);
            if step < 5_000 && random >> 62 != 0 {
                offered += 1;
                if capacity.offer(&name, step, step).is_some() {
                    started += 1;
                    running.push(name);
                } else {
                    queued.push((name, step));
                }
            } else if random >> 60 & 1 == 1 && !queued.is_empty() {
                let (tenant, ticket) = queued.swap_remove((random >> 40) as usize % queued.len());
                taken += u64::from(capacity.take(&tenant, ticket).is_some());
            } else if !running.is_empty() {
                let tenant = running.swap_remove((random >> 40) as usize % running.len());
                if let Some((next, _)) = capacity.release(&tenant) {
                    started += 1;
                    running.push(next);
                }
            }
            assert!(running.len() <= 4);
            assert_eq!(capacity.running() as usize, running.len());
        }
        assert!(taken > 100, "{taken}");
        assert_eq!((started + taken, capacity.queued(), capacity.tenants.len()), (offered, 0, 0));
    }
}
