//! What the named things of the catalogue have in common over HTTP: how they are found, stamped, changed and shown.

use super::Api;
use super::auth::Caller;
use super::error::{Fault, Problem};
use super::page::Row;
use super::precondition::check_version;
use crate::domain::{Entry, EntryName, Header, TenantId, Timestamp};
use crate::store::{Change, Expectation, Named, Registry, Transition};
use axum::http::HeaderMap;
use serde::Serialize;
use std::str::FromStr;
use std::sync::Arc;
use utoipa::ToSchema;

/// What every body of a named thing says about it.
pub(crate) struct Naming {
    pub(crate) name: EntryName,
    pub(crate) description: String,
    pub(crate) owner_id: Option<TenantId>,
}

/// What every named thing shows first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HeaderOut {
    #[schema(value_type = uuid::Uuid)]
    pub(crate) id: String,
    pub(crate) owner_id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    /// Counts changes; the `ETag`.
    pub(crate) version: u64,
    pub(crate) created_by: String,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) created_at: Timestamp,
    pub(crate) updated_by: String,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) updated_at: Timestamp,
}

impl HeaderOut {
    pub(crate) fn of<I: std::fmt::Display>(header: &Header<I>) -> HeaderOut {
        HeaderOut {
            id: header.id.to_string(),
            owner_id: header.owner_id.to_string(),
            name: header.name.to_string(),
            description: header.description.clone(),
            version: header.version,
            created_by: header.created_by.clone(),
            created_at: header.created_at,
            updated_by: header.updated_by.clone(),
            updated_at: header.updated_at,
        }
    }
}

/// The entry with this id, or of this name, that the tenant sees; of two names its own comes first.
pub(crate) fn lookup<'a, E>(registry: &'a Registry<E>, tenant: &TenantId, id: &str) -> Option<&'a Arc<E>>
where
    E: Entry<Id: FromStr>,
{
    let by_id = id.parse().ok().and_then(|id: E::Id| registry.get(id));
    let found = by_id.or_else(|| registry.named(tenant, &id.parse().ok()?));
    found.filter(|entry| tenant.sees(&entry.header().owner_id))
}

/// The same, or 404.
pub(crate) fn find<E>(registry: &Registry<E>, tenant: &TenantId, id: &str) -> Result<Arc<E>, Problem>
where
    E: Entry<Id: FromStr>,
{
    lookup(registry, tenant, id).cloned().ok_or_else(|| Problem::not_found(E::WHAT, id))
}

/// An entry as a row of its list.
pub(crate) fn row<E: Entry, T>(entry: &E, item: T) -> Row<T> {
    let header = entry.header();
    Row {
        item,
        id: header.id.to_string(),
        name: header.name.to_string(),
        description: header.description.clone(),
        owner_id: header.owner_id.to_string(),
        created_at: header.created_at,
        updated_at: header.updated_at,
    }
}

/// The header of something new.
pub(crate) fn new_header<I: Clone, N>(
    api: &Api,
    caller: &Caller<N>,
    id: I,
    naming: Naming,
) -> Result<Header<I>, Problem> {
    check_description(&naming)?;
    let owner = caller.owner(naming.owner_id)?;
    let header = Header::new((id, owner, naming.name), caller.name(), api.now());
    Ok(Header { description: naming.description, ..header })
}

/// The header of the next version of `old`, if the caller may make one and it still is what the caller saw.
pub(crate) fn next_header<E: Entry, N>(
    api: &Api,
    caller: &Caller<N>,
    headers: &HeaderMap,
    old: &E,
    naming: Naming,
) -> Result<Header<E::Id>, Problem> {
    check_may_write(caller, headers, old)?;
    let header = old.header();
    if naming.owner_id.as_ref().is_some_and(|owner| *owner != header.owner_id) {
        return Err(Problem::invalid(vec![Fault::new("/owner_id", format!("{} stays with its tenant", E::ARTICLE))]));
    }
    check_description(&naming)?;
    let next = header.changed(naming.name, caller.name(), api.now());
    Ok(Header { description: naming.description, ..next })
}

/// Refuses to change what is somebody else's or was changed meanwhile.
pub(crate) fn check_may_write<E: Entry, N>(caller: &Caller<N>, headers: &HeaderMap, entry: &E) -> Result<(), Problem> {
    let header = entry.header();
    caller.check_may_change(&header.owner_id, E::WHAT, &header.name)?;
    check_version(headers, E::WHAT, header.version)
}

fn check_description(naming: &Naming) -> Result<(), Problem> {
    if naming.description.len() <= 10_000 {
        return Ok(());
    }
    Err(Problem::invalid(vec![Fault::new("/description", "a description has at most 10000 bytes")]))
}

/// Keeps an entry: a new one, or the next version of one that nobody changed meanwhile.
pub(crate) async fn put<E, N>(api: &Api, caller: &Caller<N>, entry: E) -> Result<(), Problem>
where
    E: Entry + Into<Named>,
{
    let version = entry.header().version;
    put_after(api, caller, entry, version - 1).await
}

/// Keeps the record of what was there without one.
pub(crate) async fn put_first<E, N>(api: &Api, caller: &Caller<N>, entry: E) -> Result<(), Problem>
where
    E: Entry + Into<Named>,
{
    put_after(api, caller, entry, 0).await
}

async fn put_after<E, N>(api: &Api, caller: &Caller<N>, entry: E, version: u64) -> Result<(), Problem>
where
    E: Entry + Into<Named>,
{
    let named: Named = entry.into();
    let id = named.id();
    let put = Transition::of([Change::Put(named)]);
    Ok(api.commit(caller, put.expecting(Expectation::Version(id, version))).await?)
}

pub(crate) async fn delete<E, N>(api: &Api, caller: &Caller<N>, headers: &HeaderMap, entry: &E) -> Result<(), Problem>
where
    E: Entry + Clone + Into<Named>,
{
    check_may_write(caller, headers, entry)?;
    let version = entry.header().version;
    let named: Named = entry.clone().into();
    let delete = Transition::of([Change::Delete(named.id())]);
    Ok(api.commit(caller, delete.expecting(Expectation::Version(named.id(), version))).await?)
}
