//! The words of Fusebox and the rules between them: names, values, legal state changes.
//!
//! No I/O, no async, no clock: time and randomness come in as arguments, so that every rule
//! here can be tested as a table. Every other layer may use this one; it uses none.

mod action;
mod address;
mod allowed_host;
mod attachment;
mod audit;
mod byte_text;
mod canonical;
mod chain;
mod context;
mod dedup;
mod destination;
mod digest;
mod effects;
mod entropy;
mod entry;
mod event;
mod event_type;
mod http_call;
mod http_exchange;
mod id;
mod input_schema;
mod interpreter;
mod json;
mod keyring;
mod kv;
mod limits;
mod log;
mod minute;
mod module;
mod name;
mod object;
mod once;
mod outcome;
mod parameter;
mod reach;
mod retry;
mod run;
#[cfg(test)]
mod run_tests;
mod schedule;
mod scope;
mod secret;
mod sink;
mod sink_type;
mod source;
mod source_code;
mod source_type;
mod state;
mod tenancy;
mod tenant;
mod time;
mod token;
mod webhook;
#[cfg(test)]
mod webhook_tests;
mod when;

pub use action::{Action, DedupMode};
pub use address::AddressKind;
pub use allowed_host::{AllowedHost, AllowedHostError};
pub use attachment::{Attachment, Pin};
pub use audit::{AuditEntry, Author, Deed, Noted};
pub use canonical::canonical_json;
pub use chain::{ChainLimits, FollowUp, Lineage, ParentOutcome};
pub use context::{Chain, Context};
pub use dedup::{CallerKey, CallerKeyError, DedupKey, Fingerprint, Sameness};
pub use destination::{Destination, Host, HostError, Scheme};
pub use digest::{Digest, DigestError};
pub use effects::{Effects, Emitted};
pub use entropy::Entropy;
pub use entry::{Entry, Header};
pub use event::{Cause, Event, Origin};
pub use event_type::EventType;
pub use http_call::{HttpCall, HttpFault};
pub use http_exchange::{HttpAnswer, HttpExchange, HttpOutcome, HttpRequest};
pub use id::{
    ActionId, AttachmentId, AuditId, EventId, EventTypeId, IdMap, Ids, RequestId, RunId, ScheduleId, SecretId, SinkId,
    SinkTypeId, SourceId, SourceTypeId, TokenId,
};
pub use input_schema::full_input_schema;
pub use interpreter::BuiltIn;
pub use json::{Json, JsonError};
pub use keyring::{KeyId, Keyring, KeyringError, Unopened};
pub use kv::{KvEntry, KvExpect, KvKept, KvScope, KvSize, KvSpace, KvWrite};
pub use limits::{LIMITS_MAX, LIMITS_WASM, Limits, LimitsPatch, NotTighter, Usage};
pub use log::{Level, LogLine, LogSource};
pub use minute::Minute;
pub use module::{Kind, Module, ModuleName, ModuleNaming, ModuleRef, ModuleRefError, Permission};
pub use name::{ActionName, EntryName, EventTypeName, Language, NameError};
pub use object::{ObjectRecord, ObjectRef, ObjectRefError};
pub use once::{AcceptedOnce, DedupWindow, DedupWindowError, Once, OnceKey, RequestDigest};
pub use outcome::{Ending, Failed, Failure, Outcome};
pub use parameter::{
    GivenBy, Parameter, ParameterLevel, ParameterMissing, ParameterValue, Params, Resolved, resolve_parameters,
    resolved,
};
pub use reach::{Granted, HiddenSecret, Reach};
pub use retry::{RetryPolicy, RetryPolicyError};
pub use run::{Attempt, IllegalChange, Interruption, Run};
pub use schedule::{Firing, Schedule, Timing};
pub use scope::{DEPTH_MAX, FAN_OUT_MAX, Flow, GraphError, PARENTS_MAX, Walk, check_parents};
pub use secret::{Sealed, Secret, SecretReach, SecretText, SecretTextError, SecretUse};
pub use sink::Sink;
pub use sink_type::SinkType;
pub use source::Source;
pub use source_code::{CODE_BYTES_MAX, Program, SourceCode, SourceFault};
pub use source_type::SourceType;
pub use state::{Reason, State};
pub use tenancy::{Counted, QuotaExceeded, Quotas, Tenant};
pub use tenant::{TenantId, TenantIdError};
pub use time::{Clock, Timestamp, TimestampError};
pub use token::{Rights, Token, TokenHash};
pub use webhook::{Forged, ObjectPointer, Preset, Signed, Webhook};
pub use when::{DELAY_MAX_MS, Offset, OffsetError, When, WhenError};

/// Whether a field that came later is as it is in records from before: then it is not written, and they look alike.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
