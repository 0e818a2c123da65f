//! A document as it is sent: lists of things, each with the place where it stands.

use super::Upload;
use super::kind::{Key, Kind};
use crate::api::error::{Fault, Problem};
use crate::api::extract;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// One thing of a document.
pub(super) struct Item {
    pub(super) kind: Kind,
    pub(super) key: Key,
    /// For people.
    pub(super) name: String,
    /// JSON Pointer to it in the document.
    pub(super) pointer: String,
    pub(super) body: Map<String, Value>,
}

pub(super) struct Document {
    pub(super) items: Vec<Item>,
    /// The kinds that it has a list of.
    pub(super) kinds: BTreeSet<Kind>,
    pub(super) uploads: Vec<Upload>,
}

impl Document {
    /// Every list with what is in it; the things themselves are looked at later.
    pub(super) fn parse(bytes: &[u8]) -> Result<Document, Problem> {
        let lists: Map<String, Value> = extract::parse(bytes)?;
        let mut document = Document { items: Vec::new(), kinds: BTreeSet::new(), uploads: Vec::new() };
        let mut faults = Vec::new();
        // In the order of kinds, in which most things come after what they name.
        for kind in Kind::ALL {
            if let Some(list) = lists.get(kind.field()) {
                document.take(kind, list, &mut faults);
            }
        }
        for (field, value) in &lists {
            let pointer = format!("/{}", extract::escaped(field));
            if field == "uploads" {
                let uploads = serde_json::from_value(value.clone());
                match uploads {
                    Ok(uploads) => document.uploads = uploads,
                    Err(error) => faults.push(Fault::new(pointer, error)),
                }
            } else if !Kind::ALL.iter().any(|kind| kind.field() == field) {
                let known: Vec<&str> = Kind::ALL.iter().map(|kind| kind.field()).collect();
                faults.push(Fault::new(pointer, format!("a document has lists of {}", known.join(", "))));
            }
        }
        if faults.is_empty() { Ok(document) } else { Err(Problem::invalid(faults)) }
    }

    fn take(&mut self, kind: Kind, list: &Value, faults: &mut Vec<Fault>) {
        let Value::Array(list) = list else {
            faults.push(Fault::new(format!("/{}", kind.field()), "this is a list"));
            return;
        };
        self.kinds.insert(kind);
        let mut places: BTreeMap<Key, String> = BTreeMap::new();
        for (place, item) in list.iter().enumerate() {
            let pointer = format!("/{}/{place}", kind.field());
            let Value::Object(body) = item else {
                faults.push(Fault::new(pointer, format!("{} is an object with fields", kind.article())));
                continue;
            };
            let (key, name) = match kind.key(body) {
                Ok(found) => found,
                Err(fault) => {
                    faults.push(fault.under(&pointer));
                    continue;
                }
            };
            if let Some(other) = places.insert(key.clone(), pointer.clone()) {
                faults.push(Fault::new(pointer, format!("`{name}` is in the document already, at {other}")));
                continue;
            }
            self.items.push(Item { kind, key, name, pointer, body: body.clone() });
        }
    }
}
