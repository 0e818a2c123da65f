//! A JSON text that was checked once and is passed on as it came.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};
use serde_json::value::RawValue;
use std::fmt;
use std::sync::{Arc, LazyLock};

/// Parsers give up at 128 levels, ours and most others: what is nested deeper could be kept but not read. The rest is room
/// for what answers wrap around a value.
const DEPTH_MAX: usize = 100;

/// A valid JSON text (RFC 8259) that parsers can read. Cheap to clone; never parsed unless somebody asks for a value.
#[derive(Clone)]
pub struct Json(Arc<RawValue>);

/// Why a text is not JSON: the parser's words with line and column.
#[derive(Debug, thiserror::Error)]
#[error("not valid JSON: {0}")]
pub struct JsonError(#[from] serde_json::Error);

impl From<JsonError> for serde_json::Error {
    fn from(error: JsonError) -> serde_json::Error {
        error.0
    }
}

impl Json {
    /// Checks `text` and keeps it unchanged.
    ///
    /// # Errors
    /// The text is not one JSON value, or is nested more than 100 levels deep.
    pub fn parse(text: String) -> Result<Json, JsonError> {
        Ok(Json::readable(RawValue::from_string(text)?)?)
    }

    fn readable(raw: Box<RawValue>) -> Result<Json, serde_json::Error> {
        if is_deeper(raw.get(), DEPTH_MAX) {
            return Err(serde::de::Error::custom(format!("it is nested more than {DEPTH_MAX} levels deep")));
        }
        Ok(Json(raw.into()))
    }

    /// The JSON text of a value.
    ///
    /// # Errors
    /// The value has no JSON form, for instance a map whose keys are not strings.
    pub fn of(value: &impl Serialize) -> Result<Json, JsonError> {
        Ok(Json(serde_json::value::to_raw_value(value)?.into()))
    }

    /// Reads the text as a `T`.
    ///
    /// # Errors
    /// The text is not the JSON form of a `T`.
    pub fn to<T: DeserializeOwned>(&self) -> Result<T, JsonError> {
        Ok(serde_json::from_str(self.as_str())?)
    }

    /// The `null` value.
    pub fn null() -> Json {
        Json(RawValue::NULL.to_owned().into())
    }

    /// The object without members.
    pub fn empty_object() -> Json {
        static EMPTY: LazyLock<Json> = LazyLock::new(|| Json::from(serde_json::Map::new()));
        EMPTY.clone()
    }

    pub(super) fn is_empty_object(&self) -> bool {
        self.as_str() == "{}"
    }

    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// Length of the text in bytes.
    pub fn size_bytes(&self) -> usize {
        self.as_str().len()
    }
}

impl From<serde_json::Map<String, serde_json::Value>> for Json {
    fn from(map: serde_json::Map<String, serde_json::Value>) -> Json {
        Json::from(serde_json::Value::Object(map))
    }
}

impl From<serde_json::Value> for Json {
    fn from(value: serde_json::Value) -> Json {
        // A `Value` always has a text, and its text is always valid.
        RawValue::from_string(value.to_string()).map_or_else(|_| Json::null(), |raw| Json(raw.into()))
    }
}

/// Equality of texts, not of values.
impl PartialEq for Json {
    fn eq(&self, other: &Json) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Json {}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// As itself in JSON, as a string in the compact format of the store.
impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            self.0.serialize(serializer)
        } else {
            serializer.serialize_str(self.as_str())
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Json, D::Error> {
        if deserializer.is_human_readable() {
            Json::readable(Box::deserialize(deserializer)?).map_err(serde::de::Error::custom)
        } else {
            Json::parse(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
        }
    }
}

/// Whether a valid text has arrays and objects nested more than `limit` deep.
fn is_deeper(text: &str, limit: usize) -> bool {
    // Nearly every text has too few brackets to be looked at twice.
    if text.bytes().filter(|byte| matches!(byte, b'[' | b'{')).count() <= limit {
        return false;
    }
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth -= 1,
            _ => {}
        }
        if depth > limit {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_kept_as_it_came() {
        let json = Json::parse("{ \"a\":  1.0 }".to_owned()).unwrap();
        assert_eq!(serde_json::to_string(&json).unwrap(), "{ \"a\":  1.0 }");
        let stored = rmp_serde::to_vec_named(&json).unwrap();
        assert_eq!(rmp_serde::from_slice::<Json>(&stored).unwrap(), json);
    }

    #[test]
    fn what_is_taken_can_be_read() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        let deepest = Json::parse(nested(DEPTH_MAX)).unwrap();
        let wrapped = format!("{{\"data\":[{{\"runs\":[{{\"output\":{}}}]}}]}}", deepest.as_str());
        assert!(serde_json::from_str::<serde_json::Value>(&wrapped).is_ok());
        assert!(Json::parse(nested(DEPTH_MAX + 1)).is_err() && serde_json::from_str::<Json>(&nested(200)).is_err());
        // Brackets beside each other and in texts are no depth.
        let wide = format!("[{}{{\"[\\\"[\":\"{}\"}}]", "[],".repeat(500), "[".repeat(500));
        assert!(Json::parse(wide).is_ok());
    }

    #[test]
    fn what_is_not_one_json_value_is_refused() {
        for text in ["", "{", "1 2", "nul", "\"\u{0}\""] {
            assert!(Json::parse(text.to_owned()).is_err(), "{text:?} was taken");
        }
    }
}
