//! Scopes: which objects lie above and below an object, and how far events reach among them (DESIGN §3.3).
//!
//! The rules know the graph by what is next to an object only, so that they hold for any way to keep it.

use serde::{Deserialize, Serialize};
use std::collections::{HashSet, VecDeque};
use std::hash::Hash;

/// The longest way from an object to one above it.
pub const DEPTH_MAX: u32 = 32;
/// Parents that one object may have: its type, its place, its organisation and some more.
pub const PARENTS_MAX: usize = 32;
/// Runs that one event may have.
pub const FAN_OUT_MAX: usize = 1_000;

/// Which attachments, besides those on its own object, an event reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Flow {
    /// Those above and those below.
    #[default]
    Both,
    /// Those on the objects above.
    Up,
    /// Those on the objects below.
    Down,
    None,
}

impl Flow {
    pub const fn goes_up(self) -> bool {
        matches!(self, Flow::Both | Flow::Up)
    }

    pub const fn goes_down(self) -> bool {
        matches!(self, Flow::Both | Flow::Down)
    }

    /// Where both flows go: one fire can narrow what its event type allows, never widen it.
    #[must_use]
    pub const fn narrowed(self, other: Flow) -> Flow {
        match (self.goes_up() && other.goes_up(), self.goes_down() && other.goes_down()) {
            (true, true) => Flow::Both,
            (true, false) => Flow::Up,
            (false, true) => Flow::Down,
            (false, false) => Flow::None,
        }
    }
}

/// Why an object cannot have these parents.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GraphError<N> {
    #[error("the object would lie above itself: it is above `{through}` already")]
    Cycle {
        /// The parent that closes the cycle.
        through: N,
    },
    #[error("objects would lie {depth} levels deep; {DEPTH_MAX} are the most")]
    TooDeep { depth: u32 },
}

/// The way from an object to all that `next` leads to: the object itself at distance 0, then what is near before what
/// is far, everything once. It ends at [`DEPTH_MAX`].
pub struct Walk<N, F> {
    seen: HashSet<N>,
    queue: VecDeque<(N, u32)>,
    next: F,
}

impl<N: Clone + Eq + Hash, F: FnMut(&N, &mut Vec<N>)> Walk<N, F> {
    /// `next` adds what lies next to an object: its parents, or its children.
    pub fn new(from: N, next: F) -> Walk<N, F> {
        Walk { seen: HashSet::from([from.clone()]), queue: VecDeque::from([(from, 0)]), next }
    }
}

impl<N: Clone + Eq + Hash, F: FnMut(&N, &mut Vec<N>)> Iterator for Walk<N, F> {
    type Item = (N, u32);

    fn next(&mut self) -> Option<(N, u32)> {
        let (node, distance) = self.queue.pop_front()?;
        if distance < DEPTH_MAX {
            let mut found = Vec::new();
            (self.next)(&node, &mut found);
            for other in found {
                if self.seen.insert(other.clone()) {
                    self.queue.push_back((other, distance + 1));
                }
            }
        }
        Some((node, distance))
    }
}

/// Whether `object` may have exactly `parents`.
///
/// # Errors
/// It would lie above itself, or the longest way through it would be longer than [`DEPTH_MAX`].
pub fn check_parents<N: Clone + Eq + Hash>(
    object: &N,
    parents: &[N],
    mut parents_of: impl FnMut(&N, &mut Vec<N>),
    children_of: impl FnMut(&N, &mut Vec<N>),
) -> Result<(), GraphError<N>> {
    for parent in parents {
        if Walk::new(parent.clone(), &mut parents_of).any(|(above, _)| above == *object) {
            return Err(GraphError::Cycle { through: parent.clone() });
        }
    }
    if parents.is_empty() {
        return Ok(());
    }
    let above = 1 + longest(parents.to_vec(), parents_of);
    let depth = above + longest(vec![object.clone()], children_of);
    if depth > DEPTH_MAX { Err(GraphError::TooDeep { depth }) } else { Ok(()) }
}

/// The longest way that begins at any of `from`, counted no further than one step too many.
fn longest<N: Eq + Hash>(from: Vec<N>, mut next: impl FnMut(&N, &mut Vec<N>)) -> u32 {
    let mut level = from;
    for length in 0..=DEPTH_MAX {
        let mut found = Vec::new();
        level.iter().for_each(|node| next(node, &mut found));
        if found.is_empty() {
            return length;
        }
        level = found.into_iter().collect::<HashSet<N>>().into_iter().collect();
    }
    DEPTH_MAX + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Children and their parents.
    type Edges = Vec<(u32, u32)>;

    fn up(edges: &Edges) -> impl Fn(&u32, &mut Vec<u32>) {
        |node, found| found.extend(edges.iter().filter(|(child, _)| child == node).map(|(_, parent)| *parent))
    }

    fn down(edges: &Edges) -> impl Fn(&u32, &mut Vec<u32>) {
        |node, found| found.extend(edges.iter().filter(|(_, parent)| parent == node).map(|(child, _)| *child))
    }

    #[test]
    fn what_is_near_comes_before_what_is_far_and_once() {
        let diamond = vec![(1, 2), (1, 3), (2, 4), (3, 4), (1, 4), (4, 5)];
        assert_eq!(Walk::new(1, up(&diamond)).collect::<Vec<_>>(), [(1, 0), (2, 1), (3, 1), (4, 1), (5, 2)]);
        assert_eq!(Walk::new(4, down(&diamond)).collect::<Vec<_>>(), [(4, 0), (2, 1), (3, 1), (1, 1)]);
    }

    #[test]
    fn an_object_cannot_lie_above_itself() {
        let edges = vec![(1, 2), (2, 3)];
        let check = |object, parents: &[u32]| check_parents(&object, parents, up(&edges), down(&edges));
        assert_eq!(check(3, &[9, 1]), Err(GraphError::Cycle { through: 1 }));
        assert_eq!(check(1, &[1]), Err(GraphError::Cycle { through: 1 }));
        assert_eq!(check(1, &[2, 3]), Ok(()));
    }

    #[test]
    fn objects_lie_at_most_so_deep_whichever_end_grows() {
        let chain: Edges = (0..DEPTH_MAX - 1).map(|n| (n, n + 1)).collect();
        let check = |object, parent| check_parents(&object, &[parent], up(&chain), down(&chain));
        // One more above the top or below the bottom is the last; two are one too many.
        assert_eq!(check(DEPTH_MAX - 1, 100), Ok(()));
        assert_eq!(check(100, 0), Ok(()));
        let longer: Edges = chain.iter().copied().chain([(DEPTH_MAX - 1, DEPTH_MAX)]).collect();
        let check = |object, parent| check_parents(&object, &[parent], up(&longer), down(&longer));
        assert_eq!(check(DEPTH_MAX, 100), Err(GraphError::TooDeep { depth: DEPTH_MAX + 1 }));
        assert_eq!(check(100, 0), Err(GraphError::TooDeep { depth: DEPTH_MAX + 1 }));
    }

    #[test]
    fn a_flow_is_only_narrowed() {
        assert_eq!(Flow::Both.narrowed(Flow::Up), Flow::Up);
        assert_eq!(Flow::Down.narrowed(Flow::Both), Flow::Down);
        assert_eq!(Flow::Up.narrowed(Flow::Down), Flow::None);
        assert_eq!(Flow::None.narrowed(Flow::Both), Flow::None);
    }
}
