//! The catalogue's rules for objects and attachments (DESIGN §3.3).

use super::Catalogue;
use super::catalogue::full;
use super::places::{Channel, Places, Spot};
use super::transition::Conflict;
use crate::domain::{
    Action, ActionId, Attachment, AttachmentId, Digest, EventTypeName, FAN_OUT_MAX, GraphError, ObjectRecord,
    ObjectRef, PARENTS_MAX, Pin, TenantId, check_parents,
};
use rpds::{HashTrieMapSync, RedBlackTreeMapSync, RedBlackTreeSetSync};
use std::sync::Arc;

/// What the catalogue knows of objects and attachments.
#[derive(Clone, Debug, Default)]
pub(super) struct Scopes {
    places: Places,
    objects: RedBlackTreeSetSync<(TenantId, ObjectRef)>,
    attachments: RedBlackTreeMapSync<AttachmentId, Arc<Attachment>>,
    of_action: RedBlackTreeSetSync<(ActionId, AttachmentId)>,
    /// One attachment per owner, action and object.
    bindings: HashTrieMapSync<(TenantId, ActionId, ObjectRef), AttachmentId>,
    /// The versions that attachments run although newer ones may be there.
    pinned: RedBlackTreeMapSync<(ActionId, Pin), Pinned>,
    /// How often the attachments of an action changed since the store was opened.
    changes: HashTrieMapSync<ActionId, u64>,
}

#[derive(Clone, Debug)]
struct Pinned {
    action: Arc<Action>,
    /// Attachments that run it.
    attachments: usize,
}

impl Catalogue {
    /// What the tenant registered about an object, else what everybody shares.
    pub fn object(&self, tenant: &TenantId, object: &ObjectRef) -> Option<&Arc<ObjectRecord>> {
        let places = &self.scopes.places;
        places.record(tenant, object).or_else(|| places.record(&TenantId::shared(), object))
    }

    /// What exactly this tenant registered about an object.
    pub fn own_object(&self, tenant: &TenantId, object: &ObjectRef) -> Option<&Arc<ObjectRecord>> {
        self.scopes.places.record(tenant, object)
    }

    /// Adds the objects right above `object`, as the tenant sees it.
    pub fn parents(&self, tenant: &TenantId, object: &ObjectRef, found: &mut Vec<Arc<ObjectRef>>) {
        self.scopes.places.parents(tenant, object, found);
    }

    /// What is known at an object, for whoever wants to know more than one thing.
    pub fn spot(&self, object: &ObjectRef) -> Spot<'_> {
        self.scopes.places.spot(object)
    }

    /// The objects right below `object`, as the tenant sees it.
    pub fn children(&self, tenant: &TenantId, object: &ObjectRef) -> impl Iterator<Item = &Arc<ObjectRef>> + use<'_> {
        self.scopes.places.children(tenant, object)
    }

    /// The same behind `after`, by type and id and each once.
    pub fn children_behind(
        &self,
        tenant: &TenantId,
        object: &ObjectRef,
        after: Option<&ObjectRef>,
    ) -> impl Iterator<Item = &Arc<ObjectRef>> + use<'_> {
        self.scopes.places.children_behind(tenant, object, after)
    }

    /// Every object that the tenant sees registered, above another, or with something attached to it, behind `after`, by
    /// type and id.
    pub fn objects_behind(
        &self,
        tenant: &TenantId,
        after: Option<&ObjectRef>,
    ) -> impl Iterator<Item = &Arc<ObjectRef>> + use<'_> {
        self.scopes.places.known(tenant, after)
    }

    /// Those of them above which nothing lies.
    pub fn tops_behind(
        &self,
        tenant: &TenantId,
        after: Option<&ObjectRef>,
    ) -> impl Iterator<Item = &Arc<ObjectRef>> + use<'_> {
        self.scopes.places.tops(tenant, after)
    }

    pub fn attachment(&self, id: AttachmentId) -> Option<&Arc<Attachment>> {
        self.scopes.attachments.get(&id)
    }

    /// Every object that this tenant registered, by type and id.
    pub fn own_objects(&self, tenant: &TenantId) -> impl Iterator<Item = &Arc<ObjectRecord>> {
        let first = (tenant.clone(), ObjectRef { object_type: String::new(), object_id: String::new() });
        let tenant = tenant.clone();
        let own = self.scopes.objects.range(first..).take_while(move |(owner, _)| *owner == tenant);
        own.filter_map(|(owner, object)| self.scopes.places.record(owner, object))
    }

    /// Who registered each of all objects.
    pub(super) fn object_owners(&self) -> impl Iterator<Item = &TenantId> {
        self.scopes.objects.iter().map(|(owner, _)| owner)
    }

    /// Every attachment, oldest first.
    pub fn attachments(&self) -> impl Iterator<Item = &Arc<Attachment>> {
        self.scopes.attachments.values()
    }

    /// How the tenant attached an action to exactly this object.
    pub fn attachment_of(&self, tenant: &TenantId, action: ActionId, object: &ObjectRef) -> Option<&Arc<Attachment>> {
        let key = (tenant.clone(), action, object.clone());
        self.scopes.bindings.get(&key).and_then(|id| self.attachment(*id))
    }

    /// The attachments of an action, oldest first, whoever owns them.
    pub fn attachments_of(&self, action: ActionId) -> impl Iterator<Item = &Arc<Attachment>> {
        let ids = self.scopes.of_action.range((action, AttachmentId::from_bytes([0; 16]))..);
        let ids = ids.take_while(move |(of, _)| *of == action);
        ids.filter_map(|(_, id)| self.scopes.attachments.get(id))
    }

    /// The attachments on exactly this object, oldest first, whoever owns them.
    pub fn attachments_on(&self, object: &ObjectRef) -> impl Iterator<Item = &Arc<Attachment>> {
        self.scopes.places.attached(object)
    }

    /// The attachments of a channel on exactly this object.
    pub fn attachments_here(&self, channel: &Channel, object: &ObjectRef) -> impl Iterator<Item = &Arc<Attachment>> {
        self.spot(object).here(channel)
    }

    /// The children of an object that lead to attachments of the channel which see events from above.
    pub fn leading(&self, channel: &Channel, object: &ObjectRef) -> impl Iterator<Item = &Arc<ObjectRef>> + use<'_> {
        self.spot(object).leading(channel)
    }

    /// How often the attachments of an action changed since the store was opened, for [`super::Expectation`].
    pub fn attachment_changes(&self, action: ActionId) -> u64 {
        self.scopes.changes.get(&action).copied().unwrap_or(0)
    }

    /// What an attachment runs: the version that it is pinned to, else the newest.
    pub fn attached_action(&self, attachment: &Attachment) -> Option<&Arc<Action>> {
        match attachment.pin {
            Some(pin) => self.scopes.pinned.get(&(attachment.action_id, pin)).map(|pinned| &pinned.action),
            None => self.action(attachment.action_id),
        }
    }

    /// Actions of which attachments run an older version's module.
    pub fn actions_pinning(&self, tenant: &TenantId, module: Digest) -> impl Iterator<Item = &Arc<Action>> {
        let pinning = move |((_, pin), pinned): &(&(ActionId, Pin), &Pinned)| {
            pin.module == module
                && self
                    .module(&pinned.action.owner_id, &crate::domain::ModuleRef::Digest(module))
                    .is_some_and(|found| found.owner_id == *tenant)
        };
        self.scopes.pinned.iter().filter(pinning).map(|(_, pinned)| &pinned.action)
    }

    /// Makes an older version known that attachments are pinned to; only while the store is opened.
    pub(super) fn recall(&mut self, pin: Pin, action: Arc<Action>) {
        let key = (action.id, pin);
        if !self.scopes.pinned.contains_key(&key) {
            self.scopes.pinned.insert_mut(key, Pinned { action, attachments: 0 });
        }
    }

    pub(super) fn put_object(&mut self, record: &Arc<ObjectRecord>) -> Result<(), Conflict> {
        let (owner, key) = (&record.owner_id, (record.owner_id.clone(), record.object.clone()));
        if !self.scopes.objects.contains(&key) {
            full("objects", self.scopes.objects.size(), self.bounds.objects)?;
        }
        full("parents of one object", record.parents.len().saturating_sub(1), PARENTS_MAX)?;
        let places = &self.scopes.places;
        let parents: Vec<Arc<ObjectRef>> = record.parents.iter().cloned().map(Arc::new).collect();
        let checked = check_parents(
            &Arc::new(record.object.clone()),
            &parents,
            |object, found| places.parents(owner, object, found),
            |object, found| found.extend(places.children(owner, object).cloned()),
        );
        checked.map_err(|error| Conflict::Graph {
            place: match &error {
                GraphError::Cycle { through } => record.parents.iter().position(|parent| *parent == **through),
                GraphError::TooDeep { .. } => None,
            },
            detail: error.to_string(),
        })?;
        self.insert_object(record);
        Ok(())
    }

    /// Without the checks, for what passed them when it was written: a tenant's graph and the shared one change apart,
    /// so together they may have become what neither would have been let to.
    pub(super) fn insert_object(&mut self, record: &Arc<ObjectRecord>) {
        self.scopes.objects.insert_mut((record.owner_id.clone(), record.object.clone()));
        self.scopes.places.register(&record.owner_id, &record.object, Some(record));
    }

    pub(super) fn delete_object(&mut self, owner: &TenantId, object: &ObjectRef) -> Result<(), Conflict> {
        let places = &self.scopes.places;
        if places.record(owner, object).is_none() {
            return Err(Conflict::Gone { what: "object", id: object.to_string() });
        }
        let below = places
            .children(owner, object)
            .filter(|child| places.record(owner, child).is_some_and(|record| record.parents.contains(object)));
        let attached = places.attached(object).filter(|attachment| attachment.owner_id == *owner);
        let by = below.map(|child| format!("the object `{child}` below it"));
        super::catalogue::in_use(by.chain(attached.map(|attachment| format!("the attachment {}", attachment.id))))?;
        self.scopes.objects.remove_mut(&(owner.clone(), object.clone()));
        self.scopes.places.register(owner, object, None);
        Ok(())
    }

    pub(super) fn put_attachment(&mut self, attachment: &Arc<Attachment>) -> Result<(), Conflict> {
        if self.attachment(attachment.id).is_none() {
            self.check_new_attachment(attachment)?;
        }
        self.insert_attachment(attachment)
    }

    /// What is attached while an action is public stays when it is withdrawn; only new attachments are refused.
    fn check_new_attachment(&self, attachment: &Attachment) -> Result<(), Conflict> {
        full("attachments", self.scopes.attachments.size(), self.bounds.attachments)?;
        let action = self.action(attachment.action_id);
        let Some(action) = action.filter(|action| action.may_be_attached_by(&attachment.owner_id)) else {
            return Err(Conflict::NoSuchAction { id: attachment.action_id.to_string() });
        };
        let Some(channel) = channel(&attachment.owner_id, action.trigger.as_ref()) else { return Ok(()) };
        let here = self.attachments_here(&channel, &attachment.object).count();
        full("attachments of this trigger on this object", here, FAN_OUT_MAX)
    }

    /// Without the checks of new ones, for what passed them when it was written.
    pub(super) fn insert_attachment(&mut self, attachment: &Arc<Attachment>) -> Result<(), Conflict> {
        let missing = || Conflict::NoSuchAction { id: attachment.action_id.to_string() };
        let newest = self.action(attachment.action_id).cloned().ok_or_else(missing)?;
        if let Some(pin) = attachment.pin {
            self.pin(&newest, pin)?;
        }
        let action = self.attached_action(attachment).cloned().ok_or_else(missing)?;
        let key = (attachment.owner_id.clone(), attachment.action_id, attachment.object.clone());
        if let Some(other) = self.scopes.bindings.get(&key).filter(|id| **id != attachment.id) {
            let (action, object) = (newest.name.to_string(), attachment.object.to_string());
            return Err(Conflict::AlreadyAttached { action, object, id: *other });
        }
        let channel = channel(&attachment.owner_id, action.trigger.as_ref());
        if let Some(old) = self.attachment(attachment.id).cloned() {
            self.forget_attachment(&old);
        }
        let scopes = &mut self.scopes;
        scopes.bindings.insert_mut(key, attachment.id);
        scopes.of_action.insert_mut((attachment.action_id, attachment.id));
        scopes.attachments.insert_mut(attachment.id, Arc::clone(attachment));
        scopes.places.attach(attachment, channel.as_ref());
        self.count_attachment_change(attachment.action_id);
        Ok(())
    }

    /// Counts one attachment more that runs this version.
    fn pin(&mut self, newest: &Arc<Action>, pin: Pin) -> Result<(), Conflict> {
        let key = (newest.id, pin);
        let known = self.scopes.pinned.get(&key).cloned();
        let fresh = (newest.version == pin.version).then(|| Pinned { action: Arc::clone(newest), attachments: 0 });
        let Some(mut pinned) = known.or(fresh) else {
            let (expected, actual) = (pin.version, newest.version);
            return Err(Conflict::Version { what: "action", expected, actual });
        };
        pinned.attachments += 1;
        self.scopes.pinned.insert_mut(key, pinned);
        Ok(())
    }

    pub(super) fn delete_attachment(&mut self, id: AttachmentId) -> Result<(), Conflict> {
        let gone = || Conflict::Gone { what: "attachment", id: id.to_string() };
        let attachment = self.attachment(id).cloned().ok_or_else(gone)?;
        self.forget_attachment(&attachment);
        self.count_attachment_change(attachment.action_id);
        Ok(())
    }

    /// An action that goes takes its attachments with it.
    pub(super) fn delete_attachments_of(&mut self, action: ActionId) {
        let attachments: Vec<Arc<Attachment>> = self.attachments_of(action).cloned().collect();
        attachments.iter().for_each(|attachment| self.forget_attachment(attachment));
        self.scopes.changes.remove_mut(&action);
    }

    fn forget_attachment(&mut self, attachment: &Arc<Attachment>) {
        let action = self.attached_action(attachment).cloned();
        let channel = action.and_then(|action| channel(&attachment.owner_id, action.trigger.as_ref()));
        let scopes = &mut self.scopes;
        scopes.places.detach(attachment, channel.as_ref());
        scopes.attachments.remove_mut(&attachment.id);
        scopes.of_action.remove_mut(&(attachment.action_id, attachment.id));
        let key = (attachment.owner_id.clone(), attachment.action_id, attachment.object.clone());
        scopes.bindings.remove_mut(&key);
        let pin = attachment.pin.map(|pin| (attachment.action_id, pin));
        if let Some(key) = pin
            && let Some(pinned) = scopes.pinned.get_mut(&key)
        {
            pinned.attachments -= 1;
            if pinned.attachments == 0 {
                scopes.pinned.remove_mut(&key);
            }
        }
    }

    /// Moves the attachments that follow an action to the channel of its new trigger.
    pub(super) fn move_attachments(&mut self, old: &Action, new: &Action) {
        let folded = |action: &Action| action.trigger.as_ref().map(EventTypeName::folded);
        if folded(old) == folded(new) {
            return;
        }
        let following: Vec<_> = self.attachments_of(old.id).filter(|a| a.pin.is_none()).cloned().collect();
        for attachment in following {
            let places = &mut self.scopes.places;
            places.detach(&attachment, channel(&attachment.owner_id, old.trigger.as_ref()).as_ref());
            places.attach(&attachment, channel(&attachment.owner_id, new.trigger.as_ref()).as_ref());
        }
    }

    fn count_attachment_change(&mut self, action: ActionId) {
        let changes = self.attachment_changes(action) + 1;
        self.scopes.changes.insert_mut(action, changes);
    }
}

fn channel(owner: &TenantId, trigger: Option<&EventTypeName>) -> Option<Channel> {
    trigger.map(|trigger| Channel::new(owner, trigger))
}

impl Channel {
    pub fn new(owner: &TenantId, trigger: &EventTypeName) -> Channel {
        Channel { owner: owner.clone(), trigger: trigger.folded().into() }
    }
}
