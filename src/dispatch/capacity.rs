//! Permits: how many attempts run at once, and whose turn it is when more would like to.
//!
//! An attempt takes three permits: of the server, of its tenant and of its sink type. Tenants take turns, so one that
//! floods queues behind itself. Of one tenant, what came first goes first, unless its sink type is full.

use crate::domain::{IdMap, SinkTypeId, TenantId};
use std::collections::{BTreeMap, BTreeSet};

/// How many attempts may run at once.
#[derive(Clone, Copy, Debug)]
pub struct Permits {
    pub total: u32,
    pub per_tenant: u32,
}

/// A sink type as far as permits are concerned; `None` is the built-in one.
pub type Profile = Option<SinkTypeId>;

/// Jobs that run and jobs that wait for a permit.
///
/// Whoever could have a permit has one: what waits, waits because the server, the tenant or the sink type is full.
#[derive(Debug)]
pub(super) struct Capacity<J> {
    permits: Permits,
    /// Of tenants that may run more or less than usual.
    limits: IdMap<TenantId, u32>,
    running: u32,
    queued: usize,
    tenants: IdMap<TenantId, Tenant<J>>,
    profiles: IdMap<Profile, Load>,
    /// Of every sink type that has a permit free, the turn that comes first.
    first: BTreeSet<(Turn, Profile)>,
    /// Counts what tells earlier turns from later ones.
    turns: u64,
}

#[derive(Debug)]
struct Tenant<J> {
    running: u32,
    queued: usize,
    /// When it began to wait for its turn.
    since: u64,
    /// By sink type the jobs that wait, each by its ticket; none is empty.
    queues: IdMap<Profile, BTreeMap<u64, J>>,
}

/// One sink type.
#[derive(Debug)]
struct Load {
    /// Runs at once; 0 while nobody takes it.
    limit: u32,
    running: u32,
    queued: usize,
    /// Of the tenants that have jobs here and are below their own limit.
    turns: BTreeSet<Turn>,
    /// What [`Capacity::first`] has of it.
    shown: Option<Turn>,
}

/// Who has waited longest comes first; of one tenant, its oldest job.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    since: u64,
    ticket: u64,
    tenant: TenantId,
}

impl Load {
    /// Keeps `first` in step with what changed here.
    fn show(&mut self, profile: Profile, first: &mut BTreeSet<(Turn, Profile)>) {
        let now = if self.running < self.limit { self.turns.first() } else { None };
        if now == self.shown.as_ref() {
            return;
        }
        let now = now.cloned();
        if let Some(shown) = std::mem::replace(&mut self.shown, now.clone()) {
            first.remove(&(shown, profile));
        }
        first.extend(now.map(|turn| (turn, profile)));
    }
}

impl<J> Capacity<J> {
    pub(super) fn new(permits: Permits) -> Capacity<J> {
        Capacity {
            permits,
            limits: IdMap::default(),
            running: 0,
            queued: 0,
            tenants: IdMap::default(),
            profiles: IdMap::default(),
            first: BTreeSet::new(),
            turns: 0,
        }
    }

    pub(super) fn running(&self) -> u32 {
        self.running
    }

    pub(super) fn queued(&self) -> usize {
        self.queued
    }

    pub(super) fn running_of(&self, tenant: &TenantId) -> u32 {
        self.tenants.get(tenant).map_or(0, |holder| holder.running)
    }

    fn limit_of(&self, tenant: &TenantId) -> u32 {
        self.limits.get(tenant).copied().unwrap_or(self.permits.per_tenant)
    }

    /// Sets how many runs of these tenants may go on at once; others may have the usual number. What may start because
    /// of it is what [`Capacity::next`] gives.
    pub(super) fn set_tenant_limits(&mut self, limits: IdMap<TenantId, u32>) {
        let touched: Vec<TenantId> = self.limits.keys().chain(limits.keys()).cloned().collect();
        touched.iter().for_each(|tenant| self.hide(tenant));
        self.limits = limits;
        touched.iter().for_each(|tenant| self.show(tenant));
    }

    pub(super) fn permits(&self) -> Permits {
        self.permits
    }

    pub(super) fn queued_of(&self, tenant: &TenantId) -> usize {
        self.tenants.get(tenant).map_or(0, |holder| holder.queued)
    }

    #[cfg(test)]
    pub(super) fn knows_tenant(&self, tenant: &TenantId) -> bool {
        self.tenants.contains_key(tenant)
    }

    pub(super) fn total(&self) -> u32 {
        self.permits.total
    }

    /// Of every sink type that is known: how many run and how many wait.
    pub(super) fn loads(&self) -> impl Iterator<Item = (Profile, u32, usize)> {
        self.profiles.iter().map(|(profile, load)| (*profile, load.running, load.queued))
    }

    /// By sink type how many jobs of a tenant wait.
    pub(super) fn queues_of(&self, tenant: &TenantId) -> impl Iterator<Item = (Profile, usize)> {
        let queues = self.tenants.get(tenant).into_iter().flat_map(|holder| &holder.queues);
        queues.map(|(profile, queue)| (*profile, queue.len()))
    }

    /// Whether the limit of this sink type was set.
    pub(super) fn knows(&self, profile: Profile) -> bool {
        self.profiles.contains_key(&profile)
    }

    /// Sets how many of a sink type may run at once. What may start because of it is what [`Capacity::next`] gives.
    pub(super) fn set_limit(&mut self, profile: Profile, limit: u32) {
        let turns = BTreeSet::new();
        let unknown = Load { limit, running: 0, queued: 0, turns, shown: None };
        let load = self.profiles.entry(profile).or_insert(unknown);
        load.limit = limit;
        load.show(profile, &mut self.first);
    }

    /// Forgets the sink types of which nothing runs or waits.
    pub(super) fn forget_idle_profiles(&mut self) {
        self.profiles.retain(|_, load| load.running > 0 || load.queued > 0);
    }

    /// Gives the job back with its permits taken, or keeps it until its turn comes. Its ticket, larger than every one
    /// before, is what [`Capacity::take`] finds it by. The limit of its sink type was set.
    pub(super) fn offer(&mut self, (tenant, profile): (&TenantId, Profile), ticket: u64, job: J) -> Option<J> {
        let limit = self.limit_of(tenant);
        let holder = self.tenants.entry(tenant.clone()).or_insert_with(|| Tenant {
            running: 0,
            queued: 0,
            since: 0,
            queues: IdMap::default(),
        });
        let Some(load) = self.profiles.get_mut(&profile) else {
            debug_assert!(false, "the limit of a sink type is set before anything is offered under it");
            return Some(job);
        };
        let is_next = !holder.queues.contains_key(&profile);
        let has_room = self.running < self.permits.total && holder.running < limit;
        if is_next && has_room && load.running < load.limit {
            (holder.running, load.running, self.running) = (holder.running + 1, load.running + 1, self.running + 1);
            load.show(profile, &mut self.first);
            if holder.queued > 0 && holder.running >= limit {
                self.hide(tenant);
            }
            return Some(job);
        }
        if holder.queued == 0 {
            self.turns += 1;
            holder.since = self.turns;
        }
        (holder.queued, load.queued, self.queued) = (holder.queued + 1, load.queued + 1, self.queued + 1);
        let queue = holder.queues.entry(profile).or_default();
        queue.insert(ticket, job);
        if queue.len() == 1 && holder.running < limit {
            load.turns.insert(Turn { since: holder.since, ticket, tenant: tenant.clone() });
            load.show(profile, &mut self.first);
        }
        None
    }

    /// Takes a job out of the queue.
    pub(super) fn take(&mut self, (tenant, profile): (&TenantId, Profile), ticket: u64) -> Option<J> {
        self.tenants.get(tenant)?.queues.get(&profile)?.get(&ticket)?;
        self.hide(tenant);
        let job = self.unqueue((tenant, profile), Some(ticket));
        self.show(tenant);
        self.forget_idle(tenant);
        job
    }

    /// Gives the permits of a job back; what may start because of it comes out with its permits taken.
    pub(super) fn release(&mut self, (tenant, profile): (&TenantId, Profile)) -> Vec<J> {
        self.running = self.running.saturating_sub(1);
        if let Some(load) = self.profiles.get_mut(&profile) {
            load.running = load.running.saturating_sub(1);
            load.show(profile, &mut self.first);
        }
        if let Some(holder) = self.tenants.get_mut(tenant) {
            holder.running = holder.running.saturating_sub(1);
            if holder.queued > 0 {
                self.show(tenant);
            } else if holder.running == 0 {
                self.tenants.remove(tenant);
            }
        }
        std::iter::from_fn(|| self.next()).collect()
    }

    /// The job whose turn it is, with its permits taken.
    pub(super) fn next(&mut self) -> Option<J> {
        if self.running >= self.permits.total {
            return None;
        }
        let (Turn { tenant, .. }, profile) = self.first.first()?.clone();
        self.hide(&tenant);
        let job = self.unqueue((&tenant, profile), None)?;
        self.turns += 1;
        self.running += 1;
        if let Some(holder) = self.tenants.get_mut(&tenant) {
            holder.since = self.turns;
            holder.running += 1;
        }
        if let Some(load) = self.profiles.get_mut(&profile) {
            load.running += 1;
            load.show(profile, &mut self.first);
        }
        self.show(&tenant);
        Some(job)
    }

    /// The job with this ticket, or the oldest. Its tenant's turns are hidden.
    fn unqueue(&mut self, (tenant, profile): (&TenantId, Profile), ticket: Option<u64>) -> Option<J> {
        let holder = self.tenants.get_mut(tenant)?;
        let queue = holder.queues.get_mut(&profile)?;
        let job = match ticket {
            Some(ticket) => queue.remove(&ticket)?,
            None => queue.pop_first()?.1,
        };
        if queue.is_empty() {
            holder.queues.remove(&profile);
        }
        (holder.queued, self.queued) = (holder.queued - 1, self.queued - 1);
        if let Some(load) = self.profiles.get_mut(&profile) {
            load.queued -= 1;
        }
        Some(job)
    }

    /// Takes the tenant's turns away; what they are by may change then.
    fn hide(&mut self, tenant: &TenantId) {
        self.each_turn(tenant, |turns, turn| {
            turns.remove(&turn);
        });
    }

    /// Gives the tenant its turn wherever it has jobs, if it is below its own limit.
    fn show(&mut self, tenant: &TenantId) {
        let limit = self.limit_of(tenant);
        if self.tenants.get(tenant).is_some_and(|holder| holder.running < limit) {
            self.each_turn(tenant, |turns, turn| {
                turns.insert(turn);
            });
        }
    }

    fn each_turn(&mut self, tenant: &TenantId, change: impl Fn(&mut BTreeSet<Turn>, Turn)) {
        let Some(holder) = self.tenants.get(tenant).filter(|holder| holder.queued > 0) else { return };
        for (profile, queue) in &holder.queues {
            let (Some((ticket, _)), Some(load)) = (queue.first_key_value(), self.profiles.get_mut(profile)) else {
                continue;
            };
            change(&mut load.turns, Turn { since: holder.since, ticket: *ticket, tenant: tenant.clone() });
            load.show(*profile, &mut self.first);
        }
    }

    fn forget_idle(&mut self, tenant: &TenantId) {
        if self.tenants.get(tenant).is_some_and(|holder| holder.queued == 0 && holder.running == 0) {
            self.tenants.remove(tenant);
        }
    }
}
