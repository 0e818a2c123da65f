//! How keys and values are written.
//!
//! A value is one byte of format version and MessagePack with field names: a newer binary reads an older record
//! because every field that came later has a default, and a change that defaults cannot express gets a new version.

use super::ReadError;
use crate::domain::{State, TenantId};
use serde::{Serialize, de::DeserializeOwned};

const RECORD_VERSION: u8 = 1;

/// # Panics
/// A record of the domain always has a MessagePack form; that it has none is a bug, which ends the process
/// before anything wrong is written.
pub(super) fn encode(record: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(512);
    bytes.push(RECORD_VERSION);
    if let Err(error) = rmp_serde::encode::write_named(&mut bytes, record) {
        panic!("a record could not be written: {error}");
    }
    bytes
}

pub(super) fn decode<T: DeserializeOwned>(table: &'static str, bytes: &[u8]) -> Result<T, ReadError> {
    match bytes.split_first() {
        Some((&RECORD_VERSION, body)) => {
            rmp_serde::from_slice(body).map_err(|error| ReadError::Corrupt { table, detail: error.to_string() })
        }
        Some((version, _)) => {
            Err(ReadError::Corrupt { table, detail: format!("a record has format version {version}") })
        }
        None => Err(ReadError::Corrupt { table, detail: "a record is empty".to_owned() }),
    }
}

/// A key being put together, part by part.
#[derive(Default)]
pub(super) struct Key(Vec<u8>);

impl Key {
    pub(super) fn tenant(tenant: &TenantId) -> Key {
        Key(Vec::with_capacity(64)).and_tenant(tenant)
    }

    pub(super) fn state(state: State) -> Key {
        let mut key = Vec::with_capacity(64);
        key.push(state_byte(state));
        Key(key)
    }

    /// A tenant id has no zero byte, so the zero ends it and no tenant's keys lie among another's.
    pub(super) fn and_tenant(mut self, tenant: &TenantId) -> Key {
        self.0.extend_from_slice(tenant.as_str().as_bytes());
        self.0.push(0);
        self
    }

    pub(super) fn and(mut self, part: &[u8]) -> Key {
        self.0.extend_from_slice(part);
        self
    }

    pub(super) fn done(self) -> Vec<u8> {
        self.0
    }
}

/// The byte of a state in keys; part of the file format.
pub(super) const fn state_byte(state: State) -> u8 {
    match state {
        State::Queued => 1,
        State::Waiting => 2,
        State::Running => 3,
        State::Success => 4,
        State::Warning => 5,
        State::Error => 6,
        State::Skipped => 7,
        State::Cancelled => 8,
    }
}

/// The first key after all keys that begin with `prefix`, if there can be one.
pub(super) fn end_of(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.last_mut() {
        if *last < u8::MAX {
            *last += 1;
            return Some(end);
        }
        end.pop();
    }
    None
}

/// The id at the end of a key.
pub(super) fn last_id(key: &[u8]) -> Option<[u8; 16]> {
    key.last_chunk::<16>().copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[test]
    fn an_older_record_is_read_by_a_type_that_grew() {
        #[derive(Serialize)]
        struct Old {
            name: &'static str,
        }
        #[derive(Deserialize, PartialEq, Debug)]
        struct New {
            name: String,
            #[serde(default)]
            colour: Option<String>,
        }
        let bytes = encode(&Old { name: "a" });
        assert_eq!(decode::<New>("t", &bytes).unwrap(), New { name: "a".into(), colour: None });
    }

    #[test]
    fn a_record_of_an_unknown_version_is_refused() {
        for bytes in [&[][..], &[9, 0x80], &[1, 0xff]] {
            assert!(decode::<String>("t", bytes).is_err());
        }
    }

    #[test]
    fn the_end_of_a_prefix_is_just_behind_it() {
        assert_eq!(end_of(b"a\0"), Some(b"a\x01".to_vec()));
        assert_eq!(end_of(b"a\xff"), Some(b"b".to_vec()));
        assert_eq!(end_of(b"\xff"), None);
    }
}
