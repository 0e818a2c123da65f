//! Talking to a server.

use super::ServerArgs;
use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;
use std::io::{BufReader, Read};
use std::time::Duration;
use ureq::http::{Request, Response};
use ureq::{Agent, Body, SendBody};

/// How long to wait for a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// A document with a whole catalogue is the longest answer there is.
const ANSWER_BYTES_MAX: u64 = 1 << 30;
/// The file the server's first start writes its token to.
const TOKEN_FILE: &str = crate::server::ADMIN_TOKEN_FILE;

pub(super) struct Client {
    agent: Agent,
    url: String,
    /// What requests go without for a stranger.
    token: Option<String>,
}

impl Client {
    pub(super) fn new(args: &ServerArgs) -> Result<Client> {
        let token = match &args.token {
            Some(token) => token.clone(),
            None => {
                let path = args.data.join(TOKEN_FILE);
                std::fs::read_to_string(&path).with_context(|| {
                    format!(
                        "no token: give --token or FUSEBOX_TOKEN, or run this where {} can be read (or name its folder with --data)",
                        path.display()
                    )
                })?
            }
        };
        // A status is an answer, which this reads itself.
        let config = Agent::config_builder().timeout_connect(Some(CONNECT)).http_status_as_error(false).build();
        Ok(Client {
            agent: config.into(),
            url: args.url.trim_end_matches('/').to_owned(),
            token: Some(token.trim().to_owned()),
        })
    }

    /// The same server, for who has no token.
    pub(super) fn stranger(&self) -> Client {
        Client { agent: self.agent.clone(), url: self.url.clone(), token: None }
    }

    pub(super) fn get(&self, path: &str) -> Result<Value> {
        self.send("GET", path, &[], SendBody::none()).and_then(answer)
    }

    pub(super) fn post(&self, path: &str, headers: &[(&str, String)], body: &[u8]) -> Result<Value> {
        self.send("POST", path, headers, SendBody::from_reader(&mut &*body)).and_then(answer)
    }

    pub(super) fn put(&self, path: &str, headers: &[(&str, String)], body: &[u8]) -> Result<Value> {
        self.send("PUT", path, headers, SendBody::from_reader(&mut &*body)).and_then(answer)
    }

    pub(super) fn delete(&self, path: &str) -> Result<Value> {
        self.send("DELETE", path, &[], SendBody::none()).and_then(answer)
    }

    /// Uploads from `body`, which may report how far it is.
    pub(super) fn upload(&self, path: &str, size_bytes: u64, mut body: impl Read) -> Result<Value> {
        let headers = [("content-type", "application/wasm".to_owned()), ("content-length", size_bytes.to_string())];
        self.send("POST", path, &headers, SendBody::from_reader(&mut body)).and_then(answer)
    }

    /// A stream of server-sent events, line by line.
    pub(super) fn stream(&self, path: &str, last: Option<&str>) -> Result<BufReader<impl Read + use<>>> {
        let headers: Vec<(&str, String)> = last.map(|last| ("last-event-id", last.to_owned())).into_iter().collect();
        let response = self.send("GET", path, &headers, SendBody::none())?;
        if !response.status().is_success() {
            answer(response)?;
            bail!("the server does not stream");
        }
        Ok(BufReader::new(response.into_body().into_reader()))
    }

    /// What is at `path`, if anything is.
    pub(super) fn find(&self, path: &str) -> Result<Option<Value>> {
        let response = self.send("GET", path, &[], SendBody::none())?;
        if response.status() == 404 { Ok(None) } else { answer(response).map(Some) }
    }

    /// The answer, or the problem document of a refusal of what was sent, for whoever can say more about it.
    pub(super) fn try_post(&self, path: &str, body: &[u8]) -> Result<Result<Value, Value>> {
        let mut response = self.send("POST", path, &[], SendBody::from_reader(&mut &*body))?;
        if response.status() != 422 {
            return answer(response).map(Ok);
        }
        Ok(Err(serde_json::from_str(&text_of(&mut response)?).context("the server's refusal is not JSON")?))
    }

    /// All of a body, whatever it is.
    pub(super) fn bytes(&self, path: &str) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.download(path)?.read_to_end(&mut bytes).context("the server's answer broke off")?;
        Ok(bytes)
    }

    /// A body as it comes, whatever it is.
    pub(super) fn download(&self, path: &str) -> Result<impl Read + use<>> {
        let response = self.send("GET", path, &[], SendBody::none())?;
        if !response.status().is_success() {
            answer(response)?;
            bail!("the server gives nothing");
        }
        Ok(response.into_body().into_reader())
    }

    fn send(&self, method: &str, path: &str, headers: &[(&str, String)], body: SendBody<'_>) -> Result<Response<Body>> {
        let url = format!("{}{path}", self.url);
        let mut request = Request::builder().method(method).uri(&url);
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = request.body(body).with_context(|| format!("{url} is not a usable URL"))?;
        self.agent
            .run(request)
            .with_context(|| format!("no answer from {}; is the server running (fusebox serve)?", self.url))
    }
}

fn text_of(response: &mut Response<Body>) -> Result<String> {
    let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX);
    body.read_to_string().context("the server's answer broke off")
}

/// The answer's document; a problem document becomes an error that says what is wrong where.
fn answer(mut response: Response<Body>) -> Result<Value> {
    let status = response.status();
    let document: Value = serde_json::from_str(&text_of(&mut response)?)
        .map_err(|_| anyhow!("the server answered {status} with something that is not JSON; is this a Fusebox?"))?;
    if status.is_success() {
        return Ok(document);
    }
    let detail = document["detail"].as_str().unwrap_or("no detail");
    let mut message = format!("{detail} ({})", document["code"].as_str().unwrap_or(status.as_str()));
    let faults = document["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    if faults.len() > 1 {
        for fault in faults {
            let (pointer, text) = (fault["pointer"].as_str().unwrap_or(""), fault["message"].as_str().unwrap_or(""));
            message.push_str(&format!("\n  {pointer}: {text}"));
        }
    }
    bail!(message)
}

/// Text as it may stand in a query or a path.
pub(super) fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
