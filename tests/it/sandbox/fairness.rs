//! Guests that run beside each other.

use super::guest::{pure, sleeping};
use super::{Bench, DEFAULT, Listener, broken, context, outcome};
use fusebox::domain::{Limits, Reason};
use fusebox::sandbox::Invocation;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const NOOP: &str = r#"(func $run (export "run") (param i32) (result i32) (call $nothing))"#;
const LOOPS: &str = r#"(func $run (export "run") (param i32) (result i32) (loop $again (br $again)) unreachable)"#;

fn invocation(limits: Limits) -> Invocation {
    Invocation { context: context(limits), host: Arc::new(Listener::default()) }
}

#[tokio::test]
async fn a_looping_guest_does_not_stop_another_on_the_same_thread() {
    let bench = Bench::new();
    let (loops, noop) = (bench.prepared(&pure(LOOPS)).await, bench.prepared(&pure(NOOP)).await);
    let limits = Limits { fuel: u64::MAX, timeout_ms: 60_000, ..DEFAULT };
    let noisy = tokio::spawn(bench.sandbox.invoke(&loops, invocation(limits)));
    for _ in 0..20 {
        tokio::task::yield_now().await;
        outcome(&bench.sandbox.invoke(&noop, invocation(DEFAULT)).await);
    }
    assert!(!noisy.is_finished());
    noisy.abort();
    assert!(noisy.await.unwrap_err().is_cancelled());
}

/// The yields of a guest that often calls the host: each call sets the fuel of the store, which begins a new slice, so
/// that the end of one was never reached.
#[tokio::test]
async fn a_guest_that_often_calls_the_host_yields_too() {
    let bench = Bench::new();
    // 100,000 fuel of computing, less than a slice, and a call.
    let calls = sleeping(
        r#"(func $run (export "run") (param i32) (result i32) (local $left i32)
             (i32.store (i32.const 4096) (call $subscribe (i64.const 0)))
             (loop $again
               (local.set $left (i32.const 25000))
               (loop $compute (br_if $compute (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
               (call $poll (i32.const 4096) (i32.const 1) (i32.const 2048))
               (br $again))
             unreachable)"#,
    );
    let calls = bench.prepared(&calls).await;
    let limits = Limits { fuel: 100_000_000, timeout_ms: 60_000, ..DEFAULT };
    let turns = AtomicU64::new(0);
    let count_turns = async {
        loop {
            turns.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        attempted = bench.sandbox.invoke(&calls, invocation(limits)) => {
            assert_eq!(broken(&attempted).0, Reason::FuelExhausted);
        }
        () = count_turns => {}
    }
    let turns = turns.load(Ordering::Relaxed);
    assert!(turns >= 100_000_000 / 500_000 / 2, "{turns} turns in 200 slices");
}

#[tokio::test]
async fn more_attempts_than_places_wait_for_each_other() {
    let bench = Bench::with(|config| config.concurrency = 2);
    let noop = bench.prepared(&pure(NOOP)).await;
    let attempts = (0..50).map(|_| bench.sandbox.invoke(&noop, invocation(DEFAULT)));
    for attempted in futures_util::future::join_all(attempts).await {
        outcome(&attempted);
    }
}

#[tokio::test]
async fn a_dropped_attempt_frees_its_place() {
    let bench = Bench::with(|config| config.concurrency = 2);
    let limits = Limits { fuel: u64::MAX, timeout_ms: 60_000, ..DEFAULT };
    let asleep = sleeping(
        r#"(func $run (export "run") (param i32) (result i32) (call $sleep (i64.const 3600000000000)) (call $nothing))"#,
    );
    for component in [pure(LOOPS), asleep] {
        let prepared = bench.prepared(&component).await;
        for _ in 0..20 {
            let attempt = bench.sandbox.invoke(&prepared, invocation(limits));
            assert!(tokio::time::timeout(Duration::from_millis(2), attempt).await.is_err());
        }
    }
    let noop = bench.prepared(&pure(NOOP)).await;
    outcome(&bench.sandbox.invoke(&noop, invocation(DEFAULT)).await);
}

#[test]
fn an_attempt_can_move_to_another_runtime_while_it_runs() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (first, second) = (runtime(), runtime());
    let bench = Bench::new();
    let counts = pure(
        r#"(func $run (export "run") (param i32) (result i32) (local $left i32)
             (local.set $left (i32.const 3000000))
             (loop $again (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
             (call $nothing))"#,
    );
    let prepared = first.block_on(bench.prepared(&counts));
    let mut attempt = Box::pin(bench.sandbox.invoke(&prepared, invocation(DEFAULT)));
    first.block_on(std::future::poll_fn(|task| {
        assert!(attempt.as_mut().poll(task).is_pending(), "it ended in its first slice");
        std::task::Poll::Ready(())
    }));
    let attempted = std::thread::spawn(move || second.block_on(attempt)).join().unwrap();
    outcome(&attempted);
}
