//! `fusebox runs`: what ran.

use super::client::{Client, encoded};
use super::{ServerArgs, output};
use anyhow::Result;
use clap::Args;
use serde_json::Value;
use std::process::ExitCode;

/// List runs, or show one.
#[derive(Debug, Args)]
pub(super) struct Runs {
    /// A run to show in full
    id: Option<String>,
    /// Only runs in this state, such as ERROR
    #[arg(long)]
    state: Option<String>,
    /// Only runs that ended for this reason, such as fuel_exhausted
    #[arg(long)]
    reason: Option<String>,
    /// Only the runs of this event
    #[arg(long, value_name = "ID")]
    event: Option<String>,
    /// Only runs whose action, message or id has this text
    #[arg(long, short)]
    query: Option<String>,
    /// How many
    #[arg(long, short = 'n', default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=200))]
    limit: u16,
    /// `next` of the page before
    #[arg(long)]
    cursor: Option<String>,
}

pub(super) fn run(runs: &Runs, server: &ServerArgs, json: bool) -> Result<ExitCode> {
    let client = Client::new(server)?;
    if let Some(id) = &runs.id {
        let answer = client.get(&format!("/run/{}", encoded(id)))?;
        if json {
            output::document(&answer);
        } else {
            output::run(&answer["data"]);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let filters = [
        ("state", &runs.state),
        ("reason", &runs.reason),
        ("event", &runs.event),
        ("q", &runs.query),
        ("cursor", &runs.cursor),
    ];
    let mut query = format!("limit={}", runs.limit);
    for (name, value) in filters.iter().filter_map(|(name, value)| value.as_ref().map(|value| (name, value))) {
        query.push_str(&format!("&{name}={}", encoded(value)));
    }
    let answer = client.get(&format!("/run?{query}"))?;
    if json {
        output::document(&answer);
    } else {
        list(&answer);
    }
    Ok(ExitCode::SUCCESS)
}

fn list(answer: &Value) {
    let runs = answer["data"].as_array().map(Vec::as_slice).unwrap_or_default();
    runs.iter().for_each(output::run_line);
    if runs.is_empty() {
        println!("No runs. Fire something: fusebox fire EVENT_TYPE --wait");
    }
    if let Some(next) = answer["next"].as_str() {
        println!("More: --cursor {next}");
    }
}
