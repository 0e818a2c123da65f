//! A form made from a JSON Schema: a field for each property, as far as fields can show it. What they cannot is a field for
//! JSON, so that whatever the schema asks for can be sent. Who takes what is sent checks it: the form only helps.

use crate::api::extract::escaped;
use crate::domain::{Json, full_input_schema};
use serde_json::{Map, Value};

/// Objects inside of objects that have fields of their own.
const DEPTH_MAX: usize = 4;
/// Fields of one form at most; what has more is written as JSON.
const FIELDS_MAX: usize = 100;
/// The longest list of choices.
const CHOICES_MAX: usize = 200;

/// A form in the order in which it is read.
pub(super) struct SchemaForm {
    pub(super) pieces: Vec<Piece>,
    /// Whether all of it is one field for JSON because there is no other way.
    pub(super) only_json: bool,
}

pub(super) enum Piece {
    /// An object that has fields of its own begins, or ends.
    Begin {
        label: String,
        description: String,
        /// Its place, when it is sent also if all of its fields are empty.
        always: Option<String>,
    },
    End,
    Field(Field),
}

/// One thing to fill in.
pub(super) struct Field {
    /// Its place in what is sent, with its kind behind a colon; see `form`.
    pub(super) name: String,
    pub(super) label: String,
    pub(super) description: String,
    pub(super) required: bool,
    pub(super) value: String,
    pub(super) control: Control,
}

pub(super) enum Control {
    Text {
        length_max: Option<u64>,
    },
    Number {
        min: String,
        max: String,
        whole: bool,
    },
    /// One of these, each as JSON and as it is read.
    Choice(Vec<(String, String)>),
    /// A text a line.
    Lines,
    Json,
}

impl SchemaForm {
    /// For a value at `place`; `value` is what it is now, without one the schema's defaults are filled in.
    pub(super) fn of(schema: Option<&Json>, value: Option<&Json>, place: &str) -> SchemaForm {
        let schema = schema.and_then(|schema| schema.to::<Value>().ok()).map(full_input_schema);
        let given = value.map(|value| value.to::<Value>().unwrap_or_default());
        let mut pieces = Vec::new();
        let shown = schema.as_ref().and_then(|schema| object(schema, given.as_ref(), place, 0, &mut pieces));
        if shown.is_none() || pieces.len() > FIELDS_MAX {
            return SchemaForm { pieces: vec![Piece::Field(whole(given, place))], only_json: true };
        }
        SchemaForm { pieces, only_json: false }
    }

    /// The same as one field for JSON.
    pub(super) fn as_json(value: Option<&Json>, place: &str) -> SchemaForm {
        let given = value.map(|value| value.to::<Value>().unwrap_or_default());
        SchemaForm { pieces: vec![Piece::Field(whole(given, place))], only_json: false }
    }
}

fn whole(given: Option<Value>, place: &str) -> Field {
    let value = given.unwrap_or_else(|| Value::Object(Map::new()));
    json_field(place, ("Input", String::new()), true, Some(&value))
}

/// The fields of an object's properties; `None` where its schema says more than fields can show.
fn object(schema: &Value, given: Option<&Value>, place: &str, depth: usize, pieces: &mut Vec<Piece>) -> Option<()> {
    let members = schema.as_object()?;
    let says_more = ["$ref", "anyOf", "oneOf", "allOf", "not", "if", "patternProperties", "enum", "const"];
    let properties = members.get("properties").and_then(Value::as_object)?;
    let given = match given {
        None => None,
        Some(given) => Some(given.as_object()?),
    };
    let names = properties.keys().chain(given.into_iter().flat_map(Map::keys));
    // A place is written with slashes, its kind behind a colon, and a 0 begins a list.
    let is_plain = |name: &String| !name.is_empty() && !name.contains(':') && name != "0";
    if says_more.iter().any(|word| members.contains_key(*word)) || properties.is_empty() || !names.clone().all(is_plain)
    {
        return None;
    }
    let required = |name: &str| {
        let list = members.get("required").and_then(Value::as_array);
        list.is_some_and(|list| list.iter().any(|required| required.as_str() == Some(name)))
    };
    let mut ordered: Vec<(&String, &Value)> = properties.iter().collect();
    ordered.sort_by_key(|(name, _)| !required(name));
    for (name, schema) in ordered {
        let value = match given {
            Some(given) => given.get(name),
            None => schema.get("default"),
        };
        let place = format!("{place}/{}", escaped(name));
        property(schema, (name, required(name)), value, (&place, depth), pieces);
    }
    // What the schema does not name, and somebody gave all the same.
    for (name, value) in given.into_iter().flatten().filter(|(name, _)| !properties.contains_key(*name)) {
        let words = (name.as_str(), "not in the schema".to_owned());
        pieces.push(Piece::Field(json_field(&format!("{place}/{}", escaped(name)), words, false, Some(value))));
    }
    Some(())
}

fn property(
    schema: &Value,
    (name, required): (&str, bool),
    value: Option<&Value>,
    (place, depth): (&str, usize),
    pieces: &mut Vec<Piece>,
) {
    let text = |member: &str| schema.get(member).and_then(Value::as_str).unwrap_or_default().to_owned();
    let label = Some(text("title")).filter(|title| !title.is_empty()).unwrap_or_else(|| name.to_owned());
    let description = text("description");
    if kind(schema) == Some("object") && depth + 1 < DEPTH_MAX {
        let begun = pieces.len();
        let always = required.then(|| place.to_owned());
        pieces.push(Piece::Begin { label: label.clone(), description: description.clone(), always });
        if object(schema, value, place, depth + 1, pieces).is_some() {
            return pieces.push(Piece::End);
        }
        pieces.truncate(begun);
    }
    let field = match control(schema) {
        Some((control, kind)) => written(&control, value).map(|value| Field {
            name: format!("{place}{kind}"),
            label: label.clone(),
            description: description.clone(),
            required,
            value,
            control,
        }),
        None => None,
    };
    pieces.push(Piece::Field(field.unwrap_or_else(|| json_field(place, (&label, description), required, value))));
}

/// The one type that a schema names, `null` aside.
fn kind(schema: &Value) -> Option<&str> {
    match schema.get("type")? {
        Value::String(kind) => Some(kind),
        Value::Array(kinds) => {
            let mut kinds = kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null");
            kinds.next().filter(|_| kinds.next().is_none())
        }
        _ => None,
    }
}

/// How a property is filled in, and the kind of its field.
fn control(schema: &Value) -> Option<(Control, &'static str)> {
    if ["$ref", "anyOf", "oneOf", "allOf", "not", "if"].iter().any(|word| schema.get(word).is_some()) {
        return None;
    }
    if let Some(only) = schema.get("const") {
        return Some((Control::Choice(vec![choice(only)]), ":json"));
    }
    if let Some(choices) = schema.get("enum") {
        let choices = choices.as_array().filter(|choices| choices.len() <= CHOICES_MAX)?;
        return Some((Control::Choice(choices.iter().map(choice).collect()), ":json"));
    }
    let number = |member: &str| schema.get(member).filter(|value| value.is_number()).map(Value::to_string);
    match kind(schema)? {
        "string" => Some((Control::Text { length_max: schema.get("maxLength").and_then(Value::as_u64) }, "")),
        kind @ ("integer" | "number") => {
            let (min, max) = (number("minimum").unwrap_or_default(), number("maximum").unwrap_or_default());
            Some((Control::Number { min, max, whole: kind == "integer" }, ":number"))
        }
        "boolean" => Some((Control::Choice(vec![choice(&Value::Bool(true)), choice(&Value::Bool(false))]), ":json")),
        "array" => {
            let items = schema.get("items")?;
            let plain = kind_of_items(items) && items.get("enum").is_none();
            plain.then_some((Control::Lines, ":list"))
        }
        _ => None,
    }
}

fn kind_of_items(items: &Value) -> bool {
    kind(items) == Some("string") && matches!(control(items), Some((Control::Text { .. }, _)))
}

fn choice(value: &Value) -> (String, String) {
    let words = match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        other => other.to_string(),
    };
    (value.to_string(), words)
}

/// What stands in the field; `None` when the field would send something else than the value.
fn written(control: &Control, value: Option<&Value>) -> Option<String> {
    let Some(value) = value else { return Some(String::new()) };
    let is_kept = |text: &str| !text.is_empty() && text.trim() == text && !text.contains(['\n', '\r']);
    match (control, value) {
        (Control::Text { .. }, Value::String(text)) => is_kept(text).then(|| text.clone()),
        (Control::Number { .. }, Value::Number(number)) => Some(number.to_string()),
        (Control::Choice(choices), value) => {
            let text = value.to_string();
            choices.iter().any(|(known, _)| *known == text).then_some(text)
        }
        (Control::Lines, Value::Array(items)) => {
            let lines: Option<Vec<&str>> =
                items.iter().map(|item| item.as_str().filter(|text| is_kept(text))).collect();
            // No line means that there is no list.
            lines.filter(|lines| !lines.is_empty()).map(|lines| lines.join("\n"))
        }
        _ => None,
    }
}

fn json_field(place: &str, (label, description): (&str, String), required: bool, value: Option<&Value>) -> Field {
    let laid_out = |value: &Value| serde_json::to_string_pretty(value).unwrap_or_default();
    Field {
        name: format!("{place}:json"),
        label: label.to_owned(),
        description,
        required,
        value: value.map(laid_out).unwrap_or_default(),
        control: Control::Json,
    }
}

impl Field {
    /// What says that it is read as JSON.
    pub(super) fn is_json(&self) -> bool {
        matches!(self.control, Control::Json)
    }
}

#[cfg(test)]
mod tests {
    use super::super::form::Fields;
    use super::*;
    use serde_json::json;

    fn json_of(value: &Value) -> Json {
        Json::from(value.clone())
    }

    /// What a browser sends that is shown the form and changes nothing.
    fn sent(form: &SchemaForm) -> Value {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("/input:json", "{}");
        for piece in &form.pieces {
            match piece {
                Piece::Field(field) => drop(query.append_pair(&field.name, &field.value)),
                Piece::Begin { always: Some(place), .. } => drop(query.append_pair(&format!("{place}:json"), "{}")),
                Piece::Begin { .. } | Piece::End => {}
            }
        }
        Fields::of(query.finish().as_bytes()).json().unwrap()["input"].clone()
    }

    fn names(form: &SchemaForm) -> Vec<String> {
        let field = |piece: &Piece| match piece {
            Piece::Field(field) => Some(field.name.clone()),
            _ => None,
        };
        form.pieces.iter().filter_map(field).collect()
    }

    fn schema() -> Value {
        json!({
            "type": "object",
            "required": ["channel"],
            "properties": {
                "channel": { "type": "string", "title": "Channel", "maxLength": 20, "default": "#ops" },
                "count": { "type": "integer", "minimum": 1, "maximum": 9 },
                "ratio": { "type": ["number", "null"] },
                "loud": { "type": "boolean", "default": false },
                "colour": { "enum": ["red", 3, null] },
                "people": { "type": "array", "items": { "type": "string" } },
                "sizes": { "type": "array", "items": { "type": "integer" } },
                "either": { "oneOf": [{ "type": "string" }, { "type": "null" }] },
                "place": { "type": "object", "required": ["city"], "properties": { "city": { "type": "string" }, "a/b": { "type": "integer" } } },
            },
        })
    }

    #[test]
    fn each_property_has_the_field_that_shows_it_and_what_none_shows_is_json() {
        let form = SchemaForm::of(Some(&json_of(&schema())), None, "/input");
        assert!(!form.only_json);
        let expected = [
            "/input/channel",
            "/input/colour:json",
            "/input/count:number",
            "/input/either:json",
            "/input/loud:json",
            "/input/people:list",
            "/input/place/city",
            "/input/place/a~1b:number",
            "/input/ratio:number",
            "/input/sizes:json",
        ];
        assert_eq!(names(&form), expected);
        assert_eq!(sent(&form), json!({ "channel": "#ops", "loud": false }), "defaults are filled in");
    }

    #[test]
    fn what_is_there_is_sent_as_it_is_unless_somebody_changes_it() {
        for value in [
            json!({}),
            json!({ "channel": " with spaces ", "count": 3, "ratio": 0.5, "loud": true, "colour": null }),
            json!({ "channel": "two\nlines", "people": ["a", "b"], "sizes": [1, 2], "either": null }),
            json!({ "people": [], "colour": "green", "count": "three", "more": { "than": ["the", "schema"] } }),
            json!({ "place": { "city": "Ulm", "a/b": 1, "zip": "89073" }, "channel": "" }),
        ] {
            let form = SchemaForm::of(Some(&json_of(&schema())), Some(&json_of(&value)), "/input");
            assert_eq!(sent(&form), value);
            assert_eq!(sent(&SchemaForm::as_json(Some(&json_of(&value)), "/input")), value);
        }
    }

    #[test]
    fn a_schema_that_fields_cannot_show_is_one_field_for_json() {
        let many: Map<String, Value> =
            (0..=FIELDS_MAX).map(|n| (format!("p{n}"), json!({ "type": "string" }))).collect();
        for schema in [
            None,
            Some(json!(true)),
            Some(json!({ "type": "array" })),
            Some(json!({ "type": "object" })),
            Some(json!({ "allOf": [{ "properties": { "a": {} } }], "properties": { "a": {} } })),
            Some(json!({ "properties": { "a:b": { "type": "string" } } })),
            Some(json!({ "properties": many })),
        ] {
            let form = SchemaForm::of(schema.as_ref().map(json_of).as_ref(), None, "/input");
            assert!(form.only_json, "{schema:?}");
            assert_eq!((names(&form), sent(&form)), (vec!["/input:json".to_owned()], json!({})), "{schema:?}");
        }
    }

    #[test]
    fn objects_in_objects_have_fields_down_to_a_depth() {
        let deep = (0..6).fold(
            json!({ "type": "string" }),
            |inner, _| json!({ "type": "object", "properties": { "x": inner }, "required": ["x"] }),
        );
        let form = SchemaForm::of(Some(&json_of(&deep)), None, "/input");
        assert_eq!(names(&form), ["/input/x/x/x/x:json"]);
        let value = json!({ "x": { "x": { "x": { "x": { "x": { "x": "deep" } } } } } });
        assert_eq!(sent(&SchemaForm::of(Some(&json_of(&deep)), Some(&json_of(&value)), "/input")), value);
    }

    #[test]
    fn the_short_form_of_a_schema_is_understood() {
        let short = json!({ "channel": { "type": "string", "required": true, "description": "Where to" } });
        let form = SchemaForm::of(Some(&json_of(&short)), None, "/input");
        let [Piece::Field(field)] = form.pieces.as_slice() else { panic!("one field") };
        assert_eq!((field.label.as_str(), field.description.as_str(), field.required), ("channel", "Where to", true));
    }
}
