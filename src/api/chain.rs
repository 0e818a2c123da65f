//! The chains as a graph: what follows on what, how often lately, and where it goes round.

use super::Api;
use super::auth::{Caller, Read};
use super::error::Problem;
use super::extract::Query;
use super::page::{self, Data};
use crate::dispatch::{ChainEdge, ChainGraph, ChainNode, Step, Wanted};
use crate::domain::{TenantId, Timestamp};
use crate::store::{Followed, Way};
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use utoipa::{IntoParams, ToSchema};

/// Nodes in one answer; a picture of more is no help.
const NODES_MAX: usize = 200;
const NODES_DEFAULT: usize = 60;
/// Edges from what was asked for.
const STEPS_MAX: usize = 8;
const STEPS_DEFAULT: usize = 2;
/// Runs that are counted: what is done lately, and a few milliseconds.
const RUNS_MAX: usize = 1_000;
/// Ways round that are told.
const LOOPS_MAX: usize = 20;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ChainFilter {
    /// Text that the name of an event type or an action has, whatever the case: those, and what is near them.
    q: Option<String>,
    /// Id of an event type or an action: what is near it.
    around: Option<String>,
    /// How near, in steps from one to the next, 0 to 8. Default 2.
    steps: Option<usize>,
    /// As this tenant sees it; only the platform names another than its own.
    #[param(value_type = Option<String>)]
    owner_id: Option<TenantId>,
    /// At most this many event types and actions, 1 to 200. Default 60.
    limit: Option<usize>,
}

/// A part of the graph of chains.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChainsOut {
    /// Event types by name, then actions by name.
    pub(crate) nodes: Vec<ChainNodeOut>,
    /// Between those.
    pub(crate) edges: Vec<ChainEdgeOut>,
    /// Ways that come back to where they began, of all chains: one for each set of nodes that all lead to each other. At most 20.
    pub(crate) loops: Vec<Vec<ChainStepOut>>,
    /// Event types and actions that belong to what was asked for, or are next to it, and for which there was no room.
    pub(crate) left_out: usize,
    /// Runs among which was counted: the newest.
    pub(crate) runs: usize,
    /// When the oldest of them was planned.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) since: Option<Timestamp>,
}

/// An event type or an action.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChainNodeOut {
    #[schema(value_type = uuid::Uuid)]
    pub(crate) id: String,
    /// `event_type` or `action`.
    pub(crate) kind: &'static str,
    pub(crate) name: String,
    pub(crate) owner_id: String,
    pub(crate) enabled: bool,
    /// What is next to it and left out.
    pub(crate) further: usize,
}

/// That one follows on the other.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChainEdgeOut {
    #[schema(value_type = uuid::Uuid)]
    pub(crate) from: String,
    #[schema(value_type = uuid::Uuid)]
    pub(crate) to: String,
    /// `link`: the event type names the action; `trigger`: it triggers it where it is attached; `success`, `failure`: the
    /// action fires the event type when it has ended so.
    pub(crate) on: &'static str,
    /// How often, among the runs that were counted.
    pub(crate) followed: u64,
    /// Whether it leads back to where it begins.
    pub(crate) in_loop: bool,
}

/// A step on a way.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChainStepOut {
    #[schema(value_type = uuid::Uuid)]
    pub(crate) id: String,
    /// `event_type` or `action`.
    pub(crate) kind: &'static str,
    pub(crate) name: String,
}

/// Look at the chains
///
/// Which actions event types run, and which event types those fire when they end, as a graph. Without `q` and `around` it has
/// everything that has an edge if there is room, else the chains alone, those that go round first.
#[utoipa::path(get, path = "/chain", tag = "chains", params(ChainFilter), responses((status = 200, body = page::Envelope<ChainsOut>)))]
pub(crate) async fn read(
    caller: Caller<Read>,
    State(api): State<Api>,
    Query(filter): Query<ChainFilter>,
) -> Result<Data<ChainsOut>, Problem> {
    let bounded = |name: &str, value: Option<usize>, default: usize, (least, most): (usize, usize)| match value {
        None => Ok(default),
        Some(value) if (least..=most).contains(&value) => Ok(value),
        Some(value) => Err(Problem::bad_request(format!("{name}={value}: from {least} to {most}"))),
    };
    let nodes_max = bounded("limit", filter.limit, NODES_DEFAULT, (1, NODES_MAX))?;
    let steps = bounded("steps", filter.steps, STEPS_DEFAULT, (0, STEPS_MAX))?;
    let viewer = filter.owner_id.clone().unwrap_or_else(|| caller.tenant().clone());
    if !caller.tenant().may_change(&viewer) {
        return Err(Problem::bad_request(format!("owner_id={viewer}: only the platform looks as another tenant")));
    }
    let (catalogue, of) = (api.catalogue(), viewer.clone());
    let graph = api.computing(move || ChainGraph::of(&catalogue, &of, |owner| of.sees(owner))).await;
    let around = filter.around.as_deref().filter(|id| !id.is_empty()).map(|id| {
        let place = graph.nodes.iter().position(|node| node.id() == id);
        place.ok_or_else(|| Problem::not_found("event type or action", id))
    });
    let q = filter.q.unwrap_or_default().trim().to_lowercase();
    let wanted = Wanted { around: around.transpose()?, q, steps, nodes_max };
    let tenant = (!viewer.is_shared()).then_some(viewer);
    let followed = api.reading(move |store| store.followed(tenant.as_ref(), RUNS_MAX)).await?;
    Ok(Data::ok(ChainsOut::of(&graph, &wanted, &followed)))
}

impl ChainsOut {
    fn of(graph: &ChainGraph, wanted: &Wanted, followed: &Followed) -> ChainsOut {
        let picked = graph.pick(wanted);
        let here: HashSet<usize> = picked.nodes.iter().copied().collect();
        let shown = graph.edges.iter().filter(|edge| here.contains(&edge.from) && here.contains(&edge.to));
        let edges = shown.map(|edge| ChainEdgeOut {
            from: graph.nodes[edge.from].id(),
            to: graph.nodes[edge.to].id(),
            on: match edge.step {
                Step::Link => "link",
                Step::Trigger => "trigger",
                Step::Success => "success",
                Step::Failure => "failure",
            },
            followed: count(graph, edge, followed),
            in_loop: graph.is_in_loop(edge),
        });
        let node = |place: &usize| {
            let node = &graph.nodes[*place];
            let beside: HashSet<usize> = graph.neighbours(*place).filter(|beside| !here.contains(beside)).collect();
            let enabled = match node {
                ChainNode::EventType(event_type) => event_type.enabled,
                ChainNode::Action(action) => action.enabled,
            };
            let ChainStepOut { id, kind, name } = ChainStepOut::of(node);
            ChainNodeOut { id, kind, name, owner_id: node.owner().to_string(), enabled, further: beside.len() }
        };
        let loops = graph.loops();
        let way = |way: &Vec<usize>| way.iter().map(|place| ChainStepOut::of(&graph.nodes[*place])).collect();
        ChainsOut {
            nodes: picked.nodes.iter().map(node).collect(),
            edges: edges.collect(),
            loops: loops.iter().take(LOOPS_MAX).map(way).collect(),
            left_out: picked.left_out,
            runs: followed.runs,
            since: followed.since,
        }
    }
}

impl ChainStepOut {
    fn of(node: &ChainNode) -> ChainStepOut {
        let kind = match node {
            ChainNode::EventType(_) => "event_type",
            ChainNode::Action(_) => "action",
        };
        ChainStepOut { id: node.id(), kind, name: node.name().to_owned() }
    }
}

fn count(graph: &ChainGraph, edge: &ChainEdge, followed: &Followed) -> u64 {
    let counted = match (&graph.nodes[edge.from], &graph.nodes[edge.to]) {
        (ChainNode::EventType(from), ChainNode::Action(to)) => followed.started.get(&(from.id, to.id)),
        (ChainNode::Action(from), ChainNode::EventType(to)) => {
            let way = if edge.step == Step::Failure { Way::Failure } else { Way::Success };
            followed.fired.get(&(from.id, way, to.id))
        }
        _ => None,
    };
    counted.copied().unwrap_or(0)
}
