//! `cargo xtask ci`: what CI runs, in the order that fails soonest, each step named and timed.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::{bindings, compiled_examples, conformance, execute, guests, newcomers, root, scripts, typescript};

type Step = (&'static str, fn() -> Result<()>);

const STEPS: [Step; 23] = [
    ("format", || cargo(".", "fmt --all --check")),
    ("format examples", || cargo("examples", "fmt --check")),
    ("format guests", || cargo("tests/guests", "fmt --check")),
    ("format conformance guests", || cargo("tests/conformance", "fmt --check")),
    ("format interpreters", || cargo("interpreters", "fmt --all --check")),
    ("bindings", || bindings::check().and_then(|()| typescript::check())),
    ("lints", || cargo(".", "clippy --workspace --all-targets --locked -- -D warnings")),
    ("lints of examples", || cargo("examples", "clippy --all-targets --locked -- -D warnings")),
    ("lints of guests", || cargo("tests/guests", "clippy --all-targets --locked -- -D warnings")),
    ("tests", tests),
    ("tests of the tools", || cargo(".", "test --profile xtask --locked -p fusebox-sdk-macros -p xtask")),
    ("tests of examples", || cargo("examples", "test --locked")),
    ("tests of guests", || cargo("tests/guests", "test --locked")),
    ("tests of conformance guests", || cargo("tests/conformance", "test --locked --target-dir ../guests/target")),
    ("documentation", documentation),
    ("guests", || guests::check(true)),
    ("rebuilt examples in the sandbox", rebuilt_examples),
    ("kits for JavaScript and Python", scripts::check),
    ("kits for C, Go, Zig and AssemblyScript", compiled_kits),
    ("conformance guests in compiled languages", conformance::check),
    ("examples in compiled languages", || compiled_examples::check(true)),
    ("a newcomer's first action in every language", || newcomers::check(true)),
    ("conformance and examples in every language", every_language),
];

const AXE: &str = "axe-core@4.14.1";

/// Runs every step up to the first failure and prints how long each took.
pub(crate) fn run() -> Result<()> {
    let mut durations = Vec::new();
    let mut result = Ok(());
    for (name, step) in STEPS {
        println!("\n== {name}");
        let start = Instant::now();
        result = step().with_context(|| format!("step `{name}` failed"));
        durations.push((name, start.elapsed()));
        if result.is_err() {
            break;
        }
    }
    println!("\n{}", summary(&durations, result.is_ok()));
    result
}

fn summary(durations: &[(&str, Duration)], passed: bool) -> String {
    let mut text = String::new();
    for (index, (name, duration)) in durations.iter().enumerate() {
        let verdict = if passed || index + 1 < durations.len() { "ok" } else { "FAILED" };
        text.push_str(&format!("{:>8.1} s  {name}: {verdict}\n", duration.as_secs_f64()));
    }
    let total: Duration = durations.iter().map(|(_, duration)| duration).sum();
    text + &format!("{:>8.1} s  in total", total.as_secs_f64())
}

fn cargo(folder: &str, arguments: &str) -> Result<()> {
    execute(&mut command(folder, arguments)?)
}

fn command(folder: &str, arguments: &str) -> Result<Command> {
    let mut command = Command::new("cargo");
    command.args(arguments.split(' ')).current_dir(root()?.join(folder));
    Ok(command)
}

/// The tests of the console in a browser, which must be there, look for barriers with axe.
fn tests() -> Result<()> {
    let folder = root()?.join("target/axe");
    let script = folder.join("node_modules/axe-core/axe.min.js");
    if !script.exists() {
        std::fs::create_dir_all(&folder)?;
        let install = ["install", "--no-save", "--silent", "--no-audit", "--no-fund", "--prefix", ".", AXE];
        execute(Command::new("npm").args(install).current_dir(&folder))?;
    }
    execute(command(".", "test --locked")?.env("FUSEBOX_BROWSER", "must").env("FUSEBOX_AXE", script))
}

fn documentation() -> Result<()> {
    let mut cargo = command(".", "doc --workspace --no-deps --locked")?;
    execute(cargo.env("RUSTDOCFLAGS", "-D warnings"))
}

fn rebuilt_examples() -> Result<()> {
    let mut cargo = command(".", "test --locked --test it examples")?;
    execute(cargo.env("FUSEBOX_COMPONENTS_DIR", guests::checked_folder()?))
}

/// The whole table, and the examples; a guest that the steps before did not build is a failure here.
fn every_language() -> Result<()> {
    let mut cargo = command(".", "test --locked --test it -- conformance examples")?;
    execute(cargo.env("FUSEBOX_CONFORMANCE", "all"))
}

/// The native tests of the kits that are not Rust's.
fn compiled_kits() -> Result<()> {
    let c = root()?.join("guest-sdk/c");
    let test = root()?.join("target/c-kit-test");
    let mut compiler = Command::new("cc");
    compiler.args(["-std=c11", "-Wall", "-Wextra", "-Werror", "fusebox.c", "test.c", "-o"]).arg(&test);
    execute(compiler.current_dir(c))?;
    execute(&mut Command::new(test))?;
    conformance::go_tests()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_step_can_have_failed() {
        let durations = [("format", Duration::from_millis(1500)), ("lints", Duration::from_secs(60))];
        let failed = "     1.5 s  format: ok\n    60.0 s  lints: FAILED\n    61.5 s  in total";
        assert_eq!(summary(&durations, false), failed);
        assert!(!summary(&durations, true).contains("FAILED"));
    }
}
