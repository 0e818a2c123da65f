//! A running server's backup, and what can be made of it.

use crate::support::{Client, PATIENCE, Serving, TestServer, component, fusebox, is_ended};
use fusebox::domain::{EventId, Run, RunId};
use fusebox::store::{Config, Query, RestoreError, Store, restore_backup, verify_backup};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// `fusebox backup` of a server to a file beside its data.
fn back_up(server: &TestServer, name: &str) -> PathBuf {
    let file = server.folder().join(name);
    let ran = fusebox(server.folder(), &["backup", name, "--url", &server.url(), "--token", &server.token], "");
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
    file
}

fn restored(file: &Path, folder: &Path) -> Value {
    let ran = fusebox(file.parent().unwrap(), &["restore", text(file), "--data", text(folder), "--json"], "");
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
    ran.json()
}

fn open(data: &Path) -> Store {
    Store::open(Config { path: data.join("fusebox.redb"), cache_bytes: 8 << 20, first_notice: 1 }).unwrap()
}

/// A server with some of everything.
fn furnished() -> TestServer {
    let server = TestServer::start();
    let action = server.install("noop", "noop", json!({ "input": { "door": { "type": "string" } } }));
    server.admin.put("/object/bookable/1", &json!({ "name": "One" })).expect(201);
    let attachment = json!({ "object_type": "bookable", "object_id": "1", "input": { "door": "north" } });
    server.admin.post(&format!("/action/{action}/object"), &attachment).expect(201);
    server.fire_and_wait("noop", json!({ "first": true }));
    server
}

#[test]
fn a_backup_under_load_has_all_that_was_acknowledged_before_it_and_nothing_by_half() {
    let server = furnished();
    let (numbers, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let acknowledged: Mutex<Vec<u64>> = Mutex::default();
    let fire = || {
        while !stop.load(Ordering::SeqCst) {
            let number = numbers.fetch_add(1, Ordering::SeqCst);
            let status = server.admin.request("POST", "/trigger/noop").bytes(number.to_string()).try_send();
            assert_eq!(status, Some(202));
            acknowledged.lock().unwrap().push(number);
        }
    };
    let enough = |count: usize| {
        while acknowledged.lock().unwrap().len() < count {
            std::thread::yield_now();
        }
    };
    let (file, before) = std::thread::scope(|scope| {
        (0..4).for_each(|_| drop(scope.spawn(fire)));
        enough(200);
        let before = acknowledged.lock().unwrap().clone();
        let file = back_up(&server, "under-load");
        // The server went on meanwhile and goes on now.
        enough(before.len() + 50);
        stop.store(true, Ordering::SeqCst);
        (file, before)
    });
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    let data = server.folder().join("restored");
    let token = restored(&file, &data)["token"].as_str().unwrap().to_owned();
    let store = open(&data);
    assert_eq!(store.check().unwrap(), [""; 0]);
    let query =
        Query { tenant: None, state: None, after: None, oldest_first: true, between: (None, None), limit: usize::MAX };
    let events = store.list_events(&query, None, |_| true).unwrap().items;
    let runs = store.list_runs(&query, None, |_| true).unwrap().items;
    let mut of_number: HashMap<u64, u32> = HashMap::new();
    events.iter().filter_map(|event| event.payload.to().ok()).for_each(|n| *of_number.entry(n).or_default() += 1);
    assert!(before.iter().all(|number| of_number.get(number) == Some(&1)), "an acknowledged event is not there");
    let by_id: HashMap<RunId, &Run> = runs.iter().map(|run| (run.id, run)).collect();
    let known: HashSet<EventId> = events.iter().map(|event| event.id).collect();
    for event in &events {
        assert!(event.runs.iter().all(|run| by_id[run].event_id == event.id), "{event:?}");
    }
    assert!(runs.iter().all(|run| known.contains(&run.event_id)), "a run is there without its event");
    store.close();
    drop(store);

    // A server goes on with what was open.
    let serving = Serving::start(&data, &[]);
    assert_eq!(serving.token, None, "it has its tokens");
    for token in [&token, &server.token] {
        serving.client(token).get("/action").expect(200);
    }
    let client = serving.client(&token);
    for event in events.iter().take(20) {
        let path = format!("/event/{}", event.id);
        let started = std::time::Instant::now();
        while !is_ended(client.get(&path).expect(200)) {
            assert!(started.elapsed() < PATIENCE, "it never ends");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
}

#[test]
fn a_restored_store_is_the_one_that_was_backed_up() {
    let server = furnished();
    let file = back_up(&server, "whole");
    // That it was asked for is in it.
    let dump = server.dump();
    let made = server.folder().join("made.redb");
    restore_backup(std::fs::File::open(&file).unwrap(), &made).unwrap();
    let store = Store::open(Config { path: made, cache_bytes: 8 << 20, first_notice: 1 }).unwrap();
    assert_eq!(store.dump().unwrap(), dump);
    // And a backup of it is the same to the byte.
    let backup = verify_backup(std::fs::File::open(&file).unwrap()).unwrap();
    let mut again = Vec::new();
    assert_eq!(store.back_up(backup.made_at, &mut again).unwrap(), backup);
    assert_eq!(again, std::fs::read(&file).unwrap());
    assert_eq!(backup.size_bytes, again.len() as u64);
    store.close();
}

#[test]
fn a_restored_server_runs_what_the_old_one_could() {
    let server = furnished();
    let file = back_up(&server, "whole");
    let data = server.folder().join("restored");
    let said = restored(&file, &data);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&data), mode(&data.join("admin.token"))), (0o700, 0o600));
    let token = said["token"].as_str().unwrap();
    assert_eq!(std::fs::read_to_string(data.join("admin.token")).unwrap().trim(), token);
    let serving = Serving::start(&data, &[]);
    let fired = serving.client(token).request("POST", "/event").header("prefer", "wait=60");
    let object = json!({ "object_type": "bookable", "object_id": "1" });
    let fired = fired.json(&json!({ "event_type": "noop", "object": object })).send();
    assert_eq!(fired.expect(200)["state"], "SUCCESS", "it compiles what it has no artifact of");
}

#[test]
fn only_the_platforms_admin_takes_a_backup() {
    let server = TestServer::start();
    let tenant = server.client_for("a", &["admin"]).get("/backup");
    tenant.problem(403, "forbidden");
    assert!(tenant.detail().contains("what every tenant has"), "{}", tenant.detail());
    server.client_for("", &["read", "write", "execute"]).get("/backup").problem(403, "forbidden");
}

#[test]
fn what_is_no_whole_backup_is_refused_at_every_byte() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let mut whole = Vec::new();
    let backup = store.back_up(fusebox::domain::Timestamp::from_ms(5), &mut whole).unwrap();
    assert_eq!(verify_backup(&*whole).unwrap(), backup);
    for cut in 0..whole.len() {
        let refused = verify_backup(&whole[..cut]).unwrap_err();
        let expected = if cut < 17 { "it is not a backup" } else { "it breaks off" };
        assert!(refused.to_string().contains(expected), "{cut}: {refused}");
        let mut damaged = whole.clone();
        damaged[cut] ^= 1;
        verify_backup(&*damaged).expect_err("it was changed");
    }
    let more = [whole.as_slice(), b"\n"].concat();
    assert!(matches!(verify_backup(&*more), Err(RestoreError::Damaged("something follows its end"))));
    for other in [&b""[..], b"fusebox backup 2\n", &[0; 64]] {
        assert!(matches!(verify_backup(other), Err(RestoreError::NotABackup)), "{other:?}");
    }
    store.close();
}

#[test]
fn a_backup_that_cannot_be_restored_leaves_the_folder_as_it_was() {
    let server = furnished();
    let file = back_up(&server, "whole");
    let bytes = std::fs::read(&file).unwrap();
    let (short, changed) = (server.folder().join("short"), server.folder().join("changed"));
    std::fs::write(&short, &bytes[..bytes.len() - 1]).unwrap();
    let mut other = bytes.clone();
    other[bytes.len() - 1] ^= 1;
    std::fs::write(&changed, other).unwrap();
    let data = server.folder().join("restored");
    let restore = |file: &Path, data: &Path| {
        let ran = fusebox(server.folder(), &["restore", text(file), "--data", text(data)], "");
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{ran:?}");
        ran.err
    };
    for (file, why) in [(&short, "it breaks off"), (&changed, "it is damaged"), (&server.folder().join("no"), "no")] {
        assert!(restore(file, &data).contains(why), "{why}");
        assert!(!data.exists(), "{why}");
    }
    std::fs::create_dir(&data).unwrap();
    assert!(restore(&short, &data).contains("it breaks off"));
    assert_eq!(std::fs::read_dir(&data).unwrap().count(), 0, "an empty folder stays, and empty");
    std::fs::write(data.join("mine"), "x").unwrap();
    assert!(restore(&file, &data).contains("is not empty"));
    assert!(restore(&file, server.data()).contains("is not empty"), "a server's own folder");
    assert_eq!(std::fs::read_dir(&data).unwrap().count(), 1);
    std::fs::remove_file(data.join("mine")).unwrap();
    let ran = fusebox(server.folder(), &["restore", text(&file), "--data", text(&data)], "");
    assert_eq!(ran.code, 0, "{ran:?}");
    for word in ["A new admin token", "fusebox serve --data"] {
        assert!(ran.out.contains(word), "{word} is not in: {}", ran.out);
    }
}

/// Answers one request with a head and some bytes, and hangs up.
fn answering(head: String, body: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&body).unwrap();
    });
    url
}

#[test]
fn a_download_that_breaks_off_is_an_error_and_leaves_no_file() {
    let server = furnished();
    let whole = std::fs::read(back_up(&server, "whole")).unwrap();
    let half = whole[..whole.len() / 2].to_vec();
    let folder = tempfile::tempdir().unwrap();
    let backup = |url: &str| fusebox(folder.path(), &["backup", "new", "--url", url, "--token", "x"], "");
    let head = |length: usize| format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
    // Cut off by the network, and cut off in a way that HTTP does not notice.
    for head in [head(whole.len()), head(half.len())] {
        let ran = backup(&answering(head, half.clone()));
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{ran:?}");
        assert!(ran.err.contains("no backup was made"), "{ran:?}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
    let refused = backup(&server.url());
    assert!(refused.code == 1 && refused.err.contains("this token is not known here"), "{refused:?}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    assert_eq!(backup(&answering(head(whole.len()), whole.clone())).code, 0);
    assert_eq!(std::fs::read(folder.path().join("new")).unwrap(), whole);
}

#[test]
fn a_file_that_is_there_is_replaced_only_when_asked() {
    let server = furnished();
    let file = back_up(&server, "kept");
    let before = std::fs::read(&file).unwrap();
    let arguments = ["backup", "kept", "--url", &server.url(), "--token", &server.token];
    let ran = fusebox(server.folder(), &arguments, "");
    assert!(ran.code == 1 && ran.err.contains("is there already; --force"), "{ran:?}");
    assert_eq!(std::fs::read(&file).unwrap(), before);
    server.fire_and_wait("noop", json!({ "second": true }));
    let ran = fusebox(server.folder(), &[&arguments[..], &["--force", "--json"]].concat(), "");
    assert_eq!(ran.code, 0, "{ran:?}");
    let after = std::fs::read(&file).unwrap();
    assert_eq!(ran.json()["size_bytes"], after.len());
    assert!(after.len() > before.len());
}

/// Begins a backup and takes only its first bytes: more than the sockets hold is still to come.
fn begun(client: &Client, url: &str, token: &str) -> TcpStream {
    let payload = json!({ "text": "x".repeat(1_000_000) }).to_string();
    for _ in 0..24 {
        client.request("POST", "/trigger/t").bytes(payload.clone()).send().expect(202);
    }
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).unwrap();
    write!(stream, "GET /backup HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n").unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    stream
}

#[test]
fn one_backup_is_taken_at_a_time_and_a_client_that_leaves_makes_room() {
    let server = TestServer::start();
    server.admin.post("/event-type", &json!({ "display_name": "t" })).expect(201);
    let open = begun(&server.admin, &server.url(), &server.token);
    let second = server.admin.get("/backup");
    second.problem(429, "too_many_requests");
    assert_eq!(second.header("retry-after"), "1");
    // Meanwhile everything else goes on.
    server.admin.post("/event", &json!({ "event_type": "t" })).expect(202);
    drop(open);
    let started = std::time::Instant::now();
    while server.admin.request("GET", "/backup").try_send() == Some(429) {
        assert!(started.elapsed() < PATIENCE, "the slot stays taken");
    }
}

#[test]
fn a_server_that_is_killed_during_a_backup_has_lost_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let serving = Serving::start(&data, &[]);
    let token = serving.token.clone().unwrap();
    let client = serving.client(&token);
    let digest = client.request("POST", "/module").bytes(component("noop")).send().expect(201)["digest"].clone();
    let action = client.post("/action", &json!({ "name": "t", "module": digest })).expect(201)["id"].clone();
    client.post("/event-type", &json!({ "display_name": "t", "action": action })).expect(201);
    let mut open_backup = begun(&client, &serving.url, &token);
    serving.kill();
    let mut rest = Vec::new();
    // Whether the connection is reset or just ends, the end of the backup is not there.
    drop(open_backup.read_to_end(&mut rest));
    let again = Serving::start(&data, &[]);
    let client = again.client(&token);
    assert_eq!(client.pages("/event").len(), 24);
    let saved = fusebox(folder.path(), &["backup", "file", "--url", &again.url, "--token", &token], "");
    assert_eq!(saved.code, 0, "{saved:?}");
    drop(again);
    let store = Store::open(Config { path: data.join("fusebox.redb"), cache_bytes: 8 << 20, first_notice: 1 }).unwrap();
    assert_eq!(store.check().unwrap(), [""; 0]);
    store.close();
}

/// A store with secrets does not open the secrets without their key, so it says so before anybody finds out.
#[test]
fn secrets_are_restored_with_their_key_or_left_out() {
    let server = furnished();
    server.admin.put("/secret/bank", &json!({ "value": "hunter2 hunter2" })).expect(201);
    let file = back_up(&server, "with-secrets");
    assert!(!std::fs::read(&file).unwrap().windows(7).any(|part| part == b"hunter2"));
    let restore = |name: &str, more: &[&str]| {
        let data = server.folder().join(name);
        let ran = fusebox(server.folder(), &[&["restore", text(&file), "--data", text(&data)], more].concat(), "");
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
        (data, ran.out)
    };
    let (data, out) = restore("restored", &[]);
    assert!(out.contains("1 secrets and NOT the keys") && out.contains("secrets.key"), "{out}");
    let refused = fusebox(server.folder(), &["serve", "--listen", "127.0.0.1:0", "--data", text(&data)], "");
    assert!(refused.code == 1 && refused.err.contains("secrets.key"), "{refused:?}");
    std::fs::copy(server.data().join("secrets.key"), data.join("secrets.key")).unwrap();
    let serving = Serving::start(&data, &[]);
    serving.client(&server.token).get("/secret/bank").expect(200);
    let (data, out) = restore("without", &["--without-secrets"]);
    assert!(!out.contains("secrets and NOT"), "{out}");
    let serving = Serving::start(&data, &[]);
    serving.client(&server.token).get("/secret/bank").problem(404, "not_found");
}
