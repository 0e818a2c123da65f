//! `fusebox replay`: what has ended, once more.

use super::client::{Client, encoded};
use super::fire::read_json;
use super::{ServerArgs, output};
use anyhow::{Result, bail};
use clap::Args;
use serde_json::{Map, Value, json};
use std::process::ExitCode;

/// Without any the whole history would be meant, which nobody means by leaving them out.
const FILTERS: [&str; 7] = ["state", "reason", "event_type", "object", "from", "to", "query"];

/// Run again what has ended: an event, a run, or everything that the filters find.
#[derive(Debug, Args)]
pub(super) struct Replay {
    /// The event or the run
    #[arg(required_unless_present_any = FILTERS, conflicts_with_all = FILTERS, conflicts_with = "yes")]
    id: Option<String>,
    /// Another payload than it had: JSON, a file, or - for standard input
    #[arg(long, short, value_name = "JSON|FILE|-", requires = "id")]
    payload: Option<String>,
    /// Only events in this state, such as ERROR
    #[arg(long)]
    state: Option<String>,
    /// Only events that ended for this reason, such as timeout
    #[arg(long)]
    reason: Option<String>,
    /// Only events of this type
    #[arg(long, short = 't', value_name = "EVENT_TYPE")]
    event_type: Option<String>,
    /// Only events on this object, as type/id
    #[arg(long, short, value_name = "TYPE/ID")]
    object: Option<String>,
    /// Only events fired at this time or later, such as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Only events fired before this time
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Only events whose type, object, message, payload or id has this text
    #[arg(long, short)]
    query: Option<String>,
    /// Really do it; without this the filters only show what they find
    #[arg(long, short)]
    yes: bool,
}

pub(super) fn run(replay: &Replay, server: &ServerArgs, json: bool) -> Result<ExitCode> {
    let client = Client::new(server)?;
    match &replay.id {
        Some(id) => one(&client, id, replay.payload.as_deref(), json),
        None if replay.yes => many(&client, &filter(replay)?, json),
        None => preview(&client, &filter(replay)?, json),
    }
}

/// An id says nothing about what it is of: it is looked for among the events, then among the runs.
fn one(client: &Client, id: &str, payload: Option<&str>, json: bool) -> Result<ExitCode> {
    let mut body = json!({});
    if let Some(payload) = payload {
        body["payload"] = read_json(payload)?;
    }
    let kind = if client.get(&format!("/event/{}", encoded(id))).is_ok() { "event" } else { "run" };
    let answer = client.post(&format!("/{kind}/{}/replay", encoded(id)), &[], body.to_string().as_bytes())?;
    if json {
        output::document(&answer);
    } else {
        let new = answer["data"]["id"].as_str().unwrap_or("");
        println!("event {new} replays the {kind} {id}");
        println!("See what becomes of it: fusebox runs --event {}", encoded(new));
    }
    Ok(ExitCode::SUCCESS)
}

fn filter(replay: &Replay) -> Result<Value> {
    let mut filter = Map::new();
    let fields = [
        ("state", &replay.state),
        ("reason", &replay.reason),
        ("event_type", &replay.event_type),
        ("from", &replay.from),
        ("to", &replay.to),
        ("q", &replay.query),
    ];
    for (name, value) in fields.iter().filter_map(|(name, value)| value.as_ref().map(|value| (name, value))) {
        filter.insert((*name).to_owned(), value.clone().into());
    }
    if let Some(object) = &replay.object {
        let Some((object_type, object_id)) = object.split_once('/') else {
            bail!("--object {object}: write it as type/id");
        };
        filter.insert("object_type".to_owned(), object_type.into());
        filter.insert("object_id".to_owned(), object_id.into());
    }
    Ok(filter.into())
}

fn preview(client: &Client, filter: &Value, json: bool) -> Result<ExitCode> {
    let body = json!({ "filter": filter, "preview": true });
    let answer = client.post("/event/replay", &[], body.to_string().as_bytes())?;
    if json {
        output::document(&answer);
        return Ok(ExitCode::SUCCESS);
    }
    let (found, more) = (&answer["data"], answer["data"]["more"] == true);
    for event in found["sample"].as_array().into_iter().flatten() {
        let text = |name: &str| event[name].as_str().unwrap_or("");
        let state = output::state(text("state"), event["reason"].as_str());
        anstream::println!("{} {} {state} {}", text("id"), text("created_at"), text("event_type"));
    }
    println!("{}{} events would be replayed.", if more { "More than " } else { "" }, found["count"]);
    if found["count"] != 0 {
        println!("Nothing was done. Do it with the same filters and --yes.");
    }
    Ok(ExitCode::SUCCESS)
}

/// Request after request until the filter finds no more; fails when some could not be replayed.
fn many(client: &Client, filter: &Value, json: bool) -> Result<ExitCode> {
    let (mut replayed, mut refused, mut cursor) = (0, 0, Value::Null);
    loop {
        let body = json!({ "filter": filter, "cursor": cursor });
        let answer = client.post("/event/replay", &[], body.to_string().as_bytes())?;
        let done = &answer["data"];
        let all = |name: &str| done[name].as_array().cloned().unwrap_or_default();
        replayed += all("events").len();
        refused += all("refused").len();
        for event in all("events") {
            let text = |name: &str| event[name].as_str().unwrap_or("").to_owned();
            if json {
                println!("{event}");
            } else {
                println!("{} replays {}", text("id"), text("replay_of"));
            }
        }
        for event in all("refused") {
            let text = |name: &str| event[name].as_str().unwrap_or("").to_owned();
            if json {
                println!("{event}");
            } else {
                eprintln!("{} was not replayed: {} ({})", text("replay_of"), text("detail"), text("code"));
            }
        }
        cursor = done["next"].clone();
        if cursor.is_null() {
            break;
        }
    }
    if !json {
        println!("{replayed} events were replayed, {refused} could not be.");
    }
    Ok(if refused == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
