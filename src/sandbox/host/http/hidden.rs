//! Secrets that a guest does not see: put into its requests where it wrote their placeholders, and taken out of answers
//! that say them again.

use super::CallError;
use crate::domain::{Destination, HiddenSecret, HttpFault};
use aho_corasick::{AhoCorasick, MatchKind};
use bytes::Bytes;
use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::Value;
use std::fmt::Write;

/// The hidden secrets of one attempt; mostly none.
pub(super) struct Hidden {
    secrets: Vec<HiddenSecret>,
    /// Every form in which a value may come back, and what stands in its place.
    forms: Option<(AhoCorasick, Vec<Vec<u8>>)>,
}

/// Where a value stands decides how it is written there.
#[derive(Clone, Copy)]
enum Place {
    Plain,
    Json,
    Form,
    Query,
}

impl Hidden {
    pub(super) fn new(secrets: Vec<HiddenSecret>) -> Hidden {
        if secrets.is_empty() {
            return Hidden { secrets, forms: None };
        }
        let (mut from, mut to) = (Vec::new(), Vec::new());
        for secret in &secrets {
            let mut forms: Vec<String> = Vec::new();
            for text in [secret.text.expose(), secret.text.expose().trim()] {
                forms.extend([Place::Plain, Place::Json, Place::Form, Place::Query].map(|place| place.write(text)));
                base64(text.as_bytes(), &mut forms);
            }
            forms.sort();
            forms.dedup();
            for form in forms.into_iter().filter(|form| !form.is_empty()) {
                from.push(form);
                to.push(secret.placeholder.clone().into_bytes());
            }
        }
        // Some texts are bounded by what a run's secrets may have together; the finder takes far more.
        let finder = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&from).ok();
        Hidden { secrets, forms: finder.map(|finder| (finder, to)) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.secrets.is_empty()
    }

    /// Writes values where the placeholders are: in the query, in the values of headers, in the body.
    ///
    /// # Errors
    /// One of them may not be sent there, or stands where none belongs.
    pub(super) fn fill(
        &self,
        destination: &Destination,
        (query, headers, body): (&mut Option<String>, &mut HeaderMap, &mut Bytes),
    ) -> Result<(), CallError> {
        for secret in &self.secrets {
            if destination.path.contains(&secret.placeholder) {
                let parameter = &secret.parameter;
                let message =
                    format!("the parameter `{parameter}` belongs into headers, the query or the body: not the path");
                return Err(CallError::invalid(message));
            }
            let in_query = query.as_ref().is_some_and(|query| query.contains(&secret.placeholder));
            let in_headers = headers.values().any(|value| holds(value, &secret.placeholder));
            let in_body = find(body, secret.placeholder.as_bytes(), 0).is_some();
            if !(in_query || in_headers || in_body) {
                continue;
            }
            secret.check(destination).map_err(|message| CallError::new(HttpFault::Denied, message))?;
            if let Some(query) = query.as_mut().filter(|_| in_query) {
                *query = query.replace(&secret.placeholder, &Place::Query.write(secret.text.expose()));
            }
            if in_body {
                let value = Place::of(headers).write(secret.text.expose());
                *body = replaced(body, secret.placeholder.as_bytes(), value.as_bytes());
            }
            if in_headers {
                fill_headers(headers, secret)?;
            }
        }
        Ok(())
    }

    /// What a peer said, with placeholders where it says a value.
    pub(super) fn take_out(&self, said: Bytes) -> Bytes {
        match &self.forms {
            Some((finder, placeholders)) if finder.is_match(&said[..]) => {
                finder.replace_all_bytes(&said, placeholders).into()
            }
            _ => said,
        }
    }

    /// The same for the values of headers.
    pub(super) fn take_out_of(&self, headers: &mut HeaderMap) {
        if self.is_empty() {
            return;
        }
        for value in headers.values_mut() {
            let said = self.take_out(Bytes::copy_from_slice(value.as_bytes()));
            if said != value.as_bytes() {
                // A header stays one: placeholders are letters, digits and `-`.
                *value = HeaderValue::from_bytes(&said).unwrap_or_else(|_| HeaderValue::from_static(""));
            }
        }
    }
}

impl Place {
    fn of(headers: &HeaderMap) -> Place {
        let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if kind == "application/x-www-form-urlencoded" {
            Place::Form
        } else if kind == "application/json" || kind.ends_with("+json") {
            Place::Json
        } else {
            Place::Plain
        }
    }

    /// A text as it is written in this place, so that it stays one value there whatever is in it.
    fn write(self, text: &str) -> String {
        match self {
            Place::Plain => text.to_owned(),
            Place::Json => {
                let quoted = Value::from(text).to_string();
                quoted[1..quoted.len() - 1].to_owned()
            }
            Place::Form => percent(text).replace("%20", "+"),
            Place::Query => percent(text),
        }
    }
}

/// With everything but letters, digits and `-._~` percent-encoded (RFC 3986 §2.3).
fn percent(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a text does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// Alone, and within something longer such as `user:password`: there it begins at one of three places of a group of four
/// letters, and what its neighbours have a part in is left out.
fn base64(bytes: &[u8], forms: &mut Vec<String>) {
    for (padded, unpadded) in [(BASE64, BASE64_NOPAD), (BASE64URL, BASE64URL_NOPAD)] {
        forms.push(padded.encode(bytes));
        for before in 0..3 {
            let within = [&[0; 3][..before], bytes].concat();
            let own = (before * 8).div_ceil(6)..within.len() * 8 / 6;
            forms.push(unpadded.encode(&within)[own].to_owned());
        }
    }
}

/// Whether a placeholder is in the value of a header, also within what HTTP's `Basic` encodes.
fn holds(value: &HeaderValue, placeholder: &str) -> bool {
    find(value.as_bytes(), placeholder.as_bytes(), 0).is_some()
        || basic(value).is_some_and(|user| find(&user, placeholder.as_bytes(), 0).is_some())
}

/// User and password of `Basic …` (RFC 7617).
fn basic(value: &HeaderValue) -> Option<Vec<u8>> {
    let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    BASE64.decode(encoded.trim().as_bytes()).ok()
}

fn fill_headers(headers: &mut HeaderMap, secret: &HiddenSecret) -> Result<(), CallError> {
    let (placeholder, text) = (secret.placeholder.as_bytes(), secret.text.expose().trim().as_bytes());
    for (name, value) in headers.iter_mut().filter(|(_, value)| holds(value, &secret.placeholder)) {
        let filled = match basic(value).filter(|_| *name == AUTHORIZATION) {
            Some(user) => format!("Basic {}", BASE64.encode(&replaced(&user.into(), placeholder, text))).into_bytes(),
            None => replaced(&Bytes::copy_from_slice(value.as_bytes()), placeholder, text).to_vec(),
        };
        let mut filled = HeaderValue::from_bytes(&filled).map_err(|_| {
            let message = format!("the value of the parameter `{}` cannot stand in a header", secret.parameter);
            CallError::invalid(message)
        })?;
        filled.set_sensitive(true);
        *value = filled;
    }
    Ok(())
}

fn find(text: &[u8], part: &[u8], from: usize) -> Option<usize> {
    let found = text.get(from..)?.windows(part.len().max(1)).position(|window| window == part)?;
    Some(from + found)
}

fn replaced(text: &Bytes, part: &[u8], by: &[u8]) -> Bytes {
    let mut filled = Vec::with_capacity(text.len() + by.len());
    let mut kept = 0;
    while let Some(found) = find(text, part, kept) {
        filled.extend_from_slice(&text[kept..found]);
        filled.extend_from_slice(by);
        kept = found + part.len();
    }
    filled.extend_from_slice(&text[kept..]);
    filled.into()
}

#[cfg(test)]
#[path = "hidden_tests.rs"]
mod tests;
