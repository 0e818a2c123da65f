use super::{Answer, Client, TestServer};
use ureq::http::HeaderMap;

/// Looks at the console as a browser does that runs no scripts: keeps the cookie, sends forms.
#[derive(Clone)]
pub(crate) struct Browser {
    client: Client,
    pub(crate) cookie: String,
    /// What forms of this session prove with that they are its own.
    pub(crate) csrf: String,
}

/// Fields of a form as they are sent.
pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

impl Browser {
    /// Nobody in particular.
    pub(crate) fn stranger(server: &TestServer) -> Browser {
        Browser { client: server.admin.without_token(), cookie: String::new(), csrf: String::new() }
    }

    /// Signed in as the platform's admin.
    pub(crate) fn admin(server: &TestServer) -> Browser {
        Browser::signed_in(server, &server.token)
    }

    #[track_caller]
    pub(crate) fn signed_in(server: &TestServer, token: &str) -> Browser {
        let answer = Browser::stranger(server).sign_in(token, "");
        assert_eq!(answer.status, 303, "{}", answer.text);
        let said = answer.header("set-cookie").split(';').next().unwrap().to_owned();
        let mut browser = Browser { cookie: said, ..Browser::stranger(server) };
        // Every page has it, one that refuses too.
        let page = browser.get("/console/nothing-here").text;
        let (_, rest) = page.split_once("x-csrf-token\":\"").unwrap_or_else(|| panic!("no csrf token: {page}"));
        browser.csrf = rest.split('"').next().unwrap().to_owned();
        browser
    }

    pub(crate) fn with_cookie(&self, cookie: &str) -> Browser {
        Browser { cookie: cookie.to_owned(), ..self.clone() }
    }

    /// Sends the form of the login.
    pub(crate) fn sign_in(&self, token: &str, next: &str) -> Answer {
        let request = self.client.request("POST", "/console/login").header("cookie", &self.cookie);
        request.bytes(form(&[("token", token), ("next", next)])).send()
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[("accept", "text/html")])
    }

    /// Asks for the part of a page with this id.
    pub(crate) fn part(&self, path: &str, id: &str) -> Answer {
        self.get_with(path, &[("hx-request", "true"), ("hx-target", id)])
    }

    pub(crate) fn get_with(&self, path: &str, headers: &[(&'static str, &str)]) -> Answer {
        let mut request = self.client.request("GET", path).header("cookie", &self.cookie);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        request.send()
    }

    /// The status of what has no end.
    pub(crate) fn head(&self, path: &str) -> u16 {
        self.client.request("GET", path).header("cookie", &self.cookie).header("accept", "text/event-stream").head()
    }

    /// Sends a form of this session.
    pub(crate) fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let fields: Vec<(&str, &str)> = fields.iter().copied().chain([("csrf", self.csrf.as_str())]).collect();
        self.post_as_it_is(path, &fields, &[("sec-fetch-site", "same-origin")])
    }

    pub(crate) fn post_as_it_is(
        &self,
        path: &str,
        fields: &[(&str, &str)],
        headers: &[(&'static str, &str)],
    ) -> Answer {
        let mut request = self.client.request("POST", path).header("cookie", &self.cookie);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        request.header("content-type", "application/x-www-form-urlencoded").bytes(form(fields)).send()
    }

    /// Sends bytes that are no form.
    pub(crate) fn send(&self, path: &str, bytes: impl Into<Vec<u8>>, headers: &[(&'static str, &str)]) -> Answer {
        let mut request = self.client.patient().request("POST", path).header("cookie", &self.cookie);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        request.header("content-type", "application/wasm").bytes(bytes).send()
    }

    /// What is told live, line by line.
    pub(crate) fn lines(&self, path: &str) -> impl Iterator<Item = String> + use<> {
        use std::io::BufRead;
        self.client.request("GET", path).header("cookie", &self.cookie).stream().lines().map(Result::unwrap)
    }
}

/// A page of the console: HTML that browsers are told to run nothing of.
#[track_caller]
pub(crate) fn is_page(answer: &Answer, status: u16) -> &str {
    assert_eq!(answer.status, status, "{}", answer.text);
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    has_headers(&answer.headers);
    runs_nothing(&answer.text);
    &answer.text
}

#[track_caller]
pub(crate) fn has_headers(headers: &HeaderMap) {
    let policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
        form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
    assert_eq!(headers["content-security-policy"], policy);
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert_eq!(headers["referrer-policy"], "same-origin");
}

/// No script but from files, no style but from files, nothing that runs when something happens.
#[track_caller]
fn runs_nothing(html: &str) {
    for tag in html.split('<').skip(1) {
        let tag = tag.split('>').next().unwrap();
        let name = tag.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        assert!(name != "style" && name != "iframe" && name != "object" && name != "base", "<{tag}>");
        assert!(name != "script" || tag.contains(" src=\"/console/assets/"), "<{tag}>");
        // Texts in attributes have their quotes escaped, so what is outside of quotes is the page's own.
        let own: String = tag.split('"').step_by(2).collect();
        for word in own.split_whitespace() {
            assert!(!word.starts_with("on") && !word.starts_with("style=") && !word.starts_with("hx-on"), "<{tag}>");
        }
        assert!(!tag.contains("javascript:"), "<{tag}>");
    }
}
