//! Every table and index of the store: name, key, value, why.
//!
//! Keys are bytes that sort as meant. `tenant` is the tenant's id and a zero byte, so that everything a tenant has
//! lies together; ids are 16 bytes of UUID version 7, so that the newest lies last; `state` is one byte.
//! Values are records of [`super::codec`].

use redb::TableDefinition;

pub(super) type Table = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// What the file is: `format` → version of this layout, as 4 bytes big-endian.
pub(super) const META: Table = TableDefinition::new("meta");

/// `tenant, digest` → Module. The catalogue tables are read whole at start and kept in memory.
pub(super) const MODULES: Table = TableDefinition::new("modules");
/// `digest` → the component itself; shared by all tenants that uploaded it.
pub(super) const MODULE_BYTES: Table = TableDefinition::new("module_bytes");
/// `action` → Action, the version in force.
pub(super) const ACTIONS: Table = TableDefinition::new("actions");
/// `action, version (8 bytes)` → Action, every version there was.
pub(super) const ACTION_VERSIONS: Table = TableDefinition::new("action_versions");
/// `digest of source code` → Program: what its interpreter made of it, so that a start need not make it again.
pub(super) const PROGRAMS: Table = TableDefinition::new("programs");
/// `event type` → EventType.
pub(super) const EVENT_TYPES: Table = TableDefinition::new("event_types");
/// `token` → Token.
pub(super) const TOKENS: Table = TableDefinition::new("tokens");

/// `source type` → SourceType. This and the tables of the other named things are read whole at start, see `named`.
pub(super) const SOURCE_TYPES: Table = TableDefinition::new("source_types");
/// `source` → Source.
pub(super) const SOURCES: Table = TableDefinition::new("sources");
/// `sink type` → SinkType.
pub(super) const SINK_TYPES: Table = TableDefinition::new("sink_types");
/// `sink` → Sink.
pub(super) const SINKS: Table = TableDefinition::new("sinks");
/// `schedule` → Schedule.
pub(super) const SCHEDULES: Table = TableDefinition::new("schedules");
/// `secret` → Secret.
pub(super) const SECRETS: Table = TableDefinition::new("secrets");

/// `tenant, object type, zero byte, object id` → ObjectRecord.
pub(super) const OBJECTS: Table = TableDefinition::new("objects");
/// `action, attachment` → Attachment, so that those of an action lie together and go with it.
pub(super) const ATTACHMENTS: Table = TableDefinition::new("attachments");

/// `tenant, event` → Event.
pub(super) const EVENTS: Table = TableDefinition::new("events");
/// `tenant, event type, event` → nothing: the events of a type.
pub(super) const EVENTS_BY_TYPE: Table = TableDefinition::new("events_by_type");
/// `state, tenant, event` → nothing: the events that are not SUCCESS. Successes are what most events are, so looking
/// for them is a short walk along `events`, and not indexing them spares most events a write.
pub(super) const EVENTS_BY_STATE: Table = TableDefinition::new("events_by_state");
/// `tenant, root event, event` → nothing: the events of a chain but its root, which is found by its id. So an event that
/// nothing caused is spared a write.
pub(super) const EVENTS_BY_ROOT: Table = TableDefinition::new("events_by_root");
/// `tenant, run` → Run.
pub(super) const RUNS: Table = TableDefinition::new("runs");
/// `tenant, action, run` → nothing: the runs of an action.
pub(super) const RUNS_BY_ACTION: Table = TableDefinition::new("runs_by_action");
/// `state, tenant, run` → nothing: the runs that are not SUCCESS. What is not terminal in here is what a start resumes.
pub(super) const RUNS_BY_STATE: Table = TableDefinition::new("runs_by_state");
/// `tenant, run, attempt (4 bytes), number of the first line (4 bytes)` → log lines.
pub(super) const LOGS: Table = TableDefinition::new("logs");

/// `tenant, once key (16 bytes)` → AcceptedOnce.
pub(super) const ACCEPTED_ONCE: Table = TableDefinition::new("accepted_once");
/// `time in ms (8 bytes), tenant, once key` → nothing: those by the time from which they may be forgotten.
pub(super) const ONCE_BY_EXPIRY: Table = TableDefinition::new("once_by_expiry");
/// `tenant, audit entry` → AuditEntry.
pub(super) const AUDIT: Table = TableDefinition::new("audit");

/// `action, attachment or zeros, tenant, key` → KvEntry, so that the values of an action, and of an attachment, go with it.
pub(super) const KV: Table = TableDefinition::new("kv");
/// `time in ms (8 bytes), key in kv` → nothing: the values by when they expire.
pub(super) const KV_BY_EXPIRY: Table = TableDefinition::new("kv_by_expiry");
/// `tenant, action` → KvSize: how much is kept, so that one more costs no count of all.
pub(super) const KV_SIZES: Table = TableDefinition::new("kv_sizes");

/// `tenant` → bytes (8 bytes): how much all of its actions keep. Where it lacks it is the sum of their sizes: of tenants that
/// keep nothing, and of files from before there was this.
pub(super) const KV_TOTALS: Table = TableDefinition::new("kv_totals");

/// `tenant` → Tenant.
pub(super) const TENANTS: Table = TableDefinition::new("tenants");

/// All tables, for creating, dumping and checking them.
pub(super) const ALL: [Table; 32] = [
    META,
    MODULES,
    MODULE_BYTES,
    ACTIONS,
    ACTION_VERSIONS,
    EVENT_TYPES,
    TOKENS,
    SOURCE_TYPES,
    SOURCES,
    SINK_TYPES,
    SINKS,
    SCHEDULES,
    SECRETS,
    OBJECTS,
    ATTACHMENTS,
    EVENTS,
    EVENTS_BY_TYPE,
    EVENTS_BY_STATE,
    EVENTS_BY_ROOT,
    RUNS,
    RUNS_BY_ACTION,
    RUNS_BY_STATE,
    LOGS,
    ACCEPTED_ONCE,
    ONCE_BY_EXPIRY,
    AUDIT,
    KV,
    KV_BY_EXPIRY,
    KV_SIZES,
    KV_TOTALS,
    TENANTS,
    PROGRAMS,
];
