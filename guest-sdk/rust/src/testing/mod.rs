//! Runs an action natively, without any host, in a plain `cargo test`.
//!
//! `#[action] fn triage(..)` leaves `triage` callable as it is, and adds `triage_action`, which takes what
//! the host sends and is what [`run`] takes.
//!
//! ```
//! use fusebox_sdk::testing::{Sample, run};
//! use fusebox_sdk::{Context, Failure, action, json, log};
//!
//! #[action]
//! fn double(payload: u64, ctx: &Context) -> Result<u64, Failure> {
//!     log::info!("doubling"; attempt = ctx.attempt());
//!     payload.checked_mul(2).ok_or_else(|| Failure::reject("too large").with_code(9))
//! }
//!
//! let report = run(double_action, Sample::new(json!(21)).attempt(2));
//! assert_eq!(report.output(), &json!(42));
//! assert_eq!(report.logs()[0].message, "doubling");
//! assert_eq!(report.logs()[0].field("attempt"), Some(json!(2)));
//!
//! let report = run(double_action, Sample::new(json!(u64::MAX)));
//! assert_eq!(report.failure().code(), 9);
//! ```

pub(crate) mod world;

use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};

pub use self::world::Emitted;
use self::world::{Answer, Values, World};
use crate::glue::Settled;
use crate::http::{Error as HttpError, Request, Response};
use crate::kv::Scope;
use crate::log::Level;
use crate::{Budget, Chain, Context, Failure, ObjectRef, Random, Timestamp};

/// What the host would send, and how it answers. Everything but the payload has a sensible value to begin with.
#[derive(Debug, Clone)]
pub struct Sample {
    context: Context,
    world: World,
}

impl Default for Sample {
    fn default() -> Self {
        Self::new(json!({}))
    }
}

impl Sample {
    /// An event with this payload: the first attempt, no object, no params, no input.
    #[must_use]
    pub fn new(payload: Value) -> Self {
        let event_id = "01900000-0000-7000-8000-000000000001".to_owned();
        let now = Timestamp::from_millis(1_767_225_600_000); // 2026-01-01T00:00:00Z
        let context = Context {
            run_id: "01900000-0000-7000-8000-000000000002".to_owned(),
            attempt: 1,
            event_id: event_id.clone(),
            trigger: "test".to_owned(),
            event_time: now,
            tenant: String::new(),
            object: None,
            scope: None,
            payload: payload.to_string(),
            params: "{}".to_owned(),
            input: "{}".to_owned(),
            chain: Chain { root: event_id, ..Chain::default() },
            budget: Budget {
                fuel: 1_000_000_000,
                memory_bytes: 64 << 20,
                deadline: Timestamp::from_millis(now.as_millis() + 30_000),
            },
            now,
            random: Random::new((1, 2)),
        };
        Self { context, world: World::default() }
    }

    /// An event whose payload is this JSON text, such as `include_str!("../sample.json")`.
    ///
    /// # Panics
    /// When it is not JSON.
    #[must_use]
    pub fn from_json(payload: &str) -> Self {
        let value: Value = serde_json::from_str(payload).expect("the sample should be JSON");
        Self::new(value)
    }

    /// The resolved parameters.
    #[must_use]
    pub fn params(mut self, params: Value) -> Self {
        self.context.params = params.to_string();
        self
    }

    /// The input of the attachment.
    #[must_use]
    pub fn input(mut self, input: Value) -> Self {
        self.context.input = input.to_string();
        self
    }

    /// The number of the attempt, from 1.
    #[must_use]
    pub fn attempt(mut self, attempt: u32) -> Self {
        self.context.attempt = attempt;
        self
    }

    /// The display name of the event type.
    #[must_use]
    pub fn trigger(mut self, trigger: &str) -> Self {
        self.context.trigger = trigger.to_owned();
        self
    }

    /// The owner of the run.
    #[must_use]
    pub fn tenant(mut self, tenant: &str) -> Self {
        self.context.tenant = tenant.to_owned();
        self
    }

    /// The object the event was raised on.
    #[must_use]
    pub fn object(mut self, object_type: &str, object_id: &str) -> Self {
        self.context.object = Some(object_ref(object_type, object_id));
        self
    }

    /// The object the action is attached to.
    #[must_use]
    pub fn scope(mut self, object_type: &str, object_id: &str) -> Self {
        self.context.scope = Some(object_ref(object_type, object_id));
        self
    }

    /// The time of the attempt.
    #[must_use]
    pub fn now(mut self, now: Timestamp) -> Self {
        self.context.now = now;
        self
    }

    /// The seed of the attempt.
    #[must_use]
    pub fn seed(mut self, seed: (u64, u64)) -> Self {
        self.context.random = Random::new(seed);
        self
    }

    /// The place in the chain.
    #[must_use]
    pub fn chain(mut self, chain: Chain) -> Self {
        self.context.chain = chain;
        self
    }

    /// What the attempt may use; natively nothing enforces it.
    #[must_use]
    pub fn budget(mut self, budget: Budget) -> Self {
        self.context.budget = budget;
        self
    }

    /// A value that is in [`kv::action`](crate::kv::action) already.
    #[must_use]
    pub fn kv(mut self, key: &str, value: impl Into<Vec<u8>>) -> Self {
        self.world.put((Scope::Action, key.to_owned()), value.into(), None);
        self
    }

    /// A value that is in [`kv::attachment`](crate::kv::attachment) already.
    #[must_use]
    pub fn kv_of_attachment(mut self, key: &str, value: impl Into<Vec<u8>>) -> Self {
        self.world.put((Scope::Attachment, key.to_owned()), value.into(), None);
        self
    }

    /// Every write to `kv` is over a limit, with this text.
    #[must_use]
    pub fn kv_full(mut self, message: &str) -> Self {
        self.world.values_full = Some(message.to_owned());
        self
    }

    /// The event type may not be fired; the text says why.
    #[must_use]
    pub fn refuses_event(mut self, event_type: &str, message: &str) -> Self {
        self.world.refused.insert(event_type.to_owned(), message.to_owned());
        self
    }

    /// Requests to exactly this URL are answered so. Of several answers for a URL the last one holds; a request that there
    /// is no answer for is denied.
    #[must_use]
    pub fn answers(self, url: &str, status: u16, body: impl Into<Vec<u8>>) -> Self {
        let response = Response { status, headers: Vec::new(), body: body.into() };
        self.add_answer(Some(url), move |_| Ok(response.clone()))
    }

    /// All requests are answered by this function, unless a later `answers` is meant for them.
    #[must_use]
    pub fn answers_with(self, answering: impl Fn(&Request) -> Result<Response, HttpError> + 'static) -> Self {
        self.add_answer(None, answering)
    }

    fn add_answer(
        mut self,
        url: Option<&str>,
        answering: impl Fn(&Request) -> Result<Response, HttpError> + 'static,
    ) -> Self {
        self.world.answers.push(Answer { url: url.map(str::to_owned), answering: Rc::new(answering) });
        self
    }

    /// The run is cancelled after the action has asked so many times whether it is.
    #[must_use]
    pub fn cancelled_after(mut self, times: u32) -> Self {
        self.world.cancelled_after = Some(times);
        self
    }

    /// The context itself, to call the function directly.
    #[must_use]
    pub fn into_context(self) -> Context {
        self.context
    }
}

fn object_ref(object_type: &str, object_id: &str) -> ObjectRef {
    ObjectRef { object_type: object_type.to_owned(), object_id: object_id.to_owned() }
}

/// One line the action logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// How much it matters.
    pub level: Level,
    /// The formatted message.
    pub message: String,
    /// Names and JSON texts.
    pub fields: Vec<(String, String)>,
}

impl Line {
    /// The value of a field.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<Value> {
        let (_, text) = self.fields.iter().find(|(field, _)| field == name)?;
        serde_json::from_str(text).ok()
    }
}

/// What came out of an action.
#[derive(Debug, Clone)]
pub struct Report {
    result: Result<Kept, Failure>,
    logs: Vec<Line>,
    values: Values,
    emitted: Vec<Emitted>,
    requests: Vec<Request>,
}

#[derive(Debug, Clone)]
struct Kept {
    output: Value,
    warnings: Vec<String>,
    event: Option<Value>,
}

/// Runs the action on the sample. Panics in it go through, so the test shows them.
#[must_use]
pub fn run(action: fn(&Context) -> Settled, sample: Sample) -> Report {
    let Sample { context, world } = sample;
    let before = world.values.clone();
    let world = World { budget: Some(context.budget), time: context.now.until(context.budget.deadline), ..world };
    let (settled, world) = world.around(|| action(&context));
    let value = |text: String| serde_json::from_str(&text).expect("serde_json wrote this text");
    let result = settled.map(|success| Kept {
        output: success.output.map_or(Value::Null, value),
        warnings: success.warnings,
        event: success.event.map(value),
    });
    // What a failed attempt wrote is gone, and what it fired is not fired.
    let (values, emitted) = if result.is_ok() { (world.values, world.emitted) } else { (before, Vec::new()) };
    Report { result, logs: world.lines, values, emitted, requests: world.requests }
}

impl Report {
    /// `SUCCESS`, `WARNING` or `ERROR`, as the run would end (a retry only after its last attempt).
    #[must_use]
    pub fn state(&self) -> &'static str {
        match &self.result {
            Ok(kept) if kept.warnings.is_empty() => "SUCCESS",
            Ok(_) => "WARNING",
            Err(_) => "ERROR",
        }
    }

    /// The output; null when the action returned none.
    ///
    /// # Panics
    /// When the action failed.
    #[must_use]
    pub fn output(&self) -> &Value {
        &self.kept().output
    }

    /// The warnings, in order.
    ///
    /// # Panics
    /// When the action failed.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.kept().warnings
    }

    /// The payload for the next event in the chain, when the action gave one.
    ///
    /// # Panics
    /// When the action failed.
    #[must_use]
    pub fn event(&self) -> Option<&Value> {
        self.kept().event.as_ref()
    }

    /// Why the action failed.
    ///
    /// # Panics
    /// When it did not.
    #[must_use]
    pub fn failure(&self) -> &Failure {
        match &self.result {
            Ok(kept) => panic!("the action succeeded: {kept:?}"),
            Err(failure) => failure,
        }
    }

    /// The lines it logged, in order.
    #[must_use]
    pub fn logs(&self) -> &[Line] {
        &self.logs
    }

    /// What is at this key of [`kv::action`](crate::kv::action) after the run. What a failed run wrote is not there.
    #[must_use]
    pub fn kv(&self, key: &str) -> Option<&[u8]> {
        self.value(Scope::Action, key)
    }

    /// What is at this key of [`kv::attachment`](crate::kv::attachment) after the run.
    #[must_use]
    pub fn kv_of_attachment(&self, key: &str) -> Option<&[u8]> {
        self.value(Scope::Attachment, key)
    }

    /// How long the value at this key of [`kv::action`](crate::kv::action) stays; nothing if it stays, or is not there.
    #[must_use]
    pub fn kv_ttl(&self, key: &str) -> Option<Duration> {
        self.values.get(&(Scope::Action, key.to_owned()))?.ttl
    }

    /// The events that the run fires now that it has succeeded, in order; none when it failed.
    #[must_use]
    pub fn emitted(&self) -> &[Emitted] {
        &self.emitted
    }

    /// The HTTP requests it sent, in order.
    #[must_use]
    pub fn requests(&self) -> &[Request] {
        &self.requests
    }

    fn value(&self, scope: Scope, key: &str) -> Option<&[u8]> {
        self.values.get(&(scope, key.to_owned())).map(|kept| kept.entry.value.as_slice())
    }

    fn kept(&self) -> &Kept {
        match &self.result {
            Ok(kept) => kept,
            Err(failure) => panic!("the action failed: {failure:?}"),
        }
    }
}
