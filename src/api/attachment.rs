//! Attachments: actions bound to objects, from the side of either.

use super::Api;
use super::action;
use super::auth::{Caller, Read, Write};
use super::error::{Fault, Problem};
use super::extract::{Body, Path, Query};
use super::object;
use super::page::{self, Data, Filter, List, Row};
use super::precondition::check_version;
use crate::dispatch::input_violations;
use crate::domain::{Action, ActionId, Attachment, AttachmentId, Json, ObjectRef, Pin, TenantId, Timestamp};
use crate::store::{Change, Expectation, Transition};
use axum::extract::State;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

const REASON_BYTES_MAX: usize = 10_000;

/// Where to attach an action, and with what.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AttachmentIn {
    object_type: String,
    object_id: String,
    /// What the action gets as its `input`; follows its schema. Default `{}`.
    #[schema(value_type = Option<serde_json::Value>)]
    input: Option<Json>,
    /// Why it is attached, for people.
    reason: Option<String>,
    /// Higher runs earlier. Default 0.
    priority: Option<i32>,
    /// Default true. False: only events on exactly this object run it.
    inherits: Option<bool>,
    /// Another tenant's action stays at the version it has now, unless this is true.
    follow_newest: Option<bool>,
    /// The tenant whose events it serves; only the platform names another than its own.
    #[schema(value_type = Option<String>)]
    owner_id: Option<TenantId>,
}

/// Which action to attach, and with what.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ObjectAttachmentIn {
    #[schema(value_type = uuid::Uuid)]
    action_id: ActionId,
    /// What the action gets as its `input`; follows its schema. Default `{}`.
    #[schema(value_type = Option<serde_json::Value>)]
    input: Option<Json>,
    /// Why it is attached, for people.
    reason: Option<String>,
    /// Higher runs earlier. Default 0.
    priority: Option<i32>,
    /// Default true. False: only events on exactly this object run it.
    inherits: Option<bool>,
    /// Another tenant's action stays at the version it has now, unless this is true.
    follow_newest: Option<bool>,
    /// The tenant whose events it serves; only the platform names another than its own.
    #[schema(value_type = Option<String>)]
    owner_id: Option<TenantId>,
}

/// A change of an attachment; what is left out stays. Action and object stay in any case.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AttachmentPatch {
    /// The object it is on, if it is said at all.
    object_type: Option<String>,
    /// The object it is on, if it is said at all.
    object_id: Option<String>,
    #[schema(value_type = Option<serde_json::Value>)]
    input: Option<Json>,
    reason: Option<String>,
    priority: Option<i32>,
    inherits: Option<bool>,
    /// True follows the newest version from now on; false takes the newest and stays at it.
    follow_newest: Option<bool>,
}

/// The binding of an action to an object.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AttachmentOut {
    #[schema(value_type = uuid::Uuid)]
    pub(crate) id: AttachmentId,
    #[schema(value_type = uuid::Uuid)]
    pub(crate) action_id: ActionId,
    pub(crate) object_type: String,
    pub(crate) object_id: String,
    #[schema(value_type = serde_json::Value)]
    pub(crate) input: Json,
    pub(crate) reason: String,
    pub(crate) priority: i32,
    pub(crate) inherits: bool,
    /// The version of the action that it is pinned to; null follows the newest.
    pub(crate) action_version: Option<u64>,
    pub(crate) version: u64,
    pub(crate) owner_id: String,
    pub(crate) created_by: String,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) updated_at: Timestamp,
}

/// Attach an action to an object
///
/// From then on its trigger runs it there, and on what lies below and above. The input must follow the schema of the
/// action: 422 with pointers. A second attachment to the same object is 409.
#[utoipa::path(post, path = "/action/{id}/object", tag = "attachments", params(("id" = String, Path)), request_body = AttachmentIn, responses((status = 201, body = page::Envelope<AttachmentOut>)))]
pub(crate) async fn create(
    caller: Caller<Write>,
    State(api): State<Api>,
    Path(id): Path<String>,
    Body(body): Body<AttachmentIn>,
) -> Result<Data<AttachmentOut>, Problem> {
    let action = action::find_attachable(&api, caller.tenant(), &id)?;
    let object = ObjectRef::new(body.object_type, body.object_id).map_err(|error| {
        let place = match error {
            crate::domain::ObjectRefError::Type => "/object_type",
            crate::domain::ObjectRefError::Id => "/object_id",
        };
        Problem::invalid(vec![Fault::new(place, error)])
    })?;
    let wish = Wish {
        input: body.input,
        reason: body.reason,
        priority: body.priority,
        inherits: body.inherits,
        follow_newest: body.follow_newest,
        owner_id: body.owner_id,
    };
    attach(&api, &caller, &action, object, wish).await
}

/// Attach an action to this object
///
/// The same as `POST /action/{id}/object` from the side of the object. Objects of the type `object` are attached to there.
#[utoipa::path(post, path = "/{object_type}/{object_id}/action", tag = "attachments", params(("object_type" = String, Path), ("object_id" = String, Path)),
    request_body = ObjectAttachmentIn, responses((status = 201, body = page::Envelope<AttachmentOut>)))]
pub(crate) async fn create_on(
    caller: Caller<Write>,
    State(api): State<Api>,
    Path(path): Path<(String, String)>,
    Body(body): Body<ObjectAttachmentIn>,
) -> Result<Data<AttachmentOut>, Problem> {
    let object = object::parse(path)?;
    let action = action::find_attachable(&api, caller.tenant(), &body.action_id.to_string())
        .map_err(|_| Problem::invalid(vec![Fault::new("/action_id", "there is no such action")]))?;
    let wish = Wish {
        input: body.input,
        reason: body.reason,
        priority: body.priority,
        inherits: body.inherits,
        follow_newest: body.follow_newest,
        owner_id: body.owner_id,
    };
    attach(&api, &caller, &action, object, wish).await
}

/// What both sides can say about a new attachment.
struct Wish {
    input: Option<Json>,
    reason: Option<String>,
    priority: Option<i32>,
    inherits: Option<bool>,
    follow_newest: Option<bool>,
    owner_id: Option<TenantId>,
}

async fn attach(
    api: &Api,
    caller: &Caller<Write>,
    action: &Arc<Action>,
    object: ObjectRef,
    wish: Wish,
) -> Result<Data<AttachmentOut>, Problem> {
    // The platform attaching a tenant's action acts for that tenant, unless it says otherwise.
    let platform = caller.tenant().is_shared();
    let owner_id = caller.owner(wish.owner_id.or_else(|| platform.then(|| action.owner_id.clone())))?;
    let input = wish.input.unwrap_or_else(Json::empty_object);
    check(action, &input, wish.reason.as_deref())?;
    let foreign = action.is_foreign_to(&owner_id);
    let pin = if foreign && !wish.follow_newest.unwrap_or(false) { Some(pin(api, action)?) } else { None };
    let now = api.now();
    let attachment = Arc::new(Attachment {
        id: AttachmentId::new(api.ids(), now),
        action_id: action.id,
        object,
        owner_id,
        input,
        reason: wish.reason.unwrap_or_default(),
        priority: wish.priority.unwrap_or(0),
        inherits: wish.inherits.unwrap_or(true),
        pin,
        version: 1,
        created_by: caller.name().to_owned(),
        created_at: now,
        updated_at: now,
    });
    let put = Transition::of([Change::PutAttachment(Arc::clone(&attachment))]);
    api.commit(caller, put.expecting(Expectation::ActionVersion(action.id, action.version))).await?;
    Ok(Data::created(AttachmentOut::of(&attachment)).versioned(1))
}

/// The version in force and the code that it means now.
fn pin(api: &Api, action: &Action) -> Result<Pin, Problem> {
    let catalogue = api.catalogue();
    let module = catalogue.code_of(action).ok_or_else(|| Problem::not_found("code of the action", &action.name))?;
    Ok(Pin { version: action.version, module })
}

fn check(action: &Action, input: &Json, reason: Option<&str>) -> Result<(), Problem> {
    let mut faults = Vec::new();
    if reason.is_some_and(|reason| reason.len() > REASON_BYTES_MAX) {
        faults.push(Fault::new("/reason", format!("a reason has at most {REASON_BYTES_MAX} bytes")));
    }
    match input_violations(action.input.as_ref(), [input]) {
        Err(error) => faults.push(Fault::new("/input", error)),
        Ok(violations) => {
            let violations = violations.into_iter().flatten();
            faults.extend(violations.map(|v| Fault::new(format!("/input{}", v.pointer), v.message)));
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(Problem::invalid(faults)) }
}

/// Where an action is attached
#[utoipa::path(get, path = "/action/{id}/object", tag = "attachments", params(("id" = String, Path), Filter), responses((status = 200, body = page::Envelope<Vec<AttachmentOut>>)))]
pub(crate) async fn list(
    caller: Caller<Read>,
    State(api): State<Api>,
    Path(id): Path<String>,
    Query(filter): Query<Filter>,
) -> Result<List<AttachmentOut>, Problem> {
    let action = action::find_attachable(&api, caller.tenant(), &id)?;
    let catalogue = api.catalogue();
    let visible = catalogue.attachments_of(action.id).filter(|a| caller.tenant().sees(&a.owner_id));
    page::list(visible.map(row), &filter)
}

/// What is attached to exactly this object
#[utoipa::path(get, path = "/{object_type}/{object_id}/action", tag = "attachments", params(("object_type" = String, Path), ("object_id" = String, Path), Filter),
    responses((status = 200, body = page::Envelope<Vec<AttachmentOut>>)))]
pub(crate) async fn list_on(
    caller: Caller<Read>,
    State(api): State<Api>,
    Path(path): Path<(String, String)>,
    Query(filter): Query<Filter>,
) -> Result<List<AttachmentOut>, Problem> {
    let object = object::parse(path)?;
    let catalogue = api.catalogue();
    let visible = catalogue.attachments_on(&object).filter(|a| caller.tenant().sees(&a.owner_id));
    page::list(visible.map(row), &filter)
}

fn row(attachment: &Arc<Attachment>) -> Row<AttachmentOut> {
    Row {
        item: AttachmentOut::of(attachment),
        id: attachment.id.to_string(),
        name: attachment.object.to_string(),
        description: attachment.reason.clone(),
        owner_id: attachment.owner_id.to_string(),
        created_at: attachment.created_at,
        updated_at: attachment.updated_at,
    }
}

/// Read an attachment
#[utoipa::path(get, path = "/action/{id}/object/{attachment_id}", tag = "attachments", params(("id" = String, Path), ("attachment_id" = String, Path)),
    responses((status = 200, body = page::Envelope<AttachmentOut>)))]
pub(crate) async fn read(
    caller: Caller<Read>,
    State(api): State<Api>,
    Path((action, id)): Path<(String, String)>,
) -> Result<Data<AttachmentOut>, Problem> {
    let attachment = find(&api, caller.tenant(), (&action, &id))?;
    Ok(Data::ok(AttachmentOut::of(&attachment)).versioned(attachment.version))
}

/// Change an attachment
///
/// What is left out stays as it is.
#[utoipa::path(put, path = "/action/{id}/object/{attachment_id}", tag = "attachments", params(("id" = String, Path), ("attachment_id" = String, Path)),
    request_body = AttachmentPatch, responses((status = 200, body = page::Envelope<AttachmentOut>)))]
pub(crate) async fn change(
    caller: Caller<Write>,
    State(api): State<Api>,
    Path((action, id)): Path<(String, String)>,
    headers: HeaderMap,
    Body(body): Body<AttachmentPatch>,
) -> Result<Data<AttachmentOut>, Problem> {
    let old = find(&api, caller.tenant(), (&action, &id))?;
    caller.check_may_change(&old.owner_id, "attachment", &id)?;
    check_version(&headers, "attachment", old.version)?;
    let elsewhere = |said: &Option<String>, is: &str| said.as_ref().is_some_and(|said| said != is);
    if elsewhere(&body.object_type, &old.object.object_type) || elsewhere(&body.object_id, &old.object.object_id) {
        let message = "an attachment stays on its object; attach the action to the other one and delete this";
        return Err(Problem::invalid(vec![Fault::new("/object_id", message)]));
    }
    let catalogue = api.catalogue();
    let newest = catalogue.action(old.action_id).ok_or_else(|| Problem::not_found("action", &action))?;
    let pin = match body.follow_newest {
        None => old.pin,
        Some(true) => None,
        Some(false) if newest.may_be_attached_by(&old.owner_id) => Some(pin(&api, newest)?),
        Some(false) => old.pin,
    };
    let input = body.input.unwrap_or_else(|| old.input.clone());
    let runs = if pin == old.pin { catalogue.attached_action(&old).unwrap_or(newest) } else { newest };
    check(runs, &input, body.reason.as_deref())?;
    let attachment = Arc::new(Attachment {
        input,
        reason: body.reason.unwrap_or_else(|| old.reason.clone()),
        priority: body.priority.unwrap_or(old.priority),
        inherits: body.inherits.unwrap_or(old.inherits),
        pin,
        version: old.version + 1,
        updated_at: api.now(),
        ..old.as_ref().clone()
    });
    let put = Transition::of([Change::PutAttachment(Arc::clone(&attachment))])
        .expecting(Expectation::AttachmentVersion(old.id, old.version))
        .expecting(Expectation::ActionVersion(newest.id, newest.version));
    api.commit(&caller, put).await?;
    Ok(Data::ok(AttachmentOut::of(&attachment)).versioned(attachment.version))
}

/// Detach an action from an object
#[utoipa::path(delete, path = "/action/{id}/object/{attachment_id}", tag = "attachments", params(("id" = String, Path), ("attachment_id" = String, Path)),
    responses((status = 200, body = page::Envelope<AttachmentOut>)))]
pub(crate) async fn delete(
    caller: Caller<Write>,
    State(api): State<Api>,
    Path((action, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Data<AttachmentOut>, Problem> {
    let attachment = find(&api, caller.tenant(), (&action, &id))?;
    caller.check_may_change(&attachment.owner_id, "attachment", &id)?;
    check_version(&headers, "attachment", attachment.version)?;
    let delete = Transition::of([Change::DeleteAttachment(attachment.action_id, attachment.id)]);
    api.commit(&caller, delete.expecting(Expectation::AttachmentVersion(attachment.id, attachment.version))).await?;
    Ok(Data::ok(AttachmentOut::of(&attachment)))
}

/// By its id, or by that of its object where no other attachment of the action has the same.
fn find(api: &Api, tenant: &TenantId, (action, id): (&str, &str)) -> Result<Arc<Attachment>, Problem> {
    let missing = || Problem::not_found("attachment", id);
    let action = action::find_attachable(api, tenant, action)
        // What was attached while an action was public stays its owner's to change.
        .map(|action| action.id)
        .or_else(|problem| attached_by(api, tenant, action).ok_or(problem))?;
    let catalogue = api.catalogue();
    let visible = |attachment: &&Arc<Attachment>| tenant.sees(&attachment.owner_id);
    let by_id = id.parse().ok().and_then(|id: AttachmentId| catalogue.attachment(id));
    if let Some(found) = by_id.filter(|found| found.action_id == action).filter(visible) {
        return Ok(Arc::clone(found));
    }
    let mut on = catalogue.attachments_of(action).filter(visible).filter(|a| a.object.object_id == id);
    match (on.next(), on.next()) {
        (Some(only), None) => Ok(Arc::clone(only)),
        _ => Err(missing()),
    }
}

/// The action of this id if the tenant has it attached anywhere.
fn attached_by(api: &Api, tenant: &TenantId, action: &str) -> Option<ActionId> {
    let action: ActionId = action.parse().ok()?;
    let catalogue = api.catalogue();
    let attached = catalogue.attachments_of(action).any(|attachment| tenant.may_change(&attachment.owner_id));
    attached.then_some(action)
}

/// What becomes of the attachments of `old` when `new` takes its place: the changes it needs, and what it must expect.
/// An attachment whose input breaks the new schema refuses it; another tenant's stays at the version that fits it.
pub(crate) fn follow(api: &Api, old: &Action, new: &Action) -> Result<Transition, Problem> {
    let mut transition = Transition::default();
    if old.input == new.input {
        return Ok(transition);
    }
    let catalogue = api.catalogue();
    transition.expect.push(Expectation::AttachmentsOf(old.id, catalogue.attachment_changes(old.id)));
    let following: Vec<_> = catalogue.attachments_of(old.id).filter(|attachment| attachment.pin.is_none()).collect();
    let violations = input_violations(new.input.as_ref(), following.iter().map(|attachment| &attachment.input));
    let violations = violations.map_err(|error| Problem::invalid(vec![Fault::new("/input", error)]))?;
    let mut faults = Vec::new();
    for (attachment, violations) in following.into_iter().zip(violations) {
        let Some(first) = violations.first() else { continue };
        if old.is_foreign_to(&attachment.owner_id) {
            let pin = catalogue.code_of(old).map(|module| Pin { version: old.version, module });
            let pinned = Attachment { pin, version: attachment.version + 1, ..attachment.as_ref().clone() };
            transition.changes.push(Change::PutAttachment(Arc::new(pinned)));
        } else {
            let (id, object) = (attachment.id, &attachment.object);
            let message = format!("the attachment {id} on `{object}`: {}: {}", first.pointer, first.message);
            faults.push(Fault::new("/input", message));
        }
    }
    if faults.is_empty() { Ok(transition) } else { Err(Problem::breaks_attachments(faults)) }
}

/// A schema that a rollback or a change brings, as a fault of the body.
pub(crate) fn check_schema(schema: Option<&Json>) -> Option<Fault> {
    let checked = schema.map(crate::dispatch::check_input_schema)?;
    checked.err().map(|error| Fault::new("/input", error))
}

impl AttachmentOut {
    pub(crate) fn of(attachment: &Attachment) -> AttachmentOut {
        AttachmentOut {
            id: attachment.id,
            action_id: attachment.action_id,
            object_type: attachment.object.object_type.clone(),
            object_id: attachment.object.object_id.clone(),
            input: attachment.input.clone(),
            reason: attachment.reason.clone(),
            priority: attachment.priority,
            inherits: attachment.inherits,
            action_version: attachment.pin.map(|pin| pin.version),
            version: attachment.version,
            owner_id: attachment.owner_id.to_string(),
            created_by: attachment.created_by.clone(),
            created_at: attachment.created_at,
            updated_at: attachment.updated_at,
        }
    }
}
