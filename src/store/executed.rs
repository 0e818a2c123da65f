//! What actions run, in the catalogue: modules, and the interpreters of source code.

use super::Catalogue;
use crate::domain::{Action, Digest, Kind, Language, ModuleRef, SourceCode, TenantId};

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

    /// Whether source code could not run without this interpreter.
    pub(super) fn needs(&self, source: &SourceCode, interpreter: Digest) -> bool {
        source.language.built_in().is_none() && self.interpreter(&source.language) == Some(interpreter)
    }
}
