//! `fusebox restore`: a data folder out of a backup.

use super::{ServerArgs, output};
use crate::server::{self, ADMIN_TOKEN_FILE};
use anyhow::Result;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// Make a data folder out of a backup.
///
/// The folder (--data) must not be there or be empty. It is made whole or not at all; then start a server on it.
#[derive(Debug, Args)]
pub(super) struct Restore {
    /// A file that `fusebox backup` made
    file: PathBuf,
}

pub(super) fn run(restore: &Restore, server: &ServerArgs, json: bool) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let restored = runtime.block_on(server::restore(&restore.file, &server.data))?;
    let (backup, data) = (&restored.backup, server.data.display().to_string());
    let (digest, made_at) = (backup.digest.to_string(), backup.made_at.to_string());
    if json {
        let entries = backup.entries;
        output::document(
            &json!({ "data": data, "entries": entries, "made_at": made_at, "digest": digest, "token": restored.token }),
        );
        return Ok(ExitCode::SUCCESS);
    }
    println!("{data} has everything as of {made_at}; the digest is that of the backup:\n{digest}\n");
    println!("A new admin token, shown this once: {}", restored.token);
    println!(
        "It is also in {data}/{ADMIN_TOKEN_FILE}. The tokens of before are good as well: revoke what you do not trust.\n"
    );
    println!("A backup has no keys. Before the first start put back what you kept of the old data folder.");
    println!("Open runs go on at the start. If the old server still runs, stop it first: both would do them.\n");
    println!("Start it:  fusebox serve --data {data}");
    Ok(ExitCode::SUCCESS)
}
