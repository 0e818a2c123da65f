//! One table: what an action can do × one guest for each language and kind (`tests/conformance/README.md`). A cell is a
//! test, named `conformance::GUEST::BEHAVIOUR`; what a kind cannot do is a cell as well, which shows what happens then.
//!
//! A guest that was not built is skipped, and says so, unless `FUSEBOX_CONFORMANCE=all`, as CI has it.

mod cells;
mod guest;
mod python_scripts;

/// A test for every cell of one row.
macro_rules! cells {
    ($($(#[$note:meta])* $name:literal as $row:ident: $kind:expr;)*) => { $(mod $row { cells!(@ [$(#[$note])*] $name, $kind,
        echo, unicode, large, reject, retry, trap, endless_loop, memory_hog, log, print, params, input, context,
        kv, kv_expectations, kv_of_a_failed_attempt, kv_scopes, emit, emit_of_a_failed_run, http_allowed, http_denied,
        now_and_seed, budget, cancel, output_over_the_limit, warn, chained_event, unknown
    ); })* };
    (@ $notes:tt $name:literal, $kind:expr, $($cell:ident),*) => {
        use super::guest::{Guest, Kind};

        static GUEST: Guest = Guest { name: $name, kind: $kind, installed: std::sync::OnceLock::new() };

        $(cells!(@@ $notes $cell);)*
    };
    (@@ [$(#[$note:meta])*] $cell:ident) => {
        $(#[$note])*
        #[test]
        fn $cell() {
            if let Some(guest) = GUEST.installed() {
                super::cells::$cell(guest);
            }
        }
    };
}

cells! {
    "rust" as rust: Kind::Action;
    "c" as c: Kind::Action;
    "zig" as zig: Kind::Action;
    "assemblyscript" as assemblyscript: Kind::Action;
    "go" as go: Kind::Action;
    "javascript" as javascript: Kind::Script;
    "typescript" as typescript: Kind::Script;
    "python" as python: Kind::Script;
    "rust-command" as rust_command: Kind::Program;
    "go-command" as go_command: Kind::Command;
    "handler" as handler: Kind::Handler;
    "javascript.js" as javascript_source: Kind::Source("javascript");
    "typescript.ts" as typescript_source: Kind::Source("typescript");
    "python.py" as python_source: Kind::Source("python");
}
