//! Credentials.

use super::{TenantId, Timestamp, TokenId};
use serde::{Deserialize, Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// What a token allows. Admin allows all the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rights {
    /// See the catalogue and the history.
    pub read: bool,
    /// Change the catalogue.
    pub write: bool,
    /// Fire events, replay, cancel.
    pub execute: bool,
    /// Tokens and everything else.
    pub admin: bool,
}

impl Rights {
    pub const ALL: Rights = Rights { read: true, write: true, execute: true, admin: true };

    /// Whether these rights are enough for `needed`.
    pub fn allow(self, needed: Rights) -> bool {
        let enough = |have: bool, need: bool| have || !need;
        self.admin
            || (enough(self.read, needed.read)
                && enough(self.write, needed.write)
                && enough(self.execute, needed.execute)
                && !needed.admin)
    }
}

/// Lists the rights, as in `read, execute`.
impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [(self.read, "read"), (self.write, "write"), (self.execute, "execute"), (self.admin, "admin")];
        let granted: Vec<&str> = names.into_iter().filter_map(|(has, name)| has.then_some(name)).collect();
        f.write_str(&granted.join(", "))
    }
}

/// SHA-256 of a token. The token itself has 256 random bits, so a plain hash is enough to keep it from being guessed back.
/// In JSON, and wherever else people read, it is a word that says so.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    pub fn of(token: &str) -> TokenHash {
        TokenHash(Sha256::digest(token.as_bytes()).into())
    }

    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Serialize for TokenHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str("hashed")
        } else {
            serializer.serialize_newtype_struct("TokenHash", &self.0)
        }
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(..)")
    }
}

/// A credential: a tenant and rights. Only its hash is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    pub id: TokenId,
    pub name: String,
    pub owner_id: TenantId,
    pub rights: Rights,
    pub hash: TokenHash,
    pub created_at: Timestamp,
    pub created_by: String,
}

impl Token {
    /// The text of a new token made from random bytes. The prefix lets secret scanners find a leaked one.
    pub fn text(random: &[u8; 32]) -> String {
        format!("fbx_{}", data_encoding::BASE64URL_NOPAD.encode(random))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_allow_what_they_name_and_admin_allows_all() {
        let read = Rights { read: true, ..Rights::default() };
        let both = Rights { read: true, execute: true, ..Rights::default() };
        let admin = Rights { admin: true, ..Rights::default() };
        assert!(both.allow(read) && !read.allow(both) && !both.allow(admin));
        assert!(admin.allow(both) && admin.allow(admin));
        assert_eq!(both.to_string(), "read, execute");
    }
}
