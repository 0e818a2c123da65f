//! Sources: event producers with credentials of their own.

use super::Api;
use super::auth::{Admin, Caller, Read};
use super::entry::{self, HeaderOut, Naming};
use super::error::{Fault, Problem};
use super::extract::{Body, Path, Query};
use super::page::{self, Data, List};
use crate::domain::{
    EntryName, EventTypeName, ObjectPointer, ObjectRef, Preset, Source, SourceId, SourceTypeId, TenantId, Timestamp,
    TokenHash, Webhook,
};
use crate::store::Catalogue;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A source as it is sent.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SourceIn {
    /// A letter and up to 63 letters, digits, `_`, `.` and `-`; unique without regard to case. Its events show it.
    #[schema(value_type = String, pattern = "^[A-Za-z][A-Za-z0-9_.-]{0,63}$")]
    name: EntryName,
    #[serde(default)]
    description: String,
    /// The name or id of its source type: it fires event types of that one only.
    source_type: String,
    /// A disabled one fires nothing. Default true.
    #[serde(default = "yes")]
    enabled: bool,
    /// What makes it a webhook, whose deliveries come to `POST /hook/{id}`.
    webhook: Option<WebhookIn>,
    /// The tenant it is for; only the platform names another than its own, and only when creating.
    #[schema(value_type = Option<String>)]
    owner_id: Option<TenantId>,
}

/// How deliveries are verified and read.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookIn {
    /// `standard` (Standard Webhooks), `github` or `stripe`.
    #[schema(value_type = String)]
    pub(crate) preset: Preset,
    /// The key, in the secret store of the source's tenant, of what deliveries are signed with.
    #[schema(value_type = String)]
    pub(crate) secret: EntryName,
    /// The key of another secret that is accepted as well, while the two are exchanged.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) old_secret: Option<EntryName>,
    /// Which event type fires for what the sender calls its events: the `X-GitHub-Event`, such as `push`, or the payload's
    /// `type`, such as `invoice.paid`. At most 100.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = std::collections::HashMap<String, String>)]
    pub(crate) event_types: BTreeMap<String, EventTypeName>,
    /// Which one fires for all others. Without this and `event_types` it is the one that is named like the sender's event;
    /// for GitHub with `github.` in front, such as `github.push`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) event_type: Option<EventTypeName>,
    /// How far the signed time may be from now, 1 to 86400 seconds. Default 300. GitHub signs no time.
    #[serde(default = "tolerance_s")]
    pub(crate) tolerance_s: u32,
    /// What the event is about. Of a delivery that does not have it, the event is about nothing.
    #[serde(default)]
    pub(crate) object: Option<ObjectPointerIn>,
}

/// Where the payload has an object.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ObjectPointerIn {
    /// The object's type, such as `repository`.
    pub(crate) r#type: String,
    /// JSON Pointer to its id, such as `/repository/full_name`.
    pub(crate) pointer: String,
}

/// One producer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SourceOut {
    #[serde(flatten)]
    pub(crate) header: HeaderOut,
    /// The name of its source type.
    pub(crate) source_type: String,
    pub(crate) enabled: bool,
    pub(crate) webhook: Option<WebhookIn>,
    /// When it last fired, or tried to with a credential or signature that was right, since the server started; null when it
    /// did not.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) last_seen: Option<Timestamp>,
    /// Its token: shown once, when it is made; only its hash is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<String>,
}

fn yes() -> bool {
    true
}

fn tolerance_s() -> u32 {
    Webhook::TOLERANCE_S
}

/// Create a source
///
/// The answer has its token, which fires event types of its source type and does nothing else. A webhook has none until
/// it is given one.
#[utoipa::path(post, path = "/source", tag = "sources", request_body = SourceIn, responses((status = 201, body = page::Envelope<SourceOut>)))]
pub(crate) async fn create(
    caller: Caller<Admin>,
    State(api): State<Api>,
    Body(body): Body<SourceIn>,
) -> Result<Data<SourceOut>, Problem> {
    let webhook = body.webhook()?;
    let id = SourceId::new(api.ids(), api.now());
    let (source_type, enabled) = (body.source_type.clone(), body.enabled);
    let header = entry::new_header(&api, &caller, id, body.naming())?;
    let catalogue = api.catalogue();
    let source_type = source_type_for(&catalogue, &header.owner_id, &source_type);
    let source_type = source_type.map_err(|fault| Problem::invalid(vec![fault]))?;
    let text = webhook.is_none().then(|| Source::token(&api.entropy().bytes()));
    let hash = text.as_deref().map(TokenHash::of);
    let source = Source { header, source_type, enabled, hash, webhook };
    let (out, warning) = (SourceOut { token: text, ..SourceOut::of(&catalogue, &source) }, warning(&api, &source));
    entry::put(&api, &caller, source).await?;
    Ok(Data::created(out).versioned(1).warning(warning))
}

page::filter! {
    SourceFilter {
        /// Only those of the source type of this name.
        source_type: String,
        /// Only those that are enabled, or are not.
        enabled: bool,
    }
}

/// List sources
#[utoipa::path(get, path = "/source", tag = "sources", params(SourceFilter), responses((status = 200, body = page::Envelope<Vec<SourceOut>>)))]
pub(crate) async fn list(
    caller: Caller<Read>,
    State(api): State<Api>,
    Query(filter): Query<SourceFilter>,
) -> Result<List<SourceOut>, Problem> {
    let catalogue = api.catalogue();
    let visible = catalogue.sources().iter().filter(|source| caller.tenant().sees(&source.header.owner_id));
    let rows = visible.map(|source| entry::row(source.as_ref(), SourceOut::of(&catalogue, source).seen(&api, source)));
    let named = |item: &SourceOut| {
        filter.source_type.as_ref().is_none_or(|name| name.eq_ignore_ascii_case(&item.source_type))
            && filter.enabled.is_none_or(|enabled| enabled == item.enabled)
    };
    page::list(rows.filter(|row| named(&row.item)), &filter.page())
}

/// Read a source, by id or name
#[utoipa::path(get, path = "/source/{id}", tag = "sources", params(("id" = String, Path)), responses((status = 200, body = page::Envelope<SourceOut>)))]
pub(crate) async fn read(
    caller: Caller<Read>,
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Data<SourceOut>, Problem> {
    let catalogue = api.catalogue();
    let source = entry::find(catalogue.sources(), caller.tenant(), &id)?;
    Ok(Data::ok(SourceOut::of(&catalogue, &source).seen(&api, &source)).versioned(source.header.version))
}

/// Change a source
///
/// The body replaces it whole, at once; its token stays. `If-Match` guards against somebody else's change.
#[utoipa::path(put, path = "/source/{id}", tag = "sources", params(("id" = String, Path)), request_body = SourceIn, responses((status = 200, body = page::Envelope<SourceOut>)))]
pub(crate) async fn change(
    caller: Caller<Admin>,
    State(api): State<Api>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body<SourceIn>,
) -> Result<Data<SourceOut>, Problem> {
    let webhook = body.webhook()?;
    let catalogue = api.catalogue();
    let old = entry::find(catalogue.sources(), caller.tenant(), &id)?;
    let (source_type, enabled) = (body.source_type.clone(), body.enabled);
    let header = entry::next_header(&api, &caller, &headers, old.as_ref(), body.naming())?;
    let source_type = source_type_for(&catalogue, &header.owner_id, &source_type);
    let source_type = source_type.map_err(|fault| Problem::invalid(vec![fault]))?;
    let source = Source { header, source_type, enabled, hash: old.hash, webhook };
    let (out, version) = (SourceOut::of(&catalogue, &source).seen(&api, &source), source.header.version);
    let warning = warning(&api, &source);
    entry::put(&api, &caller, source).await?;
    Ok(Data::ok(out).versioned(version).warning(warning))
}

/// Delete a source
///
/// Its token stops working at once. `If-Match` guards against somebody else's change. Its events stay.
#[utoipa::path(delete, path = "/source/{id}", tag = "sources", params(("id" = String, Path)), responses((status = 200, body = page::Envelope<SourceOut>)))]
pub(crate) async fn delete(
    caller: Caller<Admin>,
    State(api): State<Api>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Data<SourceOut>, Problem> {
    let catalogue = api.catalogue();
    let source = entry::find(catalogue.sources(), caller.tenant(), &id)?;
    entry::delete(&api, &caller, &headers, source.as_ref()).await?;
    Ok(Data::ok(SourceOut::of(&catalogue, &source)))
}

/// Give a source a new token
///
/// The answer has it; the old one stops working at once. `If-Match` guards against somebody else's change.
#[utoipa::path(post, path = "/source/{id}/token", tag = "sources", params(("id" = String, Path)), responses((status = 200, body = page::Envelope<SourceOut>)))]
pub(crate) async fn rotate(
    caller: Caller<Admin>,
    State(api): State<Api>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Data<SourceOut>, Problem> {
    let catalogue = api.catalogue();
    let old = entry::find(catalogue.sources(), caller.tenant(), &id)?;
    entry::check_may_write(&caller, &headers, old.as_ref())?;
    let text = Source::token(&api.entropy().bytes());
    let header = old.header.changed(old.header.name.clone(), caller.name(), api.now());
    let source = Source { header, hash: Some(TokenHash::of(&text)), ..old.as_ref().clone() };
    let version = source.header.version;
    let out = SourceOut { token: Some(text), ..SourceOut::of(&catalogue, &source).seen(&api, &source) };
    entry::put(&api, &caller, source).await?;
    Ok(Data::ok(out).versioned(version))
}

/// The source type, by name or id, that something of `owner` names.
pub(crate) fn source_type_for(catalogue: &Catalogue, owner: &TenantId, id: &str) -> Result<SourceTypeId, Fault> {
    let found = entry::lookup(catalogue.source_types(), owner, id).map(|found| found.header.id);
    found.ok_or_else(|| Fault::new("/source_type", format!("there is no source type `{id}`")))
}

/// What keeps a webhook from taking anything for now. That is no fault: the secret may come later.
fn warning(api: &Api, source: &Source) -> Option<String> {
    let webhook = source.webhook.as_ref()?;
    match api.dispatch().secrets().open(&api.catalogue(), &source.header.owner_id, &webhook.secret) {
        Ok(secret) if webhook.preset.takes(secret.expose()) => None,
        Ok(_) => Some(format!(
            "the secret `{}` is no key as this preset has them: every delivery is refused",
            webhook.secret
        )),
        Err(error) => Some(format!("{error}: every delivery is refused")),
    }
}

impl SourceIn {
    fn webhook(&self) -> Result<Option<Webhook>, Problem> {
        let webhook = self.webhook.clone().map(WebhookIn::checked).transpose();
        webhook.map_err(|fault| Problem::invalid(vec![fault]))
    }

    fn naming(self) -> Naming {
        Naming { name: self.name, description: self.description, owner_id: self.owner_id }
    }
}

impl WebhookIn {
    fn checked(self) -> Result<Webhook, Fault> {
        let WebhookIn { preset, secret, old_secret, event_types, event_type, tolerance_s, object } = self;
        if event_types.len() > Webhook::EVENT_TYPES_MAX {
            let message = format!("a webhook maps at most {} names", Webhook::EVENT_TYPES_MAX);
            return Err(Fault::new("/webhook/event_types", message));
        }
        if !(1..=Webhook::TOLERANCE_S_MAX).contains(&tolerance_s) {
            let message = format!("a tolerance is 1 to {} seconds", Webhook::TOLERANCE_S_MAX);
            return Err(Fault::new("/webhook/tolerance_s", message));
        }
        let object = object.map(ObjectPointerIn::checked).transpose()?;
        Ok(Webhook { preset, secret, old_secret, event_types, event_type, tolerance_s, object })
    }
}

impl ObjectPointerIn {
    fn checked(self) -> Result<ObjectPointer, Fault> {
        let ObjectPointerIn { r#type: object_type, pointer } = self;
        if let Err(error) = ObjectRef::new(object_type.clone(), "1".to_owned()) {
            return Err(Fault::new("/webhook/object/type", error));
        }
        if !pointer.starts_with('/') || pointer.len() > 1_000 {
            let message = "a JSON Pointer starts with `/` and has at most 1000 bytes";
            return Err(Fault::new("/webhook/object/pointer", message));
        }
        Ok(ObjectPointer { object_type, pointer })
    }
}

impl From<Webhook> for WebhookIn {
    fn from(webhook: Webhook) -> WebhookIn {
        let Webhook { preset, secret, old_secret, event_types, event_type, tolerance_s, object } = webhook;
        let object =
            object.map(|ObjectPointer { object_type, pointer }| ObjectPointerIn { r#type: object_type, pointer });
        WebhookIn { preset, secret, old_secret, event_types, event_type, tolerance_s, object }
    }
}

impl SourceOut {
    pub(crate) fn take_token(&mut self) -> Option<String> {
        self.token.take()
    }

    fn seen(self, api: &Api, source: &Source) -> SourceOut {
        SourceOut { last_seen: api.seen().sources.last(source.header.id), ..self }
    }

    pub(crate) fn of(catalogue: &Catalogue, source: &Source) -> SourceOut {
        let source_type = catalogue.source_types().get(source.source_type);
        SourceOut {
            header: HeaderOut::of(&source.header),
            source_type: source_type.map_or_else(String::new, |found| found.header.name.to_string()),
            enabled: source.enabled,
            webhook: source.webhook.clone().map(WebhookIn::from),
            last_seen: None,
            token: None,
        }
    }
}
