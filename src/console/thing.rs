//! The detail of something in the catalogue: what it is, what one can do with it, and what belongs to it. One template for all.

use super::cell::{Body, Cell, Part};
use super::frame::Frame;
use super::show;
use super::visit::{Visit, page};
use crate::api::error::Problem;
use askama::Template;
use axum::response::Response;

#[derive(Template)]
#[template(path = "thing.html", blocks = ["detail"])]
pub(super) struct Thing {
    pub(super) frame: Frame,
    /// The list that it is in: its path and what it is called.
    pub(super) list: (&'static str, &'static str),
    /// Its own address, by which it is kept up to date while the frame is live.
    pub(super) path: String,
    pub(super) title: String,
    pub(super) state: Cell,
    pub(super) description: String,
    /// What needs attention; empty when nothing does.
    pub(super) warning: String,
    pub(super) buttons: Vec<Button>,
    pub(super) facts: Vec<(&'static str, Cell)>,
    pub(super) parts: Vec<Part>,
}

/// What one can do with it.
pub(super) enum Button {
    /// Go to another page.
    Go { path: String, label: &'static str },
    /// Be asked first, in a dialog.
    Ask { path: String, label: &'static str },
    /// Do it at once: a form with these fields.
    Do { path: String, label: &'static str, fields: Vec<(String, String)> },
}

impl Thing {
    pub(super) fn answer(&self, visit: &Visit) -> Result<Response, Problem> {
        if visit.wants_part() { page(&self.as_detail()) } else { page(self) }
    }
}
