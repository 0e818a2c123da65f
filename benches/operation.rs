//! What an operator feels: the cost of a large catalogue at rest, and of a noisy neighbour. `cargo bench --bench operation`

#![allow(clippy::unwrap_used, reason = "a bench that cannot go on should say where")]

mod support;

use fusebox::domain::{
    Action, ActionId, DedupMode, DedupWindow, Entropy, EventType, EventTypeId, Flow, Ids, LimitsPatch, ModuleRef,
    RetryPolicy, TenantId, Timestamp,
};
use fusebox::store::{Change, Config, Store, Transition};
use serde_json::json as value;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::load::{self, Answered};
use support::{Bench, NOOP, json};

const ACTIONS: usize = 10_000;
const GALLERY: &[u8] = include_bytes!("../examples/components/failure_gallery.wasm");

fn main() {
    idle();
    noisy_neighbour();
}

/// 10,000 actions, each with an event type of its own: how long a start takes and how much memory it holds.
fn idle() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::start(folder.path());
    bench.install("bench", NOOP);
    bench.stop();
    let empty = start(folder.path());
    fill(folder.path());
    let full = start(folder.path());
    println!("start without actions:     {:>6.0} ms, {:>4} MiB resident", empty.0, empty.1);
    println!("start with {ACTIONS} actions: {:>6.0} ms, {:>4} MiB resident (target 1000 ms, 200 MB)", full.0, full.1);
}

fn fill(folder: &Path) {
    let store =
        Store::open(Config { path: folder.join("fusebox.redb"), cache_bytes: 64 << 20, first_notice: 1 }).unwrap();
    let digest = store.catalogue().modules().next().unwrap().digest;
    let ids = Ids::new(Arc::new(Entropy::new([3; 32])));
    let now = Timestamp::from_ms(1_800_000_000_000);
    let changes = (0..ACTIONS).flat_map(|number| {
        let action = Action {
            id: ActionId::new(&ids, now),
            owner_id: TenantId::shared(),
            name: format!("action {number}").parse().unwrap(),
            description: "Sends a message to whoever wants to know.".to_owned(),
            module: Some(ModuleRef::Digest(digest)),
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
        };
        let event_type = EventType {
            id: EventTypeId::new(&ids, now),
            owner_id: TenantId::shared(),
            display_name: format!("trigger_{number}").parse().unwrap(),
            description: String::new(),
            sink_type: "wasm".to_owned(),
            source_type: None,
            action: Some(action.id),
            enabled: true,
            paused: false,
            flow: Flow::default(),
            parameters: Vec::new(),
            payload_schema: None,
            dedup_window_s: DedupWindow::default(),
            version: 1,
            created_by: "bench".to_owned(),
            created_at: now,
            updated_at: now,
        };
        [Change::PutAction(Arc::new(action)), Change::PutEventType(Arc::new(event_type))]
    });
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(store.commit(Transition::of(changes))).unwrap();
    store.close();
}

/// Starts the program and gives the milliseconds until it is ready and the MiB it then has in memory.
fn start(data: &Path) -> (f64, u64) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let begun = Instant::now();
    let mut server = Command::new(env!("CARGO_BIN_EXE_fusebox"))
        .args(["serve", "--listen", &address.to_string(), "--data"])
        .arg(data)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while ureq::get(format!("http://{address}/readyz")).call().is_err() {
        assert!(begun.elapsed() < Duration::from_secs(30), "the server did not start");
        std::thread::sleep(Duration::from_millis(2));
    }
    let ready_ms = begun.elapsed().as_secs_f64() * 1000.0;
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let resident_kib: u64 = resident.trim().trim_end_matches(" kB").parse().unwrap();
    server.kill().unwrap();
    server.wait().unwrap();
    (ready_ms, resident_kib / 1024)
}

/// A quiet tenant alone, and beside one that burns the processor in all of its permits.
fn noisy_neighbour() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::start(folder.path());
    bench.install("quiet", NOOP);
    bench.install("noisy", GALLERY);
    let token = |tenant: &str| {
        let body = value!({ "name": tenant, "owner_id": tenant, "rights": { "execute": true, "read": true } });
        bench.post("/token", &json(&body))["token"].as_str().unwrap().to_owned()
    };
    let (quiet, noisy) = (token("quiet"), token("noisy"));
    let authorization = format!("Bearer {quiet}");
    let body = br#"{"event_type":"quiet","payload":{}}"#;
    let request = load::request("/event", &[("authorization", &authorization), ("prefer", "wait=30")], body);
    let loading = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let measure = || loading.block_on(load::run(bench.server.address(), 1, Duration::from_secs(5), &request));
    measure();
    let alone = measure();
    // More than all of its permits: the rest queues behind it.
    for number in 0..2_000 {
        // Numbered, so that none is a duplicate of another.
        let body = value!({ "event_type": "noisy", "payload": { "way": "loop", "number": number } });
        bench.post_as(&noisy, "/event", &json(&body));
    }
    let beside = measure();
    let left = bench.server.load();
    assert!(left.queued > 0, "the neighbour was done before the measurement was: {left:?}");
    let show = |name: &str, answered: &Answered| {
        assert_eq!(answered.refused, 0);
        let (p50, p99) = (answered.quantile_ms(0.5), answered.quantile_ms(0.99));
        println!("{name:<28} p50 {p50:.2} ms  p99 {p99:.2} ms  ({} requests)", answered.latencies.len());
    };
    show("a quiet tenant alone", &alone);
    show("beside a noisy neighbour", &beside);
    println!("p99 beside / alone: {:.2} (target 3)", beside.quantile_ms(0.99) / alone.quantile_ms(0.99));
    // The neighbour's backlog need not be worked off.
    std::process::exit(0);
}
