//! Parameters as an action or an event type has them: in words, and in a form. Of a secret there is its key, nothing else.

use super::form::written;
use crate::domain::{Parameter, ParameterValue};

/// A parameter as it is read, or as a row of a form.
pub(super) struct Row {
    /// From 0.
    pub(super) number: usize,
    pub(super) name: String,
    /// `STATIC`, `DATA` or `SECRET`.
    pub(super) kind: &'static str,
    /// The value, where it is read from, or the key of the secret.
    pub(super) text: String,
    /// Empty for none.
    pub(super) default: String,
    pub(super) required: bool,
    pub(super) locked: bool,
    pub(super) reveal: bool,
    /// Not filled in yet.
    pub(super) is_blank: bool,
}

pub(super) fn rows(parameters: &[Parameter]) -> Vec<Row> {
    parameters.iter().enumerate().map(|(number, parameter)| Row::of(number, parameter)).collect()
}

/// The same for a form, and one more to be filled in.
pub(super) fn rows_and_one(parameters: &[Parameter]) -> Vec<Row> {
    let mut rows = rows(parameters);
    rows.push(Row {
        number: parameters.len(),
        name: String::new(),
        kind: "STATIC",
        text: String::new(),
        default: String::new(),
        required: true,
        locked: false,
        reveal: true,
        is_blank: true,
    });
    rows
}

impl Row {
    fn of(number: usize, parameter: &Parameter) -> Row {
        let (kind, text) = match &parameter.value {
            ParameterValue::Static(value) => ("STATIC", written(value)),
            ParameterValue::Data(path) => ("DATA", path.clone()),
            ParameterValue::Secret(key) => ("SECRET", key.to_string()),
        };
        Row {
            number,
            name: parameter.name.clone(),
            kind,
            text,
            default: parameter.default.as_ref().map(written).unwrap_or_default(),
            required: parameter.required,
            locked: parameter.locked,
            reveal: parameter.reveal,
            is_blank: false,
        }
    }

    pub(super) fn is_secret(&self) -> bool {
        self.kind == "SECRET"
    }

    pub(super) fn is_data(&self) -> bool {
        self.kind == "DATA"
    }

    /// What holds for it besides.
    pub(super) fn rules(&self) -> String {
        let mut rules = vec![if self.required { "required" } else { "may be missing" }];
        if self.locked {
            rules.push("locked: no event type gives another");
        }
        if !self.reveal {
            rules.push("not given to the code: put into its requests");
        }
        rules.join(", ")
    }
}
