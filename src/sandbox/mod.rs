//! Wasmtime behind one call: an upload is inspected and compiled, a component is prepared, an attempt is invoked.
//!
//! Every limit of `domain::Limits` holds for every attempt, and compiling has limits of its own. What a guest can reach
//! is in `host`; what it asks of the layers above goes through [`HostServices`]. Knows the domain; knows nothing of
//! runs and events, of the store, of HTTP. Needs a Tokio runtime with time and I/O.

mod bindings;
mod cache;
mod check;
mod compile;
mod engine;
mod failure;
mod guest;
mod host;
mod inspect;
mod invoke;
mod limits;
mod prepared;
mod preview1;
mod strip;
mod wrap;

pub use check::CheckError;
pub use compile::{CompileLimits, SUBCOMMAND, compile_child};
pub use host::{Answer, Answering, EmitRefusal, HostServices, Names, Peers, Unavailable};
pub use inspect::Refusal;
pub use invoke::{Attempted, Invocation};
pub use prepared::Prepared;
pub use strip::{SUBCOMMAND as STRIP_SUBCOMMAND, strip_child};

use crate::domain::{Digest, Kind, LIMITS_MAX, Permission};
use bytes::Bytes;
use cache::{Artifacts, LoadError};
use compile::{CompileError, Compiled, Compiler};
use host::{Network, State};
use inspect::Facts;
use prepared::Shelf;
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;
use wasmtime::Engine;
use wasmtime::component::Linker;

/// What is fixed when the server starts.
#[derive(Clone, Debug)]
pub struct Config {
    /// The folder of compiled components; made if it is not there.
    pub artifacts: PathBuf,
    /// Kept outside that folder: who has it can make artifacts that are loaded.
    pub artifact_key: [u8; 32],
    /// The `fusebox` binary, for its subcommand [`SUBCOMMAND`].
    pub compiler: PathBuf,
    pub compile: CompileLimits,
    /// Instances at once.
    pub concurrency: u32,
    /// The widest memory limit of any attempt, in bytes: a component that starts with more is refused.
    pub memory_bytes_max: u64,
    /// Components kept in memory, ready to run.
    pub prepared_max: usize,
    /// How guests find and trust those whom they send HTTP requests to.
    pub peers: Peers,
}

impl Config {
    /// The usual settings for a place and a binary.
    pub fn new(artifacts: PathBuf, artifact_key: [u8; 32], compiler: PathBuf) -> Config {
        Config {
            artifacts,
            artifact_key,
            compiler,
            // What bounds an upload is the processor time that it takes, which is the same on a machine that is busy. The wall
            // time is for a compiler that hangs.
            compile: CompileLimits { size_bytes: 32 << 20, memory_bytes: 2 << 30, cpu_s: 90, timeout_ms: 900_000 },
            concurrency: 256,
            memory_bytes_max: LIMITS_MAX.memory_bytes,
            prepared_max: 512,
            peers: Peers::default(),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("1 to {max} instances can run at once, {asked} were asked for")]
    Concurrency { asked: u32, max: u32 },
    #[error("the folder of compiled modules: {0}")]
    Artifacts(#[from] io::Error),
    #[error("the WebAssembly engine: {0:#}")]
    Engine(String),
    #[error("the certificates that are trusted: {0}")]
    Roots(String),
}

/// Why an upload was not taken.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    #[error("the upload has {size_bytes} bytes, of which {allowed} are allowed")]
    TooLarge { size_bytes: u64, allowed: u64 },
    /// The author's to mend.
    #[error("the component was refused: {0}")]
    Refused(#[from] Refusal),
    /// Worth trying again soon.
    #[error("too many uploads are being compiled")]
    Busy,
    /// The operator's to mend.
    #[error("the component could not be compiled: {0}")]
    Failed(String),
}

/// Why a component cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// Its bytes could not be had.
    #[error("the module could not be read: {0}")]
    Wasm(Box<dyn std::error::Error + Send + Sync>),
    /// It was taken once and is not any more, for instance because limits were tightened.
    #[error("the module is no longer accepted: {0}")]
    Refused(#[from] Refusal),
    #[error("the module could not be compiled: {0}")]
    Failed(String),
}

/// What an upload is.
#[derive(Clone, PartialEq, Eq)]
pub struct Inspected {
    /// Of `wasm`.
    pub digest: Digest,
    /// The binary form, also of an upload in the text format.
    pub wasm: Bytes,
    pub kind: Kind,
    pub imports: Vec<Permission>,
    pub exports: Vec<String>,
    /// Of a core module: how a component is made of it. `wasm` stays the module.
    pub wrapped: Option<String>,
    pub size_bytes: u64,
}

/// Without the bytes, which are many.
impl fmt::Debug for Inspected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inspected { digest, wasm: _, kind, imports, exports, wrapped, size_bytes } = self;
        write!(f, "Inspected {{ {digest}, {kind:?}, {imports:?}, {exports:?}, {wrapped:?}, {size_bytes} bytes }}")
    }
}

/// Children at once; each may take what [`CompileLimits`] say.
const COMPILING_MAX: usize = 2;
/// Uploads that are being compiled or wait for it; each is in memory.
const WAITING_MAX: usize = 32;

/// A cheap handle. Everything goes when the last one does.
#[derive(Clone)]
pub struct Sandbox(Arc<Inner>);

struct Inner {
    engine: Engine,
    linker: Linker<State>,
    artifacts: Artifacts,
    compiler: Compiler,
    compiling: Semaphore,
    checking: Semaphore,
    waiting: Semaphore,
    shelf: Shelf,
    /// Who prepares a component at the moment, so that a hundred runs of one that was never used load it once.
    preparing: Mutex<HashMap<Digest, Arc<tokio::sync::Mutex<()>>>>,
    /// A place in the pool each.
    slots: Arc<Semaphore>,
    /// The way out for guests.
    network: Arc<Network>,
}

impl Sandbox {
    /// Reserves the pool and opens the folder of artifacts. Touches the disk: not for an async thread.
    ///
    /// # Errors
    /// The settings ask for more than there can be, or the folder cannot be used.
    pub fn start(config: Config) -> Result<Sandbox, StartError> {
        let Config { artifacts, artifact_key, compiler, compile, concurrency, memory_bytes_max, prepared_max, peers } =
            config;
        if !(1..=engine::CONCURRENCY_MAX).contains(&concurrency) {
            return Err(StartError::Concurrency { asked: concurrency, max: engine::CONCURRENCY_MAX });
        }
        let broken = |error: wasmtime::Error| StartError::Engine(format!("{error:#}"));
        let engine = engine::running(concurrency, memory_bytes_max).map_err(broken)?;
        let mut linker = Linker::new(&engine);
        host::offer(&mut linker).map_err(broken)?;
        Ok(Sandbox(Arc::new(Inner {
            engine,
            linker,
            artifacts: Artifacts::open(artifacts, artifact_key)?,
            compiler: Compiler { program: compiler, limits: compile, memory_bytes_max },
            compiling: Semaphore::new(COMPILING_MAX),
            checking: Semaphore::new(check::CHECKING_MAX),
            waiting: Semaphore::new(WAITING_MAX),
            shelf: Shelf::new(prepared_max.max(1)),
            preparing: Mutex::default(),
            slots: Arc::new(Semaphore::new(concurrency as usize)),
            network: Arc::new(Network::new(peers).map_err(|error| StartError::Roots(error.to_string()))?),
        })))
    }

    /// Says what an upload in either format is, and compiles it. Dropping the future ends the compiling.
    ///
    /// # Errors
    /// See [`UploadError`].
    pub async fn inspect(&self, upload: Bytes) -> Result<Inspected, UploadError> {
        let (size_bytes, allowed) = (upload.len() as u64, self.0.compiler.limits.size_bytes);
        if size_bytes > allowed {
            return Err(UploadError::TooLarge { size_bytes, allowed });
        }
        let _waiting = self.0.waiting.try_acquire().map_err(|_| UploadError::Busy)?;
        let (compiled, wasm, prepared) = self.compile(upload, None).await.map_err(|error| match error {
            CompileError::Refused(refusal) => UploadError::Refused(refusal),
            error => UploadError::Failed(error.to_string()),
        })?;
        let size_bytes = wasm.len() as u64;
        let Facts { kind, imports, exports, wrapped } = compiled.facts;
        Ok(Inspected { digest: prepared.digest(), wasm, kind, imports, exports, wrapped, size_bytes })
    }

    /// The component of `digest` if it is in memory. Takes no lock and does not wait.
    pub fn find_prepared(&self, digest: &Digest) -> Option<Prepared> {
        self.0.shelf.find(digest)
    }

    /// The component of `digest`: from memory, else its artifact, else compiled from what `wasm` gives. `wasm` is
    /// called on a thread that may block.
    ///
    /// # Errors
    /// See [`PrepareError`].
    pub async fn prepare<W>(&self, digest: Digest, wasm: W) -> Result<Prepared, PrepareError>
    where
        W: FnOnce() -> Result<Bytes, Box<dyn std::error::Error + Send + Sync>> + Send + 'static,
    {
        if let Some(prepared) = self.find_prepared(&digest) {
            return Ok(prepared);
        }
        let turn = Arc::clone(self.preparing().entry(digest).or_default());
        let _turn = turn.lock().await;
        if let Some(prepared) = self.find_prepared(&digest) {
            return Ok(prepared);
        }
        let prepared = self.load_or_compile(digest, wasm).await;
        self.preparing().remove(&digest);
        prepared
    }

    /// Forgets a component and removes its artifact. Attempts that run it go on. Touches the disk.
    ///
    /// # Errors
    /// The artifact cannot be removed.
    pub fn forget(&self, digest: &Digest) -> io::Result<()> {
        self.0.shelf.remove(digest);
        self.0.artifacts.remove(digest)
    }

    /// Runs one attempt to its end, waiting first if as many run as there is room for.
    ///
    /// The future yields every 100 to 200 µs of computing and can move between threads and runtimes between polls; a
    /// runtime in which the guest began to sleep has to live on. Dropping it ends the attempt and frees all it had.
    pub fn invoke(
        &self,
        prepared: &Prepared,
        invocation: Invocation,
    ) -> impl Future<Output = Attempted> + Send + 'static + use<> {
        let shared = (Arc::clone(&self.0.slots), Arc::clone(&self.0.network));
        invoke::invoke(prepared.clone(), invocation, shared)
    }

    fn preparing(&self) -> std::sync::MutexGuard<'_, HashMap<Digest, Arc<tokio::sync::Mutex<()>>>> {
        self.0.preparing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn load_or_compile<W>(&self, digest: Digest, wasm: W) -> Result<Prepared, PrepareError>
    where
        W: FnOnce() -> Result<Bytes, Box<dyn std::error::Error + Send + Sync>> + Send + 'static,
    {
        let inner = Arc::clone(&self.0);
        let loaded = blocking(move || match inner.load(digest) {
            Ok(prepared) => Ok(Ok(prepared)),
            Err(error) => {
                tracing::info!(module.digest = %digest, %error, "compiling a module again");
                wasm().map(Err)
            }
        });
        let wasm = match loaded.await.map_err(PrepareError::Wasm)? {
            Ok(prepared) => return Ok(prepared),
            Err(wasm) => wasm,
        };
        match self.compile(wasm, Some(digest)).await {
            Ok((_, _, prepared)) => Ok(prepared),
            Err(CompileError::Refused(refusal)) => Err(PrepareError::Refused(refusal)),
            Err(error) => Err(PrepareError::Failed(error.to_string())),
        }
    }

    /// Compiles in a child, keeps the artifact and loads it. `digest` is of `upload` if it is known.
    async fn compile(
        &self,
        upload: Bytes,
        digest: Option<Digest>,
    ) -> Result<(Compiled, Bytes, Prepared), CompileError> {
        // The semaphore is never closed.
        let _compiling = self.0.compiling.acquire().await;
        let inner = Arc::clone(&self.0);
        let (artifact, binary) =
            blocking(move || io::Result::Ok((inner.artifacts.unfinished()?, inner.artifacts.unfinished()?))).await?;
        let compiled = self.0.compiler.run(&upload, &artifact, &binary).await?;
        let inner = Arc::clone(&self.0);
        blocking(move || {
            let wasm = if compiled.from_text { Bytes::from(std::fs::read(&binary)?) } else { upload };
            let digest = digest.unwrap_or_else(|| Digest::of(&wasm));
            inner.artifacts.keep(&digest, artifact)?;
            let prepared = inner.load(digest).map_err(|error| match error {
                LoadError::Unfit(error) => CompileError::Refused(Refusal::NotCompiled(unfit(&error))),
                error => CompileError::Process(io::Error::other(error)),
            })?;
            Ok((compiled, wasm, prepared))
        })
        .await
    }
}

impl Inner {
    fn load(&self, digest: Digest) -> Result<Prepared, LoadError> {
        let component = self.artifacts.load(&self.engine, &digest)?;
        let linked = self.linker.instantiate_pre(&component).map_err(LoadError::Unfit)?;
        let guest = guest::Guest::new(linked).map_err(LoadError::Unfit)?;
        let prepared = Prepared::new(digest, self.engine.clone(), guest);
        self.shelf.put(&prepared);
        Ok(prepared)
    }
}

/// A component that is too big for a place in the pool: the engine's words but for its name of the pool.
fn unfit(error: &wasmtime::Error) -> String {
    format!("{error:#}").replace(" in the pooling allocator", "")
}

/// Runs what blocks on a thread for it. A panic in it goes on here.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}
