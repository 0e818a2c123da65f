//! Parameters as actions and event types have them in their bodies.

use super::error::Fault;
use crate::domain::{Parameter, TenantId};
use crate::store::Catalogue;
use std::collections::HashSet;
use utoipa::ToSchema;

/// A named value that the action gets in `params`.
#[derive(ToSchema)]
#[schema(as = Parameter)]
#[expect(dead_code, reason = "describes a type of the domain for the document")]
pub(crate) struct ParameterSchema {
    name: String,
    /// `STATIC`: `value` is the value. `DATA`: `value` is a key of the payload, or a JSON Pointer when it starts with `/`.
    /// `SECRET`: `value` is the key of a secret, read at each attempt from the store of the tenant whose run it is; what
    /// the platform owns may also name the platform's, and only the platform's code is given those.
    r#type: String,
    value: serde_json::Value,
    /// Default true: a missing value ends the run before it starts.
    required: Option<bool>,
    /// Taken when the value is missing; a `SECRET` has none.
    default: Option<serde_json::Value>,
    locked: Option<bool>,
    /// Default true. A `SECRET` with false is not given to the guest: its param is a placeholder, for which the value stands
    /// in the headers, the query and the body of requests to the `allowed_hosts` of the secret.
    reveal: Option<bool>,
}

/// Names are given once each and are not too many.
pub(crate) fn check_parameters(parameters: &[Parameter]) -> Vec<Fault> {
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

/// Names a secret that a tenant's parameter takes and that is not there yet: its runs would end without it.
pub(crate) fn unset_secret(catalogue: &Catalogue, owner: &TenantId, parameters: &[Parameter]) -> Option<String> {
    let required = parameters.iter().filter(|parameter| parameter.required);
    let mut named = required.filter_map(|parameter| Some((parameter, parameter.secret()?)));
    let unset = named.find(|(_, key)| {
        let found = catalogue.secrets().named(owner, key);
        found.is_none_or(|secret| secret.header.owner_id != *owner)
    });
    unset.map(|(parameter, key)| {
        format!("the parameter `{}` takes the secret `{key}`, which is not set", parameter.name)
    })
}
