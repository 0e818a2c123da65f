//! Named values for event types and actions (DESIGN §3.6).

use super::Json;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Where a parameter's value comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", content = "value", rename_all = "UPPERCASE")]
pub enum ParameterValue {
    /// The value itself.
    Static(Value),
    /// A top-level key of the payload, or a JSON Pointer (RFC 6901) when it starts with `/`.
    Data(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Flat")]
pub struct Parameter {
    pub name: String,
    #[serde(flatten)]
    pub value: ParameterValue,
    /// Whether a missing value ends the run before the guest starts.
    #[serde(skip_serializing_if = "is_yes")]
    pub required: bool,
    /// Taken when the value is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// On an action: an event type may not give a parameter of this name.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub locked: bool,
}

/// A parameter as it is written. A flattened enum would pass over members that it does not know.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Flat {
    name: String,
    r#type: Type,
    value: Value,
    #[serde(default = "yes")]
    required: bool,
    #[serde(default)]
    default: Option<Value>,
    #[serde(default)]
    locked: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Type {
    Static,
    Data,
}

impl TryFrom<Flat> for Parameter {
    type Error = &'static str;

    fn try_from(flat: Flat) -> Result<Parameter, &'static str> {
        let Flat { name, r#type, value, required, default, locked } = flat;
        let value = match (r#type, value) {
            (Type::Static, value) => ParameterValue::Static(value),
            (Type::Data, Value::String(path)) => ParameterValue::Data(path),
            (Type::Data, _) => return Err("the `value` of a DATA parameter is a text: a key or a JSON Pointer"),
        };
        Ok(Parameter { name, value, required, default, locked })
    }
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_yes(value: &bool) -> bool {
    *value
}

/// A required parameter without a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the parameter `{name}` reads `{source_path}` from the payload, which has no such value")]
pub struct ParameterMissing {
    pub name: String,
    pub source_path: String,
}

/// What gives a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GivenBy {
    Action,
    /// The event type's wins, as the more specific.
    EventType,
}

/// A parameter that takes effect, and what it comes to for a payload.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved<'a> {
    pub parameter: &'a Parameter,
    pub by: GivenBy,
    /// `None` when there is nothing to read and no default.
    pub value: Option<&'a Value>,
    /// Whether the value is the default, because there was nothing to read.
    pub is_default: bool,
}

/// What every parameter that takes effect comes to.
pub fn resolved<'a>(
    action: &'a [Parameter],
    event_type: &'a [Parameter],
    payload: &'a Value,
) -> impl Iterator<Item = Resolved<'a>> {
    let overridden = |name: &str| event_type.iter().any(|p| p.name == name);
    let of_action = action.iter().filter(move |p| !overridden(&p.name)).map(|p| (GivenBy::Action, p));
    of_action.chain(event_type.iter().map(|p| (GivenBy::EventType, p))).map(move |(by, parameter)| {
        let found = match &parameter.value {
            ParameterValue::Static(value) => Some(value),
            ParameterValue::Data(path) if path.starts_with('/') => payload.pointer(path),
            ParameterValue::Data(key) => payload.get(key),
        };
        let value = found.or(parameter.default.as_ref());
        Resolved { parameter, by, value, is_default: found.is_none() && value.is_some() }
    })
}

/// The params an action sees: those of both levels, the event type's winning as the more specific.
///
/// # Errors
/// A required parameter is not in the payload and has no default.
pub fn resolve_parameters(
    action: &[Parameter],
    event_type: &[Parameter],
    payload: &Json,
) -> Result<Json, ParameterMissing> {
    if action.is_empty() && event_type.is_empty() {
        return Ok(Json::empty_object());
    }
    // A payload that is not an object has no keys; pointers into it still work.
    let payload: Value = payload.to().unwrap_or(Value::Null);
    let mut params = Map::new();
    for Resolved { parameter, value, .. } in resolved(action, event_type, &payload) {
        match (value, &parameter.value) {
            (Some(value), _) => {
                params.insert(parameter.name.clone(), value.clone());
            }
            (None, ParameterValue::Data(path)) if parameter.required => {
                return Err(ParameterMissing { name: parameter.name.clone(), source_path: path.clone() });
            }
            (None, _) => {}
        }
    }
    Ok(Json::from(params))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parameters(value: Value) -> Vec<Parameter> {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn params_come_from_both_levels_and_the_event_types_win() {
        let action = parameters(json!([
            {"name": "channel", "type": "STATIC", "value": "#ops"},
            {"name": "who", "type": "DATA", "value": "/user/name"},
            {"name": "note", "type": "DATA", "value": "note"},
            {"name": "size", "type": "DATA", "value": "size", "default": 3},
            {"name": "gone", "type": "DATA", "value": "gone", "required": false},
        ]));
        let event_type = parameters(json!([{"name": "channel", "type": "STATIC", "value": "#vip"}]));
        let payload = Json::from(json!({"user": {"name": "Ada"}, "note": null}));
        let params = resolve_parameters(&action, &event_type, &payload).unwrap();
        assert_eq!(params.to::<Value>().unwrap(), json!({"channel": "#vip", "who": "Ada", "note": null, "size": 3}));
    }

    #[test]
    fn a_required_value_that_is_missing_is_named() {
        let action = parameters(json!([{"name": "who", "type": "DATA", "value": "/user/name"}]));
        let missing = resolve_parameters(&action, &[], &Json::from(json!([1]))).unwrap_err();
        assert_eq!(missing.name, "who");
        assert_eq!(missing.source_path, "/user/name");
    }
}
