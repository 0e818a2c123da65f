//! One look at the console: who looks, which part of a page is asked for, and how it is answered.

use super::frame::{Frame, Theme};
use super::session::{Doors, Session};
use crate::api::Api;
use crate::api::auth::{Caller, Needs};
use crate::api::error::Problem;
use askama::Template;
use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// A request of somebody who is signed in. `guard` makes it; there is no other way to a page.
#[derive(Clone)]
pub(super) struct Visit(Arc<Inside>);

struct Inside {
    doors: Doors,
    session: Session,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
}

impl Visit {
    pub(super) fn new(doors: Doors, session: Session, request: &Request) -> Visit {
        let (method, uri, headers) = (request.method().clone(), request.uri().clone(), request.headers().clone());
        Visit(Arc::new(Inside { doors, session, method, uri, headers }))
    }

    pub(super) fn api(&self) -> &Api {
        self.0.doors.api()
    }

    pub(super) fn doors(&self) -> &Doors {
        &self.0.doors
    }

    pub(super) fn headers(&self) -> &HeaderMap {
        &self.0.headers
    }

    pub(super) fn path(&self) -> &str {
        self.0.uri.path()
    }

    pub(super) fn query(&self) -> &str {
        self.0.uri.query().unwrap_or_default()
    }

    /// Who calls the API here: the token of the session, if it has these rights.
    pub(super) fn caller<N: Needs>(&self) -> Result<Caller<N>, Problem> {
        Caller::with(Arc::clone(&self.0.session.token))
    }

    /// Whether to show what needs these rights.
    pub(super) fn may<N: Needs>(&self) -> bool {
        self.0.session.token.rights.allow(N::RIGHTS)
    }

    /// Whether the session still is one, with these rights: for what goes on longer than a request.
    pub(super) fn holds<N: Needs>(&self) -> bool {
        let session = self.0.doors.session(&self.0.headers);
        session.is_some_and(|session| session.token.rights.allow(N::RIGHTS))
    }

    /// Whether history is everybody's here, so that it says whose it is.
    pub(super) fn sees_all(&self) -> bool {
        self.0.session.token.owner_id.is_shared()
    }

    /// The id of the part of the page that htmx asks for; empty for all of it.
    pub(super) fn part(&self) -> &str {
        let target = self.0.headers.get("hx-target").filter(|_| self.wants_part());
        target.and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Whether the answer goes into a page that is there.
    pub(super) fn wants_part(&self) -> bool {
        self.is_htmx() && !self.0.headers.contains_key("hx-history-restore-request")
    }

    pub(super) fn is_change(&self) -> bool {
        !matches!(self.0.method, Method::GET | Method::HEAD)
    }

    fn is_htmx(&self) -> bool {
        is_htmx(&self.0.headers)
    }

    /// What a page has around it.
    pub(super) fn frame(&self, section: &'static str, title: impl Into<String>) -> Frame {
        let Session { token, csrf } = &self.0.session;
        Frame {
            title: title.into(),
            section,
            token: Arc::clone(token),
            csrf: Arc::clone(csrf),
            theme: Theme::of(&self.0.headers),
            stream: String::new(),
        }
    }

    /// Shows what a form in `#detail` made or changed in the form's place, and lets a list beside it know.
    pub(super) fn put(&self, path: &str) -> Response {
        if !self.is_htmx() {
            return see(path);
        }
        let place = serde_json::json!({ "path": path, "target": "#detail", "swap": "outerHTML" }).to_string();
        let mut response = StatusCode::OK.into_response();
        if let Ok(place) = HeaderValue::from_str(&place) {
            response.headers_mut().insert("hx-location", place);
            response.headers_mut().insert("hx-trigger", HeaderValue::from_static("saved"));
        }
        response
    }

    /// Puts what a form was answered with beside it; what it is refused goes into the form.
    pub(super) fn beside(&self, place: &'static str, part: &impl Template) -> Result<Response, Problem> {
        let mut response = page(part)?;
        response.headers_mut().insert("hx-retarget", HeaderValue::from_static(place));
        response.headers_mut().insert("hx-reswap", HeaderValue::from_static("innerHTML"));
        Ok(response)
    }

    /// Goes to a page after a change was made.
    pub(super) fn go(&self, path: &str) -> Response {
        if !self.is_htmx() {
            return see(path);
        }
        let mut response = StatusCode::OK.into_response();
        if let Ok(path) = HeaderValue::from_str(path) {
            response.headers_mut().insert("hx-redirect", path);
        }
        response
    }
}

pub(super) fn is_htmx(headers: &HeaderMap) -> bool {
    headers.contains_key("hx-request")
}

/// 303: look there.
pub(super) fn see(path: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    if let Ok(path) = HeaderValue::from_str(path) {
        response.headers_mut().insert(header::LOCATION, path);
    }
    response
}

/// A page, or a part of one.
pub(super) fn page(template: &impl Template) -> Result<Response, Problem> {
    template.render().map(|text| Html(text).into_response()).map_err(|error| Problem::internal(&error))
}

/// What a query of a URL says, in the types of the API.
pub(super) fn parsed<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    let uri: Result<Uri, _> = format!("/?{query}").parse();
    crate::api::extract::query(&uri.map_err(|_| Problem::bad_request("the query of the URL cannot be read"))?)
}

impl<S: Sync> FromRequestParts<S> for Visit {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Visit, Problem> {
        let visit = parts.extensions.get::<Visit>().cloned();
        visit.ok_or_else(|| Problem::unauthorized("sign in at /console/login"))
    }
}
