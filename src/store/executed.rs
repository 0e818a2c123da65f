//! What actions run, in the catalogue: modules, and the interpreters of source code.

use super::Catalogue;
use crate::domain::{Action, Digest, Kind, Language, ModuleRef, SourceCode, TenantId};
use std::sync::Arc;

impl Catalogue {
    /// What interprets a language: the platform's module of that name, else what comes with Fusebox.
    pub fn interpreter(&self, language: &Language) -> Option<Digest> {
        let named = self.module_of(&TenantId::shared(), &ModuleRef::Name(language.module_name()));
        let uploaded = named.filter(|module| module.kind == Kind::Interpreter).map(|module| module.digest);
        uploaded.or_else(|| language.built_in().map(|built_in| built_in.digest))
    }

    /// What stands for the code of an action as it is now: the digest of the module that it names, or of its source.
    pub fn code_of(&self, action: &Action) -> Option<Digest> {
        match (&action.source, &action.module) {
            (Some(source), _) => Some(source.digest),
            (None, Some(module)) => self.module(&action.owner_id, module).map(|module| module.digest),
            (None, None) => None,
        }
    }

    /// The actions that could not run without this module of exactly this tenant's: those that name it as it is meant now,
    /// and those whose language it interprets.
    pub fn actions_running(&self, owner: &TenantId, digest: Digest) -> impl Iterator<Item = &Arc<Action>> {
        let runs = move |action: &&Arc<Action>| {
            let named = action.module.as_ref().and_then(|module| self.module(&action.owner_id, module));
            named.is_some_and(|module| module.digest == digest && module.owner_id == *owner)
                || owner.is_shared() && action.source.as_ref().is_some_and(|source| self.needs(source, digest))
        };
        self.actions().filter(runs)
    }

    /// Whether source code could not run without this interpreter.
    fn needs(&self, source: &SourceCode, interpreter: Digest) -> bool {
        source.language.built_in().is_none() && self.interpreter(&source.language) == Some(interpreter)
    }
}
