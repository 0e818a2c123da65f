//! Webhooks: signed requests of other systems that fire events.

use crate::support::{Answer, Client, TestServer, is_ended};
use data_encoding::{BASE64, HEXLOWER};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

const NOBODY: &str = "01a1ff7d-875e-7388-ab52-e35ac67b46e8";
/// Of the libraries of Standard Webhooks.
const STANDARD_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const GITHUB_SECRET: &str = "It's a Secret to Everybody";
/// When the manual clock starts.
const NOW_S: i64 = 1_700_000_000;

fn mac(key: &[u8], parts: &[&str]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    parts.iter().for_each(|part| mac.update(part.as_bytes()));
    mac.finalize().into_bytes().to_vec()
}

/// A delivery being put together.
#[derive(Clone)]
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
        let request = client.request("POST", &format!("/hook/{source}")).header("content-type", "application/json");
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

    /// A source that is a webhook of this scheme; its id.
    fn source(&self, scheme: &str, more: Value) -> String {
        let mut webhook = json!({ "scheme": scheme, "secret": scheme });
        webhook.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let body = json!({ "name": format!("of-{scheme}"), "source_type": "hooks", "webhook": webhook });
        self.server.admin.post("/source", &body).expect(201)["id"].as_str().unwrap().to_owned()
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
fn whatever_is_wrong_about_a_delivery_the_answer_is_the_same() {
    let world = World::new();
    world.event_type("t");
    let standard = world.source("standard", json!({ "event_type": "t" }));
    let plain = world.server.admin.post("/source", &json!({ "name": "plain", "source_type": "hooks" }));
    let plain = plain.expect(201)["id"].as_str().unwrap().to_owned();
    let good = Delivery::standard(STANDARD_SECRET, ("msg_1", NOW_S), "{}");
    let with_body = |body: &str| Delivery { body: body.to_owned(), ..good.clone() };
    let refused = [
        (good.clone(), NOBODY),
        (good.clone(), "no-id"),
        (good.clone(), plain.as_str()),
        (Delivery { headers: Vec::new(), ..good.clone() }, &standard),
        (good.with("webhook-id", "msg_2"), &standard),
        (good.with("webhook-signature", "v1,bm9wZQ=="), &standard),
        (with_body("{ }"), &standard),
        (with_body("not JSON"), &standard),
        (Delivery::standard("whsec_AAAQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", ("msg_1", NOW_S), "{}"), &standard),
        (Delivery::standard(STANDARD_SECRET, ("msg_1", NOW_S - 301), "{}"), &standard),
        (Delivery::standard(STANDARD_SECRET, ("msg_1", NOW_S + 301), "{}"), &standard),
        (Delivery::github(GITHUB_SECRET, ("d", "push"), "{}"), &standard),
        (Delivery::github(GITHUB_SECRET, ("d", "push"), "{}"), NOBODY),
        (Delivery::stripe("whsec_of_stripe", NOW_S, "{}"), NOBODY),
    ];
    let words = |answer: &Answer| {
        let mut body = answer.problem(401, "unauthorized").clone();
        body["request_id"] = Value::Null;
        body
    };
    let first = words(&good.send(&world.anybody, NOBODY));
    for (delivery, source) in &refused {
        let answer = delivery.send(&world.anybody, source);
        assert_eq!(words(&answer), first, "{source}: {:?}", delivery.headers);
    }
    assert_eq!(world.events(), 0);
    for at_s in [NOW_S - 300, NOW_S + 300] {
        let id = at_s.to_string();
        Delivery::standard(STANDARD_SECRET, (&id, at_s), "{}").send(&world.anybody, &standard).expect(202);
    }
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
    let new = "whsec_AAAQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    world.server.admin.put("/secret/new", &json!({ "value": new })).expect(201);
    let source = world.source("standard", json!({ "event_type": "t", "secret": "new", "old_secret": "standard" }));
    Delivery::standard(new, ("1", NOW_S), "{}").send(&world.anybody, &source).expect(202);
    Delivery::standard(STANDARD_SECRET, ("2", NOW_S), "{}").send(&world.anybody, &source).expect(202);
    let webhook = json!({ "scheme": "standard", "secret": "new", "event_type": "t" });
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
    let webhook = |secret: &str, scheme: &str| json!({ "scheme": scheme, "secret": secret, "event_type": "t" });
    let post = |name: &str, webhook: Value| {
        world.server.admin.post("/source", &json!({ "name": name, "source_type": "hooks", "webhook": webhook }))
    };
    let warned = |answer: &Answer| answer.body["warnings"].to_string();
    let missing = post("a", webhook("later", "github"));
    assert!(warned(&missing).contains("`later`"), "{}", missing.text);
    let id = missing.expect(201)["id"].as_str().unwrap().to_owned();
    let delivery = Delivery::github("in time", ("1", "push"), "{}");
    delivery.send(&world.anybody, &id).problem(401, "unauthorized");
    world.server.admin.put("/secret/later", &json!({ "value": "in time" })).expect(201);
    delivery.send(&world.anybody, &id).expect(202);
    let unfit = post("b", webhook("github", "standard"));
    assert!(warned(&unfit).contains("no key of this scheme"), "{}", unfit.text);
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
    let form = Delivery::github(GITHUB_SECRET, ("1", "push"), "payload=%7B%7D");
    form.send(&world.anybody, &github).problem(400, "invalid_json");
    let nameless = Delivery::github(GITHUB_SECRET, ("1", "Bad Name"), "{}");
    nameless.send(&world.anybody, &github).problem(422, "invalid_body");
    world
        .server
        .admin
        .put(
            "/event-type/github.push",
            &json!({ "display_name": "github.push", "source_type": "hooks", "enabled": false }),
        )
        .expect(200);
    let disabled = Delivery::github(GITHUB_SECRET, ("1", "push"), "{}");
    disabled.send(&world.anybody, &github).problem(409, "event_type_disabled");
}

#[test]
fn a_disabled_source_says_so_to_who_signs_and_to_nobody_else() {
    let world = World::new();
    world.event_type("t");
    let source = world.source("github", json!({ "event_type": "t" }));
    let webhook = json!({ "scheme": "github", "secret": "github", "event_type": "t" });
    let body = json!({ "name": "of-github", "source_type": "hooks", "enabled": false, "webhook": webhook });
    world.server.admin.put(&format!("/source/{source}"), &body).expect(200);
    Delivery::github(GITHUB_SECRET, ("1", "push"), "{}").send(&world.anybody, &source).problem(403, "source_disabled");
    Delivery::github("wrong", ("1", "push"), "{}").send(&world.anybody, &source).problem(401, "unauthorized");
}

#[test]
fn a_ping_of_github_is_answered_and_fires_only_what_is_there_for_it() {
    let world = World::new();
    world.event_type("t");
    let (fixed, mapped) = (world.source("github", json!({ "event_type": "t" })), {
        let webhook = json!({ "scheme": "github", "secret": "github" });
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
    for source in [source.as_str(), NOBODY] {
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
    let defaults = json!({ "scheme": "stripe", "secret": "stripe", "old_secret": null, "event_type": null, "tolerance_s": 300, "object": null });
    assert_eq!(shown["webhook"], defaults);
    assert!(!world.server.dump().contains("\"hash\":[") || !shown.to_string().contains("hash"));
    let all = json!({ "scheme": "github", "secret": "a", "old_secret": "b", "event_type": "t", "tolerance_s": 86_400, "object": { "type": "public.repo", "pointer": "/a" } });
    let put = |webhook: &Value| {
        let body = json!({ "name": "of-stripe", "source_type": "hooks", "webhook": webhook });
        world.server.admin.put(&format!("/source/{source}"), &body)
    };
    assert_eq!(put(&all).expect(200)["webhook"], all);
    for (field, value, pointer) in [
        ("scheme", json!("slack"), "/webhook/scheme"),
        ("secret", json!("1"), "/webhook/secret"),
        ("secret", Value::Null, "/webhook/secret"),
        ("event_type", json!("no name"), "/webhook/event_type"),
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
fn a_delivery_that_is_tried_again_fires_nothing_again() {
    let world = World::new();
    world.event_type("t");
    let github = world.source("github", json!({ "event_type": "t" }));
    let first = Delivery::github(GITHUB_SECRET, ("d-1", "push"), r#"{"n":1}"#).send(&world.anybody, &github);
    let again = Delivery::github(GITHUB_SECRET, ("d-1", "push"), r#"{"n":1}"#).send(&world.anybody, &github);
    assert_eq!(first.expect(202), again.expect(202));
    assert_eq!(world.events(), 1);
    let other = Delivery::github(GITHUB_SECRET, ("d-2", "push"), r#"{"n":1}"#).send(&world.anybody, &github);
    assert_ne!(first.expect(202)["event_id"], other.expect(202)["event_id"]);
    assert_eq!(world.events(), 2);
    assert!(is_ended(&world.event_of(&first)));
}
