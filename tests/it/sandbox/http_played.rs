//! Peers that are played, and exchanges that are told: what repeating an attempt stands on.

use super::http::{Warden, answers, told};
use super::{Bench, DEFAULT};
use crate::support::Peer;
use fusebox::domain::{HttpAnswer, HttpExchange, HttpFault, HttpRequest, Limits};
use fusebox::sandbox::Answering;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

const WAYS: [&str; 2] = ["fusebox", "wasi"];

type Played = Result<HttpAnswer, (HttpFault, String)>;

/// A sandbox from which nothing goes out; every request is answered so and put on the list.
fn playing(answer: impl Fn(&HttpRequest) -> Played + Send + Sync + 'static) -> (Bench, Arc<Mutex<Vec<HttpRequest>>>) {
    let asked: Arc<Mutex<Vec<HttpRequest>>> = Arc::default();
    let list = Arc::clone(&asked);
    let play = move |request: &HttpRequest| {
        list.lock().unwrap().push(request.clone());
        answer(request)
    };
    (Bench::with(|config| config.peers.answering = Answering::Played(Arc::new(play))), asked)
}

fn said(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Played {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Ok(HttpAnswer { status, headers, body: body.to_vec() })
}

#[tokio::test]
async fn an_answer_is_played_to_the_letter_and_nothing_goes_out() {
    let headers = [("x-two", "a"), ("transfer-encoding", "chunked"), ("x-two", "b"), ("date", "long ago")];
    let (bench, asked) = playing(move |_| said(201, &headers, b"hello"));
    for way in WAYS {
        let warden = Warden::anywhere();
        let requests = json!([
            { "method": "POST", "url": "https://nobody.invalid/a/%20b?c=d", "body": "what I say" },
            { "method": "HEAD", "url": "http://192.0.2.1:8080" },
        ]);
        let came = bench.answers(&warden, way, requests).await;
        assert_eq!((&came[0]["status"], &came[0]["body"]), (&json!(201), &json!("hello")), "{way}: {came:#?}");
        let shown: Vec<Value> = came[0]["headers"].as_array().unwrap().clone();
        let two = |value: &str| json!(["x-two", value]);
        assert!(shown.contains(&two("a")) && shown.contains(&two("b")), "{way}: {shown:?}");
        // `wasi:http` has no word of how an answer came.
        assert_eq!(shown.len(), if way == "wasi" { 3 } else { 4 }, "{way}: {shown:?}");
        assert_eq!((&came[1]["status"], &came[1]["body"]), (&json!(201), &json!("")), "{way}: HEAD has no body");
        let post = ("POST".to_owned(), "nobody.invalid:443".to_owned(), Some(201), None);
        assert_eq!(told(&warden)[0], post);
        assert!(warden.calls.lock().unwrap()[0].sent_bytes > 100, "it is counted as if it were sent");
        let asked = std::mem::take(&mut *asked.lock().unwrap());
        let asked: Vec<_> = asked.iter().map(|asked| (asked.place, asked.host.as_str(), asked.url.as_str())).collect();
        let first = (0, "nobody.invalid:443", "https://nobody.invalid/a/%20b?c=d");
        assert_eq!(asked, [first, (1, "192.0.2.1:8080", "http://192.0.2.1:8080/")], "{way}");
    }
}

#[tokio::test]
async fn what_is_played_counts_against_the_limits_and_can_fail() {
    let (bench, _) = playing(|request| match request.url.rsplit('/').next() {
        Some("large") => said(200, &[], &vec![b'y'; 100_000]),
        Some("late") => Err((HttpFault::Timeout, "it took too long".to_owned())),
        Some("status") => said(100, &[], b""),
        _ => said(200, &[("a b", "c")], b""),
    });
    for way in WAYS {
        let limits = |http_bytes: u64| Limits { http_bytes, ..DEFAULT };
        let large = json!({ "method": "POST", "url": "https://a.example/large", "body_bytes": 60_000 });
        let payload = json!({ "via": way, "requests": [large] });
        let attempted = bench.reach(&Warden::anywhere(), payload.clone(), limits(1 << 20)).await;
        assert_eq!(answers(&attempted)[0]["body_bytes"], 100_000, "{way}");
        let used = attempted.usage.http_bytes;
        let (enough, short) = (limits(used), limits(used - 1));
        let warden = Warden::anywhere();
        let attempted = bench.reach(&warden, payload.clone(), enough).await;
        assert_eq!((told(&warden)[0].2, told(&warden)[0].3), (Some(200), None), "{way}: {:?}", attempted.ending);
        let warden = Warden::anywhere();
        bench.reach(&warden, payload, short).await;
        assert_eq!(told(&warden)[0].3, Some(HttpFault::Limit), "{way}");
        let warden = Warden::anywhere();
        let url = |path: &str| json!({ "url": format!("https://a.example/{path}") });
        bench.answers(&warden, way, json!([url("late"), url("status"), url("header")])).await;
        let faults: Vec<_> = told(&warden).into_iter().map(|(.., fault)| fault).collect();
        assert_eq!(faults, [HttpFault::Timeout, HttpFault::Failed, HttpFault::Failed].map(Some), "{way}");
        let calls = warden.calls.lock().unwrap();
        assert_eq!(calls[0].message, "it took too long", "{way}");
        assert!(calls[1].message.contains("no usable status") && calls[2].message.contains("no usable header"));
    }
}

#[tokio::test]
async fn exchanges_are_told_with_what_came_of_them() {
    let all: Arc<Mutex<Vec<HttpExchange>>> = Arc::default();
    let list = Arc::clone(&all);
    let told = move |exchange| list.lock().unwrap().push(exchange);
    let bench = Bench::with(|config| config.peers.answering = Answering::Told(Arc::new(told)));
    let peer = Peer::answering("HTTP/1.1 404 None\r\nx-one: 1\r\nconnection: close\r\ncontent-length: 4\r\n\r\nnone");
    for way in WAYS {
        let warden = Warden::new(&["http://127.0.0.1:*"], &["private http://*:*"]);
        let requests = json!([{ "url": peer.url("/a?b") }, { "url": "http://elsewhere.example/" }]);
        let came = bench.answers(&warden, way, requests).await;
        let shown: Vec<Value> = came[0]["headers"].as_array().unwrap().clone();
        assert!(shown.contains(&json!(["content-length", "4"])), "{way}: {shown:?}");
        let all = std::mem::take(&mut *all.lock().unwrap());
        assert_eq!(all[0].request.url, peer.url("/a?b"), "{way}");
        let answer = all[0].answer.as_ref().unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (404, b"none".as_slice()), "{way}");
        assert!(answer.headers.contains(&("x-one".to_owned(), "1".to_owned())), "{way}: {answer:?}");
        assert_eq!(all[1].answer.as_ref().unwrap_err().0, HttpFault::Denied, "{way}");
    }
}
