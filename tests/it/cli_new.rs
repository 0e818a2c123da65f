//! `fusebox new`, `build` and `test` of a folder: from nothing to an action that ran, in every language.

use crate::support::{Ran, component, fusebox, fusebox_with};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Each language, a file that its new folder must have, and what it says is missing where there are no tools.
const LANGUAGES: [(&str, &str, &str); 8] = [
    ("rust", "src/lib.rs", "https://rustup.rs"),
    ("javascript", "src/action.js", "https://nodejs.org"),
    ("typescript", "src/action.ts", "https://nodejs.org"),
    ("python", "action.py", "https://www.python.org"),
    ("go", "fusebox/reactor.go", "https://go.dev"),
    ("c", "fusebox/fusebox.c", "apt-get install clang-22"),
    ("zig", "fusebox.zig", "https://ziglang.org"),
    ("assemblyscript", "assembly/fusebox.ts", "https://nodejs.org"),
];

/// Nothing is found there.
const NO_TOOLS: (&str, &str) = ("PATH", "/nonexistent");

#[track_caller]
fn fails(ran: &Ran, words: &[&str]) {
    assert_eq!(ran.code, 1, "{ran:?}");
    words.iter().for_each(|word| assert!(ran.err.contains(word), "{word} is not in: {}", ran.err));
}

/// Every file below a folder, and its text.
fn files(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
        }
    }
    found
}

/// A program of that name which does what `script` says, in a folder for `PATH`.
fn fake(folder: &Path, name: &str, script: &str) {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_new_action_in_every_language_has_all_it_needs_to_begin() {
    let home = tempfile::tempdir().unwrap();
    for (language, file, _) in LANGUAGES {
        let name = format!("greet-{language}");
        let document = fusebox(home.path(), &["new", &name, "--lang", language, "--json"], "").json();
        let folder = home.path().join(&name);
        let listed = document["files"].as_array().unwrap().len();
        let written = files(&folder);
        assert_eq!((document["language"].as_str(), listed), (Some(language), written.len()), "{document}");
        assert!(folder.join(file).is_file(), "{language} has no {file}");
        // In sources braces are the language's own.
        let is_filled =
            |path: &str| [".json", ".md", ".toml", ".txt", ".mod", "Makefile"].iter().any(|end| path.ends_with(end));
        for (path, text) in written.iter().filter(|(path, _)| is_filled(path)) {
            for placeholder in ["{name}", "{sdk}", "{artifact}", "{trigger}"] {
                assert!(!text.contains(placeholder), "{path} still has {placeholder}");
            }
        }
        let sample = fs::read_to_string(folder.join("sample.json")).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&sample).unwrap(), json!({ "name": "Ada" }));
        let readme = fs::read_to_string(folder.join("README.md")).unwrap();
        assert!(readme.contains(&format!("fusebox fire greet_{language}_fired")), "{readme}");
    }
    let told = fusebox(home.path(), &["new", "other", "--lang", "go"], "").out;
    assert!(told.contains("go test") && told.contains("fusebox test ."), "{told}");
}

#[test]
fn a_language_without_a_template_is_refused_with_those_that_have_one() {
    let home = tempfile::tempdir().unwrap();
    let ran = fusebox(home.path(), &["new", "greet", "--lang", "cobol"], "");
    assert_eq!(ran.code, 2, "{ran:?}");
    LANGUAGES.iter().for_each(|(language, ..)| assert!(ran.err.contains(language), "{language}: {}", ran.err));
    fails(&fusebox(home.path(), &["new", "greet", "--lang", "c", "--sdk", "."], ""), &["gets its own copy", "--sdk"]);
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0, "what failed made nothing");
}

#[test]
fn a_missing_tool_is_named_with_how_to_install_it() {
    let home = tempfile::tempdir().unwrap();
    for (language, _, install) in LANGUAGES {
        assert_eq!(fusebox(home.path(), &["new", language, "--lang", language], "").code, 0);
        for command in ["build", "test"] {
            let ran = fusebox_with(home.path(), &[NO_TOOLS], &[command, language]);
            fails(&ran, &["is needed and not there", install]);
        }
    }
    // The tools are there, and what npm installs with the project is not.
    fake(home.path(), "npm", "exit 0");
    let path = home.path().to_str().unwrap();
    let ran = fusebox_with(home.path(), &[("PATH", path)], &["build", "assemblyscript"]);
    fails(&ran, &["asc is needed and not there", "Run `npm install` in assemblyscript"]);
}

#[test]
fn a_folder_that_is_no_action_is_refused_with_what_would_make_it_one() {
    let home = tempfile::tempdir().unwrap();
    fails(&fusebox(home.path(), &["build"], ""), &["not the folder of an action", "Cargo.toml (Rust)", "action.c (C)"]);
    fails(&fusebox(home.path(), &["build", "nowhere"], ""), &["there is no folder nowhere"]);
    fails(&fusebox(home.path(), &["test", "."], ""), &["not the folder of an action"]);
}

#[test]
fn a_folder_is_built_by_the_authors_tool_and_its_sample_is_run() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("tools");
    fs::create_dir(&path).unwrap();
    fs::write(path.join("noop.wasm"), component("noop")).unwrap();
    // It answers with a component that hands its payload back, and says what it was asked to compile.
    let script = "all=\"$*\"; out=; while [ $# -gt 0 ]; do [ \"$1\" = -o ] && out=\"$2\"; shift; done\n\
                  [ -z \"$out\" ] || { echo \"$all\"; /bin/cp \"${0%/*}/noop.wasm\" \"$out\"; }";
    fake(&path, "clang", script);
    let variables = [("PATH", path.to_str().unwrap())];
    assert_eq!(fusebox(home.path(), &["new", "greet", "--lang", "c"], "").code, 0);

    let built = fusebox_with(home.path(), &variables, &["build", "greet"]);
    assert_eq!(built.code, 0, "{built:?}");
    assert!(built.out.contains("greet.wasm") && built.out.contains("from C"), "{}", built.out);
    let asked = &built.err;
    assert!(asked.contains("--target=wasm32-wasi") && asked.contains("action.c"), "{asked}");
    assert!(asked.contains("fusebox.c") && !asked.contains("test.c"), "{asked}");
    assert_eq!(fs::read(home.path().join("greet/greet.wasm")).unwrap(), component("noop"));

    let elsewhere = fusebox_with(home.path(), &variables, &["build", "greet", "--out", "other.wasm", "--json"]).json();
    assert_eq!(elsewhere["language"], "C");
    assert_eq!(elsewhere["size_bytes"], component("noop").len());
    assert!(home.path().join("other.wasm").is_file());

    let tested = fusebox_with(home.path(), &variables, &["test", "greet", "--json"]).json();
    assert_eq!(tested["result"]["output"], json!({ "name": "Ada" }), "the sample of the folder is its payload");
    let given = fusebox_with(home.path(), &variables, &["test", "greet", "--json", "--payload", "[1]"]).json();
    assert_eq!(given["result"]["output"], json!([1]));
}

#[test]
fn a_tool_that_fails_is_a_build_that_failed() {
    let home = tempfile::tempdir().unwrap();
    fake(home.path(), "go", "[ \"$1\" = version ] && exit 0; echo 'action.go:7: no' >&2; exit 3");
    assert_eq!(fusebox(home.path(), &["new", "greet", "--lang", "go"], "").code, 0);
    let ran = fusebox_with(home.path(), &[("PATH", home.path().to_str().unwrap())], &["build", "greet"]);
    fails(&ran, &["action.go:7: no", "go did not build it"]);
}
