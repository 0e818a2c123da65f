//! The kinds of guests: how each is recognised and run. One file per kind.

mod action;

use super::Refusal;
use super::bindings::ActionPre;
use super::host::State;
use crate::domain::{Context, Ending, Kind};
use wasmtime::Store;
use wasmtime::component::{Component, InstancePre};

/// What kind of guest a component with these exports is. The one place that a further kind is told apart.
///
/// # Errors
/// It is none that is run here.
pub(super) fn kind(exports: &[String]) -> Result<Kind, Refusal> {
    if exports.iter().any(|export| export == action::EXPORT) {
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
    }
}

/// A linked component, ready to be instantiated.
pub(super) enum Guest {
    Action(ActionPre<State>),
}

impl Guest {
    /// # Errors
    /// The component is not of a kind that is known; `inspect` refuses it before it gets here.
    pub(super) fn new(component: InstancePre<State>) -> wasmtime::Result<Guest> {
        ActionPre::new(component).map(Guest::Action)
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
        }
    }

    /// One attempt in a fresh instance.
    ///
    /// # Errors
    /// Whatever ended it before it returned, see `failure`.
    pub(super) async fn run(&self, store: &mut Store<State>, context: &Context) -> wasmtime::Result<Ending> {
        match self {
            Guest::Action(action) => action::run(action, store, context).await,
        }
    }
}
