//! The whole store as sorted text: what tests compare and what a person can read.

use super::{ReadError, Store, schema};
use redb::{ReadableDatabase, ReadableTable, ReadableTableMetadata, TableHandle};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt::Write as _;

/// Values longer than this are told by their length.
const SHOWN_BYTES_MAX: usize = 4096;

impl Store {
    /// Every table that is not empty, with every key and value, a line each.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn dump(&self) -> Result<String, ReadError> {
        let tx = self.db().begin_read()?;
        let mut text = String::new();
        for definition in schema::ALL {
            let name = definition.name().to_owned();
            let table = tx.open_table(definition)?;
            if !table.is_empty()? {
                let _ = writeln!(text, "[{name}]");
            }
            for entry in table.iter()? {
                let (key, value) = entry?;
                let is_record = ![schema::META.name(), schema::MODULE_BYTES.name()].contains(&name.as_str());
                let shown = if is_record { show_record(value.value()) } else { None };
                let shown = shown.unwrap_or_else(|| show_bytes(value.value()));
                let _ = writeln!(text, "{} = {shown}", show_key(key.value()));
            }
        }
        Ok(text)
    }
}

fn show_key(key: &[u8]) -> String {
    let printable = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
    if !key.is_empty() && key.iter().all(printable) {
        return String::from_utf8_lossy(key).into_owned();
    }
    data_encoding::HEXLOWER.encode(key)
}

fn show_record(value: &[u8]) -> Option<String> {
    let (version, body) = value.split_first().filter(|(_, body)| body.len() <= SHOWN_BYTES_MAX)?;
    let Shown(value) = rmp_serde::from_slice(body).ok()?;
    Some(format!("v{version} {value}"))
}

fn show_bytes(value: &[u8]) -> String {
    match value.len() {
        0 => String::new(),
        length if length <= 16 => data_encoding::HEXLOWER.encode(value),
        length => format!("{length} bytes"),
    }
}

/// Any record as JSON. Ids and digests, which are bytes in the file, become the texts that they are elsewhere.
struct Shown(Value);

impl<'de> Deserialize<'de> for Shown {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Shown, D::Error> {
        deserializer.deserialize_any(ShownVisitor)
    }
}

struct ShownVisitor;

impl<'de> Visitor<'de> for ShownVisitor {
    type Value = Shown;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a record")
    }

    fn visit_unit<E>(self) -> Result<Shown, E> {
        Ok(Shown(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Shown, E> {
        Ok(Shown(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Shown, E> {
        Ok(Shown(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Shown, E> {
        Ok(Shown(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Shown, E> {
        Ok(Shown(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Shown, E> {
        Ok(Shown(value.into()))
    }

    fn visit_bytes<E>(self, value: &[u8]) -> Result<Shown, E> {
        let text = uuid::Uuid::from_slice(value).map(|id| id.to_string());
        Ok(Shown(text.unwrap_or_else(|_| data_encoding::HEXLOWER.encode(value)).into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Shown, A::Error> {
        let mut shown = Vec::new();
        while let Some(Shown(item)) = items.next_element()? {
            shown.push(item);
        }
        Ok(Shown(shown.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Shown, A::Error> {
        let mut shown = Map::new();
        while let Some((key, Shown(value))) = entries.next_entry::<String, Shown>()? {
            shown.insert(key, value);
        }
        Ok(Shown(shown.into()))
    }
}
