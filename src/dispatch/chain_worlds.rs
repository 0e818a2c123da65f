//! Random catalogues, and what comes of one fire in them with random outcomes.

use super::chain::{Child, Follower};
use super::family::Families;
use super::job::Live;
use super::payload_schema::PayloadSchemas;
use super::resolve::plan;
use super::resolve_tests::{action, attachment, event_type, module, object};
use super::settle::{Fires, Next, emitted, fires, settle};
use super::testing;
use crate::domain::{
    Action, ChainLimits, Emitted, Entropy, Event, EventId, EventType, EventTypeId, EventTypeName, Failed, Ids,
    Interruption, Json, Outcome, Parameter, Reason, Run, RunId, State, TenantId, Timestamp, Usage,
};
use crate::store::{Catalogue, Change};
use proptest::prelude::*;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

pub(super) const NOW: Timestamp = Timestamp::from_ms(1_000);
pub(super) const LIMITS: ChainLimits = ChainLimits { depth: 4, repeats: 2, events: 20 };
pub(super) const NAMES: u8 = 4;
pub(super) const ACTIONS: u8 = 7;

pub(super) fn tenants() -> [TenantId; 3] {
    ["", "a", "b"].map(|name| name.parse().unwrap())
}

pub(super) fn name(number: u8) -> EventTypeName {
    format!("t{number}").parse().unwrap()
}

/// What an action is in a random catalogue: owner, trigger, what follows, whether it passes over failures, whether it
/// needs a parameter that not every payload has, whether it is on, and what event type it is linked from.
pub(super) type ActionSeed = ((usize, u8), (Option<u8>, Option<u8>), (bool, bool, bool), u8);
/// Whether a name is shared or which tenants have it, whether it is on, whether it asks for a payload.
pub(super) type NameSeed = ((bool, bool, bool), bool, bool);

#[derive(Clone, Debug)]
pub(super) struct Seed {
    names: Vec<NameSeed>,
    actions: Vec<ActionSeed>,
    pub(super) fired: (usize, u8, bool),
    outcomes: Vec<(u8, u8)>,
}

pub(super) fn seed() -> impl Strategy<Value = Seed> {
    let usually = || proptest::bool::weighted(0.85);
    let name = ((any::<bool>(), usually(), usually()), usually(), proptest::bool::weighted(0.1));
    let follows = || proptest::option::weighted(0.9, 0..NAMES);
    let flags = (proptest::bool::weighted(0.6), proptest::bool::weighted(0.2), usually());
    let action = ((0..3_usize, 0..NAMES), (follows(), follows()), flags, 0..NAMES);
    (
        proptest::collection::vec(name, usize::from(NAMES)),
        proptest::collection::vec(action, usize::from(ACTIONS)),
        (0..3_usize, 0..NAMES, any::<bool>()),
        proptest::collection::vec((0..10_u8, any::<u8>()), 1..60),
    )
        .prop_map(|(names, actions, fired, outcomes)| Seed { names, actions, fired, outcomes })
}

/// The catalogue that a seed means: everything that its rules refuse is left out.
pub(super) fn catalogue(seed: &Seed) -> Catalogue {
    let mut changes = vec![module()];
    let mut types: BTreeMap<(u8, usize), EventType> = BTreeMap::new();
    for (number, ((shared, a, b), enabled, asks)) in (0_u8..).zip(&seed.names) {
        let owners = if *shared { [true, false, false] } else { [false, *a, *b] };
        for (owner, _) in owners.iter().enumerate().filter(|(_, has)| **has) {
            let id = EventTypeId::from_bytes([100 + number * 3 + u8::try_from(owner).unwrap(); 16]);
            let schema = asks.then(|| Json::from(serde_json::json!({ "required": ["who"] })));
            let made = EventType {
                id,
                owner_id: tenants()[owner].clone(),
                enabled: *enabled,
                payload_schema: schema,
                ..event_type(name(number).as_str(), None)
            };
            changes.push(Change::PutEventType(Arc::new(made.clone())));
            types.insert((number, owner), made);
        }
    }
    for (number, ((owner, trigger), (success, failure), (goes_on, needs, enabled), linked)) in
        (0_u8..).zip(&seed.actions)
    {
        let there = |to: &Option<u8>| {
            to.filter(|n| types.contains_key(&(*n, *owner)) || types.contains_key(&(*n, 0))).map(name)
        };
        let who: Parameter =
            serde_json::from_value(serde_json::json!({ "name": "who", "type": "DATA", "value": "who" })).unwrap();
        let made = Action {
            trigger: there(&Some(*trigger)),
            on_success: there(success),
            on_failure: there(failure),
            continue_on_fail: *goes_on,
            parameters: needs.then_some(who).into_iter().collect(),
            enabled: *enabled,
            ..action(number, &tenants()[*owner])
        };
        changes.push(Change::PutAction(Arc::new(made.clone())));
        for user in tenants() {
            let place = number * 3 + u8::try_from(tenants().iter().position(|t| *t == user).unwrap()).unwrap();
            if place % 3 != 1 && made.may_be_attached_by(&user) {
                changes.push(Change::PutAttachment(Arc::new(attachment(place, number, 0, &user))));
            }
        }
        if let Some(linking) = types.get_mut(&(*linked, *owner)).filter(|linking| linking.action.is_none()) {
            linking.action = Some(made.id);
            changes.push(Change::PutEventType(Arc::new(linking.clone())));
        }
    }
    Catalogue::of(changes).unwrap()
}

/// Everything that came of one fire.
pub(super) struct World {
    pub(super) catalogue: Catalogue,
    pub(super) limits: ChainLimits,
    pub(super) schemas: PayloadSchemas,
    pub(super) families: Families,
    pub(super) ids: Ids,
    pub(super) open: Vec<(Live, Next)>,
    pub(super) events: BTreeMap<EventId, Event>,
    pub(super) runs: BTreeMap<RunId, Run>,
    /// Events in the order in which they were made.
    pub(super) made: Vec<EventId>,
    /// What each run that succeeded emitted.
    pub(super) emitted: BTreeMap<RunId, Vec<Emitted>>,
    /// The places at which attempts began, by event.
    pub(super) started: HashMap<EventId, Vec<usize>>,
}

impl World {
    pub(super) fn new(catalogue: Catalogue, limits: ChainLimits) -> World {
        World {
            catalogue,
            limits,
            schemas: PayloadSchemas::default(),
            families: Families::default(),
            ids: Ids::new(Arc::new(Entropy::new([1; 32]))),
            open: Vec::new(),
            events: BTreeMap::new(),
            runs: BTreeMap::new(),
            made: Vec::new(),
            emitted: BTreeMap::new(),
            started: HashMap::new(),
        }
    }

    pub(super) fn fire(&mut self, event_type: &EventType, event: Event) {
        let mut event =
            Event { event_type_id: event_type.id, event_type: event_type.display_name.to_string(), ..event };
        let planned = plan(&self.catalogue, event_type, &event, &self.ids, None).unwrap().runs;
        event.runs = planned.iter().map(|run| run.id).collect();
        self.made.push(event.id);
        let runs = planned.into_iter().map(Arc::new).collect();
        self.carry_on(Live { event: Arc::new(event), runs, family: None }, Vec::new());
    }

    /// As a settling transition does: the event, its runs and all children at once.
    pub(super) fn carry_on(&mut self, mut live: Live, mut fired: Vec<Fires>) {
        let (next, _) = settle(Arc::make_mut(&mut live.event), &mut live.runs, NOW);
        fired.extend(fires(&live.event, &mut live.runs));
        let mut children = Vec::new();
        if !fired.is_empty() {
            let family = Arc::clone(live.family.get_or_insert_with(|| self.families.begin(live.event.root_id)));
            let (catalogue, schemas, ids) = (&self.catalogue, &self.schemas, &self.ids);
            let limits = self.limits;
            let mut follower = Follower { catalogue, schemas, ids, limits, family, now: NOW, planned: 0 };
            children = follower.follow(&mut live, fired);
        }
        self.store(live, next);
        for Child { live, next } in children {
            self.made.push(live.event.id);
            self.store(live, next);
        }
    }

    /// Keeps the records; what is terminal stays as it was but for what it is told of its child.
    pub(super) fn store(&mut self, live: Live, next: Next) {
        if let Some(old) = self.events.insert(live.event.id, live.event.as_ref().clone()) {
            assert!(!old.state.is_terminal(), "an event that had ended was settled again");
        }
        for run in &live.runs {
            if let Some(old) = self.runs.insert(run.id, run.as_ref().clone()).filter(|old| old.state.is_terminal()) {
                assert_eq!(old, **run, "a run that had ended was changed");
            }
        }
        assert_eq!(next == Next::Nothing, live.event.state.is_terminal());
        if next != Next::Nothing {
            self.open.push((live, next));
        }
    }

    /// Lets one of the open events run once, and end as `outcome` says.
    pub(super) fn step(&mut self, (outcome, which): (u8, u8)) {
        let (mut live, next) = self.open.swap_remove(usize::from(which) % self.open.len());
        let (Next::Run(place) | Next::Wait(place, _)) = next else { panic!("{next:?} is not open") };
        self.started.entry(live.event.id).or_default().push(place);
        Arc::make_mut(&mut live.event).start(NOW);
        let run = Arc::make_mut(&mut live.runs[place]);
        if run.state == State::Waiting {
            run.wake().unwrap();
        }
        if outcome == 8 {
            run.refuse(Reason::Denied, "its module is gone".into(), NOW).unwrap();
            return self.carry_on(live, Vec::new());
        }
        run.start((0, 0), NOW).unwrap();
        let usage = Usage::default();
        let succeed = |run: &mut Run, warnings: Vec<String>, event| {
            run.succeed(Outcome { output: None, warnings, event }, usage, NOW).unwrap();
        };
        let fail = |run: &mut Run, retryable| {
            let failed =
                Failed { reason: Reason::GuestError, message: "no".into(), code: 1, retryable, after_ms: Some(1) };
            run.fail(failed, usage, 0, NOW).unwrap();
        };
        match outcome {
            0 | 1 => succeed(run, vec![], None),
            2 => succeed(run, vec![], Some(Json::from(serde_json::json!({ "who": "somebody" })))),
            3 => succeed(run, vec!["hm".into()], None),
            4 => fail(run, true),
            5 | 6 => fail(run, false),
            7 => run.interrupt(Interruption::Crash, NOW).unwrap(),
            _ => {
                run.interruptions = Run::INTERRUPTIONS_MAX - 1;
                run.interrupt(Interruption::Crash, NOW).unwrap();
            }
        }
        let says = if outcome < 4 { emits(which) } else { Vec::new() };
        self.emitted.insert(live.runs[place].id, says.clone());
        self.carry_on(live, emitted(place, says).collect());
    }

    pub(super) fn runs_of(&self, event: &Event) -> Vec<&Run> {
        event.runs.iter().map(|id| &self.runs[id]).collect()
    }

    /// What the action of a run names for the way it ended, as far as its tenant has it.
    pub(super) fn follows(&self, run: &Run) -> Option<&Arc<EventType>> {
        let action = self.catalogue.action(run.action_id).unwrap();
        let named = match run.state {
            State::Success | State::Warning => action.on_success.as_ref(),
            State::Error => action.on_failure.as_ref(),
            _ => None,
        };
        self.catalogue.event_type_named(&run.owner_id, named?)
    }
}

/// None, one or two events of types that may be there or not, with and without an object of their own.
fn emits(which: u8) -> Vec<Emitted> {
    let event = |number: u8| Emitted {
        event_type: name((which / 3 + number) % (NAMES + 1)),
        payload: Json::from(serde_json::json!({ "who": number, "emitted": which })),
        object: (number > 0).then(|| object(number)),
    };
    (0..which % 3).map(event).collect()
}

/// Fires what the seed says, and lets everything run that follows.
pub(super) fn play(seed: &Seed, limits: ChainLimits) -> Option<World> {
    let mut world = World::new(catalogue(seed), limits);
    let (tenant, number, has_who) = &seed.fired;
    let tenant = tenants()[*tenant].clone();
    let event_type = world.catalogue.event_type_named(&tenant, &name(*number))?.clone();
    let payload = Json::from(if *has_who { serde_json::json!({ "who": "me" }) } else { serde_json::json!({}) });
    world.fire(&event_type, Event { owner_id: tenant, object: Some(object(0)), payload, ..testing::event() });
    for outcome in seed.outcomes.iter().cycle().take(100_000) {
        if world.open.is_empty() {
            return Some(world);
        }
        world.step(*outcome);
    }
    panic!("it does not come to an end")
}
