//! The whole store as sorted text: what tests compare and what a person can read.

use super::{ReadError, Store, schema};
use redb::{ReadableDatabase, ReadableTable, TableHandle};
use std::fmt::Write as _;

/// Values longer than this are told by their length.
const SHOWN_BYTES_MAX: usize = 4096;

impl Store {
    /// Every table with every key and value, a line each.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn dump(&self) -> Result<String, ReadError> {
        let tx = self.db().begin_read()?;
        let mut text = String::new();
        for definition in schema::ALL {
            let name = definition.name().to_owned();
            let _ = writeln!(text, "[{name}]");
            let table = tx.open_table(definition)?;
            for entry in table.iter()? {
                let (key, value) = entry?;
                let _ = writeln!(text, "{} = {}", show_key(key.value()), show_value(value.value()));
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

fn show_value(value: &[u8]) -> String {
    let record = value.split_first().filter(|(_, body)| !body.is_empty() && body.len() <= SHOWN_BYTES_MAX);
    let shown = record.and_then(|(version, body)| {
        let value: serde_json::Value = rmp_serde::from_slice(body).ok()?;
        Some(format!("v{version} {value}"))
    });
    shown.unwrap_or_else(|| match value.len() {
        0 => String::new(),
        length if length <= 16 => data_encoding::HEXLOWER.encode(value),
        length => format!("{length} bytes"),
    })
}
