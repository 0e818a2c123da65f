//! Source code as what an action runs: its language, and the program that an interpreter made of it.

use super::{Digest, Language};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::sync::Arc;

/// What an action runs when it names no module.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceCode {
    pub language: Language,
    /// As it was sent.
    pub code: Arc<str>,
    /// Of language and code: what programs are found by.
    pub digest: Digest,
}

/// An action's source has at most so many bytes: what a request has room for, with as much again for its escapes.
pub const CODE_BYTES_MAX: usize = 512 << 10;

impl SourceCode {
    pub fn new(language: Language, code: &str) -> SourceCode {
        let mut hasher = Sha256::new();
        hasher.update(language.as_str());
        // No language has a zero byte in its name.
        hasher.update([0]);
        hasher.update(code);
        let digest = Digest::of_hasher(hasher);
        SourceCode { language, code: code.into(), digest }
    }
}

/// Without the code, which is long.
impl fmt::Debug for SourceCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SourceCode {{ {}, {} bytes, {} }}", self.language, self.code.len(), self.digest)
    }
}

/// What is wrong with source code, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFault {
    pub message: String,
    /// 1 for the first; 0 if it is not known.
    pub line: u32,
    /// In characters, 1 for the first; 0 if it is not known.
    pub column: u32,
}

impl fmt::Display for SourceFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.column) {
            (0, _) => f.write_str(&self.message),
            (line, 0) => write!(f, "line {line}: {}", self.message),
            (line, column) => write!(f, "line {line}, column {column}: {}", self.message),
        }
    }
}

/// What an interpreter made of source code; of use to that interpreter only.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    pub interpreter: Digest,
    #[serde(with = "in_bytes")]
    pub bytes: bytes::Bytes,
}

/// Without the bytes, which are many.
impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Program {{ {} bytes for {} }}", self.bytes.len(), self.interpreter)
    }
}

/// As one run of bytes, not as a list of numbers.
mod in_bytes {
    use bytes::Bytes;
    use serde::{Deserializer, Serializer, de};
    use std::fmt;

    pub(super) fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        deserializer.deserialize_byte_buf(Visitor)
    }

    struct Visitor;

    impl de::Visitor<'_> for Visitor {
        type Value = Bytes;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("bytes")
        }

        fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
            Ok(Bytes::copy_from_slice(bytes))
        }

        fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Bytes, E> {
            Ok(bytes.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn language(name: &str) -> Language {
        name.parse().unwrap()
    }

    #[test]
    fn the_same_text_in_another_language_is_another_source() {
        let javascript = SourceCode::new(language("javascript"), "1");
        assert_eq!(javascript, SourceCode::new(language("javascript"), "1"));
        assert_ne!(javascript.digest, SourceCode::new(language("typescript"), "1").digest);
        assert_ne!(javascript.digest, SourceCode::new(language("javascript"), "2").digest);
    }

    #[test]
    fn a_fault_says_as_much_of_its_place_as_is_known() {
        let fault = |line, column| SourceFault { message: "odd".to_owned(), line, column }.to_string();
        assert_eq!([fault(0, 0), fault(3, 0), fault(3, 7)], ["odd", "line 3: odd", "line 3, column 7: odd"]);
    }

    #[test]
    fn a_program_is_stored_as_its_bytes() {
        let program = Program { interpreter: Digest::of(b"x"), bytes: vec![200_u8; 1000].into() };
        let stored = rmp_serde::to_vec_named(&program).unwrap();
        assert!(stored.len() < 1100, "{}", stored.len());
        assert_eq!(rmp_serde::from_slice::<Program>(&stored).unwrap(), program);
    }
}
