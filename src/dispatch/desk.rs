//! Where every open event is: with a worker, in the queue for a permit, waiting for its time, or held because its type is
//! paused. All under one lock, so that an event is always at one place and who cancels it finds it there.

use super::cancel::Wish;
use super::capacity::{Capacity, Permits, Profile};
use super::job::Job;
use super::quota::permits_of;
use super::sinks::{limit_of, profile_of};
use crate::domain::{EntryName, EventId, EventTypeId, IdMap, TenantId, Timestamp};
use crate::store::Catalogue;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Notify;

/// Jobs of one kind that keep their event in memory; what is beyond them is read from the store when its turn comes.
const LIVE_MAX: usize = 10_000;

#[derive(Debug)]
enum Place {
    /// In the queue of this sink type under this ticket.
    Queued(Profile, u64),
    /// Waiting for this time under this ticket.
    Waiting(Timestamp, u64),
    /// Held, as this type is paused.
    Held(EventTypeId),
    /// In somebody's hands, mostly a worker's; the inbox is there once it is needed, which it mostly never is.
    Carried(Option<Box<Inbox>>),
    /// Whoever carried it broke off; the store has it open, to run under this sink type.
    Lost(Option<EntryName>),
}

#[derive(Debug, Default)]
struct Inbox {
    wishes: Vec<Wish>,
    bell: Arc<Notify>,
}

/// What became of a job that was put somewhere.
#[derive(Debug)]
pub(super) enum Put {
    /// It has a permit: carry it.
    Begin(Job),
    Parked,
    /// Something about it was wished while it was carried, to be granted first. It is still carried.
    Wished(Job, Vec<Wish>),
}

/// Who has the event that a wish is about.
#[derive(Debug)]
pub(super) enum Asked {
    /// Its carrier was told and will answer.
    Told,
    /// Nobody had it in hand; now the asker has.
    Taken(Job, Wish),
    /// It is not here: it has ended, or is about to be put here.
    Absent,
}

/// Why events of a type are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pause {
    Paused,
    /// What is held is let go, the oldest first; what comes anew is held behind it.
    Resuming,
}

#[derive(Debug)]
pub(super) struct Desk {
    capacity: Capacity<Job>,
    /// By the time at which they go on; the tickets keep those of one millisecond apart and in order.
    waiting: BTreeMap<(Timestamp, u64), Job>,
    /// Those of each type that is paused in the order in which they were accepted.
    held: BTreeMap<(EventTypeId, EventId), Job>,
    pauses: IdMap<EventTypeId, Pause>,
    /// How many of each tenant's wait for their time or are held.
    parked_of: IdMap<TenantId, usize>,
    places: IdMap<EventId, Place>,
    tickets: u64,
}

impl Desk {
    pub(super) fn new(permits: Permits) -> Desk {
        Desk {
            capacity: Capacity::new(permits),
            waiting: BTreeMap::new(),
            held: BTreeMap::new(),
            pauses: IdMap::default(),
            parked_of: IdMap::default(),
            places: IdMap::default(),
            tickets: 0,
        }
    }

    pub(super) fn running(&self) -> u32 {
        self.capacity.running()
    }

    pub(super) fn queued(&self) -> usize {
        self.capacity.queued()
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    /// Events of a type, and of a tenant if one is given, that are held; counted up to `most`.
    pub(super) fn held_of(&self, event_type: EventTypeId, tenant: Option<&TenantId>, most: usize) -> usize {
        let of_type = (event_type, EventId::from_bytes([0; 16]))..=(event_type, EventId::from_bytes([u8::MAX; 16]));
        let held = self.held.range(of_type).filter(|(_, job)| tenant.is_none_or(|tenant| job.tenant == *tenant));
        held.take(most).count()
    }

    pub(super) fn running_of(&self, tenant: &TenantId) -> u32 {
        self.capacity.running_of(tenant)
    }

    /// Events of a tenant that wait for whatever it is.
    pub(super) fn parked_of(&self, tenant: &TenantId) -> usize {
        self.capacity.queued_of(tenant) + self.parked_of.get(tenant).copied().unwrap_or(0)
    }

    /// By sink type how many run and how many are queued.
    pub(super) fn loads(&self) -> impl Iterator<Item = (Profile, u32, usize)> {
        self.capacity.loads()
    }

    /// By sink type how many of a tenant's are queued.
    pub(super) fn queues_of(&self, tenant: &TenantId) -> impl Iterator<Item = (Profile, usize)> {
        self.capacity.queues_of(tenant)
    }

    /// Gives a permit if there is one, else puts the job into the queue.
    pub(super) fn offer(&mut self, mut job: Job, catalogue: &Catalogue) -> Put {
        if let Some(wishes) = self.wishes_for(job.event_id) {
            return Put::Wished(job, wishes);
        }
        if self.capacity.queued() >= LIVE_MAX {
            job.live = None;
        }
        let profile = profile_of(catalogue, &job.tenant, job.sink_type.as_ref());
        if !self.capacity.knows(profile) {
            self.capacity.set_limit(profile, limit_of(catalogue, profile, self.capacity.total()));
        }
        job.profile = profile;
        let (tenant, event, ticket) = (job.tenant.clone(), job.event_id, self.ticket());
        let started = self.capacity.offer((&tenant, profile), ticket, job);
        let place = if started.is_some() { Place::Carried(None) } else { Place::Queued(profile, ticket) };
        self.places.insert(event, place);
        started.map_or(Put::Parked, Put::Begin)
    }

    /// Lets the job wait for its time.
    pub(super) fn wait_until(&mut self, due: Timestamp, mut job: Job) -> Put {
        if let Some(wishes) = self.wishes_for(job.event_id) {
            return Put::Wished(job, wishes);
        }
        if self.waiting.len() >= LIVE_MAX {
            job.live = None;
        }
        let ticket = self.ticket();
        self.places.insert(job.event_id, Place::Waiting(due, ticket));
        *self.parked_of.entry(job.tenant.clone()).or_default() += 1;
        self.waiting.insert((due, ticket), job);
        Put::Parked
    }

    /// Whether events of this type are held that are about to be put here.
    pub(super) fn is_held_back(&self, event_type: EventTypeId) -> bool {
        self.pauses.contains_key(&event_type)
    }

    /// Whether an event of this type that was let out must come back.
    pub(super) fn is_paused(&self, event_type: EventTypeId) -> bool {
        self.pauses.get(&event_type) == Some(&Pause::Paused)
    }

    pub(super) fn pause(&mut self, event_type: EventTypeId) {
        self.pauses.insert(event_type, Pause::Paused);
    }

    /// Begins to let go what is held; [`Desk::offer_held`] goes on with it.
    pub(super) fn resume(&mut self, event_type: EventTypeId) {
        if let Some(pause) = self.pauses.get_mut(&event_type) {
            *pause = Pause::Resuming;
        }
    }

    /// Holds the job until its type, which was paused, is resumed.
    pub(super) fn hold(&mut self, event_type: EventTypeId, mut job: Job, catalogue: &Catalogue) -> Put {
        if let Some(wishes) = self.wishes_for(job.event_id) {
            return Put::Wished(job, wishes);
        }
        if !self.is_held_back(event_type) {
            // It was resumed since somebody looked.
            return self.offer(job, catalogue);
        }
        if self.held.len() >= LIVE_MAX {
            job.live = None;
        }
        self.places.insert(job.event_id, Place::Held(event_type));
        *self.parked_of.entry(job.tenant.clone()).or_default() += 1;
        self.held.insert((event_type, job.event_id), job);
        Put::Parked
    }

    /// Offers the oldest of what is held while its type is being resumed; `None` when that is done.
    pub(super) fn offer_held(&mut self, event_type: EventTypeId, catalogue: &Catalogue) -> Option<Put> {
        if self.pauses.get(&event_type) != Some(&Pause::Resuming) {
            return None;
        }
        let of_type = (event_type, EventId::from_bytes([0; 16]))..=(event_type, EventId::from_bytes([u8::MAX; 16]));
        let oldest = self.held.range(of_type).next().map(|(key, _)| *key);
        let Some(job) = oldest.and_then(|key| self.take_held(key)) else {
            self.pauses.remove(&event_type);
            return None;
        };
        Some(self.offer(job, catalogue))
    }

    /// When the first of those that wait goes on.
    pub(super) fn first_due(&self) -> Option<Timestamp> {
        self.waiting.first_key_value().map(|((due, _), _)| *due)
    }

    /// Offers the first whose time has come; `None` when there is none.
    pub(super) fn offer_due(&mut self, now: Timestamp, catalogue: &Catalogue) -> Option<Put> {
        let ((due, ticket), _) = self.waiting.first_key_value().filter(|((due, _), _)| *due <= now)?;
        let key = (*due, *ticket);
        let job = self.take_waiting(key)?;
        Some(self.offer(job, catalogue))
    }

    /// Gives back the permits of a job; those whose turn it is come out with theirs.
    pub(super) fn release(&mut self, holder: (&TenantId, Profile)) -> Vec<Job> {
        let begun = self.capacity.release(holder);
        self.carry(&begun);
        begun
    }

    /// Takes up what sinks, sink types and quotas have become; those that may start because of it come out with their permits.
    pub(super) fn adjust(&mut self, catalogue: &Catalogue) -> Vec<Job> {
        self.capacity.forget_idle_profiles();
        let known: Vec<Profile> = self.capacity.loads().map(|(profile, ..)| profile).collect();
        for profile in known {
            self.capacity.set_limit(profile, limit_of(catalogue, profile, self.capacity.total()));
        }
        let Permits { total, per_tenant } = self.capacity.permits();
        let limited = catalogue.tenants().filter(|it| !it.enabled || it.quotas.concurrent_runs.is_some());
        let limits = limited.map(|tenant| (tenant.id.clone(), permits_of(tenant, per_tenant, total)));
        self.capacity.set_tenant_limits(limits.collect());
        let begun: Vec<Job> = std::iter::from_fn(|| self.capacity.next()).collect();
        self.carry(&begun);
        begun
    }

    fn carry(&mut self, jobs: &[Job]) {
        self.places.extend(jobs.iter().map(|job| (job.event_id, Place::Carried(None))));
    }

    /// The event that was carried has ended. Who asked for something meanwhile is left without an answer.
    pub(super) fn forget(&mut self, event: EventId) {
        self.places.remove(&event);
    }

    /// The event that was carried is dropped though it is open.
    pub(super) fn lose(&mut self, event: EventId, sink_type: Option<EntryName>) {
        self.places.insert(event, Place::Lost(sink_type));
    }

    /// Tells whoever carries the event of the wish, or takes the event out of where it waits.
    pub(super) fn ask(&mut self, tenant: &TenantId, event: EventId, wish: Wish) -> Asked {
        let job = match self.places.get_mut(&event) {
            None => None,
            Some(Place::Carried(inbox)) => {
                let inbox = inbox.get_or_insert_default();
                inbox.wishes.push(wish);
                inbox.bell.notify_one();
                return Asked::Told;
            }
            Some(Place::Queued(profile, ticket)) => {
                let (profile, ticket) = (*profile, *ticket);
                self.capacity.take((tenant, profile), ticket)
            }
            Some(Place::Waiting(due, ticket)) => {
                let key = (*due, *ticket);
                self.take_waiting(key)
            }
            Some(Place::Held(event_type)) => {
                let key = (*event_type, event);
                self.take_held(key)
            }
            Some(Place::Lost(sink_type)) => Some(Job::stored(tenant.clone(), event, sink_type.take())),
        };
        let Some(job) = job else { return Asked::Absent };
        self.places.insert(event, Place::Carried(None));
        Asked::Taken(job, wish)
    }

    /// Rings when there is a wish about the event, which the caller carries.
    pub(super) fn bell(&mut self, event: EventId) -> Arc<Notify> {
        match self.places.get_mut(&event) {
            Some(Place::Carried(inbox)) => Arc::clone(&inbox.get_or_insert_default().bell),
            // Whoever carries an event has it noted as carried; who does not is not rung for.
            _ => Arc::default(),
        }
    }

    /// What was wished about an event that the caller carries, if anything was.
    pub(super) fn wishes_for(&mut self, event: EventId) -> Option<Vec<Wish>> {
        match self.places.get_mut(&event) {
            Some(Place::Carried(Some(inbox))) if !inbox.wishes.is_empty() => Some(std::mem::take(&mut inbox.wishes)),
            _ => None,
        }
    }

    fn take_waiting(&mut self, key: (Timestamp, u64)) -> Option<Job> {
        let job = self.waiting.remove(&key)?;
        self.leave(&job.tenant);
        Some(job)
    }

    fn take_held(&mut self, key: (EventTypeId, EventId)) -> Option<Job> {
        let job = self.held.remove(&key)?;
        self.leave(&job.tenant);
        Some(job)
    }

    fn leave(&mut self, tenant: &TenantId) {
        if let Some(count) = self.parked_of.get_mut(tenant) {
            *count -= 1;
            if *count == 0 {
                self.parked_of.remove(tenant);
            }
        }
    }

    fn ticket(&mut self) -> u64 {
        self.tickets += 1;
        self.tickets
    }
}

#[cfg(test)]
#[path = "desk_tests.rs"]
mod tests;
