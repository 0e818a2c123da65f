//! The modules: what was uploaded, under which names, and how more of it gets here.

use super::frame::Frame;
use super::list::Listing;
use super::show;
use super::visit::{Visit, page, parsed};
use crate::api::auth::{Read, Write};
use crate::api::error::Problem;
use crate::api::extract::Query;
use crate::api::module::{self, ModuleOut};
use crate::api::page::List;
use crate::domain::Kind;
use askama::Template;
use axum::extract::{Request, State};
use axum::response::Response;

/// Versions of a name that a row has; the others are a click away.
const VERSIONS_SHORT: usize = 3;
/// What an upload may be, by what it exports.
pub(super) const KINDS: [(&str, &str); 4] = [
    ("action", "Action: of the world fusebox:action/action"),
    ("command", "Command: a program"),
    ("http", "HTTP: a handler of requests"),
    ("interpreter", "Interpreter: runs source code"),
];

#[derive(Template)]
#[template(path = "modules.html", blocks = ["list"])]
struct Modules {
    frame: Frame,
    listing: Listing,
    modules: Vec<ModuleOut>,
    next: Option<String>,
    /// Of an upload at most; `None` for who may not upload.
    upload_bytes_max: Option<u64>,
    sees_all: bool,
}

pub(super) async fn list(visit: Visit) -> Result<Response, Problem> {
    let listing = Listing::of(&visit);
    let filter = parsed(&listing.query(&[], &[]))?;
    let found = module::list(visit.caller::<Read>()?, State(visit.api().clone()), Query(filter)).await?;
    let List { items, next } = found;
    let upload_bytes_max = visit.may::<Write>().then(|| visit.api().bounds().module_bytes as u64);
    let (frame, sees_all) = (visit.frame("modules", "Modules"), visit.sees_all());
    let modules = Modules { frame, listing, modules: items, next, upload_bytes_max, sees_all };
    if visit.part() == "list" { page(&modules.as_list()) } else { page(&modules) }
}

/// Takes the bytes as they are: a form's way of sending a file would have to be read whole before it is looked at.
pub(super) async fn upload(visit: Visit, request: Request) -> Result<Response, Problem> {
    let caller = visit.caller::<Write>()?;
    let query = parsed(&Listing::of(&visit).query(&[], &[]))?;
    let made = module::upload(caller, State(visit.api().clone()), Query(query), request).await?.into_parts().0;
    Ok(visit.go(&format!("/console/modules/{}", made.digest)))
}

/// What a module is called: its newest name, else the beginning of its digest.
pub(super) fn title(module: &ModuleOut) -> String {
    module.versions.last().map_or_else(|| short_digest(&module.digest), |naming| naming.name.clone())
}

/// As many digits as a version without a name has.
pub(super) fn short_digest(digest: &str) -> String {
    digest.chars().take("sha256:".len() + 12).collect()
}

/// As the API says it.
pub(super) fn kind_name(module: &ModuleOut) -> &'static str {
    match module.kind {
        Kind::Action => "action",
        Kind::Command => "command",
        Kind::Http => "http",
        Kind::Interpreter => "interpreter",
    }
}

impl Modules {
    fn kinds(&self) -> &'static [(&'static str, &'static str)] {
        &KINDS
    }

    /// Its versions under the name that stands in front, the newest first, and how many names it has besides.
    fn versions(&self, module: &ModuleOut) -> String {
        let Some(newest) = module.versions.last() else { return String::new() };
        let (same, others): (Vec<_>, Vec<_>) =
            module.versions.iter().rev().partition(|known| known.name == newest.name);
        let mut text =
            same.iter().take(VERSIONS_SHORT).map(|known| known.version.as_str()).collect::<Vec<_>>().join(", ");
        if same.len() > VERSIONS_SHORT {
            text.push_str(", …");
        }
        if !others.is_empty() {
            text.push_str(&format!(" and {} other name{}", others.len(), if others.len() == 1 { "" } else { "s" }));
        }
        text
    }

    /// How the list is sorted by a column, in the words of `aria-sort`.
    fn order(&self, field: &str) -> &'static str {
        let sort = self.listing.get("sort");
        let sort = if sort.is_empty() { "name" } else { sort };
        match sort.strip_prefix('-') {
            Some(sorted) if sorted == field => "descending",
            None if sort == field => "ascending",
            _ => "none",
        }
    }

    fn arrow(&self, field: &str) -> &'static str {
        match self.order(field) {
            "ascending" => " ↑",
            "descending" => " ↓",
            _ => "",
        }
    }

    /// The list sorted by a column, or the other way round when it is already.
    fn sorted(&self, field: &str) -> String {
        match self.order(field) {
            "ascending" => self.listing.with("sort", &format!("-{field}")),
            _ => self.listing.with("sort", field),
        }
    }
}
