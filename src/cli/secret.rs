//! `fusebox secret`: values that nothing shows again.

use super::client::{Client, encoded};
use super::{ServerArgs, output};
use crate::domain::AllowedHost;
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use serde_json::json;
use std::io::{BufRead, IsTerminal, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use zeroize::Zeroizing;

/// Set, list and delete secrets, and change the key that encrypts them.
#[derive(Debug, Args)]
pub(super) struct Secret {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Set a secret: its value is read from standard input or a file, never from the command line
    Set {
        /// What parameters name it by
        key: String,
        /// Read the value from this file. Of what is read, a newline at the end is left out
        #[arg(long, value_name = "FILE")]
        from_file: Option<PathBuf>,
        /// What it is for
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
        /// Where it may be sent for a parameter with `reveal: false`, such as `https://api.example.com`; again for more.
        /// Without it that stays as it was, at first nowhere
        #[arg(long = "allow-host", value_name = "RULE", conflicts_with = "allow_no_host")]
        allow_hosts: Vec<AllowedHost>,
        /// Let it be sent nowhere any more
        #[arg(long)]
        allow_no_host: bool,
        /// Keep its value; only what is said about it changes
        #[arg(long, conflicts_with = "from_file")]
        keep_value: bool,
        #[command(flatten)]
        owner: Owner,
    },
    /// List secrets, without their values
    List {
        #[command(flatten)]
        owner: Owner,
    },
    /// Delete a secret
    Delete {
        key: String,
        /// Also while parameters name it; their runs end with secret_missing then
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        owner: Owner,
    },
    /// Encrypt every secret with a new key and drop the old one
    ///
    /// Copy the file of keys (secrets.key) before if there are backups: what they have opens with the old key only.
    RotateKey,
}

#[derive(Debug, Args)]
struct Owner {
    /// The tenant it belongs to; only the platform's tokens name another than their own
    #[arg(long, value_name = "TENANT")]
    owner: Option<String>,
}

impl Owner {
    /// As a query, to go behind `separator`.
    fn query(&self, separator: char) -> String {
        self.owner.as_deref().map(|owner| format!("{separator}owner_id={}", encoded(owner))).unwrap_or_default()
    }
}

pub(super) fn run(secret: &Secret, server: &ServerArgs, json: bool) -> Result<ExitCode> {
    let client = Client::new(server)?;
    let (answer, said) = match &secret.command {
        Command::Set { key, from_file, description, allow_hosts, allow_no_host, keep_value, owner } => {
            let value = if *keep_value { None } else { Some(read_value(key, from_file.as_ref())?) };
            let value = value.as_ref().map(|value| value.as_str());
            let hosts = (*allow_no_host || !allow_hosts.is_empty()).then_some(allow_hosts);
            let body = json!({
                "value": value, "description": description, "allowed_hosts": hosts, "owner_id": owner.owner,
            });
            let body = Zeroizing::new(body.to_string());
            let answer = client.put(&format!("/secret/{}", encoded(key)), &[], body.as_bytes())?;
            let said = format!("secret {key} is set (version {})", answer["data"]["version"]);
            (answer, said)
        }
        Command::List { owner } => return list(&client, owner, json),
        Command::Delete { key, force, owner } => {
            let path = format!("/secret/{}?force={force}{}", encoded(key), owner.query('&'));
            (client.delete(&path)?, format!("secret {key} is deleted"))
        }
        Command::RotateKey => {
            let answer = client.post("/secret-key/rotate", &[], b"")?;
            let (key, count) = (answer["data"]["key"].as_str().unwrap_or(""), &answer["data"]["secrets"]);
            let said = format!("{count} secrets are encrypted with the new key {key}; the old one is gone");
            (answer, said)
        }
    };
    if json {
        output::document(&answer["data"]);
    } else {
        println!("{said}");
    }
    Ok(ExitCode::SUCCESS)
}

fn list(client: &Client, owner: &Owner, json: bool) -> Result<ExitCode> {
    let mut secrets = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = client.get(&format!("/secret?limit=200{}{cursor}", owner.query('&')))?;
        secrets.extend(page["data"].as_array().into_iter().flatten().cloned());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={}", encoded(next)),
            None => break,
        }
    }
    if json {
        output::document(&json!(secrets));
        return Ok(ExitCode::SUCCESS);
    }
    for secret in &secrets {
        let text = |name: &str| secret[name].as_str().unwrap_or("");
        let owner = if text("owner_id").is_empty() { "(platform)" } else { text("owner_id") };
        let (key, at, by) = (text("key"), text("updated_at"), text("updated_by"));
        println!("{key:<32} {owner:<16} version {:<4} {at} by {by}  {}", secret["version"], text("description"));
    }
    Ok(ExitCode::SUCCESS)
}

fn read_value(key: &str, file: Option<&PathBuf>) -> Result<Zeroizing<String>> {
    let mut value = Zeroizing::new(String::new());
    if let Some(path) = file {
        *value = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    } else if std::io::stdin().is_terminal() {
        prompt(&format!("Value of {key}, not shown: "), &mut value)?;
    } else {
        std::io::stdin().read_to_string(&mut value).context("standard input cannot be read as text")?;
    }
    if value.ends_with('\n') {
        value.pop();
        if value.ends_with('\r') {
            value.pop();
        }
    }
    if value.is_empty() {
        bail!("no value was given");
    }
    Ok(value)
}

/// Reads a line from the terminal without showing it.
fn prompt(question: &str, line: &mut String) -> Result<()> {
    let terminal = std::io::stdin();
    eprint!("{question}");
    std::io::stderr().flush()?;
    let before = tcgetattr(&terminal).context("the terminal cannot be asked")?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&terminal, OptionalActions::Flush, &silent).context("the terminal cannot be made silent")?;
    let read = terminal.lock().read_line(line);
    // Whatever was read: a terminal that stays silent is worse.
    tcsetattr(&terminal, OptionalActions::Flush, &before)?;
    eprintln!();
    read?;
    Ok(())
}
