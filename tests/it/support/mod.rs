//! What the tests share: a server of one's own, a client that speaks HTTP to it, components to upload.

mod browser;
mod chromium;
mod client;
mod clock;
mod components;
mod peer;
mod program;
mod server;

pub(crate) use browser::{Browser, form, has_headers, is_page};
pub(crate) use chromium::{Chromium, LOOKS, Look};
pub(crate) use client::{Answer, Client};
pub(crate) use clock::ManualClock;
pub(crate) use components::{ECHO, component, pass_params_on, show_params, show_parent_outcome, wat_with};
pub(crate) use peer::{Peer, ok};
pub(crate) use program::{Ran, Serving, fusebox, fusebox_with, program, program_path};
pub(crate) use server::{PATIENCE, TestServer, is_ended};
