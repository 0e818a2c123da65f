//! A small store of values for each tenant and action, kept between runs.
//!
//! What an attempt wrote is kept if it succeeds, together with its outcome, and is gone if it does not. The attempt
//! itself sees its own writes at once.
//!
//! ```
//! use fusebox_sdk::testing::{Sample, run};
//! use fusebox_sdk::{Failure, action, json, kv};
//!
//! /// Counts how often it ran, whoever else counts beside it.
//! #[action]
//! fn count() -> Result<u64, Failure> {
//!     let count = kv::action().update("count", |count: Option<u64>| count.unwrap_or(0) + 1)?;
//!     Ok(count)
//! }
//!
//! let report = run(count_action, Sample::default().kv("count", "41"));
//! assert_eq!(report.output(), &json!(42));
//! assert_eq!(report.kv("count"), Some(&b"42"[..]));
//! ```
//!
//! A component imports the host's `fusebox:action/kv` only when it uses this module.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// How often [`Store::update`] begins anew when somebody else writes in between.
const UPDATES: u32 = 8;

/// How many keys one call gives at most.
pub const KEYS: u32 = 1_000;

/// The values of all runs of this action for this tenant.
#[must_use]
pub fn action() -> Store {
    Store { scope: Scope::Action }
}

/// The values of the runs by this attachment only; of a run that no attachment caused, those of [`action`].
#[must_use]
pub fn attachment() -> Store {
    Store { scope: Scope::Attachment }
}

/// Whose values these are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Scope {
    Action,
    Attachment,
}

/// A set of values by key: [`action`]'s or [`attachment`]'s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Store {
    scope: Scope,
}

/// A value as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The bytes.
    pub value: Vec<u8>,
    /// Differs after every write: what [`Expect::Version`] takes.
    pub version: u64,
}

impl Entry {
    /// The value as a type of yours.
    ///
    /// # Errors
    /// It is no JSON of that type.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.value).map_err(|error| Error::Json(error.to_string()))
    }
}

/// What a write asks of what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Expect {
    /// Whatever is there is replaced.
    #[default]
    Anything,
    /// There is no value.
    Nothing,
    /// The value is still of this version.
    Version(u64),
}

/// Why a value was not read or written.
///
/// With `?` a conflict becomes a retry, everything else a reject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// What is there is not as expected. Nothing was written.
    Conflict,
    /// The key, the value or their number is over a limit; the text says which. Nothing was written.
    Limit(String),
    /// The value is not of the type that was asked for, or cannot be written as JSON.
    Json(String),
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict => formatter.write_str("somebody else changed the value in between"),
            Self::Limit(text) => formatter.write_str(text),
            Self::Json(text) => write!(formatter, "the value is not as expected: {text}"),
        }
    }
}

impl StdError for Error {}

impl Store {
    /// The value and its version.
    #[must_use]
    pub fn get(self, key: &str) -> Option<Entry> {
        host::get(self.scope, key)
    }

    /// The value as a type of yours, if there is one.
    ///
    /// # Errors
    /// It is no JSON of that type.
    pub fn get_json<T: DeserializeOwned>(self, key: &str) -> Result<Option<T>, Error> {
        self.get(key).map(|entry| entry.json()).transpose()
    }

    /// Writes a value over whatever is there.
    ///
    /// # Errors
    /// A limit.
    pub fn set(self, key: &str, value: impl AsRef<[u8]>) -> Result<(), Error> {
        self.write(key, value, Expect::Anything, None)
    }

    /// Writes a value as JSON over whatever is there.
    ///
    /// # Errors
    /// A limit, or the value cannot be written as JSON.
    pub fn set_json(self, key: &str, value: &impl Serialize) -> Result<(), Error> {
        self.set(key, text(value)?)
    }

    /// Writes a value if what is there is as expected, gone again after `ttl` if that is given.
    ///
    /// Whether it still is as expected is looked at once more when the attempt ends; if it is not, the attempt has failed
    /// with a conflict and is tried again.
    ///
    /// # Errors
    /// A conflict, or a limit.
    pub fn write(self, key: &str, value: impl AsRef<[u8]>, expect: Expect, ttl: Option<Duration>) -> Result<(), Error> {
        let ttl_ms = ttl.map(|ttl| u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX));
        host::set((self.scope, key), value.as_ref(), expect, ttl_ms)
    }

    /// Removes a value. That there is none is fine.
    ///
    /// # Errors
    /// A limit.
    pub fn delete(self, key: &str) -> Result<(), Error> {
        self.delete_if(key, Expect::Anything)
    }

    /// Removes a value if what is there is as expected.
    ///
    /// # Errors
    /// A conflict, or a limit.
    pub fn delete_if(self, key: &str, expect: Expect) -> Result<(), Error> {
        host::delete(self.scope, key, expect)
    }

    /// The keys that start with `prefix`, in order: the first [`KEYS`] of them.
    #[must_use]
    pub fn list(self, prefix: &str) -> Vec<String> {
        self.list_after(prefix, None, KEYS)
    }

    /// The keys that start with `prefix` and come after the key `after`, in order: at most `limit` of them, and at most [`KEYS`].
    #[must_use]
    pub fn list_after(self, prefix: &str, after: Option<&str>, limit: u32) -> Vec<String> {
        host::list(self.scope, prefix, after, limit)
    }

    /// Reads a value, changes it and writes it back, anew if somebody else wrote in between. Answers what was written.
    ///
    /// # Errors
    /// A limit, a value of another type, or a conflict that did not go away.
    pub fn update<T: DeserializeOwned + Serialize>(
        self,
        key: &str,
        change: impl Fn(Option<T>) -> T,
    ) -> Result<T, Error> {
        for _ in 0..UPDATES {
            let entry = self.get(key);
            let expect = entry.as_ref().map_or(Expect::Nothing, |entry| Expect::Version(entry.version));
            let value = change(entry.map(|entry| entry.json()).transpose()?);
            match self.write(key, text(&value)?, expect, None) {
                Err(Error::Conflict) => {}
                Err(error) => return Err(error),
                Ok(()) => return Ok(value),
            }
        }
        Err(Error::Conflict)
    }
}

fn text(value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::Json(error.to_string()))
}

#[cfg(target_family = "wasm")]
mod host {
    use super::{Entry, Error, Expect, Scope};
    use crate::bindings::fusebox::action::kv as wit;

    pub(super) fn get(scope: Scope, key: &str) -> Option<Entry> {
        wit::get(scope.into(), key).map(|entry| Entry { value: entry.value, version: entry.version })
    }

    pub(super) fn set(
        (scope, key): (Scope, &str),
        value: &[u8],
        expect: Expect,
        ttl_ms: Option<u64>,
    ) -> Result<(), Error> {
        wit::set(scope.into(), key, value, expect.into(), ttl_ms).map_err(Into::into)
    }

    pub(super) fn delete(scope: Scope, key: &str, expect: Expect) -> Result<(), Error> {
        wit::delete(scope.into(), key, expect.into()).map_err(Into::into)
    }

    pub(super) fn list(scope: Scope, prefix: &str, after: Option<&str>, limit: u32) -> Vec<String> {
        wit::list(scope.into(), prefix, after, limit)
    }

    impl From<Scope> for wit::Scope {
        fn from(scope: Scope) -> Self {
            match scope {
                Scope::Action => Self::Action,
                Scope::Attachment => Self::Attachment,
            }
        }
    }

    impl From<Expect> for wit::Expect {
        fn from(expect: Expect) -> Self {
            match expect {
                Expect::Anything => Self::Anything,
                Expect::Nothing => Self::Nothing,
                Expect::Version(version) => Self::Version(version),
            }
        }
    }

    impl From<wit::Error> for Error {
        fn from(error: wit::Error) -> Self {
            match error {
                wit::Error::Conflict => Self::Conflict,
                wit::Error::Limit(text) => Self::Limit(text),
            }
        }
    }
}

#[cfg(not(target_family = "wasm"))]
use crate::testing::world::kv as host;
