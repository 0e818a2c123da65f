//! One attempt: a fresh store and instance, all limits on, gone at the end.

use super::engine::FUEL_SLICE;
use super::failure::{self, Stop};
use super::host::{Around, HostServices, Journal, Network, State};
use super::limits::Limiter;
use super::prepared::Prepared;
use crate::domain::{Context, Effects, Ending, KvSize, Limits, Reason, Usage};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use wasmtime::Store;

/// What to run a prepared component with.
pub struct Invocation {
    pub context: Context,
    pub host: Arc<dyn HostServices>,
}

/// How an attempt ended and what it used.
#[derive(Debug, PartialEq, Eq)]
pub struct Attempted {
    pub ending: Ending,
    pub usage: Usage,
    /// What it wants done, if it returned an outcome and wants something.
    pub effects: Option<Box<Effects>>,
}

/// Handles of components and resources that a guest can hold at once.
const HANDLES_MAX: usize = 2_000;
/// The longest value and key that the host keeps; a list of bytes counts more than its bytes.
const VALUE_BYTES: u64 = 2 * (KvSize::VALUE_BYTES_MAX + KvSize::KEY_BYTES_MAX) as u64;
/// Beyond that, and twice the output (a string can be UTF-16 in the guest), and what it may send in bodies, what the host
/// copies in one call.
const HOSTCALL_BYTES: u64 = 64 << 10;

/// Runs one attempt when one of `slots` is free. Dropping the future ends the attempt and frees all it had.
pub(super) async fn invoke(
    prepared: Prepared,
    invocation: Invocation,
    (slots, network): (Arc<Semaphore>, Arc<Network>),
) -> Attempted {
    // The semaphore is never closed; without a permit the pool would answer with an error instead of waiting.
    let _slot = slots.acquire().await;
    let started = Instant::now();
    let mut processor = Processor::default();
    let mut attempt = pin!(attempt(&prepared, &invocation, (network, started)));
    let mut attempted = std::future::poll_fn(|task| processor.time(|| attempt.as_mut().poll(task))).await;
    attempted.usage.wall_us = us(started.elapsed());
    attempted.usage.cpu_us = us(processor.spent);
    attempted
}

async fn attempt(
    prepared: &Prepared,
    Invocation { context, host }: &Invocation,
    (network, started): (Arc<Network>, Instant),
) -> Attempted {
    let limits = &context.limits;
    let journal = Arc::new(Journal::new(Arc::clone(host), limits.log_bytes));
    let around = Around { network, started };
    let state = State::new(Limiter::new(limits.memory_bytes), Arc::clone(&journal), context, around);
    let mut store = Store::new(prepared.engine(), state);
    let ending = match limited(&mut store, limits, prepared) {
        Ok(()) => {
            let timeout = Duration::from_millis(limits.timeout_ms);
            match tokio::time::timeout(timeout, prepared.guest().run(&mut store, prepared.program(), context)).await {
                Ok(Ok(ending)) => Ok(ending),
                Ok(Err(error)) => Err(failure::read(&error, store.data(), limits)),
                Err(_) => Err(timed_out(limits)),
            }
        }
        Err(error) => Err(failure::read(&error, store.data(), limits)),
    };
    let ending = ending.unwrap_or_else(|Stop { reason, message }| Ending::Broken { reason, message });
    let (http_calls, http_bytes) = store.data().http_used();
    let usage = Usage {
        fuel: limits.fuel.saturating_sub(store.get_fuel().unwrap_or(0)),
        memory_bytes: store.data().limiter.memory_bytes(),
        output_bytes: store.data().output_bytes,
        log_bytes: journal.finish(),
        http_calls,
        http_bytes,
        kv_bytes: store.data().kv_bytes,
        emitted_events: store.data().effects.as_ref().map_or(0, |effects| effects.events.len() as u64),
        ..Usage::default()
    };
    let effects = store.data_mut().effects.take().filter(|_| matches!(ending, Ending::Outcome(_)));
    Attempted { ending, usage, effects }
}

/// Puts the limits on a store that nothing ran in yet. In one call it can pass on as much as its output, or a value, and the
/// body of a request.
pub(super) fn limited(store: &mut Store<State>, limits: &Limits, prepared: &Prepared) -> wasmtime::Result<()> {
    store.limiter(|state| &mut state.limiter);
    store.set_fuel(limits.fuel)?;
    store.fuel_async_yield_interval(Some(FUEL_SLICE))?;
    let values = if prepared.reaches_further() { VALUE_BYTES } else { 0 };
    let bodies = if prepared.hands_bodies_over() { limits.http_bytes } else { 0 };
    let copied =
        limits.output_bytes.saturating_mul(2).max(values).saturating_add(HOSTCALL_BYTES).saturating_add(bodies);
    store.set_hostcall_fuel(usize::try_from(copied).unwrap_or(usize::MAX));
    store.set_max_component_handles(HANDLES_MAX);
    Ok(())
}

pub(super) fn timed_out(limits: &Limits) -> Stop {
    let message = format!("was not done after {} ms, its time limit", limits.timeout_ms);
    Stop { reason: Reason::Timeout, message }
}

/// Time on a processor. Most attempts are over after one poll, a matter of microseconds, for which two system calls to
/// ask the thread's own clock are too dear: the first poll, which a slice of fuel bounds, is timed by the wall clock.
#[derive(Default)]
struct Processor {
    spent: Duration,
    polled: bool,
}

impl Processor {
    fn time<T>(&mut self, poll: impl FnOnce() -> T) -> T {
        if !std::mem::replace(&mut self.polled, true) {
            let started = Instant::now();
            let result = poll();
            self.spent += started.elapsed();
            return result;
        }
        let started = thread_time();
        let result = poll();
        self.spent += thread_time().saturating_sub(started);
        result
    }
}

fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

fn us(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
