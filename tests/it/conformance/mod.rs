//! One table: what an action can do × one guest for each language and kind (`tests/conformance/README.md`). A cell is a
//! test, named `conformance::GUEST::BEHAVIOUR`; what a kind cannot do is a cell as well, which shows what happens then.
//!
//! A guest that was not built is skipped, and says so, unless `FUSEBOX_CONFORMANCE=all`, as CI has it.

mod cells;
mod guest;

use guest::Kind::{Action, Command, Reactor, Source};

/// A test for every cell of one row.
macro_rules! cells {
    ($($(#[$note:meta])* $name:literal as $row:ident: $kind:expr;)*) => { $(mod $row { cells!(@ [$(#[$note])*] $name, $kind,
        echo, unicode, large, reject, retry, trap, endless_loop, memory_hog, log, print, params, input, context,
        kv, kv_expectations, kv_of_a_failed_attempt, kv_scopes, emit, emit_of_a_failed_run, http_allowed, http_denied,
        now_and_seed, budget, cancel, output_over_the_limit, warn, chained_event, unknown
    ); })* };
    (@ $notes:tt $name:literal, $kind:expr, $($cell:ident),*) => {
        use super::guest::{Guest, Installed};
        #[allow(unused_imports, reason = "each row names one of them")]
        use super::{Action, Command, Reactor, Source};

        static GUEST: Guest = Guest { name: $name, kind: $kind, installed: std::sync::OnceLock::new() };

        $(cells!(@@ $notes $cell);)*
    };
    (@@ [$(#[$note:meta])*] $cell:ident) => {
        $(#[$note])*
        #[test]
        fn $cell() {
            if let Some(guest) = GUEST.installed() {
                let _: &Installed = guest;
                super::cells::$cell(guest);
            }
        }
    };
}

cells! {
    "rust" as rust: Action;
    "c" as c: Action;
    "zig" as zig: Action;
    "assemblyscript" as assemblyscript: Action;
    #[ignore = "large values exhaust its call stack, and what it prints as an error is lost"]
    "go" as go: Reactor;
    "javascript" as javascript: Action;
    "typescript" as typescript: Action;
    "python" as python: Action;
    "rust-command" as rust_command: Command;
    #[ignore = "it traps in the adapter when it asks the time"]
    "go-command" as go_command: Command;
    "javascript.js" as javascript_source: Source("javascript");
    "typescript.ts" as typescript_source: Source("typescript");
    #[ignore = "the interpreter of Python is not there yet"]
    "python.py" as python_source: Source("python");
}
