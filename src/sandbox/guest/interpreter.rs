//! Components of the world `fusebox:action/interpreter`: one runs all the source code of a language.

use super::action::{self, Ids, Returned, lend};
use super::check_export;
use crate::domain::{Context, Ending, Reason, SourceFault};
use crate::sandbox::Refusal;
use crate::sandbox::bindings::fusebox::action::types as contract;
use crate::sandbox::bindings::interpreter::{Fault, InterpreterPre};
use crate::sandbox::failure::Stop;
use crate::sandbox::host::State;
use wasmtime::Store;
use wasmtime::component::Component;

/// With `run`, what tells an interpreter.
pub(super) const EXPORT: &str = "check";
const EXPORT_TYPE: &str = "check: func(code: string) -> result<list<u8>, list<fault>>";
const RUN_TYPE: &str = "run: func(program: list<u8>, ctx: context) -> result<outcome, failure>";

type Checked = Result<Vec<u8>, Vec<Fault>>;

pub(super) async fn run(
    interpreter: &InterpreterPre<State>,
    store: &mut Store<State>,
    program: Option<&[u8]>,
    context: &Context,
) -> wasmtime::Result<Ending> {
    let Some(program) = program else {
        let message = "this module is an interpreter: give the action `code` and its `language` instead of a module";
        return Err(Stop { reason: Reason::Denied, message: message.to_owned() }.into());
    };
    let instance = interpreter.instantiate_async(&mut *store).await?;
    let ids = Ids::of(context);
    let returned = instance.call_run(&mut *store, program, lend(context, &ids)).await?;
    action::ending(store, returned)
}

pub(super) async fn check(
    interpreter: &InterpreterPre<State>,
    store: &mut Store<State>,
    code: &str,
) -> wasmtime::Result<Result<Vec<u8>, Vec<SourceFault>>> {
    let instance = interpreter.instantiate_async(&mut *store).await?;
    let checked = instance.call_check(&mut *store, code).await?;
    let fault = |Fault { message, line, column }| SourceFault { message, line, column };
    Ok(checked.map_err(|faults| faults.into_iter().map(fault).collect()))
}

/// Checks the types of both functions, so that a component that is no interpreter is refused when it is uploaded.
pub(super) fn check_exports(component: &Component) -> Result<(), Refusal> {
    check_export::<(&str,), (Checked,)>(component, EXPORT, EXPORT_TYPE)?;
    check_export::<(&[u8], contract::Context<'_>), (Returned,)>(component, action::EXPORT, RUN_TYPE)
}
