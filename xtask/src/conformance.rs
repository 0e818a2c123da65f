//! `cargo xtask conformance`: the conformance guests in compiled languages, each built by `fusebox build` with the toolchain of its
//! language.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::components::{self, Components, digest};
use crate::{execute, guests, root};

/// Where their sources and the small ones built lie.
const HOME: &str = "tests/conformance";
/// What is larger is built in CI and not checked in.
const CHECKED_IN_BYTES_MAX: usize = 256 << 10;

const CLANG_PACKAGES: [&str; 4] = ["clang-22", "lld-22", "wasi-libc", "libclang-rt-22-dev-wasm32"];
/// One file of each of them.
const CLANG_FILES: [&str; 4] = [
    "/usr/bin/clang-22",
    "/usr/bin/wasm-ld-22",
    "/usr/include/wasm32-wasi/stdio.h",
    "/usr/lib/llvm-22/lib/clang/22/lib/wasi/libclang_rt.builtins-wasm32.a",
];

/// A guest whose folder under HOME is copied, gets what its kit would bring, and is built there.
struct Guest {
    name: &'static str,
    tool: Tool,
    /// Files of the repository, and where they go.
    kit: &'static [(&'static str, &'static str)],
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    Clang,
    Go,
    Zig,
    AssemblyScript,
}

const C_KIT: &[(&str, &str)] =
    &[("guest-sdk/c/fusebox.h", "fusebox/fusebox.h"), ("guest-sdk/c/fusebox.c", "fusebox/fusebox.c")];

const GUESTS: [Guest; 5] = [
    Guest { name: "c", tool: Tool::Clang, kit: C_KIT },
    Guest { name: "zig", tool: Tool::Zig, kit: &[("guest-sdk/zig/fusebox.zig", "fusebox.zig")] },
    Guest {
        name: "assemblyscript",
        tool: Tool::AssemblyScript,
        kit: &[("guest-sdk/assemblyscript/fusebox.ts", "assembly/fusebox.ts")],
    },
    // Its go.mod finds the kit from where it is copied to, too.
    Guest { name: "go", tool: Tool::Go, kit: &[] },
    Guest { name: "go-command", tool: Tool::Go, kit: &[] },
];

/// Builds all of them into `target/conformance` and checks the small ones in. What there is no toolchain for is left out with a loud
/// word, or, with `install`, is an error.
pub(crate) fn write(install: bool) -> Result<()> {
    let folder = root()?.join(HOME).join("components");
    let mut small = if folder.join("DIGESTS").exists() { components::read(&folder)? } else { Components::new() };
    for (name, bytes) in build(install)? {
        println!("{name}: {} bytes, {}", bytes.len(), digest(&bytes));
        if bytes.len() <= CHECKED_IN_BYTES_MAX {
            small.insert(name, bytes);
        }
    }
    components::write(&folder, &small)
}

/// Builds all of them into `target/conformance`, where the tests look first.
pub(crate) fn check() -> Result<()> {
    let checked_in = components::read(&root()?.join(HOME).join("components"))?;
    let built = build(true)?;
    for (name, bytes) in &checked_in {
        let now = built.get(name).with_context(|| format!("{name} is checked in and nothing builds it"))?;
        let verdict = if now == bytes { "identical" } else { "other bytes, from another compiler or checkout" };
        println!("{name}: {verdict}");
    }
    Ok(())
}

fn build(install: bool) -> Result<Components> {
    let out = root()?.join("target/conformance");
    fs::create_dir_all(&out)?;
    let mut built = guests::conformance(install)?;
    for (name, bytes) in &built {
        fs::write(out.join(name), bytes)?;
    }
    let tools = Tools::find(install)?;
    for guest in &GUESTS {
        if let Some(missing) = tools.missing(guest.tool) {
            println!(
                "\n!! {} is NOT built: there is no {missing} here. Pass --install to have it installed.\n",
                guest.name
            );
            continue;
        }
        let name = format!("{}.wasm", guest.name);
        let path = out.join(&name);
        let folder = stage(guest)?;
        if guest.tool == Tool::AssemblyScript && !folder.join("node_modules/.package-lock.json").exists() {
            execute(Command::new("npm").args(["ci", "--silent", "--no-audit", "--no-fund"]).current_dir(&folder))?;
        }
        execute(tools.fusebox()?.arg("build").arg(&folder).arg("--out").arg(&path))?;
        built.insert(name, fs::read(&path).with_context(|| format!("{} was not built", path.display()))?);
    }
    Ok(built)
}

/// A copy of the guest's folder with its kit.
fn stage(guest: &Guest) -> Result<PathBuf> {
    let folder = root()?.join("target/conformance-sources").join(guest.name);
    copy(&root()?.join(HOME).join(guest.name), &folder)?;
    for (from, to) in guest.kit {
        let to = folder.join(to);
        fs::create_dir_all(to.parent().context("a file lies in a folder")?)?;
        fs::copy(root()?.join(from), to).with_context(|| format!("{from} cannot be copied"))?;
    }
    Ok(folder)
}

/// Sources lie at most two folders deep, and bring no folder of links.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// The toolchains of this machine.
pub(crate) struct Tools {
    venv: PathBuf,
}

impl Tools {
    pub(crate) fn find(install: bool) -> Result<Self> {
        let tools = Self { venv: root()?.join("target/venv-native") };
        if install {
            tools.install()?;
        }
        Ok(tools)
    }

    fn install(&self) -> Result<()> {
        if self.missing(Tool::Clang).is_some() {
            execute(Command::new("apt-get").args(["update", "-qq"]))?;
            let mut apt = Command::new("apt-get");
            apt.args(["install", "-y", "-qq", "--no-install-recommends"]).args(CLANG_PACKAGES);
            execute(apt.env("DEBIAN_FRONTEND", "noninteractive"))?;
        }
        if self.missing(Tool::Go).is_some() || self.missing(Tool::Zig).is_some() {
            execute(Command::new("python3").args(["-m", "venv"]).arg(&self.venv))?;
            let mut pip = Command::new(self.venv.join("bin/python"));
            pip.args(["-m", "pip", "install", "--quiet", "--requirement"]);
            execute(pip.arg(root()?.join(HOME).join("requirements.txt")))?;
        }
        for tool in [Tool::Clang, Tool::Go, Tool::Zig, Tool::AssemblyScript] {
            if let Some(missing) = self.missing(tool) {
                bail!("there is no {missing} here, also after installing what can be installed");
            }
        }
        Ok(())
    }

    /// Where those of PyPI are, when they were installed.
    pub(crate) fn folder(&self) -> &Path {
        &self.venv
    }

    /// What a tool lacks.
    pub(crate) fn missing(&self, tool: Tool) -> Option<&'static str> {
        let (is_there, name) = match tool {
            Tool::Clang => (CLANG_FILES.iter().all(|file| Path::new(file).exists()), "clang-22 for WebAssembly"),
            Tool::Go => (self.runs("go", &["version"]), "go"),
            Tool::Zig => (self.runs("zig", &["version"]) || self.runs("python3", &["-m", "ziglang", "version"]), "zig"),
            Tool::AssemblyScript => (self.runs("npm", &["--version"]), "npm"),
        };
        (!is_there).then_some(name)
    }

    fn runs(&self, program: &str, arguments: &[&str]) -> bool {
        let Ok(mut command) = self.command(program) else { return false };
        let status = command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    }

    /// A program that finds those of the virtual environment before others.
    pub(crate) fn command(&self, program: &str) -> Result<Command> {
        let own = self.venv.join("bin");
        let before = env::var_os("PATH").unwrap_or_default();
        let path: OsString = env::join_paths(std::iter::once(own.clone()).chain(env::split_paths(&before)))?;
        // A command is looked for on the path of who calls, not on the one it is given.
        let program = Some(own.join(program)).filter(|path| path.exists()).unwrap_or_else(|| program.into());
        let mut command = Command::new(program);
        // Nothing is fetched but what was installed.
        command.env("PATH", path).env("GOPROXY", "off").env("GOTOOLCHAIN", "local");
        Ok(command)
    }

    pub(crate) fn fusebox(&self) -> Result<Command> {
        let program = root()?.join("target/debug/fusebox");
        if !program.exists() {
            bail!("{} is not there: run `cargo build` first", program.display());
        }
        self.command(&program.display().to_string())
    }
}

/// The native tests of the kit for Go and of its conformance guest.
pub(crate) fn go_tests() -> Result<()> {
    let tools = Tools::find(true)?;
    for folder in ["guest-sdk/go", "tests/conformance/go"] {
        execute(tools.command("go")?.args(["vet", "./..."]).current_dir(root()?.join(folder)))?;
        execute(tools.command("go")?.args(["test", "./..."]).current_dir(root()?.join(folder)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_everything_that_lies_in_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::create_dir_all(from.join("deep")).unwrap();
        fs::write(from.join("a"), "1").unwrap();
        fs::write(from.join("deep/b"), "2").unwrap();
        copy(&from, &to).unwrap();
        assert_eq!(
            (fs::read(to.join("a")).unwrap(), fs::read(to.join("deep/b")).unwrap()),
            (b"1".to_vec(), b"2".to_vec())
        );
    }

    #[test]
    fn what_is_checked_in_is_small_and_what_its_digests_say() {
        let checked_in = components::read(&root().unwrap().join(HOME).join("components")).unwrap();
        assert!(checked_in.len() >= 5, "{:?}", checked_in.keys());
        for (name, bytes) in checked_in {
            assert!(bytes.len() <= CHECKED_IN_BYTES_MAX, "{name} has {} bytes", bytes.len());
        }
    }
}
