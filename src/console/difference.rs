//! What differs between something before and after a change, place by place.

use serde_json::Value;
use std::collections::HashSet;
use std::mem::discriminant;

/// One place that is not as it was.
#[derive(Debug, PartialEq)]
pub(super) struct Differs {
    /// A JSON Pointer.
    pub(super) place: String,
    /// `None` where there was, or is, nothing.
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
}

/// Places shown at most.
const PLACES_MAX: usize = 500;

/// In the order of their places. What only one side has as a whole is told leaf by leaf.
pub(super) fn between(before: Option<&Value>, after: Option<&Value>) -> Vec<Differs> {
    let mut found = Vec::new();
    compare(String::new(), before, after, &mut found);
    found
}

fn compare(place: String, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Differs>) {
    if before == after || found.len() >= PLACES_MAX {
        return;
    }
    let inside = |value: Option<&Value>| value.is_some_and(|value| children(value).next().is_some());
    let is_same_kind = before.zip(after).is_none_or(|(before, after)| discriminant(before) == discriminant(after));
    if !is_same_kind || !inside(before) && !inside(after) {
        let text = |value: Option<&Value>| value.filter(|value| !value.is_null()).map(text);
        let (before, after) = (text(before), text(after));
        found.extend((before != after).then_some(Differs { place, before, after }));
        return;
    }
    let mut names: Vec<String> = before.into_iter().chain(after).flat_map(children).collect();
    // Items of a list stay in their order; members have none.
    if before.or(after).is_some_and(Value::is_object) {
        names.sort_unstable();
    }
    let mut seen = HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
    for name in names {
        compare(format!("{place}/{name}"), child(before, &name), child(after, &name), found);
    }
}

fn child<'a>(value: Option<&'a Value>, name: &str) -> Option<&'a Value> {
    value?.pointer(&format!("/{name}"))
}

/// What is right inside, as a JSON Pointer names it.
fn children(value: &Value) -> Box<dyn Iterator<Item = String> + '_> {
    match value {
        Value::Object(members) => Box::new(members.keys().map(|name| name.replace('~', "~0").replace('/', "~1"))),
        Value::Array(items) => Box::new((0..items.len()).map(|place| place.to_string())),
        _ => Box::new(std::iter::empty()),
    }
}

/// Texts as they are, all else as JSON.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(before: &Value, after: &Value, expected: &[(&str, &str, &str)]) {
        let there = |value: &Value| Some(value).filter(|value| !value.is_null()).cloned();
        let (before, after) = (there(before), there(after));
        let found = between(before.as_ref(), after.as_ref());
        let found: Vec<(String, String, String)> = found
            .into_iter()
            .map(|it| (it.place, it.before.unwrap_or("-".to_owned()), it.after.unwrap_or("-".to_owned())))
            .collect();
        let expected: Vec<(String, String, String)> =
            expected.iter().map(|(p, b, a)| ((*p).to_owned(), (*b).to_owned(), (*a).to_owned())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn only_what_differs_is_told_each_at_its_place() {
        check(
            &json!({ "name": "a", "same": [1, { "x": 2 }], "limits": { "fuel": 1, "memory": 2 } }),
            &json!({ "name": "b", "same": [1, { "x": 2 }], "limits": { "fuel": 3, "memory": 2 } }),
            &[("/limits/fuel", "1", "3"), ("/name", "a", "b")],
        );
        check(&json!({ "l": [1, 2, 3] }), &json!({ "l": [1, 4] }), &[("/l/1", "2", "4"), ("/l/2", "3", "-")]);
        check(&json!({ "a": { "b": 1 } }), &json!({ "a": "text" }), &[("/a", "{\"b\":1}", "text")]);
        check(&json!({ "a/b": 1, "~": 2 }), &json!({ "a/b": 2, "~": 3 }), &[("/a~1b", "1", "2"), ("/~0", "2", "3")]);
        check(&json!({ "a": null }), &json!({}), &[]);
        check(&json!({ "a": {} }), &json!({ "a": [] }), &[("/a", "{}", "[]")]);
    }

    #[test]
    fn what_came_or_went_is_told_leaf_by_leaf() {
        check(&json!(null), &json!({ "name": "a", "on": [true] }), &[("/name", "-", "a"), ("/on/0", "-", "true")]);
        check(&json!({ "name": "a", "of": {} }), &json!(null), &[("/name", "a", "-"), ("/of", "{}", "-")]);
    }

    #[test]
    fn there_is_an_end_to_it() {
        let many: Vec<usize> = (0..2 * PLACES_MAX).collect();
        assert_eq!(between(None, Some(&json!(many))).len(), PLACES_MAX);
    }
}
