//! How many events there were and how many of them failed, by the time they were fired: kept in memory, so that a plot of
//! them costs no look at them.
//!
//! It is what two indexes have, those by type and by state, and changes with their entries only: after each commit by what
//! that brought and took away, at the start by a walk along their keys. So it says the same after a restart, and nothing
//! that is not on the disk. An event counts in the minute in which its id was made.

use super::codec::{Key, end_of, last_id, state_byte};
use super::read::{all_tenants, upper};
use super::{ReadError, schema};
use crate::domain::{EventId, State, TenantId, Timestamp};
use redb::{Database, ReadableDatabase, ReadableTable};
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Events by the minute are kept for a day and an hour.
const MINUTES_MAX: u32 = 25 * 60;
/// By the hour for eight days: with the minutes this is at most some 30 KB for a tenant.
const HOURS_MAX: u32 = 8 * 24;
const HOUR: u32 = 60;

/// Events, and those of them that ended as ERROR.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventCount {
    pub events: u64,
    pub failed: u64,
}

/// The stretches of time that events are counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grain {
    Minute,
    Hour,
}

impl Grain {
    pub const fn ms(self) -> i64 {
        self.minutes() as i64 * 60_000
    }

    const fn minutes(self) -> u32 {
        match self {
            Grain::Minute => 1,
            Grain::Hour => HOUR,
        }
    }

    /// How far back it is counted for sure, in milliseconds: a little less than is kept, as steps begin before what is asked
    /// for.
    pub const fn reach_ms(self) -> i64 {
        match self {
            Grain::Minute => (MINUTES_MAX - HOUR) as i64 * Grain::Minute.ms(),
            Grain::Hour => (HOURS_MAX - 24) as i64 * Grain::Hour.ms(),
        }
    }
}

#[derive(Default)]
pub(super) struct Tally(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    all: Series,
    of_tenant: HashMap<Box<str>, Series>,
}

/// By minutes since 1970; what nothing happened in is not there.
#[derive(Default)]
struct Series {
    minutes: BTreeMap<u32, Count>,
    hours: BTreeMap<u32, Count>,
}

#[derive(Clone, Copy, Default)]
struct Count {
    events: u32,
    failed: u32,
}

/// What a commit changes in the tally.
#[derive(Default)]
pub(super) struct Changed(Vec<Change>);

struct Change {
    tenant: Box<str>,
    minute: u32,
    events: i64,
    failed: i64,
}

impl Changed {
    /// An entry of the index by type came, or went.
    pub(super) fn of_type(&mut self, key: &[u8], is_there: bool) {
        // Behind the tenant are its zero, the type and the event.
        let tenant = key.len().checked_sub(33).map(|end| &key[..end]);
        self.add(tenant, key, (by(is_there), 0));
    }

    /// An entry of the index by state came, or went.
    pub(super) fn of_state(&mut self, key: &[u8], is_there: bool) {
        if key.first() == Some(&state_byte(State::Error)) {
            let tenant = key.len().checked_sub(17).and_then(|end| key.get(1..end));
            self.add(tenant, key, (0, by(is_there)));
        }
    }

    fn add(&mut self, tenant: Option<&[u8]>, key: &[u8], (events, failed): (i64, i64)) {
        let tenant = tenant.and_then(|tenant| std::str::from_utf8(tenant).ok());
        let Some((tenant, id)) = tenant.zip(last_id(key)) else { return };
        let minute = minute_of(id);
        // Keys come in order, so those of one tenant and minute mostly come together.
        match self.0.last_mut().filter(|last| last.minute == minute && *last.tenant == *tenant) {
            Some(last) => (last.events, last.failed) = (last.events + events, last.failed + failed),
            None => self.0.push(Change { tenant: tenant.into(), minute, events, failed }),
        }
    }
}

const fn by(is_there: bool) -> i64 {
    if is_there { 1 } else { -1 }
}

/// The minute in which an id was made (RFC 9562 §5.7: it begins with the milliseconds).
fn minute_of(id: [u8; 16]) -> u32 {
    let ms = id[..6].iter().fold(0_u64, |ms, byte| ms << 8 | u64::from(*byte));
    u32::try_from(ms / 60_000).unwrap_or(u32::MAX)
}

impl Tally {
    /// Counts what the file has.
    pub(super) fn of(db: &Database) -> Result<Tally, ReadError> {
        let tx = db.begin_read()?;
        let tenants = all_tenants(&tx, schema::EVENTS)?;
        let events = tx.open_table(schema::EVENTS)?;
        let mut newest = 0;
        for tenant in &tenants {
            let prefix = Key::tenant(tenant).done();
            let end = end_of(&prefix);
            let mut range = events.range::<&[u8]>((Bound::Included(prefix.as_slice()), upper(end.as_deref())))?;
            if let Some(entry) = range.next_back() {
                newest = newest.max(last_id(entry?.0.value()).map_or(0, minute_of));
            }
        }
        let oldest = i64::from(newest.saturating_sub(HOURS_MAX * HOUR)) * Grain::Minute.ms();
        let floor = *EventId::first_at(Timestamp::from_ms(oldest)).as_bytes();
        let mut changed = Changed::default();
        visit(&tx.open_table(schema::EVENTS_BY_TYPE)?, &[], &floor, |key| changed.of_type(key, true))?;
        let failed = [state_byte(State::Error)];
        visit(&tx.open_table(schema::EVENTS_BY_STATE)?, &failed, &floor, |key| changed.of_state(key, true))?;
        let tally = Tally::default();
        tally.add(changed);
        Ok(tally)
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, changed: Changed) {
        if changed.0.is_empty() {
            return;
        }
        let mut counts = self.lock();
        for change in &changed.0 {
            counts.all.add(change);
            match counts.of_tenant.get_mut(&change.tenant) {
                Some(series) => series.add(change),
                None => counts.of_tenant.entry(change.tenant.clone()).or_default().add(change),
            }
        }
    }

    /// The counts of a tenant, or of all, in the stretches that begin in the minute of `from` or later and before `to`, in
    /// order. Those in which nothing happened are left out.
    pub(super) fn read(
        &self,
        tenant: Option<&TenantId>,
        grain: Grain,
        (from, to): (Timestamp, Timestamp),
    ) -> Vec<(Timestamp, EventCount)> {
        let counts = self.lock();
        let series = match tenant {
            None => Some(&counts.all),
            Some(tenant) => counts.of_tenant.get(tenant.as_str()),
        };
        let Some(series) = series else { return Vec::new() };
        let kept = if grain == Grain::Minute { &series.minutes } else { &series.hours };
        let minute = |at: Timestamp| u32::try_from(at.as_ms().max(0) / Grain::Minute.ms()).unwrap_or(u32::MAX);
        let (first, end) = (minute(from), minute(to.shifted_ms(Grain::Minute.ms() - 1)));
        let found = if first < end { kept.range(first..end) } else { kept.range(end..end) };
        let at = |minute: u32| Timestamp::from_ms(i64::from(minute) * Grain::Minute.ms());
        let count = |count: &Count| EventCount { events: count.events.into(), failed: count.failed.into() };
        found.map(|(minute, found)| (at(*minute), count(found))).collect()
    }
}

/// The keys of an index under `prefix` whose ids are not below `floor`: in each group of keys that differ in their ids
/// only, the older ones are passed over at once.
fn visit(
    table: &impl ReadableTable<&'static [u8], &'static [u8]>,
    prefix: &[u8],
    floor: &[u8; 16],
    mut visit: impl FnMut(&[u8]),
) -> Result<(), ReadError> {
    let end = end_of(prefix);
    let mut from = prefix.to_vec();
    loop {
        let first = table.range::<&[u8]>((Bound::Included(from.as_slice()), upper(end.as_deref())))?.next();
        let Some(first) = first else { return Ok(()) };
        let key = first?.0.value().to_vec();
        let group = key.len().saturating_sub(floor.len());
        let (lowest, past) = ([&key[..group], floor].concat(), end_of(&key[..group]));
        for entry in table.range::<&[u8]>((Bound::Included(lowest.as_slice()), upper(past.as_deref())))? {
            visit(entry?.0.value());
        }
        let Some(past) = past else { return Ok(()) };
        from = past;
    }
}

impl Series {
    fn add(&mut self, change: &Change) {
        put(&mut self.minutes, change.minute, MINUTES_MAX, change);
        put(&mut self.hours, change.minute - change.minute % HOUR, HOURS_MAX * HOUR, change);
    }
}

/// Adds a change at its place, and forgets what is `kept` minutes older than the newest.
fn put(counts: &mut BTreeMap<u32, Count>, at: u32, kept: u32, change: &Change) {
    let newest = counts.last_key_value().map_or(at, |(newest, _)| *newest);
    if at.saturating_add(kept) < newest {
        return;
    }
    let count = counts.entry(at).or_default();
    let sum = |count: u32, by: i64| u32::try_from((i64::from(count) + by).max(0)).unwrap_or(u32::MAX);
    *count = Count { events: sum(count.events, change.events), failed: sum(count.failed, change.failed) };
    if count.events == 0 && count.failed == 0 {
        counts.remove(&at);
    }
    while counts.first_key_value().is_some_and(|(oldest, _)| oldest.saturating_add(kept) < newest.max(at)) {
        counts.pop_first();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(minute: u32) -> [u8; 16] {
        *EventId::first_at(Timestamp::from_ms(i64::from(minute) * 60_000)).as_bytes()
    }

    fn by_type(tenant: &str, minute: u32) -> Vec<u8> {
        [tenant.as_bytes(), &[0], &[7; 16], &id(minute)].concat()
    }

    fn by_state(state: State, tenant: &str, minute: u32) -> Vec<u8> {
        [&[state_byte(state)], tenant.as_bytes(), &[0], &id(minute)].concat()
    }

    fn read(tally: &Tally, tenant: Option<&str>, grain: Grain) -> Vec<(i64, u64, u64)> {
        let tenant = tenant.map(|tenant| tenant.parse().unwrap());
        let all = (Timestamp::from_ms(0), Timestamp::from_ms(i64::MAX));
        let found = tally.read(tenant.as_ref(), grain, all).into_iter();
        found.map(|(at, count)| (at.as_ms() / 60_000, count.events, count.failed)).collect()
    }

    #[test]
    fn events_are_counted_by_the_time_in_their_ids_and_tenants_apart() {
        let tally = Tally::default();
        let mut changed = Changed::default();
        for (tenant, minute) in [("", 600), ("", 600), ("", 661), ("a", 601)] {
            changed.of_type(&by_type(tenant, minute), true);
        }
        changed.of_state(&by_state(State::Error, "", 661), true);
        changed.of_state(&by_state(State::Skipped, "", 600), true);
        tally.add(changed);
        assert_eq!(read(&tally, Some(""), Grain::Minute), [(600, 2, 0), (661, 1, 1)]);
        assert_eq!(read(&tally, Some("a"), Grain::Minute), [(601, 1, 0)]);
        assert_eq!(read(&tally, None, Grain::Hour), [(600, 3, 0), (660, 1, 1)]);
        assert_eq!(read(&tally, Some("b"), Grain::Hour), []);
        let mut gone = Changed::default();
        gone.of_type(&by_type("", 661), false);
        gone.of_state(&by_state(State::Error, "", 661), false);
        tally.add(gone);
        assert_eq!(read(&tally, None, Grain::Hour), [(600, 3, 0)]);
        assert_eq!(read(&tally, Some(""), Grain::Minute), [(600, 2, 0)]);
    }

    #[test]
    fn what_is_older_than_is_kept_is_forgotten() {
        let tally = Tally::default();
        let fire = |minute: u32| {
            let mut changed = Changed::default();
            changed.of_type(&by_type("", minute), true);
            tally.add(changed);
        };
        let last = 100_000 - 100_000 % HOUR;
        for minute in [last - HOURS_MAX * HOUR, last - MINUTES_MAX, last] {
            fire(minute);
        }
        assert_eq!(read(&tally, None, Grain::Minute), [(i64::from(last - MINUTES_MAX), 1, 0), (i64::from(last), 1, 0)]);
        assert_eq!(read(&tally, None, Grain::Hour).len(), 3);
        fire(last + HOUR);
        assert_eq!(read(&tally, None, Grain::Minute).len(), 2);
        assert_eq!(read(&tally, None, Grain::Hour).len(), 3);
        fire(last - 2 * HOURS_MAX * HOUR);
        assert_eq!(read(&tally, None, Grain::Hour).len(), 3, "what comes that late is not counted");
    }
}
