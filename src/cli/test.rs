//! `fusebox test`: one attempt here, without a server, under the limits a server has.

use super::build;
use super::exchanges::{self, HttpArgs, Recording, Script};
use super::fire::read_json;
use super::local::{self, Host, Lines};
use super::output;
use super::source::Executable;
use crate::domain::{
    Chain, Clock, Context as ActionContext, Effects, Ending, Entropy, EventId, Failed, Ids, Json, LIMITS_WASM, Limits,
    LimitsPatch, ObjectRef, RunId, TenantId, Usage,
};
use crate::sandbox::Attempted;
use crate::server::SystemClock;
use anyhow::{Context, Result, anyhow};
use clap::Args;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Run a component or source code here with a sample event, without a server, under the same limits.
#[derive(Debug, Args)]
pub(super) struct Test {
    /// The component or core module, binary or WAT; source code, .js or .ts; or the folder of an action, which is built then
    file: PathBuf,
    /// The component that runs source code, of a language that has none here
    #[arg(long, value_name = "FILE")]
    interpreter: Option<PathBuf>,
    /// The payload: JSON, a file, or - for standard input; without it `sample.json` of the folder, or {}
    #[arg(long, short, value_name = "JSON|FILE|-")]
    payload: Option<String>,
    /// The parameters
    #[arg(long, default_value = "{}", value_name = "JSON|FILE|-")]
    params: String,
    /// The input of the attachment
    #[arg(long, default_value = "{}", value_name = "JSON|FILE|-")]
    input: String,
    /// Values that it finds: an object of keys with texts
    #[arg(long, default_value = "{}", value_name = "JSON|FILE|-")]
    kv: String,
    /// The name of the event type
    #[arg(long, default_value = "test")]
    trigger: String,
    /// The object it is about, as type/id
    #[arg(long, short, value_name = "TYPE/ID")]
    object: Option<String>,
    /// Which attempt to be
    #[arg(long, default_value_t = 1)]
    attempt: u32,
    /// Tighter than the built-in profile: instructions
    #[arg(long)]
    fuel: Option<u64>,
    /// Tighter than the built-in profile: bytes of memory
    #[arg(long)]
    memory_bytes: Option<u64>,
    /// Tighter than the built-in profile: milliseconds
    #[arg(long)]
    timeout_ms: Option<u64>,
    #[command(flatten)]
    http: HttpArgs,
}

pub(super) fn run(test: &Test, json: bool) -> Result<ExitCode> {
    let file = if test.file.is_dir() { build::built(&test.file)? } else { test.file.clone() };
    let what = Executable::of_file(&file, test.interpreter.as_deref())?;
    let limits = limits(test)?;
    let context = context(test, limits)?;
    let lines = if json { Lines::Kept } else { Lines::Shown };
    let mut host = Host::new(lines, None, read_json(&test.kv)?)?;
    let recording = Arc::new(Recording::default());
    host.reach = exchanges::reach(&name_of(&test.file), &test.http.allow_hosts);
    let script = test.http.http.as_deref().map(|file| Script::new(Some(file), Vec::new())).transpose()?.map(Arc::new);
    if let Some(script) = &script {
        (host.answering, host.reach) = exchanges::played(script);
    } else if test.http.record_http.is_some() {
        host.answering = recording.answering();
    }
    let host = Arc::new(host);
    let mut attempted = local::attempt(what, context, &host)?;
    if let Some(file) = &test.http.record_http {
        recording.write(file, |text| text)?;
    }
    let unanswered = script.map(|script| script.unanswered(|text| text)).unwrap_or_default();
    let succeeded = matches!(attempted.ending, Ending::Outcome(_));
    let effects = attempted.effects.take();
    let (values, events) = local::wanted(&host, effects.as_deref());
    if json {
        let mut document = document(&attempted, limits, &host);
        (document["kv"], document["emitted"]) = (values, events);
        if !unanswered.is_empty() {
            document["unanswered"] = unanswered.into();
        }
        output::document(&document);
    } else {
        show(attempted, limits, &host);
        show_wanted(effects.as_deref(), &values, &events);
        exchanges::show_unanswered(&unanswered);
    }
    Ok(if succeeded { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn limits(test: &Test) -> Result<Limits> {
    let patch = LimitsPatch {
        fuel: test.fuel,
        memory_bytes: test.memory_bytes,
        timeout_ms: test.timeout_ms,
        ..LimitsPatch::default()
    };
    LIMITS_WASM.tightened(&patch).map_err(|refused| {
        let faults: Vec<String> =
            refused.iter().map(|fault| format!("--{}: {fault}", fault.field.replace('_', "-"))).collect();
        anyhow!(faults.join("; "))
    })
}

fn context(test: &Test, limits: Limits) -> Result<ActionContext> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| anyhow!("the machine gives no random bytes: {error}"))?;
    let entropy = Arc::new(Entropy::new(seed));
    let ids = Ids::new(Arc::clone(&entropy));
    let now = SystemClock.now();
    let read = |argument: &str| -> Result<Json> { Ok(Json::from(read_json(argument)?)) };
    let object = test.object.as_deref().map(|object| -> Result<ObjectRef> {
        let (kind, id) = object.split_once('/').with_context(|| format!("--object {object}: write it as type/id"))?;
        Ok(ObjectRef::new(kind.to_owned(), id.to_owned())?)
    });
    let event_id = EventId::new(&ids, now);
    Ok(ActionContext {
        run_id: RunId::new(&ids, now),
        attempt: test.attempt,
        event_id,
        trigger: test.trigger.clone(),
        event_time: now,
        tenant: TenantId::shared(),
        object: object.transpose()?,
        scope: None,
        payload: payload(test)?,
        params: read(&test.params)?,
        input: read(&test.input)?,
        chain: Chain { root: event_id, parent: None, depth: 0, parent_outcome: None },
        limits,
        now,
        seed: entropy.pair(),
    })
}

fn name_of(file: &Path) -> String {
    file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// What was given, else the sample that lies in the folder, else nothing to speak of.
fn payload(test: &Test) -> Result<Json> {
    let sample = test.file.join("sample.json");
    let value = match &test.payload {
        Some(argument) => read_json(argument)?,
        None if sample.is_file() => {
            let text =
                std::fs::read_to_string(&sample).with_context(|| format!("{} cannot be read", sample.display()))?;
            serde_json::from_str(&text).with_context(|| format!("{} is not JSON", sample.display()))?
        }
        None => json!({}),
    };
    Ok(Json::from(value))
}

fn usage(usage: &Usage, limits: Limits) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds for people")]
    let ms = |us: u64| us as f64 / 1000.0;
    json!({
        "fuel": { "used": usage.fuel, "limit": limits.fuel },
        "memory_bytes": { "used": usage.memory_bytes, "limit": limits.memory_bytes },
        "wall_ms": { "used": ms(usage.wall_us), "limit": limits.timeout_ms },
        "cpu_ms": { "used": ms(usage.cpu_us), "limit": limits.timeout_ms },
        "output_bytes": { "used": usage.output_bytes, "limit": limits.output_bytes },
        "log_bytes": { "used": usage.log_bytes, "limit": limits.log_bytes },
        "http_calls": { "used": usage.http_calls, "limit": limits.http_calls },
        "http_bytes": { "used": usage.http_bytes, "limit": limits.http_bytes },
        "kv_bytes": { "used": usage.kv_bytes, "limit": limits.kv_bytes },
        "emitted_events": { "used": usage.emitted_events, "limit": limits.emitted_events },
    })
}

fn document(attempted: &Attempted, limits: Limits, host: &Host) -> Value {
    let ending = match &attempted.ending {
        Ending::Outcome(outcome) => {
            let state = if outcome.warnings.is_empty() { "SUCCESS" } else { "WARNING" };
            json!({ "state": state, "output": outcome.output, "warnings": outcome.warnings, "event": outcome.event })
        }
        Ending::Failure(failure) => {
            let failed = Failed::from(failure.clone());
            json!({ "state": "ERROR", "reason": failed.reason, "message": failed.message, "code": failed.code,
                "retry": failed.retryable, "after_ms": failed.after_ms })
        }
        Ending::Broken { reason, message } => json!({ "state": "ERROR", "reason": reason, "message": message }),
    };
    let usage = usage(&attempted.usage, limits);
    json!({ "result": ending, "usage": usage, "http": host.calls(), "log": host.lines() })
}

/// What it wrote and emitted.
fn show_wanted(effects: Option<&Effects>, values: &Value, events: &Value) {
    let Some(effects) = effects else { return };
    if !effects.writes.is_empty() {
        println!("values after it\n{values:#}");
    }
    if !effects.events.is_empty() {
        println!("emitted events\n{events:#}");
    }
}

fn show(attempted: Attempted, limits: Limits, host: &Host) {
    let used = usage(&attempted.usage, limits);
    match attempted.ending.cut() {
        Ending::Outcome(outcome) => {
            let state = if outcome.warnings.is_empty() { "SUCCESS" } else { "WARNING" };
            anstream::println!("{}", output::state(state, None));
            outcome.warnings.iter().for_each(|warning| println!("  {warning}"));
            for (name, value) in [("output", outcome.output), ("chained event", outcome.event)] {
                let value = value.and_then(|json| json.to::<Value>().ok());
                value.into_iter().for_each(|value| println!("{name}\n{value:#}"));
            }
        }
        Ending::Failure(failure) => {
            let failed = Failed::from(failure);
            anstream::println!("{} code {}", output::state("ERROR", Some(failed.reason.as_str())), failed.code);
            println!("  {}", failed.message);
            if failed.retryable {
                println!(
                    "  A server would try again{}.",
                    failed.after_ms.map_or(String::new(), |ms| format!(" after {ms} ms"))
                );
            }
        }
        Ending::Broken { reason, message } => {
            anstream::println!(
                "{}\n  {}",
                output::state("ERROR", Some(reason.as_str())),
                message.replace('\n', "\n  ")
            );
        }
    }
    let calls = json!(host.calls());
    output::http_calls(&calls);
    if calls.as_array().is_some_and(|calls| calls.iter().any(|call| call["fault"] == "denied")) {
        println!("  Here hosts are allowed with --allow-host.");
    }
    output::usage(&used);
}
