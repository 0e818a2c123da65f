//! Secrets: written, replaced, deleted, and never read (DESIGN §3.6).

use super::Api;
use super::allowed_hosts::{MayBePrivate, check_hosts};
use super::auth::{Admin, Caller, Read, Write};
use super::error::{Fault, Problem};
use super::extract::{Body, Path, Query};
use super::page::{self, Data, Filter, List, Row};
use super::precondition::{check_preconditions, check_version};
use crate::dispatch::Sealing;
use crate::domain::{
    AllowedHost, AllowedHostError, Deed, EntryName, Header, Noted, Parameter, Secret, SecretId, SecretText, Source,
    TenantId, Timestamp,
};
use crate::store::{Catalogue, Change, Conflict, Expectation, NamedId, Transition};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt::Display;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

const DESCRIPTION_BYTES_MAX: usize = 10_000;
/// What takes a secret, of which more than this is no help to anybody.
const USERS_SHOWN_MAX: usize = 100;

/// A secret as it is sent. Read by hand: a parser's words about a text that does not fit would say the text.
#[derive(ToSchema)]
#[schema(as = SecretIn)]
#[expect(dead_code, reason = "describes a body for the document")]
struct SecretSchema {
    /// The value, 4 to 65536 bytes; no answer ever has it. Left out, one that is there keeps its own.
    #[schema(min_length = 4, max_length = 65536, write_only)]
    value: Option<String>,
    /// Left out, it stays as it was.
    description: Option<String>,
    /// Where it may be sent for a parameter with `reveal: false`, as far as the action and the sink type also allow it.
    /// Left out, it stays as it was; at first nowhere. A rule is a text such as `https://api.example.com`.
    allowed_hosts: Option<Vec<String>>,
    /// The tenant it is for; only the platform names another than its own. Empty: the platform.
    owner_id: Option<String>,
}

struct SecretIn {
    value: Option<SecretText>,
    description: Option<String>,
    allowed_hosts: Option<Vec<AllowedHost>>,
    owner_id: Option<TenantId>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SecretOut {
    /// What parameters name it by.
    pub(crate) key: String,
    pub(crate) owner_id: String,
    pub(crate) description: String,
    /// Where it may be sent for a parameter with `reveal: false`.
    #[schema(value_type = Vec<String>)]
    pub(crate) allowed_hosts: Vec<AllowedHost>,
    /// What takes it: the first 100 actions, event types and webhooks. Lists leave it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) used_by: Option<Vec<UserOut>>,
    /// Counts the changes of its value and of what is said about it.
    pub(crate) version: u64,
    pub(crate) created_by: String,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) created_at: Timestamp,
    pub(crate) updated_by: String,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) updated_at: Timestamp,
}

/// What takes a secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SecretUser)]
pub(crate) struct UserOut {
    /// `action`, `event-type` or `source`, as routes call it.
    pub(crate) kind: &'static str,
    pub(crate) id: String,
    pub(crate) name: String,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Owner {
    /// The tenant whose it is; only the platform names another than its own.
    #[param(value_type = Option<String>)]
    owner_id: Option<TenantId>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Removal {
    /// The tenant whose it is; only the platform names another than its own.
    #[param(value_type = Option<String>)]
    owner_id: Option<TenantId>,
    /// Also while parameters name it.
    #[serde(default)]
    force: bool,
}

/// Set a secret
///
/// Creates it or replaces its value. Runs see the new value from their next attempt on. `If-Match` guards against
/// somebody else's change, and `If-None-Match: *` creates only.
#[utoipa::path(put, path = "/secret/{key}", tag = "secrets", params(("key" = String, Path)), request_body = SecretSchema,
    responses((status = 200, body = page::Envelope<SecretOut>), (status = 201, description = "It is new", body = page::Envelope<SecretOut>)))]
pub(crate) async fn put(
    caller: Caller<Write>,
    State(api): State<Api>,
    Path(key): Path<String>,
    headers: HeaderMap,
    Body(body): Body<Value>,
) -> Result<Data<SecretOut>, Problem> {
    let key: EntryName = key.parse().map_err(|error| Problem::invalid(vec![Fault::new("", error)]))?;
    // From here to the commit no rotation drops the key that seals.
    let sealing = api.dispatch().secrets().sealing().await;
    set(&api, &caller, &sealing, (key, body), &headers).await
}

/// The same for who holds the key already. Without a value one that is there keeps its own.
pub(crate) async fn set(
    api: &Api,
    caller: &Caller<Write>,
    sealing: &Sealing<'_>,
    (key, body): (EntryName, Value),
    headers: &HeaderMap,
) -> Result<Data<SecretOut>, Problem> {
    let SecretIn { value, description, allowed_hosts, owner_id } = SecretIn::read(body)?;
    let owner = caller.owner(owner_id)?;
    let old = find(&api.catalogue(), &owner, &key);
    check_preconditions(headers, "secret", old.as_ref().map(|old| old.header.version))?;
    let now = api.now();
    let mut header = match &old {
        // How it was spelled first stays.
        Some(old) => old.header.changed(old.header.name.clone(), caller.name(), now),
        None => Header::new((SecretId::new(api.ids(), now), owner, key), caller.name(), now),
    };
    header.description = description.unwrap_or(header.description);
    let mut secret = match (value, &old) {
        (Some(value), _) => sealing.seal(&value, header),
        (None, Some(old)) => sealing.seal_again(old, header).map_err(|error| Problem::internal(&error))?,
        (None, None) => return Err(Problem::invalid(vec![Fault::new("/value", "a secret has a value")])),
    };
    secret.allowed_hosts = allowed_hosts.or_else(|| Some(old.as_ref()?.allowed_hosts.clone())).unwrap_or_default();
    let out = SecretOut::of(&secret);
    let expected = old.as_ref().map(|old| Expectation::Version(NamedId::Secret(old.header.id), old.header.version));
    let put = Transition { expect: expected.into_iter().collect(), ..Transition::of([Change::Put(secret.into())]) };
    api.commit(caller, put).await?;
    let version = out.version;
    Ok(if old.is_none() { Data::created(out) } else { Data::ok(out) }.versioned(version))
}

/// List secrets
///
/// Without their values.
#[utoipa::path(get, path = "/secret", tag = "secrets", params(Filter), responses((status = 200, body = page::Envelope<Vec<SecretOut>>)))]
pub(crate) async fn list(
    caller: Caller<Read>,
    State(api): State<Api>,
    Query(filter): Query<Filter>,
) -> Result<List<SecretOut>, Problem> {
    let catalogue = api.catalogue();
    // Not even the keys of shared secrets are for tenants to see.
    let visible = catalogue.secrets().iter().filter(|secret| caller.tenant().may_change(&secret.header.owner_id));
    let rows = visible.map(|secret| Row {
        item: SecretOut::of(secret),
        id: secret.header.id.to_string(),
        name: secret.header.name.to_string(),
        description: secret.header.description.clone(),
        owner_id: secret.header.owner_id.to_string(),
        created_at: secret.header.created_at,
        updated_at: secret.header.updated_at,
    });
    page::list(rows, &filter)
}

/// Read about a secret
///
/// Everything but its value.
#[utoipa::path(get, path = "/secret/{key}", tag = "secrets", params(("key" = String, Path), Owner), responses((status = 200, body = page::Envelope<SecretOut>)))]
pub(crate) async fn read(
    caller: Caller<Read>,
    State(api): State<Api>,
    Path(key): Path<String>,
    Query(query): Query<Owner>,
) -> Result<Data<SecretOut>, Problem> {
    let owner = caller.owner(query.owner_id)?;
    let catalogue = api.catalogue();
    let secret = named(&catalogue, &owner, &key)?;
    let used_by = users(&catalogue, &owner, &secret.header.name).take(USERS_SHOWN_MAX).collect();
    Ok(Data::ok(SecretOut { used_by: Some(used_by), ..SecretOut::of(&secret) }).versioned(secret.header.version))
}

/// Delete a secret
///
/// Refused with 409 and the list while parameters of the tenant's actions and event types name it, unless `force=true`:
/// their runs end with `secret_missing` then. `If-Match` guards against somebody else's change.
#[utoipa::path(delete, path = "/secret/{key}", tag = "secrets", params(("key" = String, Path), Removal), responses((status = 200, body = page::Envelope<SecretOut>)))]
pub(crate) async fn delete(
    caller: Caller<Write>,
    State(api): State<Api>,
    Path(key): Path<String>,
    Query(query): Query<Removal>,
    headers: HeaderMap,
) -> Result<Data<SecretOut>, Problem> {
    let owner = caller.owner(query.owner_id)?;
    let catalogue = api.catalogue();
    let secret = named(&catalogue, &owner, &key)?;
    check_version(&headers, "secret", secret.header.version)?;
    if !query.force {
        // At most ten: the answer should be read, not scrolled.
        let by: Vec<String> =
            users(&catalogue, &owner, &secret.header.name).take(10).map(|user| user.words()).collect();
        if !by.is_empty() {
            return Err(Conflict::InUse { by }.into());
        }
    }
    let id = NamedId::Secret(secret.header.id);
    let delete = Transition::of([Change::Delete(id)]);
    api.commit(&caller, delete.expecting(Expectation::Version(id, secret.header.version))).await?;
    Ok(Data::ok(SecretOut::of(&secret)))
}

/// What changing the key did.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RotatedOut {
    /// The id of the new key.
    pub(crate) key: String,
    /// Secrets that were encrypted anew.
    pub(crate) secrets: usize,
}

/// Change the key that encrypts the secrets
///
/// Makes a new key, encrypts every secret with it, and drops the older ones. Only the platform's admin may. Backups of
/// the store from before need the file with the old key.
#[utoipa::path(post, path = "/secret-key/rotate", tag = "secrets", responses((status = 200, body = page::Envelope<RotatedOut>)))]
pub(crate) async fn rotate(caller: Caller<Admin>, State(api): State<Api>) -> Result<Data<RotatedOut>, Problem> {
    check_platform(&caller)?;
    // Not broken off when the caller goes: half of it is safe, all of it is better.
    let rotation = tokio::spawn(async move {
        let rotated = api.dispatch().secrets().rotate(api.store()).await?;
        let note = format!("{} secrets were encrypted anew", rotated.secrets);
        let (owner_id, kind, subject_id) = (caller.tenant().clone(), "secret-key", rotated.key.to_string());
        let noted = Noted { owner_id, deed: Deed::Rotated, kind, subject_id, subject: String::new(), note };
        api.note(&caller, noted).await?;
        Ok(Data::ok(RotatedOut { key: rotated.key.to_string(), secrets: rotated.secrets }))
    });
    match rotation.await {
        Ok(rotated) => rotated,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}

pub(crate) fn check_platform(caller: &Caller<Admin>) -> Result<(), Problem> {
    if caller.tenant().is_shared() {
        return Ok(());
    }
    let detail = "one key encrypts the secrets of all tenants; only the platform changes it";
    Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", detail))
}

/// What of the tenant names it.
fn users<'a>(
    catalogue: &'a Catalogue,
    owner: &'a TenantId,
    key: &EntryName,
) -> impl Iterator<Item = UserOut> + use<'a> {
    let folded = Arc::new(key.folded());
    let takes = {
        let folded = Arc::clone(&folded);
        move |parameters: &[Parameter]| {
            parameters.iter().filter_map(Parameter::secret).any(|named| named.folded() == *folded)
        }
    };
    let of_event_type = takes.clone();
    let actions = catalogue.actions().filter(move |action| action.owner_id == *owner && takes(&action.parameters));
    let actions = actions.map(|action| UserOut::new("action", action.id, &action.name));
    let event_types = catalogue.event_types();
    let event_types = event_types.filter(move |found| found.owner_id == *owner && of_event_type(&found.parameters));
    let event_types = event_types.map(|found| UserOut::new("event-type", found.id, &found.display_name));
    let signs = move |source: &Source| {
        let keys =
            source.webhook.iter().flat_map(|webhook| std::iter::once(&webhook.secret).chain(&webhook.old_secret));
        keys.into_iter().any(|named| named.folded() == *folded)
    };
    let sources = catalogue.sources().iter().filter(move |source| source.header.owner_id == *owner && signs(source));
    let sources = sources.map(|source| UserOut::new("source", source.header.id, &source.header.name));
    actions.chain(event_types).chain(sources)
}

impl UserOut {
    fn new(kind: &'static str, id: impl Display, name: impl Display) -> UserOut {
        UserOut { kind, id: id.to_string(), name: name.to_string() }
    }

    pub(crate) fn words(&self) -> String {
        match self.kind {
            "source" => format!("the webhook of the source `{}`", self.name),
            kind => format!("the {} `{}`", kind.replace('-', " "), self.name),
        }
    }
}

pub(crate) fn find(catalogue: &Catalogue, owner: &TenantId, key: &EntryName) -> Option<Arc<Secret>> {
    let found = catalogue.secrets().named(owner, key);
    found.filter(|secret| secret.header.owner_id == *owner).cloned()
}

fn named(catalogue: &Catalogue, owner: &TenantId, key: &str) -> Result<Arc<Secret>, Problem> {
    let found = key.parse().ok().and_then(|key| find(catalogue, owner, &key));
    found.ok_or_else(|| Problem::not_found("secret", key))
}

impl SecretIn {
    fn read(body: Value) -> Result<SecretIn, Problem> {
        let Value::Object(mut fields) = body else {
            return Err(Problem::invalid(vec![Fault::new("", "a secret is sent as an object with its `value`")]));
        };
        let mut faults = Vec::new();
        let value = text(&mut fields, "value", &mut faults).map(SecretText::new);
        let value = value.transpose().map_err(|error| faults.push(Fault::new("/value", error))).ok().flatten();
        let description = text(&mut fields, "description", &mut faults);
        if description.as_ref().is_some_and(|text| text.len() > DESCRIPTION_BYTES_MAX) {
            let message = format!("a description has at most {DESCRIPTION_BYTES_MAX} bytes");
            faults.push(Fault::new("/description", message));
        }
        let allowed_hosts = hosts(&mut fields, &mut faults);
        let owner = text(&mut fields, "owner_id", &mut faults).map(|owner| owner.parse::<TenantId>());
        let owner_id = owner.transpose().map_err(|error| faults.push(Fault::new("/owner_id", error))).ok().flatten();
        faults.extend(fields.keys().map(|name| {
            let pointer = format!("/{}", super::extract::escaped(name));
            Fault::new(pointer, "a secret has `value`, `description`, `allowed_hosts` and `owner_id`")
        }));
        if faults.is_empty() {
            Ok(SecretIn { value, description, allowed_hosts, owner_id })
        } else {
            Err(Problem::invalid(faults))
        }
    }
}

/// Takes the rules, each with what is wrong with it.
fn hosts(fields: &mut Map<String, Value>, faults: &mut Vec<Fault>) -> Option<Vec<AllowedHost>> {
    let texts = match fields.remove("allowed_hosts")? {
        Value::Null => return None,
        Value::Array(texts) => texts,
        _ => {
            faults.push(Fault::new("/allowed_hosts", "`allowed_hosts` is a list of texts"));
            return None;
        }
    };
    let mut rules = Vec::with_capacity(texts.len().min(AllowedHost::LIST_MAX));
    for (place, text) in texts.iter().enumerate() {
        let rule = text.as_str().ok_or("a rule is a text".to_owned());
        match rule.and_then(|text| text.parse().map_err(|error: AllowedHostError| error.to_string())) {
            Ok(rule) => rules.push(rule),
            Err(message) => faults.push(Fault::new(format!("/allowed_hosts/{place}"), message)),
        }
    }
    faults.extend(check_hosts(&rules, MayBePrivate::Never));
    Some(rules)
}

/// Takes a text that may be missing.
fn text(fields: &mut Map<String, Value>, name: &str, faults: &mut Vec<Fault>) -> Option<String> {
    match fields.remove(name) {
        Some(Value::String(text)) => Some(text),
        None | Some(Value::Null) => None,
        Some(_) => {
            faults.push(Fault::new(format!("/{name}"), format!("`{name}` is a text")));
            None
        }
    }
}

impl Removal {
    /// Of what nothing uses.
    pub(crate) fn of(owner: TenantId) -> Removal {
        Removal { owner_id: Some(owner), force: false }
    }
}

impl SecretOut {
    pub(crate) fn of(secret: &Secret) -> SecretOut {
        let Header { name, owner_id, description, version, .. } = &secret.header;
        SecretOut {
            key: name.to_string(),
            owner_id: owner_id.to_string(),
            description: description.clone(),
            allowed_hosts: secret.allowed_hosts.clone(),
            used_by: None,
            version: *version,
            created_by: secret.header.created_by.clone(),
            created_at: secret.header.created_at,
            updated_by: secret.header.updated_by.clone(),
            updated_at: secret.header.updated_at,
        }
    }
}
