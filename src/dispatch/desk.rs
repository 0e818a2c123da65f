//! Where every open event is: with a worker, in the queue for a permit, or waiting for its time. All under one lock, so
//! that an event is always at one place and who cancels it finds it there.

use super::cancel::Wish;
use super::capacity::{Capacity, Permits};
use super::job::Job;
use crate::domain::{EventId, TenantId, Timestamp};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tokio::sync::Notify;

/// Jobs of one kind that keep their event in memory; what is beyond them is read from the store when its turn comes.
const LIVE_MAX: usize = 10_000;

#[derive(Debug)]
enum Place {
    /// In the queue under this ticket.
    Queued(u64),
    /// Waiting for this time under this ticket.
    Waiting(Timestamp, u64),
    /// In somebody's hands, mostly a worker's; the inbox is there once it is needed, which it mostly never is.
    Carried(Option<Box<Inbox>>),
    /// Whoever carried it broke off; the store has it open.
    Lost,
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

#[derive(Debug)]
pub(super) struct Desk {
    capacity: Capacity<Job>,
    /// By the time at which they go on; the tickets keep those of one millisecond apart and in order.
    waiting: BTreeMap<(Timestamp, u64), Job>,
    /// How many of each tenant's wait for their time.
    waiting_of: HashMap<TenantId, usize>,
    places: HashMap<EventId, Place>,
    tickets: u64,
}

impl Desk {
    pub(super) fn new(permits: Permits) -> Desk {
        Desk {
            capacity: Capacity::new(permits),
            waiting: BTreeMap::new(),
            waiting_of: HashMap::new(),
            places: HashMap::new(),
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

    /// Events of a tenant that wait for whatever it is.
    pub(super) fn parked_of(&self, tenant: &TenantId) -> usize {
        self.capacity.queued_of(tenant) + self.waiting_of.get(tenant).copied().unwrap_or(0)
    }

    /// Gives a permit if there is one, else puts the job into the queue.
    pub(super) fn offer(&mut self, mut job: Job) -> Put {
        if let Some(wishes) = self.wishes_for(job.event_id) {
            return Put::Wished(job, wishes);
        }
        if self.capacity.queued() >= LIVE_MAX {
            job.live = None;
        }
        let (tenant, event, ticket) = (job.tenant.clone(), job.event_id, self.ticket());
        let started = self.capacity.offer(&tenant, ticket, job);
        let place = if started.is_some() { Place::Carried(None) } else { Place::Queued(ticket) };
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
        *self.waiting_of.entry(job.tenant.clone()).or_default() += 1;
        self.waiting.insert((due, ticket), job);
        Put::Parked
    }

    /// When the first of those that wait goes on.
    pub(super) fn first_due(&self) -> Option<Timestamp> {
        self.waiting.first_key_value().map(|((due, _), _)| *due)
    }

    /// Offers the first whose time has come; `None` when there is none.
    pub(super) fn offer_due(&mut self, now: Timestamp) -> Option<Put> {
        let ((due, ticket), _) = self.waiting.first_key_value().filter(|((due, _), _)| *due <= now)?;
        let key = (*due, *ticket);
        let job = self.take_waiting(key)?;
        Some(self.offer(job))
    }

    /// Gives back a permit of `tenant`; the job whose turn it is comes out with it.
    pub(super) fn release(&mut self, tenant: &TenantId) -> Option<Job> {
        let (_, job) = self.capacity.release(tenant)?;
        self.places.insert(job.event_id, Place::Carried(None));
        Some(job)
    }

    /// The event that was carried has ended. Who asked for something meanwhile is left without an answer.
    pub(super) fn forget(&mut self, event: EventId) {
        self.places.remove(&event);
    }

    /// The event that was carried is dropped though it is open.
    pub(super) fn lose(&mut self, event: EventId) {
        self.places.insert(event, Place::Lost);
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
            Some(Place::Queued(ticket)) => {
                let ticket = *ticket;
                self.capacity.take(tenant, ticket)
            }
            Some(Place::Waiting(due, ticket)) => {
                let key = (*due, *ticket);
                self.take_waiting(key)
            }
            Some(Place::Lost) => Some(Job::stored(tenant.clone(), event)),
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
        if let Some(count) = self.waiting_of.get_mut(&job.tenant) {
            *count -= 1;
            if *count == 0 {
                self.waiting_of.remove(&job.tenant);
            }
        }
        Some(job)
    }

    fn ticket(&mut self) -> u64 {
        self.tickets += 1;
        self.tickets
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::settle::Target;

    const NOW: Timestamp = Timestamp::from_ms(1_000);

    fn tenant() -> TenantId {
        "a".parse().unwrap()
    }

    fn id(number: u8) -> EventId {
        EventId::from_bytes([number; 16])
    }

    fn job(number: u8) -> Job {
        Job::stored(tenant(), id(number))
    }

    fn desk() -> Desk {
        Desk::new(Permits { total: 1, per_tenant: 1 })
    }

    fn ask(desk: &mut Desk, number: u8) -> Asked {
        desk.ask(&tenant(), id(number), Wish::of(Target::Event, "ada").0)
    }

    fn parked(put: &Put) -> bool {
        matches!(put, Put::Parked)
    }

    fn begins(put: Put) -> Option<EventId> {
        if let Put::Begin(job) = put { Some(job.event_id) } else { None }
    }

    #[test]
    fn what_waits_is_taken_from_where_it_waits() {
        let mut desk = desk();
        assert_eq!(begins(desk.offer(job(1))), Some(id(1)));
        assert!(parked(&desk.offer(job(2))) && parked(&desk.wait_until(NOW, job(3))));
        assert_eq!((desk.running(), desk.queued(), desk.waiting(), desk.parked_of(&tenant())), (1, 1, 1, 2));
        for number in [2, 3] {
            assert!(matches!(ask(&mut desk, number), Asked::Taken(job, _) if job.event_id == id(number)));
            assert!(matches!(ask(&mut desk, number), Asked::Told), "who took it carries it");
        }
        assert_eq!((desk.queued(), desk.waiting(), desk.parked_of(&tenant())), (0, 0, 0));
        assert_eq!(desk.first_due(), None);
        assert!(desk.release(&tenant()).is_none());
    }

    #[test]
    fn what_is_wished_of_who_carries_an_event_is_heard_and_comes_before_all_else() {
        let mut desk = desk();
        assert!(begins(desk.offer(job(1))).is_some());
        let bell = desk.bell(id(1));
        assert!(matches!(ask(&mut desk, 1), Asked::Told) && matches!(ask(&mut desk, 1), Asked::Told));
        futures_util::FutureExt::now_or_never(bell.notified()).expect("it rings");
        let Put::Wished(back, wishes) = desk.offer(job(1)) else { panic!("it was parked with wishes open") };
        assert_eq!(wishes.len(), 2);
        assert!(parked(&desk.wait_until(NOW, back)), "they were heard");
        assert!(matches!(ask(&mut desk, 1), Asked::Taken(..)));
    }

    #[test]
    fn who_asks_about_what_ended_meanwhile_is_left_without_an_answer() {
        let mut desk = desk();
        assert!(begins(desk.offer(job(1))).is_some());
        let (wish, mut answered) = Wish::of(Target::Event, "ada");
        assert!(matches!(desk.ask(&tenant(), id(1), wish), Asked::Told));
        desk.forget(id(1));
        assert!(matches!(answered.try_recv(), Err(tokio::sync::oneshot::error::TryRecvError::Closed)));
        assert!(matches!(ask(&mut desk, 1), Asked::Absent));
    }

    #[test]
    fn what_was_lost_is_taken_up_from_the_store() {
        let mut desk = desk();
        assert!(begins(desk.offer(job(1))).is_some());
        desk.lose(id(1));
        assert!(matches!(ask(&mut desk, 1), Asked::Taken(job, _) if job.live.is_none() && job.event_id == id(1)));
    }

    #[test]
    fn what_is_due_is_offered_in_the_order_of_its_time() {
        let mut desk = desk();
        for (number, ms) in [(1, 30), (2, 10), (3, 10), (4, 20)] {
            assert!(parked(&desk.wait_until(NOW.plus_ms(ms), job(number))));
        }
        assert!(desk.offer_due(NOW.plus_ms(9)).is_none());
        assert_eq!(desk.offer_due(NOW.plus_ms(20)).and_then(begins), Some(id(2)));
        assert!(parked(&desk.offer_due(NOW.plus_ms(20)).unwrap()) && parked(&desk.offer_due(NOW.plus_ms(20)).unwrap()));
        assert!(desk.offer_due(NOW.plus_ms(20)).is_none());
        assert_eq!((desk.first_due(), desk.queued(), desk.waiting()), (Some(NOW.plus_ms(30)), 2, 1));
        let turns: Vec<EventId> = (0..2).map(|_| desk.release(&tenant()).unwrap().event_id).collect();
        assert_eq!(turns, [id(3), id(4)]);
    }
}
