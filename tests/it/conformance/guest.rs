//! Where the guests come from, and the one server that all of them are installed on.

use crate::support::TestServer;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, OnceLock};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Of the world `action`, in a language whose errors end the instance.
    Action,
    /// The same in a language with errors of its own, which have a place in the author's text.
    Script,
    /// A program as a core module, which ends with a status.
    Command,
    /// A program as a component, which knows success and failure only.
    Program,
    /// What serves HTTP requests.
    Handler,
    /// Source code in a language.
    Source(&'static str),
}

pub(super) struct Guest {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) installed: OnceLock<Option<Installed>>,
}

/// A guest as the action of two event types: one with the usual limits, one that may compute for long.
pub(super) struct Installed {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// Those of [`Installed::fire`] and, with `.long` at its end, of [`Installed::fire_long`].
    event_type: String,
}

/// The code of a behaviour that there is none of.
pub(super) const UNKNOWN: u32 = 64;

pub(super) const PARAMS: &str = r##"{"channel": "#bookings", "limit": 3, "nested": {"deep": [1, null, "ü"]}}"##;
pub(super) const INPUT: &str = r#"{"seats": 12, "tags": ["a", "b"]}"#;
pub(super) const OBJECT: (&str, &str) = ("public.bookable", "42");

/// One server for the whole table, so that every component is compiled once.
pub(super) static SERVER: LazyLock<TestServer> = LazyLock::new(|| {
    let data = Path::new(env!("CARGO_TARGET_TMPDIR")).join("conformance");
    // Of the last run: nobody is left at its end to remove it.
    drop(std::fs::remove_dir_all(&data));
    let server = TestServer::with_data(&data);
    let allowed = [format!("private http://{}/allowed", STUB.address)];
    let wide = json!({ "fuel": 10_000_000_000_000_u64, "timeout_ms": 60_000 });
    for (name, limits) in [("conformance", json!({})), ("conformance-long", wide)] {
        let body = json!({ "name": name, "limits": limits, "allowed_hosts": allowed });
        server.admin.post("/sink-type", &body).expect(201);
    }
    let sink = json!({ "display_name": "conformance.sink" });
    server.admin.post("/event-type", &sink).expect(201);
    server
});

impl Guest {
    pub(super) fn installed(&self) -> Option<&Installed> {
        self.installed.get_or_init(|| self.install()).as_ref()
    }

    fn install(&self) -> Option<Installed> {
        let Some(code) = self.code() else {
            was_not_built(
                &format!("the guest `{}`", self.name),
                "`cargo xtask conformance` or `cargo xtask scripts --guests`",
            );
            return None;
        };
        let event_type = format!("conformance.{}", self.name);
        self.install_as(&event_type, &code, "conformance");
        self.install_as(&format!("{event_type}.long"), &code, "conformance-long");
        Some(Installed { name: self.name, kind: self.kind, event_type })
    }

    /// The action is attached to an object, so that it has an input and a scope.
    fn install_as(&self, event_type: &str, code: &Code, sink_type: &str) {
        let server = &*SERVER;
        let mut action = match code {
            Code::Component(bytes) => json!({ "module": server.upload_bytes(bytes.clone()) }),
            Code::Source(language, text) => json!({ "code": text, "language": language }),
        };
        let params: Value = serde_json::from_str(PARAMS).unwrap();
        let parameters = params.as_object().unwrap().iter();
        let parameters = parameters.map(|(name, value)| json!({ "name": name, "type": "STATIC", "value": value }));
        let more = json!({
            "name": event_type, "trigger": event_type, "parameters": parameters.collect::<Vec<_>>(),
            "retry": { "attempts": 2, "base_ms": 0 }, "on_success": "conformance.sink",
            "allowed_hosts": [format!("http://{}", STUB.address)],
            "dedup_mode": "per_attachment",
        });
        action.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let body = json!({ "display_name": event_type, "sink_type": sink_type });
        server.admin.post("/event-type", &body).expect(201);
        let action = server.admin.post("/action", &action);
        let path = format!("/action/{}/object", action.expect(201)["id"].as_str().unwrap());
        let input: Value = serde_json::from_str(INPUT).unwrap();
        let body = json!({ "object_type": OBJECT.0, "object_id": OBJECT.1, "input": input });
        server.admin.post(&path, &body).expect(201);
    }

    fn code(&self) -> Option<Code> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let sources = root.join("tests/conformance");
        if let Kind::Source(language) = self.kind {
            if language == "python" && !has_python() {
                return None;
            }
            let text = std::fs::read_to_string(sources.join(self.name)).ok()?;
            return Some(Code::Source(language, text));
        }
        let folders: Vec<PathBuf> = match std::env::var_os("FUSEBOX_CONFORMANCE_DIR") {
            Some(folder) => vec![folder.into()],
            None => vec![root.join("target/conformance"), sources.join("components")],
        };
        let paths = folders.iter().map(|folder| folder.join(format!("{}.wasm", self.name)));
        paths.filter_map(|path| std::fs::read(path).ok()).map(Code::Component).next()
    }
}

/// Skipped with a loud word on a machine of somebody who has not all the tools, and a failure where all of them are.
fn was_not_built(what: &str, builder: &str) {
    let must = std::env::var_os("FUSEBOX_CONFORMANCE").is_some_and(|value| value == "all");
    assert!(!must, "{what} was not built");
    eprintln!("SKIPPED: {what} was not built; {builder} builds it");
}

/// Whether source code in Python can be run: its interpreter is not built in, but installed when it was built.
pub(super) fn has_python() -> bool {
    static INSTALLED: LazyLock<bool> = LazyLock::new(|| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/interpreters/python.wasm");
        let Ok(wasm) = std::fs::read(path) else {
            was_not_built("the interpreter of Python", "`cargo xtask interpreters --python`");
            return false;
        };
        let upload = SERVER.admin.patient().request("POST", "/module?name=interpreter.python").bytes(wasm).send();
        assert_eq!(upload.expect(201)["kind"], "interpreter");
        true
    });
    *INSTALLED
}

enum Code {
    Component(Vec<u8>),
    Source(&'static str, String),
}

impl Installed {
    /// The one run of an event with this payload, when it has ended.
    #[track_caller]
    pub(super) fn fire(&self, payload: &Value) -> Value {
        let answer = SERVER.admin.request("POST", "/event").header("prefer", "wait=60");
        let event = answer.json(&self.event(&self.event_type, payload)).send();
        let event = event.expect(200);
        let [run] = event["runs"].as_array().unwrap().as_slice() else { panic!("{}: {event:#}", self.name) };
        run.clone()
    }

    /// The id of an event whose run may go on for long.
    #[track_caller]
    pub(super) fn fire_long(&self, payload: &Value) -> String {
        let fired = SERVER.admin.post("/event", &self.event(&format!("{}.long", self.event_type), payload));
        fired.expect(202)["id"].as_str().unwrap().to_owned()
    }

    /// Of equal payloads that are in flight at once all but the first would be duplicates.
    fn event(&self, event_type: &str, payload: &Value) -> Value {
        static FIRED: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let number = FIRED.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        json!({
            "event_type": event_type, "payload": payload, "dedup_key": number.to_string(),
            "object": { "object_type": OBJECT.0, "object_id": OBJECT.1 },
        })
    }

    pub(super) fn event_type(&self) -> &str {
        &self.event_type
    }

    pub(super) fn is_command(&self) -> bool {
        matches!(self.kind, Kind::Command | Kind::Program)
    }

    /// Whether it knows nothing of the contract, and so has none of its interfaces.
    pub(super) fn is_plain(&self) -> bool {
        self.is_command() || self.kind == Kind::Handler
    }

    /// The code that a run ends with for a status.
    pub(super) fn status(&self, code: u32) -> u32 {
        match (self.kind, code) {
            (Kind::Program, _) => 1,
            // It has statuses of its own.
            (Kind::Handler, UNKNOWN) => 404,
            (Kind::Handler, _) => 422,
            _ => code,
        }
    }

    /// Whether what goes wrong is an error of the language.
    pub(super) fn is_script(&self) -> bool {
        matches!(self.kind, Kind::Script | Kind::Source(_))
    }
}

/// A peer for `http`: answers what it was asked, below `/allowed` and elsewhere.
pub(super) struct Stub {
    pub(super) address: String,
}

pub(super) static STUB: LazyLock<Stub> = LazyLock::new(|| {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    // Goes with the process, as the server above does.
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || drop(answer(&stream)));
        }
    });
    Stub { address }
});

fn answer(mut stream: &TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length, mut chunked) = (String::new(), 0, false);
    reader.read_line(&mut head)?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        chunked |= line == "transfer-encoding: chunked";
    }
    let body = if chunked { read_chunks(&mut reader)? } else { read_exact(&mut reader, length)? };
    let request = head.rsplit_once(' ').map_or("", |(request, _)| request);
    let told = format!("{request} {}", String::from_utf8_lossy(&body));
    write!(stream, "HTTP/1.1 201 Created\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{told}", told.len())
}

fn read_exact(reader: &mut impl Read, length: usize) -> std::io::Result<Vec<u8>> {
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(body)
}

fn read_chunks(reader: &mut impl BufRead) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut size = String::new();
        reader.read_line(&mut size)?;
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        body.extend(read_exact(reader, size)?);
        reader.read_line(&mut String::new())?;
        if size == 0 {
            return Ok(body);
        }
    }
}
