//! Who runs, in what order, with what: a pure function of the catalogue and the event.

use super::order::Rank;
use super::reach::{FanOut, Steps, reach};
use super::sinks::sink_type_of;
use crate::domain::{
    Action, ActionId, Attachment, AttachmentId, DedupKey, DedupMode, Digest, Event, EventType, FAN_OUT_MAX,
    Fingerprint, Flow, FollowUp, Ids, ModuleRef, ObjectRef, Parameter, ParameterMissing, Params, Pin, Reason, Run,
    RunId, Sameness, SecretReach, SinkType, TenantId, resolve_parameters,
};
use crate::store::Catalogue;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

/// What an event will do.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plan {
    /// In the order in which they run; some may have ended already, because they do not run at all.
    pub(super) runs: Vec<Run>,
}

/// One action that an event reaches, and through what.
#[derive(Clone, Debug, PartialEq)]
pub struct Binding {
    /// The version that would run.
    pub action: Arc<Action>,
    /// `None` for the action that the event type names.
    pub attachment: Option<Arc<Attachment>>,
    /// Steps between the event's object and the attachment's.
    pub distance: u32,
    /// Why it does not run.
    pub skipped: Option<(Reason, String)>,
    /// The place of an earlier binding whose run stands for this one's as well, see [`DedupMode::PerAction`].
    pub covered_by: Option<usize>,
}

/// Plans the runs of `event`, which is of `event_type`. With a `sameness` they have keys by which the same is found in
/// flight; without one they are nobody's duplicates.
///
/// # Errors
/// There would be more than [`FAN_OUT_MAX`].
pub(super) fn plan(
    catalogue: &Catalogue,
    event_type: &EventType,
    event: &Event,
    ids: &Ids,
    sameness: Option<&Sameness>,
) -> Result<Plan, FanOut> {
    let bindings = bindings(catalogue, event_type, &event.owner_id, event.object.as_ref(), event.flow)?;
    let sameness = sameness.filter(|_| bindings.iter().any(|binding| binding.skipped.is_none()));
    let fingerprint =
        sameness.map(|same| Fingerprint::of(same, event.event_type_id, event.object.as_ref(), &event.payload));
    let sink_type = sink_type_of(catalogue, event_type);
    let mut runs: Vec<Run> = Vec::with_capacity(bindings.len());
    for (position, binding) in bindings.iter().enumerate() {
        let id = RunId::new(ids, event.created_at);
        let mut run = planned(catalogue, (event_type, sink_type), event, binding, (id, position));
        if !run.state.is_terminal() {
            match &fingerprint {
                // Those of one event that another covers ask for the same key, which only the first gets.
                Some(firing) => run.dedup_key = Some(key(firing, &binding.action, &run)),
                None => skip_if_covered(&mut run, binding, &runs),
            }
        }
        runs.push(run);
    }
    Ok(Plan { runs })
}

/// Plans the one run of `event` that this binding makes; none when the event does not reach it.
///
/// # Errors
/// As [`plan`].
pub(super) fn plan_only(
    catalogue: &Catalogue,
    event_type: &EventType,
    event: &Event,
    ids: &Ids,
    (action, attachment): (ActionId, Option<AttachmentId>),
) -> Result<Plan, FanOut> {
    let bindings = bindings(catalogue, event_type, &event.owner_id, event.object.as_ref(), event.flow)?;
    let wanted =
        |found: &Binding| found.action.id == action && found.attachment.as_ref().map(|found| found.id) == attachment;
    let found = bindings.iter().find(|found| wanted(found));
    let types = (event_type, &**sink_type_of(catalogue, event_type));
    let run = found.map(|found| planned(catalogue, types, event, found, (RunId::new(ids, event.created_at), 0)));
    Ok(Plan { runs: run.into_iter().collect() })
}

fn key(firing: &Fingerprint, action: &Action, run: &Run) -> DedupKey {
    firing.key(action.dedup_mode, &run.owner_id, run.action_id, run.attachment_id)
}

/// Should the earlier run not have got as far as to run, the next stands for the others.
fn skip_if_covered(run: &mut Run, binding: &Binding, earlier: &[Run]) {
    let stands = |earlier: &&Run| earlier.action_id == run.action_id && !earlier.state.is_terminal();
    let standing = binding.covered_by.and_then(|place| earlier[place..].iter().find(stands)).map(|run| run.id);
    if let Some(id) = standing {
        let skipped = run.skip_as_duplicate(id, run.queued_at);
        debug_assert!(skipped.is_ok(), "a run that was just planned is QUEUED");
    }
}

/// What an event of `event_type` reaches for `tenant`, in the one order there is (DESIGN §3.3): the action of the event
/// type, then attachments by priority, the higher first, then the nearest scope, then the oldest.
///
/// # Errors
/// It is more than [`FAN_OUT_MAX`].
pub fn bindings(
    catalogue: &Catalogue,
    event_type: &EventType,
    tenant: &TenantId,
    object: Option<&ObjectRef>,
    flow: Flow,
) -> Result<Vec<Binding>, FanOut> {
    let linked = event_type.action.and_then(|id| catalogue.action(id));
    let mut reached = match object {
        Some(object) => reach(catalogue, event_type, tenant, (&Arc::new(object.clone()), flow), &mut Steps::default())?,
        None => Vec::new(),
    };
    if reached.len() + linked.iter().len() > FAN_OUT_MAX {
        return Err(FanOut);
    }
    reached.sort_by_key(|(attachment, distance)| Rank::of(attachment, *distance));
    let linked = linked.map(|action| Binding {
        skipped: disabled(action),
        action: Arc::clone(action),
        attachment: None,
        distance: 0,
        covered_by: None,
    });
    let attached = reached.into_iter().filter_map(|(attachment, distance)| {
        let action = Arc::clone(catalogue.attached_action(&attachment)?);
        let skipped = refusal(catalogue, &attachment);
        Some(Binding { action, attachment: Some(attachment), distance, skipped, covered_by: None })
    });
    let mut bindings: Vec<Binding> = linked.into_iter().chain(attached).collect();
    collapse(&mut bindings);
    Ok(bindings)
}

/// Of one event, an action that is deduplicated as a whole runs through the first of its bindings only (DESIGN §3.5).
fn collapse(bindings: &mut [Binding]) {
    let mut first: HashMap<ActionId, usize> = HashMap::new();
    for (place, binding) in bindings.iter_mut().enumerate() {
        if binding.action.dedup_mode == DedupMode::PerAction && binding.skipped.is_none() {
            binding.covered_by = first.get(&binding.action.id).copied();
            first.entry(binding.action.id).or_insert(place);
        }
    }
}

fn disabled(action: &Action) -> Option<(Reason, String)> {
    (!action.enabled).then(|| (Reason::Disabled, format!("the action `{}` is disabled", action.name)))
}

/// Why an attachment does not run. Switching an action off stops its older versions too: it is how a bad one is stopped.
fn refusal(catalogue: &Catalogue, attachment: &Attachment) -> Option<(Reason, String)> {
    let newest = catalogue.action(attachment.action_id)?;
    if let Some(disabled) = disabled(newest) {
        return Some(disabled);
    }
    let withdrawn = attachment.pin.is_none() && !newest.may_be_attached_by(&attachment.owner_id);
    withdrawn.then(|| {
        let message = format!("the action `{}` is not public any more, and this attachment follows it", newest.name);
        (Reason::Denied, message)
    })
}

pub(super) fn planned(
    catalogue: &Catalogue,
    (event_type, sink_type): (&EventType, &SinkType),
    event: &Event,
    binding: &Binding,
    (id, position): (RunId, usize),
) -> Run {
    let now = event.created_at;
    let Binding { action, attachment, skipped, .. } = binding;
    let module = executed(catalogue, action, attachment.as_ref().and_then(|attachment| attachment.pin));
    let params = parameters(binding, event_type, event);
    let due = action.when.as_ref().map(|when| when.time(&event.payload)).transpose();
    let mut run = Run {
        position: u32::try_from(position).unwrap_or(u32::MAX),
        action: action.name.to_string(),
        version: action.version,
        retry: action.retry,
        continue_on_fail: action.continue_on_fail,
        // The catalogue refuses to lose a module that an action names; the digest of nothing never runs.
        module: module.as_ref().map_or_else(|_| Digest::of(b""), |module| *module),
        source: action.source.as_ref().map(|source| source.digest),
        // An action does not know under which sink types it will run: the tighter of both holds.
        limits: sink_type.limits.capped(&action.limits),
        allowed_hosts: action.allowed_hosts.clone(),
        sink_type: (!sink_type.is_built_in()).then(|| sink_type.header.name.clone()),
        ..Run::queued(id, event.id, event.owner_id.clone(), action.id, now)
    };
    let params = params.map(|params| (run.params, run.secrets) = (params.json, params.secrets));
    if action.on_success.is_some() || action.on_failure.is_some() {
        let (on_success, on_failure) = (action.on_success.clone(), action.on_failure.clone());
        run.follow_up = Some(Box::new(FollowUp { on_success, on_failure }));
    }
    if let Some(attachment) = attachment {
        run.attachment_id = Some(attachment.id);
        run.scope = Some(attachment.object.clone());
        run.input = attachment.input.clone();
        run.foreign = action.is_foreign_to(&attachment.owner_id);
    }
    let refused = if let Some((reason, message)) = skipped {
        run.skip(*reason, message.clone(), now)
    } else if let Err(gone) = module {
        run.refuse(Reason::Denied, gone, now)
    } else if let Err(missing) = params {
        run.refuse(Reason::ParamMissing, missing.to_string(), now)
    } else {
        match due.map(|due| due.max(event.run_at)) {
            Err(unknown) => run.refuse(Reason::ParamMissing, unknown.to_string(), now),
            // A past time is now.
            Ok(Some(due)) if due > now => run.delay(due),
            Ok(_) => Ok(()),
        }
    };
    debug_assert!(refused.is_ok(), "a run that was just planned is QUEUED");
    run
}

/// The module that runs: what was pinned, what the action names, or the interpreter of its source code; or that there is
/// none any more.
fn executed(catalogue: &Catalogue, action: &Action, pin: Option<Pin>) -> Result<Digest, String> {
    if let Some(source) = &action.source {
        let interpreter = catalogue.interpreter(&source.language);
        return interpreter.ok_or_else(|| format!("there is no interpreter for `{}` any more", source.language));
    }
    let pinned = pin.map(|pin| Cow::Owned(ModuleRef::Digest(pin.module)));
    let Some(reference) = pinned.or_else(|| action.module.as_ref().map(Cow::Borrowed)) else {
        return Err("the action has neither a module nor source code".to_owned());
    };
    let module = catalogue.module(&action.owner_id, &reference).map(|module| module.digest);
    module.ok_or_else(|| format!("there is no module `{reference}` any more"))
}

fn parameters(binding: &Binding, event_type: &EventType, event: &Event) -> Result<Params, ParameterMissing> {
    let action = &binding.action;
    let of_action = (action.parameters.as_slice(), reach_of_secrets(binding, &action.owner_id));
    let given = given(action, event_type);
    let of_event_type = (&*given, reach_of_secrets(binding, &event_type.owner_id));
    resolve_parameters(of_action, of_event_type, &event.payload)
}

/// What an attached action locks its event type must not give; of a linked one that was checked when it was saved.
pub(super) fn given<'a>(action: &Action, event_type: &'a EventType) -> Cow<'a, [Parameter]> {
    let locked = |name: &str| action.parameters.iter().any(|parameter| parameter.locked && parameter.name == name);
    if !event_type.parameters.iter().any(|parameter| locked(&parameter.name)) {
        return Cow::Borrowed(&event_type.parameters);
    }
    event_type.parameters.iter().filter(|given| !locked(&given.name)).cloned().collect()
}

/// Whose secrets the parameters of what `owner` owns may name. The platform's go to the platform's code only: a tenant's
/// action that runs for a shared event type gets its params too.
fn reach_of_secrets(Binding { action, attachment, .. }: &Binding, owner: &TenantId) -> SecretReach {
    let attacher = attachment.as_ref().map(|attachment| &attachment.owner_id);
    if attacher.is_some_and(|attacher| attacher.is_shared() && action.is_foreign_to(attacher)) {
        SecretReach::Nobody
    } else if owner.is_shared() && action.owner_id.is_shared() {
        SecretReach::OwnElseShared
    } else {
        SecretReach::Own
    }
}

/// Whose history an event goes to: the owner of its type, or the caller when the type is shared.
pub(super) fn owner_of(event_type: &EventType, caller: &TenantId) -> TenantId {
    if event_type.owner_id.is_shared() { caller.clone() } else { event_type.owner_id.clone() }
}
