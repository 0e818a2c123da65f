//! A sample that follows a JSON Schema, to begin with: what the schema itself gives as an example, else the plainest of each
//! type. It need not be valid; what is wrong with it is told when it is used.

use serde_json::{Map, Value, json};

/// Schemas in schemas at most, and members of one object.
const DEPTH_MAX: usize = 12;
const MEMBERS_MAX: usize = 50;

pub(super) fn sample(schema: &Value) -> Value {
    of(schema, schema, 0)
}

fn of(schema: &Value, root: &Value, depth: usize) -> Value {
    if depth > DEPTH_MAX {
        return Value::Null;
    }
    let first = |name: &str| schema.get(name).and_then(Value::as_array).and_then(|list| list.first());
    let given = [schema.get("const"), schema.get("default"), first("examples"), schema.get("example"), first("enum")];
    if let Some(given) = given.into_iter().flatten().next() {
        return given.clone();
    }
    if let Some(target) = schema.get("$ref").and_then(Value::as_str).and_then(|to| root.pointer(to.strip_prefix('#')?))
    {
        return of(target, root, depth + 1);
    }
    if let Some(one) = first("oneOf").or_else(|| first("anyOf")) {
        return of(one, root, depth + 1);
    }
    let kind = schema.get("type").and_then(|kind| kind.as_str().or_else(|| kind.get(0)?.as_str()));
    match kind {
        Some("string") => text(schema),
        Some("integer" | "number") => number(schema),
        Some("boolean") => json!(false),
        Some("null") => Value::Null,
        Some("array") => array(schema, root, depth),
        Some("object") => object(schema, root, depth),
        _ if schema.get("properties").is_some() || schema.get("allOf").is_some() => object(schema, root, depth),
        _ => json!({}),
    }
}

fn text(schema: &Value) -> Value {
    let text = match schema.get("format").and_then(Value::as_str) {
        Some("date-time") => "2030-01-31T09:30:00Z",
        Some("date") => "2030-01-31",
        Some("time") => "09:30:00Z",
        Some("email") => "ada@example.com",
        Some("uri" | "url") => "https://example.com/",
        Some("uuid") => "00000000-0000-4000-8000-000000000000",
        _ => "text",
    };
    let least = schema.get("minLength").and_then(Value::as_u64).unwrap_or(0).min(1_000);
    let missing = usize::try_from(least).unwrap_or(0).saturating_sub(text.len());
    json!(format!("{text}{}", "x".repeat(missing)))
}

fn number(schema: &Value) -> Value {
    let bound = |name: &str| schema.get(name).filter(|bound| bound.is_number()).cloned();
    let above = schema.get("exclusiveMinimum").and_then(Value::as_i64).map(|bound| json!(bound.saturating_add(1)));
    bound("minimum").or(above).or_else(|| bound("maximum")).unwrap_or(json!(1))
}

fn array(schema: &Value, root: &Value, depth: usize) -> Value {
    let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(1).min(3);
    let item = schema.get("items").filter(|items| items.is_object());
    item.map_or(json!([]), |item| (0..least).map(|_| of(item, root, depth + 1)).collect())
}

fn object(schema: &Value, root: &Value, depth: usize) -> Value {
    let mut members = Map::new();
    let parts = schema.get("allOf").and_then(Value::as_array).into_iter().flatten();
    for part in parts.take(MEMBERS_MAX) {
        if let Value::Object(more) = of(part, root, depth + 1) {
            members.extend(more);
        }
    }
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    for (name, property) in properties.take(MEMBERS_MAX) {
        members.insert(name.clone(), of(property, root, depth + 1));
    }
    Value::Object(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_what_the_schema_gives_and_else_the_plainest() {
        for (schema, expected) in [
            (json!({}), json!({})),
            (json!(true), json!({})),
            (json!({ "type": "string" }), json!("text")),
            (json!({ "type": ["integer", "null"], "minimum": 3 }), json!(3)),
            (json!({ "type": "number", "exclusiveMinimum": 3 }), json!(4)),
            (json!({ "type": "boolean" }), json!(false)),
            (json!({ "type": "string", "minLength": 6 }), json!("textxx")),
            (json!({ "type": "string", "format": "date-time" }), json!("2030-01-31T09:30:00Z")),
            (json!({ "enum": ["red", "blue"] }), json!("red")),
            (json!({ "type": "string", "examples": ["#ops"] }), json!("#ops")),
            (json!({ "type": "array", "items": { "type": "integer" }, "minItems": 2 }), json!([1, 1])),
            (json!({ "anyOf": [{ "type": "null" }, { "type": "string" }] }), Value::Null),
        ] {
            assert_eq!(sample(&schema), expected, "{schema}");
        }
        let booking = json!({
            "type": "object", "required": ["id"], "$defs": { "who": { "properties": { "name": { "default": "Ada" } } } },
            "properties": { "id": { "type": "integer" }, "who": { "$ref": "#/$defs/who" } },
            "allOf": [{ "properties": { "paid": { "type": "boolean" } } }],
        });
        assert_eq!(sample(&booking), json!({ "id": 1, "who": { "name": "Ada" }, "paid": false }));
    }

    #[test]
    fn a_schema_that_names_itself_comes_to_an_end() {
        let endless = json!({ "properties": { "next": { "$ref": "#" } } });
        assert!(sample(&endless).to_string().len() < 500);
    }
}
