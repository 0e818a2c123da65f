//! What a CloudEvent says about how it fires, beside its type and its data: its subject, and extension attributes of ours.

use super::attribute::{Attributes, Wrong, text_of, wrong};
use crate::api::delay::{self, DelayIn};
use crate::domain::{CallerKey, Flow, ObjectRef, TenantId, Timestamp};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What a CloudEvent asks for.
#[derive(Debug)]
pub(super) struct Wishes {
    pub(super) object: Option<ObjectRef>,
    pub(super) flow: Flow,
    pub(super) dedup_key: Option<CallerKey>,
    pub(super) run_at: Option<Timestamp>,
    pub(super) owner_id: Option<TenantId>,
}

impl Wishes {
    pub(super) fn read(attributes: &Attributes, now: Timestamp, faults: &mut Vec<Wrong>) -> Wishes {
        let (flow, dedup_key) = (read(attributes, "flow", faults), read(attributes, "dedupkey", faults));
        let (run_at, delay): (_, Option<DelayIn>) =
            (read(attributes, "runat", faults), read(attributes, "delay", faults));
        let run_at = delay::run_at(now, run_at, delay).unwrap_or_else(|fault| {
            let name = if fault.pointer == "/delay" { "delay" } else { "runat" };
            faults.push(wrong(name, fault.message));
            None
        });
        let (owner_id, object) = (read(attributes, "ownerid", faults), object(attributes, faults));
        Wishes { object, flow: flow.unwrap_or_default(), dedup_key, run_at, owner_id }
    }

    /// The same as it was written: what tells one request from another that has the same source and id.
    pub(super) fn told(attributes: &Attributes) -> String {
        let names = ["subject", "object", "flow", "dedupkey", "runat", "delay", "ownerid"];
        let said: Vec<Option<&Value>> = names.iter().map(|name| attributes.get(*name)).collect();
        serde_json::to_string(&said).unwrap_or_default()
    }
}

/// An attribute of that type, unless something is wrong with it.
fn read<T: DeserializeOwned>(attributes: &Attributes, name: &str, faults: &mut Vec<Wrong>) -> Option<T> {
    let value = attributes.get(name)?;
    if faults.iter().any(|wrong| wrong.name == name) {
        return None;
    }
    serde_json::from_value(value.clone()).map_err(|error| faults.push(wrong(name, error))).ok()
}

/// A subject is free text to others, so that only one that is written as an object names one.
fn object(attributes: &Attributes, faults: &mut Vec<Wrong>) -> Option<ObjectRef> {
    let Some(text) = read::<String>(attributes, "object", faults) else {
        return text_of(attributes, "subject").and_then(|subject| parsed(subject).ok());
    };
    parsed(&text).map_err(|message| faults.push(wrong("object", message))).ok()
}

fn parsed(text: &str) -> Result<ObjectRef, String> {
    let (object_type, object_id) =
        text.split_once('/').ok_or("an object is written `type/id`, such as `bookable/42`")?;
    ObjectRef::new(object_type.to_owned(), object_id.to_owned()).map_err(|error| error.to_string())
}
