//! The interpreters of source code, built from their sources: `interpreters/`.
//!
//! That of JavaScript is checked in. It is a core module that initialises itself once, when it is built; `interpreters/builder` does
//! that and makes the component. The engine inside is C, for which a clang with the target wasm32 is needed besides the compiler of
//! Rust. That of Python is made by componentize-py, has 25 MB, and is not checked in.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::components::{self, Components, digest};
use crate::guests::{has_target, refuse_paths, remaps};
use crate::scripts::Kits;
use crate::{execute, root};

const WORKSPACE: &str = "interpreters";
const TARGET: &str = "wasm32-unknown-unknown";
const NAMES: [&str; 1] = ["javascript"];

const FALLBACK_CONFIG: &str = "xtask/src/interpreters-fallback.toml";
/// Besides those of the guests.
pub(crate) const PACKAGES: [&str; 2] = ["clang-22", "llvm-22"];
const CLANG: &str = "/usr/bin/clang-22";
const ARCHIVER: &str = "/usr/bin/llvm-ar-22";

/// Where the checked-in components are.
pub(crate) fn folder() -> Result<PathBuf> {
    Ok(root()?.join(WORKSPACE).join("components"))
}

pub(crate) fn has_clang() -> bool {
    [CLANG, ARCHIVER].iter().all(|file| Path::new(file).exists())
}

/// What is built of `interpreters/python`: where the tests look for it, and an operator finds it.
const PYTHON: &str = "target/interpreters/python.wasm";

/// Builds those that are checked in, and writes them.
pub(crate) fn write() -> Result<()> {
    components::write(&folder()?, &build()?)
}

/// Tests the interpreter of Python as far as that goes without a host, and builds it.
pub(crate) fn python(kits: &Kits) -> Result<()> {
    kits.python_interpreter_tests()?;
    let path = root()?.join(PYTHON);
    fs::create_dir_all(path.parent().context("it lies in a folder")?)?;
    let mut componentize = kits.componentize("interpreter");
    componentize.args([
        "componentize",
        "component",
        "-p",
        "interpreters/python",
        "-p",
        "guest-sdk/python/src",
        "-o",
        PYTHON,
    ]);
    execute(&mut componentize)?;
    let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    println!("{PYTHON}: {} bytes, {}", bytes.len(), digest(&bytes));
    Ok(())
}

/// Builds those that are checked in.
pub(crate) fn build() -> Result<Components> {
    let workspace = root()?.join(WORKSPACE);
    execute(Command::new("cargo").args(["fetch", "--locked", "--quiet"]).current_dir(&workspace))?;
    let mut built = Components::new();
    for name in NAMES {
        execute(&mut core(name, &workspace)?)?;
        let file = format!("{name}.wasm");
        let (core, component) =
            (workspace.join("target").join(TARGET).join("release").join(&file), workspace.join("target").join(&file));
        let mut builder = Command::new("cargo");
        builder
            .args(["run", "--locked", "--quiet", "-p", "builder", "--"])
            .arg(core)
            .arg(&component)
            .current_dir(&workspace);
        execute(&mut builder)?;
        let bytes = fs::read(&component).with_context(|| format!("cannot read {}", component.display()))?;
        refuse_paths(&file, &bytes)?;
        built.insert(file, bytes);
    }
    Ok(built)
}

/// `cargo build` of one core module, with what this machine needs for it.
fn core(name: &str, workspace: &Path) -> Result<Command> {
    let mut cargo = Command::new("cargo");
    cargo.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    if !has_target(TARGET)? {
        cargo.env("RUSTC_BOOTSTRAP", "1").env_remove("RUSTC");
        cargo.arg("--config").arg(root()?.join(FALLBACK_CONFIG));
    }
    if has_clang() {
        cargo.env("CC_wasm32_unknown_unknown", CLANG).env("AR_wasm32_unknown_unknown", ARCHIVER);
    } else if !Path::new("/usr/bin/clang").exists() {
        bail!("the engine of JavaScript is C: install clang (of Debian: {})", PACKAGES.join(" "));
    }
    // What fails an assertion names its file, which would be one of this machine.
    cargo.env("CFLAGS_wasm32_unknown_unknown", format!("-ffile-prefix-map={}=/fusebox", root()?.display()));
    let flags = format!("target.{TARGET}.rustflags = {:?}", remaps()?);
    cargo.args(["--config", &flags, "build", "--release", "--locked", "--target", TARGET, "-p", name]);
    cargo.current_dir(workspace);
    Ok(cargo)
}
