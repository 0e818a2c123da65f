use super::PATIENCE;
use serde_json::Value;
use std::io::{BufReader, Read};
use std::time::Duration;
use ureq::http::{HeaderMap, Response};
use ureq::{Agent, Body};

/// Speaks HTTP to a server; clones share connections.
#[derive(Clone)]
pub(crate) struct Client {
    agent: Agent,
    url: String,
    token: Option<String>,
}

/// A request being put together.
pub(crate) struct Request {
    client: Client,
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

/// An answer that was read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    /// Null when it is not JSON.
    pub(crate) body: Value,
}

impl Client {
    pub(crate) fn new(url: String, token: Option<String>) -> Client {
        Client { agent: agent(PATIENCE), url, token }
    }

    /// The same for what may take long on a machine that is busy: compiling a large component.
    pub(crate) fn patient(&self) -> Client {
        Client { agent: agent(20 * PATIENCE), ..self.clone() }
    }

    /// The same with another token.
    pub(crate) fn with_token(&self, token: &str) -> Client {
        Client { token: Some(token.to_owned()), ..self.clone() }
    }

    /// The same token at a server that was started again.
    pub(crate) fn at(&self, server: &super::TestServer) -> Client {
        Client { url: server.url(), ..self.clone() }
    }

    pub(crate) fn without_token(&self) -> Client {
        Client { token: None, ..self.clone() }
    }

    pub(crate) fn request(&self, method: &'static str, path: &str) -> Request {
        Request { client: self.clone(), method, path: path.to_owned(), headers: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.request("GET", path).send()
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.request("POST", path).json(body).send()
    }

    pub(crate) fn put(&self, path: &str, body: &Value) -> Answer {
        self.request("PUT", path).json(body).send()
    }

    pub(crate) fn delete(&self, path: &str) -> Answer {
        self.request("DELETE", path).send()
    }

    /// Every item of a list, page by page; panics when a list does not come to its end.
    pub(crate) fn pages(&self, path: &str) -> Vec<Value> {
        let (mut items, mut cursor) = (Vec::new(), String::new());
        let separator = if path.contains('?') { '&' } else { '?' };
        for _ in 0..10_000 {
            let page = self.get(&format!("{path}{cursor}"));
            items.extend(page.expect(200).as_array().unwrap().iter().cloned());
            match page.body["next"].as_str() {
                Some(next) => cursor = format!("{separator}cursor={next}"),
                None => return items,
            }
        }
        panic!("the list {path} has no end");
    }
}

fn agent(patience: Duration) -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_recv_response(Some(patience))
        .timeout_recv_body(Some(patience))
        .build();
    config.into()
}

impl Request {
    pub(crate) fn header(mut self, name: &'static str, value: impl ToString) -> Request {
        self.headers.push((name, value.to_string()));
        self
    }

    pub(crate) fn json(self, body: &Value) -> Request {
        self.header("content-type", "application/json").bytes(body.to_string())
    }

    pub(crate) fn bytes(mut self, body: impl Into<Vec<u8>>) -> Request {
        self.body = body.into();
        self
    }

    pub(crate) fn send(self) -> Answer {
        let mut response = self.open();
        let bytes = response.body_mut().with_config().limit(1 << 30).read_to_vec().unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answer { status: response.status().as_u16(), headers: response.headers().clone(), text, body }
    }

    /// The status, if the server lived long enough to say it.
    pub(crate) fn try_send(self) -> Option<u16> {
        self.try_open().map(|response| response.status().as_u16()).ok()
    }

    /// The status, without the body: it may have no end.
    pub(crate) fn head(self) -> u16 {
        self.open().status().as_u16()
    }

    /// Sends, and leaves the body of the answer to be read as it comes.
    pub(crate) fn stream(self) -> BufReader<impl Read + use<>> {
        let response = self.open();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        BufReader::new(response.into_body().into_reader())
    }

    fn open(self) -> Response<Body> {
        let what = format!("{} {}", self.method, self.path);
        self.try_open().unwrap_or_else(|error| panic!("{what}: {error}"))
    }

    fn try_open(self) -> Result<Response<Body>, ureq::Error> {
        let Request { client, method, path, headers, body } = self;
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", client.url));
        if let Some(token) = &client.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.body(body).unwrap();
        client.agent.run(request)
    }
}

impl Answer {
    /// The data of a success with this status. Checks what every success has.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> &Value {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.headers["content-type"], "application/json");
        assert_eq!(self.body["request_id"], self.header("x-request-id"), "{}", self.text);
        let data = &self.body["data"];
        let count = data.as_array().map_or(1, Vec::len);
        assert_eq!(self.body["count"], count, "{}", self.text);
        data
    }

    /// The problem document of a refusal. Checks what every one has.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str) -> &Value {
        assert_eq!((self.status, self.body["code"].as_str()), (status, Some(code)), "{}", self.text);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(self.body["type"], format!("urn:fusebox:problem:{code}"));
        assert_eq!(self.body["status"], status);
        assert_eq!(self.body["request_id"], self.header("x-request-id"));
        assert!(self.body["title"].as_str().is_some_and(|title| !title.is_empty()));
        assert!(self.body["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
        &self.body
    }

    /// Checks that the problem points at exactly these places.
    #[track_caller]
    pub(crate) fn points_at(&self, pointers: &[&str]) {
        let errors = self.body["errors"].as_array().cloned().unwrap_or_default();
        let found: Vec<&str> = errors.iter().filter_map(|error| error["pointer"].as_str()).collect();
        assert_eq!(found, pointers, "{}", self.text);
    }

    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name}")).to_str().unwrap()
    }

    pub(crate) fn detail(&self) -> &str {
        self.body["detail"].as_str().unwrap_or_default()
    }
}
