//! Actions as they are sent and as they are shown.

use crate::api::Api;
use crate::api::allowed_hosts::{MayBePrivate, check_hosts};
use crate::api::attachment;
use crate::api::error::{Fault, Problem};
use crate::api::module::check_exists;
use crate::api::parameter::{ParameterSchema, check_parameters};
use crate::api::sink_type::widest_limits;
use crate::domain::{
    Action, ActionId, ActionName, AllowedHost, CODE_BYTES_MAX, DedupMode, EventType, EventTypeId, EventTypeName, Json,
    Language, LimitsPatch, ModuleRef, NotTighter, Parameter, RetryPolicy, SourceCode, TenantId, Timestamp, When,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// An action as it is sent.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ActionIn {
    #[schema(value_type = String, max_length = 128)]
    name: ActionName,
    #[serde(default)]
    description: String,
    /// `name`, `name@version` or a digest. A name means its newest upload, always. An action has a module, or code.
    #[schema(value_type = Option<String>)]
    module: Option<ModuleRef>,
    /// Source code, in the place of a module; at most 512 KiB.
    code: Option<String>,
    /// What the code is written in: `javascript`, `typescript`, or another language that has an interpreter here.
    #[schema(value_type = Option<String>)]
    language: Option<Language>,
    /// What code and language come to, once they are checked.
    #[serde(skip)]
    #[schema(ignore)]
    source: Option<SourceCode>,
    #[serde(default = "yes")]
    enabled: bool,
    /// The event type that runs it on the objects it is attached to.
    #[schema(value_type = Option<String>)]
    trigger: Option<EventTypeName>,
    /// Whether other tenants may attach it. They see its name, description, trigger and input schema.
    #[serde(default)]
    public: bool,
    /// `per_attachment` (default) or `per_action`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    dedup_mode: DedupMode,
    /// The schema of the input of its attachments: a JSON Schema (draft 2020-12), or in short
    /// `{"channel": {"type": "string"}}` for an object with those properties.
    #[schema(value_type = Option<serde_json::Value>)]
    input: Option<Json>,
    /// Whether the plan of an event goes on when this fails.
    #[serde(default)]
    continue_on_fail: bool,
    /// The event type that fires when it has succeeded, by display name or id; kept as the name, which means the tenant's
    /// own event type where it runs, else the shared one.
    on_success: Option<String>,
    /// The same for when it has failed for good.
    on_failure: Option<String>,
    #[serde(default)]
    #[schema(value_type = Vec<ParameterSchema>)]
    pub(crate) parameters: Vec<Parameter>,
    #[serde(default)]
    #[schema(value_type = RetrySchema)]
    retry: RetryPolicy,
    /// Only tighter than the limits of the sink type; the tighter of both holds for each run.
    #[serde(default)]
    #[schema(value_type = LimitsSchema)]
    limits: LimitsPatch,
    /// Where it may send HTTP requests, as far as its sink type also allows it; default nowhere. A rule is a text such as
    /// `https://api.example.com` or `GET,POST https://*.example.com:8443/v1`.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    allowed_hosts: Vec<AllowedHost>,
    /// Puts its runs off to a time in the payload.
    #[schema(value_type = Option<WhenSchema>)]
    when: Option<When>,
    /// The tenant it is for; only the platform names another than its own, and only when creating.
    #[schema(value_type = Option<String>)]
    pub(crate) owner_id: Option<TenantId>,
}

/// Exponential with full jitter.
#[derive(ToSchema)]
#[schema(as = Retry)]
#[expect(dead_code, reason = "describes a type of the domain for the document")]
struct RetrySchema {
    /// Attempts in all, 1 to 20. Default 3.
    attempts: Option<u32>,
    /// Default 5000.
    base_ms: Option<u64>,
    /// Default 4.
    factor: Option<u32>,
    /// Default 300000.
    cap_ms: Option<u64>,
}

/// Limits of one attempt.
#[derive(ToSchema)]
#[schema(as = Limits)]
#[expect(dead_code, reason = "describes a type of the domain for the document")]
pub(crate) struct LimitsSchema {
    fuel: Option<u64>,
    memory_bytes: Option<u64>,
    timeout_ms: Option<u64>,
    output_bytes: Option<u64>,
    log_bytes: Option<u64>,
    /// Outgoing HTTP requests of one attempt.
    http_calls: Option<u64>,
    /// What they send and get together.
    http_bytes: Option<u64>,
    /// Keys and values that it writes.
    kv_bytes: Option<u64>,
    emitted_events: Option<u64>,
}

/// The time of a run: one in the payload and an offset. A past time is now.
#[derive(ToSchema)]
#[schema(as = When)]
#[expect(dead_code, reason = "describes a type of the domain for the document")]
struct WhenSchema {
    /// JSON Pointer (RFC 6901) to an RFC 3339 time with a zone in the payload, such as `/starts_at`.
    at: String,
    /// Added to it: a length of time with a sign, such as `-5m`, `2h30m`, `1d` or `PT90S`, at most 366 days. Default `0s`.
    offset: Option<String>,
}

/// One version of an action.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ActionOut {
    #[schema(value_type = uuid::Uuid)]
    pub(crate) id: ActionId,
    pub(crate) owner_id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    /// Absent when it is another tenant's public action.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) module: Option<String>,
    /// In the place of a module. Absent in lists, and when it is another tenant's public action.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(crate) code: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(crate) language: Option<Language>,
    /// Of code and language: whether it is the same in two versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code_digest: Option<String>,
    pub(crate) enabled: bool,
    #[schema(value_type = Option<String>)]
    pub(crate) trigger: Option<EventTypeName>,
    pub(crate) public: bool,
    #[schema(value_type = String)]
    pub(crate) dedup_mode: DedupMode,
    #[schema(value_type = Option<serde_json::Value>)]
    pub(crate) input: Option<Json>,
    pub(crate) continue_on_fail: bool,
    #[schema(value_type = Option<String>)]
    pub(crate) on_success: Option<EventTypeName>,
    #[schema(value_type = Option<String>)]
    pub(crate) on_failure: Option<EventTypeName>,
    /// Absent when it is another tenant's public action.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<ParameterSchema>>)]
    pub(crate) parameters: Option<Vec<Parameter>>,
    /// Keys of the secrets that it is given, from the store of the tenant whose run it is: whoever attaches it lends it
    /// these.
    pub(crate) secrets: Vec<String>,
    #[schema(value_type = RetrySchema)]
    pub(crate) retry: RetryPolicy,
    #[schema(value_type = LimitsSchema)]
    pub(crate) limits: LimitsPatch,
    /// Where it may send HTTP requests, as far as the sink type also allows it.
    #[schema(value_type = Vec<String>)]
    pub(crate) allowed_hosts: Vec<AllowedHost>,
    #[schema(value_type = Option<WhenSchema>)]
    pub(crate) when: Option<When>,
    /// Every change makes a new one.
    pub(crate) version: u64,
    pub(crate) created_by: String,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) created_at: Timestamp,
    pub(crate) updated_by: String,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) updated_at: Timestamp,
}

/// Code in one answer that has several versions, in bytes.
const CODES_BYTES_MAX: usize = 4 << 20;

/// With the code of as many as fit in one answer, the first ones first.
pub(crate) fn with_some_code(versions: impl Iterator<Item = ActionOut>) -> Vec<ActionOut> {
    let mut bytes = 0;
    let fitting = versions.map(|version| {
        bytes += version.code.as_ref().map_or(0, |code| code.len());
        if bytes > CODES_BYTES_MAX { version.without_code() } else { version }
    });
    fitting.collect()
}

fn yes() -> bool {
    true
}

/// What a change keeps of what was there.
pub(crate) struct Stamp {
    pub(crate) version: u64,
    pub(crate) created_by: String,
    pub(crate) created_at: Timestamp,
}

impl ActionIn {
    /// The same with source code that nobody has looked at.
    pub(super) fn with_code(self, language: Language, code: String) -> ActionIn {
        ActionIn { module: None, source: None, code: Some(code), language: Some(language), ..self }
    }

    /// Checks everything that needs no look at what it replaces, and puts names where ids were sent.
    pub(crate) fn check(&mut self, api: &Api, owner: &TenantId) -> Result<(), Problem> {
        let mut faults = check_parameters(&self.parameters);
        if self.description.len() > 10_000 {
            faults.push(Fault::new("/description", "a description has at most 10000 bytes"));
        }
        faults.extend(self.check_what_runs(api, owner));
        faults.extend(attachment::check_schema(self.input.as_ref()));
        if let Some(trigger) = &self.trigger
            && api.catalogue().event_type_named(owner, trigger).is_none()
        {
            faults.push(Fault::new("/trigger", format!("there is no event type `{trigger}`")));
        }
        for (follow_up, pointer) in [(&mut self.on_success, "/on_success"), (&mut self.on_failure, "/on_failure")] {
            faults.extend(check_follow_up(api, owner, follow_up).err().map(|message| Fault::new(pointer, message)));
        }
        faults.extend(self.retry.check().err().map(|error| Fault::new(format!("/retry/{}", error.field), error)));
        // Which sink types it will run under is for event types to say: planning takes the tighter of both.
        if let Err(refused) = widest_limits(&api.catalogue(), owner).tightened(&self.limits) {
            let message = |error: &NotTighter| format!("{error}; no sink type gives more");
            faults.extend(refused.iter().map(|error| Fault::new(format!("/limits/{}", error.field), message(error))));
        }
        faults.extend(check_hosts(&self.allowed_hosts, MayBePrivate::Never));
        if faults.is_empty() { Ok(()) } else { Err(Problem::invalid(faults)) }
    }

    /// A module, or code with its language.
    fn check_what_runs(&mut self, api: &Api, owner: &TenantId) -> Option<Fault> {
        match (&self.module, &self.code, &self.language) {
            (Some(module), None, None) => check_exists(api, owner, module).err(),
            (None, Some(code), Some(language)) => {
                if code.len() > CODE_BYTES_MAX {
                    let message = format!("the code has {} bytes, of which {CODE_BYTES_MAX} are allowed", code.len());
                    return Some(Fault::new("/code", message));
                }
                if api.catalogue().interpreter(language).is_none() {
                    let message =
                        format!("there is no interpreter for `{language}`; javascript and typescript are always there");
                    return Some(Fault::new("/language", message));
                }
                self.source = Some(SourceCode::new(language.clone(), code));
                None
            }
            (None, Some(_), None) => {
                Some(Fault::new("/language", "say what the code is written in, such as javascript"))
            }
            (None, None, Some(_)) => Some(Fault::new("/code", "there is a language and no code in it")),
            (None, None, None) => Some(Fault::new("/module", "an action runs a module, or `code` in a `language`")),
            (Some(_), ..) => Some(Fault::new("/module", "an action runs a module or code, not both")),
        }
    }

    pub(crate) fn into_action(
        self,
        id: ActionId,
        owner_id: TenantId,
        stamp: Stamp,
        (by, now): (&str, Timestamp),
    ) -> Action {
        Action {
            id,
            owner_id,
            name: self.name,
            description: self.description,
            module: self.module,
            source: self.source,
            enabled: self.enabled,
            trigger: self.trigger,
            public: self.public,
            dedup_mode: self.dedup_mode,
            input: self.input,
            continue_on_fail: self.continue_on_fail,
            // Checked to be a name, or blank.
            on_success: self.on_success.and_then(|name| name.parse().ok()),
            on_failure: self.on_failure.and_then(|name| name.parse().ok()),
            parameters: self.parameters,
            retry: self.retry,
            limits: self.limits,
            allowed_hosts: self.allowed_hosts,
            when: self.when,
            version: stamp.version,
            created_by: stamp.created_by,
            created_at: stamp.created_at,
            updated_at: now,
            updated_by: by.to_owned(),
        }
    }
}

/// Replaces an id, or a name in another case, by the display name of the event type it means to `owner`. Blank means none.
fn check_follow_up(api: &Api, owner: &TenantId, follow_up: &mut Option<String>) -> Result<(), String> {
    let Some(text) = follow_up.take_if(|text| !text.trim().is_empty()) else {
        *follow_up = None;
        return Ok(());
    };
    let catalogue = api.catalogue();
    let named = |event_type: &&Arc<EventType>| event_type.owner_id.is_shared() || event_type.owner_id == *owner;
    let by_id = text.parse().ok().and_then(|id: EventTypeId| catalogue.event_type(id)).filter(named);
    let found = by_id.or_else(|| catalogue.event_type_named(owner, &text.parse().ok()?));
    let found = found.ok_or_else(|| format!("there is no event type `{text}`"))?;
    *follow_up = Some(found.display_name.to_string());
    Ok(())
}

impl From<Action> for ActionIn {
    fn from(action: Action) -> ActionIn {
        ActionIn {
            name: action.name,
            description: action.description,
            module: action.module,
            code: None,
            language: None,
            source: action.source,
            enabled: action.enabled,
            trigger: action.trigger,
            public: action.public,
            dedup_mode: action.dedup_mode,
            input: action.input,
            continue_on_fail: action.continue_on_fail,
            on_success: action.on_success.map(String::from),
            on_failure: action.on_failure.map(String::from),
            parameters: action.parameters,
            retry: action.retry,
            limits: action.limits,
            allowed_hosts: action.allowed_hosts,
            when: action.when,
            owner_id: None,
        }
    }
}

impl ActionOut {
    /// What `tenant` may see of it: of another tenant's only what it takes to attach it.
    pub(crate) fn to(tenant: &TenantId, action: &Action) -> ActionOut {
        let out = ActionOut::of(action);
        if tenant.sees(&action.owner_id) {
            return out;
        }
        let nobody = String::new();
        let out = ActionOut { module: None, language: None, code_digest: None, parameters: None, ..out.without_code() };
        ActionOut { created_by: nobody.clone(), updated_by: nobody, ..out }
    }

    /// For lists: code is long.
    pub(crate) fn without_code(self) -> ActionOut {
        ActionOut { code: None, ..self }
    }

    pub(crate) fn of(action: &Action) -> ActionOut {
        ActionOut {
            id: action.id,
            owner_id: action.owner_id.to_string(),
            name: action.name.to_string(),
            description: action.description.clone(),
            module: action.module.as_ref().map(ToString::to_string),
            code: action.source.as_ref().map(|source| Arc::clone(&source.code)),
            language: action.source.as_ref().map(|source| source.language.clone()),
            code_digest: action.source.as_ref().map(|source| source.digest.to_string()),
            enabled: action.enabled,
            trigger: action.trigger.clone(),
            public: action.public,
            dedup_mode: action.dedup_mode,
            input: action.input.clone(),
            continue_on_fail: action.continue_on_fail,
            on_success: action.on_success.clone(),
            on_failure: action.on_failure.clone(),
            parameters: Some(action.parameters.clone()),
            secrets: action.parameters.iter().filter_map(Parameter::secret).map(ToString::to_string).collect(),
            retry: action.retry,
            limits: action.limits,
            allowed_hosts: action.allowed_hosts.clone(),
            when: action.when.clone(),
            version: action.version,
            created_by: action.created_by.clone(),
            created_at: action.created_at,
            updated_by: action.updated_by.clone(),
            updated_at: action.updated_at,
        }
    }
}
