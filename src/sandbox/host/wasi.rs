//! WASI 0.2 with nothing granted: no files, no network, no arguments, no environment. Clocks, sleeping, randomness and
//! printing work, because programs start with them.
//!
//! Functions whose work grows with what the guest passes are replaced by ones that take fuel for it: else a guest could
//! keep a thread busy for minutes between two yields, and no limit of time would end it.

use super::http::Hooks;
use super::stdio::{Pipes, Stream};
use super::{HostServices, Journal, State, charge};
use crate::domain::LogSource;
use blake3::OutputReader;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use wasmtime::component::{Linker, Resource, ResourceTable};
use wasmtime::{AsContextMut, StoreContextMut, bail};
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi::p2::bindings::io::poll::Host as _;
use wasmtime_wasi::p2::bindings::sockets::ip_name_lookup::ResolveAddressStream;
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, Network};
use wasmtime_wasi::p2::pipe::MemoryInputPipe;
use wasmtime_wasi::{HostWallClock, WasiCtx, WasiCtxView, WasiView};

/// Streams, timers and the like that a guest can hold at once.
const RESOURCES_MAX: usize = 1_000;
/// Random bytes of one call; whoever needs more calls again.
const RANDOM_BYTES_MAX: u64 = 64 << 10;
/// Things to wait for in one call.
const POLL_MAX: usize = RESOURCES_MAX;
/// Waiting for one thing more costs about as much as this much computing.
const POLL_FUEL: u64 = 500;
const CALL_FUEL: u64 = 500;

pub(super) struct Wasi {
    context: WasiCtx,
    pub(super) resources: ResourceTable,
    random: OutputReader,
    pub(super) http: Hooks,
}

impl Wasi {
    fn new(journal: &Arc<Journal>, pipes: Option<Pipes>, (low, high): (u64, u64)) -> Wasi {
        let log = |source| Stream::Log(Arc::clone(journal), source);
        let (stdin, stdout) = match pipes {
            Some(Pipes { stdin, stdout }) => (stdin, Stream::Output(stdout)),
            None => (Bytes::new(), log(LogSource::Stdout)),
        };
        let mut resources = ResourceTable::new();
        resources.set_max_capacity(RESOURCES_MAX);
        let context = WasiCtx::builder()
            .wall_clock(Wall(journal.services()))
            .stdin(MemoryInputPipe::new(stdin))
            .stdout(stdout)
            .stderr(log(LogSource::Stderr))
            .insecure_random_seed(u128::from(low) | u128::from(high) << 64)
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .build();
        Wasi { context, resources, random: random((low, high)), http: Hooks::default() }
    }
}

/// Random bytes that are as unpredictable as the seed, and the same for the same seed, so that a run can be repeated
/// exactly. The seed is 128 bits of the server's generator; whoever knows it knows what the guest drew.
fn random((low, high): (u64, u64)) -> OutputReader {
    let mut hasher = blake3::Hasher::new_derive_key("fusebox: what an attempt draws from wasi:random");
    hasher.update(&low.to_le_bytes()).update(&high.to_le_bytes());
    hasher.finalize_xof()
}

/// The time of the layers above: the machine's, or that of the run that is repeated.
struct Wall(Arc<dyn HostServices>);

impl HostWallClock for Wall {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.now().as_ms()).unwrap_or(0))
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let Wasi { context, resources, .. } = self.wasi();
        WasiCtxView { ctx: context, table: resources }
    }
}

impl State {
    pub(super) fn wasi(&mut self) -> &mut Wasi {
        let (journal, pipes, seed) = (&self.journal, &mut self.pipes, self.seed);
        self.wasi.get_or_insert_with(|| Box::new(Wasi::new(journal, pipes.take(), seed)))
    }
}

pub(super) fn offer(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    linker.allow_shadowing(true);
    linker
        .instance("wasi:io/poll@0.2.12")?
        .func_wrap_async("poll", |store, (pollables,): (_,)| Box::new(poll(store, pollables)))?;
    for (interface, bytes, number) in [
        ("wasi:random/random@0.2.12", "get-random-bytes", "get-random-u64"),
        ("wasi:random/insecure@0.2.12", "get-insecure-random-bytes", "get-insecure-random-u64"),
    ] {
        let mut interface = linker.instance(interface)?;
        interface.func_wrap_async(bytes, |store, (len,): (u64,)| Box::new(random_bytes(store, len)))?;
        interface.func_wrap_async(number, |store, (): ()| Box::new(random_number(store)))?;
    }
    linker
        .instance("wasi:sockets/ip-name-lookup@0.2.12")?
        .func_wrap_async("resolve-addresses", |store, (_, name): (Resource<Network>, String)| {
            Box::new(resolve_addresses(store, name.len()))
        })?;
    linker.allow_shadowing(false);
    Ok(())
}

async fn poll(
    mut store: StoreContextMut<'_, State>,
    pollables: Vec<Resource<DynPollable>>,
) -> wasmtime::Result<(Vec<u32>,)> {
    if pollables.len() > POLL_MAX {
        bail!("the action waits for {} things at once, of which {POLL_MAX} are allowed", pollables.len());
    }
    charge(store.as_context_mut(), CALL_FUEL + POLL_FUEL * pollables.len() as u64).await?;
    Ok((store.data_mut().ctx().table.poll(pollables).await?,))
}

type Resolved = Result<Resource<ResolveAddressStream>, ErrorCode>;

async fn resolve_addresses(store: StoreContextMut<'_, State>, name_bytes: usize) -> wasmtime::Result<(Resolved,)> {
    charge(store, CALL_FUEL + name_bytes as u64).await?;
    Ok((Err(ErrorCode::PermanentResolverFailure),))
}

async fn random_bytes(mut store: StoreContextMut<'_, State>, len: u64) -> wasmtime::Result<(Vec<u8>,)> {
    if len > RANDOM_BYTES_MAX {
        bail!("the action asks for {len} random bytes at once, of which {RANDOM_BYTES_MAX} are allowed");
    }
    charge(store.as_context_mut(), CALL_FUEL + len).await?;
    let mut bytes = vec![0; usize::try_from(len)?];
    store.data_mut().wasi().random.fill(&mut bytes);
    Ok((bytes,))
}

async fn random_number(mut store: StoreContextMut<'_, State>) -> wasmtime::Result<(u64,)> {
    charge(store.as_context_mut(), CALL_FUEL).await?;
    let mut bytes = [0; 8];
    store.data_mut().wasi().random.fill(&mut bytes);
    Ok((u64::from_le_bytes(bytes),))
}
