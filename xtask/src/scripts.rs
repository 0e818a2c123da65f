//! `cargo xtask scripts`: the kits for JavaScript, TypeScript and Python. Their tools come from npm and PyPI, in the releases that
//! their lock files name, into `node_modules` and a virtual environment under `target`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::{compiled_examples, execute, interpreters, root};

const JAVASCRIPT: &str = "guest-sdk/javascript";
const PYTHON: &str = "guest-sdk/python";
const INTERPRETER: &str = "interpreters/python";
/// Guests that are built ahead of time: the name of the component, and its file in `tests/conformance`.
const GUESTS: [(&str, &str); 3] =
    [("javascript", "javascript.js"), ("typescript", "typescript.ts"), ("python", "python.py")];

/// The tests and types of both kits, the conformance guests built with them into `target/conformance`, and the interpreter of Python.
pub(crate) fn check() -> Result<()> {
    let kits = Kits::install()?;
    execute(kits.node("npm").args(["test", "--silent"]).current_dir(kits.root.join(JAVASCRIPT)))?;
    execute(kits.node("npm").args(["run", "--silent", "types"]).current_dir(kits.root.join(JAVASCRIPT)))?;
    execute(kits.python().args(["-m", "unittest", "discover", "-s", "tests"]).current_dir(kits.root.join(PYTHON)))?;
    kits.python_types()?;
    kits.examples()?;
    build_guests(&kits)?;
    interpreters::python(&kits)
}

/// Builds the conformance guests of these languages into `target/conformance`, and the interpreter that Python's source needs.
pub(crate) fn conformance() -> Result<()> {
    let kits = Kits::install()?;
    build_guests(&kits)?;
    interpreters::python(&kits)
}

fn build_guests(kits: &Kits) -> Result<()> {
    for (name, file) in GUESTS {
        let source = kits.root.join("tests/conformance").join(file);
        let out = kits.root.join(format!("target/conformance/{name}.wasm"));
        kits.build(&source, &out)?;
    }
    Ok(())
}

/// Both kits with their tools, on this machine.
pub(crate) struct Kits {
    root: PathBuf,
    venv: PathBuf,
}

impl Kits {
    pub(crate) fn install() -> Result<Self> {
        let kits = Self::of_python()?;
        kits.install_javascript()?;
        Ok(kits)
    }

    /// Of the two, that of Python alone.
    pub(crate) fn of_python() -> Result<Self> {
        let root = root()?;
        let kits = Self { venv: root.join("target/venv"), root };
        kits.install_python()?;
        Ok(kits)
    }

    fn install_javascript(&self) -> Result<()> {
        need("npm", "install Node of version 20 or newer (`apt-get install nodejs npm`)")?;
        let folder = self.root.join(JAVASCRIPT);
        if is_newer(&folder.join("package-lock.json"), &folder.join("node_modules/.package-lock.json")) {
            // Not `npm ci`: it asks the lock file for what was never published for some platforms.
            let install = ["install", "--no-save", "--silent", "--no-audit", "--no-fund"];
            execute(self.node("npm").args(install).current_dir(folder))?;
        }
        Ok(())
    }

    fn install_python(&self) -> Result<()> {
        need("python3", "install Python of version 3.10 or newer (`apt-get install python3 python3-venv`)")?;
        let (requirements, done) = (self.root.join(PYTHON).join("requirements.txt"), self.venv.join("done"));
        if !is_newer(&requirements, &done) {
            return Ok(());
        }
        execute(Command::new("python3").args(["-m", "venv"]).arg(&self.venv))?;
        execute(self.python().args(["-m", "pip", "install", "--quiet", "--requirement"]).arg(&requirements))?;
        fs::write(&done, "").context("the virtual environment cannot be written")
    }

    /// One file, JavaScript, TypeScript or Python, into a component, as its author would do it.
    pub(crate) fn build(&self, source: &Path, out: &Path) -> Result<()> {
        let mut command = match source.extension().and_then(|extension| extension.to_str()) {
            Some("js" | "ts") => {
                let mut node = self.node("node");
                node.arg(self.root.join(JAVASCRIPT).join("bin/build.js"));
                node
            }
            Some("py") => {
                let mut python = self.python();
                python.args(["-m", "fusebox_sdk.build"]);
                python
            }
            _ => bail!("{} is none of JavaScript, TypeScript and Python", source.display()),
        };
        execute(command.arg(source).arg("--out").arg(out).current_dir(&self.root))
    }

    /// What componentize-py makes of a world of the contract.
    fn bindings(&self, world: &str) -> PathBuf {
        self.root.join("target/python-bindings").join(world)
    }

    /// componentize-py for a world of the contract, in the repository's top folder.
    pub(crate) fn componentize(&self, world: &str) -> Command {
        let mut command = Command::new(self.venv.join("bin/componentize-py"));
        command.args(["-q", "-d", "guest-sdk/wit", "-w", world]).current_dir(&self.root);
        // What is written beside the sources would be found by the next build.
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }

    fn node(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        // A build says what went wrong, not where to report it.
        command.env("npm_config_update_notifier", "false");
        command
    }

    fn python(&self) -> Command {
        let mut command = Command::new(self.venv.join("bin/python"));
        command.env("PYTHONPATH", self.root.join(PYTHON).join("src"));
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }

    /// mypy over the kit and the interpreter, with the bindings that componentize-py makes of the contract as it is now.
    fn python_types(&self) -> Result<()> {
        self.mypy("action", PYTHON, &["src", "tests", "../../tests/conformance/python.py"])?;
        self.mypy("interpreter", INTERPRETER, &["."])
    }

    fn mypy(&self, world: &str, folder: &str, arguments: &[&str]) -> Result<()> {
        let bindings = self.bindings(world);
        if bindings.exists() {
            fs::remove_dir_all(&bindings)?;
        }
        execute(self.componentize(world).arg("bindings").arg(&bindings))?;
        let mut mypy = self.python();
        let path = std::env::join_paths([bindings, self.root.join(PYTHON).join("src")])?;
        mypy.args(["-m", "mypy"]).args(arguments).env("MYPYPATH", path);
        execute(mypy.current_dir(self.root.join(folder)))
    }

    /// What the interpreter of Python says of a source, natively.
    pub(crate) fn python_interpreter_tests(&self) -> Result<()> {
        let mut tests = self.python();
        tests.args(["-m", "unittest", "discover", "--quiet", "-t", ".", "-s", "tests"]);
        execute(tests.current_dir(self.root.join(INTERPRETER)))
    }

    /// The native tests of the examples in these languages, their types, and what must be built of them.
    fn examples(&self) -> Result<()> {
        let examples = self.root.join("examples");
        let mut tests = self.node("node");
        tests.arg(self.root.join(JAVASCRIPT).join("bin/tests.js"));
        execute(tests.args(["booking-chat/action.test.js", "stripe-payments/action.test.ts"]).current_dir(&examples))?;
        let order_score = examples.join("order-score");
        execute(self.python().args(["-m", "unittest"]).current_dir(&order_score))?;
        let mut mypy = self.python();
        let kit = [self.root.join(PYTHON).join("src"), self.bindings("action")];
        mypy.args(["-m", "mypy", "--strict", "."]).env("MYPYPATH", std::env::join_paths(kit)?);
        execute(mypy.current_dir(&order_score))?;
        self.build(&order_score.join("action.py"), &compiled_examples::folder()?.join("order_score.wasm"))
    }
}

fn need(program: &str, advice: &str) -> Result<()> {
    let found = Command::new(program).arg("--version").stdout(Stdio::null()).status();
    if found.is_ok_and(|status| status.success()) { Ok(()) } else { bail!("there is no {program} here: {advice}") }
}

/// Whether a file is newer than what was made of it, or that is not there.
fn is_newer(file: &Path, made: &Path) -> bool {
    let at = |path: &Path| fs::metadata(path).and_then(|found| found.modified()).ok();
    at(made).is_none_or(|made| at(file).is_some_and(|file| file > made))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_of_an_older_file_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let (file, made) = (folder.path().join("file"), folder.path().join("made"));
        fs::write(&file, "").unwrap();
        assert!(is_newer(&file, &made));
        fs::write(&made, "").unwrap();
        let later = std::time::SystemTime::now() + std::time::Duration::from_secs(10);
        fs::File::options().append(true).open(&made).unwrap().set_modified(later).unwrap();
        assert!(!is_newer(&file, &made));
    }

    #[test]
    fn what_is_missing_is_named_with_what_to_do() {
        let error = need("no-such-program-anywhere", "install it").unwrap_err().to_string();
        assert_eq!(error, "there is no no-such-program-anywhere here: install it");
    }
}
