//! The chain that an event belongs to, as a tree: what led to it and what it led to.

use crate::api::Api;
use crate::api::auth::{Caller, Read};
use crate::api::error::Problem;
use crate::api::event::{self, EventOut};
use crate::api::event_filter::EventFilter;
use crate::api::extract::Query;
use crate::domain::EventId;
use axum::extract::State;
use std::collections::HashMap;

/// Events of a chain that are shown at most; a chain has 256 unless the server was told otherwise.
const SHOWN_MAX: usize = 600;
/// Steps that are set in, as the stylesheet has them.
const DEPTH_MAX: usize = 16;

/// An event in the tree, those of its runs below it.
pub(super) struct Link {
    pub(super) event: EventOut,
    pub(super) is_here: bool,
    /// Steps below the first that is shown; what is deeper than 16 stands there.
    pub(super) depth: usize,
}

/// A chain from its beginning, each event before those that it led to.
pub(super) struct Chain {
    pub(super) links: Vec<Link>,
    /// There are more than are shown.
    pub(super) more: bool,
}

impl Chain {
    pub(super) async fn of(api: &Api, caller: &Caller<Read>, event: &EventOut) -> Result<Chain, Problem> {
        let (mut events, mut cursor) = (Vec::new(), None);
        let more = loop {
            let filter = EventFilter::of_chain(event.root_id, cursor);
            let page = event::list(caller.clone(), State(api.clone()), Query(filter)).await?;
            events.extend(page.items);
            match page.next {
                None => break false,
                Some(_) if events.len() >= SHOWN_MAX => break true,
                next => cursor = next,
            }
        };
        Ok(Chain { links: tree(events, event.id), more })
    }

    /// Whether there is more than the event alone.
    pub(super) fn is_worth_showing(&self) -> bool {
        self.links.len() > 1
    }
}

fn tree(events: Vec<EventOut>, here: EventId) -> Vec<Link> {
    let known: HashMap<EventId, usize> = events.iter().enumerate().map(|(place, event)| (event.id, place)).collect();
    let mut below: HashMap<Option<usize>, Vec<usize>> = HashMap::new();
    for (place, event) in events.iter().enumerate() {
        let parent = event.parent_id.and_then(|id| known.get(&id).copied()).filter(|parent| *parent != place);
        below.entry(parent).or_default().push(place);
    }
    let mut left: Vec<Option<EventOut>> = events.into_iter().map(Some).collect();
    let mut links = Vec::with_capacity(left.len());
    let roots = below.remove(&None).unwrap_or_default();
    let mut stack: Vec<(usize, usize)> = roots.into_iter().rev().map(|place| (place, 0)).collect();
    while let Some((place, depth)) = stack.pop() {
        let Some(event) = left.get_mut(place).and_then(Option::take) else { continue };
        let children = below.remove(&Some(place)).unwrap_or_default();
        stack.extend(children.into_iter().rev().map(|child| (child, depth + 1)));
        links.push(Link { is_here: event.id == here, event, depth: depth.min(DEPTH_MAX) });
    }
    links
}
