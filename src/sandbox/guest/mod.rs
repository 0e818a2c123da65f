//! The kinds of guests: how each is recognised and run. One file per kind.

mod action;
mod command;
mod context;
mod http;
mod interpreter;

use super::Refusal;
use super::bindings::ActionPre;
use super::bindings::interpreter::InterpreterPre;
use super::host::State;
use crate::domain::{Context, Ending, Kind, SourceFault};
use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{Component, ComponentNamedList, InstancePre, Lift, Lower};
use wasmtime::{Store, format_err};
use wasmtime_wasi::p2::bindings::CommandPre;
use wasmtime_wasi_http::p2::bindings::ProxyPre;

/// What a kind of guest exports.
struct Sign {
    kind: Kind,
    /// The export's name; of a versioned one up to the number whose changes are compatible.
    export: &'static str,
    expected: &'static str,
}

/// Of a component that is of several kinds the first here counts.
const SIGNS: &[Sign] = &[
    Sign { kind: Kind::Action, export: action::EXPORT, expected: action::EXPORT_TYPE },
    Sign { kind: Kind::Http, export: http::EXPORT, expected: http::EXPORT_TYPE },
    Sign { kind: Kind::Command, export: command::EXPORT, expected: command::EXPORT_TYPE },
];

/// What handlers export in the WASI after the one that is run here.
const NEXT_HTTP: &str = "wasi:http/handler";

/// What kind of guest a component with these exports is. The one place that kinds are told apart.
///
/// # Errors
/// It is none that is run here.
pub(super) fn kind(exports: &[&str]) -> Result<Kind, Refusal> {
    let has = |sign: &&Sign| exports.iter().any(|export| *export == sign.export || track(export) == sign.export);
    if let Some(sign) = SIGNS.iter().find(has) {
        // An interpreter exports what an action does, and one function more.
        let is_interpreter = sign.kind == Kind::Action && exports.contains(&interpreter::EXPORT);
        return Ok(if is_interpreter { Kind::Interpreter } else { sign.kind });
    }
    let is_other = |export: &&str| {
        interface(export) == Some(NEXT_HTTP)
            || SIGNS.iter().any(|sign| interface(export).is_some_and(|of| interface(sign.export) == Some(of)))
    };
    Err(Refusal::NoKind {
        other_versions: exports.iter().copied().filter(is_other).map(str::to_owned).collect(),
        exports: exports.iter().map(|export| (*export).to_owned()).collect(),
        expected: SIGNS.iter().map(|sign| sign.expected.to_owned()).collect(),
    })
}

/// A versioned name without its version.
fn interface(name: &str) -> Option<&str> {
    name.split_once('@').map(|(interface, _)| interface)
}

/// A versioned name up to the number whose changes are compatible: `wasi:cli/run@0.2` of `wasi:cli/run@0.2.6`.
fn track(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(track, _)| track)
}

/// Checks that the exports of a component are of the types that its kind has.
pub(super) fn check_exports(component: &Component, kind: Kind) -> Result<(), Refusal> {
    match kind {
        Kind::Action => action::check_exports(component),
        Kind::Command => command::check_exports(component),
        Kind::Http => http::check_exports(component),
        Kind::Interpreter => interpreter::check_exports(component),
    }
}

/// Checks the type of a function that a component exports for itself.
fn check_export<P, R>(component: &Component, export: &str, expected: &str) -> Result<(), Refusal>
where
    P: ComponentNamedList + Lower,
    R: ComponentNamedList + Lift,
{
    let ty = component.component_type();
    let fits = match ty.get_export(component.engine(), export).map(|export| export.ty) {
        Some(ComponentItem::ComponentFunc(function)) => function.typecheck::<P, R>(&ty.instance_type()),
        _ => Err(format_err!("it is not a function")),
    };
    fits.map_err(|error| Refusal::ExportType {
        export: export.to_owned(),
        expected: expected.to_owned(),
        message: format!("{error:#}"),
    })
}

/// A function of an interface that a component exports in some compatible version, and the whole name of that interface.
fn function(component: &Component, interface: &str, name: &str) -> (String, wasmtime::Result<ComponentFunc>) {
    let (ty, engine) = (component.component_type(), component.engine());
    let Some((export, item)) = ty.exports(engine).find(|(export, _)| track(export) == interface) else {
        return (interface.to_owned(), Err(format_err!("there is none")));
    };
    let function = match item.ty {
        ComponentItem::ComponentInstance(instance) => instance.get_export(engine, name).map(|found| found.ty),
        _ => return (export.to_owned(), Err(format_err!("it is not an interface"))),
    };
    let function = match function {
        Some(ComponentItem::ComponentFunc(function)) => Ok(function),
        _ => Err(format_err!("it has no function `{name}`")),
    };
    (export.to_owned(), function)
}

/// A linked component, ready to be instantiated.
pub(super) enum Guest {
    Action(ActionPre<State>),
    Command(CommandPre<State>),
    Http(ProxyPre<State>),
    Interpreter(InterpreterPre<State>),
}

impl Guest {
    /// # Errors
    /// The component is not of a kind that is known; `inspect` refuses it before it gets here.
    pub(super) fn new(component: InstancePre<State>) -> wasmtime::Result<Guest> {
        let ty = component.component().component_type();
        let exports: Vec<&str> = ty.exports(component.engine()).map(|(name, _)| name).collect();
        match kind(&exports)? {
            Kind::Action => ActionPre::new(component).map(Guest::Action),
            Kind::Command => CommandPre::new(component).map(Guest::Command),
            Kind::Http => ProxyPre::new(component).map(Guest::Http),
            Kind::Interpreter => InterpreterPre::new(component).map(Guest::Interpreter),
        }
    }

    /// Whether the component imports an interface, in whatever compatible version.
    pub(super) fn imports(&self, interface: &str) -> bool {
        let component = self.component();
        component.component_type().get_import(component.engine(), interface).is_some()
    }

    /// Whether it imports an interface in any of its versions.
    pub(super) fn imports_any_of(&self, interface: &str) -> bool {
        let component = self.component();
        let ty = component.component_type();
        ty.imports(component.engine()).any(|(name, _)| name.split('@').next() == Some(interface))
    }

    fn component(&self) -> &Component {
        match self {
            Guest::Action(action) => action.instance_pre().component(),
            Guest::Command(command) => command.instance_pre().component(),
            Guest::Http(handler) => handler.instance_pre().component(),
            Guest::Interpreter(interpreter) => interpreter.instance_pre().component(),
        }
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
            Guest::Command(command) => command::run(command, store, context).await,
            Guest::Http(handler) => http::run(handler, store, context).await,
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
            Guest::Action(_) | Guest::Command(_) | Guest::Http(_) => Err(format_err!("it is no interpreter")),
        }
    }
}
