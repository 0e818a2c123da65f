//! Which actions run a module.

use super::Api;
use super::auth::{Caller, Read};
use super::error::Problem;
use super::extract::{Path, Query};
use super::module;
use super::page::{self, Filter, List, Row};
use crate::domain::{Action, ActionId};
use axum::extract::State;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;

/// An action that runs a module.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModuleUseOut {
    #[schema(value_type = uuid::Uuid)]
    pub(crate) action_id: ActionId,
    pub(crate) action: String,
    pub(crate) owner_id: String,
    /// The version of the action that does; the newest, or the last one that attachments are pinned to.
    pub(crate) version: u64,
    pub(crate) enabled: bool,
    /// `name`: it names the module as it is meant now; `language`: the module interprets its source code; `pin`: only
    /// attachments that stay with an older version of the action run it.
    pub(crate) by: &'static str,
    /// What the action names: a name, `name@version` or the digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) module: Option<String>,
}

/// List the actions that run a module
///
/// Those on account of which it cannot be deleted, as far as the caller sees them.
#[utoipa::path(get, path = "/module/{ref}/use", tag = "modules", params(("ref" = String, Path), Filter), responses((status = 200, body = page::Envelope<Vec<ModuleUseOut>>)))]
pub(crate) async fn actions(
    caller: Caller<Read>,
    State(api): State<Api>,
    Path(reference): Path<String>,
    Query(filter): Query<Filter>,
) -> Result<List<ModuleUseOut>, Problem> {
    let found = module::find(&api, caller.tenant(), &reference)?;
    let catalogue = api.catalogue();
    let pinning = catalogue.actions_pinning(&found.owner_id, found.digest).map(|action| (action, "pin"));
    let running = catalogue.actions_running(&found.owner_id, found.digest);
    let running = running.map(|action| (action, if action.source.is_some() { "language" } else { "name" }));
    // Of an action the newest version counts, which comes last.
    let uses: BTreeMap<ActionId, (&Arc<Action>, &str)> =
        pinning.chain(running).map(|found| (found.0.id, found)).collect();
    let visible = uses.into_values().filter(|(action, _)| caller.tenant().sees(&action.owner_id));
    let rows = visible.map(|(action, by)| Row {
        item: ModuleUseOut {
            action_id: action.id,
            action: action.name.to_string(),
            owner_id: action.owner_id.to_string(),
            version: action.version,
            enabled: action.enabled,
            by,
            module: action.module.as_ref().map(ToString::to_string),
        },
        id: action.id.to_string(),
        name: action.name.to_string(),
        description: action.description.clone(),
        owner_id: action.owner_id.to_string(),
        created_at: action.created_at,
        updated_at: action.updated_at,
    });
    page::list(rows, &filter)
}
