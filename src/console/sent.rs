//! What a form of an action or an event type sends: its fields as they are meant, and which field is behind a place.
//!
//! Rows of parameters that nobody filled in are left out, and what a value is follows from the type beside it. So places in
//! the body are not always those in the form; what is refused is told at those in the form.

use super::form::Fields;
use super::visit::Visit;
use crate::api::action;
use crate::api::error::{Fault, Problem};
use crate::domain::{ActionId, TenantId};
use axum::http::{HeaderMap, HeaderValue, header};
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;

pub(super) struct Sent {
    fields: Fields,
    /// Of each parameter in the body the number of its row in the form.
    rows: Vec<usize>,
    /// What rows that somebody filled in lack.
    missing: Vec<Fault>,
}

const PARAMETERS: &str = "/parameters/";

impl Sent {
    pub(super) fn of(form: &Fields) -> Sent {
        let numbers: BTreeSet<usize> =
            form.pairs().filter_map(|(name, _)| row(name)).map(|(number, _)| number).collect();
        let said = |number: usize, field: &str| form.get(&format!("{PARAMETERS}{number}/{field}"));
        let texts = ["name", "value:value", "default:value"];
        let is_filled = |number: &usize| texts.iter().any(|field| !said(*number, field).trim().is_empty());
        let rows: Vec<usize> = numbers.into_iter().filter(is_filled).collect();
        let mut fields: Vec<(String, String)> = Vec::new();
        for (name, value) in form.pairs() {
            let Some((number, field)) = row(name) else {
                fields.push((name.to_owned(), value.to_owned()));
                continue;
            };
            let Ok(place) = rows.binary_search(&number) else { continue };
            if let Some(field) = meant(field, said(number, "type")) {
                fields.push((format!("{PARAMETERS}{place}/{field}"), value.to_owned()));
            }
        }
        let lacks = |number: usize, field: &str| said(number, field).trim().is_empty();
        let missing = rows.iter().flat_map(|number| {
            let fault = |field: &str, words| Fault::new(format!("{PARAMETERS}{number}/{field}"), words);
            let name = lacks(*number, "name").then(|| fault("name", "give it a name"));
            let value = lacks(*number, "value:value").then(|| fault("value", "give it a value; an empty text is \"\""));
            name.into_iter().chain(value)
        });
        let missing = missing.collect();
        // The rows may stand in any order in the form; lists are numbered upwards.
        fields.sort_by_key(|(name, _)| row(name).map_or(0, |(number, _)| number + 1));
        Sent { fields: Fields::from_pairs(fields), rows, missing }
    }

    /// The same with the id of the action that the text at `/action` names to `owner`.
    pub(super) fn with_action(self, visit: &Visit, owner: &TenantId) -> Result<Sent, Problem> {
        let text = self.fields.get("/action").trim().to_owned();
        if text.is_empty() || text.parse::<ActionId>().is_ok() {
            return Ok(self);
        }
        let found = action::named(visit.api(), owner, &text);
        let missing = || Problem::invalid(vec![Fault::new("/action", format!("there is no action `{text}`"))]);
        let id = found.ok_or_else(missing)?.id.to_string();
        let named = |(name, value): (&str, &str)| {
            let value = if name == "/action" { id.clone() } else { value.to_owned() };
            (name.to_owned(), value)
        };
        Ok(Sent { fields: Fields::from_pairs(self.fields.pairs().map(named).collect()), ..self })
    }

    pub(super) fn body<T: DeserializeOwned>(&self, visit: &Visit) -> Result<T, Problem> {
        self.check()?;
        self.fields.body(visit.api()).map_err(|problem| self.told(problem))
    }

    pub(super) fn json(&self) -> Result<serde_json::Value, Problem> {
        self.check()?;
        self.fields.json().map_err(|problem| self.told(problem))
    }

    fn check(&self) -> Result<(), Problem> {
        if self.missing.is_empty() { Ok(()) } else { Err(Problem::invalid(self.missing.clone())) }
    }

    /// The problem with its faults at the places of the form.
    pub(super) fn told(&self, problem: Problem) -> Problem {
        problem.moved(|pointer| {
            let rest = pointer.strip_prefix(PARAMETERS)?;
            let (place, field) =
                rest.split_once('/').map_or((rest, String::new()), |(n, field)| (n, format!("/{field}")));
            let number = self.rows.get(place.parse::<usize>().ok()?)?;
            Some(format!("{PARAMETERS}{number}{field}"))
        })
    }
}

/// The row of a field of a parameter, and which field it is.
fn row(name: &str) -> Option<(usize, &str)> {
    let (number, field) = name.strip_prefix(PARAMETERS)?.split_once('/')?;
    Some((number.parse().ok()?, field))
}

/// The field as it is meant in a row of this type; `None` for what such a row does not have.
fn meant<'a>(field: &'a str, kind: &str) -> Option<&'a str> {
    match field {
        "value:value" if kind != "STATIC" => Some("value"),
        "default:value" if kind == "SECRET" => None,
        "reveal:flag" if kind != "SECRET" => None,
        _ => Some(field),
    }
}

/// `If-Match` with the version that a form began with. A form that does not say which changes nothing.
pub(super) fn if_match(version: &str) -> HeaderMap {
    let tag = HeaderValue::from_str(&format!("\"{version}\"")).unwrap_or(HeaderValue::from_static("\"\""));
    HeaderMap::from_iter([(header::IF_MATCH, tag)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn form(pairs: &[(&str, &str)]) -> Fields {
        Fields::from_pairs(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn rows_that_nobody_filled_in_are_left_out_and_faults_are_told_in_the_rows_that_are_there() {
        let sent = Sent::of(&form(&[
            ("/name", "x"),
            ("/parameters/0/name", ""),
            ("/parameters/0/type", "STATIC"),
            ("/parameters/0/value:value", " "),
            ("/parameters/0/required:flag", "true"),
            ("/parameters/3/name", "size"),
            ("/parameters/3/type", "STATIC"),
            ("/parameters/3/value:value", "3"),
            ("/parameters/3/reveal:flag", "false"),
            ("/parameters/2/name", "who"),
            ("/parameters/2/type", "DATA"),
            ("/parameters/2/value:value", "3"),
            ("/parameters/2/default:value", "[1]"),
            ("/parameters/7/name", "key"),
            ("/parameters/7/type", "SECRET"),
            ("/parameters/7/value:value", "bank.key"),
            ("/parameters/7/default:value", "x"),
            ("/parameters/7/reveal:flag", "false"),
        ]));
        let parameters = json!([
            { "name": "who", "type": "DATA", "value": "3", "default": [1] },
            { "name": "size", "type": "STATIC", "value": 3 },
            { "name": "key", "type": "SECRET", "value": "bank.key", "reveal": false },
        ]);
        assert_eq!(sent.json().unwrap(), json!({ "name": "x", "parameters": parameters }));
        let faults = ["/parameters/2/value", "/parameters/1", "/parameters/9/name", "/name"];
        let told = sent.told(Problem::invalid(faults.map(|place| Fault::new(place, "wrong")).to_vec()));
        let places: Vec<String> = told.into_faults().into_iter().map(|fault| fault.pointer).collect();
        assert_eq!(places, ["/parameters/7/value", "/parameters/3", "/parameters/9/name", "/name"]);
        assert_eq!(Sent::of(&form(&[("/parameters/0/name", "")])).json().unwrap(), json!({}));
        let half = Sent::of(&form(&[("/parameters/4/name", "x"), ("/parameters/5/value:value", "3")]));
        let places: Vec<String> =
            half.json().unwrap_err().into_faults().into_iter().map(|fault| fault.pointer).collect();
        assert_eq!(places, ["/parameters/4/value", "/parameters/5/name"]);
    }

    #[test]
    fn a_form_that_does_not_say_which_version_it_began_with_matches_none() {
        assert_eq!(if_match("7")["if-match"], "\"7\"");
        assert_eq!(if_match("")["if-match"], "\"\"");
        assert_eq!(if_match("7\n")["if-match"], "\"\"");
    }
}
