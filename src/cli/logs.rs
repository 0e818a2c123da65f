//! `fusebox logs`: what actions say.

use super::client::{Client, encoded};
use super::{ServerArgs, output};
use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;
use std::io::BufRead;
use std::process::ExitCode;
use std::time::Duration;

/// How long to wait before connecting again.
const RECONNECT: Duration = Duration::from_secs(1);

/// Show the log of a run, or follow all logs.
#[derive(Debug, Args)]
pub(super) struct Logs {
    /// The run; without it, with --follow, every run
    run: Option<String>,
    /// Go on as more is written; of one run until it ends
    #[arg(long, short)]
    follow: bool,
    /// Lines of this level and above: trace, debug, info, warn or error
    #[arg(long)]
    level: Option<String>,
}

pub(super) fn run(logs: &Logs, server: &ServerArgs, json: bool) -> Result<ExitCode> {
    let client = Client::new(server)?;
    match (&logs.run, logs.follow) {
        (None, false) => bail!("which run? Name it, or follow all of them with --follow; `fusebox runs` lists runs"),
        (Some(run), false) => {
            let level = logs.level.as_ref().map(|level| format!("?level={}", encoded(level))).unwrap_or_default();
            let answer = client.get(&format!("/run/{}/log{level}", encoded(run)))?;
            if json {
                output::document(&answer);
            } else {
                answer["data"].as_array().into_iter().flatten().for_each(output::log_line);
            }
        }
        (run, true) => follow(logs, &client, run.as_deref(), json)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// One message of the stream.
#[derive(Default)]
struct Message {
    id: Option<String>,
    kind: String,
    data: String,
}

fn follow(logs: &Logs, client: &Client, run: Option<&str>, json: bool) -> Result<()> {
    let path = run.map_or_else(|| "/stream".to_owned(), |run| format!("/stream?run={}", encoded(run)));
    let mut lines = client.stream(&path, None)?;
    // Connected first, read then: what is written in between is in both, never in neither.
    let mut shown = None;
    if let Some(run) = run {
        let answer = client.get(&format!("/run/{}/log", encoded(run)))?;
        let written = answer["data"].as_array().map(Vec::as_slice).unwrap_or_default();
        written.iter().for_each(|line| show(logs, run, line, json));
        shown = written.last().map(place);
        if is_ended(&client.get(&format!("/run/{}", encoded(run)))?["data"]) {
            return Ok(());
        }
    }
    let mut last = None;
    loop {
        while let Some(message) = next(&mut lines)? {
            if message.id.is_some() {
                last.clone_from(&message.id);
            }
            if show_message(logs, &message, shown, (run, json))? {
                return Ok(());
            }
        }
        std::thread::sleep(RECONNECT);
        match client.stream(&path, last.as_deref()) {
            Ok(stream) => lines = stream,
            Err(error) => eprintln!("{error:#}; trying again"),
        }
    }
}

/// Where a line stands in the log of its run.
fn place(line: &Value) -> (u64, u64) {
    (line["attempt"].as_u64().unwrap_or(0), line["number"].as_u64().unwrap_or(0))
}

/// Prints what a message has; true at the end of the run that is followed. Lines up to `shown` were printed before.
fn show_message(
    logs: &Logs,
    message: &Message,
    shown: Option<(u64, u64)>,
    (run, json): (Option<&str>, bool),
) -> Result<bool> {
    let data: Value = serde_json::from_str(&message.data).context("the stream is not JSON")?;
    match message.kind.as_str() {
        "log" => {
            for line in data["lines"].as_array().into_iter().flatten() {
                if shown.is_none_or(|shown| place(line) > shown) {
                    show(logs, data["run"].as_str().unwrap_or(""), line, json);
                }
            }
        }
        "run" if run.is_some() => return Ok(is_ended(&data)),
        "reset" => eprintln!("some lines were missed; `fusebox logs RUN` has all of a run"),
        _ => {}
    }
    Ok(false)
}

fn is_ended(run: &Value) -> bool {
    !matches!(run["state"].as_str(), Some("QUEUED" | "WAITING" | "RUNNING"))
}

fn show(logs: &Logs, run: &str, line: &Value, json: bool) {
    const LEVELS: [&str; 5] = ["trace", "debug", "info", "warn", "error"];
    let rank = |level: &str| LEVELS.iter().position(|known| *known == level);
    let least = logs.level.as_deref().and_then(rank).unwrap_or(0);
    if line["level"].as_str().and_then(rank).is_some_and(|level| level < least) {
        return;
    }
    if json {
        let mut line = line.clone();
        line["run"] = run.into();
        println!("{line}");
    } else {
        if logs.run.is_none() {
            print!("{run} ");
        }
        output::log_line(line);
    }
}

/// The next message of a stream (WHATWG HTML, §9.2.6); `None` at its end.
fn next(lines: &mut impl BufRead) -> Result<Option<Message>> {
    let mut message = Message::default();
    let mut line = String::new();
    loop {
        line.clear();
        // A connection that breaks is like one that ends: it is made anew.
        if lines.read_line(&mut line).unwrap_or(0) == 0 {
            return Ok(None);
        }
        let text = line.trim_end_matches(['\r', '\n']);
        if text.is_empty() {
            if message.kind.is_empty() {
                continue;
            }
            return Ok(Some(message));
        }
        let (name, value) = text.split_once(':').unwrap_or((text, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "id" => message.id = Some(value.to_owned()),
            "event" => value.clone_into(&mut message.kind),
            "data" => message.data.push_str(value),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_and_comments_passed_over() {
        let mut stream = ": hello\n\nid: 7\nevent: log\ndata: {\"a\":\ndata: 1}\n\nid: 8\n".as_bytes();
        let message = next(&mut stream).unwrap().unwrap();
        assert_eq!((message.id.as_deref(), message.kind.as_str()), (Some("7"), "log"));
        assert_eq!(message.data, "{\"a\":1}");
        assert!(next(&mut stream).unwrap().is_none(), "a message that broke off is none");
    }
}
