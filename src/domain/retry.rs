//! When a failed run is tried again.

use serde::{Deserialize, Serialize};

/// Exponential with full jitter: the delay before attempt n+1 is evenly spread over
/// 0 to `base_ms * factor^(n-1)`, at most `cap_ms` (AWS Architecture Blog, "Exponential Backoff And Jitter").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetryPolicy {
    /// Attempts in all, the first one counted.
    pub attempts: u32,
    pub base_ms: u64,
    pub factor: u32,
    pub cap_ms: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be between {min} and {max}, is {value}")]
pub struct RetryPolicyError {
    pub field: &'static str,
    pub value: u64,
    pub min: u64,
    pub max: u64,
}

impl Default for RetryPolicy {
    fn default() -> RetryPolicy {
        RetryPolicy { attempts: 3, base_ms: 5_000, factor: 4, cap_ms: 300_000 }
    }
}

impl RetryPolicy {
    /// One day; a longer wait is a schedule, not a retry.
    pub const CAP_MAX_MS: u64 = 86_400_000;

    /// # Errors
    /// The first field outside of its bounds.
    pub fn check(&self) -> Result<(), RetryPolicyError> {
        let bounds = [
            ("attempts", u64::from(self.attempts), 1, 20),
            ("base_ms", self.base_ms, 0, Self::CAP_MAX_MS),
            ("factor", u64::from(self.factor), 1, 100),
            ("cap_ms", self.cap_ms, 0, Self::CAP_MAX_MS),
        ];
        match bounds.into_iter().find(|(_, value, min, max)| !(min..=max).contains(&value)) {
            None => Ok(()),
            Some((field, value, min, max)) => Err(RetryPolicyError { field, value, min, max }),
        }
    }

    /// How long to wait after attempt number `attempt` (1 is the first); `random` spreads it.
    pub fn delay_ms(&self, attempt: u32, random: u64) -> u64 {
        let factor = u64::from(self.factor).saturating_pow(attempt.saturating_sub(1));
        let ceiling = self.base_ms.saturating_mul(factor).min(self.cap_ms);
        random % (ceiling + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_grows_by_the_factor_up_to_the_cap() {
        let policy = RetryPolicy::default();
        let ceilings: Vec<u64> =
            (1..=5).map(|n| (0..2_000_000).step_by(997).map(|r| policy.delay_ms(n, r)).max().unwrap()).collect();
        for (ceiling, expected) in ceilings.iter().zip([5_000, 20_000, 80_000, 300_000, 300_000]) {
            assert!(*ceiling <= expected && *ceiling > expected * 9 / 10, "{ceiling} for {expected}");
        }
        assert!(policy.delay_ms(u32::MAX, u64::MAX) <= policy.cap_ms);
    }

    #[test]
    fn a_policy_outside_its_bounds_is_refused() {
        assert_eq!(RetryPolicy::default().check(), Ok(()));
        for attempts in [0, 21] {
            let refused = RetryPolicy { attempts, ..RetryPolicy::default() }.check().unwrap_err();
            assert_eq!((refused.field, refused.max), ("attempts", 20));
        }
    }
}
