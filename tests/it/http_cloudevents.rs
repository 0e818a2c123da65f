//! CloudEvents 1.0 in, by the HTTP binding, and out, on the stream.

use crate::support::{Answer, TestServer, is_ended};
use serde_json::{Value, json};
use std::io::BufRead;

const JSON: &str = "application/cloudevents+json";
const BATCH: &str = "application/cloudevents-batch+json";

fn server() -> TestServer {
    let server = TestServer::with_manual_clock();
    server.install("noop", "noop", json!({}));
    server
}

/// The attributes that every event needs.
fn needed() -> [(&'static str, &'static str); 4] {
    [("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/shop"), ("ce-type", "noop")]
}

/// Sends an event in binary mode, with these headers in the place of or besides those that it needs; without those that are empty.
fn binary(server: &TestServer, headers: &[(&'static str, &str)], body: impl Into<Vec<u8>>) -> Answer {
    let mut request = server.admin.request("POST", "/event");
    let replaced = |name: &str| headers.iter().any(|(other, _)| *other == name);
    for (name, value) in needed().iter().filter(|(name, _)| !replaced(name)) {
        request = request.header(name, value);
    }
    for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
        request = request.header(name, value);
    }
    request.bytes(body).send()
}

fn event() -> Value {
    json!({ "specversion": "1.0", "id": "1", "source": "/shop", "type": "noop" })
}

/// The event with other members; without those that are null.
fn with(more: Value) -> Value {
    let mut event = event();
    for (name, value) in more.as_object().unwrap() {
        event[name] = value.clone();
    }
    event.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    event
}

fn send(server: &TestServer, kind: &str, body: impl Into<Vec<u8>>) -> Answer {
    server.admin.request("POST", "/event").header("content-type", kind).bytes(body).send()
}

fn structured(server: &TestServer, event: &Value) -> Answer {
    send(server, JSON, event.to_string())
}

fn count(server: &TestServer) -> Value {
    server.admin.get("/event?limit=200").body["count"].clone()
}

#[test]
fn an_event_in_headers_has_its_body_as_payload() {
    let server = server();
    let headers = [
        ("content-type", "application/json; charset=utf-8"),
        ("ce-subject", "public.bookable/a%2Fb%20%C3%A4"),
        ("ce-time", "2026-11-21T18:47:19+01:00"),
        ("ce-dataschema", "https://example.com/schema#v1"),
        ("ce-traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("ce-note", "\"Euro %E2%82%AC \\\"quoted\\\"\""),
    ];
    let fired = binary(&server, &headers, "{ \"n\":  1.0 }");
    let accepted = fired.expect(202);
    assert_eq!((&accepted["event_type"], &accepted["origin"]), (&json!("noop"), &json!("api")));
    assert_eq!(accepted["object"], json!({ "object_type": "public.bookable", "object_id": "a/b ä" }));
    assert!(fired.text.contains("{ \"n\":  1.0 }"), "the payload is kept to the byte: {}", fired.text);
    let attributes = json!({
        "specversion": "1.0", "id": "1", "source": "/shop", "type": "noop", "subject": "public.bookable/a/b ä",
        "time": "2026-11-21T18:47:19+01:00", "datacontenttype": "application/json; charset=utf-8",
        "dataschema": "https://example.com/schema#v1", "note": "Euro € \"quoted\"",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    });
    assert_eq!(accepted["cloudevent"], attributes);
    let event = server.until(accepted["id"].as_str().unwrap(), is_ended);
    assert_eq!((&event["cloudevent"], &event["runs"][0]["output"]), (&attributes, &json!({ "n": 1.0 })));
    // What is no CloudEvent has no attributes.
    assert!(server.admin.post("/event", &json!({ "event_type": "noop" })).expect(202).get("cloudevent").is_none());
}

#[test]
fn an_event_can_be_waited_for() {
    let server = server();
    let request = server.admin.request("POST", "/event").header("prefer", "wait=60").header("content-type", JSON);
    let ended = request.bytes(with(json!({ "data": { "n": 1 } })).to_string()).send();
    assert_eq!(ended.expect(200)["runs"][0]["output"], json!({ "n": 1 }));
}

#[test]
fn data_is_what_its_content_type_says() {
    let server = server();
    for (place, (kind, body, payload)) in [
        ("application/json", &b"[1, 2]"[..], json!([1, 2])),
        ("application/vnd.example+json", b"null", Value::Null),
        ("", b"{\"a\":1}", json!({ "a": 1 })),
        ("application/json", b"", json!({})),
        ("text/plain", "grün".as_bytes(), json!("grün")),
        ("application/octet-stream", &[0, 255], json!({ "data_base64": "AP8=" })),
    ]
    .into_iter()
    .enumerate()
    {
        let id = place.to_string();
        let fired = binary(&server, &[("content-type", kind), ("ce-id", &id)], body);
        assert_eq!(fired.expect(202)["payload"], payload, "{kind}");
    }
    for (place, (more, payload)) in [
        (json!({ "data": { "a": [1] } }), json!({ "a": [1] })),
        (json!({ "data": "<a/>", "datacontenttype": "text/xml" }), json!("<a/>")),
        (json!({}), json!({})),
        (json!({ "data_base64": "eyJhIjoxfQ==" }), json!({ "a": 1 })),
        (json!({ "data_base64": "Z3LDvG4=", "datacontenttype": "text/plain" }), json!("grün")),
        (json!({ "data_base64": "AP8=", "datacontenttype": "image/png" }), json!({ "data_base64": "AP8=" })),
    ]
    .into_iter()
    .enumerate()
    {
        let mut event = with(more);
        event["id"] = json!(format!("structured {place}"));
        assert_eq!(structured(&server, &event).expect(202)["payload"], payload, "{event}");
    }
    let null = r#"{"specversion":"1.0","id":"null","source":"/shop","type":"noop","data":null,"time":null}"#;
    assert_eq!(send(&server, JSON, null).expect(202)["payload"], Value::Null);
}

#[test]
fn a_structured_event_keeps_its_extensions_and_names_its_object_by_its_subject() {
    let server = server();
    let event = with(json!({ "subject": "bookable/42", "sequence": 7, "sampled": true, "note": "ä", "absent": null }));
    let fired = send(&server, "Application/CloudEvents+JSON; charset=utf-8", event.to_string());
    let accepted = fired.expect(202);
    assert_eq!(accepted["cloudevent"], event);
    assert_eq!(accepted["object"], json!({ "object_type": "bookable", "object_id": "42" }));
    for (id, subject) in [("2", "just a subject"), ("3", "/bookable"), ("4", "bookable/"), ("5", "a b/c")] {
        let fired = structured(&server, &with(json!({ "id": id, "subject": subject })));
        assert_eq!(fired.expect(202)["object"], Value::Null, "{subject}");
        assert_eq!(fired.expect(202)["cloudevent"]["subject"], subject);
    }
}

/// What an event has beside its payload, in names that an attribute may have.
#[test]
fn extension_attributes_say_how_an_event_fires() {
    let server = server();
    let structured_one = with(json!({
        "id": "s", "subject": "not/this", "object": "bookable/42", "flow": "up", "dedupkey": "k", "delay": 90,
    }));
    let asked = [
        structured(&server, &structured_one),
        binary(
            &server,
            &[
                ("ce-id", "b"),
                ("ce-subject", "not/this"),
                ("ce-object", "bookable%2F42"),
                ("ce-flow", "up"),
                ("ce-dedupkey", "other"),
                ("ce-delay", "1m30s"),
            ],
            "",
        ),
    ];
    for answer in &asked {
        let event = answer.expect(202);
        assert_eq!(event["object"], json!({ "object_type": "bookable", "object_id": "42" }));
        assert_eq!((&event["flow"], &event["state"]), (&json!("up"), &json!("WAITING")));
        assert_eq!(event["run_at"], "2023-11-14T22:14:50.000Z");
    }
    // The key is what a firing is compared by while another is in flight.
    let same = structured(&server, &with(json!({ "id": "2", "dedupkey": "k", "data": "other" })));
    let event = server.event(same.expect(202)["id"].as_str().unwrap());
    assert_eq!(event["runs"][0]["reason"], "duplicate");
    let at = structured(&server, &with(json!({ "id": "3", "runat": "2023-12-24T18:00:00Z", "dedupkey": "l" })));
    assert_eq!(at.expect(202)["run_at"], "2023-12-24T18:00:00.000Z");
    // Asked for something else under the same source and id.
    structured(&server, &with(json!({ "id": "3", "dedupkey": "l" }))).problem(422, "idempotency_key_reused");
    let owned = structured(&server, &with(json!({ "id": "4", "ownerid": "a" })));
    assert_eq!(owned.expect(202)["owner_id"], "a");
    let foreign = server.client_for("b", &["execute"]).request("POST", "/event").header("content-type", JSON);
    foreign.bytes(with(json!({ "id": "5", "ownerid": "a" })).to_string()).send().problem(403, "forbidden");
}

#[test]
fn what_an_event_would_do_can_be_asked() {
    let server = server();
    let ask = |kind: &str, body: String| {
        server.admin.request("POST", "/event?dry_run=true").header("content-type", kind).bytes(body).send()
    };
    let foreseen = ask(JSON, with(json!({ "subject": "bookable/42" })).to_string());
    let event = foreseen.expect(200);
    assert_eq!((&event["dry_run"], event["runs"].as_array().unwrap().len()), (&json!(true), 1));
    assert_eq!(event["object"]["object_id"], "42");
    let refused = ask(BATCH, json!([event_of("1")]).to_string());
    refused.problem(400, "bad_request");
    assert!(refused.detail().starts_with("dry_run: "), "{}", refused.detail());
    assert_eq!(count(&server), 0);
    // It was not accepted, so it is new.
    assert!(
        !structured(&server, &with(json!({ "subject": "bookable/42" }))).headers.contains_key("idempotency-replayed")
    );
}

fn event_of(id: &str) -> Value {
    with(json!({ "id": id }))
}

#[test]
fn a_source_fires_cloudevents_of_its_source_type_and_each_refusal_of_a_batch_is_audited() {
    let server = server();
    server.admin.post("/source-type", &json!({ "name": "doors" })).expect(201);
    let source = server.admin.post("/source", &json!({ "name": "door", "source_type": "doors" }));
    let source = server.admin.with_token(source.expect(201)["token"].as_str().unwrap());
    server.admin.post("/event-type", &json!({ "display_name": "opened", "source_type": "doors" })).expect(201);
    let send =
        |body: Value| source.request("POST", "/event").header("content-type", BATCH).bytes(body.to_string()).send();
    let answer = send(json!([with(json!({ "type": "opened" })), event_of("2"), event_of("3")]));
    let items = answer.expect(207).as_array().unwrap();
    assert_eq!((&items[0]["status"], &items[0]["event"]["origin"]), (&json!(202), &json!("source")));
    for item in &items[1..] {
        assert_eq!((&item["status"], &item["problem"]["code"]), (&json!(403), &json!("source_type_not_allowed")));
    }
    assert_eq!(server.admin.pages("/audit?what=refused").len(), 2);
    assert_eq!(count(&server), 1);
}

#[test]
fn what_is_wrong_with_a_header_is_told_by_its_name() {
    let server = server();
    let long = "x".repeat(2_049);
    for (headers, words) in [
        (vec![("ce-specversion", "")], "ce-specversion: it is missing"),
        (vec![("ce-specversion", "0.3")], "ce-specversion: `0.3` is not spoken here"),
        (vec![("ce-id", "")], "ce-id: it is missing"),
        (vec![("ce-id", "\"\"")], "ce-id: it is empty"),
        (vec![("ce-id", &long)], "ce-id: it has at most 2048 bytes"),
        (vec![("ce-id", "a"), ("ce-id", "b")], "ce-id: there is more than one"),
        (vec![("ce-source", "")], "ce-source: it is missing"),
        (vec![("ce-source", "a%20b c")], "ce-source: it is a URI reference"),
        (vec![("ce-type", "")], "ce-type: it is missing"),
        (vec![("ce-type", "not a name")], "ce-type: `not a name` is not a valid event type name"),
        (vec![("ce-subject", "100%")], "ce-subject: `100%` is not percent-encoded UTF-8"),
        (vec![("ce-subject", "%ff")], "ce-subject: `%ff` is not percent-encoded UTF-8"),
        (vec![("ce-subject", "\"open")], "ce-subject: the quotes do not match"),
        (vec![("ce-time", "yesterday")], "ce-time: it is a time of RFC 3339"),
        (vec![("ce-dataschema", "a b")], "ce-dataschema: it is a URI reference"),
        (vec![("ce-datacontenttype", "text/plain")], "content-type: the content-type says it"),
        (vec![("ce-under_score", "x")], "ce-under_score: the name of an attribute has 1 to 64"),
        (vec![("content-type", "json")], "content-type: it is a media type"),
        (vec![("ce-data", "x")], "the body: no attribute has this name"),
        (vec![("ce-object", "bookable")], "ce-object: an object is written `type/id`"),
        (vec![("ce-flow", "sideways")], "ce-flow: unknown variant `sideways`"),
        (vec![("ce-delay", "soon")], "ce-delay: "),
        (vec![("ce-specversion", ""), ("ce-type", "")], "ce-specversion: it is missing; ce-type: it is missing"),
    ] {
        let refused = binary(&server, &headers, "{}");
        refused.problem(400, "bad_request");
        assert!(refused.detail().starts_with(words), "{headers:?}: {}", refused.detail());
    }
    for (kind, body, words) in [
        ("application/json", &b"{"[..], "the body: not valid JSON"),
        ("application/json", &[b'"', 255, b'"'], "the body: it is not UTF-8"),
        ("text/plain", &[255], "the body: a text is UTF-8"),
    ] {
        let refused = binary(&server, &[("content-type", kind)], body);
        refused.problem(400, "bad_request");
        assert!(refused.detail().starts_with(words), "{}", refused.detail());
    }
    let crowded: Vec<&'static str> = (0..29).map(|n| &*format!("ce-x{n}").leak()).collect();
    let mut request = server.admin.request("POST", "/event");
    for (name, value) in needed() {
        request = request.header(name, value);
    }
    let refused = crowded.into_iter().fold(request, |request, name| request.header(name, "1")).bytes("{}").send();
    refused.problem(400, "bad_request");
    assert!(refused.detail().starts_with("the headers: an event has at most 32 attributes"), "{}", refused.detail());
    binary(&server, &[("ce-type", "nobody")], "{}").problem(404, "not_found");
    assert_eq!(count(&server), 0);
}

#[test]
fn what_is_wrong_with_a_member_is_pointed_at() {
    let server = server();
    let long = "x".repeat(2_049);
    for (more, pointer) in [
        (json!({ "specversion": null }), "/specversion"),
        (json!({ "specversion": "1.1" }), "/specversion"),
        (json!({ "specversion": 1.0 }), "/specversion"),
        (json!({ "id": null }), "/id"),
        (json!({ "id": "" }), "/id"),
        (json!({ "id": 7 }), "/id"),
        (json!({ "source": "not a uri" }), "/source"),
        (json!({ "source": "" }), "/source"),
        (json!({ "type": "not a name" }), "/type"),
        (json!({ "type": true }), "/type"),
        (json!({ "subject": "" }), "/subject"),
        (json!({ "subject": long }), "/subject"),
        (json!({ "time": "2026-11-21" }), "/time"),
        (json!({ "datacontenttype": "json" }), "/datacontenttype"),
        (json!({ "dataschema": "a b" }), "/dataschema"),
        (json!({ "camelCase": 1 }), "/camelCase"),
        (json!({ "a/b": 1 }), "/a~1b"),
        (json!({ "list": [1] }), "/list"),
        (json!({ "fraction": 1.5 }), "/fraction"),
        (json!({ "big": 2_147_483_648_i64 }), "/big"),
        (json!({ "data": 1, "data_base64": "AA==" }), "/data_base64"),
        (json!({ "data_base64": "not base64" }), "/data_base64"),
        (json!({ "data_base64": 7 }), "/data_base64"),
        (json!({ "data_base64": "ew==" }), "/data_base64"),
        (json!({ "data_base64": "/w==", "datacontenttype": "text/plain" }), "/data_base64"),
        (json!({ "object": "bookable" }), "/object"),
        (json!({ "object": "a b/1" }), "/object"),
        (json!({ "object": 7 }), "/object"),
        (json!({ "object": [1] }), "/object"),
        (json!({ "flow": "sideways" }), "/flow"),
        (json!({ "dedupkey": "" }), "/dedupkey"),
        (json!({ "dedupkey": "x".repeat(256) }), "/dedupkey"),
        (json!({ "runat": "tomorrow" }), "/runat"),
        (json!({ "runat": "9999-01-01T00:00:00Z" }), "/runat"),
        (json!({ "delay": -1 }), "/delay"),
        (json!({ "delay": 5, "runat": "2026-01-01T00:00:00Z" }), "/delay"),
        (json!({ "ownerid": "a b" }), "/ownerid"),
    ] {
        let refused = structured(&server, &with(more.clone()));
        refused.problem(422, "invalid_body");
        refused.points_at(&[pointer]);
    }
    let many = structured(&server, &json!({ "source": "a b", "x_": 1 }));
    many.problem(422, "invalid_body");
    many.points_at(&["/source", "/x_", "/specversion", "/id", "/type"]);
    for (body, status, code) in
        [("{", 400, "invalid_json"), ("[]", 422, "invalid_body"), ("7", 422, "invalid_body"), ("", 400, "invalid_json")]
    {
        send(&server, JSON, body).problem(status, code);
    }
    let mut crowded = event();
    (0..29).for_each(|n| crowded[format!("x{n}")] = json!(n));
    let refused = structured(&server, &crowded);
    refused.problem(422, "invalid_body");
    refused.points_at(&[""]);
    assert!(refused.detail().contains("at most 32 attributes"), "{}", refused.detail());
    crowded.as_object_mut().unwrap().remove("x0");
    structured(&server, &crowded).expect(202);
    structured(&server, &with(json!({ "id": "2", "type": "nobody" }))).problem(404, "not_found");
    let avro = send(&server, "application/cloudevents+avro", "");
    avro.problem(415, "unsupported_media_type");
    assert_eq!(count(&server), 1);
}

#[test]
fn what_is_just_within_the_bounds_of_an_attribute_is_kept() {
    let server = server();
    let (name, text) = ("n".repeat(64), "x".repeat(2_048));
    let mut event = with(json!({ "largest": i32::MAX, "least": i32::MIN, "subject": text }));
    event[&name] = json!("");
    assert_eq!(structured(&server, &event).expect(202)["cloudevent"], event);
    let longer = "n".repeat(65);
    let refused = structured(&server, &with(json!({ "id": "2", &longer: "" })));
    refused.problem(422, "invalid_body");
    refused.points_at(&[&format!("/{longer}")]);
    let large = |bytes: usize| {
        let empty = with(json!({ "id": bytes.to_string(), "data": "" })).to_string().len();
        structured(&server, &with(json!({ "id": bytes.to_string(), "data": "x".repeat(bytes - empty) })))
    };
    large(1 << 20).expect(202);
    large((1 << 20) + 1).problem(413, "too_large");
}

#[test]
fn source_and_id_accept_an_event_once() {
    let server = server();
    let first = structured(&server, &with(json!({ "data": { "a": 1, "b": 2 } })));
    let id = first.expect(202)["id"].clone();
    assert!(!first.headers.contains_key("idempotency-replayed"));
    let again = [
        // The time of sending and what travels beside the data may differ.
        structured(&server, &with(json!({ "data": { "b": 2.0, "a": 1 }, "time": "2026-01-01T00:00:00Z", "hop": 2 }))),
        binary(&server, &[("content-type", "application/json")], "{\"a\":1,\"b\":2}"),
        structured(&server, &with(json!({ "type": "NOOP", "data_base64": "eyJhIjoxLCJiIjoyfQ==" }))),
    ];
    for again in &again {
        assert_eq!((&again.expect(202)["id"], again.header("idempotency-replayed")), (&id, "true"));
    }
    for other in [json!({ "data": { "a": 1 } }), json!({ "data": { "a": 1, "b": 2 }, "subject": "a/1" })] {
        structured(&server, &with(other)).problem(422, "idempotency_key_reused");
    }
    structured(&server, &with(json!({ "id": "2" }))).expect(202);
    structured(&server, &with(json!({ "source": "/shop/2" }))).expect(202);
    // An Idempotency-Key of the same letters is another key.
    let keyed = server.admin.request("POST", "/event").header("idempotency-key", "1");
    keyed.json(&json!({ "event_type": "noop" })).send().expect(202);
    assert_eq!(count(&server), 4);
    for kind in [JSON, BATCH] {
        let both = server.admin.request("POST", "/event").header("content-type", kind).header("idempotency-key", "k");
        let refused = both.bytes(if kind == JSON { event().to_string() } else { "[]".to_owned() }).send();
        refused.problem(400, "bad_request");
        assert!(refused.detail().starts_with("Idempotency-Key: "), "{}", refused.detail());
    }
}

#[test]
fn tenants_do_not_share_sources() {
    let server = server();
    let ids: Vec<Value> = ["a", "b"]
        .into_iter()
        .map(|tenant| {
            let client = server.client_for(tenant, &["read", "execute"]);
            let send =
                || client.request("POST", "/event").header("content-type", JSON).bytes(event().to_string()).send();
            let (first, again) = (send(), send());
            assert_eq!(
                (&first.expect(202)["owner_id"], &first.expect(202)["id"]),
                (&json!(tenant), &again.expect(202)["id"])
            );
            first.expect(202)["id"].clone()
        })
        .collect();
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn each_event_of_a_batch_is_accepted_or_refused_for_itself() {
    let server = server();
    let numbered = |id: usize, more: Value| {
        let mut event = with(more);
        event["id"] = json!(id.to_string());
        event
    };
    let all: Vec<Value> = (0..100).map(|id| numbered(id, json!({ "data": id }))).collect();
    let accepted = send(&server, BATCH, json!(all).to_string());
    let items = accepted.expect(202).as_array().unwrap();
    assert_eq!(items.len(), 100);
    for (place, item) in items.iter().enumerate() {
        assert_eq!((&item["status"], &item["replayed"]), (&json!(202), &json!(false)));
        assert_eq!(item["event"]["payload"], place);
    }
    assert!(items.windows(2).all(|pair| pair[0]["event"]["id"].as_str() < pair[1]["event"]["id"].as_str()), "in order");
    assert_eq!(count(&server), 100);

    let mixed = json!([
        numbered(0, json!({ "data": 0 })),
        numbered(1, json!({ "data": "other" })),
        numbered(200, json!({ "source": "not a uri" })),
        "no event",
        numbered(201, json!({ "data": 1 })),
        numbered(201, json!({ "data": 1.0 })),
        numbered(202, json!({ "type": "nobody" })),
    ]);
    let answer = send(&server, BATCH, mixed.to_string());
    let items = answer.expect(207).as_array().unwrap().clone();
    let told: Vec<(&Value, &Value, &Value)> =
        items.iter().map(|item| (&item["status"], &item["replayed"], &item["problem"]["code"])).collect();
    let (yes, no, none) = (json!(true), json!(false), Value::Null);
    assert_eq!(
        told,
        [
            (&json!(202), &yes, &none),
            (&json!(422), &no, &json!("idempotency_key_reused")),
            (&json!(422), &no, &json!("invalid_body")),
            (&json!(422), &no, &json!("invalid_body")),
            (&json!(202), &no, &none),
            (&json!(202), &yes, &none),
            (&json!(404), &no, &json!("not_found")),
        ]
    );
    assert_eq!(items[2]["problem"]["errors"][0]["pointer"], "/2/source");
    assert_eq!(items[3]["problem"]["errors"][0]["pointer"], "/3");
    assert_eq!(items[4]["event"]["id"], items[5]["event"]["id"]);
    assert!(items[1].get("event").is_none() && items[0].get("problem").is_none());
    assert_eq!(count(&server), 101);

    assert_eq!(send(&server, BATCH, "[]").expect(202), &json!([]));
    let too_many: Vec<Value> = (0..101).map(|id| numbered(300 + id, json!({}))).collect();
    let refused = send(&server, BATCH, json!(too_many).to_string());
    refused.problem(422, "invalid_body");
    assert!(refused.detail().contains("at most 100 events, not 101"), "{}", refused.detail());
    send(&server, BATCH, event().to_string()).problem(422, "invalid_body");
    send(&server, BATCH, "[").problem(400, "invalid_json");
    assert_eq!(count(&server), 101);
}

/// Takes CloudEvents off the stream, each with the kind and id of its message, up to one of a type.
fn watched(
    server: &TestServer,
    query: &str,
    last: Option<&str>,
) -> impl Iterator<Item = (String, String, Value)> + use<> {
    let mut request = server.admin.request("GET", &format!("/stream?format=cloudevents{query}"));
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    let mut lines = request.stream().lines();
    std::iter::from_fn(move || {
        let (mut id, mut kind, mut data) = (String::new(), String::new(), Value::Null);
        loop {
            let line = lines.next()?.unwrap();
            match line.split_once(": ") {
                Some(("id", text)) => id = text.to_owned(),
                Some(("event", text)) => kind = text.to_owned(),
                Some(("data", text)) => data = serde_json::from_str(text).unwrap(),
                _ if line.is_empty() && !kind.is_empty() => return Some((kind, id, data)),
                _ => {}
            }
        }
    })
}

#[test]
fn the_stream_tells_of_changes_as_cloudevents() {
    let server = TestServer::start();
    server.install("gallery", "failure_gallery", json!({ "retry": { "attempts": 1 } }));
    let mut messages = watched(&server, "", None);
    let event = server.fire("gallery", json!({ "way": "log_flood" }));
    let mut told = Vec::new();
    for message in messages.by_ref() {
        let ends = message.2["type"] == "fusebox.event.error";
        told.push(message);
        if ends {
            break;
        }
    }
    let run = server.event(&event)["runs"][0].clone();
    let path = format!("/event/{event}");
    for (kind, id, message) in &told {
        assert_eq!((&message["specversion"], &message["datacontenttype"]), (&json!("1.0"), &json!("application/json")));
        assert_eq!((&message["id"], &message["source"]), (&json!(id), &json!(path)), "{message:#}");
        let subject = if kind == "event" { &Value::Null } else { &run["id"] };
        assert_eq!(&message["subject"], subject);
        assert!(message["type"].as_str().unwrap().starts_with(&format!("fusebox.{kind}")), "{message:#}");
        assert!(message["time"].as_str().unwrap().ends_with('Z'), "{message:#}");
    }
    let of_type =
        |kind: &str| told.iter().find(|(_, _, message)| message["type"] == kind).map(|(_, _, message)| message);
    let ended = of_type("fusebox.run.error").unwrap();
    assert_eq!((&ended["data"], &ended["time"]), (&run, &run["ended_at"]), "the data is the record");
    assert!(of_type("fusebox.log").unwrap()["data"]["lines"].is_array());
    let mut ids: Vec<&String> = told.iter().map(|(_, id, _)| id).collect();
    ids.dedup();
    assert_eq!(ids.len(), told.len(), "ids are unique");

    // Who comes back is told of the same under the same ids.
    let (first, rest) = told.split_first().unwrap();
    let again: Vec<(String, String, Value)> = watched(&server, "", Some(&first.1)).take(rest.len()).collect();
    let named = |told: &[(String, String, Value)]| {
        told.iter().map(|(_, id, message)| (id.clone(), message["type"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(named(&again), named(rest));

    let reset = watched(&server, "", Some("0")).next().unwrap().2;
    assert_eq!((&reset["type"], &reset["data"]), (&json!("fusebox.reset"), &json!({})));
    assert_eq!((&reset["source"], reset.get("subject")), (&json!("/stream"), None));
    server.admin.get("/stream?format=xml").problem(400, "bad_request");
}

#[test]
fn what_goes_out_can_come_in() {
    let server = TestServer::start();
    server.install("noop", "noop", json!({}));
    let noop = server.admin.get("/action?q=noop").body["data"][0]["id"].as_str().unwrap().to_owned();
    server.event_type("fusebox.event.success", &noop, json!({}));
    let mut messages = watched(&server, "", None);
    let fired =
        json!({ "event_type": "noop", "object": { "object_type": "bookable", "object_id": "a/b ä" }, "payload": [1] });
    server.admin.post("/event", &fired).expect(202);
    let ended = messages.find(|(_, _, message)| message["type"] == "fusebox.event.success").unwrap().2;
    assert_eq!(ended["subject"], "bookable/a/b ä");
    let again = structured(&server, &ended);
    let event = again.expect(202);
    assert_eq!((&event["event_type"], &event["payload"]), (&json!("fusebox.event.success"), &ended["data"]));
    assert_eq!(event["object"], fired["object"]);
    let mut attributes = ended.clone();
    attributes.as_object_mut().unwrap().remove("data");
    assert_eq!(event["cloudevent"], attributes);
    let replayed = structured(&server, &ended);
    assert_eq!((&replayed.expect(202)["id"], replayed.header("idempotency-replayed")), (&event["id"], "true"));
}
