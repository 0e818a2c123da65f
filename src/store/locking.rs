//! A parameter that an action locks is the action's alone: no event type that names the action gives it (DESIGN §3.6).
//!
//! Either side can be written last, so both look, and what both look at is as of the transition before.

use super::Catalogue;
use super::transition::Conflict;
use crate::domain::{Action, ActionId, EventType, EventTypeId};
use std::sync::Arc;

impl Catalogue {
    /// The event types that name an action, oldest first.
    pub fn event_types_linking(&self, action: ActionId) -> impl Iterator<Item = &Arc<EventType>> {
        let ids = self.linking.range((action, EventTypeId::from_bytes([0; 16]))..);
        ids.take_while(move |(of, _)| *of == action).filter_map(|(_, id)| self.event_type(*id))
    }

    /// Keeps in mind which action an event type names now.
    pub(super) fn relink(&mut self, id: EventTypeId, old: Option<ActionId>, new: Option<ActionId>) {
        if old == new {
            return;
        }
        if let Some(old) = old {
            self.linking.remove_mut(&(old, id));
        }
        if let Some(new) = new {
            self.linking.insert_mut((new, id));
        }
    }

    /// An event type gives nothing that its action locks.
    pub(super) fn check_locked(&self, event_type: &EventType) -> Result<(), Conflict> {
        let Some(action) = event_type.action.and_then(|id| self.action(id)) else { return Ok(()) };
        let locked = |name: &str| action.parameters.iter().any(|parameter| parameter.locked && parameter.name == name);
        let names = event_type.parameters.iter().enumerate().filter(|(_, parameter)| locked(&parameter.name));
        let fault = |(place, name): (usize, &str)| {
            (format!("/parameters/{place}/name"), format!("the action locks its parameter `{name}`"))
        };
        refuse(names.map(|(place, parameter)| fault((place, &parameter.name))).collect())
    }

    /// An action locks nothing that an event type gives already: its value would go on winning.
    pub(super) fn check_locking(&self, action: &Action) -> Result<(), Conflict> {
        let mut faults = Vec::new();
        for (place, parameter) in action.parameters.iter().enumerate().filter(|(_, parameter)| parameter.locked) {
            let name = &parameter.name;
            let gives = |event_type: &&Arc<EventType>| event_type.parameters.iter().any(|given| given.name == *name);
            if let Some(giver) = self.event_types_linking(action.id).find(gives) {
                let giver = &giver.display_name;
                let message = format!("`{name}` cannot be locked while the event type `{giver}` gives it");
                faults.push((format!("/parameters/{place}/locked"), message));
            }
        }
        refuse(faults)
    }
}

fn refuse(faults: Vec<(String, String)>) -> Result<(), Conflict> {
    if faults.is_empty() { Ok(()) } else { Err(Conflict::Locked { faults }) }
}
