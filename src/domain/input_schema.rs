//! The schema of an action's input, in its two forms (DESIGN §3.2).

use serde_json::{Map, Value, json};

/// The JSON Schema that `schema` means: itself or, of the short form `{"channel": {"type": "string"}}`, an object with
/// those properties. In the short form a property may say `"required": true`.
pub fn full_input_schema(schema: Value) -> Value {
    match schema {
        Value::Object(properties) if is_short(&properties) => full(properties),
        schema => schema,
    }
}

/// Short is what has nothing but schemas as its members. No keyword of JSON Schema takes an object that has a keyword
/// with a plain value, so the two forms cannot be taken for each other.
fn is_short(members: &Map<String, Value>) -> bool {
    let is_schema = |value: &Value| {
        let keyword = |name: &str, plain: fn(&Value) -> bool| value.get(name).is_some_and(plain);
        keyword("type", |kind| kind.is_string() || kind.is_array())
            || keyword("description", Value::is_string)
            || keyword("enum", Value::is_array)
            || keyword("anyOf", Value::is_array)
            || keyword("oneOf", Value::is_array)
            || keyword("required", Value::is_boolean)
    };
    let keyword_of_one_schema = |name: &String| ["not", "if", "then", "else", "items"].contains(&name.as_str());
    !members.is_empty() && members.values().all(is_schema) && !members.keys().all(keyword_of_one_schema)
}

fn full(properties: Map<String, Value>) -> Value {
    let mut required = Vec::new();
    let plain = properties.into_iter().map(|(name, mut schema)| {
        let flag = schema.as_object_mut().filter(|schema| schema.get("required").is_some_and(Value::is_boolean));
        if flag.and_then(|schema| schema.remove("required")) == Some(Value::Bool(true)) {
            required.push(name.clone());
        }
        (name, schema)
    });
    let properties: Map<String, Value> = plain.collect();
    json!({ "type": "object", "properties": properties, "required": required })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_form_means_an_object_with_those_properties() {
        let short = json!({"channel": {"type": "string", "description": "…"}, "type": {"enum": [1], "required": true}});
        let full = json!({
            "type": "object",
            "properties": {"channel": {"type": "string", "description": "…"}, "type": {"enum": [1]}},
            "required": ["type"],
        });
        assert_eq!(full_input_schema(short), full);
    }

    #[test]
    fn a_json_schema_means_itself() {
        for schema in [
            json!({}),
            json!(true),
            json!({"type": "object"}),
            json!({"type": "object", "properties": {"type": {"type": "string"}}}),
            json!({"properties": {"type": {"type": "string"}}}),
            json!({"not": {"type": "string"}}),
            json!({"$ref": "#/$defs/a", "$defs": {"a": {"type": "object"}}}),
        ] {
            assert_eq!(full_input_schema(schema.clone()), schema);
        }
    }
}
