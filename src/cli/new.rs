//! `fusebox new`: an action to begin with.

use super::output;
use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Make a new action from a template.
#[derive(Debug, Args)]
pub(super) struct New {
    /// The folder to make, and the name of the action: lower-case letters, digits and -
    name: String,
    /// Use the SDK from this folder instead of the published one
    #[arg(long, value_name = "DIR")]
    sdk: Option<PathBuf>,
}

/// Where the SDK lies when this program was built from a checkout that is still there.
const CHECKOUT_SDK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/guest-sdk/rust");

pub(super) fn run(new: &New, json: bool) -> Result<ExitCode> {
    let folder = Path::new(&new.name);
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or("");
    check_name(name)?;
    if folder.exists() {
        bail!("{} is there already; choose another name", folder.display());
    }
    let checkout = Some(PathBuf::from(CHECKOUT_SDK)).filter(|path| path.exists());
    let sdk = match new.sdk.clone().or(checkout) {
        Some(path) => {
            let path = path.canonicalize().with_context(|| format!("there is no SDK at {}", path.display()))?;
            format!("{{ path = {:?} }}", path.display().to_string())
        }
        None => format!("{:?}", env!("CARGO_PKG_VERSION")),
    };
    let (artifact, trigger) = (name.replace('-', "_"), format!("{}_fired", name.replace('-', "_")));
    let fill = |template: &str| {
        let filled = template.replace("{name}", name).replace("{sdk}", &sdk);
        filled.replace("{artifact}", &artifact).replace("{trigger}", &trigger)
    };
    let files = [
        ("Cargo.toml", fill(include_str!("template/Cargo.toml.txt"))),
        ("src/lib.rs", include_str!("template/lib.rs.txt").to_owned()),
        ("README.md", fill(include_str!("template/README.md.txt"))),
        ("sample.json", "{ \"name\": \"Ada\" }\n".to_owned()),
        (".gitignore", "/target\n".to_owned()),
    ];
    fs::create_dir_all(folder.join("src")).with_context(|| format!("{} cannot be made", folder.display()))?;
    for (path, text) in &files {
        let path = folder.join(path);
        fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))?;
    }
    if json {
        let paths: Vec<&str> = files.iter().map(|(path, _)| *path).collect();
        output::document(&json!({ "folder": folder, "files": paths }));
    } else {
        println!("{} has an action to begin with, its test and a sample. Next:\n", folder.display());
        println!("  cd {}", folder.display());
        println!("  cargo test");
        println!("  cargo build --release --target wasm32-wasip2   (once: rustup target add wasm32-wasip2)");
        println!("  fusebox test target/wasm32-wasip2/release/{artifact}.wasm --payload sample.json");
    }
    Ok(ExitCode::SUCCESS)
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
