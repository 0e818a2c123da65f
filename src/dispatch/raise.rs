//! Events that are stored whatever becomes of them: nobody is there to be told that one was refused.

use super::job::Live;
use super::payload_schema::{PayloadSchemas, Violation};
use super::reach::FanOut;
use super::resolve::plan;
use super::settle::{Next, settle};
use crate::domain::{Event, EventType, Ids, Reason, Run, Sameness, State, Timestamp};
use crate::store::Catalogue;
use std::sync::Arc;

/// Why an event ends before anything of it runs.
pub(super) type Refusal = (State, Reason, String);

/// Settles an event that was planned, or ends one that was refused.
pub(super) fn begin(mut event: Event, planned: Result<Vec<Run>, Refusal>, now: Timestamp) -> (Live, Next) {
    let mut runs = Vec::new();
    let next = match planned {
        Ok(planned) => {
            event.runs = planned.iter().map(|run| run.id).collect();
            runs.extend(planned.into_iter().map(Arc::new));
            settle(&mut event, &mut runs, now).0
        }
        Err((state, reason, message)) => {
            event.end(state, Some(reason), message, now);
            Next::Nothing
        }
    };
    (Live { event: Arc::new(event), runs, family: None }, next)
}

/// Plans an event, unless its type does not take it now.
///
/// # Errors
/// How it ends instead.
pub(super) fn plan_or_refuse(
    catalogue: &Catalogue,
    schemas: &PayloadSchemas,
    ids: &Ids,
    (event_type, event, sameness): (&EventType, &Event, Option<&Sameness>),
) -> Result<Vec<Run>, Refusal> {
    if catalogue.is_switched_off(&event.owner_id) {
        return Err((State::Skipped, Reason::Disabled, format!("the tenant `{}` is switched off", event.owner_id)));
    }
    if !event_type.enabled {
        let message = format!("the event type `{}` is disabled", event_type.display_name);
        return Err((State::Skipped, Reason::Disabled, message));
    }
    let violations = schemas.violations(event_type, &event.payload);
    if !violations.is_empty() {
        return Err((State::Error, Reason::InputInvalid, told(&violations)));
    }
    let planned = plan(catalogue, event_type, event, ids, sameness);
    planned.map(|plan| plan.runs).map_err(|fan_out: FanOut| (State::Error, Reason::FanoutLimit, fan_out.to_string()))
}

fn told(violations: &[Violation]) -> String {
    let told = violations.iter().map(|violation| format!("{}: {}", violation.pointer, violation.message));
    format!("the payload does not follow the schema of the event type: {}", told.collect::<Vec<_>>().join("; "))
}
