//! `fusebox push`: from a file to something that runs.

use super::client::{Client, encoded};
use super::source::language_of;
use super::{ServerArgs, output};
use crate::domain::{Language, SourceCode};
use anyhow::{Context, Result, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value, json};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Upload a component or a core module; with --action and --trigger also make it run. Of source code, make an action.
#[derive(Debug, Args)]
pub(super) struct Push {
    /// The component or core module, binary or WAT; or source code: .js, .ts, .py
    file: PathBuf,
    /// A name for the module, such as reports.runner [default: the name of the action, if given]
    #[arg(long)]
    name: Option<String>,
    /// The version of that name [default: the first digits of the digest]
    #[arg(long)]
    version: Option<String>,
    /// Make this action, or change it, to run the component or the source code [default for source code: the name of the file]
    #[arg(long, value_name = "NAME")]
    action: Option<String>,
    /// Make this event type, or change it, to run the action
    #[arg(long, value_name = "EVENT_TYPE", requires = "action")]
    trigger: Option<String>,
}

/// What an action runs.
enum Executed {
    Module { digest: String },
    Source(SourceCode),
}

pub(super) fn run(push: &Push, server: &ServerArgs, json: bool) -> Result<ExitCode> {
    let client = Client::new(server)?;
    let (module, executed, action) = match language_of(&push.file) {
        Some(language) => (Value::Null, Executed::Source(source(push, language)?), Some(action_name(push))),
        None => {
            let module = upload_as_told(push, &client, json)?;
            let digest = module["digest"].as_str().context("the server gave no digest")?.to_owned();
            (module, Executed::Module { digest }, push.action.clone())
        }
    };
    let put = |name: String| put_action(&client, &name, &executed);
    let action = action.map(put).transpose().with_context(|| push.file.display().to_string())?;
    let event_type = match (&push.trigger, &action) {
        (Some(name), Some(action)) => Some(put_event_type(&client, name, &action["id"])?),
        _ => None,
    };
    if json {
        output::document(&json!({ "module": module, "action": action, "event_type": event_type }));
        return Ok(ExitCode::SUCCESS);
    }
    match &executed {
        Executed::Module { digest } => show_module(&module, digest),
        Executed::Source(source) => println!("source      {}  ({} bytes)", source.language, source.code.len()),
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

fn show_module(module: &Value, digest: &str) {
    println!("module      {digest}  ({} bytes)", module["size_bytes"]);
    println!("kind        {}", module["kind"].as_str().unwrap_or(""));
    if let Some(wrapped) = module["wrapped"].as_str() {
        println!("wrapped     {wrapped}");
    }
    for import in module["imports"].as_array().into_iter().flatten() {
        let (name, grants) = (import["import"].as_str().unwrap_or(""), import["grants"].as_str().unwrap_or(""));
        println!("  asks for  {name}: {grants}");
    }
}

fn source(push: &Push, language: Language) -> Result<SourceCode> {
    let file = push.file.display();
    if push.name.is_some() || push.version.is_some() {
        bail!(
            "{file} is source code, of which no module is made: leave out --name and --version; --action names the action"
        );
    }
    let code = std::fs::read_to_string(&push.file).with_context(|| format!("{file} cannot be read as text"))?;
    Ok(SourceCode::new(language, &code))
}

/// The one that was told, else that of the file.
fn action_name(push: &Push) -> String {
    let stem = || push.file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    push.action.clone().unwrap_or_else(stem)
}

fn upload_as_told(push: &Push, client: &Client, json: bool) -> Result<Value> {
    let name = push.name.clone().or_else(|| push.action.as_deref().map(module_name));
    let mut query = Vec::new();
    query.extend(name.map(|name| format!("name={}", encoded(&name))));
    query.extend(push.version.as_deref().map(|version| format!("version={}", encoded(version))));
    upload(client, &push.file, &query.join("&"), json)
}

/// Uploads a file, with what is told of it in the query; the module that it has become.
pub(super) fn upload(client: &Client, file: &Path, query: &str, json: bool) -> Result<Value> {
    let path = file.display();
    let file = File::open(file).with_context(|| format!("{path} cannot be read"))?;
    let size_bytes = file.metadata().with_context(|| format!("{path} cannot be read"))?.len();
    if size_bytes == 0 {
        bail!("{path} is empty");
    }
    let progress = if json { ProgressBar::hidden() } else { ProgressBar::new(size_bytes) };
    let bar = ProgressStyle::with_template("{msg} {bar:30} {bytes}/{total_bytes}");
    progress.set_style(bar.unwrap_or_else(|_| ProgressStyle::default_bar()));
    progress.set_message("uploading");
    let body = UploadProgress { reader: progress.wrap_read(file), progress: progress.clone(), left: size_bytes };
    let answer = client.upload(&format!("/module?{query}"), size_bytes, body);
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

impl Executed {
    /// As an action has it.
    fn fields(&self) -> Map<String, Value> {
        let fields = match self {
            Executed::Module { digest } => json!({ "module": digest }),
            Executed::Source(source) => json!({ "code": &*source.code, "language": source.language.to_string() }),
        };
        fields.as_object().cloned().unwrap_or_default()
    }

    fn is_of(&self, action: &Value) -> bool {
        match self {
            Executed::Module { digest } => action["module"] == *digest,
            // Which stands for code and language; a list has no code in it.
            Executed::Source(source) => action["code_digest"] == source.digest.to_string(),
        }
    }
}

/// Makes the action, or makes an existing one run something else and leaves the rest of it.
fn put_action(client: &Client, name: &str, executed: &Executed) -> Result<Value> {
    let Some(mut action) = find(client, "/action", "name", name)? else {
        let mut body = executed.fields();
        body.insert("name".to_owned(), name.into());
        return Ok(client.post("/action", &[], Value::Object(body).to_string().as_bytes())?["data"].take());
    };
    if executed.is_of(&action) {
        return Ok(action);
    }
    let path = format!("/action/{}", action["id"].as_str().unwrap_or(""));
    if let Some(action) = action.as_object_mut() {
        action.retain(|field, _| !["module", "code", "language"].contains(&field.as_str()));
    }
    replace(client, &path, &action, executed.fields())
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
    replace(client, &path, &event_type, Map::from_iter([("action".to_owned(), action.clone())]))
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
const SERVERS_OWN: [&str; 10] = [
    "id",
    "owner_id",
    "paused",
    "version",
    "created_by",
    "created_at",
    "updated_by",
    "updated_at",
    "secrets",
    "code_digest",
];

/// Writes back what was read with some fields changed; somebody else's change in between is not overwritten.
fn replace(client: &Client, path: &str, old: &Value, changed: Map<String, Value>) -> Result<Value> {
    let mut body = old.as_object().cloned().unwrap_or_default();
    body.retain(|name, _| !SERVERS_OWN.contains(&name.as_str()));
    body.extend(changed);
    let if_match = [("if-match", format!("\"{}\"", old["version"]))];
    Ok(client.put(path, &if_match, Value::Object(body).to_string().as_bytes())?["data"].take())
}
