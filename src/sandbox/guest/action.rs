//! Components of the world `fusebox:action/action`.

use super::check_export;
use crate::domain::{Context, Ending, Failure, Json, Limits, ObjectRef, Outcome, Reason};
use crate::sandbox::Refusal;
use crate::sandbox::bindings::fusebox::action::types as contract;
use crate::sandbox::bindings::{self, ActionPre};
use crate::sandbox::failure::Stop;
use crate::sandbox::host::State;
use wasmtime::Store;
use wasmtime::component::Component;

pub(super) const EXPORT: &str = "run";
pub(super) const EXPORT_TYPE: &str = "run: func(ctx: context) -> result<outcome, failure>";

/// What `run` returns.
pub(super) type Returned = Result<contract::Outcome, contract::Failure>;

/// What a warning counts besides its bytes, as the host keeps it.
const WARNING_BYTES: u64 = 32;

pub(super) async fn run(
    action: &ActionPre<State>,
    store: &mut Store<State>,
    context: &Context,
) -> wasmtime::Result<Ending> {
    let instance = action.instantiate_async(&mut *store).await?;
    let ids = Ids::of(context);
    let returned = instance.call_run(&mut *store, lend(context, &ids)).await?;
    ending(store, returned)
}

/// What it returned, counted against its limit.
pub(super) fn ending(store: &mut Store<State>, returned: Returned) -> wasmtime::Result<Ending> {
    store.data_mut().count_output(count(&returned))?;
    Ok(match returned {
        Ok(outcome) => Ending::Outcome(read_outcome(outcome)?),
        Err(contract::Failure::Retry(retry)) => {
            Ending::Failure(Failure::Retry { message: retry.message, after_ms: retry.after_ms })
        }
        Err(contract::Failure::Reject(reject)) => {
            Ending::Failure(Failure::Reject { message: reject.message, code: reject.code.max(1) })
        }
    })
}

/// Checks the type of `run`, so that a component that does not fit is refused when it is uploaded.
pub(super) fn check_exports(component: &Component) -> Result<(), Refusal> {
    check_export::<(contract::Context<'_>,), (Returned,)>(component, EXPORT, EXPORT_TYPE)
}

fn count(returned: &Returned) -> u64 {
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len) as u64;
    match returned {
        Ok(outcome) => {
            let warnings: u64 = outcome.warnings.iter().map(|warning| WARNING_BYTES + warning.len() as u64).sum();
            text(&outcome.output) + text(&outcome.event) + warnings
        }
        Err(contract::Failure::Retry(retry)) => retry.message.len() as u64,
        Err(contract::Failure::Reject(reject)) => reject.message.len() as u64,
    }
}

fn read_outcome(outcome: contract::Outcome) -> Result<Outcome, Stop> {
    let json = |what: &str, text: Option<String>| {
        text.map(Json::parse).transpose().map_err(|error| {
            let message = format!("the {what} it returned is {error}");
            Stop { reason: Reason::GuestError, message }
        })
    };
    Ok(Outcome {
        output: json("output", outcome.output)?,
        warnings: outcome.warnings,
        event: json("event", outcome.event)?,
    })
}

/// Ids as texts, which the lent context points into.
pub(super) struct Ids {
    run: String,
    event: String,
    root: String,
    parent: Option<String>,
}

impl Ids {
    pub(super) fn of(context: &Context) -> Ids {
        Ids {
            run: context.run_id.to_string(),
            event: context.event_id.to_string(),
            root: context.chain.root.to_string(),
            parent: context.chain.parent.map(|parent| parent.to_string()),
        }
    }
}

pub(super) fn lend<'a>(context: &'a Context, ids: &'a Ids) -> bindings::Context<'a> {
    let deadline = context.now.plus_ms(context.limits.timeout_ms);
    let Limits { fuel, memory_bytes, .. } = context.limits;
    contract::Context {
        run_id: &ids.run,
        attempt: context.attempt,
        event_id: &ids.event,
        trigger: &context.trigger,
        event_time: ms(context.event_time),
        tenant: context.tenant.as_str(),
        object: context.object.as_ref().map(object),
        scope: context.scope.as_ref().map(object),
        payload: context.payload.as_str(),
        params: context.params.as_str(),
        input: context.input.as_str(),
        chain: contract::Chain {
            root: &ids.root,
            parent: ids.parent.as_deref(),
            depth: context.chain.depth,
            parent_outcome: context.chain.parent_outcome.as_ref().map(Json::as_str),
        },
        budget: contract::Budget { fuel, memory_bytes, deadline: ms(deadline) },
        now: ms(context.now),
        seed: context.seed,
    }
}

/// The contract has no time before 1970.
pub(super) fn ms(time: crate::domain::Timestamp) -> u64 {
    u64::try_from(time.as_ms()).unwrap_or(0)
}

fn object(object: &ObjectRef) -> contract::ObjectRefParam<'_> {
    contract::ObjectRefParam { object_type: &object.object_type, object_id: &object.object_id }
}
