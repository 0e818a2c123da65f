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
