//! Named values for event types and actions (DESIGN §3.6).

use super::{EntryName, Json, SecretReach, SecretUse};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Where a parameter's value comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", content = "value", rename_all = "UPPERCASE")]
pub enum ParameterValue {
    /// The value itself.
    Static(Value),
    /// A top-level key of the payload, or a JSON Pointer (RFC 6901) when it starts with `/`.
    Data(String),
    /// The key of a secret, which is read at each attempt.
    Secret(EntryName),
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
    /// Whether the guest is given the value. A secret that it is not given, the host puts into its requests.
    #[serde(skip_serializing_if = "is_yes")]
    pub reveal: bool,
}

impl Parameter {
    /// The secret that it takes.
    pub fn secret(&self) -> Option<&EntryName> {
        match &self.value {
            ParameterValue::Secret(key) => Some(key),
            ParameterValue::Static(_) | ParameterValue::Data(_) => None,
        }
    }
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
    #[serde(default = "yes")]
    reveal: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Type {
    Static,
    Data,
    Secret,
}

impl TryFrom<Flat> for Parameter {
    type Error = String;

    fn try_from(flat: Flat) -> Result<Parameter, String> {
        let Flat { name, r#type, value, required, default, locked, reveal } = flat;
        if !reveal && !matches!(r#type, Type::Secret) {
            return Err("`reveal` is for SECRET parameters: the guest sees all others".into());
        }
        let value = match (r#type, value) {
            (Type::Static, value) => ParameterValue::Static(value),
            (Type::Data, Value::String(path)) => ParameterValue::Data(path),
            (Type::Data, _) => return Err("the `value` of a DATA parameter is a text: a key or a JSON Pointer".into()),
            // It would stand in the clear where everybody looks.
            (Type::Secret, _) if default.is_some() => return Err("a SECRET parameter has no `default`".into()),
            (Type::Secret, Value::String(key)) => {
                // The text is not repeated: it may be the secret itself, sent in the wrong place.
                let key = key.parse::<EntryName>().map_err(|error| format!("the key of a secret: {}", error.rule))?;
                ParameterValue::Secret(key)
            }
            (Type::Secret, _) => return Err("the `value` of a SECRET parameter is a text: the key of a secret".into()),
        };
        Ok(Parameter { name, value, required, default, locked, reveal })
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
    /// `None` when there is nothing to read and no default, and for a secret, which is read at each attempt.
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
            ParameterValue::Secret(_) => None,
        };
        let value = found.or(parameter.default.as_ref());
        Resolved { parameter, by, value, is_default: found.is_none() && value.is_some() }
    })
}

/// The params of a run, as far as they are known when it is planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Params {
    /// In the place of a secret it has `{"secret": key}`.
    pub json: Json,
    pub secrets: Vec<SecretUse>,
}

impl Params {
    pub fn none() -> Params {
        Params { json: Json::empty_object(), secrets: Vec::new() }
    }
}

/// Parameters of an action or an event type, and in whose store their secrets are.
pub type ParameterLevel<'a> = (&'a [Parameter], SecretReach);

/// The params an action sees: those of both levels, the event type's winning as the more specific.
///
/// # Errors
/// A required parameter is not in the payload and has no default.
pub fn resolve_parameters(
    (action, of_action): ParameterLevel<'_>,
    (event_type, of_event_type): ParameterLevel<'_>,
    payload: &Json,
) -> Result<Params, ParameterMissing> {
    if action.is_empty() && event_type.is_empty() {
        return Ok(Params::none());
    }
    // A payload that is not an object has no keys; pointers into it still work.
    let payload: Value = payload.to().unwrap_or(Value::Null);
    let mut params = Map::new();
    let mut secrets = Vec::new();
    for Resolved { parameter, by, value, .. } in resolved(action, event_type, &payload) {
        let Parameter { name, required, reveal, .. } = parameter;
        match (value, &parameter.value) {
            (_, ParameterValue::Secret(key)) => {
                let reach = if by == GivenBy::Action { of_action } else { of_event_type };
                params.insert(name.clone(), json!({ "secret": key }));
                let (parameter, key) = (name.clone(), key.clone());
                secrets.push(SecretUse { parameter, key, required: *required, reach, hidden: !reveal });
            }
            (Some(value), _) => {
                params.insert(name.clone(), value.clone());
            }
            (None, ParameterValue::Data(path)) if *required => {
                return Err(ParameterMissing { name: name.clone(), source_path: path.clone() });
            }
            (None, _) => {}
        }
    }
    Ok(Params { json: Json::from(params), secrets })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parameters(value: Value) -> Vec<Parameter> {
        serde_json::from_value(value).unwrap()
    }

    fn resolve(levels: (&[Parameter], &[Parameter]), payload: &Json) -> Result<Params, ParameterMissing> {
        resolve_parameters((levels.0, SecretReach::Own), (levels.1, SecretReach::OwnElseShared), payload)
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
        let params = resolve((&action, &event_type), &payload).unwrap();
        assert!(params.secrets.is_empty());
        assert_eq!(
            params.json.to::<Value>().unwrap(),
            json!({"channel": "#vip", "who": "Ada", "note": null, "size": 3})
        );
    }

    #[test]
    fn a_required_value_that_is_missing_is_named() {
        let action = parameters(json!([{"name": "who", "type": "DATA", "value": "/user/name"}]));
        let missing = resolve((&action, &[]), &Json::from(json!([1]))).unwrap_err();
        assert_eq!(missing.name, "who");
        assert_eq!(missing.source_path, "/user/name");
    }

    #[test]
    fn of_a_secret_there_is_its_key_and_where_to_look_for_it() {
        let action = parameters(json!([
            {"name": "own", "type": "SECRET", "value": "bank.key"},
            {"name": "both", "type": "SECRET", "value": "of-action"},
            {"name": "open", "type": "SECRET", "value": "covered"},
        ]));
        let event_type = parameters(json!([
            {"name": "both", "type": "SECRET", "value": "of-event-type", "required": false},
            {"name": "open", "type": "STATIC", "value": 1},
        ]));
        let params = resolve((&action, &event_type), &Json::empty_object()).unwrap();
        let shown = json!({"own": {"secret": "bank.key"}, "both": {"secret": "of-event-type"}, "open": 1});
        assert_eq!(params.json.to::<Value>().unwrap(), shown);
        let secret = |parameter: &str, key: &str, required, reach| SecretUse {
            parameter: parameter.to_owned(),
            key: key.parse().unwrap(),
            required,
            reach,
            hidden: false,
        };
        let expected = [
            secret("own", "bank.key", true, SecretReach::Own),
            secret("both", "of-event-type", false, SecretReach::OwnElseShared),
        ];
        assert_eq!(params.secrets, expected);
    }

    #[test]
    fn a_secret_parameter_names_a_key_and_nothing_else() {
        let refused = |value: Value| serde_json::from_value::<Parameter>(value).unwrap_err().to_string();
        let key = |value: Value| json!({"name": "p", "type": "SECRET", "value": value});
        for wrong in [json!(5), json!(null), json!({"secret": "k"})] {
            assert!(refused(key(wrong)).contains("the key of a secret"));
        }
        let words = refused(key(json!("hunter2 with a space")));
        assert!(words.contains("starts with a letter") && !words.contains("hunter2"), "{words}");
        let with = |name: &str, value: Value| {
            let mut parameter = key(json!("k"));
            parameter[name] = value;
            parameter
        };
        assert!(refused(with("default", json!("hunter2"))).contains("no `default`"));
        for field in ["required", "reveal"] {
            let written = with(field, json!(false));
            let read: Parameter = serde_json::from_value(written.clone()).unwrap();
            assert_eq!(serde_json::to_value(&read).unwrap(), written);
        }
        assert!(refused(with("revaal", json!(false))).contains("unknown field `revaal`"));
        let shown = json!({"name": "p", "type": "STATIC", "value": 1, "reveal": false});
        assert!(refused(shown).contains("`reveal` is for SECRET parameters"));
    }
}
