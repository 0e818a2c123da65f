//! TypeScript: its types are taken out, in a child process of the same binary with limits of its own, so that a source made
//! to break a parser breaks only that. Everything else stays where it was: lines and columns are the author's.

use super::compile::{CompileLimits, limit_self, talk};
use super::{CheckError, Sandbox};
use crate::domain::{CODE_BYTES_MAX, Reason, SourceFault};
use std::io::{self, Read, Write};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use swc_common::errors::{DiagnosticBuilder, Emitter, HANDLER, Handler};
use swc_common::sync::Lrc;
use swc_common::{FileName, SourceMap};
use swc_ts_fast_strip::{ErrorCode, Options, operate};
use tokio::process::Command;

/// The hidden subcommand that is the child.
pub const SUBCOMMAND: &str = "strip-types";

/// A source of the largest size takes a tenth of a second.
const LIMITS: CompileLimits =
    CompileLimits { size_bytes: CODE_BYTES_MAX as u64, memory_bytes: 2 << 30, cpu_s: 10, timeout_ms: 15_000 };
/// What the child's parser may recurse on; deeper nesting than fits is refused.
const STACK_BYTES: usize = 64 << 20;

impl Sandbox {
    /// The JavaScript that some TypeScript is without its types; an error when it is none, or has what is more than types.
    pub(super) async fn strip_types(&self, code: Arc<str>) -> Result<String, CheckError> {
        // The semaphore is never closed.
        let _checking = self.0.checking.acquire().await;
        let failed = |error: io::Error| CheckError::Failed(format!("the process that takes types out: {error}"));
        let mut child = Command::new(&self.0.compiler.program)
            .arg(SUBCOMMAND)
            .env_clear()
            // KiB. The allocator would reserve a gigabyte of the address space at once, out of what the child may have.
            .env("MIMALLOC_ARENA_RESERVE", "65536")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let timeout = Duration::from_millis(LIMITS.timeout_ms);
        let Ok(ended) = tokio::time::timeout(timeout, talk(&mut child, code.as_bytes())).await else {
            child.kill().await.map_err(failed)?;
            return Err(too_costly(&format!("it took more than {} ms", LIMITS.timeout_ms)));
        };
        let (status, report, complaint) = ended.map_err(failed)?;
        if !status.success() {
            return Err(cause(status, &complaint));
        }
        let report: Result<String, Vec<SourceFault>> =
            serde_json::from_slice(&report).map_err(|error| failed(error.into()))?;
        report.map_err(CheckError::Faults)
    }
}

fn cause(status: ExitStatus, complaint: &[u8]) -> CheckError {
    use std::os::unix::process::ExitStatusExt as _;
    if status.signal().is_some() {
        return too_costly("the parser broke off; it may be nested too deeply");
    }
    CheckError::Failed(format!("taking types out ended with {status}: {}", String::from_utf8_lossy(complaint)))
}

fn too_costly(what: &str) -> CheckError {
    CheckError::Broken { reason: Reason::Denied, message: format!("could not take its types out: {what}") }
}

/// The child's whole life: limits itself, reads TypeScript, writes JavaScript or what is wrong, as JSON.
///
/// # Errors
/// The source is no text, or the answer cannot be written. A source that is refused is an answer.
pub fn strip_child(source: impl Read, mut report: impl Write) -> io::Result<()> {
    limit_self(&LIMITS)?;
    let mut code = String::new();
    source.take(LIMITS.size_bytes).read_to_string(&mut code)?;
    let stripping = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || stripped(code))?;
    let broken = |_| Err(vec![SourceFault { message: "the parser broke off".to_owned(), line: 0, column: 0 }]);
    let stripped: Result<String, Vec<SourceFault>> = stripping.join().unwrap_or_else(broken);
    serde_json::to_writer(&mut report, &stripped)?;
    report.flush()
}

fn stripped(code: String) -> Result<String, Vec<SourceFault>> {
    let map: Lrc<SourceMap> = Lrc::default();
    let faults = Arc::new(Mutex::new(Vec::new()));
    let emitter = Collecting { map: Lrc::clone(&map), faults: Arc::clone(&faults) };
    let handler = Handler::with_emitter(true, false, Box::new(emitter));
    let options = Options { module: Some(true), filename: Some("action.ts".to_owned()), ..Options::default() };
    let done = HANDLER.set(&handler, || operate(&map, &handler, code, options));
    let faults = std::mem::take(&mut *faults.lock().unwrap_or_else(PoisonError::into_inner));
    match done {
        Ok(output) if faults.is_empty() => Ok(output.code),
        Err(error) if faults.is_empty() => Err(vec![SourceFault { message: error.message, line: 0, column: 0 }]),
        Err(error) if matches!(error.code, ErrorCode::UnsupportedSyntax) => {
            Err(faults.into_iter().map(explained).collect())
        }
        _ => Err(faults),
    }
}

/// What is more than types is not taken out: say so.
fn explained(fault: SourceFault) -> SourceFault {
    let message = format!(
        "{}: types are taken out, and nothing is compiled; what would have to be (enum, namespace with values, parameter \
         properties) is written as JavaScript",
        fault.message.trim_end_matches('.')
    );
    SourceFault { message, ..fault }
}

/// Keeps what is wrong instead of printing it.
struct Collecting {
    map: Lrc<SourceMap>,
    faults: Arc<Mutex<Vec<SourceFault>>>,
}

impl Emitter for Collecting {
    fn emit(&mut self, diagnostic: &mut DiagnosticBuilder<'_>) {
        let place = diagnostic.span.primary_span().map(|span| self.map.lookup_char_pos(span.lo()));
        let place = place.filter(|place| matches!(&*place.file.name, FileName::Real(_)));
        let (line, column) = place.map_or((0, 0), |place| (place.line, place.col.0 + 1));
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let fault = SourceFault { message: diagnostic.message(), line: number(line), column: number(column) };
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).push(fault);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strip(code: &str) -> Result<String, Vec<SourceFault>> {
        stripped(code.to_owned())
    }

    #[test]
    fn types_are_taken_out_and_everything_else_stays_where_it_was() {
        let code =
            "interface Booking { id: string }\nexport default (payload: Booking): string => payload.id as string;\n";
        let stripped = strip(code).unwrap();
        assert_eq!(stripped.len(), code.len());
        let place = |text: &str| text.lines().nth(1).and_then(|line| line.find("=> payload.id"));
        assert!(!stripped.contains("Booking") && !stripped.contains("string"), "{stripped}");
        assert_eq!(place(&stripped), place(code));
    }

    #[test]
    fn what_is_no_typescript_is_told_with_its_place() {
        let faults = strip("export default () => 1;\nlet ä: = 2;\n").unwrap_err();
        assert_eq!((faults[0].line, faults[0].column), (2, 8), "{faults:?}");
    }

    #[test]
    fn what_is_more_than_types_is_refused_in_words() {
        for (code, what) in [
            ("enum Colour { Red }\nexport default () => Colour.Red;", "enum"),
            ("namespace Places { export const here = 1 }\nexport default () => 1;", "namespace"),
            ("class A { constructor(private a: string) {} }\nexport default () => 1;", "parameter propert"),
        ] {
            let faults = strip(code).unwrap_err();
            let message = faults[0].message.to_lowercase();
            assert!(message.contains(what) && message.contains("javascript"), "{faults:?}");
            assert_eq!(faults[0].line, 1, "{faults:?}");
        }
    }
}
