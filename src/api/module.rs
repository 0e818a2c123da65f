//! Modules: uploading components.

use super::Api;
use super::auth::{Caller, Read, Write};
use super::error::{Fault, Problem};
use super::extract::{self, Path, Query};
use super::page::{self, Data, Filter, List, Row};
use crate::domain::{
    BuiltIn, Counted, Digest, Kind, Language, Module, ModuleName, ModuleNaming, ModuleRef, TenantId, Timestamp,
};
use crate::sandbox::Inspected;
use crate::store::{Catalogue, Change, CommitError, Conflict, Expectation, Transition};
use axum::extract::{Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// An uploaded component.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModuleOut {
    /// `sha256:` and 64 hexadecimal digits.
    pub(crate) digest: String,
    pub(crate) owner_id: String,
    /// `action`: of the world `fusebox:action/action`; `command`: a program, which exports `wasi:cli/run`;
    /// `http`: a handler, which exports `wasi:http/incoming-handler`; `interpreter`: of the world
    /// `fusebox:action/interpreter`, which runs the code of actions in a language if the platform uploads it as
    /// `interpreter.<language>`.
    #[schema(value_type = String)]
    pub(crate) kind: Kind,
    pub(crate) size_bytes: u64,
    /// What it asks for: its import list is its permission request.
    pub(crate) imports: Vec<PermissionOut>,
    /// What it exports, by name: what it is run by, and whatever else it has. Empty of uploads from before this was kept.
    pub(crate) exports: Vec<String>,
    /// Of a core module: how a component was made of it, such as `core module, wasip1 command adapter 48.0.8`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) wrapped: Option<String>,
    /// `name@version`, in order of upload.
    pub(crate) names: Vec<String>,
    /// The same in parts, with when each was given. Of all versions of a name the latest is what the name alone means.
    pub(crate) versions: Vec<VersionOut>,
    pub(crate) created_by: String,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) created_at: Timestamp,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PermissionOut {
    /// Such as `fusebox:action/log@0.1.0`.
    pub(crate) import: String,
    /// What the host gives for it, in words.
    pub(crate) grants: String,
}

/// A name of a module, and when it was given.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VersionOut {
    pub(crate) name: String,
    pub(crate) version: String,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) since: Timestamp,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Upload {
    /// A name to find it by, such as `reports.runner`.
    name: Option<String>,
    /// The version of that name; without it the first 12 digits of the digest.
    version: Option<String>,
    /// The tenant it is for; only the platform names another than its own.
    #[param(value_type = Option<String>)]
    owner_id: Option<TenantId>,
}

/// As many as there can be uploads at once, twice over.
const TRIES_MAX: usize = 64;

/// Upload a component
///
/// The body is a component or a core module for wasip1, binary or as text (WAT). It is validated, inspected and compiled
/// before it is stored, a core module as the component that is made of it; uploading the same bytes again changes
/// nothing but may add a name.
#[utoipa::path(post, path = "/module", tag = "modules", params(Upload),
    request_body(content = Vec<u8>, content_type = "application/wasm"),
    responses((status = 201, body = page::Envelope<ModuleOut>), (status = 200, description = "It was there already", body = page::Envelope<ModuleOut>)))]
pub(crate) async fn upload(
    caller: Caller<Write>,
    State(api): State<Api>,
    Query(query): Query<Upload>,
    request: Request,
) -> Result<Data<ModuleOut>, Problem> {
    let owner = caller.owner(query.owner_id.clone())?;
    if query.name.is_none() && query.version.is_some() {
        return Err(Problem::bad_request("version: a version is one of a name; give `name` too"));
    }
    // A bad name is told before the upload is read.
    let check = |version: &str| {
        query
            .name
            .as_deref()
            .map(|name| ModuleName::new(name, version))
            .transpose()
            .map_err(|e| Problem::bad_request(e.to_string()))
    };
    check(query.version.as_deref().unwrap_or("0"))?;
    let bytes = extract::read(request.into_body(), "a module", api.bounds().module_bytes).await?;
    if bytes.is_empty() {
        return Err(Problem::bad_request(
            "the body is empty; send a component, as in `curl --data-binary @action.wasm`",
        ));
    }
    check_room(&api.catalogue(), &owner, &bytes)?;
    let inspected = api.sandbox().inspect(bytes).await?;
    let version = query.version.clone().unwrap_or_else(|| inspected.digest.hex()[..12].to_owned());
    let name = check(&version)?;
    check_is_interpreter(&owner, name.as_ref(), inspected.kind)?;
    let (module, is_new) = keep(&api, &caller, owner, &inspected, name).await?;
    tracing::info!(module = %module.digest, size_bytes = module.size_bytes, is_new, "a module was uploaded");
    let out = ModuleOut::of(&module);
    Ok(if is_new { Data::created(out) } else { Data::ok(out) })
}

/// Under such a name of the platform, any other component would leave a language without an interpreter.
fn check_is_interpreter(owner: &TenantId, name: Option<&ModuleName>, kind: Kind) -> Result<(), Problem> {
    match name {
        Some(name)
            if owner.is_shared() && name.name.starts_with(Language::MODULE_PREFIX) && kind != Kind::Interpreter =>
        {
            let name = &name.name;
            let detail = format!("name: `{name}` is for the interpreter of a language, which this component is not");
            Err(Problem::bad_request(detail))
        }
        _ => Ok(()),
    }
}

/// Before anything is compiled, which leaves its artifact on the disk. What is there already takes no room; what text takes
/// is only known when it has become binary.
fn check_room(catalogue: &Catalogue, owner: &TenantId, bytes: &[u8]) -> Result<(), Problem> {
    let size_bytes = if bytes.starts_with(b"\0asm") { bytes.len() as u64 } else { 1 };
    let room = catalogue.check_room(owner, Counted::Modules, 1);
    let room = room.and_then(|()| catalogue.check_room(owner, Counted::ModuleBytes, size_bytes));
    let is_there = || {
        let found = catalogue.module(owner, &ModuleRef::Digest(Digest::of(bytes)));
        found.is_some_and(|module| module.owner_id == *owner)
    };
    room.or_else(|exceeded| if is_there() { Ok(()) } else { Err(Problem::quota(exceeded, 0)) })
}

/// Stores the module with what it is known by already and `name`; whether it is new. Who names the same module, or another
/// the same, at the same time is not overwritten: of those that collide one gets through each time, so the tries are enough for all.
async fn keep(
    api: &Api,
    caller: &Caller<Write>,
    owner: TenantId,
    inspected: &Inspected,
    name: Option<ModuleName>,
) -> Result<(Arc<Module>, bool), Problem> {
    for _ in 0..TRIES_MAX {
        let catalogue = api.catalogue();
        let known = catalogue.module(&owner, &ModuleRef::Digest(inspected.digest)).cloned();
        let known = known.filter(|module| module.owner_id == owner);
        let names = known.as_ref().map(|module| module.names.len());
        // A version is newer than those before it even if the clock stands still or falls, now and after a restart.
        let newest = name.as_ref().and_then(|name| catalogue.newest_since(&owner, &name.name));
        let since = newest.map_or(api.now(), |newest| newest.plus_ms(1).max(api.now()));
        let naming = name.clone().map(|name| ModuleNaming { name, since });
        let module = Arc::new(merge(api, caller, (known, owner.clone()), inspected, naming));
        let mut put = Transition::of([Change::PutModule(Arc::clone(&module), inspected.wasm.clone())]);
        put.expect.extend(name.iter().map(|n| Expectation::NewestOfModule(owner.clone(), n.name.clone(), newest)));
        let expected = Expectation::ModuleNames(owner.clone(), inspected.digest, names);
        match api.commit(caller, put.expecting(expected)).await {
            Err(CommitError::Conflict(Conflict::Version { .. })) => {}
            done => return done.map(|()| (module, names.is_none())).map_err(Problem::from),
        }
    }
    Err(Problem::busy("this module is being named by too many others; try again"))
}

fn merge(
    api: &Api,
    caller: &Caller<Write>,
    (known, owner_id): (Option<Arc<Module>>, TenantId),
    inspected: &Inspected,
    naming: Option<ModuleNaming>,
) -> Module {
    let mut module = known.map_or_else(
        || Module {
            digest: inspected.digest,
            owner_id,
            kind: inspected.kind,
            size_bytes: inspected.size_bytes,
            imports: inspected.imports.clone(),
            exports: inspected.exports.clone(),
            wrapped: inspected.wrapped.clone(),
            names: Vec::new(),
            created_at: api.now(),
            created_by: caller.name().to_owned(),
        },
        |known| known.as_ref().clone(),
    );
    if let Some(naming) = naming
        && module.names.iter().all(|known| known.name != naming.name)
    {
        module.names.push(naming);
    }
    module
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ModuleFilter {
    /// Text that a name, a version, the digest, or the name of whoever uploaded it has, whatever the case.
    q: Option<String>,
    /// Only modules that have a version of exactly this name.
    name: Option<String>,
    /// `action`, `command`, `http` or `interpreter`.
    #[param(value_type = Option<String>)]
    kind: Option<Kind>,
    /// Only what this tenant owns.
    owner_id: Option<String>,
    /// `name`, `size_bytes`, `created_at` or `updated_at`, when it was last named; with a `-` in front from the largest.
    /// Default `name`.
    sort: Option<String>,
    /// At most this many items, 1 to 200. Default 50.
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// List modules
#[utoipa::path(get, path = "/module", tag = "modules", params(ModuleFilter), responses((status = 200, body = page::Envelope<Vec<ModuleOut>>)))]
pub(crate) async fn list(
    caller: Caller<Read>,
    State(api): State<Api>,
    Query(filter): Query<ModuleFilter>,
) -> Result<List<ModuleOut>, Problem> {
    let sort = filter.sort.unwrap_or_else(|| "name".to_owned());
    if !["name", "size_bytes", "created_at", "updated_at"].contains(&sort.trim_start_matches('-')) {
        let detail = format!("sort={sort}: sort by name, size_bytes, created_at or updated_at");
        return Err(Problem::bad_request(detail));
    }
    let by_size = sort.ends_with("size_bytes");
    let q = filter.q.unwrap_or_default().to_lowercase();
    let wanted = |module: &&Arc<Module>| {
        let has = |text: &str| text.to_lowercase().contains(&q);
        let mut names = module.names.iter().map(|naming| &naming.name);
        caller.tenant().sees(&module.owner_id)
            && filter.kind.is_none_or(|kind| module.kind == kind)
            && filter.name.as_ref().is_none_or(|wanted| names.clone().any(|name| name.name == *wanted))
            && (has(&module.digest.to_string()) || has(&module.created_by) || names.any(|name| has(&name.to_string())))
    };
    let catalogue = api.catalogue();
    let rows = catalogue.modules().filter(wanted).map(|module| Row {
        item: ModuleOut::of(module),
        id: module.digest.to_string(),
        name: match module.names.last() {
            // Numbers of one length have the order of their digits.
            _ if by_size => format!("{:020}", module.size_bytes),
            Some(naming) => naming.name.to_string(),
            None => String::new(),
        },
        description: String::new(),
        owner_id: module.owner_id.to_string(),
        created_at: module.created_at,
        updated_at: module.names.last().map_or(module.created_at, |naming| naming.since),
    });
    let sort = Some(if by_size { sort.replace("size_bytes", "name") } else { sort });
    page::list(rows, &Filter { q: None, owner_id: filter.owner_id, sort, limit: filter.limit, cursor: filter.cursor })
}

/// Read a module
///
/// `ref` is a digest, `name@version`, or a name, which means the newest upload of it.
#[utoipa::path(get, path = "/module/{ref}", tag = "modules", params(("ref" = String, Path)), responses((status = 200, body = page::Envelope<ModuleOut>)))]
pub(crate) async fn read(
    caller: Caller<Read>,
    State(api): State<Api>,
    Path(reference): Path<String>,
) -> Result<Data<ModuleOut>, Problem> {
    find(&api, caller.tenant(), &reference).map(|module| Data::ok(ModuleOut::of(&module)))
}

/// Download a module
///
/// The component itself; a tenant's own only, and interpreters, which run the source code of everybody: with one a run can be
/// repeated elsewhere.
#[utoipa::path(get, path = "/module/{ref}/content", tag = "modules", params(("ref" = String, Path)), responses((status = 200, content_type = "application/wasm", body = Vec<u8>)))]
pub(crate) async fn content(
    caller: Caller<Read>,
    State(api): State<Api>,
    Path(reference): Path<String>,
) -> Result<Response, Problem> {
    let wasm = |bytes: Bytes| ([(header::CONTENT_TYPE, "application/wasm")], bytes).into_response();
    if let Some(built_in) = reference.parse().ok().and_then(|digest: Digest| BuiltIn::of_digest(&digest)) {
        return Ok(wasm(built_in.wasm.clone()));
    }
    let module = find(&api, caller.tenant(), &reference)?;
    if module.kind != Kind::Interpreter {
        caller.check_may_change(&module.owner_id, "module", &reference)?;
    }
    let digest = module.digest;
    let bytes = api.reading(move |store| store.module_bytes(digest)).await?;
    Ok(wasm(bytes.ok_or_else(|| Problem::not_found("module", &reference))?))
}

/// Delete a module
///
/// Refused with 409 and the list while an action names it.
#[utoipa::path(delete, path = "/module/{ref}", tag = "modules", params(("ref" = String, Path)), responses((status = 200, body = page::Envelope<ModuleOut>)))]
pub(crate) async fn delete(
    caller: Caller<Write>,
    State(api): State<Api>,
    Path(reference): Path<String>,
) -> Result<Data<ModuleOut>, Problem> {
    let (module, delete) = to_delete(&api, &caller, &reference)?;
    api.commit(&caller, delete).await?;
    Ok(Data::ok(ModuleOut::of(&module)))
}

fn to_delete(api: &Api, caller: &Caller<Write>, reference: &str) -> Result<(Arc<Module>, Transition), Problem> {
    let module = find(api, caller.tenant(), reference)?;
    caller.check_may_change(&module.owner_id, "module", reference)?;
    let change = Change::DeleteModule(module.owner_id.clone(), module.digest);
    Ok((module, Transition::of([change])))
}

/// What would go, or why it would not.
pub(crate) fn check_delete(api: &Api, caller: &Caller<Write>, reference: &str) -> Result<ModuleOut, Problem> {
    let (module, delete) = to_delete(api, caller, reference)?;
    api.catalogue().after(&delete)?;
    Ok(ModuleOut::of(&module))
}

pub(super) fn find(api: &Api, tenant: &TenantId, reference: &str) -> Result<Arc<Module>, Problem> {
    let parsed: ModuleRef = reference.parse().map_err(|_| Problem::not_found("module", reference))?;
    let catalogue = api.catalogue();
    if let Some(module) = catalogue.module(tenant, &parsed) {
        return Ok(Arc::clone(module));
    }
    // The platform sees every tenant's modules, which only a digest names without doubt.
    let of_any = |module: &&Arc<Module>| parsed == ModuleRef::Digest(module.digest) && tenant.sees(&module.owner_id);
    catalogue.modules().find(of_any).cloned().ok_or_else(|| Problem::not_found("module", reference))
}

/// A module reference in a body, checked against the catalogue.
pub(crate) fn check_exists(api: &Api, owner: &TenantId, reference: &ModuleRef) -> Result<(), Fault> {
    match api.catalogue().module(owner, reference) {
        Some(module) if module.kind == Kind::Interpreter => {
            let message = format!("`{reference}` is an interpreter; give the action `code` and its `language` instead");
            Err(Fault::new("/module", message))
        }
        Some(_) => Ok(()),
        None => Err(Fault::new("/module", format!("there is no module `{reference}`; upload it with POST /module"))),
    }
}

impl ModuleOut {
    fn of(module: &Module) -> ModuleOut {
        let permission =
            |p: &crate::domain::Permission| PermissionOut { import: p.import.clone(), grants: p.grants.clone() };
        let version = |naming: &ModuleNaming| VersionOut {
            name: naming.name.name.clone(),
            version: naming.name.version.clone(),
            since: naming.since,
        };
        ModuleOut {
            digest: module.digest.to_string(),
            owner_id: module.owner_id.to_string(),
            kind: module.kind,
            size_bytes: module.size_bytes,
            imports: module.imports.iter().map(permission).collect(),
            exports: module.exports.clone(),
            wrapped: module.wrapped.clone(),
            names: module.names.iter().map(|naming| naming.name.to_string()).collect(),
            versions: module.names.iter().map(version).collect(),
            created_by: module.created_by.clone(),
            created_at: module.created_at,
        }
    }
}
