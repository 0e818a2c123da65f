//! Which interpreter a language has: a module of the platform by its name, else one that comes with Fusebox.

use super::{Digest, Language};
use bytes::Bytes;
use std::sync::LazyLock;

/// An interpreter that is always there.
#[derive(Debug)]
pub struct BuiltIn {
    pub digest: Digest,
    pub wasm: Bytes,
}

static JAVASCRIPT: LazyLock<BuiltIn> = LazyLock::new(|| {
    let wasm = Bytes::from_static(include_bytes!("../../interpreters/components/javascript.wasm"));
    BuiltIn { digest: Digest::of(&wasm), wasm }
});

impl BuiltIn {
    /// The one of `digest`.
    pub fn of_digest(digest: &Digest) -> Option<&'static BuiltIn> {
        Some(&*JAVASCRIPT).filter(|built_in| built_in.digest == *digest)
    }
}

impl Language {
    /// TypeScript is JavaScript whose types are taken out before anything looks at it.
    pub fn is_typescript(&self) -> bool {
        self.as_str() == "typescript"
    }

    /// What the names of interpreters begin with.
    pub const MODULE_PREFIX: &str = "interpreter.";

    /// The name of the shared module that is its interpreter.
    pub fn module_name(&self) -> String {
        let interpreted = if self.is_typescript() { "javascript" } else { self.as_str() };
        format!("{}{interpreted}", Language::MODULE_PREFIX)
    }

    /// Its interpreter while the platform has not given it another.
    pub fn built_in(&self) -> Option<&'static BuiltIn> {
        ["javascript", "typescript"].contains(&self.as_str()).then(|| &*JAVASCRIPT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typescript_is_run_by_the_interpreter_of_javascript() {
        let language = |name: &str| name.parse::<Language>().unwrap();
        assert_eq!(language("typescript").module_name(), "interpreter.javascript");
        let digest = |name: &str| language(name).built_in().map(|built_in| built_in.digest);
        assert_eq!(digest("typescript"), digest("javascript"));
        assert!(digest("javascript").is_some_and(|digest| BuiltIn::of_digest(&digest).is_some()));
        assert_eq!((digest("python"), language("python").module_name()), (None, "interpreter.python".to_owned()));
        assert!(BuiltIn::of_digest(&Digest::of(b"")).is_none());
    }
}
