//! Objects: what lies above what, and which attachments an event on one would reach.

pub(crate) mod list;
pub(crate) mod order;

use super::Api;
use super::attachment::AttachmentOut;
use super::auth::{Caller, Read, Write};
use super::error::{Fault, Problem};
use super::event::{FlowSchema, ObjectOut};
use super::event_type;
use super::extract::{Body, Path, Query};
use super::page::{self, Data, List};
use super::precondition::{check_preconditions, check_version};
use crate::dispatch::{Binding, FireError, above, bindings, unreached};
use crate::domain::{ActionId, EventType, Flow, ObjectRecord, ObjectRef, Reason, TenantId, Timestamp};
use crate::store::{Catalogue, Change, Expectation, Transition};
use axum::extract::State;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// An object's name has at most this many bytes.
const NAME_BYTES_MAX: usize = 256;

/// What is above an object.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ObjectIn {
    #[serde(default)]
    name: String,
    /// The objects right above: its type, its place, its organisation. At most 32; they need not be registered.
    #[serde(default)]
    #[schema(value_type = Vec<ObjectOut>)]
    parents: Vec<ObjectRef>,
    /// The tenant it is for; only the platform names another than its own.
    #[schema(value_type = Option<String>)]
    owner_id: Option<TenantId>,
}

/// What a tenant registered about an object.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ObjectRecordOut {
    pub(crate) object_type: String,
    pub(crate) object_id: String,
    pub(crate) owner_id: String,
    pub(crate) name: String,
    #[schema(value_type = Vec<ObjectOut>)]
    pub(crate) parents: Vec<ObjectRef>,
    pub(crate) version: u64,
    pub(crate) created_by: String,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) updated_at: Timestamp,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Owner {
    /// The tenant whose view it is; only the platform names another than its own.
    #[param(value_type = Option<String>)]
    owner_id: Option<TenantId>,
}

impl Owner {
    pub(crate) fn of(owner: TenantId) -> Owner {
        Owner { owner_id: Some(owner) }
    }
}

/// Register an object or change its parents
///
/// The body replaces it whole. 422 when it would lie above itself or objects would lie more than 32 levels deep.
/// `If-Match` guards against somebody else's change, and `If-None-Match: *` creates only.
#[utoipa::path(put, path = "/object/{object_type}/{object_id}", tag = "objects", params(("object_type" = String, Path), ("object_id" = String, Path)),
    request_body = ObjectIn, responses((status = 200, body = page::Envelope<ObjectRecordOut>), (status = 201, description = "It is new", body = page::Envelope<ObjectRecordOut>)))]
pub(crate) async fn put(
    caller: Caller<Write>,
    State(api): State<Api>,
    Path(path): Path<(String, String)>,
    headers: HeaderMap,
    Body(body): Body<ObjectIn>,
) -> Result<Data<ObjectRecordOut>, Problem> {
    let object = parse(path)?;
    let owner_id = caller.owner(body.owner_id)?;
    if body.name.len() > NAME_BYTES_MAX {
        let message = format!("an object's name has at most {NAME_BYTES_MAX} bytes");
        return Err(Problem::invalid(vec![Fault::new("/name", message)]));
    }
    let mut parents: Vec<ObjectRef> = Vec::new();
    for parent in body.parents {
        if !parents.contains(&parent) {
            parents.push(parent);
        }
    }
    let old = api.catalogue().own_object(&owner_id, &object).cloned();
    check_preconditions(&headers, "object", old.as_ref().map(|old| old.version))?;
    let now = api.now();
    let record = Arc::new(ObjectRecord {
        object: object.clone(),
        name: body.name,
        parents,
        version: old.as_ref().map_or(1, |old| old.version + 1),
        created_by: old.as_ref().map_or_else(|| caller.name().to_owned(), |old| old.created_by.clone()),
        created_at: old.as_ref().map_or(now, |old| old.created_at),
        updated_at: now,
        owner_id: owner_id.clone(),
    });
    let expected = Expectation::ObjectVersion(owner_id, object, old.as_ref().map(|old| old.version));
    api.commit(&caller, Transition::of([Change::PutObject(Arc::clone(&record))]).expecting(expected)).await?;
    let out = ObjectRecordOut::of(&record);
    Ok(if old.is_none() { Data::created(out) } else { Data::ok(out) }.versioned(record.version))
}

/// Read an object
///
/// 404 when it was never registered, which is fine for attaching to it and firing on it.
#[utoipa::path(get, path = "/object/{object_type}/{object_id}", tag = "objects", params(("object_type" = String, Path), ("object_id" = String, Path), Owner),
    responses((status = 200, body = page::Envelope<ObjectRecordOut>)))]
pub(crate) async fn read(
    caller: Caller<Read>,
    State(api): State<Api>,
    Path(path): Path<(String, String)>,
    Query(query): Query<Owner>,
) -> Result<Data<ObjectRecordOut>, Problem> {
    let (object, owner) = (parse(path)?, caller.owner(query.owner_id)?);
    let record = api.catalogue().object(&owner, &object).cloned();
    let record = record.ok_or_else(|| Problem::not_found("object", &object))?;
    Ok(Data::ok(ObjectRecordOut::of(&record)).versioned(record.version))
}

/// Forget an object
///
/// 409 with the list while attachments are on it or objects name it as their parent.
#[utoipa::path(delete, path = "/object/{object_type}/{object_id}", tag = "objects", params(("object_type" = String, Path), ("object_id" = String, Path), Owner),
    responses((status = 200, body = page::Envelope<ObjectRecordOut>)))]
pub(crate) async fn delete(
    caller: Caller<Write>,
    State(api): State<Api>,
    Path(path): Path<(String, String)>,
    Query(query): Query<Owner>,
    headers: HeaderMap,
) -> Result<Data<ObjectRecordOut>, Problem> {
    let (object, owner) = (parse(path)?, caller.owner(query.owner_id)?);
    let record = api.catalogue().object(&owner, &object).cloned();
    let record = record.ok_or_else(|| Problem::not_found("object", &object))?;
    if record.owner_id != owner {
        caller.check_may_change(&record.owner_id, "object", &object)?;
    }
    check_version(&headers, "object", record.version)?;
    let owner = record.owner_id.clone();
    let expected = Expectation::ObjectVersion(owner.clone(), object.clone(), Some(record.version));
    api.commit(&caller, Transition::of([Change::DeleteObject(owner, object)]).expecting(expected)).await?;
    Ok(Data::ok(ObjectRecordOut::of(&record)))
}

/// Where what would run comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Provenance {
    /// The event type names it.
    Linked,
    /// It is attached to the object itself.
    Own,
    /// It is attached to an object above.
    Above,
    /// It is attached to an object below.
    Below,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EffectiveQuery {
    /// The event type that would fire: its display name or id.
    event_type: String,
    /// What the fire would say: `both`, `up`, `down` or `none`.
    #[param(value_type = Option<FlowSchema>)]
    flow: Option<Flow>,
    /// The tenant whose event it would be; only the platform names another than its own.
    #[param(value_type = Option<String>)]
    owner_id: Option<TenantId>,
    /// Also list, behind the plan, what is attached above and below and not reached, with the reason.
    #[serde(default)]
    unreached: bool,
}

/// One action that an event would reach, in its place in the plan.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EffectiveOut {
    /// Place in the plan, from 0; null when it is not reached.
    pub(crate) position: Option<usize>,
    #[schema(value_type = uuid::Uuid)]
    pub(crate) action_id: ActionId,
    pub(crate) action: String,
    /// Whose action it is; empty for the platform's.
    pub(crate) action_owner_id: String,
    pub(crate) version: u64,
    /// `linked` from the event type, or attached to the object itself (`own`), to one `above` or to one `below`.
    pub(crate) from: Provenance,
    /// Null for the action that the event type names.
    pub(crate) attachment: Option<AttachmentOut>,
    /// Where the attachment sits.
    #[schema(value_type = Option<ObjectOut>)]
    pub(crate) scope: Option<ObjectRef>,
    /// Steps between the object and the scope.
    pub(crate) distance: u32,
    /// Higher runs earlier; null for the action that the event type names, which is first.
    pub(crate) priority: Option<i32>,
    /// Whether it would run.
    pub(crate) runs: bool,
    /// Why it would not run, for machines.
    #[schema(value_type = Option<String>)]
    pub(crate) reason: Option<Reason>,
    /// Why it would not run, for people.
    pub(crate) message: String,
    /// The place in the plan of the earlier one that stands for this one as well.
    pub(crate) covered_by: Option<usize>,
}

/// Which actions an event on this object would run
///
/// In the order in which they would run, by the same function that plans events.
#[utoipa::path(get, path = "/object/{object_type}/{object_id}/effective", tag = "objects", params(("object_type" = String, Path), ("object_id" = String, Path), EffectiveQuery),
    responses((status = 200, body = page::Envelope<Vec<EffectiveOut>>)))]
pub(crate) async fn effective(
    caller: Caller<Read>,
    State(api): State<Api>,
    Path(path): Path<(String, String)>,
    Query(query): Query<EffectiveQuery>,
) -> Result<List<EffectiveOut>, Problem> {
    let (object, owner) = (parse(path)?, caller.owner(query.owner_id)?);
    let firing = Firing::of(&api, object, &owner, (&query.event_type, query.flow))?;
    let above = firing.above();
    let mut items = firing.planned(&above)?;
    if query.unreached {
        let Firing { catalogue, event_type, owner, object, flow } = firing.clone();
        let looking = move || unreached(&catalogue, &event_type, &owner, (&object, flow));
        for (attachment, distance, why) in api.computing(looking).await {
            let Some(action) = firing.catalogue.attached_action(&attachment).cloned() else { continue };
            let (attachment, covered_by) = (Some(attachment), None);
            let binding = Binding { action, attachment, distance, skipped: None, covered_by };
            let out = EffectiveOut::of(0, &binding, firing.provenance(&binding, &above));
            items.push(EffectiveOut { position: None, runs: false, message: why.to_owned(), ..out });
        }
    }
    Ok(List { items, next: None })
}

/// An event that would be fired on an object.
#[derive(Clone)]
struct Firing {
    catalogue: Arc<Catalogue>,
    event_type: Arc<EventType>,
    owner: TenantId,
    object: ObjectRef,
    flow: Flow,
}

impl Firing {
    fn of(
        api: &Api,
        object: ObjectRef,
        owner: &TenantId,
        (event_type, flow): (&str, Option<Flow>),
    ) -> Result<Firing, Problem> {
        let event_type = event_type::find(api, owner, event_type)?;
        let owner = if event_type.owner_id.is_shared() { owner } else { &event_type.owner_id }.clone();
        let flow = event_type.flow.narrowed(flow.unwrap_or_default());
        Ok(Firing { catalogue: api.catalogue(), event_type, owner, object, flow })
    }

    /// What it would run, in order.
    fn bindings(&self) -> Result<Vec<Binding>, Problem> {
        let found = bindings(&self.catalogue, &self.event_type, &self.owner, Some(&self.object), self.flow);
        Ok(found.map_err(|_| FireError::FanOut)?)
    }

    fn above(&self) -> HashSet<Arc<ObjectRef>> {
        above(&self.catalogue, &self.owner, &self.object)
    }

    fn provenance(&self, binding: &Binding, above: &HashSet<Arc<ObjectRef>>) -> Provenance {
        match &binding.attachment {
            None => Provenance::Linked,
            Some(attachment) if attachment.object == self.object => Provenance::Own,
            Some(attachment) if above.contains(&attachment.object) => Provenance::Above,
            Some(_) => Provenance::Below,
        }
    }

    fn planned(&self, above: &HashSet<Arc<ObjectRef>>) -> Result<Vec<EffectiveOut>, Problem> {
        let bindings = self.bindings()?;
        let out = |(place, binding)| EffectiveOut::of(place, binding, self.provenance(binding, above));
        Ok(bindings.iter().enumerate().map(out).collect())
    }
}

/// The object that a path names.
pub(crate) fn parse((object_type, object_id): (String, String)) -> Result<ObjectRef, Problem> {
    ObjectRef::new(object_type, object_id).map_err(|error| Problem::bad_request(error.to_string()))
}

impl ObjectRecordOut {
    pub(crate) fn of(record: &ObjectRecord) -> ObjectRecordOut {
        ObjectRecordOut {
            object_type: record.object.object_type.clone(),
            object_id: record.object.object_id.clone(),
            owner_id: record.owner_id.to_string(),
            name: record.name.clone(),
            parents: record.parents.clone(),
            version: record.version,
            created_by: record.created_by.clone(),
            created_at: record.created_at,
            updated_at: record.updated_at,
        }
    }
}

impl EffectiveOut {
    fn of(position: usize, binding: &Binding, from: Provenance) -> EffectiveOut {
        let attachment = binding.attachment.as_ref();
        let covered = binding.covered_by.map(|place| {
            let message = format!("the action runs once for an event, and does so at position {place}");
            (Reason::Duplicate, message)
        });
        let skipped = binding.skipped.clone().or(covered);
        EffectiveOut {
            position: Some(position),
            priority: attachment.map(|attachment| attachment.priority),
            action_id: binding.action.id,
            action: binding.action.name.to_string(),
            action_owner_id: binding.action.owner_id.to_string(),
            from,
            version: binding.action.version,
            attachment: attachment.map(|attachment| AttachmentOut::of(attachment)),
            scope: attachment.map(|attachment| attachment.object.clone()),
            distance: binding.distance,
            runs: skipped.is_none(),
            reason: skipped.as_ref().map(|(reason, _)| *reason),
            message: skipped.map(|(_, message)| message).unwrap_or_default(),
            covered_by: binding.covered_by,
        }
    }
}
