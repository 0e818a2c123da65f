//! Which ways chains took lately, told from the newest runs.

use super::codec::{Key, decode};
use super::read::{Query, Walk, next_of, tenants};
use super::{ReadError, Store, schema};
use crate::domain::{ActionId, EventId, EventTypeId, RunId, State, TenantId, Timestamp};
use redb::{ReadTransaction, ReadableDatabase};
use serde::Deserialize;
use std::collections::HashMap;

/// What a run that ended fired its next event on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Way {
    Success,
    Failure,
}

/// What was counted, and among how many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Followed {
    /// Runs that were looked at.
    pub runs: usize,
    /// When the oldest of them was planned.
    pub since: Option<Timestamp>,
    /// Runs of an action for events of a type; those that were skipped did not run.
    pub started: HashMap<(EventTypeId, ActionId), u64>,
    /// Events of a type that the ends of an action's runs fired.
    pub fired: HashMap<(ActionId, Way, EventTypeId), u64>,
}

/// Records read for one count, in bytes: payloads and outputs can be long, and what they say is not looked at.
const READ_BYTES_MAX: usize = 32 << 20;

/// Of a run, what is counted. The rest of the record is passed over.
#[derive(Deserialize)]
struct Step {
    event_id: EventId,
    action_id: ActionId,
    state: State,
    #[serde(default)]
    child_event_id: Option<EventId>,
    queued_at: Timestamp,
}

/// Of an event, what is counted.
#[derive(Deserialize)]
struct Typed {
    event_type_id: EventTypeId,
}

/// Looks event types up, each event once.
struct Types {
    events: redb::ReadOnlyTable<&'static [u8], &'static [u8]>,
    known: HashMap<EventId, Option<EventTypeId>>,
    /// Read so far, of runs too.
    bytes: usize,
}

impl Types {
    fn of(&mut self, tenant: &[u8], event: EventId) -> Result<Option<EventTypeId>, ReadError> {
        if let Some(known) = self.known.get(&event) {
            return Ok(*known);
        }
        let found = self.events.get([tenant, event.as_bytes()].concat().as_slice())?;
        let typed: Option<Typed> = match found {
            Some(record) => {
                self.bytes += record.value().len();
                Some(decode("events", record.value())?)
            }
            None => None,
        };
        let event_type = typed.map(|typed| typed.event_type_id);
        self.known.insert(event, event_type);
        Ok(event_type)
    }
}

impl Store {
    /// Counts over the newest `runs_max` runs of a tenant, or with `None` of everybody; over fewer when their records are long.
    pub fn followed(&self, tenant: Option<&TenantId>, runs_max: usize) -> Result<Followed, ReadError> {
        let tx = self.db().begin_read()?;
        let query = Query {
            tenant: tenant.cloned(),
            state: None,
            after: None,
            oldest_first: false,
            between: (None, None),
            limit: runs_max,
        };
        count(&tx, &query)
    }
}

fn count(tx: &ReadTransaction, query: &Query) -> Result<Followed, ReadError> {
    let runs = tx.open_table(schema::RUNS)?;
    let of_tenants = tenants(tx, query, schema::RUNS)?;
    let walks = of_tenants.iter().map(|tenant| Walk::new(&runs, &Key::tenant(tenant).done(), query, None));
    let mut walks = walks.collect::<Result<Vec<_>, _>>()?;
    let mut followed = Followed::default();
    let mut types = Types { events: tx.open_table(schema::EVENTS)?, known: HashMap::new(), bytes: 0 };
    while followed.runs < query.limit && types.bytes < READ_BYTES_MAX {
        let Some((place, id)) = next_of(&walks, false) else { break };
        let tenant = walks[place].tenant.clone();
        let id = RunId::from_bytes(id);
        if let Some(record) = runs.get([tenant.as_slice(), id.as_bytes()].concat().as_slice())? {
            types.bytes += record.value().len();
            note(&mut followed, &mut types, &tenant, &decode("runs", record.value())?)?;
        }
        walks[place].step()?;
    }
    Ok(followed)
}

fn note(followed: &mut Followed, types: &mut Types, tenant: &[u8], step: &Step) -> Result<(), ReadError> {
    followed.runs += 1;
    followed.since = Some(step.queued_at);
    if step.state != State::Skipped
        && let Some(event_type) = types.of(tenant, step.event_id)?
    {
        *followed.started.entry((event_type, step.action_id)).or_default() += 1;
    }
    let way = if step.state == State::Error { Way::Failure } else { Way::Success };
    if let Some(child) = step.child_event_id
        && let Some(event_type) = types.of(tenant, child)?
    {
        *followed.fired.entry((step.action_id, way, event_type)).or_default() += 1;
    }
    Ok(())
}
