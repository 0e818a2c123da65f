//! `fusebox backup`: everything a running server has, in one file.

use super::client::Client;
use super::{ServerArgs, output};
use crate::store::verify_backup;
use anyhow::{Context, Result, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Save everything a running server has in one file.
///
/// The server goes on meanwhile. The file has everything that was acknowledged before; it is there only if it is whole.
/// Keep it well: it has the payloads of every tenant. What it does not have are the keys of the data folder.
#[derive(Debug, Args)]
pub(super) struct Take {
    /// The file to make
    file: PathBuf,
    /// Put it in the place of one that is there
    #[arg(long)]
    force: bool,
}

pub(super) fn run(take: &Take, server: &ServerArgs, json: bool) -> Result<ExitCode> {
    let shown = take.file.display();
    if !take.force && take.file.try_exists().with_context(|| format!("{shown} cannot be looked for"))? {
        bail!("{shown} is there already; --force puts the new one in its place");
    }
    let client = Client::new(server)?;
    let draft = draft(&take.file)?;
    let received = receive(&client, &draft, json);
    let backup = match received {
        Ok(backup) => backup,
        Err(error) => {
            // What is left of it is no backup, and must not be taken for one.
            drop(fs::remove_file(&draft));
            return Err(error.context(format!("no backup was made: {shown} is as it was")));
        }
    };
    fs::rename(&draft, &take.file).with_context(|| format!("{shown} cannot be made"))?;
    let (digest, made_at) = (backup.digest.to_string(), backup.made_at.to_string());
    if json {
        let (size_bytes, entries) = (backup.size_bytes, backup.entries);
        let file = shown.to_string();
        output::document(
            &json!({ "file": file, "size_bytes": size_bytes, "entries": entries, "made_at": made_at, "digest": digest }),
        );
        return Ok(ExitCode::SUCCESS);
    }
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let (size, entries) = (output::group(backup.size_bytes as f64), output::group(backup.entries as f64));
    println!("{shown}: {size} bytes, {entries} entries, as of {made_at}\n{digest}");
    println!("It does not have the keys of the data folder. Keep those too, and elsewhere.");
    Ok(ExitCode::SUCCESS)
}

/// Where it is received: beside the file, so that it can become it in one step.
fn draft(file: &Path) -> Result<PathBuf> {
    let name = file.file_name().with_context(|| format!("{} is not the name of a file", file.display()))?;
    let mut draft = name.to_owned();
    draft.push(format!(".{}.part", std::process::id()));
    Ok(file.with_file_name(draft))
}

/// Checks what comes while it is written; when this returns the disk has all of it.
fn receive(client: &Client, draft: &Path, json: bool) -> Result<crate::store::Backup> {
    let body = client.download("/backup")?;
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft);
    let file = made.with_context(|| format!("{} cannot be made", draft.display()))?;
    let progress = if json { ProgressBar::hidden() } else { ProgressBar::no_length() };
    let style = ProgressStyle::with_template("{spinner} {bytes} ({bytes_per_sec})");
    progress.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    progress.enable_steady_tick(Duration::from_millis(200));
    let mut tee = Tee { from: progress.wrap_read(body), to: BufWriter::new(file) };
    let verified = verify_backup(io::BufReader::with_capacity(1 << 20, &mut tee));
    progress.finish_and_clear();
    let backup = verified.context("the download is not a whole backup")?;
    let file: File = tee.to.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all().with_context(|| format!("{} cannot be written", draft.display()))?;
    Ok(backup)
}

/// Writes down what is read.
struct Tee<R, W> {
    from: R,
    to: W,
}

impl<R: Read, W: Write> Read for Tee<R, W> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(bytes)?;
        self.to.write_all(&bytes[..read])?;
        Ok(read)
    }
}
