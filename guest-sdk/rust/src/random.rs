//! Randomness from the attempt's seed.

use std::cell::Cell;

/// Random numbers of one attempt, drawn from the 128 bits of its seed.
///
/// An attempt that is repeated with the same context draws the same numbers; a retry has a seed of its
/// own. Good for ids, jitter and samples. Not for keys: whoever can read the run's context can repeat it.
///
/// The generator is xoroshiro128++ (Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2021).
#[derive(Debug, Clone)]
pub struct Random {
    state: Cell<(u64, u64)>,
}

impl Random {
    pub(crate) fn new(seed: (u64, u64)) -> Self {
        // A state of all zeros would stay there for ever.
        let seed = if seed == (0, 0) { (0x9E37_79B9_7F4A_7C15, 1) } else { seed };
        Self { state: Cell::new(seed) }
    }

    /// 64 random bits.
    pub fn next_u64(&self) -> u64 {
        let (low, high) = self.state.get();
        let drawn = low.wrapping_add(high).rotate_left(17).wrapping_add(low);
        let mixed = low ^ high;
        self.state.set((low.rotate_left(49) ^ mixed ^ (mixed << 21), mixed.rotate_left(28)));
        drawn
    }

    /// A number from 0 up to but not including `bound`; 0 when `bound` is 0.
    ///
    /// The high half of a 128-bit product: off from even by less than `bound` in 2⁶⁴.
    pub fn below(&self, bound: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// A number from 0 up to but not including 1, in steps of 2⁻⁵³.
    pub fn fraction(&self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A random UUID (RFC 9562, version 4) as text.
    pub fn uuid(&self) -> String {
        let high = (self.next_u64() & !0xF000) | 0x4000;
        let low = (self.next_u64() & (u64::MAX >> 2)) | (1 << 63);
        let (time_low, time_mid, version) = (high >> 32, (high >> 16) & 0xFFFF, high & 0xFFFF);
        let (variant, node) = (low >> 48, low & 0xFFFF_FFFF_FFFF);
        format!("{time_low:08x}-{time_mid:04x}-{version:04x}-{variant:04x}-{node:012x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_the_one_of_the_paper() {
        let random = Random::new((1, 2));
        assert_eq!([random.next_u64(), random.next_u64()], [393_217, 669_327_710_093_319]);
    }

    #[test]
    fn the_same_seed_draws_the_same_and_another_does_not() {
        let draw = |seed| {
            let random = Random::new(seed);
            [random.next_u64(), random.next_u64(), random.next_u64()]
        };
        assert_eq!(draw((7, 8)), draw((7, 8)));
        assert_ne!(draw((7, 8)), draw((7, 9)));
        assert_ne!(draw((0, 0)), [0, 0, 0]);
    }

    #[test]
    fn numbers_stay_below_their_bound_and_reach_every_value() {
        let random = Random::new((3, 4));
        let mut seen = [0_u32; 6];
        for _ in 0..600 {
            seen[random.below(6) as usize] += 1;
        }
        assert!(seen.iter().all(|count| *count > 50), "{seen:?}");
        assert_eq!(random.below(0), 0);
        assert!((0..100).all(|_| (0.0..1.0).contains(&random.fraction())));
    }

    #[test]
    fn a_uuid_has_its_version_and_variant() {
        let random = Random::new((5, 6));
        for _ in 0..50 {
            let id = random.uuid();
            assert_eq!(id.len(), 36);
            assert_eq!(&id[14..15], "4", "{id}");
            assert!("89ab".contains(&id[19..20]), "{id}");
        }
        assert_ne!(random.uuid(), random.uuid());
    }
}
