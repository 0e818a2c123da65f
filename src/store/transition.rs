//! What is asked of the store: batches of changes that take effect together or not at all.

use super::kv::ExpiredValue;
use super::named::{Named, NamedId};
use super::once::Expired;
use super::retention::Forget;
use crate::domain::{
    AcceptedOnce, Action, ActionId, Attachment, AttachmentId, AuditId, Author, Digest, Event, EventType, EventTypeId,
    KvWrite, LogLine, Module, Noted, ObjectRecord, ObjectRef, Program, QuotaExceeded, Run, RunId, ScheduleId, Tenant,
    TenantId, Timestamp, Token, TokenId,
};
use bytes::Bytes;
use std::sync::Arc;

/// One self-contained batch. It is applied only if everything it expects holds.
#[derive(Clone, Debug, Default)]
pub struct Transition {
    /// Who asked for it, when a person or a token did: every change of the catalogue goes to the audit log then.
    pub author: Option<Author>,
    pub expect: Vec<Expectation>,
    pub changes: Vec<Change>,
}

impl Transition {
    pub fn of(changes: impl IntoIterator<Item = Change>) -> Transition {
        Transition { changes: changes.into_iter().collect(), ..Transition::default() }
    }

    #[must_use]
    pub fn expecting(mut self, expectation: Expectation) -> Transition {
        self.expect.push(expectation);
        self
    }
}

/// What must hold for a transition to be applied.
#[derive(Clone, Debug)]
pub enum Expectation {
    ActionVersion(ActionId, u64),
    EventTypeVersion(EventTypeId, u64),
    /// How many names a tenant's module has; `None` when it is not there.
    ModuleNames(TenantId, Digest, Option<usize>),
    /// When the newest version of a module's name was uploaded; `None` when a tenant has none of that name. Names that are
    /// given at the same time are put in an order by it.
    NewestOfModule(TenantId, String, Option<Timestamp>),
    /// The version of what a tenant registered about an object; `None` when it did not.
    ObjectVersion(TenantId, ObjectRef, Option<u64>),
    AttachmentVersion(AttachmentId, u64),
    /// That nothing of the catalogue changed since ([`super::Catalogue::revision`]).
    Revision(u64),
    /// 0 when it is not there.
    Version(NamedId, u64),
    /// The version of the record of a tenant; `None` when it has none.
    TenantVersion(TenantId, Option<u64>),
    /// The version of a schedule and when it fires next: firing it is no change of what it is, and has no version.
    Unfired(ScheduleId, u64, Option<Timestamp>),
    /// How often the attachments of an action changed ([`super::Catalogue::attachment_changes`]): what was checked
    /// against all of them is still true.
    AttachmentsOf(ActionId, u64),
}

#[derive(Clone, Debug)]
pub enum Change {
    Event(Arc<Event>),
    Run(Arc<Run>),
    Log(LogChunk),
    /// A request that was accepted, in the place of an earlier one with its key.
    RememberOnce(Arc<AcceptedOnce>),
    ForgetOnce(Vec<Expired>),
    /// Takes old events away, with their runs and logs; what is not old stays.
    Forget(Forget),
    /// Values of an action; refused if one of them is not as it is expected.
    Values(Arc<KvChange>),
    ForgetValues(Vec<ExpiredValue>),
    /// A module's record and, unless the store has them already, its bytes.
    PutModule(Arc<Module>, Bytes),
    DeleteModule(TenantId, Digest),
    PutAction(Arc<Action>),
    /// What an interpreter made of the source code of this digest, in the place of what another one made.
    PutProgram(Digest, Program),
    DeleteAction(ActionId),
    PutEventType(Arc<EventType>),
    DeleteEventType(EventTypeId),
    PutToken(Arc<Token>),
    DeleteToken(TokenId),
    PutObject(Arc<ObjectRecord>),
    DeleteObject(TenantId, ObjectRef),
    PutAttachment(Arc<Attachment>),
    /// Of this action, this attachment.
    DeleteAttachment(ActionId, AttachmentId),
    Put(Named),
    Delete(NamedId),
    /// An entry of the audit log that no other change makes; the author of the transition did it.
    Audit(Arc<Noted>),
    DeleteAudit(TenantId, AuditId),
    PutTenant(Arc<Tenant>),
    DeleteTenant(TenantId),
}

impl Change {
    /// Whether it changes which runs may begin, and how many at once.
    pub fn moves_permits(&self) -> bool {
        let id = match self {
            Change::Put(named) => named.id(),
            Change::Delete(id) => *id,
            Change::PutTenant(_) | Change::DeleteTenant(_) => return true,
            _ => return false,
        };
        matches!(id, NamedId::SinkType(_) | NamedId::Sink(_))
    }

    /// Whether it changes what planning sees.
    pub(super) fn is_catalogue(&self) -> bool {
        use Change::{Audit, DeleteAudit, Event, Forget, ForgetOnce, ForgetValues, Log, RememberOnce, Run, Values};
        let history = matches!(self, Event(_) | Run(_) | Log(_) | Forget(_) | RememberOnce(_) | ForgetOnce(_));
        let aside = matches!(self, Audit(_) | DeleteAudit(..) | Change::PutProgram(..));
        !history && !aside && !matches!(self, Values(_) | ForgetValues(_))
    }
}

/// What becomes of values that an action keeps for a tenant.
#[derive(Clone, Debug)]
pub struct KvChange {
    pub tenant: TenantId,
    pub action: ActionId,
    /// Of an attachment or, without one, of the action itself: the key and what becomes of it. Each key is there once.
    pub writes: Vec<(Option<AttachmentId>, String, KvWrite)>,
    /// The time at which what was there may have expired.
    pub at: Timestamp,
}

/// Some log lines of one attempt, in order.
#[derive(Clone, Debug)]
pub struct LogChunk {
    pub tenant: TenantId,
    pub run: RunId,
    pub attempt: u32,
    /// The number of its first line in the attempt, from 0.
    pub number: u32,
    pub lines: Arc<Vec<LogLine>>,
}

/// Why a transition was not applied. Nothing of it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    #[error("there is no {what} `{id}` any more")]
    Gone { what: &'static str, id: String },
    #[error("the {what} is at version {actual}, not {expected}: somebody else changed it")]
    Version { what: &'static str, expected: u64, actual: u64 },
    #[error("there already is {article} `{name}`")]
    NameTaken { article: &'static str, name: String },
    #[error("`{name}` is already another module ({digest}); a version never changes what it means")]
    ModuleNameTaken { name: String, digest: Digest },
    #[error("there is no module `{reference}`")]
    NoSuchModule { reference: String },
    #[error("there is no action `{id}`")]
    NoSuchAction { id: String },
    /// Something names what is not there; `field` is the pointer to where it does.
    #[error("there is no {what} `{name}`")]
    NoSuch { what: &'static str, name: String, field: &'static str },
    #[error("the action `{action}` is attached to `{object}` already ({id})")]
    AlreadyAttached { action: String, object: String, id: AttachmentId },
    /// Parents that an object cannot have; `place` is the one that is at fault.
    #[error("{detail}")]
    Graph { place: Option<usize>, detail: String },
    /// Parameters that are the action's alone, each as a pointer into the body that was to be saved and what is wrong.
    #[error("{}", .faults.iter().map(|(_, message)| message.as_str()).collect::<Vec<_>>().join("; "))]
    Locked { faults: Vec<(String, String)> },
    #[error("it is in use by {}", .by.join(", "))]
    InUse { by: Vec<String> },
    /// What an attempt wrote is not kept: something is not as it expected, or would be too much.
    #[error("{detail}")]
    Values { detail: String },
    #[error(transparent)]
    Quota(QuotaExceeded),
    #[error("there are {limit} {what} already, the most there may be")]
    Full { what: &'static str, limit: usize },
}

/// How a transition that was handed in ended.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CommitError {
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The disk failed. What was acknowledged before is safe; the store takes nothing more until it is opened anew.
    #[error("the store cannot write: {0}")]
    Broken(Arc<str>),
}
