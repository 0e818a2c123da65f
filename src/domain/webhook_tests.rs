//! Signatures as they are published, and what is not quite like them.

use super::webhook::SIGNATURES_MAX;
use super::*;
use std::collections::BTreeMap;

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
    let header =
        format!("t=1700000000,{STRIPE_SIGNATURE},v0=6ffbb59b2300aae63f272406069a9788598b792a944a07aba816edb039989a39");
    Request(vec![("stripe-signature", header)], br#"{"id": "evt_1", "type": "invoice.paid"}"#)
}

#[test]
fn the_published_examples_are_genuine() {
    assert!(standard().is_genuine(Preset::Standard, &[STANDARD_SECRET], STANDARD_AT_S));
    assert!(standard().is_genuine(Preset::Standard, &[&STANDARD_SECRET[6..]], STANDARD_AT_S), "the prefix may lack");
    assert!(github().is_genuine(Preset::Github, &[GITHUB_SECRET], 0));
    assert!(stripe().is_genuine(Preset::Stripe, &[STRIPE_SECRET], 1_700_000_000));
}

#[test]
fn what_another_secret_or_another_preset_signed_is_forged() {
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
    assert!(stripe().with("stripe-signature", &several).is_genuine(Preset::Stripe, &[STRIPE_SECRET], 1_700_000_000));
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
        assert!(!standard().without(name).is_genuine(Preset::Standard, &[STANDARD_SECRET], STANDARD_AT_S), "{name}");
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
