//! What a running guest can reach: one file per interface. Everything else is not there.

mod budget;
mod emit;
mod http;
mod journal;
mod kv;
mod log;
mod stdio;
mod wasi;

pub(super) use budget::INTERFACE as BUDGET;
pub(super) use emit::INTERFACE as EMIT;
pub use http::{Answering, Names, Peers};
pub(super) use http::{INTERFACE as HTTP, Network, WASI_INTERFACE as WASI_HTTP};
pub(super) use journal::Journal;
pub(super) use kv::INTERFACE as KV;
pub(super) use stdio::Printout;

use super::engine::FUEL_SLICE;
use super::failure::Stop;
use super::limits::Limiter;
use crate::domain::{
    Context, Effects, Emitted, HttpCall, KvEntry, KvKept, KvScope, Limits, LogLine, Reach, Reason, Timestamp,
};
use bytes::Bytes;
use http::Http;
use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;
use stdio::Pipes;
use wasi::Wasi;
use wasmtime::component::Linker;
use wasmtime::{StoreContextMut, Trap};

/// What a running guest may ask of the layers above. Called on the thread that runs the guest: must not block. What is not
/// answered here keeps nothing and lets nothing happen.
pub trait HostServices: Send + Sync + 'static {
    /// A line the guest wrote. Lines arrive in order, within the attempt's limit, and before the attempt ends.
    fn log(&self, line: LogLine);

    fn now(&self) -> Timestamp;

    /// What the guest may reach by HTTP. Asked when it first sends a request: nowhere, unless somebody says otherwise.
    fn reach(&self) -> Reach {
        Reach::default()
    }

    /// A request that the guest sent has come to its end. They arrive in the order in which they began, before the attempt
    /// ends; the attempt's limit bounds them.
    fn http_call(&self, call: HttpCall) {
        let _ = call;
    }

    /// Whether somebody cancelled the run.
    fn is_cancelled(&self) -> bool {
        false
    }

    /// What is kept under a key, be it expired or not.
    fn find_value<'a>(&'a self, _scope: KvScope, _key: &'a str) -> Answer<'a, Option<KvEntry>> {
        Box::pin(ready(Ok(None)))
    }

    /// The first `limit` keys that begin with a prefix and come after another, in order, of what has not expired.
    fn list_keys<'a>(
        &'a self,
        _scope: KvScope,
        (_prefix, _after): (&'a str, Option<&'a str>),
        _limit: usize,
    ) -> Answer<'a, Vec<String>> {
        Box::pin(ready(Ok(Vec::new())))
    }

    /// How much the action keeps for its tenant in all, and the tenant.
    fn kept(&self) -> Answer<'_, KvKept> {
        Box::pin(ready(Ok(KvKept::default())))
    }

    /// A version that no value has had.
    fn next_version(&self) -> u64 {
        1
    }

    /// Whether the event may be fired when the attempt has succeeded, as far as that is known now.
    fn check_emitted(&self, emitted: &Emitted) -> Result<(), EmitRefusal> {
        Err(EmitRefusal::Refused(format!("there is no event type `{}` here", emitted.event_type)))
    }
}

/// An answer that may take a look at the disk.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Unavailable>> + Send + 'a>>;

/// The host cannot answer; the text says why. It ends the attempt.
#[derive(Debug)]
pub struct Unavailable(pub String);

impl From<Unavailable> for wasmtime::Error {
    fn from(unavailable: Unavailable) -> wasmtime::Error {
        let message = format!("the values of the action cannot be read: {}", unavailable.0);
        Stop { reason: Reason::Denied, message }.into()
    }
}

/// Why an event is not emitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EmitRefusal {
    Refused(String),
    Limit(String),
}

/// The host's side of one attempt, gone with it.
pub(super) struct State {
    pub(super) limiter: Limiter,
    pub(super) journal: Arc<Journal>,
    /// What the guest returned and emitted, as counted against its limit.
    pub(super) output_bytes: u64,
    /// What it wrote, counted likewise.
    pub(super) kv_bytes: u64,
    /// What is to be done when it has succeeded; made by the first call that wants something.
    pub(super) effects: Option<Box<Effects>>,
    /// How much is kept with its own writes, once it is known.
    kept: Option<KvKept>,
    limits: Limits,
    /// When the attempt is ended.
    ends_at: Timestamp,
    /// Whether an attachment made it run.
    is_attached: bool,
    seed: (u64, u64),
    around: Around,
    /// Of a command.
    pipes: Option<Pipes>,
    /// Made when the guest first calls WASI, which most never do.
    wasi: Option<Box<Wasi>>,
    /// Made when the guest first uses HTTP.
    http: Option<Box<Http>>,
    pace: Pace,
}

/// What the host functions of one attempt work with.
pub(super) struct Around {
    pub(super) network: Arc<Network>,
    pub(super) started: Instant,
}

impl State {
    /// Ends what the guest left open: streams, bodies, answers that were never given. After it ran.
    pub(super) fn close(&mut self) {
        self.wasi = None;
    }

    /// Gives the guest a standard input, and keeps what it prints to standard output. Before it runs.
    pub(super) fn pipe(&mut self, stdin: Bytes, stdout: Printout) {
        self.pipes = Some(Pipes { stdin, stdout });
    }

    pub(super) fn new(limiter: Limiter, journal: Arc<Journal>, context: &Context, around: Around) -> State {
        State {
            limiter,
            journal,
            output_bytes: 0,
            kv_bytes: 0,
            effects: None,
            kept: None,
            limits: context.limits,
            ends_at: context.now.plus_ms(context.limits.timeout_ms),
            is_attached: context.scope.is_some(),
            seed: context.seed,
            around,
            pipes: None,
            wasi: None,
            http: None,
            pace: Pace::default(),
        }
    }

    /// Calls and bytes that the guest has used by HTTP.
    pub(super) fn http_used(&self) -> (u64, u64) {
        self.http.as_ref().map_or((0, 0), |http| http.used())
    }

    fn outgoing(&mut self) -> &Http {
        let Around { network, started } = &self.around;
        let (journal, limits) = (&self.journal, &self.limits);
        self.http.get_or_insert_with(|| Box::new(Http::new(journal.services(), network, (limits, *started))))
    }

    /// Counts what the guest returned.
    ///
    /// # Errors
    /// With what it emitted it is more than its output limit.
    pub(super) fn count_output(&mut self, returned_bytes: u64) -> Result<(), Stop> {
        let (output_bytes, allowed) = (self.output_bytes.saturating_add(returned_bytes), self.limits.output_bytes);
        self.output_bytes = output_bytes.min(allowed);
        if output_bytes > allowed {
            let message = format!("returned {output_bytes} bytes, more than its output limit of {allowed}");
            return Err(Stop { reason: Reason::OutputLimit, message });
        }
        Ok(())
    }
}

/// Everything that can be offered; a component gets what it imports.
pub(super) fn offer(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasi::offer(linker)?;
    http::offer(linker)?;
    budget::offer(linker)?;
    kv::offer(linker)?;
    emit::offer(linker)?;
    log::offer(linker)
}

/// Fuel that went by without a yield, as far as the host knows.
#[derive(Debug, Default)]
struct Pace {
    fuel_left: Option<u64>,
    unyielded: u64,
}

/// Takes `fuel` for work that the host does for the guest, and yields when a slice is used up.
///
/// Setting the fuel of a store begins a new slice, so a guest that calls the host often enough would never come to the
/// end of one: the yields that it misses are made here.
async fn charge(mut store: StoreContextMut<'_, State>, fuel: u64) -> wasmtime::Result<()> {
    let before = store.get_fuel()?;
    let Some(left) = before.checked_sub(fuel) else {
        store.set_fuel(0)?;
        return Err(Trap::OutOfFuel.into());
    };
    store.set_fuel(left)?;
    let pace = &mut store.data_mut().pace;
    let computed = pace.fuel_left.replace(left).map_or(FUEL_SLICE, |last| last.saturating_sub(before));
    // A whole slice of computing ended in a yield of its own.
    pace.unyielded = if computed >= FUEL_SLICE { computed % FUEL_SLICE } else { pace.unyielded + computed } + fuel;
    if pace.unyielded >= FUEL_SLICE {
        pace.unyielded = 0;
        tokio::task::yield_now().await;
    }
    Ok(())
}
