//! `fusebox export`: a server's catalogue as files.

use super::client::Client;
use super::{ServerArgs, catalogue, output};
use anyhow::Result;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// Write a server's catalogue into a folder, as files that `fusebox apply` takes.
///
/// By name, in an order that is always the same; modules beside them; of secrets only that they are there.
#[derive(Debug, Args)]
pub(super) struct Export {
    /// The folder: it is made, or empty
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The tenant whose things to write; only the platform names another than its own
    #[arg(long, value_name = "TENANT")]
    owner: Option<String>,
}

pub(super) fn run(export: &Export, server: &ServerArgs, json: bool) -> Result<ExitCode> {
    let written = catalogue::write(&Client::new(server)?, &export.folder, export.owner.as_deref())?;
    let written: Vec<String> = written.iter().map(|path| path.display().to_string()).collect();
    if json {
        output::document(&json!({ "folder": export.folder.display().to_string(), "files": written }));
    } else {
        written.iter().for_each(|path| println!("{path}"));
        let files = if written.len() == 1 { "file" } else { "files" };
        println!("{} {files} in {}", written.len(), export.folder.display());
    }
    Ok(ExitCode::SUCCESS)
}
