//! Making an action, and changing one: the whole body of the API as a form.

use super::action::{self as shown, Limit, limits};
use super::conflict::Conflict;
use super::form::Fields;
use super::frame::Frame;
use super::kinds::is_own;
use super::list::Listing;
use super::parameter_list::{self, Row};
use super::sent::{Sent, if_match};
use super::show;
use super::visit::{Visit, page};
use crate::api::action::{self, ActionIn, ActionOut};
use crate::api::auth::{Read, Write};
use crate::api::error::Problem;
use crate::api::extract::{Body, Path as OfPath};
use crate::domain::{DedupMode, LimitsPatch, RetryPolicy};
use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;

/// What a script begins as.
const STARTING_CODE: &str = "// Gets the payload of the event; what it returns is the output of the run.\n\
    export default (payload, ctx) => {\n  console.log(\"hello\", payload);\n  return { ok: true };\n};\n";

#[derive(Template)]
#[template(path = "action_form.html", blocks = ["detail"])]
struct Form {
    frame: Frame,
    /// Empty for one that is not there yet.
    id: String,
    title: String,
    version: u64,
    filled: Filled,
    parameters: Vec<Row>,
    asks_owner: bool,
}

/// What stands in the fields to begin with.
struct Filled {
    name: String,
    description: String,
    is_source: bool,
    module: String,
    language: String,
    code: String,
    trigger: String,
    on_success: String,
    on_failure: String,
    enabled: bool,
    public: bool,
    continue_on_fail: bool,
    per_action: bool,
    input: String,
    retry: RetryPolicy,
    limits: LimitsPatch,
    allowed_hosts: String,
    at: String,
    offset: String,
}

impl Filled {
    /// A new one, as far as its address says what it is.
    fn new(listing: &Listing) -> Filled {
        let language = listing.get("source").to_owned();
        Filled {
            name: String::new(),
            description: String::new(),
            is_source: !language.is_empty(),
            module: listing.get("module").to_owned(),
            code: if matches!(language.as_str(), "javascript" | "typescript") {
                STARTING_CODE.to_owned()
            } else {
                String::new()
            },
            language,
            trigger: listing.get("trigger").to_owned(),
            on_success: String::new(),
            on_failure: String::new(),
            enabled: true,
            public: false,
            continue_on_fail: false,
            per_action: false,
            input: String::new(),
            retry: RetryPolicy::default(),
            limits: LimitsPatch::default(),
            allowed_hosts: String::new(),
            at: String::new(),
            offset: String::new(),
        }
    }

    fn of(action: &ActionOut) -> Filled {
        let name =
            |name: &Option<crate::domain::EventTypeName>| name.as_ref().map(ToString::to_string).unwrap_or_default();
        let hosts: Vec<String> = action.allowed_hosts.iter().map(ToString::to_string).collect();
        let when = action.when.as_ref();
        Filled {
            name: action.name.clone(),
            description: action.description.clone(),
            is_source: action.language.is_some(),
            module: action.module.clone().unwrap_or_default(),
            language: action.language.as_ref().map(ToString::to_string).unwrap_or_default(),
            code: action.code.as_deref().unwrap_or_default().to_owned(),
            trigger: name(&action.trigger),
            on_success: name(&action.on_success),
            on_failure: name(&action.on_failure),
            enabled: action.enabled,
            public: action.public,
            continue_on_fail: action.continue_on_fail,
            per_action: action.dedup_mode == DedupMode::PerAction,
            input: action.input.as_ref().map(show::json).unwrap_or_default(),
            retry: action.retry,
            limits: action.limits,
            allowed_hosts: hosts.join("\n"),
            at: when.map(|when| when.at.clone()).unwrap_or_default(),
            offset: when.map(|when| when.offset.to_string()).unwrap_or_default(),
        }
    }

    fn limits(&self) -> [Limit; 9] {
        limits(&self.limits)
    }

    fn is_limited(&self) -> bool {
        !self.allowed_hosts.is_empty() || self.limits().iter().any(|limit| limit.value.is_some())
    }
}

impl Form {
    fn post(&self) -> String {
        if self.id.is_empty() {
            "/console/actions/new".to_owned()
        } else {
            format!("/console/actions/{}/edit", self.id)
        }
    }

    fn back(&self) -> String {
        if self.id.is_empty() { "/console/actions".to_owned() } else { format!("/console/actions/{}", self.id) }
    }

    fn api(&self) -> String {
        if self.id.is_empty() { "/action".to_owned() } else { format!("/action/{}", self.id) }
    }

    fn method(&self) -> &'static str {
        if self.id.is_empty() { "POST" } else { "PUT" }
    }
}

pub(super) async fn ask_new(visit: Visit) -> Result<Response, Problem> {
    visit.caller::<Read>()?;
    visit.caller::<Write>()?;
    let filled = Filled::new(&Listing::of(&visit));
    let title = if filled.is_source { "New action from source code" } else { "New action" };
    let form = Form {
        frame: visit.frame("actions", title),
        id: String::new(),
        title: title.to_owned(),
        version: 0,
        filled,
        parameters: parameter_list::rows_and_one(&[]),
        asks_owner: visit.sees_all(),
    };
    if visit.wants_part() { page(&form.as_detail()) } else { page(&form) }
}

pub(super) async fn create(visit: Visit, fields: Fields) -> Result<Response, Problem> {
    let caller = visit.caller::<Write>()?;
    let sent = Sent::of(&fields);
    let body: ActionIn = sent.body(&visit)?;
    let made = action::create(caller, State(visit.api().clone()), Body(body)).await;
    let (made, _) = made.map_err(|problem| sent.told(problem))?.into_parts();
    if made.language.is_some() {
        // Its code is what comes next.
        return Ok(visit.go(&format!("/console/actions/{}/source", made.id)));
    }
    Ok(visit.put(&format!("/console/actions/{}", made.id)))
}

pub(super) async fn ask_edit(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    let caller = visit.caller::<Write>()?;
    let action = shown::read(&visit, &id).await?;
    check_own(&visit, &caller, &action)?;
    let title = format!("Edit {}", action.name);
    let form = Form {
        frame: visit.frame("actions", title.clone()),
        id: action.id.to_string(),
        title,
        version: action.version,
        filled: Filled::of(&action),
        parameters: parameter_list::rows_and_one(action.parameters.as_deref().unwrap_or_default()),
        asks_owner: false,
    };
    if visit.wants_part() { page(&form.as_detail()) } else { page(&form) }
}

/// What the API would refuse to change is not asked about either.
pub(super) fn check_own(
    visit: &Visit,
    caller: &crate::api::auth::Caller<Write>,
    action: &ActionOut,
) -> Result<(), Problem> {
    if is_own(visit, &action.owner_id) {
        return Ok(());
    }
    action::find(visit.api(), caller.tenant(), &action.id.to_string())
        .and_then(|found| caller.check_may_change(&found.owner_id, "action", action.id))
}

pub(super) async fn change(visit: Visit, Path(id): Path<String>, fields: Fields) -> Result<Response, Problem> {
    let caller = visit.caller::<Write>()?;
    let action = action::find(visit.api(), caller.tenant(), &id)?;
    caller.check_may_change(&action.owner_id, "action", &id)?;
    let sent = Sent::of(&fields);
    let body: ActionIn = sent.body(&visit)?;
    let (api, headers) = (State(visit.api().clone()), if_match(fields.get("version")));
    match action::change(caller, api, OfPath(id.clone()), headers, Body(body)).await {
        Ok(_) => Ok(visit.put(&format!("/console/actions/{id}"))),
        Err(problem) if problem.code() == "precondition_failed" => {
            let newest = shown::read(&visit, &id).await?;
            let compared =
                format!("/console/actions/{id}/versions?from={}&to={}", fields.get("version"), newest.version);
            let who = (newest.version, newest.updated_by, newest.updated_at);
            Conflict::answer(&visit, "action", who, &compared)
        }
        Err(problem) => Err(sent.told(problem)),
    }
}
