//! Planning against a model that looks at everything, for any history of objects and attachments.

use super::reach::FanOut;
use super::resolve::{bindings, plan};
use super::testing;
use crate::domain::{
    Action, ActionId, Attachment, AttachmentId, DedupMode, DedupWindow, Digest, Entropy, EventType, EventTypeId,
    FAN_OUT_MAX, Flow, Ids, Json, Kind, LimitsPatch, Module, ModuleRef, ObjectRecord, ObjectRef, Pin, Reason,
    RetryPolicy, State, TenantId, Timestamp,
};
use crate::store::{Catalogue, Change};
use bytes::Bytes;
use proptest::prelude::*;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

const NOW: Timestamp = Timestamp::from_ms(1_000);
const OBJECTS: u8 = 9;
const ACTIONS: u8 = 4;
pub(super) const TRIGGERS: [&str; 2] = ["booked", "Cancelled"];
const TENANTS: [&str; 3] = ["", "a", "b"];

fn tenant(number: u8) -> TenantId {
    TENANTS[usize::from(number) % TENANTS.len()].parse().unwrap()
}

pub(super) fn object(number: u8) -> ObjectRef {
    ObjectRef::new("place".into(), number.to_string()).unwrap()
}

fn id(number: u8) -> [u8; 16] {
    [number + 1; 16]
}

pub(super) fn module() -> Change {
    let module = Module {
        digest: Digest::of(b"code"),
        owner_id: TenantId::shared(),
        kind: Kind::Action,
        size_bytes: 4,
        imports: Vec::new(),
        exports: Vec::new(),
        wrapped: None,
        names: Vec::new(),
        created_at: NOW,
        created_by: "test".into(),
    };
    Change::PutModule(Arc::new(module), Bytes::new())
}

pub(super) fn action(number: u8, owner_id: &TenantId) -> Action {
    Action {
        id: ActionId::from_bytes(id(number)),
        owner_id: owner_id.clone(),
        name: format!("action {number}").parse().unwrap(),
        description: String::new(),
        module: Some(ModuleRef::Digest(Digest::of(b"code"))),
        source: None,
        enabled: true,
        trigger: Some(TRIGGERS[0].parse().unwrap()),
        public: true,
        dedup_mode: DedupMode::default(),
        input: None,
        continue_on_fail: false,
        on_success: None,
        on_failure: None,
        parameters: Vec::new(),
        retry: RetryPolicy::default(),
        limits: LimitsPatch::default(),
        allowed_hosts: Vec::new(),
        when: None,
        version: 1,
        created_by: "test".into(),
        created_at: NOW,
        updated_at: NOW,
        updated_by: "test".into(),
    }
}

pub(super) fn attachment(number: u8, action: u8, on: u8, owner_id: &TenantId) -> Attachment {
    Attachment {
        id: AttachmentId::from_bytes(id(number)),
        action_id: ActionId::from_bytes(id(action)),
        object: object(on),
        owner_id: owner_id.clone(),
        input: Json::empty_object(),
        reason: String::new(),
        priority: 0,
        inherits: true,
        pin: None,
        version: 1,
        created_by: "test".into(),
        created_at: NOW,
        updated_at: NOW,
    }
}

pub(super) fn record(on: u8, owner_id: &TenantId, parents: impl IntoIterator<Item = u8>) -> ObjectRecord {
    ObjectRecord {
        owner_id: owner_id.clone(),
        object: object(on),
        name: String::new(),
        parents: parents.into_iter().map(object).collect(),
        version: 1,
        created_by: "test".into(),
        created_at: NOW,
        updated_at: NOW,
    }
}

pub(super) fn event_type(trigger: &str, action: Option<u8>) -> EventType {
    EventType {
        id: EventTypeId::from_bytes([200; 16]),
        owner_id: TenantId::shared(),
        display_name: trigger.parse().unwrap(),
        description: String::new(),
        sink_type: "wasm".into(),
        source_type: None,
        action: action.map(|number| ActionId::from_bytes(id(number))),
        enabled: true,
        paused: false,
        flow: Flow::Both,
        parameters: Vec::new(),
        payload_schema: None,
        dedup_window_s: DedupWindow::default(),
        version: 1,
        created_by: "test".into(),
        created_at: NOW,
        updated_at: NOW,
    }
}

/// What `changes` make where everybody has the triggers.
pub(super) fn catalogue_of(changes: impl IntoIterator<Item = Change>) -> Catalogue {
    let triggers = (210..).zip(TRIGGERS).map(|(id, name)| {
        let made = EventType { id: EventTypeId::from_bytes([id; 16]), ..event_type(name, None) };
        Change::PutEventType(Arc::new(made))
    });
    Catalogue::of(triggers.chain(changes)).unwrap()
}

/// One step of a history.
#[derive(Clone, Debug)]
enum Step {
    /// Parents have smaller numbers than their children, so there are no cycles.
    Register(u8, u8, Vec<u8>),
    Forget(u8, u8),
    Attach {
        number: u8,
        action: u8,
        on: u8,
        owner: u8,
        priority: i32,
        inherits: bool,
        created_ms: i64,
    },
    Detach(u8),
    Trigger(u8, usize),
    DeleteAction(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let numbers = (0..OBJECTS, 0..3_u8);
    prop_oneof![
        4 => (numbers.clone(), proptest::collection::vec(0..OBJECTS, 0..3)).prop_map(|((on, owner), parents)| {
            let mut parents: Vec<u8> = parents.into_iter().filter(|parent| *parent < on).collect();
            parents.dedup();
            Step::Register(on, owner, parents)
        }),
        1 => numbers.clone().prop_map(|(on, owner)| Step::Forget(on, owner)),
        6 => ((0..40_u8, 0..ACTIONS), numbers, -1..2, any::<bool>(), 0..3_i64).prop_map(
            |((number, action), (on, owner), priority, inherits, created_ms)| {
                Step::Attach { number, action, on, owner, priority, inherits, created_ms }
            }
        ),
        1 => (0..40_u8).prop_map(Step::Detach),
        1 => (0..ACTIONS, 0..2_usize).prop_map(|(action, trigger)| Step::Trigger(action, trigger)),
        1 => (0..ACTIONS).prop_map(Step::DeleteAction),
    ]
}

/// The same rules, by looking at everything.
#[derive(Default)]
struct Model {
    parents: BTreeMap<(TenantId, u8), Vec<u8>>,
    attachments: BTreeMap<u8, Attachment>,
    actions: BTreeMap<u8, Action>,
}

impl Model {
    fn next(&self, view: &TenantId, from: u8, up: bool) -> Vec<u8> {
        let seen = |owner: &TenantId| owner == view || owner.is_shared();
        let edges = self.parents.iter().filter(|((owner, _), _)| seen(owner));
        let edges = edges.flat_map(|((_, child), parents)| parents.iter().map(|parent| (*child, *parent)));
        let next = edges.filter_map(|(child, parent)| match up {
            true => (child == from).then_some(parent),
            false => (parent == from).then_some(child),
        });
        next.collect()
    }

    fn distances(&self, view: &TenantId, from: u8, up: bool) -> HashMap<u8, u32> {
        let (mut found, mut queue) = (HashMap::from([(from, 0)]), VecDeque::from([from]));
        while let Some(node) = queue.pop_front() {
            for next in self.next(view, node, up) {
                if !found.contains_key(&next) {
                    found.insert(next, found[&node] + 1);
                    queue.push_back(next);
                }
            }
        }
        found
    }

    fn reached(&self, tenant: &TenantId, on: u8, trigger: &str, flow: Flow) -> Vec<(AttachmentId, u32)> {
        let up = self.distances(tenant, on, true);
        let mut reached = Vec::new();
        for attachment in self.attachments.values() {
            let number = attachment.action_id.as_bytes()[0] - 1;
            let triggered = self.actions[&number].trigger.as_ref().is_some_and(|t| t.as_str() == trigger);
            if !triggered || !(attachment.owner_id == *tenant || attachment.owner_id.is_shared()) {
                continue;
            }
            let scope: u8 = attachment.object.object_id.parse().unwrap();
            // What the platform shares is found downwards along the shared graph only.
            let down = self.distances(&attachment.owner_id, on, false);
            let above = up.get(&scope).filter(|distance| flow.goes_up() || **distance == 0);
            let below = down.get(&scope).filter(|distance| flow.goes_down() || **distance == 0);
            let Some(distance) = above.or(below).copied() else { continue };
            if distance == 0 || attachment.inherits {
                let key = (-attachment.priority, distance, attachment.created_at, attachment.id);
                reached.push((key, (attachment.id, distance)));
            }
        }
        reached.sort();
        reached.into_iter().map(|(_, found)| found).collect()
    }

    /// Makes the step and gives the change that it is, unless the rules do not have it.
    fn make(&mut self, step: Step) -> Option<Change> {
        match step {
            Step::Register(on, owner, parents) => {
                self.parents.insert((tenant(owner), on), parents.clone());
                Some(Change::PutObject(Arc::new(record(on, &tenant(owner), parents))))
            }
            Step::Forget(on, owner) => {
                let owner = tenant(owner);
                let has_children = self.parents.iter().any(|((o, _), parents)| *o == owner && parents.contains(&on));
                let attached = |a: &Attachment| a.owner_id == owner && a.object == object(on);
                if has_children || self.attachments.values().any(attached) {
                    return None;
                }
                self.parents.remove(&(owner.clone(), on))?;
                Some(Change::DeleteObject(owner, object(on)))
            }
            Step::Attach { number, action, on, owner, priority, inherits, created_ms } => {
                let made = attachment(number, action, on, &tenant(owner));
                let made = Attachment { priority, inherits, created_at: Timestamp::from_ms(created_ms), ..made };
                let same = |(other, a): (&u8, &Attachment)| {
                    *other != number
                        && (&a.owner_id, a.action_id, &a.object) == (&made.owner_id, made.action_id, &made.object)
                };
                if self.attachments.iter().any(same) || !self.actions.contains_key(&action) {
                    return None;
                }
                // An attachment stays with its action.
                if self.attachments.get(&number).is_some_and(|old| old.action_id != made.action_id) {
                    return None;
                }
                self.attachments.insert(number, made.clone());
                Some(Change::PutAttachment(Arc::new(made)))
            }
            Step::Detach(number) => {
                let old = self.attachments.remove(&number)?;
                Some(Change::DeleteAttachment(old.action_id, old.id))
            }
            Step::Trigger(number, trigger) => {
                let action = self.actions.get_mut(&number)?;
                action.trigger = Some(TRIGGERS[trigger].parse().unwrap());
                action.version += 1;
                Some(Change::PutAction(Arc::new(action.clone())))
            }
            Step::DeleteAction(number) => {
                let action = self.actions.remove(&number)?;
                self.attachments.retain(|_, attachment| attachment.action_id != action.id);
                Some(Change::DeleteAction(action.id))
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn planning_finds_what_a_look_at_everything_finds(steps in proptest::collection::vec(step(), 0..60)) {
        let mut model = Model::default();
        let mut changes = vec![module()];
        for number in 0..ACTIONS {
            let action = action(number, &TenantId::shared());
            model.actions.insert(number, action.clone());
            changes.push(Change::PutAction(Arc::new(action)));
        }
        changes.extend(steps.into_iter().filter_map(|step| model.make(step)));
        let catalogue = catalogue_of(changes);
        for flow in [Flow::Both, Flow::Up, Flow::Down, Flow::None] {
            for (on, number) in (0..OBJECTS).flat_map(|on| (0..3).map(move |number| (on, number))) {
                for trigger in TRIGGERS {
                    let found = bindings(&catalogue, &event_type(trigger, None), &tenant(number), Some(&object(on)), flow);
                    let found: Vec<(AttachmentId, u32)> =
                        found.unwrap().iter().map(|b| (b.attachment.as_ref().unwrap().id, b.distance)).collect();
                    prop_assert_eq!(found, model.reached(&tenant(number), on, trigger, flow));
                }
            }
        }
    }
}

#[test]
fn the_linked_action_comes_first_and_what_is_disabled_shows() {
    let shared = TenantId::shared();
    let off = Action { enabled: false, ..action(1, &shared) };
    let changes = [
        module(),
        Change::PutAction(Arc::new(action(0, &shared))),
        Change::PutAction(Arc::new(off)),
        Change::PutAttachment(Arc::new(Attachment { priority: 9, ..attachment(0, 0, 1, &shared) })),
        Change::PutAttachment(Arc::new(Attachment {
            input: Json::from(serde_json::json!({"a": 1})),
            ..attachment(1, 1, 0, &shared)
        })),
        Change::PutObject(Arc::new(record(1, &shared, [0]))),
    ];
    let catalogue = catalogue_of(changes);
    let mut event = testing::event();
    event.object = Some(object(1));
    let ids = Ids::new(Arc::new(Entropy::new([1; 32])));
    let runs = plan(&catalogue, &event_type(TRIGGERS[0], Some(0)), &event, &ids, None).unwrap().runs;
    let seen: Vec<_> =
        runs.iter().map(|run| (run.position, run.attachment_id.is_some(), run.state, run.reason)).collect();
    assert_eq!(
        seen,
        [
            (0, false, State::Queued, None),
            (1, true, State::Queued, None),
            (2, true, State::Skipped, Some(Reason::Disabled)),
        ]
    );
    assert_eq!((runs[2].scope.clone(), runs[2].input.as_str()), (Some(object(0)), r#"{"a":1}"#));
}

#[test]
fn a_fan_out_is_as_wide_as_it_may_be_and_no_wider() {
    let shared = TenantId::shared();
    let attached = |number: usize| {
        let mut bytes = [9; 16];
        bytes[..8].copy_from_slice(&(number as u64).to_be_bytes());
        let on = ObjectRef::new("leaf".into(), number.to_string()).unwrap();
        let below = ObjectRecord { object: on.clone(), ..record(1, &shared, [0]) };
        let attachment = Attachment { id: AttachmentId::from_bytes(bytes), object: on, ..attachment(0, 0, 0, &shared) };
        [Change::PutObject(Arc::new(below)), Change::PutAttachment(Arc::new(attachment))]
    };
    let changes = |count: usize| {
        let first = [module(), Change::PutAction(Arc::new(action(0, &shared)))];
        first.into_iter().chain((0..count).flat_map(attached))
    };
    let found = |catalogue: &Catalogue, linked: Option<u8>| {
        let found = bindings(catalogue, &event_type(TRIGGERS[0], linked), &shared, Some(&object(0)), Flow::Both);
        found.map(|bindings| bindings.len())
    };
    let full = catalogue_of(changes(FAN_OUT_MAX));
    assert_eq!(found(&full, None), Ok(FAN_OUT_MAX));
    assert_eq!(found(&full, Some(0)), Err(FanOut));
    assert_eq!(found(&catalogue_of(changes(FAN_OUT_MAX + 1)), None), Err(FanOut));
}

#[test]
fn what_another_tenant_attached_stays_at_its_version() {
    let (publisher, user): (TenantId, TenantId) = ("a".parse().unwrap(), "b".parse().unwrap());
    let pin = Some(Pin { version: 1, module: Digest::of(b"code") });
    let moved =
        Action { version: 2, trigger: Some(TRIGGERS[1].parse().unwrap()), public: false, ..action(0, &publisher) };
    let changes = [
        module(),
        Change::PutAction(Arc::new(action(0, &publisher))),
        Change::PutAttachment(Arc::new(Attachment { pin, ..attachment(0, 0, 0, &user) })),
        Change::PutAttachment(Arc::new(attachment(1, 0, 1, &user))),
        Change::PutAction(Arc::new(moved)),
    ];
    let catalogue = catalogue_of(changes);
    let found = |tenant: &TenantId, trigger: &str, on: u8| {
        let found = bindings(&catalogue, &event_type(trigger, None), tenant, Some(&object(on)), Flow::Both).unwrap();
        found.into_iter().map(|b| (b.action.version, b.skipped.map(|(reason, _)| reason))).collect::<Vec<_>>()
    };
    assert_eq!(found(&user, TRIGGERS[0], 0), [(1, None)], "its version, trigger included");
    assert_eq!(found(&user, TRIGGERS[1], 1), [(2, Some(Reason::Denied))], "one that follows loses what is withdrawn");
    assert_eq!(found(&publisher, TRIGGERS[0], 0), [], "the publisher's events do not run it");
}

#[test]
fn a_run_is_due_at_the_later_of_its_own_time_and_the_events() {
    let shared = TenantId::shared();
    let when = serde_json::from_value(serde_json::json!({ "at": "/at", "offset": "-1s" })).unwrap();
    let action = Action { when: Some(when), ..action(0, &shared) };
    let catalogue = catalogue_of([module(), Change::PutAction(Arc::new(action))]);
    let ids = Ids::new(Arc::new(Entropy::new([1; 32])));
    let planned = |at_ms: Option<i64>, run_at_ms: Option<i64>| {
        let text = at_ms.map(|ms| Timestamp::from_ms(ms).to_string());
        let payload = Json::from(serde_json::json!({ "at": text }));
        let run_at = run_at_ms.map(Timestamp::from_ms);
        let event = crate::domain::Event { payload, run_at, ..testing::event() };
        let run = plan(&catalogue, &event_type(TRIGGERS[0], Some(0)), &event, &ids, None).unwrap().runs.remove(0);
        (run.state, run.reason, run.due_at.map(Timestamp::as_ms))
    };
    // The event is made at 1,000 ms.
    assert_eq!(planned(Some(2_001), None), (State::Waiting, None, Some(1_001)));
    assert_eq!(planned(Some(2_000), None), (State::Queued, None, None), "now is not later");
    assert_eq!(planned(Some(0), Some(900)), (State::Queued, None, None), "what is past puts nothing off");
    assert_eq!(planned(Some(5_000), Some(3_000)), (State::Waiting, None, Some(4_000)));
    assert_eq!(planned(Some(5_000), Some(4_500)), (State::Waiting, None, Some(4_500)));
    assert_eq!(planned(None, Some(4_500)), (State::Error, Some(Reason::ParamMissing), None));
}
