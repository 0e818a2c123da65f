//! Fusebox runs other people's code when something happens: a trigger fires on an object, and every
//! action bound to it runs as a WebAssembly component in an instance of its own, with hard limits.
//!
//! The `cli` starts a `server`; its `api` takes events in; `dispatch` decides who runs and when; the `sandbox`
//! runs it; the `store` remembers it; the `console` shows it; the `domain` gives everything its name. `ARCHITECTURE.md` has the map.

pub mod api;
pub mod cli;
pub mod console;
pub mod dispatch;
pub mod domain;
pub mod sandbox;
pub mod server;
pub mod store;
