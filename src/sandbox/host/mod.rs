//! What a running guest can reach: one file per interface. Everything else is not there.

mod http;
mod journal;
mod log;
mod stdio;
mod wasi;

pub(super) use http::{INTERFACE as HTTP, Network};
pub use http::{Names, Peers};
pub(super) use journal::Journal;

use super::engine::FUEL_SLICE;
use super::failure::Stop;
use super::limits::Limiter;
use crate::domain::{HttpCall, Limits, LogLine, Reach, Timestamp};
use http::Http;
use std::sync::Arc;
use std::time::Instant;
use wasi::Wasi;
use wasmtime::component::Linker;
use wasmtime::{StoreContextMut, Trap};

/// What a running guest may ask of the layers above. Called on the thread that runs the guest: must not block.
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
}

/// The host's side of one attempt, gone with it.
pub(super) struct State {
    pub(super) limiter: Limiter,
    pub(super) journal: Arc<Journal>,
    /// What the guest returned, as counted against its limit.
    pub(super) output_bytes: u64,
    seed: (u64, u64),
    around: Around,
    /// Made when the guest first calls WASI, which most never do.
    wasi: Option<Box<Wasi>>,
    /// Made when the guest first uses HTTP.
    http: Option<Box<Http>>,
    pace: Pace,
}

/// What the host functions of one attempt work with.
pub(super) struct Around {
    pub(super) services: Arc<dyn HostServices>,
    pub(super) network: Arc<Network>,
    pub(super) limits: Limits,
    pub(super) started: Instant,
}

impl State {
    pub(super) fn new(limiter: Limiter, journal: Arc<Journal>, seed: (u64, u64), around: Around) -> State {
        State { limiter, journal, output_bytes: 0, seed, around, wasi: None, http: None, pace: Pace::default() }
    }

    /// Calls and bytes that the guest has used by HTTP.
    pub(super) fn http_used(&self) -> (u64, u64) {
        self.http.as_ref().map_or((0, 0), |http| http.used())
    }

    fn outgoing(&mut self) -> &Http {
        let Around { services, network, limits, started } = &self.around;
        self.http.get_or_insert_with(|| Box::new(Http::new(services, network, (limits, *started))))
    }
}

/// Everything that can be offered; a component gets what it imports.
pub(super) fn offer(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasi::offer(linker)?;
    http::offer(linker)?;
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
