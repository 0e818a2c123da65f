//! Time: the attempt's own, which goes on while it runs; and waiting.

use crate::bindings::wasi::clocks::monotonic_clock;
use crate::host;
use std::cell::Cell;

thread_local! {
    /// When the attempt first asked, by the clock that only measures.
    static FIRST_NS: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Milliseconds since 1970: the time of the attempt, and what has gone by since it first asked.
pub(crate) fn now_ms() -> f64 {
    // None while the component is being built.
    let Some(begun_ms) = host::begun_ms() else { return 0.0 };
    let now_ns = monotonic_clock::now();
    let first_ns = FIRST_NS.get().unwrap_or(now_ns);
    FIRST_NS.set(Some(first_ns));
    begun_ms as f64 + (now_ns.saturating_sub(first_ns) / 1_000_000) as f64
}

pub(crate) fn sleep(wait_ms: f64) {
    // A NaN is no wait; what is longer than anything is cut by the deadline.
    let wait_ns = (wait_ms * 1e6).min(1e18) as u64;
    monotonic_clock::subscribe_duration(wait_ns).block();
}

/// The one import of the engine's own C library.
#[unsafe(no_mangle)]
extern "C" fn __rquickjs_host_now_us() -> f64 {
    now_ms() * 1e3
}
