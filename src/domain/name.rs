//! Names that people give.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Why a name is refused, with the rule it breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not a valid {what}: {rule}")]
pub struct NameError {
    pub what: &'static str,
    pub name: String,
    pub rule: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal, $rule:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(Arc<str>);

        impl $type {
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The form by which two names are the same name.
            pub fn folded(&self) -> String {
                self.0.to_lowercase()
            }
        }

        impl FromStr for $type {
            type Err = NameError;

            fn from_str(text: &str) -> Result<$type, NameError> {
                let check: fn(&str) -> bool = $check;
                if check(text) {
                    Ok($type(text.into()))
                } else {
                    let name = text.chars().take(80).collect();
                    Err(NameError { what: $what, name, rule: $rule })
                }
            }
        }

        impl TryFrom<String> for $type {
            type Error = NameError;

            fn try_from(text: String) -> Result<$type, NameError> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.as_str().to_owned()
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &self.0)
            }
        }
    };
}

name!(
    /// The display name of an event type (DESIGN §3.1); compared without regard to case.
    EventTypeName,
    "event type name",
    "it starts with a letter and has up to 64 letters, digits, `_`, `.` and `-`",
    is_plain
);

impl EventTypeName {
    /// Of a sample event when there is no event type for it.
    pub fn of_sample() -> EventTypeName {
        EventTypeName("sample".into())
    }
}

name!(
    /// The name of an action, unique in its tenant without regard to case.
    ActionName,
    "action name",
    "it has 1 to 128 characters, none of them a control character, and no space at either end",
    |text| {
        !text.is_empty() && text.chars().count() <= 128 && text.trim() == text && !text.chars().any(char::is_control)
    }
);

name!(
    /// The name of a source type, source, sink type, sink, schedule or secret: what files and the command line call it.
    EntryName,
    "name",
    "it starts with a letter and has up to 64 letters, digits, `_`, `.` and `-`",
    is_plain
);

name!(
    /// The language of source code.
    Language,
    "language",
    "it starts with a lower-case letter and has up to 32 lower-case letters, digits, `_` and `-`",
    |text| {
        text.len() <= 32
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b))
    }
);

fn is_plain(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_type_names_follow_their_pattern() {
        for good in ["a", "booking_created", "SEND_REPORT", "github.issues-2", &"a".repeat(64)] {
            assert!(good.parse::<EventTypeName>().is_ok(), "{good}");
        }
        for bad in ["", "1a", "_a", "a b", "ä", "a/b", &"a".repeat(65)] {
            assert!(bad.parse::<EventTypeName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn languages_are_named_in_small_letters() {
        for good in ["javascript", "python3", "c-like", &"a".repeat(32)] {
            assert!(good.parse::<Language>().is_ok(), "{good}");
        }
        for bad in ["", "JavaScript", "c++", "3d", "a.b", &"a".repeat(33)] {
            assert!(bad.parse::<Language>().is_err(), "{bad}");
        }
    }

    #[test]
    fn action_names_are_free_text_within_reason() {
        assert!("Tür öffnen".parse::<ActionName>().is_ok());
        for bad in ["", " a", "a\n", "a\u{7}b", &"ä".repeat(129)] {
            assert!(bad.parse::<ActionName>().is_err(), "{bad:?}");
        }
    }
}
