//! What an upload takes, from its bytes to something that can run: the child, wrapping, validating, compiling, loading.
//!
//! `cargo bench --bench upload` takes the components that are checked in and modules made here, and with
//! `-- FILE …` those files as well, such as what a toolchain built; with `-- --quick` each is uploaded once.

use fusebox::sandbox::{Config, Sandbox};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// An upload takes tens of milliseconds and more, and there are few of them.
const TIMES: usize = 15;
/// With `--quick`: enough to see that all of them are taken.
const TIMES_QUICK: usize = 1;

/// The least there is of each kind: the cost of the way itself.
const PROGRAM: &str = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;
const ACTION: &str = r#"(module
    (memory (export "memory") 2)
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
    (func (export "run") (param i32) (result i32) (i32.const 1024)))"#;
/// As a component from the start, which is the floor of wrapping a program.
const COMPONENT: &str = r#"(component
    (core module $M (func (export "run") (result i32) (i32.const 0)))
    (core instance $m (instantiate $M))
    (func $run (result (result)) (canon lift (core func $m "run")))
    (instance $command (export "run" (func $run)))
    (export "wasi:cli/run@0.2.0" (instance $command)))"#;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let compiler = PathBuf::from(env!("CARGO_BIN_EXE_fusebox"));
    let sandbox = Sandbox::start(Config::new(folder.path().join("artifacts"), [1; 32], compiler)).expect("a sandbox");
    let times_each = if std::env::args().any(|argument| argument == "--quick") { TIMES_QUICK } else { TIMES };
    println!("{:<32} {:>12} {:>12} {:>12}", "upload", "bytes", "median ms", "slowest ms");
    for (name, bytes) in uploads() {
        let mut times: Vec<Duration> = (0..times_each)
            .map(|_| {
                let started = Instant::now();
                let inspected = runtime.block_on(sandbox.inspect(bytes.clone().into()));
                inspected.unwrap_or_else(|error| panic!("{name}: {error}"));
                started.elapsed()
            })
            .collect();
        times.sort_unstable();
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        println!(
            "{name:<32} {:>12} {:>12.1} {:>12.1}",
            bytes.len(),
            ms(times[times_each / 2]),
            ms(times[times_each - 1])
        );
    }
}

fn uploads() -> Vec<(String, Vec<u8>)> {
    let text = |name: &str, text: &str| (name.to_owned(), wat::parse_str(text).expect("a module"));
    let mut uploads = vec![
        text("a component, the least", COMPONENT),
        text("a program to wrap, the least", PROGRAM),
        text("an action to wrap, the least", ACTION),
    ];
    let checked_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests/components");
    let named = ["noop", "handler", "large"].map(|name| checked_in.join(name).with_extension("wasm"));
    let asked = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).map(PathBuf::from);
    for path in named.into_iter().chain(asked) {
        let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        uploads.push((name, bytes));
    }
    uploads
}
