//! What is taken as a component, what is refused and in which words.

use super::guest::{logging, printing, pure, untyped, with_memory};
use super::{Bench, DEFAULT, outcome};
use bytes::Bytes;
use fusebox::domain::{Digest, Kind};
use fusebox::sandbox::{Config, Refusal, UploadError};
use std::time::{Duration, Instant};

const NOOP: &str = r#"(func $run (export "run") (param i32) (result i32) (call $nothing))"#;

async fn refused(bench: &Bench, upload: impl AsRef<[u8]>) -> Refusal {
    match bench.sandbox.inspect(Bytes::copy_from_slice(upload.as_ref())).await {
        Err(UploadError::Refused(refusal)) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn an_upload_in_either_format_is_the_same_module() {
    let bench = Bench::new();
    let text = logging(NOOP);
    let from_text = bench.sandbox.inspect(Bytes::from(text.clone())).await.unwrap();
    let from_binary = bench.sandbox.inspect(Bytes::from(wat::parse_str(&text).unwrap())).await.unwrap();
    assert_eq!(from_text, from_binary);
    assert_eq!(from_text.digest, Digest::of(&from_text.wasm));
    assert_eq!(from_text.kind, Kind::Action);
    assert_eq!(from_text.size_bytes, from_text.wasm.len() as u64);
    let imports: Vec<_> = from_text.imports.iter().map(|p| (p.import.as_str(), p.grants.as_str())).collect();
    assert_eq!(imports, [("fusebox:action/log@0.1.0", "write lines to the log of the run")]);
}

#[tokio::test]
async fn the_imports_of_a_component_are_its_permissions() {
    let bench = Bench::new();
    let inspected = bench.sandbox.inspect(Bytes::from(printing(NOOP))).await.unwrap();
    let imports: Vec<_> = inspected.imports.iter().map(|p| p.import.as_str()).collect();
    assert_eq!(
        imports,
        ["wasi:io/error@0.2.6", "wasi:io/streams@0.2.6", "wasi:cli/stdout@0.2.6", "wasi:cli/stderr@0.2.6"]
    );
    assert!(inspected.imports.iter().all(|p| !p.grants.is_empty()));
}

#[tokio::test]
async fn bytes_that_are_no_component_are_refused_with_the_place() {
    let bench = Bench::new();
    let noise: Vec<u8> = (0..1000_u32).map(|n| ((n * 7919) >> 3) as u8 | 0x80).collect();
    assert_eq!(
        refused(&bench, noise).await.to_string(),
        "this is not a WebAssembly component or module: it starts neither like the binary format nor like a text"
    );
    let text = refused(&bench, "(component (oops))").await.to_string();
    assert!(text.contains("<anon>:1:13"), "{text}");
    assert!(matches!(refused(&bench, "").await, Refusal::Malformed(_) | Refusal::CoreModule { .. }));

    let whole = wat::parse_str(pure(NOOP)).unwrap();
    for length in (8..whole.len()).step_by(37) {
        let refusal = refused(&bench, &whole[..length]).await;
        assert!(
            matches!(refusal, Refusal::Malformed(_) | Refusal::NoKind { .. } | Refusal::NotCompiled(_)),
            "{length}: {refusal}"
        );
    }
}

#[tokio::test]
async fn what_does_not_validate_is_refused_with_the_place() {
    let bench = Bench::new();
    let wrong = pure(r#"(func $run (export "run") (param i32) (result i32) (i64.const 1))"#);
    let refusal = refused(&bench, wrong).await;
    assert!(
        matches!(&refusal, Refusal::Malformed(message) if message.starts_with("type mismatch: expected i32, found i64 (at byte ")),
        "{refusal}"
    );
    for (feature, memory) in
        [("threads", "(memory (export \"memory\") 2 2 shared)"), ("memory64", "(memory (export \"memory\") i64 2)")]
    {
        let refusal = refused(&bench, with_memory(memory, NOOP)).await;
        assert!(matches!(refusal, Refusal::Malformed(_)), "{feature}: {refusal}");
    }
}

#[tokio::test]
async fn a_core_module_that_is_neither_program_nor_action_is_refused_with_what_is_expected() {
    let bench = Bench::new();
    let refusal = refused(&bench, "(module (func (export \"main\")) (memory (export \"_start\") 1))").await;
    assert_eq!(refusal, Refusal::CoreModule { exports: vec!["main".to_owned()] });
    assert_eq!(refusal.places(), ["exports"]);
    let text = refusal.to_string();
    for word in ["exports neither `_start`", "nor `run`", "fusebox:action/action", "found are `main`", "wasm32-wasip2"]
    {
        assert!(text.contains(word), "{text}");
    }
}

#[tokio::test]
async fn the_foreign_imports_of_a_core_module_are_all_named_with_what_to_do() {
    let bench = Bench::new();
    let foreign = r#"(module
        (import "env" "abort" (func)) (import "env" "memory" (memory 1)) (import "wasi_snapshot_preview1" "fd_dance" (func))
        (import "wasi_snapshot_preview1" "sched_yield" (func (result i32))) (import "gojs" "runtime.wasmExit" (func))
        (func (export "_start")))"#;
    let refusal = refused(&bench, foreign).await;
    let named = ["env.abort", "env.memory", "wasi_snapshot_preview1.fd_dance", "gojs.runtime.wasmExit"];
    assert_eq!(refusal.places(), named.map(|name| format!("imports/{name}")));
    let text = refusal.to_string();
    assert!(text.starts_with("it imports `env.abort`, `env.memory`, `wasi_snapshot_preview1.fd_dance`, "), "{text}");
    for word in ["functions of `wasi_snapshot_preview1`", "nobody defined when the module was linked", "GOOS=wasip1"] {
        assert_eq!(text.matches(word).count(), 1, "{word}: {text}");
    }
    for (from, word) in [
        ("wasi_unstable", "preview 1"),
        ("__wbindgen_placeholder__", "wasm-bindgen"),
        ("wasi", "threads are not offered"),
    ] {
        let module = format!(
            r#"(module (import "{from}" "f" (func)) (func (export "run") (param i32) (result i32) unreachable))"#
        );
        let text = refused(&bench, module).await.to_string();
        assert!(text.contains(&format!("`{from}.f`")) && text.contains(word), "{text}");
    }
}

/// An interface that there is not is told like that of a component; its version is what a component has.
#[tokio::test]
async fn a_core_module_that_imports_other_interfaces_is_refused_with_their_names() {
    let bench = Bench::new();
    let module = r#"(module (import "acme:door/unlock@1.0.0" "open" (func))
        (memory (export "memory") 1)
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
        (func (export "run") (param i32) (result i32) unreachable))"#;
    let text = refused(&bench, module).await.to_string();
    assert!(
        text.starts_with("this core module cannot be made a component: ") && text.contains("acme:door/unlock@1.0.0"),
        "{text}"
    );
}

#[tokio::test]
async fn a_core_module_whose_exports_are_of_another_type_is_refused_with_both() {
    let bench = Bench::new();
    let realloc = r#"(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)"#;
    let run = r#"(func (export "run") (param i32) (result i32) unreachable)"#;
    let allocating = "(i32, i32, i32, i32) -> (i32)";
    for (body, export, expected, found) in [
        (r#"(func (export "_start") (param i32))"#.to_owned(), "_start", "() -> ()", "it is (i32) -> ()"),
        (r#"(func (export "_start") (result i64) unreachable)"#.to_owned(), "_start", "() -> ()", "it is () -> (i64)"),
        (
            r#"(func (export "run") (param i32 f32) (result i32) unreachable)"#.to_owned(),
            "run",
            "(i32) -> (i32)",
            "it is (i32, f32) -> (i32)",
        ),
        (run.to_owned(), "cabi_realloc", allocating, "there is none"),
        (
            format!(r#"{run} (global (export "cabi_realloc") i32 (i32.const 0))"#),
            "cabi_realloc",
            allocating,
            "it is not a function",
        ),
        (format!("{run} {realloc}"), "memory", "memory", "there is none"),
    ] {
        let refusal = refused(&bench, format!("(module {body})")).await;
        let text = format!("its export `{export}` is not of the expected type `{expected}`: {found}");
        assert_eq!(refusal.to_string(), text);
        assert_eq!(refusal.places(), [format!("exports/{export}")]);
    }
}

/// A type section is read by code that was not made to be lied to: whatever becomes of it is the upload's fault.
#[tokio::test]
async fn a_core_module_with_a_damaged_type_section_is_refused() {
    let bench = Bench::new();
    let whole = wat::parse_str(untyped(NOOP)).unwrap();
    let with_section = |content: &[u8]| {
        let name = b"component-type:action";
        let mut bytes = whole.clone();
        bytes.push(0);
        bytes.push(u8::try_from(1 + name.len() + content.len()).unwrap());
        bytes.push(u8::try_from(name.len()).unwrap());
        bytes.extend_from_slice(name);
        bytes.extend_from_slice(content);
        bytes
    };
    for content in [&b""[..], b"\0", &[0xff; 60], b"\0asm\x0d\0\x01\0", b"\0asm\x01\0\0\0", &whole[..40]] {
        let refusal = refused(&bench, with_section(content)).await;
        assert!(matches!(refusal, Refusal::NotWrapped(_)), "{content:?}: {refusal}");
    }
}

#[tokio::test]
async fn all_foreign_imports_are_named_with_what_is_offered() {
    let bench = Bench::new();
    let foreign = pure(NOOP).replacen(
        "(component",
        r#"(component (import "acme:door/unlock@1.0.0" (instance)) (import "wasi:cli/stdout@0.3.0" (instance))
             (import "wasi:io/poll@0.2.99" (instance))"#,
        1,
    );
    let refusal = refused(&bench, foreign).await;
    let Refusal::ForeignImports { imports, offered } = &refusal else { panic!("{refusal}") };
    assert_eq!(imports, &["acme:door/unlock@1.0.0", "wasi:cli/stdout@0.3.0"]);
    assert!(offered.iter().any(|name| name == "fusebox:action/log@0.1"));
    assert_eq!(refusal.places(), ["imports/acme:door/unlock@1.0.0", "imports/wasi:cli/stdout@0.3.0"]);
    assert!(refusal.to_string().starts_with("it imports `acme:door/unlock@1.0.0`, `wasi:cli/stdout@0.3.0`, which"));
}

#[tokio::test]
async fn an_import_of_another_type_is_refused() {
    let bench = Bench::new();
    let wrong = logging(NOOP).replacen("(enum \"trace\" \"debug\"", "(enum \"fatal\" \"debug\"", 1);
    let refusal = refused(&bench, wrong).await;
    assert_eq!(refusal.places(), ["imports/fusebox:action/log@0.1.0"]);
    assert!(matches!(&refusal, Refusal::ImportType { message, .. } if message.contains("enum")), "{refusal}");
}

#[tokio::test]
async fn a_component_without_the_export_is_refused_with_the_expected_type() {
    let bench = Bench::new();
    let refusal = refused(&bench, "(component (core module) (instance $i) (export \"helper\" (instance $i)))").await;
    let text = refusal.to_string();
    assert!(text.starts_with("it exports nothing that is run here; expected is `run: func(ctx: context) -> result<outcome, failure>` or `wasi:http/"), "{text}");
    assert!(text.ends_with("with run: func() -> result`; found are `helper`"), "{text}");
    assert_eq!(refusal.places(), ["exports"]);
    let refusal = refused(
        &bench,
        r#"(component (core module $M (func (export "run"))) (core instance $m (instantiate $M))
             (func (export "run") (canon lift (core func $m "run"))))"#,
    )
    .await;
    assert_eq!(refusal.places(), ["exports/run"]);
    assert!(matches!(refusal, Refusal::ExportType { .. }), "{refusal}");
    let refusal = refused(&bench, "(component (instance $i) (export \"run\" (instance $i)))").await;
    assert!(matches!(refusal, Refusal::ExportType { .. }), "{refusal}");
}

#[tokio::test]
async fn a_component_that_starts_with_too_much_memory_is_refused() {
    let bench = Bench::with(|config| config.memory_bytes_max = 100 << 16);
    let start = |pages: u32| with_memory(&format!("(memory (export \"memory\") {pages})"), NOOP);
    bench.sandbox.inspect(Bytes::from(start(100))).await.unwrap();
    assert_eq!(
        refused(&bench, start(16_384)).await.to_string(),
        "it starts with a memory of 1073741824 bytes; 6553600 are allowed"
    );
    assert!(matches!(refused(&bench, start(101)).await, Refusal::MemoryOverLimit { asked: 6_619_136, .. }));
}

#[tokio::test]
async fn a_component_has_a_bounded_number_of_instances_memories_and_tables() {
    let bench = Bench::new();
    let more = |parts: String| pure(NOOP).replacen("(core instance $main", &format!("{parts} (core instance $main"), 1);
    let modules = |body: &str, count: usize| {
        more(format!("(core module $Extra {body}) {}", "(core instance (instantiate $Extra))".repeat(count)))
    };
    for (body, fits) in [("", 63), ("(memory 1)", 3), ("(table 1 funcref)", 8)] {
        let (attempted, _) = bench.invoke(&modules(body, fits), DEFAULT).await;
        outcome(&attempted);
        let refusal = refused(&bench, modules(body, fits + 1)).await;
        assert!(
            matches!(&refusal, Refusal::NotCompiled(m) if m.contains("exceeds the configured maximum of")),
            "{refusal}"
        );
    }
}

#[tokio::test]
async fn an_upload_over_the_size_limit_is_not_looked_at() {
    let text = pure(NOOP);
    let bench = Bench::with(|config| config.compile.size_bytes = text.len() as u64);
    bench.sandbox.inspect(Bytes::from(text.clone())).await.unwrap();
    let refused = bench.sandbox.inspect(Bytes::from(text + " ")).await.unwrap_err();
    assert!(matches!(refused, UploadError::TooLarge { size_bytes, allowed } if size_bytes == allowed + 1));
}

/// Functions that take long to compile; few large ones take memory, many small ones time.
fn bomb(functions: usize, operations: usize) -> Bytes {
    let heavy = "(local.set 0 (i64.add (local.get 0) (i64.mul (local.get 0) (i64.const 3))))".repeat(operations);
    let functions = format!("(func (param i64) (result i64) {heavy} (local.get 0))").repeat(functions);
    Bytes::from(wat::parse_str(pure(&format!("{functions} {NOOP}"))).unwrap())
}

#[tokio::test]
async fn a_compile_bomb_is_ended_by_wall_time_and_the_next_upload_compiles() {
    let bench = Bench::with(|config| config.compile.timeout_ms = 700);
    let started = Instant::now();
    assert_eq!(refused(&bench, bomb(150, 2_000)).await.to_string(), "it cannot be compiled: it took more than 700 ms");
    assert!(started.elapsed() < Duration::from_secs(30));
    // On a machine that is busy even what is small may not get a processor in time.
    let mut next = bench.sandbox.inspect(Bytes::from(pure(NOOP))).await;
    for _ in 0..50 {
        if next.is_ok() {
            break;
        }
        next = bench.sandbox.inspect(Bytes::from(pure(NOOP))).await;
    }
    next.unwrap();
    let left = std::fs::read_dir(bench.folder.path().join("artifacts")).unwrap();
    assert_eq!(left.count(), 2, "only the artifact and the MAC of the second upload are left");
}

/// A large component was refused on a busy machine, after a minute of mostly waiting for a processor.
#[tokio::test]
async fn what_waits_for_a_processor_is_not_what_takes_too_long() {
    let limits = Config::new("artifacts".into(), [0; 32], "fusebox".into()).compile;
    assert!(limits.timeout_ms >= 10 * 1_000 * limits.cpu_s, "{limits:?}");
    // One that never comes to an end, and has not limited itself, is ended by wall time.
    let bench = Bench::with(|config| {
        config.compiler = "/usr/bin/yes".into();
        config.compile.timeout_ms = 300;
    });
    let refusal = refused(&bench, pure(NOOP)).await.to_string();
    assert_eq!(refusal, "it cannot be compiled: it took more than 300 ms");
}

#[tokio::test]
async fn a_compile_bomb_is_ended_by_processor_time() {
    let bench = Bench::with(|config| config.compile.cpu_s = 1);
    assert_eq!(
        refused(&bench, bomb(150, 2_000)).await.to_string(),
        "it cannot be compiled: it took more than 1 s of processor time"
    );
}

#[tokio::test]
async fn a_compile_bomb_is_ended_by_memory() {
    let bench = Bench::with(|config| config.compile.memory_bytes = 180 << 20);
    bench.sandbox.inspect(Bytes::from(pure(NOOP))).await.unwrap();
    assert_eq!(
        refused(&bench, bomb(2, 200_000)).await.to_string(),
        "it cannot be compiled: it took more than 188743680 bytes of memory"
    );
}

#[tokio::test]
async fn a_compiler_that_cannot_be_started_is_not_the_uploads_fault() {
    let bench = Bench::with(|config| config.compiler = "/nonexistent/fusebox".into());
    let failed = bench.sandbox.inspect(Bytes::from(pure(NOOP))).await.unwrap_err();
    assert!(matches!(failed, UploadError::Failed(_)), "{failed}");
}

#[tokio::test]
async fn uploads_wait_for_each_other_up_to_a_bound() {
    let bench = Bench::new();
    let upload = Bytes::from(pure(NOOP));
    let uploads = (0..40).map(|_| bench.sandbox.inspect(upload.clone()));
    let results = futures_util::future::join_all(uploads).await;
    let busy = results.iter().filter(|result| matches!(result, Err(UploadError::Busy))).count();
    assert_eq!(busy, 8);
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 32);
}
