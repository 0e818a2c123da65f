//! The chains: which actions event types run, what those fire when they end, how often lately, and where it goes round.

use super::drawing::{self, BOX_HEIGHT, BOX_WIDTH, Drawing};
use super::form::Fields;
use super::frame::Frame;
use super::list::Listing;
use super::show;
use super::visit::{Visit, page, parsed};
use crate::api::auth::Read;
use crate::api::chain::{self, ChainEdgeOut, ChainNodeOut, ChainStepOut, ChainsOut};
use crate::api::error::Problem;
use crate::api::extract::Query;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use std::collections::HashMap;

/// Characters of a name that a box has room for.
const NAME_SHORT: usize = 21;

#[derive(Template)]
#[template(path = "chains.html", blocks = ["list"])]
struct Chains {
    frame: Frame,
    listing: Listing,
    chains: ChainsOut,
    /// Of each node its place in the list.
    places: HashMap<String, usize>,
    drawing: Drawing,
    sees_all: bool,
}

/// A node as it is drawn.
struct Drawn<'a> {
    node: &'a ChainNodeOut,
    x: i64,
    y: i64,
    href: String,
    label: String,
    /// What stands below the name.
    words: String,
    class: &'static str,
}

/// An edge with its ends.
struct Edge<'a> {
    from: &'a ChainNodeOut,
    to: &'a ChainNodeOut,
    edge: &'a ChainEdgeOut,
    line: &'a drawing::Line,
}

pub(super) async fn show(visit: Visit) -> Result<Response, Problem> {
    let listing = Listing::of(&visit);
    let filter = parsed(&listing.query(&[], &[]))?;
    let chains = chain::read(visit.caller::<Read>()?, State(visit.api().clone()), Query(filter)).await?.into_parts().0;
    let places: HashMap<String, usize> =
        chains.nodes.iter().enumerate().map(|(place, node)| (node.id.clone(), place)).collect();
    let ends = |edge: &ChainEdgeOut| Some((*places.get(&edge.from)?, *places.get(&edge.to)?));
    let edges: Vec<(usize, usize)> = chains.edges.iter().filter_map(ends).collect();
    let drawing = drawing::drawn(chains.nodes.len(), &edges);
    let (frame, sees_all) = (visit.frame("chains", "Chains"), visit.sees_all());
    let chains = Chains { frame, listing, chains, places, drawing, sees_all };
    if visit.part() == "list" { page(&chains.as_list()) } else { page(&chains) }
}

/// The page of what a node is.
fn href(kind: &str, id: &str) -> String {
    let section = if kind == "action" { "actions" } else { "event-types" };
    format!("/console/{section}/{id}")
}

fn kind_words(kind: &str) -> &'static str {
    if kind == "action" { "action" } else { "event type" }
}

impl Chains {
    fn steps(&self) -> [(&'static str, &'static str); 4] {
        [("1", "1 step away"), ("2", "2 steps away"), ("4", "4 steps away"), ("8", "8 steps away")]
    }

    fn is_near(&self, steps: &str) -> bool {
        let asked = self.listing.get("steps");
        if asked.is_empty() { steps == "2" } else { asked == steps }
    }

    /// The name of what is looked around.
    fn around(&self) -> Option<&str> {
        let place = self.places.get(self.listing.get("around"))?;
        self.chains.nodes.get(*place).map(|node| node.name.as_str())
    }

    fn around_of(&self, node: &ChainNodeOut) -> String {
        let steps = self.listing.get("steps");
        let steps = if steps.is_empty() { String::new() } else { format!("&{}", Fields::one("steps", steps)) };
        format!("/console/chains?{}{steps}", Fields::one("around", &node.id))
    }

    fn nodes(&self) -> Vec<Drawn<'_>> {
        let nodes = self.chains.nodes.iter().zip(&self.drawing.boxes);
        let looping = |node: &ChainNodeOut| {
            self.chains.edges.iter().any(|edge| edge.in_loop && (edge.from == node.id || edge.to == node.id))
        };
        let drawn = nodes.map(|(node, (x, y))| {
            let off = if node.enabled { "" } else { ", off" };
            let more = if node.further > 0 { format!(", +{} more", node.further) } else { String::new() };
            Drawn {
                node,
                x: *x,
                y: *y,
                href: href(node.kind, &node.id),
                label: show::short(&node.name, NAME_SHORT),
                words: format!("{}{off}{more}", kind_words(node.kind)),
                class: match (node.kind, looping(node)) {
                    ("action", true) => "action loops",
                    ("action", false) => "action",
                    (_, true) => "type loops",
                    (_, false) => "type",
                },
            }
        });
        drawn.collect()
    }

    fn edges(&self) -> Vec<Edge<'_>> {
        let node = |id: &String| self.places.get(id).and_then(|place| self.chains.nodes.get(*place));
        let edges = self.chains.edges.iter().zip(&self.drawing.lines);
        edges
            .filter_map(|(edge, line)| Some(Edge { from: node(&edge.from)?, to: node(&edge.to)?, edge, line }))
            .collect()
    }

    fn runs(&self) -> String {
        show::count(&u64::try_from(self.chains.runs).unwrap_or(u64::MAX))
    }

    fn ways(&self) -> &[Vec<ChainStepOut>] {
        &self.chains.loops
    }

    /// What is around the first step of a loop.
    fn around_step(&self, way: &[ChainStepOut]) -> String {
        let steps = way.len().clamp(2, 8).to_string();
        let around = way.first().map_or("", |step| step.id.as_str());
        format!("/console/chains?{}&{}", Fields::one("around", around), Fields::one("steps", &steps))
    }
}

impl Edge<'_> {
    fn class(&self) -> &'static str {
        match (self.edge.in_loop, self.edge.on) {
            (true, _) => "loops",
            (false, "success") => "success",
            (false, "failure") => "failure",
            _ => "runs",
        }
    }

    fn words(&self) -> &'static str {
        match self.edge.on {
            "link" => "runs",
            "trigger" => "runs where it is attached",
            "success" => "fires on success",
            _ => "fires on failure",
        }
    }
}
