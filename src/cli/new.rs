//! `fusebox new`: an action to begin with.

use super::output;
use super::template::{LANGUAGES, Language, Sdk, language};
use anyhow::{Context, Result, bail};
use clap::Args;
use clap::builder::PossibleValuesParser;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Make a new action from a template.
#[derive(Debug, Args)]
pub(super) struct New {
    /// The folder to make, and the name of the action: lower-case letters, digits and -
    name: String,
    /// The language to write it in
    #[arg(long, default_value = "rust", value_parser = PossibleValuesParser::new(LANGUAGES.iter().map(|known| known.name)))]
    lang: String,
    /// Use the SDK from this folder instead of the published one
    #[arg(long, value_name = "DIR")]
    sdk: Option<PathBuf>,
}

pub(super) fn run(new: &New, json: bool) -> Result<ExitCode> {
    let folder = Path::new(&new.name);
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or("");
    check_name(name)?;
    let language = language(&new.lang).with_context(|| format!("there is no template for {}", new.lang))?;
    if folder.exists() {
        bail!("{} is there already; choose another name", folder.display());
    }
    let sdk = match (&language.sdk, &new.sdk) {
        (Some(sdk), given) => reference(sdk, given.clone())?,
        (None, Some(_)) => bail!("a new action in {} gets its own copy of the SDK: leave --sdk out", language.name),
        (None, None) => String::new(),
    };
    let (artifact, trigger) = (name.replace('-', "_"), format!("{}_fired", name.replace('-', "_")));
    let fill = |template: &str| {
        let filled = template.replace("{name}", name).replace("{sdk}", &sdk);
        filled.replace("{artifact}", &artifact).replace("{trigger}", &trigger)
    };
    for (path, text) in language.files {
        let path = folder.join(path);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).with_context(|| format!("{} cannot be made", parent.display()))?;
        // Sources are written as they are: in them braces are the language's own.
        let text = if is_filled(&path) { fill(text) } else { (*text).to_owned() };
        fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))?;
    }
    if json {
        output::document(&json!({ "folder": folder, "language": language.name, "files": paths(language) }));
    } else {
        println!("{} has an action to begin with, its test and a sample. Next:\n", folder.display());
        println!("  cd {}", folder.display());
        language.next.iter().for_each(|line| println!("  {}", fill(line)));
    }
    Ok(ExitCode::SUCCESS)
}

/// How the project names the SDK: in the folder given, else in the checkout that this program was built from if it is still
/// there, else as it is published.
fn reference(sdk: &Sdk, given: Option<PathBuf>) -> Result<String> {
    let checkout = Some(Path::new(env!("CARGO_MANIFEST_DIR")).join(sdk.folder)).filter(|path| path.exists());
    let Some(path) = given.or(checkout) else {
        return Ok((sdk.published)(env!("CARGO_PKG_VERSION")));
    };
    let path = path.canonicalize().with_context(|| format!("there is no SDK at {}", path.display()))?;
    Ok((sdk.local)(&path))
}

fn paths(language: &Language) -> Vec<&'static str> {
    language.files.iter().map(|(path, _)| *path).collect()
}

/// Whether the names of the new action are put into a file.
fn is_filled(path: &Path) -> bool {
    let of = |part: Option<&std::ffi::OsStr>| part.and_then(|part| part.to_str()).unwrap_or_default().to_owned();
    matches!(of(path.extension()).as_str(), "toml" | "md" | "mod" | "json" | "txt")
        || of(path.file_name()) == "Makefile"
}

/// A name that serves as a folder, a package and a module.
fn check_name(name: &str) -> Result<()> {
    let starts_well = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if starts_well && plain && name.len() <= 64 {
        return Ok(());
    }
    bail!("`{name}` does not serve as a name: take lower-case letters, digits and -, beginning with a letter")
}
