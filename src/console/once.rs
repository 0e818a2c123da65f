//! What is shown once: a credential that was just made, of which only a hash is kept.

use super::frame::Frame;
use super::visit::{Visit, page};
use crate::api::error::Problem;
use askama::Template;
use axum::http::HeaderValue;
use axum::response::Response;

#[derive(Template)]
#[template(path = "once.html", blocks = ["shown"])]
pub(super) struct Once {
    pub(super) frame: Frame,
    /// What it is, in a sentence.
    pub(super) explained: String,
    pub(super) credential: String,
    /// Lines for the command line that use it, each with what it does.
    pub(super) tries: Vec<(&'static str, String)>,
    /// Where to go then.
    pub(super) back: String,
}

impl Once {
    /// In the place of the form that asked for it. The address is that of what it belongs to: loaded again, it is gone.
    pub(super) fn answer(&self, visit: &Visit) -> Result<Response, Problem> {
        if !visit.wants_part() {
            return page(self);
        }
        let mut response = page(&self.as_shown())?;
        let headers = response.headers_mut();
        headers.insert("hx-retarget", HeaderValue::from_static("#main"));
        headers.insert("hx-reswap", HeaderValue::from_static("innerHTML show:window:top"));
        if let Ok(back) = HeaderValue::from_str(&self.back) {
            headers.insert("hx-push-url", back);
        }
        Ok(response)
    }
}
