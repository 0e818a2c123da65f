//! `fusebox run`: one run of the history.

use super::client::{Client, encoded};
use super::fire::read_json;
use super::local::{self, Host, Lines};
use super::source::Executable;
use super::{ServerArgs, output};
use crate::dispatch::Mask;
use crate::domain::{
    Chain, Context as ActionContext, Effects, Ending, Failed, Json, Limits, LogLine, SecretText, TenantId, Timestamp,
};
use crate::sandbox::Attempted;
use anyhow::{Context, Result, bail};
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
    if record["code_digest"].is_string() {
        bail!("the run {} is of source code, which is repeated with `fusebox test FILE`, not here", asked.id);
    }
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
    let module = told["module"].as_str().unwrap_or_default();
    let bytes = client.bytes(&format!("/module/{}/content", encoded(module)))?;
    let log = client.get(&format!("/run/{}/log", encoded(&asked.id)))?["data"].take();
    let host = Arc::new(Host::new(Lines::Kept, Some(context.now), read_json(&asked.kv)?)?);
    let mut attempted = local::attempt(Executable::component(bytes), context, &host)?;
    // The server keeps what it said without them.
    let mask = Mask::new(&secrets).context("the secrets cannot be masked")?;
    attempted.ending = mask.ending(attempted.ending);
    let lines: Vec<LogLine> = host.lines().into_iter().map(|line| mask.line(line)).collect();
    let is_last = attempts.last().is_some_and(|last| last["number"] == attempt["number"]);
    let server = recorded((&record, attempt, is_last), &log);
    let differences = differences(server, came(&attempted, &lines, is_last));
    if json {
        let differences = differences
            .iter()
            .map(|differs| json!({ "what": differs.what, "server": differs.server, "here": differs.here }));
        output::document(&json!({
            "run": asked.id, "attempt": attempt["number"], "differences": differences.collect::<Vec<_>>(),
        }));
    } else {
        show(attempt, &differences, attempted.effects.as_deref());
    }
    Ok(if differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What the attempt was told, and the secrets that were given for it.
fn context(told: &Value, params: Value) -> Result<(ActionContext, Vec<SecretText>)> {
    let Value::Object(given) = params else { bail!("--params takes an object of names with values") };
    let names = told["secrets"].as_array().map(Vec::as_slice).unwrap_or_default();
    let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
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
