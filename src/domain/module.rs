//! Modules: uploaded Wasm components, immutable and known by their digest.

use super::{Digest, TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What kind of guest a component is, told from its exports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Exports `run` of the world `fusebox:action/action`.
    Action,
    /// A program: exports `wasi:cli/run`.
    Command,
    /// Exports `wasi:http/incoming-handler`.
    Http,
    /// Exports `check` and `run` of the world `fusebox:action/interpreter`: runs source code of a language.
    Interpreter,
}

/// One import of a component, and what it means for whoever lets it run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permission {
    /// The import as the component names it, such as `fusebox:action/log@0.1.0`.
    pub import: String,
    /// What the host gives for it, in words.
    pub grants: String,
}

/// An uploaded component, or core module that is run as one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Module {
    pub digest: Digest,
    pub owner_id: TenantId,
    pub kind: Kind,
    pub size_bytes: u64,
    pub imports: Vec<Permission>,
    /// What it exports, by name; none of uploads from before this was kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exports: Vec<String>,
    /// Of a core module: how a component was made of it when it was uploaded, such as
    /// `core module, wasip1 command adapter 48.0.8`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrapped: Option<String>,
    /// Names it was uploaded under.
    pub names: Vec<ModuleNaming>,
    pub created_at: Timestamp,
    pub created_by: String,
}

/// A name and when it was given: the newest naming is what a name without a version means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleNaming {
    pub name: ModuleName,
    pub since: Timestamp,
}

/// A module's name and version, `reports.runner@1.4.0`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ModuleName {
    pub name: String,
    pub version: String,
}

/// How an action names the module it runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ModuleRef {
    Digest(Digest),
    /// One version of a name.
    Version(ModuleName),
    /// The newest upload of a name.
    Name(String),
}

#[derive(Debug, thiserror::Error)]
pub enum ModuleRefError {
    #[error("a digest is written `sha256:` followed by 64 hexadecimal digits")]
    Digest,
    #[error(
        "a module name has 1 to 128 lower-case letters, digits, `.`, `_` and `-`, and starts with a letter or digit"
    )]
    Name,
    #[error("a module version has 1 to 64 letters, digits, `.`, `+` and `-`, such as 1.4.0")]
    Version,
}

impl ModuleName {
    /// # Errors
    /// The name or the version breaks its pattern.
    pub fn new(name: &str, version: &str) -> Result<ModuleName, ModuleRefError> {
        let name = check_name(name)?;
        let version_byte = |b: u8| b.is_ascii_alphanumeric() || b".+-".contains(&b);
        if version.is_empty() || version.len() > 64 || !version.bytes().all(version_byte) {
            return Err(ModuleRefError::Version);
        }
        Ok(ModuleName { name, version: version.to_owned() })
    }
}

fn check_name(name: &str) -> Result<String, ModuleRefError> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let starts_well = name.bytes().next().is_some_and(plain);
    if starts_well && name.len() <= 128 && name.bytes().all(|b| plain(b) || b"._-".contains(&b)) {
        Ok(name.to_owned())
    } else {
        Err(ModuleRefError::Name)
    }
}

impl fmt::Display for ModuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.version)
    }
}

impl FromStr for ModuleRef {
    type Err = ModuleRefError;

    fn from_str(text: &str) -> Result<ModuleRef, ModuleRefError> {
        if text.starts_with("sha256:") {
            return text.parse().map(ModuleRef::Digest).map_err(|_| ModuleRefError::Digest);
        }
        match text.split_once('@') {
            Some((name, version)) => ModuleName::new(name, version).map(ModuleRef::Version),
            None => check_name(text).map(ModuleRef::Name),
        }
    }
}

impl fmt::Display for ModuleRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ModuleRef::Digest(digest) => digest.fmt(f),
            ModuleRef::Version(name) => name.fmt(f),
            ModuleRef::Name(name) => f.write_str(name),
        }
    }
}

impl TryFrom<String> for ModuleRef {
    type Error = ModuleRefError;

    fn try_from(text: String) -> Result<ModuleRef, ModuleRefError> {
        text.parse()
    }
}

impl From<ModuleRef> for String {
    fn from(reference: ModuleRef) -> String {
        reference.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_named_in_three_ways() {
        for text in ["reports.runner", "reports.runner@1.4.0-rc.1+b", &Digest::of(b"").to_string()] {
            assert_eq!(text.parse::<ModuleRef>().unwrap().to_string(), text);
        }
        for bad in ["", "A", "a@", "a@1@2", "a b", "sha256:00", "../a", "a@1/2"] {
            assert!(bad.parse::<ModuleRef>().is_err(), "{bad}");
        }
    }
}
