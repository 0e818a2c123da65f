//! Signing in with a token, and out.

use super::asset;
use super::form::Fields;
use super::frame::Theme;
use super::guard::{is_tls, own_path};
use super::session::{COOKIE, Doors};
use super::visit::{Visit, page, see};
use crate::api::auth::signed_in;
use crate::api::error::Problem;
use crate::api::extract;
use crate::domain::TokenHash;
use askama::Template;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

/// A token has 47 characters; where to go next may be a long query.
const BODY_MAX: usize = 16 << 10;

#[derive(Template)]
#[template(path = "login.html")]
struct Login<'a> {
    theme: Theme,
    next: &'a str,
    refusal: &'a str,
}

impl Login<'_> {
    fn asset(&self, name: &'static str) -> &'static str {
        asset::url(name)
    }
}

fn form(headers: &HeaderMap, status: StatusCode, next: &str, refusal: &str) -> Response {
    let login = Login { theme: Theme::of(headers), next, refusal };
    match page(&login) {
        Ok(page) => (status, page).into_response(),
        Err(problem) => problem.into_response(),
    }
}

pub(super) async fn ask(State(doors): State<Doors>, uri: Uri, headers: HeaderMap) -> Response {
    let query = Fields::of_query(uri.query());
    let next = own_path(query.get("next"));
    if doors.session(&headers).is_some() {
        return see(next);
    }
    form(&headers, StatusCode::OK, next, "")
}

pub(super) async fn enter(State(doors): State<Doors>, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let headers = parts.headers;
    super::guard::check_same_site(&headers)?;
    let body = extract::read(body, "a login", BODY_MAX).await?;
    let fields = Fields::of(&body);
    let (hash, next) = (TokenHash::of(fields.get("token").trim()), own_path(fields.get("next")));
    if let Err(problem) = signed_in(doors.api(), &hash) {
        let Some(after_s) = doors.count_wrong() else {
            tracing::info!("a login to the console was refused");
            let status = StatusCode::from_u16(problem.status()).unwrap_or(StatusCode::UNAUTHORIZED);
            return Ok(form(&headers, status, next, problem.detail()));
        };
        let words = format!("too many wrong tokens; try again in {after_s} s");
        let mut response = form(&headers, StatusCode::TOO_MANY_REQUESTS, next, &words);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(after_s));
        return Ok(response);
    }
    // Whoever signs in anew leaves nothing open that is no longer in the browser.
    doors.close(&headers);
    let said = doors.open(hash);
    let secure = if is_tls(&headers) { "; Secure" } else { "" };
    Ok(with_cookie(see(next), &format!("{COOKIE}={said}; Path=/console; HttpOnly; SameSite=Strict{secure}")))
}

pub(super) async fn leave(visit: Visit) -> Response {
    visit.doors().close(visit.headers());
    let gone = format!("{COOKIE}=; Path=/console; HttpOnly; SameSite=Strict; Max-Age=0");
    with_cookie(visit.go("/console/login"), &gone)
}

fn with_cookie(mut response: Response, cookie: &str) -> Response {
    if let Ok(cookie) = HeaderValue::from_str(cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}
