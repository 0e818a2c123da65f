//! Somebody else changed what a form is about: said in words, and nothing of what was typed is lost.

use super::frame::Frame;
use super::show;
use super::visit::{Visit, page};
use crate::api::error::Problem;
use crate::domain::Timestamp;
use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;

/// Stands in the form that was sent. Whoever saves again from here says which version goes.
#[derive(Template)]
#[template(path = "conflict.html", blocks = ["detail"])]
pub(super) struct Conflict {
    frame: Frame,
    what: &'static str,
    version: u64,
    by: String,
    at: Timestamp,
    /// Where the change is shown; empty where nothing shows it.
    compared: String,
}

impl Conflict {
    pub(super) fn answer(
        visit: &Visit,
        what: &'static str,
        (version, by, at): (u64, String, Timestamp),
        compared: &str,
    ) -> Result<Response, Problem> {
        let frame = visit.frame("", "Changed meanwhile");
        let conflict = Conflict { frame, what, version, by, at, compared: compared.to_owned() };
        let mut answer = if visit.wants_part() { page(&conflict.as_detail()) } else { page(&conflict) }?;
        *answer.status_mut() = StatusCode::PRECONDITION_FAILED;
        Ok(answer)
    }
}
