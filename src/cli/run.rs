//! `fusebox run`: one run of the history.

use super::client::{Client, encoded};
use super::exchanges::{self, HttpArgs, Recording, Script};
use super::fire::read_json;
use super::local::{self, Host, Lines};
use super::source::{Executable, Interpreter};
use super::{ServerArgs, output};
use crate::dispatch::Mask;
use crate::domain::{
    BuiltIn, Chain, Context as ActionContext, Effects, Ending, Failed, HttpCall, Json, Limits, LogLine, SecretText,
    SourceCode, TenantId, Timestamp,
};
use crate::sandbox::Attempted;
use anyhow::{Context, Result, bail};
use bytes::Bytes;
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use std::process::ExitCode;
use std::sync::Arc;

/// Look closer at one run of the history.
#[derive(Debug, Args)]
pub(super) struct Run {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Repeat an attempt of a run here, with the same module, limits, time and random bits, and say what differs
    Replay(Replay),
}

/// Nothing happens on the server. What the guest asks the world for besides, such as the time of WASI, is not recorded.
#[derive(Debug, Args)]
struct Replay {
    /// The run
    id: String,
    /// Which attempt; the last one if it is not given
    #[arg(long, short)]
    attempt: Option<u32>,
    /// The params that are secrets, which the server does not give; others replace what the run had
    #[arg(long, default_value = "{}", value_name = "JSON|FILE|-")]
    params: String,
    /// Values that it finds, which the server does not record: an object of keys with texts
    #[arg(long, default_value = "{}", value_name = "JSON|FILE|-")]
    kv: String,
    #[command(flatten)]
    http: HttpArgs,
}

/// One thing that did not come out as it did on the server.
struct Difference {
    what: &'static str,
    server: Value,
    here: Value,
}

pub(super) fn run(run: &Run, server: &ServerArgs, json: bool) -> Result<ExitCode> {
    let Command::Replay(asked) = &run.command;
    let client = Client::new(server)?;
    let record = client.get(&format!("/run/{}", encoded(&asked.id)))?["data"].take();
    let attempts = record["attempts"].as_array().map(Vec::as_slice).unwrap_or_default();
    let attempt = match asked.attempt {
        None => attempts.last(),
        Some(number) => attempts.iter().find(|attempt| attempt["number"] == number),
    };
    let Some(attempt) = attempt else { bail!("the run {} has no such attempt: it has {}", asked.id, attempts.len()) };
    if attempt["ended_at"].is_null() {
        bail!("the attempt {} of {} has not ended", attempt["number"], asked.id);
    }
    let told = client.get(&format!("/run/{}/attempt/{}", encoded(&asked.id), attempt["number"]))?["data"].take();
    let (context, secrets) = context(&told, read_json(&asked.params)?)?;
    let what = executable(&client, (&record, &told))?;
    let log = client.get(&format!("/run/{}/log", encoded(&asked.id)))?["data"].take();
    // The server keeps what it said without them.
    let mask = Mask::new(&secrets).context("the secrets cannot be masked")?;
    let shown = |text| mask.text(text);
    let mut host = Host::new(Lines::Kept, Some(context.now), read_json(&asked.kv)?)?;
    let (script, recording) = answering(&mut host, &asked.http, attempt)?;
    let host = Arc::new(host);
    let mut attempted = local::attempt(what, context, &host)?;
    if let Some(file) = &asked.http.record_http {
        recording.write(file, shown)?;
    }
    attempted.ending = mask.ending(attempted.ending);
    let lines: Vec<LogLine> = host.lines().into_iter().map(|line| mask.line(line)).collect();
    let is_last = attempts.last().is_some_and(|last| last["number"] == attempt["number"]);
    let mut server = recorded((&record, attempt, is_last), &log);
    let mut here = came(&attempted, &lines, is_last);
    // What stands for a hidden secret is not as long as what was sent in its place.
    let has_hidden = told["hidden"].as_array().is_some_and(|hidden| !hidden.is_empty());
    let calls = |calls: &Value| compared_calls(calls, has_hidden);
    server.push(("http", calls(&attempt["http"])));
    here.push(("http", calls(&json!(host.calls()))));
    let differences = differences(server, here);
    let unanswered = script.unanswered(shown);
    if json {
        let differences = differences
            .iter()
            .map(|differs| json!({ "what": differs.what, "server": differs.server, "here": differs.here }));
        output::document(&json!({
            "run": asked.id, "attempt": attempt["number"], "differences": differences.collect::<Vec<_>>(),
            "unanswered": unanswered,
        }));
    } else {
        show(attempt, &differences, attempted.effects.as_deref());
        exchanges::show_unanswered(&unanswered);
    }
    Ok(if differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What ran: the module, or source code with the interpreter that it had.
fn executable(client: &Client, (run, told): (&Value, &Value)) -> Result<Executable> {
    let module = told["module"].as_str().unwrap_or_default();
    let content = || client.bytes(&format!("/module/{}/content", encoded(module))).map(Bytes::from);
    if !run["code_digest"].is_string() {
        return Ok(Executable::Component(content()?));
    }
    let Some(code) = told["code"].as_str() else {
        bail!("the server has version {} of the action's source code no more", run["version"])
    };
    let language = read::<String>(told, "language")?.parse()?;
    let built_in = module.parse().ok().and_then(|digest| BuiltIn::of_digest(&digest));
    let wasm = built_in.map_or_else(content, |built_in| Ok(built_in.wasm.clone()));
    let wasm = wasm.with_context(|| format!("the interpreter {module} cannot be had"))?;
    let interpreter = Interpreter { name: module.to_owned(), wasm };
    Ok(Executable::Source { name: "the action".to_owned(), source: SourceCode::new(language, code), interpreter })
}

/// Who answers what it sends: nobody is asked, unless the command line says so.
fn answering(host: &mut Host, asked: &HttpArgs, attempt: &Value) -> Result<(Arc<Script>, Arc<Recording>)> {
    let recording = Arc::new(Recording::default());
    let calls: Vec<HttpCall> = serde_json::from_value(attempt.get("http").cloned().unwrap_or_else(|| json!([])))
        .context("the server's record of calls by HTTP is of another form; is it of another version?")?;
    let script = Arc::new(Script::new(asked.http.as_deref(), calls)?);
    if asked.allow_hosts.is_empty() {
        (host.answering, host.reach) = exchanges::played(&script);
    } else {
        host.reach = exchanges::reach("", &asked.allow_hosts);
        if asked.record_http.is_some() {
            host.answering = recording.answering();
        }
    }
    Ok((script, recording))
}

/// Of each call what does not depend on the day. What was sent to whoever did not answer depends on when that broke off.
fn compared_calls(calls: &Value, has_hidden: bool) -> Value {
    let calls = calls.as_array().map(Vec::as_slice).unwrap_or_default();
    let compared = calls.iter().map(|call| {
        let mut compared = json!({
            "method": call["method"], "host": call["host"], "status": call["status"], "fault": call["fault"],
        });
        if call["fault"].is_null() && !has_hidden {
            compared["sent_bytes"] = call["sent_bytes"].clone();
        }
        compared
    });
    compared.collect()
}

/// What the attempt was told, and the secrets that were given for it.
fn context(told: &Value, params: Value) -> Result<(ActionContext, Vec<SecretText>)> {
    let Value::Object(given) = params else { bail!("--params takes an object of names with values") };
    let names = told["secrets"].as_array().map(Vec::as_slice).unwrap_or_default();
    let hidden = told["hidden"].as_array().map(Vec::as_slice).unwrap_or_default();
    let (stood_for, names): (Vec<&Value>, Vec<&Value>) = names.iter().partition(|name| hidden.contains(name));
    let names: Vec<&str> = names.into_iter().filter_map(Value::as_str).collect();
    let mut given = given;
    for name in stood_for.into_iter().filter_map(Value::as_str) {
        // As long as the one that it had, which no longer means anything.
        given.entry(name).or_insert_with(|| format!("fusebox-secret-{:032x}", 0).into());
    }
    if let Some(missing) = names.iter().find(|name| !given.contains_key(**name)) {
        bail!("its param `{missing}` is a secret, which the server does not give: --params '{{\"{missing}\": \"…\"}}'");
    }
    let secrets = names.iter().filter_map(|name| given[*name].as_str()).map(|text| SecretText::new(text.to_owned()));
    let secrets = secrets.collect::<Result<_, _>>().context("--params: what it gives is no secret")?;
    let seed = |place: usize| told["seed"][place].as_str().and_then(|bits| bits.parse().ok());
    let context = ActionContext {
        run_id: read(told, "run_id")?,
        attempt: read(told, "attempt")?,
        event_id: read(told, "event_id")?,
        trigger: read(told, "trigger")?,
        event_time: time(told, "event_time")?,
        tenant: read::<String>(told, "tenant")?.parse::<TenantId>()?,
        object: read(told, "object")?,
        scope: read(told, "scope")?,
        payload: text(told, "payload")?,
        params: with(text(told, "params")?, given)?,
        input: text(told, "input")?,
        chain: Chain {
            root: read(&told["chain"], "root")?,
            parent: read(&told["chain"], "parent")?,
            depth: read(&told["chain"], "depth")?,
            parent_outcome: read::<Option<String>>(&told["chain"], "parent_outcome")?.map(Json::parse).transpose()?,
        },
        limits: read::<Limits>(told, "limits")?,
        now: time(told, "now")?,
        seed: seed(0).zip(seed(1)).context("the server's answer has no `seed`; is it of another version?")?,
    };
    Ok((context, secrets))
}

fn read<T: serde::de::DeserializeOwned>(told: &Value, name: &str) -> Result<T> {
    serde_json::from_value(told[name].clone())
        .with_context(|| format!("the server's answer has no `{name}` that fits; is it of another version?"))
}

/// A JSON text, to the letter: another spelling of the same takes other instructions.
fn text(told: &Value, name: &str) -> Result<Json> {
    Ok(Json::parse(read(told, name)?)?)
}

/// The params with these besides, or in the place of others, as a server puts them together.
fn with(params: Json, given: Map<String, Value>) -> Result<Json> {
    if given.is_empty() {
        return Ok(params);
    }
    let mut all: Map<String, Value> = params.to()?;
    all.extend(given);
    Ok(all.into())
}

fn time(told: &Value, name: &str) -> Result<Timestamp> {
    Ok(read::<String>(told, name)?.parse()?)
}

/// What is compared, in the order in which it is told. Of what the run has as a whole only its last attempt says something.
type Compared = Vec<(&'static str, Value)>;

const COUNTED: [&str; 6] = ["fuel", "memory_bytes", "output_bytes", "log_bytes", "kv_bytes", "emitted_events"];

fn recorded((run, attempt, is_last): (&Value, &Value, bool), log: &Value) -> Compared {
    let mut compared = vec![("state", attempt["state"].clone()), ("reason", attempt["reason"].clone())];
    compared.push(("message", attempt["message"].clone()));
    if is_last {
        let warnings = if run["state"] == "WARNING" { run["messages"].clone() } else { json!([]) };
        compared.extend([("output", run["output"].clone()), ("warnings", warnings), ("event", run["event"].clone())]);
    }
    let lines = log.as_array().map(Vec::as_slice).unwrap_or_default();
    let lines = lines.iter().filter(|line| line["attempt"] == attempt["number"]);
    compared.push(("log", lines.map(|line| line_of(line, line["fields"].clone())).collect()));
    compared.extend(COUNTED.map(|name| (name, attempt["usage"][name]["used"].clone())));
    compared
}

fn line_of(line: &Value, fields: Value) -> Value {
    json!({ "level": line["level"], "source": line["source"], "message": line["message"], "fields": fields })
}

fn came(attempted: &Attempted, lines: &[LogLine], is_last: bool) -> Compared {
    let (mut output, mut warnings, mut event) = (Value::Null, json!([]), Value::Null);
    let (state, reason, message) = match &attempted.ending {
        Ending::Outcome(outcome) => {
            (output, warnings, event) = (json!(outcome.output), json!(outcome.warnings), json!(outcome.event));
            (if outcome.warnings.is_empty() { "SUCCESS" } else { "WARNING" }, Value::Null, String::new())
        }
        Ending::Failure(failure) => {
            let failed = Failed::from(failure.clone());
            ("ERROR", json!(failed.reason), failed.message)
        }
        Ending::Broken { reason, message } => ("ERROR", json!(reason), message.clone()),
    };
    let mut compared = vec![("state", json!(state)), ("reason", reason), ("message", json!(message))];
    if is_last {
        compared.extend([("output", output), ("warnings", warnings), ("event", event)]);
    }
    let lines = lines.iter().filter_map(|line| serde_json::to_value(line).ok());
    compared.push(("log", lines.map(|line| line_of(&line, local::fields(&line))).collect()));
    let usage = attempted.usage;
    let used =
        [usage.fuel, usage.memory_bytes, usage.output_bytes, usage.log_bytes, usage.kv_bytes, usage.emitted_events];
    compared.extend(COUNTED.into_iter().zip(used).map(|(name, used)| (name, json!(used))));
    compared
}

fn differences(server: Compared, here: Compared) -> Vec<Difference> {
    let pairs = server.into_iter().zip(here);
    let differing = pairs.filter(|((_, server), (_, here))| server != here);
    differing.map(|((what, server), (_, here))| Difference { what, server, here }).collect()
}

fn show(attempt: &Value, differences: &[Difference], effects: Option<&Effects>) {
    let state = output::state(attempt["state"].as_str().unwrap_or(""), attempt["reason"].as_str());
    anstream::println!("attempt {} {state}", attempt["number"]);
    if effects.is_some_and(|effects| !effects.writes.is_empty()) {
        println!("  It wrote values, which were not kept anywhere.");
    }
    if differences.is_empty() {
        println!("  It came out the same here: what it returned and said, and each of the instructions it took.");
    }
    for Difference { what, server, here } in differences {
        println!("{what} differs\n  server  {server}\n  here    {here}");
    }
}
