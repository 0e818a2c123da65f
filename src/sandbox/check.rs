//! Looking at source code when it is saved: an interpreter's `check`, under limits of its own.

use super::failure::{self, Stop};
use super::host::{Around, HostServices, Journal, State};
use super::invoke::{limited, timed_out};
use super::limits::Limiter;
use super::{Prepared, Sandbox};
use crate::domain::{
    Chain, Context, EventId, Json, LIMITS_WASM, Limits, LogLine, Reason, RunId, SourceCode, SourceFault, TenantId,
    Timestamp,
};
use bytes::Bytes;
use std::sync::Arc;
use std::time::{Duration, Instant};
use wasmtime::Store;

/// What looking at one source may take. The largest takes the interpreter of JavaScript a tenth of a second and that of Python
/// half of the fuel, which is a second; what takes longer than this is made to. Who waits for a processor has done nothing wrong.
const CHECK: Limits = Limits {
    fuel: 10_000_000_000,
    memory_bytes: 256 << 20,
    timeout_ms: 60_000,
    output_bytes: 8 << 20,
    log_bytes: 64 << 10,
    ..LIMITS_WASM
};
/// Sources that are looked at at once; the others wait.
pub(super) const CHECKING_MAX: usize = 4;
/// Faults that are passed on, and characters of each: people mend the first ones first.
const FAULTS_MAX: usize = 20;
const FAULT_CHARS_MAX: usize = 1_000;

/// Why there is no program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// The author's to mend; at least one.
    #[error("{}", .0.first().map_or("", |fault| fault.message.as_str()))]
    Faults(Vec<SourceFault>),
    /// The interpreter did not come to an end of it.
    #[error("it could not be looked at: the interpreter {message}")]
    Broken { reason: Reason, message: String },
    /// The operator's to mend.
    #[error("{0}")]
    Failed(String),
}

impl Sandbox {
    /// Has an interpreter look at source code, which is not run: of TypeScript at what is left without its types. What comes
    /// out is for [`Prepared::with_program`].
    ///
    /// # Errors
    /// See [`CheckError`].
    pub async fn compile_source(&self, interpreter: &Prepared, source: &SourceCode) -> Result<Bytes, CheckError> {
        if !source.language.is_typescript() {
            return self.check(interpreter, &source.code).await;
        }
        let code = self.strip_types(Arc::clone(&source.code)).await?;
        self.check(interpreter, &code).await
    }

    async fn check(&self, interpreter: &Prepared, code: &str) -> Result<Bytes, CheckError> {
        // Neither semaphore is ever closed.
        let _checking = self.0.checking.acquire().await;
        let _slot = self.0.slots.acquire().await;
        let context = context();
        let journal = Arc::new(Journal::new(Arc::new(Silent), CHECK.log_bytes));
        let around = Around { network: Arc::clone(&self.0.network), started: Instant::now() };
        let state = State::new(Limiter::new(CHECK.memory_bytes), journal, &context, around);
        let mut store = Store::new(interpreter.engine(), state);
        let broken = |Stop { reason, message }| CheckError::Broken { reason, message };
        limited(&mut store, &CHECK, interpreter)
            .map_err(|error| broken(failure::read(&error, store.data(), &CHECK)))?;
        let timeout = Duration::from_millis(CHECK.timeout_ms);
        match tokio::time::timeout(timeout, interpreter.guest().check(&mut store, code)).await {
            Ok(Ok(Ok(program))) => bounded(program),
            Ok(Ok(Err(faults))) => Err(CheckError::Faults(readable(faults))),
            Ok(Err(error)) => Err(broken(failure::read(&error, store.data(), &CHECK))),
            Err(_) => Err(broken(timed_out(&CHECK))),
        }
    }
}

fn bounded(program: Vec<u8>) -> Result<Bytes, CheckError> {
    if program.len() as u64 > CHECK.output_bytes {
        let message = format!("made {} bytes of it, more than {} allowed", program.len(), CHECK.output_bytes);
        return Err(CheckError::Broken { reason: Reason::OutputLimit, message });
    }
    Ok(program.into())
}

/// As many as anybody reads, and not none.
fn readable(faults: Vec<SourceFault>) -> Vec<SourceFault> {
    if faults.is_empty() {
        let message = "the interpreter does not take it, and does not say why".to_owned();
        return vec![SourceFault { message, line: 0, column: 0 }];
    }
    let short =
        |fault: SourceFault| SourceFault { message: fault.message.chars().take(FAULT_CHARS_MAX).collect(), ..fault };
    faults.into_iter().take(FAULTS_MAX).map(short).collect()
}

/// What is told to whoever asks while nothing runs.
fn context() -> Context {
    let event_id = EventId::from_bytes([0; 16]);
    Context {
        run_id: RunId::from_bytes([0; 16]),
        attempt: 1,
        event_id,
        trigger: String::new(),
        event_time: Timestamp::from_ms(0),
        tenant: TenantId::shared(),
        object: None,
        scope: None,
        payload: Json::empty_object(),
        params: Json::empty_object(),
        input: Json::empty_object(),
        chain: Chain { root: event_id, parent: None, depth: 0, parent_outcome: None },
        limits: CHECK,
        now: Timestamp::from_ms(0),
        seed: (0, 0),
    }
}

/// Nobody reads what an interpreter logs while it looks at something.
struct Silent;

impl HostServices for Silent {
    fn log(&self, _: LogLine) {}

    fn now(&self) -> Timestamp {
        Timestamp::from_ms(0)
    }
}
