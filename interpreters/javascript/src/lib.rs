//! JavaScript for source-code actions: one component for all scripts, which are data to it.
//!
//! `runtime/*.js` is what a script finds besides the language, `host.rs` what that is made of. Both are in place before the
//! first run: the build stops the component right behind [`initialize`] and keeps its memory as it is then, so that an
//! attempt begins with an engine that is warm, and every attempt with the same one.

#[allow(unsafe_code, unreachable_pub, warnings, clippy::all)]
#[rustfmt::skip]
mod bindings;
mod check;
mod clock;
mod engine;
mod host;
mod http;
mod kv;
mod run;

use bindings::fusebox::action::types::{Context, Failure, Outcome};
use bindings::{Fault, Guest};

struct Interpreter;

impl Guest for Interpreter {
    fn check(code: String) -> Result<Vec<u8>, Vec<Fault>> {
        engine::with(|cx| check::check(&cx, code))
    }

    fn run(program: Vec<u8>, context: Context) -> Result<Outcome, Failure> {
        let memory_bytes = context.budget.memory_bytes;
        host::begin(context);
        engine::limit_memory(memory_bytes);
        engine::with(|cx| run::run(&cx, &program))
    }
}

bindings::export!(Interpreter with_types_in bindings);

/// Called once when the component is built.
#[unsafe(export_name = "wizer-initialize")]
pub extern "C" fn initialize() {
    engine::initialize();
}
