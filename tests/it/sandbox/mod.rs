//! The sandbox: what a guest may do, and how each limit ends it.

mod artifacts;
mod attempts;
mod commands;
mod fairness;
mod go;
pub(crate) mod guest;
mod handlers;
mod http;
mod http_peers;
mod http_played;
mod kinds;
mod limits;
mod uploads;

use bytes::Bytes;
use fusebox::domain::{
    Chain, Context, Ending, Entropy, EventId, Ids, Json, LIMITS_WASM, Limits, LogLine, Outcome, Reason, RunId,
    TenantId, Timestamp,
};
use fusebox::sandbox::{Attempted, Config, HostServices, Invocation, Prepared, Sandbox};
use std::sync::{Arc, Mutex};

const NOW: Timestamp = Timestamp::from_ms(1_700_000_000_000);
const KEY: [u8; 32] = [7; 32];

/// A sandbox with a folder of its own, gone with it.
struct Bench {
    sandbox: Sandbox,
    folder: tempfile::TempDir,
}

fn config(folder: &std::path::Path) -> Config {
    let mut config = Config::new(folder.join("artifacts"), KEY, env!("CARGO_BIN_EXE_fusebox").into());
    config.concurrency = 4;
    config
}

impl Bench {
    fn new() -> Bench {
        Bench::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Config)) -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(folder.path());
        change(&mut config);
        Bench { sandbox: Sandbox::start(config).unwrap(), folder }
    }

    async fn prepared(&self, component: &str) -> Prepared {
        let inspected = self.sandbox.inspect(Bytes::copy_from_slice(component.as_bytes())).await.unwrap();
        self.sandbox.find_prepared(&inspected.digest).unwrap()
    }

    async fn invoke(&self, component: &str, limits: Limits) -> (Attempted, Vec<LogLine>) {
        let prepared = self.prepared(component).await;
        let host = Arc::new(Listener::default());
        let invocation = Invocation { context: context(limits), host: host.clone() };
        let attempted = self.sandbox.invoke(&prepared, invocation).await;
        let lines = host.lines.lock().unwrap().clone();
        (attempted, lines)
    }
}

#[derive(Default)]
struct Listener {
    lines: Mutex<Vec<LogLine>>,
}

impl HostServices for Listener {
    fn log(&self, line: LogLine) {
        self.lines.lock().unwrap().push(line);
    }

    fn now(&self) -> Timestamp {
        NOW
    }
}

fn context(limits: Limits) -> Context {
    let ids = Ids::new(Arc::new(Entropy::new([3; 32])));
    let event_id = EventId::new(&ids, NOW);
    Context {
        run_id: RunId::new(&ids, NOW),
        attempt: 1,
        event_id,
        trigger: "booking_created".to_owned(),
        event_time: NOW,
        tenant: TenantId::shared(),
        object: None,
        scope: None,
        payload: Json::parse(r#"{"door":"north"}"#.to_owned()).unwrap(),
        params: Json::empty_object(),
        input: Json::empty_object(),
        chain: Chain { root: event_id, parent: None, depth: 0, parent_outcome: None },
        limits,
        now: NOW,
        seed: (1, 2),
    }
}

#[track_caller]
fn outcome(attempted: &Attempted) -> &Outcome {
    match &attempted.ending {
        Ending::Outcome(outcome) => outcome,
        other => panic!("not an outcome: {other:?}"),
    }
}

#[track_caller]
fn broken(attempted: &Attempted) -> (Reason, &str) {
    match &attempted.ending {
        Ending::Broken { reason, message } => (*reason, message),
        other => panic!("not broken: {other:?}"),
    }
}

const DEFAULT: Limits = LIMITS_WASM;
