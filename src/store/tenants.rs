//! Tenants in the catalogue: their records, what each has, and how much it may have.

use super::Catalogue;
use super::catalogue::{full, in_use};
use super::named::{Named, NamedId};
use super::transition::{Change, Conflict};
use crate::domain::{Counted, QuotaExceeded, Tenant, TenantId};
use rpds::{HashTrieMapSync, RedBlackTreeMapSync};
use std::sync::Arc;

const TENANTS_MAX: usize = 100_000;

#[derive(Clone, Debug, Default)]
pub(super) struct Tenants {
    records: RedBlackTreeMapSync<TenantId, Arc<Tenant>>,
    counts: HashTrieMapSync<(TenantId, Counted), usize>,
}

/// What a change does to the counts.
pub(super) enum Counting {
    Nothing,
    More(TenantId, Counted),
    Less(Vec<(TenantId, Counted)>),
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

    /// How many things of a kind a tenant has.
    pub fn count_of(&self, tenant: &TenantId, counted: Counted) -> usize {
        self.tenants.counts.get(&(tenant.clone(), counted)).copied().unwrap_or(0)
    }

    /// What `change`, which is about to be made, does to the counts.
    ///
    /// # Errors
    /// The tenant may not have one more.
    pub(super) fn counting(&self, change: &Change) -> Result<Counting, Conflict> {
        let more = |tenant: &TenantId, counted| self.one_more(tenant, counted);
        match change {
            Change::PutAction(action) if self.action(action.id).is_none() => more(&action.owner_id, Counted::Actions),
            Change::PutAttachment(attachment) if self.attachment(attachment.id).is_none() => {
                more(&attachment.owner_id, Counted::Attachments)
            }
            Change::Put(entry) if self.version_of(entry.id()).is_none() => match entry {
                Named::Schedule(schedule) => more(&schedule.header.owner_id, Counted::Schedules),
                Named::Secret(secret) => more(&secret.header.owner_id, Counted::Secrets),
                _ => Ok(Counting::Nothing),
            },
            Change::DeleteAction(id) => {
                let action = self.action(*id).map(|action| (action.owner_id.clone(), Counted::Actions));
                let attachments = self.attachments_of(*id).map(|a| (a.owner_id.clone(), Counted::Attachments));
                Ok(Counting::Less(action.into_iter().chain(attachments).collect()))
            }
            Change::DeleteAttachment(_, id) => {
                Ok(less(self.attachment(*id).map(|a| &a.owner_id), Counted::Attachments))
            }
            Change::Delete(NamedId::Schedule(id)) => {
                Ok(less(self.schedules().get(*id).map(|entry| &entry.header.owner_id), Counted::Schedules))
            }
            Change::Delete(NamedId::Secret(id)) => {
                Ok(less(self.secrets().get(*id).map(|entry| &entry.header.owner_id), Counted::Secrets))
            }
            _ => Ok(Counting::Nothing),
        }
    }

    fn one_more(&self, tenant: &TenantId, counted: Counted) -> Result<Counting, Conflict> {
        let limit = self.tenant(tenant).and_then(|record| record.quotas.of(counted));
        let used = self.count_of(tenant, counted) as u64;
        match limit.map(u64::from).filter(|limit| used >= *limit) {
            Some(limit) => Err(Conflict::Quota(QuotaExceeded { quota: counted.as_str(), limit, used })),
            None => Ok(Counting::More(tenant.clone(), counted)),
        }
    }

    pub(super) fn count(&mut self, counting: Counting) {
        let counts = &mut self.tenants.counts;
        match counting {
            Counting::Nothing => {}
            Counting::More(tenant, counted) => {
                let key = (tenant, counted);
                let count = counts.get(&key).copied().unwrap_or(0) + 1;
                counts.insert_mut(key, count);
            }
            Counting::Less(gone) => {
                for key in gone {
                    match counts.get(&key).copied() {
                        Some(count) if count > 1 => counts.insert_mut(key, count - 1),
                        _ => drop(counts.remove_mut(&key)),
                    }
                }
            }
        }
    }

    /// Counts everything anew; only while the store is opened, where it is put in without being counted.
    pub(super) fn count_all(&mut self) {
        self.tenants.counts = HashTrieMapSync::new_sync();
        let actions = self.actions().map(|action| (action.owner_id.clone(), Counted::Actions));
        let attachments = self.attachments().map(|a| (a.owner_id.clone(), Counted::Attachments));
        let schedules = self.schedules().iter().map(|entry| (entry.header.owner_id.clone(), Counted::Schedules));
        let secrets = self.secrets().iter().map(|entry| (entry.header.owner_id.clone(), Counted::Secrets));
        let all: Vec<_> = actions.chain(attachments).chain(schedules).chain(secrets).collect();
        for (tenant, counted) in all {
            self.count(Counting::More(tenant, counted));
        }
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
    fn owned_by(&self, id: &TenantId) -> impl Iterator<Item = String> {
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
        things.chain(self.entries_of(id))
    }
}

fn less(tenant: Option<&TenantId>, counted: Counted) -> Counting {
    Counting::Less(tenant.map(|tenant| (tenant.clone(), counted)).into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Header, Sealed, Secret, SecretId, Timestamp};

    const NOW: Timestamp = Timestamp::from_ms(0);

    fn secret(id: u8, tenant: &str, name: &str) -> Change {
        let header = (SecretId::from_bytes([id; 16]), tenant.parse().unwrap(), name.parse().unwrap());
        let sealed = Sealed { key: "00".repeat(8).parse().unwrap(), nonce: [0; 24], ciphertext: vec![id] };
        Change::Put(Secret { header: Header::new(header, "test", NOW), sealed }.into())
    }

    fn counts(catalogue: &Catalogue) -> [usize; 2] {
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
}
