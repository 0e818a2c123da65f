//! JSON Schemas (draft 2020-12) that payloads must follow.

use crate::domain::{EventType, EventTypeId, Json};
use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Violations told at most: the first few show the mistake.
const VIOLATIONS_MAX: usize = 20;
/// Compiled schemas kept at most.
const KEPT_MAX: usize = 1_000;

/// Where a payload breaks its schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// JSON Pointer (RFC 6901) into the payload.
    pub pointer: String,
    pub message: String,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a usable JSON Schema: {0}")]
pub struct SchemaError(pub(super) String);

/// Whether `schema` can be used to check payloads. References outside of the document are not followed.
///
/// # Errors
/// It is not a schema of draft 2020-12.
pub fn check_schema(schema: &Json) -> Result<(), SchemaError> {
    compile(&schema.to().map_err(|error| SchemaError(error.to_string()))?).map(drop)
}

pub(super) fn compile(document: &Value) -> Result<Validator, SchemaError> {
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        // Linear in the length of the text: a pattern must not be a way to stop the server.
        .with_pattern_options(PatternOptions::regex())
        .build(document)
        .map_err(|error| SchemaError(error.to_string()))
}

/// The places where `value` breaks the schema.
pub(super) fn violations(validator: &Validator, value: &Json) -> Vec<Violation> {
    let value: Value = match value.to() {
        Ok(value) => value,
        Err(error) => return vec![Violation { pointer: String::new(), message: error.to_string() }],
    };
    let violation = |error: jsonschema::ValidationError<'_>| Violation {
        pointer: error.instance_path().to_string(),
        message: error.to_string(),
    };
    validator.iter_errors(&value).take(VIOLATIONS_MAX).map(violation).collect()
}

/// The compiled schemas of event types.
#[derive(Debug, Default)]
pub(super) struct PayloadSchemas(Mutex<HashMap<EventTypeId, (u64, Arc<Validator>)>>);

impl PayloadSchemas {
    /// The places where `payload` breaks the schema of `event_type`; none when it has no schema.
    pub(super) fn violations(&self, event_type: &EventType, payload: &Json) -> Vec<Violation> {
        let Some(schema) = &event_type.payload_schema else { return Vec::new() };
        let validator = match self.validator(event_type, schema) {
            Ok(validator) => validator,
            Err(error) => return vec![Violation { pointer: String::new(), message: error.to_string() }],
        };
        violations(&validator, payload)
    }

    fn validator(&self, event_type: &EventType, schema: &Json) -> Result<Arc<Validator>, SchemaError> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((version, validator)) = kept.get(&event_type.id)
            && *version == event_type.version
        {
            return Ok(Arc::clone(validator));
        }
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        let validator = Arc::new(compile(&schema.to().map_err(|error| SchemaError(error.to_string()))?)?);
        kept.insert(event_type.id, (event_type.version, Arc::clone(&validator)));
        Ok(validator)
    }
}
