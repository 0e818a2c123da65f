//! Who runs, when, with what, and what follows.
//!
//! [`Dispatch::fire`] takes an event in; `resolve` plans it, `capacity` says when its runs may start, `worker` carries one
//! attempt to the sandbox and back, `settle` says what follows. Planning and settling are pure; everything they decide is
//! one transition of the store. It does not know HTTP, redb or Wasm.

mod accept;
mod cancel;
mod capacity;
mod chain;
#[cfg(test)]
mod chain_tests;
#[cfg(test)]
mod chain_worlds;
mod cycle;
mod desk;
mod family;
mod input_schema;
mod job;
mod payload_schema;
mod placement;
mod producer;
mod raise;
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
mod testing;
mod timing;
mod worker;

pub use accept::{Fire, FireError, Fired};
pub use cancel::CancelError;
pub use capacity::Permits;
pub use cycle::{cycle_of_action, cycle_of_event_type};
pub use input_schema::{check_input_schema, input_violations};
pub use payload_schema::{SchemaError, Violation, check_schema};
pub use producer::Producer;
pub use replay::{Replay, ReplayError, Replaying};
pub use resolve::{Binding, FanOut, bindings};
pub use retention::Keep;
pub use scheduler::{Config, Dispatch, Load, StartError};
pub use secrets::{KeyLost, RotateError, Rotated, SaveKeyring, Sealing, SecretError, Secrets};
pub use settle::Target;
pub use timing::{TimingError, first_after, next_firings};
