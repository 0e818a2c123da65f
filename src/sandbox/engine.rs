//! The one wasmtime engine: what its settings are and why. `docs/sandbox-settings.md` has the measurements.

use wasmtime::{
    Enabled, Engine, InstanceAllocationStrategy, OperatorCost, PoolingAllocationConfig, WasmBacktraceDetails,
    WasmFeatures,
};

/// Core instances in one component. Rust has 1 to 3, Go 4 to 5; interpreters linked from many libraries have more.
pub(super) const CORE_INSTANCES_MAX: u32 = 64;
/// Linear memories in one component. Toolchains make one; composed components one each.
pub(super) const MEMORIES_MAX: u32 = 4;
/// Tables in one component: one per linked program and one in the shim of lowered imports.
pub(super) const TABLES_MAX: u32 = 8;
/// Elements of all tables together: one per function that is called through a pointer.
pub(super) const TABLE_ELEMENTS_MAX: u32 = 65_536;
/// Room for an instance's globals, function references and the like: four times the engine's default.
const INSTANCE_SIZE_BYTES_MAX: usize = 4 << 20;
/// A linear memory reserves 4 GiB of address space, of which it can use as much.
pub(super) const MEMORY_BYTES_MAX: u64 = 4 << 30;

/// Wasm stack. Deep enough for interpreters, and a third of what the fiber has: host functions run on the rest.
const WASM_STACK_BYTES: usize = 512 << 10;
const FIBER_STACK_BYTES: usize = 2 << 20;

/// Memory up to this size is cleared in place when an instance is gone, instead of being given back to the system
/// and faulted in again by the next one. The pool keeps up to 100 unused places warm: at most 100 MiB.
const KEEP_RESIDENT_BYTES: usize = 1 << 20;

/// How many instances the process can hold at once: each costs address space and two or three memory mappings,
/// of which Linux allows 65,530 by default.
pub(super) const CONCURRENCY_MAX: u32 = 2_048;

/// Fuel between two yields: 30 to 250 µs of computing, as the code is fast or slow; see the measurements.
pub(super) const FUEL_SLICE: u64 = 500_000;

/// What code is compiled for. Equal in the compiling child and in the server, or artifacts do not load.
fn shared() -> wasmtime::Config {
    let mut config = wasmtime::Config::new();
    config
        .consume_fuel(true)
        .operator_cost(operator_cost())
        // Guests do not run concurrently within one instance, and the bookkeeping for it costs microseconds.
        .concurrency_support(false)
        .memory_init_cow(true)
        .max_wasm_stack(WASM_STACK_BYTES)
        .async_stack_size(FIBER_STACK_BYTES)
        // A run can be repeated exactly, also on another processor.
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        // Backtraces name functions; for offsets and source lines artifacts would hold a map of all instructions.
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .generate_address_map(false);
    // Not offered: shared memory, 64-bit memories (they need a bounds check per access), and what is not finished.
    for feature in [
        WasmFeatures::THREADS,
        WasmFeatures::SHARED_EVERYTHING_THREADS,
        WasmFeatures::MEMORY64,
        WasmFeatures::CUSTOM_PAGE_SIZES,
        WasmFeatures::STACK_SWITCHING,
        WasmFeatures::WIDE_ARITHMETIC,
        WasmFeatures::CM_ASYNC,
    ] {
        config.wasm_features(feature, false);
    }
    config
}

/// Bulk operations cost by size: a unit per byte or element, far more than they take, so that none is a cheap way to
/// keep a processor busy. A page of new memory costs more than its zeroing.
fn operator_cost() -> OperatorCost {
    let mut cost = OperatorCost::new();
    cost.variable.memory_grow_per_page = u8::MAX;
    cost
}

/// The engine of the compiling child: no pool, whose reservations would not fit its memory limit.
pub(super) fn compiling() -> wasmtime::Result<Engine> {
    Engine::new(&shared())
}

/// The engine that runs guests, with room for `concurrency` of the largest components at once.
pub(super) fn running(concurrency: u32, memory_bytes_max: u64) -> wasmtime::Result<Engine> {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(concurrency)
        .total_stacks(concurrency)
        .total_core_instances(concurrency * CORE_INSTANCES_MAX)
        .total_memories(concurrency * MEMORIES_MAX)
        .total_tables(concurrency * TABLES_MAX)
        .max_core_instances_per_component(CORE_INSTANCES_MAX)
        .max_memories_per_component(MEMORIES_MAX)
        .max_tables_per_component(TABLES_MAX)
        .max_memories_per_module(MEMORIES_MAX)
        .max_tables_per_module(TABLES_MAX)
        .max_component_instance_size(INSTANCE_SIZE_BYTES_MAX)
        .max_core_instance_size(INSTANCE_SIZE_BYTES_MAX)
        .max_memory_size(usize::try_from(memory_bytes_max.min(MEMORY_BYTES_MAX)).unwrap_or(usize::MAX))
        .table_elements(TABLE_ELEMENTS_MAX as usize)
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .table_keep_resident(KEEP_RESIDENT_BYTES)
        .pagemap_scan(Enabled::Auto);
    let mut config = shared();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config)
}
