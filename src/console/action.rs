//! One action: what it runs, with what, within what, and what follows it.

use super::frame::Frame;
use super::kinds::{self, Named, event_type_named, is_own};
use super::parameter_list::{self, Row};
use super::show;
use super::visit::{Visit, page, parsed};
use crate::api::action::{self, ActionOut};
use crate::api::attachment::{self, AttachmentOut};
use crate::api::auth::{Read, Write};
use crate::api::error::Problem;
use crate::api::event_type::{self, EventTypeOut};
use crate::api::extract::{Path as OfPath, Query};
use crate::api::module::{self, PermissionOut};
use crate::api::page::List;
use crate::domain::{DedupMode, LimitsPatch, RetryPolicy};
use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;

/// Of what uses it, so many are named.
const USERS_SHOWN: usize = 20;

#[derive(Template)]
#[template(path = "action.html", blocks = ["detail"])]
struct Shown {
    frame: Frame,
    action: ActionOut,
    trigger: Option<Named>,
    on_success: Option<Named>,
    on_failure: Option<Named>,
    parameters: Vec<Row>,
    linked: List<EventTypeOut>,
    attachments: List<AttachmentOut>,
    /// What its module asks for, in words.
    permissions: Vec<PermissionOut>,
    warnings: Vec<String>,
    /// Whether its code and parameters are the reader's to see.
    is_seen: bool,
    may_change: bool,
}

pub(super) async fn show(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    let action = read(&visit, &id).await?;
    let named = |name| event_type_named(&visit, &action.owner_id, name);
    let shown = Shown {
        frame: visit.frame("actions", format!("Action {}", action.name)),
        trigger: named(action.trigger.as_ref())?,
        on_success: named(action.on_success.as_ref())?,
        on_failure: named(action.on_failure.as_ref())?,
        parameters: parameter_list::rows(action.parameters.as_deref().unwrap_or_default()),
        linked: linked(&visit, &id, USERS_SHOWN).await?,
        attachments: attachments(&visit, &id, USERS_SHOWN).await?,
        permissions: permissions(&visit, action.module.as_deref()).await?,
        warnings: action::warnings_of(visit.api(), &visit.caller::<Read>()?, &id)?,
        is_seen: action.parameters.is_some(),
        may_change: visit.may::<Write>() && is_own(&visit, &action.owner_id),
        action,
    };
    if visit.wants_part() { page(&shown.as_detail()) } else { page(&shown) }
}

/// What a module asks for; nothing of one that the reader does not see by this name.
async fn permissions(visit: &Visit, module: Option<&str>) -> Result<Vec<PermissionOut>, Problem> {
    let Some(module) = module else { return Ok(Vec::new()) };
    let (caller, api) = (visit.caller::<Read>()?, State(visit.api().clone()));
    let found = module::read(caller, api, OfPath(module.to_owned())).await;
    Ok(found.map(|data| data.into_parts().0.imports).unwrap_or_default())
}

pub(super) async fn read(visit: &Visit, id: &str) -> Result<ActionOut, Problem> {
    let data = action::read(visit.caller::<Read>()?, State(visit.api().clone()), OfPath(id.to_owned())).await?;
    Ok(data.into_parts().0)
}

/// The event types that run it.
pub(super) async fn linked(visit: &Visit, id: &str, limit: usize) -> Result<List<EventTypeOut>, Problem> {
    let query = parsed(&format!("action={id}&limit={limit}"))?;
    event_type::list(visit.caller::<Read>()?, State(visit.api().clone()), Query(query)).await
}

/// Where it is attached.
pub(super) async fn attachments(visit: &Visit, id: &str, limit: usize) -> Result<List<AttachmentOut>, Problem> {
    let query = parsed(&format!("limit={limit}"))?;
    let (caller, api) = (visit.caller::<Read>()?, State(visit.api().clone()));
    attachment::list(caller, api, OfPath(id.to_owned()), Query(query)).await
}

/// A limit of its own.
pub(super) struct Limit {
    pub(super) field: &'static str,
    pub(super) label: &'static str,
    pub(super) value: Option<u64>,
}

impl Limit {
    /// Its name without the unit in which it is given.
    pub(super) fn name(&self) -> &'static str {
        self.label.split(',').next().unwrap_or_default()
    }

    /// In the unit that is read.
    pub(super) fn words(&self) -> String {
        let value = self.value.unwrap_or_default();
        match self.field {
            field if field.ends_with("_bytes") => show::bytes(&value),
            field if field.ends_with("_ms") => show::length(&value),
            _ => show::count(&value),
        }
    }
}

pub(super) fn limits(limits: &LimitsPatch) -> [Limit; 9] {
    let limit = |field, label, value| Limit { field, label, value };
    [
        limit("fuel", "Fuel, in instructions", limits.fuel),
        limit("memory_bytes", "Memory, in bytes", limits.memory_bytes),
        limit("timeout_ms", "Time, in ms", limits.timeout_ms),
        limit("output_bytes", "Output, in bytes", limits.output_bytes),
        limit("log_bytes", "Log, in bytes", limits.log_bytes),
        limit("http_calls", "HTTP calls", limits.http_calls),
        limit("http_bytes", "HTTP traffic, in bytes", limits.http_bytes),
        limit("kv_bytes", "Values written, in bytes", limits.kv_bytes),
        limit("emitted_events", "Events emitted", limits.emitted_events),
    ]
}

/// A retry policy as one says it.
pub(super) fn retry_words(retry: &RetryPolicy) -> String {
    let RetryPolicy { attempts, base_ms, factor, cap_ms } = retry;
    let longest = show::length(cap_ms);
    match (attempts, factor) {
        (1, _) => "One attempt, no retry".to_owned(),
        (_, 1) => format!("{attempts} attempts, up to {} between them", show::length(base_ms.min(cap_ms))),
        _ => format!(
            "{attempts} attempts; the first wait is up to {}, each next {factor} times as long, at most {longest}",
            show::length(base_ms)
        ),
    }
}

impl Shown {
    fn limits(&self) -> Vec<Limit> {
        limits(&self.action.limits).into_iter().filter(|limit| limit.value.is_some()).collect()
    }

    fn retry(&self) -> String {
        retry_words(&self.action.retry)
    }

    fn dedup(&self) -> &'static str {
        match self.action.dedup_mode {
            DedupMode::PerAttachment => "The same event runs once at a time for each attachment",
            DedupMode::PerAction => "The same event runs once at a time, whatever it is attached to",
        }
    }

    fn when(&self) -> Option<String> {
        let when = self.action.when.as_ref()?;
        let offset = match when.offset.as_ms() {
            0 => String::new(),
            ms if ms < 0 => format!(", {} before it", show::length(&ms.unsigned_abs())),
            ms => format!(", {} after it", show::length(&ms.unsigned_abs())),
        };
        Some(format!("At the time that the payload has at {}{offset}; a past time runs at once", when.at))
    }

    fn input(&self) -> Option<String> {
        self.action.input.as_ref().map(show::json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retry_policy_is_said_in_words() {
        let words = |attempts, factor| retry_words(&RetryPolicy { attempts, factor, ..RetryPolicy::default() });
        assert_eq!(words(1, 4), "One attempt, no retry");
        assert_eq!(words(2, 1), "2 attempts, up to 5.00 s between them");
        assert_eq!(
            words(3, 4),
            "3 attempts; the first wait is up to 5.00 s, each next 4 times as long, at most 5 min 0 s"
        );
    }
}
