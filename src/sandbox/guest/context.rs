//! The context as JSON, for guests that do not know the contract's own types. `docs/modules.md` has it for authors.

use super::action::ms;
use crate::domain::{Context, Json, ObjectRef};
use serde::Serialize;

/// The record `context` of the contract, name by name. Times are milliseconds since 1970.
#[derive(Serialize)]
struct Told<'a> {
    run_id: String,
    attempt: u32,
    event_id: String,
    trigger: &'a str,
    event_time: u64,
    tenant: &'a str,
    object: Option<&'a ObjectRef>,
    scope: Option<&'a ObjectRef>,
    payload: &'a Json,
    params: &'a Json,
    input: &'a Json,
    chain: Chain<'a>,
    budget: Budget,
    now: u64,
    /// Decimal texts: not every reader of JSON keeps all 64 bits of a number.
    seed: [String; 2],
}

#[derive(Serialize)]
struct Chain<'a> {
    root: String,
    parent: Option<String>,
    depth: u32,
    parent_outcome: Option<&'a Json>,
}

#[derive(Serialize)]
struct Budget {
    fuel: u64,
    memory_bytes: u64,
    deadline: u64,
}

/// The context as one JSON object.
pub(super) fn json(context: &Context) -> wasmtime::Result<Vec<u8>> {
    let Context { chain, limits, .. } = context;
    let told = Told {
        run_id: context.run_id.to_string(),
        attempt: context.attempt,
        event_id: context.event_id.to_string(),
        trigger: &context.trigger,
        event_time: ms(context.event_time),
        tenant: context.tenant.as_str(),
        object: context.object.as_ref(),
        scope: context.scope.as_ref(),
        payload: &context.payload,
        params: &context.params,
        input: &context.input,
        chain: Chain {
            root: chain.root.to_string(),
            parent: chain.parent.map(|parent| parent.to_string()),
            depth: chain.depth,
            parent_outcome: chain.parent_outcome.as_ref(),
        },
        budget: Budget {
            fuel: limits.fuel,
            memory_bytes: limits.memory_bytes,
            deadline: ms(context.now.plus_ms(limits.timeout_ms)),
        },
        now: ms(context.now),
        seed: [context.seed.0.to_string(), context.seed.1.to_string()],
    };
    Ok(serde_json::to_vec(&told)?)
}
