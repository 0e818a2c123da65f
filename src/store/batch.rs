//! One commit's worth of changes: the last state of every record, in key order.
//!
//! A run that is planned, started and settled between two commits is written once. Index entries of records that are
//! not terminal are remembered, so that moving one needs no look at the disk.

use super::codec::{Key, encode, end_of};
use super::kv::{self, ExpiredValue, Values};
use super::once::{self, Expired};
use super::retention::{Forget, forget};
use super::tally::Changed;
use super::transition::{Change, Conflict, LogChunk, Transition};
use super::{Catalogue, Notice, Subject, schema};
use crate::domain::{
    AcceptedOnce, Action, ActionId, AttachmentId, AuditEntry, AuditId, Digest, Event, EventId, IdMap, Module,
    ObjectRef, Run, RunId, State, TenantId,
};
use bytes::Bytes;
use redb::{Database, ReadableTable, WriteTransaction};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

#[derive(Debug, thiserror::Error)]
pub(super) enum WriteError {
    #[error(transparent)]
    Transaction(Box<redb::TransactionError>),
    #[error(transparent)]
    Table(#[from] redb::TableError),
    #[error(transparent)]
    Storage(#[from] redb::StorageError),
    #[error(transparent)]
    Commit(#[from] redb::CommitError),
}

impl From<redb::TransactionError> for WriteError {
    fn from(error: redb::TransactionError) -> WriteError {
        WriteError::Transaction(Box::new(error))
    }
}

/// Records that are not terminal, with the state under which the index by state has them.
#[derive(Default)]
pub(super) struct Open {
    pub(super) events: IdMap<EventId, State>,
    pub(super) runs: IdMap<RunId, State>,
}

/// What a commit brought.
pub(super) struct Written {
    /// What may be shown.
    pub(super) notices: Vec<Notice>,
    /// Events that were forgotten.
    pub(super) forgotten: u64,
    /// What it changes in the counts of events.
    pub(super) tallied: Changed,
}

#[derive(Default)]
pub(super) struct Batch {
    open: Open,
    events: BTreeMap<EventId, Arc<Event>>,
    runs: BTreeMap<RunId, Arc<Run>>,
    logs: Vec<LogChunk>,
    accepted_once: Vec<Arc<AcceptedOnce>>,
    expired_once: Vec<Expired>,
    values: Values,
    expired_values: Vec<ExpiredValue>,
    catalogue: Vec<Change>,
    audit: Entries,
    forget: Vec<Forget>,
    programs: Entries,
}

impl Batch {
    pub(super) fn new(open: Open) -> Batch {
        Batch { open, ..Batch::default() }
    }

    /// Decides on the values that the transition writes, behind those of the transitions that were added.
    ///
    /// # Errors
    /// They are not as it expects them; nothing of it is to be done then.
    pub(super) fn decide_on_values(
        &mut self,
        db: &Database,
        catalogue: &Catalogue,
        transition: &Transition,
    ) -> Result<(), Conflict> {
        let mut changes = transition.changes.iter();
        let change = changes.find_map(|change| if let Change::Values(change) = change { Some(change) } else { None });
        change.map_or(Ok(()), |change| self.values.decide(db, catalogue, change))
    }

    /// What the transition leaves in the audit log goes to the disk with it.
    pub(super) fn add(&mut self, transition: Transition, audit: Vec<AuditEntry>) {
        self.audit.extend(audit.iter().map(|entry| (audit_key(&entry.owner_id, entry.id), Some(encode(entry).into()))));
        for change in transition.changes {
            match change {
                Change::Event(event) => {
                    self.events.insert(event.id, event);
                }
                Change::Run(run) => {
                    self.runs.insert(run.id, run);
                }
                Change::Log(chunk) => self.logs.push(chunk),
                Change::RememberOnce(accepted) => self.accepted_once.push(accepted),
                Change::ForgetOnce(expired) => self.expired_once.extend(expired),
                Change::Forget(old) => self.forget.push(old),
                Change::ForgetValues(expired) => self.expired_values.extend(expired),
                // They were decided on.
                Change::Values(_) => {}
                Change::Audit(_) => {}
                Change::PutProgram(source, program) => {
                    self.programs.push((source.as_bytes().to_vec(), Some(encode(&program).into())));
                }
                Change::DeleteAudit(tenant, id) => self.audit.push((audit_key(&tenant, id), None)),
                other => self.catalogue.push(other),
            }
        }
    }

    /// Writes and commits everything that was added; `catalogue` is the one after this batch.
    /// When this returns the disk has it, and what it returns may be shown.
    pub(super) fn write(&mut self, db: &Database, catalogue: &Catalogue) -> Result<Written, WriteError> {
        let mut notices = Vec::with_capacity(self.events.len() + self.runs.len() + self.logs.len());
        let mut tallied = Changed::default();
        let tx = db.begin_write()?;
        // What was said comes before the end of the run that said it, and that before the end of its event: whoever
        // watches until an end has seen everything then.
        self.write_logs(&tx, &mut notices)?;
        self.write_runs(&tx, &mut notices)?;
        self.write_events(&tx, &mut notices, &mut tallied)?;
        once::forget(&tx, &std::mem::take(&mut self.expired_once))?;
        once::remember(&tx, &std::mem::take(&mut self.accepted_once))?;
        self.values.write(&tx)?;
        kv::forget(&tx, &std::mem::take(&mut self.expired_values))?;
        // Behind the values: those of an action that is deleted go with it.
        for change in self.catalogue.drain(..) {
            write_catalogue(&tx, change, catalogue)?;
        }
        apply(&tx, schema::PROGRAMS, std::mem::take(&mut self.programs))?;
        apply(&tx, schema::AUDIT, std::mem::take(&mut self.audit))?;
        // Behind the rest: what is written here has ended on the disk before.
        let mut forgotten = 0;
        for old in self.forget.drain(..) {
            forgotten += forget(&tx, &old, &mut tallied)?;
        }
        tx.commit()?;
        Ok(Written { notices, forgotten, tallied })
    }

    fn write_events(
        &mut self,
        tx: &WriteTransaction,
        notices: &mut Vec<Notice>,
        tallied: &mut Changed,
    ) -> Result<(), WriteError> {
        let (mut records, mut by_type, mut by_state) = (Entries::new(), Entries::new(), Entries::new());
        let mut by_root = Entries::new();
        for (id, event) in std::mem::take(&mut self.events) {
            let before = match event.state.is_terminal() {
                true => self.open.events.remove(&id),
                false => self.open.events.insert(id, event.state),
            };
            // An event that is new and one that is open differ in this: only the new one lacks its entry by type. A new
            // one that is terminal already was never open; writing its entry again would change nothing.
            if before.is_none() {
                let key = Key::tenant(&event.owner_id).and(event.event_type_id.as_bytes()).and(id.as_bytes());
                by_type.push((key.done(), Some(Bytes::new())));
                by_root.extend(family_key(&event).map(|key| (key, Some(Bytes::new()))));
            }
            move_state(&mut by_state, before, event.state, &event.owner_id, id.as_bytes());
            records.push((Key::tenant(&event.owner_id).and(id.as_bytes()).done(), Some(encode(&*event).into())));
            notices.push(Notice::event(&event));
        }
        apply(tx, schema::EVENTS, records)?;
        apply_and_tell(tx, schema::EVENTS_BY_TYPE, by_type, |key, is_there| tallied.of_type(key, is_there))?;
        apply_and_tell(tx, schema::EVENTS_BY_STATE, by_state, |key, is_there| tallied.of_state(key, is_there))?;
        apply(tx, schema::EVENTS_BY_ROOT, by_root)
    }

    fn write_runs(&mut self, tx: &WriteTransaction, notices: &mut Vec<Notice>) -> Result<(), WriteError> {
        let (mut records, mut by_action, mut by_state) = (Entries::new(), Entries::new(), Entries::new());
        for (id, run) in std::mem::take(&mut self.runs) {
            let before = match run.state.is_terminal() {
                true => self.open.runs.remove(&id),
                false => self.open.runs.insert(id, run.state),
            };
            if before.is_none() {
                let key = Key::tenant(&run.owner_id).and(run.action_id.as_bytes()).and(id.as_bytes());
                by_action.push((key.done(), Some(Bytes::new())));
            }
            move_state(&mut by_state, before, run.state, &run.owner_id, id.as_bytes());
            records.push((Key::tenant(&run.owner_id).and(id.as_bytes()).done(), Some(encode(&*run).into())));
            notices.push(Notice::run(&run));
        }
        apply(tx, schema::RUNS, records)?;
        apply(tx, schema::RUNS_BY_ACTION, by_action)?;
        apply(tx, schema::RUNS_BY_STATE, by_state)
    }

    fn write_logs(&mut self, tx: &WriteTransaction, notices: &mut Vec<Notice>) -> Result<(), WriteError> {
        let mut chunks = Entries::new();
        for chunk in self.logs.drain(..) {
            let key = Key::tenant(&chunk.tenant)
                .and(chunk.run.as_bytes())
                .and(&chunk.attempt.to_be_bytes())
                .and(&chunk.number.to_be_bytes());
            chunks.push((key.done(), Some(encode(&*chunk.lines).into())));
            notices
                .push(Notice { tenant: chunk.tenant, subject: Subject::Log(chunk.run, chunk.attempt, chunk.number) });
        }
        apply(tx, schema::LOGS, chunks)
    }
}

/// Where an event is found by the root of its chain, unless it is that root.
pub(super) fn family_key(event: &Event) -> Option<Vec<u8>> {
    let key = || Key::tenant(&event.owner_id).and(event.root_id.as_bytes()).and(event.id.as_bytes()).done();
    (event.depth > 0).then(key)
}

/// Keys with the value to set, or `None` to remove the key.
pub(super) type Entries = Vec<(Vec<u8>, Option<Bytes>)>;

pub(super) fn apply(tx: &WriteTransaction, table: schema::Table, entries: Entries) -> Result<(), WriteError> {
    apply_and_tell(tx, table, entries, |_, _| {})
}

/// In key order, which is what a B-tree likes best. Tells of each key that was not there before, and of each that is not
/// there any more.
pub(super) fn apply_and_tell(
    tx: &WriteTransaction,
    table: schema::Table,
    mut entries: Entries,
    mut tell: impl FnMut(&[u8], bool),
) -> Result<(), WriteError> {
    if entries.is_empty() {
        return Ok(());
    }
    entries.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    let mut table = tx.open_table(table)?;
    for (key, value) in &entries {
        let before = match value {
            Some(value) => table.insert(key.as_slice(), value.as_ref())?,
            None => table.remove(key.as_slice())?,
        };
        let (was_there, is_there) = (before.is_some(), value.is_some());
        if was_there != is_there {
            tell(key, is_there);
        }
    }
    Ok(())
}

/// Where the index by state has a record; it has no successes.
pub(super) fn state_key(state: State, tenant: &TenantId, id: &[u8]) -> Option<Vec<u8>> {
    (state != State::Success).then(|| Key::state(state).and_tenant(tenant).and(id).done())
}

fn move_state(index: &mut Entries, before: Option<State>, now: State, tenant: &TenantId, id: &[u8]) {
    let key = |state| Key::state(state).and_tenant(tenant).and(id).done();
    if before == Some(now) {
        return;
    }
    if let Some(before) = before {
        index.push((key(before), None));
    }
    if now != State::Success {
        index.push((key(now), Some(Bytes::new())));
    }
}

fn write_catalogue(tx: &WriteTransaction, change: Change, catalogue: &Catalogue) -> Result<(), WriteError> {
    let put = |table, key: &[u8], record: Vec<u8>| apply(tx, table, vec![(key.to_vec(), Some(record.into()))]);
    let delete = |table, key: &[u8]| apply(tx, table, vec![(key.to_vec(), None)]);
    match change {
        Change::Event(_) | Change::Run(_) | Change::Log(_) | Change::Forget(_) => Ok(()),
        Change::Audit(_) | Change::DeleteAudit(..) | Change::RememberOnce(_) | Change::ForgetOnce(_) => Ok(()),
        Change::Values(_) | Change::ForgetValues(_) | Change::PutProgram(..) => Ok(()),
        Change::PutModule(module, bytes) => put_module(tx, &module, bytes),
        Change::DeleteModule(tenant, digest) => delete_module(tx, &tenant, digest, catalogue),
        Change::PutAction(action) => put_action(tx, &action),
        // The versions stay: history points at them.
        Change::DeleteAction(id) => delete_action(tx, id),
        Change::PutEventType(event_type) => put(schema::EVENT_TYPES, event_type.id.as_bytes(), encode(&*event_type)),
        Change::DeleteEventType(id) => delete(schema::EVENT_TYPES, id.as_bytes()),
        Change::PutToken(token) => put(schema::TOKENS, token.id.as_bytes(), encode(&*token)),
        Change::DeleteToken(id) => delete(schema::TOKENS, id.as_bytes()),
        Change::PutObject(record) => {
            put(schema::OBJECTS, &object_key(&record.owner_id, &record.object), encode(&*record))
        }
        Change::DeleteObject(tenant, object) => delete(schema::OBJECTS, &object_key(&tenant, &object)),
        Change::PutAttachment(attachment) => {
            put(schema::ATTACHMENTS, &attachment_key(attachment.action_id, attachment.id), encode(&*attachment))
        }
        Change::Put(entry) => {
            let (table, key) = entry.id().place();
            put(table, &key, entry.record())
        }
        Change::Delete(id) => {
            let (table, key) = id.place();
            delete(table, &key)
        }
        Change::PutTenant(tenant) => put(schema::TENANTS, tenant.id.as_str().as_bytes(), encode(&*tenant)),
        Change::DeleteTenant(id) => {
            kv::forget_tenant(tx, &id)?;
            delete(schema::TENANTS, id.as_str().as_bytes())
        }
        Change::DeleteAttachment(action, id) => {
            kv::forget_attachment(tx, action, id)?;
            delete(schema::ATTACHMENTS, &attachment_key(action, id))
        }
    }
}

fn put_module(tx: &WriteTransaction, module: &Module, bytes: Bytes) -> Result<(), WriteError> {
    let key = Key::tenant(&module.owner_id).and(module.digest.as_bytes()).done();
    apply(tx, schema::MODULES, vec![(key, Some(encode(module).into()))])?;
    let mut table = tx.open_table(schema::MODULE_BYTES)?;
    if table.get(module.digest.as_bytes().as_slice())?.is_none() {
        table.insert(module.digest.as_bytes().as_slice(), bytes.as_ref())?;
    }
    Ok(())
}

fn delete_module(
    tx: &WriteTransaction,
    tenant: &TenantId,
    digest: Digest,
    catalogue: &Catalogue,
) -> Result<(), WriteError> {
    apply(tx, schema::MODULES, vec![(Key::tenant(tenant).and(digest.as_bytes()).done(), None)])?;
    // Runs in flight may still want the bytes; only what nobody can name goes, and the artifact outlives it anyhow.
    if !catalogue.needs_bytes(digest) {
        apply(tx, schema::MODULE_BYTES, vec![(digest.as_bytes().to_vec(), None)])?;
    }
    Ok(())
}

fn put_action(tx: &WriteTransaction, action: &Action) -> Result<(), WriteError> {
    let record = Bytes::from(encode(action));
    let version = Key::default().and(action.id.as_bytes()).and(&action.version.to_be_bytes()).done();
    apply(tx, schema::ACTIONS, vec![(action.id.as_bytes().to_vec(), Some(record.clone()))])?;
    apply(tx, schema::ACTION_VERSIONS, vec![(version, Some(record))])
}

fn delete_action(tx: &WriteTransaction, id: ActionId) -> Result<(), WriteError> {
    apply(tx, schema::ACTIONS, vec![(id.as_bytes().to_vec(), None)])?;
    kv::forget_action(tx, id)?;
    let mut attachments = tx.open_table(schema::ATTACHMENTS)?;
    let end = end_of(id.as_bytes());
    let upper = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
    attachments.retain_in::<&[u8], _>((Bound::Included(id.as_bytes().as_slice()), upper), |_, _| false)?;
    Ok(())
}

/// An object type has no zero byte, so the zero ends it.
pub(super) fn object_key(tenant: &TenantId, object: &ObjectRef) -> Vec<u8> {
    Key::tenant(tenant).and(object.object_type.as_bytes()).and(&[0]).and(object.object_id.as_bytes()).done()
}

pub(super) fn attachment_key(action: ActionId, id: AttachmentId) -> Vec<u8> {
    Key::default().and(action.as_bytes()).and(id.as_bytes()).done()
}

pub(super) fn audit_key(tenant: &TenantId, id: AuditId) -> Vec<u8> {
    Key::tenant(tenant).and(id.as_bytes()).done()
}
