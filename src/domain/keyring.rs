//! The keys that secrets are encrypted with, and the encryption itself: XChaCha20-Poly1305
//! (draft-irtf-cfrg-xchacha over RFC 8439).

use super::{Header, Sealed, SecretId, SecretText};
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use zeroize::Zeroizing;

/// Which key it is. Follows from the key, so that a wrong key is known for one before it is tried.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId([u8; 8]);

/// A text that is no id of a key, or a line of a file that is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    #[error("the id of a key has 16 hexadecimal digits")]
    Id,
    #[error("line {0} is not an id and a key of 64 hexadecimal digits that belongs to it")]
    Line(usize),
    #[error("it has no key")]
    Empty,
    #[error("it has more than {} keys", Keyring::KEYS_MAX)]
    Full,
}

/// Why a value could not be decrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unopened {
    #[error("it is encrypted with the key {0}, which is not there")]
    NoKey(KeyId),
    /// The bytes are not what was sealed, or were sealed for another place.
    #[error("it was changed since it was encrypted, or is not in its place")]
    Tampered,
}

#[derive(Clone)]
struct Key {
    id: KeyId,
    bytes: Zeroizing<[u8; 32]>,
}

/// Keys, of which the first encrypts; the others only decrypt what is not encrypted anew yet.
#[derive(Clone)]
pub struct Keyring {
    keys: Vec<Key>,
}

impl Keyring {
    /// A rotation that was cut short leaves one key more; nobody has this many cut short in a row.
    pub const KEYS_MAX: usize = 16;

    /// With one key, whose bytes nobody can guess.
    pub fn new(key: [u8; 32]) -> Keyring {
        Keyring { keys: vec![Key::new(key)] }
    }

    /// The key that encrypts.
    pub fn current(&self) -> KeyId {
        self.keys[0].id
    }

    pub fn has(&self, id: KeyId) -> bool {
        self.keys.iter().any(|key| key.id == id)
    }

    /// The same keys behind a new one.
    ///
    /// # Errors
    /// There are too many already.
    pub fn rotated(&self, key: [u8; 32]) -> Result<Keyring, KeyringError> {
        if self.keys.len() >= Keyring::KEYS_MAX {
            return Err(KeyringError::Full);
        }
        let keys = std::iter::once(Key::new(key)).chain(self.keys.iter().cloned()).collect();
        Ok(Keyring { keys })
    }

    /// Only the key that encrypts.
    #[must_use]
    pub fn without_older(&self) -> Keyring {
        Keyring { keys: self.keys[..1].to_vec() }
    }

    /// Encrypts a value for one place. A nonce must never be used twice; drawn at random it is not.
    pub fn seal(&self, text: &SecretText, place: &Header<SecretId>, nonce: [u8; Sealed::NONCE_BYTES]) -> Sealed {
        let key = &self.keys[0];
        let place = associated(place);
        let payload = Payload { msg: text.expose().as_bytes(), aad: &place };
        let sealed = key.cipher().encrypt(&nonce.into(), payload);
        // The cipher refuses only what is longer than 256 GiB.
        Sealed { key: key.id, nonce, ciphertext: sealed.unwrap_or_default() }
    }

    /// Decrypts the value of the secret that has this header.
    ///
    /// # Errors
    /// The key is missing, or it is not what was sealed there.
    pub fn open(&self, sealed: &Sealed, place: &Header<SecretId>) -> Result<SecretText, Unopened> {
        let key = self.keys.iter().find(|key| key.id == sealed.key).ok_or(Unopened::NoKey(sealed.key))?;
        let place = associated(place);
        let payload = Payload { msg: &sealed.ciphertext, aad: &place };
        let opened = key.cipher().decrypt(&sealed.nonce.into(), payload).map_err(|_| Unopened::Tampered)?;
        let text = String::from_utf8(opened).map_err(|_| Unopened::Tampered)?;
        SecretText::new(text).map_err(|_| Unopened::Tampered)
    }

    /// The text of the file that has the keys, a line each.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::from(HEADER));
        // At once in its full size: growing would leave pieces of keys behind.
        text.reserve_exact(self.keys.len() * (LINE_BYTES + 1));
        for key in &self.keys {
            let bytes = Zeroizing::new(data_encoding::HEXLOWER.encode(key.bytes.as_slice()));
            text.push_str(&key.id.to_string());
            text.push(' ');
            text.push_str(&bytes);
            text.push('\n');
        }
        text
    }

    /// Reads the text of such a file.
    ///
    /// # Errors
    /// A line that is no key, no key at all, or too many.
    pub fn parse(text: &str) -> Result<Keyring, KeyringError> {
        let lines = text.lines().enumerate().map(|(place, line)| (place + 1, line.trim()));
        let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let keys = lines.map(|(number, line)| Key::parse(line).ok_or(KeyringError::Line(number)));
        let keys = keys.collect::<Result<Vec<Key>, KeyringError>>()?;
        match keys.len() {
            0 => Err(KeyringError::Empty),
            1..=Keyring::KEYS_MAX => Ok(Keyring { keys }),
            _ => Err(KeyringError::Full),
        }
    }
}

/// An id, a space, a key.
const LINE_BYTES: usize = 16 + 1 + 64;

const HEADER: &str = "\
# The keys that encrypt the secrets of a Fusebox. Who has this file and the store can read them; without it they are lost.
# The first key encrypts. Others decrypt until every secret is encrypted anew (fusebox secret rotate-key).
";

/// What a value is sealed for: another tenant, another key, another version, another secret of the same key are other
/// places, so that nobody who can write to the store can move or bring back a value.
fn associated(place: &Header<SecretId>) -> Vec<u8> {
    let Header { id, owner_id, name, version, .. } = place;
    let mut bytes = b"fusebox secret 1\0".to_vec();
    // Neither a tenant nor a name has a zero byte.
    bytes.extend_from_slice(owner_id.as_str().as_bytes());
    bytes.push(0);
    bytes.extend_from_slice(name.folded().as_bytes());
    bytes.push(0);
    bytes.extend_from_slice(&version.to_be_bytes());
    bytes.extend_from_slice(id.as_bytes());
    bytes
}

impl Key {
    fn new(bytes: [u8; 32]) -> Key {
        let hash = blake3::derive_key("fusebox 2026-07 id of a key for secrets", &bytes);
        let mut id = [0; 8];
        id.copy_from_slice(&hash[..8]);
        Key { id: KeyId(id), bytes: Zeroizing::new(bytes) }
    }

    fn parse(line: &str) -> Option<Key> {
        let (id, bytes) = line.split_once(' ')?;
        let bytes = Zeroizing::new(data_encoding::HEXLOWER_PERMISSIVE.decode(bytes.trim().as_bytes()).ok()?);
        let key = Key::new(bytes.as_slice().try_into().ok()?);
        (id.parse() == Ok(key.id)).then_some(key)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&(*self.bytes).into())
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.keys.iter().map(|key| key.id)).finish()
    }
}

impl FromStr for KeyId {
    type Err = KeyringError;

    fn from_str(text: &str) -> Result<KeyId, KeyringError> {
        let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).map_err(|_| KeyringError::Id)?;
        bytes.try_into().map(KeyId).map_err(|_| KeyringError::Id)
    }
}

impl TryFrom<String> for KeyId {
    type Error = KeyringError;

    fn try_from(text: String) -> Result<KeyId, KeyringError> {
        text.parse()
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> String {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{TenantId, Timestamp};

    const NONCE: [u8; 24] = [7; 24];

    fn header(tenant: &str, name: &str, version: u64) -> Header<SecretId> {
        let named = (SecretId::from_bytes([1; 16]), tenant.parse::<TenantId>().unwrap(), name.parse().unwrap());
        Header { version, ..Header::new(named, "test", Timestamp::from_ms(0)) }
    }

    fn text(text: &str) -> SecretText {
        SecretText::new(text.to_owned()).unwrap()
    }

    #[test]
    fn a_value_opens_in_its_place_and_in_no_other() {
        let keyring = Keyring::new([1; 32]);
        let place = header("a", "api_key", 3);
        let sealed = keyring.seal(&text("hunter2"), &place, NONCE);
        assert_eq!(keyring.open(&sealed, &place).unwrap(), text("hunter2"));
        assert_eq!(keyring.open(&sealed, &header("a", "API_KEY", 3)).unwrap(), text("hunter2"), "the same name");
        let mut other_id = header("a", "api_key", 3);
        other_id.id = SecretId::from_bytes([2; 16]);
        for elsewhere in [header("b", "api_key", 3), header("a", "other", 3), header("a", "api_key", 2), other_id] {
            assert_eq!(keyring.open(&sealed, &elsewhere), Err(Unopened::Tampered), "{elsewhere:?}");
        }
    }

    #[test]
    fn a_value_that_was_touched_does_not_open() {
        let keyring = Keyring::new([1; 32]);
        let place = header("", "k", 1);
        let sealed = keyring.seal(&text("hunter2"), &place, NONCE);
        for bit in 0..sealed.ciphertext.len() * 8 {
            let mut touched = sealed.clone();
            touched.ciphertext[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(keyring.open(&touched, &place), Err(Unopened::Tampered), "bit {bit}");
        }
        let other = Sealed { nonce: [8; 24], ..sealed.clone() };
        assert_eq!(keyring.open(&other, &place), Err(Unopened::Tampered));
        let cut = Sealed { ciphertext: Vec::new(), ..sealed };
        assert_eq!(keyring.open(&cut, &place), Err(Unopened::Tampered));
    }

    #[test]
    fn an_older_key_opens_what_it_sealed_until_it_is_dropped() {
        let old = Keyring::new([1; 32]);
        let place = header("a", "k", 1);
        let sealed = old.seal(&text("hunter2"), &place, NONCE);
        let both = old.rotated([2; 32]).unwrap();
        assert!(both.open(&sealed, &place).is_ok() && both.current() != old.current());
        let anew = both.seal(&text("hunter2"), &place, NONCE);
        let new = both.without_older();
        assert!(new.open(&anew, &place).is_ok());
        assert_eq!(new.open(&sealed, &place), Err(Unopened::NoKey(old.current())));
    }

    #[test]
    fn a_keyring_reads_back_from_its_file() {
        let mut keyring = Keyring::new([1; 32]);
        for key in 2..=16 {
            keyring = keyring.rotated([key; 32]).unwrap();
        }
        assert_eq!(keyring.rotated([17; 32]).unwrap_err(), KeyringError::Full);
        let read = Keyring::parse(&keyring.to_text()).unwrap();
        assert_eq!(format!("{read:?}"), format!("{keyring:?}"));
        let place = header("a", "k", 1);
        assert!(read.open(&keyring.seal(&text("hunter2"), &place, NONCE), &place).is_ok());
    }

    #[test]
    fn a_file_that_is_damaged_is_refused_and_says_where() {
        let text = Keyring::new([1; 32]).to_text();
        assert_eq!(Keyring::parse("").unwrap_err(), KeyringError::Empty);
        assert_eq!(Keyring::parse(HEADER).unwrap_err(), KeyringError::Empty);
        assert_eq!(Keyring::parse(&text.repeat(17)).unwrap_err(), KeyringError::Full);
        for (from, to) in [("01", "02"), (" ", ""), ("0101", "01")] {
            let line = text.lines().last().unwrap();
            let damaged = text.replace(line, &line.replacen(from, to, 1));
            assert_eq!(Keyring::parse(&damaged).unwrap_err(), KeyringError::Line(3), "{from}");
        }
    }

    #[test]
    fn debug_does_not_say_the_keys() {
        let keyring = Keyring::new([0x5a; 32]);
        let said = format!("{keyring:?}");
        assert!(!said.contains("5a5a") && !said.contains("90, 90"), "{said}");
    }
}
