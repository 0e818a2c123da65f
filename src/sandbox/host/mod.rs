//! What a running guest can reach: one file per interface. Everything else is not there.

mod journal;
mod log;
mod stdio;
mod wasi;

pub(super) use journal::Journal;
pub(super) use stdio::Printout;

use super::engine::FUEL_SLICE;
use super::failure::Stop;
use super::limits::Limiter;
use crate::domain::{LogLine, Timestamp};
use bytes::Bytes;
use std::sync::Arc;
use stdio::Pipes;
use wasi::Wasi;
use wasmtime::component::Linker;
use wasmtime::{StoreContextMut, Trap};

/// What a running guest may ask of the layers above. Called on the thread that runs the guest: must not block.
pub trait HostServices: Send + Sync + 'static {
    /// A line the guest wrote. Lines arrive in order, within the attempt's limit, and before the attempt ends.
    fn log(&self, line: LogLine);

    fn now(&self) -> Timestamp;
}

/// The host's side of one attempt, gone with it.
pub(super) struct State {
    pub(super) limiter: Limiter,
    pub(super) journal: Arc<Journal>,
    /// What the guest returned, as counted against its limit.
    pub(super) output_bytes: u64,
    seed: (u64, u64),
    /// Of a command.
    pipes: Option<Pipes>,
    /// Made when the guest first calls WASI, which most never do.
    wasi: Option<Box<Wasi>>,
    pace: Pace,
}

impl State {
    pub(super) fn new(limiter: Limiter, journal: Arc<Journal>, seed: (u64, u64)) -> State {
        State { limiter, journal, output_bytes: 0, seed, pipes: None, wasi: None, pace: Pace::default() }
    }

    /// Ends what the guest left open: streams, bodies, answers that were never given. After it ran.
    pub(super) fn close(&mut self) {
        self.wasi = None;
    }

    /// Gives the guest a standard input, and keeps what it prints to standard output. Before it runs.
    pub(super) fn pipe(&mut self, stdin: Bytes, stdout: Printout) {
        self.pipes = Some(Pipes { stdin, stdout });
    }
}

/// Everything that can be offered; a component gets what it imports.
pub(super) fn offer(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasi::offer(linker)?;
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
