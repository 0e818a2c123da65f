//! What the ends of runs fire (DESIGN §3.9): children are planned as any event is, and go to the store in the transition
//! that settles the run.

use super::family::Family;
use super::job::Live;
use super::payload_schema::PayloadSchemas;
use super::raise::{Refusal, begin, plan_or_refuse};
use super::scheduler::Dispatch;
use super::settle::{By, Fires, Next, fires};
use crate::domain::{
    ChainLimits, Event, EventId, EventType, FAN_OUT_MAX, Ids, Lineage, Origin, ParentOutcome, Reason, Run, State,
    Timestamp,
};
use crate::store::{Catalogue, Change};
use std::sync::Arc;

/// Runs planned at most for what one settling fires. A child's runs may be refused when they are planned and so fire
/// again at once; the limits of chains allow more of that than should be in one transition.
const PLANNED_MAX: usize = 4 * FAN_OUT_MAX;

/// An event that a run fired, and what it needs next.
#[derive(Debug)]
pub(super) struct Child {
    pub(super) live: Live,
    pub(super) next: Next,
}

impl Child {
    pub(super) fn changes(&self) -> impl Iterator<Item = Change> {
        let runs = self.live.runs.iter().map(|run| Change::Run(Arc::clone(run)));
        std::iter::once(Change::Event(Arc::clone(&self.live.event))).chain(runs)
    }
}

impl Dispatch {
    /// Fires what the runs of a settled event that have ended fire. What comes out belongs in the transition that
    /// settles them; behind that it may go on.
    pub(super) fn follow(&self, live: &mut Live, now: Timestamp) -> Vec<Child> {
        self.follow_emitting(live, Vec::new(), now)
    }

    /// The same, behind what one of the runs emitted.
    pub(super) fn follow_emitting(&self, live: &mut Live, mut fired: Vec<Fires>, now: Timestamp) -> Vec<Child> {
        fired.extend(fires(&live.event, &mut live.runs));
        if fired.is_empty() {
            return Vec::new();
        }
        let family = live.family.get_or_insert_with(|| self.families().begin(live.event.root_id));
        let family = Arc::clone(family);
        let limits = self.shared.config.chain;
        let catalogue = self.store().catalogue();
        let (schemas, ids) = (self.payload_schemas(), self.ids());
        let mut follower = Follower { catalogue: &catalogue, schemas, ids, limits, family, now, planned: 0 };
        follower.follow(live, fired)
    }

    pub(super) fn go_on_with(&self, children: Vec<Child>) {
        children.into_iter().for_each(|Child { live, next }| self.go_on(live, next, None));
    }
}

/// Makes children, and those of children whose runs ended as soon as they were planned.
pub(super) struct Follower<'a> {
    pub(super) catalogue: &'a Catalogue,
    pub(super) schemas: &'a PayloadSchemas,
    pub(super) ids: &'a Ids,
    pub(super) limits: ChainLimits,
    pub(super) family: Arc<Family>,
    pub(super) now: Timestamp,
    /// Runs planned so far.
    pub(super) planned: usize,
}

impl Follower<'_> {
    /// The children, each after its parent. Their number is bounded by [`PLANNED_MAX`] and the runs of `live`.
    pub(super) fn follow(&mut self, live: &mut Live, fired: Vec<Fires>) -> Vec<Child> {
        let mut children: Vec<Child> = fired.into_iter().filter_map(|fires| self.child(live, fires)).collect();
        let mut place = 0;
        while let Some(Child { live, .. }) = children.get_mut(place) {
            let fired = fires(&live.event, &mut live.runs);
            let born: Vec<Child> = fired.into_iter().filter_map(|fires| self.child(live, fires)).collect();
            children.extend(born);
            place += 1;
        }
        children
    }

    /// An event that a run fires; `None` when its tenant has no event type of that name.
    fn child(&mut self, parent: &mut Live, Fires { place, event_type: name, payload, by }: Fires) -> Option<Child> {
        let run = Arc::make_mut(&mut parent.runs[place]);
        let Some(event_type) = self.catalogue.event_type_named(&run.owner_id, &name) else {
            let what = if by == By::End { "nothing follows" } else { "an event was not emitted" };
            run.messages.push(format!("{what}: there is no event type `{name}` here"));
            return None;
        };
        let mut event = child_event(&parent.event, run, event_type, EventId::new(self.ids, self.now), self.now);
        event.payload = payload;
        match by {
            By::End => run.child_event_id = Some(event.id),
            By::Emitting(object) => {
                run.emitted.push(event.id);
                event.object = object.or(event.object);
            }
        }
        let planned = self.plan(event_type, &event);
        let (live, next) = begin(event, planned, self.now);
        let live = Live { family: Some(Arc::clone(&self.family)), ..live };
        Some(Child { live, next })
    }

    fn plan(&mut self, event_type: &EventType, event: &Event) -> Result<Vec<Run>, Refusal> {
        let ancestors = event.lineage.as_ref().map_or(&[][..], |lineage| &lineage.event_types);
        if let Some(message) = self.limits.refusal(ancestors, event_type.id, self.family.add()) {
            return Err((State::Error, Reason::ChainLimit, message));
        }
        let planned = plan_or_refuse(self.catalogue, self.schemas, self.ids, (event_type, event, None))?;
        self.planned += planned.len();
        if self.planned > PLANNED_MAX {
            let message = format!("more than {PLANNED_MAX} runs would follow at once");
            return Err((State::Error, Reason::FanoutLimit, message));
        }
        Ok(planned)
    }
}

fn child_event(parent: &Event, run: &Run, event_type: &EventType, id: EventId, now: Timestamp) -> Event {
    let above = parent.lineage.as_ref().map_or(&[][..], |lineage| &lineage.event_types);
    let lineage = Lineage {
        parent_run_id: run.id,
        parent_outcome: ParentOutcome::of(run),
        event_types: above.iter().copied().chain([parent.event_type_id]).collect(),
    };
    Event {
        id,
        owner_id: parent.owner_id.clone(),
        event_type_id: event_type.id,
        event_type: event_type.display_name.to_string(),
        object: parent.object.clone(),
        cloudevent: None,
        flow: event_type.flow,
        payload: parent.payload.clone(),
        run_at: None,
        origin: Origin::Chain,
        cause: None,
        state: State::Queued,
        reason: None,
        message: String::new(),
        parent_id: Some(parent.id),
        root_id: parent.root_id,
        depth: parent.depth + 1,
        lineage: Some(Box::new(lineage)),
        created_by: parent.created_by.clone(),
        source_id: None,
        created_at: now,
        started_at: None,
        ended_at: None,
        runs: Vec::new(),
    }
}
