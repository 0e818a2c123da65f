//! The kinds of guests: how each is recognised and run. One file per kind.

mod action;
mod interpreter;

use super::Refusal;
use super::bindings::ActionPre;
use super::bindings::interpreter::InterpreterPre;
use super::host::State;
use crate::domain::{Context, Ending, Kind, SourceFault};
use wasmtime::Store;
use wasmtime::component::{Component, InstancePre};

/// What kind of guest a component with these exports is. The one place that a further kind is told apart.
///
/// # Errors
/// It is none that is run here.
pub(super) fn kind(exports: &[String]) -> Result<Kind, Refusal> {
    let has = |name: &str| exports.iter().any(|export| export == name);
    if has(interpreter::EXPORT) && has(action::EXPORT) {
        return Ok(Kind::Interpreter);
    }
    if has(action::EXPORT) {
        return Ok(Kind::Action);
    }
    Err(Refusal::MissingExport {
        export: action::EXPORT.to_owned(),
        expected: action::EXPORT_TYPE.to_owned(),
        exports: exports.to_vec(),
    })
}

/// Checks that the exports of a component are of the types that its kind has.
pub(super) fn check_exports(component: &Component, kind: Kind) -> Result<(), Refusal> {
    match kind {
        Kind::Action => action::check_exports(component),
        Kind::Interpreter => interpreter::check_exports(component),
    }
}

/// A linked component, ready to be instantiated.
pub(super) enum Guest {
    Action(ActionPre<State>),
    Interpreter(InterpreterPre<State>),
}

impl Guest {
    /// # Errors
    /// The component is not of a kind that is known; `inspect` refuses it before it gets here.
    pub(super) fn new(component: InstancePre<State>) -> wasmtime::Result<Guest> {
        let ty = component.component().component_type();
        let exports: Vec<String> = ty.exports(component.engine()).map(|(name, _)| name.to_owned()).collect();
        match kind(&exports)? {
            Kind::Action => ActionPre::new(component).map(Guest::Action),
            Kind::Interpreter => InterpreterPre::new(component).map(Guest::Interpreter),
        }
    }

    /// Whether the component imports an interface, in whatever compatible version.
    pub(super) fn imports(&self, interface: &str) -> bool {
        let component = match self {
            Guest::Action(action) => action.instance_pre().component(),
            Guest::Interpreter(interpreter) => interpreter.instance_pre().component(),
        };
        component.component_type().get_import(component.engine(), interface).is_some()
    }

    /// One attempt in a fresh instance. `program` is what an interpreter runs.
    ///
    /// # Errors
    /// Whatever ended it before it returned, see `failure`.
    pub(super) async fn run(
        &self,
        store: &mut Store<State>,
        program: Option<&[u8]>,
        context: &Context,
    ) -> wasmtime::Result<Ending> {
        match self {
            Guest::Action(action) => action::run(action, store, context).await,
            Guest::Interpreter(interpreter) => interpreter::run(interpreter, store, program, context).await,
        }
    }

    /// Has an interpreter look at source code, in a fresh instance.
    ///
    /// # Errors
    /// Whatever ended it before it returned, see `failure`.
    pub(super) async fn check(
        &self,
        store: &mut Store<State>,
        code: &str,
    ) -> wasmtime::Result<Result<Vec<u8>, Vec<SourceFault>>> {
        match self {
            Guest::Interpreter(interpreter) => interpreter::check(interpreter, store, code).await,
            Guest::Action(_) => Err(wasmtime::format_err!("it is no interpreter")),
        }
    }
}
