//! Compiling an upload: in a child process of the same binary with limits of its own, so that a component made to
//! break a compiler breaks only that.

use super::engine;
use super::guest;
use super::host;
use super::inspect::{self, Facts, Refusal};
use super::wrap;
use bytes::Bytes;
use rustix::process::{Resource, Rlimit, setrlimit};
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use wasmparser::Parser;
use wasmtime::component::{Component, Linker};

/// What compiling one upload may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompileLimits {
    /// Size of the upload, in bytes of either format.
    pub size_bytes: u64,
    /// Address space of the child.
    pub memory_bytes: u64,
    /// Processor time of the child, summed over its threads.
    pub cpu_s: u64,
    /// Wall time of the child. It yields to all others, so that it is to be a multiple of the processor time.
    pub timeout_ms: u64,
}

/// The hidden subcommand that is the child.
pub const SUBCOMMAND: &str = "compile-module";

/// Threads of one child. More would compile a lone upload faster and starve running guests; and each takes address space.
const THREADS_MAX: usize = 4;
/// The child yields to everything that serves requests.
const NICENESS: i32 = 10;
/// An artifact is about three times the code it is made from.
const ARTIFACT_BYTES_MAX: u64 = 1 << 30;
/// The report names imports and exports, which the upload chooses.
const REPORT_BYTES_MAX: u64 = 4 << 20;
const COMPLAINT_BYTES_MAX: u64 = 4 << 10;

/// What the child is told, as JSON in its one argument.
#[derive(Serialize, Deserialize)]
struct Order {
    /// Where the artifact goes.
    artifact: PathBuf,
    /// Where the binary form goes when the upload is a text.
    binary: PathBuf,
    memory_bytes_max: u64,
    limits: CompileLimits,
}

/// What the child answers, as JSON on its standard output.
#[derive(Serialize, Deserialize)]
struct Report {
    facts: Facts,
    /// Whether the upload was a text, so that its binary form was written.
    from_text: bool,
}

/// A compiler that did not do its work, for no fault of the upload.
#[derive(Debug, thiserror::Error)]
pub(super) enum CompileError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("the compiling process could not be run: {0}")]
    Process(#[from] io::Error),
    #[error("the compiling process ended with {status}: {complaint}")]
    Crashed { status: ExitStatus, complaint: String },
}

/// Starts children.
pub(super) struct Compiler {
    pub(super) program: PathBuf,
    pub(super) limits: CompileLimits,
    pub(super) memory_bytes_max: u64,
}

pub(super) struct Compiled {
    pub(super) facts: Facts,
    pub(super) from_text: bool,
}

impl Compiler {
    /// Compiles `upload` into the file `artifact`; its binary form goes to `binary` if it is a text.
    /// Dropping the future ends the child.
    pub(super) async fn run(&self, upload: &Bytes, artifact: &Path, binary: &Path) -> Result<Compiled, CompileError> {
        let order = Order {
            artifact: artifact.to_owned(),
            binary: binary.to_owned(),
            memory_bytes_max: self.memory_bytes_max,
            limits: self.limits,
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
        let mut child = Command::new(&self.program)
            .arg(SUBCOMMAND)
            .arg(serde_json::to_string(&order).map_err(io::Error::other)?)
            .env_clear()
            .env("RAYON_NUM_THREADS", threads.to_string())
            // KiB. The allocator would reserve a gigabyte of the address space at once, out of what the child may have.
            .env("MIMALLOC_ARENA_RESERVE", "65536")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let timeout = Duration::from_millis(self.limits.timeout_ms);
        let Ok(ended) = tokio::time::timeout(timeout, talk(&mut child, upload)).await else {
            child.kill().await?;
            return Err(self.too_costly(format!("it took more than {} ms", self.limits.timeout_ms)));
        };
        let (status, report, complaint) = ended?;
        if !status.success() {
            return Err(self.cause(status, &complaint));
        }
        let report: Result<Report, Refusal> = serde_json::from_slice(&report).map_err(io::Error::other)?;
        let Report { facts, from_text } = report?;
        Ok(Compiled { facts, from_text })
    }

    /// Why the child broke: for the upload's demands, or for a reason of its own.
    fn cause(&self, status: ExitStatus, complaint: &[u8]) -> CompileError {
        use std::os::unix::process::ExitStatusExt as _;
        let complaint = String::from_utf8_lossy(complaint).into_owned();
        let signal = status.signal().and_then(rustix::process::Signal::from_named_raw);
        if signal == Some(rustix::process::Signal::XCPU) || signal == Some(rustix::process::Signal::KILL) {
            return self.too_costly(format!("it took more than {} s of processor time", self.limits.cpu_s));
        }
        // What the allocator and the mapping of memory say when there is no more, in Rust and in the C library.
        let out_of_memory = ["memory allocation of", "Cannot allocate memory", "out of memory"];
        if out_of_memory.iter().any(|words| complaint.contains(words)) {
            return self.too_costly(format!("it took more than {} bytes of memory", self.limits.memory_bytes));
        }
        if signal.is_some() {
            return self.too_costly(format!("the compiler broke off ({status})"));
        }
        CompileError::Crashed { status, complaint }
    }

    fn too_costly(&self, message: String) -> CompileError {
        CompileError::Refused(Refusal::NotCompiled(message))
    }
}

/// Hands the upload over and reads the answer, all at once lest either side waits for the other.
pub(super) async fn talk(child: &mut Child, upload: &[u8]) -> io::Result<(ExitStatus, Vec<u8>, Vec<u8>)> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let write = async {
        if let Some(mut stdin) = stdin {
            // A child that refuses early does not read to the end.
            let _ = stdin.write_all(upload).await;
        }
    };
    let ((), report, complaint) =
        tokio::join!(write, read(stdout, REPORT_BYTES_MAX), read(stderr, COMPLAINT_BYTES_MAX));
    Ok((child.wait().await?, report?, complaint?))
}

/// Keeps up to `bytes_max` and lets the rest go by, so that the child is never blocked.
async fn read(pipe: Option<impl tokio::io::AsyncRead + Unpin>, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    if let Some(pipe) = pipe {
        let mut pipe = pipe.take(bytes_max);
        pipe.read_to_end(&mut kept).await?;
        tokio::io::copy(&mut pipe.into_inner(), &mut tokio::io::sink()).await?;
    }
    Ok(kept)
}

/// The child's whole life: limits itself, reads an upload, writes an artifact and a report.
///
/// `order` is the argument after [`SUBCOMMAND`].
///
/// # Errors
/// The order is not one, or a file cannot be written. An upload that is refused is a report, not an error.
pub fn compile_child(order: &str, upload: impl Read, mut report: impl Write) -> io::Result<()> {
    let order: Order = serde_json::from_str(order)?;
    limit_self(&order.limits)?;
    let mut bytes = Vec::new();
    upload.take(order.limits.size_bytes).read_to_end(&mut bytes)?;
    let reported = match compile(&bytes, order.memory_bytes_max) {
        Ok((facts, artifact, binary)) => {
            std::fs::write(&order.artifact, artifact)?;
            if let Some(binary) = &binary {
                std::fs::write(&order.binary, binary)?;
            }
            Ok(Report { facts, from_text: binary.is_some() })
        }
        Err(refusal) => Err(refusal),
    };
    serde_json::to_writer(&mut report, &reported)?;
    report.flush()
}

pub(super) fn limit_self(limits: &CompileLimits) -> io::Result<()> {
    let both = |limit| Rlimit { current: Some(limit), maximum: Some(limit) };
    setrlimit(Resource::As, both(limits.memory_bytes))?;
    // The soft limit is a signal that says what happened, the hard one a second later cannot be caught.
    setrlimit(Resource::Cpu, Rlimit { current: Some(limits.cpu_s), maximum: Some(limits.cpu_s + 1) })?;
    setrlimit(Resource::Fsize, both(ARTIFACT_BYTES_MAX))?;
    setrlimit(Resource::Core, both(0))?;
    rustix::process::nice(NICENESS)?;
    Ok(())
}

type Made = (Facts, Vec<u8>, Option<Vec<u8>>);

fn compile(upload: &[u8], memory_bytes_max: u64) -> Result<Made, Refusal> {
    let binary = binary(upload)?;
    let wasm = binary.as_deref().unwrap_or(upload);
    let broken = |error: wasmtime::Error| Refusal::NotCompiled(format!("{error:#}"));
    let engine = engine::compiling().map_err(broken)?;
    let features = engine.get_wasm_features();
    let wrapped = Parser::is_core_wasm(wasm).then(|| wrap::wrap(wasm, features)).transpose()?;
    let wasm = wrapped.as_ref().map_or(wasm, |wrapped| &wrapped.component);
    let mut facts = inspect::inspect(wasm, features, memory_bytes_max)?;
    facts.wrapped = wrapped.as_ref().map(|wrapped| wrapped.how.clone());
    let component = Component::from_binary(&engine, wasm).map_err(broken)?;
    let mut linker = Linker::new(&engine);
    host::offer(&mut linker).map_err(broken)?;
    linker.instantiate_pre(&component).map_err(|error| import_type(&error))?;
    guest::check_exports(&component, facts.kind)?;
    let artifact = component.serialize().map_err(broken)?;
    Ok((facts, artifact, binary))
}

/// The binary form of a text, `None` of what is binary already.
fn binary(upload: &[u8]) -> Result<Option<Vec<u8>>, Refusal> {
    if upload.starts_with(b"\0asm") {
        return Ok(None);
    }
    let Ok(text) = std::str::from_utf8(upload) else {
        return Err(Refusal::Malformed("it starts neither like the binary format nor like a text".to_owned()));
    };
    wat::parse_str(text).map(Some).map_err(|error| Refusal::Malformed(shortened(&error.to_string())))
}

/// Characters shown of one line of a message, which quotes the line of the text.
const LINE_CHARS_MAX: usize = 200;
const LINES_MAX: usize = 8;

fn shortened(message: &str) -> String {
    let line = |line: &str| line.chars().take(LINE_CHARS_MAX).collect::<String>();
    message.lines().take(LINES_MAX).map(line).collect::<Vec<_>>().join("\n")
}

/// The linker names the import in the outermost of its messages, in backticks.
fn import_type(error: &wasmtime::Error) -> Refusal {
    let import = error.to_string().split('`').nth(1).unwrap_or_default().to_owned();
    Refusal::ImportType { import, message: format!("{:#}", error.root_cause()) }
}
