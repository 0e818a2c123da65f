//! Actions: what to run.

mod body;
mod filter;

use super::Api;
use super::attachment;
use super::auth::{Caller, Read, Write};
use super::error::{Fault, Problem};
use super::extract::{Body, Path, Query};
use super::page::{self, Data, List, Row};
use super::parameter::unset_secret;
use super::precondition::check_version;
use crate::dispatch::cycle_of_action;
use crate::domain::{Action, ActionId, EventType, TenantId};
use crate::store::{Change, Expectation, Transition};
use axum::extract::State;
use axum::http::HeaderMap;
use body::Stamp;
pub(crate) use body::{ActionIn, ActionOut, LimitsSchema};
pub(crate) use filter::ActionFilter;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// Create an action
#[utoipa::path(post, path = "/action", tag = "actions", request_body = ActionIn, responses((status = 201, body = page::Envelope<ActionOut>)))]
pub(crate) async fn create(
    caller: Caller<Write>,
    State(api): State<Api>,
    Body(mut body): Body<ActionIn>,
) -> Result<Data<ActionOut>, Problem> {
    let owner = caller.owner(body.owner_id.clone())?;
    body.check(&api, &owner)?;
    let now = api.now();
    let stamp = Stamp { version: 1, created_by: caller.name().to_owned(), created_at: now };
    let action = Arc::new(body.into_action(ActionId::new(api.ids(), now), owner, stamp, (caller.name(), now)));
    let mut put = Transition::of(compiled(&api, None, &action).await?);
    put.changes.push(Change::PutAction(Arc::clone(&action)));
    api.commit(&caller, put).await?;
    Ok(with_warnings(&api, &action, Data::created(ActionOut::of(&action))))
}

/// List actions
#[utoipa::path(get, path = "/action", tag = "actions", params(ActionFilter), responses((status = 200, body = page::Envelope<Vec<ActionOut>>)))]
pub(crate) async fn list(
    caller: Caller<Read>,
    State(api): State<Api>,
    Query(filter): Query<ActionFilter>,
) -> Result<List<ActionOut>, Problem> {
    let catalogue = api.catalogue();
    let visible = catalogue.actions().filter(|action| action.public || caller.tenant().sees(&action.owner_id));
    let rows = visible.filter(|action| filter.wants(action)).map(|action| Row {
        item: action,
        id: action.id.to_string(),
        name: action.name.to_string(),
        description: action.description.clone(),
        owner_id: action.owner_id.to_string(),
        created_at: action.created_at,
        updated_at: action.updated_at,
    });
    let rows: Vec<_> = rows.collect();
    // Of the many only those of the page are written out.
    let page = page::list(rows.into_iter(), &filter.into_page())?;
    Ok(page.map(|action| ActionOut::to(caller.tenant(), action).without_code()))
}

/// Read an action
#[utoipa::path(get, path = "/action/{id}", tag = "actions", params(("id" = String, Path)), responses((status = 200, body = page::Envelope<ActionOut>)))]
pub(crate) async fn read(
    caller: Caller<Read>,
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Data<ActionOut>, Problem> {
    let action = find_attachable(&api, caller.tenant(), &id)?;
    Ok(Data::ok(ActionOut::to(caller.tenant(), &action)).versioned(action.version))
}

/// Change an action
///
/// The body replaces it whole, at once, as a new version. `If-Match` guards against somebody else's change.
#[utoipa::path(put, path = "/action/{id}", tag = "actions", params(("id" = String, Path)), request_body = ActionIn, responses((status = 200, body = page::Envelope<ActionOut>)))]
pub(crate) async fn change(
    caller: Caller<Write>,
    State(api): State<Api>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(mut body): Body<ActionIn>,
) -> Result<Data<ActionOut>, Problem> {
    let old = find(&api, caller.tenant(), &id)?;
    caller.check_may_change(&old.owner_id, "action", &id)?;
    if body.owner_id.as_ref().is_some_and(|owner| *owner != old.owner_id) {
        return Err(Problem::invalid(vec![Fault::new("/owner_id", "an action stays with its tenant")]));
    }
    body.check(&api, &old.owner_id)?;
    replace(&api, &caller, &old, &headers, body).await
}

/// Every version of an action
///
/// The newest first. The code of old versions is left out where all of it would be too much.
#[utoipa::path(get, path = "/action/{id}/version", tag = "actions", params(("id" = String, Path)), responses((status = 200, body = page::Envelope<Vec<ActionOut>>)))]
pub(crate) async fn versions(
    caller: Caller<Read>,
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<List<ActionOut>, Problem> {
    let action = find(&api, caller.tenant(), &id)?.id;
    let mut versions = api.reading(move |store| store.action_versions(action)).await?;
    versions.reverse();
    Ok(List { items: body::with_some_code(versions.iter().map(ActionOut::of)), next: None })
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RollBack {
    /// The version to go back to.
    pub(crate) version: u64,
}

/// Roll an action back
///
/// Makes a new version that is like an old one.
#[utoipa::path(post, path = "/action/{id}/rollback", tag = "actions", params(("id" = String, Path)), request_body = RollBack, responses((status = 200, body = page::Envelope<ActionOut>)))]
pub(crate) async fn roll_back(
    caller: Caller<Write>,
    State(api): State<Api>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body<RollBack>,
) -> Result<Data<ActionOut>, Problem> {
    let current = find(&api, caller.tenant(), &id)?;
    caller.check_may_change(&current.owner_id, "action", &id)?;
    let action = current.id;
    let versions = api.reading(move |store| store.action_versions(action)).await?;
    let Some(old) = versions.into_iter().find(|version| version.version == body.version) else {
        let message = format!("there is no version {}; the newest is {}", body.version, current.version);
        return Err(Problem::invalid(vec![Fault::new("/version", message)]));
    };
    replace(&api, &caller, &current, &headers, ActionIn::from(old)).await
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Force {
    /// Also unlink it from the event types that name it.
    #[serde(default)]
    pub(crate) force: bool,
}

/// Delete an action
///
/// Refused with 409 and the list while an event type names it, unless `force=true` unlinks it there. `If-Match` guards
/// against somebody else's change. Its attachments go with it; its history stays.
#[utoipa::path(delete, path = "/action/{id}", tag = "actions", params(("id" = String, Path), Force), responses((status = 200, body = page::Envelope<ActionOut>)))]
pub(crate) async fn delete(
    caller: Caller<Write>,
    State(api): State<Api>,
    Path(id): Path<String>,
    Query(query): Query<Force>,
    headers: HeaderMap,
) -> Result<Data<ActionOut>, Problem> {
    let action = find(&api, caller.tenant(), &id)?;
    caller.check_may_change(&action.owner_id, "action", &id)?;
    check_version(&headers, "action", action.version)?;
    let mut transition = Transition::default().expecting(Expectation::ActionVersion(action.id, action.version));
    if query.force {
        let catalogue = api.catalogue();
        for event_type in catalogue.event_types_linking(action.id) {
            caller.check_may_change(&event_type.owner_id, "event type", &event_type.display_name)?;
            transition.expect.push(Expectation::EventTypeVersion(event_type.id, event_type.version));
            let unlinked = EventType {
                action: None,
                version: event_type.version + 1,
                updated_at: api.now(),
                ..event_type.as_ref().clone()
            };
            transition.changes.push(Change::PutEventType(Arc::new(unlinked)));
        }
    }
    transition.changes.push(Change::DeleteAction(action.id));
    api.commit(&caller, transition).await?;
    Ok(Data::ok(ActionOut::of(&action)))
}

/// Puts `body` in the place of `old` if it still is what the caller saw.
async fn replace(
    api: &Api,
    caller: &Caller<Write>,
    old: &Action,
    headers: &HeaderMap,
    body: ActionIn,
) -> Result<Data<ActionOut>, Problem> {
    check_version(headers, "action", old.version)?;
    let stamp = Stamp { version: old.version + 1, created_by: old.created_by.clone(), created_at: old.created_at };
    let action = Arc::new(body.into_action(old.id, old.owner_id.clone(), stamp, (caller.name(), api.now())));
    let mut put = attachment::follow(api, old, &action)?;
    put.changes.extend(compiled(api, Some(old), &action).await?);
    // What pins the version that goes must do so while it is there.
    put.changes.push(Change::PutAction(Arc::clone(&action)));
    api.commit(caller, put.expecting(Expectation::ActionVersion(old.id, old.version))).await?;
    Ok(with_warnings(api, &action, Data::ok(ActionOut::of(&action))))
}

/// Has the source code of an action looked at, unless it is what was there; what came out is kept with it.
async fn compiled(api: &Api, old: Option<&Action>, action: &Action) -> Result<Option<Change>, Problem> {
    let known = old.and_then(|old| old.source.as_ref()).map(|source| source.digest);
    let Some(source) = action.source.as_ref().filter(|source| Some(source.digest) != known) else { return Ok(None) };
    let program = api.dispatch().compile_source(source).await?;
    Ok(Some(Change::PutProgram(source.digest, program)))
}

fn with_warnings(api: &Api, action: &Action, data: Data<ActionOut>) -> Data<ActionOut> {
    let [cycle, unset] = warnings(api, action);
    data.versioned(action.version).warning(cycle).warning(unset)
}

/// What may surprise about an action as it is saved.
fn warnings(api: &Api, action: &Action) -> [Option<String>; 2] {
    let catalogue = api.catalogue();
    // The secrets of what others attach are others' to set.
    let is_own = !action.public && !action.owner_id.is_shared();
    let unset = is_own.then(|| unset_secret(&catalogue, &action.owner_id, &action.parameters)).flatten();
    [cycle_of_action(&catalogue, action), unset]
}

/// The same of one that is there, for who changes it: what saving it again would be answered with.
pub(crate) fn warnings_of(api: &Api, caller: &Caller<Read>, id: &str) -> Result<Vec<String>, Problem> {
    let action = find_attachable(api, caller.tenant(), id)?;
    let is_own = caller.tenant().may_change(&action.owner_id);
    Ok(warnings(api, &action).into_iter().flatten().filter(|_| is_own).collect())
}

/// What a tenant means by the name of an action: its own, else a shared one.
pub(crate) fn named(api: &Api, tenant: &TenantId, name: &str) -> Option<Arc<Action>> {
    let (catalogue, name) = (api.catalogue(), name.parse().ok()?);
    [tenant, &TenantId::shared()].into_iter().find_map(|owner| catalogue.action_named(owner, &name).cloned())
}

pub(crate) fn find(api: &Api, tenant: &TenantId, id: &str) -> Result<Arc<Action>, Problem> {
    let catalogue = api.catalogue();
    let action = id.parse().ok().and_then(|id: ActionId| catalogue.action(id).cloned());
    action.filter(|action| tenant.sees(&action.owner_id)).ok_or_else(|| Problem::not_found("action", id))
}

/// An action that the tenant may attach: one that it sees, or another's public one.
pub(crate) fn find_attachable(api: &Api, tenant: &TenantId, id: &str) -> Result<Arc<Action>, Problem> {
    let catalogue = api.catalogue();
    let action = id.parse().ok().and_then(|id: ActionId| catalogue.action(id).cloned());
    let visible = action.filter(|action| action.public || tenant.sees(&action.owner_id));
    visible.ok_or_else(|| Problem::not_found("action", id))
}
