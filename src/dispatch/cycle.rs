//! Chains that come back to where they began, as far as the catalogue can tell. They are allowed, since the limits of
//! chains end them, and worth a warning, since few mean them.

use crate::domain::{Action, ActionId, EventType, EventTypeId, TenantId};
use crate::store::Catalogue;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Actions looked at for one warning at most; past it there is none.
const LOOKED_AT_MAX: usize = 10_000;

/// A step of a chain: the event type, and its action that fires the next.
type Step = (Arc<EventType>, Arc<Action>);

/// The cycle that what `action` fires on success closes, in words.
pub fn cycle_of_action(catalogue: &Catalogue, action: &Action) -> Option<String> {
    let start = catalogue.event_type_named(&action.owner_id, action.on_success.as_ref()?)?;
    find(catalogue, &action.owner_id, start, Some(action.id)).map(|steps| words(&steps))
}

/// The cycle of successes that comes back to `event_type`, in words.
pub fn cycle_of_event_type(catalogue: &Catalogue, event_type: &Arc<EventType>) -> Option<String> {
    find(catalogue, &event_type.owner_id, event_type, None).map(|steps| words(&steps))
}

/// The shortest way from `start` back to it, as `tenant` sees the catalogue; only one that ends with the action `last`
/// if that is given.
fn find(catalogue: &Catalogue, tenant: &TenantId, start: &Arc<EventType>, last: Option<ActionId>) -> Option<Vec<Step>> {
    let mut came_from: HashMap<EventTypeId, Step> = HashMap::new();
    let mut queue = VecDeque::from([Arc::clone(start)]);
    let mut looked_at = 0;
    while let Some(event_type) = queue.pop_front() {
        for action in actions(catalogue, tenant, &event_type) {
            looked_at += 1;
            if looked_at > LOOKED_AT_MAX {
                return None;
            }
            let next = action.on_success.as_ref().and_then(|name| catalogue.event_type_named(tenant, name));
            let Some(next) = next else { continue };
            let step = (Arc::clone(&event_type), Arc::clone(action));
            if next.id == start.id {
                if last.is_none_or(|last| last == action.id) {
                    return Some(way_to(step, &came_from));
                }
            } else if let Entry::Vacant(unseen) = came_from.entry(next.id) {
                unseen.insert(step);
                queue.push_back(Arc::clone(next));
            }
        }
    }
    None
}

/// What an event type may run: its own action, and those that it triggers wherever they are attached.
fn actions<'a>(
    catalogue: &'a Catalogue,
    tenant: &TenantId,
    event_type: &EventType,
) -> impl Iterator<Item = &'a Arc<Action>> {
    let linked = event_type.action.and_then(|id| catalogue.action(id));
    linked.into_iter().chain(catalogue.actions_triggered(tenant, &event_type.display_name))
}

fn way_to(last: Step, came_from: &HashMap<EventTypeId, Step>) -> Vec<Step> {
    let mut way = vec![last];
    while let Some(before) = way.last().and_then(|(event_type, _)| came_from.get(&event_type.id)) {
        way.push(before.clone());
    }
    way.reverse();
    way
}

fn words(steps: &[Step]) -> String {
    let told = steps.iter().map(|(event_type, action)| {
        format!("`{}` runs `{}`, which on success fires ", event_type.display_name, action.name)
    });
    let first = steps.first().map_or("", |(event_type, _)| event_type.display_name.as_str());
    format!("this is a cycle, which only the limits of chains end: {}`{first}`", told.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::resolve_tests::{action, event_type, module};
    use crate::store::Change;

    /// `count` actions that `t` triggers, of which the last one looked at fires `t` again.
    fn closing(count: usize) -> (Catalogue, Arc<EventType>) {
        let name = || Some("t".parse().unwrap());
        let event_type = Arc::new(event_type("t", None));
        let actions = (1..=count).map(|number| {
            let mut id = [0; 16];
            id[8..].copy_from_slice(&(number as u64).to_be_bytes());
            Change::PutAction(Arc::new(Action {
                id: ActionId::from_bytes(id),
                name: format!("a{number}").parse().unwrap(),
                trigger: name(),
                on_success: name().filter(|_| number == count),
                ..action(0, &TenantId::shared())
            }))
        });
        let first = [module(), Change::PutEventType(Arc::clone(&event_type))];
        (Catalogue::of(first.into_iter().chain(actions)).unwrap(), event_type)
    }

    #[test]
    fn a_cycle_is_looked_for_among_so_many_actions_and_no_more() {
        let (catalogue, event_type) = closing(LOOKED_AT_MAX);
        assert!(cycle_of_event_type(&catalogue, &event_type).is_some_and(|words| words.contains("`a10000`")));
        let (catalogue, event_type) = closing(LOOKED_AT_MAX + 1);
        assert_eq!(cycle_of_event_type(&catalogue, &event_type), None);
    }
}
