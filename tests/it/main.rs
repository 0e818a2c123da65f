//! Everything a user can see, in one binary.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod access;
mod audit;
mod backup;
mod bounds;
mod broken_disk;
mod cli;
mod cli_apply;
mod crash;
mod crash_cascade;
mod crash_chains;
mod demo;
mod docs;
mod examples;
mod http_apply;
mod http_cancel;
mod http_catalogue;
mod http_chain_limits;
mod http_chains;
mod http_cloudevents;
mod http_dedup;
mod http_delays;
mod http_events;
mod http_limits;
mod http_modules;
mod http_once;
mod http_pause;
mod http_replay;
mod http_schedules;
mod http_scopes;
mod http_secret_runs;
mod http_secrets;
mod http_sinks;
mod http_sources;
mod http_webhooks;
mod power_cut;
mod sandbox;
mod store;
mod store_format;
mod store_once;
mod store_rules;
mod stream;
mod support;
mod tenants;
mod trial;
