//! Whom the source type of an event type lets fire it (DESIGN §3.10).

use super::accept::FireError;
use crate::domain::{EventType, Source, SourceId};
use std::sync::Arc;

/// Who fires, as far as the source type of an event type is concerned.
#[derive(Clone, Debug)]
pub enum Producer {
    /// Fusebox itself, or an admin: whatever the source type.
    Exempt,
    /// Another token: what names no source type.
    Token,
    /// What names its source type, and nothing else.
    Source(Arc<Source>),
}

impl Producer {
    pub(super) fn check_may_fire(&self, event_type: &EventType) -> Result<(), FireError> {
        let name = &event_type.display_name;
        let refused = |message: String| Err(FireError::SourceType { event_type: name.clone(), message });
        match self {
            Producer::Exempt => Ok(()),
            Producer::Token if event_type.source_type.is_none() => Ok(()),
            Producer::Token => {
                refused(format!("only sources of its source type and admins fire the event type `{name}`"))
            }
            Producer::Source(source) if event_type.source_type == Some(source.source_type) => Ok(()),
            Producer::Source(source) => {
                let (source, own) = (&source.header.name, "a source fires event types of its own source type only");
                refused(format!("{own}, which `{name}` is not for `{source}`"))
            }
        }
    }

    pub(super) fn source_id(&self) -> Option<SourceId> {
        match self {
            Producer::Source(source) => Some(source.header.id),
            Producer::Exempt | Producer::Token => None,
        }
    }
}
