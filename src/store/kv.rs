//! The values that actions keep (`domain/kv.rs`): where they lie, and what a write must find there.
//!
//! What writes expect is looked at by the writer, who alone sees what the transitions before it have decided: so of two
//! runs that want to write the same, one does. A value that has expired counts as not there long before it is removed.

use super::batch::{Entries, WriteError, apply};
use super::codec::{Key, decode, encode, end_of};
use super::read::upper;
use super::transition::{Conflict, KvChange};
use super::{Catalogue, ReadError, Store, schema};
use crate::domain::{ActionId, AttachmentId, KvEntry, KvKept, KvSize, KvSpace, KvWrite, TenantId, Timestamp};
use bytes::Bytes;
use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable, WriteTransaction};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;

/// A value whose time is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpiredValue {
    /// Where the index by expiry has it.
    key: Vec<u8>,
}

/// Values of one commit that are decided and not written yet.
#[derive(Default)]
pub(super) struct Values {
    entries: BTreeMap<Vec<u8>, Option<KvEntry>>,
    sizes: HashMap<(TenantId, ActionId), KvSize>,
    totals: HashMap<TenantId, u64>,
}

impl Store {
    /// What is kept under a key, be it expired or not.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn value(&self, space: &KvSpace, key: &str) -> Result<Option<KvEntry>, ReadError> {
        entry(&self.db().begin_read()?, &value_key(space, key))
    }

    /// The first `limit` of what is there at `now` whose keys begin with a prefix and come after another, in order.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn list_values(
        &self,
        space: &KvSpace,
        (prefix, after): (&str, Option<&str>),
        (now, limit): (Timestamp, usize),
    ) -> Result<Vec<(String, KvEntry)>, ReadError> {
        let first = value_key(space, prefix);
        let end = end_of(&first);
        let after = after.map(|after| value_key(space, after)).filter(|after| *after >= first);
        if after.as_ref().zip(end.as_ref()).is_some_and(|(after, end)| after >= end) {
            return Ok(Vec::new());
        }
        let lower = after.as_deref().map_or(Bound::Included(first.as_slice()), Bound::Excluded);
        let key_starts = value_key(space, "").len();
        let table = self.db().begin_read()?.open_table(schema::KV)?;
        let mut found = Vec::new();
        for entry in table.range::<&[u8]>((lower, upper(end.as_deref())))? {
            if found.len() == limit {
                break;
            }
            let (key, record) = entry?;
            let entry: KvEntry = decode("kv", record.value())?;
            if entry.is_there(now) {
                found.push((String::from_utf8_lossy(&key.value()[key_starts..]).into_owned(), entry));
            }
        }
        Ok(found)
    }

    /// How much an action keeps for a tenant.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn kept_size(&self, tenant: &TenantId, action: ActionId) -> Result<KvSize, ReadError> {
        size(&self.db().begin_read()?, tenant, action)
    }

    /// The same as bounds look at it, beside what the tenant keeps in all and may.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn kept(&self, tenant: &TenantId, action: ActionId) -> Result<KvKept, ReadError> {
        let (tx, tenant_quota) = (self.db().begin_read()?, self.catalogue().kv_quota_of(tenant));
        let tenant_bytes = if tenant_quota.is_some() { total(&tx, tenant)? } else { 0 };
        Ok(KvKept { action: size(&tx, tenant, action)?, tenant_bytes, tenant_quota })
    }

    /// How many bytes all actions keep for a tenant.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn kept_bytes(&self, tenant: &TenantId) -> Result<u64, ReadError> {
        total(&self.db().begin_read()?, tenant)
    }

    /// At most `limit` values that have expired at `now`, for [`super::Change::ForgetValues`]. Looks at nothing else.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn expired_values(&self, now: Timestamp, limit: usize) -> Result<Vec<ExpiredValue>, ReadError> {
        let table = self.db().begin_read()?.open_table(schema::KV_BY_EXPIRY)?;
        let end = expiry_key(now.plus_ms(1), &[]);
        let mut expired = Vec::new();
        for entry in table.range::<&[u8]>(..end.as_slice())?.take(limit) {
            expired.push(ExpiredValue { key: entry?.0.value().to_vec() });
        }
        Ok(expired)
    }
}

impl Values {
    /// Decides on writes behind those that were decided before, of this commit or an earlier one. What belongs to an action
    /// or attachment that is gone is kept no more.
    ///
    /// # Errors
    /// Something is not as a write expects it, or too much would be kept. Nothing of the change is done then.
    pub(super) fn decide(&mut self, db: &Database, catalogue: &Catalogue, change: &KvChange) -> Result<(), Conflict> {
        let unread = |error: ReadError| Conflict::Values { detail: error.to_string() };
        let KvChange { tenant, action, writes, at } = change;
        if catalogue.action(*action).is_none() {
            return Ok(());
        }
        let tx = db.begin_read().map_err(|error| unread(error.into()))?;
        let of = (tenant.clone(), *action);
        let action_size = match self.sizes.get(&of) {
            Some(size) => *size,
            None => size(&tx, tenant, *action).map_err(unread)?,
        };
        let tenant_bytes = match self.totals.get(tenant) {
            Some(total) => *total,
            None => total(&tx, tenant).map_err(unread)?,
        };
        let before = KvKept { action: action_size, tenant_bytes, tenant_quota: catalogue.kv_quota_of(tenant) };
        let (mut decided, mut after) = (Vec::with_capacity(writes.len()), before);
        for (attachment, key, write) in writes {
            if attachment.is_some_and(|id| catalogue.attachment(id).is_none()) {
                continue;
            }
            let place = value_key(&KvSpace { action: *action, attachment: *attachment, tenant: tenant.clone() }, key);
            let found = match self.entries.get(&place) {
                Some(found) => found.clone(),
                None => entry(&tx, &place).map_err(unread)?,
            };
            let seen = found.as_ref().filter(|entry| entry.is_there(*at)).map(|entry| entry.version);
            if !write.expect.holds(seen) {
                let detail = format!("the value under `{key}` is not any more what the attempt expected");
                return Err(Conflict::Values { detail });
            }
            let bytes = |entry: &KvEntry| (key.len() + entry.value.len()) as u64;
            let found = found.as_ref().map(bytes);
            after = write.entry.as_ref().map_or_else(|| after.without(found), |new| after.with(bytes(new), found));
            decided.push((place, write));
        }
        let grows = after.action.entries > before.action.entries || after.action.bytes > before.action.bytes;
        if let Some(detail) = after.refusal(before).filter(|_| grows) {
            return Err(Conflict::Values { detail });
        }
        self.totals.insert(tenant.clone(), after.tenant_bytes);
        self.sizes.insert(of, after.action);
        self.entries.extend(decided.into_iter().map(|(place, KvWrite { entry, .. })| (place, entry.clone())));
        Ok(())
    }

    /// Writes what was decided.
    pub(super) fn write(&mut self, tx: &WriteTransaction) -> Result<(), WriteError> {
        if self.entries.is_empty() {
            // What was counted for nothing is not known any more when others write.
            self.sizes.clear();
            self.totals.clear();
            return Ok(());
        }
        let (mut records, mut by_expiry, mut sizes) = (Entries::new(), BTreeMap::new(), Entries::new());
        {
            let table = tx.open_table(schema::KV)?;
            for (key, entry) in std::mem::take(&mut self.entries) {
                by_expiry.extend(expiry_of(&table, &key)?.map(|at| (expiry_key(at, &key), None)));
                let expires_at = entry.as_ref().and_then(|entry| entry.expires_at);
                // At the same time as before it stays where it is.
                by_expiry.extend(expires_at.map(|at| (expiry_key(at, &key), Some(Bytes::new()))));
                records.push((key, entry.as_ref().map(|entry| encode(entry).into())));
            }
        }
        for ((tenant, action), size) in self.sizes.drain() {
            sizes.push((size_key(&tenant, action), record_of(size)));
        }
        let totals = self.totals.drain().map(|(tenant, bytes)| (Key::tenant(&tenant).done(), total_record(bytes)));
        apply(tx, schema::KV, records)?;
        apply(tx, schema::KV_BY_EXPIRY, by_expiry.into_iter().collect())?;
        apply(tx, schema::KV_TOTALS, totals.collect())?;
        apply(tx, schema::KV_SIZES, sizes)
    }
}

/// Removes what has expired; what was written anew meanwhile stays.
pub(super) fn forget(tx: &WriteTransaction, expired: &[ExpiredValue]) -> Result<(), WriteError> {
    let mut keys = Vec::new();
    {
        let table = tx.open_table(schema::KV)?;
        for ExpiredValue { key } in expired {
            if let Some((at, key)) = key.split_at_checked(8)
                && expiry_of(&table, key)?.is_some_and(|found| expiry_key(found, &[]) == at)
            {
                keys.push(key.to_vec());
            }
        }
    }
    remove(tx, keys)?;
    // Whatever they pointed at, nobody has to come here again.
    apply(tx, schema::KV_BY_EXPIRY, expired.iter().map(|ExpiredValue { key }| (key.clone(), None)).collect())
}

/// Removes all that an action keeps, for whatever tenant.
pub(super) fn forget_action(tx: &WriteTransaction, action: ActionId) -> Result<(), WriteError> {
    remove(tx, keys_with(tx, action.as_bytes())?)
}

pub(super) fn forget_attachment(tx: &WriteTransaction, action: ActionId, id: AttachmentId) -> Result<(), WriteError> {
    remove(tx, keys_with(tx, &Key::default().and(action.as_bytes()).and(id.as_bytes()).done())?)
}

/// Removes what other tenants' actions keep for a tenant; its own have gone before, and its attachments.
pub(super) fn forget_tenant(tx: &WriteTransaction, tenant: &TenantId) -> Result<(), WriteError> {
    let mut actions = Vec::new();
    {
        let prefix = Key::tenant(tenant).done();
        let table = tx.open_table(schema::KV_SIZES)?;
        for entry in table.range::<&[u8]>((Bound::Included(prefix.as_slice()), upper(end_of(&prefix).as_deref())))? {
            actions.extend(super::codec::last_id(entry?.0.value()).map(ActionId::from_bytes));
        }
    }
    for action in actions {
        let space = KvSpace { action, attachment: None, tenant: tenant.clone() };
        remove(tx, keys_with(tx, &value_key(&space, ""))?)?;
    }
    Ok(())
}

fn keys_with(tx: &WriteTransaction, prefix: &[u8]) -> Result<Vec<Vec<u8>>, WriteError> {
    let table = tx.open_table(schema::KV)?;
    let end = end_of(prefix);
    let found = table.range::<&[u8]>((Bound::Included(prefix), upper(end.as_deref())))?;
    found.map(|entry| Ok(entry?.0.value().to_vec())).collect()
}

/// Removes values with all that says of them.
fn remove(tx: &WriteTransaction, keys: Vec<Vec<u8>>) -> Result<(), WriteError> {
    let mut removed: BTreeMap<Vec<u8>, KvSize> = BTreeMap::new();
    let mut by_expiry = Entries::new();
    {
        let mut table = tx.open_table(schema::KV)?;
        for key in keys {
            let Some(record) = table.remove(key.as_slice())? else { continue };
            let entry = decode::<KvEntry>("kv", record.value()).ok();
            let expires_at = entry.as_ref().and_then(|entry| entry.expires_at);
            by_expiry.extend(expires_at.map(|at| (expiry_key(at, &key), None)));
            if let Some((of, key)) = owner_of(&key) {
                let bytes = (key.len() + entry.map_or(0, |entry| entry.value.len())) as u64;
                let size = removed.entry(of).or_default();
                *size = size.with(bytes, None);
            }
        }
    }
    apply(tx, schema::KV_BY_EXPIRY, by_expiry)?;
    let mut sizes = Entries::new();
    {
        let table = tx.open_table(schema::KV_SIZES)?;
        let mut totals = tx.open_table(schema::KV_TOTALS)?;
        for (key, gone) in removed {
            let tenant = &key[..key.len() - 16];
            // One that lacks is the sum of what is left.
            let told = totals.get(tenant)?.map(|record| total_of(record.value()));
            match told.map(|told| total_record(told.saturating_sub(gone.bytes))) {
                Some(Some(left)) => drop(totals.insert(tenant, &*left)?),
                Some(None) => drop(totals.remove(tenant)?),
                None => {}
            }
            let before =
                table.get(key.as_slice())?.and_then(|record| decode::<KvSize>("kv_sizes", record.value()).ok());
            let KvSize { entries, bytes } = before.unwrap_or_default();
            let left =
                KvSize { entries: entries.saturating_sub(gone.entries), bytes: bytes.saturating_sub(gone.bytes) };
            sizes.push((key, record_of(left)));
        }
    }
    apply(tx, schema::KV_SIZES, sizes)
}

/// Every disagreement between the values and what says of them.
pub(super) fn check(tx: &ReadTransaction) -> Result<(BTreeSet<Vec<u8>>, Vec<String>), ReadError> {
    let (mut by_expiry, mut sizes) = (BTreeSet::new(), BTreeMap::<Vec<u8>, KvSize>::new());
    for entry in tx.open_table(schema::KV)?.iter()? {
        let (key, record) = entry?;
        let entry: KvEntry = decode("kv", record.value())?;
        by_expiry.extend(entry.expires_at.map(|at| expiry_key(at, key.value())));
        if let Some((of, key)) = owner_of(key.value()) {
            let size = sizes.entry(of).or_default();
            *size = size.with((key.len() + entry.value.len()) as u64, None);
        }
    }
    let (mut wrong, mut totals) = (Vec::new(), BTreeMap::<Vec<u8>, u64>::new());
    for (key, size) in &sizes {
        *totals.entry(key[..key.len() - 16].to_vec()).or_default() += size.bytes;
    }
    for entry in tx.open_table(schema::KV_TOTALS)?.iter()? {
        let (key, record) = entry?;
        let (told, found) = (total_of(record.value()), totals.get(key.value()).copied().unwrap_or(0));
        if told != found {
            wrong.push(format!("kv_totals has {told} where kv has {found}"));
        }
    }
    for entry in tx.open_table(schema::KV_SIZES)?.iter()? {
        let (key, record) = entry?;
        let told: KvSize = decode("kv_sizes", record.value())?;
        let found = sizes.remove(key.value()).unwrap_or_default();
        if told != found {
            wrong.push(format!("kv_sizes has {told:?} where kv has {found:?}"));
        }
    }
    wrong.extend(sizes.into_values().map(|size| format!("kv_sizes lacks {size:?}")));
    Ok((by_expiry, wrong))
}

fn entry(tx: &ReadTransaction, key: &[u8]) -> Result<Option<KvEntry>, ReadError> {
    tx.open_table(schema::KV)?.get(key)?.map(|record| decode("kv", record.value())).transpose()
}

fn size(tx: &ReadTransaction, tenant: &TenantId, action: ActionId) -> Result<KvSize, ReadError> {
    let record = tx.open_table(schema::KV_SIZES)?.get(size_key(tenant, action).as_slice())?;
    Ok(record.map(|record| decode("kv_sizes", record.value())).transpose()?.unwrap_or_default())
}

fn total(tx: &ReadTransaction, tenant: &TenantId) -> Result<u64, ReadError> {
    let key = Key::tenant(tenant).done();
    if let Some(record) = tx.open_table(schema::KV_TOTALS)?.get(key.as_slice())? {
        return Ok(total_of(record.value()));
    }
    let (mut bytes, table) = (0, tx.open_table(schema::KV_SIZES)?);
    for entry in table.range::<&[u8]>((Bound::Included(key.as_slice()), upper(end_of(&key).as_deref())))? {
        bytes += decode::<KvSize>("kv_sizes", entry?.1.value())?.bytes;
    }
    Ok(bytes)
}

fn total_of(record: &[u8]) -> u64 {
    record.try_into().map_or(0, u64::from_be_bytes)
}

fn total_record(bytes: u64) -> Option<Bytes> {
    (bytes > 0).then(|| Bytes::copy_from_slice(&bytes.to_be_bytes()))
}

fn expiry_of(
    table: &impl ReadableTable<&'static [u8], &'static [u8]>,
    key: &[u8],
) -> Result<Option<Timestamp>, redb::StorageError> {
    let record = table.get(key)?;
    Ok(record.and_then(|record| decode::<KvEntry>("kv", record.value()).ok()).and_then(|entry| entry.expires_at))
}

fn record_of(size: KvSize) -> Option<Bytes> {
    (size != KvSize::default()).then(|| encode(&size).into())
}

/// `action, attachment or zeros, tenant, key`: what goes with an action or an attachment lies together.
fn value_key(KvSpace { action, attachment, tenant }: &KvSpace, key: &str) -> Vec<u8> {
    let attachment = attachment.unwrap_or(AttachmentId::from_bytes([0; 16]));
    Key::default().and(action.as_bytes()).and(attachment.as_bytes()).and_tenant(tenant).and(key.as_bytes()).done()
}

/// Where the size is kept that a value counts to, and the value's own key.
fn owner_of(key: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let (action, rest) = key.split_first_chunk::<16>()?;
    let (_, rest) = rest.split_first_chunk::<16>()?;
    let end = rest.iter().position(|byte| *byte == 0)?;
    Some((Key::default().and(&rest[..=end]).and(action).done(), &rest[end + 1..]))
}

fn size_key(tenant: &TenantId, action: ActionId) -> Vec<u8> {
    Key::tenant(tenant).and(action.as_bytes()).done()
}

fn expiry_key(at: Timestamp, key: &[u8]) -> Vec<u8> {
    Key::default().and(&at.as_ms().max(0).to_be_bytes()).and(key).done()
}
