//! A whole document of things by name: what it would change, and all of it at once or nothing.
//!
//! Every thing of a document goes through the handler of its own route, over a draft of the catalogue, so what is true of
//! a single request is true here: there are no other rules. What the draft then differs by is one transition, which takes
//! effect only if nothing else changed meanwhile.

mod action_ref;
mod document;
mod engine;
mod kind;

use super::Api;
use super::auth::{Admin, Caller, Read, Write};
use super::draft::Draft;
use super::error::{Fault, Problem};
use super::extract::{self, Query};
use super::page::{self, Data};
use crate::domain::{Digest, TenantId};
use crate::store::{CommitError, Conflict, Expectation, Transition};
use axum::extract::{Request, State};
use document::Document;
use kind::Kind;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

/// How often a document is tried when somebody else changes the catalogue meanwhile. What fires by time changes it too,
/// and waits for nobody.
const TRIES_MAX: usize = 16;
/// After so many tries other requests wait for this one.
const TRIES_TOGETHER: usize = 3;

/// Things by name: each as in the body of its own route, but that what it refers to is named instead of given by id. A
/// list that is absent is left alone; an empty one says that there is none.
#[derive(ToSchema)]
#[schema(as = Document)]
#[expect(dead_code, reason = "describes what is read by `document`")]
pub(super) struct DocumentSchema {
    /// `key` and `description` as in `PUT /secret/{key}`; `value` is taken if there is none yet, and never shown.
    secrets: Option<Vec<Map<String, Value>>>,
    /// As in `POST /sink-type`.
    sink_types: Option<Vec<Map<String, Value>>>,
    /// As in `POST /sink`; the platform's only.
    sinks: Option<Vec<Map<String, Value>>>,
    /// As in `POST /source-type`.
    source_types: Option<Vec<Map<String, Value>>>,
    /// As in `POST /source`; the token of a new one is in the answer, once.
    sources: Option<Vec<Map<String, Value>>>,
    /// As in `POST /event-type`; `action` is the name of an action, or `{name, owner_id}`.
    event_types: Option<Vec<Map<String, Value>>>,
    /// As in `POST /action`.
    actions: Option<Vec<Map<String, Value>>>,
    /// As in `PUT /object/…`, with `object` such as `bookable/42`; `parents` are written like that too.
    objects: Option<Vec<Map<String, Value>>>,
    /// As in `POST /action/{id}/object`, with `action`, by name as in `event_types`, and `object`.
    attachments: Option<Vec<Map<String, Value>>>,
    /// As in `POST /schedule`, with `object` such as `bookable/42`.
    schedules: Option<Vec<Map<String, Value>>>,
    /// Components that will be uploaded before this is applied; only with `dry_run`.
    uploads: Option<Vec<Upload>>,
}

/// A component that is not there yet.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Upload {
    /// `sha256:` and 64 hexadecimal digits.
    #[schema(value_type = String)]
    digest: Digest,
    /// `name@version`.
    name: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Options {
    /// Only say what would be done.
    #[serde(default)]
    dry_run: bool,
    /// Also delete what the document does not have, of the kinds that it has a list of.
    #[serde(default)]
    prune: bool,
    /// The tenant whose things they are; only the platform names another than its own.
    #[param(value_type = Option<String>)]
    owner_id: Option<TenantId>,
}

/// What was done, or would be.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AppliedOut {
    /// False when nothing had to be done, and always with `dry_run`.
    applied: bool,
    created: usize,
    changed: usize,
    deleted: usize,
    unchanged: usize,
    changes: Vec<ChangeOut>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum How {
    Create,
    Change,
    Delete,
}

/// One thing that is made, changed or deleted.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChangeOut {
    change: How,
    /// Such as `actions`.
    kind: &'static str,
    name: String,
    /// What differs; empty unless it is a change.
    fields: Vec<FieldOut>,
    /// Of a source that is made: shown once; only its hash is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

/// One field of a thing; null is what is not there.
#[derive(Debug, Serialize, ToSchema)]
struct FieldOut {
    field: String,
    before: Value,
    after: Value,
}

/// Apply a document
///
/// Makes, changes and, with `prune`, deletes what it takes for the things in the document to be as they are there: all of it at
/// once, or nothing. Everything that is wrong is told together, with pointers into the document. The same document again
/// changes nothing. Modules are uploaded before.
#[utoipa::path(post, path = "/apply", tag = "documents", params(Options), request_body = DocumentSchema, responses((status = 200, body = page::Envelope<AppliedOut>)))]
pub(super) async fn apply(
    caller: Caller<Write>,
    State(api): State<Api>,
    Query(options): Query<Options>,
    request: Request,
) -> Result<Data<AppliedOut>, Problem> {
    let owner = caller.owner(options.owner_id.clone())?;
    let bytes = extract::read(request.into_body(), "a document", api.bounds().document_bytes).await?;
    let document = Document::parse(&bytes)?;
    if !options.dry_run && !document.uploads.is_empty() {
        let message = "upload them before, with POST /module; only a dry run takes this";
        return Err(Problem::invalid(vec![Fault::new("/uploads", message)]));
    }
    if document.kinds.contains(&Kind::Sources) {
        // Told before anything is looked at: it is not the document that is wrong.
        caller.raised::<Admin>()?;
    }
    let secrets = api.dispatch().secrets();
    // From here to the commit no rotation drops the key that seals.
    let sealing = if document.kinds.contains(&Kind::Secrets) { Some(secrets.sealing().await) } else { None };
    for tried in 0..TRIES_MAX {
        let _alone = if tried < TRIES_TOGETHER { None } else { Some(api.0.gate.write().await) };
        let base = api.store().catalogue();
        let revision = base.revision();
        let draft = api.drafting(base);
        let done = engine::run(&draft, &caller, (&owner, sealing.as_ref(), options.prune), &document).await?;
        let changes = draft.draft().map(Draft::changes).unwrap_or_default();
        if options.dry_run || changes.is_empty() {
            return Ok(done.without_tokens().into_answer(false));
        }
        let transition = Transition::of(changes).expecting(Expectation::Revision(revision));
        match api.commit_alone(&caller, transition).await {
            Ok(()) => {
                // Schedules may be due sooner than before.
                api.dispatch().look_again();
                return Ok(done.into_answer(true));
            }
            Err(CommitError::Conflict(Conflict::Version { what: "catalogue", .. })) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Problem::busy("others change the catalogue all the time; try again"))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Whose {
    /// The tenant whose things they are; only the platform names another than its own.
    #[param(value_type = Option<String>)]
    owner_id: Option<TenantId>,
}

/// Everything of one tenant, by name.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ExportOut {
    /// What `POST /apply` takes.
    #[schema(value_type = DocumentSchema)]
    document: Map<String, Value>,
    /// The names of modules in the order in which they were given, with what each means.
    modules: Vec<NamedModule>,
}

#[derive(Debug, Serialize, ToSchema)]
struct NamedModule {
    name: String,
    version: String,
    digest: String,
}

/// Export a tenant's things as a document
///
/// By name and in an order that is always the same, without what a server gives: ids, versions, times. Never secret values.
#[utoipa::path(get, path = "/export", tag = "documents", params(Whose), responses((status = 200, body = page::Envelope<ExportOut>)))]
pub(super) async fn export(
    caller: Caller<Read>,
    State(api): State<Api>,
    Query(whose): Query<Whose>,
) -> Result<Data<ExportOut>, Problem> {
    let owner = caller.owner(whose.owner_id)?;
    let catalogue = api.catalogue();
    let mut document = Map::new();
    for kind in Kind::ALL {
        let things: Vec<Value> =
            kind.all(&api, &catalogue, &owner).into_values().map(|thing| thing.body.into()).collect();
        document.insert(kind.field().to_owned(), things.into());
    }
    let own = catalogue.modules().filter(|module| module.owner_id == owner);
    let mut namings: Vec<_> =
        own.flat_map(|module| module.names.iter().map(|naming| (naming, module.digest))).collect();
    namings.sort_by_key(|(naming, _)| (naming.since, naming.name.clone()));
    let modules = namings.into_iter().map(|(naming, digest)| NamedModule {
        name: naming.name.name.clone(),
        version: naming.name.version.clone(),
        digest: digest.to_string(),
    });
    Ok(Data::ok(ExportOut { document, modules: modules.collect() }))
}
