//! Whether the indexes agree with the tables they index.

use super::batch::{attachment_key, family_key, object_key, state_key};
use super::codec::{Key, decode};
use super::{ReadError, Store, kv, once, schema};
use crate::domain::{Attachment, Event, ObjectRecord, Run};
use redb::{ReadTransaction, ReadableDatabase, ReadableTable, TableHandle};
use std::collections::{BTreeMap, BTreeSet};

impl Store {
    /// Every disagreement in words; none when all is well. Reads the whole history.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn check(&self) -> Result<Vec<String>, ReadError> {
        let tx = self.db().begin_read()?;
        let (mut by_type, mut by_event_state, mut by_root) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let (mut by_action, mut by_run_state) = (BTreeSet::new(), BTreeSet::new());
        for entry in tx.open_table(schema::EVENTS)?.iter()? {
            let event: Event = decode("events", entry?.1.value())?;
            let id = event.id.as_bytes();
            by_type.insert(Key::tenant(&event.owner_id).and(event.event_type_id.as_bytes()).and(id).done());
            by_root.extend(family_key(&event));
            by_event_state.extend(state_key(event.state, &event.owner_id, id));
        }
        let mut reserved = BTreeMap::new();
        let mut twice = Vec::new();
        for entry in tx.open_table(schema::RUNS)?.iter()? {
            let run: Run = decode("runs", entry?.1.value())?;
            let id = run.id.as_bytes();
            let key = run.dedup_key.filter(|_| !run.state.is_terminal());
            if let Some(other) = key.and_then(|key| reserved.insert(key, run.id)) {
                twice.push(format!("runs has {other} and {} in flight with one dedup key", run.id));
            }
            by_action.insert(Key::tenant(&run.owner_id).and(run.action_id.as_bytes()).and(id).done());
            by_run_state.extend(state_key(run.state, &run.owner_id, id));
        }
        let (values_by_expiry, wrong_values) = kv::check(&tx)?;
        let expected = [
            (schema::EVENTS_BY_TYPE, by_type),
            (schema::EVENTS_BY_STATE, by_event_state),
            (schema::EVENTS_BY_ROOT, by_root),
            (schema::RUNS_BY_ACTION, by_action),
            (schema::RUNS_BY_STATE, by_run_state),
            (schema::ONCE_BY_EXPIRY, once::expected_by_expiry(&tx)?),
            (schema::KV_BY_EXPIRY, values_by_expiry),
        ];
        let mut wrong = check_attachments(&tx)?;
        wrong.extend(twice);
        wrong.extend(wrong_values);
        for (index, keys) in expected {
            wrong.extend(compare(&tx, index, &keys)?);
        }
        Ok(wrong)
    }
}

/// Every attachment has its action, and objects and attachments lie where their records say.
fn check_attachments(tx: &ReadTransaction) -> Result<Vec<String>, ReadError> {
    let mut wrong = Vec::new();
    let actions = tx.open_table(schema::ACTIONS)?;
    for entry in tx.open_table(schema::ATTACHMENTS)?.iter()? {
        let (key, value) = entry?;
        let attachment: Attachment = decode("attachments", value.value())?;
        if actions.get(attachment.action_id.as_bytes().as_slice())?.is_none() {
            wrong.push(format!("attachments has {} of no action", attachment.id));
        }
        if key.value() != attachment_key(attachment.action_id, attachment.id) {
            wrong.push(format!("attachments has {} at another key", attachment.id));
        }
    }
    for entry in tx.open_table(schema::OBJECTS)?.iter()? {
        let (key, value) = entry?;
        let record: ObjectRecord = decode("objects", value.value())?;
        if key.value() != object_key(&record.owner_id, &record.object) {
            wrong.push(format!("objects has {} at another key", record.object));
        }
    }
    Ok(wrong)
}

fn compare(tx: &ReadTransaction, index: schema::Table, expected: &BTreeSet<Vec<u8>>) -> Result<Vec<String>, ReadError> {
    let mut found = BTreeSet::new();
    for entry in tx.open_table(index)?.iter()? {
        found.insert(entry?.0.value().to_vec());
    }
    let name = index.name();
    let hex = |key: &Vec<u8>| data_encoding::HEXLOWER.encode(key);
    let missing = expected.difference(&found).map(|key| format!("{name} lacks {}", hex(key)));
    let surplus = found.difference(expected).map(|key| format!("{name} has {} for nothing", hex(key)));
    Ok(missing.chain(surplus).collect())
}
