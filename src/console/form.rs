//! What browsers send: queries and forms as pairs of texts, and the JSON that a form means.
//!
//! A field that belongs to the body of a request of the API is named by its place there, as a JSON Pointer (RFC 6901), so that
//! what the API says about that place can be shown beside the field. Behind a colon stands what its text is: `:json`,
//! `:number`, `:flag` (`true` or not), `:lines` and `:list` (a list of texts), `:text` (also when empty), `:value` (JSON if it
//! reads as such, else a text). A field without is a text that is left out when it is empty, as are empty `:json`, `:number`,
//! `:list` and `:value`. Lists are numbered from 0 without gaps.

use crate::api::Api;
use crate::api::error::{Fault, Problem};
use crate::api::extract;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Fields of a form, or of a query.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Fields(Vec<(String, String)>);

/// Fields of one form at most.
const FIELDS_MAX: usize = 10_000;
/// Items of a list in one form at most.
const ITEMS_MAX: usize = 1_000;

impl Fields {
    pub(super) fn of(bytes: &[u8]) -> Fields {
        let pairs = form_urlencoded::parse(bytes).take(FIELDS_MAX);
        Fields(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    pub(super) fn of_query(query: Option<&str>) -> Fields {
        Fields::of(query.unwrap_or_default().as_bytes())
    }

    /// One pair as it is written in a query.
    pub(super) fn one(name: &str, value: &str) -> String {
        form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish()
    }

    /// Pairs as they are written in a query, without those that are empty.
    pub(super) fn query(pairs: &[(&str, &str)]) -> String {
        let given = pairs.iter().filter(|(_, value)| !value.is_empty());
        form_urlencoded::Serializer::new(String::new()).extend_pairs(given).finish()
    }

    /// The last of that name counts, as with a checkbox in front of which a hidden field says no; empty when there is none.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.iter().rfind(|(found, _)| found == name).map_or("", |(_, value)| value)
    }

    pub(super) fn from_pairs(pairs: Vec<(String, String)>) -> Fields {
        Fields(pairs)
    }

    /// Says something else at a name, or says it first.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.0.retain(|(found, _)| found != name);
        self.0.push((name.to_owned(), value.to_owned()));
    }

    /// In order.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(super) fn retain(&mut self, keep: impl Fn(&str, &str) -> bool) {
        self.0.retain(|(name, value)| keep(name, value));
    }

    /// What a form may have: a body of the API, of which any byte may be written as three.
    pub(super) fn bytes_max(api: &Api) -> usize {
        api.bounds().body_bytes.saturating_mul(3)
    }

    /// The JSON that the fields named by their places mean.
    pub(super) fn json(&self) -> Result<Value, Problem> {
        let mut body = Value::Object(Map::new());
        for (name, text) in self.pairs().filter(|(name, _)| name.starts_with('/')) {
            let (pointer, kind) = name.split_once(':').unwrap_or((name, ""));
            if let Some(value) = value(text, kind).map_err(|words| fault(pointer, words))? {
                put(&mut body, pointer, value).ok_or_else(|| fault(pointer, "there is no such field".to_owned()))?;
            }
        }
        Ok(body)
    }

    /// The same of a form that is yet to be finished: what cannot be what it should is the text that it is.
    pub(super) fn draft(&self) -> Value {
        let mut body = Value::Object(Map::new());
        for (name, text) in self.pairs().filter(|(name, _)| name.starts_with('/')) {
            let (pointer, kind) = name.split_once(':').unwrap_or((name, ""));
            if let Some(value) = value(text, kind).unwrap_or_else(|_| Some(text.into())) {
                // What is in no place is not shown in the form.
                let _ = put(&mut body, pointer, value);
            }
        }
        body
    }

    /// The same as a body of the API, within its bounds and read by its rules.
    pub(super) fn body<T: DeserializeOwned>(&self, api: &Api) -> Result<T, Problem> {
        let bytes = serde_json::to_vec(&self.json()?).map_err(|error| Problem::internal(&error))?;
        if bytes.len() > api.bounds().body_bytes {
            return Err(Problem::too_large("the form", api.bounds().body_bytes));
        }
        extract::parse(&bytes)
    }
}

fn fault(pointer: &str, words: String) -> Problem {
    Problem::invalid(vec![Fault::new(pointer, words)])
}

/// What a text means; `None` leaves it out.
fn value(text: &str, kind: &str) -> Result<Option<Value>, String> {
    let trimmed = text.trim();
    match kind {
        // Browsers end lines of forms with both.
        "" => Ok((!trimmed.is_empty()).then(|| Value::from(trimmed.replace("\r\n", "\n")))),
        "text" => Ok(Some(Value::from(text.replace("\r\n", "\n")))),
        "flag" => Ok(Some(Value::from(trimmed == "true"))),
        "json" | "number" | "list" | "value" if trimmed.is_empty() => Ok(None),
        "lines" | "list" => Ok(Some(trimmed.lines().map(str::trim).filter(|line| !line.is_empty()).collect())),
        "value" => lenient(&trimmed.replace("\r\n", "\n")).map(Some),
        "json" => serde_json::from_str(text).map(Some).map_err(|error| format!("not valid JSON: {error}")),
        "number" => {
            let number = trimmed.parse::<serde_json::Number>().map_err(|_| format!("`{trimmed}` is no number"))?;
            Ok(Some(Value::Number(number)))
        }
        _ => Err(format!("a field cannot be of the kind `{kind}`")),
    }
}

/// What somebody means who writes `3`, `true`, `["a"]` or `#ops`. What begins as JSON does and is none is a mistake.
fn lenient(text: &str) -> Result<Value, String> {
    match serde_json::from_str(text) {
        Ok(value) => Ok(value),
        Err(error) if text.starts_with(['{', '[', '"']) => Err(format!("not valid JSON: {error}")),
        Err(_) => Ok(Value::from(text)),
    }
}

/// A value as `:value` reads it back: texts as they are unless they could be taken for something else.
pub(super) fn written(value: &Value) -> String {
    let plain = |text: &&str| {
        !text.is_empty()
            && text.trim() == *text
            && !text.contains('\r')
            && lenient(text).is_ok_and(|read| read == *value)
    };
    value.as_str().filter(plain).map_or_else(|| value.to_string(), str::to_owned)
}

/// Puts a value where the pointer says, making objects and lists on the way; `None` where there is no such place.
fn put(body: &mut Value, pointer: &str, value: Value) -> Option<()> {
    let mut place = body;
    let mut parts = pointer.split('/').skip(1).peekable();
    while let Some(part) = parts.next() {
        let name = part.replace("~1", "/").replace("~0", "~");
        place = match place {
            Value::Object(map) => map.entry(name).or_insert(Value::Null),
            Value::Array(items) => {
                let at: usize = name.parse().ok().filter(|at| *at <= items.len() && *at < ITEMS_MAX)?;
                if at == items.len() {
                    items.push(Value::Null);
                }
                items.get_mut(at)?
            }
            _ => return None,
        };
        if place.is_null()
            && let Some(next) = parts.peek()
        {
            *place = if *next == "0" { Value::Array(Vec::new()) } else { Value::Object(Map::new()) };
        }
    }
    *place = value;
    Some(())
}

impl FromIterator<(String, String)> for Fields {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(pairs: T) -> Fields {
        Fields(pairs.into_iter().collect())
    }
}

impl<S: Sync> FromRequest<S> for Fields {
    type Rejection = Problem;

    /// `guard` has read it within its bounds, or a header stood for it.
    async fn from_request(request: Request, _: &S) -> Result<Fields, Problem> {
        let visit = request.extensions().get::<super::visit::Visit>().cloned();
        let visit = visit.ok_or_else(|| Problem::unauthorized("sign in at /console/login"))?;
        let bytes: Bytes = extract::read(request.into_body(), "a form", Fields::bytes_max(visit.api())).await?;
        Ok(Fields::of(&bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        Fields(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn a_form_means_the_body_that_its_fields_are_named_after() {
        let form = fields(&[
            ("csrf", "x"),
            ("/name", " noop "),
            ("/description", ""),
            ("/code:text", "a\r\nb\r\n"),
            ("/enabled:flag", "false"),
            ("/enabled:flag", "true"),
            ("/retry/attempts:number", "3"),
            ("/limits/fuel:number", ""),
            ("/input:json", "{\"a\": [1]}"),
            ("/allowed_hosts:lines", "a.example\r\n\r\n b.example"),
            ("/empty:lines", " \n"),
            ("/nothing:list", " \n"),
            ("/people:list", "Ada\r\nBob"),
            ("/parameters/0/name", "one"),
            ("/parameters/1/name", "two"),
            ("/parameters/1/value:json", "null"),
            ("/odd~1name", "x"),
        ]);
        let expected = json!({
            "name": "noop", "code": "a\nb\n", "enabled": true, "retry": { "attempts": 3 }, "input": { "a": [1] },
            "allowed_hosts": ["a.example", "b.example"], "parameters": [{ "name": "one" }, { "name": "two", "value": null }],
            "odd/name": "x", "empty": [], "people": ["Ada", "Bob"],
        });
        assert_eq!(form.json().unwrap(), expected);
    }

    #[test]
    fn a_value_is_read_as_it_was_written() {
        for value in [
            json!("#ops"),
            json!("3"),
            json!(3),
            json!("true"),
            json!(false),
            json!(null),
            json!("null"),
            json!(""),
            json!(" a"),
            json!("a\r\nb"),
            json!("two\nlines"),
            json!("[not json"),
            json!("\"quoted\""),
            json!({ "a": [1, "b"] }),
        ] {
            let text = written(&value);
            let form = fields(&[("/v:value", &text)]);
            assert_eq!(form.json().unwrap(), json!({ "v": value }), "{text}");
        }
        assert_eq!((written(&json!("#ops")), written(&json!("3"))), ("#ops".to_owned(), "\"3\"".to_owned()));
        assert_eq!(fields(&[("/v:value", "two\r\nlines ")]).json().unwrap(), json!({ "v": "two\nlines" }));
        assert_eq!(fields(&[("/v:value", "  ")]).json().unwrap(), json!({}));
        assert!(fields(&[("/v:value", "{\"a\":")]).json().is_err());
    }

    #[test]
    fn what_a_field_cannot_mean_is_said_at_its_place() {
        for (name, text, pointer) in [
            ("/payload:json", "{", "/payload"),
            ("/n:number", "many", "/n"),
            ("/n:colour", "red", "/n"),
            ("/list/0/x", "gap", "/list/2"),
        ] {
            let mut form = fields(&[(name, text)]);
            form.0.push(("/list/0".to_owned(), "a".to_owned()));
            form.0.push(("/list/2".to_owned(), "c".to_owned()));
            let faults = form.json().unwrap_err().into_faults();
            assert_eq!(faults[0].pointer, pointer, "{name}");
        }
        let many = |count: usize| {
            let pairs = (0..count).map(|n| (format!("/list/{n}"), "x".to_owned()));
            Fields(pairs.collect()).json().map(|body| body["list"].as_array().unwrap().len())
        };
        assert_eq!(many(ITEMS_MAX).unwrap(), ITEMS_MAX);
        assert!(many(ITEMS_MAX + 1).is_err());
    }
}
