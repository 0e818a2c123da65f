//! Taking up what an earlier process left open (DESIGN §3.12).

use super::chain::Child;
use super::job::{Job, Live};
use super::reservations::Reserving;
use super::scheduler::{Dispatch, StartError};
use super::settle::{Next, Standing, choose, choose_begun, settle};
use super::worker::blocking;
use crate::domain::{EntryName, EventId, EventTypeId, Interruption, Run, State, TenantId};
use crate::store::{ReadError, Store, Transition};
use std::collections::BTreeMap;
use std::sync::Arc;

impl Live {
    /// The event with its runs from the store.
    pub(super) fn load(store: &Store, tenant: &TenantId, id: EventId) -> Result<Option<Live>, ReadError> {
        let Some((event, runs)) = store.event_with_runs(Some(tenant), id)? else { return Ok(None) };
        if runs.len() != event.runs.len() {
            let detail = format!("the event {id} lacks {} of its runs", event.runs.len() - runs.len());
            return Err(ReadError::Corrupt { table: "runs", detail });
        }
        let runs = runs.into_iter().map(Arc::new).collect();
        Ok(Some(Live { event: Arc::new(event), runs, family: None }))
    }
}

/// An event that was open when the process ended.
struct Left {
    tenant: TenantId,
    event_id: EventId,
    sink_type: Option<EntryName>,
    /// Its type, if it matters because any is paused.
    event_type: Option<EventTypeId>,
    /// Its open runs with their places in the plan.
    open: Vec<(usize, Standing)>,
}

impl Dispatch {
    /// Runs that were RUNNING are queued again or, after too many crashes, end; what was QUEUED or WAITING goes on.
    pub(super) async fn recover(&self) -> Result<(), StartError> {
        let store = self.store().clone();
        let dispatch = self.clone();
        let left = blocking(move || {
            let mut left = leftovers(&store, &mut dispatch.reservations().lock())?;
            if dispatch.may_hold() {
                for left in &mut left {
                    left.event_type = store.event(Some(&left.tenant), left.event_id)?.map(|event| event.event_type_id);
                }
            }
            Ok(left)
        });
        let left = left.await?;
        let found = left.len();
        let mut interrupted = 0_usize;
        for mut left in left {
            if left.open.iter().any(|(_, run)| run.state == State::Running) {
                interrupted += 1;
                self.interrupt(&left).await?;
                continue;
            }
            left.open.sort_unstable_by_key(|(place, _)| *place);
            let next = self.next_of(&left);
            let Left { tenant, event_id, sink_type, .. } = left;
            self.take_up(Job::stored(tenant, event_id, sink_type), next);
        }
        if found > 0 {
            tracing::info!(found, interrupted, "took up the events that were open when the server last ended");
        }
        Ok(())
    }

    fn next_of(&self, left: &Left) -> Next {
        let (now, runs) = (self.now(), || left.open.iter().copied());
        let next = choose(runs(), now);
        let has_started = |place| runs().any(|(at, run)| at == place && run.has_started);
        match (next, left.event_type.filter(|event_type| self.lock_desk().is_paused(*event_type))) {
            (Next::Run(place), Some(event_type)) if !has_started(place) => choose_begun(runs(), now, event_type),
            (next, _) => next,
        }
    }

    /// Counts the interruption, durably, before the run can start again.
    async fn interrupt(&self, left: &Left) -> Result<(), StartError> {
        let (store, tenant, id) = (self.store().clone(), left.tenant.clone(), left.event_id);
        let Some(live) = blocking(move || Live::load(&store, &tenant, id)).await? else { return Ok(()) };
        let mut live = self.join_family(live).await?;
        let now = self.now();
        let mut changed = Vec::new();
        for (place, run) in live.runs.iter_mut().enumerate().filter(|(_, run)| run.state == State::Running) {
            if Arc::make_mut(run).interrupt(Interruption::Crash, now).is_ok() {
                changed.push(place);
            }
        }
        let (next, skipped) = settle(Arc::make_mut(&mut live.event), &mut live.runs, now);
        let children = self.follow(&mut live, now);
        changed.extend(skipped);
        let mut changes = live.changes(&changed);
        changes.extend(children.iter().flat_map(Child::changes));
        self.hand_in_and_wait(Transition::of(changes)).await?;
        let next = self.hold_back(&live, next);
        self.take_up(Job { durable_start: true, ..Job::new(live, None) }, next);
        self.go_on_with(children);
        Ok(())
    }
}

/// The open events in the order in which they were accepted, each with its open runs, which keep what they had reserved.
fn leftovers(store: &Store, reserving: &mut Reserving<'_>) -> Result<Vec<Left>, ReadError> {
    let mut left: BTreeMap<EventId, Left> = BTreeMap::new();
    store.visit_open_runs(|run| {
        reserving.hold(&run);
        let standing = (run.position as usize, Standing::from(&run));
        let Run { owner_id: tenant, event_id, sink_type, .. } = run;
        left.entry(event_id)
            .or_insert_with(|| Left { tenant, event_id, sink_type, event_type: None, open: Vec::new() })
            .open
            .push(standing);
    })?;
    Ok(left.into_values().collect())
}
