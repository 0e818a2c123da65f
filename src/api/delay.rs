//! `run_at` and `delay` of a fire.

use super::error::Fault;
use crate::domain::{DELAY_MAX_MS, Offset, Timestamp};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;

const DAYS_MAX: u64 = DELAY_MAX_MS / 86_400_000;

/// How long to put an event off, in milliseconds: sent as whole seconds or as a length of time.
#[derive(Clone, Copy, Debug)]
pub(super) struct DelayIn(u64);

impl<'de> Deserialize<'de> for DelayIn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<DelayIn, D::Error> {
        deserializer.deserialize_any(DelayVisitor)
    }
}

struct DelayVisitor;

impl Visitor<'_> for DelayVisitor {
    type Value = DelayIn;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "whole seconds from 0, or a length of time such as `2h30m`, of at most {DAYS_MAX} days")
    }

    fn visit_u64<E: Error>(self, seconds: u64) -> Result<DelayIn, E> {
        let ms = seconds.saturating_mul(1_000);
        if ms > DELAY_MAX_MS { Err(E::custom(format!("at most {DAYS_MAX} days"))) } else { Ok(DelayIn(ms)) }
    }

    fn visit_i64<E: Error>(self, seconds: i64) -> Result<DelayIn, E> {
        u64::try_from(seconds).map_err(|_| E::custom("a delay is not negative")).and_then(|s| self.visit_u64(s))
    }

    /// A query has seconds as text, too.
    fn visit_str<E: Error>(self, text: &str) -> Result<DelayIn, E> {
        if let Ok(seconds) = text.parse() {
            return self.visit_u64(seconds);
        }
        let offset: Offset = text.parse().map_err(E::custom)?;
        u64::try_from(offset.as_ms()).map(DelayIn).map_err(|_| E::custom("a delay is not negative"))
    }
}

/// The time that a fire asked for in one way or the other.
pub(super) fn run_at(
    now: Timestamp,
    run_at: Option<Timestamp>,
    delay: Option<DelayIn>,
) -> Result<Option<Timestamp>, Fault> {
    match (run_at, delay) {
        (Some(_), Some(_)) => Err(Fault::new("/delay", "give `run_at` or `delay`, not both")),
        (Some(at), None) if at.ms_since(now) > DELAY_MAX_MS => {
            Err(Fault::new("/run_at", format!("at most {DAYS_MAX} days ahead")))
        }
        (Some(at), None) => Ok(Some(at)),
        (None, Some(DelayIn(ms))) => Ok(Some(now.plus_ms(ms))),
        (None, None) => Ok(None),
    }
}
