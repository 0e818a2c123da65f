//! Registering an object, changing what it is called and lies below, and forgetting it.

use super::event::Confirm;
use super::form::Fields;
use super::frame::Frame;
use super::object::{owner_query, record};
use super::objects::{ask, below};
use super::show;
use super::visit::{Visit, page, parsed};
use crate::api::auth::{Read, Write};
use crate::api::error::{Fault, Problem};
use crate::api::extract::{Body, Path as Named, Query, parse};
use crate::api::object::{self, ObjectRecordOut};
use crate::api::{Api, attachment};
use crate::domain::ObjectRef;
use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use serde_json::{Value, json};

/// What an object is called and lies below.
#[derive(Template)]
#[template(path = "object_form.html", blocks = ["detail"])]
struct ObjectForm {
    frame: Frame,
    /// `None` for a new one, which is yet to be named.
    object: Option<ObjectRef>,
    record: Option<ObjectRecordOut>,
    owner: String,
    action: String,
    back: String,
}

impl ObjectForm {
    fn parents(&self) -> String {
        let parents = self.record.iter().flat_map(|record| &record.parents);
        parents.map(ObjectRef::to_string).collect::<Vec<_>>().join("\n")
    }

    fn answer(&self, visit: &Visit) -> Result<Response, Problem> {
        if visit.wants_part() { page(&self.as_detail()) } else { page(self) }
    }
}

pub(super) async fn ask_for_new(visit: Visit) -> Result<Response, Problem> {
    visit.caller::<Write>()?;
    visit.caller::<Read>()?;
    let owner = Fields::of_query(Some(visit.query())).get("owner_id").to_owned();
    let (frame, action) = (visit.frame("objects", "New object"), "/console/objects/new".to_owned());
    let back = "/console/objects".to_owned();
    ObjectForm { frame, object: None, record: None, owner, action, back }.answer(&visit)
}

pub(super) async fn ask_to_change(visit: Visit, Path(path): Path<(String, String)>) -> Result<Response, Problem> {
    visit.caller::<Write>()?;
    let object = object::parse(path)?;
    let owner = Fields::of_query(Some(visit.query())).get("owner_id").to_owned();
    let record = record(&visit, &object, &owner).await?;
    let (action, back) = (below(&object, "/edit", ""), show::object_page(&object, &owner));
    let frame = visit.frame("objects", object.to_string());
    ObjectForm { frame, object: Some(object), record, owner, action, back }.answer(&visit)
}

pub(super) async fn create(visit: Visit, fields: Fields) -> Result<Response, Problem> {
    visit.caller::<Write>()?;
    let named = |name: &str| fields.get(name).trim().to_owned();
    let object = ObjectRef::new(named("/object_type"), named("/object_id")).map_err(|error| {
        let place = match error {
            crate::domain::ObjectRefError::Type => "/object_type",
            crate::domain::ObjectRefError::Id => "/object_id",
        };
        Problem::invalid(vec![Fault::new(place, error)])
    })?;
    put(&visit, object, &fields).await
}

pub(super) async fn change(
    visit: Visit,
    Path(path): Path<(String, String)>,
    fields: Fields,
) -> Result<Response, Problem> {
    visit.caller::<Write>()?;
    put(&visit, object::parse(path)?, &fields).await
}

async fn put(visit: &Visit, object: ObjectRef, fields: &Fields) -> Result<Response, Problem> {
    let mut body = fields.json()?;
    // Places in a list of texts are those in the list of objects that it means.
    let mut parents = Vec::new();
    for (place, line) in body["parents"].as_array().into_iter().flatten().filter_map(Value::as_str).enumerate() {
        let fault = || Fault::new(format!("/parents/{place}"), format!("`{line}` is no type/id, as location/berlin"));
        let (object_type, object_id) = line.split_once('/').ok_or_else(|| Problem::invalid(vec![fault()]))?;
        parents.push(json!({ "object_type": object_type, "object_id": object_id }));
    }
    if let Value::Object(body) = &mut body {
        body.insert("parents".to_owned(), parents.into());
        body.remove("object_type");
        body.remove("object_id");
    }
    let body = parse(body.to_string().as_bytes())?;
    let path = Named((object.object_type.clone(), object.object_id.clone()));
    let caller = visit.caller::<Write>()?;
    let done = object::put(caller, State(visit.api().clone()), path, expecting(fields), Body(body)).await?;
    let owner = if visit.sees_all() { done.into_parts().0.owner_id } else { String::new() };
    Ok(visit.go(&show::object_page(&object, &owner)))
}

/// What a form was made for, as the headers that say so: the version that it showed, or that there was none.
///
/// A form that does not say matches nothing: it could undo what somebody else did meanwhile.
pub(super) fn expecting(fields: &Fields) -> HeaderMap {
    let (name, value) = match fields.get("version") {
        "none" => (header::IF_NONE_MATCH, "*".to_owned()),
        version => (header::IF_MATCH, format!("\"{version}\"")),
    };
    HeaderValue::from_str(&value).map(|value| (name, value)).into_iter().collect()
}

pub(super) async fn ask_to_delete(visit: Visit, Path(path): Path<(String, String)>) -> Result<Response, Problem> {
    visit.caller::<Write>()?;
    let object = object::parse(path)?;
    let owner = Fields::of_query(Some(visit.query())).get("owner_id").to_owned();
    let record = record(&visit, &object, &owner).await?.ok_or_else(|| Problem::not_found("object", &object))?;
    let mut consequences = vec![match record.parents.as_slice() {
        [] => "What it is called is forgotten.".to_owned(),
        [only] => format!("What it is called is forgotten, and that it lies below {only}."),
        [first, rest @ ..] => {
            format!("What it is called is forgotten, and that it lies below {first} and {} more.", rest.len())
        }
    }];
    consequences.extend(in_the_way(&visit, &object, &owner).await?);
    consequences.push("What happened on it stays in the history.".to_owned());
    let confirm = Confirm {
        frame: visit.frame("objects", "Delete"),
        question: format!("Delete {object}?"),
        consequences,
        verb: "Delete the object",
        action: below(&object, "/delete", &owner),
        back: show::object_page(&object, &owner),
    };
    confirm.answer(&visit)
}

/// What must go first: the API refuses it while there is any.
async fn in_the_way(visit: &Visit, object: &ObjectRef, owner: &str) -> Result<Vec<String>, Problem> {
    let api: State<Api> = State(visit.api().clone());
    let (object_type, object_id) = (object.object_type.clone(), object.object_id.clone());
    let below = [("parent_type", object_type.as_str()), ("parent_id", &object_id), ("owner_id", owner), ("limit", "3")];
    let children = ask(visit, &Fields::query(&below)).await?;
    let filter = parsed("limit=200")?;
    let path = Named((object_type.clone(), object_id.clone()));
    let attached = attachment::list_on(visit.caller::<Read>()?, api, path, Query(filter)).await?;
    let mut found = Vec::new();
    if !children.items.is_empty() {
        let named: Vec<String> =
            children.items.iter().map(|child| format!("{}/{}", child.object_type, child.object_id)).collect();
        let more = if children.next.is_some() { " and more" } else { "" };
        found.push(format!(
            "It is refused while objects lie below it: {}{more}. Give them other parents first.",
            named.join(", ")
        ));
    }
    let of_owner = attached.items.iter().filter(|found| found.owner_id == owner || !visit.sees_all()).count();
    if of_owner > 0 {
        let (is, them) = if of_owner == 1 { ("action is", "it") } else { ("actions are", "them") };
        found.push(format!("It is refused while {of_owner} {is} attached to it. Detach {them} first."));
    }
    Ok(found)
}

pub(super) async fn delete(visit: Visit, Path(path): Path<(String, String)>) -> Result<Response, Problem> {
    let caller = visit.caller::<Write>()?;
    let owner = Fields::of_query(Some(visit.query())).get("owner_id").to_owned();
    let view = parsed(&owner_query(&owner))?;
    object::delete(caller, State(visit.api().clone()), Named(path), Query(view), HeaderMap::new()).await?;
    let list = owner_query(&owner);
    Ok(visit.go(&if list.is_empty() { "/console/objects".to_owned() } else { format!("/console/objects?{list}") }))
}
