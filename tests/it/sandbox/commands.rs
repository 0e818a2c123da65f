//! Programs: what they are told, what they say and how they end; core modules that become components.

use super::guest::{program, pure, untyped};
use super::{Bench, DEFAULT, Listener, NOW, broken, context, outcome};
use bytes::Bytes;
use fusebox::domain::{Context, Digest, Ending, Failure, Kind, Level, Limits, LogLine, LogSource, Reason};
use fusebox::sandbox::{Attempted, Invocation};
use serde_json::{Value, json};
use std::sync::Arc;

fn start(body: &str) -> String {
    program(&format!(r#"(func $start (export "_start") {body})"#))
}

/// A program that prints `text` and ends.
fn prints(text: &[u8]) -> String {
    let bytes: String = text.iter().map(|byte| format!("\\{byte:02x}")).collect();
    let print = format!("(call $print (i32.const 65536) (i32.const {}))", text.len());
    program(&format!(r#"(data (i32.const 65536) "{bytes}") (func (export "_start") {print})"#))
}

/// A program that prints and complains, and ends with a status.
fn ends(status: u32, complaint: &str) -> String {
    program(&format!(
        r#"(data (i32.const 65536) "\"half\" done{complaint}")
           (func $start (export "_start")
             (call $print (i32.const 65536) (i32.const 11))
             (call $complain (i32.const 65547) (i32.const {}))
             (call $exit (i32.const {status})))"#,
        complaint.replace("\\n", "n").len()
    ))
}

#[track_caller]
fn failure(attempted: &Attempted) -> &Failure {
    match &attempted.ending {
        Ending::Failure(failure) => failure,
        other => panic!("not a failure: {other:?}"),
    }
}

fn output(attempted: &Attempted) -> Value {
    outcome(attempted).output.as_ref().unwrap().to().unwrap()
}

#[tokio::test]
async fn a_program_is_told_the_context_and_what_it_prints_is_its_output() {
    let bench = Bench::new();
    let echo = start("(call $print (i32.const 65536) (call $read))");
    let (attempted, lines) = bench.invoke(&echo, DEFAULT).await;
    let told = output(&attempted);
    let now = NOW.as_ms();
    let id = |pointer: &str| told.pointer(pointer).and_then(Value::as_str).unwrap().to_owned();
    assert_eq!((id("/run_id").len(), id("/event_id").len(), id("/chain/root")), (36, 36, id("/event_id")));
    let expected = json!({
        "run_id": id("/run_id"), "attempt": 1, "event_id": id("/event_id"), "trigger": "booking_created",
        "event_time": now, "tenant": "", "object": null, "scope": null,
        "payload": { "door": "north" }, "params": {}, "input": {},
        "chain": { "root": id("/chain/root"), "parent": null, "depth": 0, "parent_outcome": null },
        "budget": { "fuel": DEFAULT.fuel, "memory_bytes": DEFAULT.memory_bytes,
                    "deadline": now + i64::try_from(DEFAULT.timeout_ms).unwrap() },
        "now": now, "seed": ["1", "2"],
    });
    assert_eq!(told, expected);
    assert!(lines.is_empty(), "{lines:?}");
    assert_eq!(attempted.usage.output_bytes, expected.to_string().len() as u64);
}

#[tokio::test]
async fn a_program_that_reads_and_prints_nothing_succeeds_without_an_output() {
    let bench = Bench::new();
    let module = start("");
    let inspected = bench.sandbox.inspect(Bytes::from(module.clone())).await.unwrap();
    assert_eq!(inspected.kind, Kind::Command);
    for silent in [module, prints(b" \r\n\t"), start("(call $exit (i32.const 0))")] {
        let (attempted, _) = bench.invoke(&silent, DEFAULT).await;
        assert_eq!(outcome(&attempted).output, None, "{silent}");
    }
}

#[tokio::test]
async fn the_exit_status_says_whether_it_worked_and_whether_to_try_again() {
    let bench = Bench::new();
    for (status, complaint, expected) in [
        (
            75,
            r"the door\nis busy\n",
            Failure::Retry { message: "ended with exit status 75: is busy".into(), after_ms: None },
        ),
        (1, r"no such door", Failure::Reject { message: "ended with exit status 1: no such door".into(), code: 1 }),
        (255, r"\n \n", Failure::Reject { message: "ended with exit status 255: \"half\" done".into(), code: 255 }),
        (2, "", Failure::Reject { message: "ended with exit status 2: \"half\" done".into(), code: 2 }),
    ] {
        let (attempted, lines) = bench.invoke(&ends(status, complaint), DEFAULT).await;
        assert_eq!(*failure(&attempted), expected);
        let logged: Vec<&str> = lines.iter().map(|line| line.message.as_str()).collect();
        let printed = complaint.replace("\\n", "\n");
        assert_eq!(logged, printed.lines().collect::<Vec<_>>());
        let warned = |line: &LogLine| (line.level, line.source) == (Level::Warn, LogSource::Stderr);
        assert!(lines.iter().all(warned), "{lines:?}");
    }
    let (attempted, _) = bench.invoke(&ends(0, "never mind"), DEFAULT).await;
    let (reason, message) = broken(&attempted);
    assert_eq!(reason, Reason::GuestError);
    assert!(message.contains("trailing characters at line 1 column 8; it begins with: \"half\" done"), "{message}");
}

/// What a runtime that knows only success and failure says: `run: func() -> result`.
fn component(result: u32) -> String {
    format!(
        r#"(component
          (core module $M (func (export "run") (result i32) (i32.const {result})))
          (core instance $m (instantiate $M))
          (func $run (result (result)) (canon lift (core func $m "run")))
          (instance $command (export "run" (func $run)))
          (export "wasi:cli/run@0.2.3" (instance $command)))"#
    )
}

#[tokio::test]
async fn a_component_that_exports_run_of_wasi_cli_is_a_program() {
    let bench = Bench::new();
    let (attempted, _) = bench.invoke(&component(0), DEFAULT).await;
    assert_eq!(outcome(&attempted).output, None);
    let (attempted, _) = bench.invoke(&component(1), DEFAULT).await;
    assert_eq!(*failure(&attempted), Failure::Reject { message: "ended with exit status 1".into(), code: 1 });
    let inspected = bench.sandbox.inspect(Bytes::from(component(0))).await.unwrap();
    assert_eq!((inspected.kind, inspected.wrapped), (Kind::Command, None));
}

#[tokio::test]
async fn an_output_that_is_not_json_is_told_with_its_place_and_beginning() {
    let bench = Bench::new();
    for (printed, why) in [
        (&b"hello\nworld"[..], "not valid JSON: expected value at line 1 column 1; it begins with: hello\nworld"),
        (b"{\"a\": 1,\n \"b\": }", "expected value at line 2 column 7; it begins with: {\"a\": 1,\n \"b\": }"),
        (b"\"\xff\"", "not UTF-8 at byte 1; it begins with: \"\u{fffd}\""),
    ] {
        let (attempted, _) = bench.invoke(&prints(printed), DEFAULT).await;
        let (reason, message) = broken(&attempted);
        assert_eq!(reason, Reason::GuestError);
        assert!(message.starts_with("what it printed as its output is ") && message.ends_with(why), "{message}");
    }
}

#[tokio::test]
async fn what_a_program_prints_is_bounded_by_its_output_limit() {
    let bench = Bench::new();
    let text = format!("\"{}\"", "y".repeat(200_000));
    let limits = Limits { output_bytes: text.len() as u64, log_bytes: 100, ..DEFAULT };
    let (attempted, _) = bench.invoke(&prints(text.as_bytes()), limits).await;
    assert_eq!(output(&attempted).as_str().unwrap().len(), 200_000);
    assert_eq!(attempted.usage.output_bytes, limits.output_bytes);

    let short = Limits { output_bytes: limits.output_bytes - 1, ..limits };
    let (attempted, _) = bench.invoke(&prints(text.as_bytes()), short).await;
    let limit = short.output_bytes;
    assert_eq!(broken(&attempted).0, Reason::OutputLimit, "{:?}", attempted.ending);
    assert!(broken(&attempted).1.contains(&format!("printed more than its output limit of {limit} bytes")));
    assert_eq!(attempted.usage.output_bytes, limit);

    let endless = start("(loop $again (call $print (i32.const 65536) (i32.const 4096)) (br $again))");
    let (attempted, _) = bench.invoke(&endless, DEFAULT).await;
    assert_eq!(broken(&attempted).0, Reason::OutputLimit);
}

#[tokio::test]
async fn a_program_that_traps_or_never_ends_is_broken_like_any_other_guest() {
    let bench = Bench::new();
    let (attempted, _) = bench.invoke(&start("(unreachable)"), DEFAULT).await;
    assert_eq!(broken(&attempted).0, Reason::Trap);
    let limits = Limits { fuel: 10_000_000, ..DEFAULT };
    let (attempted, _) = bench.invoke(&start("(loop $again (br $again))"), limits).await;
    assert_eq!(broken(&attempted).0, Reason::FuelExhausted);
    // Instantiation is within the limits, too.
    let before = program(r#"(func $spin (loop $again (br $again))) (start $spin) (func (export "_start"))"#);
    let (attempted, _) = bench.invoke(&before, limits).await;
    assert_eq!(broken(&attempted).0, Reason::FuelExhausted);
    assert_eq!(attempted.usage.fuel, limits.fuel);
}

#[tokio::test]
async fn the_same_core_module_is_the_same_module_and_says_what_was_made_of_it() {
    let bench = Bench::new();
    let text = start("");
    let binary = wat::parse_str(&text).unwrap();
    let first = bench.sandbox.inspect(Bytes::from(text)).await.unwrap();
    let again = bench.sandbox.inspect(Bytes::from(binary.clone())).await.unwrap();
    assert_eq!(first, again);
    assert_eq!((first.digest, &first.wasm[..]), (Digest::of(&binary), &binary[..]));
    assert_eq!(first.wrapped.as_deref(), Some("core module, wasip1 command adapter 48.0.8"));
    let grants = |name: &str| {
        let found = first.imports.iter().find(|import| import.import.starts_with(name));
        found.map(|import| import.grants.clone()).unwrap_or_default()
    };
    assert_eq!(grants("wasi:cli/stdin@"), "read its standard input, which is the context");
    assert_eq!(grants("wasi:cli/stdout@"), "print its output");
    // An artifact that is gone is made again from what was stored.
    bench.sandbox.forget(&first.digest).unwrap();
    let wasm = first.wasm.clone();
    bench.sandbox.prepare(first.digest, move || Ok(wasm)).await.unwrap();
}

#[tokio::test]
async fn a_core_module_with_a_run_like_the_contracts_is_an_action() {
    let bench = Bench::new();
    let body = r#"(func $run (export "run") (param $context i32) (result i32)
        (call $output (i32.load offset=88 (local.get $context)) (i32.load offset=92 (local.get $context))))"#;
    let inspected = bench.sandbox.inspect(Bytes::from(untyped(body))).await.unwrap();
    assert_eq!((inspected.kind, inspected.imports.len()), (Kind::Action, 0));
    assert_eq!(inspected.wrapped.as_deref(), Some("core module, no adapter"));
    let (attempted, _) = bench.invoke(&untyped(body), DEFAULT).await;
    assert_eq!(output(&attempted), json!({ "door": "north" }));
    let (same, _) = bench.invoke(&pure(body), DEFAULT).await;
    assert_eq!(same.ending, attempted.ending);
}

/// A run can be repeated exactly: what looks random comes from the attempt's seed, and the time from the host.
#[tokio::test]
async fn what_a_program_draws_follows_from_the_seed_and_its_time_is_the_hosts() {
    let bench = Bench::new();
    // 40 bytes as letters: 32 drawn ones, in two calls, and the nanoseconds since 1970.
    let program = start(
        r#"(local $at i32)
           (drop (call $random (i32.const 1024) (i32.const 24)))
           (drop (call $random (i32.const 1048) (i32.const 8)))
           (drop (call $clock (i32.const 0) (i64.const 1) (i32.const 1056)))
           (i32.store8 (i32.const 2048) (i32.const 34))
           (loop $more
             (i32.store16 offset=2049 (i32.shl (local.get $at) (i32.const 1)) (i32.add (i32.const 0x6161) (i32.or
               (i32.and (i32.load8_u offset=1024 (local.get $at)) (i32.const 15))
               (i32.shl (i32.shr_u (i32.load8_u offset=1024 (local.get $at)) (i32.const 4)) (i32.const 8)))))
             (br_if $more (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 1))) (i32.const 40))))
           (i32.store8 (i32.const 2129) (i32.const 34))
           (call $print (i32.const 2048) (i32.const 82))"#,
    );
    let prepared = bench.prepared(&program).await;
    let mut drawn = Vec::new();
    for seed in [(1, 2), (1, 2), (2, 1), (1, 3)] {
        let context = Context { seed, ..context(DEFAULT) };
        let invocation = Invocation { context, host: Arc::new(Listener::default()) };
        let attempted = bench.sandbox.invoke(&prepared, invocation).await;
        let text = output(&attempted).as_str().unwrap().to_owned();
        let (random, time) = text.split_at(64);
        let nibble = |letter: u8| u64::from(letter - b'a');
        let ns = time.bytes().enumerate().map(|(place, letter)| nibble(letter) << (4 * place)).sum::<u64>();
        assert_eq!(ns, u64::try_from(NOW.as_ms()).unwrap() * 1_000_000);
        drawn.push(random.to_owned());
    }
    assert_eq!(drawn[0], drawn[1]);
    assert!(drawn[0] != drawn[2] && drawn[0] != drawn[3] && drawn[2] != drawn[3], "{drawn:?}");
    assert_ne!(drawn[0][..16], drawn[0][48..], "the second call goes on where the first ended");
}
