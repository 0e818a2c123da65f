//! Trying an action out with a sample event.

use super::Api;
use super::action;
use super::auth::{Caller, Write};
use super::error::{Fault, Problem};
use super::event::ObjectOut;
use super::event_type;
use super::extract::{Body, Path, Query};
use super::page::{self, Data};
use super::run::{LogLineOut, RunOut};
use crate::dispatch::{Trial, Tried, TriedParameter, input_violations};
use crate::domain::{
    Action, CODE_BYTES_MAX, Emitted, EventTypeName, GivenBy, Json, Language, LimitsPatch, ObjectRef, ParameterValue,
    SourceCode, TenantId, Timestamp,
};
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;
use utoipa::{IntoParams, ToSchema};

/// A sample event for an action.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TestIn {
    /// Any JSON. Default `{}`.
    #[serde(default = "Json::empty_object")]
    #[schema(value_type = Option<serde_json::Value>)]
    payload: Json,
    #[schema(value_type = Option<ObjectOut>)]
    object: Option<ObjectRef>,
    /// What an attachment would give; follows the schema of the action. Default `{}`.
    #[serde(default = "Json::empty_object")]
    #[schema(value_type = Option<serde_json::Value>)]
    input: Json,
    /// Values that take the place of those of the parameters of these names.
    #[serde(default)]
    params: Map<String, Value>,
    /// As whose event it is tried: its parameters and its payload schema count. Default the trigger of the action.
    #[schema(value_type = Option<String>)]
    event_type: Option<EventTypeName>,
    /// The version of the action. Default the newest.
    version: Option<u64>,
    /// Source code to try in the place of the action's, which stays as it is: for who writes and has not saved. Only of an
    /// action that has source code and that the caller may change; at most 512 KiB.
    code: Option<String>,
    /// What `code` is written in. Default the language of the action.
    #[schema(value_type = Option<String>)]
    language: Option<Language>,
    /// The tenant as which it is tried; only the platform names another than its own.
    #[schema(value_type = Option<String>)]
    owner_id: Option<TenantId>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DryRun {
    /// Stop before anything is kept or runs, and say what would.
    #[serde(default)]
    pub(crate) dry_run: bool,
}

/// What an action was tried with, or would be, and what came of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TestOut {
    pub(crate) dry_run: bool,
    /// The event type whose event it was; `sample` when there is none.
    pub(crate) event_type: String,
    #[schema(value_type = Option<ObjectOut>)]
    pub(crate) object: Option<ObjectRef>,
    #[schema(value_type = serde_json::Value)]
    pub(crate) payload: Json,
    pub(crate) params: Vec<TestParameterOut>,
    #[schema(value_type = std::collections::BTreeMap<String, u64>)]
    pub(crate) limits: LimitsPatch,
    /// When its `when` would let it start; it was tried at once.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) due_at: Option<Timestamp>,
    /// What a firing would be refused for; only a dry run gets as far as to say it here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) faults: Vec<Fault>,
    /// As it would be in the history, where it is not. In a dry run it has not started.
    pub(crate) run: RunOut,
    pub(crate) log: Vec<LogLineOut>,
    /// What it would fire besides, had it not been a trial.
    pub(crate) emits: Vec<EmitsOut>,
    /// What its end would fire.
    pub(crate) follows: Option<FollowsOut>,
}

/// A parameter and where its value comes from.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TestParameterOut {
    pub(crate) name: String,
    /// `action`, `event_type` or `request`: what gives the parameter that takes effect.
    pub(crate) from: &'static str,
    /// `STATIC`, `DATA` or `SECRET`.
    pub(crate) r#type: &'static str,
    /// What a DATA parameter reads from the payload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<String>,
    /// Absent when it is missing. Of a secret that is set, `{"secret": key}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub(crate) value: Option<Value>,
    /// Whether the value is the parameter's default, because there was nothing to read.
    pub(crate) is_default: bool,
    pub(crate) required: bool,
}

/// An event that the action emitted.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EmitsOut {
    pub(crate) event_type: String,
    #[schema(value_type = serde_json::Value)]
    pub(crate) payload: Json,
    /// The object it would be about.
    #[schema(value_type = Option<ObjectOut>)]
    pub(crate) object: Option<ObjectRef>,
}

/// An event that the end of the run would fire.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FollowsOut {
    pub(crate) event_type: String,
    #[schema(value_type = serde_json::Value)]
    pub(crate) payload: Json,
    /// Whether there is an event type of that name; without one nothing follows.
    pub(crate) exists: bool,
}

/// Try an action out
///
/// Runs it once with a sample event, in the sandbox with all its limits, also while it is disabled. Nothing is stored: no
/// event, no run, no log; nothing follows, no value is kept, and nothing is a duplicate of it. It takes a permit of the tenant, as a run does:
/// 429 when none comes free within the longest `Prefer: wait`. What the guest does outside, it does. With `dry_run=true` nothing
/// runs, and the answer says with what it would. Source code that is not saved yet can be tried too: it is checked as it
/// would be when saved, and refused with 422 and the lines where it is wrong.
#[utoipa::path(post, path = "/action/{id}/test", tag = "actions", params(("id" = String, Path), DryRun), request_body = TestIn,
    responses((status = 200, body = page::Envelope<TestOut>)))]
pub(crate) async fn test(
    caller: Caller<Write>,
    State(api): State<Api>,
    Path(id): Path<String>,
    Query(query): Query<DryRun>,
    Body(body): Body<TestIn>,
) -> Result<Data<TestOut>, Problem> {
    let newest = action::find(&api, caller.tenant(), &id)?;
    let platform = caller.tenant().is_shared();
    let tenant = caller.owner(body.owner_id.clone().or_else(|| platform.then(|| newest.owner_id.clone())))?;
    let mut action = version(&api, newest, body.version).await?;
    match (body.code, body.language) {
        (Some(code), language) => action = drafted(&api, &caller, &action, (code, language)).await?,
        (None, Some(_)) => {
            return Err(Problem::invalid(vec![Fault::new("/code", "there is a language and no code in it")]));
        }
        (None, None) => {}
    }
    let event_type = match (&body.event_type, &action.trigger) {
        (Some(name), _) => Some(event_type::find(&api, &tenant, name.as_str()).map_err(|_| {
            Problem::invalid(vec![Fault::new("/event_type", format!("there is no event type `{name}`"))])
        })?),
        (None, Some(trigger)) => event_type::find(&api, &tenant, trigger.as_str()).ok(),
        (None, None) => None,
    };
    let (payload, input) = (body.payload, body.input);
    let mut faults = Vec::new();
    if let Some(event_type) = &event_type {
        let violations = api.dispatch().payload_violations(event_type, &payload);
        faults.extend(violations.into_iter().map(|v| Fault::new(format!("/payload{}", v.pointer), v.message)));
    }
    match input_violations(action.input.as_ref(), [&input]) {
        Err(error) => faults.push(Fault::new("/input", error)),
        Ok(violations) => {
            let violations = violations.into_iter().flatten();
            faults.extend(violations.map(|v| Fault::new(format!("/input{}", v.pointer), v.message)));
        }
    }
    let (object, params, created_by) = (body.object, body.params, caller.name().to_owned());
    let trial = Trial { action, event_type, object, payload, input, params, tenant, created_by };
    if query.dry_run {
        let tried = api.dispatch().prepare_trial(trial);
        return Ok(Data::ok(TestOut { dry_run: true, faults, ..TestOut::of(&api, tried) }));
    }
    if !faults.is_empty() {
        return Err(Problem::invalid(faults));
    }
    let tried = api.dispatch().try_out(trial, Duration::from_secs(api.bounds().wait_s)).await?;
    Ok(Data::ok(TestOut::of(&api, tried)))
}

/// The action as it would be with other source code, which is looked at as when it is saved. It is an experiment with
/// somebody's action, its parameters and its reach: who may not change the action may not make it.
async fn drafted(
    api: &Api,
    caller: &Caller<Write>,
    action: &Action,
    (code, language): (String, Option<Language>),
) -> Result<Arc<Action>, Problem> {
    caller.check_may_change(&action.owner_id, "action", action.id)?;
    let fault = |message: String| Problem::invalid(vec![Fault::new("/code", message)]);
    let Some(source) = &action.source else {
        return Err(fault("the action runs a module, in whose place no source code can be tried".to_owned()));
    };
    if code.len() > CODE_BYTES_MAX {
        return Err(fault(format!("the code has {} bytes, of which {CODE_BYTES_MAX} are allowed", code.len())));
    }
    let language = language.unwrap_or_else(|| source.language.clone());
    let source = SourceCode::new(language, &code);
    api.dispatch().compile_source(&source).await?;
    Ok(Arc::new(Action { source: Some(source), ..action.clone() }))
}

async fn version(api: &Api, newest: Arc<Action>, wanted: Option<u64>) -> Result<Arc<Action>, Problem> {
    let Some(wanted) = wanted.filter(|wanted| *wanted != newest.version) else { return Ok(newest) };
    let id = newest.id;
    let versions = api.reading(move |store| store.action_versions(id)).await?;
    let found = versions.into_iter().find(|version| version.version == wanted);
    found.map(Arc::new).ok_or_else(|| {
        let message = format!("there is no version {wanted}; the newest is {}", newest.version);
        Problem::invalid(vec![Fault::new("/version", message)])
    })
}

impl TestOut {
    fn of(api: &Api, tried: Tried) -> TestOut {
        let Tried { event, action: _, run, params, due_at, log, emits, follows } = tried;
        let catalogue = api.store().catalogue();
        let follows = follows.map(|(event_type, payload)| FollowsOut {
            exists: catalogue.event_type_named(&event.owner_id, &event_type).is_some(),
            event_type: event_type.to_string(),
            payload,
        });
        let emits = emits.into_iter().map(|Emitted { event_type, payload, object }| EmitsOut {
            event_type: event_type.to_string(),
            payload,
            object: object.or_else(|| event.object.clone()),
        });
        TestOut {
            dry_run: false,
            emits: emits.collect(),
            event_type: event.event_type,
            object: event.object,
            payload: event.payload,
            params: params.into_iter().map(TestParameterOut::of).collect(),
            limits: run.limits.in_full(),
            due_at,
            faults: Vec::new(),
            log: LogLineOut::chunk(1, 0, log).collect(),
            run: RunOut::of(&run),
            follows,
        }
    }
}

impl TestParameterOut {
    fn of(TriedParameter { parameter, by, value, is_default }: TriedParameter) -> TestParameterOut {
        let from = match by {
            None => "request",
            Some(GivenBy::Action) => "action",
            Some(GivenBy::EventType) => "event_type",
        };
        let (kind, path) = match parameter.value {
            ParameterValue::Static(_) => ("STATIC", None),
            ParameterValue::Data(path) => ("DATA", Some(path)),
            ParameterValue::Secret(_) => ("SECRET", None),
        };
        let required = parameter.required;
        TestParameterOut { name: parameter.name, from, r#type: kind, path, value, is_default, required }
    }
}
