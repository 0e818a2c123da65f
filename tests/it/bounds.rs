//! Bounds of the whole server: what is past one is refused or waits, and the server lives on.

use crate::support::{Answer, PATIENCE, TestServer, is_ended, wat_with};
use fusebox::store::{CatalogueBounds, NamedBounds};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc;
use std::time::Duration;

fn uploaded(server: &TestServer, number: usize, query: &str) -> Answer {
    let module = wat_with(u32::try_from(number).unwrap() + 2, "run");
    server.admin.request("POST", &format!("/module{query}")).bytes(module).send()
}

/// Makes the things of one kind by number, and says where one is.
type Kind<'a> = (&'a str, Box<dyn Fn(usize) -> Answer + 'a>, Box<dyn Fn(usize, &Answer) -> String + 'a>);

/// Every kind that is posted: its name in the refusal, its route, its body by number.
fn posted<'a>(server: &'a TestServer, what: &'a str, route: &'a str, body: impl Fn(usize) -> Value + 'a) -> Kind<'a> {
    let path = move |_: usize, made: &Answer| format!("{route}/{}", made.body["data"]["id"].as_str().unwrap());
    (what, Box::new(move |number| server.admin.post(route, &body(number))), Box::new(path))
}

/// The same of what is put where it shall be.
fn put<'a>(server: &'a TestServer, what: &'a str, route: &'a str, body: Value) -> Kind<'a> {
    let path = move |number: usize| format!("{route}{number}");
    (what, Box::new(move |number| server.admin.put(&path(number), &body)), Box::new(move |number, _| path(number)))
}

#[test]
fn the_catalogue_takes_as_many_of_each_kind_as_it_may_and_one_more_is_refused() {
    let mut named = NamedBounds::default();
    (named.source_types, named.sources, named.sink_types, named.sinks) = (2, 2, 2, 2);
    (named.schedules, named.secrets) = (2, 2);
    let server = TestServer::with(|config| {
        config.catalogue = CatalogueBounds {
            modules: 2,
            module_names: 2,
            actions: 2,
            event_types: 2,
            // Beside the one of the first start.
            tokens: 3,
            objects: 2,
            attachments: 2,
            named,
        };
    });
    let modules: Kind = (
        "modules",
        Box::new(|number| uploaded(&server, number, "")),
        Box::new(|_, made| format!("/module/{}", made.body["data"]["digest"].as_str().unwrap())),
    );
    at_the_bound_and_past_it(&server, modules);
    let digest = uploaded(&server, 0, "").expect(200)["digest"].clone();
    let action = |number| json!({ "name": format!("a{number}"), "module": digest });
    let event_type = |number| json!({ "display_name": format!("e{number}") });
    let source = |number| json!({ "name": format!("s{number}"), "source_type": "n0" });
    let schedule = |number| json!({ "name": format!("s{number}"), "event_type": "e0", "cron": "0 0 1 1 *" });
    let name = |number| json!({ "name": format!("n{number}") });
    let token = |number| json!({ "name": format!("t{number}"), "rights": { "read": true } });
    at_the_bound_and_past_it(&server, posted(&server, "actions", "/action", action));
    at_the_bound_and_past_it(&server, posted(&server, "event types", "/event-type", event_type));
    at_the_bound_and_past_it(&server, put(&server, "objects", "/object/room/", json!({})));
    at_the_bound_and_past_it(&server, posted(&server, "source type", "/source-type", name));
    at_the_bound_and_past_it(&server, posted(&server, "source", "/source", source));
    at_the_bound_and_past_it(&server, posted(&server, "sink type", "/sink-type", name));
    at_the_bound_and_past_it(&server, posted(&server, "sink", "/sink", name));
    at_the_bound_and_past_it(&server, posted(&server, "schedule", "/schedule", schedule));
    at_the_bound_and_past_it(&server, put(&server, "secret", "/secret/k", json!({ "value": "hunter2" })));
    at_the_bound_and_past_it(&server, posted(&server, "tokens", "/token", token));
    let attached = server.admin.get("/action?q=a0").expect(200)[0]["id"].as_str().unwrap().to_owned();
    let route = format!("/action/{attached}/object");
    let on = |number: usize| json!({ "object_type": "room", "object_id": number.to_string() });
    at_the_bound_and_past_it(&server, posted(&server, "attachments", &route, on));

    // Names of one module, which go with it only.
    for number in 0..2 {
        uploaded(&server, 0, &format!("?name=n{number}&version=1")).expect(200);
    }
    refused_as_full(&uploaded(&server, 0, "?name=n2&version=1"), "names of this module");
    // What is there can still be changed and used.
    server.admin.put("/object/room/0", &json!({ "name": "hall" })).expect(200);
    let fired = server.fire_and_wait("e0", json!({}));
    assert!(is_ended(&fired));
}

#[track_caller]
fn refused_as_full(answer: &Answer, what: &str) {
    answer.problem(429, "too_many_requests");
    assert_eq!(answer.header("retry-after"), "1", "{what}");
    assert!(
        answer.detail().contains(&format!("2 {what}")) || answer.detail().contains(&format!("3 {what}")),
        "{}",
        answer.text
    );
}

/// Of a kind of which there may be two: the third is refused, until one of them is gone.
#[track_caller]
fn at_the_bound_and_past_it(server: &TestServer, (what, make, path): Kind) {
    make(0).expect(201);
    let second = make(1);
    second.expect(201);
    let before = server.store().catalogue().revision();
    refused_as_full(&make(2), what);
    assert_eq!(server.store().catalogue().revision(), before, "{what}: something was kept of what was refused");
    server.admin.delete(&path(1, &second)).expect(200);
    make(3).expect(201);
    refused_as_full(&make(4), what);
}

/// A compiler that waits until a file is there.
fn patient_compiler(server_folder: &std::path::Path) -> (std::path::PathBuf, std::path::PathBuf) {
    let (script, gate) = (server_folder.join("compiler.sh"), server_folder.join("gate"));
    let program = env!("CARGO_BIN_EXE_fusebox");
    let text =
        format!("#!/bin/sh\nwhile [ ! -e '{}' ]; do /bin/sleep 0.01; done\nexec '{program}' \"$@\"\n", gate.display());
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    (script, gate)
}

/// Uploads that are compiled or wait for it at once.
const UPLOADS: usize = 32;

#[test]
fn one_upload_too_many_is_told_when_to_come_back_and_the_others_are_compiled() {
    let folder = tempfile::tempdir().unwrap();
    let (compiler, gate) = patient_compiler(folder.path());
    let server = TestServer::with(|config| config.compiler = compiler);
    let (sender, answers) = mpsc::channel();
    std::thread::scope(|scope| {
        for number in 0..=UPLOADS {
            let (server, sender) = (&server, sender.clone());
            scope.spawn(move || sender.send(uploaded(server, number, "")).unwrap());
        }
        // All but one wait for the compiler, which waits for this.
        let refused = answers.recv_timeout(PATIENCE).unwrap();
        refused.problem(429, "too_many_requests");
        assert_eq!(refused.header("retry-after"), "1");
        assert!(answers.try_recv().is_err(), "one was refused and no other was answered");
        server.admin.get("/healthz").expect(200);
        std::fs::write(&gate, "").unwrap();
        for _ in 0..UPLOADS {
            answers.recv_timeout(PATIENCE).unwrap().expect(201);
        }
    });
    uploaded(&server, 100, "").expect(201);
    assert_eq!(server.admin.get("/module?limit=200").body["count"], UPLOADS + 1);
}

/// Speaks HTTP over a connection of its own, which it keeps.
struct Wire(BufReader<TcpStream>);

impl Wire {
    fn open(server: &TestServer) -> Wire {
        let stream = TcpStream::connect(server.url().trim_start_matches("http://")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Wire(BufReader::new(stream))
    }

    fn ask(&mut self) {
        self.0.get_mut().write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    }

    fn hear(&mut self) -> std::io::Result<String> {
        let (mut first, mut line, mut length) = (String::new(), String::new(), 0);
        self.0.read_line(&mut first)?;
        loop {
            line.clear();
            self.0.read_line(&mut line)?;
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line.trim().is_empty() {
                break;
            }
        }
        self.0.read_exact(&mut vec![0; length])?;
        Ok(first.trim().to_owned())
    }
}

#[test]
fn past_the_bound_of_connections_one_waits_until_another_goes() {
    let server = TestServer::with(|config| config.connections = 2);
    let mut open: Vec<Wire> = (0..2).map(|_| Wire::open(&server)).collect();
    for wire in &mut open {
        wire.ask();
        assert_eq!(wire.hear().unwrap(), "HTTP/1.1 200 OK");
    }
    let mut third = Wire::open(&server);
    third.ask();
    third.0.get_ref().set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let early = third.hear().unwrap_err();
    assert!(matches!(early.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{early}");
    third.0.get_ref().set_read_timeout(Some(PATIENCE)).unwrap();
    // Those that are in are served meanwhile.
    open[0].ask();
    assert_eq!(open[0].hear().unwrap(), "HTTP/1.1 200 OK");
    drop(open.pop());
    assert_eq!(third.hear().unwrap(), "HTTP/1.1 200 OK");
    drop((open, third));
    server.admin.get("/healthz").expect(200);
    server.install("t", "noop", json!({}));
    assert_eq!(server.fire_and_wait("t", json!({}))["state"], "SUCCESS");
}
