//! The schemas of actions' inputs: checked when an action or an attachment is saved, never while an event is planned.

use super::payload_schema::{SchemaError, Violation, compile, violations};
use crate::domain::{Json, full_input_schema};
use jsonschema::Validator;

/// Whether `schema`, in its long or its short form, can be used to check inputs.
///
/// # Errors
/// It is not a schema of draft 2020-12.
pub fn check_input_schema(schema: &Json) -> Result<(), SchemaError> {
    validator(schema).map(drop)
}

/// For each of `inputs` the places where it breaks the schema of its action; none when there is no schema.
///
/// # Errors
/// The schema cannot be used, which was checked when it was saved.
pub fn input_violations<'a>(
    schema: Option<&Json>,
    inputs: impl IntoIterator<Item = &'a Json>,
) -> Result<Vec<Vec<Violation>>, SchemaError> {
    let validator = schema.map(validator).transpose()?;
    let check = |input| validator.as_ref().map_or_else(Vec::new, |validator| violations(validator, input));
    Ok(inputs.into_iter().map(check).collect())
}

fn validator(schema: &Json) -> Result<Validator, SchemaError> {
    compile(&full_input_schema(schema.to().map_err(|error| SchemaError(error.to_string()))?))
}
