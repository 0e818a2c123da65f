//! What differs between two versions of an action: field by field, and in each line by line.

use super::show;
use crate::api::action::ActionOut;
use crate::domain::Json;
use serde_json::Value;
use similar::{ChangeTag, TextDiff};
use std::time::Duration;

/// The fields that versions differ in, as people call them, in the order of the form.
const FIELDS: [(&str, &str); 19] = [
    ("name", "Name"),
    ("description", "Description"),
    ("module", "Module"),
    ("language", "Language"),
    ("code", "Code"),
    ("enabled", "Enabled"),
    ("trigger", "Trigger"),
    ("on_success", "On Success"),
    ("on_failure", "On Failure"),
    ("dedup_mode", "Dedup mode"),
    ("continue_on_fail", "Continue on fail"),
    ("public", "Public"),
    ("when", "When"),
    ("parameters", "Parameters"),
    ("input", "Input schema"),
    ("retry", "Retry"),
    ("limits", "Limits"),
    ("allowed_hosts", "Allowed hosts"),
    ("owner_id", "Tenant"),
];

/// Lines around a change.
const CONTEXT: usize = 3;
/// Lines of one field at most: nobody reads more, and a browser need not.
const LINES_MAX: usize = 1_000;
/// Past this a comparison of long texts becomes coarser.
const PATIENCE: Duration = Duration::from_millis(100);

/// One field that is not the same.
pub(super) struct Difference {
    pub(super) label: &'static str,
    pub(super) lines: Vec<Line>,
    /// Whether lines were left out at the end.
    pub(super) is_cut: bool,
}

#[derive(Debug, PartialEq)]
pub(super) struct Line {
    pub(super) kind: Kind,
    pub(super) text: String,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Same,
    Gone,
    New,
    /// Lines that are the same are left out here.
    Gap,
}

/// The labels of the fields that differ.
pub(super) fn changed(old: &ActionOut, new: &ActionOut) -> Vec<&'static str> {
    let (old, new) = (fields(old), fields(new));
    let differs = FIELDS.iter().filter(|(field, _)| old.get(*field) != new.get(*field));
    differs.map(|(_, label)| *label).collect()
}

/// All that differs.
pub(super) fn differences(old: &ActionOut, new: &ActionOut) -> Vec<Difference> {
    let (old, new) = (fields(old), fields(new));
    let differs = FIELDS.iter().filter(|(field, _)| old.get(*field) != new.get(*field));
    differs.map(|(field, label)| of_texts(label, &text(old.get(*field)), &text(new.get(*field)))).collect()
}

/// Of code that was left out, as it would have been too much, there is the digest.
fn fields(action: &ActionOut) -> Value {
    let mut fields = serde_json::to_value(action).unwrap_or_default();
    if let (None, Some(digest)) = (&action.code, &action.code_digest) {
        fields["code"] = Value::from(digest.as_str());
    }
    fields
}

/// A text as it is, nothing for what is not there or has nothing in it, the rest as JSON.
fn text(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::Array(items)) if items.is_empty() => String::new(),
        Some(Value::Object(members)) if members.is_empty() => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => show::json(&Json::from(value.clone())),
    }
}

fn of_texts(label: &'static str, old: &str, new: &str) -> Difference {
    let diff = TextDiff::configure().timeout(PATIENCE).diff_lines(old, new);
    let mut lines = Vec::new();
    for (place, group) in diff.grouped_ops(CONTEXT).iter().enumerate() {
        if place > 0 {
            lines.push(Line { kind: Kind::Gap, text: String::new() });
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let kind = match change.tag() {
                ChangeTag::Equal => Kind::Same,
                ChangeTag::Delete => Kind::Gone,
                ChangeTag::Insert => Kind::New,
            };
            lines.push(Line { kind, text: change.value().trim_end_matches(['\n', '\r']).to_owned() });
        }
    }
    let is_cut = lines.len() > LINES_MAX;
    lines.truncate(LINES_MAX);
    Difference { label, lines, is_cut }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(old: &str, new: &str) -> String {
        let sign = |line: &Line| match line.kind {
            Kind::Same => format!(" {}", line.text),
            Kind::Gone => format!("-{}", line.text),
            Kind::New => format!("+{}", line.text),
            Kind::Gap => "…".to_owned(),
        };
        of_texts("Code", old, new).lines.iter().map(sign).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn lines_that_changed_are_shown_with_those_around_them() {
        assert_eq!(drawn("a", "b"), "-a|+b");
        assert_eq!(drawn("", "new\n"), "+new");
        assert_eq!(
            drawn("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n"),
            " 2| 3| 4|-5|+five| 6| 7| 8"
        );
        let many: String = (0..40).map(|n| format!("{n}\n")).collect();
        let two = many.replace("\n5\n", "\nfive\n").replace("\n30\n", "\nthirty\n");
        assert_eq!(drawn(&many, &two), " 2| 3| 4|-5|+five| 6| 7| 8|…| 27| 28| 29|-30|+thirty| 31| 32| 33");
    }

    #[test]
    fn of_a_long_text_the_beginning_of_what_differs_is_shown() {
        let long = |word: &str| (0..LINES_MAX).map(|n| format!("{word} {n}\n")).collect::<String>();
        let difference = of_texts("Code", &long("old"), &long("new"));
        assert!(difference.is_cut);
        assert_eq!(difference.lines.len(), LINES_MAX);
    }
}
