//! The values that actions keep, for whoever looks for what went wrong or clears up.

use super::Api;
use super::action::find_attachable;
use super::auth::{Caller, Read, Write};
use super::error::Problem;
use super::extract::{Path, Query};
use super::page::{self, Data, List, decode_cursor, encode_cursor};
use super::precondition::check_version;
use crate::domain::{AttachmentId, Deed, KvEntry, KvExpect, KvSpace, KvWrite, Noted, TenantId, Timestamp};
use crate::store::{Change, KvChange, Transition};
use axum::extract::State;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// What an action keeps under a key.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ValueOut {
    pub(crate) key: String,
    pub(crate) size_bytes: usize,
    /// Differs after every write.
    pub(crate) version: u64,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) written_at: Timestamp,
    /// From when on it counts as not there.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) expires_at: Option<Timestamp>,
    /// The value in base64 (RFC 4648 §4); not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) value: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct KvFilter {
    /// Those of the runs by this attachment. Default: those of the action itself.
    attachment: Option<String>,
    /// Whose runs keep them; only the platform names another tenant than its own. Default: the owner of the attachment or
    /// action for the platform.
    #[param(value_type = Option<String>)]
    owner_id: Option<TenantId>,
    /// Only keys that begin so.
    prefix: Option<String>,
    /// At most this many items, 1 to 200. Default 50.
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct KvPlace {
    /// That of the runs by this attachment. Default: that of the action itself.
    attachment: Option<String>,
    /// Whose runs keep it; only the platform names another tenant than its own. Default: the owner of the attachment or
    /// action for the platform.
    #[param(value_type = Option<String>)]
    owner_id: Option<TenantId>,
}

/// The keys of the values that an action keeps
///
/// In order, without the values. What has expired is not there any more.
#[utoipa::path(get, path = "/action/{id}/kv", tag = "values", params(("id" = String, Path), KvFilter), responses((status = 200, body = page::Envelope<Vec<ValueOut>>)))]
pub(crate) async fn list(
    caller: Caller<Read>,
    State(api): State<Api>,
    Path(id): Path<String>,
    Query(filter): Query<KvFilter>,
) -> Result<List<ValueOut>, Problem> {
    let KvFilter { attachment, owner_id, prefix, limit, cursor } = filter;
    let space = space(&api, &caller, &id, KvPlace { attachment, owner_id })?;
    let (limit, after) = (page::limit(limit)?, cursor.as_deref().map(decode_cursor::<String>).transpose()?);
    let (prefix, now) = (prefix.unwrap_or_default(), api.now());
    let read = api.reading(move |store| store.list_values(&space, (&prefix, after.as_deref()), (now, limit + 1)));
    let mut found = read.await?;
    let is_more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| is_more).map(|(key, _)| encode_cursor(key));
    Ok(List { items: found.into_iter().map(|(key, entry)| ValueOut::of(key, &entry)).collect(), next })
}

/// Read a value
#[utoipa::path(get, path = "/action/{id}/kv/{key}", tag = "values", params(("id" = String, Path), ("key" = String, Path), KvPlace), responses((status = 200, body = page::Envelope<ValueOut>)))]
pub(crate) async fn read(
    caller: Caller<Read>,
    State(api): State<Api>,
    Path((id, key)): Path<(String, String)>,
    Query(place): Query<KvPlace>,
) -> Result<Data<ValueOut>, Problem> {
    let space = space(&api, &caller, &id, place)?;
    let entry = find(&api, space, key.clone()).await?;
    let value = Some(data_encoding::BASE64.encode(&entry.value));
    Ok(Data::ok(ValueOut { value, ..ValueOut::of(key, &entry) }).versioned(entry.version))
}

/// Delete a value
///
/// A run that expected it to be there has a conflict and is tried again. `If-Match` guards against a run's change.
#[utoipa::path(delete, path = "/action/{id}/kv/{key}", tag = "values", params(("id" = String, Path), ("key" = String, Path), KvPlace), responses((status = 200, body = page::Envelope<ValueOut>)))]
pub(crate) async fn delete(
    caller: Caller<Write>,
    State(api): State<Api>,
    Path((id, key)): Path<(String, String)>,
    Query(place): Query<KvPlace>,
    headers: HeaderMap,
) -> Result<Data<ValueOut>, Problem> {
    let space = space(&api, &caller, &id, place)?;
    let entry = find(&api, space.clone(), key.clone()).await?;
    check_version(&headers, "value", entry.version)?;
    let KvSpace { action, attachment, tenant } = space;
    let write = KvWrite { expect: KvExpect::Version(entry.version), entry: None };
    let writes = vec![(attachment, key.clone(), write)];
    let change = KvChange { tenant: tenant.clone(), action, writes, at: api.now() };
    let note = attachment.map_or_else(String::new, |id| format!("of the attachment {id}"));
    let noted = Noted { owner_id: tenant, subject: key.clone(), note, ..Noted::of(Deed::Deleted, "value", &id) };
    api.commit(&caller, Transition::of([Change::Values(Arc::new(change)), Change::Audit(Arc::new(noted))])).await?;
    Ok(Data::ok(ValueOut::of(key, &entry)))
}

/// The values that are meant: of an action that the caller may know, and of a tenant that it speaks for.
fn space<N>(api: &Api, caller: &Caller<N>, id: &str, place: KvPlace) -> Result<KvSpace, Problem> {
    let action = find_attachable(api, caller.tenant(), id)?;
    let catalogue = api.catalogue();
    let attachment = place.attachment.as_deref().map(|id| {
        let found = id.parse().ok().and_then(|id: AttachmentId| catalogue.attachment(id));
        let found = found.filter(|found| found.action_id == action.id && caller.tenant().sees(&found.owner_id));
        found.ok_or_else(|| Problem::not_found("attachment", id))
    });
    let attachment = attachment.transpose()?;
    let owner = attachment.map_or(&action.owner_id, |attachment| &attachment.owner_id);
    let asked = place.owner_id.or_else(|| caller.tenant().is_shared().then(|| owner.clone()));
    let tenant = caller.owner(asked)?;
    Ok(KvSpace { action: action.id, attachment: attachment.map(|attachment| attachment.id), tenant })
}

async fn find(api: &Api, space: KvSpace, key: String) -> Result<KvEntry, Problem> {
    let missing = Problem::not_found("value", &key);
    let found = api.reading(move |store| store.value(&space, &key)).await?;
    found.filter(|entry| entry.is_there(api.now())).ok_or(missing)
}

impl ValueOut {
    fn of(key: String, entry: &KvEntry) -> ValueOut {
        let KvEntry { value, version, written_at, expires_at } = entry;
        let (version, written_at, expires_at) = (*version, *written_at, *expires_at);
        ValueOut { key, size_bytes: value.len(), version, written_at, expires_at, value: None }
    }
}
