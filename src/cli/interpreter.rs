//! `fusebox interpreter`: the languages of source code, and what runs them.

use super::client::{Client, encoded};
use super::push::upload;
use super::{ServerArgs, output};
use crate::domain::{BuiltIn, Language};
use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

/// List the languages that source code can be in, and add one.
#[derive(Debug, Args)]
pub(super) struct Interpreter {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Have a component run the source code of a language, from now on and for all tenants
    ///
    /// It is a component of the world `fusebox:action/interpreter`, which the platform uploads. One for javascript takes the
    /// place of the one that comes with Fusebox.
    Add {
        /// The component
        file: PathBuf,
        /// The language, such as python
        #[arg(long)]
        language: Language,
        /// Its version [default: the first digits of the digest]
        #[arg(long)]
        version: Option<String>,
    },
    /// List the languages, each with what runs it
    List,
}

pub(super) fn run(interpreter: &Interpreter, server: &ServerArgs, json: bool) -> Result<ExitCode> {
    let client = Client::new(server)?;
    match &interpreter.command {
        Command::Add { file, language, version } => {
            let name = language.module_name();
            // Of the platform: a tenant's own would run nothing.
            let mut query = format!("owner_id=&name={name}");
            query.extend(version.iter().map(|version| format!("&version={}", encoded(version))));
            let module = upload(&client, file, &query, json)?;
            if json {
                output::document(&json!({ "language": language.to_string(), "module": module }));
            } else {
                let (digest, size) = (module["digest"].as_str().unwrap_or(""), &module["size_bytes"]);
                println!("{language} is run by {digest}  ({size} bytes)");
            }
        }
        Command::List => list(&client, json)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Those that come with Fusebox.
const BUILT_IN: [&str; 2] = ["javascript", "typescript"];

fn list(client: &Client, json: bool) -> Result<()> {
    let uploaded = names(client)?;
    let of_name = |name: &str| name.strip_prefix(Language::MODULE_PREFIX).and_then(|name| name.parse().ok());
    let mut languages: Vec<Language> = BUILT_IN.iter().filter_map(|name| name.parse().ok()).collect();
    languages.extend(uploaded.iter().filter_map(|name| of_name(name)));
    languages.sort_by_key(Language::to_string);
    languages.dedup_by_key(|language| language.to_string());
    let rows = languages.into_iter().map(|language| row(client, &language, &uploaded));
    let rows: Vec<Value> = rows.collect::<Result<_>>()?;
    if json {
        output::document(&json!(rows));
        return Ok(());
    }
    for row in &rows {
        let text = |name: &str| row[name].as_str().unwrap_or("");
        let (digest, module) = (text("digest"), row["module"].as_str().unwrap_or("comes with Fusebox"));
        println!("{:<12} {digest}  {:>9} bytes  {module}", text("language"), row["size_bytes"]);
    }
    Ok(())
}

/// The names of the platform's interpreters.
fn names(client: &Client) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = client.get(&format!("/module?limit=200&q={}{cursor}", Language::MODULE_PREFIX))?;
        for module in page["data"].as_array().into_iter().flatten() {
            if module["kind"] == "interpreter" && module["owner_id"] == "" {
                let versions = module["names"].as_array().into_iter().flatten().filter_map(Value::as_str);
                names.extend(versions.map(|version| version.split('@').next().unwrap_or(version).to_owned()));
            }
        }
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={}", encoded(next)),
            None => return Ok(names),
        }
    }
}

fn row(client: &Client, language: &Language, uploaded: &[String]) -> Result<Value> {
    let name = language.module_name();
    if uploaded.contains(&name) {
        // A name means its newest version.
        let module = client.get(&format!("/module/{name}"))?["data"].take();
        let of_name = |version: &&Value| version.as_str().is_some_and(|it| it.split('@').next() == Some(name.as_str()));
        let version = module["names"].as_array().into_iter().flatten().rfind(of_name);
        return Ok(
            json!({ "language": language.to_string(), "digest": module["digest"], "size_bytes": module["size_bytes"],
            "module": version }),
        );
    }
    let built_in = |built_in: &BuiltIn| (built_in.digest.to_string(), built_in.wasm.len());
    let (digest, size_bytes) = language.built_in().map(built_in).unzip();
    Ok(json!({ "language": language.to_string(), "digest": digest, "size_bytes": size_bytes, "module": null }))
}
