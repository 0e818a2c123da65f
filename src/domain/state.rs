//! The states of events, runs and attempts, and the reasons for them (DESIGN §3.7).

use serde::{Deserialize, Serialize};
use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum State {
    /// Accepted; waits for a permit.
    Queued,
    /// Waits for a point in time.
    Waiting,
    Running,
    Success,
    /// Completed with warnings.
    Warning,
    Error,
    /// Did not run; the reason says why.
    Skipped,
    Cancelled,
}

impl State {
    pub const ALL: [State; 8] = [
        State::Queued,
        State::Waiting,
        State::Running,
        State::Success,
        State::Warning,
        State::Error,
        State::Skipped,
        State::Cancelled,
    ];

    /// Terminal states are final.
    pub const fn is_terminal(self) -> bool {
        !matches!(self, State::Queued | State::Waiting | State::Running)
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            State::Queued => "QUEUED",
            State::Waiting => "WAITING",
            State::Running => "RUNNING",
            State::Success => "SUCCESS",
            State::Warning => "WARNING",
            State::Error => "ERROR",
            State::Skipped => "SKIPPED",
            State::Cancelled => "CANCELLED",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for State {
    type Err = ();

    fn from_str(text: &str) -> Result<State, ()> {
        State::ALL.into_iter().find(|state| state.as_str().eq_ignore_ascii_case(text)).ok_or(())
    }
}

/// Why a state that is not a plain one was reached, for machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    Trap,
    FuelExhausted,
    MemoryLimit,
    Timeout,
    OutputLimit,
    GuestError,
    ParamMissing,
    SecretMissing,
    InputInvalid,
    Denied,
    Disabled,
    Duplicate,
    Aborted,
    ChainLimit,
    FanoutLimit,
    Interrupted,
    Cancelled,
    NoSink,
    /// What it expected of its values did not hold any more when it ended.
    KvConflict,
}

impl Reason {
    /// Whether another attempt that the host ended for this could end differently. What is decided by code and input
    /// alone would not (DESIGN §3.8); whether a failure of the guest's own is worth it, the guest says.
    pub const fn is_worth_a_retry(self) -> bool {
        matches!(self, Reason::Timeout | Reason::Interrupted | Reason::KvConflict)
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::Trap => "trap",
            Reason::FuelExhausted => "fuel_exhausted",
            Reason::MemoryLimit => "memory_limit",
            Reason::Timeout => "timeout",
            Reason::OutputLimit => "output_limit",
            Reason::GuestError => "guest_error",
            Reason::ParamMissing => "param_missing",
            Reason::SecretMissing => "secret_missing",
            Reason::InputInvalid => "input_invalid",
            Reason::Denied => "denied",
            Reason::Disabled => "disabled",
            Reason::Duplicate => "duplicate",
            Reason::Aborted => "aborted",
            Reason::ChainLimit => "chain_limit",
            Reason::FanoutLimit => "fanout_limit",
            Reason::Interrupted => "interrupted",
            Reason::Cancelled => "cancelled",
            Reason::NoSink => "no_sink",
            Reason::KvConflict => "kv_conflict",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
