//! Which actions name which event types: as their trigger, or as what follows them (DESIGN §3.9, §3.11).

use super::Catalogue;
use super::catalogue::in_use;
use super::transition::Conflict;
use crate::domain::{Action, ActionId, EventType, EventTypeName, TenantId};
use rpds::RedBlackTreeSetSync;
use std::sync::Arc;

/// What an action names an event type for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mention {
    Trigger,
    OnSuccess,
    OnFailure,
}

impl Mention {
    const ALL: [Mention; 3] = [Mention::Trigger, Mention::OnSuccess, Mention::OnFailure];

    /// Where an action says it.
    const fn field(self) -> &'static str {
        match self {
            Mention::Trigger => "/trigger",
            Mention::OnSuccess => "/on_success",
            Mention::OnFailure => "/on_failure",
        }
    }

    fn of(self, action: &Action) -> Option<&EventTypeName> {
        match self {
            Mention::Trigger => action.trigger.as_ref(),
            Mention::OnSuccess => action.on_success.as_ref(),
            Mention::OnFailure => action.on_failure.as_ref(),
        }
    }
}

/// Names as they are folded, so that one look finds every action that has one. Persistent: a change costs its own size.
#[derive(Clone, Debug, Default)]
pub(super) struct Mentions(RedBlackTreeSetSync<(String, Mention, ActionId)>);

impl Mentions {
    /// Puts what `new` names in the place of what `old` named.
    pub(super) fn replace(&mut self, old: Option<&Action>, new: Option<&Action>) {
        for mention in Mention::ALL {
            let entry = |action: &Action| mention.of(action).map(|name| (name.folded(), mention, action.id));
            let (old, new) = (old.and_then(entry), new.and_then(entry));
            if old != new {
                if let Some(old) = old {
                    self.0.remove_mut(&old);
                }
                if let Some(new) = new {
                    self.0.insert_mut(new);
                }
            }
        }
    }

    fn find<'a>(&'a self, name: &EventTypeName, mention: Mention) -> impl Iterator<Item = ActionId> + use<'a> {
        let name = name.folded();
        let first = (name.clone(), mention, ActionId::from_bytes([0; 16]));
        let here = self.0.range(first..).take_while(move |(found, why, _)| *found == name && *why == mention);
        here.map(|(_, _, id)| *id)
    }
}

impl Catalogue {
    /// The actions that name this event type: its owner's own, or everybody's when it is shared.
    pub fn actions_naming(&self, event_type: &EventType, mention: Mention) -> impl Iterator<Item = &Arc<Action>> {
        let found = self.mentions.find(&event_type.display_name, mention).filter_map(|id| self.action(id));
        let owner = event_type.owner_id.clone();
        found.filter(move |action| owner.is_shared() || action.owner_id == owner)
    }

    /// The actions of a tenant, and those that the platform shares, that an event type of this name triggers.
    pub fn actions_triggered(&self, tenant: &TenantId, name: &EventTypeName) -> impl Iterator<Item = &Arc<Action>> {
        let found = self.mentions.find(name, Mention::Trigger).filter_map(|id| self.action(id));
        let tenant = tenant.clone();
        found.filter(move |action| action.owner_id.is_shared() || action.owner_id == tenant)
    }

    /// What triggers an action, and what it fires, must be there for its owner when it is saved.
    pub(super) fn check_mentions(&self, action: &Action) -> Result<(), Conflict> {
        for mention in Mention::ALL {
            if let Some(name) = mention.of(action)
                && self.event_type_named(&action.owner_id, name).is_none()
            {
                let field = mention.field();
                return Err(Conflict::NoSuch { what: "event type", name: name.to_string(), field });
            }
        }
        Ok(())
    }

    /// Actions and schedules name event types, so a name that one of them has stays (DESIGN §3.11).
    pub(super) fn check_not_named(&self, event_type: &EventType) -> Result<(), Conflict> {
        let users = Mention::ALL.into_iter().flat_map(|mention| {
            let what = match mention {
                Mention::Trigger => "whose trigger it is",
                Mention::OnSuccess => "which fires it on success",
                Mention::OnFailure => "which fires it on failure",
            };
            self.actions_naming(event_type, mention).map(move |action| format!("the action `{}`, {what}", action.name))
        });
        let firing = self.schedules_firing(event_type);
        in_use(users.chain(firing.map(|schedule| format!("the schedule `{}`, which fires it", schedule.header.name))))
    }
}
