//! The layers of the crate (ARCHITECTURE.md) as a check over its sources: who may use whom, and what is named where.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use std::fmt;
use std::path::{Path, PathBuf};

/// Layers from the lowest; those of one row are strangers to each other.
const ROWS: [&[&str]; 7] =
    [&["domain"], &["store", "sandbox"], &["dispatch"], &["api"], &["console"], &["server"], &["cli"]];

/// Words that only some places may have, and why.
const KEPT_APART: [(&[&str], &[&str], &str); 11] = [
    (&["redb"], &["store"], "redb is the store's own affair"),
    (&["wasmtime", "wasmtime_wasi"], &["sandbox"], "wasmtime is the sandbox's own affair"),
    (&["axum", "utoipa", "utoipa_axum"], &["api", "console", "server"], "HTTP is for api, console and server"),
    (&["askama"], &["console"], "pages are for people, who have a console"),
    (&["clap", "anyhow"], &["cli", "main.rs"], "arguments and errors without a type are for the command line"),
    (&["SystemTime"], &["server", "cli"], "the time comes in as a Clock"),
    (
        &["std::env", "env::var", "env::args", "env::current_exe"],
        &["server", "cli"],
        "configuration comes in as an argument",
    ),
    (&["unsafe"], &["sandbox/cache.rs"], "unsafe is in one file"),
    (
        &[".unwrap()"],
        &[
            "dispatch/capacity_tests.rs",
            "dispatch/chain_tests.rs",
            "dispatch/chain_worlds.rs",
            "dispatch/dedup_tests.rs",
            "dispatch/desk_tests.rs",
            "dispatch/resolve_tests.rs",
            "dispatch/settle_tests.rs",
            "dispatch/testing.rs",
            "domain/allowed_host_tests.rs",
            "domain/run_tests.rs",
            "domain/webhook_tests.rs",
            "sandbox/host/http/hidden_tests.rs",
        ],
        "unwrap is for tests",
    ),
    (
        &["store().submit", "store().commit", "store.submit", "store.commit"],
        &["dispatch/reservations.rs", "dispatch/family.rs", "dispatch/secrets.rs", "store", "api", "server"],
        "what may end a run is handed in through the one door that frees its dedup key",
    ),
    (&["crate::{", "super::super"], &[], "say `crate::layer::…`, so that it is seen who uses whom"),
];

/// Past this a file has more than one idea.
const LINES_MAX: usize = 450;

/// One rule broken in one line.
#[derive(Debug, PartialEq)]
struct Violation {
    file: String,
    line: usize,
    message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "src/{}:{}: {}", self.file, self.line, self.message)
    }
}

/// Everything that is wrong in one file, named from `src`.
fn check(file: &str, text: &str) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut broken = |line: usize, message: String| violations.push(Violation { file: file.to_owned(), line, message });
    // A list of cases is read one by one.
    let lines_max = if file.ends_with("_tests.rs") { 2 * LINES_MAX } else { LINES_MAX };
    if text.lines().count() > lines_max {
        broken(lines_max + 1, format!("more than {lines_max} lines"));
    }
    let layer = file.split('/').next().unwrap();
    for (number, line) in code(text).iter().enumerate().map(|(index, line)| (index + 1, line)) {
        for used in layers() {
            if names(line, &format!("crate::{used}")) && !may_use(layer, used) {
                broken(number, format!("{layer} uses {used}, which is not below it"));
            }
        }
        for (words, places, why) in KEPT_APART {
            let here = places.iter().any(|place| *place == layer || *place == file);
            if let Some(word) = words.iter().find(|word| !here && names(line, word)) {
                broken(number, format!("`{word}`: {why}"));
            }
        }
    }
    violations
}

fn layers() -> impl Iterator<Item = &'static str> {
    ROWS.iter().flat_map(|row| row.iter().copied())
}

fn may_use(layer: &str, used: &str) -> bool {
    let row = |name: &str| ROWS.iter().position(|row| row.contains(&name));
    match (row(layer), row(used)) {
        _ if layer == used => true,
        // `main.rs` starts the command line and nothing else; `lib.rs` declares everybody and uses nobody.
        (None, _) => layer == "main.rs" && used == "cli",
        (Some(layer_row), Some(used_row)) => used_row < layer_row && (used != "server" || layer == "cli"),
        (_, None) => false,
    }
}

/// Whether `line` has `word` as a word of its own.
fn names(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let begins = !word.starts_with(part) || !before.is_some_and(part);
        begins && (!word.ends_with(part) || !after.is_some_and(part))
    })
}

/// The lines of a file without comments, the insides of texts, and test modules, each in its place.
fn code(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = blanked(text).lines().map(str::to_owned).collect();
    let mut line = 0;
    while line < lines.len() {
        if lines[line].trim() == "#[cfg(test)]" {
            let mut depth = 0_i32;
            let mut opened = false;
            while line < lines.len() {
                let here = std::mem::take(&mut lines[line]);
                depth += here.matches('{').count() as i32 - here.matches('}').count() as i32;
                opened |= here.contains('{');
                // `mod testing;` ends where it stands.
                if (opened && depth == 0) || (!opened && here.trim_end().ends_with(';')) {
                    break;
                }
                line += 1;
            }
        }
        line += 1;
    }
    lines
}

/// The text with comments and the insides of texts blanked, line by line as it was.
fn blanked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let taken = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if c == '"' {
            end_of_text(&rest[1..]) + 1
        } else if let Some(hashes) = raw_text(rest, &out) {
            let end = format!("\"{}", "#".repeat(hashes));
            let inside = 2 + hashes;
            rest[inside..].find(&end).map_or(rest.len(), |at| inside + at + end.len())
        } else if rest.starts_with("'\"'")
            || rest.starts_with("'\\\"'")
            || rest.starts_with("'{'")
            || rest.starts_with("'}'")
        {
            rest[1..].find('\'').unwrap() + 2
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        };
        out.extend(rest[..taken].chars().filter(|c| *c == '\n'));
        rest = &rest[taken..];
    }
    out
}

/// Where a text whose first quote was taken ends, its last quote included.
fn end_of_text(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices() {
        match c {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    rest.len()
}

/// The number of `#` of a raw text that begins here.
fn raw_text(rest: &str, before: &str) -> Option<usize> {
    let is_word = before.chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_');
    let after = rest.strip_prefix('r').filter(|_| !is_word)?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    after[hashes..].starts_with('"').then_some(hashes)
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_layer_uses_only_what_is_below_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 50, "only {} files were found", files.len());
    files.sort();
    let mut violations = Vec::new();
    for path in files {
        let file = path.strip_prefix(&root).unwrap().to_str().unwrap();
        violations.extend(check(file, &std::fs::read_to_string(&path).unwrap()));
    }
    let told: Vec<String> = violations.iter().map(ToString::to_string).collect();
    assert!(told.is_empty(), "{} rules are broken:\n{}", told.len(), told.join("\n"));
}

#[test]
fn every_folder_is_a_layer() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in std::fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let known = if path.is_dir() { layers().any(|layer| layer == name) } else { ["lib", "main"].contains(&name) };
        assert!(known, "{} is no layer that this test knows", path.display());
    }
}

/// What `check` says about one planted line, as `line: message`.
fn planted(file: &str, text: &str) -> Vec<String> {
    check(file, text).iter().map(|violation| format!("{}: {}", violation.line, violation.message)).collect()
}

#[test]
fn a_planted_violation_is_found_with_its_line() {
    let found = check("store/read.rs", "use crate::domain::Run;\n\nuse crate::dispatch::Dispatch;\n");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].to_string(), "src/store/read.rs:3: store uses dispatch, which is not below it");
    for (file, line, expected) in [
        ("domain/run.rs", "use crate::store::Store;", "domain uses store"),
        ("store/mod.rs", "fn f() -> crate::sandbox::Sandbox {", "store uses sandbox"),
        ("sandbox/mod.rs", "use crate::store::Store;", "sandbox uses store"),
        ("dispatch/mod.rs", "use crate::api::Api;", "dispatch uses api"),
        ("api/mod.rs", "use crate::server::Server;", "api uses server"),
        ("console/mod.rs", "use crate::server::Server;", "console uses server"),
        ("server/mod.rs", "use crate::cli;", "server uses cli"),
        ("main.rs", "use crate::store::Store;", "main.rs uses store"),
        ("api/run.rs", "fn f(e: redb::Error) {}", "`redb`"),
        ("store/open.rs", "use wasmtime::Engine;", "`wasmtime`"),
        ("dispatch/accept.rs", "use axum::Router;", "`axum`"),
        ("api/event.rs", "use askama::Template;", "`askama`"),
        ("api/mod.rs", "use crate::console::pages;", "api uses console"),
        ("server/mod.rs", "use clap::Args;", "`clap`"),
        ("server/mod.rs", "fn f() -> anyhow::Result<()> {", "`anyhow`"),
        ("dispatch/worker.rs", "let now = SystemTime::now();", "`SystemTime`"),
        ("sandbox/mod.rs", "let path = std::env::var(\"X\");", "`std::env`"),
        ("store/mod.rs", "let path = env::var(\"X\");", "`env::var`"),
        ("sandbox/engine.rs", "    unsafe { load() }", "`unsafe`"),
        ("cli/mod.rs", "    let x = y().unwrap();", "`.unwrap()`"),
        ("dispatch/worker.rs", "dispatch.store().submit(transition, None);", "`store().submit`"),
        ("dispatch/recovery.rs", "shared.store.commit(transition)", "`store.commit`"),
        ("domain/run.rs", "use crate::{dispatch, store};", "`crate::{`"),
    ] {
        let found = planted(file, line);
        assert!(
            found.len() == 1 && found[0].starts_with("1: ") && found[0].contains(expected),
            "{file}: {line}: {found:?}"
        );
    }
    assert_eq!(planted("api/run.rs", &"\n".repeat(451)), ["451: more than 450 lines"]);
}

#[test]
fn what_is_allowed_is_not_found() {
    for (file, text) in [
        ("store/read.rs", "use crate::domain::Run;\nuse crate::store::Store;\nuse redb::Database;\n"),
        ("console/events.rs", "use crate::api::event;\nuse askama::Template;\nuse axum::Router;\n"),
        ("cli/serve.rs", "use crate::server::Server;\nuse anyhow::Result;\nlet x = std::env::current_exe();\n"),
        ("sandbox/cache.rs", "unsafe { load() }"),
        (
            "api/run.rs",
            "// like redb::Error and x.unwrap()\nlet a = \"wasmtime \\\" .unwrap()\"; let b = r#\"clap \"# ;",
        ),
        ("api/run.rs", "#[cfg(test)]\nmod tests {\n    fn f() { x.unwrap(); }\n}\n"),
        ("api/run.rs", "let unsafely = 1; let my_redb_thing = 2; x.unwrap_or(3); env!(\"X\");"),
        ("api/run.rs", &"\n".repeat(450)),
    ] {
        assert_eq!(planted(file, text), [""; 0], "{file}: {text}");
    }
    let after_the_tests = "#[cfg(test)]\nmod testing;\n#[cfg(test)]\nmod tests {\n    fn f() {}\n}\nuse redb::Error;\n";
    assert_eq!(planted("api/run.rs", after_the_tests).len(), 1, "what follows a test module is looked at");
}
