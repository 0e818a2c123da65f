//! The one order of attachments (DESIGN §3.3), and what puts one of them elsewhere in it.

use crate::domain::{Attachment, AttachmentId, Timestamp};
use std::cmp::Reverse;

/// Where an attachment stands among those that an event reaches: a higher priority first, then the nearer scope, then the
/// older.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    priority: Reverse<i32>,
    /// What decides among equal priorities: distance, time, id.
    rest: Rest,
}

type Rest = (u32, Timestamp, AttachmentId);

impl Rank {
    pub fn of(attachment: &Attachment, distance: u32) -> Rank {
        let rest = (distance, attachment.created_at, attachment.id);
        Rank { priority: Reverse(attachment.priority), rest }
    }

    pub fn priority(&self) -> i32 {
        self.priority.0
    }
}

/// So far apart from its neighbour is what is put first or last: there is room between them for what comes later.
const GAP: i64 = 10;

/// Attachments in order, each with whether its priority may be changed.
type Ranks<'a> = &'a [(Rank, bool)];

#[derive(Clone, Copy)]
enum Side {
    Before,
    Behind,
}

impl Side {
    /// The priority next to that of `other` with which `one` stands on this side of it.
    fn bound(self, ranks: Ranks<'_>, one: usize, (other, priority): (usize, i64)) -> i64 {
        let (one, other) = (ranks[one].0.rest, ranks[other].0.rest);
        match self {
            Side::Before => priority + i64::from(one > other),
            Side::Behind => priority - i64::from(one < other),
        }
    }

    fn holds(self, priority: i64, bound: i64) -> bool {
        match self {
            Side::Before => priority >= bound,
            Side::Behind => priority <= bound,
        }
    }
}

/// The priorities that put the one at `from` before the one that stands at `to` now; behind all with `to` past the last.
/// As few are changed as can be on one side of the place, mostly only that of the one that moves. `None` when one would
/// have to be changed that may not.
pub fn moved(ranks: &[(Rank, bool)], from: usize, to: usize) -> Option<Vec<(usize, i32)>> {
    if !ranks.get(from)?.1 {
        return None;
    }
    let mut places: Vec<usize> = (0..ranks.len()).filter(|place| *place != from).collect();
    let at = to.min(ranks.len()) - usize::from(to > from);
    places.insert(at, from);
    let (before, behind) = (&places[..at], &places[at + 1..]);
    let bound =
        |side: Side, next: Option<&usize>| next.map(|next| side.bound(ranks, from, (*next, priority(ranks, *next))));
    let (lowest, highest) = (bound(Side::Before, behind.first()), bound(Side::Behind, before.last()));
    let now = priority(ranks, from);
    let fitting = match (lowest, highest) {
        (lowest, highest) if lowest.is_none_or(|it| it <= now) && highest.is_none_or(|it| now <= it) => now,
        (Some(lowest), Some(highest)) => lowest.midpoint(highest),
        (Some(lowest), None) => lowest.max((lowest + GAP).min(i64::from(i32::MAX))),
        (None, Some(highest)) => highest.min((highest - GAP).max(i64::from(i32::MIN))),
        (None, None) => now,
    };
    if lowest.zip(highest).is_none_or(|(lowest, highest)| lowest <= highest)
        && let Ok(priority) = i32::try_from(fitting)
    {
        return Some(if fitting == now { Vec::new() } else { vec![(from, priority)] });
    }
    // There is no room: those on one side make some.
    let (lowest, highest) = (lowest.unwrap_or(i32::MIN.into()), highest.unwrap_or(i32::MAX.into()));
    let raised = pushed(ranks, (from, lowest), before.iter().rev(), Side::Before);
    let lowered = pushed(ranks, (from, highest), behind.iter(), Side::Behind);
    match (raised, lowered) {
        (Some(raised), Some(lowered)) => Some(if lowered.len() < raised.len() { lowered } else { raised }),
        (raised, lowered) => raised.or(lowered),
    }
}

fn priority(ranks: Ranks<'_>, place: usize) -> i64 {
    i64::from(ranks[place].0.priority())
}

/// Gives the first its priority, and each of the others as much as it needs to stay on its side of the one before.
fn pushed<'a>(
    ranks: Ranks<'_>,
    first: (usize, i64),
    others: impl Iterator<Item = &'a usize>,
    side: Side,
) -> Option<Vec<(usize, i32)>> {
    let (mut changes, mut last) = (vec![first], first);
    for place in others.copied() {
        let bound = side.bound(ranks, place, last);
        if side.holds(priority(ranks, place), bound) {
            break;
        }
        if !ranks[place].1 {
            return None;
        }
        last = (place, bound);
        changes.push(last);
    }
    changes.retain(|(place, changed)| *changed != priority(ranks, *place));
    changes.into_iter().map(|(place, changed)| Some((place, i32::try_from(changed).ok()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rank(priority: i32, distance: u32, number: usize) -> Rank {
        let mut id = [0; 16];
        id[8..].copy_from_slice(&(number as u64).to_be_bytes());
        Rank { priority: Reverse(priority), rest: (distance, Timestamp::from_ms(0), AttachmentId::from_bytes(id)) }
    }

    /// The order that the changes make, as places in the one before.
    fn order_after(ranks: Ranks<'_>, changes: &[(usize, i32)]) -> Vec<usize> {
        let mut changed: Vec<(Rank, usize)> = ranks.iter().map(|(rank, _)| *rank).zip(0..).collect();
        for (place, priority) in changes {
            changed[*place].0.priority = Reverse(*priority);
        }
        changed.sort();
        changed.into_iter().map(|(_, place)| place).collect()
    }

    fn free(priorities: &[i32]) -> Vec<(Rank, bool)> {
        priorities.iter().enumerate().map(|(number, priority)| (rank(*priority, 0, number), true)).collect()
    }

    #[test]
    fn where_there_is_room_only_what_moves_is_changed() {
        let ranks = free(&[30, 20, 10]);
        assert_eq!(moved(&ranks, 2, 1), Some(vec![(2, 25)]));
        assert_eq!(moved(&ranks, 2, 0), Some(vec![(2, 41)]));
        assert_eq!(moved(&ranks, 0, 3), Some(vec![(0, -1)]));
        assert_eq!(moved(&ranks, 1, 1), Some(Vec::new()));
        assert_eq!(moved(&ranks, 1, 2), Some(Vec::new()));
    }

    #[test]
    fn where_there_is_none_the_side_with_less_to_change_makes_some() {
        let ranks = free(&[0, 0, 0, 0]);
        assert_eq!(moved(&ranks, 3, 1), Some(vec![(3, 1), (0, 1)]));
        assert_eq!(moved(&ranks, 0, 3), Some(vec![(2, 1), (1, 1)]));
        let mut fixed = ranks.clone();
        fixed[0].1 = false;
        assert_eq!(moved(&fixed, 3, 1), Some(vec![(1, -1), (2, -1)]));
        fixed[2].1 = false;
        assert_eq!(moved(&fixed, 3, 1), None, "both sides have one that is not ours to change");
        assert_eq!(moved(&fixed, 0, 2), None);
    }

    #[test]
    fn priorities_end_where_numbers_end() {
        let ranks = free(&[i32::MAX, i32::MAX, 5]);
        // The first cannot go higher: the other goes below it.
        assert_eq!(moved(&ranks, 2, 0), Some(vec![(2, i32::MAX), (0, i32::MAX - 1), (1, i32::MAX - 1)]));
        assert_eq!(moved(&free(&[i32::MAX, 5]), 1, 0), Some(vec![(1, i32::MAX), (0, i32::MAX - 1)]));
        assert_eq!(moved(&free(&[i32::MAX - 2, 5]), 1, 0), Some(vec![(1, i32::MAX)]));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_moved_stands_where_it_was_put_and_the_others_stay_in_their_order(
            made in proptest::collection::vec((-2..3_i32, 0..3_u32, proptest::bool::weighted(0.8)), 1..9),
            from in 0..8_usize,
            to in 0..9_usize,
        ) {
            let mut ranks: Vec<(Rank, bool)> =
                made.iter().enumerate().map(|(number, (priority, distance, may))| (rank(*priority, *distance, number), *may)).collect();
            ranks.sort();
            let (from, to) = (from % ranks.len(), to % (ranks.len() + 1));
            let Some(changes) = moved(&ranks, from, to) else {
                prop_assert!(ranks.iter().any(|(_, may)| !may));
                return Ok(());
            };
            prop_assert!(changes.iter().all(|(place, _)| ranks[*place].1));
            let mut expected: Vec<usize> = (0..ranks.len()).filter(|place| *place != from).collect();
            expected.insert(to - usize::from(to > from), from);
            prop_assert_eq!(order_after(&ranks, &changes), expected);
        }
    }
}
