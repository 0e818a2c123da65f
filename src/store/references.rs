//! What entries and event types name must be there, and what is named stays.

use super::Catalogue;
use super::catalogue::in_use;
use super::named::{Named, NamedId};
use super::transition::Conflict;
use crate::domain::{Entry, EventType, SourceTypeId, TenantId};

impl Catalogue {
    pub(super) fn check_references(&self, entry: &Named) -> Result<(), Conflict> {
        match entry {
            Named::Source(source) => self.check_source_type(&source.header.owner_id, source.source_type),
            Named::Schedule(schedule) if schedule.enabled => {
                match self.event_type_named(&schedule.header.owner_id, &schedule.event_type) {
                    Some(_) => Ok(()),
                    None => {
                        let (what, name) = ("event type", schedule.event_type.to_string());
                        Err(Conflict::NoSuch { what, name, field: "/event_type" })
                    }
                }
            }
            _ => Ok(()),
        }
    }

    pub(super) fn check_event_type_references(&self, event_type: &EventType) -> Result<(), Conflict> {
        event_type.source_type.map_or(Ok(()), |id| self.check_source_type(&event_type.owner_id, id))
    }

    fn check_source_type(&self, owner: &TenantId, id: SourceTypeId) -> Result<(), Conflict> {
        if self.source_types().get(id).is_some_and(|found| may_name(owner, found.as_ref())) {
            return Ok(());
        }
        Err(Conflict::NoSuch { what: "source type", name: id.to_string(), field: "/source_type" })
    }

    pub(super) fn check_unused(&self, id: NamedId) -> Result<(), Conflict> {
        match id {
            NamedId::SourceType(id) => {
                let sources = self.sources().iter().filter(|source| source.source_type == id);
                let sources = sources.map(|source| format!("the source `{}`", source.header.name));
                let event_types = self.event_types().filter(|event_type| event_type.source_type == Some(id));
                let event_types = event_types.map(|named| format!("the event type `{}`", named.display_name));
                in_use(sources.chain(event_types))
            }
            _ => Ok(()),
        }
    }
}

/// What somebody owns names what is its owner's own or everybody's.
fn may_name<E: Entry>(owner: &TenantId, entry: &E) -> bool {
    let of = &entry.header().owner_id;
    of.is_shared() || of == owner
}
