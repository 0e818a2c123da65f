//! The catalogue in memory: immutable, shared, and cheap to change a copy of.
//!
//! Planning and authentication read it without touching the disk. Its rules (unique names, nothing points at
//! nothing) are checked in [`Catalogue::apply`], the one way it changes.

use super::bounds::CatalogueBounds;
use super::mentions::Mentions;
use super::named::Registries;
use super::scopes::Scopes;
use super::tenants::Tenants;
use super::timetable::Timetable;
use super::transition::{Change, Conflict, Expectation, Transition};
use crate::domain::{
    Action, ActionId, ActionName, Digest, Entry, EventType, EventTypeId, EventTypeName, Module, ModuleNaming,
    ModuleRef, Schedule, TenantId, Timestamp, Token, TokenHash, TokenId,
};
use rpds::{HashTrieMapSync, RedBlackTreeMapSync, RedBlackTreeSetSync};
use std::sync::Arc;

/// A snapshot. Maps are persistent: a change costs its own size, not the catalogue's.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    modules: RedBlackTreeMapSync<(TenantId, Digest), Arc<Module>>,
    /// Every version of a name in order of upload; the last is the newest.
    module_names: HashTrieMapSync<(TenantId, String), Arc<Vec<ModuleVersion>>>,
    actions: RedBlackTreeMapSync<ActionId, Arc<Action>>,
    action_names: HashTrieMapSync<(TenantId, String), ActionId>,
    event_types: RedBlackTreeMapSync<EventTypeId, Arc<EventType>>,
    /// Name first, so that one look finds every tenant that has it.
    event_type_names: RedBlackTreeMapSync<(String, TenantId), EventTypeId>,
    /// Which event types name an action.
    pub(super) linking: RedBlackTreeSetSync<(ActionId, EventTypeId)>,
    tokens: RedBlackTreeMapSync<TokenId, Arc<Token>>,
    token_hashes: HashTrieMapSync<TokenHash, TokenId>,
    pub(super) scopes: Scopes,
    /// Counts changes since the store was opened.
    revision: u64,
    pub(super) mentions: Mentions,
    pub(super) named: Registries,
    pub(super) tenants: Tenants,
    pub(super) timetable: Timetable,
    pub(super) bounds: CatalogueBounds,
}

/// What a version of a module's name means.
#[derive(Clone, Debug)]
struct ModuleVersion {
    version: String,
    digest: Digest,
    since: Timestamp,
}

impl Catalogue {
    /// The catalogue that `changes` make out of nothing, without a store.
    ///
    /// # Errors
    /// The first change that breaks a rule.
    pub fn of(changes: impl IntoIterator<Item = Change>) -> Result<Catalogue, Conflict> {
        let mut catalogue = Catalogue::default();
        changes.into_iter().try_for_each(|change| catalogue.apply(&change))?;
        Ok(catalogue)
    }

    pub fn action(&self, id: ActionId) -> Option<&Arc<Action>> {
        self.actions.get(&id)
    }

    pub fn action_named(&self, tenant: &TenantId, name: &ActionName) -> Option<&Arc<Action>> {
        self.action_names.get(&(tenant.clone(), name.folded())).and_then(|id| self.actions.get(id))
    }

    pub fn actions(&self) -> impl Iterator<Item = &Arc<Action>> {
        self.actions.values()
    }

    pub fn event_type(&self, id: EventTypeId) -> Option<&Arc<EventType>> {
        self.event_types.get(&id)
    }

    /// The tenant's own event type of that name, else the shared one.
    pub fn event_type_named(&self, tenant: &TenantId, name: &EventTypeName) -> Option<&Arc<EventType>> {
        let mut key = (name.folded(), tenant.clone());
        let own = self.event_type_names.get(&key);
        let id = own.or_else(|| {
            key.1 = TenantId::shared();
            self.event_type_names.get(&key)
        })?;
        self.event_types.get(id)
    }

    pub fn event_types(&self) -> impl Iterator<Item = &Arc<EventType>> {
        self.event_types.values()
    }

    /// What `reference` means to `tenant` now: its own module, else a shared one.
    pub fn module(&self, tenant: &TenantId, reference: &ModuleRef) -> Option<&Arc<Module>> {
        let shared = TenantId::shared();
        [tenant, &shared].into_iter().find_map(|owner| self.module_of(owner, reference))
    }

    pub(super) fn module_of(&self, owner: &TenantId, reference: &ModuleRef) -> Option<&Arc<Module>> {
        let versions = |name: &str| self.module_names.get(&(owner.clone(), name.to_owned()));
        let digest = match reference {
            ModuleRef::Digest(digest) => *digest,
            ModuleRef::Name(name) => versions(name)?.last()?.digest,
            ModuleRef::Version(wanted) => versions(&wanted.name)?.iter().find(|v| v.version == wanted.version)?.digest,
        };
        self.modules.get(&(owner.clone(), digest))
    }

    /// When the newest version of a name of exactly this tenant's was uploaded.
    pub fn newest_since(&self, owner: &TenantId, name: &str) -> Option<Timestamp> {
        let versions = self.module_names.get(&(owner.clone(), name.to_owned()));
        versions.and_then(|versions| versions.last()).map(|version| version.since)
    }

    pub fn modules(&self) -> impl Iterator<Item = &Arc<Module>> {
        self.modules.values()
    }

    /// What exactly this tenant has under a digest.
    pub(super) fn own_module(&self, owner: &TenantId, digest: Digest) -> Option<&Arc<Module>> {
        self.modules.get(&(owner.clone(), digest))
    }

    /// Whether any tenant has a module with these bytes.
    pub(super) fn needs_bytes(&self, digest: Digest) -> bool {
        self.modules.keys().any(|(_, d)| *d == digest)
    }

    pub fn token(&self, id: TokenId) -> Option<&Arc<Token>> {
        self.tokens.get(&id)
    }

    pub fn token_hashed(&self, hash: &TokenHash) -> Option<&Arc<Token>> {
        self.token_hashes.get(hash).and_then(|id| self.tokens.get(id))
    }

    pub fn tokens(&self) -> impl Iterator<Item = &Arc<Token>> {
        self.tokens.values()
    }

    /// Differs after every change; it is no more than that, and begins anew when the store is opened.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// How much there may be of each kind, whosever it is.
    pub fn bounds(&self) -> &CatalogueBounds {
        &self.bounds
    }

    /// The same with other bounds.
    pub(super) fn bounded(&self, bounds: CatalogueBounds) -> Catalogue {
        Catalogue { bounds, ..self.clone() }
    }

    /// The catalogue that `transition` makes out of this one.
    ///
    /// # Errors
    /// Something that it expects does not hold, or a change breaks a rule.
    pub fn after(&self, transition: &Transition) -> Result<Catalogue, Conflict> {
        transition.expect.iter().try_for_each(|expectation| self.check(expectation))?;
        let mut changed = self.clone();
        transition.changes.iter().try_for_each(|change| changed.apply(change))?;
        Ok(changed)
    }

    pub(super) fn check(&self, expectation: &Expectation) -> Result<(), Conflict> {
        let (what, id, expected, actual) = match expectation {
            Expectation::ActionVersion(id, v) => ("action", id.to_string(), *v, self.action(*id).map(|a| a.version)),
            Expectation::EventTypeVersion(id, v) => {
                ("event type", id.to_string(), *v, self.event_type(*id).map(|e| e.version))
            }
            Expectation::ModuleNames(owner, digest, expected) => {
                // One more than its names, so that a module without names is not like none.
                let count = |names: Option<usize>| names.map_or(0, |names| names as u64 + 1);
                let names = self.modules.get(&(owner.clone(), *digest)).map(|module| module.names.len());
                ("module", digest.to_string(), count(*expected), Some(count(names)))
            }
            Expectation::NewestOfModule(owner, name, expected) => {
                let same = self.newest_since(owner, name) == *expected;
                ("list of versions", name.clone(), 1, Some(u64::from(same)))
            }
            Expectation::ObjectVersion(owner, object, expected) => {
                let version = self.own_object(owner, object).map_or(0, |record| record.version);
                ("object", object.to_string(), expected.unwrap_or(0), Some(version))
            }
            Expectation::AttachmentVersion(id, v) => {
                ("attachment", id.to_string(), *v, self.attachment(*id).map(|attachment| attachment.version))
            }
            Expectation::TenantVersion(id, expected) => {
                let version = self.tenant(id).map_or(0, |tenant| tenant.version);
                ("tenant", id.to_string(), expected.unwrap_or(0), Some(version))
            }
            // Version 0: it is not there yet.
            Expectation::Version(id, 0) => (id.what(), id.to_string(), 0, Some(self.version_of(*id).unwrap_or(0))),
            Expectation::Version(id, v) => (id.what(), id.to_string(), *v, self.version_of(*id)),
            Expectation::Revision(revision) => ("catalogue", String::new(), *revision, Some(self.revision)),
            Expectation::Unfired(id, v, next_at) => {
                // One that fired meanwhile is at no version that anybody expects.
                let version = |found: &Arc<Schedule>| if found.next_at == *next_at { found.header.version } else { 0 };
                (Schedule::WHAT, id.to_string(), *v, self.schedules().get(*id).map(version))
            }
            Expectation::AttachmentsOf(id, changes) => {
                ("list of attachments", id.to_string(), *changes, Some(self.attachment_changes(*id)))
            }
        };
        match actual {
            None => Err(Conflict::Gone { what, id }),
            Some(actual) if actual != expected => Err(Conflict::Version { what, expected, actual }),
            Some(_) => Ok(()),
        }
    }

    /// Makes one change to this copy.
    ///
    /// # Errors
    /// The change breaks a rule of the catalogue; throw the copy away then.
    pub(super) fn apply(&mut self, change: &Change) -> Result<(), Conflict> {
        let counting = self.counting(change)?;
        self.make(change)?;
        self.count(counting);
        self.revision += 1;
        Ok(())
    }

    fn make(&mut self, change: &Change) -> Result<(), Conflict> {
        match change {
            Change::Event(_) | Change::Run(_) | Change::Log(_) | Change::Forget(_) => Ok(()),
            Change::Audit(_) | Change::DeleteAudit(..) | Change::RememberOnce(_) | Change::ForgetOnce(_) => Ok(()),
            Change::Values(_) | Change::ForgetValues(_) | Change::PutProgram(..) => Ok(()),
            Change::PutModule(module, _) => self.put_module(module),
            Change::DeleteModule(tenant, digest) => self.delete_module(tenant, *digest),
            Change::PutAction(action) => self.put_action(action),
            Change::DeleteAction(id) => self.delete_action(*id),
            Change::PutEventType(event_type) => self.put_event_type(event_type),
            Change::DeleteEventType(id) => self.delete_event_type(*id),
            Change::PutToken(token) => self.put_token(token),
            Change::DeleteToken(id) => self.delete_token(*id),
            Change::PutObject(record) => self.put_object(record),
            Change::DeleteObject(tenant, object) => self.delete_object(tenant, object),
            Change::PutAttachment(attachment) => self.put_attachment(attachment),
            Change::DeleteAttachment(_, id) => self.delete_attachment(*id),
            Change::Put(entry) => self.put_named(entry),
            Change::Delete(id) => self.delete_named(*id),
            Change::PutTenant(tenant) => self.put_tenant(tenant),
            Change::DeleteTenant(id) => self.delete_tenant(id),
        }
    }

    fn put_module(&mut self, module: &Arc<Module>) -> Result<(), Conflict> {
        if !self.modules.contains_key(&(module.owner_id.clone(), module.digest)) {
            full("modules", self.modules.size(), self.bounds.modules)?;
        }
        full("names of this module", module.names.len().saturating_sub(1), self.bounds.module_names)?;
        for ModuleNaming { name, since } in &module.names {
            let key = (module.owner_id.clone(), name.name.clone());
            let versions = self.module_names.get(&key).cloned().unwrap_or_default();
            match versions.iter().find(|known| known.version == name.version) {
                Some(known) if known.digest == module.digest => {}
                Some(known) => {
                    return Err(Conflict::ModuleNameTaken { name: name.to_string(), digest: known.digest });
                }
                None => {
                    let version = ModuleVersion { version: name.version.clone(), digest: module.digest, since: *since };
                    let mut versions = versions.as_ref().clone();
                    versions.push(version);
                    versions.sort_by_key(|version| version.since);
                    self.module_names.insert_mut(key, Arc::new(versions));
                }
            }
        }
        self.modules.insert_mut((module.owner_id.clone(), module.digest), Arc::clone(module));
        Ok(())
    }

    fn delete_module(&mut self, tenant: &TenantId, digest: Digest) -> Result<(), Conflict> {
        let key = (tenant.clone(), digest);
        let gone = || Conflict::Gone { what: "module", id: digest.to_string() };
        let module = self.modules.get(&key).cloned().ok_or_else(gone)?;
        let users = self.actions_running(tenant, digest).map(|action| format!("the action `{}`", action.name));
        let pinning = self.actions_pinning(tenant, digest);
        let pinning = pinning.map(|action| format!("attachments of the action `{}` at an older version", action.name));
        in_use(users.chain(pinning))?;
        self.modules.remove_mut(&key);
        for ModuleNaming { name, .. } in &module.names {
            let key = (tenant.clone(), name.name.clone());
            let mut versions = self.module_names.get(&key).map(|v| v.as_ref().clone()).unwrap_or_default();
            versions.retain(|version| version.digest != digest);
            if versions.is_empty() {
                self.module_names.remove_mut(&key);
            } else {
                self.module_names.insert_mut(key, Arc::new(versions));
            }
        }
        Ok(())
    }

    fn put_action(&mut self, action: &Arc<Action>) -> Result<(), Conflict> {
        self.check_mentions(action)?;
        self.check_locking(action)?;
        self.insert_action(action)
    }

    /// Without a look at what it names, for what was checked when it was written: event types name actions and actions
    /// name event types, so one of them is read first when the store is opened.
    pub(super) fn insert_action(&mut self, action: &Arc<Action>) -> Result<(), Conflict> {
        if let Some(module) = &action.module
            && self.module(&action.owner_id, module).is_none()
        {
            return Err(Conflict::NoSuchModule { reference: module.to_string() });
        }
        let key = (action.owner_id.clone(), action.name.folded());
        if self.action_names.get(&key).is_some_and(|id| *id != action.id) {
            return Err(Conflict::NameTaken { article: "an action", name: action.name.to_string() });
        }
        let old = self.actions.get(&action.id).cloned();
        match &old {
            None => full("actions", self.actions.size(), self.bounds.actions)?,
            Some(old) => {
                self.action_names.remove_mut(&(old.owner_id.clone(), old.name.folded()));
                self.move_attachments(old, action);
            }
        }
        self.mentions.replace(old.as_deref(), Some(action));
        self.action_names.insert_mut(key, action.id);
        self.actions.insert_mut(action.id, Arc::clone(action));
        Ok(())
    }

    fn delete_action(&mut self, id: ActionId) -> Result<(), Conflict> {
        let gone = || Conflict::Gone { what: "action", id: id.to_string() };
        let action = self.actions.get(&id).cloned().ok_or_else(gone)?;
        let linking = self.event_types_linking(id);
        in_use(linking.map(|event_type| format!("the event type `{}`", event_type.display_name)))?;
        self.delete_attachments_of(id);
        self.mentions.replace(Some(&action), None);
        self.action_names.remove_mut(&(action.owner_id.clone(), action.name.folded()));
        self.actions.remove_mut(&id);
        Ok(())
    }

    fn put_event_type(&mut self, event_type: &Arc<EventType>) -> Result<(), Conflict> {
        self.check_locked(event_type)?;
        self.insert_event_type(event_type)
    }

    /// Without a look at what its action locks: records are older than that rule.
    pub(super) fn insert_event_type(&mut self, event_type: &Arc<EventType>) -> Result<(), Conflict> {
        if let Some(id) = event_type.action {
            let visible = |action: &Arc<Action>| event_type.owner_id.sees(&action.owner_id);
            if !self.action(id).is_some_and(visible) {
                return Err(Conflict::NoSuchAction { id: id.to_string() });
            }
        }
        self.check_event_type_references(event_type)?;
        self.check_event_type_name(event_type)?;
        let key = (event_type.display_name.folded(), event_type.owner_id.clone());
        let old = self.event_types.get(&event_type.id).cloned();
        match &old {
            None => full("event types", self.event_types.size(), self.bounds.event_types)?,
            Some(old) => {
                if old.display_name.folded() != event_type.display_name.folded() {
                    self.check_not_named(old)?;
                }
                self.event_type_names.remove_mut(&(old.display_name.folded(), old.owner_id.clone()));
            }
        }
        self.relink(event_type.id, old.and_then(|old| old.action), event_type.action);
        self.event_type_names.insert_mut(key, event_type.id);
        self.event_types.insert_mut(event_type.id, Arc::clone(event_type));
        Ok(())
    }

    /// Unique in its tenant; a tenant may not reuse a shared name, nor the other way round (DESIGN §3.1).
    fn check_event_type_name(&self, event_type: &EventType) -> Result<(), Conflict> {
        let folded = event_type.display_name.folded();
        let first = (folded.clone(), TenantId::shared());
        let mut holders = self.event_type_names.range(first..).take_while(|((name, _), _)| *name == folded);
        let clashes =
            |tenant: &TenantId| tenant.is_shared() || event_type.owner_id.is_shared() || *tenant == event_type.owner_id;
        if holders.any(|((_, tenant), id)| *id != event_type.id && clashes(tenant)) {
            let name = event_type.display_name.to_string();
            return Err(Conflict::NameTaken { article: "an event type", name });
        }
        Ok(())
    }

    fn delete_event_type(&mut self, id: EventTypeId) -> Result<(), Conflict> {
        let gone = || Conflict::Gone { what: "event type", id: id.to_string() };
        let event_type = self.event_types.get(&id).cloned().ok_or_else(gone)?;
        self.check_not_named(&event_type)?;
        self.event_type_names.remove_mut(&(event_type.display_name.folded(), event_type.owner_id.clone()));
        self.relink(id, event_type.action, None);
        self.event_types.remove_mut(&id);
        Ok(())
    }

    fn put_token(&mut self, token: &Arc<Token>) -> Result<(), Conflict> {
        if !self.tokens.contains_key(&token.id) {
            full("tokens", self.tokens.size(), self.bounds.tokens)?;
        }
        self.token_hashes.insert_mut(token.hash, token.id);
        self.tokens.insert_mut(token.id, Arc::clone(token));
        Ok(())
    }

    fn delete_token(&mut self, id: TokenId) -> Result<(), Conflict> {
        let gone = || Conflict::Gone { what: "token", id: id.to_string() };
        let token = self.tokens.get(&id).cloned().ok_or_else(gone)?;
        self.token_hashes.remove_mut(&token.hash);
        self.tokens.remove_mut(&id);
        Ok(())
    }
}

pub(super) fn full(what: &'static str, size: usize, limit: usize) -> Result<(), Conflict> {
    if size >= limit { Err(Conflict::Full { what, limit }) } else { Ok(()) }
}

/// Names at most ten users: the answer should be read, not scrolled.
pub(super) fn in_use(users: impl Iterator<Item = String>) -> Result<(), Conflict> {
    let by: Vec<String> = users.take(10).collect();
    if by.is_empty() { Ok(()) } else { Err(Conflict::InUse { by }) }
}
