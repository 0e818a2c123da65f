//! Secrets: write-only values, encrypted at rest (DESIGN §3.6).

use super::{Entry, EntryName, Header, KeyId, SecretId};
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;
use zeroize::Zeroizing;

/// A value that nothing shows; the name is its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    pub header: Header<SecretId>,
    #[serde(serialize_with = "sealed_for_files")]
    pub sealed: Sealed,
}

/// In JSON, and wherever else people read, it is a word that says so.
fn sealed_for_files<S: Serializer>(sealed: &Sealed, serializer: S) -> Result<S::Ok, S::Error> {
    if serializer.is_human_readable() { serializer.serialize_str("sealed") } else { sealed.serialize(serializer) }
}

impl Entry for Secret {
    type Id = SecretId;
    const WHAT: &'static str = "secret";
    const ARTICLE: &'static str = "a secret";
    const MAY_HIDE_SHARED: bool = true;

    fn header(&self) -> &Header<SecretId> {
        &self.header
    }
}

/// An encrypted value, with all that opening it takes but the key; see [`super::Keyring`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// What encrypted it.
    pub key: KeyId,
    #[serde(with = "super::byte_text")]
    pub nonce: [u8; Sealed::NONCE_BYTES],
    #[serde(with = "super::byte_text")]
    pub ciphertext: Vec<u8>,
}

impl Sealed {
    /// Of XChaCha20: long enough to be drawn at random for every value.
    pub const NONCE_BYTES: usize = 24;
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed with {}", self.key)
    }
}

/// The value of a secret. It has no `Debug` and no `Display` that says it, and its memory is wiped.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(Zeroizing<String>);

/// A text that cannot be a secret. Does not say the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a secret has {} to {} bytes", SecretText::BYTES_MIN, SecretText::BYTES_MAX)]
pub struct SecretTextError;

impl SecretText {
    /// What is shorter stands in every other line by chance: masking it would black out the log and protect nothing.
    pub const BYTES_MIN: usize = 4;
    /// Room for a chain of certificates with its key. What is masked is looked for in everything a run says.
    pub const BYTES_MAX: usize = 64 << 10;

    /// # Errors
    /// It is too short or too long.
    pub fn new(text: String) -> Result<SecretText, SecretTextError> {
        let text = Zeroizing::new(text);
        if (SecretText::BYTES_MIN..=SecretText::BYTES_MAX).contains(&text.len()) {
            Ok(SecretText(text))
        } else {
            Err(SecretTextError)
        }
    }

    /// The value itself: for the guest that asked for it, and for checking signatures. Never for a log.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(••••)")
    }
}

/// A secret that a parameter of a run names. It is read at each attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretUse {
    pub parameter: String,
    pub key: EntryName,
    /// Whether the run ends without it before the guest starts.
    pub required: bool,
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub reach: SecretReach,
}

/// Whose secrets a parameter may name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretReach {
    /// Those of the tenant whose run it is.
    #[default]
    Own,
    /// And behind them the platform's: of what the platform owns, run by code that it owns.
    OwnElseShared,
    /// Nobody's: another tenant's code that the platform, and not the tenant, has attached.
    Nobody,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_neither_too_short_to_mask_nor_too_long_to_look_for() {
        for (length, fits) in [(0, false), (3, false), (4, true), (64 << 10, true), ((64 << 10) + 1, false)] {
            assert_eq!(SecretText::new("x".repeat(length)).is_ok(), fits, "{length}");
        }
    }

    #[test]
    fn debug_does_not_say_it() {
        let text = SecretText::new("hunter2 hunter2".to_owned()).unwrap();
        assert!(!format!("{text:?}").contains("hunter"), "{text:?}");
    }
}
