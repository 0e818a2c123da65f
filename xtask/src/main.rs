//! The chores of the repository: `cargo xtask <command>`.

mod bindings;
mod ci;
mod compiled_examples;
mod components;
mod conformance;
mod guests;
mod interpreters;
mod newcomers;
mod scripts;
mod typescript;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

const USAGE: &str = "\
usage: cargo xtask <command>

  bindings [--check]            write the SDKs' bindings from guest-sdk/wit; with --check fail when they are stale
  guests [--check] [--install]  build the components of examples/, tests/guests/ and interpreters/ and write them with their
                                DIGESTS; with --check build into target/guests and compare with what is checked in
                                (set FUSEBOX_COMPONENTS_DIR to that folder to run tests against it); with --install
                                apt-get installs what is missing on a machine without a Wasm target
  interpreters [--python]       the same for those of interpreters/ alone, and build that of Python, which is not checked in, into
                                target/interpreters/python.wasm; with --python only that, which needs nothing but Python
  scripts [--guests]            check the kits for JavaScript, TypeScript and Python: tests, types, and what they build, the
                                interpreter of Python among it; with --guests only build their conformance guests into
                                target/conformance, and that interpreter
  conformance [--install]       build the conformance guests in compiled languages into target/conformance and write the
                                small ones with their DIGESTS; with --install get clang, Go and Zig where they are missing
  newcomers [--install]         the first action of a newcomer in every language: new, its native tests, build, and the sample
                                in the sandbox, with the `fusebox` of target/debug
  examples [--install]          the native tests of the examples in C, Zig, AssemblyScript and Go, and what is built of them
                                for the tests, into target/examples; those in Python and JavaScript are a part of `scripts`
  ci                            everything CI runs, in order, up to the first failure";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (command, flags) = arguments.split_first().context(USAGE)?;
    let has = |flag: &str| flags.iter().any(|given| given == flag);
    let allowed: &[&str] = match command.as_str() {
        "bindings" => &["--check"],
        "guests" => &["--check", "--install"],
        "scripts" => &["--guests"],
        "conformance" => &["--install"],
        "newcomers" | "examples" => &["--install"],
        "interpreters" => &["--python"],
        "ci" => &[],
        _ => bail!("unknown command `{command}`\n\n{USAGE}"),
    };
    if let Some(unknown) = flags.iter().find(|flag| !allowed.contains(&flag.as_str())) {
        bail!("`{command}` knows no `{unknown}`\n\n{USAGE}");
    }
    match (command.as_str(), has("--check")) {
        ("bindings", false) => bindings::write().and_then(|()| typescript::write()),
        ("bindings", true) => bindings::check().and_then(|()| typescript::check()),
        ("interpreters", _) if has("--python") => interpreters::python(&scripts::Kits::of_python()?),
        ("interpreters", _) => interpreters::write().and_then(|()| interpreters::python(&scripts::Kits::of_python()?)),
        ("guests", false) => guests::write(has("--install")),
        ("guests", true) => guests::check(has("--install")),
        ("scripts", _) if has("--guests") => scripts::conformance(),
        ("scripts", _) => scripts::check(),
        ("conformance", _) => conformance::write(has("--install")),
        ("newcomers", _) => newcomers::check(has("--install")),
        ("examples", _) => compiled_examples::check(has("--install")),
        _ => ci::run(),
    }
}

/// The repository's top folder.
fn root() -> Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    Ok(here.parent().context("xtask lies in the repository")?.to_path_buf())
}

/// Runs a command to its end; what it prints goes where ours goes.
fn execute(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    if !status.success() {
        bail!("{command:?} failed: {status}");
    }
    Ok(())
}
