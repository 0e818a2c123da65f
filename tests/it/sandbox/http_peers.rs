//! Outgoing HTTP to peers that mean no good, or are not who they say: each costs its call and nothing else.

use super::http::{Warden, answers, told};
use super::{Bench, DEFAULT, context};
use crate::support::{PATIENCE, Peer, component};
use fusebox::domain::{HttpFault, Json, Limits};
use fusebox::sandbox::{HostServices, Invocation, Names};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, ServerConnection, Stream};

/// Writes the same again and again until the other side has enough of it.
fn for_ever(connection: &mut TcpStream, piece: &[u8]) -> std::io::Result<()> {
    loop {
        connection.write_all(piece)?;
    }
}

/// Reads until the other side is gone.
fn until_gone(connection: &mut TcpStream) -> std::io::Result<()> {
    let mut rest = [0; 1024];
    while connection.read(&mut rest)? > 0 {}
    Ok(())
}

/// What it does, what that is for the call, and somebody who does it.
type Villain = (&'static str, HttpFault, Peer);

/// Those who say what is no answer.
fn malformed() -> Vec<Villain> {
    let head = |count: usize| {
        let headers: String = (0..count).map(|n| format!("x-{n}: v\r\n")).collect();
        format!("HTTP/1.1 200 OK\r\n{headers}content-length: 0\r\n\r\n")
    };
    let failed = |what, answer: &'static str| (what, HttpFault::Failed, Peer::answering(answer));
    vec![
        failed("garbage", "what?\r\n\r\n"),
        failed("nothing", ""),
        failed("half a head", "HTTP/1.1 200 OK\r\nx"),
        failed("another version", "HTTP/3.0 200 OK\r\n\r\n"),
        failed("no status", "HTTP/1.1 OK\r\n\r\n"),
        failed("less than it said", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello"),
        failed("two lengths", "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab"),
        failed("bad chunks", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"),
        ("many headers", HttpFault::Limit, Peer::answering(head(200))),
    ]
}

/// Those who do not come to an end.
fn endless() -> Vec<Villain> {
    let endless = |what, begins: &'static str, goes_on: &'static str| {
        let peer = Peer::with(move |_, connection| {
            connection.write_all(begins.as_bytes())?;
            for_ever(connection, goes_on.as_bytes())
        });
        (what, HttpFault::Limit, peer)
    };
    let silent = |what, begins: &'static str| {
        let peer = Peer::with(move |_, connection| {
            connection.write_all(begins.as_bytes())?;
            until_gone(connection)
        });
        (what, HttpFault::Timeout, peer)
    };
    vec![
        endless("header", "HTTP/1.1 200 OK\r\nx: ", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
        endless("headers", "HTTP/1.1 200 OK\r\n", "x: y\r\n"),
        endless("body", "HTTP/1.1 200 OK\r\n\r\n", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
        endless("chunks", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "1\r\nx\r\n"),
        endless("information", "", "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"),
        silent("silence", ""),
        silent("a silent body", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello"),
    ]
}

#[tokio::test]
async fn whatever_a_peer_does_costs_its_call_only() {
    let good = Peer::saying("still there");
    let bench = Bench::new();
    let peers: Vec<Villain> = malformed().into_iter().chain(endless()).collect();
    for way in ["fusebox", "wasi"] {
        for (what, fault, peer) in &peers {
            let warden = Warden::anywhere();
            let timeout_ms = if *fault == HttpFault::Timeout { 200 } else { 5_000 };
            let requests = json!([{ "url": peer.url("/"), "timeout_ms": timeout_ms }, { "url": good.url("/") }]);
            let limits = Limits { http_bytes: 200_000, ..DEFAULT };
            let attempted = bench.reach(&warden, json!({ "via": way, "requests": requests }), limits).await;
            let answers = answers(&attempted);
            assert!(answers[0]["error"].is_string(), "{way}, {what}: {answers:?}");
            assert_eq!(told(&warden)[0].3, Some(*fault), "{way}, {what}: {:?}", warden.calls.lock().unwrap());
            // Nothing is left of the bytes where the peer took them all.
            if attempted.usage.http_bytes < 150_000 {
                assert_eq!(answers[1]["body"], "still there", "{way}, {what}: {answers:?}");
            }
        }
    }
}

#[tokio::test]
async fn nobody_there_is_an_error_value() {
    let bench = Bench::with(|config| {
        config.peers.names = Names::by(|name| match name {
            "empty.example" => Ok(Vec::new()),
            _ => Err(std::io::Error::other("no such name")),
        });
    });
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let warden = Warden::anywhere();
    let requests = json!([
        { "url": format!("http://127.0.0.1:{free}/") },
        { "url": "http://nowhere.example/" },
        { "url": "http://empty.example/" },
    ]);
    let answers = bench.answers(&warden, "fusebox", requests).await;
    for (answer, says) in answers.iter().zip(["cannot be connected to", "cannot be found", "has no address"]) {
        assert_eq!(answer["error"], "failed");
        assert!(answer["message"].as_str().unwrap().contains(says), "{answer}");
    }
}

#[tokio::test]
async fn a_silent_peer_leaves_the_guest_a_tenth_of_its_time() {
    let bench = Bench::new();
    let peer = Peer::with(|_, connection| until_gone(connection));
    for (way, timeout_ms) in [("fusebox", Value::Null), ("wasi", json!(60_000))] {
        let warden = Warden::anywhere();
        let payload = json!({ "via": way, "requests": [{ "url": peer.url("/"), "timeout_ms": timeout_ms }] });
        let attempted = bench.reach(&warden, payload, Limits { timeout_ms: 3_000, ..DEFAULT }).await;
        assert!(answers(&attempted)[0]["error"].as_str().unwrap().to_lowercase().contains("timeout"), "{attempted:?}");
        assert_eq!(told(&warden)[0].3, Some(HttpFault::Timeout));
    }
}

#[tokio::test]
async fn an_attempt_that_is_broken_off_takes_its_connections_along() {
    let bench = Bench::new();
    for way in ["fusebox", "wasi"] {
        let (asked, has_asked) = mpsc::channel();
        let (gone, is_gone) = mpsc::channel();
        let (asked, gone) = (Mutex::new(asked), Mutex::new(gone));
        let peer = Peer::with(move |_, connection| {
            asked.lock().unwrap().send(()).unwrap();
            let end = until_gone(connection);
            gone.lock().unwrap().send(()).unwrap();
            end
        });
        let inspected = bench.sandbox.inspect(component("reach").into()).await.unwrap();
        let prepared = bench.sandbox.find_prepared(&inspected.digest).unwrap();
        let warden = Warden::anywhere();
        let mut context = context(Limits { timeout_ms: 60_000, ..DEFAULT });
        context.payload = Json::from(json!({ "via": way, "requests": [{ "url": peer.url("/") }] }));
        let host: Arc<dyn HostServices> = Arc::<Warden>::clone(&warden);
        let running = tokio::spawn(bench.sandbox.invoke(&prepared, Invocation { context, host }));
        let wait = |receiver: mpsc::Receiver<()>| async move {
            tokio::task::spawn_blocking(move || receiver.recv_timeout(PATIENCE).unwrap()).await.unwrap();
        };
        wait(has_asked).await;
        assert!(told(&warden).is_empty());
        running.abort();
        assert!(running.await.unwrap_err().is_cancelled());
        wait(is_gone).await;
        let host = format!("127.0.0.1:{}", peer.port);
        assert_eq!(told(&warden), [("GET".to_owned(), host, None, Some(HttpFault::BrokenOff))], "{way}");
    }
}

#[tokio::test]
async fn eight_calls_of_an_attempt_go_on_at_once_and_no_ninth() {
    let bench = Bench::new();
    let silent = Peer::with(|_, connection| until_gone(connection));
    let warden = Warden::anywhere();
    let requests = vec![json!({ "url": silent.url("/"), "timeout_ms": 300 }); 9];
    let payload = json!({ "via": "wasi", "at_once": true, "requests": requests });
    let answers = answers(&bench.reach(&warden, payload, DEFAULT).await);
    let (first, ninth) = answers.split_at(8);
    assert!(first.iter().all(|answer| answer["error"] == "ErrorCode::HttpResponseTimeout"), "{answers:?}");
    assert_eq!(ninth[0]["error"], "ErrorCode::ConnectionLimitReached");
    let faults: Vec<_> = told(&warden).into_iter().map(|call| call.3).collect();
    assert_eq!(faults[..8], [Some(HttpFault::Timeout); 8]);
    assert_eq!(faults[8], Some(HttpFault::Limit));
}

#[tokio::test]
async fn an_answer_that_is_not_read_is_one_all_the_same() {
    let bench = Bench::new();
    let peer = Peer::saying("hello");
    let warden = Warden::anywhere();
    let payload = json!({ "via": "wasi", "keep": true, "requests": [{ "url": peer.url("/") }] });
    assert_eq!(answers(&bench.reach(&warden, payload, DEFAULT).await)[0]["status"], 200);
    let host = format!("127.0.0.1:{}", peer.port);
    assert_eq!(told(&warden), [("GET".to_owned(), host, Some(200), None)]);
}

/// Speaks TLS as `tls.example` and answers with what it was asked.
fn tls_peer() -> u16 {
    let read = |name: &str| std::fs::read(format!("{}/tests/it/tls/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let key = PrivateKeyDer::Pkcs8(read("peer.key.der").into());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![CertificateDer::from(read("peer.der"))], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let config = Arc::clone(&config);
            std::thread::spawn(move || -> std::io::Result<()> {
                let mut connection = connection?;
                let mut tls = ServerConnection::new(config).map_err(std::io::Error::other)?;
                let mut stream = Stream::new(&mut tls, &mut connection);
                let mut request = [0; 4096];
                let read = stream.read(&mut request)?;
                let name = stream.conn.server_name().unwrap_or("nobody").to_owned();
                let request = String::from_utf8_lossy(&request[..read]).into_owned();
                let text = format!("{name}\n{request}");
                write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}", text.len())?;
                stream.conn.send_close_notify();
                stream.flush()
            });
        }
    });
    port
}

#[tokio::test]
async fn a_peer_by_tls_has_to_be_who_its_name_says() {
    let names = || Names::by(|_| Ok(vec!["127.0.0.1".parse().unwrap()]));
    let root = std::fs::read(format!("{}/tests/it/tls/root.der", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let trusting = Bench::with(|config| {
        config.peers.names = names();
        config.peers.roots = vec![root];
    });
    let port = tls_peer();
    for way in ["fusebox", "wasi"] {
        let warden = Warden::anywhere();
        let requests = json!([
            { "url": format!("https://TLS.example:{port}/x") },
            { "url": format!("https://other.example:{port}/x") },
            { "url": format!("https://127.0.0.1:{port}/x") },
        ]);
        let answers = trusting.answers(&warden, way, requests).await;
        let said = answers[0]["body"].as_str().unwrap_or_else(|| panic!("{way}: {answers:?}"));
        assert!(said.starts_with("tls.example\nGET /x HTTP/1.1\r\n"), "{said}");
        let calls = warden.calls.lock().unwrap().clone();
        for call in &calls[1..] {
            assert_eq!(call.fault, Some(HttpFault::Failed), "{call:?}");
            assert!(call.message.contains("no trusted connection"), "{call:?}");
            assert_eq!((call.sent_bytes, call.received_bytes), (0, 0));
        }
    }
    let strict = Bench::with(|config| config.peers.names = names());
    let warden = Warden::anywhere();
    let answer =
        &strict.answers(&warden, "fusebox", json!([{ "url": format!("https://tls.example:{port}/") }])).await[0];
    assert!(answer["message"].as_str().unwrap().contains("no trusted connection"), "{answer}");
}

#[test]
fn a_root_that_is_no_certificate_is_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = super::config(folder.path());
    config.peers.roots = vec![b"no certificate".to_vec()];
    let Err(refused) = fusebox::sandbox::Sandbox::start(config) else { panic!("it started") };
    assert!(refused.to_string().contains("the certificates that are trusted"), "{refused}");
}
