//! Firing over HTTP beside the floor: axum echoing the same body. `cargo bench --bench http`
//!
//! Rounds alternate between the floor and each of the contenders, so that what else the machine does hits all alike;
//! the ratio of each round is taken, and the median of the ratios is the result.

#![allow(clippy::unwrap_used, reason = "a bench that cannot go on should say where")]

mod support;

use axum::Router;
use axum::routing::post;
use bytes::Bytes;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use support::load::{self, Answered};
use support::{Bench, NOOP, median};

const CLIENTS: usize = 256;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(3);
const BODY: &[u8] =
    br#"{"event_type":"bench","payload":{"booking":"bk_########","starts_at":"2026-05-04T10:00:00+02:00","seats":4}}"#;

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::start(folder.path());
    bench.install("bench", NOOP);
    let echo = echo(&bench);
    let authorization = format!("Bearer {}", bench.token);
    let fire = load::request("/event", &[("authorization", &authorization)], BODY);
    let wait = load::request("/event", &[("authorization", &authorization), ("prefer", "wait=30")], BODY);
    let plain = load::request("/", &[("authorization", &authorization)], BODY);
    // The load has threads of its own, one per core, as a process of its own would.
    let loading = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let run = |address, request: &[u8]| loading.block_on(load::run(address, CLIENTS, ROUND, request));
    let address = bench.server.address();
    run(address, &wait);

    println!("{CLIENTS} clients, {ROUNDS} rounds of {} s each", ROUND.as_secs());
    let (mut waited, mut fired) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let floor = run(echo, &plain);
        let with_result = run(address, &wait);
        show("fire and wait", &with_result, &floor, &mut waited);
        let before = bench.server.store().writer_stats();
        let accepted = run(address, &fire);
        let after = bench.server.store().writer_stats();
        show("fire (202)", &accepted, &floor, &mut fired);
        let (commits, transitions) = (after.commits - before.commits, after.transitions - before.transitions);
        println!("    {:.0} transitions per commit; {}", transitions as f64 / commits as f64, drained(&bench));
    }
    println!("fire and wait / axum echo: {:.2} (target 0.5)", median(waited));
    println!("fire (202)    / axum echo: {:.2} (target 0.6)", median(fired));
    let wrong = bench.server.store().check().unwrap();
    assert_eq!(wrong, Vec::<String>::new(), "the indexes do not agree with the tables");
    bench.stop();
}

fn show(name: &str, answered: &Answered, floor: &Answered, ratios: &mut Vec<f64>) {
    assert_eq!((answered.refused, floor.refused), (0, 0), "{name}: some requests were refused");
    let ratio = answered.per_second() / floor.per_second();
    println!(
        "{name:<14} {:>7.0}/s  p50 {:.2} ms  p99 {:.2} ms   echo {:>7.0}/s  p99 {:.2} ms   ratio {ratio:.2}",
        answered.per_second(),
        answered.quantile_ms(0.5),
        answered.quantile_ms(0.99),
        floor.per_second(),
        floor.quantile_ms(0.99),
    );
    ratios.push(ratio);
}

/// Lets what was accepted run to its end, so that a round does not pay for the one before it.
fn drained(bench: &Bench) -> String {
    let begun = Instant::now();
    let backlog = bench.server.load();
    while bench.server.load().running > 0 || bench.server.load().queued > 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    format!("{} runs were left, done {:.2} s later", backlog.queued, begun.elapsed().as_secs_f64())
}

/// The floor, on the server's own runtime.
fn echo(bench: &Bench) -> SocketAddr {
    bench.runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", post(|body: Bytes| async move { body }));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        address
    })
}
