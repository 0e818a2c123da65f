//! The graph of chains: which actions event types run, which event types the ends of those fire, and where that goes round.

use crate::domain::{Action, EventType, EventTypeId, EventTypeName, TenantId};
use crate::store::Catalogue;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

/// What a chain goes through.
#[derive(Clone, Debug)]
pub enum ChainNode {
    EventType(Arc<EventType>),
    Action(Arc<Action>),
}

/// Why one follows the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The event type names the action.
    Link,
    /// The event type triggers the action wherever it is attached.
    Trigger,
    /// The action fires the event type when it has succeeded.
    Success,
    /// The same when it has failed for good.
    Failure,
}

/// Nodes by their places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChainEdge {
    pub from: usize,
    pub to: usize,
    pub step: Step,
}

/// All of it that somebody sees.
#[derive(Debug, Default)]
pub struct ChainGraph {
    /// Event types by name, then actions by name.
    pub nodes: Vec<ChainNode>,
    /// In order.
    pub edges: Vec<ChainEdge>,
    /// Of each node the edges that it has, out or in.
    beside: Vec<Vec<usize>>,
    /// Of each node the knot that it is part of: the nodes of a knot all lead to each other.
    knots: Vec<Option<usize>>,
}

/// A part of the graph.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// What is near this node.
    pub around: Option<usize>,
    /// What is near the nodes whose name has this text, in lower case. Neither: the chains, those that go round first.
    pub q: String,
    /// How near, in edges.
    pub steps: usize,
    pub nodes_max: usize,
}

/// Places of nodes, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picked {
    pub nodes: Vec<usize>,
    /// Nodes that belong to what was wanted, or are beside it, and are not picked.
    pub left_out: usize,
}

impl ChainNode {
    pub fn name(&self) -> &str {
        match self {
            ChainNode::EventType(event_type) => event_type.display_name.as_str(),
            ChainNode::Action(action) => action.name.as_str(),
        }
    }

    pub fn id(&self) -> String {
        match self {
            ChainNode::EventType(event_type) => event_type.id.to_string(),
            ChainNode::Action(action) => action.id.to_string(),
        }
    }

    pub fn owner(&self) -> &TenantId {
        match self {
            ChainNode::EventType(event_type) => &event_type.owner_id,
            ChainNode::Action(action) => &action.owner_id,
        }
    }
}

impl ChainGraph {
    /// The graph of what is `seen`. Names mean what they mean to whoever owns the action, and those of the platform's
    /// actions what they mean to `viewer`.
    pub fn of(catalogue: &Catalogue, viewer: &TenantId, seen: impl Fn(&TenantId) -> bool) -> ChainGraph {
        let mut types: Vec<_> = catalogue.event_types().filter(|found| seen(&found.owner_id)).cloned().collect();
        types.sort_by_cached_key(|found| (found.display_name.folded(), found.owner_id.clone()));
        let mut actions: Vec<_> = catalogue.actions().filter(|found| seen(&found.owner_id)).cloned().collect();
        actions.sort_by_cached_key(|found| (found.name.folded(), found.owner_id.clone()));
        let place_of: HashMap<EventTypeId, usize> =
            types.iter().enumerate().map(|(place, found)| (found.id, place)).collect();
        let named = |action: &Action, name: &Option<EventTypeName>| {
            let tenant = if action.owner_id.is_shared() { viewer } else { &action.owner_id };
            let found = catalogue.event_type_named(tenant, name.as_ref()?)?;
            place_of.get(&found.id).copied()
        };
        let mut edges = Vec::new();
        for (place, action) in actions.iter().enumerate().map(|(place, action)| (types.len() + place, action)) {
            let linking = catalogue.event_types_linking(action.id).filter_map(|found| place_of.get(&found.id));
            edges.extend(linking.map(|from| ChainEdge { from: *from, to: place, step: Step::Link }));
            if let Some(from) = named(action, &action.trigger) {
                edges.push(ChainEdge { from, to: place, step: Step::Trigger });
            }
            for (name, step) in [(&action.on_success, Step::Success), (&action.on_failure, Step::Failure)] {
                edges.extend(named(action, name).map(|to| ChainEdge { from: place, to, step }));
            }
        }
        let nodes = types.into_iter().map(ChainNode::EventType);
        ChainGraph::joined(nodes.chain(actions.into_iter().map(ChainNode::Action)).collect(), edges)
    }

    fn joined(nodes: Vec<ChainNode>, mut edges: Vec<ChainEdge>) -> ChainGraph {
        edges.sort_unstable();
        // What is linked and triggered is one way there.
        edges.dedup_by_key(|edge| (edge.from, edge.to, edge.step.max(Step::Trigger)));
        let mut beside = vec![Vec::new(); nodes.len()];
        for (number, edge) in edges.iter().enumerate() {
            beside[edge.from].push(number);
            beside[edge.to].push(number);
        }
        let mut graph = ChainGraph { nodes, edges, beside, knots: Vec::new() };
        graph.knots = knots(&graph);
        graph
    }

    /// Whether going along an edge can come back to it.
    pub fn is_in_loop(&self, edge: &ChainEdge) -> bool {
        self.knots[edge.from].is_some() && self.knots[edge.from] == self.knots[edge.to]
    }

    /// One way round for each knot: a shortest one from its first node.
    pub fn loops(&self) -> Vec<Vec<usize>> {
        let mut seen = HashSet::new();
        let firsts = (0..self.nodes.len()).filter(|place| self.knots[*place].is_some_and(|knot| seen.insert(knot)));
        firsts.map(|first| self.way_round(first)).collect()
    }

    fn out_of(&self, place: usize) -> impl Iterator<Item = usize> {
        self.beside[place]
            .iter()
            .map(|edge| &self.edges[*edge])
            .filter(move |edge| edge.from == place)
            .map(|edge| edge.to)
    }

    fn way_round(&self, first: usize) -> Vec<usize> {
        let mut came_from: HashMap<usize, usize> = HashMap::new();
        let mut queue = VecDeque::from([first]);
        while let Some(place) = queue.pop_front() {
            for next in self.out_of(place).filter(|next| self.knots[*next] == self.knots[first]) {
                if next == first {
                    let mut way = vec![place];
                    while let Some(before) = way.last().and_then(|place| came_from.get(place)) {
                        way.push(*before);
                    }
                    way.reverse();
                    return way;
                }
                if let std::collections::hash_map::Entry::Vacant(unseen) = came_from.entry(next) {
                    unseen.insert(place);
                    queue.push_back(next);
                }
            }
        }
        vec![first]
    }

    /// What `wanted` asks for, as much of it as fits.
    pub fn pick(&self, wanted: &Wanted) -> Picked {
        let named = |place: &usize| self.nodes[*place].name().to_lowercase().contains(&wanted.q);
        let all = 0..self.nodes.len();
        let seeds: Vec<usize> = match wanted.around {
            Some(around) => vec![around],
            None if !wanted.q.is_empty() => all.filter(named).collect(),
            None => return self.pick_chains(wanted.nodes_max),
        };
        let mut picking = Picking::new(self.nodes.len(), wanted.nodes_max);
        picking.spread(self, &seeds, wanted.steps, |_| true);
        let unfit = seeds.iter().filter(|seed| !picking.is_picked[**seed]);
        let near = picking.nodes.iter().flat_map(|place| self.neighbours(*place));
        let left_out: HashSet<usize> = near.filter(|place| !picking.is_picked[*place]).chain(unfit.copied()).collect();
        picking.done(left_out.len())
    }

    /// Everything that follows on something if there is room for it, else the chains.
    fn pick_chains(&self, nodes_max: usize) -> Picked {
        let joined: Vec<usize> = (0..self.nodes.len()).filter(|place| !self.beside[*place].is_empty()).collect();
        let mut picking = Picking::new(self.nodes.len(), nodes_max);
        if joined.len() <= nodes_max {
            picking.spread(self, &joined, 0, |_| true);
            return picking.done(0);
        }
        let is_chained = self.chained();
        let chained = joined.iter().filter(|place| self.beside[**place].iter().any(|edge| is_chained[*edge]));
        let (knotted, others): (Vec<usize>, Vec<usize>) = chained.partition(|place| self.knots[**place].is_some());
        for seed in knotted.into_iter().chain(others) {
            picking.spread(self, &[seed], usize::MAX, |edge| is_chained[edge]);
        }
        let left_out = joined.len() - picking.nodes.len();
        picking.done(left_out)
    }

    /// Of each edge whether it is part of a chain: the end of a run fires something, or what fires so runs something.
    fn chained(&self) -> Vec<bool> {
        let (mut fires, mut is_fired) = (vec![false; self.nodes.len()], vec![false; self.nodes.len()]);
        for edge in self.edges.iter().filter(|edge| matches!(edge.step, Step::Success | Step::Failure)) {
            (fires[edge.from], is_fired[edge.to]) = (true, true);
        }
        let of_chain = |edge: &ChainEdge| fires[edge.from] || fires[edge.to] || is_fired[edge.from];
        self.edges.iter().map(of_chain).collect()
    }

    /// The nodes that have an edge with this one, some twice.
    pub fn neighbours(&self, place: usize) -> impl Iterator<Item = usize> {
        let edges = self.beside[place].iter().map(|edge| &self.edges[*edge]);
        edges.map(move |edge| if edge.from == place { edge.to } else { edge.from })
    }
}

/// A part that grows from node to node until there is no more room.
struct Picking {
    is_picked: Vec<bool>,
    nodes: Vec<usize>,
    nodes_max: usize,
}

impl Picking {
    fn new(nodes: usize, nodes_max: usize) -> Picking {
        Picking { is_picked: vec![false; nodes], nodes: Vec::new(), nodes_max }
    }

    fn take(&mut self, place: usize) -> bool {
        let takes = !self.is_picked[place] && self.nodes.len() < self.nodes_max;
        if takes {
            self.is_picked[place] = true;
            self.nodes.push(place);
        }
        takes
    }

    /// Takes the seeds, then what is beside what was taken, so many steps far along edges that are `wanted`.
    fn spread(&mut self, graph: &ChainGraph, seeds: &[usize], steps: usize, wanted: impl Fn(usize) -> bool) {
        let mut queue: VecDeque<(usize, usize)> = VecDeque::new();
        for seed in seeds {
            if self.take(*seed) {
                queue.push_back((*seed, 0));
            }
        }
        while let Some((place, far)) = queue.pop_front().filter(|_| self.nodes.len() < self.nodes_max) {
            if far == steps {
                continue;
            }
            for number in graph.beside[place].iter().copied().filter(|edge| wanted(*edge)) {
                let edge = &graph.edges[number];
                let next = if edge.from == place { edge.to } else { edge.from };
                if self.take(next) {
                    queue.push_back((next, far + 1));
                }
            }
        }
    }

    fn done(mut self, left_out: usize) -> Picked {
        self.nodes.sort_unstable();
        Picked { nodes: self.nodes, left_out }
    }
}

/// The strongly connected parts that have more than one node (Tarjan, 1972), without recursion: a chain can be as long as
/// the catalogue.
fn knots(graph: &ChainGraph) -> Vec<Option<usize>> {
    const UNSEEN: usize = usize::MAX;
    let nodes = graph.nodes.len();
    let out: Vec<Vec<usize>> = (0..nodes).map(|place| graph.out_of(place).collect()).collect();
    let (mut order, mut low) = (vec![UNSEEN; nodes], vec![0; nodes]);
    let (mut knots, mut is_open) = (vec![None; nodes], vec![false; nodes]);
    let (mut open, mut seen, mut found) = (Vec::new(), 0, 0);
    for root in 0..nodes {
        let mut way = vec![(root, 0)];
        while let Some((place, tried)) = way.pop() {
            if tried == 0 && order[place] != UNSEEN {
                continue;
            }
            if tried == 0 {
                (order[place], low[place], is_open[place]) = (seen, seen, true);
                seen += 1;
                open.push(place);
            } else {
                // Back from the one before: what it reaches, this reaches.
                let before = out[place][tried - 1];
                if is_open[before] {
                    low[place] = low[place].min(low[before]);
                }
            }
            if let Some(next) = out[place].get(tried) {
                way.push((place, tried + 1));
                way.push((*next, 0));
                continue;
            }
            if low[place] == order[place] {
                let at = open.iter().rposition(|member| *member == place).unwrap_or(0);
                let members = open.split_off(at);
                members.iter().for_each(|member| is_open[*member] = false);
                if members.len() > 1 {
                    members.iter().for_each(|member| knots[*member] = Some(found));
                    found += 1;
                }
            }
        }
    }
    knots
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::resolve_tests::{action, event_type, module};
    use crate::domain::ActionId;
    use crate::store::Change;

    /// Actions such as `a: t > u ! v`: what triggers it, what it fires on success, and on failure. Event types are there as named.
    fn graph(actions: &[&str]) -> ChainGraph {
        let shared = TenantId::shared();
        let mut names: Vec<&str> = Vec::new();
        let mut puts = Vec::new();
        for (number, line) in actions.iter().enumerate() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let behind = |sign: &str| words.iter().position(|word| *word == sign).map(|at| words[at + 1]);
            let (trigger, success, failure) = (words[1], behind(">"), behind("!"));
            names.extend([Some(trigger), success, failure].into_iter().flatten());
            let mut id = [0; 16];
            id[15] = number as u8 + 1;
            puts.push(Change::PutAction(Arc::new(Action {
                id: ActionId::from_bytes(id),
                name: words[0].trim_end_matches(':').parse().unwrap(),
                trigger: Some(trigger.parse().unwrap()),
                on_success: success.map(|name| name.parse().unwrap()),
                on_failure: failure.map(|name| name.parse().unwrap()),
                ..action(0, &shared)
            })));
        }
        names.sort_unstable();
        names.dedup();
        let types = names.iter().enumerate().map(|(number, name)| {
            let id = EventTypeId::from_bytes([number as u8 + 1; 16]);
            Change::PutEventType(Arc::new(EventType { id, ..event_type(name, None) }))
        });
        let catalogue = Catalogue::of([module()].into_iter().chain(types).chain(puts)).unwrap();
        ChainGraph::of(&catalogue, &shared, |_| true)
    }

    fn names(graph: &ChainGraph, places: &[usize]) -> String {
        places.iter().map(|place| graph.nodes[*place].name()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_follows_on_what_is_told_in_order_and_what_goes_round_is_known() {
        let found = graph(&["a: t > u ! w", "b: u > t", "c: w", "d: x > x"]);
        let told: Vec<String> = found
            .edges
            .iter()
            .map(|edge| {
                let sign = if found.is_in_loop(edge) { "o" } else { "-" };
                format!("{} {:?}{sign} {}", found.nodes[edge.from].name(), edge.step, found.nodes[edge.to].name())
            })
            .collect();
        assert_eq!(
            told,
            [
                "t Triggero a",
                "u Triggero b",
                "w Trigger- c",
                "x Triggero d",
                "a Successo u",
                "a Failure- w",
                "b Successo t",
                "d Successo x",
            ]
        );
        let loops: Vec<String> = found.loops().iter().map(|way| names(&found, way)).collect();
        assert_eq!(loops, ["t a u b", "x d"]);
    }

    /// Compares with what following every edge from every node finds.
    #[test]
    fn a_knot_is_what_leads_to_each_other() {
        let mut random = 7_u64;
        for _ in 0..300 {
            let mut draw = |below: u64| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (random >> 33) % below
            };
            let actions: Vec<String> = (0..1 + draw(9))
                .map(|number| format!("a{number}: t{} > t{} ! t{}", draw(7), draw(7), draw(7)))
                .collect();
            let found = graph(&actions.iter().map(String::as_str).collect::<Vec<_>>());
            let nodes = found.nodes.len();
            let reaches = |from: usize| {
                let (mut seen, mut queue) = (vec![false; nodes], vec![from]);
                while let Some(place) = queue.pop() {
                    queue.extend(found.out_of(place).filter(|next| !std::mem::replace(&mut seen[*next], true)));
                }
                seen
            };
            let reach: Vec<Vec<bool>> = (0..nodes).map(reaches).collect();
            for edge in &found.edges {
                assert_eq!(found.is_in_loop(edge), reach[edge.to][edge.from], "{actions:?}: {edge:?}");
            }
            for way in found.loops() {
                let next = way.iter().cycle().skip(1);
                assert!(
                    way.iter().zip(next).all(|(from, to)| found.out_of(*from).any(|found| found == *to)),
                    "{way:?}"
                );
            }
        }
    }

    #[test]
    fn what_is_wanted_is_picked_as_far_as_there_is_room() {
        let found = graph(&["a: t > u", "b: u", "c: v > v", "d: w", "e: w"]);
        let pick = |around: Option<&str>, q: &str, steps: usize, nodes_max: usize| {
            let around = around.map(|name| found.nodes.iter().position(|node| node.name() == name).unwrap());
            let picked = found.pick(&Wanted { around, q: q.to_owned(), steps, nodes_max });
            (names(&found, &picked.nodes), picked.left_out)
        };
        let told = |names: &str, left_out: usize| (names.to_owned(), left_out);
        assert_eq!(pick(None, "", 0, 9), told("t u v w a b c d e", 0));
        assert_eq!(pick(None, "", 0, 8), told("t u v a b c", 3), "what is in no chain makes room");
        assert_eq!(pick(None, "", 0, 3), told("t v c", 6), "what goes round comes first");
        assert_eq!(pick(Some("u"), "", 1, 9), told("u a b", 1));
        assert_eq!(pick(Some("u"), "", 2, 9), told("t u a b", 0));
        assert_eq!(pick(Some("u"), "", 2, 2), told("u b", 1));
        assert_eq!(pick(None, "w", 1, 9), told("w d e", 0));
        assert_eq!(pick(None, "w", 1, 2), told("w d", 1));
        assert_eq!(pick(None, "nothing", 3, 9), told("", 0));
    }
}
