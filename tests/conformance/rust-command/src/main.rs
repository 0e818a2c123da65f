//! The conformance guest as a plain command without any SDK, see ../README.md: a program that reads standard input.

use std::hint::black_box;
use std::io::{Write as _, read_to_string, stdin, stdout};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, from_str, json};

/// The exit status that asks for another attempt: EX_TEMPFAIL of sysexits.h.
const RETRY: u8 = 75;
/// That of a behaviour that there is none of.
const UNKNOWN: u8 = 64;

struct Failed {
    status: u8,
    message: String,
}

fn main() -> ExitCode {
    match run() {
        Ok(output) => {
            print!("{output}");
            // What is printed after the exit is lost.
            drop(stdout().flush());
            ExitCode::SUCCESS
        }
        Err(failed) => {
            eprintln!("{}", failed.message);
            ExitCode::from(failed.status)
        }
    }
}

fn run() -> Result<Value, Failed> {
    let fault = |message: String| Failed { status: 1, message };
    let text = read_to_string(stdin()).map_err(|error| fault(error.to_string()))?;
    let context: Value = from_str(&text).map_err(|error| fault(error.to_string()))?;
    let payload = &context["payload"];
    let message = || payload["message"].as_str().unwrap_or_default().to_owned();
    match payload["do"].as_str().unwrap_or_default() {
        "echo" => Ok(payload.clone()),
        "reject" => {
            let status = payload["code"].as_u64().and_then(|code| code.try_into().ok()).unwrap_or(1);
            Err(Failed { status, message: message() })
        }
        "retry" => Err(Failed { status: RETRY, message: message() }),
        "trap" => panic!("a trap was asked for"),
        "loop" => {
            let mut turns: u64 = 0;
            loop {
                turns = black_box(turns.wrapping_add(1));
            }
        }
        "hog" => {
            let mut taken: Vec<Vec<u8>> = Vec::new();
            loop {
                taken.push(black_box(vec![1; 1 << 20]));
            }
        }
        "log" => {
            (1..=3).for_each(|n| eprintln!("line {n}"));
            Ok(json!({ "logged": 3 }))
        }
        "print" => {
            eprintln!("complained");
            Ok(json!({ "printed": true }))
        }
        "params" | "input" => Ok(context[payload["do"].as_str().unwrap_or_default()].clone()),
        "context" => Ok(told(context)),
        "time" => time(),
        "big" => {
            let bytes = payload["bytes"].as_u64().and_then(|bytes| bytes.try_into().ok()).unwrap_or(0);
            Ok(Value::String("x".repeat(bytes)))
        }
        other => Err(Failed { status: UNKNOWN, message: format!("unknown: {other}") }),
    }
}

fn told(mut context: Value) -> Value {
    if let Some(fields) = context.as_object_mut() {
        for name in ["payload", "params", "input", "seed"] {
            fields.remove(name);
        }
    }
    context
}

fn time() -> Result<Value, Failed> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_err(|error| Failed { status: 1, message: error.to_string() })?;
    // The standard library draws the keys of its hash maps from the machine's randomness.
    let random = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0_u8);
    Ok(json!({ "now": now.as_millis() as u64, "random": format!("{random:016x}") }))
}
