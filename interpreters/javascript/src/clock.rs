//! Time: the attempt's own, which goes on while it runs; and waiting.

use crate::bindings::fusebox::action::budget;
use crate::bindings::wasi::clocks::monotonic_clock;
use crate::host;

/// Milliseconds since 1970: from when the attempt ends and what is left until then.
pub(crate) fn now_ms() -> f64 {
    match host::deadline_ms() {
        Some(deadline) => deadline.saturating_sub(budget::left().time_ms) as f64,
        // The component is being built.
        None => 0.0,
    }
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
