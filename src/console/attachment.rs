//! Attaching an action to an object, changing how it is attached, and detaching it.

use super::event::Confirm;
use super::form::Fields;
use super::frame::Frame;
use super::list::Listing;
use super::object_form::expecting;
use super::objects::below;
use super::schema_form::{Control, Piece, SchemaForm};
use super::show;
use super::visit::{Visit, page, parsed};
use crate::api::action::{self, ActionOut};
use crate::api::attachment::{self, AttachmentOut};
use crate::api::auth::{Read, Write};
use crate::api::error::Problem;
use crate::api::extract::{Body, Path as Named, Query};
use crate::api::object;
use crate::api::page::List;
use crate::domain::{ActionId, EventTypeName, Json, ObjectRef, TenantId};
use askama::Template;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;

/// Actions that are offered at once; there may be thousands, and who looks for one types a part of its name.
const OFFERED_MAX: &str = "20";

/// Which action to attach.
#[derive(Template)]
#[template(path = "attach.html", blocks = ["detail", "offered"])]
struct Choice {
    frame: Frame,
    object: ObjectRef,
    listing: Listing,
    actions: Vec<ActionOut>,
    more: bool,
}

/// How an action is attached, with the fields that its input schema asks for.
#[derive(Template)]
#[template(path = "attachment.html", blocks = ["detail"])]
struct AttachmentForm {
    frame: Frame,
    object: ObjectRef,
    action: Attached,
    /// `None` for a new one.
    attachment: Option<AttachmentOut>,
    form: SchemaForm,
    said: Said,
    /// The same with the input as JSON, or as fields again.
    other_way: String,
    way: Way,
    owner: String,
    /// Where it is sent to.
    to: String,
    back: String,
}

/// What the form shows of the action.
struct Attached {
    id: ActionId,
    owner_id: String,
    name: String,
    description: String,
    trigger: Option<EventTypeName>,
    secrets: Vec<String>,
    schema: Option<Json>,
    version: Option<u64>,
}

impl Attached {
    fn of(action: ActionOut) -> Attached {
        Attached {
            id: action.id,
            owner_id: action.owner_id,
            name: action.name,
            description: action.description,
            trigger: action.trigger,
            secrets: action.secrets,
            schema: action.input,
            version: Some(action.version),
        }
    }

    /// One that its owner does not show any more; what is attached stays its owner's to change.
    fn unseen(id: ActionId) -> Attached {
        Attached {
            id,
            owner_id: String::new(),
            name: format!("Action {id}"),
            description: "Its owner does not show this action any more; it runs as it was agreed to.".to_owned(),
            trigger: None,
            secrets: Vec::new(),
            schema: None,
            version: None,
        }
    }
}

/// What the form says beside the input.
struct Said {
    reason: String,
    priority: String,
    inherits: bool,
}

impl Said {
    /// What was typed before the form was asked for in another way; else as it is.
    fn of(typed: &Fields, attachment: Option<&AttachmentOut>) -> Said {
        if typed.get("/priority:number").is_empty() {
            let priority = attachment.map_or(0, |attachment| attachment.priority).to_string();
            let reason = attachment.map(|attachment| attachment.reason.clone()).unwrap_or_default();
            return Said { reason, priority, inherits: attachment.is_none_or(|attachment| attachment.inherits) };
        }
        let said = |name: &str| typed.get(name).to_owned();
        let inherits = typed.get("/inherits:flag") == "true";
        Said { reason: said("/reason:text"), priority: said("/priority:number"), inherits }
    }
}

/// The input that was typed, whatever it is.
fn typed_input(typed: &Fields) -> Option<Json> {
    Some(Json::from(typed.draft().get_mut("input")?.take()))
}

pub(super) async fn choose(visit: Visit, Path(path): Path<(String, String)>) -> Result<Response, Problem> {
    visit.caller::<Write>()?;
    let (object, listing) = (object::parse(path)?, Listing::of(&visit));
    if !listing.get("action").is_empty() {
        return ask_how(&visit, object, &listing).await;
    }
    let query = Fields::query(&[("q", listing.get("q")), ("limit", OFFERED_MAX)]);
    let caller = visit.caller::<Read>()?;
    let List { items, next } = action::list(caller, State(visit.api().clone()), Query(parsed(&query)?)).await?;
    let frame = visit.frame("objects", format!("Attach to {object}"));
    let choice = Choice { frame, object, listing, actions: items, more: next.is_some() };
    match visit.part() {
        "offered" => page(&choice.as_offered()),
        _ if visit.wants_part() => page(&choice.as_detail()),
        _ => page(&choice),
    }
}

impl Choice {
    fn this(&self) -> String {
        below(&self.object, "/attach", self.listing.get("owner_id"))
    }

    fn with(&self, action: &ActionOut) -> String {
        let id = action.id.to_string();
        let query = Fields::query(&[("action", &id), ("owner_id", self.listing.get("owner_id"))]);
        format!("{}?{query}", below(&self.object, "/attach", ""))
    }

    fn back(&self) -> String {
        show::object_page(&self.object, self.listing.get("owner_id"))
    }
}

async fn ask_how(visit: &Visit, object: ObjectRef, listing: &Listing) -> Result<Response, Problem> {
    let action = Attached::of(read_action(visit, listing.get("action")).await?);
    let (way, owner) = (Way::of(listing), listing.get("owner_id").to_owned());
    let schema = action.schema.as_ref();
    let typed = Fields::of_query(Some(visit.query()));
    let input = typed_input(&typed);
    let form = way.form(schema, input.as_ref());
    AttachmentForm {
        frame: visit.frame("objects", format!("Attach {} to {object}", action.name)),
        said: Said::of(&typed, None),
        other_way: way.other(&below(&object, "/attach", ""), listing),
        to: below(&object, "/attach", &owner),
        back: show::object_page(&object, &owner),
        attachment: None,
        object,
        action,
        form,
        way,
        owner,
    }
    .answer(visit)
}

/// How the input is written down.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    Fields,
    Json,
}

impl Way {
    fn of(listing: &Listing) -> Way {
        if listing.is("as", "json") { Way::Json } else { Way::Fields }
    }

    fn form(self, schema: Option<&Json>, input: Option<&Json>) -> SchemaForm {
        match self {
            Way::Fields => SchemaForm::of(schema, input, "/input"),
            Way::Json => SchemaForm::as_json(input, "/input"),
        }
    }

    /// Where the form is written in the other way.
    fn other(self, page: &str, listing: &Listing) -> String {
        let other = if self == Way::Json { "fields" } else { "json" };
        let kept = [("action", listing.get("action")), ("owner_id", listing.get("owner_id")), ("as", other)];
        format!("{page}?{}", Fields::query(&kept))
    }
}

async fn read_action(visit: &Visit, id: &str) -> Result<ActionOut, Problem> {
    let id = Named(id.to_owned());
    Ok(action::read(visit.caller::<Read>()?, State(visit.api().clone()), id).await?.into_parts().0)
}

pub(super) async fn attach(
    visit: Visit,
    Path(path): Path<(String, String)>,
    fields: Fields,
) -> Result<Response, Problem> {
    let caller = visit.caller::<Write>()?;
    let object = object::parse(path.clone())?;
    let body = Body(fields.body(visit.api())?);
    let made = attachment::create_on(caller, State(visit.api().clone()), Named(path), body).await?.into_parts().0;
    Ok(visit.go(&page_of(&visit, &object, &made)))
}

/// The page of the object, as its owner sees it.
fn page_of(visit: &Visit, object: &ObjectRef, attachment: &AttachmentOut) -> String {
    show::object_page(object, if visit.sees_all() { &attachment.owner_id } else { "" })
}

async fn read(visit: &Visit, path: (String, String)) -> Result<(AttachmentOut, ObjectRef), Problem> {
    let found = attachment::read(visit.caller::<Read>()?, State(visit.api().clone()), Named(path)).await?;
    let found = found.into_parts().0;
    let object = ObjectRef { object_type: found.object_type.clone(), object_id: found.object_id.clone() };
    Ok((found, object))
}

pub(super) async fn ask_to_change(visit: Visit, Path(path): Path<(String, String)>) -> Result<Response, Problem> {
    visit.caller::<Write>()?;
    let (found, object) = read(&visit, path).await?;
    let action = match read_action(&visit, &found.action_id.to_string()).await {
        Ok(action) => Attached::of(action),
        Err(_) => Attached::unseen(found.action_id),
    };
    let (listing, schema) = (Listing::of(&visit), action.schema.clone());
    let way = Way::of(&listing);
    let typed = Fields::of_query(Some(visit.query()));
    let input = typed_input(&typed).unwrap_or_else(|| found.input.clone());
    let form = way.form(schema.as_ref(), Some(&input));
    AttachmentForm {
        frame: visit.frame("objects", format!("Attachment to {object}")),
        said: Said::of(&typed, Some(&found)),
        other_way: way.other(visit.path(), &listing),
        to: format!("/console/actions/{}/objects/{}", found.action_id, found.id),
        back: page_of(&visit, &object, &found),
        object,
        action,
        form,
        way,
        owner: found.owner_id.clone(),
        attachment: Some(found),
    }
    .answer(&visit)
}

pub(super) async fn change(
    visit: Visit,
    Path(path): Path<(String, String)>,
    fields: Fields,
) -> Result<Response, Problem> {
    let caller = visit.caller::<Write>()?;
    let (headers, body) = (expecting(&fields), Body(fields.body(visit.api())?));
    let api = State(visit.api().clone());
    let changed = attachment::change(caller, api, Named(path), headers, body).await?.into_parts().0;
    let object = ObjectRef { object_type: changed.object_type.clone(), object_id: changed.object_id.clone() };
    Ok(visit.go(&page_of(&visit, &object, &changed)))
}

pub(super) async fn ask_to_detach(visit: Visit, Path(path): Path<(String, String)>) -> Result<Response, Problem> {
    visit.caller::<Write>()?;
    let (found, object) = read(&visit, path).await?;
    let action = read_action(&visit, &found.action_id.to_string()).await.ok();
    let name = action.as_ref().map_or("the action", |action| action.name.as_str());
    let trigger = action.as_ref().and_then(|action| action.trigger.as_ref());
    let mut consequences = vec![match trigger {
        Some(trigger) => {
            format!("Events {trigger} on {object}, above and below it do not run {name} through this any more.")
        }
        None => format!("{name} has no trigger: nothing ran it here."),
    }];
    consequences.push(format!(
        "Its input {} and its priority {} are forgotten.",
        show::short(found.input.as_str(), 200),
        found.priority
    ));
    consequences.push("What is in flight goes on, and what ran stays in the history.".to_owned());
    let confirm = Confirm {
        frame: visit.frame("objects", "Detach"),
        question: format!("Detach {name} from {object}?"),
        consequences,
        verb: "Detach it",
        action: format!("/console/actions/{}/objects/{}/detach", found.action_id, found.id),
        back: page_of(&visit, &object, &found),
    };
    confirm.answer(&visit)
}

pub(super) async fn detach(visit: Visit, Path(path): Path<(String, String)>) -> Result<Response, Problem> {
    let caller = visit.caller::<Write>()?;
    let api = State(visit.api().clone());
    let gone = attachment::delete(caller, api, Named(path), HeaderMap::new()).await?.into_parts().0;
    let object = ObjectRef { object_type: gone.object_type.clone(), object_id: gone.object_id.clone() };
    Ok(visit.go(&page_of(&visit, &object, &gone)))
}

impl AttachmentForm {
    fn answer(&self, visit: &Visit) -> Result<Response, Problem> {
        if visit.wants_part() { page(&self.as_detail()) } else { page(self) }
    }

    fn verb(&self) -> &'static str {
        if self.attachment.is_some() { "Save" } else { "Attach" }
    }

    /// Whether it is somebody else's action, which stays at a version unless it is told to follow the newest.
    fn is_foreign(&self) -> bool {
        let owner = self.owner.parse::<TenantId>().ok().filter(|owner| !owner.is_shared());
        let owner = owner.unwrap_or_else(|| self.frame.token.owner_id.clone());
        !self.action.owner_id.is_empty() && self.action.owner_id != owner.as_str() && !owner.is_shared()
    }

    fn follows_newest(&self) -> bool {
        self.attachment.as_ref().is_some_and(|attachment| attachment.action_version.is_none())
    }

    /// Whether the input is one text of JSON.
    fn is_json(&self) -> bool {
        self.form.only_json || self.way == Way::Json
    }

    fn schema(&self) -> Option<String> {
        self.action.schema.as_ref().map(show::json)
    }
}
