//! Who runs, when, with what, and what follows.
//!
//! [`Dispatch::fire`] takes an event in; `resolve` plans it, `capacity` says when its runs may start, `worker` carries one
//! attempt to the sandbox and back, `settle` says what follows. Planning and settling are pure; everything they decide is
//! one transition of the store. It does not know HTTP, redb or Wasm.

mod accept;
mod cancel;
mod capacity;
#[cfg(test)]
mod capacity_tests;
mod chain;
#[cfg(test)]
mod chain_tests;
#[cfg(test)]
mod chain_worlds;
mod cycle;
#[cfg(test)]
mod dedup_tests;
mod desk;
mod ending;
mod family;
mod forms;
mod graph;
mod input_schema;
mod job;
mod mask;
mod once;
mod order;
mod pause;
mod payload_schema;
mod placement;
mod producer;
mod programs;
mod quota;
mod raise;
mod reach;
mod recovery;
mod replay;
mod reservations;
mod resolve;
#[cfg(test)]
mod resolve_tests;
mod retention;
mod scheduler;
mod schedules;
mod secrets;
mod services;
mod settle;
#[cfg(test)]
mod settle_tests;
mod sinks;
#[cfg(test)]
mod testing;
mod timing;
mod trial;
mod unseal;
mod worker;

pub use accept::{Fire, FireError, Fired};
pub use cancel::CancelError;
pub use capacity::{Permits, Profile};
pub use cycle::{cycle_of_action, cycle_of_event_type};
pub use graph::{ChainEdge, ChainGraph, ChainNode, Picked, Step, Wanted};
pub use input_schema::{check_input_schema, input_violations};
pub use mask::Mask;
pub use order::{Rank, moved};
pub use payload_schema::{SchemaError, Violation, check_schema};
pub use producer::Producer;
pub use programs::SourceError;
pub use quota::{UnderWay, Used};
pub use reach::{FanOut, above, unreached};
pub use replay::{Replay, ReplayError, Replaying};
pub use resolve::{Binding, bindings};
pub use retention::Keep;
pub use scheduler::{Config, Dispatch, Load, StartError};
pub use secrets::{KeyLost, RotateError, Rotated, SaveKeyring, Sealing, SecretError, Secrets};
pub use settle::Target;
pub use sinks::{explain_wait, find_sink_type, is_taken, sink_types, sinks, waits_for};
pub use timing::{TimingError, first_after, next_firings};
pub use trial::{Trial, TrialError, Tried, TriedParameter};
pub use worker::told;
