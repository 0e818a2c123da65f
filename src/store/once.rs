//! What was accepted once: requests by their key, and by the time from which the key is free again.

use super::batch::{Entries, WriteError, apply};
use super::codec::{Key, decode, encode};
use super::{ReadError, Store, schema};
use crate::domain::{AcceptedOnce, OnceKey, TenantId, Timestamp};
use bytes::Bytes;
use redb::{ReadTransaction, ReadableDatabase, ReadableTable, WriteTransaction};
use std::collections::BTreeSet;

/// One that has expired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expired {
    pub tenant: TenantId,
    pub key: OnceKey,
    pub expires_at: Timestamp,
}

impl Store {
    /// What was accepted for a key, also when it has expired and was not forgotten yet.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn accepted_once(&self, tenant: &TenantId, key: OnceKey) -> Result<Option<AcceptedOnce>, ReadError> {
        let table = self.db().begin_read()?.open_table(schema::ACCEPTED_ONCE)?;
        let record = table.get(record_key(tenant, key).as_slice())?;
        record.map(|record| decode("accepted_once", record.value())).transpose()
    }

    /// At most `limit` of those that have expired at `now`, for [`super::Change::ForgetOnce`]. Looks at nothing else.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn expired_once(&self, now: Timestamp, limit: usize) -> Result<Vec<Expired>, ReadError> {
        let table = self.db().begin_read()?.open_table(schema::ONCE_BY_EXPIRY)?;
        let after = now.plus_ms(1).as_ms().max(0).to_be_bytes();
        let mut expired = Vec::new();
        for entry in table.range::<&[u8]>(..after.as_slice())?.take(limit) {
            let (key, _) = entry?;
            let corrupt = || ReadError::Corrupt { table: "once_by_expiry", detail: "a key has no meaning".to_owned() };
            expired.push(read_expiry_key(key.value()).ok_or_else(corrupt)?);
        }
        Ok(expired)
    }
}

fn record_key(tenant: &TenantId, key: OnceKey) -> Vec<u8> {
    Key::tenant(tenant).and(&key.to_bytes()).done()
}

/// Times before 1970 are as good as 1970: both are over.
fn expiry_key(expires_at: Timestamp, tenant: &TenantId, key: OnceKey) -> Vec<u8> {
    let time = expires_at.as_ms().max(0).to_be_bytes();
    Key::default().and(&time).and_tenant(tenant).and(&key.to_bytes()).done()
}

fn read_expiry_key(bytes: &[u8]) -> Option<Expired> {
    let (time, rest) = bytes.split_first_chunk::<8>()?;
    let (rest, key) = rest.split_last_chunk::<16>()?;
    let (_, tenant) = rest.split_last()?;
    Some(Expired {
        tenant: std::str::from_utf8(tenant).ok()?.parse().ok()?,
        key: OnceKey::from_bytes(*key),
        expires_at: Timestamp::from_ms(i64::from_be_bytes(*time)),
    })
}

/// Remembers, in the place of what had the key before.
pub(super) fn remember(tx: &WriteTransaction, accepted: &[std::sync::Arc<AcceptedOnce>]) -> Result<(), WriteError> {
    let (mut records, mut by_expiry) = (Entries::new(), Entries::new());
    for accepted in accepted {
        let AcceptedOnce { owner_id, key, expires_at, .. } = accepted.as_ref();
        by_expiry.extend(expiry_of(tx, owner_id, *key)?.map(|old| (expiry_key(old, owner_id, *key), None)));
        by_expiry.push((expiry_key(*expires_at, owner_id, *key), Some(Bytes::new())));
        records.push((record_key(owner_id, *key), Some(encode(accepted.as_ref()).into())));
    }
    apply(tx, schema::ACCEPTED_ONCE, records)?;
    apply(tx, schema::ONCE_BY_EXPIRY, by_expiry)
}

/// Forgets; a key that was taken anew meanwhile stays.
pub(super) fn forget(tx: &WriteTransaction, expired: &[Expired]) -> Result<(), WriteError> {
    let (mut records, mut by_expiry) = (Entries::new(), Entries::new());
    for Expired { tenant, key, expires_at } in expired {
        if expiry_of(tx, tenant, *key)?.is_some_and(|at| at.as_ms().max(0) == expires_at.as_ms()) {
            records.push((record_key(tenant, *key), None));
            by_expiry.push((expiry_key(*expires_at, tenant, *key), None));
        }
    }
    apply(tx, schema::ACCEPTED_ONCE, records)?;
    apply(tx, schema::ONCE_BY_EXPIRY, by_expiry)
}

fn expiry_of(tx: &WriteTransaction, tenant: &TenantId, key: OnceKey) -> Result<Option<Timestamp>, WriteError> {
    let table = tx.open_table(schema::ACCEPTED_ONCE)?;
    let record = table.get(record_key(tenant, key).as_slice())?;
    Ok(record.and_then(|record| decode::<AcceptedOnce>("accepted_once", record.value()).ok()).map(|old| old.expires_at))
}

/// The keys that the index by expiry should have.
pub(super) fn expected_by_expiry(tx: &ReadTransaction) -> Result<BTreeSet<Vec<u8>>, ReadError> {
    let mut expected = BTreeSet::new();
    for entry in tx.open_table(schema::ACCEPTED_ONCE)?.iter()? {
        let accepted: AcceptedOnce = decode("accepted_once", entry?.1.value())?;
        expected.insert(expiry_key(accepted.expires_at, &accepted.owner_id, accepted.key));
    }
    Ok(expected)
}
