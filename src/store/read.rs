//! Reading the history back: single records and pages.

use super::codec::{Key, decode, end_of, last_id, state_byte};
use super::{ReadError, Store, schema};
use crate::domain::{
    Action, ActionId, Digest, Event, EventId, EventTypeId, LogLine, Program, Run, RunId, State, TenantId,
};
use bytes::Bytes;
use redb::{ReadTransaction, ReadableDatabase};
use serde::de::DeserializeOwned;
use std::ops::Bound;

/// Records looked at for one page at most. A page of a rare thing may therefore come back short, with a cursor to go on from.
const LOOKED_AT_MAX: usize = 20_000;

/// Which records a page has, newest first unless said otherwise.
#[derive(Clone, Debug)]
pub struct Query {
    /// `None` for every tenant.
    pub tenant: Option<TenantId>,
    pub state: Option<State>,
    /// Records older (or, oldest first, newer) than this one.
    pub after: Option<[u8; 16]>,
    pub oldest_first: bool,
    /// Only records whose ids are at or above the first and below the second.
    pub between: (Option<[u8; 16]>, Option<[u8; 16]>),
    pub limit: usize,
}

/// A page of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<[u8; 16]>,
}

/// Where a page's ids come from: an index or the records themselves.
pub(super) struct Source {
    pub(super) table: schema::Table,
    /// Key prefixes, one per tenant, whose ids are merged by time.
    pub(super) prefixes: Vec<Vec<u8>>,
    /// The lowest id of interest.
    pub(super) floor: Option<[u8; 16]>,
}

impl Store {
    /// An event; with `tenant` `None` whosever it is.
    pub fn event(&self, tenant: Option<&TenantId>, id: EventId) -> Result<Option<Event>, ReadError> {
        record(&self.db().begin_read()?, (schema::EVENTS, "events"), tenant, id.as_bytes())
    }

    /// A run; with `tenant` `None` whosever it is.
    pub fn run(&self, tenant: Option<&TenantId>, id: RunId) -> Result<Option<Run>, ReadError> {
        record(&self.db().begin_read()?, (schema::RUNS, "runs"), tenant, id.as_bytes())
    }

    /// An event with its runs in the order of its plan, all as of one commit: read one after the other, an event could
    /// look as if it had not begun while its runs have ended.
    pub fn event_with_runs(
        &self,
        tenant: Option<&TenantId>,
        id: EventId,
    ) -> Result<Option<(Event, Vec<Run>)>, ReadError> {
        let tx = self.db().begin_read()?;
        let Some(event) = record::<Event>(&tx, (schema::EVENTS, "events"), tenant, id.as_bytes())? else {
            return Ok(None);
        };
        let run = |id: &RunId| record(&tx, (schema::RUNS, "runs"), Some(&event.owner_id), id.as_bytes());
        let runs: Result<Vec<Option<Run>>, ReadError> = event.runs.iter().map(run).collect();
        let runs = runs?.into_iter().flatten().collect();
        Ok(Some((event, runs)))
    }

    /// Events of all types or of one. Only those that `wanted` are in the page.
    pub fn list_events(
        &self,
        query: &Query,
        of_type: Option<EventTypeId>,
        wanted: impl Fn(&Event) -> bool,
    ) -> Result<Page<Event>, ReadError> {
        let tx = self.db().begin_read()?;
        let tenants = tenants(&tx, query, schema::EVENTS)?;
        let by_type = of_type.map(|id| (schema::EVENTS_BY_TYPE, *id.as_bytes()));
        let source = source(query, &tenants, schema::EVENTS, schema::EVENTS_BY_STATE, by_type);
        let matches = |event: &Event| {
            query.state.is_none_or(|state| event.state == state)
                && of_type.is_none_or(|id| event.event_type_id == id)
                && wanted(event)
        };
        page(&tx, query, &[source], (schema::EVENTS, "events"), matches)
    }

    /// The events of a chain, that which began it included. Only those that `wanted` are in the page.
    pub fn list_family(
        &self,
        query: &Query,
        root: EventId,
        wanted: impl Fn(&Event) -> bool,
    ) -> Result<Page<Event>, ReadError> {
        let tx = self.db().begin_read()?;
        let tenants = tenants(&tx, query, schema::EVENTS)?;
        let prefixes: Vec<_> = tenants.iter().map(|tenant| Key::tenant(tenant).and(root.as_bytes()).done()).collect();
        let mut sources = vec![Source { table: schema::EVENTS_BY_ROOT, prefixes: prefixes.clone(), floor: None }];
        if query.after != Some(*root.as_bytes()) {
            // With its whole key as the prefix, there is one at most.
            sources.push(Source { table: schema::EVENTS, prefixes, floor: None });
        }
        // Of the chain's first event the whole key is the prefix, behind which there is no place for bounds.
        let inside = |id: &EventId| {
            query.between.0.is_none_or(|from| *id.as_bytes() >= from)
                && query.between.1.is_none_or(|to| *id.as_bytes() < to)
        };
        let query = &Query { between: (None, None), ..query.clone() };
        let matches = |event: &Event| {
            event.root_id == root
                && inside(&event.id)
                && query.state.is_none_or(|state| event.state == state)
                && wanted(event)
        };
        page(&tx, query, &sources, (schema::EVENTS, "events"), matches)
    }

    /// How many events a chain has on the disk, counted up to `limit`.
    pub fn count_family(&self, tenant: &TenantId, root: EventId, limit: u32) -> Result<u32, ReadError> {
        let table = self.db().begin_read()?.open_table(schema::EVENTS_BY_ROOT)?;
        let prefix = Key::tenant(tenant).and(root.as_bytes()).done();
        let mut events = 1;
        for entry in table.range::<&[u8]>((Bound::Included(prefix.as_slice()), upper(end_of(&prefix).as_deref())))? {
            if events >= limit {
                break;
            }
            entry?;
            events += 1;
        }
        Ok(events)
    }

    /// Runs of all actions or of one. Only those that `wanted` are in the page.
    pub fn list_runs(
        &self,
        query: &Query,
        of_action: Option<ActionId>,
        wanted: impl Fn(&Run) -> bool,
    ) -> Result<Page<Run>, ReadError> {
        let tx = self.db().begin_read()?;
        let tenants = tenants(&tx, query, schema::RUNS)?;
        let by_action = of_action.map(|id| (schema::RUNS_BY_ACTION, *id.as_bytes()));
        let source = source(query, &tenants, schema::RUNS, schema::RUNS_BY_STATE, by_action);
        let matches = |run: &Run| {
            query.state.is_none_or(|state| run.state == state)
                && of_action.is_none_or(|id| run.action_id == id)
                && wanted(run)
        };
        page(&tx, query, &[source], (schema::RUNS, "runs"), matches)
    }

    /// The log of a run in chunks: attempt, number of the first line, lines; in order.
    pub fn log(&self, tenant: &TenantId, run: RunId) -> Result<Vec<(u32, u32, Vec<LogLine>)>, ReadError> {
        self.log_chunks(&Key::tenant(tenant).and(run.as_bytes()).done())
    }

    /// The chunk of a run's log that begins with line `number` of an attempt.
    pub fn log_chunk(
        &self,
        tenant: &TenantId,
        run: RunId,
        attempt: u32,
        number: u32,
    ) -> Result<Vec<LogLine>, ReadError> {
        let key = Key::tenant(tenant).and(run.as_bytes()).and(&attempt.to_be_bytes()).and(&number.to_be_bytes()).done();
        let chunks = self.log_chunks(&key)?;
        Ok(chunks.into_iter().flat_map(|(_, _, lines)| lines).collect())
    }

    fn log_chunks(&self, prefix: &[u8]) -> Result<Vec<(u32, u32, Vec<LogLine>)>, ReadError> {
        let tx = self.db().begin_read()?;
        let table = tx.open_table(schema::LOGS)?;
        let mut chunks = Vec::new();
        for entry in table.range::<&[u8]>((Bound::Included(prefix), upper(end_of(prefix).as_deref())))? {
            let (key, value) = entry?;
            let number = |from_end: usize| {
                let key = key.value();
                let part = key.len().checked_sub(from_end).and_then(|at| key[at..].first_chunk::<4>());
                part.map_or(0, |bytes| u32::from_be_bytes(*bytes))
            };
            chunks.push((number(8), number(4), decode("logs", value.value())?));
        }
        Ok(chunks)
    }

    /// The component behind a digest.
    pub fn module_bytes(&self, digest: Digest) -> Result<Option<Bytes>, ReadError> {
        let table = self.db().begin_read()?.open_table(schema::MODULE_BYTES)?;
        let found = table.get(digest.as_bytes().as_slice())?;
        Ok(found.map(|bytes| Bytes::copy_from_slice(bytes.value())))
    }

    /// What an interpreter made of the source code of this digest.
    pub fn program(&self, source: Digest) -> Result<Option<Program>, ReadError> {
        let table = self.db().begin_read()?.open_table(schema::PROGRAMS)?;
        let found = table.get(source.as_bytes().as_slice())?;
        found.map(|bytes| decode("programs", bytes.value())).transpose()
    }

    /// One version of an action; of a deleted one too.
    pub fn action_version(&self, id: ActionId, version: u64) -> Result<Option<Action>, ReadError> {
        let table = self.db().begin_read()?.open_table(schema::ACTION_VERSIONS)?;
        let key = Key::default().and(id.as_bytes()).and(&version.to_be_bytes()).done();
        let found = table.get(key.as_slice())?;
        found.map(|bytes| decode("action_versions", bytes.value())).transpose()
    }

    /// Every version of an action, oldest first; of a deleted one too.
    pub fn action_versions(&self, id: ActionId) -> Result<Vec<Action>, ReadError> {
        let table = self.db().begin_read()?.open_table(schema::ACTION_VERSIONS)?;
        let (from, to) = (id.as_bytes().as_slice(), end_of(id.as_bytes()));
        let range = table.range::<&[u8]>((Bound::Included(from), upper(to.as_deref())))?;
        range.map(|entry| decode("action_versions", entry?.1.value())).collect()
    }
}

pub(super) fn record<T: DeserializeOwned>(
    tx: &ReadTransaction,
    (table, name): (schema::Table, &'static str),
    tenant: Option<&TenantId>,
    id: &[u8; 16],
) -> Result<Option<T>, ReadError> {
    let tenants = match tenant {
        Some(tenant) => vec![tenant.clone()],
        None => all_tenants(tx, table)?,
    };
    let table = tx.open_table(table)?;
    for tenant in tenants {
        if let Some(bytes) = table.get(Key::tenant(&tenant).and(id).done().as_slice())? {
            return decode(name, bytes.value()).map(Some);
        }
    }
    Ok(None)
}

pub(super) fn upper(end: Option<&[u8]>) -> Bound<&[u8]> {
    end.map_or(Bound::Unbounded, Bound::Excluded)
}

pub(super) fn tenants(tx: &ReadTransaction, query: &Query, table: schema::Table) -> Result<Vec<TenantId>, ReadError> {
    match &query.tenant {
        Some(tenant) => Ok(vec![tenant.clone()]),
        None => all_tenants(tx, table),
    }
}

/// The tenants that have anything in a tenant-first table: one look per tenant.
pub(super) fn all_tenants(tx: &ReadTransaction, table: schema::Table) -> Result<Vec<TenantId>, ReadError> {
    let table = tx.open_table(table)?;
    let mut tenants = Vec::new();
    let mut from: Vec<u8> = Vec::new();
    while let Some(entry) = table.range::<&[u8]>(from.as_slice()..)?.next() {
        let (key, _) = entry?;
        let key = key.value();
        let name = key.split(|byte| *byte == 0).next().unwrap_or_default();
        let tenant = std::str::from_utf8(name).ok().and_then(|name| name.parse().ok());
        tenants.push(tenant.ok_or(ReadError::Corrupt { table: "history", detail: "a key has no tenant".to_owned() })?);
        from = [name, &[1]].concat();
    }
    Ok(tenants)
}

/// The index that leaves least to look at: a state that is not SUCCESS is rarer than any type or action.
fn source(
    query: &Query,
    tenants: &[TenantId],
    records: schema::Table,
    by_state: schema::Table,
    by_owner: Option<(schema::Table, [u8; 16])>,
) -> Source {
    let state = query.state.filter(|state| *state != State::Success);
    let prefixes = |prefix: &dyn Fn(&TenantId) -> Key| tenants.iter().map(|tenant| prefix(tenant).done()).collect();
    match (state, by_owner) {
        (Some(state), _) => {
            let prefix = |tenant: &TenantId| Key::default().and(&[state_byte(state)]).and_tenant(tenant);
            Source { table: by_state, prefixes: prefixes(&prefix), floor: None }
        }
        (None, Some((table, owner))) => {
            let prefixes = prefixes(&|tenant: &TenantId| Key::tenant(tenant).and(&owner));
            Source { table, prefixes, floor: None }
        }
        (None, None) => {
            let prefixes = prefixes(&|tenant: &TenantId| Key::tenant(tenant));
            Source { table: records, prefixes, floor: None }
        }
    }
}

/// Walks the sources' ids in order, loads the record of each, and keeps those that match.
pub(super) fn page<T: DeserializeOwned>(
    tx: &ReadTransaction,
    query: &Query,
    sources: &[Source],
    (records, name): (schema::Table, &'static str),
    matches: impl Fn(&T) -> bool,
) -> Result<Page<T>, ReadError> {
    let indexes: Result<Vec<_>, _> = sources.iter().map(|source| tx.open_table(source.table)).collect();
    let indexes = indexes?;
    let records = tx.open_table(records)?;
    let mut walks = Vec::new();
    for (index, source) in indexes.iter().zip(sources) {
        for prefix in &source.prefixes {
            walks.push(Walk::new(index, prefix, query, source.floor)?);
        }
    }
    let mut items = Vec::new();
    let mut last = None;
    for _ in 0..LOOKED_AT_MAX {
        let Some((walk, id)) = next_of(&walks, query.oldest_first) else {
            return Ok(Page { items, next: None });
        };
        if items.len() == query.limit {
            return Ok(Page { items, next: last });
        }
        let key = [walks[walk].tenant.as_slice(), &id].concat();
        if let Some(bytes) = records.get(key.as_slice())? {
            let record = decode(name, bytes.value())?;
            if matches(&record) {
                items.push(record);
            }
        }
        last = Some(id);
        walks[walk].step()?;
    }
    Ok(Page { items, next: last })
}

pub(super) fn next_of(walks: &[Walk<'_>], oldest_first: bool) -> Option<(usize, [u8; 16])> {
    let heads = walks.iter().enumerate().filter_map(|(place, walk)| walk.head.map(|id| (place, id)));
    if oldest_first { heads.min_by_key(|(_, id)| *id) } else { heads.max_by_key(|(_, id)| *id) }
}

/// The ids under one prefix, in order.
pub(super) struct Walk<'a> {
    range: redb::Range<'a, &'static [u8], &'static [u8]>,
    /// The tenant's part of the prefix, which is how its records' keys begin.
    pub(super) tenant: Vec<u8>,
    head: Option<[u8; 16]>,
    oldest_first: bool,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        table: &'a redb::ReadOnlyTable<&'static [u8], &'static [u8]>,
        prefix: &[u8],
        query: &Query,
        floor: Option<[u8; 16]>,
    ) -> Result<Walk<'a>, ReadError> {
        let place = |id: [u8; 16]| [prefix, &id].concat();
        let (mut first, mut end) = (Bound::Included(prefix.to_vec()), end_of(prefix));
        if let Some(lowest) = floor.max(query.between.0) {
            first = Bound::Included(place(lowest));
        }
        if let Some(highest) = query.between.1 {
            end = Some(place(highest));
        }
        match query.after {
            Some(after) if query.oldest_first => {
                let (after, past_it) = (place(after), Bound::Excluded(place(after)));
                // A floor above the place where the page begins counts more.
                first = if matches!(&first, Bound::Included(lowest) if *lowest > after) { first } else { past_it };
            }
            Some(after) => end = Some(end.map_or(place(after), |end| end.min(place(after)))),
            None => {}
        }
        let tenant = tenant_of(prefix);
        let mut walk =
            Walk { range: range(table, &first, end.as_deref())?, tenant, head: None, oldest_first: query.oldest_first };
        walk.step()?;
        Ok(walk)
    }

    pub(super) fn step(&mut self) -> Result<(), ReadError> {
        let entry = if self.oldest_first { self.range.next() } else { self.range.next_back() };
        self.head = match entry {
            Some(entry) => last_id(entry?.0.value()),
            None => None,
        };
        Ok(())
    }
}

/// What lies from `first` up to `end`; nothing when the one is behind the other.
fn range<'a>(
    table: &'a redb::ReadOnlyTable<&'static [u8], &'static [u8]>,
    first: &Bound<Vec<u8>>,
    end: Option<&[u8]>,
) -> Result<redb::Range<'a, &'static [u8], &'static [u8]>, ReadError> {
    let first = first.as_ref().map(Vec::as_slice);
    let (Bound::Included(lowest) | Bound::Excluded(lowest)) = first else {
        return Ok(table.range::<&[u8]>((first, upper(end)))?);
    };
    // One that ends before it begins is a panic of redb's.
    let end = end.map(|end| end.max(lowest));
    if end == Some(lowest) {
        return Ok(table.range::<&[u8]>(lowest..lowest)?);
    }
    Ok(table.range::<&[u8]>((first, upper(end)))?)
}

/// State bytes are below every byte of a tenant id, and the shared tenant is only its zero byte.
fn tenant_of(prefix: &[u8]) -> Vec<u8> {
    let from = usize::from(prefix.first().is_some_and(|byte| (1..32).contains(byte)));
    let length = prefix[from..].iter().position(|byte| *byte == 0).map_or(0, |at| at + 1);
    prefix[from..from + length].to_vec()
}
