//! A form for something of the catalogue: fields named by their places in the body of the API, filled with what is there. One
//! template for all of them; what is refused is shown beside the field whose place it names.

use super::form::Fields;
use super::frame::Frame;
use super::visit::Visit;
use crate::api::error::Problem;
use askama::Template;
use axum::http::header::IF_MATCH;
use axum::http::{HeaderMap, HeaderValue};
use serde::Serialize;
use serde_json::Value;

#[derive(Template)]
#[template(path = "sheet.html")]
pub(super) struct Sheet {
    pub(super) frame: Frame,
    pub(super) explained: String,
    pub(super) groups: Vec<Group>,
    /// Where it goes, and where to go without.
    pub(super) action: String,
    pub(super) back: String,
    /// What the button says.
    pub(super) verb: &'static str,
    /// What the fields were filled with; `None` for what is new.
    pub(super) version: Option<u64>,
}

/// Fields that belong together.
pub(super) struct Group {
    /// Empty for those that need none.
    pub(super) legend: &'static str,
    pub(super) hint: String,
    pub(super) fields: Vec<Field>,
    /// What is shown of them as they are filled in: where to ask, with which of them.
    pub(super) preview: Option<(&'static str, &'static str)>,
}

/// One field; `name` is as `form` has it: a place, and behind a colon what its text is.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) hint: String,
    pub(super) value: String,
    pub(super) input: Input,
    pub(super) is_required: bool,
}

pub(super) enum Input {
    /// Of this type: `text`, `number`, `password`, `datetime-local`.
    Line(&'static str),
    /// Text of which some is offered.
    Offered(Vec<String>),
    Lines(u8),
    Flag,
    /// Values with their labels.
    Choice(Vec<(String, String)>),
}

impl Group {
    pub(super) fn new(legend: &'static str, hint: impl Into<String>, fields: Vec<Field>) -> Group {
        Group { legend, hint: hint.into(), fields, preview: None }
    }
}

impl Field {
    fn new(name: &'static str, label: &'static str, input: Input) -> Field {
        Field { name, label, hint: String::new(), value: String::new(), input, is_required: false }
    }

    pub(super) fn line(name: &'static str, label: &'static str) -> Field {
        Field::new(name, label, Input::Line("text"))
    }

    pub(super) fn number(name: &'static str, label: &'static str) -> Field {
        Field::new(name, label, Input::Line("number"))
    }

    /// A value that is typed, and never shown again.
    pub(super) fn password(name: &'static str, label: &'static str) -> Field {
        Field::new(name, label, Input::Line("password"))
    }

    /// A time in the reader's zone.
    pub(super) fn time(name: &'static str, label: &'static str) -> Field {
        Field::new(name, label, Input::Line("datetime-local"))
    }

    pub(super) fn lines(name: &'static str, label: &'static str, rows: u8) -> Field {
        Field::new(name, label, Input::Lines(rows))
    }

    pub(super) fn flag(name: &'static str, label: &'static str) -> Field {
        Field::new(name, label, Input::Flag)
    }

    pub(super) fn offered(name: &'static str, label: &'static str, offered: Vec<String>) -> Field {
        Field::new(name, label, Input::Offered(offered))
    }

    pub(super) fn choice(name: &'static str, label: &'static str, options: &[(&str, &str)]) -> Field {
        let options = options.iter().map(|(value, label)| ((*value).to_owned(), (*label).to_owned())).collect();
        Field::new(name, label, Input::Choice(options))
    }

    pub(super) fn required(self) -> Field {
        Field { is_required: true, ..self }
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> Field {
        Field { hint: hint.into(), ..self }
    }

    /// What a new one begins with.
    pub(super) fn usually(self, value: impl Into<String>) -> Field {
        Field { value: value.into(), ..self }
    }

    /// The text that means what the body has at its place. What is written only stays empty.
    fn fill(&mut self, body: &Value) {
        let (place, kind) = self.name.split_once(':').unwrap_or((self.name, ""));
        self.value = match (&self.input, body.pointer(place).unwrap_or(&Value::Null)) {
            (Input::Line("password"), _) | (_, Value::Null) => String::new(),
            (_, Value::String(text)) if kind != "json" => text.clone(),
            (_, Value::Array(lines)) if kind == "lines" => {
                lines.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n")
            }
            (_, value) if kind == "json" => serde_json::to_string_pretty(value).unwrap_or_default(),
            (_, value) => value.to_string(),
        };
    }

    fn is_flag(&self) -> bool {
        matches!(self.input, Input::Flag)
    }

    /// Whether it is something else than people's words.
    fn is_code(&self) -> bool {
        !self.name.ends_with(":text")
    }

    fn is_checked(&self) -> bool {
        self.value == "true"
    }
}

impl Sheet {
    /// For what is there already: its fields have what it has, and hold as long as nobody else changes it.
    pub(super) fn filled(mut self, shown: &impl Serialize) -> Sheet {
        let body = serde_json::to_value(shown).unwrap_or_default();
        self.groups.iter_mut().flat_map(|group| &mut group.fields).for_each(|field| field.fill(&body));
        self.version = body.get("version").and_then(Value::as_u64);
        self
    }
}

/// The precondition that a form was sent with: that what it was filled with, or what was asked about, is still there.
pub(super) fn unchanged(visit: &Visit, fields: &Fields) -> HeaderMap {
    let asked = Fields::of_query(Some(visit.query()));
    precondition(Some(fields.get("version")).filter(|version| !version.is_empty()).unwrap_or(asked.get("version")))
}

/// The address of a change of what is asked about as it is now.
pub(super) fn of_version(path: &str, version: u64) -> String {
    format!("{path}{}version={version}", if path.contains('?') { '&' } else { '?' })
}

fn precondition(version: &str) -> HeaderMap {
    let tag = HeaderValue::from_str(&format!("\"{version}\"")).ok().filter(|_| !version.is_empty());
    tag.into_iter().map(|tag| (IF_MATCH, tag)).collect()
}

/// Says in words that somebody else was quicker; other refusals are as the API says them.
pub(super) fn in_words(problem: Problem) -> Problem {
    if problem.status() != 412 {
        return problem;
    }
    Problem::precondition(
        "Somebody changed it while you had it open, so nothing was done. Whatever you typed is still here: look at the change \
         in another tab, then load this page again and repeat yours.",
    )
}

/// Fields that change something as it is shown into the same with `field` another: of what is shown only what `given` names
/// is part of a body.
pub(super) fn with(shown: &impl Serialize, given: &[&str], (field, value): (&str, Value)) -> Vec<(String, String)> {
    let Ok(Value::Object(shown)) = serde_json::to_value(shown) else { return Vec::new() };
    let version = shown.get("version").map(|version| ("version".to_owned(), version.to_string()));
    let kept = shown.into_iter().filter(|(name, value)| given.contains(&name.as_str()) && !value.is_null());
    let changed = kept.chain([(field.to_owned(), value)]);
    changed.map(|(name, value)| (format!("/{name}:json"), value.to_string())).chain(version).collect()
}

/// The tenant that something new is for, which only the platform chooses.
pub(super) fn owner(visit: &Visit) -> Option<Field> {
    let field = Field::line("/owner_id", "Tenant").hint("Whose it is. Empty: the platform's.");
    visit.sees_all().then_some(field)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_field_has_the_text_that_means_what_is_there() {
        let body = json!({ "name": "x", "on": true, "n": 5, "hosts": ["a", "b"], "payload": { "a": 1 }, "text": "t",
            "value": "secret", "none": null });
        let filled = |mut field: Field| {
            field.fill(&body);
            field.value
        };
        assert_eq!(filled(Field::line("/name", "")), "x");
        assert_eq!(filled(Field::flag("/on:flag", "")), "true");
        assert_eq!(filled(Field::number("/n:number", "")), "5");
        assert_eq!(filled(Field::lines("/hosts:lines", "", 3)), "a\nb");
        assert_eq!(filled(Field::lines("/payload:json", "", 3)), "{\n  \"a\": 1\n}");
        assert_eq!(filled(Field::lines("/text:json", "", 3)), "\"t\"");
        assert_eq!(filled(Field::lines("/text:text", "", 3)), "t");
        for nothing in [Field::password("/value", ""), Field::line("/none", ""), Field::line("/a/b", "").usually("x")] {
            assert_eq!(filled(nothing), "");
        }
    }

    #[test]
    fn a_form_is_sent_for_what_it_was_filled_with() {
        assert_eq!(precondition("7")[IF_MATCH], "\"7\"");
        assert!(precondition("").is_empty() && precondition("\n").is_empty());
        assert_eq!(
            (of_version("/a", 3), of_version("/a?b=c", 3)),
            ("/a?version=3".to_owned(), "/a?b=c&version=3".to_owned())
        );
    }

    #[test]
    fn fields_mean_what_is_shown_with_one_field_another() {
        let shown = json!({ "id": "1", "name": "x", "enabled": true, "cron": null, "version": 3 });
        let sent = with(&shown, &["name", "cron"], ("enabled", Value::from(false)));
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(sent, [pair("/name:json", "\"x\""), pair("/enabled:json", "false"), pair("version", "3")]);
    }
}
