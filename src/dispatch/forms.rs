//! The forms in which the value of a secret may stand in a text.

use crate::domain::SecretText;
use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD, Encoding};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write;

/// So much of a form is looked for; from there on it is compared. Long enough that nothing else begins like it.
pub(super) const HEAD_BYTES: usize = 64;
/// Lines, and texts within JSON, that are hidden for themselves. Shorter ones say little and stand everywhere.
const PART_BYTES_MIN: usize = 8;
/// Parts of one value: those of a certificate's whole chain.
const PARTS_MAX: usize = 1_000;

const UPPER: &[u8; 16] = b"0123456789ABCDEF";
const LOWER: &[u8; 16] = b"0123456789abcdef";

/// Every form of a value, each once.
pub(super) fn forms(text: &str) -> BTreeSet<String> {
    let mut forms = BTreeSet::new();
    // Whoever reads a value from a file or sends it in a header trims it.
    for text in BTreeSet::from([text, text.trim()]) {
        if text.len() >= SecretText::BYTES_MIN {
            forms.insert(text.to_owned());
            escaped(text, &mut forms);
            base64(text.as_bytes(), &mut forms);
            percent(text, &mut forms);
            forms.insert(hex(text.as_bytes(), LOWER));
            forms.insert(hex(text.as_bytes(), UPPER));
        }
    }
    let mut parts = BTreeSet::new();
    of_lines(text, &mut parts);
    if let Ok(value) = serde_json::from_str::<Value>(text) {
        of_json(&value, &mut parts);
    }
    for part in parts {
        escaped(&part, &mut forms);
        forms.insert(part);
    }
    forms
}

/// As it stands within quotes: what JSON writers of several languages make of it, once and in a JSON text within another,
/// and Rust's debug form.
fn escaped(text: &str, forms: &mut BTreeSet<String>) {
    let within_quotes = |text: &str| {
        let quoted = Value::from(text).to_string();
        quoted[1..quoted.len() - 1].to_owned()
    };
    let json = within_quotes(text);
    let slashes = json.replace('/', "\\/");
    let for_html = json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
    for form in [&json, &slashes, &for_html] {
        forms.insert(ascii(form, LOWER));
        forms.insert(ascii(form, UPPER));
    }
    forms.insert(within_quotes(&json));
    let debug = format!("{text:?}");
    forms.insert(debug[1..debug.len() - 1].to_owned());
    forms.extend([json, slashes, for_html]);
}

/// With everything that is not ASCII escaped.
fn ascii(text: &str, digits: &[u8; 16]) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut units = [0; 2];
    for letter in text.chars() {
        if letter.is_ascii() {
            escaped.push(letter);
            continue;
        }
        for unit in letter.encode_utf16(&mut units) {
            // Writing to a text does not fail.
            let _ = write!(escaped, "\\u{}", hex(&unit.to_be_bytes(), digits));
        }
    }
    escaped
}

/// Alone, and within something longer: there it begins at one of three places of a group of four letters, and what its
/// neighbours have a part in is left out.
fn base64(bytes: &[u8], forms: &mut BTreeSet<String>) {
    let encodings: [(Encoding, Encoding); 2] = [(BASE64, BASE64_NOPAD), (BASE64URL, BASE64URL_NOPAD)];
    for (padded, unpadded) in encodings {
        forms.insert(padded.encode(bytes));
        for before in 0..3 {
            let within = [&[0; 3][..before], bytes].concat();
            let own = (before * 8).div_ceil(6)..within.len() * 8 / 6;
            forms.insert(unpadded.encode(&within)[own].to_owned());
        }
    }
}

/// With what is no letter or digit as `%2F`, but for what one or another kind of writer leaves: nothing, RFC 3986, paths,
/// `encodeURIComponent`, `encodeURI`, forms.
fn percent(text: &str, forms: &mut BTreeSet<String>) {
    for left in ["", "-._~", "-._~/", "-_.!~*'()", "-_.!~*'();/?:@&=+$,#", "*-._ "] {
        for digits in [UPPER, LOWER] {
            let mut form = String::with_capacity(text.len());
            for byte in text.bytes() {
                match byte {
                    b' ' if left.contains(' ') => form.push('+'),
                    _ if byte.is_ascii_alphanumeric() || left.as_bytes().contains(&byte) => form.push(char::from(byte)),
                    _ => form.extend(["%", &hex(&[byte], digits)]),
                }
            }
            forms.insert(form);
        }
    }
}

fn hex(bytes: &[u8], digits: &[u8; 16]) -> String {
    let digit = |value: u8| char::from(digits[usize::from(value)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// What is printed is cut into lines, so those of a longer value are found one by one.
fn of_lines(text: &str, parts: &mut BTreeSet<String>) {
    if text.contains('\n') {
        for line in text.lines().map(str::trim).filter(|line| line.len() >= PART_BYTES_MIN) {
            insert(line, parts);
        }
    }
}

/// A value may be a document with the real secret in it.
fn of_json(value: &Value, parts: &mut BTreeSet<String>) {
    match value {
        Value::String(text) if text.len() >= PART_BYTES_MIN => {
            insert(text.trim(), parts);
            of_lines(text, parts);
        }
        Value::Array(items) => items.iter().for_each(|item| of_json(item, parts)),
        Value::Object(members) => members.values().for_each(|member| of_json(member, parts)),
        _ => {}
    }
}

fn insert(part: &str, parts: &mut BTreeSet<String>) {
    if part.len() >= PART_BYTES_MIN && parts.len() < PARTS_MAX {
        parts.insert(part.to_owned());
    }
}
