//! Fails in every way an action can, on request: what the host makes of each is seen in the console and
//! proved in the tests. Never copy from here.

use std::hint::black_box;
use std::time::Duration;

use fusebox_sdk::{Context, Failure, Outcome, action, log};
use serde::Deserialize;

/// The code of the deliberate reject.
const CODE_ON_PURPOSE: u32 = 42;
const RETRY_AFTER: Duration = Duration::from_secs(2);
/// Four times what the built-in profile lets an output have.
const HUGE_OUTPUT_BYTES: usize = 4 << 20;
const CHUNK_BYTES: usize = 1 << 20;
/// Far longer than any attempt may take.
const WAIT: Duration = Duration::from_secs(60 * 60);

#[derive(Deserialize)]
pub struct Wish {
    way: Way,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Way {
    Ok,
    Warning,
    Reject,
    Retry,
    RetryAfter,
    Trap,
    Loop,
    Memory,
    Stack,
    LogFlood,
    HugeOutput,
    Wait,
}

#[action]
fn fail(payload: Wish, ctx: &Context) -> Result<Outcome<String>, Failure> {
    match payload.way {
        Way::Ok => Ok(Outcome::new("nothing failed".to_owned())),
        Way::Warning => Ok(Outcome::new("done".to_owned()).warning("but someone should look")),
        Way::Reject => Err(Failure::reject("rejected on purpose").with_code(CODE_ON_PURPOSE)),
        Way::Retry => Err(Failure::retry(format!("attempt {} is not enough", ctx.attempt()))),
        Way::RetryAfter => Err(Failure::retry_after("come back later", RETRY_AFTER)),
        Way::Trap => panic!("trapped on purpose"),
        Way::Loop => loop_for_ever(),
        Way::Memory => fill_memory(),
        Way::Stack => Ok(Outcome::new(descend(ctx.now().as_millis()).to_string())),
        Way::LogFlood => flood_log(),
        Way::HugeOutput => Ok(Outcome::new("x".repeat(HUGE_OUTPUT_BYTES))),
        Way::Wait => {
            // Waits inside the host: no instruction is counted meanwhile, only the clock runs.
            std::thread::sleep(WAIT);
            Ok(Outcome::new("nobody waited for this".to_owned()))
        }
    }
}

fn loop_for_ever() -> ! {
    let mut count = 0_u64;
    loop {
        count = black_box(count).wrapping_add(1);
    }
}

fn fill_memory() -> ! {
    let mut chunks = Vec::new();
    loop {
        // Written to, so that it is used and not only reserved.
        chunks.push(black_box(vec![1_u8; CHUNK_BYTES]));
    }
}

#[allow(unconditional_recursion)]
fn descend(depth: u64) -> u64 {
    // What is done with the result keeps the call from becoming a loop.
    black_box(descend(black_box(depth).wrapping_add(1))).wrapping_mul(3)
}

fn flood_log() -> ! {
    let line = "never read ".repeat(100);
    loop {
        log::info!("{line}");
    }
}

#[cfg(test)]
mod tests {
    use fusebox_sdk::json;
    use fusebox_sdk::serde_json::{Value, from_str};
    use fusebox_sdk::testing::{Report, Sample, run};

    use super::*;

    fn failed(way: &str) -> Report {
        run(fail_action, Sample::new(json!({"way": way})).attempt(2))
    }

    #[test]
    fn the_ways_that_are_values_are_values() {
        assert_eq!(failed("ok").output(), "nothing failed");
        assert_eq!(failed("warning").state(), "WARNING");
        assert_eq!(failed("reject").failure(), &Failure::reject("rejected on purpose").with_code(42));
        assert_eq!(failed("retry").failure(), &Failure::retry("attempt 2 is not enough"));
        assert_eq!(failed("retry_after").failure().after(), Some(RETRY_AFTER));
        assert_eq!(failed("huge_output").output().as_str().map(str::len), Some(HUGE_OUTPUT_BYTES));
    }

    #[test]
    #[should_panic(expected = "trapped on purpose")]
    fn a_trap_is_a_panic() {
        let _ = failed("trap");
    }

    #[test]
    fn an_unknown_way_is_rejected_with_the_known_ones() {
        let report = failed("politely");
        assert_eq!(report.failure().code(), 2);
        let message = report.failure().message();
        assert!(message.starts_with("payload.way: unknown variant `politely`, expected one of `ok`"), "{message}");
    }

    #[test]
    fn every_listed_sample_asks_for_a_way_there_is() {
        let action: Value = from_str(include_str!("../action.json")).expect("the description");
        let samples = action["samples"].as_array().expect("samples");
        assert_eq!(samples.len(), 12);
        for sample in samples {
            let file = sample["sample"].as_str().expect("a file");
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
            let text = std::fs::read_to_string(path).expect("the sample is there");
            from_str::<Wish>(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
        }
    }
}
