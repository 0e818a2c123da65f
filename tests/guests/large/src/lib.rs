//! The no-op action with 2 MB of weight: one of constant data, one of code. What loading and instantiating
//! a large component costs is measured with it.

/// A megabyte that does not compress to a pattern.
static TABLE: [u64; 1 << 17] = table();

const fn table() -> [u64; 1 << 17] {
    let mut table = [0; 1 << 17];
    let mut index = 0;
    while index < table.len() {
        table[index] = mix(index as u64);
        index += 1;
    }
    table
}

/// The finaliser of SplitMix64: every input bit reaches every output bit.
const fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}

/// A function of its own for every `N`: its constants differ, so the compiler can merge none of them.
fn step<const N: u64>(mut value: u64) -> u64 {
    macro_rules! rounds {
        ($($round:literal)*) => {$(
            value = (value ^ const { mix(N * 64 + $round) }).wrapping_mul(const { mix(N * 64 + $round + 32) });
            value ^= TABLE[(value >> 47) as usize];
        )*};
    }
    rounds!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25);
    value
}

macro_rules! steps {
    ($($row:literal)*) => { [$(steps!(@ $row 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24)),*] };
    (@ $row:literal $($column:literal)*) => { [$(step::<{ $row * 32 + $column }>),*] };
}

type Step = fn(u64) -> u64;

static STEPS: [[Step; 25]; 32] =
    steps!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31);

/// Runs through all of the code and much of the data.
pub fn digest(value: u64) -> u64 {
    STEPS.iter().flatten().fold(value, |value, step| step(value))
}

#[cfg(target_family = "wasm")]
mod component {
    use fusebox_sdk::bindings::{Context, Failure, Guest, Outcome, export};

    struct Large;

    impl Guest for Large {
        fn run(context: Context) -> Result<Outcome, Failure> {
            // Attempts count from 1: this is never so, and the compiler cannot know it.
            if context.attempt == 0 {
                let output = super::digest(context.now).to_string();
                return Ok(Outcome { output: Some(output), warnings: Vec::new(), event: None });
            }
            Ok(Outcome { output: Some(context.payload), warnings: Vec::new(), event: None })
        }
    }

    export!(Large with_types_in fusebox_sdk::bindings);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weight_is_not_idle() {
        assert_ne!(digest(1), digest(2));
        assert_eq!(digest(7), digest(7));
    }
}
