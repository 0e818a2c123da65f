//! An event and runs for the tests of this layer.

use crate::domain::{
    ActionId, Entropy, Event, EventId, EventTypeId, Flow, Ids, Json, Origin, Run, RunId, State, TenantId, Timestamp,
};
use std::sync::Arc;

const NOW: Timestamp = Timestamp::from_ms(1_000);

pub(super) fn event() -> Event {
    let id = EventId::from_bytes([1; 16]);
    Event {
        id,
        owner_id: TenantId::shared(),
        event_type_id: EventTypeId::from_bytes([2; 16]),
        event_type: "tested".into(),
        object: None,
        cloudevent: None,
        flow: Flow::Both,
        payload: Json::empty_object(),
        run_at: None,
        origin: Origin::Api,
        cause: None,
        state: State::Queued,
        reason: None,
        message: String::new(),
        parent_id: None,
        root_id: id,
        depth: 0,
        lineage: None,
        created_by: "test".into(),
        source_id: None,
        created_at: NOW,
        started_at: None,
        ended_at: None,
        runs: Vec::new(),
    }
}

pub(super) fn run(position: u32) -> Run {
    let ids = Ids::new(Arc::new(Entropy::new([u8::try_from(position).unwrap(); 32])));
    let action = format!("action {position}");
    let (id, action_id) = (RunId::new(&ids, NOW), ActionId::from_bytes([3; 16]));
    Run { position, action, ..Run::queued(id, event().id, TenantId::shared(), action_id, NOW) }
}
