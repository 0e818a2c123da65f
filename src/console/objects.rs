//! The objects: what lies below what, opened step by step, or what is searched for.

use super::frame::Frame;
use super::list::Listing;
use super::show;
use super::visit::{Visit, page, parsed};
use crate::api::auth::{Read, Write};
use crate::api::error::Problem;
use crate::api::extract::Query;
use crate::api::object::list::{self as listed, ObjectListedOut};
use crate::api::page::List;
use crate::domain::ObjectRef;
use askama::Template;
use askama::filters::HtmlSafe;
use axum::extract::{Path, State};
use axum::response::Response;

/// Objects of a branch that are shown at once.
const BRANCH_MAX: &str = "100";

#[derive(Template)]
#[template(path = "objects.html", blocks = ["list"])]
struct Objects {
    frame: Frame,
    listing: Listing,
    branch: Branch,
    /// Whether it is the hierarchy from its top, and not what was searched for.
    is_tree: bool,
    may_write: bool,
    sees_all: bool,
}

/// Objects side by side.
#[derive(Template)]
#[template(path = "branch.html")]
struct Branch {
    nodes: Vec<ObjectListedOut>,
    /// Above which they are shown, if it is that.
    parent: Option<ObjectRef>,
    /// Where the rest is.
    more: Option<String>,
    owner: String,
    /// How deep it is shown, as the stylesheet has it.
    is_top: bool,
}

/// It is a template like the one that it stands in: what is in it is escaped already.
impl HtmlSafe for Branch {}

pub(super) async fn list(visit: Visit) -> Result<Response, Problem> {
    let listing = Listing::of(&visit);
    let is_tree = ["q", "object_type", "parent_type"].iter().all(|name| listing.get(name).is_empty());
    let mut asked = vec![("top", if is_tree { "true" } else { "" })];
    if listing.get("limit").is_empty() {
        asked.push(("limit", BRANCH_MAX));
    }
    let List { items, next } = ask(&visit, &listing.query(&[], &asked)).await?;
    let more = next.map(|next| listing.page(&next));
    let owner = listing.get("owner_id").to_owned();
    let branch = Branch { nodes: items, parent: None, more, owner, is_top: true };
    let (frame, may_write, sees_all) = (visit.frame("objects", "Objects"), visit.may::<Write>(), visit.sees_all());
    let objects = Objects { frame, listing, branch, is_tree, may_write, sees_all };
    if visit.part() == "list" { page(&objects.as_list()) } else { page(&objects) }
}

/// What lies right below an object, for the branch that was opened.
pub(super) async fn children(visit: Visit, Path(path): Path<(String, String)>) -> Result<Response, Problem> {
    let (listing, parent) = (Listing::of(&visit), crate::api::object::parse(path)?);
    let (parent_type, parent_id) = (parent.object_type.as_str(), parent.object_id.as_str());
    let limit = Some(listing.get("limit")).filter(|limit| !limit.is_empty()).unwrap_or(BRANCH_MAX);
    let query = listing.query(&[], &[("parent_type", parent_type), ("parent_id", parent_id), ("limit", limit)]);
    let List { items, next } = ask(&visit, &query).await?;
    let more = next.map(|next| listing.page(&next));
    let owner = listing.get("owner_id").to_owned();
    page(&Branch { nodes: items, parent: Some(parent), more, owner, is_top: false })
}

/// Asks the API for a list of objects.
pub(super) async fn ask(visit: &Visit, query: &str) -> Result<List<ObjectListedOut>, Problem> {
    listed::list(visit.caller::<Read>()?, State(visit.api().clone()), Query(parsed(query)?)).await
}

impl Branch {
    fn object(node: &ObjectListedOut) -> ObjectRef {
        ObjectRef { object_type: node.object_type.clone(), object_id: node.object_id.clone() }
    }

    fn page(&self, node: &ObjectListedOut) -> String {
        show::object_page(&Branch::object(node), &self.owner)
    }

    fn children(&self, node: &ObjectListedOut) -> String {
        below(&Branch::object(node), "/children", &self.owner)
    }

    /// The objects above it beside the one below which it is shown.
    fn also_below(&self, node: &ObjectListedOut) -> String {
        let others = node.parents.iter().filter(|parent| Some(*parent) != self.parent.as_ref());
        others.map(ObjectRef::to_string).collect::<Vec<_>>().join(", ")
    }
}

/// An address below an object's own page.
pub(super) fn below(object: &ObjectRef, tail: &str, owner: &str) -> String {
    let page = show::object_page(object, owner);
    match page.split_once('?') {
        Some((path, query)) => format!("{path}{tail}?{query}"),
        None => format!("{page}{tail}"),
    }
}

impl Objects {
    fn new_page(&self) -> String {
        match self.branch.owner.as_str() {
            "" => "/console/objects/new".to_owned(),
            owner => format!("/console/objects/new?owner_id={}", show::path_part(owner)),
        }
    }
}
