//! The versions of an action: what each changed, two of them side by side, and going back to one.

use super::action as shown;
use super::action_form::check_own;
use super::diff::{self, Difference, Kind};
use super::event::Confirm;
use super::frame::Frame;
use super::kinds::is_own;
use super::list::Listing;
use super::sent::if_match;
use super::show;
use super::visit::{Visit, page};
use crate::api::action::{self, ActionOut, RollBack};
use crate::api::auth::{Read, Write};
use crate::api::error::Problem;
use crate::api::extract::{Body, Path as OfPath};
use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;

/// The newest that the page lists; any can be compared.
const SHOWN_MAX: usize = 200;

#[derive(Template)]
#[template(path = "versions.html", blocks = ["detail"])]
struct Shown {
    frame: Frame,
    action: ActionOut,
    /// The newest first.
    rows: Vec<Row>,
    all: usize,
    /// What is compared: the older, the newer, and how they differ.
    compared: Option<(u64, u64, Vec<Difference>)>,
    may_change: bool,
}

struct Row {
    version: ActionOut,
    /// What it changed; nothing of the first.
    changed: Vec<&'static str>,
}

pub(super) async fn list(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    let (listing, action) = (Listing::of(&visit), shown::read(&visit, &id).await?);
    let versions = all(&visit, &id).await?;
    let number = |name: &str, usual: u64| match listing.get(name) {
        "" => Ok(usual),
        said => said.parse().map_err(|_| Problem::not_found("version", said)),
    };
    let to = number("to", action.version)?;
    let from = number("from", to.saturating_sub(1))?;
    let compared = if from == 0 && listing.get("from").is_empty() {
        None
    } else {
        let (old, new) = (find(&versions, from)?, find(&versions, to)?);
        Some((from, to, diff::differences(old, new)))
    };
    let all = versions.len();
    let changes: Vec<Vec<&'static str>> =
        versions.windows(2).take(SHOWN_MAX).map(|pair| diff::changed(&pair[1], &pair[0])).chain([Vec::new()]).collect();
    let rows = versions.into_iter().zip(changes).map(|(version, changed)| Row { version, changed });
    let shown = Shown {
        frame: visit.frame("actions", format!("Versions of {}", action.name)),
        rows: rows.take(SHOWN_MAX).collect(),
        all,
        compared,
        may_change: visit.may::<Write>() && is_own(&visit, &action.owner_id),
        action,
    };
    if visit.wants_part() { page(&shown.as_detail()) } else { page(&shown) }
}

/// The newest first.
async fn all(visit: &Visit, id: &str) -> Result<Vec<ActionOut>, Problem> {
    let (caller, api) = (visit.caller::<Read>()?, State(visit.api().clone()));
    Ok(action::versions(caller, api, OfPath(id.to_owned())).await?.items)
}

fn find(versions: &[ActionOut], number: u64) -> Result<&ActionOut, Problem> {
    versions.iter().find(|version| version.version == number).ok_or_else(|| Problem::not_found("version", number))
}

pub(super) async fn ask_to_roll_back(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    let caller = visit.caller::<Write>()?;
    let newest = shown::read(&visit, &id).await?;
    check_own(&visit, &caller, &newest)?;
    let versions = all(&visit, &id).await?;
    let number = asked(&visit).unwrap_or(newest.version.saturating_sub(1).max(1));
    let old = find(&versions, number)?;
    let changed = diff::changed(find(&versions, newest.version)?, old);
    let mut consequences = vec![format!(
        "A new version {} is made that is like version {number}; what fires from then on runs it.",
        newest.version + 1
    )];
    consequences.push(match changed.as_slice() {
        [] => "Nothing differs from what is in force now.".to_owned(),
        changed => format!("It changes: {}.", changed.join(", ")),
    });
    consequences.push("Runs that have begun, and their retries, keep the version that they began with.".to_owned());
    let back = format!("/console/actions/{}/versions", newest.id);
    let confirm = Confirm {
        frame: visit.frame("actions", "Roll back"),
        question: format!("Roll {} back to version {number}?", newest.name),
        consequences,
        verb: "Roll back",
        action: format!("/console/actions/{}/rollback?version={number}&from={}", newest.id, newest.version),
        back,
    };
    confirm.answer(&visit)
}

/// The version that the address names.
fn asked(visit: &Visit) -> Option<u64> {
    Listing::of(visit).get("version").parse().ok()
}

pub(super) async fn roll_back(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    let (caller, api) = (visit.caller::<Write>()?, State(visit.api().clone()));
    let headers = if_match(Listing::of(&visit).get("from"));
    let body = Body(RollBack { version: asked(&visit).unwrap_or_default() });
    let (action, _) = action::roll_back(caller, api, OfPath(id), headers, body).await?.into_parts();
    Ok(visit.go(&format!("/console/actions/{}", action.id)))
}
