//! Which schedule fires next: schedules in the order of their time, so that those that wait cost nothing.

use super::Catalogue;
use super::named::{Named, NamedId};
use crate::domain::{EventType, Schedule, ScheduleId, Timestamp};
use rpds::RedBlackTreeSetSync;
use std::sync::Arc;

/// Persistent: a change costs its own size.
#[derive(Clone, Debug, Default)]
pub(super) struct Timetable(RedBlackTreeSetSync<(Timestamp, ScheduleId)>);

impl Catalogue {
    /// The schedules that will fire, the next first, each with when.
    pub fn schedules_by_time(&self) -> impl Iterator<Item = (Timestamp, &Arc<Schedule>)> {
        self.timetable.0.iter().filter_map(|(at, id)| self.schedules().get(*id).map(|schedule| (*at, schedule)))
    }

    /// The schedules that fire this event type.
    pub fn schedules_firing(&self, event_type: &EventType) -> impl Iterator<Item = &Arc<Schedule>> {
        let firing = |schedule: &&Arc<Schedule>| {
            schedule.enabled
                && schedule.event_type.folded() == event_type.display_name.folded()
                && (event_type.owner_id.is_shared() || schedule.header.owner_id == event_type.owner_id)
        };
        self.schedules().iter().filter(firing)
    }

    /// Puts the time of `entry`, if it is a schedule, in the place of the one it had.
    pub(super) fn retime(&mut self, entry: &Named) {
        if let Named::Schedule(schedule) = entry {
            self.untime(entry.id());
            if let Some(at) = schedule.next_at {
                self.timetable.0.insert_mut((at, schedule.header.id));
            }
        }
    }

    pub(super) fn untime(&mut self, id: NamedId) {
        if let NamedId::Schedule(id) = id
            && let Some(at) = self.schedules().get(id).and_then(|schedule| schedule.next_at)
        {
            self.timetable.0.remove_mut(&(at, id));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Header, Json, TenantId, Timing};
    use crate::store::{Change, Conflict, Expectation};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const NOW: Timestamp = Timestamp::from_ms(0);

    fn schedule(number: u8, next_ms: Option<i64>) -> Schedule {
        let id = ScheduleId::from_bytes([number; 16]);
        let header = Header::new((id, TenantId::shared(), format!("s{number}").parse().unwrap()), "test", NOW);
        Schedule {
            header,
            event_type: "nobody".parse().unwrap(),
            object: None,
            payload: Json::empty_object(),
            enabled: false,
            timing: Timing::At(NOW),
            next_at: next_ms.map(Timestamp::from_ms),
            last: None,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_fires_is_in_the_order_of_its_time(
            steps in prop::collection::vec((0..6_u8, prop::option::of(prop::option::weighted(0.8, 0..9_i64))), 0..40),
        ) {
            let (mut catalogue, mut model) = (Catalogue::default(), BTreeMap::new());
            for (number, step) in steps {
                let id = ScheduleId::from_bytes([number; 16]);
                match step {
                    Some(next_ms) => {
                        catalogue.apply(&Change::Put(schedule(number, next_ms).into())).unwrap();
                        model.insert(id, next_ms);
                    }
                    None => {
                        let deleted = catalogue.apply(&Change::Delete(NamedId::Schedule(id))).is_ok();
                        prop_assert_eq!(deleted, model.remove(&id).is_some());
                    }
                }
                let found: Vec<_> = catalogue.schedules_by_time().map(|(at, s)| (at.as_ms(), s.header.id)).collect();
                let mut expected: Vec<_> = model.iter().filter_map(|(id, next)| next.map(|next| (next, *id))).collect();
                expected.sort_unstable();
                prop_assert_eq!(found, expected);
            }
        }
    }

    #[test]
    fn one_that_fired_meanwhile_is_not_what_was_expected() {
        let catalogue = Catalogue::of([Change::Put(schedule(1, Some(5)).into())]).unwrap();
        let check = |number: u8, version: u64, next_ms: Option<i64>| {
            let id = ScheduleId::from_bytes([number; 16]);
            catalogue.check(&Expectation::Unfired(id, version, next_ms.map(Timestamp::from_ms)))
        };
        assert_eq!(check(1, 1, Some(5)), Ok(()));
        for (version, next_ms) in [(2, Some(5)), (1, Some(6)), (1, None)] {
            assert!(matches!(check(1, version, next_ms), Err(Conflict::Version { .. })));
        }
        assert!(matches!(check(2, 1, Some(5)), Err(Conflict::Gone { .. })));
    }
}
