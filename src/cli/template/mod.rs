//! What `fusebox new` writes: a folder for each language, and a row of the table here.

use std::path::Path;

/// A language to begin in.
pub(super) struct Language {
    pub(super) name: &'static str,
    /// Paths in the new folder, and what is written there.
    pub(super) files: &'static [(&'static str, &'static str)],
    /// Where the repository has the SDK that the new project refers to; nothing where it gets the files of it.
    pub(super) sdk: Option<Sdk>,
    /// What to type next, line by line, after going into the folder.
    pub(super) next: &'static [&'static str],
}

/// How a project refers to an SDK.
pub(super) struct Sdk {
    /// In the repository.
    pub(super) folder: &'static str,
    /// To the one in a folder.
    pub(super) local: fn(&Path) -> String,
    /// To the published one of a version.
    pub(super) published: fn(&str) -> String,
}

const SAMPLE: (&str, &str) = ("sample.json", "{ \"name\": \"Ada\" }\n");

const RUST: Language = Language {
    name: "rust",
    files: &[
        ("Cargo.toml", include_str!("rust/Cargo.toml.txt")),
        ("src/lib.rs", include_str!("rust/lib.rs.txt")),
        ("README.md", include_str!("rust/README.md.txt")),
        SAMPLE,
        (".gitignore", "/target\n/*.wasm\n"),
    ],
    sdk: Some(Sdk {
        folder: "guest-sdk/rust",
        local: |folder| format!("{{ path = {:?} }}", folder.display().to_string()),
        published: |version| format!("{version:?}"),
    }),
    next: &[
        "cargo test",
        "cargo build --release --target wasm32-wasip2   (once: rustup target add wasm32-wasip2)",
        "fusebox test target/wasm32-wasip2/release/{artifact}.wasm --payload sample.json",
    ],
};

const C: Language = Language {
    name: "c",
    files: &[
        ("action.c", include_str!("c/action.c.txt")),
        ("test.c", include_str!("c/test.c.txt")),
        ("Makefile", include_str!("c/Makefile.txt")),
        ("README.md", include_str!("c/README.md.txt")),
        ("fusebox/fusebox.h", include_str!("../../../guest-sdk/c/fusebox.h")),
        ("fusebox/fusebox.c", include_str!("../../../guest-sdk/c/fusebox.c")),
        SAMPLE,
        (".gitignore", "/*.wasm\n/test\n"),
    ],
    sdk: None,
    next: &["make check", "fusebox test .", "fusebox push {name}.wasm --action {name} --trigger {trigger}"],
};

const GO: Language = Language {
    name: "go",
    files: &[
        ("action.go", include_str!("go/action.go.txt")),
        ("action_test.go", include_str!("go/action_test.go.txt")),
        ("go.mod", include_str!("go/go.mod.txt")),
        ("README.md", include_str!("go/README.md.txt")),
        ("fusebox/go.mod", include_str!("../../../guest-sdk/go/go.mod")),
        ("fusebox/command.go", include_str!("../../../guest-sdk/go/command.go")),
        ("fusebox/command_host.go", include_str!("../../../guest-sdk/go/command_host.go")),
        ("fusebox/context.go", include_str!("../../../guest-sdk/go/context.go")),
        ("fusebox/fusebox.go", include_str!("../../../guest-sdk/go/fusebox.go")),
        ("fusebox/host.go", include_str!("../../../guest-sdk/go/host.go")),
        ("fusebox/reactor.go", include_str!("../../../guest-sdk/go/reactor.go")),
        ("fusebox/reactor_host.go", include_str!("../../../guest-sdk/go/reactor_host.go")),
        ("fusebox/try.go", include_str!("../../../guest-sdk/go/try.go")),
        SAMPLE,
        (".gitignore", "/*.wasm\n"),
    ],
    sdk: None,
    next: &["go test", "fusebox test .", "fusebox push {name}.wasm --action {name} --trigger {trigger}"],
};

const ZIG: Language = Language {
    name: "zig",
    files: &[
        ("action.zig", include_str!("zig/action.zig.txt")),
        ("README.md", include_str!("zig/README.md.txt")),
        ("fusebox.zig", include_str!("../../../guest-sdk/zig/fusebox.zig")),
        SAMPLE,
        (".gitignore", "/*.wasm\n/.zig-cache\n"),
    ],
    sdk: None,
    next: &["zig test action.zig", "fusebox test .", "fusebox push {name}.wasm --action {name} --trigger {trigger}"],
};

const ASSEMBLYSCRIPT: Language = Language {
    name: "assemblyscript",
    files: &[
        ("assembly/index.ts", include_str!("assemblyscript/index.ts.txt")),
        ("assembly/fusebox.ts", include_str!("../../../guest-sdk/assemblyscript/fusebox.ts")),
        ("asconfig.json", include_str!("assemblyscript/asconfig.json.txt")),
        ("package.json", include_str!("assemblyscript/package.json.txt")),
        ("README.md", include_str!("assemblyscript/README.md.txt")),
        SAMPLE,
        (".gitignore", "/*.wasm\n/node_modules\n"),
    ],
    sdk: None,
    next: &["npm install", "fusebox test .", "fusebox push {name}.wasm --action {name} --trigger {trigger}"],
};

/// npm installs it under the name that is asked for, whatever the package calls itself.
const NPM: Sdk = Sdk {
    folder: "guest-sdk/javascript",
    local: |folder| format!("file:{}", folder.display()),
    published: |version| format!("npm:fusebox-sdk@^{version}"),
};

/// Of a package in a folder npm would only make a link, without what it needs itself.
const NPMRC: (&str, &str) =
    (".npmrc", "# Also of a kit that is in a folder, install what it needs.\ninstall-links=true\n");

const JAVASCRIPT: Language = Language {
    name: "javascript",
    files: &[
        ("src/action.js", include_str!("javascript/action.js.txt")),
        ("test/action.test.js", include_str!("javascript/action.test.js.txt")),
        ("package.json", include_str!("javascript/package.json.txt")),
        ("README.md", include_str!("javascript/README.md.txt")),
        SAMPLE,
        (".gitignore", "/*.wasm\n/dist\n/node_modules\n"),
        NPMRC,
    ],
    sdk: Some(NPM),
    next: &["npm install", "npm test", "fusebox test ."],
};

const TYPESCRIPT: Language = Language {
    name: "typescript",
    files: &[
        ("src/action.ts", include_str!("typescript/action.ts.txt")),
        ("test/action.test.ts", include_str!("typescript/action.test.ts.txt")),
        ("package.json", include_str!("typescript/package.json.txt")),
        ("tsconfig.json", include_str!("typescript/tsconfig.json.txt")),
        ("README.md", include_str!("typescript/README.md.txt")),
        SAMPLE,
        (".gitignore", "/*.wasm\n/dist\n/node_modules\n"),
        NPMRC,
    ],
    sdk: Some(NPM),
    next: &["npm install", "npm test", "fusebox test ."],
};

const PYTHON: Language = Language {
    name: "python",
    files: &[
        ("action.py", include_str!("python/action.py.txt")),
        ("test_action.py", include_str!("python/test_action.py.txt")),
        ("requirements.txt", include_str!("python/requirements.txt.txt")),
        ("README.md", include_str!("python/README.md.txt")),
        SAMPLE,
        (".gitignore", "/*.wasm\n/dist\n/.venv\n__pycache__\n"),
    ],
    sdk: Some(Sdk {
        folder: "guest-sdk/python",
        local: |folder| format!("@ file://{}", folder.display()),
        published: |version| format!("== {version}"),
    }),
    next: &[
        "python3 -m venv .venv && . .venv/bin/activate && pip install -r requirements.txt",
        "python -m unittest",
        "fusebox test .",
    ],
};

/// In the order in which they are told.
pub(super) const LANGUAGES: &[Language] = &[RUST, JAVASCRIPT, TYPESCRIPT, PYTHON, GO, C, ZIG, ASSEMBLYSCRIPT];

pub(super) fn language(name: &str) -> Option<&'static Language> {
    LANGUAGES.iter().find(|language| language.name == name)
}
