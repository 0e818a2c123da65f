//! What a form would send, as a line for the command line.

use super::form::Fields;
use super::guard::is_tls;
use super::list::Listing;
use super::sent::Sent;
use super::visit::{Visit, page};
use crate::api::auth::Read;
use crate::api::error::Problem;
use crate::domain::TenantId;
use askama::Template;
use axum::response::Response;

/// Answers a form that is being filled in: with the line, or with what keeps it from being sent.
#[derive(Template)]
#[template(
    source = r#"{% if let Some(missing) = missing %}<p class="hint">It cannot be sent yet: {{ missing }}</p>{% else %}<pre class="code" tabindex="0" aria-label="The request with curl">{{ line }}</pre>{% endif %}"#,
    ext = "html"
)]
struct Shown {
    line: String,
    missing: Option<String>,
}

pub(super) async fn line(visit: Visit, fields: Fields) -> Result<Response, Problem> {
    let caller = visit.caller::<Read>()?;
    let listing = Listing::of(&visit);
    let owner = fields.get("owner").parse::<TenantId>().ok().filter(|owner| caller.tenant().sees(owner));
    let owner = owner.as_ref().unwrap_or(caller.tenant());
    let sent = Sent::of(&fields).with_action(&visit, owner).and_then(|sent| sent.json());
    let request = Request {
        url: format!("{}{}", origin(&visit), listing.get("path")),
        method: listing.get("method"),
        version: fields.get("version"),
    };
    page(&match sent {
        Ok(body) => Shown { line: request.line(&body), missing: None },
        Err(problem) => Shown { line: String::new(), missing: Some(problem.detail().to_owned()) },
    })
}

/// Where the browser found this page is where the API is.
pub(super) fn origin(visit: &Visit) -> String {
    let scheme = if is_tls(visit.headers()) { "https" } else { "http" };
    let host = visit.headers().get("host").and_then(|host| host.to_str().ok()).unwrap_or("127.0.0.1:8080");
    format!("{scheme}://{host}")
}

pub(super) struct Request<'a> {
    pub(super) url: String,
    pub(super) method: &'a str,
    /// For `If-Match`; empty for none.
    pub(super) version: &'a str,
}

impl Request<'_> {
    /// The token stays what the shell calls it: nobody's is shown.
    pub(super) fn line(&self, body: &serde_json::Value) -> String {
        let mut parts = vec![
            format!("curl -X {} {}", quoted(self.method), quoted(&self.url)),
            "-H \"authorization: Bearer $FUSEBOX_TOKEN\"".to_owned(),
            "-H 'content-type: application/json'".to_owned(),
        ];
        if !self.version.is_empty() {
            parts.push(format!("-H {}", quoted(&format!("if-match: \"{}\"", self.version))));
        }
        let body = serde_json::to_string_pretty(body).unwrap_or_default();
        parts.push(format!("--data-raw {}", quoted(&body)));
        parts.join(" \\\n  ")
    }
}

/// As one word of a POSIX shell, whatever is in it.
fn quoted(text: &str) -> String {
    let is_plain =
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./:".contains(&byte));
    if is_plain { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn whatever_is_in_a_body_is_one_word_of_the_line() {
        let request = Request { url: "http://h:1/action/x y".to_owned(), method: "PUT", version: "3" };
        let line = request.line(&json!({ "it's": "$(rm)" }));
        assert_eq!(
            line,
            "curl -X PUT 'http://h:1/action/x y' \\\n  -H \"authorization: Bearer $FUSEBOX_TOKEN\" \\\n  \
             -H 'content-type: application/json' \\\n  -H 'if-match: \"3\"' \\\n  \
             --data-raw '{\n  \"it'\\''s\": \"$(rm)\"\n}'"
        );
        assert_eq!(quoted(""), "''");
    }
}
