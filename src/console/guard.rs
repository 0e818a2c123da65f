//! What holds for every page: who is not signed in sees nothing, what changes something comes from a page of the console's
//! own, browsers are told to run nothing but its own files, and what the API refuses is said in words.

use super::form::Fields;
use super::frame::Frame;
use super::session::{COOKIE, Doors, Session, cookie};
use super::visit::{Visit, is_htmx, page, see};
use crate::api::error::{Problem, ProblemOut};
use crate::api::extract;
use askama::Template;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// Nothing inline, nothing from elsewhere, nothing compiled from text, no frame around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// Headers that every answer has.
pub(super) async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        // The same address is a whole page or a part of one.
        headers.insert(header::VARY, HeaderValue::from_static("Cookie, HX-Request, HX-Target"));
    }
    response
}

/// Lets in who is signed in, and shows what it is refused.
pub(super) async fn pass(State(doors): State<Doors>, request: Request, next: Next) -> Response {
    let Some(session) = doors.session(request.headers()) else {
        return sign_in(request.method(), request.uri(), request.headers());
    };
    let visit = Visit::new(doors, session.clone(), &request);
    let response = match checked(&visit, &session, request).await {
        Ok(mut request) => {
            request.extensions_mut().insert(visit.clone());
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    };
    match response.extensions().get::<Arc<ProblemOut>>() {
        Some(problem) => shown(&visit, problem, &response),
        None => response,
    }
}

/// Where a browser that asks for nothing in particular belongs.
pub(super) async fn root(uri: Uri, headers: HeaderMap) -> Response {
    let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accepts.contains("text/html") {
        see("/console")
    } else {
        Problem::not_found("route", uri.path()).into_response()
    }
}

/// An address that no page has.
pub(super) async fn nothing(visit: Visit) -> Problem {
    Problem::not_found("page", visit.path())
}

/// A browser that comes from elsewhere does not send the cookie of this site along; once it is here, it does.
#[derive(Template)]
#[template(source = r#"<!doctype html><meta http-equiv="refresh" content="0"><title>Fusebox</title>"#, ext = "html")]
struct Bounce;

fn sign_in(method: &Method, uri: &Uri, headers: &HeaderMap) -> Response {
    let wanted = uri.path_and_query().map_or("/console", |path| path.as_str());
    let comes_from = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    let elsewhere = matches!(comes_from, Some(b"cross-site" | b"same-site"));
    if *method == Method::GET && elsewhere && cookie(headers, COOKIE).is_none() {
        return page(&Bounce).unwrap_or_else(IntoResponse::into_response);
    }
    let next = if *method == Method::GET { wanted } else { "/console" };
    let login = format!("/console/login?{}", Fields::one("next", next));
    let pages = headers.get(header::ACCEPT).is_none_or(|accept| accept != "text/event-stream");
    if pages && !is_htmx(headers) {
        return see(&login);
    }
    let mut response = (StatusCode::UNAUTHORIZED, "sign in first\n").into_response();
    // Where a part of a page was asked for, the page is behind the login too.
    let current = headers.get("hx-current-url").and_then(|value| value.to_str().ok());
    let current = current.and_then(|url| url.parse::<Uri>().ok());
    let next = current.as_ref().and_then(Uri::path_and_query).map_or("/console", |path| path.as_str());
    let login = format!("/console/login?{}", Fields::one("next", own_path(next)));
    if let Ok(login) = HeaderValue::from_str(&login) {
        response.headers_mut().insert("hx-redirect", login);
    }
    response
}

/// Refuses what another site makes a browser do.
pub(super) fn check_same_site(headers: &HeaderMap) -> Result<(), Problem> {
    let said = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let is_own = match (said("sec-fetch-site"), said("origin"), said("host")) {
        (Some(site), ..) => site == "same-origin" || site == "none",
        (None, Some(origin), Some(host)) => origin.split_once("://").is_some_and(|(_, from)| from == host),
        (None, Some(_), None) => false,
        // No browser that has cookies; what it must know besides decides.
        (None, None, _) => true,
    };
    let refused = || Problem::new(StatusCode::FORBIDDEN, "cross_site", "this came from another site; nothing was done");
    is_own.then_some(()).ok_or_else(refused)
}

/// Refuses a change that does not come from a page of this session, however its cookie got here.
async fn checked(visit: &Visit, session: &Session, request: Request) -> Result<Request, Problem> {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return Ok(request);
    }
    check_same_site(request.headers())?;
    let is_own = |said: &[u8]| bool::from(said.ct_eq(session.csrf.as_bytes()));
    let refused = || {
        let detail = "the form does not belong to this session; load the page again and repeat it";
        Problem::new(StatusCode::FORBIDDEN, "csrf", detail)
    };
    if let Some(said) = request.headers().get("x-csrf-token") {
        return if is_own(said.as_bytes()) { Ok(request) } else { Err(refused()) };
    }
    let (parts, body) = request.into_parts();
    let body = extract::read(body, "a form", Fields::bytes_max(visit.api())).await?;
    if !is_own(Fields::of(&body).get("csrf").as_bytes()) {
        return Err(refused());
    }
    Ok(Request::from_parts(parts, Body::from(body)))
}

/// A problem in words: a page, or a part of the one that asked.
#[derive(Template)]
#[template(path = "problem.html", blocks = ["part"])]
struct Refused<'a> {
    frame: Frame,
    problem: &'a ProblemOut,
    /// The part in whose place it stands; empty where it goes into one.
    id: &'a str,
}

fn shown(visit: &Visit, problem: &ProblemOut, response: &Response) -> Response {
    // What a form is refused goes to the form; the panel and the dialog stay, and what is in them goes.
    let id = Some(visit.part()).filter(|id| !visit.is_change() && !matches!(*id, "panel" | "dialog"));
    let refused = Refused { frame: visit.frame("", problem.title), problem, id: id.unwrap_or_default() };
    let answer = if visit.wants_part() { page(&refused.as_part()) } else { page(&refused) };
    let mut answer = answer.unwrap_or_else(IntoResponse::into_response);
    *answer.status_mut() = response.status();
    if let Some(after) = response.headers().get(header::RETRY_AFTER) {
        answer.headers_mut().insert(header::RETRY_AFTER, after.clone());
    }
    answer
}

/// A path of the console, or its first page: never somewhere else.
pub(super) fn own_path(path: &str) -> &str {
    let rest = path.strip_prefix("/console").unwrap_or("x");
    let is_own = rest.is_empty() || rest.starts_with(['/', '?']);
    let plain = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if is_own && plain && !path.starts_with("/console/login") { path } else { "/console" }
}

/// Whether the browser speaks to us in the clear only.
pub(super) fn is_tls(headers: &HeaderMap) -> bool {
    let said = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    said("origin").starts_with("https://") || said("x-forwarded-proto") == "https"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_the_login_there_are_only_paths_of_the_console() {
        for own in ["/console", "/console/events?state=ERROR&q=a%20b", "/console?x", "/console/runs/1"] {
            assert_eq!(own_path(own), own);
        }
        for other in [
            "",
            "/",
            "//evil",
            "/consolex",
            "https://evil/console",
            "/console\\evil",
            "/console/\r\nx",
            "/console/login",
        ] {
            assert_eq!(own_path(other), "/console", "{other:?}");
        }
    }

    #[test]
    fn another_site_is_known_by_what_browsers_say_of_it() {
        let check = |pairs: &[(&'static str, &str)]| {
            let pairs = pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            check_same_site(&pairs.collect::<HeaderMap>()).is_ok()
        };
        assert!(check(&[("sec-fetch-site", "same-origin"), ("origin", "null")]));
        assert!(check(&[("sec-fetch-site", "none")]));
        assert!(!check(&[("sec-fetch-site", "cross-site"), ("origin", "http://a"), ("host", "a")]));
        assert!(!check(&[("sec-fetch-site", "same-site")]));
        assert!(check(&[("origin", "http://a:8080"), ("host", "a:8080")]));
        assert!(!check(&[("origin", "http://a:8081"), ("host", "a:8080")]));
        assert!(!check(&[("origin", "null"), ("host", "a")]));
        assert!(!check(&[("origin", "http://a")]));
        assert!(check(&[("host", "a")]));
    }
}
