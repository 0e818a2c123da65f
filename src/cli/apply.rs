//! `fusebox apply` and `fusebox diff`: a folder of files, and what a server makes of it.

use super::catalogue::{self, Ending, Files, Job};
use super::client::Client;
use super::{ServerArgs, output};
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// Make a server's catalogue as the files of a folder say.
///
/// Event types, actions with their modules, objects, attachments, schedules, sources, secrets: by name, all at once or
/// nothing. Doing it twice changes nothing. What is wrong is told by file and field.
#[derive(Debug, Args)]
pub(super) struct Apply {
    #[command(flatten)]
    what: What,
    /// Only show what would be done, as `fusebox diff` does
    #[arg(long)]
    dry_run: bool,
}

/// Show what `fusebox apply` would change.
///
/// Exit codes: 0 nothing, 1 something, 2 it could not be found out.
#[derive(Debug, Args)]
pub(super) struct Diff {
    #[command(flatten)]
    what: What,
}

#[derive(Debug, Args)]
struct What {
    /// The folder with .yaml, .yml or .json files
    #[arg(short = 'f', long = "folder", value_name = "DIR")]
    folder: PathBuf,
    /// Also delete what the files do not have, of the kinds that they have a list of
    #[arg(long)]
    prune: bool,
    /// The tenant whose things they are; only the platform names another than its own
    #[arg(long, value_name = "TENANT")]
    owner: Option<String>,
}

pub(super) fn apply(apply: &Apply, server: &ServerArgs, json: bool) -> Result<ExitCode> {
    let ending = if apply.dry_run { Ending::Tell } else { Ending::Do };
    let answer = send(&apply.what, server, ending)?;
    show(&answer, json);
    Ok(ExitCode::SUCCESS)
}

pub(super) fn diff(diff: &Diff, server: &ServerArgs, json: bool) -> Result<ExitCode> {
    let answer = match send(&diff.what, server, Ending::Tell) {
        Ok(answer) => answer,
        Err(error) => {
            output::failure(&error, json);
            return Ok(ExitCode::from(2));
        }
    };
    show(&answer, json);
    let none = |list: &str| answer["data"][list].as_array().is_none_or(Vec::is_empty);
    Ok(if none("changes") && none("uploaded") { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn send(what: &What, server: &ServerArgs, ending: Ending) -> Result<serde_json::Value> {
    let mut files = Files::read(&what.folder, &|name| std::env::var(name).ok())?;
    let job = Job { owner: what.owner.as_deref(), prune: what.prune, ending };
    catalogue::send(&Client::new(server)?, &mut files, &job)
}

fn show(answer: &serde_json::Value, json: bool) {
    if json {
        output::document(answer);
    } else {
        catalogue::show(&answer["data"], &answer["warnings"]);
    }
}
