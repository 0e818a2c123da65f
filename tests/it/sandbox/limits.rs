//! Every limit, at it and past it.

use super::guest::{CONTEXT_PAYLOAD, drawing, exiting, importing, logging, printing, pure, sleeping, with_memory};
use super::{Bench, DEFAULT, broken, outcome};
use fusebox::domain::{Ending, Failure, Level, Limits, LogSource, Reason};
use std::time::{Duration, Instant};

fn run(body: &str) -> String {
    format!("(func $run (export \"run\") (param $context i32) (result i32) {body})")
}

#[tokio::test]
async fn an_endless_loop_ends_by_fuel() {
    let bench = Bench::new();
    let limits = Limits { fuel: 1_000_000, ..DEFAULT };
    let endless = pure(&format!("(func $spin (loop $again (br $again))) {}", run("(call $spin) (call $nothing)")));
    let (attempted, _) = bench.invoke(&endless, limits).await;
    let (reason, message) = broken(&attempted);
    assert_eq!(reason, Reason::FuelExhausted);
    assert_eq!(message, "used up its fuel of 1000000 instructions, in spin ← run");
    assert_eq!(attempted.usage.fuel, 1_000_000);
}

#[tokio::test]
async fn fuel_is_deterministic() {
    let bench = Bench::new();
    let counts = pure(&run("(local $left i32) (local.set $left (i32.const 10000))
         (loop $again (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
         (call $nothing)"));
    let (first, _) = bench.invoke(&counts, DEFAULT).await;
    let (second, _) = bench.invoke(&counts, DEFAULT).await;
    outcome(&first);
    assert_eq!(first.usage.fuel, second.usage.fuel);
    // Exactly as much is enough; fuel is looked at when a function or a turn of a loop begins, of which one costs 4.
    let (enough, _) = bench.invoke(&counts, Limits { fuel: first.usage.fuel, ..DEFAULT }).await;
    outcome(&enough);
    let (short, _) = bench.invoke(&counts, Limits { fuel: first.usage.fuel - 100, ..DEFAULT }).await;
    assert_eq!(broken(&short).0, Reason::FuelExhausted);
}

#[tokio::test]
async fn bulk_operations_cost_by_size() {
    let bench = Bench::new();
    for (operation, size) in [
        ("(memory.fill (i32.const 0) (i32.const 0) (i32.const 60000))", 60_000),
        ("(memory.copy (i32.const 0) (i32.const 1) (i32.const 60000))", 60_000),
        ("(drop (memory.grow (i32.const 100)))", 25_500),
        ("(table.fill 0 (i32.const 0) (ref.null func) (i32.const 5000))", 5_000),
        ("(drop (table.grow 0 (ref.null func) (i32.const 5000)))", 5_000),
    ] {
        let component = pure(&format!("(table 5000 funcref) {}", run(&format!("{operation} (call $nothing)"))));
        let (attempted, _) = bench.invoke(&component, DEFAULT).await;
        outcome(&attempted);
        assert!(attempted.usage.fuel >= size, "{operation} cost {}", attempted.usage.fuel);
    }
}

#[tokio::test]
async fn the_memory_limit_is_the_sum_over_all_memories() {
    let bench = Bench::new();
    // Two pages and two more memories of 8 pages.
    let grow = |pages: u32| {
        let body = format!(
            "(if (i32.eq (i32.const -1) (memory.grow $a (i32.const {pages}))) (then unreachable)) (call $nothing)"
        );
        with_memory("(memory (export \"memory\") 2) (memory $a 8) (memory $b 8)", &run(&body))
    };
    let limits = Limits { memory_bytes: 20 << 16, ..DEFAULT };
    let (attempted, _) = bench.invoke(&grow(2), limits).await;
    outcome(&attempted);
    assert_eq!(attempted.usage.memory_bytes, 20 << 16);

    let (attempted, _) = bench.invoke(&grow(3), limits).await;
    let (reason, message) = broken(&attempted);
    assert_eq!(reason, Reason::MemoryLimit);
    assert_eq!(
        message,
        "asked for 1376256 bytes of memory in all, of which 1310720 are allowed, and then broke off, in run"
    );
    assert_eq!(attempted.usage.memory_bytes, 18 << 16);
}

#[tokio::test]
async fn a_guest_that_starts_with_more_memory_than_its_limit_does_not_start() {
    let bench = Bench::new();
    let big = with_memory("(memory (export \"memory\") 100)", &run("(call $nothing)"));
    let (attempted, _) = bench.invoke(&big, Limits { memory_bytes: 100 << 16, ..DEFAULT }).await;
    outcome(&attempted);
    let (attempted, _) = bench.invoke(&big, Limits { memory_bytes: 99 << 16, ..DEFAULT }).await;
    assert_eq!(broken(&attempted).0, Reason::MemoryLimit);
}

#[tokio::test]
async fn a_guest_that_copes_with_a_refused_growth_goes_on() {
    let bench = Bench::new();
    let copes = pure(&run("(drop (memory.grow (i32.const 60000))) (call $nothing)"));
    let (attempted, _) = bench.invoke(&copes, DEFAULT).await;
    outcome(&attempted);
    assert_eq!(attempted.usage.memory_bytes, 2 << 16);
}

#[tokio::test]
async fn the_elements_of_all_tables_are_limited() {
    let bench = Bench::new();
    let grow = |elements: u32| {
        pure(&format!(
            "(table $a 1 funcref) (table $b 1 funcref) {}",
            run(&format!(
                "(if (i32.eq (i32.const -1) (table.grow $a (ref.null func) (i32.const {elements}))) (then unreachable))
                 (if (i32.eq (i32.const -1) (table.grow $b (ref.null func) (i32.const 30000))) (then unreachable))
                 (call $nothing)"
            ))
        ))
    };
    let (attempted, _) = bench.invoke(&grow(65_536 - 30_002), DEFAULT).await;
    outcome(&attempted);
    let (attempted, _) = bench.invoke(&grow(65_536 - 30_001), DEFAULT).await;
    let (reason, message) = broken(&attempted);
    assert_eq!(reason, Reason::MemoryLimit);
    assert!(message.starts_with("asked for 65537 table elements in all, of which 65536 are allowed"), "{message}");
}

#[tokio::test]
async fn too_deep_a_recursion_says_so_and_names_the_function() {
    let bench = Bench::new();
    let deep = pure(&format!("(func $down (call $down) (call $down)) {}", run("(call $down) (call $nothing)")));
    let (attempted, _) = bench.invoke(&deep, DEFAULT).await;
    let (reason, message) = broken(&attempted);
    assert_eq!(reason, Reason::Trap);
    assert!(message.starts_with("call stack exhausted: the recursion is too deep, in down ← down"), "{message}");
    assert!(message.ends_with("← …"), "{message}");
}

#[tokio::test]
async fn a_trap_says_what_happened_and_where() {
    let bench = Bench::new();
    for (instruction, words) in [
        ("unreachable", "executed `unreachable`, which is how a panic or an abort ends, in broken ← run"),
        ("(drop (i32.div_u (i32.const 1) (i32.const 0)))", "divided by zero, in broken ← run"),
        ("(drop (i32.load (i32.const -8)))", "read or wrote outside of its memory, in broken ← run"),
    ] {
        let component = pure(&format!("(func $broken {instruction}) {}", run("(call $broken) (call $nothing)")));
        let (attempted, _) = bench.invoke(&component, DEFAULT).await;
        assert_eq!(broken(&attempted), (Reason::Trap, words));
    }
}

#[tokio::test]
async fn the_time_limit_holds_while_the_guest_computes() {
    let bench = Bench::new();
    let endless = pure(&run("(loop $again (br $again)) unreachable"));
    let limits = Limits { fuel: u64::MAX, timeout_ms: 50, ..DEFAULT };
    let (attempted, _) = bench.invoke(&endless, limits).await;
    assert_eq!(broken(&attempted), (Reason::Timeout, "was not done after 50 ms, its time limit"));
    assert!((50_000..1_000_000).contains(&attempted.usage.wall_us), "{:?}", attempted.usage);
    assert!(attempted.usage.cpu_us > 5_000, "{:?}", attempted.usage);
}

#[tokio::test]
async fn the_time_limit_holds_while_the_guest_waits_in_the_host() {
    let bench = Bench::new();
    let asleep = sleeping(&run("(call $sleep (i64.const 3600000000000)) (call $nothing)"));
    let limits = Limits { timeout_ms: 30, ..DEFAULT };
    let (attempted, _) = bench.invoke(&asleep, limits).await;
    assert_eq!(broken(&attempted).0, Reason::Timeout);
    assert!(attempted.usage.cpu_us < 20_000, "sleeping is not computing: {:?}", attempted.usage);

    let naps = sleeping(&run("(call $sleep (i64.const 1000000)) (call $nothing)"));
    let (attempted, _) = bench.invoke(&naps, DEFAULT).await;
    outcome(&attempted);
    assert!(attempted.usage.wall_us >= 1_000, "{:?}", attempted.usage);
}

/// Waits for one thing that is ready, `count` times in each call, over and over again.
fn waits(count: u32) -> String {
    sleeping(&run(&format!(
        "(local $at i32) (local $pollable i32)
         (local.set $pollable (call $subscribe (i64.const 0)))
         (local.set $at (i32.const 8192))
         (loop $fill
           (i32.store (local.get $at) (local.get $pollable))
           (local.set $at (i32.add (local.get $at) (i32.const 4)))
           (br_if $fill (i32.lt_u (local.get $at) (i32.const {}))))
         (loop $again (call $poll (i32.const 8192) (i32.const {count}) (i32.const 2048)) (br $again))
         unreachable",
        8192 + 4 * count
    )))
}

/// Waiting for a thousand things that are ready costs the host far more than the guest: a guest that did only that
/// held a thread for minutes between two yields, and the time limit did not bite.
#[tokio::test]
async fn a_guest_that_keeps_the_host_busy_pays_for_it() {
    let bench = Bench::new();
    let (attempted, _) = bench.invoke(&waits(1_000), DEFAULT).await;
    assert_eq!(broken(&attempted).0, Reason::FuelExhausted);

    let (attempted, _) = bench.invoke(&waits(1_001), DEFAULT).await;
    assert_eq!(
        broken(&attempted),
        (Reason::Trap, "the action waits for 1001 things at once, of which 1000 are allowed, in run")
    );
}

#[tokio::test]
async fn the_output_limit_counts_output_event_and_warnings() {
    let bench = Bench::new();
    // An output of `len` digits, and one warning of 10 bytes.
    let digits = |len: u32| {
        pure(&run(&format!(
            "(memory.fill (i32.const 8192) (i32.const 49) (i32.const {len}))
             (i32.store (i32.const 2048) (i32.const 8192)) (i32.store (i32.const 2052) (i32.const 10))
             (drop (call $output (i32.const 8192) (i32.const {len})))
             (call $warnings (i32.const 2048) (i32.const 1))"
        )))
    };
    let limits = Limits { output_bytes: 1_000, ..DEFAULT };
    let (attempted, _) = bench.invoke(&digits(1_000 - 42), limits).await;
    assert_eq!(outcome(&attempted).warnings, ["1111111111"]);
    assert_eq!(attempted.usage.output_bytes, 1_000);

    let (attempted, _) = bench.invoke(&digits(1_001 - 42), limits).await;
    assert_eq!(broken(&attempted), (Reason::OutputLimit, "returned 1001 bytes, more than its output limit of 1000"));
}

/// A list costs the guest nothing when its strings all point at the same bytes; the host would copy each.
#[tokio::test]
async fn a_list_of_a_million_strings_in_one_place_is_not_copied() {
    let bench = Bench::new();
    let hostile = with_memory(
        "(memory (export \"memory\") 200)",
        &run("(local $at i32)
              (local.set $at (i32.const 65536))
              (loop $fill
                (i32.store (local.get $at) (i32.const 0))
                (i32.store offset=4 (local.get $at) (i32.const 60000))
                (local.set $at (i32.add (local.get $at) (i32.const 8)))
                (br_if $fill (i32.lt_u (local.get $at) (i32.const 8065536))))
              (drop (call $nothing))
              (call $warnings (i32.const 65536) (i32.const 1000000))"),
    );
    let started = Instant::now();
    let (attempted, _) = bench.invoke(&hostile, DEFAULT).await;
    assert_eq!(broken(&attempted), (Reason::OutputLimit, "returned far more than its output limit of 1048576 bytes"));
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn an_output_that_is_not_json_is_the_guests_error() {
    let bench = Bench::new();
    let (attempted, _) = bench
        .invoke(
            &pure(&format!("(data (i32.const 0) \"{{oops\") {}", run("(call $output (i32.const 0) (i32.const 5))"))),
            DEFAULT,
        )
        .await;
    let (reason, message) = broken(&attempted);
    assert_eq!(reason, Reason::GuestError);
    assert_eq!(message, "the output it returned is not valid JSON: key must be a string at line 1 column 2");
}

#[tokio::test]
async fn a_failure_is_a_value() {
    let bench = Bench::new();
    let retry = pure(&format!(
        "(data (i32.const 0) \"later\") {}",
        run("(i32.store8 (i32.const 1024) (i32.const 1)) (i32.store8 (i32.const 1032) (i32.const 0))
             (i32.store (i32.const 1040) (i32.const 0)) (i32.store (i32.const 1044) (i32.const 5))
             (i32.store8 (i32.const 1048) (i32.const 1)) (i64.store (i32.const 1056) (i64.const 700))
             (i32.const 1024)")
    ));
    let (attempted, _) = bench.invoke(&retry, DEFAULT).await;
    let expected = Failure::Retry { message: "later".to_owned(), after_ms: Some(700) };
    assert_eq!(attempted.ending, Ending::Failure(expected));

    let reject = pure(&format!(
        "(data (i32.const 0) \"never\") {}",
        run("(i32.store8 (i32.const 1024) (i32.const 1)) (i32.store8 (i32.const 1032) (i32.const 1))
             (i32.store (i32.const 1040) (i32.const 0)) (i32.store (i32.const 1044) (i32.const 5))
             (i32.store (i32.const 1048) (i32.const 0))
             (i32.const 1024)")
    ));
    let (attempted, _) = bench.invoke(&reject, DEFAULT).await;
    let expected = Failure::Reject { message: "never".to_owned(), code: 1 };
    assert_eq!(attempted.ending, Ending::Failure(expected));
}

/// One line of 36 bytes with a field of 4, logged `times` times: 64 + 36 + 16 + 4 = 120 bytes each.
fn logs(times: u32) -> String {
    logging(&format!(
        r#"(data (i32.const 0) "the door in the north is open to you") (data (i32.const 100) "n") (data (i32.const 110) "100")
           {}"#,
        run(&format!(
            "(local $left i32)
             (i32.store (i32.const 2048) (i32.const 100)) (i32.store (i32.const 2052) (i32.const 1))
             (i32.store (i32.const 2056) (i32.const 110)) (i32.store (i32.const 2060) (i32.const 3))
             (local.set $left (i32.const {times}))
             (loop $again
               (call $log (i32.const 3) (i32.const 0) (i32.const 36) (i32.const 2048) (i32.const 1))
               (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
             (call $nothing)"
        ))
    ))
}

#[tokio::test]
async fn the_log_limit_counts_lines_and_fields_too() {
    let bench = Bench::new();
    let limits = Limits { log_bytes: 1_200, ..DEFAULT };
    let (attempted, lines) = bench.invoke(&logs(10), limits).await;
    outcome(&attempted);
    assert_eq!(attempted.usage.log_bytes, 1_200);
    assert_eq!(lines.len(), 10);
    assert_eq!((lines[0].level, lines[0].source), (Level::Warn, LogSource::Log));
    assert_eq!(lines[0].message, "the door in the north is open to you");
    assert_eq!(lines[0].fields[0].0, "n");
    assert_eq!(lines[0].fields[0].1.as_str(), "100");

    let (attempted, lines) = bench.invoke(&logs(11), limits).await;
    assert_eq!(broken(&attempted), (Reason::OutputLimit, "the log grew beyond its limit of 1200 bytes"));
    assert_eq!(lines.len(), 10);
}

#[tokio::test]
async fn logging_costs_fuel_by_bytes() {
    let bench = Bench::new();
    let (one, _) = bench.invoke(&logs(1), DEFAULT).await;
    let (two, _) = bench.invoke(&logs(2), DEFAULT).await;
    let line = two.usage.fuel - one.usage.fuel;
    assert!((2_040..2_100).contains(&line), "{line}");
    let (broke, lines) = bench.invoke(&logs(1_000), Limits { fuel: 10 * line, ..DEFAULT }).await;
    assert_eq!(broken(&broke).0, Reason::FuelExhausted);
    assert!(lines.len() <= 10);
}

#[tokio::test]
async fn a_log_field_that_is_not_json_is_the_guests_error() {
    let bench = Bench::new();
    let bad = logs(1).replace("\"100\"", "\"1 0\"");
    let (attempted, lines) = bench.invoke(&bad, DEFAULT).await;
    let (reason, message) = broken(&attempted);
    assert_eq!(reason, Reason::GuestError);
    assert!(message.starts_with("the log field `n` is not valid JSON: "), "{message}");
    assert!(lines.is_empty());
}

#[tokio::test]
async fn a_call_to_the_host_copies_only_so_much() {
    let bench = Bench::new();
    // Half a million fields, all in the same place.
    let many = logging(&run(
        "(call $log (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 8000)) (call $nothing)",
    ));
    let (attempted, _) = bench.invoke(&many, Limits { output_bytes: 1, ..DEFAULT }).await;
    assert_eq!(broken(&attempted), (Reason::OutputLimit, "passed too much to the host in one call, in run"));
}

#[tokio::test]
async fn what_is_printed_becomes_lines_of_the_log() {
    let bench = Bench::new();
    let prints = printing(&format!(
        r#"(data (i32.const 0) "one\ntwo\r\nthree") (data (i32.const 32) "\ff!\n") {}"#,
        run("(call $print (i32.const 0) (i32.const 2)) (call $print (i32.const 2) (i32.const 12))
             (call $complain (i32.const 32) (i32.const 3)) (call $nothing)")
    ));
    let (attempted, lines) = bench.invoke(&prints, DEFAULT).await;
    outcome(&attempted);
    let seen: Vec<_> = lines.iter().map(|line| (line.level, line.source, line.message.as_str())).collect();
    assert_eq!(
        seen,
        [
            (Level::Info, LogSource::Stdout, "one"),
            (Level::Info, LogSource::Stdout, "two"),
            (Level::Warn, LogSource::Stderr, "\u{fffd}!"),
            (Level::Info, LogSource::Stdout, "three"),
        ]
    );
    assert_eq!(attempted.usage.log_bytes, 4 * 64 + 3 + 4 + 2 + 5);
}

#[tokio::test]
async fn a_flood_on_standard_output_ends_the_attempt() {
    let bench = Bench::new();
    for (bytes, kept) in [("\\n", 15), ("x", 0)] {
        let flood = printing(&format!(
            "(data (i32.const 0) \"{bytes}\") {}",
            run("(loop $again (call $print (i32.const 0) (i32.const 1)) (br $again)) unreachable")
        ));
        let (attempted, lines) = bench.invoke(&flood, Limits { log_bytes: 1_000, ..DEFAULT }).await;
        assert_eq!(broken(&attempted), (Reason::OutputLimit, "the log grew beyond its limit of 1000 bytes"));
        assert_eq!(lines.len(), kept + usize::from(kept == 0), "the line that was begun is kept");
        assert!(attempted.usage.log_bytes <= 1_000);
    }
}

#[tokio::test]
async fn random_bytes_of_one_call_are_limited_and_cost_fuel() {
    let bench = Bench::new();
    let draw = |len: u64| drawing(&run(&format!("(call $random (i64.const {len}) (i32.const 2048)) (call $nothing)")));
    let (attempted, _) = bench.invoke(&draw(60_000), DEFAULT).await;
    outcome(&attempted);
    assert!(attempted.usage.fuel > 60_000);
    let (attempted, _) = bench.invoke(&draw(65_537), DEFAULT).await;
    let (reason, message) = broken(&attempted);
    assert_eq!(reason, Reason::Trap);
    assert_eq!(message, "the action asks for 65537 random bytes at once, of which 65536 are allowed, in run");
}

#[tokio::test]
async fn resources_held_at_once_are_limited() {
    let bench = Bench::new();
    let hoard = |count: u32| {
        sleeping(&run(&format!(
            "(local $left i32) (local.set $left (i32.const {count}))
             (loop $again
               (drop (call $subscribe (i64.const 1)))
               (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
             (call $nothing)"
        )))
    };
    // A timer is two entries: itself and the handle to wait for it.
    let (attempted, _) = bench.invoke(&hoard(500), DEFAULT).await;
    outcome(&attempted);
    let (attempted, _) = bench.invoke(&hoard(501), DEFAULT).await;
    let (reason, message) = broken(&attempted);
    assert_eq!(reason, Reason::Trap);
    assert!(message.contains("resource table has no free keys"), "{message}");
}

#[tokio::test]
async fn exit_is_not_how_an_action_ends() {
    let bench = Bench::new();
    let (attempted, _) = bench.invoke(&exiting(&run("(call $exit (i32.const 0)) (call $nothing)")), DEFAULT).await;
    assert_eq!(broken(&attempted), (Reason::Trap, "called exit(0) instead of returning from `run`, in run"));
}

#[tokio::test]
async fn nothing_of_the_host_is_granted() {
    let bench = Bench::new();
    let asks = importing(
        r#"(import "wasi:cli/environment@0.2.6" (instance $environment
             (export "get-environment" (func (result (list (tuple string string)))))
             (export "get-arguments" (func (result (list string))))
             (export "initial-cwd" (func (result (option string))))))
           (core func $variables (canon lower (func $environment "get-environment") (memory $shared) (realloc $shared-realloc)))
           (core func $arguments (canon lower (func $environment "get-arguments") (memory $shared) (realloc $shared-realloc)))
           (core func $cwd (canon lower (func $environment "initial-cwd") (memory $shared) (realloc $shared-realloc)))
           (import "wasi:filesystem/types@0.2.6" (instance $files (export "descriptor" (type (sub resource)))))
           (alias export $files "descriptor" (type $descriptor))
           (import "wasi:filesystem/preopens@0.2.6" (instance $preopens
             (alias outer 1 $descriptor (type $descriptor'))
             (export "descriptor" (type $d (eq $descriptor')))
             (export "get-directories" (func (result (list (tuple (own $d) string)))))))
           (core func $directories (canon lower (func $preopens "get-directories") (memory $shared) (realloc $shared-realloc)))
           (import "wasi:sockets/network@0.2.6" (instance $network
             (type $code' (enum "unknown" "access-denied" "not-supported" "invalid-argument" "out-of-memory" "timeout"
               "concurrency-conflict" "not-in-progress" "would-block" "invalid-state" "new-socket-limit"
               "address-not-bindable" "address-in-use" "remote-unreachable" "connection-refused" "connection-reset"
               "connection-aborted" "datagram-too-large" "name-unresolvable" "temporary-resolver-failure"
               "permanent-resolver-failure"))
             (export "error-code" (type $code (eq $code')))
             (type $family' (enum "ipv4" "ipv6"))
             (export "ip-address-family" (type $family (eq $family')))))
           (alias export $network "error-code" (type $error-code))
           (alias export $network "ip-address-family" (type $address-family))
           (import "wasi:sockets/tcp@0.2.6" (instance $tcp (export "tcp-socket" (type (sub resource)))))
           (alias export $tcp "tcp-socket" (type $tcp-socket))
           (import "wasi:sockets/tcp-create-socket@0.2.6" (instance $create
             (alias outer 1 $error-code (type $code'))
             (export "error-code" (type $code (eq $code')))
             (alias outer 1 $address-family (type $family'))
             (export "ip-address-family" (type $family (eq $family')))
             (alias outer 1 $tcp-socket (type $socket'))
             (export "tcp-socket" (type $socket (eq $socket')))
             (export "create-tcp-socket" (func (param "address-family" $family)
               (result (result (own $socket) (error $code)))))))
           (core func $socket (canon lower (func $create "create-tcp-socket") (memory $shared)))"#,
        r#"(export "variables" (func $variables)) (export "arguments" (func $arguments)) (export "cwd" (func $cwd))
           (export "directories" (func $directories)) (export "socket" (func $socket))"#,
        r#"(import "host" "variables" (func $variables (param i32)))
           (import "host" "arguments" (func $arguments (param i32)))
           (import "host" "cwd" (func $cwd (param i32)))
           (import "host" "directories" (func $directories (param i32)))
           (import "host" "socket" (func $socket (param i32 i32)))"#,
        // Lengths of lists at 4 beyond each result; the cwd and the socket begin with their case.
        &run("(call $variables (i32.const 2048)) (if (i32.load (i32.const 2052)) (then unreachable))
              (call $arguments (i32.const 2048)) (if (i32.load (i32.const 2052)) (then unreachable))
              (call $cwd (i32.const 2048)) (if (i32.load8_u (i32.const 2048)) (then unreachable))
              (call $directories (i32.const 2048)) (if (i32.load (i32.const 2052)) (then unreachable))
              (call $socket (i32.const 0) (i32.const 2048))
              (if (i32.eqz (i32.load8_u (i32.const 2048))) (then unreachable))
              (if (i32.ne (i32.const 1) (i32.load8_u (i32.const 2052))) (then unreachable))
              (call $nothing)"),
    );
    let (attempted, _) = bench.invoke(&asks, DEFAULT).await;
    outcome(&attempted);
}

#[tokio::test]
async fn the_payload_is_not_counted_against_the_output() {
    let bench = Bench::new();
    let echo = pure(&run(&format!(
        "(call $output (i32.load offset={CONTEXT_PAYLOAD} (local.get $context))
           (i32.load offset={} (local.get $context)))",
        CONTEXT_PAYLOAD + 4
    )));
    let (attempted, _) = bench.invoke(&echo, Limits { output_bytes: 16, ..DEFAULT }).await;
    assert_eq!(outcome(&attempted).output.as_ref().unwrap().size_bytes(), 16);
    let (attempted, _) = bench.invoke(&echo, Limits { output_bytes: 15, ..DEFAULT }).await;
    assert_eq!(broken(&attempted).0, Reason::OutputLimit);
}
