//! Modules that Go's linker made: their memory is all theirs, so they get an adapter that needs none. Small ones that look
//! like them; `conformance::go` and `::go_command` have real ones.

use super::guest::{PRELUDE, program};
use super::{Bench, DEFAULT, NOW, broken, outcome};
use bytes::Bytes;
use fusebox::domain::{Ending, Failure, Kind, Limits, Reason};
use fusebox::sandbox::Attempted;
use serde_json::{Value, json};

/// What Go's linker writes.
const SIGN: &str = r#"(@custom "go:buildid" "")"#;

fn start(body: &str) -> String {
    program(&format!(r#"{SIGN} (func $start (export "_start") {body})"#))
}

/// A program with another function of WASI preview 1, `$asked`, of the type `ty`.
fn asking(name: &str, ty: &str, body: &str) -> String {
    let import = format!(r#"(module (import "wasi_snapshot_preview1" "{name}" (func $asked {ty}))"#);
    start(body).replacen("(module", &import, 1)
}

/// Ends the program with this status if what is tested is not 0.
fn unless_zero(test: &str, status: u32) -> String {
    format!("(if {test} (then (call $exit (i32.const {status})) (unreachable)))")
}

#[track_caller]
fn succeeded(attempted: &Attempted) -> Option<Value> {
    outcome(attempted).output.as_ref().map(|output| output.to().unwrap())
}

#[track_caller]
fn rejected(attempted: &Attempted) -> u32 {
    match &attempted.ending {
        Ending::Failure(Failure::Reject { code, .. }) => *code,
        other => panic!("not rejected: {other:?}"),
    }
}

#[tokio::test]
async fn a_module_of_go_is_wrapped_without_asking_for_what_it_does_not_use() {
    let bench = Bench::new();
    let inspected = bench.sandbox.inspect(Bytes::from(start(""))).await.unwrap();
    assert_eq!(inspected.kind, Kind::Command);
    assert_eq!(inspected.wrapped.as_deref(), Some("core module, wasip1 command adapter without memory"));
    let imports: Vec<&str> = inspected.imports.iter().map(|import| import.import.as_str()).collect();
    assert!(imports.iter().all(|import| !import.contains("filesystem")), "{imports:?}");
}

/// Go's heap began where the stock adapter had its stack, and each wrote over the other's.
#[tokio::test]
async fn nothing_that_a_program_of_go_calls_takes_of_its_memory_or_leaves_a_trace_in_it() {
    let bench = Bench::new();
    // The first page is told apart from the rest, which is all 0xab but for where the calls put something.
    let whole = start(&format!(
        "(local $at i32) (local $size i32)
         (local.set $size (memory.size))
         (memory.fill (i32.const 0) (i32.const 0xab) (i32.shl (local.get $size) (i32.const 16)))
         (local.set $at (call $read))
         (memory.fill (i32.const 65536) (i32.const 0xab) (i32.const 65536))
         (drop (call $clock (i32.const 0) (i64.const 1) (i32.const 32)))
         (drop (call $clock (i32.const 1) (i64.const 1) (i32.const 32)))
         (drop (call $random (i32.const 32) (i32.const 11)))
         (i32.store (i32.const 32) (i32.const 0x21222022))
         (call $complain (i32.const 64) (i32.const 9000))
         (memory.fill (i32.const 16) (i32.const 0xab) (i32.const 32))
         {}
         (local.set $at (i32.shl (local.get $size) (i32.const 16)))
         (loop $next
           (local.set $at (i32.sub (local.get $at) (i32.const 1)))
           {}
           (br_if $next (local.get $at)))",
        unless_zero("(i32.ne (memory.size) (local.get $size))", 3),
        unless_zero("(i32.ne (i32.load8_u (local.get $at)) (i32.const 0xab))", 4),
    ));
    let (attempted, _) = bench.invoke(&whole, DEFAULT).await;
    assert_eq!(succeeded(&attempted), None);
}

#[tokio::test]
async fn a_program_of_go_reads_prints_and_ends_like_any_other() {
    let bench = Bench::new();
    let echo = start("(call $print (i32.const 65536) (call $read))");
    let (attempted, _) = bench.invoke(&echo, DEFAULT).await;
    assert_eq!(succeeded(&attempted).unwrap()["payload"], json!({ "door": "north" }));
    for (status, code) in [(1, 1), (42, 42), (255, 255), (256 + 7, 7)] {
        let (attempted, _) = bench.invoke(&start(&format!("(call $exit (i32.const {status}))")), DEFAULT).await;
        assert_eq!(rejected(&attempted), code);
    }
    let (attempted, _) = bench.invoke(&start("(call $exit (i32.const 0))"), DEFAULT).await;
    assert_eq!(succeeded(&attempted), None);
    let (attempted, _) = bench.invoke(&start("(call $exit (i32.const 75))"), DEFAULT).await;
    assert!(matches!(attempted.ending, Ending::Failure(Failure::Retry { .. })), "{:?}", attempted.ending);
}

/// Each call's answer becomes the status, so that none is taken for another.
#[tokio::test]
async fn what_there_is_none_of_is_answered_by_an_error() {
    let bench = Bench::new();
    let two = "(param i32 i32) (result i32)";
    let open = "(param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)";
    let numbers = |count: usize| "(i32.const 1024)".repeat(count);
    for (name, ty, arguments, error) in [
        ("fd_prestat_get", two, "(i32.const 3) (i32.const 1024)".to_owned(), 8),
        ("fd_fdstat_get", two, "(i32.const 3) (i32.const 1024)".to_owned(), 8),
        ("fd_filestat_get", two, "(i32.const 4) (i32.const 1024)".to_owned(), 8),
        ("fd_close", "(param i32) (result i32)", "(i32.const 3)".to_owned(), 8),
        ("fd_tell", two, "(i32.const 1) (i32.const 1024)".to_owned(), 70),
        ("fd_tell", two, "(i32.const 9) (i32.const 1024)".to_owned(), 8),
        ("clock_res_get", two, "(i32.const 2) (i32.const 1024)".to_owned(), 28),
        ("proc_raise", "(param i32) (result i32)", "(i32.const 9)".to_owned(), 52),
        ("sock_accept", "(param i32 i32 i32) (result i32)", numbers(3), 8),
        ("path_unlink_file", "(param i32 i32 i32) (result i32)", numbers(3), 8),
        ("path_open", open, format!("{}(i64.const 0)(i64.const 0){}", numbers(5), numbers(2)), 8),
        ("poll_oneoff", "(param i32 i32 i32 i32) (result i32)", "(i32.const 0)".repeat(4), 28),
    ] {
        let (attempted, _) =
            bench.invoke(&asking(name, ty, &format!("(call $exit (call $asked {arguments}))")), DEFAULT).await;
        assert_eq!(rejected(&attempted), error, "{name}");
    }
    // Descriptors that are not to be written or read, and a place that is borrowed.
    for (call, error) in [
        ("(call $fd-write (i32.const 0) (i32.const 16) (i32.const 1) (i32.const 24))", 8),
        ("(call $fd-write (i32.const 3) (i32.const 16) (i32.const 1) (i32.const 24))", 8),
        ("(call $fd-read (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 24))", 8),
        ("(call $fd-read (i32.const 0) (i32.const 16) (i32.const 1) (i32.const 24))", 21),
        ("(call $clock (i32.const 2) (i64.const 0) (i32.const 1024))", 28),
    ] {
        let body = format!("(i32.store (i32.const 16) (i32.const 15)) (i32.store (i32.const 20) (i32.const 1)) {call}");
        let (attempted, _) = bench.invoke(&start(&format!("(call $exit {body})")), DEFAULT).await;
        assert_eq!(rejected(&attempted), error, "{call}");
    }
}

#[tokio::test]
async fn whoever_waits_for_several_is_told_of_what_comes_first() {
    let bench = Bench::new();
    let poll = "(param i32 i32 i32 i32) (result i32)";
    // Two clocks, of which the second, 7, is through first; a clock for a time that is over; a clock and standard input.
    let clock = |at: u32, user: u32, ns: u64, absolute: u32| {
        format!(
            "(i64.store (i32.const {at}) (i64.const {user})) (i32.store8 offset=8 (i32.const {at}) (i32.const 0))
             (i32.store offset=16 (i32.const {at}) (i32.const {})) (i64.store offset=24 (i32.const {at}) (i64.const {ns}))
             (i32.store16 offset=40 (i32.const {at}) (i32.const {absolute}))",
            1 - absolute
        )
    };
    let stdin = "(i64.store (i32.const 1072) (i64.const 9)) (i32.store8 offset=8 (i32.const 1072) (i32.const 1))
                 (i32.store offset=16 (i32.const 1072) (i32.const 0))";
    for (first, second, told) in [
        (clock(1024, 6, 3_600_000_000_000, 0), clock(1072, 7, 2_000_000, 0), 7),
        (clock(1024, 6, 3_600_000_000_000, 0), clock(1072, 8, 1_000, 1), 8),
        (clock(1024, 6, 3_600_000_000_000, 0), stdin.to_owned(), 9),
    ] {
        let waits = format!(
            "{first} {second} {}
             (call $exit (i32.add
               (i32.mul (i32.const 16) (i32.load (i32.const 4092)))
               (i32.wrap_i64 (i64.load (i32.const 2048)))))",
            unless_zero("(call $asked (i32.const 1024) (i32.const 2048) (i32.const 2) (i32.const 4092))", 3),
        );
        let (attempted, _) = bench.invoke(&asking("poll_oneoff", poll, &waits), DEFAULT).await;
        assert_eq!(rejected(&attempted), 16 + told, "one event, of {told}");
    }
}

/// Go's runtime reads the clock and sleeps when it looks after its memory, also where the component may call nothing.
#[tokio::test]
async fn the_time_can_be_asked_for_while_a_value_is_handed_over() {
    let bench = Bench::new();
    // What `cabi_realloc` is told as the time, in whole seconds, is the output: the time that was read before.
    let body = |before: &str| {
        format!(
            r#"(module
              (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
              (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
              (memory (export "memory") 2)
              {PRELUDE} {SIGN}
              (global $seconds (mut i64) (i64.const 0))
              (func (export "_initialize") {before})
              (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (if (call $clock (i32.const 0) (i64.const 0) (i32.const 512)) (then (unreachable)))
                (global.set $seconds (i64.div_u (i64.load (i32.const 512)) (i64.const 1000000000)))
                (i32.store (i32.const 592) (i32.const 1))
                (i64.store (i32.const 600) (i64.const 3600000000000))
                (if (call $poll (i32.const 576) (i32.const 640) (i32.const 1) (i32.const 700)) (then (unreachable)))
                (call $realloc (local.get 0) (local.get 1) (local.get 2) (local.get 3)))
              (func (export "run") (param i32) (result i32)
                (local $at i32)
                (local.set $at (i32.const 3000))
                (loop $digits
                  (local.set $at (i32.sub (local.get $at) (i32.const 1)))
                  (i64.store8 (local.get $at)
                    (i64.add (i64.const 48) (i64.rem_u (global.get $seconds) (i64.const 10))))
                  (global.set $seconds (i64.div_u (global.get $seconds) (i64.const 10)))
                  (br_if $digits (i32.wrap_i64 (global.get $seconds))))
                (call $output (local.get $at) (i32.sub (i32.const 3000) (local.get $at)))))"#
        )
    };
    let read = body("(drop (call $clock (i32.const 0) (i64.const 0) (i32.const 512)))");
    let (attempted, _) = bench.invoke(&read, DEFAULT).await;
    assert_eq!(succeeded(&attempted), Some(json!(NOW.as_ms() / 1_000)));
    let (attempted, _) = bench.invoke(&body(""), DEFAULT).await;
    assert_eq!(succeeded(&attempted), Some(json!(0)), "no time was read that it could be told");
    let inspected = bench.sandbox.inspect(Bytes::from(read)).await.unwrap();
    assert_eq!(inspected.wrapped.as_deref(), Some("core module, wasip1 reactor adapter without memory"));
}

/// Status 2 is what Go's runtime ends with; a program's own statuses stay what they are.
#[tokio::test]
async fn a_runtime_that_ends_since_it_was_refused_memory_ran_into_the_memory_limit() {
    let bench = Bench::new();
    let limits = Limits { memory_bytes: 5 << 20, ..DEFAULT };
    let ends = |pages: u32, status: u32| {
        start(&format!("(drop (memory.grow (i32.const {pages}))) (call $exit (i32.const {status}))"))
    };
    let (attempted, _) = bench.invoke(&ends(17, 2), limits).await;
    let (reason, message) = broken(&attempted);
    assert_eq!(reason, Reason::MemoryLimit);
    assert!(message.contains("5242880 are allowed, and then ended with exit status 2"), "{message}");
    let (attempted, _) = bench.invoke(&ends(16, 2), limits).await;
    assert_eq!(rejected(&attempted), 2, "all of the memory, and no more");
    let (attempted, _) = bench.invoke(&ends(17, 3), limits).await;
    assert_eq!(rejected(&attempted), 3);
}
