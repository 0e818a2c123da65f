//! Where things stand in memory: who is above whom, and what is attached where.
//!
//! An event on a high object must find what is attached below it without looking at everything that is below it. So
//! for every channel (a tenant's attachments of one trigger) each object knows which of its children lead to one.
//! A tenant's graph is its own and the shared one together.

use super::known::{Known, Standing, behind, merged};
use crate::domain::{Attachment, AttachmentId, ObjectRecord, ObjectRef, TenantId};
use rpds::{HashTrieMapSync, RedBlackTreeMapSync, RedBlackTreeSetSync};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The attachments of one owner that one trigger runs. The trigger is a folded name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Channel {
    pub owner: TenantId,
    pub trigger: Arc<str>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    at: HashTrieMapSync<Arc<ObjectRef>, Place>,
    known: Known,
}

/// All that is known at one object. It is there as long as anything is.
#[derive(Clone, Debug, Default)]
struct Place {
    records: RedBlackTreeMapSync<TenantId, Registered>,
    /// Objects that a tenant registered below this one.
    children: RedBlackTreeSetSync<(TenantId, Arc<ObjectRef>)>,
    attached: RedBlackTreeMapSync<AttachmentId, Arc<Attachment>>,
    channels: RedBlackTreeMapSync<Channel, Reach>,
}

#[derive(Clone, Debug)]
struct Registered {
    record: Arc<ObjectRecord>,
    parents: Arc<[Arc<ObjectRef>]>,
}

/// What one channel has at an object.
#[derive(Clone, Debug, Default)]
struct Reach {
    /// Attached right here.
    here: RedBlackTreeMapSync<AttachmentId, Arc<Attachment>>,
    /// How many of those are seen from elsewhere.
    inheriting: usize,
    /// Children that lead to attachments that are seen from here.
    below: RedBlackTreeSetSync<Arc<ObjectRef>>,
}

impl Reach {
    fn leads_on(&self) -> bool {
        self.inheriting > 0 || !self.below.is_empty()
    }

    fn is_empty(&self) -> bool {
        self.here.is_empty() && self.below.is_empty()
    }
}

impl Place {
    fn standing(&self, owner: &TenantId) -> Standing {
        let record = self.records.get(owner);
        let is_known = || {
            record.is_some()
                || behind(&self.children, owner, None).next().is_some()
                || self.attached.values().any(|attachment| attachment.owner_id == *owner)
        };
        match record {
            Some(record) if !record.parents.is_empty() => Standing::Below,
            _ if is_known() => Standing::OnTop,
            _ => Standing::Unknown,
        }
    }

    fn is_empty(&self) -> bool {
        self.records.is_empty() && self.children.is_empty() && self.attached.is_empty() && self.channels.is_empty()
    }
}

/// What is known at one object.
#[derive(Clone, Copy)]
pub struct Spot<'a>(Option<&'a Place>);

impl<'a> Spot<'a> {
    /// The objects right above, as the tenant sees it.
    pub fn parents(self, tenant: &TenantId) -> impl Iterator<Item = &'a Arc<ObjectRef>> + use<'a> {
        let records = self.0.map(|place| &place.records).filter(|records| !records.is_empty());
        let seen = records.into_iter().flat_map({
            let tenant = tenant.clone();
            move |records| views(&tenant).filter_map(|view| records.get(&view))
        });
        seen.flat_map(|registered| registered.parents.iter())
    }

    /// The attachments of a channel on exactly this object.
    pub fn here(self, channel: &Channel) -> impl Iterator<Item = &'a Arc<Attachment>> + use<'a> {
        let reach = self.0.and_then(|place| place.channels.get(channel));
        reach.into_iter().flat_map(|reach| reach.here.values())
    }

    /// The objects right below that lead to attachments of the channel which see events from above.
    pub fn leading(self, channel: &Channel) -> impl Iterator<Item = &'a Arc<ObjectRef>> + use<'a> {
        let reach = self.0.and_then(|place| place.channels.get(channel));
        reach.into_iter().flat_map(|reach| reach.below.iter())
    }
}

impl Places {
    /// The object as the maps have it, so that a reference is kept once.
    fn shared_ref(&self, object: &ObjectRef) -> Arc<ObjectRef> {
        self.at.get_key_value(object).map_or_else(|| Arc::new(object.clone()), |(known, _)| Arc::clone(known))
    }

    fn change<T>(&mut self, object: &Arc<ObjectRef>, change: impl FnOnce(&mut Place) -> T) -> T {
        let mut place = self.at.get(object).cloned().unwrap_or_default();
        let result = change(&mut place);
        if place.is_empty() {
            self.at.remove_mut(object);
        } else {
            self.at.insert_mut(Arc::clone(object), place);
        }
        result
    }

    /// What `tenant` itself registered.
    pub(super) fn record(&self, tenant: &TenantId, object: &ObjectRef) -> Option<&Arc<ObjectRecord>> {
        self.at.get(object)?.records.get(tenant).map(|registered| &registered.record)
    }

    /// What is known at an object, looked up once.
    pub(super) fn spot(&self, object: &ObjectRef) -> Spot<'_> {
        Spot(self.at.get(object))
    }

    /// The objects right above, as `tenant` sees it.
    pub(super) fn parents(&self, tenant: &TenantId, object: &ObjectRef, found: &mut Vec<Arc<ObjectRef>>) {
        found.extend(self.spot(object).parents(tenant).cloned());
    }

    /// The objects right below, as `tenant` sees it.
    pub(super) fn children(
        &self,
        tenant: &TenantId,
        object: &ObjectRef,
    ) -> impl Iterator<Item = &Arc<ObjectRef>> + use<'_> {
        let place = self.at.get(object);
        views(tenant)
            .flat_map(move |view| place.into_iter().flat_map(move |place| behind(&place.children, &view, None)))
    }

    /// The same behind `after`, by type and id and each once.
    pub(super) fn children_behind(
        &self,
        tenant: &TenantId,
        object: &ObjectRef,
        after: Option<&ObjectRef>,
    ) -> impl Iterator<Item = &Arc<ObjectRef>> + use<'_> {
        let place = self.at.get(object);
        let mut of_views = views(tenant).map(|view| place.map(|place| behind(&place.children, &view, after)));
        let (own, shared) = (of_views.next().flatten(), of_views.next().flatten());
        merged(own.into_iter().flatten(), shared.into_iter().flatten())
    }

    /// Every object that `tenant` sees, behind `after`, by type and id.
    pub(super) fn known(
        &self,
        tenant: &TenantId,
        after: Option<&ObjectRef>,
    ) -> impl Iterator<Item = &Arc<ObjectRef>> + use<'_> {
        let mut of_views = views(tenant).map(|view| self.known.all(&view, after));
        let (own, shared) = (of_views.next(), of_views.next());
        merged(own.into_iter().flatten(), shared.into_iter().flatten())
    }

    /// Those of them above which nothing lies.
    pub(super) fn tops(
        &self,
        tenant: &TenantId,
        after: Option<&ObjectRef>,
    ) -> impl Iterator<Item = &Arc<ObjectRef>> + use<'_> {
        let mut of_views = views(tenant).map(|view| self.known.tops(&view, after));
        let (own, shared) = (of_views.next(), of_views.next());
        let tenant = tenant.clone();
        // What is on top for one may lie below something for the other.
        merged(own.into_iter().flatten(), shared.into_iter().flatten())
            .filter(move |object| self.spot(object).parents(&tenant).next().is_none())
    }

    /// Keeps what is known of an object to `owner` in step with what there is.
    fn note(&mut self, owner: &TenantId, object: &Arc<ObjectRef>) {
        let place = self.at.get(object);
        let standing = place.map_or(Standing::Unknown, |place| place.standing(owner));
        self.known.set(owner, object, standing);
    }

    /// Every attachment on exactly this object, whoever owns it.
    pub(super) fn attached(&self, object: &ObjectRef) -> impl Iterator<Item = &Arc<Attachment>> {
        self.at.get(object).into_iter().flat_map(|place| place.attached.values())
    }

    fn leads_on(&self, channel: &Channel, object: &ObjectRef) -> bool {
        self.at.get(object).and_then(|place| place.channels.get(channel)).is_some_and(Reach::leads_on)
    }

    /// Puts `record` in the place of what its owner registered before; `None` takes that away.
    pub(super) fn register(&mut self, owner: &TenantId, object: &ObjectRef, record: Option<&Arc<ObjectRecord>>) {
        let object = self.shared_ref(object);
        let channels = self.channels_along(owner, &object);
        let before: Vec<BTreeSet<Arc<ObjectRef>>> = channels.iter().map(|c| self.above(c, &object)).collect();
        let parents: Arc<[Arc<ObjectRef>]> =
            record.into_iter().flat_map(|record| &record.parents).map(|parent| self.shared_ref(parent)).collect();
        let old = self.change(&object, |place| {
            let old = place.records.get(owner).cloned();
            match record {
                Some(record) => {
                    let registered = Registered { record: Arc::clone(record), parents: Arc::clone(&parents) };
                    place.records.insert_mut(owner.clone(), registered);
                }
                None => {
                    place.records.remove_mut(owner);
                }
            }
            old
        });
        for parent in old.iter().flat_map(|old| old.parents.iter()) {
            self.change(parent, |place| place.children.remove_mut(&(owner.clone(), Arc::clone(&object))));
        }
        for parent in parents.iter() {
            self.change(parent, |place| place.children.insert_mut((owner.clone(), Arc::clone(&object))));
        }
        for touched in
            std::iter::once(&object).chain(parents.iter()).chain(old.iter().flat_map(|old| old.parents.iter()))
        {
            self.note(owner, touched);
        }
        for (channel, before) in channels.iter().zip(before) {
            let after = self.above(channel, &object);
            before.difference(&after).for_each(|parent| self.unlink(channel, parent, &object));
            after.difference(&before).for_each(|parent| self.link(channel, parent, &object));
        }
    }

    /// The channels that go on from an object along what `owner` registers.
    fn channels_along(&self, owner: &TenantId, object: &ObjectRef) -> Vec<Channel> {
        let channels = self.at.get(object).into_iter().flat_map(|place| place.channels.iter());
        let along =
            channels.filter(|(channel, reach)| reach.leads_on() && (owner.is_shared() || channel.owner == *owner));
        along.map(|(channel, _)| channel.clone()).collect()
    }

    fn above(&self, channel: &Channel, object: &ObjectRef) -> BTreeSet<Arc<ObjectRef>> {
        let mut parents = Vec::new();
        self.parents(&channel.owner, object, &mut parents);
        parents.into_iter().collect()
    }

    /// Puts the attachment on its object, and into a channel when a trigger runs it.
    pub(super) fn attach(&mut self, attachment: &Arc<Attachment>, channel: Option<&Channel>) {
        let object = self.shared_ref(&attachment.object);
        self.change(&object, |place| place.attached.insert_mut(attachment.id, Arc::clone(attachment)));
        self.note(&attachment.owner_id, &object);
        let Some(channel) = channel else { return };
        let led_on = self.leads_on(channel, &object);
        self.change_reach(channel, &object, |reach| {
            reach.here.insert_mut(attachment.id, Arc::clone(attachment));
            reach.inheriting += usize::from(attachment.inherits);
        });
        if !led_on && self.leads_on(channel, &object) {
            self.above(channel, &object).iter().for_each(|parent| self.link(channel, parent, &object));
        }
    }

    /// The opposite of [`Places::attach`] with the same attachment and channel.
    pub(super) fn detach(&mut self, attachment: &Arc<Attachment>, channel: Option<&Channel>) {
        let object = self.shared_ref(&attachment.object);
        self.change(&object, |place| place.attached.remove_mut(&attachment.id));
        self.note(&attachment.owner_id, &object);
        let Some(channel) = channel else { return };
        let led_on = self.leads_on(channel, &object);
        self.change_reach(channel, &object, |reach| {
            if reach.here.remove_mut(&attachment.id) {
                reach.inheriting -= usize::from(attachment.inherits);
            }
        });
        if led_on && !self.leads_on(channel, &object) {
            self.above(channel, &object).iter().for_each(|parent| self.unlink(channel, parent, &object));
        }
    }

    fn change_reach(&mut self, channel: &Channel, object: &Arc<ObjectRef>, change: impl FnOnce(&mut Reach)) {
        self.change(object, |place| {
            let mut reach = place.channels.get(channel).cloned().unwrap_or_default();
            change(&mut reach);
            if reach.is_empty() {
                place.channels.remove_mut(channel);
            } else {
                place.channels.insert_mut(channel.clone(), reach);
            }
        });
    }

    /// `child` leads to attachments from now on: `parent` learns it, and those above whom it makes lead on too.
    fn link(&mut self, channel: &Channel, parent: &Arc<ObjectRef>, child: &Arc<ObjectRef>) {
        let mut links = vec![(Arc::clone(parent), Arc::clone(child))];
        while let Some((parent, child)) = links.pop() {
            let led_on = self.leads_on(channel, &parent);
            self.change_reach(channel, &parent, |reach| reach.below.insert_mut(child));
            if !led_on {
                links.extend(self.above(channel, &parent).into_iter().map(|above| (above, Arc::clone(&parent))));
            }
        }
    }

    /// `child` leads to nothing any more, or lies below `parent` no longer.
    fn unlink(&mut self, channel: &Channel, parent: &Arc<ObjectRef>, child: &Arc<ObjectRef>) {
        let mut links = vec![(Arc::clone(parent), Arc::clone(child))];
        while let Some((parent, child)) = links.pop() {
            let led_on = self.leads_on(channel, &parent);
            self.change_reach(channel, &parent, |reach| {
                reach.below.remove_mut(&child);
            });
            if led_on && !self.leads_on(channel, &parent) {
                links.extend(self.above(channel, &parent).into_iter().map(|above| (above, Arc::clone(&parent))));
            }
        }
    }
}

/// Whose registrations a tenant sees: its own and the shared ones.
fn views(tenant: &TenantId) -> impl Iterator<Item = TenantId> + use<> {
    let shared = (!tenant.is_shared()).then(TenantId::shared);
    std::iter::once(tenant.clone()).chain(shared)
}
