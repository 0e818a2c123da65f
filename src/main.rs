//! The `fusebox` program: see `fusebox --help`.

use std::process::ExitCode;

/// Measured on the path of an event: many small allocations by several threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    fusebox::cli::run()
}
