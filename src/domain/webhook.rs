//! Webhooks: requests of other systems, told from forgeries by their signatures (DESIGN §3.10).
//!
//! A request is verified as the bytes that came, before anything is read out of it.

use super::{EntryName, EventTypeName, Timestamp};
use data_encoding::{BASE64, BASE64_NOPAD, HEXLOWER_PERMISSIVE};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::collections::BTreeMap;

/// How requests are signed, and where they say what they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// Standard Webhooks, signature version v1: <https://www.standardwebhooks.com>.
    Standard,
    /// <https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries>
    Github,
    /// <https://docs.stripe.com/webhooks#verify-manually>
    Stripe,
}

/// What makes a source a webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhook {
    pub preset: Preset,
    /// The key in the secret store of what requests are signed with.
    pub secret: EntryName,
    /// Another one that is accepted as well, while the two are exchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_secret: Option<EntryName>,
    /// What fires for what the sender calls its events.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub event_types: BTreeMap<String, EventTypeName>,
    /// What fires for all others. With neither this nor the map it is what the sender calls them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_type: Option<EventTypeName>,
    /// How far a signed time may be from now, in seconds, either way.
    pub tolerance_s: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectPointer>,
}

/// Where the payload has the object that an event is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectPointer {
    pub object_type: String,
    /// JSON Pointer (RFC 6901) to its id.
    pub pointer: String,
}

/// A request as it came. Headers that came twice are as good as not there.
#[derive(Clone, Copy)]
pub struct Signed<'a> {
    pub header: &'a dyn Fn(&str) -> Option<&'a str>,
    pub body: &'a [u8],
}

/// Why a request is not taken for a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Forged {
    #[error("the header `{0}` is missing, is there twice, or is not of the form that it should have")]
    Header(&'static str),
    #[error("the request is not signed with the source's secret: the body must arrive byte for byte as it was signed")]
    Signature,
    /// Told only of what was signed as it should be: it was held back or sent again, or one of the clocks is wrong.
    #[error("the signature is {off_s} s off the server's time, and at most {tolerance_s} s are tolerated")]
    Time { off_s: u64, tolerance_s: u32 },
}

/// Senders that exchange their secret sign with both.
pub(super) const SIGNATURES_MAX: usize = 16;
const SHA256_BYTES: usize = 32;

impl Webhook {
    pub const TOLERANCE_S: u32 = 300;
    pub const TOLERANCE_S_MAX: u32 = 86_400;
    /// GitHub has about 75 kinds of events, and nobody maps all of Stripe's.
    pub const EVENT_TYPES_MAX: usize = 100;

    /// Whether events fire what is named like them.
    pub fn is_unmapped(&self) -> bool {
        self.event_types.is_empty() && self.event_type.is_none()
    }

    /// What fires for what the sender calls an event; `None` when the webhook leaves that to the event's own name.
    pub fn event_type_for(&self, said: Option<&str>) -> Option<&EventTypeName> {
        said.and_then(|said| self.event_types.get(said)).or(self.event_type.as_ref())
    }
}

impl Preset {
    /// The key that a secret's text stands for; `None` when it stands for none.
    fn key(self, secret: &str) -> Option<Vec<u8>> {
        let key = match self {
            Preset::Standard => {
                let text = secret.trim().strip_prefix("whsec_").unwrap_or(secret.trim());
                BASE64.decode(text.as_bytes()).or_else(|_| BASE64_NOPAD.decode(text.as_bytes())).ok()?
            }
            // What people paste from a page ends in a line break now and then.
            Preset::Github | Preset::Stripe => secret.trim().as_bytes().to_vec(),
        };
        (!key.is_empty()).then_some(key)
    }

    /// Whether a secret can be one of this preset's at all.
    pub fn takes(self, secret: &str) -> bool {
        self.key(secret).is_some()
    }

    /// Checks that one of `secrets` signed the request, not longer than `tolerance_s` from `now`. Signatures are compared
    /// in constant time, and all of them with all secrets whatever was found.
    ///
    /// # Errors
    /// See [`Forged`].
    pub fn verify(
        self,
        signed: Signed<'_>,
        secrets: &[&str],
        (now, tolerance_s): (Timestamp, u32),
    ) -> Result<(), Forged> {
        let claim = Claim::of(self, signed)?;
        let mut genuine = false;
        for key in secrets.iter().filter_map(|secret| self.key(secret)) {
            let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&key) else { continue };
            claim.prefix.iter().for_each(|part| mac.update(part.as_bytes()));
            mac.update(signed.body);
            for signature in &claim.signatures {
                genuine |= mac.clone().verify_slice(signature).is_ok();
            }
        }
        let off_s = claim.at_s.map_or(0, |at_s| now.as_ms().div_euclid(1_000).abs_diff(at_s));
        match genuine {
            false => Err(Forged::Signature),
            true if off_s > u64::from(tolerance_s) => Err(Forged::Time { off_s, tolerance_s }),
            true => Ok(()),
        }
    }

    /// What names the delivery, the same for each time that it is tried. Of a request that was verified.
    pub fn delivery(self, signed: Signed<'_>) -> Option<String> {
        let id = match self {
            Preset::Standard => (signed.header)("webhook-id").map(str::to_owned),
            Preset::Github => (signed.header)("x-github-delivery").map(str::to_owned),
            Preset::Stripe => text_at(signed.body, "id"),
        };
        id.filter(|id| !id.is_empty())
    }

    /// What the sender calls the event. Of a request that was verified; but GitHub signs no header.
    pub fn event_name(self, signed: Signed<'_>) -> Option<String> {
        match self {
            Preset::Github => (signed.header)("x-github-event").map(str::to_owned),
            Preset::Standard | Preset::Stripe => text_at(signed.body, "type"),
        }
    }

    /// How an event type is named after that: GitHub's names, such as `push`, do not say whose they are.
    pub fn event_type(self, said: &str) -> String {
        match self {
            Preset::Github => format!("github.{said}"),
            Preset::Standard | Preset::Stripe => said.to_owned(),
        }
    }

    /// GitHub sends a `ping` to every new webhook, whatever it is for.
    pub fn is_ping(self, said: Option<&str>) -> bool {
        self == Preset::Github && said == Some("ping")
    }
}

/// What a request claims in its headers.
struct Claim<'a> {
    /// What is signed before the body.
    prefix: Vec<&'a str>,
    at_s: Option<i64>,
    signatures: Vec<[u8; SHA256_BYTES]>,
}

impl<'a> Claim<'a> {
    fn of(preset: Preset, signed: Signed<'a>) -> Result<Claim<'a>, Forged> {
        let header = |name| (signed.header)(name).ok_or(Forged::Header(name));
        match preset {
            Preset::Standard => {
                let (id, at) = (header("webhook-id")?, header("webhook-timestamp")?);
                let at_s = seconds(at).ok_or(Forged::Header("webhook-timestamp"))?;
                let signatures = header("webhook-signature")?.split(' ').filter_map(|one| one.strip_prefix("v1,"));
                let signatures = signatures.filter_map(|text| BASE64.decode(text.as_bytes()).ok());
                Ok(Claim { prefix: vec![id, ".", at, "."], at_s: Some(at_s), signatures: whole(signatures) })
            }
            Preset::Github => {
                let name = "x-hub-signature-256";
                let signature = header(name)?.strip_prefix("sha256=").ok_or(Forged::Header(name))?;
                let signature = HEXLOWER_PERMISSIVE.decode(signature.as_bytes()).ok();
                Ok(Claim { prefix: Vec::new(), at_s: None, signatures: whole(signature.into_iter()) })
            }
            Preset::Stripe => {
                let name = "stripe-signature";
                let parts = header(name)?.split(',').map(str::trim);
                let at = parts.clone().find_map(|part| part.strip_prefix("t=")).ok_or(Forged::Header(name))?;
                let at_s = seconds(at).ok_or(Forged::Header(name))?;
                let signatures = parts.filter_map(|part| part.strip_prefix("v1="));
                let signatures = signatures.filter_map(|text| HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok());
                Ok(Claim { prefix: vec![at, "."], at_s: Some(at_s), signatures: whole(signatures) })
            }
        }
    }
}

/// Those that can be signatures at all.
fn whole(signatures: impl Iterator<Item = Vec<u8>>) -> Vec<[u8; SHA256_BYTES]> {
    signatures.filter_map(|bytes| bytes.try_into().ok()).take(SIGNATURES_MAX).collect()
}

/// Seconds since 1970 in digits only.
fn seconds(text: &str) -> Option<i64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// The text of a member of a JSON object.
fn text_at(body: &[u8], name: &str) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    body.get(name)?.as_str().map(str::to_owned)
}
