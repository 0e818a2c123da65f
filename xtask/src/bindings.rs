//! `cargo xtask bindings`: the Rust bindings of the contract, generated once and checked in.
//!
//! Authors would otherwise wait minutes for the generator to compile before their first build.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use wit_bindgen_core::{Files, WorldGenerator as _, wit_parser::Resolve};
use wit_bindgen_rust::Opts;

use crate::root;

/// One file of bindings.
struct Bindings {
    file: &'static str,
    /// Folders of WIT, each after those that it refers to; the world is of the last.
    wit: &'static [&'static str],
    world: &'static str,
    /// How the code that exports the world names the module of the bindings.
    module: &'static str,
}

const ALL: [Bindings; 2] = [
    Bindings {
        file: "guest-sdk/rust/src/bindings.rs",
        wit: &["guest-sdk/wit"],
        world: "action",
        module: "fusebox_sdk::bindings",
    },
    Bindings {
        file: "interpreters/javascript/src/bindings.rs",
        wit: &["guest-sdk/wit", "interpreters/javascript/wit"],
        world: "javascript",
        module: "crate::bindings",
    },
];

pub(crate) fn write() -> Result<()> {
    for bindings in &ALL {
        let path = bindings.path()?;
        fs::write(&path, bindings.generate()?).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

pub(crate) fn check() -> Result<()> {
    for bindings in &ALL {
        let path = bindings.path()?;
        let checked_in = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        if checked_in != bindings.generate()? {
            bail!("{} is stale: run `cargo xtask bindings` and commit the result", path.display());
        }
    }
    Ok(())
}

impl Bindings {
    fn path(&self) -> Result<PathBuf> {
        Ok(root()?.join(self.file))
    }

    fn generate(&self) -> Result<String> {
        let mut resolve = Resolve::default();
        let mut package = None;
        for folder in self.wit {
            package = Some(resolve.push_path(root()?.join(folder))?.0);
        }
        let world = resolve.select_world(&[package.context("bindings are of some WIT")?], Some(self.world))?;
        let options = Opts {
            format: true,
            pub_export_macro: true,
            default_bindings_module: Some(self.module.into()),
            generate_all: true,
            ..Opts::default()
        };
        let mut files = Files::default();
        options.build().generate(&mut resolve, world, &mut files)?;
        let (_, contents) = files.iter().next().context("the generator wrote nothing")?;
        Ok(String::from_utf8(contents.to_vec())?)
    }
}
