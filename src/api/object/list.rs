//! The objects there are: all of them, those on top, or those right below another, page by page.

use super::{ObjectRef, Owner, parse};
use crate::api::Api;
use crate::api::auth::{Caller, Read};
use crate::api::error::Problem;
use crate::api::event::ObjectOut;
use crate::api::extract::Query;
use crate::api::page::{self, List, decode_cursor, encode_cursor};
use crate::domain::TenantId;
use crate::store::Catalogue;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// Objects looked at for one page at most. A page of a rare thing may therefore come back short, with a cursor to go on from.
const LOOKED_AT_MAX: usize = 20_000;
/// Children, and attachments, are counted up to this: an object may have a great many.
const COUNTED_MAX: usize = 100;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ObjectFilter {
    /// Text that `type/id` or the name has, whatever the case.
    pub(crate) q: Option<String>,
    /// Only objects of this type.
    pub(crate) object_type: Option<String>,
    /// Only objects right below this one, together with `parent_id`.
    pub(crate) parent_type: Option<String>,
    /// Only objects right below this one, together with `parent_type`.
    pub(crate) parent_id: Option<String>,
    /// Only objects above which nothing lies.
    #[serde(default)]
    pub(crate) top: bool,
    /// The tenant whose view it is; only the platform names another than its own.
    #[param(value_type = Option<String>)]
    pub(crate) owner_id: Option<TenantId>,
    /// At most this many items, 1 to 200. Default 50.
    pub(crate) limit: Option<usize>,
    /// `next` of the page before. A page may have fewer items than asked for and still have a next one.
    pub(crate) cursor: Option<String>,
}

/// An object in the hierarchy.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ObjectListedOut {
    pub(crate) object_type: String,
    pub(crate) object_id: String,
    /// Empty when it was never registered, or without one.
    pub(crate) name: String,
    /// Who registered it, empty for the platform; null when nobody did: something is attached to it, or lies below it.
    pub(crate) owner_id: Option<String>,
    /// The objects right above it; there may be several.
    #[schema(value_type = Vec<ObjectOut>)]
    pub(crate) parents: Vec<ObjectRef>,
    /// How many objects lie right below it, counted up to 100.
    pub(crate) children: usize,
    /// How many actions are attached to exactly this object, counted up to 100.
    pub(crate) attachments: usize,
}

/// List objects
///
/// By type and id. An object is there when it was registered, when another was registered below it, or when an action is
/// attached to it.
#[utoipa::path(get, path = "/object", tag = "objects", params(ObjectFilter), responses((status = 200, body = page::Envelope<Vec<ObjectListedOut>>)))]
pub(crate) async fn list(
    caller: Caller<Read>,
    State(api): State<Api>,
    Query(filter): Query<ObjectFilter>,
) -> Result<List<ObjectListedOut>, Problem> {
    let (limit, owner) = (page::limit(filter.limit)?, caller.owner(filter.owner_id.clone())?);
    let parent = match (&filter.parent_type, &filter.parent_id) {
        (Some(object_type), Some(object_id)) => Some(parse((object_type.clone(), object_id.clone()))?),
        (None, None) => None,
        _ => return Err(Problem::bad_request("an object has a type and an id: send both parent_type and parent_id")),
    };
    let after: Option<(String, String)> = filter.cursor.as_deref().map(decode_cursor).transpose()?;
    let after = after.map(parse).transpose()?;
    let catalogue = api.catalogue();
    let listing = move || {
        let (owner, after) = (&owner, after.as_ref());
        match &parent {
            Some(parent) => page_of(&catalogue, owner, &filter, catalogue.children_behind(owner, parent, after), limit),
            None if filter.top => page_of(&catalogue, owner, &filter, catalogue.tops_behind(owner, after), limit),
            None => page_of(&catalogue, owner, &filter, catalogue.objects_behind(owner, after), limit),
        }
    };
    Ok(api.computing(listing).await)
}

/// One of them, whether it is known or not: what the list says of it.
pub(crate) fn one(
    caller: &Caller<Read>,
    api: &Api,
    object: &ObjectRef,
    view: Owner,
) -> Result<ObjectListedOut, Problem> {
    Ok(ObjectListedOut::of(&api.catalogue(), &caller.owner(view.owner_id)?, object))
}

fn page_of<'a>(
    catalogue: &Catalogue,
    owner: &TenantId,
    filter: &ObjectFilter,
    objects: impl Iterator<Item = &'a Arc<ObjectRef>>,
    limit: usize,
) -> List<ObjectListedOut> {
    let q = filter.q.as_deref().unwrap_or_default().to_lowercase();
    let has = |text: &str| text.to_lowercase().contains(&q);
    let wanted = |object: &ObjectRef| {
        filter.object_type.as_ref().is_none_or(|of| *of == object.object_type)
            && (q.is_empty()
                || has(&object.to_string())
                || catalogue.object(owner, object).is_some_and(|record| has(&record.name)))
    };
    let mut items = Vec::new();
    let mut last: Option<&Arc<ObjectRef>> = None;
    for (looked_at, object) in objects.enumerate() {
        if items.len() == limit || looked_at == LOOKED_AT_MAX {
            let next = last.map(|last| encode_cursor(&(&last.object_type, &last.object_id)));
            return List { items, next };
        }
        if wanted(object) {
            items.push(ObjectListedOut::of(catalogue, owner, object));
        }
        last = Some(object);
    }
    List { items, next: None }
}

impl ObjectListedOut {
    pub(crate) fn of(catalogue: &Catalogue, owner: &TenantId, object: &ObjectRef) -> ObjectListedOut {
        let record = catalogue.object(owner, object);
        let mut parents = Vec::new();
        catalogue.parents(owner, object, &mut parents);
        let mut distinct: Vec<ObjectRef> = Vec::with_capacity(parents.len());
        for parent in parents {
            if !distinct.contains(&parent) {
                distinct.push(parent.as_ref().clone());
            }
        }
        let attached = catalogue.attachments_on(object).filter(|attachment| owner.sees(&attachment.owner_id));
        ObjectListedOut {
            object_type: object.object_type.clone(),
            object_id: object.object_id.clone(),
            name: record.map(|record| record.name.clone()).unwrap_or_default(),
            owner_id: record.map(|record| record.owner_id.to_string()),
            parents: distinct,
            children: catalogue.children_behind(owner, object, None).take(COUNTED_MAX).count(),
            attachments: attached.take(COUNTED_MAX).count(),
        }
    }
}
