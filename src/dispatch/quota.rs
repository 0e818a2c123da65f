//! What a tenant's record lets it do at once and in a minute.

use super::accept::FireError;
use super::scheduler::{Config, Dispatch};
use crate::domain::{Minute, QuotaExceeded, Quotas, Tenant, TenantId, Timestamp};
use crate::store::Catalogue;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Tenants whose minutes are kept before those that are over are looked for.
const MINUTES_MAX: usize = 1_000;

/// What a tenant has under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnderWay {
    pub events_per_minute: Used,
    pub queued_events: Used,
    pub concurrent_runs: Used,
}

/// Something beside what it may be at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    pub used: u64,
    pub limit: u64,
}

/// The events that tenants fired in the minute that began with the first of them.
#[derive(Debug, Default)]
pub(super) struct Minutes(Mutex<HashMap<TenantId, Minute>>);

impl Minutes {
    /// Counts one event more, or says in how many seconds there may be one.
    fn add(&self, tenant: &TenantId, limit: u64, now: Timestamp) -> Result<(), (QuotaExceeded, u32)> {
        let mut minutes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if minutes.len() >= MINUTES_MAX {
            minutes.retain(|_, minute| !minute.is_over(now));
        }
        let minute = minutes.entry(tenant.clone()).or_insert(Minute::beginning(now));
        if minute.is_over(now) {
            *minute = Minute::beginning(now);
        }
        if minute.count >= limit {
            let left_s = minute.left_ms(now).div_ceil(1_000);
            let exceeded = QuotaExceeded { quota: "events_per_minute", limit, used: minute.count };
            return Err((exceeded, u32::try_from(left_s).unwrap_or(u32::MAX)));
        }
        minute.count += 1;
        Ok(())
    }

    fn events_of(&self, tenant: &TenantId, now: Timestamp) -> u64 {
        let minutes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        minutes.get(tenant).filter(|minute| !minute.is_over(now)).map_or(0, |minute| minute.count)
    }
}

impl Dispatch {
    /// Whether `tenant` may have one more event waiting.
    ///
    /// # Errors
    /// It has as many as it may.
    pub(super) fn check_queue(&self, catalogue: &Catalogue, tenant: &TenantId) -> Result<(), FireError> {
        let queued = self.lock_desk().parked_of(tenant);
        match catalogue.tenant(tenant).and_then(|record| record.quotas.queued_events) {
            Some(limit) if queued as u64 >= limit => {
                Err(FireError::Quota(QuotaExceeded { quota: "queued_events", limit, used: queued as u64 }, 1))
            }
            None if queued >= self.shared.config.queue_per_tenant => Err(FireError::QueueFull { queued }),
            _ => Ok(()),
        }
    }

    /// Counts an event of `tenant` that is being accepted. The platform's own are not counted: only its queue bounds it.
    ///
    /// # Errors
    /// It has as many this minute as it may.
    pub(super) fn count_event(&self, catalogue: &Catalogue, tenant: &TenantId) -> Result<(), FireError> {
        if tenant.is_shared() {
            return Ok(());
        }
        let limit =
            catalogue.tenant(tenant).map_or(Quotas::USUAL_EVENTS_PER_MINUTE, |it| it.quotas.events_per_minute());
        let counted = self.shared.minutes.add(tenant, limit, self.now());
        counted.map_err(|(exceeded, after_s)| FireError::Quota(exceeded, after_s))
    }

    /// How it was set up.
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    /// What `tenant` has under way, beside what it may have.
    pub fn under_way(&self, tenant: &Tenant) -> UnderWay {
        let desk = self.lock_desk();
        let (queued, running) = (desk.parked_of(&tenant.id), desk.running_of(&tenant.id));
        drop(desk);
        let config = &self.shared.config;
        let queue = tenant.quotas.queued_events.unwrap_or(config.queue_per_tenant as u64);
        UnderWay {
            events_per_minute: Used {
                used: self.shared.minutes.events_of(&tenant.id, self.now()),
                limit: tenant.quotas.events_per_minute(),
            },
            queued_events: Used { used: queued as u64, limit: queue },
            concurrent_runs: Used {
                used: u64::from(running),
                limit: u64::from(permits_of(tenant, config.permits.per_tenant, config.permits.total)),
            },
        }
    }
}

/// How many runs of a tenant may go on at once: none begins while it is switched off.
pub(super) fn permits_of(tenant: &Tenant, usual: u32, total: u32) -> u32 {
    if !tenant.enabled {
        return 0;
    }
    tenant.quotas.concurrent_runs.unwrap_or(usual).min(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_ms(1_000_000);

    fn add(minutes: &Minutes, tenant: &str, after_ms: u64) -> Option<u32> {
        let added = minutes.add(&tenant.parse().unwrap(), 2, NOW.plus_ms(after_ms));
        added.err().map(|(exceeded, after_s)| {
            assert_eq!((exceeded.limit, exceeded.used), (2, 2));
            after_s
        })
    }

    #[test]
    fn a_minute_begins_with_its_first_event_and_is_told_how_long_it_still_is() {
        let minutes = Minutes::default();
        assert_eq!((add(&minutes, "a", 0), add(&minutes, "a", 10)), (None, None));
        assert_eq!((add(&minutes, "a", 20), add(&minutes, "a", 59_999)), (Some(60), Some(1)));
        assert_eq!(add(&minutes, "b", 20), None, "others have minutes of their own");
        assert_eq!(minutes.events_of(&"a".parse().unwrap(), NOW), 2);
        assert_eq!(minutes.events_of(&"a".parse().unwrap(), NOW.plus_ms(60_000)), 0);
        assert_eq!(add(&minutes, "a", 60_000), None);
    }

    #[test]
    fn a_clock_that_was_set_back_locks_nobody_out() {
        let minutes = Minutes::default();
        let fired = [3_600_000, 3_600_000, 3_600_000].map(|after_ms| add(&minutes, "a", after_ms));
        assert_eq!(fired, [None, None, Some(60)]);
        assert_eq!(add(&minutes, "a", 0), None);
    }

    #[test]
    fn minutes_that_are_over_are_forgotten() {
        let minutes = Minutes::default();
        let add_all = |at: Timestamp, first: usize| {
            for number in first..first + MINUTES_MAX {
                minutes.add(&format!("t{number}").parse().unwrap(), 1, at).unwrap();
            }
            minutes.0.lock().unwrap().len()
        };
        assert_eq!(add_all(NOW, 0), MINUTES_MAX);
        assert_eq!(add_all(NOW.plus_ms(60_000), MINUTES_MAX), MINUTES_MAX);
    }
}
