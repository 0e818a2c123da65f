//! The examples in C, Zig, AssemblyScript and Go: their native tests, and what is built of them.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::components::Components;
use crate::conformance::{Tool, Tools};
use crate::{execute, root};

/// A folder of examples, and what it is built with.
const PICTURES: &str = "image-hash";
const SMALL: [(&str, Tool); 3] = [(PICTURES, Tool::Clang), (DOORS, Tool::Zig), ("air-quality", Tool::AssemblyScript)];
const DOORS: &str = "door-code";
/// Too large to be checked in.
const PRICES: &str = "booking-price";

/// Where what is not checked in is built to, for the tests.
pub(crate) fn folder() -> Result<PathBuf> {
    let folder = root()?.join("target/examples");
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Those that are small enough to be checked in.
pub(crate) fn build_small(install: bool) -> Result<Components> {
    let tools = Tools::find(install)?;
    let mut built = Components::new();
    for (example, tool) in SMALL {
        if let Some(missing) = tools.missing(tool) {
            bail!("{example} wants {missing}: pass --install to have it installed");
        }
        let (name, bytes) = build(&tools, (example, tool))?;
        built.insert(name, bytes);
    }
    Ok(built)
}

/// The native tests of each, and its component. Without `install`, what there is no toolchain for is left out with a loud word.
pub(crate) fn check(install: bool) -> Result<()> {
    let tools = Tools::find(install)?;
    test_pictures()?;
    for (example, tool) in SMALL.into_iter().chain([(PRICES, Tool::Go)]) {
        if let Some(missing) = tools.missing(tool) {
            println!("\n!! {example} is NOT tried: there is no {missing} here.\n");
            continue;
        }
        let home = root()?.join("examples").join(example);
        let tests: &[&[&str]] = match example {
            DOORS => &[&["python3", "-m", "ziglang", "test", "action.zig"]],
            PRICES => &[&["go", "vet"], &["go", "test"]],
            _ => &[],
        };
        for test in tests {
            execute(tools.command(test[0])?.args(&test[1..]).current_dir(&home))?;
        }
        drop(build(&tools, (example, tool))?);
    }
    Ok(())
}

/// By `fusebox build`, as its author does it; named as in the folder of components.
fn build(tools: &Tools, (example, tool): (&str, Tool)) -> Result<(String, Vec<u8>)> {
    let home = root()?.join("examples").join(example);
    if tool == Tool::AssemblyScript && !home.join("node_modules/.package-lock.json").exists() {
        execute(Command::new("npm").args(["ci", "--silent", "--no-audit", "--no-fund"]).current_dir(&home))?;
    }
    let name = format!("{}.wasm", example.replace('-', "_"));
    let out = folder()?.join(&name);
    let built = execute(tools.fusebox()?.arg("build").arg(home).arg("--out").arg(&out));
    built.with_context(|| format!("{example} was not built"))?;
    Ok((name, fs::read(out)?))
}

fn test_pictures() -> Result<()> {
    let test = folder()?.join("image-hash-test");
    let mut compiler = Command::new("cc");
    compiler.args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-Ifusebox"]);
    compiler.args(["action.c", "test.c", "fusebox/fusebox.c", "-o"]).arg(&test);
    execute(compiler.current_dir(root()?.join("examples").join(PICTURES)))?;
    execute(&mut Command::new(test))
}
