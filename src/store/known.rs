//! Every object that anybody said something about, in order, so that lists of objects are walked and not searched.
//!
//! An object is known to who registered it, registered something below it, or attached something to it. It is on top
//! where its owner registered nothing above it.

use crate::domain::{ObjectRef, TenantId};
use rpds::RedBlackTreeSetSync;
use std::iter::Peekable;
use std::sync::Arc;

type Objects = RedBlackTreeSetSync<(TenantId, Arc<ObjectRef>)>;

#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    all: Objects,
    tops: Objects,
}

/// What a tenant has to do with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Unknown,
    OnTop,
    Below,
}

impl Known {
    pub(super) fn set(&mut self, owner: &TenantId, object: &Arc<ObjectRef>, standing: Standing) {
        let key = (owner.clone(), Arc::clone(object));
        put(&mut self.all, &key, standing != Standing::Unknown);
        put(&mut self.tops, &key, standing == Standing::OnTop);
    }

    /// What is known to exactly this tenant behind `after`, by type and id.
    pub(super) fn all(
        &self,
        owner: &TenantId,
        after: Option<&ObjectRef>,
    ) -> impl Iterator<Item = &Arc<ObjectRef>> + use<'_> {
        behind(&self.all, owner, after)
    }

    /// The same of what is on top.
    pub(super) fn tops(
        &self,
        owner: &TenantId,
        after: Option<&ObjectRef>,
    ) -> impl Iterator<Item = &Arc<ObjectRef>> + use<'_> {
        behind(&self.tops, owner, after)
    }
}

/// Without touching what is as it should be: a copy of the path to it would be for nothing.
fn put(objects: &mut Objects, key: &(TenantId, Arc<ObjectRef>), belongs: bool) {
    match (objects.contains(key), belongs) {
        (false, true) => objects.insert_mut(key.clone()),
        (true, false) => {
            objects.remove_mut(key);
        }
        _ => {}
    }
}

/// Of a set of owners' objects those of one owner that come behind `after`.
pub(super) fn behind<'a>(
    objects: &'a Objects,
    owner: &TenantId,
    after: Option<&ObjectRef>,
) -> impl Iterator<Item = &'a Arc<ObjectRef>> + use<'a> {
    let lowest = || ObjectRef { object_type: String::new(), object_id: String::new() };
    let first = Arc::new(after.cloned().unwrap_or_else(lowest));
    let (owner, past) = (owner.clone(), Arc::clone(&first));
    let found = objects.range((owner.clone(), first)..).take_while(move |(of, _)| *of == owner);
    found.map(|(_, object)| object).skip_while(move |object| **object == past)
}

/// Two ordered lists as one, what is in both once.
pub(super) fn merged<'a>(
    one: impl Iterator<Item = &'a Arc<ObjectRef>>,
    other: impl Iterator<Item = &'a Arc<ObjectRef>>,
) -> impl Iterator<Item = &'a Arc<ObjectRef>> {
    let (mut one, mut other): (Peekable<_>, Peekable<_>) = (one.peekable(), other.peekable());
    std::iter::from_fn(move || match (one.peek(), other.peek()) {
        (Some(first), Some(second)) if first == second => {
            other.next();
            one.next()
        }
        (Some(first), Some(second)) if first > second => other.next(),
        (Some(_), _) => one.next(),
        (None, _) => other.next(),
    })
}

#[cfg(test)]
mod tests {
    use crate::domain::{ActionId, Attachment, AttachmentId, Json, ObjectRecord, ObjectRef, TenantId, Timestamp};
    use crate::store::places::Places;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};
    use std::sync::Arc;

    const OWNERS: [&str; 3] = ["", "a", "b"];

    fn object(number: u8) -> ObjectRef {
        ObjectRef::new("t".to_owned(), number.to_string()).unwrap()
    }

    fn record(owner: &TenantId, on: u8, parents: &BTreeSet<u8>) -> Arc<ObjectRecord> {
        let now = Timestamp::from_ms(0);
        Arc::new(ObjectRecord {
            owner_id: owner.clone(),
            object: object(on),
            name: String::new(),
            parents: parents.iter().copied().map(object).collect(),
            version: 1,
            created_by: String::new(),
            created_at: now,
            updated_at: now,
        })
    }

    fn attachment(owner: &TenantId, on: u8) -> Arc<Attachment> {
        let now = Timestamp::from_ms(0);
        let mut id = [0; 16];
        (id[0], id[1]) = (on, owner.as_str().len() as u8 + owner.as_str().bytes().next().unwrap_or_default());
        Arc::new(Attachment {
            id: AttachmentId::from_bytes(id),
            action_id: ActionId::from_bytes([1; 16]),
            object: object(on),
            owner_id: owner.clone(),
            input: Json::empty_object(),
            reason: String::new(),
            priority: 0,
            inherits: true,
            pin: None,
            version: 1,
            created_by: String::new(),
            created_at: now,
            updated_at: now,
        })
    }

    /// What somebody does to an object: registers it below others, forgets it, attaches to it, or detaches.
    #[derive(Clone, Debug)]
    enum Step {
        Register(usize, u8, BTreeSet<u8>),
        Forget(usize, u8),
        Attach(usize, u8),
        Detach(usize, u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        let (owner, number) = (0..OWNERS.len(), 0..6_u8);
        prop_oneof![
            3 => (owner.clone(), number.clone(), prop::collection::btree_set(0..6_u8, 0..3)).prop_map(|(o, n, above)| {
                // Only higher numbers lie above: there is no circle.
                Step::Register(o, n, above.into_iter().filter(|parent| *parent > n).collect())
            }),
            1 => (owner.clone(), number.clone()).prop_map(|(o, n)| Step::Forget(o, n)),
            2 => (owner.clone(), number.clone()).prop_map(|(o, n)| Step::Attach(o, n)),
            1 => (owner, number).prop_map(|(o, n)| Step::Detach(o, n)),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn lists_have_exactly_what_a_tenant_sees_something_of(steps in prop::collection::vec(step(), 1..40), after in 0..6_u8) {
            let (mut places, mut records, mut attached) = (Places::default(), BTreeMap::new(), BTreeSet::new());
            for step in steps {
                let owner = |place: usize| OWNERS[place].parse::<TenantId>().unwrap();
                match step {
                    Step::Register(by, on, above) => {
                        places.register(&owner(by), &object(on), Some(&record(&owner(by), on, &above)));
                        records.insert((owner(by), on), above);
                    }
                    Step::Forget(by, on) => {
                        places.register(&owner(by), &object(on), None);
                        records.remove(&(owner(by), on));
                    }
                    Step::Attach(by, on) => {
                        if attached.insert((owner(by), on)) {
                            places.attach(&attachment(&owner(by), on), None);
                        }
                    }
                    Step::Detach(by, on) => {
                        if attached.remove(&(owner(by), on)) {
                            places.detach(&attachment(&owner(by), on), None);
                        }
                    }
                }
            }
            for tenant in OWNERS.map(|name| name.parse::<TenantId>().unwrap()) {
                let seen = |owner: &TenantId| owner.is_shared() || *owner == tenant;
                let registered = records.iter().filter(|((owner, _), _)| seen(owner));
                let mut below: BTreeMap<u8, BTreeSet<u8>> = BTreeMap::new();
                for ((_, on), above) in registered.clone() {
                    for parent in above {
                        below.entry(*parent).or_default().insert(*on);
                    }
                }
                let mut known: BTreeSet<u8> = registered.clone().map(|((_, on), _)| *on).collect();
                known.extend(below.keys());
                known.extend(attached.iter().filter(|(owner, _)| seen(owner)).map(|(_, on)| *on));
                let has_parents = |on: u8| below.values().any(|children| children.contains(&on));
                let numbers = |found: Vec<&Arc<ObjectRef>>| found.into_iter().map(|it| it.object_id.parse::<u8>().unwrap()).collect::<Vec<_>>();
                let (past, after) = (object(after), after);
                for (from, cut) in [(None, None), (Some(&past), Some(after))] {
                    let is_behind = |on: &u8| cut.is_none_or(|cut| *on > cut);
                    let expected: Vec<u8> = known.iter().copied().filter(is_behind).collect();
                    prop_assert_eq!(numbers(places.known(&tenant, from).collect()), expected.clone());
                    let tops: Vec<u8> = expected.into_iter().filter(|on| !has_parents(*on)).collect();
                    prop_assert_eq!(numbers(places.tops(&tenant, from).collect()), tops);
                    for parent in 0..6 {
                        let children: Vec<u8> = below.get(&parent).into_iter().flatten().copied().filter(is_behind).collect();
                        prop_assert_eq!(numbers(places.children_behind(&tenant, &object(parent), from).collect()), children);
                    }
                }
            }
        }
    }
}
