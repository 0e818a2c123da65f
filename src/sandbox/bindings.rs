//! The guest contract as Rust types, generated from `guest-sdk/wit`. The only `bindgen!`.

wasmtime::component::bindgen!({
    path: "guest-sdk/wit",
    world: "fusebox:action/action",
    // The context is lent to the guest: a payload is copied once, into the guest's memory.
    ownership: Borrowing { duplicate_if_necessary: true },
    imports: { default: trappable },
    exports: { default: async },
});
