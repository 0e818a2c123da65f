//! What entries and event types name must be there, and what is named stays.

use super::Catalogue;
use super::catalogue::in_use;
use super::named::{Named, NamedId};
use super::transition::Conflict;
use crate::domain::{Entry, EntryName, EventType, Sink, SinkType, SourceTypeId, TenantId};

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
            Named::SinkType(sink_type) => self.check_sink_type(sink_type),
            Named::Sink(sink) => self.check_sink(sink),
            _ => Ok(()),
        }
    }

    pub(super) fn check_event_type_references(&self, event_type: &EventType) -> Result<(), Conflict> {
        let owner = &event_type.owner_id;
        event_type.source_type.map_or(Ok(()), |id| self.check_source_type(owner, id))?;
        // Records are older than the rule for the names of sink types; what is none is no sink type's.
        let name: Option<EntryName> = event_type.sink_type.parse().ok();
        if name.is_some_and(|name| self.has_sink_type(owner, &name)) {
            return Ok(());
        }
        Err(Conflict::NoSuch { what: "sink type", name: event_type.sink_type.clone(), field: "/sink_type" })
    }

    fn has_sink_type(&self, owner: &TenantId, name: &EntryName) -> bool {
        is_wasm(name) || self.sink_types().named(owner, name).is_some()
    }

    /// Event types and sinks name them, so a name that is in use stays.
    fn check_sink_type(&self, sink_type: &SinkType) -> Result<(), Conflict> {
        let header = &sink_type.header;
        if is_wasm(&header.name) {
            return Err(Conflict::NameTaken { article: SinkType::ARTICLE, name: header.name.to_string() });
        }
        match self.sink_types().get(header.id) {
            Some(old) if old.header.name.folded() != header.name.folded() => self.check_sink_type_unused(old),
            _ => Ok(()),
        }
    }

    fn check_sink_type_unused(&self, sink_type: &SinkType) -> Result<(), Conflict> {
        let (owner, name) = (&sink_type.header.owner_id, sink_type.header.name.folded());
        let event_types = self.event_types().filter(|event_type| {
            event_type.sink_type.to_lowercase() == name && (owner.is_shared() || event_type.owner_id == *owner)
        });
        let event_types = event_types.map(|named| format!("the event type `{}`", named.display_name));
        let naming = |sink: &&std::sync::Arc<Sink>| sink.sink_types.iter().any(|listed| listed.folded() == name);
        let sinks = self.sinks().iter().filter(|_| owner.is_shared()).filter(naming);
        in_use(event_types.chain(sinks.map(|sink| format!("the sink `{}`", sink.header.name))))
    }

    fn check_sink(&self, sink: &Sink) -> Result<(), Conflict> {
        let name = &sink.header.name;
        if (name.folded() == Sink::LOCAL) != sink.is_built_in() {
            return Err(Conflict::NameTaken { article: Sink::ARTICLE, name: name.to_string() });
        }
        match sink.sink_types.iter().find(|name| !self.has_sink_type(&sink.header.owner_id, name)) {
            Some(name) => Err(Conflict::NoSuch { what: "sink type", name: name.to_string(), field: "/sink_types" }),
            None => Ok(()),
        }
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
            NamedId::SinkType(id) => {
                self.sink_types().get(id).map_or(Ok(()), |found| self.check_sink_type_unused(found))
            }
            _ => Ok(()),
        }
    }
}

fn is_wasm(name: &EntryName) -> bool {
    name.folded() == SinkType::WASM
}

/// What somebody owns names what is its owner's own or everybody's.
fn may_name<E: Entry>(owner: &TenantId, entry: &E) -> bool {
    let of = &entry.header().owner_id;
    of.is_shared() || of == owner
}
