//! `fusebox:action/budget`: what is left to the attempt, and whether it should stop.

use super::{State, charge};
use crate::sandbox::bindings::fusebox::action::budget as contract;
use wasmtime::component::Linker;
use wasmtime::{AsContextMut, StoreContextMut};

/// Who imports it sees a cancellation, and is given a moment for it.
pub(in crate::sandbox) const INTERFACE: &str = "fusebox:action/budget@0.1.0";
const CALL_FUEL: u64 = 500;

pub(super) fn offer(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut budget = linker.instance(INTERFACE)?;
    budget.func_wrap_async("left", |store, (): ()| Box::new(left(store)))?;
    budget.func_wrap_async("cancelled", |store, (): ()| Box::new(cancelled(store)))
}

async fn left(mut store: StoreContextMut<'_, State>) -> wasmtime::Result<(contract::Remaining,)> {
    charge(store.as_context_mut(), CALL_FUEL).await?;
    let (fuel, state) = (store.get_fuel()?, store.data());
    let remaining = contract::Remaining {
        fuel,
        memory_bytes: state.limits.memory_bytes.saturating_sub(state.limiter.memory_bytes()),
        time_ms: state.ends_at.ms_since(state.journal.services().now()),
        http_calls: 0,
    };
    Ok((remaining,))
}

async fn cancelled(mut store: StoreContextMut<'_, State>) -> wasmtime::Result<(bool,)> {
    charge(store.as_context_mut(), CALL_FUEL).await?;
    Ok((store.data().journal.services().is_cancelled(),))
}
