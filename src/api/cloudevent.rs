//! CloudEvents 1.0 that come in, by their HTTP binding: binary (attributes in headers, data as the body), structured (one
//! JSON text) and in batches. The type is the event type, a subject written `object_type/object_id` the object, the data
//! the payload; source and id together say which event it is, so that it is accepted once.
//!
//! The attributes are kept with the event, extensions included. Actions see the data only.

mod attribute;
mod extension;
mod fire;
mod out;

pub(super) use fire::{BatchedOut, fire_batch, fire_one};
pub(super) use out::{About, Format};

use super::error::{Fault, Problem};
use super::extract::{self, unquoted};
use crate::domain::{EventTypeName, Json, Once, OnceKey, RequestDigest, Timestamp};
use attribute::{Attributes, Wrong, check, essence, percent_decoded, text_of, wrong};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use data_encoding::BASE64;
use extension::Wishes;
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Events in one batch at most.
const BATCH_MAX: usize = 100;
/// Attributes at most; with the bound of each this bounds what is kept beside the payload.
const ATTRIBUTES_MAX: usize = 32;

/// How a request brings what it fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Our own body.
    Plain,
    Binary,
    Structured,
    Batch,
}

impl Mode {
    pub(super) fn of(headers: &HeaderMap) -> Result<Mode, Problem> {
        match media_type(headers).as_deref() {
            Some("application/cloudevents+json") => Ok(Mode::Structured),
            Some("application/cloudevents-batch+json") => Ok(Mode::Batch),
            Some(other) if other.starts_with("application/cloudevents") => {
                let detail = format!("content-type: CloudEvents come as +json, not as {other}");
                Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail))
            }
            _ if headers.keys().any(|name| name.as_str().starts_with("ce-")) => Ok(Mode::Binary),
            _ => Ok(Mode::Plain),
        }
    }
}

/// The type of a body without its parameters.
fn media_type(headers: &HeaderMap) -> Option<String> {
    headers.get(CONTENT_TYPE)?.to_str().ok().map(essence)
}

/// A CloudEvent 1.0 in its JSON form. Other members are extension attributes: texts, whole numbers or booleans, named with
/// lower-case letters and digits. Of those `object`, `flow`, `dedupkey`, `runat`, `delay` and `ownerid` are what an event has
/// by such names otherwise.
#[derive(ToSchema)]
#[schema(as = CloudEvent)]
#[expect(dead_code, reason = "describes what is read member by member, for the document")]
pub(super) struct CloudEventSchema {
    /// `1.0`.
    specversion: String,
    /// Unique within its source: the two say which event it is.
    id: String,
    /// A URI reference.
    source: String,
    /// The display name of the event type.
    #[schema(rename = "type")]
    kind: String,
    /// `object_type/object_id` names the object, unless `object` does; anything else is kept and names none.
    subject: Option<String>,
    /// `object_type/object_id`.
    object: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    time: Option<String>,
    /// Default `application/json`.
    datacontenttype: Option<String>,
    dataschema: Option<String>,
    /// The payload. Default `{}`.
    data: Option<Value>,
    /// The same as bytes: JSON or text by its `datacontenttype`; anything else is the payload `{"data_base64": …}`.
    data_base64: Option<String>,
}

/// What a CloudEvent fires.
#[derive(Debug)]
pub(super) struct CloudEvent {
    event_type: EventTypeName,
    payload: Json,
    wishes: Wishes,
    once: Once,
    /// Its attributes as an object.
    attributes: Json,
}

/// The event that stands in headers, with the body as its data.
pub(super) fn binary(headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<CloudEvent, Problem> {
    let told = |faults: Vec<Wrong>| {
        let header = |name: &str| match name {
            "" => "the headers".to_owned(),
            "datacontenttype" => "content-type".to_owned(),
            "data" => "the body".to_owned(),
            name => format!("ce-{name}"),
        };
        let faults = faults.iter().map(|wrong| format!("{}: {}", header(&wrong.name), wrong.message));
        Problem::bad_request(faults.collect::<Vec<_>>().join("; "))
    };
    let mut attributes = Attributes::new();
    let mut faults = Vec::new();
    for name in headers.keys().filter_map(|name| name.as_str().strip_prefix("ce-")) {
        match in_header(headers, name) {
            Ok(text) => drop(attributes.insert(name.to_owned(), text.into())),
            Err(message) => faults.push(wrong(name, message)),
        }
    }
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if attributes.contains_key("datacontenttype") {
        faults.push(wrong("datacontenttype", "the content-type says it, and no ce-datacontenttype"));
    }
    attributes.extend(given.map(|given| ("datacontenttype".to_owned(), given.into())));
    if !faults.is_empty() {
        return Err(told(faults));
    }
    let data = if body.is_empty() { Data::None } else { Data::Bytes("data", body) };
    read(attributes, data, now).map_err(told)
}

/// The value of an attribute's header: quotes undone, then percent-encoding (HTTP binding §3.1.3.2).
fn in_header(headers: &HeaderMap, name: &str) -> Result<String, String> {
    let mut values = headers.get_all(format!("ce-{name}")).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Err("there is more than one".to_owned()) };
    let text = value.to_str().map_err(|_| "what is not printable ASCII is percent-encoded".to_owned())?;
    let text = match text.strip_prefix('"') {
        None => text.to_owned(),
        Some(quoted) => unquoted(quoted).ok_or("the quotes do not match")?,
    };
    percent_decoded(&text).ok_or_else(|| format!("`{text}` is not percent-encoded UTF-8"))
}

/// The event that a JSON text is; `pointer` is where it stands in the body.
pub(super) fn structured(text: &[u8], pointer: &str, now: Timestamp) -> Result<CloudEvent, Problem> {
    let told = |faults: Vec<Wrong>| {
        let fault = |Wrong { name, message }: Wrong| match name.as_str() {
            "" => Fault::new(pointer, message),
            name => Fault::new(format!("{pointer}/{}", extract::escaped(name)), message),
        };
        Problem::invalid(faults.into_iter().map(fault).collect())
    };
    let members: BTreeMap<String, Json> = extract::parse(text).map_err(|problem| problem.under(pointer))?;
    let mut attributes = Attributes::new();
    let (mut data, mut encoded) = (None, None);
    for (name, value) in members {
        match name.as_str() {
            "data" => data = Some(value),
            "data_base64" => encoded = Some(value),
            // `null` is an attribute that is not there (JSON format §2.2).
            _ if value.as_str() == "null" => {}
            _ => drop(attributes.insert(name, value.to().unwrap_or_default())),
        }
    }
    let bytes;
    let data = match (data, encoded) {
        (Some(_), Some(_)) => return Err(told(vec![wrong("data_base64", "there is `data` already")])),
        (None, None) => Data::None,
        (Some(data), None) => Data::Json(data),
        (None, Some(encoded)) => {
            let text: Option<String> = encoded.to().ok();
            let Some(decoded) = text.and_then(|text| BASE64.decode(text.as_bytes()).ok()) else {
                return Err(told(vec![wrong("data_base64", "this is no text in base64")]));
            };
            bytes = decoded;
            Data::Bytes("data_base64", &bytes)
        }
    };
    read(attributes, data, now).map_err(told)
}

/// The texts of a batch, each one event.
fn batch(body: &[u8]) -> Result<Vec<Json>, Problem> {
    let events: Vec<Json> = extract::parse(body)?;
    if events.len() > BATCH_MAX {
        let message = format!("a batch has at most {BATCH_MAX} events, not {}", events.len());
        return Err(Problem::invalid(vec![Fault::new("", message)]));
    }
    Ok(events)
}

enum Data<'a> {
    None,
    Json(Json),
    /// What they are is for `datacontenttype` to say; the name is what a fault is told of.
    Bytes(&'static str, &'a [u8]),
}

fn read(attributes: Attributes, data: Data<'_>, now: Timestamp) -> Result<CloudEvent, Vec<Wrong>> {
    if attributes.len() > ATTRIBUTES_MAX {
        return Err(vec![wrong("", format!("an event has at most {ATTRIBUTES_MAX} attributes"))]);
    }
    let mut faults: Vec<Wrong> = attributes.iter().filter_map(|(name, value)| check(name, value)).collect();
    let mut needed = |name: &str| {
        let text = text_of(&attributes, name);
        if text.is_none() && !attributes.contains_key(name) {
            faults.push(wrong(name, "it is missing"));
        }
        text.unwrap_or_default()
    };
    let (_, id, source, kind) = (needed("specversion"), needed("id"), needed("source"), needed("type"));
    let event_type: Option<EventTypeName> = match kind.parse() {
        Ok(name) => Some(name),
        Err(_) if kind.is_empty() => None,
        Err(error) => {
            faults.push(wrong("type", error.to_string()));
            None
        }
    };
    let payload = payload(data, text_of(&attributes, "datacontenttype")).map_err(|wrong| faults.push(wrong));
    let wishes = Wishes::read(&attributes, now, &mut faults);
    let (Some(event_type), Ok(payload), true) = (event_type, payload, faults.is_empty()) else { return Err(faults) };
    let once = Once {
        key: OnceKey::of("cloudevent", &[source, id]),
        request: RequestDigest::of(payload.as_str(), &["cloudevent", &event_type.folded(), &Wishes::told(&attributes)]),
    };
    Ok(CloudEvent { event_type, payload, wishes, once, attributes: Json::from(Value::Object(attributes)) })
}

fn payload(data: Data<'_>, content_type: Option<&str>) -> Result<Json, Wrong> {
    let (name, bytes) = match data {
        Data::None => return Ok(Json::empty_object()),
        Data::Json(json) => return Ok(json),
        Data::Bytes(name, bytes) => (name, bytes),
    };
    let kind = content_type.map_or_else(|| "application/json".to_owned(), essence);
    let text = std::str::from_utf8(bytes);
    if kind.ends_with("/json") || kind.ends_with("+json") {
        let text = text.map_err(|_| wrong(name, "it is not UTF-8"))?;
        Json::parse(text.to_owned()).map_err(|error| wrong(name, error.to_string()))
    } else if kind.starts_with("text/") {
        Ok(Json::from(Value::from(text.map_err(|_| wrong(name, "a text is UTF-8"))?)))
    } else {
        Ok(Json::from(serde_json::json!({ "data_base64": BASE64.encode(bytes) })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};
    use proptest::prelude::*;
    use std::fmt::Write;

    const NOW: Timestamp = Timestamp::from_ms(1_700_000_000_000);

    /// As the HTTP binding has a sender do it (§3.1.3.2).
    fn percent_encoded(text: &str) -> String {
        let mut encoded = String::new();
        for byte in text.bytes() {
            match byte {
                b'"' | b'%' => write!(encoded, "%{byte:02X}").unwrap(),
                b'!'..=b'~' => encoded.push(char::from(byte)),
                _ => write!(encoded, "%{byte:02x}").unwrap(),
            }
        }
        encoded
    }

    /// Attributes that an event may have, besides those that it needs.
    fn attributes() -> impl Strategy<Value = BTreeMap<String, String>> {
        let source = "[a-z0-9:/?#._~%21-]{0,20}".prop_map(|text| format!("/{}", text.replace('%', "%25")));
        let object = prop_oneof![Just("place/1".to_owned()), "[a-z]{1,3}/\\PC{1,9}", any::<String>()];
        let flow = prop_oneof![Just("both"), Just("up"), Just("down"), Just("none"), Just("sideways")];
        let (id, subject) = ("[ -~é€]{1,9}", prop::option::of(object.clone()));
        let wished = (prop::option::of(object), prop::option::of(flow), prop::option::of(any::<String>()));
        let others = prop::collection::btree_map("x[a-z0-9]{0,9}", any::<String>(), 0..4);
        (id, source, subject, wished, others).prop_map(|(id, source, subject, (object, flow, key), others)| {
            let needed = [("specversion", "1.0".to_owned()), ("type", "t".to_owned()), ("id", id), ("source", source)];
            let more = [("subject", subject), ("object", object), ("flow", flow.map(str::to_owned)), ("dedupkey", key)];
            let more = more.into_iter().filter_map(|(name, text)| Some((name, text?)));
            let known = needed.into_iter().chain(more).map(|(name, text)| (name.to_owned(), text));
            known.chain(others).collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn in_headers_an_event_says_the_same_as_in_json(attributes in attributes(), number in any::<i32>()) {
            let body = format!("{{\"n\":{number}}}");
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            for (name, text) in &attributes {
                let name: HeaderName = format!("ce-{name}").parse().unwrap();
                headers.insert(name, percent_encoded(text).parse().unwrap());
            }
            let mut json: Attributes = attributes.into_iter().map(|(name, text)| (name, text.into())).collect();
            json.insert("datacontenttype".to_owned(), "application/json".into());
            json.insert("data".to_owned(), serde_json::from_str(&body).unwrap());
            let from_json = structured(&serde_json::to_vec(&json).unwrap(), "", NOW);
            match (binary(&headers, body.as_bytes(), NOW), from_json) {
                (Ok(one), Ok(other)) => prop_assert_eq!(format!("{one:?}"), format!("{other:?}")),
                // One tells of headers, the other of members.
                (Err(one), Err(other)) => {
                    prop_assert_eq!(one.detail().matches("ce-").count(), other.into_faults().len());
                }
                (one, other) => prop_assert!(false, "{one:?} {other:?}"),
            }
        }
    }
}
