//! Chains: events that the ends of runs fire (DESIGN §3.9).

use super::{EventTypeId, EventTypeName, Json, Reason, Run, RunId, State};
use serde::{Deserialize, Serialize};

/// What fires when a run has ended, by the names that the action of its version gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowUp {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_success: Option<EventTypeName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<EventTypeName>,
}

/// Where an event of a chain comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lineage {
    /// The run whose end fired it.
    pub parent_run_id: RunId,
    pub parent_outcome: ParentOutcome,
    /// The event types of the events above it, that of the root first.
    pub event_types: Vec<EventTypeId>,
}

/// How the run ended whose end fired an event, as the actions of that event are told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParentOutcome {
    pub run_id: RunId,
    /// The action's name.
    pub action: String,
    pub state: State,
    pub reason: Option<Reason>,
    /// The result code: 0 is fine.
    pub code: u32,
    pub message: String,
    pub output: Option<Json>,
}

impl ParentOutcome {
    pub fn of(run: &Run) -> ParentOutcome {
        ParentOutcome {
            run_id: run.id,
            action: run.action.clone(),
            state: run.state,
            reason: run.reason,
            code: run.code,
            message: run.message.clone(),
            output: run.output.clone(),
        }
    }
}

/// How far chains go. There is no "unlimited": every field always holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainLimits {
    /// Steps below the event that began it.
    pub depth: u32,
    /// How often an event type may be in one line of ancestors.
    pub repeats: u32,
    /// Events of one root, the root included.
    pub events: u32,
}

impl Default for ChainLimits {
    fn default() -> ChainLimits {
        ChainLimits { depth: 16, repeats: 3, events: 256 }
    }
}

impl ChainLimits {
    /// Why there may be no event of type `event_type` below `ancestors`, where the chain has `events` already.
    pub fn refusal(&self, ancestors: &[EventTypeId], event_type: EventTypeId, events: u32) -> Option<String> {
        let before = ancestors.iter().filter(|ancestor| **ancestor == event_type).count();
        let over = |count: usize, limit: u32| u32::try_from(count).unwrap_or(u32::MAX) > limit;
        let (depth, times) = (ancestors.len(), before + 1);
        if over(depth, self.depth) {
            let limit = self.depth;
            Some(format!("it would be {depth} steps below the event that began its chain, and {limit} is the most"))
        } else if over(times, self.repeats) {
            let limit = self.repeats;
            Some(format!(
                "its event type is above it in its chain {before} times already, and {limit} times is the most"
            ))
        } else if events >= self.events {
            Some(format!("its chain has {events} events already, and {} is the most", self.events))
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types(numbers: &[u8]) -> Vec<EventTypeId> {
        numbers.iter().map(|number| EventTypeId::from_bytes([*number; 16])).collect()
    }

    #[test]
    fn each_limit_of_chains_holds_at_it_and_bites_past_it() {
        let limits = ChainLimits { depth: 4, repeats: 2, events: 10 };
        let refusal = |ancestors: &[u8], events| limits.refusal(&types(ancestors), types(&[9])[0], events);
        assert_eq!(refusal(&[1, 2, 3, 4], 9), None);
        assert!(refusal(&[1, 2, 3, 4, 5], 9).unwrap().contains("5 steps below"));
        assert_eq!(refusal(&[9, 1, 2], 3), None);
        assert!(refusal(&[9, 1, 9], 3).unwrap().contains("2 times already"));
        assert!(refusal(&[1], 10).unwrap().contains("10 events already"));
    }
}
