//! `cargo xtask guests`: the components that are checked in, built from their sources.
//!
//! An ordinary machine has the `wasm32-wasip2` target from rustup. Where rustup cannot add one, Debian's
//! packages do: a compiler that brings the source of its standard library, a linker and a libc.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::components::{self, Components, Surface, digest};
use crate::{compiled_examples, execute, interpreters, root};

const TARGET: &str = "wasm32-wasip2";
/// Each is a cargo workspace whose members are folders named like their crates.
const WORKSPACES: [&str; 2] = [EXAMPLES, "tests/guests"];
const EXAMPLES: &str = "examples";

/// The same for the conformance guests, which have their components elsewhere, and their target with those of tests/guests:
/// the standard library that both need is compiled once.
const CONFORMANCE: (&str, &str) = ("tests/conformance", "tests/guests/target");
/// What a program starts with where the linker is told everything; a library starts otherwise.
const FALLBACK_START: &str = "/usr/lib/wasm32-wasi/crt1-command.o";

const FALLBACK_CONFIG: &str = "xtask/src/guests-fallback.toml";
const FALLBACK_PACKAGES: [&str; 5] = ["rustc-web", "rust-web-src", "rust-web-llvm", "lld-22", "wasi-libc"];
/// One file of each package but the compiler's backend, which is in the compiler's own dependencies.
const FALLBACK_FILES: [&str; 4] = [
    "/usr/bin/rustc",
    "/usr/lib/rustlib/src/rust/library/std/Cargo.toml",
    "/usr/bin/wasm-ld-22",
    "/usr/lib/wasm32-wasi/crt1-reactor.o",
];

/// Where `--check` puts what it built: all components in one folder.
pub(crate) fn checked_folder() -> Result<PathBuf> {
    Ok(root()?.join("target/guests"))
}

/// Builds every guest and writes the components that are checked in.
pub(crate) fn write(install: bool) -> Result<()> {
    let compiler = Compiler::find(install)?;
    for workspace in WORKSPACES {
        let built = every(&compiler, workspace, install)?;
        for (name, bytes) in &built {
            println!("{name}: {} bytes, {}", bytes.len(), digest(bytes));
            println!("  imports {}", list(&Surface::of(bytes)?.imports));
        }
        components::write(&root()?.join(workspace).join("components"), &built)?;
    }
    interpreters::write()
}

/// Builds every guest into `target/guests` and compares it with what is checked in.
///
/// Another compiler gives other bytes, which is no error; other exports or permissions are. That the rebuilt
/// components behave the same is for the test-suite, run with FUSEBOX_COMPONENTS_DIR on that folder.
pub(crate) fn check(install: bool) -> Result<()> {
    let compiler = Compiler::find(install)?;
    let mut all = Components::new();
    for workspace in WORKSPACES {
        let checked_in = components::read(&root()?.join(workspace).join("components"))?;
        let built = every(&compiler, workspace, install)?;
        if !built.keys().eq(checked_in.keys()) {
            bail!("{workspace} builds other components than are checked in: run `cargo xtask guests`");
        }
        for (name, bytes) in &built {
            compare(name, &checked_in[name], bytes)?;
        }
        all.extend(built);
    }
    let checked_in = components::read(&interpreters::folder()?)?;
    for (name, bytes) in interpreters::build()? {
        compare(&name, &checked_in[&name], &bytes)?;
        all.insert(name, bytes);
    }
    components::write(&checked_folder()?, &all)
}

/// Those in Rust, and of the examples also the small ones in other languages.
fn every(compiler: &Compiler, workspace: &str, install: bool) -> Result<Components> {
    let mut built = compiler.build(workspace)?;
    if workspace == EXAMPLES {
        for (name, bytes) in compiled_examples::build_small(install)? {
            refuse_paths(&name, &bytes)?;
            built.insert(name, bytes);
        }
    }
    Ok(built)
}

/// Builds the conformance guests in Rust.
pub(crate) fn conformance(install: bool) -> Result<Components> {
    let (workspace, out) = CONFORMANCE;
    Compiler::find(install)?.build_into(workspace, &root()?.join(out))
}

fn compare(name: &str, checked_in: &[u8], built: &[u8]) -> Result<()> {
    if checked_in == built {
        println!("{name}: identical");
        return Ok(());
    }
    let (old, new) = (Surface::of(checked_in)?, Surface::of(built)?);
    if old.exports != new.exports {
        bail!("{name} exports {} now, not {}", list(&new.exports), list(&old.exports));
    }
    if old.permissions() != new.permissions() {
        bail!("{name} asks for {} now, not {}", list(new.permissions()), list(old.permissions()));
    }
    println!("{name}: other bytes ({} now, {} checked in), same interface", digest(built), digest(checked_in));
    if old.imports != new.imports {
        println!("  its standard library imports {}", list(&new.imports));
    }
    Ok(())
}

fn list<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| name.as_ref().to_owned()).collect();
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

enum Compiler {
    /// rustup's target.
    Ordinary,
    /// The packages of FALLBACK_PACKAGES, used as FALLBACK_CONFIG says.
    Fallback,
}

impl Compiler {
    fn find(install: bool) -> Result<Self> {
        if has_target(TARGET)? {
            return Ok(Self::Ordinary);
        }
        if FALLBACK_FILES.iter().all(|file| Path::new(file).exists()) && interpreters::has_clang() {
            return Ok(Self::Fallback);
        }
        let packages = FALLBACK_PACKAGES.join(" ");
        if !install {
            bail!(
                "rustc has no {TARGET} target. Add it with `rustup target add {TARGET}`, or, where that is not \
                 possible, pass --install to have apt-get install {packages}"
            );
        }
        println!("rustc has no {TARGET} target; installing {packages}");
        execute(Command::new("apt-get").args(["update", "-qq"]))?;
        let mut apt = Command::new("apt-get");
        apt.args(["install", "-y", "-qq", "--no-install-recommends"])
            .args(FALLBACK_PACKAGES)
            .args(interpreters::PACKAGES);
        execute(apt.env("DEBIAN_FRONTEND", "noninteractive"))?;
        Ok(Self::Fallback)
    }

    fn build(&self, workspace: &str) -> Result<Components> {
        self.build_into(workspace, &root()?.join(workspace).join("target"))
    }

    fn build_into(&self, workspace: &str, out: &Path) -> Result<Components> {
        let folder = root()?.join(workspace);
        // Everything must be on disk before its paths can be listed.
        execute(Command::new("cargo").args(["fetch", "--locked", "--quiet"]).current_dir(&folder))?;
        let remaps = format!("target.{TARGET}.rustflags = {:?}", remaps()?);
        execute(self.cargo_build(&folder, out, Some(&remaps))?.arg("--locked"))?;
        let mut built = Components::new();
        for member in members(&folder)? {
            // A library's file has no `-` in its name, a program's may.
            let names = [format!("{}.wasm", member.replace('-', "_")), format!("{member}.wasm")];
            let folder = out.join(TARGET).join("release");
            let name = names.into_iter().find(|name| folder.join(name).exists());
            let name = name.with_context(|| format!("{member} was not built"))?;
            let path = folder.join(&name);
            let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            refuse_paths(&name, &bytes)?;
            built.insert(name, bytes);
        }
        Ok(built)
    }

    /// `cargo build --release --target wasm32-wasip2` in `folder`, with what this machine needs for it.
    fn cargo_build(&self, folder: &Path, out: &Path, config: Option<&str>) -> Result<Command> {
        let mut cargo = Command::new("cargo");
        // These would win over the flags of the configuration.
        cargo.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
        if matches!(self, Self::Fallback) {
            // The source of a standard library can only be compiled with unstable features allowed.
            cargo.env("RUSTC_BOOTSTRAP", "1").env_remove("RUSTC");
            cargo.env("FUSEBOX_PROGRAM_START", FALLBACK_START);
            cargo.arg("--config").arg(root()?.join(FALLBACK_CONFIG));
        }
        // All of them in front: those behind the subcommand would take the place of those before it.
        cargo.args(config.into_iter().flat_map(|config| ["--config", config]));
        cargo.args(["build", "--release", "--target", TARGET, "--target-dir"]).arg(out).current_dir(folder);
        Ok(cargo)
    }
}

/// Does what the README says to whoever writes a first action: `fusebox new`, its tests, its component, `fusebox test`.
///
/// Without `install`, a machine that cannot build is told so, loudly.
pub(crate) fn newcomer(install: bool) -> Result<()> {
    let compiler = match Compiler::find(install) {
        Err(error) if !install => {
            println!("\n!! Rust is NOT tried: {error:#}\n");
            return Ok(());
        }
        found => found?,
    };
    let home = root()?.join("target/newcomer");
    if home.exists() {
        fs::remove_dir_all(&home)?;
    }
    fs::create_dir_all(&home)?;
    let fusebox = root()?.join("target/debug/fusebox");
    let (folder, out) = (home.join("greet"), home.join("target"));
    execute(Command::new(&fusebox).args(["new", "greet"]).current_dir(&home))?;
    execute(Command::new("cargo").args(["test", "--target-dir"]).arg(&out).current_dir(&folder))?;
    execute(&mut compiler.cargo_build(&folder, &out, None)?)?;
    let component = out.join(TARGET).join("release/greet.wasm");
    let mut test = Command::new(&fusebox);
    test.arg("test").arg(component).args(["--payload", "sample.json", "--json"]).current_dir(&folder);
    let tested = test.output()?;
    let text = String::from_utf8_lossy(&tested.stdout);
    if !tested.status.success() || !text.contains("Hello, Ada!") {
        bail!("the action of the template does not greet: {text}");
    }
    println!("a new action greets Ada");
    Ok(())
}

pub(crate) fn has_target(target: &str) -> Result<bool> {
    let output = Command::new("rustc").args(["--print", "target-libdir", "--target", target]).output()?;
    let folder = String::from_utf8(output.stdout)?;
    Ok(output.status.success() && Path::new(folder.trim()).is_dir())
}

fn members(workspace: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(workspace)? {
        let entry = entry?;
        if entry.path().join("Cargo.toml").exists() {
            names.push(entry.file_name().into_string().ok().context("a folder's name is not text")?);
        }
    }
    Ok(names)
}

/// Flags that replace the machine's paths in panic messages: they would tell about the machine, and make the
/// same source give other bytes on another one. Of several that match, the compiler takes the last.
pub(crate) fn remaps() -> Result<Vec<String>> {
    let remap = |from: &Path, to: &str| format!("--remap-path-prefix={}={to}", from.display());
    let home = cargo_home()?;
    let mut flags = vec![
        remap(Path::new("/usr/lib/rustlib/src/rust"), "/rustc"),
        remap(&root()?, "/fusebox"),
        remap(&home, "/cargo"),
    ];
    let registries = home.join("registry/src");
    if registries.is_dir() {
        let folders = fs::read_dir(&registries)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        flags.extend(folders.iter().map(|folder| remap(folder, "/cargo/registry")));
    }
    Ok(flags)
}

fn cargo_home() -> Result<PathBuf> {
    if let Some(home) = env::var_os("CARGO_HOME") {
        return Ok(home.into());
    }
    Ok(env::home_dir().context("no home folder")?.join(".cargo"))
}

pub(crate) fn refuse_paths(name: &str, bytes: &[u8]) -> Result<()> {
    for place in [root()?, cargo_home()?] {
        let place = place.to_str().context("a path is not text")?.as_bytes();
        if bytes.windows(place.len()).any(|window| window == place) {
            bail!("{name} contains the path of this machine {}", String::from_utf8_lossy(place));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(path: &str) -> Vec<u8> {
        fs::read(root().unwrap().join(path)).unwrap()
    }

    #[test]
    fn other_bytes_are_fine_and_other_permissions_are_not() {
        let noop = component("tests/guests/components/noop.wasm");
        let untruthful = component("tests/guests/components/untruthful.wasm");
        let logging = component("examples/components/issue_triage.wasm");
        assert_ne!(noop, untruthful);
        compare("noop", &noop, &untruthful).unwrap();
        let error = compare("noop", &noop, &logging).unwrap_err().to_string();
        assert!(error.contains("asks for fusebox:action/log@0.1.0, fusebox:action/types@0.1.0 now"), "{error}");
    }

    #[test]
    fn a_component_that_names_this_machine_is_refused() {
        let place = root().unwrap().join("src/lib.rs");
        let bytes = [b"panicked at ", place.to_str().unwrap().as_bytes()].concat();
        assert!(refuse_paths("x.wasm", &bytes).is_err());
        refuse_paths("x.wasm", b"panicked at /fusebox/src/lib.rs").unwrap();
    }
}
