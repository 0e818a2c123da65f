//! What a transition leaves in the audit log (DESIGN §10): derived here, from the catalogue before each of its changes, so
//! that nothing that changes the catalogue can forget to.

use super::codec::Key;
use super::named::Named;
use super::read::{Page, Query, Source, all_tenants, page, record, tenants, upper};
use super::transition::{Change, CommitError, Transition};
use super::{Catalogue, ReadError, Store, schema};
use crate::domain::{
    Action, ActionId, Attachment, AuditEntry, AuditId, Author, Deed, EventType, Json, Module, Noted, ObjectRecord,
    Tenant, TenantId, Timestamp, Token,
};
use redb::ReadableDatabase;
use serde::Serialize;
use serde_json::Value;
use std::ops::Bound;
use std::sync::Arc;

/// Of `before` and of `after`, in bytes of JSON: enough for what people write, and a log of a million changes still fits
/// on a disk.
const SIDE_BYTES_MAX: usize = 16 << 10;
/// Levels of nesting in one member. Records wrap a few around it, and what is nested deeper than 100 cannot be read back.
const MEMBER_DEPTH_MAX: usize = 90;
/// Attachments that go with their action and get entries of their own; the entry of the action says how many there were.
const ATTACHMENTS_TOLD_MAX: usize = 1_000;
const NOTE_BYTES_MAX: usize = 1_000;

/// Entries to look for, newest first.
#[derive(Clone, Debug)]
pub struct AuditQuery {
    /// `None` for every tenant.
    pub tenant: Option<TenantId>,
    /// At this time or later.
    pub from: Option<Timestamp>,
    /// Before this time.
    pub to: Option<Timestamp>,
    /// Entries before this one.
    pub after: Option<[u8; 16]>,
    pub limit: usize,
}

impl Store {
    /// A page of the audit log. Only those entries that `wanted` are in it.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn list_audit(
        &self,
        query: &AuditQuery,
        wanted: impl Fn(&AuditEntry) -> bool,
    ) -> Result<Page<AuditEntry>, ReadError> {
        let tx = self.db().begin_read()?;
        let bound = |at: Option<Timestamp>| at.map(|at| *AuditId::first_at(at).as_bytes());
        let after = query.after.into_iter().chain(bound(query.to)).min();
        let (tenant, limit) = (query.tenant.clone(), query.limit);
        let floor = bound(query.from);
        let query = Query { tenant, state: None, after, oldest_first: false, between: (None, None), limit };
        let prefixes = tenants(&tx, &query, schema::AUDIT)?.iter().map(|tenant| Key::tenant(tenant).done()).collect();
        let source = Source { table: schema::AUDIT, prefixes, floor };
        page(&tx, &query, &[source], (schema::AUDIT, "audit"), wanted)
    }

    /// One entry; with `tenant` `None` whosever it is.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn audit_entry(&self, tenant: Option<&TenantId>, id: AuditId) -> Result<Option<AuditEntry>, ReadError> {
        record(&self.db().begin_read()?, (schema::AUDIT, "audit"), tenant, id.as_bytes())
    }

    /// Removes entries from before `at`, at most `limit` of them; how many there were. Fewer than `limit` is all.
    ///
    /// # Errors
    /// The store is broken.
    pub async fn prune_audit(&self, at: Timestamp, limit: usize) -> Result<usize, CommitError> {
        let store = self.clone();
        let old = tokio::task::spawn_blocking(move || store.audit_before(at, limit)).await;
        let old = match old {
            Ok(old) => old.map_err(|error| CommitError::Broken(error.to_string().into()))?,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        };
        let pruned = old.len();
        if pruned > 0 {
            self.commit(Transition::of(old.into_iter().map(|(tenant, id)| Change::DeleteAudit(tenant, id)))).await?;
        }
        Ok(pruned)
    }

    fn audit_before(&self, at: Timestamp, limit: usize) -> Result<Vec<(TenantId, AuditId)>, ReadError> {
        let tx = self.db().begin_read()?;
        let table = tx.open_table(schema::AUDIT)?;
        let mut old = Vec::new();
        for tenant in all_tenants(&tx, schema::AUDIT)? {
            let from = Key::tenant(&tenant).done();
            let to = Key::tenant(&tenant).and(AuditId::first_at(at).as_bytes()).done();
            let range = table.range::<&[u8]>((Bound::Included(from.as_slice()), upper(Some(&to))))?;
            for entry in range.take(limit - old.len()) {
                let id = super::codec::last_id(entry?.0.value()).map(AuditId::from_bytes);
                old.extend(id.map(|id| (tenant.clone(), id)));
            }
        }
        Ok(old)
    }
}

/// The entries of one transition as they come together.
pub(super) struct Audit<'a> {
    author: Option<&'a Author>,
    pub(super) entries: Vec<AuditEntry>,
}

impl<'a> Audit<'a> {
    /// Without an author nothing is noted: what the server does by itself is its history, not a person's change.
    pub(super) fn of(author: Option<&'a Author>) -> Audit<'a> {
        Audit { author, entries: Vec::new() }
    }

    /// Notes a change that is about to be made to `catalogue`.
    pub(super) fn note(&mut self, catalogue: &Catalogue, change: &Change) {
        let Some(author) = self.author else { return };
        match change {
            Change::Event(_) | Change::Run(_) | Change::Log(_) | Change::Forget(_) | Change::DeleteAudit(..) => {}
            Change::Audit(noted) => self.push(author, Told::from(noted.as_ref())),
            Change::DeleteAction(id) => self.action_deleted(author, catalogue, *id),
            change => told(catalogue, change).into_iter().for_each(|told| self.push(author, told)),
        }
    }

    /// Its attachments go with it; whoever looks for one of them finds out.
    fn action_deleted(&mut self, author: &Author, catalogue: &Catalogue, id: ActionId) {
        let Some(action) = catalogue.action(id) else { return };
        let note = match catalogue.attachments_of(id).count() {
            0 => String::new(),
            1 => "with its attachment".to_owned(),
            n => format!("with its {n} attachments"),
        };
        self.push(author, Told { note, ..Told::of(Some(&**action), None, action) });
        for attachment in catalogue.attachments_of(id).take(ATTACHMENTS_TOLD_MAX) {
            let note = format!("its action `{}` was deleted", action.name);
            self.push(author, Told { note, ..Told::of(Some(&**attachment), None, attachment) });
        }
    }

    fn push(&mut self, author: &Author, told: Told) {
        let mut cut = Vec::new();
        let mut side = |value: Option<Value>| value.map(|value| bounded(value, &mut cut));
        let (before, after) = (side(told.before), side(told.after));
        let mut note = told.note;
        note.truncate(note.floor_char_boundary(NOTE_BYTES_MAX));
        self.entries.push(AuditEntry {
            id: author.entry.nth(u32::try_from(self.entries.len()).unwrap_or(u32::MAX)),
            owner_id: told.owner_id,
            at: author.at,
            token: author.token,
            source: author.source,
            by: author.name.clone(),
            by_tenant: author.tenant.clone(),
            request: author.request,
            deed: told.deed,
            kind: told.kind,
            subject_id: told.id,
            subject: told.name,
            before,
            after,
            cut,
            note,
        });
    }
}

/// What is done to one thing.
struct Told {
    owner_id: TenantId,
    deed: Deed,
    kind: String,
    id: String,
    name: String,
    before: Option<Value>,
    after: Option<Value>,
    note: String,
}

impl Told {
    /// `it` is whichever of the two there is, the later if there are both.
    fn of<S: Subject>(before: Option<&S>, after: Option<&S>, it: &S) -> Told {
        let deed = match (before, after) {
            (None, _) => Deed::Created,
            (_, None) => Deed::Deleted,
            _ => Deed::Changed,
        };
        Told {
            owner_id: it.owner_id().clone(),
            deed,
            kind: it.kind().replace(' ', "-"),
            id: it.id(),
            name: it.name(),
            before: before.map(Subject::shown),
            after: after.map(Subject::shown),
            note: String::new(),
        }
    }
}

impl From<&Noted> for Told {
    fn from(noted: &Noted) -> Told {
        Told {
            owner_id: noted.owner_id.clone(),
            deed: noted.deed,
            kind: noted.kind.to_owned(),
            id: noted.subject_id.clone(),
            name: noted.subject.clone(),
            before: None,
            after: None,
            note: noted.note.clone(),
        }
    }
}

fn put<S: Subject>(before: Option<&Arc<S>>, after: &S) -> Option<Told> {
    let told = Told::of(before.map(AsRef::as_ref), Some(after), after);
    // What is put as it was, such as the same module once more, is no change.
    (told.before != told.after).then_some(told)
}

fn gone<S: Subject>(before: Option<&Arc<S>>) -> Option<Told> {
    before.map(|before| Told::of(Some(before.as_ref()), None, before))
}

fn told(catalogue: &Catalogue, change: &Change) -> Option<Told> {
    match change {
        Change::PutModule(module, _) => put(catalogue.own_module(&module.owner_id, module.digest), &**module),
        Change::DeleteModule(owner, digest) => gone(catalogue.own_module(owner, *digest)),
        Change::PutAction(action) => put(catalogue.action(action.id), &**action),
        Change::PutEventType(event_type) => {
            let before = catalogue.event_type(event_type.id);
            let told = put(before, &**event_type)?;
            let deed = match before.map(|before| (before.paused, event_type.paused)) {
                Some((false, true)) => Deed::Paused,
                Some((true, false)) => Deed::Resumed,
                _ => told.deed,
            };
            Some(Told { deed, ..told })
        }
        Change::DeleteEventType(id) => gone(catalogue.event_type(*id)),
        Change::PutToken(token) => put(catalogue.token(token.id), &**token),
        Change::DeleteToken(id) => gone(catalogue.token(*id)),
        Change::PutObject(record) => put(catalogue.own_object(&record.owner_id, &record.object), &**record),
        Change::DeleteObject(owner, object) => gone(catalogue.own_object(owner, object)),
        Change::PutAttachment(attachment) => put(catalogue.attachment(attachment.id), &**attachment),
        Change::DeleteAttachment(_, id) => gone(catalogue.attachment(*id)),
        Change::Put(entry) => put(catalogue.entry(entry.id()).map(Arc::new).as_ref(), entry),
        Change::Delete(id) => gone(catalogue.entry(*id).map(Arc::new).as_ref()),
        Change::PutTenant(tenant) => put(catalogue.tenant(&tenant.id), &**tenant),
        Change::DeleteTenant(id) => gone(catalogue.tenant(id)),
        Change::DeleteAction(_) | Change::Audit(_) | Change::DeleteAudit(..) | Change::Forget(_) => None,
        Change::Event(_) | Change::Run(_) | Change::Log(_) => None,
        Change::RememberOnce(_) | Change::ForgetOnce(_) | Change::PutProgram(..) => None,
        Change::Values(_) | Change::ForgetValues(_) => None,
    }
}

/// A thing as the log names it.
trait Subject {
    fn kind(&self) -> &'static str;
    fn owner_id(&self) -> &TenantId;
    fn id(&self) -> String;
    fn name(&self) -> String;
    /// As JSON; hashes and sealed values keep themselves out of it.
    fn shown(&self) -> Value;
}

macro_rules! subjects {
    ($($type:ident $kind:literal |$it:ident| $id:expr, $name:expr);* $(;)?) => {
        $(impl Subject for $type {
            fn kind(&self) -> &'static str {
                $kind
            }

            fn owner_id(&self) -> &TenantId {
                &self.owner_id
            }

            fn id(&self) -> String {
                let $it = self;
                $id.to_string()
            }

            fn name(&self) -> String {
                let $it = self;
                $name.to_string()
            }

            fn shown(&self) -> Value {
                shown(self)
            }
        })*
    };
}

subjects! {
    Action "action" |it| it.id, it.name;
    EventType "event-type" |it| it.id, it.display_name;
    Token "token" |it| it.id, it.name;
    Module "module" |it| it.digest, it.names.last().map(|naming| naming.name.to_string()).unwrap_or_default();
    ObjectRecord "object" |it| it.object, it.name;
    Attachment "attachment" |it| it.id, it.object;
}

impl Subject for Tenant {
    fn kind(&self) -> &'static str {
        "tenant"
    }

    /// It sees what the platform lets it do, and since when.
    fn owner_id(&self) -> &TenantId {
        &self.id
    }

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn name(&self) -> String {
        self.name.clone()
    }

    fn shown(&self) -> Value {
        shown(self)
    }
}

impl Subject for Named {
    fn kind(&self) -> &'static str {
        self.id().what()
    }

    fn owner_id(&self) -> &TenantId {
        self.owner()
    }

    fn id(&self) -> String {
        Named::id(self).to_string()
    }

    fn name(&self) -> String {
        Named::name(self).to_string()
    }

    fn shown(&self) -> Value {
        Named::shown(self)
    }
}

fn shown(record: &impl Serialize) -> Value {
    let mut value = serde_json::to_value(record).unwrap_or_default();
    // Which code another tenant's action ran is its owner's affair; the version is what was agreed to.
    if let Some(pin) = value.get_mut("pin").and_then(Value::as_object_mut) {
        pin.remove("module");
    }
    value
}

/// Cuts the largest members until the rest fits, and names them.
fn bounded(mut value: Value, cut: &mut Vec<String>) -> Json {
    if let Value::Object(members) = &mut value {
        let size = |value: &Value| serde_json::to_string(value).map_or(usize::MAX, |text| text.len());
        let mut sizes: Vec<(usize, String)> = members.iter().map(|(name, value)| (size(value), name.clone())).collect();
        let mut total: usize = sizes.iter().map(|(size, name)| size + name.len() + 4).sum();
        sizes.sort_by_key(|(size, _)| std::cmp::Reverse(*size));
        for (size, name) in sizes {
            if total <= SIDE_BYTES_MAX && members.get(&name).is_none_or(|value| depth(value) <= MEMBER_DEPTH_MAX) {
                continue;
            }
            total -= size;
            members.insert(name.clone(), Value::Null);
            if !cut.contains(&name) {
                cut.push(name);
            }
        }
    }
    Json::from(value)
}

/// JSON that was taken in is nested 100 levels deep at most, see [`Json`].
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Header, Sealed, Secret, SecretId};
    use serde_json::json;

    fn bounded_to(value: Value) -> (Value, Vec<String>) {
        let mut cut = Vec::new();
        let json = bounded(value, &mut cut);
        // What is kept can be read back.
        assert!(Json::parse(json.as_str().to_owned()).is_ok());
        (json.to().unwrap(), cut)
    }

    #[test]
    fn what_fits_is_kept_and_of_what_does_not_the_largest_members_are_cut() {
        // With its name, quotes and punctuation: exactly at the limit, and one byte past it.
        let fits = json!({ "a": "x".repeat(SIDE_BYTES_MAX - 7) });
        assert_eq!(bounded_to(fits.clone()), (fits, vec![]));
        let past = json!({ "a": "x".repeat(SIDE_BYTES_MAX - 6) });
        assert_eq!(bounded_to(past), (json!({ "a": null }), vec!["a".to_owned()]));
        let large = json!({ "name": "n", "text": "x".repeat(9_000), "list": ["x".repeat(10_000)] });
        let (kept, cut) = bounded_to(large);
        assert_eq!(
            (&kept["name"], kept["text"].as_str().map(str::len), cut),
            (&json!("n"), Some(9_000), vec!["list".to_owned()])
        );
    }

    #[test]
    fn a_secret_is_told_without_its_value() {
        let header = (SecretId::from_bytes([1; 16]), TenantId::shared(), "key".parse().unwrap());
        let sealed = Sealed { key: "00".repeat(8).parse().unwrap(), nonce: [7; 24], ciphertext: vec![7; 40] };
        let secret =
            Secret { header: Header::new(header, "test", Timestamp::from_ms(0)), sealed, allowed_hosts: Vec::new() };
        let told = put(None, &Named::from(secret)).unwrap();
        let after = told.after.unwrap();
        assert_eq!((&after["sealed"], &after["header"]["name"]), (&json!("sealed"), &json!("key")));
        assert!(!after.to_string().contains("7,7"));
    }

    #[test]
    fn what_is_nested_too_deeply_to_be_read_back_is_cut() {
        let nest = |levels| (0..levels).fold(json!(1), |inner, _| json!([inner]));
        assert_eq!(bounded_to(json!({ "a": nest(MEMBER_DEPTH_MAX) })).1, [""; 0]);
        assert_eq!(
            bounded_to(json!({ "a": nest(MEMBER_DEPTH_MAX + 1), "b": 1 })),
            (json!({ "a": null, "b": 1 }), vec!["a".to_owned()])
        );
    }
}
