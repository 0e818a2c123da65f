//! `fusebox fire`: something happened.

use super::client::{Client, encoded};
use super::{ServerArgs, output};
use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Value, json};
use std::io::Read;
use std::process::ExitCode;

/// Fire a trigger.
#[derive(Debug, Args)]
pub(super) struct Fire {
    /// The event type
    event_type: String,
    /// The payload: JSON, a file, or - for standard input
    #[arg(long, short, default_value = "{}", value_name = "JSON|FILE|-")]
    payload: String,
    /// The object it is about, as type/id, such as public.bookable/42
    #[arg(long, short, value_name = "TYPE/ID")]
    object: Option<String>,
    /// Wait for the end, up to this many seconds; exit with 1 if it failed
    #[arg(long, short, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "30")]
    wait: Option<u64>,
}

pub(super) fn run(fire: &Fire, server: &ServerArgs, json: bool) -> Result<ExitCode> {
    let client = Client::new(server)?;
    let mut body = json!({ "event_type": fire.event_type, "payload": read_json(&fire.payload)? });
    if let Some(object) = &fire.object {
        let (object_type, object_id) =
            object.split_once('/').with_context(|| format!("--object {object}: write it as type/id"))?;
        body["object"] = json!({ "object_type": object_type, "object_id": object_id });
    }
    let prefer: Vec<(&str, String)> = fire.wait.map(|wait| ("prefer", format!("wait={wait}"))).into_iter().collect();
    let answer = client.post("/event", &prefer, body.to_string().as_bytes())?;
    let event = &answer["data"];
    if json {
        output::document(&answer);
    } else {
        show(event, fire.wait.is_some());
    }
    let failed = fire.wait.is_some() && !matches!(event["state"].as_str(), Some("SUCCESS" | "WARNING"));
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn show(event: &Value, waited: bool) {
    let text = |name: &str| event[name].as_str().unwrap_or("");
    anstream::println!("event {} {}", text("id"), output::state(text("state"), event["reason"].as_str()));
    if !text("message").is_empty() {
        println!("  {}", text("message"));
    }
    for run in event["runs"].as_array().into_iter().flatten() {
        output::run_line(run);
        if !run["output"].is_null() {
            println!("{:#}", run["output"]);
        }
    }
    if !waited {
        println!("See what becomes of it: fusebox runs --event {}", encoded(text("id")));
    }
}

/// JSON from the argument itself, a file, or standard input.
pub(super) fn read_json(argument: &str) -> Result<Value> {
    let (text, source) = match argument {
        "-" => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("standard input cannot be read")?;
            (text, "standard input".to_owned())
        }
        inline if inline.trim_start().starts_with(['{', '[', '"']) => (inline.to_owned(), "the payload".to_owned()),
        path => match std::fs::read_to_string(path) {
            Ok(text) => (text, path.to_owned()),
            // Numbers, true and null are JSON as well.
            Err(_) if serde_json::from_str::<Value>(path).is_ok() => (path.to_owned(), "the payload".to_owned()),
            Err(error) => bail!("{path} is neither JSON nor a file that can be read: {error}"),
        },
    };
    serde_json::from_str(&text).with_context(|| format!("{source} is not JSON"))
}
