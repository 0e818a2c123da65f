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
const SIGNATURES_MAX: usize = 16;
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Headers by their names, and a body.
    struct Request(Vec<(&'static str, String)>, &'static [u8]);

    impl Request {
        fn with(&self, name: &'static str, value: &str) -> Request {
            let others = self.0.iter().filter(|(other, _)| *other != name).cloned();
            Request(others.chain([(name, value.to_owned())]).collect(), self.1)
        }

        fn without(&self, name: &str) -> Request {
            Request(self.0.iter().filter(|(other, _)| *other != name).cloned().collect(), self.1)
        }

        fn saying(&self, body: &'static [u8]) -> Request {
            Request(self.0.clone(), body)
        }

        fn signed<T>(&self, look: impl FnOnce(Signed<'_>) -> T) -> T {
            let header = |name: &str| self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str());
            look(Signed { header: &header, body: self.1 })
        }

        fn is_genuine(&self, preset: Preset, secrets: &[&str], at_s: i64) -> bool {
            let now = (Timestamp::from_ms(at_s * 1_000), 300);
            self.signed(|signed| preset.verify(signed, secrets, now)).is_ok()
        }
    }

    const STANDARD_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const STANDARD_AT_S: i64 = 1_614_265_330;
    const STANDARD_SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    /// The vector that the libraries of Standard Webhooks are tested with.
    fn standard() -> Request {
        let header = |name, value: &str| (name, value.to_owned());
        let headers = vec![
            header("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
            header("webhook-timestamp", "1614265330"),
            header("webhook-signature", STANDARD_SIGNATURE),
        ];
        Request(headers, br#"{"test": 2432232314}"#)
    }

    const GITHUB_SECRET: &str = "It's a Secret to Everybody";

    /// The vector of GitHub's documentation.
    fn github() -> Request {
        let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        Request(vec![("x-hub-signature-256", signature.to_owned())], b"Hello, World!")
    }

    const STRIPE_SECRET: &str = "whsec_test_secret";
    const STRIPE_SIGNATURE: &str = "v1=7ef65ed813bf41da1cbc5b86f0ee4a40dfb95e601ad9736c60f916708e64c5a1";

    /// Computed with Python's `hmac` after Stripe's documentation.
    fn stripe() -> Request {
        let header = format!(
            "t=1700000000,{STRIPE_SIGNATURE},v0=6ffbb59b2300aae63f272406069a9788598b792a944a07aba816edb039989a39"
        );
        Request(vec![("stripe-signature", header)], br#"{"id": "evt_1", "type": "invoice.paid"}"#)
    }

    #[test]
    fn the_published_examples_are_genuine() {
        assert!(standard().is_genuine(Preset::Standard, &[STANDARD_SECRET], STANDARD_AT_S));
        assert!(
            standard().is_genuine(Preset::Standard, &[&STANDARD_SECRET[6..]], STANDARD_AT_S),
            "the prefix may lack"
        );
        assert!(github().is_genuine(Preset::Github, &[GITHUB_SECRET], 0));
        assert!(stripe().is_genuine(Preset::Stripe, &[STRIPE_SECRET], 1_700_000_000));
    }

    #[test]
    fn what_another_secret_or_another_scheme_signed_is_forged() {
        let other = "whsec_AAAQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        for secrets in [&[other][..], &[], &["whsec_not base64"], &[""], &["whsec_"]] {
            assert!(!standard().is_genuine(Preset::Standard, secrets, STANDARD_AT_S), "{secrets:?}");
        }
        assert!(!github().is_genuine(Preset::Github, &["it's a Secret to Everybody"], 0));
        assert!(!stripe().is_genuine(Preset::Stripe, &["whsec_test_secrets"], 1_700_000_000));
        assert!(!standard().is_genuine(Preset::Github, &[STANDARD_SECRET], STANDARD_AT_S));
        assert!(!github().is_genuine(Preset::Standard, &[GITHUB_SECRET], 0));
        assert!(!github().is_genuine(Preset::Stripe, &[GITHUB_SECRET], 0));
    }

    #[test]
    fn while_secrets_are_exchanged_either_is_accepted() {
        let other = "whsec_AAAQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        assert!(standard().is_genuine(Preset::Standard, &[other, STANDARD_SECRET], STANDARD_AT_S));
        assert!(github().is_genuine(Preset::Github, &[GITHUB_SECRET, "other"], 0));
    }

    #[test]
    fn of_several_signatures_one_is_enough() {
        let zeros = "0".repeat(64);
        let several = format!("v1a,abc v1,!! v1,bm9wZQ== {STANDARD_SIGNATURE} v2,xyz");
        assert!(standard().with("webhook-signature", &several).is_genuine(
            Preset::Standard,
            &[STANDARD_SECRET],
            STANDARD_AT_S
        ));
        let several = format!("t=1700000000,v1={zeros},{STRIPE_SIGNATURE}");
        assert!(stripe().with("stripe-signature", &several).is_genuine(
            Preset::Stripe,
            &[STRIPE_SECRET],
            1_700_000_000
        ));
        // But not any number of them.
        let many = format!("t=1700000000,{}{STRIPE_SIGNATURE}", format!("v1={zeros},").repeat(SIGNATURES_MAX));
        assert!(!stripe().with("stripe-signature", &many).is_genuine(Preset::Stripe, &[STRIPE_SECRET], 1_700_000_000));
    }

    #[test]
    fn what_was_changed_on_the_way_is_forged() {
        for (header, value) in [
            ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJel"),
            ("webhook-timestamp", "1614265331"),
            ("webhook-timestamp", "01614265330"),
            ("webhook-timestamp", "+1614265330"),
            ("webhook-timestamp", "1614265330.0"),
            ("webhook-timestamp", ""),
            ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OF="),
            ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1O=="),
            ("webhook-signature", "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
            ("webhook-signature", "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
            ("webhook-signature", "v1,"),
            ("webhook-signature", ""),
        ] {
            let changed = standard().with(header, value);
            assert!(!changed.is_genuine(Preset::Standard, &[STANDARD_SECRET], STANDARD_AT_S), "{header}: {value}");
        }
        let changed = standard().saying(br#"{"test":2432232314}"#);
        assert!(!changed.is_genuine(Preset::Standard, &[STANDARD_SECRET], STANDARD_AT_S), "the same JSON, other bytes");
        assert!(!github().saying(b"Hello, World?").is_genuine(Preset::Github, &[GITHUB_SECRET], 0));
        for signature in ["", "sha256=", "sha1=757107ea0eb2509fc211221cce984b8a37570b6d", &"757107".repeat(10)] {
            assert!(!github().with("x-hub-signature-256", signature).is_genuine(Preset::Github, &[GITHUB_SECRET], 0));
        }
        for (from, to) in [("t=1700000000", "t=1700000001"), ("t=1700000000,", ""), ("v1=", "v0="), ("v1=", "v1= ")] {
            let header = stripe().0[0].1.replace(from, to);
            let changed = stripe().with("stripe-signature", &header);
            assert!(!changed.is_genuine(Preset::Stripe, &[STRIPE_SECRET], 1_700_000_000), "{header}");
        }
        for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
            assert!(
                !standard().without(name).is_genuine(Preset::Standard, &[STANDARD_SECRET], STANDARD_AT_S),
                "{name}"
            );
        }
    }

    #[test]
    fn a_signed_time_is_within_the_tolerance_or_the_request_is_forged() {
        for (late_s, genuine) in [(300, true), (301, false), (-300, true), (-301, false)] {
            let at = STANDARD_AT_S + late_s;
            assert_eq!(standard().is_genuine(Preset::Standard, &[STANDARD_SECRET], at), genuine, "{late_s}");
            let at = 1_700_000_000 + late_s;
            assert_eq!(stripe().is_genuine(Preset::Stripe, &[STRIPE_SECRET], at), genuine, "{late_s}");
        }
    }

    #[test]
    fn a_refusal_says_what_to_look_at() {
        let refused = |request: Request, preset: Preset, late_s: i64| {
            let now = (Timestamp::from_ms((STANDARD_AT_S + late_s) * 1_000), 300);
            request.signed(|signed| preset.verify(signed, &[STANDARD_SECRET], now)).unwrap_err()
        };
        for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
            assert_eq!(refused(standard().without(name), Preset::Standard, 0), Forged::Header(name));
        }
        let odd = standard().with("webhook-timestamp", "soon");
        assert_eq!(refused(odd, Preset::Standard, 0), Forged::Header("webhook-timestamp"));
        assert_eq!(refused(standard(), Preset::Github, 0), Forged::Header("x-hub-signature-256"));
        assert_eq!(refused(standard(), Preset::Stripe, 0), Forged::Header("stripe-signature"));
        let late = Forged::Time { off_s: 301, tolerance_s: 300 };
        assert_eq!(refused(standard(), Preset::Standard, 301), late);
        assert_eq!(refused(standard(), Preset::Standard, -301), late);
        // What nobody signed is told nothing about its time.
        assert_eq!(refused(standard().saying(b"{}"), Preset::Standard, 301), Forged::Signature);
    }

    #[test]
    fn what_fires_is_what_the_map_says_then_what_is_fixed_then_what_the_sender_calls_it() {
        let name = |text: &str| text.parse::<EventTypeName>().unwrap();
        let mut webhook = Webhook {
            preset: Preset::Github,
            secret: "s".parse().unwrap(),
            old_secret: None,
            event_types: BTreeMap::from([("push".to_owned(), name("pushed"))]),
            event_type: None,
            tolerance_s: 300,
            object: None,
        };
        assert_eq!(webhook.event_type_for(Some("push")), Some(&name("pushed")));
        assert_eq!((webhook.event_type_for(Some("star")), webhook.event_type_for(None)), (None, None));
        webhook.event_type = Some(name("other"));
        assert_eq!(webhook.event_type_for(Some("push")), Some(&name("pushed")));
        assert_eq!(webhook.event_type_for(Some("star")), Some(&name("other")));
        assert_eq!(webhook.event_type_for(None), Some(&name("other")));
        assert_eq!(
            (Preset::Github.event_type("push"), Preset::Stripe.event_type("a.b")),
            ("github.push".to_owned(), "a.b".to_owned())
        );
        assert!(Preset::Github.is_ping(Some("ping")) && !Preset::Standard.is_ping(Some("ping")));
    }

    #[test]
    fn a_delivery_says_what_it_is() {
        let said = |request: &Request, preset: Preset| {
            request.signed(|signed| (preset.delivery(signed), preset.event_name(signed)))
        };
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(said(&stripe(), Preset::Stripe), (text("evt_1"), text("invoice.paid")));
        let request = github().with("x-github-delivery", "72d3162e").with("x-github-event", "pull_request");
        assert_eq!(said(&request, Preset::Github), (text("72d3162e"), text("pull_request")));
        let request = standard().saying(br#"{"type": "user.created", "data": {}}"#);
        assert_eq!(said(&request, Preset::Standard), (text("msg_p5jXN8AQM9LWM0D4loKWxJek"), text("user.created")));
        assert_eq!(said(&stripe().saying(b"[1]"), Preset::Stripe), (None, None));
        assert_eq!(said(&stripe().saying(b"not JSON"), Preset::Stripe), (None, None));
        assert_eq!(said(&github(), Preset::Github), (None, None));
        assert_eq!(said(&github().with("x-github-delivery", ""), Preset::Github), (None, None));
    }
}
