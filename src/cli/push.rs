//! `fusebox push`: from a file to something that runs.

use super::client::{Client, encoded};
use super::{ServerArgs, output};
use anyhow::{Context, Result, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Upload a component or a core module; with --action and --trigger also make it run.
#[derive(Debug, Args)]
pub(super) struct Push {
    /// The component or core module: binary, or WAT
    file: PathBuf,
    /// A name for the module, such as reports.runner [default: the name of the action, if given]
    #[arg(long)]
    name: Option<String>,
    /// The version of that name [default: the first digits of the digest]
    #[arg(long)]
    version: Option<String>,
    /// Make this action, or change it, to run the component
    #[arg(long, value_name = "NAME")]
    action: Option<String>,
    /// Make this event type, or change it, to run the action
    #[arg(long, value_name = "EVENT_TYPE", requires = "action")]
    trigger: Option<String>,
}

pub(super) fn run(push: &Push, server: &ServerArgs, json: bool) -> Result<ExitCode> {
    let client = Client::new(server)?;
    let module = upload(push, &client, json)?;
    let digest = module["digest"].as_str().context("the server gave no digest")?.to_owned();
    let action = push.action.as_deref().map(|name| put_action(&client, name, &digest)).transpose()?;
    let event_type = match (&push.trigger, &action) {
        (Some(name), Some(action)) => Some(put_event_type(&client, name, &action["id"])?),
        _ => None,
    };
    if json {
        output::document(&json!({ "module": module, "action": action, "event_type": event_type }));
        return Ok(ExitCode::SUCCESS);
    }
    println!("module      {digest}  ({} bytes)", module["size_bytes"]);
    println!("kind        {}", module["kind"].as_str().unwrap_or(""));
    if let Some(wrapped) = module["wrapped"].as_str() {
        println!("wrapped     {wrapped}");
    }
    for import in module["imports"].as_array().into_iter().flatten() {
        let (name, grants) = (import["import"].as_str().unwrap_or(""), import["grants"].as_str().unwrap_or(""));
        println!("  asks for  {name}: {grants}");
    }
    if let Some(action) = &action {
        println!("action      {} (version {})", action["name"].as_str().unwrap_or(""), action["version"]);
    }
    if let Some(event_type) = &event_type {
        let name = event_type["display_name"].as_str().unwrap_or("");
        println!("event type  {name}\n\nFire it:    fusebox fire {name} --payload '{{}}' --wait");
    }
    Ok(ExitCode::SUCCESS)
}

fn upload(push: &Push, client: &Client, json: bool) -> Result<Value> {
    let path = push.file.display();
    let file = File::open(&push.file).with_context(|| format!("{path} cannot be read"))?;
    let size_bytes = file.metadata().with_context(|| format!("{path} cannot be read"))?.len();
    if size_bytes == 0 {
        bail!("{path} is empty");
    }
    let name = push.name.clone().or_else(|| push.action.as_deref().map(module_name));
    let mut query = Vec::new();
    query.extend(name.map(|name| format!("name={}", encoded(&name))));
    query.extend(push.version.as_deref().map(|version| format!("version={}", encoded(version))));
    let progress = if json { ProgressBar::hidden() } else { ProgressBar::new(size_bytes) };
    let bar = ProgressStyle::with_template("{msg} {bar:30} {bytes}/{total_bytes}");
    progress.set_style(bar.unwrap_or_else(|_| ProgressStyle::default_bar()));
    progress.set_message("uploading");
    let body = UploadProgress { reader: progress.wrap_read(file), progress: progress.clone(), left: size_bytes };
    let answer = client.upload(&format!("/module?{}", query.join("&")), size_bytes, body);
    progress.finish_and_clear();
    Ok(answer?["data"].take())
}

/// Says "compiling" when everything was sent: what then takes long is the server.
struct UploadProgress<R> {
    reader: R,
    progress: ProgressBar,
    left: u64,
}

impl<R: std::io::Read> std::io::Read for UploadProgress<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.left = self.left.saturating_sub(count as u64);
        if self.left == 0 {
            let spinner = ProgressStyle::with_template("{spinner} the server validates and compiles ({elapsed})");
            self.progress.set_style(spinner.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            self.progress.enable_steady_tick(Duration::from_millis(100));
        }
        Ok(count)
    }
}

/// An action's name in the letters that a module's name may have.
fn module_name(action: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c.to_ascii_lowercase() } else { '-' };
    let name: String = action.chars().map(letter).take(128).collect();
    let trimmed = name.trim_start_matches(['.', '_', '-']);
    if trimmed.is_empty() { "action".to_owned() } else { trimmed.to_owned() }
}

/// Makes the action, or makes an existing one run the new module and leaves the rest of it.
fn put_action(client: &Client, name: &str, digest: &str) -> Result<Value> {
    let known = find(client, "/action", "name", name)?;
    let Some(action) = known else {
        let body = json!({ "name": name, "module": digest });
        return Ok(client.post("/action", &[], body.to_string().as_bytes())?["data"].take());
    };
    if action["module"] == digest {
        return Ok(action);
    }
    let path = format!("/action/{}", action["id"].as_str().unwrap_or(""));
    replace(client, &path, &action, ("module", digest.into()))
}

/// Makes the event type, or makes an existing one run the action and leaves the rest of it.
fn put_event_type(client: &Client, name: &str, action: &Value) -> Result<Value> {
    let Some(event_type) = find(client, "/event-type", "display_name", name)? else {
        let body = json!({ "display_name": name, "action": action });
        return Ok(client.post("/event-type", &[], body.to_string().as_bytes())?["data"].take());
    };
    if event_type["action"] == *action {
        return Ok(event_type);
    }
    let path = format!("/event-type/{}", event_type["id"].as_str().unwrap_or(""));
    replace(client, &path, &event_type, ("action", action.clone()))
}

fn find(client: &Client, path: &str, field: &str, name: &str) -> Result<Option<Value>> {
    let mut cursor = String::new();
    loop {
        let page = client.get(&format!("{path}?limit=200&q={}{cursor}", encoded(name)))?;
        let same =
            |item: &&Value| item[field].as_str().is_some_and(|known| known.to_lowercase() == name.to_lowercase());
        if let Some(item) = page["data"].as_array().into_iter().flatten().find(same) {
            return Ok(Some(item.clone()));
        }
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={}", encoded(next)),
            None => return Ok(None),
        }
    }
}

/// What is read and never sent.
const SERVERS_OWN: [&str; 9] =
    ["id", "owner_id", "paused", "version", "created_by", "created_at", "updated_by", "updated_at", "secrets"];

/// Writes back what was read with one field changed; somebody else's change in between is not overwritten.
fn replace(client: &Client, path: &str, old: &Value, (field, value): (&str, Value)) -> Result<Value> {
    let mut body = old.as_object().cloned().unwrap_or_default();
    body.retain(|name, _| !SERVERS_OWN.contains(&name.as_str()));
    body.insert(field.to_owned(), value);
    let if_match = [("if-match", format!("\"{}\"", old["version"]))];
    Ok(client.put(path, &if_match, Value::Object(body).to_string().as_bytes())?["data"].take())
}
