//! One object: what is above and below it, what is attached to it, and what an event on it would run, in order.

use super::events::offered;
use super::form::Fields;
use super::frame::Frame;
use super::list::Listing;
use super::objects::{ask, below};
use super::show::{self, Element};
use super::visit::{Visit, page, parsed};
use crate::api::action;
use crate::api::attachment::{self, AttachmentOut};
use crate::api::auth::{Read, Write};
use crate::api::error::Problem;
use crate::api::extract::{Body, Path as Named, Query};
use crate::api::object::list::{self as listed, ObjectListedOut};
use crate::api::object::{self, EffectiveOut, ObjectRecordOut, Owner, Provenance};
use crate::api::page::List;
use crate::domain::{ObjectRef, State as RunState, TenantId};
use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

/// Objects right below that are shown; the rest is a link away.
const CHILDREN_MAX: &str = "8";
/// Attachments that are shown.
const ATTACHED_MAX: &str = "200";

#[derive(Template)]
#[template(path = "object.html", blocks = ["detail", "effective"])]
struct Shown {
    frame: Frame,
    object: ObjectRef,
    owner: String,
    record: Option<ObjectRecordOut>,
    node: ObjectListedOut,
    children: List<ObjectListedOut>,
    attached: List<AttachmentOut>,
    /// Of each attachment the name of its action and its trigger, as far as the caller sees it.
    actions: Vec<(String, String)>,
    order: Order,
    offered: Vec<String>,
    may_write: bool,
    sees_all: bool,
}

/// What an event would run.
#[derive(Default)]
struct Order {
    event_type: String,
    flow: String,
    items: Vec<EffectiveOut>,
    /// Why there is none to show.
    refusal: String,
    /// What was just done.
    done: String,
}

pub(super) async fn show(visit: Visit, Path(path): Path<(String, String)>) -> Result<Response, Problem> {
    let listing = Listing::of(&visit);
    let asked = (listing.get("event_type").to_owned(), listing.get("flow").to_owned());
    let shown = Shown::of(&visit, object::parse(path)?, listing.get("owner_id"), asked).await?;
    match visit.part() {
        "effective" => page(&shown.as_effective()),
        _ if visit.wants_part() => page(&shown.as_detail()),
        _ => page(&shown),
    }
}

/// Puts an attachment elsewhere in the order.
pub(super) async fn order(
    visit: Visit,
    Path(path): Path<(String, String)>,
    fields: Fields,
) -> Result<Response, Problem> {
    let caller = visit.caller::<Write>()?;
    let mut body = fields.json()?;
    let (moving, before) = fields.get("move").split_once(' ').unwrap_or((fields.get("move"), ""));
    if let Value::Object(body) = &mut body {
        body.insert("attachment_id".to_owned(), moving.into());
        body.extend((!before.is_empty()).then(|| ("before".to_owned(), before.into())));
    }
    let said = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (owner, event_type, flow) = (said("owner_id"), said("event_type"), said("flow"));
    let object = object::parse(path.clone())?;
    let body = crate::api::extract::parse(body.to_string().as_bytes())?;
    let List { items, .. } =
        object::order::put_before(caller, State(visit.api().clone()), Named(path), Body(body)).await?;
    if !visit.wants_part() {
        let page = below(&object, "", &owner);
        let query = Fields::query(&[("event_type", &event_type), ("flow", &flow)]);
        let joined = if page.contains('?') { '&' } else { '?' };
        return Ok(visit.go(&format!("{page}{joined}{query}")));
    }
    let moved = items.iter().find(|item| item.attachment.as_ref().is_some_and(|it| it.id.to_string() == moving));
    let done = moved.map(|item| {
        let place = item.position.unwrap_or_default() + 1;
        format!("{} is number {place} now, with priority {}.", item.action, item.priority.unwrap_or_default())
    });
    let mut shown = Shown::of(&visit, object, &owner, (event_type, flow)).await?;
    shown.order.done = done.unwrap_or_default();
    let mut response = page(&shown.as_effective())?.into_response();
    // What is refused goes to the form; what is done takes the place of the list.
    for (name, value) in [("hx-retarget", "#effective"), ("hx-reswap", "morph:outerHTML")] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

/// What the API has about an object itself, if it was registered.
pub(super) async fn record(visit: &Visit, object: &ObjectRef, owner: &str) -> Result<Option<ObjectRecordOut>, Problem> {
    let path = Named((object.object_type.clone(), object.object_id.clone()));
    let view: Owner = parsed(&owner_query(owner))?;
    match object::read(visit.caller::<Read>()?, State(visit.api().clone()), path, Query(view)).await {
        Ok(data) => Ok(Some(data.into_parts().0)),
        Err(problem) if problem.status() == StatusCode::NOT_FOUND.as_u16() => Ok(None),
        Err(problem) => Err(problem),
    }
}

pub(super) fn owner_query(owner: &str) -> String {
    if owner.is_empty() { String::new() } else { Fields::one("owner_id", owner) }
}

impl Shown {
    async fn of(
        visit: &Visit,
        object: ObjectRef,
        owner: &str,
        (event_type, flow): (String, String),
    ) -> Result<Shown, Problem> {
        let api = || State(visit.api().clone());
        let path = || (object.object_type.clone(), object.object_id.clone());
        let record = record(visit, &object, owner).await?;
        let node = listed::one(&visit.caller::<Read>()?, visit.api(), &object, parsed(&owner_query(owner))?)?;
        let (parent_type, parent_id) = path();
        let of_parent = Fields::query(&[
            ("parent_type", &parent_type),
            ("parent_id", &parent_id),
            ("limit", CHILDREN_MAX),
            ("owner_id", owner),
        ]);
        let children = ask(visit, &of_parent).await?;
        let filter = parsed(&Fields::query(&[("limit", ATTACHED_MAX), ("sort", "created_at")]))?;
        let attached = attachment::list_on(visit.caller::<Read>()?, api(), Named(path()), Query(filter)).await?;
        let mut actions = Vec::with_capacity(attached.items.len());
        for found in &attached.items {
            let id = Named(found.action_id.to_string());
            let action = action::read(visit.caller::<Read>()?, api(), id).await.ok().map(|data| data.into_parts().0);
            let trigger = action.as_ref().and_then(|action| action.trigger.as_ref()).map(ToString::to_string);
            actions
                .push((action.map_or_else(|| found.action_id.to_string(), |it| it.name), trigger.unwrap_or_default()));
        }
        // What somebody who opens the page most likely wants to know.
        let first = actions.iter().map(|(_, trigger)| trigger).find(|trigger| !trigger.is_empty());
        let event_type = if event_type.is_empty() { first.cloned().unwrap_or_default() } else { event_type };
        let order = Order::of(visit, &object, owner, (event_type, flow)).await;
        Ok(Shown {
            frame: visit.frame("objects", object.to_string()),
            owner: owner.to_owned(),
            offered: offered(visit).await?,
            may_write: visit.may::<Write>(),
            sees_all: visit.sees_all(),
            object,
            record,
            node,
            children,
            attached,
            actions,
            order,
        })
    }

    fn page(&self, object: &ObjectRef) -> String {
        show::object_page(object, &self.owner)
    }

    fn below(&self, tail: &str) -> String {
        below(&self.object, tail, &self.owner)
    }

    /// The list of all that lies right below it.
    fn all_children(&self) -> String {
        let (of_type, id) = (self.object.object_type.as_str(), self.object.object_id.as_str());
        let of = [("parent_type", of_type), ("parent_id", id), ("owner_id", &self.owner)];
        format!("/console/objects?{}", Fields::query(&of))
    }

    fn child_page(&self, node: &ObjectListedOut) -> String {
        self.page(&ObjectRef { object_type: node.object_type.clone(), object_id: node.object_id.clone() })
    }

    fn skipped(&self) -> Element {
        show::state(&RunState::Skipped)
    }

    /// Steps between two objects in words.
    fn steps(&self, distance: &u32) -> String {
        if *distance == 1 { "1 step".to_owned() } else { format!("{distance} steps") }
    }

    /// Its record may be the platform's, which a tenant sees and does not change.
    fn may_change_record(&self) -> bool {
        self.may_write && self.record.as_ref().is_none_or(|record| self.may_change(&record.owner_id))
    }

    fn may_change(&self, owner: &str) -> bool {
        owner.parse::<TenantId>().is_ok_and(|owner| self.frame.token.owner_id.may_change(&owner))
    }

    /// Each attachment with the name of its action and its trigger.
    fn attached(&self) -> impl Iterator<Item = (&AttachmentOut, &str, &str)> {
        let named = self.attached.items.iter().zip(&self.actions);
        named.map(|(attachment, (action, trigger))| (attachment, action.as_str(), trigger.as_str()))
    }

    /// What the buttons of a row send: what moves, and before what.
    fn moves(&self, place: &usize) -> Moves {
        let items = &self.order.items;
        let id =
            |place: usize| items.get(place).filter(|item| item.position.is_some())?.attachment.as_ref().map(|it| it.id);
        let Some(own) = id(*place).filter(|_| self.may_write) else { return Moves::default() };
        let movable = items[*place].attachment.as_ref().is_some_and(|it| self.may_change(&it.owner_id));
        if !movable {
            return Moves::default();
        }
        let up = place.checked_sub(1).and_then(id).map(|before| format!("{own} {before}"));
        let down = id(place + 1).map(|_| match id(place + 2) {
            Some(before) => format!("{own} {before}"),
            None => own.to_string(),
        });
        Moves { id: own.to_string(), up, down }
    }
}

/// Where a row of the order can go.
#[derive(Default)]
struct Moves {
    /// Empty when it stays where it is.
    id: String,
    up: Option<String>,
    down: Option<String>,
}

impl Order {
    async fn of(visit: &Visit, object: &ObjectRef, owner: &str, (event_type, flow): (String, String)) -> Order {
        let mut order = Order { event_type, flow, ..Order::default() };
        if order.event_type.is_empty() {
            return order;
        }
        match order.ask(visit, object, owner).await {
            Ok(items) => order.items = items,
            Err(problem) => problem.detail().clone_into(&mut order.refusal),
        }
        order
    }

    async fn ask(&self, visit: &Visit, object: &ObjectRef, owner: &str) -> Result<Vec<EffectiveOut>, Problem> {
        let named = [
            ("event_type", self.event_type.as_str()),
            ("flow", &self.flow),
            ("owner_id", owner),
            ("unreached", "true"),
        ];
        let query = parsed(&Fields::query(&named))?;
        let path = Named((object.object_type.clone(), object.object_id.clone()));
        Ok(object::effective(visit.caller::<Read>()?, State(visit.api().clone()), path, Query(query)).await?.items)
    }

    fn reached(&self) -> impl Iterator<Item = &EffectiveOut> {
        self.items.iter().filter(|item| item.position.is_some())
    }

    fn unreached(&self) -> Vec<&EffectiveOut> {
        self.items.iter().filter(|item| item.position.is_none()).collect()
    }

    fn runs(&self) -> usize {
        self.items.iter().filter(|item| item.runs).count()
    }
}
