//! What entries name must be there, and what is named stays.

use super::Catalogue;
use super::catalogue::in_use;
use super::named::{Named, NamedId};
use super::transition::Conflict;

impl Catalogue {
    pub(super) fn check_references(&self, entry: &Named) -> Result<(), Conflict> {
        match entry {
            Named::Source(source) => {
                let found = self.source_types().get(source.source_type);
                if found.is_none_or(|found| !source.header.owner_id.sees(&found.header.owner_id)) {
                    let (what, name) = ("source type", source.source_type.to_string());
                    return Err(Conflict::NoSuch { what, name, field: "/source_type" });
                }
                Ok(())
            }
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

    pub(super) fn check_unused(&self, id: NamedId) -> Result<(), Conflict> {
        match id {
            NamedId::SourceType(id) => {
                let sources = self.sources().iter().filter(|source| source.source_type == id);
                in_use(sources.map(|source| format!("the source `{}`", source.header.name)))
            }
            _ => Ok(()),
        }
    }
}
