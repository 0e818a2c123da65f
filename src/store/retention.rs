//! What of the history is old: finding it, and taking it away with all that belongs to it (DESIGN §3.11).
//!
//! The writer itself looks again at what it is asked to forget, in the transaction that does it: what has not ended, or
//! not long enough ago, stays whoever asks. A chain is old when the last of its events is: until then all of it stays, so
//! that nothing that can be found points at what cannot.

use super::batch::{Entries, WriteError, apply, apply_and_tell, state_key};
use super::codec::{Key, decode, end_of, last_id};
use super::read::{all_tenants, upper};
use super::tally::Changed;
use super::{ReadError, Store, schema};
use crate::domain::{ActionId, EventId, EventTypeId, RunId, State, TenantId, Timestamp};
use redb::{ReadableDatabase, ReadableTable, WriteTransaction};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::ops::Bound;

/// Events of a tenant that are to be forgotten.
#[derive(Clone, Debug)]
pub struct Forget {
    pub tenant: TenantId,
    pub events: Vec<EventId>,
    /// Only if they, and all events of their chains, ended at this time or before.
    pub ended_by: Timestamp,
}

/// What says whether an event is old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    pub id: EventId,
    /// When the last event of its chain ended, which mostly is itself; `None` while one has not.
    pub ended_at: Option<Timestamp>,
    /// How many runs it has.
    pub runs: usize,
}

/// As much of an event as is needed here; its payload may be large.
#[derive(Deserialize)]
struct EventHead {
    event_type_id: EventTypeId,
    root_id: EventId,
    state: State,
    ended_at: Option<Timestamp>,
    runs: Vec<RunId>,
}

#[derive(Deserialize)]
struct RunHead {
    action_id: ActionId,
    state: State,
}

impl EventHead {
    fn ended_at(&self) -> Option<Timestamp> {
        self.ended_at.filter(|_| self.state.is_terminal())
    }
}

impl Store {
    /// The tenants that have a history.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn history_tenants(&self) -> Result<Vec<TenantId>, ReadError> {
        all_tenants(&self.db().begin_read()?, schema::EVENTS)
    }

    /// At most `limit` events of a tenant that come after `after` and before `before`, oldest first.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn look_at_oldest(
        &self,
        tenant: &TenantId,
        (after, before): (Option<EventId>, EventId),
        limit: usize,
    ) -> Result<Vec<Seen>, ReadError> {
        let tx = self.db().begin_read()?;
        let (table, by_root) = (tx.open_table(schema::EVENTS)?, tx.open_table(schema::EVENTS_BY_ROOT)?);
        let mut chains = Chains::new(tenant, &table, &by_root);
        let key = |id: EventId| Key::tenant(tenant).and(id.as_bytes()).done();
        let (first, end) = (after.map_or_else(|| Key::tenant(tenant).done(), key), key(before));
        if first >= end {
            return Ok(Vec::new());
        }
        let first = if after.is_some() { Bound::Excluded(first.as_slice()) } else { Bound::Included(first.as_slice()) };
        let mut seen = Vec::new();
        for entry in table.range::<&[u8]>((first, Bound::Excluded(end.as_slice())))?.take(limit) {
            let (key, record) = entry?;
            if let Some(id) = last_id(key.value()) {
                seen.push(chains.look(EventId::from_bytes(id), record.value())?);
            }
        }
        Ok(seen)
    }

    /// Those of these events that are still there.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn look_at(&self, tenant: &TenantId, ids: &[EventId]) -> Result<Vec<Seen>, ReadError> {
        let tx = self.db().begin_read()?;
        let (table, by_root) = (tx.open_table(schema::EVENTS)?, tx.open_table(schema::EVENTS_BY_ROOT)?);
        let mut chains = Chains::new(tenant, &table, &by_root);
        let mut seen = Vec::new();
        for id in ids {
            if let Some(record) = table.get(Key::tenant(tenant).and(id.as_bytes()).done().as_slice())? {
                seen.push(chains.look(*id, record.value())?);
            }
        }
        Ok(seen)
    }
}

/// When the chains of a tenant ended. Each is looked at once, so many events of one cost little more than one.
struct Chains<'a, T> {
    tenant: &'a TenantId,
    events: &'a T,
    by_root: &'a T,
    ends: HashMap<EventId, Option<Timestamp>>,
}

impl<'a, T: ReadableTable<&'static [u8], &'static [u8]>> Chains<'a, T> {
    fn new(tenant: &'a TenantId, events: &'a T, by_root: &'a T) -> Chains<'a, T> {
        Chains { tenant, events, by_root, ends: HashMap::new() }
    }

    /// One that cannot be read counts as one that has not ended: nothing is known of it but that it is there.
    fn look(&mut self, id: EventId, record: &[u8]) -> Result<Seen, redb::StorageError> {
        let Some(head) = readable::<EventHead>("events", record) else {
            return Ok(Seen { id, ended_at: None, runs: 0 });
        };
        let ended_at = if head.ended_at().is_some() { self.end_of(head.root_id)? } else { None };
        Ok(Seen { id, ended_at, runs: head.runs.len() })
    }

    /// When the last event of the chain that began with `root` ended; `None` while one has not.
    fn end_of(&mut self, root: EventId) -> Result<Option<Timestamp>, redb::StorageError> {
        if let Some(end) = self.ends.get(&root) {
            return Ok(*end);
        }
        let prefix = Key::tenant(self.tenant).and(root.as_bytes()).done();
        let end = end_of(&prefix);
        let mut last = self.ended_at(root)?;
        for entry in self.by_root.range::<&[u8]>((Bound::Included(prefix.as_slice()), upper(end.as_deref())))? {
            if last.is_none() {
                break;
            }
            if let Some(id) = last_id(entry?.0.value()) {
                last = last.zip(self.ended_at(EventId::from_bytes(id))?).map(|(last, ended)| last.max(ended));
            }
        }
        self.ends.insert(root, last);
        Ok(last)
    }

    /// When one event ended. What is not there any more ended before everything.
    fn ended_at(&self, id: EventId) -> Result<Option<Timestamp>, redb::StorageError> {
        let record = self.events.get(Key::tenant(self.tenant).and(id.as_bytes()).done().as_slice())?;
        let Some(record) = record else { return Ok(Some(Timestamp::from_ms(i64::MIN))) };
        Ok(readable::<EventHead>("events", record.value()).and_then(|head| head.ended_at()))
    }
}

/// A record that was damaged must not keep the writer from writing others.
fn readable<T: DeserializeOwned>(table: &'static str, record: &[u8]) -> Option<T> {
    decode(table, record).map_err(|error| tracing::error!(%error, "a record is kept because it cannot be read")).ok()
}

/// Takes away what `forget` asks for; says how many events that were.
pub(super) fn forget(tx: &WriteTransaction, forget: &Forget, tallied: &mut Changed) -> Result<u64, WriteError> {
    let mut removals = Removals::default();
    let mut forgotten = 0;
    {
        let (events, runs) = (tx.open_table(schema::EVENTS)?, tx.open_table(schema::RUNS)?);
        let by_root = tx.open_table(schema::EVENTS_BY_ROOT)?;
        let mut chains = Chains::new(&forget.tenant, &events, &by_root);
        for id in &forget.events {
            let key = Key::tenant(&forget.tenant).and(id.as_bytes()).done();
            let Some(record) = events.get(key.as_slice())? else { continue };
            let Some(event) = readable::<EventHead>("events", record.value()) else { continue };
            if chains.look(*id, record.value())?.ended_at.is_none_or(|ended| ended > forget.ended_by) {
                continue;
            }
            let mut of_runs = Vec::with_capacity(event.runs.len());
            for id in &event.runs {
                let record = runs.get(Key::tenant(&forget.tenant).and(id.as_bytes()).done().as_slice())?;
                of_runs.extend(
                    record.and_then(|record| readable::<RunHead>("runs", record.value())).map(|run| (*id, run)),
                );
            }
            if of_runs.iter().all(|(_, run)| run.state.is_terminal()) {
                removals.event(&forget.tenant, *id, &event);
                of_runs.iter().for_each(|(id, run)| removals.run(&forget.tenant, *id, run));
                forgotten += 1;
            }
        }
    }
    removals.apply(tx, tallied)?;
    Ok(forgotten)
}

/// Keys to take away, by table.
#[derive(Default)]
struct Removals {
    events: Entries,
    by_type: Entries,
    by_event_state: Entries,
    by_root: Entries,
    runs: Entries,
    by_action: Entries,
    by_run_state: Entries,
    /// What the keys of logs begin with.
    logs: Vec<Vec<u8>>,
}

impl Removals {
    fn event(&mut self, tenant: &TenantId, id: EventId, event: &EventHead) {
        let key = || Key::tenant(tenant);
        self.events.push((key().and(id.as_bytes()).done(), None));
        self.by_type.push((key().and(event.event_type_id.as_bytes()).and(id.as_bytes()).done(), None));
        self.by_root.push((key().and(event.root_id.as_bytes()).and(id.as_bytes()).done(), None));
        self.by_event_state.extend(state_key(event.state, tenant, id.as_bytes()).map(|key| (key, None)));
    }

    fn run(&mut self, tenant: &TenantId, id: RunId, run: &RunHead) {
        let key = || Key::tenant(tenant);
        self.runs.push((key().and(id.as_bytes()).done(), None));
        self.by_action.push((key().and(run.action_id.as_bytes()).and(id.as_bytes()).done(), None));
        self.by_run_state.extend(state_key(run.state, tenant, id.as_bytes()).map(|key| (key, None)));
        self.logs.push(key().and(id.as_bytes()).done());
    }

    fn apply(self, tx: &WriteTransaction, tallied: &mut Changed) -> Result<(), WriteError> {
        apply(tx, schema::EVENTS, self.events)?;
        apply_and_tell(tx, schema::EVENTS_BY_TYPE, self.by_type, |key, is_there| tallied.of_type(key, is_there))?;
        let by_state = self.by_event_state;
        apply_and_tell(tx, schema::EVENTS_BY_STATE, by_state, |key, is_there| tallied.of_state(key, is_there))?;
        apply(tx, schema::EVENTS_BY_ROOT, self.by_root)?;
        apply(tx, schema::RUNS, self.runs)?;
        apply(tx, schema::RUNS_BY_ACTION, self.by_action)?;
        apply(tx, schema::RUNS_BY_STATE, self.by_run_state)?;
        let mut logs = tx.open_table(schema::LOGS)?;
        for prefix in self.logs {
            let end = end_of(&prefix);
            let range = (Bound::Included(prefix.as_slice()), upper(end.as_deref()));
            logs.retain_in::<&[u8], _>(range, |_, _| false)?;
        }
        Ok(())
    }
}
