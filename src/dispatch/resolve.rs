//! Who runs, in what order, with what: a pure function of the catalogue and the event.

use crate::domain::{
    Action, Event, EventType, Ids, Json, LIMITS_WASM, Reason, Run, RunId, State, TenantId, Timestamp,
    resolve_parameters,
};
use crate::store::Catalogue;

/// What an event will do.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plan {
    /// In the order in which they run; some may have ended already, because they do not run at all.
    pub(super) runs: Vec<Run>,
}

/// Plans the runs of `event`, which is of `event_type`.
pub(super) fn plan(catalogue: &Catalogue, event_type: &EventType, event: &Event, ids: &Ids) -> Plan {
    let linked = event_type.action.and_then(|id| catalogue.action(id));
    let runs = linked.into_iter().enumerate().map(|(position, action)| {
        let id = RunId::new(ids, event.created_at);
        planned(catalogue, event_type, event, action, (id, position))
    });
    Plan { runs: runs.collect() }
}

fn planned(
    catalogue: &Catalogue,
    event_type: &EventType,
    event: &Event,
    action: &Action,
    (id, position): (RunId, usize),
) -> Run {
    let now = event.created_at;
    let module = catalogue.module(&action.owner_id, &action.module);
    let params = resolve_parameters(&action.parameters, &event_type.parameters, &event.payload);
    let mut run = Run {
        id,
        position: u32::try_from(position).unwrap_or(u32::MAX),
        // The catalogue refuses to lose a module that an action names; the digest of nothing never runs.
        module: module.map_or_else(|| crate::domain::Digest::of(b""), |module| module.digest),
        params: params.as_ref().map_or_else(|_| Json::empty_object(), Json::clone),
        // What was saved was checked to be tighter; should the profile have shrunk since, the profile holds.
        limits: LIMITS_WASM.tightened(&action.limits).unwrap_or(LIMITS_WASM),
        ..blank(event, action, now)
    };
    let refused = if !action.enabled {
        run.skip(Reason::Disabled, format!("the action `{}` is disabled", action.name), now)
    } else if module.is_none() {
        run.refuse(Reason::Denied, format!("there is no module `{}` any more", action.module), now)
    } else if let Err(missing) = params {
        run.refuse(Reason::ParamMissing, missing.to_string(), now)
    } else {
        Ok(())
    };
    debug_assert!(refused.is_ok(), "a run that was just planned is QUEUED");
    run
}

fn blank(event: &Event, action: &Action, now: Timestamp) -> Run {
    Run {
        id: RunId::from_bytes([0; 16]),
        event_id: event.id,
        owner_id: event.owner_id.clone(),
        position: 0,
        action_id: action.id,
        action: action.name.to_string(),
        version: action.version,
        module: crate::domain::Digest::of(b""),
        scope: None,
        params: Json::empty_object(),
        input: Json::empty_object(),
        limits: LIMITS_WASM,
        retry: action.retry,
        continue_on_fail: action.continue_on_fail,
        state: State::Queued,
        reason: None,
        message: String::new(),
        code: 0,
        messages: Vec::new(),
        output: None,
        chained: None,
        attempts: Vec::new(),
        interruptions: 0,
        due_at: None,
        queued_at: now,
        started_at: None,
        ended_at: None,
    }
}

/// Whose history an event goes to: the owner of its type, or the caller when the type is shared.
pub(super) fn owner_of(event_type: &EventType, caller: &TenantId) -> TenantId {
    if event_type.owner_id.is_shared() { caller.clone() } else { event_type.owner_id.clone() }
}
