//! `fusebox restore`: a data folder out of a backup.

use super::{ServerArgs, output};
use crate::server::{self, ADMIN_TOKEN_FILE, SECRETS_KEY_FILE, Sealed};
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
    /// Leave the secrets out, when their keys are lost: with them no server starts without the keys
    #[arg(long)]
    without_secrets: bool,
}

pub(super) fn run(restore: &Restore, server: &ServerArgs, json: bool) -> Result<ExitCode> {
    let secrets = if restore.without_secrets { Sealed::Drop } else { Sealed::Keep };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let restored = runtime.block_on(server::restore(&restore.file, &server.data, secrets))?;
    let (backup, data) = (&restored.backup, server.data.display().to_string());
    let (digest, made_at) = (backup.digest.to_string(), backup.made_at.to_string());
    if json {
        let entries = backup.entries;
        output::document(
            &json!({ "data": data, "entries": entries, "made_at": made_at, "digest": digest, "token": restored.token, "secrets": restored.secrets }),
        );
        return Ok(ExitCode::SUCCESS);
    }
    println!("{data} has everything as of {made_at}; the digest is that of the backup:\n{digest}\n");
    println!("A new admin token, shown this once: {}", restored.token);
    println!(
        "It is also in {data}/{ADMIN_TOKEN_FILE}. The tokens of before are good as well: revoke what you do not trust.\n"
    );
    if restored.secrets > 0 {
        let secrets = restored.secrets;
        println!(
            "!! It has {secrets} secrets and NOT the keys that decrypt them. Put {SECRETS_KEY_FILE} of the old data folder"
        );
        println!("!! into {data} before the first start: no server starts without it. If it is lost, so are they:");
        println!("!! restore again with --without-secrets, and set them anew.\n");
    }
    println!("Open runs go on at the start. If the old server still runs, stop it first: both would do them.\n");
    println!("Start it:  fusebox serve --data {data}");
    Ok(ExitCode::SUCCESS)
}
