//! Which attachments an event reaches among the objects above and below its own, and which it does not (DESIGN §3.3).
//!
//! How much is looked at is bounded by what an event may run, not by how wide the graph is.

use crate::domain::{Attachment, DEPTH_MAX, EventType, FAN_OUT_MAX, Flow, ObjectRef, TenantId, Walk};
use crate::store::{Catalogue, Channel, Spot};
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

/// An event reaches more than [`FAN_OUT_MAX`] actions, or what it reaches lies behind more than `STEPS_MAX` steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than {FAN_OUT_MAX} actions are bound to this event, or too many objects lead to them")]
pub struct FanOut;

/// Steps from object to object for one event. Where every object has one parent a thousand runs never need more than 32
/// steps each, so there it refuses nothing that the bound on runs would not; twice that leaves room for more parents.
const STEPS_MAX: usize = 64 * FAN_OUT_MAX;

/// Counts steps from object to object.
#[derive(Debug, Default)]
pub(super) struct Steps(usize);

impl Steps {
    fn take(&mut self) -> Result<(), FanOut> {
        self.0 += 1;
        if self.0 > STEPS_MAX { Err(FanOut) } else { Ok(()) }
    }
}

/// Collects the attachments that an event on `object` reaches, each with its distance, in no order.
///
/// # Errors
/// They are more than [`FAN_OUT_MAX`], which is found out without a look at the rest.
pub(super) fn reach(
    catalogue: &Catalogue,
    event_type: &EventType,
    tenant: &TenantId,
    (object, flow): (&Arc<ObjectRef>, Flow),
    steps: &mut Steps,
) -> Result<Vec<(Arc<Attachment>, u32)>, FanOut> {
    let mut reached = Vec::new();
    let channels = channels(tenant, event_type);
    let mut take = |channel: &Channel, spot: Spot<'_>, distance: u32| {
        let seen = spot.here(channel).filter(|attachment| distance == 0 || attachment.inherits);
        reached.extend(seen.map(|attachment| (Arc::clone(attachment), distance)));
        if reached.len() > FAN_OUT_MAX { Err(FanOut) } else { Ok(()) }
    };
    let mut above = HashSet::from([Arc::clone(object)]);
    let mut queue = VecDeque::from([(Arc::clone(object), 0)]);
    while let Some((scope, distance)) = queue.pop_front() {
        steps.take()?;
        let spot = catalogue.spot(&scope);
        channels.iter().try_for_each(|channel| take(channel, spot, distance))?;
        if flow.goes_up() && distance < DEPTH_MAX {
            let parents = spot.parents(tenant).filter(|parent| above.insert(Arc::clone(parent)));
            queue.extend(parents.map(|parent| (Arc::clone(parent), distance + 1)));
        }
    }
    if flow.goes_down() {
        for channel in &channels {
            let leading = |scope: &ObjectRef| catalogue.leading(channel, scope);
            below(object, leading, steps, |scope, distance| {
                // What lies above as well was taken on the way up.
                if above.contains(scope) { Ok(()) } else { take(channel, catalogue.spot(scope), distance) }
            })?;
        }
    }
    Ok(reached)
}

/// Shows everything below `object`, what is near before what is far, everything once and as soon as it is stepped on: who
/// has seen enough has not paid for the rest. It ends as deep as objects lie, see [`Walk`].
fn below<'a, I: Iterator<Item = &'a Arc<ObjectRef>>>(
    object: &Arc<ObjectRef>,
    children: impl Fn(&ObjectRef) -> I,
    steps: &mut Steps,
    mut show: impl FnMut(&Arc<ObjectRef>, u32) -> Result<(), FanOut>,
) -> Result<(), FanOut> {
    let mut seen = HashSet::from([Arc::clone(object)]);
    let mut queue = VecDeque::from([(Arc::clone(object), 0)]);
    while let Some((scope, distance)) = queue.pop_front() {
        if distance == DEPTH_MAX {
            continue;
        }
        for child in children(&scope) {
            steps.take()?;
            if seen.insert(Arc::clone(child)) {
                show(child, distance + 1)?;
                queue.push_back((Arc::clone(child), distance + 1));
            }
        }
    }
    Ok(())
}

/// Attachments of this event type on objects above and below that an event on `object` does not reach, each with its
/// distance and the reason; [`FAN_OUT_MAX`] at most, of what `STEPS_MAX` steps lead to.
pub fn unreached(
    catalogue: &Catalogue,
    event_type: &EventType,
    tenant: &TenantId,
    (object, flow): (&ObjectRef, Flow),
) -> Vec<(Arc<Attachment>, u32, &'static str)> {
    const NOT_UP: &str = "the flow of the event does not go up";
    let (object, mut above, mut found) = (Arc::new(object.clone()), HashSet::new(), Vec::new());
    let channels = channels(tenant, event_type);
    let up = Walk::new(Arc::clone(&object), |scope, found| catalogue.parents(tenant, scope, found));
    for (scope, distance) in up.take(STEPS_MAX) {
        for attachment in channels.iter().flat_map(|channel| catalogue.attachments_here(channel, &scope)) {
            let why = match (attachment.inherits, flow.goes_up()) {
                _ if distance == 0 => continue,
                (false, _) => ALONE,
                (true, false) => NOT_UP,
                (true, true) => continue,
            };
            found.push((Arc::clone(attachment), distance, why));
        }
        above.insert(scope);
        if found.len() > FAN_OUT_MAX {
            break;
        }
    }
    for channel in &channels {
        if unreached_below(catalogue, (channel, tenant), (&object, flow), &above, &mut found).is_err() {
            // There is enough, or too much to look at.
            break;
        }
    }
    found.truncate(FAN_OUT_MAX);
    found
}

/// The objects above `object`, as the tenant sees it; of as many as an event may look at.
pub fn above(catalogue: &Catalogue, tenant: &TenantId, object: &ObjectRef) -> HashSet<Arc<ObjectRef>> {
    let up = Walk::new(Arc::new(object.clone()), |scope, found| catalogue.parents(tenant, scope, found));
    up.take(STEPS_MAX).skip(1).map(|(scope, _)| scope).collect()
}

const ALONE: &str = "it sees only events on its own object (`inherits` is false)";

/// The same of one channel below `object`.
fn unreached_below(
    catalogue: &Catalogue,
    (channel, tenant): (&Channel, &TenantId),
    (object, flow): (&Arc<ObjectRef>, Flow),
    above: &HashSet<Arc<ObjectRef>>,
    found: &mut Vec<(Arc<Attachment>, u32, &'static str)>,
) -> Result<(), FanOut> {
    const NOT_DOWN: &str = "the flow of the event does not go down";
    const OWN_WAY: &str = "it is shared by the platform, and the way down to it is the tenant's own: what is shared is \
                           found downwards along shared objects only";
    // What leads to attachments is found first, however much else there is.
    let mut led_to = HashSet::new();
    let leading = |scope: &ObjectRef| catalogue.leading(channel, scope);
    let mut steps = Steps::default();
    let mut tell = |attachment: &Arc<Attachment>, distance, why| {
        found.push((Arc::clone(attachment), distance, why));
        if found.len() > FAN_OUT_MAX { Err(FanOut) } else { Ok(()) }
    };
    below(object, leading, &mut steps, |scope, distance| {
        led_to.insert(Arc::clone(scope));
        if above.contains(scope) || flow.goes_down() {
            return Ok(());
        }
        let mut here = catalogue.attachments_here(channel, scope).filter(|attachment| attachment.inherits);
        here.try_for_each(|attachment| tell(attachment, distance, NOT_DOWN))
    })?;
    let children = |scope: &ObjectRef| catalogue.children(tenant, scope);
    below(object, children, &mut Steps::default(), |scope, distance| {
        if above.contains(scope) {
            return Ok(());
        }
        for attachment in catalogue.attachments_here(channel, scope) {
            let why = match (attachment.inherits, flow.goes_down()) {
                (false, _) => ALONE,
                // Told above, or reached.
                (true, _) if led_to.contains(scope) => continue,
                (true, false) => NOT_DOWN,
                (true, true) => OWN_WAY,
            };
            tell(attachment, distance, why)?;
        }
        Ok(())
    })
}

/// The tenant's own attachments and those that the platform shares with everybody.
fn channels(tenant: &TenantId, event_type: &EventType) -> Vec<Channel> {
    let own = Channel::new(tenant, &event_type.display_name);
    let shared = Channel { owner: TenantId::shared(), trigger: Arc::clone(&own.trigger) };
    if tenant.is_shared() { vec![own] } else { vec![own, shared] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::resolve_tests::{action, attachment, catalogue_of, event_type, module};
    use crate::domain::{AttachmentId, ObjectRecord, Timestamp};
    use crate::store::Change;
    use proptest::prelude::*;

    fn object(level: usize, number: usize) -> ObjectRef {
        ObjectRef::new(format!("level.{level}"), number.to_string()).unwrap()
    }

    fn below_it(on: ObjectRef, parents: Vec<ObjectRef>) -> Change {
        let now = Timestamp::from_ms(0);
        let (created_by, name, owner_id) = ("test".to_owned(), String::new(), TenantId::shared());
        let record = ObjectRecord {
            owner_id,
            object: on,
            name,
            parents,
            version: 1,
            created_by,
            created_at: now,
            updated_at: now,
        };
        Change::PutObject(Arc::new(record))
    }

    fn attached(number: usize, on: ObjectRef) -> Change {
        let mut id = [9; 16];
        id[..8].copy_from_slice(&(number as u64).to_be_bytes());
        let id = AttachmentId::from_bytes(id);
        Change::PutAttachment(Arc::new(crate::domain::Attachment {
            id,
            object: on,
            ..attachment(0, 0, 0, &TenantId::shared())
        }))
    }

    /// What an event on the top reaches, and after how many steps that was known.
    fn from_top(changes: impl IntoIterator<Item = Change>) -> (Result<usize, FanOut>, usize) {
        let shared = TenantId::shared();
        let first = [module(), Change::PutAction(Arc::new(action(0, &shared)))];
        let catalogue = catalogue_of(first.into_iter().chain(changes));
        let mut steps = Steps::default();
        let top = (&Arc::new(object(0, 0)), Flow::Both);
        let reached = reach(&catalogue, &event_type("booked", None), &shared, top, &mut steps);
        (reached.map(|reached| reached.len()), steps.0)
    }

    /// `width` objects right below the top, each with `depth - 1` more below it in a line, the last of which is attached to.
    fn fan(width: usize, depth: usize) -> impl Iterator<Item = Change> {
        (0..width).flat_map(move |number| {
            let parent = move |level: usize| if level == 1 { object(0, 0) } else { object(level - 1, number) };
            let line = (1..=depth).map(move |level| below_it(object(level, number), vec![parent(level)]));
            line.chain([attached(number, object(depth, number))])
        })
    }

    /// All of the children were put in a line before the first of them was looked at, however many there were.
    #[test]
    fn a_fan_out_that_is_too_wide_is_refused_after_as_many_steps_as_it_may_be_wide() {
        assert_eq!(from_top(fan(FAN_OUT_MAX, 1)), (Ok(FAN_OUT_MAX), FAN_OUT_MAX + 1));
        for width in [FAN_OUT_MAX + 1, 20 * FAN_OUT_MAX] {
            assert_eq!(from_top(fan(width, 1)), (Err(FanOut), FAN_OUT_MAX + 2), "{width}");
        }
    }

    #[test]
    fn what_is_looked_at_is_bounded_also_where_nothing_is_attached_for_long() {
        // A thousand runs, each at the end of the longest way there may be.
        assert_eq!(from_top(fan(FAN_OUT_MAX, 32)), (Ok(FAN_OUT_MAX), 32 * FAN_OUT_MAX + 1));
        let (refused, steps) = from_top(fan(FAN_OUT_MAX + 1, 8));
        assert_eq!((refused, steps <= 8 * FAN_OUT_MAX + 16), (Err(FanOut), true), "{steps}");
    }

    /// Few runs behind very many ways to them.
    #[test]
    fn a_graph_with_more_ways_than_are_looked_at_is_refused() {
        let tangled = |middle: usize| {
            let upper = (0..32).map(|number| below_it(object(1, number), vec![object(0, 0)]));
            let all: Vec<ObjectRef> = (0..32).map(|number| object(1, number)).collect();
            let middles = (0..middle).map(move |number| below_it(object(2, number), all.clone()));
            let leaves = (0..middle.div_ceil(32)).flat_map(move |leaf| {
                let above = (leaf * 32..middle.min(leaf * 32 + 32)).map(|number| object(2, number));
                [below_it(object(3, leaf), above.collect()), attached(leaf, object(3, leaf))]
            });
            upper.chain(middles).chain(leaves)
        };
        // Itself, what is right below it, 32 ways to each in the middle, and one on from each of those.
        let steps = |middle: usize| 1 + 32 + 33 * middle;
        let most = (STEPS_MAX - 33) / 33;
        assert_eq!(from_top(tangled(most)), (Ok(most.div_ceil(32)), steps(most)));
        assert_eq!(from_top(tangled(most + 1)), (Err(FanOut), STEPS_MAX + 1));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

        /// Leaves below random graphs, around as many as an event may reach.
        #[test]
        fn an_event_reaches_all_that_is_below_it_or_is_refused_as_one_that_reaches_too_much(
            middle in proptest::collection::vec(proptest::collection::vec(0..6_usize, 1..3), 5),
            leaves in proptest::collection::vec((proptest::collection::vec(0..5_usize, 1..4), proptest::bool::weighted(0.999)), 990..1_040),
        ) {
            // Of 0 to 5 the 0 is the top, and a higher number lies below lower ones.
            let above = |place: usize| middle[place].iter().copied().filter(move |parent| *parent <= place);
            let mut below_top = vec![true];
            for place in 0..middle.len() {
                let is_below = above(place).any(|parent| below_top[parent]);
                below_top.push(is_below);
            }
            let named = |number: usize| if number == 0 { object(0, 0) } else { object(1, number) };
            let registered = (0..middle.len()).map(|place| {
                below_it(named(place + 1), above(place).collect::<std::collections::BTreeSet<_>>().into_iter().map(named).collect())
            });
            let mut expected = 0;
            let mut hung = Vec::new();
            for (number, (parents, inherits)) in leaves.iter().enumerate() {
                let parents: std::collections::BTreeSet<usize> = parents.iter().map(|parent| parent + 1).collect();
                expected += usize::from(*inherits && parents.iter().any(|parent| below_top[*parent]));
                hung.push(below_it(object(2, number), parents.into_iter().map(named).collect()));
                hung.push(match attached(number, object(2, number)) {
                    Change::PutAttachment(made) => Change::PutAttachment(Arc::new(crate::domain::Attachment { inherits: *inherits, ..made.as_ref().clone() })),
                    other => other,
                });
            }
            let (reached, _) = from_top(registered.chain(hung));
            prop_assert_eq!(reached, if expected > FAN_OUT_MAX { Err(FanOut) } else { Ok(expected) });
        }
    }

    #[test]
    fn one_that_is_reached_on_many_ways_is_reached_once() {
        let middle = (0..32).map(|number| below_it(object(1, number), vec![object(0, 0)]));
        let leaf = below_it(object(2, 0), (0..32).map(|number| object(1, number)).collect());
        let changes = middle.chain([leaf, attached(0, object(2, 0))]);
        assert_eq!(from_top(changes), (Ok(1), 1 + 32 + 32));
    }
}
