//! What an attempt gives back.

use super::guest::{CONTEXT_PAYLOAD, pure};
use super::{Bench, DEFAULT, outcome};

#[tokio::test]
async fn an_action_gets_its_payload_and_returns_an_output() {
    let bench = Bench::new();
    let echo = pure(&format!(
        r#"(func $run (export "run") (param $context i32) (result i32)
             (call $output
               (i32.load offset={CONTEXT_PAYLOAD} (local.get $context))
               (i32.load offset={} (local.get $context))))"#,
        CONTEXT_PAYLOAD + 4
    ));
    let (attempted, lines) = bench.invoke(&echo, DEFAULT).await;
    assert_eq!(outcome(&attempted).output.as_ref().unwrap().as_str(), r#"{"door":"north"}"#);
    assert!(lines.is_empty());
    println!("{:?}", attempted.usage);
}
