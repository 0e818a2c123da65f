//! The examples, installed and fired: what `serve --demo` shows.

use super::Wired;
use crate::dispatch::{Fire, FireError, Producer};
use crate::domain::{
    Action, ActionId, ActionName, Author, DedupMode, DedupWindow, Event, EventType, EventTypeId, EventTypeName, Flow,
    Json, LimitsPatch, Module, ModuleName, ModuleNaming, ModuleRef, ObjectRef, Origin, Parameter, ParameterValue,
    RetryPolicy, Run, Sameness, TenantId,
};
use crate::sandbox::UploadError;
use crate::store::{Change, CommitError, Transition};
use bytes::Bytes;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;

/// How long an example may take before the demo goes on without it.
const PATIENCE: Duration = Duration::from_secs(20);
/// Short, so that examples that retry or wait on purpose do not hold the demo up.
const RETRY: RetryPolicy = RetryPolicy { attempts: 2, base_ms: 200, factor: 2, cap_ms: 500 };
const TIMEOUT_MS: u64 = 2_000;

struct Example {
    description: &'static str,
    component: &'static [u8],
    samples: &'static [(&'static str, &'static str)],
}

macro_rules! example {
    ($folder:literal, $component:literal, [$($sample:literal),*]) => {
        Example {
            description: include_str!(concat!("../../examples/", $folder, "/action.json")),
            component: include_bytes!(concat!("../../examples/components/", $component, ".wasm")),
            samples: &[$(($sample, include_str!(concat!("../../examples/", $folder, "/", $sample)))),*],
        }
    };
}

const EXAMPLES: [Example; 4] = [
    example!("issue-triage", "issue_triage", ["sample.json"]),
    example!("invoice-render", "invoice_render", ["sample.json"]),
    example!("booking-calendar", "booking_calendar", ["sample.json"]),
    example!(
        "failure-gallery",
        "failure_gallery",
        [
            "samples/ok.json",
            "samples/warning.json",
            "samples/reject.json",
            "samples/retry.json",
            "samples/retry_after.json",
            "samples/trap.json",
            "samples/loop.json",
            "samples/memory.json",
            "samples/stack.json",
            "samples/log_flood.json",
            "samples/huge_output.json",
            "samples/wait.json"
        ]
    ),
];

/// `action.json` of an example; what only its tests need is passed over.
#[derive(Deserialize)]
struct Description {
    name: ActionName,
    description: String,
    trigger: EventTypeName,
    object: Option<ObjectRef>,
    params: serde_json::Map<String, serde_json::Value>,
}

#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error("the example `{example}` is not described properly: {error}")]
    Description { example: usize, error: serde_json::Error },
    #[error("the example `{name}` was refused: {error}")]
    Upload { name: ActionName, error: UploadError },
    #[error(transparent)]
    Commit(#[from] CommitError),
    #[error(transparent)]
    Fire(#[from] FireError),
}

/// What the demo did.
#[derive(Clone, Debug)]
pub struct Demo {
    pub runs: Vec<DemoRun>,
}

/// One sample event and what became of it.
#[derive(Clone, Debug)]
pub struct DemoRun {
    /// The file of the sample, beside its example.
    pub sample: String,
    pub event: Arc<Event>,
    pub runs: Vec<Arc<Run>>,
}

pub(super) async fn run(wired: &Wired) -> Result<Demo, DemoError> {
    let mut runs = Vec::new();
    for (number, example) in EXAMPLES.iter().enumerate() {
        let description: Description = serde_json::from_str(example.description)
            .map_err(|error| DemoError::Description { example: number, error })?;
        install(wired, example, &description).await?;
        for (sample, payload) in example.samples {
            let payload = Json::parse((*payload).to_owned())
                .map_err(|error| DemoError::Description { example: number, error: error.into() })?;
            let fire = Fire {
                event_type: description.trigger.clone(),
                object: description.object.clone(),
                flow: Flow::default(),
                payload,
                sameness: Some(Sameness::Content),
                once: None,
                cloudevent: None,
                run_at: None,
                tenant: TenantId::shared(),
                origin: Origin::Demo,
                by: Producer::Exempt,
                cause: None,
                created_by: "demo".to_owned(),
            };
            let fired = wired.dispatch.fire_and_wait(fire, PATIENCE).await?;
            let sample = format!("{}/{sample}", description.name);
            runs.push(DemoRun { sample, event: fired.event, runs: fired.runs });
        }
    }
    Ok(Demo { runs })
}

/// Uploads the component and makes the action and its event type, or leaves those of an earlier demo as they are.
async fn install(wired: &Wired, example: &Example, description: &Description) -> Result<(), DemoError> {
    let upload = wired.sandbox.inspect(Bytes::from_static(example.component)).await;
    let inspected = upload.map_err(|error| DemoError::Upload { name: description.name.clone(), error })?;
    let (now, shared, by) = (wired.clock.now(), TenantId::shared(), "demo");
    let catalogue = wired.store.catalogue();
    let module = ModuleRef::Digest(inspected.digest);
    let mut changes = Vec::new();
    if catalogue.module(&shared, &module).is_none() {
        let name = ModuleName::new(&format!("examples.{}", description.name), &inspected.digest.hex()[..12]);
        let module = Module {
            digest: inspected.digest,
            owner_id: shared.clone(),
            kind: inspected.kind,
            size_bytes: inspected.size_bytes,
            imports: inspected.imports,
            names: name.into_iter().map(|name| ModuleNaming { name, since: now }).collect(),
            created_at: now,
            created_by: by.to_owned(),
        };
        changes.push(Change::PutModule(Arc::new(module), inspected.wasm));
    }
    let known = catalogue.action_named(&shared, &description.name);
    let id = known.map_or_else(|| ActionId::new(&wired.ids, now), |action| action.id);
    if known.is_none_or(|action| action.module != module) {
        let version = known.map_or(1, |action| action.version + 1);
        changes.push(Change::PutAction(Arc::new(action(description, (id, version), module, now))));
    }
    if catalogue.event_type_named(&shared, &description.trigger).is_none() {
        let event_type = event_type(description, EventTypeId::new(&wired.ids, now), id, now);
        changes.push(Change::PutEventType(Arc::new(event_type)));
    }
    let author = Some(Author::server(by, &wired.ids, now));
    Ok(wired.store.commit(Transition { author, ..Transition::of(changes) }).await?)
}

fn action(
    description: &Description,
    (id, version): (ActionId, u64),
    module: ModuleRef,
    now: crate::domain::Timestamp,
) -> Action {
    let parameter = |(name, value): (&String, &serde_json::Value)| Parameter {
        name: name.clone(),
        value: ParameterValue::Static(value.clone()),
        required: true,
        default: None,
        locked: false,
    };
    Action {
        id,
        owner_id: TenantId::shared(),
        name: description.name.clone(),
        description: description.description.clone(),
        module,
        enabled: true,
        trigger: None,
        public: false,
        dedup_mode: DedupMode::default(),
        input: None,
        continue_on_fail: false,
        on_success: None,
        on_failure: None,
        parameters: description.params.iter().map(parameter).collect(),
        retry: RETRY,
        limits: LimitsPatch { timeout_ms: Some(TIMEOUT_MS), ..LimitsPatch::default() },
        when: None,
        version,
        created_by: "demo".to_owned(),
        created_at: now,
        updated_at: now,
        updated_by: "demo".to_owned(),
    }
}

fn event_type(
    description: &Description,
    id: EventTypeId,
    action: ActionId,
    now: crate::domain::Timestamp,
) -> EventType {
    EventType {
        id,
        owner_id: TenantId::shared(),
        display_name: description.trigger.clone(),
        description: format!("Runs the example `{}`.", description.name),
        sink_type: "wasm".to_owned(),
        source_type: None,
        action: Some(action),
        enabled: true,
        paused: false,
        flow: Flow::default(),
        parameters: Vec::new(),
        payload_schema: None,
        dedup_window_s: DedupWindow::default(),
        version: 1,
        created_by: "demo".to_owned(),
        created_at: now,
        updated_at: now,
    }
}
