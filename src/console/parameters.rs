//! What a run was given as `params`: each value, its kind, and where it came from.

use super::show;
use crate::api::auth::{Caller, Read};
use crate::api::extract::Path;
use crate::api::run::RunOut;
use crate::api::{Api, action, event_type};
use crate::domain::{EventTypeId, Json, Parameter, ParameterValue};
use axum::extract::State;
use serde_json::{Map, Value};

/// A parameter as a run has it.
pub(super) struct Row {
    pub(super) name: String,
    /// `STATIC`, `DATA` or `SECRET`; empty when nothing says so any more.
    pub(super) kind: &'static str,
    pub(super) from: String,
    pub(super) value: Shown,
}

pub(super) enum Shown {
    Value(String),
    /// The key of a secret. What is behind it nobody shows.
    Secret(String),
}

/// The parameters of a run by name. What gives them is looked up as the action was at its version, and as the event type
/// is now: history does not keep it.
pub(super) async fn of_run(api: &Api, caller: &Caller<Read>, run: &RunOut, event_type: EventTypeId) -> Vec<Row> {
    let id = || Path(run.action_id.to_string());
    let versions = action::versions(caller.clone(), State(api.clone()), id()).await.ok();
    let version = versions.and_then(|list| list.items.into_iter().find(|version| version.version == run.version));
    let of_action = version.and_then(|version| version.parameters).unwrap_or_default();
    let id = Path(event_type.to_string());
    let event_type = event_type::read(caller.clone(), State(api.clone()), id).await.ok();
    let (of_type, name) = event_type
        .map(|data| data.into_parts().0)
        .map(|found| (found.parameters, found.display_name))
        .unwrap_or_default();
    let values: Map<String, Value> = run.params.to().unwrap_or_default();
    let row = |(parameter, value): (String, Value)| {
        let named = |list: &[Parameter]| list.iter().find(|found| found.name == parameter).cloned();
        let (found, level) = match (named(&of_type), named(&of_action)) {
            (Some(found), _) => (Some(found), format!("event type {name}")),
            (None, Some(found)) => (Some(found), format!("action {}, version {}", run.action, run.version)),
            (None, None) => (None, "not there any more".to_owned()),
        };
        let key =
            value.get("secret").and_then(Value::as_str).filter(|_| value.as_object().is_some_and(|v| v.len() == 1));
        let (kind, from) = match found.map(|found| found.value) {
            Some(ParameterValue::Static(_)) => ("STATIC", level),
            Some(ParameterValue::Data(path)) => ("DATA", format!("{path} of the payload · {level}")),
            Some(ParameterValue::Secret(_)) => ("SECRET", level),
            None => ("", level),
        };
        let value = match key.filter(|_| kind == "SECRET" || kind.is_empty()) {
            Some(key) => Shown::Secret(key.to_owned()),
            None => Shown::Value(show::json(&Json::from(value.clone()))),
        };
        Row { name: parameter, kind, from, value }
    };
    values.into_iter().map(row).collect()
}
