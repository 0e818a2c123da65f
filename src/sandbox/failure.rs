//! Why an attempt broke, in words that the author of the action understands.

use super::host::State;
use super::limits::Denied;
use crate::domain::{Limits, Reason};
use std::fmt;
use wasmtime::{Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

/// Frames shown of a call stack; a deep recursion repeats itself.
const FRAMES_MAX: usize = 8;
/// Characters shown of a function's name and of an error's text, both of which the guest can choose.
const NAME_CHARS_MAX: usize = 120;
const TEXT_CHARS_MAX: usize = 500;

/// The end of an attempt that the host decided on.
#[derive(Debug)]
pub(super) struct Stop {
    pub(super) reason: Reason,
    pub(super) message: String,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Stop {}

/// Reads an error of the engine or of a host function.
pub(super) fn read(error: &wasmtime::Error, state: &State, limits: &Limits) -> Stop {
    if let Some(stop) = error.downcast_ref::<Stop>() {
        return Stop { reason: stop.reason, message: stop.message.clone() };
    }
    if error.downcast_ref::<Trap>() == Some(&Trap::OutOfFuel) {
        let message = format!("used up its fuel of {} instructions{}", limits.fuel, stack(error));
        return Stop { reason: Reason::FuelExhausted, message };
    }
    if let Some(I32Exit(status)) = error.downcast_ref() {
        if let Some(stop) = out_of_memory(*status, state) {
            return stop;
        }
        let message = format!("called exit({status}) instead of returning from `run`{}", stack(error));
        return Stop { reason: Reason::Trap, message };
    }
    if let Some(denied) = state.limiter.denied() {
        return Stop { reason: Reason::MemoryLimit, message: format!("{denied}, and then broke off{}", stack(error)) };
    }
    if is_hostcall_fuel(error) {
        let message = if error.downcast_ref::<WasmBacktrace>().is_some() {
            format!("passed too much to the host in one call{}", stack(error))
        } else {
            format!("returned far more than its output limit of {} bytes", limits.output_bytes)
        };
        return Stop { reason: Reason::OutputLimit, message };
    }
    let what = error.downcast_ref::<Trap>().map_or_else(|| root_cause(error), |trap| in_words(*trap));
    Stop { reason: Reason::Trap, message: format!("{what}{}", stack(error)) }
}

/// What Go's runtime ends a program with that it cannot go on with.
const BROKE_DOWN: i32 = 2;

/// Whether an exit with this status is how a runtime tells that it was refused memory, which no program of its can answer.
pub(super) fn out_of_memory(status: i32, state: &State) -> Option<Stop> {
    let denied = state.limiter.denied().filter(|_| status == BROKE_DOWN)?;
    let message = format!("{denied}, and then ended with exit status {status}");
    Some(Stop { reason: Reason::MemoryLimit, message })
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Denied::MemoryBytes { asked, allowed } => {
                write!(f, "asked for {asked} bytes of memory in all, of which {allowed} are allowed")
            }
            Denied::TableElements { asked, allowed } => {
                write!(f, "asked for {asked} table elements in all, of which {allowed} are allowed")
            }
        }
    }
}

/// The engine keeps the type of this error to itself; a test holds the text.
fn is_hostcall_fuel(error: &wasmtime::Error) -> bool {
    error.root_cause().to_string().contains("fuel allocated for hostcalls has been exhausted")
}

fn root_cause(error: &wasmtime::Error) -> String {
    plain(&error.root_cause().to_string(), TEXT_CHARS_MAX)
}

fn in_words(trap: Trap) -> String {
    match trap {
        Trap::StackOverflow => "call stack exhausted: the recursion is too deep".to_owned(),
        Trap::UnreachableCodeReached => "executed `unreachable`, which is how a panic or an abort ends".to_owned(),
        Trap::MemoryOutOfBounds => "read or wrote outside of its memory".to_owned(),
        Trap::TableOutOfBounds | Trap::IndirectCallToNull | Trap::BadSignature => {
            format!("called a function pointer that is not one ({})", without_prefix(trap))
        }
        Trap::IntegerDivisionByZero => "divided by zero".to_owned(),
        trap => without_prefix(trap),
    }
}

fn without_prefix(trap: Trap) -> String {
    let text = trap.to_string();
    text.strip_prefix("wasm trap: ").map_or(text.clone(), str::to_owned)
}

/// Where it was, innermost function first: ` in a ← b ← run`. Says nothing of a component without names: numbers help nobody.
fn stack(error: &wasmtime::Error) -> String {
    let Some(trace) = error.downcast_ref::<WasmBacktrace>() else { return String::new() };
    let frames = trace.frames();
    if frames.iter().all(|frame| frame.func_name().is_none()) {
        return String::new();
    }
    let names: Vec<String> = frames
        .iter()
        .take(FRAMES_MAX)
        .map(|frame| match frame.func_name() {
            Some(name) => plain(&format!("{:#}", rustc_demangle::demangle(name)), NAME_CHARS_MAX),
            None => format!("function {}", frame.func_index()),
        })
        .collect();
    let more = if frames.len() > FRAMES_MAX { " ← …" } else { "" };
    format!(", in {}{more}", names.join(" ← "))
}

/// Text from a guest as one short line.
fn plain(text: &str, chars_max: usize) -> String {
    let mut line: String = text.chars().take(chars_max).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(chars_max).is_some() {
        line.push('…');
    }
    line
}
