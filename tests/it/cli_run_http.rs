//! `fusebox run replay` and `fusebox test` with recorded HTTP.

use crate::cli_run::{Bench, same};
use crate::support::{Peer, Ran, TestServer, fusebox};
use serde_json::{Value, json};
use std::path::Path;

const REACH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guests/components/reach.wasm");
const WAYS: [&str; 2] = ["fusebox", "wasi"];
const HERE: &str = "private http://127.0.0.1:*";

/// A server whose runs reach this machine.
fn bench() -> Bench {
    Bench::over(TestServer::with(|config| config.hosts_of_wasm = vec![HERE.parse().unwrap()]))
}

/// What `Peer::saying` answers, as it is written down.
fn hello(exchange: &Value) -> Value {
    let mut whole = exchange.clone();
    whole["headers"] = json!([["content-length", "5"], ["connection", "close"]]);
    whole["body"] = json!("hello");
    whole
}

fn write(bench: &Bench, exchanges: &Value) -> String {
    let file = bench.folder.path().join("http.json");
    std::fs::write(&file, exchanges.to_string()).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn what_peers_answered_comes_from_a_file_and_what_failed_from_the_record() {
    let bench = bench();
    let peer = Peer::saying("hello");
    let rule = format!("http://127.0.0.1:{}/open", peer.port);
    bench.server.install("reach", "reach", json!({ "allowed_hosts": [rule] }));
    for way in WAYS {
        let requests = json!([
            { "method": "POST", "url": peer.url("/open?q=1"), "body": "what I say" },
            { "url": peer.url("/closed") },
            { "url": peer.url("/open") },
        ]);
        let run = bench.fire("reach", json!({ "via": way, "requests": requests }));
        let before = peer.requests().len();
        // Without a file it says what was asked and how that is answered.
        let (code, names, document) = bench.replay(&run, &[]);
        assert!(code == 1 && names.contains(&"http".to_owned()), "{way}: {document:#}");
        let asked = |method: &str, path: &str| json!({ "method": method, "url": peer.url(path), "status": 200, "headers": {}, "body": "" });
        let missing = json!([asked("POST", "/open?q=1"), asked("GET", "/open")]);
        assert_eq!(document["unanswered"], missing, "{way}");
        let ran = bench.run(&["run", "replay", run["id"].as_str().unwrap()]);
        for words in ["No answer was recorded", "--http", "/open?q=1", "http differs"] {
            assert!(ran.out.contains(words), "{words} is not in: {}", ran.out);
        }
        let file = write(&bench, &json!([hello(&missing[1]), hello(&missing[0])]));
        let (code, names, document) = bench.replay(&run, &["--http", &file]);
        assert_eq!((code, names), same(), "{way}: {document:#}");
        assert_eq!(document["unanswered"], json!([]));
        // Another answer is told as one.
        let mut other = hello(&missing[0]);
        other["status"] = json!(503);
        let file = write(&bench, &json!([hello(&missing[1]), other]));
        let (code, names, document) = bench.replay(&run, &["--http", &file]);
        assert!(code == 1 && names.contains(&"http".to_owned()), "{way}: {document:#}");
        let http =
            document["differences"].as_array().unwrap().iter().find(|differs| differs["what"] == "http").unwrap();
        assert_eq!((&http["server"][0]["status"], &http["here"][0]["status"]), (&json!(200), &json!(503)));
        assert_eq!((&http["server"][1]["fault"], &http["here"][1]["fault"]), (&json!("denied"), &json!("denied")));
        assert_eq!(http["server"][2], http["here"][2]);
        assert_eq!(peer.requests().len(), before, "a repetition sends nothing");
    }
}

#[test]
fn a_script_that_fetches_is_repeated_from_a_file() {
    let bench = bench();
    let peer = Peer::saying("hello");
    let code = "export default async ({ url }) => {
        const answer = await fetch(url, { headers: { 'x-mine': 'm' } });
        return [answer.status, await answer.text(), [...answer.headers]];
    }";
    let action =
        json!({ "name": "s", "language": "javascript", "code": code, "allowed_hosts": ["http://127.0.0.1:*"] });
    let id = bench.server.admin.post("/action", &action).expect(201)["id"].as_str().unwrap().to_owned();
    bench.server.event_type("s", &id, json!({}));
    let run = bench.fire("s", json!({ "url": peer.url("/") }));
    assert_eq!(run["output"][1], "hello", "{run:#}");
    let exchange = json!({ "method": "GET", "url": peer.url("/"), "status": 200 });
    let file = write(&bench, &json!([hello(&exchange)]));
    let (code, names, document) = bench.replay(&run, &["--http", &file]);
    assert_eq!((code, names), same(), "{document:#}");
}

/// What stands for a hidden secret is another one here, and nobody is asked for it.
#[test]
fn a_hidden_secret_is_not_asked_for() {
    let bench = bench();
    let peer = Peer::saying("hello");
    let rule = format!("http://127.0.0.1:{}", peer.port);
    let secret = json!({ "value": "hunter2-hunter2", "allowed_hosts": [rule] });
    bench.server.admin.put("/secret/key", &secret).expect(201);
    let parameters = json!([{ "name": "secret", "type": "SECRET", "value": "key", "reveal": false }]);
    bench.server.install("reach", "reach", json!({ "allowed_hosts": [rule], "parameters": parameters }));
    let request = json!({ "url": peer.url("/"), "headers": [["authorization", "Bearer {secret}"]] });
    let run = bench.fire("reach", json!({ "requests": [request] }));
    assert!(peer.requests()[0].contains("Bearer hunter2-hunter2"), "{run:#}");
    let exchange = json!({ "method": "GET", "url": peer.url("/"), "status": 200 });
    let file = write(&bench, &json!([hello(&exchange)]));
    let (code, names, document) = bench.replay(&run, &["--http", &file]);
    // The guest returns its placeholder, which is of one attempt only.
    assert_eq!((code, names), (1, vec!["output".to_owned()]), "{document:#}");
    let difference = &document["differences"][0];
    assert_eq!(difference["server"]["answers"], difference["here"]["answers"], "{document:#}");
}

fn test_reach(folder: &Path, requests: &Value, way: &str, more: &[&str]) -> Ran {
    let payload = json!({ "via": way, "requests": requests }).to_string();
    fusebox(folder, &[&["test", REACH, "--json", "--payload", &payload], more].concat(), "")
}

#[test]
fn what_a_test_recorded_is_answered_when_the_peer_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    for way in WAYS {
        let peer = Peer::with(|request, connection| {
            use std::io::Write;
            let body: &[u8] = if request.starts_with("GET /bytes") { &[0, 159, 146, 150] } else { b"hello" };
            if request.starts_with("GET /broken") {
                return Ok(());
            }
            let head = format!(
                "HTTP/1.1 200 OK\r\nx-a: 1\r\nx-a: 2\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            connection.write_all(&[head.as_bytes(), body].concat())
        });
        let paths = ["/text?a=b", "/bytes", "/broken", "/text?a=b"];
        let mut requests: Vec<Value> = paths.iter().map(|path| json!({ "url": peer.url(path) })).collect();
        requests.push(json!({ "url": "https://denied.example/" }));
        let requests = json!(requests);
        let recorded = test_reach(folder.path(), &requests, way, &["--allow-host", HERE, "--record-http", "http.json"]);
        let recorded = recorded.json();
        assert_eq!(recorded["result"]["state"], "SUCCESS", "{recorded:#}");
        let text = std::fs::read_to_string(folder.path().join("http.json")).unwrap();
        let file: Value = serde_json::from_str(&text).unwrap();
        let form = |at: usize| (file[at]["status"].clone(), file[at]["fault"].clone());
        assert_eq!((form(0), form(2)), ((json!(200), Value::Null), (Value::Null, json!("failed"))), "{way}: {file:#}");
        assert_eq!((&file[0]["body"], &file[1]["body"]["base64"]), (&json!("hello"), &json!("AJ+Slg==")), "{way}");
        assert_eq!((file.as_array().unwrap().len(), form(4).1), (5, json!("denied")), "{way}");
        let sent = peer.requests().len();
        let answered = test_reach(folder.path(), &requests, way, &["--http", "http.json"]).json();
        assert_eq!(answered["result"]["output"], recorded["result"]["output"], "{way}");
        assert_eq!((answered.get("unanswered"), peer.requests().len()), (None, sent), "{way}");
        // Each answers once.
        let more = json!([{ "url": peer.url("/bytes") }, { "url": peer.url("/bytes") }]);
        let answered = test_reach(folder.path(), &more, way, &["--http", "http.json"]).json();
        let answers = &answered["result"]["output"]["answers"];
        assert_eq!(
            (&answers[0]["status"], answered["unanswered"].as_array().unwrap().len()),
            (&json!(200), 1),
            "{way}"
        );
    }
}

#[test]
fn a_file_that_answers_nothing_is_refused_with_the_place() {
    let folder = tempfile::tempdir().unwrap();
    let tried = |text: &str| {
        std::fs::write(folder.path().join("http.json"), text).unwrap();
        let ran = test_reach(folder.path(), &json!([]), "fusebox", &["--http", "http.json"]);
        assert_eq!(ran.code, 1, "{ran:?}");
        ran.json()["error"].as_str().unwrap().to_owned()
    };
    let get = r#"{"method": "GET", "url": "https://a.example/", "status": 200}"#;
    for (text, words) in [
        ("{}", "http.json is no list"),
        (r#"[{"method": "GET"}]"#, "http.json is no list"),
        (r#"[{"method": "GET", "url": "https://a/", "status": 200, "more": 1}]"#, "http.json is no list"),
        (&format!("[{get}, {}]", get.replace("200", "199")), "the exchange 2: a status is 200 to 599, not 199"),
        (&format!("[{}]", get.replace("200", "600")), "the exchange 1: a status is 200 to 599, not 600"),
        (&format!("[{}]", get.replace(r#""status": 200"#, r#""body": """#)), "either a `status` or a `fault`"),
        (&format!("[{}]", get.replace("200", r#"200, "fault": "timeout""#)), "either a `status` or a `fault`"),
        (&format!("[{}]", get.replace("200", r#"200, "body": {"base64": "?"}"#)), "its body is no base64"),
    ] {
        let error = tried(text);
        assert!(error.contains(words), "{text}: {error}");
    }
    let missing = test_reach(folder.path(), &json!([]), "fusebox", &["--http", "nowhere.json"]);
    assert!(missing.code == 1 && missing.out.contains("nowhere.json cannot be read"), "{missing:?}");
    for more in [&["--http", "http.json", "--allow-host", HERE][..], &["--record-http", "http.json"]] {
        let refused = test_reach(folder.path(), &json!([]), "fusebox", more);
        assert_eq!(refused.code, 2, "{refused:?}");
    }
}
