//! What guests of each language cost on a server: to upload, and to run. `cargo bench --bench guests`
//!
//! The guests are those of the table of conformance: what `cargo xtask conformance` and `cargo xtask scripts` built into
//! `target/conformance` (or the folder in FUSEBOX_CONFORMANCE_DIR), and source code as it lies in `tests/conformance`. Each
//! hands its payload back. What is not there is left out, with a word. With `-- --quick` less, to see that it works.

#![allow(clippy::unwrap_used, reason = "a bench that cannot go on should say where")]

mod support;

use serde_json::{Value, json as value};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use support::{Bench, NOOP, is_quick, json, median, wall_us};

/// The floor, and guests that are components or core modules.
const COMPILED: [&str; 10] =
    ["rust", "rust-command", "c", "zig", "assemblyscript", "go", "go-command", "javascript", "typescript", "python"];
const SOURCES: [(&str, &str); 3] =
    [("javascript.js", "javascript"), ("typescript.ts", "typescript"), ("python.py", "python")];

fn main() {
    let rounds = if is_quick() { 5 } else { 500 };
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::start(folder.path());
    println!(
        "{:<22} {:>10} {:>10} {:>12} {:>12} {:>12} {:>12} {:>12}",
        "guest", "bytes", "upload ms", "first µs", "attempt µs", "known µs", "fuel", "memory KiB"
    );
    measure(&bench, "noop (floor)", &Guest::Component(NOOP.to_vec()), rounds);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders: Vec<PathBuf> = match std::env::var_os("FUSEBOX_CONFORMANCE_DIR") {
        Some(folder) => vec![folder.into()],
        None => vec![root.join("target/conformance"), root.join("tests/conformance/components")],
    };
    for name in COMPILED {
        let paths = folders.iter().map(|folder| folder.join(format!("{name}.wasm")));
        match paths.filter_map(|path| std::fs::read(path).ok()).next() {
            Some(bytes) => measure(&bench, name, &Guest::Component(bytes), rounds),
            None => println!("{name:<22} was not built"),
        }
    }
    for (file, language) in SOURCES {
        let code = std::fs::read_to_string(root.join("tests/conformance").join(file)).unwrap();
        measure(&bench, file, &Guest::Source(language, code), rounds);
    }
    bench.stop();
}

enum Guest {
    Component(Vec<u8>),
    Source(&'static str, String),
}

impl Guest {
    fn bytes(&self) -> usize {
        match self {
            Guest::Component(bytes) => bytes.len(),
            Guest::Source(_, code) => code.len(),
        }
    }

    /// Makes it the action of an event type, and says how long its upload took: of source code, saving the action.
    fn install(&self, bench: &Bench, name: &str, event_type: &str) -> Result<Duration, String> {
        let mut uploaded = None;
        let action = match self {
            Guest::Component(bytes) => {
                let uploading = Instant::now();
                let digest = bench.post("/module", bytes)["digest"].clone();
                uploaded = Some(uploading.elapsed());
                value!({ "name": name, "module": digest })
            }
            Guest::Source(language, code) => value!({ "name": name, "language": language, "code": code }),
        };
        let saving = Instant::now();
        let request = ureq::post(bench.url("/action")).header("authorization", format!("Bearer {}", bench.token));
        let saved = request.send(json(&action).as_slice()).map_err(|error| error.to_string());
        let saved: Value = saved?.body_mut().read_json().unwrap();
        let uploaded = uploaded.unwrap_or_else(|| saving.elapsed());
        let event_type = value!({ "display_name": event_type, "action": saved["data"]["id"] });
        bench.post("/event-type", &json(&event_type));
        Ok(uploaded)
    }
}

fn measure(bench: &Bench, name: &str, guest: &Guest, rounds: usize) {
    let event_type = format!("bench.{}", name.split(' ').next().unwrap());
    let uploaded = match guest.install(bench, name, &event_type) {
        Ok(uploaded) => uploaded,
        Err(refused) => return println!("{name:<22} was not taken: {refused}"),
    };
    // With another payload than those that are measured: whether it runs here at all.
    let tried = bench.fired(&event_type, &value!({ "do": "echo" }));
    if tried["state"] != "SUCCESS" {
        return println!("{name:<22} ends with {}: {:.120}", tried["reason"], tried["message"].to_string());
    }
    let first = wall_us(&tried);
    let (mut attempts, mut known) = (Vec::new(), Vec::new());
    let mut last = Value::Null;
    for round in 0..rounds + rounds / 10 {
        let payload = value!({ "do": "echo", "booking": format!("bk_{round}"), "seats": 4 });
        let begun = Instant::now();
        let run = bench.fire(&event_type, &payload);
        let until_known = begun.elapsed().as_secs_f64() * 1e6;
        assert_eq!(run["output"], payload, "{name}");
        if round >= rounds / 10 {
            attempts.push(wall_us(&run));
            known.push(until_known);
        }
        last = run;
    }
    let used = |name: &str| last["attempts"][0]["usage"][name]["used"].as_u64().unwrap();
    println!(
        "{name:<22} {:>10} {:>10.1} {:>12.1} {:>12.1} {:>12.1} {:>12} {:>12}",
        guest.bytes(),
        uploaded.as_secs_f64() * 1e3,
        first,
        median(attempts),
        median(known),
        used("fuel"),
        used("memory_bytes") / 1024,
    );
}
