//! Tenants in the catalogue: their records, what each has, and how much it may have.

use super::Catalogue;
use super::catalogue::{full, in_use};
use super::named::Named;
use super::transition::{Change, Conflict};
use crate::domain::{Counted, Module, QuotaExceeded, Tenant, TenantId};
use rpds::{HashTrieMapSync, RedBlackTreeMapSync};
use std::sync::Arc;

/// Records there may be.
pub const TENANTS_MAX: usize = 100_000;

#[derive(Clone, Debug, Default)]
pub(super) struct Tenants {
    records: RedBlackTreeMapSync<TenantId, Arc<Tenant>>,
    counts: HashTrieMapSync<(TenantId, Counted), u64>,
}

/// So much of something is a tenant's.
type Count = (TenantId, Counted, u64);

/// What a change does to the counts.
#[derive(Default)]
pub(super) struct Counting {
    more: Vec<Count>,
    less: Vec<Count>,
}

impl Catalogue {
    /// The record of a tenant; most have none.
    pub fn tenant(&self, id: &TenantId) -> Option<&Arc<Tenant>> {
        self.tenants.records.get(id)
    }

    /// Whether the platform switched the tenant off.
    pub fn is_switched_off(&self, id: &TenantId) -> bool {
        self.tenant(id).is_some_and(|tenant| !tenant.enabled)
    }

    /// By id.
    pub fn tenants(&self) -> impl Iterator<Item = &Arc<Tenant>> {
        self.tenants.records.values()
    }

    /// How much of something a tenant has.
    pub fn count_of(&self, tenant: &TenantId, counted: Counted) -> u64 {
        self.tenants.counts.get(&(tenant.clone(), counted)).copied().unwrap_or(0)
    }

    /// What each tenant has of everything that it has.
    pub fn counts(&self) -> impl Iterator<Item = (&TenantId, Counted, u64)> {
        self.tenants.counts.iter().map(|((tenant, counted), count)| (tenant, *counted, *count))
    }

    /// How much of something a tenant may have; `None` for the platform, which only the bounds of the whole bound.
    pub fn quota_of(&self, tenant: &TenantId, counted: Counted) -> Option<u64> {
        let own = self.tenant(tenant).map(|record| record.quotas.of(counted));
        (!tenant.is_shared()).then(|| own.unwrap_or(counted.usual()))
    }

    /// How many bytes of values a tenant's actions may keep; `None` for the platform.
    pub fn kv_quota_of(&self, tenant: &TenantId) -> Option<u64> {
        let quotas = self.tenant(tenant).map(|record| record.quotas).unwrap_or_default();
        (!tenant.is_shared()).then(|| quotas.kv_bytes())
    }

    /// Whether a tenant may have so much more.
    ///
    /// # Errors
    /// The quota that is in the way.
    pub fn check_room(&self, tenant: &TenantId, counted: Counted, more: u64) -> Result<(), QuotaExceeded> {
        let used = self.count_of(tenant, counted);
        let over = self.quota_of(tenant, counted).filter(|limit| used.saturating_add(more) > *limit);
        over.map_or(Ok(()), |limit| Err(QuotaExceeded { quota: counted.as_str(), limit, used }))
    }

    /// What `change`, which is about to be made, does to the counts.
    ///
    /// # Errors
    /// The tenant may not have so much.
    pub(super) fn counting(&self, change: &Change) -> Result<Counting, Conflict> {
        let more = self.comes_with(change);
        for (tenant, counted, amount) in &more {
            self.check_room(tenant, *counted, *amount).map_err(Conflict::Quota)?;
        }
        Ok(Counting { more, less: self.goes_with(change) })
    }

    /// What a change adds, which it does only when it is no change of what is there.
    fn comes_with(&self, change: &Change) -> Vec<Count> {
        let one = |owner: &TenantId, counted| vec![(owner.clone(), counted, 1)];
        match change {
            Change::PutModule(it, _) if self.own_module(&it.owner_id, it.digest).is_none() => {
                counts_of_module(it).into()
            }
            Change::PutAction(it) if self.action(it.id).is_none() => one(&it.owner_id, Counted::Actions),
            Change::PutEventType(it) if self.event_type(it.id).is_none() => one(&it.owner_id, Counted::EventTypes),
            Change::PutToken(it) if self.token(it.id).is_none() => one(&it.owner_id, Counted::Tokens),
            Change::PutObject(it) if self.own_object(&it.owner_id, &it.object).is_none() => {
                one(&it.owner_id, Counted::Objects)
            }
            Change::PutAttachment(it) if self.attachment(it.id).is_none() => one(&it.owner_id, Counted::Attachments),
            Change::Put(it) if self.version_of(it.id()).is_none() => count_of_entry(it).into_iter().collect(),
            _ => Vec::new(),
        }
    }

    /// What a change takes away; nothing when it is not there, as the change is refused then.
    fn goes_with(&self, change: &Change) -> Vec<Count> {
        let one =
            |owner: Option<&TenantId>, counted| owner.map(|owner| (owner.clone(), counted, 1)).into_iter().collect();
        match change {
            Change::DeleteModule(owner, digest) => {
                self.own_module(owner, *digest).map(|it| counts_of_module(it).into()).unwrap_or_default()
            }
            Change::DeleteAction(id) => {
                let attachments = self.attachments_of(*id).map(|it| (it.owner_id.clone(), Counted::Attachments, 1));
                let action = self.action(*id).map(|it| (it.owner_id.clone(), Counted::Actions, 1));
                action.into_iter().chain(attachments).collect()
            }
            Change::DeleteEventType(id) => one(self.event_type(*id).map(|it| &it.owner_id), Counted::EventTypes),
            Change::DeleteToken(id) => one(self.token(*id).map(|it| &it.owner_id), Counted::Tokens),
            Change::DeleteObject(owner, object) => {
                one(self.own_object(owner, object).map(|it| &it.owner_id), Counted::Objects)
            }
            Change::DeleteAttachment(_, id) => one(self.attachment(*id).map(|it| &it.owner_id), Counted::Attachments),
            Change::Delete(id) => self.entry(*id).as_ref().and_then(count_of_entry).into_iter().collect(),
            _ => Vec::new(),
        }
    }

    pub(super) fn count(&mut self, Counting { more, less }: Counting) {
        let counts = &mut self.tenants.counts;
        for (tenant, counted, amount) in more {
            let key = (tenant, counted);
            let count = counts.get(&key).copied().unwrap_or(0) + amount;
            counts.insert_mut(key, count);
        }
        for (tenant, counted, amount) in less {
            let key = (tenant, counted);
            match counts.get(&key).copied() {
                Some(count) if count > amount => counts.insert_mut(key, count - amount),
                _ => drop(counts.remove_mut(&key)),
            }
        }
    }

    /// Counts everything anew; only while the store is opened, where it is put in without being counted.
    pub(super) fn count_all(&mut self) {
        self.tenants.counts = HashTrieMapSync::new_sync();
        let one = |owner: &TenantId, counted| (owner.clone(), counted, 1);
        let mut more: Vec<Count> = self.modules().flat_map(|it| counts_of_module(it)).collect();
        more.extend(self.actions().map(|it| one(&it.owner_id, Counted::Actions)));
        more.extend(self.event_types().map(|it| one(&it.owner_id, Counted::EventTypes)));
        more.extend(self.tokens().map(|it| one(&it.owner_id, Counted::Tokens)));
        more.extend(self.object_owners().map(|owner| one(owner, Counted::Objects)));
        more.extend(self.attachments().map(|it| one(&it.owner_id, Counted::Attachments)));
        more.extend(self.entries().iter().filter_map(count_of_entry));
        self.count(Counting { more, less: Vec::new() });
    }

    pub(super) fn put_tenant(&mut self, tenant: &Arc<Tenant>) -> Result<(), Conflict> {
        if self.tenant(&tenant.id).is_none() {
            full("tenants", self.tenants.records.size(), TENANTS_MAX)?;
        }
        self.tenants.records.insert_mut(tenant.id.clone(), Arc::clone(tenant));
        Ok(())
    }

    pub(super) fn delete_tenant(&mut self, id: &TenantId) -> Result<(), Conflict> {
        if self.tenant(id).is_none() {
            return Err(Conflict::Gone { what: "tenant", id: id.to_string() });
        }
        in_use(self.owned_by(id))?;
        self.tenants.records.remove_mut(id);
        Ok(())
    }

    /// Everything that a tenant has, in words.
    fn owned_by<'a>(&'a self, id: &'a TenantId) -> impl Iterator<Item = String> + 'a {
        let actions = self.actions().filter(|action| action.owner_id == *id);
        let actions = actions.map(|action| format!("the action `{}`", action.name));
        let event_types = self.event_types().filter(|event_type| event_type.owner_id == *id);
        let event_types = event_types.map(|event_type| format!("the event type `{}`", event_type.display_name));
        let modules = self.modules().filter(|module| module.owner_id == *id);
        let modules = modules.map(|module| format!("the module {}", module.digest));
        let tokens = self.tokens().filter(|token| token.owner_id == *id);
        let tokens = tokens.map(|token| format!("the token `{}`", token.name));
        let attachments = self.attachments().filter(|attachment| attachment.owner_id == *id);
        let attachments = attachments.map(|attachment| format!("the attachment {}", attachment.id));
        let objects = self.own_objects(id).map(|record| format!("the object `{}`", record.object));
        let things = actions.chain(event_types).chain(modules).chain(tokens).chain(attachments).chain(objects);
        let entries = self.entries().into_iter().filter(move |entry| entry.owner() == id);
        things.chain(entries.map(|entry| format!("the {} `{}`", entry.id().what(), entry.name())))
    }
}

fn counts_of_module(module: &Module) -> [Count; 2] {
    let owner = &module.owner_id;
    [(owner.clone(), Counted::Modules, 1), (owner.clone(), Counted::ModuleBytes, module.size_bytes)]
}

/// `None` for what only the platform has.
fn count_of_entry(entry: &Named) -> Option<Count> {
    let counted = match entry {
        Named::SourceType(_) => Counted::SourceTypes,
        Named::SinkType(_) => Counted::SinkTypes,
        Named::Source(_) => Counted::Sources,
        Named::Sink(_) => return None,
        Named::Schedule(_) => Counted::Schedules,
        Named::Secret(_) => Counted::Secrets,
    };
    Some((entry.owner().clone(), counted, 1))
}

#[cfg(test)]
mod tests {
    use super::super::named::NamedId;
    use super::*;
    use crate::domain::{Header, Sealed, Secret, SecretId, Timestamp};

    const NOW: Timestamp = Timestamp::from_ms(0);

    fn secret(id: u8, tenant: &str, name: &str) -> Change {
        let header = (SecretId::from_bytes([id; 16]), tenant.parse().unwrap(), name.parse().unwrap());
        let sealed = Sealed { key: "00".repeat(8).parse().unwrap(), nonce: [0; 24], ciphertext: vec![id] };
        Change::Put(Secret { header: Header::new(header, "test", NOW), sealed, allowed_hosts: Vec::new() }.into())
    }

    fn counts(catalogue: &Catalogue) -> [u64; 2] {
        ["a", "b"].map(|tenant| catalogue.count_of(&tenant.parse().unwrap(), Counted::Secrets))
    }

    #[test]
    fn counts_follow_what_comes_and_goes_and_are_what_counting_anew_gives() {
        let mut catalogue = Catalogue::of([secret(1, "a", "x"), secret(2, "a", "y"), secret(3, "b", "x")]).unwrap();
        assert_eq!(counts(&catalogue), [2, 1]);
        catalogue.apply(&secret(1, "a", "renamed")).unwrap();
        assert!(catalogue.apply(&secret(4, "a", "y")).is_err(), "the name is taken");
        assert_eq!(counts(&catalogue), [2, 1]);
        catalogue.apply(&Change::Delete(NamedId::Secret(SecretId::from_bytes([3; 16])))).unwrap();
        assert!(catalogue.apply(&Change::Delete(NamedId::Secret(SecretId::from_bytes([3; 16])))).is_err());
        assert_eq!(counts(&catalogue), [2, 0]);
        catalogue.count_all();
        assert_eq!(counts(&catalogue), [2, 0]);
    }

    #[test]
    fn a_tenant_without_a_record_is_bounded_and_the_platform_is_not() {
        let filled = |tenant: &str| {
            let mut catalogue = Catalogue::default();
            catalogue
                .tenants
                .counts
                .insert_mut((tenant.parse().unwrap(), Counted::Secrets), Counted::Secrets.usual() - 1);
            catalogue.apply(&secret(1, tenant, "last")).unwrap();
            catalogue.apply(&secret(2, tenant, "past"))
        };
        let limit = Counted::Secrets.usual();
        assert_eq!(filled("a"), Err(Conflict::Quota(QuotaExceeded { quota: "secrets", limit, used: limit })));
        assert_eq!(filled(""), Ok(()));
    }
}
