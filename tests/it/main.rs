//! Everything a user can see, in one binary.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod http_catalogue;
mod http_modules;
mod http_scopes;
mod sandbox;
mod support;
