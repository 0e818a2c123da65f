//! Which kind a component is of, and what is refused of each.

use super::guest::pure;
use super::{Bench, DEFAULT, broken};
use bytes::Bytes;
use fusebox::domain::{Kind, Reason};
use fusebox::sandbox::{Refusal, UploadError};

const NOOP: &str = r#"(func $run (export "run") (param i32) (result i32) (call $nothing))"#;

/// The parts of a component that is a program.
fn command(export: &str, result: &str) -> String {
    format!(
        r#"(core module $Program (func (export "go") (result i32) (i32.const 0)))
           (core instance $program (instantiate $Program))
           (func $go (result {result}) (canon lift (core func $program "go")))
           (instance $command (export "run" (func $go)))
           (export "{export}" (instance $command))"#
    )
}

/// The parts of a component that is a handler, which does nothing with what it gets.
fn handler(export: &str, params: [&str; 2]) -> String {
    let [first, second] = params;
    format!(
        r#"(import "wasi:http/types@0.2.0" (instance $http
             (export "incoming-request" (type (sub resource)))
             (export "response-outparam" (type (sub resource)))))
           (alias export $http "incoming-request" (type $request))
           (alias export $http "response-outparam" (type $out))
           (core module $Handler (func (export "handle") (param i32 i32)))
           (core instance $handler (instantiate $Handler))
           (func $handle (param "request" (own {first})) (param "response-out" (own {second}))
             (canon lift (core func $handler "handle")))
           (instance $incoming (export "handle" (func $handle)))
           (export "{export}" (instance $incoming))"#
    )
}

const HANDLED: [&str; 2] = ["$request", "$out"];

fn component(parts: &[String]) -> String {
    format!("(component {})", parts.concat())
}

async fn kind(bench: &Bench, component: &str) -> Result<Kind, Refusal> {
    match bench.sandbox.inspect(Bytes::copy_from_slice(component.as_bytes())).await {
        Ok(inspected) => Ok(inspected.kind),
        Err(UploadError::Refused(refusal)) => Err(refusal),
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn of_a_component_of_several_kinds_our_world_counts_then_http_then_the_program() {
    let bench = Bench::new();
    let run = command("wasi:cli/run@0.2.0", "(result)");
    let handle = handler("wasi:http/incoming-handler@0.2.3", HANDLED);
    assert_eq!(kind(&bench, &component(std::slice::from_ref(&run))).await, Ok(Kind::Command));
    assert_eq!(kind(&bench, &component(std::slice::from_ref(&handle))).await, Ok(Kind::Http));
    assert_eq!(kind(&bench, &component(&[handle.clone(), run.clone()])).await, Ok(Kind::Http));
    let action = pure(NOOP);
    let all = format!("{} {handle} {run})", action.trim_end().strip_suffix(')').unwrap());
    assert_eq!(kind(&bench, &all).await, Ok(Kind::Action));
}

#[tokio::test]
async fn an_export_of_another_version_is_named() {
    let bench = Bench::new();
    for export in
        ["wasi:cli/run@0.3.0", "wasi:cli/run@1.2.0", "wasi:http/incoming-handler@0.3.0", "wasi:http/handler@0.3.0"]
    {
        let parts = if export.contains("cli") { command(export, "(result)") } else { handler(export, HANDLED) };
        let refusal = kind(&bench, &component(&[parts])).await.unwrap_err();
        assert_eq!(refusal.places(), [format!("exports/{export}")]);
        let text = refusal.to_string();
        assert!(text.ends_with(&format!("; found are `{export}`; of another version is `{export}`")), "{text}");
    }
}

#[tokio::test]
async fn an_export_of_another_type_is_refused_with_the_expected_one() {
    let bench = Bench::new();
    let no_instance = r#"(core module $M (func (export "run"))) (core instance $m (instantiate $M))
        (func $run (canon lift (core func $m "run"))) (export "EXPORT" (func $run))"#;
    let empty = r#"(instance $nothing) (export "EXPORT" (instance $nothing))"#;
    let (cli, http) = ("wasi:cli/run@0.2.1", "wasi:http/incoming-handler@0.2.1");
    for (export, parts, words) in [
        (cli, command(cli, "u32"), "run: func() -> result"),
        (cli, no_instance.replace("EXPORT", cli), "it is not an interface"),
        (cli, empty.replace("EXPORT", cli), "it has no function `run`"),
        (http, handler(http, ["$out", "$request"]), "`handle` has other parameters or results"),
        (http, handler(http, ["$request", "$request"]), "`handle` has other parameters or results"),
        (http, no_instance.replace("EXPORT", http), "it is not an interface"),
        (http, empty.replace("EXPORT", http), "it has no function `handle`"),
    ] {
        let refusal = kind(&bench, &component(&[parts])).await.unwrap_err();
        assert_eq!(refusal.places(), [format!("exports/{export}")], "{refusal}");
        let text = refusal.to_string();
        assert!(matches!(refusal, Refusal::ExportType { .. }) && text.contains(words), "{text}");
        assert!(text.starts_with(&format!("its export `{export}` is not of the expected type")), "{text}");
    }
}

#[tokio::test]
async fn a_handler_that_does_nothing_has_given_no_answer() {
    let bench = Bench::new();
    let idle = component(&[handler("wasi:http/incoming-handler@0.2.0", HANDLED)]);
    let (attempted, _) = bench.invoke(&idle, DEFAULT).await;
    assert_eq!(broken(&attempted), (Reason::GuestError, "ended without an answer: it never set the response"));
}

/// A text may be as large as a binary, and costs what it costs: the child that reads it is bounded.
#[tokio::test]
async fn a_text_that_is_made_to_break_its_reader_is_refused() {
    let bench = Bench::with(|config| config.compile.memory_bytes = 400 << 20);
    let deep = "(".repeat(5_000_000);
    let folded = format!("(module (func {}", "(i32.eqz ".repeat(1_000_000));
    let long = format!("(module (func (export \"run\") {}))", "nop ".repeat(2_000_000));
    for text in [deep, folded, long] {
        let refusal = kind(&bench, &text).await.unwrap_err();
        let expected = matches!(refusal, Refusal::Malformed(_) | Refusal::NotCompiled(_) | Refusal::NotWrapped(_));
        assert!(expected && refusal.to_string().len() < 1_000, "{:.300}", refusal.to_string());
    }
    assert_eq!(kind(&bench, &pure(NOOP)).await, Ok(Kind::Action));
}
