//! `cargo xtask bindings`: the Rust bindings of the contract, generated once and checked in.
//!
//! Authors would otherwise wait minutes for the generator to compile before their first build.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use wit_bindgen_core::{Files, WorldGenerator as _, wit_parser::Resolve};
use wit_bindgen_rust::Opts;

use crate::root;

pub(crate) fn write() -> Result<()> {
    let path = path()?;
    fs::write(&path, generate()?).with_context(|| format!("cannot write {}", path.display()))
}

pub(crate) fn check() -> Result<()> {
    let path = path()?;
    let checked_in = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    if checked_in != generate()? {
        bail!("{} is stale: run `cargo xtask bindings` and commit the result", path.display());
    }
    Ok(())
}

fn path() -> Result<PathBuf> {
    Ok(root()?.join("guest-sdk/rust/src/bindings.rs"))
}

fn generate() -> Result<String> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(root()?.join("guest-sdk/wit"))?;
    let world = resolve.select_world(&[package], Some("action"))?;
    let options = Opts {
        format: true,
        pub_export_macro: true,
        default_bindings_module: Some("fusebox_sdk::bindings".into()),
        ..Opts::default()
    };
    let mut files = Files::default();
    options.build().generate(&mut resolve, world, &mut files)?;
    let (_, contents) = files.iter().next().context("the generator wrote nothing")?;
    Ok(String::from_utf8(contents.to_vec())?)
}
