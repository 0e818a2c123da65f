//! Deleting an action or an event type: what goes with it, counted and named, and one question.

use super::action::{self as action_page, attachments, linked};
use super::event::Confirm;
use super::event_type as event_type_page;
use super::event_type_form::check_own;
use super::list::Listing;
use super::sent::if_match;
use super::visit::Visit;
use crate::api::action::{self, Force};
use crate::api::auth::{Read, Write};
use crate::api::error::Problem;
use crate::api::event_type;
use crate::api::extract::{Path as OfPath, Query};
use crate::api::page::LIMIT_MAX;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;

/// So many are named; the others are counted.
const NAMED_MAX: usize = 10;

/// "3 attachments: place/1, place/2, place/3", if there is any.
fn counted(what: (&str, &str), names: &[String], more: bool) -> Option<String> {
    let count = names.len();
    let noun = if count == 1 { what.0 } else { what.1 };
    let at_least = if more { "more than " } else { "" };
    let shown = names.iter().take(NAMED_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
    let others = if count > NAMED_MAX { ", …" } else { "" };
    (count > 0).then(|| format!("{at_least}{count} {noun}: {shown}{others}"))
}

pub(super) async fn ask_action(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    let caller = visit.caller::<Write>()?;
    let found = action::find(visit.api(), caller.tenant(), &id)?;
    caller.check_may_change(&found.owner_id, "action", &id)?;
    let action = action_page::read(&visit, &id).await?;
    let (linked, attached) = (linked(&visit, &id, LIMIT_MAX).await?, attachments(&visit, &id, LIMIT_MAX).await?);
    let types: Vec<String> = linked.items.iter().map(|event_type| event_type.display_name.clone()).collect();
    let objects: Vec<String> = attached.items.iter().map(|a| format!("{}/{}", a.object_type, a.object_id)).collect();
    let mut consequences = vec![format!("The action {} goes, with every version of it.", action.name)];
    if let Some(attachments) = counted(("attachment", "attachments"), &objects, attached.next.is_some()) {
        consequences.push(format!("Gone with it: {attachments}."));
    }
    if action.public {
        consequences.push("It is public: where other tenants attached it, it is gone too.".to_owned());
    }
    if let Some(types) = counted(("event type", "event types"), &types, linked.next.is_some()) {
        consequences.push(format!("Left without an action of their own: {types}."));
    }
    consequences.push("What has run stays in the history.".to_owned());
    let back = format!("/console/actions/{}", action.id);
    let confirm = Confirm {
        frame: visit.frame("actions", "Delete"),
        question: format!("Delete the action {}?", action.name),
        consequences,
        verb: "Delete the action",
        action: format!("{back}/delete?version={}", action.version),
        back,
    };
    confirm.answer(&visit)
}

pub(super) async fn delete_action(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    let caller = visit.caller::<Write>()?;
    let (api, headers) = (State(visit.api().clone()), if_match(Listing::of(&visit).get("version")));
    action::delete(caller, api, OfPath(id), Query(Force { force: true }), headers).await?;
    Ok(visit.go("/console/actions"))
}

pub(super) async fn ask_event_type(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    let caller = visit.caller::<Write>()?;
    check_own(&visit, &caller, &id)?;
    let event_type = event_type_page::read(&visit, &id).await?;
    let users = event_type::users(visit.api(), &visit.caller::<Read>()?, &id)?;
    let names = |actions: &[std::sync::Arc<crate::domain::Action>]| -> Vec<String> {
        actions.iter().map(|action| action.name.to_string()).collect()
    };
    if let Some(triggered) = counted(("action", "actions"), &names(&users.triggered), false) {
        let detail = format!(
            "{} cannot go while it is the trigger of {triggered}. Give them another trigger first, or none.",
            event_type.display_name
        );
        return Err(Problem::new(StatusCode::CONFLICT, "in_use", detail));
    }
    let mut consequences =
        vec![format!("The event type {} goes: nobody can fire it any more.", event_type.display_name)];
    for (actions, how) in [(&users.on_success, "On Success"), (&users.on_failure, "On Failure")] {
        if let Some(actions) = counted(("action", "actions"), &names(actions), false) {
            consequences.push(format!("Blank {how}, as a new version, of {actions}."));
        }
    }
    let schedules: Vec<String> = users.schedules.iter().map(|schedule| schedule.header.name.to_string()).collect();
    if let Some(schedules) = counted(("schedule", "schedules"), &schedules, false) {
        consequences.push(format!("Disabled: {schedules}."));
    }
    consequences.push("Its events stay in the history; what of them is held goes on.".to_owned());
    let back = format!("/console/event-types/{}", event_type.id);
    let confirm = Confirm {
        frame: visit.frame("event-types", "Delete"),
        question: format!("Delete the event type {}?", event_type.display_name),
        consequences,
        verb: "Delete the event type",
        action: format!("{back}/delete?version={}", event_type.version),
        back,
    };
    confirm.answer(&visit)
}

pub(super) async fn delete_event_type(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    let caller = visit.caller::<Write>()?;
    let (api, headers) = (State(visit.api().clone()), if_match(Listing::of(&visit).get("version")));
    let force = Query(event_type::Force { force: true });
    event_type::delete(caller, api, OfPath(id), force, headers).await?;
    Ok(visit.go("/console/event-types"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_is_counted_and_named() {
        let names = |count: usize| (0..count).map(|n| format!("a{n}")).collect::<Vec<_>>();
        let said = |count, more| counted(("thing", "things"), &names(count), more);
        assert_eq!(said(0, false), None);
        assert_eq!(said(1, false).unwrap(), "1 thing: a0");
        assert_eq!(said(2, false).unwrap(), "2 things: a0, a1");
        assert_eq!(said(11, true).unwrap(), "more than 11 things: a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, …");
    }
}
