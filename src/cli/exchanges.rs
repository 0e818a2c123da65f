//! Requests by HTTP with their answers, as a file: what was recorded, or written by hand, is answered from.

use super::output;
use crate::domain::{
    AllowedHost, HttpAnswer, HttpCall, HttpExchange, HttpFault, HttpOutcome, HttpRequest, Reach, SinkType,
};
use crate::sandbox::Answering;
use anyhow::{Context, Result, bail};
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The largest file that is read, in bytes; an attempt gets less by HTTP.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// Where its requests by HTTP go.
#[derive(Debug, Args)]
pub(super) struct HttpArgs {
    /// Send none of its HTTP requests, and answer them from this file: [{"method", "url", "status", "headers", "body"}, …]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["allow_hosts", "record_http"])]
    pub(super) http: Option<PathBuf>,
    /// Write the HTTP requests that it sends, and their answers, into this file, for --http
    #[arg(long, value_name = "FILE", requires = "allow_hosts")]
    pub(super) record_http: Option<PathBuf>,
    /// Let it send HTTP requests there: `https://api.example.com`, or `private http://127.0.0.1:*` for this machine
    /// [default: nowhere]
    #[arg(long = "allow-host", value_name = "RULE")]
    pub(super) allow_hosts: Vec<AllowedHost>,
}

/// One exchange of a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Recorded {
    method: String,
    url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(default, skip_serializing_if = "Headers::is_empty")]
    headers: Headers,
    #[serde(default, skip_serializing_if = "Text::is_empty")]
    body: Text,
    /// Why there is no answer, in the place of a status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fault: Option<HttpFault>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    message: String,
}

/// In their order, or as an object, which is easier to write.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Headers {
    Pairs(Vec<(String, String)>),
    Object(BTreeMap<String, String>),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Text {
    Plain(String),
    Bytes { base64: String },
}

impl Default for Headers {
    fn default() -> Headers {
        Headers::Pairs(Vec::new())
    }
}

impl Default for Text {
    fn default() -> Text {
        Text::Plain(String::new())
    }
}

impl Headers {
    fn is_empty(&self) -> bool {
        matches!(self, Headers::Pairs(pairs) if pairs.is_empty())
    }
}

impl Text {
    fn is_empty(&self) -> bool {
        *self == Text::default()
    }

    fn of(bytes: Vec<u8>) -> Text {
        String::from_utf8(bytes)
            .map_or_else(|bytes| Text::Bytes { base64: data_encoding::BASE64.encode(bytes.as_bytes()) }, Text::Plain)
    }
}

impl Recorded {
    fn of(exchange: HttpExchange) -> Recorded {
        let HttpRequest { method, url, .. } = exchange.request;
        let empty = Recorded {
            method,
            url,
            status: None,
            headers: Headers::default(),
            body: Text::default(),
            fault: None,
            message: String::new(),
        };
        match exchange.answer {
            Ok(HttpAnswer { status, headers, body }) => {
                Recorded { status: Some(status), headers: Headers::Pairs(headers), body: Text::of(body), ..empty }
            }
            Err((fault, message)) => Recorded { fault: Some(fault), message, ..empty },
        }
    }

    /// # Errors
    /// Why it answers nothing.
    fn answer(&self) -> Result<HttpOutcome> {
        let status = match (self.status, self.fault) {
            (Some(status), None) if (200..600).contains(&status) => status,
            (Some(status), None) => bail!("a status is 200 to 599, not {status}"),
            (None, Some(fault)) => return Ok(Err((fault, self.message.clone()))),
            _ => bail!("it has either a `status` or a `fault`"),
        };
        let headers = match self.headers.clone() {
            Headers::Pairs(pairs) => pairs,
            Headers::Object(object) => object.into_iter().collect(),
        };
        let body = match &self.body {
            Text::Plain(text) => text.clone().into_bytes(),
            Text::Bytes { base64 } => {
                data_encoding::BASE64.decode(base64.as_bytes()).context("its body is no base64")?
            }
        };
        Ok(Ok(HttpAnswer { status, headers, body }))
    }

    fn is_of(&self, method: &str, url: &str) -> bool {
        self.method.eq_ignore_ascii_case(method) && self.url == url
    }
}

/// What answers in the place of peers.
#[derive(Default)]
pub(super) struct Script {
    exchanges: Vec<(Recorded, HttpOutcome)>,
    /// The calls of the attempt that is repeated: those that failed there fail here.
    calls: Vec<HttpCall>,
    came: Mutex<Came>,
}

#[derive(Default)]
struct Came {
    /// Which exchanges were used: each answers once.
    used: Vec<bool>,
    /// What nothing answers.
    unanswered: Vec<HttpRequest>,
}

impl Script {
    /// # Errors
    /// The file cannot be read, or has what answers nothing.
    pub(super) fn new(file: Option<&Path>, calls: Vec<HttpCall>) -> Result<Script> {
        let recorded = file.map(read).transpose()?.unwrap_or_default();
        let named = |(place, recorded): (usize, Recorded)| {
            let answer = recorded.answer().with_context(|| {
                let file = file.map(Path::display);
                format!("{}: the exchange {}", file.map(|file| file.to_string()).unwrap_or_default(), place + 1)
            })?;
            Ok((recorded, answer))
        };
        let exchanges = recorded.into_iter().enumerate().map(named).collect::<Result<Vec<_>>>()?;
        let came = Came { used: vec![false; exchanges.len()], unanswered: Vec::new() };
        Ok(Script { exchanges, calls, came: Mutex::new(came) })
    }

    /// As the server's record says it failed, else as the file says, in its order.
    fn answer(&self, asked: &HttpRequest) -> HttpOutcome {
        let recorded = usize::try_from(asked.place).ok().and_then(|place| self.calls.get(place));
        let same = recorded.filter(|call| call.method == asked.method && call.host == asked.host);
        if let Some(call) = same
            && let Some(fault) = call.fault.filter(|fault| *fault != HttpFault::BrokenOff)
        {
            return Err((fault, call.message.clone()));
        }
        let mut came = self.came();
        let fitting = |(place, used): (usize, &bool)| !used && self.exchanges[place].0.is_of(&asked.method, &asked.url);
        if let Some(place) = came.used.iter().enumerate().position(fitting) {
            came.used[place] = true;
            return self.exchanges[place].1.clone();
        }
        came.unanswered.push(asked.clone());
        Err((HttpFault::Failed, "nothing is sent here, and no recorded answer is left for this request".to_owned()))
    }

    /// What nothing answered, as a file could answer it: with the status that the server's record has of the call.
    pub(super) fn unanswered(&self, shown: impl Fn(String) -> String) -> Vec<Value> {
        let status = |asked: &HttpRequest| {
            let call = usize::try_from(asked.place).ok().and_then(|place| self.calls.get(place));
            call.filter(|call| call.method == asked.method && call.host == asked.host).and_then(|call| call.status)
        };
        let exchange = |asked: &HttpRequest| {
            let status = status(asked).unwrap_or(200);
            json!({ "method": asked.method, "url": shown(asked.url.clone()), "status": status, "headers": {}, "body": "" })
        };
        self.came().unanswered.iter().map(exchange).collect()
    }

    fn came(&self) -> MutexGuard<'_, Came> {
        self.came.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers from a script; it lets everything through, since nothing goes out.
pub(super) fn played(script: &Arc<Script>) -> (Answering, Reach) {
    let script = Arc::clone(script);
    let anywhere = ["private http://*:*", "private https://*:*"];
    let anywhere = anywhere.into_iter().filter_map(|rule| rule.parse().ok()).collect::<Vec<AllowedHost>>();
    (Answering::Played(Arc::new(move |asked| script.answer(asked))), reach("", &anywhere))
}

/// Both sides allow what the command line does.
pub(super) fn reach(action: &str, allowed: &[AllowedHost]) -> Reach {
    Reach {
        action: action.to_owned(),
        of_action: allowed.to_vec(),
        sink_type: SinkType::WASM.to_owned(),
        of_sink_type: allowed.to_vec(),
        hidden: Vec::new(),
    }
}

/// What is sent and what comes back, in the order in which it ended.
#[derive(Default)]
pub(super) struct Recording(Mutex<Vec<Recorded>>);

impl Recording {
    pub(super) fn answering(self: &Arc<Recording>) -> Answering {
        let recording = Arc::clone(self);
        Answering::Told(Arc::new(move |exchange| {
            recording.0.lock().unwrap_or_else(PoisonError::into_inner).push(Recorded::of(exchange));
        }))
    }

    /// Writes the file, with texts as `shown` says.
    pub(super) fn write(&self, file: &Path, shown: impl Fn(String) -> String) -> Result<()> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for recorded in &mut all {
            recorded.url = shown(std::mem::take(&mut recorded.url));
            if let Headers::Pairs(pairs) = &mut recorded.headers {
                pairs.iter_mut().for_each(|(_, value)| *value = shown(std::mem::take(value)));
            }
            if let Text::Plain(text) = &mut recorded.body {
                *text = shown(std::mem::take(text));
            }
        }
        let text = serde_json::to_string_pretty(&all)?;
        std::fs::write(file, text + "\n").with_context(|| format!("{} cannot be written", file.display()))
    }
}

fn read(file: &Path) -> Result<Vec<Recorded>> {
    let size_bytes = std::fs::metadata(file).with_context(|| format!("{} cannot be read", file.display()))?.len();
    if size_bytes > FILE_BYTES_MAX {
        bail!("{} has {size_bytes} bytes, of which {FILE_BYTES_MAX} are read", file.display());
    }
    let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    serde_json::from_str(&text).with_context(|| {
        format!("{} is no list of {{\"method\", \"url\", \"status\", \"headers\", \"body\"}}", file.display())
    })
}

/// Says what nothing answered, and what there is to be done.
pub(super) fn show_unanswered(unanswered: &[Value]) {
    if unanswered.is_empty() {
        return;
    }
    println!(
        "No answer was recorded of these requests, and nothing is sent here. Complete them, put them into a file and"
    );
    println!(
        "give it with --http; or let them be sent again, with --allow-host (and --record-http to keep the answers)."
    );
    output::document(&json!(unanswered));
}
