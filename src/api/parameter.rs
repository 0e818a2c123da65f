//! Parameters as actions and event types have them in their bodies.

use super::error::Fault;
use crate::domain::Parameter;
use std::collections::HashSet;
use utoipa::ToSchema;

/// A named value that the action gets in `params`.
#[derive(ToSchema)]
#[schema(as = Parameter)]
#[expect(dead_code, reason = "describes a type of the domain for the document")]
pub(super) struct ParameterSchema {
    name: String,
    /// `STATIC`: `value` is the value. `DATA`: `value` is a key of the payload, or a JSON Pointer when it starts with `/`.
    r#type: String,
    value: serde_json::Value,
    /// Default true: a missing value ends the run before it starts.
    required: Option<bool>,
    default: Option<serde_json::Value>,
    locked: Option<bool>,
}

/// Names are given once each and are not too many.
pub(super) fn check_parameters(parameters: &[Parameter]) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut seen = HashSet::new();
    if parameters.len() > 100 {
        faults.push(Fault::new("/parameters", "there may be 100 parameters"));
    }
    for (place, parameter) in parameters.iter().enumerate() {
        let pointer = format!("/parameters/{place}/name");
        if parameter.name.is_empty() || parameter.name.len() > 128 {
            faults.push(Fault::new(pointer, "a parameter's name has 1 to 128 bytes"));
        } else if !seen.insert(&parameter.name) {
            faults.push(Fault::new(pointer, format!("the parameter `{}` is given twice", parameter.name)));
        }
    }
    faults
}
