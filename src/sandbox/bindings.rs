//! The guest contract as Rust types, generated from `guest-sdk/wit`. The only `bindgen!`s.

wasmtime::component::bindgen!({
    path: "guest-sdk/wit",
    world: "fusebox:action/action",
    // The context is lent to the guest: a payload is copied once, into the guest's memory.
    ownership: Borrowing { duplicate_if_necessary: true },
    imports: { default: trappable },
    exports: { default: async },
});

/// The second world: interpreters of source code, with the types of the first.
pub(super) mod interpreter {
    wasmtime::component::bindgen!({
        path: "guest-sdk/wit",
        world: "fusebox:action/interpreter",
        with: {
            "fusebox:action/types": super::fusebox::action::types,
            "fusebox:action/log": super::fusebox::action::log,
            "fusebox:action/budget": super::fusebox::action::budget,
            "fusebox:action/kv": super::fusebox::action::kv,
            "fusebox:action/emit": super::fusebox::action::emit,
            "fusebox:action/http": super::fusebox::action::http,
        },
        ownership: Borrowing { duplicate_if_necessary: true },
        imports: { default: trappable },
        exports: { default: async },
    });
}
