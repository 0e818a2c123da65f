//! The named things of the catalogue that all work alike: kept by id, found by name, each kind in a table of its own.

use super::catalogue::full;
use super::codec::encode;
use super::transition::Conflict;
use super::{Catalogue, ReadError, schema};
use crate::domain::{
    Entry, EntryName, Header, Schedule, Secret, Sink, SinkType, Source, SourceType, TenantId, TokenHash,
};
use rpds::{HashTrieMapSync, RedBlackTreeMapSync};
use std::sync::Arc;

/// All entries of one kind. Persistent: a changed copy costs the change.
#[derive(Clone, Debug)]
pub struct Registry<E: Entry> {
    entries: RedBlackTreeMapSync<E::Id, Arc<E>>,
    /// Name first, so that one look finds every tenant that has it.
    names: RedBlackTreeMapSync<(String, TenantId), E::Id>,
    credentials: HashTrieMapSync<TokenHash, E::Id>,
}

impl<E: Entry> Default for Registry<E> {
    fn default() -> Registry<E> {
        Registry {
            entries: RedBlackTreeMapSync::new_sync(),
            names: RedBlackTreeMapSync::new_sync(),
            credentials: HashTrieMapSync::new_sync(),
        }
    }
}

impl<E: Entry> Registry<E> {
    pub fn get(&self, id: E::Id) -> Option<&Arc<E>> {
        self.entries.get(&id)
    }

    /// The tenant's own entry of that name, else the shared one.
    pub fn named(&self, tenant: &TenantId, name: &EntryName) -> Option<&Arc<E>> {
        let mut key = (name.folded(), tenant.clone());
        let own = self.names.get(&key);
        let id = own.or_else(|| {
            key.1 = TenantId::shared();
            self.names.get(&key)
        })?;
        self.entries.get(id)
    }

    /// The entry that authenticates with this.
    pub fn with_credential(&self, hash: &TokenHash) -> Option<&Arc<E>> {
        self.credentials.get(hash).and_then(|id| self.entries.get(id))
    }

    /// Oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<E>> {
        self.entries.values()
    }

    fn put(&mut self, entry: &Arc<E>, limit: usize) -> Result<(), Conflict> {
        self.check_name(entry.header())?;
        let header = entry.header();
        match self.entries.get(&header.id).cloned() {
            None => full(E::WHAT, self.entries.size(), limit)?,
            Some(old) => self.forget(&old),
        }
        if let Some(hash) = entry.credential() {
            self.credentials.insert_mut(hash, header.id);
        }
        self.names.insert_mut((header.name.folded(), header.owner_id.clone()), header.id);
        self.entries.insert_mut(header.id, Arc::clone(entry));
        Ok(())
    }

    fn check_name(&self, header: &Header<E::Id>) -> Result<(), Conflict> {
        let folded = header.name.folded();
        let first = (folded.clone(), TenantId::shared());
        let mut holders = self.names.range(first..).take_while(|((name, _), _)| *name == folded);
        let clashes = |tenant: &TenantId| {
            *tenant == header.owner_id || !E::MAY_HIDE_SHARED && (tenant.is_shared() || header.owner_id.is_shared())
        };
        if holders.any(|((_, tenant), id)| *id != header.id && clashes(tenant)) {
            return Err(Conflict::NameTaken { article: E::ARTICLE, name: header.name.to_string() });
        }
        Ok(())
    }

    fn delete(&mut self, id: E::Id) -> Result<(), Conflict> {
        let gone = || Conflict::Gone { what: E::WHAT, id: id.to_string() };
        let entry = self.entries.get(&id).cloned().ok_or_else(gone)?;
        self.forget(&entry);
        self.entries.remove_mut(&id);
        Ok(())
    }

    /// Loses the ways to find what is there.
    fn forget(&mut self, entry: &E) {
        let header = entry.header();
        self.names.remove_mut(&(header.name.folded(), header.owner_id.clone()));
        if let Some(hash) = entry.credential() {
            self.credentials.remove_mut(&hash);
        }
    }
}

macro_rules! kinds {
    ($($kind:ident $registry:ident $table:ident $limit:literal),* $(,)?) => {
        /// An entry of any kind.
        #[derive(Clone, Debug)]
        pub enum Named {
            $($kind(Arc<$kind>)),*
        }

        /// The id of an entry of any kind.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum NamedId {
            $($kind(<$kind as Entry>::Id)),*
        }

        /// How many there may be of each kind.
        #[derive(Clone, Copy, Debug)]
        pub struct NamedBounds {
            $(pub $registry: usize),*
        }

        impl Default for NamedBounds {
            fn default() -> NamedBounds {
                NamedBounds { $($registry: $limit),* }
            }
        }

        #[derive(Clone, Debug, Default)]
        pub(super) struct Registries {
            $($registry: Registry<$kind>),*
        }

        $(impl From<$kind> for Named {
            fn from(entry: $kind) -> Named {
                Named::$kind(Arc::new(entry))
            }
        })*

        impl Named {
            pub fn id(&self) -> NamedId {
                match self {
                    $(Named::$kind(entry) => NamedId::$kind(entry.header.id)),*
                }
            }

            pub(super) fn owner(&self) -> &TenantId {
                match self {
                    $(Named::$kind(entry) => &entry.header.owner_id),*
                }
            }

            pub(super) fn name(&self) -> &EntryName {
                match self {
                    $(Named::$kind(entry) => &entry.header.name),*
                }
            }

            /// As JSON; its types keep to themselves what nobody may read.
            pub(super) fn shown(&self) -> serde_json::Value {
                match self {
                    $(Named::$kind(entry) => serde_json::to_value(&**entry).unwrap_or_default()),*
                }
            }

            pub(super) fn record(&self) -> Vec<u8> {
                match self {
                    $(Named::$kind(entry) => encode(&**entry)),*
                }
            }
        }

        impl NamedId {
            pub(super) fn what(&self) -> &'static str {
                match self {
                    $(NamedId::$kind(_) => $kind::WHAT),*
                }
            }

            /// Where its record lies.
            pub(super) fn place(&self) -> (schema::Table, [u8; 16]) {
                match self {
                    $(NamedId::$kind(id) => (schema::$table, *id.as_bytes())),*
                }
            }
        }

        impl std::fmt::Display for NamedId {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self {
                    $(NamedId::$kind(id) => id.fmt(f)),*
                }
            }
        }

        impl Catalogue {
            $(pub fn $registry(&self) -> &Registry<$kind> {
                &self.named.$registry
            })*

            pub(super) fn entry(&self, id: NamedId) -> Option<Named> {
                match id {
                    $(NamedId::$kind(id) => self.$registry().get(id).cloned().map(Named::$kind)),*
                }
            }

            /// All entries of all kinds.
            pub(super) fn entries(&self) -> Vec<Named> {
                let mut entries = Vec::new();
                $(entries.extend(self.$registry().iter().cloned().map(Named::$kind));)*
                entries
            }

            pub(super) fn version_of(&self, id: NamedId) -> Option<u64> {
                match id {
                    $(NamedId::$kind(id) => self.$registry().get(id).map(|entry| entry.header.version)),*
                }
            }

            pub(super) fn put_named(&mut self, entry: &Named) -> Result<(), Conflict> {
                self.check_references(entry)?;
                self.insert_named(entry)
            }

            /// Without a look at what it names, for what was checked when it was written.
            pub(super) fn insert_named(&mut self, entry: &Named) -> Result<(), Conflict> {
                self.retime(entry);
                match entry {
                    $(Named::$kind(entry) => self.named.$registry.put(entry, self.bounds.named.$registry)),*
                }
            }

            pub(super) fn delete_named(&mut self, id: NamedId) -> Result<(), Conflict> {
                self.check_unused(id)?;
                self.untime(id);
                match id {
                    $(NamedId::$kind(id) => self.named.$registry.delete(id)),*
                }
            }
        }

        /// Every entry in the file.
        pub(super) fn load(
            mut records: impl FnMut(schema::Table) -> Result<Vec<Vec<u8>>, ReadError>,
        ) -> Result<Vec<Named>, ReadError> {
            let mut entries = Vec::new();
            $(for record in records(schema::$table)? {
                let entry = super::codec::decode(stringify!($registry), &record)?;
                entries.push(Named::$kind(Arc::new(entry)));
            })*
            Ok(entries)
        }
    };
}

// Each with its registry, its table, and how many there may be: they live in memory.
kinds! {
    SourceType source_types SOURCE_TYPES 10_000,
    SinkType sink_types SINK_TYPES 10_000,
    Source sources SOURCES 100_000,
    Sink sinks SINKS 10_000,
    Schedule schedules SCHEDULES 100_000,
    Secret secrets SECRETS 100_000,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Sealed, SecretId, SourceTypeId, Timestamp};
    use crate::store::Change;

    const NOW: Timestamp = Timestamp::from_ms(0);

    fn source_type(id: u8, tenant: &str, name: &str) -> Change {
        let header = (SourceTypeId::from_bytes([id; 16]), tenant.parse().unwrap(), name.parse::<EntryName>().unwrap());
        Change::Put(SourceType { header: Header::new(header, "test", NOW) }.into())
    }

    fn secret(id: u8, tenant: &str, name: &str) -> Change {
        let header = (SecretId::from_bytes([id; 16]), tenant.parse().unwrap(), name.parse::<EntryName>().unwrap());
        let sealed = Sealed { key: "00".repeat(8).parse().unwrap(), nonce: [0; 24], ciphertext: vec![id] };
        Change::Put(Secret { header: Header::new(header, "test", NOW), sealed, allowed_hosts: Vec::new() }.into())
    }

    #[test]
    fn a_name_is_unique_in_its_tenant_and_not_one_that_is_shared() {
        let taken = |changes: [Change; 2]| matches!(Catalogue::of(changes), Err(Conflict::NameTaken { .. }));
        assert!(taken([source_type(1, "a", "github"), source_type(2, "a", "GitHub")]));
        assert!(taken([source_type(1, "", "github"), source_type(2, "a", "github")]));
        assert!(taken([source_type(1, "a", "github"), source_type(2, "", "github")]));
        assert!(!taken([source_type(1, "a", "github"), source_type(2, "b", "github")]));
        assert!(!taken([source_type(1, "a", "github"), source_type(1, "a", "GitHub")]), "itself, renamed");
    }

    #[test]
    fn a_tenants_own_secret_hides_the_shared_one() {
        let catalogue = Catalogue::of([secret(1, "", "key"), secret(2, "a", "key")]).unwrap();
        let sealed = |tenant: &str| {
            let secret = catalogue.secrets().named(&tenant.parse().unwrap(), &"KEY".parse().unwrap());
            secret.unwrap().sealed.ciphertext.clone()
        };
        assert_eq!((sealed("a"), sealed("b")), (vec![2], vec![1]));
    }
}
