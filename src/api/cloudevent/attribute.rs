//! What attributes may be, and how they stand in headers.

use crate::domain::Timestamp;
use serde_json::{Map, Value};

/// What one attribute may say at most.
const TEXT_BYTES_MAX: usize = 2_048;

pub(super) type Attributes = Map<String, Value>;

/// What is wrong with an attribute, or with `data`.
pub(super) struct Wrong {
    pub(super) name: String,
    pub(super) message: String,
}

pub(super) fn wrong(name: &str, message: impl ToString) -> Wrong {
    Wrong { name: name.to_owned(), message: message.to_string() }
}

pub(super) fn text_of<'a>(attributes: &'a Attributes, name: &str) -> Option<&'a str> {
    attributes.get(name).and_then(Value::as_str)
}

/// A media type without its parameters.
pub(super) fn essence(media_type: &str) -> String {
    media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// What every attribute must be, and those that the specification knows besides.
pub(super) fn check(name: &str, value: &Value) -> Option<Wrong> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    if name.is_empty() || name.len() > 64 || !name.bytes().all(plain) {
        return Some(wrong(name, "the name of an attribute has 1 to 64 lower-case letters and digits"));
    }
    if name == "data" {
        return Some(wrong(name, "no attribute has this name: the data are the body"));
    }
    let text = match value {
        Value::String(text) => text,
        Value::Bool(_) if !is_text(name) => return None,
        Value::Number(number) if !is_text(name) && number.as_i64().is_some_and(|n| i32::try_from(n).is_ok()) => {
            return None;
        }
        _ if is_text(name) => return Some(wrong(name, "it is a text")),
        _ => return Some(wrong(name, "an attribute is a text, a whole number of 32 bits or a boolean")),
    };
    if text.len() > TEXT_BYTES_MAX {
        return Some(wrong(name, format!("it has at most {TEXT_BYTES_MAX} bytes")));
    }
    let message = match name {
        "specversion" if text != "1.0" => format!("`{text}` is not spoken here; 1.0 is"),
        "source" | "dataschema" if !is_uri_reference(text) => "it is a URI reference (RFC 3986)".to_owned(),
        "time" if serde_json::from_value::<Timestamp>(value.clone()).is_err() => "it is a time of RFC 3339".to_owned(),
        "datacontenttype" if !essence(text).contains('/') => "it is a media type, such as application/json".to_owned(),
        _ if is_text(name) && text.is_empty() => "it is empty".to_owned(),
        _ => return None,
    };
    Some(wrong(name, message))
}

/// The attributes of the specification, which are all texts.
fn is_text(name: &str) -> bool {
    ["specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema"].contains(&name)
}

fn is_uri_reference(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&b);
    let is_hex = |part: &str| part.as_bytes().get(..2).is_some_and(|code| code.iter().all(u8::is_ascii_hexdigit));
    !text.is_empty() && text.bytes().all(allowed) && text.split('%').skip(1).all(is_hex)
}

/// Undoes percent-encoding, once (HTTP binding §3.1.3.2).
pub(super) fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('%');
    bytes.extend_from_slice(parts.next()?.as_bytes());
    for part in parts {
        let (code, rest) = part.as_bytes().split_at_checked(2)?;
        bytes.push(*data_encoding::HEXUPPER_PERMISSIVE.decode(code).ok()?.first()?);
        bytes.extend_from_slice(rest);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_percent_decoded_once() {
        for (text, decoded) in [
            ("plain", Some("plain")),
            ("Euro%20%E2%82%AC%20%F0%9F%98%80", Some("Euro € 😀")),
            ("%2525", Some("%25")),
            ("%e2%82%ac", Some("€")),
            ("100%", None),
            ("%zz", None),
            ("%E2", None),
            ("%é", None),
        ] {
            assert_eq!(percent_decoded(text).as_deref(), decoded, "{text}");
        }
    }

    #[test]
    fn a_source_is_a_uri_reference() {
        for good in ["/", "a", "https://example.com/a?b=c#d", "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66", "%20"] {
            assert!(is_uri_reference(good), "{good}");
        }
        for bad in ["", "a b", "ä", "<a>", "%2", "a\n"] {
            assert!(!is_uri_reference(bad), "{bad}");
        }
    }
}
