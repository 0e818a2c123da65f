//! What planning costs as the catalogue grows while the matches stay the same. `cargo bench --bench planning`
//!
//! Every tree of objects is eight levels deep; each attachment sits on an object of its own or shares one with few
//! others, in turn with ten triggers. An event on a leaf looks up, one on a root looks down.

#![allow(clippy::unwrap_used, reason = "a bench that cannot go on should say where")]

use bytes::Bytes;
use fusebox::dispatch::bindings;
use fusebox::domain::{
    Action, ActionId, Attachment, AttachmentId, DedupMode, DedupWindow, Digest, EventType, EventTypeId, Flow, Json,
    Kind, LimitsPatch, Module, ModuleRef, ObjectRecord, ObjectRef, RetryPolicy, TenantId, Timestamp,
};
use fusebox::store::{Catalogue, Change};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

const NOW: Timestamp = Timestamp::from_ms(1_800_000_000_000);
/// Objects from a leaf to its root, both counted: eight steps.
const LEVELS: usize = 9;
const TRIGGERS: usize = 10;
const ROUNDS: usize = 20_000;

fn main() {
    println!("attachments  event on  matches  µs per plan  (target 20 µs at 100000)");
    for attachments in [1_000, 10_000, 100_000] {
        let begun = Instant::now();
        let catalogue = Catalogue::of(changes(attachments)).unwrap();
        let built_ms = begun.elapsed().as_millis();
        for (name, level) in [("leaf", LEVELS - 1), ("middle", LEVELS / 2), ("root", 0)] {
            let trees = attachments / LEVELS;
            let (event_type, tenant) = (event_type(3), tenant());
            let mut matches = 0;
            let begun = Instant::now();
            for round in 0..ROUNDS {
                let object = object(round * 7919 % trees, level);
                let found = bindings(&catalogue, &event_type, &tenant, Some(&object), Flow::Both).unwrap();
                matches += black_box(found).len();
            }
            let us = begun.elapsed().as_secs_f64() * 1e6 / ROUNDS as f64;
            let matches = matches as f64 / ROUNDS as f64;
            println!("{attachments:>11}  {name:>8}  {matches:>7.1}  {us:>11.1}  (catalogue made in {built_ms} ms)");
        }
    }
}

fn tenant() -> TenantId {
    "bench".parse().unwrap()
}

fn object(tree: usize, level: usize) -> ObjectRef {
    ObjectRef::new(format!("level.{level}"), tree.to_string()).unwrap()
}

fn id(kind: u8, number: usize) -> [u8; 16] {
    let mut id = [kind; 16];
    id[8..].copy_from_slice(&(number as u64).to_be_bytes());
    id
}

fn changes(attachments: usize) -> impl Iterator<Item = Change> {
    let module = Module {
        digest: Digest::of(b"bench"),
        owner_id: tenant(),
        kind: Kind::Action,
        size_bytes: 5,
        imports: Vec::new(),
        exports: Vec::new(),
        wrapped: None,
        names: Vec::new(),
        created_at: NOW,
        created_by: "bench".to_owned(),
    };
    let first = std::iter::once(Change::PutModule(Arc::new(module), Bytes::new()));
    let first = first.chain((0..TRIGGERS).map(|number| Change::PutEventType(Arc::new(event_type(number)))));
    let actions = (0..TRIGGERS).map(|number| Change::PutAction(Arc::new(action(number))));
    let trees = attachments / LEVELS;
    let objects =
        (0..trees).flat_map(|tree| (1..LEVELS).map(move |level| Change::PutObject(Arc::new(record(tree, level)))));
    let attached = (0..trees * LEVELS).map(move |number| {
        let attachment = Attachment {
            id: AttachmentId::from_bytes(id(3, number)),
            action_id: ActionId::from_bytes(id(1, number % TRIGGERS)),
            object: object(number / LEVELS, number % LEVELS),
            owner_id: tenant(),
            input: Json::empty_object(),
            reason: String::new(),
            priority: i32::try_from(number % 3).unwrap(),
            inherits: true,
            pin: None,
            version: 1,
            created_by: "bench".to_owned(),
            created_at: NOW,
            updated_at: NOW,
        };
        Change::PutAttachment(Arc::new(attachment))
    });
    first.chain(actions).chain(objects).chain(attached)
}

fn record(tree: usize, level: usize) -> ObjectRecord {
    ObjectRecord {
        owner_id: tenant(),
        object: object(tree, level),
        name: String::new(),
        parents: vec![object(tree, level - 1)],
        version: 1,
        created_by: "bench".to_owned(),
        created_at: NOW,
        updated_at: NOW,
    }
}

fn action(number: usize) -> Action {
    Action {
        id: ActionId::from_bytes(id(1, number)),
        owner_id: tenant(),
        name: format!("action {number}").parse().unwrap(),
        description: String::new(),
        module: Some(ModuleRef::Digest(Digest::of(b"bench"))),
        source: None,
        enabled: true,
        trigger: Some(format!("trigger_{number}").parse().unwrap()),
        public: false,
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
        created_by: "bench".to_owned(),
        created_at: NOW,
        updated_at: NOW,
        updated_by: "bench".to_owned(),
    }
}

fn event_type(number: usize) -> EventType {
    EventType {
        id: EventTypeId::from_bytes(id(2, number)),
        owner_id: tenant(),
        display_name: format!("trigger_{number}").parse().unwrap(),
        description: String::new(),
        sink_type: "wasm".to_owned(),
        source_type: None,
        action: None,
        enabled: true,
        paused: false,
        flow: Flow::Both,
        parameters: Vec::new(),
        payload_schema: None,
        dedup_window_s: DedupWindow::default(),
        version: 1,
        created_by: "bench".to_owned(),
        created_at: NOW,
        updated_at: NOW,
    }
}
