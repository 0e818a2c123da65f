//! An action tried out by hand: planned and run like any other, with all limits, and nothing of it kept.

use super::accept::{Fire, FireError, new_event};
use super::ending::end;
use super::job::Job;
use super::placement::Briefly;
use super::producer::Producer;
use super::resolve::{Binding, given, owner_of, planned};
use super::scheduler::Dispatch;
use super::services::{AttemptServices, Further};
use super::settle::fires;
use super::sinks::sink_type_of;
use super::unseal::{masked, missing_secret, record};
use super::worker::context;
use crate::domain::{
    Action, DedupWindow, Emitted, Event, EventId, EventType, EventTypeId, EventTypeName, Flow, GivenBy, IllegalChange,
    Json, LogLine, ObjectRef, Origin, Parameter, ParameterValue, Reason, Resolved, RetryPolicy, Run, RunId,
    SecretReach, SecretUse, TenantId, Timestamp, resolved,
};
use crate::sandbox::{Attempted, Invocation, Prepared};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// An action with a sample event.
#[derive(Clone, Debug)]
pub struct Trial {
    pub action: Arc<Action>,
    /// As whose event it is tried; `None` stands for one without parameters.
    pub event_type: Option<Arc<EventType>>,
    pub object: Option<ObjectRef>,
    pub payload: Json,
    pub input: Json,
    /// Values that take the place of those of the parameters of these names.
    pub params: Map<String, Value>,
    pub tenant: TenantId,
    /// Who tries it, for the guest's context.
    pub created_by: String,
}

/// What a trial came to.
#[derive(Clone, Debug)]
pub struct Tried {
    pub event: Event,
    /// The action as it was tried.
    pub action: Arc<Action>,
    /// As it would be in the history.
    pub run: Run,
    pub params: Vec<TriedParameter>,
    /// When its `when` would let it start.
    pub due_at: Option<Timestamp>,
    pub log: Vec<LogLine>,
    /// What it would fire besides, had it not been a trial.
    pub emits: Vec<Emitted>,
    /// What its end would fire, and with what.
    pub follows: Option<(EventTypeName, Json)>,
}

/// One parameter and where its value comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct TriedParameter {
    pub parameter: Parameter,
    /// `None` when the trial itself gives it.
    pub by: Option<GivenBy>,
    /// `None` when it is missing.
    pub value: Option<Value>,
    pub is_default: bool,
}

/// Why nothing was tried.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    #[error(transparent)]
    Refused(#[from] FireError),
    #[error("no permit came free in time; everything of this tenant that may run at once does")]
    NoPermit,
    #[error(transparent)]
    Illegal(#[from] IllegalChange),
}

impl Dispatch {
    /// What a trial would run with, without running it.
    pub fn prepare_trial(&self, trial: Trial) -> Tried {
        let now = self.now();
        let Trial { action, event_type, object, payload, input, params, tenant, created_by } = trial;
        let sample = event_type.unwrap_or_else(|| Arc::new(sample(&action, &tenant, now)));
        let given_by_trial: Vec<String> = params.keys().cloned().collect();
        let (action, event_type) = with_params(&action, &sample, params);
        let owner = owner_of(&event_type, &tenant);
        let fire = Fire {
            event_type: event_type.display_name.clone(),
            object,
            flow: Flow::None,
            payload,
            sameness: None,
            once: None,
            cloudevent: None,
            run_at: None,
            tenant,
            origin: Origin::Test,
            cause: None,
            by: Producer::Exempt,
            created_by,
        };
        let event = new_event(EventId::new(self.ids(), now), &event_type, owner, fire, now);
        // Whether it is enabled says what events do, not whether its author may try it.
        let binding = Binding { action, attachment: None, distance: 0, skipped: None, covered_by: None };
        let catalogue = self.store().catalogue();
        let sink_type = sink_type_of(&catalogue, &event_type);
        let types = (&*event_type, &**sink_type);
        let mut run = planned(&catalogue, types, &event, &binding, (RunId::new(self.ids(), now), 0));
        run.input = input;
        run.retry = RetryPolicy { attempts: 1, ..run.retry };
        let due_at = run.due_at;
        // That it would wait is told; it is tried now.
        drop(run.wake());
        // Who tries the platform's code out says with what params, so the platform's secrets are not among them.
        run.secrets
            .iter_mut()
            .filter(|secret| secret.reach == SecretReach::OwnElseShared)
            .for_each(|secret| secret.reach = SecretReach::Own);
        if let Some(missing) = missing_secret(&catalogue, &run) {
            // What was refused already stays so.
            drop(run.refuse(Reason::SecretMissing, missing, now));
        }
        let params = params_of((&binding.action, &event_type), &event.payload, &given_by_trial, |parameter| {
            let of_it = |named: &&SecretUse| named.parameter == parameter;
            run.secrets.iter().find(of_it).is_some_and(|named| record(&catalogue, &run.owner_id, named).is_some())
        });
        let action = binding.action;
        Tried { event, action, run, params, due_at, log: Vec::new(), emits: Vec::new(), follows: None }
    }

    /// Runs a trial to the end of its one attempt. It takes a permit of its tenant, for which it waits `patience`.
    ///
    /// # Errors
    /// See [`TrialError`].
    pub async fn try_out(&self, trial: Trial, patience: Duration) -> Result<Tried, TrialError> {
        let mut tried = self.prepare_trial(trial);
        if !tried.run.state.is_terminal() {
            self.run_trial(&mut tried, patience).await?;
        }
        let mut runs = [Arc::new(tried.run)];
        tried.follows = fires(&tried.event, &mut runs).pop().map(|fires| (fires.event_type, fires.payload));
        let [run] = runs;
        tried.run = Arc::unwrap_or_clone(run);
        Ok(tried)
    }

    async fn run_trial(&self, tried: &mut Tried, patience: Duration) -> Result<(), TrialError> {
        let Tried { event, run, action, .. } = tried;
        self.check_queue(&self.store().catalogue(), &event.owner_id)?;
        let (asker, permit) = oneshot::channel();
        let job = Job { trial: Some(asker), ..Job::stored(event.owner_id.clone(), event.id, run.sink_type.clone()) };
        self.offer(job);
        let _permit = match tokio::time::timeout(patience, permit).await {
            Ok(Ok(permit)) => permit,
            Ok(Err(_)) => return Err(FireError::ShuttingDown.into()),
            Err(_) => return Err(TrialError::NoPermit),
        };
        let prepared = match self.ready_for(run, action).await {
            Ok(prepared) => prepared,
            Err(message) => return Ok(run.refuse(Reason::Denied, message, self.now())?),
        };
        let unsealed = match self.unseal(run).await {
            Ok(unsealed) => unsealed,
            Err(message) => return Ok(run.refuse(Reason::SecretMissing, message, self.now())?),
        };
        let attempt = run.start(self.shared.entropy.pair(), self.now())?.clone();
        let mask = unsealed.as_ref().map(|unsealed| Arc::clone(&unsealed.mask));
        let further = prepared.reaches_further().then(|| Further {
            dispatch: self.clone(),
            event: Arc::new(event.clone()),
            run: Arc::new(run.clone()),
            hidden: unsealed.as_ref().map(|unsealed| unsealed.hidden.clone()).unwrap_or_default(),
        });
        let services = Arc::new(AttemptServices::new(Arc::clone(&self.shared.clock), mask, further));
        let host = Arc::<AttemptServices>::clone(&services);
        let invocation = Invocation { context: context(event, run, &attempt, unsealed.as_ref()), host };
        let attempted = self.attempt_trial(self.shared.sandbox.invoke(&prepared, invocation)).await;
        let attempted = attempted.ok_or(FireError::ShuttingDown)?;
        if let Some(attempt) = run.attempts.last_mut() {
            attempt.http = services.take_calls();
        }
        let mut attempted = masked(unsealed.as_ref(), attempted);
        // What it wrote is not kept.
        tried.emits = attempted.effects.take().map_or_else(Vec::new, |effects| effects.events);
        end(run, attempted, 0, self.now())?;
        self.count_ending(run.state, run.reason);
        tried.log = services.take_lines();
        Ok(())
    }

    /// What a trial needs, ready to be instantiated. Its source code may be in no store, so it is made ready from what the
    /// action has; where it is in one, nobody made it anew since.
    async fn ready_for(&self, run: &Run, action: &Action) -> Result<Prepared, String> {
        let Some(source) = &action.source else { return self.ready(run).await };
        let program = self.compile_source(source).await.map_err(|error| format!("the source code: {error}"))?;
        Ok(self.prepare(program.interpreter).await?.with_program(program.bytes))
    }

    /// `None` when the server shuts down. Dropping this ends the attempt.
    async fn attempt_trial(&self, invoking: impl Future<Output = Attempted> + Send + 'static) -> Option<Attempted> {
        let placement = &self.shared.placement;
        let invoking = match placement.run_briefly(Box::pin(invoking)).await {
            Briefly::Done(attempted) => return Some(attempted),
            Briefly::Long(invoking) => invoking,
        };
        let mut running = placement.run_long(invoking)?;
        tokio::select! {
            biased;
            attempted = running.ended() => attempted,
            () = self.shared.breaking_off.cancelled() => {
                running.break_off().await;
                None
            }
        }
    }
}

/// An event type that stands for one that is not there.
fn sample(action: &Action, tenant: &TenantId, now: Timestamp) -> EventType {
    EventType {
        paused: false,
        id: EventTypeId::from_bytes([0; 16]),
        owner_id: tenant.clone(),
        display_name: action.trigger.clone().unwrap_or_else(EventTypeName::of_sample),
        description: String::new(),
        sink_type: "wasm".to_owned(),
        source_type: None,
        action: None,
        enabled: true,
        flow: Flow::None,
        parameters: Vec::new(),
        payload_schema: None,
        dedup_window_s: DedupWindow::default(),
        version: 1,
        created_by: String::new(),
        created_at: now,
        updated_at: now,
    }
}

/// Action and event type with these values as STATIC parameters of the action in the place of all others of their names.
fn with_params(
    action: &Arc<Action>,
    event_type: &Arc<EventType>,
    params: Map<String, Value>,
) -> (Arc<Action>, Arc<EventType>) {
    let (mut action, mut event_type) = (Arc::clone(action), Arc::clone(event_type));
    if params.is_empty() {
        return (action, event_type);
    }
    Arc::make_mut(&mut event_type).parameters.retain(|parameter| !params.contains_key(&parameter.name));
    let parameters = &mut Arc::make_mut(&mut action).parameters;
    parameters.retain(|parameter| !params.contains_key(&parameter.name));
    parameters.extend(params.into_iter().map(|(name, value)| Parameter {
        name,
        value: ParameterValue::Static(value),
        required: true,
        default: None,
        locked: false,
        reveal: true,
    }));
    (action, event_type)
}

/// In the place of a secret that is set stands its key.
fn params_of(
    (action, event_type): (&Action, &EventType),
    payload: &Json,
    by_trial: &[String],
    is_set: impl Fn(&str) -> bool,
) -> Vec<TriedParameter> {
    let payload: Value = payload.to().unwrap_or_default();
    let event_types = given(action, event_type);
    let resolved = resolved(&action.parameters, &event_types, &payload);
    let tried = resolved.map(|Resolved { parameter, by, value, is_default }| TriedParameter {
        parameter: parameter.clone(),
        by: (!by_trial.contains(&parameter.name)).then_some(by),
        value: match parameter.secret() {
            Some(key) => is_set(&parameter.name).then(|| json!({ "secret": key })),
            None => value.cloned(),
        },
        is_default,
    });
    tried.collect()
}
