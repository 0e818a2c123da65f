//! Source types: kinds of event producers.

use super::Api;
use super::auth::{Caller, Read, Write};
use super::entry::{self, HeaderOut, Naming};
use super::error::Problem;
use super::extract::{Body, Path, Query};
use super::page::{self, Data, Filter, List};
use crate::domain::{EntryName, Header, SourceType, SourceTypeId, TenantId};
use axum::extract::State;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A source type as it is sent.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SourceTypeIn {
    /// A letter and up to 63 letters, digits, `_`, `.` and `-`; unique without regard to case.
    #[schema(value_type = String, pattern = "^[A-Za-z][A-Za-z0-9_.-]{0,63}$")]
    name: EntryName,
    #[serde(default)]
    description: String,
    /// The tenant it is for; only the platform names another than its own, and only when creating.
    #[schema(value_type = Option<String>)]
    owner_id: Option<TenantId>,
}

/// What event types name as who may fire them.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SourceTypeOut {
    #[serde(flatten)]
    pub(crate) header: HeaderOut,
}

/// Create a source type
#[utoipa::path(post, path = "/source-type", tag = "source types", request_body = SourceTypeIn, responses((status = 201, body = page::Envelope<SourceTypeOut>)))]
pub(crate) async fn create(
    caller: Caller<Write>,
    State(api): State<Api>,
    Body(body): Body<SourceTypeIn>,
) -> Result<Data<SourceTypeOut>, Problem> {
    let id = SourceTypeId::new(api.ids(), api.now());
    let header = entry::new_header(&api, &caller, id, body.naming())?;
    let out = SourceTypeOut::of(&header);
    entry::put(&api, &caller, SourceType { header }).await?;
    Ok(Data::created(out).versioned(1))
}

/// List source types
#[utoipa::path(get, path = "/source-type", tag = "source types", params(Filter), responses((status = 200, body = page::Envelope<Vec<SourceTypeOut>>)))]
pub(crate) async fn list(
    caller: Caller<Read>,
    State(api): State<Api>,
    Query(filter): Query<Filter>,
) -> Result<List<SourceTypeOut>, Problem> {
    let catalogue = api.catalogue();
    let visible = catalogue.source_types().iter().filter(|entry| caller.tenant().sees(&entry.header.owner_id));
    page::list(visible.map(|entry| entry::row(entry.as_ref(), SourceTypeOut::of(&entry.header))), &filter)
}

/// Read a source type, by id or name
#[utoipa::path(get, path = "/source-type/{id}", tag = "source types", params(("id" = String, Path)), responses((status = 200, body = page::Envelope<SourceTypeOut>)))]
pub(crate) async fn read(
    caller: Caller<Read>,
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Data<SourceTypeOut>, Problem> {
    let found = entry::find(api.catalogue().source_types(), caller.tenant(), &id)?;
    Ok(Data::ok(SourceTypeOut::of(&found.header)).versioned(found.header.version))
}

/// Change a source type
///
/// The body replaces it whole, at once. `If-Match` guards against somebody else's change.
#[utoipa::path(put, path = "/source-type/{id}", tag = "source types", params(("id" = String, Path)), request_body = SourceTypeIn, responses((status = 200, body = page::Envelope<SourceTypeOut>)))]
pub(crate) async fn change(
    caller: Caller<Write>,
    State(api): State<Api>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body<SourceTypeIn>,
) -> Result<Data<SourceTypeOut>, Problem> {
    let old = entry::find(api.catalogue().source_types(), caller.tenant(), &id)?;
    let header = entry::next_header(&api, &caller, &headers, old.as_ref(), body.naming())?;
    let (out, version) = (SourceTypeOut::of(&header), header.version);
    entry::put(&api, &caller, SourceType { header }).await?;
    Ok(Data::ok(out).versioned(version))
}

/// Delete a source type
///
/// Refused with 409 and the list while a source or an event type names it. `If-Match` guards against somebody else's
/// change.
#[utoipa::path(delete, path = "/source-type/{id}", tag = "source types", params(("id" = String, Path)), responses((status = 200, body = page::Envelope<SourceTypeOut>)))]
pub(crate) async fn delete(
    caller: Caller<Write>,
    State(api): State<Api>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Data<SourceTypeOut>, Problem> {
    let found = entry::find(api.catalogue().source_types(), caller.tenant(), &id)?;
    entry::delete(&api, &caller, &headers, found.as_ref()).await?;
    Ok(Data::ok(SourceTypeOut::of(&found.header)))
}

impl SourceTypeIn {
    fn naming(self) -> Naming {
        Naming { name: self.name, description: self.description, owner_id: self.owner_id }
    }
}

impl SourceTypeOut {
    pub(crate) fn of(header: &Header<SourceTypeId>) -> SourceTypeOut {
        SourceTypeOut { header: HeaderOut::of(header) }
    }
}
