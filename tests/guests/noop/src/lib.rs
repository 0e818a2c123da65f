//! The least an action can do: hand its payload back, unread. What calling one costs is measured with it.
//!
//! Written against the bindings, without `#[action]`, so that only the boundary itself is left.
#![cfg(target_family = "wasm")]

use fusebox_sdk::bindings::{Context, Failure, Guest, Outcome, export};

struct Noop;

impl Guest for Noop {
    fn run(context: Context) -> Result<Outcome, Failure> {
        Ok(Outcome { output: Some(context.payload), warnings: Vec::new(), event: None })
    }
}

export!(Noop with_types_in fusebox_sdk::bindings);
