//! One module: what it is, what it asks for, its versions, and which actions run it.

use super::event::Confirm;
use super::form::Fields;
use super::frame::Frame;
use super::modules::{KINDS, kind_name, short_digest, title};
use super::show;
use super::visit::{Visit, page, parsed};
use crate::api::auth::{Read, Write};
use crate::api::error::Problem;
use crate::api::extract::{Path as Named, Query};
use crate::api::module::{self, ModuleOut};
use crate::api::module_use::{self, ModuleUseOut};
use crate::api::page::List;
use crate::domain::{TenantId, Timestamp};
use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;

/// Names of a module whose versions are listed, and lines of a list; the API has the others.
const NAMES_MAX: usize = 10;
const LINES_MAX: usize = 200;

#[derive(Template)]
#[template(path = "module.html", blocks = ["detail"])]
struct Shown {
    frame: Frame,
    module: ModuleOut,
    names: Vec<Name>,
    uses: List<ModuleUseOut>,
    may_delete: bool,
    sees_all: bool,
}

/// A name, and what its versions are.
struct Name {
    name: String,
    /// The newest first.
    versions: Vec<Version>,
}

struct Version {
    version: String,
    digest: String,
    since: Timestamp,
    is_here: bool,
}

/// What a module may do, and the imports that say so.
struct Permission<'a> {
    words: &'a str,
    imports: Vec<&'a str>,
}

pub(super) async fn show(visit: Visit, Path(reference): Path<String>) -> Result<Response, Problem> {
    let module = read(&visit, reference).await?;
    let names = names(&visit, &module).await?;
    let filter = parsed(&Fields::one("limit", &LINES_MAX.to_string()))?;
    let (api, digest) = (State(visit.api().clone()), Named(module.digest.clone()));
    let uses = module_use::actions(visit.caller::<Read>()?, api, digest, Query(filter)).await?;
    let may_delete = may_change(&visit, &module.owner_id);
    let frame = visit.frame("modules", format!("Module {}", title(&module)));
    let shown = Shown { frame, module, names, uses, may_delete, sees_all: visit.sees_all() };
    if visit.wants_part() { page(&shown.as_detail()) } else { page(&shown) }
}

async fn read(visit: &Visit, reference: String) -> Result<ModuleOut, Problem> {
    let data = module::read(visit.caller::<Read>()?, State(visit.api().clone()), Named(reference)).await?;
    Ok(data.into_parts().0)
}

/// Whether to offer what the API would do for who is signed in.
fn may_change(visit: &Visit, owner: &str) -> bool {
    let owner: Result<TenantId, _> = owner.parse();
    let caller = visit.caller::<Write>();
    matches!((caller, owner), (Ok(caller), Ok(owner)) if caller.tenant().may_change(&owner))
}

/// The names that it has, each with all modules that its owner has under it.
async fn names(visit: &Visit, module: &ModuleOut) -> Result<Vec<Name>, Problem> {
    let mut wanted: Vec<&str> = Vec::new();
    for naming in module.versions.iter().rev() {
        if !wanted.contains(&naming.name.as_str()) && wanted.len() < NAMES_MAX {
            wanted.push(&naming.name);
        }
    }
    let mut names = Vec::with_capacity(wanted.len());
    for name in wanted {
        let of_owner = [Fields::one("name", name), Fields::one("owner_id", &module.owner_id)].join("&");
        let filter = parsed(&format!("{of_owner}&sort=-updated_at&limit={LINES_MAX}"))?;
        let found = module::list(visit.caller::<Read>()?, State(visit.api().clone()), Query(filter)).await?;
        let mut versions: Vec<Version> = Vec::new();
        for other in found.items {
            let of_name = other.versions.into_iter().filter(|naming| naming.name == name);
            versions.extend(of_name.map(|naming| Version {
                version: naming.version,
                is_here: other.digest == module.digest,
                digest: other.digest.clone(),
                since: naming.since,
            }));
        }
        versions.sort_by_key(|version| std::cmp::Reverse(version.since));
        names.push(Name { name: name.to_owned(), versions });
    }
    Ok(names)
}

impl Shown {
    fn title(&self) -> String {
        title(&self.module)
    }

    fn kind(&self) -> &'static str {
        let name = kind_name(&self.module);
        KINDS.iter().find(|(kind, _)| *kind == name).map_or("", |(_, words)| words)
    }

    fn because(&self, used: &ModuleUseOut) -> String {
        match (used.by, &used.module) {
            ("language", _) => "it interprets its source code".to_owned(),
            ("pin", _) => "attachments stay with an older version".to_owned(),
            (_, Some(named)) if *named != self.module.digest => format!("it names {named}"),
            _ => "it names the digest".to_owned(),
        }
    }

    /// Where to make an action that runs it.
    fn new_action(&self) -> String {
        let named = self.module.versions.last().map_or(&self.module.digest, |naming| &naming.name);
        format!("/console/actions/new?{}", Fields::one("module", named))
    }

    /// Imports that mean the same stand together.
    fn permissions(&self) -> Vec<Permission<'_>> {
        let mut permissions: Vec<Permission<'_>> = Vec::new();
        for import in &self.module.imports {
            let words = import.grants.as_str();
            match permissions.iter_mut().find(|known| known.words == words) {
                Some(known) => known.imports.push(&import.import),
                None => permissions.push(Permission { words, imports: vec![&import.import] }),
            }
        }
        permissions
    }
}

pub(super) async fn ask_to_delete(visit: Visit, Path(reference): Path<String>) -> Result<Response, Problem> {
    let caller = visit.caller::<Write>()?;
    visit.caller::<Read>()?;
    let module = module::check_delete(visit.api(), &caller, &reference)?;
    let names = module.names.iter().map(|name| format!("The name {name}; another upload may have it afterwards."));
    let bytes = format!("{} and its compiled form", show::bytes(&module.size_bytes));
    let kept = "No action runs it. What ran with it stays in the history and cannot be repeated exactly without it.";
    let confirm = Confirm {
        frame: visit.frame("modules", "Delete"),
        question: format!("Delete the module {}?", title(&module)),
        consequences: [bytes].into_iter().chain(names).chain([kept.to_owned()]).collect(),
        verb: "Delete the module",
        action: format!("/console/modules/{}/delete", module.digest),
        back: format!("/console/modules/{}", module.digest),
    };
    confirm.answer(&visit)
}

pub(super) async fn delete(visit: Visit, Path(reference): Path<String>) -> Result<Response, Problem> {
    let caller = visit.caller::<Write>()?;
    module::delete(caller, State(visit.api().clone()), Named(reference)).await?;
    Ok(visit.go("/console/modules"))
}
