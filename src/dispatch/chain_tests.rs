//! Settling and chains for random catalogues and random outcomes: what must hold at the end, and on the way there.

use super::chain::Follower;
use super::chain_worlds::{LIMITS, NOW, World, name, play, seed, tenants};
use super::job::Live;
use super::resolve_tests::{action, attachment, event_type, module, object};
use super::settle::fires;
use super::testing;
use crate::domain::{
    Action, Attachment, AttachmentId, ChainLimits, Emitted, Event, EventId, EventType, EventTypeId, FAN_OUT_MAX,
    FollowUp, ObjectRecord, ObjectRef, Parameter, Reason, Run, RunId, State, Tenant, TenantId,
};
use crate::store::{Catalogue, Change, Transition};
use proptest::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;

/// DESIGN §3.4 once more, from the whole plan instead of step by step.
fn expected_end(runs: &[&Run]) -> (State, Option<Reason>) {
    let of = |state| runs.iter().filter(|run| run.state == state).count();
    match runs.iter().find(|run| run.state == State::Error && !run.continue_on_fail) {
        Some(aborting) => (State::Error, aborting.reason),
        None if !runs.is_empty() && of(State::Skipped) == runs.len() => (State::Skipped, runs[0].reason),
        None if of(State::Error) + of(State::Warning) > 0 => (State::Warning, None),
        None => (State::Success, None),
    }
}

/// A child that stands for one that was refused.
fn is_refused(event: &Event) -> bool {
    event.lineage.is_some()
        && matches!(
            event.reason,
            Some(Reason::ChainLimit | Reason::FanoutLimit | Reason::InputInvalid | Reason::Disabled)
        )
        && event.runs.is_empty()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_outcome_that_names_one_has_exactly_one_child_besides_what_was_emitted(seed in seed()) {
        let Some(world) = play(&seed, LIMITS) else { return Ok(()) };
        let mut children: HashMap<RunId, Vec<&Event>> = HashMap::new();
        for event in world.events.values() {
            if let Some(lineage) = &event.lineage {
                children.entry(lineage.parent_run_id).or_default().push(event);
            }
        }
        for run in world.runs.values() {
            let (born, parent) = (children.remove(&run.id).unwrap_or_default(), &world.events[&run.event_id]);
            let of_end = usize::from(world.follows(run).is_some());
            let known = |said: &&Emitted| world.catalogue.event_type_named(&run.owner_id, &said.event_type).is_some();
            let said: Vec<&Emitted> = world.emitted.get(&run.id).into_iter().flatten().filter(known).collect();
            let ids: Vec<EventId> = born.iter().map(|child| child.id).collect();
            prop_assert_eq!(&ids[..said.len()], &run.emitted[..], "what it emitted comes first, in its order");
            prop_assert_eq!((ids.len(), ids.get(said.len()).copied()), (said.len() + of_end, run.child_event_id));
            prop_assert!(run.follow_up.is_none(), "what follows a run is decided at its end");
            for (place, child) in born.iter().enumerate() {
                let lineage = child.lineage.as_ref().unwrap();
                let (name, payload, object) = match said.get(place) {
                    Some(said) => (Some(&said.event_type), &said.payload, said.object.as_ref().or(parent.object.as_ref())),
                    None => (None, run.chained.as_ref().unwrap_or(&parent.payload), parent.object.as_ref()),
                };
                let named = name.and_then(|name| world.catalogue.event_type_named(&run.owner_id, name));
                let expected = named.or_else(|| world.follows(run)).map(|event_type| event_type.id);
                prop_assert_eq!(Some(child.event_type_id), expected);
                prop_assert_eq!((&child.payload, child.object.as_ref()), (payload, object));
                prop_assert_eq!((child.parent_id, child.root_id), (Some(parent.id), parent.root_id));
                prop_assert_eq!((lineage.parent_outcome.state, lineage.parent_outcome.reason), (run.state, run.reason));
                let above = parent.lineage.as_ref().map_or(&[][..], |lineage| &lineage.event_types);
                prop_assert_eq!(&lineage.event_types, &[above, &[parent.event_type_id]].concat());
                prop_assert_eq!(child.depth as usize, lineage.event_types.len());
            }
        }
        prop_assert!(children.is_empty(), "a child of no run");
    }

    #[test]
    fn a_chain_ends_within_its_limits_and_only_what_is_over_them_is_refused(seed in seed()) {
        let Some(world) = play(&seed, LIMITS) else { return Ok(()) };
        for (before, id) in world.made.iter().enumerate() {
            let event = &world.events[id];
            let above = event.lineage.as_ref().map_or(&[][..], |lineage| &lineage.event_types);
            let times = above.iter().filter(|above| **above == event.event_type_id).count() + 1;
            let over = event.depth > LIMITS.depth
                || times > LIMITS.repeats as usize
                || (event.lineage.is_some() && before >= LIMITS.events as usize);
            prop_assert_eq!(event.reason == Some(Reason::ChainLimit), over, "{:?}", event);
            if is_refused(event) {
                prop_assert!(!event.message.is_empty() && event.runs.is_empty());
            }
        }
        drop(world.open);
        prop_assert!(world.families.is_empty(), "what is over is not counted any more");
    }

    #[test]
    fn runs_go_in_order_and_what_is_behind_a_failure_is_skipped_with_a_link_to_it(seed in seed()) {
        let Some(world) = play(&seed, LIMITS) else { return Ok(()) };
        for event in world.events.values() {
            let runs = world.runs_of(event);
            prop_assert!(event.state.is_terminal() && runs.iter().all(|run| run.state.is_terminal()));
            let places = world.started.get(&event.id).map_or(&[][..], Vec::as_slice);
            prop_assert!(places.windows(2).all(|pair| pair[0] <= pair[1]), "{places:?}");
            for (place, run) in runs.iter().enumerate() {
                let aborting: Vec<String> =
                    runs[..place].iter().filter(|run| run.aborts_the_plan()).map(|run| run.id.to_string()).collect();
                let is_linked = aborting.iter().any(|id| run.message.contains(id));
                prop_assert_eq!(run.reason == Some(Reason::Aborted), is_linked, "{:?}", run);
                if !aborting.is_empty() {
                    // One that ended before the failure ended as it was planned.
                    prop_assert!(run.reason == Some(Reason::Aborted) || run.attempts.is_empty(), "{:?}", run);
                }
            }
            if !is_refused(event) {
                prop_assert_eq!((event.state, event.reason), expected_end(&runs));
            }
        }
    }

    #[test]
    fn nothing_crosses_a_tenant(seed in seed()) {
        let Some(world) = play(&seed, LIMITS) else { return Ok(()) };
        let tenant = tenants()[seed.fired.0].clone();
        for event in world.events.values() {
            let event_type = world.catalogue.event_type(event.event_type_id).unwrap();
            prop_assert_eq!(&event.owner_id, &tenant);
            prop_assert!(event_type.owner_id == tenant || event_type.owner_id.is_shared());
            for run in world.runs_of(event) {
                prop_assert_eq!(&run.owner_id, &tenant);
                let attached = run.attachment_id.map(|id| world.catalogue.attachment(id).unwrap());
                prop_assert!(attached.is_none_or(|attached| tenant.sees(&attached.owner_id)));
            }
        }
    }
}

/// A catalogue in which the event type `t0` of everybody runs what `actions` makes of its number, attached `attached` times.
fn wide(attached: usize, make: impl Fn(Action) -> Action) -> (Catalogue, Arc<EventType>) {
    let shared = TenantId::shared();
    let event_type = Arc::new(event_type("t0", None));
    let mut changes = vec![module(), Change::PutEventType(Arc::clone(&event_type))];
    let made = Action { trigger: Some(name(0)), ..action(0, &shared) };
    changes.push(Change::PutAction(Arc::new(make(made))));
    for number in 0..attached {
        let mut bytes = [9; 16];
        bytes[..8].copy_from_slice(&(number as u64).to_be_bytes());
        let on = ObjectRef::new("leaf".into(), number.to_string()).unwrap();
        let record = ObjectRecord {
            owner_id: shared.clone(),
            object: on.clone(),
            name: String::new(),
            parents: vec![object(0)],
            version: 1,
            created_by: "test".into(),
            created_at: NOW,
            updated_at: NOW,
        };
        let id = AttachmentId::from_bytes(bytes);
        changes.push(Change::PutObject(Arc::new(record)));
        changes.push(Change::PutAttachment(Arc::new(Attachment { id, object: on, ..attachment(0, 0, 0, &shared) })));
    }
    (Catalogue::of(changes).unwrap(), event_type)
}

#[test]
fn a_child_that_would_fan_out_too_wide_is_stored_as_refused() {
    let narrow = EventTypeId::from_bytes([50; 16]);
    for (attached, refused) in [(FAN_OUT_MAX, false), (FAN_OUT_MAX + 1, true)] {
        let (catalogue, _) = wide(attached, |action| action);
        let mut world = World::new(catalogue, ChainLimits::default());
        let starts = EventType { id: narrow, ..event_type("start", None) };
        world.fire(&starts, testing::event());
        // As if a run of it had ended.
        let mut parent = testing::run(0);
        parent.refuse(Reason::Denied, String::new(), NOW).unwrap();
        let follow_up = FollowUp { on_success: None, on_failure: Some(name(0)) };
        let parent = Run { follow_up: Some(Box::new(follow_up)), ..parent };
        let event = Event { object: Some(object(0)), event_type_id: narrow, ..testing::event() };
        let mut live = Live { event: Arc::new(event), runs: vec![Arc::new(parent)], family: None };
        let fired = fires(&live.event, &mut live.runs);
        let family = world.families.begin(live.event.root_id);
        let (catalogue, schemas, ids, limits) = (&world.catalogue, &world.schemas, &world.ids, world.limits);
        let mut follower = Follower { catalogue, schemas, ids, limits, family, now: NOW, planned: 0 };
        let children = follower.follow(&mut live, fired);
        let child = &children[0].live;
        if refused {
            assert_eq!((child.event.state, child.event.reason), (State::Error, Some(Reason::FanoutLimit)));
            assert!(child.event.message.contains("more than 1000"), "{}", child.event.message);
            assert_eq!(child.runs.len(), 0);
        } else {
            assert_eq!((child.event.state, child.runs.len()), (State::Queued, FAN_OUT_MAX));
        }
        assert_eq!(children.len(), 1);
    }
}

#[test]
fn what_the_runs_of_a_tenant_that_is_switched_off_fire_is_stored_and_does_not_run() {
    let (catalogue, _) = wide(1, |action| action);
    for enabled in [true, false] {
        let record = Tenant { enabled, ..Tenant::new(tenants()[1].clone(), ("test", NOW)) };
        let catalogue = catalogue.after(&Transition::of([Change::PutTenant(Arc::new(record))])).unwrap();
        let mut parent = testing::run(0);
        parent.refuse(Reason::Denied, String::new(), NOW).unwrap();
        let follow_up = Some(Box::new(FollowUp { on_success: None, on_failure: Some(name(0)) }));
        let parent = Run { follow_up, owner_id: tenants()[1].clone(), ..parent };
        let event = Event { owner_id: tenants()[1].clone(), object: Some(object(0)), ..testing::event() };
        let mut live = Live { event: Arc::new(event), runs: vec![Arc::new(parent)], family: None };
        let fired = fires(&live.event, &mut live.runs);
        let World { families, schemas, ids, limits, .. } = &World::new(Catalogue::default(), LIMITS);
        let family = families.begin(live.event.root_id);
        let mut follower =
            Follower { catalogue: &catalogue, schemas, ids, limits: *limits, family, now: NOW, planned: 0 };
        let child = follower.follow(&mut live, fired).remove(0).live;
        let expected = if enabled { (State::Queued, None) } else { (State::Skipped, Some(Reason::Disabled)) };
        assert_eq!((child.event.state, child.event.reason, child.runs.is_empty()), (expected.0, expected.1, !enabled));
        assert_eq!(child.event.message.contains("is switched off"), !enabled);
    }
}

/// Each of 700 runs is refused when it is planned and fires the same again: what one transition plans is bounded before
/// the chain is.
#[test]
fn what_one_settling_plans_is_bounded() {
    let who: Parameter =
        serde_json::from_value(serde_json::json!({ "name": "who", "type": "DATA", "value": "who" })).unwrap();
    let refused_at_once = |action: Action| Action {
        parameters: vec![who.clone()],
        continue_on_fail: true,
        on_failure: Some(name(0)),
        ..action
    };
    let (catalogue, event_type) = wide(700, refused_at_once);
    let mut world = World::new(catalogue, ChainLimits::default());
    world.fire(&event_type, Event { object: Some(object(0)), ..testing::event() });
    assert!(world.open.is_empty(), "all of it ended at once");
    let of = |reason| world.events.values().filter(|event| event.reason == Some(reason)).count();
    let planned = world.events.values().filter(|event| !event.runs.is_empty()).count();
    assert_eq!(planned, 1 + 4 * FAN_OUT_MAX / 700);
    assert!(of(Reason::FanoutLimit) > 0 && of(Reason::ChainLimit) > 0);
    assert_eq!(world.events.len(), 1 + world.runs.len(), "one child of each run");
    let ended = world.events.values().find(|event| event.message.contains("would follow at once"));
    assert!(ended.is_some());
}
/// The invariants say nothing about what never comes up.
#[test]
fn random_worlds_come_to_every_limit_and_every_kind_of_end() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut worlds = Vec::new();
    for _ in 0..200 {
        worlds.extend(play(&seed().new_tree(&mut runner).unwrap().current(), LIMITS));
    }
    let event = |is: &dyn Fn(&Event) -> bool| worlds.iter().filter(|world| world.events.values().any(is)).count();
    let run = |is: &dyn Fn(&Run) -> bool| worlds.iter().filter(|world| world.runs.values().any(is)).count();
    for words in ["steps below", "times already", "events already", "is disabled", "schema"] {
        assert!(event(&|event| is_refused(event) && event.message.contains(words)) >= 3, "{words}");
    }
    for reason in [Reason::Aborted, Reason::ParamMissing, Reason::Interrupted, Reason::Denied, Reason::GuestError] {
        assert!(run(&|run| run.reason == Some(reason)) >= 10, "{reason}");
    }
    assert!(run(&|run| run.foreign && run.child_event_id.is_some()) >= 10);
    assert!(run(&|run| run.messages.iter().any(|message| message.starts_with("nothing follows"))) >= 3);
    assert!(event(&|event| event.depth == LIMITS.depth && event.state == State::Success) >= 3);
}
