//! From a document to a server.

use super::place::Refused;
use super::read::{Files, ModuleFile};
use crate::cli::client::{Client, encoded};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs::File;

/// What to do with the files.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Ending {
    /// Only find out what would be done.
    Tell,
    /// Do it.
    Do,
}

/// Whose things the files have, and what becomes of what they do not have.
pub(in crate::cli) struct Job<'a> {
    pub(in crate::cli) owner: Option<&'a str>,
    pub(in crate::cli) prune: bool,
    pub(in crate::cli) ending: Ending,
}

/// Sends the files as one document, and gives the server's answer with `uploaded`, the modules that it lacked. What is
/// wrong is told before anything is uploaded.
pub(in crate::cli) fn send(client: &Client, files: &mut Files, job: &Job<'_>) -> Result<Value> {
    let missing = missing(client, files, job)?;
    let uploads: Vec<Value> = missing
        .iter()
        .map(|place| {
            let module = &files.modules[*place];
            let name = module.name.as_ref().map(|(name, version)| format!("{name}@{version}"));
            json!({ "digest": module.digest.to_string(), "name": name })
        })
        .collect();
    let uploaded: Vec<Value> = uploads.clone();
    let mut body = Value::Object(files.document.clone());
    body["uploads"] = uploads.into();
    let mut answer = post(client, files, &path(job, "dry_run=true"), &body)?;
    if job.ending == Ending::Do {
        for place in missing {
            upload(client, files, place, job)?;
        }
        let body = Value::Object(files.document.clone());
        answer = post(client, files, &path(job, "dry_run=false"), &body)?;
    }
    answer["data"]["uploaded"] = uploaded.into();
    Ok(answer)
}

fn path(job: &Job<'_>, dry: &str) -> String {
    let prune = if job.prune { "&prune=true" } else { "" };
    let owner = job.owner.map(|owner| format!("&owner_id={}", encoded(owner))).unwrap_or_default();
    format!("/apply?{dry}{prune}{owner}")
}

/// The files' modules that the server does not have, or not under that name.
fn missing(client: &Client, files: &Files, job: &Job<'_>) -> Result<Vec<usize>> {
    let mut missing = Vec::new();
    let mut seen = BTreeSet::new();
    for (place, module) in files.modules.iter().enumerate() {
        if !seen.insert((module.digest.to_string(), module.name.clone())) {
            continue;
        }
        let found = client.find(&format!("/module/{}", module.digest))?;
        if !found.is_some_and(|found| serves(&found["data"], module, job.owner)) {
            missing.push(place);
        }
    }
    Ok(missing)
}

fn serves(found: &Value, module: &ModuleFile, owner: Option<&str>) -> bool {
    let names = found["names"].as_array().map(Vec::as_slice).unwrap_or_default();
    let named = module.name.as_ref().is_none_or(|(name, version)| names.contains(&format!("{name}@{version}").into()));
    // What is shared serves everybody; what is another's does not.
    named && (found["owner_id"] == "" || owner.is_none_or(|owner| found["owner_id"] == owner))
}

fn upload(client: &Client, files: &mut Files, place: usize, job: &Job<'_>) -> Result<()> {
    let module = &files.modules[place];
    let shown = module.path.display().to_string();
    let file = File::open(&module.path).with_context(|| format!("{shown} cannot be read"))?;
    let size_bytes = file.metadata().with_context(|| format!("{shown} cannot be read"))?.len();
    let mut query = Vec::new();
    if let Some((name, version)) = &module.name {
        query.extend([format!("name={}", encoded(name)), format!("version={}", encoded(version))]);
    }
    query.extend(job.owner.map(|owner| format!("owner_id={}", encoded(owner))));
    let answer = client.upload(&format!("/module?{}", query.join("&")), size_bytes, file);
    let answer = answer.with_context(|| format!("nothing was applied: {shown} was refused"))?;
    let known = answer["data"]["digest"].as_str().context("the server gave no digest")?;
    let told = module.digest;
    files.rename(&told, known);
    Ok(())
}

/// What the server says, or what is wrong by file and field.
fn post(client: &Client, files: &Files, path: &str, body: &Value) -> Result<Value> {
    let problem = match client.try_post(path, body.to_string().as_bytes())? {
        Ok(answer) => return Ok(answer),
        Err(problem) => problem,
    };
    let faults = problem["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    if faults.is_empty() {
        bail!("{} ({})", problem["detail"].as_str().unwrap_or("no detail"), problem["code"].as_str().unwrap_or(""));
    }
    let text = |fault: &Value, field: &str| fault[field].as_str().unwrap_or_default().to_owned();
    let fault = |fault: &Value| files.places.fault(&text(fault, "pointer"), &text(fault, "message"));
    Err(Refused(faults.iter().map(fault).collect()).into())
}
