//! The program as a user types it.

use crate::sandbox::guest::program;
use crate::support::{Ran, TestServer, fusebox};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Mutex;

fn example(name: &str) -> String {
    let file = crate::support::component(name);
    // Where a user would have it: in some folder, not in this one.
    static WRITTEN: Mutex<()> = Mutex::new(());
    let _writing = WRITTEN.lock().unwrap();
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.wasm"));
    std::fs::write(&path, file).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A server, and what runs commands against it.
struct Bench {
    server: TestServer,
}

impl Bench {
    fn new() -> Bench {
        Bench { server: TestServer::start() }
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let url = self.server.url();
        let arguments = [arguments, &["--url", &url, "--token", &self.server.token]].concat();
        fusebox(self.server.folder(), &arguments, "")
    }

    #[track_caller]
    fn ok(&self, arguments: &[&str]) -> String {
        self.run(arguments).ok()
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        let ran = self.run(&[arguments, &["--json"]].concat());
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
        ran.json()
    }
}

/// Fails with this code and these words in the place for errors.
#[track_caller]
fn fails(ran: &Ran, code: i32, words: &[&str]) {
    assert_eq!(ran.code, code, "{ran:?}");
    for word in words {
        assert!(ran.err.contains(word), "`{word}` is not in: {ran:?}");
    }
}

fn alone(arguments: &[&str]) -> Ran {
    fusebox(tempfile::tempdir().unwrap().path(), arguments, "")
}

#[test]
fn help_shows_where_to_start_and_every_command() {
    let ran = alone(&["--help"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    for word in ["serve --demo", "push", "fire", "runs", "logs", "test", "new", "FUSEBOX_URL", "Exit codes", "--json"] {
        assert!(ran.out.contains(word), "{word} is not in: {}", ran.out);
    }
    assert!(!ran.out.contains("compile-module"), "what is for itself only is hidden");
    for command in ["serve", "push", "fire", "runs", "logs", "test", "new"] {
        let ran = alone(&[command, "--help"]);
        assert!(ran.code == 0 && ran.out.contains("Usage:"), "{ran:?}");
    }
    assert!(alone(&["--version"]).out.contains(env!("CARGO_PKG_VERSION")));
}

#[test]
fn wrong_use_is_told_as_such() {
    for arguments in [
        &["fly"][..],
        &[],
        &["fire"],
        &["runs", "--limit", "0"],
        &["push", "x.wasm", "--trigger", "t"],
        &["serve", "--concurrency", "0"],
        &["serve", "--chain-depth", "65"],
        &["serve", "--chain-repeats", "0"],
        &["serve", "--chain-events", "10001"],
    ] {
        let ran = alone(arguments);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{ran:?}");
        assert!(ran.err.contains("Usage:") || ran.err.contains("--help"), "{ran:?}");
    }
}

#[test]
fn a_component_is_tried_without_a_server() {
    let calendar = example("booking_calendar");
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/booking-calendar/sample.json");
    let ran = alone(&[
        "test",
        &calendar,
        "--payload",
        sample,
        "--params",
        r#"{"domain":"example.com"}"#,
        "--object",
        "public.bookable/42",
    ]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
    for word in ["SUCCESS", "BEGIN:VCALENDAR", "chained event", "instructions", "bytes of memory", "wrote a calendar"] {
        assert!(ran.out.contains(word), "{word} is not in: {}", ran.out);
    }
    assert!(!ran.out.contains('\u{1b}'), "colours where nobody sees them");
}

#[test]
fn a_handler_and_a_program_are_tried_without_a_server() {
    let handler = example("handler");
    let ran = alone(&["test", &handler, "--json", "--payload", r#"{"status": 503, "headers": {"retry-after": "7"}}"#]);
    let result = &ran.json()["result"];
    assert_eq!((ran.code, &result["retry"], &result["after_ms"]), (1, &json!(true), &json!(7_000)));

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("fails.wat");
    let fails = r#"(data (i32.const 1024) "no such door") (func (export "_start")
        (call $complain (i32.const 1024) (i32.const 12)) (call $exit (i32.const 4)))"#;
    std::fs::write(&file, program(fails)).unwrap();
    let ran = alone(&["test", file.to_str().unwrap()]);
    assert_eq!(ran.code, 1, "{ran:?}");
    for words in ["guest_error", "code 4", "ended with exit status 4: no such door"] {
        assert!(ran.out.contains(words), "{words} is not in: {}", ran.out);
    }
}

#[test]
fn a_trial_has_one_document_for_programs() {
    let gallery = example("failure_gallery");
    let try_way = |way: &str, more: &[&str]| {
        let payload = json!({ "way": way }).to_string();
        let ran = alone(&[&["test", &gallery, "--json", "--payload", &payload], more].concat());
        assert_eq!(ran.err, "", "{way}");
        (ran.code, ran.json())
    };
    let (code, document) = try_way("ok", &[]);
    assert_eq!(
        (code, &document["result"]["state"], &document["result"]["output"]),
        (0, &json!("SUCCESS"), &json!("nothing failed"))
    );
    assert_eq!(document["usage"]["fuel"]["limit"], 1_000_000_000);
    let (code, document) = try_way("warning", &[]);
    assert_eq!((code, &document["result"]["state"]), (0, &json!("WARNING")));
    let (code, document) = try_way("reject", &[]);
    assert_eq!(
        (code, &document["result"]["reason"], &document["result"]["code"]),
        (1, &json!("guest_error"), &json!(42))
    );
    let (code, document) = try_way("retry_after", &["--attempt", "2"]);
    assert_eq!((code, &document["result"]["retry"], &document["result"]["after_ms"]), (1, &json!(true), &json!(2_000)));
    let (code, document) = try_way("wait", &["--timeout-ms", "100"]);
    assert_eq!(
        (code, &document["result"]["reason"], &document["usage"]["wall_ms"]["limit"]),
        (1, &json!("timeout"), &json!(100))
    );
    let (code, document) = try_way("loop", &["--fuel", "1000000"]);
    assert_eq!((code, &document["result"]["reason"]), (1, &json!("fuel_exhausted")));
    let (code, document) = try_way("memory", &["--memory-bytes", "4194304"]);
    assert_eq!((code, &document["result"]["reason"]), (1, &json!("memory_limit")));
    let (code, document) = try_way("log_flood", &[]);
    assert_eq!((code, &document["result"]["reason"]), (1, &json!("output_limit")));
    assert!(document["log"].as_array().unwrap().len() > 100);
}

#[test]
fn a_trial_that_cannot_be_says_why() {
    let gallery = example("failure_gallery");
    fails(&alone(&["test", "nothing.wasm"]), 1, &["nothing.wasm", "cannot be read"]);
    fails(&alone(&["test", &gallery, "--payload", "{"]), 1, &["not JSON"]);
    fails(&alone(&["test", &gallery, "--payload", "nothing.json"]), 1, &["nothing.json", "neither JSON nor a file"]);
    fails(&alone(&["test", &gallery, "--fuel", "2000000000"]), 1, &["--fuel", "1000000000"]);
    fails(&alone(&["test", &gallery, "--timeout-ms", "0"]), 1, &["--timeout-ms"]);
    fails(&alone(&["test", &gallery, "--object", "flat"]), 1, &["type/id"]);
    fails(&alone(&["test", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")]), 1, &["not a WebAssembly component"]);
    let ran = alone(&["test", "nothing.wasm", "--json"]);
    assert_eq!((ran.code, ran.err.as_str()), (1, ""));
    assert!(ran.json()["error"].as_str().unwrap().contains("cannot be read"));
}

#[test]
fn from_a_file_to_a_run_in_two_commands() {
    let bench = Bench::new();
    let gallery = example("failure_gallery");
    let pushed = bench.ok(&["push", &gallery, "--action", "Gallery of Failures", "--trigger", "gallery.fail"]);
    for word in [
        "sha256:",
        "asks for  fusebox:action/log@0.1.0: write lines",
        "Gallery of Failures (version 1)",
        "fusebox fire gallery.fail",
    ] {
        assert!(pushed.contains(word), "{word} is not in: {pushed}");
    }
    let fired = bench.ok(&["fire", "gallery.fail", "--payload", r#"{"way":"ok"}"#, "--wait"]);
    assert!(fired.contains("SUCCESS") && fired.contains("nothing failed"), "{fired}");
    let failed = bench.run(&["fire", "gallery.fail", "--payload", r#"{"way":"reject"}"#, "--wait", "10"]);
    assert!(
        failed.code == 1 && failed.out.contains("ERROR guest_error") && failed.out.contains("rejected on purpose"),
        "{failed:?}"
    );
    let accepted = bench.ok(&["fire", "gallery.fail", "--payload", r#"{"way":"reject"}"#]);
    assert!(accepted.contains("QUEUED") && accepted.contains("fusebox runs --event"), "{accepted}");
    let module = bench.json(&["push", &gallery, "--name", "other", "--version", "2"]);
    let names = module["module"]["names"].as_array().unwrap();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names[0].as_str().unwrap().starts_with("gallery-of-failures@"), "{names:?}");
    assert_eq!((&names[1], &module["action"]), (&json!("other@2"), &Value::Null));
}

/// What came to actions and event types after `push` was written was lost: it sent back only what it knew of.
#[test]
fn pushing_again_changes_what_there_is_and_keeps_the_rest() {
    let bench = Bench::new();
    let (noop, gallery) = (example("noop"), example("failure_gallery"));
    let push = |file: &str| bench.json(&["push", file, "--action", "a", "--trigger", "t"]);
    let first = push(&noop);
    let id = first["action"]["id"].as_str().unwrap();
    let body = json!({ "name": "a", "module": first["module"]["digest"], "description": "kept", "retry": { "attempts": 7 },
        "parameters": [{ "name": "p", "type": "STATIC", "value": 1 }], "limits": { "fuel": 1_000_000 }, "public": true, "dedup_mode": "per_action" });
    bench.server.admin.put(&format!("/action/{id}"), &body).expect(200);
    assert_eq!(push(&noop)["action"]["version"], 2, "the same again changes nothing");
    let second = push(&gallery);
    let action = &second["action"];
    assert_eq!((&action["id"], &action["version"], &action["description"]), (&json!(id), &json!(3), &json!("kept")));
    assert_eq!(
        (&action["retry"]["attempts"], &action["parameters"], &action["limits"]),
        (&json!(7), &body["parameters"], &body["limits"])
    );
    assert_eq!((&action["public"], &action["dedup_mode"]), (&json!(true), &json!("per_action")));
    assert_eq!((&action["module"], &second["event_type"]["version"]), (&second["module"]["digest"], &json!(1)));
    bench.server.admin.post("/source-type", &json!({ "name": "door" })).expect(201);
    let event_type = json!({ "display_name": "t", "action": id, "flow": "up", "source_type": "door" });
    bench.server.admin.put("/event-type/t", &event_type).expect(200);
    let other = bench.json(&["push", &noop, "--action", "b", "--trigger", "T"]);
    let kept = (&other["event_type"]["flow"], &other["event_type"]["source_type"]);
    assert_eq!(kept, (&json!("up"), &json!("door")));
    assert_eq!(
        (&other["event_type"]["id"], &other["event_type"]["action"]),
        (&first["event_type"]["id"], &other["action"]["id"])
    );
}

#[test]
fn a_push_that_is_refused_says_why() {
    let bench = Bench::new();
    let folder = bench.server.folder();
    std::fs::write(folder.join("empty.wasm"), "").unwrap();
    std::fs::write(folder.join("core.wat"), "(module)").unwrap();
    std::fs::write(folder.join("foreign.wat"), r#"(component (import "evil:host/root@1.0.0" (instance)))"#).unwrap();
    fails(&bench.run(&["push", "nothing.wasm"]), 1, &["nothing.wasm", "cannot be read"]);
    fails(&bench.run(&["push", "empty.wasm"]), 1, &["empty"]);
    fails(&bench.run(&["push", "core.wat"]), 1, &["core module", "module_refused"]);
    fails(&bench.run(&["push", "foreign.wat"]), 1, &["evil:host/root@1.0.0"]);
    fails(&bench.run(&["push", &example("noop"), "--name", "Bad Name"]), 1, &["module name"]);
    fails(
        &bench.run(&["push", &example("noop"), "--action", "ok", "--trigger", "not a name"]),
        1,
        &["not a valid event type name"],
    );
}

#[test]
fn a_payload_comes_from_an_argument_a_file_or_standard_input() {
    let bench = Bench::new();
    bench.server.install("noop", "noop", json!({}));
    std::fs::write(bench.server.folder().join("payload.json"), "{\"from\": \"file\"}").unwrap();
    let output = |payload: &str, input: &str| {
        let url = bench.server.url();
        let arguments =
            ["fire", "noop", "--wait", "--json", "--payload", payload, "--url", &url, "--token", &bench.server.token];
        let ran = fusebox(bench.server.folder(), &arguments, input);
        assert_eq!(ran.code, 0, "{ran:?}");
        ran.json()["data"]["runs"][0]["output"].clone()
    };
    assert_eq!(output(r#"{"from":"argument"}"#, ""), json!({ "from": "argument" }));
    assert_eq!(output("payload.json", ""), json!({ "from": "file" }));
    assert_eq!(output("-", "{\"from\": \"input\"}"), json!({ "from": "input" }));
    for payload in ["7", "null", "true", "[1]", "\"text\""] {
        assert_eq!(output(payload, ""), serde_json::from_str::<Value>(payload).unwrap());
    }
    let about = bench.json(&["fire", "noop", "--wait", "--object", "public.bookable/4/2"]);
    assert_eq!(about["data"]["object"], json!({ "object_type": "public.bookable", "object_id": "4/2" }));
    fails(&bench.run(&["fire", "noop", "--payload", "{oops}"]), 1, &["not JSON"]);
    fails(&bench.run(&["fire", "noop", "--object", "flat"]), 1, &["type/id"]);
    fails(&bench.run(&["fire", "nobody"]), 1, &["there is no event type `nobody`", "not_found"]);
}

#[test]
fn runs_are_listed_and_shown() {
    let bench = Bench::new();
    assert!(bench.ok(&["runs"]).contains("No runs"));
    bench.server.install("gallery", "failure_gallery", json!({}));
    let good = bench.server.fire_and_wait("gallery", json!({ "way": "ok" }));
    let bad = bench.server.fire_and_wait("gallery", json!({ "way": "trap" }));
    let (good_run, bad_run) = (good["runs"][0]["id"].as_str().unwrap(), bad["runs"][0]["id"].as_str().unwrap());
    let list = bench.ok(&["runs"]);
    let lines: Vec<&str> = list.lines().collect();
    assert!(lines.len() == 2 && lines[0].starts_with(bad_run) && lines[1].starts_with(good_run), "{list}");
    assert!(lines[0].contains("ERROR trap") && lines[0].contains("gallery") && lines[1].contains("SUCCESS"), "{list}");
    for filter in
        [&["--state", "ERROR"][..], &["--reason", "trap"], &["--event", bad["id"].as_str().unwrap()], &["-q", bad_run]]
    {
        let list = bench.ok(&[&["runs"], filter].concat());
        assert!(list.lines().count() == 1 && list.starts_with(bad_run), "{filter:?}: {list}");
    }
    let page = bench.ok(&["runs", "-n", "1"]);
    let cursor = page.lines().last().unwrap().strip_prefix("More: --cursor ").unwrap();
    assert!(bench.ok(&["runs", "-n", "1", "--cursor", cursor]).starts_with(good_run));

    let shown = bench.ok(&["runs", bad_run]);
    for word in ["ERROR trap", "executed `unreachable`", "attempt 1", "instructions", "gallery (version 1, sha256:"] {
        assert!(shown.contains(word), "{word} is not in: {shown}");
    }
    assert!(bench.ok(&["runs", good_run]).contains("\"nothing failed\""));
    assert_eq!(bench.json(&["runs", bad_run])["data"], bad["runs"][0]);
    assert_eq!(bench.json(&["runs"])["count"], 2);
    fails(&bench.run(&["runs", "nobody"]), 1, &["there is no run `nobody`"]);
    fails(&bench.run(&["runs", "--state", "DONE"]), 1, &["there is no such state"]);
}

#[test]
fn the_log_of_a_run_is_shown() {
    let bench = Bench::new();
    let sample =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/booking-calendar/sample.json")).unwrap();
    let parameters = json!({ "parameters": [{ "name": "domain", "type": "STATIC", "value": "example.com" }] });
    bench.server.install("calendar", "booking_calendar", parameters);
    let event = bench.server.fire_and_wait("calendar", serde_json::from_str(&sample).unwrap());
    let run = event["runs"][0]["id"].as_str().unwrap();
    let log = bench.ok(&["logs", run]);
    assert!(log.contains("info") && log.contains("wrote a calendar of") && log.contains("attendees=2"), "{log}");
    assert_eq!(bench.ok(&["logs", run, "--level", "error"]), "");
    assert_eq!(bench.ok(&["logs", run, "--follow"]), log, "a run that has ended is not followed for ever");
    assert_eq!(bench.json(&["logs", run])["data"][0]["level"], "info");
    fails(&bench.run(&["logs", "nobody"]), 1, &["there is no run `nobody`"]);
    fails(&bench.run(&["logs", run, "--level", "loud"]), 1, &["trace, debug, info, warn or error"]);
    fails(&bench.run(&["logs"]), 1, &["which run?"]);
}

/// `--follow` of a run that ended while it was followed stopped before the lines that were written last.
#[test]
fn a_run_is_followed_to_its_last_line() {
    let bench =
        Bench { server: TestServer::with(|config| (config.concurrency, config.concurrency_per_tenant) = (1, 1)) };
    let settings = json!({ "retry": { "attempts": 1 }, "limits": { "timeout_ms": 1_500, "log_bytes": 5_000 } });
    bench.server.install("gallery", "failure_gallery", settings);
    // Behind this one the run that is followed has not begun when the following does.
    bench.server.fire("gallery", json!({ "way": "wait" }));
    let event = bench.server.fire("gallery", json!({ "way": "log_flood" }));
    let run = bench.server.event(&event)["runs"][0]["id"].as_str().unwrap().to_owned();
    let followed = bench.ok(&["logs", &run, "--follow"]);
    let kept = bench.ok(&["logs", &run]);
    assert!(kept.lines().count() >= 3, "{kept}");
    assert_eq!(followed, kept);
}

#[test]
fn a_new_action_has_all_it_needs_to_begin() {
    let folder = tempfile::tempdir().unwrap();
    let ran = fusebox(folder.path(), &["new", "door-opener"], "");
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
    assert!(
        ran.out.contains("cargo build --release --target wasm32-wasip2") && ran.out.contains("door_opener.wasm"),
        "{}",
        ran.out
    );
    let read = |file: &str| std::fs::read_to_string(folder.path().join("door-opener").join(file)).unwrap();
    assert!(read("Cargo.toml").contains("name = \"door-opener\"") && read("Cargo.toml").contains("fusebox-sdk"));
    assert!(read("src/lib.rs").contains("#[action]"));
    assert!(read("README.md").contains("fusebox fire door_opener_fired"));
    assert!(serde_json::from_str::<Value>(&read("sample.json")).is_ok());
    for file in ["Cargo.toml", "src/lib.rs", "README.md", ".gitignore"] {
        let text = read(file);
        for placeholder in ["{name}", "{sdk}", "{artifact}", "{trigger}"] {
            assert!(!text.contains(placeholder), "{file} still has {placeholder}");
        }
    }
    let before = read("Cargo.toml");
    fails(&fusebox(folder.path(), &["new", "door-opener"], ""), 1, &["door-opener is there already"]);
    assert_eq!(read("Cargo.toml"), before);
    for name in ["Door", "1door", "door_opener", "a b", "", &"d".repeat(65), "-"] {
        let ran = fusebox(folder.path(), &["new", "--", name], "");
        fails(&ran, 1, &["lower-case letters, digits and -"]);
    }
    fails(&fusebox(folder.path(), &["new", "other", "--sdk", "nowhere"], ""), 1, &["there is no SDK at nowhere"]);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "what failed made nothing");
    let document = fusebox(folder.path(), &["new", "for-programs", "--json"], "").json();
    assert_eq!(document["files"].as_array().unwrap().len(), 5);
}

#[test]
fn a_server_that_cannot_be_asked_is_told_in_plain_words() {
    let bench = Bench::new();
    let url = bench.server.url();
    let folder = bench.server.folder();
    let wrong = fusebox(folder, &["runs", "--url", &url, "--token", "wrong"], "");
    fails(&wrong, 1, &["this token is not known here", "unauthorized"]);
    let none = fusebox(folder, &["runs", "--url", &url], "");
    fails(&none, 1, &["no token", "--token", "FUSEBOX_TOKEN", "fusebox-data/admin.token"]);
    // A port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = fusebox(folder, &["runs", "--url", &format!("http://{free}"), "--token", "x"], "");
    fails(&nobody, 1, &["no answer from", "fusebox serve"]);
    let nonsense = fusebox(folder, &["runs", "--url", "not a url", "--token", "x"], "");
    fails(&nonsense, 1, &["not a usable URL"]);
    let few = bench.server.client_for("", &["read"]);
    drop(few);
    let document = fusebox(folder, &["runs", "--json", "--url", &url, "--token", "wrong"], "");
    assert_eq!((document.code, document.err.as_str()), (1, ""));
    assert!(document.json()["error"].as_str().unwrap().contains("not known here"));
}

#[test]
fn a_secret_is_set_from_standard_input_or_a_file_and_shown_by_nothing() {
    let bench = Bench::new();
    let (url, token, folder) = (bench.server.url(), bench.server.token.clone(), bench.server.folder());
    let set = |arguments: &[&str], input: &str| {
        let arguments = [&["secret", "set"], arguments, &["--url", &url, "--token", &token]].concat();
        fusebox(folder, &arguments, input)
    };
    let ran = set(&["bank", "--description", "of the bank"], "hunter2\n");
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (0, "secret bank is set (version 1)\n", ""));
    std::fs::write(folder.join("key.pem"), "first line\nsecond line\r\n").unwrap();
    assert_eq!(set(&["bank", "--from-file", "key.pem"], "").out, "secret bank is set (version 2)\n");
    assert_eq!(set(&["bank", "--owner", "a"], "hunter2").out, "secret bank is set (version 1)\n");
    // What was read is what was written, without the newline at its end.
    let action = json!({ "parameters": [{ "name": "secret", "type": "SECRET", "value": "bank" }] });
    bench.server.install("pay", "leaky", action);
    let run = bench.server.fire_and_wait("pay", json!("length"))["runs"][0].clone();
    assert_eq!(run["output"], "first line\nsecond line".len());

    let listed = bench.ok(&["secret", "list"]);
    assert_eq!(listed.lines().count(), 2, "{listed}");
    let own = bench.ok(&["secret", "list", "--owner", ""]);
    assert!(own.contains("bank") && own.contains("(platform)") && own.contains("of the bank"), "{own}");
    assert_eq!(own.lines().count(), 1, "{own}");
    assert_eq!(bench.json(&["secret", "list"]).as_array().unwrap().len(), 2);
    assert!(!listed.contains("hunter2") && !listed.contains("line"), "{listed}");

    fails(&set(&["bank"], ""), 1, &["no value was given"]);
    fails(&set(&["bank"], "abc"), 1, &["/value", "4 to 65536 bytes"]);
    fails(&set(&["bank", "--from-file", "nothing"], ""), 1, &["nothing cannot be read"]);
    let on_the_command_line = set(&["bank", "hunter2"], "");
    assert_eq!(on_the_command_line.code, 2, "{on_the_command_line:?}");
    fails(&bench.run(&["secret", "delete", "bank"]), 1, &["the action `pay`", "in_use"]);
    assert_eq!(bench.ok(&["secret", "delete", "bank", "--owner", "a"]), "secret bank is deleted\n");
    assert_eq!(bench.ok(&["secret", "delete", "bank", "--force"]), "secret bank is deleted\n");
    fails(&bench.run(&["secret", "delete", "bank"]), 1, &["not_found"]);
}

#[test]
fn a_command_says_where_a_secret_may_be_sent() {
    let bench = Bench::new();
    let (url, token, folder) = (bench.server.url(), bench.server.token.clone(), bench.server.folder());
    let set = |arguments: &[&str], input: &str| {
        let arguments = [&["secret", "set", "chat"], arguments, &["--url", &url, "--token", &token]].concat();
        fusebox(folder, &arguments, input)
    };
    let told = || bench.json(&["secret", "list"])[0].clone();
    let rules = ["https://chat.example.com", "POST https://*.example.org:8443/hooks"];
    assert_eq!(set(&["--allow-host", rules[0], "--allow-host", rules[1]], "hunter2").code, 0);
    assert_eq!(told()["allowed_hosts"], json!(rules));
    // A new value leaves it as it was, and the other way round.
    assert_eq!(set(&[], "hunter3").out, "secret chat is set (version 2)\n");
    assert_eq!(told()["allowed_hosts"], json!(rules));
    assert_eq!(set(&["--keep-value", "--allow-host", rules[1]], "").out, "secret chat is set (version 3)\n");
    assert_eq!(told()["allowed_hosts"], json!([rules[1]]));
    let parameters = json!([{ "name": "secret", "type": "SECRET", "value": "chat" }]);
    bench.server.install("leaky", "leaky", json!({ "parameters": parameters }));
    let run = bench.server.fire_and_wait("leaky", json!("length"))["runs"][0].clone();
    assert_eq!(run["output"], "hunter3".len());
    assert_eq!(set(&["--keep-value", "--allow-no-host"], "").code, 0);
    assert_eq!(told()["allowed_hosts"], json!([]));

    fails(&set(&["--allow-host", "chat.example.com"], "hunter2"), 2, &["a rule begins with `https://`"]);
    let private = set(&["--allow-host", "private https://chat.example.com"], "hunter2");
    fails(&private, 1, &["/allowed_hosts/0", "private"]);
    assert_eq!(set(&["--allow-host", rules[0], "--allow-no-host"], "hunter2").code, 2);
    assert_eq!(set(&["--keep-value", "--from-file", "key.pem"], "").code, 2);
    let other = [&["secret", "set", "other", "--keep-value"][..], &["--url", &url, "--token", &token]].concat();
    fails(&fusebox(folder, &other, ""), 1, &["a secret has a value"]);
}

#[test]
fn the_key_of_the_secrets_is_changed_by_a_command() {
    let bench = Bench::new();
    let file = bench.server.data().join("secrets.key");
    let before = std::fs::read_to_string(&file).unwrap();
    bench.server.admin.put("/secret/k", &json!({ "value": "hunter2" })).expect(201);
    let said = bench.ok(&["secret", "rotate-key"]);
    let after = std::fs::read_to_string(&file).unwrap();
    let key = after.lines().last().unwrap().split(' ').next().unwrap();
    assert_eq!(said, format!("1 secrets are encrypted with the new key {key}; the old one is gone\n"));
    assert_ne!(before, after);
    assert_eq!(bench.json(&["secret", "rotate-key"])["secrets"], 1);
}
