//! Taking up what an earlier process left open (DESIGN §3.12).

use super::job::{Job, Live};
use super::reservations::Reserving;
use super::scheduler::{Dispatch, StartError};
use super::settle::{Next, settle};
use super::worker::blocking;
use crate::domain::{EventId, Interruption, RunId, State, TenantId, Timestamp};
use crate::store::{Change, ReadError, Store, Transition};
use std::collections::HashSet;
use std::sync::Arc;

impl Live {
    /// The event with its runs from the store.
    pub(super) fn load(store: &Store, tenant: &TenantId, id: EventId) -> Result<Option<Live>, ReadError> {
        let Some(event) = store.event(Some(tenant), id)? else { return Ok(None) };
        let mut runs = Vec::with_capacity(event.runs.len());
        for id in &event.runs {
            let missing =
                || ReadError::Corrupt { table: "runs", detail: format!("the run {id} of an event is missing") };
            runs.push(Arc::new(store.run(Some(tenant), *id)?.ok_or_else(missing)?));
        }
        Ok(Some(Live { event: Arc::new(event), runs }))
    }
}

/// The run of an event that was next when the process ended.
struct Left {
    tenant: TenantId,
    event_id: EventId,
    run_id: RunId,
    state: State,
    due_at: Option<Timestamp>,
}

impl Dispatch {
    /// Runs that were RUNNING are queued again or, after too many crashes, end; what was QUEUED or WAITING goes on.
    pub(super) async fn recover(&self) -> Result<(), StartError> {
        let store = self.store().clone();
        let dispatch = self.clone();
        let left = blocking(move || leftovers(&store, &mut dispatch.reservations().lock())).await?;
        let found = left.len();
        let mut interrupted = 0_usize;
        for left in left {
            let job = if left.state == State::Running {
                interrupted += 1;
                self.interrupt(&left).await?
            } else {
                let Left { tenant, event_id, run_id, .. } = left;
                Some(Job { tenant, event_id, run_id, live: None, waiter: None, durable_start: true })
            };
            match (job, left.due_at) {
                (Some(job), Some(due)) => self.wait_until(due, job),
                (Some(job), None) => self.offer(job),
                (None, _) => {}
            }
        }
        if found > 0 {
            tracing::info!(found, interrupted, "took up the runs that were open when the server last ended");
        }
        Ok(())
    }

    /// Counts the interruption, durably, before the run can start again.
    async fn interrupt(&self, left: &Left) -> Result<Option<Job>, StartError> {
        let (store, tenant, id) = (self.store().clone(), left.tenant.clone(), left.event_id);
        let Some(mut live) = blocking(move || Live::load(&store, &tenant, id)).await? else { return Ok(None) };
        let Some(place) = live.runs.iter().position(|run| run.id == left.run_id) else { return Ok(None) };
        let now = self.now();
        if let Err(error) = Arc::make_mut(&mut live.runs[place]).interrupt(Interruption::Crash, now) {
            tracing::error!(run.id = %left.run_id, %error, "a run was left in a state that recovery does not know");
            return Ok(None);
        }
        let (next, skipped) = settle(Arc::make_mut(&mut live.event), &mut live.runs, now);
        let mut changes = vec![Change::Event(Arc::clone(&live.event)), Change::Run(Arc::clone(&live.runs[place]))];
        changes.extend(skipped.iter().map(|place| Change::Run(Arc::clone(&live.runs[*place]))));
        self.hand_in_and_wait(Transition::of(changes)).await?;
        Ok(match next {
            Next::Run(place) | Next::Wait(place, _) => Some(Job { durable_start: true, ..Job::new(live, place, None) }),
            Next::Nothing => None,
        })
    }
}

/// For every open event the first of its open runs: runs go one after the other, and their ids rise with their places.
/// All of them keep what they had reserved.
fn leftovers(store: &Store, reserving: &mut Reserving<'_>) -> Result<Vec<Left>, ReadError> {
    let mut seen = HashSet::new();
    let mut left = Vec::new();
    store.visit_open_runs(|run| {
        reserving.hold(&run);
        if seen.insert(run.event_id) {
            let (tenant, event_id, run_id) = (run.owner_id, run.event_id, run.id);
            left.push(Left { tenant, event_id, run_id, state: run.state, due_at: run.due_at });
        }
    })?;
    Ok(left)
}
