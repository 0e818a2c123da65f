//! Outgoing HTTP: who is reached by whom, within which limits, and what is kept of it; by both interfaces.

use super::{Bench, DEFAULT, NOW, broken, context, outcome};
use crate::support::{Peer, component, ok};
use fusebox::domain::{
    AllowedHost, Digest, Ending, HiddenSecret, HttpCall, HttpFault, Json, Limits, LogLine, Reach, Reason, SecretText,
    Timestamp,
};
use fusebox::sandbox::{Attempted, Config, HostServices, Invocation, Names};
use serde_json::{Value, json};
use std::io::Write;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Both ways in which a guest sends requests.
const WAYS: [&str; 2] = ["fusebox", "wasi"];
/// Everything, by both sides.
const ANYWHERE: [&str; 2] = ["private http://*:*", "private https://*:*"];

/// What lets a guest out, and hears what it did there.
pub(super) struct Warden {
    reach: Reach,
    pub(super) calls: Mutex<Vec<HttpCall>>,
}

impl Warden {
    pub(super) fn new(of_action: &[&str], of_sink_type: &[&str]) -> Arc<Warden> {
        let rules = |texts: &[&str]| texts.iter().map(|text| text.parse::<AllowedHost>().unwrap()).collect();
        let (of_action, of_sink_type) = (rules(of_action), rules(of_sink_type));
        let (action, sink_type) = ("notify".to_owned(), "wasm".to_owned());
        let reach = Reach { action, of_action, sink_type, of_sink_type, hidden: Vec::new() };
        Arc::new(Warden { reach, calls: Mutex::default() })
    }

    pub(super) fn anywhere() -> Arc<Warden> {
        Warden::new(&ANYWHERE, &ANYWHERE)
    }
}

impl HostServices for Warden {
    fn log(&self, _: LogLine) {}

    fn now(&self) -> Timestamp {
        NOW
    }

    fn reach(&self) -> Reach {
        self.reach.clone()
    }

    fn http_call(&self, call: HttpCall) {
        self.calls.lock().unwrap().push(call);
    }
}

impl Bench {
    /// Has the guest `reach` do what `payload` says.
    pub(super) async fn reach(&self, warden: &Arc<Warden>, payload: Value, limits: Limits) -> Attempted {
        let wasm = component("reach");
        let digest = Digest::of(&wasm);
        if self.sandbox.find_prepared(&digest).is_none() {
            self.sandbox.inspect(wasm.into()).await.unwrap();
        }
        let prepared = self.sandbox.find_prepared(&digest).unwrap();
        let mut context = context(limits);
        context.payload = Json::from(payload);
        if let Some(secret) = warden.reach.hidden.first() {
            context.params = Json::from(json!({ "secret": secret.placeholder }));
        }
        let host: Arc<dyn HostServices> = Arc::<Warden>::clone(warden);
        self.sandbox.invoke(&prepared, Invocation { context, host }).await
    }

    /// The same for the answers of an attempt that succeeds.
    pub(super) async fn answers(&self, warden: &Arc<Warden>, way: &str, requests: Value) -> Vec<Value> {
        let payload = json!({ "via": way, "requests": requests });
        answers(&self.reach(warden, payload, DEFAULT).await)
    }
}

#[track_caller]
pub(super) fn answers(attempted: &Attempted) -> Vec<Value> {
    let output: Value = outcome(attempted).output.as_ref().unwrap().to().unwrap();
    output["answers"].as_array().unwrap().clone()
}

/// The calls that were told, without what differs from time to time.
pub(super) fn told(warden: &Warden) -> Vec<(String, String, Option<u16>, Option<HttpFault>)> {
    let calls = warden.calls.lock().unwrap();
    calls.iter().map(|call| (call.method.clone(), call.host.clone(), call.status, call.fault)).collect()
}

fn naming(find: impl Fn(&str) -> Vec<&'static str> + Send + Sync + 'static) -> impl FnOnce(&mut Config) {
    move |config: &mut Config| {
        let addresses = move |name: &str| Ok(find(name).iter().map(|ip| ip.parse::<IpAddr>().unwrap()).collect());
        config.peers.names = Names::by(addresses);
    }
}

#[tokio::test]
async fn a_request_goes_out_and_its_answer_comes_back_by_both_interfaces() {
    let bench = Bench::new();
    for way in WAYS {
        let said = "HTTP/1.1 201 Made\r\nx-one: 1\r\nx-two: a\r\nx-two: b\r\ncontent-length: 5\r\n\r\nhello";
        let peer = Peer::answering(said);
        let warden = Warden::anywhere();
        let url = peer.url("/secret/path?q=%20x");
        let request = json!({ "method": "POST", "url": url, "headers": [["x-mine", "m"], ["content-type", "text/plain"]], "body": "what I say" });
        let attempted = bench.reach(&warden, json!({ "via": way, "requests": [request] }), DEFAULT).await;
        let answers = answers(&attempted);
        let answer = &answers[0];
        assert_eq!((&answer["status"], &answer["body"]), (&json!(201), &json!("hello")), "{way}: {answer}");
        for header in [json!(["x-one", "1"]), json!(["x-two", "a"]), json!(["x-two", "b"])] {
            assert!(answer["headers"].as_array().unwrap().contains(&header), "{way}: {answer}");
        }
        let requests = peer.requests().clone();
        let [sent] = requests.as_slice() else { panic!("{requests:?}") };
        assert!(sent.starts_with("POST /secret/path?q=%20x HTTP/1.1\r\n") && sent.contains("what I say"), "{sent}");
        for line in [format!("host: 127.0.0.1:{}", peer.port), "x-mine: m".to_owned(), "connection: close".to_owned()] {
            assert_eq!(sent.matches(&format!("\r\n{line}\r\n")).count(), 1, "{way}: {line} in {sent}");
        }
        assert_eq!(sent.to_lowercase().matches("\r\nhost:").count(), 1, "{sent}");
        let calls = warden.calls.lock().unwrap().clone();
        let [call] = calls.as_slice() else { panic!("{calls:?}") };
        assert_eq!((call.method.as_str(), call.host.clone()), ("POST", format!("127.0.0.1:{}", peer.port)));
        assert_eq!((call.status, call.fault, call.message.as_str()), (Some(201), None, ""));
        assert_eq!((call.sent_bytes, call.received_bytes), (sent.len() as u64, said.len() as u64), "{way}");
        assert!(!format!("{call:?}").contains("path"), "{call:?}");
        assert_eq!(attempted.usage.http_calls, 1);
        assert_eq!(attempted.usage.http_bytes, call.sent_bytes + call.received_bytes);
    }
}

#[tokio::test]
async fn a_request_that_one_side_does_not_allow_is_an_error_value_and_reaches_nobody() {
    let bench = Bench::new();
    let peer = Peer::saying("hello");
    for (of_action, of_sink_type, who) in [
        (&[][..], &ANYWHERE[..], "the action `notify` allows no hosts"),
        (&["https://*"][..], &ANYWHERE[..], "the action `notify` allows no `GET http://127.0.0.1"),
        (&ANYWHERE[..], &[][..], "the sink type `wasm` allows no hosts"),
        (&ANYWHERE[..], &["POST http://*:*"][..], "the sink type `wasm` allows no `GET http://127.0.0.1"),
        (&ANYWHERE[..], &["http://*:*"][..], "an address that is loopback"),
        (&["http://*:*"][..], &["private http://*:1"][..], "the sink type `wasm` allows no"),
    ] {
        for way in WAYS {
            let warden = Warden::new(of_action, of_sink_type);
            let answer = &bench.answers(&warden, way, json!([{ "url": peer.url("/secret") }])).await[0];
            if way == "fusebox" {
                assert_eq!(answer["error"], "denied");
                assert!(answer["message"].as_str().unwrap().contains(who), "{answer}");
            } else {
                assert_eq!(answer["error"], "ErrorCode::HttpRequestDenied");
            }
            let calls = warden.calls.lock().unwrap().clone();
            let [call] = calls.as_slice() else { panic!("{calls:?}") };
            assert_eq!((call.fault, call.status, call.sent_bytes), (Some(HttpFault::Denied), None, 0));
            assert!(call.message.contains(who) && !call.message.contains("/secret"), "{call:?}");
        }
    }
    assert_eq!(*peer.requests(), [""; 0]);
}

#[tokio::test]
async fn no_way_of_writing_an_address_leads_to_this_machine() {
    let bench = Bench::with(naming(|name| match name {
        "inside.example" | "localhost" => vec!["127.0.0.1"],
        "mixed.example" => vec!["1.1.1.1", "127.0.0.1"],
        "mapped.example" => vec!["::ffff:127.0.0.1"],
        "translated.example" => vec!["64:ff9b::7f00:1"],
        "tunnel.example" => vec!["2002:7f00:1::1"],
        "metadata.example" => vec!["169.254.169.254"],
        "lan.example" => vec!["fd00::1"],
        "any.example" => vec!["0.0.0.0"],
        "cast.example" => vec!["ff02::1"],
        other => panic!("{other} was looked up"),
    }));
    let peer = Peer::saying("hello");
    let hosts = [
        "127.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "0.0.0.0",
        "[::]",
        "10.0.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.2.1",
        "224.0.0.1",
        "[fe80::1]",
        "[fc00::1]",
        "[ff02::1]",
        "localhost",
        "inside.example",
        "INSIDE.example",
        "mixed.example",
        "mapped.example",
        "translated.example",
        "tunnel.example",
        "metadata.example",
        "lan.example",
        "any.example",
        "cast.example",
    ];
    let requests: Vec<Value> =
        hosts.iter().map(|host| json!({ "url": format!("http://{host}:{}/", peer.port) })).collect();
    for (way, denied) in WAYS.into_iter().zip(["denied", "ErrorCode::HttpRequestDenied"]) {
        let warden = Warden::new(&ANYWHERE, &["http://*:*"]);
        let limits = Limits { http_calls: 100, ..DEFAULT };
        let attempted = bench.reach(&warden, json!({ "via": way, "requests": requests }), limits).await;
        for (host, answer) in hosts.iter().zip(answers(&attempted)) {
            assert_eq!(answer["error"], denied, "{way} {host}: {answer}");
            let shown = answer.to_string();
            assert!(host.starts_with(|c: char| c.is_ascii_digit()) || !shown.contains("169.254"), "{shown}");
        }
    }
    // What may be anywhere still goes to no address that nobody has.
    let warden = Warden::anywhere();
    let unusable = json!([{ "url": format!("http://0.0.0.0:{}", peer.port) }, { "url": format!("http://any.example:{}", peer.port) }]);
    for answer in bench.answers(&warden, "fusebox", unusable).await {
        assert_eq!(answer["error"], "denied", "{answer}");
    }
    // Other ways of writing one are no hosts at all.
    let odd = ["2130706433", "0x7f000001", "127.1", "0177.0.0.1", "127.0.0.1."];
    let requests: Value = odd.iter().map(|host| json!({ "url": format!("http://{host}:{}/", peer.port) })).collect();
    for way in WAYS {
        for answer in bench.answers(&Warden::anywhere(), way, requests.clone()).await {
            let error = answer["error"].as_str().unwrap();
            assert!(["invalid", "internal"].contains(&error), "{way}: {answer}");
        }
    }
    assert_eq!(*peer.requests(), [""; 0]);
}

#[tokio::test]
async fn a_name_is_looked_up_once_and_the_address_that_was_judged_is_connected_to() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    // The second answer would lead elsewhere.
    let bench = Bench::with(naming(move |_| match counted.fetch_add(1, Ordering::SeqCst) {
        0 => vec!["127.0.0.1"],
        _ => vec!["127.0.0.2"],
    }));
    let peer = Peer::echoing();
    let warden = Warden::new(&["http://*.example:*"], &["private http://*.example:*"]);
    let url = format!("http://peer.Example:{}/x", peer.port);
    let answer = &bench.answers(&warden, "fusebox", json!([{ "url": url }])).await[0];
    let said = answer["body"].as_str().unwrap();
    assert!(said.contains(&format!("\r\nhost: peer.example:{}\r\n", peer.port)), "{answer}");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    assert_eq!(warden.calls.lock().unwrap()[0].host, format!("peer.example:{}", peer.port));
}

#[tokio::test]
async fn a_redirect_is_an_answer_like_others() {
    let bench = Bench::new();
    let inward = Peer::saying("secrets");
    let location = inward.url("/inside");
    let peer = Peer::answering(format!("HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n"));
    for way in WAYS {
        let warden = Warden::anywhere();
        let answer = &bench.answers(&warden, way, json!([{ "url": peer.url("/") }])).await[0];
        assert_eq!(answer["status"], 302);
        assert!(answer["headers"].as_array().unwrap().contains(&json!(["location", location])), "{answer}");
        assert_eq!(told(&warden).len(), 1);
    }
    assert_eq!(*inward.requests(), [""; 0]);
}

#[tokio::test]
async fn calls_are_made_up_to_the_limit_and_those_that_are_denied_count() {
    let bench = Bench::new();
    let peer = Peer::saying("hello");
    for (way, over) in WAYS.into_iter().zip(["limit", "ErrorCode::ConnectionLimitReached"]) {
        let here = json!({ "url": peer.url("/") });
        let denied = json!({ "url": "http://10.0.0.1:9/" });
        let requests = json!([here, denied, here, here, here, here]);
        let limits = Limits { http_calls: 3, ..DEFAULT };
        let warden = Warden::new(&ANYWHERE, &["private http://127.0.0.1:*"]);
        let attempted = bench.reach(&warden, json!({ "via": way, "requests": requests }), limits).await;
        let answers = answers(&attempted);
        assert_eq!((&answers[0]["status"], &answers[2]["status"]), (&json!(200), &json!(200)), "{way}: {answers:?}");
        for past in &answers[3..] {
            assert_eq!(past["error"], over, "{way}");
        }
        assert_eq!(attempted.usage.http_calls, 3);
        // One line says that there were more; the record has a bound.
        let faults: Vec<_> = told(&warden).into_iter().map(|call| call.3).collect();
        assert_eq!(faults, [None, Some(HttpFault::Denied), None, Some(HttpFault::Limit)], "{way}");
    }
    assert_eq!(peer.requests().len(), 4);
}

#[tokio::test]
async fn bytes_flow_up_to_the_limit_and_not_one_more() {
    let bench = Bench::new();
    let peer = Peer::answering(ok(&"x".repeat(20_000)));
    for way in WAYS {
        let payload =
            json!({ "via": way, "requests": [{ "method": "POST", "url": peer.url("/"), "body_bytes": 5_000 }] });
        let warden = Warden::anywhere();
        let used = bench.reach(&warden, payload.clone(), DEFAULT).await.usage.http_bytes;
        assert!(used > 25_000, "{used}");
        let exactly = bench.reach(&Warden::anywhere(), payload.clone(), Limits { http_bytes: used, ..DEFAULT }).await;
        assert_eq!((&answers(&exactly)[0]["body_bytes"], exactly.usage.http_bytes), (&json!(20_000), used), "{way}");
        for less in [used - 1, used - 10_000, 5_100, 5_000, 4_999, 10, 1] {
            let warden = Warden::anywhere();
            let past = bench.reach(&warden, payload.clone(), Limits { http_bytes: less, ..DEFAULT }).await;
            let error = answers(&past)[0]["error"].clone();
            let expected = ["limit", "ErrorCode::ConnectionLimitReached", "connection limit reached"];
            assert!(expected.contains(&error.as_str().unwrap()), "{way} {less}: {error}");
            assert!(past.usage.http_bytes <= less, "{way}: {} of {less}", past.usage.http_bytes);
            assert_eq!(told(&warden)[0].3, Some(HttpFault::Limit), "{way} {less}");
        }
    }
}

#[tokio::test]
async fn a_request_beyond_every_measure_is_an_error_value_too() {
    let bench = Bench::new();
    let warden = Warden::anywhere();
    let many: Vec<Value> = (0..101).map(|n| json!([format!("x-{n}"), "v"])).collect();
    let requests = json!([
        { "method": "POST", "url": "http://127.0.0.1:1/", "body_bytes": 5 << 20 },
        { "url": format!("http://127.0.0.1:1/{}", "x".repeat(9 << 10)) },
        { "url": "http://127.0.0.1:1/", "headers": [["x", "v".repeat(33 << 10)]] },
        { "url": "http://127.0.0.1:1/", "headers": many },
    ]);
    let answers = bench.answers(&warden, "fusebox", requests).await;
    for answer in &answers {
        assert_eq!(answer["error"], "limit", "{answer}");
    }
    // What is far more than could be sent is not even looked at.
    let far_more = json!({ "requests": [{ "method": "POST", "url": "http://127.0.0.1:1/", "body_bytes": 7 << 20 }] });
    let attempted = bench.reach(&warden, far_more, DEFAULT).await;
    let (reason, message) = broken(&attempted);
    assert_eq!(reason, Reason::OutputLimit);
    assert!(message.starts_with("passed too much to the host in one call"), "{message}");
    // Headers of all that may be sent, and of a byte more.
    let long = |bytes: usize| json!({ "url": "http://127.0.0.1:1/", "headers": [["x", "v".repeat(bytes - 1)]] });
    let requests = json!([long(32 << 10), long((32 << 10) + 1), long(60 << 10)]);
    let answers = bench.answers(&warden, "wasi", requests).await;
    assert_ne!(answers[0]["error"], "ErrorCode::ConnectionLimitReached", "{answers:?}");
    assert_eq!(answers[1]["error"], "ErrorCode::ConnectionLimitReached", "{answers:?}");
    assert_eq!(answers[2]["error"], "ErrorCode::ConnectionLimitReached", "{answers:?}");
    // Of `fields` that nothing could ever send `wasi:http` 0.2 has no error value.
    let requests = json!([{ "url": "http://127.0.0.1:1/", "headers": [["x", "v".repeat(65 << 10)]] }]);
    let attempted = bench.reach(&warden, json!({ "via": "wasi", "requests": requests }), DEFAULT).await;
    let (reason, message) = broken(&attempted);
    assert_eq!(reason, Reason::Trap);
    assert!(message.starts_with("total size of fields exceeds limit"), "{message}");
}

#[tokio::test]
async fn what_is_no_request_is_told_to_the_guest_and_kept_without_its_secrets() {
    let bench = Bench::new();
    let warden = Warden::anywhere();
    let requests = json!([
        { "url": "https://user:hunter2@api.example/" },
        { "url": "ftp://api.example/" },
        { "url": "no url" },
        { "url": "https://api.example/", "method": "CONNECT" },
        { "url": "https://api.example/", "headers": [["host", "inside.example"]] },
        { "url": "https://api.example/", "headers": [["x", "a\r\nhost: b"]] },
    ]);
    for answer in bench.answers(&warden, "fusebox", requests).await {
        assert_eq!(answer["error"], "invalid", "{answer}");
    }
    let shown = format!("{:?}", warden.calls.lock().unwrap());
    assert!(shown.contains("api.example:443") && !shown.contains("hunter2"), "{shown}");
    let requests = json!([
        { "url": "https://user:hunter2@api.example/" },
        { "url": "ftp://api.example/" },
        { "url": "https://api.example/", "method": "CONNECT" },
        { "url": "https://api.example/", "headers": [["host", "inside.example"]] },
    ]);
    for answer in bench.answers(&warden, "wasi", requests).await {
        let error = answer["error"].as_str().unwrap();
        assert!(["internal", "refused", "ErrorCode::HttpProtocolError"].contains(&error), "{answer}");
    }
}

#[tokio::test]
async fn nobody_asks_where_a_guest_may_go_that_sends_nothing() {
    struct Untroubled;
    impl HostServices for Untroubled {
        fn log(&self, _: LogLine) {}

        fn now(&self) -> Timestamp {
            NOW
        }

        fn reach(&self) -> Reach {
            panic!("it sends nothing")
        }
    }
    let bench = Bench::new();
    let inspected = bench.sandbox.inspect(component("reach").into()).await.unwrap();
    assert!(inspected.imports.iter().any(|import| import.grants.contains("send HTTP requests")), "{inspected:?}");
    let prepared = bench.sandbox.find_prepared(&inspected.digest).unwrap();
    let invocation = Invocation { context: context(DEFAULT), host: Arc::new(Untroubled) };
    let attempted = bench.sandbox.invoke(&prepared, invocation).await;
    assert!(matches!(attempted.ending, Ending::Outcome(_)), "{attempted:?}");
}

fn hiding(text: &str, allowed: &[&str]) -> Arc<Warden> {
    let mut warden = Warden::anywhere();
    let hidden = HiddenSecret {
        parameter: "token".to_owned(),
        placeholder: "fusebox-secret-0123456789abcdef0123456789abcdef".to_owned(),
        text: SecretText::new(text.to_owned()).unwrap(),
        allowed_hosts: allowed.iter().map(|rule| rule.parse().unwrap()).collect(),
    };
    Arc::get_mut(&mut warden).unwrap().reach.hidden.push(hidden);
    warden
}

#[tokio::test]
async fn a_secret_that_the_guest_does_not_see_is_sent_by_the_host_and_comes_not_back() {
    let bench = Bench::new();
    let peer = Peer::echoing();
    for way in WAYS {
        let warden = hiding("hunter2 & more", &["http://127.0.0.1:*"]);
        let placeholder = warden.reach.hidden[0].placeholder.clone();
        let request = json!({
            "method": "POST", "url": peer.url("/a?key={secret}"), "body": "{\"k\":\"{secret}\"}",
            "headers": [["authorization", "Bearer {secret}"], ["content-type", "application/json"]],
        });
        let attempted = bench.reach(&warden, json!({ "via": way, "requests": [request] }), DEFAULT).await;
        let sent = peer.requests().pop().unwrap();
        for part in ["/a?key=hunter2%20%26%20more ", "Bearer hunter2 & more\r\n", "{\"k\":\"hunter2 & more\"}"] {
            assert!(sent.contains(part), "{way}: {part} in {sent}");
        }
        assert!(!sent.contains(&placeholder), "{way}: {sent}");
        let shown = format!("{attempted:?}");
        assert!(shown.contains(&placeholder) && !shown.contains("hunter2"), "{way}: {shown}");
        assert_eq!(answers(&attempted)[0]["body"].as_str().unwrap().matches(&placeholder).count(), 3, "{way}");
        assert!(!format!("{:?}", warden.calls.lock().unwrap()).contains("hunter2"));
    }
}

#[tokio::test]
async fn a_secret_that_the_guest_does_not_see_goes_only_to_its_own_hosts() {
    let bench = Bench::new();
    let peer = Peer::echoing();
    for (way, denied) in WAYS.into_iter().zip(["denied", "ErrorCode::HttpRequestDenied"]) {
        let warden = hiding("hunter2", &["https://api.example"]);
        let requests = json!([
            { "url": peer.url("/?{secret}") },
            { "url": peer.url("/"), "headers": [["x", "{secret}"]] },
            { "url": peer.url("/"), "method": "POST", "body": "{secret}" },
            { "url": peer.url("/") },
        ]);
        let answers = bench.answers(&warden, way, requests).await;
        for answer in &answers[..3] {
            assert_eq!(answer["error"], denied, "{way}: {answer}");
        }
        assert_eq!(answers[3]["status"], 200, "{way}");
        let calls = warden.calls.lock().unwrap().clone();
        assert!(calls[..3].iter().all(|call| call.message.contains("the parameter `token`")), "{calls:?}");
    }
    assert!(peer.requests().iter().all(|request| !request.contains("hunter2")));
}

#[tokio::test]
async fn a_peer_that_says_a_secret_in_pieces_does_not_give_it_to_the_guest() {
    let bench = Bench::new();
    let peer = Peer::with(|_, connection| {
        connection
            .write_all(b"HTTP/1.1 200 OK\r\nx-echo: hunter2\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhun\r\n")?;
        connection.flush()?;
        connection.write_all(b"4\r\nter2\r\n0\r\n\r\n")
    });
    for way in WAYS {
        let warden = hiding("hunter2", &[]);
        let answer = &bench.answers(&warden, way, json!([{ "url": peer.url("/") }])).await[0];
        assert_eq!(answer["body"], json!(warden.reach.hidden[0].placeholder), "{way}: {answer}");
        assert!(!answer.to_string().contains("hunter2"), "{way}: {answer}");
    }
}
