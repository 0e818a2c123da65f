//! A large catalogue, written without a server.

use fusebox::domain::{
    Action, ActionId, DedupMode, DedupWindow, Entropy, EventType, EventTypeId, Flow, Ids, LimitsPatch, ModuleRef,
    RetryPolicy, SourceCode, TenantId, Timestamp,
};
use fusebox::store::{Change, Config, Store, Transition};
use std::path::Path;
use std::sync::Arc;

/// What an action runs.
pub(crate) enum Runs {
    /// The module that was uploaded first.
    FirstModule,
    Source(SourceCode),
}

/// `count` actions, `action 0` and so on, each with an event type of its own, `trigger_0` and so on. The folder is one in
/// which a server has run.
pub(crate) fn fill(folder: &Path, count: usize, runs: impl Fn(usize) -> Runs) {
    let path = folder.join("fusebox.redb");
    let store = Store::open(Config { path, cache_bytes: 64 << 20, first_notice: 1 }).unwrap();
    let digest = store.catalogue().modules().next().map(|module| module.digest);
    let ids = Ids::new(Arc::new(Entropy::new([3; 32])));
    let now = Timestamp::from_ms(1_800_000_000_000);
    let changes = (0..count).flat_map(|number| {
        let (module, source) = match runs(number) {
            Runs::FirstModule => (Some(ModuleRef::Digest(digest.unwrap())), None),
            Runs::Source(source) => (None, Some(source)),
        };
        let name = format!("action {number}");
        let action = action(ActionId::new(&ids, now), &name, module, now);
        let action = Action { source, description: "Sends a message to whoever wants to know.".to_owned(), ..action };
        let event_type = event_type(EventTypeId::new(&ids, now), &format!("trigger_{number}"), action.id, now);
        [Change::PutAction(Arc::new(action)), Change::PutEventType(Arc::new(event_type))]
    });
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(store.commit(Transition::of(changes))).unwrap();
    store.close();
}

/// What a bench does not care about is as everywhere.
pub(crate) fn action(id: ActionId, name: &str, module: Option<ModuleRef>, now: Timestamp) -> Action {
    Action {
        id,
        owner_id: TenantId::shared(),
        name: name.parse().unwrap(),
        description: String::new(),
        module,
        source: None,
        enabled: true,
        trigger: None,
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
        created_at: now,
        updated_at: now,
        updated_by: "bench".to_owned(),
    }
}

pub(crate) fn event_type(id: EventTypeId, name: &str, action: ActionId, now: Timestamp) -> EventType {
    EventType {
        paused: false,
        id,
        owner_id: TenantId::shared(),
        display_name: name.parse().unwrap(),
        description: String::new(),
        sink_type: "wasm".to_owned(),
        source_type: None,
        action: Some(action),
        enabled: true,
        flow: Flow::default(),
        parameters: Vec::new(),
        payload_schema: None,
        dedup_window_s: DedupWindow::default(),
        version: 1,
        created_by: "bench".to_owned(),
        created_at: now,
        updated_at: now,
    }
}
