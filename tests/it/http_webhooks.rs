//! Webhooks: signed requests of other systems that fire events.

use crate::support::{Answer, Client, TestServer};
use data_encoding::{BASE64, HEXLOWER};
use hmac::{Hmac, KeyInit, Mac};
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::Sha256;

const NOBODY: &str = "01a1ff7d-875e-7388-ab52-e35ac67b46e8";
/// Of the libraries of Standard Webhooks.
const STANDARD_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER_SECRET: &str = "whsec_AAAQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const GITHUB_SECRET: &str = "It's a Secret to Everybody";
/// When the manual clock starts.
const NOW_S: i64 = 1_700_000_000;

fn mac(key: &[u8], parts: &[&str]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    parts.iter().for_each(|part| mac.update(part.as_bytes()));
    mac.finalize().into_bytes().to_vec()
}

/// A delivery being put together.
#[derive(Clone, Debug, PartialEq)]
struct Delivery {
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Delivery {
    fn standard(secret: &str, (id, at_s): (&str, i64), body: &str) -> Delivery {
        let key = BASE64.decode(secret.strip_prefix("whsec_").unwrap().as_bytes()).unwrap();
        let signature = BASE64.encode(&mac(&key, &[id, ".", &at_s.to_string(), ".", body]));
        let headers = vec![
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", at_s.to_string()),
            ("webhook-signature", format!("v1,{signature}")),
        ];
        Delivery { headers, body: body.to_owned() }
    }

    fn github(secret: &str, (id, event): (&str, &str), body: &str) -> Delivery {
        let signature = HEXLOWER.encode(&mac(secret.as_bytes(), &[body]));
        let headers = vec![
            ("x-github-delivery", id.to_owned()),
            ("x-github-event", event.to_owned()),
            ("x-hub-signature-256", format!("sha256={signature}")),
        ];
        Delivery { headers, body: body.to_owned() }
    }

    fn stripe(secret: &str, at_s: i64, body: &str) -> Delivery {
        let signature = HEXLOWER.encode(&mac(secret.as_bytes(), &[&at_s.to_string(), ".", body]));
        Delivery { headers: vec![("stripe-signature", format!("t={at_s},v1={signature}"))], body: body.to_owned() }
    }

    fn with(&self, name: &'static str, value: &str) -> Delivery {
        let mut headers = self.headers.clone();
        headers.retain(|(other, _)| *other != name);
        headers.push((name, value.to_owned()));
        Delivery { headers, ..self.clone() }
    }

    fn send(&self, client: &Client, source: &str) -> Answer {
        self.send_as("application/json", client, source)
    }

    fn send_as(&self, content_type: &str, client: &Client, source: &str) -> Answer {
        let request = client.request("POST", &format!("/hook/{source}")).header("content-type", content_type);
        let request = self.headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        request.bytes(self.body.clone()).send()
    }
}

/// A server whose clock stands, with the source type `hooks` and secrets.
struct World {
    server: TestServer,
    /// Without a token.
    anybody: Client,
}

impl World {
    fn new() -> World {
        let server = TestServer::with_manual_clock();
        server.admin.post("/source-type", &json!({ "name": "hooks" })).expect(201);
        for (key, value) in [("standard", STANDARD_SECRET), ("github", GITHUB_SECRET), ("stripe", "whsec_of_stripe")] {
            server.admin.put(&format!("/secret/{key}"), &json!({ "value": value })).expect(201);
        }
        let anybody = server.admin.without_token();
        World { server, anybody }
    }

    /// A source that is a webhook of this preset; its id.
    fn source(&self, preset: &str, more: Value) -> String {
        let mut webhook = json!({ "preset": preset, "secret": preset });
        webhook.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let body = json!({ "name": format!("of-{preset}"), "source_type": "hooks", "webhook": webhook });
        self.server.admin.post("/source", &body).expect(201)["id"].as_str().unwrap().to_owned()
    }

    /// Gives that source another webhook of its preset.
    fn change(&self, preset: &str, source: &str, more: Value) -> Answer {
        let mut webhook = json!({ "preset": preset, "secret": preset });
        webhook.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let body = json!({ "name": format!("of-{preset}"), "source_type": "hooks", "webhook": webhook });
        self.server.admin.put(&format!("/source/{source}"), &body)
    }

    fn disable(&self, preset: &str, source: &str) {
        let webhook = json!({ "preset": preset, "secret": preset, "event_type": "t" });
        let body =
            json!({ "name": format!("of-{preset}"), "source_type": "hooks", "enabled": false, "webhook": webhook });
        self.server.admin.put(&format!("/source/{source}"), &body).expect(200);
    }

    fn event_type(&self, name: &str) {
        let body = json!({ "display_name": name, "source_type": "hooks" });
        self.server.admin.post("/event-type", &body).expect(201);
    }

    #[track_caller]
    fn event_of(&self, answer: &Answer) -> Value {
        self.server.event(answer.expect(202)["event_id"].as_str().unwrap())
    }

    fn events(&self) -> Value {
        self.server.admin.get("/event").body["count"].clone()
    }
}

#[test]
fn the_published_delivery_of_standard_webhooks_fires() {
    let world = World::new();
    world.server.clock.advance_ms((1_614_265_330 - NOW_S) * 1_000);
    world.event_type("tested");
    let source = world.source("standard", json!({ "event_type": "tested" }));
    let headers = vec![
        ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek".to_owned()),
        ("webhook-timestamp", "1614265330".to_owned()),
        ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=".to_owned()),
    ];
    let delivery = Delivery { headers, body: r#"{"test": 2432232314}"#.to_owned() };
    let event = world.event_of(&delivery.send(&world.anybody, &source));
    assert_eq!((&event["origin"], &event["created_by"]), (&json!("webhook"), &json!("of-standard")));
    assert_eq!((&event["source_id"], &event["payload"]), (&json!(source), &json!({ "test": 2_432_232_314_u64 })));
    assert_eq!(event["event_type"], "tested");
}

#[test]
fn a_delivery_fires_what_its_payload_or_its_header_says() {
    let world = World::new();
    for name in ["user.created", "github.issues", "invoice.paid"] {
        world.event_type(name);
    }
    let (standard, github, stripe) =
        (world.source("standard", json!({})), world.source("github", json!({})), world.source("stripe", json!({})));
    let deliveries = [
        (
            Delivery::standard(STANDARD_SECRET, ("msg_1", NOW_S), r#"{"type":"user.created"}"#),
            &standard,
            "user.created",
        ),
        (Delivery::github(GITHUB_SECRET, ("d-1", "issues"), r#"{"action":"opened"}"#), &github, "github.issues"),
        (
            Delivery::stripe("whsec_of_stripe", NOW_S, r#"{"id":"evt_1","type":"invoice.paid"}"#),
            &stripe,
            "invoice.paid",
        ),
    ];
    for (delivery, source, event_type) in deliveries {
        let answer = delivery.send(&world.anybody, source);
        assert_eq!(answer.expect(202)["event_type"], event_type);
        assert_eq!(world.event_of(&answer)["payload"], serde_json::from_str::<Value>(&delivery.body).unwrap());
    }
}

#[test]
fn what_is_not_signed_as_it_should_be_is_refused_and_told_what_to_look_at() {
    let world = World::new();
    world.event_type("t");
    let standard = world.source("standard", json!({ "event_type": "t" }));
    let stripe = world.source("stripe", json!({ "event_type": "t" }));
    let good = Delivery::standard(STANDARD_SECRET, ("msg_1", NOW_S), "{}");
    let with_body = |body: &str| Delivery { body: body.to_owned(), ..good.clone() };
    let (old, future) = (NOW_S - 301, NOW_S + 301);
    let refused = [
        (Delivery { headers: Vec::new(), ..good.clone() }, &standard, "`webhook-id` is missing"),
        (good.with("webhook-timestamp", "soon"), &standard, "`webhook-timestamp`"),
        (good.with("webhook-id", "msg_2"), &standard, "not signed with the source's secret"),
        (good.with("webhook-timestamp", &(NOW_S - 1).to_string()), &standard, "not signed with the source's secret"),
        (good.with("webhook-signature", "v1,bm9wZQ=="), &standard, "not signed with the source's secret"),
        (with_body("{ }"), &standard, "not signed with the source's secret"),
        (with_body("not JSON"), &standard, "not signed with the source's secret"),
        (Delivery::standard(OTHER_SECRET, ("msg_1", NOW_S), "{}"), &standard, "not signed with the source's secret"),
        (Delivery::standard(OTHER_SECRET, ("msg_1", old), "{}"), &standard, "not signed with the source's secret"),
        (Delivery::standard(STANDARD_SECRET, ("msg_1", old), "{}"), &standard, "301 s off"),
        (Delivery::standard(STANDARD_SECRET, ("msg_1", future), "{}"), &standard, "301 s off"),
        (Delivery::github(GITHUB_SECRET, ("d", "push"), "{}"), &standard, "`webhook-id` is missing"),
        (Delivery::stripe("whsec_of_stripe", old, "{}"), &stripe, "301 s off"),
        (Delivery::stripe("whsec_of_stripe", future, "{}"), &stripe, "301 s off"),
        (Delivery::stripe("whsec_of_strip", NOW_S, "{}"), &stripe, "not signed with the source's secret"),
    ];
    for (delivery, source, words) in &refused {
        let answer = delivery.send(&world.anybody, source);
        answer.problem(401, "unauthorized");
        assert!(answer.detail().contains(words), "{}: {:?}", answer.detail(), delivery.headers);
    }
    assert_eq!(world.events(), 0);
    for at_s in [NOW_S - 300, NOW_S + 300] {
        let id = at_s.to_string();
        Delivery::standard(STANDARD_SECRET, (&id, at_s), "{}").send(&world.anybody, &standard).expect(202);
        Delivery::stripe("whsec_of_stripe", at_s, &format!(r#"{{"id":"{id}"}}"#))
            .send(&world.anybody, &stripe)
            .expect(202);
    }
}

/// Ids of sources are no secret, but which of them are in use, and for what, is nobody's business.
#[test]
fn to_who_does_not_sign_a_disabled_source_looks_like_none() {
    let world = World::new();
    world.event_type("t");
    let plain = world.server.admin.post("/source", &json!({ "name": "plain", "source_type": "hooks" }));
    let plain = plain.expect(201)["id"].as_str().unwrap().to_owned();
    let disabled = world.source("github", json!({ "event_type": "t" }));
    world.disable("github", &disabled);
    let wrong = [
        Delivery::github("wrong", ("1", "push"), "{}"),
        Delivery::standard(STANDARD_SECRET, ("1", NOW_S), "{}"),
        Delivery::stripe("whsec_of_stripe", NOW_S, "{}"),
        Delivery { headers: Vec::new(), body: "not JSON".to_owned() },
    ];
    for delivery in &wrong {
        let words = |source: &str| {
            let answer = delivery.send(&world.anybody, source);
            let mut body = answer.problem(404, "not_found").clone();
            body["request_id"] = Value::Null;
            body["detail"] = answer.detail().replace(source, "it").into();
            body
        };
        let none = words(NOBODY);
        assert_eq!((words(&disabled), words(&plain), words("no-id")), (none.clone(), none.clone(), none));
    }
    Delivery::github(GITHUB_SECRET, ("1", "push"), "{}")
        .send(&world.anybody, &disabled)
        .problem(403, "source_disabled");
    assert_eq!(world.events(), 0);
}

#[test]
fn a_header_that_comes_twice_is_no_header() {
    let world = World::new();
    world.event_type("t");
    let source = world.source("github", json!({ "event_type": "t" }));
    let mut delivery = Delivery::github(GITHUB_SECRET, ("d", "push"), "{}");
    let again = delivery.headers[2].clone();
    delivery.headers.push(again);
    delivery.send(&world.anybody, &source).problem(401, "unauthorized");
}

#[test]
fn a_token_is_no_signature() {
    let world = World::new();
    world.event_type("t");
    let source = world.source("standard", json!({ "event_type": "t" }));
    let delivery = Delivery { headers: Vec::new(), body: "{}".to_owned() };
    delivery.send(&world.server.admin, &source).problem(401, "unauthorized");
    let rotated = world.server.admin.post(&format!("/source/{source}/token"), &json!({}));
    let own = world.server.admin.with_token(rotated.expect(200)["token"].as_str().unwrap());
    delivery.send(&own, &source).problem(401, "unauthorized");
    own.post("/event", &json!({ "event_type": "t" })).expect(202);
}

#[test]
fn while_secrets_are_exchanged_the_old_one_is_accepted_too() {
    let world = World::new();
    world.event_type("t");
    let new = OTHER_SECRET;
    world.server.admin.put("/secret/new", &json!({ "value": new })).expect(201);
    let source = world.source("standard", json!({ "event_type": "t", "secret": "new", "old_secret": "standard" }));
    Delivery::standard(new, ("1", NOW_S), "{}").send(&world.anybody, &source).expect(202);
    Delivery::standard(STANDARD_SECRET, ("2", NOW_S), "{}").send(&world.anybody, &source).expect(202);
    let webhook = json!({ "preset": "standard", "secret": "new", "event_type": "t" });
    let body = json!({ "name": "of-standard", "source_type": "hooks", "webhook": webhook });
    world.server.admin.put(&format!("/source/{source}"), &body).expect(200);
    Delivery::standard(new, ("3", NOW_S), "{}").send(&world.anybody, &source).expect(202);
    let old = Delivery::standard(STANDARD_SECRET, ("4", NOW_S), "{}");
    old.send(&world.anybody, &source).problem(401, "unauthorized");
    // A secret that is written anew is the one that counts.
    world.server.admin.put("/secret/new", &json!({ "value": STANDARD_SECRET })).expect(200);
    old.send(&world.anybody, &source).expect(202);
}

#[test]
fn a_webhook_whose_secret_is_missing_warns_and_takes_nothing() {
    let world = World::new();
    world.event_type("t");
    let webhook = |secret: &str, preset: &str| json!({ "preset": preset, "secret": secret, "event_type": "t" });
    let post = |name: &str, webhook: Value| {
        world.server.admin.post("/source", &json!({ "name": name, "source_type": "hooks", "webhook": webhook }))
    };
    let warned = |answer: &Answer| answer.body["warnings"].to_string();
    let missing = post("a", webhook("later", "github"));
    assert!(warned(&missing).contains("there is no secret `later`"), "{}", missing.text);
    let id = missing.expect(201)["id"].as_str().unwrap().to_owned();
    let delivery = Delivery::github("in time", ("1", "push"), "{}");
    delivery.send(&world.anybody, &id).problem(401, "unauthorized");
    world.server.admin.put("/secret/later", &json!({ "value": "in time" })).expect(201);
    delivery.send(&world.anybody, &id).expect(202);
    let unfit = post("b", webhook("github", "standard"));
    assert!(warned(&unfit).contains("no key as this preset has them"), "{}", unfit.text);
    let fit = post("c", webhook("github", "github"));
    assert!(!fit.text.contains("warning"), "{}", fit.text);
}

#[test]
fn a_webhook_fires_event_types_of_its_source_type_only() {
    let world = World::new();
    world.server.admin.post("/event-type", &json!({ "display_name": "open.to.all" })).expect(201);
    let source = world.source("standard", json!({}));
    let refused =
        Delivery::standard(STANDARD_SECRET, ("1", NOW_S), r#"{"type":"open.to.all"}"#).send(&world.anybody, &source);
    refused.problem(403, "source_type_not_allowed");
    let audited = world.server.admin.pages("/audit?what=refused");
    assert_eq!((audited.len(), &audited[0]["by"]["source_id"]), (1, &json!(source)));
    assert_eq!(world.events(), 0);
}

#[test]
fn what_a_verified_delivery_lacks_is_told() {
    let world = World::new();
    let (standard, github) = (world.source("standard", json!({})), world.source("github", json!({})));
    let send = |body: &str| Delivery::standard(STANDARD_SECRET, ("1", NOW_S), body).send(&world.anybody, &standard);
    for body in ["{}", "[]", "7", r#"{"type":7}"#, r#"{"type":"no name"}"#] {
        let refused = send(body);
        refused.problem(422, "invalid_body");
        refused.points_at(&["/type"]);
    }
    send(r#"{"type":"never.made"}"#).problem(404, "not_found");
    world.event_type("github.push");
    for body in ["", "payload", "{", "\u{feff}{}"] {
        Delivery::github(GITHUB_SECRET, ("1", "push"), body).send(&world.anybody, &github).problem(400, "invalid_json");
    }
    let untyped = Delivery { headers: nameless_headers("{}"), body: "{}".to_owned() }.send(&world.anybody, &github);
    untyped.problem(422, "invalid_body");
    untyped.points_at(&[""]);
    let nameless = Delivery::github(GITHUB_SECRET, ("1", "Bad Name"), "{}");
    nameless.send(&world.anybody, &github).problem(422, "invalid_body");
    let off = json!({ "display_name": "github.push", "source_type": "hooks", "enabled": false });
    world.server.admin.put("/event-type/github.push", &off).expect(200);
    let disabled = Delivery::github(GITHUB_SECRET, ("1", "push"), "{}");
    disabled.send(&world.anybody, &github).problem(409, "event_type_disabled");
    let schema =
        json!({ "display_name": "github.push", "source_type": "hooks", "payload_schema": { "required": ["ref"] } });
    world.server.admin.put("/event-type/github.push", &schema).expect(200);
    let invalid = Delivery::github(GITHUB_SECRET, ("1", "push"), "{}").send(&world.anybody, &github);
    invalid.problem(422, "payload_invalid");
    invalid.points_at(&[""]);
    assert_eq!(world.events(), 0);
}

/// The headers of an empty delivery of GitHub's that does not say what it is.
fn nameless_headers(body: &str) -> Vec<(&'static str, String)> {
    let Delivery { mut headers, .. } = Delivery::github(GITHUB_SECRET, ("1", ""), body);
    headers.retain(|(name, _)| *name != "x-github-event");
    headers
}

/// GitHub sends forms unless it is told otherwise.
#[test]
fn a_form_is_refused_with_what_to_do() {
    let world = World::new();
    world.event_type("t");
    let source = world.source("github", json!({ "event_type": "t" }));
    let form = Delivery::github(GITHUB_SECRET, ("1", "push"), "payload=%7B%7D");
    for content_type in ["application/x-www-form-urlencoded", "Application/X-WWW-Form-Urlencoded; charset=utf-8"] {
        let refused = form.send_as(content_type, &world.anybody, &source);
        refused.problem(415, "unsupported_media_type");
        assert!(refused.detail().contains("application/json"), "{}", refused.detail());
    }
    // Only who signs is told.
    let forged = Delivery::github("wrong", ("1", "push"), "payload=%7B%7D");
    forged.send_as("application/x-www-form-urlencoded", &world.anybody, &source).problem(401, "unauthorized");
    assert_eq!(world.events(), 0);
}

#[test]
fn a_map_says_what_fires_for_what_the_sender_calls_its_events() {
    let world = World::new();
    for name in ["pushed", "other", "pinged"] {
        world.event_type(name);
    }
    let source = world.source("github", json!({ "event_types": { "push": "pushed" } }));
    let fired = |n: u32, event: &str| {
        Delivery::github(GITHUB_SECRET, (&n.to_string(), event), "{}").send(&world.anybody, &source)
    };
    assert_eq!(fired(1, "push").expect(202)["event_type"], "pushed");
    let unmapped = fired(2, "star");
    unmapped.problem(422, "invalid_body");
    unmapped.points_at(&[""]);
    assert_eq!(fired(3, "ping").expect(200)["event_id"], Value::Null);
    let put = |more: Value| world.change("github", &source, more);
    put(json!({ "event_types": { "push": "pushed" }, "event_type": "other" })).expect(200);
    assert_eq!(fired(4, "push").expect(202)["event_type"], "pushed");
    assert_eq!(fired(5, "star").expect(202)["event_type"], "other");
    assert_eq!(fired(6, "ping").expect(200)["event_id"], Value::Null);
    put(json!({ "event_types": { "ping": "pinged" } })).expect(200);
    assert_eq!(fired(7, "ping").expect(202)["event_type"], "pinged");

    let mapped = world.source("stripe", json!({ "event_types": { "invoice.paid": "pushed" } }));
    let stripe = |body: &str| Delivery::stripe("whsec_of_stripe", NOW_S, body).send(&world.anybody, &mapped);
    assert_eq!(stripe(r#"{"id":"evt_1","type":"invoice.paid"}"#).expect(202)["event_type"], "pushed");
    let unmapped = stripe(r#"{"id":"evt_2","type":"invoice.void"}"#);
    unmapped.problem(422, "invalid_body");
    unmapped.points_at(&["/type"]);
}

#[test]
fn a_ping_of_github_is_answered_and_fires_only_what_is_there_for_it() {
    let world = World::new();
    world.event_type("t");
    let (fixed, mapped) = (world.source("github", json!({ "event_type": "t" })), {
        let webhook = json!({ "preset": "github", "secret": "github" });
        let body = json!({ "name": "mapped", "source_type": "hooks", "webhook": webhook });
        world.server.admin.post("/source", &body).expect(201)["id"].as_str().unwrap().to_owned()
    });
    let ping = |n: u32, source: &str| {
        Delivery::github(GITHUB_SECRET, (&n.to_string(), "ping"), "{}").send(&world.anybody, source)
    };
    for source in [&fixed, &mapped] {
        assert_eq!(ping(1, source).expect(200)["event_id"], Value::Null);
    }
    assert_eq!(world.events(), 0);
    world.event_type("github.ping");
    assert_eq!(ping(2, &fixed).expect(200)["event_id"], Value::Null);
    assert_eq!(ping(3, &mapped).expect(202)["event_type"], "github.ping");
}

#[test]
fn the_object_of_an_event_is_where_the_webhook_points() {
    let world = World::new();
    world.event_type("t");
    let object = json!({ "type": "repository", "pointer": "/repository/full~1name" });
    let source = world.source("github", json!({ "event_type": "t", "object": object }));
    let object_of = |n: u32, body: Value| {
        let delivery = Delivery::github(GITHUB_SECRET, (&n.to_string(), "push"), &body.to_string());
        world.event_of(&delivery.send(&world.anybody, &source))["object"].clone()
    };
    let named = object_of(1, json!({ "repository": { "full/name": "octocat/Hello-World" } }));
    assert_eq!(named, json!({ "object_type": "repository", "object_id": "octocat/Hello-World" }));
    assert_eq!(object_of(2, json!({ "repository": { "full/name": 1_296_269 } }))["object_id"], "1296269");
    for (n, body) in (3..).zip([json!({}), json!({ "repository": { "full/name": {} } }), json!([])]) {
        assert_eq!(object_of(n, body), Value::Null);
    }
}

#[test]
fn a_body_past_the_bound_is_refused_before_anything_else() {
    let world = World::new();
    world.event_type("t");
    let source = world.source("github", json!({ "event_type": "t" }));
    let body = |length: usize| format!("\"{}\"", "x".repeat(length - 2));
    let disabled = world.source("stripe", json!({ "event_type": "t" }));
    world.disable("stripe", &disabled);
    for source in [source.as_str(), NOBODY, &disabled] {
        let large = Delivery::github(GITHUB_SECRET, ("1", "push"), &body((1 << 20) + 1));
        large.send(&world.anybody, source).problem(413, "too_large");
    }
    Delivery::github(GITHUB_SECRET, ("2", "push"), &body(1 << 20)).send(&world.anybody, &source).expect(202);
}

#[test]
fn a_webhook_is_kept_shown_and_checked() {
    let mut world = World::new();
    let source = world.source("stripe", json!({}));
    let shown = world.server.admin.get(&format!("/source/{source}")).expect(200).clone();
    let defaults = json!({ "preset": "stripe", "secret": "stripe", "old_secret": null, "event_type": null, "tolerance_s": 300, "object": null });
    assert_eq!(shown["webhook"], defaults);
    // The secret's key is shown, what deliveries are signed with never.
    for told in [shown.to_string(), world.server.admin.get("/source").text, world.server.admin.get("/audit").text] {
        assert!(!told.contains("whsec_of_stripe"), "{told}");
    }
    assert!(!world.server.dump().contains("whsec_of_stripe"));
    let map = |names: usize| (0..names).map(|n| (n.to_string(), json!("t"))).collect::<serde_json::Map<_, _>>();
    let all = json!({ "event_types": map(100), "preset": "github", "secret": "a", "old_secret": "b", "event_type": "t", "tolerance_s": 86_400, "object": { "type": "public.repo", "pointer": "/a" } });
    let put = |webhook: &Value| {
        let body = json!({ "name": "of-stripe", "source_type": "hooks", "webhook": webhook });
        world.server.admin.put(&format!("/source/{source}"), &body)
    };
    assert_eq!(put(&all).expect(200)["webhook"], all);
    for (field, value, pointer) in [
        ("preset", json!("slack"), "/webhook/preset"),
        ("secret", json!("1"), "/webhook/secret"),
        ("secret", Value::Null, "/webhook/secret"),
        ("event_type", json!("no name"), "/webhook/event_type"),
        ("event_types", json!({ "push": "no name" }), "/webhook/event_types/push"),
        ("event_types", json!(map(101)), "/webhook/event_types"),
        ("tolerance_s", json!(0), "/webhook/tolerance_s"),
        ("tolerance_s", json!(86_401), "/webhook/tolerance_s"),
        ("object", json!({ "type": "a b", "pointer": "/a" }), "/webhook/object/type"),
        ("object", json!({ "type": "a", "pointer": "a" }), "/webhook/object/pointer"),
        ("object", json!({ "type": "a", "pointer": format!("/{}", "x".repeat(1_000)) }), "/webhook/object/pointer"),
        ("unknown", json!(1), "/webhook/unknown"),
    ] {
        let mut webhook = all.clone();
        webhook[field] = value;
        let refused = put(&webhook);
        refused.problem(422, "invalid_body");
        refused.points_at(&[pointer]);
    }
    world.server.restart();
    assert_eq!(world.server.admin.get(&format!("/source/{source}")).expect(200)["webhook"], all);
}

#[test]
fn a_delivery_that_is_tried_again_is_answered_with_what_it_fired() {
    let mut world = World::new();
    world.event_type("t");
    let fixed = || json!({ "event_type": "t" });
    let sources = [world.source("standard", fixed()), world.source("github", fixed()), world.source("stripe", fixed())];
    let stripe = |id: &str, pending: u32| {
        Delivery::stripe("whsec_of_stripe", NOW_S, &json!({ "id": id, "pending_webhooks": pending }).to_string())
    };
    let first = [
        Delivery::standard(STANDARD_SECRET, ("msg_1", NOW_S), "{}"),
        Delivery::github(GITHUB_SECRET, ("d-1", "push"), "{}"),
        stripe("evt_1", 2),
    ];
    // Tried again, it is signed anew, and Stripe's bodies tell how many are left.
    let again =
        [Delivery::standard(STANDARD_SECRET, ("msg_1", NOW_S + 60), "{}"), first[1].clone(), stripe("evt_1", 1)];
    let other = [
        Delivery::standard(STANDARD_SECRET, ("msg_2", NOW_S), "{}"),
        Delivery::github(GITHUB_SECRET, ("d-2", "push"), "{}"),
        stripe("evt_2", 1),
    ];
    let send = |world: &World, delivery: &Delivery, source: &str| {
        let answer = delivery.send(&world.server.admin.without_token(), source);
        let replayed = answer.headers.get("idempotency-replayed").map(|told| told.to_str().unwrap().to_owned());
        (answer.expect(202)["event_id"].clone(), replayed)
    };
    let mut events = Vec::new();
    for (place, source) in sources.iter().enumerate() {
        let (event, replayed) = send(&world, &first[place], source);
        assert_eq!(replayed, None);
        assert_eq!(send(&world, &again[place], source), (event.clone(), Some("true".to_owned())));
        let (another, replayed) = send(&world, &other[place], source);
        assert_ne!(another, event);
        assert_eq!(replayed, None);
        events.push(event);
    }
    assert_eq!(world.events(), 6);
    world.server.restart();
    for (place, source) in sources.iter().enumerate() {
        assert_eq!(send(&world, &again[place], source).0, events[place]);
    }
    assert_eq!(world.events(), 6);
    // A key of a caller's own and another source's ids are other keys.
    let token = world.server.admin.request("POST", "/event").header("idempotency-key", "d-1");
    token.json(&json!({ "event_type": "t" })).send().expect(202);
    let webhook = json!({ "preset": "github", "secret": "github", "event_type": "t" });
    let body = json!({ "name": "second", "source_type": "hooks", "webhook": webhook });
    let second = world.server.admin.post("/source", &body).expect(201)["id"].as_str().unwrap().to_owned();
    assert_eq!(send(&world, &first[1], &second).1, None);
    assert_eq!(world.events(), 8);
    // Past the event type's window, a day, the id is free again.
    world.server.pass_ms(24 * 60 * 60 * 1_000);
    let (late, replayed) = send(&world, &first[1], &sources[1]);
    assert_eq!((late == events[1], replayed), (false, None));
}

/// A delivery without an id cannot be known again.
#[test]
fn a_delivery_without_an_id_fires_every_time() {
    let world = World::new();
    world.event_type("t");
    let (github, stripe) =
        (world.source("github", json!({ "event_type": "t" })), world.source("stripe", json!({ "event_type": "t" })));
    let mut nameless = Delivery::github(GITHUB_SECRET, ("", "push"), "{}");
    nameless.headers.retain(|(name, _)| *name != "x-github-delivery");
    let stripe_nameless = Delivery::stripe("whsec_of_stripe", NOW_S, r#"{"id":7}"#);
    for _ in 0..2 {
        nameless.send(&world.anybody, &github).expect(202);
        stripe_nameless.send(&world.anybody, &stripe).expect(202);
    }
    assert_eq!(world.events(), 4);
}

/// Only who signs learns of an earlier delivery, and a refused one leaves its id free.
#[test]
fn a_refused_delivery_is_not_remembered() {
    let world = World::new();
    let source = world.source("github", json!({ "event_type": "t" }));
    let delivery = Delivery::github(GITHUB_SECRET, ("d-1", "push"), "{}");
    delivery.send(&world.anybody, &source).problem(404, "not_found");
    world.event_type("t");
    let fired = delivery.send(&world.anybody, &source);
    assert!(!fired.headers.contains_key("idempotency-replayed"), "{}", fired.text);
    fired.expect(202);
    Delivery::github("wrong", ("d-1", "push"), "{}").send(&world.anybody, &source).problem(401, "unauthorized");
}

#[test]
fn deliveries_are_verified_after_the_key_of_the_secrets_was_changed_and_after_a_restart() {
    let mut world = World::new();
    world.event_type("t");
    let source = world.source("github", json!({ "event_type": "t" }));
    let deliver = |world: &World, n: u32| {
        Delivery::github(GITHUB_SECRET, (&n.to_string(), "push"), "{}")
            .send(&world.server.admin.without_token(), &source)
    };
    deliver(&world, 1).expect(202);
    world.server.admin.post("/secret-key/rotate", &json!({})).expect(200);
    deliver(&world, 2).expect(202);
    world.server.restart();
    deliver(&world, 3).expect(202);
    assert_eq!(world.events(), 3);
}

#[test]
fn a_tenants_webhook_takes_its_own_secret_and_fires_its_own_event_types() {
    let world = World::new();
    let tenant = world.server.client_for("a", &["admin"]);
    // The platform's secret of that key and its event type are not the tenant's.
    world.event_type("t");
    tenant.post("/source-type", &json!({ "name": "own" })).expect(201);
    let webhook = json!({ "preset": "github", "secret": "github", "event_type": "mine" });
    let source = tenant.post("/source", &json!({ "name": "s", "source_type": "own", "webhook": webhook }));
    let source = source.expect(201)["id"].as_str().unwrap().to_owned();
    let delivery = |secret: &str| Delivery::github(secret, ("1", "push"), "{}").send(&world.anybody, &source);
    delivery(GITHUB_SECRET).problem(401, "unauthorized");
    tenant.put("/secret/github", &json!({ "value": "the tenant's" })).expect(201);
    delivery(GITHUB_SECRET).problem(401, "unauthorized");
    delivery("the tenant's").problem(404, "not_found");
    tenant.post("/event-type", &json!({ "display_name": "mine", "source_type": "own" })).expect(201);
    let event = world.event_of(&delivery("the tenant's"));
    assert_eq!((&event["owner_id"], &event["event_type"]), (&json!("a"), &json!("mine")));
    // Whoever has the source's id but not the secret gets no further with a token of the tenant's.
    let refused = Delivery::github(GITHUB_SECRET, ("2", "push"), "{}").send(&tenant, &source);
    refused.problem(401, "unauthorized");
}

/// What somebody without the secret may come up with: a delivery of any preset, made with any other secret, of which parts
/// are exchanged, missing, or taken from another.
fn forgery() -> impl Strategy<Value = Delivery> {
    let secret = prop_oneof![
        Just(OTHER_SECRET.to_owned()),
        Just("whsec_bm9ib2R5J3Mga2V5".to_owned()),
        prop::collection::vec(any::<u8>(), 1..40).prop_map(|key| format!("whsec_{}", BASE64.encode(&key))),
    ];
    let body =
        prop_oneof![Just("{}".to_owned()), Just(String::new()), "\\PC{0,40}", Just(r#"{"type":"t"}"#.to_owned())];
    let at_s = prop_oneof![3 => Just(NOW_S), 1 => any::<i64>()];
    let made = (secret, body, at_s, 0..3_usize).prop_map(|(secret, body, at_s, preset)| match preset {
        0 => Delivery::standard(&secret, ("msg_1", at_s), &body),
        1 => Delivery::github(&secret, ("d", "push"), &body),
        _ => Delivery::stripe(&secret, at_s, &body),
    });
    let changes = prop::collection::vec((any::<prop::sample::Index>(), prop::option::of("[!-~]{0,80}")), 0..4);
    (made, changes).prop_map(|(mut delivery, changes)| {
        for (place, value) in changes {
            if delivery.headers.is_empty() {
                break;
            }
            let place = place.index(delivery.headers.len());
            match value {
                Some(value) => delivery.headers[place].1 = value,
                None => drop(delivery.headers.remove(place)),
            }
        }
        delivery
    })
}

#[test]
fn nothing_that_somebody_without_the_secret_sends_fires_anything() {
    let world = World::new();
    world.event_type("t");
    let sources: Vec<String> = ["standard", "github", "stripe"]
        .iter()
        .map(|preset| world.source(preset, json!({ "event_type": "t" })))
        .collect();
    let config = ProptestConfig { failure_persistence: None, cases: 200, ..ProptestConfig::default() };
    let forged = proptest::test_runner::TestRunner::new(config).run(&forgery(), |delivery| {
        for source in &sources {
            let answer = delivery.send(&world.anybody, source);
            prop_assert_eq!(
                (answer.status, answer.body["code"].as_str()),
                (401, Some("unauthorized")),
                "{}",
                answer.text
            );
        }
        Ok(())
    });
    assert_eq!((forged, world.events()), (Ok(()), json!(0)));
    // Not that nothing at all would have.
    Delivery::github(GITHUB_SECRET, ("d", "push"), "{}").send(&world.anybody, &sources[1]).expect(202);
}
