//! WASI 0.2 with nothing granted: no files, no network, no arguments, no environment. Clocks, sleeping, randomness and
//! printing work, because programs start with them.
//!
//! Functions whose work grows with what the guest passes are replaced by ones that take fuel for it: else a guest could
//! keep a thread busy for minutes between two yields, and no limit of time would end it.

use super::http::Hooks;
use super::stdio::Printed;
use super::{Journal, State, charge};
use crate::domain::LogSource;
use std::sync::Arc;
use wasmtime::component::{Linker, Resource, ResourceTable};
use wasmtime::{AsContextMut, StoreContextMut, bail};
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi::p2::bindings::io::poll::Host as _;
use wasmtime_wasi::p2::bindings::sockets::ip_name_lookup::ResolveAddressStream;
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, Network};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

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
    pub(super) http: Hooks,
}

impl Wasi {
    fn new(journal: &Arc<Journal>, (low, high): (u64, u64)) -> Wasi {
        let printed = |source| Printed { journal: Arc::clone(journal), source };
        let mut resources = ResourceTable::new();
        resources.set_max_capacity(RESOURCES_MAX);
        let context = WasiCtx::builder()
            .stdout(printed(LogSource::Stdout))
            .stderr(printed(LogSource::Stderr))
            .insecure_random_seed(u128::from(low) | u128::from(high) << 64)
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .build();
        Wasi { context, resources, http: Hooks::default() }
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
        let (journal, seed) = (&self.journal, self.seed);
        self.wasi.get_or_insert_with(|| Box::new(Wasi::new(journal, seed)))
    }
}

pub(super) fn offer(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    linker.allow_shadowing(true);
    linker
        .instance("wasi:io/poll@0.2.12")?
        .func_wrap_async("poll", |store, (pollables,): (_,)| Box::new(poll(store, pollables)))?;
    for (interface, function) in [
        ("wasi:random/random@0.2.12", "get-random-bytes"),
        ("wasi:random/insecure@0.2.12", "get-insecure-random-bytes"),
    ] {
        linker
            .instance(interface)?
            .func_wrap_async(function, |store, (len,): (u64,)| Box::new(random_bytes(store, len)))?;
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

async fn random_bytes(store: StoreContextMut<'_, State>, len: u64) -> wasmtime::Result<(Vec<u8>,)> {
    if len > RANDOM_BYTES_MAX {
        bail!("the action asks for {len} random bytes at once, of which {RANDOM_BYTES_MAX} are allowed");
    }
    charge(store, CALL_FUEL + len).await?;
    let mut bytes = vec![0; usize::try_from(len)?];
    getrandom::fill(&mut bytes)?;
    Ok((bytes,))
}
