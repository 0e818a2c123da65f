//! How much there was and how much of it failed: events by time, and what fails most.

use super::Api;
use super::auth::{Caller, Read};
use super::error::Problem;
use super::extract::Query;
use super::page::{self, Data};
use crate::dispatch::{is_taken, sink_types};
use crate::domain::{ActionId, Reason, Run, RunId, SinkType, SinkTypeId, State as RunState, TenantId, Timestamp};
use crate::store::{self, Grain};
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// Steps of one answer at most.
const STEPS_MAX: i64 = 500;
/// Runs that are looked at for what fails most.
const RUNS_MAX: usize = 1_000;
/// Actions that are named.
const ACTIONS_MAX: usize = 20;
/// Queues that are named, the longest first.
const QUEUES_MAX: usize = 100;
const HOUR_MS: i64 = 3_600_000;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct StatsQuery {
    /// From the step that this time is in. Default an hour before `to`. Steps of whole hours are known for the last 7 days,
    /// others for the last 24 hours.
    #[param(value_type = Option<String>)]
    pub(crate) from: Option<Timestamp>,
    /// Up to the step that this time is in. Default now.
    #[param(value_type = Option<String>)]
    pub(crate) to: Option<Timestamp>,
    /// Seconds of one step: whole minutes. Default 60. There are at most 500 steps.
    pub(crate) step: Option<u32>,
    /// Only what is this tenant's; empty for the platform's own.
    #[param(value_type = Option<String>)]
    pub(crate) owner_id: Option<TenantId>,
}

/// Events by when they were fired.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StatsOut {
    /// When the first step begins.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) from: Timestamp,
    /// When the last step ends.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) to: Timestamp,
    /// Seconds of one step.
    pub(crate) step: i64,
    /// All events of that time.
    pub(crate) events: u64,
    /// Those of them that ended as ERROR.
    pub(crate) failed: u64,
    /// In order and without gaps.
    pub(crate) steps: Vec<StatsStep>,
}

#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(crate) struct StatsStep {
    /// When it begins.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) at: Timestamp,
    pub(crate) events: u64,
    pub(crate) failed: u64,
}

/// Count events by time
///
/// How many were fired in each step of time, and how many of those have failed by now. Events that were forgotten because
/// they were old are in no count.
#[utoipa::path(get, path = "/stats", tag = "history", params(StatsQuery), responses((status = 200, body = page::Envelope<StatsOut>)))]
pub(crate) async fn count(
    caller: Caller<Read>,
    State(api): State<Api>,
    Query(query): Query<StatsQuery>,
) -> Result<Data<StatsOut>, Problem> {
    let now = api.now();
    let step_ms = i64::from(query.step.unwrap_or(60)) * 1_000;
    if step_ms == 0 || step_ms % Grain::Minute.ms() != 0 {
        return Err(Problem::bad_request("step: it has whole minutes, as 60, 900 or 3600 seconds"));
    }
    let grain = if step_ms % HOUR_MS == 0 { Grain::Hour } else { Grain::Minute };
    let to = query.to.unwrap_or(now).min(now);
    let from = query.from.unwrap_or_else(|| to.shifted_ms(-HOUR_MS));
    // What is asked for at the same time must not be too old because it comes a moment later.
    if from < now.shifted_ms(-grain.reach_ms()) {
        let (known, hint) = match grain {
            Grain::Hour => ("7 days", ""),
            Grain::Minute => ("24 hours", "; with a step of whole hours it is 7 days"),
        };
        return Err(Problem::bad_request(format!("from: it is known for the last {known} only{hint}")));
    }
    let first = from.as_ms().div_euclid(step_ms);
    let end = (to.as_ms().div_euclid(step_ms) + 1).max(first + 1);
    if end - first > STEPS_MAX {
        let steps = end - first;
        return Err(Problem::bad_request(format!("step: that is {steps} steps, of which {STEPS_MAX} are the most")));
    }
    let at = |step: i64| Timestamp::from_ms(step * step_ms);
    let mut steps: Vec<StatsStep> = (first..end).map(|step| StatsStep { at: at(step), events: 0, failed: 0 }).collect();
    if let Some(tenant) = whose(&caller, query.owner_id.as_ref()) {
        for (found, count) in api.store().count_events(tenant.as_ref(), grain, (at(first), at(end))) {
            let place = usize::try_from(found.as_ms().div_euclid(step_ms) - first).ok();
            if let Some(step) = place.and_then(|place| steps.get_mut(place)) {
                (step.events, step.failed) = (step.events + count.events, step.failed + count.failed);
            }
        }
    }
    let sum = |count: fn(&StatsStep) -> u64| steps.iter().map(count).sum();
    let (events, failed) = (sum(|step| step.events), sum(|step| step.failed));
    Ok(Data::ok(StatsOut { from: at(first), to: at(end), step: step_ms / 1_000, events, failed, steps }))
}

/// Whose history is asked for; `None` in it is everybody's, and none at all is what the caller does not see.
fn whose<N>(caller: &Caller<N>, asked: Option<&TenantId>) -> Option<Option<TenantId>> {
    match (caller.scope(), asked) {
        (None, asked) => Some(asked.cloned()),
        (Some(own), Some(asked)) if own != asked => None,
        (Some(own), _) => Some(Some(own.clone())),
    }
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LoadQuery {
    /// Only what is this tenant's; empty for the platform's own.
    #[param(value_type = Option<String>)]
    pub(crate) owner_id: Option<TenantId>,
}

/// What is under way now.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct LoadOut {
    /// Runs that go on.
    pub(crate) running: u32,
    /// Events that wait for a permit, for a sink, for their time, or for their type to be resumed.
    pub(crate) waiting: usize,
    /// Sink types that runs wait under, and all that no sink takes.
    pub(crate) queues: Vec<QueueOut>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QueueOut {
    #[schema(value_type = uuid::Uuid)]
    pub(crate) sink_type_id: SinkTypeId,
    pub(crate) sink_type: String,
    /// Whose sink type it is; empty for the platform's.
    pub(crate) owner_id: String,
    /// Whether a sink is online that takes it.
    pub(crate) online: bool,
    /// How many runs wait for a permit, or for a sink.
    pub(crate) queued: usize,
}

/// Say what is under way
#[utoipa::path(get, path = "/stats/load", tag = "history", params(LoadQuery), responses((status = 200, body = page::Envelope<LoadOut>)))]
pub(crate) async fn load(
    caller: Caller<Read>,
    State(api): State<Api>,
    Query(query): Query<LoadQuery>,
) -> Result<Data<LoadOut>, Problem> {
    let Some(tenant) = whose(&caller, query.owner_id.as_ref()) else { return Ok(Data::ok(LoadOut::default())) };
    let (dispatch, catalogue) = (api.dispatch(), api.catalogue());
    let (running, waiting) = match &tenant {
        Some(tenant) => dispatch.load_of(tenant),
        None => {
            let load = dispatch.load();
            (load.running, load.queued + load.waiting + load.held)
        }
    };
    let queued = dispatch.queues(tenant.as_ref());
    let out = |found: &Arc<SinkType>| QueueOut {
        sink_type_id: found.header.id,
        sink_type: found.header.name.to_string(),
        owner_id: found.header.owner_id.to_string(),
        online: is_taken(&catalogue, found.profile()),
        queued: queued.get(&found.profile()).copied().unwrap_or_default(),
    };
    let visible = sink_types(&catalogue).filter(|found| caller.tenant().sees(&found.header.owner_id));
    let mut queues: Vec<QueueOut> = visible.map(out).filter(|queue| queue.queued > 0 || !queue.online).collect();
    queues.sort_by_key(|queue| std::cmp::Reverse(queue.queued));
    queues.truncate(QUEUES_MAX);
    Ok(Data::ok(LoadOut { running, waiting, queues }))
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct FailuresQuery {
    /// Only of runs that were planned at this time or later.
    #[param(value_type = Option<String>)]
    pub(crate) from: Option<Timestamp>,
    /// Only what is this tenant's; empty for the platform's own.
    #[param(value_type = Option<String>)]
    pub(crate) owner_id: Option<TenantId>,
}

/// What fails most.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FailuresOut {
    /// Failed runs that were looked at, the newest first: 1000 at most.
    pub(crate) failed: usize,
    /// Whether there are more in that time than were looked at.
    pub(crate) more: bool,
    /// The actions of most of them, 20 at most.
    pub(crate) actions: Vec<FailingAction>,
    /// The reasons, the most frequent first.
    pub(crate) reasons: Vec<FailureReason>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FailingAction {
    #[schema(value_type = uuid::Uuid)]
    pub(crate) action_id: ActionId,
    /// As it was called in the newest of its runs.
    pub(crate) action: String,
    /// Whose run the newest was.
    pub(crate) owner_id: String,
    pub(crate) failed: usize,
    /// The newest of its runs that failed.
    #[schema(value_type = uuid::Uuid)]
    pub(crate) run_id: RunId,
    /// What that said.
    pub(crate) message: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FailureReason {
    #[schema(value_type = String)]
    pub(crate) reason: Reason,
    pub(crate) failed: usize,
}

/// Say what fails most
///
/// Of the newest 1000 runs that ended as ERROR: their actions and reasons, the most frequent first.
#[utoipa::path(get, path = "/stats/failure", tag = "history", params(FailuresQuery), responses((status = 200, body = page::Envelope<FailuresOut>)))]
pub(crate) async fn failures(
    caller: Caller<Read>,
    State(api): State<Api>,
    Query(query): Query<FailuresQuery>,
) -> Result<Data<FailuresOut>, Problem> {
    let Some(tenant) = whose(&caller, query.owner_id.as_ref()) else {
        return Ok(Data::ok(FailuresOut::of(&[], false)));
    };
    let from = query.from.map(|from| *RunId::first_at(from).as_bytes());
    let failed = store::Query {
        tenant,
        state: Some(RunState::Error),
        after: None,
        oldest_first: false,
        between: (from, None),
        limit: RUNS_MAX,
    };
    let page = api.reading(move |store| store.list_runs(&failed, None, |_| true)).await?;
    Ok(Data::ok(FailuresOut::of(&page.items, page.next.is_some())))
}

impl FailuresOut {
    /// Of runs from the newest to the oldest.
    fn of(runs: &[Run], more: bool) -> FailuresOut {
        let (mut places, mut actions) = (HashMap::new(), Vec::<FailingAction>::new());
        let mut reasons = Vec::<FailureReason>::new();
        for run in runs {
            let place = *places.entry(run.action_id).or_insert_with(|| {
                actions.push(FailingAction {
                    action_id: run.action_id,
                    action: run.action.clone(),
                    owner_id: run.owner_id.to_string(),
                    failed: 0,
                    run_id: run.id,
                    message: run.message.clone(),
                });
                actions.len() - 1
            });
            actions[place].failed += 1;
            let Some(reason) = run.reason else { continue };
            match reasons.iter_mut().find(|known| known.reason == reason) {
                Some(known) => known.failed += 1,
                None => reasons.push(FailureReason { reason, failed: 1 }),
            }
        }
        // Stable: of those that are alike the one that failed last comes first.
        actions.sort_by_key(|action| std::cmp::Reverse(action.failed));
        reasons.sort_by_key(|reason| std::cmp::Reverse(reason.failed));
        actions.truncate(ACTIONS_MAX);
        FailuresOut { failed: runs.len(), more, actions, reasons }
    }
}
