//! A JSON text that was checked once and is passed on as it came.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};
use serde_json::value::RawValue;
use std::fmt;
use std::sync::Arc;

/// A valid JSON text (RFC 8259). Cheap to clone; never parsed unless somebody asks for a value.
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
    /// The text is not one JSON value.
    pub fn parse(text: String) -> Result<Json, JsonError> {
        Ok(Json(RawValue::from_string(text)?.into()))
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
        Json::from(serde_json::Map::new())
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
            Ok(Json(Box::<RawValue>::deserialize(deserializer)?.into()))
        } else {
            Json::parse(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
        }
    }
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
    fn what_is_not_one_json_value_is_refused() {
        for text in ["", "{", "1 2", "nul", "\"\u{0}\""] {
            assert!(Json::parse(text.to_owned()).is_err(), "{text:?} was taken");
        }
    }
}
