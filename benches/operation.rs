//! What an operator feels: the cost of a large catalogue at rest, and of a noisy neighbour. `cargo bench --bench operation`

#![allow(clippy::unwrap_used, reason = "a bench that cannot go on should say where")]

mod support;

use serde_json::json as value;
use std::time::Duration;
use support::load::{self, Answered};
use support::process::Program;
use support::{Bench, NOOP, catalogue, json};

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
    let start = || {
        let program = Program::start(folder.path());
        (program.ready_ms, program.resident_kib() / 1024)
    };
    let empty = start();
    catalogue::fill(folder.path(), ACTIONS, |_| catalogue::Runs::FirstModule);
    let full = start();
    println!("start without actions:     {:>6.0} ms, {:>4} MiB resident", empty.0, empty.1);
    println!("start with {ACTIONS} actions: {:>6.0} ms, {:>4} MiB resident (target 1000 ms, 200 MB)", full.0, full.1);
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
