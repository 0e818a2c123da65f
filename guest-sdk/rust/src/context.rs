//! What an action is told besides its payload, params and input.

use crate::{Random, Timestamp};

/// What an action is told about the attempt it is: who, what, where, when, and what it may use.
#[derive(Debug, Clone)]
pub struct Context {
    pub(crate) run_id: String,
    pub(crate) attempt: u32,
    pub(crate) event_id: String,
    pub(crate) trigger: String,
    pub(crate) event_time: Timestamp,
    pub(crate) tenant: String,
    pub(crate) object: Option<ObjectRef>,
    pub(crate) scope: Option<ObjectRef>,
    pub(crate) payload: String,
    pub(crate) params: String,
    pub(crate) input: String,
    pub(crate) chain: Chain,
    pub(crate) budget: Budget,
    pub(crate) now: Timestamp,
    pub(crate) random: Random,
}

/// A thing in the user's world, such as `public.bookable` / `42`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectRef {
    /// The kind of thing: `public.bookable`.
    pub object_type: String,
    /// Which of them: `42`.
    pub object_id: String,
}

/// Where the event stands in its chain.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Chain {
    /// The event that began the chain; the event itself when nothing came before it.
    pub root: String,
    /// The event whose run caused this one.
    pub parent: Option<String>,
    /// 0 for an event that nothing caused.
    pub depth: u32,
    /// The outcome of the run that caused this event, as a JSON text.
    pub parent_outcome: Option<String>,
}

/// What the attempt may use. Past any of these the host ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Deterministic instructions.
    pub fuel: u64,
    /// Sum over all linear memories, in bytes.
    pub memory_bytes: u64,
    /// When the attempt is ended, running or waiting.
    pub deadline: Timestamp,
}

impl Context {
    /// The run this attempt belongs to. The same for all attempts: use it as idempotency key outside.
    #[must_use]
    pub fn run_id(&self) -> &str {
        &self.run_id
    }

    /// 1 for the first attempt.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The event that is being handled.
    #[must_use]
    pub fn event_id(&self) -> &str {
        &self.event_id
    }

    /// The display name of the event type that fired.
    #[must_use]
    pub fn trigger(&self) -> &str {
        &self.trigger
    }

    /// When the event was accepted.
    #[must_use]
    pub fn event_time(&self) -> Timestamp {
        self.event_time
    }

    /// The owner of the run; empty for the shared tenant.
    #[must_use]
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// The object the event was raised on.
    #[must_use]
    pub fn object(&self) -> Option<&ObjectRef> {
        self.object.as_ref()
    }

    /// The object the action is attached to, when that is what made it run: the event's object or a relative of it.
    #[must_use]
    pub fn scope(&self) -> Option<&ObjectRef> {
        self.scope.as_ref()
    }

    /// The event's payload as it came, a JSON text. The `payload` parameter is the typed way to it.
    #[must_use]
    pub fn payload_json(&self) -> &str {
        &self.payload
    }

    /// Where the event stands in its chain.
    #[must_use]
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// What the attempt may use.
    #[must_use]
    pub fn budget(&self) -> Budget {
        self.budget
    }

    /// The time of this attempt. It stands still while the attempt runs and is the same when it is repeated.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Random numbers from the attempt's seed; they go on where the last draw ended.
    #[must_use]
    pub fn random(&self) -> &Random {
        &self.random
    }
}
