//! Breaks the contract where its types cannot say so: what should be JSON is not. The payload, a JSON text
//! such as `"output"`, chooses where. Written against the bindings, since the SDK cannot do this.
#![cfg(target_family = "wasm")]

use fusebox_sdk::bindings::fusebox::action::types::Reject;
use fusebox_sdk::bindings::{Context, Failure, Guest, Outcome, export};

const NOT_JSON: &str = "{\"half\": ";
const DEEP: usize = 100_000;

struct Untruthful;

impl Guest for Untruthful {
    fn run(context: Context) -> Result<Outcome, Failure> {
        let mut outcome = Outcome { output: None, warnings: Vec::new(), event: None };
        match context.payload.as_str() {
            "\"output\"" => outcome.output = Some(NOT_JSON.to_owned()),
            "\"empty\"" => outcome.output = Some(String::new()),
            "\"deep\"" => outcome.output = Some("[".repeat(DEEP) + &"]".repeat(DEEP)),
            "\"event\"" => outcome.event = Some(NOT_JSON.to_owned()),
            "\"code\"" => {
                return Err(Failure::Reject(Reject { message: String::new(), code: 0 }));
            }
            _ => outcome.output = Some(context.payload),
        }
        Ok(outcome)
    }
}

export!(Untruthful with_types_in fusebox_sdk::bindings);
