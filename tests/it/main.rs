//! Everything a user can see, in one binary.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod access;
mod audit;
mod backup;
mod cli;
mod crash;
mod examples;
mod http_cancel;
mod http_catalogue;
mod http_chain_limits;
mod http_chains;
mod http_dedup;
mod http_delays;
mod http_events;
mod http_limits;
mod http_modules;
mod http_replay;
mod http_schedules;
mod http_scopes;
mod http_secrets;
mod http_sources;
mod power_cut;
mod retention;
mod sandbox;
mod store;
mod store_format;
mod stream;
mod support;
